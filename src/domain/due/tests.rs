mod figures;
mod missed;

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
    InForce { rules: Rules::read(rules).unwrap(), calendar, zone: Tz::Europe__London }
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

fn excuse(rule: &str, from: NaiveDate, due: NaiveDate, instead: Option<NaiveDate>) -> Excuse {
    Excuse {
        rule: rule.into(),
        from,
        at: None,
        concern: None,
        due_on: Some(due),
        risk: None,
        instead,
        counted: Counted::LeftOut,
        reason: "in hospital".into(),
        by: (PersonId(Uuid::nil()), noon_of(due)),
    }
}

/// What was known until then, at another risk.
fn before(facts: &Facts, until: Time, risk: &str) -> Earlier {
    let Supervision { start, first_start, flags, plan, end, .. } = facts.supervision.clone();
    Earlier { until, start, first_start, risk: Some(risk.into()), flags, plan, end }
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
            .why(&facts.supervision.pauses)
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
    let excuse = |rule: &str, from: &str, due: &str, instead: Option<&str>| {
        excuse(rule, day(from), day(due), instead.map(day))
    };
    facts.supervision.excuses = vec![excuse("first_high", "2026-01-14", "2026-01-29", Some("2026-02-05"))];
    assert_eq!(on(&facts, &rules, "2026-01-30"), "first_high 2026-02-05");
    // In a pause it is put off to the day on which days count again.
    facts.supervision.pauses = vec![Pause { from: day("2026-02-02"), until: None, why: Paused::Custody }];
    assert_eq!(on(&facts, &rules, "2026-02-06"), "");
    facts.supervision.pauses[0].until = Some(day("2026-03-02"));
    assert_eq!(on(&facts, &rules, "2026-03-03"), "first_high 2026-03-02");
    facts.supervision.pauses.clear();
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

/// A first visit, put off to a day that does not lie behind, as the doors have it.
fn put_off_to(instead: NaiveDate, start: NaiveDate) -> Excuse {
    let due = start + Days::new(15);
    let excuse = excuse("first_high", start, due, Some(instead));
    Excuse { by: (excuse.by.0, noon_of(instead.min(due))), ..excuse }
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
        earlier in prop::collection::vec((some_day(), prop::sample::select(vec!["low", "medium", "high"])), 0..3),
        put_off in prop::option::of(some_day()),
    ) -> Facts {
        let mut facts = supervised(&start.to_string(), risk);
        facts.supervision.flags.extend(flagged.then(|| "registered_sex_offender".to_owned()));
        facts.supervision.rises = rises.into_iter().map(|on| Identified { on, at: None }).collect();
        facts.supervision.plan = weeks.map(|count| Plan { every: Some(Length { count, unit: Unit::Weeks }), since: start });
        facts.supervision.pauses = pauses;
        facts.supervision.earlier = earlier.into_iter().map(|(until, risk)| before(&facts, noon_of(until), risk)).collect();
        facts.supervision.earlier.sort_by_key(|earlier| earlier.until);
        facts.supervision.excuses = put_off.into_iter().map(|instead| put_off_to(instead, start)).collect();
        let outcome = |seen| if seen { VisitOutcome::Seen } else { VisitOutcome::NotIn };
        facts.history.visits = visits.into_iter().map(|(on, seen)| made(&on.to_string(), outcome(seen))).collect();
        facts.history.visits.sort_by_key(|visit| visit.at);
        let kind = |worry| if worry { WorryKind::Safeguarding } else { WorryKind::Concern };
        facts.history.concerns = concerns.into_iter().map(|(on, of)| worry(kind(of), &on.to_string())).collect();
        facts
    }
}

/// Each rule by itself, in force alone.
fn alone(in_force: &InForce) -> impl Iterator<Item = InForce> {
    in_force.rules.rules.iter().map(|rule| InForce {
        zone: in_force.zone,
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
