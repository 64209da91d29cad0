//! Other systems are told what happened (row D7, docs/webhooks.md).

mod receivers;
mod types;

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use chrono::TimeDelta;
use homeward::{
    domain::{contact::Channel, webhook::OFFERED},
    http,
    store::webhooks,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    TestDb,
    app::{Reply, TestApp, WESTSHIRE, serve},
    environment, eventually,
    fake_receiver::{Answer, FakeReceiver, Got},
    on_both,
};

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const PIN: &str = "4821";
const DURESS_PIN: &str = "9064";

/// Westshire with Adi, who sets things up.
fn westshire() -> String {
    let adi = "\n[[person]]\nkey = \"adi\"\nname = \"Adi Rao\"\nteam = \"unit\"\nrole = \"administrator\"\nemail = \"adi@example.org\"\n";
    format!("{WESTSHIRE}{adi}")
}

/// One that may speak to this machine.
async fn start(db: &TestDb) -> TestApp {
    TestApp::with(db, &westshire(), |config| config.webhooks.private_networks = true).await
}

fn replica_environment() -> BTreeMap<String, String> {
    BTreeMap::from([("HOMEWARD_WEBHOOKS__PRIVATE_NETWORKS".into(), "true".into())])
}

impl TestApp {
    /// Adi sets one.
    async fn webhook(&self, key: &str, body: Value) -> Reply {
        self.person("adi").put(&format!("/webhooks/{key}"), body).await
    }

    async fn tell(&self, receiver: &FakeReceiver, events: &[&str]) {
        let set =
            self.webhook("case", json!({"url": receiver.url, "events": events, "secrets": [OLD]})).await;
        assert_eq!(set.status, 201, "{set:?}");
    }

    /// Tells what is due until so much was tried in all. On PostgreSQL a transaction of another test may keep readers waiting.
    #[track_caller]
    fn told<'t>(&'t self, receiver: &'t FakeReceiver, times: usize) -> impl Future<Output = Vec<Got>> + 't {
        let wait = eventually(Duration::from_mins(1), async move || {
            self.app.event_webhooks.deliver_due().await.unwrap();
            receiver.got().len() >= times
        });
        async move {
            wait.await;
            receiver.got()
        }
    }

    /// The one webhook, as the auditor sees it.
    async fn the_webhook(&self) -> Value {
        let list = self.person("ari").get("/webhooks").await;
        assert_eq!(list.is_ok().body["webhooks"].as_array().unwrap().len(), 1, "{list:?}");
        list.body["webhooks"][0].clone()
    }

    /// Something that is told by itself; whatever is told of what was before it has been told once this is.
    async fn plan(&self) -> String {
        let at = |hours| (self.now() + TimeDelta::hours(hours)).to_rfc3339();
        let plan = json!({"place": "x", "expected_arrival": at(100), "expected_departure": at(101)});
        self.person("ann").post("/visits", plan).await.is_ok().id()
    }

    /// Waits until a plan that is made now is taken.
    async fn told_a_plan(&self, receiver: &FakeReceiver) {
        let plan = json!(self.plan().await);
        eventually(Duration::from_mins(1), async || {
            self.app.event_webhooks.deliver_due().await.unwrap();
            receiver.taken().iter().any(|got| got.event["data"]["visit"] == plan)
        })
        .await;
    }

    /// What Adi was told by mail.
    async fn mails_to_adi(&self) -> Vec<String> {
        let said = self.said().await;
        said.into_iter()
            .filter(|said| said.to == "adi" && said.channel == Channel::Email)
            .map(|said| said.text)
            .collect()
    }

    async fn out(&self, visit: &str, pin: &str) {
        self.person("ann").post(&format!("/visits/{visit}/check-out"), json!({"pin": pin})).await.is_ok();
        self.work().await;
    }
}

on_both! {
    async fn what_happened_is_told_once_signed_and_without_anything_personal(db: TestDb) {
        let app = start(&db).await;
        let receiver = FakeReceiver::start(&[OLD, NEW]).await;
        app.tell(&receiver, &["visit.completed", "visit.started", "visit.recorded"]).await;
        let visit = app.ann_goes_in(60).await;
        let got = app.told(&receiver, 1).await;
        assert_eq!((got[0].kind(), &got[0].event["data"]), ("visit.started", &json!({"visit": visit})));
        app.clock.advance(TimeDelta::minutes(40));
        let out = json!({"pin": PIN, "outcome": "seen", "seen_whom": "Robin Hall", "work_undertaken": "supervision"});
        app.person("ann").post(&format!("/visits/{visit}/check-out"), out).await.is_ok();
        let got = app.told(&receiver, 3).await;
        assert_eq!(receiver.kinds(), ["visit.started", "visit.completed", "visit.recorded"]);
        assert_eq!(got[1].event.as_object().unwrap().keys().collect::<Vec<_>>(), ["type", "timestamp", "data"]);
        assert_eq!(got[1].event["timestamp"], "2026-01-14T12:40:00.000000Z");
        for got in &got {
            assert_eq!((got.signed_by.as_slice(), got.signatures), ([OLD].as_slice(), 1), "{got:?}");
            assert!(got.id.starts_with("evt_") && !got.id.contains('.'), "{got:?}");
            assert_eq!(got.event["data"], json!({"visit": visit}), "ids alone");
            assert_ne!(got.timestamp, 0);
        }
        assert_eq!(got[2].timestamp, app.now().timestamp(), "of the try");

        // Told once, and nobody else needs telling.
        app.app.event_webhooks.deliver_due().await.unwrap();
        app.plan().await;
        app.app.event_webhooks.deliver_due().await.unwrap();
        assert_eq!(receiver.got().len(), 3);
        let webhook = app.the_webhook().await;
        assert_eq!((&webhook["state"], &webhook["backlog"], &webhook["secrets"], &webhook["failures"]), (&json!("active"), &json!(0), &json!(1), &json!(0)));
        assert_eq!(webhook["last_success_at"], "2026-01-14T12:40:00Z");
        assert!(!webhook.to_string().contains("whsec_"), "{webhook}");
        // An auditor sees to whom it goes; the rest of the address may be a secret of the other system.
        let (origin, _) = receiver.url.split_once("/events").unwrap();
        let as_adi = app.person("adi").get("/webhooks").await;
        assert_eq!((webhook["url"].as_str(), as_adi.body["webhooks"][0]["url"].as_str()), (Some(origin), Some(receiver.url.as_str())));
        for (who, slug) in [("sam", "role-too-small"), ("ann", "role-too-small"), ("cas", "role-too-small")] {
            app.person(who).get("/webhooks").await.is_problem(403, slug);
        }
        let body = json!({"url": receiver.url, "events": ["visit.started"], "secrets": [OLD]});
        app.person("ari").put("/webhooks/other", body).await.is_problem(403, "role-too-small");

        // Neither the address nor a secret stands in the log or in the database as it is.
        let log = app.everything_that_happened().await;
        assert!(log.body.to_string().contains("webhook.set"), "{log:?}");
        for secret in ["t0ken", "whsec", &OLD[6..]] {
            assert!(!log.body.to_string().contains(secret), "{secret}");
        }
        let mut tx = app.db().read().await.unwrap();
        let kept = webhooks::list(&mut tx, app.organisation).await.unwrap();
        drop(tx);
        assert!(kept[0].secrets.iter().all(|kept| kept.len() > 40 && !kept.contains(&OLD[6..])), "{:?}", kept[0].secrets);
        assert!(!format!("{kept:?}").contains("t0ken"));
        let url = format!("{}/metrics", serve(http::metrics::router(app.app.site.clone())).await);
        let metrics = reqwest::get(url).await.unwrap().text().await.unwrap();
        assert!(metrics.contains("homeward_webhooks_total{outcome=\"taken\"} 3\n") && metrics.contains("homeward_webhook_backlog 0.0\n"), "{metrics}");
        app.finish().await;
    }

    async fn what_is_not_taken_is_tried_again_with_the_same_id(db: TestDb) {
        let app = start(&db).await;
        let receiver = FakeReceiver::start(&[OLD]).await;
        app.tell(&receiver, &["visit.planned"]).await;
        receiver.next(&[Answer::Status(500), Answer::Redirect]);
        app.plan().await;
        app.told(&receiver, 1).await;
        let webhook = app.the_webhook().await;
        assert_eq!((&webhook["backlog"], &webhook["failures"], &webhook["last_failure"]), (&json!(1), &json!(1), &json!("HTTP 500")));
        app.app.event_webhooks.deliver_due().await.unwrap();
        assert_eq!(receiver.got().len(), 1, "not before its time");
        app.clock.advance(TimeDelta::seconds(6));
        app.told(&receiver, 2).await;
        // What goes is another's word: nobody is followed elsewhere.
        app.clock.advance(TimeDelta::minutes(4));
        app.app.event_webhooks.deliver_due().await.unwrap();
        assert_eq!(receiver.got().len(), 2, "5 min then");
        app.clock.advance(TimeDelta::minutes(2));
        let got = app.told(&receiver, 3).await;
        assert_eq!(receiver.taken().len(), 1);
        for (one, next) in got.iter().zip(&got[1..]) {
            assert!(one.id == next.id && one.event == next.event && one.timestamp < next.timestamp, "{got:?}");
        }
        assert!(got.iter().all(|got| got.signed_by == [OLD]));

        // One that it never takes holds up none of the others; after days it is given up.
        receiver.to_type("visit.planned", Answer::Status(400));
        app.webhook("case", json!({"url": receiver.url, "events": ["visit.planned", "visit.started"]})).await.is_ok();
        app.plan().await;
        app.ann_goes_in(60).await;
        app.told(&receiver, 5).await;
        assert_eq!(receiver.kinds(), ["visit.planned", "visit.started"]);
        for tries in 6..=13 {
            app.clock.advance(TimeDelta::hours(29));
            app.told(&receiver, tries).await;
        }
        app.clock.advance(TimeDelta::hours(29));
        app.told(&receiver, 14).await;
        let webhook = app.the_webhook().await;
        assert_eq!((&webhook["given_up"], &webhook["backlog"], &webhook["last_failure"]), (&json!(1), &json!(0), &json!("HTTP 400")), "{webhook}");
        app.clock.advance(TimeDelta::hours(29));
        app.app.event_webhooks.deliver_due().await.unwrap();
        assert_eq!(receiver.got().len(), 14);
        let log = app.everything_that_happened().await;
        assert!(log.body.to_string().contains("webhook.given_up"), "an administrator sees it");
        let given_up = app.mails_to_adi().await.into_iter().filter(|mail| mail.contains("is given up")).count();
        assert_eq!(given_up, 1, "and is told");
        app.verify().await;
    }

    async fn a_receiver_that_asks_to_be_left_alone_is(db: TestDb) {
        let app = start(&db).await;
        let receiver = FakeReceiver::start(&[OLD]).await;
        app.tell(&receiver, &["visit.planned"]).await;
        receiver.next(&[Answer::Throttle { retry_after_secs: 120 }]);
        app.plan().await;
        app.plan().await;
        app.told(&receiver, 1).await;
        app.clock.advance(TimeDelta::seconds(119));
        app.app.event_webhooks.deliver_due().await.unwrap();
        assert_eq!(receiver.got().len(), 1, "the other one waits too");
        app.clock.advance(TimeDelta::seconds(2));
        let got = app.told(&receiver, 3).await;
        assert_eq!(receiver.taken().len(), 2, "{got:?}");
        app.finish().await;
    }

    async fn both_secrets_sign_while_one_is_changed_for_the_other(db: TestDb) {
        let app = start(&db).await;
        let receiver = FakeReceiver::start(&[OLD, NEW]).await;
        app.tell(&receiver, &["visit.planned"]).await;
        let mut signed = Vec::new();
        for secrets in [vec![OLD], vec![NEW, OLD], vec![NEW]] {
            let set = app.webhook("case", json!({"url": receiver.url, "events": ["visit.planned"], "secrets": secrets})).await;
            assert_eq!((set.status, &set.body["secrets"]), (200, &json!(secrets.len())));
            app.plan().await;
            let got = app.told(&receiver, signed.len() + 1).await;
            let last = got.last().unwrap();
            assert_eq!(last.signatures, secrets.len());
            signed.push(last.signed_by.clone());
        }
        assert_eq!(signed, [vec![OLD], vec![OLD, NEW], vec![NEW]]);
        // Without a word about them they stay; said again nothing changes.
        let body = json!({"url": receiver.url, "events": ["visit.planned"]});
        let set = app.webhook("case", body.clone()).await;
        assert_eq!(set.is_ok().body["secrets"], 1);
        let sets = |log: &Reply| log.body["events"].as_array().unwrap().iter().filter(|event| event["kind"] == "webhook.set").count();
        assert_eq!(sets(&app.everything_that_happened().await), 3, "the first PUT of the three said what was there");
        app.finish().await;
    }

    async fn what_happened_is_told_once_more_from_any_event_on(db: TestDb) {
        let app = start(&db).await;
        let receiver = FakeReceiver::start(&[OLD]).await;
        app.tell(&receiver, &["visit.planned"]).await;
        for _ in 0..3 {
            app.plan().await;
        }
        let first: Vec<String> = app.told(&receiver, 3).await.into_iter().map(|got| got.id).collect();
        let replay = async |from: &str| app.person("adi").post("/webhooks/case/replay", json!({"from": from})).await;
        replay(&first[1]).await.is_ok();
        let ids: Vec<String> = app.told(&receiver, 5).await.into_iter().skip(3).map(|got| got.id).collect();
        assert_eq!(ids, first[1..], "the same ids");
        // By its place in the log, as anybody reads that.
        let log = app.everything_that_happened().await;
        let events = log.body["events"].as_array().unwrap();
        let planned = events.iter().find(|event| event["kind"] == "visit.planned").unwrap();
        replay(planned["cursor"].as_str().unwrap()).await.is_ok();
        let again: Vec<String> = app.told(&receiver, 8).await.into_iter().skip(5).map(|got| got.id).collect();
        assert_eq!(again, first);
        for from in ["", "evt_", "evt_x", "0", &first[0][..20]] {
            let refused = replay(from).await;
            assert_eq!(refused.is_problem(422, "invalid-field").body["field"], "from");
        }
        app.person("ari").post("/webhooks/case/replay", json!({"from": first[0]})).await.is_problem(403, "role-too-small");
        app.finish().await;
    }

    // Row V8: webhooks too.
    async fn of_a_duress_alarm_nothing_leaves_until_it_is_released(db: TestDb) {
        let app = start(&db).await;
        let pins = json!({"pin": PIN, "duress_pin": DURESS_PIN});
        assert_eq!(app.person("ann").put("/me/pins", pins).await.status, 204);
        let receiver = FakeReceiver::start(&[OLD]).await;
        app.tell(&receiver, &["visit.planned", "visit.completed", "incident.opened", "incident.closed"]).await;
        let visit = app.person("ann").post("/visits", json!({"place": "12 High St", "minutes": 60})).await.id();
        app.out(&visit, DURESS_PIN).await;
        let incident = app.the_incident().await;
        assert_eq!(incident["kind"], "duress");
        app.told_a_plan(&receiver).await;
        // As after the usual PIN: the visit is over, and that is all.
        assert_eq!(receiver.kinds(), ["visit.completed", "visit.planned"]);
        let id = incident["id"].as_str().unwrap();
        let closing = json!({"outcome": "threatened", "known_by": "seen", "worker_now": "elsewhere_safe", "note": "n"});
        app.person("sam").post(&format!("/incidents/{id}/close"), closing.clone()).await.is_ok();
        app.told_a_plan(&receiver).await;
        assert_eq!(receiver.kinds(), ["visit.completed", "visit.planned", "visit.planned"], "closed is not released");
        assert_eq!(app.the_webhook().await["backlog"], 0);
        app.person("una").post(&format!("/incidents/{id}/release"), json!({})).await.is_ok();
        app.told(&receiver, 5).await;
        let told: Vec<_> = receiver.taken().into_iter().skip(3).map(|got| (got.kind().to_owned(), got.event["data"]["incident"].clone())).collect();
        assert_eq!(told, [("incident.opened".to_owned(), json!(id)), ("incident.closed".to_owned(), json!(id))]);

        // One that others know of already becomes one: what still waits to be told does not leave any more.
        let visit = app.person("ann").post("/visits", json!({"place": "12 High St", "minutes": 10})).await.id();
        app.clock.advance(TimeDelta::minutes(21));
        receiver.next(&[Answer::Status(503)]);
        app.work().await;
        app.told(&receiver, 6).await;
        assert_eq!((receiver.got()[5].kind(), receiver.taken().len()), ("incident.opened", 5));
        app.out(&visit, DURESS_PIN).await;
        assert_eq!(app.the_incident().await["kind"], "duress");
        app.clock.advance(TimeDelta::minutes(1));
        app.told_a_plan(&receiver).await;
        assert!(receiver.taken().iter().skip(5).all(|got| got.kind() != "incident.opened"), "{:?}", receiver.kinds());
        let id = app.the_incident().await["id"].as_str().unwrap().to_owned();
        app.person("sam").post(&format!("/incidents/{id}/close"), closing).await.is_ok();
        app.person("una").post(&format!("/incidents/{id}/release"), json!({})).await.is_ok();
        eventually(Duration::from_mins(1), async || {
            app.app.event_webhooks.deliver_due().await.unwrap();
            receiver.kinds().last().is_some_and(|kind| kind == "incident.closed")
        }).await;
        // Told again from the beginning it is all there.
        let first = receiver.got()[0].id.clone();
        let before = receiver.got().len();
        app.person("adi").post("/webhooks/case/replay", json!({"from": first})).await.is_ok();
        app.told(&receiver, before + 8).await;
        app.verify().await;
    }

    async fn after_a_restart_it_goes_on_and_two_replicas_tell_once(db: TestDb) {
        let app = start(&db).await;
        let receiver = FakeReceiver::start(&[OLD]).await;
        app.tell(&receiver, &["visit.planned"]).await;
        app.plan().await;
        // Nobody has told anybody: another process does.
        let other = app.another(&db, &replica_environment()).await;
        eventually(Duration::from_mins(1), async || {
            other.event_webhooks.deliver_due().await.unwrap();
            !receiver.got().is_empty()
        }).await;
        assert_eq!(receiver.got()[0].signed_by, [OLD], "it reads the secret too");

        // Both at once, with much to tell: each once.
        for _ in 0..30 {
            app.plan().await;
        }
        eventually(Duration::from_mins(1), async || {
            let (one, two) = tokio::join!(app.app.event_webhooks.deliver_due(), other.event_webhooks.deliver_due());
            one.unwrap();
            two.unwrap();
            receiver.got().len() >= 31
        }).await;
        let mut ids: Vec<String> = receiver.got().into_iter().map(|got| got.id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!((ids.len(), receiver.got().len()), (31, 31));

        // One dies in the middle of a try: when its lease has ended the other goes on, and tells that one again.
        receiver.next(&[Answer::Hang]);
        app.plan().await;
        let dying = std::sync::Arc::clone(&app.app.event_webhooks);
        let dies = tokio::spawn(async move {
            loop {
                dying.deliver_due().await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        receiver.wait_for(32).await;
        dies.abort();
        let _aborted = dies.await;
        other.event_webhooks.deliver_due().await.unwrap();
        assert_eq!(receiver.got().len(), 32, "it is still the other's");
        app.clock.advance(TimeDelta::seconds(31));
        other.event_webhooks.deliver_due().await.unwrap();
        let got = receiver.got();
        assert_eq!((got.len(), &got[32].id, got[32].answer), (33, &got[31].id, Answer::Status(204)));
        app.finish().await;
    }

    async fn what_is_wrong_is_said_at_its_field(db: TestDb) {
        let app = start(&db).await;
        let good = json!({"url": "https://example.org/hook", "events": ["visit.completed"], "secrets": [OLD]});
        let with = |name: &str, value: Value| {
            let mut body = good.clone();
            body[name] = value;
            body
        };
        for (body, field, says) in [
            (with("url", json!("http://example.org/hook")), "url", "use https"),
            (with("url", json!("example.org")), "url", "not an address"),
            (with("url", json!("https://adi:pw@example.org/")), "url", "a password"),
            (with("events", json!([])), "events", "which types"),
            (with("events", json!(["visit.completed", "visit.ended"])), "events[1]", "visit.completed"),
            (with("secrets", json!(["secret"])), "secrets[0]", "whsec_"),
            (with("secrets", json!([OLD, "whsec_dG9vIHNob3J0"])), "secrets[1]", "24 to 64"),
            (with("secrets", json!([])), "secrets", "one, or two"),
            (with("secrets", json!([OLD, NEW, OLD])), "secrets", "one, or two"),
            (with("secrets", json!([7])), "secrets[0]", "in quotes"),
            (with("secret", json!(OLD)), "secret", "unknown field"),
            (json!({"url": "https://example.org/hook", "events": ["visit.completed"]}), "secrets", "what signs"),
        ] {
            let refused = app.webhook("case", body.clone()).await;
            assert_eq!((refused.is_problem(422, "invalid-field").body["field"].as_str(), refused.status), (Some(field), 422), "{body}");
            let detail = refused.body["detail"].as_str().unwrap();
            assert!(detail.contains(says) && !detail.contains("secret\"") && !detail.contains("pw@"), "{body}: {detail}");
        }
        for key in ["a%20b", "%C3%A9", &"k".repeat(41)] {
            let refused = app.webhook(key, good.clone()).await;
            assert_eq!(refused.is_problem(422, "invalid-field").body["field"], "key");
        }
        assert_eq!(app.person("ari").get("/webhooks").await.body, json!({"webhooks": []}));
        app.finish().await;
    }
}

const FILE: &str = "docs/webhooks.md";
const BEGIN: &str = "<!-- types: written by the test of webhooks -->\n";
const END: &str = "<!-- end of types -->\n";

/// Every type, when it is sent, and what it looks like.
fn types() -> String {
    let mut page = String::from("| type | sent when | example |\n| --- | --- | --- |\n");
    let id = |number: u128| Uuid::from_u128(0x019b_bc1d_6400_7000_8000_0000_0000_0000 + number);
    for offered in OFFERED {
        let chain = offered.name.split('.').next().unwrap();
        let chain = if matches!(chain, "visit" | "incident") { chain } else { "organisation" };
        let body: serde_json::Map<String, Value> = offered
            .ids
            .iter()
            .zip(2..)
            .map(|(name, number)| ((*name).to_owned(), json!(id(number))))
            .collect();
        let at = "2026-01-14T12:40:00Z".parse().unwrap();
        let payload = offered.payload((chain, id(1)), at, &Value::Object(body).to_string());
        writeln!(page, "| `{}` | {} | `{payload}` |", offered.name, offered.when).unwrap();
    }
    page
}

#[test]
fn the_page_of_webhooks_lists_every_type() {
    let page = std::fs::read_to_string(FILE).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (kept, after) = rest.split_once(END).unwrap();
    let types = types();
    if environment("HOMEWARD_WRITE_DOCS").is_some() {
        std::fs::write(FILE, format!("{before}{BEGIN}{types}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(kept, types, "write it with HOMEWARD_WRITE_DOCS=1 cargo test --test it webhooks");
}
