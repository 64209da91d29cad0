//! The PIN: it proves the person, where the token or the number only proves the phone.

use std::fmt;

use chrono::TimeDelta;
use serde::{Deserialize, Deserializer};
use subtle::{Choice, ConstantTimeEq};

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

    /// What this PIN becomes by one slip: a digit wrong, left out or too many, or two of them in the wrong order.
    pub fn slips(&self) -> Vec<Self> {
        let digits = self.0.as_bytes();
        let mut slips = Vec::new();
        for at in 0..=digits.len() {
            let (before, behind) = digits.split_at(at);
            for digit in b'0'..=b'9' {
                slips.push([before, &[digit], behind].concat());
                if let [_, rest @ ..] = behind {
                    slips.push([before, &[digit], rest].concat());
                }
            }
            if let [_, rest @ ..] = behind {
                slips.push([before, rest].concat());
            }
            if let [one, other, rest @ ..] = behind {
                slips.push([before, &[*other, *one], rest].concat());
            }
        }
        slips.sort_unstable();
        slips.dedup();
        slips.into_iter().filter_map(|slip| Self::parse(std::str::from_utf8(&slip).ok()?).ok()).collect()
    }
}

/// A worker's own duress word, in capitals.
#[derive(Clone, PartialEq, Eq)]
pub struct DuressWord(String);

/// A duress word that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a duress word is one word of 3 to 20 letters that you would not write after your PIN by chance, and no word of a command"
)]
pub struct BadDuressWord;

impl DuressWord {
    /// Takes 3 to 20 letters.
    pub fn parse(given: &str) -> Result<Self, BadDuressWord> {
        let word = given.trim().to_uppercase();
        let right = (3..=20).contains(&word.chars().count()) && word.chars().all(char::is_alphabetic);
        if right { Ok(Self(word)) } else { Err(BadDuressWord) }
    }

    /// Every word of what somebody wrote that could be one.
    pub fn candidates(words: &str) -> impl Iterator<Item = Self> {
        words.split(|c: char| !c.is_alphabetic()).filter_map(|word| Self::parse(word).ok())
    }

    /// The word, to be hashed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DuressWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DuressWord(hidden)")
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

/// HMAC-SHA-256 of a PIN or a duress word under the server's key, bound to its person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinHash(pub [u8; 32]);

/// What somebody gave, hashed: a PIN, and by text the words after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The PIN.
    pub pin: PinHash,
    /// The words after it, any of which may be the worker's duress word.
    pub words: Vec<PinHash>,
}

/// What a PIN said when it was last given (row V8). Both kinds write the same columns of the same row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Nothing more.
    Usual {
        /// When.
        at: Time,
    },
    /// The worker acts under duress. It stays until the silent alarm is up, whatever is given meanwhile.
    Duress {
        /// Since when.
        at: Time,
    },
}

impl Sign {
    fn given(before: Option<Self>, under_duress: bool, now: Time) -> Self {
        match (before, under_duress) {
            (Some(before @ Self::Duress { .. }), _) => before,
            (_, true) => Self::Duress { at: now },
            (_, false) => Self::Usual { at: now },
        }
    }
}

/// What is kept of a worker's PIN.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PinRecord {
    /// `None`: none set yet.
    pub hash: Option<PinHash>,
    /// The second PIN, which does the same and raises a silent alarm.
    pub duress: Option<PinHash>,
    /// The worker's own word, which after the usual PIN does so too.
    pub word: Option<PinHash>,
    /// What was said by the PIN that was given last.
    pub sign: Option<Sign>,
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
    /// Judges a PIN and says what to keep. The count moves on a wrong one alone, a right one clears it. Everything is compared
    /// and kept alike, whichever PIN it is, and while locked too: nobody may see or measure a difference.
    pub fn judge(&self, given: Option<&Given>, now: Time) -> (Verdict, Self) {
        let Some(hash) = &self.hash else { return (Verdict::NoneSet, self.clone()) };
        let Some(given) = given else { return (Verdict::Missing, self.clone()) };
        let usual = hash.0.ct_eq(&given.pin.0);
        let duress = same(self.duress.as_ref(), &given.pin);
        let word = given.words.iter().fold(Choice::from(0), |any, word| any | same(self.word.as_ref(), word));
        let sign = Some(Sign::given(self.sign, bool::from(duress | (usual & word)), now));
        let kept = Self { sign, ..self.clone() };
        if self.locked_until.is_some_and(|until| now < until) {
            return (Verdict::Locked, kept);
        }
        if bool::from(usual | duress) {
            return (Verdict::Right, Self { wrong: 0, locked_until: None, ..kept });
        }
        // After a lock has run out the count starts again: five more tries, not one.
        let wrong = if self.locked_until.is_some() { 1 } else { self.wrong + 1 };
        let locked_until = (wrong >= WRONG_LOCKS).then(|| now + LOCK);
        (Verdict::Wrong { wrong }, Self { wrong, locked_until, ..kept })
    }

    /// What to keep of a PIN that is not judged: duress, and nothing else. Nobody said that it was right.
    #[must_use]
    pub fn heeding(&self, given: &Given, now: Time) -> Self {
        let (_, judged) = self.judge(Some(given), now);
        let sign = match judged.sign {
            duress @ Some(Sign::Duress { .. }) => duress,
            _ => self.sign,
        };
        Self { sign, ..self.clone() }
    }

    /// When a right PIN was last given, if nothing has been made of it yet.
    pub fn used_at(&self) -> Option<Time> {
        self.sign.filter(|_| self.wrong == 0).map(|(Sign::Usual { at } | Sign::Duress { at })| at)
    }
}

fn same(kept: Option<&PinHash>, given: &PinHash) -> Choice {
    // Where none is set the comparison is made all the same.
    let against = kept.map_or(&[0; 32], |kept| &kept.0);
    against.ct_eq(&given.0) & Choice::from(u8::from(kept.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Time {
        Time::UNIX_EPOCH + TimeDelta::minutes(minute)
    }

    fn given(byte: u8) -> Given {
        Given { pin: PinHash([byte; 32]), words: vec![] }
    }

    #[test]
    fn the_duress_pin_and_word_do_as_the_usual_pin_and_leave_a_sign() {
        let hash = |byte| Some(PinHash([byte; 32]));
        let record =
            PinRecord { hash: hash(1), duress: hash(2), word: hash(3), wrong: 2, ..PinRecord::default() };
        let with_word =
            |byte, word| Given { words: vec![PinHash([9; 32]), PinHash([word; 32])], ..given(byte) };
        let usual = record.judge(Some(&with_word(1, 8)), at(0));
        assert_eq!(usual.1.sign, Some(Sign::Usual { at: at(0) }));
        for under_duress in [given(2), with_word(2, 8), with_word(1, 3)] {
            let (verdict, next) = record.judge(Some(&under_duress), at(0));
            assert_eq!((verdict, next.sign), (Verdict::Right, Some(Sign::Duress { at: at(0) })));
            assert_eq!(PinRecord { sign: usual.1.sign, ..next.clone() }, usual.1, "all else is the same");
            let (_, later) = next.judge(Some(&given(1)), at(1));
            assert_eq!(later.sign, Some(Sign::Duress { at: at(0) }), "it stays until the alarm is up");
        }
        let (verdict, next) = record.judge(Some(&with_word(7, 3)), at(0));
        assert_eq!((verdict, next.sign), (Verdict::Wrong { wrong: 3 }, Some(Sign::Usual { at: at(0) })));
        let locked = PinRecord { locked_until: Some(at(9)), wrong: 5, ..record.clone() };
        let (verdict, next) = locked.judge(Some(&given(2)), at(0));
        assert_eq!((verdict, next.sign), (Verdict::Locked, Some(Sign::Duress { at: at(0) })));
        // Where no duress PIN is set nothing is one.
        let without = PinRecord { hash: hash(1), ..PinRecord::default() };
        let (_, next) = without.judge(Some(&given(0)), at(0));
        assert_eq!(next.sign, Some(Sign::Usual { at: at(0) }));
    }

    #[test]
    fn what_is_not_judged_says_duress_and_nothing_else() {
        let hash = |byte| Some(PinHash([byte; 32]));
        let record = PinRecord { hash: hash(1), duress: hash(2), ..PinRecord::default() };
        for pin in [1, 7] {
            assert_eq!(
                record.heeding(&given(pin), at(0)),
                record,
                "right or wrong: nobody may learn it here"
            );
        }
        assert_eq!(record.heeding(&given(2), at(0)).sign, Some(Sign::Duress { at: at(0) }));
        // Only a right one was used.
        let (_, right) = record.judge(Some(&given(1)), at(1));
        assert_eq!((record.used_at(), right.used_at()), (None, Some(at(1))));
        assert_eq!(right.judge(Some(&given(7)), at(2)).1.used_at(), None);
    }

    #[test]
    fn a_slip_is_one_digit_wrong_missing_or_too_many_or_two_swapped() {
        let pin = |digits: &str| Pin::parse(digits).unwrap();
        let slips = pin("4821").slips();
        for near in ["4821", "4822", "48210", "48211", "04821", "4812", "8421"] {
            assert!(slips.contains(&pin(near)), "{near}");
        }
        for far in ["1234", "4812345", "2148", "482199"] {
            assert!(!slips.contains(&pin(far)), "{far}");
        }
        assert!(pin("48210").slips().contains(&pin("4821")));
    }

    #[test]
    fn five_wrong_ones_lock_and_a_right_one_clears() {
        let (right, wrong) = (given(1), given(2));
        let mut record = PinRecord { hash: Some(right.pin.clone()), ..PinRecord::default() };
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
