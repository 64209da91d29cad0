//! "If this is missed: who is told when?" Answered by the functions that the timer itself uses.

use chrono::TimeDelta;
use uuid::Uuid;

use super::{
    event::EventKind,
    ids::{IncidentId, LadderId, VisitId},
    incident::{Cry, Decision, Incident, Kind, Opened, Opening, Rules, Sos},
    ladder::{Call, Ladder},
    people::{Directory, Person},
    visit::{Awaited, Missed, Risk},
};
use crate::clock::Time;

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// What happens: a deadline is missed, or the worker calls for help.
    pub kind: Kind,
    /// The visit's risk.
    pub risk: Risk,
    /// When.
    pub at: Time,
}

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
    /// Nobody among them could take the alarm, so the last-resort numbers are.
    pub reached_nobody: bool,
}

/// Something that would be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// The worker is reminded.
    Reminder {
        /// When.
        at: Time,
    },
    /// People are called.
    Round(Simulated),
}

/// What would be said up to `length` after it, if nobody acts.
pub fn moments(
    worker: &Person,
    ladder: &Ladder,
    directory: &Directory,
    question: Question,
    length: TimeDelta,
) -> Vec<Moment> {
    let end = question.at + length;
    let rounds = rounds(worker, ladder, directory, question);
    let rounds = rounds.take_while(|round| round.at <= end).map(Moment::Round);
    reminders(worker, directory, question).map(|at| Moment::Reminder { at }).chain(rounds).collect()
}

/// When the worker would be reminded of a deadline.
pub fn reminders(
    worker: &Person,
    directory: &Directory,
    Question { kind, risk, at }: Question,
) -> impl Iterator<Item = Time> {
    let reminders = directory.policy(worker.team).reminders(risk);
    reminders.into_iter().filter(move |_| kind == Kind::Overdue).map(move |before| at - before)
}

/// The rounds, one after the other and without an end, if nobody acts.
pub fn rounds<'r>(
    worker: &Person,
    ladder: &'r Ladder,
    directory: &'r Directory,
    Question { kind, risk, at }: Question,
) -> impl Iterator<Item = Simulated> + use<'r> {
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
    let missed = Missed { what: Awaited::Departure, at };
    let rules = Rules { ladder, directory, policy: &policy };
    let mut now = at;
    let mut next = Some(match kind {
        Kind::Overdue => {
            now += policy.grace(risk);
            Incident::overdue(opening, missed, rules, now)
        }
        Kind::Sos | Kind::Duress => {
            let cry = Cry { kind, sos: Sos { at, by: worker.id }, words: None, companions: &[] };
            Incident::called_for_help(opening, None, cry, rules, now)
        }
    });
    std::iter::from_fn(move || {
        let rules = Rules { ladder, directory, policy: &policy };
        loop {
            let decision = next.take()?;
            let said = simulated(&decision, now);
            if let Some(due) = decision.incident.next_due(rules.policy) {
                now = due;
                next = Some(decision.incident.due(rules, now));
            }
            if said.is_some() {
                return said;
            }
        }
    })
}

fn simulated(decision: &Decision, at: Time) -> Option<Simulated> {
    let round = decision.round.as_ref()?;
    let of = |kind| decision.events.iter().filter(move |event| event.kind == kind);
    Some(Simulated {
        at,
        step: round.rung.step + 1,
        round: round.rung.round + 1,
        skipped: of(EventKind::IncidentStepSkipped).filter_map(|event| event.body["step"].as_i64()).collect(),
        calls: round.calls.clone(),
        reached_nobody: of(EventKind::IncidentReachedNobody).next().is_some(),
    })
}
