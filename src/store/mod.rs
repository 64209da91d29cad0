//! Everything that is kept, and all SQL. Decides nothing.
//!
//! A use case is an `async` closure over [`Tx`], handed to [`Db::write`]: it is one transaction, may run again, and never
//! begins or commits. What a person is refused comes back as a value and **commits** (a wrong PIN counts); only an
//! [`Error`] rolls back.
//!
//! Lock order, so that replicas never wait for each other in a circle: the worker's PIN row, then the visit, then its
//! agreement, then the incident, then a follow-up or a concern, then what is to be done about that concern, then what workers take along,
//! then whoever is chased for any of these, then a team's end of the day, then what is known of a case's supervision, then what
//! oversight is asked for, then whom others have to be warned of, then a webhook, then messages, and the organisation last. Not every
//! use case needs all of them; none takes them in another order.
//! Locks are `FOR NO KEY UPDATE`: a foreign key that points at a locked row must not wait for it.

mod error;
pub mod agreements;
pub mod assessments;
pub mod case_files;
pub mod chases;
pub mod checklists;
pub mod concerns;
pub mod drills;
pub mod due;
pub mod end_of_day;
pub mod equipment;
pub mod events;
pub mod exceptions;
pub mod filing;
pub mod follow_ups;
mod id_list;
pub mod idempotency;
pub mod inbound;
pub mod incidents;
pub mod installation;
pub mod ladders;
mod later;
pub mod messages;
mod migrate;
pub mod outbox;
pub mod oversight;
pub mod people;
pub mod pins;
pub mod policy_documents;
mod postgres;
pub mod proofs;
pub mod provider_tests;
pub mod receipts;
pub mod rehearsals;
mod sqlite;
pub mod tokens;
pub mod reports;
pub mod visits;
pub mod webhooks;

use std::{
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

pub use error::Error;
use futures::FutureExt;
use sqlx::{PgConnection, PgPool, Postgres, Sqlite, SqlitePool, Transaction, pool::PoolConnection};

use crate::{
    clock::Time,
    domain::{event::Door, ids::PersonId},
    telemetry::metrics::Metrics,
};

/// What a store function or a use case gives.
pub type Result<T> = std::result::Result<T, Error>;

/// The longest that one use case may take.
pub const LONGEST_USE_CASE: Duration = Duration::from_secs(2);

/// The longest that PostgreSQL may take to answer one statement, as far as we wait for it.
pub(crate) const LONGEST_STATEMENT: Duration = Duration::from_secs(3);

/// A text of SQL for both engines. Most are one text; a pair stands where only one engine has the word for it.
#[derive(Debug, Clone, Copy)]
pub struct Sql {
    /// For SQLite.
    pub sqlite: &'static str,
    /// For PostgreSQL.
    pub postgres: &'static str,
}

impl Sql {
    const fn pair(sqlite: &'static str, postgres: &'static str) -> Self {
        Self { sqlite, postgres }
    }
}

/// The database.
#[derive(Debug, Clone)]
pub enum Db {
    /// One file.
    Sqlite(sqlite::Database),
    /// A server, perhaps with other replicas of us.
    Postgres(postgres::Database),
}

/// One transaction, or one connection for reading.
#[derive(Debug)]
pub struct Tx {
    conn: Conn,
    pending: events::Pending,
    messages: messages::Pending,
    waiting: later::Waiting,
    bells: Bells,
    directories: people::ReadBefore,
}

/// What wakes the loops once a use case has committed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bells {
    /// Something is due then.
    pub timer: Option<Time>,
    /// Something is to be sent.
    pub outbox: bool,
    /// So often something was found that only whoever runs the service can mend.
    pub operator: u32,
}

impl Bells {
    fn and(self, other: Self) -> Self {
        let timer = self.timer.into_iter().chain(other.timer).min();
        Self { timer, outbox: self.outbox || other.outbox, operator: self.operator + other.operator }
    }
}

#[derive(Debug)]
enum Conn {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(Transaction<'static, Postgres>),
    PostgresRead(PoolConnection<Postgres>),
}

/// Repeats one expression for both engines: `$c` is the connection, of the engine's own type.
macro_rules! both {
    ($tx:expr, |$c:ident| $e:expr) => {{
        $crate::store::Tx::send($tx).await?;
        match $crate::store::Tx::engine_mut($tx) {
            $crate::store::EngineMut::Sqlite($c) => $e,
            // A server that hangs is not waited for, by readers neither: they have no other limit.
            $crate::store::EngineMut::Postgres($c) => {
                let answer = async { Ok::<_, $crate::store::Error>($e) };
                tokio::time::timeout($crate::store::LONGEST_STATEMENT, answer)
                    .await
                    .unwrap_or(Err($crate::store::Error::Busy))?
            }
        }
    }};
}
pub(crate) use both;

/// Runs a text that gives no rows; says how many it touched.
macro_rules! execute {
    ($tx:expr, $text:expr $(, $bind:expr)* $(,)?) => {
        $crate::store::both!($tx, |c| sqlx::query($text)$(.bind($bind))*.execute(c).await?.rows_affected())
    };
}
pub(crate) use execute;

pub(crate) enum EngineMut<'t> {
    Sqlite(&'t mut sqlx::SqliteConnection),
    Postgres(&'t mut PgConnection),
}

/// Reads rows that stand for themselves: one that cannot be read (written by a newer version, or damaged) is logged and
/// left out, and does not take the others with it.
macro_rules! readable {
    ($rows:expr, $row:ty) => {
        $crate::store::readable!($rows, $row, Ok)
    };
    ($rows:expr, $row:ty, $into:expr) => {
        $rows
            .iter()
            .filter_map(|row| {
                let read = <$row as sqlx::FromRow<_>>::from_row(row).map_err($crate::store::Error::from).and_then($into);
                read.map_err(|error| tracing::error!(%error, "a row cannot be read; it is left out")).ok()
            })
            .collect::<Vec<_>>()
    };
}
pub(crate) use readable;

/// Who does something, through which door, and when: what every event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// Who; nobody where the machine acts.
    pub actor: Option<PersonId>,
    /// Through which door.
    pub door: Door,
    /// When we learned of it.
    pub now: Time,
}

impl Trace {
    /// The machine itself.
    pub fn machine(door: Door, now: Time) -> Self {
        Self { actor: None, door, now }
    }
}

/// How urgent a use case is. SQLite has one writer: the timer's goes before all that wait, then what is urgent. On PostgreSQL
/// the timer and the outbox have connections of their own, and so have calls for help: a crowd at the doors keeps neither
/// waiting, nor one the other. There the other lanes share one pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// The timer's and the outbox's own.
    Timer,
    /// Calls for help.
    Help,
    /// What may end a visit: check-outs, texts.
    Urgent,
    /// Everything else.
    Usual,
    /// What a person does by hand, seldom, and which may take its time: applying an organisation's file.
    Patient,
}

impl Lane {
    /// How long a use case may take.
    fn longest(self) -> Duration {
        match self {
            Self::Timer | Self::Help | Self::Urgent | Self::Usual => LONGEST_USE_CASE,
            Self::Patient => LONGEST_USE_CASE * 30,
        }
    }
}

/// Where the database is, and what it may take.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `sqlite:PATH` or `postgres://…`.
    pub url: String,
    /// Connections to PostgreSQL, or readers of SQLite.
    pub connections: u32,
    /// How long to wait for a connection.
    pub acquire_timeout: Duration,
    /// Whether SQLite's writer, two threads that wait for each other, stays on one CPU.
    pub writer_on_one_cpu: bool,
    /// For benches: a commit to SQLite takes so much longer, as it does on a slow disk. Zero in the service.
    pub slow_commit: Duration,
}

impl Db {
    /// Opens the database; an SQLite file is made if it is not there.
    pub async fn open(settings: &Settings) -> Result<Self> {
        if settings.url.starts_with("sqlite:") {
            Ok(Self::Sqlite(sqlite::Database::open(settings).await?))
        } else if settings.url.starts_with("postgres:") || settings.url.starts_with("postgresql:") {
            Ok(Self::Postgres(postgres::Database::open(settings)?))
        } else {
            Err(Error::Unavailable("database.url must begin with sqlite: or postgres:".into()))
        }
    }

    /// Runs a use case as one transaction.
    pub async fn write<T: Send + 'static>(
        &self,
        case: impl AsyncFn(&mut Tx) -> Result<T> + Send + Sync + 'static,
    ) -> Result<T> {
        self.write_in(Lane::Usual, case).await
    }

    /// The same, with a lane.
    pub async fn write_in<T: Send + 'static>(
        &self,
        lane: Lane,
        case: impl AsyncFn(&mut Tx) -> Result<T> + Send + Sync + 'static,
    ) -> Result<T> {
        let done = match self {
            Self::Sqlite(db) => db.write(lane, case).await,
            Self::Postgres(db) => db.write(lane, case).await,
        };
        self.counted(done)
    }

    /// A short look on the timer's or the outbox's behalf: by their own connections, and never waited for longer than a use
    /// case may take.
    pub async fn look<T>(&self, case: impl AsyncFnOnce(&mut Tx) -> Result<T>) -> Result<T> {
        let look = async {
            let conn = match self {
                Self::Sqlite(db) => Conn::Sqlite(db.readers().acquire().await?),
                Self::Postgres(db) => Conn::PostgresRead(db.timers().acquire().await?),
            };
            case(&mut Tx::new(conn, self.directories())).await
        };
        self.counted(tokio::time::timeout(LONGEST_USE_CASE, look).await.unwrap_or(Err(Error::Busy)))
    }

    /// A connection for reading only.
    pub async fn read(&self) -> Result<Tx> {
        let conn = match self {
            Self::Sqlite(db) => Conn::Sqlite(db.readers().acquire().await?),
            Self::Postgres(db) => Conn::PostgresRead(db.pool().acquire().await?),
        };
        Ok(Tx::new(conn, self.directories()))
    }

    fn directories(&self) -> &people::ReadBefore {
        match self {
            Self::Sqlite(db) => db.directories(),
            Self::Postgres(db) => db.directories(),
        }
    }

    /// What wakes the loops of this process.
    pub fn bell(&self) -> &Bell {
        match self {
            Self::Sqlite(db) => db.bell(),
            Self::Postgres(db) => db.bell(),
        }
    }

    /// What this process counts.
    pub fn metrics(&self) -> &Metrics {
        &self.bell().metrics
    }

    fn counted<T>(&self, done: Result<T>) -> Result<T> {
        done.inspect_err(|error| self.metrics().store_error(error.kind()))
    }

    /// `sqlite` or `postgres`.
    pub fn engine(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    /// Lets the writer finish what it was given, then closes every connection.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(db) => db.close().await,
            Self::Postgres(db) => db.close().await,
        }
    }

    /// For tests and benches that look below the store.
    pub fn pools(&self) -> Pools<'_> {
        match self {
            Self::Sqlite(db) => Pools::Sqlite(db.readers()),
            Self::Postgres(db) => Pools::Postgres(db.pool()),
        }
    }
}

/// The pools themselves.
#[derive(Debug, Clone, Copy)]
pub enum Pools<'d> {
    /// Readers of SQLite.
    Sqlite(&'d SqlitePool),
    /// Connections of PostgreSQL.
    Postgres(&'d PgPool),
}

/// Rung after a commit; the loops wait for it.
#[derive(Debug, Clone, Default)]
pub struct Bell {
    /// For the timer.
    pub timer: std::sync::Arc<tokio::sync::Notify>,
    /// For the outbox.
    pub outbox: std::sync::Arc<tokio::sync::Notify>,
    /// Until when the timer sleeps, in microseconds: what is due later does not wake it.
    sleeps_until: std::sync::Arc<AtomicI64>,
    metrics: Metrics,
}

impl Bell {
    /// The timer sleeps until then; `None`: it is awake, and must hear of everything.
    pub fn timer_sleeps_until(&self, until: Option<Time>) {
        self.sleeps_until.store(until.map_or(i64::MAX, |until| until.timestamp_micros()), Ordering::SeqCst);
    }

    fn ring(&self, bells: Bells) {
        let sleeps_until = self.sleeps_until.load(Ordering::SeqCst);
        if bells.timer.is_some_and(|due| due.timestamp_micros() < sleeps_until) {
            self.timer.notify_one();
        }
        if bells.outbox {
            self.outbox.notify_one();
        }
        self.metrics.operator_told(bells.operator);
    }
}

impl Tx {
    fn new(conn: Conn, directories: &people::ReadBefore) -> Self {
        let waiting = later::Waiting::new(&conn);
        Self {
            conn,
            pending: events::Pending::default(),
            messages: Vec::new(),
            waiting,
            bells: Bells::default(),
            directories: directories.clone(),
        }
    }

    pub(crate) fn engine_mut(&mut self) -> EngineMut<'_> {
        match &mut self.conn {
            Conn::Sqlite(conn) => EngineMut::Sqlite(conn),
            Conn::Postgres(conn) => EngineMut::Postgres(conn),
            Conn::PostgresRead(conn) => EngineMut::Postgres(conn),
        }
    }

    fn text(&self, sql: Sql) -> &'static str {
        match &self.conn {
            Conn::Sqlite(_) => sql.sqlite,
            Conn::Postgres(_) | Conn::PostgresRead(_) => sql.postgres,
        }
    }

    /// Runs a part of a use case that fails with [`Error::Locked`] where somebody else has locked a row.
    pub async fn part_that_waits_for_nobody<T>(
        &mut self,
        part: impl AsyncFnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        if matches!(self.conn, Conn::Sqlite(_)) {
            // There is one writer, and this is it.
            return self.part(part).await;
        }
        // Undone with the part, where it fails.
        self.part(async |tx| {
            tx.run("SET LOCAL lock_timeout = '20ms'").await?;
            let done = part(tx).await?;
            tx.run("SET LOCAL lock_timeout = DEFAULT").await?;
            Ok(done)
        })
        .await
    }

    /// Runs a part of a use case so that its failure, even a panic, undoes that part alone.
    pub async fn part<T>(&mut self, part: impl AsyncFnOnce(&mut Self) -> Result<T>) -> Result<T> {
        messages::flush(self).await?;
        let (pending, bells) = (self.pending.mark(), self.bells);
        self.run("SAVEPOINT part").await?;
        let part = async {
            let done = part(self).await?;
            messages::flush(self).await?;
            self.send_and_run("RELEASE SAVEPOINT part").await?;
            Ok(done)
        };
        let done = AssertUnwindSafe(part).catch_unwind().await.unwrap_or(Err(Error::Panicked));
        if done.is_err() {
            self.messages.clear();
            drop(self.take_waiting());
            self.run("ROLLBACK TO SAVEPOINT part").await?;
            self.run("RELEASE SAVEPOINT part").await?;
            self.pending.back_to(pending);
            self.bells = bells;
        }
        done
    }

    /// Wakes the timer after the commit, if it would sleep for longer.
    pub(crate) fn ring_timer(&mut self, due: Time) {
        self.bells = self.bells.and(Bells { timer: Some(due), ..Bells::default() });
    }

    /// Wakes the outbox after the commit.
    pub(crate) fn ring_outbox(&mut self) {
        self.bells.outbox = true;
    }

    /// Counts, after the commit, that whoever runs the service was to be told of something.
    pub(crate) fn count_operator_told(&mut self) {
        self.bells.operator += 1;
    }

    async fn run(&mut self, text: &'static str) -> Result<()> {
        execute!(self, text);
        Ok(())
    }

    /// Lets what has been collected wait for the end of the use case, which sends it.
    async fn flush(&mut self) -> Result<()> {
        messages::flush(self).await?;
        events::flush(self).await
    }

    /// Forgets what a use case has left, so that the next can begin.
    fn forget(&mut self) {
        self.pending = events::Pending::default();
        self.messages.clear();
        drop(self.take_waiting());
        self.bells = Bells::default();
    }
}

/// A UPDATE that has to hit one row did not.
pub(crate) fn one_row(affected: u64) -> Result<()> {
    if affected == 1 { Ok(()) } else { Err(Error::Conflict) }
}
