//! Drills: a manager starts one, the timer runs its ladder, whoever is called answers (row E9). A real alarm always wins: its opening
//! ends a drill about the same person, what a drill says goes behind everything else, and its rounds are a use case of their own
//! after all others.

use chrono::TimeDelta;
use serde_json::json;

use super::{
    House, MOVED_ASIDE, Outcome, Rejected, access::Actor, allowed, codes, ladders::may_arrange,
    telling::Telling,
};
use crate::{
    clock::Time,
    domain::{
        drill::{Drill, DrillState},
        event::{Door, EventKind, NewEvent, stamp},
        ids::{DrillId, OrganisationId, PersonId},
        incident::{Rules, Rung},
        ladder::Call,
        notice::Notice,
        people::Directory,
        policy::delta,
        rights::Arrange,
        visit::Risk,
    },
    store::{
        self, Error, Trace, Tx,
        drills::{self, Called},
        events::log_for_organisation,
        incidents, ladders, people,
    },
};

/// A drill may be set so far ahead.
const FURTHEST: TimeDelta = TimeDelta::days(92);

/// Starts one, or sets one for later.
pub async fn start(
    tx: &mut Tx,
    actor: &Actor,
    (worker, when): (&str, Option<Time>),
    trace: Trace,
) -> Outcome<Drill> {
    let directory = people::directory(tx, actor.organisation).await?;
    let Some(worker) = directory.named(worker).filter(|person| !person.is_outside()) else {
        return Ok(Err(Rejected::NobodyToDoIt(worker.to_owned())));
    };
    allowed!(may_arrange(tx, actor, Arrange::Change, Some(worker.team), &directory).await?);
    if worker.id == actor.person {
        return Ok(Err(Rejected::Subject));
    }
    let starts_at = when.unwrap_or(trace.now);
    if starts_at < trace.now || starts_at > trace.now + FURTHEST {
        return Ok(Err(Rejected::DrillNotNow("it can start now, or up to 92 days ahead")));
    }
    if !incidents::open_about(tx, actor.organisation, worker.id).await?.is_empty() {
        return Ok(Err(Rejected::DrillNotNow("a real alarm about this person is open")));
    }
    let current = ladders::current(tx, actor.organisation).await?;
    let version = ladders::in_force(&current, &directory, worker.team, Risk::Normal)
        .ok_or_else(|| Error::inconsistent("ladder", "team_id", actor.organisation))?;
    let first_wait = version.ladder.steps.first().map(|step| delta(step.after)).unwrap_or_default();
    let drill = Drill {
        id: DrillId::new(trace.now),
        organisation: actor.organisation,
        team: worker.team,
        subject: worker.id,
        ladder: version.id,
        started_by: actor.person,
        starts_at,
        rung: Rung::default(),
        state: DrillState::Running { due: starts_at + first_wait },
    };
    if !drills::add(tx, actor.organisation, &drill).await? {
        return Ok(Err(Rejected::DrillNotNow("a drill about this person is running or set: end it first")));
    }
    let body = json!({"drill": drill.id, "ladder": drill.ladder, "starts_at": stamp(starts_at)});
    log(tx, &drill, EventKind::DrillStarted, body, trace).await?;
    Ok(Ok(drill))
}

/// A drill that somebody may see, with whom it called. Its subject sees nothing of it.
pub async fn show(tx: &mut Tx, actor: &Actor, id: DrillId) -> Outcome<(Drill, Vec<Called>)> {
    let Some(drill) = drills::find(tx, actor.organisation, id).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    let calls = drills::calls(tx, &drill).await?;
    let directory = people::directory(tx, actor.organisation).await?;
    let may = may_arrange(tx, actor, Arrange::See, Some(drill.team), &directory).await?.is_ok();
    let called = calls.iter().any(|call| call.person == actor.person);
    let sees = drill.subject != actor.person && (may || called);
    Ok(if sees { Ok((drill, calls)) } else { Err(Rejected::NotFound) })
}

/// The drill that somebody names: by id, or by their own code for it.
pub async fn named(tx: &mut Tx, actor: &Actor, name: &str) -> store::Result<Option<DrillId>> {
    if let Ok(id) = name.parse() {
        return Ok(Some(DrillId(id)));
    }
    let found = drills::running_of_code_any_org(tx, actor.person, &name.to_uppercase()).await?;
    Ok(found.filter(|(_, organisation)| *organisation == actor.organisation).map(|(id, _)| id))
}

/// Somebody who was called answers: that ends the calls. Answered again it changes nothing.
pub async fn answer(
    tx: &mut Tx,
    house: &House,
    (organisation, person): (OrganisationId, PersonId),
    id: DrillId,
    trace: Trace,
) -> Outcome<Drill> {
    let Some(mut drill) = drills::load(tx, organisation, id).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    let calls = drills::calls(tx, &drill).await?;
    if !calls.iter().any(|call| call.person == person) {
        return Ok(Err(Rejected::NotFound));
    }
    if drill.is_running() {
        drill.state = DrillState::Taken { by: person, at: trace.now };
        let seconds = (trace.now - drill.starts_at).num_seconds();
        finish(tx, house, &drill, &calls, trace).await?;
        let body = json!({"drill": drill.id, "by": person, "after_seconds": seconds});
        log(tx, &drill, EventKind::DrillAnswered, body, trace).await?;
    }
    Ok(Ok(drill))
}

/// A manager ends one that nobody has answered. Ended again it changes nothing.
pub async fn end(tx: &mut Tx, house: &House, actor: &Actor, id: DrillId, trace: Trace) -> Outcome<Drill> {
    let Some(mut drill) = drills::load(tx, actor.organisation, id).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    if drill.subject == actor.person {
        return Ok(Err(Rejected::NotFound));
    }
    let directory = people::directory(tx, actor.organisation).await?;
    allowed!(may_arrange(tx, actor, Arrange::Change, Some(drill.team), &directory).await?);
    if drill.is_running() {
        drill.state = DrillState::Ended { by: Some(actor.person), at: trace.now };
        let calls = drills::calls(tx, &drill).await?;
        finish(tx, house, &drill, &calls, trace).await?;
        log(tx, &drill, EventKind::DrillEnded, json!({"drill": drill.id}), trace).await?;
    }
    Ok(Ok(drill))
}

/// Takes back what waits, and tells everybody else whom it called that it is over.
async fn finish(
    tx: &mut Tx,
    house: &House,
    drill: &Drill,
    calls: &[Called],
    trace: Trace,
) -> store::Result<()> {
    drills::save(tx, drill.organisation, drill).await?;
    drills::take_back(tx, drill, trace.now).await?;
    let directory = people::directory(tx, drill.organisation).await?;
    let telling = Telling { house, directory: &directory, worker: drill.subject, now: trace.now };
    let by = match drill.state {
        DrillState::Taken { by, .. } => Some(by),
        _ => None,
    };
    let notice = Notice::DrillOver { answered_by: by.map(|by| directory.name_of(by).to_owned()) };
    for call in calls.iter().filter(|call| Some(call.person) != by && trace.actor != Some(call.person)) {
        let occasion = format!("drill/{}/over", drill.id);
        telling.rehearse(tx, &notice, (call.person, None, None), &occasion).await?;
    }
    Ok(())
}

/// When the next round is due.
pub async fn next_due(tx: &mut Tx) -> store::Result<Option<Time>> {
    drills::next_due_any_org(tx).await
}

/// Runs the rounds that are due; how many. Whatever goes wrong with one holds up none of the others.
pub async fn rounds(tx: &mut Tx, house: &House, limit: i64, now: Time) -> store::Result<usize> {
    let trace = Trace::machine(Door::Timer, now);
    let due = drills::due_any_org(tx, now, limit).await?;
    for (id, organisation) in &due {
        let done = tx.part(async |tx| round(tx, house, (*organisation, *id), trace).await).await;
        match done {
            Err(error) if !error.is_for_the_whole() => {
                tracing::error!(%error, drill = %id, "a drill could not be worked on; moved aside for 30 s");
                drills::put_aside_any_org(tx, *id, now + MOVED_ASIDE).await?;
            }
            done => done?,
        }
    }
    Ok(due.len())
}

async fn round(
    tx: &mut Tx,
    house: &House,
    (organisation, id): (OrganisationId, DrillId),
    trace: Trace,
) -> store::Result<()> {
    let Some(mut drill) = drills::load(tx, organisation, id).await? else { return Ok(()) };
    // Opened while this was being started: that ended nothing yet.
    if drill.is_running() && !incidents::open_about(tx, organisation, drill.subject).await?.is_empty() {
        drill.state = DrillState::Ended { by: None, at: trace.now };
    }
    if !drill.is_running() {
        drills::save(tx, organisation, &drill).await?;
        drills::take_back(tx, &drill, trace.now).await?;
        let body = json!({"drill": drill.id, "by": "a real alarm"});
        return log(tx, &drill, EventKind::DrillEnded, body, trace).await;
    }
    let directory = people::directory(tx, organisation).await?;
    let ladder = ladders::by_id(tx, organisation, drill.ladder).await?.ladder;
    let policy = directory.policy(drill.team);
    let rules = Rules { ladder: &ladder, directory: &directory, policy: &policy };
    let (drill, round) = drill.due(rules, trace.now);
    drills::save(tx, organisation, &drill).await?;
    let Some(round) = round else { return Ok(()) };
    let called = call(tx, house, &directory, &drill, (round.rung, &round.calls), trace).await?;
    let body = json!({
        "drill": drill.id,
        "step": round.rung.step + 1,
        "round": round.rung.round + 1,
        "told": called,
    });
    log(tx, &drill, EventKind::DrillRaised, body, trace).await
}

/// Calls everybody of a round, on all its channels. Last-resort numbers are nobody's in particular: a drill leaves them alone.
async fn call(
    tx: &mut Tx,
    house: &House,
    directory: &Directory,
    drill: &Drill,
    (rung, calls): (Rung, &[Call]),
    trace: Trace,
) -> store::Result<Vec<PersonId>> {
    let telling = Telling { house, directory, worker: drill.subject, now: trace.now };
    let before = drills::calls(tx, drill).await?;
    let mut called = Vec::new();
    for call in calls {
        let Some(person) = call.to.person() else { continue };
        let code = if let Some(before) = before.iter().find(|before| before.person == person) {
            before.code.clone()
        } else {
            let code = codes::draw_for_a_drill(tx, person).await?;
            let first = Called { person, code: code.clone(), called_at: trace.now };
            drills::call(tx, drill, &first).await?;
            code
        };
        let occasion = format!("drill/{}/step/{}/round/{}", drill.id, rung.step, rung.round);
        let to = (person, Some(call.by.as_slice()), Some(code));
        telling.rehearse(tx, &Notice::Drill, to, &occasion).await?;
        called.push(person);
    }
    Ok(called)
}

async fn log(
    tx: &mut Tx,
    drill: &Drill,
    kind: EventKind,
    body: serde_json::Value,
    trace: Trace,
) -> store::Result<()> {
    let event = NewEvent::new(kind, trace.now, body);
    let about = (Some(drill.team), Some(drill.subject));
    log_for_organisation(tx, drill.organisation, about, trace, event).await
}
