//! Visits that were out of the ordinary, as senior managers look at them afterwards.

use axum::{
    extract::{Path, Query, State, rejection::QueryRejection},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Act, Reply, incidents::said, views::PersonView, visits::visit_id};
use crate::{
    app::{access::Actor, exceptions as cases},
    domain::{
        exception::{ExceptionKind, OutOfTheOrdinary},
        ids::VisitId,
        people::Directory,
        visit::Visit,
    },
    http::{
        Site,
        body::{Body, parse},
        problem::Problem,
    },
    store::{exceptions::Filter, people},
};

/// So many in one list.
const PAGE: usize = 100;

/// That a senior manager has looked at it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ReviewedView {
    /// When.
    at: DateTime<Utc>,
    /// Who.
    by: PersonView,
    /// What they found.
    words: String,
}

/// A visit that was out of the ordinary. What was said of it before, and who agreed, shows `GET /visits/{id}/agreement`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ExceptionView {
    /// Which visit.
    visit: Uuid,
    /// Whose.
    worker: PersonView,
    /// emergency or `one_off`.
    kind: ExceptionKind,
    /// When the worker arrived.
    arrived_at: Option<DateTime<Utc>>,
    /// Whether outcome and work undertaken are on record.
    recorded: bool,
    /// Once a senior manager has looked at it.
    reviewed: Option<ReviewedView>,
}

impl ExceptionView {
    fn new(directory: &Directory, visit: &Visit, found: &OutOfTheOrdinary) -> Self {
        Self {
            visit: visit.id.0,
            worker: PersonView::of(directory, visit.worker),
            kind: found.kind,
            arrived_at: visit.arrived_at,
            recorded: visit.outcome.is_some() && visit.work_undertaken.is_some(),
            reviewed: found.reviewed.as_ref().map(|reviewed| ReviewedView {
                at: reviewed.at,
                by: PersonView::of(directory, reviewed.by),
                words: reviewed.words.clone(),
            }),
        }
    }
}

/// What a senior manager found.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReviewBody {
    /// In your words.
    words: String,
}

/// A senior manager in reach, who did not make it themselves, says what they found about a visit that was out of the ordinary, once it
/// is over. Until then they are asked each day.
#[utoipa::path(put, path = "/visits/{id}/exception/review", params(("id" = Uuid, Path)), request_body = ReviewBody,
    responses((status = 200, body = ExceptionView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn review(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let (body, visit) = (body?, visit_id(&id)?);
    let words = said("words", &parse::<ReviewBody>(&body)?.words)?;
    let case = async move |tx: &mut _, actor: &Actor, trace| {
        Ok(match cases::review(tx, actor, visit, &words, trace).await? {
            Ok((visit, found)) => {
                let directory = people::directory(tx, actor.organisation).await?;
                Reply::ok(&ExceptionView::new(&directory, &visit, &found))
            }
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, format!("PUT /visits/{id}/exception/review"), &headers, body).run(case).await)
}

/// What a list can be narrowed by.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// no: those that no senior manager has looked at yet; yes: the others.
    reviewed: Option<String>,
    /// After this visit: `next` of the page before.
    after: Option<Uuid>,
}

/// Visits that were out of the ordinary.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ExceptionList {
    /// In the order in which the visits were made.
    exceptions: Vec<ExceptionView>,
    /// Hand this back as `after`; `null`: there are no more.
    next: Option<Uuid>,
}

/// Lists the visits that were out of the ordinary and are over, of those that you may see.
#[utoipa::path(get, path = "/exceptions", params(ListQuery), responses((status = 200, body = ExceptionList),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(site): State<Site>,
    actor: Actor,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|error| Problem::field("query", error.body_text()))?;
    let reviewed = match query.reviewed.as_deref() {
        None => None,
        Some("yes") => Some(true),
        Some("no") => Some(false),
        Some(_) => return Err(Problem::field("reviewed", "use yes or no")),
    };
    let filter = Filter { reviewed, after: query.after.map(VisitId) };
    let mut tx = site.db.read().await?;
    let (found, next) = cases::list(&mut tx, &actor, filter, PAGE).await?;
    let directory = people::directory(&mut tx, actor.organisation).await?;
    let exceptions =
        found.iter().map(|(visit, found)| ExceptionView::new(&directory, visit, found)).collect();
    Ok(Reply::ok(&ExceptionList { exceptions, next: next.map(|id| id.0) }).into_response())
}
