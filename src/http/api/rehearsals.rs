//! Who has rehearsed by text, over HTTP: for whoever looks after a team, never for the worker.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Reply, views::PersonView};
use crate::{
    app::{
        access::Actor,
        rehearsals::{self as cases, Standing},
    },
    domain::people::Directory,
    http::{Site, problem::Problem},
    store::people,
};

/// How it stands with one worker.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct RehearsalView {
    /// Who.
    worker: PersonView,
    /// Whether they have to rehearse: never wholly done, or not for 31 days.
    is_due: bool,
    /// When they last did the whole of it: IN, OUT, SOS, and duress if they have a duress PIN or word.
    whole_at: Option<DateTime<Utc>>,
    /// When the last rehearsal began.
    begun_at: Option<DateTime<Utc>>,
    /// In it: IN.
    in_at: Option<DateTime<Utc>>,
    /// OUT with the usual PIN.
    out_at: Option<DateTime<Utc>>,
    /// SOS.
    sos_at: Option<DateTime<Utc>>,
    /// OUT with the duress PIN or word.
    duress_at: Option<DateTime<Utc>>,
}

impl RehearsalView {
    fn new(directory: &Directory, standing: &Standing) -> Self {
        let last = standing.last;
        Self {
            worker: PersonView::of(directory, standing.worker),
            is_due: standing.is_due,
            whole_at: last.and_then(|last| last.whole_at),
            begun_at: last.map(|last| last.begun_at),
            in_at: last.and_then(|last| last.went_in),
            out_at: last.and_then(|last| last.came_out),
            sos_at: last.and_then(|last| last.called),
            duress_at: last.and_then(|last| last.under_duress),
        }
    }
}

/// Rehearsals.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct RehearsalList {
    /// Who has waited longest first.
    workers: Vec<RehearsalView>,
}

/// Which are listed.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct RehearsalQuery {
    /// true: only those who have to rehearse.
    #[serde(default)]
    due: bool,
}

/// Lists who of the teams in your reach has rehearsed IN, OUT, SOS and duress by text, and who has to: once a month. Your own rehearsal is
/// not in your list.
#[utoipa::path(get, path = "/rehearsals", params(RehearsalQuery), responses((status = 200, body = RehearsalList),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(site): State<Site>,
    actor: Actor,
    query: Result<Query<RehearsalQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|error| Problem::field("query", error.body_text()))?;
    let mut tx = site.db.read().await?;
    let standing = cases::list(&mut tx, &actor, site.clock.now()).await??;
    let directory = people::directory(&mut tx, actor.organisation).await?;
    let workers = standing
        .iter()
        .filter(|standing| standing.is_due || !query.due)
        .map(|standing| RehearsalView::new(&directory, standing))
        .collect();
    Ok(Reply::ok(&RehearsalList { workers }).into_response())
}
