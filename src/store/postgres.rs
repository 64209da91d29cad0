//! PostgreSQL: a transaction for each use case, run again where the engine asks for it.

use std::{ops::ControlFlow, panic::AssertUnwindSafe, str::FromStr, time::Duration};

use futures::FutureExt;
use sqlx::{
    Connection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{Bell, Conn, Error, LONGEST_USE_CASE, Lane, Result, Settings, Tx, people::ReadBefore};

/// So often a use case is run before its caller hears of the conflict.
const TRIES: u32 = 4;

/// So many connections more, for the timer and the outbox alone.
const TIMERS: u32 = 4;

/// A connection that nobody has used for so long is asked whether it still works.
const ASKED_AFTER: Duration = Duration::from_secs(1);

/// And for calls for help.
const HELP: u32 = 2;

/// Pools of connections: one for the doors, a small one for the timer and the outbox, one for calls for help.
#[derive(Debug, Clone)]
pub struct Database {
    pool: PgPool,
    timers: PgPool,
    help: PgPool,
    bell: Bell,
    directories: ReadBefore,
}

impl Database {
    pub(super) fn open(settings: &Settings) -> Result<Self> {
        let options = PgConnectOptions::from_str(&settings.url)?.application_name("homeward").options([
            ("statement_timeout", "4s"),
            // Whoever waits for a row gives up before their use case is given up, which would leave the statement waiting behind it.
            ("lock_timeout", "1500ms"),
            ("idle_in_transaction_session_timeout", "4s"),
            // A connection to a machine that has gone must not be waited for.
            ("tcp_user_timeout", "5s"),
        ]);
        let pool = |connections| {
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(settings.acquire_timeout)
                // Each was asked whether it still works when it came back; soon after that it need not be asked again.
                .test_before_acquire(false)
                .before_acquire(|conn, about| {
                    Box::pin(async move {
                        if about.idle_for > ASKED_AFTER {
                            conn.ping().await?;
                        }
                        Ok(true)
                    })
                })
                .connect_lazy_with(options.clone())
        };
        Ok(Self {
            pool: pool(settings.connections),
            timers: pool(TIMERS),
            help: pool(HELP),
            bell: Bell::default(),
            directories: ReadBefore::default(),
        })
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(super) fn timers(&self) -> &PgPool {
        &self.timers
    }

    pub(super) async fn close(&self) {
        self.timers.close().await;
        self.help.close().await;
        self.pool.close().await;
    }

    pub(super) fn directories(&self) -> &ReadBefore {
        &self.directories
    }

    pub(super) fn bell(&self) -> &Bell {
        &self.bell
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        lane: Lane,
        case: impl AsyncFn(&mut Tx) -> Result<T> + Send + Sync + 'static,
    ) -> Result<T> {
        let pool = match lane {
            Lane::Timer => &self.timers,
            Lane::Help => &self.help,
            Lane::Urgent | Lane::Usual | Lane::Patient => &self.pool,
        };
        let mut tries = 1;
        loop {
            match self.once(pool, lane, &case).await {
                ControlFlow::Break(done) => return done,
                ControlFlow::Continue(error) if tries == TRIES => return Err(error),
                ControlFlow::Continue(_) => {
                    tokio::time::sleep(jitter(tries)).await;
                    tries += 1;
                }
            }
        }
    }

    async fn once<T>(
        &self,
        pool: &PgPool,
        lane: Lane,
        case: &impl AsyncFn(&mut Tx) -> Result<T>,
    ) -> ControlFlow<Result<T>, Error> {
        // A server that hangs is waited for no longer than a use case may take, at each of the three stages.
        let limit = LONGEST_USE_CASE;
        let mut tx = match tokio::time::timeout(limit, pool.begin()).await {
            Ok(Ok(transaction)) => Tx::new(Conn::Postgres(transaction), &self.directories),
            // The server has gone, or was started anew: nothing was done yet, and another connection may work.
            Ok(Err(error @ sqlx::Error::Io(_))) => return ControlFlow::Continue(error.into()),
            Ok(Err(error)) => return ControlFlow::Break(Err(error.into())),
            Err(_no_answer) => return ControlFlow::Break(Err(Error::Busy)),
        };
        let work = async {
            if lane == Lane::Patient {
                // It waits longer for a row too, if not for longer than any statement may take.
                tx.run("SET LOCAL lock_timeout = '2500ms'").await?;
            }
            let done = case(&mut tx).await?;
            tx.flush().await?;
            tx.send().await?;
            Ok(done)
        };
        let done = match tokio::time::timeout(lane.longest(), AssertUnwindSafe(work).catch_unwind()).await {
            Ok(Ok(done)) => done,
            Ok(Err(_panic)) => Err(Error::Panicked),
            Err(_too_long) => Err(Error::Busy),
        };
        let bells = tx.bells;
        let Conn::Postgres(transaction) = tx.conn else { return ControlFlow::Break(Err(Error::Closed)) };
        match done {
            Ok(done) => match tokio::time::timeout(limit, transaction.commit()).await {
                Ok(Ok(())) => {
                    self.bell.ring(bells);
                    ControlFlow::Break(Ok(done))
                }
                Ok(Err(error)) => refused_commit(error),
                Err(_no_answer) => ControlFlow::Break(Err(Error::CommitUnknown)),
            },
            // Dropped is rolled back.
            Err(error) if error.passes() => ControlFlow::Continue(error),
            Err(error) => ControlFlow::Break(Err(error)),
        }
    }
}

/// With an SQLSTATE the server has said no; without one nobody knows.
fn refused_commit<T>(error: sqlx::Error) -> ControlFlow<Result<T>, Error> {
    if error.as_database_error().is_none() {
        return ControlFlow::Break(Err(Error::CommitUnknown));
    }
    let error = Error::from(error);
    if error.passes() { ControlFlow::Continue(error) } else { ControlFlow::Break(Err(error)) }
}

/// Grows with each try, so that two that met do not meet again.
fn jitter(tries: u32) -> Duration {
    let mut byte = [0_u8];
    let random = getrandom::fill(&mut byte).map_or(128, |()| u64::from(byte[0]));
    Duration::from_micros(u64::from(tries) * 2_000 + random * 40)
}
