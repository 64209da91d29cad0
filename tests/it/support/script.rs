//! What a fake answers: the next ones that were said, else what was said for the recipient, else the usual.

use std::collections::{HashMap, VecDeque};

/// The answers of a fake.
#[derive(Debug, Default)]
pub struct Script<A> {
    /// Where nothing else is said.
    pub usually: A,
    /// To the next messages; they go before everything else.
    pub next: VecDeque<A>,
    /// By recipient.
    pub to: HashMap<String, A>,
}

impl<A: Copy> Script<A> {
    /// The answer to the next message, which is for `to`.
    pub fn answer(&mut self, to: &str) -> A {
        self.next.pop_front().unwrap_or_else(|| self.to.get(to).copied().unwrap_or(self.usually))
    }
}
