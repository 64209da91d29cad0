//! Checklists for a worker and for a manager, before, during and after a visit (row A9): versioned data that a team may replace.
//! Nothing is refused for what stands unanswered in one: it is listed as missing, and the visit is watched all the same.

mod provided;

use serde::{Deserialize, Serialize};

pub use self::provided::provided;
use super::{
    ids::{ChecklistId, PersonId, TeamId},
    visit::word_enum,
};
use crate::clock::Time;

word_enum! {
    /// Who answers it.
    Whose {
        /// Whoever makes the visit.
        Worker = "worker",
        /// A manager of theirs.
        Manager = "manager",
    }
}

word_enum! {
    /// At which part of the visit.
    When {
        /// Before.
        Before = "before",
        /// While it lasts.
        During = "during",
        /// Afterwards.
        After = "after",
    }
}

word_enum! {
    /// What is said of an item.
    Ticked {
        /// It is so.
        Yes = "yes",
        /// It is not.
        No = "no",
        /// It does not apply to this visit.
        NotApplicable = "not_applicable",
    }
}

/// All of them.
pub const LISTS: [(Whose, When); 6] = [
    (Whose::Worker, When::Before),
    (Whose::Worker, When::During),
    (Whose::Worker, When::After),
    (Whose::Manager, When::Before),
    (Whose::Manager, When::During),
    (Whose::Manager, When::After),
];

/// One thing that is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// By which it is answered: small letters, digits, `_` and `-`.
    pub key: String,
    /// What is asked, as people read it.
    pub words: String,
    /// Whether it is listed as missing until it is answered.
    #[serde(default)]
    pub required: bool,
}

/// One version of a checklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checklist {
    /// Its id; none: it is the one that Homeward comes with.
    pub id: Option<ChecklistId>,
    /// Of that team and those below it that have none of their own; of every team if there is none.
    pub team: Option<TeamId>,
    /// Who answers it.
    pub whose: Whose,
    /// When.
    pub when: When,
    /// 1, 2, 3 …; 0: it is the one that Homeward comes with.
    pub version: i32,
    /// What is asked.
    pub items: Vec<Item>,
    /// Who set it, and when.
    pub set: Option<(PersonId, Time)>,
}

/// What somebody says of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Its key.
    pub item: String,
    /// What.
    pub done: Ticked,
    /// In their words.
    pub words: Option<String>,
}

/// One time that a checklist was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Who answers that list.
    pub whose: Whose,
    /// When.
    pub when: When,
    /// The version; none: the one that Homeward came with.
    pub checklist: Option<ChecklistId>,
    /// Its number.
    pub version: i32,
    /// What was asked.
    pub items: Vec<Item>,
    /// What was said.
    pub answers: Vec<Answer>,
    /// By whom.
    pub by: PersonId,
    /// At what time.
    pub at: Time,
}

/// An answer to what nobody asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{item}” is no item of this checklist; its items are {known}")]
pub struct UnknownItem {
    /// Which of the answers, from 0.
    pub at: usize,
    /// What it names.
    pub item: String,
    /// What is asked.
    pub known: String,
}

/// What is wrong with a list of items: of which item which field, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadItem {
    /// Which, from 0.
    pub at: usize,
    /// Which field of it.
    pub field: &'static str,
    /// Why.
    pub why: &'static str,
}

/// The most items of a list.
pub const MOST_ITEMS: usize = 50;

/// The longest key.
const LONGEST_KEY: usize = 40;
/// The longest question.
const LONGEST_WORDS: usize = 500;

/// Whether a list can be put in force.
pub fn check(items: &[Item]) -> Result<(), BadItem> {
    for (at, item) in items.iter().enumerate() {
        let bad = |field, why| Err(BadItem { at, field, why });
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
        if item.key.is_empty() || item.key.len() > LONGEST_KEY || !item.key.chars().all(fits) {
            return bad("key", "1 to 40 small letters, digits, `_` and `-`");
        }
        if items[..at].iter().any(|before| before.key == item.key) {
            return bad("key", "another item of this list has it");
        }
        if item.words.trim().is_empty() || item.words.chars().count() > LONGEST_WORDS {
            return bad("words", "1 to 500 characters");
        }
    }
    Ok(())
}

impl Checklist {
    /// The first answer that is about none of its items.
    pub fn unknown(&self, answers: &[Answer]) -> Option<UnknownItem> {
        let is_asked = |answer: &Answer| self.items.iter().any(|item| item.key == answer.item);
        let at = answers.iter().position(|answer| !is_asked(answer))?;
        let known: Vec<_> = self.items.iter().map(|item| item.key.as_str()).collect();
        Some(UnknownItem { at, item: answers[at].item.clone(), known: known.join(", ") })
    }
}

/// What was said last of an item, over all the times that its list was answered.
pub fn last_said<'a>(answered: &'a [Answered], key: &str) -> Option<(&'a Answered, &'a Answer)> {
    let mut times = answered.iter().rev();
    times.find_map(|time| Some((time, time.answers.iter().rev().find(|answer| answer.item == key)?)))
}

/// The required items of which nothing was said.
pub fn missing(items: &[Item], answered: &[Answered]) -> Vec<String> {
    let lacks = |item: &&Item| item.required && last_said(answered, &item.key).is_none();
    items.iter().filter(lacks).map(|item| item.key.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_homeward_comes_with_can_be_put_in_force() {
        for (whose, when) in LISTS {
            let items = provided(whose, when);
            assert_eq!(check(&items), Ok(()), "{whose:?} {when:?}");
            assert!(items.iter().any(|item| item.required), "{whose:?} {when:?}");
        }
    }

    #[test]
    fn keys_are_plain_and_stand_once() {
        let item = |key: &str| Item { key: key.into(), words: "w".into(), required: false };
        assert_eq!(check(&[item("a"), item("b-2_c")]), Ok(()));
        for (items, at) in [(vec![item("a"), item("a")], 1), (vec![item("A")], 0), (vec![item("")], 0)] {
            assert_eq!(check(&items).unwrap_err().at, at);
        }
        assert_eq!(check(&[Item { words: " ".into(), ..item("a") }]).unwrap_err().field, "words");
    }
}
