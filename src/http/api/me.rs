//! Oneself.

use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Act, Reply};
use crate::{
    app::{access::Actor, pins as cases},
    domain::{people::Role, pin::Pin},
    http::{
        Site,
        body::{Body, parse},
        problem::Problem,
    },
    store::{people, pins},
};

/// Who you are.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Me {
    id: Uuid,
    name: String,
    role: Role,
    organisation: Uuid,
    team: Uuid,
    /// Whether a PIN is set; without one you cannot end a visit yourself.
    pin_set: bool,
    /// The people named for you in an emergency.
    emergency_contacts: Vec<String>,
    /// Who answers for you.
    managers: Vec<String>,
}

/// Shows who you are.
#[utoipa::path(get, path = "/me", responses((status = 200, body = Me),
    (status = 401, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn show(State(site): State<Site>, actor: Actor) -> Result<Response, Problem> {
    let mut tx = site.db.read().await?;
    let directory = people::directory(&mut tx, actor.organisation).await?;
    let pin_set = pins::is_set(&mut tx, actor.person).await?;
    let name = |id: &_| directory.name_of(*id).to_owned();
    let contacts = directory.person(actor.person).map(|person| person.emergency_contacts.clone());
    Ok(Reply::ok(&Me {
        id: actor.person.0,
        name: actor.name.clone(),
        role: actor.role,
        organisation: actor.organisation.0,
        team: actor.team.0,
        pin_set,
        emergency_contacts: contacts.unwrap_or_default().iter().map(name).collect(),
        managers: directory.managers_for(actor.person).iter().map(name).collect(),
    })
    .into_response())
}

/// A new PIN.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PinsBody {
    /// 4 to 8 digits.
    #[schema(value_type = String, pattern = "^[0-9]{4,8}$")]
    pin: Pin,
    /// The present one, if one is set.
    current_pin: Option<String>,
    /// Not taken yet: see the answer.
    duress_pin: Option<String>,
}

/// Sets your PIN, or changes it with the current one; never while a visit or incident of yours is open.
#[utoipa::path(put, path = "/me/pins", request_body = PinsBody, responses((status = 204),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn set_pin(
    State(site): State<Site>,
    actor: Actor,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    let read = body.and_then(|body| Ok((parse::<PinsBody>(&body)?, body)));
    let (PinsBody { pin, current_pin, duress_pin }, body) = match read {
        Ok(read) => read,
        Err(problem) => return problem.into_response(),
    };
    if duress_pin.is_some() {
        let why = "a duress PIN cannot be set yet: one that was not understood when it is needed could kill";
        return Problem::field("duress_pin", why).into_response();
    }
    let hash = |given: &str| site.key.pin(actor.person, given);
    let new = hash(pin.as_str());
    let current = current_pin.as_deref().map(hash);
    Act::new(site, actor, "PUT /me/pins", &headers, body)
        .run(async move |tx, actor, trace| {
            Ok(match cases::set(tx, actor, new.clone(), current.clone(), trace).await? {
                Ok(()) => Reply::no_content(),
                Err(rejected) => rejected.into(),
            })
        })
        .await
}
