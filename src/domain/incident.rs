//! The incident: opens when somebody other than the worker is told, and ends only by a person's act that says how.
//!
//! Two axes: who holds it ([`Holder`]) and what the worker says meanwhile ([`Claim`]). Nothing here closes by itself.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    event::{ChainHead, EventKind, NewEvent, stamp},
    ids::{IncidentId, LadderId, OrganisationId, PersonId, TeamId, VisitId},
    ladder::{Call, Ladder, Recipient},
    people::Directory,
    policy::{Policy, delta},
    visit::{KnownBy, Report, word_enum},
};
use crate::clock::Time;

word_enum! {
    /// What it is about; only ever upward.
    #[derive(PartialOrd, Ord)]
    Kind {
        /// A visit did not end.
        Overdue = "overdue",
    }
}

word_enum! {
    /// How it ended (row E6).
    Outcome {
        /// Safe: forgot to check out.
        SafeForgot = "safe_forgot",
        /// Safe: was held up.
        SafeDelayed = "safe_delayed",
        /// Safe: the phone had no signal.
        SafeNoSignal = "safe_no_signal",
        /// Raised by mistake or by a fault.
        FalseAlarm = "false_alarm",
        /// The worker was threatened.
        Threatened = "threatened",
        /// The worker was assaulted.
        Assaulted = "assaulted",
        /// The worker was injured.
        Injured = "injured",
        /// The worker was taken ill.
        TakenIll = "taken_ill",
        /// A drill.
        Drill = "drill",
        /// Something else; the note says what.
        Other = "other",
    }
}

/// Where the worker is now, which decides about the visit (row E6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "place", rename_all = "snake_case")]
pub enum WorkerNow {
    /// At home: the visit ends.
    Home,
    /// At the office: the visit ends.
    Office,
    /// In hospital: the visit ends.
    Hospital,
    /// On the way, or anywhere safe: the visit ends.
    ElsewhereSafe,
    /// Still there: watched on until then.
    StillThere {
        /// Until when.
        until: Time,
    },
}

/// Who has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Nobody: the ladder runs.
    Nobody {
        /// When its next round is due.
        due: Time,
    },
    /// Somebody promised to act; the promise lapses.
    Owned {
        /// Who.
        by: PersonId,
        /// When the promise lapses.
        until: Time,
        /// Whether they were warned of that.
        warned: bool,
    },
}

/// What the worker says while it is open. It is shown; whether the ladder waits for it stands in the holder's times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Nothing.
    None,
    /// "I am safe"; a person has to confirm it.
    ReportsSafe,
    /// "I am safe, still inside"; the same.
    SafeInside {
        /// Till when.
        till: Time,
    },
}

impl Claim {
    /// Its word in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ReportsSafe => "reports_safe",
            Self::SafeInside { .. } => "safe_inside",
        }
    }
}

impl From<Report> for Claim {
    fn from(report: Report) -> Self {
        match report {
            Report::Safe => Self::ReportsSafe,
            Report::SafeInside { till } => Self::SafeInside { till },
        }
    }
}

/// How it was closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// When.
    pub at: Time,
    /// By whom.
    pub by: PersonId,
    /// How it ended.
    pub outcome: Outcome,
    /// How that is known.
    pub known_by: KnownBy,
    /// Where the worker was then.
    pub worker_now: WorkerNow,
    /// In the closer's words.
    pub note: String,
}

/// What a manager learned from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// When.
    pub at: Time,
    /// By whom.
    pub by: PersonId,
    /// What was learned.
    pub learned: String,
    /// What is done about it.
    pub action: String,
}

/// Where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IncidentState {
    /// Somebody has to act.
    Open {
        /// Who has it.
        holder: Holder,
        /// What the worker says.
        claim: Claim,
    },
    /// A person said how it ended.
    Closed {
        /// How.
        closing: Closing,
        /// What was learned, once somebody said so.
        review: Option<Review>,
    },
}

/// How far the ladder has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rung {
    /// Counts the runs of the ladder: 0 at first, one more after each lapse or unconfirmed report.
    pub raise: i32,
    /// The step whose round comes next, counted from 0; never goes down.
    pub step: i32,
    /// The round of that step which comes next.
    pub round: i32,
}

/// Whether it opened in time or after an outage of the service (row E12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// When the grace ended.
    InTime,
    /// When the service came back.
    AfterOutage,
}

/// An incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Its id.
    pub id: IncidentId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// The subject's team.
    pub team: TeamId,
    /// The worker whom it is about.
    pub subject: PersonId,
    /// The visit that did not end.
    pub visit: VisitId,
    /// What it is about.
    pub kind: Kind,
    /// The deadline that was missed.
    pub missed: Time,
    /// When it opened.
    pub opened_at: Time,
    /// In time or late.
    pub opened: Opened,
    /// The ladder in force for it.
    pub ladder: LadderId,
    /// How far that has got.
    pub rung: Rung,
    /// The raise in which a report of the worker last held the ladder: once per raise.
    pub held_in_raise: Option<i32>,
    /// A round reached nobody: the red banner (row E5).
    pub reached_nobody: bool,
    /// Where it stands.
    pub state: IncidentState,
    /// Counts its changes.
    pub version: i64,
    /// Where its log ends.
    pub chain: ChainHead,
}

/// What people are told about an incident, beside the calls of the ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Who has it, to everybody else who was called.
    Taken {
        /// Who.
        owner: PersonId,
    },
    /// That the acknowledgement is about to lapse, to the owner alone.
    OwnerWarned {
        /// The owner.
        owner: PersonId,
        /// When it lapses.
        until: Time,
    },
    /// What the worker reports, to everybody who was called.
    WorkerReports(Report),
    /// An outside contact is trying, to the staff who were called.
    OutsideTrying {
        /// Who.
        contact: PersonId,
    },
    /// How it ended, to everybody who was called.
    Closed {
        /// How.
        outcome: Outcome,
        /// Who closed it.
        by: PersonId,
    },
}

/// Why a round calls again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Nobody has taken it yet.
    NotTaken,
    /// The owner's promise lapsed.
    Lapsed(PersonId),
    /// The worker's report was not confirmed.
    Unconfirmed,
}

/// A round of the ladder that is to go out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// Which.
    pub rung: Rung,
    /// Who is called.
    pub calls: Vec<Call>,
    /// Why again.
    pub why: Why,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The incident as it is now.
    pub incident: Incident,
    /// What goes into its log; empty where nothing changed.
    pub events: Vec<NewEvent>,
    /// A round of the ladder.
    pub round: Option<Round>,
    /// What people are told beside it.
    pub told: Vec<Told>,
    /// Calls of earlier rounds that have not gone out are taken back.
    pub calls_off: CallsOff,
}

/// Whether waiting calls to act still stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallsOff {
    /// They stand.
    Stand,
    /// Somebody has it, or it is over: they are taken back.
    TakenBack,
}

/// Why an act does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    /// It is closed.
    #[error("this incident is closed")]
    Closed,
    /// It is open.
    #[error("this incident is open: it is reviewed after it is closed")]
    StillOpen,
    /// The worker cannot be watched until then.
    #[error("a worker who is still there is watched for 60 minutes at most, from now on")]
    WatchedTooLong,
}

/// How long somebody who is still there may be watched on at the close (DECISIONS "Visit").
pub const FURTHEST_AT_CLOSE: TimeDelta = TimeDelta::minutes(60);

/// What an incident opens with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// Its id.
    pub id: IncidentId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// The subject's team.
    pub team: TeamId,
    /// The worker.
    pub subject: PersonId,
    /// The visit.
    pub visit: VisitId,
    /// The deadline that was missed.
    pub missed: Time,
    /// The ladder in force.
    pub ladder: LadderId,
    /// In time or late.
    pub opened: Opened,
}

impl Incident {
    /// Opens because a visit did not end. The ladder counts from now: after an outage nobody is skipped.
    pub fn overdue(
        opening: Opening,
        ladder: &Ladder,
        directory: &Directory,
        policy: &Policy,
        now: Time,
    ) -> Decision {
        let Opening { id, organisation, team, subject, visit, missed, ladder: ladder_id, opened } = opening;
        let first_wait = ladder.steps.first().map_or(TimeDelta::zero(), |step| delta(step.after));
        let incident = Self {
            id,
            organisation,
            team,
            subject,
            visit,
            kind: Kind::Overdue,
            missed,
            opened_at: now,
            opened,
            ladder: ladder_id,
            rung: Rung::default(),
            held_in_raise: None,
            reached_nobody: false,
            state: IncidentState::Open {
                holder: Holder::Nobody { due: now + first_wait },
                claim: Claim::None,
            },
            version: 0,
            chain: ChainHead::default(),
        };
        let event = NewEvent::new(
            EventKind::IncidentOpened,
            now,
            json!({
                "kind": Kind::Overdue,
                "visit": visit,
                "subject": subject,
                "expected_departure": stamp(missed),
                "late_by_seconds": (now - missed).num_seconds(),
                "after_outage": opened == Opened::AfterOutage,
                "ladder": ladder_id,
            }),
        );
        let mut decision = incident.due(ladder, directory, policy, now);
        decision.events.insert(0, event);
        decision
    }

    /// When it next needs the timer: always, as long as it is open.
    pub fn next_due(&self, policy: &Policy) -> Option<Time> {
        match &self.state {
            IncidentState::Open { holder: Holder::Nobody { due }, .. } => Some(*due),
            IncidentState::Open { holder: Holder::Owned { until, warned, .. }, .. } => {
                Some(if *warned { *until } else { *until - delta(policy.ownership_warning) })
            }
            IncidentState::Closed { .. } => None,
        }
    }

    /// Who has it.
    pub fn owner(&self) -> Option<PersonId> {
        match &self.state {
            IncidentState::Open { holder: Holder::Owned { by, .. }, .. } => Some(*by),
            _ => None,
        }
    }

    /// Who closed it.
    pub fn closed_by(&self) -> Option<PersonId> {
        match &self.state {
            IncidentState::Open { .. } => None,
            IncidentState::Closed { closing, .. } => Some(closing.by),
        }
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        matches!(self.state, IncidentState::Open { .. })
    }

    /// What its time has brought: a round of the ladder, a warning, a lapse; nothing if it is not yet due.
    pub fn due(mut self, ladder: &Ladder, directory: &Directory, policy: &Policy, now: Time) -> Decision {
        if self.next_due(policy).is_none_or(|due| now < due) {
            return unchanged(self);
        }
        let IncidentState::Open { holder, claim } = self.state.clone() else { return unchanged(self) };
        let by = match holder {
            Holder::Nobody { .. } if claim == Claim::None => {
                return self.round(Why::NotTaken, ladder, directory, now);
            }
            Holder::Nobody { .. } => None,
            Holder::Owned { by, until, .. } if now < until => return self.warn(by, until, claim, now),
            Holder::Owned { by, .. } => Some(by),
        };
        self.rung.raise += 1;
        self.rung.round = 0;
        let (kind, why) = match (claim, by) {
            (Claim::None, Some(by)) => (EventKind::IncidentLapsed, Why::Lapsed(by)),
            _ => (EventKind::IncidentUnconfirmed, Why::Unconfirmed),
        };
        let body = json!({"owner": by, "claim": claim.as_str(), "raise": self.rung.raise});
        let mut decision = self.round(why, ladder, directory, now);
        decision.events.insert(0, NewEvent::new(kind, now, body));
        decision
    }

    fn warn(mut self, owner: PersonId, until: Time, claim: Claim, now: Time) -> Decision {
        self.state = IncidentState::Open { holder: Holder::Owned { by: owner, until, warned: true }, claim };
        let event = NewEvent::new(
            EventKind::IncidentOwnerWarned,
            now,
            json!({"owner": owner, "until": stamp(until)}),
        );
        Decision { told: vec![Told::OwnerWarned { owner, until }], ..changed(self, event) }
    }

    /// Does the round that is due. A step that reaches nobody by itself is skipped at once and recorded (row E5); a round that
    /// reaches nobody who could take the alarm goes to the last-resort numbers too.
    fn round(mut self, why: Why, ladder: &Ladder, directory: &Directory, now: Time) -> Decision {
        let mut events = Vec::new();
        let mut step = usize::try_from(self.rung.step).unwrap_or_default().min(ladder.last_step());
        let mut round = u32::try_from(self.rung.round).unwrap_or_default();
        while round == 0
            && step < ladder.last_step()
            && ladder.own_calls(step, self.subject, directory).is_empty()
        {
            events.push(skipped(step, self.rung.raise, ladder, now));
            step += 1;
        }
        if round == 0
            && step == ladder.last_step()
            && ladder.own_calls(step, self.subject, directory).is_empty()
        {
            events.push(skipped(step, self.rung.raise, ladder, now));
        }
        let waits = self.opened == Opened::AfterOutage && why == Why::NotTaken;
        let mut calls = ladder.cumulative_calls(step, self.subject, directory);
        while waits
            && step < ladder.last_step()
            && calls.iter().all(|call| self.waits_after_outage(call, directory, now))
        {
            // Whoever this step reaches has to wait: staff of a later one are told at once.
            step += 1;
            calls = ladder.cumulative_calls(step, self.subject, directory);
        }
        if waits && !calls.iter().all(|call| self.waits_after_outage(call, directory, now)) {
            calls.retain(|call| !self.waits_after_outage(call, directory, now));
        }
        if !calls.iter().any(|call| may_take_it(call, directory)) {
            self.reached_nobody = true;
            calls.extend(last_resort(directory));
            events.push(NewEvent::new(
                EventKind::IncidentReachedNobody,
                now,
                json!({"raise": self.rung.raise, "step": step + 1, "last_resort_numbers": calls.len()}),
            ));
        }
        let rung = Rung { raise: self.rung.raise, step: signed(step), round: signed(round) };
        let told: Vec<_> = calls
            .iter()
            .filter_map(|call| match &call.to {
                Recipient::Person(id) => Some(*id),
                Recipient::LastResort(_) => None,
            })
            .collect();
        events.push(NewEvent::new(
            EventKind::IncidentRaised,
            now,
            json!({"raise": rung.raise, "step": rung.step + 1, "round": rung.round + 1, "told": told}),
        ));
        let (wait, next_step, next_round) = ladder.after_round(step, round);
        (step, round) = (next_step, next_round);
        self.rung = Rung { raise: rung.raise, step: signed(step), round: signed(round) };
        self.state =
            IncidentState::Open { holder: Holder::Nobody { due: now + delta(wait) }, claim: Claim::None };
        Decision {
            incident: self,
            events,
            round: Some(Round { rung, calls, why }),
            told: vec![],
            calls_off: CallsOff::Stand,
        }
    }

    /// Row E12: after an outage staff are told at once; what goes to outside contacts first waits a little.
    fn waits_after_outage(&self, call: &Call, directory: &Directory, now: Time) -> bool {
        let outside = match &call.to {
            Recipient::Person(id) => directory.person(*id).is_some_and(super::people::Person::is_outside),
            Recipient::LastResort(_) => false,
        };
        outside && now < self.opened_at + delta(directory.policy(self.team).outage_outside_wait)
    }

    /// Every call of a round was refused for good: the next step comes forward, and after the last the last-resort numbers
    /// are texted. Later rounds wait for their time all the same, or refusals would chase each other.
    pub fn all_refused(mut self, refused: Rung, directory: &Directory, now: Time) -> Decision {
        let IncidentState::Open { holder: Holder::Nobody { due }, claim: Claim::None } = self.state else {
            return unchanged(self);
        };
        if refused.raise != self.rung.raise || due <= now {
            return unchanged(self);
        }
        if refused.round == 0 && self.rung.step > refused.step {
            self.state = IncidentState::Open { holder: Holder::Nobody { due: now }, claim: Claim::None };
            let body = json!({"raise": refused.raise, "step": refused.step + 1, "all_refused": true});
            return changed(self, NewEvent::new(EventKind::IncidentStepSkipped, now, body));
        }
        self.reached_nobody = true;
        let calls = last_resort(directory);
        let event = NewEvent::new(
            EventKind::IncidentReachedNobody,
            now,
            json!({"raise": refused.raise, "step": refused.step + 1, "last_resort_numbers": calls.len()}),
        );
        Decision { round: Some(Round { rung: refused, calls, why: Why::NotTaken }), ..changed(self, event) }
    }

    /// A person who may own it takes it. Taking what is taken changes nothing.
    pub fn acknowledge(mut self, by: PersonId, policy: &Policy, now: Time) -> Result<Decision, NotNow> {
        let IncidentState::Open { holder, claim } = self.state else { return Err(NotNow::Closed) };
        let due = match holder {
            Holder::Nobody { due } => due,
            Holder::Owned { .. } => return Ok(unchanged(self)),
        };
        let promised = now + delta(policy.ownership);
        // While the ladder waits for a report to be confirmed, taking it does not bring the next raise nearer.
        let until = if claim == Claim::None { promised } else { promised.max(due) };
        self.state = IncidentState::Open { holder: Holder::Owned { by, until, warned: false }, claim };
        let event = NewEvent::new(
            EventKind::IncidentAcknowledged,
            now,
            json!({"owner": by, "until": stamp(until), "raise": self.rung.raise}),
        );
        let told = vec![Told::Taken { owner: by }];
        Ok(Decision { told, calls_off: CallsOff::TakenBack, ..changed(self, event) })
    }

    /// The worker, with the PIN, says that they are safe (row E7). It holds the ladder once per raise, never ends anything.
    pub fn worker_reports(mut self, report: Report, policy: &Policy, now: Time) -> Decision {
        let IncidentState::Open { holder, .. } = self.state else { return unchanged(self) };
        let wait = now + delta(policy.unconfirmed_report);
        let wait = match report {
            Report::Safe => wait,
            Report::SafeInside { till } => wait.min(till),
        };
        let first = self.held_in_raise != Some(self.rung.raise);
        self.held_in_raise = Some(self.rung.raise);
        // Said again in the same raise it is kept, but makes nothing later.
        let waits_until = |before: Time| if first { wait } else { wait.min(before) };
        let holder = match holder {
            Holder::Nobody { due } => Holder::Nobody { due: waits_until(due) },
            Holder::Owned { by, until, .. } => Holder::Owned { by, until: waits_until(until), warned: false },
        };
        let claim = Claim::from(report);
        self.state = IncidentState::Open { holder, claim };
        let till = match report {
            Report::Safe => None,
            Report::SafeInside { till } => Some(stamp(till)),
        };
        let event = NewEvent::new(
            EventKind::IncidentWorkerReports,
            now,
            json!({
                "report": claim.as_str(),
                "inside_till": till,
                "ladder_waits_until": stamp(waiting_until(&holder)),
                "raise": self.rung.raise,
            }),
        );
        Decision { told: vec![Told::WorkerReports(report)], ..changed(self, event) }
    }

    /// An outside contact says that they are trying: recorded and told, stops nothing (row E3).
    pub fn outside_trying(self, contact: PersonId, now: Time) -> Result<Decision, NotNow> {
        if !self.is_open() {
            return Err(NotNow::Closed);
        }
        let event = NewEvent::new(EventKind::IncidentOutsideTrying, now, json!({"contact": contact}));
        Ok(Decision { told: vec![Told::OutsideTrying { contact }], ..changed(self, event) })
    }

    /// Somebody writes something down, at any time.
    pub fn note(self, note: &str, now: Time) -> Decision {
        let event =
            NewEvent::new(EventKind::IncidentNoted, now, json!({})).with_private(json!({"note": note}));
        changed(self, event)
    }

    /// A person says how it ended.
    pub fn close(mut self, closing: Closing) -> Result<Decision, NotNow> {
        let IncidentState::Open { holder, claim } = &self.state else { return Err(NotNow::Closed) };
        if let WorkerNow::StillThere { until } = closing.worker_now
            && (until <= closing.at || until > closing.at + FURTHEST_AT_CLOSE)
        {
            return Err(NotNow::WatchedTooLong);
        }
        let owner = match holder {
            Holder::Nobody { .. } => None,
            Holder::Owned { by, .. } => Some(*by),
        };
        let event = NewEvent::new(
            EventKind::IncidentClosed,
            closing.at,
            json!({
                "before": {"owner": owner, "claim": claim.as_str()},
                "outcome": closing.outcome,
                "known_by": closing.known_by,
                "worker_now": closing.worker_now,
            }),
        )
        .with_private(json!({"note": closing.note}));
        let told = vec![Told::Closed { outcome: closing.outcome, by: closing.by }];
        self.state = IncidentState::Closed { closing, review: None };
        Ok(Decision { told, calls_off: CallsOff::TakenBack, ..changed(self, event) })
    }

    /// A manager says what was learned; said again it replaces what was said, and the log keeps both.
    pub fn review(mut self, review: Review) -> Result<Decision, NotNow> {
        let IncidentState::Closed { closing, review: before } = self.state else {
            return Err(NotNow::StillOpen);
        };
        let event = NewEvent::new(EventKind::IncidentReviewed, review.at, json!({"again": before.is_some()}))
            .with_private(json!({"learned": review.learned, "action": review.action}));
        self.state = IncidentState::Closed { closing, review: Some(review) };
        Ok(changed(self, event))
    }
}

fn changed(incident: Incident, event: NewEvent) -> Decision {
    Decision { events: vec![event], ..unchanged(incident) }
}

fn unchanged(incident: Incident) -> Decision {
    Decision { incident, events: vec![], round: None, told: vec![], calls_off: CallsOff::Stand }
}

fn waiting_until(holder: &Holder) -> Time {
    match holder {
        Holder::Nobody { due } => *due,
        Holder::Owned { until, .. } => *until,
    }
}

fn skipped(step: usize, raise: i32, ladder: &Ladder, now: Time) -> NewEvent {
    let tell = ladder.steps.get(step).map(|step| step.tell.clone()).unwrap_or_default();
    NewEvent::new(
        EventKind::IncidentStepSkipped,
        now,
        json!({"raise": raise, "step": step + 1, "tell": tell}),
    )
}

/// Whether a call reaches somebody who could take the alarm: an outside contact cannot.
fn may_take_it(call: &Call, directory: &Directory) -> bool {
    match &call.to {
        Recipient::Person(id) => {
            directory.person(*id).is_some_and(|person| super::ladder::may_be_called_on(person.role))
        }
        Recipient::LastResort(_) => false,
    }
}

fn last_resort(directory: &Directory) -> Vec<Call> {
    let call = |phone: &super::contact::Phone| Call {
        to: Recipient::LastResort(phone.clone()),
        by: vec![super::contact::Channel::Sms],
    };
    directory.last_resort.iter().map(call).collect()
}

fn signed<N: TryInto<i32>>(number: N) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}
