//! What the time is, and what becomes of a clock that is wrong.

use serde_json::json;

use crate::{
    clock::{Change, Clock, Time},
    domain::event::{Door, EventKind, NewEvent, stamp},
    store::{self, Trace, Tx, events::log_for_organisation, installation, people},
};

/// Asks the database for its time, where that is what this clock follows.
pub async fn follow(tx: &mut Tx, clock: &dyn Clock) -> store::Result<()> {
    let Some(clock) = clock.follows_database() else { return Ok(()) };
    let asked = clock.ask();
    clock.answered(asked, installation::time(tx).await?);
    Ok(())
}

/// Keeps what happened to the clocks in the log of every organisation: what it says of times has to be read with that.
pub async fn changed(tx: &mut Tx, changes: &[Change], now: Time) -> store::Result<()> {
    let trace = Trace::machine(Door::Timer, now);
    for (organisation, _) in people::organisations_any_org(tx).await? {
        for change in changes {
            log_for_organisation(tx, organisation, (None, None), trace, event(*change, now)).await?;
        }
    }
    Ok(())
}

fn event(change: Change, now: Time) -> NewEvent {
    let (kind, body) = match change {
        Change::Stepped { source, before, after } => {
            let body = json!({
                "clock": source.as_str(),
                "before": stamp(before),
                "after": stamp(after),
                "by_ms": (after - before).num_milliseconds(),
                "followed": after > before,
            });
            (EventKind::ClockStepped, body)
        }
        Change::Apart { machine_ahead } => (
            EventKind::ClockApart,
            json!({"agree": false, "machine_ahead_ms": machine_ahead.num_milliseconds()}),
        ),
        Change::Together => (EventKind::ClockApart, json!({"agree": true})),
    };
    NewEvent::new(kind, now, body)
}
