//! What people do about an open alarm, over HTTP. `{id}` is an incident's id, or your own code for it.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use super::{incidents::act, incidents::said, views::IncidentView};
use crate::{
    app::{
        access::Actor,
        incidents::{self as cases, Deed},
    },
    domain::incident::Police,
    http::{
        Site,
        body::{Body, clean, parse},
        problem::Problem,
    },
};

/// The longest that minutes may say: 999.
const MOST_MINUTES: i64 = 999;

/// Reads the body, does it once for its key, and shows the incident as it is then.
async fn deed(
    site: Site,
    actor: Actor,
    (id, word): (String, &str),
    headers: HeaderMap,
    body: Result<Bytes, Problem>,
    read: impl FnOnce(&[u8]) -> Result<Deed, Problem>,
) -> Result<Response, Problem> {
    let body = body?;
    let deed = read(&body)?;
    let house = Arc::clone(&site.house);
    let case = async move |tx: &mut _, actor: &_, id, trace| {
        cases::act(tx, &house, actor, id, deed.clone(), trace).await
    };
    Ok(act(site, actor, (id, word), headers, body, case).await)
}

/// No fields.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NothingToSay {}

/// Takes an alarm: you promise to act, and the others are told. Taking what is taken changes nothing and shows the owner.
#[utoipa::path(post, path = "/incidents/{id}/acknowledge", params(("id" = String, Path)), request_body = NothingToSay,
    responses((status = 200, body = IncidentView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn acknowledge(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let read = |body: &[u8]| parse::<NothingToSay>(body).map(|_| Deed::Acknowledge);
    deed(site, actor, (id, "acknowledge"), headers, body, read).await
}

/// A manager takes an alarm from whoever has it; they are told.
#[utoipa::path(post, path = "/incidents/{id}/take-over", params(("id" = String, Path)), request_body = NothingToSay,
    responses((status = 200, body = IncidentView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn take_over(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let read = |body: &[u8]| parse::<NothingToSay>(body).map(|_| Deed::TakeOver);
    deed(site, actor, (id, "take-over"), headers, body, read).await
}

/// To whom an alarm is given.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HandOverBody {
    /// An id, or the key of the organisation's file.
    to: String,
}

/// Gives an alarm to a manager above the worker's team, or to somebody who was called about it. It is their promise then.
#[utoipa::path(post, path = "/incidents/{id}/hand-over", params(("id" = String, Path)), request_body = HandOverBody,
    responses((status = 200, body = IncidentView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn hand_over(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let read = |body: &[u8]| parse::<HandOverBody>(body).map(|body| Deed::HandOver(body.to));
    deed(site, actor, (id, "hand-over"), headers, body, read).await
}

/// How much longer an owner needs.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HoldBody {
    /// So many minutes from now: 1 to 999. More than the team allows is cut to that; the reply says until when.
    minutes: i64,
    /// Why.
    reason: String,
}

/// Says that you need longer; the others are told. Whoever has not taken the alarm yet takes it with this.
#[utoipa::path(post, path = "/incidents/{id}/hold", params(("id" = String, Path)), request_body = HoldBody,
    responses((status = 200, body = IncidentView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn hold(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    deed(site, actor, (id, "hold"), headers, body, |body| {
        let HoldBody { minutes, reason } = parse(body)?;
        if !(1..=MOST_MINUTES).contains(&minutes) {
            return Err(Problem::field("minutes", "between 1 and 999"));
        }
        Ok(Deed::Hold { length: Some(TimeDelta::minutes(minutes)), reason: said("reason", &reason)? })
    })
    .await
}

/// Says that you cannot: the next step is called at once, the others are told.
#[utoipa::path(post, path = "/incidents/{id}/cannot", params(("id" = String, Path)), request_body = NothingToSay,
    responses((status = 200, body = IncidentView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn cannot(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let read = |body: &[u8]| parse::<NothingToSay>(body).map(|_| Deed::Cannot);
    deed(site, actor, (id, "cannot"), headers, body, read).await
}

/// What somebody found.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FoundBody {
    /// In your words.
    words: Option<String>,
}

impl FoundBody {
    fn read(body: &[u8]) -> Result<String, Problem> {
        Ok(clean(&parse::<Self>(body)?.words.unwrap_or_default()))
    }
}

/// Says that the worker is NOT safe: an emergency, everybody is called now.
#[utoipa::path(post, path = "/incidents/{id}/not-safe", params(("id" = String, Path)), request_body = FoundBody,
    responses((status = 200, body = IncidentView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn not_safe(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let read = |body: &[u8]| FoundBody::read(body).map(|words| Deed::NotSafe { words });
    deed(site, actor, (id, "not-safe"), headers, body, read).await
}

/// Reports that the worker is safe. It stops nothing: who has the alarm confirms it by closing.
#[utoipa::path(post, path = "/incidents/{id}/safe", params(("id" = String, Path)), request_body = FoundBody,
    responses((status = 200, body = IncidentView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn safe(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let read = |body: &[u8]| FoundBody::read(body).map(|words| Deed::Safe { words });
    deed(site, actor, (id, "safe"), headers, body, read).await
}

/// What the police were told under.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PoliceBody {
    /// Their log number.
    log_number: String,
    /// With whom you spoke.
    officer: Option<String>,
    /// When, if that was earlier.
    at: Option<DateTime<Utc>>,
}

/// Says that the police have it. It stays so until you close it; you are reminded every half hour.
#[utoipa::path(post, path = "/incidents/{id}/police", params(("id" = String, Path)), request_body = PoliceBody,
    responses((status = 200, body = IncidentView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn police(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let now = site.clock.now();
    deed(site, actor, (id, "police"), headers, body, |body| {
        let PoliceBody { log_number, officer, at } = parse(body)?;
        if at.is_some_and(|at| at > now) {
            return Err(Problem::field("at", "must not lie ahead"));
        }
        let log_number = said("log_number", &log_number)?;
        let officer = officer.map(|officer| clean(&officer)).filter(|officer| !officer.is_empty());
        Ok(Deed::WithPolice(Police { log_number, officer, at: at.unwrap_or(now) }))
    })
    .await
}

/// Something to be written down.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NoteBody {
    /// In your words.
    note: String,
}

/// Writes something down in an incident.
#[utoipa::path(post, path = "/incidents/{id}/note", params(("id" = String, Path)), request_body = NoteBody,
    responses((status = 200, body = IncidentView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn note(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    deed(site, actor, (id, "note"), headers, body, |body| {
        Ok(Deed::Note(said("note", &parse::<NoteBody>(body)?.note)?))
    })
    .await
}

/// What was learned.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReviewBody {
    /// What was learned.
    learned: String,
    /// What is done about it.
    action: String,
}

/// Says what was learned from a closed incident and what is done about it.
#[utoipa::path(post, path = "/incidents/{id}/review", params(("id" = String, Path)), request_body = ReviewBody,
    responses((status = 200, body = IncidentView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn review(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    deed(site, actor, (id, "review"), headers, body, |body| {
        let ReviewBody { learned, action } = parse(body)?;
        Ok(Deed::Review { learned: said("learned", &learned)?, action: said("action", &action)? })
    })
    .await
}

/// Releases a closed duress alarm to its subject, who may not know of it before.
#[utoipa::path(post, path = "/incidents/{id}/release", params(("id" = String, Path)),
    responses((status = 200, body = IncidentView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn release(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    deed(site, actor, (id, "release"), headers, body, |_| Ok(Deed::Release)).await
}
