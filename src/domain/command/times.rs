//! Durations and times of day in a text.

use chrono::{NaiveTime, TimeDelta};

use super::{super::local_time::ClockTime, reading::Run};

/// More minutes than anybody can mean; carried, so that whoever judges them sees that they are absurd.
const MOST_MINUTES: i64 = 1_000_000;

/// So many minutes, as said.
pub(super) fn minutes(said: i64) -> TimeDelta {
    TimeDelta::minutes(said.clamp(0, MOST_MINUTES))
}

/// The number that digits write; numbers too long for anything are very large.
pub(super) fn number(digits: &str) -> i64 {
    digits.parse().unwrap_or(i64::MAX)
}

/// Whether nothing touches the end of the first `used` runs.
fn ends_a_word(runs: &[Run], used: usize) -> bool {
    runs.get(used).is_none_or(|next| !next.is_glued())
}

fn is_blank(gap: &str) -> bool {
    gap.chars().all(|c| c == ' ')
}

fn word(runs: &[Run], at: usize) -> &str {
    runs.get(at).map_or("", |run| run.text.as_str())
}

fn digits(runs: &[Run], at: usize) -> Option<&str> {
    runs.get(at).filter(|run| run.is_digits()).map(|run| run.text.as_str())
}

fn is_minutes(unit: &str) -> bool {
    matches!(unit, "M" | "MIN" | "MINS" | "MINUTE" | "MINUTES")
}

fn is_hours(unit: &str) -> bool {
    matches!(unit, "H" | "HR" | "HRS" | "HOUR" | "HOURS")
}

/// A duration with its unit at the beginning of `runs`, and how many of them say it: `45 min`, `1h30`, `1.5 hours`,
/// `half an hour`.
pub(super) fn duration(runs: &[Run]) -> Option<(TimeDelta, usize)> {
    if runs.first()?.is_digits() { counted(runs) } else { in_words(runs) }
}

fn in_words(runs: &[Run]) -> Option<(TimeDelta, usize)> {
    let words: Vec<&str> = runs.iter().take(3).map(|run| run.text.as_str()).collect();
    let (said, used) = match words.as_slice() {
        ["HALF", "AN" | "A", "HOUR", ..] => (30, 3),
        ["HALF", "HOUR", ..] => (30, 2),
        ["AN" | "ONE" | "A", "HOUR", ..] => (60, 2),
        ["TWO", "HOURS", ..] => (120, 2),
        ["THREE", "HOURS", ..] => (180, 2),
        _ => return None,
    };
    Some((minutes(said), used))
}

fn counted(runs: &[Run]) -> Option<(TimeDelta, usize)> {
    let first = number(digits(runs, 0)?);
    // 1.5 hours
    if let (Some(part), true) =
        (digits(runs, 1), runs.get(1).is_some_and(|run| matches!(run.gap.as_str(), "." | ",")))
    {
        let part = match part {
            "25" => 15,
            "5" | "50" => 30,
            "75" => 45,
            _ => return None,
        };
        let fits = is_hours(word(runs, 2)) && is_blank(&runs.get(2)?.gap) && ends_a_word(runs, 3);
        return fits.then(|| (minutes(first.saturating_mul(60).saturating_add(part)), 3));
    }
    let unit = runs.get(1).filter(|unit| is_blank(&unit.gap))?;
    if is_minutes(&unit.text) && ends_a_word(runs, 2) {
        return Some((minutes(first), 2));
    }
    if !is_hours(&unit.text) {
        return None;
    }
    let hours = first.saturating_mul(60);
    if let Some(more) = digits(runs, 2).filter(|more| more.len() <= 2) {
        let sum = minutes(hours.saturating_add(number(more)));
        let has_unit = runs.get(3).is_some_and(|unit| is_blank(&unit.gap) && is_minutes(&unit.text));
        if has_unit && ends_a_word(runs, 4) {
            return Some((sum, 4));
        }
        // 1h30, or "1 hour 30" at the end of what was said
        if ends_a_word(runs, 3) && (runs.get(2)?.is_glued() || runs.len() == 3) {
            return Some((sum, 3));
        }
    }
    ends_a_word(runs, 2).then(|| (minutes(hours), 2))
}

/// Whether a word before it says that a time of day follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announced {
    /// `UNTIL 3`: then bare numbers are times.
    Yes,
    /// Only what is written as a time is one.
    No,
}

/// A time of day at the beginning of `runs`, and how many of them say it.
pub(super) fn clock(runs: &[Run], announced: Announced) -> Option<(ClockTime, usize)> {
    let named = match word(runs, 0) {
        "NOON" | "MIDDAY" => Some(12),
        "MIDNIGHT" => Some(0),
        _ => None,
    };
    if let Some(hour) = named {
        return Some((ClockTime::Sure(NaiveTime::from_hms_opt(hour, 0, 0)?), 1));
    }
    let first = digits(runs, 0)?;
    let tight = |at: usize| runs.get(at).is_some_and(|run| matches!(run.gap.as_str(), ":" | "." | ";"));
    let (hour, minute, used, is_written_as_time) = match (first.len(), digits(runs, 1)) {
        (1 | 2, Some(minute)) if tight(1) && minute.len() == 2 => (first, minute, 2, true),
        (1 | 2, _) => (first, "00", 1, false),
        (3 | 4, _) => (&first[..first.len() - 2], &first[first.len() - 2..], 1, false),
        _ => return None,
    };
    if used == 1 && runs.get(1).is_some_and(|next| next.is_digits() && !is_blank(&next.gap)) {
        return None; // 12-14, 1/2, 10,000
    }
    let half = runs.get(used).filter(|half| is_blank(&half.gap)).map_or("", |half| half.text.as_str());
    match half {
        "AM" | "PM" if ends_a_word(runs, used + 1) => {
            Some((ClockTime::Sure(in_half(hour, minute, half)?), used + 1))
        }
        "OCLOCK" if ends_a_word(runs, used + 1) && minute == "00" => {
            Some((unmarked(hour, minute)?, used + 1))
        }
        _ if !ends_a_word(runs, used) => None,
        _ if is_written_as_time || announced == Announced::Yes => Some((unmarked(hour, minute)?, used)),
        _ if first.len() == 4 => Some((ClockTime::Unsure(time(number(hour), number(minute))?), used)),
        _ => None,
    }
}

fn time(hour: i64, minute: i64) -> Option<NaiveTime> {
    NaiveTime::from_hms_opt(u32::try_from(hour).ok()?, u32::try_from(minute).ok()?, 0)
}

fn in_half(hour: &str, minute: &str, half: &str) -> Option<NaiveTime> {
    let hour = match (number(hour), half) {
        (hour @ 1..=12, "AM") => hour % 12,
        (hour @ 1..=12, _) => hour % 12 + 12,
        (hour @ 13..=23, "PM") => hour,
        _ => return None,
    };
    time(hour, number(minute))
}

/// Without am or pm: `15:00` and `03:00` can be only one time, `3:00` two.
fn unmarked(hour: &str, minute: &str) -> Option<ClockTime> {
    match (number(hour), hour.len()) {
        (1..=9, 1) | (10..=12, _) => Some(ClockTime::EitherHalf(time(number(hour) % 12, number(minute))?)),
        (hour, 2) => Some(ClockTime::Sure(time(hour, number(minute))?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::reading::{runs, tokens},
        *,
    };

    #[test]
    fn durations() {
        for (text, expected) in [
            ("60 min", 60),
            ("60mins", 60),
            ("90 M", 90),
            ("1h", 60),
            ("1h30", 90),
            ("1h30m", 90),
            ("1 hr 30 min", 90),
            ("1 hour 30", 90),
            ("1 hour 30 High St", 60),
            ("1.5h", 90),
            ("1.75 hours", 105),
            ("half an hour", 30),
            ("an hour", 60),
            ("0 min", 0),
            ("10000 minutes", 10_000),
            ("99999999999999999999 hours", MOST_MINUTES),
        ] {
            let said = duration(&runs(&tokens(text))).map(|(length, _)| length.num_minutes());
            assert_eq!(said, Some(expected), "{text}");
        }
        for text in ["60", "60 High St", "60miles", "1h30x", "12a", "1.3h", "half 3", "hour"] {
            assert_eq!(duration(&runs(&tokens(text))), None, "{text}");
        }
    }

    #[test]
    fn times_of_day() {
        use Announced::{No, Yes};
        use ClockTime::{EitherHalf, Sure, Unsure};
        let at = |hour, minute| NaiveTime::from_hms_opt(hour, minute, 0).unwrap();
        for (text, announced, expected) in [
            ("15:00", No, Some(Sure(at(15, 0)))),
            ("15.30", No, Some(Sure(at(15, 30)))),
            ("03:30", No, Some(Sure(at(3, 30)))),
            ("3:30", No, Some(EitherHalf(at(3, 30)))),
            ("12:30", No, Some(EitherHalf(at(0, 30)))),
            ("10:15", Yes, Some(EitherHalf(at(10, 15)))),
            ("3:30 pm", No, Some(Sure(at(15, 30)))),
            ("3:30pm", No, Some(Sure(at(15, 30)))),
            ("330pm", No, Some(Sure(at(15, 30)))),
            ("3pm", No, Some(Sure(at(15, 0)))),
            ("3 p.m.", No, Some(Sure(at(15, 0)))),
            ("12am", No, Some(Sure(at(0, 0)))),
            ("12 pm", No, Some(Sure(at(12, 0)))),
            ("15:00pm", No, Some(Sure(at(15, 0)))),
            ("noon", No, Some(Sure(at(12, 0)))),
            ("1500", No, Some(Unsure(at(15, 0)))),
            ("1500", Yes, Some(Sure(at(15, 0)))),
            ("330", Yes, Some(EitherHalf(at(3, 30)))),
            ("3", Yes, Some(EitherHalf(at(3, 0)))),
            ("3 o’clock", No, Some(EitherHalf(at(3, 0)))),
            ("09", Yes, Some(Sure(at(9, 0)))),
            ("15", Yes, Some(Sure(at(15, 0)))),
            ("15", No, None),
            ("330", No, None),
            ("25:00", Yes, None),
            ("15:60", Yes, None),
            ("4821", No, None),
            ("4821", Yes, None),
            ("0", Yes, None),
            ("24:00", Yes, None),
            ("12a", Yes, None),
            ("12-14", Yes, None),
            ("teatime", Yes, None),
        ] {
            let said = clock(&runs(&tokens(text)), announced).map(|(time, _)| time);
            assert_eq!(said, expected, "{text}");
        }
    }
}
