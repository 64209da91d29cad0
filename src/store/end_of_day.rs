//! Teams that have a closing time, and who is asked whether everybody is out.

use sqlx::FromRow;

use super::{Result, Sql, Tx, both, execute};
use crate::{
    clock::Time,
    domain::ids::{OrganisationId, PersonId, TeamId},
};

const SET: &str = "INSERT INTO end_of_day (team_id, organisation_id, due_at, day, asked, asked_id, code)
     VALUES ($1, $2, $3, $4, $5, $6, $7)
     ON CONFLICT (team_id) DO UPDATE SET due_at = excluded.due_at, day = excluded.day, asked = excluded.asked,
       asked_id = excluded.asked_id, code = excluded.code";
const DROP: &str = "DELETE FROM end_of_day WHERE team_id = $1 AND organisation_id = $2";
const LOAD: Sql = Sql::pair(
    "SELECT * FROM end_of_day WHERE team_id = $1 AND organisation_id = $2",
    "SELECT * FROM end_of_day WHERE team_id = $1 AND organisation_id = $2 FOR NO KEY UPDATE",
);
const FIND: &str = "SELECT * FROM end_of_day WHERE team_id = $1 AND organisation_id = $2";
const BY_CODE: &str = "SELECT team_id FROM end_of_day WHERE organisation_id = $1 AND code = $2";
const DUE_ANY_ORG: Sql = Sql::pair(
    "SELECT team_id, organisation_id FROM end_of_day WHERE due_at <= $1 ORDER BY due_at LIMIT $2",
    "SELECT team_id, organisation_id FROM end_of_day WHERE due_at <= $1 ORDER BY due_at LIMIT $2
     FOR NO KEY UPDATE SKIP LOCKED",
);
const PUT_ASIDE: &str = "UPDATE end_of_day SET due_at = $3 WHERE team_id = $1 AND organisation_id = $2";
const LOCK_ALL: Sql = Sql::pair(
    "SELECT team_id FROM end_of_day WHERE organisation_id = $1",
    "SELECT team_id FROM end_of_day WHERE organisation_id = $1 ORDER BY team_id FOR NO KEY UPDATE",
);
const NEXT_DUE_ANY_ORG: &str = "SELECT min(due_at) FROM end_of_day";

/// A team's end of the day.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct EndOfDay {
    /// Which team's.
    pub team_id: TeamId,
    /// Whose it is.
    pub organisation_id: OrganisationId,
    /// The next closing time; while somebody is asked: when the next is.
    pub due_at: Time,
    /// While somebody is asked: of which day, as YYYY-MM-DD.
    pub day: Option<String>,
    /// How often somebody was asked.
    pub asked: i32,
    /// Whom last.
    pub asked_id: Option<PersonId>,
    /// By which code they confirm it.
    pub code: Option<String>,
}

/// Keeps it.
pub async fn set(tx: &mut Tx, organisation: OrganisationId, day: &EndOfDay) -> Result<()> {
    execute!(tx, SET, day.team_id, organisation, day.due_at, &day.day, day.asked, day.asked_id, &day.code);
    Ok(())
}

/// The team has no closing time any more.
pub async fn drop(tx: &mut Tx, organisation: OrganisationId, team: TeamId) -> Result<()> {
    execute!(tx, DROP, team, organisation);
    Ok(())
}

/// A team's, locked till the end of the use case.
pub async fn load(tx: &mut Tx, organisation: OrganisationId, team: TeamId) -> Result<Option<EndOfDay>> {
    let text = tx.text(LOAD);
    Ok(both!(tx, |c| sqlx::query_as(text).bind(team).bind(organisation).fetch_optional(c).await?))
}

/// A team's, to be shown.
pub async fn find(tx: &mut Tx, organisation: OrganisationId, team: TeamId) -> Result<Option<EndOfDay>> {
    Ok(both!(tx, |c| sqlx::query_as(FIND).bind(team).bind(organisation).fetch_optional(c).await?))
}

/// The team whose end of the day this code confirms.
pub async fn team_of_code(tx: &mut Tx, organisation: OrganisationId, code: &str) -> Result<Option<TeamId>> {
    Ok(both!(tx, |c| sqlx::query_scalar(BY_CODE).bind(organisation).bind(code).fetch_optional(c).await?))
}

/// It could not be worked on and is looked at again then.
pub async fn put_aside(tx: &mut Tx, organisation: OrganisationId, team: TeamId, due: Time) -> Result<()> {
    execute!(tx, PUT_ASIDE, team, organisation, due);
    Ok(())
}

/// Locks all of an organisation's, before the organisation itself is.
pub async fn lock_all(tx: &mut Tx, organisation: OrganisationId) -> Result<()> {
    let text = tx.text(LOCK_ALL);
    execute!(tx, text, organisation);
    Ok(())
}

/// The teams whose time has come, locked.
pub async fn due_any_org(tx: &mut Tx, now: Time, limit: i64) -> Result<Vec<(TeamId, OrganisationId)>> {
    let text = tx.text(DUE_ANY_ORG);
    Ok(both!(tx, |c| sqlx::query_as(text).bind(now).bind(limit).fetch_all(c).await?))
}

/// When the next is due.
pub async fn next_due_any_org(tx: &mut Tx) -> Result<Option<Time>> {
    Ok(both!(tx, |c| sqlx::query_scalar(NEXT_DUE_ANY_ORG).fetch_one(c).await?))
}
