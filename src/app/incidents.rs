//! What people do about an alarm: take it, write into it, say how it ended, learn from it.

use super::{House, Outcome, Rejected, access::Actor, allowed, telling::Telling};
use crate::{
    domain::{
        ids::{IncidentId, OrganisationId, PersonId},
        incident::{CallsOff, Closing, Decision, Incident, NotNow, Outcome as How, Review, WorkerNow},
        notice::{Notice, Occasion},
        people::Directory,
        rights::{self, Act},
        visit::{KnownBy, Report, Visit},
    },
    store::{self, Trace, Tx, incidents, messages, people, visits},
};

/// Saves what was decided about an incident and says it to everybody concerned.
pub(super) async fn carry_out(
    tx: &mut Tx,
    house: &House,
    directory: &Directory,
    visit: &Visit,
    decision: Decision,
    trace: Trace,
) -> store::Result<Incident> {
    let Decision { mut incident, events, round, told, calls_off } = decision;
    if events.is_empty() {
        return Ok(incident);
    }
    incidents::update(tx, &mut incident, events, trace).await?;
    incidents::set_due(tx, incident.id, incident.next_due(&directory.policy(incident.team))).await?;
    if calls_off == CallsOff::TakenBack {
        messages::take_back_calls(tx, incident.organisation, incident.id, trace.now).await?;
    }
    let telling = Telling { house, directory, worker: incident.subject, now: trace.now };
    if let Some(round) = &round {
        telling.call(tx, &incident, visit, round, None).await?;
    }
    telling.tell_about(tx, &incident, &told).await?;
    Ok(incident)
}

/// What is needed to act on an incident: the visit is locked first, then the incident.
struct Held {
    incident: Incident,
    visit: Visit,
    directory: Directory,
}

async fn hold(tx: &mut Tx, organisation: OrganisationId, id: IncidentId) -> store::Result<Option<Held>> {
    let Some(found) = incidents::find(tx, organisation, id).await? else { return Ok(None) };
    let visit = visits::load(tx, organisation, found.visit).await?;
    let incident = incidents::load(tx, organisation, id).await?;
    let (Some((visit, _)), Some(incident)) = (visit, incident) else {
        return Err(store::Error::inconsistent("incident", "visit_id", id));
    };
    let directory = people::directory(tx, organisation).await?;
    Ok(Some(Held { incident, visit, directory }))
}

/// Finds the incident that a person means: by its id, or by their own code for it.
pub async fn named(tx: &mut Tx, actor: &Actor, name: &str) -> store::Result<Option<IncidentId>> {
    match name.parse() {
        Ok(id) => Ok(Some(IncidentId(id))),
        Err(_) => people::incident_of_code(tx, actor.person, &name.to_uppercase()).await,
    }
}

/// Takes an alarm: explicitly, by a person who may (rows E3, E4).
pub async fn acknowledge(
    tx: &mut Tx,
    house: &House,
    actor: &Actor,
    id: IncidentId,
    trace: Trace,
) -> Outcome<Incident> {
    act(tx, house, actor, id, Act::Acknowledge, trace, |incident, directory| {
        let policy = directory.policy(incident.team);
        incident.acknowledge(actor.person, &policy, trace.now)
    })
    .await
}

/// Writes something down.
pub async fn note(
    tx: &mut Tx,
    house: &House,
    actor: &Actor,
    id: IncidentId,
    note: &str,
    trace: Trace,
) -> Outcome<Incident> {
    act(tx, house, actor, id, Act::Note, trace, |incident, _| Ok(incident.note(note, trace.now))).await
}

/// Says what was learned.
pub async fn review(
    tx: &mut Tx,
    house: &House,
    actor: &Actor,
    id: IncidentId,
    (learned, action): (&str, &str),
    trace: Trace,
) -> Outcome<Incident> {
    act(tx, house, actor, id, Act::Review, trace, |incident, _| {
        incident.review(Review {
            at: trace.now,
            by: actor.person,
            learned: learned.to_owned(),
            action: action.to_owned(),
        })
    })
    .await
}

async fn act(
    tx: &mut Tx,
    house: &House,
    actor: &Actor,
    id: IncidentId,
    act: Act,
    trace: Trace,
    decide: impl FnOnce(Incident, &Directory) -> Result<Decision, NotNow>,
) -> Outcome<Incident> {
    let Some(Held { incident, visit, directory }) = hold(tx, actor.organisation, id).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    let relation = actor.relation_to_incident(tx, &incident).await?;
    allowed!(rights::may(actor.role, act, relation));
    let state = state_word(&incident);
    match decide(incident, &directory) {
        Ok(decision) => Ok(Ok(carry_out(tx, house, &directory, &visit, decision, trace).await?)),
        Err(why) => Ok(Err(Rejected::Incident { why, state })),
    }
}

/// How an incident ended, as its closer says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// How it ended.
    pub outcome: How,
    /// How that is known.
    pub known_by: KnownBy,
    /// Where the worker is now.
    pub worker_now: WorkerNow,
    /// In their words.
    pub note: String,
}

/// Says how it ended. In the same transaction the visit ends, or is watched on if the worker is still there (row E6).
pub async fn close(
    tx: &mut Tx,
    house: &House,
    actor: &Actor,
    id: IncidentId,
    close: Close,
    trace: Trace,
) -> Outcome<Incident> {
    let Some(Held { incident, mut visit, directory }) = hold(tx, actor.organisation, id).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    let relation = actor.relation_to_incident(tx, &incident).await?;
    allowed!(rights::may(actor.role, Act::Close, relation));
    let Close { outcome, known_by, worker_now, note } = close;
    let state = state_word(&incident);
    let closing = Closing { at: trace.now, by: actor.person, outcome, known_by, worker_now, note };
    let decision = match incident.close(closing) {
        Ok(decision) => decision,
        Err(why) => return Ok(Err(Rejected::Incident { why, state })),
    };
    let policy = directory.policy(visit.team);
    let followed = match worker_now {
        WorkerNow::StillThere { until } => visit.clone().watch_on(until, trace.now, &policy),
        _ => visit.clone().end_with_incident(actor.person, trace.now),
    };
    if !followed.events.is_empty() {
        visit = followed.visit;
        visits::update(tx, &mut visit, followed.events, trace).await?;
        // The worker may believe something else about the watching by now.
        let till = visit.next_due(&policy).map(|_| visit.expected_departure);
        let notice = Notice::ActedForYou { by: actor.name.clone(), known_by, till };
        let occasion = Occasion::new(format!("visit/{}/closed/{}", visit.id, visit.chain.number));
        let telling = Telling { house, directory: &directory, worker: visit.worker, now: trace.now };
        telling.tell_worker(tx, notice, visit.id, occasion).await?;
    }
    let incident = carry_out(tx, house, &directory, &visit, decision, trace).await?;
    visits::set_due(tx, visit.id, visit.next_due(&policy)).await?;
    Ok(Ok(incident))
}

/// The worker, PIN right, says that they are safe. The visit is locked by the caller.
pub(super) async fn worker_reports(
    tx: &mut Tx,
    house: &House,
    directory: &Directory,
    (organisation, id): (OrganisationId, IncidentId),
    report: Report,
    trace: Trace,
) -> store::Result<()> {
    let Some(incident) = incidents::load(tx, organisation, id).await? else { return Ok(()) };
    let Some(visit) = visits::find(tx, organisation, incident.visit).await? else { return Ok(()) };
    let policy = directory.policy(incident.team);
    let decision = incident.worker_reports(report, &policy, trace.now);
    carry_out(tx, house, directory, &visit, decision, trace).await.map(drop)
}

/// An outside contact who was called says that they are trying: told to staff, stops nothing (row E3).
pub async fn outside_trying(
    tx: &mut Tx,
    house: &House,
    (organisation, id): (OrganisationId, IncidentId),
    contact: PersonId,
    trace: Trace,
) -> Outcome<Incident> {
    let called = people::code_of(tx, id, contact).await?.is_some();
    let Some(Held { incident, visit, directory }) = hold(tx, organisation, id).await?.filter(|_| called)
    else {
        return Ok(Err(Rejected::NotFound));
    };
    let state = state_word(&incident);
    match incident.outside_trying(contact, trace.now) {
        Ok(decision) => Ok(Ok(carry_out(tx, house, &directory, &visit, decision, trace).await?)),
        Err(why) => Ok(Err(Rejected::Incident { why, state })),
    }
}

fn state_word(incident: &Incident) -> &'static str {
    if incident.is_open() { "open" } else { "closed" }
}
