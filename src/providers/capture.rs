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

    /// Whether it fails.
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    pub(super) fn send(&self) -> Handed {
        if self.is_failing() {
            return Handed::TryAgain { reason: "made to fail".into() };
        }
        Handed::Accepted { reference: None }
    }
}
