//! What workers have rehearsed by text.

use sqlx::FromRow;

use super::{Result, Sql, Tx, both, execute};
use crate::{
    clock::Time,
    domain::{
        ids::{OrganisationId, PersonId},
        rehearsal::Rehearsal,
    },
};

const LOAD: Sql = Sql::pair(
    "SELECT * FROM rehearsal WHERE person_id = $1 AND organisation_id = $2",
    "SELECT * FROM rehearsal WHERE person_id = $1 AND organisation_id = $2 FOR NO KEY UPDATE",
);
const SAVE: &str = "INSERT INTO rehearsal (person_id, organisation_id, begun_at, in_at, out_at, sos_at, duress_at, whole_at, over_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     ON CONFLICT (person_id) DO UPDATE SET begun_at = excluded.begun_at, in_at = excluded.in_at, out_at = excluded.out_at,
       sos_at = excluded.sos_at, duress_at = excluded.duress_at, whole_at = excluded.whole_at, over_at = excluded.over_at";
const LIST: &str = "SELECT * FROM rehearsal WHERE organisation_id = $1";
const OVER_ANY_ORG: Sql = Sql::pair(
    "SELECT person_id, organisation_id FROM rehearsal WHERE over_at <= $1 ORDER BY over_at LIMIT $2",
    "SELECT person_id, organisation_id FROM rehearsal WHERE over_at <= $1 ORDER BY over_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED",
);
const NEXT_OVER_ANY_ORG: &str = "SELECT min(over_at) FROM rehearsal WHERE over_at IS NOT NULL";

#[derive(FromRow)]
struct Row {
    person_id: PersonId,
    begun_at: Time,
    in_at: Option<Time>,
    out_at: Option<Time>,
    sos_at: Option<Time>,
    duress_at: Option<Time>,
    whole_at: Option<Time>,
    over_at: Option<Time>,
}

impl From<Row> for Rehearsal {
    fn from(row: Row) -> Self {
        Self {
            begun_at: row.begun_at,
            went_in: row.in_at,
            came_out: row.out_at,
            called: row.sos_at,
            under_duress: row.duress_at,
            whole_at: row.whole_at,
            over_at: row.over_at,
        }
    }
}

/// A worker's, locked till the end of the use case.
pub async fn load(tx: &mut Tx, organisation: OrganisationId, person: PersonId) -> Result<Option<Rehearsal>> {
    let text = tx.text(LOAD);
    let row: Option<Row> =
        both!(tx, |c| sqlx::query_as(text).bind(person).bind(organisation).fetch_optional(c).await?);
    Ok(row.map(Rehearsal::from))
}

/// Keeps it. Every column is written whichever step it was.
pub async fn save(
    tx: &mut Tx,
    organisation: OrganisationId,
    person: PersonId,
    rehearsal: &Rehearsal,
) -> Result<()> {
    let Rehearsal { begun_at, went_in, came_out, called, under_duress, whole_at, over_at } = rehearsal;
    execute!(
        tx,
        SAVE,
        person,
        organisation,
        begun_at,
        went_in,
        came_out,
        called,
        under_duress,
        whole_at,
        over_at
    );
    Ok(())
}

/// Everybody's of an organisation.
pub async fn list(tx: &mut Tx, organisation: OrganisationId) -> Result<Vec<(PersonId, Rehearsal)>> {
    let rows: Vec<Row> = both!(tx, |c| sqlx::query_as(LIST).bind(organisation).fetch_all(c).await?);
    Ok(rows.into_iter().map(|row| (row.person_id, Rehearsal::from(row))).collect())
}

/// Those that are over and whose workers are still to be told.
pub async fn over_any_org(tx: &mut Tx, now: Time, limit: i64) -> Result<Vec<(PersonId, OrganisationId)>> {
    let text = tx.text(OVER_ANY_ORG);
    Ok(both!(tx, |c| sqlx::query_as(text).bind(now).bind(limit).fetch_all(c).await?))
}

/// When the next is over.
pub async fn next_over_any_org(tx: &mut Tx) -> Result<Option<Time>> {
    Ok(both!(tx, |c| sqlx::query_scalar(NEXT_OVER_ANY_ORG).fetch_one(c).await?))
}
