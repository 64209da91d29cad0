//! Texts over HTTP: the same grammar and the same answers as by SMS.

use std::sync::Arc;

use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    Act, Reply, Reuse,
    sos::not_sent,
    visits::starts::{self, unreadable},
};
use crate::{
    app::{
        access::Actor,
        text::{self as cases, Received, Sender},
    },
    domain::{
        command::{Command, parse},
        event::Door,
        reply::Reply as Said,
        wording::{English, Wording},
    },
    http::{
        Site,
        auth::{Caller, refused},
        body::{self, Body},
        problem::{Kind, Problem},
    },
    store::{Lane, Trace, Tx},
};

/// A text.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[expect(
    dead_code,
    reason = "describes the request; a text may be a start, so that nothing odd beside it can refuse it"
)]
pub(super) struct TextBody {
    /// What it says, such as `IN 60 12 High St` or `OUT` and the PIN.
    text: String,
    /// When it was sent, if that was earlier.
    made_at: Option<DateTime<Utc>>,
}

/// What it is answered.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct TextReply {
    /// What Homeward now believes, in at most 160 characters.
    reply: String,
    /// The visit that it began or lengthened, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Uuid>,
}

/// Takes a text, as by SMS: IN, OUT, OK, MORE, SOS, STATUS, TEST, CONCERN, MEASURES; ACK, NO, WHERE, HOLD, SAFE, NOT SAFE, WHO.
#[utoipa::path(post, path = "/text", request_body = TextBody, responses((status = 200, body = TextReply),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn take(
    State(site): State<Site>,
    caller: Result<Caller, Problem>,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    let read = body.and_then(|body| Ok((read(&body)?, body)));
    let caller = match (caller, &read) {
        (Ok(caller), _) => caller,
        (Err(failed), Ok((received, _)))
            if failed.status().is_server_error() && calls_for_help(&parse(&received.text)) =>
        {
            let Ok(caller) = Caller::who_calls_for_help(&site, &headers).await else { return not_sent() };
            caller
        }
        (Err(problem), _) => return problem.into_response(),
    };
    let (actor, (received, body)) = match (caller, read) {
        (Caller::Known(actor), Ok(read)) => (actor, read),
        // It may have been a start: somebody has to know that nobody is watched for it.
        (Caller::Known(actor), Err(problem)) => return unreadable(site, actor, problem).await,
        (Caller::Once(actor), Ok((received, _))) => return by_old_token(site, actor, received).await,
        (Caller::Once(actor), Err(_)) => return refused(&site, actor).await.into_response(),
    };
    let command = parse(&received.text);
    let (house, key) = (Arc::clone(&site.house), site.key.clone());
    let mut act = Act::new(site, actor, "POST /text", &headers, body).urgent();
    act.reuse = if matches!(command, Command::In(_)) { Reuse::Warn } else { Reuse::OfAVisit };
    act.door = Door::Text;
    // What the worker does to a visit is done once. All else is done as often as it is said: a second call for help is one.
    if !matches!(command, Command::In(_) | Command::Out { .. } | Command::Fine { .. } | Command::More { .. })
    {
        act.key = None;
    }
    if calls_for_help(&command) {
        act.lane = Lane::Help;
    }
    let answered = act.run(async move |tx, actor, trace| {
        let sender = Sender::Account(actor.clone());
        let answer = cases::take(tx, &house, &key, &sender, &received, trace).await?;
        let reply = English.reply(&answer.reply, trace.now, actor.zone);
        Ok(Reply::ok(&TextReply { reply, id: answer.visit.map(|visit| visit.0) }))
    });
    match answered.await {
        failed if failed.status().is_server_error() && calls_for_help(&command) => not_sent(),
        answered => answered,
    }
}

fn calls_for_help(command: &Command) -> bool {
    matches!(command, Command::Sos { .. } | Command::NotSafe { .. })
}

/// A call for help needs no more than a token that was once issued. A start by such a token is not watched, and somebody is told.
async fn by_old_token(site: Site, actor: Actor, received: Received) -> Response {
    let trace = Trace { actor: Some(actor.person), door: Door::Text, now: site.clock.now() };
    let command = parse(&received.text);
    if matches!(command, Command::In(_)) {
        return starts::by_old_token(site, actor).await;
    }
    if !calls_for_help(&command) {
        return refused(&site, actor).await.into_response();
    }
    let (house, zone) = (Arc::clone(&site.house), actor.zone);
    let case = async move |tx: &mut Tx| cases::help_by_old_token(tx, &house, &actor, &received, trace).await;
    match site.db.write_in(Lane::Help, case).await {
        Ok(reply) => {
            let reply = English.reply(&reply.unwrap_or(Said::Noted), trace.now, zone);
            Reply::ok(&TextReply { reply, id: None }).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a call for help could not be kept");
            not_sent()
        }
    }
}

fn read(body: &[u8]) -> Result<Received, Problem> {
    let mut fields: Map<String, Value> = body::parse(body)?;
    let text = match fields.remove("text") {
        Some(Value::String(text)) => text,
        Some(Value::Number(number)) => number.to_string(),
        _ => return Err(Problem::new(Kind::Field, "`text` is missing")),
    };
    // One database would not take the first; the others part words.
    let text: String = text.chars().filter(|c| *c != '\0').collect();
    let text = text.replace(|c: char| c.is_control() && c != '\n', " ");
    // A time that cannot be read is left out: then it counts from now.
    let made_at = fields.remove("made_at").and_then(|at| serde_json::from_value(at).ok());
    Ok(Received { text, made_at })
}
