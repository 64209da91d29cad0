//! What workers take along: devices, phones, cars (row P3).

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use super::{
    contact::Phone,
    ids::{EquipmentId, OrganisationId, PersonId, TeamId},
    visit::word_enum,
};
use crate::clock::Time;

/// No country's plates are longer.
const LONGEST_REGISTRATION: usize = 12;

word_enum! {
    /// What it is.
    EquipmentKind {
        /// A device with a button for help.
        LoneWorkerDevice = "lone_worker_device",
        /// A phone.
        Phone = "phone",
        /// A car of the organisation.
        PoolCar = "pool_car",
        /// A car that was hired.
        HireCar = "hire_car",
        /// The worker's own car.
        OwnCar = "own_car",
        /// Something else.
        Other = "other",
    }
}

impl EquipmentKind {
    /// Whether it has a registration.
    pub fn is_car(self) -> bool {
        matches!(self, Self::PoolCar | Self::HireCar | Self::OwnCar)
    }

    /// Whether it is tested each month, and may speak by an address of its own.
    pub fn is_device(self) -> bool {
        self == Self::LoneWorkerDevice
    }
}

word_enum! {
    /// What came of a test.
    TestResult {
        /// It does what it has to.
        Works = "works",
        /// It does not.
        Faulty = "faulty",
    }
}

word_enum! {
    /// How a device stands with its tests.
    TestFlag {
        /// Tested in this month of the calendar, and it worked.
        Tested = "tested",
        /// Not tested in this month.
        NotThisMonth = "not_this_month",
        /// It did not work when it was tested last.
        Faulty = "faulty",
    }
}

word_enum! {
    /// Why something is in use no more.
    RetiredBecause {
        /// Nobody knows where it is.
        Lost = "lost",
        /// It does not work and is not mended.
        Broken = "broken",
        /// It is somebody else's now.
        Sold = "sold",
        /// Something else.
        Other = "other",
    }
}

/// That something is in use no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retired {
    /// Since when.
    pub at: Time,
    /// Who said so.
    pub by: PersonId,
    /// Why.
    pub because: RetiredBecause,
    /// In words.
    pub words: Option<String>,
}

/// A car's registration, as it is read on its plate: GSM-7, so that it fits a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct Registration(String);

/// What is no registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a registration has letters and digits, 12 at most: write it as AB12 CDE")]
pub struct BadRegistration;

impl Registration {
    /// Reads it as people write it.
    pub fn parse(written: &str) -> Result<Self, BadRegistration> {
        let words: Vec<String> = written.split_whitespace().map(str::to_ascii_uppercase).collect();
        let plate = words.join(" ");
        let good = plate.chars().all(|c| c.is_ascii_alphanumeric() || c == ' ' || c == '-')
            && plate.contains(|c: char| c.is_ascii_alphanumeric())
            && plate.len() <= LONGEST_REGISTRATION;
        if good { Ok(Self(plate)) } else { Err(BadRegistration) }
    }

    /// As it is read.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// With whom something is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loan {
    /// Who has it.
    pub holder: PersonId,
    /// Since when.
    pub since: Time,
    /// Until when; nothing: until it is given back.
    pub due_back: Option<Time>,
}

impl Loan {
    /// Whether it has to be back by now.
    pub fn is_overdue(&self, now: Time) -> bool {
        self.due_back.is_some_and(|due| due <= now)
    }
}

/// One thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equipment {
    /// Its id.
    pub id: EquipmentId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Of which team.
    pub team: TeamId,
    /// The short name that people call it by.
    pub key: String,
    /// What stands on it.
    pub label: String,
    /// What it is.
    pub kind: EquipmentKind,
    /// Of a car.
    pub registration: Option<Registration>,
    /// Of a phone, or of a device that has one.
    pub phone: Option<Phone>,
    /// With whom it is out.
    pub loan: Option<Loan>,
    /// Who had it before it came in.
    pub last_holder: Option<PersonId>,
    /// The last test.
    pub tested: Option<(NaiveDate, TestResult)>,
    /// Once it is in use no more. Whoever had it then and did not bring it back is still its holder: they may press it.
    pub retired: Option<Retired>,
}

impl Equipment {
    /// How it stands with its tests; nothing: it is not tested, or not any more.
    pub fn test_flag(&self, today: NaiveDate) -> Option<TestFlag> {
        (self.kind.is_device() && self.retired.is_none()).then(|| test_flag(self.tested, today))
    }

    /// Whether somebody has it who has to bring it back by now.
    pub fn is_late(&self, now: Time) -> bool {
        self.retired.is_none() && self.loan.is_some_and(|loan| loan.is_overdue(now))
    }

    /// Its label, with the registration where it has one.
    pub fn called(&self) -> String {
        match &self.registration {
            Some(registration) => format!("{} ({})", self.label, registration.as_str()),
            None => self.label.clone(),
        }
    }
}

/// How a device stands with its tests: it is tested once in each month of the calendar.
pub fn test_flag(tested: Option<(NaiveDate, TestResult)>, today: NaiveDate) -> TestFlag {
    match tested {
        Some((_, TestResult::Faulty)) => TestFlag::Faulty,
        Some((on, TestResult::Works)) if (on.year(), on.month()) == (today.year(), today.month()) => {
            TestFlag::Tested
        }
        _ => TestFlag::NotThisMonth,
    }
}

/// Of what somebody holds, the car that they took last: the one to look for.
pub fn car_of(held: &[Equipment]) -> Option<&Equipment> {
    let since = |item: &&Equipment| item.loan.map(|loan| loan.since);
    held.iter().filter(|item| item.kind.is_car()).max_by_key(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_tested_once_in_each_month_of_the_calendar() {
        let day = |day: &str| -> NaiveDate { day.parse().unwrap() };
        let works = |on| Some((day(on), TestResult::Works));
        for (tested, today, flag) in [
            (None, "2026-01-14", TestFlag::NotThisMonth),
            (works("2026-01-01"), "2026-01-31", TestFlag::Tested),
            (works("2025-12-31"), "2026-01-01", TestFlag::NotThisMonth),
            (works("2025-01-14"), "2026-01-14", TestFlag::NotThisMonth),
            (Some((day("2026-01-14"), TestResult::Faulty)), "2026-01-14", TestFlag::Faulty),
            (Some((day("2025-11-14"), TestResult::Faulty)), "2026-01-14", TestFlag::Faulty),
        ] {
            assert_eq!(test_flag(tested, day(today)), flag, "{tested:?} {today}");
        }
    }

    #[test]
    fn registrations_are_read_as_people_write_them() {
        assert_eq!(Registration::parse("  ab12  cde ").unwrap().as_str(), "AB12 CDE");
        assert_eq!(Registration::parse("B-XY 1234").unwrap().as_str(), "B-XY 1234");
        for written in ["", " ", "-", "AB12 CDE 34567", "AB12_CDE", "ÄB 12"] {
            assert_eq!(Registration::parse(written), Err(BadRegistration), "{written}");
        }
    }
}
