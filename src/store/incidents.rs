//! Incidents and their deadlines.

use std::collections::{HashMap, HashSet};

use sqlx::{FromRow, QueryBuilder, types::Json};

use super::{
    Error, Result, Sql, Trace, Tx, both,
    events::{self, About, ChainOf},
    id_list::IdList,
    later::{Hits, later, rows_of},
    readable,
};
use crate::{
    clock::Time,
    domain::{
        event::{ChainHead, NewEvent},
        ids::{IncidentId, LadderId, OrganisationId, PersonId, TeamId, VisitId},
        incident::{
            Claim, Closing, Holder, Incident, IncidentState, Kind, Opened, Outcome, Police, Position,
            Release, Review, Rung, Sos, WorkerNow,
        },
        visit::{Alarm, Awaited, KnownBy, Missed},
    },
};

/// The heads of so many logs move in one UPDATE.
const HEADS: usize = 50;
/// So many incidents go into one INSERT.
const ROWS: usize = 50;

const LOAD: Sql = Sql::pair(
    "SELECT * FROM incident WHERE id = $1 AND organisation_id = $2",
    "SELECT * FROM incident WHERE id = $1 AND organisation_id = $2 FOR NO KEY UPDATE",
);
const LOAD_SOME_ANY_ORG: Sql = Sql::pair(
    "SELECT * FROM incident WHERE id IN (SELECT unhex(value) FROM json_each($1))",
    "SELECT * FROM incident WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE",
);
const FIND: &str = "SELECT * FROM incident WHERE id = $1 AND organisation_id = $2";
const LIST: Sql = Sql::pair(
    "SELECT * FROM incident WHERE organisation_id = $1 AND id > $2 AND ($3 IS NULL OR state = $3) ORDER BY id LIMIT $4",
    "SELECT * FROM incident WHERE organisation_id = $1 AND id > $2 AND ($3::text IS NULL OR state = $3)
     ORDER BY id LIMIT $4",
);
const DUE_ANY_ORG: Sql = Sql::pair(
    "SELECT i.id, i.organisation_id FROM incident_deadline d JOIN incident i ON i.id = d.incident_id
     WHERE d.due_at <= $1 ORDER BY d.due_at LIMIT $2",
    "SELECT i.id, i.organisation_id FROM incident_deadline d JOIN incident i ON i.id = d.incident_id
     WHERE d.due_at <= $1 ORDER BY d.due_at LIMIT $2 FOR NO KEY UPDATE OF i SKIP LOCKED",
);
const NEXT_DUE_ANY_ORG: &str = "SELECT min(due_at) FROM incident_deadline";
const OPEN_ABOUT: &str =
    "SELECT id FROM incident WHERE subject_id = $1 AND organisation_id = $2 AND state = 'open'";
const OPEN_ABOUT_ANY_OF: Sql = Sql::pair(
    "SELECT DISTINCT subject_id FROM incident
     WHERE subject_id IN (SELECT unhex(value) FROM json_each($1)) AND organisation_id = $2 AND state = 'open'",
    "SELECT DISTINCT subject_id FROM incident WHERE subject_id = ANY($1) AND organisation_id = $2 AND state = 'open'",
);
const HIDDEN_FROM: Sql = Sql::pair(
    "SELECT id, opened_at FROM incident WHERE subject_id = $1 AND organisation_id = $2 AND state = 'open'
     UNION SELECT id, opened_at FROM incident WHERE organisation_id = $2 AND kind = 'duress' AND released_at IS NULL
       AND (subject_id = $1 OR EXISTS (SELECT 1 FROM json_each(companions) WHERE unhex(replace(value, '-', '')) = $1))",
    "SELECT id, opened_at FROM incident WHERE subject_id = $1 AND organisation_id = $2 AND state = 'open'
     UNION SELECT id, opened_at FROM incident WHERE organisation_id = $2 AND kind = 'duress' AND released_at IS NULL
       AND (subject_id = $1 OR coalesce(companions, '[]') @> to_jsonb($1::text))",
);
const OPEN_ABOUT_MISSED: &str = "SELECT count(*) > 0 FROM incident
     WHERE subject_id = $1 AND organisation_id = $2 AND state = 'open' AND missed IS NOT NULL";
const ALARM: &str =
    "SELECT i.id, i.kind, i.with_police, d.visit_id IS NULL AND v.id IS NOT NULL
       AND (v.state IN ('begun', 'going_home') OR v.state = 'planned' AND v.deadline_number > 0)
     FROM incident i LEFT JOIN visit v ON v.id = $3 LEFT JOIN visit_deadline d ON d.visit_id = v.id
     WHERE i.subject_id = $1 AND i.organisation_id = $2 AND i.state = 'open' AND (i.visit_id = $3 OR i.kind <> 'overdue')
     ORDER BY i.kind = 'overdue' LIMIT 1";
const UPDATE: &str = "UPDATE incident SET kind = $4, state = $5, raise = $6, step = $7, round = $8, held_in_raise = $9,
       reached_nobody = $10, owner_id = $11, waits_until = $12, owner_warned = $13, claim = $14, inside_till = $15,
       closed_at = $16, closed_by = $17, outcome = $18, known_by = $19, worker_now = $20, closing_note = $21,
       reviewed_at = $22, reviewed_by = $23, learned = $24, action = $25,
       version = version + 1, chain_number = $26, chain_hash = $27, missed = $28, sos_at = $29, sos_by = $30,
       position = $31, pin_used_at = $32, police = $33, with_police = $34, police_reminders = $35,
       released_at = $36, released_by = $37, awaited = $38, companions = $39
     WHERE id = $1 AND organisation_id = $2 AND version = $3";
const LOG_HEAD: &str =
    "UPDATE incident SET chain_number = $3, chain_hash = $4 WHERE id = $1 AND organisation_id = $2";
const INSERT_DUE: &str = "INSERT INTO incident_deadline (incident_id, due_at) VALUES ($1, $2)";
const SET_DUE: &str = "INSERT INTO incident_deadline (incident_id, due_at) VALUES ($1, $2)
     ON CONFLICT (incident_id) DO UPDATE SET due_at = excluded.due_at";
const CLEAR_DUE: &str = "DELETE FROM incident_deadline WHERE incident_id = $1";

#[derive(FromRow)]
#[expect(clippy::struct_excessive_bools, reason = "a row, as the database has it")]
struct Row {
    id: IncidentId,
    organisation_id: OrganisationId,
    team_id: TeamId,
    subject_id: PersonId,
    visit_id: Option<VisitId>,
    kind: Kind,
    state: String,
    missed: Option<Time>,
    awaited: Awaited,
    sos_at: Option<Time>,
    sos_by: Option<PersonId>,
    nearest_visit_id: Option<VisitId>,
    position: Option<Json<Position>>,
    pin_used_at: Option<Time>,
    police: Option<Json<Police>>,
    with_police: bool,
    police_reminders: i32,
    opened_at: Time,
    after_outage: bool,
    ladder_id: LadderId,
    raise: i32,
    step: i32,
    round: i32,
    held_in_raise: Option<i32>,
    reached_nobody: bool,
    owner_id: Option<PersonId>,
    waits_until: Option<Time>,
    owner_warned: bool,
    claim: String,
    inside_till: Option<Time>,
    closed_at: Option<Time>,
    closed_by: Option<PersonId>,
    outcome: Option<Outcome>,
    known_by: Option<KnownBy>,
    worker_now: Option<Json<WorkerNow>>,
    closing_note: Option<String>,
    companions: Option<Json<Vec<PersonId>>>,
    released_at: Option<Time>,
    released_by: Option<PersonId>,
    reviewed_at: Option<Time>,
    reviewed_by: Option<PersonId>,
    learned: Option<String>,
    action: Option<String>,
    version: i64,
    chain_number: i64,
    chain_hash: Vec<u8>,
}

impl TryFrom<Row> for Incident {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        let bad = |column| Error::inconsistent("incident", column, row.id);
        let state = match row.state.as_str() {
            "open" => {
                let waits_until = row.waits_until.ok_or_else(|| bad("waits_until"))?;
                IncidentState::Open {
                    holder: match (row.owner_id, row.with_police) {
                        (None, false) => Holder::Nobody { due: waits_until },
                        (Some(by), false) => {
                            Holder::Owned { by, until: waits_until, warned: row.owner_warned }
                        }
                        (Some(by), true) => {
                            Holder::WithPolice { by, due: waits_until, unanswered: row.police_reminders }
                        }
                        (None, true) => return Err(bad("with_police")),
                    },
                    claim: match row.claim.as_str() {
                        "none" => Claim::None,
                        "reports_safe" => Claim::ReportsSafe,
                        "safe_inside" => {
                            Claim::SafeInside { till: row.inside_till.ok_or_else(|| bad("inside_till"))? }
                        }
                        "pin_used" => {
                            Claim::PinUsed { at: row.pin_used_at.ok_or_else(|| bad("pin_used_at"))? }
                        }
                        _ => return Err(bad("claim")),
                    },
                }
            }
            "closed" => IncidentState::Closed {
                closing: Closing {
                    at: row.closed_at.ok_or_else(|| bad("closed_at"))?,
                    by: row.closed_by.ok_or_else(|| bad("closed_by"))?,
                    outcome: row.outcome.ok_or_else(|| bad("outcome"))?,
                    known_by: row.known_by.ok_or_else(|| bad("known_by"))?,
                    worker_now: row.worker_now.ok_or_else(|| bad("worker_now"))?.0,
                    note: row.closing_note.unwrap_or_default(),
                },
                review: match (row.reviewed_at, row.reviewed_by) {
                    (Some(at), Some(by)) => Some(Review {
                        at,
                        by,
                        learned: row.learned.unwrap_or_default(),
                        action: row.action.unwrap_or_default(),
                    }),
                    _ => None,
                },
            },
            _ => return Err(bad("state")),
        };
        Ok(Self {
            id: row.id,
            organisation: row.organisation_id,
            team: row.team_id,
            subject: row.subject_id,
            visit: row.visit_id,
            kind: row.kind,
            missed: row.missed.map(|at| Missed { what: row.awaited, at }),
            sos: row.sos_at.zip(row.sos_by).map(|(at, by)| Sos { at, by }),
            nearest_visit: row.nearest_visit_id,
            position: row.position.map(|position| position.0),
            police: row.police.map(|police| police.0),
            opened_at: row.opened_at,
            opened: if row.after_outage { Opened::AfterOutage } else { Opened::InTime },
            ladder: row.ladder_id,
            rung: Rung { raise: row.raise, step: row.step, round: row.round },
            held_in_raise: row.held_in_raise,
            reached_nobody: row.reached_nobody,
            companions: row.companions.map(|companions| companions.0).unwrap_or_default(),
            released: row.released_at.zip(row.released_by).map(|(at, by)| Release { at, by }),
            state,
            version: row.version,
            chain: ChainHead {
                number: row.chain_number,
                hash: events::hash_of(&row.chain_hash, "incident", row.id)?,
            },
        })
    }
}

fn awaited(incident: &Incident) -> Awaited {
    incident.missed.map(|missed| missed.what).unwrap_or_default()
}

fn about(incident: &Incident) -> About {
    About {
        organisation: incident.organisation,
        team: Some(incident.team),
        subject: Some(incident.subject),
        chain: ChainOf::Incident(incident.id),
    }
}

/// An incident, locked till the end of the use case.
pub async fn load(tx: &mut Tx, organisation: OrganisationId, id: IncidentId) -> Result<Option<Incident>> {
    let text = tx.text(LOAD);
    let row: Option<Row> =
        both!(tx, |c| sqlx::query_as(text).bind(id).bind(organisation).fetch_optional(c).await?);
    row.map(Incident::try_from).transpose()
}

/// Those of some incidents that can be read, locked in the order of their ids.
pub async fn load_some_any_org(
    tx: &mut Tx,
    ids: impl IntoIterator<Item = IncidentId>,
) -> Result<Vec<Incident>> {
    let text = tx.text(LOAD_SOME_ANY_ORG);
    let ids: IdList = ids.into_iter().map(|id| id.0).collect();
    Ok(both!(tx, |c| readable!(sqlx::query(text).bind(ids).fetch_all(c).await?, Row, Incident::try_from)))
}

/// An incident, to be shown.
pub async fn find(tx: &mut Tx, organisation: OrganisationId, id: IncidentId) -> Result<Option<Incident>> {
    let row: Option<Row> =
        both!(tx, |c| sqlx::query_as(FIND).bind(id).bind(organisation).fetch_optional(c).await?);
    row.map(Incident::try_from).transpose()
}

/// Which incidents a list is about.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// `open` or `closed`.
    pub state: Option<&'static str>,
    /// Only those opened after this one.
    pub after: Option<IncidentId>,
}

/// Incidents in the order in which they opened.
pub async fn list(
    tx: &mut Tx,
    organisation: OrganisationId,
    filter: Filter,
    limit: i64,
) -> Result<Vec<Incident>> {
    let text = tx.text(LIST);
    let after = filter.after.unwrap_or(IncidentId(uuid::Uuid::nil()));
    let rows: Vec<Row> = both!(tx, |c| sqlx::query_as(text)
        .bind(organisation)
        .bind(after)
        .bind(filter.state)
        .bind(limit)
        .fetch_all(c)
        .await?);
    rows.into_iter().map(Incident::try_from).collect()
}

/// Incidents whose time has come, locked; those that another replica works on are left out.
pub async fn due_any_org(tx: &mut Tx, now: Time, limit: i64) -> Result<Vec<(IncidentId, OrganisationId)>> {
    let text = tx.text(DUE_ANY_ORG);
    Ok(both!(tx, |c| sqlx::query_as(text).bind(now).bind(limit).fetch_all(c).await?))
}

/// When the next incident is due.
pub async fn next_due_any_org(tx: &mut Tx) -> Result<Option<Time>> {
    Ok(both!(tx, |c| sqlx::query_scalar(NEXT_DUE_ANY_ORG).fetch_one(c).await?))
}

/// The open incidents about a person.
pub async fn open_about(
    tx: &mut Tx,
    organisation: OrganisationId,
    person: PersonId,
) -> Result<Vec<IncidentId>> {
    Ok(both!(tx, |c| sqlx::query_scalar(OPEN_ABOUT).bind(person).bind(organisation).fetch_all(c).await?))
}

/// The incidents about a person that they may not know of: those that are open, and duress alarms that nobody has released;
/// since when there is each.
pub async fn hidden_from(
    tx: &mut Tx,
    organisation: OrganisationId,
    person: PersonId,
) -> Result<HashMap<IncidentId, Time>> {
    let text = tx.text(HIDDEN_FROM);
    let hidden: Vec<(IncidentId, Time)> =
        both!(tx, |c| sqlx::query_as(text).bind(person).bind(organisation).fetch_all(c).await?);
    Ok(hidden.into_iter().collect())
}

/// Whether an incident is open about something that a person missed: they know that.
pub async fn open_about_missed(tx: &mut Tx, organisation: OrganisationId, person: PersonId) -> Result<bool> {
    Ok(both!(tx, |c| sqlx::query_scalar(OPEN_ABOUT_MISSED)
        .bind(person)
        .bind(organisation)
        .fetch_one(c)
        .await?))
}

/// Those of some people about whom an incident is open.
pub async fn open_about_any_of(
    tx: &mut Tx,
    organisation: OrganisationId,
    people: impl IntoIterator<Item = PersonId>,
) -> Result<HashSet<PersonId>> {
    let text = tx.text(OPEN_ABOUT_ANY_OF);
    let people: IdList = people.into_iter().map(|person| person.0).collect();
    let found: Vec<PersonId> =
        both!(tx, |c| sqlx::query_scalar(text).bind(people).bind(organisation).fetch_all(c).await?);
    Ok(found.into_iter().collect())
}

/// The open incident that bears on a visit of a worker: their call for help, or the one about the visit; and of which kind it is.
pub async fn alarm(
    tx: &mut Tx,
    organisation: OrganisationId,
    worker: PersonId,
    visit: Option<VisitId>,
) -> Result<Option<(IncidentId, Alarm, Kind)>> {
    let found: Option<(IncidentId, Kind, bool, bool)> = both!(tx, |c| sqlx::query_as(ALARM)
        .bind(worker)
        .bind(organisation)
        .bind(visit)
        .fetch_optional(c)
        .await?);
    Ok(found.map(|(id, kind, with_police, has_no_deadline)| {
        let alarm = match kind {
            // It fell overdue before the call for help or during it: that goes on to be said.
            Kind::Sos | Kind::Duress if has_no_deadline => Alarm::Overdue,
            Kind::Sos | Kind::Duress => Alarm::Sos,
            Kind::Overdue if with_police => Alarm::WithPolice,
            Kind::Overdue => Alarm::Overdue,
        };
        (id, alarm, kind)
    }))
}

/// Nothing where there is nobody.
fn companions(incident: &Incident) -> Option<Json<&[PersonId]>> {
    (!incident.companions.is_empty()).then_some(Json(incident.companions.as_slice()))
}

/// Keeps new incidents with their first events, and when each next needs the timer: all that a tick opens together, since an
/// INSERT for each would be a trip to the database for each.
pub async fn insert_each(
    tx: &mut Tx,
    incidents: impl IntoIterator<Item = (&mut Incident, Vec<NewEvent>, Option<Time>)>,
    trace: Trace,
) -> Result<()> {
    let (mut new, mut due) = (Vec::new(), Vec::new());
    for (incident, events, at) in incidents {
        let about = about(incident);
        events::append(tx, &mut incident.chain, about, trace, events)?;
        incident.version = 1;
        due.extend(at.map(|at| (incident.id, at)));
        new.push(&*incident);
    }
    for rows in new.chunks(ROWS) {
        both!(tx, |c| {
            let mut insert = QueryBuilder::new(
                "INSERT INTO incident (id, organisation_id, team_id, subject_id, visit_id, kind, opened_as, state, missed, \
                 opened_at, after_outage, ladder_id, raise, step, round, held_in_raise, reached_nobody, owner_id, \
                 waits_until, owner_warned, claim, inside_till, version, chain_number, chain_hash, nearest_visit_id, \
                 sos_at, sos_by, position, awaited, companions) ",
            );
            insert.push_values(rows, |mut row, incident| {
                let columns = Columns::of(incident);
                row.push_bind(incident.id)
                    .push_bind(incident.organisation)
                    .push_bind(incident.team)
                    .push_bind(incident.subject)
                    .push_bind(incident.visit)
                    .push_bind(incident.kind)
                    .push_bind(incident.kind)
                    .push_bind(columns.state)
                    .push_bind(incident.missed.map(|missed| missed.at))
                    .push_bind(incident.opened_at)
                    .push_bind(incident.opened == Opened::AfterOutage)
                    .push_bind(incident.ladder)
                    .push_bind(incident.rung.raise)
                    .push_bind(incident.rung.step)
                    .push_bind(incident.rung.round)
                    .push_bind(incident.held_in_raise)
                    .push_bind(incident.reached_nobody)
                    .push_bind(columns.owner)
                    .push_bind(columns.waits_until)
                    .push_bind(columns.owner_warned)
                    .push_bind(columns.claim.as_str())
                    .push_bind(columns.inside_till())
                    .push_bind(incident.version)
                    .push_bind(incident.chain.number)
                    .push_bind(&incident.chain.hash[..])
                    .push_bind(incident.nearest_visit)
                    .push_bind(incident.sos.map(|sos| sos.at))
                    .push_bind(incident.sos.map(|sos| sos.by))
                    .push_bind(incident.position.map(Json))
                    .push_bind(awaited(incident))
                    .push_bind(companions(incident));
            });
            insert.build().execute(c).await?;
        });
    }
    for rows in due.chunks(ROWS) {
        let waiting = tx.later(rows_of(INSERT_DUE, 2, rows.len()), Hits::Any).await?;
        for (incident, at) in rows {
            waiting.bind(*incident)?.bind(*at)?;
        }
    }
    for (_, at) in due {
        tx.ring_timer(at);
    }
    Ok(())
}

/// Keeps a changed incident with what happened.
pub async fn update(tx: &mut Tx, incident: &mut Incident, events: Vec<NewEvent>, trace: Trace) -> Result<()> {
    let about = about(incident);
    events::append(tx, &mut incident.chain, about, trace, events)?;
    let columns = Columns::of(incident);
    let (closing, review) = (columns.closing, columns.review);
    later!(
        tx,
        One,
        UPDATE,
        incident.id,
        incident.organisation,
        incident.version,
        incident.kind,
        columns.state,
        incident.rung.raise,
        incident.rung.step,
        incident.rung.round,
        incident.held_in_raise,
        incident.reached_nobody,
        columns.owner,
        columns.waits_until,
        columns.owner_warned,
        columns.claim.as_str(),
        columns.inside_till(),
        closing.map(|closing| closing.at),
        closing.map(|closing| closing.by),
        closing.map(|closing| closing.outcome),
        closing.map(|closing| closing.known_by),
        closing.map(|closing| Json(closing.worker_now)),
        closing.map(|closing| &closing.note),
        review.map(|review| review.at),
        review.map(|review| review.by),
        review.map(|review| &review.learned),
        review.map(|review| &review.action),
        incident.chain.number,
        &incident.chain.hash[..],
        incident.missed.map(|missed| missed.at),
        incident.sos.map(|sos| sos.at),
        incident.sos.map(|sos| sos.by),
        incident.position.map(Json),
        columns.pin_used_at(),
        incident.police.as_ref().map(Json),
        columns.with_police.is_some(),
        columns.with_police.unwrap_or_default(),
        incident.released.map(|released| released.at),
        incident.released.map(|released| released.by),
        awaited(incident),
        companions(incident)
    );
    incident.version += 1;
    Ok(())
}

/// Logs something about an incident, locked by the caller, that does not change it.
pub async fn log(tx: &mut Tx, incident: &mut Incident, event: NewEvent, trace: Trace) -> Result<()> {
    let about = about(incident);
    events::append(tx, &mut incident.chain, about, trace, [event])?;
    later!(
        tx,
        One,
        LOG_HEAD,
        incident.id,
        incident.organisation,
        incident.chain.number,
        &incident.chain.hash[..]
    );
    Ok(())
}

/// Logs something about each of some incidents, locked by the caller, that does not change them.
pub async fn log_each(
    tx: &mut Tx,
    incidents: impl IntoIterator<Item = (&mut Incident, Vec<NewEvent>)>,
    trace: Trace,
) -> Result<()> {
    let mut heads = Vec::new();
    for (incident, events) in incidents {
        let about = about(incident);
        events::append(tx, &mut incident.chain, about, trace, events)?;
        heads.push((incident.id, incident.chain));
    }
    for heads in heads.chunks(HEADS) {
        let moved = both!(tx, |c| {
            let mut update = QueryBuilder::new(
                "UPDATE incident SET chain_number = head.column2, chain_hash = head.column3 FROM (",
            );
            update.push_values(heads, |mut row, (id, head)| {
                row.push_bind(*id).push_bind(head.number).push_bind(&head.hash[..]);
            });
            update.push(") AS head WHERE incident.id = head.column1");
            update.build().execute(c).await?.rows_affected()
        });
        // One that is not there any more was not locked.
        if u64::try_from(heads.len()) != Ok(moved) {
            return Err(Error::Conflict);
        }
    }
    Ok(())
}

/// Sets when an incident next needs the timer; `None`: it is closed.
pub async fn set_due(tx: &mut Tx, id: IncidentId, due: Option<Time>) -> Result<()> {
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

/// The columns that an incident's state spreads over.
struct Columns<'i> {
    state: &'static str,
    owner: Option<PersonId>,
    waits_until: Option<Time>,
    owner_warned: bool,
    /// With the police, and so many reminders that nobody answered.
    with_police: Option<i32>,
    claim: Claim,
    closing: Option<&'i Closing>,
    review: Option<&'i Review>,
}

impl<'i> Columns<'i> {
    fn of(incident: &'i Incident) -> Self {
        match &incident.state {
            IncidentState::Open { holder, claim } => {
                let (owner_warned, with_police) = match holder {
                    Holder::Nobody { .. } => (false, None),
                    Holder::Owned { warned, .. } => (*warned, None),
                    Holder::WithPolice { unanswered, .. } => (false, Some(*unanswered)),
                };
                Self {
                    state: "open",
                    owner: holder.owner(),
                    waits_until: Some(holder.waits_until()),
                    owner_warned,
                    with_police,
                    claim: *claim,
                    closing: None,
                    review: None,
                }
            }
            IncidentState::Closed { closing, review } => Self {
                state: "closed",
                owner: None,
                waits_until: None,
                owner_warned: false,
                with_police: None,
                claim: Claim::None,
                closing: Some(closing),
                review: review.as_ref(),
            },
        }
    }

    fn pin_used_at(&self) -> Option<Time> {
        match self.claim {
            Claim::PinUsed { at } => Some(at),
            _ => None,
        }
    }

    fn inside_till(&self) -> Option<Time> {
        match self.claim {
            Claim::SafeInside { till } => Some(till),
            _ => None,
        }
    }
}
