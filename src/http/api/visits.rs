//! Visits over HTTP.

use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    Act, Reply, Reuse,
    views::{PersonView, StillWatched, VisitView},
};
use crate::{
    app::{
        Outcome, Rejected,
        access::Actor,
        agreements,
        visits::{self as cases, Came, Done, ForWhom, Request, Unwatched},
    },
    domain::{
        command::Plan,
        event::Door,
        ids::{PersonId, VisitId},
        people::Role,
        policy::AgreementAsked,
        rights::{self, Relation},
        start::{Departure, Start, Warning},
        visit::{self, Alarm, Details, ExtendTo, KnownBy, Risk, Visit, VisitOutcome, Visiting},
    },
    http::{
        Site,
        auth::Caller,
        body::{Body, clean, parse},
        problem::{Kind, Problem},
    },
    store::{self, Trace, Tx, people, visits},
};

/// So many rows in one list.
const PAGE: i64 = 100;
/// Longer words are cut: they are for people to read.
const LONGEST_WORDS: usize = 2000;
/// The longest that minutes may say: 999.
const MOST_MINUTES: i64 = 999;
/// Checks that come more often say nothing more.
const FEWEST_BETWEEN: i64 = 5;
/// The longest that nothing is heard of somebody.
const MOST_BETWEEN: i64 = 720;

/// What a start says. Everything may be missing: it is watched all the same.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[expect(
    dead_code,
    reason = "describes the request; it is read field by field so that nothing odd can refuse it"
)]
pub(super) struct StartBody {
    /// Why.
    purpose: Option<String>,
    /// Where.
    place: Option<String>,
    /// Whose case.
    case_reference: Option<String>,
    /// Who is visited.
    visiting: Option<Visiting>,
    /// When the worker means to arrive; ahead of now it makes this a plan, which nobody watches until it begins.
    expected_arrival: Option<DateTime<Utc>>,
    /// When the worker means to be out.
    expected_departure: Option<DateTime<Utc>>,
    /// Or so many minutes after the start.
    minutes: Option<i64>,
    /// How dangerous.
    risk: Option<Risk>,
    /// The phone will have no signal there.
    no_signal_expected: Option<bool>,
    /// The worker says every so many minutes that all is well: 5 to 720.
    check_every_minutes: Option<i64>,
    /// So many minutes after leaving the worker says that they are home: 5 to 720.
    home_within_minutes: Option<i64>,
    /// Who goes in too, each by id or by the key of the organisation's file: each is watched on their own.
    with: Option<Vec<String>>,
    /// When this was said, if that was earlier.
    made_at: Option<DateTime<Utc>>,
    /// For whom, if for somebody else: an id, or the key of the organisation's file.
    worker: Option<String>,
}

/// Reads a start: whatever is odd becomes a default and a warning.
struct Reading {
    fields: Map<String, Value>,
    warnings: Vec<Warning>,
}

impl Reading {
    fn take<T: DeserializeOwned>(&mut self, field: &str) -> Option<T> {
        let value = self.fields.remove(field).filter(|value| !value.is_null())?;
        serde_json::from_value(value)
            .map_err(|error| self.warnings.push(Warning::about(field, format!("left out: {error}"))))
            .ok()
    }

    /// Minutes between one and another of which something is awaited; what is out of bounds is brought within them.
    fn between(&mut self, field: &str) -> Option<TimeDelta> {
        let said: i64 = self.take(field)?;
        if said == 0 {
            return None;
        }
        let minutes = said.clamp(FEWEST_BETWEEN, MOST_BETWEEN);
        if minutes != said {
            let message = format!("between {FEWEST_BETWEEN} and {MOST_BETWEEN}: taken as {minutes}");
            self.warnings.push(Warning::about(field, message));
        }
        Some(TimeDelta::minutes(minutes))
    }

    fn words(&mut self, field: &str) -> Option<String> {
        let text: String = self.take(field)?;
        let text = clean(&text);
        if text.chars().count() > LONGEST_WORDS {
            self.warnings.push(Warning::about(field, format!("cut to {LONGEST_WORDS} characters")));
        }
        (!text.is_empty()).then(|| text.chars().take(LONGEST_WORDS).collect())
    }
}

/// A start as it was read, and what was odd about it.
struct ReadStart {
    start: Start,
    for_whom: ForWhom,
    with: Vec<String>,
    odd: Vec<Warning>,
}

fn read_start(body: &[u8]) -> Result<ReadStart, Problem> {
    let value: Value = parse(body)?;
    let mut reading = if let Value::Object(fields) = value {
        Reading { fields, warnings: vec![] }
    } else {
        let warnings = vec![Warning::general("the body is no JSON object: nothing in it was read")];
        Reading { fields: Map::new(), warnings }
    };
    let details = Details {
        purpose: reading.words("purpose"),
        place: reading.words("place"),
        case_reference: reading.words("case_reference"),
        visiting: reading.take("visiting"),
        risk: reading.take("risk").unwrap_or_default(),
        no_signal_expected: reading.take("no_signal_expected").unwrap_or_default(),
        check_every: reading.between("check_every_minutes"),
        home_within: reading.between("home_within_minutes"),
    };
    let with = reading.take("with").unwrap_or_default();
    let until: Option<DateTime<Utc>> = reading.take("expected_departure");
    let minutes: Option<i64> = reading.take("minutes");
    if until.is_some() && minutes.is_some() {
        reading.warnings.push(Warning::about("minutes", "left out: expected_departure says it already"));
    }
    let departure = match (until, minutes) {
        (Some(until), _) => Departure::At(until),
        (None, Some(minutes)) => {
            Departure::After(TimeDelta::minutes(minutes.clamp(-MOST_MINUTES, MOST_MINUTES)))
        }
        (None, None) => Departure::Missing,
    };
    let start = Start {
        details,
        expected_arrival: reading.take("expected_arrival"),
        departure,
        made_at: reading.take("made_at"),
        plan: Plan::AsDescribed,
    };
    let for_whom = reading.take("worker").map_or(ForWhom::Self_, ForWhom::Another);
    for field in std::mem::take(&mut reading.fields).into_iter().map(|(field, _)| field) {
        reading.warnings.push(Warning::about(&field, "left out: there is no such field"));
    }
    Ok(ReadStart { start, for_whom, with, odd: reading.warnings })
}

/// Starts a visit, or plans one.
///
/// Never refused: what is missing or odd becomes a default and a warning. Only a plan with times that cannot be is (422).
#[utoipa::path(post, path = "/visits", request_body = StartBody, responses(
    (status = 201, body = VisitView), (status = 200, body = VisitView, description = "the words of a visit that is running"),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn start(
    State(site): State<Site>,
    caller: Caller,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    let actor = match caller {
        Caller::Known(actor) => actor,
        Caller::Once(actor) => return by_old_token(site, actor).await,
    };
    let read = body.and_then(|body| Ok((read_start(&body)?, body)));
    let (ReadStart { start, for_whom, with, odd }, body) = match read {
        Ok(read) => read,
        Err(problem) => return unreadable(site, actor, problem).await,
    };
    let id = VisitId::new(site.clock.now());
    let house = std::sync::Arc::clone(&site.house);
    let mut act = Act::new(site, actor, "POST /visits", &headers, body);
    act.reuse = Reuse::Warn;
    act.run(async move |tx, actor, trace| {
        let mut outcome = cases::start(tx, &house, actor, &for_whom, start.clone(), id, trace).await?;
        if let Ok(done) = &mut outcome {
            let joined = cases::accompany(tx, &house, actor, done, &with, trace).await?;
            let stands = agreements::follow(tx, &house, done, trace).await?;
            agreements::follow_companions(tx, &house, joined, trace).await?;
            done.warnings
                .extend(super::agreements::in_words(&stands).map(|words| Warning::about("agreement", words)));
        }
        let created = matches!(&outcome, Ok(done) if done.came.is_new());
        let mut reply = answer(tx, actor, Ok(outcome), trace).await?;
        if created {
            reply.status = StatusCode::CREATED;
        }
        if let Some(warnings) = reply.body.get_mut("warnings").and_then(Value::as_array_mut) {
            warnings.splice(0..0, odd.iter().filter_map(|warning| serde_json::to_value(warning).ok()));
        }
        Ok(reply)
    })
    .await
}

/// What cannot be read at all is not watched, and the manager is told so.
pub(super) async fn unreadable(site: Site, actor: Actor, problem: Problem) -> Response {
    unwatched(site, actor, Unwatched::Unreadable, problem).await
}

/// Nor is a start by a token that no longer lets in.
pub(super) async fn by_old_token(site: Site, actor: Actor) -> Response {
    let problem = Problem::new(Kind::NoToken, "this token has expired or was revoked");
    unwatched(site, actor, Unwatched::OldToken, problem).await
}

async fn unwatched(site: Site, actor: Actor, why: Unwatched, problem: Problem) -> Response {
    let trace = Trace { actor: Some(actor.person), door: Door::Api, now: site.clock.now() };
    let house = std::sync::Arc::clone(&site.house);
    let case = async move |tx: &mut Tx| cases::unwatched_start(tx, &house, &actor, why, trace).await;
    if let Err(error) = site.db.write(case).await {
        return Problem::from(error).into_response();
    }
    let why = problem.detail;
    let mut answer = Problem::of(Kind::NotWatched);
    answer.detail =
        format!("YOU ARE NOT BEING WATCHED: {why}. Your manager was told. Send it again, or ring them.");
    answer.status = problem.status;
    answer.into_response()
}

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
    let mut views = Vec::new();
    for visit in found.iter().filter(|visit| sees(visit)) {
        let incident = actor.incident_of_visit(&mut tx, visit).await?;
        let alarm = cases::alarm_of(&mut tx, visit).await?;
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
    let alarm = cases::alarm_of(&mut tx, &visit).await?;
    let now = site.clock.now();
    let done =
        Done { visit, alarm, warnings: vec![], came: Came::ThereBefore, agreement: AgreementAsked::NotAsked };
    let trace = Trace { actor: Some(actor.person), door: Door::Api, now };
    Ok(answer(&mut tx, &actor, Ok(Ok(done)), trace).await?.into_response())
}

/// An id that is none is one that does not exist.
pub(super) fn visit_id(text: &str) -> Result<VisitId, Problem> {
    text.parse().map(VisitId).map_err(|_| Problem::of(Kind::NotFound))
}

/// What a request says of a visit.
struct Said {
    act: visit::Act,
    pin: Option<String>,
    known_by: Option<KnownBy>,
    made_at: Option<DateTime<Utc>>,
    odd: Vec<Warning>,
}

impl Said {
    fn new(act: visit::Act, made_at: Option<DateTime<Utc>>) -> Self {
        Self { act, pin: None, known_by: None, made_at, odd: vec![] }
    }
}

async fn act(
    site: Site,
    actor: Actor,
    (id, word): (String, &str),
    headers: HeaderMap,
    body: Result<axum::body::Bytes, Problem>,
    read: impl FnOnce(&[u8]) -> Result<Said, Problem>,
) -> Response {
    let read = body.and_then(|body| Ok((visit_id(&id)?, read(&body)?, body)));
    let (id, Said { act, pin, known_by, made_at, odd }, body) = match read {
        Ok(read) => read,
        Err(problem) => return problem.into_response(),
    };
    let pin = pin.map(|pin| site.key.given(actor.person, &pin, ""));
    let house = std::sync::Arc::clone(&site.house);
    let ends = matches!(act, visit::Act::CheckOut { .. } | visit::Act::HomeSafe);
    let request = Act::new(site, actor, format!("POST /visits/{id}/{word}"), &headers, body);
    let request = if ends { request.urgent() } else { request };
    request
        .run(async move |tx, actor, trace| {
            let request = Request { act: act.clone(), pin: pin.clone(), known_by, made_at };
            let mut outcome = cases::act(tx, &house, actor, id, request, trace).await?;
            if let (Ok(done), visit::Act::Arrive) = (&mut outcome, &act) {
                let stands = agreements::follow_arrival(tx, &house, done, trace).await?;
                let words = super::agreements::in_words(&stands);
                done.warnings.extend(words.map(|words| Warning::about("agreement", words)));
            }
            let worker = outcome.as_ref().ok().map(|done| done.visit.worker);
            let mut reply = answer(tx, actor, Ok(outcome), trace).await?;
            if let Some(worker) = worker.filter(|_| ends) {
                add_still_watched(tx, actor, worker, id, &mut reply).await?;
            }
            if let Some(warnings) = reply.body.get_mut("warnings").and_then(Value::as_array_mut) {
                warnings.extend(odd.iter().filter_map(|warning| serde_json::to_value(warning).ok()));
            }
            Ok(reply)
        })
        .await
}

/// A check-out by id ends that visit alone and names those still watched.
async fn add_still_watched(
    tx: &mut Tx,
    actor: &Actor,
    worker: PersonId,
    id: VisitId,
    reply: &mut Reply,
) -> store::Result<()> {
    let still = cases::still_watched(tx, actor, worker, id).await?;
    if still.is_empty() {
        return Ok(());
    }
    let still: Vec<_> = still
        .into_iter()
        .map(|(id, expected_departure)| StillWatched { id: id.0, expected_departure })
        .collect();
    if let (Some(body), Ok(still)) = (reply.body.as_object_mut(), serde_json::to_value(still)) {
        body.insert("still_watched".into(), still);
    }
    Ok(())
}

/// When something was said.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MadeAtBody {
    /// When this was said, if that was earlier.
    made_at: Option<DateTime<Utc>>,
}

/// The worker is at the door; a planned visit begins.
#[utoipa::path(post, path = "/visits/{id}/arrive", params(("id" = Uuid, Path)), request_body = MadeAtBody,
    responses((status = 200, body = VisitView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn arrive(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    act(site, actor, (id, "arrive"), headers, body, |body| {
        Ok(Said::new(visit::Act::Arrive, parse::<MadeAtBody>(body)?.made_at))
    })
    .await
}

/// A PIN.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PinBody {
    /// The worker's PIN.
    pin: Option<String>,
    /// When this was said, if that was earlier.
    made_at: Option<DateTime<Utc>>,
}

/// The worker is fine.
#[utoipa::path(post, path = "/visits/{id}/check-in", params(("id" = Uuid, Path)), request_body = PinBody,
    responses((status = 200, body = VisitView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn check_in(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    act(site, actor, (id, "check-in"), headers, body, |body| {
        let PinBody { pin, made_at } = parse(body)?;
        Ok(Said { pin, ..Said::new(visit::Act::CheckIn, made_at) })
    })
    .await
}

/// A later departure.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExtendBody {
    /// So many minutes after the later of now and the present departure: 1 to 720.
    minutes: Option<i64>,
    /// Or until then.
    until: Option<DateTime<Utc>>,
    /// The worker's PIN.
    pin: Option<String>,
    /// For somebody else: how you know.
    known_by: Option<KnownBy>,
    /// When this was said, if that was earlier.
    made_at: Option<DateTime<Utc>>,
}

/// The worker stays longer.
#[utoipa::path(post, path = "/visits/{id}/extend", params(("id" = Uuid, Path)), request_body = ExtendBody,
    responses((status = 200, body = VisitView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn extend(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    act(site, actor, (id, "extend"), headers, body, |body| {
        let body: ExtendBody = parse(body)?;
        let to = match (body.minutes, body.until) {
            (Some(minutes @ 1..=MOST_MINUTES), None) => ExtendTo::For(TimeDelta::minutes(minutes)),
            (Some(_), None) => return Err(Problem::field("minutes", "between 1 and 999")),
            (None, Some(until)) => ExtendTo::Until(until),
            _ => return Err(Problem::field("minutes", "say either `minutes` or `until`")),
        };
        let ExtendBody { pin, known_by, made_at, .. } = body;
        Ok(Said { pin, known_by, ..Said::new(visit::Act::Extend(to), made_at) })
    })
    .await
}

/// The worker is out.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the request; a check-out is refused for nothing but its PIN")]
pub(super) struct CheckOutBody {
    /// The worker's PIN.
    pin: Option<String>,
    /// How it turned out.
    outcome: Option<VisitOutcome>,
    /// Who was seen.
    seen_whom: Option<String>,
    /// What was done.
    work_undertaken: Option<String>,
    /// For somebody else: how you know.
    known_by: Option<KnownBy>,
    /// When this was said, if that was earlier.
    made_at: Option<DateTime<Utc>>,
}

/// Ends a visit.
///
/// Refused for nothing but the PIN: what else is odd is left out with a warning. Said again it answers 200 with the state.
#[utoipa::path(post, path = "/visits/{id}/check-out", params(("id" = Uuid, Path)), request_body = CheckOutBody,
    responses((status = 200, body = VisitView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn check_out(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    act(site, actor, (id, "check-out"), headers, body, |body| {
        let fields: Map<String, Value> = parse(body)?;
        let mut reading = Reading { fields, warnings: vec![] };
        let pin = reading.take("pin");
        let outcome = reading.take("outcome");
        let seen_whom = reading.words("seen_whom");
        let work_undertaken = reading.words("work_undertaken");
        let known_by = reading.take("known_by");
        let made_at = reading.take("made_at");
        for field in std::mem::take(&mut reading.fields).into_iter().map(|(field, _)| field) {
            reading.warnings.push(Warning::about(&field, "left out: there is no such field"));
        }
        let record = visit::Record { outcome, seen_whom, work_undertaken };
        Ok(Said { act: visit::Act::CheckOut(record), pin, known_by, made_at, odd: reading.warnings })
    })
    .await
}

/// The worker is home; a visit that still runs ends with it.
#[utoipa::path(post, path = "/visits/{id}/home", params(("id" = Uuid, Path)), request_body = PinBody,
    responses((status = 200, body = VisitView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn home(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    act(site, actor, (id, "home"), headers, body, |body| {
        let PinBody { pin, made_at } = parse(body)?;
        Ok(Said { pin, ..Said::new(visit::Act::HomeSafe, made_at) })
    })
    .await
}

/// How it turned out.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordBody {
    /// How it turned out.
    outcome: VisitOutcome,
    /// Who was seen, if anybody was.
    seen_whom: Option<String>,
    /// What was done.
    work_undertaken: String,
}

/// Records how a visit turned out and what was done, later.
#[utoipa::path(post, path = "/visits/{id}/record", params(("id" = Uuid, Path)), request_body = RecordBody,
    responses((status = 200, body = VisitView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn record(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    act(site, actor, (id, "record"), headers, body, |body| {
        let RecordBody { outcome, seen_whom, work_undertaken } = parse(body)?;
        let record = visit::Record {
            outcome: Some(outcome),
            seen_whom: seen_whom.map(|whom| clean(&whom)),
            work_undertaken: Some(clean(&work_undertaken)),
        };
        Ok(Said::new(visit::Act::Record(record), None))
    })
    .await
}

/// Why a plan is called off.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelBody {
    /// The worker's PIN.
    pin: Option<String>,
    /// Why.
    reason: String,
    /// When this was said, if that was earlier.
    made_at: Option<DateTime<Utc>>,
}

/// Calls a plan off; a visit that has begun is ended instead.
#[utoipa::path(post, path = "/visits/{id}/cancel", params(("id" = Uuid, Path)), request_body = CancelBody,
    responses((status = 200, body = VisitView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn cancel(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    act(site, actor, (id, "cancel"), headers, body, |body| {
        let CancelBody { pin, reason, made_at } = parse(body)?;
        Ok(Said { pin, ..Said::new(visit::Act::Cancel { reason: clean(&reason) }, made_at) })
    })
    .await
}

/// The worker says that what somebody else did for them is not right: it is watched on. It needs no PIN.
#[utoipa::path(post, path = "/visits/{id}/object", params(("id" = Uuid, Path)), request_body = MadeAtBody,
    responses((status = 200, body = VisitView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn object(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    act(site, actor, (id, "object"), headers, body, |body| {
        Ok(Said::new(visit::Act::Object, parse::<MadeAtBody>(body)?.made_at))
    })
    .await
}
