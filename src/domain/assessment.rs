//! The risk assessment of somebody at a place (rows A1, A2): factors with their measures, rated by the organisation's matrix,
//! kept in versions.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{
    ids::{AssessmentId, CaseId, OrganisationId, PersonId, PlaceId},
    visit::word_enum,
};
use crate::clock::Time;

word_enum! {
    /// What a factor is about (`seeds/003`: the child or young person, parents, others in the household; hostility, child protection
    /// concerns, complaints or grievances).
    #[derive(PartialOrd, Ord)]
    About {
        /// Whoever is visited.
        Person = "person",
        /// Their parents.
        Parents = "parents",
        /// Others who live there.
        Household = "household",
        /// Hostility.
        Hostility = "hostility",
        /// Child-protection concerns.
        ChildProtection = "child_protection",
        /// Complaints or grievances.
        Complaints = "complaints",
        /// Animals.
        Animals = "animals",
        /// How one gets in and out.
        Access = "access",
        /// Something else.
        Other = "other",
    }
}

word_enum! {
    /// How much is at stake, after the measures.
    #[derive(PartialOrd, Ord, Default)]
    Rating {
        /// Little.
        #[default]
        Low = "low",
        /// Some.
        Medium = "medium",
        /// Much.
        High = "high",
        /// Very much.
        VeryHigh = "very_high",
    }
}

word_enum! {
    /// How much is known of person and place (row A4).
    #[derive(Default)]
    Information {
        /// Enough to weigh.
        #[default]
        Enough = "enough",
        /// Little or nothing.
        Little = "little",
    }
}

word_enum! {
    /// For what hours an assessment holds.
    #[derive(Default)]
    Hours {
        /// Office hours.
        #[default]
        Office = "office",
        /// Any.
        Any = "any",
    }
}

word_enum! {
    /// For what company an assessment holds.
    #[derive(Default)]
    Company {
        /// Only with somebody else.
        Accompanied = "accompanied",
        /// Alone too.
        #[default]
        Alone = "alone",
    }
}

/// What an assessment was made for; a visit outside of it is weighed as if there were none (row A2).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Covers {
    /// For what hours.
    pub hours: Hours,
    /// For what company.
    pub company: Company,
    /// For what purposes; none: any.
    pub purposes: Vec<String>,
}

impl Covers {
    /// Whether it was made for this purpose.
    pub fn purpose(&self, purpose: Option<&str>) -> bool {
        self.purposes.is_empty()
            || purpose.is_some_and(|purpose| {
                self.purposes.iter().any(|covered| covered.trim().eq_ignore_ascii_case(purpose.trim()))
            })
    }
}

/// Something that is known, and what is done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Factor {
    /// What it is about.
    pub about: About,
    /// What is known.
    pub words: String,
    /// What is done about it; never nothing.
    pub measures: Vec<String>,
    /// How likely harm is with these measures in place, from 1.
    pub likelihood: usize,
    /// How bad it would be, from 1.
    pub severity: usize,
}

/// What rating follows from likelihood and severity: `rows[likelihood - 1][severity - 1]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Matrix(Vec<Vec<Rating>>);

impl Default for Matrix {
    fn default() -> Self {
        use Rating::{High, Low, Medium, VeryHigh};
        Self(vec![
            vec![Low, Low, Low, Medium, Medium],
            vec![Low, Low, Medium, Medium, High],
            vec![Low, Medium, Medium, High, High],
            vec![Medium, Medium, High, High, VeryHigh],
            vec![Medium, High, High, VeryHigh, VeryHigh],
        ])
    }
}

impl Matrix {
    /// What follows, if the matrix goes so far.
    pub fn rate(&self, likelihood: usize, severity: usize) -> Option<Rating> {
        self.0.get(likelihood.checked_sub(1)?)?.get(severity.checked_sub(1)?).copied()
    }

    /// How many steps of likelihood and of severity it has.
    pub fn size(&self) -> (usize, usize) {
        (self.0.len(), self.0.first().map_or(0, Vec::len))
    }

    /// What is wrong with it: holes, and harm that weighs less where it is likelier or worse.
    pub fn complaints(&self) -> Vec<String> {
        let (rows, columns) = self.size();
        if rows < 2 || columns < 2 {
            return vec!["matrix: at least two steps of likelihood (rows) and of severity (columns)".into()];
        }
        if let Some(hole) = self.0.iter().position(|row| row.len() != columns) {
            let (row, has) = (hole + 1, self.0[hole].len());
            return vec![format!(
                "matrix: row {row} has {has} ratings and the first has {columns}: there would be a hole"
            )];
        }
        let falls = |likelihood: usize, severity: usize| {
            let here = self.0[likelihood][severity];
            let before = |row: usize, column: usize| self.0[row][column] > here;
            likelihood > 0 && before(likelihood - 1, severity)
                || severity > 0 && before(likelihood, severity - 1)
        };
        let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        cells
            .filter(|(row, column)| falls(*row, *column))
            .map(|(row, column)| {
                format!(
                    "matrix: likelihood {} with severity {} weighs less than a step below",
                    row + 1,
                    column + 1
                )
            })
            .collect()
    }
}

/// What somebody writes down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// What is known.
    pub factors: Vec<Factor>,
    /// How much that is.
    pub information: Information,
    /// What it is made for.
    pub covers: Covers,
    /// It is looked at again on that day at the latest.
    pub review_on: NaiveDate,
}

/// A version of an assessment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// Its id.
    pub id: AssessmentId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Of whom.
    pub case: CaseId,
    /// Where.
    pub place: PlaceId,
    /// From 1, for this case at this place.
    pub version: i32,
    /// What was written down.
    pub draft: Draft,
    /// The highest of its factors.
    pub rating: Rating,
    /// Who made it, when.
    pub made: (PersonId, Time),
    /// Which manager agreed with it, when.
    pub agreed: Option<(PersonId, Time)>,
}

/// What is wrong with a draft, at which field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Like `factors[2].measures`.
    pub field: String,
    /// What to do about it.
    pub message: String,
}

/// No review lies further ahead.
const LONGEST_UNREVIEWED_DAYS: u64 = 366;

impl Draft {
    /// What it comes to, or all that is wrong with it.
    pub fn rate(&self, matrix: &Matrix, today: NaiveDate) -> Result<Rating, Vec<Wrong>> {
        let mut wrong = Vec::new();
        let mut complain = |field: String, message: String| wrong.push(Wrong { field, message });
        let (likelihoods, severities) = matrix.size();
        let mut rating = Rating::Low;
        for (n, factor) in self.factors.iter().enumerate() {
            if factor.words.trim().is_empty() {
                complain(format!("factors[{n}].words"), "say in your own words what is known".into());
            }
            if factor.measures.iter().all(|measure| measure.trim().is_empty()) {
                let message = "say what is done about it: a factor without a measure is not managed";
                complain(format!("factors[{n}].measures"), message.into());
            }
            match matrix.rate(factor.likelihood, factor.severity) {
                Some(rated) => rating = rating.max(rated),
                None => complain(
                    format!("factors[{n}].likelihood"),
                    format!("likelihood is 1 to {likelihoods} here, severity 1 to {severities}"),
                ),
            }
        }
        if self.factors.is_empty() && self.information == Information::Enough {
            let message =
                "name what is known, or say that little is (`information`: little): then nobody goes alone";
            complain("factors".into(), message.into());
        }
        if self.review_on <= today {
            complain("review_on".into(), "the day of the review has to lie ahead".into());
        } else if today
            .checked_add_days(chrono::Days::new(LONGEST_UNREVIEWED_DAYS))
            .is_some_and(|last| self.review_on > last)
        {
            complain("review_on".into(), "it is reviewed within a year".into());
        }
        if wrong.is_empty() { Ok(rating) } else { Err(wrong) }
    }
}

/// What a new version says otherwise than the one before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum Difference {
    /// A factor that was not there.
    Added {
        /// About what.
        about: About,
        /// What is known.
        words: String,
    },
    /// A factor that is no longer there.
    Gone {
        /// About what.
        about: About,
        /// What was known.
        words: String,
    },
    /// Other measures against the same.
    Measures {
        /// About what.
        about: About,
        /// What is known.
        words: String,
        /// What was done.
        before: Vec<String>,
        /// What is done now.
        after: Vec<String>,
    },
    /// Weighed otherwise.
    Weighed {
        /// About what.
        about: About,
        /// What is known.
        words: String,
        /// Likelihood and severity before.
        before: (usize, usize),
        /// And now.
        after: (usize, usize),
    },
    /// Another rating of the whole.
    Rating {
        /// Before.
        before: Rating,
        /// Now.
        after: Rating,
    },
    /// Made for something else.
    Covers,
}

/// What a later version says otherwise. Factors are the same by what they are about and their words.
pub fn differences(before: &Assessment, after: &Assessment) -> Vec<Difference> {
    let same =
        |one: &Factor, other: &Factor| one.about == other.about && one.words.trim() == other.words.trim();
    let mut all = Vec::new();
    for factor in &after.draft.factors {
        let (about, words) = (factor.about, factor.words.clone());
        let Some(was) = before.draft.factors.iter().find(|was| same(was, factor)) else {
            all.push(Difference::Added { about, words });
            continue;
        };
        if was.measures != factor.measures {
            let (before, after) = (was.measures.clone(), factor.measures.clone());
            all.push(Difference::Measures { about, words: words.clone(), before, after });
        }
        let (was, is) = ((was.likelihood, was.severity), (factor.likelihood, factor.severity));
        if was != is {
            all.push(Difference::Weighed { about, words, before: was, after: is });
        }
    }
    for was in &before.draft.factors {
        if !after.draft.factors.iter().any(|factor| same(was, factor)) {
            all.push(Difference::Gone { about: was.about, words: was.words.clone() });
        }
    }
    if before.rating != after.rating {
        all.push(Difference::Rating { before: before.rating, after: after.rating });
    }
    if before.draft.covers != after.draft.covers {
        all.push(Difference::Covers);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn factor(about: About, words: &str, measures: &[&str], weighed: (usize, usize)) -> Factor {
        let measures = measures.iter().map(|measure| (*measure).to_owned()).collect();
        let (likelihood, severity) = weighed;
        Factor { about, words: words.into(), measures, likelihood, severity }
    }

    fn draft(factors: Vec<Factor>) -> Draft {
        Draft {
            factors,
            information: Information::Enough,
            covers: Covers::default(),
            review_on: day("2026-06-01"),
        }
    }

    fn fields(draft: &Draft) -> Vec<String> {
        let rated = draft.rate(&Matrix::default(), day("2026-01-14"));
        rated.unwrap_err().into_iter().map(|wrong| wrong.field).collect()
    }

    #[test]
    fn the_highest_factor_is_the_rating() {
        let two = draft(vec![
            factor(About::Animals, "a dog", &["shut away"], (1, 2)),
            factor(About::Hostility, "shouted", &["two go", "leave at once"], (3, 4)),
        ]);
        assert_eq!(two.rate(&Matrix::default(), day("2026-01-14")), Ok(Rating::High));
    }

    #[test]
    fn what_is_wrong_is_said_at_its_field() {
        assert_eq!(fields(&draft(vec![])), ["factors"]);
        let bad = factor(About::Animals, " ", &[" "], (0, 9));
        assert_eq!(
            fields(&draft(vec![bad])),
            ["factors[0].words", "factors[0].measures", "factors[0].likelihood"]
        );
        let good = vec![factor(About::Animals, "a dog", &["shut away"], (1, 1))];
        for (review_on, field) in [("2026-01-14", "review_on"), ("2027-02-01", "review_on")] {
            assert_eq!(fields(&Draft { review_on: day(review_on), ..draft(good.clone()) }), [field]);
        }
        let little = Draft { information: Information::Little, ..draft(vec![]) };
        assert_eq!(little.rate(&Matrix::default(), day("2026-01-14")), Ok(Rating::Low));
    }

    #[test]
    fn a_matrix_has_no_holes_and_never_falls() {
        use Rating::{High, Low, Medium};
        assert_eq!(Matrix::default().complaints(), Vec::<String>::new());
        let complaint = |rows: Vec<Vec<Rating>>| Matrix(rows).complaints().join("; ");
        assert!(complaint(vec![vec![Low]]).contains("at least two"));
        assert!(complaint(vec![vec![Low, Medium], vec![Low]]).contains("row 2 has 1"));
        assert!(complaint(vec![vec![Low, High], vec![Low, Medium]]).contains("likelihood 2 with severity 2"));
    }

    #[test]
    fn a_new_version_says_what_is_otherwise() {
        let version = |draft: Draft| Assessment {
            id: AssessmentId(uuid::Uuid::nil()),
            organisation: OrganisationId(uuid::Uuid::nil()),
            case: CaseId(uuid::Uuid::nil()),
            place: PlaceId(uuid::Uuid::nil()),
            version: 1,
            rating: draft.rate(&Matrix::default(), day("2026-01-14")).unwrap(),
            draft,
            made: (PersonId(uuid::Uuid::nil()), Time::UNIX_EPOCH),
            agreed: None,
        };
        let before = version(draft(vec![
            factor(About::Animals, "a dog", &["shut away"], (1, 1)),
            factor(About::Access, "dark stairs", &["a torch"], (1, 1)),
        ]));
        assert_eq!(differences(&before, &before), []);
        let after = version(draft(vec![
            factor(About::Animals, "a dog", &["shut away", "ring first"], (2, 3)),
            factor(About::Household, "a new partner", &["two go"], (3, 4)),
        ]));
        let all = differences(&before, &after);
        assert!(
            matches!(
                &all[..],
                [
                    Difference::Measures { about: About::Animals, .. },
                    Difference::Weighed { before: (1, 1), after: (2, 3), .. },
                    Difference::Added { about: About::Household, .. },
                    Difference::Gone { about: About::Access, .. },
                    Difference::Rating { before: Rating::Low, after: Rating::High },
                ]
            ),
            "{all:?}"
        );
    }
}
