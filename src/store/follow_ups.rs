//! What has to be done after incidents.

use chrono::NaiveDate;
use sqlx::FromRow;

use super::{Error, Result, Tx, both, execute};
use crate::{
    clock::Time,
    domain::{
        follow_up::{Done, FollowUp, FollowUpKind},
        ids::{FollowUpId, IncidentId, OrganisationId, PersonId},
    },
};

const INSERT: &str = "INSERT INTO follow_up (id, organisation_id, incident_id, kind, what, owner_id, due_on, created_at, created_by)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const FIND: &str = "SELECT * FROM follow_up WHERE id = $1 AND organisation_id = $2";
const OF_INCIDENT: &str =
    "SELECT * FROM follow_up WHERE incident_id = $1 AND organisation_id = $2 ORDER BY id";
const OPEN: &str =
    "SELECT * FROM follow_up WHERE organisation_id = $1 AND done_at IS NULL AND (due_on > $2 OR due_on = $2 AND id > $3)
     ORDER BY due_on, id LIMIT $4";
const DONE: &str = "UPDATE follow_up SET done_at = $3, done_by = $4, done_note = $5
     WHERE id = $1 AND organisation_id = $2 AND done_at IS NULL";

#[derive(FromRow)]
struct Row {
    id: FollowUpId,
    organisation_id: OrganisationId,
    incident_id: IncidentId,
    kind: FollowUpKind,
    what: String,
    owner_id: PersonId,
    due_on: String,
    created_at: Time,
    created_by: PersonId,
    done_at: Option<Time>,
    done_by: Option<PersonId>,
    done_note: Option<String>,
}

impl TryFrom<Row> for FollowUp {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        let due_on: NaiveDate =
            row.due_on.parse().map_err(|_| Error::inconsistent("follow_up", "due_on", row.id))?;
        let done = row.done_at.zip(row.done_by).map(|(at, by)| Done {
            at,
            by,
            note: row.done_note.unwrap_or_default(),
        });
        Ok(Self {
            id: row.id,
            organisation: row.organisation_id,
            incident: row.incident_id,
            kind: row.kind,
            what: row.what,
            owner: row.owner_id,
            due_on,
            set: (row.created_by, row.created_at),
            done,
        })
    }
}

/// Keeps a new one.
pub async fn insert(tx: &mut Tx, follow_up: &FollowUp) -> Result<()> {
    let (by, at) = follow_up.set;
    execute!(
        tx,
        INSERT,
        follow_up.id,
        follow_up.organisation,
        follow_up.incident,
        follow_up.kind,
        &follow_up.what,
        follow_up.owner,
        follow_up.due_on.to_string(),
        at,
        by
    );
    Ok(())
}

/// One of them.
pub async fn find(tx: &mut Tx, organisation: OrganisationId, id: FollowUpId) -> Result<Option<FollowUp>> {
    let row: Option<Row> =
        both!(tx, |c| sqlx::query_as(FIND).bind(id).bind(organisation).fetch_optional(c).await?);
    row.map(FollowUp::try_from).transpose()
}

/// Those after one incident.
pub async fn of_incident(
    tx: &mut Tx,
    organisation: OrganisationId,
    incident: IncidentId,
) -> Result<Vec<FollowUp>> {
    let rows: Vec<Row> =
        both!(tx, |c| sqlx::query_as(OF_INCIDENT).bind(incident).bind(organisation).fetch_all(c).await?);
    rows.into_iter().map(FollowUp::try_from).collect()
}

/// Those that are not done, the most urgent first, after one of them.
pub async fn open(
    tx: &mut Tx,
    organisation: OrganisationId,
    (after, limit): (Option<&FollowUp>, i64),
) -> Result<Vec<FollowUp>> {
    let (due_on, id) = match after {
        Some(after) => (after.due_on.to_string(), after.id),
        None => (String::new(), FollowUpId(uuid::Uuid::nil())),
    };
    let rows: Vec<Row> = both!(tx, |c| sqlx::query_as(OPEN)
        .bind(organisation)
        .bind(&due_on)
        .bind(id)
        .bind(limit)
        .fetch_all(c)
        .await?);
    rows.into_iter().map(FollowUp::try_from).collect()
}

/// It is done; false: it was done before.
pub async fn done(tx: &mut Tx, organisation: OrganisationId, id: FollowUpId, done: &Done) -> Result<bool> {
    Ok(execute!(tx, DONE, id, organisation, done.at, done.by, &done.note) == 1)
}
