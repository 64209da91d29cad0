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
    domain::{
        command::{self, Command},
        people::Role,
        pin::{DuressWord, Pin},
    },
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

/// New PINs; what is left out stays as it is.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PinsBody {
    /// 4 to 8 digits. Has to be there while none is set.
    #[schema(value_type = Option<String>, pattern = "^[0-9]{4,8}$")]
    pin: Option<Pin>,
    /// The present PIN, if one is set.
    current_pin: Option<String>,
    /// A second PIN, which does and looks the same everywhere, and raises a silent alarm. More than one slip of a finger away
    /// from the PIN.
    #[schema(value_type = Option<String>, pattern = "^[0-9]{4,8}$")]
    duress_pin: Option<Pin>,
    /// A word of your own which, by text anywhere after the usual PIN, raises the same silent alarm: 3 to 20 letters.
    duress_word: Option<String>,
}

/// Sets your PIN, your duress PIN and your duress word, or changes them with the current PIN; never while a visit of yours is
/// running.
#[utoipa::path(put, path = "/me/pins", request_body = PinsBody, responses((status = 204),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn set_pin(
    State(site): State<Site>,
    actor: Actor,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let PinsBody { pin, current_pin, duress_pin, duress_word } = parse(&body)?;
    if pin.is_none() && duress_pin.is_none() && duress_word.is_none() {
        return Err(Problem::field("pin", "say what to set: pin, duress_pin or duress_word"));
    }
    let hash = |pin: &Pin| site.key.pin(actor.person, pin.as_str());
    let duress = duress_pin.map(|duress| cases::NewDuressPin {
        hash: hash(&duress),
        slips: duress.slips().iter().map(hash).collect(),
    });
    let word = duress_word.map(|word| {
        let read = DuressWord::parse(&word).map_err(|bad| bad.to_string());
        // A word of a command would be written after a PIN by chance, or raise the alarm by itself.
        let is_a_command = !matches!(command::parse(&word), Command::NotUnderstood(_));
        match read {
            Ok(_) if is_a_command => {
                Err(Problem::field("duress_word", "this word is a command: take another"))
            }
            Ok(read) => Ok(site.key.duress_word(actor.person, &read)),
            Err(why) => Err(Problem::field("duress_word", why)),
        }
    });
    let new = cases::NewPins { pin: pin.as_ref().map(hash), duress, word: word.transpose()? };
    let current = current_pin.map(|current| site.key.given(actor.person, &current, ""));
    let answer = Act::new(site, actor, "PUT /me/pins", &headers, body)
        .run(async move |tx, actor, trace| {
            Ok(match cases::set(tx, actor, new.clone(), current.clone(), trace).await? {
                Ok(()) => Reply::no_content(),
                Err(rejected) => rejected.into(),
            })
        })
        .await;
    Ok(answer)
}
