//! The text grammar (rows S1, S2): what somebody means by a text. The same for SMS, the text endpoint and the tests.
//!
//! Reading is total and one-sided. Every text means something, if only [`Command::NotUnderstood`]. A slip may start, raise
//! or ask back; what ends, lengthens or lowers anything needs a listed word, exactly, and then its PIN or code, which are
//! read here and judged elsewhere. Nothing here knows the time, the sender or what is open.

use chrono::TimeDelta;

use self::{
    calls::Whoever,
    reading::{Token, runs, tokens},
    words::{CARRIER_WORDS, LISTED, Needs, Word},
};
use super::{
    agreement::{Answer, Changed},
    local_time::ClockTime,
    measures::Kept,
    pin::Pin,
};

pub mod words;
mod reading;
mod calls;
mod starts;
mod going;
mod measures;
mod times;
mod pins;
mod staff;
mod code;
mod mask;

pub use self::{code::Code, mask::masked, reading::normalised};

/// What a text means.
///
/// No field but `pin` holds a run of 4 to 8 digits that could be a PIN: words and places come [`masked`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// "I am going in": watch me.
    In(Going),
    /// "I am out."
    Out {
        /// The PIN, if one was written.
        pin: Option<Pin>,
        /// What stood after the PIN, or all of it if there is none. The worker's duress word is looked for here.
        words: String,
    },
    /// "I am fine."
    Fine {
        /// As for [`Out`](Self::Out).
        pin: Option<Pin>,
        /// As for [`Out`](Self::Out).
        words: String,
    },
    /// "I need longer."
    More {
        /// How much.
        by: Longer,
        /// As for [`Out`](Self::Out).
        pin: Option<Pin>,
        /// As for [`Out`](Self::Out).
        words: String,
    },
    /// A call for help.
    Sos {
        /// The rest of the text, or all of it where the call stood in the middle.
        words: String,
    },
    /// "I am not out", about what somebody else did for the worker (row V15).
    Object,
    /// What is open, and what is next?
    Status,
    /// A private rehearsal.
    Test {
        /// What is rehearsed.
        what: Rehearsed,
    },
    /// Something to be discussed with the manager.
    Concern {
        /// What about.
        words: String,
    },
    /// Whether the agreed measures are in place, or were followed.
    Measures {
        /// Whether; `None`: neither could be read, and the reply asks for it.
        kept: Option<Kept>,
        /// What is missing, or why.
        words: String,
    },
    /// What a manager says of a visit that has to be agreed, by a code of its own: no alarm has anything to do with it.
    Decide {
        /// What.
        answer: Answer,
        /// Which visit.
        code: Option<Code>,
        /// Measures, a reason, a question.
        words: String,
    },
    /// Whether anything has changed since the assessment.
    Changes {
        /// Whether.
        changed: Changed,
        /// What.
        words: String,
    },
    /// "I take it." Here and below `None` means that no code could be read, and the reply asks for it.
    Ack {
        /// Which incident.
        code: Option<Code>,
    },
    /// "I take all of those named together."
    AckAll {
        /// The code for all of them.
        code: Option<Code>,
    },
    /// "I cannot"; without a code it may also decline being a contact.
    Cannot {
        /// Which incident.
        code: Option<Code>,
    },
    /// What a responder needs to know.
    Where {
        /// Which incident.
        code: Option<Code>,
    },
    /// "I need longer" of an incident's owner.
    Hold {
        /// Which incident.
        code: Option<Code>,
        /// For how long, if a number was there.
        length: Option<TimeDelta>,
        /// Why.
        reason: String,
    },
    /// "They are safe."
    Safe {
        /// Which incident.
        code: Option<Code>,
        /// How it is known.
        words: String,
    },
    /// "They are not safe." Without a code it is [`Sos`](Self::Sos). With one that is not the sender's it is no less a call
    /// for help.
    NotSafe {
        /// Which incident.
        code: Code,
        /// What is the matter.
        words: String,
    },
    /// Who has what?
    Who,
    /// A word that phone networks act on themselves. Whatever it says, a visit stays watched.
    CarrierWord(CarrierWord),
    /// None of these.
    NotUnderstood(Why),
}

/// What somebody rehearses. Only texts that begin with TEST do, and of a call for help only the two words `TEST SOS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rehearsed {
    /// `TEST` alone.
    Begin,
    /// `TEST IN 60`.
    In,
    /// `TEST OUT 4821`.
    Out {
        /// As for [`Command::Out`].
        pin: Option<Pin>,
        /// As for [`Command::Out`].
        words: String,
    },
    /// `TEST SOS`.
    Sos,
    /// Something else.
    Other,
}

/// What somebody said who goes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Going {
    /// When they mean to be out.
    pub departure: Until,
    /// Which visit of theirs it is.
    pub plan: Plan,
    /// A letter and six digits.
    pub case_reference: Option<String>,
    /// Where, as it was written.
    pub place: Option<String>,
}

/// Which visit somebody begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Whichever the other words fit, or a new one.
    AsDescribed,
    /// `NEXT`: the next one they planned.
    Next,
}

/// When somebody means to be out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Until {
    /// Not said, or not to be told from a house number: the default, and ask.
    Missing,
    /// So long after the start; 0 and 10,000 minutes are carried as said.
    After(TimeDelta),
    /// When the clocks there show this.
    At(ClockTime),
    /// Something was said that is no time: the default, and ask. What it was, masked.
    Odd(String),
}

/// How much longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Longer {
    /// So long.
    For(TimeDelta),
    /// Until the clocks there show this.
    Until(ClockTime),
    /// Not said: ask.
    Missing,
    /// Several things were said, or none that is a time: ask.
    Odd,
}

/// A word that phone networks act on themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CarrierWord {
    /// STOP and what means the same to a network: it may deliver no more texts to them.
    OptsOut,
    /// START, YES, UNSTOP: it delivers again.
    OptsIn,
    /// INFO.
    Info,
}

/// Why a text was not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// There was nothing to read in it.
    Empty,
    /// It is close to this word, or has it in the wrong place: ask whether that was meant.
    Perhaps(&'static str),
    /// It is like nothing.
    Unknown,
}

/// What a text means.
pub fn parse(text: &str) -> Command {
    let (said, below) = text.split_at(signature_begins(text));
    if below.lines().any(|line| calls::stand_below(&tokens(line))) {
        return Command::Sos { words: trimmed(&mask::without_numbers(text)) };
    }
    Parser { original: text, tokens: tokens(said) }.command()
}

/// The code that a text consists of, beside words that mean nothing next to one: "Yes, K7QF please". It proves an address (row
/// D6) and takes no alarm.
pub fn code_alone(text: &str) -> Option<Code> {
    const BESIDE: [&str; 17] = [
        "YES", "OK", "OKAY", "CODE", "THE", "MY", "IS", "IT", "ITS", "HI", "HELLO", "HERE", "PLEASE",
        "REPLY", "THANKS", "THANK", "YOU",
    ];
    let (said, _) = text.split_at(signature_begins(text));
    let mut tokens = tokens(said);
    tokens.retain(|token| !BESIDE.contains(&token.text.as_str()));
    let (code, at) = staff::code(&tokens)?;
    tokens.iter().all(|token| at.contains(&token.start())).then_some(code)
}

/// Where the lines begin that a phone puts under a text. They are looked at for the worker's own words, for calls for help,
/// and for nothing else. What stands at the top was written by somebody.
fn signature_begins(text: &str) -> usize {
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        let written = line.trim();
        let begins_with =
            |with: &str| written.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
        let is_rule = written.len() >= 2 && written.bytes().all(|b| matches!(b, b'-' | b'_'));
        let begins = is_rule || begins_with("sent from my ") || begins_with("get outlook for ");
        if begins && !tokens(&text[..end]).is_empty() {
            break;
        }
        end += line.len();
    }
    end
}

struct Parser<'t> {
    original: &'t str,
    tokens: Vec<Token>,
}

impl Parser<'_> {
    fn command(&self) -> Command {
        if self.tokens.is_empty() {
            return Command::NotUnderstood(Why::Empty);
        }
        if let Some(used) = calls::leads(&self.tokens) {
            return Command::Sos { words: self.words_after(&self.tokens[..used]) };
        }
        let led = self.led();
        if let Some(raised) = self.denied(led.as_ref()) {
            return raised;
        }
        if self.objects() {
            return Command::Object;
        }
        match led {
            Some((word, rest)) => self.listed(word, &rest),
            None => self.unlisted(),
        }
    }

    /// The first word, if it is listed, and what follows. Blanks do not matter: `OUT4821`, `ACKK7QF`.
    fn led(&self) -> Option<(Word, Vec<Token>)> {
        let (first, rest) = self.tokens.split_first()?;
        let with =
            |word, next: Token| Some((word, std::iter::once(next).chain(rest.iter().cloned()).collect()));
        if let Some(word) = Word::of(&first.text) {
            return Some((word, rest.to_vec()));
        }
        if let Some((letters, next)) = first.split_before_digits()
            && let Some(word) = Word::of(&letters.text)
        {
            return with(word, next);
        }
        let of_codes = LISTED.iter().filter(|listed| listed.needs == Needs::Code);
        let (word, next) = of_codes
            .filter_map(|listed| Some((listed.word, first.behind(listed.word.taught())?)))
            .find(|(word, next)| staff::is_code_or_all(*word, &next.text))?;
        with(word, next)
    }

    /// "Not OK", "SAFE? no", "I don't feel safe": a call for help, whatever the text begins with.
    fn denied(&self, led: Option<&(Word, Vec<Token>)>) -> Option<Command> {
        let (word, rest) = led.map_or((None, &[][..]), |(word, rest)| (Some(*word), rest.as_slice()));
        // A concern speaks of others, MEASURES NOT OK of the measures, and "NO K7QF, it is not safe for me to go" is a "no".
        let of_something_else =
            matches!(word, Some(Word::Concern | Word::Measures | Word::Unchanged | Word::Changed));
        let who = if of_something_else { Whoever::TheWriter } else { Whoever::Anybody };
        let of_a_code = matches!(word, Some(Word::No | Word::Agree | Word::Refuse | Word::Question));
        let declines = of_a_code && staff::code(rest).is_some();
        if declines || !calls::denies_being_fine(&self.tokens, who) {
            return None;
        }
        if word == Some(Word::Ack) && rest.first().is_some_and(|next| next.text.starts_with("ALL")) {
            return Some(Command::NotUnderstood(Why::Perhaps(Word::NotSafe.taught())));
        }
        let behind = self.tokens.get(2..).unwrap_or_default();
        Some(match staff::code(&self.tokens).or_else(|| staff::code(behind)) {
            Some((code, at)) => Command::NotSafe { code, words: self.words_from(at.end) },
            None => Command::Sos { words: self.whole() },
        })
    }

    /// "Not out", "I'm still in": about what somebody else said of them.
    fn objects(&self) -> bool {
        let words: Vec<&str> = (self.tokens.iter().map(|token| token.text.as_str()))
            .skip_while(|word| matches!(*word, "I" | "IM" | "AM" | "WE" | "WERE" | "ARE" | "NO"))
            .take(3)
            .collect();
        match words.as_slice() {
            ["NOT", "OUT", "OF", ..] => false,
            ["NOT", "YET", "OUT", ..]
            | ["NOT", "OUT" | "HOME" | "LEFT" | "DONE", ..]
            | ["STILL", "IN" | "INSIDE" | "HERE" | "THERE", ..]
            | ["HAVENT" | "HAVNT", "LEFT" | "GONE", ..]
            | ["HAVE", "NOT", "LEFT"]
            | ["NOTOUT" | "STILLIN" | "OBJECT", ..] => true,
            _ => false,
        }
    }

    fn listed(&self, word: Word, rest: &[Token]) -> Command {
        let calls = match word {
            Word::In => calls::stand_after_in(rest),
            Word::Out | Word::Fine | Word::More | Word::Measures => calls::stand_after_a_word(rest),
            Word::Concern | Word::Unchanged | Word::Changed => calls::stand_after_concern(rest),
            Word::Test => !is_a_rehearsed_call(rest) && calls::stand_in(rest),
            Word::Ack
            | Word::No
            | Word::Where
            | Word::Hold
            | Word::Safe
            | Word::Agree
            | Word::Refuse
            | Word::Question => staff::code(rest).is_none() && calls::stand_in(rest),
            Word::Sos | Word::NotSafe => true,
            Word::Object | Word::Status | Word::Who => calls::stand_in(rest),
        };
        if calls {
            return Command::Sos { words: self.whole() };
        }
        match word {
            Word::In => Command::In(going::read(self.original, &runs(rest))),
            Word::Out if calls::begin_with_a_negation(rest) => Command::Object,
            Word::Out => {
                let (pin, words) = pins::pin_and_words(self.original, self.after_the_word(rest), &runs(rest));
                Command::Out { pin, words }
            }
            Word::Fine => {
                let (pin, words) = pins::pin_and_words(self.original, self.after_the_word(rest), &runs(rest));
                Command::Fine { pin, words }
            }
            Word::More => pins::more(self.original, self.after_the_word(rest), &runs(rest)),
            Word::Test => Command::Test { what: self.rehearsed(rest) },
            Word::Concern => Command::Concern { words: self.rest_of(rest) },
            Word::Measures => measures::read(self.original, self.after_the_word(rest), rest),
            Word::Status => Command::Status,
            Word::Who => Command::Who,
            Word::Object => Command::Object,
            Word::Unchanged => Command::Changes { changed: Changed::No, words: String::new() },
            Word::Changed => Command::Changes { changed: Changed::Yes, words: self.rest_of(rest) },
            Word::Ack
            | Word::No
            | Word::Where
            | Word::Hold
            | Word::Safe
            | Word::Agree
            | Word::Refuse
            | Word::Question => staff::read(word, self.original, self.after_the_word(rest), rest),
            Word::Sos | Word::NotSafe => Command::Sos { words: self.whole() },
        }
    }

    fn rehearsed(&self, rest: &[Token]) -> Rehearsed {
        let Some((next, behind)) = rest.split_first() else { return Rehearsed::Begin };
        // `TEST OUT4821` is as good as `TEST OUT 4821`.
        let glued = next.split_before_digits().filter(|_| Word::of(&next.text).is_none());
        let word = glued.as_ref().map_or(&next.text, |(letters, _)| &letters.text);
        match Word::of(word) {
            Some(Word::In) => Rehearsed::In,
            Some(Word::Out) => {
                let end = glued.as_ref().map_or(next.end(), |(letters, _)| letters.end());
                let behind: Vec<Token> =
                    glued.into_iter().map(|(_, digits)| digits).chain(behind.iter().cloned()).collect();
                let (pin, words) = pins::pin_and_words(self.original, end, &runs(&behind));
                Rehearsed::Out { pin, words }
            }
            Some(Word::Sos) => Rehearsed::Sos,
            _ => Rehearsed::Other,
        }
    }

    /// A text whose first word is not listed: it may still start, raise, or be asked about.
    fn unlisted(&self) -> Command {
        if calls::stand_in(&self.tokens) {
            return Command::Sos { words: self.whole() };
        }
        if let Some(used) = starts::begins(&self.tokens) {
            let rest = &self.tokens[used..];
            if calls::stand_after_in(rest) {
                return Command::Sos { words: self.whole() };
            }
            return Command::In(going::read(self.original, &runs(rest)));
        }
        if let Some(word) = carrier_word(&self.tokens) {
            return Command::CarrierWord(word);
        }
        let first = self.tokens[0].text.as_str();
        match Word::near(first) {
            Some(Word::Status) => Command::Status,
            Some(Word::Concern) => Command::Concern { words: self.words_after(&self.tokens[..1]) },
            near => {
                // Of a word of two letters one slip leaves little: its digits have to follow.
                let has_digits = |token: &Token| token.text.bytes().any(|b| b.is_ascii_digit());
                let follows = self.tokens.get(1).is_some_and(has_digits);
                let near = near.filter(|word| follows || word.taught().len() > 2);
                let meant = near.or_else(|| self.listed_further_on());
                Command::NotUnderstood(meant.map_or(Why::Unknown, |word| Why::Perhaps(word.taught())))
            }
        }
    }

    /// A word that needs a PIN or a code and is not the first one, or was written with a blank in it.
    fn listed_further_on(&self) -> Option<Word> {
        let texts = || self.tokens.iter().map(|token| token.text.as_str());
        let parted = texts().next().zip(texts().nth(1)).map(|(one, other)| format!("{one}{other}"));
        let needs_more = |word: &Word| word.listed().is_some_and(|listed| listed.needs != Needs::Nothing);
        let further_on = || texts().filter_map(Word::of).find(|word| needs_more(word) && *word != Word::No);
        parted.and_then(|parted| Word::of(&parted)).filter(needs_more).or_else(further_on)
    }

    /// Where the listed word ends.
    fn after_the_word(&self, rest: &[Token]) -> usize {
        let glued = rest.first().is_some_and(|next| next.start() < self.tokens[0].end());
        if glued { rest[0].start() } else { self.tokens[0].end() }
    }

    fn rest_of(&self, rest: &[Token]) -> String {
        self.words_from(self.after_the_word(rest))
    }

    fn words_after(&self, used: &[Token]) -> String {
        self.words_from(used.last().map_or(0, Token::end))
    }

    fn words_from(&self, at: usize) -> String {
        trimmed(&mask::without_numbers(&self.original[at..]))
    }

    fn whole(&self) -> String {
        self.words_from(0)
    }
}

/// `TEST SOS`, and not a word more: whoever writes more than that calls for help.
fn is_a_rehearsed_call(rest: &[Token]) -> bool {
    matches!(rest, [only] if Word::of(&only.text) == Some(Word::Sos))
}

/// In a longer sentence a carrier word is a word like others.
const LONGEST_FOR_CARRIERS: usize = 4;

fn carrier_word(tokens: &[Token]) -> Option<CarrierWord> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let of = |written: &str| CARRIER_WORDS.iter().find(|(word, _)| *word == written).map(|(_, word)| *word);
    let parted = of(&format!("{}{}", text(0), text(1))).map(|found| (found, 2));
    let (found, used) = parted.or_else(|| Some((of(text(0))?, 1)))?;
    // "Yes" begins many an answer.
    let fits = match found {
        CarrierWord::OptsIn => tokens.len() <= used || matches!(text(used), "PLEASE" | "THANKS" | "THANK"),
        CarrierWord::OptsOut | CarrierWord::Info => tokens.len() <= LONGEST_FOR_CARRIERS,
    };
    fits.then_some(found)
}

/// Words without what parted them from the ones before; nothing, if there is nothing to read in them.
fn trimmed(words: &str) -> String {
    if tokens(words).is_empty() {
        return String::new();
    }
    words.trim_start_matches(|c: char| c.is_whitespace() || ",.;:!?-–—".contains(c)).trim_end().to_owned()
}
