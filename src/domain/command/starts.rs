//! Texts that begin a visit without the word for it. A visit that is watched for nothing costs a text.

use super::{
    reading::Token,
    words::{CARRIER_WORDS, one_slip},
};

/// Other ways to begin. START alone is a carrier word.
const BEGINNINGS: &[&[&str]] = &[
    &["IM", "IN"],
    &["I", "AM", "IN"],
    &["AM", "IN"],
    &["NOW", "IN"],
    &["GOING", "IN"],
    &["IM", "GOING", "IN"],
    &["GONE", "IN"],
    &["ARRIVED"],
    &["ENTERING"],
    &["STARTING"],
];

/// One slip away from `IN`, and words of their own that may well stand before a number.
const NO_SLIPS: &[&str] = &["PIN", "AN", "IF", "IS", "IT", "ID", "ON"];

/// Whether the text begins a visit in other words, or with a slip; gives how many tokens say so.
pub(super) fn begins(tokens: &[Token]) -> Option<usize> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let opts_in = CARRIER_WORDS.iter().any(|(word, _)| *word == text(0)) && text(0) == "START";
    if opts_in {
        return (tokens.len() > 1).then_some(1);
    }
    for beginning in BEGINNINGS {
        let used = beginning.len();
        if beginning.iter().enumerate().all(|(at, word)| text(at) == *word) {
            return (!matches!(text(used), "HOME" | "BACK" | "SAFE" | "SAFELY")).then_some(used);
        }
    }
    let slipped = one_slip("IN", text(0)) && !NO_SLIPS.contains(&text(0));
    (slipped && tokens.get(1).is_some_and(is_an_end)).then_some(1)
}

/// What follows `IN` and hardly anything else: minutes, a time, a plan.
fn is_an_end(token: &Token) -> bool {
    let text = token.text.as_str();
    let leading_digits = text.chars().take_while(char::is_ascii_digit).count();
    matches!(text, "UNTIL" | "TILL" | "NEXT") || (1..=3).contains(&leading_digits)
}
