//! Policy documents: added by those who answer for the organisation, acknowledged by each person themselves, asked for until they
//! are (row P1).

use std::{collections::BTreeSet, sync::Arc};

use chrono::{Days, NaiveDate};
use chrono_tz::Tz;
use serde_json::json;

use super::{
    House, Outcome, Rejected,
    access::Actor,
    allowed,
    chases::{ASKED_ALONE, ASKED_AT},
    telling::Telling,
};
use crate::{
    clock::Time,
    domain::{
        event::{EventKind, NewEvent},
        ids::{OrganisationId, PersonId, PolicyDocumentId, TeamId},
        local_time,
        notice::{Asked, Notice},
        people::{Directory, Person},
        policy_document::{
            Link, PolicyDocument, PolicyKind, StillToAcknowledge, Version, Whom, still_to_acknowledge,
        },
        rights::{self, Keep, Relation},
    },
    store::{
        self, Trace, Tx,
        chases::{self, Chase, Missing},
        events::log_for_organisation,
        people, policy_documents,
    },
};

/// What a version says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVersion {
    /// Where it can be read.
    pub link: Link,
    /// What is new in it; nothing: it is the first.
    pub changed: Option<String>,
    /// The last day on which it is acknowledged in time.
    pub due_on: NaiveDate,
}

/// A document to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDocument {
    /// The short name that people will call it by.
    pub key: String,
    /// Its title.
    pub title: String,
    /// What it is about.
    pub kind: PolicyKind,
    /// Who has to acknowledge it.
    pub whom: Whom,
    /// Its first version.
    pub first: NewVersion,
}

/// Adds a document. From the next morning on those whom it concerns hear of it.
pub async fn add(tx: &mut Tx, actor: &Actor, new: NewDocument, trace: Trace) -> Outcome<PolicyDocument> {
    allowed!(rights::may_keep(actor.role, Keep::AddDocument, Relation::default()));
    allowed!(still_to_come(new.first.due_on, actor.zone, trace.now));
    let NewDocument { key, title, kind, whom, first } = new;
    let document = PolicyDocument {
        id: PolicyDocumentId::new(trace.now),
        organisation: actor.organisation,
        key,
        title,
        kind,
        whom,
        versions: vec![first.numbered(1, actor, trace)],
    };
    if !policy_documents::add(tx, actor.organisation, &document).await? {
        let why = format!("there is a policy with the key “{}” already: add a version to it", document.key);
        return Ok(Err(Rejected::Field { field: "key", why }));
    }
    let roles = match &document.whom {
        Whom::Everyone => None,
        Whom::Roles(roles) => Some(roles),
    };
    let about = json!({"key": document.key, "title": document.title, "kind": kind, "roles": roles});
    version_added(tx, (&document, EventKind::PolicyAdded), about, actor.zone, trace).await?;
    Ok(Ok(document))
}

/// Adds a version, which is in force from now on: everybody acknowledges it anew.
pub async fn add_version(
    tx: &mut Tx,
    actor: &Actor,
    named: &str,
    new: NewVersion,
    trace: Trace,
) -> Outcome<PolicyDocument> {
    allowed!(rights::may_keep(actor.role, Keep::AddDocument, Relation::default()));
    let Some(mut document) = find(tx, actor, named).await? else { return Ok(Err(Rejected::NotFound)) };
    allowed!(still_to_come(new.due_on, actor.zone, trace.now));
    let number = document.in_force().map_or(0, |version| version.number) + 1;
    let version = new.numbered(number, actor, trace);
    policy_documents::add_version(tx, actor.organisation, document.id, &version).await?;
    document.versions.push(version);
    version_added(tx, (&document, EventKind::PolicyVersionAdded), json!({}), actor.zone, trace).await?;
    Ok(Ok(document))
}

impl NewVersion {
    fn numbered(self, number: i32, actor: &Actor, trace: Trace) -> Version {
        let Self { link, changed, due_on } = self;
        Version { number, link, changed, due_on, added: (actor.person, trace.now) }
    }
}

fn still_to_come(due_on: NaiveDate, zone: Tz, now: Time) -> Result<(), Rejected> {
    let today = now.with_timezone(&zone).date_naive();
    let why = || "this day is over: nobody could be in time".to_owned();
    if due_on >= today { Ok(()) } else { Err(Rejected::Field { field: "due_on", why: why() }) }
}

async fn version_added(
    tx: &mut Tx,
    (document, kind): (&PolicyDocument, EventKind),
    mut body: serde_json::Value,
    zone: Tz,
    trace: Trace,
) -> store::Result<()> {
    let Some(version) = document.in_force() else { return Ok(()) };
    let due_at = local_time::next_at(ASKED_AT, trace.now, zone);
    chases::ask_everybody(tx, document.organisation, Missing::PolicyDocument, due_at).await?;
    body["policy"] = json!(document.id);
    body["version"] = json!(version.number);
    body["link"] = json!(version.link);
    body["due_on"] = json!(version.due_on);
    let mut event = NewEvent::new(kind, trace.now, body);
    if let Some(changed) = &version.changed {
        event = event.with_private(json!({"changed": changed}));
    }
    log_for_organisation(tx, document.organisation, (None, None), trace, event).await
}

/// The document that somebody means: by id, or by key.
pub async fn find(tx: &mut Tx, actor: &Actor, named: &str) -> store::Result<Option<PolicyDocument>> {
    let all = policy_documents::all(tx, actor.organisation).await?;
    Ok(all.into_iter().find(|document| document.key == named || document.id.to_string() == named))
}

/// What somebody has acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Which document.
    pub document: PolicyDocument,
    /// Which version.
    pub version: i32,
    /// When, the first time.
    pub at: Time,
}

/// Somebody has read the version in force and says so. Said again it changes nothing.
pub async fn acknowledge(
    tx: &mut Tx,
    actor: &Actor,
    named: &str,
    number: i32,
    trace: Trace,
) -> Outcome<Acknowledgement> {
    let Some(document) = find(tx, actor, named).await? else { return Ok(Err(Rejected::NotFound)) };
    let Some(current) = document.in_force().map(|version| version.number) else {
        return Ok(Err(Rejected::NotFound));
    };
    if !(1..=current).contains(&number) {
        let why = format!("there is no version {number}: the one in force is {current}");
        return Ok(Err(Rejected::Field { field: "version", why }));
    }
    if number < current {
        return Ok(Err(Rejected::OldPolicyVersion { current }));
    }
    let what = (actor.person, document.id, number);
    let new = policy_documents::acknowledge(tx, actor.organisation, what, trace.now).await?;
    let all = policy_documents::by_person(tx, actor.organisation, actor.person).await?;
    let at = all.iter().find(|(id, of, _)| (*id, *of) == (document.id, number)).map_or(trace.now, |it| it.2);
    if new {
        ask_no_more(tx, actor, trace).await?;
        let body = json!({"policy": document.id, "version": number});
        let event = NewEvent::new(EventKind::PolicyAcknowledged, trace.now, body);
        let about = (Some(actor.team), Some(actor.person));
        log_for_organisation(tx, actor.organisation, about, trace, event).await?;
    }
    Ok(Ok(Acknowledgement { document, version: number, at }))
}

/// Whoever has acknowledged all is not asked any more; whoever has time left is not asked till then.
async fn ask_no_more(tx: &mut Tx, actor: &Actor, trace: Trace) -> store::Result<()> {
    let documents = policy_documents::all(tx, actor.organisation).await?;
    let acknowledged = policy_documents::acknowledged_by(tx, actor.organisation, actor.person).await?;
    let open = still_to_acknowledge(&documents, Some(actor.role), &acknowledged, trace.now);
    let today = trace.now.with_timezone(&actor.zone).date_naive();
    match first_day(&open) {
        None => chases::drop(tx, actor.organisation, actor.person.0).await,
        Some(first) if first < today => Ok(()),
        Some(first) => {
            let due_at = day_after(first, actor.zone);
            chases::begin_anew(tx, actor.organisation, actor.person.0, due_at).await
        }
    }
}

fn first_day(open: &[StillToAcknowledge<'_>]) -> Option<NaiveDate> {
    open.iter().map(|open| open.by).min()
}

/// When somebody is asked who let that day pass.
fn day_after(day: NaiveDate, zone: Tz) -> Time {
    local_time::at(day.checked_add_days(Days::new(1)).unwrap_or(day), ASKED_AT, zone)
}

/// Somebody who has not acknowledged what is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HasNot {
    /// Who.
    pub person: PersonId,
    /// Of which team.
    pub team: TeamId,
    /// The last version that they have acknowledged.
    pub last: Option<i32>,
    /// The last day on which they were, or will be, in time.
    pub by: NaiveDate,
}

/// Who has and who has not.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Of which document.
    pub document: PolicyDocument,
    /// Everybody.
    pub directory: Arc<Directory>,
    /// Who has not, by name.
    pub missing: Vec<HasNot>,
    /// How many it concerns, of those whom the reader may see.
    pub concerned: usize,
}

/// Says who has not acknowledged what is in force, of those in the reader's reach.
pub async fn missing(tx: &mut Tx, actor: &Actor, named: &str, now: Time) -> Outcome<Standing> {
    let somewhere = Relation { in_reach: true, ..Relation::default() };
    allowed!(rights::may_keep(actor.role, Keep::SeeWhoHasNot, somewhere));
    let Some(document) = find(tx, actor, named).await? else { return Ok(Err(Rejected::NotFound)) };
    let directory = people::directory(tx, actor.organisation).await?;
    let reach: BTreeSet<TeamId> =
        people::reach(tx, actor.organisation, actor.team).await?.into_iter().collect();
    let acknowledged = policy_documents::of_document(tx, actor.organisation, document.id).await?;
    let may_see = |person: &&Person| {
        let relation = Relation { in_reach: reach.contains(&person.team), ..Relation::default() };
        rights::may_keep(actor.role, Keep::SeeWhoHasNot, relation).is_ok()
    };
    let concerns = |person: &&Person| !person.left && document.whom.means(person.role);
    let mut concerned: Vec<&Person> = directory.people.values().filter(concerns).filter(may_see).collect();
    concerned.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
    let documents = std::slice::from_ref(&document);
    let has_not = |person: &&Person| {
        let last = acknowledged.get(&person.id).copied();
        let acknowledged = last.map(|last| (document.id, last)).into_iter().collect();
        let open = still_to_acknowledge(documents, person.role, &acknowledged, now);
        Some(HasNot { person: person.id, team: person.team, last, by: first_day(&open)? })
    };
    let missing = concerned.iter().filter_map(has_not).collect();
    let concerned = concerned.len();
    Ok(Ok(Standing { document, directory, missing, concerned }))
}

/// After an organisation's file was applied: whoever came, or came into another role, hears of what they have not acknowledged.
pub(super) async fn follow_people(tx: &mut Tx, directory: &Directory, now: Time) -> store::Result<()> {
    if policy_documents::all(tx, directory.organisation).await?.is_empty() {
        return Ok(());
    }
    let due_at = local_time::next_at(ASKED_AT, now, directory.zone);
    chases::ask_whoever_has_not(tx, directory.organisation, due_at).await
}

/// Each person gets one text for all that they have not acknowledged in time, and hears once of what is new.
pub(super) async fn ask(
    tx: &mut Tx,
    house: &House,
    directory: &Directory,
    due: &[&Chase],
    trace: Trace,
) -> store::Result<()> {
    if due.is_empty() {
        return Ok(());
    }
    let organisation = directory.organisation;
    let documents = policy_documents::all(tx, organisation).await?;
    let mut asked = Vec::new();
    for chase in due {
        let person = directory.person(chase.person_id).filter(|person| !person.left);
        let acknowledged = policy_documents::acknowledged_by(tx, organisation, chase.person_id).await?;
        let role = person.and_then(|person| person.role);
        let open = still_to_acknowledge(&documents, role, &acknowledged, trace.now);
        let Some((person, first)) = person.zip(first_day(&open)) else {
            chases::drop(tx, organisation, chase.about).await?;
            continue;
        };
        let today = trace.now.with_timezone(&directory.zone).date_naive();
        let (late, in_time): (Vec<_>, Vec<_>) = open.into_iter().partition(|open| open.is_late(today));
        let telling = Telling { house, directory, worker: person.id, now: trace.now };
        tell_of_new(tx, telling, &in_time).await?;
        if late.is_empty() {
            chases::begin_anew(tx, organisation, chase.about, day_after(first, directory.zone)).await?;
            continue;
        }
        ask_for_late(tx, telling, (&late, first), chase).await?;
        let which: Vec<_> = late.iter().map(|late| late.document.id).collect();
        let body = json!({"person": person.id, "policies": which, "times": chase.asked + 1});
        asked.push((person, NewEvent::new(EventKind::PolicyAsked, trace.now, body)));
    }
    for (person, event) in asked {
        log_for_organisation(tx, organisation, (Some(person.team), Some(person.id)), trace, event).await?;
    }
    Ok(())
}

/// Of one version somebody hears once: the occasion is the same each time.
async fn tell_of_new(
    tx: &mut Tx,
    telling: Telling<'_>,
    open: &[StillToAcknowledge<'_>],
) -> store::Result<()> {
    let Some(by) = first_day(open) else { return Ok(()) };
    let versions: Vec<_> =
        open.iter().map(|open| format!("{}/{}", open.document.id, open.version.number)).collect();
    let occasion = format!("policies/{}", versions.join("/"));
    let notice = Notice::PolicyToAcknowledge { titles: titles(open), by };
    telling.tell_person(tx, telling.worker, notice, None, &occasion).await
}

async fn ask_for_late(
    tx: &mut Tx,
    telling: Telling<'_>,
    (late, by): (&[StillToAcknowledge<'_>], NaiveDate),
    chase: &Chase,
) -> store::Result<()> {
    let occasion = format!("policies-late/{}/{}", telling.worker, telling.now.date_naive());
    let notice = |asked| Notice::PolicyLate { titles: titles(late), by, asked };
    telling.tell_person(tx, telling.worker, notice(Asked::Them), None, &occasion).await?;
    if chase.asked >= ASKED_ALONE {
        let name = telling.directory.name_of(telling.worker).to_owned();
        for manager in telling.directory.who_has_to_know(telling.worker) {
            let asked = Asked::TheirManager(name.clone());
            telling.tell_person(tx, manager, notice(asked), None, &occasion).await?;
        }
    }
    Ok(())
}

fn titles(open: &[StillToAcknowledge<'_>]) -> Vec<String> {
    open.iter().map(|open| open.document.title.clone()).collect()
}

/// What somebody sees of all documents.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Every document.
    pub documents: Vec<PolicyDocument>,
    /// What they have acknowledged, and when.
    pub acknowledged: Vec<(PolicyDocumentId, i32, Time)>,
}

/// Every document, with what the reader has acknowledged.
pub async fn list(tx: &mut Tx, actor: &Actor) -> store::Result<Seen> {
    let organisation: OrganisationId = actor.organisation;
    let documents = policy_documents::all(tx, organisation).await?;
    let acknowledged = policy_documents::by_person(tx, organisation, actor.person).await?;
    Ok(Seen { documents, acknowledged })
}
