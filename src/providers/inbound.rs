//! What providers send here: texts of people, and receipts for what was sent. Each provider's `incoming.rs` checks that it
//! is the provider's and reads it; what is done with it is not known here.

use std::fmt;

use chrono::DateTime;
use reqwest::header::HeaderMap;

use crate::{
    clock::Time,
    domain::{contact::Phone, ids::MessageId, retry::Cause},
};

/// A request of a provider, as it came.
#[derive(Clone, Copy)]
pub struct Incoming<'r> {
    /// The path and the query, as they were asked for.
    pub path_and_query: &'r str,
    /// The headers.
    pub headers: &'r HeaderMap,
    /// The body.
    pub body: &'r [u8],
    /// When it came.
    pub now: Time,
}

/// What a provider has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// Somebody has texted.
    Text(ReceivedText),
    /// What became of a message.
    Receipt(Receipt),
}

/// A text of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedText {
    /// The provider's name for it, the same each time it is told.
    pub id: TextId,
    /// Whose phone it says it comes from. Networks let people lie about that.
    pub from: Sender,
    /// The number it was sent to.
    pub to: Option<Phone>,
    /// What it says.
    pub text: Hidden,
    /// When the provider got it, if it says so. The networks may have held it for long before.
    pub sent_at: Option<Time>,
}

/// A provider's name for a text that came in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TextId(pub String);

/// Where a text comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sender {
    /// A number that can be answered.
    Phone(Phone),
    /// What is no number, such as the name of a shop.
    Other(Hidden),
}

/// A text of a person: never in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

/// What became of a message that a provider had taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Which message.
    pub of: ReceiptOf,
    /// What became of it.
    pub outcome: Outcome,
    /// When, if the provider says so.
    pub at: Option<Time>,
}

/// Which message a receipt is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiptOf {
    /// By our name for it.
    Ours(MessageId),
    /// By the provider's, which it gave when it took the message.
    Theirs(String),
}

/// What became of a message. Receipts come in any order: one never takes back another that says more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The provider or a network has it.
    OnItsWay,
    /// It is on the phone, or with the mail server of whoever it is for.
    Delivered,
    /// It will not arrive.
    Failed {
        /// What that says of the address.
        cause: Cause,
        /// The provider's code, without personal data.
        reason: String,
    },
}

/// Why a request was not taken. Holds nothing of what it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// It is not shown to be from the provider.
    #[error("this is not from the provider: {0}")]
    Forged(&'static str),
    /// It is from the provider and cannot be read.
    #[error("this is from the provider and cannot be read: {0}")]
    Malformed(&'static str),
}

/// What a provider says when it is asked for texts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Polled {
    /// The newest ones, the newest first: what has been told before too.
    pub texts: Vec<ReceivedText>,
    /// So many more are there that cannot be read.
    pub unreadable: usize,
}

/// Why a provider did not say what texts have come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PollFailed {
    /// Not in time, or not at all.
    #[error("no answer")]
    NoAnswer,
    /// Something else than the list: 401 and 403 tell of the key.
    #[error("HTTP {0}")]
    Status(u16),
    /// An answer that is no list of texts.
    #[error("the answer cannot be read")]
    Unreadable,
}

/// What a provider wants to hear once its request is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thanks {
    /// Its type.
    pub content_type: &'static str,
    /// The body.
    pub body: &'static str,
}

impl Hidden {
    /// Keeps `text` from view.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for whoever has to read it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Incoming(hidden)")
    }
}

impl Sender {
    /// Reads a number as providers write it.
    pub(super) fn read(written: &str) -> Self {
        phone(written).map_or_else(|| Self::Other(Hidden::new(written)), Self::Phone)
    }
}

/// A number as providers write it: with a plus, without one (`447700912345`), or as it is dialled at home (`07700 912345`).
pub(super) fn phone(written: &str) -> Option<Phone> {
    let written = written.trim();
    let abroad = written.len() >= 10
        && !written.starts_with('0')
        && written.chars().all(|digit| digit.is_ascii_digit());
    let with_plus = abroad.then(|| Phone::parse(&format!("+{written}")).ok()).flatten();
    with_plus.or_else(|| Phone::parse(written).ok())
}

/// A time as of RFC 3339.
pub(super) fn time(written: Option<&str>) -> Option<Time> {
    DateTime::parse_from_rfc3339(written?).ok().map(|time| time.to_utc())
}

/// A header that is text.
pub(super) fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

impl ReceiptOf {
    /// The message that this is our name for, or else the one the provider calls by its own.
    pub(super) fn read(ours: Option<&str>, theirs: Option<&str>) -> Option<Self> {
        let ours = ours.and_then(|id| uuid::Uuid::try_parse(id).ok()).map(|id| Self::Ours(MessageId(id)));
        ours.or_else(|| theirs.filter(|id| !id.is_empty()).map(|id| Self::Theirs(id.into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_providers_write_them() {
        for written in ["447700900123", "+447700900123", "07700900123", " 447700900123", "07700 900123"] {
            assert_eq!(phone(written).unwrap().as_str(), "+447700900123", "{written}");
        }
        assert_eq!(phone("12125552368").unwrap().as_str(), "+12125552368");
        for written in ["", "80818", "999", "HMRC", "+", "0"] {
            assert_eq!(phone(written), None, "{written}");
            assert_eq!(Sender::read(written), Sender::Other(Hidden::new(written)));
        }
    }

    #[test]
    fn neither_number_nor_text_reaches_a_log() {
        let text = ReceivedText {
            id: TextId("SM1".into()),
            from: Sender::read("HMRC"),
            to: phone("07700900123"),
            text: Hidden::new("OUT 4711"),
            sent_at: None,
        };
        assert_eq!(
            format!("{text:?}"),
            "ReceivedText { id: TextId(\"SM1\"), from: Other(Hidden), to: Some(Phone(hidden)), text: Hidden, sent_at: None }"
        );
    }
}
