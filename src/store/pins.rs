//! PINs. The row is the first that a worker's act locks.

use sqlx::FromRow;

use super::{Error, Result, Sql, Tx, both, execute};
use crate::{
    clock::Time,
    domain::{
        ids::PersonId,
        pin::{PinHash, PinRecord},
    },
};

const LOAD: Sql = Sql::pair(
    "SELECT hash, wrong, locked_until FROM pin WHERE person_id = $1",
    "SELECT hash, wrong, locked_until FROM pin WHERE person_id = $1 FOR NO KEY UPDATE",
);
const IS_SET: &str = "SELECT hash IS NOT NULL FROM pin WHERE person_id = $1";
const SAVE: &str = "INSERT INTO pin (person_id, hash, wrong, locked_until) VALUES ($1, $2, $3, $4)
     ON CONFLICT (person_id) DO UPDATE SET hash = excluded.hash, wrong = excluded.wrong, locked_until = excluded.locked_until";

#[derive(FromRow)]
struct Row {
    hash: Option<Vec<u8>>,
    wrong: i32,
    locked_until: Option<Time>,
}

/// A worker's PIN, locked till the end of the use case. Every person has the row from `apply` on.
pub async fn load(tx: &mut Tx, person: PersonId) -> Result<PinRecord> {
    let text = tx.text(LOAD);
    let row: Option<Row> = both!(tx, |c| sqlx::query_as(text).bind(person).fetch_optional(c).await?);
    let Some(row) = row else { return Ok(PinRecord::default()) };
    let hash = row
        .hash
        .map(|hash| hash.try_into().map(PinHash).map_err(|_| Error::inconsistent("pin", "hash", person)))
        .transpose()?;
    Ok(PinRecord { hash, wrong: row.wrong, locked_until: row.locked_until })
}

/// Whether a person has set a PIN, to be shown.
pub async fn is_set(tx: &mut Tx, person: PersonId) -> Result<bool> {
    let set: Option<bool> = both!(tx, |c| sqlx::query_scalar(IS_SET).bind(person).fetch_optional(c).await?);
    Ok(set.unwrap_or(false))
}

/// Keeps it.
pub async fn save(tx: &mut Tx, person: PersonId, record: &PinRecord) -> Result<()> {
    execute!(
        tx,
        SAVE,
        person,
        record.hash.as_ref().map(|hash| &hash.0[..]),
        record.wrong,
        record.locked_until
    );
    Ok(())
}
