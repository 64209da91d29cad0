//! What is said late, for somebody else, or afterwards (rows V1, V2, V13, V15).

use serde_json::json;

use crate::support::{app::TestApp, on_both};

on_both! {
    async fn what_was_said_earlier_counts_from_then(db: TestDb) {
        let app = TestApp::start(&db).await;
        let visit = app.ann_goes_in(30).await;
        app.pass(35).await;
        // An extension said at 12:10 that arrives at 12:35: from the deadline as it was, not from now.
        let more = app.person("ann").post(&format!("/visits/{visit}/extend"), json!({"minutes": 15, "pin": "4821", "made_at": app.at("12:10")})).await;
        assert_eq!(more.is_ok().body["expected_departure"], json!("2026-01-14T12:45:00Z"));
        // "Fine" said at 12:20 is last contact, not ten minutes more.
        let fine = app.person("ann").post(&format!("/visits/{visit}/check-in"), json!({"pin": "4821", "made_at": app.at("12:20")})).await;
        assert_eq!(fine.is_ok().body["expected_departure"], json!("2026-01-14T12:45:00Z"));
        app.pass(10).await;
        let fine = app.person("ann").post(&format!("/visits/{visit}/check-in"), json!({"pin": "4821", "made_at": app.at("12:45")})).await;
        assert_eq!(fine.is_ok().body["expected_departure"], json!("2026-01-14T12:55:00Z"), "ten minutes from when it was said");
        // Out at 12:50, heard of at 13:06 when people had been told: both times are kept.
        app.pass(21).await;
        assert_eq!(app.open_incidents().await, 1);
        let out = app.person("ann").post(&format!("/visits/{visit}/check-out"), json!({"pin": "4821", "made_at": app.at("12:50")})).await;
        assert_eq!(out.is_ok().body["ended_at"], json!("2026-01-14T12:50:00Z"));
        assert_eq!(app.the_incident().await["worker_reports"], "reports_safe");
        let events = app.person("ari").get(&format!("/events?visit={visit}&limit=500")).await;
        let ended = events.body["events"].as_array().unwrap().iter().find(|event| event["kind"] == "visit.ended").unwrap().clone();
        assert_eq!((ended["happened_at"].as_str(), ended["learned_at"].as_str()), (Some("2026-01-14T12:50:00Z"), Some("2026-01-14T13:06:00Z")));
        app.finish().await;
    }

    async fn a_text_that_was_sent_before_a_visit_began_does_not_end_it(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        app.pass(30).await;
        app.text("ann", "IN 60").await;
        let late = app.person("ann").post("/text", json!({"text": "OUT 4821", "made_at": app.at("12:10")})).await;
        assert_eq!(late.body["reply"], "Nothing done: sent 12:10, before your visit began. Still watching till 13:30. Wrong time? Your manager is told.");
        // However long it was on its way: yesterday's "out" is not today's.
        for (text, made_at, sent) in [
            ("OUT 4821", "2026-01-13T17:30:00Z", "17:30 Tue"),
            ("MORE 120 4821", "2026-01-13T17:30:00Z", "17:30 Tue"),
            ("OK 4821", "1066-10-14T09:00:00Z", "12:30 Mon"),
        ] {
            let late = app.person("ann").post("/text", json!({"text": text, "made_at": made_at})).await;
            assert_eq!(late.is_ok().body["reply"], format!("Nothing done: sent {sent}, before your visit began. Still watching till 13:30. Wrong time? Your manager is told."), "{text}");
        }
        app.work().await;
        assert!(app.texts("sam").await.contains(&"Ann Lee is on a visit and sent a text that Homeward could not read. It stands in Homeward. Ring Ann Lee.".to_owned()));
        assert_eq!(app.text("ann", "STATUS").await, "Watching you till 13:30.");
        // A start that had run out before it arrived is watched and asked about.
        app.text("ann", "OUT 4821").await;
        let late = app.person("ann").post("/text", json!({"text": "IN 15 9 Quay Road", "made_at": app.at("12:10")})).await;
        assert_eq!(late.body["reply"], "You are watched, and were due out 12:30. Out? Reply OUT and your PIN. Not yet? MORE 30 and your PIN.");
        app.finish().await;
    }

    async fn a_start_that_comes_late_and_twice_is_one_visit(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.pass(60).await;
        let start = json!({"place": "12 High St", "minutes": 15, "made_at": app.at("12:20")});
        let visit = app.person("ann").post("/visits", start.clone()).await.id();
        app.pass(1).await;
        assert_eq!(app.person("ann").post("/visits", start).await.is_ok().id(), visit);
        // From when it was said an odd end counts too.
        let odd = app.person("ann").post("/visits", json!({"place": "9 Quay Road", "minutes": 10000, "made_at": app.at("12:50")})).await;
        assert_eq!(odd.body["expected_departure"], json!("2026-01-14T13:50:00Z"));
        app.finish().await;
    }

    async fn the_worker_objects_to_a_close_too(db: TestDb) {
        let app = TestApp::start(&db).await;
        let visit = app.ann_goes_in(10).await;
        app.pass(20).await;
        let id = app.the_incident().await["id"].as_str().unwrap().to_owned();
        app.person("sam").post(&format!("/incidents/{id}/close"), json!({"outcome": "safe_forgot", "known_by": "spoke_by_voice", "worker_now": "home", "note": "n"})).await.is_ok();
        app.work().await;
        assert_eq!(app.text("ann", "still in").await, "Watching you till 13:20. Your manager is told. Reply OUT and your PIN when you leave.");
        assert!(app.texts("sam").await.contains(&"Ann Lee says that what Sam Cole did for them is not right: still on the visit, watched till 13:20. Ring Ann Lee.".to_owned()));
        assert_eq!(app.person("ann").get(&format!("/visits/{visit}")).await.body["state"], "begun");
        // Said again nothing fits, and nobody believes anything wrong.
        assert_eq!(app.text("ann", "still in").await, "Still watching till 13:20. Staying longer? Reply MORE 30 and your PIN.");
        app.text("ann", "OUT 4821").await;
        assert_eq!(app.text("ann", "still in").await, "Nobody has ended a visit for you. You are NOT being watched; your manager is told. In a visit? Reply IN 60.");
        assert!(app.texts("sam").await.contains(&"A start by Ann Lee could not be read: Ann Lee is NOT BEING WATCHED. Ring them.".to_owned()));
        app.finish().await;
    }

    async fn the_worker_objects_to_what_others_did(db: TestDb) {
        let app = TestApp::start(&db).await;
        let visit = app.ann_goes_in(60).await;
        app.person("ann").post(&format!("/visits/{visit}/object"), json!({})).await.is_problem(409, "wrong-state");
        app.person("cas").post(&format!("/visits/{visit}/check-out"), json!({"known_by": "spoke_by_voice"})).await.is_ok();
        app.work().await;
        assert_eq!(app.texts("ann").await.last().unwrap(), "Cas Moss ended your visit: you are not watched. They say: spoke to you. Not right? Start again or ring your manager.");
        app.person("cas").post(&format!("/visits/{visit}/object"), json!({})).await.is_problem(403, "worker-only");
        app.pass(10).await;
        assert_eq!(app.text("ann", "still in").await, "Watching you till 13:00. Your manager is told. Reply OUT and your PIN when you leave.");
        assert_eq!(app.texts("sam").await, ["Ann Lee says that what Cas Moss did for them is not right: still on the visit, watched till 13:00. Ring Ann Lee."]);
        // Extended by others: half an hour in all without a word from the worker, and the worker can take it back.
        for (minutes, status) in [(20, 200), (20, 200), (20, 409)] {
            let more = app.person("sam").post(&format!("/visits/{visit}/extend"), json!({"minutes": minutes, "known_by": "seen"})).await;
            assert_eq!(more.status, status, "{more:?}");
        }
        assert_eq!(app.text("ann", "STATUS").await, "Watching you till 13:30.");
        assert!(app.text("ann", "NOT OUT").await.starts_with("Watching you till 13:00."));
        app.pass(61).await;
        assert_eq!(app.open_incidents().await, 1);
        app.finish().await;
    }

    async fn a_visit_is_put_on_record_afterwards(db: TestDb) {
        let app = TestApp::start(&db).await;
        let past = json!({"place": "12 High St", "arrived_at": app.at("09:00"), "left_at": app.at("10:00"), "reason": "Phone was flat.", "outcome": "seen", "work_undertaken": "Spoke about work."});
        let kept = app.person("ann").post("/past-visits", past.clone()).await;
        assert_eq!((kept.status, kept.body["state"].as_str(), kept.message()), (201, Some("recorded"), "On record. Nobody had watched it; your manager is told."));
        app.work().await;
        assert_eq!(app.texts("sam").await, ["Ann Lee has put on record a visit of Ann Lee at 09:00 that nobody had watched. The reason stands in Homeward."]);
        for (field, value) in [("left_at", json!("2026-01-14T12:30:00Z")), ("left_at", json!("2026-01-14T08:30:00Z")), ("arrived_at", json!("2024-01-14T08:30:00Z")), ("worker", json!("una"))] {
            let mut wrong = past.clone();
            wrong[field] = value;
            app.person("ann").post("/past-visits", wrong).await.is_problem(422, "invalid-field");
        }
        app.pass(30).await;
        assert_eq!(app.open_incidents().await, 0);
        app.finish().await;
    }

    async fn what_is_missing_is_asked_for_each_day(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        let mut visits = Vec::new();
        for minutes in [10, 20] {
            let visit = app.person("ann").post("/visits", json!({"minutes": minutes, "place": format!("{minutes} High St")})).await.id();
            app.person("ann").post(&format!("/visits/{visit}/check-out"), json!({"pin": "4821"})).await.is_ok();
            visits.push(visit);
        }
        for (day, ann, sam) in [("15", 1, 0), ("16", 2, 0), ("17", 3, 1)] {
            app.clock.set(format!("2026-01-{day}T08:59:00Z").parse().unwrap());
            app.work().await;
            app.pass(3).await;
            assert_eq!((app.texts("ann").await.len(), app.texts("sam").await.len()), (ann, sam), "day {day}");
        }
        assert_eq!(app.texts("ann").await[0], "2 visits, the first ended Wed 12:10, have no outcome or work undertaken yet. Please record it in Homeward.".replace("Wed 12:10", "12:10 Wed"));
        assert!(app.texts("sam").await[0].starts_with("Ann Lee: 2 visits, the first ended"), "{:?}", app.texts("sam").await);
        for visit in visits {
            app.person("ann").post(&format!("/visits/{visit}/record"), json!({"outcome": "not_in", "work_undertaken": "Left a card."})).await.is_ok();
        }
        app.clock.set("2026-01-18T09:01:00Z".parse().unwrap());
        app.work().await;
        assert_eq!(app.texts("ann").await.len(), 3, "nothing is missing any more");
        app.finish().await;
    }

    async fn whoever_was_seen_out_of_a_plan_by_others_is_asked_whether_it_was_made(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        let plan = json!({"place": "a", "expected_arrival": app.at("12:05"), "minutes": 30});
        let visit = app.person("ann").post("/visits", plan).await.is_ok().id();
        app.pass(10).await;
        app.person("sam").post(&format!("/visits/{visit}/check-out"), json!({"known_by": "seen"})).await.is_ok();
        let before = app.texts("ann").await.len();
        app.clock.set("2026-01-15T09:01:00Z".parse().unwrap());
        app.work().await;
        let texts = app.texts("ann").await;
        assert!(texts.len() == before + 1 && texts[before].contains("no outcome or work undertaken yet"), "{texts:?}");
        app.person("ann").post(&format!("/visits/{visit}/record"), json!({"outcome": "other", "work_undertaken": "Did not go."})).await.is_ok();
        app.clock.set("2026-01-16T09:01:00Z".parse().unwrap());
        app.work().await;
        assert_eq!(app.texts("ann").await.len(), before + 1, "it was not made: nothing is missing");
        app.finish().await;
    }

    async fn next_said_anew_begins_the_next_one(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        let ann = app.person("ann");
        let mut plans = Vec::new();
        for (place, arrival) in [("12 High St", "12:01"), ("9 Oak St", "12:12")] {
            let plan = json!({"place": place, "expected_arrival": app.at(arrival), "minutes": 30});
            plans.push(ann.post("/visits", plan).await.is_ok().id());
        }
        let states = async || {
            let mut all = Vec::new();
            for id in &plans {
                all.push(ann.get(&format!("/visits/{id}")).await.body["state"].as_str().unwrap().to_owned());
            }
            all
        };
        app.text("ann", "IN 30 12 High St").await;
        app.pass(1).await;
        // Two networks, one text.
        app.text("ann", "IN 30 NEXT").await;
        assert_eq!(states().await, ["begun", "planned"]);
        // Nobody was in.
        app.pass(4).await;
        app.text("ann", "IN 30 NEXT").await;
        assert_eq!(states().await, ["begun", "begun"]);
        app.finish().await;
    }

    async fn what_begins_a_plan_and_is_said_twice_is_one_visit(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        let ann = app.person("ann");
        let words = ["IN 90 NEXT", "IN NEXT", "IN 30 NEXT room 4", "IN 30 hope hostel", "IN 30 A123451 cheers"];
        for (at, words) in words.into_iter().enumerate() {
            let arrival = app.now() + chrono::TimeDelta::minutes(5);
            let plan = json!({"place": "Hope Hostel", "case_reference": "A123451", "purpose": "review", "expected_arrival": arrival, "minutes": 60, "check_every_minutes": 50});
            let planned = ann.post("/visits", plan).await.is_ok().id();
            let first = app.text("ann", words).await;
            app.pass(2).await;
            // No answer came to the phone.
            let second = app.text("ann", words).await;
            assert_eq!(first.get(..26), second.get(..26), "{at}: {words}");
            let visits = ann.get("/visits").await.body["visits"].clone();
            let begun: Vec<_> = visits.as_array().unwrap().iter().filter(|visit| visit["state"] == "begun").collect();
            assert!(begun.len() == 1 && begun[0]["id"] == planned.as_str(), "{words}: {begun:?}");
            ann.post(&format!("/visits/{planned}/check-out"), json!({"pin": "4821"})).await.is_ok();
        }
        app.finish().await;
    }
}
