//! Texts that came in: kept before anything is done with them, each done once, then erased but for its name.

use sqlx::FromRow;

use super::{Result, Sql, Tx, both, execute};
use crate::clock::Time;

const KEEP_ANY_ORG: &str =
    "INSERT INTO inbound_text (provider, provider_id, received_at, sent_at, sender, body, due_at)
     VALUES ($1, $2, $3, $4, $5, $6, $3) ON CONFLICT (provider, provider_id) DO NOTHING";
const LOAD_ANY_ORG: Sql = Sql::pair(
    "SELECT provider, provider_id, received_at, sent_at, sender, body FROM inbound_text
     WHERE provider = $1 AND provider_id = $2 AND due_at IS NOT NULL",
    "SELECT provider, provider_id, received_at, sent_at, sender, body FROM inbound_text
     WHERE provider = $1 AND provider_id = $2 AND due_at IS NOT NULL FOR UPDATE SKIP LOCKED",
);
const DUE_ANY_ORG: &str =
    "SELECT provider, provider_id FROM inbound_text WHERE due_at <= $1 ORDER BY due_at LIMIT $2";
const DONE_ANY_ORG: &str = "UPDATE inbound_text SET due_at = NULL, sender = NULL, body = NULL
     WHERE provider = $1 AND provider_id = $2";
const AGAIN_ANY_ORG: &str =
    "UPDATE inbound_text SET due_at = $3 WHERE provider = $1 AND provider_id = $2 AND due_at IS NOT NULL";

/// A provider's kind, and its name for a text: what makes it the same text.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct TextName {
    /// The kind.
    pub provider: String,
    /// The name.
    pub provider_id: String,
}

/// A text as it came.
#[derive(Clone, PartialEq, Eq, FromRow)]
pub struct InboundText {
    /// Which.
    #[sqlx(flatten)]
    pub name: TextName,
    /// When it reached us.
    pub received_at: Time,
    /// When its provider got it, if it said so.
    pub sent_at: Option<Time>,
    /// The number that it says it comes from, or what is no number.
    pub sender: String,
    /// What it says.
    pub body: String,
}

impl std::fmt::Debug for InboundText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InboundText").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Keeps a text; false if it is there already.
pub async fn keep_any_org(tx: &mut Tx, text: &InboundText) -> Result<bool> {
    let TextName { provider, provider_id } = &text.name;
    let kept = execute!(
        tx,
        KEEP_ANY_ORG,
        provider,
        provider_id,
        text.received_at,
        text.sent_at,
        &text.sender,
        &text.body
    );
    Ok(kept == 1)
}

/// A text that is still to be done, locked till the end of the use case; none, if it was done, or somebody else is at it.
pub async fn load_any_org(tx: &mut Tx, name: &TextName) -> Result<Option<InboundText>> {
    let text = tx.text(LOAD_ANY_ORG);
    Ok(both!(tx, |c| sqlx::query_as(text)
        .bind(&name.provider)
        .bind(&name.provider_id)
        .fetch_optional(c)
        .await?))
}

/// Texts that are still to be done.
pub async fn due_any_org(tx: &mut Tx, now: Time, limit: i64) -> Result<Vec<TextName>> {
    Ok(both!(tx, |c| sqlx::query_as(DUE_ANY_ORG).bind(now).bind(limit).fetch_all(c).await?))
}

/// It is done: only its name stays.
pub async fn done_any_org(tx: &mut Tx, name: &TextName) -> Result<()> {
    execute!(tx, DONE_ANY_ORG, &name.provider, &name.provider_id);
    Ok(())
}

/// It could not be done and is looked at again then.
pub async fn again_any_org(tx: &mut Tx, name: &TextName, due: Time) -> Result<()> {
    execute!(tx, AGAIN_ANY_ORG, &name.provider, &name.provider_id, due);
    Ok(())
}
