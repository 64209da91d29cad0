//! The codes by which people speak of incidents (row S2): each person has their own for each incident.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use crate::{
    clock::Time,
    domain::{
        command::Code,
        drill::Drill,
        ids::{IncidentId, PersonId, VisitId},
    },
    store::{
        self, Tx, agreements,
        drills::{self, Called},
        people,
    },
};

/// A code is not used again for so long.
const RESTS: TimeDelta = TimeDelta::days(30);

/// Which call to somebody about an incident this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// They had no code for it before.
    First,
    /// They had.
    Again,
}

/// A person's code for an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Drawn {
    pub(super) code: String,
    pub(super) which: Call,
}

/// Codes by incident and person.
pub(super) type Codes = BTreeMap<(IncidentId, PersonId), Drawn>;

/// Draws codes for people who are to be called, each about an incident that is kept already; whoever has one for it keeps it.
pub(super) async fn draw(
    tx: &mut Tx,
    called: impl IntoIterator<Item = (IncidentId, PersonId)>,
    now: Time,
) -> store::Result<Codes> {
    let mut drawn = BTreeMap::new();
    for call in called {
        drawn.insert(call, code()?);
    }
    let kept = people::keep_codes_any_org(tx, &drawn, now).await?;
    let mut codes = Codes::new();
    for (call, code) in drawn {
        let drawn = if kept.contains(&call) {
            Drawn { code, which: Call::First }
        } else {
            draw_again(tx, call, code, now).await?
        };
        codes.insert(call, drawn);
    }
    Ok(codes)
}

/// They have a code for it already, or use the one that was drawn for another incident.
async fn draw_again(
    tx: &mut Tx,
    (incident, person): (IncidentId, PersonId),
    mut drawn: String,
    now: Time,
) -> store::Result<Drawn> {
    // 390,000 codes for a person who is called a few times a month: the next draw all but always does it.
    for _ in 0..20 {
        if let Some(code) = people::code_of(tx, incident, person).await? {
            return Ok(Drawn { code, which: Call::Again });
        }
        people::free_code(tx, person, &drawn, now - RESTS).await?;
        let wanted = BTreeMap::from([((incident, person), drawn)]);
        let kept = people::keep_codes_any_org(tx, &wanted, now).await?;
        if let Some(((_, code), true)) =
            wanted.into_iter().next().map(|kept_one| (kept_one, !kept.is_empty()))
        {
            return Ok(Drawn { code, which: Call::First });
        }
        drawn = code()?;
    }
    Err(store::Error::Retry)
}

/// A code for somebody whom a drill calls: none that an alarm could have, and none of an earlier drill.
pub(super) async fn keep_for_a_drill(
    tx: &mut Tx,
    drill: &Drill,
    person: PersonId,
    now: Time,
) -> store::Result<String> {
    for _ in 0..20 {
        let code = draw_among(Code::is_of_a_drill)?.to_string();
        // An alarm may have one from before drills had letters of their own.
        if people::incident_of_code(tx, person, &code).await?.is_some() {
            continue;
        }
        let called = Called { person, code: code.clone(), called_at: now, answer: None, answered_at: None };
        if drills::call(tx, drill, &called).await? {
            return Ok(code);
        }
    }
    Err(store::Error::Retry)
}

/// Somebody's code for a visit that has to be agreed. It stands beside other words than an alarm's does, so the same letters do no
/// harm.
pub(super) async fn keep_for_an_agreement(
    tx: &mut Tx,
    visit: VisitId,
    person: PersonId,
    now: Time,
) -> store::Result<String> {
    for _ in 0..20 {
        if let Some(code) = agreements::code_of(tx, visit, person).await? {
            return Ok(code);
        }
        let code = code()?;
        if agreements::keep_code(tx, person, &code, visit, now).await? {
            return Ok(code);
        }
    }
    Err(store::Error::Retry)
}

/// Any code of an alarm; whether it is free is for the caller to see to.
pub(super) fn code() -> store::Result<String> {
    Ok(draw_among(|code| !code.is_of_a_drill())?.to_string())
}

fn draw_among(wanted: impl Fn(&Code) -> bool) -> store::Result<Code> {
    loop {
        let mut code = String::with_capacity(4);
        while code.len() < 4 {
            let mut byte = [0_u8];
            getrandom::fill(&mut byte)
                .map_err(|error| store::Error::Unavailable(error.to_string().into()))?;
            // 250 is the largest multiple of 25 below 256: every letter is equally likely.
            if byte[0] < 250 {
                code.push(char::from(Code::LETTERS[usize::from(byte[0]) % Code::LETTERS.len()]));
            }
        }
        // A word or a PIN is no code.
        if let Some(code) = Code::parse(&code).filter(&wanted) {
            return Ok(code);
        }
    }
}
