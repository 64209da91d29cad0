//! Whether what is due is done: what `/readyz`, the heartbeat and the metrics go by.

use chrono::TimeDelta;

use super::tick;
use crate::{
    clock::Time,
    store::{self, Tx, installation, outbox},
};

/// A deadline that has been due for longer means that no timer works.
const TIMER: TimeDelta = TimeDelta::seconds(10);
/// A message that has been due for longer means that no outbox works.
const OUTBOX: TimeDelta = TimeDelta::seconds(60);
/// Rounds of the timer are marked more often than this, on some replica, even when nothing is due.
const ROUND: TimeDelta = TimeDelta::seconds(60);

/// How long what is due has been lying, on whichever replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lags {
    /// The most overdue deadline.
    pub timer: TimeDelta,
    /// The most overdue message.
    pub outbox: TimeDelta,
    /// The last round that was marked.
    pub round: TimeDelta,
}

impl Lags {
    /// Reads them.
    pub async fn read(tx: &mut Tx, now: Time) -> store::Result<Self> {
        let lag = |due: Option<Time>| due.map_or(TimeDelta::zero(), |due| (now - due).max(TimeDelta::zero()));
        let last_round = installation::last_round(tx).await?;
        Ok(Self {
            timer: lag(tick::next_due(tx).await?),
            outbox: lag(outbox::next_due_by_any_channel_any_org(tx).await?),
            round: last_round.map_or(TimeDelta::MAX, |last| now - last),
        })
    }

    /// Whether nothing has been lying for too long.
    pub fn are_fine(&self) -> bool {
        self.timer <= TIMER && self.outbox <= OUTBOX && self.round <= ROUND
    }
}
