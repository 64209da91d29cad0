//! Drills over HTTP. `{id}` is a drill's id; whoever was called may also say their own code for it.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Act, Reply, incident_acts::NothingToSay, views::PersonView};
use crate::{
    app::{Rejected, access::Actor, drills as cases},
    domain::{
        drill::{Drill, DrillState},
        ids::DrillId,
        local_time,
        people::Directory,
    },
    http::{
        Site,
        body::{Body, parse},
        problem::{Kind, Problem},
    },
    store::{self, Tx, drills::Called, people},
};

/// Somebody whom a drill called.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DrillCallView {
    /// Who.
    person: PersonView,
    /// When first.
    called_at: DateTime<Utc>,
}

/// A drill, and what came of it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DrillView {
    /// Its id.
    id: Uuid,
    /// About whom.
    worker: PersonView,
    /// running (or set for later), answered or ended.
    #[schema(pattern = "^(running|answered|ended)$")]
    state: &'static str,
    /// Who started it.
    started_by: PersonView,
    /// When it starts.
    starts_at: DateTime<Utc>,
    /// Who answered.
    answered_by: Option<PersonView>,
    /// So long after it started.
    answered_after_seconds: Option<i64>,
    /// So long after they were called first.
    answered_after_call_seconds: Option<i64>,
    /// When it was answered or ended.
    finished_at: Option<DateTime<Utc>>,
    /// Who ended it.
    ended_by: Option<PersonView>,
    /// Whether a real alarm ended it.
    ended_by_alarm: bool,
    /// Whom it called, in that order.
    calls: Vec<DrillCallView>,
}

impl DrillView {
    fn new(directory: &Directory, drill: &Drill, calls: &[Called]) -> Self {
        let person = |id| PersonView::of(directory, id);
        let (state, answered, finished_at, ended_by) = match drill.state {
            DrillState::Running { .. } => ("running", None, None, None),
            DrillState::Taken { by, at } => ("answered", Some((by, at)), Some(at), None),
            DrillState::Ended { by, at } => ("ended", None, Some(at), by),
        };
        let call_of = |by| calls.iter().find(|call| call.person == by).map(|call| call.called_at);
        Self {
            id: drill.id.0,
            worker: person(drill.subject),
            state,
            started_by: person(drill.started_by),
            starts_at: drill.starts_at,
            answered_by: answered.map(|(by, _)| person(by)),
            answered_after_seconds: answered.map(|(_, at)| (at - drill.starts_at).num_seconds()),
            answered_after_call_seconds: answered
                .and_then(|(by, at)| Some((at - call_of(by)?).num_seconds())),
            finished_at,
            ended_by: ended_by.map(person),
            ended_by_alarm: matches!(drill.state, DrillState::Ended { by: None, .. }),
            calls: calls
                .iter()
                .map(|call| DrillCallView { person: person(call.person), called_at: call.called_at })
                .collect(),
        }
    }
}

/// What is to be rehearsed.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DrillBody {
    /// About whom: an id, or the key of the organisation's file.
    worker: String,
    /// When: as 2026-12-25T21:40 in the organisation's zone, or with an offset; now if not said.
    when: Option<String>,
}

/// Starts a drill: the worker's ladder is run as if they had missed a deadline, each text marked DRILL. It goes on until somebody who
/// was called answers or you end it; a real alarm about the worker ends it at once.
#[utoipa::path(post, path = "/drills", request_body = DrillBody, responses((status = 201, body = DrillView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn start(
    State(site): State<Site>,
    actor: Actor,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let DrillBody { worker, when } = parse(&body)?;
    let when = match when {
        None => None,
        Some(said) => Some(local_time::read(&said, actor.zone).ok_or_else(|| {
            Problem::field("when", "say it as 2026-12-25T21:40, or with an offset such as Z")
        })?),
    };
    let case = async move |tx: &mut _, actor: &Actor, trace| {
        Ok(match cases::start(tx, actor, (&worker, when), trace).await? {
            Ok(drill) => {
                let directory = people::directory(tx, actor.organisation).await?;
                Reply::new(StatusCode::CREATED, &DrillView::new(&directory, &drill, &[]))
            }
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, "POST /drills", &headers, body).run(case).await)
}

/// Shows a drill: who was called, who answered in how long.
#[utoipa::path(get, path = "/drills/{id}", params(("id" = Uuid, Path)), responses((status = 200, body = DrillView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = id.parse().map(DrillId).map_err(|_| Problem::of(Kind::NotFound))?;
    let mut tx = site.db.read().await?;
    let reply = shown(&mut tx, &actor, id).await?;
    Ok(reply.into_response())
}

async fn shown(tx: &mut Tx, actor: &Actor, id: DrillId) -> store::Result<Reply> {
    Ok(match cases::show(tx, actor, id).await? {
        Ok((drill, calls)) => {
            let directory = people::directory(tx, actor.organisation).await?;
            Reply::ok(&DrillView::new(&directory, &drill, &calls))
        }
        Err(rejected) => rejected.into(),
    })
}

/// Answers a drill, as you would take an alarm. Answering again changes nothing.
#[utoipa::path(post, path = "/drills/{id}/acknowledge", params(("id" = String, Path)), request_body = NothingToSay,
    responses((status = 200, body = DrillView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn acknowledge(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let NothingToSay {} = parse(&body)?;
    let house = Arc::clone(&site.house);
    let route = format!("POST /drills/{id}/acknowledge");
    let case = async move |tx: &mut _, actor: &Actor, trace| {
        let Some(id) = cases::named(tx, actor, &id).await? else { return Ok(Rejected::NotFound.into()) };
        let who = (actor.organisation, actor.person);
        match cases::answer(tx, &house, who, id, trace).await? {
            Ok(_) => shown(tx, actor, id).await,
            Err(rejected) => Ok(rejected.into()),
        }
    };
    Ok(Act::new(site, actor, route, &headers, body).run(case).await)
}

/// Ends a drill that nobody has answered. Whoever was called is told.
#[utoipa::path(post, path = "/drills/{id}/end", params(("id" = Uuid, Path)), request_body = NothingToSay,
    responses((status = 200, body = DrillView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn end(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let NothingToSay {} = parse(&body)?;
    let drill = id.parse().map(DrillId).map_err(|_| Problem::of(Kind::NotFound))?;
    let house = Arc::clone(&site.house);
    let case = async move |tx: &mut _, actor: &Actor, trace| match cases::end(tx, &house, actor, drill, trace)
        .await?
    {
        Ok(_) => shown(tx, actor, drill).await,
        Err(rejected) => Ok(rejected.into()),
    };
    Ok(Act::new(site, actor, format!("POST /drills/{id}/end"), &headers, body).run(case).await)
}
