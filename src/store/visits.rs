//! Visits and their deadlines.

use chrono::TimeDelta;
use sqlx::{FromRow, Row as _, types::Json};

use super::{
    Error, Result, Sql, Trace, Tx, both,
    events::{self, About, ChainOf},
    id_list::IdList,
    later::later,
    people::KeptPolicy,
    readable,
};
use crate::{
    clock::Time,
    domain::{
        case_file::Destination,
        event::{ChainHead, NewEvent},
        ids::{IncidentId, OrganisationId, PersonId, TeamId, VisitId},
        policy::Policy,
        visit::{Deadline, Details, EndedHow, Risk, Visit, VisitOutcome, VisitState, Visiting},
    },
};

const LOAD: Sql = Sql::pair(
    "SELECT v.*, t.policy FROM visit v JOIN team t ON t.id = v.team_id WHERE v.id = $1 AND v.organisation_id = $2",
    "SELECT v.*, t.policy FROM visit v JOIN team t ON t.id = v.team_id WHERE v.id = $1 AND v.organisation_id = $2
     FOR NO KEY UPDATE OF v",
);
const FIND: &str = "SELECT * FROM visit WHERE id = $1 AND organisation_id = $2";
const FIND_EACH: Sql = Sql::pair(
    "SELECT * FROM visit WHERE organisation_id = $1 AND id IN (SELECT unhex(value) FROM json_each($2)) ORDER BY id",
    "SELECT * FROM visit WHERE organisation_id = $1 AND id = ANY($2) ORDER BY id",
);
const RUNNING_OF: Sql = Sql::pair(
    "SELECT * FROM visit WHERE worker_id = $1 AND organisation_id = $2 AND state IN ('planned', 'begun', 'going_home') ORDER BY id",
    "SELECT * FROM visit WHERE worker_id = $1 AND organisation_id = $2 AND state IN ('planned', 'begun', 'going_home') ORDER BY id
     FOR NO KEY UPDATE",
);
const FIND_RUNNING_OF: &str = "SELECT * FROM visit WHERE worker_id = $1 AND organisation_id = $2 AND state IN ('planned', 'begun', 'going_home') ORDER BY id";
const LIST: Sql = Sql::pair(
    "SELECT * FROM visit WHERE organisation_id = $1 AND id > $2
       AND ($3 IS NULL OR state = $3) AND ($4 IS NULL OR worker_id = $4) ORDER BY id LIMIT $5",
    "SELECT * FROM visit WHERE organisation_id = $1 AND id > $2
       AND ($3::text IS NULL OR state = $3) AND ($4::uuid IS NULL OR worker_id = $4) ORDER BY id LIMIT $5",
);
const DUE_ANY_ORG: Sql = Sql::pair(
    "SELECT v.* FROM visit_deadline d JOIN visit v ON v.id = d.visit_id WHERE d.due_at <= $1 ORDER BY d.due_at LIMIT $2",
    "SELECT v.* FROM visit_deadline d JOIN visit v ON v.id = d.visit_id WHERE d.due_at <= $1 ORDER BY d.due_at LIMIT $2
     FOR NO KEY UPDATE OF v SKIP LOCKED",
);
const WITHOUT_DEADLINE_OF: &str =
    "SELECT v.id FROM visit v WHERE v.worker_id = $1 AND v.organisation_id = $2 AND v.state IN ('planned', 'begun', 'going_home')
       AND NOT EXISTS (SELECT 1 FROM visit_deadline d WHERE d.visit_id = v.id)
       AND NOT EXISTS (SELECT 1 FROM incident i WHERE i.visit_id = v.id AND i.state = 'open')";
const PARTY: &str =
    "SELECT id, worker_id FROM visit WHERE party_id = $1 AND organisation_id = $2 ORDER BY id";
const COMPANIONS: &str = "SELECT DISTINCT other.worker_id FROM visit own
     JOIN visit other ON other.party_id = own.party_id AND other.organisation_id = own.organisation_id
     WHERE own.worker_id = $1 AND own.organisation_id = $2 AND other.worker_id <> $1
       AND (own.state IN ('begun', 'going_home') OR own.state <> 'planned' AND own.ended_at >= $3)
       AND (other.state IN ('begun', 'going_home') OR other.state <> 'planned' AND other.ended_at >= $3)
     ORDER BY other.worker_id";
const WATCHED_OF_TEAM: &str = "SELECT * FROM visit WHERE organisation_id = $1 AND team_id = $2
       AND state IN ('planned', 'begun', 'going_home') AND state <> 'planned' ORDER BY id";
const AHEAD_OR_THERE: &str =
    "SELECT id, worker_id, case_reference, place, place_said FROM visit WHERE organisation_id = $1
       AND state IN ('planned', 'begun', 'going_home') AND state <> 'going_home'
       AND (case_reference IS NOT NULL OR place IS NOT NULL) ORDER BY id";
const LAST_OF: &str = "SELECT * FROM visit WHERE worker_id = $1 AND organisation_id = $2 AND state = 'ended' ORDER BY id DESC LIMIT 1";
const NEXT_DUE_ANY_ORG: &str = "SELECT min(due_at) FROM visit_deadline";
const INSERT: &str = "INSERT INTO visit (id, organisation_id, team_id, worker_id, state, purpose, place, case_reference,
       visiting, risk, no_signal_expected, created_at, expected_arrival, expected_departure, deadline_number,
       reminders_done, arrived_at, last_contact_at, extended_seconds, version, chain_number, chain_hash,
       ended_at, ended_by, outcome, seen_whom, work_undertaken, recorded_at, check_every_seconds, home_within_seconds,
       check_due_at, check_number, check_reminders_done, party_id, place_said)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, 1, $20, $21,
       $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34)";
const UPDATE: &str = "UPDATE visit SET state = $4, risk = $5, no_signal_expected = $6, expected_departure = $7,
       deadline_number = $8, reminders_done = $9, arrived_at = $10, last_contact_at = $11, extended_seconds = $12,
       ended_at = $13, ended_how = $14, ended_by = $15, outcome = $16, work_undertaken = $17, recorded_at = $18,
       version = version + 1, chain_number = $19, chain_hash = $20, seen_whom = $21,
       extended_by_others_seconds = $22, acted_by = $23, check_every_seconds = $24, home_within_seconds = $25,
       check_due_at = $26, check_number = $27, check_reminders_done = $28, party_id = $29,
       expected_arrival = $30, left_at = $31, home_by = $32, purpose = $33, place = $34, place_said = $35,
       case_reference = $36, visiting = $37
     WHERE id = $1 AND organisation_id = $2 AND version = $3";
const LOG_HEAD: &str =
    "UPDATE visit SET chain_number = $3, chain_hash = $4 WHERE id = $1 AND organisation_id = $2";
const SET_DUE: &str = "INSERT INTO visit_deadline (visit_id, due_at) VALUES ($1, $2)
     ON CONFLICT (visit_id) DO UPDATE SET due_at = excluded.due_at";
const CLEAR_DUE: &str = "DELETE FROM visit_deadline WHERE visit_id = $1";
const CLEAR_DUE_OF_EACH_ANY_ORG: Sql = Sql::pair(
    "DELETE FROM visit_deadline WHERE visit_id IN (SELECT unhex(value) FROM json_each($1))",
    "DELETE FROM visit_deadline WHERE visit_id = ANY($1)",
);
const OPEN_INCIDENT: &str =
    "SELECT id FROM incident WHERE visit_id = $1 AND organisation_id = $2 AND state = 'open'";
const OPEN_INCIDENTS: &str = "SELECT i.visit_id, i.id,
       EXISTS (SELECT 1 FROM alarm_code a WHERE a.incident_id = i.id AND a.person_id = $2)
     FROM incident i WHERE i.organisation_id = $1 AND i.state = 'open' AND i.visit_id IS NOT NULL";

#[derive(FromRow)]
struct Row {
    id: VisitId,
    organisation_id: OrganisationId,
    team_id: TeamId,
    worker_id: PersonId,
    state: String,
    purpose: Option<String>,
    place: Option<String>,
    place_said: Option<String>,
    case_reference: Option<String>,
    visiting: Option<Visiting>,
    risk: Risk,
    no_signal_expected: bool,
    expected_arrival: Option<Time>,
    expected_departure: Time,
    deadline_number: i32,
    reminders_done: i32,
    arrived_at: Option<Time>,
    left_at: Option<Time>,
    home_by: Option<Time>,
    check_every_seconds: Option<i64>,
    home_within_seconds: Option<i64>,
    check_due_at: Option<Time>,
    check_number: i32,
    check_reminders_done: i32,
    party_id: Option<VisitId>,
    last_contact_at: Option<Time>,
    extended_seconds: i64,
    extended_by_others_seconds: i64,
    acted_by: Option<PersonId>,
    ended_at: Option<Time>,
    ended_how: Option<EndedHow>,
    ended_by: Option<PersonId>,
    outcome: Option<VisitOutcome>,
    seen_whom: Option<String>,
    work_undertaken: Option<String>,
    recorded_at: Option<Time>,
    version: i64,
    chain_number: i64,
    chain_hash: Vec<u8>,
}

impl TryFrom<Row> for Visit {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        let bad = |column| Error::inconsistent("visit", column, row.id);
        let deadline = |at, number, reminders_done: i32| {
            let reminders_done = usize::try_from(reminders_done).map_err(|_| bad("reminders_done"))?;
            Ok::<_, Error>(Deadline { at, number, reminders_done })
        };
        let main = |at| deadline(at, row.deadline_number, row.reminders_done);
        let state = match row.state.as_str() {
            "planned" => {
                let expected_arrival = row.expected_arrival.ok_or_else(|| bad("expected_arrival"))?;
                VisitState::Planned {
                    expected_arrival,
                    expected_departure: row.expected_departure,
                    // Those planned before arrivals were watched have no number.
                    deadline: (row.deadline_number > 0).then(|| main(expected_arrival)).transpose()?,
                }
            }
            "begun" => {
                let check = |at| deadline(at, row.check_number, row.check_reminders_done);
                VisitState::Begun {
                    deadline: main(row.expected_departure)?,
                    check: row.check_due_at.map(check).transpose()?,
                }
            }
            "going_home" => {
                VisitState::GoingHome { deadline: main(row.home_by.ok_or_else(|| bad("home_by"))?)? }
            }
            "ended" => VisitState::Ended {
                at: row.ended_at.ok_or_else(|| bad("ended_at"))?,
                how: row.ended_how.ok_or_else(|| bad("ended_how"))?,
                by: row.ended_by.ok_or_else(|| bad("ended_by"))?,
            },
            "cancelled" => VisitState::Cancelled {
                at: row.ended_at.ok_or_else(|| bad("ended_at"))?,
                by: row.ended_by.ok_or_else(|| bad("ended_by"))?,
            },
            "recorded" => VisitState::Recorded {
                left_at: row.ended_at.ok_or_else(|| bad("ended_at"))?,
                by: row.ended_by.ok_or_else(|| bad("ended_by"))?,
            },
            _ => return Err(bad("state")),
        };
        Ok(Self {
            id: row.id,
            organisation: row.organisation_id,
            team: row.team_id,
            worker: row.worker_id,
            chain: ChainHead {
                number: row.chain_number,
                hash: events::hash_of(&row.chain_hash, "visit", row.id)?,
            },
            details: Details {
                purpose: row.purpose,
                place: row.place,
                place_said: row.place_said,
                case_reference: row.case_reference,
                visiting: row.visiting,
                risk: row.risk,
                no_signal_expected: row.no_signal_expected,
                check_every: row.check_every_seconds.map(TimeDelta::seconds),
                home_within: row.home_within_seconds.map(TimeDelta::seconds),
            },
            state,
            expected_arrival: row.expected_arrival,
            expected_departure: row.expected_departure,
            arrived_at: row.arrived_at,
            left_at: row.left_at,
            party: row.party_id,
            last_contact_at: row.last_contact_at,
            extended: TimeDelta::seconds(row.extended_seconds),
            extended_by_others: TimeDelta::seconds(row.extended_by_others_seconds),
            acted_by: row.acted_by,
            outcome: row.outcome,
            seen_whom: row.seen_whom,
            work_undertaken: row.work_undertaken,
            recorded_at: row.recorded_at,
            version: row.version,
        })
    }
}

fn about(visit: &Visit) -> About {
    About {
        organisation: visit.organisation,
        team: Some(visit.team),
        subject: Some(visit.worker),
        chain: ChainOf::Visit(visit.id),
    }
}

/// A visit, locked till the end of the use case, with what its team works by.
pub async fn load(tx: &mut Tx, organisation: OrganisationId, id: VisitId) -> Result<Option<(Visit, Policy)>> {
    #[derive(FromRow)]
    struct WithPolicy {
        #[sqlx(flatten)]
        row: Row,
        policy: Json<KeptPolicy>,
    }
    let text = tx.text(LOAD);
    let found: Option<WithPolicy> =
        both!(tx, |c| sqlx::query_as(text).bind(id).bind(organisation).fetch_optional(c).await?);
    found.map(|found| Ok((found.row.try_into()?, found.policy.0.0))).transpose()
}

/// A visit, to be shown.
pub async fn find(tx: &mut Tx, organisation: OrganisationId, id: VisitId) -> Result<Option<Visit>> {
    let row: Option<Row> =
        both!(tx, |c| sqlx::query_as(FIND).bind(id).bind(organisation).fetch_optional(c).await?);
    row.map(Visit::try_from).transpose()
}

/// Several visits, to be shown, in the order in which they were made.
pub async fn find_each(
    tx: &mut Tx,
    organisation: OrganisationId,
    ids: impl IntoIterator<Item = VisitId>,
) -> Result<Vec<Visit>> {
    let text = tx.text(FIND_EACH);
    let ids: IdList = ids.into_iter().map(|id| id.0).collect();
    let rows: Vec<Row> =
        both!(tx, |c| sqlx::query_as(text).bind(organisation).bind(&ids).fetch_all(c).await?);
    rows.into_iter().map(Visit::try_from).collect()
}

/// A worker's plans and begun visits, locked till the end of the use case, the oldest first.
pub async fn running_of(tx: &mut Tx, organisation: OrganisationId, worker: PersonId) -> Result<Vec<Visit>> {
    let text = tx.text(RUNNING_OF);
    Ok(both!(tx, |c| {
        let rows = sqlx::query(text).bind(worker).bind(organisation).fetch_all(c).await?;
        readable!(rows, Row, Visit::try_from)
    }))
}

/// The same, to be shown.
pub async fn find_running_of(
    tx: &mut Tx,
    organisation: OrganisationId,
    worker: PersonId,
) -> Result<Vec<Visit>> {
    Ok(both!(tx, |c| {
        let rows = sqlx::query(FIND_RUNNING_OF).bind(worker).bind(organisation).fetch_all(c).await?;
        readable!(rows, Row, Visit::try_from)
    }))
}

/// Visits of a worker that run, or should, and that nothing watches: neither a deadline of their own nor an open incident about them. They are
/// there only while a call for help stood in for them.
pub async fn without_deadline_of(
    tx: &mut Tx,
    organisation: OrganisationId,
    worker: PersonId,
) -> Result<Vec<VisitId>> {
    Ok(both!(tx, |c| sqlx::query_scalar(WITHOUT_DEADLINE_OF)
        .bind(worker)
        .bind(organisation)
        .fetch_all(c)
        .await?))
}

/// Everybody whom a visit is made with, and whose visits they are.
pub async fn party(
    tx: &mut Tx,
    organisation: OrganisationId,
    party: VisitId,
) -> Result<Vec<(VisitId, PersonId)>> {
    Ok(both!(tx, |c| sqlx::query_as(PARTY).bind(party).bind(organisation).fetch_all(c).await?))
}

/// Whoever was on a visit with this worker, theirs and the worker's not ended before `since`.
pub async fn companions(
    tx: &mut Tx,
    organisation: OrganisationId,
    worker: PersonId,
    since: Time,
) -> Result<Vec<PersonId>> {
    Ok(both!(tx, |c| sqlx::query_scalar(COMPANIONS)
        .bind(worker)
        .bind(organisation)
        .bind(since)
        .fetch_all(c)
        .await?))
}

/// The visits of a team's workers that run.
pub async fn watched_of_team(tx: &mut Tx, organisation: OrganisationId, team: TeamId) -> Result<Vec<Visit>> {
    Ok(both!(tx, |c| {
        let rows = sqlx::query(WATCHED_OF_TEAM).bind(organisation).bind(team).fetch_all(c).await?;
        readable!(rows, Row, Visit::try_from)
    }))
}

/// Visits that are planned or run, with whose they are and where they go as it was written.
pub async fn ahead_or_there(
    tx: &mut Tx,
    organisation: OrganisationId,
) -> Result<Vec<(VisitId, PersonId, Destination)>> {
    type Row = (VisitId, PersonId, Option<String>, Option<String>, Option<String>);
    let rows: Vec<Row> =
        both!(tx, |c| sqlx::query_as(AHEAD_OR_THERE).bind(organisation).fetch_all(c).await?);
    let to = |(id, worker, reference, place, said): Row| {
        (id, worker, Destination::new(reference.as_deref(), [place.as_deref(), said.as_deref()]))
    };
    Ok(rows.into_iter().map(to).collect())
}

/// The visit of a worker that ended last.
pub async fn last_of(tx: &mut Tx, organisation: OrganisationId, worker: PersonId) -> Result<Option<Visit>> {
    let row: Option<Row> =
        both!(tx, |c| sqlx::query_as(LAST_OF).bind(worker).bind(organisation).fetch_optional(c).await?);
    row.map(Visit::try_from).transpose()
}

/// Which visits a list is about.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// Only those in this state.
    pub state: Option<&'static str>,
    /// Only this worker's.
    pub worker: Option<PersonId>,
    /// Only those made after this one.
    pub after: Option<VisitId>,
}

/// Visits in the order in which they were made.
pub async fn list(
    tx: &mut Tx,
    organisation: OrganisationId,
    filter: Filter,
    limit: i64,
) -> Result<Vec<Visit>> {
    let text = tx.text(LIST);
    let after = filter.after.unwrap_or(VisitId(uuid::Uuid::nil()));
    let rows: Vec<Row> = both!(tx, |c| sqlx::query_as(text)
        .bind(organisation)
        .bind(after)
        .bind(filter.state)
        .bind(filter.worker)
        .bind(limit)
        .fetch_all(c)
        .await?);
    rows.into_iter().map(Visit::try_from).collect()
}

/// A visit whose time has come.
#[derive(Debug)]
pub struct DueVisit {
    /// Which.
    pub id: VisitId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// The visit itself; one that cannot be read does not stand in the way of the others.
    pub visit: Result<Visit>,
}

/// Visits whose time has come, locked till the end of the use case; those that another replica works on are left out.
pub async fn due_any_org(tx: &mut Tx, now: Time, limit: i64) -> Result<Vec<DueVisit>> {
    let text = tx.text(DUE_ANY_ORG);
    both!(tx, |c| {
        let rows = sqlx::query(text).bind(now).bind(limit).fetch_all(c).await?;
        let due = rows.iter().map(|row| {
            Ok(DueVisit {
                id: row.try_get("id")?,
                organisation: row.try_get("organisation_id")?,
                visit: Row::from_row(row).map_err(Error::from).and_then(Visit::try_from),
            })
        });
        due.collect()
    })
}

/// When the next visit is due.
pub async fn next_due_any_org(tx: &mut Tx) -> Result<Option<Time>> {
    Ok(both!(tx, |c| sqlx::query_scalar(NEXT_DUE_ANY_ORG).fetch_one(c).await?))
}

/// Keeps a new visit with its first events.
pub async fn insert(tx: &mut Tx, visit: &mut Visit, events: Vec<NewEvent>, trace: Trace) -> Result<()> {
    let about = about(visit);
    events::append(tx, &mut visit.chain, about, trace, events)?;
    visit.version = 1;
    let columns = Columns::of(visit);
    later!(
        tx,
        Any,
        INSERT,
        visit.id,
        visit.organisation,
        visit.team,
        visit.worker,
        visit.state.as_str(),
        &visit.details.purpose,
        &visit.details.place,
        &visit.details.case_reference,
        visit.details.visiting,
        visit.details.risk,
        visit.details.no_signal_expected,
        trace.now,
        visit.expected_arrival,
        visit.expected_departure,
        columns.deadline_number,
        columns.reminders_done,
        visit.arrived_at,
        visit.last_contact_at,
        visit.extended.num_seconds(),
        visit.chain.number,
        &visit.chain.hash[..],
        columns.ended_at,
        columns.ended_by,
        visit.outcome,
        &visit.seen_whom,
        &visit.work_undertaken,
        visit.recorded_at,
        visit.details.check_every.map(|every| every.num_seconds()),
        visit.details.home_within.map(|within| within.num_seconds()),
        columns.check.map(|check| check.at),
        columns.check.map_or(0, |check| check.number),
        columns.check.map_or(0, reminders_done),
        visit.party,
        &visit.details.place_said
    );
    Ok(())
}

/// Keeps a changed visit with what happened.
pub async fn update(tx: &mut Tx, visit: &mut Visit, events: Vec<NewEvent>, trace: Trace) -> Result<()> {
    let about = about(visit);
    events::append(tx, &mut visit.chain, about, trace, events)?;
    let columns = Columns::of(visit);
    later!(
        tx,
        One,
        UPDATE,
        visit.id,
        visit.organisation,
        visit.version,
        visit.state.as_str(),
        visit.details.risk,
        visit.details.no_signal_expected,
        visit.expected_departure,
        columns.deadline_number,
        columns.reminders_done,
        visit.arrived_at,
        visit.last_contact_at,
        visit.extended.num_seconds(),
        columns.ended_at,
        columns.ended_how,
        columns.ended_by,
        visit.outcome,
        &visit.work_undertaken,
        visit.recorded_at,
        visit.chain.number,
        &visit.chain.hash[..],
        &visit.seen_whom,
        visit.extended_by_others.num_seconds(),
        visit.acted_by,
        visit.details.check_every.map(|every| every.num_seconds()),
        visit.details.home_within.map(|within| within.num_seconds()),
        columns.check.map(|check| check.at),
        columns.check.map_or(0, |check| check.number),
        columns.check.map_or(0, reminders_done),
        visit.party,
        visit.expected_arrival,
        visit.left_at,
        columns.home_by,
        &visit.details.purpose,
        &visit.details.place,
        &visit.details.place_said,
        &visit.details.case_reference,
        visit.details.visiting
    );
    visit.version += 1;
    Ok(())
}

/// Logs something about a visit, locked by the caller, that does not change it.
pub async fn log(tx: &mut Tx, visit: &mut Visit, event: NewEvent, trace: Trace) -> Result<()> {
    let about = about(visit);
    events::append(tx, &mut visit.chain, about, trace, [event])?;
    later!(tx, One, LOG_HEAD, visit.id, visit.organisation, visit.chain.number, &visit.chain.hash[..]);
    Ok(())
}

/// Sets when a visit next needs the timer; `None`: it does not.
pub async fn set_due(tx: &mut Tx, id: VisitId, due: Option<Time>) -> Result<()> {
    match due {
        Some(due) => {
            later!(tx, Any, SET_DUE, id, due);
            tx.ring_timer(due);
        }
        None => {
            later!(tx, Any, CLEAR_DUE, id);
        }
    }
    Ok(())
}

/// None of these visits needs the timer any more: an incident watches each.
pub async fn clear_due_of_each_any_org(tx: &mut Tx, ids: impl IntoIterator<Item = VisitId>) -> Result<()> {
    let text = tx.text(CLEAR_DUE_OF_EACH_ANY_ORG);
    let ids: IdList = ids.into_iter().map(|id| id.0).collect();
    later!(tx, Any, text, ids);
    Ok(())
}

/// The open incident about a visit.
pub async fn open_incident(
    tx: &mut Tx,
    organisation: OrganisationId,
    id: VisitId,
) -> Result<Option<IncidentId>> {
    Ok(both!(tx, |c| sqlx::query_scalar(OPEN_INCIDENT).bind(id).bind(organisation).fetch_optional(c).await?))
}

/// All open incidents about visits, and whether this person was called about each.
pub async fn open_incidents(
    tx: &mut Tx,
    organisation: OrganisationId,
    person: PersonId,
) -> Result<Vec<(VisitId, IncidentId, bool)>> {
    Ok(both!(tx, |c| sqlx::query_as(OPEN_INCIDENTS).bind(organisation).bind(person).fetch_all(c).await?))
}

/// The columns that a visit's state spreads over.
struct Columns {
    deadline_number: i32,
    reminders_done: i32,
    check: Option<Deadline>,
    home_by: Option<Time>,
    ended_at: Option<Time>,
    ended_how: Option<EndedHow>,
    ended_by: Option<PersonId>,
}

fn reminders_done(deadline: Deadline) -> i32 {
    i32::try_from(deadline.reminders_done).unwrap_or(i32::MAX)
}

impl Columns {
    fn of(visit: &Visit) -> Self {
        let mut columns = Self {
            deadline_number: 0,
            reminders_done: 0,
            check: None,
            home_by: None,
            ended_at: None,
            ended_how: None,
            ended_by: None,
        };
        match &visit.state {
            VisitState::Planned { deadline, .. } => columns.watched_by(*deadline),
            VisitState::Begun { deadline, check } => {
                columns.watched_by(Some(*deadline));
                columns.check = *check;
            }
            VisitState::GoingHome { deadline } => {
                columns.watched_by(Some(*deadline));
                columns.home_by = Some(deadline.at);
            }
            VisitState::Ended { at, how, by } => {
                (columns.ended_at, columns.ended_how, columns.ended_by) = (Some(*at), Some(*how), Some(*by));
            }
            VisitState::Cancelled { at, by } | VisitState::Recorded { left_at: at, by } => {
                (columns.ended_at, columns.ended_by) = (Some(*at), Some(*by));
            }
        }
        columns
    }

    fn watched_by(&mut self, deadline: Option<Deadline>) {
        self.deadline_number = deadline.map_or(0, |deadline| deadline.number);
        self.reminders_done = deadline.map_or(0, reminders_done);
    }
}
