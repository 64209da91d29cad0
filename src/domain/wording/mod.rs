//! What people read. One trait, one file per language; every text is made from a typed [`Notice`].

mod english;
mod english_agreements;
mod english_calls;
mod english_concerns;
mod english_due;
mod english_proofs;
mod english_replies;
mod english_upkeep;
pub mod html;
pub mod sms;

use std::fmt;

pub use english::English;
pub use english_calls::LISTED_IN_ONE_TEXT;
use serde::Serialize;

use super::{
    incident::{Claim, Incident},
    notice::{Facts, Notice},
    reply::Reply,
    visit::{Alarm, Visit},
};
use crate::clock::Time;

/// One message in the words of its channels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Text {
    /// At most 160 GSM-7 characters, the key fact first.
    pub sms: String,
    /// The subject line of the mail: no case, no place, no risk (row E10).
    pub subject: String,
    /// The mail.
    pub mail: String,
}

/// A language.
pub trait Wording {
    /// A message.
    fn notice(&self, notice: &Notice, facts: &Facts) -> Text;
    /// What the service now believes, after a worker's act (row V11).
    fn believes(&self, visit: &Visit, alarm: Alarm, now: Time, zone: chrono_tz::Tz) -> String;
    /// The answer to a PIN that did not do it.
    fn pin_refused(&self, answer: &PinAnswer) -> String;
    /// The answer to a text: one part, and no PIN in it.
    fn reply(&self, reply: &Reply, now: Time, zone: chrono_tz::Tz) -> String;
    /// One line for a list of incidents.
    fn headline(&self, incident: &Incident, worker: &str, now: Time, zone: chrono_tz::Tz) -> String;
    /// What the worker says meanwhile.
    fn claim(&self, claim: Claim, now: Time, zone: chrono_tz::Tz) -> Option<String>;
}

/// The answer to a PIN that did not do it, before it is words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinAnswer {
    /// Why.
    pub refused: PinRefused,
    /// What was not done.
    pub doing: Doing,
    /// Watched till then, if the worker is.
    pub till: Option<Time>,
    /// Whom to ring.
    pub manager: Option<String>,
    /// Now.
    pub now: Time,
    /// The zone that times are written in.
    pub zone: chrono_tz::Tz,
}

impl fmt::Display for PinAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&English.pin_refused(self))
    }
}

/// What a PIN was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Ending.
    End,
    /// Extending.
    Extend,
    /// Saying that all is well.
    CheckIn,
    /// Calling a plan off.
    Cancel,
    /// Changing the PIN.
    ChangePin,
}

/// Why a PIN did not do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinRefused {
    /// None was given.
    Missing,
    /// Not theirs, or locked: the same answer (row S3).
    NotRight,
    /// None is set.
    NoneSet,
}
