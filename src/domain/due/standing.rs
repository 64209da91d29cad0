//! What is due, as it stands on a day. The same facts, rules and day always give the same answer.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{
    After, Excuse, Facts, Identified, InForce, Length, Made, Pause, Rule, missed::missed, rules::When,
};
use crate::clock::Time;
use crate::domain::{
    calendar::{Calendar, UnknownYear, end_of_week},
    ids::ConcernId,
    visit::word_enum,
};

/// A pause or an excuse is followed so often: nobody excuses more.
const MOST_EXCUSED: usize = 1000;

/// By when a visit is due: at once is stricter than every day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// At once, without a fixed day: on top of the list.
    Now,
    /// On that day at the latest.
    On(NaiveDate),
}

impl By {
    /// The day, if there is one.
    pub fn day(self) -> Option<NaiveDate> {
        match self {
            Self::Now => None,
            Self::On(day) => Some(day),
        }
    }
}

/// A visit that is due by one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// By when.
    pub by: By,
    /// By which rule.
    pub rule: String,
    /// What it counts from.
    pub from: NaiveDate,
    /// At which instant, where that is known.
    pub at: Option<Time>,
    /// The concern that asks for it, if one does.
    pub concern: Option<ConcernId>,
    /// How high the risk was that it follows from.
    pub risk: Option<String>,
    /// What its rule says of itself.
    pub says: String,
    /// How long after `from`; none: at once.
    pub within: Option<Length>,
    /// Whether a manager has set another day.
    pub is_put_off: bool,
    /// When risk, flags or plan changed, and it was overdue by what was known before.
    pub missed_on: Option<NaiveDate>,
}

impl Line {
    /// Why, in words. Made when somebody reads it: figures look at very many lines.
    pub fn why(&self, pauses: &[Pause]) -> String {
        let Self { from, .. } = self;
        let mut why = match self.within {
            None => format!("{}: at once, since {from}", self.says),
            Some(length) => format!("{}: within {length} from {from}", self.says),
        };
        let is_paused = |day: &NaiveDate| pauses.iter().any(|pause| pause.covers(*day));
        let days =
            self.by.day().filter(|_| !pauses.is_empty()).map_or(0, |day| {
                from.iter_days().skip(1).take_while(|at| *at <= day).filter(is_paused).count()
            });
        if days > 0 {
            why = format!("{why}; {days} days of a pause are not counted");
        }
        if self.is_put_off {
            why.push_str("; a manager has set another day");
        }
        if let Some(on) = self.missed_on {
            why = format!("{why}; it was overdue on {on}, when risk, flags or plan changed");
        }
        why
    }

    /// What it counts from.
    pub fn matter(&self) -> (Identified, Option<ConcernId>) {
        (Identified { on: self.from, at: self.at }, self.concern)
    }
}

/// Why it cannot be said when a visit is due.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cannot {
    /// When supervision began is not known.
    #[error("the start of supervision is not known")]
    NoStart,
    /// It has not begun.
    #[error("supervision begins only on {0}")]
    StartsLater(NaiveDate),
    /// Somebody was seen before it began.
    #[error(
        "there is a visit on {seen}, before the start of supervision on {start}: one of the two is wrong, or supervision began anew"
    )]
    SeenBeforeStart {
        /// When they were seen.
        seen: NaiveDate,
        /// When it began.
        start: NaiveDate,
    },
    /// How high the risk is is not known.
    #[error("the level of risk is not known")]
    NoRisk,
    /// The rules know no such level.
    #[error("the rules know no level of risk “{0}”")]
    UnknownRisk(String),
    /// The rules know no such flag.
    #[error("the rules know no flag “{0}”")]
    UnknownFlag(String),
    /// No rule says when the first visit is due.
    #[error("no rule says when the first visit is due at this risk")]
    NoRule,
    /// Visits are in the plan, and not how often.
    #[error("visits are in the risk management plan without a frequency")]
    PlanWithoutFrequency,
    /// Working days cannot be counted.
    #[error("{0}")]
    UnknownYear(#[from] UnknownYear),
}

word_enum! {
    /// Where in the list a case stands.
    Bucket {
        /// A visit is due at once.
        Now = "now",
        /// A visit should have been made.
        Overdue = "overdue",
        /// One is due till the end of this week.
        ThisWeek = "this_week",
        /// It cannot be said when one is due: so it is not in time.
        CannotBeComputed = "cannot_be_computed",
        /// One is due later.
        Next = "next",
        /// Days are not counted.
        Paused = "paused",
        /// None is.
        NotDue = "not_due",
    }
}

/// What is due of a case on a day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// By each rule that asks for a visit, the strictest first.
    pub lines: Vec<Line>,
    /// What cannot be computed.
    pub cannot: Vec<Cannot>,
    /// The pause that the day lies in.
    pub paused: Option<Pause>,
}

impl Standing {
    /// The strictest: what holds while several apply.
    pub fn strictest(&self) -> Option<&Line> {
        self.lines.first()
    }

    /// The first day on which one is due.
    pub fn day(&self) -> Option<NaiveDate> {
        self.lines.iter().find_map(|line| line.by.day())
    }

    /// Whether a visit should have been made before this day.
    pub fn is_overdue(&self, today: NaiveDate) -> bool {
        self.day().is_some_and(|day| day < today)
    }

    /// Where in the list it stands.
    pub fn bucket(&self, today: NaiveDate) -> Bucket {
        let day = self.day();
        if self.strictest().is_some_and(|line| line.by == By::Now) {
            Bucket::Now
        } else if self.is_overdue(today) {
            Bucket::Overdue
        } else if day.is_some_and(|day| day <= end_of_week(today)) {
            Bucket::ThisWeek
        } else if !self.cannot.is_empty() {
            Bucket::CannotBeComputed
        } else if day.is_some() {
            Bucket::Next
        } else if self.paused.is_some() {
            Bucket::Paused
        } else {
            Bucket::NotDue
        }
    }
}

/// What is due of a case on this day.
pub fn standing(facts: &Facts, in_force: &InForce, today: NaiveDate) -> Standing {
    let mut standing = as_known(facts, in_force, today);
    let missed = missed(facts, in_force, today, &standing.lines);
    standing.lines.extend(missed);
    standing
        .lines
        .sort_by(|one, other| (one.by, one.from, &one.rule).cmp(&(other.by, other.from, &other.rule)));
    standing
}

/// What follows from what is known now.
pub(super) fn as_known(facts: &Facts, in_force: &InForce, today: NaiveDate) -> Standing {
    let rules = &in_force.rules;
    let is_over = facts.supervision.end.is_some_and(|end| end <= today);
    if is_over || facts.visiting.is_some_and(|visiting| !rules.visiting.contains(&visiting)) {
        return Standing::default();
    }
    let mut looking = Looking { facts, in_force, today, lines: Vec::new(), cannot: Vec::new() };
    for flag in facts.supervision.flags.iter().filter(|flag| !rules.flags.contains(flag)) {
        looking.cannot(Cannot::UnknownFlag(flag.clone()));
    }
    for rule in &rules.rules {
        for after in &rule.after {
            looking.look(rule, after);
        }
    }
    looking.miss_a_first_rule();
    // Also where nothing hangs on it just now: it is never in time by silence.
    if facts.supervision.risk.is_none() && rules.rules.iter().any(|rule| !rule.risk.is_empty()) {
        looking.cannot(Cannot::NoRisk);
    }
    let Looking { lines, cannot, .. } = looking;
    Standing { lines, cannot, paused: facts.paused_on(today).copied() }
}

/// Whether a rule is about a case.
enum Applies {
    Yes,
    No,
    Unknown(Cannot),
}

struct Looking<'f> {
    facts: &'f Facts,
    in_force: &'f InForce,
    today: NaiveDate,
    lines: Vec<Line>,
    cannot: Vec<Cannot>,
}

impl<'f> Looking<'f> {
    fn cannot(&mut self, why: Cannot) {
        if !self.cannot.contains(&why) {
            self.cannot.push(why);
        }
    }

    fn look(&mut self, rule: &Rule, after: &After) {
        let since: Vec<(Identified, Option<ConcernId>)> = match after {
            After::SupervisionStart => match self.start_of_first(rule) {
                Ok(start) => start.map(|on| (Identified { on, at: None }, None)).into_iter().collect(),
                Err(why) => return self.cannot(why),
            },
            After::Plan => match &self.facts.supervision.plan {
                Some(plan) if plan.every.is_some() => {
                    vec![(Identified { on: plan.since, at: None }, None)]
                }
                Some(_) => return self.cannot(Cannot::PlanWithoutFrequency),
                None => Vec::new(),
            },
            After::Rule(key) => self.met(key).map(|met| (met, None)).into_iter().collect(),
            matter => self
                .matters(matter)
                .into_iter()
                .filter(|(identified, _)| self.seen_after(*identified).is_none())
                .collect(),
        };
        if since.is_empty() {
            return;
        }
        match self.applies(rule) {
            Applies::Yes => {}
            Applies::No => return,
            Applies::Unknown(why) => return self.cannot(why),
        }
        for (since, concern) in since {
            match self.due(rule, since, concern) {
                Ok(Some(line)) => self.lines.push(line),
                Ok(None) => {}
                Err(why) => self.cannot(why.into()),
            }
        }
    }

    /// Since when a first visit is awaited; nothing: it was made.
    fn start_of_first(&self, rule: &Rule) -> Result<Option<NaiveDate>, Cannot> {
        let start = self.facts.supervision.start.ok_or(Cannot::NoStart)?;
        if start > self.today {
            return Err(Cannot::StartsLater(start));
        }
        if matches!(rule.when, When::Every(_)) {
            return Ok(Some(start));
        }
        if self.first_seen(start).is_some() {
            return Ok(None);
        }
        let first = self.facts.supervision.first_start;
        let before = self.facts.seen().find(|seen| first.is_none_or(|first| seen.on < first));
        match before {
            Some(seen) => Err(Cannot::SeenBeforeStart { seen: seen.on, start }),
            None => Ok(Some(start)),
        }
    }

    fn first_seen(&self, start: NaiveDate) -> Option<&'f Made> {
        self.facts.seen().find(|seen| seen.on >= start)
    }

    fn seen_after(&self, identified: Identified) -> Option<&'f Made> {
        self.facts.seen().find(|seen| match identified.at {
            Some(at) => seen.at > at,
            // Of a day alone it is not known what came first.
            None => seen.on > identified.on,
        })
    }

    fn matters(&self, after: &After) -> Vec<(Identified, Option<ConcernId>)> {
        let concerns = |kind| {
            let concerns = self
                .facts
                .history
                .concerns
                .iter()
                .filter(move |worry| worry.kind == kind && worry.closed.is_none());
            concerns.map(|worry| (worry.identified, Some(worry.id))).collect()
        };
        match after {
            After::RiskRise => self.facts.supervision.rises.iter().map(|rise| (*rise, None)).collect(),
            After::Safeguarding => concerns(super::WorryKind::Safeguarding),
            After::Concern => concerns(super::WorryKind::Concern),
            After::SupervisionStart | After::Plan | After::Rule(_) => Vec::new(),
        }
    }

    /// When a rule was met: by a visit, or because a manager excused it.
    fn met(&self, key: &str) -> Option<Identified> {
        let rule = self.in_force.rules.rule(key)?;
        let by_visit = |seen: &Made| Identified { on: seen.on, at: Some(seen.at) };
        let since = match rule.after.first()? {
            After::SupervisionStart => {
                let start = self.facts.supervision.start.filter(|start| *start <= self.today)?;
                if let Some(seen) = self.first_seen(start) {
                    return Some(by_visit(seen));
                }
                Identified { on: start, at: None }
            }
            After::Rule(before) => self.met(before)?,
            after => self.matters(after).last()?.0,
        };
        // Of what is after another rule nobody asks at which instant that was met.
        let of_it = |excuse: &&Excuse| excuse.rule == key && excuse.from == since.on;
        let last = self.facts.supervision.excuses.iter().rev().find(of_it);
        let excused = last.filter(|excuse| excuse.instead.is_none());
        let by_manager = |excuse: &Excuse| Identified { on: excuse.due_on.unwrap_or(excuse.from), at: None };
        self.seen_after(since).map(by_visit).or_else(|| excused.map(by_manager))
    }

    /// The last that was said of it.
    fn excuse(&self, rule: &str, matter: (Identified, Option<ConcernId>)) -> Option<&'f Excuse> {
        self.facts.supervision.excuses.iter().rev().find(|excuse| excuse.is_about(rule, matter))
    }

    fn applies(&self, rule: &Rule) -> Applies {
        let supervision = &self.facts.supervision;
        if (rule.risk.is_empty() && rule.flags.is_empty())
            || rule.flags.iter().any(|flag| supervision.flags.contains(flag))
        {
            return Applies::Yes;
        }
        if rule.risk.is_empty() {
            return Applies::No;
        }
        match &supervision.risk {
            None => Applies::Unknown(Cannot::NoRisk),
            Some(risk) if self.in_force.rules.level(risk).is_none() => {
                Applies::Unknown(Cannot::UnknownRisk(risk.clone()))
            }
            Some(risk) if rule.risk.contains(risk) => Applies::Yes,
            Some(_) => Applies::No,
        }
    }

    /// Everybody whom the rules are about has a first visit: where no rule says by when, that is said.
    fn miss_a_first_rule(&mut self) {
        let rules = &self.in_force.rules.rules;
        let first = |rule: &&Rule| rule.after.contains(&After::SupervisionStart);
        let once: Vec<&Rule> = rules.iter().filter(first).collect();
        let awaited = once.iter().any(|rule| matches!(self.start_of_first(rule), Ok(Some(_))));
        if awaited && once.iter().all(|rule| matches!(self.applies(rule), Applies::No)) {
            self.cannot(Cannot::NoRule);
        }
    }

    fn due(
        &self,
        rule: &Rule,
        since: Identified,
        concern: Option<ConcernId>,
    ) -> Result<Option<Line>, UnknownYear> {
        let (every, from) = match rule.when {
            When::Now | When::Within(_) => {
                if matches!(rule.after.first(), Some(After::Rule(_))) && self.seen_after(since).is_some() {
                    return Ok(None);
                }
                (false, since)
            }
            When::Every(_) => {
                (true, Identified::on(self.last_seen().map_or(since.on, |seen| seen.on.max(since.on))))
            }
            When::AsPlanned => (true, Identified::on(self.last_seen().map_or(since.on, |seen| seen.on))),
        };
        let Identified { on: mut from, at } = from;
        let length = match rule.when {
            When::Now => None,
            When::Within(length) | When::Every(length) => Some(length),
            When::AsPlanned => self.facts.supervision.plan.as_ref().and_then(|plan| plan.every),
        };
        for _ in 0..MOST_EXCUSED {
            let by = match length {
                None if self.facts.paused_on(self.today).is_some() => return Ok(None),
                None => By::Now,
                Some(length) => match end((from, self.today), length, self.facts, &self.in_force.calendar)? {
                    Some(day) => By::On(day),
                    None => return Ok(None),
                },
            };
            let line = |by, is_put_off| Line {
                by,
                rule: rule.key.clone(),
                from,
                at,
                concern,
                risk: self.facts.supervision.risk.clone(),
                says: rule.says.clone(),
                within: length,
                is_put_off,
                missed_on: None,
            };
            match (self.excuse(&rule.key, (Identified { on: from, at }, concern)), by) {
                (None, by) => return Ok(Some(line(by, false))),
                (Some(Excuse { instead: Some(instead), .. }), _) => {
                    let by = after_pauses(*instead, self.facts, self.today);
                    return Ok(by.map(|by| line(By::On(by), true)));
                }
                // What comes again is due so long after it would have been made.
                (Some(excuse), By::On(day)) if every => from = excuse.due_on.unwrap_or(day),
                (Some(_), _) => return Ok(None),
            }
        }
        Ok(None)
    }

    fn last_seen(&self) -> Option<&'f Made> {
        let start = self.facts.supervision.start;
        self.facts.seen().next_back().filter(|seen| start.is_none_or(|start| seen.on >= start))
    }
}

/// The last day of a length that begins after a day, as it stands today. Days of a pause are not counted, so that one makes it no shorter;
/// nothing: the pause goes on. One without an end that lies ahead does not hide what is due before it.
fn end(
    (from, today): (NaiveDate, NaiveDate),
    length: Length,
    facts: &Facts,
    calendar: &Calendar,
) -> Result<Option<NaiveDate>, UnknownYear> {
    let days = length.days_after(from);
    let (mut left, mut day) = (days.unwrap_or(u64::from(length.count)), from);
    while left > 0 {
        let Some(next) = day.succ_opt() else { return Ok(None) };
        day = next;
        let counts = match facts.paused_on(day) {
            Some(Pause { until: None, from, .. }) if *from <= today => return Ok(None),
            Some(Pause { until: Some(_), .. }) => false,
            Some(Pause { until: None, .. }) | None => days.is_some() || calendar.is_working_day(day)?,
        };
        left -= u64::from(counts);
    }
    Ok(Some(day))
}

/// A day that a manager has set, as it stands today: one that lies in a pause is put off to the day on which days count again. Nothing:
/// the pause goes on.
pub(super) fn after_pauses(mut day: NaiveDate, facts: &Facts, today: NaiveDate) -> Option<NaiveDate> {
    while let Some(pause) = facts.paused_on(day) {
        match pause.until {
            Some(until) => day = until,
            None if pause.from <= today => return None,
            None => break,
        }
    }
    Some(day)
}
