//! Who is asked to agree, and when again: before a plan in good time, at the door every five minutes (rows A11, P4's deputies).

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::Approver;
use crate::{
    clock::Time,
    domain::{
        ids::PersonId,
        people::{Directory, Role},
    },
};

/// Until when somebody has to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Before it is to begin.
    Begins(Time),
    /// At once: whoever asks is going in.
    AtTheDoor,
}

/// At the door the next ones are asked after so long (row A11).
const AT_THE_DOOR_EVERY: TimeDelta = TimeDelta::minutes(5);
/// So long before a plan begins it is asked again.
const BEFORE: [TimeDelta; 4] =
    [TimeDelta::hours(24), TimeDelta::hours(4), TimeDelta::hours(1), TimeDelta::minutes(15)];

/// When it is asked again; nothing: not before it begins.
pub fn next_ask(until: Until, now: Time) -> Option<Time> {
    match until {
        Until::AtTheDoor => Some(now + AT_THE_DOOR_EVERY),
        Until::Begins(at) => BEFORE.iter().map(|before| at - *before).find(|next| *next > now),
    }
}

/// Who is asked at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstAsked {
    /// Who answers for the worker.
    Managers,
    /// The duty manager too.
    AndDuty,
}

/// How far up people are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpTo {
    /// Whoever is asked for this time, from 0; those before them are asked again.
    Time(usize),
    /// Whoever would ever be.
    Everybody,
}

/// Who is asked. Whoever is away is stood in for by their deputy.
pub fn asked(
    directory: &Directory,
    worker: PersonId,
    (approver, first): (Approver, FirstAsked),
    up_to: UpTo,
    away: &BTreeMap<PersonId, Option<PersonId>>,
) -> Vec<PersonId> {
    let duty: Vec<PersonId> = directory.duty_manager.into_iter().collect();
    let line = directory.person(worker).map(|person| directory.line_of(person.team)).unwrap_or_default();
    let managers_of = |team, only: Approver| -> Vec<PersonId> {
        let can = |role: Role| only == Approver::Manager || role == Role::SeniorManager;
        directory
            .managers_of(team)
            .filter(|person| person.role.is_some_and(can))
            .map(|person| person.id)
            .collect()
    };
    let mut rounds: Vec<Vec<PersonId>> = match approver {
        Approver::Manager => vec![directory.managers_for(worker)],
        Approver::SeniorManager => Vec::new(),
    };
    let higher = line.iter().map(|team| managers_of(*team, approver)).filter(|round| !round.is_empty());
    match (approver, first) {
        (Approver::Manager, FirstAsked::AndDuty) => rounds[0].extend(&duty),
        (Approver::Manager, FirstAsked::Managers) => rounds.push(duty.clone()),
        (Approver::SeniorManager, _) => {}
    }
    rounds.extend(higher);
    // Where there is no senior manager somebody has to find one.
    if approver == Approver::SeniorManager {
        let knows = [directory.managers_for(worker), duty].concat();
        match (rounds.first_mut(), first) {
            (Some(round), FirstAsked::AndDuty) => round.extend(knows),
            (Some(_), FirstAsked::Managers) => {}
            (None, _) => rounds.push(knows),
        }
    }
    let so_many = match up_to {
        UpTo::Time(time) => time.saturating_add(1),
        UpTo::Everybody => rounds.len(),
    };
    let mut all = Vec::new();
    for id in rounds.into_iter().take(so_many).flatten() {
        // Nobody agrees to their own visit as somebody's deputy.
        let id = Some(here(id, away)).filter(|id| *id != worker).unwrap_or(id);
        let can = directory.person(id).is_some_and(|person| !person.left && id != worker);
        if can && !all.contains(&id) {
            all.push(id);
        }
    }
    all
}

/// Somebody, or whoever stands in for them while they are away; themselves, if everybody in the line of deputies is away.
fn here(id: PersonId, away: &BTreeMap<PersonId, Option<PersonId>>) -> PersonId {
    let mut seen = Vec::new();
    let mut next = Some(id);
    while let Some(stand_in) = next.filter(|id| !seen.contains(id)) {
        let Some(deputy) = away.get(&stand_in) else { return stand_in };
        seen.push(stand_in);
        next = *deputy;
    }
    id
}
