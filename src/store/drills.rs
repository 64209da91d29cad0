//! Drills, and whom they called.

use sqlx::FromRow;

use super::{Error, Result, Sql, Tx, both, execute, later::later, messages};
use crate::{
    clock::Time,
    domain::{
        drill::{Drill, DrillState},
        ids::{DrillId, LadderId, OrganisationId, PersonId, TeamId},
        incident::Rung,
    },
};

const ADD: &str = "INSERT INTO drill (id, organisation_id, team_id, subject_id, ladder_id, started_by, starts_at, step, round, state, due_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'running', $10) ON CONFLICT DO NOTHING";
const LOAD: Sql = Sql::pair(
    "SELECT id, organisation_id, team_id, subject_id, ladder_id, started_by, starts_at, step, round, state, finished_at, finished_by, due_at
     FROM drill WHERE id = $1 AND organisation_id = $2",
    "SELECT id, organisation_id, team_id, subject_id, ladder_id, started_by, starts_at, step, round, state, finished_at, finished_by, due_at
     FROM drill WHERE id = $1 AND organisation_id = $2 FOR NO KEY UPDATE",
);
const FIND: &str = "SELECT id, organisation_id, team_id, subject_id, ladder_id, started_by, starts_at, step, round, state, finished_at, finished_by, due_at
     FROM drill WHERE id = $1 AND organisation_id = $2";
// What somebody acts on, or another replica works on, is left for the next round.
const DUE_ANY_ORG: Sql = Sql::pair(
    "SELECT id, organisation_id FROM drill WHERE due_at <= $1 ORDER BY due_at LIMIT $2",
    "SELECT id, organisation_id FROM drill WHERE due_at <= $1 ORDER BY due_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED",
);
const NEXT_DUE_ANY_ORG: &str = "SELECT min(due_at) FROM drill WHERE due_at IS NOT NULL";
const SAVE: &str =
    "UPDATE drill SET step = $3, round = $4, state = $5, finished_at = $6, finished_by = $7, due_at = $8
     WHERE id = $1 AND organisation_id = $2";
const PUT_ASIDE_ANY_ORG: &str = "UPDATE drill SET due_at = $2 WHERE id = $1";
const END_BY_ALARM: &str = "UPDATE drill SET state = 'ended', finished_at = $3, due_at = $3
     WHERE subject_id = $1 AND organisation_id = $2 AND state = 'running'";
const CALL: &str = "INSERT INTO drill_call (drill_id, person_id, code, called_at) VALUES ($1, $2, $3, $4)";
const CALLS: &str =
    "SELECT person_id, code, called_at FROM drill_call WHERE drill_id = $1 ORDER BY called_at, person_id";
const RUNNING_OF_CODE_ANY_ORG: &str =
    "SELECT d.id, d.organisation_id FROM drill_call c JOIN drill d ON d.id = c.drill_id
     WHERE c.person_id = $1 AND c.code = $2 AND d.state = 'running'";
const TAKE_OUT: &str = "DELETE FROM outbox WHERE message_id IN (SELECT m.id FROM message m
       WHERE m.purpose = 'drill' AND m.state = 'pending'
         AND m.recipient_id IN (SELECT person_id FROM drill_call WHERE drill_id = $1))";
const TAKE_BACK: &str =
    "UPDATE message SET state = 'taken_back', finished_at = $2 WHERE purpose = 'drill' AND state = 'pending'
       AND recipient_id IN (SELECT person_id FROM drill_call WHERE drill_id = $1)";

#[derive(FromRow)]
struct Row {
    id: DrillId,
    organisation_id: OrganisationId,
    team_id: TeamId,
    subject_id: PersonId,
    ladder_id: LadderId,
    started_by: PersonId,
    starts_at: Time,
    step: i32,
    round: i32,
    state: String,
    finished_at: Option<Time>,
    finished_by: Option<PersonId>,
    due_at: Option<Time>,
}

impl TryFrom<Row> for Drill {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let bad = || Error::inconsistent("drill", "state", row.id);
        let state = match (row.state.as_str(), row.finished_at) {
            ("running", _) => DrillState::Running { due: row.due_at.ok_or_else(bad)? },
            ("taken", Some(at)) => DrillState::Taken { by: row.finished_by.ok_or_else(bad)?, at },
            ("ended", Some(at)) => DrillState::Ended { by: row.finished_by, at },
            _ => return Err(bad()),
        };
        Ok(Self {
            id: row.id,
            organisation: row.organisation_id,
            team: row.team_id,
            subject: row.subject_id,
            ladder: row.ladder_id,
            started_by: row.started_by,
            starts_at: row.starts_at,
            rung: Rung { raise: 0, step: row.step, round: row.round },
            state,
        })
    }
}

/// Somebody whom it called.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Called {
    /// Who.
    #[sqlx(rename = "person_id")]
    pub person: PersonId,
    /// Their code for it.
    pub code: String,
    /// When first.
    pub called_at: Time,
}

/// Keeps a new one; false: one is running about the same person.
pub async fn add(tx: &mut Tx, organisation: OrganisationId, drill: &Drill) -> Result<bool> {
    let DrillState::Running { due } = drill.state else { return Ok(false) };
    let Rung { step, round, .. } = drill.rung;
    tx.ring_timer(due);
    let added = execute!(
        tx,
        ADD,
        drill.id,
        organisation,
        drill.team,
        drill.subject,
        drill.ladder,
        drill.started_by,
        drill.starts_at,
        step,
        round,
        due
    );
    Ok(added == 1)
}

/// One, locked till the end of the use case.
pub async fn load(tx: &mut Tx, organisation: OrganisationId, id: DrillId) -> Result<Option<Drill>> {
    let text = tx.text(LOAD);
    let row: Option<Row> =
        both!(tx, |c| sqlx::query_as(text).bind(id).bind(organisation).fetch_optional(c).await?);
    row.map(Drill::try_from).transpose()
}

/// One, to be shown.
pub async fn find(tx: &mut Tx, organisation: OrganisationId, id: DrillId) -> Result<Option<Drill>> {
    let row: Option<Row> =
        both!(tx, |c| sqlx::query_as(FIND).bind(id).bind(organisation).fetch_optional(c).await?);
    row.map(Drill::try_from).transpose()
}

/// Those whose round is due, or that have to be tidied up after.
pub async fn due_any_org(tx: &mut Tx, now: Time, limit: i64) -> Result<Vec<(DrillId, OrganisationId)>> {
    let text = tx.text(DUE_ANY_ORG);
    Ok(both!(tx, |c| sqlx::query_as(text).bind(now).bind(limit).fetch_all(c).await?))
}

/// When the next is due.
pub async fn next_due_any_org(tx: &mut Tx) -> Result<Option<Time>> {
    Ok(both!(tx, |c| sqlx::query_scalar(NEXT_DUE_ANY_ORG).fetch_one(c).await?))
}

/// Keeps where it stands. One that is over waits for nothing more.
pub async fn save(tx: &mut Tx, organisation: OrganisationId, drill: &Drill) -> Result<()> {
    let (state, finished_at, finished_by, due) = match drill.state {
        DrillState::Running { due } => ("running", None, None, Some(due)),
        DrillState::Taken { by, at } => ("taken", Some(at), Some(by), None),
        DrillState::Ended { by, at } => ("ended", Some(at), by, None),
    };
    if let Some(due) = due {
        tx.ring_timer(due);
    }
    let Rung { step, round, .. } = drill.rung;
    execute!(tx, SAVE, drill.id, organisation, step, round, state, finished_at, finished_by, due);
    Ok(())
}

/// It cannot be worked on now.
pub async fn put_aside_any_org(tx: &mut Tx, id: DrillId, until: Time) -> Result<()> {
    execute!(tx, PUT_ASIDE_ANY_ORG, id, until);
    Ok(())
}

/// A real alarm opens: a drill about the same person is over. What of it still waits to be sent the timer takes back.
pub(super) async fn end_by_alarm(
    tx: &mut Tx,
    organisation: OrganisationId,
    subject: PersonId,
    now: Time,
) -> Result<()> {
    later!(tx, Any, END_BY_ALARM, subject, organisation, now);
    Ok(())
}

/// Keeps that somebody is called for the first time.
pub async fn call(tx: &mut Tx, drill: &Drill, called: &Called) -> Result<()> {
    execute!(tx, CALL, drill.id, called.person, &called.code, called.called_at);
    Ok(())
}

/// Whom it has called.
pub async fn calls(tx: &mut Tx, drill: &Drill) -> Result<Vec<Called>> {
    Ok(both!(tx, |c| sqlx::query_as(CALLS).bind(drill.id).fetch_all(c).await?))
}

/// The running drill that a person means by a code.
pub async fn running_of_code_any_org(
    tx: &mut Tx,
    person: PersonId,
    code: &str,
) -> Result<Option<(DrillId, OrganisationId)>> {
    Ok(both!(tx, |c| sqlx::query_as(RUNNING_OF_CODE_ANY_ORG)
        .bind(person)
        .bind(code)
        .fetch_optional(c)
        .await?))
}

/// What of it still waits to be sent is not sent any more.
pub async fn take_back(tx: &mut Tx, drill: &Drill, now: Time) -> Result<()> {
    messages::flush(tx).await?;
    execute!(tx, TAKE_OUT, drill.id);
    execute!(tx, TAKE_BACK, drill.id, now);
    Ok(())
}
