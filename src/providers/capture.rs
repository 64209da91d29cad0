//! Accepts everything at once and sends nothing: for tests and demonstrations. The outbox row is the record.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::domain::retry::Handed;

/// A provider that sends nothing.
#[derive(Debug, Default)]
pub struct Capture {
    failing: AtomicBool,
}

impl Capture {
    /// Lets it fail, or work again.
    pub fn set_failing(&self, failing: bool) {
        self.failing.store(failing, Ordering::Relaxed);
    }

    pub(super) fn send(&self) -> Handed {
        if self.failing.load(Ordering::Relaxed) {
            return Handed::TryAgain { reason: "made to fail".into() };
        }
        Handed::Accepted { reference: None }
    }
}
