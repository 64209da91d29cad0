//! Setting and changing the PIN, the duress PIN and the duress word.

use serde_json::json;

use super::{Outcome, Rejected, access::Actor};
use crate::{
    domain::{
        event::{EventKind, NewEvent},
        pin::{Given, PinHash, PinRecord, Verdict},
        wording::{Doing, PinAnswer, PinRefused},
    },
    store::{Trace, Tx, events::log_for_organisation, incidents, pins, visits},
};

/// What is to be set; what is left out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewPins {
    /// The PIN.
    pub pin: Option<PinHash>,
    /// The duress PIN.
    pub duress: Option<NewDuressPin>,
    /// The duress word.
    pub word: Option<PinHash>,
}

/// A duress PIN that is to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDuressPin {
    /// The PIN.
    pub hash: PinHash,
    /// What it becomes by one slip, itself among them: the usual PIN must be none of these, or a slip would raise the alarm.
    pub slips: Vec<PinHash>,
}

/// Sets the first PIN by the worker's own token alone, or changes it with the current one. Never while a visit of theirs is
/// open, or an incident about one that they missed: whoever holds the phone could else make the PIN theirs and end the
/// watching. A call for help is no reason: nothing from the phone ends it, and its holder must not learn that it is open.
pub async fn set(
    tx: &mut Tx,
    actor: &Actor,
    new: NewPins,
    current: Option<Given>,
    trace: Trace,
) -> Outcome<()> {
    let record = pins::load(tx, actor.person).await?;
    let running = visits::find_running_of(tx, actor.organisation, actor.person).await?;
    let begun = running.iter().any(|visit| visit.watched_till().is_some());
    let (verdict, mut next) = record.judge(current.as_ref(), trace.now);
    if begun || incidents::open_about_missed(tx, actor.organisation, actor.person).await? {
        // It is not judged now; what it says beside counts.
        let heeded = current.map_or_else(|| record.clone(), |current| record.heeding(&current, trace.now));
        pins::save(tx, actor.person, &heeded).await?;
        return Ok(Err(Rejected::PinNotNow(
            "a PIN is never set or changed while a visit is running: do it afterwards",
        )));
    }
    let first = record.hash.is_none();
    if !first {
        pins::save(tx, actor.person, &next).await?;
        if verdict != Verdict::Right {
            let refused =
                if verdict == Verdict::Missing { PinRefused::Missing } else { PinRefused::NotRight };
            let event = NewEvent::new(EventKind::PinRefused, trace.now, json!({"change": true}));
            let about = (Some(actor.team), Some(actor.person));
            log_for_organisation(tx, actor.organisation, about, trace, event).await?;
            let (now, zone) = (trace.now, actor.zone);
            let answer = PinAnswer { refused, doing: Doing::ChangePin, till: None, manager: None, now, zone };
            return Ok(Err(Rejected::Pin(answer)));
        }
    }
    let Some(pin) = new.pin.or(record.hash) else { return Ok(Err(Rejected::NoPinYet)) };
    if let Some(duress) = new.duress {
        // Nothing is said of how near an old duress PIN is to a new PIN: whoever asks may not be the worker.
        if duress.slips.contains(&pin) {
            return Ok(Err(Rejected::DuressPinTooNear));
        }
        next.duress = Some(duress.hash);
    }
    next.word = new.word.or(next.word);
    next = PinRecord { hash: Some(pin), wrong: 0, locked_until: None, ..next };
    pins::save(tx, actor.person, &next).await?;
    let event = NewEvent::new(EventKind::PinSet, trace.now, json!({"first": first}));
    log_for_organisation(tx, actor.organisation, (Some(actor.team), Some(actor.person)), trace, event)
        .await?;
    Ok(Ok(()))
}
