//! Use cases: where what is decided meets what is kept. Each is one transaction, runs on a [`Tx`](crate::store::Tx), and may
//! run again.

mod about;
pub mod access;
pub mod agreements;
pub mod alarm_page;
pub mod case_files;
pub mod chases;
pub mod checklists;
pub mod clocks;
mod codes;
pub mod concerns;
pub mod coverage;
pub mod delivery;
pub mod devices;
pub mod drill_schedules;
pub mod drills;
pub mod due;
pub mod end_of_day;
pub mod equipment;
pub mod exceptions;
pub mod filing;
pub mod follow_ups;
pub mod inbound;
pub mod incidents;
pub mod ladders;
pub mod measures;
pub mod organisation;
pub mod oversight;
pub mod past_visits;
pub mod pins;
pub mod policy_documents;
pub mod proofs;
pub mod provider_tests;
pub mod readiness;
pub mod receipts;
pub mod rehearsals;
pub mod reports;
pub mod sos;
pub mod text;
mod telling;
pub mod tick;
pub mod tokens;
pub mod visits;
pub mod webhook_deliveries;
pub mod webhooks;

use crate::{
    config::Networks,
    domain::{
        assessment::Wrong,
        case_file::BadReference,
        checklist::UnknownItem,
        concern,
        contact::Email,
        drill::BadSchedule,
        ids::{AskId, IncidentId, PersonId},
        incident,
        notice::Answering,
        past_visit::BadPast,
        rights::Denied,
        start::BadPlan,
        visit::{self, VisitState},
        wording::PinAnswer,
    },
    keys::ServerKey,
};

/// What cannot be worked on is looked at again after so long: meanwhile it holds up nobody.
pub const MOVED_ASIDE: chrono::TimeDelta = chrono::TimeDelta::seconds(30);

/// What a use case gives: a failure of the store rolls back; what a person was refused is kept.
pub type Outcome<T> = crate::store::Result<Result<T, Rejected>>;

/// What use cases need to know of the installation.
#[derive(Debug, Clone)]
pub struct House {
    /// How people can answer a call.
    pub answering: Answering,
    /// Where people find the pages that mails lead to; none, if nobody has said under which address we are reached.
    pub pages: Option<Pages>,
    /// Who mends what only a person can mend.
    pub operator: Option<Email>,
    /// Where other systems may be told what happened.
    pub networks: Networks,
}

/// The addresses of the pages on which people answer what came by mail.
#[derive(Debug, Clone)]
pub struct Pages {
    /// The address under which we are reached, without a slash at its end.
    pub base: String,
    /// What they are made under.
    pub key: ServerKey,
}

impl Pages {
    /// Somebody's page of an alarm (row E10).
    pub fn of_alarm(&self, incident: IncidentId, person: PersonId) -> String {
        format!("{}/alarm/{}", self.base, self.key.alarm_page(incident, person))
    }

    /// The page on which somebody says that mail reaches them (row D6).
    pub fn of_proof(&self, id: AskId) -> String {
        format!("{}/proofs/{id}", self.base)
    }

    /// The page whose address stands in a line of its own in what a mail says, and the words without it.
    pub fn in_words(&self, words: &str) -> Option<(String, String)> {
        let page = words.lines().find(|line| line.starts_with(&self.base) && !line.contains(' '))?;
        Some((page.to_owned(), words.replacen(&format!("{page}\n"), "", 1)))
    }
}

/// Why a person was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It does not exist, or they may not know that it does.
    #[error("there is nothing with this id")]
    NotFound,
    /// It is about themselves.
    #[error("you are the subject of this incident: somebody else has to act")]
    Subject,
    /// Their role is too small.
    #[error("your role does not allow this")]
    Role,
    /// The PIN did not do it.
    #[error("{0}")]
    Pin(PinAnswer),
    /// It does not fit the visit's state.
    #[error("{why}")]
    Visit {
        /// Why.
        why: visit::NotNow,
        /// Where the visit stands.
        state: &'static str,
    },
    /// It does not fit the incident's state.
    #[error("{why}")]
    Incident {
        /// Why.
        why: incident::NotNow,
        /// Where the incident stands.
        state: &'static str,
    },
    /// It does not fit the concern's state.
    #[error("{why}")]
    Concern {
        /// Why.
        why: concern::NotNow,
        /// Where the concern stands.
        state: &'static str,
    },
    /// They raised it themselves.
    #[error("you raised this concern: another manager discusses it with you")]
    RaisedByYou,
    /// Somebody with whom no concern can be discussed.
    #[error("“{0}” is nobody else with an account in this organisation")]
    NobodyToDiscussWith(String),
    /// Answers to what nobody asked.
    #[error("{0}")]
    UnknownItem(#[from] UnknownItem),
    /// Somebody who acts for the worker did not say how they know.
    #[error("you act for somebody else: say in `known_by` how you know (spoke_by_voice, seen, police)")]
    KnownByNeeded,
    /// Somebody to whom an alarm cannot be given.
    #[error(
        "“{0}” is nobody who can have this alarm: a manager above the worker's team, or somebody with an account who was called about it"
    )]
    CannotHaveIt(String),
    /// Somebody who cannot be given something to do, or is asked about.
    #[error("“{0}” is nobody with an account in this organisation")]
    NobodyToDoIt(String),
    /// A team that is none.
    #[error("“{0}” is no team of this organisation")]
    NoSuchTeam(String),
    /// Somebody about whom no drill can be.
    #[error("“{0}” is nobody with an account in this organisation")]
    NobodyToDrill(String),
    /// A schedule that cannot be kept.
    #[error("{0}")]
    DrillSchedule(#[from] BadSchedule),
    /// A drill that cannot be started.
    #[error("no drill was started: {0}")]
    DrillNotNow(&'static str),
    /// A ladder that cannot be put in force: the numbers of its steps, and why.
    #[error("this ladder is not put in force: {0}")]
    Ladder(String),
    /// Somebody for whom no visit can be put on record.
    #[error("“{0}” is nobody for whom you can put a visit on record")]
    NobodyToRecordFor(String),
    /// A visit that cannot be put on record.
    #[error("{0}")]
    Past(#[from] BadPast),
    /// Only the worker can do it.
    #[error("only the worker can do this, with the PIN")]
    WorkerOnly,
    /// A plan with times that cannot be.
    #[error("{0}")]
    Plan(#[from] BadPlan),
    /// The person named is not one who can be watched.
    #[error(
        "NOBODY IS BEING WATCHED: “{0}” is nobody you can start a visit for. Your manager was told. Send it again, or ring them"
    )]
    UnknownWorker(String),
    /// A case reference that is none here.
    #[error("{0}")]
    CaseReference(#[from] BadReference),
    /// An assessment that is not complete.
    #[error("{}", .0.first().map_or("", |wrong| wrong.message.as_str()))]
    Assessment(Vec<Wrong>),
    /// It does not fit how it stands with the agreement of a visit.
    #[error("{0}")]
    Agreement(&'static str),
    /// Nobody can agree to a visit as it stands.
    #[error("nobody can agree to this visit as it stands: {0}")]
    NobodyCanAgree(String),
    /// Another secret before there is a PIN.
    #[error("set your PIN first, or with it")]
    NoPinYet,
    /// A duress PIN that a slip makes of the PIN.
    #[error("a duress PIN has to differ from the PIN by more than one slip: take other digits")]
    DuressPinTooNear,
    /// A PIN cannot be set or changed now.
    #[error("{0}")]
    PinNotNow(&'static str),
    /// A field that cannot be so.
    #[error("{why}")]
    Field {
        /// Which.
        field: &'static str,
        /// What to do.
        why: String,
    },
    /// A version of a policy document that another has replaced.
    #[error("this version was replaced: read version {current}, which is in force, and acknowledge that")]
    OldPolicyVersion {
        /// The version in force.
        current: i32,
    },
    /// Something that is out with somebody.
    #[error("it is out with {0}: first it has to come back")]
    OutWith(String),
    /// It is in use no more.
    #[error("it was taken out of use ({0}): add what is there instead under a key of its own")]
    Retired(&'static str),
    /// A key was used with another body.
    #[error(
        "this Idempotency-Key was used with another body: a corrected request, a corrected PIN too, needs a new key"
    )]
    KeyReused,
}

impl From<Denied> for Rejected {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::NotFound => Self::NotFound,
            Denied::Subject => Self::Subject,
            Denied::Role => Self::Role,
            Denied::Raiser => Self::RaisedByYou,
        }
    }
}

impl Rejected {
    fn visit(why: visit::NotNow, state: &VisitState) -> Self {
        Self::Visit { why, state: state.as_str() }
    }
}

/// Leaves a use case with what the person is refused; that commits.
macro_rules! allowed {
    ($decided:expr) => {
        match $decided {
            Ok(value) => value,
            Err(refused) => return Ok(Err(refused.into())),
        }
    };
}
pub(crate) use allowed;
