//! Teams at the end of the day, over HTTP.

use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::{Act, Reply, views::PersonView};
use crate::{
    app::{
        access::Actor,
        end_of_day::{self as cases, Shown},
    },
    domain::people::Directory,
    http::{Site, body::Body, problem::Problem},
    store::people,
};

/// Somebody who is still watched.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct StillOut {
    /// Who.
    worker: PersonView,
    /// On which visit.
    visit: Uuid,
    /// Until when.
    till: DateTime<Utc>,
}

/// A team at the end of the day.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct EndOfDayView {
    /// The team's key.
    team: String,
    /// The day that waits to be confirmed, as YYYY-MM-DD; `null`: none does.
    unconfirmed: Option<String>,
    /// Who was asked last.
    asked: Option<PersonView>,
    /// When it is asked about next.
    next_at: Option<DateTime<Utc>>,
    /// Who is still watched.
    still_out: Vec<StillOut>,
}

impl EndOfDayView {
    fn new(shown: Shown, directory: &Directory) -> Self {
        let Shown { team, out, day } = shown;
        let still_out = out.iter().map(|visit| StillOut {
            worker: PersonView::of(directory, visit.worker),
            visit: visit.id.0,
            till: visit.watched_till().unwrap_or(visit.expected_departure),
        });
        Self {
            team: team.key,
            unconfirmed: day.as_ref().and_then(|day| day.day.clone()),
            asked: day.as_ref().and_then(|day| day.asked_id).map(|id| PersonView::of(directory, id)),
            next_at: day.map(|day| day.due_at),
            still_out: still_out.collect(),
        }
    }
}

/// Shows who of a team is still out, and whether the end of the day waits to be confirmed.
#[utoipa::path(get, path = "/teams/{key}/end-of-day", params(("key" = String, Path)), responses((status = 200, body = EndOfDayView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(site): State<Site>,
    actor: Actor,
    Path(key): Path<String>,
) -> Result<Response, Problem> {
    let mut tx = site.db.read().await?;
    let shown = cases::show(&mut tx, &actor, &key).await?.map_err(Problem::from)?;
    let directory = people::directory(&mut tx, actor.organisation).await?;
    Ok(Reply::ok(&EndOfDayView::new(shown, &directory)).into_response())
}

/// Confirms that everybody of a team is out. Whoever is still watched goes on to be.
#[utoipa::path(post, path = "/teams/{key}/end-of-day", params(("key" = String, Path)), responses((status = 200, body = EndOfDayView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn confirm(
    State(site): State<Site>,
    actor: Actor,
    Path(key): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(problem) => return problem.into_response(),
    };
    let route = format!("POST /teams/{key}/end-of-day");
    let act = Act::new(site, actor, route, &headers, body);
    act.run(async move |tx, actor, trace| {
        let shown = match cases::confirm(tx, actor, &key, trace).await? {
            Ok(shown) => shown,
            Err(rejected) => return Ok(rejected.into()),
        };
        let directory = people::directory(tx, actor.organisation).await?;
        Ok(Reply::ok(&EndOfDayView::new(shown, &directory)))
    })
    .await
}
