//! Policy documents, their versions, and who has acknowledged which.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use sqlx::{FromRow, types::Json};

use super::{Error, Result, Tx, both, execute, people};
use crate::{
    clock::Time,
    domain::{
        ids::{OrganisationId, PersonId, PolicyDocumentId},
        people::Role,
        policy_document::{
            Acknowledged, Link, PolicyDocument, PolicyKind, Version, Whom, still_to_acknowledge,
        },
    },
};

const DOCUMENTS: &str =
    "SELECT id, key, title, kind, roles FROM policy_document WHERE organisation_id = $1 ORDER BY key";
const VERSIONS: &str =
    "SELECT document_id, number, link, changed, due_on, added_at, added_by FROM policy_version
     WHERE organisation_id = $1 ORDER BY document_id, number";
const ADD_DOCUMENT: &str = "INSERT INTO policy_document (id, organisation_id, key, title, kind, roles)
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
const ADD_VERSION: &str =
    "INSERT INTO policy_version (document_id, number, organisation_id, link, changed, due_on, added_at, added_by)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";
const ACKNOWLEDGE: &str =
    "INSERT INTO policy_acknowledgement (person_id, document_id, number, organisation_id, at)
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
const BY: &str = "SELECT document_id, number, at FROM policy_acknowledgement
     WHERE person_id = $1 AND organisation_id = $2 ORDER BY document_id, number";
const OF: &str = "SELECT person_id, max(number) FROM policy_acknowledgement
     WHERE document_id = $1 AND organisation_id = $2 GROUP BY person_id";

#[derive(FromRow)]
struct Row {
    id: PolicyDocumentId,
    key: String,
    title: String,
    kind: PolicyKind,
    roles: Option<Json<BTreeSet<Role>>>,
}

#[derive(FromRow)]
struct VersionRow {
    document_id: PolicyDocumentId,
    number: i32,
    link: Link,
    changed: Option<String>,
    due_on: String,
    added_at: Time,
    added_by: PersonId,
}

impl TryFrom<VersionRow> for Version {
    type Error = Error;
    fn try_from(row: VersionRow) -> Result<Self> {
        let due_on: NaiveDate = row
            .due_on
            .parse()
            .map_err(|_| Error::inconsistent("policy_version", "due_on", row.document_id))?;
        let VersionRow { number, link, changed, added_at, added_by, .. } = row;
        Ok(Self { number, link, changed, due_on, added: (added_by, added_at) })
    }
}

/// Every document, by its key.
pub async fn all(tx: &mut Tx, organisation: OrganisationId) -> Result<Vec<PolicyDocument>> {
    let rows: Vec<Row> = both!(tx, |c| sqlx::query_as(DOCUMENTS).bind(organisation).fetch_all(c).await?);
    let versions: Vec<VersionRow> =
        both!(tx, |c| sqlx::query_as(VERSIONS).bind(organisation).fetch_all(c).await?);
    let mut of: BTreeMap<PolicyDocumentId, Vec<Version>> = BTreeMap::new();
    for row in versions {
        of.entry(row.document_id).or_default().push(row.try_into()?);
    }
    let document = |Row { id, key, title, kind, roles }| PolicyDocument {
        id,
        organisation,
        key,
        title,
        kind,
        whom: roles.map_or(Whom::Everyone, |roles| Whom::Roles(roles.0)),
        versions: of.remove(&id).unwrap_or_default(),
    };
    Ok(rows.into_iter().map(document).collect())
}

/// Keeps a new document with its first version; false: there is one with this key.
pub async fn add(tx: &mut Tx, organisation: OrganisationId, document: &PolicyDocument) -> Result<bool> {
    let roles = match &document.whom {
        Whom::Everyone => None,
        Whom::Roles(roles) => Some(Json(roles)),
    };
    let PolicyDocument { id, key, title, kind, versions, .. } = document;
    let added = execute!(tx, ADD_DOCUMENT, *id, organisation, key, title, *kind, roles);
    if added == 0 {
        return Ok(false);
    }
    for version in versions {
        add_version(tx, organisation, *id, version).await?;
    }
    Ok(true)
}

/// Keeps a version. Somebody else may have added one meanwhile: then it is to be looked at again.
pub async fn add_version(
    tx: &mut Tx,
    organisation: OrganisationId,
    document: PolicyDocumentId,
    version: &Version,
) -> Result<()> {
    let (by, at) = version.added;
    let added = execute!(
        tx,
        ADD_VERSION,
        document,
        version.number,
        organisation,
        &version.link,
        &version.changed,
        version.due_on.to_string(),
        at,
        by
    );
    if added == 1 { Ok(()) } else { Err(Error::Conflict) }
}

/// Somebody acknowledges a version; false: they have before.
pub async fn acknowledge(
    tx: &mut Tx,
    organisation: OrganisationId,
    (person, document, number): (PersonId, PolicyDocumentId, i32),
    at: Time,
) -> Result<bool> {
    Ok(execute!(tx, ACKNOWLEDGE, person, document, number, organisation, at) == 1)
}

/// What somebody has acknowledged, and when: each document's versions from the first on.
pub async fn by_person(
    tx: &mut Tx,
    organisation: OrganisationId,
    person: PersonId,
) -> Result<Vec<(PolicyDocumentId, i32, Time)>> {
    Ok(both!(tx, |c| sqlx::query_as(BY).bind(person).bind(organisation).fetch_all(c).await?))
}

/// The highest version of each document that somebody has acknowledged.
pub async fn acknowledged_by(
    tx: &mut Tx,
    organisation: OrganisationId,
    person: PersonId,
) -> Result<Acknowledged> {
    let all = by_person(tx, organisation, person).await?;
    Ok(all.into_iter().map(|(document, number, _)| (document, number)).collect())
}

/// Who has acknowledged which version of a document last.
pub async fn of_document(
    tx: &mut Tx,
    organisation: OrganisationId,
    document: PolicyDocumentId,
) -> Result<BTreeMap<PersonId, i32>> {
    let rows: Vec<(PersonId, i32)> =
        both!(tx, |c| sqlx::query_as(OF).bind(document).bind(organisation).fetch_all(c).await?);
    Ok(rows.into_iter().collect())
}

/// The titles of what somebody has still to acknowledge at a time, also where there is time left for it.
pub async fn unacknowledged_by(
    tx: &mut Tx,
    organisation: OrganisationId,
    person: PersonId,
    now: Time,
) -> Result<Vec<String>> {
    titles(tx, (organisation, person), now, |_| true).await
}

/// Of those the ones whose last day is over.
pub async fn overdue_by(
    tx: &mut Tx,
    organisation: OrganisationId,
    person: PersonId,
    now: Time,
) -> Result<Vec<String>> {
    let zone = people::directory(tx, organisation).await?.zone;
    let today = now.with_timezone(&zone).date_naive();
    titles(tx, (organisation, person), now, |by| today > by).await
}

async fn titles(
    tx: &mut Tx,
    (organisation, person): (OrganisationId, PersonId),
    now: Time,
    counts: impl Fn(NaiveDate) -> bool,
) -> Result<Vec<String>> {
    let documents = all(tx, organisation).await?;
    let acknowledged = acknowledged_by(tx, organisation, person).await?;
    let directory = people::directory(tx, organisation).await?;
    let role = directory.person(person).and_then(|person| person.role);
    let open = still_to_acknowledge(&documents, role, &acknowledged, now);
    let titles = open.iter().filter(|open| counts(open.by)).map(|open| open.document.title.clone());
    Ok(titles.collect())
}
