//! Whether visits are agreed, who is asked about them, and by what an organisation decides.

use std::collections::BTreeMap;

use sqlx::{FromRow, types::Json};

use super::{Error, Result, Sql, Tx, both, execute, id_list::IdList, one_row, readable};
use crate::{
    clock::Time,
    domain::{
        agreement::{AgreedBy, Agreement, Approver, Changed, Private, Reason, Rules, RunsAs, State},
        assessment::Company,
        case_file::Destination,
        ids::{AssessmentId, CaseId, IncidentId, OrganisationId, PersonId, PlaceId, TeamId, VisitId},
        visit::Risk,
    },
};

const RULES: &str = "SELECT body FROM agreement_rules WHERE organisation_id = $1";
const SAVE_RULES: &str = "INSERT INTO agreement_rules (organisation_id, body) VALUES ($1, $2)
     ON CONFLICT (organisation_id) DO UPDATE SET body = excluded.body";
const FORGET_DEPUTY: &str = "UPDATE deputy SET deputy_id = NULL WHERE organisation_id = $1";
const SAVE_DEPUTY: &str = "INSERT INTO deputy (person_id, organisation_id, deputy_id) VALUES ($1, $2, $3)
     ON CONFLICT (person_id) DO UPDATE SET deputy_id = excluded.deputy_id";
const SAVE_AWAY: &str = "INSERT INTO deputy (person_id, organisation_id, away_until) VALUES ($1, $2, $3)
     ON CONFLICT (person_id) DO UPDATE SET away_until = excluded.away_until";
const AWAY: &str = "SELECT person_id, deputy_id FROM deputy WHERE organisation_id = $1 AND away_until > $2";

const INSERT: &str = "INSERT INTO agreement (visit_id, organisation_id, team_id, worker_id, case_id, place_id, assessment_id, company,
       changed, begins_at, state, approver, reasons, at_the_door, risk_before, times, due_at, decided_by, decided_at, own_visit, version)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, 1)
     ON CONFLICT (visit_id) DO NOTHING";
const UPDATE: &str = "UPDATE agreement SET case_id = $5, place_id = $6, assessment_id = $7, company = $8, changed = $9,
       begins_at = $10, state = $11, approver = $12, reasons = $13, at_the_door = $14, risk_before = $15, times = $16,
       due_at = $17, decided_by = $18, decided_at = $19, own_visit = $20, version = version + 1
     WHERE visit_id = $1 AND organisation_id = $2 AND team_id = $3 AND worker_id = $4 AND version = $21";
const SAVE_PRIVATE: &str = "INSERT INTO agreement_private (visit_id, body) VALUES ($1, $2)
     ON CONFLICT (visit_id) DO UPDATE SET body = excluded.body";
const FIND: &str =
    "SELECT a.*, p.body FROM agreement a LEFT JOIN agreement_private p ON p.visit_id = a.visit_id
     WHERE a.visit_id = $1 AND a.organisation_id = $2";
// $4: nobody: everybody's are shown.
const OPEN: Sql = Sql::pair(
    "SELECT a.*, p.body FROM agreement a JOIN visit v ON v.id = a.visit_id
     LEFT JOIN agreement_private p ON p.visit_id = a.visit_id
     WHERE a.organisation_id = $1 AND a.state IN ('waiting', 'asked', 'not_agreed')
       AND (v.state = 'begun' OR v.state = 'planned' AND a.begins_at > $2)
       AND ($4 IS NULL OR a.team_id IN (SELECT unhex(value) FROM json_each($5))
         OR EXISTS (SELECT 1 FROM agreement_code c WHERE c.visit_id = a.visit_id AND c.person_id = $4))
     ORDER BY a.risk_before IS NULL, a.begins_at, a.visit_id LIMIT $3",
    "SELECT a.*, p.body FROM agreement a JOIN visit v ON v.id = a.visit_id
     LEFT JOIN agreement_private p ON p.visit_id = a.visit_id
     WHERE a.organisation_id = $1 AND a.state IN ('waiting', 'asked', 'not_agreed')
       AND (v.state = 'begun' OR v.state = 'planned' AND a.begins_at > $2)
       AND ($4::uuid IS NULL OR a.team_id = ANY($5)
         OR EXISTS (SELECT 1 FROM agreement_code c WHERE c.visit_id = a.visit_id AND c.person_id = $4))
     ORDER BY a.risk_before IS NULL, a.begins_at, a.visit_id LIMIT $3",
);
// Nothing is locked by looking: whoever works on one locks its visit first, as everybody who acts on it.
const DUE_ANY_ORG: &str =
    "SELECT visit_id, organisation_id FROM agreement WHERE due_at <= $1 ORDER BY due_at LIMIT $2";
const PUT_ASIDE_ANY_ORG: &str = "UPDATE agreement SET due_at = $2 WHERE visit_id = $1";
const NEXT_DUE_ANY_ORG: &str =
    "SELECT min(due_at) FROM (SELECT min(due_at) AS due_at FROM agreement WHERE due_at IS NOT NULL
       UNION ALL SELECT min(due_at) FROM others_to_warn) AS first";
// What an index has that holds these alone (migration 0021).
const INCIDENTS_SINCE: &str = "SELECT v.case_reference, v.place, v.place_said FROM incident i
     JOIN visit v ON v.id = coalesce(i.visit_id, i.nearest_visit_id)
     WHERE i.organisation_id = $1 AND i.opened_at > $2 AND v.id <> $3
       AND (i.kind = 'sos' OR i.outcome IN ('threatened', 'assaulted', 'injured'))
       AND i.kind <> 'duress' AND (i.state = 'closed' OR i.subject_id <> $4)";

const TO_WARN: &str = "INSERT INTO others_to_warn (incident_id, organisation_id, due_at) VALUES ($1, $2, $3)
     ON CONFLICT (incident_id) DO NOTHING";
const WARN_DUE_ANY_ORG: &str =
    "SELECT incident_id, organisation_id FROM others_to_warn WHERE due_at <= $1 ORDER BY due_at LIMIT $2";
const WARNED: &str = "DELETE FROM others_to_warn WHERE incident_id = $1 AND organisation_id = $2";
const WARN_LATER_ANY_ORG: &str = "UPDATE others_to_warn SET due_at = $2 WHERE incident_id = $1";

const KEEP_CODE: &str =
    "INSERT INTO agreement_code (person_id, code, visit_id, created_at) VALUES ($1, $2, $3, $4)
     ON CONFLICT DO NOTHING";
const CODE_OF: &str = "SELECT code FROM agreement_code WHERE visit_id = $1 AND person_id = $2";
const OF_CODE: &str = "SELECT visit_id FROM agreement_code WHERE person_id = $1 AND code = $2";

#[derive(FromRow)]
struct Row {
    visit_id: VisitId,
    organisation_id: OrganisationId,
    team_id: TeamId,
    worker_id: PersonId,
    case_id: Option<CaseId>,
    place_id: Option<PlaceId>,
    assessment_id: Option<AssessmentId>,
    company: Company,
    changed: Changed,
    begins_at: Time,
    state: String,
    approver: Option<Approver>,
    reasons: Json<Vec<Reason>>,
    at_the_door: bool,
    risk_before: Option<Risk>,
    times: i32,
    due_at: Option<Time>,
    decided_by: Option<PersonId>,
    decided_at: Option<Time>,
    own_visit: bool,
    version: i64,
    body: Option<Json<Private>>,
}

impl TryFrom<Row> for Agreement {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        let bad = |column| Error::inconsistent("agreement", column, row.visit_id);
        let approver = || row.approver.ok_or_else(|| bad("approver"));
        let decided = || {
            let at = row.decided_at.ok_or_else(|| bad("decided_at"))?;
            Ok::<_, Error>((row.decided_by, at))
        };
        let person = |by: Option<PersonId>| by.ok_or_else(|| bad("decided_by"));
        let times = usize::try_from(row.times).map_err(|_| bad("times"))?;
        let due_at = row.due_at;
        let state = match row.state.as_str() {
            "agreed" => {
                let (by, at) = decided()?;
                let by = match (by, row.own_visit) {
                    (None, _) => AgreedBy::Rules,
                    (Some(by), false) => AgreedBy::Person(by),
                    (Some(by), true) => AgreedBy::TheWorker(by),
                };
                State::Agreed { by, at }
            }
            "waiting" => State::Waiting { approver: approver()?, times, due_at },
            "asked" => {
                let (by, at) = decided()?;
                State::Asked { approver: approver()?, by: person(by)?, at, times, due_at }
            }
            "not_agreed" => State::NotAgreed { times, due_at },
            "refused" => {
                let (by, at) = decided()?;
                State::Refused { by: person(by)?, at }
            }
            _ => return Err(bad("state")),
        };
        Ok(Self {
            visit: row.visit_id,
            organisation: row.organisation_id,
            team: row.team_id,
            worker: row.worker_id,
            case: row.case_id,
            place: row.place_id,
            assessment: row.assessment_id,
            company: row.company,
            changed: row.changed,
            begins_at: row.begins_at,
            state,
            reasons: row.reasons.0,
            begun_not_agreed: match row.risk_before {
                Some(before) => Some(RunsAs::HighRisk { before }),
                None => row.at_the_door.then_some(RunsAs::Meant),
            },
            private: row.body.map(|body| body.0).unwrap_or_default(),
            version: row.version,
        })
    }
}

/// By what an organisation decides.
pub async fn rules(tx: &mut Tx, organisation: OrganisationId) -> Result<Rules> {
    let found: Option<Json<Rules>> =
        both!(tx, |c| sqlx::query_scalar(RULES).bind(organisation).fetch_optional(c).await?);
    Ok(found.map(|rules| rules.0).unwrap_or_default())
}

/// Keeps that.
pub async fn save_rules(tx: &mut Tx, organisation: OrganisationId, rules: &Rules) -> Result<()> {
    execute!(tx, SAVE_RULES, organisation, Json(rules));
    Ok(())
}

/// Keeps who stands in for whom; who is away stays so.
pub async fn save_deputies(
    tx: &mut Tx,
    organisation: OrganisationId,
    deputies: &BTreeMap<PersonId, PersonId>,
) -> Result<()> {
    execute!(tx, FORGET_DEPUTY, organisation);
    for (person, deputy) in deputies {
        execute!(tx, SAVE_DEPUTY, person, organisation, deputy);
    }
    Ok(())
}

/// Somebody is away until then; nothing: they are back.
pub async fn set_away(
    tx: &mut Tx,
    organisation: OrganisationId,
    person: PersonId,
    until: Option<Time>,
) -> Result<()> {
    execute!(tx, SAVE_AWAY, person, organisation, until);
    Ok(())
}

/// Who is away, each with who stands in for them.
pub async fn away(
    tx: &mut Tx,
    organisation: OrganisationId,
    now: Time,
) -> Result<BTreeMap<PersonId, Option<PersonId>>> {
    let rows: Vec<(PersonId, Option<PersonId>)> =
        both!(tx, |c| sqlx::query_as(AWAY).bind(organisation).bind(now).fetch_all(c).await?);
    Ok(rows.into_iter().collect())
}

/// Keeps a new one, or what has become of one. `Error::Retry`: somebody else was quicker.
pub async fn save(tx: &mut Tx, agreement: &mut Agreement) -> Result<()> {
    let (approver, times, due_at) = match agreement.state {
        State::Waiting { approver, times, due_at } | State::Asked { approver, times, due_at, .. } => {
            (Some(approver), times, due_at)
        }
        State::NotAgreed { times, due_at } => (None, times, due_at),
        State::Agreed { .. } | State::Refused { .. } => (None, 0, None),
    };
    let (decided_by, decided_at, own_visit) = match agreement.state {
        State::Agreed { by: AgreedBy::Rules, at } => (None, Some(at), false),
        State::Agreed { by: AgreedBy::TheWorker(by), at } => (Some(by), Some(at), true),
        State::Agreed { by: AgreedBy::Person(by), at }
        | State::Asked { by, at, .. }
        | State::Refused { by, at } => (Some(by), Some(at), false),
        State::Waiting { .. } | State::NotAgreed { .. } => (None, None, false),
    };
    let times = i32::try_from(times).unwrap_or(i32::MAX);
    let at_the_door = agreement.begun_not_agreed.is_some();
    macro_rules! row {
        ($text:expr $(, $last:expr)?) => {
            execute!(tx, $text, agreement.visit, agreement.organisation, agreement.team, agreement.worker, agreement.case,
                agreement.place, agreement.assessment, agreement.company, agreement.changed, agreement.begins_at,
                agreement.state.as_str(), approver, Json(&agreement.reasons), at_the_door, agreement.at_the_door(),
                times, due_at, decided_by, decided_at, own_visit $(, $last)?)
        };
    }
    let kept = if agreement.version == 0 { row!(INSERT) } else { row!(UPDATE, agreement.version) };
    if kept != 1 {
        return Err(Error::Retry);
    }
    agreement.version += 1;
    if agreement.private != Private::default() {
        execute!(tx, SAVE_PRIVATE, agreement.visit, Json(&agreement.private));
    }
    if let Some(due_at) = due_at {
        tx.ring_timer(due_at);
    }
    Ok(())
}

/// How it stands with a visit. Whoever changes it holds the visit.
pub async fn find(tx: &mut Tx, organisation: OrganisationId, visit: VisitId) -> Result<Option<Agreement>> {
    let row: Option<Row> =
        both!(tx, |c| sqlx::query_as(FIND).bind(visit).bind(organisation).fetch_optional(c).await?);
    row.map(Agreement::try_from).transpose()
}

/// Whose visits a list of agreements is about.
#[derive(Debug, Clone)]
pub enum Whose {
    /// The whole organisation's.
    Everybodys,
    /// Those of these teams, and those about which this person was asked.
    InReach(Vec<TeamId>, PersonId),
}

/// What people have to decide, those at the door first. Plans whose time is past are left out, and what is over.
pub async fn open(
    tx: &mut Tx,
    organisation: OrganisationId,
    whose: &Whose,
    now: Time,
    limit: i64,
) -> Result<Vec<Agreement>> {
    let text = tx.text(OPEN);
    let (person, teams) = match whose {
        Whose::Everybodys => (None, &[][..]),
        Whose::InReach(teams, person) => (Some(*person), &teams[..]),
    };
    let teams: IdList = teams.iter().map(|team| team.0).collect();
    Ok(both!(tx, |c| {
        let rows = sqlx::query(text)
            .bind(organisation)
            .bind(now)
            .bind(limit)
            .bind(person)
            .bind(teams)
            .fetch_all(c)
            .await?;
        readable!(rows, Row, Agreement::try_from)
    }))
}

/// About which visits people have to be asked again.
pub async fn due_any_org(tx: &mut Tx, now: Time, limit: i64) -> Result<Vec<(VisitId, OrganisationId)>> {
    Ok(both!(tx, |c| sqlx::query_as(DUE_ANY_ORG).bind(now).bind(limit).fetch_all(c).await?))
}

/// It cannot be worked on now.
pub async fn put_aside_any_org(tx: &mut Tx, visit: VisitId, until: Time) -> Result<()> {
    one_row(execute!(tx, PUT_ASIDE_ANY_ORG, visit, until))
}

/// When somebody is to be asked again, or told that something happened.
pub async fn next_due_any_org(tx: &mut Tx) -> Result<Option<Time>> {
    Ok(both!(tx, |c| sqlx::query_scalar(NEXT_DUE_ANY_ORG).fetch_one(c).await?))
}

/// Where calls for help since then came from, and what ended badly; never a silent alarm, nothing of this visit, and nothing
/// open about whoever goes: they may not know of it.
pub async fn incidents_since(
    tx: &mut Tx,
    organisation: OrganisationId,
    since: Time,
    (visit, worker): (VisitId, PersonId),
) -> Result<Vec<Destination>> {
    type Row = (Option<String>, Option<String>, Option<String>);
    let rows: Vec<Row> = both!(tx, |c| sqlx::query_as(INCIDENTS_SINCE)
        .bind(organisation)
        .bind(since)
        .bind(visit)
        .bind(worker)
        .fetch_all(c)
        .await?);
    let to = |(reference, place, said): Row| {
        Destination::new(reference.as_deref(), [place.as_deref(), said.as_deref()])
    };
    Ok(rows.into_iter().map(to).collect())
}

/// Something happened at a visit (row E13): with the next round others are told who go there, or are there.
pub async fn to_warn(
    tx: &mut Tx,
    organisation: OrganisationId,
    incident: IncidentId,
    now: Time,
) -> Result<()> {
    execute!(tx, TO_WARN, incident, organisation, now);
    tx.ring_timer(now);
    Ok(())
}

/// About which incidents others are to be told.
pub async fn warn_due_any_org(
    tx: &mut Tx,
    now: Time,
    limit: i64,
) -> Result<Vec<(IncidentId, OrganisationId)>> {
    Ok(both!(tx, |c| sqlx::query_as(WARN_DUE_ANY_ORG).bind(now).bind(limit).fetch_all(c).await?))
}

/// They were.
pub async fn warned(tx: &mut Tx, organisation: OrganisationId, incident: IncidentId) -> Result<()> {
    execute!(tx, WARNED, incident, organisation);
    Ok(())
}

/// They cannot be told now.
pub async fn warn_later_any_org(tx: &mut Tx, incident: IncidentId, until: Time) -> Result<()> {
    execute!(tx, WARN_LATER_ANY_ORG, incident, until);
    Ok(())
}

/// A code by which somebody speaks of a visit; false: it is taken, or they have one.
pub async fn keep_code(tx: &mut Tx, person: PersonId, code: &str, visit: VisitId, now: Time) -> Result<bool> {
    Ok(execute!(tx, KEEP_CODE, person, code, visit, now) == 1)
}

/// Their code for a visit, if they have one.
pub async fn code_of(tx: &mut Tx, visit: VisitId, person: PersonId) -> Result<Option<String>> {
    Ok(both!(tx, |c| sqlx::query_scalar(CODE_OF).bind(visit).bind(person).fetch_optional(c).await?))
}

/// The visit that a code of somebody stands for.
pub async fn of_code(tx: &mut Tx, person: PersonId, code: &str) -> Result<Option<VisitId>> {
    Ok(both!(tx, |c| sqlx::query_scalar(OF_CODE).bind(person).bind(code).fetch_optional(c).await?))
}
