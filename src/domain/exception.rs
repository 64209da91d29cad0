//! What was out of the ordinary about a visit, as it is looked at afterwards (rows A5, A7; `seeds/003`: "such records must always be
//! available for scrutiny"). What was said of it before stands with its agreement.

use serde::{Deserialize, Serialize};

use super::{
    agreement::Exception,
    ids::{PersonId, VisitId},
    visit::word_enum,
};
use crate::clock::Time;

word_enum! {
    /// What it was.
    ExceptionKind {
        /// No assessment was possible.
        Emergency = "emergency",
        /// Outside agreed arrangements, once.
        OneOff = "one_off",
    }
}

impl ExceptionKind {
    /// Of what was said before.
    pub fn of(exception: &Exception) -> Self {
        match exception {
            Exception::Emergency { .. } => Self::Emergency,
            Exception::OneOff { .. } => Self::OneOff,
        }
    }
}

/// A visit that was out of the ordinary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutOfTheOrdinary {
    /// Which.
    pub visit: VisitId,
    /// In what way.
    pub kind: ExceptionKind,
    /// Once a senior manager has looked at it.
    pub reviewed: Option<Reviewed>,
}

/// That a senior manager has looked at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviewed {
    /// When.
    pub at: Time,
    /// Who.
    pub by: PersonId,
    /// What they found, in their words.
    pub words: String,
}
