//! The visit: planned → begun {deadline} → ended; a plan can be cancelled. Overdue is derived, never stored.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    event::{ChainHead, EventKind, NewEvent, stamp},
    ids::{OrganisationId, PersonId, TeamId, VisitId},
    policy::{Policy, delta},
};
use crate::clock::Time;

/// No deadline lies further ahead than this (rows S5, V12).
pub const FURTHEST_AHEAD: TimeDelta = TimeDelta::hours(12);
/// What an "I'm fine" inside the grace is worth.
pub const FINE_IN_GRACE: TimeDelta = TimeDelta::minutes(10);
/// The same words within this long are the same visit.
pub const SAME_WORDS: TimeDelta = TimeDelta::minutes(10);
/// A start within this long of the expected arrival can be the planned visit.
pub const PLAN_MATCHES: TimeDelta = TimeDelta::minutes(60);
/// Extending for somebody else (row V15).
pub const FURTHEST_FOR_ANOTHER: TimeDelta = TimeDelta::minutes(30);

macro_rules! word_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        #[sqlx(type_name = "TEXT", rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant),* }

        impl $name {
            /// Its word in the database and the API.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }
    };
}
pub(crate) use word_enum;

word_enum! {
    /// How dangerous the visit is held to be.
    #[derive(Default)]
    Risk {
        /// As most are.
        #[default]
        Normal = "normal",
        /// No grace: the alarm goes up at the deadline.
        High = "high",
    }
}

word_enum! {
    /// Who is visited.
    Visiting {
        /// A person under supervision.
        Supervised = "supervised",
        /// A victim.
        Victim = "victim",
        /// A child or a family.
        ChildOrFamily = "child_or_family",
        /// A tenant.
        Tenant = "tenant",
        /// Somebody else.
        Other = "other",
    }
}

word_enum! {
    /// How a visit turned out (row V2).
    VisitOutcome {
        /// The person was seen.
        Seen = "seen",
        /// Nobody was in.
        NotIn = "not_in",
        /// They would not see the worker.
        Refused = "refused",
        /// The worker broke it off because it was not safe.
        AbortedUnsafe = "aborted_unsafe",
        /// Something else; the work undertaken says what.
        Other = "other",
    }
}

word_enum! {
    /// How somebody who speaks for the worker knows (row V15).
    KnownBy {
        /// They spoke, and knew the voice.
        SpokeByVoice = "spoke_by_voice",
        /// They saw the worker.
        Seen = "seen",
        /// The police told them.
        Police = "police",
    }
}

word_enum! {
    /// How a visit ended.
    EndedHow {
        /// The worker checked out in time.
        CheckedOut = "checked_out",
        /// The worker checked out after the deadline, before anybody else was told.
        LateCheckOut = "late_check_out",
        /// The worker checked out after the incident had opened.
        AfterAlarm = "after_alarm",
        /// Somebody else ended it for the worker.
        EndedForWorker = "ended_for_worker",
        /// It ended with the incident's close.
        WithIncident = "with_incident",
    }
}

/// What is known of a visit beforehand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// Why it is made.
    pub purpose: Option<String>,
    /// Where.
    pub place: Option<String>,
    /// Whose case it belongs to.
    pub case_reference: Option<String>,
    /// Who is visited.
    pub visiting: Option<Visiting>,
    /// How dangerous.
    pub risk: Risk,
    /// The phone will have no signal there (row V10).
    pub no_signal_expected: bool,
}

/// What the watching of a begun visit hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// The expected departure.
    pub at: Time,
    /// Counts the deadlines of this visit, so that each has reminders of its own.
    pub number: i32,
    /// How many of its two reminders are done or left out.
    pub reminders_done: usize,
}

/// Where a visit stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VisitState {
    /// Nobody is watched until it begins.
    Planned {
        /// When the worker means to arrive.
        expected_arrival: Time,
        /// When the worker means to leave.
        expected_departure: Time,
    },
    /// The worker is watched.
    Begun {
        /// Until when.
        deadline: Deadline,
    },
    /// The worker is out.
    Ended {
        /// Since when.
        at: Time,
        /// How.
        how: EndedHow,
        /// Who ended it.
        by: PersonId,
    },
    /// It did not take place.
    Cancelled {
        /// When that was said.
        at: Time,
        /// Who said it.
        by: PersonId,
    },
}

impl VisitState {
    /// Its word in the database and the API.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Planned { .. } => "planned",
            Self::Begun { .. } => "begun",
            Self::Ended { .. } => "ended",
            Self::Cancelled { .. } => "cancelled",
        }
    }
}

/// A visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// Its id.
    pub id: VisitId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// The worker's team when it was made.
    pub team: TeamId,
    /// Who is watched.
    pub worker: PersonId,
    /// What is known beforehand.
    pub details: Details,
    /// Where it stands.
    pub state: VisitState,
    /// The expected departure as it was last, whatever the state.
    pub expected_departure: Time,
    /// When the worker was at the door.
    pub arrived_at: Option<Time>,
    /// When the worker was last heard of.
    pub last_contact_at: Option<Time>,
    /// The sum of the extensions.
    pub extended: TimeDelta,
    /// How it turned out.
    pub outcome: Option<VisitOutcome>,
    /// Who was seen.
    pub seen_whom: Option<String>,
    /// What was done.
    pub work_undertaken: Option<String>,
    /// When the record was made.
    pub recorded_at: Option<Time>,
    /// Counts its changes.
    pub version: i64,
    /// Where its log ends.
    pub chain: ChainHead,
}

/// Who acts on a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The worker, whose PIN was right where one is asked for.
    Worker(PersonId),
    /// Somebody else, on the worker's behalf.
    Another {
        /// Who.
        person: PersonId,
        /// How they know, where that is asked.
        known_by: Option<KnownBy>,
    },
}

impl By {
    /// Who.
    pub fn person(self) -> PersonId {
        match self {
            Self::Worker(person) | Self::Another { person, .. } => person,
        }
    }

    fn known_by(self) -> Option<KnownBy> {
        match self {
            Self::Worker(_) => None,
            Self::Another { known_by, .. } => known_by,
        }
    }
}

/// To when a departure is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtendTo {
    /// So much after the later of now and the deadline.
    For(TimeDelta),
    /// To this instant.
    Until(Time),
}

/// How a visit turned out, as far as it was said (row V2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// How.
    pub outcome: Option<VisitOutcome>,
    /// Who was seen.
    pub seen_whom: Option<String>,
    /// What was done.
    pub work_undertaken: Option<String>,
}

/// What a person does to a visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// "I am at the door."
    Arrive,
    /// "I'm fine."
    CheckIn,
    /// "I need longer."
    Extend(ExtendTo),
    /// "I am out."
    CheckOut(Record),
    /// Outcome and work, later.
    Record(Record),
    /// "It does not take place."
    Cancel {
        /// Why.
        reason: String,
    },
}

/// Whether an incident about this visit is open: it then stands in for the visit's own deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// None is open.
    Quiet,
    /// One is open.
    Open,
}

/// What the worker says of themselves while an incident is open (row E7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// Out, or well: a person has to confirm it.
    Safe,
    /// Well, and inside till then.
    SafeInside {
        /// Till when.
        till: Time,
    },
}

/// What follows from an act beside the visit itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The open incident learns what the worker says.
    WorkerReports(Report),
    /// The extensions are above the team's cap: the manager is told (row V3).
    AboveCap {
        /// The sum of the extensions.
        total: TimeDelta,
    },
    /// The worker is told that somebody else acted for them (row V15).
    ToldWorker,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The visit as it is now.
    pub visit: Visit,
    /// What goes into its log; empty where nothing changed.
    pub events: Vec<NewEvent>,
    /// What else follows.
    pub effects: Vec<Effect>,
}

/// Why an act does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    /// It has not begun.
    #[error("this visit has not begun: nothing is running")]
    NotBegun,
    /// It has ended or was cancelled.
    #[error("this visit is over")]
    Over,
    /// It has begun; only a plan can be cancelled.
    #[error("this visit has begun: check out instead of cancelling")]
    HasBegun,
    /// For somebody else, while an incident is open.
    #[error(
        "an incident about this visit is open: acknowledge it, then close it, saying where the worker is now"
    )]
    IncidentOpen,
    /// The new departure is not after now.
    #[error("the new departure must lie ahead")]
    NotAhead,
}

/// What a begun visit needs when its time has come.
#[derive(Debug, Clone, PartialEq)]
pub enum Due {
    /// Nothing yet; look again then.
    Later(Time),
    /// The worker is reminded.
    Remind {
        /// Before the deadline, or at it.
        which: Reminder,
        /// The visit with the reminder done.
        visit: Box<Visit>,
        /// For its log.
        event: NewEvent,
    },
    /// The grace is over: an incident opens.
    OpenIncident,
    /// It is not watched.
    Nothing,
}

/// Which reminder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reminder {
    /// Some time before the deadline.
    Before,
    /// The last one before others are told.
    Last,
}

impl Deadline {
    /// A deadline set at `now`. Reminders whose time is past are left out, but for the last: a deadline that is already
    /// there is asked about at once.
    pub fn new(at: Time, number: i32, now: Time, risk: Risk, policy: &Policy) -> Self {
        let [first, second] = policy.reminders(risk);
        let past = [first, second].iter().filter(|before| at - **before <= now).count();
        let reminders_done = if at <= now { past.min(1) } else { past };
        Self { at, number, reminders_done }
    }

    fn next_due(&self, risk: Risk, policy: &Policy) -> Time {
        let opens = self.at + policy.grace(risk);
        let reminder = policy.reminders(risk).get(self.reminders_done).map(|before| self.at - *before);
        reminder.map_or(opens, |reminder| reminder.min(opens))
    }
}

impl Visit {
    /// When it next needs the timer, as long as no incident about it is open.
    pub fn next_due(&self, policy: &Policy) -> Option<Time> {
        match &self.state {
            VisitState::Begun { deadline } => Some(deadline.next_due(self.details.risk, policy)),
            _ => None,
        }
    }

    /// Whether the deadline has passed.
    pub fn is_overdue(&self, now: Time) -> bool {
        matches!(&self.state, VisitState::Begun { deadline } if deadline.at <= now)
    }

    /// What its time has brought.
    pub fn due(&self, now: Time, policy: &Policy) -> Due {
        let VisitState::Begun { deadline } = &self.state else { return Due::Nothing };
        let risk = self.details.risk;
        if deadline.at + policy.grace(risk) <= now {
            return Due::OpenIncident;
        }
        // Of two reminders that are due at once only the later goes out.
        let past = policy.reminders(risk).iter().filter(|before| deadline.at - **before <= now).count();
        if past <= deadline.reminders_done {
            return Due::Later(deadline.next_due(risk, policy));
        }
        let which = if past == 1 { Reminder::Before } else { Reminder::Last };
        let deadline = Deadline { reminders_done: past, ..*deadline };
        let event = NewEvent::new(
            EventKind::VisitReminded,
            now,
            json!({"expected_departure": stamp(deadline.at), "reminder": past}),
        );
        let visit = Box::new(Self { state: VisitState::Begun { deadline }, ..self.clone() });
        Due::Remind { which, visit, event }
    }

    /// Decides an act of a person whose PIN, where one is asked for, was right. Total: every act has an answer in every
    /// state. Acts that change nothing (a second check-out) come back without events.
    pub fn decide(
        self,
        act: Act,
        by: By,
        alarm: Alarm,
        now: Time,
        policy: &Policy,
    ) -> Result<Decision, NotNow> {
        if matches!(by, By::Another { .. })
            && alarm == Alarm::Open
            && !matches!(act, Act::Arrive | Act::Record { .. })
        {
            return Err(NotNow::IncidentOpen);
        }
        match act {
            Act::Arrive => self.arrive(by, now, policy),
            Act::CheckIn => self.check_in(alarm, now, policy),
            Act::Extend(to) => self.extend(to, by, alarm, now, policy),
            Act::CheckOut(record) => Ok(self.check_out(record, by, alarm, now)),
            Act::Record(record) => self.record(record, now),
            Act::Cancel { reason } => self.cancel(&reason, by, now),
        }
    }

    /// The incident closes with the worker still inside: watched until then, even if the visit had been ended meanwhile.
    pub fn watch_on(self, until: Time, now: Time, policy: &Policy) -> Decision {
        let number = match &self.state {
            VisitState::Begun { deadline } => deadline.number + 1,
            // Ended visits keep no count of deadlines; their version is higher than any they had.
            _ => i32::try_from(self.version).unwrap_or(i32::MAX - 1) + 1,
        };
        let next = Deadline::new(until, number, now, self.details.risk, policy);
        let was = self.state.as_str();
        self.moved_to(next, json!({"by": "the incident's close", "was": was}), now)
    }

    /// Ends a visit with its incident.
    pub fn end_with_incident(self, by: PersonId, now: Time) -> Decision {
        match &self.state {
            VisitState::Begun { .. } => self.ended(EndedHow::WithIncident, by, None, now),
            _ => unchanged(self),
        }
    }

    fn arrive(mut self, by: By, now: Time, policy: &Policy) -> Result<Decision, NotNow> {
        let event = NewEvent::new(
            EventKind::VisitArrived,
            now,
            json!({"before": {"state": self.state.as_str(), "arrived_at": self.arrived_at.map(stamp)}}),
        );
        match &self.state {
            VisitState::Planned { expected_departure, .. } => {
                // A plan whose departure is already past is watched for the default all the same (row V12).
                let at = if *expected_departure > now {
                    (*expected_departure).min(now + FURTHEST_AHEAD)
                } else {
                    now + delta(policy.default_visit)
                };
                let deadline = Deadline::new(at, 1, now, self.details.risk, policy);
                self.state = VisitState::Begun { deadline };
                self.expected_departure = at;
            }
            VisitState::Begun { .. } => {}
            VisitState::Ended { .. } | VisitState::Cancelled { .. } => return Err(NotNow::Over),
        }
        self.arrived_at = Some(now);
        if matches!(by, By::Worker(_)) {
            self.last_contact_at = Some(now);
        }
        Ok(Decision { visit: self, events: vec![event], effects: vec![] })
    }

    fn check_in(mut self, alarm: Alarm, now: Time, policy: &Policy) -> Result<Decision, NotNow> {
        let deadline = self.begun()?;
        self.last_contact_at = Some(now);
        let checked_in =
            NewEvent::new(EventKind::VisitCheckedIn, now, json!({"expected_departure": stamp(deadline.at)}));
        if alarm == Alarm::Open {
            let effects = vec![Effect::WorkerReports(Report::Safe)];
            return Ok(Decision { visit: self, events: vec![checked_in], effects });
        }
        if now < deadline.at {
            return Ok(Decision { visit: self, events: vec![checked_in], effects: vec![] });
        }
        let mut decision = self.extend_by_worker(now + FINE_IN_GRACE, deadline, alarm, now, policy);
        decision.events.insert(0, checked_in);
        Ok(decision)
    }

    fn extend(
        mut self,
        to: ExtendTo,
        by: By,
        alarm: Alarm,
        now: Time,
        policy: &Policy,
    ) -> Result<Decision, NotNow> {
        let deadline = self.begun()?;
        let wanted = match to {
            ExtendTo::For(length) => deadline.at.max(now) + length,
            ExtendTo::Until(until) => until,
        };
        if wanted <= now {
            return Err(NotNow::NotAhead);
        }
        match by {
            By::Worker(_) => {
                self.last_contact_at = Some(now);
                Ok(self.extend_by_worker(wanted.min(now + FURTHEST_AHEAD), deadline, alarm, now, policy))
            }
            By::Another { known_by, .. } => {
                let at = wanted.min(deadline.at.max(now) + FURTHEST_FOR_ANOTHER);
                let next = Deadline::new(at, deadline.number + 1, now, self.details.risk, policy);
                let mut decision = self.moved_to(next, json!({"known_by": known_by}), now);
                decision.effects.push(Effect::ToldWorker);
                Ok(decision)
            }
        }
    }

    fn extend_by_worker(
        mut self,
        at: Time,
        deadline: Deadline,
        alarm: Alarm,
        now: Time,
        policy: &Policy,
    ) -> Decision {
        let next = Deadline::new(at, deadline.number + 1, now, self.details.risk, policy);
        self.extended += (at - deadline.at).max(TimeDelta::zero());
        let total = self.extended;
        let mut decision = self.moved_to(next, json!({}), now);
        if alarm == Alarm::Open {
            decision.effects.push(Effect::WorkerReports(Report::SafeInside { till: at }));
        }
        if !policy.extension_cap.is_zero() && total > delta(policy.extension_cap) {
            decision.effects.push(Effect::AboveCap { total });
        }
        decision
    }

    fn moved_to(mut self, next: Deadline, mut body: serde_json::Value, now: Time) -> Decision {
        body["before"] = json!({"expected_departure": stamp(self.expected_departure)});
        body["after"] = json!({"expected_departure": stamp(next.at)});
        self.expected_departure = next.at;
        self.state = VisitState::Begun { deadline: next };
        let event = NewEvent::new(EventKind::VisitExtended, now, body);
        Decision { visit: self, events: vec![event], effects: vec![] }
    }

    fn check_out(mut self, record: Record, by: By, alarm: Alarm, now: Time) -> Decision {
        let VisitState::Begun { deadline } = &self.state else {
            // Nothing is running: said again, or never begun. Never an error (safety rule 1).
            return unchanged(self);
        };
        let how = match (by, alarm) {
            (By::Another { .. }, _) => EndedHow::EndedForWorker,
            (By::Worker(_), Alarm::Open) => EndedHow::AfterAlarm,
            (By::Worker(_), Alarm::Quiet) if deadline.at < now => EndedHow::LateCheckOut,
            (By::Worker(_), Alarm::Quiet) => EndedHow::CheckedOut,
        };
        if matches!(by, By::Worker(_)) {
            self.last_contact_at = Some(now);
        }
        let mut decision = self.ended(how, by.person(), by.known_by(), now);
        if record != Record::default() {
            decision.events.push(recording(&mut decision.visit, record, now));
        }
        if alarm == Alarm::Open {
            decision.effects.push(Effect::WorkerReports(Report::Safe));
        }
        if matches!(by, By::Another { .. }) {
            decision.effects.push(Effect::ToldWorker);
        }
        decision
    }

    fn ended(mut self, how: EndedHow, by: PersonId, known_by: Option<KnownBy>, now: Time) -> Decision {
        let event = NewEvent::new(
            EventKind::VisitEnded,
            now,
            json!({"before": {"expected_departure": stamp(self.expected_departure)}, "how": how, "known_by": known_by}),
        );
        self.state = VisitState::Ended { at: now, how, by };
        Decision { visit: self, events: vec![event], effects: vec![] }
    }

    fn record(mut self, record: Record, now: Time) -> Result<Decision, NotNow> {
        match self.state {
            VisitState::Planned { .. } => Err(NotNow::NotBegun),
            VisitState::Cancelled { .. } => Err(NotNow::Over),
            VisitState::Begun { .. } | VisitState::Ended { .. } => {
                let event = recording(&mut self, record, now);
                Ok(Decision { visit: self, events: vec![event], effects: vec![] })
            }
        }
    }

    fn cancel(mut self, reason: &str, by: By, now: Time) -> Result<Decision, NotNow> {
        match self.state {
            VisitState::Planned { .. } => {}
            VisitState::Begun { .. } => return Err(NotNow::HasBegun),
            VisitState::Ended { .. } => return Err(NotNow::Over),
            VisitState::Cancelled { .. } => return Ok(unchanged(self)),
        }
        self.state = VisitState::Cancelled { at: now, by: by.person() };
        let event = NewEvent::new(EventKind::VisitCancelled, now, json!({"before": {"state": "planned"}}))
            .with_private(json!({"reason": reason}));
        Ok(Decision { visit: self, events: vec![event], effects: vec![] })
    }

    fn begun(&self) -> Result<Deadline, NotNow> {
        match &self.state {
            VisitState::Begun { deadline } => Ok(*deadline),
            VisitState::Planned { .. } => Err(NotNow::NotBegun),
            VisitState::Ended { .. } | VisitState::Cancelled { .. } => Err(NotNow::Over),
        }
    }
}

fn unchanged(visit: Visit) -> Decision {
    Decision { visit, events: vec![], effects: vec![] }
}

fn recording(visit: &mut Visit, record: Record, now: Time) -> NewEvent {
    let Record { outcome, seen_whom, work_undertaken } = record;
    let event = NewEvent::new(
        EventKind::VisitRecorded,
        now,
        json!({"before": {"outcome": visit.outcome}, "after": {"outcome": outcome.or(visit.outcome)}}),
    )
    .with_private(json!({"seen_whom": seen_whom, "work_undertaken": work_undertaken}));
    visit.outcome = outcome.or(visit.outcome);
    visit.seen_whom = seen_whom.or(visit.seen_whom.take());
    visit.work_undertaken = work_undertaken.or(visit.work_undertaken.take());
    visit.recorded_at = Some(now);
    event
}
