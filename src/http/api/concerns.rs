//! Concerns over HTTP: raised, discussed, acted on, closed.

use std::sync::Arc;

use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Act, Reply, incidents::said, views::PersonView, visits::visit_id};
use crate::{
    app::{
        Outcome,
        access::Actor,
        case_files::{OpenConcern, Since},
        concerns::{self as cases, Whole},
    },
    domain::{
        concern::{Action, ConcernKind, ConcernState},
        ids::{ConcernActionId, ConcernId, PersonId, VisitId},
        people::Directory,
    },
    http::{
        Site,
        body::{Body, clean, parse},
        problem::{Kind, Problem},
    },
    store::{
        self, Tx,
        concerns::{After, Filter},
        people,
    },
};

/// What somebody is concerned about.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConcernBody {
    /// In your words.
    words: String,
    /// What about; `other` if it is not said.
    kind: Option<ConcernKind>,
    /// About whose case; on a visit, if it is not said, that of the visit.
    case_reference: Option<String>,
    /// When this was said, if that was earlier.
    made_at: Option<DateTime<Utc>>,
}

/// That a manager discussed it.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(super) struct DiscussionView {
    /// When.
    at: DateTime<Utc>,
    /// The manager.
    by: PersonView,
    /// With whom.
    with: PersonView,
    /// In the manager's words.
    words: String,
}

/// Something to be done about it.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(super) struct ConcernActionView {
    /// Its id.
    id: Uuid,
    /// What is to be done.
    what: String,
    /// Who does it.
    owner: PersonView,
    /// By that day.
    due_on: NaiveDate,
    /// When that was set.
    set_at: DateTime<Utc>,
    /// Who set it.
    set_by: PersonView,
    /// When it was done.
    done_at: Option<DateTime<Utc>>,
    /// Who said so.
    done_by: Option<PersonView>,
    /// In their words.
    note: Option<String>,
}

/// A concern.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(super) struct ConcernView {
    /// Its id.
    id: Uuid,
    /// Where it stands.
    state: ConcernState,
    /// What about.
    kind: ConcernKind,
    /// In the words of whoever raised it.
    words: String,
    /// When it was raised.
    raised_at: DateTime<Utc>,
    /// By whom.
    raised_by: PersonView,
    /// Whose visit it was raised on; without one, whoever raised it.
    worker: PersonView,
    /// On which visit.
    visit: Option<Uuid>,
    /// About whose case.
    case_reference: Option<String>,
    /// Who was told of it at once.
    told: Vec<PersonView>,
    /// How it was discussed, in that order.
    discussions: Vec<DiscussionView>,
    /// What is to be done about it, and what was.
    actions: Vec<ConcernActionView>,
    /// When it was closed.
    closed_at: Option<DateTime<Utc>>,
    /// By whom.
    closed_by: Option<PersonView>,
    /// What came of it.
    outcome: Option<String>,
}

impl ConcernView {
    fn new(directory: &Directory, whole: &Whole) -> Self {
        let person = |id| PersonView::of(directory, id);
        let Whole { concern, discussions, actions } = whole;
        let (raised_by, raised_at) = concern.raised;
        let closing = concern.closing.as_ref();
        let discussions = discussions.iter().map(|discussion| DiscussionView {
            at: discussion.at,
            by: person(discussion.by),
            with: person(discussion.with),
            words: discussion.words.clone(),
        });
        Self {
            id: concern.id.0,
            state: concern.state,
            kind: concern.kind,
            words: concern.words.clone(),
            raised_at,
            raised_by: person(raised_by),
            worker: person(concern.worker),
            visit: concern.visit.map(|visit| visit.0),
            case_reference: concern.case_reference.clone(),
            told: concern.told.iter().map(|id| person(*id)).collect(),
            discussions: discussions.collect(),
            actions: actions.iter().map(|action| ConcernActionView::new(directory, action)).collect(),
            closed_at: closing.map(|closing| closing.at),
            closed_by: closing.map(|closing| person(closing.by)),
            outcome: closing.map(|closing| closing.outcome.clone()),
        }
    }
}

impl ConcernActionView {
    fn new(directory: &Directory, action: &Action) -> Self {
        let person = |id| PersonView::of(directory, id);
        let ((set_by, set_at), done) = (action.set, action.done.as_ref());
        Self {
            id: action.id.0,
            what: action.what.clone(),
            owner: person(action.owner),
            due_on: action.due_on,
            set_at,
            set_by: person(set_by),
            done_at: done.map(|done| done.at),
            done_by: done.map(|done| person(done.by)),
            note: done.map(|done| done.note.clone()),
        }
    }
}

async fn answer(
    tx: &mut Tx,
    actor: &Actor,
    status: StatusCode,
    outcome: Outcome<Whole>,
) -> store::Result<Reply> {
    Ok(match outcome? {
        Ok(whole) => {
            let directory = people::directory(tx, actor.organisation).await?;
            Reply::new(status, &ConcernView::new(&directory, &whole))
        }
        Err(rejected) => rejected.into(),
    })
}

/// An id that is none is one that does not exist.
fn concern_id(text: &str) -> Result<ConcernId, Problem> {
    text.parse().map(ConcernId).map_err(|_| Problem::of(Kind::NotFound))
}

async fn raise(
    site: Site,
    actor: Actor,
    (visit, route): (Option<VisitId>, String),
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Result<Response, Problem> {
    let ConcernBody { words, kind, case_reference, made_at } = parse(&body)?;
    let wanted = cases::Wanted {
        visit,
        case_reference: case_reference.map(|reference| clean(&reference)),
        kind: kind.unwrap_or_default(),
        words: said("words", &words)?,
        made_at,
    };
    let (house, key) = (Arc::clone(&site.house), site.key.clone());
    let case = async move |tx: &mut Tx, actor: &Actor, trace| {
        let raised = cases::raise(tx, (&house, &key), actor, wanted.clone(), trace).await?;
        let raised = raised.map(|concern| Whole { concern, discussions: Vec::new(), actions: Vec::new() });
        answer(tx, actor, StatusCode::CREATED, Ok(raised)).await
    };
    Ok(Act::new(site, actor, route, &headers, body).run(case).await)
}

/// Raises a concern on a visit: yours, or one that you may see. The manager is told at once, without the words.
#[utoipa::path(post, path = "/visits/{id}/concerns", params(("id" = Uuid, Path)), request_body = ConcernBody,
    responses((status = 201, body = ConcernView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn raise_on_visit(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let route = format!("POST /visits/{id}/concerns");
    raise(site, actor, (Some(visit_id(&id)?), route), headers, body).await
}

/// Raises a concern without a visit.
#[utoipa::path(post, path = "/concerns", request_body = ConcernBody,
    responses((status = 201, body = ConcernView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn raise_without_visit(
    State(site): State<Site>,
    actor: Actor,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    raise(site, actor, (None, "POST /concerns".into()), headers, body).await
}

/// A concern that the next version weighs.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct OpenConcernView {
    /// Its id. Who may read what it says reads it there.
    id: Uuid,
    /// What about.
    kind: ConcernKind,
    /// When it was raised.
    raised_at: DateTime<Utc>,
    /// Whether that was after the newest version was made.
    since_last_version: bool,
}

impl From<&OpenConcern> for OpenConcernView {
    fn from(open: &OpenConcern) -> Self {
        let OpenConcern { id, kind, raised_at, since } = *open;
        Self { id: id.0, kind, raised_at, since_last_version: since == Since::After }
    }
}

/// What a list can be narrowed by.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// raised, discussed or closed; `open`: any but closed.
    state: Option<String>,
    /// Those of one visit.
    visit: Option<Uuid>,
    /// Those about one case.
    case_reference: Option<String>,
    /// Those on one worker's visits, by id.
    worker: Option<Uuid>,
    /// Those after this place: `next` of the page before.
    after: Option<String>,
}

/// Concerns.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ConcernList {
    /// The open ones first, then the newest; at most 500.
    concerns: Vec<ConcernView>,
    /// Hand this back as `after`; `null`: there are no more.
    next: Option<String>,
}

/// Lists the concerns that you may see: what you raised or have to do, and as a manager those of your team and the teams below.
#[utoipa::path(get, path = "/concerns", params(ListQuery), responses((status = 200, body = ConcernList),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(site): State<Site>,
    actor: Actor,
    query: Result<Query<ListQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|error| Problem::field("query", error.body_text()))?;
    let known = ["open", "raised", "discussed", "closed"];
    let state = match query.state.as_deref() {
        None => None,
        Some(word) => Some(
            known
                .into_iter()
                .find(|known| *known == word)
                .ok_or_else(|| Problem::field("state", "use open, raised, discussed or closed"))?,
        ),
    };
    let filter = Filter {
        state,
        visit: query.visit.map(VisitId),
        case_reference: query.case_reference.map(|reference| clean(&reference)),
        worker: query.worker.map(PersonId),
        of: None,
    };
    let after = query.after.map(|place| place.parse::<After>()).transpose();
    let after = after.map_err(|bad| Problem::field("after", bad.to_string()))?;
    let mut tx = site.db.read().await?;
    let (found, next) = cases::list(&mut tx, &actor, filter, after).await?;
    let directory = people::directory(&mut tx, actor.organisation).await?;
    let concerns = found.iter().map(|whole| ConcernView::new(&directory, whole)).collect();
    Ok(Reply::ok(&ConcernList { concerns, next: next.map(|after| after.to_string()) }).into_response())
}

/// Shows a concern, how it was discussed, what is to be done and what came of it.
#[utoipa::path(get, path = "/concerns/{id}", params(("id" = Uuid, Path)), responses((status = 200, body = ConcernView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = concern_id(&id)?;
    let mut tx = site.db.read().await?;
    let outcome = cases::show(&mut tx, &actor, id).await;
    Ok(answer(&mut tx, &actor, StatusCode::OK, outcome).await?.into_response())
}

/// That it was discussed.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DiscussedBody {
    /// With whom: an id, or the key of the organisation's file.
    with: String,
    /// When; now if it is not said.
    at: Option<DateTime<Utc>>,
    /// What was said.
    words: String,
}

/// A manager in reach who did not raise it says that they discussed it; as often as it takes.
#[utoipa::path(post, path = "/concerns/{id}/discussed", params(("id" = Uuid, Path)), request_body = DiscussedBody,
    responses((status = 200, body = ConcernView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn discussed(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let (body, concern) = (body?, concern_id(&id)?);
    let DiscussedBody { with, at, words } = parse(&body)?;
    if at.is_some_and(|at| at > site.clock.now() || at.year() < 2000) {
        return Err(Problem::field(
            "at",
            "this cannot be meant: say when it was discussed, not ahead of now",
        ));
    }
    let words = said("words", &words)?;
    let case = async move |tx: &mut Tx, actor: &Actor, trace| {
        let done = cases::discussed(tx, actor, concern, (&with, at, &words), trace).await;
        answer(tx, actor, StatusCode::OK, done).await
    };
    Ok(Act::new(site, actor, format!("POST /concerns/{id}/discussed"), &headers, body).run(case).await)
}

/// What is to be done.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConcernActionBody {
    /// What is to be done.
    what: String,
    /// Who does it: an id, or the key of the organisation's file.
    owner: String,
    /// By that day; from then on the owner is asked each day until it is done.
    due_on: NaiveDate,
}

/// Says what is to be done about a concern that was discussed, by whom and by when.
#[utoipa::path(post, path = "/concerns/{id}/actions", params(("id" = Uuid, Path)), request_body = ConcernActionBody,
    responses((status = 201, body = ConcernView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn set_action(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let (body, concern) = (body?, concern_id(&id)?);
    let ConcernActionBody { what, owner, due_on } = parse(&body)?;
    if !(2000..2200).contains(&due_on.year()) {
        return Err(Problem::field("due_on", "this day cannot be meant: say it as 2026-03-09"));
    }
    let what = said("what", &what)?;
    let case = async move |tx: &mut Tx, actor: &Actor, trace| {
        let done = cases::set_action(tx, actor, concern, (&what, &owner, due_on), trace).await;
        answer(tx, actor, StatusCode::CREATED, done).await
    };
    Ok(Act::new(site, actor, format!("POST /concerns/{id}/actions"), &headers, body).run(case).await)
}

/// That it is done.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ActionDoneBody {
    /// What was done.
    note: String,
}

/// Its owner or a manager says that it is done. Said again it changes nothing.
#[utoipa::path(post, path = "/concerns/{id}/actions/{action}/done", request_body = ActionDoneBody,
    params(("id" = Uuid, Path), ("action" = Uuid, Path)),
    responses((status = 200, body = ConcernView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn finish_action(
    State(site): State<Site>,
    actor: Actor,
    Path((id, action)): Path<(String, String)>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let (body, concern) = (body?, concern_id(&id)?);
    let ids = (concern, action.parse().map(ConcernActionId).map_err(|_| Problem::of(Kind::NotFound))?);
    let note = said("note", &parse::<ActionDoneBody>(&body)?.note)?;
    let case = async move |tx: &mut Tx, actor: &Actor, trace| {
        let done = cases::finish_action(tx, actor, ids, &note, trace).await;
        answer(tx, actor, StatusCode::OK, done).await
    };
    let route = format!("POST /concerns/{id}/actions/{action}/done");
    Ok(Act::new(site, actor, route, &headers, body).run(case).await)
}

/// What came of it.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CloseConcernBody {
    /// What came of it.
    outcome: String,
}

/// A manager closes a concern that was discussed and about which nothing is left to be done.
#[utoipa::path(post, path = "/concerns/{id}/close", params(("id" = Uuid, Path)), request_body = CloseConcernBody,
    responses((status = 200, body = ConcernView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn close(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let (body, concern) = (body?, concern_id(&id)?);
    let outcome = said("outcome", &parse::<CloseConcernBody>(&body)?.outcome)?;
    let case = async move |tx: &mut Tx, actor: &Actor, trace| {
        let done = cases::close(tx, actor, concern, &outcome, trace).await;
        answer(tx, actor, StatusCode::OK, done).await
    };
    Ok(Act::new(site, actor, format!("POST /concerns/{id}/close"), &headers, body).run(case).await)
}
