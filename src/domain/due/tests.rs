use std::collections::BTreeSet;

use chrono::{Days, Weekday::*};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::calendar::{BankHolidays, Nation};

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn noon_of(day: NaiveDate) -> Time {
    day.and_hms_opt(12, 0, 0).unwrap().and_utc()
}

fn in_force_in(rules: &str, nation: Nation) -> InForce {
    let office_days = vec![Mon, Tue, Wed, Thu, Fri];
    let holidays = BankHolidays::provided();
    let calendar = Calendar { holidays, nation, office_days, closures: BTreeSet::new() };
    InForce { rules: Rules::read(rules).unwrap(), calendar }
}

fn probation() -> InForce {
    in_force_in(provided("probation").unwrap(), Nation::EnglandAndWales)
}

fn made(text: &str, outcome: VisitOutcome) -> Made {
    Made { id: VisitId(Uuid::nil()), on: day(text), at: noon_of(day(text)), outcome }
}

fn seen(text: &str) -> Made {
    made(text, VisitOutcome::Seen)
}

fn supervised(start: &str, risk: &str) -> Facts {
    let supervision =
        Supervision { start: Some(day(start)), risk: Some(risk.into()), ..Supervision::default() };
    Facts { visiting: Some(Visiting::Supervised), supervision, history: History::default() }
}

fn worry(kind: WorryKind, on: &str) -> Worry {
    Worry { id: ConcernId(Uuid::nil()), kind, identified: Identified { on: day(on), at: None }, closed: None }
}

fn plan(every: &str, since: &str) -> Plan {
    Plan { every: every.parse().ok(), since: day(since) }
}

/// `rule date; rule date | what cannot be`, as it stands on a day.
fn on(facts: &Facts, in_force: &InForce, today: &str) -> String {
    let standing = standing(facts, in_force, day(today));
    let line =
        |line: &Line| format!("{} {}", line.rule, line.by.day().map_or("now".into(), |day| day.to_string()));
    let lines: Vec<_> = standing.lines.iter().map(line).collect();
    let cannot: Vec<_> = standing.cannot.iter().map(ToString::to_string).collect();
    [lines.join("; "), cannot.join("; ")].join(" | ").trim_end_matches(" | ").to_owned()
}

/// The words of the notice: what is due, and when.
#[test]
fn the_mandatory_timescales_of_the_notice() {
    let rules = probation();
    for (risk, flag, expected) in [
        // "within 15 days of the start of supervision for individuals who are a high risk of serious harm"
        ("high", None, "first_high 2026-01-29"),
        ("very_high", None, "first_high 2026-01-29"),
        // "/ registered S.O. / involved in CSE": whatever the risk; the strictest wins.
        ("medium", Some("registered_sex_offender"), "first_high 2026-01-29; first_medium 2026-02-25"),
        ("low", Some("child_sexual_exploitation"), "first_high 2026-01-29; first_low 2026-04-08"),
        // "within 6 weeks … medium risk", "within 12 weeks … low risk"
        ("medium", None, "first_medium 2026-02-25"),
        ("low", None, "first_low 2026-04-08"),
    ] {
        let mut facts = supervised("2026-01-14", risk);
        facts.supervision.flags.extend(flag.map(str::to_owned));
        assert_eq!(on(&facts, &rules, "2026-01-20"), expected, "{risk} {flag:?}");
        facts.history.visits.push(seen("2026-01-28"));
        assert_eq!(on(&facts, &rules, "2026-02-20"), "", "{risk}: seen");
    }
    let mut facts = supervised("2026-01-05", "medium");
    facts.history.visits.push(seen("2026-01-12"));
    // "Where increased risk or new / escalating safeguarding concerns arise … (within 10 working days)": of its identification.
    facts.supervision.rises.push(Identified { on: day("2026-03-25"), at: None });
    assert_eq!(
        on(&facts, &rules, "2026-03-26"),
        "risk_rise 2026-04-10",
        "Good Friday and Easter Monday lie between"
    );
    facts.history.concerns.push(worry(WorryKind::Safeguarding, "2026-03-24"));
    assert_eq!(on(&facts, &rules, "2026-03-26"), "safeguarding 2026-04-09; risk_rise 2026-04-10");
    // "Where new or escalating concerns arise, a home visit should be undertaken at the earliest opportunity": now, no fixed day.
    facts.history.concerns.push(worry(WorryKind::Concern, "2026-03-26"));
    let now = standing(&facts, &rules, day("2026-03-26"));
    assert_eq!((now.strictest().unwrap().by, now.bucket(day("2026-03-26"))), (By::Now, Bucket::Now));
    facts.history.visits.push(seen("2026-03-27"));
    assert_eq!(on(&facts, &rules, "2026-03-28"), "", "one visit is enough for all");
}

#[test]
fn only_seen_counts() {
    let rules = probation();
    for outcome in
        [VisitOutcome::NotIn, VisitOutcome::Refused, VisitOutcome::AbortedUnsafe, VisitOutcome::Other]
    {
        let mut facts = supervised("2026-01-14", "high");
        facts.history.visits.push(made("2026-01-20", outcome));
        assert_eq!(on(&facts, &rules, "2026-01-21"), "first_high 2026-01-29", "{outcome:?}");
    }
}

#[test]
fn the_plan_says_how_often_from_the_last_visit_that_counts() {
    let rules = probation();
    let mut facts = supervised("2026-01-14", "high");
    facts.history.visits = vec![seen("2026-01-20"), made("2026-02-10", VisitOutcome::NotIn)];
    facts.supervision.plan = Some(plan("4 weeks", "2026-01-22"));
    assert_eq!(on(&facts, &rules, "2026-02-11"), "plan 2026-02-17");
    facts.history.visits.push(seen("2026-02-12"));
    assert_eq!(on(&facts, &rules, "2026-02-13"), "plan 2026-03-12");
    facts.supervision.plan = Some(plan("", "2026-01-22"));
    assert_eq!(
        on(&facts, &rules, "2026-02-13"),
        " | visits are in the risk management plan without a frequency"
    );
    let stands = standing(&facts, &rules, day("2026-02-13"));
    assert_eq!(stands.bucket(day("2026-02-13")), Bucket::CannotBeComputed, "a gap is listed");
    // Leap years and ends of months.
    facts.history.visits = vec![seen("2028-01-31")];
    facts.supervision.plan = Some(plan("1 month", "2026-01-22"));
    assert_eq!(on(&facts, &rules, "2028-02-01"), "plan 2028-02-29");
    facts.supervision.plan = Some(plan("30 days", "2026-01-22"));
    assert_eq!(on(&facts, &rules, "2028-02-01"), "plan 2028-03-01");
}

#[test]
fn what_cannot_be_computed_is_never_in_time() {
    let rules = probation();
    let no_start = Facts { visiting: Some(Visiting::Supervised), ..Facts::default() };
    let with = |change: &dyn Fn(&mut Facts)| {
        let mut facts = supervised("2026-01-14", "high");
        change(&mut facts);
        facts
    };
    for (facts, expected) in [
        (no_start, " | the start of supervision is not known; the level of risk is not known"),
        (supervised("2026-02-14", "high"), " | supervision begins only on 2026-02-14"),
        (with(&|facts| facts.supervision.risk = None), " | the level of risk is not known"),
        (supervised("2026-01-14", "mild"), " | the rules know no level of risk “mild”"),
        (
            with(&|facts| facts.history.visits.push(seen("2026-01-07"))),
            " | there is a visit on 2026-01-07, before the start of supervision on 2026-01-14: one of the two is wrong, or supervision began anew",
        ),
        (
            with(&|facts| facts.supervision.flags.push("odd".into())),
            "first_high 2026-01-29 | the rules know no flag “odd”",
        ),
        (
            with(&|facts| facts.supervision.rises.push(Identified { on: day("2028-12-20"), at: None })),
            "first_high 2026-01-29 | the bank holidays of 2029 in england_and_wales are not known",
        ),
    ] {
        assert_eq!(on(&facts, &rules, "2026-01-20"), expected);
        let bucket = standing(&facts, &rules, day("2026-01-20")).bucket(day("2026-01-20"));
        assert_eq!(bucket, Bucket::CannotBeComputed);
    }
    // A flag is enough to know that it is 15 days; that more is missing is said all the same.
    let flagged = with(&|facts| {
        facts.supervision.risk = None;
        facts.supervision.flags.push("registered_sex_offender".into());
    });
    assert_eq!(on(&flagged, &rules, "2026-01-20"), "first_high 2026-01-29 | the level of risk is not known");
    // A case of which nothing is known may be one; a tenant is not.
    assert_eq!(
        on(&Facts::default(), &rules, "2026-01-20"),
        " | the start of supervision is not known; the level of risk is not known"
    );
    assert_eq!(on(&Facts { visiting: Some(Visiting::Tenant), ..Facts::default() }, &rules, "2026-01-20"), "");
}

#[test]
fn supervision_that_begins_anew_asks_for_a_first_visit_anew() {
    let mut facts = supervised("2026-01-14", "high");
    facts.history.visits = vec![seen("2025-06-01")];
    facts.supervision.first_start = Some(day("2025-05-20"));
    assert_eq!(on(&facts, &probation(), "2026-01-20"), "first_high 2026-01-29");
}

#[test]
fn a_pause_lengthens_and_never_shortens() {
    let rules = probation();
    let mut facts = supervised("2026-01-14", "high");
    let pause = |from: &str, until: Option<&str>| Pause {
        from: day(from),
        until: until.map(day),
        why: Paused::Custody,
    };
    facts.supervision.pauses = vec![pause("2026-01-20", Some("2026-01-25"))];
    assert_eq!(on(&facts, &rules, "2026-01-26"), "first_high 2026-02-03", "five days later");
    assert!(
        standing(&facts, &rules, day("2026-01-26")).lines[0]
            .why
            .ends_with("within 15 days from 2026-01-14; 5 days of a pause are not counted")
    );
    facts.supervision.pauses = vec![pause("2026-01-20", None)];
    assert_eq!(standing(&facts, &rules, day("2026-01-26")).bucket(day("2026-01-26")), Bucket::Paused);
    facts.supervision.pauses = vec![pause("2026-02-10", None)];
    assert_eq!(on(&facts, &rules, "2026-02-20"), "first_high 2026-01-29", "what was overdue before stays so");
}

#[test]
fn the_right_nation() {
    let mut facts = supervised("2026-01-05", "medium");
    facts.history.visits.push(seen("2026-01-12"));
    facts.supervision.rises.push(Identified { on: day("2026-12-18"), at: None });
    let text = provided("probation").unwrap();
    // 25 and 28 December and 1 January; in Scotland 4 January too, since the 2nd is a Saturday.
    for (nation, expected) in [
        (Nation::EnglandAndWales, "risk_rise 2027-01-06"),
        (Nation::Scotland, "risk_rise 2027-01-07"),
        (Nation::NorthernIreland, "risk_rise 2027-01-06"),
    ] {
        assert_eq!(on(&facts, &in_force_in(text, nation), "2026-12-20"), expected);
    }
}

#[test]
fn a_visit_on_the_day_counts_if_it_is_known_to_be_later() {
    let rules = probation();
    let mut facts = supervised("2026-01-05", "medium");
    facts.history.visits = vec![seen("2026-01-12"), seen("2026-02-02")];
    let identified =
        |at: Option<&str>| Identified { on: day("2026-02-02"), at: at.map(|at| at.parse().unwrap()) };
    for (at, expected) in [
        (None, "risk_rise 2026-02-16"),
        (Some("2026-02-02T11:59:00Z"), ""),
        (Some("2026-02-02T12:10:00Z"), "risk_rise 2026-02-16"),
    ] {
        facts.supervision.rises = vec![identified(at)];
        assert_eq!(on(&facts, &rules, "2026-02-03"), expected, "{at:?}");
    }
}

#[test]
fn what_a_manager_excuses() {
    let rules = probation();
    let mut facts = supervised("2026-01-14", "high");
    let excuse = |rule: &str, from: &str, due: &str, instead: Option<&str>| Excuse {
        at: None,
        concern: None,
        rule: rule.into(),
        from: day(from),
        due_on: Some(day(due)),
        instead: instead.map(day),
        counted: Counted::LeftOut,
        reason: "in hospital".into(),
        by: (PersonId(Uuid::nil()), noon_of(day(due))),
    };
    facts.supervision.excuses = vec![excuse("first_high", "2026-01-14", "2026-01-29", Some("2026-02-05"))];
    assert_eq!(on(&facts, &rules, "2026-01-30"), "first_high 2026-02-05");
    facts.supervision.excuses.push(excuse("first_high", "2026-01-14", "2026-02-05", None));
    assert_eq!(on(&facts, &rules, "2026-02-06"), "");
    // What comes again is only excused this once.
    facts.supervision.plan = Some(plan("2 weeks", "2026-01-14"));
    assert_eq!(on(&facts, &rules, "2026-01-30"), "plan 2026-01-28");
    facts.supervision.excuses.push(excuse("plan", "2026-01-14", "2026-01-28", None));
    assert_eq!(on(&facts, &rules, "2026-01-30"), "plan 2026-02-11");
}

#[test]
fn another_service_has_other_rules() {
    let rules = in_force_in(provided("looked-after-children").unwrap(), Nation::EnglandAndWales);
    let mut facts = supervised("2026-01-14", "usual");
    facts.visiting = Some(Visiting::ChildOrFamily);
    assert_eq!(on(&facts, &rules, "2026-01-15"), "first_week 2026-01-21");
    facts.history.visits.push(seen("2026-01-19"));
    assert_eq!(on(&facts, &rules, "2026-01-20"), "six_weeks 2026-03-02");
    facts.history.visits.push(seen("2026-02-02"));
    facts.history.concerns.push(worry(WorryKind::Concern, "2026-02-06"));
    assert_eq!(on(&facts, &rules, "2026-02-07"), "asked 2026-02-13; six_weeks 2026-03-16");
}

#[test]
fn rules_that_cannot_be_are_refused_with_their_line() {
    let file = |rules: &str| {
        format!(
            "name = \"x\"\nversion = 1\nsource = \"x\"\nvisiting = [\"tenant\"]\nrisk_levels = [\"low\"]\n{rules}"
        )
    };
    let rule = |key: &str, rest: &str| format!("[[rule]]\nkey = \"{key}\"\nsays = \"x\"\n{rest}\n");
    let once = "after = \"supervision_start\"\nwithin = \"2 weeks\"";
    for (rules, line, says) in [
        (
            rule("a", "after = \"supervision_start\"\nwithin = \"2 fortnights\""),
            10,
            "“2 fortnights” is no length",
        ),
        (rule("a", "after = \"supervision_start\"\nwithin = \"0 days\""), 10, "1 to 999"),
        (rule("a", "after = \"supervision_start\""), 7, "either `within` or `every`"),
        (rule("a", "after = \"moon\"\nwithin = \"2 weeks\""), 9, "no rule “moon”"),
        (rule("a", once) + &rule("b", once), 12, "rules “a” and “b” both say it for everybody"),
        (
            rule("a", &format!("{once}\nrisk = [\"low\"]"))
                + &rule("b", &format!("{once}\nrisk = [\"low\"]")),
            13,
            "for “low”",
        ),
        (rule("a", once) + &rule("a", "after = \"concern\"\nwithin = \"now\""), 12, "the same key"),
        (
            rule("a", "after = \"b\"\nwithin = \"1 week\"")
                + &rule("b", "after = \"a\"\nwithin = \"1 week\""),
            9,
            "wait for each other: a loop",
        ),
        (rule("a", "after = \"a\"\nevery = \"1 week\""), 9, "a loop"),
        (
            rule("a", "after = \"supervision_start\"\nevery = \"1 week\"")
                + &rule("b", "after = \"a\"\nwithin = \"1 week\""),
            14,
            "never ends",
        ),
        (rule("a", "after = \"concern\"\nevery = \"1 week\""), 9, "say `within`"),
        (rule("a", "after = [\"concern\", \"plan\"]\nwithin = \"1 week\""), 9, "stand together"),
        (rule("a", &format!("{once}\nrisk = [\"odd\"]")), 11, "“odd” does not stand in risk_levels"),
        (rule("a b", once), 7, "cannot be a key"),
        (rule("a", &format!("{once}\nwhen = 1")), 11, "unknown field"),
        ("rule = []".into(), 6, "there is no rule"),
    ] {
        let wrong = Rules::read(&file(&rules)).unwrap_err();
        assert!(wrong.line == line && wrong.why.contains(says), "{rules}\n{wrong}");
    }
    let wrong = Rules::read(&file(&rule("a", once)).replace("[\"tenant\"]", "[]")).unwrap_err();
    assert_eq!((wrong.line, wrong.why.as_str()), (4, "say whom the rules are about"));
    assert!("6  weeks".parse::<Length>().is_err());
    assert_eq!("1 week".parse::<Length>().unwrap().to_string(), "1 week");
}

fn some_day() -> impl Strategy<Value = NaiveDate> {
    (0_u64..700).prop_map(|days| day("2026-01-01") + Days::new(days))
}

prop_compose! {
    fn some_pause()(from in some_day(), length in prop::option::of(0_u64..90)) -> Pause {
        Pause { from, until: length.map(|length| from + Days::new(length)), why: Paused::Suspended }
    }
}

prop_compose! {
    fn some_facts()(
        start in some_day(),
        risk in prop::sample::select(vec!["low", "medium", "high"]),
        flagged in any::<bool>(),
        visits in prop::collection::vec((some_day(), any::<bool>()), 0..4),
        rises in prop::collection::vec(some_day(), 0..3),
        concerns in prop::collection::vec((some_day(), any::<bool>()), 0..3),
        weeks in prop::option::of(1_u32..20),
        pauses in prop::collection::vec(some_pause(), 0..3),
    ) -> Facts {
        let mut facts = supervised(&start.to_string(), risk);
        facts.supervision.flags.extend(flagged.then(|| "registered_sex_offender".to_owned()));
        facts.supervision.rises = rises.into_iter().map(|on| Identified { on, at: None }).collect();
        facts.supervision.plan = weeks.map(|count| Plan { every: Some(Length { count, unit: Unit::Weeks }), since: start });
        facts.supervision.pauses = pauses;
        let outcome = |seen| if seen { VisitOutcome::Seen } else { VisitOutcome::NotIn };
        facts.history.visits = visits.into_iter().map(|(on, seen)| made(&on.to_string(), outcome(seen))).collect();
        facts.history.visits.sort_by_key(|visit| visit.at);
        let kind = |worry| if worry { WorryKind::Safeguarding } else { WorryKind::Concern };
        facts.history.concerns = concerns.into_iter().map(|(on, of)| worry(kind(of), &on.to_string())).collect();
        facts
    }
}

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
    facts.supervision.excuses = vec![Excuse {
        rule: "first_high".into(),
        from: day("2026-01-14"),
        at: None,
        concern: None,
        due_on: Some(day("2026-01-29")),
        instead: Some(day("2026-02-05")),
        counted: Counted::LeftOut,
        reason: "in hospital".into(),
        by: (PersonId(Uuid::nil()), noon_of(day("2026-01-20"))),
    }];
    let first = |facts: &Facts| figures(facts, Due::FirstVisit, "2026-02-06");
    assert_eq!(first(&facts), "first_high 2026-01-29 high overdue");
    facts.history.visits = vec![seen("2026-02-05")];
    assert_eq!(first(&facts), "first_high 2026-01-29 high left_out");
    facts.history.visits = vec![seen("2026-02-06")];
    assert_eq!(first(&facts), "first_high 2026-01-29 high late");
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

/// Each rule by itself, in force alone.
fn alone(in_force: &InForce) -> impl Iterator<Item = InForce> {
    in_force.rules.rules.iter().map(|rule| InForce {
        rules: Rules { rules: vec![rule.clone()], ..in_force.rules.clone() },
        calendar: in_force.calendar.clone(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_later_than_the_strictest_rule(facts in some_facts(), today in some_day()) {
        let rules = probation();
        let all = standing(&facts, &rules, today);
        for one in alone(&rules) {
            for line in standing(&facts, &one, today).lines {
                prop_assert!(all.strictest().is_some_and(|strictest| strictest.by <= line.by), "{line:?} {all:?}");
            }
        }
    }

    #[test]
    fn pausing_never_shortens(facts in some_facts(), pause in some_pause(), today in some_day()) {
        let rules = probation();
        let before = standing(&facts, &rules, today);
        let mut paused = facts;
        paused.supervision.pauses.push(pause);
        let after = standing(&paused, &rules, today);
        for line in &after.lines {
            let same = before.lines.iter().find(|was| (&was.rule, was.from, was.concern) == (&line.rule, line.from, line.concern));
            prop_assert!(same.is_some_and(|was| was.by <= line.by), "{line:?} {before:?}");
        }
    }

    #[test]
    fn the_same_facts_give_the_same_answer_also_through_the_database(facts in some_facts(), today in some_day()) {
        let rules = probation();
        let again = |facts: &Facts| Facts {
            visiting: facts.visiting,
            supervision: serde_json::from_value(serde_json::to_value(&facts.supervision).unwrap()).unwrap(),
            history: serde_json::from_value(serde_json::to_value(&facts.history).unwrap()).unwrap(),
        };
        prop_assert_eq!(standing(&facts, &rules, today), standing(&again(&facts), &rules, today));
    }

    #[test]
    fn an_attempt_changes_nothing(facts in some_facts(), tried in some_day(), today in some_day()) {
        let rules = probation();
        let before = standing(&facts, &rules, today);
        let mut after = facts;
        after.history.visits.push(made(&tried.to_string(), VisitOutcome::Refused));
        after.history.visits.sort_by_key(|visit| visit.at);
        prop_assert_eq!(before, standing(&after, &rules, today));
    }
}
