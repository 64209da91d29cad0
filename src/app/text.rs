//! What somebody says by text, whatever carried it: read by the grammar, done by the use cases of every other door, and
//! answered at once with what Homeward now believes (rows S1 to S3, V11).

mod agreed;
mod called;
mod reports;
mod worker;

use self::called::Found;
pub(super) use self::called::code_of_answer;
use super::{
    House,
    access::Actor,
    incidents::{self, OutsideAnswer},
    sos::{Cry, Proof, call_for_help},
};
use crate::{
    clock::Time,
    domain::{
        command::Command,
        ids::{OrganisationId, PersonId, VisitId},
        reply::Reply,
    },
    keys::ServerKey,
    store::{self, Trace, Tx, people},
};

/// Who sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sender {
    /// Somebody with an account.
    Account(Actor),
    /// An outside contact.
    Outside {
        /// In which organisation.
        organisation: OrganisationId,
        /// Who.
        person: PersonId,
    },
}

/// A text as it came.
#[derive(Debug, Clone)]
pub struct Received {
    /// What it says.
    pub text: String,
    /// When it was sent, if that was before it reached us.
    pub made_at: Option<Time>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What is answered.
    pub reply: Reply,
    /// The visit that it began or lengthened, if it did.
    pub visit: Option<VisitId>,
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self { reply, visit: None }
    }
}

/// Does what a text says.
pub async fn take(
    tx: &mut Tx,
    house: &House,
    key: &ServerKey,
    sender: &Sender,
    received: &Received,
    trace: Trace,
) -> store::Result<Answer> {
    let command = crate::domain::command::parse(&received.text);
    match sender {
        Sender::Account(actor) => {
            let text = Text { house, key, actor, received, trace };
            match text.of_responder(tx, &command).await? {
                Some(reply) => Ok(reply.into()),
                None => text.of_worker(tx, command).await,
            }
        }
        Sender::Outside { organisation, person } => {
            let contact = (*organisation, *person);
            if matches!(command, Command::NotUnderstood(_))
                && let Some(drill) = called::drill_by_code_alone(tx, *person, &received.text).await?
            {
                return called::drill_answered(tx, drill, *person, &command, trace).await.map(Answer::from);
            }
            called::outside(tx, house, contact, command, trace).await.map(Answer::from)
        }
    }
}

/// A text of somebody with an account.
struct Text<'t> {
    house: &'t House,
    key: &'t ServerKey,
    actor: &'t Actor,
    received: &'t Received,
    trace: Trace,
}

/// A call for help by a token that was once issued: it needs no more. About whoever sends it, or, by a code that they were called
/// under, about the worker of that alarm. `None`: it is none.
pub async fn help_by_old_token(
    tx: &mut Tx,
    house: &House,
    actor: &Actor,
    received: &Received,
    trace: Trace,
) -> store::Result<Option<Reply>> {
    let command = crate::domain::command::parse(&received.text);
    let words = match command {
        Command::NotSafe { code, words } => {
            if let Found::Open(about) = called::find(tx, actor.person, "NOT SAFE", Some(&code)).await? {
                let about = (actor.organisation, about);
                let found = OutsideAnswer::NotSafe { words: words.clone() };
                if let Ok(incident) = incidents::outside(tx, house, about, actor.person, found, trace).await?
                {
                    let worker = people::name(tx, actor.organisation, incident.subject).await?;
                    return Ok(Some(Reply::EverybodyCalled { worker: worker.unwrap_or_default() }));
                }
            }
            words
        }
        Command::Sos { words } => words,
        _ => return Ok(None),
    };
    let words = (!words.is_empty()).then_some(words);
    let cry = Cry { words, made_at: received.made_at, proof: Proof::OldToken, ..Cry::default() };
    call_for_help(tx, house, actor, cry, trace).await?;
    Ok(Some(Reply::Noted))
}
