//! Management oversight over HTTP: what managers say, and what is missing.

use axum::{
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Act, Reply, incidents::said, ladders::TeamView, views::PersonView};
use crate::{
    app::{
        access::Actor,
        oversight::{self as cases, Filter},
    },
    domain::{
        calendar::day_of,
        ids::OversightId,
        oversight::{Asked, Entry, OversightAbout, OversightRule},
        people::Directory,
    },
    http::{
        Site,
        body::{Body, parse},
        problem::{Kind, Problem},
    },
    store::{Tx, people},
};

/// So many in one list.
const PAGE: usize = 500;

/// What a manager says.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OversightBody {
    /// Of what: case, visit, incident, assessment.
    about: OversightAbout,
    /// Of which: its id; of a case its reference.
    id: String,
    /// What they found, in their words.
    words: String,
}

/// An entry.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct OversightView {
    /// The entry's id.
    oversight: Uuid,
    /// Of what.
    about: OversightAbout,
    /// The id of that.
    id: Uuid,
    /// When.
    at: DateTime<Utc>,
    /// Who.
    by: PersonView,
    /// What they found; `null`: it was erased.
    words: Option<String>,
}

impl OversightView {
    fn new(directory: &Directory, entry: &Entry) -> Self {
        Self {
            oversight: entry.id.0,
            about: entry.subject.about(),
            id: entry.subject.id(),
            at: entry.at,
            by: PersonView::of(directory, entry.by),
            words: entry.words.clone(),
        }
    }
}

/// An entry that was made, and what it was asked for by.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct RecordedView {
    /// The entry.
    entry: OversightView,
    /// The rules that asked for it and do so no more.
    done: Vec<OversightRule>,
}

/// A manager in reach says what they found of a case, a visit, an incident or an assessment that is not their own. Whatever asked for it
/// is done by that; a case at risk is asked about again, so long after.
#[utoipa::path(post, path = "/oversight", request_body = OversightBody, responses((status = 201, body = RecordedView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn record(
    State(site): State<Site>,
    actor: Actor,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let OversightBody { about, id, words } = parse(&body)?;
    let words = said("words", &words)?;
    let case = async move |tx: &mut Tx, actor: &Actor, trace| {
        Ok(match cases::record(tx, actor, (about, &id), &words, trace).await? {
            Ok((entry, done)) => {
                let directory = people::directory(tx, actor.organisation).await?;
                let entry = OversightView::new(&directory, &entry);
                let done = done.iter().map(|asked| asked.rule).collect();
                Reply::new(StatusCode::CREATED, &RecordedView { entry, done })
            }
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, "POST /oversight", &headers, body).run(case).await)
}

/// Of what.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct OversightQuery {
    /// case, visit, incident, assessment.
    about: OversightAbout,
    /// Its id; of a case its reference.
    id: String,
}

/// What managers have said of it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct OversightList {
    /// The first one first.
    entries: Vec<OversightView>,
}

/// Shows what managers have said of a case, a visit, an incident or an assessment, to whoever may see that: the worker reads it too.
#[utoipa::path(get, path = "/oversight", params(OversightQuery), responses((status = 200, body = OversightList),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(site): State<Site>,
    actor: Actor,
    query: Result<Query<OversightQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|error| Problem::field("query", error.body_text()))?;
    let mut tx = site.db.read().await?;
    let entries = cases::entries(&mut tx, &actor, query.about, &query.id).await??;
    let directory = people::directory(&mut tx, actor.organisation).await?;
    let entries = entries.iter().map(|entry| OversightView::new(&directory, entry)).collect();
    Ok(Reply::ok(&OversightList { entries }).into_response())
}

/// Shows one entry, to whoever may see what it is about.
#[utoipa::path(get, path = "/oversight/{id}", params(("id" = Uuid, Path)), responses((status = 200, body = OversightView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let Ok(id) = id.parse().map(OversightId) else { return Err(Problem::of(Kind::NotFound)) };
    let mut tx = site.db.read().await?;
    let entry = cases::entry(&mut tx, &actor, id).await??;
    let directory = people::directory(&mut tx, actor.organisation).await?;
    Ok(Reply::ok(&OversightView::new(&directory, &entry)).into_response())
}

/// What a list can be narrowed by.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct MissingQuery {
    /// Asked for by this rule: `assessment_rated`, `incident_closed`, `visit_begun_not_agreed`, `case_at_risk`.
    rule: Option<OversightRule>,
    /// Of this team and those below it, by id or key.
    team: Option<String>,
    /// Of what is this person's, by id or key.
    worker: Option<String>,
}

/// Oversight that is asked for and missing.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct OversightMissingView {
    /// By which rule.
    rule: OversightRule,
    /// Of what.
    about: OversightAbout,
    /// The id of that.
    id: Uuid,
    /// The reference of the case that it is about, or whose assessment.
    reference: Option<String>,
    /// Which team's managers are asked.
    team: Option<TeamView>,
    /// Whose visit, alarm, assessment or case it is; `null`: nobody's.
    worker: Option<PersonView>,
    /// Since when.
    asked_on: NaiveDate,
    /// The last day for it.
    due_on: NaiveDate,
    /// Whether that day is over.
    overdue: bool,
}

/// What is missing.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct OversightMissingList {
    /// The first day first, at most 500.
    missing: Vec<OversightMissingView>,
    /// Whether there is more than is listed: ask for one rule, one team or one person's.
    more: bool,
}

/// Lists where oversight is asked for and nobody has said anything yet: for managers and whoever books in their reach, and auditors.
#[utoipa::path(get, path = "/oversight/missing", params(MissingQuery), responses((status = 200, body = OversightMissingList),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn missing(
    State(site): State<Site>,
    actor: Actor,
    query: Result<Query<MissingQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(MissingQuery { rule, team, worker }) =
        query.map_err(|error| Problem::field("query", error.body_text()))?;
    let mut tx = site.db.read().await?;
    let filter = Filter { rule, team, worker };
    let (missing, are_all) = cases::missing(&mut tx, &actor, &filter, PAGE).await??;
    let directory = people::directory(&mut tx, actor.organisation).await?;
    let today = day_of(site.clock.now(), directory.zone);
    let view = |asked: &Asked| OversightMissingView {
        rule: asked.rule,
        about: asked.subject.about(),
        id: asked.subject.id(),
        reference: asked.reference.clone(),
        team: TeamView::of(&directory, asked.team),
        worker: asked.worker.map(|worker| PersonView::of(&directory, worker)),
        asked_on: asked.asked_on,
        due_on: asked.due_on,
        overdue: asked.due_on < today,
    };
    Ok(Reply::ok(&OversightMissingList { missing: missing.iter().map(view).collect(), more: !are_all })
        .into_response())
}
