//! The raw limit: a loop that writes the rows of a start and of a check-out straight to the database, and reads, checks and
//! decides nothing. The rows are copies of what the service itself has written.

use homeward::{
    clock::{Clock, SystemClock, Time, stopwatch},
    domain::ids::{OrganisationId, PersonId, TeamId, VisitId},
};
use sqlx::FromRow;
use std::{sync::Arc, time::Duration};
use tokio::task::JoinSet;

use crate::rig::{CONNECTIONS, Raw, Service, Worker, both};

const INSERT_VISIT: &str = "INSERT INTO visit (id, organisation_id, team_id, worker_id, state, purpose, place, case_reference,
       visiting, risk, no_signal_expected, created_at, expected_arrival, expected_departure, deadline_number,
       reminders_done, arrived_at, last_contact_at, extended_seconds, version, chain_number, chain_hash)
     VALUES ($1, $2, $3, $4, 'begun', $5, $6, $7, NULL, 'normal', FALSE, $8, NULL, $9, 1, 0, $8, $8, 0, 1, 1, $10)";
const INSERT_DUE: &str = "INSERT INTO visit_deadline (visit_id, due_at) VALUES ($1, $2)";
const INSERT_EVENT: &str =
    "INSERT INTO event (organisation_id, chain, chain_kind, number, team_id, subject_id, kind, happened_at,
       learned_at, door, actor_id, body, private_hash, hash)
     VALUES ($1, $2, 'visit', $3, $4, $5, $6, $7, $7, 'api', $5, $8, $9, $10)";
const INSERT_WORDS: &str = "INSERT INTO event_private (chain, number, salt, words) VALUES ($1, $2, $3, $4)";
const END_VISIT: &str =
    "UPDATE visit SET state = 'ended', deadline_number = 0, last_contact_at = $2, ended_at = $2, ended_how = $3,
       ended_by = $4, version = 2, chain_number = 2, chain_hash = $5 WHERE id = $1";
const DELETE_DUE: &str = "DELETE FROM visit_deadline WHERE visit_id = $1";

/// What the service wrote for one visit.
#[derive(Debug)]
pub struct Sample {
    visit: SampleVisit,
    events: Vec<SampleEvent>,
}

#[derive(Debug, FromRow)]
struct SampleVisit {
    id: VisitId,
    organisation_id: OrganisationId,
    team_id: TeamId,
    purpose: Option<String>,
    place: Option<String>,
    case_reference: Option<String>,
    ended_how: String,
    chain_hash: Vec<u8>,
}

#[derive(Debug, FromRow)]
struct SampleEvent {
    number: i64,
    kind: String,
    body: String,
    private_hash: Option<Vec<u8>>,
    hash: Vec<u8>,
    salt: Option<Vec<u8>>,
    words: Option<String>,
}

impl Sample {
    /// Of the last visit that ended.
    pub async fn take(service: &Service) -> Self {
        let mut raw = service.database.raw().await;
        let text =
            "SELECT id, organisation_id, team_id, purpose, place, case_reference, ended_how, chain_hash
                    FROM visit WHERE state = 'ended' ORDER BY id DESC LIMIT 1";
        let visit: SampleVisit = both!(&mut raw, |c| sqlx::query_as(text).fetch_one(&mut *c).await.unwrap());
        let text = "SELECT e.number, e.kind, e.body, e.private_hash, e.hash, p.salt, p.words FROM event e
                    LEFT JOIN event_private p ON p.chain = e.chain AND p.number = e.number
                    WHERE e.chain = $1 ORDER BY e.number";
        let events =
            both!(&mut raw, |c| sqlx::query_as(text).bind(visit.id).fetch_all(&mut *c).await.unwrap());
        Self { visit, events }
    }

    /// What is written for a start and for a check-out, for the report.
    pub fn describe(&self) -> String {
        let words = |ends: bool| {
            let of = self.events.iter().filter(|event| (event.kind == "visit.ended") == ends);
            let (events, words) = of.fold((0, 0), |(events, words), event| {
                (events + 1, words + usize::from(event.words.is_some()))
            });
            format!("{events} event, {words} with words")
        };
        format!(
            "a start is a visit, a deadline and {}; a check-out changes the visit, deletes the deadline and adds {}",
            words(false),
            words(true)
        )
    }

    async fn event(&self, raw: &mut Raw, id: VisitId, ends: bool, worker: PersonId, now: Time) {
        for event in self.events.iter().filter(|event| (event.kind == "visit.ended") == ends) {
            both!(&mut *raw, |c| {
                sqlx::query(INSERT_EVENT)
                    .bind(self.visit.organisation_id)
                    .bind(id)
                    .bind(event.number)
                    .bind(self.visit.team_id)
                    .bind(worker)
                    .bind(&event.kind)
                    .bind(now)
                    .bind(&event.body)
                    .bind(&event.private_hash)
                    .bind(&event.hash)
                    .execute(&mut *c)
                    .await
                    .unwrap();
                if let (Some(salt), Some(words)) = (&event.salt, &event.words) {
                    let insert = sqlx::query(INSERT_WORDS).bind(id).bind(event.number).bind(salt).bind(words);
                    insert.execute(&mut *c).await.unwrap();
                }
            });
        }
    }

    async fn start(&self, raw: &mut Raw, worker: PersonId) -> VisitId {
        let now = SystemClock.now();
        let (id, visit) = (VisitId::new(now), &self.visit);
        let departure = now + chrono::TimeDelta::minutes(30);
        both!(&mut *raw, |c| {
            sqlx::query(INSERT_VISIT)
                .bind(id)
                .bind(visit.organisation_id)
                .bind(visit.team_id)
                .bind(worker)
                .bind(&visit.purpose)
                .bind(&visit.place)
                .bind(&visit.case_reference)
                .bind(now)
                .bind(departure)
                .bind(&visit.chain_hash)
                .execute(&mut *c)
                .await
                .unwrap();
            sqlx::query(INSERT_DUE).bind(id).bind(departure).execute(&mut *c).await.unwrap();
        });
        self.event(raw, id, false, worker, now).await;
        id
    }

    async fn end(&self, raw: &mut Raw, id: VisitId, worker: PersonId) {
        let now = SystemClock.now();
        both!(&mut *raw, |c| {
            sqlx::query(END_VISIT)
                .bind(id)
                .bind(now)
                .bind(&self.visit.ended_how)
                .bind(worker)
                .bind(&self.visit.chain_hash)
                .execute(&mut *c)
                .await
                .unwrap();
            sqlx::query(DELETE_DUE).bind(id).execute(&mut *c).await.unwrap();
        });
        self.event(raw, id, true, worker, now).await;
    }

    /// Starts and ends by turns, so many of them in one transaction, for so long; how many it were.
    async fn write(&self, raw: &mut Raw, workers: &[Worker], together: usize, length: Duration) -> usize {
        let watch = stopwatch();
        let (mut done, mut open) = (0, 0);
        let mut workers = workers.iter().cycle();
        let mut visit: Option<(VisitId, PersonId)> = None;
        begin(raw).await;
        while watch.elapsed() < length {
            visit = match visit {
                None => {
                    let worker = workers.next().unwrap().id;
                    Some((self.start(raw, worker).await, worker))
                }
                Some((id, worker)) => {
                    self.end(raw, id, worker).await;
                    None
                }
            };
            open += 1;
            if open == together {
                commit(raw).await;
                begin(raw).await;
                (done, open) = (done + together, 0);
            }
        }
        // No visit is left running: the service would take its worker's next start for the same visit.
        if let Some((id, worker)) = visit {
            self.end(raw, id, worker).await;
            open += 1;
        }
        commit(raw).await;
        done + open
    }
}

async fn begin(raw: &mut Raw) {
    match raw {
        Raw::Sqlite(c) => sqlx::raw_sql("BEGIN IMMEDIATE").execute(c).await.map(drop).unwrap(),
        Raw::Postgres(c) => sqlx::raw_sql("BEGIN").execute(c).await.map(drop).unwrap(),
    }
}

async fn commit(raw: &mut Raw) {
    both!(raw, |c| sqlx::raw_sql("COMMIT").execute(c).await.map(drop).unwrap());
}

/// Starts and ends a second through one connection, so many in a transaction.
pub async fn one_connection(sample: &Sample, service: &Service, together: usize, length: Duration) -> f64 {
    let mut raw = service.database.raw().await;
    let watch = stopwatch();
    let done = sample.write(&mut raw, &service.workers, together, length).await;
    rate(done, watch.elapsed())
}

/// The same through as many connections as the service has, each in a transaction of its own.
pub async fn all_connections(sample: &Arc<Sample>, service: &Service, length: Duration) -> f64 {
    let mut loops = JoinSet::new();
    let share = service.workers.len() / usize::try_from(CONNECTIONS).unwrap();
    let mut connections = Vec::new();
    for workers in service.workers.chunks(share.max(1)).take(usize::try_from(CONNECTIONS).unwrap()) {
        connections.push((service.database.raw().await, workers.to_vec()));
    }
    let watch = stopwatch();
    for (mut raw, workers) in connections {
        let sample = Arc::clone(sample);
        loops.spawn(async move { sample.write(&mut raw, &workers, 1, length).await });
    }
    let done = loops.join_all().await.into_iter().sum();
    rate(done, watch.elapsed())
}

/// How many a second.
#[expect(clippy::cast_precision_loss, reason = "nothing is counted beyond 2^52 here")]
pub fn rate(done: usize, elapsed: Duration) -> f64 {
    done as f64 / elapsed.as_secs_f64()
}

/// So many visits have ended.
pub async fn ended(service: &Service) -> i64 {
    let mut raw = service.database.raw().await;
    let text = "SELECT count(*) FROM visit WHERE state = 'ended'";
    both!(&mut raw, |c| sqlx::query_scalar(text).fetch_one(c).await.unwrap())
}
