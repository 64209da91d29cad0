//! Concerns: raised on a visit or without one, discussed with a manager, acted on, closed (row A10). Nothing here knows of an alarm.
//!
//! Their events stand in the organisation's log and not in the visit's, which more people read than may read a concern.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde_json::json;

use super::{
    House, Outcome, Rejected,
    access::Actor,
    allowed,
    chases::{ASKED_ALONE, ASKED_AT, in_a_week},
    due,
    telling::Telling,
};
use crate::{
    clock::Time,
    domain::{
        concern::{Action, Closing, Concern, ConcernKind, ConcernState, Discussion, NotNow, case_reference},
        due::Cause,
        event::{EventKind, NewEvent},
        follow_up::Done,
        ids::{ConcernActionId, ConcernId, PersonId, TeamId, VisitId},
        local_time,
        notice::{Asked, Notice},
        people::{Directory, Person, Role},
        rights::{self, OnConcern, ToConcern},
        visit::Said,
    },
    keys::ServerKey,
    store::{
        self, Trace, Tx,
        chases::{self, Chase, Missing},
        concerns::{self, After, Filter},
        events::log_for_organisation,
        people, visits,
    },
};

/// So many are shown in one list.
const PAGE: usize = 500;

/// So many are looked at in one go.
const AT_ONCE: i64 = 200;

/// What somebody is concerned about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// On which visit.
    pub visit: Option<VisitId>,
    /// About whose case; on a visit, if it is not said, that of the visit.
    pub case_reference: Option<String>,
    /// What about.
    pub kind: ConcernKind,
    /// In their words.
    pub words: String,
    /// When they said it, if that was before it reached us.
    pub made_at: Option<Time>,
}

/// Raises one; the manager is told at once. Nobody is refused who may know of the visit.
pub async fn raise(
    tx: &mut Tx,
    (house, key): (&House, &ServerKey),
    actor: &Actor,
    wanted: Wanted,
    trace: Trace,
) -> Outcome<Concern> {
    let Wanted { visit, case_reference: reference, kind, words, made_at } = wanted;
    let visit = match visit {
        None => None,
        Some(id) => {
            let Some(visit) = visits::find(tx, actor.organisation, id).await? else {
                return Ok(Err(Rejected::NotFound));
            };
            let relation = actor.relation_to_visit(tx, &visit).await?;
            allowed!(rights::may(actor.role, rights::Act::SeeVisit, relation));
            Some(visit)
        }
    };
    let of_visit = || visit.as_ref().and_then(|visit| visit.details.case_reference.clone());
    let reference = reference.or_else(of_visit).as_deref().and_then(case_reference);
    let (worker, team) =
        visit.as_ref().map_or((actor.person, actor.team), |visit| (visit.worker, visit.team));
    let said_at = Said::made(made_at, trace.now).at;
    let directory = people::directory(tx, actor.organisation).await?;
    let concern = Concern {
        id: ConcernId::new(trace.now),
        organisation: actor.organisation,
        team,
        worker,
        raised: (actor.person, said_at),
        visit: visit.map(|visit| visit.id),
        case_reference: reference,
        kind,
        words,
        told: to_be_told(&directory, actor.person, worker),
        state: ConcernState::Raised,
        closing: None,
    };
    concerns::insert(tx, actor.organisation, &concern).await?;
    let chase = Chase {
        about: concern.id.0,
        kind: Missing::Concern,
        organisation_id: actor.organisation,
        person_id: concern.told.first().copied().unwrap_or(actor.person),
        due_at: local_time::next_at(ASKED_AT, trace.now, directory.zone),
        asked: 0,
        visit_id: None,
    };
    chases::set(tx, &chase).await?;
    let telling = Telling { house, directory: &directory, worker: actor.person, now: trace.now };
    let notice = Notice::ConcernRaised { by: actor.name.clone(), at: said_at };
    let occasion = format!("concern/{}/raised", concern.id);
    for person in &concern.told {
        telling.tell_person(tx, *person, notice.clone(), None, &occasion).await?;
    }
    if concern.told.is_empty() {
        telling.tell_managers(tx, notice, None, &occasion).await?;
    }
    // Before it is logged: the organisation is locked last.
    let about = concern.case_reference.as_deref();
    due::follow_reference(tx, actor.organisation, about, Cause::ConcernRaised, trace).await?;
    let body = json!({
        "concern": concern.id,
        "kind": concern.kind,
        "visit": concern.visit,
        "case": concern.case_reference.as_ref().map(|reference| key.case(actor.organisation, reference)),
        "told": concern.told,
    });
    let event =
        NewEvent::new(EventKind::ConcernRaised, said_at, body).with_private(json!({"words": concern.words}));
    log(tx, &concern, event, trace).await?;
    Ok(Ok(concern))
}

/// Whoever answers for who raised it, and for the worker; never who raised it.
fn to_be_told(directory: &Directory, raised_by: PersonId, worker: PersonId) -> Vec<PersonId> {
    let mut told = Vec::new();
    for id in [raised_by, worker].into_iter().flat_map(|id| directory.who_has_to_know(id)) {
        if id != raised_by && !told.contains(&id) {
            told.push(id);
        }
    }
    told
}

/// The names of those who were told.
pub async fn names_of(tx: &mut Tx, concern: &Concern) -> store::Result<Vec<String>> {
    let directory = people::directory(tx, concern.organisation).await?;
    Ok(concern.told.iter().map(|id| directory.name_of(*id).to_owned()).collect())
}

/// A concern and everything that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// The concern.
    pub concern: Concern,
    /// What was said of it.
    pub discussions: Vec<Discussion>,
    /// What is to be done, and what was.
    pub actions: Vec<Action>,
}

async fn whole(tx: &mut Tx, concern: Concern) -> store::Result<Whole> {
    let (organisation, id) = (concern.organisation, [concern.id]);
    let discussions = concerns::discussions(tx, organisation, &id).await?;
    let discussions = discussions.into_iter().map(|(_, discussion)| discussion).collect();
    let actions = concerns::actions(tx, organisation, &id).await?;
    Ok(Whole { concern, discussions, actions })
}

fn relation(actor: &Actor, reach: &[TeamId], whole: &Whole) -> ToConcern {
    let Whole { concern, actions, .. } = whole;
    ToConcern {
        raised: concern.raised.0 == actor.person,
        in_reach: reach.contains(&concern.team) || concern.told.contains(&actor.person),
        owner: actions.iter().any(|action| action.owner == actor.person),
    }
}

/// One concern, as somebody may see it.
pub async fn show(tx: &mut Tx, actor: &Actor, id: ConcernId) -> Outcome<Whole> {
    let Some(concern) = concerns::find(tx, actor.organisation, id).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    let found = whole(tx, concern).await?;
    let reach = people::reach(tx, actor.organisation, actor.team).await?;
    allowed!(rights::may_on_concern(actor.role, OnConcern::See, relation(actor, &reach, &found)));
    Ok(Ok(found))
}

/// The concerns that somebody may see, the open ones first, then the newest, from one on: at most 500; and after which one it goes on.
pub async fn list(
    tx: &mut Tx,
    actor: &Actor,
    filter: Filter,
    mut after: Option<After>,
) -> store::Result<(Vec<Whole>, Option<After>)> {
    // Whoever sees no team is not led through everybody's to find their own.
    let sees_more = actor.role.manages() || actor.role == Role::Auditor;
    let filter = Filter { of: (!sees_more).then_some(actor.person), ..filter };
    let reach = people::reach(tx, actor.organisation, actor.team).await?;
    // What somebody may not see leaves no gap: neither a short list nor one to go on from.
    let mut shown: Vec<Whole> = Vec::new();
    loop {
        let page = concerns::list(tx, actor.organisation, &filter, (after, AT_ONCE)).await?;
        let Some(last) = page.last() else { return Ok((shown, None)) };
        after = Some(After::of(last));
        for found in wholes(tx, actor, page).await? {
            if rights::may_on_concern(actor.role, OnConcern::See, relation(actor, &reach, &found)).is_err() {
                continue;
            }
            if shown.len() == PAGE {
                let next = shown.last().map(|last| After::of(&last.concern));
                return Ok((shown, next));
            }
            shown.push(found);
        }
    }
}

/// What belongs to each of them, read at once.
async fn wholes(tx: &mut Tx, actor: &Actor, listed: Vec<Concern>) -> store::Result<Vec<Whole>> {
    let ids: Vec<_> = listed.iter().map(|concern| concern.id).collect();
    let mut discussions: BTreeMap<ConcernId, Vec<Discussion>> = BTreeMap::new();
    for (concern, discussion) in concerns::discussions(tx, actor.organisation, &ids).await? {
        discussions.entry(concern).or_default().push(discussion);
    }
    let mut actions: BTreeMap<ConcernId, Vec<Action>> = BTreeMap::new();
    for action in concerns::actions(tx, actor.organisation, &ids).await? {
        actions.entry(action.concern).or_default().push(action);
    }
    let whole = |concern: Concern| Whole {
        discussions: discussions.remove(&concern.id).unwrap_or_default(),
        actions: actions.remove(&concern.id).unwrap_or_default(),
        concern,
    };
    Ok(listed.into_iter().map(whole).collect())
}

/// The concern, held till the end of the use case, if they may do this.
async fn hold(tx: &mut Tx, actor: &Actor, id: ConcernId, what: OnConcern) -> Outcome<Whole> {
    let Some(concern) = concerns::load(tx, actor.organisation, id).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    let found = whole(tx, concern).await?;
    let reach = people::reach(tx, actor.organisation, actor.team).await?;
    allowed!(rights::may_on_concern(actor.role, what, relation(actor, &reach, &found)));
    Ok(Ok(found))
}

fn not_now(why: NotNow, concern: &Concern) -> Rejected {
    Rejected::Concern { why, state: concern.state.as_str() }
}

/// A manager discussed it with somebody: nobody is asked to any more, but each week what came of it. As often as it takes.
pub async fn discussed(
    tx: &mut Tx,
    actor: &Actor,
    id: ConcernId,
    (with, at, words): (&str, Option<Time>, &str),
    trace: Trace,
) -> Outcome<Whole> {
    let mut found = allowed!(hold(tx, actor, id, OnConcern::Discuss).await?);
    if let Err(why) = found.concern.may_be_discussed() {
        return Ok(Err(not_now(why, &found.concern)));
    }
    let directory = people::directory(tx, actor.organisation).await?;
    let somebody_else = |person: &&Person| !person.is_outside() && person.id != actor.person;
    let Some(with) = directory.named(with).filter(somebody_else) else {
        return Ok(Err(Rejected::NobodyToDiscussWith(with.to_owned())));
    };
    let discussion =
        Discussion { at: at.unwrap_or(trace.now), by: actor.person, with: with.id, words: words.to_owned() };
    concerns::add_discussion(tx, (actor.organisation, id), &discussion, trace.now).await?;
    let chase = Chase {
        about: id.0,
        kind: Missing::ConcernOpen,
        organisation_id: actor.organisation,
        person_id: actor.person,
        due_at: in_a_week(trace.now, directory.zone),
        asked: 0,
        visit_id: None,
    };
    chases::set_instead(tx, &chase).await?;
    let body = json!({"concern": id, "with": discussion.with});
    let event =
        NewEvent::new(EventKind::ConcernDiscussed, discussion.at, body).with_private(json!({"words": words}));
    log(tx, &found.concern, event, trace).await?;
    found.concern.state = ConcernState::Discussed;
    found.discussions.push(discussion);
    Ok(Ok(found))
}

/// Something is to be done about it: its owner is asked from that day on until it is done.
pub async fn set_action(
    tx: &mut Tx,
    actor: &Actor,
    id: ConcernId,
    (what, owner, due_on): (&str, &str, NaiveDate),
    trace: Trace,
) -> Outcome<Whole> {
    let mut found = allowed!(hold(tx, actor, id, OnConcern::SetAction).await?);
    if let Err(why) = found.concern.may_be_acted_on() {
        return Ok(Err(not_now(why, &found.concern)));
    }
    let directory = people::directory(tx, actor.organisation).await?;
    let Some(owner) = directory.named(owner).filter(|person| !person.is_outside()) else {
        return Ok(Err(Rejected::NobodyToDoIt(owner.to_owned())));
    };
    let action = Action {
        id: ConcernActionId::new(trace.now),
        organisation: actor.organisation,
        concern: id,
        what: what.to_owned(),
        owner: owner.id,
        due_on,
        set: (actor.person, trace.now),
        done: None,
    };
    concerns::add_action(tx, actor.organisation, &action).await?;
    let chase = Chase {
        about: action.id.0,
        kind: Missing::ConcernAction,
        organisation_id: actor.organisation,
        person_id: owner.id,
        due_at: local_time::at(due_on, ASKED_AT, directory.zone),
        asked: 0,
        visit_id: None,
    };
    chases::set(tx, &chase).await?;
    let body = json!({"concern": id, "action": action.id, "owner": action.owner, "due_on": due_on});
    let event =
        NewEvent::new(EventKind::ConcernActionSet, trace.now, body).with_private(json!({"what": what}));
    log(tx, &found.concern, event, trace).await?;
    found.actions.push(action);
    Ok(Ok(found))
}

/// It is done. Said again it changes nothing.
pub async fn finish_action(
    tx: &mut Tx,
    actor: &Actor,
    (concern, action): (ConcernId, ConcernActionId),
    note: &str,
    trace: Trace,
) -> Outcome<Whole> {
    let mut found = allowed!(hold(tx, actor, concern, OnConcern::FinishAction).await?);
    let Some(theirs) = found.actions.iter_mut().find(|known| known.id == action) else {
        return Ok(Err(Rejected::NotFound));
    };
    // One's own, or any of them as a manager; another owner's is not theirs to end.
    if theirs.owner != actor.person && !actor.role.manages() {
        return Ok(Err(Rejected::Role));
    }
    let done = Done { at: trace.now, by: actor.person, note: note.to_owned() };
    if !concerns::action_done(tx, actor.organisation, action, &done).await? {
        return Ok(Ok(found));
    }
    theirs.done = Some(done);
    chases::drop(tx, actor.organisation, action.0).await?;
    let body = json!({"concern": concern, "action": action});
    let event =
        NewEvent::new(EventKind::ConcernActionDone, trace.now, body).with_private(json!({"note": note}));
    log(tx, &found.concern, event, trace).await?;
    Ok(Ok(found))
}

/// A manager says what came of it.
pub async fn close(tx: &mut Tx, actor: &Actor, id: ConcernId, outcome: &str, trace: Trace) -> Outcome<Whole> {
    let mut found = allowed!(hold(tx, actor, id, OnConcern::Close).await?);
    if let Err(why) = found.concern.may_be_closed(&found.actions) {
        return Ok(Err(not_now(why, &found.concern)));
    }
    let closing = Closing { at: trace.now, by: actor.person, outcome: outcome.to_owned() };
    if !concerns::close(tx, actor.organisation, id, &closing).await? {
        return Err(store::Error::Conflict);
    }
    let about = found.concern.case_reference.as_deref();
    due::follow_reference(tx, actor.organisation, about, Cause::ConcernClosed, trace).await?;
    chases::drop(tx, actor.organisation, id.0).await?;
    let event = NewEvent::new(EventKind::ConcernClosed, trace.now, json!({"concern": id}))
        .with_private(json!({"outcome": outcome}));
    log(tx, &found.concern, event, trace).await?;
    found.concern.state = ConcernState::Closed;
    found.concern.closing = Some(closing);
    Ok(Ok(found))
}

async fn log(tx: &mut Tx, concern: &Concern, event: NewEvent, trace: Trace) -> store::Result<()> {
    let about = (Some(concern.team), Some(concern.worker));
    log_for_organisation(tx, concern.organisation, about, trace, event).await
}

/// Asks whoever was told to discuss it; from the third day those above them too.
pub(super) async fn ask_to_discuss(
    tx: &mut Tx,
    house: &House,
    directory: &Directory,
    chase: &Chase,
    trace: Trace,
) -> store::Result<()> {
    let found = concerns::find(tx, chase.organisation_id, ConcernId(chase.about)).await?;
    let Some(concern) = found.filter(|found| found.state == ConcernState::Raised) else {
        return chases::drop(tx, chase.organisation_id, chase.about).await;
    };
    let (raised_by, at) = concern.raised;
    let by = directory.name_of(raised_by).to_owned();
    let notice = |asked| Notice::ConcernDue { by: by.clone(), at, asked };
    let telling = Telling { house, directory, worker: raised_by, now: trace.now };
    let occasion = format!("concern/{}/{}", concern.id, trace.now.date_naive());
    // Who it is changes: somebody may have left since.
    let asked = to_be_told(directory, raised_by, concern.worker);
    for person in &asked {
        telling.tell_person(tx, *person, notice(Asked::Them), None, &occasion).await?;
    }
    if asked.is_empty() {
        return telling.tell_managers(tx, notice(Asked::Them), None, &occasion).await;
    }
    if chase.asked >= ASKED_ALONE {
        let mut told: BTreeSet<PersonId> = asked.iter().copied().chain([raised_by]).collect();
        for person in &asked {
            let name = Asked::TheirManager(directory.name_of(*person).to_owned());
            for above in directory.managers_for(*person) {
                if told.insert(above) {
                    telling.tell_person(tx, above, notice(name.clone()), None, &occasion).await?;
                }
            }
        }
    }
    Ok(())
}

/// Asks whoever discussed it last what came of it, or who answers for it where they have left; from the third time on those above them
/// too.
pub(super) async fn ask_to_close(
    tx: &mut Tx,
    house: &House,
    directory: &Directory,
    chase: &Chase,
    trace: Trace,
) -> store::Result<()> {
    let found = concerns::find(tx, chase.organisation_id, ConcernId(chase.about)).await?;
    let Some(concern) = found.filter(|found| found.state == ConcernState::Discussed) else {
        return chases::drop(tx, chase.organisation_id, chase.about).await;
    };
    let (raised_by, at) = concern.raised;
    let by = directory.name_of(raised_by).to_owned();
    let on = at.with_timezone(&directory.zone).date_naive();
    let notice = |asked| Notice::ConcernOpen { by: by.clone(), on, asked };
    let telling = Telling { house, directory, worker: raised_by, now: trace.now };
    let occasion = format!("concern/{}/open/{}", concern.id, trace.now.date_naive());
    let here = directory
        .person(chase.person_id)
        .is_some_and(|person| !person.left && person.role.is_some_and(Role::manages));
    let asked = if here { vec![chase.person_id] } else { to_be_told(directory, raised_by, concern.worker) };
    if asked.is_empty() {
        return telling.tell_managers(tx, notice(Asked::Them), None, &occasion).await;
    }
    for person in &asked {
        telling.tell_person(tx, *person, notice(Asked::Them), None, &occasion).await?;
        if chase.asked >= ASKED_ALONE {
            let name = Asked::TheirManager(directory.name_of(*person).to_owned());
            for above in directory.managers_for(*person) {
                if above != raised_by && !asked.contains(&above) {
                    telling.tell_person(tx, above, notice(name.clone()), None, &occasion).await?;
                }
            }
        }
    }
    Ok(())
}

/// Asks whoever has something to do about one; from the third day their manager too.
pub(super) async fn ask_to_act(
    tx: &mut Tx,
    house: &House,
    directory: &Directory,
    chase: &Chase,
    trace: Trace,
) -> store::Result<()> {
    let found = concerns::find_action(tx, chase.organisation_id, ConcernActionId(chase.about)).await?;
    let Some(action) = found.filter(|found| found.done.is_none()) else {
        return chases::drop(tx, chase.organisation_id, chase.about).await;
    };
    let notice = |asked| Notice::ConcernActionDue { due_on: action.due_on, asked };
    let telling = Telling { house, directory, worker: action.owner, now: trace.now };
    let occasion = format!("concern-action/{}/{}", action.id, trace.now.date_naive());
    telling.tell_person(tx, action.owner, notice(Asked::Them), None, &occasion).await?;
    if chase.asked >= ASKED_ALONE {
        let name = Asked::TheirManager(directory.name_of(action.owner).to_owned());
        for manager in directory.managers_for(action.owner) {
            telling.tell_person(tx, manager, notice(name.clone()), None, &occasion).await?;
        }
    }
    Ok(())
}
