//! The main job: a visit that does not end raises a person (rows E1 to E7, E12).

use std::fmt::Write;

use homeward::domain::contact::Channel;
use serde_json::{Value, json};

use crate::support::{
    app::{TestApp, WESTSHIRE},
    on_both,
};

/// Westshire with five more workers of Sam's.
fn five_workers() -> String {
    let mut organisation = WESTSHIRE.to_owned();
    for n in 1..=5 {
        write!(organisation, "\n[[person]]\nkey = \"w{n}\"\nname = \"Worker Number {n}\"\nteam = \"north\"\nrole = \"worker\"\nphone = \"07700 90020{n}\"\nmanager = \"sam\"\nemergency_contacts = [\"jo\"]\n").unwrap();
    }
    organisation
}

on_both! {
    async fn a_visit_that_does_not_end_raises_people_until_one_closes_it(db: TestDb) {
        let app = TestApp::start(&db).await;
        let visit = app.ann_goes_in(30).await;

        app.pass(20).await;
        assert_eq!(app.texts("ann").await, ["Due out 12:30. Out? Check out with your PIN. Staying? Extend with your PIN."]);
        app.pass(10).await;
        assert_eq!(app.texts("ann").await[1], "You were due out 12:30. At 12:40 others are told. Check out or extend with your PIN now.");
        app.pass(9).await;
        assert_eq!(app.texts("sam").await, [""; 0], "nobody else is told within the grace");
        assert_eq!(app.open_incidents().await, 0);

        // The grace ends: emergency contact and manager, by every channel they have.
        app.pass(1).await;
        let incident = app.the_incident().await;
        let id = incident["id"].as_str().unwrap();
        let said = app.said().await;
        let mut called: Vec<_> = said.iter().filter(|said| said.purpose.calls_to_act()).map(|said| (said.to.as_str(), said.channel)).collect();
        called.sort_unstable();
        assert_eq!(called, [("jo", Channel::Sms), ("jo", Channel::Email), ("sam", Channel::Sms), ("sam", Channel::Email)]);
        let code = app.person("sam").get(&format!("/incidents/{id}")).await.body["code"].as_str().unwrap().to_owned();
        assert_eq!(app.texts("sam").await, [format!("OVERDUE: Ann Lee due out 12:30, no word by 12:40. Ring 07700900123. Take it in Homeward: {code}.")]);
        assert_eq!(app.texts("jo").await, ["Ann Lee has not been in touch since 12:30. Please try to reach them, then ring the duty manager on 07700900126."]);
        for said in said.iter().filter(|said| said.to == "jo") {
            assert!(!said.text.contains("High St"), "an outside contact never learns the place: {}", said.text);
        }

        // Step by step more people, the earlier ones again.
        app.pass(5).await;
        assert_eq!((app.texts("dee").await.len(), app.texts("sam").await.len()), (1, 2));
        app.pass(10).await;
        assert_eq!((app.texts("una").await.len(), app.texts("dee").await.len(), app.texts("sam").await.len()), (1, 3, 4));
        app.pass(60).await;
        assert_eq!(app.texts("una").await.len(), 13, "and again every five minutes, for as long as it takes");

        // Somebody takes it: the others are told who, the calls stop.
        let taken = app.person("dee").post(&format!("/incidents/{id}/acknowledge"), json!({})).await;
        assert_eq!((taken.status, taken.body["owner"]["name"].as_str()), (200, Some("Dee Park")), "{taken:?}");
        app.work().await;
        assert_eq!(app.texts("sam").await.last().unwrap(), "Dee Park has the alarm about Ann Lee. Nothing for you to do unless Dee Park asks.");
        let before = app.said().await.len();
        app.pass(12).await;
        assert_eq!(app.said().await.len(), before, "nobody is called while somebody has it");

        // A person says how it ended, which ends the visit too.
        let closed = app.person("dee").post(
            &format!("/incidents/{id}/close"),
            json!({"outcome": "safe_forgot", "known_by": "spoke_by_voice", "worker_now": "home", "note": "Rang her: at home, forgot."}),
        ).await;
        assert_eq!((closed.status, closed.body["state"].as_str()), (200, Some("closed")), "{closed:?}");
        app.work().await;
        assert_eq!(app.texts("sam").await.last().unwrap(), "CLOSED by Dee Park: Ann Lee, safe, forgot to check out. Nothing more for you to do. Thank you.");
        assert_eq!(app.texts("jo").await.last().unwrap(), "The alarm about Ann Lee is over. Nothing more for you to do. Thank you. Questions? Ring 07700900126.");
        let visit = app.person("ann").get(&format!("/visits/{visit}")).await;
        assert_eq!((visit.body["state"].as_str(), visit.body["ended_how"].as_str()), (Some("ended"), Some("with_incident")));

        // And what was learned.
        let reviewed = app.person("sam").post(&format!("/incidents/{id}/review"), json!({"learned": "The reminder came on a silent phone.", "action": "Ring tone agreed."})).await;
        assert_eq!(reviewed.body["review"]["action"], "Ring tone agreed.", "{reviewed:?}");
        let before = app.said().await.len();
        app.pass(60).await;
        assert_eq!(app.said().await.len(), before, "it is over");

        let log = app.log("incident", id).await;
        let has = |kind: &str| log.iter().filter(|logged| *logged == kind).count();
        assert_eq!((has("incident.opened"), has("incident.acknowledged"), has("incident.closed"), has("incident.reviewed")), (1, 1, 1, 1));
        assert_eq!(has("incident.raised"), 16);
        let to_others = app.said().await.iter().filter(|said| said.to != "ann").count();
        assert_eq!(has("message.accepted"), to_others, "every message to somebody else stands in it: {log:?}");
        app.finish().await;
    }

    async fn an_acknowledgement_is_a_promise_that_lapses(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.ann_goes_in(30).await;
        app.pass(40).await;
        let id = app.the_incident().await["id"].as_str().unwrap().to_owned();
        app.person("sam").post(&format!("/incidents/{id}/acknowledge"), json!({})).await.is_ok();
        app.pass(13).await;
        assert_eq!(
            app.texts("sam").await.last().unwrap(),
            "You took the alarm about Ann Lee. At 12:55 it goes back to everyone. Close it, saying how it ended and where Ann Lee is.",
        );
        assert!(app.texts("dee").await.is_empty());
        app.pass(2).await;
        let dee = app.texts("dee").await;
        assert_eq!(dee.len(), 1, "it goes on with the next step, at once");
        assert!(dee[0].starts_with("NOT ENDED: OVERDUE: Ann Lee due out 12:30"), "{dee:?}");
        assert!(app.texts("sam").await.last().unwrap().starts_with("NOT ENDED: "), "and tells the earlier ones again");
        let incident = app.the_incident().await;
        assert_eq!((incident["owner"].is_null(), incident["raise"].as_i64()), (true, Some(1)));
        app.finish().await;
    }

    async fn taking_what_is_taken_shows_who_has_it(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.ann_goes_in(30).await;
        app.pass(46).await;
        let id = app.the_incident().await["id"].as_str().unwrap().to_owned();
        app.person("sam").post(&format!("/incidents/{id}/acknowledge"), json!({})).await.is_ok();
        let second = app.person("dee").post(&format!("/incidents/{id}/acknowledge"), json!({})).await;
        assert_eq!((second.status, second.body["owner"]["name"].as_str()), (200, Some("Sam Cole")));
        assert_eq!(app.log("incident", &id).await.iter().filter(|kind| *kind == "incident.acknowledged").count(), 1);
        app.finish().await;
    }

    async fn each_called_person_has_a_code_of_their_own(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.ann_goes_in(30).await;
        app.pass(46).await;
        let code = async |who: &str| app.person(who).get("/incidents").await.body["incidents"][0]["code"].as_str().unwrap().to_owned();
        let (sam, dee) = (code("sam").await, code("dee").await);
        assert!(app.texts("sam").await.iter().all(|text| text.contains(&sam)), "the same in every text");
        // A code is its person's: the other's means nothing.
        if sam != dee {
            app.person("dee").post(&format!("/incidents/{sam}/acknowledge"), json!({})).await.is_problem(404, "not-found");
        }
        let taken = app.person("dee").post(&format!("/incidents/{}/acknowledge", dee.to_lowercase()), json!({})).await;
        assert_eq!(taken.body["owner"]["name"], "Dee Park");
        app.finish().await;
    }

    async fn the_subject_neither_sees_takes_nor_closes_it(db: TestDb) {
        // Sam is a manager who visits; the incident is about Sam.
        let organisation = WESTSHIRE.replace("key = \"sam\"\nname = \"Sam Cole\"\nteam = \"north\"\nrole = \"manager\"", "key = \"sam\"\nname = \"Sam Cole\"\nteam = \"north\"\nrole = \"manager\"\nemergency_contacts = [\"ann\"]");
        assert_ne!(organisation, WESTSHIRE);
        let app = TestApp::with(&db, &organisation, |_| {}).await;
        let visit = app.person("sam").post("/visits", json!({"minutes": 30})).await.id();
        app.pass(40).await;
        let id = app.the_incident().await["id"].as_str().unwrap().to_owned();
        let sam = app.person("sam");
        sam.get(&format!("/incidents/{id}")).await.is_problem(404, "not-found");
        sam.get(&format!("/events?incident={id}")).await.is_problem(404, "not-found");
        assert_eq!(sam.get("/incidents").await.body["incidents"].as_array().unwrap().len(), 0);
        app.readers_have_caught_up().await;
        let events = sam.get("/events?limit=500").await;
        assert!(!events.body.to_string().contains("incident."), "{events:?}");
        assert!(sam.get(&format!("/visits/{visit}")).await.body.get("incident").is_none());
        let close = json!({"outcome": "safe_forgot", "known_by": "seen", "worker_now": "home", "note": "me"});
        for (act, body) in [("acknowledge", json!({})), ("note", json!({"note": "n"})), ("close", close), ("review", json!({"learned": "l", "action": "a"}))] {
            sam.post(&format!("/incidents/{id}/{act}"), body).await.is_problem(403, "about-yourself");
        }
        // Ann is called: she has an account, so she may take it; her role closes nothing until she does.
        let ann = app.person("ann");
        let taken = ann.post(&format!("/incidents/{id}/acknowledge"), json!({})).await;
        assert_eq!(taken.body["owner"]["name"], "Ann Lee", "{taken:?}");
        app.finish().await;
    }

    async fn who_may_take_and_close(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.ann_goes_in(30).await;
        app.pass(40).await;
        let id = app.the_incident().await["id"].as_str().unwrap().to_owned();
        let close = json!({"outcome": "false_alarm", "known_by": "seen", "worker_now": "office", "note": "n"});
        for (who, act, body, status) in [
            ("cas", "acknowledge", json!({}), 403), // sees the board, was not called
            ("ari", "acknowledge", json!({}), 403), // an auditor changes nothing
            ("ari", "note", json!({"note": "n"}), 403),
            ("cas", "note", json!({"note": "rang the office"}), 200),
            ("cas", "close", close.clone(), 403),
            ("una", "close", close.clone(), 200), // a manager above, without taking it first
            ("una", "close", close.clone(), 409),
            ("sam", "acknowledge", json!({}), 409),
        ] {
            let reply = app.person(who).post(&format!("/incidents/{id}/{act}"), body).await;
            assert_eq!(reply.status, status, "{who} {act}: {reply:?}");
            if status == 409 {
                assert_eq!(reply.body["state"], "closed");
            }
        }
        app.finish().await;
    }

    async fn nothing_closes_without_how_it_ended_and_where_the_worker_is(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.ann_goes_in(30).await;
        app.pass(40).await;
        let id = app.the_incident().await["id"].as_str().unwrap().to_owned();
        let whole = json!({"outcome": "safe_forgot", "known_by": "seen", "worker_now": "home", "note": "at home"});
        for field in ["outcome", "known_by", "worker_now", "note"] {
            let mut body = whole.clone();
            body.as_object_mut().unwrap().remove(field);
            let reply = app.person("sam").post(&format!("/incidents/{id}/close"), body).await;
            reply.is_problem(422, "invalid-field");
            assert_eq!(reply.body["field"], field, "{reply:?}");
        }
        for (field, value) in [("outcome", json!("fine")), ("worker_now", json!("mars")), ("note", json!("  ")), ("known_by", json!(7)), ("extra", json!(1))] {
            let mut body = whole.clone();
            body[field] = value;
            let reply = app.person("sam").post(&format!("/incidents/{id}/close"), body).await;
            reply.is_problem(422, "invalid-field");
            assert_eq!(reply.body["field"], field, "{reply:?}");
        }
        assert_eq!(app.open_incidents().await, 1, "nothing half done");
        app.finish().await;
    }

    async fn a_worker_who_is_still_there_is_watched_on(db: TestDb) {
        let app = TestApp::start(&db).await;
        let visit = app.ann_goes_in(30).await;
        app.pass(40).await;
        let id = app.the_incident().await["id"].as_str().unwrap().to_owned();
        let close = |minutes| json!({"outcome": "safe_delayed", "known_by": "spoke_by_voice", "worker_now": "still_there", "minutes": minutes, "note": "kettle on"});
        for minutes in [0, 61, -5] {
            app.person("sam").post(&format!("/incidents/{id}/close"), close(minutes)).await.is_problem(422, "invalid-field");
        }
        app.person("sam").post(&format!("/incidents/{id}/close"), close(30)).await.is_ok();
        let shown = app.person("ann").get(&format!("/visits/{visit}")).await;
        assert_eq!((shown.body["state"].as_str(), shown.message()), (Some("begun"), "Watching you till 13:10. Check out with your PIN when you leave."));
        app.pass(41).await;
        assert_ne!(app.the_incident().await["id"], id.as_str(), "missed again, raised again");
        app.finish().await;
    }

    async fn a_worker_who_is_still_there_though_the_visit_was_ended_is_watched_again(db: TestDb) {
        let app = TestApp::start(&db).await;
        let visit = app.ann_goes_in(30).await;
        app.pass(41).await;
        app.person("ann").post(&format!("/visits/{visit}/check-out"), json!({"pin": "4821"})).await.is_ok();
        let id = app.the_incident().await["id"].as_str().unwrap().to_owned();
        let close = json!({"outcome": "safe_delayed", "known_by": "spoke_by_voice", "worker_now": "still_there", "minutes": 20, "note": "pressed too early"});
        app.person("sam").post(&format!("/incidents/{id}/close"), close).await.is_ok();
        let shown = app.person("ann").get(&format!("/visits/{visit}")).await;
        assert_eq!((shown.body["state"].as_str(), shown.message()), (Some("begun"), "Watching you till 13:01. Check out with your PIN when you leave."));
        app.work().await;
        assert_eq!(app.texts("ann").await.last().unwrap(), "Sam Cole extended your visit: watched till 13:01. They say: spoke to you. Not right? Start again or ring your manager.");
        app.pass(31).await;
        assert_eq!(app.open_incidents().await, 1, "missed again, raised again");
        app.finish().await;
    }

    async fn the_worker_who_checks_out_after_the_alarm_has_to_be_confirmed_by_a_person(db: TestDb) {
        let app = TestApp::start(&db).await;
        let visit = app.ann_goes_in(30).await;
        app.pass(41).await;
        let out = app.person("ann").post(&format!("/visits/{visit}/check-out"), json!({"pin": "4821"})).await;
        assert_eq!((out.body["state"].as_str(), out.body["ended_how"].as_str()), (Some("ended"), Some("after_alarm")));
        assert_eq!(out.message(), "Ended at 12:41. Others had been told that you were overdue: somebody will ring you to be sure.");
        app.work().await;
        assert_eq!(app.texts("sam").await.last().unwrap(), "Ann Lee reports safe, PIN right. Not confirmed: speak to Ann Lee, then close the alarm. Else it is raised again.");
        let calls = app.said().await.len();
        app.pass(29).await;
        assert_eq!(app.said().await.len(), calls, "the ladder waits");
        app.pass(1).await;
        assert!(app.texts("sam").await.last().unwrap().starts_with("NOT CONFIRMED: OVERDUE: Ann Lee"), "{:?}", app.texts("sam").await);
        assert_eq!(app.the_incident().await["worker_reports"], "none");
        app.finish().await;
    }

    async fn more_time_during_an_alarm_pauses_the_ladder_until_then(db: TestDb) {
        let app = TestApp::start(&db).await;
        let visit = app.ann_goes_in(30).await;
        app.pass(41).await;
        let more = app.person("ann").post(&format!("/visits/{visit}/extend"), json!({"minutes": 20, "pin": "4821"})).await;
        assert_eq!(more.body["state"], "begun", "{more:?}");
        let incident = app.the_incident().await;
        assert_eq!(incident["worker_reports"], "safe_inside");
        app.pass(19).await;
        assert!(app.texts("dee").await.is_empty());
        app.pass(1).await;
        assert!(app.texts("dee").await[0].starts_with("NOT CONFIRMED"), "said to be inside till 13:01 and nobody confirmed it");
        // In the same raise a second word from the worker pauses; in the one before it did once.
        app.finish().await;
    }

    async fn what_fell_due_while_the_service_was_down_is_raised_when_it_is_up(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.ann_goes_in(30).await;
        app.pass(5).await;
        app.down_for(120);
        app.work().await;
        let incident = app.the_incident().await;
        assert_eq!(incident["after_outage"], true);
        assert_eq!(app.texts("sam").await.len(), 1, "staff are told at once");
        assert!(app.texts("jo").await.is_empty(), "outside contacts wait five minutes");
        assert_eq!(app.texts("ann").await, ["You were due out 12:30. Homeward was down and could not ask. Others are being told. Out? Check out with your PIN now."]);
        app.pass(5).await;
        assert_eq!((app.texts("jo").await.len(), app.texts("dee").await.len()), (1, 1), "the ladder counts from the opening");
        let log = app.everything_that_happened().await;
        assert!(log.body.to_string().contains("service.was_down"), "{log:?}");
        let opened = log.body["events"].as_array().unwrap().iter().find(|event| event["kind"] == "incident.opened").unwrap().clone();
        assert_eq!(opened["body"]["late_by_seconds"], 95 * 60);
        app.finish().await;
    }

    async fn after_an_outage_a_manager_gets_one_list(db: TestDb) {
        let app = TestApp::with(&db, &five_workers(), |_| {}).await;
        for n in 1..=5 {
            app.person(&format!("w{n}")).post("/visits", json!({"minutes": 30})).await.is_ok();
        }
        app.down_for(60);
        app.work().await;
        assert_eq!(app.open_incidents().await, 5);
        let texts = app.texts("sam").await;
        assert_eq!(texts.len(), 2, "three names in a text: {texts:?}");
        assert!(texts.iter().all(|text| text.starts_with("OVERDUE (was down): Worker Number") && text.len() <= 160), "{texts:?}");
        let mails: Vec<_> = app.said().await.into_iter().filter(|said| said.to == "sam" && said.channel == Channel::Email).collect();
        assert_eq!(mails.len(), 1);
        for n in 1..=5 {
            assert!(mails[0].text.contains(&format!("Worker Number {n}, due out 12:30, code ")), "{}", mails[0].text);
        }
        app.finish().await;
    }

    async fn many_due_together_are_called_by_lists_and_one_code_takes_all_that_a_list_names(db: TestDb) {
        let app = TestApp::with(&db, &five_workers(), |config| config.answering.by_text = true).await;
        for n in 1..=5 {
            app.person(&format!("w{n}")).post("/visits", json!({"minutes": 30})).await.is_ok();
        }
        app.pass(40).await;
        assert_eq!(app.open_incidents().await, 5);
        let texts = app.texts("sam").await;
        assert_eq!(texts.len(), 2, "five alarms, two texts: {texts:?}");
        assert!(texts.iter().all(|text| text.starts_with("OVERDUE: Worker Number") && text.contains("ACK ALL") && text.len() <= 160), "{texts:?}");
        assert_eq!(app.texts("jo").await.len(), 5, "outside contacts read of their own worker alone");
        // The text that names three; one of them calls for help meanwhile, and is no part of any list then.
        let three = texts.iter().find(|text| text.matches("Worker").count() == 3).unwrap();
        let code = three.rsplit_once("ACK ALL ").unwrap().1.trim_end_matches('.');
        let named: Vec<usize> = (1..=5).filter(|n| three.contains(&format!("Worker Number {n}"))).collect();
        let last = named[2];
        app.person(&format!("w{last}")).post("/sos", json!({})).await;
        app.work().await;
        let say = async |text: String| {
            let reply = app.person("sam").post("/text", json!({ "text": text })).await;
            reply.is_ok().body["reply"].as_str().unwrap().to_owned()
        };
        assert!(say("ACK ALL".into()).await.starts_with("NOTHING taken"));
        assert!(say("ACK ALL ZZZZ".into()).await.starts_with("NOTHING taken"));
        let said = say(format!("ACK ALL {code}")).await;
        assert!(said.starts_with("You have 2 alarms until") && said.contains("NOT taken: 1"), "{said}");
        let open = app.person("una").get("/incidents?state=open").await.body["incidents"].as_array().unwrap().clone();
        for incident in &open {
            let headline = incident["headline"].as_str().unwrap();
            let number = (1..=5).find(|n| headline.contains(&format!("Worker Number {n}"))).unwrap();
            let taken = incident["owner"] != Value::Null;
            assert_eq!(taken, named[..2].contains(&number), "{number}: {incident}");
        }
        // Said again it takes nothing more, and says the same.
        assert_eq!(say(format!("ACK ALL {code}")).await, said);
        app.work().await;
        app.finish().await;
    }

    async fn a_step_that_reaches_nobody_is_skipped_at_once(db: TestDb) {
        let organisation = format!("{WESTSHIRE}
            [[ladder]]
            risk = \"normal\"
            repeat_every = \"5m\"
            steps = [
              {{ after = \"0s\", tell = [\"person:cas\"], by = [\"sms\"] }},
              {{ after = \"5m\", tell = [\"duty_manager\"] }},
            ]");
        let app = TestApp::with(&db, &organisation, |_| {}).await;
        app.ann_goes_in(30).await;
        app.pass(40).await;
        assert_eq!(app.texts("dee").await.len(), 1, "Cas has no phone: the next step in the same tick");
        let id = app.the_incident().await["id"].as_str().unwrap().to_owned();
        assert!(app.log("incident", &id).await.contains(&"incident.step_skipped".to_owned()));
        app.finish().await;
    }

    async fn a_round_that_reaches_nobody_goes_to_the_last_resort(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.ann_goes_in(30).await;
        // Everybody leaves while the visit runs.
        let mut gone = WESTSHIRE.to_owned();
        for key in ["jo", "sam", "dee", "una", "cas"] {
            gone = gone.replace(&format!("key = \"{key}\"\n"), &format!("key = \"{key}\"\nleft = true\n"));
        }
        gone = gone.replace("role = \"worker\"", "role = \"case_administrator\"").replace("duty_manager = \"dee\"", "");
        crate::support::app::apply(app.db(), &gone, homeward::domain::policy::Policy::default(), app.now()).await;
        app.pass(40).await;
        let last_resort: Vec<_> = app.said().await.into_iter().filter(|said| said.to.starts_with("+447700900")).collect();
        assert_eq!(last_resort.len(), 2, "{last_resort:?}");
        assert!(last_resort[0].text.starts_with("OVERDUE: Ann Lee due out 12:30"));
        let list = app.person("ari").get("/incidents?state=open").await;
        assert_eq!(list.body["incidents"][0]["reached_nobody"], true);
        app.pass(5).await;
        assert_eq!(app.said().await.iter().filter(|said| said.to.starts_with("+447700900")).count(), 4, "and again");
        app.finish().await;
    }

    async fn high_risk_has_no_grace(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        app.person("ann").post("/visits", json!({"minutes": 30, "risk": "high", "no_signal_expected": true})).await.is_ok();
        app.pass(29).await;
        assert_eq!(app.texts("ann").await.len(), 2, "10 and 3 minutes before");
        assert_eq!(app.open_incidents().await, 0);
        app.pass(1).await;
        assert_eq!(app.texts("sam").await.len(), 1);
        let mail = app.said().await.into_iter().find(|said| said.to == "sam" && said.channel == Channel::Email).unwrap();
        assert!(mail.text.contains("high risk") && mail.text.contains("No signal was expected"), "{}", mail.text);
        app.finish().await;
    }
}
