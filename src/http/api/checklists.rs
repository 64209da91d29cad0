//! Checklists over HTTP: those in force, a new version of one, the answers of a visit; and what is said of the agreed measures.

use std::sync::Arc;

use axum::{
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Act, Reply, incidents::said, ladders::TeamView, views::PersonView, visits::visit_id};
use crate::{
    app::{
        access::Actor,
        checklists::{self as cases, OfVisit},
        measures::{self, Saying},
    },
    domain::{
        checklist::{self, Answer, Answered, Checklist, Item, MOST_ITEMS, Ticked, When, Whose, last_said},
        measures::{Kept, MeasuresSaid, Moment},
        people::Directory,
    },
    http::{
        Site,
        body::{Body, clean, parse},
        problem::{Kind, Problem},
    },
    store::{Tx, people},
};

/// A checklist in force.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ChecklistView {
    /// Its id; none: it is the one that Homeward comes with.
    id: Option<Uuid>,
    /// Of that team and those below it that have none of their own; of every team if there is none.
    team: Option<TeamView>,
    /// Who answers it.
    r#for: Whose,
    /// When.
    when: When,
    /// 1, 2, 3 …; 0: it is the one that Homeward comes with.
    version: i32,
    /// What is asked.
    items: Vec<Item>,
    /// Who set it.
    set_by: Option<PersonView>,
    /// When.
    set_at: Option<DateTime<Utc>>,
}

impl ChecklistView {
    fn new(directory: &Directory, list: &Checklist) -> Self {
        Self {
            id: list.id.map(|id| id.0),
            team: list.team.and_then(|team| TeamView::of(directory, team)),
            r#for: list.whose,
            when: list.when,
            version: list.version,
            items: list.items.clone(),
            set_by: list.set.map(|(by, _)| PersonView::of(directory, by)),
            set_at: list.set.map(|(_, at)| at),
        }
    }
}

/// The checklists in force for a team.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ChecklistList {
    /// The worker's first; each before, during and after.
    checklists: Vec<ChecklistView>,
}

/// Of which team.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct TeamQuery {
    /// By id, or by the key of the organisation's file.
    team: Option<String>,
}

/// Lists the checklists in force for your team, or for another that you may see.
#[utoipa::path(get, path = "/checklists", params(TeamQuery), responses((status = 200, body = ChecklistList),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(site): State<Site>,
    actor: Actor,
    query: Result<Query<TeamQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|error| Problem::field("query", error.body_text()))?;
    let mut tx = site.db.read().await?;
    let lists = cases::list(&mut tx, &actor, query.team.as_deref()).await??;
    let directory = people::directory(&mut tx, actor.organisation).await?;
    let checklists = lists.iter().map(|list| ChecklistView::new(&directory, list)).collect();
    Ok(Reply::ok(&ChecklistList { checklists }).into_response())
}

/// A word of the path; one that is none is an address that does not exist.
fn word<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Problem> {
    serde_json::from_value(text.into()).map_err(|_| Problem::of(Kind::NotFound))
}

/// What is asked.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChecklistBody {
    /// In the order in which it is asked; at most 50.
    items: Vec<Item>,
}

/// Puts a checklist in force from now on: for a team and those below it, or for every team. What was answered keeps its version.
#[utoipa::path(put, path = "/checklists/{for}/{when}", request_body = ChecklistBody,
    params(("for" = Whose, Path), ("when" = When, Path), TeamQuery),
    responses((status = 200, body = ChecklistView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn set(
    State(site): State<Site>,
    actor: Actor,
    Path((whose, when)): Path<(String, String)>,
    query: Result<Query<TeamQuery>, QueryRejection>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let Query(TeamQuery { team }) = query.map_err(|error| Problem::field("query", error.body_text()))?;
    let (body, of): (_, (Whose, When)) = (body?, (word(&whose)?, word(&when)?));
    let mut items = parse::<ChecklistBody>(&body)?.items;
    for item in &mut items {
        item.words = clean(&item.words);
    }
    if items.len() > MOST_ITEMS {
        return Err(Problem::field("items", "50 at most"));
    }
    checklist::check(&items)
        .map_err(|bad| Problem::field(format!("items[{}].{}", bad.at, bad.field), bad.why))?;
    let route = format!("PUT /checklists/{whose}/{when}?team={}", team.as_deref().unwrap_or_default());
    let case = async move |tx: &mut Tx, actor: &Actor, trace| {
        Ok(match cases::set(tx, actor, of, (team.as_deref(), items.clone()), trace).await? {
            Ok(list) => {
                let directory = people::directory(tx, actor.organisation).await?;
                Reply::ok(&ChecklistView::new(&directory, &list))
            }
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, route, &headers, body).run(case).await)
}

/// An item of a visit's checklist, and what was said of it last.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct AnsweredItemView {
    /// By which it is answered.
    item: String,
    /// What is asked.
    asked: String,
    /// Whether it is listed as missing until it is answered.
    required: bool,
    /// What was said.
    done: Option<Ticked>,
    /// In their words.
    words: Option<String>,
    /// Who said it.
    by: Option<PersonView>,
    /// When.
    at: Option<DateTime<Utc>>,
}

/// A checklist of a visit.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct VisitChecklistView {
    /// Who answers it.
    r#for: Whose,
    /// When.
    when: When,
    /// The version that was answered last, or else the one in force; none: the one that Homeward comes with.
    checklist: Option<Uuid>,
    /// Its number.
    version: i32,
    /// What is asked, and what was said.
    items: Vec<AnsweredItemView>,
    /// The required items of which nothing was said.
    missing: Vec<String>,
}

impl VisitChecklistView {
    fn new(directory: &Directory, list: &Checklist, times: &[Answered]) -> Self {
        let item = |item: &Item| {
            let said = last_said(times, &item.key);
            AnsweredItemView {
                item: item.key.clone(),
                asked: item.words.clone(),
                required: item.required,
                done: said.map(|(_, answer)| answer.done),
                words: said.and_then(|(_, answer)| answer.words.clone()),
                by: said.map(|(time, _)| PersonView::of(directory, time.by)),
                at: said.map(|(time, _)| time.at),
            }
        };
        Self {
            r#for: list.whose,
            when: list.when,
            checklist: list.id.map(|id| id.0),
            version: list.version,
            items: list.items.iter().map(item).collect(),
            missing: checklist::missing(&list.items, times),
        }
    }
}

/// What was said of the agreed measures.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct MeasuresView {
    /// At the door, or afterwards.
    moment: Moment,
    /// At the door: whether they are in place.
    in_place: Option<bool>,
    /// Afterwards: whether they were followed.
    followed: Option<bool>,
    /// In their words.
    words: Option<String>,
    /// Who said it.
    by: PersonView,
    /// When.
    at: DateTime<Utc>,
    /// Who was told at once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    told: Vec<PersonView>,
}

impl MeasuresView {
    fn new(directory: &Directory, said: &MeasuresSaid) -> Self {
        let kept = |moment| (said.moment == moment).then_some(said.kept == Kept::Yes);
        Self {
            moment: said.moment,
            in_place: kept(Moment::Door),
            followed: kept(Moment::After),
            words: said.words.clone(),
            by: PersonView::of(directory, said.by),
            at: said.at,
            told: Vec::new(),
        }
    }
}

/// The checklists of a visit, and what was said of the agreed measures.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct VisitChecklists {
    /// The worker's first; each before, during and after.
    checklists: Vec<VisitChecklistView>,
    /// In the order in which it was said.
    measures: Vec<MeasuresView>,
}

/// Shows the checklists of a visit with what was said of them and what is missing.
#[utoipa::path(get, path = "/visits/{id}/checklists", params(("id" = Uuid, Path)), responses((status = 200, body = VisitChecklists),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn of_visit(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = visit_id(&id)?;
    let mut tx = site.db.read().await?;
    let OfVisit { lists, measures, .. } = cases::of_visit(&mut tx, &actor, id).await??;
    let directory = people::directory(&mut tx, actor.organisation).await?;
    let view = VisitChecklists {
        checklists: lists
            .iter()
            .map(|(list, times)| VisitChecklistView::new(&directory, list, times))
            .collect(),
        measures: measures.iter().map(|said| MeasuresView::new(&directory, said)).collect(),
    };
    Ok(Reply::ok(&view).into_response())
}

/// What is said of a checklist.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswersBody {
    /// As many as you like; said again, the last counts.
    answers: Vec<Answer>,
}

/// What was kept of it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct AnswersKept {
    /// Whose list it was.
    r#for: Whose,
    /// Which.
    when: When,
    /// The version that was answered; none: the one that Homeward comes with.
    checklist: Option<Uuid>,
    /// Its number.
    version: i32,
    /// What was said now.
    answers: Vec<Answer>,
    /// The required items of which nothing was said yet: kept all the same.
    missing: Vec<String>,
}

/// Answers a checklist of a visit: the worker's by the worker, the manager's by a manager in reach. What is missing refuses nothing.
#[utoipa::path(post, path = "/visits/{id}/checklists/{when}", request_body = AnswersBody,
    params(("id" = Uuid, Path), ("when" = When, Path)),
    responses((status = 200, body = AnswersKept), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn answer(
    State(site): State<Site>,
    actor: Actor,
    Path((id, when)): Path<(String, String)>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let (body, of): (_, (_, When)) = (body?, (visit_id(&id)?, word(&when)?));
    let mut answers = parse::<AnswersBody>(&body)?.answers;
    if answers.len() > MOST_ITEMS {
        return Err(Problem::field("answers", "50 at most"));
    }
    for (at, answer) in answers.iter_mut().enumerate() {
        let words = answer.words.take().map(|words| clean(&words)).filter(|words| !words.is_empty());
        answer.words = words.map(|words| said(&format!("answers[{at}].words"), &words)).transpose()?;
    }
    let case = async move |tx: &mut Tx, actor: &Actor, trace| {
        Ok(match cases::answer(tx, actor, of, answers.clone(), trace).await? {
            Ok(cases::Kept { answered, missing }) => Reply::ok(&AnswersKept {
                r#for: answered.whose,
                when: answered.when,
                checklist: answered.checklist.map(|id| id.0),
                version: answered.version,
                answers: answered.answers,
                missing,
            }),
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, format!("POST /visits/{id}/checklists/{when}"), &headers, body).run(case).await)
}

/// What the worker says of the agreed measures.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MeasuresBody {
    /// At the door, or afterwards.
    moment: Moment,
    /// At the door: whether they are in place.
    in_place: Option<bool>,
    /// Afterwards: whether they were followed.
    followed: Option<bool>,
    /// If not: what is missing, or why.
    words: Option<String>,
    /// When this was said, if that was earlier.
    made_at: Option<DateTime<Utc>>,
}

fn read_measures(body: &[u8]) -> Result<Saying, Problem> {
    let MeasuresBody { moment, in_place, followed, words, made_at } = parse(body)?;
    let (asked, other, field, other_field) = match moment {
        Moment::Door => (in_place, followed, "in_place", "followed"),
        Moment::After => (followed, in_place, "followed", "in_place"),
    };
    if other.is_some() {
        return Err(Problem::field(other_field, "this is of the other moment"));
    }
    let is_so = asked.ok_or_else(|| Problem::field(field, "say true or false"))?;
    let kept = if is_so { Kept::Yes } else { Kept::No };
    let words = words.map(|words| clean(&words)).filter(|words| !words.is_empty());
    let words = words.map(|words| said("words", &words)).transpose()?;
    if kept == Kept::No && words.is_none() {
        return Err(Problem::field("words", "say what is missing, or why"));
    }
    Ok(Saying { moment, kept, words, made_at })
}

/// The worker says at the door whether the agreed measures are in place, and afterwards whether they were followed. If they are not
/// in place the manager is told at once. The visit is watched as before.
#[utoipa::path(post, path = "/visits/{id}/measures", params(("id" = Uuid, Path)), request_body = MeasuresBody,
    responses((status = 201, body = MeasuresView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn say_measures(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let (body, visit) = (body?, visit_id(&id)?);
    let saying = read_measures(&body)?;
    let house = Arc::clone(&site.house);
    let case = async move |tx: &mut Tx, actor: &Actor, trace| {
        Ok(match measures::say(tx, &house, actor, visit, saying.clone(), trace).await? {
            Ok((said, told)) => {
                let directory = people::directory(tx, actor.organisation).await?;
                let told = told.into_iter().map(|id| PersonView::of(&directory, id)).collect();
                let view = MeasuresView { told, ..MeasuresView::new(&directory, &said) };
                Reply::new(StatusCode::CREATED, &view)
            }
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, format!("POST /visits/{id}/measures"), &headers, body).run(case).await)
}
