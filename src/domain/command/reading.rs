//! A text as it is read: capital letters and digits, each knowing where it stands in the original.
//!
//! Case, accents, blanks, quotes, punctuation and emoji fall away here; fullwidth, Arabic-Indic and keycap digits become
//! plain ones. What is spelled letter by letter (`S.O.S`, `O K`) becomes a word.

use std::ops::Range;

/// Letters alone or digits alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// Capital letters, or ASCII digits.
    pub(super) text: String,
    /// What stood between it and the one before; empty if nothing did.
    pub(super) gap: String,
    /// Its bytes in the original.
    pub(super) at: Range<usize>,
}

impl Run {
    pub(super) fn is_digits(&self) -> bool {
        self.text.starts_with(|c: char| c.is_ascii_digit())
    }

    /// Whether it touches the one before.
    pub(super) fn is_glued(&self) -> bool {
        self.gap.is_empty()
    }
}

/// Runs that touch each other: a word, a number, a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) runs: Vec<Run>,
}

impl Token {
    fn of(runs: Vec<Run>) -> Self {
        Self { text: runs.iter().map(|run| run.text.as_str()).collect(), runs }
    }

    /// Where it begins in the original.
    pub(super) fn start(&self) -> usize {
        self.runs.first().map_or(0, |run| run.at.start)
    }

    /// Where it ends in the original.
    pub(super) fn end(&self) -> usize {
        self.runs.last().map_or(0, |run| run.at.end)
    }

    pub(super) fn is_digits(&self) -> bool {
        self.runs.iter().all(Run::is_digits)
    }

    /// The one letter that it is.
    fn is_a_letter(&self) -> bool {
        self.text.chars().count() == 1 && !self.is_digits()
    }

    /// What stands in it behind `begin`; as a whole, whose parts are not told apart any more.
    pub(super) fn behind(&self, begin: &str) -> Option<Self> {
        let text = self.text.strip_prefix(begin).filter(|rest| !rest.is_empty())?;
        let run = Run { text: text.into(), gap: String::new(), at: self.start()..self.end() };
        Some(Self::of(vec![run]))
    }

    /// Its letters before the first digit, and the rest.
    pub(super) fn split_before_digits(&self) -> Option<(Self, Self)> {
        let (first, rest) = self.runs.split_first()?;
        (!first.is_digits() && !rest.is_empty())
            .then(|| (Self::of(vec![first.clone()]), Self::of(rest.to_vec())))
    }
}

/// The tokens of a text.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut reader = Reader::default();
    for (at, c) in text.char_indices() {
        let at = at..at + c.len_utf8();
        match fold(c) {
            Folded::Nothing => {}
            Folded::Mark => reader.mark(&at),
            Folded::Between(c) => reader.gap.push(c),
            Folded::Read(read) => reader.push(&read, &at),
            Folded::Word(word) => {
                reader.gap.push(' ');
                reader.push(word, &at);
                reader.gap.push(' ');
            }
        }
    }
    spelled_out(reader.tokens())
}

/// The tokens' runs, one after the other.
pub(super) fn runs(tokens: &[Token]) -> Vec<Run> {
    tokens.iter().flat_map(|token| token.runs.iter().cloned()).collect()
}

#[derive(Default)]
struct Reader {
    runs: Vec<Run>,
    gap: String,
}

impl Reader {
    fn push(&mut self, read: &str, at: &Range<usize>) {
        let is_digit = read.starts_with(|c: char| c.is_ascii_digit());
        match self.runs.last_mut() {
            Some(last) if self.gap.is_empty() && last.is_digits() == is_digit => {
                last.text.push_str(read);
                last.at.end = at.end;
            }
            _ => {
                self.runs.push(Run { text: read.into(), gap: std::mem::take(&mut self.gap), at: at.clone() });
            }
        }
    }

    fn mark(&mut self, at: &Range<usize>) {
        if let Some(last) = self.runs.last_mut().filter(|last| last.at.end == at.start) {
            last.at.end = at.end;
        }
    }

    fn tokens(self) -> Vec<Token> {
        let mut tokens: Vec<Token> = Vec::new();
        for run in self.runs {
            match tokens.last_mut() {
                Some(token) if run.is_glued() => {
                    token.text.push_str(&run.text);
                    token.runs.push(run);
                }
                _ => tokens.push(Token::of(vec![run])),
            }
        }
        tokens
    }
}

/// Joins letters that stand one by one.
fn spelled_out(tokens: Vec<Token>) -> Vec<Token> {
    let mut joined: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut spelling = false;
    for token in tokens {
        let is_letter = token.is_a_letter();
        match joined.last_mut().and_then(|last| last.runs.last_mut().map(|run| (&mut last.text, run))) {
            Some((text, run)) if is_letter && spelling => {
                text.push_str(&token.text);
                run.text.push_str(&token.text);
                run.at.end = token.end();
            }
            _ => joined.push(token),
        }
        spelling = is_letter;
    }
    joined
}

/// What a character is read as.
enum Folded {
    /// A capital letter (or what one is written as), or a digit.
    Read(String),
    /// A word by itself.
    Word(&'static str),
    /// It parts words.
    Between(char),
    /// It belongs to the character before it.
    Mark,
    /// It is not seen.
    Nothing,
}

fn fold(c: char) -> Folded {
    match c {
        c if c.is_ascii_alphanumeric() => Folded::Read(c.to_ascii_uppercase().into()),
        '\'' | '`' | '´' | '‘' | '’' | '‛' | 'ʼ' | 'ʹ' | '′' | '＇' => Folded::Nothing,
        c if is_mark(c) => Folded::Mark,
        '🆘' => Folded::Word("SOS"),
        c if c.is_whitespace() => Folded::Between(' '),
        c if c.is_ascii() => Folded::Between(c),
        c => {
            let plain = deunicode::deunicode_char(c).unwrap_or_default();
            let is = |test: fn(&u8) -> bool| !plain.is_empty() && plain.bytes().all(|b| test(&b));
            if c.is_numeric() && plain.len() == 1 && is(u8::is_ascii_digit) {
                Folded::Read(plain.into())
            } else if c.is_alphabetic() && is(u8::is_ascii_alphabetic) {
                Folded::Read(plain.to_ascii_uppercase())
            } else if c.is_alphabetic() {
                // A letter of a script that is not written like ours: part of a word, and of none that is listed.
                Folded::Read(c.into())
            } else if plain.len() == 1 && is(u8::is_ascii_punctuation) {
                Folded::Between(plain.chars().next().unwrap_or('?'))
            } else {
                Folded::Between('?')
            }
        }
    }
}

/// Combining marks, variation selectors, keycaps, soft hyphens, joiners and marks of direction.
fn is_mark(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}'
        | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{fe20}'..='\u{fe2f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}')
}

/// The text as it is read, tokens parted by what matters between them. Two texts that differ in case, accents, quotes or
/// emoji alone are the same.
pub fn normalised(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for token in tokens(text) {
        for run in &token.runs {
            if !written.is_empty() && !run.is_glued() {
                let tight = matches!(run.gap.as_str(), ":" | "." | "," | "-" | "/" | ";");
                written.push_str(if tight { &run.gap } else { " " });
            }
            written.push_str(&run.text);
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_however_they_are_written() {
        for (text, read) in [
            ("out 4821", "OUT 4821"),
            ("  “Out”,\u{a0}4821 👍🏽!", "OUT 4821"),
            ("ＯＵＴ　４８２１", "OUT 4821"),
            ("OUT ٤٨٢١", "OUT 4821"),
            ("OUT 4️⃣8️⃣2️⃣1️⃣", "OUT 4821"),
            ("o\u{200b}ut\u{ad} 48\u{2060}21", "OUT 4821"),
            ("оut 4821", "OUT 4821"), // a Cyrillic o
            ("I’m not öut", "IM NOT OUT"),
            ("S.O.S", "SOS"),
            ("o k 4821", "OK 4821"),
            ("help🆘now", "HELP SOS NOW"),
            ("15:00 15.00 12-14 1/2 10,000", "15:00 15.00 12-14 1/2 10,000"),
            ("½ ② 四", "2 四"),
            ("", ""),
        ] {
            assert_eq!(normalised(text), read, "{text}");
        }
    }

    #[test]
    fn every_run_knows_where_it_stood() {
        let text = "„Oüt“ ４８2️⃣1";
        let runs = runs(&tokens(text));
        assert_eq!(runs.iter().map(|run| &text[run.at.clone()]).collect::<Vec<_>>(), ["Oüt", "４８2️⃣1"]);
    }
}
