//! The only place that reads a clock. Everything else is told what time it is.
//!
//! With PostgreSQL the time is the database's ([`DatabaseClock`]), so that replicas agree on it whatever their machines believe;
//! with SQLite it is the machine's ([`WallClock`]). Neither ever goes back: what was due stays due. What happened to a clock
//! waits in [`Clock::take_changes`] for whoever keeps the log.

mod database;
mod machine;
mod steady;
mod wall;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

pub(crate) use self::steady::AGREE;
pub use self::{
    database::{Asked, DatabaseClock},
    machine::{Instants, Machine, ManualMachine, ThisMachine},
    steady::{Change, Source},
    wall::WallClock,
};

/// An instant in UTC, kept to the microsecond: what PostgreSQL can hold.
pub type Time = DateTime<Utc>;

/// Tells the time. Lives at the doors and in the loops; below them `now` is an argument.
pub trait Clock: Send + Sync + 'static {
    /// The present instant in UTC, in whole microseconds.
    fn now(&self) -> Time;

    /// What has happened to the clocks since this was last asked.
    fn take_changes(&self) -> Vec<Change> {
        Vec::new()
    }

    /// How far the machine's own clock is ahead of this one; less than zero: behind.
    fn machine_ahead(&self) -> TimeDelta {
        TimeDelta::zero()
    }

    /// The clock that has to be told the database's time again and again, if this is one.
    fn follows_database(&self) -> Option<&DatabaseClock> {
        None
    }
}

impl std::fmt::Debug for dyn Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

/// What the machine says at this moment, steps and all: for commands that look once and end.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
    fn now(&self) -> Time {
        whole_microseconds(Utc::now())
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
