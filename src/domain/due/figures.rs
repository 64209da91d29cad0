//! What became of visits that were due, for figures (row T5): of each that a rule asked for, whether it was made in time, as the due list
//! said on that day. What was known then decides, so that a risk that rises later makes no earlier visit late.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{
    After, By, Counted, Earlier, Facts, History, Identified, InForce, Line, Supervision, When, standing,
};
use crate::{clock::Time, domain::visit::word_enum};

word_enum! {
    /// What asks for a visit.
    Due {
        /// The first visit of a supervision.
        FirstVisit = "first_visit",
        /// That visits go on, as often as plan or rules say.
        Frequency = "frequency",
    }
}

word_enum! {
    /// What became of it.
    Became {
        /// It was made in time.
        InTime = "in_time",
        /// It was made later; or a manager excused it as the service's own.
        Late = "late",
        /// It was not made, and its day is over.
        Overdue = "overdue",
        /// Its day is not over.
        NotYet = "not_yet",
        /// A manager excused it: it could not be made.
        LeftOut = "left_out",
    }
}

/// A visit that was due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WasDue {
    /// By which rule.
    pub rule: String,
    /// The last day for it.
    pub due_on: NaiveDate,
    /// How high the risk was.
    pub risk: Option<String>,
    /// What became of it.
    pub became: Became,
}

/// The rules in force since then, the first ones first.
pub type RulesSince = Vec<(Time, InForce)>;

/// Each visit that was due by the strictest rule of that kind, up to this day.
pub fn were_due(facts: &Facts, rules: &RulesSince, due: Due, today: NaiveDate) -> Vec<WasDue> {
    let mut all = Vec::new();
    let visits = &facts.history.visits;
    for (n, visit) in visits.iter().enumerate().filter(|(_, visit)| visit.counts()) {
        // Of two who went together, or twice on a day, the first counts.
        let before = visits.get(..n).unwrap_or_default();
        if before.iter().any(|before| before.counts() && before.on == visit.on) {
            continue;
        }
        let Some(in_force) = in_force_at(rules, visit.at) else { continue };
        let supervision = facts.supervision.as_of(visit.at);
        let was_seen = |start| before.iter().any(|before| before.counts() && before.on >= start);
        if due == Due::FirstVisit && supervision.start.is_some_and(was_seen) {
            continue;
        }
        let history = History { visits: before.to_vec(), concerns: Vec::new() };
        let then = Facts { visiting: facts.visiting, supervision, history };
        if let Some((line, due_on)) = strictest(&then, in_force, due, visit.on) {
            let became = if visit.on <= due_on { Became::InTime } else { Became::Late };
            all.push(WasDue { rule: line.rule, due_on, risk: then.supervision.risk, became });
        }
    }
    // What was open when it ended was not made.
    let last = facts.supervision.end.and_then(|end| end.pred_opt()).map_or(today, |last| last.min(today));
    if let Some((_, in_force)) = rules.last() {
        let without_concerns =
            Facts { history: History { concerns: Vec::new(), ..facts.history.clone() }, ..facts.clone() };
        let ended = facts.supervision.end.is_some_and(|end| end <= today);
        let open = strictest(&without_concerns, in_force, due, last);
        if let Some((line, due_on)) = open.filter(|(_, due_on)| !ended || *due_on <= last) {
            let became = if due_on < today { Became::Overdue } else { Became::NotYet };
            let risk = facts.supervision.risk.clone();
            all.push(WasDue { rule: line.rule, due_on, risk, became });
        }
    }
    all.extend(excused(facts, rules, due, today));
    all
}

fn in_force_at(rules: &RulesSince, at: Time) -> Option<&InForce> {
    // What was before there were rules is held to the first.
    rules.iter().rev().find(|(since, _)| *since <= at).or_else(|| rules.first()).map(|(_, in_force)| in_force)
}

fn is(in_force: &InForce, key: &str, due: Due) -> bool {
    in_force.rules.rule(key).is_some_and(|rule| match due {
        Due::FirstVisit => {
            rule.after.contains(&After::SupervisionStart) && matches!(rule.when, When::Within(_))
        }
        Due::Frequency => matches!(rule.when, When::Every(_) | When::AsPlanned),
    })
}

/// What the due list said first of that kind; not what a manager had put off or excused, which counts by itself.
fn strictest(facts: &Facts, in_force: &InForce, due: Due, today: NaiveDate) -> Option<(Line, NaiveDate)> {
    let stands = standing(facts, in_force, today);
    let excused = |line: &Line| {
        let matter = (Identified { on: line.from, at: line.at }, line.concern);
        facts.supervision.excuses.iter().any(|excuse| excuse.is_about(&line.rule, matter))
    };
    stands.lines.into_iter().filter(|line| is(in_force, &line.rule, due) && !excused(line)).find_map(|line| {
        match line.by {
            By::On(day) => Some((line, day)),
            By::Now => None,
        }
    })
}

/// What managers have excused: the last that was said of each.
fn excused(facts: &Facts, rules: &RulesSince, due: Due, today: NaiveDate) -> Vec<WasDue> {
    let supervision = &facts.supervision;
    let excuses = &supervision.excuses;
    let last = excuses.iter().enumerate().filter(|(n, excuse)| {
        let later = excuses.get(n + 1..).unwrap_or_default();
        let matter = (Identified { on: excuse.from, at: excuse.at }, excuse.concern);
        !later.iter().any(|later| later.is_about(&excuse.rule, matter))
    });
    last.filter_map(|(_, excuse)| {
        let in_force = in_force_at(rules, excuse.by.1)?;
        is(in_force, &excuse.rule, due).then(|| WasDue {
            rule: excuse.rule.clone(),
            due_on: excuse.due_on.unwrap_or(excuse.from),
            risk: supervision.as_of(excuse.by.1).risk,
            became: match (excuse.counted, excuse.instead) {
                (Counted::Late, _) => Became::Late,
                (Counted::LeftOut, None) => Became::LeftOut,
                // Put off: by then it has to be made.
                (Counted::LeftOut, Some(instead)) => {
                    match facts.seen().find(|seen| seen.at > excuse.by.1).map(|seen| seen.on) {
                        Some(seen) if seen > instead => Became::Late,
                        None if today > instead => Became::Overdue,
                        _ => Became::LeftOut,
                    }
                }
            },
        })
    })
    .collect()
}

impl Supervision {
    /// What was known of it then.
    #[must_use]
    pub fn as_of(&self, at: Time) -> Self {
        let mut then = self.clone();
        if let Some(Earlier { start, first_start, risk, flags, plan, end, .. }) =
            self.earlier.iter().find(|earlier| earlier.until > at)
        {
            then.start = *start;
            then.first_start = *first_start;
            then.risk.clone_from(risk);
            then.flags.clone_from(flags);
            then.plan.clone_from(plan);
            then.end = *end;
        }
        then.rises.retain(|rise| rise.at.is_none_or(|rose| rose <= at));
        then.excuses.retain(|excuse| excuse.by.1 <= at);
        then
    }
}
