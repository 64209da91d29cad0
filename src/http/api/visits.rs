//! Visits over HTTP: lists, one of them, and what every answer shows.

pub(super) mod acts;
mod reading;
pub(super) mod starts;

use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    Reply,
    views::{PersonView, VisitView},
};
use crate::{
    app::{
        Outcome, Rejected,
        access::Actor,
        visits::{self as cases, Came, Done},
    },
    domain::{
        event::Door,
        ids::{PersonId, VisitId},
        people::Role,
        policy::AgreementAsked,
        rights::{self, Relation},
        visit::{Alarm, Visit},
    },
    http::{
        Site,
        problem::{Kind, Problem},
    },
    store::{self, Trace, Tx, incidents, people, visits},
};

/// So many rows in one list.
const PAGE: i64 = 100;
/// Shows what was done, or why not.
async fn answer(tx: &mut Tx, actor: &Actor, outcome: Outcome<Done>, trace: Trace) -> store::Result<Reply> {
    let done = match outcome? {
        Ok(done) => done,
        Err(rejected) => return Ok(rejected.into()),
    };
    let Done { visit, alarm, warnings, .. } = done;
    let worker = worker_view(tx, actor, visit.worker).await?;
    let mut view = VisitView::new(actor, worker, &visit, alarm, trace.now);
    view.warnings = warnings;
    view.with = with(tx, &visit).await?;
    if visit.worker != actor.person && alarm != Alarm::Quiet {
        view = view.with_incident(actor.incident_of_visit(tx, &visit).await?);
    }
    Ok(Reply::ok(&view))
}

/// Who else is on it.
async fn with(tx: &mut Tx, visit: &Visit) -> store::Result<Vec<PersonView>> {
    let mut with = Vec::new();
    for (_, person) in cases::others_on(tx, visit).await? {
        let name = people::name(tx, visit.organisation, person).await?.unwrap_or_default();
        with.push(PersonView { id: person.0, name });
    }
    Ok(with)
}

pub(super) async fn worker_view(tx: &mut Tx, actor: &Actor, worker: PersonId) -> store::Result<PersonView> {
    if worker == actor.person {
        return Ok(PersonView { id: worker.0, name: actor.name.clone() });
    }
    let name = people::name(tx, actor.organisation, worker).await?;
    Ok(PersonView { id: worker.0, name: name.unwrap_or_default() })
}

/// What a list can be narrowed by.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// planned, begun, `going_home`, ended, cancelled or recorded.
    state: Option<String>,
    /// One worker's, by id.
    worker: Option<Uuid>,
    /// Those made after this one: the last id of the page before.
    after: Option<Uuid>,
}

/// A page of visits.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct VisitList {
    /// In the order in which they were made.
    visits: Vec<VisitView>,
    /// Hand this back as `after`; `null`: there are no more.
    next: Option<Uuid>,
}

/// Lists the visits that you may see: your own, and those of your team and the teams below.
#[utoipa::path(get, path = "/visits", params(ListQuery), responses((status = 200, body = VisitList),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(site): State<Site>,
    actor: Actor,
    query: Result<Query<ListQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|error| Problem::field("query", error.body_text()))?;
    let state = match query.state.as_deref() {
        None => None,
        Some(word) => Some(
            ["planned", "begun", "going_home", "ended", "cancelled", "recorded"]
                .into_iter()
                .find(|known| *known == word)
                .ok_or_else(|| {
                    Problem::field("state", "use planned, begun, going_home, ended, cancelled or recorded")
                })?,
        ),
    };
    let mut tx = site.db.read().await?;
    let directory = people::directory(&mut tx, actor.organisation).await?;
    let reach = people::reach(&mut tx, actor.organisation, actor.team).await?;
    let sees = |visit: &Visit| {
        let own = visit.worker == actor.person;
        let relation = Relation { own, in_reach: reach.contains(&visit.team), ..Relation::default() };
        rights::may(actor.role, rights::Act::SeeVisit, relation).is_ok()
    };
    // Whoever sees no team is not led through everybody's pages to find their own.
    let own_alone = matches!(actor.role, Role::Worker | Role::Administrator);
    let worker = query.worker.map(PersonId).or(own_alone.then_some(actor.person));
    let filter = visits::Filter { state, worker, after: query.after.map(VisitId) };
    let found = visits::list(&mut tx, actor.organisation, filter, PAGE).await?;
    let next =
        (i64::try_from(found.len()) == Ok(PAGE)).then(|| found.last().map(|visit| visit.id.0)).flatten();
    // Hardly anybody is in an alarm: of the others' visits only theirs are asked about one by one. Of one's own each is, alarm or not:
    // else it could be measured whether there is a silent one.
    let workers = found.iter().map(|visit| visit.worker);
    let mut alarmed = incidents::open_about_any_of(&mut tx, actor.organisation, workers).await?;
    alarmed.insert(actor.person);
    let mut views = Vec::new();
    for visit in found.iter().filter(|visit| sees(visit)) {
        let (mut incident, mut alarm) = (None, Alarm::Quiet);
        if alarmed.contains(&visit.worker) {
            incident = actor.incident_of_visit(&mut tx, visit).await?;
            alarm = cases::alarm_of(&mut tx, visit).await?;
        }
        let worker = PersonView::of(&directory, visit.worker);
        let mut view = VisitView::new(&actor, worker, visit, alarm, site.clock.now());
        view.with = with(&mut tx, visit).await?;
        views.push(if visit.worker == actor.person { view } else { view.with_incident(incident) });
    }
    Ok(Reply::ok(&VisitList { visits: views, next }).into_response())
}

/// Shows a visit.
#[utoipa::path(get, path = "/visits/{id}", params(("id" = Uuid, Path)), responses((status = 200, body = VisitView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = visit_id(&id)?;
    let mut tx = site.db.read().await?;
    let visit =
        visits::find(&mut tx, actor.organisation, id).await?.ok_or_else(|| Problem::of(Kind::NotFound))?;
    let relation = actor.relation_to_visit(&mut tx, &visit).await?;
    rights::may(actor.role, rights::Act::SeeVisit, relation).map_err(Rejected::from)?;
    let trace = Trace { actor: Some(actor.person), door: Door::Api, now: site.clock.now() };
    Ok(as_it_is(&mut tx, &actor, visit, trace).await?.into_response())
}

/// Shows a visit as it stands now.
pub(super) async fn as_it_is(tx: &mut Tx, actor: &Actor, visit: Visit, trace: Trace) -> store::Result<Reply> {
    let alarm = cases::alarm_of(tx, &visit).await?;
    let done =
        Done { visit, alarm, warnings: vec![], came: Came::ThereBefore, agreement: AgreementAsked::NotAsked };
    answer(tx, actor, Ok(Ok(done)), trace).await
}

/// An id that is none is one that does not exist.
pub(super) fn visit_id(text: &str) -> Result<VisitId, Problem> {
    text.parse().map(VisitId).map_err(|_| Problem::of(Kind::NotFound))
}
