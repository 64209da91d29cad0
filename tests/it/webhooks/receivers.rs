//! Receivers that do not work, are slow, or are where nobody may go (row D7).

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use homeward::store::{self, Tx, events::Cursor, people, webhooks};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{NEW, OLD, start, westshire};
use crate::support::{
    app::TestApp,
    eventually,
    fake_receiver::{Answer, FakeReceiver},
    on_both,
};

on_both! {
    async fn whoever_answers_410_is_told_no_more_until_it_is_set_again(db: TestDb) {
        let app = start(&db).await;
        let receiver = FakeReceiver::start(&[OLD]).await;
        app.tell(&receiver, &["visit.planned"]).await;
        receiver.next(&[Answer::Status(410)]);
        app.plan().await;
        app.told(&receiver, 1).await;
        let webhook = app.the_webhook().await;
        assert_eq!((&webhook["state"], &webhook["last_failure"], &webhook["next_try_at"]), (&json!("disabled"), &json!("HTTP 410"), &Value::Null));
        assert!(app.everything_that_happened().await.body.to_string().contains("webhook.disabled"));
        assert_eq!(app.mails_to_adi().await.len(), 1);
        assert!(app.mails_to_adi().await[0].starts_with("Webhook case says that it wants to be told no more."));
        app.plan().await;
        app.clock.advance(TimeDelta::days(2));
        app.app.event_webhooks.deliver_due().await.unwrap();
        assert_eq!(receiver.got().len(), 1);
        let set = app.webhook("case", json!({"url": receiver.url, "events": ["visit.planned"]})).await;
        assert_eq!(set.is_ok().body["state"], "active");
        app.told(&receiver, 3).await;
        assert_eq!(receiver.taken().len(), 2, "what waited, too");

        // And one that is removed is told nothing at all.
        app.plan().await;
        let removed = app.person("adi").post("/webhooks/case/remove", json!({})).await;
        assert_eq!(removed.status, 204, "{removed:?}");
        app.app.event_webhooks.deliver_due().await.unwrap();
        assert_eq!((receiver.got().len(), app.person("ari").get("/webhooks").await.body), (3, json!({"webhooks": []})));
        app.person("adi").post("/webhooks/case/remove", json!({})).await.is_problem(404, "not-found");
        app.finish().await;
    }

    // Whoever keeps their setup in a script sends it each day: that is no word that the receiver works again.
    async fn set_again_as_it_was_nothing_is_tried_before_its_time(db: TestDb) {
        let app = start(&db).await;
        let receiver = FakeReceiver::start(&[OLD]).await;
        let body = json!({"url": receiver.url, "events": ["visit.planned"], "secrets": [OLD, NEW]});
        assert_eq!(app.webhook("case", body.clone()).await.status, 201);
        receiver.usually(Answer::Status(503));
        app.plan().await;
        app.told(&receiver, 1).await;
        let before = app.the_webhook().await;
        app.clock.advance(TimeDelta::seconds(2));
        app.webhook("case", body).await.is_ok();
        app.webhook("case", json!({"url": receiver.url, "events": ["visit.planned"]})).await.is_ok();
        app.app.event_webhooks.deliver_due().await.unwrap();
        assert_eq!((receiver.got().len(), app.the_webhook().await), (1, before));
        // Another word does: what waits is tried at once.
        app.webhook("case", json!({"url": receiver.url, "events": ["visit.planned"], "secrets": [NEW]})).await.is_ok();
        app.told(&receiver, 2).await;
        app.finish().await;
    }

    async fn one_with_a_thousand_to_come_is_left_alone_till_the_first_of_them_is_due(db: TestDb) {
        let app = start(&db).await;
        let receiver = FakeReceiver::start(&[OLD]).await;
        app.tell(&receiver, &["visit.planned"]).await;
        let the_webhook = async || {
            let mut tx = app.db().read().await.unwrap();
            webhooks::list(&mut tx, app.organisation).await.unwrap().remove(0)
        };
        let (id, later) = (the_webhook().await.id, app.now() + TimeDelta::minutes(5));
        // As if each had been answered with 500.
        let place = |seq: u128| Cursor::from(seq.to_be_bytes());
        let plant = async move |tx: &mut Tx| {
            for seq in 1_000_001..=1_001_000 {
                webhooks::add_any_org(tx, id, place(seq), later).await?;
            }
            Ok::<_, store::Error>(())
        };
        app.db().write(plant).await.unwrap();
        app.plan().await;
        assert_eq!(app.the_webhook().await["backlog"], 1000);
        let looks = the_webhook().await.epoch;
        for _ in 0..5 {
            app.clock.advance(TimeDelta::seconds(1));
            app.app.event_webhooks.deliver_due().await.unwrap();
        }
        assert_eq!((the_webhook().await.epoch, receiver.got().len()), (looks, 0), "nothing is written while nothing is to be done");
        // One of them is gone: the next event is looked at.
        let gone = place(1_000_001);
        app.db().write(async move |tx: &mut Tx| webhooks::drop_any_org(tx, id, gone).await).await.unwrap();
        app.told(&receiver, 1).await;
        app.verify().await;
    }

    async fn those_that_never_answer_keep_no_other_waiting(db: TestDb) {
        let app = TestApp::with(&db, &westshire(), |config| {
            config.webhooks.private_networks = true;
            config.webhooks.timeout = Duration::from_mins(1);
        }).await;
        let (slow, quick) = (FakeReceiver::start(&[OLD]).await, FakeReceiver::start(&[NEW]).await);
        slow.usually(Answer::Hang);
        app.tell(&slow, &["visit.planned"]).await;
        for number in 0..18 {
            let set = app.webhook(&format!("slow-{number}"), json!({"url": slow.url, "events": ["visit.planned"], "secrets": [OLD]})).await;
            assert_eq!(set.status, 201);
        }
        app.webhook("another", json!({"url": quick.url, "events": ["visit.planned"], "secrets": [NEW]})).await.is_ok();
        let one_more = app.webhook("one-more", json!({"url": quick.url, "events": ["visit.planned"], "secrets": [NEW]})).await;
        assert_eq!(one_more.is_problem(422, "invalid-field").body["field"], "key");
        let running = tokio::spawn(Arc::clone(&app.app.event_webhooks).run(CancellationToken::new()));
        app.plan().await;
        slow.wait_for(19).await;
        app.plan().await;
        assert_eq!(quick.wait_for(2).await[1].signed_by, [NEW]);
        assert_eq!(slow.got().len(), 19, "they still wait for their answers");
        // Nor an alarm.
        app.ann_goes_in(10).await;
        app.pass(25).await;
        assert_eq!(app.open_incidents().await, 1);
        assert!(!app.texts("sam").await.is_empty());
        running.abort();
        app.verify().await;
    }

    // Not for a short outage, and no secret of an address.
    async fn whoever_sets_things_up_hears_of_a_receiver_that_takes_nothing(db: TestDb) {
        let app = start(&db).await;
        let receiver = FakeReceiver::start(&[OLD]).await;
        app.tell(&receiver, &["visit.planned"]).await;
        receiver.usually(Answer::Status(503));
        app.plan().await;
        app.told(&receiver, 1).await;
        let since = json!(app.now());
        for (minutes, mails) in [(6, 0), (37, 0), (150, 1), (400, 1), (13 * 60, 1), (17 * 60, 2)] {
            app.clock.advance(TimeDelta::minutes(minutes));
            app.told(&receiver, receiver.got().len() + 1).await;
            let webhook = app.the_webhook().await;
            assert_eq!((&webhook["state"], &webhook["failing_since"]), (&json!("failing"), &since));
            assert_eq!(app.mails_to_adi().await.len(), mails, "{minutes}");
        }
        let mails = app.mails_to_adi().await;
        assert!(mails[0].starts_with("Webhook case has taken nothing since 12:00. It is tried again"), "{mails:#?}");
        assert!(mails.iter().all(|mail| !mail.contains("t0ken") && !mail.contains("http")), "{mails:#?}");
        let others = app.said().await.into_iter().filter(|said| said.to != "adi" && said.text.contains("Webhook")).count();
        assert_eq!(others, 0);

        receiver.usually(Answer::Status(200));
        app.person("adi").post("/webhooks/case/replay", json!({"from": receiver.got()[0].id})).await.is_ok();
        app.told(&receiver, receiver.got().len() + 1).await;
        let webhook = app.the_webhook().await;
        assert_eq!((&webhook["state"], &webhook["failing_since"], &webhook["backlog"]), (&json!("active"), &Value::Null, &json!(0)));
        let log = app.everything_that_happened().await.body.to_string();
        assert_eq!((log.matches("webhook.failing").count(), log.matches("webhook.works_again").count()), (2, 1));
        // One that fails anew is another matter.
        receiver.usually(Answer::Status(503));
        app.plan().await;
        app.told(&receiver, receiver.got().len() + 1).await;
        assert_eq!(app.mails_to_adi().await.len(), 2);
        app.verify().await;
    }

    async fn where_nobody_sets_things_up_whoever_leads_hears_of_it(db: TestDb) {
        let app = TestApp::start(&db).await;
        let mut tx = app.db().read().await.unwrap();
        let directory = people::directory(&mut tx, app.organisation).await.unwrap();
        drop(tx);
        let mut who: Vec<&str> = directory.who_arranges().iter().map(|id| directory.person(*id).unwrap().key.as_str()).collect();
        who.sort_unstable();
        assert_eq!(who, ["dee", "una"], "who manages at the top");
        app.finish().await;
    }

    async fn nobody_is_waited_for_without_end_and_no_answer_is_read_without_end(db: TestDb) {
        let app = TestApp::with(&db, &westshire(), |config| {
            config.webhooks.private_networks = true;
            config.webhooks.timeout = Duration::from_millis(300);
        }).await;
        let receiver = FakeReceiver::start(&[OLD]).await;
        app.tell(&receiver, &["visit.planned"]).await;
        receiver.next(&[Answer::Endless, Answer::Hang]);
        app.plan().await;
        app.plan().await;
        app.told(&receiver, 2).await;
        let webhook = app.the_webhook().await;
        assert_eq!((&webhook["last_failure"], &webhook["backlog"], receiver.taken().len()), (&json!("no answer in time"), &json!(1), 1));
        app.finish().await;
    }

    // Whoever sets another address does so because of the one that is there.
    async fn once_another_address_is_set_nothing_more_goes_to_the_one_before(db: TestDb) {
        let app = start(&db).await;
        let (before, after) = (FakeReceiver::start(&[OLD]).await, FakeReceiver::start(&[OLD]).await);
        app.tell(&before, &["visit.planned"]).await;
        before.usually(Answer::Hang);
        for _ in 0..3 {
            app.plan().await;
        }
        let webhooks = Arc::clone(&app.app.event_webhooks);
        let busy = tokio::spawn(async move {
            loop {
                webhooks.deliver_due().await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        before.wait_for(1).await;
        app.webhook("case", json!({"url": after.url, "events": ["visit.planned"]})).await.is_ok();
        app.told(&after, 3).await;
        assert_eq!(before.got().len(), 1);
        busy.abort();
        app.finish().await;
    }

    // Who runs the service has not allowed its own network: nobody in an organisation can make it speak to what stands beside it.
    async fn a_private_network_is_not_spoken_to(db: TestDb) {
        let app = TestApp::with(&db, &westshire(), |_| {}).await;
        let receiver = FakeReceiver::start(&[OLD]).await;
        for url in [receiver.url.as_str(), "https://127.0.0.1/", "https://169.254.169.254/latest", "https://[fd00::1]/", "https://0x7f000001/"] {
            let refused = app.webhook("case", json!({"url": url, "events": ["visit.planned"], "secrets": [OLD]})).await;
            assert_eq!(refused.is_problem(422, "invalid-field").body["field"], "url", "{url}");
        }
        // A name says where it leads only when it is looked up.
        let port = reqwest::Url::parse(&receiver.url).unwrap().port().unwrap();
        let url = format!("https://localhost:{port}/");
        assert_eq!(app.webhook("case", json!({"url": url, "events": ["visit.planned"], "secrets": [OLD]})).await.status, 201);
        app.plan().await;
        eventually(Duration::from_mins(1), async || {
            app.app.event_webhooks.deliver_due().await.unwrap();
            app.the_webhook().await["last_failure"] == "it leads into a private network"
        }).await;
        assert_eq!(receiver.got().len(), 0);
        app.finish().await;
    }
}
