//! What stands after `MEASURES`: whether what was agreed is in place, or was followed.

use super::{Command, calls, mask::without_numbers, reading::Token, trimmed};
use crate::domain::measures::Kept;

/// `MEASURES OK`, `MEASURES NO nobody has come`. That all is in place needs its word and no other beside it: "OK, but not …" is asked
/// about.
pub(super) fn read(original: &str, after_word: usize, rest: &[Token]) -> Command {
    let words = |from: usize| trimmed(&without_numbers(&original[from..]));
    let Some((first, behind)) = rest.split_first() else {
        return Command::Measures { kept: None, words: String::new() };
    };
    match first.text.as_str() {
        "OK" | "OKAY" | "YES" if behind.iter().all(Token::is_digits) => {
            Command::Measures { kept: Some(Kept::Yes), words: String::new() }
        }
        "OK" | "OKAY" | "YES" => Command::Measures { kept: None, words: words(after_word) },
        "NO" => Command::Measures { kept: Some(Kept::No), words: words(first.end()) },
        _ if calls::have_a_negation(rest) => {
            Command::Measures { kept: Some(Kept::No), words: words(after_word) }
        }
        _ => Command::Measures { kept: None, words: words(after_word) },
    }
}
