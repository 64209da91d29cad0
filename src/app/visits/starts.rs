//! How a visit comes to be: started, planned, made with others; and what is told of a start that nobody could read.

use serde_json::json;

use super::{Came, Done, acts::arrived_late, alarm_of};
use crate::{
    app::{House, Outcome, Rejected, access::Actor, allowed, telling::Telling},
    clock::Time,
    domain::{
        command::Plan,
        event::{EventKind, NewEvent},
        ids::{PersonId, TeamId, VisitId},
        notice::{Notice, Occasion},
        people::Role,
        rights::{self, Relation},
        start::{Departure, Start, Warning, Whose},
        visit::{Alarm, Decision, Visit},
    },
    store::{self, Trace, Tx, incidents as incident_rows, people, pins, visits},
};

/// For whom a visit is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForWhom {
    /// For oneself.
    Self_,
    /// For somebody else: by id, or by the key of the organisation's file.
    Another(String),
}

/// Starts or plans a visit. A start is never refused (row V12).
pub async fn start(
    tx: &mut Tx,
    house: &House,
    actor: &Actor,
    for_whom: &ForWhom,
    start: Start,
    id: VisitId,
    trace: Trace,
) -> Outcome<Done> {
    let now = trace.now;
    let mut odd = Vec::new();
    let (worker, team) = match who_goes_in(tx, actor, for_whom).await? {
        Ok(found) => found,
        // Somebody who can only go in themselves named somebody: they are going in.
        Err(named) if actor.role == Role::Worker => {
            odd.push(Warning::about(
                "worker",
                format!("“{named}” is nobody you can start for: you are watched yourself"),
            ));
            (actor.person, actor.team)
        }
        Err(named) => {
            unwatched_start(tx, house, actor, Unwatched::Unreadable, trace).await?;
            return Ok(Err(Rejected::UnknownWorker(named)));
        }
    };
    // The worker's PIN row serialises their starts: two that come at once must see each other.
    let (pin, policy) = pins::load_with_policy(tx, actor.organisation, (worker, team)).await?;
    let whose = Whose { organisation: actor.organisation, team, worker, by: actor.person };
    let start = start.as_the_team_works(&policy);
    if start.is_plan(now) {
        let (Decision { mut visit, events, .. }, warnings) = allowed!(start.plan(id, whose, now, &policy));
        visits::insert(tx, &mut visit, events, trace).await?;
        visits::set_due(tx, visit.id, visit.next_due(&policy)).await?;
        return Ok(Ok(Done {
            visit,
            alarm: Alarm::Quiet,
            warnings,
            came: Came::New,
            agreement: policy.agreement,
        }));
    }
    let running = visits::running_of(tx, actor.organisation, worker).await?;
    if let Some(same) = start.said_before(&running, now, &policy) {
        let alarm = alarm_of(tx, same).await?;
        let mut warnings =
            vec![Warning::general("these are the words of a visit that is running: it is the same visit")];
        warnings.extend(start.deadline(same.arrived_at.unwrap_or(now), &policy).1);
        return Ok(Ok(Done {
            visit: same.clone(),
            alarm,
            warnings,
            came: Came::ThereBefore,
            agreement: policy.agreement,
        }));
    }
    if let Some(till) = running.iter().find_map(Visit::watched_till) {
        let till = crate::domain::local_time::written(till, now, actor.zone);
        odd.push(Warning::general(format!(
            "another visit of yours is running, watched till {till}: both are watched"
        )));
    }
    if pin.hash.is_none() {
        odd.push(Warning::general(
            "no PIN is set: you cannot end this visit yourself. Ring your manager when you are out, and set a PIN then",
        ));
    }
    let matching: Vec<_> = running.iter().filter(|visit| start.is_arrival_at(visit, now)).collect();
    let mut came = Came::New;
    let (decision, mut warnings) = match matching.as_slice() {
        [planned] => {
            came = Came::Arrival;
            start.arrive_at((*planned).clone(), whose, now, &policy)
        }
        several => {
            if several.len() > 1 {
                came = Came::NewThoughSeveralPlansFit;
                odd.push(Warning::general(
                    "several planned visits fit: this is a new visit. Which one is it?",
                ));
            }
            start.begin(id, whose, now, &policy)
        }
    };
    warnings.extend(odd);
    let Decision { mut visit, events, .. } = decision;
    if came.is_new() {
        visits::insert(tx, &mut visit, events, trace).await?;
    } else {
        visits::update(tx, &mut visit, events, trace).await?;
    }
    // A plan whose worker is looked for already is watched by that incident.
    let found = match came {
        Came::Arrival => incident_rows::alarm(tx, actor.organisation, worker, Some(visit.id)).await?,
        _ => None,
    };
    let alarm = found.map_or(Alarm::Quiet, |(_, alarm, _)| alarm);
    if alarm.leaves_the_deadline() {
        visits::set_due(tx, visit.id, visit.next_due(&policy)).await?;
    } else if let Some((incident, ..)) = found {
        let directory = people::directory(tx, actor.organisation).await?;
        arrived_late(tx, house, &directory, (actor.organisation, incident), trace).await?;
    }
    if worker != actor.person {
        tell_started_for_them(tx, house, actor, &visit, now).await?;
    }
    Ok(Ok(Done { visit, alarm, warnings, came, agreement: policy.agreement }))
}

async fn tell_started_for_them(
    tx: &mut Tx,
    house: &House,
    actor: &Actor,
    visit: &Visit,
    now: Time,
) -> store::Result<()> {
    let directory = people::directory(tx, actor.organisation).await?;
    let telling = Telling { house, directory: &directory, worker: visit.worker, now };
    let notice = Notice::StartedForYou { by: actor.name.clone(), till: visit.expected_departure };
    let occasion = Occasion::new(format!("visit/{}/started-for-worker", visit.id));
    telling.tell_worker(tx, notice, visit.id, occasion).await
}

/// Others go in with the worker of a visit that begins: each gets a visit of their own, watched till the same time, and is told
/// so (row V9). Whoever cannot be watched is a warning; the visit itself stays what it is. The visits that this made.
pub async fn accompany(
    tx: &mut Tx,
    house: &House,
    actor: &Actor,
    Done { visit: lead, warnings, .. }: &mut Done,
    with: &[String],
    trace: Trace,
) -> store::Result<Vec<Done>> {
    let mut joined = Vec::new();
    if with.is_empty() {
        return Ok(joined);
    }
    let Some(till) = lead.watched_till() else {
        warnings.push(Warning::about("with", "left out: say who is with you when you start"));
        return Ok(joined);
    };
    let now = trace.now;
    let directory = people::directory(tx, actor.organisation).await?;
    let party = lead.party.unwrap_or(lead.id);
    let there = visits::party(tx, actor.organisation, party).await?;
    let mut there: Vec<PersonId> = there.into_iter().map(|(_, person)| person).chain([lead.worker]).collect();
    for named in with {
        let Some(person) = directory.named(named).filter(|person| !person.is_outside()) else {
            let nobody = format!(
                "“{named}” is nobody who can be watched: they are NOT WATCHED. They can start themselves"
            );
            warnings.push(Warning::about("with", nobody));
            continue;
        };
        if there.contains(&person.id) {
            continue;
        }
        there.push(person.id);
        let policy = directory.policy(person.team);
        let start = Start {
            details: lead.details.clone(),
            expected_arrival: None,
            departure: Departure::At(till),
            made_at: lead.arrived_at,
            plan: Plan::AsDescribed,
        };
        let id = VisitId::new(now);
        let whose = Whose {
            organisation: actor.organisation,
            team: person.team,
            worker: person.id,
            by: actor.person,
        };
        let (begun, _) = start.as_the_team_works(&policy).begin(id, whose, now, &policy);
        let Decision { mut visit, mut events, .. } = begun;
        visit.party = Some(party);
        // They have not said anything themselves.
        visit.last_contact_at = None;
        events.push(NewEvent::new(
            EventKind::VisitAccompanied,
            now,
            json!({"party": party, "with": lead.worker}),
        ));
        visits::insert(tx, &mut visit, events, trace).await?;
        visits::set_due(tx, id, visit.next_due(&policy)).await?;
        let telling = Telling { house, directory: &directory, worker: person.id, now };
        let occasion = Occasion::new(format!("visit/{id}/watched-with"));
        let notice = Notice::WatchedWith { by: actor.name.clone(), till: visit.expected_departure };
        telling.tell_worker(tx, notice, id, occasion).await?;
        // Whoever may not start for them learns nothing of them.
        if actor.reaches(tx, person.team).await? && !pins::is_set(tx, person.id).await? {
            let no_pin = format!("{} has no PIN yet: they cannot check out themselves", person.name);
            warnings.push(Warning::about("with", no_pin));
        }
        joined.push(Done {
            visit,
            alarm: Alarm::Quiet,
            warnings: Vec::new(),
            came: Came::New,
            agreement: policy.agreement,
        });
    }
    if !joined.is_empty() {
        lead.party = Some(party);
        let by: Vec<PersonId> = joined.iter().map(|done| done.visit.worker).collect();
        let event = NewEvent::new(EventKind::VisitAccompanied, now, json!({"party": party, "by": by}));
        visits::update(tx, lead, vec![event], trace).await?;
    }
    Ok(joined)
}

/// The worker whom a start is about, or the name that is nobody's whom the actor could start for.
pub(in crate::app) async fn who_goes_in(
    tx: &mut Tx,
    actor: &Actor,
    for_whom: &ForWhom,
) -> store::Result<Result<(PersonId, TeamId), String>> {
    let ForWhom::Another(named) = for_whom else { return Ok(Ok((actor.person, actor.team))) };
    let directory = people::directory(tx, actor.organisation).await?;
    let Some(person) = directory.named(named).filter(|person| !person.is_outside()) else {
        return Ok(Err(named.clone()));
    };
    let own = person.id == actor.person;
    let relation = Relation { own, in_reach: actor.reaches(tx, person.team).await?, ..Relation::default() };
    let allowed = rights::may(actor.role, rights::Act::DoVisit, relation).is_ok();
    Ok(if allowed { Ok((person.id, person.team)) } else { Err(named.clone()) })
}

/// Why a start is not watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwatched {
    /// Nobody could read it.
    Unreadable,
    /// It came by a token that has expired or was revoked: somebody else may have the phone.
    OldToken,
}

/// A start that is not watched: the worker may be going in all the same, so a person is told.
pub async fn unwatched_start(
    tx: &mut Tx,
    house: &House,
    actor: &Actor,
    why: Unwatched,
    trace: Trace,
) -> store::Result<()> {
    let (kind, occasion) = match why {
        Unwatched::Unreadable => (EventKind::StartUnreadable, trace.now.timestamp_micros()),
        // Told once an hour: whoever found the phone must not be able to send many texts.
        Unwatched::OldToken => (EventKind::TokenRefused, trace.now.timestamp() / 3600),
    };
    let event = NewEvent::new(kind, trace.now, json!({"person": actor.person}));
    let about = (Some(actor.team), Some(actor.person));
    store::events::log_for_organisation(tx, actor.organisation, about, trace, event).await?;
    let directory = people::directory(tx, actor.organisation).await?;
    let telling = Telling { house, directory: &directory, worker: actor.person, now: trace.now };
    let occasion = format!("{}/{}/{occasion}", kind.as_str(), actor.person);
    telling.tell_managers(tx, Notice::UnreadableStart, None, &occasion).await
}
