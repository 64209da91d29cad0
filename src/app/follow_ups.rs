//! What has to be done after an incident: set with a person and a day, open until somebody says that it is done (row E6).

use chrono::NaiveDate;
use serde_json::json;

use super::{
    Outcome, Rejected,
    access::Actor,
    allowed,
    chases::ASKED_AT,
    incidents::{Held, hold},
};
use crate::{
    domain::{
        event::{EventKind, NewEvent},
        follow_up::{Done, FollowUp, FollowUpKind},
        ids::{FollowUpId, IncidentId},
        incident::NotNow,
        local_time,
        people::Person,
        rights::{self, Act},
    },
    store::{
        Trace, Tx,
        chases::{self, Chase, Missing},
        follow_ups, incidents,
    },
};

/// What is to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// About what.
    pub kind: FollowUpKind,
    /// What is to be done.
    pub what: String,
    /// Who does it: by id, or by the key of the organisation's file.
    pub owner: String,
    /// By that day.
    pub due_on: NaiveDate,
}

/// Sets one; its owner is asked from that day on until it is done.
pub async fn set(
    tx: &mut Tx,
    actor: &Actor,
    id: IncidentId,
    wanted: Wanted,
    trace: Trace,
) -> Outcome<FollowUp> {
    let Some(Held { mut incident, directory, .. }) = hold(tx, actor.organisation, id).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    let relation = actor.relation_to_incident(tx, &incident).await?;
    allowed!(rights::may(actor.role, Act::FollowUp, relation));
    if incident.is_open() {
        return Ok(Err(Rejected::Incident { why: NotNow::StillOpen, state: "open" }));
    }
    let may_do_it = |person: &&Person| {
        !person.is_outside() && person.id != incident.subject && !incident.is_withheld_from(person.id)
    };
    let Some(owner) = directory.named(&wanted.owner).filter(may_do_it) else {
        return Ok(Err(Rejected::NobodyToDoIt(wanted.owner)));
    };
    let follow_up = FollowUp {
        id: FollowUpId::new(trace.now),
        organisation: actor.organisation,
        incident: id,
        kind: wanted.kind,
        what: wanted.what,
        owner: owner.id,
        due_on: wanted.due_on,
        set: (actor.person, trace.now),
        done: None,
    };
    follow_ups::insert(tx, &follow_up).await?;
    let body = json!({
        "follow_up": follow_up.id,
        "kind": follow_up.kind,
        "owner": follow_up.owner,
        "due_on": follow_up.due_on,
    });
    let event =
        NewEvent::new(EventKind::FollowUpSet, trace.now, body).with_private(json!({"what": follow_up.what}));
    incidents::log(tx, &mut incident, event, trace).await?;
    let due_at = local_time::at(follow_up.due_on, ASKED_AT, directory.zone);
    let chase = Chase {
        about: follow_up.id.0,
        kind: Missing::FollowUp,
        organisation_id: actor.organisation,
        person_id: owner.id,
        due_at,
        asked: 0,
        visit_id: None,
    };
    chases::set(tx, &chase).await?;
    Ok(Ok(follow_up))
}

/// It is done. Said again it changes nothing.
pub async fn done(tx: &mut Tx, actor: &Actor, id: FollowUpId, note: &str, trace: Trace) -> Outcome<FollowUp> {
    let nothing = Ok(Err(Rejected::NotFound));
    let Some(follow_up) = follow_ups::find(tx, actor.organisation, id).await? else { return nothing };
    let Some(Held { mut incident, .. }) = hold(tx, actor.organisation, follow_up.incident).await? else {
        return nothing;
    };
    if follow_up.owner != actor.person {
        let relation = actor.relation_to_incident(tx, &incident).await?;
        allowed!(rights::may(actor.role, Act::FollowUp, relation));
    }
    let done = Done { at: trace.now, by: actor.person, note: note.to_owned() };
    if !follow_ups::done(tx, actor.organisation, id, &done).await? {
        return Ok(follow_ups::find(tx, actor.organisation, id).await?.ok_or(Rejected::NotFound));
    }
    chases::drop(tx, actor.organisation, id.0).await?;
    let event = NewEvent::new(EventKind::FollowUpDone, trace.now, json!({"follow_up": id}))
        .with_private(json!({"note": note}));
    incidents::log(tx, &mut incident, event, trace).await?;
    Ok(Ok(FollowUp { done: Some(done), ..follow_up }))
}
