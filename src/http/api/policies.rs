//! Policy documents over HTTP: added, read, acknowledged. `{id}` is a document's id or its key.

use std::collections::BTreeSet;

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Act, Reply, incidents::said, ladders::TeamView, views::PersonView};
use crate::{
    app::{
        access::Actor,
        policy_documents::{self as cases, HasNot, NewDocument, NewVersion, Standing},
    },
    domain::{
        ids::PolicyDocumentId,
        people::{Directory, Role},
        policy_document::{
            Acknowledged, Link, PolicyDocument, PolicyKind, StillToAcknowledge, Version, Whom,
            still_to_acknowledge,
        },
    },
    http::{
        Site,
        body::{Body, parse},
        problem::Problem,
    },
    store::{self, Tx, people},
};

/// The longest title: it stands in texts.
const LONGEST_TITLE: usize = 200;

/// One version of a document.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct PolicyVersionView {
    /// 1, 2, 3 …
    version: i32,
    /// Where it can be read.
    link: String,
    /// What is new in it.
    changed: Option<String>,
    /// The last day on which it is acknowledged in time.
    due_on: NaiveDate,
    /// When it was added.
    added_at: DateTime<Utc>,
    /// By whom.
    added_by: PersonView,
    /// When you have acknowledged it.
    acknowledged_at: Option<DateTime<Utc>>,
}

/// A document, and what you have to do about it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct PolicyView {
    /// Its id.
    id: Uuid,
    /// Its short name.
    key: String,
    /// Its title.
    title: String,
    /// What it is about.
    kind: PolicyKind,
    /// Who has to acknowledge it; `null`: everybody with a role.
    roles: Option<Vec<Role>>,
    /// The version in force.
    in_force: Option<PolicyVersionView>,
    /// Those before it, the newest first.
    earlier: Vec<PolicyVersionView>,
    /// Whether you have to acknowledge it and have not.
    to_acknowledge: bool,
    /// The last day for it.
    by: Option<NaiveDate>,
    /// Whether that day is over.
    late: bool,
}

type By = [(PolicyDocumentId, i32, DateTime<Utc>)];

impl PolicyView {
    fn new(
        (directory, actor): (&Directory, &Actor),
        document: &PolicyDocument,
        acknowledged: &By,
        now: DateTime<Utc>,
    ) -> Self {
        let version = |version: &Version| PolicyVersionView {
            version: version.number,
            link: version.link.as_str().to_owned(),
            changed: version.changed.clone(),
            due_on: version.due_on,
            added_at: version.added.1,
            added_by: PersonView::of(directory, version.added.0),
            acknowledged_at: acknowledged
                .iter()
                .find(|(id, number, _)| (*id, *number) == (document.id, version.number))
                .map(|(.., at)| *at),
        };
        let last: Acknowledged = acknowledged.iter().map(|(id, number, _)| (*id, *number)).collect();
        let open = still_to_acknowledge(std::slice::from_ref(document), Some(actor.role), &last, now);
        let open: Option<&StillToAcknowledge<'_>> = open.first();
        let today = now.with_timezone(&actor.zone).date_naive();
        let roles = match &document.whom {
            Whom::Everyone => None,
            Whom::Roles(roles) => Some(roles.iter().copied().collect()),
        };
        let mut versions: Vec<_> = document.versions.iter().rev().map(version).collect();
        let in_force = (!versions.is_empty()).then(|| versions.remove(0));
        Self {
            id: document.id.0,
            key: document.key.clone(),
            title: document.title.clone(),
            kind: document.kind,
            roles,
            in_force,
            earlier: versions,
            to_acknowledge: open.is_some(),
            by: open.map(|open| open.by),
            late: open.is_some_and(|open| open.is_late(today)),
        }
    }
}

async fn view(
    tx: &mut Tx,
    actor: &Actor,
    document: &PolicyDocument,
    now: DateTime<Utc>,
) -> store::Result<PolicyView> {
    let directory = people::directory(tx, actor.organisation).await?;
    let seen = cases::list(tx, actor).await?;
    Ok(PolicyView::new((&directory, actor), document, &seen.acknowledged, now))
}

/// A document to be added.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyBody {
    /// A short name: letters, digits, - and _.
    key: String,
    /// Its title.
    title: String,
    /// What it is about.
    kind: PolicyKind,
    /// Where it can be read: https alone.
    link: String,
    /// Who has to acknowledge it; everybody with a role, if it is not said.
    roles: Option<BTreeSet<Role>>,
    /// The last day on which it is acknowledged in time; from the next on whoever has not is asked each day.
    due_on: NaiveDate,
}

/// Adds a policy, with its first version.
#[utoipa::path(post, path = "/policies", request_body = PolicyBody, responses((status = 201, body = PolicyView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn add(
    State(site): State<Site>,
    actor: Actor,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let PolicyBody { key, title, kind, link, roles, due_on } = parse(&body)?;
    let whom = match roles {
        None => Whom::Everyone,
        Some(roles) if roles.is_empty() => {
            return Err(Problem::field(
                "roles",
                "nobody would have to acknowledge it: name a role, or leave it out",
            ));
        }
        Some(roles) => Whom::Roles(roles),
    };
    let new = NewDocument {
        key: short_name(&key)?,
        title: short("title", &title, LONGEST_TITLE)?,
        kind,
        whom,
        first: NewVersion { link: https("link", &link)?, changed: None, due_on: day("due_on", due_on)? },
    };
    let case = async move |tx: &mut _, actor: &Actor, trace: store::Trace| {
        Ok(match cases::add(tx, actor, new.clone(), trace).await? {
            Ok(document) => Reply::new(StatusCode::CREATED, &view(tx, actor, &document, trace.now).await?),
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, "POST /policies", &headers, body).run(case).await)
}

/// A version to be added.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyVersionBody {
    /// Where it can be read: https alone.
    link: String,
    /// What is new in it.
    changed: String,
    /// The last day on which it is acknowledged in time.
    due_on: NaiveDate,
}

/// Adds a version of a policy. It is in force at once, and everybody acknowledges it anew.
#[utoipa::path(post, path = "/policies/{id}/versions", params(("id" = String, Path)), request_body = PolicyVersionBody,
    responses((status = 201, body = PolicyView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn add_version(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let PolicyVersionBody { link, changed, due_on } = parse(&body)?;
    let link = https("link", &link)?;
    let new = NewVersion { link, changed: Some(said("changed", &changed)?), due_on: day("due_on", due_on)? };
    let route = format!("POST /policies/{id}/versions");
    let case = async move |tx: &mut _, actor: &Actor, trace: store::Trace| {
        Ok(match cases::add_version(tx, actor, &id, new.clone(), trace).await? {
            Ok(document) => Reply::new(StatusCode::CREATED, &view(tx, actor, &document, trace.now).await?),
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, route, &headers, body).run(case).await)
}

/// Policies.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct PolicyList {
    /// By their keys.
    policies: Vec<PolicyView>,
}

/// Lists the policies, with what you have still to acknowledge.
#[utoipa::path(get, path = "/policies", responses((status = 200, body = PolicyList),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(State(site): State<Site>, actor: Actor) -> Result<Response, Problem> {
    let mut tx = site.db.read().await?;
    let seen = cases::list(&mut tx, &actor).await?;
    let directory = people::directory(&mut tx, actor.organisation).await?;
    let now = site.clock.now();
    let one = |document| PolicyView::new((&directory, &actor), document, &seen.acknowledged, now);
    Ok(Reply::ok(&PolicyList { policies: seen.documents.iter().map(one).collect() }).into_response())
}

/// Which version you have read.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AcknowledgeBody {
    /// Its number.
    version: i32,
}

/// What you have acknowledged.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct AcknowledgedView {
    /// Which policy.
    policy: Uuid,
    /// Its key.
    key: String,
    /// Which version.
    version: i32,
    /// When, the first time.
    acknowledged_at: DateTime<Utc>,
}

/// Says that you have read the version in force. Said again it changes nothing; nobody says it for somebody else.
#[utoipa::path(post, path = "/policies/{id}/acknowledge", params(("id" = String, Path)), request_body = AcknowledgeBody,
    responses((status = 200, body = AcknowledgedView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn acknowledge(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let AcknowledgeBody { version } = parse(&body)?;
    let route = format!("POST /policies/{id}/acknowledge");
    let case = async move |tx: &mut _, actor: &Actor, trace| {
        Ok(match cases::acknowledge(tx, actor, &id, version, trace).await? {
            Ok(done) => Reply::ok(&AcknowledgedView {
                policy: done.document.id.0,
                key: done.document.key,
                version: done.version,
                acknowledged_at: done.at,
            }),
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, route, &headers, body).run(case).await)
}

/// Somebody who has not acknowledged what is in force.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct HasNotView {
    /// Who.
    person: PersonView,
    /// Of which team.
    team: Option<TeamView>,
    /// The last version that they have acknowledged.
    last_version: Option<i32>,
    /// The last day on which they were, or will be, in time.
    by: NaiveDate,
    /// Whether that day is over.
    late: bool,
}

/// Who has not acknowledged a policy.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct MissingView {
    /// Which policy.
    policy: Uuid,
    /// Its title.
    title: String,
    /// The version in force.
    version: Option<i32>,
    /// So many people whom you may see have to acknowledge it.
    concerned: usize,
    /// So many of them have.
    acknowledged: usize,
    /// Who has not, by name.
    missing: Vec<HasNotView>,
}

/// Says who has not acknowledged the version in force: of the teams in your reach.
#[utoipa::path(get, path = "/policies/{id}/missing", params(("id" = String, Path)), responses((status = 200, body = MissingView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn missing(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let now = site.clock.now();
    let standing = cases::missing(&mut site.db.read().await?, &actor, &id, now).await??;
    let Standing { document, directory, missing, concerned } = standing;
    let today = now.with_timezone(&actor.zone).date_naive();
    let one = |has_not: &HasNot| HasNotView {
        person: PersonView::of(&directory, has_not.person),
        team: TeamView::of(&directory, has_not.team),
        last_version: has_not.last,
        by: has_not.by,
        late: today > has_not.by,
    };
    Ok(Reply::ok(&MissingView {
        policy: document.id.0,
        title: document.title.clone(),
        version: document.in_force().map(|version| version.number),
        concerned,
        acknowledged: concerned - missing.len(),
        missing: missing.iter().map(one).collect(),
    })
    .into_response())
}

/// A short name that people call something by.
pub(super) fn short_name(key: &str) -> Result<String, Problem> {
    let good = (1..=60).contains(&key.len())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if good {
        Ok(key.to_owned())
    } else {
        Err(Problem::field("key", "a key is made of letters, digits, - and _, 60 at most"))
    }
}

/// Words of one line that have to be there.
pub(super) fn short(field: &str, words: &str, longest: usize) -> Result<String, Problem> {
    let words = said(field, words)?.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() > longest {
        return Err(Problem::field(field, format!("{longest} characters at most")));
    }
    Ok(words)
}

/// A day that can be meant.
pub(super) fn day(field: &str, day: NaiveDate) -> Result<NaiveDate, Problem> {
    if (2000..2200).contains(&day.year()) {
        Ok(day)
    } else {
        Err(Problem::field(field, "this day cannot be meant: say it as 2026-03-09"))
    }
}

fn https(field: &str, link: &str) -> Result<Link, Problem> {
    Link::parse(link).map_err(|bad| Problem::field(field, bad.to_string()))
}
