//! What was overdue stays so, whatever is said of risk, flags and plan.

use super::*;

/// High risk since 1 March, said to be low on that day.
fn lowered(on: &str) -> Facts {
    let mut facts = supervised("2026-03-01", "low");
    facts.supervision.earlier = vec![before(&facts, noon_of(day(on)), "high")];
    facts
}

fn first(facts: &Facts, today: &str) -> String {
    let all = were_due(facts, &vec![(noon_of(day("2025-01-01")), probation())], Due::FirstVisit, day(today));
    let line = |was: &WasDue| format!("{} {} {}", was.rule, was.due_on, was.became.as_str());
    all.iter().map(line).collect::<Vec<_>>().join("; ")
}

#[test]
fn a_lower_risk_makes_up_for_no_visit() {
    let rules = probation();
    let mut facts = lowered("2026-03-20");
    assert_eq!(on(&facts, &rules, "2026-03-25"), "first_high 2026-03-16; first_low 2026-05-24");
    assert_eq!(first(&facts, "2026-03-25"), "first_high 2026-03-16 overdue");
    let why = standing(&facts, &rules, day("2026-03-25")).lines[0].why(&[]);
    assert!(why.ends_with("; it was overdue on 2026-03-20, when risk, flags or plan changed"), "{why}");
    facts.history.visits = vec![made("2026-03-26", VisitOutcome::NotIn)];
    assert_eq!(
        on(&facts, &rules, "2026-03-27"),
        "first_high 2026-03-16; first_low 2026-05-24",
        "a closed door"
    );
    facts.history.visits = vec![seen("2026-04-20")];
    assert_eq!(on(&facts, &rules, "2026-04-21"), "");
    assert_eq!(first(&facts, "2026-04-21"), "first_high 2026-03-16 late");
    // One that was made before, and recorded only now.
    facts.history.visits = vec![seen("2026-03-15")];
    assert_eq!(on(&facts, &rules, "2026-04-21"), "");
    assert_eq!(first(&facts, "2026-04-21"), "first_high 2026-03-16 in_time");
    // Whatever lay ahead is due as it is known now.
    assert_eq!(on(&lowered("2026-03-16"), &rules, "2026-03-25"), "first_low 2026-05-24");
}

#[test]
fn nor_do_fewer_flags_or_a_plan_that_asks_for_less() {
    let rules = probation();
    let mut facts = lowered("2026-03-20");
    facts.supervision.earlier[0].risk = Some("low".into());
    facts.supervision.earlier[0].flags = vec!["registered_sex_offender".into()];
    assert_eq!(on(&facts, &rules, "2026-03-25"), "first_high 2026-03-16; first_low 2026-05-24");
    let mut facts = supervised("2026-01-14", "low");
    facts.history.visits = vec![seen("2026-01-20")];
    facts.supervision.plan = Some(plan("4 weeks", "2026-01-20"));
    facts.supervision.earlier = vec![before(&facts, noon_of(day("2026-03-02")), "low")];
    for (every, due) in [(Some("12 weeks"), "plan 2026-02-17; plan 2026-04-14"), (None, "plan 2026-02-17")] {
        facts.supervision.plan = every.map(|every| plan(every, "2026-01-20"));
        assert_eq!(on(&facts, &rules, "2026-03-10"), due, "{every:?}");
    }
    facts.history.visits.push(seen("2026-03-11"));
    assert_eq!(on(&facts, &rules, "2026-03-12"), "");
}

#[test]
fn a_manager_excuses_it_and_nothing_else_ends_it() {
    let rules = probation();
    let mut facts = lowered("2026-03-20");
    facts.supervision.excuses = vec![excuse("first_high", day("2026-03-01"), day("2026-03-16"), None)];
    facts.supervision.excuses[0].by.1 = noon_of(day("2026-03-23"));
    assert_eq!(on(&facts, &rules, "2026-03-25"), "first_low 2026-05-24");
    assert_eq!(first(&facts, "2026-03-25"), "first_high 2026-03-16 left_out");
    facts.supervision.excuses[0].instead = Some(day("2026-03-30"));
    assert_eq!(on(&facts, &rules, "2026-03-25"), "first_high 2026-03-30; first_low 2026-05-24");
    // Said only now: they were in custody all the while.
    let mut facts = lowered("2026-03-20");
    facts.supervision.pauses =
        vec![Pause { from: day("2026-03-05"), until: Some(day("2026-04-05")), why: Paused::Custody }];
    assert_eq!(on(&facts, &rules, "2026-03-25"), "first_low 2026-06-24");
    // It is over, or began anew: nobody is to go there for that any more.
    let mut facts = lowered("2026-03-20");
    facts.supervision.end = Some(day("2026-03-24"));
    assert_eq!(on(&facts, &rules, "2026-03-25"), "");
    assert_eq!(first(&facts, "2026-03-25"), "first_high 2026-03-16 overdue");
    let mut facts = lowered("2026-03-20");
    facts.supervision.earlier.push(before(&facts, noon_of(day("2026-04-01")), "low"));
    facts.supervision.start = Some(day("2026-04-01"));
    facts.supervision.first_start = Some(day("2026-03-01"));
    assert_eq!(on(&facts, &rules, "2026-04-02"), "first_low 2026-06-24");
    assert_eq!(first(&facts, "2026-04-02"), "first_low 2026-06-24 not_yet; first_high 2026-03-16 overdue");
}

#[test]
fn what_an_earlier_supervision_left_undone_does_not_come_back() {
    let rules = probation();
    // It begins anew on 1 April; that was said on 20 March, and a flag five days later.
    let mut facts = supervised("2026-04-01", "high");
    facts.supervision.first_start = Some(day("2026-03-01"));
    let mut old = before(&facts, noon_of(day("2026-03-20")), "high");
    old.start = Some(day("2026-03-01"));
    facts.supervision.earlier = vec![old, before(&facts, noon_of(day("2026-03-25")), "medium")];
    assert_eq!(
        on(&facts, &rules, "2026-03-26"),
        "first_high 2026-03-16 | supervision begins only on 2026-04-01"
    );
    assert_eq!(first(&facts, "2026-03-26"), "first_high 2026-03-16 overdue", "once");
    assert_eq!(on(&facts, &rules, "2026-04-02"), "first_high 2026-04-16");
    facts.history.visits = vec![seen("2026-04-05")];
    assert_eq!(first(&facts, "2026-04-06"), "first_high 2026-04-16 in_time; first_high 2026-03-16 overdue");
}

#[test]
fn whoever_ends_it_and_lowers_the_risk_leaves_the_figures_as_they_were() {
    for (changed, end) in [("2026-03-26", "2026-03-26"), ("2026-03-28", "2026-03-26")] {
        let mut facts = lowered(changed);
        facts.supervision.end = Some(day(end));
        assert_eq!(first(&facts, "2026-04-20"), "first_high 2026-03-16 overdue", "{changed}");
        facts.supervision.excuses = vec![excuse("first_high", day("2026-03-01"), day("2026-03-16"), None)];
        facts.supervision.excuses[0].by.1 = noon_of(day("2026-04-02"));
        assert_eq!(first(&facts, "2026-04-20"), "first_high 2026-03-16 left_out", "{changed}");
    }
}

#[test]
fn one_first_visit_is_excused_once_and_by_the_strictest_rule() {
    let excused = |rule: &str, due: &str, on: &str| {
        let excuse = excuse(rule, day("2026-03-01"), day(due), None);
        Excuse { by: (excuse.by.0, noon_of(day(on))), ..excuse }
    };
    let mut facts = lowered("2026-03-20");
    facts.supervision.excuses = vec![excused("first_low", "2026-05-24", "2026-03-21")];
    assert_eq!(on(&facts, &probation(), "2026-03-25"), "first_high 2026-03-16");
    assert_eq!(first(&facts, "2026-03-25"), "first_high 2026-03-16 overdue");
    facts.history.visits = vec![seen("2026-04-20")];
    assert_eq!(first(&facts, "2026-04-21"), "first_high 2026-03-16 late");
    facts.history.visits.clear();
    facts.supervision.excuses.push(excused("first_high", "2026-03-16", "2026-03-22"));
    assert_eq!(on(&facts, &probation(), "2026-03-25"), "");
    assert_eq!(first(&facts, "2026-03-25"), "first_high 2026-03-16 left_out");
}

#[test]
fn what_comes_again_is_due_from_the_day_on_which_it_was() {
    let mut facts = supervised("2026-01-14", "low");
    facts.history.visits = vec![seen("2026-01-20")];
    facts.supervision.plan = Some(plan("4 weeks", "2026-01-20"));
    facts.supervision.earlier = vec![before(&facts, noon_of(day("2026-03-02")), "low")];
    facts.supervision.plan = Some(plan("12 weeks", "2026-01-20"));
    facts.supervision.excuses = vec![excuse("plan", day("2026-01-20"), day("2026-02-17"), None)];
    assert_eq!(on(&facts, &probation(), "2026-03-10"), "plan 2026-05-12");
    facts.supervision.excuses[0].instead = Some(day("2026-03-30"));
    assert_eq!(on(&facts, &probation(), "2026-03-10"), "plan 2026-03-30");
}

#[test]
fn a_slip_of_a_day_makes_nothing_overdue() {
    let mut facts = supervised("2026-03-01", "low");
    let at = |time: &str| format!("2026-03-20T{time}:00Z").parse().unwrap();
    facts.supervision.earlier = vec![before(&facts, at("10:00"), "low"), before(&facts, at("10:05"), "high")];
    assert_eq!(on(&facts, &probation(), "2026-03-25"), "first_low 2026-05-24");
    // What was so before stands by itself.
    facts.supervision.earlier[0].risk = Some("high".into());
    facts.supervision.earlier[1].risk = Some("medium".into());
    assert_eq!(on(&facts, &probation(), "2026-03-25"), "first_high 2026-03-16; first_low 2026-05-24");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_said_of_the_risk_what_is_overdue_stays_so(
        facts in some_facts(),
        today in some_day(),
        risk in prop::sample::select(vec!["low", "medium", "high", "very_high"]),
    ) {
        let rules = probation();
        let until = noon_of(today);
        let mut facts = facts;
        // Nobody has said yet what they say later.
        facts.supervision.excuses.retain(|excuse| excuse.by.1 < until);
        facts.supervision.earlier.retain(|earlier| earlier.until < until);
        facts.history.visits.retain(|visit| visit.at < until);
        let overdue = standing(&facts, &rules, today).lines.into_iter().filter(|line| line.by.day().is_some_and(|day| day < today));
        let overdue: Vec<Line> = overdue.collect();
        let mut after = facts;
        let was = after.supervision.risk.replace(risk.into()).unwrap();
        after.supervision.earlier.push(before(&after, until, &was));
        after.supervision.flags.clear();
        after.supervision.plan = None;
        let lines = standing(&after, &rules, today).lines;
        for was in overdue {
            let stays = lines.iter().any(|line| (&line.rule, line.by, line.from) == (&was.rule, was.by, was.from));
            prop_assert!(stays, "{was:?} {lines:?}");
        }
    }
}
