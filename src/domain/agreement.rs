//! Whether a visit may be made: weighed by rules, each with its source, and where they cannot agree by people (rows A1 to A8,
//! A11). It never decides whether somebody is watched: whoever goes in is.

mod asking;
mod rules;

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveTime, Weekday};
use serde::{Deserialize, Serialize};

pub use self::{
    asking::{FirstAsked, Until, UpTo, asked, next_ask},
    rules::Rule,
};
use super::{
    assessment::{Company, Covers, Information, Matrix, Rating},
    case_file::{ReferenceForm, WhoseHome},
    ids::{AssessmentId, CaseId, OrganisationId, PersonId, PlaceId, TeamId, VisitId},
    policy::VisitsAre,
    visit::{Risk, Visiting, word_enum},
};
use crate::clock::Time;

word_enum! {
    /// What a rule that objects comes to.
    #[derive(PartialOrd, Ord)]
    Weight {
        /// A manager can agree all the same.
        Manager = "manager",
        /// Only a senior manager can.
        SeniorManager = "senior_manager",
        /// Nobody can, as it stands.
        Nobody = "nobody",
    }
}

word_enum! {
    /// What an organisation makes of a rule.
    Setting {
        /// It is not asked.
        Off = "off",
        /// A manager can agree.
        Manager = "manager",
        /// Only a senior manager can.
        SeniorManager = "senior_manager",
        /// Nobody can, as it stands.
        Nobody = "nobody",
    }
}

impl Setting {
    fn weight(self) -> Option<Weight> {
        match self {
            Self::Off => None,
            Self::Manager => Some(Weight::Manager),
            Self::SeniorManager => Some(Weight::SeniorManager),
            Self::Nobody => Some(Weight::Nobody),
        }
    }
}

/// What an organisation has tuned: in its file, under `[agreement]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// How case references are written; none: in any way.
    pub case_references: Vec<ReferenceForm>,
    /// What rating follows from likelihood and severity.
    pub matrix: Matrix,
    /// From this rating on, after measures, nobody goes alone, and a senior manager agrees (row A8).
    pub unacceptable: Rating,
    /// An assessment that nobody has confirmed for so many days has to be looked at.
    pub oldest_days: i64,
    /// So many days an incident at a place, or with somebody, makes a manager look.
    pub recent_days: i64,
    /// When the office is open.
    pub office_from: NaiveTime,
    /// And when it closes.
    pub office_to: NaiveTime,
    /// On which days.
    pub office_days: Vec<Weekday>,
    /// Whether managers may agree visits of their own; marked then.
    pub own_visits: OwnVisits,
    /// What is made of single rules, where it is not what it usually is.
    pub rules: BTreeMap<Rule, Setting>,
}

word_enum! {
    /// Whether somebody may agree a visit of their own.
    #[derive(Default)]
    OwnVisits {
        /// Somebody else has to.
        #[default]
        BySomebodyElse = "by_somebody_else",
        /// They may, and it is marked.
        ByOneself = "by_oneself",
    }
}

impl Default for Rules {
    fn default() -> Self {
        let at = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or_default();
        Self {
            case_references: Vec::new(),
            matrix: Matrix::default(),
            unacceptable: Rating::VeryHigh,
            oldest_days: 365,
            recent_days: 365,
            office_from: at(8),
            office_to: at(18),
            office_days: vec![Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri],
            own_visits: OwnVisits::BySomebodyElse,
            rules: BTreeMap::new(),
        }
    }
}

impl Rules {
    /// What is wrong with them, in words for whoever wrote them.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = self.matrix.complaints();
        if self.rules.get(&Rule::PrivateHome).is_some_and(|setting| *setting != Setting::Nobody) {
            complaints.push("rules.private_home is “nobody” and stays so: under no circumstances does an adult visit a child at a private home outside agreed work arrangements; a one-off is recorded as such".into());
        }
        if self.office_from >= self.office_to {
            complaints.push("office_from has to be before office_to".into());
        }
        if self.oldest_days < 1 || self.recent_days < 0 {
            complaints.push("oldest_days is 1 at least, recent_days 0".into());
        }
        complaints
    }

    /// What is made of a rule.
    pub fn setting(&self, rule: Rule) -> Setting {
        self.rules.get(&rule).copied().unwrap_or(rule.usually())
    }
}

word_enum! {
    /// Whether anything has changed since an assessment (row A2).
    #[derive(Default)]
    Changed {
        /// Nobody has said.
        #[default]
        NotSaid = "not_said",
        /// No.
        No = "no",
        /// Yes, and no new version has been made since.
        Yes = "yes",
    }
}

/// What an assessment comes to on the day of the visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessed {
    /// After measures.
    pub rating: Rating,
    /// How much is known.
    pub information: Information,
    /// What it was made for.
    pub covers: Covers,
    /// Whether a manager has agreed with it.
    pub agreed: IsAgreed,
    /// When somebody last confirmed it, or made it.
    pub confirmed_on: NaiveDate,
    /// When it is to be looked at again.
    pub review_on: NaiveDate,
    /// Whether anything has changed.
    pub changed: Changed,
}

word_enum! {
    /// Whether a manager has agreed with an assessment.
    IsAgreed {
        /// Yes.
        Agreed = "agreed",
        /// Nobody yet.
        NotYet = "not_yet",
    }
}

/// What is known of where it goes and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Nobody has said whom the visit is to, or there is no such case.
    NoCase,
    /// The case is known, and not assessed at this place.
    NotAssessed,
    /// Assessed.
    Assessed(Assessed),
}

/// A visit out of the ordinary, with what has to be said of it before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Exception {
    /// No assessment is possible (row A5): the circumstances are on record, the outcome will be.
    Emergency {
        /// What they are.
        circumstances: String,
    },
    /// Outside agreed arrangements, once (row A7).
    OneOff {
        /// What a senior manager said before.
        senior_manager: Talk,
        /// What the parents or carers said before.
        parents_or_carers: Talk,
        /// Why.
        justification: String,
    },
}

/// A discussion that somebody had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Talk {
    /// With whom.
    pub with: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    /// What was said.
    pub said: String,
}

/// All that is weighed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weighed {
    /// On that day, where the team is.
    pub day: NaiveDate,
    /// Whether all of it lies in office hours.
    pub hours: super::assessment::Hours,
    /// Alone or not.
    pub company: Company,
    /// Why.
    pub purpose: Option<String>,
    /// Who is visited.
    pub visiting: Option<Visiting>,
    /// Whose home it is.
    pub whose_home: WhoseHome,
    /// How dangerous whoever plans it holds it to be.
    pub risk: Risk,
    /// Whether the phone works there.
    pub signal: Signal,
    /// What is known.
    pub known: Known,
    /// What visits are in this team.
    pub visits_are: VisitsAre,
    /// What the worker lacks.
    pub worker: Lacks,
    /// What is missing of who would be called.
    pub gaps: Vec<String>,
    /// So many incidents there, or with them, lately.
    pub incidents: usize,
    /// So many concerns about them are open.
    pub concerns: usize,
    /// What is out of the ordinary.
    pub exception: Option<Exception>,
}

word_enum! {
    /// Whether a phone works at a place.
    Signal {
        /// It should.
        Expected = "expected",
        /// It will not: remote, or deep in a building.
        NotExpected = "not_expected",
    }
}

/// What a worker lacks who wants to go (rows P1 to P3).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lacks {
    /// A phone that is proved.
    pub phone: bool,
    /// A proved emergency contact.
    pub contact: bool,
    /// Policies that they have not acknowledged.
    pub policies: Vec<String>,
    /// Devices that nobody has tested this month.
    pub untested: Vec<String>,
}

/// A rule that objects, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Reason {
    /// Which.
    pub rule: Rule,
    /// What it comes to.
    pub weight: Weight,
    /// In words, without anything personal.
    pub says: String,
}

/// What the rules come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// No rule objects. Which were asked is the reason.
    Agreed(Vec<Rule>),
    /// A person has to decide; the weightiest reason first.
    Needs(Approver, Vec<Reason>),
    /// Nobody can agree to it as it stands.
    NotAgreed(Vec<Reason>),
}

word_enum! {
    /// Who can agree.
    #[derive(PartialOrd, Ord)]
    Approver {
        /// A manager in reach.
        Manager = "manager",
        /// A senior manager in reach.
        SeniorManager = "senior_manager",
    }
}

/// What somebody decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It may be made.
    Agree,
    /// It may not.
    Refuse,
    /// The worker has to say something first.
    Ask,
}

/// Who agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgreedBy {
    /// No rule objected.
    Rules,
    /// A person.
    Person(PersonId),
    /// The worker themselves, as the organisation allows; marked.
    TheWorker(PersonId),
}

/// How it stands with the agreement of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It may be made.
    Agreed {
        /// Who says so.
        by: AgreedBy,
        /// Since when.
        at: Time,
    },
    /// Somebody has to decide.
    Waiting {
        /// Who can.
        approver: Approver,
        /// How often people were asked.
        times: usize,
        /// When they are asked again.
        due_at: Option<Time>,
    },
    /// Whoever decides has asked the worker something.
    Asked {
        /// Who can decide.
        approver: Approver,
        /// Who asked.
        by: PersonId,
        /// When.
        at: Time,
        /// How often people were asked, where the worker goes in meanwhile.
        times: usize,
        /// When they are asked again: a question is no decision.
        due_at: Option<Time>,
    },
    /// Nobody can agree to it as it stands.
    NotAgreed {
        /// How often people were told, where somebody went in all the same.
        times: usize,
        /// When they are told again.
        due_at: Option<Time>,
    },
    /// A person said no.
    Refused {
        /// Who.
        by: PersonId,
        /// When.
        at: Time,
    },
}

impl State {
    /// Its word in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agreed { .. } => "agreed",
            Self::Waiting { .. } => "waiting",
            Self::Asked { .. } => "asked",
            Self::NotAgreed { .. } => "not_agreed",
            Self::Refused { .. } => "refused",
        }
    }

    /// Whether a person may still decide.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Waiting { .. } | Self::Asked { .. } | Self::NotAgreed { .. })
    }
}

/// A visit and its agreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// Of which visit.
    pub visit: VisitId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// The worker's team.
    pub team: TeamId,
    /// Who wants to go.
    pub worker: PersonId,
    /// To whom.
    pub case: Option<CaseId>,
    /// Where.
    pub place: Option<PlaceId>,
    /// By which assessment it was weighed.
    pub assessment: Option<AssessmentId>,
    /// Alone or not.
    pub company: Company,
    /// Whether anything has changed.
    pub changed: Changed,
    /// When it is to begin, or began.
    pub begins_at: Time,
    /// How it stands.
    pub state: State,
    /// What objects, or which rules were asked.
    pub reasons: Vec<Reason>,
    /// Whether it was begun before anybody had agreed to it.
    pub begun_not_agreed: Option<RunsAs>,
    /// What was said, and what is out of the ordinary.
    pub private: Private,
    /// How often it was changed.
    pub version: i64,
}

/// How a visit runs that was begun before anybody had agreed to it (row A11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunsAs {
    /// As high risk, till somebody agrees.
    HighRisk {
        /// How dangerous it was held to be.
        before: Risk,
    },
    /// As it was meant to: somebody has agreed since, or it was seen when the visit was over.
    Meant,
}

impl Agreement {
    /// Whether somebody goes in to which nobody has agreed: it runs as high risk, and people are asked till they decide.
    pub fn at_the_door(&self) -> Option<Risk> {
        match self.begun_not_agreed {
            Some(RunsAs::HighRisk { before }) => Some(before),
            Some(RunsAs::Meant) | None => None,
        }
    }
}

/// What is personal of an agreement, as long as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Private {
    /// What is out of the ordinary.
    pub exception: Option<Exception>,
    /// What people said to each other of it, in that order.
    pub said: Vec<Remark>,
}

/// Something that somebody said of a visit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// Who.
    pub by: PersonId,
    /// When.
    pub at: Time,
    /// What.
    pub words: String,
}

/// Weighs a visit by an organisation's rules.
pub fn weigh(weighed: &Weighed, rules: &Rules) -> Decision {
    let asked = Rule::ALL.iter().copied().filter(|rule| rules.setting(*rule) != Setting::Off);
    let mut reasons: Vec<Reason> = asked
        .clone()
        .filter_map(|rule| {
            let objection = rule.objects(weighed, rules)?;
            let weight = objection.instead.or(rules.setting(rule).weight())?;
            Some(Reason { rule, weight, says: objection.says })
        })
        .collect();
    reasons.sort_by_key(|reason| (std::cmp::Reverse(reason.weight), reason.rule));
    Decision::of(reasons, asked.collect())
}

impl Decision {
    fn of(reasons: Vec<Reason>, asked: Vec<Rule>) -> Self {
        match reasons.first().map(|reason| reason.weight) {
            None => Self::Agreed(asked),
            Some(Weight::Manager) => Self::Needs(Approver::Manager, reasons),
            Some(Weight::SeniorManager) => Self::Needs(Approver::SeniorManager, reasons),
            Some(Weight::Nobody) => Self::NotAgreed(reasons),
        }
    }

    /// The same with what else a person has to look at.
    #[must_use]
    pub fn and(self, besides: impl Iterator<Item = Reason>) -> Self {
        let (mut reasons, asked) = match self {
            Self::Agreed(asked) => (Vec::new(), asked),
            Self::Needs(_, reasons) | Self::NotAgreed(reasons) => (reasons, Vec::new()),
        };
        for reason in besides {
            if reasons.iter().all(|other| other.rule != reason.rule) {
                reasons.push(reason);
            }
        }
        reasons.sort_by_key(|reason| (std::cmp::Reverse(reason.weight), reason.rule));
        Self::of(reasons, asked)
    }
}

#[cfg(test)]
mod tests;
