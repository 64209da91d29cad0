//! A call for help over HTTP: any body or none, no PIN, and a token that was once issued, be it expired or revoked.

use std::sync::Arc;

use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Reply;
use crate::{
    app::{
        access::{self, BadToken},
        sos::{self as cases, Cry, Proof},
    },
    clock::Time,
    domain::{command::masked, event::Door, incident::Position, local_time::written},
    http::{
        Site,
        auth::bearer,
        body::{WhatCame, clean},
        problem::{Kind, Problem},
    },
    store::{Lane, Trace, Tx},
};

/// Longer words are cut: they are for people to read.
const LONGEST_WORDS: usize = 2000;

/// What can come with it; nothing has to.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[expect(
    dead_code,
    reason = "describes the request; it is read field by field so that nothing odd can refuse it"
)]
pub(super) struct SosBody {
    /// What is the matter.
    words: Option<String>,
    /// Where the phone is.
    position: Option<PositionBody>,
    /// When it was made, if that was earlier. It is never too old.
    made_at: Option<DateTime<Utc>>,
}

/// Where a phone says it is.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
pub(super) struct PositionBody {
    /// Degrees north of the equator.
    latitude: f64,
    /// Degrees east of Greenwich.
    longitude: f64,
    /// Within so many metres.
    accuracy_metres: Option<f64>,
    /// When it was there.
    at: Option<DateTime<Utc>>,
}

impl PositionBody {
    fn read(self, now: Time) -> Option<Position> {
        let Self { latitude, longitude, accuracy_metres, at } = self;
        let on_earth = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
        let accuracy_metres = accuracy_metres.filter(|metres| metres.is_finite() && *metres >= 0.0);
        let at = at.filter(|at| *at <= now).unwrap_or(now);
        on_earth.then_some(Position { latitude, longitude, accuracy_metres, at })
    }
}

/// What the phone shows: nothing that gives away what it was.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Noted {
    /// When it was noted, for people.
    message: String,
    /// When it was noted.
    at: DateTime<Utc>,
}

/// Calls for help. Raised at once, with or without a visit, and refused for nothing.
#[utoipa::path(post, path = "/sos", request_body = SosBody, responses((status = 200, body = Noted),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn call_for_help(
    State(site): State<Site>,
    headers: HeaderMap,
    WhatCame(body): WhatCame,
) -> Response {
    let now = site.clock.now();
    let Some(token) = bearer(&headers).map(str::to_owned) else {
        return whose_nobody_knows(&site, now).await;
    };
    let cry = read(&body, now);
    let house = Arc::clone(&site.house);
    // One transaction, and of a lane of its own: it waits for no crowd, not even to learn whose the token is.
    let case = async move |tx: &mut Tx| {
        let (actor, proof) = match access::authenticate(tx, &token, now).await? {
            Ok(actor) => (actor, Proof::Valid),
            Err(BadToken::Over(actor)) => (actor, Proof::OldToken),
            Err(BadToken::Unknown) => return Ok(None),
        };
        let trace = Trace { actor: Some(actor.person), door: Door::Api, now };
        cases::call_for_help(tx, &house, &actor, Cry { proof, ..cry.clone() }, trace).await?;
        Ok(Some(actor.zone))
    };
    match site.db.write_in(Lane::Help, case).await {
        Ok(Some(zone)) => noted(now, zone).into_response(),
        Ok(None) => whose_nobody_knows(&site, now).await,
        Err(error) => {
            tracing::error!(%error, "a call for help could not be kept");
            not_sent()
        }
    }
}

/// What the phone shows.
pub(in crate::http) fn noted(now: Time, zone: Tz) -> Reply {
    let message = format!("Noted {}.", written(now, now, zone));
    Reply::ok(&Noted { message, at: now })
}

/// Nobody may believe that help comes.
pub(in crate::http) fn not_sent() -> Response {
    Problem::new(Kind::TryAgain, "NOT SENT: ring 999. Then send it again.").into_response()
}

/// A call that nobody can be found for: refused, but somebody has to be able to see that it came. Whoever sends many fills
/// no log: one a minute is kept.
async fn whose_nobody_knows(site: &Site, now: Time) -> Response {
    if site.unknown_caller.is_time_again(now, TimeDelta::minutes(1)) {
        let trace = Trace { actor: None, door: Door::Api, now };
        let kept = site.db.write(async move |tx| access::log_unknown_caller(tx, trace).await).await;
        if let Err(error) = kept {
            tracing::error!(%error, "a call for help by a token that was never issued could not be logged");
        }
    }
    Problem::of(Kind::NoToken).into_response()
}

/// Reads what came with it; what cannot be read is left out.
pub(in crate::http) fn read(body: &[u8], now: Time) -> Cry {
    let text = String::from_utf8_lossy(body);
    let fields: Option<Map<String, Value>> = serde_json::from_str(&text).ok();
    let words = |words: &str| {
        let words: String = masked(&clean(words)).chars().take(LONGEST_WORDS).collect();
        (!words.is_empty()).then_some(words)
    };
    let Some(mut fields) = fields else { return Cry { words: words(&text), ..Cry::default() } };
    let mut take = |field: &str| fields.remove(field).unwrap_or_default();
    let position: Option<PositionBody> = serde_json::from_value(take("position")).ok();
    Cry {
        words: take("words").as_str().and_then(words),
        position: position.and_then(|position| position.read(now)),
        made_at: serde_json::from_value(take("made_at")).ok(),
        proof: Proof::default(),
    }
}
