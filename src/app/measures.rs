//! What a worker says of the agreed measures (row A3). The manager is told at once when they are not in place at the door; no deadline
//! moves for it, and no alarm is looked at.

use serde_json::json;

use super::{House, Outcome, Rejected, access::Actor, allowed, telling::Telling};
use crate::{
    clock::Time,
    domain::{
        event::{EventKind, NewEvent},
        ids::{PersonId, VisitId},
        measures::{Kept, MeasuresSaid, Moment},
        notice::Notice,
        rights::{self, Denied},
        visit::Said,
    },
    store::{Trace, Tx, checklists, people, visits},
};

/// What somebody says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saying {
    /// What of.
    pub moment: Moment,
    /// Whether it is so.
    pub kept: Kept,
    /// In their words.
    pub words: Option<String>,
    /// When they said it, if that was before it reached us.
    pub made_at: Option<Time>,
}

/// Keeps it; gives who was told.
pub async fn say(
    tx: &mut Tx,
    house: &House,
    actor: &Actor,
    id: VisitId,
    saying: Saying,
    trace: Trace,
) -> Outcome<(MeasuresSaid, Vec<PersonId>)> {
    let Some((mut visit, _)) = visits::load(tx, actor.organisation, id).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    let relation = actor.relation_to_visit(tx, &visit).await?;
    allowed!(rights::may(actor.role, rights::Act::SeeVisit, relation));
    if !relation.own {
        return Ok(Err(Denied::Role.into()));
    }
    let Saying { moment, kept, words, made_at } = saying;
    let at = Said::made(made_at, trace.now).at;
    let said = MeasuresSaid { moment, kept, words, by: actor.person, at };
    checklists::add_measures(tx, actor.organisation, id, &said).await?;
    let (kind, key) = match moment {
        Moment::Door => (EventKind::MeasuresConfirmed, "in_place"),
        Moment::After => (EventKind::MeasuresFollowed, "followed"),
    };
    let body = json!({ key: kept == Kept::Yes });
    let event = NewEvent::new(kind, at, body).with_words(said.words.as_deref());
    visits::log(tx, &mut visit, event, trace).await?;
    let mut told = Vec::new();
    if (moment, kept) == (Moment::Door, Kept::No) {
        let directory = people::directory(tx, actor.organisation).await?;
        let telling = Telling { house, directory: &directory, worker: actor.person, now: trace.now };
        let occasion = format!("visit/{id}/measures/{}", visit.chain.number);
        telling.tell_managers(tx, Notice::MeasuresMissing { at }, Some(id), &occasion).await?;
        told = directory.who_has_to_know(actor.person);
    }
    Ok(Ok((said, told)))
}
