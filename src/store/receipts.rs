//! What became of messages after a provider had taken them. Beside a message's state, which says how far we have got with it.

use super::{Result, Sql, Tx, both, execute, id_list::IdList, messages};
use crate::{
    clock::Time,
    domain::{
        ids::{MessageId, OrganisationId},
        receipt::Standing,
    },
};

const FIND_ANY_ORG: &str = "SELECT organisation_id FROM message WHERE id = $1";
const FIND_BY_REFERENCE_ANY_ORG: &str =
    "SELECT id, organisation_id FROM message WHERE reference = $1 ORDER BY created_at DESC LIMIT 1";
const STANDING: &str = "SELECT receipt FROM message WHERE id = $1 AND organisation_id = $2";
const KEEP: &str = "UPDATE message SET receipt = $3, receipt_at = $4 WHERE id = $1 AND organisation_id = $2";
const EXPECT_ANY_ORG: Sql = Sql::pair(
    "INSERT INTO receipt_due (message_id, due_at) SELECT id, $2 FROM message
     WHERE id IN (SELECT unhex(value) FROM json_each($1)) AND coalesce(receipt, 'on_its_way') = 'on_its_way' ON CONFLICT (message_id) DO NOTHING",
    "INSERT INTO receipt_due (message_id, due_at) SELECT id, $2 FROM message
     WHERE id = ANY($1) AND coalesce(receipt, 'on_its_way') = 'on_its_way' ON CONFLICT (message_id) DO NOTHING",
);
const EXPECT_NO_MORE: &str = "DELETE FROM receipt_due WHERE message_id = $1";
const SILENT_ANY_ORG: &str =
    "SELECT d.message_id, m.organisation_id FROM receipt_due d JOIN message m ON m.id = d.message_id
     WHERE d.due_at <= $1 ORDER BY d.due_at LIMIT $2";
const NEXT_SILENT_ANY_ORG: &str = "SELECT min(due_at) FROM receipt_due";

/// Whose message this is, if it is one of ours.
pub async fn find_any_org(tx: &mut Tx, id: MessageId) -> Result<Option<OrganisationId>> {
    messages::flush(tx).await?;
    Ok(both!(tx, |c| sqlx::query_scalar(FIND_ANY_ORG).bind(id).fetch_optional(c).await?))
}

/// The message that a provider calls by this name.
pub async fn find_by_reference_any_org(
    tx: &mut Tx,
    reference: &str,
) -> Result<Option<(MessageId, OrganisationId)>> {
    messages::flush(tx).await?;
    Ok(both!(tx, |c| sqlx::query_as(FIND_BY_REFERENCE_ANY_ORG).bind(reference).fetch_optional(c).await?))
}

/// What is known of a message by now.
pub async fn standing(tx: &mut Tx, organisation: OrganisationId, id: MessageId) -> Result<Option<Standing>> {
    messages::flush(tx).await?;
    let found: Option<Option<Standing>> =
        both!(tx, |c| sqlx::query_scalar(STANDING).bind(id).bind(organisation).fetch_optional(c).await?);
    Ok(found.flatten())
}

/// Keeps it.
pub async fn keep(
    tx: &mut Tx,
    organisation: OrganisationId,
    id: MessageId,
    standing: Standing,
    now: Time,
) -> Result<()> {
    messages::flush(tx).await?;
    execute!(tx, KEEP, id, organisation, standing, now);
    Ok(())
}

/// A receipt for each of these is expected by then, unless there is one that says more than that it is on its way.
pub async fn expect_any_org(tx: &mut Tx, ids: impl IntoIterator<Item = MessageId>, by: Time) -> Result<()> {
    messages::flush(tx).await?;
    let text = tx.text(EXPECT_ANY_ORG);
    let ids: IdList = ids.into_iter().map(|id| id.0).collect();
    execute!(tx, text, ids, by);
    tx.ring_timer(by);
    Ok(())
}

/// None is expected any more.
pub async fn expect_no_more_any_org(tx: &mut Tx, id: MessageId) -> Result<()> {
    execute!(tx, EXPECT_NO_MORE, id);
    Ok(())
}

/// Messages of which no receipt has come in time.
pub async fn silent_any_org(tx: &mut Tx, now: Time, limit: i64) -> Result<Vec<(MessageId, OrganisationId)>> {
    Ok(both!(tx, |c| sqlx::query_as(SILENT_ANY_ORG).bind(now).bind(limit).fetch_all(c).await?))
}

/// When the next one will be missed.
pub async fn next_silent_any_org(tx: &mut Tx) -> Result<Option<Time>> {
    Ok(both!(tx, |c| sqlx::query_scalar(NEXT_SILENT_ANY_ORG).fetch_one(c).await?))
}
