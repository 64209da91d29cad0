//! Ladders over HTTP: who is told, in which order, by what, how often; per team and risk, each change a version of its own.

use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Act, Reply, views::PersonView};
use crate::{
    app::{access::Actor, ladders as cases},
    domain::{ids::TeamId, ladder::Ladder, people::Directory, visit::Risk},
    http::{
        Site,
        body::{Body, parse},
        problem::Problem,
    },
    store::{ladders::Version, people},
};

/// A team, as others see it.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(super) struct TeamView {
    /// The id.
    id: Uuid,
    /// The key of the organisation's file.
    key: String,
    /// The name.
    name: String,
}

impl TeamView {
    pub(super) fn of(directory: &Directory, id: TeamId) -> Option<Self> {
        let team = directory.teams.get(&id)?;
        Some(Self { id: id.0, key: team.key.clone(), name: team.name.clone() })
    }
}

/// One version of a ladder.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(super) struct LadderView {
    /// Its id: what an incident is stamped with.
    id: Uuid,
    /// For that team and those below it that have none of their own; for every team if there is none.
    team: Option<TeamView>,
    /// For visits of that risk.
    risk: Risk,
    /// 1, 2, 3 …
    version: i32,
    /// The ladder.
    ladder: Ladder,
    /// Who set it; nobody: the organisation's file.
    set_by: Option<PersonView>,
    /// When.
    set_at: DateTime<Utc>,
}

impl LadderView {
    fn new(directory: &Directory, version: &Version) -> Self {
        Self {
            id: version.id.0,
            team: version.team.and_then(|team| TeamView::of(directory, team)),
            risk: version.risk,
            version: version.version,
            ladder: version.ladder.clone(),
            set_by: version.set_by.map(|person| PersonView::of(directory, person)),
            set_at: version.set_at,
        }
    }
}

/// The ladders in force.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct LadderList {
    /// Those for every team first.
    ladders: Vec<LadderView>,
}

/// Lists the ladders in force: for every team, and of the teams in your reach.
#[utoipa::path(get, path = "/ladders", responses((status = 200, body = LadderList),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(State(site): State<Site>, actor: Actor) -> Result<Response, Problem> {
    let mut tx = site.db.read().await?;
    let versions = cases::list(&mut tx, &actor).await??;
    let directory = people::directory(&mut tx, actor.organisation).await?;
    let ladders = versions.iter().map(|version| LadderView::new(&directory, version)).collect();
    Ok(Reply::ok(&LadderList { ladders }).into_response())
}

/// A ladder to be put in force.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LadderBody {
    /// For that team and those below it that have none of their own, by id or key; for every team if not said.
    team: Option<String>,
    /// For visits of that risk.
    risk: Risk,
    /// The ladder.
    ladder: Ladder,
}

/// Puts a ladder in force from now on; open incidents keep theirs. One that could reach nobody is refused, with the number of the
/// step. What the organisation's file says about the same team and risk comes in force again when the file is applied again.
#[utoipa::path(put, path = "/ladders", request_body = LadderBody, responses((status = 200, body = LadderView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn set(
    State(site): State<Site>,
    actor: Actor,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let LadderBody { team, risk, ladder } = parse(&body)?;
    let wanted = cases::Wanted { team, risk, ladder };
    let case = async move |tx: &mut _, actor: &Actor, trace| {
        Ok(match cases::set(tx, actor, wanted.clone(), trace).await? {
            Ok(version) => {
                let directory = people::directory(tx, actor.organisation).await?;
                Reply::ok(&LadderView::new(&directory, &version))
            }
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, "PUT /ladders", &headers, body).run(case).await)
}
