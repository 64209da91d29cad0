//! What can happen next. Each kind of thing is one variant of [`Step`], one line of the [`table`] that draws it, and one arm of
//! [`take`] that does it to the service and to the model and compares what both answer.

mod table;

use chrono::TimeDelta;
use homeward::{
    app::{self, Rejected, incidents::OutsideAnswer, visits::ForWhom},
    domain::{
        command::Plan,
        event::Door,
        ids::VisitId,
        incident::{NotNow, Outcome, Police, WorkerNow},
        start::{Departure, Start},
        visit::{self, Details, ExtendTo, KnownBy, Record, Risk},
    },
    store::Trace,
};

pub use self::table::draw;
use super::{
    desk::{MAIL, Mood, PROVIDERS, SMS},
    model::{Act, Answer, Came, Deed, Going, Outside, Pin, Place, Who, Words},
    receipts::Receipts,
    replicas::{Fate, Point},
    texts::By,
    world::{DURESS_PIN, PIN, WRONG_PIN, World},
};

/// One thing that happens. Visits and incidents are named by their place in the order in which they began.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    Start { worker: Who, by: Who, going: Going },
    Visit { visit: usize, by: Who, act: Act, pin: Pin },
    Sos { worker: Who },
    Text { who: Who, words: Words, late: i64, by: By },
    TextAgain { which: usize },
    Deed { incident: usize, by: Who, deed: Deed },
    Outside { incident: usize, contact: Who, answer: Outside },
    SubjectLooks { incident: usize },
    Pass { seconds: i64 },
    Outage { seconds: i64 },
    Jump { seconds: i64 },
    Provider { name: &'static str, mood: Mood },
    OutageOfProviders { sms: [Mood; 2], mail: Mood, seconds: i64 },
    Receipts(Receipts),
    Trap { replica: usize, point: Point, fate: Fate },
    BringUp { replica: usize },
    Kill { replica: usize },
}

/// Does it, in the service and in the model.
pub async fn take(world: &mut World, step: Step) {
    let now = world.now();
    if world.running().is_empty() && !step.is_outside() {
        // Nobody answers at the doors.
        return;
    }
    match step {
        Step::Start { worker, by, going } => begin(world, (worker, by), going).await,
        Step::Visit { visit, by, act, pin } => {
            let expected = world.model.act(visit, by, act, pin, now);
            let answer = on_visit(world, visit, by, act, pin).await;
            assert_eq!(answer, expected, "the answer to {by}");
            let own = if world.model.visits[visit].worker == by { "own" } else { "another's" };
            world.count(format!("visit: {} of {own}, {answer:?}", act.word()));
            if pin == Pin::Duress {
                // The next round raises the alarm; here it comes before anything else can happen.
                world.round().await;
            }
        }
        Step::Sos { worker } => {
            world.model.sos(worker, now, now);
            let (actor, trace) = (world.people[worker].clone(), trace(world, worker));
            let cry = app::sos::Cry::default();
            world
                .write(async move |tx, house| {
                    app::sos::call_for_help(tx, house, &actor, cry.clone(), trace).await
                })
                .await;
            world.learn_of_incidents().await;
        }
        Step::Text { who, words, late, by } => {
            world.text(who, &words, late, by).await;
            if matches!(
                words,
                Words::Out(Pin::Duress) | Words::Fine(Pin::Duress) | Words::More(_, Pin::Duress)
            ) {
                world.round().await;
            }
        }
        Step::TextAgain { which } => {
            world.count("text: an old one delivered again");
            world.text_again(which).await;
        }
        Step::Deed { incident, by, deed } => {
            let expected = world.model.deed(incident, by, deed, now);
            assert_eq!(on_incident(world, incident, by, deed).await, expected, "the answer to {by}");
        }
        Step::Outside { incident, contact, answer: said } => {
            let expected = world.model.outside(incident, contact, said, now);
            let named = (world.organisation, world.incidents[incident]);
            let (contact, trace) = (world.contacts[contact], Trace { actor: None, door: Door::Demo, now });
            let said = match said {
                Outside::Trying => OutsideAnswer::Trying,
                Outside::Cannot => OutsideAnswer::Cannot,
                Outside::Safe => OutsideAnswer::Safe { words: "w".into() },
                Outside::NotSafe => OutsideAnswer::NotSafe { words: "w".into() },
            };
            let done = world
                .write(async move |tx, house| {
                    app::incidents::outside(tx, house, named, contact, said.clone(), trace).await
                })
                .await;
            assert_eq!(answer(done), expected);
        }
        Step::SubjectLooks { incident } => super::checks::the_subject_sees_nothing(world, incident).await,
        Step::Pass { seconds } => world.pass(TimeDelta::seconds(seconds)).await,
        Step::Outage { seconds } => {
            for replica in 0..world.replicas.len() {
                world.kill(replica, None).await;
            }
            world.clock.advance(TimeDelta::seconds(seconds));
            world.bring_up(0).await;
            world.round().await;
        }
        Step::Jump { seconds } => {
            world.clock.advance(TimeDelta::seconds(seconds));
            world.round().await;
        }
        Step::Provider { name, mood } => world.desk.set(name, mood),
        Step::OutageOfProviders { sms, mail, seconds } => {
            SMS.into_iter().zip(sms).for_each(|(name, mood)| world.desk.set(name, mood));
            world.desk.set(MAIL[0], mail);
            world.count_outage();
            world.pass(TimeDelta::seconds(seconds)).await;
        }
        Step::Receipts(how) => world.desk.receipts.set(how),
        Step::Trap { replica, point, fate } => world.replicas[replica].trap = Some((point, fate)),
        Step::BringUp { replica } => world.bring_up(replica).await,
        Step::Kill { replica } => world.kill(replica, None).await,
    }
}

impl Step {
    /// Whether it needs nobody at the doors.
    fn is_outside(&self) -> bool {
        matches!(
            self,
            Self::Pass { .. }
                | Self::Outage { .. }
                | Self::Jump { .. }
                | Self::Provider { .. }
                | Self::OutageOfProviders { .. }
                | Self::Receipts(_)
                | Self::Trap { .. }
                | Self::BringUp { .. }
        )
    }
}

fn trace(world: &World, by: Who) -> Trace {
    Trace { actor: Some(world.contacts[by]), door: Door::Api, now: world.now() }
}

async fn begin(world: &mut World, (worker, by): (Who, Who), going: Going) {
    let now = world.now();
    let (at, came) = world.model.start(worker, by, &going, now);
    world.count(format!("{}: {came:?}", if going.ahead.is_some() { "plan" } else { "start" }));
    let minutes = |length: Option<i64>| length.map(TimeDelta::minutes);
    let start = Start {
        details: Details {
            place: Some(going.words),
            risk: if going.high_risk { Risk::High } else { Risk::Normal },
            check_every: minutes(going.every),
            home_within: minutes(going.home),
            ..Details::default()
        },
        expected_arrival: minutes(going.ahead).map(|ahead| now + ahead),
        departure: minutes(going.minutes).map_or(Departure::Missing, Departure::After),
        made_at: None,
        plan: Plan::AsDescribed,
    };
    let for_whom = if worker == by { ForWhom::Self_ } else { ForWhom::Another(worker.into()) };
    let (id, actor, trace) = (VisitId::new(now), world.people[by].clone(), trace(world, by));
    let done = world
        .write(async move |tx, house| {
            app::visits::start(tx, house, &actor, &for_whom, start.clone(), id, trace).await
        })
        .await
        .expect("a start is never refused");
    let expected = match came {
        Came::New => app::visits::Came::New,
        Came::Again => app::visits::Came::ThereBefore,
        Came::Arrival => app::visits::Came::Arrival,
    };
    assert_eq!(done.came, expected, "how the visit came to be");
    if came == Came::New {
        world.visits.push(done.visit.id);
    } else {
        assert_eq!(done.visit.id, world.visits[at], "which visit it is");
    }
}

async fn on_incident(world: &mut World, incident: usize, by: Who, deed: Deed) -> Answer {
    use app::incidents::Deed as Done;

    let (now, id, actor, trace) =
        (world.now(), world.incidents[incident], world.people[by].clone(), trace(world, by));
    let words = || String::from("w");
    let deed = match deed {
        Deed::Close(place) => {
            let worker_now = match place {
                Place::Home => WorkerNow::Home,
                Place::StillThere(length) => WorkerNow::StillThere { until: now + length },
            };
            let close = app::incidents::Close {
                outcome: Outcome::SafeForgot,
                known_by: KnownBy::SpokeByVoice,
                worker_now,
                note: words(),
            };
            let done = world
                .write(async move |tx, house| {
                    app::incidents::close(tx, house, &actor, id, close.clone(), trace).await
                })
                .await;
            return answer(done);
        }
        Deed::Acknowledge => Done::Acknowledge,
        Deed::TakeOver => Done::TakeOver,
        Deed::HandOver(to) => Done::HandOver(to.into()),
        Deed::Hold(length) => Done::Hold { length: Some(length), reason: words() },
        Deed::Cannot => Done::Cannot,
        Deed::NotSafe => Done::NotSafe { words: words() },
        Deed::Safe => Done::Safe { words: words() },
        Deed::WithPolice => Done::WithPolice(Police { log_number: words(), officer: None, at: now }),
        Deed::Note => Done::Note(words()),
    };
    let done = world
        .write(async move |tx, house| app::incidents::act(tx, house, &actor, id, deed.clone(), trace).await)
        .await;
    answer(done)
}

async fn on_visit(world: &mut World, visit: usize, by: Who, act: Act, pin: Pin) -> Answer {
    let own = world.model.visits[visit].worker == by;
    let (id, actor, trace) = (world.visits[visit], world.people[by].clone(), trace(world, by));
    let key = homeward::keys::ServerKey::parse(crate::support::app::SERVER_KEY).unwrap();
    let request = app::visits::Request {
        act: match act {
            Act::Arrive => visit::Act::Arrive,
            Act::Fine => visit::Act::CheckIn,
            Act::Extend(length) => visit::Act::Extend(ExtendTo::For(length)),
            Act::End => visit::Act::CheckOut(Record::default()),
            Act::Home => visit::Act::HomeSafe,
            Act::Cancel => visit::Act::Cancel { reason: "w".into() },
            Act::Object => visit::Act::Object,
        },
        pin: match pin {
            Pin::Right => Some(key.given(actor.person, PIN, "")),
            Pin::Duress => Some(key.given(actor.person, DURESS_PIN, "")),
            Pin::Wrong => Some(key.given(actor.person, WRONG_PIN, "")),
            Pin::Missing => None,
        },
        known_by: (!own).then_some(KnownBy::SpokeByVoice),
        made_at: None,
    };
    let done = world
        .write(async move |tx, house| app::visits::act(tx, house, &actor, id, request.clone(), trace).await)
        .await;
    answer(done)
}

fn answer<T>(done: Result<T, Rejected>) -> Answer {
    match done {
        Ok(_) => Answer::Done,
        Err(Rejected::NotFound) => Answer::NotFound,
        Err(Rejected::Subject) => Answer::Subject,
        Err(Rejected::Role) => Answer::Role,
        Err(Rejected::Pin { .. }) => Answer::Pin,
        Err(Rejected::WorkerOnly) => Answer::WorkerOnly,
        Err(Rejected::Visit { .. }) => Answer::NotNow,
        Err(Rejected::Incident { why: NotNow::Closed, .. }) => Answer::Closed,
        Err(Rejected::Incident { why: NotNow::WatchedTooLong, .. }) => Answer::TooLong,
        Err(Rejected::Incident { why: NotNow::NotYours, .. }) => Answer::NotYours,
        Err(Rejected::Incident { why: NotNow::NotTaken, .. }) => Answer::NotTaken,
        Err(Rejected::Incident { why: NotNow::NoVisit, .. }) => Answer::NoVisit,
        Err(Rejected::CannotHaveIt(_)) => Answer::CannotHaveIt,
        Err(other) => panic!("an answer that the model does not know: {other}"),
    }
}

/// The SMS gateways can be told from the mail server by their names.
const _: () = assert!(SMS.len() + MAIL.len() == PROVIDERS.len());
