//! What workers take along, over HTTP. `{id}` is an item's id or its key.

use std::sync::Arc;

use axum::{
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Act, Reply,
    incident_acts::NothingToSay,
    incidents::said,
    ladders::TeamView,
    policies::{day, short, short_name},
    views::PersonView,
};
use crate::{
    app::{
        Outcome,
        access::Actor,
        equipment::{self as cases, NewEquipment, Test, Which},
    },
    domain::{
        contact::Phone,
        equipment::{Equipment, EquipmentKind, Registration, RetiredBecause, TestFlag, TestResult},
        local_time,
        people::Directory,
    },
    http::{
        Site,
        body::{Body, parse},
        problem::Problem,
    },
    store::{self, Trace, Tx, equipment, people},
};

/// The longest label: it stands in texts.
const LONGEST_LABEL: usize = 80;

/// Something that workers take along.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct EquipmentView {
    /// Its id.
    id: Uuid,
    /// Its short name.
    key: String,
    /// What stands on it.
    label: String,
    /// What it is.
    kind: EquipmentKind,
    /// Of which team.
    team: Option<TeamView>,
    /// Of a car.
    registration: Option<String>,
    /// Of a phone, or of a device that has one.
    number: Option<String>,
    /// Who has it.
    holder: Option<PersonView>,
    /// Since when.
    lent_at: Option<DateTime<Utc>>,
    /// Until when; `null`: until it is given back.
    due_back: Option<DateTime<Utc>>,
    /// Whether that is over.
    late: bool,
    /// When a device was tested last.
    tested_on: Option<NaiveDate>,
    /// How a device stands with its tests, one in each month of the calendar.
    test: Option<TestFlag>,
    /// Whether it has an address of its own.
    has_url: bool,
    /// Once it is in use no more.
    retired: Option<RetiredView>,
}

/// That something is in use no more.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct RetiredView {
    /// Since when.
    at: DateTime<Utc>,
    /// Who said so.
    by: PersonView,
    /// Why.
    because: RetiredBecause,
    /// In words.
    words: Option<String>,
}

impl EquipmentView {
    fn new(directory: &Directory, item: &Equipment, has_url: bool, now: DateTime<Utc>) -> Self {
        let today = now.with_timezone(&directory.zone).date_naive();
        Self {
            id: item.id.0,
            key: item.key.clone(),
            label: item.label.clone(),
            kind: item.kind,
            team: TeamView::of(directory, item.team),
            registration: item.registration.as_ref().map(|plate| plate.as_str().to_owned()),
            number: item.phone.as_ref().map(|number| number.as_str().to_owned()),
            holder: item.loan.map(|loan| PersonView::of(directory, loan.holder)),
            lent_at: item.loan.map(|loan| loan.since),
            due_back: item.loan.and_then(|loan| loan.due_back),
            late: item.is_late(now),
            tested_on: item.tested.map(|(on, _)| on),
            test: item.test_flag(today),
            has_url,
            retired: item.retired.as_ref().map(|retired| RetiredView {
                at: retired.at,
                by: PersonView::of(directory, retired.by),
                because: retired.because,
                words: retired.words.clone(),
            }),
        }
    }
}

/// What a worker has with them, as responders look for it.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(super) struct HeldView {
    /// What it is.
    kind: EquipmentKind,
    /// What stands on it.
    label: String,
    /// Of a car.
    registration: Option<String>,
    /// Of a phone, or of a device that has one.
    number: Option<String>,
}

impl From<&Equipment> for HeldView {
    fn from(item: &Equipment) -> Self {
        Self {
            kind: item.kind,
            label: item.label.clone(),
            registration: item.registration.as_ref().map(|plate| plate.as_str().to_owned()),
            number: item.phone.as_ref().map(|number| number.as_str().to_owned()),
        }
    }
}

async fn view(
    tx: &mut Tx,
    actor: &Actor,
    item: &Equipment,
    now: DateTime<Utc>,
) -> store::Result<EquipmentView> {
    let directory = people::directory(tx, actor.organisation).await?;
    let with_url = equipment::with_url(tx, actor.organisation).await?;
    Ok(EquipmentView::new(&directory, item, with_url.contains(&item.id), now))
}

/// Something to be added.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EquipmentBody {
    /// Of which team, by id or key; of your own if it is not said.
    team: Option<String>,
    /// A short name: letters, digits, - and _.
    key: String,
    /// What stands on it.
    label: String,
    /// What it is.
    kind: EquipmentKind,
    /// Of a car: it has to be there.
    registration: Option<String>,
    /// Of a phone: it has to be there. A device may have one.
    number: Option<String>,
    /// When a device was tested last, and worked.
    tested_on: Option<NaiveDate>,
}

/// Adds a device, a phone, a car.
#[utoipa::path(post, path = "/equipment", request_body = EquipmentBody, responses((status = 201, body = EquipmentView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn add(
    State(site): State<Site>,
    actor: Actor,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let EquipmentBody { team, key, label, kind, registration, number, tested_on } = parse(&body)?;
    let registration = registration.map(|plate| Registration::parse(&plate)).transpose();
    let number = number.map(|number| Phone::parse(&number)).transpose();
    let new = NewEquipment {
        team,
        key: short_name(&key)?,
        label: short("label", &label, LONGEST_LABEL)?,
        kind,
        registration: registration.map_err(|bad| Problem::field("registration", bad.to_string()))?,
        number: number.map_err(|bad| Problem::field("number", bad.to_string()))?,
        tested_on: tested_on.map(|on| day("tested_on", on)).transpose()?,
    };
    let case = async move |tx: &mut _, actor: &Actor, trace: Trace| {
        Ok(match cases::add(tx, actor, new.clone(), trace).await? {
            Ok(item) => Reply::new(StatusCode::CREATED, &view(tx, actor, &item, trace.now).await?),
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, "POST /equipment", &headers, body).run(case).await)
}

/// What is asked for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct EquipmentQuery {
    /// Of that team and those below it, by id or key; of all that you may see if it is not said.
    team: Option<String>,
    /// true: what is in use no more; else what is.
    #[serde(default)]
    retired: bool,
}

/// What there is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct EquipmentList {
    /// By its key.
    equipment: Vec<EquipmentView>,
}

/// Lists what there is, and with whom it is: of the teams in your reach, and what you have yourself.
#[utoipa::path(get, path = "/equipment", params(EquipmentQuery), responses((status = 200, body = EquipmentList),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(site): State<Site>,
    actor: Actor,
    query: Result<Query<EquipmentQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(EquipmentQuery { team, retired }) =
        query.map_err(|error| Problem::field("query", error.body_text()))?;
    let which = if retired { Which::Retired } else { Which::InUse };
    let seen = cases::list(&mut site.db.read().await?, &actor, team.as_deref(), which).await??;
    let now = site.clock.now();
    let one = |item| EquipmentView::new(&seen.directory, item, seen.with_url.contains(&item.id), now);
    Ok(Reply::ok(&EquipmentList { equipment: seen.items.iter().map(one).collect() }).into_response())
}

async fn act(
    (site, actor, headers, body): (Site, Actor, HeaderMap, axum::body::Bytes),
    route: String,
    case: impl AsyncFn(&mut Tx, &Actor, Trace) -> Outcome<Equipment> + Send + Sync + 'static,
) -> Response {
    Act::new(site, actor, route, &headers, body)
        .run(async move |tx, actor, trace| {
            Ok(match case(tx, actor, trace).await? {
                Ok(item) => Reply::ok(&view(tx, actor, &item, trace.now).await?),
                Err(rejected) => rejected.into(),
            })
        })
        .await
}

/// To whom it goes.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LendBody {
    /// Somebody with an account, by id or key.
    to: String,
    /// When it comes back: as 2026-12-25T21:40 in the organisation's zone, or with an offset; if it is not said, until it is given
    /// back. From the next morning on whoever has it still is asked each day.
    due_back: Option<String>,
}

/// Lends it to somebody, or to whoever has it till another time.
#[utoipa::path(post, path = "/equipment/{id}/lend", params(("id" = String, Path)), request_body = LendBody,
    responses((status = 200, body = EquipmentView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn lend(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let LendBody { to, due_back } = parse(&body)?;
    let read = |said: String| {
        local_time::read(&said, actor.zone).ok_or_else(|| {
            Problem::field("due_back", "say it as 2026-12-25T21:40, or with an offset such as Z")
        })
    };
    let due_back = due_back.map(read).transpose()?;
    let route = format!("POST /equipment/{id}/lend");
    Ok(act((site, actor, headers, body), route, async move |tx, actor, trace| {
        cases::lend(tx, actor, &id, (&to, due_back), trace).await
    })
    .await)
}

/// Says that it is back. Said again it changes nothing.
#[utoipa::path(post, path = "/equipment/{id}/return", params(("id" = String, Path)), request_body = NothingToSay,
    responses((status = 200, body = EquipmentView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn give_back(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let NothingToSay {} = parse(&body)?;
    let route = format!("POST /equipment/{id}/return");
    Ok(act((site, actor, headers, body), route, async move |tx, actor, trace| {
        cases::give_back(tx, actor, &id, trace).await
    })
    .await)
}

/// Why it is in use no more.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RetireBody {
    /// lost, broken, sold or other.
    because: RetiredBecause,
    /// In words.
    words: Option<String>,
}

/// Takes it out of use: nobody gets it any more, it is asked for and flagged no more, and its number is free. Whoever had it then still
/// calls for help by it. Said again it changes nothing.
#[utoipa::path(post, path = "/equipment/{id}/retire", params(("id" = String, Path)), request_body = RetireBody,
    responses((status = 200, body = EquipmentView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn retire(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let RetireBody { because, words } = parse(&body)?;
    let words = words.map(|words| said("words", &words)).transpose()?;
    let route = format!("POST /equipment/{id}/retire");
    Ok(act((site, actor, headers, body), route, async move |tx, actor, trace| {
        cases::retire(tx, actor, &id, (because, words.clone()), trace).await
    })
    .await)
}

/// A test.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TestedBody {
    /// When.
    on: NaiveDate,
    /// What came of it.
    result: TestResult,
    /// In words.
    words: Option<String>,
}

/// Says that it was tested: whoever has it can say so too. A device is tested in each month of the calendar.
#[utoipa::path(post, path = "/equipment/{id}/tested", params(("id" = String, Path)), request_body = TestedBody,
    responses((status = 200, body = EquipmentView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn tested(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let TestedBody { on, result, words } = parse(&body)?;
    let words = words.map(|words| said("words", &words)).transpose()?;
    let test = Test { on: day("on", on)?, result, words };
    let route = format!("POST /equipment/{id}/tested");
    Ok(act((site, actor, headers, body), route, async move |tx, actor, trace| {
        cases::test(tx, actor, &id, test.clone(), trace).await
    })
    .await)
}

/// A device's own address.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DeviceUrlView {
    /// Shown this once. `POST {url}/sos` calls for help about whoever has the device, `POST {url}/check-in` is a sign of them.
    url: String,
}

/// Gives a device an address of its own, by which it calls for help and gives signs. It is shown once; the one before is revoked. An
/// Idempotency-Key is not looked at: what is shown is kept nowhere.
#[utoipa::path(post, path = "/equipment/{id}/url", params(("id" = String, Path)), request_body = NothingToSay,
    responses((status = 201, body = DeviceUrlView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn issue_url(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let NothingToSay {} = parse(&body)?;
    let house = Arc::clone(&site.house);
    let case = async move |tx: &mut _, actor: &Actor, trace| {
        Ok(match cases::issue_url(tx, actor, &id, trace).await? {
            Ok(secret) => {
                let base = house.pages.as_ref().map_or("", |pages| pages.base.as_str());
                let url = format!("{base}/device/{}", secret.as_str());
                Reply::new(StatusCode::CREATED, &DeviceUrlView { url })
            }
            Err(rejected) => rejected.into(),
        })
    };
    // Without a key: a reply that is kept would keep the secret.
    Ok(Act::new(site, actor, "POST /equipment/{id}/url", &HeaderMap::new(), body).run(case).await)
}

/// Revokes the address of a device. A call for help by it is heard all the same, and marked.
#[utoipa::path(post, path = "/equipment/{id}/url/revoke", params(("id" = String, Path)), request_body = NothingToSay,
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn revoke_url(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let NothingToSay {} = parse(&body)?;
    let route = format!("POST /equipment/{id}/url/revoke");
    let case = async move |tx: &mut _, actor: &Actor, trace| {
        Ok(match cases::revoke_url(tx, actor, &id, trace).await? {
            Ok(()) => Reply::no_content(),
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, route, &headers, body).run(case).await)
}
