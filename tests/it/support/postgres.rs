//! One throw-away PostgreSQL server for the whole test process, and in it a database for each test.
//!
//! `HOMEWARD_TEST_POSTGRES_URL` names a server to use instead. What the tests leave behind there begins with
//! `homeward_test_`.

use std::{
    cmp::Reverse,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use reqwest::Url;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use super::environment;

/// Keeps a server for as long as its standard input is open. The other end is ours, so it closes however we end, and the
/// server goes and its folder with it.
const KEEPER: &str = r#"
set -eu
exec 2>&1
programs=$1 port=$2
# Each test makes a database of some hundred files: in memory, where that has room.
in_memory=
if [ -w /dev/shm ]; then
    in_memory=$(df -Pk /dev/shm | awk 'NR == 2 && $4 > 4000000 { print "/dev/shm" }')
fi
folder=$(mktemp -d "${in_memory:-${TMPDIR:-/tmp}}/homeward-postgres.XXXXXX")
trap '"$programs/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null || true; rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

"$programs/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$folder/log" ||
    { cat "$folder/log"; exit 1; }
cat >>"$folder/data/postgresql.conf" <<SETTINGS
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
max_connections = 300
shared_buffers = 32MB
fsync = off
max_wal_size = 256MB
full_page_writes = off
SETTINGS
"$programs/pg_ctl" -D "$folder/data" -l "$folder/log" start >/dev/null || { cat "$folder/log"; exit 1; }

echo "ready in $folder"
cat >/dev/null
"#;

/// Another process may take a free port before the server does.
const TRIES: usize = 3;

/// The oldest PostgreSQL that Homeward supports, as the server writes it.
const OLDEST: i32 = 15_00_00;

/// The URL of a migrated database of its own; `None` where there is no PostgreSQL, which in CI is a failure.
pub async fn fresh_database() -> Option<String> {
    let rig = rig().await?;
    Some(rig.create(&rig.template).await)
}

/// The URL of a database of its own that has nothing in it.
pub async fn empty_database() -> Option<String> {
    Some(rig().await?.create("template0").await)
}

/// The database will not be used again; it is dropped when the next one is made.
pub fn done_with(url: &str) {
    let name = Url::parse(url).unwrap().path().trim_start_matches('/').to_owned();
    DONE_WITH.lock().unwrap_or_else(PoisonError::into_inner).push(name);
}

static DONE_WITH: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What all tests of this process share. No pool: each test has a runtime of its own, and a pool dies with its first.
struct Rig {
    admin: Url,
    template: String,
    making: tokio::sync::Mutex<()>,
    _server: Option<Server>,
}

async fn rig() -> Option<&'static Rig> {
    static RIG: tokio::sync::OnceCell<Option<Rig>> = tokio::sync::OnceCell::const_new();
    let rig = RIG.get_or_init(async || match connect_or_start().await {
        Ok((admin, server)) => Some(Rig::new(admin, server).await),
        Err(reason) => {
            assert!(environment("CI").as_deref() != Some("true"), "CI has to have PostgreSQL: {reason}");
            // Not `eprintln!`, which the test harness keeps to itself.
            let line = "=".repeat(100);
            let mut stderr = std::io::stderr().lock();
            writeln!(stderr, "\n{line}\nThe PostgreSQL half of the tests is SKIPPED: {reason}\n{line}")
                .unwrap();
            None
        }
    });
    rig.await.as_ref()
}

async fn connect_or_start() -> Result<(Url, Option<Server>), String> {
    if let Some(url) = environment("HOMEWARD_TEST_POSTGRES_URL") {
        return Ok((Url::parse(&url).map_err(|error| format!("{url}: {error}"))?, None));
    }
    let server = tokio::task::spawn_blocking(Server::start).await.unwrap()?;
    Ok((server.url.clone(), Some(server)))
}

impl Rig {
    /// From here on something that fails is a fault, and no reason to skip.
    async fn new(admin: Url, server: Option<Server>) -> Self {
        let mut conn = PgConnection::connect(admin.as_str()).await.unwrap();
        let version: String =
            sqlx::query_scalar("SHOW server_version_num").fetch_one(&mut conn).await.unwrap();
        assert!(version.parse::<i32>().unwrap() >= OLDEST, "PostgreSQL {version} is too old");
        conn.close().await.unwrap();

        let mut rig =
            Self { admin, template: String::new(), making: tokio::sync::Mutex::default(), _server: server };
        let url = rig.create("template0").await;
        let db = super::open(&url).await;
        db.migrate().await.unwrap();
        db.close().await;
        rig.template = Url::parse(&url).unwrap().path().trim_start_matches('/').into();
        rig
    }

    /// Makes a database, one after the other.
    async fn create(&self, template: &str) -> String {
        let _alone = self.making.lock().await;
        let mut conn = PgConnection::connect(self.admin.as_str()).await.unwrap();
        let old = std::mem::take(&mut *DONE_WITH.lock().unwrap_or_else(PoisonError::into_inner));
        for name in old {
            let text = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut conn).await.unwrap();
        }
        let name = format!("homeward_test_{}", Uuid::new_v4().simple());
        let text = format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy");
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();

        let mut url = self.admin.clone();
        url.set_path(&name);
        url.into()
    }
}

/// A server that lives no longer than this process.
#[derive(Debug)]
pub struct Server {
    /// Its maintenance database.
    pub url: Url,
    /// All its files.
    pub folder: PathBuf,
    keeper: Child,
}

impl Server {
    /// Starts one on a free port; takes a second or two.
    pub fn start() -> Result<Self, String> {
        let programs = programs()
            .ok_or("initdb, pg_ctl and postgres are neither on the PATH nor where Debian has them")?;
        let mut reason = String::new();
        for _ in 0..TRIES {
            match Self::start_from(&programs) {
                Ok(server) => return Ok(server),
                Err(error) => reason = error,
            }
        }
        Err(reason)
    }

    fn start_from(programs: &Path) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("PostgreSQL does not start: {error}");
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .map_err(failed)?
            .port();

        // PostgreSQL refuses to run as root.
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--", "sh"]).env_remove("TMPDIR");
            command
        } else {
            Command::new("sh")
        };
        command.args(["-c", KEEPER, "sh"]).arg(programs).arg(port.to_string());
        // From a folder that every user may read; in a group of its own, so that Ctrl-C reaches only us.
        command.current_dir("/").process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = command.spawn().map_err(failed)?;

        let mut said = String::new();
        for line in BufReader::new(keeper.stdout.take().unwrap()).lines() {
            let line = line.map_err(failed)?;
            if let Some(folder) = line.strip_prefix("ready in ") {
                let url = Url::parse(&format!("postgres://postgres@127.0.0.1:{port}/postgres")).unwrap();
                return Ok(Self { url, folder: folder.into(), keeper });
            }
            said = said + "\n" + &line;
        }
        let status = keeper.wait().map_err(failed)?;
        Err(format!("PostgreSQL of {} does not start ({status}):{said}", programs.display()))
    }

    /// Lets go of it, as the end of this process does, and waits until it has gone.
    pub fn stop(mut self) {
        drop(self.keeper.stdin.take());
        self.keeper.wait().unwrap();
    }
}

/// The folder that holds the server and what sets it up: from the PATH, or the newest that Debian has.
fn programs() -> Option<PathBuf> {
    let path = environment("PATH").unwrap_or_default();
    // A link on the PATH leads to the folder where its companions are.
    let on_path = std::env::split_paths(&path)
        .filter_map(|folder| Some(folder.join("postgres").canonicalize().ok()?.parent()?.to_path_buf()));
    let mut packaged: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .collect();
    packaged.sort_unstable_by_key(|version| Reverse(*version));
    let packaged = packaged.iter().map(|version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")));
    on_path
        .chain(packaged)
        .find(|folder| ["initdb", "pg_ctl", "postgres"].iter().all(|program| folder.join(program).is_file()))
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}
