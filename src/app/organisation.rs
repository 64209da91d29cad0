//! `apply`: an organisation as a TOML file. Idempotent: applied twice it changes nothing the second time.

use std::{collections::BTreeMap, str::FromStr};

use chrono::{NaiveDate, NaiveTime};
use chrono_tz::Tz;
use serde::Deserialize;
use serde_json::json;
use toml::Spanned;

use super::{
    due::put_in_force,
    ladders::{complaints_about, in_force_with, next_version, own},
    tokens,
};
use crate::{
    domain::{
        agreement::Rules,
        calendar::Nation,
        contact::{Email, Phone},
        due::{self, DIGEST_AT, Settings},
        event::{EventKind, NewEvent},
        ids::{OrganisationId, PersonId, TeamId},
        ladder::Ladder,
        oversight,
        people::{Directory, Person, Role, Team},
        policy::Policy,
        visit::Risk,
    },
    keys::Token,
    store::{
        self, Trace, Tx, agreements, due as due_rows, end_of_day, events::log_for_organisation, ladders,
        people,
    },
};

/// The file as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    key: String,
    name: String,
    zone: Spanned<String>,
    duty_manager: Option<Spanned<String>>,
    #[serde(default)]
    last_resort: Vec<Spanned<String>>,
    #[serde(default)]
    team: Vec<TeamEntry>,
    #[serde(default)]
    person: Vec<PersonEntry>,
    #[serde(default)]
    ladder: Vec<LadderEntry>,
    /// By what visits are agreed.
    agreement: Option<Spanned<Rules>>,
    /// By what visits are due.
    due: Option<DueEntry>,
    /// Where management oversight is asked for.
    oversight: Option<Spanned<oversight::Rules>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct DueEntry {
    rules: Spanned<String>,
    #[serde(default)]
    nation: Nation,
    #[serde(default)]
    closures: Vec<Spanned<String>>,
    bank_holidays: Option<Spanned<String>>,
    digest_at: Option<Spanned<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct TeamEntry {
    key: Spanned<String>,
    name: String,
    parent: Option<Spanned<String>>,
    /// Only what differs from the configuration's policy.
    policy: Option<toml::Table>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonEntry {
    key: Spanned<String>,
    name: String,
    team: Spanned<String>,
    role: Option<Role>,
    phone: Option<Spanned<String>>,
    email: Option<Spanned<String>>,
    manager: Option<Spanned<String>>,
    #[serde(default)]
    emergency_contacts: Vec<Spanned<String>>,
    /// Who stands in for them while they are away.
    deputy: Option<Spanned<String>>,
    #[serde(default)]
    left: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct LadderEntry {
    team: Option<Spanned<String>>,
    risk: Risk,
    #[serde(flatten)]
    ladder: LadderBody,
}

/// As [`Ladder`], but beside other keys.
#[derive(Debug, Clone, Deserialize)]
struct LadderBody {
    repeat_every: toml::Value,
    steps: Vec<toml::Value>,
}

/// Something wrong in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The line, from 1, where one can be named.
    pub line: Option<usize>,
    /// What is wrong and how to mend it.
    pub message: String,
}

/// The file cannot be applied; nothing was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the organisation's file cannot be applied; nothing was changed")]
pub struct Refused(pub Vec<Complaint>);

/// A file that can be applied.
#[derive(Debug, Clone)]
pub struct Wanted {
    file: File,
    text: String,
    defaults: Defaults,
}

/// What holds where the file says nothing else.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    /// What teams work by.
    pub policy: Policy,
    /// For an organisation without a ladder of its own.
    pub ladder: Ladder,
}

/// What applying did.
#[derive(Debug)]
pub struct Applied {
    /// The organisation.
    pub organisation: OrganisationId,
    /// Each new person's key and token, to be shown once.
    pub tokens: Vec<(String, Token)>,
    /// Ladders of which there is a new version: whose, for which risk, which version.
    pub ladders: Vec<(String, Risk, i32)>,
}

impl Wanted {
    /// Reads a file.
    pub fn parse(text: &str, defaults: Defaults) -> Result<Self, Refused> {
        let file = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| line_of(text, span.start));
            Refused(vec![Complaint { line, message: error.message().into() }])
        })?;
        Ok(Self { file, text: text.into(), defaults })
    }

    /// The organisation's key.
    pub fn key(&self) -> &str {
        &self.file.key
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

/// Collects complaints, with their lines.
struct Reading<'f> {
    text: &'f str,
    complaints: Vec<Complaint>,
}

impl Reading<'_> {
    fn complain(&mut self, at: Option<std::ops::Range<usize>>, message: impl Into<String>) {
        let line = at.map(|span| line_of(self.text, span.start));
        self.complaints.push(Complaint { line, message: message.into() });
    }

    fn parse<T, E: std::fmt::Display>(
        &mut self,
        written: Option<&Spanned<String>>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let written = written?;
        parse(written.get_ref()).map_err(|error| self.complain(Some(written.span()), error.to_string())).ok()
    }

    fn look_up<Id: Copy>(
        &mut self,
        named: Option<&Spanned<String>>,
        ids: &BTreeMap<String, Id>,
        what: &str,
    ) -> Option<Id> {
        let named = named?;
        let found = ids.get(named.get_ref()).copied();
        if found.is_none() {
            self.complain(
                Some(named.span()),
                format!("there is no {what} with the key “{}” in this file", named.get_ref()),
            );
        }
        found
    }
}

/// Applies a file: all of it or nothing.
pub async fn apply(tx: &mut Tx, wanted: &Wanted, trace: Trace) -> store::Result<Result<Applied, Refused>> {
    let now = trace.now;
    let known = people::organisation_by_key_any_org(tx, wanted.key()).await?;
    let organisation = known.unwrap_or_else(|| OrganisationId::new(now));
    let before = match known {
        Some(organisation) => Some(people::directory(tx, organisation).await?),
        None => None,
    };
    let mut reading = Reading { text: &wanted.text, complaints: Vec::new() };
    let directory = read_directory(&mut reading, wanted, organisation, before.as_deref(), now);
    let current = if known.is_some() { ladders::current(tx, organisation).await? } else { Vec::new() };
    let deputies = read_deputies(&mut reading, wanted, &directory);
    let rules = wanted.file.agreement.clone();
    if let Some(rules) = &rules {
        for message in rules.get_ref().complaints() {
            reading.complain(Some(rules.span()), format!("agreement: {message}"));
        }
    }
    let due = wanted.file.due.as_ref().and_then(|entry| read_due(&mut reading, entry));
    // What stands in the file, or else what is in force.
    let due = match due {
        None if known.is_some() => due_rows::rules(tx, organisation).await?.map(|version| version.settings),
        due => due,
    };
    if let Some(rules) = &wanted.file.oversight {
        let levels = due.as_ref().and_then(|due| due::Rules::read(&due.rules).ok());
        for message in rules.get_ref().complaints(levels.as_ref()) {
            reading.complain(Some(rules.span()), format!("oversight: {message}"));
        }
    }
    let new_ladders = read_ladders(&mut reading, wanted, &directory, &current, now);
    if reading.complaints.is_empty() {
        for message in directory.complaints() {
            reading.complain(None, message);
        }
        check_ladders(&mut reading, &directory, &current, &new_ladders);
    }
    if !reading.complaints.is_empty() {
        return Ok(Err(Refused(reading.complaints)));
    }
    end_of_day::lock_all(tx, organisation).await?;
    people::save(tx, wanted.key(), &directory).await?;
    super::end_of_day::follow_policies(tx, &directory, now).await?;
    agreements::save_deputies(tx, organisation, &deputies).await?;
    if let Some(rules) = rules {
        agreements::save_rules(tx, organisation, &rules.into_inner()).await?;
    }
    super::policy_documents::follow_people(tx, &directory, now).await?;
    if let Some(due) = due {
        // What was read before can be read. A new team has digests too.
        let put = put_in_force(tx, &directory, due, None, trace).await?;
        put.map_err(|_| store::Error::inconsistent("due_rules", "body", organisation))?;
    }
    if let Some(rules) = &wanted.file.oversight {
        super::oversight::set_rules(tx, organisation, rules.get_ref(), trace).await?;
    }
    super::due::digest::follow_oversight(tx, &directory, now).await?;
    let mut applied = Applied { organisation, tokens: Vec::new(), ladders: Vec::new() };
    for version in &new_ladders {
        ladders::add(tx, organisation, version).await?;
        let whose = version
            .team
            .and_then(|id| directory.teams.get(&id))
            .map_or("every team", |team| team.key.as_str());
        applied.ladders.push((whose.to_owned(), version.risk, version.version));
    }
    for person in directory.people.values().filter(|person| person.role.is_some() && !person.left) {
        let is_new = before
            .as_ref()
            .and_then(|before| before.person(person.id))
            .is_none_or(|before| before.role.is_none());
        if is_new {
            let token = tokens::create(tx, organisation, person.id, ("apply", None), trace).await?;
            applied.tokens.push((person.key.clone(), token));
        }
    }
    if before.as_deref() != Some(&directory) || !applied.ladders.is_empty() {
        let body = json!({"people": directory.people.len(), "teams": directory.teams.len(), "new": applied.tokens.len()});
        let event = NewEvent::new(EventKind::OrganisationApplied, now, body);
        log_for_organisation(tx, organisation, (None, None), trace, event).await?;
    }
    Ok(Ok(applied))
}

fn ids_of<Id: Copy>(
    reading: &mut Reading<'_>,
    keys: impl Iterator<Item = Spanned<String>>,
    known: impl Fn(&str) -> Option<Id>,
    fresh: impl Fn() -> Id,
) -> BTreeMap<String, Id> {
    let mut ids = BTreeMap::new();
    for key in keys {
        let id = known(key.get_ref()).unwrap_or_else(&fresh);
        let good = !key.get_ref().is_empty()
            && key.get_ref().chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if !good {
            reading.complain(
                Some(key.span()),
                format!("“{}”: a key is made of letters, digits, - and _", key.get_ref()),
            );
        }
        if ids.insert(key.get_ref().clone(), id).is_some() {
            reading.complain(Some(key.span()), format!("the key “{}” stands twice", key.get_ref()));
        }
    }
    ids
}

fn read_directory(
    reading: &mut Reading<'_>,
    wanted: &Wanted,
    organisation: OrganisationId,
    before: Option<&Directory>,
    now: crate::clock::Time,
) -> Directory {
    let file = &wanted.file;
    let zone = reading.parse(Some(&file.zone), |zone| {
        Tz::from_str(zone).map_err(|_| format!("“{zone}” is no time zone: write it like Europe/London"))
    });
    let team_keys = file.team.iter().map(|team| team.key.clone());
    let team_ids = ids_of(
        reading,
        team_keys,
        |key| before?.teams.values().find(|team| team.key == key).map(|team| team.id),
        || TeamId::new(now),
    );
    let person_keys = file.person.iter().map(|person| person.key.clone());
    let person_ids = ids_of(
        reading,
        person_keys,
        |key| before?.people.values().find(|person| person.key == key).map(|person| person.id),
        || PersonId::new(now),
    );
    let mut teams = BTreeMap::new();
    for entry in &file.team {
        let Some(id) = team_ids.get(entry.key.get_ref()).copied() else { continue };
        let policy = read_policy(reading, entry, &wanted.defaults.policy);
        let parent = reading.look_up(entry.parent.as_ref(), &team_ids, "team");
        teams.insert(
            id,
            Team { id, key: entry.key.get_ref().clone(), name: entry.name.clone(), parent, policy },
        );
    }
    let mut people = BTreeMap::new();
    for entry in &file.person {
        let Some(id) = person_ids.get(entry.key.get_ref()).copied() else { continue };
        let Some(team) = reading.look_up(Some(&entry.team), &team_ids, "team") else { continue };
        let person = Person {
            id,
            key: entry.key.get_ref().clone(),
            name: entry.name.clone(),
            team,
            role: entry.role,
            phone: reading.parse(entry.phone.as_ref(), Phone::parse),
            email: reading.parse(entry.email.as_ref(), Email::parse),
            manager: reading.look_up(entry.manager.as_ref(), &person_ids, "person"),
            emergency_contacts: entry
                .emergency_contacts
                .iter()
                .filter_map(|contact| reading.look_up(Some(contact), &person_ids, "person"))
                .collect(),
            left: entry.left,
        };
        if person.phone.is_none() && person.email.is_none() && person.may_be_called() {
            reading.complain(Some(entry.key.span()), format!("“{}” has neither phone nor email", person.key));
        }
        people.insert(id, person);
    }
    keep_those_left_out(before, &person_ids, &team_ids, &mut teams, &mut people);
    let last_resort =
        file.last_resort.iter().filter_map(|number| reading.parse(Some(number), Phone::parse)).collect();
    Directory {
        organisation,
        name: file.name.clone(),
        zone: zone.unwrap_or(Tz::UTC),
        duty_manager: reading.look_up(file.duty_manager.as_ref(), &person_ids, "person"),
        last_resort,
        teams,
        people,
        standings: before.map(|before| before.standings.clone()).unwrap_or_default(),
    }
}

/// Who stands in for whom: never oneself, and never in a circle, or nobody would.
fn read_deputies(
    reading: &mut Reading<'_>,
    wanted: &Wanted,
    directory: &Directory,
) -> BTreeMap<PersonId, PersonId> {
    let ids: BTreeMap<String, PersonId> =
        directory.people.values().map(|person| (person.key.clone(), person.id)).collect();
    let mut deputies = BTreeMap::new();
    for entry in &wanted.file.person {
        let Some(person) = ids.get(entry.key.get_ref()) else { continue };
        let Some(deputy) = reading.look_up(entry.deputy.as_ref(), &ids, "person") else { continue };
        if directory.person(deputy).is_some_and(Person::is_outside) {
            let at = entry.deputy.as_ref().map(Spanned::span);
            reading.complain(at, format!("the deputy of “{}” has no account", entry.key.get_ref()));
        }
        deputies.insert(*person, deputy);
    }
    for entry in &wanted.file.person {
        let (Some(person), Some(named)) = (ids.get(entry.key.get_ref()), &entry.deputy) else { continue };
        let mut seen = vec![*person];
        let mut next = deputies.get(person);
        while let Some(deputy) = next.filter(|deputy| !seen.contains(deputy)) {
            seen.push(*deputy);
            next = deputies.get(deputy);
        }
        if next == Some(person) {
            reading.complain(
                Some(named.span()),
                format!(
                    "the deputies of “{}” form a circle: while all are away nobody stands in",
                    entry.key.get_ref()
                ),
            );
        }
    }
    deputies
}

/// By what visits are due. What is wrong in a file inside this file is named by the line of this one.
fn read_due(reading: &mut Reading<'_>, entry: &DueEntry) -> Option<Settings> {
    let before = reading.complaints.len();
    let day = |day: &str| {
        day.parse::<NaiveDate>()
            .map_err(|_| format!("due.closures: “{day}” is no day: write it like 2026-12-29"))
    };
    let closures = entry.closures.iter().filter_map(|said| reading.parse(Some(said), day)).collect();
    let time = |time: &str| {
        NaiveTime::parse_from_str(time, "%H:%M")
            .map_err(|_| format!("due.digest_at: “{time}” is no time: write it like 08:00"))
    };
    let digest_at = reading.parse(entry.digest_at.as_ref(), time).unwrap_or(DIGEST_AT);
    let settings = Settings {
        rules: Settings::meant(entry.rules.get_ref()),
        nation: entry.nation,
        closures,
        bank_holidays: entry.bank_holidays.as_ref().map(|text| text.get_ref().clone()),
        digest_at,
    };
    if let Err(bad) = settings.in_force(&Rules::default().office_days, chrono_tz::Tz::UTC) {
        let span = match (bad.field, &entry.bank_holidays) {
            ("bank_holidays", Some(text)) => text.span(),
            _ => entry.rules.span(),
        };
        let start = line_of(reading.text, span.start);
        // A file's first line follows that of its opening quotes; a name has no lines.
        let is_a_file = reading.text.get(span.clone()).is_some_and(|text| text.contains('\n'));
        let line = if is_a_file { start + bad.wrong.line } else { start };
        let message = format!("due.{}: {}", bad.field, bad.wrong.why);
        reading.complaints.push(Complaint { line: Some(line), message });
    }
    (reading.complaints.len() == before).then_some(settings)
}

/// Whoever is no longer in the file has left; what they did stays.
fn keep_those_left_out(
    before: Option<&Directory>,
    person_ids: &BTreeMap<String, PersonId>,
    team_ids: &BTreeMap<String, TeamId>,
    teams: &mut BTreeMap<TeamId, Team>,
    people: &mut BTreeMap<PersonId, Person>,
) {
    let Some(before) = before else { return };
    for team in before.teams.values().filter(|team| !team_ids.contains_key(&team.key)) {
        teams.insert(team.id, team.clone());
    }
    for person in before.people.values().filter(|person| !person_ids.contains_key(&person.key)) {
        people.insert(person.id, Person { left: true, ..person.clone() });
    }
}

fn read_policy(reading: &mut Reading<'_>, entry: &TeamEntry, base: &Policy) -> Policy {
    let Some(own) = &entry.policy else { return base.clone() };
    let read = || -> Result<Policy, String> {
        let mut table = toml::Table::try_from(base).map_err(|error| error.to_string())?;
        for (key, value) in own {
            if table.insert(key.clone(), value.clone()).is_none() {
                return Err(format!("“{key}” is no part of a policy"));
            }
        }
        let policy: Policy = table.try_into().map_err(|error: toml::de::Error| error.message().to_owned())?;
        policy.complaints().into_iter().next().map_or(Ok(policy), Err)
    };
    read().unwrap_or_else(|message| {
        let key = entry.key.get_ref();
        reading.complain(Some(entry.key.span()), format!("policy of team “{key}”: {message}"));
        base.clone()
    })
}

/// New versions of ladders: what the file says and is not in force yet; for a new organisation the default ladder too.
fn read_ladders(
    reading: &mut Reading<'_>,
    wanted: &Wanted,
    directory: &Directory,
    current: &[ladders::Version],
    now: crate::clock::Time,
) -> Vec<ladders::Version> {
    let team_ids: BTreeMap<String, TeamId> =
        directory.teams.values().map(|team| (team.key.clone(), team.id)).collect();
    let mut said: Vec<(Option<TeamId>, Risk, Ladder)> = Vec::new();
    for entry in &wanted.file.ladder {
        let team = match &entry.team {
            Some(named) => match reading.look_up(Some(named), &team_ids, "team") {
                Some(team) => Some(team),
                None => continue,
            },
            None => None,
        };
        let at = entry.team.as_ref().map(Spanned::span);
        let mut table = toml::Table::new();
        table.insert("repeat_every".into(), entry.ladder.repeat_every.clone());
        table.insert("steps".into(), toml::Value::Array(entry.ladder.steps.clone()));
        let ladder: Ladder = match table.try_into() {
            Ok(ladder) => ladder,
            Err(error) => {
                reading.complain(at, format!("ladder for {} risk: {}", entry.risk.as_str(), error.message()));
                continue;
            }
        };
        for message in ladder.complaints() {
            reading.complain(at.clone(), format!("ladder for {} risk: {message}", entry.risk.as_str()));
        }
        if said.iter().any(|(other, risk, _)| *other == team && *risk == entry.risk) {
            reading.complain(at, format!("two ladders for {} risk and the same team", entry.risk.as_str()));
        }
        said.push((team, entry.risk, ladder));
    }
    for risk in [Risk::Normal, Risk::High] {
        let said_or_there = said.iter().any(|(team, of, _)| team.is_none() && *of == risk)
            || current.iter().any(|version| version.team.is_none() && version.risk == risk);
        if !said_or_there {
            said.push((None, risk, wanted.defaults.ladder.clone()));
        }
    }
    said.into_iter()
        .filter(|(team, risk, ladder)| {
            own(current, *team, *risk).is_none_or(|version| version.ladder != *ladder)
        })
        .map(|(team, risk, ladder)| next_version(current, (team, risk), ladder, (None, now)))
        .collect()
}

/// Each ladder, as it will be in force, against the workers for whom it will be (row E5).
fn check_ladders(
    reading: &mut Reading<'_>,
    directory: &Directory,
    current: &[ladders::Version],
    new: &[ladders::Version],
) {
    let in_force = in_force_with(current, new);
    for version in &in_force {
        for message in complaints_about(version, &in_force, directory) {
            reading.complain(None, format!("ladder for {} risk: {message}", version.risk.as_str()));
        }
    }
}
