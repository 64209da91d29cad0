//! The incident: opens when somebody other than the worker is told, and ends only by a person's act that says how.
//!
//! Three axes: what it is about ([`Kind`], only ever upward), who holds it ([`Holder`]), and what the worker says meanwhile
//! ([`Claim`]). Nothing here closes by itself. This file says what an incident is; `opening` how it begins, `rounds` what time
//! brings, `acts` what people do about it, `worker` what comes from the worker's own side.

mod acts;
mod opening;
mod rounds;
mod worker;

use chrono::TimeDelta;
pub use opening::{Cry, Opening};
use serde::{Deserialize, Serialize};

use super::{
    event::{ChainHead, NewEvent},
    ids::{IncidentId, LadderId, OrganisationId, PersonId, TeamId, VisitId},
    ladder::{Call, Ladder},
    people::Directory,
    policy::{Policy, delta},
    visit::{KnownBy, Missed, Report, word_enum},
};
use crate::clock::Time;

word_enum! {
    /// What it is about; only ever upward.
    #[derive(PartialOrd, Ord)]
    Kind {
        /// Something awaited of a worker did not happen: mostly, that a visit ended.
        Overdue = "overdue",
        /// Somebody called for help: the worker (row V7), or a responder who found them not safe (row E11).
        Sos = "sos",
        /// The worker acts under duress: nobody may show it to whoever holds the phone (row V8).
        Duress = "duress",
    }
}

impl Kind {
    /// Whether somebody called for help, aloud or silently: then nothing from the worker's phone holds the ladder.
    pub fn is_call_for_help(self) -> bool {
        self >= Self::Sos
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

impl Outcome {
    /// Whether somebody did something to the worker: whoever else goes there has to know (row E13).
    pub fn is_violence(self) -> bool {
        matches!(self, Self::Threatened | Self::Assaulted)
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
    /// The police have been called; it stays so until the worker is found (row E6).
    WithPolice {
        /// Who called them, and is reminded.
        by: PersonId,
        /// The next reminder.
        due: Time,
        /// Reminders since the owner last said something.
        unanswered: i32,
    },
}

impl Holder {
    /// Who has it.
    pub fn owner(self) -> Option<PersonId> {
        match self {
            Self::Nobody { .. } => None,
            Self::Owned { by, .. } | Self::WithPolice { by, .. } => Some(by),
        }
    }

    /// The next round, the end of the promise, or the next reminder.
    pub fn waits_until(self) -> Time {
        match self {
            Self::Nobody { due } | Self::WithPolice { due, .. } => due,
            Self::Owned { until, .. } => until,
        }
    }
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
    /// The PIN was used since the call for help: not to be trusted until the worker is seen (row E7).
    PinUsed {
        /// When last.
        at: Time,
    },
}

impl Claim {
    /// Its word in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ReportsSafe => "reports_safe",
            Self::SafeInside { .. } => "safe_inside",
            Self::PinUsed { .. } => "pin_used",
        }
    }

    /// Whether the ladder waits for a person to confirm it.
    fn holds_the_ladder(self) -> bool {
        matches!(self, Self::ReportsSafe | Self::SafeInside { .. })
    }
}

/// A call for help, aloud or silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sos {
    /// When it was last made.
    pub at: Time,
    /// By the worker, or by a responder who found them not safe.
    pub by: PersonId,
}

/// Where a phone says it is: degrees of WGS 84 and metres.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Position {
    /// North of the equator.
    pub latitude: f64,
    /// East of Greenwich.
    pub longitude: f64,
    /// Within so many metres.
    pub accuracy_metres: Option<f64>,
    /// When the phone was there.
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
}

/// What the police were told under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Police {
    /// Their log number.
    pub log_number: String,
    /// With whom.
    pub officer: Option<String>,
    /// When they were told.
    pub at: Time,
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

/// From then on its subject may know that there was a duress alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// When.
    pub at: Time,
    /// By whom.
    pub by: PersonId,
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
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// Its id.
    pub id: IncidentId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// The subject's team.
    pub team: TeamId,
    /// The worker whom it is about.
    pub subject: PersonId,
    /// The visit that it is about; an SOS needs none.
    pub visit: Option<VisitId>,
    /// What it is about.
    pub kind: Kind,
    /// The deadline that was missed, if one was.
    pub missed: Option<Missed>,
    /// The call for help, if there was one.
    pub sos: Option<Sos>,
    /// Without a visit: the one that was last or comes next, for its place.
    pub nearest_visit: Option<VisitId>,
    /// Where the phone was.
    pub position: Option<Position>,
    /// What the police were told under, last.
    pub police: Option<Police>,
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
    /// Of a duress alarm: whoever was on the visit with the subject, who may be held too.
    pub companions: Vec<PersonId>,
    /// Who released a duress alarm to its subject, and when; nobody can before it is closed.
    pub released: Option<Release>,
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
    /// A manager took it over, to everybody else.
    TakenOver {
        /// Who has it now.
        owner: PersonId,
        /// Who had it.
        from: PersonId,
    },
    /// The owner handed it over, to everybody but the one who did.
    HandedOver {
        /// Who has it now.
        owner: PersonId,
        /// Who had it.
        from: PersonId,
        /// The new owner's promise.
        until: Time,
    },
    /// Somebody took it and needs longer, to everybody else.
    TakenAndHeld {
        /// Who.
        owner: PersonId,
        /// Until when.
        until: Time,
    },
    /// The owner needs longer, to the staff who were called.
    Held {
        /// Who.
        owner: PersonId,
        /// Until when.
        until: Time,
    },
    /// Somebody who was called cannot, to the staff who were.
    Cannot {
        /// Who.
        who: PersonId,
    },
    /// The police have been called, to everybody else.
    WithPolice {
        /// Who called them.
        owner: PersonId,
        /// Their log number.
        log_number: String,
    },
    /// To the owner alone: still with the police?
    PoliceReminder {
        /// The owner.
        owner: PersonId,
        /// From then on the ladder runs again.
        until: Time,
    },
    /// To the owner alone, before anybody else: the worker has called for help.
    SosToOwner {
        /// The owner.
        owner: PersonId,
    },
    /// The worker has called for help again, within two minutes: to everybody who was called.
    SosAgain,
    /// The worker acts under duress. To whoever was called and is not called about that (outside contacts), and to the owner:
    /// whatever they were asked to do before, not to ring, not to text, not to go there.
    StandDown {
        /// The owner.
        owner: Option<PersonId>,
    },
    /// The worker has given the duress PIN again, within two minutes: to the staff who were called.
    DuressAgain,
    /// The worker reports something while it is with the police: to the owner alone.
    ReportsToOwner {
        /// The owner.
        owner: PersonId,
        /// What.
        report: Report,
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
    /// The worker has begun what they had not: to the staff who were called.
    ArrivedLate,
    /// Somebody who was called says that the worker is safe: to the staff who were.
    ReportedSafe {
        /// Who.
        by: PersonId,
    },
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
    /// Somebody who had it, or was called, cannot.
    Cannot(PersonId),
    /// Nobody answered the reminders about the police.
    PoliceUnanswered(PersonId),
    /// Somebody called for help, aloud or silently.
    Sos,
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
    #[error("this incident is open: close it first")]
    StillOpen,
    /// Only a duress alarm is released.
    #[error("nothing of this incident is withheld from the worker")]
    NothingWithheld,
    /// Nobody is watched by a visit that cannot be read.
    #[error(
        "the visit of this incident cannot be read, so the worker cannot be watched on by it: keep the incident open, or start a visit for them and say elsewhere_safe"
    )]
    VisitUnreadable,
    /// The worker cannot be watched until then.
    #[error("a worker who is still there is watched for 60 minutes at most, from now on")]
    WatchedTooLong,
    /// Somebody else has it.
    #[error("somebody else has this alarm: only they can do this, or a manager who takes it over first")]
    NotYours,
    /// Nobody has it.
    #[error("nobody has this alarm: acknowledge it first")]
    NotTaken,
    /// The worker was not on a visit, so there is none that could be watched on.
    #[error("there is no visit that could be watched on: say where the worker is")]
    NoVisit,
}

/// How long somebody who is still there may be watched on at the close (DECISIONS "Visit").
pub const FURTHEST_AT_CLOSE: TimeDelta = TimeDelta::minutes(60);

/// What an incident is decided by: the ladder that is in force for it, the people, and what the team works by.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'r> {
    /// The ladder.
    pub ladder: &'r Ladder,
    /// The people.
    pub directory: &'r Directory,
    /// What the subject's team works by.
    pub policy: &'r Policy,
}

impl Incident {
    /// When it next needs the timer: always, as long as it is open.
    pub fn next_due(&self, policy: &Policy) -> Option<Time> {
        match &self.state {
            IncidentState::Open { holder: Holder::Owned { until, warned: false, .. }, .. } => {
                Some(*until - delta(policy.ownership_warning))
            }
            IncidentState::Open { holder, .. } => Some(holder.waits_until()),
            IncidentState::Closed { .. } => None,
        }
    }

    /// Who has it.
    pub fn owner(&self) -> Option<PersonId> {
        match &self.state {
            IncidentState::Open { holder, .. } => holder.owner(),
            IncidentState::Closed { .. } => None,
        }
    }

    /// Whether it still calls people: it is open and nobody has it.
    pub fn calls(&self) -> bool {
        self.is_open() && self.owner().is_none()
    }

    /// Who closed it.
    pub fn closed_by(&self) -> Option<PersonId> {
        match &self.state {
            IncidentState::Open { .. } => None,
            IncidentState::Closed { closing, .. } => Some(closing.by),
        }
    }

    /// Whether its subject, and whoever was on the visit with them, may not know that it exists (row V8).
    pub fn is_withheld(&self) -> bool {
        self.kind == Kind::Duress && self.released.is_none()
    }

    /// Whether this person may not know that it exists.
    pub fn is_withheld_from(&self, person: PersonId) -> bool {
        self.is_withheld() && (self.subject == person || self.companions.contains(&person))
    }

    /// The last of the steps with which it begins, from 0: a call for help begins with the first two at once (row E2).
    pub fn begins_with_step(&self) -> i32 {
        i32::from(self.kind.is_call_for_help())
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        matches!(self.state, IncidentState::Open { .. })
    }

    fn promise(&self, policy: &Policy) -> TimeDelta {
        delta(match self.kind {
            Kind::Overdue => policy.ownership,
            Kind::Sos | Kind::Duress => policy.ownership_sos,
        })
    }
}

fn changed(incident: Incident, event: NewEvent) -> Decision {
    Decision { events: vec![event], ..unchanged(incident) }
}

fn unchanged(incident: Incident) -> Decision {
    Decision { incident, events: vec![], round: None, told: vec![], calls_off: CallsOff::Stand }
}
