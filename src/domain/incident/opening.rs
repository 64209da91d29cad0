//! How an incident begins.

use serde_json::json;

use super::{Claim, Decision, Holder, Incident, IncidentState, Kind, Opened, Rules, Rung, Sos};
use crate::{
    clock::Time,
    domain::{
        event::{ChainHead, EventKind, NewEvent, stamp},
        ids::{IncidentId, LadderId, OrganisationId, PersonId, TeamId, VisitId},
        incident::Why,
        policy::delta,
        visit::Missed,
    },
};

/// What an incident opens with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Opening {
    /// Its id.
    pub id: IncidentId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// The subject's team.
    pub team: TeamId,
    /// The worker.
    pub subject: PersonId,
    /// The visit, if there is one.
    pub visit: Option<VisitId>,
    /// The ladder in force.
    pub ladder: LadderId,
    /// In time or late.
    pub opened: Opened,
}

/// A call for help as it reaches an incident.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cry<'c> {
    /// Aloud or silent.
    pub kind: Kind,
    /// When, and by whom.
    pub sos: Sos,
    /// What was said.
    pub words: Option<&'c str>,
    /// Under duress: whoever is on the visit with the worker.
    pub companions: &'c [PersonId],
}

impl Incident {
    /// Opens because the worker has missed a deadline. The ladder counts from now: after an outage nobody is skipped.
    pub fn overdue(opening: Opening, missed: Missed, rules: Rules<'_>, now: Time) -> Decision {
        let first_wait = rules.ladder.steps.first().map(|step| delta(step.after)).unwrap_or_default();
        let mut incident =
            Self::opened(opening, Kind::Overdue, Holder::Nobody { due: now + first_wait }, now);
        incident.missed = Some(missed);
        let event = NewEvent::new(
            EventKind::IncidentOpened,
            now,
            json!({
                "kind": Kind::Overdue,
                "visit": opening.visit,
                "subject": opening.subject,
                "awaited": missed.what,
                "due": stamp(missed.at),
                "late_by_seconds": (now - missed.at).num_seconds(),
                "after_outage": opening.opened == Opened::AfterOutage,
                "ladder": opening.ladder,
            }),
        );
        let mut decision = incident.due(rules, now);
        decision.events.insert(0, event);
        decision
    }

    /// Opens because the worker called for help, with or without a visit: no grace, the first two steps at once. `nearest`
    /// is the visit whose place helps where there is none running.
    pub fn called_for_help(
        opening: Opening,
        nearest: Option<VisitId>,
        cry: Cry<'_>,
        rules: Rules<'_>,
        now: Time,
    ) -> Decision {
        let mut incident = Self::opened(opening, cry.kind, Holder::Nobody { due: now }, now);
        incident.sos = Some(cry.sos);
        incident.companions = cry.companions.to_vec();
        incident.nearest_visit = nearest;
        let event = NewEvent::new(
            EventKind::IncidentOpened,
            cry.sos.at,
            json!({
                "kind": cry.kind,
                "visit": opening.visit,
                "subject": opening.subject,
                "ladder": opening.ladder,
            }),
        )
        .with_words(cry.words);
        let mut decision = incident.round(Why::Sos, rules, now);
        decision.events.insert(0, event);
        decision
    }

    /// What a drill goes by: an incident that is never kept, whose next round is `rung`, due at `due`.
    pub(in crate::domain) fn rehearsed(opening: Opening, rung: Rung, due: Time) -> Self {
        Self { rung, ..Self::opened(opening, Kind::Overdue, Holder::Nobody { due }, due) }
    }

    fn opened(opening: Opening, kind: Kind, holder: Holder, now: Time) -> Self {
        let Opening { id, organisation, team, subject, visit, ladder, opened } = opening;
        Self {
            id,
            organisation,
            team,
            subject,
            visit,
            kind,
            missed: None,
            sos: None,
            nearest_visit: None,
            position: None,
            police: None,
            opened_at: now,
            opened,
            ladder,
            rung: Rung::default(),
            held_in_raise: None,
            reached_nobody: false,
            companions: vec![],
            released: None,
            state: IncidentState::Open { holder, claim: Claim::None },
            version: 0,
            chain: ChainHead::default(),
        }
    }
}
