//! When drills begin by themselves, over HTTP.

use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Act, Reply, incident_acts::NothingToSay, ladders::TeamView, views::PersonView};
use crate::{
    app::{access::Actor, drill_schedules as cases},
    domain::{ids::DrillScheduleId, people::Directory},
    http::{
        Site,
        body::{Body, parse},
        problem::{Kind, Problem},
    },
    store::{drills::ScheduleVersion, people},
};

/// When a team's drills begin.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DrillScheduleView {
    /// Its id.
    id: Uuid,
    /// Of which team.
    team: Option<TeamView>,
    /// 1, 2, 3 …
    version: i32,
    /// Minute, hour, day of the month, month, day of the week, in `zone`.
    cron: String,
    /// The organisation's zone.
    zone: String,
    /// Who set it.
    set_by: PersonView,
    /// When.
    set_at: DateTime<Utc>,
    /// When the next drill begins.
    next_at: Option<DateTime<Utc>>,
}

impl DrillScheduleView {
    fn new(directory: &Directory, version: &ScheduleVersion) -> Self {
        Self {
            id: version.id.0,
            team: TeamView::of(directory, version.team_id),
            version: version.version,
            cron: version.cron.clone(),
            zone: directory.zone.name().to_owned(),
            set_by: PersonView::of(directory, version.set_by),
            set_at: version.set_at,
            next_at: version.due_at,
        }
    }
}

/// The schedules in force.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DrillScheduleList {
    /// Of the teams in your reach.
    schedules: Vec<DrillScheduleView>,
}

/// Lists when drills begin by themselves, of the teams in your reach.
#[utoipa::path(get, path = "/drill-schedules", responses((status = 200, body = DrillScheduleList),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(State(site): State<Site>, actor: Actor) -> Result<Response, Problem> {
    let mut tx = site.db.read().await?;
    let versions = cases::list(&mut tx, &actor).await??;
    let directory = people::directory(&mut tx, actor.organisation).await?;
    let schedules = versions.iter().map(|version| DrillScheduleView::new(&directory, version)).collect();
    Ok(Reply::ok(&DrillScheduleList { schedules }).into_response())
}

/// A schedule to be put in force.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DrillScheduleBody {
    /// Of which team, by id or key.
    team: String,
    /// Minute, hour, day of the month, month, day of the week, in the organisation's zone: `30 10 * * TUE`, `0 14 1 * *`.
    #[schema(example = "30 10 * * TUE")]
    cron: String,
}

/// Sets when a team's drills begin by themselves, each about the worker whose turn it is: at most one a day. It takes the place of the
/// one before. A moment that was missed while the service was down is begun if it is less than an hour ago.
#[utoipa::path(put, path = "/drill-schedules", request_body = DrillScheduleBody, responses((status = 200, body = DrillScheduleView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn set(
    State(site): State<Site>,
    actor: Actor,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let DrillScheduleBody { team, cron } = parse(&body)?;
    let case = async move |tx: &mut _, actor: &Actor, trace| {
        Ok(match cases::set(tx, actor, (&team, &cron), trace).await? {
            Ok(version) => {
                let directory = people::directory(tx, actor.organisation).await?;
                Reply::ok(&DrillScheduleView::new(&directory, &version))
            }
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, "PUT /drill-schedules", &headers, body).run(case).await)
}

/// Removes a schedule: drills of that team begin by hand alone. A drill that runs goes on.
#[utoipa::path(post, path = "/drill-schedules/{id}/remove", params(("id" = Uuid, Path)), request_body = NothingToSay,
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn remove(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let NothingToSay {} = parse(&body)?;
    let schedule = id.parse().map(DrillScheduleId).map_err(|_| Problem::of(Kind::NotFound))?;
    let case = async move |tx: &mut _, actor: &Actor, trace| {
        Ok(match cases::remove(tx, actor, schedule, trace).await? {
            Ok(()) => Reply::no_content(),
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, format!("POST /drill-schedules/{id}/remove"), &headers, body).run(case).await)
}
