//! Clocks that are wrong, and a machine that was suspended (F13).
//!
//! Machine and database have clocks in the test's hand: on PostgreSQL a function of the test's own stands before the server's.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use homeward::clock::ManualMachine;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio_util::sync::CancellationToken;

use super::add_workers;
use crate::support::{
    Engine, TestDb,
    app::{TestApp, WESTSHIRE, noon},
    eventually, on_both,
};

const DATABASE_CLOCK: &str = "
CREATE SCHEMA test_clock;
CREATE TABLE test_clock.shown (at timestamptz NOT NULL);
CREATE FUNCTION test_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT at FROM test_clock.shown';
";

/// A server, its machine, and the database's clock where it has one of its own.
struct Rig {
    machine: ManualMachine,
    database: Option<PgConnection>,
    records: TestApp,
    app: TestApp,
}

impl Rig {
    /// It is noon, whatever the machine says.
    async fn start(db: &TestDb, machine_ahead: TimeDelta) -> Self {
        let mut organisation = WESTSHIRE.to_owned();
        add_workers(&mut organisation, 0..1);
        let records = TestApp::with(db, &organisation, |_| {}).await;
        let database = match db.engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(set_up_clock(&db.url).await),
        };
        let machine = ManualMachine::new(noon() + machine_ahead);
        let app = records.replica_on(db, &machine).await;
        Self { machine, database, records, app }
    }

    /// Time passes for everybody, half a minute at a time, and the server's loops turn.
    async fn run(&mut self, minutes: u64) {
        for _ in 0..minutes * 2 {
            self.machine.run(Duration::from_secs(30));
            self.step_database(TimeDelta::seconds(30)).await;
            self.turn().await;
        }
    }

    /// One turn of each loop; how long the timer sleeps then.
    async fn turn(&self) -> Duration {
        let sleep = self.app.app.timer.round().await;
        self.app.app.outbox.deliver_due(self.app.now()).await.unwrap();
        sleep
    }

    /// Only the calendars move: the machine is suspended, or the clock that counts is set.
    async fn jump(&mut self, by: TimeDelta) {
        self.machine.step(by);
        self.step_database(by).await;
    }

    async fn step_database(&mut self, by: TimeDelta) {
        if let Some(conn) = &mut self.database {
            let moved = sqlx::query("UPDATE test_clock.shown SET at = at + $1 * interval '1 second'");
            moved.bind(by.num_seconds()).execute(conn).await.unwrap();
        }
    }

    async fn calls(&self) -> usize {
        self.records.said().await.iter().filter(|said| said.purpose.calls_to_act()).count()
    }

    /// The events of the organisation's own log with this kind.
    async fn logged(&self, kind: &str) -> Vec<Value> {
        let all = self.records.everything_that_happened().await;
        let events = all.body["events"].as_array().unwrap();
        events.iter().filter(|event| event["kind"] == kind).map(|event| event["body"].clone()).collect()
    }
}

/// The loops themselves notice: the test waits, as long as it may take, and moves nothing.
const NOTICED_WITHIN: Duration = Duration::from_secs(5);

async fn set_up_clock(url: &str) -> PgConnection {
    let mut conn = PgConnection::connect(url).await.unwrap();
    let name = reqwest::Url::parse(url).unwrap().path().trim_start_matches('/').to_owned();
    let path = format!("ALTER DATABASE {name} SET search_path = test_clock, pg_catalog, public");
    sqlx::raw_sql(DATABASE_CLOCK).execute(&mut conn).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(path)).execute(&mut conn).await.unwrap();
    sqlx::query("INSERT INTO test_clock.shown VALUES ($1)").bind(noon()).execute(&mut conn).await.unwrap();
    conn
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f13_a_replica_whose_machine_is_an_hour_wrong_raises_on_time() {
    for hours in [1, -1] {
        let Some(db) = TestDb::postgres().await else { return };
        let ahead = TimeDelta::hours(hours);
        let mut wrong = Rig::start(&db, ahead).await;
        let right_machine = ManualMachine::new(noon());
        let right = wrong.records.replica_on(&db, &right_machine).await;
        // Its door goes by the right time, and so does its timer.
        let started = wrong.app.person("ann").post("/visits", json!({"minutes": 30})).await;
        assert_eq!(started.body["expected_departure"], "2026-01-14T12:30:00Z", "{started:?}");
        wrong.run(39).await;
        assert_eq!(
            (wrong.records.open_incidents().await, wrong.calls().await),
            (0, 0),
            "{hours}: nothing early"
        );
        wrong.run(1).await;
        assert_eq!(wrong.records.open_incidents().await, 1, "{hours}: on time");
        right_machine.run(Duration::from_mins(40));
        right.app.timer.round().await;
        right.app.outbox.deliver_due(right.now()).await.unwrap();
        assert_eq!(wrong.calls().await, 4, "{hours}: nothing twice: Jo and Sam, by text and by mail");
        let apart = wrong.logged("clock.apart").await;
        assert_eq!(apart, [json!({"agree": false, "machine_ahead_ms": hours * 3_600_000})], "and said once");
        assert_eq!(wrong.app.now(), noon() + TimeDelta::minutes(40));

        wrong.machine.step(-ahead);
        wrong.run(1).await;
        assert_eq!(wrong.logged("clock.apart").await[1..], [json!({"agree": true})]);
        assert_eq!(wrong.logged("clock.stepped").await, [] as [Value; 0]);
        assert_eq!(wrong.records.open_incidents().await, 1);
        wrong.records.finish().await;
    }
}

on_both! {
    async fn f13_a_suspended_machine_raises_what_fell_due_once_it_wakes(db: TestDb) {
        let mut rig = Rig::start(&db, TimeDelta::zero()).await;
        rig.app.person("ann").post("/visits", json!({"minutes": 5})).await.is_ok();
        rig.run(10).await;
        assert_eq!(rig.calls().await, 0);

        rig.jump(TimeDelta::minutes(20)).await;
        // What it slept when it was suspended, a second at most, is all that has to pass before it looks: once, or at once again.
        let again = rig.turn().await;
        if rig.records.open_incidents().await == 0 {
            assert!(again.is_zero(), "{again:?}");
            rig.turn().await;
        }
        assert_eq!(rig.records.open_incidents().await, 1);
        let after_outage = rig.records.the_incident().await;
        let log = rig.records.log("incident", after_outage["id"].as_str().unwrap()).await;
        assert_eq!(log.iter().filter(|kind| *kind == "incident.opened").count(), 1);
        let clock = if db.engine == Engine::Sqlite { "machine" } else { "database" };
        assert_eq!(
            rig.logged("clock.stepped").await,
            [json!({
                "clock": clock,
                "before": "2026-01-14T12:10:00.000000Z",
                "after": "2026-01-14T12:30:00.000000Z",
                "by_ms": 1_200_000,
                "followed": true,
            })]
        );
        assert_eq!(rig.logged("service.was_down").await.len(), 1, "rounds had stopped: that is an outage");

        let calls = rig.calls().await;
        for _ in 0..5 {
            rig.turn().await;
        }
        assert_eq!(rig.calls().await, calls, "nothing fires twice");
        assert_eq!(rig.logged("clock.stepped").await.len(), 1);
        rig.records.finish().await;
    }

    async fn f13_the_loops_notice_within_five_seconds_that_the_machine_was_suspended(db: TestDb) {
        let mut rig = Rig::start(&db, TimeDelta::zero()).await;
        rig.app.person("ann").post("/visits", json!({"minutes": 5})).await.is_ok();
        rig.run(10).await;
        let (timer, stop) = (Arc::clone(&rig.app.app.timer), CancellationToken::new());
        let stopped = stop.clone();
        let running = tokio::spawn(async move { timer.run(stopped).await });
        rig.jump(TimeDelta::minutes(20)).await;
        eventually(NOTICED_WITHIN, async || rig.records.open_incidents().await == 1).await;
        stop.cancel();
        running.await.unwrap();
        assert_eq!(rig.logged("incident.opened").await.len(), 1);
        rig.turn().await;
        rig.records.finish().await;
    }

    async fn f13_a_clock_that_was_set_back_while_nothing_ran_is_spoken_of(db: TestDb) {
        let mut rig = Rig::start(&db, TimeDelta::zero()).await;
        rig.run(10).await;
        rig.jump(TimeDelta::hours(-1)).await;
        rig.app = rig.records.replica_on(&db, &rig.machine).await;
        rig.turn().await;
        assert_eq!(
            rig.logged("clock.behind").await,
            [json!({"last_round": "2026-01-14T12:10:00.000000Z", "now": "2026-01-14T11:10:00.000000Z"})]
        );
        assert_eq!(rig.logged("clock.stepped").await, [] as [Value; 0]);
        rig.records.finish().await;
    }

    async fn f13_a_clock_that_is_set_back_makes_nothing_late_and_nothing_undue(db: TestDb) {
        let mut rig = Rig::start(&db, TimeDelta::zero()).await;
        rig.app.person("ann").post("/visits", json!({"minutes": 30})).await.is_ok();
        rig.app.person("w0").post("/visits", json!({"minutes": 5})).await.is_ok();
        rig.run(20).await;
        assert_eq!(rig.records.open_incidents().await, 1, "the other one's");

        rig.jump(TimeDelta::hours(-1)).await;
        rig.run(19).await;
        assert_eq!(rig.records.open_incidents().await, 1, "that stays");
        assert_eq!(rig.app.now(), noon() + TimeDelta::minutes(39), "time goes on at its own pace");
        rig.run(1).await;
        assert_eq!(rig.records.open_incidents().await, 2, "and Ann's comes on time");
        let stepped = rig.logged("clock.stepped").await;
        assert_eq!(stepped.len(), 1, "{stepped:?}");
        assert_eq!((&stepped[0]["by_ms"], &stepped[0]["followed"]), (&json!(-3_600_000), &json!(false)));

        // It is set right again: nothing happens twice, and the hour is not gone through again.
        let calls = rig.calls().await;
        rig.jump(TimeDelta::hours(1)).await;
        rig.turn().await;
        assert_eq!((rig.app.now(), rig.calls().await), (noon() + TimeDelta::minutes(40), calls));
        rig.records.finish().await;
    }
}
