//! What managers look at afterwards: figures over a period, each with the list behind it (row T5).

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime, TimeDelta};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    ids::{IncidentId, PersonId, TeamId},
    incident::{Kind, Outcome},
    local_time,
    visit::{Risk, word_enum},
};
use crate::clock::Time;

word_enum! {
    /// What a report is about.
    ReportKind {
        /// Visits that ended: on time, extended, late, or with an alarm.
        CheckOuts = "check_outs",
        /// Alarms by kind and outcome, and how many were false.
        Alarms = "alarms",
        /// How long after the deadline an alarm was queued, accepted, delivered, taken and closed.
        ResponseTimes = "response_times",
        /// Places whose assessment is in date, due for review, not agreed or missing; as of now.
        Assessments = "assessments",
        /// First visits that were due in the period: in time, late, not made.
        FirstVisits = "first_visits",
        /// Further visits that were due in the period, as often as plan or rules say.
        Frequency = "frequency",
        /// Visits that were due in the period because the risk had risen or a concern was raised.
        RisingRisk = "rising_risk",
        /// Management oversight that was asked for by a day of the period: done in time, late, not done.
        Oversight = "oversight",
        /// Drills: who was called and who answered.
        Drills = "drills",
        /// Addresses of people that are proved, or not; as of now.
        Contacts = "contacts",
    }
}

word_enum! {
    /// Whether the teams below the one that is named count too.
    #[derive(Default)]
    Below {
        /// They do.
        #[default]
        Counted = "counted",
        /// That team alone.
        LeftOut = "left_out",
    }
}

word_enum! {
    /// What the lines of a report are.
    #[derive(Default)]
    By {
        /// One line for everything.
        #[default]
        Total = "total",
        /// A line for each team.
        Team = "team",
        /// A line for each worker.
        Worker = "worker",
        /// A line for each risk: of a visit, of a case, or how an assessment is rated.
        Risk = "risk",
        /// A line for each rule.
        Rule = "rule",
        /// A line for each month, on the clock of the organisation.
        Month = "month",
    }
}

impl ReportKind {
    /// What its lines can be.
    pub fn can_be_by(self) -> &'static [By] {
        match self {
            Self::CheckOuts | Self::Alarms | Self::ResponseTimes => {
                &[By::Total, By::Team, By::Worker, By::Risk, By::Month]
            }
            Self::Drills => &[By::Total, By::Team, By::Month],
            Self::FirstVisits | Self::Frequency | Self::RisingRisk => {
                &[By::Total, By::Team, By::Worker, By::Rule, By::Risk, By::Month]
            }
            Self::Oversight => &[By::Total, By::Team, By::Worker, By::Rule, By::Month],
            Self::Assessments => &[By::Total, By::Team, By::Risk],
            Self::Contacts => &[By::Total, By::Team, By::Worker],
        }
    }

    /// Whether it is about what was due by a day.
    pub fn is_dated(self) -> bool {
        matches!(self, Self::FirstVisits | Self::Frequency | Self::RisingRisk | Self::Oversight)
    }

    /// Whether it says how things stand today, whatever the period.
    pub fn is_as_of_now(self) -> bool {
        matches!(self, Self::Assessments | Self::Contacts)
    }

    /// The figures of a line that are counts, in that order; behind each is a list.
    pub fn counts(self) -> &'static [&'static str] {
        match self {
            Self::CheckOuts => &["on_time", "extended", "late", "alarm"],
            Self::Alarms => &[
                "overdue",
                "sos",
                "duress",
                "open",
                "safe_forgot",
                "safe_delayed",
                "safe_no_signal",
                "false_alarm",
                "threatened",
                "assaulted",
                "injured",
                "taken_ill",
                "drill",
                "other",
            ],
            Self::ResponseTimes => &["alarms", "never_taken"],
            Self::Assessments => &["in_date", "review_due", "not_agreed", "not_assessed"],
            Self::FirstVisits | Self::Frequency | Self::RisingRisk => {
                &["in_time", "late", "overdue", "not_yet", "left_out", "cannot_be_computed"]
            }
            Self::Oversight => &["in_time", "late", "overdue", "not_yet"],
            Self::Drills => &["drills", "called", "answered"],
            Self::Contacts => &["proved", "unproved"],
        }
    }
}

/// Whose rows a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Everybody's.
    Anybodys,
    /// One worker's.
    Of(PersonId),
    /// Those that are nobody's.
    Nobodys,
}

/// What a line is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Everything.
    Total,
    /// A team.
    Team(TeamId),
    /// A worker.
    Worker(PersonId),
    /// What is nobody's.
    Nobody,
    /// That risk.
    Risk(String),
    /// That rule.
    Rule(String),
    /// The month that begins then.
    Month(NaiveDate),
}

/// A figure of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Figure {
    /// So many.
    Count(i64),
    /// A share of one, if there is anything to share.
    Share(Option<f64>),
    /// A length in seconds, if anything was measured.
    Seconds(Option<i64>),
}

/// The figures of one line, by their names.
pub type Line = Vec<(String, Figure)>;

/// A period: from the first moment on, up to the last, which is outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// From then on.
    pub from: Time,
    /// Till then.
    pub to: Time,
}

impl Period {
    /// From the beginning of one day to the end of another, on a clock.
    pub fn of_days(from: NaiveDate, to: NaiveDate, zone: Tz) -> Self {
        let begins = |day| local_time::at(day, NaiveTime::MIN, zone);
        Self { from: begins(from), to: begins(to.succ_opt().unwrap_or(to)) }
    }

    /// Its months on a clock, the first and the last perhaps not whole.
    pub fn months(self, zone: Tz) -> Vec<(NaiveDate, Self)> {
        let mut months = Vec::new();
        let mut at = self.from;
        while at < self.to {
            let day = DateTime::with_timezone(&at, &zone).date_naive();
            let first = day.with_day(1).unwrap_or(day);
            let Some(next) = first.checked_add_months(Months::new(1)) else { break };
            let to = local_time::at(next, NaiveTime::MIN, zone).min(self.to);
            months.push((first, Self { from: at, to }));
            at = to;
        }
        months
    }
}

/// An alarm, as far as reports look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmFact {
    /// Its id.
    pub id: IncidentId,
    /// The team of whom it is about.
    pub team: TeamId,
    /// Whom it is about.
    pub subject: PersonId,
    /// What it is.
    pub kind: Kind,
    /// Of its visit.
    pub risk: Risk,
    /// The deadline that was missed, or when help was called for.
    pub since: Time,
    /// When it went up.
    pub opened_at: Time,
    /// How it ended; nothing: it is open.
    pub outcome: Option<Outcome>,
    /// When its stages were reached first.
    pub stages: BTreeMap<Stage, Time>,
}

word_enum! {
    /// Where an alarm got to.
    #[derive(PartialOrd, Ord)]
    Stage {
        /// The first call was kept, to be sent.
        Queued = "queued",
        /// A provider took one.
        Accepted = "accepted",
        /// One arrived, as its provider says.
        Delivered = "delivered",
        /// A person took the alarm.
        Taken = "taken",
        /// A person said how it ended.
        Closed = "closed",
    }
}

impl Stage {
    const ALL: [Self; 5] = [Self::Queued, Self::Accepted, Self::Delivered, Self::Taken, Self::Closed];
}

impl AlarmFact {
    /// Under which counts of the alarms' report it falls.
    pub fn counted_as(&self) -> [&'static str; 2] {
        [self.kind.as_str(), self.outcome.map_or("open", Outcome::as_str)]
    }

    /// Whether nobody has taken it.
    pub fn was_never_taken(&self) -> bool {
        !self.stages.contains_key(&Stage::Taken)
    }

    fn key(&self, by: By) -> Key {
        match by {
            By::Team => Key::Team(self.team),
            By::Worker => Key::Worker(self.subject),
            By::Risk => Key::Risk(self.risk.as_str().to_owned()),
            By::Total | By::Month | By::Rule => Key::Total,
        }
    }
}

/// Alarms by what lines are about.
pub fn lines_of(alarms: &[AlarmFact], by: By) -> BTreeMap<Key, Vec<&AlarmFact>> {
    let mut lines: BTreeMap<Key, Vec<&AlarmFact>> = BTreeMap::new();
    for alarm in alarms {
        lines.entry(alarm.key(by)).or_default().push(alarm);
    }
    lines
}

/// How many there were of each kind and outcome; of those that are closed, so many were false.
pub fn alarms_line(alarms: &[&AlarmFact]) -> Line {
    let of = |name: &str| alarms.iter().filter(|alarm| alarm.counted_as().contains(&name)).count();
    let count = |name: &str| Figure::Count(i64::try_from(of(name)).unwrap_or(i64::MAX));
    let mut line: Line =
        ReportKind::Alarms.counts().iter().map(|name| ((*name).to_owned(), count(name))).collect();
    let closed = alarms.len() - of("open");
    line.push(("false_share".into(), Figure::Share(share(of("false_alarm"), closed))));
    line
}

/// A part of a whole, if there is one.
pub fn share(part: usize, whole: usize) -> Option<f64> {
    let number = |n: usize| u32::try_from(n).map_or(f64::MAX, f64::from);
    (whole > 0).then(|| number(part) / number(whole))
}

/// For each stage, how long after the deadline it was reached: the half, nine of ten, 99 of 100, the worst.
pub fn response_times_line(alarms: &[&AlarmFact]) -> Line {
    let never = alarms.iter().filter(|alarm| alarm.was_never_taken()).count();
    let count = |n: usize| Figure::Count(i64::try_from(n).unwrap_or(i64::MAX));
    let mut line: Line = vec![("alarms".into(), count(alarms.len())), ("never_taken".into(), count(never))];
    for stage in Stage::ALL {
        let after = |alarm: &&AlarmFact| Some(*alarm.stages.get(&stage)? - alarm.since);
        let mut times: Vec<TimeDelta> = alarms.iter().filter_map(after).collect();
        times.sort_unstable();
        for (name, of_100) in [("p50", 50), ("p90", 90), ("p99", 99), ("worst", 100)] {
            let at = quantile(&times, of_100).map(|after| after.num_seconds());
            line.push((format!("{}_{name}", stage.as_str()), Figure::Seconds(at)));
        }
    }
    line
}

/// The least of sorted values that so many of a hundred do not exceed.
fn quantile(sorted: &[TimeDelta], of_100: usize) -> Option<TimeDelta> {
    let rank = (sorted.len() * of_100).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

/// Something that was due on a day: a visit, or oversight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WasDue {
    /// What it is about: case, visit, incident, assessment.
    pub what: &'static str,
    /// The id of that.
    pub id: Uuid,
    /// The reference of the case that it is about, or whose assessment.
    pub reference: Option<String>,
    /// Of which team.
    pub team: TeamId,
    /// Whose it is.
    pub worker: Option<PersonId>,
    /// By which rule; none: what cannot be computed has none.
    pub rule: Option<String>,
    /// How high the risk was.
    pub risk: Option<String>,
    /// The last day for it; of what cannot be computed today.
    pub due_on: NaiveDate,
    /// As what it counts.
    pub class: &'static str,
}

impl WasDue {
    fn key(&self, by: By) -> Key {
        let word = |word: &Option<String>| word.clone().unwrap_or_else(|| NOT_KNOWN.to_owned());
        match by {
            By::Total => Key::Total,
            By::Team => Key::Team(self.team),
            By::Worker => self.worker.map_or(Key::Nobody, Key::Worker),
            By::Risk => Key::Risk(word(&self.risk)),
            By::Rule => Key::Rule(word(&self.rule)),
            By::Month => Key::Month(self.due_on.with_day(1).unwrap_or(self.due_on)),
        }
    }
}

/// The word for whose something is that is nobody's.
pub const NOBODY: &str = "nobody";

/// The word for a rule or a risk that is not known.
pub const NOT_KNOWN: &str = "not_known";

/// What was due, as lines: so many of each class, and the share that was done in time of what was done or should have been.
pub fn were_due_lines(report: ReportKind, all: &[WasDue], by: By) -> BTreeMap<Key, Line> {
    let mut lines: BTreeMap<Key, Vec<&WasDue>> = BTreeMap::new();
    if by == By::Total {
        lines.insert(Key::Total, Vec::new());
    }
    for one in all {
        lines.entry(one.key(by)).or_default().push(one);
    }
    let line = |all: Vec<&WasDue>| {
        let of = |class: &str| all.iter().filter(|one| one.class == class).count();
        let count = |class: &str| Figure::Count(i64::try_from(of(class)).unwrap_or(i64::MAX));
        let mut line: Line =
            report.counts().iter().map(|class| ((*class).to_owned(), count(class))).collect();
        let due = of("in_time") + of("late") + of("overdue");
        line.push(("in_time_share".into(), Figure::Share(share(of("in_time"), due))));
        line
    };
    lines.into_iter().map(|(key, all)| (key, line(all))).collect()
}

/// What stands behind a figure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Behind {
    /// What it is: case, visit, incident, assessment, place, drill or person.
    pub what: String,
    /// Its id.
    pub id: Uuid,
    /// The reference of the case, where it is one or belongs to one.
    pub reference: Option<String>,
    /// Whose it is.
    pub worker: Option<Uuid>,
    /// Of which team.
    pub team: Uuid,
    /// When: it ended, went up, began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<Time>,
    /// By which day it was due.
    pub due_on: Option<NaiveDate>,
    /// By which rule.
    pub rule: Option<String>,
    /// How high the risk was.
    pub risk: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_value_that_was_measured() {
        let times: Vec<_> = (1..=10).map(TimeDelta::seconds).collect();
        let of = |n| quantile(&times, n).map(|time| time.num_seconds());
        assert_eq!([of(50), of(90), of(99), of(100)], [Some(5), Some(9), Some(10), Some(10)]);
        assert_eq!(quantile(&times[..1], 50).map(|time| time.num_seconds()), Some(1));
        assert_eq!(quantile(&[], 50), None);
    }

    #[test]
    fn months_begin_at_midnight_on_the_clock_of_the_place() {
        let day = |month, day| NaiveDate::from_ymd_opt(2026, month, day).unwrap();
        let period = Period::of_days(day(3, 15), day(5, 10), Tz::Europe__London);
        let months = period.months(Tz::Europe__London);
        let firsts: Vec<_> = months.iter().map(|(first, _)| *first).collect();
        assert_eq!(firsts, [day(3, 1), day(4, 1), day(5, 1)]);
        assert_eq!(months[1].1.from.to_rfc3339(), "2026-03-31T23:00:00+00:00");
        assert_eq!((months[0].1.from, months[2].1.to), (period.from, period.to));
    }
}
