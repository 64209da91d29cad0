//! A drill (row E9): a real ladder about somebody whom nothing has happened to. It is no incident, so nothing that looks at alarms
//! sees one, and unlike an incident it ends by itself.

mod schedule;

use serde::{Deserialize, Serialize};

pub use schedule::{BadSchedule, Schedule};

use super::{
    ids::{DrillId, DrillScheduleId, IncidentId, LadderId, OrganisationId, PersonId, TeamId},
    incident::{Holder, Incident, IncidentState, Opened, Opening, Round, Rules, Rung},
    visit::word_enum,
};
use crate::clock::Time;

word_enum! {
    /// What somebody answered whom a drill called.
    DrillAnswer {
        /// "I take it."
        Taken = "taken",
        /// "I cannot."
        Cannot = "cannot",
    }
}

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrillState {
    /// People are called.
    Running {
        /// The next round.
        due: Time,
    },
    /// It is over.
    Over {
        /// How that came.
        how: Over,
        /// When.
        at: Time,
    },
}

/// How a drill came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Everybody whom its ladder calls has answered.
    AllAnswered,
    /// Its last step was called, and had its time.
    LadderDone,
    /// A person ended it.
    ByHand(PersonId),
    /// It made way for a real alarm.
    SteppedAside,
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
    /// Who started it, or set the schedule that did.
    pub started_by: PersonId,
    /// The schedule that started it, and for which moment.
    pub scheduled: Option<(DrillScheduleId, Time)>,
    /// When it started.
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

    /// The round that is due, worked out by the incident's own rules, without those who have answered; nothing if none is. The last
    /// step goes on for ever in an alarm: here it is done once, and when it would be repeated the drill is over.
    pub fn due(mut self, rules: Rules<'_>, answered: &[PersonId], now: Time) -> (Self, Option<Round>) {
        let DrillState::Running { due } = self.state else { return (self, None) };
        if now < due {
            return (self, None);
        }
        if self.ladder_is_done(rules) {
            self.state = DrillState::Over { how: Over::LadderDone, at: now };
            return (self, None);
        }
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
        let mut round = decision.round;
        if let Some(round) = &mut round {
            round.calls.retain(|call| call.to.person().is_none_or(|person| !answered.contains(&person)));
        }
        (self, round)
    }

    fn ladder_is_done(&self, rules: Rules<'_>) -> bool {
        let step = usize::try_from(self.rung.step).unwrap_or_default();
        step >= rules.ladder.last_step() && self.rung.round > 0
    }

    /// Over, if everybody has answered whom its ladder calls, those of later steps too.
    #[must_use]
    pub fn after_an_answer(mut self, rules: Rules<'_>, answered: &[PersonId], now: Time) -> Self {
        let all = rules.ladder.cumulative_calls(rules.ladder.last_step(), self.subject, rules.directory);
        let mut all = all.iter().filter_map(|call| call.to.person());
        if self.is_running() && all.all(|person| answered.contains(&person)) {
            self.state = DrillState::Over { how: Over::AllAnswered, at: now };
        }
        self
    }
}
