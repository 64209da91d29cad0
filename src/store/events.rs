//! The log. Events are chained as they are decided, collected in the transaction, and leave as few inserts before its commit.

use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Conn, Error, Result, Sql, Trace, Tx, both, execute,
    later::{Hits, later, rows_of},
};
use crate::{
    clock::Time,
    domain::{
        event::{ChainHead, Chained, Door, Hash, NewEvent, private_hash},
        ids::{IncidentId, OrganisationId, PersonId, TeamId, VisitId},
    },
};

/// So many events go into one INSERT: SQLite takes longer for each numbered parameter the more there are.
const ROWS: usize = 10;

const LIST: Sql = Sql::pair(
    "SELECT e.*, p.words FROM event e LEFT JOIN event_private p ON p.chain = e.chain AND p.number = e.number
     WHERE e.organisation_id = $1 AND (e.tx, e.seq) > ($2, $3) ORDER BY e.tx, e.seq LIMIT $4",
    // Commits overtake each other: only what is older than every running transaction can be read without a gap.
    "SELECT e.*, p.words FROM event e LEFT JOIN event_private p ON p.chain = e.chain AND p.number = e.number
     WHERE e.organisation_id = $1 AND (e.tx, e.seq) > ($2, $3)
       AND e.tx < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
     ORDER BY e.tx, e.seq LIMIT $4",
);
const LAST: Sql = Sql::pair(
    "SELECT tx, seq FROM event WHERE organisation_id = $1 ORDER BY tx DESC, seq DESC LIMIT 1",
    "SELECT tx, seq FROM event WHERE organisation_id = $1 AND tx < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
     ORDER BY tx DESC, seq DESC LIMIT 1",
);
const LIST_CHAIN: &str =
    "SELECT e.*, p.words FROM event e LEFT JOIN event_private p ON p.chain = e.chain AND p.number = e.number
     WHERE e.organisation_id = $1 AND e.chain = $2 AND e.number > $3 ORDER BY e.number LIMIT $4";
const ORGANISATION_HEAD: Sql = Sql::pair(
    "SELECT chain_number, chain_hash FROM organisation WHERE id = $1",
    "SELECT chain_number, chain_hash FROM organisation WHERE id = $1 FOR NO KEY UPDATE",
);
const MOVE_ORGANISATION_HEAD: &str =
    "UPDATE organisation SET chain_number = $2, chain_hash = $3 WHERE id = $1";
const INSERT: &str =
    "INSERT INTO event (organisation_id, chain, chain_kind, number, team_id, subject_id, kind, happened_at,
       learned_at, door, actor_id, body, private_hash, hash)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
const INSERT_WORDS: &str = "INSERT INTO event_private (chain, number, salt, words) VALUES ($1, $2, $3, $4)";
const ERASE_WORDS: &str = "DELETE FROM event_private WHERE chain = $1";
const ALL_CHAINS_ANY_ORG: &str = "SELECT DISTINCT chain, organisation_id FROM event ORDER BY chain";

/// Whose log something goes into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainOf {
    /// A visit's.
    Visit(VisitId),
    /// An incident's.
    Incident(IncidentId),
    /// The organisation's own: what belongs to neither.
    Organisation,
}

impl ChainOf {
    fn kind(self) -> &'static str {
        match self {
            Self::Visit(_) => "visit",
            Self::Incident(_) => "incident",
            Self::Organisation => "organisation",
        }
    }

    fn id(self, organisation: OrganisationId) -> Uuid {
        match self {
            Self::Visit(id) => id.0,
            Self::Incident(id) => id.0,
            Self::Organisation => organisation.0,
        }
    }
}

/// Whom an event is about: what decides who may read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// Whose it is.
    pub organisation: OrganisationId,
    /// The team, if it is about one.
    pub team: Option<TeamId>,
    /// The worker, if it is about one.
    pub subject: Option<PersonId>,
    /// The chain that it goes into.
    pub chain: ChainOf,
}

/// Events and personal words that wait for the end of the use case.
#[derive(Debug, Default)]
pub(super) struct Pending {
    events: Vec<PendingEvent>,
    words: Vec<PendingWords>,
}

#[derive(Debug)]
struct PendingEvent {
    about: About,
    event: Chained,
    hash: Hash,
}

#[derive(Debug)]
struct PendingWords {
    chain: Uuid,
    number: i64,
    salt: [u8; 16],
    words: String,
}

impl Pending {
    pub(super) fn mark(&self) -> (usize, usize) {
        (self.events.len(), self.words.len())
    }

    pub(super) fn back_to(&mut self, (events, words): (usize, usize)) {
        self.events.truncate(events);
        self.words.truncate(words);
    }
}

/// Puts events at the end of a chain whose head the caller holds and will save with its row.
pub(super) fn append(
    tx: &mut Tx,
    head: &mut ChainHead,
    about: About,
    trace: Trace,
    events: impl IntoIterator<Item = NewEvent>,
) -> Result<()> {
    let chain = about.chain.id(about.organisation);
    for event in events {
        let number = head.number + 1;
        let mut hash_of_words = None;
        if let Some(words) = event.private {
            let (words, mut salt) = (words.to_string(), [0; 16]);
            getrandom::fill(&mut salt).map_err(|error| Error::Unavailable(error.to_string().into()))?;
            hash_of_words = Some(private_hash(&salt, &words));
            tx.pending.words.push(PendingWords { chain, number, salt, words });
        }
        let event = Chained {
            chain,
            number,
            kind: event.kind.as_str().into(),
            happened_at: event.at,
            learned_at: trace.now,
            door: trace.door,
            actor: trace.actor,
            body: event.body.to_string(),
            private_hash: hash_of_words,
        };
        let hash = event.hash(&head.hash);
        *head = ChainHead { number, hash };
        tx.pending.events.push(PendingEvent { about, event, hash });
    }
    Ok(())
}

/// Logs what belongs to neither a visit nor an incident.
pub async fn log_for_organisation(
    tx: &mut Tx,
    organisation: OrganisationId,
    about: (Option<TeamId>, Option<PersonId>),
    trace: Trace,
    event: NewEvent,
) -> Result<()> {
    log_each_for_organisation(tx, organisation, about, trace, [event]).await
}

/// The same for several, with one look at the end of the log.
pub async fn log_each_for_organisation(
    tx: &mut Tx,
    organisation: OrganisationId,
    (team, subject): (Option<TeamId>, Option<PersonId>),
    trace: Trace,
    events: impl IntoIterator<Item = NewEvent>,
) -> Result<()> {
    let text = tx.text(ORGANISATION_HEAD);
    let (number, hash): (i64, Vec<u8>) =
        both!(tx, |c| sqlx::query_as(text).bind(organisation).fetch_one(c).await?);
    let mut head = ChainHead { number, hash: hash_of(&hash, "organisation", organisation)? };
    let about = About { organisation, team, subject, chain: ChainOf::Organisation };
    append(tx, &mut head, about, trace, events)?;
    later!(tx, Any, MOVE_ORGANISATION_HEAD, organisation, head.number, &head.hash[..]);
    Ok(())
}

pub(super) async fn flush(tx: &mut Tx) -> Result<()> {
    let Pending { events, words } = std::mem::take(&mut tx.pending);
    let at_once = match tx.conn {
        Conn::Sqlite(_) => ROWS,
        // Each INSERT is a trip of its own, if another has to follow.
        Conn::Postgres(_) | Conn::PostgresRead(_) => ROWS * 10,
    };
    for rows in events.chunks(at_once) {
        let waiting = tx.later(rows_of(INSERT, 14, rows.len()), Hits::Any).await?;
        for PendingEvent { about, event, hash } in rows {
            waiting
                .bind(about.organisation)?
                .bind(event.chain)?
                .bind(about.chain.kind())?
                .bind(event.number)?
                .bind(about.team)?
                .bind(about.subject)?
                .bind(&event.kind)?
                .bind(event.happened_at)?
                .bind(event.learned_at)?
                .bind(event.door)?
                .bind(event.actor)?
                .bind(&event.body)?
                .bind(event.private_hash.as_ref().map(|hash| &hash[..]))?
                .bind(&hash[..])?;
        }
    }
    for rows in words.chunks(at_once) {
        let waiting = tx.later(rows_of(INSERT_WORDS, 4, rows.len()), Hits::Any).await?;
        for PendingWords { chain, number, salt, words } in rows {
            waiting.bind(*chain)?.bind(*number)?.bind(&salt[..])?.bind(words)?;
        }
    }
    Ok(())
}

/// A place in the order of all events of an organisation. Opaque to readers: they hand it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    tx: i64,
    seq: i64,
}

impl Cursor {
    pub(super) fn new(tx: i64, seq: i64) -> Self {
        Self { tx, seq }
    }

    pub(super) fn parts(self) -> (i64, i64) {
        (self.tx, self.seq)
    }

    /// From here on the event that stands at this place is read again.
    #[must_use]
    pub fn just_before(self) -> Self {
        Self { seq: self.seq.saturating_sub(1), ..self }
    }
}

impl From<Cursor> for [u8; 16] {
    fn from(cursor: Cursor) -> Self {
        let mut bytes = [0; 16];
        let (tx, seq) = bytes.split_at_mut(8);
        tx.copy_from_slice(&cursor.tx.to_be_bytes());
        seq.copy_from_slice(&cursor.seq.to_be_bytes());
        bytes
    }
}

impl From<[u8; 16]> for Cursor {
    fn from(bytes: [u8; 16]) -> Self {
        let half = |from: usize| i64::from_be_bytes(std::array::from_fn(|at| bytes[from + at]));
        Self { tx: half(0), seq: half(8) }
    }
}

/// An event as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Its place in the order of all events.
    pub cursor: Cursor,
    /// `visit`, `incident` or `organisation`.
    pub chain_kind: String,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// The team that it is about.
    pub team: Option<TeamId>,
    /// The worker whom it is about.
    pub subject: Option<PersonId>,
    /// What is hashed.
    pub event: Chained,
    /// The hash that was kept.
    pub hash: Hash,
    /// Personal words; `None` where there are none, or none any more.
    pub words: Option<String>,
}

#[derive(FromRow)]
struct Row {
    seq: i64,
    tx: i64,
    organisation_id: OrganisationId,
    chain: Uuid,
    chain_kind: String,
    number: i64,
    team_id: Option<TeamId>,
    subject_id: Option<PersonId>,
    kind: String,
    happened_at: Time,
    learned_at: Time,
    door: Door,
    actor_id: Option<PersonId>,
    body: String,
    private_hash: Option<Vec<u8>>,
    hash: Vec<u8>,
    words: Option<String>,
}

impl TryFrom<Row> for Kept {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            cursor: Cursor { tx: row.tx, seq: row.seq },
            chain_kind: row.chain_kind,
            organisation: row.organisation_id,
            team: row.team_id,
            subject: row.subject_id,
            hash: hash_of(&row.hash, "event", row.chain)?,
            event: Chained {
                chain: row.chain,
                number: row.number,
                kind: row.kind,
                happened_at: row.happened_at,
                learned_at: row.learned_at,
                door: row.door,
                actor: row.actor_id,
                body: row.body,
                private_hash: row.private_hash.map(|hash| hash_of(&hash, "event", row.chain)).transpose()?,
            },
            words: row.words,
        })
    }
}

/// 32 bytes, as they must be.
pub(super) fn hash_of(bytes: &[u8], table: &'static str, id: impl std::fmt::Display) -> Result<Hash> {
    bytes.try_into().map_err(|_| Error::inconsistent(table, "hash", id))
}

/// The events of an organisation after `after`, in an order without gaps.
pub async fn list(tx: &mut Tx, organisation: OrganisationId, after: Cursor, limit: i64) -> Result<Vec<Kept>> {
    let text = tx.text(LIST);
    let rows: Vec<Row> = both!(tx, |c| sqlx::query_as(text)
        .bind(organisation)
        .bind(after.tx)
        .bind(after.seq)
        .bind(limit)
        .fetch_all(c)
        .await?);
    rows.into_iter().map(Kept::try_from).collect()
}

/// The place of the newest event that can be read without a gap.
pub async fn last(tx: &mut Tx, organisation: OrganisationId) -> Result<Cursor> {
    let text = tx.text(LAST);
    let found: Option<(i64, i64)> =
        both!(tx, |c| sqlx::query_as(text).bind(organisation).fetch_optional(c).await?);
    Ok(found.map(|(tx, seq)| Cursor::new(tx, seq)).unwrap_or_default())
}

/// The events of one visit or incident after the one numbered `after`.
pub async fn list_chain(
    tx: &mut Tx,
    organisation: OrganisationId,
    chain: ChainOf,
    after: i64,
    limit: i64,
) -> Result<Vec<Kept>> {
    let rows: Vec<Row> = both!(tx, |c| sqlx::query_as(LIST_CHAIN)
        .bind(organisation)
        .bind(chain.id(organisation))
        .bind(after)
        .bind(limit)
        .fetch_all(c)
        .await?);
    rows.into_iter().map(Kept::try_from).collect()
}

/// Erases the personal words of a chain; the chain itself stays whole.
pub async fn erase_words(tx: &mut Tx, organisation: OrganisationId, chain: ChainOf) -> Result<()> {
    execute!(tx, ERASE_WORDS, chain.id(organisation));
    Ok(())
}

/// Every chain there is, to verify them.
pub async fn chains_any_org(tx: &mut Tx) -> Result<Vec<(Uuid, OrganisationId)>> {
    Ok(both!(tx, |c| sqlx::query_as(ALL_CHAINS_ANY_ORG).fetch_all(c).await?))
}

/// Checks one chain from its beginning.
pub async fn verify_any_org(
    tx: &mut Tx,
    chain: Uuid,
    organisation: OrganisationId,
) -> Result<std::result::Result<ChainHead, crate::domain::event::BrokenChain>> {
    let rows: Vec<Row> = both!(tx, |c| sqlx::query_as(LIST_CHAIN)
        .bind(organisation)
        .bind(chain)
        .bind(0_i64)
        .bind(i64::MAX)
        .fetch_all(c)
        .await?);
    let kept: Vec<Kept> = rows.into_iter().map(Kept::try_from).collect::<Result<_>>()?;
    Ok(crate::domain::event::verify(kept.iter().map(|kept| (&kept.event, &kept.hash))))
}
