//! What a case system needs of what was done here (row T6): each completed visit, each agreed
//! assessment, each entry of management oversight about one of them or a case.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    assessment::Rating,
    ids::{AssessmentId, PersonId, TeamId},
    oversight::Subject,
    visit::{VisitOutcome, Visiting, word_enum},
};
use crate::clock::Time;

word_enum! {
    /// What is filed.
    FilingKind {
        /// A visit that is over, or was put on record.
        Visit = "visit",
        /// A version of a risk assessment that a manager agreed with.
        Assessment = "assessment",
        /// What a manager said of a case, a visit or an assessment.
        Oversight = "oversight",
    }
}

impl FilingKind {
    /// Reads its word.
    pub fn read(word: &str) -> Option<Self> {
        [Self::Visit, Self::Assessment, Self::Oversight].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// One thing that has to be filed, or is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: FilingKind,
    /// Its id.
    pub id: Uuid,
    /// When it was complete: the visit over, the assessment agreed, the oversight recorded.
    pub at: Time,
    /// Whose it is.
    pub team: TeamId,
    /// Who visited, who made the assessment, or which manager said it.
    pub by: PersonId,
    /// Who else was on the visit.
    pub with: Vec<PersonId>,
    /// When the worker was at the door.
    pub arrived_at: Option<Time>,
    /// When the worker left.
    pub left_at: Option<Time>,
    /// Where.
    pub address: Option<String>,
    /// Whose case.
    pub case_reference: Option<String>,
    /// Who is visited.
    pub visiting: Option<Visiting>,
    /// How the visit turned out.
    pub outcome: Option<VisitOutcome>,
    /// Who was seen.
    pub seen_whom: Option<String>,
    /// What was done.
    pub work_undertaken: Option<String>,
    /// The assessment that the visit was agreed by, or this one.
    pub assessment: Option<AssessedBy>,
    /// Who agreed, to the visit or with the assessment, and when.
    pub agreed: Option<(PersonId, Time)>,
    /// What a manager said, and of what.
    pub oversight: Option<(Subject, Option<String>)>,
    /// As what it is filed elsewhere.
    pub filed: Option<Filed>,
}

/// An assessment, as a visit refers to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssessedBy {
    /// Which.
    pub id: AssessmentId,
    /// 1, 2, 3 …
    pub version: i32,
    /// What it came to.
    pub rating: Rating,
    /// It was made for an earlier visit, and on this day nothing had changed.
    pub reused_on: Option<NaiveDate>,
}

/// That something is filed elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filed {
    /// As what, there.
    pub reference: String,
    /// When that was said.
    pub at: Time,
    /// By whom.
    pub by: PersonId,
}
