//! Accepts everything at once and sends nothing: for tests and demonstrations. The outbox row is the record.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::Outgoing;
use crate::domain::retry::Handed;

/// What a scripted provider answers to a message.
pub type Script = Arc<dyn Fn(&Outgoing<'_>) -> Handed + Send + Sync>;

/// A provider that sends nothing.
#[derive(Default)]
pub struct Capture {
    failing: AtomicBool,
    script: Option<Script>,
    receipts: bool,
}

impl Capture {
    /// Lets it answer as a script says: a test's, which keeps a ledger and fails as it likes.
    pub fn scripted(script: Script) -> Self {
        Self { script: Some(script), ..Self::default() }
    }

    /// Lets it say what becomes of what it has taken: whoever scripts it does so.
    #[must_use]
    pub fn giving_receipts(self) -> Self {
        Self { receipts: true, ..self }
    }

    pub(super) fn gives_receipts(&self) -> bool {
        self.receipts
    }

    /// Lets it fail, or work again.
    pub fn set_failing(&self, failing: bool) {
        self.failing.store(failing, Ordering::Relaxed);
    }

    /// Whether it fails.
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    pub(super) fn send(&self, message: &Outgoing<'_>) -> Handed {
        if self.is_failing() {
            return Handed::TryAgain { reason: "made to fail".into() };
        }
        self.script.as_ref().map_or(Handed::Accepted { reference: None }, |script| script(message))
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture")
            .field("failing", &self.failing)
            .field("scripted", &self.script.is_some())
            .field("receipts", &self.receipts)
            .finish()
    }
}
