//! What has to be done after an incident: by whom, by when, open until done (row E6).

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{
    ids::{FollowUpId, IncidentId, OrganisationId, PersonId},
    visit::word_enum,
};
use crate::clock::Time;

word_enum! {
    /// What it is about.
    FollowUpKind {
        /// The police's log number, or their answer.
        PoliceLog = "police_log",
        /// An injury that has to be reported.
        ReportableInjury = "reportable_injury",
        /// How the worker is.
        Welfare = "welfare",
        /// Something else.
        Other = "other",
    }
}

/// One thing to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowUp {
    /// Its id.
    pub id: FollowUpId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// After which incident.
    pub incident: IncidentId,
    /// About what.
    pub kind: FollowUpKind,
    /// What is to be done.
    pub what: String,
    /// Who does it.
    pub owner: PersonId,
    /// By that day.
    pub due_on: NaiveDate,
    /// Who set it, and when.
    pub set: (PersonId, Time),
    /// Once it is done.
    pub done: Option<Done>,
}

/// That it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// When.
    pub at: Time,
    /// By whom.
    pub by: PersonId,
    /// In their words.
    pub note: String,
}
