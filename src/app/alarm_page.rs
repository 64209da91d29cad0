//! Somebody's own page of an alarm, to which a mail leads (row E10). Looking at it says little and does nothing: programs that
//! check mails for harm look too. Whatever is done needs the code that stands in the mail.

use super::{
    House,
    access::Actor,
    text::{self, Received, Sender},
};
use crate::{
    clock::Time,
    domain::{
        event::Door,
        ids::{IncidentId, PersonId},
        wording::{English, Wording},
    },
    keys::ServerKey,
    store::{self, Trace, Tx, incidents, people},
};

/// What anybody with the address sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Whom it is about.
    pub worker: String,
    /// Whether somebody still has to say how it ended.
    pub open: bool,
    /// Whether whoever reads it has an account: outside contacts are told no place.
    pub reader: Reader,
}

/// Whose page it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Somebody with an account.
    Staff,
    /// An outside contact.
    Outside,
}

/// What is said on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Takes it; an outside contact tries to reach the worker.
    Take,
    /// Cannot.
    Cannot,
    /// Wants to know the place.
    Where,
    /// Has found that the worker is not safe.
    NotSafe,
}

impl Deed {
    /// The same as a text says it.
    fn word(self) -> &'static str {
        match self {
            Self::Take => "ACK",
            Self::Cannot => "NO",
            Self::Where => "WHERE",
            Self::NotSafe => "NOT SAFE",
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// In words.
    Said(String),
    /// The code is not the one in the mail. Nothing was done.
    WrongCode,
}

/// Shows it; `None`: whoever it was made for has left, or was never called.
pub async fn show(tx: &mut Tx, (incident, person): (IncidentId, PersonId)) -> store::Result<Option<Shown>> {
    let Some(caller) = called(tx, (incident, person)).await? else { return Ok(None) };
    let reader = if caller.role.is_some() { Reader::Staff } else { Reader::Outside };
    let Some(incident) = incidents::find(tx, caller.organisation_id, incident).await? else {
        return Ok(None);
    };
    let worker = people::name(tx, caller.organisation_id, incident.subject).await?.unwrap_or_default();
    Ok(Some(Shown { worker, open: incident.is_open(), reader }))
}

/// Does what is said on it, as a text with the code would: one grammar, the same rights, the same answers.
pub async fn answer(
    tx: &mut Tx,
    house: &House,
    key: &ServerKey,
    (incident, person): (IncidentId, PersonId),
    (code, deed): (&str, Deed),
    now: Time,
) -> store::Result<Option<Answered>> {
    let Some(caller) = called(tx, (incident, person)).await? else { return Ok(None) };
    let Some(right) = people::code_of(tx, incident, person).await? else { return Ok(None) };
    if !code.trim().eq_ignore_ascii_case(&right) {
        return Ok(Some(Answered::WrongCode));
    }
    let outside = caller.role.is_none();
    let actor = Actor::found(caller)?;
    let trace = Trace { actor: Some(person), door: Door::Link, now };
    let (organisation, zone) = (actor.organisation, actor.zone);
    let sender = if outside { Sender::Outside { organisation, person } } else { Sender::Account(actor) };
    let received = Received { text: format!("{} {right}", deed.word()), made_at: None };
    let answer = text::take(tx, house, key, &sender, &received, trace).await?;
    Ok(Some(Answered::Said(English.reply(&answer.reply, now, zone))))
}

async fn called(
    tx: &mut Tx,
    (incident, person): (IncidentId, PersonId),
) -> store::Result<Option<people::Caller>> {
    let Some(caller) = people::caller_any_org(tx, person).await?.filter(|caller| !caller.has_left) else {
        return Ok(None);
    };
    let was_called = people::code_of(tx, incident, person).await?.is_some();
    Ok(was_called.then_some(caller))
}
