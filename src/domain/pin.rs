//! The PIN: it proves the person, where the token or the number only proves the phone.

use std::fmt;

use chrono::TimeDelta;
use serde::{Deserialize, Deserializer};
use subtle::ConstantTimeEq;

use crate::clock::Time;

/// Three wrong ones: the manager is told (row S3).
pub const WRONG_TELLS_MANAGER: i32 = 3;
/// Five wrong ones: locked for [`LOCK`].
pub const WRONG_LOCKS: i32 = 5;
/// How long a lock lasts.
pub const LOCK: TimeDelta = TimeDelta::minutes(15);

/// A PIN as somebody gave it: 4 to 8 digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Pin(String);

/// A PIN that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a PIN is 4 to 8 digits")]
pub struct BadPin;

impl Pin {
    /// Takes 4 to 8 digits; blanks around them do not matter.
    pub fn parse(given: &str) -> Result<Self, BadPin> {
        let digits = given.trim();
        let right = (4..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if right { Ok(Self(digits.into())) } else { Err(BadPin) }
    }

    /// The digits, to be hashed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(hidden)")
    }
}

impl<'de> Deserialize<'de> for Pin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// HMAC-SHA-256 of a PIN under the server's key, bound to its person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinHash(pub [u8; 32]);

/// What is kept of a worker's PIN.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PinRecord {
    /// `None`: none set yet.
    pub hash: Option<PinHash>,
    /// Wrong ones since the last right one, over all doors.
    pub wrong: i32,
    /// Until when PINs are not judged.
    pub locked_until: Option<Time>,
}

/// What came of a PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The person.
    Right,
    /// None is set, so nobody can give the right one.
    NoneSet,
    /// None was given.
    Missing,
    /// Not theirs; `wrong` in a row by now.
    Wrong {
        /// How many in a row, this one included.
        wrong: i32,
    },
    /// Too many wrong ones; even the right one is not judged now.
    Locked,
}

impl PinRecord {
    /// Judges a PIN and says what to keep. The count moves on a wrong one alone, a right one clears it.
    pub fn judge(&self, given: Option<&PinHash>, now: Time) -> (Verdict, Self) {
        let kept = self.clone();
        let Some(hash) = &self.hash else { return (Verdict::NoneSet, kept) };
        let Some(given) = given else { return (Verdict::Missing, kept) };
        if self.locked_until.is_some_and(|until| now < until) {
            return (Verdict::Locked, kept);
        }
        if bool::from(hash.0.ct_eq(&given.0)) {
            return (Verdict::Right, Self { wrong: 0, locked_until: None, ..kept });
        }
        // After a lock has run out the count starts again: five more tries, not one.
        let wrong = if self.locked_until.is_some() { 1 } else { self.wrong + 1 };
        let locked_until = (wrong >= WRONG_LOCKS).then(|| now + LOCK);
        (Verdict::Wrong { wrong }, Self { wrong, locked_until, ..kept })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Time {
        Time::UNIX_EPOCH + TimeDelta::minutes(minute)
    }

    #[test]
    fn five_wrong_ones_lock_and_a_right_one_clears() {
        let (right, wrong) = (PinHash([1; 32]), PinHash([2; 32]));
        let mut record = PinRecord { hash: Some(right.clone()), ..PinRecord::default() };
        for n in 1..=5 {
            let (verdict, next) = record.judge(Some(&wrong), at(0));
            assert_eq!(verdict, Verdict::Wrong { wrong: n });
            record = next;
        }
        assert_eq!(record.judge(Some(&right), at(14)).0, Verdict::Locked);
        let (verdict, cleared) = record.judge(Some(&right), at(15));
        assert_eq!((verdict, cleared.wrong, cleared.locked_until), (Verdict::Right, 0, None));
        assert_eq!(record.judge(Some(&wrong), at(15)).0, Verdict::Wrong { wrong: 1 });
    }

    #[test]
    fn only_four_to_eight_digits_are_a_pin() {
        assert!(Pin::parse(" 4821 ").is_ok());
        for given in ["", "482", "482100009", "48a1", "４８２１"] {
            assert_eq!(Pin::parse(given), Err(BadPin), "{given}");
        }
    }
}
