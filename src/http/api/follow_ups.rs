//! What has to be done after incidents, over HTTP.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Act, Reply, incidents::said, views::PersonView};
use crate::{
    app::{Rejected, access::Actor, follow_ups as cases, incidents as incident_cases},
    domain::{
        follow_up::{FollowUp, FollowUpKind},
        ids::FollowUpId,
        people::Directory,
        rights,
    },
    http::{
        Site,
        body::{Body, parse},
        problem::{Kind, Problem},
    },
    store::{follow_ups, incidents, people},
};

/// So many are shown in one list.
const PAGE: usize = 500;

/// So many are looked at in one go.
const AT_ONCE: i64 = 200;

/// Something that has to be done after an incident.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(super) struct FollowUpView {
    /// Its id.
    id: Uuid,
    /// After which incident.
    incident: Uuid,
    /// About what.
    kind: FollowUpKind,
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

impl FollowUpView {
    pub(super) fn new(directory: &Directory, follow_up: &FollowUp) -> Self {
        let person = |id| PersonView::of(directory, id);
        let (set_by, set_at) = follow_up.set;
        let done = follow_up.done.as_ref();
        Self {
            id: follow_up.id.0,
            incident: follow_up.incident.0,
            kind: follow_up.kind,
            what: follow_up.what.clone(),
            owner: person(follow_up.owner),
            due_on: follow_up.due_on,
            set_at,
            set_by: person(set_by),
            done_at: done.map(|done| done.at),
            done_by: done.map(|done| person(done.by)),
            note: done.map(|done| done.note.clone()),
        }
    }
}

/// What is to be done.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FollowUpBody {
    /// About what.
    kind: FollowUpKind,
    /// What is to be done.
    what: String,
    /// Who does it: an id, or the key of the organisation's file.
    owner: String,
    /// By that day; from then on the owner is asked each day until it is done.
    due_on: NaiveDate,
}

/// Says what has to be done after an incident, by whom and by when.
#[utoipa::path(post, path = "/incidents/{id}/follow-ups", params(("id" = String, Path)), request_body = FollowUpBody,
    responses((status = 201, body = FollowUpView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn set(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let FollowUpBody { kind, what, owner, due_on } = parse(&body)?;
    if !(2000..2200).contains(&due_on.year()) {
        return Err(Problem::field("due_on", "this day cannot be meant: say it as 2026-03-09"));
    }
    let wanted = cases::Wanted { kind, what: said("what", &what)?, owner, due_on };
    let route = format!("POST /incidents/{id}/follow-ups");
    let case = async move |tx: &mut _, actor: &Actor, trace| {
        let Some(id) = incident_cases::named(tx, actor, &id).await? else {
            return Ok(Rejected::NotFound.into());
        };
        Ok(match cases::set(tx, actor, id, wanted.clone(), trace).await? {
            Ok(follow_up) => {
                let directory = people::directory(tx, actor.organisation).await?;
                Reply::new(StatusCode::CREATED, &FollowUpView::new(&directory, &follow_up))
            }
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, route, &headers, body).run(case).await)
}

/// That it is done.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DoneBody {
    /// What was done.
    note: String,
}

/// Says that it is done. Said again it changes nothing.
#[utoipa::path(post, path = "/follow-ups/{id}/done", params(("id" = Uuid, Path)), request_body = DoneBody,
    responses((status = 200, body = FollowUpView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn done(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let note = said("note", &parse::<DoneBody>(&body)?.note)?;
    let follow_up = id.parse().map(FollowUpId).map_err(|_| Problem::of(Kind::NotFound))?;
    let case = async move |tx: &mut _, actor: &Actor, trace| {
        Ok(match cases::done(tx, actor, follow_up, &note, trace).await? {
            Ok(follow_up) => {
                let directory = people::directory(tx, actor.organisation).await?;
                Reply::ok(&FollowUpView::new(&directory, &follow_up))
            }
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, format!("POST /follow-ups/{id}/done"), &headers, body).run(case).await)
}

/// What is not done yet.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct FollowUpList {
    /// The most urgent first, at most 500.
    follow_ups: Vec<FollowUpView>,
}

/// Lists what is not done yet: your own, and what is of incidents that you may see.
#[utoipa::path(get, path = "/follow-ups", responses((status = 200, body = FollowUpList),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(State(site): State<Site>, actor: Actor) -> Result<Response, Problem> {
    let mut tx = site.db.read().await?;
    let directory = people::directory(&mut tx, actor.organisation).await?;
    let mut views = Vec::new();
    let mut last = None;
    // What somebody may not see takes no room in the list.
    while views.len() < PAGE {
        let page = follow_ups::open(&mut tx, actor.organisation, (last.as_ref(), AT_ONCE)).await?;
        if page.is_empty() {
            break;
        }
        for follow_up in &page {
            let found = incidents::find(&mut tx, actor.organisation, follow_up.incident).await?;
            let Some(incident) = found else { continue };
            let relation = actor.relation_to_incident(&mut tx, &incident).await?;
            let sees = rights::may(actor.role, rights::Act::SeeIncident, relation).is_ok();
            // What is theirs to do they see, except where they may not know why.
            if sees || (follow_up.owner == actor.person && !relation.withheld) {
                views.push(FollowUpView::new(&directory, follow_up));
            }
        }
        last = page.into_iter().last();
    }
    views.truncate(PAGE);
    Ok(Reply::ok(&FollowUpList { follow_ups: views }).into_response())
}
