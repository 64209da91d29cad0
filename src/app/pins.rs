//! Setting and changing the PIN.

use serde_json::json;

use super::{Outcome, Rejected, access::Actor};
use crate::{
    domain::{
        event::{EventKind, NewEvent},
        pin::{PinHash, PinRecord, Verdict},
        visit::VisitState,
        wording::{Doing, PinAnswer, PinRefused},
    },
    store::{Trace, Tx, events::log_for_organisation, incidents, pins, visits},
};

/// Sets the first PIN by the worker's own token alone, or changes it with the current one. Never while a visit or an incident
/// of theirs is open: whoever holds the phone could else make the PIN theirs and end the watching.
pub async fn set(
    tx: &mut Tx,
    actor: &Actor,
    new: PinHash,
    current: Option<PinHash>,
    trace: Trace,
) -> Outcome<()> {
    let record = pins::load(tx, actor.person).await?;
    let running = visits::find_running_of(tx, actor.organisation, actor.person).await?;
    let begun = running.iter().any(|visit| matches!(visit.state, VisitState::Begun { .. }));
    if begun || !incidents::open_about(tx, actor.organisation, actor.person).await?.is_empty() {
        return Ok(Err(Rejected::PinNotNow(
            "a PIN is never set or changed while a visit is running: do it afterwards",
        )));
    }
    if record.hash.is_some() {
        let (verdict, next) = record.judge(current.as_ref(), trace.now);
        pins::save(tx, actor.person, &next).await?;
        if verdict != Verdict::Right {
            let refused =
                if verdict == Verdict::Missing { PinRefused::Missing } else { PinRefused::NotRight };
            let event = NewEvent::new(EventKind::PinRefused, trace.now, json!({"change": true}));
            log_for_organisation(
                tx,
                actor.organisation,
                (Some(actor.team), Some(actor.person)),
                trace,
                event,
            )
            .await?;
            let (now, zone) = (trace.now, actor.zone);
            let answer = PinAnswer { refused, doing: Doing::ChangePin, till: None, manager: None, now, zone };
            return Ok(Err(Rejected::Pin(answer)));
        }
    }
    let set = PinRecord { hash: Some(new), wrong: 0, locked_until: None };
    pins::save(tx, actor.person, &set).await?;
    let event = NewEvent::new(EventKind::PinSet, trace.now, json!({"first": record.hash.is_none()}));
    log_for_organisation(tx, actor.organisation, (Some(actor.team), Some(actor.person)), trace, event)
        .await?;
    Ok(Ok(()))
}
