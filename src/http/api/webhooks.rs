//! Where other systems are told what happened, over HTTP (docs/webhooks.md).

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Act, Reply, incident_acts::NothingToSay, views::PersonView};
use crate::{
    app::{
        access::Actor,
        case_files::IsNew,
        webhooks::{self as cases, Shown},
    },
    config::{Networks, Secret},
    domain::{people::Directory, webhook::Offered},
    http::{
        Site,
        body::{Body, parse},
        problem::Problem,
    },
    store::people,
};

/// The longest key.
const LONGEST_KEY: usize = 40;

/// Where another system is told what happened, and how it is with it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct WebhookView {
    /// Its short name.
    key: String,
    /// Where it is. Path and query may hold a token: they are left out for whoever may not set it.
    url: String,
    /// The types that it is told of.
    events: Vec<String>,
    /// How many secrets sign: one, or two while one is changed for the other. They are shown to nobody.
    secrets: usize,
    /// `active`; `failing`: of what was tried nothing was taken since `failing_since`; `disabled`: it answered 410 and is told no
    /// more until it is set again.
    #[schema(pattern = "^(active|failing|disabled)$")]
    state: &'static str,
    /// Since when nothing was taken.
    failing_since: Option<DateTime<Utc>>,
    /// Since when it is disabled.
    disabled_at: Option<DateTime<Utc>>,
    /// So many events are still to be delivered: 1000 or a little more stand for more.
    backlog: i64,
    /// When the next of them is tried.
    next_try_at: Option<DateTime<Utc>>,
    /// When an event was last taken.
    last_success_at: Option<DateTime<Utc>>,
    /// So often in a row nothing was taken since.
    failures: u32,
    /// When an event was last not taken.
    last_failure_at: Option<DateTime<Utc>>,
    /// Why.
    last_failure: Option<String>,
    /// So many events were tried for days and given up: ask for a replay.
    given_up: i64,
    /// When that last happened.
    given_up_at: Option<DateTime<Utc>>,
    /// Who set it.
    set_by: PersonView,
    /// When.
    set_at: DateTime<Utc>,
}

impl WebhookView {
    fn new(directory: &Directory, shown: &Shown) -> Self {
        let Shown { webhook, url, backlog, next_try } = shown;
        let (set_by, set_at) = webhook.set;
        let (given_up, given_up_at) = webhook.given_up;
        let last_failure = webhook.last_failure.clone();
        Self {
            key: webhook.key.clone(),
            url: url.clone(),
            events: webhook.events.clone(),
            secrets: webhook.secrets.len(),
            state: match (webhook.disabled_at, webhook.failing_since) {
                (Some(_), _) => "disabled",
                (None, Some(_)) => "failing",
                (None, None) => "active",
            },
            failing_since: webhook.failing_since,
            disabled_at: webhook.disabled_at,
            backlog: *backlog,
            next_try_at: *next_try,
            last_success_at: webhook.last_success_at,
            failures: webhook.failures,
            last_failure_at: last_failure.as_ref().map(|(at, _)| *at),
            last_failure: last_failure.map(|(_, why)| why),
            given_up,
            given_up_at,
            set_by: PersonView::of(directory, set_by),
            set_at,
        }
    }
}

/// Webhooks.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct WebhookList {
    /// By key.
    webhooks: Vec<WebhookView>,
}

/// Lists where other systems are told what happened, and whether they are: administrators and auditors.
#[utoipa::path(get, path = "/webhooks", responses((status = 200, body = WebhookList),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(State(site): State<Site>, actor: Actor) -> Result<Response, Problem> {
    let mut tx = site.db.read().await?;
    let all = cases::list(&mut tx, &actor).await??;
    let directory = people::directory(&mut tx, actor.organisation).await?;
    let webhooks = all.iter().map(|shown| WebhookView::new(&directory, shown)).collect();
    Ok(Reply::ok(&WebhookList { webhooks }).into_response())
}

/// What is said of one.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookBody {
    /// Where it is: https alone.
    url: String,
    /// The types that are wanted: docs/webhooks.md lists them.
    events: Vec<String>,
    /// What signs: `whsec_` and 24 to 64 random bytes in base64. Two while one is changed for the other: both sign. Left out: as
    /// it was.
    #[schema(value_type = Option<Vec<String>>)]
    secrets: Option<Vec<Secret>>,
}

impl WebhookBody {
    fn check(self, key: String, networks: Networks) -> Result<cases::Wanted, Problem> {
        let Self { url, events, secrets } = self;
        let simple = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if key.is_empty() || key.len() > LONGEST_KEY || !key.chars().all(simple) {
            let what = format!("a key is made of letters, digits, - and _, {LONGEST_KEY} at most");
            return Err(Problem::field("key", what));
        }
        if let Some(wrong) = networks.bad_url(&url) {
            return Err(Problem::field("url", wrong));
        }
        if events.is_empty() {
            return Err(Problem::field("events", "say which types are wanted"));
        }
        if let Some(at) = events.iter().position(|name| !Offered::has_name(name)) {
            let all: Vec<&str> = Offered::names().collect();
            let what = format!("there is no such type; there are {}", all.join(", "));
            return Err(Problem::field(format!("events[{at}]"), what));
        }
        if let Some(secrets) = &secrets {
            if !(1..=2).contains(&secrets.len()) {
                let what = "say one, or two while one is changed for the other";
                return Err(Problem::field("secrets", what));
            }
            if let Some(at) = secrets.iter().position(|secret| secret.webhook_key().is_none()) {
                let what =
                    "write whsec_ and 24 to 64 random bytes in base64: echo whsec_$(openssl rand -base64 32)";
                return Err(Problem::field(format!("secrets[{at}]"), what));
            }
        }
        Ok(cases::Wanted { key, url, events, secrets })
    }
}

/// Sets where another system is told what happens from now on; set again it is changed, and told again if it was disabled.
#[utoipa::path(put, path = "/webhooks/{key}", params(("key" = String, Path)), request_body = WebhookBody,
    responses((status = 201, body = WebhookView), (status = 200, body = WebhookView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn set(
    State(site): State<Site>,
    actor: Actor,
    Path(key): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let route = format!("PUT /webhooks/{key}");
    let wanted = parse::<WebhookBody>(&body)?.check(key, site.house.networks)?;
    let server_key = site.key.clone();
    let case = async move |tx: &mut _, actor: &Actor, trace| {
        Ok(match cases::set(tx, &server_key, actor, &wanted, trace).await? {
            Ok((shown, is_new)) => {
                let directory = people::directory(tx, actor.organisation).await?;
                let status = if is_new == IsNew::Yes { StatusCode::CREATED } else { StatusCode::OK };
                Reply::new(status, &WebhookView::new(&directory, &shown))
            }
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, route, &headers, body).run(case).await)
}

/// Removes one; what was still to be delivered to it is not.
#[utoipa::path(post, path = "/webhooks/{key}/remove", params(("key" = String, Path)), request_body = NothingToSay,
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn remove(
    State(site): State<Site>,
    actor: Actor,
    Path(key): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let NothingToSay {} = parse(&body)?;
    let route = format!("POST /webhooks/{key}/remove");
    let case = async move |tx: &mut _, actor: &Actor, trace| {
        Ok(match cases::remove(tx, actor, &key, trace).await? {
            Ok(()) => Reply::no_content(),
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, route, &headers, body).run(case).await)
}

/// From where on.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayBody {
    /// The `webhook-id` of an event, or its `cursor` in `GET /events`: it is the first that is told once more.
    from: String,
}

/// Tells what happened once more, from an event on, with the same ids; and whatever waits is tried at once.
#[utoipa::path(post, path = "/webhooks/{key}/replay", params(("key" = String, Path)), request_body = ReplayBody,
    responses((status = 200, body = WebhookView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn replay(
    State(site): State<Site>,
    actor: Actor,
    Path(key): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let ReplayBody { from } = parse(&body)?;
    let route = format!("POST /webhooks/{key}/replay");
    let server_key = site.key.clone();
    let case = async move |tx: &mut _, actor: &Actor, trace| {
        Ok(match cases::replay(tx, &server_key, actor, (&key, &from), trace).await? {
            Ok(shown) => {
                let directory = people::directory(tx, actor.organisation).await?;
                Reply::ok(&WebhookView::new(&directory, &shown))
            }
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, route, &headers, body).run(case).await)
}
