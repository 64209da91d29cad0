//! The JSON API under `/api/v1`.

mod agreements;
mod case_files;
mod checklists;
mod concerns;
mod coverage;
mod drill_schedules;
mod drills;
mod due;
mod due_rules;
mod end_of_day;
mod equipment;
mod events;
mod exceptions;
mod filing;
mod follow_ups;
mod incident_acts;
mod incidents;
mod ladders;
mod me;
mod oversight;
mod past_visits;
mod policies;
mod rehearsals;
mod reports;
pub(super) mod sos;
mod text;
mod views;
mod visits;
mod webhooks;

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Site, problem::Problem};
use crate::{
    app::{Rejected, access::Actor},
    domain::{
        event::Door,
        ids::VisitId,
        visit::{Visit, VisitState},
    },
    store::{
        self, Lane, Trace, Tx,
        idempotency::{self, Claimed, Key},
        visits as visits_kept,
    },
};

/// The longest Idempotency-Key.
const LONGEST_KEY: usize = 255;
static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
static IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Homeward",
        description = "Lone-worker check-in. A start is never refused; a refusal is a problem as of RFC 9457, whose `type` is stable. POST, and PUT of a ladder, a checklist, rules, supervision or a webhook, takes an Idempotency-Key (/text for IN and MORE alone, /sos none).",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    modifiers(&Bearer),
    security(("token" = [])),
)]
struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        openapi.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

pub(super) fn router() -> OpenApiRouter<Site> {
    let api = OpenApiRouter::new()
        .routes(routes!(visits::starts::start, visits::list))
        .routes(routes!(visits::show))
        .routes(routes!(visits::acts::arrive))
        .routes(routes!(visits::acts::check_in))
        .routes(routes!(visits::acts::extend))
        .routes(routes!(visits::acts::check_out))
        .routes(routes!(visits::acts::home))
        .routes(routes!(end_of_day::show))
        .routes(routes!(end_of_day::confirm))
        .routes(routes!(visits::acts::record))
        .routes(routes!(visits::acts::cancel))
        .routes(routes!(visits::acts::object))
        .routes(routes!(past_visits::put_on_record))
        .routes(routes!(sos::call_for_help))
        .routes(routes!(text::take))
        .routes(routes!(me::show))
        .routes(routes!(me::set_pin))
        .routes(routes!(incidents::list))
        .routes(routes!(incidents::show))
        .routes(routes!(incident_acts::acknowledge))
        .routes(routes!(incident_acts::take_over))
        .routes(routes!(incident_acts::hand_over))
        .routes(routes!(incident_acts::hold))
        .routes(routes!(incident_acts::cannot))
        .routes(routes!(incident_acts::not_safe))
        .routes(routes!(incident_acts::safe))
        .routes(routes!(incident_acts::police))
        .routes(routes!(incident_acts::note))
        .routes(routes!(incident_acts::review))
        .routes(routes!(incident_acts::release))
        .routes(routes!(incidents::close))
        .routes(routes!(follow_ups::set))
        .routes(routes!(follow_ups::done))
        .routes(routes!(follow_ups::list))
        .routes(routes!(checklists::list))
        .routes(routes!(checklists::set))
        .routes(routes!(checklists::of_visit))
        .routes(routes!(checklists::answer))
        .routes(routes!(checklists::say_measures))
        .routes(routes!(coverage::show))
        .routes(routes!(coverage::simulate))
        .routes(routes!(ladders::list, ladders::set))
        .routes(routes!(drills::start, drills::list))
        .routes(routes!(drills::show))
        .routes(routes!(drills::acknowledge))
        .routes(routes!(drills::end))
        .routes(routes!(drill_schedules::set, drill_schedules::list))
        .routes(routes!(drill_schedules::remove))
        .routes(routes!(rehearsals::list))
        .routes(routes!(policies::add, policies::list))
        .routes(routes!(policies::add_version))
        .routes(routes!(policies::acknowledge))
        .routes(routes!(policies::missing))
        .routes(routes!(equipment::add, equipment::list))
        .routes(routes!(equipment::lend))
        .routes(routes!(equipment::give_back))
        .routes(routes!(equipment::retire))
        .routes(routes!(equipment::tested))
        .routes(routes!(equipment::issue_url))
        .routes(routes!(equipment::revoke_url))
        .routes(routes!(webhooks::list))
        .routes(routes!(webhooks::set))
        .routes(routes!(webhooks::remove))
        .routes(routes!(webhooks::replay))
        .routes(routes!(filing::list))
        .routes(routes!(filing::as_csv))
        .routes(routes!(filing::say))
        .routes(routes!(reports::show))
        .routes(routes!(reports::behind))
        .routes(routes!(events::list));
    OpenApiRouter::with_openapi(Description::openapi()).nest("/api/v1", api.merge(casework()))
}

/// Before visits and after them: whom they are to, who is due one, whether it is agreed, what managers found, what somebody worries about.
fn casework() -> OpenApiRouter<Site> {
    OpenApiRouter::new()
        .routes(routes!(case_files::save, case_files::list))
        .routes(routes!(case_files::show))
        .routes(routes!(case_files::save_place))
        .routes(routes!(case_files::assess, case_files::versions))
        .routes(routes!(case_files::version))
        .routes(routes!(case_files::agree))
        .routes(routes!(due::list))
        .routes(routes!(due_rules::show, due_rules::set))
        .routes(routes!(due::show))
        .routes(routes!(due::set_supervision))
        .routes(routes!(due::assign))
        .routes(routes!(due::excuse))
        .routes(routes!(due::take_back_excuse))
        .routes(routes!(agreements::queue))
        .routes(routes!(agreements::show, agreements::describe))
        .routes(routes!(agreements::decide))
        .routes(routes!(agreements::set_away))
        .routes(routes!(oversight::list, oversight::record))
        .routes(routes!(oversight::missing))
        .routes(routes!(oversight::show))
        .routes(routes!(exceptions::list))
        .routes(routes!(exceptions::review))
        .routes(routes!(concerns::raise_on_visit))
        .routes(routes!(concerns::raise_without_visit, concerns::list))
        .routes(routes!(concerns::show))
        .routes(routes!(concerns::discussed))
        .routes(routes!(concerns::set_action))
        .routes(routes!(concerns::finish_action))
        .routes(routes!(concerns::close))
}

/// A reply as it is sent, and kept under an Idempotency-Key.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reply {
    status: StatusCode,
    body: Value,
}

impl Reply {
    fn new(status: StatusCode, body: &impl Serialize) -> Self {
        Self { status, body: serde_json::to_value(body).unwrap_or(Value::Null) }
    }

    fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, body: Value::Null }
    }

    fn ok(body: &impl Serialize) -> Self {
        Self::new(StatusCode::OK, body)
    }
}

impl From<Problem> for Reply {
    fn from(problem: Problem) -> Self {
        Self { status: problem.status(), body: problem.to_value() }
    }
}

impl From<Rejected> for Reply {
    fn from(rejected: Rejected) -> Self {
        Problem::from(rejected).into()
    }
}

/// One request that changes something.
struct Act {
    site: Site,
    actor: Actor,
    route: String,
    key: Option<String>,
    body: Bytes,
    lane: Lane,
    reuse: Reuse,
    door: Door,
}

/// What is done when an Idempotency-Key comes again with another body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reuse {
    /// It is refused.
    Refuse,
    /// It is done as if it had no key, with a warning: a start.
    Warn,
    /// It is done as if it had no key: a text about a visit. The same again is answered as it was only while that visit runs.
    OfAVisit,
}

impl Act {
    fn new(site: Site, actor: Actor, route: impl Into<String>, headers: &HeaderMap, body: Bytes) -> Self {
        let key = headers
            .get(&IDEMPOTENCY_KEY)
            .and_then(|value| value.to_str().ok())
            .filter(|key| !key.is_empty() && key.len() <= LONGEST_KEY)
            .map(str::to_owned);
        let (lane, reuse, door) = (Lane::Usual, Reuse::Refuse, Door::Api);
        Self { site, actor, route: route.into(), key, body, lane, reuse, door }
    }

    /// Goes before others that wait.
    fn urgent(self) -> Self {
        Self { lane: Lane::Urgent, ..self }
    }

    /// Runs a use case once for its key, and answers.
    async fn run(
        self,
        case: impl AsyncFn(&mut Tx, &Actor, Trace) -> store::Result<Reply> + Send + Sync + 'static,
    ) -> Response {
        let Self { site, actor, route, key, body, lane, reuse, door } = self;
        let trace = Trace { actor: Some(actor.person), door, now: site.clock.now() };
        let key = key.map(|key| Key { person: actor.person, route, key, body_hash: site.key.body(&body) });
        let work = async move |tx: &mut Tx| -> store::Result<(Reply, bool)> {
            let Some(key) = &key else { return Ok((case(tx, &actor, trace).await?, false)) };
            match idempotency::claim(tx, key, trace.now).await? {
                Claimed::New => {
                    let reply = case(tx, &actor, trace).await?;
                    idempotency::keep(tx, key, reply.status.as_u16(), &reply.body.to_string()).await?;
                    Ok((reply, false))
                }
                // A start is only answered for a visit that still runs: else somebody would believe that they are watched.
                Claimed::Done { reply, .. }
                    if reuse == Reuse::Warn && !still_runs(tx, &actor, &reply).await? =>
                {
                    let mut reply = case(tx, &actor, trace).await?;
                    warn(
                        &mut reply,
                        "this Idempotency-Key is that of a visit which is over: this is a new one",
                    );
                    Ok((reply, false))
                }
                // It is not done to another visit, which may have begun since; and nobody believes that this one is watched.
                Claimed::Done { reply, .. }
                    if reuse == Reuse::OfAVisit && !still_runs(tx, &actor, &reply).await? =>
                {
                    let reply = "Done before, and that visit is over since. Are you watched? Reply STATUS.";
                    Ok((Reply::ok(&serde_json::json!({ "reply": reply })), true))
                }
                Claimed::Done { status, reply } => {
                    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
                    let body = serde_json::from_str(&reply)
                        .map_err(|_| store::Error::inconsistent("idempotency", "reply", &key.key))?;
                    let kept = Reply { status, body };
                    let over = match visit_of(tx, &actor, &reply).await? {
                        Some(visit) if says_watched(&kept) => Some(visit).filter(|visit| !runs(visit)),
                        _ => None,
                    };
                    let Some(over) = over else { return Ok((kept, true)) };
                    let mut now = visits::as_it_is(tx, &actor, over, trace).await?;
                    warn(&mut now, "done before: this is that visit as it is now");
                    Ok((now, true))
                }
                Claimed::OtherBody if reuse == Reuse::Refuse => Ok((Rejected::KeyReused.into(), false)),
                Claimed::OtherBody => {
                    let mut reply = case(tx, &actor, trace).await?;
                    warn(
                        &mut reply,
                        "this Idempotency-Key was used with another body: done as if it had none",
                    );
                    Ok((reply, false))
                }
            }
        };
        match site.db.write_in(lane, work).await {
            Ok((reply, replayed)) => {
                let mut response = reply.into_response();
                if replayed {
                    response.headers_mut().insert(&IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
                }
                response
            }
            Err(error) => Problem::from(error).into_response(),
        }
    }
}

fn warn(reply: &mut Reply, message: &str) {
    if let Some(warnings) = reply.body.get_mut("warnings").and_then(Value::as_array_mut) {
        warnings.push(serde_json::json!({ "message": message }));
    }
}

/// Whether it shows a visit that is watched, or will be.
fn says_watched(reply: &Reply) -> bool {
    let state = reply.body["state"].as_str().unwrap_or_default();
    reply.body["warnings"].is_array() && ["planned", "begun", "going_home"].contains(&state)
}

/// Whether the visit of a kept reply is planned or begun. A refusal has none: it is repeated as it was.
async fn still_runs(tx: &mut Tx, actor: &Actor, reply: &str) -> store::Result<bool> {
    Ok(visit_of(tx, actor, reply).await?.as_ref().is_none_or(runs))
}

async fn visit_of(tx: &mut Tx, actor: &Actor, reply: &str) -> store::Result<Option<Visit>> {
    let reply: Value = serde_json::from_str(reply).unwrap_or_default();
    let Some(id) = reply["id"].as_str().and_then(|id| id.parse().ok()) else { return Ok(None) };
    visits_kept::find(tx, actor.organisation, VisitId(id)).await
}

fn runs(visit: &Visit) -> bool {
    visit.watched_till().is_some() || matches!(visit.state, VisitState::Planned { .. })
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        if self.status == StatusCode::NO_CONTENT {
            return self.status.into_response();
        }
        let kind = if self.status.is_success() { "application/json" } else { "application/problem+json" };
        (self.status, [(header::CONTENT_TYPE, kind)], self.body.to_string()).into_response()
    }
}
