//! How each kind of step is drawn: a line of [`TABLE`] and a function that finds one that fits now, if there is any.

use chrono::TimeDelta;

use super::{
    super::{
        desk::{MAIL, Mood, PROVIDERS, SMS},
        draw::Draw,
        model::{
            Act, Deed, FURTHEST_AT_CLOSE, Going, Kind, MANAGERS, OUTSIDE, Outside, Pin, Place, Stand, Visit,
            WORKERS, Who, Words,
        },
        receipts::{Receipts, Says},
        replicas::{Fate, Point},
        texts::{By, TEXTERS},
        world::{GRID, World},
    },
    Step,
};

type Drawing = fn(&mut Draw, &World) -> Option<Step>;

/// How often each kind is tried to be drawn, and how. A drawing may find that it does not fit now.
const TABLE: &[(usize, Drawing)] = &[
    (9, start),
    (6, plan),
    (3, start_again),
    (5, start_as_planned),
    (18, act_on_visit),
    (6, act_for_another),
    (5, objection),
    (3, sos),
    (9, text_of_worker),
    (8, text_of_responder),
    (2, text_again),
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
    (3, outage_of_providers),
    (7, receipts),
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

/// Not more at once than a run can follow.
const AT_ONCE: usize = 5;

fn going(draw: &mut Draw, world: &World) -> Option<Step> {
    if watched(world).len() >= AT_ONCE {
        return None;
    }
    let worker = draw.one_of(&WORKERS);
    let by = if draw.chance(85) { worker } else { draw.one_of(&["sam", "dee"]) };
    let going = Going {
        words: format!("{} High St", world.model.visits.len() + 1),
        minutes: if draw.chance(10) { None } else { Some(draw.between(1, 9) * 5) },
        high_risk: draw.chance(25),
        ahead: None,
        every: draw.chance(35).then(|| draw.between(1, 4) * 5),
        home: draw.chance(65).then(|| draw.between(1, 3) * 5),
    };
    Some(Step::Start { worker, by, going })
}

fn start(draw: &mut Draw, world: &World) -> Option<Step> {
    going(draw, world)
}

fn plan(draw: &mut Draw, world: &World) -> Option<Step> {
    let mut step = going(draw, world)?;
    if let Step::Start { going, .. } = &mut step {
        going.ahead = Some(draw.between(1, 6) * 5);
    }
    Some(step)
}

fn start_again(draw: &mut Draw, world: &World) -> Option<Step> {
    let visit =
        &world.model.visits[draw.any_of(&those(world, |stand| matches!(stand, Stand::Inside { .. })))?];
    let (high_risk, every, home) = (visit.high_risk, visit.every, visit.home);
    let going =
        Going { words: visit.words.clone(), minutes: visit.minutes, high_risk, ahead: None, every, home };
    Some(Step::Start { worker: visit.worker, by: visit.worker, going })
}

/// With the words of the plan, and mostly no more than these.
fn start_as_planned(draw: &mut Draw, world: &World) -> Option<Step> {
    let visit = &world.model.visits[draw.any_of(&planned(world))?];
    let going = Going {
        words: visit.words.clone(),
        minutes: draw.chance(40).then(|| draw.between(1, 9) * 5),
        high_risk: draw.chance(10),
        ahead: None,
        every: draw.chance(20).then(|| draw.between(1, 4) * 5),
        home: draw.chance(20).then(|| draw.between(1, 4) * 5),
    };
    let by = if draw.chance(85) { visit.worker } else { "dee" };
    Some(Step::Start { worker: visit.worker, by, going })
}

fn those(world: &World, stand: impl Fn(Stand) -> bool) -> Vec<usize> {
    (0..world.model.visits.len()).filter(|at| stand(world.model.visits[*at].stand)).collect()
}

fn planned(world: &World) -> Vec<usize> {
    those(world, |stand| matches!(stand, Stand::Planned { .. }))
}

fn watched(world: &World) -> Vec<usize> {
    (0..world.model.visits.len()).filter(|at| world.model.visits[*at].is_watched()).collect()
}

/// Mostly one that runs; now and then one that is over.
fn some_visit(draw: &mut Draw, world: &World) -> Option<usize> {
    let all: Vec<usize> = (0..world.model.visits.len()).collect();
    if draw.chance(6) { draw.any_of(&all) } else { draw.any_of(&watched(world)) }
}

fn some_act(draw: &mut Draw, visit: &Visit) -> Act {
    let stand = visit.stand;
    let longer = TimeDelta::minutes(if draw.chance(5) { 800 } else { draw.between(1, 8) * 5 });
    match (stand, draw.below(10)) {
        (Stand::Planned { .. }, 0..=3) | (Stand::Ended { .. } | Stand::Cancelled, 0) => Act::Arrive,
        (Stand::Planned { .. }, 4) | (Stand::Ended { .. } | Stand::Cancelled, 1) => Act::Cancel,
        (Stand::GoingHome { .. }, 0..=2) => Act::Home,
        (Stand::Inside { .. }, 0) if draw.chance(40) => Act::Arrive,
        (Stand::Inside { .. }, 1) if draw.chance(20) => Act::Home,
        (Stand::Inside { .. }, _) if visit.home.is_some() && draw.chance(40) => Act::End,
        (_, 0..=3) => Act::Fine,
        (_, 4..=6) => Act::Extend(longer),
        _ => Act::End,
    }
}

fn act_on_visit(draw: &mut Draw, world: &World) -> Option<Step> {
    let visit = some_visit(draw, world)?;
    // Some forget it.
    if matches!(world.model.visits[visit].stand, Stand::GoingHome { .. }) && draw.chance(60) {
        return None;
    }
    let by = world.model.visits[visit].worker;
    let pin = match draw.below(20) {
        0..=3 => Pin::Wrong,
        4 | 5 => Pin::Missing,
        6 if world.model.silent_alarm_is_clear(by) => Pin::Duress,
        _ => Pin::Right,
    };
    let act = some_act(draw, &world.model.visits[visit]);
    // At the door nobody is asked for it.
    let pin = if act == Act::Arrive { Pin::Missing } else { pin };
    Some(Step::Visit { visit, by, act, pin })
}

/// The worker says that what somebody else did is not right.
fn objection(draw: &mut Draw, world: &World) -> Option<Step> {
    let all = 0..world.model.visits.len();
    let of_use = |at: &usize| world.model.visits[*at].can_be_objected_to();
    let some: Vec<usize> = if draw.chance(80) { all.filter(of_use).collect() } else { all.collect() };
    let visit = draw.any_of(&some)?;
    Some(Step::Visit { visit, by: world.model.visits[visit].worker, act: Act::Object, pin: Pin::Missing })
}

/// Where two visits or two incidents could be meant equally well, nobody calls for help.
fn sos(draw: &mut Draw, world: &World) -> Option<Step> {
    let worker = draw.one_of(&WORKERS);
    let clear = world.model.meant_by_sos(worker).is_ok() && world.model.began_last(worker).is_ok();
    clear.then_some(Step::Sos { worker })
}

/// Some of it is said a while before it comes.
fn late(draw: &mut Draw) -> i64 {
    if draw.chance(70) { 0 } else { draw.between(1, 90) * GRID.num_seconds() }
}

fn by(draw: &mut Draw, may_have_the_app: bool) -> By {
    if may_have_the_app && draw.chance(30) {
        By::App
    } else {
        By::Gateway { name: draw.one_of(&SMS), twice: draw.chance(30) }
    }
}

/// Nobody texts of whom it is not clear which visit or which alarm they mean.
fn text_of_worker(draw: &mut Draw, world: &World) -> Option<Step> {
    let who = draw.one_of(&WORKERS);
    if !world.model.silent_alarm_is_clear(who) {
        return None;
    }
    let pin = match draw.below(20) {
        0 | 1 => Pin::Wrong,
        2 => Pin::Missing,
        3 => Pin::Duress,
        _ => Pin::Right,
    };
    let words = match draw.below(10) {
        0 => Words::Sos,
        1 | 2 => Words::In(text_of_start(draw, world, who)?),
        3 | 4 => Words::Fine(pin),
        5 | 6 => Words::More(draw.between(1, 8) * 5, pin),
        _ => Words::Out(pin),
    };
    Some(Step::Text { who, words, late: late(draw), by: by(draw, true) })
}

/// Of a plan, if there is one; else of a visit that nobody planned.
fn text_of_start(draw: &mut Draw, world: &World, who: Who) -> Option<Going> {
    let theirs: Vec<usize> =
        planned(world).into_iter().filter(|at| world.model.visits[*at].worker == who).collect();
    let words = match draw.any_of(&theirs) {
        Some(plan) => world.model.visits[plan].words.clone(),
        None if watched(world).len() >= AT_ONCE => return None,
        None => format!("{} High St", world.model.visits.len() + 1),
    };
    let minutes = Some(draw.between(1, 9) * 5);
    Some(Going { words, minutes, high_risk: false, ahead: None, every: None, home: None })
}

fn text_of_responder(draw: &mut Draw, world: &World) -> Option<Step> {
    let incident = some_incident(draw, world)?;
    let was_called = |who: &Who| world.model.incidents[incident].was_called(who);
    let called: Vec<Who> = TEXTERS.into_iter().filter(was_called).collect();
    let who = draw.any_of(&called)?;
    let words = match draw.below(10) {
        0..=3 => Words::Ack(incident),
        4 | 5 => Words::Cannot(incident),
        6 | 7 if may_become_sos(world, incident) && may_call_for_help(world, incident, who) => {
            Words::NotSafe(incident)
        }
        6..=8 => Words::Safe(incident),
        _ => Words::Hold(incident, draw.between(1, 12) * 5),
    };
    Some(Step::Text { who, words, late: late(draw), by: by(draw, !OUTSIDE.contains(&who)) })
}

/// Of an alarm that is over "not safe" is a call for help of whoever says it: as clear as theirs have to be, and only of those
/// about whom the model knows whom to call.
fn may_call_for_help(world: &World, incident: usize, who: Who) -> bool {
    let clear = || world.model.meant_by_sos(who).is_ok() && world.model.began_last(who).is_ok();
    world.model.incidents[incident].open || OUTSIDE.contains(&who) || (WORKERS.contains(&who) && clear())
}

fn text_again(draw: &mut Draw, world: &World) -> Option<Step> {
    let all: Vec<usize> = (0..world.texts.len()).collect();
    Some(Step::TextAgain { which: draw.any_of(&all)? })
}

fn act_for_another(draw: &mut Draw, world: &World) -> Option<Step> {
    let visit = some_visit(draw, world)?;
    let by = draw.one_of(&["sam", "dee", "cas"]);
    let own = world.model.visits[visit].worker == by;
    let act = some_act(draw, &world.model.visits[visit]);
    (!own).then_some(Step::Visit { visit, by, act, pin: Pin::Missing })
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
    world.model.visits.iter().any(Visit::is_watched)
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

#[expect(clippy::unnecessary_wraps, reason = "it stands in the table")]
fn receipts(draw: &mut Draw, _: &World) -> Option<Step> {
    let says = match draw.below(10) {
        0 => Says::Delivered,
        1..=3 => Says::Failed,
        4 => Says::OnItsWay,
        5 | 6 => Says::Nothing,
        7 | 8 => Says::FailedAndThenDelivered,
        _ => Says::DeliveredAndThenFailed,
    };
    let half = draw.chance(60).then(|| u64::try_from(draw.below(1000)).unwrap());
    let after = if draw.chance(50) { 0 } else { draw.between(1, 8) * GRID.num_seconds() };
    let (doubled, early) = (draw.chance(30), draw.chance(30));
    Some(Step::Receipts(Receipts { says, half, after: TimeDelta::seconds(after), doubled, early }))
}

/// Long enough for whole ladders.
fn outage_of_providers(draw: &mut Draw, world: &World) -> Option<Step> {
    use Mood::{Busy, Down, LosesAnswers, Well};
    let sms = match draw.below(8) {
        0 | 1 => [Down, Well],
        2 => [Well, Down],
        3 | 4 => [Down, Down],
        5 => [Busy, Well],
        6 => [Busy, Busy],
        _ => [LosesAnswers, Down],
    };
    let mail = if draw.chance(20) { Down } else { Well };
    let seconds = draw.between(6, 12) * 60;
    something_may_come(world).then_some(Step::OutageOfProviders { sms, mail, seconds })
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
