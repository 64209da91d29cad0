//! What became of visits that were due, for figures (row T5): of each that a rule asked for, whether it was made in time, as the due list
//! said on that day. What was known then decides, so that a risk that rises later makes no earlier visit late.

use chrono::{NaiveDate, NaiveTime};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::{
    After, BEFORE, By, Counted, Excuse, Facts, History, Holder, Identified, InForce, Instant, Line, Made,
    Supervision, When, Worry, standing, standing::after_pauses,
};
use crate::{
    clock::Time,
    domain::{calendar::day_of, local_time, visit::word_enum},
};

word_enum! {
    /// What asks for a visit.
    Due {
        /// The first visit of a supervision.
        FirstVisit = "first_visit",
        /// That visits go on, as often as plan or rules say; or one after another.
        Frequency = "frequency",
        /// That the risk has risen, or a concern was raised.
        RisingRisk = "rising_risk",
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
    /// What it counted from.
    pub from: NaiveDate,
    /// The last day for it.
    pub due_on: NaiveDate,
    /// How high the risk was.
    pub risk: Option<String>,
    /// What became of it.
    pub became: Became,
}

/// The rules in force since then, the first ones first.
pub type RulesSince = Vec<(Time, InForce)>;

/// Each visit that was due by a rule of that kind, up to this day: first and further visits by the strictest, and of what has happened each
/// by itself. Each counts once:
///
/// | what became of it | counted with |
/// |---|---|
/// | a visit was made, in time or late | that visit, by what was known then |
/// | a manager excused it, and no visit had been made by then | `excused` |
/// | its concern was closed after its day | `closed_too_late` |
/// | supervision began anew after its day | `left_at_restarts` |
/// | it is open, or was when supervision ended | the last part of this |
pub fn were_due(facts: &Facts, rules: &RulesSince, due: Due, today: NaiveDate) -> Vec<WasDue> {
    let mut all = Vec::new();
    let Some((_, now_in_force)) = rules.last() else { return all };
    let zone = now_in_force.zone;
    let visits = &facts.history.visits;
    for (n, visit) in visits.iter().enumerate().filter(|(_, visit)| visit.counts()) {
        let mut before = visits.get(..n).unwrap_or_default();
        // Of two who went together, or twice on a day, the first counts; what has happened between them asks for the second.
        if due != Due::RisingRisk && before.iter().any(|before| before.counts() && before.on == visit.on) {
            continue;
        }
        let was_seen = |start| before.iter().any(|before| before.counts() && before.on >= start);
        let supervision = facts.supervision.as_of((visit.at, zone));
        if due == Due::FirstVisit && supervision.start.is_some_and(was_seen) {
            continue;
        }
        if let (Due::FirstVisit, Some(start)) = (due, supervision.start) {
            // What was before it makes no first visit impossible to judge, once it was made.
            let since = before.iter().position(|before| before.on >= start).unwrap_or(before.len());
            before = before.get(since..).unwrap_or_default();
        }
        let then = known_at(facts, supervision, before, (due, (visit.at, zone)));
        let in_force = in_force_at(rules, visit.at);
        for (line, due_on) in asked_for(&then, in_force, due, visit.on) {
            // Of a rise of a day alone nobody knows that a visit of that day came after it.
            if due == Due::RisingRisk && line.from == visit.on && line.at.is_none() {
                continue;
            }
            let became = if visit.on <= due_on { Became::InTime } else { Became::Late };
            let was = WasDue { rule: line.rule, from: line.from, due_on, risk: line.risk, became };
            count(&mut all, was, due);
        }
    }
    // What was open when it ended was not made.
    let last = facts.supervision.last_day_till(today);
    let ended = facts.supervision.end.is_some_and(|end| end <= today);
    let concerns = if due == Due::RisingRisk { facts.history.concerns.clone() } else { Vec::new() };
    let supervision = facts.supervision.till_its_end((today, zone));
    let history = History { concerns, ..facts.history.clone() };
    let now = Facts { visiting: facts.visiting, supervision, history };
    for (line, due_on) in asked_for(&now, Some(now_in_force), due, last) {
        if !ended || due_on <= last {
            let became = if due_on < today { Became::Overdue } else { Became::NotYet };
            let is = WasDue { rule: line.rule, from: line.from, due_on, risk: line.risk, became };
            count(&mut all, is, due);
        }
    }
    if due == Due::RisingRisk {
        all.extend(closed_too_late(facts, rules, zone));
    } else {
        let left = left_at_restarts(facts, rules, (due, today, zone), &all);
        all.extend(left);
    }
    let excused = excused(facts, rules, (due, today), zone);
    match due {
        Due::FirstVisit => all.extend(strictest_of_each(excused, &all)),
        Due::Frequency | Due::RisingRisk => all.extend(excused),
    }
    all
}

/// A first visit that was excused by several rules was excused once; where a stricter one counts it counts by that.
fn strictest_of_each(mut excused: Vec<WasDue>, counted: &[WasDue]) -> Vec<WasDue> {
    excused.sort_by_key(|was| (was.from, was.due_on));
    excused.dedup_by_key(|was| was.from);
    let is_stricter = |was: &WasDue, other: &WasDue| other.from == was.from && other.due_on < was.due_on;
    excused.retain(|was| !counted.iter().any(|other| is_stricter(was, other)));
    excused
}

/// Counts it. A further visit that leaves the next one due on the same day (made on the day from which that counts, or while days were not
/// counted) has not met it: the last does.
fn count(all: &mut Vec<WasDue>, was: WasDue, due: Due) {
    if due == Due::Frequency {
        all.retain(|before| (&before.rule, before.due_on) != (&was.rule, was.due_on));
    }
    all.push(was);
}

/// What was known at that time; concerns matter for what they ask for alone.
fn known_at(facts: &Facts, supervision: Supervision, before: &[Made], (due, at): (Due, Instant)) -> Facts {
    let concerns = if due == Due::RisingRisk { facts.history.concerns_at(at) } else { Vec::new() };
    let history = History { visits: before.to_vec(), concerns };
    Facts { visiting: facts.visiting, supervision, history }
}

/// What was overdue when supervision began anew, and was not made; while that lies ahead it may be among what is `open`.
fn left_at_restarts(
    facts: &Facts,
    rules: &RulesSince,
    (due, today, zone): (Due, NaiveDate, Tz),
    open: &[WasDue],
) -> Vec<WasDue> {
    let supervision = &facts.supervision;
    let mut all = Vec::new();
    for anew in (0..supervision.earlier.len()).filter_map(|n| supervision.anew_after(n)) {
        let before = |visit: &&Made| visit.on < anew;
        let visits: Vec<Made> = facts.history.visits.iter().filter(before).copied().collect();
        let began = local_time::at(anew, NaiveTime::MIN, zone);
        let known = supervision.as_of((began - BEFORE, zone)).till_its_end((anew, zone));
        let then = known_at(facts, known, &visits, (due, (began, zone)));
        let on = then.supervision.last_day_till(anew);
        for (line, due_on) in asked_for(&then, in_force_at(rules, began), due, on) {
            if due_on < anew && due_on <= on {
                // It may begin anew only later.
                let became = if due_on < today { Became::Overdue } else { Became::NotYet };
                let was = WasDue { rule: line.rule, from: line.from, due_on, risk: line.risk, became };
                if anew <= today || !open.contains(&was) {
                    all.push(was);
                }
            }
        }
    }
    all
}

/// Concerns that were closed after the last day for a visit, which nobody had made.
fn closed_too_late(facts: &Facts, rules: &RulesSince, zone: Tz) -> Vec<WasDue> {
    let mut all = Vec::new();
    for worry in &facts.history.concerns {
        let Some(closed) = worry.closed else { continue };
        let before: Vec<Made> =
            facts.history.visits.iter().filter(|visit| visit.at < closed).copied().collect();
        let concerns = vec![Worry { closed: None, ..*worry }];
        let history = History { visits: before, concerns };
        let supervision = facts.supervision.as_of((closed, zone));
        let then = Facts { visiting: facts.visiting, supervision, history };
        let closed_on = day_of(closed, zone);
        let on = then.supervision.last_day_till(closed_on);
        for (line, due_on) in asked_for(&then, in_force_at(rules, closed), Due::RisingRisk, on) {
            if line.concern == Some(worry.id) && due_on < closed_on && due_on <= on {
                all.push(WasDue {
                    rule: line.rule,
                    from: line.from,
                    due_on,
                    risk: line.risk,
                    became: Became::Overdue,
                });
            }
        }
    }
    all
}

impl History {
    /// The concerns that were open at that time.
    fn concerns_at(&self, at: Instant) -> Vec<Worry> {
        let raised = |worry: &&Worry| worry.identified.is_by(at);
        let open = |worry: &&Worry| worry.closed.is_none_or(|closed| closed > at.0);
        let then = self.concerns.iter().filter(raised).filter(open);
        then.map(|worry| Worry { closed: None, ..*worry }).collect()
    }
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
        Due::Frequency => match rule.when {
            When::Every(_) | When::AsPlanned => true,
            When::Within(_) => rule.after.iter().any(|after| matches!(after, After::Rule(_))),
            When::Now => false,
        },
        Due::RisingRisk => {
            let matter =
                |after: &After| matches!(after, After::RiskRise | After::Safeguarding | After::Concern);
            rule.after.iter().any(matter) && matches!(rule.when, When::Within(_))
        }
    })
}

/// What the due list said of that kind, with its day; not what a manager had put off or excused, which counts by itself.
fn asked_for(
    facts: &Facts,
    in_force: Option<&InForce>,
    due: Due,
    today: NaiveDate,
) -> Vec<(Line, NaiveDate)> {
    let Some(in_force) = in_force else { return Vec::new() };
    let is_excused = |line: &Line| {
        facts.supervision.excuses.iter().any(|excuse| match due {
            // One first visit is due, by whichever rules: whoever excuses it by the strictest has excused it.
            Due::FirstVisit => {
                let is_no_looser = excuse.due_on.is_none_or(|day| By::On(day) <= line.by);
                excuse.from == line.from && is(in_force, &excuse.rule, due) && is_no_looser
            }
            Due::Frequency | Due::RisingRisk => excuse.is_about(&line.rule, line.matter()),
        })
    };
    let lines = standing(facts, in_force, today).lines.into_iter();
    let lines = lines.filter(|line| is(in_force, &line.rule, due));
    let dated = lines.filter_map(|line| line.by.day().map(|day| (line, day)));
    let counted = match due {
        Due::FirstVisit | Due::Frequency => dated.take(1).collect(),
        Due::RisingRisk => {
            let mut of_each: Vec<(Line, NaiveDate)> = Vec::new();
            for (line, day) in dated {
                if of_each.iter().all(|(stricter, _)| stricter.matter() != line.matter()) {
                    of_each.push((line, day));
                }
            }
            of_each
        }
    };
    counted.into_iter().filter(|(line, _)| !is_excused(line)).collect()
}

/// What managers have excused: the last that was said of each.
fn excused(facts: &Facts, rules: &RulesSince, (due, today): (Due, NaiveDate), zone: Tz) -> Vec<WasDue> {
    let supervision = &facts.supervision;
    let excuses = &supervision.excuses;
    let last = excuses.iter().enumerate().filter(|(n, excuse)| {
        let later = excuses.get(n + 1..).unwrap_or_default();
        let matter = (Identified { on: excuse.from, at: excuse.at }, excuse.concern);
        !later.iter().any(|later| later.is_about(&excuse.rule, matter))
    });
    // A visit that was recorded only after the excuse had met it already, and counts by itself.
    let was_met = |excuse: &Excuse| {
        facts.seen().filter(|seen| seen.at < excuse.by.1).any(|seen| match excuse.at {
            Some(at) => seen.at > at,
            None if due == Due::FirstVisit => seen.on >= excuse.from,
            None => seen.on > excuse.from,
        })
    };
    last.filter(|(_, excuse)| !was_met(excuse))
        .filter_map(|(_, excuse)| {
            let in_force = in_force_at(rules, excuse.by.1)?;
            is(in_force, &excuse.rule, due).then(|| WasDue {
                rule: excuse.rule.clone(),
                from: excuse.from,
                due_on: excuse.due_on.unwrap_or(excuse.from),
                risk: excuse.risk.clone().or_else(|| supervision.as_of((excuse.by.1, zone)).risk),
                became: match (excuse.counted, excuse.instead) {
                    (Counted::Late, _) => Became::Late,
                    (Counted::LeftOut, None) => Became::LeftOut,
                    // Put off: by then it has to be made.
                    (Counted::LeftOut, Some(instead)) => {
                        let seen = facts.seen().find(|seen| seen.at > excuse.by.1).map(|seen| seen.on);
                        let last = supervision.last_day_till(today);
                        match after_pauses(instead, facts, seen.unwrap_or(last)) {
                            Some(by) if seen.is_some_and(|seen| seen > by) => Became::Late,
                            Some(by) if seen.is_none() && today > by && by <= last => Became::Overdue,
                            _ => Became::LeftOut,
                        }
                    }
                },
            })
        })
        .collect()
}

impl Supervision {
    /// Whose it was at the end of a day, if it is another's by now.
    pub fn holder_on(&self, day: NaiveDate) -> Option<&Holder> {
        self.holders.iter().find(|holder| holder.until > day)
    }

    /// How high the risk is, while supervision goes on: managers are asked to look at nobody's who has left it.
    pub fn risk_on(&self, day: NaiveDate) -> Option<&str> {
        self.risk.as_deref().filter(|_| self.end.is_none_or(|end| end > day))
    }

    /// The last day up to this on which a visit could be due: none is after its end.
    fn last_day_till(&self, day: NaiveDate) -> NaiveDate {
        self.end.and_then(|end| end.pred_opt()).map_or(day, |last| last.min(day))
    }

    /// What was known on its last day, if it has ended by then: what is said afterwards of risk, flags and plan made nothing that was
    /// overdue undone. Excuses and pauses are those of now.
    fn till_its_end(&self, (by, zone): (NaiveDate, Tz)) -> Self {
        let Some(end) = self.end.filter(|end| *end <= by) else { return self.clone() };
        let then = self.as_of((local_time::at(end, NaiveTime::MIN, zone) - BEFORE, zone));
        Self { end: Some(end), excuses: self.excuses.clone(), pauses: self.pauses.clone(), ..then }
    }

    /// The start of the supervision that follows the earlier one of that number, where it began anew then.
    pub(super) fn anew_after(&self, n: usize) -> Option<NaiveDate> {
        let start = self.earlier.get(n)?.start?;
        let next = self.earlier.get(n + 1).map_or(self.start, |next| next.start);
        next.filter(|next| *next != start)
    }

    /// What was known of it then; a level of risk that was not is the one that was said first. Where it began anew that is so from its
    /// start on, whenever it was said.
    #[must_use]
    pub(super) fn as_of(&self, (at, zone): Instant) -> Self {
        let on = day_of(at, zone);
        let count = self.earlier.len();
        let has_begun = |n: &usize| self.anew_after(*n).is_some_and(|anew| anew <= on);
        let first = (0..count).rfind(has_begun).map_or(0, |n| n + 1);
        let holds = |n: &usize| {
            self.anew_after(*n).is_some() || self.earlier.get(*n).is_some_and(|earlier| earlier.until > at)
        };
        let known = (first..count).find(holds);
        let (before, since) = self.earlier.split_at(known.unwrap_or(count));
        let said_first = || {
            let said = since.iter().find_map(|earlier| earlier.risk.as_ref());
            said.or(self.risk.as_ref()).cloned()
        };
        let (start, first_start, flags, plan, end) = match since.first() {
            Some(then) => (then.start, then.first_start, &then.flags, &then.plan, then.end),
            None => (self.start, self.first_start, &self.flags, &self.plan, self.end),
        };
        Self {
            start,
            first_start,
            risk: said_first(),
            flags: flags.clone(),
            plan: plan.clone(),
            end,
            // What is said of the time before counts whenever it was said; what came later moves nothing.
            pauses: self.pauses.iter().filter(|pause| pause.from <= on).copied().collect(),
            rises: self.rises.iter().filter(|rise| rise.is_by((at, zone))).copied().collect(),
            excuses: self.excuses.iter().filter(|excuse| excuse.by.1 <= at).cloned().collect(),
            // Whose it was is asked of what is known now.
            holders: Vec::new(),
            earlier: before.to_vec(),
        }
    }
}
