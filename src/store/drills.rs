//! Drills, whom they called, what those answered, and when drills begin by themselves.

use chrono::TimeDelta;
use sqlx::FromRow;

use super::{Error, Result, Sql, Tx, both, execute, messages, readable};
use crate::{
    clock::Time,
    domain::{
        contact::Channel,
        drill::{Drill, DrillAnswer, DrillState, Over},
        ids::{DrillId, DrillScheduleId, IncidentId, LadderId, OrganisationId, PersonId, TeamId},
        incident::Rung,
        receipt::Standing,
    },
    store::messages::MessageState,
};

const ADD: &str = "INSERT INTO drill (id, organisation_id, team_id, subject_id, ladder_id, started_by, schedule_id, moment, starts_at, step, round, state, due_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'running', $12) ON CONFLICT DO NOTHING";
const LOAD: Sql = Sql::pair(
    "SELECT * FROM drill WHERE id = $1 AND organisation_id = $2",
    "SELECT * FROM drill WHERE id = $1 AND organisation_id = $2 FOR NO KEY UPDATE",
);
const FIND: &str = "SELECT * FROM drill WHERE id = $1 AND organisation_id = $2";
const LIST: &str = "SELECT * FROM drill WHERE organisation_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
// What somebody acts on, or another replica works on, is left for the next round.
const DUE_ANY_ORG: Sql = Sql::pair(
    "SELECT id, organisation_id FROM drill WHERE due_at <= $1 ORDER BY due_at LIMIT $2",
    "SELECT id, organisation_id FROM drill WHERE due_at <= $1 ORDER BY due_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED",
);
const NEXT_DUE_ANY_ORG: &str = "SELECT min(due_at) FROM drill WHERE due_at IS NOT NULL";
// Looks at how an incident opened, never at what became of it: see the ADR. The ids of what opened later are above the drill's.
const IN_THE_WAY_ANY_ORG: &str = "SELECT d.id, d.organisation_id FROM drill d WHERE d.state = 'running'
       AND EXISTS (SELECT 1 FROM incident i WHERE i.organisation_id = d.organisation_id AND i.id > d.id
                   AND i.team_id = d.team_id AND i.opened_as <> 'duress')";
const OPENED_OPENLY: &str = "SELECT count(*) FROM incident WHERE organisation_id = $1 AND team_id = $2 AND id > $3 AND opened_as <> 'duress'";
const SAVE: &str =
    "UPDATE drill SET step = $3, round = $4, state = $5, finished_at = $6, finished_by = $7, due_at = $8
     WHERE id = $1 AND organisation_id = $2";
const PUT_ASIDE_ANY_ORG: &str = "UPDATE drill SET due_at = $2 WHERE id = $1 AND state = 'running'";
const LAST_ABOUT: &str = "SELECT subject_id, max(starts_at) FROM drill WHERE organisation_id = $1 AND team_id = $2 GROUP BY subject_id";
const CALL: &str = "INSERT INTO drill_call (drill_id, person_id, code, called_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
const CALLS: &str = "SELECT person_id, code, called_at, answer, answered_at FROM drill_call WHERE drill_id = $1 ORDER BY called_at, person_id";
const ANSWER: &str = "UPDATE drill_call SET answer = $3, answered_at = $4 WHERE drill_id = $1 AND person_id = $2 AND answer IS NULL";
const OF_CODE_ANY_ORG: &str =
    "SELECT d.id, d.organisation_id FROM drill_call c JOIN drill d ON d.id = c.drill_id
     WHERE c.person_id = $1 AND c.code = $2";
const SAY: &str =
    "INSERT INTO drill_said (drill_id, person_id, occasion) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const DELIVERIES: &str =
    "SELECT s.person_id, m.channel, m.state, m.receipt, m.created_at, m.finished_at, m.receipt_at
     FROM drill_said s JOIN message m ON m.organisation_id = $2 AND m.occasion = s.occasion
     WHERE s.drill_id = $1 ORDER BY m.created_at, m.channel";
const TAKE_OUT: &str = "DELETE FROM outbox WHERE message_id IN (SELECT m.id FROM drill_said s
       JOIN message m ON m.organisation_id = $2 AND m.occasion = s.occasion WHERE s.drill_id = $1 AND m.state = 'pending')";
const TAKE_BACK: &str = "UPDATE message SET state = 'taken_back', finished_at = $3 WHERE state = 'pending'
       AND organisation_id = $2 AND occasion IN (SELECT occasion FROM drill_said WHERE drill_id = $1)";

const IN_FORCE: &str =
    "SELECT * FROM drill_schedule WHERE organisation_id = $1 AND removed_at IS NULL ORDER BY set_at, id";
const LAST_VERSION: &str =
    "SELECT max(version) FROM drill_schedule WHERE organisation_id = $1 AND team_id = $2";
const ADD_SCHEDULE: &str =
    "INSERT INTO drill_schedule (id, organisation_id, team_id, version, cron, set_by, set_at, due_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";
const REMOVE: &str = "UPDATE drill_schedule SET removed_by = $3, removed_at = $4, due_at = NULL
     WHERE id = $1 AND organisation_id = $2 AND removed_at IS NULL";
const SCHEDULES_DUE_ANY_ORG: Sql = Sql::pair(
    "SELECT * FROM drill_schedule WHERE due_at <= $1 ORDER BY due_at LIMIT $2",
    "SELECT * FROM drill_schedule WHERE due_at <= $1 ORDER BY due_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED",
);
const SET_SCHEDULE_DUE_ANY_ORG: &str =
    "UPDATE drill_schedule SET due_at = $2 WHERE id = $1 AND removed_at IS NULL";

#[derive(FromRow)]
struct Row {
    id: DrillId,
    organisation_id: OrganisationId,
    team_id: TeamId,
    subject_id: PersonId,
    ladder_id: LadderId,
    started_by: PersonId,
    schedule_id: Option<DrillScheduleId>,
    moment: Option<Time>,
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
        let over = |how| row.finished_at.map(|at| DrillState::Over { how, at }).ok_or_else(bad);
        let state = match row.state.as_str() {
            "running" => DrillState::Running { due: row.due_at.ok_or_else(bad)? },
            "all_answered" => over(Over::AllAnswered)?,
            "ladder_done" => over(Over::LadderDone)?,
            "ended_by_hand" => over(Over::ByHand(row.finished_by.ok_or_else(bad)?))?,
            "stepped_aside" => over(Over::SteppedAside)?,
            _ => return Err(bad()),
        };
        Ok(Self {
            id: row.id,
            organisation: row.organisation_id,
            team: row.team_id,
            subject: row.subject_id,
            ladder: row.ladder_id,
            started_by: row.started_by,
            scheduled: row.schedule_id.zip(row.moment),
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
    /// What they answered.
    pub answer: Option<DrillAnswer>,
    /// When.
    pub answered_at: Option<Time>,
}

/// One of its messages, and what became of that.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Delivery {
    /// To whom.
    #[sqlx(rename = "person_id")]
    pub person: PersonId,
    /// By what.
    pub channel: Channel,
    /// How far we have got with it.
    pub state: MessageState,
    /// What its provider said afterwards.
    pub receipt: Option<Standing>,
    /// Since when there is one.
    pub created_at: Time,
    /// When it was taken, refused or taken back.
    pub finished_at: Option<Time>,
    /// When its provider said so.
    pub receipt_at: Option<Time>,
}

/// One version of when a team's drills begin.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ScheduleVersion {
    /// Its id.
    pub id: DrillScheduleId,
    /// Whose it is.
    pub organisation_id: OrganisationId,
    /// Of which team.
    pub team_id: TeamId,
    /// 1, 2, 3 …
    pub version: i32,
    /// The expression.
    pub cron: String,
    /// Who set it.
    pub set_by: PersonId,
    /// When.
    pub set_at: Time,
    /// The next moment; none: it is removed.
    pub due_at: Option<Time>,
}

/// Keeps a new one; false: one of the same team is running, or that moment's was begun already.
pub async fn add(tx: &mut Tx, organisation: OrganisationId, drill: &Drill) -> Result<bool> {
    let DrillState::Running { due } = drill.state else { return Ok(false) };
    let Rung { step, round, .. } = drill.rung;
    let (schedule, moment) = drill.scheduled.unzip();
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
        schedule,
        moment,
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

/// Those of an organisation that are older than one of them, the newest first.
pub async fn list(
    tx: &mut Tx,
    organisation: OrganisationId,
    (before, limit): (Option<DrillId>, i64),
) -> Result<Vec<Drill>> {
    let before = before.unwrap_or(DrillId(uuid::Uuid::max()));
    let rows = both!(tx, |c| {
        let rows = sqlx::query(LIST).bind(organisation).bind(before).bind(limit).fetch_all(c).await?;
        readable!(rows, Row)
    });
    rows.into_iter().map(Drill::try_from).collect()
}

/// Those whose round is due.
pub async fn due_any_org(tx: &mut Tx, now: Time, limit: i64) -> Result<Vec<(DrillId, OrganisationId)>> {
    let text = tx.text(DUE_ANY_ORG);
    Ok(both!(tx, |c| sqlx::query_as(text).bind(now).bind(limit).fetch_all(c).await?))
}

/// When the next is due; nothing: none is running.
pub async fn next_due_any_org(tx: &mut Tx) -> Result<Option<Time>> {
    Ok(both!(tx, |c| sqlx::query_scalar(NEXT_DUE_ANY_ORG).fetch_one(c).await?))
}

/// Running ones in whose team an alarm has gone up openly since they began.
pub async fn in_the_way_any_org(tx: &mut Tx) -> Result<Vec<(DrillId, OrganisationId)>> {
    Ok(both!(tx, |c| sqlx::query_as(IN_THE_WAY_ANY_ORG).fetch_all(c).await?))
}

/// How many alarms have gone up openly in a team for so long, whatever became of them.
pub async fn opened_openly(
    tx: &mut Tx,
    organisation: OrganisationId,
    team: TeamId,
    (now, for_so_long): (Time, TimeDelta),
) -> Result<i64> {
    let above = IncidentId::lowest_at(now - for_so_long);
    Ok(both!(tx, |c| sqlx::query_scalar(OPENED_OPENLY)
        .bind(organisation)
        .bind(team)
        .bind(above)
        .fetch_one(c)
        .await?))
}

/// Keeps where it stands. One that is over waits for nothing more.
pub async fn save(tx: &mut Tx, organisation: OrganisationId, drill: &Drill) -> Result<()> {
    let (state, finished_at, finished_by, due) = match drill.state {
        DrillState::Running { due } => ("running", None, None, Some(due)),
        DrillState::Over { how, at } => match how {
            Over::AllAnswered => ("all_answered", Some(at), None, None),
            Over::LadderDone => ("ladder_done", Some(at), None, None),
            Over::ByHand(by) => ("ended_by_hand", Some(at), Some(by), None),
            Over::SteppedAside => ("stepped_aside", Some(at), None, None),
        },
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

/// Whom the drills of a team were about, and when last.
pub async fn last_about(
    tx: &mut Tx,
    organisation: OrganisationId,
    team: TeamId,
) -> Result<Vec<(PersonId, Time)>> {
    Ok(both!(tx, |c| sqlx::query_as(LAST_ABOUT).bind(organisation).bind(team).fetch_all(c).await?))
}

/// Keeps that somebody is called for the first time; false: they had that code in another drill.
pub async fn call(tx: &mut Tx, drill: &Drill, called: &Called) -> Result<bool> {
    Ok(execute!(tx, CALL, drill.id, called.person, &called.code, called.called_at) == 1)
}

/// Whom it has called.
pub async fn calls(tx: &mut Tx, drill: &Drill) -> Result<Vec<Called>> {
    Ok(both!(tx, |c| sqlx::query_as(CALLS).bind(drill.id).fetch_all(c).await?))
}

/// Keeps an answer; the first one stands.
pub async fn answer(
    tx: &mut Tx,
    drill: &Drill,
    (person, answer): (PersonId, DrillAnswer),
    now: Time,
) -> Result<()> {
    execute!(tx, ANSWER, drill.id, person, answer, now);
    Ok(())
}

/// The drill that a person means by a code, whether it runs or is over.
pub async fn of_code_any_org(
    tx: &mut Tx,
    person: PersonId,
    code: &str,
) -> Result<Option<(DrillId, OrganisationId)>> {
    Ok(both!(tx, |c| sqlx::query_as(OF_CODE_ANY_ORG).bind(person).bind(code).fetch_optional(c).await?))
}

/// Keeps under which occasion something of it is said.
pub async fn say(tx: &mut Tx, drill: &Drill, person: PersonId, occasion: uuid::Uuid) -> Result<()> {
    execute!(tx, SAY, drill.id, person, occasion);
    Ok(())
}

/// What became of its messages.
pub async fn deliveries(tx: &mut Tx, drill: &Drill) -> Result<Vec<Delivery>> {
    messages::flush(tx).await?;
    Ok(both!(tx, |c| sqlx::query_as(DELIVERIES).bind(drill.id).bind(drill.organisation).fetch_all(c).await?))
}

/// What of it still waits to be sent is not sent any more.
pub async fn take_back(tx: &mut Tx, drill: &Drill, now: Time) -> Result<()> {
    messages::flush(tx).await?;
    execute!(tx, TAKE_OUT, drill.id, drill.organisation);
    execute!(tx, TAKE_BACK, drill.id, drill.organisation, now);
    Ok(())
}

/// The schedules in force.
pub async fn schedules(tx: &mut Tx, organisation: OrganisationId) -> Result<Vec<ScheduleVersion>> {
    Ok(both!(tx, |c| readable!(
        sqlx::query(IN_FORCE).bind(organisation).fetch_all(c).await?,
        ScheduleVersion
    )))
}

/// The number of a team's last version; 0: there was none.
pub async fn last_schedule_version(tx: &mut Tx, organisation: OrganisationId, team: TeamId) -> Result<i32> {
    let last: Option<i32> =
        both!(tx, |c| sqlx::query_scalar(LAST_VERSION).bind(organisation).bind(team).fetch_one(c).await?);
    Ok(last.unwrap_or_default())
}

/// Adds a version. Somebody else may have added one meanwhile: then it is to be looked at again.
pub async fn add_schedule(
    tx: &mut Tx,
    organisation: OrganisationId,
    version: &ScheduleVersion,
) -> Result<()> {
    let ScheduleVersion { id, team_id, version: number, cron, set_by, set_at, due_at, .. } = version;
    let added = execute!(tx, ADD_SCHEDULE, id, organisation, team_id, number, cron, set_by, set_at, due_at);
    if added == 1 { Ok(()) } else { Err(Error::Conflict) }
}

/// It is in force no more; false: it was not.
pub async fn remove_schedule(
    tx: &mut Tx,
    organisation: OrganisationId,
    id: DrillScheduleId,
    (by, now): (PersonId, Time),
) -> Result<bool> {
    Ok(execute!(tx, REMOVE, id, organisation, by, now) == 1)
}

/// Those whose moment has come, locked.
pub async fn schedules_due_any_org(tx: &mut Tx, now: Time, limit: i64) -> Result<Vec<ScheduleVersion>> {
    let text = tx.text(SCHEDULES_DUE_ANY_ORG);
    Ok(both!(tx, |c| readable!(sqlx::query(text).bind(now).bind(limit).fetch_all(c).await?, ScheduleVersion)))
}

/// Keeps when its next moment is.
pub async fn set_schedule_due_any_org(tx: &mut Tx, id: DrillScheduleId, due: Option<Time>) -> Result<()> {
    execute!(tx, SET_SCHEDULE_DUE_ANY_ORG, id, due);
    Ok(())
}
