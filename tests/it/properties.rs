//! What has to hold for every order of acts and every passage of time, of the pure domain.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use homeward::{
    clock::Time,
    domain::{
        command::Plan,
        contact::Phone,
        event::NewEvent,
        follow_up::FollowUpKind,
        ids::{IncidentId, LadderId, OrganisationId, PersonId, TeamId, VisitId},
        incident::{
            self, CallsOff, Claim, Closing, Holder, Incident, IncidentState, Kind, Opened, Opening, Outcome,
            Police, Review, Rules, Told, WorkerNow,
        },
        ladder::{Ladder, Recipient},
        notice::{
            AboutAgreement, Again, Answering, Asked, AtTheDoor, Decided, Facts, Listed, Notice, Overdue,
            Page, Reader, SosCall,
        },
        people::{Directory, Person, Role, Team},
        policy::Policy,
        start::{Departure, Start, Whose},
        visit::{
            Act, Alarm, Awaited, By, Closed, Details, Due, Effect, ExtendTo, KnownBy, Missed, ReadAs, Record,
            Reminder, Report, Risk, Said, Shown, Visit, VisitOutcome, VisitState,
        },
        wording::{English, Wording, sms},
    },
};
use proptest::prelude::*;
use uuid::Uuid;

fn start_of_time() -> Time {
    crate::support::app::noon()
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

const ANN: PersonId = PersonId(Uuid::from_u128(1));
const CLOSED: Closed = Closed { by: SAM, read_as: ReadAs::Close };
const SAM: PersonId = PersonId(Uuid::from_u128(2));
const DEE: PersonId = PersonId(Uuid::from_u128(3));
const JO: PersonId = PersonId(Uuid::from_u128(4));

fn directory() -> Directory {
    let team = TeamId(id(1));
    let person = |id, role, manager, contacts: &[PersonId]| Person {
        id,
        key: id.to_string(),
        name: format!("Person {}", id.0.as_u128()),
        team,
        role,
        phone: Some(Phone::parse("07700 900123").unwrap()),
        email: None,
        manager,
        emergency_contacts: contacts.to_vec(),
        left: false,
    };
    let people = [
        person(ANN, Some(Role::Worker), Some(SAM), &[JO]),
        person(SAM, Some(Role::Manager), None, &[]),
        person(DEE, Some(Role::Manager), None, &[]),
        person(JO, None, None, &[]),
    ];
    Directory {
        organisation: OrganisationId(id(1)),
        name: "Test".into(),
        zone: chrono_tz::Europe::London,
        duty_manager: Some(DEE),
        last_resort: vec![Phone::parse("07700 900900").unwrap()],
        teams: BTreeMap::from([(
            team,
            Team { id: team, key: "t".into(), name: "T".into(), parent: None, policy: Policy::default() },
        )]),
        people: people.into_iter().map(|person| (person.id, person)).collect(),
        standings: BTreeMap::new(),
    }
}

/// One thing that happens to a visit and its incident.
#[derive(Debug, Clone)]
enum Step {
    Pass(i64),
    Visit(Act, bool, i64),
    Sos,
    Deed(Deed),
    Close(i64),
}

/// What people do about an incident.
#[derive(Debug, Clone)]
enum Deed {
    Acknowledge(PersonId),
    TakeOver(PersonId),
    HandOver(PersonId, PersonId),
    Hold(PersonId, i64),
    Cannot(PersonId),
    NotSafe(PersonId),
    Safe(PersonId),
    Police(PersonId),
    Note(PersonId),
    OutsideTrying,
}

fn deed() -> impl Strategy<Value = Deed> {
    let staff = || proptest::sample::select(vec![SAM, DEE]);
    let anybody = || proptest::sample::select(vec![SAM, DEE, JO]);
    prop_oneof![
        4 => staff().prop_map(Deed::Acknowledge),
        1 => staff().prop_map(Deed::TakeOver),
        1 => (staff(), staff()).prop_map(|(by, to)| Deed::HandOver(by, to)),
        1 => (staff(), 0_i64..1000).prop_map(|(by, minutes)| Deed::Hold(by, minutes)),
        1 => anybody().prop_map(Deed::Cannot),
        1 => anybody().prop_map(Deed::NotSafe),
        1 => anybody().prop_map(Deed::Safe),
        1 => staff().prop_map(Deed::Police),
        1 => staff().prop_map(Deed::Note),
        1 => Just(Deed::OutsideTrying),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let act = prop_oneof![
        Just(Act::Arrive),
        Just(Act::CheckIn),
        (-30_i64..900).prop_map(|minutes| Act::Extend(ExtendTo::For(TimeDelta::minutes(minutes)))),
        (-600_i64..2000)
            .prop_map(|minutes| Act::Extend(ExtendTo::Until(start_of_time() + TimeDelta::minutes(minutes)))),
        Just(Act::CheckOut(Record::default())),
        Just(Act::CheckOut(Record { outcome: Some(VisitOutcome::Seen), ..Record::default() })),
        Just(Act::Record(Record { work_undertaken: Some("w".into()), ..Record::default() })),
        Just(Act::Cancel { reason: "r".into() }),
        Just(Act::Object),
    ];
    prop_oneof![
        5 => (1_i64..40).prop_map(Step::Pass),
        4 => (act, proptest::bool::weighted(0.8), prop_oneof![3 => Just(0_i64), 1 => 0_i64..800])
            .prop_map(|(act, own, ago)| Step::Visit(act, own, ago)),
        3 => deed().prop_map(Step::Deed),
        1 => (-10_i64..90).prop_map(Step::Close),
        1 => Just(Step::Sos),
    ]
}

/// A visit and its incident, driven as the use cases drive them.
struct World {
    now: Time,
    policy: Policy,
    ladder: Ladder,
    directory: Directory,
    visit: Visit,
    incident: Option<Incident>,
    /// The incident has been told that the visit is overdue: its deadline row is gone.
    told_overdue: bool,
    closed: Vec<Incident>,
}

impl World {
    fn new(planned: bool, minutes: i64, risk: Risk) -> Self {
        let now = start_of_time();
        let policy = Policy::default();
        let whose = Whose { organisation: OrganisationId(id(1)), team: TeamId(id(1)), worker: ANN, by: ANN };
        // Some are checked on, and some watched on their way home.
        let every = |of: i64, length| (minutes % of == 0).then(|| TimeDelta::minutes(length));
        let (check_every, home_within) = (every(3, 20), every(2, 30));
        let details = Details { risk, check_every, home_within, ..Details::default() };
        let departure = Departure::After(TimeDelta::minutes(minutes));
        let expected_arrival = planned.then(|| now + TimeDelta::minutes(5));
        let start = Start { details, expected_arrival, departure, made_at: None, plan: Plan::AsDescribed };
        let decision = if planned {
            start.plan(VisitId(id(1)), whose, now, &policy).unwrap().0
        } else {
            start.begin(VisitId(id(1)), whose, now, &policy).0
        };
        Self {
            now,
            policy,
            ladder: Ladder::default(),
            directory: directory(),
            visit: decision.visit,
            incident: None,
            told_overdue: false,
            closed: vec![],
        }
    }

    fn alarm(&self) -> Alarm {
        let Some(incident) = &self.incident else { return Alarm::Quiet };
        match (incident.kind, &incident.state) {
            (Kind::Sos | Kind::Duress, _)
                if self.told_overdue && self.visit.next_due(&self.policy).is_some() =>
            {
                Alarm::Overdue
            }
            (Kind::Sos | Kind::Duress, _) => Alarm::Sos,
            (Kind::Overdue, IncidentState::Open { holder: Holder::WithPolice { .. }, .. }) => {
                Alarm::WithPolice
            }
            (Kind::Overdue, _) => Alarm::Overdue,
        }
    }

    fn rules(&self) -> Rules<'_> {
        Rules { ladder: &self.ladder, directory: &self.directory, policy: &self.policy }
    }

    /// When the visit itself is due: an overdue incident stands in for it, a call for help does not.
    fn visit_due(&self) -> Option<Time> {
        let stands_in = match &self.incident {
            Some(incident) => incident.kind == Kind::Overdue || self.told_overdue,
            None => false,
        };
        if stands_in { None } else { self.visit.next_due(&self.policy) }
    }

    fn next_due(&self) -> Option<Time> {
        let incident = self.incident.as_ref().and_then(|incident| incident.next_due(&self.policy));
        incident.into_iter().chain(self.visit_due()).min()
    }

    /// Everything that is due now; how many rounds of the ladder went out.
    fn tick(&mut self) -> usize {
        let mut rounds = 0;
        for _ in 0..20 {
            if self.next_due().is_none_or(|due| self.now < due) {
                return rounds;
            }
            let of_incident = self
                .incident
                .clone()
                .filter(|incident| incident.next_due(&self.policy).is_some_and(|due| due <= self.now));
            if let Some(incident) = of_incident {
                let decision = incident.due(self.rules(), self.now);
                rounds += usize::from(decision.round.is_some());
                self.take(decision);
                continue;
            }
            match self.visit.due(self.now, &self.policy) {
                Due::Remind { visit, .. } => self.visit = *visit,
                Due::OpenIncident(missed) if self.incident.is_some() => {
                    let incident = self.incident.clone().unwrap();
                    let due = incident.next_due(&self.policy);
                    let decision = incident.visit_overdue(self.visit.id, missed, self.now);
                    assert_eq!(decision.incident.next_due(&self.policy), due);
                    self.take(decision);
                    self.told_overdue = true;
                }
                Due::OpenIncident(missed) => {
                    let decision = Incident::overdue(self.opening(), missed, self.rules(), self.now);
                    rounds += usize::from(decision.round.is_some());
                    self.incident = Some(decision.incident);
                    self.told_overdue = false;
                }
                Due::Later(_) | Due::Nothing => panic!("due and nothing to do: {:?}", self.visit),
            }
        }
        panic!("a tick never comes to rest: {:?} {:?}", self.visit, self.incident)
    }

    fn opening(&self) -> Opening {
        Opening {
            id: IncidentId(id(1)),
            organisation: self.visit.organisation,
            team: self.visit.team,
            subject: ANN,
            visit: matches!(self.visit.state, VisitState::Begun { .. }).then_some(self.visit.id),
            ladder: LadderId(id(1)),
            opened: Opened::InTime,
        }
    }

    fn take(&mut self, decision: incident::Decision) {
        if let Some(before) = &self.incident {
            let after = &decision.incident;
            assert!(after.kind >= before.kind && after.rung.raise >= before.rung.raise, "never downward");
            assert!(after.rung.step >= before.rung.step, "a step that is done is done");
            assert!(!decision.events.is_empty() || after == before, "nothing changes without an event");
            if let Some(round) = &decision.round {
                let subject_called = round.calls.iter().any(|call| call.to == Recipient::Person(ANN));
                assert!(!subject_called, "the subject is never called");
                assert!(!round.calls.is_empty(), "a round reaches somebody");
                assert_eq!(decision.calls_off, CallsOff::Stand);
            }
            if after.kind > before.kind {
                assert!(decision.round.is_some(), "an upgrade calls at once");
            }
        }
        if decision.incident.is_open() {
            self.incident = Some(decision.incident);
        } else {
            self.closed.push(decision.incident);
            self.incident = None;
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Pass(minutes) => self.now += TimeDelta::minutes(minutes),
            Step::Sos => self.sos(),
            Step::Visit(act, own, ago) => {
                let by = if own {
                    By::Worker(ANN, Shown::ByPin)
                } else {
                    By::Another { person: SAM, known_by: Some(KnownBy::Seen) }
                };
                let before = self.visit.clone();
                let ends = matches!(act, Act::CheckOut { .. });
                let said = Said::made(Some(self.now - TimeDelta::minutes(ago)), self.now);
                let alarm = self.alarm();
                let Ok(decision) = self.visit.clone().decide(act, by, alarm, said, &self.policy) else {
                    assert!(!(ends && own), "a worker's check-out is refused for nothing but its PIN");
                    return;
                };
                assert!(
                    !decision.events.is_empty() || decision.visit == before,
                    "nothing changes without an event"
                );
                self.visit = decision.visit;
                if self.visit.state != before.state && alarm.leaves_the_deadline() {
                    // Its deadline row is set anew.
                    self.told_overdue = false;
                }
                for effect in decision.effects {
                    let report = match effect {
                        Effect::WorkerReports(report) => report,
                        Effect::PinUsed => Report::Safe,
                        _ => continue,
                    };
                    let incident = self.incident.clone().expect("a report is about an incident");
                    let (due, holder) = (incident.next_due(&self.policy), incident.owner());
                    let is_sos = incident.kind == Kind::Sos;
                    let decision = incident.worker_reports(report, &self.policy, self.now);
                    assert!(decision.incident.is_open(), "nothing that the worker says ends an incident");
                    assert_eq!(decision.incident.owner(), holder);
                    if is_sos || alarm == Alarm::WithPolice {
                        assert_eq!(
                            decision.incident.next_due(&self.policy),
                            due,
                            "nothing stops or slows it"
                        );
                    }
                    if is_sos {
                        assert!(decision.told.is_empty());
                        assert!(matches!(
                            decision.incident.state,
                            IncidentState::Open { claim: Claim::PinUsed { .. }, .. }
                        ));
                    }
                    self.take(decision);
                }
            }
            Step::Deed(deed) => self.deed(&deed),
            Step::Close(minutes) => {
                let Some(incident) = self.incident.clone() else { return };
                let until = self.now + TimeDelta::minutes(minutes);
                let worker_now =
                    if minutes % 2 == 0 { WorkerNow::Home } else { WorkerNow::StillThere { until } };
                let closing = Closing {
                    at: self.now,
                    by: SAM,
                    outcome: Outcome::SafeForgot,
                    known_by: KnownBy::Seen,
                    worker_now,
                    note: "n".into(),
                };
                let of_visit = incident.visit.is_some();
                let Ok(decision) = incident.close(closing) else { return };
                let visit = self.visit.clone();
                self.told_overdue = false;
                self.visit = match worker_now {
                    _ if !of_visit => visit,
                    WorkerNow::StillThere { until } => {
                        visit.watch_on(until, CLOSED, self.now, &self.policy).visit
                    }
                    _ => visit.end_with_incident(CLOSED, self.now).visit,
                };
                self.take(decision);
            }
        }
    }

    fn sos(&mut self) {
        let before = self.incident.clone();
        let sos = incident::Sos { at: self.now, by: ANN };
        let cry = incident::Cry { kind: Kind::Sos, sos, words: None, companions: &[] };
        let decision = match self.incident.clone() {
            Some(incident) => incident.sos(cry, self.rules(), self.now),
            None => Incident::called_for_help(self.opening(), None, cry, self.rules(), self.now),
        };
        let before_kind = before.as_ref().map(|before| before.kind);
        let again = before.as_ref().is_some_and(|before| {
            before.sos.is_some_and(|sos| self.now < sos.at + TimeDelta::minutes(2) && sos.by == ANN)
        });
        assert_eq!(decision.round.is_some(), !again, "a call for help is raised at once");
        assert_eq!(decision.incident.kind, Kind::Sos);
        assert!(again || decision.incident.owner().is_none(), "whoever had it has it no longer");
        if let (Some(owner), false) = (before.and_then(|before| before.owner()), again) {
            assert!(decision.told.contains(&Told::SosToOwner { owner }));
        }
        if self.incident.is_none() {
            self.told_overdue = false;
            self.incident = Some(decision.incident);
        } else {
            // What an overdue incident stood in for stays with it.
            self.told_overdue |= before_kind == Some(Kind::Overdue);
            self.take(decision);
        }
    }

    fn deed(&mut self, deed: &Deed) {
        let Some(incident) = self.incident.clone() else { return };
        let (due, owner, now) = (incident.next_due(&self.policy), incident.owner(), self.now);
        let (rules, policy) = (self.rules(), &self.policy);
        let told = || Police { log_number: "1".into(), officer: None, at: now };
        let decided = match deed {
            Deed::Acknowledge(by) => incident.acknowledge(*by, policy, now),
            Deed::TakeOver(by) => incident.take_over(*by, policy, now),
            Deed::HandOver(by, to) => incident.hand_over(*by, *to, policy, now),
            Deed::Hold(by, minutes) => {
                incident.hold(*by, Some(TimeDelta::minutes(*minutes)), "r", policy, now)
            }
            Deed::Cannot(who) => incident.cannot(*who, rules, now),
            Deed::NotSafe(by) => incident.not_safe(*by, "w", rules, now),
            Deed::Safe(by) => incident.reported_safe(*by, "w", now),
            Deed::Police(by) => incident.with_police(*by, told(), policy, now),
            Deed::Note(by) => Ok(incident.note(*by, "n", policy, now)),
            Deed::OutsideTrying => incident.outside_trying(JO, now),
        };
        let Ok(decision) = decided else {
            assert!(matches!(deed, Deed::Hold(..) | Deed::Police(_) | Deed::HandOver(..)), "{deed:?}");
            return;
        };
        let after = &decision.incident;
        assert!(after.is_open(), "nothing but a close ends it");
        let later = after.next_due(policy) > due;
        match deed {
            Deed::Safe(_) | Deed::OutsideTrying => {
                assert!(!later && after.owner() == owner, "a report stops nothing");
            }
            Deed::Cannot(who) => {
                assert!(after.owner() != Some(*who));
                assert!(!later || decision.round.is_some(), "it brings the next step, or changes nothing");
            }
            Deed::NotSafe(by) => {
                assert!(decision.round.is_some() && after.kind == Kind::Sos);
                let everybody = rules.ladder.cumulative_calls(rules.ladder.last_step(), ANN, rules.directory);
                let called = &decision.round.as_ref().unwrap().calls;
                assert!(everybody.iter().all(|call| called.contains(call)), "every step now");
                assert!(after.owner().is_none() || owner == Some(*by));
            }
            _ => assert!(
                after.owner().is_some_and(|owner| owner != JO && owner != ANN) || after.owner() == owner
            ),
        }
        if after.owner().is_some() {
            let longest = if after.kind == Kind::Sos { 30 } else { 60 };
            let until = after.next_due(policy).expect("an open incident has a time");
            // A promise that was made before the call for help was voided by it, so none is longer.
            assert!(
                until <= now + TimeDelta::minutes(longest.max(60)),
                "an alarm rests for {:?}",
                until - now
            );
        }
        self.take(decision);
    }

    fn check(&self) {
        let watched = self.visit.next_due(&self.policy);
        match &self.incident {
            Some(incident) => {
                assert!(
                    incident.next_due(&self.policy).is_some(),
                    "an open incident always has a time: {incident:?}"
                );
                if let IncidentState::Open { holder: Holder::Nobody { due }, .. } = &incident.state {
                    let longest = TimeDelta::minutes(30);
                    assert!(
                        *due <= self.now + longest,
                        "nobody has it, and nothing is due for {:?}",
                        *due - self.now
                    );
                }
            }
            None if watched.is_some() || self.visit.watched_till().is_some() => {
                assert!(!self.told_overdue);
                let due = watched.expect("a begun visit always has a time");
                assert!(due > self.now, "overdue, nobody has it, and it was not raised");
                if !matches!(self.visit.state, VisitState::Begun { .. }) {
                    return;
                }
                let opens = self.visit.expected_departure + self.policy.grace(self.visit.details.risk);
                assert!(due <= opens);
            }
            None => {}
        }
        if let VisitState::Begun { deadline, .. } = &self.visit.state {
            assert_eq!(deadline.at, self.visit.expected_departure);
            assert!(deadline.at <= self.now + TimeDelta::hours(13));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_overdue_visit_always_ends_with_a_person(
        planned in proptest::bool::weighted(0.2),
        minutes in 1_i64..120,
        high in any::<bool>(),
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let mut world = World::new(planned, minutes, if high { Risk::High } else { Risk::Normal });
        for step in steps {
            world.step(step);
            world.tick();
            world.check();
        }
        // Left alone, whoever is still inside is raised, again and again, for ever.
        if world.visit.next_due(&world.policy).is_some() || world.incident.is_some() {
            let mut rounds = 0;
            for _ in 0..30 * 60 {
                world.now += TimeDelta::minutes(1);
                rounds += world.tick();
                world.check();
            }
            prop_assert!(rounds > 20, "only {} rounds in 30 hours", rounds);
            prop_assert!(world.incident.is_some(), "nothing closes by itself");
        }
        for incident in &world.closed {
            let by_another = matches!(&incident.state, IncidentState::Closed { closing, .. } if closing.by != ANN);
            prop_assert!(by_another);
        }
    }

    /// A deadline moves later only by an act that says so.
    #[test]
    fn only_listed_acts_make_anything_later(minutes in 1_i64..200, steps in proptest::collection::vec(step(), 1..30)) {
        let mut world = World::new(false, minutes, Risk::Normal);
        for step in steps {
            let before = world.next_due();
            let had_incident = world.incident.is_some();
            let listed = match &step {
                Step::Visit(act, ..) => {
                    matches!(act, Act::CheckIn | Act::Extend(_) | Act::CheckOut { .. } | Act::Object)
                }
                Step::Deed(Deed::Safe(_) | Deed::OutsideTrying) | Step::Pass(_) => false,
                // These make something due now, and what comes after that later.
                Step::Sos | Step::Deed(_) | Step::Close(_) => true,
            };
            world.step(step);
            if let (Some(before), Some(after), false) = (before, world.next_due(), listed) {
                prop_assert!(after <= before, "{after} is later than {before} without an act");
            }
            prop_assert!(!had_incident || listed || world.incident.is_some());
            world.tick();
        }
    }

    /// Every text fits one SMS of 160 GSM-7 characters, whatever the names.
    #[test]
    fn every_text_fits(worker in ".{0,80}", other in ".{0,80}", offset in -3000_i64..3000, by_text in any::<bool>(), outside in any::<bool>()) {
        let now = start_of_time();
        let at = now + TimeDelta::minutes(offset);
        let phone = Some("07700900123".to_owned());
        let facts = Facts {
            worker: worker.clone(),
            worker_phone: phone.clone(),
            duty_phone: phone,
            reader: if outside { Reader::Outside } else { Reader::Staff },
            code: Some("K7QF".into()),
            answering: if by_text { Answering::ByText } else { Answering::InHomeward },
            page: Page::Below,
            now,
            zone: chrono_tz::Europe::London,
        };
        let sos = |found_by: Option<&String>, again| Notice::Sos(SosCall { at, found_by: found_by.cloned(), again });
        let duress = |again| Notice::Duress(SosCall { at, found_by: None, again });
        let overdue = |again| Notice::Overdue(Overdue { missed: Missed { what: Awaited::WelfareCheck, at }, again, risk: Risk::High, no_signal_expected: true });
        let listed = |name: &str| Listed { incident: Uuid::nil(), worker: name.into(), missed: Missed { what: Awaited::Departure, at }, code: "K7QF".into() };
        let notices = [
            Notice::Reminder { what: Awaited::Departure, which: Reminder::Before, deadline: at, others_told_at: at },
            Notice::Reminder { what: Awaited::Departure, which: Reminder::Last, deadline: at, others_told_at: at },
            Notice::Reminder { what: Awaited::Arrival, which: Reminder::Before, deadline: at, others_told_at: at },
            Notice::Reminder { what: Awaited::Arrival, which: Reminder::Last, deadline: at, others_told_at: at },
            Notice::Reminder { what: Awaited::WelfareCheck, which: Reminder::Last, deadline: at, others_told_at: at },
            Notice::Reminder { what: Awaited::HomeSafe, which: Reminder::Last, deadline: at, others_told_at: at },
            Notice::AskedAfterOutage { missed: Missed { what: Awaited::Arrival, at } },
            Notice::WatchedWith { by: other.clone(), till: at },
            Notice::ArrivedLate,
            Notice::StartedForYou { by: other.clone(), till: at },
            Notice::ActedForYou { by: other.clone(), known_by: Some(KnownBy::SpokeByVoice), till: Some(at) },
            Notice::ActedForYou { by: other.clone(), known_by: Some(KnownBy::Police), till: None },
            overdue(Again::No),
            overdue(Again::Lapsed { owner: other.clone() }),
            overdue(Again::Unconfirmed),
            overdue(Again::PoliceUnanswered { owner: other.clone() }),
            sos(None, Again::No),
            sos(Some(&other), Again::Unconfirmed),
            sos(Some(&other), Again::Lapsed { owner: other.clone() }),
            Notice::Passed { owner: other.clone(), from: worker.clone() },
            Notice::HandedToYou { from: other.clone(), until: at },
            Notice::Held { owner: other.clone(), until: at },
            Notice::Cannot { who: other.clone() },
            Notice::WithPolice { owner: other.clone(), log_number: other.clone() },
            Notice::PoliceReminder { until: at },
            Notice::SosToOwner,
            Notice::SosAgain,
            duress(Again::No),
            duress(Again::PoliceUnanswered { owner: other.clone() }),
            Notice::DuressToOwner,
            Notice::StandDown,
            Notice::DuressAgain,
            Notice::ReportsWithPolice(Report::SafeInside { till: at }),
            Notice::ReportedSafe { by: other.clone() },
            Notice::Objected { by: other.clone(), till: at },
            Notice::PutOnRecord { by: other.clone(), arrived_at: at },
            Notice::Agreement(AboutAgreement::Asked { door: AtTheDoor::Yes }),
            Notice::Agreement(AboutAgreement::Asked { door: AtTheDoor::No { begins: at } }),
            Notice::Agreement(AboutAgreement::NobodyCan { door: AtTheDoor::Yes }),
            Notice::Agreement(AboutAgreement::NobodyCan { door: AtTheDoor::No { begins: at } }),
            Notice::Agreement(AboutAgreement::Decided { decided: Decided::Agreed, by: other.clone(), inside: AtTheDoor::No { begins: at } }),
            Notice::Agreement(AboutAgreement::Decided { decided: Decided::Asked, by: other.clone(), inside: AtTheDoor::No { begins: at } }),
            Notice::Agreement(AboutAgreement::Decided { decided: Decided::Refused, by: other.clone(), inside: AtTheDoor::Yes }),
            Notice::Agreement(AboutAgreement::Decided { decided: Decided::TakenBack, by: other.clone(), inside: AtTheDoor::No { begins: at } }),
            Notice::Agreement(AboutAgreement::Decided { decided: Decided::NotYet, by: other.clone(), inside: AtTheDoor::Yes }),
            Notice::Agreement(AboutAgreement::Warned { inside: AtTheDoor::Yes }),
            Notice::Agreement(AboutAgreement::Warned { inside: AtTheDoor::No { begins: now } }),
            Notice::RecordMissing { visits: 1, first: at, asked: Asked::Them },
            Notice::RecordMissing { visits: 1000, first: at, asked: Asked::TheirManager(other.clone()) },
            Notice::FollowUpDue { kind: FollowUpKind::ReportableInjury, due_on: at.date_naive(), asked: Asked::Them },
            Notice::FollowUpDue { kind: FollowUpKind::PoliceLog, due_on: at.date_naive(), asked: Asked::TheirManager(other.clone()) },
            Notice::UnreadableText,
            Notice::ConcernRaised { by: other.clone(), at },
            Notice::ConcernDue { by: worker.clone(), at, asked: Asked::Them },
            Notice::ConcernDue { by: worker.clone(), at, asked: Asked::TheirManager(other.clone()) },
            Notice::ConcernActionDue { due_on: at.date_naive(), asked: Asked::Them },
            Notice::ConcernActionDue { due_on: at.date_naive(), asked: Asked::TheirManager(other.clone()) },
            Notice::MeasuresMissing { at },
            Notice::CarrierWord { word: other.clone() },
            Notice::OverdueList { workers: vec![listed(&worker), listed(&other), listed(&worker)], opened: if outside { Opened::InTime } else { Opened::AfterOutage } },
            Notice::Taken { owner: other.clone() },
            Notice::OwnerWarned { until: at },
            Notice::WorkerReports(Report::Safe),
            Notice::WorkerReports(Report::SafeInside { till: at }),
            Notice::OutsideTrying { contact: other.clone() },
            Notice::Closed { outcome: Outcome::SafeForgot, by: other },
            Notice::WrongPins { wrong: 3 },
            Notice::NoPin { till: at },
            Notice::AboveCap { minutes: 100_000, till: at },
            Notice::UnreadableStart,
            Notice::Drill,
            Notice::DrillOver,
            Notice::RehearsalOver,
            Notice::StuckDeadline,
            Notice::Undeliverable { message: Uuid::nil() },
        ];
        for notice in notices {
            let text = English.notice(&notice, &facts);
            prop_assert!(sms::fits(&text.sms), "{} characters: {}", text.sms.chars().count(), text.sms);
            prop_assert!(!text.subject.is_empty() && !text.mail.is_empty());
        }
    }

    /// A start is watched from that second, whatever it says.
    #[test]
    fn every_start_is_watched(
        minutes in proptest::option::of(-2000_i64..2000),
        made in proptest::option::of(-2000_i64..2000),
        absolute in any::<bool>(),
        high in any::<bool>(),
    ) {
        let (now, policy) = (start_of_time(), Policy::default());
        let departure = match minutes {
            None => Departure::Missing,
            Some(minutes) if absolute => Departure::At(now + TimeDelta::minutes(minutes)),
            Some(minutes) => Departure::After(TimeDelta::minutes(minutes)),
        };
        let details = Details { risk: if high { Risk::High } else { Risk::Normal }, ..Details::default() };
        let start = Start { details, expected_arrival: None, departure, made_at: made.map(|made| now + TimeDelta::minutes(made)), plan: Plan::AsDescribed };
        let whose = Whose { organisation: OrganisationId(id(1)), team: TeamId(id(1)), worker: ANN, by: ANN };
        let (decision, _) = start.begin(VisitId(id(1)), whose, now, &policy);
        let visit = decision.visit;
        let begun = matches!(visit.state, VisitState::Begun { .. });
        prop_assert!(begun, "{:?}", visit.state);
        prop_assert!(visit.expected_departure >= now && visit.expected_departure <= now + TimeDelta::hours(12));
        let opens = visit.expected_departure + policy.grace(visit.details.risk);
        prop_assert!(visit.next_due(&policy).is_some_and(|due| due <= opens));
        let events: Vec<NewEvent> = decision.events;
        prop_assert_eq!(events.len(), 1);
    }
}

/// The review is the one thing that comes after the end, and changes nothing else.
#[test]
fn a_closed_incident_takes_a_review_and_nothing_else() {
    let mut world = World::new(false, 5, Risk::High);
    world.now += TimeDelta::minutes(5);
    world.tick();
    world.step(Step::Close(0));
    let closed = world.closed.pop().unwrap();
    let (now, policy) = (world.now, world.policy.clone());
    assert_eq!(closed.next_due(&policy), None);
    assert!(closed.clone().acknowledge(SAM, &policy, now).is_err());
    assert!(closed.clone().outside_trying(JO, now).is_err());
    assert_eq!(closed.clone().worker_reports(Report::Safe, &policy, now).incident, closed);
    let review = Review { at: now, by: SAM, learned: "l".into(), action: "a".into() };
    assert!(closed.review(review).is_ok());
}
