//! A worker's private rehearsal by text (row E9): `TEST IN 60`, `TEST OUT` with the PIN, `TEST SOS`, `TEST OUT` with the duress PIN. Every
//! text of it begins with TEST, so that no plain word is ever swallowed by one; there is no state that a real call could be lost in.

use chrono::TimeDelta;

use crate::clock::Time;

/// A rehearsal lasts so long; what is said later begins another.
pub const LASTS: TimeDelta = TimeDelta::minutes(15);
/// It is due again after so long: monthly.
pub const DUE_AFTER: TimeDelta = TimeDelta::days(31);

/// One step of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// `TEST`: it begins.
    Begin,
    /// `TEST IN 60`.
    In,
    /// `TEST OUT` with the usual PIN.
    Out,
    /// `TEST SOS`.
    Sos,
    /// `TEST OUT` with what says that they act under duress.
    Duress,
}

/// How far somebody has got. Shown to staff, never to the worker: whoever holds the phone could tell the PINs apart by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rehearsal {
    /// When it began.
    pub begun_at: Time,
    /// When each step was done in it.
    pub went_in: Option<Time>,
    /// With the usual PIN.
    pub came_out: Option<Time>,
    /// The call for help.
    pub called: Option<Time>,
    /// With the duress PIN or word.
    pub under_duress: Option<Time>,
    /// When a whole one was done last, in this rehearsal or before.
    pub whole_at: Option<Time>,
    /// When the worker is told that it is over; `None`: they were.
    pub over_at: Option<Time>,
}

impl Rehearsal {
    /// One that begins now; what was done before is kept.
    pub fn begun(before: Option<Self>, now: Time) -> Self {
        Self {
            begun_at: now,
            went_in: None,
            came_out: None,
            called: None,
            under_duress: None,
            whole_at: before.and_then(|before| before.whole_at),
            over_at: Some(now + LASTS),
        }
    }

    /// After a step at `now`. Whole is one with all four, or with three where the worker has nothing to say duress by.
    pub fn after(before: Option<Self>, step: Step, duress: DuressSet, now: Time) -> Self {
        let runs = before.filter(|before| before.over_at.is_some_and(|over| now < over));
        let mut next = runs.unwrap_or_else(|| Self::begun(before, now));
        match step {
            Step::Begin => {}
            Step::In => next.went_in = Some(now),
            Step::Out => next.came_out = Some(now),
            Step::Sos => next.called = Some(now),
            Step::Duress => next.under_duress = Some(now),
        }
        let aloud = [next.went_in, next.came_out, next.called].iter().all(Option::is_some);
        if aloud && (next.under_duress.is_some() || duress == DuressSet::No) {
            next.whole_at = Some(now);
        }
        next
    }
}

/// Whether a worker has a duress PIN or word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DuressSet {
    /// They have.
    Yes,
    /// They have not.
    No,
}

/// Whether somebody has to rehearse again.
pub fn is_due(whole_at: Option<Time>, now: Time) -> bool {
    whole_at.is_none_or(|whole| now - whole > DUE_AFTER)
}
