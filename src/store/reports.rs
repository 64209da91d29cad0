//! What reports are made of. Figures are counted where the rows are; what takes more than counting is decided in `domain::report`.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use sqlx::FromRow;
use uuid::Uuid;

use super::{Result, Sql, Tx, both, id_list::IdList};
use crate::{
    clock::Time,
    domain::{
        ids::{IncidentId, OrganisationId, PersonId, TeamId},
        incident::{Kind, Outcome},
        report::{AlarmFact, Behind, Stage},
        visit::Risk,
    },
};

/// What a report is about.
#[derive(Debug, Clone)]
pub struct Scope {
    /// Of these teams.
    pub teams: Vec<TeamId>,
    /// Of this worker alone.
    pub worker: Option<PersonId>,
    /// Of visits of this risk alone.
    pub risk: Option<Risk>,
    /// From then on.
    pub from: Time,
    /// Till then.
    pub to: Time,
    /// Incidents of which whoever reads it may not know.
    pub hidden: Vec<IncidentId>,
}

impl Scope {
    fn teams(&self) -> IdList {
        self.teams.iter().map(|team| team.0).collect()
    }

    fn hidden(&self) -> IdList {
        self.hidden.iter().map(|incident| incident.0).collect()
    }
}

/// By what rows are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// All together.
    All,
    /// By team.
    Team,
    /// By worker.
    Worker,
    /// By risk.
    Risk,
}

/// Rows of one group and class.
#[derive(Debug, Clone, FromRow)]
pub struct Counted {
    /// The team, or the worker.
    pub id: Option<Uuid>,
    /// The risk.
    pub word: Option<String>,
    /// As what they count.
    pub class: String,
    /// How many.
    pub number: i64,
}

// Each visit that was made and ended in the period, with how: the one place where that is decided.
macro_rules! check_outs {
    (sqlite) => {
        "(SELECT v.id, v.team_id, v.worker_id, v.risk, v.ended_at, CASE
             WHEN v.id IN (SELECT i.visit_id FROM incident i WHERE i.organisation_id = $1 AND i.visit_id IS NOT NULL
                            AND i.missed IS NOT NULL AND i.id NOT IN (SELECT unhex(value) FROM json_each($7))) THEN 'alarm'
             WHEN coalesce(v.left_at, v.ended_at) > v.expected_departure OR v.ended_at > v.home_by THEN 'late'
             WHEN v.extended_seconds > 0 OR v.extended_by_others_seconds > 0 THEN 'extended' ELSE 'on_time' END AS class
           FROM visit v WHERE v.organisation_id = $1 AND v.state = 'ended' AND v.arrived_at IS NOT NULL AND v.ended_at >= $2 AND v.ended_at < $3
             AND v.team_id IN (SELECT unhex(value) FROM json_each($4))
             AND ($5 IS NULL OR v.worker_id = $5) AND ($6 IS NULL OR v.risk = $6))"
    };
    (postgres) => {
        "(SELECT v.id, v.team_id, v.worker_id, v.risk, v.ended_at, CASE
             WHEN v.id IN (SELECT i.visit_id FROM incident i WHERE i.organisation_id = $1 AND i.visit_id IS NOT NULL
                            AND i.missed IS NOT NULL AND i.id <> ALL($7)) THEN 'alarm'
             WHEN coalesce(v.left_at, v.ended_at) > v.expected_departure OR v.ended_at > v.home_by THEN 'late'
             WHEN v.extended_seconds > 0 OR v.extended_by_others_seconds > 0 THEN 'extended' ELSE 'on_time' END AS class
           FROM visit v WHERE v.organisation_id = $1 AND v.state = 'ended' AND v.arrived_at IS NOT NULL AND v.ended_at >= $2 AND v.ended_at < $3
             AND v.team_id = ANY($4)
             AND ($5::uuid IS NULL OR v.worker_id = $5) AND ($6::text IS NULL OR v.risk = $6))"
    };
}

macro_rules! counted {
    ($rows:ident, $sqlite:literal, $postgres:literal, $by:literal) => {
        Sql::pair(
            concat!(
                "SELECT ",
                $sqlite,
                ", class, count(*) AS number FROM ",
                $rows!(sqlite),
                " AS rows GROUP BY ",
                $by,
                "class"
            ),
            concat!(
                "SELECT ",
                $postgres,
                ", class, count(*) AS number FROM ",
                $rows!(postgres),
                " AS rows GROUP BY ",
                $by,
                "class"
            ),
        )
    };
}

const CHECK_OUTS: [Sql; 4] = [
    counted!(check_outs, "NULL AS id, NULL AS word", "NULL::uuid AS id, NULL::text AS word", ""),
    counted!(check_outs, "team_id AS id, NULL AS word", "team_id AS id, NULL::text AS word", "team_id, "),
    counted!(
        check_outs,
        "worker_id AS id, NULL AS word",
        "worker_id AS id, NULL::text AS word",
        "worker_id, "
    ),
    counted!(check_outs, "NULL AS id, risk AS word", "NULL::uuid AS id, risk AS word", "risk, "),
];
const CHECK_OUTS_BEHIND: Sql = Sql::pair(
    concat!(
        "SELECT 'visit' AS what, id, worker_id AS worker, team_id AS team, ended_at AS at FROM ",
        check_outs!(sqlite),
        " AS rows WHERE class = $8 ORDER BY ended_at, id LIMIT $9"
    ),
    concat!(
        "SELECT 'visit' AS what, id, worker_id AS worker, team_id AS team, ended_at AS at FROM ",
        check_outs!(postgres),
        " AS rows WHERE class = $8 ORDER BY ended_at, id LIMIT $9"
    ),
);

const ALARMS: Sql = Sql::pair(
    "SELECT i.id, i.team_id, i.subject_id, i.kind, i.outcome, i.opened_at, min(coalesce(i.missed, i.opened_at), coalesce(i.sos_at, i.opened_at), i.opened_at) AS since,
       coalesce(v.risk, 'normal') AS risk
     FROM incident i LEFT JOIN visit v ON v.id = i.visit_id
     WHERE i.organisation_id = $1 AND i.opened_at >= $2 AND i.opened_at < $3
       AND i.team_id IN (SELECT unhex(value) FROM json_each($4))
       AND ($5 IS NULL OR i.subject_id = $5) AND ($6 IS NULL OR coalesce(v.risk, 'normal') = $6)
       AND i.id NOT IN (SELECT unhex(value) FROM json_each($7)) ORDER BY i.id",
    "SELECT i.id, i.team_id, i.subject_id, i.kind, i.outcome, i.opened_at, least(i.missed, i.sos_at, i.opened_at) AS since,
       coalesce(v.risk, 'normal') AS risk
     FROM incident i LEFT JOIN visit v ON v.id = i.visit_id
     WHERE i.organisation_id = $1 AND i.opened_at >= $2 AND i.opened_at < $3 AND i.team_id = ANY($4)
       AND ($5::uuid IS NULL OR i.subject_id = $5) AND ($6::text IS NULL OR coalesce(v.risk, 'normal') = $6)
       AND i.id <> ALL($7) ORDER BY i.id",
);
// What an alarm's own log says of it; and of lists, which are logged with the organisation, when a provider took one.
const STAGES: &str = "SELECT i.id, e.kind, min(e.happened_at) AS at FROM incident i JOIN event e ON e.chain = i.id
     WHERE i.organisation_id = $1 AND i.opened_at >= $2 AND i.opened_at < $3
       AND e.kind IN ('message.accepted', 'message.delivered', 'incident.acknowledged', 'incident.closed') GROUP BY i.id, e.kind
     UNION ALL SELECT i.id, 'message.accepted' AS kind, min(m.finished_at) AS at FROM incident i
       JOIN listed_call l ON l.incident_id = i.id JOIN message m ON m.id = l.message_id
     WHERE i.organisation_id = $1 AND i.opened_at >= $2 AND i.opened_at < $3 AND m.state = 'accepted' GROUP BY i.id";

// The newest version for each place, with how it stands on a day ($2).
macro_rules! assessments {
    ($teams:literal) => {
        concat!(
            "(SELECT p.id, c.team_id, coalesce(a.rating, 'not_assessed') AS rating, CASE WHEN a.id IS NULL THEN 'not_assessed' WHEN a.agreed_at IS NULL THEN 'not_agreed'
                WHEN a.review_on < $2 THEN 'review_due' ELSE 'in_date' END AS class
              FROM case_file c JOIN place p ON p.case_id = c.id
                LEFT JOIN assessment a ON a.place_id = p.id
                  AND a.version = (SELECT max(version) FROM assessment newest WHERE newest.place_id = p.id)
              WHERE c.organisation_id = $1 AND ",
            $teams,
            ")"
        )
    };
}
macro_rules! assessments_counted {
    ($sqlite:literal, $postgres:literal, $by:literal) => {
        Sql::pair(
            concat!(
                "SELECT ",
                $sqlite,
                ", class, count(*) AS number FROM ",
                assessments!("c.team_id IN (SELECT unhex(value) FROM json_each($3)) AND ($4 IS NULL OR coalesce(a.rating, 'not_assessed') = $4)"),
                " AS rows GROUP BY ",
                $by,
                "class"
            ),
            concat!(
                "SELECT ",
                $postgres,
                ", class, count(*) AS number FROM ",
                assessments!("c.team_id = ANY($3) AND ($4::text IS NULL OR coalesce(a.rating, 'not_assessed') = $4)"),
                " AS rows GROUP BY ",
                $by,
                "class"
            ),
        )
    };
}
const ASSESSMENTS: Sql =
    assessments_counted!("NULL AS id, NULL AS word", "NULL::uuid AS id, NULL::text AS word", "");
const ASSESSMENTS_BY_TEAM: Sql =
    assessments_counted!("team_id AS id, NULL AS word", "team_id AS id, NULL::text AS word", "team_id, ");
const ASSESSMENTS_BY_RISK: Sql =
    assessments_counted!("NULL AS id, rating AS word", "NULL::uuid AS id, rating AS word", "rating, ");
const ASSESSMENTS_BEHIND: Sql = Sql::pair(
    concat!(
        "SELECT 'place' AS what, id, NULL AS worker, team_id AS team, NULL AS at FROM ",
        assessments!(
            "c.team_id IN (SELECT unhex(value) FROM json_each($3)) AND ($4 IS NULL OR coalesce(a.rating, 'not_assessed') = $4)"
        ),
        " AS rows WHERE class = $5 ORDER BY id LIMIT $6"
    ),
    concat!(
        "SELECT 'place' AS what, id, NULL::uuid AS worker, team_id AS team, NULL::timestamptz AS at FROM ",
        assessments!("c.team_id = ANY($3) AND ($4::text IS NULL OR coalesce(a.rating, 'not_assessed') = $4)"),
        " AS rows WHERE class = $5 ORDER BY id LIMIT $6"
    ),
);

const DRILLS: Sql = Sql::pair(
    "SELECT d.id, d.team_id, d.starts_at, count(c.person_id) AS called, count(c.answered_at) AS answered,
       min(c.answered_at) AS first_answer
     FROM drill d LEFT JOIN drill_call c ON c.drill_id = d.id
     WHERE d.organisation_id = $1 AND d.starts_at >= $2 AND d.starts_at < $3
       AND d.team_id IN (SELECT unhex(value) FROM json_each($4)) AND d.subject_id <> $5 GROUP BY d.id, d.team_id, d.starts_at ORDER BY d.id",
    "SELECT d.id, d.team_id, d.starts_at, count(c.person_id) AS called, count(c.answered_at) AS answered,
       min(c.answered_at) AS first_answer
     FROM drill d LEFT JOIN drill_call c ON c.drill_id = d.id
     WHERE d.organisation_id = $1 AND d.starts_at >= $2 AND d.starts_at < $3 AND d.team_id = ANY($4)
       AND d.subject_id <> $5 GROUP BY d.id, d.team_id, d.starts_at ORDER BY d.id",
);
const CALLED_IN_DRILLS: Sql = Sql::pair(
    "SELECT d.team_id, d.starts_at, c.person_id, c.answered_at FROM drill d JOIN drill_call c ON c.drill_id = d.id
     WHERE d.organisation_id = $1 AND d.starts_at >= $2 AND d.starts_at < $3
       AND d.team_id IN (SELECT unhex(value) FROM json_each($4)) AND d.subject_id <> $5 ORDER BY d.id, c.person_id",
    "SELECT d.team_id, d.starts_at, c.person_id, c.answered_at FROM drill d JOIN drill_call c ON c.drill_id = d.id
     WHERE d.organisation_id = $1 AND d.starts_at >= $2 AND d.starts_at < $3 AND d.team_id = ANY($4)
       AND d.subject_id <> $5 ORDER BY d.id, c.person_id",
);

/// How visits ended that ended in the period.
pub async fn check_outs(
    tx: &mut Tx,
    organisation: OrganisationId,
    scope: &Scope,
    group: Group,
) -> Result<Vec<Counted>> {
    let of = match group {
        Group::All => CHECK_OUTS[0],
        Group::Team => CHECK_OUTS[1],
        Group::Worker => CHECK_OUTS[2],
        Group::Risk => CHECK_OUTS[3],
    };
    let text = tx.text(of);
    Ok(both!(tx, |c| sqlx::query_as(text)
        .bind(organisation)
        .bind(scope.from)
        .bind(scope.to)
        .bind(scope.teams())
        .bind(scope.worker)
        .bind(scope.risk)
        .bind(scope.hidden())
        .fetch_all(c)
        .await?))
}

#[derive(FromRow)]
struct BehindRow {
    what: String,
    id: Uuid,
    worker: Option<Uuid>,
    team: Uuid,
    at: Option<Time>,
}

impl From<BehindRow> for Behind {
    fn from(BehindRow { what, id, worker, team, at }: BehindRow) -> Self {
        Self { what, id, worker, team, at, ..Self::default() }
    }
}

/// The visits behind one of those figures.
pub async fn check_outs_behind(
    tx: &mut Tx,
    organisation: OrganisationId,
    scope: &Scope,
    class: &str,
    limit: i64,
) -> Result<Vec<Behind>> {
    let text = tx.text(CHECK_OUTS_BEHIND);
    let rows: Vec<BehindRow> = both!(tx, |c| sqlx::query_as(text)
        .bind(organisation)
        .bind(scope.from)
        .bind(scope.to)
        .bind(scope.teams())
        .bind(scope.worker)
        .bind(scope.risk)
        .bind(scope.hidden())
        .bind(class)
        .bind(limit)
        .fetch_all(c)
        .await?);
    Ok(rows.into_iter().map(Behind::from).collect())
}

#[derive(FromRow)]
struct AlarmRow {
    id: IncidentId,
    team_id: TeamId,
    subject_id: PersonId,
    kind: Kind,
    outcome: Option<Outcome>,
    opened_at: Time,
    since: Time,
    risk: Risk,
}

/// The alarms that went up in the period, with the stages that they reached.
pub async fn alarms(tx: &mut Tx, organisation: OrganisationId, scope: &Scope) -> Result<Vec<AlarmFact>> {
    let text = tx.text(ALARMS);
    let rows: Vec<AlarmRow> = both!(tx, |c| sqlx::query_as(text)
        .bind(organisation)
        .bind(scope.from)
        .bind(scope.to)
        .bind(scope.teams())
        .bind(scope.worker)
        .bind(scope.risk)
        .bind(scope.hidden())
        .fetch_all(c)
        .await?);
    let reached: Vec<(IncidentId, String, Option<Time>)> = both!(tx, |c| sqlx::query_as(STAGES)
        .bind(organisation)
        .bind(scope.from)
        .bind(scope.to)
        .fetch_all(c)
        .await?);
    let mut stages: BTreeMap<IncidentId, BTreeMap<Stage, Time>> = BTreeMap::new();
    for (incident, kind, at) in reached {
        let stage = match kind.as_str() {
            "message.accepted" => Stage::Accepted,
            "message.delivered" => Stage::Delivered,
            "incident.acknowledged" => Stage::Taken,
            _ => Stage::Closed,
        };
        if let Some(at) = at {
            let first = stages.entry(incident).or_default().entry(stage).or_insert(at);
            *first = at.min(*first);
        }
    }
    Ok(rows
        .into_iter()
        .map(|row| {
            let mut stages = stages.remove(&row.id).unwrap_or_default();
            stages.insert(Stage::Queued, row.opened_at);
            AlarmFact {
                id: row.id,
                team: row.team_id,
                subject: row.subject_id,
                kind: row.kind,
                risk: row.risk,
                since: row.since,
                opened_at: row.opened_at,
                outcome: row.outcome,
                stages,
            }
        })
        .collect())
}

/// How the assessments of places stand on a day.
pub async fn assessments(
    tx: &mut Tx,
    organisation: OrganisationId,
    scope: &Scope,
    (on, rating): (NaiveDate, Option<&str>),
    group: Group,
) -> Result<Vec<Counted>> {
    let text = tx.text(match group {
        Group::Team => ASSESSMENTS_BY_TEAM,
        Group::Risk => ASSESSMENTS_BY_RISK,
        Group::All | Group::Worker => ASSESSMENTS,
    });
    Ok(both!(tx, |c| sqlx::query_as(text)
        .bind(organisation)
        .bind(on.to_string())
        .bind(scope.teams())
        .bind(rating)
        .fetch_all(c)
        .await?))
}

/// The places behind one of those figures.
pub async fn assessments_behind(
    tx: &mut Tx,
    organisation: OrganisationId,
    scope: &Scope,
    (on, rating): (NaiveDate, Option<&str>),
    class: &str,
    limit: i64,
) -> Result<Vec<Behind>> {
    let text = tx.text(ASSESSMENTS_BEHIND);
    let rows: Vec<BehindRow> = both!(tx, |c| sqlx::query_as(text)
        .bind(organisation)
        .bind(on.to_string())
        .bind(scope.teams())
        .bind(rating)
        .bind(class)
        .bind(limit)
        .fetch_all(c)
        .await?);
    Ok(rows.into_iter().map(Behind::from).collect())
}

/// A drill, as far as reports look at it.
#[derive(Debug, Clone, FromRow)]
pub struct DrillFact {
    /// Its id.
    pub id: Uuid,
    /// Of which team.
    pub team_id: TeamId,
    /// When it began.
    pub starts_at: Time,
    /// How many it called.
    pub called: i64,
    /// How many answered.
    pub answered: i64,
    /// When the first did.
    pub first_answer: Option<Time>,
}

/// The drills that began in the period; never those about whoever reads of them.
pub async fn drills(
    tx: &mut Tx,
    organisation: OrganisationId,
    scope: &Scope,
    reader: PersonId,
) -> Result<Vec<DrillFact>> {
    let text = tx.text(DRILLS);
    Ok(both!(tx, |c| sqlx::query_as(text)
        .bind(organisation)
        .bind(scope.from)
        .bind(scope.to)
        .bind(scope.teams())
        .bind(reader)
        .fetch_all(c)
        .await?))
}

/// Whoever was called in a drill.
#[derive(Debug, Clone, FromRow)]
pub struct CalledInDrill {
    /// Whose drill it was.
    pub team_id: TeamId,
    /// When it began.
    pub starts_at: Time,
    /// Who.
    pub person_id: PersonId,
    /// When they answered, if they did.
    pub answered_at: Option<Time>,
}

/// Everybody who was called in the drills of the period; not the reader's own.
pub async fn called_in_drills(
    tx: &mut Tx,
    organisation: OrganisationId,
    scope: &Scope,
    reader: PersonId,
) -> Result<Vec<CalledInDrill>> {
    let text = tx.text(CALLED_IN_DRILLS);
    Ok(both!(tx, |c| sqlx::query_as(text)
        .bind(organisation)
        .bind(scope.from)
        .bind(scope.to)
        .bind(scope.teams())
        .bind(reader)
        .fetch_all(c)
        .await?))
}
