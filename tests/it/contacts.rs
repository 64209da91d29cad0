//! Contacts consent and prove themselves (row D6): they are asked, they answer, they decline, nothing arrives there; and an alarm
//! always has somebody.

use chrono::TimeDelta;
use homeward::domain::{contact::Channel, notice::Purpose, policy::Policy};
use serde_json::{Value, json};

use crate::{
    store::execute,
    support::{
        TestDb,
        app::{TestApp, WESTSHIRE, apply, noon},
        fake_twilio::{Answer, FakeTwilio},
        on_both,
        phones::{ANN, DEE, JO, Phones, SAM, environment},
        proofs::{mailed, page},
    },
};

/// The service on the next morning at ten: everybody has just been asked.
async fn asked(db: &TestDb) -> Phones {
    let phones = Phones::start(db).await;
    assert!(phones.shows(JO).is_empty(), "not on the day on which the file was applied");
    phones.app.clock.advance(TimeDelta::hours(22));
    phones.app.work().await;
    phones
}

/// The code in a question.
fn code(question: &str) -> String {
    let at = question.to_lowercase().find("reply ").unwrap_or_else(|| panic!("{question}")) + "reply ".len();
    question[at..at + 4].to_owned()
}

async fn proves(phones: &Phones, phone: &str) {
    let shown = phones.shows(phone);
    let asks = |text: &&String| {
        text.contains("Agree? Reply") || text.contains("Then reply") || text.contains("to show")
    };
    let code = code(shown.iter().rfind(asks).unwrap());
    let reply = phones.text(phone, &code).await;
    assert!(reply.starts_with("Thank you"), "{reply}");
}

/// What is missing of Ann's coverage, with the words.
async fn gaps(app: &TestApp) -> Vec<(String, String)> {
    let shown = app.person("una").get("/coverage?worker=ann").await;
    let ann = &shown.is_ok().body["workers"][0];
    let all = ann["ladders"][0]["gaps"].as_array().unwrap().iter().chain(ann["gaps"].as_array().unwrap());
    let gap =
        |gap: &Value| (gap["gap"].as_str().unwrap().to_owned(), gap["detail"].as_str().unwrap().to_owned());
    all.map(gap).collect()
}

async fn names_in(app: &TestApp, kind: &str) -> String {
    gaps(app).await.into_iter().filter(|(gap, _)| gap == kind).map(|(_, detail)| detail).collect()
}

/// Ann starts a visit that is missed; up to the first round and not to the second. Whose phones rang.
async fn missed(phones: &Phones, who: &[&str]) -> Vec<usize> {
    let before: Vec<usize> = who.iter().map(|who| phones.shows(who).len()).collect();
    phones.app.person("ann").post("/visits", json!({"place": "12 High St", "minutes": 30})).await.is_ok();
    phones.app.clock.advance(TimeDelta::minutes(30));
    phones.app.work().await;
    phones.app.clock.advance(TimeDelta::minutes(10));
    phones.app.work().await;
    assert_eq!(phones.app.open_incidents().await, 1);
    who.iter()
        .zip(before)
        .map(|(who, before)| {
            phones.shows(who)[before..]
                .iter()
                .filter(|text| text.contains("Ann L") && text.contains("ACK "))
                .count()
        })
        .collect()
}

async fn close(phones: &Phones) {
    let id = phones.app.the_incident().await["id"].as_str().unwrap().to_owned();
    let how = json!({"outcome": "safe_forgot", "known_by": "seen", "worker_now": "home", "note": "n"});
    phones.app.person("una").post(&format!("/incidents/{id}/close"), how).await.is_ok();
    phones.app.work().await;
}

async fn happened(app: &TestApp, kind: &str) -> usize {
    let log = app.everything_that_happened().await;
    log.body["events"].as_array().unwrap().iter().filter(|event| event["kind"] == kind).count()
}

on_both! {
    async fn a_contact_is_asked_once_by_whom_for_what_and_proves_it_with_the_code(db: TestDb) {
        let phones = asked(&db).await;
        let question = phones.shows(JO);
        assert_eq!(question.len(), 1, "{question:?}");
        assert!(question[0].starts_with("Ann Lee named you as emergency contact (Westshire Probation)"), "{question:?}");
        assert!(question[0].ends_with("If not, reply NO."), "{question:?}");
        assert!(names_in(&phones.app, "unproved").await.contains("Jo Lee"));

        // Nobody is asked twice the same week, nor at night.
        phones.app.pass(60).await;
        phones.app.clock.advance(TimeDelta::days(2));
        phones.app.work().await;
        assert_eq!(phones.shows(JO).len(), 1);

        let reply = phones.text(JO, "A333").await;
        assert!(reply.starts_with("That code is not right"), "{reply}");
        let reply = phones.text(JO, &format!("Yes, {} please!", code(&question[0]).to_lowercase())).await;
        assert_eq!(reply, "Thank you: you are emergency contact of Ann Lee, and our texts reach you. To end that reply NO at any time.");
        assert!(!names_in(&phones.app, "unproved").await.contains("Jo Lee"), "{:?}", gaps(&phones.app).await);
        let reply = phones.text(JO, "yes").await;
        assert!(reply.starts_with("Thank you: you are emergency contact"), "{reply}");

        // A worker does so in a visit too, which goes on.
        phones.app.set_pin("ann").await;
        phones.text(ANN, "IN 60").await;
        let theirs = phones.shows(ANN).iter().find(|text| text.contains("Homeward sends safety texts")).unwrap().clone();
        let reply = phones.text(ANN, &code(&theirs)).await;
        assert_eq!(reply, "Thank you: our texts reach this phone. That starts and ends no visit.");
        assert_eq!(phones.begun().await, 1);
        assert_eq!((happened(&phones.app, "contact.proved").await, happened(&phones.app, "contact.wrong_code").await), (2, 1));
        phones.text(ANN, "OUT 4821").await;
        phones.app.finish().await;
    }

    async fn f23_a_contact_who_is_silent_for_45_days_is_asked_and_the_next_step_does_not_wait(db: TestDb) {
        let phones = asked(&db).await;
        proves(&phones, JO).await;
        proves(&phones, SAM).await;
        proves(&phones, DEE).await;
        for (link, code) in [mailed(&phones.app, "sam").await, mailed(&phones.app, "dee").await] {
            assert_eq!(page(&phones.app, "POST", &link, Some(&format!("answer=agree&code={code}"))).await.0, 200);
        }
        assert_eq!(missed(&phones, &[JO, SAM, DEE]).await, [1, 1, 0], "as ever");
        close(&phones).await;

        // Asked after 38 days; without an answer again a week later.
        let day = async |days: i64| {
            for _ in 0..days {
                phones.app.clock.advance(TimeDelta::days(1));
                phones.app.work().await;
            }
        };
        let before = phones.shows(JO).len();
        day(38).await;
        let asked_again: Vec<_> = phones.shows(JO).split_off(before);
        assert_eq!(asked_again.len(), 1, "{asked_again:?}");
        assert!(asked_again[0].starts_with("Are you still emergency contact of Ann Lee"), "{asked_again:?}");
        proves(&phones, SAM).await;
        proves(&phones, DEE).await;
        assert!(!names_in(&phones.app, "unproved").await.contains("Jo Lee"), "it still holds");
        day(7).await;
        assert_eq!(phones.shows(JO).len(), before + 2);
        assert!(names_in(&phones.app, "silent").await.contains("Jo Lee"), "{:?}", gaps(&phones.app).await);
        let told = phones.shows(SAM);
        assert!(told.iter().any(|text| text.starts_with("Jo Lee was asked twice by text")), "{told:?}");

        // Her mail is silent too: she is called, and the duty manager at once.
        assert_eq!(missed(&phones, &[JO, SAM, DEE]).await, [1, 1, 1]);
        let id = phones.app.the_incident().await["id"].as_str().unwrap().to_owned();
        assert!(phones.app.log("incident", &id).await.contains(&"incident.step_brought_forward".to_owned()));
        close(&phones).await;
        // And then seldom.
        proves(&phones, JO).await;
        assert!(!names_in(&phones.app, "silent").await.contains("Jo Lee"));
        assert_eq!(missed(&phones, &[JO, SAM, DEE]).await, [1, 1, 0]);
        phones.app.finish().await;
    }

    async fn who_declines_is_called_no_more_and_the_next_at_once_until_they_take_it_back(db: TestDb) {
        let phones = asked(&db).await;
        let reply = phones.text(JO, "No.").await;
        assert_eq!(reply, "Noted: you are not emergency contact of Ann Lee. Staff are told. To take that back reply YES.");
        let told = phones.shows(SAM).into_iter().filter(|text| text.starts_with("Jo Lee does not agree to be emergency contact of Ann Lee.")).count();
        assert_eq!(told, 1, "{:?}", phones.shows(SAM));
        assert!(names_in(&phones.app, "declined").await.contains("Jo Lee"), "at once");
        assert_eq!(missed(&phones, &[JO, SAM, DEE]).await, [0, 1, 1]);
        let mails = phones.app.said().await.into_iter().filter(|said| said.to == "jo" && said.purpose.calls_to_act()).count();
        assert_eq!(mails, 0, "by mail neither: it is she who declined");
        close(&phones).await;
        let before = phones.shows(JO).len();
        phones.app.clock.advance(TimeDelta::days(60));
        phones.app.work().await;
        assert_eq!(phones.shows(JO).len(), before, "nor is she asked again");

        let reply = phones.text(JO, "Yes").await;
        assert!(reply.starts_with("Thank you. A text with a code follows"), "{reply}");
        phones.app.work().await;
        proves(&phones, JO).await;
        assert_eq!(missed(&phones, &[JO, SAM, DEE]).await, [1, 1, 0]);
        phones.app.finish().await;
    }

    async fn nobody_is_taken_out_of_an_alarm_that_is_open(db: TestDb) {
        let phones = asked(&db).await;
        assert_eq!(missed(&phones, &[JO, SAM, DEE]).await, [1, 1, 0]);
        let alarm = phones.shows(JO).pop().unwrap();
        let alarm = alarm.split("ACK ").nth(1).unwrap()[..4].to_owned();
        let reply = phones.text(JO, "NO").await;
        assert!(reply.starts_with("Nothing done: which alarm?"), "{reply}");
        let reply = phones.text(JO, &alarm).await;
        assert!(!reply.starts_with("Thank you"), "the code of an alarm proves nothing and takes nothing: {reply}");
        let reply = phones.text(JO, &format!("NO {alarm}")).await;
        assert!(reply.starts_with("Noted: you cannot."), "{reply}");
        assert_eq!(happened(&phones.app, "contact.declined").await, 0);
        let reply = phones.text(JO, "STOP").await;
        assert!(reply.starts_with("Noted: no texts to you about new alarms."), "{reply}");
        assert!(names_in(&phones.app, "dead").await.contains("Jo Lee (phone)"), "{:?}", gaps(&phones.app).await);
        let before = phones.shows(JO).len();
        phones.app.pass(6).await;
        assert!(phones.shows(JO)[before..].iter().any(|text| text.contains("ACK ")), "called on in this one: {:?}", phones.shows(JO));
        close(&phones).await;
        // By mail in the next one.
        assert_eq!(missed(&phones, &[JO, SAM]).await, [0, 1]);
        let mails = phones.app.said().await;
        assert!(mails.iter().any(|said| said.to == "jo" && said.channel == Channel::Email && said.purpose == Purpose::FirstAlarm && said.text.contains("Ann Lee")));
        phones.app.finish().await;
    }

    async fn f21_stop_ends_no_watching_and_start_takes_it_back(db: TestDb) {
        let phones = asked(&db).await;
        phones.app.set_pin("ann").await;
        phones.text(ANN, "IN 60").await;
        let reply = phones.text(ANN, "STOP").await;
        assert!(reply.starts_with("You are still watched"), "{reply}");
        assert_eq!(phones.begun().await, 1);
        phones.app.work().await;
        assert!(phones.shows(SAM).iter().any(|text| text.starts_with("Ann Lee sent STOP")), "{:?}", phones.shows(SAM));
        assert!(names_in(&phones.app, "dead").await.contains("Ann Lee (phone)"));
        let before = phones.shows(ANN).len();
        let reply = phones.text(ANN, "START").await;
        assert!(reply.starts_with("You are still watched"), "{reply}");
        let question = phones.shows(ANN)[before..].iter().find(|text| text.contains("safety texts")).unwrap().clone();
        phones.text(ANN, &code(&question)).await;
        assert!(!names_in(&phones.app, "dead").await.contains("Ann Lee"), "restored after proof");
        // A manager who sends STOP is called all the same, and the duty manager does not wait.
        phones.text(SAM, "STOP").await;
        phones.app.clock.advance(TimeDelta::minutes(90));
        phones.app.work().await;
        phones.app.work().await;
        assert!(phones.shows(SAM).last().unwrap().contains("ACK "), "{:?}", phones.shows(SAM));
        phones.app.finish().await;
    }

    async fn before_nobody_is_called_whoever_declined_is(db: TestDb) {
        let phones = asked(&db).await;
        phones.text(JO, "NO").await;
        let gone = "UPDATE person SET has_left = TRUE WHERE key IN ('sam', 'dee', 'una')";
        assert_eq!(execute(phones.app.db(), gone).await.unwrap(), 3);
        let visit = json!({"place": "12 High St", "minutes": 30});
        phones.app.person("ann").post("/visits", visit).await.is_ok();
        let before = phones.shows(JO).len();
        phones.app.pass(41).await;
        assert_eq!(phones.shows(JO).len(), before + 1);
        let last_resort: usize = ["+447700900900", "+447700900901"].map(|phone| phones.shows(phone).len()).iter().sum();
        assert!(last_resort >= 2);
        phones.app.verify().await;
    }

    async fn what_a_silent_alarm_finds_of_an_address_is_not_shown_to_whom_it_is_about(db: TestDb) {
        let phones = asked(&db).await;
        let beside_sam = "UPDATE person SET team_id = (SELECT team_id FROM person WHERE key = 'sam') WHERE key = 'dee'";
        assert_eq!(execute(phones.app.db(), beside_sam).await.unwrap(), 1);
        phones.receipt(JO, "undelivered", Some("30005")).await;
        phones.app.work().await;
        let sam = phones.app.person("sam");
        let dead = async || {
            phones.app.readers_have_caught_up().await;
            let reply = sam.get("/events").await;
            let log = &reply.is_ok().body;
            let all = log["events"].as_array().unwrap().iter();
            all.filter(|event| event["kind"] == "contact.dead").count()
        };
        assert_eq!(dead().await, 1, "before there is an alarm");
        let pins = json!({"pin": "4821", "duress_pin": "9064", "duress_word": "Samantha"});
        assert_eq!(sam.put("/me/pins", pins).await.status, 204);
        sam.post("/visits", json!({"place": "12 High St", "minutes": 60})).await.is_ok();
        sam.post("/text", json!({"text": "OUT 9064"})).await.is_ok();
        phones.app.pass(1).await;
        phones.receipt(DEE, "undelivered", Some("30005")).await;
        phones.app.work().await;
        assert_eq!(dead().await, 1, "as it was");
        assert_eq!(happened(&phones.app, "contact.dead").await, 2, "and kept all the same");
    }

    async fn a_number_that_does_not_exist_is_dead_and_failures_on_three_days_are(db: TestDb) {
        let phones = asked(&db).await;
        phones.receipt(JO, "undelivered", Some("30005")).await;
        phones.app.work().await;
        assert!(names_in(&phones.app, "dead").await.contains("Jo Lee (phone)"));
        assert!(phones.shows(SAM).iter().any(|text| text.starts_with("Jo Lee cannot be reached by text")), "{:?}", phones.shows(SAM));
        assert_eq!(happened(&phones.app, "contact.dead").await, 1);
        // Something arrives there after all: asked anew.
        phones.receipt(JO, "delivered", None).await;
        assert_eq!(names_in(&phones.app, "dead").await, "");

        // Dee's phone is off on three days; once a text arrives between them it is counted anew.
        let day = async |receipt: (&str, Option<&str>)| {
            phones.app.clock.advance(TimeDelta::days(1));
            phones.app.work().await;
            missed(&phones, &[DEE]).await;
            phones.app.pass(6).await;
            phones.receipt(DEE, receipt.0, receipt.1).await;
            close(&phones).await;
        };
        let off = ("undelivered", Some("30003"));
        for receipt in [off, off, ("delivered", None), off, off] {
            day(receipt).await;
            assert_eq!(names_in(&phones.app, "dead").await, "");
        }
        day(off).await;
        assert!(names_in(&phones.app, "dead").await.contains("Dee Park (phone)"), "{:?}", gaps(&phones.app).await);
        // Staff are tried all the same.
        missed(&phones, &[DEE]).await;
        let before = phones.shows(DEE).len();
        phones.app.pass(6).await;
        assert_eq!(phones.shows(DEE).len(), before + 1);
        phones.app.finish().await;
    }

    async fn what_a_provider_refuses_for_good_is_dead_and_the_duty_manager_does_not_wait(db: TestDb) {
        let twilio = FakeTwilio::start().await;
        let ladder = "[[ladder]]\nrisk = \"normal\"\nrepeat_every = \"1h\"\nsteps = [{ after = \"0s\", tell = [\"manager\"], by = [\"sms\"] }, { after = \"30m\", tell = [\"duty_manager\"], by = [\"sms\"] }]\n";
        let app = TestApp::with_providers(&db, &format!("{WESTSHIRE}\n{ladder}"), &environment(&twilio.entry_with("twilio", "")), noon()).await;
        let phones = Phones { app, twilio, sent: std::cell::Cell::new(0) };
        phones.twilio.for_phone(SAM, Answer::Error { status: 400, code: 21610 });
        phones.app.clock.advance(TimeDelta::hours(22));
        phones.app.work().await;
        phones.app.work().await;
        assert!(names_in(&phones.app, "dead").await.contains("Sam Cole (phone)"), "{:?}", gaps(&phones.app).await);
        assert!(phones.shows(DEE).iter().any(|text| text.starts_with("Sam Cole cannot be reached by text")), "{:?}", phones.shows(DEE));
        let questions = phones.app.said().await.into_iter().filter(|said| said.to == "sam" && said.purpose == Purpose::Proof).count();
        assert_eq!(questions, 2, "one by text, one by mail, and neither instead of the other");
        assert_eq!(missed(&phones, &[DEE]).await, [1], "at once");
        let tried = phones.app.said().await.into_iter().filter(|said| said.to == "sam" && said.channel == Channel::Sms && said.purpose == Purpose::FirstAlarm).count();
        assert_eq!(tried, 1, "tried all the same");
        phones.app.finish().await;
    }

    async fn a_mail_address_is_proved_by_a_person_with_the_code_and_by_no_machine(db: TestDb) {
        let phones = asked(&db).await;
        let app = &phones.app;
        let (link, code) = mailed(app, "jo").await;
        assert!(link.starts_with("https://homeward.example.org/proofs/"), "{link}");
        for _ in 0..50 {
            for method in ["HEAD", "GET"] {
                assert_eq!(page(app, method, &link, None).await.0, 200);
            }
        }
        let (_, shown) = page(app, "GET", &link, None).await;
        assert!(shown.contains("<form method=\"post\">") && !shown.contains("Lee") && !shown.contains("Westshire"), "{shown}");
        for form in ["answer=agree&code=", "answer=decline&code=", "answer=agree&code=A333", "code=", ""] {
            assert_eq!(page(app, "POST", &link, Some(form)).await.0, 422, "{form}");
        }
        assert_eq!((happened(app, "contact.proved").await, happened(app, "contact.declined").await), (0, 0));
        let (status, shown) = page(app, "POST", &link, Some(&format!("answer=agree&code={}", code.to_lowercase()))).await;
        assert!(status == 200 && shown.contains("reaches you"), "{shown}");
        assert!(!names_in(app, "unproved").await.contains("Jo Lee"));
        assert_eq!(page(app, "POST", &link, Some(&format!("answer=agree&code={code}"))).await.0, 404, "once");
        assert_eq!(page(app, "GET", "/proofs/nonsense", None).await.0, 404);

        // Whoever guesses guesses five times.
        let (link, code) = mailed(app, "sam").await;
        for _ in 0..5 {
            assert_eq!(page(app, "POST", &link, Some("answer=agree&code=A333")).await.0, 422);
        }
        assert_eq!(page(app, "POST", &link, Some(&format!("answer=agree&code={code}"))).await.0, 422);
        // Staff do not decline.
        let (link, code) = mailed(app, "dee").await;
        assert_eq!(page(app, "POST", &link, Some(&format!("answer=decline&code={code}"))).await.0, 422);
        // Outside contacts do, with the code.
        let fresh = db.another().await;
        let phones = asked(&fresh).await;
        let (link, code) = mailed(&phones.app, "jo").await;
        assert_eq!(page(&phones.app, "POST", &link, Some(&format!("answer=decline&code={code}"))).await.0, 200);
        assert!(names_in(&phones.app, "declined").await.contains("Jo Lee"));
        phones.app.finish().await;
    }

    async fn a_new_number_is_proved_anew_and_nobody_is_asked_who_could_not_answer(db: TestDb) {
        let phones = asked(&db).await;
        proves(&phones, JO).await;
        let changed = WESTSHIRE.replace("07700 900124", "07700 900155");
        apply(phones.app.db(), &changed, Policy::default(), phones.app.now()).await;
        // Some people are asked at a time, every 20 minutes.
        phones.app.clock.advance(TimeDelta::minutes(20));
        phones.app.work().await;
        let other = "+447700900155";
        assert!(phones.shows(other).is_empty());
        phones.app.clock.advance(TimeDelta::days(1));
        phones.app.work().await;
        assert!(phones.shows(other)[0].starts_with("Ann Lee named you"), "{:?}", phones.shows(other));
        phones.app.finish().await;

        let fresh = db.another().await;
        let app = TestApp::start(&fresh).await;
        app.clock.advance(TimeDelta::days(3));
        app.work().await;
        assert_eq!(app.said().await, [], "no texts come in here, and there is no page");
        assert!(names_in(&app, "unproved").await.contains("Jo Lee"));
        app.finish().await;
    }
}
