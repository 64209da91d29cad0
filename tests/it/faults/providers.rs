//! Providers that fail (F7 to F10) and a mail server that does (F16).

use std::{collections::BTreeMap, sync::Arc};

use chrono::TimeDelta;
use homeward::{
    clock::Time,
    domain::{contact::Channel, notice::Purpose},
    store::messages::MessageState,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Environment, JO, SAM, SECRET, World, accounted_for, add_workers, westshire};
use crate::support::{
    TestDb,
    app::{TestApp, WESTSHIRE, noon},
    fake_sms::{Answer, FakeSms},
    fake_smtp::{self, FakeSmtp},
    on_both,
};

/// Nobody but Sam is called, once an hour.
fn sam_alone(by: &str) -> String {
    westshire(&format!(
        "\n[[ladder]]\nrisk = \"normal\"\nrepeat_every = \"1h\"\nsteps = [{{ after = \"0s\", tell = [\"manager\"], by = [\"{by}\"] }}]\n"
    ))
}

/// Sam and 499 contacts, by text alone.
fn five_hundred() -> String {
    use std::fmt::Write;
    let keys: Vec<String> = (0..499).map(|n| format!("\"c{n}\"")).collect();
    let mut organisation = sam_alone("sms")
        .replace("tell = [\"manager\"]", "tell = [\"emergency_contact\", \"manager\"]")
        .replace("emergency_contacts = [\"jo\"]", &format!("emergency_contacts = [{}]", keys.join(",")));
    for n in 0..499 {
        let phone = n + 200;
        write!(
            organisation,
            "\n[[person]]\nkey = \"c{n}\"\nname = \"Contact {n}\"\nteam = \"north\"\nphone = \"07700 900{phone}\"\nemail = \"c{n}@example.org\"\n"
        )
        .unwrap();
    }
    organisation
}

/// Ann is overdue in this service; what that brings is still to be done.
async fn overdue(db: &TestDb, organisation: &str, environment: &Environment) -> TestApp {
    let app = TestApp::with_providers(db, organisation, &environment.0, noon()).await;
    app.person("ann").post("/visits", json!({"minutes": 30})).await.is_ok();
    app.clock.advance(TimeDelta::minutes(41));
    app
}

async fn refused(app: &TestApp) -> usize {
    app.said().await.iter().filter(|said| said.state == MessageState::Refused).count()
}

/// Lets time pass second by second until this holds; how long that took.
async fn until(app: &TestApp, limit: i64, so: impl AsyncFn() -> bool) -> i64 {
    for passed in 0..=limit {
        app.work().await;
        if so().await {
            return passed;
        }
        app.clock.advance(TimeDelta::seconds(1));
    }
    panic!("not within {limit} s: {:#?}", app.said().await);
}

on_both! {
    async fn f07_one_provider_fails_and_the_other_takes_it_at_once(db: TestDb) {
        let (broken, other) = (FakeSms::start(SECRET).await, FakeSms::start(SECRET).await);
        broken.usually(Answer::Status(500));
        let app = overdue(&db, WESTSHIRE, &Environment::sms([&broken, &other])).await;
        until(&app, 10, async || other.ledger().accepted.len() == 2).await;
        assert_eq!((broken.ledger().attempts.len(), refused(&app).await), (2, 0));
        app.finish().await;
    }

    async fn f07_the_one_that_failed_is_back_when_the_other_fails(db: TestDb) {
        let (first, second) = (FakeSms::start(SECRET).await, FakeSms::start(SECRET).await);
        first.usually(Answer::Status(500));
        let mut organisation = WESTSHIRE.to_owned();
        let workers = add_workers(&mut organisation, 0..3);
        let app = TestApp::with_providers(&db, &organisation, &Environment::sms([&first, &second]).0, noon()).await;
        for worker in &workers[..2] {
            app.person(worker).post("/visits", json!({"minutes": 30})).await.is_ok();
        }
        app.clock.advance(TimeDelta::minutes(1));
        app.person(&workers[2]).post("/visits", json!({"minutes": 30})).await.is_ok();
        app.clock.advance(TimeDelta::minutes(39));
        app.work().await;
        let asked = first.ledger().attempts.len();
        assert!(asked >= 3 && first.ledger().accepted.is_empty(), "it has failed often: {asked}");
        first.usually(Answer::Accept);
        second.usually(Answer::Status(500));
        app.clock.advance(TimeDelta::minutes(1));
        app.work().await;
        for phone in [SAM, JO] {
            assert_eq!(first.ledger().texts_to(phone).len(), 1, "{phone} is reached at once: {:?}", first.ledger().attempts);
        }
        app.finish().await;
    }

    async fn f07_every_provider_fails_for_ten_minutes(db: TestDb) {
        let providers = [FakeSms::start(SECRET).await, FakeSms::start(SECRET).await];
        providers[0].usually(Answer::Status(500));
        providers[1].usually(Answer::Status(502));
        let app = overdue(&db, WESTSHIRE, &Environment::sms(&providers)).await;
        // When each message was last handed to each provider.
        let mut last: BTreeMap<(usize, String), Time> = BTreeMap::new();
        for _ in 0..300 {
            let before = providers.each_ref().map(|provider| provider.ledger().attempts.len());
            app.work().await;
            for (at, provider) in providers.iter().enumerate() {
                for attempt in &provider.ledger().attempts[before[at]..] {
                    last.insert((at, attempt.id.clone()), app.now());
                }
            }
            for (of, last) in &last {
                assert!(app.now() - last <= TimeDelta::seconds(62), "{of:?} is not tried any more");
            }
            app.clock.advance(TimeDelta::seconds(2));
        }
        assert_eq!(refused(&app).await, 0, "nothing ends for a fault that may pass");
        for provider in &providers {
            provider.usually(Answer::Accept);
        }
        until(&app, 61, async || !app.waits().await).await;
        let taken: Vec<_> = providers.iter().flat_map(|provider| provider.ledger().accepted).collect();
        let texts = app.said().await.into_iter().filter(|said| said.channel == Channel::Sms).count();
        assert_eq!(taken.len(), texts, "each one once");
        app.finish().await;
    }

    async fn f08_a_provider_takes_it_and_never_says_so(db: TestDb) {
        let (silent, other) = (FakeSms::start(SECRET).await, FakeSms::start(SECRET).await);
        let mail = FakeSmtp::start().await;
        silent.usually(Answer::AcceptThenHang);
        let app = overdue(&db, WESTSHIRE, &Environment::sms([&silent, &other]).mail(&mail)).await;
        app.work().await;
        let [first, second] = [&silent, &other].map(|provider| {
            let mut ids: Vec<_> = provider.ledger().accepted.into_iter().map(|sms| sms.id).collect();
            ids.sort();
            ids
        });
        assert_eq!(first.len(), 2);
        assert_eq!(first, second, "one repeat each, by the other provider, under the same reference");
        assert_eq!(mail.ledger().accepted.len(), 2, "and the mails have gone");
        app.finish().await;
    }

    async fn f08_the_only_provider_never_answers_and_the_next_channel_starts(db: TestDb) {
        let world = World::start().await;
        world.sms.usually(Answer::AcceptThenHang);
        let app = overdue(&db, &sam_alone("sms"), &world.environment()).await;
        // The time-out, 8 s where nothing else is set, passes on no clock of ours: that leaves 7 of the 15 s.
        until(&app, 7, async || !world.mail.ledger().accepted.is_empty()).await;
        assert_eq!(world.mail.ledger().accepted[0].to, ["sam@example.org"]);
        world.sms.usually(Answer::Accept);
        until(&app, 10, async || !app.waits().await).await;
        let texts = world.sms.ledger().accepted;
        assert!(texts.iter().all(|sms| sms.id == texts[0].id), "a repeat can be told by its reference");
        app.finish().await;
    }

    async fn f08_texts_that_hang_keep_no_mail_waiting(db: TestDb) {
        let world = World::start().await;
        world.sms.usually(Answer::Hang);
        let gateway = format!(r#"[{{ name = "sms", kind = "webhook", url = "{}", secret = "{SECRET}", timeout = "60s" }}]"#, world.sms.url);
        let one_at_once = world.environment().with("HOMEWARD_SMS", gateway).with("HOMEWARD_OUTBOX__AT_ONCE", "1").with("HOMEWARD_OUTBOX__LEASE", "70s");
        let app = overdue(&db, WESTSHIRE, &one_at_once).await;
        app.app.timer.tick(app.now()).await.unwrap();
        let sending = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(Arc::clone(&app.app.outbox).run(CancellationToken::new())));
        world.mail.wait_for(|mail| mail.accepted.len() == 2).await;
        assert_eq!((world.sms.ledger().attempts.len(), world.sms.ledger().accepted.len()), (1, 0), "the only place of a text is taken");
        drop(sending);
        app.verify().await;
    }

    async fn f09_told_to_slow_down_it_waits_and_sends_first_alarms_first(db: TestDb) {
        const AT_ONCE: usize = 4;
        let sms = FakeSms::start(SECRET).await;
        let mut organisation = WESTSHIRE.to_owned();
        let workers = add_workers(&mut organisation, 0..24);
        let environment = Environment::sms([&sms]).with("HOMEWARD_OUTBOX__AT_ONCE", AT_ONCE.to_string());
        let app = TestApp::with_providers(&db, &organisation, &environment.0, noon()).await;
        for (n, worker) in workers.iter().enumerate() {
            // Half will be overdue when the others are reminded.
            let minutes = if n < 12 { 30 } else { 49 };
            app.person(worker).post("/visits", json!({"minutes": minutes})).await.is_ok();
        }
        app.clock.advance(TimeDelta::minutes(40));
        sms.usually(Answer::Throttle { retry_after_secs: 30 });
        app.work().await;
        let in_flight = sms.ledger().attempts.len();
        assert!((1..=AT_ONCE).contains(&in_flight), "{in_flight}");
        for _ in 0..29 {
            app.clock.advance(TimeDelta::seconds(1));
            app.work().await;
        }
        assert_eq!(sms.ledger().attempts.len(), in_flight, "nothing is sent while it was asked to wait");

        sms.usually(Answer::Accept);
        app.clock.advance(TimeDelta::seconds(1));
        app.work().await;
        let to: Vec<_> = sms.ledger().accepted.into_iter().map(|sms| sms.to).collect();
        let alarm = |to: &String| to == SAM || to == JO;
        // Twelve to Jo, four lists to Sam, twelve reminders.
        assert_eq!((to.len(), to[..16].iter().all(alarm), to[16..].iter().any(alarm)), (28, true, false), "{to:?}");
        assert_eq!(refused(&app).await, 0);
        app.finish().await;
    }

    async fn f09_a_call_that_is_put_off_for_long_goes_by_the_next_channel_too(db: TestDb) {
        let world = World::start().await;
        let app = overdue(&db, &sam_alone("sms"), &world.environment()).await;
        world.sms.usually(Answer::Throttle { retry_after_secs: 30 });
        app.work().await;
        let mails_to = |address: &str| world.mail.ledger().accepted.iter().filter(|mail| mail.to == [address]).count();
        assert_eq!((mails_to("sam@example.org"), mails_to("operator@example.org")), (1, 1), "nobody waits half a minute for it");
        for _ in 0..300 {
            app.clock.advance(TimeDelta::seconds(1));
            app.work().await;
        }
        assert_eq!((mails_to("sam@example.org"), mails_to("operator@example.org")), (1, 1), "once");
        let asked = world.sms.ledger().attempts.iter().filter(|attempt| attempt.to == SAM).count();
        assert!((10..=11).contains(&asked), "it is asked as often as it said: {asked}");
        let incident = app.the_incident().await["id"].as_str().unwrap().to_owned();
        let failed = app.log("incident", &incident).await.into_iter().filter(|kind| kind == "message.failed").count();
        assert_eq!(failed, 1, "the log says it once");
        world.sms.usually(Answer::Accept);
        until(&app, 31, async || world.sms.ledger().texts_to(SAM).len() == 1).await;
        app.finish().await;
    }

    async fn f09_a_rate_is_kept(db: TestDb) {
        const PER_SECOND: u32 = 10;
        let sms = FakeSms::start(SECRET).await;
        let mut organisation = WESTSHIRE.to_owned();
        // A text about each to Jo, and lists of three to Sam.
        let workers = add_workers(&mut organisation, 0..75);
        let environment = Environment::sms([&sms]).with("HOMEWARD_OUTBOX__AT_ONCE", "4");
        let app = TestApp::with_providers(&db, &organisation, &environment.0, noon()).await;
        for worker in &workers {
            app.person(worker).post("/visits", json!({"minutes": 30})).await.is_ok();
        }
        app.clock.advance(TimeDelta::minutes(40));
        sms.limit(PER_SECOND, Arc::new(app.clock.clone()));
        let took = until(&app, 20, async || sms.ledger().accepted.len() == 100).await;
        assert!(took <= 10, "100 messages at 10 in a second, of which a second's worth at once: {took} s");
        let throttled = sms.ledger().attempts.len() - 100;
        assert!(throttled <= 4 * 10, "and it is not asked all the time: {throttled}");
        app.finish().await;
    }

    async fn f10_one_message_of_five_hundred_is_refused(db: TestDb) {
        let world = World::start().await;
        world.sms.for_phone("+447700900450", Answer::Status(400));
        let app = overdue(&db, &five_hundred(), &world.environment()).await;
        app.work().await;
        let taken = world.sms.ledger().accepted;
        assert_eq!(taken.len(), 499, "all others in the same round");
        assert!(taken.iter().all(|sms| sms.to != "+447700900450"));
        let mails = world.mail.ledger().accepted;
        let to = |address: &str| mails.iter().filter(|mail| mail.to == [address]).count();
        assert_eq!((to("c250@example.org"), to("operator@example.org"), mails.len()), (1, 1, 2), "{mails:?}");
        assert_eq!(refused(&app).await, 1);
        app.finish().await;
    }

    async fn f16_a_mail_that_is_put_off_goes_later(db: TestDb) {
        let world = World::start().await;
        world.mail.usually(fake_smtp::Answer::Refuse(451));
        let app = overdue(&db, &sam_alone("email"), &world.environment()).await;
        app.work().await;
        for _ in 0..300 {
            app.clock.advance(TimeDelta::seconds(1));
            app.work().await;
        }
        assert_eq!((world.mail.ledger().accepted.len(), refused(&app).await), (0, 0));
        let tries = world.mail.ledger().attempts.iter().filter(|attempt| attempt.to == "sam@example.org").count();
        assert!((6..=14).contains(&tries), "2 s apart at first, 60 s at last: {tries}");
        world.mail.usually(fake_smtp::Answer::Accept);
        until(&app, 60, async || !app.waits().await).await;
        let taken = world.mail.ledger().accepted.into_iter().filter(|mail| mail.to == ["sam@example.org"]);
        assert_eq!(taken.count(), 1);
        accounted_for(&app, &world.taken(), 0).await;
        app.finish().await;
    }

    async fn f16_an_unknown_mailbox_means_the_next_channel(db: TestDb) {
        let world = World::start().await;
        world.mail.for_address("sam@example.org", fake_smtp::Answer::Refuse(550));
        let app = overdue(&db, &sam_alone("email"), &world.environment()).await;
        until(&app, 5, async || world.sms.ledger().texts_to(SAM).len() == 1).await;
        let tried = world.mail.ledger().attempts.iter().filter(|attempt| attempt.to == "sam@example.org").count();
        assert_eq!((refused(&app).await, tried), (1, 1));
        let told = |said: &crate::support::app::Said| said.to == "operator@example.org" && said.purpose == Purpose::Told;
        assert!(app.said().await.iter().any(told));
        app.finish().await;
    }

    async fn f16_a_connection_cut_after_the_mail_means_one_repeat(db: TestDb) {
        let world = World::start().await;
        world.mail.next([fake_smtp::Answer::CutAfterData]);
        let app = overdue(&db, &sam_alone("email"), &world.environment()).await;
        until(&app, 5, async || !app.waits().await).await;
        let mails = world.mail.ledger().accepted;
        assert_eq!(mails.len(), 2);
        assert_eq!((&mails[0].message_id, &mails[0].body), (&mails[1].message_id, &mails[1].body));
        app.finish().await;
    }

    async fn f16_a_bad_answer_to_quit_is_no_failure(db: TestDb) {
        let world = World::start().await;
        world.mail.usually(fake_smtp::Answer::BadQuit);
        let app = overdue(&db, WESTSHIRE, &world.environment()).await;
        until(&app, 60 * 6, async || world.mail.ledger().accepted.len() == 2 + 3).await;
        assert!(!app.waits().await);
        accounted_for(&app, &world.taken(), 0).await;
        app.finish().await;
    }
}
