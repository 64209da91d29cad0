//! What is done to a visit that is there.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    answer,
    reading::{MOST_MINUTES, Reading},
    starts::by_old_token,
    visit_id,
};
use crate::{
    app::{
        access::Actor,
        agreements,
        visits::{self as cases, Request},
    },
    domain::{
        ids::{PersonId, VisitId},
        start::Warning,
        visit::{self, ExtendTo, KnownBy, VisitOutcome},
    },
    http::{
        Site,
        api::{
            self, Act, Reply, Reuse,
            views::{StillWatched, VisitView},
        },
        auth::Caller,
        body::{Body, clean, parse},
        problem::Problem,
    },
    store::{self, Tx},
};

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
            let outcome = cases::act(tx, &house, actor, id, request, trace).await?;
            let worker = outcome.as_ref().ok().map(|done| done.visit.worker);
            let mut reply = answer(tx, actor, Ok(outcome), trace).await?;
            if let Some(worker) = worker.filter(|_| ends) {
                add_still_watched(tx, actor, worker, id, &mut reply).await?;
            }
            add_warnings(&mut reply, &odd);
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
pub(in crate::http::api) struct MadeAtBody {
    /// When this was said, if that was earlier.
    made_at: Option<DateTime<Utc>>,
}

/// What somebody says who is at the door; nothing has to.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the request; nothing odd in it can refuse it")]
pub(in crate::http::api) struct ArriveBody {
    /// When this was said, if that was earlier.
    made_at: Option<DateTime<Utc>>,
}

/// The worker is at the door; a planned visit begins.
///
/// Nothing in the body can refuse it. A plan of the worker's own that was over before it began is watched as a new visit.
#[utoipa::path(post, path = "/visits/{id}/arrive", params(("id" = Uuid, Path)), request_body = ArriveBody, responses(
    (status = 200, body = VisitView), (status = 201, body = VisitView, description = "the plan was over: a new visit"),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(in crate::http::api) async fn arrive(
    State(site): State<Site>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    let actor = match caller {
        Caller::Known(actor) => actor,
        Caller::Once(actor) => return by_old_token(site, actor).await,
    };
    let id = match visit_id(&id) {
        Ok(id) => id,
        Err(problem) => return problem.into_response(),
    };
    let (made_at, odd) = read_arrival(body.as_deref());
    let house = std::sync::Arc::clone(&site.house);
    let route = format!("POST /visits/{id}/arrive");
    let mut act = Act::new(site, actor, route, &headers, body.unwrap_or_default());
    act.reuse = Reuse::Warn;
    act.run(async move |tx, actor, trace| {
        let mut outcome = cases::arrive(tx, &house, actor, id, made_at, trace).await?;
        let created = matches!(&outcome, Ok(done) if done.came.is_new());
        if let Ok(done) = &mut outcome {
            let stands = if done.visit.id == id {
                agreements::follow_arrival(tx, &house, done, trace).await?
            } else {
                agreements::follow(tx, &house, done, trace).await?
            };
            let words = api::agreements::in_words(&stands);
            done.warnings.extend(words.map(|words| Warning::about("agreement", words)));
        }
        let mut reply = answer(tx, actor, Ok(outcome), trace).await?;
        if created {
            reply.status = StatusCode::CREATED;
        }
        add_warnings(&mut reply, &odd);
        Ok(reply)
    })
    .await
}

/// When somebody says that they are at the door, and what was odd about how they said it.
fn read_arrival(body: Result<&[u8], &Problem>) -> (Option<DateTime<Utc>>, Vec<Warning>) {
    let fields: Option<Map<String, Value>> = body.ok().and_then(|body| parse(body).ok());
    let Some(fields) = fields else {
        return (None, vec![Warning::general("the body could not be read: counted from now")]);
    };
    let mut reading = Reading { fields, warnings: vec![] };
    let made_at = reading.take("made_at");
    reading.leave_out_the_rest();
    (made_at, reading.warnings)
}

fn add_warnings(reply: &mut Reply, odd: &[Warning]) {
    if let Some(warnings) = reply.body.get_mut("warnings").and_then(Value::as_array_mut) {
        warnings.extend(odd.iter().filter_map(|warning| serde_json::to_value(warning).ok()));
    }
}

/// A PIN.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http::api) struct PinBody {
    /// The worker's PIN.
    pin: Option<String>,
    /// When this was said, if that was earlier.
    made_at: Option<DateTime<Utc>>,
}

/// The worker is fine.
#[utoipa::path(post, path = "/visits/{id}/check-in", params(("id" = Uuid, Path)), request_body = PinBody,
    responses((status = 200, body = VisitView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(in crate::http::api) async fn check_in(
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
pub(in crate::http::api) struct ExtendBody {
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
pub(in crate::http::api) async fn extend(
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
pub(in crate::http::api) struct CheckOutBody {
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
pub(in crate::http::api) async fn check_out(
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
        reading.leave_out_the_rest();
        let record = visit::Record { outcome, seen_whom, work_undertaken };
        Ok(Said { act: visit::Act::CheckOut(record), pin, known_by, made_at, odd: reading.warnings })
    })
    .await
}

/// The worker is home; a visit that still runs ends with it.
#[utoipa::path(post, path = "/visits/{id}/home", params(("id" = Uuid, Path)), request_body = PinBody,
    responses((status = 200, body = VisitView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(in crate::http::api) async fn home(
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
pub(in crate::http::api) struct RecordBody {
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
pub(in crate::http::api) async fn record(
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
pub(in crate::http::api) struct CancelBody {
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
pub(in crate::http::api) async fn cancel(
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
pub(in crate::http::api) async fn object(
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
