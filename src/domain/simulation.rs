//! "If this visit is missed: who is told when?" Answered by the function that the timer itself uses.

use uuid::Uuid;

use super::{
    event::EventKind,
    ids::{IncidentId, LadderId, VisitId},
    incident::{Incident, Opened, Opening, Rules},
    ladder::{Call, Ladder},
    people::{Directory, Person},
    visit::{Awaited, Missed},
};
use crate::clock::Time;

/// One round as it would go out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulated {
    /// When.
    pub at: Time,
    /// The step, from 1.
    pub step: i32,
    /// The round of that step, from 1.
    pub round: i32,
    /// Steps that were passed over because they reach nobody, by their number from 1.
    pub skipped: Vec<i64>,
    /// Who is called.
    pub calls: Vec<Call>,
}

/// The first `rounds` rounds for a worker who misses a deadline so that the incident opens at `opens`, and nobody acts.
pub fn ladder(
    worker: &Person,
    ladder: &Ladder,
    directory: &Directory,
    opens: Time,
    rounds: usize,
) -> Vec<Simulated> {
    let policy = directory.policy(worker.team);
    let opening = Opening {
        id: IncidentId(Uuid::nil()),
        organisation: directory.organisation,
        team: worker.team,
        subject: worker.id,
        visit: Some(VisitId(Uuid::nil())),
        ladder: LadderId(Uuid::nil()),
        opened: Opened::InTime,
    };
    let missed = Missed { what: Awaited::Departure, at: opens };
    let rules = Rules { ladder, directory, policy: &policy };
    let mut decision = Incident::overdue(opening, missed, rules, opens);
    let mut now = opens;
    let mut simulated = Vec::new();
    while simulated.len() < rounds {
        if let Some(round) = decision.round {
            let skipped = decision
                .events
                .iter()
                .filter(|event| event.kind == EventKind::IncidentStepSkipped)
                .filter_map(|event| event.body["step"].as_i64())
                .collect();
            let (step, number) = (round.rung.step + 1, round.rung.round + 1);
            simulated.push(Simulated { at: now, step, round: number, skipped, calls: round.calls });
        }
        let Some(due) = decision.incident.next_due(&policy) else { break };
        now = due;
        decision = decision.incident.due(rules, now);
    }
    simulated
}
