//! Duress costs what the usual PIN costs (row V8): at the door the same statements go to the database, as often.
//!
//! sqlx tells of each statement to whoever listens in this process, and some of it from threads of its own. So each engine is
//! looked at by a process that runs nothing else.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    process::Command,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::TimeDelta;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
};

use super::{DURESS_PIN, Door, PIN, STANDS, Stands, bring_to, duress_about_two, say, two_alike};
use crate::support::{Engine, TestDb, app::TestApp, environment, eventually};

/// Set in the process that does it.
const ALONE: &str = "HOMEWARD_TEST_ALONE";
const LONGEST: Duration = Duration::from_secs(5);

/// How often each statement was sent, with the rows that it touched and gave.
type Sent = BTreeMap<Statement, usize>;

#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Statement {
    text: String,
    touched: u64,
    given: u64,
}

impl Visit for Statement {
    fn record_str(&mut self, field: &Field, value: &str) {
        // A short statement stands in its summary alone.
        if field.name() == "db.statement" && !value.is_empty() {
            value.trim().clone_into(&mut self.text);
        } else if field.name() == "summary" && self.text.is_empty() {
            value.clone_into(&mut self.text);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "rows_affected" => self.touched = value,
            "rows_returned" => self.given = value,
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

/// Listens to sqlx.
#[derive(Debug, Clone, Default)]
struct Listener(Arc<Mutex<Sent>>);

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "sqlx::query" && *event.metadata().level() <= Level::DEBUG {
            let mut statement = Statement::default();
            event.record(&mut statement);
            // What each new connection asks once about PostgreSQL's own types.
            if statement.text.starts_with("SELECT pg_type.oid") {
                return;
            }
            // SQLite says of whatever else is sent what it said of the one before.
            let writes = ["INSERT", "UPDATE", "DELETE"].iter().any(|word| statement.text.starts_with(word));
            statement.touched = if writes { statement.touched } else { 0 };
            // What sqlx itself asks PostgreSQL, once in a connection.
            if statement.text.contains("pg_catalog") {
                return;
            }
            *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(statement).or_default() += 1;
        }
    }
}

impl Listener {
    fn heard(&self) -> Sent {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was sent since the last time. SQLite's threads may tell of a statement a little after its answer.
    async fn since(&self, engine: Engine) -> Sent {
        let mut before = self.heard();
        eventually(LONGEST, async || {
            let now = self.heard();
            let (begun, committed) = (count(&now, "BEGIN IMMEDIATE"), count(&now, "COMMIT"));
            let done = now == before && (engine == Engine::Postgres || begun == committed);
            before = now;
            done
        })
        .await;
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn count(sent: &Sent, begins_with: &str) -> usize {
    let of_it = sent.iter().filter(|(statement, _)| statement.text.starts_with(begins_with));
    of_it.map(|(_, times)| times).sum()
}

/// How often each text was sent, whatever it touched and gave: a look for what is open finds something or not.
fn texts(sent: Sent) -> Sent {
    let mut texts = Sent::new();
    for (statement, times) in sent {
        *texts.entry(Statement { touched: 0, given: 0, ..statement }).or_default() += times;
    }
    texts
}

/// What one of them sent and the other did not.
fn differences(one: &Sent, two: &Sent) -> Vec<String> {
    let all = one.keys().chain(two.keys());
    let times = |sent: &Sent, statement: &Statement| sent.get(statement).copied().unwrap_or_default();
    let mut differences: Vec<String> = all
        .filter(|statement| times(one, statement) != times(two, statement))
        .map(|statement| {
            format!("{} or {} times {statement:?}", times(one, statement), times(two, statement))
        })
        .collect();
    differences.sort();
    differences.dedup();
    differences
}

/// Runs one test of this binary by itself.
async fn alone(test: &'static str) {
    let run = move || {
        Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture"])
            .env(ALONE, "true")
            .output()
            .unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite() {
    if environment(ALONE).is_none() {
        return alone("duress::statements::sqlite").await;
    }
    the_same_statements(TestDb::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres() {
    if environment(ALONE).is_none() {
        return alone("duress::statements::postgres").await;
    }
    if let Some(db) = TestDb::postgres().await {
        the_same_statements(db).await;
    }
}

/// Wherever the two stand: all cells on SQLite, each third on PostgreSQL.
async fn the_same_statements(db: TestDb) {
    let listener = Listener::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(listener.clone())).unwrap();
    for (number, (stands, act, door)) in STANDS
        .into_iter()
        .flat_map(|stands| ["OUT", "OK", "MORE"].map(|act| (stands, act)))
        .flat_map(|(stands, act)| [Door::Api, Door::Text].map(|door| (stands, act, door)))
        .enumerate()
    {
        if db.engine == Engine::Postgres && number % 3 != 0 {
            continue;
        }
        let fresh = db.another().await;
        let app = TestApp::with(&fresh, &two_alike(), |_| {}).await;
        let [one, two] = bring_to(&app, stands).await;
        let sends = async |door: Door, who: &str, act: &str, pin: &str| {
            let visit = if who == "one" { one.first() } else { two.first() };
            listener.since(db.engine).await;
            say(&app, door, who, visit, act, pin).await;
            listener.since(db.engine).await
        };
        // What is read once and then known is read before.
        for who in ["one", "two"] {
            app.person(who).get("/visits").await.is_ok();
            app.person(who).post("/text", serde_json::json!({"text": "STATUS"})).await.is_ok();
        }
        let when = format!("{stands:?} {act} {door:?}");
        let usual = sends(door, "one", act, PIN).await;
        let silent = sends(door, "two", act, DURESS_PIN).await;
        assert!(
            count(&usual, "SELECT") >= 4 && count(&usual, "INSERT") >= 1,
            "{when}: nobody listens: {usual:#?}"
        );
        assert_eq!(differences(&usual, &silent), [""; 0], "{when}");
        // Used again before the alarm is up.
        app.clock.advance(TimeDelta::seconds(1));
        let usual = sends(door, "one", act, PIN).await;
        let silent = sends(door, "two", act, DURESS_PIN).await;
        assert_eq!(differences(&usual, &silent), [""; 0], "{when}: again");
        app.work().await;
        assert!(duress_about_two(&app).await.is_some(), "{when}");
        // And once it is up. Where another incident is open too, that has its own work to do.
        for pin in [DURESS_PIN, PIN] {
            if matches!(stands, Stands::Overdue | Stands::Owned | Stands::CalledForHelp) {
                break;
            }
            app.clock.advance(TimeDelta::seconds(1));
            let usual = texts(sends(door, "one", act, PIN).await);
            let silent = texts(sends(door, "two", act, pin).await);
            assert_eq!(differences(&usual, &silent), [""; 0], "{when}: the alarm is up");
            app.work().await;
            let used = duress_about_two(&app).await.unwrap();
            assert_eq!(used["worker_reports"], "pin_used", "{when}: the round has kept it");
        }
        // Locked.
        if stands == Stands::Begun {
            for _ in 0..5 {
                for who in ["one", "two"] {
                    sends(door, who, act, "1111").await;
                }
            }
            let usual = texts(sends(door, "one", act, PIN).await);
            let silent = texts(sends(door, "two", act, DURESS_PIN).await);
            assert_eq!(differences(&usual, &silent), [""; 0], "{when}: locked");
        }
        app.work().await;
        app.finish().await;
    }
}
