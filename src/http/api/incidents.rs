//! Incidents over HTTP. `{id}` is an incident's id, or your own code for it.

use axum::{
    extract::{Path, Query, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Act, Reply, case_files::KnownView, equipment::HeldView, events::view_of, follow_ups::FollowUpView,
    views::IncidentView,
};
use crate::{
    app::{
        Outcome, Rejected,
        access::Actor,
        case_files,
        incidents::{self as cases, Close},
    },
    domain::{
        ids::IncidentId,
        incident::{self, Incident, WorkerNow},
        rights,
        visit::KnownBy,
    },
    http::{
        Site,
        body::{Body, clean, parse},
        problem::{Kind, Problem},
    },
    store::{
        self, Tx, equipment,
        events::{self, ChainOf},
        follow_ups, incidents, people,
    },
};

/// So many rows in one list.
const PAGE: i64 = 100;
/// So many events of each log in one timeline.
const TIMELINE: i64 = 1000;

/// What a list can be narrowed by.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// open or closed.
    state: Option<String>,
    /// Those opened after this one: the last id of the page before.
    after: Option<Uuid>,
}

/// A page of incidents.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct IncidentList {
    /// In the order in which they opened.
    incidents: Vec<IncidentView>,
    /// Hand this back as `after`; `null`: there are no more.
    next: Option<Uuid>,
}

/// Lists the incidents that you may see.
#[utoipa::path(get, path = "/incidents", params(ListQuery), responses((status = 200, body = IncidentList),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(site): State<Site>,
    actor: Actor,
    query: Result<Query<ListQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|error| Problem::field("query", error.body_text()))?;
    let state = match query.state.as_deref() {
        None => None,
        Some("open") => Some("open"),
        Some("closed") => Some("closed"),
        Some(_) => return Err(Problem::field("state", "use open or closed")),
    };
    let mut tx = site.db.read().await?;
    let mut views: Vec<IncidentView> = Vec::new();
    let mut filter = incidents::Filter { state, after: query.after.map(IncidentId) };
    // What somebody may not see leaves no gap: neither a short page nor an id to go on from.
    let next = 'pages: loop {
        let found = incidents::list(&mut tx, actor.organisation, filter, PAGE).await?;
        for incident in &found {
            filter.after = Some(incident.id);
            let relation = actor.relation_to_incident(&mut tx, incident).await?;
            if rights::may(actor.role, rights::Act::SeeIncident, relation).is_err() {
                continue;
            }
            if i64::try_from(views.len()) == Ok(PAGE) {
                break 'pages views.last().map(|last| last.id);
            }
            views.push(view(&mut tx, &actor, incident, site.clock.now()).await?);
        }
        if i64::try_from(found.len()) != Ok(PAGE) {
            break None;
        }
    };
    Ok(Reply::ok(&IncidentList { incidents: views, next }).into_response())
}

/// Shows an incident with everything that happened.
#[utoipa::path(get, path = "/incidents/{id}", params(("id" = String, Path)), responses((status = 200, body = IncidentView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let nothing = || Problem::of(Kind::NotFound);
    let mut tx = site.db.read().await?;
    let id = cases::named(&mut tx, &actor, &id).await?.ok_or_else(nothing)?;
    let incident = incidents::find(&mut tx, actor.organisation, id).await?.ok_or_else(nothing)?;
    let relation = actor.relation_to_incident(&mut tx, &incident).await?;
    rights::may(actor.role, rights::Act::SeeIncident, relation).map_err(Rejected::from)?;
    let mut view = view(&mut tx, &actor, &incident, site.clock.now()).await?;
    let visit = cases::visit_of(&mut tx, actor.organisation, incident.visit).await?;
    let of_visit = visit.map(|visit| (ChainOf::Visit(visit.id), visit.chain.number));
    let of_incident = (ChainOf::Incident(incident.id), incident.chain.number);
    for (chain, ends) in of_visit.into_iter().chain([of_incident]) {
        // The newest matter most; the whole stands under /events?incident=.
        let after = (ends - TIMELINE).max(0);
        view.timeline_cut |= after > 0;
        let events = events::list_chain(&mut tx, actor.organisation, chain, after, TIMELINE).await?;
        view.timeline.extend(events.iter().map(|kept| view_of(&site.key, kept)));
    }
    view.timeline.sort_by_key(|event| event.learned_at);
    Ok(Reply::ok(&view).into_response())
}

async fn view(
    tx: &mut Tx,
    actor: &Actor,
    incident: &Incident,
    now: DateTime<Utc>,
) -> store::Result<IncidentView> {
    let directory = people::directory(tx, actor.organisation).await?;
    let visit = cases::visit_of(tx, actor.organisation, incident.visit.or(incident.nearest_visit)).await?;
    let code = people::code_of(tx, incident.id, actor.person).await?;
    let follow_ups = follow_ups::of_incident(tx, actor.organisation, incident.id).await?;
    let mut view = IncidentView::new(&directory, incident, visit.as_ref(), code, now);
    // What responders look for, and only while they do (row E10).
    if incident.is_open() {
        let held = equipment::held_by(tx, actor.organisation, incident.subject).await?;
        view.equipment = held.iter().map(HeldView::from).collect();
        if let Some(visit) = &visit {
            view.known = match case_files::about(tx, visit).await {
                // The alarm is shown all the same.
                Err(error) if error.is_about_a_row() => {
                    tracing::error!(%error, incident = %incident.id, "what is known of a visit cannot be read");
                    None
                }
                about => KnownView::new(&about?),
            };
        }
    }
    view.follow_ups = follow_ups.iter().map(|one| FollowUpView::new(&directory, one)).collect();
    Ok(view)
}

pub(super) async fn act(
    site: Site,
    actor: Actor,
    (id, word): (String, &str),
    headers: HeaderMap,
    body: axum::body::Bytes,
    case: impl AsyncFn(&mut Tx, &Actor, IncidentId, store::Trace) -> Outcome<Incident> + Send + Sync + 'static,
) -> Response {
    Act::new(site, actor, format!("POST /incidents/{id}/{word}"), &headers, body)
        .run(async move |tx, actor, trace| {
            let Some(id) = cases::named(tx, actor, &id).await? else { return Ok(Rejected::NotFound.into()) };
            Ok(match case(tx, actor, id, trace).await? {
                Ok(incident) => Reply::ok(&view(tx, actor, &incident, trace.now).await?),
                Err(rejected) => rejected.into(),
            })
        })
        .await
}

/// Where a worker is.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum WorkerPlace {
    /// At home.
    Home,
    /// At the office.
    Office,
    /// In hospital.
    Hospital,
    /// On the way, or anywhere safe.
    ElsewhereSafe,
    /// Still there: watched on for `minutes`.
    StillThere,
}

/// How it ended.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CloseBody {
    /// How it ended.
    outcome: incident::Outcome,
    /// How you know.
    known_by: KnownBy,
    /// Where the worker is now: ends the visit, or sets a new deadline if still there.
    worker_now: WorkerPlace,
    /// Still there: watched for so many minutes more, 1 to 60.
    minutes: Option<i64>,
    /// In your words.
    note: String,
}

/// Closes an incident, saying how it ended, how you know and where the worker is now.
#[utoipa::path(post, path = "/incidents/{id}/close", params(("id" = String, Path)), request_body = CloseBody,
    responses((status = 200, body = IncidentView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn close(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let CloseBody { outcome, known_by, worker_now, minutes, note } = parse(&body)?;
    let now = site.clock.now();
    let worker_now = match (worker_now, minutes) {
        (WorkerPlace::StillThere, Some(minutes @ 1..=60)) => {
            WorkerNow::StillThere { until: now + TimeDelta::minutes(minutes) }
        }
        (WorkerPlace::StillThere, _) => {
            return Err(Problem::field(
                "minutes",
                "a worker who is still there is watched on: say for how many minutes, 1 to 60",
            ));
        }
        (_, Some(_)) => return Err(Problem::field("minutes", "only for a worker who is still_there")),
        (WorkerPlace::Home, None) => WorkerNow::Home,
        (WorkerPlace::Office, None) => WorkerNow::Office,
        (WorkerPlace::Hospital, None) => WorkerNow::Hospital,
        (WorkerPlace::ElsewhereSafe, None) => WorkerNow::ElsewhereSafe,
    };
    let close = Close { outcome, known_by, worker_now, note: said("note", &note)? };
    let house = std::sync::Arc::clone(&site.house);
    Ok(act(site, actor, (id, "close"), headers, body, async move |tx, actor, id, trace| {
        cases::close(tx, &house, actor, id, close.clone(), trace).await
    })
    .await)
}

/// Words that have to be there.
pub(super) fn said(field: &str, words: &str) -> Result<String, Problem> {
    let words = clean(words);
    match words.chars().count() {
        0 => Err(Problem::field(field, "must not be empty")),
        1..=10_000 => Ok(words),
        _ => Err(Problem::field(field, "10,000 characters at most")),
    }
}
