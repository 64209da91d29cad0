//! What whoever runs the service sees of it: metrics, and whether it is ready.

use chrono::TimeDelta;
use homeward::{http, store::Pools};
use serde_json::{Value, json};

use crate::store::execute;
use crate::support::{
    Engine, TestDb,
    app::{TestApp, WESTSHIRE, serve},
    fake_sms::{Answer, FakeSms},
    on_both,
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

async fn get(url: &str) -> (u16, String) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let reply = http.get(url).send().await.unwrap();
    (reply.status().as_u16(), reply.text().await.unwrap())
}

/// The value of a sample, by its name and labels.
fn sample(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("there is no {name} in\n{text}")).parse().unwrap()
}

on_both! {
    async fn metrics_tell_how_the_service_is_and_of_nobody(db: TestDb) {
        let sms = FakeSms::start(SECRET).await;
        sms.for_phone("+447700900124", Answer::Status(400));
        let environment = [
            ("HOMEWARD_SMS", format!(r#"[{{ name = "gateway", kind = "webhook", url = "{}", secret = "{SECRET}" }}]"#, sms.url)),
            ("HOMEWARD_EMAIL", r#"[{ name = "mail", kind = "capture" }]"#.into()),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value)).into();
        let app = TestApp::with_providers(&db, WESTSHIRE, &environment, crate::support::app::noon()).await;
        let url = format!("{}/metrics", serve(http::metrics::router(app.app.site.clone())).await);
        let visit = app.ann_goes_in(30).await;
        app.person("ann").post("/visits", json!({"place": "9 Quay Road", "minutes": 90})).await.is_ok();
        app.person("ann").get(&format!("/visits/{visit}")).await.is_ok();
        app.person("ann").get("/visits/nonsense").await;
        app.pass(40).await;
        app.clock.advance(TimeDelta::seconds(3));
        app.work().await;

        let (status, text) = get(&url).await;
        assert_eq!(status, 200);
        assert!(text.ends_with("# EOF\n"));
        for (name, value) in [
            ("homeward_ready", 1.0),
            ("homeward_timer_lag_seconds", 0.0),
            ("homeward_outbox_lag_seconds", 0.0),
            ("homeward_visits_running", 2.0),
            ("homeward_incidents_open", 1.0),
            ("homeward_clock_offset_seconds", 0.0),
            ("homeward_last_clean_round_timestamp_seconds", 1_768_394_403.0),
            ("homeward_messages_total{channel=\"sms\",provider=\"gateway\",outcome=\"refused\"}", 1.0),
            // Jo's mail and Sam's: the text to Sam counts under sms, and Jo's was refused.
            ("homeward_first_alarm_seconds_count", 3.0),
            ("homeward_operator_told_total", 1.0),
            ("homeward_http_requests_total{method=\"GET\",route=\"/api/v1/visits/{id}\",status=\"200\"}", 1.0),
            ("homeward_http_requests_total{method=\"POST\",route=\"/api/v1/visits\",status=\"201\"}", 2.0),
        ] {
            assert!((sample(&text, name) - value).abs() < 0.001, "{name} {}\n{text}", sample(&text, name));
        }
        for personal in ["Ann", "Lee", "Jo", "Sam", "077009", "+44", "High St", "example.org", &visit, "westshire"] {
            assert!(!text.contains(personal), "{personal} in\n{text}");
        }
        assert_eq!(get(&app.url("/metrics")).await.0, 404, "never where everybody reaches it");
        app.finish().await;
    }
}

on_both! {
    async fn a_chase_that_cannot_be_worked_on_holds_up_nobody(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        let mut visits = Vec::new();
        for place in ["12 High St", "9 Quay Road"] {
            let visit = app.person("ann").post("/visits", json!({"minutes": 20, "place": place})).await.id();
            app.person("ann").post(&format!("/visits/{visit}/check-out"), json!({"pin": "4821"})).await.is_ok();
            visits.push(visit);
        }
        let broken = match db.engine {
            Engine::Sqlite => format!("x'{}'", visits[0].replace('-', "")),
            Engine::Postgres => format!("'{}'", visits[0]),
        };
        execute(app.db(), &format!("UPDATE visit SET state = 'nonsense' WHERE id = {broken}")).await.unwrap();
        app.clock.set("2026-01-15T09:00:00Z".parse().unwrap());
        app.work().await;
        app.clock.advance(TimeDelta::seconds(20));
        app.work().await;
        assert_eq!(app.texts("ann").await.len(), 1, "asked for the other, once");
        assert_eq!(get(&app.url("/readyz")).await.0, 200, "whoever waits for a record is in no danger");
        app.finish().await;
    }
}

/// Somebody acts on a visit that its worker is to be asked about: neither waits for the other, and no alarm for either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_asked_for_what_is_missing_waits_for_nobody() {
    let Some(db) = TestDb::postgres().await else { return };
    let app = TestApp::start(&db).await;
    app.set_pin("ann").await;
    let visit = app.person("ann").post("/visits", json!({"minutes": 20, "place": "12 High St"})).await.id();
    app.person("ann").post(&format!("/visits/{visit}/check-out"), json!({"pin": "4821"})).await.is_ok();
    app.clock.set("2026-01-15T08:15:00Z".parse().unwrap());
    app.work().await;
    app.person("ann").post("/visits", json!({"minutes": 35, "place": "9 Quay Road"})).await.is_ok();
    app.clock.set("2026-01-15T09:00:00Z".parse().unwrap());
    let Pools::Postgres(pool) = app.db().pools() else { unreachable!() };
    let mut act = pool.begin().await.unwrap();
    let lock = format!("SELECT 1 FROM visit WHERE id = '{visit}' FOR NO KEY UPDATE");
    sqlx::query(sqlx::AssertSqlSafe(lock)).execute(&mut *act).await.unwrap();
    app.work().await;
    assert_eq!(app.open_incidents().await, 1, "the other visit is overdue, and that is raised");
    assert_eq!(app.texts("ann").await.iter().filter(|text| text.contains("Please record it")).count(), 0);
    let drop = format!("UPDATE chase SET asked = asked WHERE about = '{visit}'");
    sqlx::query(sqlx::AssertSqlSafe(drop)).execute(&mut *act).await.unwrap();
    act.commit().await.unwrap();
    app.work().await;
    assert_eq!(app.texts("ann").await.iter().filter(|text| text.contains("Please record it")).count(), 1);
    app.finish().await;
}

/// Every connection of the doors is taken: the timer has its own for everything it does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_at_the_doors_does_not_hold_up_the_timer() {
    let Some(db) = TestDb::postgres().await else { return };
    let app = TestApp::start(&db).await;
    app.person("ann").post_once("/visits", "k", json!({"minutes": 600})).await.is_ok();
    app.clock.advance(TimeDelta::hours(25));
    let mut crowd = Vec::new();
    for _ in 0..4 {
        crowd.push(app.db().read().await.unwrap());
    }
    app.app.timer.tick(app.now()).await.unwrap();
    drop(crowd);
    let Pools::Postgres(pool) = app.db().pools() else { unreachable!() };
    let keys: i64 = sqlx::query_scalar("SELECT count(*) FROM idempotency").fetch_one(pool).await.unwrap();
    assert_eq!(keys, 0, "forgotten with the round");
    app.verify().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_database_would_tell_is_not_told_as_it_was() {
    let db = TestDb::sqlite().await;
    let app = TestApp::start(&db).await;
    let url = format!("{}/metrics", serve(http::metrics::router(app.app.site.clone())).await);
    assert!((sample(&get(&url).await.1, "homeward_ready") - 1.0).abs() < 0.001);
    app.db().close().await;
    let (status, text) = get(&url).await;
    assert_eq!(status, 200);
    assert!(sample(&text, "homeward_ready").abs() < 0.001);
    assert!(sample(&text, "homeward_timer_lag_seconds").is_nan());
    assert!(sample(&text, "homeward_incidents_open").is_nan());
    assert!(sample(&text, "homeward_store_errors_total{kind=\"closed\"}") >= 1.0);
    let (status, body) = get(&app.url("/readyz")).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["database"]), (503, &json!("does not answer")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nonce_is_answered_and_nothing_else_is() {
    let db = TestDb::sqlite().await;
    let app = TestApp::start(&db).await;
    let prove = async |nonce: &str| get(&app.url(&format!("/healthz/{nonce}"))).await;
    let (status, first) = prove("0123456789abcdef").await;
    assert_eq!((status, first.len()), (200, 64));
    assert_ne!(prove("0123456789abcdee").await.1, first);
    for nonce in ["short", "0123456789abcde%2f", &"a".repeat(65)] {
        assert_eq!(prove(nonce).await.0, 404, "{nonce}");
    }
}
