//! When drills begin by themselves: a cron expression in the organisation's zone.

use chrono::TimeDelta;
use chrono_tz::Tz;
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};

use crate::clock::Time;

/// The longest expression that is read.
const LONGEST: usize = 100;
/// Two drills of a team are at least so far apart: a day, even one that the clocks shorten.
const LEAST_APART: TimeDelta = TimeDelta::hours(23);
/// So many moments are looked at to see how far they are apart.
const LOOKED_AT: usize = 60;

/// A schedule that can be read.
#[derive(Debug, Clone)]
pub struct Schedule(Cron);

/// One that cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSchedule {
    /// It is no cron expression.
    #[error(
        "“{0}” is not read: say minute, hour, day of the month, month and day of the week, such as `30 10 * * TUE` for Tuesdays at 10:30"
    )]
    Unreadable(String),
    /// It names no moment that ever comes.
    #[error("“{0}” names no moment that ever comes")]
    Never(String),
    /// People who are drilled all the time stop answering.
    #[error("“{0}” would begin two drills within a day: at most one a day")]
    TooOften(String),
}

impl Schedule {
    /// Reads five fields.
    pub fn parse(text: &str) -> Result<Self, BadSchedule> {
        let unreadable = || BadSchedule::Unreadable(text.chars().take(LONGEST).collect());
        // Not the nicknames either: `@weekly` is read as something else.
        if text.len() > LONGEST || text.split_whitespace().count() != 5 {
            return Err(unreadable());
        }
        let five = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        five.parse(text).map(Self).map_err(|_| unreadable())
    }

    /// The first moment after this one; nothing if there is none.
    pub fn next(&self, after: Time, zone: Tz) -> Option<Time> {
        let next = self.0.find_next_occurrence(&after.with_timezone(&zone), false).ok()?;
        Some(next.to_utc())
    }

    /// The last moment up to this one.
    pub fn last(&self, until: Time, zone: Tz) -> Option<Time> {
        let last = self.0.find_previous_occurrence(&until.with_timezone(&zone), true).ok()?;
        Some(last.to_utc())
    }

    /// Reads one that is to be kept from now on: it comes, and not too often.
    pub fn to_keep(text: &str, now: Time, zone: Tz) -> Result<Self, BadSchedule> {
        let schedule = Self::parse(text)?;
        let mut last = schedule.next(now, zone).ok_or_else(|| BadSchedule::Never(text.into()))?;
        for _ in 0..LOOKED_AT {
            let Some(next) = schedule.next(last, zone) else { break };
            if next - last < LEAST_APART {
                return Err(BadSchedule::TooOften(text.into()));
            }
            last = next;
        }
        Ok(schedule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONDON: Tz = chrono_tz::Europe::London;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn moments_are_those_of_the_zone() {
        let tuesdays = Schedule::to_keep("30 10 * * TUE", at("2026-01-14T12:00:00Z"), LONDON).unwrap();
        assert_eq!(tuesdays.next(at("2026-01-14T12:00:00Z"), LONDON), Some(at("2026-01-20T10:30:00Z")));
        assert_eq!(tuesdays.next(at("2026-06-01T00:00:00Z"), LONDON), Some(at("2026-06-02T09:30:00Z")));
        assert_eq!(tuesdays.last(at("2026-01-20T10:30:00Z"), LONDON), Some(at("2026-01-20T10:30:00Z")));
        assert_eq!(tuesdays.last(at("2026-01-20T10:29:59Z"), LONDON), Some(at("2026-01-13T10:30:00Z")));
        // A time that the clocks skip, and one that they show twice: once.
        let nights = Schedule::to_keep("30 1 * * *", at("2026-01-14T12:00:00Z"), LONDON).unwrap();
        let spring = nights.next(at("2026-03-28T12:00:00Z"), LONDON).unwrap();
        assert!(spring >= at("2026-03-29T01:00:00Z") && spring <= at("2026-03-29T01:30:00Z"), "{spring}");
        let autumn = nights.next(at("2026-10-24T12:00:00Z"), LONDON).unwrap();
        let then = nights.next(autumn, LONDON).unwrap();
        assert!(then - autumn > TimeDelta::hours(22), "{autumn} {then}");
    }

    #[test]
    fn what_cannot_be_kept_is_said() {
        let kept = |text: &str| Schedule::to_keep(text, at("2026-01-14T12:00:00Z"), LONDON).err();
        for text in [
            "",
            "every day",
            "1 2 3",
            "61 10 * * *",
            "0 0 10 * * *",
            "0 10 * * * 2027",
            "a b c d e",
            "@weekly",
        ] {
            assert_eq!(kept(text), Some(BadSchedule::Unreadable(text.into())), "{text}");
        }
        assert!(matches!(kept(&"1".repeat(1000)), Some(BadSchedule::Unreadable(_))));
        assert_eq!(kept("0 10 30 2 *"), Some(BadSchedule::Never("0 10 30 2 *".into())));
        for text in ["* * * * *", "0 * * * *", "0 10,11 * * MON", "0 9,17 * * *"] {
            assert_eq!(kept(text), Some(BadSchedule::TooOften(text.into())), "{text}");
        }
        for text in ["0 10 * * *", "0 10 1 * *", "0 10 29 2 *", "15 14 * * MON#1"] {
            assert_eq!(kept(text), None, "{text}");
        }
    }
}
