//! Messages by which whoever runs the service tries a provider, and what came back.

use super::{Result, Tx, both, execute, messages};
use crate::{
    clock::Time,
    domain::{
        contact::Phone,
        ids::{MessageId, OrganisationId},
    },
};

const ADD: &str = "INSERT INTO provider_test (message_id, phone, code)
     SELECT $1, $2, $3 WHERE EXISTS (SELECT 1 FROM message WHERE id = $1 AND organisation_id = $4)";
const ANSWER_ANY_ORG: &str = "UPDATE provider_test SET answered_at = $3
     WHERE phone = $1 AND code = $2 AND answered_at IS NULL
     RETURNING (SELECT organisation_id FROM message m WHERE m.id = message_id)";
const ANSWERED: &str = "SELECT t.answered_at FROM provider_test t JOIN message m ON m.id = t.message_id
     WHERE t.message_id = $1 AND m.organisation_id = $2";

/// A code is awaited from that number.
pub async fn add(
    tx: &mut Tx,
    organisation: OrganisationId,
    message: MessageId,
    (phone, code): (&Phone, &str),
) -> Result<()> {
    messages::flush(tx).await?;
    execute!(tx, ADD, message, phone, code, organisation);
    Ok(())
}

/// The code came from that number; `None`: it is none of a test that is open.
pub async fn answer_any_org(
    tx: &mut Tx,
    phone: &Phone,
    code: &str,
    now: Time,
) -> Result<Option<OrganisationId>> {
    Ok(both!(tx, |c| sqlx::query_scalar(ANSWER_ANY_ORG)
        .bind(phone)
        .bind(code)
        .bind(now)
        .fetch_optional(c)
        .await?))
}

/// When it came.
pub async fn answered(tx: &mut Tx, organisation: OrganisationId, message: MessageId) -> Result<Option<Time>> {
    let at: Option<Option<Time>> = both!(tx, |c| sqlx::query_scalar(ANSWERED)
        .bind(message)
        .bind(organisation)
        .fetch_optional(c)
        .await?);
    Ok(at.flatten())
}
