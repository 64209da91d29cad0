use super::*;
use crate::domain::assessment::Hours;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// A visit to which no rule objects.
fn fine() -> Weighed {
    Weighed {
        day: day("2026-01-14"),
        hours: Hours::Office,
        company: Company::Alone,
        purpose: Some("supervision".into()),
        visiting: Some(Visiting::Supervised),
        whose_home: WhoseHome::Theirs,
        risk: Risk::Normal,
        signal: Signal::Expected,
        known: Known::Assessed(assessed()),
        visits_are: VisitsAre::Integral,
        worker: Lacks::default(),
        gaps: Vec::new(),
        incidents: 0,
        concerns: 0,
        exception: None,
    }
}

fn assessed() -> Assessed {
    Assessed {
        rating: Rating::Low,
        information: Information::Enough,
        covers: Covers::default(),
        agreed: IsAgreed::Agreed,
        confirmed_on: day("2026-01-02"),
        review_on: day("2026-07-01"),
        changed: Changed::NotSaid,
    }
}

fn with(change: impl Fn(&mut Assessed)) -> Weighed {
    let mut assessed = assessed();
    change(&mut assessed);
    Weighed { known: Known::Assessed(assessed), ..fine() }
}

fn emergency() -> Exception {
    Exception::Emergency { circumstances: "a call from the school".into() }
}

fn one_off() -> Exception {
    let talk =
        |with: &str| Talk { with: with.into(), at: crate::clock::Time::UNIX_EPOCH, said: "yes".into() };
    Exception::OneOff {
        senior_manager: talk("Una"),
        parents_or_carers: talk("the mother"),
        justification: "no other way to keep them safe".into(),
    }
}

/// The rules that object, the gravest first, and what it comes to.
fn comes_to(weighed: &Weighed, rules: &Rules) -> (&'static str, Vec<&'static str>) {
    let words = |reasons: &[Reason]| reasons.iter().map(|reason| reason.rule.as_str()).collect();
    match weigh(weighed, rules) {
        Decision::Agreed(_) => ("agreed", vec![]),
        Decision::Needs(approver, reasons) => (approver.as_str(), words(&reasons)),
        Decision::NotAgreed(reasons) => ("nobody", words(&reasons)),
    }
}

#[test]
fn every_rule_objects_alone() {
    let lacks = |worker: Lacks| Weighed { worker, ..fine() };
    let family = |whose_home| Weighed { whose_home, visiting: Some(Visiting::ChildOrFamily), ..fine() };
    let covers = |covers: Covers| with(|assessed| assessed.covers = covers.clone());
    let table: Vec<(Rule, &str, Weighed)> = vec![
        (Rule::PrivateHome, "nobody", family(WhoseHome::TheWorkers)),
        (Rule::PrivateHome, "nobody", family(WhoseHome::ARelatives)),
        (Rule::PrivateHome, "nobody", family(WhoseHome::AColleagues)),
        (Rule::PrivateHome, "nobody", family(WhoseHome::AFriends)),
        (Rule::OneOff, "senior_manager", Weighed { exception: Some(one_off()), ..fine() }),
        (Rule::UnacceptableRisk, "nobody", with(|assessed| assessed.rating = Rating::VeryHigh)),
        (Rule::LittleInformation, "nobody", with(|assessed| assessed.information = Information::Little)),
        (
            Rule::CompanyNotCovered,
            "nobody",
            covers(Covers { company: Company::Accompanied, ..Covers::default() }),
        ),
        (Rule::NotAssessed, "nobody", Weighed { known: Known::NotAssessed, ..fine() }),
        (
            Rule::NotAssessed,
            "manager",
            Weighed { known: Known::NotAssessed, exception: Some(emergency()), ..fine() },
        ),
        (Rule::NoPhone, "nobody", lacks(Lacks { phone: true, ..Lacks::default() })),
        (Rule::NoEmergencyContact, "nobody", lacks(Lacks { contact: true, ..Lacks::default() })),
        (Rule::PurposeNotAgreed, "senior_manager", Weighed { visits_are: VisitsAre::Exceptional, ..fine() }),
        (Rule::NoPurpose, "manager", Weighed { purpose: None, ..fine() }),
        (Rule::AssessmentNotAgreed, "manager", with(|assessed| assessed.agreed = IsAgreed::NotYet)),
        (Rule::ChangedSince, "manager", with(|assessed| assessed.changed = Changed::Yes)),
        (Rule::ReviewDue, "manager", with(|assessed| assessed.review_on = day("2026-01-14"))),
        (Rule::AssessmentOld, "manager", with(|assessed| assessed.confirmed_on = day("2025-01-01"))),
        (Rule::HoursNotCovered, "manager", Weighed { hours: Hours::Any, ..fine() }),
        (
            Rule::PurposeNotCovered,
            "manager",
            covers(Covers { purposes: vec!["induction".into()], ..Covers::default() }),
        ),
        (Rule::HighRisk, "manager", Weighed { risk: Risk::High, ..fine() }),
        (Rule::HighRisk, "manager", with(|assessed| assessed.rating = Rating::High)),
        (Rule::Remote, "manager", Weighed { signal: Signal::NotExpected, ..fine() }),
        (Rule::RecentIncident, "manager", Weighed { incidents: 1, ..fine() }),
        (Rule::OpenConcern, "manager", Weighed { concerns: 1, ..fine() }),
        (
            Rule::PolicyNotRead,
            "manager",
            lacks(Lacks { policies: vec!["Home visits".into()], ..Lacks::default() }),
        ),
        (Rule::NotCovered, "manager", Weighed { gaps: vec!["nobody after step 2".into()], ..fine() }),
    ];
    assert_eq!(comes_to(&fine(), &Rules::default()), ("agreed", vec![]));
    for (rule, to, weighed) in &table {
        assert_eq!(comes_to(weighed, &Rules::default()), (*to, vec![rule.as_str()]), "{rule:?}");
    }
    // Those that are off where nobody switches them on, and what objects only beside another.
    let not_tested = lacks(Lacks { untested: vec!["device 7".into()], ..Lacks::default() });
    let any_hours =
        Weighed { hours: Hours::Any, ..covers(Covers { hours: Hours::Any, ..Covers::default() }) };
    for (rule, weighed) in [(Rule::DeviceNotTested, &not_tested), (Rule::OutsideOfficeHours, &any_hours)] {
        assert_eq!(comes_to(weighed, &Rules::default()), ("agreed", vec![]), "{rule:?}");
        let on = Rules { rules: BTreeMap::from([(rule, Setting::Manager)]), ..Rules::default() };
        assert_eq!(comes_to(weighed, &on), ("manager", vec![rule.as_str()]));
    }
    let nobody_known = Weighed { known: Known::NoCase, ..fine() };
    assert_eq!(comes_to(&nobody_known, &Rules::default()), ("nobody", vec!["not_assessed", "no_case"]));
    let covered = |rule: &Rule| table.iter().any(|(of, ..)| of == rule);
    let others = [Rule::DeviceNotTested, Rule::OutsideOfficeHours, Rule::NoCase, Rule::SaidNo];
    assert!(Rule::ALL.iter().all(|rule| covered(rule) || others.contains(rule)));
}

#[test]
fn company_and_what_is_on_record_change_what_a_rule_comes_to() {
    let accompanied = |weighed: Weighed| Weighed { company: Company::Accompanied, ..weighed };
    let table = [
        (accompanied(with(|assessed| assessed.rating = Rating::VeryHigh)), "senior_manager"),
        (accompanied(with(|assessed| assessed.information = Information::Little)), "agreed"),
        (
            Weighed {
                whose_home: WhoseHome::AFriends,
                visiting: Some(Visiting::ChildOrFamily),
                exception: Some(one_off()),
                ..fine()
            },
            "senior_manager",
        ),
        (Weighed { whose_home: WhoseHome::AFriends, visiting: Some(Visiting::Tenant), ..fine() }, "agreed"),
        (Weighed { whose_home: WhoseHome::AFriends, visiting: None, ..fine() }, "nobody"),
        // Who says today that nothing has changed confirms an old assessment.
        (
            with(|assessed| {
                assessed.confirmed_on = day("2024-01-01");
                assessed.changed = Changed::No;
            }),
            "agreed",
        ),
    ];
    for (weighed, to) in table {
        let (came_to, rules) = comes_to(&weighed, &Rules::default());
        assert_eq!(came_to, to, "{rules:?}");
    }
}

#[test]
fn where_two_rules_disagree_the_graver_one_decides_and_both_are_named() {
    let all = |change: &dyn Fn(&mut Weighed)| {
        let mut weighed = fine();
        change(&mut weighed);
        comes_to(&weighed, &Rules::default())
    };
    assert_eq!(
        all(&|w| {
            w.purpose = None;
            w.visits_are = VisitsAre::Exceptional;
        }),
        ("senior_manager", vec!["purpose_not_agreed", "no_purpose"])
    );
    assert_eq!(
        all(&|w| {
            w.signal = Signal::NotExpected;
            w.worker.phone = true;
        }),
        ("nobody", vec!["no_phone", "remote"])
    );
    assert_eq!(
        all(&|w| {
            w.known = Known::NotAssessed;
            w.exception = Some(emergency());
            w.visits_are = VisitsAre::Exceptional;
        }),
        ("senior_manager", vec!["purpose_not_agreed", "not_assessed"])
    );
}

#[test]
fn an_organisation_switches_and_tunes_rules_but_not_all_of_them() {
    let off = Rules { rules: BTreeMap::from([(Rule::Remote, Setting::Off)]), ..Rules::default() };
    assert_eq!(comes_to(&Weighed { signal: Signal::NotExpected, ..fine() }, &off), ("agreed", vec![]));
    assert_eq!(off.complaints(), Vec::<String>::new());
    let never = Rules { rules: BTreeMap::from([(Rule::PrivateHome, Setting::Off)]), ..Rules::default() };
    assert!(never.complaints()[0].contains("under no circumstances"), "{:?}", never.complaints());
    let earlier = Rules { unacceptable: Rating::High, ..Rules::default() };
    let high = with(|assessed| assessed.rating = Rating::High);
    assert_eq!(comes_to(&high, &earlier), ("nobody", vec!["unacceptable_risk"]));
}

#[test]
fn plans_are_asked_about_in_good_time_and_doors_every_five_minutes() {
    let at = |text: &str| text.parse::<crate::clock::Time>().unwrap();
    let (now, begins) = (at("2026-01-14T12:00:00Z"), at("2026-01-16T12:00:00Z"));
    let mut times = Vec::new();
    let mut next = next_ask(Until::Begins(begins), now);
    while let Some(at) = next {
        times.push((begins - at).num_minutes());
        next = next_ask(Until::Begins(begins), at);
    }
    assert_eq!(times, [24 * 60, 4 * 60, 60, 15]);
    assert_eq!(next_ask(Until::AtTheDoor, now), Some(at("2026-01-14T12:05:00Z")));
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn assessments()(
            rating in prop::sample::select(vec![Rating::Low, Rating::Medium, Rating::High, Rating::VeryHigh]),
            little: bool, for_two: bool, agreed: bool, age in 0_i64..800, review in -100_i64..400,
            changed in prop::sample::select(vec![Changed::NotSaid, Changed::No, Changed::Yes]),
        ) -> Assessed {
            let today = day("2026-01-14");
            Assessed {
                rating,
                information: if little { Information::Little } else { Information::Enough },
                covers: Covers {
                    company: if for_two { Company::Accompanied } else { Company::Alone },
                    ..Covers::default()
                },
                agreed: if agreed { IsAgreed::Agreed } else { IsAgreed::NotYet },
                confirmed_on: today - chrono::TimeDelta::days(age),
                review_on: today + chrono::TimeDelta::days(review),
                changed,
            }
        }
    }

    prop_compose! {
        fn visits()(
            assessed in prop::option::of(assessments()), case: bool, alone: bool, purpose: bool, family: bool,
            home in prop::sample::select(vec![WhoseHome::Theirs, WhoseHome::Nobodys, WhoseHome::TheWorkers, WhoseHome::AFriends]),
            lacks in prop::collection::vec(any::<bool>(), 2), incidents in 0_usize..2,
            exception in prop::sample::select(vec![None, Some(emergency()), Some(one_off())]),
        ) -> Weighed {
            Weighed {
                known: match (assessed, case) {
                    (Some(assessed), _) => Known::Assessed(assessed),
                    (None, true) => Known::NotAssessed,
                    (None, false) => Known::NoCase,
                },
                company: if alone { Company::Alone } else { Company::Accompanied },
                purpose: purpose.then(|| "supervision".into()),
                visiting: family.then_some(Visiting::ChildOrFamily),
                whose_home: home,
                worker: Lacks { phone: lacks[0], contact: lacks[1], ..Lacks::default() },
                incidents,
                exception,
                ..fine()
            }
        }
    }

    proptest! {
        /// A decision always names its reasons, and the one that decides is one of them.
        #[test]
        fn a_decision_names_its_reasons(weighed in visits()) {
            match weigh(&weighed, &Rules::default()) {
                Decision::Agreed(asked) => prop_assert!(asked.len() > 15),
                Decision::Needs(approver, reasons) => {
                    let gravest = reasons.iter().map(|reason| reason.weight).max();
                    let expected = match approver {
                        Approver::Manager => Weight::Manager,
                        Approver::SeniorManager => Weight::SeniorManager,
                    };
                    prop_assert_eq!(gravest, Some(expected));
                    prop_assert!(reasons.iter().all(|reason| !reason.says.is_empty()));
                }
                Decision::NotAgreed(reasons) => {
                    prop_assert!(reasons.iter().any(|reason| reason.weight == Weight::Nobody));
                }
            }
        }

        /// Nobody goes alone where the documents say so.
        #[test]
        fn nobody_goes_alone_into_what_is_unknown_or_too_dangerous(weighed in visits()) {
            let Known::Assessed(assessed) = &weighed.known else { return Ok(()) };
            let dangerous = assessed.rating == Rating::VeryHigh || assessed.information == Information::Little;
            if dangerous && weighed.company == Company::Alone {
                prop_assert!(matches!(weigh(&weighed, &Rules::default()), Decision::NotAgreed(_)));
            }
        }
    }
}
