//! The providers that people have, Twilio and GOV.UK Notify: what the service does with what they answer (F7 to F9 again), and
//! what it makes of what they send.

use std::{collections::BTreeMap, sync::Arc};

use chrono::TimeDelta;
use homeward::{
    clock::{Clock, ManualClock, Time},
    config::Config,
    domain::{
        contact::Channel,
        ids::MessageId,
        retry::{Before, Cause, Handed},
    },
    providers::{
        Entry, Outgoing, Providers,
        inbound::{Incoming, NotTaken, Outcome, Polled, Receipt, ReceiptOf, Received, Sender},
    },
    store::messages::MessageState,
};
use serde_json::json;
use uuid::Uuid;

use crate::support::{
    TestDb,
    app::{TestApp, WESTSHIRE, noon},
    fake_notify::{self, FakeNotify, LookUp},
    fake_sms,
    fake_twilio::{self, FakeTwilio, NUMBER, TOKEN},
    on_both,
};

const SAM: &str = "+447700900125";
const SAMS_MAIL: &str = "sam@example.org";
const PUBLIC: &str = "https://homeward.example.org";

/// Sam alone is called, once an hour, by text first.
fn sam_alone() -> String {
    format!(
        "{WESTSHIRE}\n[[ladder]]\nrisk = \"normal\"\nrepeat_every = \"1h\"\nsteps = [{{ after = \"0s\", tell = [\"manager\"], by = [\"sms\"] }}]\n"
    )
}

fn environment(sms: &[String], email: &[String]) -> BTreeMap<String, String> {
    let capture = [r#"{ name = "mail", kind = "capture" }"#.to_owned()];
    let email = if email.is_empty() { &capture[..] } else { email };
    let list = |entries: &[String]| format!("[{}]", entries.join(", "));
    [
        ("HOMEWARD_SMS", list(sms)),
        ("HOMEWARD_EMAIL", list(email)),
        ("HOMEWARD_OUTBOX__LEASE", "7500ms".into()),
        ("HOMEWARD_POLICY__OUTAGE", "24h".into()),
        ("HOMEWARD_OPERATOR__EMAIL", "operator@example.org".into()),
        ("HOMEWARD_LISTEN__PUBLIC_URL", PUBLIC.into()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Ann is overdue; what that brings is still to be done.
async fn overdue(db: &TestDb, sms: &[String], email: &[String]) -> TestApp {
    let app = TestApp::with_providers(db, &sam_alone(), &environment(sms, email), noon()).await;
    app.person("ann").post("/visits", json!({"minutes": 30})).await.is_ok();
    app.clock.advance(TimeDelta::minutes(41));
    app
}

/// Lets time pass second by second until this holds; how long that took.
async fn until(app: &TestApp, limit: i64, so: impl Fn() -> bool) -> i64 {
    for passed in 0..=limit {
        app.work().await;
        if so() {
            return passed;
        }
        app.clock.advance(TimeDelta::seconds(1));
    }
    panic!("not within {limit} s: {:#?}", app.said().await);
}

/// Until nothing waits any more.
async fn until_all_is_sent(app: &TestApp) {
    for _ in 0..70 {
        app.work().await;
        if !app.waits().await {
            return;
        }
        app.clock.advance(TimeDelta::seconds(1));
    }
    panic!("something waits still: {:#?}", app.said().await);
}

/// In what state Sam's text is, and how often it was marked.
async fn sams_text(app: &TestApp) -> Vec<MessageState> {
    let all = app.said().await.into_iter();
    all.filter(|said| said.to == "sam" && said.channel == Channel::Sms).map(|said| said.state).collect()
}

fn clock(app: &TestApp) -> Arc<dyn Clock> {
    Arc::new(app.clock.clone())
}

on_both! {
    async fn f07_twilio_fails_and_notify_takes_it_at_once(db: TestDb) {
        let (twilio, notify) = (FakeTwilio::start().await, FakeNotify::start().await);
        let app = overdue(&db, &[twilio.entry("twilio"), notify.sms_entry("notify")], &[]).await;
        notify.goes_by(clock(&app));
        // A token that somebody changed at Twilio would refuse every alarm: it refuses none.
        twilio.usually(fake_twilio::Answer::Error { status: 401, code: 20003 });
        app.work().await;
        assert_eq!((twilio.ledger().attempts.len(), notify.ledger().texts_to(SAM).len()), (1, 1));
        assert_eq!(sams_text(&app).await, [MessageState::Accepted]);
        app.finish().await;
    }

    async fn f07_notify_fails_and_twilio_takes_it_at_once(db: TestDb) {
        let (twilio, notify) = (FakeTwilio::start().await, FakeNotify::start().await);
        let app = overdue(&db, &[notify.sms_entry("notify"), twilio.entry("twilio")], &[]).await;
        notify.usually(fake_notify::Answer::Error { status: 403, error: "AuthError" });
        app.work().await;
        assert_eq!((notify.ledger().attempts.len(), twilio.ledger().texts_to(SAM).len()), (1, 1));
        assert_eq!(sams_text(&app).await, [MessageState::Accepted]);
        app.finish().await;
    }

    async fn f08_notify_takes_it_and_never_says_so_and_it_is_sent_once(db: TestDb) {
        let notify = FakeNotify::start().await;
        let app = overdue(&db, &[notify.sms_entry("notify")], &[notify.email_entry("notify-mail")]).await;
        notify.goes_by(clock(&app));
        notify.for_address(SAM, fake_notify::Answer::AcceptThenHang);
        notify.for_address(SAMS_MAIL, fake_notify::Answer::AcceptThenHang);
        until_all_is_sent(&app).await;
        let ledger = notify.ledger();
        assert_eq!((ledger.texts_to(SAM).len(), ledger.texts_to(SAMS_MAIL).len()), (1, 1), "nothing goes twice");
        let sams: Vec<_> = ledger.accepted.iter().filter(|sent| [SAM, SAMS_MAIL].contains(&sent.to.as_str())).collect();
        let mut asked_for: Vec<_> = sams.iter().map(|sent| sent.reference.clone()).collect();
        asked_for.sort();
        let mut looked_up = ledger.look_ups.clone();
        looked_up.sort();
        assert_eq!(looked_up, asked_for, "and nothing is looked up before its second try");
        assert_eq!(sams_text(&app).await, [MessageState::Accepted]);
        app.finish().await;
    }

    async fn f08_what_notify_cannot_find_is_sent_again(db: TestDb) {
        let notify = FakeNotify::start().await;
        let app = overdue(&db, &[notify.sms_entry("notify")], &[]).await;
        notify.next([fake_notify::Answer::Error { status: 504, error: "EventletTimeout" }]);
        until(&app, 5, || notify.ledger().texts_to(SAM).len() == 1).await;
        assert_eq!((notify.ledger().attempts.len(), notify.ledger().look_ups.len()), (2, 1));
        app.finish().await;
    }

    async fn f08_a_look_up_that_fails_keeps_no_alarm_back(db: TestDb) {
        let notify = FakeNotify::start().await;
        let app = overdue(&db, &[notify.sms_entry("notify")], &[]).await;
        notify.look_ups(LookUp::Fail);
        notify.next([fake_notify::Answer::AcceptThenHang]);
        until_all_is_sent(&app).await;
        let sent = notify.ledger().accepted;
        assert_eq!(sent.len(), 2, "one repeat: {sent:?}");
        assert_eq!((&sent[0].reference, &sent[0].text), (&sent[1].reference, &sent[1].text), "that can be told");
        app.finish().await;
    }

    async fn f08_what_notify_took_and_could_not_send_is_sent_again(db: TestDb) {
        let notify = FakeNotify::start().await;
        let app = overdue(&db, &[notify.sms_entry("notify")], &[]).await;
        notify.next([fake_notify::Answer::AcceptThenHang]);
        app.work().await;
        notify.sent_none_of_it();
        until(&app, 5, || notify.ledger().accepted.len() == 2).await;
        app.finish().await;
    }

    async fn f08_twilio_takes_it_and_never_says_so_and_one_repeat_follows(db: TestDb) {
        let twilio = FakeTwilio::start().await;
        let app = overdue(&db, &[twilio.entry_with("twilio", "callbacks = true")], &[]).await;
        twilio.next([fake_twilio::Answer::AcceptThenHang]);
        until_all_is_sent(&app).await;
        let sent = twilio.ledger().accepted;
        assert_eq!(sent.len(), 2, "{sent:?}");
        assert_eq!((&sent[0].text, &sent[0].callback), (&sent[1].text, &sent[1].callback), "by the same name of ours");
        assert_eq!(sams_text(&app).await, [MessageState::Accepted]);
        app.finish().await;
    }

    async fn f08_with_two_providers_each_has_it_once(db: TestDb) {
        let (twilio, notify) = (FakeTwilio::start().await, FakeNotify::start().await);
        let app = overdue(&db, &[notify.sms_entry("notify"), twilio.entry("twilio")], &[]).await;
        notify.usually(fake_notify::Answer::AcceptThenHang);
        until_all_is_sent(&app).await;
        assert_eq!((notify.ledger().texts_to(SAM).len(), twilio.ledger().texts_to(SAM).len()), (1, 1));
        app.finish().await;
    }

    async fn f09_twilio_says_for_how_long_it_is_left_alone(db: TestDb) {
        let twilio = FakeTwilio::start().await;
        let app = overdue(&db, &[twilio.entry("twilio")], &[]).await;
        twilio.next([fake_twilio::Answer::Throttle { retry_after_secs: 30 }]);
        app.work().await;
        for _ in 0..29 {
            app.clock.advance(TimeDelta::seconds(1));
            app.work().await;
        }
        assert_eq!((twilio.ledger().attempts.len(), twilio.ledger().accepted.len()), (1, 0));
        assert_eq!(until(&app, 5, || twilio.ledger().texts_to(SAM).len() == 1).await, 1);
        app.finish().await;
    }

    async fn f09_notify_says_for_how_long_it_is_left_alone(db: TestDb) {
        let notify = FakeNotify::start().await;
        let app = overdue(&db, &[notify.sms_entry("notify")], &[]).await;
        notify.next([fake_notify::Answer::Throttle { retry_after_secs: 30 }]);
        app.work().await;
        for _ in 0..29 {
            app.clock.advance(TimeDelta::seconds(1));
            app.work().await;
        }
        assert_eq!((notify.ledger().attempts.len(), notify.ledger().accepted.len()), (1, 0));
        assert_eq!(until(&app, 5, || notify.ledger().texts_to(SAM).len() == 1).await, 1);
        assert_eq!(notify.ledger().look_ups.len(), 0, "what was asked to wait has not been taken");
        app.finish().await;
    }

    async fn f09_a_day_that_is_used_up_at_notify_is_twilios(db: TestDb) {
        let (twilio, notify) = (FakeTwilio::start().await, FakeNotify::start().await);
        let app = overdue(&db, &[notify.sms_entry("notify"), twilio.entry("twilio")], &[]).await;
        notify.usually(fake_notify::Answer::Error { status: 429, error: "TooManyRequestsError" });
        app.work().await;
        assert_eq!((notify.ledger().attempts.len(), twilio.ledger().texts_to(SAM).len()), (1, 1));
        app.finish().await;
    }

    async fn what_twilio_refuses_for_good_goes_by_mail_at_once(db: TestDb) {
        let (twilio, notify) = (FakeTwilio::start().await, FakeNotify::start().await);
        let app = overdue(&db, &[twilio.entry("twilio")], &[notify.email_entry("notify")]).await;
        twilio.for_phone(SAM, fake_twilio::Answer::Error { status: 400, code: 21610 });
        app.work().await;
        app.work().await;
        let ledger = notify.ledger();
        let mail = ledger.accepted.iter().find(|mail| mail.to == SAMS_MAIL).unwrap();
        assert!(mail.subject.as_ref().unwrap().contains("Ann Lee") && mail.text.contains("Ann Lee"), "{mail:?}");
        assert_eq!(sams_text(&app).await, [MessageState::Refused]);
        // Once, and whoever answers for Sam hears that his phone takes no texts (row D6).
        let mut attempts = twilio.ledger().attempts;
        attempts.sort_unstable();
        assert_eq!(attempts, [SAM, "+447700900126", "+447700900127"]);
        app.finish().await;
    }

    async fn what_notify_refuses_for_good_goes_by_mail_at_once(db: TestDb) {
        let notify = FakeNotify::start().await;
        let app = overdue(&db, &[notify.sms_entry("notify")], &[notify.email_entry("notify-mail")]).await;
        notify.for_address(SAM, fake_notify::Answer::Error { status: 400, error: "InvalidPhoneError" });
        app.work().await;
        app.work().await;
        assert_eq!(notify.ledger().texts_to(SAMS_MAIL).len(), 1);
        assert_eq!(sams_text(&app).await, [MessageState::Refused]);
        app.finish().await;
    }
}

// --- one provider by itself ---

fn the(channel: Channel, entry: &str) -> Arc<Entry> {
    let entries = [entry.to_owned()];
    let environment = match channel {
        Channel::Sms => environment(&entries, &[]),
        Channel::Email => environment(&[], &entries),
    };
    let config = Config::load(None, &environment).unwrap();
    Arc::clone(&Providers::from_config(&config).unwrap().for_channel(channel)[0])
}

const ID: MessageId = MessageId(Uuid::from_u128(7));

fn text<'m>(address: &'m str, body: &'m str) -> Outgoing<'m> {
    Outgoing {
        id: ID,
        channel: Channel::Sms,
        address,
        subject: "",
        body,
        page: None,
        before: Before::Nothing,
        now: noon(),
    }
}

#[tokio::test]
async fn a_long_text_is_cut_and_sent() {
    let (twilio, notify) = (FakeTwilio::start().await, FakeNotify::start().await);
    let words = format!("Ann is overdue. {}", "ŵ".repeat(2000));
    for entry in [twilio.entry("x"), notify.sms_entry("x")] {
        let handed = the(Channel::Sms, &entry).send(&text(SAM, &words)).await;
        assert!(matches!(handed, Handed::Accepted { reference: Some(_) }), "{handed:?}");
    }
    let [by_twilio, by_notify] = [&twilio.ledger().accepted[0].text, &notify.ledger().accepted[0].text];
    assert_eq!((by_twilio.chars().count(), by_notify.chars().count()), (1600, 800));
    for text in [by_twilio, by_notify] {
        assert!(text.starts_with("Ann is overdue. ŵ") && text.ends_with("ŵ..."));
    }
}

#[tokio::test]
async fn what_a_provider_says_of_a_recipient_can_be_told() {
    let (twilio, notify) = (FakeTwilio::start().await, FakeNotify::start().await);
    let opted_out = the(Channel::Sms, &twilio.entry("twilio"));
    twilio.usually(fake_twilio::Answer::Error { status: 400, code: 21610 });
    let expected = Handed::Refused { cause: Cause::OptedOut, reason: "Twilio 21610".into() };
    assert_eq!(opted_out.send(&text(SAM, "x")).await, expected);
    notify.usually(fake_notify::Answer::Error { status: 400, error: "InvalidPhoneError" });
    let no_number = the(Channel::Sms, &notify.sms_entry("notify"));
    let expected =
        Handed::Refused { cause: Cause::NoSuchAddress, reason: "HTTP 400 InvalidPhoneError".into() };
    assert_eq!(no_number.send(&text(SAM, "x")).await, expected);
}

#[tokio::test]
async fn notify_is_asked_what_people_have_texted() {
    let notify = FakeNotify::start().await;
    notify.goes_by(Arc::new(ManualClock::new(noon())));
    let entry = the(Channel::Sms, &notify.sms_entry("notify"));
    assert_eq!(entry.poll_texts(noon()).await, Ok(Polled::default()));
    notify.somebody_texts("t1", "447700900123", "IN 60");
    notify.somebody_texts("t2", "Shop", "SALE");
    let texts = entry.poll_texts(noon()).await.unwrap().texts;
    let told: Vec<_> = texts.iter().map(|text| (text.id.0.as_str(), text.text.reveal())).collect();
    assert_eq!(told, [("t2", "SALE"), ("t1", "IN 60")]);
    assert!(matches!(&texts[1].from, Sender::Phone(phone) if phone.as_str() == "+447700900123"));
    assert!(matches!(&texts[0].from, Sender::Other(_)));
    assert_eq!(texts[1].sent_at, Some(noon()));
    let other = the(Channel::Sms, &FakeTwilio::start().await.entry("twilio"));
    assert_eq!(other.poll_texts(noon()).await, Ok(Polled::default()), "Twilio tells of them itself");
}

/// What a provider makes of a request.
fn read(
    entry: &Entry,
    path_and_query: &str,
    (headers, body): &(axum::http::HeaderMap, String),
    now: Time,
) -> Result<Received, NotTaken> {
    let body = body.as_bytes();
    entry.provider().verify_and_read(&Incoming { path_and_query, headers, body, now })
}

#[tokio::test]
async fn twilio_tells_what_became_of_a_message_at_the_address_it_was_given() {
    let twilio = FakeTwilio::start().await;
    let entry = the(Channel::Sms, &twilio.entry_with("twilio", r#"auth_token_2 = "the-next-one""#));
    assert!(entry.provider().gives_receipts());
    entry.send(&text(SAM, "x")).await;
    let callback = twilio.ledger().accepted[0].callback.clone().unwrap();
    let path = callback.strip_prefix(PUBLIC).unwrap();
    assert_eq!(path, format!("/receipts/twilio?message={ID}"));
    let fields =
        [("MessageSid", "SM1"), ("MessageStatus", "undelivered"), ("ErrorCode", "30005"), ("New", "")];
    let expected = Receipt {
        of: ReceiptOf::Ours(ID),
        outcome: Outcome::Failed { cause: Cause::NoSuchAddress, reason: "Twilio 30005".into() },
        at: None,
    };
    for token in [TOKEN, "the-next-one"] {
        let told = fake_twilio::signed(token, &callback, &fields);
        assert_eq!(read(&entry, path, &told, noon()), Ok(Received::Receipt(expected.clone())));
    }
    for (token, url, path) in [
        ("another", callback.as_str(), path),
        (TOKEN, "https://elsewhere.example.org/receipts/twilio", "/receipts/twilio"),
        (TOKEN, callback.as_str(), "/receipts/twilio?message=00000000-0000-0000-0000-000000000008"),
    ] {
        let told = fake_twilio::signed(token, url, &fields);
        assert!(
            matches!(read(&entry, path, &told, noon()), Err(NotTaken::Forged(_))),
            "{token} {url} {path}"
        );
    }
    let somebody = [("MessageSid", "SM2"), ("From", "+447700900123"), ("To", NUMBER), ("Body", "IN 60")];
    let told = fake_twilio::signed(TOKEN, &format!("{PUBLIC}/inbound/sms/twilio"), &somebody);
    let Ok(Received::Text(text)) = read(&entry, "/inbound/sms/twilio", &told, noon()) else {
        panic!("a text")
    };
    assert_eq!((text.id.0.as_str(), text.text.reveal()), ("SM2", "IN 60"));
    let thanks = entry.provider().thanks();
    assert_eq!((thanks.content_type, thanks.body.ends_with("<Response/>")), ("text/xml", true));
    let silent = the(Channel::Sms, &twilio.entry("twilio"));
    assert!(!silent.provider().gives_receipts());
    assert!(matches!(read(&silent, "/inbound/sms/twilio", &told, noon()), Err(NotTaken::Forged(_))));
}

#[tokio::test]
async fn a_provider_is_found_by_its_name_or_by_what_it_is() {
    let (twilio, notify) = (FakeTwilio::start().await, FakeNotify::start().await);
    let sms = [twilio.entry("first"), notify.sms_entry("second"), twilio.entry("third")];
    let config = Config::load(None, &environment(&sms, &[notify.email_entry("fourth")])).unwrap();
    let providers = Providers::from_config(&config).unwrap();
    let of_kind = |kind| providers.inbound(kind).map(|entry| entry.name().to_owned()).collect::<Vec<_>>();
    assert_eq!(of_kind("twilio"), ["first", "third"]);
    assert_eq!((of_kind("govuk-notify"), of_kind("webhook")), (vec!["second".to_owned()], vec![]));
    assert_eq!(providers.named("fourth").unwrap().name(), "fourth", "mail has receipts too");
    assert!(providers.named("fifth").is_none());
}

#[tokio::test]
async fn notify_shows_its_token_when_it_calls() {
    let notify = FakeNotify::start().await;
    let tokens = r#"callback_token = "first-of-two", callback_token_2 = "second-of-two""#;
    let entry = the(Channel::Sms, &notify.sms_entry_with("notify", tokens));
    let told = |header: Option<&str>| {
        let body =
            json!({"id": "n1", "reference": ID, "to": "07700900125", "status": "delivered"}).to_string();
        let headers = header.map(|header| ("authorization".parse().unwrap(), header.parse().unwrap()));
        (headers.into_iter().collect(), body)
    };
    let expected = Receipt { of: ReceiptOf::Ours(ID), outcome: Outcome::Delivered, at: None };
    for token in ["Bearer first-of-two", "Bearer second-of-two"] {
        let read = read(&entry, "/receipts/notify", &told(Some(token)), noon());
        assert_eq!(read, Ok(Received::Receipt(expected.clone())));
    }
    for header in [
        None,
        Some(""),
        Some("Bearer "),
        Some("first-of-two"),
        Some("Bearer first-of-tw"),
        Some("Bearer third"),
    ] {
        let read = read(&entry, "/receipts/notify", &told(header), noon());
        assert!(matches!(read, Err(NotTaken::Forged(_))), "{header:?}");
    }
    let silent = the(Channel::Sms, &notify.sms_entry("notify"));
    assert!(entry.provider().gives_receipts() && !silent.provider().gives_receipts());
    assert!(matches!(read(&silent, "/x", &told(Some("Bearer ")), noon()), Err(NotTaken::Forged(_))));
}

#[tokio::test]
async fn a_gateway_signs_what_it_sends_here() {
    const FIRST: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SECOND: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const OUTBOUND: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
    let gateway = |more: &str| {
        let common = r#"name = "gateway", kind = "webhook", url = "http://127.0.0.1:9/""#;
        the(Channel::Sms, &format!(r#"{{ {common}, secret = "{OUTBOUND}", {more} }}"#))
    };
    let entry = gateway(&format!(r#"inbound_secret = "{FIRST}", inbound_secret_2 = "{SECOND}""#));
    let somebody = json!({
        "type": "sms.received", "timestamp": "2026-01-14T12:00:00Z",
        "data": {"id": "t1", "from": "447700900123", "text": "SOS"},
    });
    for secret in [FIRST, SECOND] {
        let told = fake_sms::signed(secret, "evt_1", noon(), &somebody);
        let Ok(Received::Text(text)) = read(&entry, "/inbound/sms/webhook", &told, noon()) else {
            panic!("a text")
        };
        assert_eq!((text.id.0.as_str(), text.text.reveal()), ("t1", "SOS"));
        let late = noon() + TimeDelta::seconds(301);
        assert!(matches!(read(&entry, "/x", &told, late), Err(NotTaken::Forged(_))), "an old one");
    }
    let told = fake_sms::signed(OUTBOUND, "evt_1", noon(), &somebody);
    assert!(
        matches!(read(&entry, "/x", &told, noon()), Err(NotTaken::Forged(_))),
        "not by what signs our messages"
    );
    let silent = gateway("");
    assert!(entry.provider().gives_receipts() && !silent.provider().gives_receipts());
    let told = fake_sms::signed(FIRST, "evt_1", noon(), &somebody);
    assert!(matches!(read(&silent, "/x", &told, noon()), Err(NotTaken::Forged(_))), "nobody may");
    let told = fake_sms::signed(FIRST, "evt_1", noon(), &json!({"type": "sms.other", "data": {}}));
    assert!(matches!(read(&entry, "/x", &told, noon()), Err(NotTaken::Malformed(_))));
    let told = fake_sms::signed(
        FIRST,
        "evt_1",
        noon(),
        &json!({
            "type": "sms.receipt", "timestamp": "2026-01-14T12:00:00Z", "data": {"id": ID, "status": "opted_out"},
        }),
    );
    let outcome = Outcome::Failed { cause: Cause::OptedOut, reason: "opted_out".into() };
    let expected = Receipt { of: ReceiptOf::Ours(ID), outcome, at: Some(noon()) };
    assert_eq!(read(&entry, "/receipts/gateway", &told, noon()), Ok(Received::Receipt(expected)));
}
