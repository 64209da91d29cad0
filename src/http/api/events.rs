//! The log over HTTP, in an order without gaps.

use std::collections::HashMap;

use axum::{
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Reply, views::EventView};
use crate::{
    app::{Rejected, access::Actor},
    domain::{
        event::{EventKind, hex},
        ids::{IncidentId, TeamId, VisitId},
        people::Role,
        rights::{self, Act, Relation},
    },
    http::{
        Site,
        problem::{Kind, Problem},
    },
    keys::ServerKey,
    store::{
        self, Tx,
        events::{self, ChainOf, Cursor, Kept},
        incidents, people, visits,
    },
};

/// So many events at most.
const MOST: i64 = 500;

/// Which events.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Of this visit alone.
    visit: Option<Uuid>,
    /// Of this incident alone.
    incident: Option<Uuid>,
    /// After this place: the `next` of the page before.
    after: Option<String>,
    /// So many, 1 to 500; 100 if not said.
    limit: Option<i64>,
}

/// A page of the log.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct EventList {
    /// What happened.
    events: Vec<EventView>,
    /// Hand this back as `after`, now or later.
    next: String,
}

/// Lists what happened, as far as you may see it. Nothing is ever added before the place that `next` names.
#[utoipa::path(get, path = "/events", params(ListQuery), responses((status = 200, body = EventList),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(site): State<Site>,
    actor: Actor,
    query: Result<Query<ListQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|error| Problem::field("query", error.body_text()))?;
    let limit = query.limit.unwrap_or(100);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::field("limit", "between 1 and 500"));
    }
    let after = query.after.as_deref().unwrap_or_default();
    let not_a_place = || Problem::field("after", "hand back the `next` of a page");
    let mut tx = site.db.read().await?;
    let list = match (query.visit, query.incident) {
        (Some(_), Some(_)) => return Err(Problem::field("incident", "say either `visit` or `incident`")),
        (Some(id), None) => {
            let after = number(after).ok_or_else(not_a_place)?;
            let chain = visit_chain(&mut tx, &actor, VisitId(id)).await??;
            one_chain(&mut tx, (&site.key, &actor), chain, after, limit).await?
        }
        (None, Some(id)) => {
            let after = number(after).ok_or_else(not_a_place)?;
            let chain = incident_chain(&mut tx, &actor, IncidentId(id)).await??;
            one_chain(&mut tx, (&site.key, &actor), chain, after, limit).await?
        }
        (None, None) => {
            let after = place(&site.key, after).ok_or_else(not_a_place)?;
            everything(&mut tx, (&site.key, &actor), after, limit).await?
        }
    };
    Ok(Reply::ok(&list).into_response())
}

/// A place within one log: an event's number there.
fn number(after: &str) -> Option<i64> {
    if after.is_empty() { Some(0) } else { after.parse().ok() }
}

/// A place in the order of all events. It is sealed: plain numbers would show how much happened in between that somebody may
/// not see.
fn place(key: &ServerKey, after: &str) -> Option<Cursor> {
    if after.is_empty() { Some(Cursor::default()) } else { key.unseal(after).map(Cursor::from) }
}

async fn visit_chain(tx: &mut Tx, actor: &Actor, id: VisitId) -> store::Result<Result<ChainOf, Problem>> {
    let Some(visit) = visits::find(tx, actor.organisation, id).await? else {
        return Ok(Err(Problem::of(Kind::NotFound)));
    };
    let relation = actor.relation_to_visit(tx, &visit).await?;
    let allowed = rights::may(actor.role, Act::SeeVisit, relation);
    Ok(allowed.map(|()| ChainOf::Visit(id)).map_err(|denied| Rejected::from(denied).into()))
}

async fn incident_chain(
    tx: &mut Tx,
    actor: &Actor,
    id: IncidentId,
) -> store::Result<Result<ChainOf, Problem>> {
    let Some(incident) = incidents::find(tx, actor.organisation, id).await? else {
        return Ok(Err(Problem::of(Kind::NotFound)));
    };
    let relation = actor.relation_to_incident(tx, &incident).await?;
    let allowed = rights::may(actor.role, Act::SeeIncident, relation);
    Ok(allowed.map(|()| ChainOf::Incident(id)).map_err(|denied| Rejected::from(denied).into()))
}

async fn one_chain(
    tx: &mut Tx,
    (key, actor): (&ServerKey, &Actor),
    chain: ChainOf,
    after: i64,
    limit: i64,
) -> store::Result<EventList> {
    let found = events::list_chain(tx, actor.organisation, chain, after, limit).await?;
    let next = found.last().map_or(after, |last| last.event.number);
    Ok(EventList { events: found.iter().map(|kept| view_of(key, kept)).collect(), next: next.to_string() })
}

async fn everything(
    tx: &mut Tx,
    (key, actor): (&ServerKey, &Actor),
    after: Cursor,
    limit: i64,
) -> store::Result<EventList> {
    let reach = people::reach(tx, actor.organisation, actor.team).await?;
    let hidden = actor.hidden_incidents(tx).await?;
    let mut called: HashMap<Uuid, bool> = HashMap::new();
    let (mut shown, mut place) = (Vec::new(), after);
    let full = |shown: &[EventView]| i64::try_from(shown.len()).is_ok_and(|shown| shown >= limit);
    // What somebody may not see leaves no gap: neither a short page nor a place of its own.
    'pages: loop {
        let found = events::list(tx, actor.organisation, place, MOST).await?;
        for kept in &found {
            place = kept.cursor;
            let chain = kept.event.chain;
            if kept.chain_kind == "incident" && !called.contains_key(&chain) {
                let is_called = people::code_of(tx, IncidentId(chain), actor.person).await?.is_some();
                called.insert(chain, is_called);
            }
            // That a call does not reach somebody says that there was one.
            let is_hidden = hidden.contains_key(&IncidentId(chain))
                || CALLS_SAY_IT.iter().any(|kind| kept.event.kind == kind.as_str())
                    && hidden.values().any(|since| kept.event.learned_at >= *since);
            if sees(actor, kept, &reach, called.get(&chain).copied().unwrap_or(false), is_hidden) {
                shown.push(view_of(key, kept));
                if full(&shown) {
                    break 'pages;
                }
            }
        }
        if i64::try_from(found.len()) != Ok(MOST) {
            break;
        }
    }
    let next = shown.last().map_or(key.seal(after.into()), |last| last.cursor.clone());
    Ok(EventList { events: shown, next })
}

/// What is noticed of somebody's address when they are called.
const CALLS_SAY_IT: [EventKind; 2] = [EventKind::ContactDead, EventKind::ContactAnew];

fn sees(actor: &Actor, kept: &Kept, reach: &[TeamId], called: bool, is_hidden: bool) -> bool {
    let relation = Relation {
        own: kept.subject == Some(actor.person),
        in_reach: kept.team.is_some_and(|team| reach.contains(&team)),
        called,
        withheld: is_hidden,
        ..Relation::default()
    };
    match kept.chain_kind.as_str() {
        "visit" => rights::may(actor.role, Act::SeeVisit, relation).is_ok(),
        "incident" => rights::may(actor.role, Act::SeeIncident, relation).is_ok(),
        _ => {
            !is_hidden
                && (matches!(actor.role, Role::Auditor | Role::Administrator)
                    || (actor.role.manages() && relation.in_reach))
        }
    }
}

/// An event as it is shown.
pub(super) fn view_of(key: &ServerKey, kept: &Kept) -> EventView {
    let event = &kept.event;
    EventView {
        cursor: key.seal(kept.cursor.into()),
        kind: event.kind.clone(),
        happened_at: event.happened_at,
        learned_at: event.learned_at,
        door: event.door,
        actor: event.actor.map(|actor| actor.0),
        about: kept.chain_kind.clone(),
        about_id: event.chain,
        number: event.number,
        body: serde_json::from_str(&event.body).unwrap_or_default(),
        words: kept.words.as_deref().and_then(|words| serde_json::from_str(words).ok()),
        hash: hex(&kept.hash),
    }
}
