//! Who there is in an organisation, and who reaches whom.

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::{
    contact::{Channel, Email, Phone},
    ids::{OrganisationId, PersonId, TeamId},
    policy::Policy,
    proof::Standing,
};
use crate::clock::Time;

/// What an account may be for. Somebody without a role is an outside contact.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    sqlx::Type,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "TEXT", rename_all = "snake_case")]
pub enum Role {
    /// Visits people at home.
    Worker,
    /// Books visits and completes records; agrees and closes nothing.
    CaseAdministrator,
    /// Answers for a team.
    Manager,
    /// Answers for managers.
    SeniorManager,
    /// Reads everything of the organisation, changes nothing.
    Auditor,
    /// Sets up.
    Administrator,
}

impl Role {
    /// Manages a team: is called by `team_managers`, may close and review.
    pub fn manages(self) -> bool {
        matches!(self, Self::Manager | Self::SeniorManager)
    }
}

/// A person of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Its id.
    pub id: PersonId,
    /// The short name by which the organisation's file speaks of them.
    pub key: String,
    /// As people call them.
    pub name: String,
    /// The team they belong to.
    pub team: TeamId,
    /// `None`: an outside contact, without an account.
    pub role: Option<Role>,
    /// Where they can be texted and rung.
    pub phone: Option<Phone>,
    /// Where they get mail.
    pub email: Option<Email>,
    /// Who answers for them; without one, the managers of their team.
    pub manager: Option<PersonId>,
    /// The people named for an emergency, in order.
    pub emergency_contacts: Vec<PersonId>,
    /// Has left: is neither called nor let in.
    pub left: bool,
}

impl Person {
    /// Has no account and learns only what they need (row E10).
    pub fn is_outside(&self) -> bool {
        self.role.is_none()
    }

    /// Whether anybody may call them: so they need a phone or mail, and show that messages arrive.
    pub fn may_be_called(&self) -> bool {
        !self.left && self.role != Some(Role::Auditor)
    }

    /// Whether `channel` could reach them.
    pub fn has(&self, channel: Channel) -> bool {
        match channel {
            Channel::Sms => self.phone.is_some(),
            Channel::Email => self.email.is_some(),
        }
    }
}

/// A team; teams nest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Its id.
    pub id: TeamId,
    /// The short name by which the organisation's file speaks of it.
    pub key: String,
    /// As people call it.
    pub name: String,
    /// The team above.
    pub parent: Option<TeamId>,
    /// What it works by.
    pub policy: Policy,
}

/// Everybody in an organisation: what a ladder is evaluated against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// The organisation.
    pub organisation: OrganisationId,
    /// As people call it.
    pub name: String,
    /// The zone that its times are written in.
    pub zone: Tz,
    /// Who is duty manager.
    pub duty_manager: Option<PersonId>,
    /// Numbers that are texted when a round reached nobody (row E5).
    pub last_resort: Vec<Phone>,
    /// Its teams.
    pub teams: BTreeMap<TeamId, Team>,
    /// Its people.
    pub people: BTreeMap<PersonId, Person>,
    /// How far their addresses are proved; unproved where nothing stands.
    pub standings: BTreeMap<(PersonId, Channel), Standing>,
}

impl Directory {
    /// Somebody of this organisation.
    pub fn person(&self, id: PersonId) -> Option<&Person> {
        self.people.get(&id)
    }

    /// A name to write; a person who is no longer there is still somebody.
    pub fn name_of(&self, id: PersonId) -> &str {
        self.person(id).map_or("somebody", |person| person.name.as_str())
    }

    /// What a team works by.
    pub fn policy(&self, team: TeamId) -> Policy {
        self.teams.get(&team).map(|team| team.policy.clone()).unwrap_or_default()
    }

    /// The team and every team above it, the nearest first. A circle of parents ends it.
    pub fn line_of(&self, team: TeamId) -> Vec<TeamId> {
        let mut line = Vec::new();
        let mut next = Some(team);
        while let Some(team) = next.filter(|team| !line.contains(team)) {
            line.push(team);
            next = self.teams.get(&team).and_then(|team| team.parent);
        }
        line
    }

    /// The managers of one team.
    pub fn managers_of(&self, team: TeamId) -> impl Iterator<Item = &Person> {
        self.people
            .values()
            .filter(move |person| person.team == team && person.role.is_some_and(Role::manages))
    }

    /// Who looks after a team: its managers who are here, else those of the nearest team above that has one.
    pub fn who_looks_after(&self, team: TeamId) -> BTreeSet<PersonId> {
        let here = |team: TeamId| {
            let managers = self.managers_of(team).filter(|manager| !manager.left);
            managers.map(|manager| manager.id).collect::<BTreeSet<_>>()
        };
        self.line_of(team).into_iter().map(here).find(|managers| !managers.is_empty()).unwrap_or_default()
    }

    /// Who answers for this person: the manager named for them, else the managers of the nearest team that has one.
    pub fn managers_for(&self, id: PersonId) -> Vec<PersonId> {
        let Some(person) = self.person(id) else { return Vec::new() };
        if let Some(manager) = person.manager.filter(|id| self.person(*id).is_some_and(|person| !person.left))
        {
            return vec![manager];
        }
        let managers = |team: TeamId| {
            self.managers_of(team)
                .filter(|manager| !manager.left && manager.id != id)
                .map(|manager| manager.id)
        };
        self.line_of(person.team)
            .into_iter()
            .map(|team| managers(team).collect::<Vec<_>>())
            .find(|managers| !managers.is_empty())
            .unwrap_or_default()
    }

    /// Who sets things up here, and has to know when something that was set up does not work: administrators; without one the
    /// managers of the teams at the top.
    pub fn who_arranges(&self) -> Vec<PersonId> {
        let is_top = |team: TeamId| self.teams.get(&team).is_some_and(|team| team.parent.is_none());
        let of = |is_one: &dyn Fn(&Person) -> bool| -> Vec<PersonId> {
            let here = self.people.values().filter(|person| !person.left && is_one(person));
            here.map(|person| person.id).collect()
        };
        let administrators = of(&|person| person.role == Some(Role::Administrator));
        if administrators.is_empty() {
            return of(&|person| person.role.is_some_and(Role::manages) && is_top(person.team));
        }
        administrators
    }

    /// Whom somebody means who is here: by id, or by the key of the organisation's file.
    pub fn named(&self, name: &str) -> Option<&Person> {
        self.people
            .values()
            .find(|person| (person.key == name || person.id.to_string() == name) && !person.left)
    }

    /// Whom somebody means, be they here or not any more: what was theirs can be looked at.
    pub fn ever_named(&self, name: &str) -> Option<&Person> {
        let left = || self.people.values().find(|person| person.key == name || person.id.to_string() == name);
        self.named(name).or_else(left)
    }

    /// The team that somebody means, by id or by key.
    pub fn team_named(&self, name: &str) -> Option<&Team> {
        self.teams.values().find(|team| team.key == name || team.id.to_string() == name)
    }

    /// Who has to know what concerns this person: who answers for them, or else the duty manager.
    pub fn who_has_to_know(&self, id: PersonId) -> Vec<PersonId> {
        let reached = |id: &PersonId| {
            self.person(*id)
                .is_some_and(|person| !person.left && Channel::ALL.iter().any(|by| person.has(*by)))
        };
        let managers: Vec<PersonId> = self.managers_for(id).into_iter().filter(reached).collect();
        let duty = || self.duty_manager.filter(|duty| *duty != id && reached(duty));
        if managers.is_empty() { duty().into_iter().collect() } else { managers }
    }

    /// How far an address of somebody is proved.
    pub fn standing(&self, id: PersonId, channel: Channel) -> Standing {
        self.standings.get(&(id, channel)).copied().unwrap_or_default()
    }

    /// Whether somebody is to be spared this channel in an alarm that opened then (row D6): an outside contact who had said no
    /// before. Staff are called whatever they said, and nobody is taken out of an alarm that was open.
    pub fn is_spared(&self, id: PersonId, channel: Channel, opened_at: Time) -> bool {
        let outside = self.person(id).is_some_and(Person::is_outside);
        let since = self.standing(id, channel).wants_nothing_since();
        outside && since.is_some_and(|since| since < opened_at)
    }

    /// The workers who named somebody for an emergency, by name.
    pub fn named_by(&self, contact: PersonId) -> Vec<&Person> {
        let names = |person: &&Person| !person.left && person.emergency_contacts.contains(&contact);
        let mut named_by: Vec<_> = self.people.values().filter(names).collect();
        named_by.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
        named_by
    }

    /// What is wrong with it: names that lead nowhere, circles, people who cannot be reached.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for team in self.teams.values() {
            if team.parent.is_some_and(|parent| self.line_of(parent).contains(&team.id)) {
                complaints.push(format!("team “{}”: its parents form a circle", team.key));
            }
        }
        for person in self.people.values().filter(|person| !person.left) {
            if person.emergency_contacts.contains(&person.id) {
                complaints.push(format!("person “{}”: nobody is their own emergency contact", person.key));
            }
            if person.manager == Some(person.id) {
                complaints.push(format!("person “{}”: nobody is their own manager", person.key));
            }
        }
        let distinct: BTreeSet<_> = self.last_resort.iter().collect();
        if distinct.len() < 2 {
            complaints.push(
                "last_resort: name two different numbers, texted when a round of a ladder reached nobody"
                    .into(),
            );
        }
        complaints
    }
}
