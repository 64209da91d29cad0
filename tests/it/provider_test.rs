//! `homeward provider test`, as whoever runs the service types it: beside a service that runs, and without one.

use homeward::clock::{Clock, SystemClock};

use crate::support::{
    TestDb,
    app::{SERVER_KEY, TestApp, WESTSHIRE, noon},
    fake_twilio::{Answer, FakeTwilio},
    on_both,
    phones::{Phones, environment},
    process::Process,
};

const TO: &str = "+447700900155";

/// The program in a process of its own, with the service's own settings.
fn provider_test(db: &TestDb, twilio: &FakeTwilio, more: &[&str]) -> (Process, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("homeward.toml");
    std::fs::write(&file, "").unwrap();
    let mut environment = environment(&twilio.entry_with("twilio", ""));
    let key = folder.path().join("homeward.key");
    std::fs::write(&key, SERVER_KEY).unwrap();
    environment.insert("HOMEWARD_SECRETS__SERVER_KEY_FILE".into(), key.to_str().unwrap().to_owned());
    environment.insert("HOMEWARD_DATABASE__URL".into(), db.url.clone());
    let environment = environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let process = Process::homeward(&[&["provider", "test"], more].concat(), &file, environment);
    (process, folder)
}

async fn running(db: &TestDb) -> Phones {
    let twilio = FakeTwilio::start().await;
    let now = SystemClock.now();
    let app =
        TestApp::with_providers(db, WESTSHIRE, &environment(&twilio.entry_with("twilio", "")), now).await;
    Phones { app, twilio, sent: std::cell::Cell::new(0) }
}

on_both! {
    async fn it_says_what_came_of_it_step_by_step(db: TestDb) {
        let phones = running(&db).await;
        let (mut test, _folder) = provider_test(&db, &phones.twilio, &["twilio", "--to", "07700 900155"]);
        test.wait_for_line("taken; it calls it SM").await;
        for status in ["sent", "delivered"] {
            assert_eq!(phones.receipt(TO, status, None).await, 200);
            let says = if status == "sent" { "receipt: a network has it" } else { "receipt: delivered" };
            test.wait_for_line(says).await;
        }
        let shown = phones.shows(TO).pop().unwrap();
        assert!(shown.starts_with("A test of Homeward by \"twilio\", sent "), "{shown}");
        let code = shown.split("Reply ").nth(1).unwrap()[..4].to_owned();
        // Of a number that nobody knows, and that has no other business here.
        let reply = phones.text(TO, &format!("ok {}", code.to_lowercase())).await;
        assert!(reply.is_empty() || reply.starts_with("Thank you: the test reached you"), "{reply}");
        test.wait_for_line("answered: the code came in").await;
        assert!(test.wait().await.success());
        assert!(phones.shows(TO).iter().any(|text| text.starts_with("Thank you: the test reached you")));
        assert!(!phones.shows(TO).iter().any(|text| text.contains("not known")));
        phones.app.finish().await;
    }

    async fn what_does_not_come_back_is_named_and_what_is_refused_too(db: TestDb) {
        let phones = running(&db).await;
        let impatient = ["twilio", "--to", TO, "--receipt-within", "1s", "--answer-within", "1s"];
        let (mut test, _folder) = provider_test(&db, &phones.twilio, &impatient);
        test.wait_for_line("TIME-OUT: no receipt within 1s").await;
        test.wait_for_line("TIME-OUT: no answer within 1s").await;
        assert!(!test.wait().await.success());

        let (mut test, _folder) = provider_test(&db, &phones.twilio, &["twilio", "--to", TO, "--answer-within", "1s"]);
        test.wait_for_line("taken").await;
        assert_eq!(phones.receipt(TO, "undelivered", Some("30005")).await, 200);
        test.wait_for_line("receipt: IT WILL NOT ARRIVE").await;
        assert!(!test.wait().await.success());

        phones.twilio.for_phone(TO, Answer::Error { status: 400, code: 21211 });
        let (mut test, _folder) = provider_test(&db, &phones.twilio, &["twilio", "--to", TO]);
        test.wait_for_line("REFUSED for good: ").await;
        assert!(!test.wait().await.success());
        let said = phones.app.said().await;
        assert!(said.iter().all(|said| said.to == TO), "nobody else hears of a test: {said:?}");

        let (mut test, _folder) = provider_test(&db, &phones.twilio, &["pigeon", "--to", TO]);
        test.wait_for_line("no provider “pigeon”; it names: twilio, mail").await;
        assert!(!test.wait().await.success());
        let (mut test, _folder) = provider_test(&db, &phones.twilio, &["twilio", "--to", "999"]);
        test.wait_for_line("is an emergency number").await;
        assert!(!test.wait().await.success());
        phones.app.finish().await;
    }

    async fn without_a_service_it_only_sends_and_says_so(db: TestDb) {
        let twilio = FakeTwilio::start().await;
        let app = TestApp::with_providers(&db, WESTSHIRE, &environment(&twilio.entry_with("twilio", "")), noon()).await;
        let (mut test, _folder) = provider_test(&db, &twilio, &["twilio", "--to", TO]);
        test.wait_for_line("the service does not run").await;
        assert!(test.wait().await.success());
        assert_eq!(twilio.ledger().texts_to(TO).len(), 1);
        assert!(!twilio.ledger().texts_to(TO)[0].contains("Reply"));
        let (mut test, _folder) = provider_test(&db, &twilio, &["mail", "--to", "me@example.org"]);
        test.wait_for_line("taken").await;
        assert!(test.wait().await.success());
        assert!(!app.waits().await, "nothing of it stands in the outbox");
        app.finish().await;
    }
}
