//! The rig does what the other tests take for granted.

use std::{pin::pin, sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use chrono::{DateTime, TimeDelta};
use hmac::{Hmac, KeyInit, Mac};
use homeward::{clock::ManualClock, store::Pools};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor, transport::smtp::PoolConfig};
use reqwest::{StatusCode, header::RETRY_AFTER};
use sha2::Sha256;
use sqlx::{Connection, PgConnection};
use tokio::process::Command;

use crate::support::{
    Engine, TestDb,
    fake_notify::FakeNotify,
    fake_sms::{self, FakeSms},
    fake_smtp::{self, FakeSmtp},
    fake_twilio::FakeTwilio,
    on_both, open,
    postgres::{self, Server},
    process::Process,
    tcp_proxy::{Mode, Proxy},
};

/// Long enough for an answer on loopback that would come, short enough to wait for one that must not.
const A_MOMENT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_server_goes_with_the_process_that_holds_it() {
    // Where there is none, the tests that cannot do without say so.
    let Ok(server) = Server::start() else { return };
    let (url, folder) = (server.url.clone(), server.folder.clone());
    PgConnection::connect(url.as_str()).await.unwrap().close().await.unwrap();
    assert!(folder.join("data").exists());

    server.stop();
    PgConnection::connect(url.as_str()).await.unwrap_err();
    assert!(!folder.exists());
}

on_both! {
    async fn a_test_has_a_migrated_database_of_its_own(db: TestDb) {
        let store = db.open().await;
        assert!(store.is_migrated().await.unwrap());
        match (store.pools(), db.engine) {
            (Pools::Sqlite(_), Engine::Sqlite) | (Pools::Postgres(_), Engine::Postgres) => {}
            (pools, engine) => panic!("{engine:?} was opened as {pools:?}"),
        }
        store.close().await;
    }
}

#[tokio::test]
async fn an_empty_database_has_no_tables() {
    let Some(url) = postgres::empty_database().await else { return };
    let store = open(&url).await;
    assert!(!store.is_migrated().await.unwrap());
    store.close().await;
    postgres::done_with(&url);
}

/// A database behind a proxy, with a table to write to.
struct Behind {
    proxy: Proxy,
    url: String,
    _db: TestDb,
}

impl Behind {
    async fn start() -> Option<Self> {
        let db = TestDb::postgres().await?;
        let proxy = Proxy::before(&db.url).await;
        let behind = Self { url: proxy.url_for(&db.url), proxy, _db: db };
        let mut conn = behind.connect().await;
        sqlx::query("CREATE TABLE note (text TEXT NOT NULL)").execute(&mut conn).await.unwrap();
        Some(behind)
    }

    async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    async fn notes(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM note").fetch_one(&mut self.connect().await).await.unwrap()
    }
}

async fn write_note(conn: &mut PgConnection) -> sqlx::Result<()> {
    let mut transaction = conn.begin().await?;
    sqlx::query("INSERT INTO note (text) VALUES ($1)").bind("a note").execute(&mut *transaction).await?;
    transaction.commit().await
}

#[tokio::test]
async fn a_hung_network_delivers_later() {
    let Some(behind) = Behind::start().await else { return };
    let mut conn = behind.connect().await;

    behind.proxy.set(Mode::Hang).await;
    let mut write = Box::pin(write_note(&mut conn));
    let mut connect = Box::pin(behind.connect());
    tokio::time::timeout(A_MOMENT, &mut write).await.unwrap_err();
    tokio::time::timeout(A_MOMENT, &mut connect).await.unwrap_err();

    behind.proxy.set(Mode::Pass).await;
    write.await.unwrap();
    connect.await;
    assert_eq!(behind.notes().await, 1);
}

#[tokio::test]
async fn a_cut_network_closes_and_refuses() {
    let Some(behind) = Behind::start().await else { return };
    let mut conn = behind.connect().await;

    behind.proxy.set(Mode::Cut).await;
    write_note(&mut conn).await.unwrap_err();
    let refused = PgConnection::connect(&behind.url).await.unwrap_err();
    assert!(
        matches!(&refused, sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused),
        "{refused}"
    );
    // Once more changes nothing.
    behind.proxy.set(Mode::Cut).await;

    behind.proxy.set(Mode::Pass).await;
    write_note(&mut behind.connect().await).await.unwrap();
    assert_eq!(behind.notes().await, 1);
}

#[tokio::test]
async fn a_reply_to_commit_is_lost_and_the_commit_is_not() {
    let Some(behind) = Behind::start().await else { return };
    behind.proxy.set(Mode::SwallowCommitReplies(2)).await;
    for lost in 1..=2 {
        let error = write_note(&mut behind.connect().await).await.unwrap_err();
        assert!(error.as_database_error().is_none(), "the server did answer: {error}");
        assert_eq!((behind.proxy.swallowed(), behind.notes().await), (lost, i64::try_from(lost).unwrap()));
    }

    let mut conn = behind.connect().await;
    write_note(&mut conn).await.unwrap();
    write_note(&mut conn).await.unwrap();
    assert_eq!((behind.proxy.swallowed(), behind.notes().await), (2, 4));
}

#[tokio::test]
async fn a_prepared_commit_is_seen_too() {
    let Some(behind) = Behind::start().await else { return };
    let mut conn = behind.connect().await;
    sqlx::raw_sql("BEGIN; INSERT INTO note (text) VALUES ('a note')").execute(&mut conn).await.unwrap();
    behind.proxy.set(Mode::SwallowCommitReplies(1)).await;
    // With a statement of its own, as `query` makes, it goes through the extended protocol.
    sqlx::query("COMMIT").execute(&mut conn).await.unwrap_err();
    assert_eq!((behind.proxy.swallowed(), behind.notes().await), (1, 1));
}

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ADA: &str = "+447700900001";
const BEN: &str = "+447700900002";

/// Sends an SMS as our provider does.
async fn send_sms(provider: &FakeSms, id: &str, to: &str) -> reqwest::Response {
    let data = serde_json::json!({ "id": id, "to": to, "text": format!("to {to}") });
    let body = serde_json::json!({ "type": "sms.send", "timestamp": "2026-01-05T09:00:00Z", "data": data });
    post_signed(provider, SECRET, id, body.to_string()).await
}

async fn post_signed(provider: &FakeSms, secret: &str, id: &str, body: String) -> reqwest::Response {
    let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{id}.1767603600.{body}").as_bytes());
    let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    let request = client()
        .post(&provider.url)
        .header("webhook-id", id)
        .header("webhook-timestamp", "1767603600")
        .header("webhook-signature", format!("v1,AAAA v1,{signature}"))
        .body(body);
    request.send().await.unwrap()
}

/// Sends an SMS that is heard, and not answered.
async fn send_in_vain(provider: &FakeSms, id: &str, to: &str) {
    let mut send = pin!(send_sms(provider, id, to));
    tokio::select! {
        answer = &mut send => panic!("{answer:?}"),
        _ = provider.wait_for(|ledger| ledger.attempts.iter().any(|attempt| attempt.id == id)) => {}
    }
    tokio::time::timeout(A_MOMENT, send).await.unwrap_err();
}

/// A client has to be told who does its TLS, even where there is none.
fn client() -> reqwest::Client {
    // Another test may have said so already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

#[tokio::test]
async fn the_sms_provider_follows_its_script_and_keeps_a_ledger() {
    let provider = FakeSms::start(SECRET).await;

    provider.next([fake_sms::Answer::Status(503), fake_sms::Answer::Throttle { retry_after_secs: 7 }]);
    assert_eq!(send_sms(&provider, "a", ADA).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    let throttled = send_sms(&provider, "a", ADA).await;
    assert_eq!(throttled.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(throttled.headers()[RETRY_AFTER], "7");
    let accepted = send_sms(&provider, "a", ADA).await;
    assert_eq!(accepted.text().await.unwrap(), r#"{"id":"fake-3"}"#);

    provider.for_phone(BEN, fake_sms::Answer::AcceptThenHang);
    send_in_vain(&provider, "b", BEN).await;
    provider.usually(fake_sms::Answer::Hang);
    send_in_vain(&provider, "c", ADA).await;

    let ledger = provider.ledger();
    assert_eq!(
        ledger.accepted.iter().map(|sms| (&*sms.id, &*sms.to, sms.at, sms.attempt)).collect::<Vec<_>>(),
        [("a", ADA, 3, 3), ("b", BEN, 4, 1)]
    );
    assert_eq!((ledger.texts_to(ADA), ledger.texts_to(BEN).len()), (vec!["to +447700900001"], 1));
    assert_eq!(
        ledger.attempts[4],
        fake_sms::Attempt { id: "c".into(), to: ADA.into(), answer: fake_sms::Answer::Hang }
    );
}

#[tokio::test]
async fn the_sms_provider_takes_no_more_than_it_can() {
    let provider = FakeSms::start(SECRET).await;
    let clock = ManualClock::new(DateTime::UNIX_EPOCH);
    provider.limit(2, Arc::new(clock.clone()));
    let mut statuses = Vec::new();
    for step in [0, 0, 0, 400, 100, 5_000, 0, 0] {
        clock.advance(TimeDelta::milliseconds(step));
        statuses.push(send_sms(&provider, "a", ADA).await.status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 429, 429, 200, 200, 200, 429]);
}

#[tokio::test]
async fn the_sms_provider_knows_a_forged_signature_and_a_wrong_body() {
    let provider = FakeSms::start(SECRET).await;
    let forged = post_signed(&provider, "whsec_AAAA", "forged", "{}".into()).await;
    let unsigned = client().post(&provider.url).body("{}").send().await.unwrap();
    let malformed = post_signed(&provider, SECRET, "malformed", "{}".into()).await;
    assert_eq!([forged.status(), unsigned.status()], [StatusCode::UNAUTHORIZED; 2]);
    assert_eq!(malformed.status(), StatusCode::BAD_REQUEST);
    let ledger = provider.ledger();
    assert_eq!(
        (ledger.bad_signatures, ledger.malformed),
        (vec!["forged".into(), String::new()], vec!["{}".into()])
    );
    assert_eq!(ledger.attempts, []);
}

type Mailer = AsyncSmtpTransport<Tokio1Executor>;

/// Sends mails as our provider does, through one connection for as long as it is good.
fn mailer(server: &FakeSmtp) -> Mailer {
    Mailer::builder_dangerous("127.0.0.1")
        .port(server.address.port())
        .credentials(lettre::transport::smtp::authentication::Credentials::new(
            "homeward".into(),
            "secret".into(),
        ))
        .pool_config(PoolConfig::new().max_size(1))
        .timeout(Some(Duration::from_secs(5)))
        .build()
}

fn mail(to: &str) -> Message {
    let builder =
        Message::builder().from("Homeward <homeward@example.org>".parse().unwrap()).to(to.parse().unwrap());
    let builder = builder.message_id(Some("<m1@example.org>".into())).subject("Ada is overdue – call her");
    builder.body(".\r\n..A dot, and an é\r\n".to_string()).unwrap()
}

#[tokio::test]
async fn the_mail_server_takes_mail() {
    let server = FakeSmtp::start().await;
    mailer(&server).send(mail("ben@example.org")).await.unwrap();
    let ledger = server.wait_for(|ledger| ledger.accepted.len() == 1).await;
    assert_eq!(
        ledger.accepted,
        [fake_smtp::Mail {
            user: Some("homeward".into()),
            from: "homeward@example.org".into(),
            to: vec!["ben@example.org".into()],
            message_id: "m1@example.org".into(),
            subject: "Ada is overdue – call her".into(),
            body: ".\r\n..A dot, and an é\r\n\r\n".into(),
        }]
    );
}

#[tokio::test]
async fn the_mail_server_follows_its_script() {
    let server = FakeSmtp::start().await;
    let mailer = mailer(&server);
    server.next([fake_smtp::Answer::Refuse(451)]);
    server.for_address("gone@example.org", fake_smtp::Answer::Refuse(550));
    assert!(mailer.send(mail("ben@example.org")).await.unwrap_err().is_transient());
    assert!(mailer.send(mail("gone@example.org")).await.unwrap_err().is_permanent());
    assert_eq!((server.ledger().attempts.len(), server.ledger().accepted.len()), (2, 0));

    server.usually(fake_smtp::Answer::CutAfterData);
    let cut = mailer.send(mail("ben@example.org")).await.unwrap_err();
    assert!(!cut.is_transient() && !cut.is_permanent(), "{cut:?}");
    assert_eq!(server.ledger().accepted.len(), 1);

    server.usually(fake_smtp::Answer::BadQuit);
    mailer.send(mail("ben@example.org")).await.unwrap();
    mailer.shutdown().await;
    assert_eq!(server.wait_for(|ledger| ledger.bad_quits == 1).await.accepted.len(), 2);
}

#[tokio::test]
async fn a_process_is_heard_and_killed() {
    let script = |text: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", text]);
        Process::start(command)
    };
    let mut stops = script("echo starting; echo 'kill point: after_send' >&2; exec sleep 600");
    assert_eq!(stops.wait_for_line("kill point: after_send").await, "kill point: after_send");
    stops.wait_for_line("starting").await;
    stops.signal("STOP").await;
    stops.signal("CONT").await;
    stops.kill9().await;
    assert_eq!(stops.lines().len(), 2);

    let mut obeys = script("trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.01; done");
    obeys.wait_for_line("ready").await;
    obeys.terminate().await;
    obeys.wait_for_line("bye").await;
    assert_eq!(obeys.wait().await.code(), Some(3));
}

#[tokio::test]
async fn homeward_itself_can_be_started() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("homeward.toml");
    let mut homeward = Process::homeward(&["--version"], &nowhere, [("RUST_LOG", "info")]);
    homeward.wait_for_line(concat!("homeward ", env!("CARGO_PKG_VERSION"))).await;
    assert!(homeward.wait().await.success());
}

/// Whether a test would fail that drops this now.
fn fails<T>(fake: T) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(fake))).is_err()
}

#[tokio::test]
async fn what_twilio_and_notify_would_not_take_fails_a_test() {
    homeward::providers::install_crypto();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let (twilio, notify) = (FakeTwilio::start().await, FakeNotify::start().await);
    assert!(!fails(FakeTwilio::start().await) && !fails(FakeNotify::start().await));
    http.post(&twilio.url).body("To=1").send().await.unwrap();
    http.post(format!("{}/v2/notifications/sms", notify.url)).body("{}").send().await.unwrap();
    assert!(fails(twilio) && fails(notify));
}
