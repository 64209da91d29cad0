//! What time brings to a visit: reminders, and incidents.

use serde_json::json;

use super::{Awaited, Deadline, Missed, Reminder, Risk, Visit, VisitState};
use crate::{
    clock::Time,
    domain::{
        event::{EventKind, NewEvent, stamp},
        policy::Policy,
    },
};

/// What a visit that is watched needs when its time has come.
#[derive(Debug, Clone, PartialEq)]
pub enum Due {
    /// Nothing yet; look again then.
    Later(Time),
    /// The worker is reminded.
    Remind {
        /// Of what.
        what: Awaited,
        /// The first, or the last before others are told.
        which: Reminder,
        /// By when it is due, with the reminder done.
        deadline: Deadline,
        /// The visit with the reminder done.
        visit: Box<Visit>,
        /// For its log.
        event: NewEvent,
    },
    /// A grace is over: an incident opens.
    OpenIncident(Missed),
    /// It is not watched.
    Nothing,
}

impl Deadline {
    /// A deadline set at `now`. Reminders whose time is past are left out, but for the last: a deadline that is already
    /// there is asked about at once.
    pub fn new(at: Time, number: i32, now: Time, (what, risk): (Awaited, Risk), policy: &Policy) -> Self {
        let reminders = policy.reminders_of(what, risk);
        let past = reminders.iter().filter(|before| at - **before <= now).count();
        let reminders_done = if at <= now { past.min(1) } else { past };
        Self { at, number, reminders_done }
    }

    fn opens(&self, what: Awaited, risk: Risk, policy: &Policy) -> Time {
        self.at + policy.grace_of(what, risk)
    }

    fn next_due(&self, what: Awaited, risk: Risk, policy: &Policy) -> Time {
        let opens = self.opens(what, risk, policy);
        let reminder =
            policy.reminders_of(what, risk).get(self.reminders_done).map(|before| self.at - *before);
        reminder.map_or(opens, |reminder| reminder.min(opens))
    }
}

impl Visit {
    /// All that the worker is awaited to do, with its deadlines.
    fn awaited(&self) -> impl Iterator<Item = (Awaited, Deadline)> {
        let (main, check) = match &self.state {
            VisitState::Planned { deadline, .. } => (deadline.map(|it| (Awaited::Arrival, it)), None),
            VisitState::Begun { deadline, check } => (Some((Awaited::Departure, *deadline)), *check),
            VisitState::GoingHome { deadline } => (Some((Awaited::HomeSafe, *deadline)), None),
            VisitState::Ended { .. } | VisitState::Cancelled { .. } | VisitState::Recorded { .. } => {
                (None, None)
            }
        };
        main.into_iter().chain(check.map(|check| (Awaited::WelfareCheck, check)))
    }

    /// Until when the worker is watched: till they are out, or home.
    pub fn watched_till(&self) -> Option<Time> {
        match &self.state {
            VisitState::Begun { deadline, .. } | VisitState::GoingHome { deadline } => Some(deadline.at),
            _ => None,
        }
    }

    /// When it next needs the timer, as long as no incident about it is open.
    pub fn next_due(&self, policy: &Policy) -> Option<Time> {
        self.awaited().map(|(what, deadline)| deadline.next_due(what, self.details.risk, policy)).min()
    }

    /// Whether a deadline has passed.
    pub fn is_overdue(&self, now: Time) -> bool {
        self.awaited().any(|(_, deadline)| deadline.at <= now)
    }

    /// What its time has brought.
    pub fn due(&self, now: Time, policy: &Policy) -> Due {
        let risk = self.details.risk;
        let opens = |(what, deadline): &(Awaited, Deadline)| deadline.opens(*what, risk, policy);
        let first_to_open = self.awaited().min_by_key(opens);
        if let Some((what, Deadline { at, .. })) = first_to_open.filter(|it| opens(it) <= now) {
            return Due::OpenIncident(Missed { what, at });
        }
        let reminded = self.awaited().find_map(|(what, deadline)| {
            // Of two reminders that are due at once only the later goes out.
            let reminders = policy.reminders_of(what, risk);
            let past = reminders.iter().filter(|before| deadline.at - **before <= now).count();
            (past > deadline.reminders_done).then_some((what, Deadline { reminders_done: past, ..deadline }))
        });
        let Some((what, deadline)) = reminded else {
            return self.next_due(policy).map_or(Due::Nothing, Due::Later);
        };
        let which = if deadline.reminders_done == 1 { Reminder::Before } else { Reminder::Last };
        let mut body = json!({"awaited": what, "reminder": deadline.reminders_done});
        let key = if what == Awaited::Departure { "expected_departure" } else { "due" };
        body[key] = json!(stamp(deadline.at));
        let event = NewEvent::new(EventKind::VisitReminded, now, body);
        Due::Remind { what, which, deadline, visit: Box::new(self.reminded(what, deadline)), event }
    }

    fn reminded(&self, of: Awaited, with: Deadline) -> Self {
        let mut visit = self.clone();
        match &mut visit.state {
            VisitState::Begun { check, .. } if of == Awaited::WelfareCheck => *check = Some(with),
            VisitState::Begun { deadline, .. } | VisitState::GoingHome { deadline } => *deadline = with,
            VisitState::Planned { deadline, .. } => *deadline = Some(with),
            VisitState::Ended { .. } | VisitState::Cancelled { .. } | VisitState::Recorded { .. } => {}
        }
        visit
    }
}
