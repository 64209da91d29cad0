//! The two clocks of a machine.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{TimeDelta, Utc};

use super::{Time, whole_microseconds};

/// Both clocks of a machine, read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instants {
    /// What the calendar says: it can be set, and jumps when a suspended machine wakes.
    pub wall: Time,
    /// What only ever goes on, counted from an arbitrary point. It stands still while the machine is suspended.
    pub steady: Duration,
}

/// A machine's clocks.
pub trait Machine: Send + Sync + 'static {
    /// Both at this moment.
    fn read(&self) -> Instants;
}

impl fmt::Debug for dyn Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Machine")
    }
}

/// The machine we run on.
#[derive(Debug, Clone, Copy)]
pub struct ThisMachine {
    origin: Instant,
}

/// Both clocks are read within this, or once more: a process that was held up between the two would see a step.
const TOGETHER: Duration = Duration::from_millis(50);

#[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
impl ThisMachine {
    /// Its steady clock counts from here.
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }

    fn steady(self) -> Duration {
        Instant::now().saturating_duration_since(self.origin)
    }
}

impl Default for ThisMachine {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine for ThisMachine {
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
    fn read(&self) -> Instants {
        loop {
            let before = self.steady();
            let wall = whole_microseconds(Utc::now());
            let steady = self.steady();
            if steady.saturating_sub(before) <= TOGETHER {
                return Instants { wall, steady };
            }
        }
    }
}

/// A machine whose clocks a test sets, each by itself.
#[derive(Debug, Clone)]
pub struct ManualMachine(Arc<Mutex<Instants>>);

impl ManualMachine {
    /// Both clocks stand still, the calendar's at `wall`.
    pub fn new(wall: Time) -> Self {
        Self(Arc::new(Mutex::new(Instants { wall: whole_microseconds(wall), steady: Duration::ZERO })))
    }

    /// Time passes, as it does while the machine runs.
    pub fn run(&self, length: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        now.wall += TimeDelta::from_std(length).unwrap_or_default();
        now.steady += length;
    }

    /// The calendar jumps and the steady clock does not: somebody set it, or the machine was suspended.
    pub fn step(&self, by: TimeDelta) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).wall += by;
    }
}

impl Machine for ManualMachine {
    fn read(&self) -> Instants {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
