//! The rules, one function each. Each says where it comes from; an organisation can switch and tune nearly all of them.

use serde::{Deserialize, Serialize};

use super::{Changed, Exception, IsAgreed, Known, Rules, Setting, Signal, Weighed, Weight};
use crate::domain::{
    assessment::{Company, Hours, Information, Rating},
    policy::VisitsAre,
    visit::{Risk, Visiting},
};

/// Why a rule objects.
pub(super) struct Objection {
    pub(super) says: String,
    /// Another weight than the rule has, because of something that is on record.
    pub(super) instead: Option<Weight>,
}

fn objection(says: impl Into<String>) -> Objection {
    Objection { says: says.into(), instead: None }
}

fn objection_instead(weight: Weight, says: impl Into<String>) -> Objection {
    Objection { says: says.into(), instead: Some(weight) }
}

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $usually:ident, $source:literal, $objects:ident;)*) => {
        /// What is asked of a visit before it is agreed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Rule { $($(#[$doc])* $name),* }

        impl Rule {
            /// Every rule there is, the gravest first.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its word in files, the API and the log.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }

            /// What it comes to where an organisation says nothing else.
            pub fn usually(self) -> Setting {
                match self { $(Self::$name => Setting::$usually),* }
            }

            /// Where it comes from.
            pub fn source(self) -> &'static str {
                match self { $(Self::$name => $source),* }
            }

            pub(super) fn objects(self, weighed: &Weighed, rules: &Rules) -> Option<Objection> {
                match self { $(Self::$name => $objects(weighed, rules)),* }
            }
        }
    };
}

rules! {
    /// A child or family is not visited at a private home of whoever visits, or of somebody of theirs.
    PrivateHome = "private_home", Nobody, "seeds/003, row A7", private_home;
    /// Something outside agreed arrangements is agreed by a senior manager, once.
    OneOff = "one_off", SeniorManager, "seeds/003, row A7", one_off;
    /// From the organisation's limit on nobody goes alone.
    UnacceptableRisk = "unacceptable_risk", Nobody, "seeds/003, row A8", unacceptable_risk;
    /// With little information nobody goes alone.
    LittleInformation = "little_information", Nobody, "seeds/003, row A4", little_information;
    /// What was assessed for two is not done by one.
    CompanyNotCovered = "company_not_covered", Nobody, "seeds/003, rows A2, A3", company_not_covered;
    /// Person and place are assessed before.
    NotAssessed = "not_assessed", Nobody, "seeds/003, rows A1, A5", not_assessed;
    /// The worker has a phone that is proved.
    NoPhone = "no_phone", Nobody, "seeds/003, row P2", no_phone;
    /// The worker has a proved emergency contact.
    NoEmergencyContact = "no_emergency_contact", Nobody, "seeds/003, row P2", no_emergency_contact;
    /// Where visits are no part of the role a senior manager agrees the purpose.
    PurposeNotAgreed = "purpose_not_agreed", SeniorManager, "seeds/003, row A6", purpose_not_agreed;
    /// A person said no, or asked something: only a person goes past that.
    SaidNo = "said_no", Manager, "row A11", said_no;
    /// Every visit is justified.
    NoPurpose = "no_purpose", Manager, "seeds/003, row A6", no_purpose;
    /// Whoever is visited is known.
    NoCase = "no_case", Manager, "seeds/003, row V1", no_case;
    /// A manager has agreed with the assessment and its measures.
    AssessmentNotAgreed = "assessment_not_agreed", Manager, "seeds/003, row A3", assessment_not_agreed;
    /// What has changed is assessed anew.
    ChangedSince = "changed_since", Manager, "seeds/000, row A2", changed_since;
    /// The review of the assessment is not past.
    ReviewDue = "review_due", Manager, "row A1", review_due;
    /// Somebody has confirmed the assessment lately.
    AssessmentOld = "assessment_old", Manager, "seeds/000, row A2", assessment_old;
    /// It was made for these hours.
    HoursNotCovered = "hours_not_covered", Manager, "seeds/003, row A2", hours_not_covered;
    /// And for this purpose.
    PurposeNotCovered = "purpose_not_covered", Manager, "row A2", purpose_not_covered;
    /// What is dangerous is looked at by a manager.
    HighRisk = "high_risk", Manager, "seeds/003, row A1", high_risk;
    /// So is what is remote or secluded.
    Remote = "remote", Manager, "seeds/003, row A1", remote;
    /// So is where something has happened.
    RecentIncident = "recent_incident", Manager, "rows A10, E13", recent_incident;
    /// So is whom an open concern is about.
    OpenConcern = "open_concern", Manager, "seeds/003, row A10", open_concern;
    /// The worker has acknowledged the policies.
    PolicyNotRead = "policy_not_read", Manager, "seeds/003, row P1", policy_not_read;
    /// Somebody would be called at that time.
    NotCovered = "not_covered", Manager, "row E8", not_covered;
    /// The worker's device was tested this month.
    DeviceNotTested = "device_not_tested", Off, "row P3", device_not_tested;
    /// What lies outside office hours is looked at, whatever the assessment was made for.
    OutsideOfficeHours = "outside_office_hours", Off, "seeds/003, row A1", outside_office_hours;
}

fn assessed(weighed: &Weighed) -> Option<&super::Assessed> {
    match &weighed.known {
        Known::Assessed(assessed) => Some(assessed),
        Known::NoCase | Known::NotAssessed => None,
    }
}

fn private_home(weighed: &Weighed, _: &Rules) -> Option<Objection> {
    let a_child = weighed.visiting.is_none_or(|visiting| visiting == Visiting::ChildOrFamily);
    if !(weighed.whose_home.is_private() && a_child) {
        return None;
    }
    match weighed.exception {
        Some(Exception::OneOff { .. }) => Some(objection_instead(
            Weight::SeniorManager,
            "a one-off at a private home: a senior manager agrees to it",
        )),
        _ => Some(objection(
            "nobody visits a child at their own home, a relative's, a colleague's or a friend's",
        )),
    }
}

fn one_off(weighed: &Weighed, _: &Rules) -> Option<Objection> {
    match weighed.exception {
        Some(Exception::OneOff { .. }) => Some(objection("outside agreed arrangements, once")),
        _ => None,
    }
}

fn unacceptable_risk(weighed: &Weighed, rules: &Rules) -> Option<Objection> {
    let rating = assessed(weighed).map(|assessed| assessed.rating)?;
    if rating < rules.unacceptable {
        return None;
    }
    match weighed.company {
        Company::Alone => Some(objection("the risk is too high to go alone: take somebody along")),
        Company::Accompanied => Some(objection_instead(
            Weight::SeniorManager,
            "the risk is at the limit: a senior manager agrees to it accompanied, with a reason",
        )),
    }
}

fn little_information(weighed: &Weighed, _: &Rules) -> Option<Objection> {
    let little = assessed(weighed).is_some_and(|assessed| assessed.information == Information::Little);
    (little && weighed.company == Company::Alone).then(|| objection("little is known: not alone"))
}

fn company_not_covered(weighed: &Weighed, _: &Rules) -> Option<Objection> {
    let for_two = assessed(weighed).is_some_and(|assessed| assessed.covers.company == Company::Accompanied);
    (for_two && weighed.company == Company::Alone).then(|| objection("assessed for two: not alone"))
}

fn not_assessed(weighed: &Weighed, _: &Rules) -> Option<Objection> {
    if assessed(weighed).is_some() {
        return None;
    }
    match weighed.exception {
        Some(Exception::Emergency { .. }) => Some(objection_instead(
            Weight::Manager,
            "an emergency without an assessment: the circumstances are on record, the outcome will be asked for",
        )),
        _ => Some(objection("nobody has assessed this visit")),
    }
}

fn no_phone(weighed: &Weighed, _: &Rules) -> Option<Objection> {
    weighed.worker.phone.then(|| objection("the worker has no phone that is proved"))
}

fn no_emergency_contact(weighed: &Weighed, _: &Rules) -> Option<Objection> {
    weighed.worker.contact.then(|| objection("the worker has no proved emergency contact"))
}

fn purpose_not_agreed(weighed: &Weighed, _: &Rules) -> Option<Objection> {
    (weighed.visits_are == VisitsAre::Exceptional)
        .then(|| objection("visits are no part of this role: a senior manager agrees the purpose"))
}

/// Kept with the agreement; no rule sees it.
fn said_no(_: &Weighed, _: &Rules) -> Option<Objection> {
    None
}

fn no_purpose(weighed: &Weighed, _: &Rules) -> Option<Objection> {
    weighed.purpose.is_none().then(|| objection("nobody has said what the visit is for"))
}

fn no_case(weighed: &Weighed, _: &Rules) -> Option<Objection> {
    (weighed.known == Known::NoCase).then(|| objection("whom the visit is to is not on file"))
}

fn assessment_not_agreed(weighed: &Weighed, _: &Rules) -> Option<Objection> {
    (assessed(weighed)?.agreed == IsAgreed::NotYet)
        .then(|| objection("no manager has agreed with the assessment"))
}

fn changed_since(weighed: &Weighed, _: &Rules) -> Option<Objection> {
    (assessed(weighed)?.changed == Changed::Yes)
        .then(|| objection("something has changed since the assessment"))
}

fn review_due(weighed: &Weighed, _: &Rules) -> Option<Objection> {
    let due = assessed(weighed)?.review_on;
    (weighed.day >= due).then(|| objection(format!("the assessment was to be reviewed by {due}")))
}

fn assessment_old(weighed: &Weighed, rules: &Rules) -> Option<Objection> {
    let assessed = assessed(weighed)?;
    // Who says that nothing has changed confirms it.
    let confirmed_now = assessed.changed == Changed::No;
    let days = (weighed.day - assessed.confirmed_on).num_days();
    (!confirmed_now && days > rules.oldest_days)
        .then(|| objection(format!("nobody has confirmed the assessment for {days} days")))
}

fn hours_not_covered(weighed: &Weighed, _: &Rules) -> Option<Objection> {
    let office_only = assessed(weighed)?.covers.hours == Hours::Office;
    (office_only && weighed.hours == Hours::Any)
        .then(|| objection("assessed for office hours, and this lies outside"))
}

fn purpose_not_covered(weighed: &Weighed, _: &Rules) -> Option<Objection> {
    let covered = assessed(weighed)?.covers.purpose(weighed.purpose.as_deref());
    (!covered).then(|| objection("assessed for another purpose"))
}

fn high_risk(weighed: &Weighed, rules: &Rules) -> Option<Objection> {
    let high = Rating::High..rules.unacceptable;
    let rated = assessed(weighed).is_some_and(|assessed| high.contains(&assessed.rating));
    (rated || weighed.risk == Risk::High).then(|| objection("the risk is high"))
}

fn remote(weighed: &Weighed, _: &Rules) -> Option<Objection> {
    (weighed.signal == Signal::NotExpected).then(|| objection("remote: a phone may not work there"))
}

fn recent_incident(weighed: &Weighed, _: &Rules) -> Option<Objection> {
    (weighed.incidents > 0).then(|| objection("something has happened there, or with them, lately"))
}

fn open_concern(weighed: &Weighed, _: &Rules) -> Option<Objection> {
    (weighed.concerns > 0).then(|| objection("a concern about them is open"))
}

fn policy_not_read(weighed: &Weighed, _: &Rules) -> Option<Objection> {
    let policies = &weighed.worker.policies;
    (!policies.is_empty())
        .then(|| objection(format!("the worker has not acknowledged: {}", policies.join(", "))))
}

fn not_covered(weighed: &Weighed, _: &Rules) -> Option<Objection> {
    (!weighed.gaps.is_empty())
        .then(|| objection(format!("who would be called has gaps: {}", weighed.gaps.join(", "))))
}

fn device_not_tested(weighed: &Weighed, _: &Rules) -> Option<Objection> {
    let untested = &weighed.worker.untested;
    (!untested.is_empty()).then(|| objection(format!("not tested this month: {}", untested.join(", "))))
}

fn outside_office_hours(weighed: &Weighed, _: &Rules) -> Option<Objection> {
    (weighed.hours == Hours::Any).then(|| objection("outside office hours"))
}
