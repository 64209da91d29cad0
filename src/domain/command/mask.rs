//! Texts without what could be a PIN in them.

use std::ops::Range;

use super::{
    Command,
    reading::{Run, runs, tokens},
};

/// What stands in the place of digits.
const MASK: &str = "****";

/// So many digits in a row could be a PIN.
const SHORTEST_PIN: usize = 4;
/// At most so many.
const LONGEST_PIN: usize = 8;

/// Whether a run of digits could be a PIN.
pub(super) fn is_pin_like(run: &Run) -> bool {
    run.is_digits() && (SHORTEST_PIN..=LONGEST_PIN).contains(&run.text.len())
}

/// A text to be kept and shown: without anything that [`parse`](super::parse) would take for a PIN, and without whatever
/// looks like one. Where a PIN has no business (a start, a call for help, a concern, a word about an incident), single
/// short numbers next to each other stay: they are minutes and houses.
pub fn masked(text: &str) -> String {
    let shown = match super::parse(text) {
        Command::In(_)
        | Command::Sos { .. }
        | Command::Concern { .. }
        | Command::Measures { .. }
        | Command::Decide { .. }
        | Command::Changes { .. }
        | Command::Hold { .. }
        | Command::Safe { .. }
        | Command::NotSafe { .. } => without_numbers(text),
        _ => without_pins(text),
    };
    // Without some of its digits it may be read as something else, which may take others for a PIN.
    if shown == text { shown } else { masked(&shown) }
}

/// Without runs of digits as long as a PIN. A PIN with a digit too many goes too; a telephone number stays.
pub(super) fn without_numbers(text: &str) -> String {
    let runs = runs(&tokens(text));
    let digits = runs
        .iter()
        .filter(|run| run.is_digits() && run.text.len() >= SHORTEST_PIN && !is_telephone_number(text, run));
    replaced(text, digits.map(|run| run.at.clone()))
}

/// Without those, and without short ones that make a PIN together: `48 21`.
pub(super) fn without_pins(text: &str) -> String {
    let runs = runs(&tokens(text));
    let spelled = short_numbers(&runs, " -.,;")
        .filter(|numbers| length(numbers) >= SHORTEST_PIN)
        .filter_map(|numbers| Some(numbers.first()?.at.start..numbers.last()?.at.end));
    without_numbers(&replaced(text, spelled))
}

/// Neighbours of at most three digits each, parted by nothing but these: as long as can be.
pub(super) fn short_numbers<'r>(runs: &'r [Run], by: &'static str) -> impl Iterator<Item = &'r [Run]> {
    let is_short = |run: &Run| run.is_digits() && run.text.len() < SHORTEST_PIN;
    runs.chunk_by(move |one, other| {
        is_short(one) && is_short(other) && other.gap.chars().all(|c| by.contains(c))
    })
    .filter(move |chunk| chunk.len() > 1 && chunk.iter().all(is_short))
}

/// How many digits they have together.
pub(super) fn length(numbers: &[Run]) -> usize {
    numbers.iter().map(|run| run.text.len()).sum()
}

/// `07700900123`, `+447700900123`: longer than a PIN with a slip in it, and begun as one begins it.
fn is_telephone_number(text: &str, run: &Run) -> bool {
    let begins = run.text.starts_with('0') || text[..run.at.start].ends_with('+');
    (10..=15).contains(&run.text.len()) && begins
}

fn replaced(text: &str, parts: impl Iterator<Item = Range<usize>>) -> String {
    let mut written = String::with_capacity(text.len());
    let mut done = 0;
    for part in parts {
        written.push_str(&text[done..part.start]);
        written.push_str(MASK);
        done = part.end;
    }
    written.push_str(&text[done..]);
    written
}
