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

use super::{Act, Reply, Reuse, visits::unreadable};
use crate::{
    app::{
        access::Actor,
        text::{self as cases, Received, Sender},
    },
    domain::{
        event::Door,
        wording::{English, Wording},
    },
    http::{
        Site,
        body::{Body, parse},
        problem::{Kind, Problem},
    },
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
    /// The visit that it began, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Uuid>,
}

/// Takes a text, as by SMS: IN, OUT, OK, MORE, SOS, STATUS; ACK, NO, WHERE, HOLD, SAFE, NOT SAFE, WHO.
#[utoipa::path(post, path = "/text", request_body = TextBody, responses((status = 200, body = TextReply),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn take(
    State(site): State<Site>,
    actor: Actor,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    let read = body.and_then(|body| Ok((read(&body)?, body)));
    let (received, body) = match read {
        Ok(read) => read,
        // It may have been a start: somebody has to know that nobody is watched for it.
        Err(problem) => return unreadable(site, actor, problem).await,
    };
    let (house, key) = (Arc::clone(&site.house), site.key.clone());
    let mut act = Act::new(site, actor, "POST /text", &headers, body).urgent();
    act.reuse = Reuse::Warn;
    act.door = Door::Text;
    act.run(async move |tx, actor, trace| {
        let sender = Sender::Account(actor.clone());
        let answer = cases::take(tx, &house, &key, &sender, &received, trace).await?;
        let reply = English.reply(&answer.reply, trace.now, actor.zone);
        Ok(Reply::ok(&TextReply { reply, id: answer.visit.map(|visit| visit.0) }))
    })
    .await
    .into_response()
}

fn read(body: &[u8]) -> Result<Received, Problem> {
    let mut fields: Map<String, Value> = parse(body)?;
    let text = match fields.remove("text") {
        Some(Value::String(text)) => text,
        Some(Value::Number(number)) => number.to_string(),
        _ => return Err(Problem::new(Kind::Field, "`text` is missing")),
    };
    // A time that cannot be read is left out: then it counts from now.
    let made_at = fields.remove("made_at").and_then(|at| serde_json::from_value(at).ok());
    Ok(Received { text, made_at })
}
