//! The code by which a person speaks of an incident.

use std::fmt;

/// How long a code is.
const LENGTH: usize = 4;

/// Four characters of [`Code::LETTERS`], among them a letter and a digit: so no word of the language is a code, and no code
/// a PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code([u8; LENGTH]);

impl Code {
    /// No letters or digits that are mistaken for others.
    pub const LETTERS: &'static [u8] = b"ACDEFGHJKMNPQRTUVWXY34679";

    /// Takes a code in either case; blanks around it do not matter.
    pub fn parse(given: &str) -> Option<Self> {
        let code: [u8; LENGTH] = given.trim().to_ascii_uppercase().into_bytes().try_into().ok()?;
        let ours = code.iter().all(|c| Self::LETTERS.contains(c));
        let mixed = code.iter().any(u8::is_ascii_digit) && code.iter().any(u8::is_ascii_alphabetic);
        (ours && mixed).then_some(Self(code))
    }

    /// Whether it is one of those that drills alone have: they begin with X, so that nobody's answer to a drill takes an alarm.
    pub fn is_of_a_drill(&self) -> bool {
        self.0.first() == Some(&b'X')
    }

    /// As it stands in texts.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_and_no_pin_is_a_code() {
        for given in ["K7QF", " k7qf ", "a333"] {
            assert_eq!(Code::parse(given).unwrap().to_string(), given.trim().to_uppercase());
        }
        for given in ["HERE", "THEY", "3467", "K7Q", "K7QFX", "K0QF", "KIQF", "", "Ｋ7QF"] {
            assert_eq!(Code::parse(given), None, "{given}");
        }
    }
}
