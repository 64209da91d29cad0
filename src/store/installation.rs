//! What is about the installation as a whole: whether the server key is the right one, when a round last committed, what the
//! database takes the time to be, how much there is.

use super::{Error, Result, Sql, Tx, both, execute, one_row};
use crate::clock::Time;

const KEY_CHECK: &str = "SELECT key_check FROM installation WHERE id = 1";
const KEEP_KEY_CHECK: &str =
    "INSERT INTO installation (id, key_check) VALUES (1, $1) ON CONFLICT (id) DO NOTHING";
const LAST_ROUND: &str = "SELECT committed_at FROM installation WHERE id = 1";
const ROUND_DONE: &str = "UPDATE installation SET committed_at = $1 WHERE id = 1";
// The only SQL that asks what time it is: what is due is told the time. On SQLite the machine's clock is the time, and nobody asks.
const TIME: Sql = Sql::pair("SELECT strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')", "SELECT clock_timestamp()");
// Both words are those of partial indices.
const COUNTS_ANY_ORG: &str =
    "SELECT (SELECT count(*) FROM visit WHERE state IN ('planned', 'begun', 'going_home')),
       (SELECT count(*) FROM incident WHERE state = 'open')";

/// Keeps what the server key gives for a fixed text, once; says whether it is the same now.
pub async fn key_is_ours(tx: &mut Tx, key_check: &[u8]) -> Result<bool> {
    execute!(tx, KEEP_KEY_CHECK, key_check);
    let kept: Vec<u8> = both!(tx, |c| sqlx::query_scalar(KEY_CHECK).fetch_one(c).await?);
    Ok(kept == key_check)
}

/// When a round of the timer, on any replica, last committed.
pub async fn last_round(tx: &mut Tx) -> Result<Option<Time>> {
    let last: Option<Option<Time>> = both!(tx, |c| sqlx::query_scalar(LAST_ROUND).fetch_optional(c).await?);
    last.ok_or(Error::Unavailable("this database was not set up: run `homeward migrate`".into()))
}

/// A round is about to commit.
pub async fn round_done(tx: &mut Tx, now: Time) -> Result<()> {
    one_row(execute!(tx, ROUND_DONE, now))
}

/// What time the database takes it to be.
pub async fn time(tx: &mut Tx) -> Result<Time> {
    let text = tx.text(TIME);
    Ok(both!(tx, |c| sqlx::query_scalar(text).fetch_one(c).await?))
}

/// How many visits are planned or begun, and how many incidents are open.
pub async fn counts_any_org(tx: &mut Tx) -> Result<(i64, i64)> {
    Ok(both!(tx, |c| sqlx::query_as(COUNTS_ANY_ORG).fetch_one(c).await?))
}
