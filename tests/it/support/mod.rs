//! The rig: databases, a network that fails, providers that follow a script, and the real process.

pub mod app;
pub mod fake_notify;
pub mod fake_receiver;
pub mod fake_sms;
pub mod fake_smtp;
pub mod fake_twilio;
pub mod outside;
pub mod phones;
pub mod postgres;
pub mod process;
pub mod proofs;
pub mod region;
pub mod script;
pub mod tcp_proxy;
pub mod watched;

use std::time::Duration;

use homeward::{
    clock::stopwatch,
    store::{Db, Settings},
};
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// Writes each test once and runs it on both engines: `on_both! { async fn name(db: TestDb) { … } }` makes the tests
/// `name::sqlite` and `name::postgres`.
macro_rules! on_both {
    ($($(#[$attribute:meta])* async fn $name:ident($db:ident: TestDb) $body:block)+) => {$(
        $(#[$attribute])*
        async fn $name($db: $crate::support::TestDb) $body

        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$name($crate::support::TestDb::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(db) = $crate::support::TestDb::postgres().await {
                    super::$name(db).await;
                }
            }
        }
    )+};
}
pub(crate) use on_both;

/// A migrated database for one test; gone when it is dropped.
#[derive(Debug)]
pub struct TestDb {
    /// What `database.url` has to be.
    pub url: String,
    /// On which engine.
    pub engine: Engine,
    folder: Option<TempDir>,
    /// Another one stands for the same database and lets go of it.
    borrowed: bool,
}

/// What keeps the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl TestDb {
    /// A file of its own.
    pub async fn sqlite() -> Self {
        Self::sqlite_of(migrated_file().await)
    }

    /// A file of its own that begins as a copy of another.
    pub fn sqlite_of(bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("homeward.db");
        std::fs::write(&file, bytes).unwrap();
        Self {
            url: format!("sqlite:{}", file.display()),
            engine: Engine::Sqlite,
            folder: Some(folder),
            borrowed: false,
        }
    }

    /// A database of its own; `None` where there is no PostgreSQL.
    pub async fn postgres() -> Option<Self> {
        let url = postgres::fresh_database().await?;
        Some(Self { url, engine: Engine::Postgres, folder: None, borrowed: false })
    }

    /// The same, reached through a network that can fail.
    pub fn through(&self, proxy: &tcp_proxy::Proxy) -> Self {
        Self { url: proxy.url_for(&self.url), engine: self.engine, folder: None, borrowed: true }
    }

    /// An empty one beside it, of the same engine.
    pub async fn another(&self) -> Self {
        match self.engine {
            Engine::Sqlite => Self::sqlite().await,
            Engine::Postgres => Self::postgres().await.unwrap(),
        }
    }

    /// Opens it as the service does.
    pub async fn open(&self) -> Db {
        open(&self.url).await
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        if self.folder.is_none() && !self.borrowed {
            postgres::done_with(&self.url);
        }
    }
}

/// Opens a database as the service does, with few connections.
pub async fn open(url: &str) -> Db {
    let settings = Settings {
        url: url.into(),
        connections: 4,
        acquire_timeout: Duration::from_secs(5),
        writer_on_one_cpu: false,
        slow_commit: Duration::ZERO,
    };
    Db::open(&settings).await.unwrap()
}

/// The bytes of an SQLite file that has every table and no row of ours.
async fn migrated_file() -> &'static [u8] {
    static FILE: OnceCell<Vec<u8>> = OnceCell::const_new();
    FILE.get_or_init(async || {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("template.db");
        let url = format!("sqlite:{}", file.display());
        let db = open(&url).await;
        db.migrate().await.unwrap();
        db.close().await;
        file_of(&url).await
    })
    .await
}

/// All that an SQLite database holds, as one file, once nobody uses it any more.
pub async fn file_of(url: &str) -> Vec<u8> {
    // Whatever still stands in the log beside the file has to come into it.
    let mut conn = SqliteConnection::connect(url).await.unwrap();
    let (busy, _, _): (i64, i64, i64) =
        sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut conn).await.unwrap();
    assert_eq!(busy, 0, "somebody still uses the template");
    conn.close().await.unwrap();
    std::fs::read(url.trim_start_matches("sqlite:")).unwrap()
}

/// Looks again and again until it is so, for no longer than `limit`; for what only a poll can tell.
#[track_caller]
pub fn eventually<'l>(
    limit: Duration,
    mut so: impl AsyncFnMut() -> bool + 'l,
) -> impl Future<Output = Duration> + 'l {
    let caller = std::panic::Location::caller();
    async move {
        let (took, mut look) = (stopwatch(), tokio::time::interval(Duration::from_millis(20)));
        loop {
            look.tick().await;
            if so().await {
                return took.elapsed();
            }
            assert!(took.elapsed() < limit, "{caller} waited in vain for {limit:?}");
        }
    }
}

/// The environment of the test run: which database, and whether it is CI.
#[expect(clippy::disallowed_methods, reason = "the one place in the tests that reads the environment")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
