//! One answer for one key: a request that is repeated after a lost reply is not done twice.

use sqlx::FromRow;

use super::{Error, Result, Tx, both, execute, later::later};
use crate::{clock::Time, domain::ids::PersonId};

const CLAIM: &str =
    "INSERT INTO idempotency (person_id, route, key, body_hash, created_at) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (person_id, route, key) DO NOTHING";
const FIND: &str =
    "SELECT body_hash, status, reply FROM idempotency WHERE person_id = $1 AND route = $2 AND key = $3";
const KEEP: &str =
    "UPDATE idempotency SET status = $4, reply = $5 WHERE person_id = $1 AND route = $2 AND key = $3";
const FORGET_ANY_ORG: &str = "DELETE FROM idempotency WHERE (person_id, route, key) IN
     (SELECT person_id, route, key FROM idempotency WHERE created_at < $1 ORDER BY created_at LIMIT 500)";

/// A key as one person used it on one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Whose.
    pub person: PersonId,
    /// Method and path.
    pub route: String,
    /// What the client chose.
    pub key: String,
    /// HMAC of the body: bodies hold PINs and are not kept.
    pub body_hash: Vec<u8>,
}

/// What was found under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// Nothing: do it.
    New,
    /// It was done: this was the answer.
    Done {
        /// The status.
        status: u16,
        /// The body.
        reply: String,
    },
    /// It was used with another body.
    OtherBody,
}

#[derive(FromRow)]
struct Row {
    body_hash: Vec<u8>,
    status: Option<i32>,
    reply: Option<String>,
}

/// Takes a key: the first statement of its use case, so that two at once wait for each other.
pub async fn claim(tx: &mut Tx, key: &Key, now: Time) -> Result<Claimed> {
    let taken = execute!(tx, CLAIM, key.person, &key.route, &key.key, &key.body_hash, now);
    if taken == 1 {
        return Ok(Claimed::New);
    }
    let row: Option<Row> = both!(tx, |c| sqlx::query_as(FIND)
        .bind(key.person)
        .bind(&key.route)
        .bind(&key.key)
        .fetch_optional(c)
        .await?);
    let Some(row) = row else { return Err(Error::Retry) };
    if row.body_hash != key.body_hash {
        return Ok(Claimed::OtherBody);
    }
    match (row.status.and_then(|status| u16::try_from(status).ok()), row.reply) {
        (Some(status), Some(reply)) => Ok(Claimed::Done { status, reply }),
        _ => Err(Error::inconsistent("idempotency", "status", &key.key)),
    }
}

/// Keeps the answer with the key.
pub async fn keep(tx: &mut Tx, key: &Key, status: u16, reply: &str) -> Result<()> {
    later!(tx, One, KEEP, key.person, &key.route, &key.key, i32::from(status), reply);
    Ok(())
}

/// Forgets up to 500 keys older than `before`.
pub async fn forget_any_org(tx: &mut Tx, before: Time) -> Result<()> {
    execute!(tx, FORGET_ANY_ORG, before);
    Ok(())
}
