//! Tells systemd how we are; where it does not ask, nothing is said. See `config/homeward.service`.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sd_notify::NotifyState;

use crate::clock::{Stopwatch, stopwatch};

/// It serves, and knows what time it is.
pub fn ready() {
    say(&[NotifyState::Ready]);
}

/// It ends as it was asked to.
pub fn ending() {
    say(&[NotifyState::Stopping]);
}

fn say(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd could not be told how this service is");
    }
}

/// systemd's watchdog, if it waits for one: not fed in time it kills the process and starts it anew.
#[derive(Debug)]
pub struct Watchdog {
    every: Option<Duration>,
    fed: Mutex<Option<Stopwatch>>,
    feeding: Arc<AtomicBool>,
}

impl Watchdog {
    /// As systemd asks for it by `WATCHDOG_USEC`.
    pub fn from_environment() -> Self {
        let every = sd_notify::watchdog_enabled().map(|limit| limit / 4);
        Self { every, fed: Mutex::default(), feeding: Arc::default() }
    }

    /// Called with each turn of the loop that must not hang; feeds as often as is needed and no more.
    pub fn feed(&self) {
        let Some(every) = self.every else { return };
        let mut fed = self.fed.lock().unwrap_or_else(PoisonError::into_inner);
        if fed.is_some_and(|fed| fed.elapsed() < every) {
            return;
        }
        *fed = Some(stopwatch());
        // Where systemd itself hangs, saying so waits: the loop must not.
        if !self.feeding.swap(true, Ordering::SeqCst) {
            let feeding = Arc::clone(&self.feeding);
            tokio::task::spawn_blocking(move || {
                say(&[NotifyState::Watchdog]);
                feeding.store(false, Ordering::SeqCst);
            });
        }
    }
}
