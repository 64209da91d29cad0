//! The text grammar (rows S1, S2): what somebody means by a text. The same for SMS, the text endpoint and the tests.
//!
//! Reading is total and one-sided. Every text means something, if only [`Command::NotUnderstood`]. A slip may start, raise
//! or ask back; what ends, lengthens or lowers anything needs a listed word, exactly, and then its PIN or code, which are
//! read here and judged elsewhere. Nothing here knows the time, the sender or what is open.

use chrono::TimeDelta;

use super::{local_time::ClockTime, pin::Pin};

mod code;

pub use code::Code;

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
        /// What stood after the PIN and the time.
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
        /// What is rehearsed, if that was said: `TEST SOS`.
        words: String,
    },
    /// Something to be discussed with the manager.
    Concern {
        /// What about.
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
    let _ = text;
    Command::NotUnderstood(Why::Unknown)
}

/// The text without what could be a PIN, to be kept and shown.
pub fn masked(text: &str) -> String {
    let _ = text;
    String::new()
}
