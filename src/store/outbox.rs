//! The outbox: which messages are to be sent, and who is at it. An expired lease is simply due again.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::TimeDelta;
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use super::{
    Result, Sql, Tx, both, execute,
    id_list::IdList,
    messages::{self, Message, MessageState, by_ids_any_org},
};
use crate::{
    clock::Time,
    domain::{contact::Channel, ids::MessageId},
};

/// So long a message goes before every less urgent one of its channel: before it is due again, after it is claimed.
const HEAD_START: TimeDelta = TimeDelta::seconds(1);
/// So many messages are marked in one UPDATE.
const ROWS: usize = 50;

// What is less urgent is left while something more urgent of the same channel is due, is due again at once, or has just been
// claimed by anybody. Only while that has never failed: a provider that only asks for patience, not one that is broken. Which
// rank that leaves (4 is the last of what is real) is asked once and not for each row: 10,000 rows that wait must not cost a claim its time.
const CLAIM_ANY_ORG: Sql = Sql::pair(
    "UPDATE outbox SET due_at = $3, epoch = epoch + 1, tries = tries + 1
     WHERE message_id IN (SELECT message_id FROM outbox WHERE channel = $1 AND due_at <= $2
         AND rank <= (SELECT coalesce(min(u.rank), 4) FROM outbox u WHERE u.channel = $1 AND u.rank < 5
                        AND ((u.tries = 0 AND u.due_at <= $5) OR (u.tries = 1 AND u.due_at > $6 AND u.due_at <= $3)))
         ORDER BY rank, due_at LIMIT $4)
       AND due_at <= $2 RETURNING message_id, rank, epoch, tries, first_due_at, patience",
    // The guard stands in the outer WHERE too: without it several workers claim the same rows. Picked once, for ever: in an
    // IN (…) the inner SELECT may run for each row anew, and each time it skips what it locked and takes as many again.
    "WITH picked AS MATERIALIZED (SELECT message_id FROM outbox WHERE channel = $1 AND due_at <= $2
         AND rank <= (SELECT coalesce(min(u.rank), 4) FROM outbox u WHERE u.channel = $1 AND u.rank < 5
                        AND ((u.tries = 0 AND u.due_at <= $5) OR (u.tries = 1 AND u.due_at > $6 AND u.due_at <= $3)))
         ORDER BY rank, due_at LIMIT $4 FOR UPDATE SKIP LOCKED)
     UPDATE outbox o SET due_at = $3, epoch = epoch + 1, tries = tries + 1 FROM picked
     WHERE o.message_id = picked.message_id AND o.due_at <= $2
     RETURNING o.message_id, o.rank, o.epoch, o.tries, o.first_due_at, o.patience",
);
// What a drill says (rank 5) is looked at by itself, and only while nothing real of the same channel is due, is due again at once, or
// has just been claimed; whether that has failed before does not matter here.
const CLAIM_OF_DRILLS_ANY_ORG: Sql = Sql::pair(
    "UPDATE outbox SET due_at = $3, epoch = epoch + 1, tries = tries + 1
     WHERE message_id IN (SELECT message_id FROM outbox WHERE channel = $1 AND rank = 5 AND due_at <= $2
         AND NOT EXISTS (SELECT 1 FROM outbox u WHERE u.channel = $1 AND u.rank < 5
                           AND (u.due_at <= $5 OR (u.due_at > $6 AND u.due_at <= $3)))
         ORDER BY due_at LIMIT $4)
       AND due_at <= $2 RETURNING message_id, rank, epoch, tries, first_due_at, patience",
    "WITH picked AS MATERIALIZED (SELECT message_id FROM outbox WHERE channel = $1 AND rank = 5 AND due_at <= $2
         AND NOT EXISTS (SELECT 1 FROM outbox u WHERE u.channel = $1 AND u.rank < 5
                           AND (u.due_at <= $5 OR (u.due_at > $6 AND u.due_at <= $3)))
         ORDER BY due_at LIMIT $4 FOR UPDATE SKIP LOCKED)
     UPDATE outbox o SET due_at = $3, epoch = epoch + 1, tries = tries + 1 FROM picked
     WHERE o.message_id = picked.message_id AND o.due_at <= $2
     RETURNING o.message_id, o.rank, o.epoch, o.tries, o.first_due_at, o.patience",
);
const NEXT_OF_DRILLS_ANY_ORG: &str = "SELECT min(due_at) FROM outbox WHERE rank = 5";
// The first of each rank is found in the index; the first of all would take reading all of it.
const NEXT_DUE_ANY_ORG: &str = "SELECT min(first.due_at) FROM (
       SELECT min(due_at) AS due_at FROM outbox WHERE channel = $1 AND rank = 0
       UNION ALL SELECT min(due_at) FROM outbox WHERE channel = $1 AND rank = 1
       UNION ALL SELECT min(due_at) FROM outbox WHERE channel = $1 AND rank = 2
       UNION ALL SELECT min(due_at) FROM outbox WHERE channel = $1 AND rank = 3
       UNION ALL SELECT min(due_at) FROM outbox WHERE channel = $1 AND rank = 4
     ) AS first";
const DONE_ANY_ORG: &str = "DELETE FROM outbox WHERE message_id = $1 AND epoch = $2";
const DONE_TOGETHER_ANY_ORG: Sql = Sql::pair(
    "DELETE FROM outbox WHERE message_id IN (SELECT unhex(value) FROM json_each($1)) AND epoch = $2
     RETURNING message_id",
    "DELETE FROM outbox WHERE message_id = ANY($1) AND epoch = $2 RETURNING message_id",
);
const AGAIN_ANY_ORG: &str = "UPDATE outbox SET due_at = $3, tries = $4 WHERE message_id = $1 AND epoch = $2";
const PUT_OFF_ANY_ORG: &str =
    "UPDATE outbox SET due_at = $3, tries = $4, patience = $5 WHERE message_id = $1 AND epoch = $2";
const FINISH: &str = "UPDATE message SET state = $2, provider = $3, reference = $4, finished_at = $5
     WHERE id = $1 AND state <> 'accepted'";

/// How it stands with a message whose providers ask to be left alone: its place is kept, and it counts as no try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// None has asked.
    Whole,
    /// They have, and the log says so.
    Asked,
    /// For so long that its next channel has started.
    Over,
}

impl Patience {
    fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Asked => "asked",
            Self::Over => "over",
        }
    }

    /// A word that a newer version wrote must not take the whole claim with it: then nothing is begun anew.
    fn read(word: &str) -> Self {
        let all = [Self::Whole, Self::Asked, Self::Over];
        all.into_iter().find(|patience| patience.as_str() == word).unwrap_or(Self::Over)
    }
}

/// A message that is ours to send until the lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The message.
    pub message: Message,
    /// The number of our claim; a later one makes our mark void.
    pub epoch: i64,
    /// Which try this is, from 1.
    pub tries: u32,
    /// When it was first due.
    pub first_due_at: Time,
    /// Whether its providers have asked to be left alone.
    pub patience: Patience,
    /// From then on another may claim it.
    pub lease_ends: Time,
}

#[derive(FromRow)]
struct Row {
    message_id: MessageId,
    rank: i32,
    epoch: i64,
    tries: i32,
    first_due_at: Time,
    patience: String,
}

/// Claims up to `limit` messages of a channel that are due, the most urgent and the oldest first; what is less urgent is due a
/// moment later.
pub async fn claim_any_org(
    tx: &mut Tx,
    channel: Channel,
    now: Time,
    lease_ends: Time,
    limit: usize,
) -> Result<Vec<Claimed>> {
    claim(tx, CLAIM_ANY_ORG, channel, (now, lease_ends), limit).await
}

/// Claims up to `limit` messages of drills, if nothing real of their channel wants to go.
pub async fn claim_of_drills_any_org(
    tx: &mut Tx,
    channel: Channel,
    now: Time,
    lease_ends: Time,
    limit: usize,
) -> Result<Vec<Claimed>> {
    claim(tx, CLAIM_OF_DRILLS_ANY_ORG, channel, (now, lease_ends), limit).await
}

async fn claim(
    tx: &mut Tx,
    text: Sql,
    channel: Channel,
    (now, lease_ends): (Time, Time),
    limit: usize,
) -> Result<Vec<Claimed>> {
    messages::flush(tx).await?;
    let text = tx.text(text);
    let mut rows: Vec<Row> = both!(tx, |c| sqlx::query_as(text)
        .bind(channel)
        .bind(now)
        .bind(lease_ends)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(now + HEAD_START)
        .bind(lease_ends - HEAD_START)
        .fetch_all(c)
        .await?);
    rows.sort_by_key(|row| (row.rank, row.first_due_at));
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<MessageId> = rows.iter().map(|row| row.message_id).collect();
    let mut messages: HashMap<MessageId, Message> =
        by_ids_any_org(tx, &ids).await?.into_iter().map(|message| (message.id, message)).collect();
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            Some(Claimed {
                message: messages.remove(&row.message_id)?,
                epoch: row.epoch,
                tries: u32::try_from(row.tries).unwrap_or(u32::MAX),
                first_due_at: row.first_due_at,
                patience: Patience::read(&row.patience),
                lease_ends,
            })
        })
        .collect())
}

/// When the next message of a channel is due.
pub async fn next_due_any_org(tx: &mut Tx, channel: Channel) -> Result<Option<Time>> {
    messages::flush(tx).await?;
    Ok(both!(tx, |c| sqlx::query_scalar(NEXT_DUE_ANY_ORG).bind(channel).fetch_one(c).await?))
}

/// When the next message of a drill is due.
pub async fn next_of_drills_any_org(tx: &mut Tx) -> Result<Option<Time>> {
    messages::flush(tx).await?;
    Ok(both!(tx, |c| sqlx::query_scalar(NEXT_OF_DRILLS_ANY_ORG).fetch_one(c).await?))
}

/// When the next message of any channel is due, drills apart.
pub async fn next_due_by_any_channel_any_org(tx: &mut Tx) -> Result<Option<Time>> {
    let mut first: Option<Time> = None;
    for channel in Channel::ALL {
        first = first.into_iter().chain(next_due_any_org(tx, channel).await?).min();
    }
    Ok(first)
}

/// Takes a message out of the outbox; false if it is no longer ours.
pub async fn done_any_org(tx: &mut Tx, message: MessageId, epoch: i64) -> Result<bool> {
    messages::flush(tx).await?;
    let gone = execute!(tx, DONE_ANY_ORG, message, epoch);
    Ok(gone == 1)
}

/// Takes some messages out of the outbox, each with the number of its claim; gives those that were still ours.
pub async fn done_together_any_org(
    tx: &mut Tx,
    claims: impl IntoIterator<Item = (MessageId, i64)>,
) -> Result<HashSet<MessageId>> {
    messages::flush(tx).await?;
    // Nearly always there is one number: that of a first claim.
    let mut by_epoch: BTreeMap<i64, Vec<Uuid>> = BTreeMap::new();
    for (message, epoch) in claims {
        by_epoch.entry(epoch).or_default().push(message.0);
    }
    let text = tx.text(DONE_TOGETHER_ANY_ORG);
    let mut ours = HashSet::new();
    for (epoch, ids) in by_epoch {
        let ids: IdList = ids.into_iter().collect();
        let done: Vec<MessageId> =
            both!(tx, |c| sqlx::query_scalar(text).bind(ids).bind(epoch).fetch_all(c).await?);
        ours.extend(done);
    }
    Ok(ours)
}

/// Keeps which provider took some messages, and what it calls them.
pub async fn taken_any_org(tx: &mut Tx, taken: &[(MessageId, &str, Option<&str>)], now: Time) -> Result<()> {
    messages::flush(tx).await?;
    for taken in taken.chunks(ROWS) {
        both!(tx, |c| {
            let mut update = QueryBuilder::new(
                "UPDATE message SET state = 'accepted', provider = taken.column2,
                 reference = taken.column3, finished_at = ",
            );
            update.push_bind(now).push(" FROM (");
            update.push_values(taken, |mut row, (id, provider, reference)| {
                row.push_bind(*id).push_bind(*provider).push_bind(*reference);
            });
            update.push(") AS taken WHERE message.id = taken.column1 AND state <> 'accepted'");
            update.build().execute(c).await?;
        });
    }
    Ok(())
}

/// Leaves it for another try; false if it is no longer ours.
pub async fn again_any_org(
    tx: &mut Tx,
    message: MessageId,
    epoch: i64,
    due: Time,
    tries: u32,
) -> Result<bool> {
    messages::flush(tx).await?;
    let kept = execute!(tx, AGAIN_ANY_ORG, message, epoch, due, i32::try_from(tries).unwrap_or(i32::MAX));
    tx.ring_outbox();
    Ok(kept == 1)
}

/// Leaves it until its providers may be asked again, which was no try; false if it is no longer ours.
pub async fn put_off_any_org(
    tx: &mut Tx,
    claimed: &Claimed,
    until: Time,
    patience: Patience,
) -> Result<bool> {
    messages::flush(tx).await?;
    let tries = i32::try_from(claimed.tries - 1).unwrap_or(i32::MAX);
    let (id, epoch, patience) = (claimed.message.id, claimed.epoch, patience.as_str());
    let kept = execute!(tx, PUT_OFF_ANY_ORG, id, epoch, until, tries, patience);
    tx.ring_outbox();
    Ok(kept == 1)
}

/// Keeps how a message ended. What a provider once took is never marked otherwise.
pub async fn finish_any_org(
    tx: &mut Tx,
    message: MessageId,
    state: MessageState,
    (provider, reference): (&str, Option<&str>),
    now: Time,
) -> Result<()> {
    messages::flush(tx).await?;
    execute!(tx, FINISH, message, state, provider, reference, now);
    Ok(())
}
