//! What became of visits that were due.

use super::*;

/// `rule date risk class`, of each visit that was due.
fn figures(facts: &Facts, due: Due, today: &str) -> String {
    let since = noon_of(day("2025-01-01"));
    let all = were_due(facts, &vec![(since, probation())], due, day(today));
    let line = |was: &WasDue| {
        let risk = was.risk.as_deref().unwrap_or("-");
        format!("{} {} {risk} {}", was.rule, was.due_on, was.became.as_str())
    };
    all.iter().map(line).collect::<Vec<_>>().join("; ")
}

#[test]
fn what_became_of_first_visits() {
    let mut facts = supervised("2026-01-14", "high");
    let first = |facts: &Facts, today| figures(facts, Due::FirstVisit, today);
    assert_eq!(first(&facts, "2026-01-29"), "first_high 2026-01-29 high not_yet");
    assert_eq!(first(&facts, "2026-01-30"), "first_high 2026-01-29 high overdue");
    facts.history.visits = vec![made("2026-01-20", VisitOutcome::NotIn)];
    assert_eq!(first(&facts, "2026-01-30"), "first_high 2026-01-29 high overdue", "a closed door");
    facts.history.visits.push(seen("2026-01-29"));
    facts.history.visits.push(seen("2026-02-20"));
    assert_eq!(first(&facts, "2026-06-30"), "first_high 2026-01-29 high in_time", "once");
    facts.history.visits[1] = seen("2026-01-30");
    assert_eq!(first(&facts, "2026-06-30"), "first_high 2026-01-29 high late");
    facts.supervision.start = None;
    assert_eq!(first(&facts, "2026-06-30"), "", "what cannot be computed is in time for nobody");
}

#[test]
fn what_was_not_known_when_the_visit_was_made_counts_all_the_same() {
    let first = |facts: &Facts| figures(facts, Due::FirstVisit, "2026-06-30");
    // Nobody had said how high the risk is: it stays listed until somebody does, and that holds back to the start.
    let mut facts = supervised("2026-01-02", "high");
    facts.supervision.risk = None;
    facts.history.visits = vec![seen("2026-03-20")];
    assert_eq!(on(&facts, &probation(), "2026-06-30"), " | the level of risk is not known");
    let before = Earlier {
        until: noon_of(day("2026-04-01")),
        start: facts.supervision.start,
        first_start: None,
        risk: None,
        flags: Vec::new(),
        plan: None,
        end: None,
    };
    facts.supervision.risk = Some("high".into());
    facts.supervision.earlier = vec![before.clone()];
    assert_eq!(first(&facts), "first_high 2026-01-17 high late");
    // Somebody was seen before supervision began: the first visit since is judged by itself.
    let mut facts = supervised("2026-01-14", "high");
    facts.history.visits = vec![seen("2026-01-07"), seen("2026-03-20")];
    assert_eq!(first(&facts), "first_high 2026-01-29 high late");
    // It began anew before anybody was seen: what was missed stays missed.
    let mut facts = supervised("2026-03-01", "high");
    facts.supervision.first_start = Some(day("2026-01-02"));
    facts.supervision.earlier = vec![Earlier {
        until: noon_of(day("2026-03-02")),
        start: Some(day("2026-01-02")),
        risk: Some("high".into()),
        ..before
    }];
    facts.history.visits = vec![seen("2026-03-10")];
    assert_eq!(first(&facts), "first_high 2026-03-16 high in_time; first_high 2026-01-17 high overdue");
}

#[test]
fn a_concern_between_two_visits_of_a_day_asks_for_the_second() {
    let mut facts = supervised("2026-01-14", "low");
    let at = |time: &str| time.parse::<Time>().unwrap();
    let mut visits = vec![seen("2026-02-02"), seen("2026-02-02")];
    visits[0].at = at("2026-02-02T09:00:00Z");
    visits[1].at = at("2026-02-02T15:00:00Z");
    facts.history.visits = visits;
    let mut raised = worry(WorryKind::Safeguarding, "2026-02-02");
    raised.identified.at = Some(at("2026-02-02T11:00:00Z"));
    facts.history.concerns = vec![raised];
    assert_eq!(figures(&facts, Due::RisingRisk, "2026-06-30"), "safeguarding 2026-02-16 low in_time");
}

#[test]
fn a_risk_that_rises_later_makes_no_earlier_visit_late() {
    let mut facts = supervised("2026-01-14", "low");
    facts.history.visits = vec![seen("2026-03-02")];
    let known = "first_low 2026-04-08 low in_time";
    assert_eq!(figures(&facts, Due::FirstVisit, "2026-06-30"), known);
    facts.supervision.risk = Some("high".into());
    facts.supervision.earlier = vec![Earlier {
        until: noon_of(day("2026-03-10")),
        start: facts.supervision.start,
        first_start: None,
        risk: Some("low".into()),
        flags: Vec::new(),
        plan: None,
        end: None,
    }];
    assert_eq!(figures(&facts, Due::FirstVisit, "2026-06-30"), known);
    facts.history.visits = vec![seen("2026-03-11")];
    assert_eq!(
        figures(&facts, Due::FirstVisit, "2026-06-30"),
        "first_high 2026-01-29 high late",
        "known by then"
    );
}

#[test]
fn what_became_of_further_visits() {
    let mut facts = supervised("2026-01-14", "high");
    facts.supervision.plan = Some(plan("4 weeks", "2026-01-20"));
    facts.history.visits = vec![seen("2026-01-20"), seen("2026-02-17"), seen("2026-03-18")];
    let further = |facts: &Facts| figures(facts, Due::Frequency, "2026-04-01");
    let all = "plan 2026-02-17 high in_time; plan 2026-03-17 high late; plan 2026-04-15 high not_yet";
    assert!(further(&facts).ends_with(all), "{}", further(&facts));
    let excuse = |counted| Excuse {
        rule: "plan".into(),
        from: day("2026-02-17"),
        at: None,
        concern: None,
        due_on: Some(day("2026-03-17")),
        risk: None,
        instead: None,
        counted,
        reason: "away".into(),
        by: (PersonId(Uuid::nil()), noon_of(day("2026-03-10"))),
    };
    facts.supervision.excuses = vec![excuse(Counted::LeftOut)];
    assert!(further(&facts).ends_with("; plan 2026-03-17 high left_out"), "{}", further(&facts));
    assert!(!further(&facts).contains("late"), "{}", further(&facts));
    facts.supervision.excuses.push(excuse(Counted::Late));
    assert!(further(&facts).ends_with("; plan 2026-03-17 high late"), "the last word: {}", further(&facts));
}

#[test]
fn whoever_goes_along_makes_it_no_two_visits() {
    let mut facts = supervised("2026-01-14", "high");
    facts.supervision.plan = Some(plan("4 weeks", "2026-01-20"));
    facts.history.visits =
        vec![seen("2026-01-20"), seen("2026-01-20"), seen("2026-02-10"), seen("2026-02-10")];
    let known = figures(&facts, Due::Frequency, "2026-02-20");
    assert_eq!(
        known, "plan 2026-02-17 high in_time; plan 2026-03-10 high not_yet",
        "it counts from the first of them"
    );
    assert_eq!(figures(&facts, Due::FirstVisit, "2026-02-20").matches("in_time").count(), 1);
}

#[test]
fn what_was_put_off_has_to_be_made_by_then() {
    let mut facts = supervised("2026-01-14", "high");
    let put_off = excuse("first_high", day("2026-01-14"), day("2026-01-29"), Some(day("2026-02-05")));
    let by = (put_off.by.0, noon_of(day("2026-01-20")));
    facts.supervision.excuses = vec![Excuse { by, ..put_off }];
    // A flag asks for the visit of a low risk too: it is one first visit all the same.
    facts.supervision.flags = vec!["registered_sex_offender".into()];
    facts.supervision.risk = Some("low".into());
    let first = |facts: &Facts| figures(facts, Due::FirstVisit, "2026-02-06").replace(" low ", " high ");
    assert_eq!(first(&facts), "first_high 2026-01-29 high overdue");
    facts.history.visits = vec![seen("2026-02-05")];
    assert_eq!(first(&facts), "first_high 2026-01-29 high left_out");
    facts.history.visits = vec![seen("2026-02-06")];
    assert_eq!(first(&facts), "first_high 2026-01-29 high late");
    facts.history.visits.clear();
    facts.supervision.pauses = vec![Pause { from: day("2026-02-02"), until: None, why: Paused::Custody }];
    assert_eq!(first(&facts), "first_high 2026-01-29 high left_out", "in custody");
}

#[test]
fn what_is_over_asks_for_nothing_and_what_was_missed_stays_missed() {
    let mut facts = supervised("2026-01-14", "high");
    facts.supervision.end = Some(day("2026-03-01"));
    assert_eq!(on(&facts, &probation(), "2026-02-28"), "first_high 2026-01-29");
    assert_eq!(on(&facts, &probation(), "2026-03-01"), "");
    assert_eq!(figures(&facts, Due::FirstVisit, "2026-06-01"), "first_high 2026-01-29 high overdue");
    facts.supervision.end = Some(day("2026-01-20"));
    assert_eq!(figures(&facts, Due::FirstVisit, "2026-06-01"), "", "it ended before its day");
}

#[test]
fn what_was_missed_stays_missed_when_supervision_begins_anew() {
    let anew = |start: &str, (before, until, end): (&str, &str, Option<&str>)| {
        let mut facts = supervised(start, "high");
        facts.supervision.first_start = Some(day(before));
        facts.supervision.earlier = vec![Earlier {
            until: noon_of(day(until)),
            start: Some(day(before)),
            first_start: None,
            risk: Some("high".into()),
            flags: Vec::new(),
            plan: None,
            end: end.map(day),
        }];
        facts
    };
    let first = |facts: &Facts, today| figures(facts, Due::FirstVisit, today);
    let ended = anew("2026-06-01", ("2026-01-14", "2026-06-01", Some("2026-03-01")));
    let both = "first_high 2026-06-16 high not_yet; first_high 2026-01-29 high overdue";
    assert_eq!(first(&ended, "2026-06-10"), both);
    let mut late = anew("2026-06-01", ("2026-01-14", "2026-06-21", None));
    late.history.visits = vec![seen("2026-01-20"), seen("2026-06-20")];
    let both = "first_high 2026-01-29 high in_time; first_high 2026-06-16 high late";
    assert_eq!(first(&late, "2026-07-01"), both, "said on 21 June, so since 1 June");
    let mut ahead = anew("2026-07-01", ("2026-06-01", "2026-06-12", None));
    assert_eq!(first(&ahead, "2026-06-13"), "first_high 2026-06-16 high not_yet");
    assert_eq!(first(&ahead, "2026-06-20"), "first_high 2026-06-16 high overdue");
    ahead.history.visits = vec![seen("2026-06-25")];
    let both = "first_high 2026-06-16 high late; first_high 2026-07-16 high not_yet";
    assert_eq!(first(&ahead, "2026-07-02"), both);
}

#[test]
fn each_matter_counts_once() {
    let mut facts = supervised("2026-01-14", "high");
    facts.history.visits = vec![seen("2026-01-28"), seen("2026-06-01"), seen("2026-06-08")];
    facts.supervision.rises = vec![Identified { on: day("2026-06-01"), at: None }];
    assert_eq!(figures(&facts, Due::RisingRisk, "2026-07-01"), "risk_rise 2026-06-15 high in_time");
    // It was recorded only after a manager had excused it.
    facts.supervision.excuses = vec![Excuse {
        rule: "first_high".into(),
        from: day("2026-01-14"),
        at: None,
        concern: None,
        due_on: Some(day("2026-01-29")),
        risk: None,
        instead: None,
        counted: Counted::LeftOut,
        reason: "nobody knew".into(),
        by: (PersonId(Uuid::nil()), noon_of(day("2026-01-30"))),
    }];
    assert_eq!(figures(&facts, Due::FirstVisit, "2026-07-01"), "first_high 2026-01-29 high in_time");
}

#[test]
fn a_pause_that_lies_ahead_hides_nothing_before_it() {
    let mut facts = supervised("2026-01-14", "high");
    let custody =
        |from, until: Option<&str>| Pause { from: day(from), until: until.map(day), why: Paused::Custody };
    facts.supervision.pauses = vec![custody("2026-01-22", None)];
    assert_eq!(on(&facts, &probation(), "2026-01-20"), "first_high 2026-01-29");
    assert_eq!(on(&facts, &probation(), "2026-01-22"), "", "now nobody knows when");
    facts.supervision.pauses = vec![custody("2026-01-22", Some("2026-01-24"))];
    assert_eq!(on(&facts, &probation(), "2026-01-20"), "first_high 2026-01-31");
    let first = |facts: &Facts| figures(facts, Due::FirstVisit, "2026-06-01");
    facts.history.visits = vec![seen("2026-01-30")];
    assert_eq!(first(&facts), "first_high 2026-01-31 high in_time");
    facts.history.visits = vec![seen("2026-01-20")];
    assert_eq!(
        first(&facts),
        "first_high 2026-01-29 high in_time",
        "what came after the visit moves nothing"
    );
}

#[test]
fn of_two_matters_of_one_day_one_is_excused() {
    let mut facts = supervised("2026-01-14", "high");
    facts.history.visits = vec![seen("2026-01-15")];
    let worry = |id: u128, hour| {
        let at = day("2026-03-02").and_hms_opt(hour, 0, 0).unwrap().and_utc();
        let identified = Identified { on: day("2026-03-02"), at: Some(at) };
        Worry { id: ConcernId(Uuid::from_u128(id)), kind: WorryKind::Safeguarding, identified, closed: None }
    };
    facts.history.concerns = vec![worry(1, 9), worry(2, 15)];
    let both = "safeguarding 2026-03-16; safeguarding 2026-03-16";
    assert_eq!(on(&facts, &probation(), "2026-03-03"), both);
    facts.supervision.excuses = vec![Excuse {
        rule: "safeguarding".into(),
        from: day("2026-03-02"),
        at: facts.history.concerns[0].identified.at,
        concern: Some(ConcernId(Uuid::from_u128(1))),
        due_on: Some(day("2026-03-16")),
        risk: None,
        instead: None,
        counted: Counted::LeftOut,
        reason: "seen by the police".into(),
        by: (PersonId(Uuid::nil()), noon_of(day("2026-03-02"))),
    }];
    assert_eq!(on(&facts, &probation(), "2026-03-03"), "safeguarding 2026-03-16");
}

#[test]
fn what_became_of_what_has_happened() {
    let mut facts = supervised("2026-01-14", "high");
    facts.history.visits = vec![seen("2026-01-20")];
    let rising = |facts: &Facts, today| figures(facts, Due::RisingRisk, today);
    facts.history.concerns = vec![worry(WorryKind::Safeguarding, "2026-03-02")];
    assert_eq!(rising(&facts, "2026-03-16"), "safeguarding 2026-03-16 high not_yet");
    assert_eq!(rising(&facts, "2026-03-17"), "safeguarding 2026-03-16 high overdue");
    let closed = noon_of(day("2026-03-20"));
    facts.history.concerns[0].closed = Some(closed);
    assert_eq!(
        rising(&facts, "2026-06-01"),
        "safeguarding 2026-03-16 high overdue",
        "closing makes no visit"
    );
    facts.supervision.end = Some(day("2026-03-18"));
    assert_eq!(
        rising(&facts, "2026-06-01"),
        "safeguarding 2026-03-16 high overdue",
        "closed after all was over"
    );
    facts.supervision.end = None;
    facts.history.concerns[0].closed = Some(noon_of(day("2026-03-10")));
    assert_eq!(rising(&facts, "2026-06-01"), "", "closed before its day");
    facts.history.concerns[0].closed = Some(closed);
    facts.history.visits.push(seen("2026-03-16"));
    assert_eq!(rising(&facts, "2026-06-01"), "safeguarding 2026-03-16 high in_time");
    facts.supervision.rises = vec![Identified { on: day("2026-03-02"), at: None }];
    assert_eq!(rising(&facts, "2026-06-01").matches("2026-03-16 high in_time").count(), 2, "each by itself");
    assert_eq!(figures(&facts, Due::FirstVisit, "2026-06-01"), "first_high 2026-01-29 high in_time");
}
