//! What comes by the address of a device (row P3): a call for help, or a sign. A device proves nobody, so it ends, extends and
//! closes nothing (docs/adr/0021).

use std::str::FromStr;

use chrono_tz::Tz;
use serde_json::json;

use super::{
    House,
    access::Actor,
    sos::{self, Cry, DeviceUrl, Proof},
    telling::Telling,
};
use crate::{
    clock::Time,
    domain::{
        contact::Phone,
        event::{Door, EventKind, NewEvent},
        ids::PersonId,
        notice::Notice,
    },
    keys::Token,
    store::{
        self, Trace, Tx,
        equipment::{self, Device},
        events::log_for_organisation,
        people, visits,
    },
};

/// What came of a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It was noted; times are written in this zone. The same whether anybody has the device, and is on a visit, or not.
    Noted(Tz),
    /// The address was revoked.
    Revoked,
    /// It was never issued.
    Unknown,
}

async fn find(tx: &mut Tx, secret: &str) -> store::Result<Option<Device>> {
    equipment::device_any_org(tx, &Token::hash(secret)).await
}

/// A zone that cannot be read keeps back no call for help: then times are written as they are kept.
fn zone(device: &Device) -> Tz {
    Tz::from_str(&device.zone).unwrap_or(Tz::UTC)
}

/// A device calls for help: about whoever has it, also where its address was revoked or it was taken out of use while it was out with
/// them, which the event says; where nobody has it, whoever is on duty is
/// told. `None`: the address was never issued. Otherwise the zone that times are written in.
pub async fn call_for_help(
    tx: &mut Tx,
    house: &House,
    secret: &str,
    cry: Cry,
    now: Time,
) -> store::Result<Option<Tz>> {
    let Some(device) = find(tx, secret).await? else { return Ok(None) };
    let trace = Trace { actor: None, door: Door::Device, now };
    let holder = match device.holder_id {
        Some(holder) => people::caller_any_org(tx, holder).await?,
        None => None,
    };
    match holder {
        Some(holder) => {
            let url = match device.revoked_at {
                None => DeviceUrl::InForce,
                Some(_) => DeviceUrl::Revoked,
            };
            let retired = device.retired_because.clone();
            let cry = Cry { proof: Proof::Device { equipment: device.equipment_id, url, retired }, ..cry };
            sos::call_for_help(tx, house, &Actor::found(holder)?, cry, trace).await?;
        }
        None => tell_duty(tx, house, &device, &cry, trace).await?,
    }
    Ok(Some(zone(&device)))
}

/// It is out with nobody: somebody has pressed it all the same.
async fn tell_duty(
    tx: &mut Tx,
    house: &House,
    device: &Device,
    cry: &Cry,
    trace: Trace,
) -> store::Result<()> {
    let organisation = device.organisation_id;
    let directory = people::directory(tx, organisation).await?;
    let number = device.phone.as_deref().and_then(|number| Phone::parse(number).ok());
    let notice = Notice::DeviceCallsForHelp {
        what: device.label.clone(),
        last: device.last_holder.clone(),
        number: number.as_ref().map(Phone::dialled),
        retired: device.retired_because.clone(),
    };
    // Told again when it is pressed again, but not each second.
    let occasion = format!("device/{}/help/{}", device.equipment_id, trace.now.timestamp() / 120);
    let nobody = PersonId(uuid::Uuid::nil());
    let telling = Telling { house, directory: &directory, worker: nobody, now: trace.now };
    // Who is on duty and can be reached; else the last-resort numbers.
    match directory.who_has_to_know(nobody).first() {
        Some(duty) => telling.call_person(tx, *duty, notice, &occasion).await?,
        None => telling.tell_managers(tx, notice, None, &occasion).await?,
    }
    let body = json!({
        "equipment": device.equipment_id,
        "url_revoked": device.revoked_at.is_some(),
        "retired": device.retired_because,
    });
    let event = NewEvent::new(EventKind::DeviceCalledForHelp, trace.now, body);
    let private = json!({"words": cry.words, "position": cry.position});
    log_for_organisation(tx, organisation, (None, None), trace, event.with_private(private)).await
}

/// A device gives a sign: the visits that whoever has it is on now were last heard of now. Nothing else changes.
pub async fn check_in(tx: &mut Tx, secret: &str, now: Time) -> store::Result<Heard> {
    let Some(device) = find(tx, secret).await? else { return Ok(Heard::Unknown) };
    let trace = Trace { actor: None, door: Door::Device, now };
    if device.revoked_at.is_some() {
        let body = json!({"equipment": device.equipment_id});
        let event = NewEvent::new(EventKind::DeviceRefused, now, body);
        log_for_organisation(tx, device.organisation_id, (None, None), trace, event).await?;
        return Ok(Heard::Revoked);
    }
    if let Some(holder) = device.holder_id {
        for visit in visits::running_of(tx, device.organisation_id, holder).await? {
            let Some((mut heard, event)) = visit.heard_by_device(device.equipment_id, now) else { continue };
            visits::update(tx, &mut heard, vec![event], trace).await?;
        }
    }
    Ok(Heard::Noted(zone(&device)))
}
