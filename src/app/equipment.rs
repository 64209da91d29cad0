//! What workers take along: lent, given back, tested, asked for (row P3).

use std::{collections::HashSet, sync::Arc};

use chrono::NaiveDate;
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
        contact::Phone,
        equipment::{Equipment, EquipmentKind, Loan, Registration, Retired, RetiredBecause, TestResult},
        event::{EventKind, NewEvent, stamp},
        ids::{EquipmentId, PersonId, TeamId},
        local_time,
        notice::{Asked, Notice},
        people::{Directory, Person},
        rights::{self, Keep, Relation},
    },
    keys::Token,
    store::{
        self, Trace, Tx,
        chases::{self, Chase, Missing},
        equipment,
        events::log_for_organisation,
        people,
    },
};

/// Something to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEquipment {
    /// Of which team, by id or key; of the actor's own if not said.
    pub team: Option<String>,
    /// The short name that people will call it by.
    pub key: String,
    /// What stands on it.
    pub label: String,
    /// What it is.
    pub kind: EquipmentKind,
    /// Of a car.
    pub registration: Option<Registration>,
    /// Of a phone, or of a device that has one.
    pub number: Option<Phone>,
    /// When a device was tested last, and worked.
    pub tested_on: Option<NaiveDate>,
}

impl NewEquipment {
    /// What a thing of this kind has to have, or cannot have.
    fn complaint(&self, today: NaiveDate) -> Option<(&'static str, &'static str)> {
        let Self { kind, registration, number, tested_on, .. } = self;
        match (registration, number) {
            (None, _) if kind.is_car() => return Some(("registration", "say which car it is, as AB12 CDE")),
            (Some(_), _) if !kind.is_car() => return Some(("registration", "only a car has one")),
            (_, None) if *kind == EquipmentKind::Phone => return Some(("number", "say which phone it is")),
            (_, Some(_)) if *kind != EquipmentKind::Phone && !kind.is_device() => {
                return Some(("number", "only a phone or a device has one"));
            }
            _ => {}
        }
        match tested_on {
            Some(_) if !kind.is_device() => Some(("tested_on", "only a device is tested")),
            Some(on) if *on > today => Some(("tested_on", NOT_YET)),
            _ => None,
        }
    }
}

const NOT_YET: &str = "this day is still to come";

fn wrong(field: &'static str, why: impl Into<String>) -> Rejected {
    Rejected::Field { field, why: why.into() }
}

fn relation(actor: &Actor, reach: &HashSet<TeamId>, item: &Equipment) -> Relation {
    let own = item.loan.is_some_and(|loan| loan.holder == actor.person);
    Relation { own, in_reach: reach.contains(&item.team), ..Relation::default() }
}

/// Adds one.
pub async fn add(tx: &mut Tx, actor: &Actor, new: NewEquipment, trace: Trace) -> Outcome<Equipment> {
    let directory = people::directory(tx, actor.organisation).await?;
    let team = match &new.team {
        None => actor.team,
        Some(named) => match directory.team_named(named) {
            Some(team) => team.id,
            None => return Ok(Err(Rejected::NoSuchTeam(named.clone()))),
        },
    };
    let near = Relation { in_reach: actor.reaches(tx, team).await?, ..Relation::default() };
    // That a team is there everybody knows.
    if rights::may_keep(actor.role, Keep::SetItemUp, near).is_err() {
        return Ok(Err(Rejected::Role));
    }
    let today = trace.now.with_timezone(&directory.zone).date_naive();
    if let Some((which, why)) = new.complaint(today) {
        return Ok(Err(wrong(which, why)));
    }
    let NewEquipment { key, label, kind, registration, number, tested_on, .. } = new;
    let item = Equipment {
        id: EquipmentId::new(trace.now),
        organisation: actor.organisation,
        team,
        key,
        label,
        kind,
        registration,
        phone: number,
        loan: None,
        last_holder: None,
        tested: tested_on.map(|on| (on, TestResult::Works)),
        retired: None,
    };
    if !equipment::add(tx, actor.organisation, &item).await? {
        let has_key = equipment::id_of_key(tx, actor.organisation, &item.key).await?.is_some();
        return Ok(Err(if has_key {
            wrong("key", format!("there is a “{}” already", item.key))
        } else {
            wrong("number", "another phone has this number: a number has one holder at a time")
        }));
    }
    let body = json!({"kind": kind, "key": item.key, "tested_on": tested_on});
    log(tx, &item, (EventKind::EquipmentAdded, None), body, trace).await?;
    Ok(Ok(item))
}

/// Finds one by id or key, locked, for somebody who may do this to it.
async fn hold(tx: &mut Tx, actor: &Actor, named: &str, what: Keep) -> Outcome<Equipment> {
    let id = match named.parse() {
        Ok(id) => Some(EquipmentId(id)),
        Err(_) => equipment::id_of_key(tx, actor.organisation, named).await?,
    };
    let Some(id) = id else { return Ok(Err(Rejected::NotFound)) };
    let Some(item) = equipment::load(tx, actor.organisation, id).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    let relation = relation(actor, &actor.reach(tx).await?, &item);
    allowed!(rights::may_keep(actor.role, what, relation));
    Ok(Ok(item))
}

/// The same, of one that is in use.
async fn hold_in_use(tx: &mut Tx, actor: &Actor, named: &str, what: Keep) -> Outcome<Equipment> {
    let item = allowed!(hold(tx, actor, named, what).await?);
    match &item.retired {
        Some(retired) => Ok(Err(Rejected::Retired(retired.because.as_str()))),
        None => Ok(Ok(item)),
    }
}

/// Lends it to somebody, or lets whoever has it keep it till another time.
pub async fn lend(
    tx: &mut Tx,
    actor: &Actor,
    named: &str,
    (to, due_back): (&str, Option<Time>),
    trace: Trace,
) -> Outcome<Equipment> {
    let mut item = allowed!(hold_in_use(tx, actor, named, Keep::LendItem).await?);
    let directory = people::directory(tx, actor.organisation).await?;
    let Some(holder) = directory.named(to).filter(|person| !person.is_outside()) else {
        return Ok(Err(wrong("to", format!("“{to}” is nobody with an account in this organisation"))));
    };
    if due_back.is_some_and(|due| due <= trace.now) {
        return Ok(Err(wrong("due_back", "this is over: say when it comes back, or nothing")));
    }
    if item.phone.as_ref().is_some_and(|number| is_anothers(&directory, number, holder.id)) {
        let why = "its number is somebody else's in this organisation: a number has one holder at a time";
        return Ok(Err(wrong("to", why)));
    }
    let since = match item.loan {
        Some(loan) if loan.holder != holder.id => {
            return Ok(Err(Rejected::OutWith(directory.name_of(loan.holder).to_owned())));
        }
        Some(loan) if loan.due_back == due_back => return Ok(Ok(item)),
        Some(loan) => loan.since,
        None => trace.now,
    };
    let loan = Loan { holder: holder.id, since, due_back };
    item.loan = Some(loan);
    equipment::set_loan(tx, actor.organisation, item.id, item.loan, item.last_holder).await?;
    chases::drop(tx, actor.organisation, item.id.0).await?;
    if let Some(due) = due_back {
        ask_from(tx, &directory, (&item, loan), due).await?;
    }
    let body = json!({"to": holder.id, "due_back": due_back.map(stamp)});
    log(tx, &item, (EventKind::EquipmentLent, Some(holder.id)), body, trace).await?;
    Ok(Ok(item))
}

/// Whether a number stands in the organisation's file as that of somebody else with an account who is here.
fn is_anothers(directory: &Directory, number: &Phone, holder: PersonId) -> bool {
    let has_it =
        |person: &Person| person.phone.as_ref() == Some(number) && person.id != holder && !person.left;
    directory.people.values().any(has_it)
}

async fn ask_from(
    tx: &mut Tx,
    directory: &Directory,
    (item, loan): (&Equipment, Loan),
    due: Time,
) -> store::Result<()> {
    let chase = Chase {
        about: item.id.0,
        kind: Missing::Equipment,
        organisation_id: item.organisation,
        person_id: loan.holder,
        due_at: local_time::next_at(ASKED_AT, due, directory.zone),
        asked: 0,
        visit_id: None,
    };
    chases::set(tx, &chase).await
}

/// It is back. Said again it changes nothing.
pub async fn give_back(tx: &mut Tx, actor: &Actor, named: &str, trace: Trace) -> Outcome<Equipment> {
    let mut item = allowed!(hold(tx, actor, named, Keep::LendItem).await?);
    let Some(loan) = item.loan.take() else { return Ok(Ok(item)) };
    item.last_holder = Some(loan.holder);
    equipment::set_loan(tx, actor.organisation, item.id, None, item.last_holder).await?;
    chases::drop(tx, actor.organisation, item.id.0).await?;
    let body = json!({"from": loan.holder, "late": loan.is_overdue(trace.now)});
    log(tx, &item, (EventKind::EquipmentReturned, Some(loan.holder)), body, trace).await?;
    Ok(Ok(item))
}

/// It is in use no more: nobody gets it, it is asked for, flagged and shown to responders no more, and its number is free for another.
/// Its address is revoked, which refuses no call for help. Said again it changes nothing.
pub async fn retire(
    tx: &mut Tx,
    actor: &Actor,
    named: &str,
    (because, words): (RetiredBecause, Option<String>),
    trace: Trace,
) -> Outcome<Equipment> {
    let mut item = allowed!(hold(tx, actor, named, Keep::SetItemUp).await?);
    if item.retired.is_some() {
        return Ok(Ok(item));
    }
    let retired = Retired { at: trace.now, by: actor.person, because, words };
    equipment::retire(tx, actor.organisation, item.id, &retired).await?;
    chases::drop(tx, actor.organisation, item.id.0).await?;
    let had_url = equipment::revoke_url(tx, actor.organisation, item.id, trace.now).await?;
    let holder = item.loan.map(|loan| loan.holder);
    let body = json!({"equipment": item.id, "because": because, "out_with": holder, "url_revoked": had_url});
    let event =
        NewEvent::new(EventKind::EquipmentRetired, trace.now, body).with_words(retired.words.as_deref());
    log_for_organisation(tx, item.organisation, (Some(item.team), holder), trace, event).await?;
    item.retired = Some(retired);
    Ok(Ok(item))
}

/// What came of a test, and in which words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// When.
    pub on: NaiveDate,
    /// What came of it.
    pub result: TestResult,
    /// In words.
    pub words: Option<String>,
}

/// It was tested. A test from before the last one is kept in the log alone.
pub async fn test(tx: &mut Tx, actor: &Actor, named: &str, test: Test, trace: Trace) -> Outcome<Equipment> {
    let mut item = allowed!(hold_in_use(tx, actor, named, Keep::TestItem).await?);
    if test.on > trace.now.with_timezone(&actor.zone).date_naive() {
        return Ok(Err(wrong("on", NOT_YET)));
    }
    if item.tested.is_none_or(|(last, _)| test.on >= last) {
        item.tested = Some((test.on, test.result));
        equipment::set_tested(tx, actor.organisation, item.id, (test.on, test.result)).await?;
    }
    let body = json!({"equipment": item.id, "on": test.on, "result": test.result});
    let event = NewEvent::new(EventKind::EquipmentTested, trace.now, body).with_words(test.words.as_deref());
    let about = (Some(item.team), None);
    log_for_organisation(tx, item.organisation, about, trace, event).await?;
    Ok(Ok(item))
}

/// Gives a device an address of its own; its text is shown once and not kept. The one before is revoked.
pub async fn issue_url(tx: &mut Tx, actor: &Actor, named: &str, trace: Trace) -> Outcome<Token> {
    let item = allowed!(hold_in_use(tx, actor, named, Keep::SetItemUp).await?);
    if !item.kind.is_device() && item.kind != EquipmentKind::Phone {
        return Ok(Err(wrong("kind", "only a device or a phone has an address of its own")));
    }
    let secret = Token::generate().map_err(|error| store::Error::Unavailable(error.to_string().into()))?;
    let hash = Token::hash(secret.as_str());
    equipment::issue_url(tx, actor.organisation, item.id, &hash, (actor.person, trace.now)).await?;
    log(tx, &item, (EventKind::DeviceUrlIssued, None), json!({}), trace).await?;
    Ok(Ok(secret))
}

/// Revokes that address. A call for help by it is still heard.
pub async fn revoke_url(tx: &mut Tx, actor: &Actor, named: &str, trace: Trace) -> Outcome<()> {
    let item = allowed!(hold(tx, actor, named, Keep::SetItemUp).await?);
    if equipment::revoke_url(tx, actor.organisation, item.id, trace.now).await? {
        log(tx, &item, (EventKind::DeviceUrlRevoked, None), json!({}), trace).await?;
    }
    Ok(Ok(()))
}

async fn log(
    tx: &mut Tx,
    item: &Equipment,
    (kind, whom): (EventKind, Option<PersonId>),
    mut body: serde_json::Value,
    trace: Trace,
) -> store::Result<()> {
    body["equipment"] = json!(item.id);
    let event = NewEvent::new(kind, trace.now, body);
    log_for_organisation(tx, item.organisation, (Some(item.team), whom), trace, event).await
}

/// What somebody sees of all that there is.
#[derive(Debug, Clone)]
pub struct Seen {
    /// By its key.
    pub items: Vec<Equipment>,
    /// Which of them have an address of their own.
    pub with_url: HashSet<EquipmentId>,
    /// Everybody.
    pub directory: Arc<Directory>,
}

/// What a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// What is in use.
    InUse,
    /// What is not any more.
    Retired,
}

/// What there is, of the teams in the reader's reach, and what they hold themselves; of one team and those below it, if it is said.
pub async fn list(tx: &mut Tx, actor: &Actor, team: Option<&str>, which: Which) -> Outcome<Seen> {
    let directory = people::directory(tx, actor.organisation).await?;
    let of: Option<Vec<TeamId>> = match team {
        None => None,
        Some(named) => match directory.team_named(named) {
            Some(team) => Some(people::reach(tx, actor.organisation, team.id).await?),
            None => return Ok(Err(Rejected::NoSuchTeam(named.to_owned()))),
        },
    };
    let reach = actor.reach(tx).await?;
    let mut items = Vec::new();
    for item in equipment::list(tx, actor.organisation).await? {
        if item.retired.is_some() != (which == Which::Retired) {
            continue;
        }
        let is_asked_for = of.as_ref().is_none_or(|teams| teams.contains(&item.team));
        let sees = rights::may_keep(actor.role, Keep::SeeItem, relation(actor, &reach, &item)).is_ok();
        if is_asked_for && sees {
            items.push(item);
        }
    }
    let with_url = equipment::with_url(tx, actor.organisation).await?;
    Ok(Ok(Seen { items, with_url, directory }))
}

/// Each is asked for what is not back, their manager too from the third day on, or at once where they have left.
pub(super) async fn ask_back(
    tx: &mut Tx,
    house: &House,
    directory: &Directory,
    due: &[&Chase],
    trace: Trace,
) -> store::Result<()> {
    let organisation = directory.organisation;
    let mut asked = Vec::new();
    for chase in due {
        let item = equipment::load(tx, organisation, EquipmentId(chase.about)).await?;
        let late = item.filter(|item| item.retired.is_none()).and_then(|item| {
            let loan = item.loan.filter(|loan| loan.is_overdue(trace.now))?;
            Some((loan, loan.due_back?, item))
        });
        let Some((loan, due_back, item)) = late else {
            chases::drop(tx, organisation, chase.about).await?;
            continue;
        };
        let telling = Telling { house, directory, worker: loan.holder, now: trace.now };
        let notice = |asked| Notice::EquipmentLate { what: item.called(), due_back, asked };
        let occasion = format!("equipment/{}/{}", item.id, trace.now.date_naive());
        telling.tell_person(tx, loan.holder, notice(Asked::Them), None, &occasion).await?;
        let has_left = directory.person(loan.holder).is_none_or(|person| person.left);
        if chase.asked >= ASKED_ALONE || has_left {
            let asked = Asked::TheirManager(directory.name_of(loan.holder).to_owned());
            for manager in directory.who_has_to_know(loan.holder) {
                telling.tell_person(tx, manager, notice(asked.clone()), None, &occasion).await?;
            }
        }
        asked.push((item, loan.holder, chase.asked + 1));
    }
    for (item, holder, times) in asked {
        log(tx, &item, (EventKind::EquipmentAsked, Some(holder)), json!({"times": times}), trace).await?;
    }
    Ok(())
}
