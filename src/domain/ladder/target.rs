//! Whom a step of a ladder tells. One more kind is one variant here: its word, and the people it means. By what they are told is
//! a [`Channel`](crate::domain::contact::Channel), not a target (ADR 0014).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::{
    ids::{PersonId, TeamId},
    people::Directory,
};

/// Whom a step tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    /// The people named for the worker.
    EmergencyContact,
    /// The worker's manager.
    Manager,
    /// Who is duty manager.
    DutyManager,
    /// The managers of the worker's team.
    TeamManagers,
    /// The managers of the team above.
    UnitManagers,
    /// One person, by the key of the organisation's file.
    Person(String),
}

/// A target that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "“{0}” is no target of a ladder: use emergency_contact, manager, duty_manager, team_managers, unit_managers or person:KEY"
)]
pub struct UnknownTarget(String);

impl Target {
    /// Those that are one word.
    const WORDS: [Self; 5] =
        [Self::EmergencyContact, Self::Manager, Self::DutyManager, Self::TeamManagers, Self::UnitManagers];

    /// The people whom it means for a worker, in order; who has left, or cannot be reached, is among them.
    pub(super) fn people(&self, subject: PersonId, directory: &Directory) -> Vec<PersonId> {
        let line =
            || directory.person(subject).map(|person| directory.line_of(person.team)).unwrap_or_default();
        let managers = |team: &TeamId| directory.managers_of(*team).map(|person| person.id).collect();
        match self {
            Self::EmergencyContact => {
                directory.person(subject).map(|person| person.emergency_contacts.clone()).unwrap_or_default()
            }
            Self::Manager => directory.managers_for(subject),
            Self::DutyManager => directory.duty_manager.into_iter().collect(),
            Self::TeamManagers => line().first().map(managers).unwrap_or_default(),
            Self::UnitManagers => line().get(1).map(managers).unwrap_or_default(),
            Self::Person(key) => directory
                .people
                .values()
                .filter(|person| person.key == *key)
                .map(|person| person.id)
                .collect(),
        }
    }
}

impl TryFrom<String> for Target {
    type Error = UnknownTarget;
    fn try_from(word: String) -> Result<Self, UnknownTarget> {
        if let Some(target) = Self::WORDS.into_iter().find(|target| target.to_string() == word) {
            return Ok(target);
        }
        match word.strip_prefix("person:") {
            Some(key) if !key.is_empty() => Ok(Self::Person(key.into())),
            _ => Err(UnknownTarget(word)),
        }
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmergencyContact => f.write_str("emergency_contact"),
            Self::Manager => f.write_str("manager"),
            Self::DutyManager => f.write_str("duty_manager"),
            Self::TeamManagers => f.write_str("team_managers"),
            Self::UnitManagers => f.write_str("unit_managers"),
            Self::Person(key) => write!(f, "person:{key}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_read_as_it_is_written() {
        for target in Target::WORDS.into_iter().chain([Target::Person("arc".into())]) {
            // Whoever adds a variant adds it here, and to the words where it is one.
            match target {
                Target::EmergencyContact
                | Target::Manager
                | Target::DutyManager
                | Target::TeamManagers
                | Target::UnitManagers
                | Target::Person(_) => {}
            }
            assert_eq!(Target::try_from(target.to_string()).as_ref(), Ok(&target));
        }
        for word in ["", "person:", "Manager", "everybody"] {
            assert!(Target::try_from(word.to_owned()).is_err(), "{word}");
        }
    }
}
