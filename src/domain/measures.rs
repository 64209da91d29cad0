//! What a worker says of the agreed measures: at the door whether they are in place, afterwards whether they were followed (row A3).
//! It is kept and told; the watching goes on as it did.

use serde::{Deserialize, Serialize};

use super::{ids::PersonId, visit::word_enum};
use crate::clock::Time;

word_enum! {
    /// What they speak of.
    Moment {
        /// Whether they are in place.
        Door = "door",
        /// Whether they were followed.
        After = "after",
    }
}

word_enum! {
    /// Whether it is so.
    Kept {
        /// It is.
        Yes = "yes",
        /// It is not.
        No = "no",
    }
}

/// That somebody said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasuresSaid {
    /// What of.
    pub moment: Moment,
    /// Whether it is so.
    pub kept: Kept,
    /// In their words; if it is not, why.
    pub words: Option<String>,
    /// Who.
    pub by: PersonId,
    /// When.
    pub at: Time,
}
