//! Concerns, what was said of them and what is to be done about them.

use std::{fmt, str::FromStr};

use chrono::NaiveDate;
use sqlx::{FromRow, types::Json};

use super::{Error, Result, Sql, Tx, both, execute, id_list::IdList, readable};
use crate::{
    clock::Time,
    domain::{
        concern::{Action, Closing, Concern, ConcernKind, ConcernState, Discussion, case_reference},
        follow_up::Done,
        ids::{ConcernActionId, ConcernId, OrganisationId, PersonId, TeamId, VisitId},
    },
};

const INSERT: &str = "INSERT INTO concern (id, organisation_id, team_id, worker_id, raised_by, raised_at, visit_id, case_reference,
       kind, words, told, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
const LOAD: Sql = Sql::pair(
    "SELECT * FROM concern WHERE id = $1 AND organisation_id = $2",
    "SELECT * FROM concern WHERE id = $1 AND organisation_id = $2 FOR NO KEY UPDATE",
);
const FIND: &str = "SELECT * FROM concern WHERE id = $1 AND organisation_id = $2";
const LIST: Sql = Sql::pair(
    "SELECT * FROM concern WHERE organisation_id = $1 AND ($2 IS NULL OR state = $2 OR ($2 = 'open' AND state <> 'closed'))
       AND ($3 IS NULL OR visit_id = $3) AND ($4 IS NULL OR case_reference = $4) AND ($5 IS NULL OR worker_id = $5)
       AND ($6 IS NULL OR raised_by = $6
            OR EXISTS (SELECT 1 FROM concern_action a WHERE a.concern_id = concern.id AND a.owner_id = $6))
       AND (CASE WHEN state = 'closed' THEN 1 ELSE 0 END > $7 OR CASE WHEN state = 'closed' THEN 1 ELSE 0 END = $7 AND id < $8)
     ORDER BY CASE WHEN state = 'closed' THEN 1 ELSE 0 END, id DESC LIMIT $9",
    "SELECT * FROM concern WHERE organisation_id = $1 AND ($2::text IS NULL OR state = $2 OR ($2 = 'open' AND state <> 'closed'))
       AND ($3::uuid IS NULL OR visit_id = $3) AND ($4::text IS NULL OR case_reference = $4) AND ($5::uuid IS NULL OR worker_id = $5)
       AND ($6::uuid IS NULL OR raised_by = $6
            OR EXISTS (SELECT 1 FROM concern_action a WHERE a.concern_id = concern.id AND a.owner_id = $6))
       AND (CASE WHEN state = 'closed' THEN 1 ELSE 0 END > $7 OR CASE WHEN state = 'closed' THEN 1 ELSE 0 END = $7 AND id < $8)
     ORDER BY CASE WHEN state = 'closed' THEN 1 ELSE 0 END, id DESC LIMIT $9",
);
const OPEN_ABOUT_CASE: &str = "SELECT id, raised_at, kind FROM concern
     WHERE organisation_id = $1 AND case_reference = $2 AND state <> 'closed' ORDER BY id";
const ABOUT_CASE: &str = "SELECT id, raised_at, kind, closed_at FROM concern
     WHERE organisation_id = $1 AND case_reference = $2 ORDER BY id";
const SET_STATE: &str = "UPDATE concern SET state = $3 WHERE id = $1 AND organisation_id = $2";
const CLOSE: &str = "UPDATE concern SET state = 'closed', closed_at = $3, closed_by = $4, outcome = $5
     WHERE id = $1 AND organisation_id = $2 AND state = 'discussed'";
const DISCUSSIONS: Sql = Sql::pair(
    "SELECT concern_id, held_at, held_by, with_id, words FROM concern_discussion
     WHERE organisation_id = $1 AND concern_id IN (SELECT unhex(value) FROM json_each($2)) ORDER BY concern_id, number",
    "SELECT concern_id, held_at, held_by, with_id, words FROM concern_discussion
     WHERE organisation_id = $1 AND concern_id = ANY($2) ORDER BY concern_id, number",
);
const ADD_DISCUSSION: &str =
    "INSERT INTO concern_discussion (concern_id, number, organisation_id, held_at, held_by, with_id, words, recorded_at)
     VALUES ($1, (SELECT count(*) + 1 FROM concern_discussion WHERE concern_id = $1), $2, $3, $4, $5, $6, $7)";
const ADD_ACTION: &str = "INSERT INTO concern_action (id, organisation_id, concern_id, what, owner_id, due_on, created_at, created_by)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const FIND_ACTION: &str = "SELECT * FROM concern_action WHERE id = $1 AND organisation_id = $2";
const ACTIONS: Sql = Sql::pair(
    "SELECT * FROM concern_action
     WHERE organisation_id = $1 AND concern_id IN (SELECT unhex(value) FROM json_each($2)) ORDER BY id",
    "SELECT * FROM concern_action WHERE organisation_id = $1 AND concern_id = ANY($2) ORDER BY id",
);
const ACTION_DONE: &str = "UPDATE concern_action SET done_at = $3, done_by = $4, done_note = $5
     WHERE id = $1 AND organisation_id = $2 AND done_at IS NULL";

#[derive(FromRow)]
struct Row {
    id: ConcernId,
    organisation_id: OrganisationId,
    team_id: TeamId,
    worker_id: PersonId,
    raised_by: PersonId,
    raised_at: Time,
    visit_id: Option<VisitId>,
    case_reference: Option<String>,
    kind: ConcernKind,
    words: String,
    told: Json<Vec<PersonId>>,
    state: ConcernState,
    closed_at: Option<Time>,
    closed_by: Option<PersonId>,
    outcome: Option<String>,
}

impl From<Row> for Concern {
    fn from(row: Row) -> Self {
        let closing = row.closed_at.zip(row.closed_by).map(|(at, by)| Closing {
            at,
            by,
            outcome: row.outcome.unwrap_or_default(),
        });
        Self {
            id: row.id,
            organisation: row.organisation_id,
            team: row.team_id,
            worker: row.worker_id,
            raised: (row.raised_by, row.raised_at),
            visit: row.visit_id,
            case_reference: row.case_reference,
            kind: row.kind,
            words: row.words,
            told: row.told.0,
            state: row.state,
            closing,
        }
    }
}

/// Keeps a new one.
pub async fn insert(tx: &mut Tx, organisation: OrganisationId, concern: &Concern) -> Result<()> {
    let (by, at) = concern.raised;
    execute!(
        tx,
        INSERT,
        concern.id,
        organisation,
        concern.team,
        concern.worker,
        by,
        at,
        concern.visit,
        &concern.case_reference,
        concern.kind,
        &concern.words,
        Json(&concern.told),
        concern.state
    );
    Ok(())
}

/// One of them, locked till the end of the use case.
pub async fn load(tx: &mut Tx, organisation: OrganisationId, id: ConcernId) -> Result<Option<Concern>> {
    let text = tx.text(LOAD);
    let row: Option<Row> =
        both!(tx, |c| sqlx::query_as(text).bind(id).bind(organisation).fetch_optional(c).await?);
    Ok(row.map(Concern::from))
}

/// The same, to be shown.
pub async fn find(tx: &mut Tx, organisation: OrganisationId, id: ConcernId) -> Result<Option<Concern>> {
    let row: Option<Row> =
        both!(tx, |c| sqlx::query_as(FIND).bind(id).bind(organisation).fetch_optional(c).await?);
    Ok(row.map(Concern::from))
}

/// Which concerns a list is about.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those in this state; `open`: in any but closed.
    pub state: Option<&'static str>,
    /// Only those of this visit.
    pub visit: Option<VisitId>,
    /// Only those about this case.
    pub case_reference: Option<String>,
    /// Only those on this worker's visits.
    pub worker: Option<PersonId>,
    /// Only those that this person raised or has something to do about.
    pub of: Option<PersonId>,
}

/// After which concern a list goes on: the open ones stand before the closed, each the newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct After {
    /// 0: it was open then; 1: it was closed.
    rank: i32,
    id: ConcernId,
}

impl After {
    /// After this one, as it stands now.
    pub fn of(concern: &Concern) -> Self {
        Self { rank: i32::from(!concern.is_open()), id: concern.id }
    }
}

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.rank, self.id)
    }
}

/// What is no place in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("hand back `next` of the page before as it was")]
pub struct NoPlace;

impl FromStr for After {
    type Err = NoPlace;
    fn from_str(text: &str) -> std::result::Result<Self, NoPlace> {
        let (rank, id) = text.split_once('-').ok_or(NoPlace)?;
        let rank = rank.parse().map_err(|_| NoPlace)?;
        Ok(Self { rank, id: id.parse().map(ConcernId).map_err(|_| NoPlace)? })
    }
}

/// Concerns, the open ones first, then the newest.
pub async fn list(
    tx: &mut Tx,
    organisation: OrganisationId,
    filter: &Filter,
    (after, limit): (Option<After>, i64),
) -> Result<Vec<Concern>> {
    let text = tx.text(LIST);
    // Before all of them.
    let After { rank, id } = after.unwrap_or(After { rank: -1, id: ConcernId(uuid::Uuid::nil()) });
    let case = filter.case_reference.as_deref().and_then(case_reference);
    Ok(both!(tx, |c| {
        let rows = sqlx::query(text)
            .bind(organisation)
            .bind(filter.state)
            .bind(filter.visit)
            .bind(&case)
            .bind(filter.worker)
            .bind(filter.of)
            .bind(rank)
            .bind(id)
            .bind(limit)
            .fetch_all(c)
            .await?;
        readable!(rows, Row, |row| Ok(Concern::from(row)))
    }))
}

/// The concerns about a case that nobody has closed: what whoever agrees a visit there has to weigh. The oldest first.
pub async fn open_about_case(
    tx: &mut Tx,
    organisation: OrganisationId,
    reference: &str,
) -> Result<Vec<(ConcernId, Time, ConcernKind)>> {
    let Some(reference) = case_reference(reference) else { return Ok(Vec::new()) };
    Ok(both!(tx, |c| sqlx::query_as(OPEN_ABOUT_CASE)
        .bind(organisation)
        .bind(&reference)
        .fetch_all(c)
        .await?))
}

/// All concerns about a case, with when each was closed. The oldest first.
pub async fn about_case(
    tx: &mut Tx,
    organisation: OrganisationId,
    reference: &str,
) -> Result<Vec<(ConcernId, Time, ConcernKind, Option<Time>)>> {
    let Some(reference) = case_reference(reference) else { return Ok(Vec::new()) };
    Ok(both!(tx, |c| sqlx::query_as(ABOUT_CASE).bind(organisation).bind(&reference).fetch_all(c).await?))
}

/// Keeps that it was discussed.
pub async fn add_discussion(
    tx: &mut Tx,
    (organisation, concern): (OrganisationId, ConcernId),
    discussion: &Discussion,
    recorded_at: Time,
) -> Result<()> {
    execute!(
        tx,
        ADD_DISCUSSION,
        concern,
        organisation,
        discussion.at,
        discussion.by,
        discussion.with,
        &discussion.words,
        recorded_at
    );
    execute!(tx, SET_STATE, concern, organisation, ConcernState::Discussed);
    Ok(())
}

/// What was said of each, in that order.
pub async fn discussions(
    tx: &mut Tx,
    organisation: OrganisationId,
    concerns: &[ConcernId],
) -> Result<Vec<(ConcernId, Discussion)>> {
    let text = tx.text(DISCUSSIONS);
    let ids: IdList = concerns.iter().map(|id| id.0).collect();
    let rows: Vec<(ConcernId, Time, PersonId, PersonId, String)> =
        both!(tx, |c| sqlx::query_as(text).bind(organisation).bind(&ids).fetch_all(c).await?);
    let said = |(concern, at, by, with, words)| (concern, Discussion { at, by, with, words });
    Ok(rows.into_iter().map(said).collect())
}

/// It is closed; false: it was not as it has to be for that.
pub async fn close(
    tx: &mut Tx,
    organisation: OrganisationId,
    concern: ConcernId,
    closing: &Closing,
) -> Result<bool> {
    Ok(execute!(tx, CLOSE, concern, organisation, closing.at, closing.by, &closing.outcome) == 1)
}

#[derive(FromRow)]
struct ActionRow {
    id: ConcernActionId,
    organisation_id: OrganisationId,
    concern_id: ConcernId,
    what: String,
    owner_id: PersonId,
    due_on: String,
    created_at: Time,
    created_by: PersonId,
    done_at: Option<Time>,
    done_by: Option<PersonId>,
    done_note: Option<String>,
}

impl TryFrom<ActionRow> for Action {
    type Error = Error;
    fn try_from(row: ActionRow) -> Result<Self> {
        let due_on: NaiveDate =
            row.due_on.parse().map_err(|_| Error::inconsistent("concern_action", "due_on", row.id))?;
        let done = row.done_at.zip(row.done_by).map(|(at, by)| Done {
            at,
            by,
            note: row.done_note.unwrap_or_default(),
        });
        Ok(Self {
            id: row.id,
            organisation: row.organisation_id,
            concern: row.concern_id,
            what: row.what,
            owner: row.owner_id,
            due_on,
            set: (row.created_by, row.created_at),
            done,
        })
    }
}

/// Keeps something to be done.
pub async fn add_action(tx: &mut Tx, organisation: OrganisationId, action: &Action) -> Result<()> {
    let (by, at) = action.set;
    execute!(
        tx,
        ADD_ACTION,
        action.id,
        organisation,
        action.concern,
        &action.what,
        action.owner,
        action.due_on.to_string(),
        at,
        by
    );
    Ok(())
}

/// One of what is to be done.
pub async fn find_action(
    tx: &mut Tx,
    organisation: OrganisationId,
    id: ConcernActionId,
) -> Result<Option<Action>> {
    let row: Option<ActionRow> =
        both!(tx, |c| sqlx::query_as(FIND_ACTION).bind(id).bind(organisation).fetch_optional(c).await?);
    row.map(Action::try_from).transpose()
}

/// What is to be done about each, and what was.
pub async fn actions(
    tx: &mut Tx,
    organisation: OrganisationId,
    concerns: &[ConcernId],
) -> Result<Vec<Action>> {
    let text = tx.text(ACTIONS);
    let ids: IdList = concerns.iter().map(|id| id.0).collect();
    let rows: Vec<ActionRow> =
        both!(tx, |c| sqlx::query_as(text).bind(organisation).bind(&ids).fetch_all(c).await?);
    rows.into_iter().map(Action::try_from).collect()
}

/// It is done; false: it was done before.
pub async fn action_done(
    tx: &mut Tx,
    organisation: OrganisationId,
    id: ConcernActionId,
    done: &Done,
) -> Result<bool> {
    Ok(execute!(tx, ACTION_DONE, id, organisation, done.at, done.by, &done.note) == 1)
}
