//! Drills: a manager or a schedule starts one, the timer runs its ladder, whoever is called answers (row E9). A real alarm always
//! wins: what a drill says goes behind everything else, its rounds are a use case of their own after all others, and it steps aside
//! for an alarm that goes up in its team. Nothing on the way of an alarm knows of drills.

use chrono::TimeDelta;
use serde_json::json;

use super::{
    House, MOVED_ASIDE, Outcome, Rejected, access::Actor, allowed, codes, coverage::Whom,
    ladders::may_arrange, telling::Telling,
};
use crate::{
    clock::Time,
    domain::{
        drill::{Drill, DrillAnswer, DrillState, Over},
        event::{Door, EventKind, NewEvent},
        ids::{DrillId, DrillScheduleId, OrganisationId, PersonId, TeamId},
        incident::{Rules, Rung},
        ladder::Call,
        notice::Notice,
        people::{Directory, Person, Role},
        policy::delta,
        rights::{self, Act, Arrange},
        visit::Risk,
    },
    store::{
        self, Error, Trace, Tx,
        drills::{self, Called, Delivery},
        events::log_for_organisation,
        incidents::{self, Filter},
        ladders, people,
    },
};

/// So many open alarms are looked at before a drill is started by hand.
const LOOKED_AT: i64 = 1000;
/// So many drills are listed.
const LISTED: usize = 50;

/// So many are looked at in one go.
const AT_ONCE: i64 = 50;
/// No drill begins by itself so long after an alarm went up in its team.
const CALM: TimeDelta = TimeDelta::hours(4);

/// A drill with what it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The drill.
    pub drill: Drill,
    /// Whom it called, in that order. For somebody who does not look after the team: themselves.
    pub calls: Vec<Called>,
    /// What became of its messages to them.
    pub deliveries: Vec<Delivery>,
}

/// Starts one about a worker, or about the worker of a team whose turn it is.
pub async fn start(tx: &mut Tx, actor: &Actor, whom: &Whom, trace: Trace) -> Outcome<Drill> {
    let directory = people::directory(tx, actor.organisation).await?;
    let (team, worker) = match whom {
        Whom::Worker(named) => {
            let found = directory.named(named).filter(|person| !person.is_outside());
            let Some(worker) = found else { return Ok(Err(Rejected::NobodyToDrill(named.clone()))) };
            (worker.team, Some(worker.id))
        }
        Whom::Team(named) => match directory.team_named(named) {
            Some(team) => (team.id, None),
            None => return Ok(Err(Rejected::NoSuchTeam(named.clone()))),
        },
    };
    allowed!(may_arrange(tx, actor, Arrange::Change, Some(team), &directory).await?);
    if worker == Some(actor.person) {
        return Ok(Err(Rejected::Subject));
    }
    let turn = whose_turn(tx, &directory, team, Some(actor.person)).await?;
    let Some(worker) = worker.or(turn) else {
        return Ok(Err(Rejected::DrillNotNow("this team has no worker whom it could be about")));
    };
    if sees_an_open_alarm(tx, actor, team).await? {
        return Ok(Err(Rejected::DrillNotNow("a real alarm is open in this team")));
    }
    let drill = begun(tx, &directory, (team, worker), (actor.person, None), trace.now).await?;
    if !drills::add(tx, actor.organisation, &drill).await? {
        return Ok(Err(Rejected::DrillNotNow("a drill of this team is running: end it first")));
    }
    log_start(tx, &drill, trace).await?;
    Ok(Ok(drill))
}

/// Begins the drill of a schedule's moment; false: none was begun.
pub(super) async fn start_by_schedule(
    tx: &mut Tx,
    (organisation, team): (OrganisationId, TeamId),
    (set_by, schedule, moment): (PersonId, DrillScheduleId, Time),
    trace: Trace,
) -> store::Result<bool> {
    if drills::opened_openly(tx, organisation, team, (trace.now, CALM)).await? > 0 {
        return Ok(false);
    }
    let directory = people::directory(tx, organisation).await?;
    let Some(worker) = whose_turn(tx, &directory, team, None).await? else { return Ok(false) };
    let by = (set_by, Some((schedule, moment)));
    let drill = begun(tx, &directory, (team, worker), by, trace.now).await?;
    let added = drills::add(tx, organisation, &drill).await?;
    if added {
        log_start(tx, &drill, trace).await?;
    }
    Ok(added)
}

async fn begun(
    tx: &mut Tx,
    directory: &Directory,
    (team, subject): (TeamId, PersonId),
    (started_by, scheduled): (PersonId, Option<(DrillScheduleId, Time)>),
    now: Time,
) -> store::Result<Drill> {
    let organisation = directory.organisation;
    let current = ladders::current(tx, organisation).await?;
    let version = ladders::in_force(&current, directory, team, Risk::Normal)
        .ok_or_else(|| Error::inconsistent("ladder", "team_id", organisation))?;
    let first_wait = version.ladder.steps.first().map(|step| delta(step.after)).unwrap_or_default();
    Ok(Drill {
        id: DrillId::new(now),
        organisation,
        team,
        subject,
        ladder: version.id,
        started_by,
        scheduled,
        starts_at: now,
        rung: Rung::default(),
        state: DrillState::Running { due: now + first_wait },
    })
}

/// The worker of a team about whom no drill was, or the longest ago: so each one's ladder is drilled in turn.
async fn whose_turn(
    tx: &mut Tx,
    directory: &Directory,
    team: TeamId,
    not: Option<PersonId>,
) -> store::Result<Option<PersonId>> {
    let last = drills::last_about(tx, directory.organisation, team).await?;
    let last_of = |worker: &Person| last.iter().find(|(who, _)| *who == worker.id).map(|(_, at)| *at);
    let visits = |worker: &&Person| {
        worker.team == team && worker.role == Some(Role::Worker) && !worker.left && Some(worker.id) != not
    };
    let workers = directory.people.values().filter(visits);
    Ok(workers.min_by_key(|worker| (last_of(worker), worker.name.clone(), worker.id)).map(|worker| worker.id))
}

/// Whether the board of whoever asks shows an open alarm of this team: by the board's own rule, so that a refusal says nothing that the
/// board does not (row V8).
async fn sees_an_open_alarm(tx: &mut Tx, actor: &Actor, team: TeamId) -> store::Result<bool> {
    let open = Filter { state: Some("open"), ..Filter::default() };
    let all = incidents::list(tx, actor.organisation, open, LOOKED_AT).await?;
    for incident in all.iter().filter(|incident| incident.team == team) {
        let relation = actor.relation_to_incident(tx, incident).await?;
        if rights::may(actor.role, Act::SeeIncident, relation).is_ok() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A drill that somebody may see. Its subject sees nothing of it.
pub async fn show(tx: &mut Tx, actor: &Actor, id: DrillId) -> Outcome<Report> {
    let Some(drill) = drills::find(tx, actor.organisation, id).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    let directory = people::directory(tx, actor.organisation).await?;
    let report = report(tx, actor, drill, &directory).await?;
    Ok(report.ok_or(Rejected::NotFound))
}

/// The newest drills of the teams that somebody looks after, the newest first.
pub async fn list(tx: &mut Tx, actor: &Actor) -> Outcome<Vec<Report>> {
    allowed!(rights::may_arrange(actor.role, Arrange::See, true));
    let directory = people::directory(tx, actor.organisation).await?;
    let (mut reports, mut before) = (Vec::new(), None);
    // What somebody may not see takes no room in the list.
    loop {
        let page = drills::list(tx, actor.organisation, (before, AT_ONCE)).await?;
        let Some(last) = page.last() else { return Ok(Ok(reports)) };
        before = Some(last.id);
        for drill in page {
            reports.extend(report(tx, actor, drill, &directory).await?);
            if reports.len() == LISTED {
                return Ok(Ok(reports));
            }
        }
    }
}

async fn report(
    tx: &mut Tx,
    actor: &Actor,
    drill: Drill,
    directory: &Directory,
) -> store::Result<Option<Report>> {
    if drill.subject == actor.person {
        return Ok(None);
    }
    let mut calls = drills::calls(tx, &drill).await?;
    let mut deliveries = drills::deliveries(tx, &drill).await?;
    if may_arrange(tx, actor, Arrange::See, Some(drill.team), directory).await?.is_err() {
        calls.retain(|call| call.person == actor.person);
        deliveries.retain(|delivery| delivery.person == actor.person);
        if calls.is_empty() {
            return Ok(None);
        }
    }
    Ok(Some(Report { drill, calls, deliveries }))
}

/// The drill that somebody names: by id, or by their own code for it.
pub async fn named(tx: &mut Tx, actor: &Actor, name: &str) -> store::Result<Option<DrillId>> {
    if let Ok(id) = name.parse() {
        return Ok(Some(DrillId(id)));
    }
    let found = drills::of_code_any_org(tx, actor.person, &name.to_uppercase()).await?;
    Ok(found.filter(|(_, organisation)| *organisation == actor.organisation).map(|(id, _)| id))
}

/// What came of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// It is kept.
    Kept(Drill),
    /// That drill was over.
    TooLate(Drill),
}

/// Somebody whom it called answers. The first answer stands; answered again it changes nothing.
pub async fn answer(
    tx: &mut Tx,
    (organisation, person): (OrganisationId, PersonId),
    id: DrillId,
    said: DrillAnswer,
    trace: Trace,
) -> Outcome<Answered> {
    let Some(drill) = drills::load(tx, organisation, id).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    let calls = drills::calls(tx, &drill).await?;
    let Some(call) = calls.iter().find(|call| call.person == person) else {
        return Ok(Err(Rejected::NotFound));
    };
    if call.answer.is_some() {
        return Ok(Ok(Answered::Kept(drill)));
    }
    if !drill.is_running() {
        return Ok(Ok(Answered::TooLate(drill)));
    }
    drills::answer(tx, &drill, (person, said), trace.now).await?;
    let seconds = (trace.now - call.called_at).num_seconds();
    let body = json!({"drill": drill.id, "by": person, "answer": said, "after_seconds": seconds});
    log(tx, &drill, EventKind::DrillAnswered, body, trace).await?;
    let mut answered = who_answered(&calls);
    answered.push(person);
    let directory = people::directory(tx, organisation).await?;
    let ladder = ladders::by_id(tx, organisation, drill.ladder).await?.ladder;
    let policy = directory.policy(drill.team);
    let rules = Rules { ladder: &ladder, directory: &directory, policy: &policy };
    let drill = drill.after_an_answer(rules, &answered, trace.now);
    if !drill.is_running() {
        over(tx, &drill, trace).await?;
    }
    Ok(Ok(Answered::Kept(drill)))
}

fn who_answered(calls: &[Called]) -> Vec<PersonId> {
    calls.iter().filter(|call| call.answer.is_some()).map(|call| call.person).collect()
}

/// A manager ends one. Ended again it changes nothing.
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
        drill.state = DrillState::Over { how: Over::ByHand(actor.person), at: trace.now };
        over(tx, &drill, trace).await?;
        tell_that_it_is_over(tx, house, &drill, trace).await?;
    }
    Ok(Ok(drill))
}

/// Keeps that it is over, and takes back what waits.
async fn over(tx: &mut Tx, drill: &Drill, trace: Trace) -> store::Result<()> {
    drills::save(tx, drill.organisation, drill).await?;
    drills::take_back(tx, drill, trace.now).await?;
    let how = match drill.state {
        DrillState::Running { .. } => return Ok(()),
        DrillState::Over { how: Over::AllAnswered, .. } => "all_answered",
        DrillState::Over { how: Over::LadderDone, .. } => "ladder_done",
        DrillState::Over { how: Over::ByHand(_), .. } => "by_hand",
        DrillState::Over { how: Over::SteppedAside, .. } => "stepped_aside",
    };
    log(tx, drill, EventKind::DrillEnded, json!({"drill": drill.id, "how": how}), trace).await
}

/// Whoever has not answered need not any more. Not where it steps aside: people have a real alarm to see to.
async fn tell_that_it_is_over(tx: &mut Tx, house: &House, drill: &Drill, trace: Trace) -> store::Result<()> {
    let directory = people::directory(tx, drill.organisation).await?;
    let telling = Telling { house, directory: &directory, worker: drill.subject, now: trace.now };
    let calls = drills::calls(tx, drill).await?;
    for call in calls.iter().filter(|call| call.answer.is_none() && trace.actor != Some(call.person)) {
        let occasion = format!("drill/{}/over", drill.id);
        telling.rehearse(tx, &Notice::DrillOver, (call.person, None, None), &occasion).await?;
    }
    Ok(())
}

/// When the next round is due; nothing: no drill is running.
pub async fn next_due(tx: &mut Tx) -> store::Result<Option<Time>> {
    drills::next_due_any_org(tx).await
}

/// Those that are in the way of a real alarm.
pub async fn in_the_way(tx: &mut Tx) -> store::Result<Vec<(DrillId, OrganisationId)>> {
    drills::in_the_way_any_org(tx).await
}

/// Ends one of them, without a word.
pub async fn step_aside(
    tx: &mut Tx,
    (organisation, id): (OrganisationId, DrillId),
    now: Time,
) -> store::Result<()> {
    let Some(mut drill) = drills::load(tx, organisation, id).await? else { return Ok(()) };
    if !drill.is_running() {
        return Ok(());
    }
    drill.state = DrillState::Over { how: Over::SteppedAside, at: now };
    over(tx, &drill, Trace::machine(Door::Timer, now)).await
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
    let Some(drill) = drills::load(tx, organisation, id).await? else { return Ok(()) };
    let directory = people::directory(tx, organisation).await?;
    let ladder = ladders::by_id(tx, organisation, drill.ladder).await?.ladder;
    let policy = directory.policy(drill.team);
    let rules = Rules { ladder: &ladder, directory: &directory, policy: &policy };
    let answered = who_answered(&drills::calls(tx, &drill).await?);
    let (drill, round) = drill.due(rules, &answered, trace.now);
    if !drill.is_running() {
        over(tx, &drill, trace).await?;
        return tell_that_it_is_over(tx, house, &drill, trace).await;
    }
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
        let code = match before.iter().find(|before| before.person == person) {
            Some(before) => before.code.clone(),
            None => codes::keep_for_a_drill(tx, drill, person, trace.now).await?,
        };
        let occasion = format!("drill/{}/step/{}/round/{}", drill.id, rung.step, rung.round);
        let to = (person, Some(call.by.as_slice()), Some(code));
        let occasion = telling.rehearse(tx, &Notice::Drill, to, &occasion).await?;
        drills::say(tx, drill, person, occasion).await?;
        called.push(person);
    }
    Ok(called)
}

async fn log_start(tx: &mut Tx, drill: &Drill, trace: Trace) -> store::Result<()> {
    let schedule = drill.scheduled.map(|(id, _)| id);
    let body = json!({"drill": drill.id, "ladder": drill.ladder, "schedule": schedule});
    log(tx, drill, EventKind::DrillStarted, body, trace).await
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
