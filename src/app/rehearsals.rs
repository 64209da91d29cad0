//! What a worker rehearses by text (row E9). Nothing of it starts, ends or raises anything, and nobody else hears of it but that too
//! many wrong PINs were tried. Which steps were done is for staff; by what the worker's phone is answered nobody could tell.

use serde_json::json;

use super::{House, Outcome, access::Actor, allowed, ladders::may_arrange, telling::Telling};
use crate::{
    clock::Time,
    domain::{
        command::Rehearsed,
        event::{Door, EventKind, NewEvent},
        ids::PersonId,
        notice::Notice,
        people::Role,
        pin::{Given, PinRecord, Sign, Verdict, WRONG_TELLS_MANAGER},
        rehearsal::{DuressSet, Rehearsal, Step, is_due},
        reply,
        rights::{self, Arrange},
    },
    store::{self, Trace, Tx, events::log_for_organisation, people, pins, rehearsals, visits},
};

/// So many ends in one transaction.
const AT_ONCE: i64 = 50;

/// What came with `TEST OUT`.
pub(super) struct WithPin<'g> {
    pub(super) house: &'g House,
    pub(super) given: Option<Given>,
}

/// Does one text of a rehearsal. `till`: the sender is watched till then, which is real.
pub(super) async fn text(
    tx: &mut Tx,
    actor: &Actor,
    what: &Rehearsed,
    with: WithPin<'_>,
    till: Option<Time>,
    trace: Trace,
) -> store::Result<reply::Rehearsal> {
    if let Some(till) = till {
        return Ok(reply::Rehearsal::OnAVisit { till });
    }
    // The worker's own acts wait for each other here, as everywhere.
    let record = pins::load(tx, actor.person).await?;
    let duress =
        if record.duress.is_some() || record.word.is_some() { DuressSet::Yes } else { DuressSet::No };
    let (step, answer) = match what {
        Rehearsed::Begin => (Some(Step::Begin), reply::Rehearsal::Begun),
        Rehearsed::In => (Some(Step::In), reply::Rehearsal::In),
        Rehearsed::Sos => (Some(Step::Sos), reply::Rehearsal::Sos),
        Rehearsed::Other => (None, reply::Rehearsal::Other),
        Rehearsed::Out { .. } => came_out(tx, actor, &record, &with, trace.now).await?,
    };
    if let Some(step) = step {
        let before = rehearsals::load(tx, actor.organisation, actor.person).await?;
        let after = Rehearsal::after(before, step, duress, trace.now);
        rehearsals::save(tx, actor.organisation, actor.person, &after).await?;
        tx.ring_timer(after.over_at.unwrap_or(trace.now));
    }
    let event = NewEvent::new(EventKind::RehearsalTexted, trace.now, json!({"person": actor.person}));
    let about = (Some(actor.team), Some(actor.person));
    log_for_organisation(tx, actor.organisation, about, trace, event).await?;
    Ok(answer)
}

/// The PIN is judged as in earnest, and wrong ones count: else it could be guessed here. That it says duress is kept nowhere but in
/// the rehearsal.
async fn came_out(
    tx: &mut Tx,
    actor: &Actor,
    record: &PinRecord,
    WithPin { house, given }: &WithPin<'_>,
    now: Time,
) -> store::Result<(Option<Step>, reply::Rehearsal)> {
    let unsigned = PinRecord { sign: None, ..record.clone() };
    let (verdict, next) = unsigned.judge(given.as_ref(), now);
    let step = match next.sign {
        Some(Sign::Duress { .. }) => Step::Duress,
        _ => Step::Out,
    };
    pins::save(tx, actor.person, &PinRecord { sign: record.sign, ..next }).await?;
    Ok(match verdict {
        Verdict::Right => (Some(step), reply::Rehearsal::Out),
        Verdict::NoneSet => (None, reply::Rehearsal::NoPin),
        Verdict::Missing => (None, reply::Rehearsal::PinMissing),
        Verdict::Locked => (None, reply::Rehearsal::PinNotRight),
        Verdict::Wrong { wrong } => {
            if wrong == WRONG_TELLS_MANAGER {
                let directory = people::directory(tx, actor.organisation).await?;
                let telling = Telling { house, directory: &directory, worker: actor.person, now };
                let occasion = format!("person/{}/pin/{}", actor.person, now.timestamp_micros());
                telling.tell_managers(tx, Notice::WrongPins { wrong }, None, &occasion).await?;
            }
            (None, reply::Rehearsal::PinNotRight)
        }
    })
}

/// When the next rehearsal is over.
pub async fn next_over(tx: &mut Tx) -> store::Result<Option<Time>> {
    rehearsals::next_over_any_org(tx).await
}

/// Tells workers that their rehearsal is over; how many were. Whoever is on a visit by now is left alone.
pub async fn end(tx: &mut Tx, house: &House, now: Time) -> store::Result<usize> {
    let trace = Trace::machine(Door::Timer, now);
    let over = rehearsals::over_any_org(tx, now, AT_ONCE).await?;
    for (person, organisation) in &over {
        let Some(rehearsal) = rehearsals::load(tx, *organisation, *person).await? else { continue };
        let ended = Rehearsal { over_at: None, ..rehearsal };
        rehearsals::save(tx, *organisation, *person, &ended).await?;
        let running = visits::find_running_of(tx, *organisation, *person).await?;
        if running.iter().any(|visit| visit.watched_till().is_some()) {
            continue;
        }
        let directory = people::directory(tx, *organisation).await?;
        let telling = Telling { house, directory: &directory, worker: *person, now: trace.now };
        let occasion = format!("person/{person}/rehearsal/{}/over", rehearsal.begun_at.timestamp_micros());
        telling.rehearse(tx, &Notice::RehearsalOver, (*person, None, None), &occasion).await?;
    }
    Ok(over.len())
}

/// How it stands with one worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Who.
    pub worker: PersonId,
    /// Their last rehearsal.
    pub last: Option<Rehearsal>,
    /// Whether they have to rehearse.
    pub is_due: bool,
}

/// How it stands with the workers of the teams that somebody looks after. Their own stands in no list of theirs.
pub async fn list(tx: &mut Tx, actor: &Actor, now: Time) -> Outcome<Vec<Standing>> {
    allowed!(rights::may_arrange(actor.role, Arrange::See, true));
    let directory = people::directory(tx, actor.organisation).await?;
    let rehearsed = rehearsals::list(tx, actor.organisation).await?;
    let mut teams = Vec::new();
    for team in directory.teams.keys() {
        if may_arrange(tx, actor, Arrange::See, Some(*team), &directory).await?.is_ok() {
            teams.push(*team);
        }
    }
    let visits = directory.people.values().filter(|person| {
        person.role == Some(Role::Worker)
            && !person.left
            && person.id != actor.person
            && teams.contains(&person.team)
    });
    let mut standing: Vec<_> = visits
        .map(|worker| {
            let last = rehearsed.iter().find(|(who, _)| *who == worker.id).map(|(_, last)| *last);
            let is_due = is_due(last.and_then(|last| last.whole_at), now);
            Standing { worker: worker.id, last, is_due }
        })
        .collect();
    standing.sort_by_key(|standing| {
        let whole = standing.last.and_then(|last| last.whole_at);
        (whole, directory.name_of(standing.worker).to_owned(), standing.worker)
    });
    Ok(Ok(standing))
}
