//! What the phones of the page can do: they send texts, as by SMS; what no text can say is a use case of its own. All of it
//! comes through the door `demo`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    FIRST_VISIT,
    feed::{From, Look},
    minutes,
    pages::Stage,
};
use crate::{
    app::{
        Rejected,
        access::Actor,
        agreements, exceptions, inbound as inbound_cases,
        incidents::{self as incident_cases, Close, Deed},
        visits::{self as visit_cases, ForWhom},
    },
    clock::Time,
    domain::{
        agreement::Answer,
        command::{Plan, masked},
        contact::Phone,
        event::Door,
        ids::{PersonId, VisitId},
        incident::{Outcome, Police, WorkerNow},
        people::{Directory, Person},
        start::{Departure, Start},
        visit::{Details, KnownBy, Visiting},
        wording::{English, Wording},
    },
    store::{
        self, Lane, Trace,
        inbound::{InboundText, TextName},
        people,
    },
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
    Text { text: String },
    WithPolice { code: String, log_number: String },
    Close { code: String, outcome: Outcome, known_by: KnownBy, worker_now: WorkerNow, note: String },
    Agree { visit: VisitId, words: String },
    Refuse { visit: VisitId, words: String },
    Review { visit: VisitId, words: String },
}

impl Wanted {
    /// As it stands on the phone. A PIN is shown nowhere, not even here.
    fn said(&self) -> String {
        match self {
            Self::Text { text } => masked(text),
            Self::WithPolice { code, log_number } => format!("With the police: {code}, log {log_number}"),
            Self::Close { code, outcome, note, .. } => {
                format!("Close {code}: {}. {note}", outcome.as_str().replace('_', " "))
            }
            Self::Agree { words, .. } => format!("At the desk: agree. {words}"),
            Self::Refuse { words, .. } => format!("At the desk: refuse. {words}"),
            Self::Review { words, .. } => format!("At the desk: reviewed. {words}"),
        }
    }
}

/// Somebody with an account, as who they act.
pub(super) fn actor(directory: &Directory, key: &str) -> Option<Actor> {
    directory.people.values().find(|person| person.key == key).and_then(|person| account(directory, person))
}

pub(super) fn account(directory: &Directory, person: &Person) -> Option<Actor> {
    Some(Actor {
        organisation: directory.organisation,
        person: person.id,
        team: person.team,
        role: person.role?,
        name: person.name.clone(),
        zone: directory.zone,
    })
}

/// Where a worker goes, as they text it: to a place, to what is planned, to a case.
pub(super) fn place(person: &Person) -> &'static str {
    match person.key.as_str() {
        "ann" => "12 High Street",
        "eve" => "NEXT",
        "raj" => "X176642 15 Dock Street",
        _ => "4 Mill Lane",
    }
}

/// Ann goes in, so that there is something to see: for seconds, which no text can say.
pub(super) async fn first_visit(stage: &Stage) -> store::Result<()> {
    let directory = people::directory(&mut stage.site.db.read().await?, stage.organisation).await?;
    let Some(ann) = directory.people.values().find(|person| person.key == "ann") else { return Ok(()) };
    let Some(actor) = account(&directory, ann) else { return Ok(()) };
    let now = stage.site.clock.now();
    let details = Details {
        purpose: Some("Home visit".into()),
        place: Some(place(ann).into()),
        visiting: Some(Visiting::Supervised),
        ..Details::default()
    };
    let departure = Departure::After(minutes(FIRST_VISIT, stage.speed));
    let start = Start { details, expected_arrival: None, departure, made_at: None, plan: Plan::AsDescribed };
    let (house, trace, zone) = (Arc::clone(&stage.site.house), trace(ann.id, now), directory.zone);
    let case = async move |tx: &mut _| {
        visit_cases::start(tx, &house, &actor, &ForWhom::Self_, start.clone(), VisitId::new(now), trace).await
    };
    let answer = match stage.site.db.write(case).await? {
        Ok(done) => English.believes(&done.visit, done.alarm, now, zone),
        Err(rejected) => rejected.to_string(),
    };
    show(stage, &directory, ann.id, (format!("In: {}", place(ann)), answer), now).await;
    Ok(())
}

/// Sends a text from somebody's phone.
pub(super) async fn text(stage: &Stage, person: &str, text: &str) -> store::Result<()> {
    let wanted = Wanted::Text { text: text.into() };
    press(stage, Pressed { person: person.into(), wanted }).await.map(drop)
}

/// What became of a press, as it is answered: a text is answered by a text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Answered {
    answer: String,
}

/// Does what was pressed, and shows it with its answer on the phone. Nothing: there is no such phone.
pub(super) async fn press(stage: &Stage, pressed: Pressed) -> store::Result<Option<Answered>> {
    let directory = people::directory(&mut stage.site.db.read().await?, stage.organisation).await?;
    let Some(person) = directory.people.values().find(|person| person.key == pressed.person) else {
        return Ok(None);
    };
    let now = stage.site.clock.now();
    let said = pressed.wanted.said();
    let answer = match (account(&directory, person), pressed.wanted) {
        (_, Wanted::Text { text }) => {
            let Some(phone) = &person.phone else { return Ok(None) };
            // Before its answer.
            stage.feed.lock().await.bubble(
                person.id,
                From::Me,
                said,
                now,
                Look { directory: &directory, now },
            );
            send(stage, phone, text, now).await?;
            return Ok(Some(Answered::default()));
        }
        (None, _) => Rejected::Role.to_string(),
        (Some(_), Wanted::Close { note, .. }) if note.trim().is_empty() => {
            "Not closed: say in the note what happened.".into()
        }
        (Some(actor), Wanted::Close { code, outcome, known_by, worker_now, note }) => {
            let how = About::Closed(Close { outcome, known_by, worker_now, note });
            about(stage, actor, code, how, now).await?
        }
        (Some(actor), Wanted::WithPolice { code, log_number }) => {
            let police = Police { log_number, officer: None, at: now };
            about(stage, actor, code, About::Done(Deed::WithPolice(police)), now).await?
        }
        (Some(actor), Wanted::Agree { visit, words }) => {
            decide(stage, actor, visit, (Answer::Agree, words), now).await?
        }
        (Some(actor), Wanted::Refuse { visit, words }) => {
            decide(stage, actor, visit, (Answer::Refuse, words), now).await?
        }
        (Some(_), Wanted::Review { words, .. }) if words.trim().is_empty() => {
            "Not done: say in words what you found.".into()
        }
        (Some(actor), Wanted::Review { visit, words }) => review(stage, actor, visit, words, now).await?,
    };
    show(stage, &directory, person.id, (said, answer.clone()), now).await;
    Ok(Some(Answered { answer }))
}

/// Whether a visit may be made, as over the API.
async fn decide(
    stage: &Stage,
    actor: Actor,
    visit: VisitId,
    (answer, words): (Answer, String),
    now: Time,
) -> store::Result<String> {
    let (house, trace) = (Arc::clone(&stage.site.house), trace(actor.person, now));
    let words = Some(words.trim().to_owned()).filter(|words| !words.is_empty());
    let case = async move |tx: &mut _| {
        agreements::decide(tx, &house, &actor, visit, (answer, words.clone()), trace).await
    };
    let done = stage.site.db.write(case).await?;
    Ok(match (done, answer) {
        (Err(rejected), _) => format!("Not done: {rejected}"),
        (Ok(_), Answer::Agree) => "Agreed. The worker is told.".into(),
        (Ok(_), Answer::Refuse | Answer::Ask) => "Refused. The worker is told.".into(),
    })
}

/// A senior manager has looked at what was out of the ordinary.
async fn review(
    stage: &Stage,
    actor: Actor,
    visit: VisitId,
    words: String,
    now: Time,
) -> store::Result<String> {
    let trace = trace(actor.person, now);
    let case = async move |tx: &mut _| exceptions::review(tx, &actor, visit, words.trim(), trace).await;
    let done = stage.site.db.write(case).await?;
    Ok(done.map_or_else(|rejected| format!("Not done: {rejected}"), |_| "Reviewed.".into()))
}

async fn show(
    stage: &Stage,
    directory: &Directory,
    person: PersonId,
    (said, answer): (String, String),
    at: Time,
) {
    let mut feed = stage.feed.lock().await;
    let look = Look { directory, now: at };
    feed.bubble(person, From::Me, said, at, look);
    feed.bubble(person, From::Answer, answer, at, look);
}

/// As a provider brings it: whatever a text from that number means, it means here too. The answer comes as a text of its own.
async fn send(stage: &Stage, phone: &Phone, body: String, now: Time) -> store::Result<()> {
    let (house, key) = (Arc::clone(&stage.site.house), stage.site.key.clone());
    let name = TextName { provider: "demo".into(), provider_id: Uuid::new_v4().to_string() };
    let sender = phone.as_str().to_owned();
    let text = InboundText { name, received_at: now, sent_at: None, sender, body };
    let case = async move |tx: &mut _| inbound_cases::take(tx, &house, &key, &text, now).await;
    stage.site.db.write_in(Lane::Urgent, case).await
}

/// What no text can say about an incident.
#[derive(Debug, Clone)]
enum About {
    Done(Deed),
    Closed(Close),
}

async fn about(stage: &Stage, actor: Actor, code: String, how: About, now: Time) -> store::Result<String> {
    let (house, trace) = (Arc::clone(&stage.site.house), trace(actor.person, now));
    let case = async move |tx: &mut _| {
        let Some(id) = incident_cases::named(tx, &actor, &code).await? else {
            return Ok(Err(Rejected::NotFound));
        };
        match how.clone() {
            About::Done(deed) => incident_cases::act(tx, &house, &actor, id, deed, trace).await,
            About::Closed(close) => incident_cases::close(tx, &house, &actor, id, close, trace).await,
        }
    };
    let done = stage.site.db.write(case).await?;
    Ok(done
        .map_or_else(|rejected| rejected.to_string(), |_| "Done. Everybody who was called is told.".into()))
}

/// Somebody does something then.
pub(super) fn trace(person: PersonId, now: Time) -> Trace {
    Trace { actor: Some(person), door: Door::Demo, now }
}
