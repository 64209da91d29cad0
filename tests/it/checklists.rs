//! Checklists before, during and after a visit (row A9), and what is said of the agreed measures (row A3).

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{
    app::{Reply, TestApp, WESTSHIRE},
    on_both,
};

impl TestApp {
    async fn answer(&self, who: &str, visit: &str, when: &str, answers: Value) -> Reply {
        self.person(who)
            .post(&format!("/visits/{visit}/checklists/{when}"), json!({ "answers": answers }))
            .await
    }

    async fn checklist_of(&self, who: &str, visit: &str, whose: &str, when: &str) -> Value {
        let shown = self.person(who).get(&format!("/visits/{visit}/checklists")).await;
        let lists = shown.is_ok().body["checklists"].as_array().unwrap();
        lists.iter().find(|list| list["for"] == whose && list["when"] == when).unwrap().clone()
    }

    async fn measures(&self, who: &str, visit: &str, body: Value) -> Reply {
        self.person(who).post(&format!("/visits/{visit}/measures"), body).await
    }

    async fn in_force(&self, who: &str, query: &str) -> Vec<String> {
        let listed = self.person(who).get(&format!("/checklists{query}")).await;
        let lists = listed.is_ok().body["checklists"].as_array().unwrap();
        let named = lists.iter().map(|list| {
            let team = list["team"]["key"].as_str().unwrap_or("every");
            format!(
                "{} {} {team} {}",
                list["for"].as_str().unwrap(),
                list["when"].as_str().unwrap(),
                list["version"]
            )
        });
        named.collect()
    }
}

fn missing(of: &Value) -> Vec<&str> {
    of["missing"].as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect()
}

on_both! {
    async fn a_worker_and_a_manager_answer_each_their_own(db: TestDb) {
        let app = TestApp::start(&db).await;
        assert_eq!(app.in_force("ann", "").await, ["worker before every 0", "worker during every 0", "worker after every 0", "manager before every 0", "manager during every 0", "manager after every 0"]);
        let visit = app.person("ann").post("/visits", json!({"minutes": 60})).await.id();
        let list = app.checklist_of("ann", &visit, "worker", "before").await;
        let all = missing(&list).len();
        assert!(all >= 5 && list["items"].as_array().unwrap().len() > all, "{list:#}");

        // What is missing is kept as missing, and refuses nothing.
        let answers = json!([{"item": "purpose", "done": "yes"}, {"item": "assessment", "done": "no", "words": "there was none"}, {"item": "identity", "done": "not_applicable"}]);
        let kept = app.answer("ann", &visit, "before", answers).await;
        assert_eq!((kept.status, kept.body["for"].as_str(), kept.body["version"].as_i64(), missing(&kept.body).len()), (200, Some("worker"), Some(0), all - 2), "{kept:?}");
        app.clock.advance(TimeDelta::minutes(1));
        let kept = app.answer("ann", &visit, "before", json!([{"item": "assessment", "done": "yes"}, {"item": "household", "done": "yes"}])).await;
        assert_eq!(missing(&kept.body).len(), all - 3, "what was said before counts too");
        let list = app.checklist_of("sam", &visit, "worker", "before").await;
        assert_eq!(missing(&list), missing(&kept.body));
        let item = |key: &str| list["items"].as_array().unwrap().iter().find(|item| item["item"] == key).unwrap().clone();
        assert_eq!((item("assessment")["done"].as_str(), item("assessment")["words"].as_str(), item("assessment")["at"].as_str()), (Some("yes"), None, Some("2026-01-14T12:01:00Z")), "the last word counts");
        assert_eq!((item("identity")["done"].as_str(), item("car")["done"].as_str(), item("purpose")["by"]["name"].as_str()), (Some("not_applicable"), None, Some("Ann Lee")));

        // The manager's list by a manager in reach; nobody answers another's.
        let unknown = app.answer("sam", &visit, "before", json!([{"item": "justified", "done": "yes"}, {"item": "purpose", "done": "yes"}])).await;
        unknown.is_problem(422, "invalid-field");
        assert_eq!(unknown.body["field"], "answers[1].item", "{unknown:?}");
        let sams = app.answer("sam", &visit, "before", json!([{"item": "justified", "done": "yes", "words": "first visit is due"}])).await;
        assert_eq!(sams.body["for"], "manager");
        app.answer("cas", &visit, "before", json!([])).await.is_problem(403, "role-too-small");
        app.answer("ari", &visit, "before", json!([])).await.is_problem(403, "role-too-small");
        app.answer("ann", &visit, "someday", json!([])).await.is_problem(404, "not-found");
        for (body, field) in [(json!([{"item": "purpose", "done": "maybe"}]), "answers[0].done"), (json!([{"item": "purpose"}]), "answers[0]")] {
            let refused = app.answer("ann", &visit, "before", body).await;
            assert_eq!((refused.status, refused.body["field"].as_str()), (422, Some(field)), "{refused:?}");
        }
        let log = app.person("ari").get(&format!("/events?visit={visit}")).await;
        let events: Vec<_> = log.body["events"].as_array().unwrap().iter().filter(|event| event["kind"] == "checklist.answered").collect();
        assert_eq!(events.len(), 3);
        assert_eq!(events[0]["body"]["answers"], json!([{"item": "purpose", "done": "yes"}, {"item": "assessment", "done": "no"}, {"item": "identity", "done": "not_applicable"}]));
        assert_eq!((&events[0]["words"]["answers"], &events[1]["words"]), (&json!([{"item": "assessment", "words": "there was none"}]), &Value::Null));
        assert!(!events[2]["body"].to_string().contains("first visit"));
        app.finish().await;
    }

    async fn a_team_sets_its_own_in_versions(db: TestDb) {
        let app = TestApp::start(&db).await;
        let visit = app.person("ann").post("/visits", json!({"minutes": 60})).await.id();
        app.answer("ann", &visit, "before", json!([{"item": "purpose", "done": "yes"}])).await.is_ok();
        let path = "/checklists/worker/before";
        let items = |key: &str| json!({"items": [{"key": key, "words": "Is the dog away?", "required": true}, {"key": "other", "words": "Other?"}]});
        // Managers for teams in their reach, and for all only whoever reaches all; nobody else.
        app.person("ann").put(&format!("{path}?team=north"), items("dog")).await.is_problem(403, "role-too-small");
        app.person("cas").put(&format!("{path}?team=north"), items("dog")).await.is_problem(403, "role-too-small");
        app.person("sam").put(path, items("dog")).await.is_problem(403, "role-too-small");
        app.person("sam").put(&format!("{path}?team=unit"), items("dog")).await.is_problem(403, "role-too-small");
        let nowhere = app.person("sam").put(&format!("{path}?team=moon"), items("dog")).await;
        assert_eq!((nowhere.status, nowhere.body["field"].as_str()), (422, Some("team")));
        app.person("sam").put("/checklists/dog/before", items("dog")).await.is_problem(404, "not-found");
        for (body, field) in [
            (json!({"items": [{"key": "Dog", "words": "w"}]}), "items[0].key"),
            (json!({"items": [{"key": "a", "words": "w"}, {"key": "a", "words": "w"}]}), "items[1].key"),
            (json!({"items": [{"key": "a", "words": " "}]}), "items[0].words"),
            (json!({"items": [{"key": "a", "words": "w", "must": true}]}), "items[0].must"),
            (json!({}), "items"),
        ] {
            let refused = app.person("sam").put(&format!("{path}?team=north"), body).await;
            assert_eq!((refused.status, refused.body["field"].as_str()), (422, Some(field)), "{refused:?}");
        }
        let set = app.person("sam").put(&format!("{path}?team=north"), items("dog")).await;
        assert_eq!((set.status, set.body["version"].as_i64(), set.body["set_by"]["name"].as_str()), (200, Some(1), Some("Sam Cole")), "{set:?}");
        assert_eq!(app.person("sam").put(&format!("{path}?team=north"), items("dog")).await.body["id"], set.body["id"], "the same again is no version");
        assert_eq!(app.person("sam").put(&format!("{path}?team=north"), items("cat")).await.body["version"], 2);
        app.person("una").put(path, items("bird")).await.is_ok();
        assert_eq!(app.in_force("ann", "").await[0], "worker before north 2");
        assert_eq!(app.in_force("una", "").await[0], "worker before every 1");
        assert_eq!(app.in_force("una", "?team=north").await[0], "worker before north 2");
        app.person("ann").get("/checklists?team=unit").await.is_problem(403, "role-too-small");

        // An answer keeps the version that was asked; the next one is of what is in force.
        let list = app.checklist_of("ann", &visit, "worker", "before").await;
        assert_eq!((list["version"].as_i64(), list["items"][0]["item"].as_str()), (Some(0), Some("purpose")));
        let refused = app.answer("ann", &visit, "before", json!([{"item": "purpose", "done": "yes"}])).await;
        assert_eq!((refused.status, refused.body["field"].as_str()), (422, Some("answers[0].item")));
        let kept = app.answer("ann", &visit, "before", json!([{"item": "other", "done": "yes"}])).await;
        assert_eq!((kept.body["version"].as_i64(), missing(&kept.body)), (Some(2), vec!["cat"]), "{kept:?}");
        assert_eq!(app.checklist_of("ann", &visit, "worker", "before").await["version"], 2);
        let log = app.everything_that_happened().await;
        let versions: Vec<_> = log.body["events"].as_array().unwrap().iter().filter(|event| event["kind"] == "checklist.set").map(|event| event["body"]["version"].clone()).collect();
        assert_eq!(versions, [json!(1), json!(2), json!(1)]);
        app.finish().await;
    }

    async fn the_worker_says_whether_the_measures_are_in_place_and_were_followed(db: TestDb) {
        let app = TestApp::start(&db).await;
        let visit = app.ann_goes_in(60).await;
        let before = app.person("ann").get(&format!("/visits/{visit}")).await.body;
        for (body, field) in [
            (json!({"moment": "door", "in_place": false}), "words"),
            (json!({"moment": "door", "in_place": false, "words": "  "}), "words"),
            (json!({"moment": "door"}), "in_place"),
            (json!({"moment": "after", "followed": false}), "words"),
            (json!({"moment": "after", "in_place": true}), "in_place"),
            (json!({"moment": "later", "followed": true}), "moment"),
        ] {
            let refused = app.measures("ann", &visit, body).await;
            assert_eq!((refused.status, refused.body["field"].as_str()), (422, Some(field)), "{refused:?}");
        }
        app.measures("sam", &visit, json!({"moment": "door", "in_place": true})).await.is_problem(403, "role-too-small");
        let said = app.measures("ann", &visit, json!({"moment": "door", "in_place": true})).await;
        assert_eq!((said.status, &said.body["in_place"], &said.body["followed"], &said.body["words"]), (201, &json!(true), &Value::Null, &Value::Null), "{said:?}");
        app.work().await;
        assert_eq!(app.texts("sam").await, [""; 0]);
        app.clock.advance(TimeDelta::minutes(3));
        let said = app.measures("ann", &visit, json!({"moment": "door", "in_place": false, "words": "no second colleague at 12 High St"})).await;
        assert_eq!(said.body["told"][0]["name"], "Sam Cole");
        app.work().await;
        assert_eq!(app.texts("sam").await, ["Ann Lee says at 12:03, at the door: the agreed measures are NOT in place. Ring Ann Lee. What they wrote stands in Homeward."], "at once, without the words");
        app.measures("ann", &visit, json!({"moment": "after", "followed": false, "words": "went alone"})).await.is_ok();
        app.work().await;
        assert_eq!(app.texts("sam").await.len(), 1, "afterwards it stands in the record");

        let shown = app.person("sam").get(&format!("/visits/{visit}/checklists")).await;
        let measures: Vec<_> = shown.body["measures"].as_array().unwrap().iter().map(|said| (said["in_place"].as_bool(), said["followed"].as_bool(), said["words"].as_str())).collect();
        assert_eq!(measures, [(Some(true), None, None), (Some(false), None, Some("no second colleague at 12 High St")), (None, Some(false), Some("went alone"))]);
        let log = app.person("ari").get(&format!("/events?visit={visit}")).await;
        let events: Vec<_> = log.body["events"].as_array().unwrap().iter().filter(|event| event["kind"].as_str().unwrap().starts_with("visit.measures")).map(|event| (event["kind"].as_str().unwrap(), event["body"].clone())).collect();
        assert_eq!(events, [("visit.measures_confirmed", json!({"in_place": true})), ("visit.measures_confirmed", json!({"in_place": false})), ("visit.measures_followed", json!({"followed": false}))]);

        // The deadline is where it was: the alarm goes up as it would have.
        let after = app.person("ann").get(&format!("/visits/{visit}")).await.body;
        for field in ["state", "expected_departure", "overdue", "message", "last_contact_at"] {
            assert_eq!(before[field], after[field], "{field}");
        }
        app.pass(66).await;
        assert_eq!(app.open_incidents().await, 0);
        app.pass(2).await;
        assert_eq!(app.open_incidents().await, 1);
        app.finish().await;
    }

    async fn measures_by_text(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        assert_eq!(app.text("ann", "MEASURES OK").await, "Not noted: no visit of yours today. You are NOT being watched. To be watched for an hour reply IN 60.");
        app.text("ann", "IN 60 12 High St").await;
        assert_eq!(app.text("ann", "MEASURES OK").await, "Noted 12:00: measures in place. Still watching till 13:00.");
        for unclear in ["MEASURES", "MEASURES maybe", "MEASURES OK but the key is not there"] {
            assert_eq!(app.text("ann", unclear).await, "Not noted. Reply MEASURES OK, or MEASURES NO and what is missing. Still watching till 13:00. In danger reply SOS.", "{unclear}");
        }
        assert!(app.text("ann", "MEASURE OK").await.starts_with("Not understood. Did you mean MEASURES? Still watching till 13:00."), "a slip is asked about");
        let sams = async || app.texts("sam").await.into_iter().filter(|text| text.contains("measures")).count();
        assert_eq!(sams().await, 0);
        assert_eq!(app.text("ann", "measures no, nobody else has come").await, "Noted 12:00: measures NOT in place. Sam Cole is told. Not safe? Leave, then reply OUT and your PIN. Still watching till 13:00.");
        assert_eq!(sams().await, 1);
        // Without words it is kept no less.
        app.text("ann", "MEASURES NO").await;
        assert_eq!(sams().await, 2);
        assert_eq!(app.text("ann", "STATUS").await, "Watching you till 13:00.");
        app.text("ann", "OUT 4821").await;
        assert_eq!(app.text("ann", "MEASURES OK").await, "Noted 12:00: measures followed.");
        assert_eq!(app.text("ann", "MEASURES NO went alone after all").await, "Noted 12:00: measures not followed.");
        assert_eq!(sams().await, 2);
        let visit = app.person("ann").get("/visits").await.body["visits"][0]["id"].as_str().unwrap().to_owned();
        let shown = app.person("sam").get(&format!("/visits/{visit}/checklists")).await;
        let said: Vec<_> = shown.body["measures"].as_array().unwrap().iter().map(|said| (said["in_place"].as_bool(), said["followed"].as_bool(), said["words"].as_str())).collect();
        assert_eq!(said, [(Some(true), None, None), (Some(false), None, Some("nobody else has come")), (Some(false), None, None), (None, Some(true), None), (None, Some(false), Some("went alone after all"))]);
        // Not safe is not about measures.
        assert!(app.text("ann", "MEASURES I am not safe").await.starts_with("Noted 12:00."));
        assert_eq!(app.open_incidents().await, 1);
        app.finish().await;
    }

    async fn before_the_door_of_a_plan_it_is_about_that_plan(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        let plan = async |at: &str| app.person("ann").post("/visits", json!({"minutes": 30, "expected_arrival": format!("2026-01-14T{at}:00Z")})).await.is_ok().id();
        let (soon, _later) = (plan("12:20").await, plan("16:00").await);
        assert_eq!(app.text("ann", "MEASURES OK").await, "Noted 12:00: measures in place. You are NOT being watched yet: reply IN 60 NEXT when you begin.");
        assert_eq!(app.text("ann", "MEASURES NO").await, "Noted 12:00: measures NOT in place. Sam Cole is told. You are NOT being watched yet: reply IN 60 NEXT when you begin.");
        let shown = app.person("sam").get(&format!("/visits/{soon}/checklists")).await;
        assert_eq!(shown.body["measures"].as_array().unwrap().len(), 2);
        assert_eq!(app.person("ann").get(&format!("/visits/{soon}")).await.body["state"], "planned");
        app.finish().await;
    }

    async fn what_is_missing_after_a_visit_is_asked_for_each_morning(db: TestDb) {
        let asked_for = WESTSHIRE.replace(r#"policy = { extension_cap = "2h" }"#, r#"policy = { checklists = "asked" }"#);
        let app = TestApp::with(&db, &asked_for, |_| {}).await;
        let visit = app.ann_goes_in(10).await;
        app.person("ann").post(&format!("/visits/{visit}/check-out"), json!({"pin": "4821"})).await.is_ok();
        app.person("ann").post(&format!("/visits/{visit}/record"), json!({"outcome": "not_in", "work_undertaken": "Left a card."})).await.is_ok();
        let set = async |at: &str| {
            app.clock.set(format!("2026-01-{at}:00Z").parse().unwrap());
            app.work().await;
        };
        let asked = async || [app.texts("ann").await.len(), app.texts("sam").await.len(), app.texts("dee").await.len()];
        set("15T08:59").await;
        assert_eq!(asked().await, [0, 0, 0], "not at night");
        set("15T09:00").await;
        assert_eq!(app.texts("ann").await, ["The visit that ended 12:00 Wed: the checklist for afterwards lacks answers. Please complete it in Homeward."]);
        assert_eq!(app.texts("sam").await, ["The visit that ended 12:00 Wed: the manager's checklist for afterwards lacks answers. Please complete it in Homeward."]);
        app.pass(5).await;
        set("15T18:00").await;
        assert_eq!(asked().await, [1, 1, 0], "once a day");
        // Some of it is not all of it.
        let some = app.answer("ann", &visit, "after", json!([{"item": "out", "done": "yes"}])).await;
        assert_eq!(missing(&some.body), ["record", "followed", "concern"]);
        set("16T09:00").await;
        assert_eq!(asked().await, [2, 2, 0]);
        // The third day: those above them too.
        set("17T09:00").await;
        assert_eq!(asked().await, [3, 4, 1]);
        assert!(app.texts("sam").await.contains(&"Ann Lee: The visit that ended 12:00 Wed: the checklist for afterwards lacks answers, though asked.".to_owned()), "{:?}", app.texts("sam").await);
        assert_eq!(app.texts("dee").await, ["Sam Cole: The visit that ended 12:00 Wed: the manager's checklist for afterwards lacks answers, though asked."]);
        // The service was down in the morning: nobody is woken.
        let rest = |items: &[&str]| Value::Array(items.iter().map(|item| json!({"item": item, "done": "yes"})).collect());
        let kept = app.answer("ann", &visit, "after", rest(&["record", "followed", "concern"])).await;
        assert_eq!(missing(&kept.body), [""; 0]);
        set("18T23:30").await;
        set("19T03:00").await;
        assert_eq!(asked().await, [3, 4, 1]);
        set("19T09:00").await;
        assert_eq!(asked().await, [3, 5, 2], "Ann has answered, Sam has not");
        app.answer("sam", &visit, "after", rest(&["out", "record", "measures", "concerns"])).await.is_ok();
        set("20T09:00").await;
        assert_eq!(asked().await, [3, 5, 2], "nothing is missing any more");
        let log = app.log("visit", &visit).await;
        assert_eq!(log.iter().filter(|kind| *kind == "checklist.asked").count(), 7);

        // Several visits are one text; one that the worker says still runs is not asked for.
        let mut visits = Vec::new();
        for minutes in [10, 20] {
            let visit = app.person("ann").post("/visits", json!({"minutes": minutes, "place": format!("{minutes} High St"), "outcome": "not_in"})).await.id();
            app.person("sam").post(&format!("/visits/{visit}/check-out"), json!({"known_by": "seen"})).await.is_ok();
            app.person("ann").post(&format!("/visits/{visit}/record"), json!({"outcome": "not_in", "work_undertaken": "Left a card."})).await.is_ok();
            visits.push(visit);
        }
        set("21T09:00").await;
        let texts = app.texts("sam").await;
        assert!(texts.last().unwrap().starts_with("2 visits, the first ended 09:00 Tue: the manager's checklist"), "{texts:?}");
        app.finish().await;
    }

    async fn where_a_team_does_not_ask_for_it_what_is_missing_is_listed_alone(db: TestDb) {
        let app = TestApp::start(&db).await;
        let visit = app.ann_goes_in(10).await;
        app.person("ann").post(&format!("/visits/{visit}/check-out"), json!({"pin": "4821"})).await.is_ok();
        for _ in 0..3 {
            app.clock.advance(TimeDelta::days(1));
            app.work().await;
        }
        assert!(app.said().await.iter().all(|said| !said.text.contains("checklist")));
        assert!(!missing(&app.checklist_of("ann", &visit, "worker", "after").await).is_empty());
        app.finish().await;
    }

    /// Row V8: under a silent alarm every answer is as it would be without one.
    async fn under_a_silent_alarm_checklists_and_measures_are_as_usual(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.person("ann").put("/me/pins", json!({"pin": "4821", "duress_pin": "7350"})).await.is_ok();
        let mut seen = Vec::new();
        for pin in ["4821", "7350"] {
            let visit = app.person("ann").post("/visits", json!({"minutes": 60})).await.id();
            let mut said = vec![app.text("ann", &format!("OK {pin}")).await, app.text("ann", "MEASURES OK").await, app.text("ann", "MEASURES NO").await];
            said.push(app.text("ann", &format!("OUT {pin}")).await);
            said.push(app.text("ann", "MEASURES OK").await);
            let kept = app.answer("ann", &visit, "after", json!([{"item": "out", "done": "yes"}])).await;
            said.push(kept.body.to_string());
            let shown = app.person("ann").get(&format!("/visits/{visit}/checklists")).await;
            said.push(shown.is_ok().body.to_string().replace("2026-01-15", "2026-01-14"));
            app.clock.advance(TimeDelta::days(1));
            seen.push(said);
        }
        assert_eq!(seen[0], seen[1]);
        assert_eq!(app.open_incidents().await, 1, "the silent alarm is up");
        app.finish().await;
    }
}
