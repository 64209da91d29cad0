//! What stands after the words that need a PIN.

use super::{
    super::pin::Pin,
    Command, Longer,
    mask::{is_pin_like, length, short_numbers, without_pins},
    reading::Run,
    times::{Announced, clock, duration, minutes, number},
    trimmed,
};

/// The PIN in what stands after the word, and the words after the PIN.
pub(super) fn pin_and_words(original: &str, after_word: usize, runs: &[Run]) -> (Option<Pin>, String) {
    let found = find_pin(runs);
    let from = found.as_ref().map_or(after_word, |(_, end)| *end);
    (found.map(|(pin, _)| pin), words(original, from))
}

fn words(original: &str, from: usize) -> String {
    trimmed(&without_pins(&original[from..]))
}

/// The first run of 4 to 8 digits, or else the first short ones that make one together; and where it ends.
fn find_pin(runs: &[Run]) -> Option<(Pin, usize)> {
    let in_one = (0..runs.len()).find(|at| is_pin(runs, *at)).map(|at| &runs[at..=at]);
    let spelled = || short_numbers(runs, " -").find(|numbers| (4..=8).contains(&length(numbers)));
    let digits = in_one.or_else(spelled)?;
    let pin = Pin::parse(&digits.iter().map(|run| run.text.as_str()).collect::<String>()).ok()?;
    Some((pin, digits.last()?.at.end))
}

/// Whether a run is taken for the PIN: not part of a reference such as A123456, and not the time in "out at 1500".
fn is_pin(runs: &[Run], at: usize) -> bool {
    let run = &runs[at];
    let before = at.checked_sub(1).map(|before| runs[before].text.as_str());
    let touches_letters = run.is_glued() && before.is_some_and(|before| before != "PIN");
    let says_time = before.is_some_and(|before| {
        matches!(before, "AT" | "BY" | "UNTIL" | "TILL" | "TIL" | "AROUND" | "ABOUT" | "SINCE" | "FROM")
    }) && run.text.len() == 4
        && clock(&runs[at..], Announced::Yes).is_some();
    is_pin_like(run) && !touches_letters && !says_time
}

/// `MORE 30 4821` in either order, `MORE UNTIL 15:30 4821`, `MORE 1h 4821`. Nothing is guessed: two lengths or two PINs
/// are asked about, and digits that stand apart are no PIN here, where they may be minutes.
pub(super) fn more(original: &str, after_word: usize, runs: &[Run]) -> Command {
    let mut said: Vec<Longer> = Vec::new();
    let mut pins: Vec<usize> = Vec::new();
    let mut at = 0;
    while let Some(run) = runs.get(at) {
        let behind = &runs[at + 1..];
        let here = &runs[at..];
        let announces = matches!(run.text.as_str(), "UNTIL" | "TILL" | "TIL" | "TO" | "BY");
        if announces && let Some((time, used)) = announced(&run.text, behind) {
            said.push(Longer::Until(time));
            at += 1 + used;
        } else if matches!(run.text.as_str(), "UNTIL" | "TILL" | "TIL") {
            said.push(Longer::Odd);
            at += 1;
        } else if let Some((length, used)) = duration(here) {
            said.push(Longer::For(length));
            at += used;
        } else if let Some((time, used)) = clock(here, Announced::No).filter(|_| !is_pin(runs, at)) {
            said.push(Longer::Until(time));
            at += used;
        } else if is_pin(runs, at) {
            pins.push(at);
            at += 1;
        } else if is_short(here) {
            said.push(Longer::For(minutes(number(&run.text))));
            at += 1;
        } else if is_filler(&run.text) {
            at += 1;
        } else {
            break;
        }
    }
    // Somebody's words before the PIN: "MORE 30 she is not ready 4821".
    if pins.is_empty() {
        pins.extend((at..runs.len()).find(|at| is_pin(runs, *at)));
    }
    let pin = match pins.as_slice() {
        [one] => Pin::parse(&runs[*one].text).ok(),
        _ => None,
    };
    let by = match (said.as_slice(), pins.len()) {
        (_, 2..) | ([_, _, ..], _) => Longer::Odd,
        ([], _) => Longer::Missing,
        ([one], _) => one.clone(),
    };
    let from = if pin.is_some() { runs[pins[0]].at.end } else { after_word };
    Command::More { by, pin, words: words(original, from) }
}

fn announced(word: &str, behind: &[Run]) -> Option<(super::ClockTime, usize)> {
    // "BY 30" are minutes, "TO 3" is nothing.
    let bare = behind.first().is_some_and(|run| run.text.len() < 3) && matches!(word, "BY" | "TO");
    clock(behind, if bare { Announced::No } else { Announced::Yes })
}

/// A number of at most three digits that stands alone.
fn is_short(runs: &[Run]) -> bool {
    let short = runs[0].is_digits() && runs[0].text.len() <= 3;
    short && runs.get(1).is_none_or(|next| !next.is_glued())
}

fn is_filler(word: &str) -> bool {
    matches!(
        word,
        "BY" | "TO" | "FOR" | "ANOTHER" | "PLEASE" | "PLS" | "PLZ" | "ABOUT" | "PIN" | "TIME" | "THAN"
    )
}

#[cfg(test)]
mod tests {
    use super::super::{Command, parse};

    #[test]
    fn the_words_after_a_pin_are_kept_without_it() {
        for (text, expected) in [
            ("OUT 4821 cheers Sam", "cheers Sam"),
            ("out 48 21 - cheers, Sam! 1 2 3 4", "cheers, Sam! ****"),
            ("OUT4821cheers", "cheers"),
            ("OUT thanks 4821", ""),
            ("OUT thanks Sam", "thanks Sam"),
            ("OUT 4821\n-- \nSam", "Sam"),
            ("OK 4821 4 8 2 1", ""),
            ("MORE 30 4821 cheers Sam", "cheers Sam"),
            ("MORE 4821 30 min cheers Sam", "30 min cheers Sam"),
            ("MORE 30 she is slow 4821 Sam", "Sam"),
            ("MORE 30", "30"),
        ] {
            let (Command::Out { words, .. } | Command::Fine { words, .. } | Command::More { words, .. }) =
                parse(text)
            else {
                panic!("{text}")
            };
            assert_eq!(words, expected, "{text}");
        }
    }
}
