//! What a process knows of its own health: whether its timer still turns, and whether people reach it where they were told to.
//! Kept in memory, by the steady clock: another replica's health says nothing about ours.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::clock::{Stopwatch, stopwatch};

/// A timer that has not turned for longer hangs: while the database hangs each of its tries ends sooner.
const HANGS_AFTER: Duration = Duration::from_secs(10);

/// How this process is.
#[derive(Debug)]
pub struct Vitals {
    turned: Mutex<Stopwatch>,
    clean: Mutex<Option<Stopwatch>>,
    reach: Mutex<Reach>,
}

/// Whether `listen.public_url` leads to this installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// It was not said where people reach us.
    NotSaid,
    /// It does.
    Answers,
    /// It does not, or nobody has looked yet; in words, with what to mend.
    Wrong(String),
}

impl Vitals {
    /// Of a process that is just starting.
    pub fn new(reach: Reach) -> Self {
        Self { turned: Mutex::new(stopwatch()), clean: Mutex::new(None), reach: Mutex::new(reach) }
    }

    /// The timer's loop goes on: it did something, or failed at it and knows.
    pub fn turned(&self) {
        *self.turned.lock().unwrap_or_else(PoisonError::into_inner) = stopwatch();
    }

    /// A round of the timer was committed and left nothing due.
    pub fn clean_round(&self) {
        *self.clean.lock().unwrap_or_else(PoisonError::into_inner) = Some(stopwatch());
    }

    /// For how long the timer has hung, if it does.
    pub fn timer_hangs(&self) -> Option<Duration> {
        let since = self.turned.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
        (since > HANGS_AFTER).then_some(since)
    }

    /// Whether a round went well within the last seconds.
    pub fn timer_is_well(&self) -> bool {
        let clean = self.clean.lock().unwrap_or_else(PoisonError::into_inner);
        clean.is_some_and(|clean| clean.elapsed() <= HANGS_AFTER)
    }

    /// What came of looking for ourselves under `listen.public_url`.
    pub fn reached(&self, reach: Reach) {
        *self.reach.lock().unwrap_or_else(PoisonError::into_inner) = reach;
    }

    /// Whether `listen.public_url` leads here.
    pub fn reach(&self) -> Reach {
        self.reach.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
