//! The visit: planned → begun → (going home →) ended; a plan can be cancelled, and one that was made can be put on record
//! afterwards. Each state that is watched carries what it is watched by ([`Awaited`]): overdue is derived, never stored.

mod acts;
mod device;
mod due;

pub use due::Due;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{
    event::{ChainHead, NewEvent},
    ids::{OrganisationId, PersonId, TeamId, VisitId},
};
use crate::clock::Time;

/// No deadline lies further ahead than this (rows S5, V12).
pub const FURTHEST_AHEAD: TimeDelta = TimeDelta::hours(12);
/// No phone's clock is right that says it is longer ago.
const FURTHEST_BACK: TimeDelta = TimeDelta::days(366);
/// The same words within this long are the same visit.
pub const SAME_WORDS: TimeDelta = TimeDelta::minutes(10);
/// What can be said anew is, after so long, no longer the first one delivered twice: "out", or the next visit begun.
pub const SAID_TWICE: TimeDelta = TimeDelta::minutes(2);
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

impl VisitOutcome {
    /// Whether only somebody who went there can say so. What else there was may be that they did not go.
    pub fn tells_of_a_visit(self) -> bool {
        self != Self::Other
    }
}

word_enum! {
    /// What the worker is awaited to do, each with a deadline and a grace of its own.
    #[derive(Default)]
    Awaited {
        /// To leave (row V1).
        #[default]
        Departure = "departure",
        /// To begin what they planned (row V5).
        Arrival = "arrival",
        /// To say that they are fine (row V4).
        WelfareCheck = "welfare_check",
        /// To say that they are home (row V6).
        HomeSafe = "home_safe",
    }
}

/// What the worker has not done, and by when it was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    /// What.
    pub what: Awaited,
    /// By then.
    pub at: Time,
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
        /// The worker said in time that they were home.
        HomeSafe = "home_safe",
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
    /// Where; of what was planned, the place that was planned.
    pub place: Option<String>,
    /// Another place than that, named as they went in. By text it may be any words: both are kept.
    pub place_said: Option<String>,
    /// Whose case it belongs to.
    pub case_reference: Option<String>,
    /// Who is visited.
    pub visiting: Option<Visiting>,
    /// How dangerous.
    pub risk: Risk,
    /// The phone will have no signal there (row V10).
    pub no_signal_expected: bool,
    /// Every so often the worker says that they are fine (row V4).
    pub check_every: Option<TimeDelta>,
    /// So long after leaving the worker is home, and says so (row V6).
    pub home_within: Option<TimeDelta>,
}

/// What the watching hangs on: by when the worker is awaited to do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// By then.
    pub at: Time,
    /// Counts such deadlines of this visit, so that each has reminders of its own.
    pub number: i32,
    /// How many of its two reminders are done or left out.
    pub reminders_done: usize,
}

/// Where a visit stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VisitState {
    /// The worker is not watched until it begins; that it begins is.
    Planned {
        /// When the worker means to arrive.
        expected_arrival: Time,
        /// When the worker means to leave.
        expected_departure: Time,
        /// The expected arrival as it is watched; `None`: planned before anybody watched that.
        deadline: Option<Deadline>,
    },
    /// The worker is watched.
    Begun {
        /// The expected departure.
        deadline: Deadline,
        /// By when they say that they are fine, if that was asked for.
        check: Option<Deadline>,
    },
    /// The worker has left, and is watched until they are home.
    GoingHome {
        /// By when they say so.
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
    /// It was put on record after it had been made; nobody had watched (row V1).
    Recorded {
        /// When the worker left.
        left_at: Time,
        /// Who put it on record.
        by: PersonId,
    },
}

impl VisitState {
    /// Its word in the database and the API.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Planned { .. } => "planned",
            Self::Begun { .. } => "begun",
            Self::GoingHome { .. } => "going_home",
            Self::Ended { .. } => "ended",
            Self::Cancelled { .. } => "cancelled",
            Self::Recorded { .. } => "recorded",
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
    /// The expected arrival as it was last, whatever the state; `None`: it was not planned.
    pub expected_arrival: Option<Time>,
    /// The expected departure as it was last, whatever the state.
    pub expected_departure: Time,
    /// When the worker was at the door. Where they never said so, but how it turned out: when they had planned to be.
    pub arrived_at: Option<Time>,
    /// When the worker left, where the way home was watched.
    pub left_at: Option<Time>,
    /// The visit of the worker whom this one accompanies, or its own where others do (row V9).
    pub party: Option<VisitId>,
    /// When the worker was last heard of.
    pub last_contact_at: Option<Time>,
    /// The sum of the extensions.
    pub extended: TimeDelta,
    /// Of those, what others did since the worker was last heard (row V15).
    pub extended_by_others: TimeDelta,
    /// Who last ended or extended it for the worker: to be told if the worker objects.
    pub acted_by: Option<PersonId>,
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
    /// The worker.
    Worker(PersonId, Shown),
    /// Somebody else, on the worker's behalf.
    Another {
        /// Who.
        person: PersonId,
        /// How they know, where that is asked.
        known_by: Option<KnownBy>,
    },
}

/// The close of an incident, as its visit is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed {
    /// By whom.
    pub by: PersonId,
    /// As what the worker reads of it.
    pub read_as: ReadAs,
}

/// As what a worker reads that their visit ended, or goes on, with an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadAs {
    /// As that.
    Close,
    /// As an act on their behalf like any other: they may not know of the incident (row V8).
    AnothersAct {
        /// How whoever closed it knows.
        known_by: KnownBy,
    },
}

impl By {
    /// Who.
    pub fn person(self) -> PersonId {
        match self {
            Self::Worker(person, _) | Self::Another { person, .. } => person,
        }
    }

    fn known_by(self) -> Option<KnownBy> {
        match self {
            Self::Worker(..) => None,
            Self::Another { known_by, .. } => known_by,
        }
    }
}

/// What shows that it is the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The PIN.
    ByPin,
    /// The phone or the token alone: the act asks for no more, or the team does not.
    ByPhone,
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
    /// "I am home."
    HomeSafe,
    /// Outcome and work, later.
    Record(Record),
    /// "It does not take place."
    Cancel {
        /// Why.
        reason: String,
    },
    /// "What somebody else did for me is not right": it is watched on (row V15).
    Object,
}

/// When something was said, and when it reached us (row V13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// When it was said: what it counts from.
    pub at: Time,
    /// When it reached us.
    pub now: Time,
}

impl Said {
    /// Just now.
    pub fn just(now: Time) -> Self {
        Self { at: now, now }
    }

    /// When the phone says, as long as that is not ahead. However long it was on its way: yesterday's "out" is not today's.
    pub fn made(made_at: Option<Time>, now: Time) -> Self {
        let said = made_at.filter(|made| *made <= now).unwrap_or(now);
        Self { at: said.max(now - FURTHEST_BACK), now }
    }

    /// A start, which is watched whatever the phone says of its time: one from longer ago than a visit lasts counts from now.
    pub fn of_a_start(made_at: Option<Time>, now: Time) -> Self {
        Self::made(made_at.filter(|made| *made >= now - FURTHEST_AHEAD), now)
    }

    /// The same, for a visit that began later than that: what is about a visit is not said before it.
    fn about(self, visit: &Visit) -> Self {
        let began = visit.arrived_at.filter(|began| *began <= self.now);
        Self { at: began.map_or(self.at, |began| self.at.max(began)), ..self }
    }
}

/// Whether an alarm about the worker is open, as far as it bears on this visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// None is.
    Quiet,
    /// This visit is overdue and people are told: the incident stands in for its deadline.
    Overdue,
    /// The same, and the police have it.
    WithPolice,
    /// A call for help, about this visit or not. The visit goes on as if nothing were: whoever holds the phone learns nothing.
    Sos,
}

impl Alarm {
    /// Whether the visit keeps a deadline of its own meanwhile.
    pub fn leaves_the_deadline(self) -> bool {
        matches!(self, Self::Quiet | Self::Sos)
    }

    /// As the worker may see it: a call for help looks like nothing.
    #[must_use]
    pub fn as_the_worker_sees_it(self) -> Self {
        if self == Self::Sos { Self::Quiet } else { self }
    }
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
    /// The open call for help learns that the PIN was used.
    PinUsed,
    /// The extensions are above the team's cap: the manager is told (row V3).
    AboveCap {
        /// The sum of the extensions.
        total: TimeDelta,
    },
    /// The worker has begun what others were told had not begun. Without the PIN it holds nothing.
    ArrivedLate,
    /// The worker is told that somebody else acted for them (row V15).
    ToldWorker,
    /// The manager, and whoever had acted, are told that the worker objects.
    ToldOfObjection {
        /// Who had acted.
        acted: Option<PersonId>,
    },
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
        "an incident about the worker is open: hold it while you look into it, or close it, saying where the worker is now"
    )]
    IncidentOpen,
    /// Others have done what others may, without a word from the worker.
    #[error(
        "others have extended this visit by 30 minutes already without a word from the worker: reach them, or let it be raised"
    )]
    ExtendedByOthers,
    /// Nobody acted for the worker.
    #[error("nobody has ended or extended this visit for you: there is nothing to object to")]
    NothingToObjectTo,
    /// The new departure is not after now.
    #[error("the new departure must lie ahead")]
    NotAhead,
}

/// Which reminder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reminder {
    /// The first.
    Before,
    /// The last one before others are told.
    Last,
}
