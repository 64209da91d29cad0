//! What a team works by: mostly lengths of time, never instants.

use std::time::Duration;

use chrono::{Datelike, NaiveTime, TimeDelta, Weekday};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    local_time,
    visit::{Awaited, Risk, word_enum},
};
use crate::clock::Time;

/// What a team works by. The configuration gives the defaults, `apply` a team's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)] // what was kept by an older version lacks the newer lengths
pub struct Policy {
    /// How long a visit without an end time is watched (row V12).
    #[serde(with = "written")]
    pub default_visit: Duration,
    /// From a missed deadline to the incident, normal risk (row E2).
    #[serde(with = "written")]
    pub grace: Duration,
    /// The same at high risk; 0 opens the incident at the deadline.
    #[serde(with = "written")]
    pub grace_high_risk: Duration,
    /// The first reminder goes this long before the deadline; the second goes at it.
    #[serde(with = "written")]
    pub first_reminder: Duration,
    /// Where the grace is 0 the second reminder goes this long before the deadline instead.
    #[serde(with = "written")]
    pub second_reminder_without_grace: Duration,
    /// What an "I'm fine" is worth inside the grace.
    #[serde(with = "written")]
    pub fine_in_grace: Duration,
    /// Above this sum of extensions the manager is told; the extension counts all the same (row V3). 0: no cap.
    #[serde(with = "written")]
    pub extension_cap: Duration,
    /// From the expected arrival at a planned visit that nobody begins to the incident (row V5).
    #[serde(with = "written")]
    pub arrival_grace: Duration,
    /// How often the worker says during a visit that they are fine (row V4); 0: only where the start asks for it.
    #[serde(with = "written")]
    pub check_every: Duration,
    /// The same at high risk.
    #[serde(with = "written")]
    pub check_every_high_risk: Duration,
    /// From a missed check to the incident.
    #[serde(with = "written")]
    pub check_grace: Duration,
    /// The same at high risk.
    #[serde(with = "written")]
    pub check_grace_high_risk: Duration,
    /// So long after leaving the worker says that they are home (row V6); 0: only where the start asks for it.
    #[serde(with = "written")]
    pub home_within: Duration,
    /// From a missed "home safe" to the incident.
    #[serde(with = "written")]
    pub home_grace: Duration,
    /// When somebody has to say that everybody is out, on the clocks of the place (row V14).
    pub closing_time: ClosingTime,
    /// On which days.
    pub closing_days: Vec<Weekday>,
    /// Unconfirmed for so long it goes to the next manager.
    #[serde(with = "written")]
    pub closing_wait: Duration,
    /// How long an acknowledgement holds the ladder (row E3).
    #[serde(with = "written")]
    pub ownership: Duration,
    /// The same after a call for help.
    #[serde(with = "written")]
    pub ownership_sos: Duration,
    /// The owner is warned this long before the acknowledgement lapses.
    #[serde(with = "written")]
    pub ownership_warning: Duration,
    /// The longest that an owner can hold an alarm at once.
    #[serde(with = "written")]
    pub longest_hold: Duration,
    /// The same after a call for help.
    #[serde(with = "written")]
    pub longest_hold_sos: Duration,
    /// Between the rounds after a call for help (row E2).
    #[serde(with = "written")]
    pub sos_pace: Duration,
    /// A call for help that comes again within this long is the same one.
    #[serde(with = "written")]
    pub sos_same: Duration,
    /// Between the reminders while it is with the police (row E6).
    #[serde(with = "written")]
    pub police_reminder: Duration,
    /// Whether texts need the PIN (row S3).
    pub pin_by_text: PinByText,
    /// Whether visits have to be agreed before (row A11).
    pub agreement: AgreementAsked,
    /// What visits are in the work of this team (row A6).
    pub visits_are: VisitsAre,
    /// Whether what is missing of the checklists for after a visit is asked for (row A9).
    pub checklists: ChecklistsAsked,
    /// How long "worker reports safe" holds the ladder until a person confirms it (row E7).
    #[serde(with = "written")]
    pub unconfirmed_report: Duration,
    /// A gap in the rounds longer than this counts as an outage (row E12).
    #[serde(with = "written")]
    pub outage: Duration,
    /// After an outage the first message to outside contacts waits this long.
    #[serde(with = "written")]
    pub outage_outside_wait: Duration,
}

word_enum! {
    /// Whether OUT, OK and MORE by text need the PIN. While an alarm is open they always do (row E7).
    #[derive(Default)]
    PinByText {
        /// They do.
        #[default]
        Asked = "asked",
        /// They do not: then nobody can give a silent alarm by text.
        NotAsked = "not_asked",
    }
}

word_enum! {
    /// Whether the visits of a team have to be agreed. Watched they are in any case.
    #[derive(Default)]
    AgreementAsked {
        /// They do not: nobody has written down cases and assessments yet.
        #[default]
        NotAsked = "not_asked",
        /// They do.
        Asked = "asked",
    }
}

word_enum! {
    /// Whether answers to the checklists for after a visit are asked for each day. What is missing is listed in any case.
    #[derive(Default)]
    ChecklistsAsked {
        /// They are not.
        #[default]
        NotAsked = "not_asked",
        /// They are.
        Asked = "asked",
    }
}

word_enum! {
    /// What visits are in somebody's work (row A6; `seeds/003`: "an acknowledged and integral part of their role").
    #[derive(Default)]
    VisitsAre {
        /// An acknowledged part of it.
        #[default]
        Integral = "integral",
        /// An exception: the purpose of each is agreed with a senior manager.
        Exceptional = "exceptional",
    }
}

/// A time of day, written `17:30`; nothing: never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClosingTime(pub Option<NaiveTime>);

/// A time of day that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” is no time of day: write it like 17:30, or leave it empty")]
pub struct NoTimeOfDay(String);

impl TryFrom<String> for ClosingTime {
    type Error = NoTimeOfDay;
    fn try_from(text: String) -> Result<Self, NoTimeOfDay> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        NaiveTime::parse_from_str(&text, "%H:%M").map(|time| Self(Some(time))).map_err(|_| NoTimeOfDay(text))
    }
}

impl From<ClosingTime> for String {
    fn from(time: ClosingTime) -> Self {
        time.0.map_or_else(Self::new, |time| time.format("%H:%M").to_string())
    }
}

impl Default for Policy {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        Self {
            default_visit: minutes(60),
            grace: minutes(10),
            grace_high_risk: minutes(0),
            first_reminder: minutes(10),
            second_reminder_without_grace: minutes(3),
            fine_in_grace: minutes(10),
            extension_cap: minutes(0),
            arrival_grace: minutes(15),
            check_every: minutes(0),
            check_every_high_risk: minutes(0),
            check_grace: minutes(10),
            check_grace_high_risk: minutes(5),
            home_within: minutes(0),
            home_grace: minutes(15),
            closing_time: ClosingTime(None),
            closing_days: vec![Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri],
            closing_wait: minutes(30),
            ownership: minutes(15),
            ownership_sos: minutes(5),
            ownership_warning: minutes(2),
            longest_hold: minutes(60),
            longest_hold_sos: minutes(15),
            sos_pace: minutes(2),
            sos_same: minutes(2),
            police_reminder: minutes(30),
            pin_by_text: PinByText::Asked,
            agreement: AgreementAsked::NotAsked,
            visits_are: VisitsAre::Integral,
            checklists: ChecklistsAsked::NotAsked,
            unconfirmed_report: minutes(30),
            outage: minutes(5),
            outage_outside_wait: minutes(5),
        }
    }
}

impl Policy {
    /// What is kept of a team, as far as it can be read, and the fields that cannot: a newer version may have written it, and nobody may go
    /// unwatched for that. Of whether a visit has to be agreed what asks for more stands in for them, of all else the default.
    pub fn as_far_as_it_can_be_read(kept: Value) -> (Self, Vec<String>) {
        let Value::Object(fields) = kept else { return (Self::default(), vec!["all of it".into()]) };
        let alone = |(field, value): &(String, Value)| {
            let alone = Map::from_iter([(field.clone(), value.clone())]);
            serde_json::from_value::<Self>(Value::Object(alone)).is_ok()
        };
        let (read, odd): (Vec<_>, Vec<_>) = fields.into_iter().partition(alone);
        let mut policy: Self = serde_json::from_value(Value::from_iter(read)).unwrap_or_default();
        let odd: Vec<String> = odd.into_iter().map(|(field, _)| field).collect();
        if odd.iter().any(|field| field == "agreement") {
            policy.agreement = AgreementAsked::Asked;
        }
        if odd.iter().any(|field| field == "visits_are") {
            policy.visits_are = VisitsAre::Exceptional;
        }
        (policy, odd)
    }

    /// From the missed deadline to the incident.
    pub fn grace(&self, risk: Risk) -> TimeDelta {
        delta(match risk {
            Risk::Normal => self.grace,
            Risk::High => self.grace_high_risk,
        })
    }

    /// How long before the deadline each reminder goes, the earliest first.
    pub fn reminders(&self, risk: Risk) -> [TimeDelta; 2] {
        let second =
            if self.grace(risk).is_zero() { self.second_reminder_without_grace } else { Duration::ZERO };
        [delta(self.first_reminder), delta(second)]
    }

    /// From a missed deadline of any kind to the incident.
    pub fn grace_of(&self, what: Awaited, risk: Risk) -> TimeDelta {
        delta(match (what, risk) {
            (Awaited::Departure, _) => return self.grace(risk),
            (Awaited::Arrival, _) => self.arrival_grace,
            (Awaited::WelfareCheck, Risk::Normal) => self.check_grace,
            (Awaited::WelfareCheck, Risk::High) => self.check_grace_high_risk,
            (Awaited::HomeSafe, _) => self.home_grace,
        })
    }

    /// How long before a deadline of any kind each reminder goes, the earliest first; below 0 it goes after it. What comes
    /// often or is only a plan is asked about when it is due, and again halfway through the grace.
    pub fn reminders_of(&self, what: Awaited, risk: Risk) -> [TimeDelta; 2] {
        let grace = self.grace_of(what, risk);
        match what {
            Awaited::Departure => self.reminders(risk),
            _ if grace.is_zero() => [delta(self.second_reminder_without_grace); 2],
            Awaited::HomeSafe => [delta(self.first_reminder), TimeDelta::zero()],
            Awaited::Arrival | Awaited::WelfareCheck => [TimeDelta::zero(), -(grace / 2)],
        }
    }

    /// How often the team wants to hear of its workers during a visit.
    pub fn check_every(&self, risk: Risk) -> Option<TimeDelta> {
        let every = match risk {
            Risk::Normal => self.check_every,
            Risk::High => self.check_every_high_risk,
        };
        (!every.is_zero()).then(|| delta(every))
    }

    /// When the team next closes, once for each of its days, also where the clocks skip or repeat that time.
    pub fn next_closing(&self, after: Time, zone: Tz) -> Option<Time> {
        let time = self.closing_time.0?;
        let mut next = after;
        // A week has every day in it; a zone that skips one has it in the next.
        for _ in 0..15 {
            next = local_time::next_at(time, next, zone);
            let day = next.with_timezone(&zone).date_naive();
            if self.closing_days.contains(&day.weekday()) {
                return Some(next);
            }
        }
        None
    }

    /// How long the way home may take, where the team watches it.
    pub fn home_within(&self) -> Option<TimeDelta> {
        (!self.home_within.is_zero()).then(|| delta(self.home_within))
    }

    /// The same policy with every length divided, for a demonstration that nobody has to wait for.
    #[must_use]
    pub fn hurried(&self, speed: u32) -> Self {
        let quick = |length: Duration| length / speed.max(1);
        Self {
            default_visit: quick(self.default_visit),
            grace: quick(self.grace),
            grace_high_risk: quick(self.grace_high_risk),
            first_reminder: quick(self.first_reminder),
            second_reminder_without_grace: quick(self.second_reminder_without_grace),
            fine_in_grace: quick(self.fine_in_grace),
            extension_cap: quick(self.extension_cap),
            arrival_grace: quick(self.arrival_grace),
            check_every: quick(self.check_every),
            check_every_high_risk: quick(self.check_every_high_risk),
            check_grace: quick(self.check_grace),
            check_grace_high_risk: quick(self.check_grace_high_risk),
            home_within: quick(self.home_within),
            home_grace: quick(self.home_grace),
            closing_time: self.closing_time,
            closing_days: self.closing_days.clone(),
            closing_wait: quick(self.closing_wait),
            ownership: quick(self.ownership),
            ownership_sos: quick(self.ownership_sos),
            longest_hold: quick(self.longest_hold),
            longest_hold_sos: quick(self.longest_hold_sos),
            sos_pace: quick(self.sos_pace),
            sos_same: quick(self.sos_same),
            police_reminder: quick(self.police_reminder),
            pin_by_text: self.pin_by_text,
            agreement: self.agreement,
            visits_are: self.visits_are,
            checklists: self.checklists,
            ownership_warning: quick(self.ownership_warning),
            unconfirmed_report: quick(self.unconfirmed_report),
            outage: quick(self.outage),
            outage_outside_wait: quick(self.outage_outside_wait),
        }
    }

    /// What is wrong with it, in words for whoever wrote it.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        if self.default_visit.is_zero() {
            complaints.push("default_visit must be longer than 0".into());
        }
        if self.ownership.min(self.ownership_sos) <= self.ownership_warning {
            complaints.push(
                "ownership and ownership_sos must be longer than ownership_warning, or nobody is warned"
                    .into(),
            );
        }
        let second = Duration::from_secs(1);
        if self.sos_pace < second
            || self.sos_pace > Duration::from_mins(10)
            || self.sos_same > Duration::from_mins(10)
        {
            complaints.push("sos_pace must be between 1s and 10m, sos_same at most 10m".into());
        }
        if self.police_reminder < second || self.police_reminder > Duration::from_hours(2) {
            complaints.push("police_reminder must be between 1s and 2h".into());
        }
        if self.longest_hold > Duration::from_hours(4) || self.longest_hold_sos > Duration::from_hours(1) {
            complaints
                .push("longest_hold may be 4h at most, longest_hold_sos 1h: an alarm rests that long".into());
        }
        if self.fine_in_grace > Duration::from_hours(1) {
            complaints.push("fine_in_grace may be 1h at most".into());
        }
        if self.default_visit > Duration::from_hours(12) {
            complaints.push("default_visit may be 12h at most".into());
        }
        if self.first_reminder < self.second_reminder_without_grace
            || self.first_reminder > Duration::from_hours(12)
        {
            complaints.push("first_reminder must be between second_reminder_without_grace and 12h".into());
        }
        if self.unconfirmed_report > Duration::from_hours(2)
            || self.outage_outside_wait > Duration::from_hours(2)
        {
            complaints.push(
                "unconfirmed_report and outage_outside_wait may be 2h at most: an alarm waits that long"
                    .into(),
            );
        }
        if self.outage.is_zero() {
            complaints
                .push("outage must be longer than 0, or every opening counts as one after an outage".into());
        }
        let graces = [self.arrival_grace, self.check_grace, self.check_grace_high_risk, self.home_grace];
        if graces.into_iter().max() > Some(Duration::from_hours(4)) {
            complaints.push("arrival_grace, check_grace and home_grace may be 4h at most".into());
        }
        let lengths = [self.check_every, self.check_every_high_risk, self.home_within];
        if lengths.into_iter().max() > Some(Duration::from_hours(12)) {
            complaints.push("check_every and home_within may be 12h at most".into());
        }
        if self.closing_time.0.is_some() && self.closing_days.is_empty() {
            complaints.push("closing_days: name the days on which the team closes at closing_time".into());
        }
        if self.closing_wait < second || self.closing_wait > Duration::from_hours(4) {
            complaints.push("closing_wait must be between 1s and 4h".into());
        }
        let longest = Duration::from_hours(24);
        if self.grace > longest || self.grace_high_risk > longest || self.ownership > longest {
            complaints
                .push("grace and ownership may be 24h at most: an alarm must not wait for a day".into());
        }
        complaints
    }
}

/// A length as chrono counts it; what does not fit (300 years) is held at the longest.
pub fn delta(length: Duration) -> TimeDelta {
    TimeDelta::from_std(length).unwrap_or(TimeDelta::MAX)
}

/// Lengths are written as people say them: `90s`, `10m`, `2h`, `1h30m`.
pub mod written {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Reads `1h30m`; the units are h, m, s and ms.
    pub fn parse(text: &str) -> Option<Duration> {
        let (mut total, mut number) = (0_u64, String::new());
        let mut rest = text.trim();
        if rest == "0" {
            return Some(Duration::ZERO);
        }
        while let Some(c) = rest.chars().next() {
            if c.is_ascii_digit() {
                number.push(c);
                rest = &rest[1..];
                continue;
            }
            let (unit, skip) = match c {
                'm' if rest.starts_with("ms") => (1, 2),
                's' => (1_000, 1),
                'm' => (60_000, 1),
                'h' => (3_600_000, 1),
                _ => return None,
            };
            total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
            number.clear();
            rest = rest[skip..].trim_start();
        }
        (number.is_empty() && !text.trim().is_empty()).then(|| Duration::from_millis(total))
    }

    /// Writes what [`parse`] reads.
    pub fn format(length: Duration) -> String {
        let all = length.as_millis();
        let parts =
            [(all / 3_600_000, "h"), (all / 60_000 % 60, "m"), (all / 1_000 % 60, "s"), (all % 1_000, "ms")];
        let text = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}"));
        let text = text.collect::<Vec<_>>().concat();
        if text.is_empty() { "0s".into() } else { text }
    }

    pub(crate) fn serialize<S: Serializer>(length: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format(*length))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| {
            D::Error::custom(format!("“{text}” is no length of time: write it like 90s, 10m or 1h30m"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_and_written_alike() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("1h30m", 5400), ("2h", 7200), ("0", 0), ("0s", 0)]
        {
            let length = written::parse(text).unwrap();
            assert_eq!(length, Duration::from_secs(seconds), "{text}");
            assert_eq!(written::parse(&written::format(length)), Some(length));
        }
        for text in ["", "ten", "10", "10 days", "-5m", "m", "99999999999999999999h"] {
            assert_eq!(written::parse(text), None, "{text}");
        }
    }
}
