//! Management oversight (row T5; `seeds/000`: “use of … management oversight allows for performance reporting”): what a manager says of
//! a case, a visit, an incident or an assessment, and where the organisation asks for it, by when.

use chrono::{Datelike, NaiveDate, Weekday};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    assessment::Rating,
    calendar::Calendar,
    due::{self, Length, Unit},
    ids::{
        AssessmentId, CaseId, IncidentId, OrganisationId, OversightAskId, OversightId, PersonId, TeamId,
        VisitId,
    },
    visit::word_enum,
};
use crate::clock::Time;

word_enum! {
    /// What an entry is about.
    OversightAbout {
        /// A case.
        Case = "case",
        /// A visit.
        Visit = "visit",
        /// An incident.
        Incident = "incident",
        /// One version of a risk assessment.
        Assessment = "assessment",
    }
}

/// The one that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A case.
    Case(CaseId),
    /// A visit.
    Visit(VisitId),
    /// An incident.
    Incident(IncidentId),
    /// One version of a risk assessment.
    Assessment(AssessmentId),
}

impl Subject {
    /// The one of this kind with this id.
    pub fn of(about: OversightAbout, id: Uuid) -> Self {
        match about {
            OversightAbout::Case => Self::Case(CaseId(id)),
            OversightAbout::Visit => Self::Visit(VisitId(id)),
            OversightAbout::Incident => Self::Incident(IncidentId(id)),
            OversightAbout::Assessment => Self::Assessment(AssessmentId(id)),
        }
    }

    /// Of which kind it is.
    pub fn about(self) -> OversightAbout {
        match self {
            Self::Case(_) => OversightAbout::Case,
            Self::Visit(_) => OversightAbout::Visit,
            Self::Incident(_) => OversightAbout::Incident,
            Self::Assessment(_) => OversightAbout::Assessment,
        }
    }

    /// Its id.
    pub fn id(self) -> Uuid {
        match self {
            Self::Case(CaseId(id))
            | Self::Visit(VisitId(id))
            | Self::Incident(IncidentId(id))
            | Self::Assessment(AssessmentId(id)) => id,
        }
    }
}

/// What a manager says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: OversightId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Of what.
    pub subject: Subject,
    /// When.
    pub at: Time,
    /// Who.
    pub by: PersonId,
    /// In their words; none: they were erased.
    pub words: Option<String>,
}

word_enum! {
    /// Which rule asks for it.
    OversightRule {
        /// A risk assessment is rated high.
        AssessmentRated = "assessment_rated",
        /// An incident was closed.
        IncidentClosed = "incident_closed",
        /// A visit was begun that nobody had agreed.
        VisitBegunNotAgreed = "visit_begun_not_agreed",
        /// A case at risk, again and again.
        CaseAtRisk = "case_at_risk",
    }
}

/// That it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its id.
    pub id: OversightAskId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Whose managers are asked.
    pub team: TeamId,
    /// By which rule.
    pub rule: OversightRule,
    /// About what.
    pub subject: Subject,
    /// Whose visit, alarm, assessment or case it is.
    pub worker: Option<PersonId>,
    /// Since when.
    pub asked_on: NaiveDate,
    /// The last day for it.
    pub due_on: NaiveDate,
    /// When it was done, and by which entry.
    pub done: Option<(NaiveDate, OversightId)>,
    /// The case that it is about, or whose assessment; read for lists alone.
    pub reference: Option<String>,
}

/// Where an organisation asks for it; what is left out is not asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Of each version of an assessment that is rated high.
    pub assessments: Option<OfAssessments>,
    /// So long after an incident was closed.
    pub incidents: Option<Length>,
    /// So long after a visit was begun that nobody had agreed.
    pub begun_not_agreed: Option<Length>,
    /// Of each case at risk, again and again.
    pub cases: Option<OfCases>,
}

/// Which assessments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfAssessments {
    /// Rated so, or higher.
    pub rated: Rating,
    /// So long after it was made.
    pub within: Length,
}

/// Which cases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfCases {
    /// At these levels of risk, as the rules of what is due name them.
    pub risk: Vec<String>,
    /// So often.
    pub every: Length,
}

impl Rules {
    /// What is wrong with them, in words for whoever wrote them; with the rules of what is due, if there are any.
    pub fn complaints(&self, due: Option<&due::Rules>) -> Vec<String> {
        let Some(OfCases { risk, .. }) = &self.cases else { return Vec::new() };
        let Some(due) = due else {
            return vec![
                "cases are asked about by the risk that is known of their supervision: say [due] too".into(),
            ];
        };
        if risk.is_empty() {
            return vec![format!("cases.risk: say at which levels: {}", due.risk_levels.join(", "))];
        }
        let unknown = risk.iter().filter(|risk| due.level(risk).is_none());
        unknown
            .map(|risk| {
                format!(
                    "cases.risk: “{risk}” is no level of risk of [due]: use {}",
                    due.risk_levels.join(", ")
                )
            })
            .collect()
    }

    /// How often a case of this risk is asked about.
    pub fn of_case(&self, risk: Option<&str>) -> Option<Length> {
        let OfCases { risk: at, every } = self.cases.as_ref()?;
        at.iter().any(|at| risk == Some(at)).then_some(*every)
    }

    /// How soon an assessment of this rating is asked about.
    pub fn of_assessment(&self, rating: Rating) -> Option<Length> {
        let OfAssessments { rated, within } = self.assessments.as_ref()?;
        (rating >= *rated).then_some(*within)
    }
}

/// The last day of a length. Where it is not known whether somebody works on a day, those from Monday to Friday count: the earlier day.
pub fn last_day(from: NaiveDate, length: Length, calendar: Option<&Calendar>) -> NaiveDate {
    let weekday = |day: NaiveDate| !matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
    let works = |day: &NaiveDate| {
        calendar.and_then(|calendar| calendar.is_working_day(*day).ok()).unwrap_or_else(|| weekday(*day))
    };
    match length.unit {
        Unit::WorkingDays => {
            let nth = usize::try_from(length.count).unwrap_or(usize::MAX).saturating_sub(1);
            from.iter_days().skip(1).filter(works).nth(nth)
        }
        Unit::Days | Unit::Weeks | Unit::Months => {
            length.days_after(from).and_then(|days| from.checked_add_days(chrono::Days::new(days)))
        }
    }
    .unwrap_or(from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::{BankHolidays, Nation};

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn working_days_leave_out_what_is_no_working_day() {
        let calendar = Calendar {
            holidays: BankHolidays::provided(),
            nation: Nation::EnglandAndWales,
            office_days: vec![Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri],
            closures: [day("2026-04-08")].into(),
        };
        let of = |from, length: &str, calendar| last_day(day(from), length.parse().unwrap(), calendar);
        let easter = "2026-04-02";
        assert_eq!(of(easter, "2 working days", Some(&calendar)), day("2026-04-09"), "Easter, and a closure");
        assert_eq!(of(easter, "2 working days", None), day("2026-04-06"), "nothing is known of the year");
        assert_eq!(of("2029-04-02", "3 working days", Some(&calendar)), day("2029-04-05"), "nor of that one");
        assert_eq!(of("2026-01-31", "1 month", Some(&calendar)), day("2026-02-28"));
        assert_eq!(of("2026-01-31", "2 weeks", Some(&calendar)), day("2026-02-14"));
    }

    #[test]
    fn what_is_wrong_with_rules_is_said() {
        let read = |text: &str| toml::from_str::<Rules>(text);
        assert!(read("cases = { risk = ['high'], every = '4 fortnights' }").is_err());
        assert!(read("visits = '3 days'").is_err());
        let due = due::Rules::read(due::provided("probation").unwrap()).unwrap();
        let complaints = |text: &str, due| read(text).unwrap().complaints(due).join("; ");
        let cases = |risk: &str| format!("cases = {{ risk = [{risk}], every = '4 weeks' }}");
        assert!(complaints(&cases("'high'"), None).contains("say [due] too"));
        assert!(complaints(&cases(""), Some(&due)).contains("say at which levels"));
        assert!(complaints(&cases("'purple'"), Some(&due)).contains("“purple” is no level of risk"));
        assert_eq!(complaints(&cases("'high'"), Some(&due)), "");
        assert_eq!(complaints("incidents = '5 working days'", None), "");
    }
}
