//! Two-way SMS: what people text through a provider's webhook is done once and answered by a text (rows S1 to S5), and what the
//! provider says of our messages brings the next channel sooner (row D4).

use chrono::TimeDelta;
use homeward::store::Pools;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::support::{
    TestDb,
    app::{TestApp, WESTSHIRE, noon},
    fake_notify::FakeNotify,
    fake_sms,
    fake_twilio::{self, FakeTwilio},
    on_both,
    phones::{ANN, DEE, JO, PUBLIC, Phones, SAM, environment, post},
};

async fn kept(app: &TestApp, text: &'static str) -> i64 {
    match app.db().pools() {
        Pools::Sqlite(pool) => sqlx::query_scalar(text).fetch_one(pool).await.unwrap(),
        Pools::Postgres(pool) => sqlx::query_scalar(text).fetch_one(pool).await.unwrap(),
    }
}

/// Only Sam is called, by text alone at first.
fn sam_by_text() -> String {
    format!(
        "{WESTSHIRE}\n[[ladder]]\nrisk = \"normal\"\nrepeat_every = \"1h\"\nsteps = [{{ after = \"0s\", tell = [\"manager\"], by = [\"sms\"] }}, {{ after = \"30m\", tell = [\"duty_manager\"], by = [\"sms\"] }}]\n"
    )
}

async fn sam_is_called(db: &TestDb) -> Phones {
    let twilio = FakeTwilio::start().await;
    let app =
        TestApp::with_providers(db, &sam_by_text(), &environment(&twilio.entry_with("twilio", "")), noon())
            .await;
    app.person("ann").post("/visits", json!({"minutes": 30})).await.is_ok();
    app.pass(40).await;
    let phones = Phones { app, twilio, sent: std::cell::Cell::new(0) };
    assert_eq!(phones.shows(SAM).len(), 1, "{:?}", phones.shows(SAM));
    phones
}

on_both! {
    async fn a_visit_from_the_first_text_to_the_last(db: TestDb) {
        let phones = Phones::start(&db).await;
        phones.app.set_pin("ann").await;
        let reply = phones.text(ANN, "IN 60 12 High St").await;
        assert!(reply.contains("13:00"), "{reply}");
        assert_eq!(phones.shows(ANN), [reply]);
        assert_eq!(phones.begun().await, 1);
        phones.app.pass(20).await;
        let reply = phones.text(ANN, "ok 4821").await;
        assert!(reply.contains("13:00"), "{reply}");
        let reply = phones.text(ANN, "out").await;
        assert!(reply.starts_with("Not ended: PIN needed. Still watching till 13:00"), "{reply}");
        phones.text(ANN, "out 4821").await;
        assert_eq!(phones.begun().await, 0);
        // Nothing of what she wrote is left, but that it was done.
        assert_eq!(kept(&phones.app, "SELECT count(*) FROM inbound_text").await, 4);
        let left = "SELECT count(*) FROM inbound_text WHERE body IS NOT NULL OR sender IS NOT NULL OR due_at IS NOT NULL";
        assert_eq!(kept(&phones.app, left).await, 0);
        phones.app.finish().await;
    }

    async fn f18_told_twenty_times_it_is_done_once_and_forged_never(db: TestDb) {
        let phones = Phones::start(&db).await;
        for _ in 0..20 {
            assert_eq!(phones.posts("SM1", ANN, "IN 60").await, 200);
        }
        phones.app.work().await;
        assert_eq!((phones.begun().await, phones.shows(ANN).len()), (1, 1));
        let path = "/inbound/sms/twilio";
        let fields = [("MessageSid", "SM2"), ("From", ANN), ("Body", "IN 60 elsewhere")];
        let (headers, body) = fake_twilio::signed("another token", &format!("{PUBLIC}{path}"), &fields);
        let (status, answer) = post(&phones.app, path, headers, body.clone()).await;
        assert_eq!(status, 403, "{answer}");
        assert!(answer.contains("/problems/forged"), "{answer}");
        assert_eq!(post(&phones.app, path, HeaderMap::new(), body).await.0, 403);
        assert_eq!(phones.begun().await, 1);
        let log = phones.app.everything_that_happened().await.body.to_string();
        assert_eq!(log.matches("webhook.forged").count(), 1, "once a minute");
        assert_eq!(post(&phones.app, "/inbound/sms/pigeon", HeaderMap::new(), String::new()).await.0, 404);
        phones.app.finish().await;
    }

    async fn an_alarm_is_taken_by_a_text_with_its_code(db: TestDb) {
        let phones = Phones::start(&db).await;
        phones.text(ANN, "IN 30 12 High St").await;
        phones.app.pass(41).await;
        let call = phones.shows(SAM).pop().unwrap();
        let code = call.split("ACK ").nth(1).unwrap()[..4].to_owned();
        // A code is bound to the number that it was sent to.
        phones.text(DEE, &format!("ACK {code}")).await;
        assert_eq!(phones.app.the_incident().await["owner"], Value::Null);
        let reply = phones.text(SAM, &format!("ack {}", code.to_lowercase())).await;
        assert!(reply.starts_with("You have the alarm about Ann Lee"), "{reply}");
        assert_eq!(phones.app.the_incident().await["owner"]["name"], "Sam Cole");
        let reply = phones.text(SAM, &format!("WHERE {code}")).await;
        assert!(reply.contains("12 High St"), "{reply}");
        let theirs = phones.shows(JO).iter().find_map(|text| text.split("ACK ").nth(1).map(|rest| rest[..4].to_owned())).unwrap();
        let reply = phones.text(JO, &format!("WHERE {theirs}")).await;
        assert!(!reply.contains("High St"), "{reply}");
        phones.app.finish().await;
    }

    async fn a_number_that_nobody_knows_is_told_so_once_a_day(db: TestDb) {
        let phones = Phones::start(&db).await;
        let stranger = "+447700900777";
        for _ in 0..3 {
            phones.text(stranger, "IN 60 somewhere").await;
        }
        assert_eq!(phones.shows(stranger).len(), 1);
        assert!(phones.shows(stranger)[0].contains("YOU ARE NOT BEING WATCHED"));
        phones.app.clock.advance(TimeDelta::days(1));
        phones.text(stranger, "hello").await;
        assert_eq!(phones.shows(stranger).len(), 2);
        phones.text(stranger, "HELP").await;
        phones.app.work().await;
        assert!(phones.shows(DEE).iter().any(|text| text.contains("SOS from 07700900777")), "{:?}", phones.shows(DEE));
        phones.app.finish().await;
    }

    async fn what_could_not_be_done_is_kept_and_done_later(db: TestDb) {
        let phones = Phones::start(&db).await;
        phones.app.set_pin("ann").await;
        let set_zone = async |zone: &'static str| {
            crate::store::execute(phones.app.db(), &format!("UPDATE organisation SET zone = '{zone}'")).await.unwrap();
        };
        set_zone("Nowhere/Atall").await;
        assert_eq!(phones.posts("SM1", ANN, "IN 60").await, 200, "it is kept");
        set_zone("Europe/London").await;
        assert_eq!(phones.begun().await, 0);
        phones.app.clock.advance(TimeDelta::seconds(31));
        phones.app.app.site.inbox.catch_up().await.unwrap();
        phones.app.app.site.inbox.catch_up().await.unwrap();
        assert_eq!(phones.begun().await, 1);
        let told: Vec<_> = phones.app.said().await.into_iter().filter(|said| said.to == "operator@example.org").collect();
        assert!(!told.is_empty(), "whoever runs the service is told");
        phones.app.finish().await;
    }

    async fn f19_a_webhook_that_was_lost_is_made_good_by_asking(db: TestDb) {
        let notify = FakeNotify::start().await;
        let app = TestApp::with_providers(&db, WESTSHIRE, &environment(&notify.sms_entry("notify")), noon()).await;
        notify.goes_by(std::sync::Arc::new(app.clock.clone()));
        app.set_pin("ann").await;
        notify.somebody_texts("n1", "447700900123", "IN 60 12 High St");
        for _ in 0..3 {
            app.app.site.inbox.poll().await.unwrap();
        }
        app.work().await;
        let list = app.person("ann").get("/visits").await;
        assert_eq!(list.body["visits"].as_array().unwrap().len(), 1);
        assert_eq!(notify.ledger().texts_to(ANN).len(), 1);
        app.finish().await;
    }

    async fn f26_without_a_receipt_the_next_channel_starts_after_90_seconds(db: TestDb) {
        let phones = sam_is_called(&db).await;
        phones.app.pass(1).await;
        assert_eq!(phones.mails_to_sam().await, 0);
        phones.app.pass(1).await;
        assert_eq!(phones.mails_to_sam().await, 1);
        // Late, and more than once: it is kept, and changes nothing.
        phones.app.clock.advance(TimeDelta::minutes(20));
        for status in ["sent", "delivered", "delivered", "sent"] {
            assert_eq!(phones.receipt(SAM, status, None).await, 200);
        }
        let id = phones.app.the_incident().await["id"].as_str().unwrap().to_owned();
        let log = phones.app.log("incident", &id).await;
        assert_eq!(log.iter().filter(|kind| *kind == "message.delivered").count(), 1, "{log:?}");
        assert_eq!(phones.app.the_incident().await["owner"], Value::Null, "no receipt counts as a person");
        phones.app.work().await;
        phones.app.finish().await;
    }

    async fn f26_a_receipt_that_overtakes_our_own_mark_still_has_to_be_followed_by_another(db: TestDb) {
        let twilio = FakeTwilio::start().await;
        let environment = environment(&twilio.entry_with("twilio", ""));
        let app = TestApp::with_providers(&db, &sam_by_text(), &environment, noon()).await;
        app.person("ann").post("/visits", json!({"minutes": 30})).await.is_ok();
        app.clock.advance(TimeDelta::minutes(40));
        app.app.timer.round().await;
        let phones = Phones { app, twilio, sent: std::cell::Cell::new(0) };
        let outbox = &phones.app.app.outbox;
        let mut sent = Vec::new();
        for claimed in outbox.claim(phones.app.now(), 10).await.unwrap() {
            sent.push(outbox.send(claimed).await);
        }
        assert_eq!(phones.receipt(SAM, "sent", None).await, 200);
        outbox.mark(sent).await;
        phones.app.pass(2).await;
        assert_eq!(phones.mails_to_sam().await, 1);
        phones.app.finish().await;
    }

    async fn a_gateway_that_counts_from_one_again_is_heard(db: TestDb) {
        const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let gateway = format!(
            r#"{{ name = "gateway", kind = "webhook", url = "http://127.0.0.1:9/", secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", inbound_secret = "{SECRET}" }}"#
        );
        let app = TestApp::with_providers(&db, WESTSHIRE, &environment(&gateway), noon()).await;
        for text in ["IN 30", "IN 30", "SOS"] {
            let event = json!({"type": "sms.received", "timestamp": "2026-01-14T12:00:00Z", "data": {"id": "1001", "from": ANN, "text": text}});
            let (headers, body) = fake_sms::signed(SECRET, "evt", noon(), &event);
            assert_eq!(post(&app, "/inbound/sms/webhook", headers, body).await.0, 200, "{text}");
        }
        assert_eq!(app.person("ann").get("/visits").await.body["visits"].as_array().unwrap().len(), 1);
        assert_eq!(app.the_incident().await["kind"], "sos");
        app.verify().await;
    }

    async fn a_receipt_in_time_keeps_the_next_channel_quiet(db: TestDb) {
        let phones = sam_is_called(&db).await;
        assert_eq!(phones.receipt(SAM, "delivered", None).await, 200);
        phones.app.pass(5).await;
        assert_eq!(phones.mails_to_sam().await, 0);
        phones.app.finish().await;
    }

    async fn a_text_that_does_not_arrive_opens_the_next_channel_at_once_and_then_the_next_step(db: TestDb) {
        let phones = sam_is_called(&db).await;
        assert_eq!(phones.receipt(SAM, "undelivered", Some("30005")).await, 200);
        phones.app.work().await;
        assert_eq!(phones.mails_to_sam().await, 1);
        // His mail was taken, so that the step stands; a phone that has opted out is told to whoever answers for him.
        let before = phones.app.said().await.len();
        assert_eq!(phones.receipt(SAM, "failed", Some("21610")).await, 200);
        phones.app.work().await;
        assert_eq!(phones.app.said().await.len(), before, "it was known already");
        assert_eq!(phones.receipt(SAM, "delivered", None).await, 200);
        phones.app.finish().await;
    }

    /// Through the webhook as through the text endpoint: one grammar, the same answers.
    async fn every_spelling_is_answered_as_at_the_text_endpoint(db: TestDb) {
        let phones = Phones::start(&db).await;
        let (mut by_sms, mut by_http) = (Vec::new(), Vec::new());
        for text in spellings() {
            by_sms.push((text.clone(), phones.text(ANN, &text).await));
        }
        phones.app.finish().await;
        let fresh = db.another().await;
        let app = TestApp::with_providers(&fresh, WESTSHIRE, &environment(r#"{ name = "sms", kind = "capture" }"#), noon()).await;
        for text in spellings() {
            let reply = app.person("ann").post("/text", json!({ "text": text })).await;
            by_http.push((text, reply.is_ok().body["reply"].as_str().unwrap().to_owned()));
        }
        assert!(by_sms.len() >= 150, "{}", by_sms.len());
        assert_eq!(by_sms, by_http);
    }
}

/// Words of the grammar as people write them: in capitals or not, with blanks, full stops and emoji, with and without what belongs
/// to them, and what is none.
fn spellings() -> Vec<String> {
    let words = [
        "OUT",
        "OUT 4821",
        "DONE 4821",
        "HOME",
        "LEFT 4821",
        "OK",
        "OK 4821",
        "FINE",
        "MORE 30",
        "MORE 30 4821",
        "LATE 20",
        "EXTEND 15",
        "STATUS",
        "WHO",
        "ACK",
        "ACK K7QF",
        "NO",
        "NO K7QF",
        "WHERE K7QF",
        "HOLD K7QF 60 at the door",
        "SAFE K7QF",
        "STOP",
        "END",
        "CANCEL",
        "QUIT",
        "YES",
        "INFO",
        "START",
        "no thanks",
        "not ok",
        "hello there",
        "",
        "12",
        "48 21",
        "IN",
        "IN 0",
        "IN 10000",
        "in half 3",
    ];
    let mut all = Vec::new();
    for word in words {
        all.extend([word.to_owned(), word.to_lowercase(), format!("  {word}. "), format!("{word} 🙂")]);
    }
    all
}
