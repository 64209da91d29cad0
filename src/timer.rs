//! The timer: a door through which time comes in. A thin shell around one tick.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    app::{House, tick},
    clock::{Clock, Time},
    domain::policy::delta,
    kill_points::kill_point,
    store::{self, Db, Error, Lane},
};

/// So many deadlines are worked on in one transaction.
const AT_ONCE: i64 = 500;
/// A round is marked at least so often, and at least four times in what counts as an outage.
const MARK_EVERY: Duration = Duration::from_secs(15);

/// What the timer works with.
#[derive(Debug)]
pub struct Timer {
    db: Db,
    clock: Arc<dyn Clock>,
    house: Arc<House>,
    outage: Duration,
    longest_sleep: Duration,
    /// How many deadlines go into one transaction: fewer after one that was too much, then more again.
    limit: AtomicI64,
    marked: Mutex<Option<Time>>,
}

impl std::fmt::Debug for dyn Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl Timer {
    /// `outage`: a gap between rounds that is longer counts as one. `longest_sleep`: it looks at the deadlines that often even
    /// if nothing wakes it, since another replica may have set one.
    pub fn new(
        db: Db,
        clock: Arc<dyn Clock>,
        house: Arc<House>,
        outage: Duration,
        longest_sleep: Duration,
    ) -> Self {
        Self {
            db,
            clock,
            house,
            outage,
            longest_sleep,
            limit: AtomicI64::new(AT_ONCE),
            marked: Mutex::new(None),
        }
    }

    /// Does everything that is due at `now`. Idempotent.
    pub async fn tick(&self, now: Time) -> store::Result<usize> {
        let mut worked = 0;
        loop {
            let limit = self.limit.load(Ordering::Relaxed);
            let (house, outage) = (Arc::clone(&self.house), self.outage);
            let case = async move |tx: &mut store::Tx| {
                let ticked = tick::tick(tx, &house, outage, limit, now).await?;
                if ticked.worked > 0 {
                    kill_point("tick.decided").await;
                }
                Ok(ticked)
            };
            match self.db.write_in(Lane::Timer, case).await {
                Ok(ticked) => {
                    worked += ticked.worked;
                    self.limit.store((limit * 2).min(AT_ONCE), Ordering::Relaxed);
                    if !ticked.more {
                        break;
                    }
                }
                // Too much for one transaction, or something in it that takes the whole of it along: fewer at a time.
                Err(Error::Busy | Error::Panicked) if limit > 1 => {
                    self.limit.store((limit / 8).max(1), Ordering::Relaxed);
                }
                Err(error) => return Err(error),
            }
        }
        self.mark(now).await?;
        Ok(worked)
    }

    async fn mark(&self, now: Time) -> store::Result<()> {
        let every = delta(MARK_EVERY.min(self.outage / 4));
        let marked = *self.marked.lock().unwrap_or_else(PoisonError::into_inner);
        if marked.is_some_and(|marked| (now - marked).abs() < every) {
            return Ok(());
        }
        let outage = self.outage;
        self.db.write_in(Lane::Timer, async move |tx| tick::round_done(tx, outage, now).await).await?;
        if let Err(error) = self.db.write(async move |tx| tick::forget_old_keys(tx, now).await).await {
            tracing::warn!(%error, "answers to old keys were not forgotten; tried again with the next round");
        }
        *self.marked.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        Ok(())
    }

    /// Ticks until it is told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        let bell = Arc::clone(&self.db.bell().timer);
        loop {
            // Registered before the look at the deadlines, so that no wake-up is lost between the two.
            let rung = bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            self.db.bell().timer_sleeps_until(None);
            let sleep = match self.tick(self.clock.now()).await {
                Ok(_) => self.sleep_for().await,
                Err(error) => {
                    tracing::error!(%error, "a round of the timer failed; the next follows");
                    self.longest_sleep
                }
            };
            kill_point("timer.ticked").await;
            self.db.bell().timer_sleeps_until(Some(self.clock.now() + delta(sleep)));
            tokio::select! {
                () = stop.cancelled() => return,
                () = &mut rung => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    async fn sleep_for(&self) -> Duration {
        match self.db.look(tick::next_due).await {
            Ok(Some(due)) => (due - self.clock.now()).to_std().unwrap_or_default().min(self.longest_sleep),
            _ => self.longest_sleep,
        }
    }
}
