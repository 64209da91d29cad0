//! Who is visited, by reference, and where: as little as the work needs (rows A1, V1).

use serde::{Deserialize, Serialize};

use super::{
    ids::{CaseId, OrganisationId, PersonId, PlaceId, TeamId},
    visit::{Visiting, word_enum},
};
use crate::clock::Time;

/// How case references are written in an organisation: `A999999` is a letter and six digits. Nothing else has a meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReferenceForm(String);

impl ReferenceForm {
    /// Whether a reference is written in this form.
    pub fn fits(&self, reference: &CaseReference) -> bool {
        let (form, text) = (self.0.chars(), reference.as_str().chars());
        form.clone().count() == text.clone().count()
            && form.zip(text).all(|(form, c)| match form {
                'A' => c.is_ascii_uppercase(),
                '9' => c.is_ascii_digit(),
                other => c == other,
            })
    }

    /// As it is written in the organisation's file.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A case reference, in capitals and without blanks: however it is typed it is the same one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct CaseReference(String);

/// The longest reference that is one.
const LONGEST_REFERENCE: usize = 40;

/// Words that are no case reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadReference {
    /// Nothing, or far too much.
    #[error("a case reference has 1 to {LONGEST_REFERENCE} letters and digits")]
    Length,
    /// Signs that no reference has.
    #[error("a case reference is made of letters, digits, - and /")]
    Signs,
    /// It fits none of the forms of the organisation.
    #[error("a case reference is written like {0} here (A: a letter, 9: a digit)")]
    Form(String),
}

impl CaseReference {
    /// Reads one, by no form.
    pub fn parse(text: &str) -> Result<Self, BadReference> {
        let text: String =
            text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_uppercase()).collect();
        if text.is_empty() || text.chars().count() > LONGEST_REFERENCE {
            return Err(BadReference::Length);
        }
        if !text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '/') {
            return Err(BadReference::Signs);
        }
        Ok(Self(text))
    }

    /// Reads one that fits a form of the organisation; where it has none every one does.
    pub fn of_forms(text: &str, forms: &[ReferenceForm]) -> Result<Self, BadReference> {
        let reference = Self::parse(text)?;
        if forms.is_empty() || forms.iter().any(|form| form.fits(&reference)) {
            return Ok(reference);
        }
        let forms: Vec<&str> = forms.iter().map(ReferenceForm::as_str).collect();
        Err(BadReference::Form(forms.join(" or ")))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

word_enum! {
    /// Whose home a place is (row A7): a child is not visited at the home of whoever visits, or of somebody of theirs.
    #[derive(Default)]
    WhoseHome {
        /// Of those who are visited.
        #[default]
        Theirs = "theirs",
        /// Nobody's: a hostel, an office, a school.
        Nobodys = "nobodys",
        /// Of whoever visits.
        TheWorkers = "the_workers",
        /// Of a relative of whoever visits.
        ARelatives = "a_relatives",
        /// Of a colleague.
        AColleagues = "a_colleagues",
        /// Of a friend.
        AFriends = "a_friends",
    }
}

impl WhoseHome {
    /// Whether it lies outside any work arrangement (`seeds/003`: "their own home or that of a family member, colleague or friend").
    pub fn is_private(self) -> bool {
        matches!(self, Self::TheWorkers | Self::ARelatives | Self::AColleagues | Self::AFriends)
    }
}

/// Somebody who is visited, or a household.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseFile {
    /// Its id.
    pub id: CaseId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Which team looks after it.
    pub team: TeamId,
    /// How everybody speaks of it.
    pub reference: CaseReference,
    /// Who is visited.
    pub visiting: Option<Visiting>,
    /// Who opened it, when.
    pub opened: (PersonId, Time),
    /// What is personal, as long as it is kept.
    pub private: Option<CasePrivate>,
}

/// What is personal of a case; erased apart from it (row R4).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CasePrivate {
    /// What the person is called.
    pub name: Option<String>,
    /// What else whoever visits has to know.
    pub notes: Option<String>,
}

/// Where cases are visited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its id.
    pub id: PlaceId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Whose home.
    pub whose_home: WhoseHome,
    /// Who added it, when.
    pub added: (PersonId, Time),
    /// What is personal, as long as it is kept.
    pub private: Option<PlacePrivate>,
}

/// What is personal of a place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlacePrivate {
    /// Where it is.
    pub address: Option<String>,
    /// How one gets in, where one parks, what to look out for.
    pub access: Option<String>,
    /// Who lives there.
    pub household: Option<String>,
}

/// To whom a visit goes and where, as far as it is known: by it other visits to the same are found (row E13).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Destination {
    reference: Option<CaseReference>,
    places: Vec<String>,
}

impl Destination {
    /// Of a visit: as its worker wrote it, when they planned it and as they went in.
    pub fn new(reference: Option<&str>, places: [Option<&str>; 2]) -> Self {
        let reference = reference.and_then(|text| CaseReference::parse(text).ok());
        Self { reference, places: places.into_iter().flatten().map(ToOwned::to_owned).collect() }
    }

    /// The same, and it is known as this place too.
    #[must_use]
    pub fn known_as(mut self, place: &Place) -> Self {
        let address = place.private.as_ref().and_then(|private| private.address.clone());
        self.places.extend(address.into_iter().chain([place.id.to_string()]));
        self
    }

    /// Whether both are the same person or the same place.
    pub fn meets(&self, other: &Self) -> bool {
        let same_place = |one: &String| other.places.iter().any(|other| same_address(one, other));
        (self.reference.is_some() && self.reference == other.reference) || self.places.iter().any(same_place)
    }
}

/// Whether two ways to write an address mean the same: letters and digits alone count.
pub fn same_address(one: &str, other: &str) -> bool {
    let bare = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let (one, other) = (bare(one), bare(other));
    !one.is_empty() && one == other
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> ReferenceForm {
        ReferenceForm(text.into())
    }

    #[test]
    fn visits_meet_at_the_same_person_or_the_same_place() {
        let there = Destination::new(Some("a 123456"), [Some("12 High St"), Some("by the church")]);
        for (reference, place, meets) in [
            (Some("A123456"), None, true),
            (None, Some("12, high st."), true),
            (Some("B123456"), Some("12 High St"), true),
            (Some("B123456"), Some("14 High St"), false),
            (None, Some("By the Church"), true),
            (None, None, false),
        ] {
            assert_eq!(
                Destination::new(reference, [place, None]).meets(&there),
                meets,
                "{reference:?} {place:?}"
            );
        }
        assert!(!Destination::default().meets(&Destination::default()));
    }

    #[test]
    fn a_reference_is_read_as_people_type_it() {
        for typed in ["A123456", "a123456", " a 123 456 "] {
            let read = CaseReference::of_forms(typed, &[form("A999999")]);
            assert_eq!(read.as_ref().map(CaseReference::as_str), Ok("A123456"), "{typed}");
        }
        for (typed, says) in [
            ("", "1 to 40"),
            ("A12345", "like A999999"),
            ("1234567", "like A999999"),
            ("A123456!", "made of letters"),
        ] {
            let refused = CaseReference::of_forms(typed, &[form("A999999")]).unwrap_err().to_string();
            assert!(refused.contains(says), "{typed}: {refused}");
        }
        assert!(
            CaseReference::of_forms("H/44-1", &[]).is_ok(),
            "an organisation without forms takes every one"
        );
        let several = [form("A999999"), form("H/99")];
        assert!(CaseReference::of_forms("h/44", &several).is_ok());
    }

    #[test]
    fn an_address_is_the_same_however_it_is_written() {
        assert!(same_address("12 High St.", "12, HIGH ST"));
        assert!(!same_address("12 High St", "21 High St"));
        assert!(!same_address("", ""));
    }
}
