//! Who is due a visit, by when, and why (rows T1 to T3): a pure function of what is known of a case, the rules of the organisation, its
//! calendar and the day. Only visits on which the person was seen count. What cannot be computed is said, and never counts as in time.

mod figures;
mod missed;
mod rules;
mod standing;

use std::collections::BTreeSet;

use chrono::{NaiveDate, NaiveTime, TimeDelta, Weekday};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

pub use figures::{Became, Due, RulesSince, WasDue, were_due};
pub use rules::{After, Length, PROVIDED, Rule, Rules, Unit, When, provided};
pub use standing::{Bucket, By, Cannot, Line, Standing, standing};

use super::{
    calendar::{BankHolidays, Calendar, Nation, Wrong, day_of},
    ids::{ConcernId, PersonId, TeamId, VisitId},
    visit::{VisitOutcome, Visiting, word_enum},
};
use crate::clock::Time;

word_enum! {
    /// Why what is due was computed anew.
    Cause {
        /// More is known of the supervision.
        Supervision = "supervision",
        /// Supervision began anew.
        Restarted = "restarted",
        /// The risk has risen.
        RiskUp = "risk_up",
        /// It has sunk.
        RiskDown = "risk_down",
        /// Days are not counted any more, or again.
        Pauses = "pauses",
        /// A concern was raised.
        ConcernRaised = "concern_raised",
        /// One was closed.
        ConcernClosed = "concern_closed",
        /// How a visit turned out was recorded.
        VisitRecorded = "visit_recorded",
        /// The case was opened, or another team looks after it.
        CaseChanged = "case_changed",
        /// A manager excused a visit.
        Excused = "excused",
        /// What was excused is due again.
        ExcuseTakenBack = "excuse_taken_back",
        /// Other rules are in force.
        Rules = "rules",
    }
}

/// What people have said of the supervision of a case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Supervision {
    /// Since when; it may lie ahead.
    pub start: Option<NaiveDate>,
    /// Since when it was first, if it began anew: visits of then belong to then.
    pub first_start: Option<NaiveDate>,
    /// One of the levels that the rules name.
    pub risk: Option<String>,
    /// Those of the rules that apply.
    pub flags: Vec<String>,
    /// When the risk rose.
    pub rises: Vec<Identified>,
    /// What the risk management plan says of home visits; none: nothing.
    pub plan: Option<Plan>,
    /// When it did not go on.
    pub pauses: Vec<Pause>,
    /// Since when it is over: nothing is due any more.
    pub end: Option<NaiveDate>,
    /// What a manager has excused.
    pub excuses: Vec<Excuse>,
    /// Whose it was before, the first first: figures are theirs whose it was when it was due.
    pub holders: Vec<Holder>,
    /// What was known before, the first first: figures hold a visit to what was known when it was made.
    pub earlier: Vec<Earlier>,
}

/// Whose a case was before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The day on which it went to another.
    pub until: NaiveDate,
    /// Which worker's; none: nobody's.
    pub worker: Option<PersonId>,
    /// Which team looked after it.
    pub team: TeamId,
}

/// What was known of a supervision before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// Till then.
    pub until: Time,
    /// Since when it was.
    pub start: Option<NaiveDate>,
    /// Since when it was first.
    pub first_start: Option<NaiveDate>,
    /// How high the risk was.
    pub risk: Option<String>,
    /// Which flags applied.
    pub flags: Vec<String>,
    /// What the plan said.
    pub plan: Option<Plan>,
    /// Since when it was over.
    #[serde(default)]
    pub end: Option<NaiveDate>,
}

/// When something was identified: what it counts from, whenever it was written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identified {
    /// On which day.
    pub on: NaiveDate,
    /// At which instant, if that is known: a visit later on that day counts then.
    pub at: Option<Time>,
}

impl Identified {
    /// Whether that was by then.
    fn is_by(self, (at, zone): Instant) -> bool {
        self.at.map_or(self.on <= day_of(at, zone), |identified| identified <= at)
    }

    /// On a day; at which instant is not known.
    fn on(day: NaiveDate) -> Self {
        Self { on: day, at: None }
    }
}

/// Home visits are part of the risk management plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// How often; none: the plan does not say, which is a gap.
    pub every: Option<Length>,
    /// Since when it says so.
    pub since: NaiveDate,
}

word_enum! {
    /// Why supervision does not go on for a while.
    Paused {
        /// In custody.
        Custody = "custody",
        /// Suspended.
        Suspended = "suspended",
        /// In hospital.
        Hospital = "hospital",
        /// Something else.
        Other = "other",
    }
}

/// Days that are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// The first of them.
    pub from: NaiveDate,
    /// The first that is counted again; none: it goes on.
    pub until: Option<NaiveDate>,
    /// Why.
    pub why: Paused,
}

impl Pause {
    fn covers(&self, day: NaiveDate) -> bool {
        self.from <= day && self.until.is_none_or(|until| day < until)
    }
}

word_enum! {
    /// What an excused visit is in figures (row T5).
    Counted {
        /// It could not be made: neither in time nor late.
        LeftOut = "left_out",
        /// It was for the service to make it: late.
        Late = "late",
    }
}

/// A manager excuses a visit that was due by a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excuse {
    /// By which.
    pub rule: String,
    /// What it counted from.
    pub from: NaiveDate,
    /// At which instant, where that is known: of two matters of one day only one is excused.
    #[serde(default)]
    pub at: Option<Time>,
    /// The concern that asked for it, if one did.
    #[serde(default)]
    pub concern: Option<ConcernId>,
    /// By when it was due; none: at once.
    pub due_on: Option<NaiveDate>,
    /// How high the risk was that it followed from, if that is known.
    #[serde(default)]
    pub risk: Option<String>,
    /// By when it is due instead; none: it is not any more.
    pub instead: Option<NaiveDate>,
    /// What it is in figures.
    pub counted: Counted,
    /// In the manager's words.
    pub reason: String,
    /// Who, when.
    pub by: (PersonId, Time),
}

impl Excuse {
    /// Whether it is about this.
    fn is_about(&self, rule: &str, (since, concern): (Identified, Option<ConcernId>)) -> bool {
        self.rule == rule && self.from == since.on && self.at == since.at && self.concern == concern
    }
}

/// What has happened about a case, as the visits and the concerns say it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// Every visit whose outcome is known, the first one first.
    pub visits: Vec<Made>,
    /// The concerns, closed ones too: figures ask what became of them.
    pub concerns: Vec<Worry>,
}

/// A visit that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Which.
    pub id: VisitId,
    /// On which day, by the clocks of the place.
    pub on: NaiveDate,
    /// When.
    pub at: Time,
    /// How it turned out.
    pub outcome: VisitOutcome,
}

impl Made {
    /// Whether it counts: an attempt is shown, and counts for nothing.
    pub fn counts(&self) -> bool {
        self.outcome == VisitOutcome::Seen
    }
}

/// A concern about a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worry {
    /// Which.
    pub id: ConcernId,
    /// Whether it is one of safeguarding, for which there is a fixed day.
    pub kind: WorryKind,
    /// When it was identified.
    pub identified: Identified,
    /// When it was closed; none: it is open.
    #[serde(default)]
    pub closed: Option<Time>,
}

word_enum! {
    /// What kind of concern a rule is about.
    WorryKind {
        /// A child, a young person or an adult at risk.
        Safeguarding = "safeguarding",
        /// Any other.
        Concern = "concern",
    }
}

/// A case, as far as it is looked at here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Who is visited.
    pub visiting: Option<Visiting>,
    /// What is known of the supervision.
    pub supervision: Supervision,
    /// What has happened.
    pub history: History,
}

impl Facts {
    /// The last visit that counts.
    pub fn last_seen(&self) -> Option<&Made> {
        self.seen().next_back()
    }

    /// The visits since then on which nobody was seen.
    pub fn tried_since(&self) -> &[Made] {
        let seen = self.history.visits.iter().rposition(Made::counts);
        self.history.visits.get(seen.map_or(0, |at| at + 1)..).unwrap_or_default()
    }

    fn seen(&self) -> impl DoubleEndedIterator<Item = &Made> {
        self.history.visits.iter().filter(|visit| visit.counts())
    }

    fn paused_on(&self, day: NaiveDate) -> Option<&Pause> {
        self.supervision.pauses.iter().find(|pause| pause.covers(day))
    }
}

/// What was due when it was last computed, as the log says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// By each rule that asks for a visit, the strictest first.
    pub due: Vec<DueBy>,
    /// How much could not be computed.
    pub cannot: usize,
}

/// That a visit was due by one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DueBy {
    /// By which.
    pub rule: String,
    /// The last day for it; none: at once.
    pub due_on: Option<NaiveDate>,
    /// The concern that asks for it, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concern: Option<ConcernId>,
}

impl From<&Standing> for Summary {
    fn from(standing: &Standing) -> Self {
        let due_by =
            |line: &Line| DueBy { rule: line.rule.clone(), due_on: line.by.day(), concern: line.concern };
        Self { due: standing.lines.iter().map(due_by).collect(), cannot: standing.cannot.len() }
    }
}

/// What an organisation has set, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The rules: a whole file.
    pub rules: String,
    /// Whose bank holidays are kept.
    pub nation: Nation,
    /// The days on which the office is closed.
    pub closures: BTreeSet<NaiveDate>,
    /// Other bank holidays than those that the program comes with: a whole file.
    pub bank_holidays: Option<String>,
    /// When digests go, on the clocks of the place.
    pub digest_at: NaiveTime,
}

/// When digests go, if nothing else is said.
pub const DIGEST_AT: NaiveTime = match NaiveTime::from_hms_opt(8, 0, 0) {
    Some(eight) => eight,
    None => NaiveTime::MIN,
};

/// What cannot be read of what somebody wants to set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}, {wrong}")]
pub struct BadSettings {
    /// `rules` or `bank_holidays`.
    pub field: &'static str,
    /// Where, and why.
    pub wrong: Wrong,
}

impl Settings {
    /// The rules that somebody means: a name of ours, or a file.
    pub fn meant(rules: &str) -> String {
        provided(rules.trim()).unwrap_or(rules).to_owned()
    }

    /// Reads it; the office works on these days, by the clocks of this zone.
    pub fn in_force(&self, office_days: &[Weekday], zone: Tz) -> Result<InForce, BadSettings> {
        if !self.rules.contains('\n') {
            let ours = PROVIDED.map(|(name, _)| name).join(", ");
            let name: String = self.rules.chars().take(40).collect();
            let why =
                format!("“{name}” is neither a file nor the name of rules that come with Homeward: {ours}");
            return Err(BadSettings { field: "rules", wrong: Wrong { line: 1, why } });
        }
        let rules = Rules::read(&self.rules).map_err(|wrong| BadSettings { field: "rules", wrong })?;
        let holidays = match &self.bank_holidays {
            None => BankHolidays::provided(),
            Some(text) => {
                BankHolidays::read(text).map_err(|wrong| BadSettings { field: "bank_holidays", wrong })?
            }
        };
        let (nation, office_days) = (self.nation, office_days.to_vec());
        let calendar = Calendar { holidays, nation, office_days, closures: self.closures.clone() };
        Ok(InForce { rules, calendar, zone })
    }
}

/// By what an organisation decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// The rules.
    pub rules: Rules,
    /// The calendar.
    pub calendar: Calendar,
    /// By whose clocks a day begins.
    pub zone: Tz,
}

/// An instant, and by whose clocks it has a day.
type Instant = (Time, Tz);

/// What was known till an instant was known just before it.
const BEFORE: TimeDelta = TimeDelta::microseconds(1);

#[cfg(test)]
mod tests;
