//! What the time is, and what becomes of a clock that is wrong.

use serde_json::json;

use crate::{
    clock::{AGREE, Change, Clock, Time},
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

/// Whether a service that is just starting would live through again what it has had already. It goes by its clock all the same:
/// whoever set that has to hear of it.
pub async fn at_start(tx: &mut Tx, now: Time) -> store::Result<Option<Change>> {
    let last = installation::last_round(tx).await?;
    Ok(last.filter(|last| *last - now > AGREE).map(|last_round| Change::BeforeLastRound { last_round, now }))
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
        Change::BeforeLastRound { last_round, now } => {
            let body = json!({"last_round": stamp(last_round), "now": stamp(now)});
            (EventKind::ClockBehind, body)
        }
    };
    NewEvent::new(kind, now, body)
}
