//! What people read. One trait, one file per language; every text is made from a typed [`Notice`].

mod english;
pub mod sms;

pub use english::{English, LISTED_IN_ONE_TEXT};
use serde::Serialize;

use super::{
    incident::{Claim, Incident},
    notice::{Facts, Notice},
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
    fn pin_refused(
        &self,
        refused: PinRefused,
        till: Option<Time>,
        manager: Option<&str>,
        now: Time,
        zone: chrono_tz::Tz,
    ) -> String;
    /// One line for a list of incidents.
    fn headline(&self, incident: &Incident, worker: &str, now: Time, zone: chrono_tz::Tz) -> String;
    /// What the worker says meanwhile.
    fn claim(&self, claim: Claim, now: Time, zone: chrono_tz::Tz) -> Option<String>;
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
