//! A start or a plan, read so that nothing odd in it can refuse it.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    answer,
    reading::{MOST_MINUTES, Reading},
};
use crate::{
    app::{
        access::Actor,
        agreements,
        visits::{self as cases, ForWhom, Unwatched},
    },
    domain::{
        command::Plan,
        event::Door,
        ids::VisitId,
        start::{Departure, Start, Warning},
        visit::{Details, Risk, Visiting},
    },
    http::{
        Site,
        api::{self, Act, Reuse, views::VisitView},
        auth::Caller,
        body::{Body, clean_line, parse},
        problem::{Kind, Problem},
    },
    store::{Trace, Tx},
};

/// What a start says. Everything may be missing: it is watched all the same.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[expect(
    dead_code,
    reason = "describes the request; it is read field by field so that nothing odd can refuse it"
)]
pub(in crate::http::api) struct StartBody {
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
        case_reference: reading.words("case_reference").and_then(|reference| clean_line(&reference)),
        place_said: None,
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
    reading.leave_out_the_rest();
    Ok(ReadStart { start, for_whom, with, odd: reading.warnings })
}

/// Starts a visit, or plans one.
///
/// Never refused: what is missing or odd becomes a default and a warning. Only a plan with times that cannot be is (422).
#[utoipa::path(post, path = "/visits", request_body = StartBody, responses(
    (status = 201, body = VisitView), (status = 200, body = VisitView, description = "the words of a visit that is running"),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(in crate::http::api) async fn start(
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
                .extend(api::agreements::in_words(&stands).map(|words| Warning::about("agreement", words)));
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
pub(in crate::http::api) async fn unreadable(site: Site, actor: Actor, problem: Problem) -> Response {
    unwatched(site, actor, Unwatched::Unreadable, problem).await
}

/// Nor is a start by a token that no longer lets in.
pub(in crate::http::api) async fn by_old_token(site: Site, actor: Actor) -> Response {
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
