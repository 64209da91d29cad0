//! A call for help, aloud (row V7) or silent (row V8): raised at once, whatever else is open, and refused for nothing.

use chrono::TimeDelta;
use serde_json::json;

use super::{
    House,
    access::Actor,
    incidents::{carry_out, ladder_of, visit_of},
    telling::{Telling, tell_of_stuck_deadline},
};
use crate::{
    clock::Time,
    domain::{
        event::{EventKind, NewEvent},
        ids::{EquipmentId, IncidentId, OrganisationId, PersonId},
        incident::{self, Incident, Kind, Opened, Opening, Position, Rules, Sos},
        people::Directory,
        pin::{PinRecord, Sign},
        visit::{FURTHEST_AHEAD, Report, Risk, Said, Visit, VisitState},
    },
    store::{
        self, Error, Trace, Tx, agreements, incidents, ladders, people,
        pins::{self, Whose},
        visits,
    },
};

/// A visit that ended so long before a duress PIN was given may be what it was given on.
const ENDED_JUST_BEFORE: TimeDelta = TimeDelta::hours(1);

/// What came with it; nothing has to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cry {
    /// What was said.
    pub words: Option<String>,
    /// Where the phone was, if it was allowed to say so.
    pub position: Option<Position>,
    /// When it was made, if that was before it reached us. It is never too old.
    pub made_at: Option<Time>,
    /// By what it was known whose it is.
    pub proof: Proof,
}

/// How it is known who calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Proof {
    /// A token that lets in, or the number of the phone.
    #[default]
    Valid,
    /// A token that was once issued, and has expired or was revoked.
    OldToken,
    /// A device that they have: whoever has it in the hand can press it.
    Device {
        /// Which.
        equipment: EquipmentId,
        /// How its address stands.
        url: DeviceUrl,
        /// Why it is in use no more, if it is not.
        retired: Option<String>,
    },
}

/// How the address of a device stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceUrl {
    /// It is the device's.
    InForce,
    /// It was, and was replaced or revoked.
    Revoked,
}

/// Raises it: an open alarm about the worker becomes an SOS, or one opens.
pub async fn call_for_help(
    tx: &mut Tx,
    house: &House,
    actor: &Actor,
    cry: Cry,
    trace: Trace,
) -> store::Result<()> {
    // The worker's own acts wait for each other here, as everywhere.
    pins::load(tx, actor.person).await?;
    let now = trace.now;
    let sos = Sos { at: Said::made(cry.made_at, now).at, by: actor.person };
    let heard = incident::Cry { kind: Kind::Sos, sos, words: cry.words.as_deref(), companions: &[] };
    let whose = Whose { organisation: actor.organisation, worker: actor.person, team: actor.team };
    let mut incident = raise(tx, house, whose, heard, trace).await?;
    let (organisation, id) = (actor.organisation, incident.id);
    let warned = tx.part(async |tx| agreements::to_warn(tx, organisation, id, now).await).await;
    match warned {
        Err(error) if error.is_for_the_whole() => return Err(error),
        // The call itself goes up all the same.
        Err(error) => tracing::error!(%error, incident = %id, "that others are to be told of it is not kept"),
        Ok(()) => {}
    }
    if let Some(position) = cry.position {
        let directory = people::directory(tx, actor.organisation).await?;
        let decision = incident.at_position(position, now);
        incident = carry_out(tx, house, &directory, None, decision, trace).await?;
    }
    let event = match cry.proof {
        Proof::Valid => return Ok(()),
        Proof::OldToken => {
            NewEvent::new(EventKind::IncidentSosByOldToken, now, json!({"person": actor.person}))
        }
        Proof::Device { equipment, url, retired } => {
            let url_revoked = url == DeviceUrl::Revoked;
            let body = json!({"equipment": equipment, "url_revoked": url_revoked, "retired": retired});
            NewEvent::new(EventKind::IncidentSosByDevice, now, body)
        }
    };
    incidents::log(tx, &mut incident, event, trace).await
}

/// Raises the silent alarm of a worker whose PIN said that they act under duress (row V8). Done by the timer, from the row that
/// every PIN writes: at the door nothing is different.
pub async fn raise_silently(tx: &mut Tx, house: &House, whose: Whose, trace: Trace) -> store::Result<()> {
    let Whose { organisation, worker, .. } = whose;
    let record = pins::load(tx, worker).await?;
    let Some(Sign::Duress { at }) = record.sign else { return Ok(()) };
    if let Some(used) = record.used_at() {
        let kept = tx.part(async |tx| keep_pin_used(tx, house, whose, used, trace).await).await;
        match kept {
            Err(error) if error.is_for_the_whole() => return Err(error),
            // The alarm goes up all the same.
            Err(error) => {
                tracing::error!(%error, "that the worker has acted since could not be kept in a silent alarm");
            }
            Ok(()) => {}
        }
    }
    pins::save(tx, worker, &PinRecord { sign: None, ..record }).await?;
    // They may be held too. Nobody else is left out of the calls: who was there and left long ago is called.
    let companions = visits::companions(tx, organisation, worker, at - ENDED_JUST_BEFORE).await?;
    let sos = Sos { at, by: worker };
    let heard = incident::Cry { kind: Kind::Duress, sos, words: None, companions: &companions };
    raise(tx, house, whose, heard, trace).await.map(drop)
}

/// Keeps in a silent alarm that the worker's PIN was used since (row E7). Done by the timer too, from the same row.
pub async fn notice_pin_used(tx: &mut Tx, house: &House, whose: Whose, trace: Trace) -> store::Result<()> {
    let record = pins::load(tx, whose.worker).await?;
    let (Some(Sign::Usual { .. }), Some(used)) = (record.sign, record.used_at()) else { return Ok(()) };
    pins::save(tx, whose.worker, &PinRecord { sign: None, ..record }).await?;
    keep_pin_used(tx, house, whose, used, trace).await
}

async fn keep_pin_used(
    tx: &mut Tx,
    house: &House,
    Whose { organisation, worker, .. }: Whose,
    used: Time,
    trace: Trace,
) -> store::Result<()> {
    let Found::Open(incident) = open_about(tx, organisation, worker).await? else { return Ok(()) };
    if incident.kind != Kind::Duress {
        return Ok(());
    }
    let directory = people::directory(tx, organisation).await?;
    let policy = directory.policy(incident.team);
    let decision = (*incident).worker_reports(Report::Safe, &policy, used);
    carry_out(tx, house, &directory, None, decision, trace).await.map(drop)
}

/// A silent alarm cannot be raised: whoever runs the service and the last-resort numbers are told, once for each person.
pub async fn tell_that_it_is_stuck(
    tx: &mut Tx,
    house: &House,
    Whose { organisation, worker, .. }: Whose,
    now: Time,
) -> store::Result<()> {
    tell_of_stuck_deadline(tx, house, organisation, &format!("person {worker}"), now).await
}

async fn raise(
    tx: &mut Tx,
    house: &House,
    whose: Whose,
    cry: incident::Cry<'_>,
    trace: Trace,
) -> store::Result<Incident> {
    let Whose { organisation, worker, .. } = whose;
    let running = visits::running_of(tx, organisation, worker).await?;
    let directory = people::directory(tx, organisation).await?;
    match open_about(tx, organisation, worker).await? {
        Found::Open(incident) => {
            let ladder = ladder_of(tx, &incident).await?;
            let visit = visit_of(tx, organisation, incident.visit).await?;
            let policy = directory.policy(incident.team);
            let rules = Rules { ladder: &ladder, directory: &directory, policy: &policy };
            let decision = (*incident).sos(cry, rules, trace.now);
            carry_out(tx, house, &directory, visit.as_ref(), decision, trace).await
        }
        found => open(tx, house, &directory, whose, (&running, found), cry, trace).await,
    }
}

/// What a call for help finds.
#[derive(Debug, PartialEq)]
enum Found {
    /// The open incident that it belongs to: one that is an SOS already, or else the newest.
    Open(Box<Incident>),
    /// None.
    Nothing,
    /// One that cannot be read. It may stand in the way of another about the same visit.
    Unreadable,
}

async fn open_about(tx: &mut Tx, organisation: OrganisationId, worker: PersonId) -> store::Result<Found> {
    let mut open = Vec::new();
    let mut found_none = Found::Nothing;
    for id in incidents::open_about(tx, organisation, worker).await? {
        match incidents::load(tx, organisation, id).await {
            // Then another opens: a call for help waits for nobody's repair.
            Err(error) if error.is_about_a_row() => {
                tracing::error!(%error, "an open incident cannot be read");
                found_none = Found::Unreadable;
            }
            found => open.extend(found?.filter(Incident::is_open)),
        }
    }
    let meant = open.into_iter().max_by_key(|incident| (incident.kind, incident.opened_at));
    Ok(meant.map_or(found_none, |incident| Found::Open(Box::new(incident))))
}

async fn open(
    tx: &mut Tx,
    house: &House,
    directory: &Directory,
    Whose { organisation, worker, team }: Whose,
    (running, found): (&[Visit], Found),
    cry: incident::Cry<'_>,
    trace: Trace,
) -> store::Result<Incident> {
    let now = trace.now;
    let latest =
        running.iter().filter(|visit| visit.watched_till().is_some()).max_by_key(|visit| visit.arrived_at);
    let visit = latest.filter(|_| found != Found::Unreadable);
    let nearest = match (visit, latest) {
        (Some(_), _) => None,
        (None, Some(latest)) => Some(latest.clone()),
        (None, None) => nearest(tx, (organisation, worker), running, now).await?,
    };
    let risk = visit.or(nearest.as_ref()).map_or(Risk::High, |visit| visit.details.risk);
    let team = visit.map_or(team, |visit| visit.team);
    let current = ladders::current(tx, organisation).await?;
    let ladder = ladders::in_force(&current, directory, team, risk)
        .ok_or_else(|| Error::inconsistent("ladder", "team_id", organisation))?;
    let policy = directory.policy(team);
    let rules = Rules { ladder: &ladder.ladder, directory, policy: &policy };
    let opening = Opening {
        id: IncidentId::new(now),
        organisation,
        team,
        subject: worker,
        visit: visit.map(|visit| visit.id),
        ladder: ladder.id,
        opened: Opened::InTime,
    };
    let nearest = nearest.map(|visit| visit.id);
    let decision = Incident::called_for_help(opening, nearest, cry, rules, now);
    let mut incident = decision.incident;
    let due = incident.next_due(&policy);
    incidents::insert_each(tx, [(&mut incident, decision.events, due)], trace).await?;
    if let Some(round) = &decision.round {
        let telling = Telling { house, directory, worker, now };
        telling.call(tx, &incident, visit, round).await?;
    }
    Ok(incident)
}

/// The visit whose place helps to find a worker who is on none: the last or the next one, whichever is nearer in time and
/// not further away than a visit lasts; else the last.
async fn nearest(
    tx: &mut Tx,
    (organisation, worker): (OrganisationId, PersonId),
    running: &[Visit],
    now: Time,
) -> store::Result<Option<Visit>> {
    let arrival = |visit: &Visit| match &visit.state {
        VisitState::Planned { expected_arrival, .. } => Some(*expected_arrival),
        _ => None,
    };
    let next =
        running.iter().filter(|visit| arrival(visit).is_some()).min_by_key(|visit| arrival(visit)).cloned();
    let last = match visits::last_of(tx, organisation, worker).await {
        Err(error) if error.is_about_a_row() => None,
        found => found?,
    };
    let away =
        |visit: &Visit| -> TimeDelta { (arrival(visit).unwrap_or(visit.expected_departure) - now).abs() };
    let near = last
        .iter()
        .chain(&next)
        .filter(|visit| away(visit) <= FURTHEST_AHEAD)
        .min_by_key(|visit| away(visit));
    Ok(near.cloned().or(last).or(next))
}
