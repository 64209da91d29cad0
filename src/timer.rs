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
    app::{self, House, agreements, chases, clocks, drills, end_of_day, proofs, rehearsals, sos, tick},
    clock::{Change, Clock, Time},
    domain::{event::Door, policy::delta},
    kill_points::kill_point,
    store::{self, Db, Error, Lane, Trace, pins, receipts},
    systemd::Watchdog,
    vitals::Vitals,
};

/// So many deadlines are worked on in one transaction: between two of them messages go out.
const AT_ONCE: i64 = 100;
/// Of so many people who are asked for what is missing, which is not urgent: the deadlines are looked at between.
const ASKED_AT_ONCE: i64 = 100;
/// So many people are asked whether they are reached, and so often: networks block a number that sends a hundred texts in an hour,
/// and alarms go by the same one.
const REACHED_AT_ONCE: i64 = 20;
const REACHED_EVERY: chrono::TimeDelta = chrono::TimeDelta::minutes(20);
/// So many visits that have to be agreed, and incidents that others are told of, in one round.
const AGREEMENTS_AT_ONCE: i64 = 10;
/// So many drills in one transaction.
const DRILLS_AT_ONCE: i64 = 20;
/// What is due and could not be had at once, because somebody acts on it, is looked at again after this.
const SHORTEST_SLEEP: Duration = Duration::from_millis(10);
/// A round is marked at least so often, and at least four times in what counts as an outage.
const MARK_EVERY: Duration = Duration::from_secs(15);
/// So much of what happened to the clocks waits at most for a database that answers.
const MOST_UNKEPT: usize = 64;

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
    /// When people were last asked whether they are reached.
    asked_reached: Mutex<Option<Time>>,
    /// What happened to the clocks and is not in the log yet.
    unkept: Mutex<Vec<Change>>,
    vitals: Arc<Vitals>,
    watchdog: Watchdog,
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
        vitals: Arc<Vitals>,
    ) -> Self {
        Self {
            db,
            clock,
            house,
            outage,
            longest_sleep,
            limit: AtomicI64::new(AT_ONCE),
            marked: Mutex::new(None),
            asked_reached: Mutex::new(None),
            unkept: Mutex::default(),
            vitals,
            watchdog: Watchdog::from_environment(),
        }
    }

    /// Does everything that is due at `now`. Idempotent.
    pub async fn tick(&self, now: Time) -> store::Result<usize> {
        // Whatever becomes of these, every other alarm goes up; but then the round was not clean.
        let silent = self.raise_silent_alarms(now).await;
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
            let done = self.db.write_in(Lane::Timer, case).await;
            self.turned();
            match done {
                Ok(ticked) => {
                    worked += ticked.worked;
                    self.limit.store((limit * 2).min(AT_ONCE), Ordering::Relaxed);
                    if !ticked.more {
                        break;
                    }
                }
                // Too much for one transaction, or something in it that takes the whole of it along: fewer at a time.
                Err(Error::Busy | Error::Locked | Error::Panicked) if limit > 1 => {
                    self.limit.store((limit / 8).max(1), Ordering::Relaxed);
                }
                Err(error) => return Err(error),
            }
        }
        self.mark(now).await?;
        if silent.is_ok() {
            self.vitals.clean_round();
            #[expect(
                clippy::cast_precision_loss,
                reason = "a gauge: milliseconds in this millennium are exact"
            )]
            self.db.metrics().last_clean_round.set(now.timestamp_millis() as f64 / 1000.0);
        }
        worked += Box::pin(self.less_urgent(now)).await;
        Ok(worked + silent?)
    }

    /// Each by itself: what goes wrong with one is said, and tried again with the next round.
    async fn less_urgent(&self, now: Time) -> usize {
        let mut worked = 0;
        for (what, done) in [
            ("used PINs were not kept in silent alarms", self.notice_pins_used(now).await),
            ("nobody was asked whether a visit is agreed", self.ask_to_agree(now).await),
            ("missed receipts were not looked for", self.notice_missed_receipts(now).await),
            ("the end of the day was not asked about", self.ask_at_the_end_of_the_day(now).await),
            ("drills were not worked on", self.run_drills(now).await),
            ("rehearsals were not ended", self.end_rehearsals(now).await),
            ("what is missing was not asked for", self.ask_for_what_is_missing(now).await),
            ("whether contacts are reached was not asked", self.ask_whether_people_are_reached(now).await),
        ] {
            match done {
                Ok(done) => worked += done,
                Err(error) => tracing::error!(%error, "{what}; tried again with the next round"),
            }
        }
        worked
    }

    /// Row V8: whoever gave a duress PIN gets their alarm with the next round, each in a transaction of its own. No bell rings
    /// for it: it would ring for no other PIN.
    async fn raise_silent_alarms(&self, now: Time) -> store::Result<usize> {
        let found = async move |tx: &mut store::Tx| pins::silent_any_org(tx, now, AT_ONCE).await;
        let silent = self.db.look(found).await?;
        let mut raised = Ok(silent.len());
        for whose in silent {
            let house = Arc::clone(&self.house);
            let trace = Trace::machine(Door::Timer, now);
            let raise = async move |tx: &mut store::Tx| sos::raise_silently(tx, &house, whose, trace).await;
            let Err(error) = self.db.write_in(Lane::Timer, raise).await else { continue };
            // It stays to be raised, and is with every round; meanwhile people are told that somebody has to look.
            tracing::error!(%error, "an alarm could not be raised; tried again with the next round");
            raised = Err(error);
            let house = Arc::clone(&self.house);
            let tell =
                async move |tx: &mut store::Tx| sos::tell_that_it_is_stuck(tx, &house, whose, now).await;
            if let Err(error) = self.db.write_in(Lane::Timer, tell).await {
                tracing::error!(%error, "an alarm could not be raised, and telling of it failed");
            }
        }
        raised
    }

    /// Rows V8, E7: that a PIN was used since is kept in the silent alarm, and not at the door, where it would take its time.
    async fn notice_pins_used(&self, now: Time) -> store::Result<usize> {
        let found = async move |tx: &mut store::Tx| pins::used_under_duress_any_org(tx, now, AT_ONCE).await;
        let used = self.db.look(found).await?;
        for whose in used.iter().copied() {
            let (house, trace) = (Arc::clone(&self.house), Trace::machine(Door::Timer, now));
            let notice = async move |tx: &mut store::Tx| sos::notice_pin_used(tx, &house, whose, trace).await;
            self.db.write_in(Lane::Timer, notice).await?;
        }
        Ok(used.len())
    }

    /// Row D4: a call without a receipt goes by its next channel too.
    async fn notice_missed_receipts(&self, now: Time) -> store::Result<usize> {
        let found = async move |tx: &mut store::Tx| receipts::silent_any_org(tx, now, AT_ONCE).await;
        let silent = self.db.look(found).await?;
        for which in silent.iter().copied() {
            let missed = async move |tx: &mut store::Tx| app::receipts::is_missed(tx, which, now).await;
            if let Err(error) = self.db.write_in(Lane::Timer, missed).await {
                tracing::error!(%error, "a missed receipt could not be worked on; tried again with the next round");
            }
        }
        Ok(silent.len())
    }

    async fn ask_at_the_end_of_the_day(&self, now: Time) -> store::Result<usize> {
        if self.db.look(end_of_day::next_due).await?.is_none_or(|due| now < due) {
            return Ok(0);
        }
        let house = Arc::clone(&self.house);
        let case = async move |tx: &mut store::Tx| end_of_day::ask(tx, &house, ASKED_AT_ONCE, now).await;
        self.db.write_in(Lane::Timer, case).await
    }

    /// After everything that is real, and a use case of its own: a drill holds up no alarm.
    async fn run_drills(&self, now: Time) -> store::Result<usize> {
        let Some(due) = self.db.look(drills::next_due).await? else { return Ok(0) };
        let in_the_way = self.db.look(drills::in_the_way).await?;
        let stepped = in_the_way.len();
        for (id, organisation) in in_the_way {
            let aside = async move |tx: &mut store::Tx| drills::step_aside(tx, (organisation, id), now).await;
            self.db.write_in(Lane::Timer, aside).await?;
        }
        if now < due {
            return Ok(stepped);
        }
        let house = Arc::clone(&self.house);
        let case = async move |tx: &mut store::Tx| drills::rounds(tx, &house, DRILLS_AT_ONCE, now).await;
        self.db.write_in(Lane::Timer, case).await
    }

    async fn end_rehearsals(&self, now: Time) -> store::Result<usize> {
        if self.db.look(rehearsals::next_over).await?.is_none_or(|over| now < over) {
            return Ok(0);
        }
        let house = Arc::clone(&self.house);
        let case = async move |tx: &mut store::Tx| rehearsals::end(tx, &house, now).await;
        self.db.write_in(Lane::Timer, case).await
    }

    /// Each by itself, in the timer's lane: the next tick does not wait for a crowd at the doors because of it. After one that fails
    /// the rest waits for the next round.
    async fn ask_to_agree(&self, now: Time) -> store::Result<usize> {
        if self.db.look(agreements::next_due).await?.is_none_or(|due| now < due) {
            return Ok(0);
        }
        let due = self
            .db
            .look(async move |tx: &mut store::Tx| agreements::due(tx, AGREEMENTS_AT_ONCE, now).await)
            .await?;
        for (done, one) in due.iter().copied().enumerate() {
            let house = Arc::clone(&self.house);
            let case = async move |tx: &mut store::Tx| agreements::work_on(tx, &house, one, now).await;
            if let Err(error) = self.db.write_in(Lane::Timer, case).await {
                tracing::error!(%error, due = ?one, "this could not be done about an agreement; moved aside for 30 s");
                let aside = async move |tx: &mut store::Tx| agreements::put_aside(tx, one, now).await;
                self.db.write_in(Lane::Timer, aside).await?;
                return Ok(done);
            }
        }
        Ok(due.len())
    }

    async fn ask_for_what_is_missing(&self, now: Time) -> store::Result<usize> {
        if self.db.look(chases::next_due).await?.is_none_or(|due| now < due) {
            return Ok(0);
        }
        let house = Arc::clone(&self.house);
        let case = async move |tx: &mut store::Tx| {
            chases::ask_for_what_is_missing(tx, &house, ASKED_AT_ONCE, now).await
        };
        self.db.write_in(Lane::Timer, case).await
    }

    async fn ask_whether_people_are_reached(&self, now: Time) -> store::Result<usize> {
        let last = *self.asked_reached.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| now - last < REACHED_EVERY)
            || self.db.look(proofs::next_due).await?.is_none_or(|due| now < due)
        {
            return Ok(0);
        }
        *self.asked_reached.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        let house = Arc::clone(&self.house);
        let case = async move |tx: &mut store::Tx| proofs::ask(tx, &house, REACHED_AT_ONCE, now).await;
        self.db.write_in(Lane::Usual, case).await
    }

    /// One round, as time is now; what there is to know about the time is learned at its end, so that no alarm waits for that.
    /// Returns how long to sleep.
    pub async fn round(&self) -> Duration {
        let now = self.clock.now();
        let ticked = self.tick(now).await;
        let sleep = self.look_ahead(now).await;
        self.keep_clock_changes().await;
        self.turned();
        match ticked {
            Ok(_) => {
                self.db.metrics().round("clean");
                sleep
            }
            Err(error) => {
                self.db.metrics().round("failed");
                tracing::error!(%error, "a round of the timer failed; the next follows");
                self.longest_sleep
            }
        }
    }

    /// The loop goes on. A round that hangs does not say so, and is noticed by that.
    fn turned(&self) {
        self.vitals.turned();
        self.watchdog.feed();
    }

    /// Goes into the log with the next round, beside what the clock itself has to say.
    pub fn note(&self, change: Change) {
        tracing::warn!(?change, "a clock is not what it was");
        self.unkept.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }

    async fn look_ahead(&self, ticked_at: Time) -> Duration {
        let look = async |tx: &mut store::Tx| {
            clocks::follow(tx, &*self.clock).await?;
            tick::next_due(tx).await
        };
        match self.db.look(look).await {
            Ok(Some(due)) if due <= ticked_at => SHORTEST_SLEEP,
            Ok(Some(due)) => (due - self.clock.now()).to_std().unwrap_or_default().min(self.longest_sleep),
            _ => self.longest_sleep,
        }
    }

    async fn keep_clock_changes(&self) {
        self.clock.take_changes().into_iter().for_each(|change| self.note(change));
        let mut changes = std::mem::take(&mut *self.unkept.lock().unwrap_or_else(PoisonError::into_inner));
        if changes.is_empty() {
            return;
        }
        let (now, keep) = (self.clock.now(), changes.clone());
        let kept = self.db.write_in(Lane::Timer, async move |tx| clocks::changed(tx, &keep, now).await).await;
        if let Err(error) = kept {
            tracing::warn!(%error, "what happened to the clocks was not kept; tried again with the next round");
            changes.truncate(MOST_UNKEPT);
            *self.unkept.lock().unwrap_or_else(PoisonError::into_inner) = changes;
        }
    }

    async fn mark(&self, now: Time) -> store::Result<()> {
        let every = delta(MARK_EVERY.min(self.outage / 4));
        let marked = *self.marked.lock().unwrap_or_else(PoisonError::into_inner);
        if marked.is_some_and(|marked| (now - marked).abs() < every) {
            return Ok(());
        }
        let outage = self.outage;
        self.db.write_in(Lane::Timer, async move |tx| tick::round_done(tx, outage, now).await).await?;
        // A few, and by the timer's own way: behind a crowd at the doors the timer would wait with it.
        let forget = async move |tx: &mut store::Tx| tick::forget_old_keys(tx, now).await;
        if let Err(error) = self.db.write_in(Lane::Timer, forget).await {
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
            kill_point("timer.turns").await;
            let sleep = self.round().await;
            kill_point("timer.ticked").await;
            self.db.bell().timer_sleeps_until(Some(self.clock.now() + delta(sleep)));
            tokio::select! {
                () = stop.cancelled() => return,
                () = &mut rung => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }
}
