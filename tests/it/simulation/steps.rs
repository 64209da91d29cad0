//! What can happen next. Each kind of thing is one variant of [`Step`], one line of [`TABLE`] that draws it, and one arm of
//! [`take`] that does it to the service and to the model and compares what both answer.

use chrono::TimeDelta;
use homeward::{
    app::{
        self, Rejected,
        incidents::OutsideAnswer,
        visits::{Came, ForWhom},
    },
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

use super::{
    desk::{MAIL, Mood, PROVIDERS, SMS},
    draw::Draw,
    model::{
        Act, Answer, Deed, FURTHEST_AT_CLOSE, Kind, MANAGERS, OUTSIDE, Outside, Pin, Place, WORKERS, Who,
    },
    world::{DURESS_PIN, Fate, GRID, PIN, Point, WRONG_PIN, World},
};

/// One thing that happens. Visits and incidents are named by their place in the order in which they began.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    Start { worker: Who, by: Who, words: String, minutes: Option<i64>, high_risk: bool },
    Visit { visit: usize, by: Who, act: Act, pin: Pin },
    Sos { worker: Who },
    Deed { incident: usize, by: Who, deed: Deed },
    Outside { incident: usize, contact: Who, answer: Outside },
    SubjectLooks { incident: usize },
    Pass { seconds: i64 },
    Outage { seconds: i64 },
    Jump { seconds: i64 },
    Provider { name: &'static str, mood: Mood },
    Trap { replica: usize, point: Point, fate: Fate },
    BringUp { replica: usize },
    Kill { replica: usize },
}

type Drawing = fn(&mut Draw, &World) -> Option<Step>;

/// How often each kind is tried to be drawn, and how. A drawing may find that it does not fit now.
const TABLE: &[(usize, Drawing)] = &[
    (9, start),
    (3, start_again),
    (16, act_on_visit),
    (4, act_for_another),
    (2, objection),
    (3, sos),
    (12, acknowledge),
    (14, deed),
    (6, close),
    (3, outside),
    (1, subject_looks),
    (20, pass),
    (16, pass_till_due),
    (2, outage),
    (2, jump),
    (9, provider),
    (10, trap),
    (3, bring_up),
    (2, kill),
];

/// Draws the next step.
pub fn draw(world: &mut World) -> Step {
    let all: usize = TABLE.iter().map(|(weight, _)| weight).sum();
    let mut draw = world.draw.clone();
    loop {
        let mut at = draw.below(all);
        let (_, drawing) = TABLE
            .iter()
            .find(|(weight, _)| {
                let here = at < *weight;
                at = at.saturating_sub(*weight);
                here
            })
            .unwrap();
        if let Some(step) = drawing(&mut draw, world) {
            world.draw = draw;
            return step;
        }
    }
}

fn start(draw: &mut Draw, world: &World) -> Option<Step> {
    if world.model.visits.iter().filter(|visit| visit.begun).count() >= 5 {
        return None;
    }
    let worker = draw.one_of(&WORKERS);
    let by = if draw.chance(85) { worker } else { draw.one_of(&["sam", "dee"]) };
    let minutes = if draw.chance(10) { None } else { Some(draw.between(1, 9) * 5) };
    let words = format!("{} High St", world.model.visits.len() + 1);
    Some(Step::Start { worker, by, words, minutes, high_risk: draw.chance(25) })
}

fn start_again(draw: &mut Draw, world: &World) -> Option<Step> {
    let running: Vec<usize> = begun(world);
    let visit = &world.model.visits[draw.any_of(&running)?];
    let (worker, words) = (visit.worker, visit.words.clone());
    Some(Step::Start { worker, by: worker, words, minutes: visit.minutes, high_risk: visit.high_risk })
}

fn begun(world: &World) -> Vec<usize> {
    (0..world.model.visits.len()).filter(|at| world.model.visits[*at].begun).collect()
}

/// Mostly one that runs; now and then one that is over.
fn some_visit(draw: &mut Draw, world: &World) -> Option<usize> {
    let all: Vec<usize> = (0..world.model.visits.len()).collect();
    if draw.chance(6) { draw.any_of(&all) } else { draw.any_of(&begun(world)) }
}

fn some_act(draw: &mut Draw) -> Act {
    match draw.below(10) {
        0..=2 => Act::Fine,
        3..=5 => Act::Extend(TimeDelta::minutes(if draw.chance(5) { 800 } else { draw.between(1, 8) * 5 })),
        _ => Act::End,
    }
}

fn act_on_visit(draw: &mut Draw, world: &World) -> Option<Step> {
    let visit = some_visit(draw, world)?;
    let by = world.model.visits[visit].worker;
    let pin = match draw.below(20) {
        0..=3 => Pin::Wrong,
        4 | 5 => Pin::Missing,
        6 if world.model.silent_alarm_is_clear(by) => Pin::Duress,
        _ => Pin::Right,
    };
    Some(Step::Visit { visit, by, act: some_act(draw), pin })
}

/// The worker says that what somebody else did is not right.
fn objection(draw: &mut Draw, world: &World) -> Option<Step> {
    let all: Vec<usize> = (0..world.model.visits.len()).collect();
    let visit = draw.any_of(&all)?;
    Some(Step::Visit { visit, by: world.model.visits[visit].worker, act: Act::Object, pin: Pin::Missing })
}

/// Where two visits or two incidents could be meant equally well, nobody calls for help.
fn sos(draw: &mut Draw, world: &World) -> Option<Step> {
    let worker = draw.one_of(&WORKERS);
    let clear = world.model.meant_by_sos(worker).is_ok() && world.model.began_last(worker).is_ok();
    clear.then_some(Step::Sos { worker })
}

fn act_for_another(draw: &mut Draw, world: &World) -> Option<Step> {
    let visit = some_visit(draw, world)?;
    let by = draw.one_of(&["sam", "dee", "cas"]);
    let own = world.model.visits[visit].worker == by;
    (!own).then(|| Step::Visit { visit, by, act: some_act(draw), pin: Pin::Missing })
}

/// Mostly an open one; now and then one that is closed.
fn some_incident(draw: &mut Draw, world: &World) -> Option<usize> {
    let all: Vec<usize> = (0..world.model.incidents.len()).collect();
    let open: Vec<usize> = all.iter().copied().filter(|at| world.model.incidents[*at].open).collect();
    if draw.chance(6) { draw.any_of(&all) } else { draw.any_of(&open) }
}

/// Whoever is not a manager speaks of open incidents only.
fn somebody(draw: &mut Draw, world: &World, incident: usize) -> Who {
    let open = world.model.incidents[incident].open;
    if draw.chance(80) || !open { draw.one_of(&MANAGERS) } else { draw.one_of(&["ann", "ben", "cas", "ari"]) }
}

fn acknowledge(draw: &mut Draw, world: &World) -> Option<Step> {
    let incident = some_incident(draw, world)?;
    Some(Step::Deed { incident, by: somebody(draw, world, incident), deed: Deed::Acknowledge })
}

/// Mostly by whoever has it, if anybody has.
fn deed(draw: &mut Draw, world: &World) -> Option<Step> {
    let incident = some_incident(draw, world)?;
    let owner = world.model.incidents[incident].owner().filter(|_| draw.chance(60));
    let by = owner.unwrap_or_else(|| somebody(draw, world, incident));
    let deed = match draw.below(12) {
        0 | 1 => Deed::TakeOver,
        2 | 3 => Deed::HandOver(draw.one_of(&["ann", "sam", "dee", "una", "cas", "jo"])),
        4 | 5 => Deed::Hold(TimeDelta::minutes(draw.between(0, 14) * 5)),
        6 | 7 => Deed::Cannot,
        8 if may_become_sos(world, incident) => Deed::NotSafe,
        8 | 9 => Deed::WithPolice,
        10 => Deed::Safe,
        _ => Deed::Note,
    };
    Some(Step::Deed { incident, by, deed })
}

/// Of two calls for help about one worker it is open which one the worker's acts bear on.
fn may_become_sos(world: &World, incident: usize) -> bool {
    let model = &world.model;
    let about = model.open_about(model.incidents[incident].subject);
    about.into_iter().all(|other| other == incident || model.incidents[other].kind == Kind::Overdue)
}

fn close(draw: &mut Draw, world: &World) -> Option<Step> {
    let incident = some_incident(draw, world)?;
    let place = match draw.below(10) {
        0 => Place::StillThere(FURTHEST_AT_CLOSE + TimeDelta::minutes(1)),
        1..=3 => Place::StillThere(TimeDelta::minutes(draw.between(1, 12) * 5)),
        _ => Place::Home,
    };
    Some(Step::Deed { incident, by: somebody(draw, world, incident), deed: Deed::Close(place) })
}

fn outside(draw: &mut Draw, world: &World) -> Option<Step> {
    let incident = some_incident(draw, world)?;
    let answer = match draw.below(4) {
        0 => Outside::Trying,
        1 => Outside::Cannot,
        2 if may_become_sos(world, incident) => Outside::NotSafe,
        _ => Outside::Safe,
    };
    Some(Step::Outside { incident, contact: draw.one_of(&OUTSIDE), answer })
}

fn subject_looks(draw: &mut Draw, world: &World) -> Option<Step> {
    let incident = some_incident(draw, world)?;
    world.model.incidents[incident].open.then_some(Step::SubjectLooks { incident })
}

/// Nothing comes of time in which nobody is watched and nobody called.
fn something_may_come(world: &World) -> bool {
    world.model.visits.iter().any(|visit| visit.begun)
        || world.model.incidents.iter().any(|incident| incident.open)
}

fn pass(draw: &mut Draw, world: &World) -> Option<Step> {
    if !something_may_come(world) {
        return None;
    }
    let grid = GRID.num_seconds();
    let seconds = if draw.chance(40) { draw.between(1, 5) * grid } else { draw.between(1, 20) * 60 };
    Some(Step::Pass { seconds })
}

/// To the moment when the timer is due, or just before or after it.
fn pass_till_due(draw: &mut Draw, world: &World) -> Option<Step> {
    let due = world.due?;
    let seconds = (due - world.now()).num_seconds() + draw.between(-1, 1) * GRID.num_seconds();
    (seconds > 0).then_some(Step::Pass { seconds })
}

/// Well on this or that side of what counts as an outage.
fn without_rounds(draw: &mut Draw) -> i64 {
    if draw.chance(50) { draw.between(1, 4) * 60 } else { draw.between(6, 40) * 60 }
}

fn outage(draw: &mut Draw, world: &World) -> Option<Step> {
    something_may_come(world).then(|| Step::Outage { seconds: without_rounds(draw) })
}

fn jump(draw: &mut Draw, world: &World) -> Option<Step> {
    something_may_come(world).then(|| Step::Jump { seconds: without_rounds(draw) })
}

#[expect(clippy::unnecessary_wraps, reason = "it stands in the table")]
fn provider(draw: &mut Draw, _: &World) -> Option<Step> {
    let name = draw.one_of(&PROVIDERS);
    let mood = match draw.below(10) {
        0..=3 => Mood::Well,
        4 | 5 => Mood::Down,
        6 | 7 => Mood::LosesAnswers,
        8 => Mood::Busy,
        _ if MAIL.contains(&name) => Mood::Down,
        _ => Mood::Refuses(draw.one_of(&["+447700900125", "+447700900126", "+447700900124"])),
    };
    Some(Step::Provider { name, mood })
}

fn trap(draw: &mut Draw, world: &World) -> Option<Step> {
    let replica = draw.any_of(&world.running())?;
    let point = match draw.below(3) {
        0 => Point::Claimed,
        1 => Point::HalfHandedOver(u64::try_from(draw.below(1000)).unwrap()),
        _ => Point::HandedOver,
    };
    let length = TimeDelta::seconds(draw.between(1, 9) * GRID.num_seconds());
    let fate = if draw.chance(50) { Fate::Killed(length) } else { Fate::Stopped(length) };
    world.replicas[replica].trap.is_none().then_some(Step::Trap { replica, point, fate })
}

fn bring_up(draw: &mut Draw, world: &World) -> Option<Step> {
    let down: Vec<usize> = (0..world.replicas.len()).filter(|at| !world.is_up(*at)).collect();
    Some(Step::BringUp { replica: draw.any_of(&down)? })
}

/// Never the last one: that is an outage.
fn kill(draw: &mut Draw, world: &World) -> Option<Step> {
    let up = world.running();
    if up.len() < 2 { None } else { Some(Step::Kill { replica: draw.one_of(&up) }) }
}

/// Does it, in the service and in the model.
pub async fn take(world: &mut World, step: Step) {
    let now = world.now();
    if world.running().is_empty() && !step.is_outside() {
        // Nobody answers at the doors.
        return;
    }
    match step {
        Step::Start { worker, by, words, minutes, high_risk } => {
            begin(world, (worker, by), words, minutes, high_risk).await;
        }
        Step::Visit { visit, by, act, pin } => {
            let expected = world.model.act(visit, by, act, pin, now);
            let answer = on_visit(world, visit, by, act, pin).await;
            assert_eq!(answer, expected, "the answer to {by}");
            if pin == Pin::Duress {
                // The next round raises the alarm; here it comes before anything else can happen.
                world.round().await;
            }
        }
        Step::Sos { worker } => {
            world.model.sos(worker, now);
            let (actor, trace) = (world.people[worker].clone(), trace(world, worker));
            let cry = app::sos::Cry::default();
            world
                .write(async move |tx, house| {
                    app::sos::call_for_help(tx, house, &actor, cry.clone(), trace).await
                })
                .await;
            world.learn_of_incidents().await;
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
                | Self::Trap { .. }
                | Self::BringUp { .. }
        )
    }
}

fn trace(world: &World, by: Who) -> Trace {
    Trace { actor: Some(world.contacts[by]), door: Door::Api, now: world.now() }
}

async fn begin(
    world: &mut World,
    (worker, by): (Who, Who),
    words: String,
    minutes: Option<i64>,
    high_risk: bool,
) {
    let now = world.now();
    let (at, new) = world.model.start(worker, &words, high_risk, minutes, now);
    let start = Start {
        details: Details {
            place: Some(words),
            risk: if high_risk { Risk::High } else { Risk::Normal },
            ..Details::default()
        },
        expected_arrival: None,
        departure: minutes
            .map_or(Departure::Missing, |minutes| Departure::After(TimeDelta::minutes(minutes))),
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
    assert_eq!(done.came == Came::New, new, "whether it is a new visit");
    if new {
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
            Act::Fine => visit::Act::CheckIn,
            Act::Extend(length) => visit::Act::Extend(ExtendTo::For(length)),
            Act::End => visit::Act::CheckOut(Record::default()),
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
