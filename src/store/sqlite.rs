//! SQLite: one writer thread takes the waiting use cases into one transaction, a savepoint each, and answers after the
//! commit; readers have connections of their own.

use std::{
    panic::AssertUnwindSafe,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{FutureExt, future::LocalBoxFuture};
use sqlx::{
    Sqlite, SqlitePool,
    pool::PoolConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{Bell, Bells, Conn, Error, Lane, Result, Settings, Tx, people::ReadBefore};

/// So many use cases share a commit at most; one of the timer's is always the last of its commit.
const BATCH: usize = 64;
/// The writer's cache: up to 16 MiB.
const CACHE_KIB: u32 = 16 * 1024;
/// The log grows to 32 MiB before it is copied into the file: under load the same pages are written again and again.
const CHECKPOINT_PAGES: u32 = 8 * 1024;
/// So many rows are read ahead of whoever looks at them. With few, each row of a long answer costs the threads of both a change.
const ROWS_AHEAD: usize = 16 * 1024;
/// So many may wait before callers do.
const WAITING: usize = 4096;

/// An SQLite file, its writer and its readers.
#[derive(Debug, Clone)]
pub struct Database {
    timer: mpsc::Sender<Job>,
    urgent: mpsc::Sender<Job>,
    usual: mpsc::Sender<Job>,
    readers: SqlitePool,
    bell: Bell,
    directories: ReadBefore,
    writer: Arc<Writer>,
}

/// The writer's thread, to be told to stop and waited for.
#[derive(Debug)]
struct Writer {
    stop: CancellationToken,
    done: Mutex<Option<oneshot::Receiver<()>>>,
}

type Answer = Box<dyn FnOnce(Result<()>)>;
type Job = Box<dyn for<'t> FnOnce(&'t mut Tx) -> LocalBoxFuture<'t, (bool, Answer)> + Send>;

impl Database {
    pub(super) async fn open(settings: &Settings) -> Result<Self> {
        let options = SqliteConnectOptions::from_str(&settings.url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(2))
            .row_buffer_size(ROWS_AHEAD)
            .pragma("recursive_triggers", "ON");
        // A file does not hang up: asking each connection first whether it still works would double the cost of a read.
        let readers = SqlitePoolOptions::new()
            .test_before_acquire(false)
            .max_connections(settings.connections)
            .acquire_timeout(settings.acquire_timeout)
            .connect_lazy_with(options.clone().pragma("query_only", "ON"));
        let (timer, timer_jobs) = mpsc::channel(WAITING);
        let (urgent, urgent_jobs) = mpsc::channel(WAITING);
        let (usual, usual_jobs) = mpsc::channel(WAITING);
        let bell = Bell::default();
        let directories = ReadBefore::default();
        let stop = CancellationToken::new();
        let (opened, is_open) = oneshot::channel();
        let (done, wait) = oneshot::channel();
        let runtime = tokio::runtime::Handle::current();
        let work = ([timer_jobs, urgent_jobs, usual_jobs], bell.clone(), stop.clone());
        let (settings, read_before) = (settings.clone(), directories.clone());
        let write = async move || {
            let writing = match writing(options, &settings).await {
                Ok(writing) => writing,
                Err(error) => return drop(opened.send(Err(error))),
            };
            // Whoever opens may have gone away; then the stop follows.
            let _gone = opened.send(Ok(()));
            let ([timer, urgent, usual], bell, stop) = work;
            let tx = Tx::new(Conn::Sqlite(writing), &read_before);
            WriterLoop { tx, timer, urgent, usual, turn: Turn::Urgent, bell, stop }.run().await;
        };
        std::thread::Builder::new()
            .name("sqlite-writer".into())
            .spawn(move || {
                runtime.block_on(write());
                drop(done);
            })
            .map_err(|error| Error::Unavailable(error.to_string().into()))?;
        is_open.await.unwrap_or(Err(Error::Closed))?;
        let writer = Arc::new(Writer { stop, done: Mutex::new(Some(wait)) });
        Ok(Self { timer, urgent, usual, readers, bell, directories, writer })
    }

    pub(super) fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    pub(super) fn directories(&self) -> &ReadBefore {
        &self.directories
    }

    pub(super) fn bell(&self) -> &Bell {
        &self.bell
    }

    pub(super) async fn close(&self) {
        self.writer.stop.cancel();
        let done = self.writer.done.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(done) = done {
            // The sender is only dropped, never used: an error is what the end looks like.
            let _ended = done.await;
        }
        self.readers.close().await;
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        lane: Lane,
        case: impl AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |tx| {
            Box::pin(async move {
                let mut done = run(&case, tx, lane.longest()).await;
                if done.is_ok()
                    && let Err(error) = tx.send_and_run("RELEASE job; SAVEPOINT job").await
                {
                    done = Err(error);
                }
                let keep = done.is_ok();
                let answer: Answer = Box::new(move |commit| {
                    // A caller who has gone away does not change what was committed.
                    let _gone = reply.send(commit.and(done));
                });
                (keep, answer)
            })
        });
        let lane = match lane {
            Lane::Timer => &self.timer,
            Lane::Help | Lane::Urgent => &self.urgent,
            Lane::Usual | Lane::Patient => &self.usual,
        };
        lane.send(job).await.map_err(|_| Error::Closed)?;
        // Dropped unanswered: it was never run.
        answer.await.unwrap_or(Err(Error::Busy))
    }
}

/// The writer's connection, opened by the writer's own thread: sqlx gives each connection a thread, which stays on the CPU
/// of the one that opened it. Side by side on one CPU the two wake each other in a fraction of the time.
async fn writing(options: SqliteConnectOptions, settings: &Settings) -> Result<PoolConnection<Sqlite>> {
    if settings.writer_on_one_cpu {
        stay_here().map_err(|error| {
            Error::Unavailable(format!("database.writer_on_one_cpu cannot be had: {error}").into())
        })?;
    }
    // What a savepoint may have to bring back stays in memory, and so does all that a batch touches: else both go to disk and
    // back before the commit.
    let options = options
        .pragma("temp_store", "MEMORY")
        .pragma("cache_size", format!("-{CACHE_KIB}"))
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string());
    let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(settings.acquire_timeout);
    let mut conn = pool.connect_with(options).await?.acquire().await?;
    let slow_commit = settings.slow_commit;
    if !slow_commit.is_zero() {
        conn.lock_handle().await?.set_commit_hook(move || {
            std::thread::sleep(slow_commit);
            true
        });
    }
    Ok(conn)
}

/// Keeps this thread, and those that it starts, on the CPU on which it now is.
#[cfg(target_os = "linux")]
fn stay_here() -> std::io::Result<()> {
    use rustix::thread::{CpuSet, sched_getcpu, sched_setaffinity};
    let mut here = CpuSet::new();
    here.set(sched_getcpu());
    Ok(sched_setaffinity(None, &here)?)
}

#[cfg(not(target_os = "linux"))]
fn stay_here() -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// A use case that panics or takes too long must not take the writer with it.
async fn run<T>(case: &impl AsyncFn(&mut Tx) -> Result<T>, tx: &mut Tx, longest: Duration) -> Result<T> {
    let work = async {
        let done = case(tx).await?;
        tx.flush().await?;
        Ok(done)
    };
    match tokio::time::timeout(longest, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(done)) => done,
        Ok(Err(_panic)) => Err(Error::Panicked),
        Err(_too_long) => Err(Error::Busy),
    }
}

/// Whose turn it is at the writer, where both wait.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Urgent,
    Usual,
}

impl Turn {
    fn next(self) -> Self {
        match self {
            Self::Urgent => Self::Usual,
            Self::Usual => Self::Urgent,
        }
    }
}

struct WriterLoop {
    tx: Tx,
    timer: mpsc::Receiver<Job>,
    urgent: mpsc::Receiver<Job>,
    usual: mpsc::Receiver<Job>,
    turn: Turn,
    bell: Bell,
    stop: CancellationToken,
}

/// A job that has been taken, and whose it is.
enum Taken {
    /// The timer's or the outbox's: somebody may be about to be called, so the commit follows at once.
    Timers(Job),
    /// Somebody's at a door: it shares its commit with those that wait.
    Doors(Job),
}

impl WriterLoop {
    /// Ends once it was told to stop and everything that waited is answered.
    async fn run(mut self) {
        let mut stopping = false;
        loop {
            let taken = tokio::select! {
                biased;
                Some(job) = self.timer.recv() => Taken::Timers(job),
                Some(job) = self.urgent.recv() => Taken::Doors(job),
                Some(job) = self.usual.recv() => Taken::Doors(job),
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    self.timer.close();
                    self.urgent.close();
                    self.usual.close();
                    continue;
                }
                else => return,
            };
            self.commit_together(taken).await;
        }
    }

    /// The timer's job, if one waits. Else what is urgent and what is usual take turns: no crowd at the one holds up the other.
    fn take(&mut self) -> Option<Taken> {
        if let Ok(job) = self.timer.try_recv() {
            return Some(Taken::Timers(job));
        }
        let (first, second) = match self.turn {
            Turn::Urgent => (&mut self.urgent, &mut self.usual),
            Turn::Usual => (&mut self.usual, &mut self.urgent),
        };
        self.turn = self.turn.next();
        first.try_recv().or_else(|_| second.try_recv()).ok().map(Taken::Doors)
    }

    /// One transaction, a savepoint for each use case, and only after the commit the answers. A job that is dropped here
    /// was never run, and its caller hears so.
    async fn commit_together(&mut self, first: Taken) {
        let mut answers = Vec::with_capacity(BATCH);
        let mut bells = Bells::default();
        let mut state = self.tx.run("BEGIN IMMEDIATE; SAVEPOINT job").await;
        let mut next = Some(first);
        while let Some(taken) = next {
            if state.is_err() {
                // Nobody waits for as many failures as there are callers.
                (1..BATCH).map_while(|_| self.take()).for_each(drop);
                break;
            }
            let (job, last) = match taken {
                Taken::Timers(job) => (job, true),
                Taken::Doors(job) => (job, answers.len() + 1 == BATCH),
            };
            self.tx.forget();
            let (keep, answer) = job(&mut self.tx).await;
            answers.push(answer);
            if keep {
                bells = bells.and(self.tx.bells);
            } else {
                self.tx.forget();
                state = self.tx.run("ROLLBACK TO job").await;
            }
            next = if last { None } else { self.take() };
        }
        if state.is_ok() {
            state = self.tx.run("COMMIT").await;
        }
        match &state {
            Ok(()) => self.bell.ring(bells),
            Err(error) => {
                tracing::error!(%error, "a shared commit failed; nothing of it was kept");
                // Where SQLite has already rolled back by itself there is nothing left to roll back.
                let _already = self.tx.run("ROLLBACK").await;
            }
        }
        for answer in answers {
            answer(state.clone());
        }
    }
}
