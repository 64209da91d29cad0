//! Policy documents: what the organisation has written down about home visits and lone working, and who has still to acknowledge
//! it (row P1). What a team's deadlines and ladders go by is another thing: [`super::policy`].

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{
    ids::{OrganisationId, PersonId, PolicyDocumentId},
    people::Role,
    visit::word_enum,
};
use crate::clock::Time;

/// The longest link that is kept.
const LONGEST_LINK: usize = 2000;

word_enum! {
    /// What a document is about.
    PolicyKind {
        /// Visits at home.
        HomeVisits = "home_visits",
        /// Working alone.
        LoneWorking = "lone_working",
        /// Something else.
        Other = "other",
    }
}

/// Where a document stands: an address that nobody can change on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct Link(String);

/// What is no link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("say where it can be read, as https://…")]
pub struct BadLink;

impl Link {
    /// Takes an https address with a host.
    pub fn parse(written: &str) -> Result<Self, BadLink> {
        let written = written.trim();
        let rest = written.strip_prefix("https://").ok_or(BadLink)?;
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // A name and a password in an address belong to somebody, and hide which host it is.
        let named = host.contains(|c: char| c.is_alphanumeric()) && !host.contains('@');
        let plain = written.len() <= LONGEST_LINK
            && !written.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"\\".contains(c));
        if named && plain { Ok(Self(written.to_owned())) } else { Err(BadLink) }
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who has to acknowledge a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// Everybody with a role.
    Everyone,
    /// Those with one of these.
    Roles(BTreeSet<Role>),
}

impl Whom {
    /// Whether somebody is meant; an outside contact never is.
    pub fn means(&self, role: Option<Role>) -> bool {
        match (self, role) {
            (_, None) => false,
            (Self::Everyone, Some(_)) => true,
            (Self::Roles(roles), Some(role)) => roles.contains(&role),
        }
    }
}

/// One version of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// 1, 2, 3 …
    pub number: i32,
    /// Where it can be read.
    pub link: Link,
    /// What is new in it; nothing: it is the first.
    pub changed: Option<String>,
    /// The last day on which it is acknowledged in time.
    pub due_on: NaiveDate,
    /// Who added it, and when.
    pub added: (PersonId, Time),
}

/// A document with all its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyDocument {
    /// Its id.
    pub id: PolicyDocumentId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// The short name that people call it by.
    pub key: String,
    /// Its title.
    pub title: String,
    /// What it is about.
    pub kind: PolicyKind,
    /// Who has to acknowledge it.
    pub whom: Whom,
    /// From the first to the one that is in force.
    pub versions: Vec<Version>,
}

impl PolicyDocument {
    /// The version that is in force.
    pub fn in_force(&self) -> Option<&Version> {
        self.versions.last()
    }
}

/// The highest version of each document that somebody has acknowledged.
pub type Acknowledged = BTreeMap<PolicyDocumentId, i32>;

/// A document that somebody has still to acknowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StillToAcknowledge<'d> {
    /// Which.
    pub document: &'d PolicyDocument,
    /// The version in force.
    pub version: &'d Version,
    /// The last day on which they were, or will be, in time.
    pub by: NaiveDate,
}

impl StillToAcknowledge<'_> {
    /// Whether that day is over.
    pub fn is_late(&self, today: NaiveDate) -> bool {
        today > self.by
    }
}

/// What somebody has still to acknowledge at a time, in the order of the documents. Whoever let the day of one version pass is not
/// in time again because there is another: the first day since what they have acknowledged counts.
pub fn still_to_acknowledge<'d>(
    documents: &'d [PolicyDocument],
    role: Option<Role>,
    acknowledged: &Acknowledged,
    at: Time,
) -> Vec<StillToAcknowledge<'d>> {
    let open = |document: &'d PolicyDocument| {
        let last = acknowledged.get(&document.id).copied().unwrap_or_default();
        let is_open = |version: &&Version| version.added.1 <= at && version.number > last;
        let since: Vec<&Version> = document.versions.iter().filter(is_open).collect();
        let by = since.iter().map(|version| version.due_on).min()?;
        Some(StillToAcknowledge { document, version: since.last()?, by })
    };
    documents.iter().filter(|document| document.whom.means(role)).filter_map(open).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn day(day: &str) -> NaiveDate {
        day.parse().unwrap()
    }

    fn at(day: &str) -> Time {
        format!("{day}T12:00:00Z").parse().unwrap()
    }

    fn version(number: i32, added: &str, due: &str) -> Version {
        Version {
            number,
            link: Link::parse("https://example.org/policy").unwrap(),
            changed: None,
            due_on: day(due),
            added: (PersonId(Uuid::nil()), at(added)),
        }
    }

    fn document(whom: Whom, versions: Vec<Version>) -> PolicyDocument {
        PolicyDocument {
            id: PolicyDocumentId(Uuid::from_u128(1)),
            organisation: OrganisationId(Uuid::nil()),
            key: "home-visits".into(),
            title: "Home visits".into(),
            kind: PolicyKind::HomeVisits,
            whom,
            versions,
        }
    }

    /// Which version is open and till when, for somebody who has acknowledged up to `last`.
    fn open(document: &PolicyDocument, last: i32, now: &str) -> Option<(i32, NaiveDate)> {
        let acknowledged = Acknowledged::from([(document.id, last)]);
        let documents = std::slice::from_ref(document);
        let open = still_to_acknowledge(documents, Some(Role::Worker), &acknowledged, at(now));
        open.first().map(|open| (open.version.number, open.by))
    }

    #[test]
    fn each_version_is_acknowledged_anew_and_a_day_that_passed_stays_passed() {
        let first = version(1, "2026-01-01", "2026-01-14");
        let second = version(2, "2026-02-01", "2026-02-14");
        let both = document(Whom::Everyone, vec![first, second]);
        assert_eq!(open(&both, 0, "2025-12-31"), None, "not there yet");
        assert_eq!(open(&both, 0, "2026-01-20"), Some((1, day("2026-01-14"))));
        assert_eq!(open(&both, 0, "2026-02-02"), Some((2, day("2026-01-14"))), "late already");
        assert_eq!(open(&both, 1, "2026-01-20"), None);
        assert_eq!(open(&both, 1, "2026-02-02"), Some((2, day("2026-02-14"))));
        assert_eq!(open(&both, 2, "2026-02-02"), None);
        let documents = [both];
        let late = |today| {
            let open =
                still_to_acknowledge(&documents, Some(Role::Auditor), &Acknowledged::new(), at("2026-02-02"));
            open[0].is_late(day(today))
        };
        assert!(!late("2026-01-14") && late("2026-01-15"), "the day itself is in time");
    }

    #[test]
    fn those_who_are_meant() {
        let some = Whom::Roles(BTreeSet::from([Role::Worker, Role::Manager]));
        assert!(some.means(Some(Role::Worker)) && !some.means(Some(Role::Auditor)));
        assert!(Whom::Everyone.means(Some(Role::Administrator)));
        assert!(!Whom::Everyone.means(None), "an outside contact never is");
    }

    #[test]
    fn links_that_can_be_followed() {
        for link in ["https://example.org", "https://equip.example.org/a?b=c#d", " https://example.org/x "] {
            assert!(Link::parse(link).is_ok(), "{link}");
        }
        for link in [
            "",
            "http://example.org",
            "https://",
            "https:///x",
            "example.org",
            "javascript:alert(1)",
            "https://a@b.example/",
            "https://example.org/a b",
            "https://example.org/\"><b>",
            "ftp://example.org",
        ] {
            assert_eq!(Link::parse(link), Err(BadLink), "{link}");
        }
        assert_eq!(Link::parse(&format!("https://example.org/{}", "x".repeat(2000))), Err(BadLink));
    }
}
