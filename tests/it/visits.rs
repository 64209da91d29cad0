//! What a worker does (rows V1, V2, V3, V11, V12).

use homeward::domain::contact::Channel;
use serde_json::{Value, json};

use crate::store::execute;
use crate::support::{
    app::{Reply, TestApp},
    on_both,
};

fn warnings(reply: &Reply) -> Vec<String> {
    reply.body["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|warning| warning["message"].as_str().unwrap().to_owned())
        .collect()
}

fn fields(reply: &Reply) -> Vec<Value> {
    reply.body["warnings"].as_array().unwrap().iter().map(|warning| warning["field"].clone()).collect()
}

on_both! {
    async fn a_start_is_watched_whatever_is_missing_or_odd(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        let ann = app.person("ann");
        // Each with the departure that it gets; nothing is ever refused.
        for (body, departure) in [
            (json!({"place": "a", "minutes": 45}), "12:45"),
            (json!({"place": "b", "expected_departure": "2026-01-14T14:00:00Z"}), "14:00"),
            (json!({"place": "c"}), "13:00"),                                             // no end: the default
            (json!({"place": "d", "expected_departure": "2026-01-14T11:00:00Z"}), "13:00"), // past
            (json!({"place": "e", "expected_departure": "2026-01-15T12:00:00Z"}), "13:00"), // absurd
            (json!({"place": "f", "minutes": 0}), "13:00"),
            (json!({"place": "g", "minutes": 10_000}), "13:00"),
            (json!({"place": "h", "minutes": "ten"}), "13:00"),
            (json!({"place": 7, "minutes": 30, "colour": "red"}), "12:30"),
            (json!({"place": "i", "minutes": 30, "risk": "extreme", "visiting": "cat"}), "12:30"),
            (json!([1, 2, 3]), "13:00"),
            (json!({"purpose": "x".repeat(5000), "minutes": 31}), "12:31"),
        ] {
            let reply = ann.post("/visits", body.clone()).await;
            assert_eq!((reply.status, reply.body["state"].as_str()), (201, Some("begun")), "{body}: {reply:?}");
            assert_eq!(reply.body["expected_departure"], json!(app.at(departure).to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)), "{body}");
            assert_eq!(reply.message(), format!("Watching you till {departure}. Check out with your PIN when you leave."));
        }
        let empty = app.person("cas").post_raw("/visits", "").await;
        assert_eq!(empty.status, 201, "an empty body is a start without an end");
        let odd = ann.post("/visits", json!({"place": 7, "minutes": 20, "colour": "red"})).await;
        let fields = fields(&odd);
        assert!(fields.contains(&json!("place")) && fields.contains(&json!("colour")), "{odd:?}");
        assert!(warnings(&odd).iter().any(|warning| warning.contains("another visit of yours is running")), "{odd:?}");
        app.finish().await;
    }

    async fn what_cannot_be_read_at_all_says_that_nobody_watches_and_tells_the_manager(db: TestDb) {
        let app = TestApp::start(&db).await;
        for body in [b"{\"place\": ".to_vec(), b"\xff\xfe{}".to_vec(), b"going in".to_vec()] {
            let reply = app.person("ann").post_raw("/visits", body).await;
            reply.is_problem(400, "not-being-watched");
            assert!(reply.body["detail"].as_str().unwrap().starts_with("YOU ARE NOT BEING WATCHED"));
        }
        let large = app.person("ann").post_raw("/visits", vec![b' '; 70_000]).await;
        large.is_problem(413, "not-being-watched");
        app.work().await;
        assert!(!app.texts("sam").await.is_empty());
        assert_eq!(app.texts("sam").await[0], "A start by Ann Lee could not be read: Ann Lee is NOT BEING WATCHED. Ring them.");
        let log = app.everything_that_happened().await;
        assert_eq!(log.body.to_string().matches("start.unreadable").count(), 4);
        app.finish().await;
    }

    async fn a_policy_of_a_newer_version_refuses_no_start_and_no_check_out(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        let newer = "UPDATE team SET policy = '{\"default_visit\": \"45m\", \"colour\": \"red\", \"pin_by_text\": \"sometimes\"}'";
        assert!(execute(app.db(), newer).await.unwrap() > 0);
        let start = app.person("ann").post("/visits", json!({"place": "12 High St"})).await;
        assert_eq!((start.status, start.message()), (201, "Watching you till 12:45. Check out with your PIN when you leave."), "what can be read of it counts");
        let out = app.person("ann").post("/text", json!({"text": "OUT"})).await;
        assert_eq!(out.is_ok().body["reply"], "Not ended: PIN needed. Still watching till 12:45. Reply OUT and your PIN.", "and the stricter stands in for the rest");
        app.person("ann").post(&format!("/visits/{}/check-out", start.id()), json!({"pin": "4821"})).await.is_ok();
        app.finish().await;
    }

    async fn the_same_words_within_ten_minutes_are_the_same_visit(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        let words = json!({"place": "12 High St", "minutes": 60});
        let first = app.person("ann").post("/visits", words.clone()).await;
        app.pass(5).await;
        let again = app.person("ann").post("/visits", words.clone()).await;
        assert_eq!((again.status, again.id()), (200, first.id()));
        assert_eq!(again.body["expected_departure"], first.body["expected_departure"]);
        let other = app.person("ann").post("/visits", json!({"place": "14 High St", "minutes": 60})).await;
        assert_eq!(other.status, 201);
        app.pass(6).await;
        let later = app.person("ann").post("/visits", words.clone()).await;
        assert_eq!(later.status, 201, "after ten minutes it is another visit");
        // Once it has ended the same words begin a new one.
        app.person("ann").post(&format!("/visits/{}/check-out", later.id()), json!({"pin": "4821"})).await.is_ok();
        assert_eq!(app.person("ann").post("/visits", words).await.status, 201);
        app.finish().await;
    }

    async fn a_plan_is_not_watched_until_it_begins(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        let ann = app.person("ann");
        let plan = json!({"place": "12 High St", "expected_arrival": app.at("13:00"), "expected_departure": app.at("14:00")});
        let planned = ann.post("/visits", plan).await;
        assert_eq!((planned.status, planned.body["state"].as_str()), (201, Some("planned")));
        assert_eq!(planned.message(), "Planned for 13:00. You are not watched until you start.");
        let id = planned.id();
        for (act, body) in [("check-in", json!({"pin": "4821"})), ("extend", json!({"minutes": 5, "pin": "4821"}))] {
            let reply = ann.post(&format!("/visits/{id}/{act}"), body).await;
            assert_eq!(reply.is_problem(409, "wrong-state").body["state"], "planned");
        }
        app.pass(65).await;
        let arrived = ann.post(&format!("/visits/{id}/arrive"), json!({})).await;
        assert_eq!(arrived.message(), "Watching you till 14:00. Check out with your PIN when you leave.");
        assert_eq!(arrived.body["arrived_at"], json!(app.now()));
        app.finish().await;
    }

    async fn a_plan_with_times_that_cannot_be_is_refused(db: TestDb) {
        let app = TestApp::start(&db).await;
        for (arrival, departure) in [("13:00", "12:30"), ("13:00", "13:00")] {
            let plan = json!({"expected_arrival": app.at(arrival), "expected_departure": app.at(departure)});
            let reply = app.person("ann").post("/visits", plan).await;
            assert_eq!(reply.is_problem(422, "invalid-field").body["field"], "expected_departure");
        }
        let long = json!({"expected_arrival": app.at("13:00"), "minutes": 800});
        app.person("ann").post("/visits", long).await.is_problem(422, "invalid-field");
        let far = json!({"expected_arrival": "2028-01-14T12:00:00Z", "minutes": 30});
        app.person("ann").post("/visits", far).await.is_problem(422, "invalid-field");
        assert_eq!(app.person("ann").get("/visits").await.body["visits"], json!([]), "nothing half done");
        app.finish().await;
    }

    async fn a_start_that_matches_a_plan_is_its_arrival_and_the_earlier_deadline_wins(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        let plan = json!({"place": "12 High Street", "purpose": "review", "expected_arrival": app.at("12:40"), "minutes": 60});
        let planned = app.person("ann").post("/visits", plan).await;
        let started = app.person("ann").post("/visits", json!({"place": "12 high street.", "minutes": 300})).await;
        assert_eq!((started.id(), started.body["state"].as_str()), (planned.id(), Some("begun")));
        assert_eq!(started.message(), "Watching you till 13:40. Check out with your PIN when you leave.");
        assert_eq!(started.body["purpose"], "review");
        app.finish().await;
    }

    async fn two_cases_at_one_place_are_two_visits(db: TestDb) {
        let app = TestApp::start(&db).await;
        let ann = app.person("ann");
        let plan = json!({"place": "Hope Hostel", "case_reference": "A123451", "expected_arrival": app.at("12:30"), "minutes": 60});
        let planned = ann.post("/visits", plan).await.is_ok().id();
        let other = ann.post("/visits", json!({"place": "Hope Hostel", "case_reference": "B123452", "minutes": 20})).await;
        assert_eq!((other.status, other.body["case_reference"].as_str()), (201, Some("B123452")), "{other:?}");
        assert_eq!(ann.get(&format!("/visits/{planned}")).await.body["state"], "planned");
        // What was not planned is added; where they say that they are stands beside what they had planned.
        let begun = ann.post("/visits", json!({"place": "Hope Hostel, room 4", "case_reference": "a 123451", "visiting": "tenant", "minutes": 20})).await;
        assert_eq!((begun.id(), begun.body["visiting"].as_str()), (planned.clone(), Some("tenant")), "{begun:?}");
        let shown = ann.get(&format!("/visits/{planned}")).await.body;
        assert_eq!((&shown["place"], &shown["place_said"], &shown["case_reference"]), (&json!("Hope Hostel"), &json!("Hope Hostel, room 4"), &json!("A123451")));
        app.finish().await;
    }

    async fn whoever_looks_for_them_reads_the_planned_place_and_what_was_said_at_the_door(db: TestDb) {
        let app = TestApp::start(&db).await;
        let ann = app.person("ann");
        let plan = json!({"place": "Flat 3, 12 Elm Row", "case_reference": "A123451", "expected_arrival": app.at("12:10"), "minutes": 60});
        let planned = ann.post("/visits", plan).await.is_ok().id();
        // NEXT with another case is not what was planned next.
        let elsewhere = app.text("ann", "IN 20 B123452 NEXT").await;
        assert!(elsewhere.starts_with("Watching you till 12:20."), "{elsewhere}");
        assert_eq!(ann.get(&format!("/visits/{planned}")).await.body["state"], "planned");
        app.pass(1).await;
        assert!(app.text("ann", "IN 30 NEXT thanks").await.starts_with("Watching you till 12:31."));
        assert_eq!(ann.get(&format!("/visits/{planned}")).await.body["state"], "begun");
        app.text("ann", "SOS").await;
        app.work().await;
        let alarm = app.the_incident_as("sam").await;
        assert_eq!((&alarm["place"], &alarm["place_said"]), (&json!("Flat 3, 12 Elm Row"), &json!("thanks")));
        let answer = app.text("sam", &format!("WHERE {}", alarm["code"].as_str().unwrap())).await;
        assert!(answer.starts_with("Ann Lee: Flat 3, 12 Elm Row (said at the door: thanks)."), "{answer}");
        app.finish().await;
    }

    async fn two_plans_that_fit_are_asked_about(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        for arrival in ["12:20", "12:50"] {
            let plan = json!({"place": "12 High St", "expected_arrival": app.at(arrival), "minutes": 20});
            app.person("ann").post("/visits", plan).await.is_ok();
        }
        let started = app.person("ann").post("/visits", json!({"place": "12 High St", "minutes": 20})).await;
        assert_eq!(started.status, 201, "a new visit, watched");
        assert!(warnings(&started).iter().any(|warning| warning.contains("Which one is it?")), "{started:?}");
        app.finish().await;
    }

    async fn a_late_command_counts_from_when_it_was_made(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        let late = app.person("ann").post("/visits", json!({"place": "a", "minutes": 60, "made_at": app.at("11:40")})).await;
        assert_eq!(late.message(), "Watching you till 12:40. Check out with your PIN when you leave.");
        assert_eq!(late.body["arrived_at"], json!(app.at("11:40")));
        let run_out = app.person("ann").post("/visits", json!({"place": "b", "minutes": 30, "made_at": app.at("11:00")})).await;
        assert_eq!((run_out.status, run_out.body["overdue"].as_bool()), (201, Some(true)), "watched and asked about");
        app.work().await;
        assert_eq!(app.texts("ann").await, ["You were due out 12:00. At 12:10 others are told. Check out or extend with your PIN now."]);
        let future = app.person("ann").post("/visits", json!({"place": "c", "minutes": 30, "made_at": app.at("15:00")})).await;
        assert_eq!(fields(&future), [json!("made_at"), Value::Null]);
        assert_eq!(future.message(), "Watching you till 12:30. Check out with your PIN when you leave.");
        app.finish().await;
    }

    async fn check_in_is_last_contact_and_in_the_grace_ten_more_minutes(db: TestDb) {
        let app = TestApp::start(&db).await;
        let visit = app.ann_goes_in(30).await;
        app.pass(10).await;
        let fine = app.person("ann").post(&format!("/visits/{visit}/check-in"), json!({"pin": "4821"})).await;
        assert_eq!((fine.message(), &fine.body["last_contact_at"]), ("Watching you till 12:30. Check out with your PIN when you leave.", &json!(app.now())));
        app.pass(25).await;
        let fine = app.person("ann").post(&format!("/visits/{visit}/check-in"), json!({"pin": "4821"})).await;
        assert_eq!(fine.message(), "Watching you till 12:45. Check out with your PIN when you leave.");
        app.pass(15).await;
        assert_eq!(app.open_incidents().await, 0);
        app.finish().await;
    }

    async fn an_extension_counts_and_above_the_cap_the_manager_is_told(db: TestDb) {
        let app = TestApp::start(&db).await;
        let visit = app.ann_goes_in(30).await;
        let extend = async |body: Value| app.person("ann").post(&format!("/visits/{visit}/extend"), body).await;
        assert_eq!(extend(json!({"minutes": 60, "pin": "4821"})).await.message(), "Watching you till 13:30. Check out with your PIN when you leave.");
        assert_eq!(extend(json!({"until": app.at("14:00"), "pin": "4821"})).await.message(), "Watching you till 14:00. Check out with your PIN when you leave.");
        app.work().await;
        assert!(app.texts("sam").await.is_empty());
        let above = extend(json!({"minutes": 60, "pin": "4821"})).await;
        assert_eq!((above.message(), above.body["extended_minutes"].as_i64()), ("Watching you till 15:00. Check out with your PIN when you leave.", Some(150)));
        app.work().await;
        assert_eq!(app.texts("sam").await, ["Ann Lee has extended a visit by 150 min in all, more than your team allows. Watched till 15:00."]);
        // Never further than 12 hours ahead.
        assert_eq!(extend(json!({"minutes": 999, "pin": "4821"})).await.message(), "Watching you till 00:00 Thu. Check out with your PIN when you leave.");
        for (body, field) in [
            (json!({"pin": "4821"}), "minutes"),
            (json!({"minutes": 0, "pin": "4821"}), "minutes"),
            (json!({"minutes": 1000, "pin": "4821"}), "minutes"),
            (json!({"minutes": "5", "pin": "4821"}), "minutes"),
            (json!({"minutes": 5, "until": app.at("15:00"), "pin": "4821"}), "minutes"),
            (json!({"minutes": 5, "pin": "4821", "why": "tea"}), "why"),
        ] {
            let reply = extend(body.clone()).await;
            assert_eq!(reply.is_problem(422, "invalid-field").body["field"], field, "{body}");
        }
        extend(json!({"until": app.at("11:00"), "pin": "4821"})).await.is_problem(409, "wrong-state");
        assert_eq!(app.log("visit", &visit).await.iter().filter(|kind| *kind == "visit.extended").count(), 4);
        app.finish().await;
    }

    async fn check_out_ends_the_watching_and_is_refused_for_nothing_but_its_pin(db: TestDb) {
        let app = TestApp::start(&db).await;
        let visit = app.ann_goes_in(30).await;
        let other = app.person("ann").post("/visits", json!({"place": "other", "minutes": 90})).await.id();
        app.pass(12).await;
        let odd = json!({"pin": "4821", "outcome": "eaten by a bear", "work_undertaken": 7, "colour": "red"});
        let out = app.person("ann").post(&format!("/visits/{visit}/check-out"), odd).await;
        assert_eq!((out.status, out.message()), (200, "Ended at 12:12. You are no longer watched."));
        assert_eq!(fields(&out), [json!("outcome"), json!("work_undertaken"), json!("colour")]);
        assert_eq!(out.body["still_watched"][0]["id"], other.as_str(), "and names those still watched");
        assert_eq!((out.body["ended_how"].as_str(), out.body["outcome"].is_null()), (Some("checked_out"), true));
        let again = app.person("ann").post(&format!("/visits/{visit}/check-out"), json!({"pin": "4821"})).await;
        assert_eq!((again.status, again.body["state"].as_str()), (200, Some("ended")), "said again it shows the state");
        assert_eq!(again.body["version"], out.body["version"]);
        // What is missing is added later, with its own time.
        app.pass(3).await;
        let recorded = app.person("ann").post(&format!("/visits/{visit}/record"), json!({"outcome": "seen", "seen_whom": "Mrs Hart", "work_undertaken": "Plan reviewed."})).await;
        assert_eq!((recorded.body["outcome"].as_str(), &recorded.body["recorded_at"]), (Some("seen"), &json!(app.now())));
        assert_eq!(recorded.body["seen_whom"], "Mrs Hart");
        for (act, body) in [("extend", json!({"minutes": 5, "pin": "4821"})), ("check-in", json!({"pin": "4821"})), ("cancel", json!({"reason": "r", "pin": "4821"})), ("arrive", json!({}))] {
            let reply = app.person("ann").post(&format!("/visits/{visit}/{act}"), body).await;
            assert_eq!(reply.is_problem(409, "wrong-state").body["state"], "ended", "{act}");
        }
        app.person("ann").post(&format!("/visits/{other}/check-out"), json!({"pin": "4821", "outcome": "not_in", "work_undertaken": "Card left."})).await.is_ok();
        app.pass(120).await;
        assert_eq!(app.said().await.iter().filter(|said| said.to != "ann").count(), 0, "nobody was troubled");
        app.finish().await;
    }

    async fn a_check_out_in_the_grace_is_late_and_raises_nobody(db: TestDb) {
        let app = TestApp::start(&db).await;
        let visit = app.ann_goes_in(30).await;
        app.pass(35).await;
        let out = app.person("ann").post(&format!("/visits/{visit}/check-out"), json!({"pin": "4821"})).await;
        assert_eq!(out.body["ended_how"], "late_check_out");
        app.pass(30).await;
        assert_eq!(app.open_incidents().await, 0);
        app.finish().await;
    }

    async fn a_wrong_pin_changes_nothing_and_is_counted(db: TestDb) {
        let app = TestApp::start(&db).await;
        let visit = app.ann_goes_in(30).await;
        let out = async |body: Value| app.person("ann").post(&format!("/visits/{visit}/check-out"), body).await;
        let missing = out(json!({})).await;
        assert_eq!(missing.is_problem(403, "pin-refused").body["detail"], "Not ended: PIN needed. Still watching till 12:30.");
        for wrong in 1..=5 {
            let refused = out(json!({"pin": "0000"})).await;
            assert_eq!(refused.is_problem(403, "pin-refused").body["detail"], "PIN not right. Still watching till 12:30.");
            app.work().await;
            assert_eq!(app.texts("sam").await.len(), usize::from(wrong >= 3), "at three the manager is told, once");
        }
        assert!(app.texts("sam").await[0].starts_with("3 wrong PINs in a row for Ann Lee."));
        let locked = out(json!({"pin": "4821"})).await;
        assert_eq!(locked.is_problem(403, "pin-refused").body["detail"], "PIN not right. Still watching till 12:30.", "a lock looks like a wrong PIN");
        assert_eq!(app.person("ann").post("/visits", json!({"place": "next door"})).await.status, 201, "a start needs no PIN");
        app.pass(15).await;
        out(json!({"pin": "4821"})).await.is_ok();
        let log = app.log("visit", &visit).await;
        assert_eq!(log.iter().filter(|kind| *kind == "pin.refused").count(), 7);
        app.finish().await;
    }

    async fn without_a_pin_a_start_is_watched_and_somebody_else_ends_it(db: TestDb) {
        let app = TestApp::start(&db).await;
        let started = app.person("ann").post("/visits", json!({"minutes": 30})).await;
        assert!(warnings(&started).iter().any(|warning| warning.starts_with("no PIN is set")), "{started:?}");
        let visit = started.id();
        let out = app.person("ann").post(&format!("/visits/{visit}/check-out"), json!({"pin": "4821"})).await;
        assert_eq!(out.is_problem(403, "pin-refused").body["detail"], "Not ended: no PIN set. Still watching till 12:30. Ring Sam Cole.");
        app.work().await;
        assert_eq!(app.texts("sam").await, ["Ann Lee wants to end a visit but has no PIN set. Ring Ann Lee and end it for them. Watched till 12:30."]);
        app.person("ann").put("/me/pins", json!({"pin": "4821"})).await.is_problem(409, "pin-not-now");
        let sam = app.person("sam");
        let how = sam.post(&format!("/visits/{visit}/check-out"), json!({})).await;
        assert_eq!(how.is_problem(422, "invalid-field").body["field"], "known_by");
        let ended = sam.post(&format!("/visits/{visit}/check-out"), json!({"known_by": "spoke_by_voice"})).await;
        assert_eq!(ended.body["ended_how"], "ended_for_worker", "{ended:?}");
        app.work().await;
        assert_eq!(app.texts("ann").await, ["Sam Cole ended your visit: you are not watched. They say: spoke to you. Not right? Start again or ring your manager."]);
        app.person("ann").put("/me/pins", json!({"pin": "4821"})).await.is_ok();
        app.person("ann").put("/me/pins", json!({"pin": "1111"})).await.is_problem(403, "pin-refused");
        app.person("ann").put("/me/pins", json!({"pin": "1111", "current_pin": "4821"})).await.is_ok();
        for (body, field) in [(json!({"pin": "12"}), "pin"), (json!({"pin": 4821}), "pin"), (json!({"duress_pin": "99"}), "duress_pin"), (json!({}), "pin")] {
            let reply = app.person("ann").put("/me/pins", body).await;
            assert_eq!(reply.is_problem(422, "invalid-field").body["field"], field);
        }
        app.finish().await;
    }

    async fn for_somebody_else(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        let cas = app.person("cas");
        let started = cas.post("/visits", json!({"worker": "ann", "place": "desk said so", "minutes": 30})).await;
        assert_eq!((started.status, started.body["worker"]["name"].as_str()), (201, Some("Ann Lee")));
        app.work().await;
        assert_eq!(app.texts("ann").await, ["Cas Moss started a visit for you. Watched till 12:30. Check out with your PIN when you leave."]);
        let id = started.id();
        // Half an hour at most, and the worker is told.
        let more = cas.post(&format!("/visits/{id}/extend"), json!({"minutes": 300, "known_by": "spoke_by_voice"})).await;
        assert_eq!(more.message(), "Watching you till 13:00. Check out with your PIN when you leave.");
        cas.post(&format!("/visits/{id}/check-in"), json!({})).await.is_problem(403, "worker-only");
        app.pass(71).await;
        let blocked = cas.post(&format!("/visits/{id}/check-out"), json!({"known_by": "seen"})).await;
        assert_eq!(blocked.is_problem(409, "wrong-state").body["detail"], "an incident about the worker is open: hold it while you look into it, or close it, saying where the worker is now");
        for (worker, status, slug) in [("nobody", 422, "invalid-field"), ("jo", 422, "invalid-field"), ("una", 422, "invalid-field")] {
            cas.post("/visits", json!({"worker": worker, "minutes": 30})).await.is_problem(status, slug);
        }
        app.finish().await;
    }

    async fn a_plan_is_cancelled_by_its_worker_alone(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        let plan = app.person("ann").post("/visits", json!({"expected_arrival": app.at("13:00"), "minutes": 30})).await.id();
        app.person("sam").post(&format!("/visits/{plan}/cancel"), json!({"reason": "r"})).await.is_problem(403, "worker-only");
        app.person("ann").post(&format!("/visits/{plan}/cancel"), json!({"reason": "r", "pin": "1"})).await.is_problem(403, "pin-refused");
        let missing = app.person("ann").post(&format!("/visits/{plan}/cancel"), json!({"pin": "4821"})).await;
        assert_eq!(missing.is_problem(422, "invalid-field").body["field"], "reason");
        let cancelled = app.person("ann").post(&format!("/visits/{plan}/cancel"), json!({"reason": "ill", "pin": "4821"})).await;
        assert_eq!((cancelled.body["state"].as_str(), cancelled.message()), (Some("cancelled"), "Cancelled at 12:00. Nothing is running."));
        let begun = app.person("ann").post("/visits", json!({"minutes": 30})).await.id();
        app.person("ann").post(&format!("/visits/{begun}/cancel"), json!({"reason": "r", "pin": "4821"})).await.is_problem(409, "wrong-state");
        app.finish().await;
    }

    async fn a_repeated_key_is_done_once(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        let ann = app.person("ann");
        let body = json!({"place": "12 High St", "minutes": 30});
        let first = ann.post_once("/visits", "k1", body.clone()).await;
        let again = ann.post_once("/visits", "k1", body.clone()).await;
        assert_eq!((again.status, &again.body), (201, &first.body));
        assert_eq!(again.headers["idempotency-replayed"], "true");
        // A start with a known key and another body is done as if it had none.
        let other = ann.post_once("/visits", "k1", json!({"place": "14 High St", "minutes": 30})).await;
        assert_eq!(other.status, 201);
        assert!(warnings(&other).iter().any(|warning| warning.contains("Idempotency-Key")), "{other:?}");
        // A wrong PIN is kept under its key; the corrected one needs a new key.
        let path = format!("/visits/{}/check-out", first.id());
        ann.post_once(&path, "k2", json!({"pin": "0000"})).await.is_problem(403, "pin-refused");
        let replayed = ann.post_once(&path, "k2", json!({"pin": "0000"})).await;
        assert_eq!((replayed.status, replayed.headers["idempotency-replayed"].to_str().unwrap()), (403, "true"));
        ann.post_once(&path, "k2", json!({"pin": "4821"})).await.is_problem(422, "key-reused");
        ann.post_once(&path, "k3", json!({"pin": "4821"})).await.is_ok();
        assert_eq!(app.log("visit", &first.id()).await.iter().filter(|kind| *kind == "pin.refused").count(), 1);
        // Keys are each person's own.
        assert_eq!(app.person("cas").post_once("/visits", "k1", json!({"minutes": 30})).await.status, 201);
        app.finish().await;
    }

    async fn a_repeated_key_never_claims_that_a_visit_runs_which_is_over(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        let body = json!({"place": "12 High St\u{0}", "minutes": 30});
        let first = app.person("ann").post_once("/visits", "morning", body.clone()).await;
        assert_eq!((first.status, first.body["place"].as_str()), (201, Some("12 High St")), "no character refuses a start");
        let extend = (format!("/visits/{}/extend", first.id()), json!({"minutes": 10, "pin": "4821"}));
        let extended = app.person("ann").post_once(&extend.0, "more", extend.1.clone()).await;
        assert_eq!(extended.is_ok().message(), app.person("ann").post_once(&extend.0, "more", extend.1.clone()).await.message());
        app.person("ann").post(&format!("/visits/{}/check-out", first.id()), json!({"pin": "4821", "work_undertaken": "a\u{0}b"})).await.is_ok();
        let late = app.person("ann").post_once(&extend.0, "more", extend.1).await;
        assert_eq!((late.is_ok().body["state"].as_str(), late.headers["idempotency-replayed"].to_str().unwrap()), (Some("ended"), "true"));
        assert!(warnings(&late).iter().any(|warning| warning.contains("as it is now")), "{late:?}");
        let second = app.person("ann").post_once("/visits", "morning", body).await;
        assert_eq!((second.status, second.body["state"].as_str()), (201, Some("begun")));
        assert_ne!(second.id(), first.id());
        assert!(warnings(&second).iter().any(|warning| warning.contains("a visit which is over")), "{second:?}");
        // And a worker who names somebody is going in.
        let named = app.person("ann").post("/visits", json!({"worker": "Ann Lee", "place": "elsewhere", "minutes": 30})).await;
        assert_eq!((named.status, named.body["worker"]["name"].as_str()), (201, Some("Ann Lee")));
        assert_eq!(fields(&named)[0], "worker");
        app.finish().await;
    }

    async fn many_starts_at_once_are_one_visit(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        let ann = app.person("ann");
        let body = json!({"place": "12 High St", "minutes": 30});
        let replies = futures::future::join_all((0..12).map(|_| ann.post("/visits", body.clone()))).await;
        assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1);
        assert_eq!(ann.get("/visits").await.body["visits"].as_array().unwrap().len(), 1);
        app.finish().await;
    }

    async fn nobody_sees_what_is_not_theirs(db: TestDb) {
        let app = TestApp::start(&db).await;
        let visit = app.ann_goes_in(30).await;
        for (who, sees) in [("ann", true), ("sam", true), ("cas", true), ("una", true), ("ari", true), ("dee", true)] {
            let reply = app.person(who).get(&format!("/visits/{visit}")).await;
            assert_eq!(reply.status == 200, sees, "{who}: {reply:?}");
            assert_eq!(app.person(who).get("/visits").await.body["visits"].as_array().unwrap().len(), usize::from(sees));
        }
        // Another organisation on the same installation knows nothing of this one.
        let other = crate::support::app::WESTSHIRE.replace("key = \"westshire\"", "key = \"eastshire\"");
        let (_, tokens) = crate::support::app::apply(app.db(), &other, homeward::domain::policy::Policy::default(), app.now()).await;
        let foreign = app.with_token(&tokens["una"]);
        let unknown = app.person("una").get("/visits/0197a000-0000-7000-8000-000000000000").await;
        let theirs = foreign.get(&format!("/visits/{visit}")).await;
        assert_eq!(theirs.is_problem(404, "not-found").body, unknown.body, "a foreign id looks like one that does not exist");
        foreign.post(&format!("/visits/{visit}/check-out"), json!({"known_by": "seen"})).await.is_problem(404, "not-found");
        app.person("ann").get("/visits/nonsense").await.is_problem(404, "not-found");
        app.readers_have_caught_up().await;
        assert!(!foreign.get("/events?limit=500").await.body.to_string().contains(&visit));
        app.finish().await;
    }

    async fn without_a_valid_token_nothing_is_answered(db: TestDb) {
        let app = TestApp::start(&db).await;
        for token in ["", "hw_nonsense", "Bearer"] {
            let reply = app.with_token(token).get("/me").await;
            reply.is_problem(401, "no-token");
            assert_eq!(reply.headers["www-authenticate"], "Bearer");
        }
        let mut tx = app.db().read().await.unwrap();
        let ann = homeward::store::tokens::list(&mut tx, app.organisation).await.unwrap().into_iter().find(|token| token.person_key == "ann").unwrap();
        drop(tx);
        let (organisation, trace) = (app.organisation, homeward::store::Trace::machine(homeward::domain::event::Door::CommandLine, app.now()));
        app.db().write(async move |tx| homeward::app::tokens::revoke(tx, organisation, ann.id, trace).await).await.unwrap();
        app.person("ann").get("/me").await.is_problem(401, "no-token");
        let log = app.everything_that_happened().await;
        assert!(log.body.to_string().contains("token.refused"), "a token that was once issued leaves a trace");
        app.finish().await;
    }

    async fn reminders_go_by_the_quickest_channel(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.ann_goes_in(30).await;
        app.pass(31).await;
        let said = app.said().await;
        assert!(said.iter().all(|said| said.to == "ann" && said.channel == Channel::Sms), "{said:?}");
        app.finish().await;
    }
}
