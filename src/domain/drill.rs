//! A drill (row E9): a real ladder about somebody whom nothing has happened to. It is no incident, so nothing that looks at alarms
//! sees one; a real alarm about the same person ends it. It never ends by itself.

use super::{
    ids::{DrillId, IncidentId, LadderId, OrganisationId, PersonId, TeamId},
    incident::{Holder, Incident, IncidentState, Opened, Opening, Round, Rules, Rung},
};
use crate::clock::Time;

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrillState {
    /// People are called.
    Running {
        /// The next round.
        due: Time,
    },
    /// Somebody answered.
    Taken {
        /// Who.
        by: PersonId,
        /// When.
        at: Time,
    },
    /// It was ended before anybody answered.
    Ended {
        /// By whom; nobody: by a real alarm.
        by: Option<PersonId>,
        /// When.
        at: Time,
    },
}

/// A drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drill {
    /// Its id.
    pub id: DrillId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// The worker's team.
    pub team: TeamId,
    /// The worker whom the ladder is about.
    pub subject: PersonId,
    /// The ladder.
    pub ladder: LadderId,
    /// Who started it.
    pub started_by: PersonId,
    /// When it starts.
    pub starts_at: Time,
    /// The round that comes next.
    pub rung: Rung,
    /// Where it stands.
    pub state: DrillState,
}

impl Drill {
    /// Whether it calls people.
    pub fn is_running(&self) -> bool {
        matches!(self.state, DrillState::Running { .. })
    }

    /// The round that is due, worked out by the incident's own rules; nothing if none is.
    pub fn due(mut self, rules: Rules<'_>, now: Time) -> (Self, Option<Round>) {
        let DrillState::Running { due } = self.state else { return (self, None) };
        let opening = Opening {
            id: IncidentId(self.id.0),
            organisation: self.organisation,
            team: self.team,
            subject: self.subject,
            visit: None,
            ladder: self.ladder,
            opened: Opened::InTime,
        };
        let decision = Incident::rehearsed(opening, self.rung, due).due(rules, now);
        if let IncidentState::Open { holder: Holder::Nobody { due }, .. } = decision.incident.state {
            self.rung = decision.incident.rung;
            self.state = DrillState::Running { due };
        }
        (self, decision.round)
    }
}
