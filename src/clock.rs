//! The only place that reads a clock. Everything else is told what time it is.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

/// An instant in UTC, kept to the microsecond: what PostgreSQL can hold.
pub type Time = DateTime<Utc>;

/// Tells the time. Lives at the doors and in the loops; below them `now` is an argument.
pub trait Clock: Send + Sync + 'static {
    /// The present instant in UTC, in whole microseconds.
    fn now(&self) -> Time;
}

/// The machine's clock. A step forward is followed at once; after a step back it goes on at its own pace until the machine
/// has caught up, so that nothing that is due is put off.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
    fn now(&self) -> Time {
        static LAST: Mutex<Option<(Time, Instant)>> = Mutex::new(None);
        let (wall, tick) = (Utc::now(), Instant::now());
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        let steady = last.and_then(|(time, then)| Some(time + TimeDelta::from_std(tick - then).ok()?));
        let now = steady.map_or(wall, |steady| steady.max(wall));
        *last = Some((now, tick));
        whole_microseconds(now)
    }
}

/// A clock that a test sets.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Time>>);

impl ManualClock {
    /// Stands still at `start`.
    pub fn new(start: Time) -> Self {
        Self(Arc::new(Mutex::new(whole_microseconds(start))))
    }

    /// Moves on by `step`.
    pub fn advance(&self, step: TimeDelta) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += step;
    }

    /// Jumps to `to`, forwards or backwards.
    pub fn set(&self, to: Time) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = whole_microseconds(to);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn whole_microseconds(time: Time) -> Time {
    time.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(time)
}

/// Measures how long something takes on the monotonic clock; never used to decide when something is due.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

/// Starts a stopwatch.
#[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
pub fn stopwatch() -> Stopwatch {
    Stopwatch(Instant::now())
}

impl Stopwatch {
    /// How long it has run.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
