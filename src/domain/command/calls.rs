//! Calls for help, however they are written. A false one costs an apology; a missed one may cost a life.

use super::{
    Code,
    reading::Token,
    words::{Word, one_slip},
};

/// Words that are near one that calls, and are none.
const NO_CALLS: &[&str] =
    &["HEAP", "HELD", "HELL", "HELM", "HELO", "PAYDAY", "POLICY", "POLITE", "SO", "SON", "SOZ"];

/// Means a call wherever it stands in a text that begins with no listed word.
const CALLS: &[&str] = &[
    "SOS",
    "HELP",
    "HELPME",
    "999",
    "911",
    "POLICE",
    "EMERGENCY",
    "AMBULANCE",
    "MAYDAY",
    "ATTACKED",
    "ATTACK",
    "ATTACKING",
    "ASSAULTED",
    "DANGER",
    "KNIFE",
    "WEAPON",
    "GUN",
    "STABBED",
    "HURT",
    "INJURED",
    "BLEEDING",
    "TRAPPED",
    "HOSTAGE",
    "UNSAFE",
    "SCARED",
    "AFRAID",
    "THREATENED",
    "THREATENING",
    "THREAT",
];

/// Means a call even after a listed word.
const CALLS_AFTER_A_WORD: &[&str] = &["SOS", "HELP", "HELPME", "999", "MAYDAY"];

/// After `IN` these are no place.
const TROUBLE: &[&str] = &["TROUBLE", "DANGER", "PAIN", "DISTRESS", "DANGEROUS"];

const FINE: &[&str] = &["OK", "OKAY", "OKEY", "SAFE", "FINE", "ALRIGHT"];
const NEGATIONS: &[&str] = &[
    "NOT", "NOTT", "NTO", "NT", "N0T", "ISNT", "AINT", "ARENT", "WASNT", "DONT", "DOESNT", "DIDNT", "CANT",
    "CANNOT", "WONT", "NEVER", "NEITHER", "NOR", "HARDLY", "NOPE", "NAH",
];
const NOT_FINE: &[&str] = &["UNSAFE", "NOTSAFE", "NOTOK", "NOTOKAY", "NOTFINE"];
/// A "no" before these answers a question and denies nothing: "No, I am fine."
const AFTER_AN_ANSWER: &[&str] = &["I", "IM", "ITS", "WE", "WERE", "ALL", "EVERYTHING", "THANKS", "THANK"];
/// A negation reaches so many words.
const REACH: usize = 3;

/// Whether the text begins with a call, slips and all; gives how many tokens say it.
pub(super) fn leads(tokens: &[Token]) -> Option<usize> {
    let first = tokens.first()?;
    let second = tokens.get(1).map_or("", |token| token.text.as_str());
    let alone = tokens.len() == 1;
    match first.text.as_str() {
        "112" | "911" => alone.then_some(1),
        "HELP" | "HELPME" if second == "ME" => Some(2),
        text if Word::of(text) == Some(Word::Sos) => Some(1),
        text if calls_with_a_slip(text, alone) => Some(1),
        // A call that a blank has parted: SO S, HE LP.
        text if first.text.len() < 6 && !first.is_digits() => {
            let joined = format!("{text}{second}");
            matches!(joined.as_str(), "SOS" | "HELP" | "HELPME" | "POLICE" | "MAYDAY").then_some(2)
        }
        _ => None,
    }
}

fn calls_with_a_slip(text: &str, alone: bool) -> bool {
    let text = text.replace('0', "O");
    let once = without_repeats(&text);
    let is_near = |call: &str| one_slip(call, &text) || once == call;
    match Word::of(&text) {
        Some(word) => return word == Word::Sos,
        None if NO_CALLS.contains(&text.as_str()) => return false,
        None => {}
    }
    if text.starts_with("SOS") || text.starts_with("HELPM") || once.starts_with("SOS") {
        return true;
    }
    // Of three letters one slip leaves little: only where nothing else was written, or it can hardly be another word.
    is_near("SOS") && alone
        || matches!(text.as_str(), "SSO" | "OSS" | "S0S" | "SOOS" | "SSOS")
        || ["HELP", "POLICE", "EMERGENCY", "AMBULANCE", "MAYDAY"].iter().any(|call| is_near(call))
}

/// `HEEELP` as `HELP`.
fn without_repeats(text: &str) -> String {
    let mut once = String::with_capacity(text.len());
    for c in text.chars() {
        if !once.ends_with(c) {
            once.push(c);
        }
    }
    once
}

/// Whether a text that begins with no listed word has a call in it.
pub(super) fn stand_in(tokens: &[Token]) -> bool {
    tokens.iter().any(|token| CALLS.contains(&token.text.as_str()))
}

/// Whether the rest after a listed word has a call in it.
pub(super) fn stand_after_a_word(rest: &[Token]) -> bool {
    rest.iter().any(|token| CALLS_AFTER_A_WORD.contains(&token.text.as_str()))
}

/// Whether the rest after `IN` is a call rather than minutes and a place: places have such words in their names.
pub(super) fn stand_after_in(rest: &[Token]) -> bool {
    let is = |token: &Token, words: &[&str]| words.contains(&token.text.as_str());
    rest.first().is_some_and(|first| is(first, TROUBLE))
        || rest.last().is_some_and(|last| is(last, &["HELP"]))
        || rest.iter().any(|token| is(token, &["SOS", "HELPME", "MAYDAY"]))
        || says_help_me(rest)
}

/// Whether a concern has a call in it: such a text speaks of other people's needs.
pub(super) fn stand_after_concern(rest: &[Token]) -> bool {
    rest.iter().any(|token| token.text == "SOS") || says_help_me(rest)
}

/// Whether a line of a signature is a call: there names of police forces and emergency numbers are none.
pub(super) fn stand_below(line: &[Token]) -> bool {
    let is = |token: &Token, words: &[&str]| words.contains(&token.text.as_str());
    line.iter().any(|token| is(token, &["SOS", "HELPME", "MAYDAY"]))
        || says_help_me(line)
        || matches!(line, [only] if is(only, &["HELP", "999", "POLICE", "AMBULANCE", "EMERGENCY"]))
}

fn says_help_me(tokens: &[Token]) -> bool {
    tokens
        .windows(2)
        .any(|two| matches!((two[0].text.as_str(), two[1].text.as_str()), ("HELP", "ME") | ("NEED", "HELP")))
}

/// Who is said not to be fine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whoever {
    /// Anybody.
    Anybody,
    /// The one who writes: "I am not safe".
    TheWriter,
}

/// Whether a negation stands beside OK, SAFE or FINE.
pub(super) fn denies_being_fine(tokens: &[Token], who: Whoever) -> bool {
    let all: Vec<&str> = tokens.iter().map(|token| token.text.as_str()).collect();
    let is_word = |token: &&Token| !token.is_digits() && Code::parse(&token.text).is_none();
    let words: Vec<&str> = tokens.iter().filter(is_word).map(|token| token.text.as_str()).collect();
    let said_by = |words: &[&str], at: usize| {
        let before = &words[at.saturating_sub(2)..at];
        who == Whoever::Anybody || before.iter().any(|word| matches!(*word, "I" | "IM" | "WE" | "WERE"))
    };
    let before = words.iter().enumerate().any(|(at, word)| {
        FINE.contains(word)
            && (at.saturating_sub(REACH)..at).any(|before| negates(&words, before) && said_by(&words, before))
    });
    let in_one = words.iter().enumerate().any(|(at, word)| NOT_FINE.contains(word) && said_by(&words, at));
    // "OK not." "Safe? No." "FINE 4821 not"
    let behind = who == Whoever::Anybody
        && ((1..all.len()).any(|at| FINE.contains(&all[at - 1]) && negates(&all, at))
            || words.last().is_some_and(|last| NEGATIONS.contains(last) || *last == "NO")
                && words.iter().any(|word| FINE.contains(word)));
    before || in_one || behind
}

fn negates(words: &[&str], at: usize) -> bool {
    let next = words.get(at + 1).copied().unwrap_or_default();
    NEGATIONS.contains(&words[at])
        || words[at] == "NO" && !AFTER_AN_ANSWER.contains(&next) && !next.starts_with("PROB")
}

/// Whether any of these denies something.
pub(super) fn have_a_negation(rest: &[Token]) -> bool {
    let words: Vec<&str> = rest.iter().map(|token| token.text.as_str()).collect();
    (0..words.len()).any(|at| negates(&words, at))
}

/// Whether the first of these denies what stands before it.
pub(super) fn begin_with_a_negation(rest: &[Token]) -> bool {
    rest.first().is_some_and(|token| NEGATIONS.contains(&token.text.as_str()))
}
