//! What should have been made before somebody said that risk, flags or plan are otherwise. It stays due until it is made or a manager excuses
//! it (row T4): nobody makes up for a visit by lowering the risk.

use chrono::NaiveDate;

use super::{
    BEFORE, By, Excuse, Facts, History, InForce, Line,
    standing::{after_pauses, as_known},
};
use crate::domain::calendar::day_of;

/// Those lines, beside the ones that follow from what is known now.
pub(super) fn missed(facts: &Facts, in_force: &InForce, today: NaiveDate, now: &[Line]) -> Vec<Line> {
    let (supervision, zone) = (&facts.supervision, in_force.zone);
    let mut all: Vec<Line> = Vec::new();
    if supervision.end.is_some_and(|end| end <= today) {
        return all;
    }
    // What a supervision before this one left undone is nobody's to do any more; figures know it.
    let mut began = (0..supervision.earlier.len()).filter_map(|n| supervision.anew_after(n));
    let began = began.rfind(|anew| *anew <= today);
    let mut changed_before = None;
    for earlier in &supervision.earlier {
        let changed_on = day_of(earlier.until, zone);
        // What was said and taken back on one day was a slip; what was so before it stands by itself.
        let is_slip = changed_before.replace(changed_on) == Some(changed_on);
        let is_of_now = began.is_none_or(|began| began <= changed_on) && changed_on <= today;
        if is_slip || !is_of_now || facts.seen().any(|seen| seen.at >= earlier.until) {
            continue;
        }
        let known = (earlier.until - BEFORE, zone);
        let mut concerns = facts.history.concerns.clone();
        concerns.retain(|worry| worry.identified.is_by(known));
        let then = Facts {
            visiting: facts.visiting,
            supervision: supervision.as_of(known),
            history: History { visits: facts.history.visits.clone(), concerns },
        };
        let lines = as_known(&then, in_force, changed_on).lines.into_iter();
        let over = lines.filter(|line| line.by.day().is_some_and(|day| day < changed_on));
        for mut line in over.filter_map(|line| as_excused_since(line, facts, today)) {
            let is_same = |other: &Line| {
                other.rule == line.rule && other.matter() == line.matter() && other.by <= line.by
            };
            if !now.iter().chain(&all).any(is_same) {
                line.missed_on = Some(changed_on);
                all.push(line);
            }
        }
    }
    all
}

/// The line as managers have left it since; nothing: one has excused it.
fn as_excused_since(line: Line, facts: &Facts, today: NaiveDate) -> Option<Line> {
    let mut last_first = facts.supervision.excuses.iter().rev();
    match last_first.find(|excuse| excuse.is_about(&line.rule, line.matter())) {
        None => Some(line),
        Some(Excuse { instead, .. }) => {
            let by = By::On(after_pauses((*instead)?, facts, today)?);
            Some(Line { by, is_put_off: true, ..line })
        }
    }
}
