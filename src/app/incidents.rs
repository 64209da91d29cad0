//! What people do about an alarm: take it, give it, hold it, write into it, say how it ended, learn from it.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{House, Outcome, Rejected, access::Actor, allowed, chases, oversight, telling::Telling};
use crate::{
    domain::{
        ids::{IncidentId, OrganisationId, PersonId, VisitId},
        incident::{
            CallsOff, Closing, Decision, Incident, NotNow, Outcome as How, Police, Release, Review, Rules,
            WorkerNow,
        },
        ladder::Ladder,
        notice::{Notice, Occasion},
        people::Directory,
        rights::{self, Act, Relation},
        visit::{Alarm, Closed, KnownBy, ReadAs, Report, Visit},
    },
    store::{self, Trace, Tx, agreements, incidents, ladders, messages, people, visits},
};

/// Saves what was decided about an incident and says it to everybody concerned.
pub(super) async fn carry_out(
    tx: &mut Tx,
    house: &House,
    directory: &Directory,
    visit: Option<&Visit>,
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
    telling.tell_about(tx, &incident, &told).await?;
    if let Some(round) = &round {
        telling.call(tx, &incident, visit, round).await?;
    }
    Ok(incident)
}

/// What is needed to act on an incident: the visit is locked first, then the incident.
pub(super) struct Held {
    pub(super) incident: Incident,
    pub(super) visit: Option<Visit>,
    pub(super) directory: Arc<Directory>,
    pub(super) ladder: Ladder,
}

/// What should be known beside it and cannot be read keeps no alarm from anybody, and no word of a worker's from being taken.
pub(super) fn unless_unreadable<T>(found: store::Result<T>, otherwise: T) -> store::Result<T> {
    match found {
        Err(error) if error.is_about_a_row() => {
            tracing::error!(%error, "a row that stands beside a visit or an alarm cannot be read: done without it");
            Ok(otherwise)
        }
        found => found,
    }
}

/// The visit that an incident is about, or that stands nearest to it, if it can be read.
pub async fn visit_of(
    tx: &mut Tx,
    organisation: OrganisationId,
    visit: Option<VisitId>,
) -> store::Result<Option<Visit>> {
    let Some(visit) = visit else { return Ok(None) };
    unless_unreadable(visits::find(tx, organisation, visit).await, None)
}

/// The ladder of an incident; where it cannot be read, the usual one.
pub(super) async fn ladder_of(tx: &mut Tx, incident: &Incident) -> store::Result<Ladder> {
    let found = ladders::by_id(tx, incident.organisation, incident.ladder).await;
    unless_unreadable(found.map(|version| version.ladder), Ladder::default())
}

/// Locks the visit of an incident, which is locked before it, if it can be read.
pub(super) async fn lock_visit_of(
    tx: &mut Tx,
    organisation: OrganisationId,
    visit: VisitId,
) -> store::Result<Option<Visit>> {
    Ok(unless_unreadable(visits::load(tx, organisation, visit).await, None)?.map(|(visit, _)| visit))
}

pub(super) async fn hold(
    tx: &mut Tx,
    organisation: OrganisationId,
    id: IncidentId,
) -> store::Result<Option<Held>> {
    let Some(found) = incidents::find(tx, organisation, id).await? else { return Ok(None) };
    let visit = match found.visit {
        Some(visit) => lock_visit_of(tx, organisation, visit).await?,
        None => None,
    };
    let Some(incident) = incidents::load(tx, organisation, id).await? else { return Ok(None) };
    let directory = people::directory(tx, organisation).await?;
    let ladder = ladder_of(tx, &incident).await?;
    Ok(Some(Held { incident, visit, directory, ladder }))
}

/// Finds the incident that a person means: by its id, or by their own code for it.
pub async fn named(tx: &mut Tx, actor: &Actor, name: &str) -> store::Result<Option<IncidentId>> {
    match name.parse() {
        Ok(id) => Ok(Some(IncidentId(id))),
        Err(_) => people::incident_of_code(tx, actor.person, &name.to_uppercase()).await,
    }
}

/// What a person does about an alarm that somebody still has to close.
#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    /// Takes it: explicitly (rows E3, E4).
    Acknowledge,
    /// Takes it from whoever has it.
    TakeOver,
    /// Gives it to somebody who may have it: by id, or by the key of the organisation's file.
    HandOver(String),
    /// Needs longer.
    Hold {
        /// So much from now; as long as a promise, if it is not said.
        length: Option<TimeDelta>,
        /// Why.
        reason: String,
    },
    /// Cannot.
    Cannot,
    /// Found the worker not safe.
    NotSafe {
        /// What they say.
        words: String,
    },
    /// Reports that the worker is safe.
    Safe {
        /// What they say.
        words: String,
    },
    /// Has rung the police.
    WithPolice(Police),
    /// Writes something down.
    Note(String),
    /// Says what was learned and what is done about it; after it was closed.
    Review {
        /// What was learned.
        learned: String,
        /// What is done about it.
        action: String,
    },
    /// Releases a duress alarm to its subject; after it was closed.
    Release,
}

impl Deed {
    fn act(&self) -> Act {
        match self {
            Self::Acknowledge => Act::Acknowledge,
            Self::TakeOver => Act::TakeOver,
            Self::HandOver(_) => Act::HandOver,
            Self::Hold { .. } | Self::WithPolice(_) => Act::Hold,
            Self::Cannot | Self::NotSafe { .. } | Self::Safe { .. } => Act::Answer,
            Self::Note(_) => Act::Note,
            Self::Review { .. } => Act::Review,
            Self::Release => Act::Release,
        }
    }
}

/// Does it, if this person may.
pub async fn act(
    tx: &mut Tx,
    house: &House,
    actor: &Actor,
    id: IncidentId,
    deed: Deed,
    trace: Trace,
) -> Outcome<Incident> {
    let Some(Held { incident, visit, directory, ladder }) = hold(tx, actor.organisation, id).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    let relation = actor.relation_to_incident(tx, &incident).await?;
    allowed!(rights::may(actor.role, deed.act(), relation));
    let (state, now, by) = (state_word(&incident), trace.now, actor.person);
    let policy = directory.policy(incident.team);
    let rules = Rules { ladder: &ladder, directory: &directory, policy: &policy };
    let decided = match deed {
        Deed::Acknowledge => incident.acknowledge(by, &policy, now),
        Deed::TakeOver => incident.take_over(by, &policy, now),
        Deed::HandOver(to) => {
            let to = allowed!(may_be_given(tx, &directory, &incident, &to).await?);
            incident.hand_over(by, to, &policy, now)
        }
        Deed::Hold { length, reason } => incident.hold(by, length, &reason, &policy, now),
        Deed::Cannot => incident.cannot(by, rules, now),
        Deed::NotSafe { words } => incident.not_safe(by, &words, rules, now),
        Deed::Safe { words } => incident.reported_safe(by, &words, now),
        Deed::WithPolice(told) => incident.with_police(by, told, &policy, now),
        Deed::Note(note) => Ok(incident.note(by, &note, &policy, now)),
        Deed::Review { learned, action } => incident.review(Review { at: now, by, learned, action }),
        Deed::Release => incident.release(Release { at: now, by }),
    };
    match decided {
        Ok(decision) => Ok(Ok(carry_out(tx, house, &directory, visit.as_ref(), decision, trace).await?)),
        Err(why) => Ok(Err(Rejected::Incident { why, state })),
    }
}

/// Somebody whom an alarm can be given to: who could have taken it themselves (DECISIONS "Who may own").
async fn may_be_given(
    tx: &mut Tx,
    directory: &Directory,
    incident: &Incident,
    named: &str,
) -> store::Result<Result<PersonId, Rejected>> {
    let found = directory
        .named(named)
        .filter(|person| person.id != incident.subject && !incident.is_withheld_from(person.id));
    let Some((person, role)) = found.and_then(|person| Some((person, person.role?))) else {
        return Ok(Err(Rejected::CannotHaveIt(named.to_owned())));
    };
    let relation = Relation {
        in_reach: directory.line_of(incident.team).contains(&person.team),
        called: people::code_of(tx, incident.id, person.id).await?.is_some(),
        open: true,
        ..Relation::default()
    };
    let may = rights::may(role, Act::Acknowledge, relation).is_ok();
    Ok(if may { Ok(person.id) } else { Err(Rejected::CannotHaveIt(named.to_owned())) })
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
    let Some(Held { incident, mut visit, directory, .. }) = hold(tx, actor.organisation, id).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    let relation = actor.relation_to_incident(tx, &incident).await?;
    allowed!(rights::may(actor.role, Act::Close, relation));
    let Close { outcome, known_by, worker_now, note } = close;
    let state = state_word(&incident);
    let unreadable = incident.visit.filter(|_| visit.is_none());
    if let (Some(_), WorkerNow::StillThere { .. }) = (unreadable, worker_now) {
        return Ok(Err(Rejected::Incident { why: NotNow::VisitUnreadable, state }));
    }
    let closing = Closing { at: trace.now, by: actor.person, outcome, known_by, worker_now, note };
    let decision = match incident.close(closing) {
        Ok(decision) => decision,
        Err(why) => return Ok(Err(Rejected::Incident { why, state })),
    };
    let policy = directory.policy(decision.incident.team);
    if let Some(visit) = &mut visit {
        let withheld = decision.incident.is_withheld();
        let read_as = if withheld { ReadAs::AnothersAct { known_by } } else { ReadAs::Close };
        let closed = Closed { by: actor.person, read_as };
        let followed = match worker_now {
            WorkerNow::StillThere { until } => visit.clone().watch_on(until, closed, trace.now, &policy),
            _ => visit.clone().end_with_incident(closed, trace.now),
        };
        if !followed.events.is_empty() {
            chases::follow(tx, (actor.zone, &policy), (visit, &followed.visit), trace.now).await?;
            let unseen = visit.arrived_at.is_none() && followed.visit.arrived_at.is_some();
            *visit = followed.visit;
            visits::update(tx, visit, followed.events, trace).await?;
            if unseen {
                super::agreements::follow_unseen(tx, house, visit, Alarm::Quiet, trace).await?;
            }
            // The worker may believe something else about the watching by now.
            let till = visit.watched_till();
            // After a call for help somebody else may read it. A silent one must not show: it is told as any such act is.
            let known_by = (withheld || !decision.incident.kind.is_call_for_help()).then_some(known_by);
            let notice = Notice::ActedForYou { by: actor.name.clone(), known_by, till };
            let occasion = Occasion::new(format!("visit/{}/closed/{}", visit.id, visit.chain.number));
            let telling = Telling { house, directory: &directory, worker: visit.worker, now: trace.now };
            telling.tell_worker(tx, notice, visit.id, occasion).await?;
        }
    }
    let mut incident = carry_out(tx, house, &directory, visit.as_ref(), decision, trace).await?;
    oversight::incident_closed(tx, &mut incident, trace).await?;
    if let Some(visit) = &visit {
        visits::set_due(tx, visit.id, visit.next_due(&policy)).await?;
    }
    if let Some(id) = unreadable {
        // Nobody knows whether somebody is still out on it: as long as it cannot be read those who mend it are told.
        visits::set_due(tx, id, Some(trace.now)).await?;
    }
    if outcome.is_violence() {
        agreements::to_warn(tx, incident.organisation, incident.id, trace.now).await?;
    }
    if incident.kind.is_call_for_help() {
        // Visits that fell overdue while the call for help stood in for them are watched by themselves again.
        for id in visits::without_deadline_of(tx, incident.organisation, incident.subject).await? {
            visits::set_due(tx, id, Some(trace.now)).await?;
        }
    }
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
    let policy = directory.policy(incident.team);
    let decision = incident.worker_reports(report, &policy, trace.now);
    carry_out(tx, house, directory, None, decision, trace).await.map(drop)
}

/// The worker has begun what others were told they had not. The visit is locked by the caller.
pub(super) async fn arrived_late(
    tx: &mut Tx,
    house: &House,
    directory: &Directory,
    (organisation, id): (OrganisationId, IncidentId),
    trace: Trace,
) -> store::Result<()> {
    let Some(incident) = incidents::load(tx, organisation, id).await? else { return Ok(()) };
    let decision = incident.arrived_late(trace.now);
    carry_out(tx, house, directory, None, decision, trace).await.map(drop)
}

/// What an outside contact who was called answers: told to staff, and stops nothing (rows E3, E11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutsideAnswer {
    /// They are trying.
    Trying,
    /// They cannot.
    Cannot,
    /// They found the worker safe: a report.
    Safe {
        /// What they say.
        words: String,
    },
    /// They found the worker not safe.
    NotSafe {
        /// What they say.
        words: String,
    },
}

/// Keeps it, if they were called.
pub async fn outside(
    tx: &mut Tx,
    house: &House,
    (organisation, id): (OrganisationId, IncidentId),
    contact: PersonId,
    answer: OutsideAnswer,
    trace: Trace,
) -> Outcome<Incident> {
    let called = people::code_of(tx, id, contact).await?.is_some();
    let Some(Held { incident, visit, directory, ladder }) =
        hold(tx, organisation, id).await?.filter(|_| called)
    else {
        return Ok(Err(Rejected::NotFound));
    };
    let (state, now) = (state_word(&incident), trace.now);
    let policy = directory.policy(incident.team);
    let rules = Rules { ladder: &ladder, directory: &directory, policy: &policy };
    let decided = match answer {
        OutsideAnswer::Trying => incident.outside_trying(contact, now),
        OutsideAnswer::Cannot => incident.cannot(contact, rules, now),
        OutsideAnswer::Safe { words } => incident.reported_safe(contact, &words, now),
        OutsideAnswer::NotSafe { words } => incident.not_safe(contact, &words, rules, now),
    };
    match decided {
        Ok(decision) => Ok(Ok(carry_out(tx, house, &directory, visit.as_ref(), decision, trace).await?)),
        Err(why) => Ok(Err(Rejected::Incident { why, state })),
    }
}

fn state_word(incident: &Incident) -> &'static str {
    if incident.is_open() { "open" } else { "closed" }
}
