//! Where other systems are told what happened, and what is still to be delivered there.

use std::fmt;

use sqlx::{FromRow, types::Json};
use uuid::Uuid;

use super::{Result, Sql, Tx, both, events::Cursor, execute, one_row};
use crate::{
    clock::Time,
    domain::ids::{OrganisationId, PersonId, WebhookId},
};

const INSERT: &str =
    "INSERT INTO webhook (id, organisation_id, key, url, events, secrets, set_at, set_by, after_tx, after_seq,
       lease_until, epoch, paused_until, failures, given_up)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $7, 0, $7, 0, 0)";
const CHANGE: &str =
    "UPDATE webhook SET url = $3, events = $4, secrets = $5, set_at = $6, set_by = $7, paused_until = $6,
       failures = 0, failing_since = NULL, told_at = NULL, disabled_at = NULL,
       lease_until = $6, epoch = epoch + 1 WHERE id = $1 AND organisation_id = $2";
const LOAD: Sql = Sql::pair(
    "SELECT * FROM webhook WHERE organisation_id = $1 AND key = $2",
    "SELECT * FROM webhook WHERE organisation_id = $1 AND key = $2 FOR NO KEY UPDATE",
);
const LIST: &str = "SELECT * FROM webhook WHERE organisation_id = $1 ORDER BY key";
const BACKLOG: &str = "SELECT count(*), min(due_at) FROM webhook_delivery WHERE webhook_id = $1
       AND webhook_id IN (SELECT id FROM webhook WHERE organisation_id = $2)";
const REMOVE_DELIVERIES: &str = "DELETE FROM webhook_delivery WHERE webhook_id IN
       (SELECT id FROM webhook WHERE id = $1 AND organisation_id = $2)";
const REMOVE: &str = "DELETE FROM webhook WHERE id = $1 AND organisation_id = $2";
const GO_BACK: &str = "UPDATE webhook SET after_tx = $3, after_seq = $4, paused_until = $5
     WHERE id = $1 AND organisation_id = $2";
const TRY_ALL_NOW: &str = "UPDATE webhook_delivery SET due_at = $3 WHERE due_at > $3 AND webhook_id IN
       (SELECT id FROM webhook WHERE id = $1 AND organisation_id = $2)";

// With something to do: a delivery that is due, or an event that nobody has looked at; while so much waits nobody looks at further
// ones, and they are nothing to do.
const WAITING_ANY_ORG: Sql = Sql::pair(
    "SELECT w.id FROM webhook w WHERE w.disabled_at IS NULL AND w.lease_until <= $1 AND w.paused_until <= $1
       AND (EXISTS (SELECT 1 FROM webhook_delivery d WHERE d.webhook_id = w.id AND d.due_at <= $1)
         OR EXISTS (SELECT 1 FROM event e WHERE e.organisation_id = w.organisation_id AND (e.tx, e.seq) > (w.after_tx, w.after_seq))
           AND (SELECT count(*) FROM webhook_delivery d WHERE d.webhook_id = w.id) < $2)
     ORDER BY w.lease_until, w.id",
    "SELECT w.id FROM webhook w WHERE w.disabled_at IS NULL AND w.lease_until <= $1 AND w.paused_until <= $1
       AND (EXISTS (SELECT 1 FROM webhook_delivery d WHERE d.webhook_id = w.id AND d.due_at <= $1)
         OR EXISTS (SELECT 1 FROM event e WHERE e.organisation_id = w.organisation_id AND (e.tx, e.seq) > (w.after_tx, w.after_seq)
           AND e.tx < pg_snapshot_xmin(pg_current_snapshot())::text::bigint)
           AND (SELECT count(*) FROM webhook_delivery d WHERE d.webhook_id = w.id) < $2)
     ORDER BY w.lease_until, w.id",
);
// Whoever has it renews it by its epoch.
const LEASE_ANY_ORG: &str = "UPDATE webhook SET lease_until = $3, epoch = epoch + 1
     WHERE id = $1 AND (lease_until <= $2 OR epoch = $4) AND disabled_at IS NULL AND paused_until <= $2 RETURNING *";
const HOLD_ANY_ORG: &str = "UPDATE webhook SET lease_until = $3 WHERE id = $1 AND epoch = $2 RETURNING *";
const MARK_ANY_ORG: &str = "UPDATE webhook SET lease_until = $3 WHERE id = $1 AND epoch = $2";
const LOOKED_ANY_ORG: &str = "UPDATE webhook SET after_tx = $2, after_seq = $3 WHERE id = $1";
const WORKS_ANY_ORG: &str = "UPDATE webhook SET last_success_at = $2, failures = 0, failing_since = NULL, told_at = NULL WHERE id = $1";
const FAILS_ANY_ORG: &str =
    "UPDATE webhook SET last_failure_at = $2, last_failure = $3, failures = failures + 1, paused_until = $4,
       failing_since = coalesce(failing_since, $2) WHERE id = $1";
const TOLD_ANY_ORG: &str = "UPDATE webhook SET told_at = $2 WHERE id = $1";
const GIVEN_UP_ANY_ORG: &str = "UPDATE webhook SET given_up = given_up + 1, given_up_at = $2 WHERE id = $1";
const DISABLE_ANY_ORG: &str =
    "UPDATE webhook SET disabled_at = $2, last_failure_at = $2, last_failure = $3 WHERE id = $1";
const ADD_ANY_ORG: &str =
    "INSERT INTO webhook_delivery (webhook_id, event_seq, due_at, tries) VALUES ($1, $2, $3, 0)
     ON CONFLICT (webhook_id, event_seq) DO NOTHING";
const PENDING_ANY_ORG: &str = "SELECT count(*) FROM webhook_delivery WHERE webhook_id = $1";
const ALL_PENDING_ANY_ORG: &str = "SELECT count(*) FROM webhook_delivery";
const DUE_ANY_ORG: &str = "SELECT e.tx, e.seq, d.tries, e.chain, e.chain_kind, e.kind, e.happened_at, e.body
     FROM webhook_delivery d JOIN event e ON e.seq = d.event_seq
     WHERE d.webhook_id = $1 AND d.due_at <= $2 ORDER BY d.due_at, d.event_seq LIMIT $3";
const DROP_ANY_ORG: &str = "DELETE FROM webhook_delivery WHERE webhook_id = $1 AND event_seq = $2";
const AGAIN_ANY_ORG: &str =
    "UPDATE webhook_delivery SET due_at = $3, tries = $4 WHERE webhook_id = $1 AND event_seq = $2";

/// Where an organisation's other system is told what happened.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// The short name by which its organisation speaks of it.
    pub key: String,
    /// Where it is.
    pub url: String,
    /// The types that are wanted.
    pub events: Vec<String>,
    /// What signs: one, or two while one is changed for the other; hidden under the server key.
    pub secrets: Vec<String>,
    /// Who set it, when.
    pub set: (PersonId, Time),
    /// Events up to here were looked at.
    pub after: Cursor,
    /// Counts the leases.
    pub epoch: i64,
    /// It is left alone until then.
    pub paused_until: Time,
    /// So often nothing was taken since the last time that something was.
    pub failures: u32,
    /// Since when nothing was taken, though it was tried; nothing: it works, as far as is known.
    pub failing_since: Option<Time>,
    /// When its administrators last heard that it does not work.
    pub told_at: Option<Time>,
    /// When something was last taken.
    pub last_success_at: Option<Time>,
    /// When something was last not taken, and why.
    pub last_failure: Option<(Time, String)>,
    /// So many deliveries were given up, and when the last one was.
    pub given_up: (i64, Option<Time>),
    /// It wants to be told no more.
    pub disabled_at: Option<Time>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a token.
        f.debug_struct("Webhook").field("id", &self.id).field("key", &self.key).finish_non_exhaustive()
    }
}

#[derive(FromRow)]
struct Row {
    id: WebhookId,
    organisation_id: OrganisationId,
    key: String,
    url: String,
    events: Json<Vec<String>>,
    secrets: Json<Vec<String>>,
    set_at: Time,
    set_by: PersonId,
    after_tx: i64,
    after_seq: i64,
    epoch: i64,
    paused_until: Time,
    failures: i32,
    failing_since: Option<Time>,
    told_at: Option<Time>,
    last_success_at: Option<Time>,
    last_failure_at: Option<Time>,
    last_failure: Option<String>,
    given_up: i64,
    given_up_at: Option<Time>,
    disabled_at: Option<Time>,
}

impl From<Row> for Webhook {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            organisation: row.organisation_id,
            key: row.key,
            url: row.url,
            events: row.events.0,
            secrets: row.secrets.0,
            set: (row.set_by, row.set_at),
            after: Cursor::new(row.after_tx, row.after_seq),
            epoch: row.epoch,
            paused_until: row.paused_until,
            failures: u32::try_from(row.failures).unwrap_or_default(),
            failing_since: row.failing_since,
            told_at: row.told_at,
            last_success_at: row.last_success_at,
            last_failure: row.last_failure_at.zip(row.last_failure),
            given_up: (row.given_up, row.given_up_at),
            disabled_at: row.disabled_at,
        }
    }
}

/// Keeps a new one, which is told what happens from now on.
pub async fn insert(tx: &mut Tx, organisation: OrganisationId, new: &Webhook) -> Result<()> {
    let ((by, at), (after_tx, after_seq)) = (new.set, new.after.parts());
    let (events, secrets) = (Json(&new.events), Json(&new.secrets));
    execute!(
        tx,
        INSERT,
        new.id,
        organisation,
        &new.key,
        &new.url,
        events,
        secrets,
        at,
        by,
        after_tx,
        after_seq
    );
    Ok(())
}

/// Keeps what was changed of one; it is told again, if it was not. Whoever works on it stops: nothing more goes to where it was.
pub async fn change(tx: &mut Tx, organisation: OrganisationId, webhook: &Webhook) -> Result<()> {
    let (by, at) = webhook.set;
    let (events, secrets) = (Json(&webhook.events), Json(&webhook.secrets));
    one_row(execute!(tx, CHANGE, webhook.id, organisation, &webhook.url, events, secrets, at, by))
}

/// The one with this key, locked till the end of the use case.
pub async fn load(tx: &mut Tx, organisation: OrganisationId, key: &str) -> Result<Option<Webhook>> {
    let text = tx.text(LOAD);
    let row: Option<Row> =
        both!(tx, |c| sqlx::query_as(text).bind(organisation).bind(key).fetch_optional(c).await?);
    Ok(row.map(Webhook::from))
}

/// All of an organisation, by key.
pub async fn list(tx: &mut Tx, organisation: OrganisationId) -> Result<Vec<Webhook>> {
    let rows: Vec<Row> = both!(tx, |c| sqlx::query_as(LIST).bind(organisation).fetch_all(c).await?);
    Ok(rows.into_iter().map(Webhook::from).collect())
}

/// How much is still to be delivered, and when the next of it is tried.
pub async fn backlog(
    tx: &mut Tx,
    organisation: OrganisationId,
    id: WebhookId,
) -> Result<(i64, Option<Time>)> {
    Ok(both!(tx, |c| sqlx::query_as(BACKLOG).bind(id).bind(organisation).fetch_one(c).await?))
}

/// Removes one, and what was still to be delivered.
pub async fn remove(tx: &mut Tx, organisation: OrganisationId, id: WebhookId) -> Result<()> {
    execute!(tx, REMOVE_DELIVERIES, id, organisation);
    one_row(execute!(tx, REMOVE, id, organisation))
}

/// What happened after `after` is looked at again.
pub async fn go_back(
    tx: &mut Tx,
    organisation: OrganisationId,
    id: WebhookId,
    after: Cursor,
    now: Time,
) -> Result<()> {
    let (after_tx, after_seq) = after.parts();
    one_row(execute!(tx, GO_BACK, id, organisation, after_tx, after_seq, now))
}

/// Whatever waits is due now.
pub async fn try_all_now(tx: &mut Tx, organisation: OrganisationId, id: WebhookId, now: Time) -> Result<()> {
    execute!(tx, TRY_ALL_NOW, id, organisation, now);
    Ok(())
}

/// Those for which there is something to do; first whose turn was longest ago. Where `most` wait nobody looks at what else happened.
pub async fn waiting_any_org(tx: &mut Tx, now: Time, most: i64) -> Result<Vec<WebhookId>> {
    let text = tx.text(WAITING_ANY_ORG);
    Ok(both!(tx, |c| sqlx::query_scalar(text).bind(now).bind(most).fetch_all(c).await?))
}

/// One of them becomes ours until `lease_ends`; `held`: the epoch under which it is ours already. Nothing: it is another's, or is to
/// be left alone.
pub async fn lease_any_org(
    tx: &mut Tx,
    id: WebhookId,
    (now, lease_ends): (Time, Time),
    held: Option<i64>,
) -> Result<Option<Webhook>> {
    let row: Option<Row> = both!(tx, |c| sqlx::query_as(LEASE_ANY_ORG)
        .bind(id)
        .bind(now)
        .bind(lease_ends)
        .bind(held.unwrap_or(-1))
        .fetch_optional(c)
        .await?);
    Ok(row.map(Webhook::from))
}

/// One that is ours stays so until then, and is as it stands now; nothing: it is not ours any more.
pub async fn hold_any_org(tx: &mut Tx, id: WebhookId, epoch: i64, until: Time) -> Result<Option<Webhook>> {
    let row: Option<Row> = both!(tx, |c| sqlx::query_as(HOLD_ANY_ORG)
        .bind(id)
        .bind(epoch)
        .bind(until)
        .fetch_optional(c)
        .await?);
    Ok(row.map(Webhook::from))
}

/// It is ours until then; false: it is not ours any more.
pub async fn mark_any_org(tx: &mut Tx, id: WebhookId, epoch: i64, until: Time) -> Result<bool> {
    Ok(execute!(tx, MARK_ANY_ORG, id, epoch, until) == 1)
}

/// Events up to here were looked at.
pub async fn looked_any_org(tx: &mut Tx, id: WebhookId, after: Cursor) -> Result<()> {
    let (after_tx, after_seq) = after.parts();
    one_row(execute!(tx, LOOKED_ANY_ORG, id, after_tx, after_seq))
}

/// It took something.
pub async fn works_any_org(tx: &mut Tx, id: WebhookId, now: Time) -> Result<()> {
    one_row(execute!(tx, WORKS_ANY_ORG, id, now))
}

/// It did not take something; why, and until when it is left alone.
pub async fn fails_any_org(
    tx: &mut Tx,
    id: WebhookId,
    (now, reason): (Time, &str),
    paused_until: Time,
) -> Result<()> {
    one_row(execute!(tx, FAILS_ANY_ORG, id, now, reason, paused_until))
}

/// Its administrators hear that it does not work.
pub async fn told_any_org(tx: &mut Tx, id: WebhookId, now: Time) -> Result<()> {
    one_row(execute!(tx, TOLD_ANY_ORG, id, now))
}

/// Something is not tried again.
pub async fn given_up_any_org(tx: &mut Tx, id: WebhookId, now: Time) -> Result<()> {
    one_row(execute!(tx, GIVEN_UP_ANY_ORG, id, now))
}

/// It is told no more.
pub async fn disable_any_org(tx: &mut Tx, id: WebhookId, (now, reason): (Time, &str)) -> Result<()> {
    one_row(execute!(tx, DISABLE_ANY_ORG, id, now, reason))
}

/// What happened at this place is to be delivered; once, if it waits already.
pub async fn add_any_org(tx: &mut Tx, id: WebhookId, at: Cursor, now: Time) -> Result<()> {
    let (_, seq) = at.parts();
    execute!(tx, ADD_ANY_ORG, id, seq, now);
    Ok(())
}

/// How much waits.
pub async fn pending_any_org(tx: &mut Tx, id: WebhookId) -> Result<i64> {
    Ok(both!(tx, |c| sqlx::query_scalar(PENDING_ANY_ORG).bind(id).fetch_one(c).await?))
}

/// How much waits for all of them.
pub async fn all_pending_any_org(tx: &mut Tx) -> Result<i64> {
    Ok(both!(tx, |c| sqlx::query_scalar(ALL_PENDING_ANY_ORG).fetch_one(c).await?))
}

/// Something to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The event's place: what its name for the receiver is made of.
    pub at: Cursor,
    /// So often it was tried.
    pub tries: u32,
    /// The visit, incident or organisation that it is about.
    pub chain: Uuid,
    /// Which of them that is.
    pub chain_kind: String,
    /// What happened.
    pub kind: String,
    /// When.
    pub happened_at: Time,
    /// Its body, as it is kept.
    pub body: String,
}

#[derive(FromRow)]
struct DeliveryRow {
    tx: i64,
    seq: i64,
    tries: i32,
    chain: Uuid,
    chain_kind: String,
    kind: String,
    happened_at: Time,
    body: String,
}

/// What is due, the oldest first.
pub async fn due_any_org(tx: &mut Tx, id: WebhookId, now: Time, limit: i64) -> Result<Vec<Delivery>> {
    let rows: Vec<DeliveryRow> =
        both!(tx, |c| sqlx::query_as(DUE_ANY_ORG).bind(id).bind(now).bind(limit).fetch_all(c).await?);
    let read = |row: DeliveryRow| Delivery {
        at: Cursor::new(row.tx, row.seq),
        tries: u32::try_from(row.tries).unwrap_or_default(),
        chain: row.chain,
        chain_kind: row.chain_kind,
        kind: row.kind,
        happened_at: row.happened_at,
        body: row.body,
    };
    Ok(rows.into_iter().map(read).collect())
}

/// It is delivered, or is not to be.
pub async fn drop_any_org(tx: &mut Tx, id: WebhookId, at: Cursor) -> Result<()> {
    let (_, seq) = at.parts();
    execute!(tx, DROP_ANY_ORG, id, seq);
    Ok(())
}

/// It is tried again then.
pub async fn again_any_org(tx: &mut Tx, id: WebhookId, at: Cursor, due: Time, tries: u32) -> Result<()> {
    let ((_, seq), tries) = (at.parts(), i32::try_from(tries).unwrap_or(i32::MAX));
    execute!(tx, AGAIN_ANY_ORG, id, seq, due, tries);
    Ok(())
}
