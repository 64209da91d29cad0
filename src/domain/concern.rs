//! A concern about somebody's behaviour or situation: raised, discussed with a manager, where appropriate acted on, and open until
//! a manager says what came of it (row A10).

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{
    follow_up::Done,
    ids::{ConcernActionId, ConcernId, OrganisationId, PersonId, TeamId, VisitId},
    visit::word_enum,
};
use crate::clock::Time;

word_enum! {
    /// What it is about.
    #[derive(Default)]
    ConcernKind {
        /// How somebody behaves.
        Behaviour = "behaviour",
        /// A child, a young person or an adult at risk.
        Safeguarding = "safeguarding",
        /// A danger to whoever goes there.
        Risk = "risk",
        /// The home or what is in it.
        Property = "property",
        /// Something else, or not said.
        #[default]
        Other = "other",
    }
}

word_enum! {
    /// Where it stands.
    ConcernState {
        /// Nobody has discussed it yet.
        Raised = "raised",
        /// A manager has.
        Discussed = "discussed",
        /// A manager said what came of it.
        Closed = "closed",
    }
}

/// A concern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concern {
    /// Its id.
    pub id: ConcernId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// The team whose managers see it.
    pub team: TeamId,
    /// Whose visit it was raised on; without one, whoever raised it.
    pub worker: PersonId,
    /// Who raised it, and when.
    pub raised: (PersonId, Time),
    /// On which visit.
    pub visit: Option<VisitId>,
    /// About whose case, in capital letters.
    pub case_reference: Option<String>,
    /// What it is about.
    pub kind: ConcernKind,
    /// In their words.
    pub words: String,
    /// Who was told at once.
    pub told: Vec<PersonId>,
    /// Where it stands.
    pub state: ConcernState,
    /// Once it is closed.
    pub closing: Option<Closing>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// When.
    pub at: Time,
    /// By whom.
    pub by: PersonId,
    /// In their words.
    pub outcome: String,
}

/// That a manager discussed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discussion {
    /// When.
    pub at: Time,
    /// The manager.
    pub by: PersonId,
    /// With whom.
    pub with: PersonId,
    /// In the manager's words.
    pub words: String,
}

/// Something to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// Its id.
    pub id: ConcernActionId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// About which concern.
    pub concern: ConcernId,
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

/// Why something does not fit where a concern stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    /// Nobody has discussed it.
    #[error("this concern was not discussed yet: a manager discusses it first, and says so")]
    NotDiscussed,
    /// It is closed.
    #[error("this concern is closed")]
    Closed,
    /// Something is still to be done.
    #[error(
        "something about this concern is still to be done: say first that it is done, or what came of it"
    )]
    ActionsOpen,
}

impl Concern {
    /// Whether a manager still has to say what came of it.
    pub fn is_open(&self) -> bool {
        self.state != ConcernState::Closed
    }

    /// Whether it can be discussed: as often as it takes, until it is closed.
    pub fn may_be_discussed(&self) -> Result<(), NotNow> {
        if self.is_open() { Ok(()) } else { Err(NotNow::Closed) }
    }

    /// Whether something to be done can be set: once it was discussed.
    pub fn may_be_acted_on(&self) -> Result<(), NotNow> {
        match self.state {
            ConcernState::Raised => Err(NotNow::NotDiscussed),
            ConcernState::Discussed => Ok(()),
            ConcernState::Closed => Err(NotNow::Closed),
        }
    }

    /// Whether it can be closed: once it was discussed and nothing is left to be done.
    pub fn may_be_closed(&self, actions: &[Action]) -> Result<(), NotNow> {
        self.may_be_acted_on()?;
        if actions.iter().all(|action| action.done.is_some()) { Ok(()) } else { Err(NotNow::ActionsOpen) }
    }
}

/// A case reference as it is kept and compared, as cases themselves are: in capital letters, without blanks.
pub fn case_reference(written: &str) -> Option<String> {
    let visible = written.chars().filter(|c| !c.is_whitespace());
    let reference = visible.collect::<String>().to_uppercase();
    (!reference.is_empty()).then_some(reference)
}
