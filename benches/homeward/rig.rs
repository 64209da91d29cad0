//! The service under measurement: a fresh database on a real disk, an organisation, its workers, and visits by the million.

#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/it/support/postgres.rs"]
mod postgres;

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use homeward::{
    app::organisation::{self, Defaults, Wanted},
    clock::{Clock, SystemClock, Time},
    config::Config,
    domain::{
        event::Door,
        ids::{OrganisationId, PersonId, TokenId, VisitId},
        policy::{Policy, delta},
    },
    keys::{ServerKey, Token},
    providers::Providers,
    startup::App,
    store::{Db, Settings, Trace, people},
};
use sqlx::{
    AssertSqlSafe, Connection, PgConnection, QueryBuilder, SqliteConnection, sqlite::SqliteConnectOptions,
};
use tempfile::TempDir;

use crate::report::{ms, progress, say, sync_cost};

/// Connections to PostgreSQL, and readers of SQLite: what `config/default.toml` has.
pub const CONNECTIONS: u32 = 16;
/// Everybody's PIN.
pub const PIN: &str = "4821";
/// Everybody's duress PIN.
pub const DURESS_PIN: &str = "9064";
/// The server's key.
pub const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
/// Workers in a team: each team has a manager and an outside contact of its own.
const TEAM: usize = 100;
/// So many rows go into one INSERT when a database is filled.
const ROWS: usize = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// By which the command line speaks of it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// A connection of our own, beside the service's.
pub enum Raw {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Repeats one expression for both engines: `$c` is the connection.
macro_rules! both {
    ($raw:expr, |$c:ident| $e:expr) => {
        match $raw {
            $crate::rig::Raw::Sqlite($c) => $e,
            $crate::rig::Raw::Postgres($c) => $e,
        }
    };
}
pub(crate) use both;

/// A migrated database that survives a power cut.
pub struct Database {
    pub url: String,
    folder: Option<TempDir>,
}

/// Whether there is a PostgreSQL to measure.
pub async fn has_postgres() -> bool {
    match postgres::fresh_database().await {
        Some(url) => {
            postgres::done_with(&url);
            true
        }
        None => false,
    }
}

impl Database {
    /// A new one; says in the report what it stands on.
    pub async fn new(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => {
                let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
                let url = format!("sqlite:{}", folder.path().join("homeward.db").display());
                let db = open(&url).await;
                db.migrate().await.unwrap();
                db.close().await;
                Self { url, folder: Some(folder) }
            }
            Engine::Postgres => {
                let url = postgres::fresh_database().await.unwrap();
                // The tests' server does without; what is measured here must survive a power cut.
                let mut conn = PgConnection::connect(&url).await.unwrap();
                for text in [
                    "ALTER SYSTEM SET fsync = on",
                    "ALTER SYSTEM SET full_page_writes = on",
                    "SELECT pg_reload_conf()",
                ] {
                    sqlx::raw_sql(text).execute(&mut conn).await.unwrap();
                }
                // The server hears of it a little later.
                while setting(&mut conn, "SHOW fsync").await != "on" {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                conn.close().await.unwrap();
                Self { url, folder: None }
            }
        }
    }

    /// What it stands on, for the report.
    pub async fn describe(&self) {
        match self.raw().await {
            Raw::Sqlite(_) => {
                let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
                let cost = sync_cost(folder);
                say!(
                    "The writer {} one CPU.",
                    if writer_on_one_cpu() { "stays on" } else { "does not stay on" }
                );
                say!(
                    "SQLite in {}, WAL, synchronous = FULL, one file. Writing 4 KiB and syncing costs {} there (p99 {}).",
                    folder.display(),
                    ms(cost.median()),
                    ms(cost.p99())
                );
            }
            Raw::Postgres(mut conn) => {
                let version = setting(&mut conn, "SHOW server_version").await;
                let fsync = setting(&mut conn, "SHOW fsync").await;
                let commit = setting(&mut conn, "SHOW synchronous_commit").await;
                let pages = setting(&mut conn, "SHOW full_page_writes").await;
                let buffers = setting(&mut conn, "SHOW shared_buffers").await;
                say!(
                    "PostgreSQL {version} on this machine, {CONNECTIONS} connections; fsync = {fsync}, synchronous_commit = \
                     {commit}, full_page_writes = {pages}, shared_buffers = {buffers}."
                );
            }
        }
    }

    /// A connection of our own, set up as the service's are.
    pub async fn raw(&self) -> Raw {
        if self.url.starts_with("sqlite:") {
            let options: SqliteConnectOptions = self.url.parse().unwrap();
            let options = options
                .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
                .synchronous(sqlx::sqlite::SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(Duration::from_secs(2))
                .pragma("recursive_triggers", "ON");
            Raw::Sqlite(SqliteConnection::connect_with(&options).await.unwrap())
        } else {
            Raw::Postgres(PgConnection::connect(&self.url).await.unwrap())
        }
    }

    /// A connection to fill the database with: neither durable nor checking what refers to what.
    async fn filling(&self) -> Raw {
        let mut raw = self.raw().await;
        match &mut raw {
            Raw::Sqlite(conn) => {
                let text = "PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF";
                sqlx::raw_sql(text).execute(conn).await.unwrap();
            }
            Raw::Postgres(conn) => {
                let text = "SET session_replication_role = replica; SET synchronous_commit = off";
                sqlx::raw_sql(text).execute(conn).await.unwrap();
            }
        }
        raw
    }

    /// After filling: nothing of it is left to be done while something is measured.
    pub async fn settle(&self) {
        match self.raw().await {
            Raw::Sqlite(mut conn) => {
                sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut conn).await.unwrap();
            }
            Raw::Postgres(mut conn) => {
                for text in ["VACUUM ANALYZE", "CHECKPOINT"] {
                    sqlx::raw_sql(text).execute(&mut conn).await.unwrap();
                }
            }
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.folder.is_none() {
            postgres::done_with(&self.url);
        }
    }
}

async fn setting(conn: &mut PgConnection, text: &'static str) -> String {
    sqlx::query_scalar(text).fetch_one(conn).await.unwrap()
}

/// As the service opens it.
pub async fn open(url: &str) -> Db {
    open_slow(url, Duration::ZERO).await
}

async fn open_slow(url: &str, slow_commit: Duration) -> Db {
    let settings = Settings {
        url: url.into(),
        connections: CONNECTIONS,
        acquire_timeout: Duration::from_secs(5),
        writer_on_one_cpu: writer_on_one_cpu(),
        slow_commit,
    };
    Db::open(&settings).await.unwrap()
}

/// As the service itself is told.
pub fn writer_on_one_cpu() -> bool {
    environment("HOMEWARD_DATABASE__WRITER_ON_ONE_CPU").is_some_and(|on| on == "true")
}

#[expect(clippy::disallowed_methods, reason = "the one place in the benches that reads the environment")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Who is told in the first round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The manager by text: one message.
    Manager,
    /// The default ladder: an outside contact and the manager, each by text and mail: four messages.
    Default,
}

/// A worker with a token and a PIN.
#[derive(Debug, Clone)]
pub struct Worker {
    pub id: PersonId,
    pub token: String,
}

/// The service, built and not yet running.
pub struct Service {
    pub database: Database,
    pub app: App,
    pub organisation: OrganisationId,
    pub workers: Vec<Worker>,
}

impl Service {
    /// With so many workers in one organisation, and texts going to `gateway`.
    pub async fn new(engine: Engine, workers: usize, told: Told, gateway: Option<&str>) -> Self {
        Self::on(Database::new(engine).await, workers, told, gateway, Duration::ZERO).await
    }

    /// On a disk that takes so long for a commit.
    pub async fn on_a_slow_disk(engine: Engine, workers: usize, slow_commit: Duration) -> Self {
        let database = Database::new(engine).await;
        if let Raw::Postgres(mut conn) = database.raw().await {
            let delay = format!("ALTER SYSTEM SET commit_delay = {}", slow_commit.as_micros());
            for text in [&delay, "ALTER SYSTEM SET commit_siblings = 0", "SELECT pg_reload_conf()"] {
                sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(&mut conn).await.unwrap();
            }
        }
        Self::on(database, workers, Told::Manager, None, slow_commit).await
    }

    async fn on(
        database: Database,
        workers: usize,
        told: Told,
        gateway: Option<&str>,
        slow_commit: Duration,
    ) -> Self {
        let db = open_slow(&database.url, slow_commit).await;
        let key = ServerKey::parse(KEY).unwrap();
        let teams = workers.div_ceil(TEAM);
        let wanted = Wanted::parse(&organisation_file(teams, told), Defaults::default()).unwrap();
        let trace = Trace::machine(Door::CommandLine, SystemClock.now());
        let applied = db.write(async move |tx| organisation::apply(tx, &wanted, trace).await).await;
        let organisation = applied.unwrap().unwrap().organisation;
        let workers = hire(&database, &db, organisation, &key, workers).await;
        let (config, providers) = providers(gateway);
        let app = App::build(&config, db, Arc::new(SystemClock), key, providers).await.unwrap();
        database.settle().await;
        Self { database, app, organisation, workers }
    }
}

/// Teams, their managers and contacts; the workers are added to it.
fn organisation_file(teams: usize, told: Told) -> String {
    let mut file = String::from(
        r#"
key = "bench"
name = "Bench"
zone = "Europe/London"
duty_manager = "manager-0"
last_resort = ["07700 900900", "07700 900901"]
"#,
    );
    for team in 0..teams {
        let phone = 900_100 + team;
        let team = format!(
            r#"
[[team]]
key = "team-{team}"
name = "Team {team}"
[[person]]
key = "manager-{team}"
name = "Manager {team}"
team = "team-{team}"
role = "manager"
phone = "07700 {phone}"
email = "manager-{team}@example.org"
[[person]]
key = "contact-{team}"
name = "Contact {team}"
team = "team-{team}"
phone = "07701 {phone}"
email = "contact-{team}@example.org"
"#
        );
        file.push_str(&team);
    }
    if told == Told::Manager {
        file += r#"
[[ladder]]
risk = "normal"
repeat_every = "5m"
steps = [{ after = "0s", tell = ["manager"], by = ["sms"] }]
"#;
    }
    file
}

/// Adds workers with tokens and PINs: by rows, since one use case that applies thousands of people takes longer than a use
/// case may.
async fn hire(
    database: &Database,
    db: &Db,
    organisation: OrganisationId,
    key: &ServerKey,
    count: usize,
) -> Vec<Worker> {
    let now = SystemClock.now();
    let directory = people::directory(&mut db.read().await.unwrap(), organisation).await.unwrap();
    let person = |key: String| directory.people.values().find(|person| person.key == key).unwrap();
    let teams: Vec<_> = (0..count.div_ceil(TEAM))
        .map(|team| (person(format!("manager-{team}")), person(format!("contact-{team}")).id))
        .collect();
    let workers: Vec<_> = (0..count)
        .map(|_| Worker { id: PersonId::new(now), token: Token::generate().unwrap().as_str().to_owned() })
        .collect();
    let numbered: Vec<(usize, &Worker)> = workers.iter().enumerate().collect();
    let mut raw = database.filling().await;
    for rows in numbered.chunks(ROWS) {
        both!(&mut raw, |c| {
            let mut insert = QueryBuilder::new(
                "INSERT INTO person (id, organisation_id, team_id, key, name, role, phone, manager_id, has_left) ",
            );
            insert.push_values(rows, |mut row, (number, worker)| {
                let (manager, _) = teams[number / TEAM];
                row.push_bind(worker.id)
                    .push_bind(organisation)
                    .push_bind(manager.team)
                    .push_bind(format!("worker-{number}"))
                    .push_bind(format!("Worker {number}"))
                    .push("'worker'")
                    .push_bind("+447700900123")
                    .push_bind(manager.id)
                    .push("FALSE");
            });
            insert.build().execute(&mut *c).await.unwrap();
            let mut insert = QueryBuilder::new("INSERT INTO pin (person_id, hash, duress_hash, wrong) ");
            insert.push_values(rows, |mut row, (_, worker)| {
                let [hash, duress] = [PIN, DURESS_PIN].map(|pin| key.pin(worker.id, pin).0.to_vec());
                row.push_bind(worker.id).push_bind(hash).push_bind(duress).push("0");
            });
            insert.build().execute(&mut *c).await.unwrap();
            let mut insert = QueryBuilder::new(
                "INSERT INTO token (id, organisation_id, person_id, label, hash, created_at) ",
            );
            insert.push_values(rows, |mut row, (_, worker)| {
                row.push_bind(TokenId::new(now))
                    .push_bind(organisation)
                    .push_bind(worker.id)
                    .push("'bench'")
                    .push_bind(Token::hash(&worker.token).to_vec())
                    .push_bind(now);
            });
            insert.build().execute(&mut *c).await.unwrap();
            let mut insert =
                QueryBuilder::new("INSERT INTO emergency_contact (person_id, position, contact_id) ");
            insert.push_values(rows, |mut row, (number, worker)| {
                row.push_bind(worker.id).push("0").push_bind(teams[number / TEAM].1);
            });
            insert.build().execute(&mut *c).await.unwrap();
        });
    }
    // Whoever fills a PostgreSQL fires no triggers, so that a directory which was read before would pass for the one of now.
    let mut raw = database.raw().await;
    both!(&mut raw, |c| {
        let stamp = sqlx::query("UPDATE organisation SET name = name WHERE id = $1").bind(organisation);
        assert_eq!(stamp.execute(c).await.unwrap().rows_affected(), 1);
    });
    workers
}

/// The configuration of the service, and what it sends by.
fn providers(gateway: Option<&str>) -> (Config, Providers) {
    let Some(url) = gateway else {
        return (Config::load(None, &BTreeMap::new()).unwrap(), Providers::captured());
    };
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"; // an example of the specification
    let sms = format!(r#"[{{ name = "sink", kind = "webhook", url = "{url}", secret = "{secret}" }}]"#);
    let env = BTreeMap::from([
        ("HOMEWARD_SMS".to_owned(), sms),
        ("HOMEWARD_EMAIL".to_owned(), r#"[{ name = "captured", kind = "capture" }]"#.to_owned()),
    ]);
    let config = Config::load(None, &env).unwrap();
    let providers = Providers::from_config(&config).unwrap();
    (config, providers)
}

impl Service {
    /// Opens visits whose incidents open at these times: begun long ago, reminded twice, with nothing left but to be late.
    pub async fn open_visits(&self, overdue: &[Time]) -> Vec<VisitId> {
        self.open_visits_of(&self.workers, overdue).await
    }

    async fn open_visits_of(&self, workers: &[Worker], overdue: &[Time]) -> Vec<VisitId> {
        let now = SystemClock.now();
        let grace = delta(Policy::default().grace);
        let team_of: BTreeMap<PersonId, _> = {
            let mut tx = self.app.site.db.read().await.unwrap();
            let directory = people::directory(&mut tx, self.organisation).await.unwrap();
            directory.people.values().map(|person| (person.id, person.team)).collect()
        };
        let visits: Vec<(VisitId, &Worker, Time)> = overdue
            .iter()
            .zip(workers.iter().cycle())
            .map(|(due, worker)| (VisitId::new(now), worker, *due))
            .collect();
        let mut raw = self.database.filling().await;
        both!(&mut raw, |c| drop(sqlx::raw_sql("BEGIN").execute(&mut *c).await.unwrap()));
        for rows in visits.chunks(ROWS) {
            both!(&mut raw, |c| {
                let mut insert = QueryBuilder::new(
                    "INSERT INTO visit (id, organisation_id, team_id, worker_id, state, place, risk, no_signal_expected, \
                     created_at, expected_departure, deadline_number, reminders_done, last_contact_at, \
                     extended_seconds, version, chain_number, chain_hash) ",
                );
                insert.push_values(rows, |mut row, (visit, worker, due)| {
                    row.push_bind(visit)
                        .push_bind(self.organisation)
                        .push_bind(team_of[&worker.id])
                        .push_bind(worker.id)
                        .push("'begun', '12 High Street', 'normal', FALSE")
                        .push_bind(now)
                        .push_bind(*due - grace)
                        .push("1, 2")
                        .push_bind(now)
                        .push("0, 1, 0")
                        .push_bind(vec![0_u8; 32]);
                });
                insert.build().execute(&mut *c).await.unwrap();
                let mut insert = QueryBuilder::new("INSERT INTO visit_deadline (visit_id, due_at) ");
                insert.push_values(rows, |mut row, (visit, _, due)| {
                    row.push_bind(visit).push_bind(due);
                });
                insert.build().execute(&mut *c).await.unwrap();
            });
        }
        both!(&mut raw, |c| drop(sqlx::raw_sql("COMMIT").execute(&mut *c).await.unwrap()));
        visits.into_iter().map(|(visit, ..)| visit).collect()
    }

    /// Opens so many visits of the first half of the workers that nobody will miss for a day or more; the other workers.
    pub async fn open_many(&self, count: usize) -> Vec<Worker> {
        progress(format_args!("opening {count} visits"));
        let tomorrow = SystemClock.now() + chrono::TimeDelta::days(1);
        let due: Vec<Time> = (0..count)
            .map(|at| tomorrow + chrono::TimeDelta::milliseconds(i64::try_from(at).unwrap()))
            .collect();
        let (busy, idle) = self.workers.split_at(self.workers.len() / 2);
        self.open_visits_of(busy, &due).await;
        self.database.settle().await;
        idle.to_vec()
    }
}
