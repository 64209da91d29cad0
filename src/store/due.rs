//! Who is due a visit: the rules of an organisation, what is known of its cases, and when digests go.

use chrono::Weekday;
use chrono_tz::Tz;
use futures::TryStreamExt;
use sqlx::{FromRow, types::Json};
use uuid::Uuid;

use super::{Error, Result, Sql, Tx, both, execute, readable};
use crate::{
    clock::Time,
    domain::{
        due::{Cause, Facts, History, InForce, Settings, Summary, Supervision},
        ids::{CaseId, OrganisationId, PersonId, TeamId, VisitId},
        visit::{VisitOutcome, Visiting},
    },
};

const RULES: &str =
    "SELECT version, body, office_days, set_by, set_at FROM due_rules WHERE organisation_id = $1
     ORDER BY version DESC LIMIT 1";
const ALL_RULES: &str = "SELECT version, body, office_days, set_by, set_at FROM due_rules WHERE organisation_id = $1 ORDER BY version";
const ADD_RULES: &str = "INSERT INTO due_rules (organisation_id, version, body, office_days, set_by, set_at)
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (organisation_id, version) DO NOTHING";
const BEGIN: &str =
    "INSERT INTO supervision (case_id, organisation_id, known, history, standing, rules_version)
     VALUES ($1, $2, $3, $4, $5, 0) ON CONFLICT (case_id) DO NOTHING";
const HOLD: Sql = Sql::pair(
    "SELECT * FROM supervision WHERE case_id = $1 AND organisation_id = $2",
    "SELECT * FROM supervision WHERE case_id = $1 AND organisation_id = $2 FOR NO KEY UPDATE",
);
const SAVE: &str =
    "UPDATE supervision SET worker_id = $3, known = $4, history = $5, standing = $6, rules_version = $7
     WHERE case_id = $1 AND organisation_id = $2";
const VISITS: &str = "SELECT id, arrived_at, outcome, visiting FROM visit
     WHERE organisation_id = $1 AND case_reference IS NOT NULL AND upper(replace(case_reference, ' ', '')) = $2
       AND arrived_at IS NOT NULL AND outcome IS NOT NULL ORDER BY arrived_at, id";
const PLANNED: &str =
    "SELECT upper(replace(case_reference, ' ', '')) AS reference, id, worker_id, expected_arrival
     FROM visit WHERE organisation_id = $1 AND state IN ('planned', 'begun', 'going_home') AND state = 'planned'
       AND case_reference IS NOT NULL AND expected_arrival IS NOT NULL ORDER BY expected_arrival, id";
const PLANNED_OF: &str =
    "SELECT upper(replace(case_reference, ' ', '')) AS reference, id, worker_id, expected_arrival
     FROM visit WHERE organisation_id = $1 AND upper(replace(case_reference, ' ', '')) = $2 AND case_reference IS NOT NULL
       AND state = 'planned' AND expected_arrival IS NOT NULL ORDER BY expected_arrival, id";
const CASES: &str = "SELECT c.id, c.team_id, c.reference, c.visiting, s.worker_id, s.known, s.history
     FROM case_file c LEFT JOIN supervision s ON s.case_id = c.id
     WHERE c.organisation_id = $1 ORDER BY c.reference";
const CASES_OF_TEAM: &str = "SELECT c.id, c.team_id, c.reference, c.visiting, s.worker_id, s.known, s.history
     FROM case_file c LEFT JOIN supervision s ON s.case_id = c.id
     WHERE c.organisation_id = $1 AND c.team_id = $2 ORDER BY c.reference";
const CASE: &str = "SELECT c.id, c.team_id, c.reference, c.visiting, s.worker_id, s.known, s.history
     FROM case_file c LEFT JOIN supervision s ON s.case_id = c.id
     WHERE c.organisation_id = $1 AND c.reference = $2";
const TO_COMPUTE_ANY_ORG: &str =
    "WITH r AS (SELECT organisation_id, max(version) AS version FROM due_rules GROUP BY organisation_id)
     SELECT t.case_id, t.organisation_id, r.version, t.cause FROM case_to_compute t
     JOIN r ON r.organisation_id = t.organisation_id
     UNION ALL
     SELECT c.id, c.organisation_id, r.version, 'rules' FROM case_file c
     JOIN r ON r.organisation_id = c.organisation_id
     WHERE NOT EXISTS (SELECT 1 FROM supervision s WHERE s.case_id = c.id AND s.rules_version = r.version)
     ORDER BY 1 LIMIT $1";
const COMPUTE_SOON: &str = "INSERT INTO case_to_compute (id, case_id, organisation_id, cause)
     SELECT $1, id, organisation_id, $4 FROM case_file WHERE organisation_id = $2 AND reference = $3";
const NOT_LEFT: &str =
    "DELETE FROM case_to_compute WHERE case_id = $1 AND organisation_id = $2 AND cause = $3";
const GIVE_UP: &str = "UPDATE supervision SET rules_version = $3 WHERE case_id = $1 AND organisation_id = $2";
const COMPUTE_ANEW: &str = "UPDATE supervision SET rules_version = 0 WHERE organisation_id = $1";
const SET_DIGEST: &str = "INSERT INTO due_digest (team_id, organisation_id, due_at) VALUES ($1, $2, $3)
     ON CONFLICT (team_id) DO UPDATE SET due_at = excluded.due_at";
const BEGIN_DIGEST: &str = "INSERT INTO due_digest (team_id, organisation_id, due_at) VALUES ($1, $2, $3)
     ON CONFLICT (team_id) DO UPDATE SET due_at = excluded.due_at WHERE excluded.due_at < due_digest.due_at";
const FIRST_DIGEST_ANY_ORG: &str =
    "SELECT team_id, organisation_id FROM due_digest WHERE due_at <= $1 ORDER BY due_at LIMIT 1";
const HOLD_DIGEST: Sql = Sql::pair(
    "SELECT due_at FROM due_digest WHERE organisation_id = $1 AND team_id = $2 AND due_at <= $3",
    "SELECT due_at FROM due_digest WHERE organisation_id = $1 AND team_id = $2 AND due_at <= $3 FOR NO KEY UPDATE",
);

/// After so many cases, some milliseconds, whatever else is to be done on this processor, an alarm perhaps, has its turn.
const CASES_IN_A_TURN: usize = 200;

/// A version of the rules.
#[derive(Debug, Clone, PartialEq)]
pub struct RulesVersion {
    /// 1, 2, 3 …
    pub version: i32,
    /// What it says.
    pub settings: Settings,
    /// On which days the office works, by which working days are counted.
    pub office_days: Vec<Weekday>,
    /// Who set it; nobody: the organisation's file.
    pub set_by: Option<PersonId>,
    /// When.
    pub set_at: Time,
}

#[derive(FromRow)]
struct RulesRow {
    version: i32,
    body: Json<Settings>,
    office_days: Json<Vec<Weekday>>,
    set_by: Option<PersonId>,
    set_at: Time,
}

impl From<RulesRow> for RulesVersion {
    fn from(row: RulesRow) -> Self {
        let RulesRow { version, body, office_days, set_by, set_at } = row;
        Self { version, settings: body.0, office_days: office_days.0, set_by, set_at }
    }
}

impl RulesVersion {
    /// Reads it; days begin by the clocks of this zone. What was set could be read.
    pub fn in_force(&self, organisation: OrganisationId, zone: Tz) -> Result<InForce> {
        let read = self.settings.in_force(&self.office_days, zone);
        read.map_err(|_| Error::inconsistent("due_rules", "body", organisation))
    }
}

/// The version that is in force.
pub async fn rules(tx: &mut Tx, organisation: OrganisationId) -> Result<Option<RulesVersion>> {
    let row: Option<RulesRow> =
        both!(tx, |c| sqlx::query_as(RULES).bind(organisation).fetch_optional(c).await?);
    Ok(row.map(RulesVersion::from))
}

/// Every version, the first one first.
pub async fn all_rules(tx: &mut Tx, organisation: OrganisationId) -> Result<Vec<RulesVersion>> {
    let rows: Vec<RulesRow> =
        both!(tx, |c| sqlx::query_as(ALL_RULES).bind(organisation).fetch_all(c).await?);
    Ok(rows.into_iter().map(RulesVersion::from).collect())
}

/// Puts another in force.
pub async fn add_rules(tx: &mut Tx, organisation: OrganisationId, rules: &RulesVersion) -> Result<()> {
    let RulesVersion { version, settings, office_days, set_by, set_at } = rules;
    let added =
        execute!(tx, ADD_RULES, organisation, version, Json(settings), Json(office_days), set_by, set_at);
    if added == 1 { Ok(()) } else { Err(Error::Conflict) }
}

/// What is kept of a case.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Which.
    pub case: CaseId,
    /// Whose it is.
    pub worker: Option<PersonId>,
    /// What people said.
    pub supervision: Supervision,
    /// What has happened.
    pub history: History,
    /// What was due when it was last computed.
    pub standing: Summary,
    /// By which rules that was; 0: by none yet.
    pub rules_version: i32,
}

#[derive(FromRow)]
struct KeptRow {
    case_id: CaseId,
    worker_id: Option<PersonId>,
    known: Json<Supervision>,
    history: Json<History>,
    standing: Json<Summary>,
    rules_version: i32,
}

async fn begin(tx: &mut Tx, organisation: OrganisationId, case: CaseId) -> Result<()> {
    let (known, history) = (Json(Supervision::default()), Json(History::default()));
    execute!(tx, BEGIN, case, organisation, known, history, Json(Summary::default()));
    Ok(())
}

/// What is kept of a case, locked till the end of the use case; nothing is known of one that was not looked at before.
pub async fn hold(tx: &mut Tx, organisation: OrganisationId, case: CaseId) -> Result<Kept> {
    begin(tx, organisation, case).await?;
    let text = tx.text(HOLD);
    let row: KeptRow = both!(tx, |c| sqlx::query_as(text).bind(case).bind(organisation).fetch_one(c).await?);
    Ok(Kept {
        case: row.case_id,
        worker: row.worker_id,
        supervision: row.known.0,
        history: row.history.0,
        standing: row.standing.0,
        rules_version: row.rules_version,
    })
}

/// Keeps it.
pub async fn save(tx: &mut Tx, organisation: OrganisationId, kept: &Kept) -> Result<()> {
    let (known, history) = (Json(&kept.supervision), Json(&kept.history));
    let standing = Json(&kept.standing);
    execute!(tx, SAVE, kept.case, organisation, kept.worker, known, history, standing, kept.rules_version);
    Ok(())
}

/// A case of which what is due has still to be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct ToCompute {
    /// Which.
    #[sqlx(rename = "case_id")]
    pub case: CaseId,
    /// Whose.
    #[sqlx(rename = "organisation_id")]
    pub organisation: OrganisationId,
    /// By this version of the rules.
    pub version: i32,
    /// Why.
    pub cause: Cause,
}

/// Cases that were left to compute, and those of which nothing was yet by the rules in force.
pub async fn to_compute_any_org(tx: &mut Tx, limit: i64) -> Result<Vec<ToCompute>> {
    Ok(both!(tx, |c| sqlx::query_as(TO_COMPUTE_ANY_ORG).bind(limit).fetch_all(c).await?))
}

/// Leaves the case of this reference to be computed. Waits for nobody: it is a row of its own.
pub async fn compute_soon(
    tx: &mut Tx,
    organisation: OrganisationId,
    reference: &str,
    cause: Cause,
) -> Result<()> {
    execute!(tx, COMPUTE_SOON, Uuid::new_v4(), organisation, reference, cause);
    Ok(())
}

/// It is not left any more.
pub async fn not_left_any_more(tx: &mut Tx, left: ToCompute) -> Result<()> {
    execute!(tx, NOT_LEFT, left.case, left.organisation, left.cause);
    Ok(())
}

/// The visits of a case whose outcome is known, the first one first.
pub async fn visits_of(
    tx: &mut Tx,
    organisation: OrganisationId,
    reference: &str,
) -> Result<Vec<(VisitId, Time, VisitOutcome, Option<Visiting>)>> {
    Ok(both!(tx, |c| sqlx::query_as(VISITS).bind(organisation).bind(reference).fetch_all(c).await?))
}

/// Whatever follows from what is kept of all cases is to be computed anew.
pub async fn compute_anew(tx: &mut Tx, organisation: OrganisationId) -> Result<()> {
    execute!(tx, COMPUTE_ANEW, organisation);
    Ok(())
}

/// Nothing can be computed of this case: it is not tried again with these rules.
pub async fn give_up(tx: &mut Tx, organisation: OrganisationId, case: CaseId, version: i32) -> Result<()> {
    begin(tx, organisation, case).await?;
    execute!(tx, GIVE_UP, case, organisation, version);
    Ok(())
}

/// A planned visit of a case.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Planned {
    /// Of which case.
    pub reference: String,
    /// Which.
    pub id: VisitId,
    /// Who goes.
    pub worker_id: PersonId,
    /// When.
    pub expected_arrival: Time,
}

/// The visits that are planned, the next one first.
pub async fn planned(tx: &mut Tx, organisation: OrganisationId) -> Result<Vec<Planned>> {
    Ok(both!(tx, |c| sqlx::query_as(PLANNED).bind(organisation).fetch_all(c).await?))
}

/// Those of one case.
pub async fn planned_of(tx: &mut Tx, organisation: OrganisationId, reference: &str) -> Result<Vec<Planned>> {
    Ok(both!(tx, |c| sqlx::query_as(PLANNED_OF).bind(organisation).bind(reference).fetch_all(c).await?))
}

/// A case as the due list reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Which.
    pub id: CaseId,
    /// Which team looks after it.
    pub team: TeamId,
    /// How everybody speaks of it.
    pub reference: String,
    /// Whose it is.
    pub worker: Option<PersonId>,
    /// What is known of it.
    pub facts: Facts,
}

#[derive(FromRow)]
struct CaseRow {
    id: CaseId,
    team_id: TeamId,
    reference: String,
    visiting: Option<Visiting>,
    worker_id: Option<PersonId>,
    known: Option<Json<Supervision>>,
    history: Option<Json<History>>,
}

impl From<CaseRow> for Case {
    fn from(row: CaseRow) -> Self {
        Self {
            id: row.id,
            team: row.team_id,
            reference: row.reference,
            worker: row.worker_id,
            facts: Facts {
                visiting: row.visiting,
                supervision: row.known.map(|known| known.0).unwrap_or_default(),
                history: row.history.map(|history| history.0).unwrap_or_default(),
            },
        }
    }
}

/// Hands on each case of an organisation, or of one team alone, by reference. While one is looked at the next are being read: there may be
/// very many.
pub async fn each_case(
    tx: &mut Tx,
    organisation: OrganisationId,
    of: Option<TeamId>,
    mut each: impl FnMut(Case) + Send,
) -> Result<()> {
    let mut read = 0_usize;
    both!(tx, |c| {
        let cases = match of {
            None => sqlx::query(CASES).bind(organisation),
            Some(team) => sqlx::query(CASES_OF_TEAM).bind(organisation).bind(team),
        };
        let mut rows = cases.fetch(c);
        while let Some(row) = rows.try_next().await? {
            if let Some(case) = readable!([row], CaseRow).pop() {
                each(case.into());
            }
            read += 1;
            if read.is_multiple_of(CASES_IN_A_TURN) {
                tokio::task::yield_now().await;
            }
        }
    });
    Ok(())
}

/// The one with this reference.
pub async fn case(tx: &mut Tx, organisation: OrganisationId, reference: &str) -> Result<Option<Case>> {
    let row: Option<CaseRow> =
        both!(tx, |c| sqlx::query_as(CASE).bind(organisation).bind(reference).fetch_optional(c).await?);
    Ok(row.map(Case::from))
}

/// A team's next digest goes then, or before, if one is to go.
pub async fn begin_digest(
    tx: &mut Tx,
    organisation: OrganisationId,
    team: TeamId,
    due_at: Time,
) -> Result<()> {
    execute!(tx, BEGIN_DIGEST, team, organisation, due_at);
    Ok(())
}

/// A team's next digest goes then.
pub async fn set_digest(tx: &mut Tx, organisation: OrganisationId, team: TeamId, due_at: Time) -> Result<()> {
    execute!(tx, SET_DIGEST, team, organisation, due_at);
    Ok(())
}

/// The team whose digest has waited longest to go.
pub async fn first_digest_any_org(tx: &mut Tx, now: Time) -> Result<Option<(TeamId, OrganisationId)>> {
    Ok(both!(tx, |c| sqlx::query_as(FIRST_DIGEST_ANY_ORG).bind(now).fetch_optional(c).await?))
}

/// Whether a team's digest is still to go; it is locked then till the end of the use case.
pub async fn hold_digest(tx: &mut Tx, organisation: OrganisationId, team: TeamId, now: Time) -> Result<bool> {
    let text = tx.text(HOLD_DIGEST);
    let found: Option<(Time,)> =
        both!(tx, |c| sqlx::query_as(text).bind(organisation).bind(team).bind(now).fetch_optional(c).await?);
    Ok(found.is_some())
}
