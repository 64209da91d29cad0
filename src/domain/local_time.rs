//! Instants as people of a place say and read them (row S5).

use chrono::{
    DateTime, Datelike, Days, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone,
};
use chrono_tz::{GapInfo, Tz};

use super::visit::FURTHEST_AHEAD;
use crate::clock::Time;

/// A time that may have been meant otherwise is believed so far ahead. Somebody who says "until 3" at ten past 3 does not
/// mean to be watched till the early morning.
pub const UNSURE_AHEAD: TimeDelta = TimeDelta::hours(6);

/// `15:00`, with the day where it is not today's: `15:00 Tue`.
pub fn written(at: Time, now: Time, zone: Tz) -> String {
    let (local, today) = (at.with_timezone(&zone), now.with_timezone(&zone).date_naive());
    let form = if local.date_naive() == today { "%H:%M" } else { "%H:%M %a" };
    local.format(form).to_string()
}

/// A time of day as somebody said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockTime {
    /// `15:00`, `3pm`, `until 1500`.
    Sure(NaiveTime),
    /// A bare `1500`: it might be something else, a PIN say.
    Unsure(NaiveTime),
    /// `3:30`, `until 3`: in the morning or in the afternoon. The hour is below 12.
    EitherHalf(NaiveTime),
}

/// When somebody means by a time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meant {
    /// Then.
    At(Time),
    /// The next such time is too far ahead to be believed: watch for the default, and ask.
    TooFar,
}

impl ClockTime {
    /// The next instant after `now` at which the clocks of the zone show it.
    ///
    /// A time that they skip is the instant at which they skip it; of one that they show twice the first that is still to
    /// come.
    pub fn next(self, now: Time, zone: Tz) -> Meant {
        let half_a_day = TimeDelta::hours(12);
        let (at, furthest) = match self {
            Self::Sure(time) => (next(time, now, zone), FURTHEST_AHEAD),
            Self::Unsure(time) => (next(time, now, zone), UNSURE_AHEAD),
            Self::EitherHalf(time) => {
                let (one, other) = (time, time.overflowing_add_signed(half_a_day).0);
                let at = [one, other].into_iter().filter_map(|time| next(time, now, zone)).min();
                (at, UNSURE_AHEAD)
            }
        };
        at.filter(|at| *at - now <= furthest).map_or(Meant::TooFar, Meant::At)
    }
}

fn next(time: NaiveTime, now: Time, zone: Tz) -> Option<Time> {
    days_around(now, zone).flat_map(|day| instants(day, time, zone)).filter(|at| *at > now).min()
}

/// The next instant strictly after `now` at which something that happens daily at `time` is due: once for each local day,
/// also on a day whose clocks skip or repeat that time.
pub fn next_at(time: NaiveTime, now: Time, zone: Tz) -> Time {
    days_around(now, zone)
        .filter_map(|day| instants(day, time, zone).into_iter().min())
        .filter(|at| *at > now)
        .min()
        // Only at the very end of the calendar.
        .unwrap_or(now + TimeDelta::days(1))
}

/// Yesterday's local date to that of in three days: one of these has an instant ahead even where a zone skips a whole day.
fn days_around(now: Time, zone: Tz) -> impl Iterator<Item = NaiveDate> {
    let today = now.with_timezone(&zone).date_naive();
    (0..=4).filter_map(move |days| today.checked_sub_days(Days::new(1))?.checked_add_days(Days::new(days)))
}

/// When the clocks of a zone show a time of a day: twice in an overlap; in a gap, the instant at which they skip it.
fn instants(day: NaiveDate, time: NaiveTime, zone: Tz) -> Vec<Time> {
    let local = day.and_time(time);
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) => vec![at.to_utc()],
        LocalResult::Ambiguous(one, other) => vec![one.to_utc(), other.to_utc()],
        LocalResult::None => {
            GapInfo::new(&local, &zone).and_then(|gap| gap.end).map(|end| end.to_utc()).into_iter().collect()
        }
    }
}

/// When the clocks of a zone show `time` on `day`, the first time that they do.
pub fn at(day: NaiveDate, time: NaiveTime, zone: Tz) -> Time {
    // Only a day that a zone skips has no such instant at all: then as in UTC.
    instants(day, time, zone).into_iter().min().unwrap_or_else(|| day.and_time(time).and_utc())
}

/// Reads an instant as it is written for a machine: `2026-12-25T21:40` by the clocks of the zone, or with an offset.
pub fn read(said: &str, zone: Tz) -> Option<Time> {
    let meant = |year| (2000..2200).contains(&year);
    if let Ok(at) = DateTime::parse_from_rfc3339(said) {
        return meant(at.year()).then(|| at.to_utc());
    }
    let forms = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"];
    let local = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(said, form).ok())?;
    meant(local.year()).then(|| at(local.date(), local.time(), zone))
}

#[cfg(test)]
mod tests {
    use chrono_tz::{Australia::Lord_Howe, Europe::London, Pacific::Apia};

    use super::*;

    fn utc(written: &str) -> Time {
        written.parse().unwrap()
    }

    fn time(written: &str) -> NaiveTime {
        written.parse().unwrap()
    }

    #[test]
    fn the_next_such_time_and_never_one_that_has_passed() {
        let now = utc("2026-11-22T14:10:00Z");
        for (said, expected) in [
            (ClockTime::Sure(time("15:00:00")), Meant::At(utc("2026-11-22T15:00:00Z"))),
            (ClockTime::Sure(time("02:10:00")), Meant::At(utc("2026-11-23T02:10:00Z"))),
            (ClockTime::Sure(time("02:11:00")), Meant::TooFar),
            (ClockTime::Sure(time("14:10:00")), Meant::TooFar),
            (ClockTime::Unsure(time("20:10:00")), Meant::At(utc("2026-11-22T20:10:00Z"))),
            (ClockTime::Unsure(time("20:11:00")), Meant::TooFar),
            (ClockTime::EitherHalf(time("03:00:00")), Meant::At(utc("2026-11-22T15:00:00Z"))),
            (ClockTime::EitherHalf(time("02:00:00")), Meant::TooFar),
            (ClockTime::EitherHalf(time("00:30:00")), Meant::TooFar),
        ] {
            assert_eq!(said.next(now, London), expected, "{said:?}");
        }
    }

    #[test]
    fn a_time_that_the_clocks_skip_is_when_they_skip_it() {
        let said = |written| ClockTime::Sure(time(written));
        // 01:00 becomes 02:00.
        let now = utc("2027-03-28T00:10:00Z");
        assert_eq!(said("01:30:00").next(now, London), Meant::At(utc("2027-03-28T01:00:00Z")));
        assert_eq!(said("02:00:00").next(now, London), Meant::At(utc("2027-03-28T01:00:00Z")));
        assert_eq!(said("02:15:00").next(now, London), Meant::At(utc("2027-03-28T01:15:00Z")));
        // Half an hour: 02:00 becomes 02:30 on 4 October 2026, at 15:30 UTC.
        let now = utc("2026-10-03T14:00:00Z");
        assert_eq!(said("02:10:00").next(now, Lord_Howe), Meant::At(utc("2026-10-03T15:30:00Z")));
        // A whole day: Samoa had no 30 December 2011.
        let now = utc("2011-12-30T09:00:00Z");
        assert_eq!(said("08:00:00").next(now, Apia), Meant::At(utc("2011-12-30T10:00:00Z")));
        assert_eq!(next_at(time("23:30:00"), now, Apia), utc("2011-12-30T09:30:00Z"));
    }

    #[test]
    fn of_a_time_that_the_clocks_show_twice_it_is_the_first_that_is_still_to_come() {
        let said = ClockTime::Sure(time("01:30:00"));
        for (now, expected) in [
            ("2026-10-25T00:10:00Z", "2026-10-25T00:30:00Z"),
            ("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
            ("2026-10-25T01:10:00Z", "2026-10-25T01:30:00Z"),
        ] {
            assert_eq!(said.next(utc(now), London), Meant::At(utc(expected)), "{now}");
        }
        // What is daily is done once on such a day.
        let now = utc("2026-10-25T00:30:00Z");
        assert_eq!(next_at(time("01:30:00"), now, London), utc("2026-10-26T01:30:00Z"));
    }
}
