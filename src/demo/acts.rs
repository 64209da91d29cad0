//! What the phones of the page can do: each press is a use case, by that person, through the door `demo`.

use std::sync::Arc;

use chrono::TimeDelta;
use serde::Deserialize;

use super::{
    FIRST_VISIT, VISIT,
    feed::{From, time_of_day},
    minutes,
    pages::Stage,
};
use crate::{
    app::{
        Rejected,
        access::Actor,
        incidents::{self as incident_cases, Close, Deed, OutsideAnswer},
        visits::{self as visit_cases, Done, ForWhom, Request},
    },
    clock::Time,
    domain::{
        command::Plan,
        event::Door,
        ids::{PersonId, VisitId},
        incident::{Holder, Incident, IncidentState, Outcome, WorkerNow},
        people::{Directory, Person},
        start::{Departure, Start},
        visit::{Act, Details, ExtendTo, KnownBy, Record, Visiting},
        wording::{English, Wording},
    },
    store::{self, Lane, Trace, people},
};

/// A press of a button.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Pressed {
    /// On whose phone, by key.
    person: String,
    #[serde(flatten)]
    wanted: Wanted,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
enum Wanted {
    Start,
    Fine { visit: VisitId, pin: String },
    More { visit: VisitId, pin: String },
    Out { visit: VisitId, pin: String },
    Acknowledge { code: String },
    Close { code: String, outcome: Outcome, known_by: KnownBy, worker_now: WorkerNow, note: String },
}

/// Somebody with an account, as who they act.
pub(super) fn actor(directory: &Directory, key: &str) -> Option<Actor> {
    directory.people.values().find(|person| person.key == key).and_then(|person| account(directory, person))
}

fn account(directory: &Directory, person: &Person) -> Option<Actor> {
    Some(Actor {
        organisation: directory.organisation,
        person: person.id,
        team: person.team,
        role: person.role?,
        name: person.name.clone(),
        zone: directory.zone,
    })
}

/// Ann goes in, so that there is something to see.
pub(super) async fn first_visit(stage: &Stage) -> store::Result<()> {
    let directory = people::directory(&mut stage.site.db.read().await?, stage.organisation).await?;
    if let Some(ann) = actor(&directory, "ann") {
        let length = minutes(FIRST_VISIT, stage.speed);
        let now = stage.site.clock.now();
        let answer = start(stage, ann.clone(), length, now).await?;
        show(stage, &directory, ann.person, (format!("In: {}", place(&ann)), answer), now).await;
    }
    Ok(())
}

/// Does what was pressed, and shows it with its answer on the phone. False: there is no such phone.
pub(super) async fn press(stage: &Stage, pressed: Pressed) -> store::Result<bool> {
    let directory = people::directory(&mut stage.site.db.read().await?, stage.organisation).await?;
    let Some(person) = directory.people.values().find(|person| person.key == pressed.person) else {
        return Ok(false);
    };
    let now = stage.site.clock.now();
    let said = said(&pressed.wanted, &directory, person);
    let answer = match (account(&directory, person), pressed.wanted) {
        (Some(actor), wanted) => by_account(stage, &directory, actor, wanted, now).await?,
        (None, Wanted::Acknowledge { code }) => trying(stage, &directory, person.id, &code, now).await?,
        (None, _) => Rejected::Role.to_string(),
    };
    show(stage, &directory, person.id, (said, answer), now).await;
    Ok(true)
}

async fn show(
    stage: &Stage,
    directory: &Directory,
    person: PersonId,
    (said, answer): (String, String),
    at: Time,
) {
    let mut feed = stage.feed.lock().await;
    feed.bubble(person, From::Me, said, at, directory);
    feed.bubble(person, From::Answer, answer, at, directory);
}

fn said(wanted: &Wanted, directory: &Directory, person: &Person) -> String {
    match wanted {
        Wanted::Start => {
            account(directory, person).map_or_else(String::new, |actor| format!("In: {}", place(&actor)))
        }
        // A PIN is shown nowhere, not even here.
        Wanted::Fine { .. } => "I'm fine, PIN ••••".into(),
        Wanted::More { .. } => "More time, PIN ••••".into(),
        Wanted::Out { .. } => "Out, PIN ••••".into(),
        Wanted::Acknowledge { code } => format!("ACK {code}"),
        Wanted::Close { code, outcome, note, .. } => {
            format!("Close {code}: {}. {note}", outcome.as_str().replace('_', " "))
        }
    }
}

/// Where a worker goes.
fn place(actor: &Actor) -> &'static str {
    if actor.name.starts_with("Ann") { "12 High Street" } else { "4 Mill Lane" }
}

async fn by_account(
    stage: &Stage,
    directory: &Directory,
    actor: Actor,
    wanted: Wanted,
    now: Time,
) -> store::Result<String> {
    match wanted {
        Wanted::Start => start(stage, actor, minutes(VISIT, stage.speed), now).await,
        Wanted::Fine { visit, pin } => act(stage, actor, visit, (Act::CheckIn, &pin), now).await,
        Wanted::More { visit, pin } => {
            let more = Act::Extend(ExtendTo::For(minutes(10, stage.speed)));
            act(stage, actor, visit, (more, &pin), now).await
        }
        Wanted::Out { visit, pin } => {
            let out = Act::CheckOut(Record::default());
            act(stage, actor, visit, (out, &pin), now).await
        }
        Wanted::Acknowledge { code } => acknowledge(stage, directory, actor, code, now).await,
        Wanted::Close { note, .. } if note.trim().is_empty() => {
            Ok("Not closed: say in the note what happened.".into())
        }
        Wanted::Close { code, outcome, known_by, worker_now, note } => {
            let close = Close { outcome, known_by, worker_now, note };
            close_it(stage, directory, actor, code, close, now).await
        }
    }
}

async fn start(stage: &Stage, actor: Actor, length: TimeDelta, now: Time) -> store::Result<String> {
    let details = Details {
        purpose: Some("Home visit".into()),
        place: Some(place(&actor).into()),
        visiting: Some(Visiting::Supervised),
        ..Details::default()
    };
    let start = Start {
        details,
        expected_arrival: None,
        departure: Departure::After(length),
        made_at: None,
        plan: Plan::AsDescribed,
    };
    let (house, trace, by) = (Arc::clone(&stage.site.house), trace(actor.person, now), actor.clone());
    let id = VisitId::new(now);
    let case = async move |tx: &mut _| {
        visit_cases::start(tx, &house, &by, &ForWhom::Self_, start.clone(), id, trace).await
    };
    Ok(believed(stage.site.db.write(case).await?, &actor, now))
}

async fn act(
    stage: &Stage,
    actor: Actor,
    visit: VisitId,
    (act, pin): (Act, &str),
    now: Time,
) -> store::Result<String> {
    let pin = (!pin.trim().is_empty()).then(|| stage.site.key.pin(actor.person, pin));
    let request = Request { act, pin, known_by: None, made_at: None };
    let (house, trace, by) = (Arc::clone(&stage.site.house), trace(actor.person, now), actor.clone());
    let case = async move |tx: &mut _| visit_cases::act(tx, &house, &by, visit, request.clone(), trace).await;
    Ok(believed(stage.site.db.write_in(Lane::Urgent, case).await?, &actor, now))
}

/// What Homeward believes now, or why not.
fn believed(done: Result<Done, Rejected>, actor: &Actor, now: Time) -> String {
    match done {
        Ok(Done { visit, alarm, warnings, .. }) => {
            let mut answer = vec![English.believes(&visit, alarm, now, actor.zone)];
            answer.extend(warnings.into_iter().map(|warning| format!("({})", warning.message)));
            answer.join(" ")
        }
        Err(rejected) => rejected.to_string(),
    }
}

async fn acknowledge(
    stage: &Stage,
    directory: &Directory,
    actor: Actor,
    code: String,
    now: Time,
) -> store::Result<String> {
    let (house, trace) = (Arc::clone(&stage.site.house), trace(actor.person, now));
    let person = actor.person;
    let case = async move |tx: &mut _| match incident_cases::named(tx, &actor, &code).await? {
        Some(id) => incident_cases::act(tx, &house, &actor, id, Deed::Acknowledge, trace).await,
        None => Ok(Err(Rejected::NotFound)),
    };
    let done = stage.site.db.write_in(Lane::Urgent, case).await?;
    Ok(done.map_or_else(|rejected| rejected.to_string(), |incident| taken(&incident, person, directory)))
}

fn taken(incident: &Incident, person: PersonId, directory: &Directory) -> String {
    let worker = directory.name_of(incident.subject);
    match &incident.state {
        IncidentState::Open { holder: Holder::Owned { by, until, .. }, .. } if *by == person => format!(
            "You have the alarm about {worker} until {}. Ring {worker}, then close it.",
            time_of_day(*until, directory)
        ),
        IncidentState::Open { holder: Holder::Owned { by, .. }, .. } => {
            format!("{} has the alarm about {worker} already.", directory.name_of(*by))
        }
        _ => format!("The alarm about {worker} is as it was."),
    }
}

async fn close_it(
    stage: &Stage,
    directory: &Directory,
    actor: Actor,
    code: String,
    close: Close,
    now: Time,
) -> store::Result<String> {
    let (house, trace) = (Arc::clone(&stage.site.house), trace(actor.person, now));
    let case = async move |tx: &mut _| match incident_cases::named(tx, &actor, &code).await? {
        Some(id) => incident_cases::close(tx, &house, &actor, id, close.clone(), trace).await,
        None => Ok(Err(Rejected::NotFound)),
    };
    Ok(match stage.site.db.write(case).await? {
        Ok(closed) => {
            format!("Closed. Everybody who was called about {} is told.", directory.name_of(closed.subject))
        }
        Err(rejected) => rejected.to_string(),
    })
}

/// An outside contact answers the call.
async fn trying(
    stage: &Stage,
    directory: &Directory,
    person: PersonId,
    code: &str,
    now: Time,
) -> store::Result<String> {
    let (house, trace, code) = (Arc::clone(&stage.site.house), trace(person, now), code.to_uppercase());
    let organisation = stage.organisation;
    let case = async move |tx: &mut _| match people::incident_of_code(tx, person, &code).await? {
        Some(id) => {
            incident_cases::outside(tx, &house, (organisation, id), person, OutsideAnswer::Trying, trace)
                .await
        }
        None => Ok(Err(Rejected::NotFound)),
    };
    Ok(match stage.site.db.write(case).await? {
        Ok(incident) => format!(
            "Thank you. Staff are told that you are trying to reach {}.",
            directory.name_of(incident.subject)
        ),
        Err(rejected) => rejected.to_string(),
    })
}

fn trace(person: PersonId, now: Time) -> Trace {
    Trace { actor: Some(person), door: Door::Demo, now }
}
