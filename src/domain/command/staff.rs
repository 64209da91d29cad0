//! What stands after the words that need a code.

use std::ops::Range;

use chrono::TimeDelta;

use super::{
    Code, Command, Why, calls,
    mask::without_numbers,
    reading::{Run, Token, runs},
    times::{duration, minutes, number},
    trimmed,
    words::{Word, one_slip},
};
use crate::domain::agreement::Answer;

/// The code in what stands after the word, and where: the one token that is a code, or the first few that make one
/// together. Of two different ones neither is meant.
pub(super) fn code(rest: &[Token]) -> Option<(Code, Range<usize>)> {
    let mut codes =
        rest.iter().filter_map(|token| Some((Code::parse(&token.text)?, token.start()..token.end())));
    match codes.next() {
        Some(one) => codes.all(|other| other.0 == one.0).then_some(one),
        None => spelled(rest),
    }
}

/// `K7 QF`
fn spelled(rest: &[Token]) -> Option<(Code, Range<usize>)> {
    let mut written = String::new();
    for token in rest.iter().take(4) {
        written.push_str(&token.text);
        if written.len() >= 4 {
            return Some((Code::parse(&written)?, rest[0].start()..token.end()));
        }
    }
    None
}

/// Whether this was glued to `word`: its code, or ALL.
pub(super) fn is_code_or_all(word: Word, glued: &str) -> bool {
    let code = if word == Word::Ack { glued.strip_prefix("ALL").unwrap_or(glued) } else { glued };
    Code::parse(code).is_some() || code.is_empty()
}

/// Reads what stands after `word`.
pub(super) fn read(word: Word, original: &str, after_word: usize, rest: &[Token]) -> Command {
    let (which, at) = code(rest).map_or((None, after_word..after_word), |(code, at)| (Some(code), at));
    let words = |from: usize| trimmed(&without_numbers(&original[from..]));
    match word {
        // "ACK K7QF cannot come" takes nothing.
        Word::Ack if calls::have_a_negation(rest) => Command::NotUnderstood(Why::Perhaps(Word::Ack.taught())),
        Word::Ack => acknowledgement(which, at.start, rest),
        Word::No => Command::Cannot { code: which },
        Word::Where => Command::Where { code: which },
        Word::Agree => Command::Decide { answer: Answer::Agree, code: which, words: words(at.end) },
        Word::Refuse => Command::Decide { answer: Answer::Refuse, code: which, words: words(at.end) },
        Word::Question => Command::Decide { answer: Answer::Ask, code: which, words: words(at.end) },
        Word::Safe => Command::Safe { code: which, words: words(at.end) },
        _ => {
            let behind: Vec<Token> = rest.iter().filter(|token| token.start() >= at.end).cloned().collect();
            let ahead: Vec<Token> = rest.iter().filter(|token| token.end() <= at.start).cloned().collect();
            let said = how_long(&runs(&behind)).or_else(|| how_long(&runs(&ahead)));
            let end = said.map_or(at.end, |(_, end)| end.max(at.end));
            Command::Hold { code: which, length: said.map(|(length, _)| length), reason: words(end) }
        }
    }
}

/// `ACK K7QF` or `ACK ALL K7QF`. What may have been ALL is not read as the one or the other.
fn acknowledgement(which: Option<Code>, at: usize, rest: &[Token]) -> Command {
    let may_be_all = |token: &Token| token.text == "ALL" || one_slip("ALL", &token.text);
    let text = |at: usize| rest.get(at).map_or("", |token| token.text.as_str());
    let code_behind = |at: usize| code(rest.get(at..).unwrap_or_default()).map(|(code, _)| code);
    match text(0).strip_prefix("ALL") {
        Some("") => Command::AckAll { code: code_behind(1) },
        Some(glued) if Code::parse(glued).is_some() => Command::AckAll { code: Code::parse(glued) },
        _ if format!("{}{}", text(0), text(1)) == "ALL" => Command::AckAll { code: code_behind(2) },
        _ if rest.iter().take_while(|token| token.end() <= at).any(may_be_all) => Command::Ack { code: None },
        _ => Command::Ack { code: which },
    }
}

/// Minutes at the beginning, with or without a unit, and where they end.
fn how_long(runs: &[Run]) -> Option<(TimeDelta, usize)> {
    let bare = || {
        let first = runs.first().filter(|run| run.is_digits() && run.text.len() <= 3)?;
        runs.get(1).is_none_or(|next| !next.is_glued()).then(|| (minutes(number(&first.text)), 1))
    };
    let (length, used) = duration(runs).or_else(bare)?;
    Some((length, runs.get(used.checked_sub(1)?)?.at.end))
}
