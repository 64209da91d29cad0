//! Calendar days and working days. A working day is a day on which the office works, is not closed, and that is no bank holiday of the
//! right nation (row T2). Which days are bank holidays stands in a file; a year that it does not know is said, never guessed.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::LazyLock,
};

use chrono::{Datelike, NaiveDate, TimeDelta, Weekday};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::visit::word_enum;
use crate::clock::Time;

/// What the program comes with.
const PROVIDED: &str = include_str!("../../config/bank-holidays.toml");

word_enum! {
    /// Whose bank holidays are kept.
    #[derive(Default)]
    Nation {
        /// England and Wales.
        #[default]
        EnglandAndWales = "england_and_wales",
        /// Scotland.
        Scotland = "scotland",
        /// Northern Ireland.
        NorthernIreland = "northern_ireland",
    }
}

/// Something in a file that cannot be: where, from 1, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Wrong {
    /// The line.
    pub line: usize,
    /// What is wrong, and how to mend it.
    pub why: String,
}

impl Wrong {
    pub(super) fn at(text: &str, span: &std::ops::Range<usize>, why: impl Into<String>) -> Self {
        let before = text.as_bytes().iter().take(span.start);
        Self { line: before.filter(|byte| **byte == b'\n').count() + 1, why: why.into() }
    }

    pub(super) fn of(text: &str, error: &toml::de::Error) -> Self {
        Self::at(text, &error.span().unwrap_or_default(), error.message())
    }
}

/// The bank holidays of each nation, by year.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BankHolidays {
    /// Where they were taken from.
    pub source: String,
    days: HashMap<Nation, BTreeMap<i32, BTreeSet<NaiveDate>>>,
}

/// The bank holidays of a year are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bank holidays of {year} in {} are not known", .nation.as_str())]
pub struct UnknownYear {
    /// Whose.
    pub nation: Nation,
    /// Of which year.
    pub year: i32,
}

type Written = BTreeMap<Spanned<String>, Vec<Spanned<String>>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    source: String,
    #[serde(default)]
    england_and_wales: Written,
    #[serde(default)]
    scotland: Written,
    #[serde(default)]
    northern_ireland: Written,
}

impl BankHolidays {
    /// Those that the program comes with; a test reads them, so that they can be read.
    pub fn provided() -> Self {
        static OURS: LazyLock<BankHolidays> =
            LazyLock::new(|| BankHolidays::read(PROVIDED).unwrap_or_default());
        OURS.clone()
    }

    /// Reads a file.
    pub fn read(text: &str) -> Result<Self, Wrong> {
        let file: File = toml::from_str(text).map_err(|error| Wrong::of(text, &error))?;
        let mut days = HashMap::new();
        for (nation, written) in [
            (Nation::EnglandAndWales, file.england_and_wales),
            (Nation::Scotland, file.scotland),
            (Nation::NorthernIreland, file.northern_ireland),
        ] {
            let years = written.iter().map(|(year, days)| year_of(text, year, days));
            days.insert(nation, years.collect::<Result<_, _>>()?);
        }
        Ok(Self { source: file.source, days })
    }

    /// The years that are known of a nation.
    pub fn years(&self, nation: Nation) -> impl Iterator<Item = i32> {
        self.days.get(&nation).into_iter().flat_map(|years| years.keys().copied())
    }

    fn of_year(&self, nation: Nation, year: i32) -> Result<&BTreeSet<NaiveDate>, UnknownYear> {
        self.days.get(&nation).and_then(|years| years.get(&year)).ok_or(UnknownYear { nation, year })
    }
}

fn year_of(
    text: &str,
    year: &Spanned<String>,
    written: &[Spanned<String>],
) -> Result<(i32, BTreeSet<NaiveDate>), Wrong> {
    let wrong = |at: &Spanned<String>, why: String| Wrong::at(text, &at.span(), why);
    let number = year.get_ref().parse().ok().filter(|year| (2000..2200).contains(year));
    let Some(number) = number else {
        return Err(wrong(year, format!("“{}” is no year", year.get_ref())));
    };
    let mut days = BTreeSet::new();
    for day in written {
        let read = NaiveDate::parse_from_str(&format!("{number}-{}", day.get_ref()), "%Y-%m-%d");
        let read =
            read.map_err(|_| wrong(day, format!("“{}” is no day: write it like 05-27", day.get_ref())))?;
        if !days.insert(read) {
            return Err(wrong(day, format!("{read} stands twice")));
        }
    }
    if days.is_empty() {
        return Err(wrong(year, format!("no bank holiday in {number}: leave a year out that is not known")));
    }
    Ok((number, days))
}

/// By what an organisation counts working days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// Which days are bank holidays.
    pub holidays: BankHolidays,
    /// Whose of them are kept.
    pub nation: Nation,
    /// On which days the office works.
    pub office_days: Vec<Weekday>,
    /// On which days it is closed all the same.
    pub closures: BTreeSet<NaiveDate>,
}

impl Calendar {
    /// The year that has begun, or is near, if its bank holidays are not known.
    pub fn unknown_year_near(&self, today: NaiveDate) -> Option<i32> {
        let is_unknown = |year: &i32| self.holidays.of_year(self.nation, *year).is_err();
        [today, today + NEAR].map(|day| day.year()).into_iter().find(is_unknown)
    }

    /// Whether somebody works on that day.
    pub fn is_working_day(&self, day: NaiveDate) -> Result<bool, UnknownYear> {
        let holidays = self.holidays.of_year(self.nation, day.year())?;
        Ok(self.office_days.contains(&day.weekday())
            && !self.closures.contains(&day)
            && !holidays.contains(&day))
    }
}

/// So long before a year begins somebody is told that its bank holidays are not known.
const NEAR: TimeDelta = TimeDelta::days(92);

/// The day that it is in a zone.
pub fn day_of(at: Time, zone: Tz) -> NaiveDate {
    at.with_timezone(&zone).date_naive()
}

/// The last day of the week that a day is in: its Sunday.
pub fn end_of_week(day: NaiveDate) -> NaiveDate {
    day.week(Weekday::Mon).checked_last_day().unwrap_or(day)
}

#[cfg(test)]
mod tests;
