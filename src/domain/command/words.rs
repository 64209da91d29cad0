//! The words that mean something at the beginning of a text: one table, from which the documents are made too.

use super::CarrierWord;

/// What a word begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Word {
    /// A start.
    In,
    /// An end.
    Out,
    /// A check-in.
    Fine,
    /// An extension.
    More,
    /// A call for help.
    Sos,
    /// "I am not out."
    Object,
    /// What is open?
    Status,
    /// A rehearsal.
    Test,
    /// A concern.
    Concern,
    /// What is said of the agreed measures.
    Measures,
    /// "It may be made", of a visit that has to be agreed.
    Agree,
    /// "It may not."
    Refuse,
    /// Something is asked first.
    Question,
    /// Nothing has changed since the assessment.
    Unchanged,
    /// Something has.
    Changed,
    /// An acknowledgement.
    Ack,
    /// "I cannot."
    No,
    /// What a responder needs to know.
    Where,
    /// An owner who needs longer.
    Hold,
    /// "They are safe."
    Safe,
    /// "They are not safe."
    NotSafe,
    /// Who has what?
    Who,
}

/// What a word needs besides itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// The worker's PIN.
    Pin,
    /// The code of the incident.
    Code,
}

/// A word, its spellings and its use.
#[derive(Debug, Clone, Copy)]
pub struct Listed {
    /// Which.
    pub word: Word,
    /// Its spellings; the first is the one that is taught.
    pub spellings: &'static [&'static str],
    /// What it needs.
    pub needs: Needs,
    /// An example of it.
    pub example: &'static str,
}

/// All of them.
pub const LISTED: &[Listed] = &[
    Listed { word: Word::In, spellings: &["IN"], needs: Needs::Nothing, example: "IN 60 A123456" },
    Listed {
        word: Word::Out,
        spellings: &["OUT", "DONE", "HOME", "LEFT"],
        needs: Needs::Pin,
        example: "OUT 4821",
    },
    Listed { word: Word::Fine, spellings: &["OK", "OKAY", "FINE"], needs: Needs::Pin, example: "OK 4821" },
    Listed {
        word: Word::More,
        spellings: &["MORE", "LATE", "EXTEND"],
        needs: Needs::Pin,
        example: "MORE 30 4821",
    },
    Listed {
        word: Word::Sos,
        spellings: &["SOS", "HELP", "999", "POLICE", "EMERGENCY", "AMBULANCE", "MAYDAY"],
        needs: Needs::Nothing,
        example: "SOS",
    },
    Listed {
        word: Word::Object,
        spellings: &["OBJECT", "NOT OUT", "STILL IN"],
        needs: Needs::Nothing,
        example: "NOT OUT",
    },
    Listed { word: Word::Status, spellings: &["STATUS"], needs: Needs::Nothing, example: "STATUS" },
    Listed { word: Word::Test, spellings: &["TEST"], needs: Needs::Nothing, example: "TEST" },
    Listed {
        word: Word::Concern,
        spellings: &["CONCERN"],
        needs: Needs::Nothing,
        example: "CONCERN new dog, not chained",
    },
    Listed { word: Word::Measures, spellings: &["MEASURES"], needs: Needs::Nothing, example: "MEASURES OK" },
    Listed { word: Word::Agree, spellings: &["AGREE"], needs: Needs::Code, example: "AGREE K7QF ring first" },
    Listed {
        word: Word::Refuse,
        spellings: &["REFUSE"],
        needs: Needs::Code,
        example: "REFUSE K7QF not alone",
    },
    Listed {
        word: Word::Question,
        spellings: &["QUESTION"],
        needs: Needs::Code,
        example: "QUESTION K7QF who goes along?",
    },
    Listed { word: Word::Unchanged, spellings: &["UNCHANGED"], needs: Needs::Nothing, example: "UNCHANGED" },
    Listed {
        word: Word::Changed,
        spellings: &["CHANGED"],
        needs: Needs::Nothing,
        example: "CHANGED a new partner",
    },
    Listed { word: Word::Ack, spellings: &["ACK"], needs: Needs::Code, example: "ACK K7QF" },
    Listed { word: Word::No, spellings: &["NO"], needs: Needs::Code, example: "NO K7QF" },
    Listed { word: Word::Where, spellings: &["WHERE"], needs: Needs::Code, example: "WHERE K7QF" },
    Listed {
        word: Word::Hold,
        spellings: &["HOLD"],
        needs: Needs::Code,
        example: "HOLD K7QF 60 on my way there",
    },
    Listed { word: Word::Safe, spellings: &["SAFE"], needs: Needs::Code, example: "SAFE K7QF spoke to her" },
    Listed { word: Word::NotSafe, spellings: &["NOT SAFE"], needs: Needs::Code, example: "NOT SAFE K7QF" },
    Listed { word: Word::Who, spellings: &["WHO"], needs: Needs::Nothing, example: "WHO" },
];

/// The words that phone networks act on themselves.
pub const CARRIER_WORDS: &[(&str, CarrierWord)] = &[
    ("STOP", CarrierWord::OptsOut),
    ("STOPALL", CarrierWord::OptsOut),
    ("UNSUBSCRIBE", CarrierWord::OptsOut),
    ("CANCEL", CarrierWord::OptsOut),
    ("END", CarrierWord::OptsOut),
    ("QUIT", CarrierWord::OptsOut),
    ("REVOKE", CarrierWord::OptsOut),
    ("OPTOUT", CarrierWord::OptsOut),
    ("START", CarrierWord::OptsIn),
    ("UNSTOP", CarrierWord::OptsIn),
    ("YES", CarrierWord::OptsIn),
    ("INFO", CarrierWord::Info),
];

impl Word {
    /// What the table says of it.
    pub fn listed(self) -> Option<&'static Listed> {
        LISTED.iter().find(|listed| listed.word == self)
    }

    /// The spelling that is taught.
    pub fn taught(self) -> &'static str {
        self.listed().and_then(|listed| listed.spellings.first()).copied().unwrap_or_default()
    }

    /// The word with exactly this spelling.
    pub(super) fn of(spelling: &str) -> Option<Self> {
        LISTED.iter().find(|listed| listed.spellings.contains(&spelling)).map(|listed| listed.word)
    }

    /// The word that one slip of the thumb turns into this. Starts and calls for help have a tolerance of their own.
    pub(super) fn near(written: &str) -> Option<Self> {
        let near = |listed: &&Listed| {
            !matches!(listed.word, Self::In | Self::Sos)
                && listed.spellings.iter().any(|spelling| one_slip(spelling, written))
        };
        LISTED.iter().find(near).map(|listed| listed.word)
    }
}

/// Whether two words differ by one letter too many, too few, another one, or two that changed places.
pub(super) fn one_slip(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) =
        (one.chars().take(40).collect(), other.chars().take(40).collect());
    let same = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let (one, other) = (&one[same..], &other[same..]);
    match (one, other) {
        ([_, a @ ..], [_, b @ ..]) if a == b => true,
        ([_, a @ ..], b) | (b, [_, a @ ..]) if a == b => true,
        ([a, b, rest @ ..], [c, d, tail @ ..]) => a == d && b == c && rest == tail,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slip_is_one() {
        for (one, other) in [("OUT", "OUTT"), ("OUT", "OT"), ("OUT", "OIT"), ("OUT", "OTU"), ("A", "")] {
            assert!(one_slip(one, other) && one_slip(other, one), "{one} {other}");
        }
        for (one, other) in [("OUT", "OUT"), ("OUT", "OTTU"), ("OUT", "UOTX"), ("OUT", "O"), ("", "")] {
            assert!(!one_slip(one, other) && !one_slip(other, one), "{one} {other}");
        }
    }

    /// Else a slip would be carried out as something else that was not meant.
    #[test]
    fn no_slip_turns_a_word_into_one_that_ends_or_lowers_something_else() {
        let words = || LISTED.iter().flat_map(|listed| listed.spellings.iter().map(|s| (listed.word, *s)));
        let careful =
            |word| matches!(word, Word::Out | Word::Fine | Word::More | Word::Ack | Word::Safe | Word::Hold);
        for (word, spelling) in words().filter(|(word, _)| careful(*word)) {
            for (other, near) in words().filter(|(other, _)| *other != word) {
                assert!(!one_slip(spelling, near), "{spelling} ({word:?}) and {near} ({other:?})");
            }
            for (carrier, _) in CARRIER_WORDS {
                assert!(!one_slip(spelling, carrier) && spelling != *carrier, "{spelling} and {carrier}");
            }
        }
    }

    #[test]
    fn every_word_stands_in_the_table_once() {
        let mut spellings: Vec<_> = LISTED.iter().flat_map(|listed| listed.spellings).collect();
        spellings.sort_unstable();
        let all = spellings.len();
        spellings.dedup();
        assert_eq!(spellings.len(), all);
        assert!(LISTED.iter().all(|listed| listed.word.listed().unwrap().example == listed.example));
    }
}
