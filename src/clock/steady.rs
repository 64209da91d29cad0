//! Time that never goes back, made of a source that can jump and a clock that only goes on.

use std::time::Duration;

use chrono::TimeDelta;

use super::Time;

/// Clocks that are no further apart agree, as far as a deadline is concerned.
pub(crate) const AGREE: TimeDelta = TimeDelta::seconds(2);
/// So many changes wait at most for whoever keeps them; a clock that jumps about must not fill the memory.
const WAITING: usize = 64;

/// Which clock something happened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The machine's own.
    Machine,
    /// The database's.
    Database,
}

impl Source {
    /// Its name in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Database => "database",
        }
    }
}

/// What happened to a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It jumped, or the machine was suspended. A step forward is followed; a step back is not.
    Stepped {
        /// Which one.
        source: Source,
        /// What it would have shown.
        before: Time,
        /// What it showed.
        after: Time,
    },
    /// The machine's clock and the database's do not show the same time, and now differ by so much.
    Apart {
        /// How far the machine's is ahead; less than zero: behind.
        machine_ahead: TimeDelta,
    },
    /// They agree again.
    Together,
    /// At the start it was earlier than the last round of the timer had been: a clock was set back while nothing ran.
    BeforeLastRound {
        /// When that was.
        last_round: Time,
        /// What the time was at the start.
        now: Time,
    },
}

/// A source's time, carried on by the steady clock between two readings.
#[derive(Debug)]
pub(super) struct Steady {
    source: Source,
    reading: Time,
    read_at: Duration,
    /// How much is kept above the source after it stepped back.
    above: TimeDelta,
    /// What was shown at the last reading: never less from then on.
    floor: Time,
}

impl Steady {
    pub(super) fn new(source: Source, reading: Time, read_at: Duration) -> Self {
        Self { source, reading, read_at, above: TimeDelta::zero(), floor: reading }
    }

    /// The time, when the steady clock shows this.
    pub(super) fn at(&self, steady: Duration) -> Time {
        (self.carried_on(steady) + self.above).max(self.floor)
    }

    /// A new reading. Returns what it shows to have happened to the source.
    pub(super) fn read(&mut self, reading: Time, steady: Duration) -> Option<Change> {
        let (shown, before) = (self.at(steady), self.carried_on(steady));
        let behind = shown - reading;
        *self = Self {
            source: self.source,
            reading,
            read_at: steady,
            // A little behind: time stands still until the source has caught up. Further: it goes on at its own pace.
            above: if behind > AGREE { behind } else { TimeDelta::zero() },
            floor: shown.max(reading),
        };
        let stepped = Change::Stepped { source: self.source, before, after: reading };
        ((reading - before).abs() > AGREE).then_some(stepped)
    }

    fn carried_on(&self, steady: Duration) -> Time {
        let since = steady.saturating_sub(self.read_at);
        self.reading + TimeDelta::from_std(since).unwrap_or_default()
    }
}

/// How far two clocks are apart, as far as it has been said.
#[derive(Debug, Default)]
pub(super) struct Gap(TimeDelta);

impl Gap {
    /// Says so once for each change that matters, and not with every look.
    pub(super) fn seen(&mut self, machine_ahead: TimeDelta) -> Option<Change> {
        if (machine_ahead - self.0).abs() <= AGREE {
            return None;
        }
        let together = machine_ahead.abs() <= AGREE;
        self.0 = if together { TimeDelta::zero() } else { machine_ahead };
        Some(if together { Change::Together } else { Change::Apart { machine_ahead } })
    }
}

/// Changes that nobody has taken yet.
#[derive(Debug, Default)]
pub(super) struct Changes(Vec<Change>);

impl Changes {
    pub(super) fn add(&mut self, change: Option<Change>) {
        if self.0.len() < WAITING {
            self.0.extend(change);
        }
    }

    pub(super) fn take(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.0)
    }
}
