//! The page of the demonstration: its files, its state as JSON, and the presses of its buttons.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tower_http::set_header::SetResponseHeaderLayer;
use uuid::Uuid;

use super::{
    DURESS_PIN, MORE, PINS, VISIT, acts,
    desk::{self, Desk, Planned},
    feed::{Feed, Inbox, Line, Look},
    minutes,
    next::{Next, next},
    quick, seconds, whole_minutes,
};
use crate::{
    clock::Time,
    domain::{
        ids::{IncidentId, OrganisationId, PersonId, VisitId},
        incident::{Holder, Incident, IncidentState, Kind},
        people::{Directory, Person, Role},
        visit::{Awaited, Visit},
        wording::{English, Wording},
    },
    http::Site,
    providers::capture::Capture,
    store::{self, Tx, agreements, incidents, people, visits},
};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const DESK_SCRIPT: &str = include_str!("desk.js");
/// Everything comes from here, and nothing from anywhere else.
const CONTENT_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
/// So many open visits and incidents are shown.
const MOST: i64 = 50;

/// What the page plays on.
#[derive(Debug)]
pub struct Stage {
    pub(super) site: Site,
    pub(super) organisation: OrganisationId,
    pub(super) speed: u32,
    pub(super) feed: Mutex<Feed>,
    first_gateway: Arc<Capture>,
    run: Uuid,
}

impl Stage {
    pub(super) fn new(
        site: Site,
        organisation: OrganisationId,
        speed: u32,
        first_gateway: Arc<Capture>,
    ) -> Self {
        Self { site, organisation, speed, feed: Mutex::default(), first_gateway, run: Uuid::new_v4() }
    }

    pub(super) fn switch(&self, gateway: Gateway) {
        self.first_gateway.set_failing(gateway == Gateway::Down);
    }
}

/// `/` and `/demo/…`, to be merged over the service's own routes.
pub fn routes(stage: Arc<Stage>) -> Router {
    let file = |kind: &'static str, text: &'static str| {
        get(move || async move { ([(header::CONTENT_TYPE, kind)], text) })
    };
    let set = |name: HeaderName, value: HeaderValue| SetResponseHeaderLayer::if_not_present(name, value);
    Router::new()
        .route("/", file("text/html; charset=utf-8", PAGE))
        .route("/demo/page.css", file("text/css; charset=utf-8", STYLE))
        .route("/demo/page.js", file("text/javascript; charset=utf-8", SCRIPT))
        .route("/demo/desk.js", file("text/javascript; charset=utf-8", DESK_SCRIPT))
        .route("/demo/state", get(show))
        // JSON alone: another site's form cannot send it.
        .route("/demo/press", post(press))
        .route("/demo/first-gateway", post(switch))
        .layer(set(header::CONTENT_SECURITY_POLICY, CONTENT_POLICY))
        .layer(set(header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .layer(set(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
        .layer(set(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")))
        .with_state(stage)
}

async fn show(stage: State<Arc<Stage>>) -> Response {
    match state(&stage).await {
        Ok(shown) => Json(shown).into_response(),
        Err(error) => failed(&error),
    }
}

async fn press(stage: State<Arc<Stage>>, Json(pressed): Json<acts::Pressed>) -> Response {
    match acts::press(&stage, pressed).await {
        Ok(Some(answered)) => Json(answered).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => failed(&error),
    }
}

/// Whether the first SMS gateway takes messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Gateway {
    Up,
    Down,
}

async fn switch(stage: State<Arc<Stage>>, Json(gateway): Json<Gateway>) -> StatusCode {
    stage.switch(gateway);
    StatusCode::NO_CONTENT
}

fn failed(error: &store::Error) -> Response {
    tracing::error!(%error, "the page of the demonstration could not be served");
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

/// Everything that the page shows.
#[derive(Debug, Serialize)]
pub(super) struct PageState {
    /// Another one: the server was started anew, and the page has to begin anew.
    run: Uuid,
    now: Time,
    /// How long a minute of the rules takes.
    minute: String,
    /// How much longer a worker is watched who is still there.
    visit_seconds: i64,
    first_gateway: Gateway,
    next: Next,
    visits: Vec<VisitRow>,
    incidents: Vec<IncidentRow>,
    phones: Vec<Phone>,
    desk: Desk,
    log: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct VisitRow {
    id: VisitId,
    worker: String,
    place: String,
    due: Time,
    others_told: Time,
    alarm: bool,
    /// Nobody has agreed to it: it runs as high risk until somebody does.
    not_agreed: bool,
}

#[derive(Debug, Serialize)]
struct IncidentRow {
    id: IncidentId,
    kind: Kind,
    worker: String,
    /// What happened, and since when that is.
    what: &'static str,
    since: Time,
    held: Held,
    owner: Option<String>,
    /// When the ladder goes on, the owner's promise lapses, or the owner is reminded of the police.
    waits_until: Time,
    claim: Option<String>,
    called: Vec<String>,
}

/// Who has it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Held {
    Nobody,
    Owner,
    Police { log_number: String },
}

#[derive(Debug, Serialize)]
struct Phone {
    key: String,
    name: String,
    role: String,
    number: String,
    worker: Option<WorkerPhone>,
    /// Alarms that they were called about.
    calls: Vec<Call>,
    #[serde(flatten)]
    inbox: Inbox,
}

/// What a worker's phone has besides. The PIN goes behind the texts that need one.
#[derive(Debug, Serialize)]
struct WorkerPhone {
    /// What is prefilled.
    pin: &'static str,
    /// What they give under threat, if they have set it.
    duress_pin: Option<&'static str>,
    /// Where they are watched.
    places: Vec<String>,
    /// The text that starts a visit.
    goes_in: String,
    /// The text that extends it.
    more: String,
    /// Their visits that have to be agreed.
    planned: Vec<Planned>,
}

#[derive(Debug, Serialize)]
struct Call {
    code: String,
    worker: String,
    owner: Option<String>,
    /// Theirs to close.
    mine: bool,
    with_police: bool,
    until: Time,
    outside: bool,
    /// The texts that answer it.
    answers: Vec<String>,
}

/// What is open, as it was read.
pub(super) struct Open {
    pub(super) visits: Vec<Visit>,
    pub(super) incidents: Vec<Incident>,
    /// Whom the ladders have called, with their codes.
    codes: BTreeMap<(IncidentId, PersonId), String>,
    /// Visits that were begun though nobody has agreed to them.
    not_agreed: BTreeSet<VisitId>,
}

impl Open {
    async fn read(tx: &mut Tx, organisation: OrganisationId) -> store::Result<Self> {
        let begun = visits::Filter { state: Some("begun"), ..visits::Filter::default() };
        let open = incidents::Filter { state: Some("open"), ..incidents::Filter::default() };
        let visits = visits::list(tx, organisation, begun, MOST).await?;
        let incidents = incidents::list(tx, organisation, open, MOST).await?;
        let mut codes = BTreeMap::new();
        for incident in &incidents {
            for person in people::called_about(tx, incident.id).await? {
                if let Some(code) = people::code_of(tx, incident.id, person).await? {
                    codes.insert((incident.id, person), code);
                }
            }
        }
        let mut not_agreed = BTreeSet::new();
        for visit in &visits {
            let agreement = agreements::find(tx, organisation, visit.id).await?;
            if agreement.is_some_and(|agreement| agreement.at_the_door().is_some()) {
                not_agreed.insert(visit.id);
            }
        }
        Ok(Self { visits, incidents, codes, not_agreed })
    }

    fn alarm(&self, visit: VisitId) -> bool {
        self.incidents.iter().any(|incident| incident.visit == Some(visit))
    }
}

/// Reads everything that the page shows.
pub(super) async fn state(stage: &Stage) -> store::Result<PageState> {
    let mut tx = stage.site.db.read().await?;
    let directory = people::directory(&mut tx, stage.organisation).await?;
    let open = Open::read(&mut tx, stage.organisation).await?;
    let now = stage.site.clock.now();
    let mut feed = stage.feed.lock().await;
    let look = Look { directory: &directory, now };
    feed.catch_up(&mut tx, look).await?;
    let desk = desk::desk(&mut tx, look).await?;
    let mut people: Vec<&Person> =
        directory.people.values().filter(|person| person.phone.is_some() && !person.left).collect();
    people.sort_by_key(|person| (rank(person, &directory), person.name.clone()));
    let mut phones = Vec::with_capacity(people.len());
    for person in people {
        let inbox = feed.inboxes.get(&person.id).cloned().unwrap_or_default();
        let planned = desk::planned(&mut tx, look, person).await?;
        phones.push(phone(person, stage.speed, &directory, &open, (inbox, planned)));
    }
    Ok(PageState {
        run: stage.run,
        now,
        minute: seconds(quick(1, stage.speed)),
        visit_seconds: minutes(VISIT, stage.speed).num_seconds(),
        first_gateway: if stage.first_gateway.is_failing() { Gateway::Down } else { Gateway::Up },
        next: next(stage.speed, &directory, &open, now),
        visits: open.visits.iter().map(|visit| visit_row(visit, &directory, &open)).collect(),
        incidents: open
            .incidents
            .iter()
            .filter_map(|incident| incident_row(incident, &directory, &open, now))
            .collect(),
        phones,
        desk,
        log: feed.log.iter().cloned().collect(),
    })
}

fn visit_row(visit: &Visit, directory: &Directory, open: &Open) -> VisitRow {
    VisitRow {
        id: visit.id,
        worker: directory.name_of(visit.worker).into(),
        place: visit.details.place.clone().unwrap_or_default(),
        due: visit.expected_departure,
        others_told: visit.expected_departure + directory.policy(visit.team).grace(visit.details.risk),
        alarm: open.alarm(visit.id),
        not_agreed: open.not_agreed.contains(&visit.id),
    }
}

fn was_due(what: Awaited) -> &'static str {
    match what {
        Awaited::Departure => "was due out",
        Awaited::Arrival => "was due to arrive",
        Awaited::WelfareCheck => "was due to say that all is well",
        Awaited::HomeSafe => "was due home",
    }
}

fn incident_row(incident: &Incident, directory: &Directory, open: &Open, now: Time) -> Option<IncidentRow> {
    let IncidentState::Open { holder, claim } = &incident.state else { return None };
    let mut called: Vec<_> =
        open.codes.keys().filter(|(id, _)| *id == incident.id).map(|(_, person)| *person).collect();
    called
        .sort_by_key(|id| directory.person(*id).map(|person| (rank(person, directory), person.name.clone())));
    let (what, since) = match incident.sos {
        Some(sos) if incident.kind == Kind::Duress => ("acts under threat: do not ring or text", sos.at),
        Some(sos) if sos.by == incident.subject => ("called for help", sos.at),
        Some(sos) => ("was found not safe", sos.at),
        None => match incident.missed {
            Some(missed) => (was_due(missed.what), missed.at),
            None => ("is looked for", incident.opened_at),
        },
    };
    Some(IncidentRow {
        id: incident.id,
        worker: directory.name_of(incident.subject).into(),
        kind: incident.kind,
        what,
        since,
        held: match (holder, &incident.police) {
            (Holder::WithPolice { .. }, Some(police)) => {
                Held::Police { log_number: police.log_number.clone() }
            }
            (Holder::WithPolice { .. }, None) => Held::Police { log_number: String::new() },
            (Holder::Owned { .. }, _) => Held::Owner,
            (Holder::Nobody { .. }, _) => Held::Nobody,
        },
        owner: incident.owner().map(|owner| directory.name_of(owner).into()),
        waits_until: holder.waits_until(),
        claim: English.claim(*claim, now, directory.zone),
        called: called.into_iter().map(|person| directory.name_of(person).into()).collect(),
    })
}

fn phone(
    person: &Person,
    speed: u32,
    directory: &Directory,
    open: &Open,
    (inbox, planned): (Inbox, Vec<Planned>),
) -> Phone {
    let calls = open.incidents.iter().filter_map(|incident| {
        let IncidentState::Open { holder, .. } = &incident.state else { return None };
        let code = open.codes.get(&(incident.id, person.id))?.clone();
        Some(Call {
            worker: directory.name_of(incident.subject).into(),
            owner: incident.owner().map(|owner| directory.name_of(owner).into()),
            mine: incident.owner() == Some(person.id),
            with_police: matches!(holder, Holder::WithPolice { .. }),
            until: holder.waits_until(),
            outside: person.is_outside(),
            answers: answers(incident, person, &code),
            code,
        })
    });
    let own = open.visits.iter().filter(|visit| visit.worker == person.id);
    let pin = PINS.iter().find(|(key, _)| *key == person.key).map(|(_, pin)| *pin);
    Phone {
        key: person.key.clone(),
        name: person.name.clone(),
        role: role(person, directory),
        number: person.phone.as_ref().map(crate::domain::contact::Phone::dialled).unwrap_or_default(),
        worker: pin.map(|pin| WorkerPhone {
            pin,
            duress_pin: (person.key == "ann").then_some(DURESS_PIN),
            places: own.map(|visit| visit.details.place.clone().unwrap_or_default()).collect(),
            goes_in: format!("IN {} {}", whole_minutes(VISIT, speed), acts::place(person)),
            more: format!("MORE {}", whole_minutes(MORE, speed)),
            planned,
        }),
        calls: calls.collect(),
        inbox,
    }
}

/// The texts that somebody who was called may want to send; whatever else the grammar knows they can write.
fn answers(incident: &Incident, person: &Person, code: &str) -> Vec<String> {
    let words: &[&str] = match incident.owner() {
        _ if person.is_outside() => &["ACK", "NO", "SAFE", "NOT SAFE"],
        None => &["ACK", "NO", "WHERE"],
        Some(owner) if owner == person.id => &["HOLD", "NOT SAFE", "WHERE"],
        Some(_) => &[],
    };
    words.iter().map(|word| format!("{word} {code}")).collect()
}

/// Workers first, then the order in which they are called.
fn rank(person: &Person, directory: &Directory) -> u8 {
    match person.role {
        Some(Role::Worker) => 0,
        None => 1,
        _ if directory.duty_manager == Some(person.id) => 3,
        Some(Role::Manager) => 2,
        Some(_) => 4,
    }
}

fn role(person: &Person, directory: &Directory) -> String {
    match person.role {
        Some(Role::Worker) => "Worker, goes on visits alone".into(),
        Some(Role::SeniorManager) => "Senior manager".into(),
        Some(_) if directory.duty_manager == Some(person.id) => "Duty manager, on call now".into(),
        Some(_) => "Manager of the workers".into(),
        None => {
            let named_by: Vec<_> = directory
                .people
                .values()
                .filter(|worker| worker.emergency_contacts.contains(&person.id))
                .map(|worker| worker.name.as_str())
                .collect();
            format!("Emergency contact named by {}, not staff", named_by.join(" and "))
        }
    }
}
