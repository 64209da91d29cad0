//! PINs. The row is the first that a worker's act locks.

use sqlx::{FromRow, types::Json};

use super::{Error, Result, Sql, Tx, both, later::later};
use crate::{
    clock::Time,
    domain::{
        ids::{OrganisationId, PersonId, TeamId},
        pin::{PinHash, PinRecord},
        policy::Policy,
    },
};

const LOAD: Sql = Sql::pair(
    "SELECT hash, wrong, locked_until FROM pin WHERE person_id = $1",
    "SELECT hash, wrong, locked_until FROM pin WHERE person_id = $1 FOR NO KEY UPDATE",
);
const LOAD_WITH_POLICY: Sql = Sql::pair(
    "SELECT p.hash, p.wrong, p.locked_until, t.policy FROM pin p JOIN team t ON t.id = $2
     WHERE p.person_id = $1 AND t.organisation_id = $3",
    "SELECT p.hash, p.wrong, p.locked_until, t.policy FROM pin p JOIN team t ON t.id = $2
     WHERE p.person_id = $1 AND t.organisation_id = $3 FOR NO KEY UPDATE OF p",
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

impl Row {
    fn record(self, person: PersonId) -> Result<PinRecord> {
        let hash = self
            .hash
            .map(|hash| hash.try_into().map(PinHash).map_err(|_| Error::inconsistent("pin", "hash", person)))
            .transpose()?;
        Ok(PinRecord { hash, wrong: self.wrong, locked_until: self.locked_until })
    }
}

/// A worker's PIN, locked till the end of the use case. Every person has the row from `apply` on.
pub async fn load(tx: &mut Tx, person: PersonId) -> Result<PinRecord> {
    let text = tx.text(LOAD);
    let row: Option<Row> = both!(tx, |c| sqlx::query_as(text).bind(person).fetch_optional(c).await?);
    row.map_or(Ok(PinRecord::default()), |row| row.record(person))
}

/// The same, with what the worker's team works by.
pub async fn load_with_policy(
    tx: &mut Tx,
    organisation: OrganisationId,
    (person, team): (PersonId, TeamId),
) -> Result<(PinRecord, Policy)> {
    #[derive(FromRow)]
    struct WithPolicy {
        #[sqlx(flatten)]
        row: Row,
        policy: Json<Policy>,
    }
    let text = tx.text(LOAD_WITH_POLICY);
    let found: WithPolicy =
        both!(tx, |c| sqlx::query_as(text).bind(person).bind(team).bind(organisation).fetch_one(c).await?);
    Ok((found.row.record(person)?, found.policy.0))
}

/// Whether a person has set a PIN, to be shown.
pub async fn is_set(tx: &mut Tx, person: PersonId) -> Result<bool> {
    let set: Option<bool> = both!(tx, |c| sqlx::query_scalar(IS_SET).bind(person).fetch_optional(c).await?);
    Ok(set.unwrap_or(false))
}

/// Keeps it.
pub async fn save(tx: &mut Tx, person: PersonId, record: &PinRecord) -> Result<()> {
    later!(
        tx,
        Any,
        SAVE,
        person,
        record.hash.as_ref().map(|hash| &hash.0[..]),
        record.wrong,
        record.locked_until
    );
    Ok(())
}
