//! What else a worker is awaited to do: begin what was planned (V5), say that all is well (V4), be home (V6), each with others
//! or alone (V9), and the end of the day (V14).

use homeward::domain::contact::Channel;
use serde_json::{Value, json};

use crate::store::execute;
use crate::support::{
    app::{Reply, TestApp, WESTSHIRE},
    on_both,
};

async fn text(app: &TestApp, who: &str, text: &str) -> String {
    let reply = app.person(who).post("/text", json!({"text": text})).await;
    reply.is_ok().body["reply"].as_str().unwrap_or_else(|| panic!("{reply:?}")).to_owned()
}

async fn start(app: &TestApp, body: Value) -> Reply {
    if app.person("ann").get("/visits").await.body["visits"] == json!([]) {
        app.set_pin("ann").await;
    }
    let reply = app.person("ann").post("/visits", body).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply
}

async fn state(app: &TestApp, id: &str) -> String {
    app.person("ann").get(&format!("/visits/{id}")).await.body["state"].as_str().unwrap().to_owned()
}

fn plan(app: &TestApp) -> Value {
    json!({"place": "12 High St", "expected_arrival": app.at("13:00"), "minutes": 60})
}

on_both! {
    async fn a_plan_that_nobody_begins_is_asked_about_and_then_raised(db: TestDb) {
        let app = TestApp::start(&db).await;
        let id = start(&app, plan(&app)).await.id();
        app.pass(59).await;
        assert!(app.said().await.is_empty(), "nothing before it is due");
        app.pass(1).await;
        assert_eq!(app.texts("ann").await, ["You planned to arrive 13:00. There? Start the visit. Later? Extend with your PIN. At 13:15 others are told."]);
        app.pass(8).await;
        assert_eq!(app.texts("ann").await[1], "You planned to arrive 13:00: not begun. At 13:15 others are told. Start the visit, or extend with your PIN now.");
        app.pass(6).await;
        assert_eq!((app.open_incidents().await, app.texts("sam").await.len()), (0, 0), "not within the grace");
        app.pass(1).await;
        let incident = app.the_incident().await;
        assert_eq!((incident["kind"].as_str(), incident["awaited"].as_str(), incident["visit"].as_str()), (Some("overdue"), Some("arrival"), Some(id.as_str())));
        assert_eq!(incident["headline"], "NOT ARRIVED: Ann Lee was due to arrive 13:00. Nobody has taken it.");
        let sam = app.texts("sam").await;
        assert!(sam[0].starts_with("NOT ARRIVED: Ann Lee due to arrive 13:00, no word by 13:15. Ring 07700900123."), "{sam:?}");
        for said in app.said().await.iter().filter(|said| said.to == "jo") {
            assert!(!said.text.contains("High St"), "{}", said.text);
        }
        // Beginning needs no PIN: it is watched, and holds nothing.
        let arrived = app.person("ann").post(&format!("/visits/{id}/arrive"), json!({})).await;
        assert_eq!(arrived.body["state"], "begun", "{arrived:?}");
        app.work().await;
        assert_eq!(app.texts("sam").await[1], "Ann Lee has begun the visit, without the PIN. Not confirmed: speak to Ann Lee, then close the alarm.");
        app.pass(5).await;
        assert!(app.texts("dee").await[0].starts_with("NOT ARRIVED"), "called all the same");
        // The PIN does: the ladder waits for a person.
        let fine = app.person("ann").post(&format!("/visits/{id}/check-in"), json!({"pin": "4821"})).await;
        assert_eq!(fine.status, 200, "{fine:?}");
        assert_eq!(app.the_incident().await["worker_reports"], "reports_safe");
        let before = app.texts("dee").await.len();
        app.pass(20).await;
        assert_eq!(app.texts("dee").await.len(), before, "nobody is called meanwhile");
        // A person closes it, and she is watched on.
        let incident = incident["id"].as_str().unwrap();
        let close = json!({"outcome": "safe_delayed", "known_by": "spoke_by_voice", "worker_now": "still_there", "minutes": 30, "note": "x"});
        app.person("sam").post(&format!("/incidents/{incident}/close"), close).await.is_ok();
        assert_eq!(state(&app, &id).await, "begun");
        app.pass(60).await;
        assert_eq!(app.the_incident().await["awaited"], "departure", "and raised again when she does not come out");
        app.finish().await;
    }

    async fn a_plan_is_begun_moved_or_called_off_in_time(db: TestDb) {
        let app = TestApp::start(&db).await;
        let id = start(&app, plan(&app)).await.id();
        app.pass(65).await;
        // Later: the arrival moves, and the departure with it.
        let wrong = app.person("ann").post(&format!("/visits/{id}/extend"), json!({"minutes": 20, "pin": "0000"})).await;
        wrong.is_problem(403, "pin-refused");
        let moved = app.person("ann").post(&format!("/visits/{id}/extend"), json!({"minutes": 20, "pin": "4821"})).await;
        assert_eq!((moved.body["expected_arrival"].clone(), moved.body["expected_departure"].clone()), (json!("2026-01-14T13:25:00Z"), json!("2026-01-14T14:25:00Z")), "{moved:?}");
        app.pass(25).await;
        assert_eq!(app.open_incidents().await, 0);
        assert_eq!(text(&app, "ann", "OK 4821").await, "Noted: you arrive 13:40. Reply IN 60 NEXT when you begin.");
        app.pass(12).await;
        assert!(text(&app, "ann", "IN 30 NEXT").await.starts_with("Watching you till 14:12."));
        assert_eq!(state(&app, &id).await, "begun");
        app.pass(10).await;
        assert_eq!(app.open_incidents().await, 0);
        let other = app.person("ann").post("/visits", json!({"place": "b", "expected_arrival": app.at("14:00"), "minutes": 10})).await.id();
        app.person("ann").post(&format!("/visits/{other}/cancel"), json!({"pin": "4821", "reason": "ill"})).await.is_ok();
        text(&app, "ann", "OUT 4821").await;
        app.pass(60).await;
        assert_eq!(app.open_incidents().await, 0);
        app.finish().await;
    }

    async fn whoever_is_looked_for_says_with_the_pin_that_they_are_safe(db: TestDb) {
        let app = TestApp::start(&db).await;
        let id = start(&app, plan(&app)).await.id();
        app.pass(75).await;
        app.person("ann").post(&format!("/visits/{id}/cancel"), json!({"pin": "1111", "reason": "x"})).await.is_problem(403, "pin-refused");
        assert_eq!(app.the_incident().await["worker_reports"], "none");
        app.person("ann").post(&format!("/visits/{id}/cancel"), json!({"pin": "4821", "reason": "she rang"})).await.is_ok();
        assert_eq!(app.the_incident().await["worker_reports"], "reports_safe", "open until a person closes it");
        app.pass(31).await;
        assert_eq!(app.the_incident().await["raise"], 1, "unconfirmed it is raised again");
        app.finish().await;
    }

    async fn a_missed_check_is_raised_and_an_answered_one_is_not(db: TestDb) {
        let app = TestApp::start(&db).await;
        let visit = start(&app, json!({"place": "12 High St", "minutes": 180, "check_every_minutes": 30})).await;
        let id = visit.id();
        assert_eq!(visit.message(), "Watching you till 15:00. Say with your PIN that you are fine by 12:30. Check out with your PIN when you leave.");
        app.pass(30).await;
        assert_eq!(app.texts("ann").await, ["Are you fine? Check due 12:30: check in with your PIN. At 12:40 others are told."]);
        assert_eq!(text(&app, "ann", "OK 4821").await, "Watching you till 15:00. Fine? OK and your PIN by 13:00. Leaving? OUT and PIN.");
        assert_eq!(text(&app, "ann", "STATUS").await, "Watching you till 15:00. Say OK and your PIN by 13:00.");
        // A wrong PIN is no sign of life; being at the door is none either.
        app.pass(33).await;
        assert!(text(&app, "ann", "OK 1234").await.starts_with("PIN not right."));
        app.person("ann").post(&format!("/visits/{id}/arrive"), json!({})).await.is_ok();
        app.pass(3).await;
        assert!(app.texts("ann").await.last().unwrap().starts_with("No word from you since the check at 13:00. At 13:10 others are told."), "{:?}", app.texts("ann").await);
        app.pass(3).await;
        assert_eq!(app.open_incidents().await, 0);
        app.pass(1).await;
        let incident = app.the_incident().await;
        assert_eq!((incident["awaited"].as_str(), incident["headline"].as_str()), (Some("welfare_check"), Some("NO WORD: Ann Lee was due to check in 13:00. Nobody has taken it.")));
        assert!(app.texts("sam").await[0].starts_with("NO WORD: Ann Lee due to check in 13:00, no word by 13:10."), "{:?}", app.texts("sam").await);
        // Answered late: she reports, and stays inside.
        assert!(text(&app, "ann", "OK 4821").await.contains("Others were told that you are overdue"));
        assert_eq!((state(&app, &id).await.as_str(), app.the_incident().await["worker_reports"].as_str()), ("begun", Some("reports_safe")));
        app.finish().await;
    }

    async fn every_act_with_the_pin_is_a_sign_of_life_and_high_risk_is_checked_by_policy(db: TestDb) {
        let organisation = WESTSHIRE.replace("policy = { extension_cap = \"2h\" }", "policy = { check_every_high_risk = \"20m\" }");
        assert_ne!(organisation, WESTSHIRE);
        let app = TestApp::with(&db, &organisation, |_| {}).await;
        let usual = start(&app, json!({"place": "a", "minutes": 180})).await;
        assert_eq!(usual.body["next_check_at"], Value::Null);
        text(&app, "ann", "OUT 4821").await;
        let id = start(&app, json!({"place": "b", "minutes": 180, "risk": "high"})).await.id();
        app.pass(15).await;
        let more = app.person("ann").post(&format!("/visits/{id}/extend"), json!({"minutes": 10, "pin": "4821"})).await;
        assert_eq!((more.body["next_check_at"].clone(), more.body["expected_departure"].clone()), (json!("2026-01-14T12:35:00Z"), json!("2026-01-14T15:10:00Z")));
        app.pass(24).await;
        assert_eq!(app.open_incidents().await, 0);
        app.pass(1).await;
        assert_eq!(app.the_incident().await["awaited"], "welfare_check", "five minutes at high risk");
        app.finish().await;
    }

    async fn an_objection_makes_no_check_later(db: TestDb) {
        let app = TestApp::start(&db).await;
        let id = start(&app, json!({"place": "a", "minutes": 60, "check_every_minutes": 30})).await.id();
        app.pass(35).await;
        let longer = json!({"minutes": 20, "known_by": "spoke_by_voice"});
        app.person("sam").post(&format!("/visits/{id}/extend"), longer).await.is_ok();
        let objected = app.person("ann").post(&format!("/visits/{id}/object"), json!({})).await;
        let due = [objected.body["expected_departure"].clone(), objected.body["next_check_at"].clone()];
        assert_eq!(due, ["2026-01-14T13:00:00Z", "2026-01-14T12:30:00Z"], "it needs no PIN, and is no sign of life");
        app.pass(5).await;
        assert_eq!(app.the_incident().await["awaited"], "welfare_check");
        app.finish().await;
    }

    async fn what_others_did_to_a_plan_ends_when_its_worker_begins(db: TestDb) {
        let app = TestApp::start(&db).await;
        let id = start(&app, plan(&app)).await.id();
        app.pass(61).await;
        let longer = || json!({"minutes": 30, "known_by": "spoke_by_voice"});
        app.person("sam").post(&format!("/visits/{id}/extend"), longer()).await.is_ok();
        assert!(text(&app, "ann", "IN 45 12 High St").await.starts_with("Watching you till 13:46."));
        assert_eq!(state(&app, &id).await, "begun");
        assert_eq!(app.person("ann").post(&format!("/visits/{id}/object"), json!({})).await.status, 409);
        app.person("sam").post(&format!("/visits/{id}/extend"), longer()).await.is_ok();
        app.finish().await;
    }

    async fn the_way_home_is_watched_till_the_worker_says_that_they_are_home(db: TestDb) {
        let app = TestApp::start(&db).await;
        let id = start(&app, json!({"place": "a", "minutes": 60, "home_within_minutes": 45})).await.id();
        app.pass(30).await;
        let out = "Watching your way home till 13:15. Reply HOME and your PIN when you are home.";
        assert_eq!(text(&app, "ann", "OUT 4821").await, format!("Ended 12:30. {out}"));
        assert_eq!(state(&app, &id).await, "going_home");
        // Delivered twice it ends nothing; neither does a check-out sent again.
        app.pass(1).await;
        assert_eq!(text(&app, "ann", "OUT 4821").await, out);
        let again = app.person("ann").post(&format!("/visits/{id}/check-out"), json!({"pin": "4821"})).await;
        assert_eq!((again.status, again.body["state"].as_str()), (200, Some("going_home")));
        assert_eq!(text(&app, "ann", "STATUS").await, "Watching your way home till 13:15.");
        app.pass(10).await;
        assert!(text(&app, "ann", "HOME 9999").await.starts_with("PIN not right. Still watching till 13:15."));
        assert_eq!(text(&app, "ann", "HOME 4821").await, "Ended 12:41. You are no longer watched.");
        let home = app.person("ann").get(&format!("/visits/{id}")).await;
        assert_eq!((home.body["ended_how"].as_str(), home.body["left_at"].clone()), (Some("home_safe"), json!("2026-01-14T12:30:00Z")));
        app.pass(90).await;
        assert_eq!(app.open_incidents().await, 0);
        app.finish().await;
    }

    async fn the_way_home_is_watched_too_where_nobody_said_that_it_had_begun(db: TestDb) {
        let app = TestApp::start(&db).await;
        let plan = json!({"place": "a", "expected_arrival": app.at("12:30"), "minutes": 60, "home_within_minutes": 45});
        let id = start(&app, plan).await.id();
        app.pass(40).await;
        assert_eq!(text(&app, "ann", "OUT 4821").await, "Ended 12:40. Watching your way home till 13:25. Reply HOME and your PIN when you are home.");
        assert_eq!(state(&app, &id).await, "going_home");
        app.pass(60).await;
        assert_eq!(app.the_incident().await["awaited"], "home_safe");
        app.finish().await;
    }

    async fn whoever_does_not_come_home_is_raised(db: TestDb) {
        let app = TestApp::start(&db).await;
        let id = start(&app, json!({"place": "a", "minutes": 60, "home_within_minutes": 30})).await.id();
        app.pass(30).await;
        app.person("ann").post(&format!("/visits/{id}/check-out"), json!({"pin": "4821"})).await.is_ok();
        app.pass(20).await;
        assert_eq!(app.texts("ann").await, ["Due home 13:00. Home? Say so with your PIN. Later? Extend with your PIN."]);
        assert_eq!(text(&app, "ann", "MORE 10 4821").await, "Watching your way home till 13:10. Reply HOME and your PIN when you are home.");
        app.pass(20).await;
        assert_eq!(app.texts("ann").await.last().unwrap(), "You were due home 13:10. At 13:25 others are told. Home? Say so with your PIN, or extend with your PIN now.");
        app.pass(15).await;
        let incident = app.the_incident().await;
        assert_eq!((incident["awaited"].as_str(), incident["headline"].as_str()), (Some("home_safe"), Some("NOT HOME: Ann Lee was due home 13:10. Nobody has taken it.")));
        let home = app.person("ann").post(&format!("/visits/{id}/home"), json!({"pin": "4821"})).await;
        assert_eq!((home.body["state"].as_str(), home.body["ended_how"].as_str()), (Some("ended"), Some("after_alarm")), "{home:?}");
        assert_eq!(app.the_incident().await["worker_reports"], "reports_safe");
        app.finish().await;
    }

    async fn a_new_start_on_the_way_home_is_watched_too(db: TestDb) {
        let app = TestApp::start(&db).await;
        let first = start(&app, json!({"place": "a", "minutes": 60, "home_within_minutes": 60})).await.id();
        app.pass(10).await;
        text(&app, "ann", "OUT 4821").await;
        app.pass(10).await;
        assert!(text(&app, "ann", "IN 20 B123456").await.contains("Your other visit is watched till 13:10."));
        app.pass(5).await;
        // "Out" is said of the visit, not of the way home.
        assert_eq!(text(&app, "ann", "OUT 4821").await, "Ended 12:25. Watching your way home till 13:10. Reply HOME and your PIN when you are home.");
        assert_eq!(state(&app, &first).await, "going_home");
        app.pass(60).await;
        assert_eq!(app.the_incident().await["awaited"], "home_safe");
        app.finish().await;
    }

    async fn each_is_raised_after_an_outage_too(db: TestDb) {
        let app = TestApp::start(&db).await;
        start(&app, json!({"place": "a", "minutes": 180, "check_every_minutes": 30})).await;
        app.pass(1).await;
        app.down_for(60);
        app.work().await;
        assert_eq!(app.the_incident().await["awaited"], "welfare_check");
        assert_eq!(app.texts("ann").await, ["You were due to check in 12:30. Homeward was down and could not ask. Others are being told. Fine? Check in with your PIN now."]);
        app.pass(6).await;
        app.finish().await;
    }

    async fn everybody_on_a_visit_is_watched_on_their_own(db: TestDb) {
        let ben = "\n[[person]]\nkey = \"ben\"\nname = \"Ben Okoro\"\nteam = \"north\"\nrole = \"worker\"\nphone = \"07700 900130\"\nmanager = \"sam\"\nemergency_contacts = [\"sam\"]\n";
        let app = TestApp::with(&db, &format!("{WESTSHIRE}{ben}"), |_| {}).await;
        app.set_pin("ben").await;
        let visit = start(&app, json!({"place": "a", "minutes": 60, "with": ["ben", "nobody", "jo", "ann"]})).await;
        assert_eq!(visit.body["with"][0]["name"], "Ben Okoro", "{visit:?}");
        let warned = visit.body["warnings"].to_string();
        assert!(warned.contains("“nobody” is nobody who can be watched") && warned.contains("“jo”"), "{warned}");
        app.work().await;
        assert_eq!(app.texts("ben").await, ["Ann Lee has started a visit with you. You are watched too, till 13:00. Check out with your own PIN when you leave."]);
        assert_eq!(text(&app, "ben", "STATUS").await, "Watching you till 13:00. With Ann Lee.");
        app.pass(30).await;
        assert_eq!(text(&app, "ann", "OUT 4821").await, "Ended 12:30. You are no longer watched.");
        app.pass(41).await;
        let incident = app.the_incident().await;
        assert_eq!(incident["subject"]["name"], "Ben Okoro", "out alone is not out together");
        let sms = app.said().await.into_iter().filter(|said| said.channel == Channel::Sms && said.to == "sam").count();
        assert_eq!(sms, 1);
        app.finish().await;
    }

    async fn at_the_end_of_the_day_somebody_on_duty_says_that_all_are_out(db: TestDb) {
        let app = TestApp::with(&db, &closing("12:30"), |config| config.answering.by_text = true).await;
        start(&app, json!({"place": "12 High St", "minutes": 120})).await;
        app.pass(29).await;
        assert!(app.texts("sam").await.is_empty());
        app.pass(1).await;
        let asked = app.texts("sam").await;
        assert!(asked.len() == 1 && asked[0].starts_with("END OF DAY North team: still out: Ann Lee till 14:00. Reply SAFE "), "{asked:?}");
        // Whoever does not answer for the team confirms nothing.
        app.person("ann").post("/teams/north/end-of-day", json!({})).await.is_problem(403, "role-too-small");
        app.pass(30).await;
        assert_eq!(app.texts("sam").await.len(), 1);
        let dee = app.texts("dee").await;
        assert!(dee[0].contains("Not confirmed yet."), "after half an hour the next: {dee:?}");
        let code = dee[0].split("SAFE ").nth(1).unwrap()[..4].to_owned();
        assert_eq!(text(&app, "dee", &format!("SAFE {code}")).await, "Noted for North team. 1 still on a visit: watched on till they check out.");
        let shown = app.person("sam").get("/teams/north/end-of-day").await;
        assert_eq!((shown.body["unconfirmed"].clone(), shown.body["next_at"].clone()), (Value::Null, json!("2026-01-15T12:30:00Z")));
        assert_eq!(shown.body["still_out"][0]["worker"]["name"], "Ann Lee");
        let before = app.texts("una").await.len();
        app.pass(40).await;
        assert_eq!(app.texts("una").await.len(), before);
        app.finish().await;
    }

    async fn an_end_of_the_day_in_an_outage_is_asked_about_once(db: TestDb) {
        let app = TestApp::with(&db, &closing("17:30"), |_| {}).await;
        // From Wednesday noon to Monday morning: Friday's is asked about.
        app.down_for(4 * 24 * 60 + 21 * 60);
        app.work().await;
        app.work().await;
        assert_eq!(app.texts("sam").await, ["END OF DAY North team: nobody is out as far as Homeward knows. Confirm in Homeward once all are out."]);
        let shown = app.person("sam").get("/teams/north/end-of-day").await;
        assert_eq!(shown.body["unconfirmed"], "2026-01-16");
        let confirmed = app.person("sam").post("/teams/north/end-of-day", json!({})).await;
        assert_eq!((confirmed.status, confirmed.body["next_at"].clone()), (200, json!("2026-01-19T17:30:00Z")));
        app.finish().await;
    }

    async fn whoever_is_at_the_door_of_a_plan_that_is_over_is_watched(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        let ann = app.person("ann");
        // Ended with the incident: it was taken that she would not go.
        let id = ann.post("/visits", plan(&app)).await.id();
        app.pass(76).await;
        let incident = app.the_incident().await["id"].as_str().unwrap().to_owned();
        app.person("sam").post(&format!("/incidents/{incident}/close"), json!({"outcome": "false_alarm", "known_by": "spoke_by_voice", "worker_now": "home", "note": "Thought she was off."})).await.is_ok();
        let over = ann.get(&format!("/visits/{id}")).await;
        assert_eq!((over.body["state"].as_str(), &over.body["arrived_at"]), (Some("ended"), &Value::Null));
        // Only she herself can say that she is there.
        app.person("sam").post(&format!("/visits/{id}/arrive"), json!({})).await.is_problem(409, "wrong-state");
        let there = ann.post(&format!("/visits/{id}/arrive"), json!({})).await;
        assert_eq!((there.status, there.body["state"].as_str(), there.body["place"].as_str()), (201, Some("begun"), Some("12 High St")), "{there:?}");
        assert_eq!(there.body["expected_departure"], json!("2026-01-14T14:16:00Z"), "for as long as was planned");
        assert_eq!(there.message(), "Watching you till 14:16. Check out with your PIN when you leave.");
        assert_eq!(there.body["warnings"][0]["message"], "the planned visit was over: a new visit was begun, you are watched till 14:16");
        // Said again it is the same visit; and somebody does watch.
        let again = ann.post(&format!("/visits/{id}/arrive"), json!({})).await;
        assert_eq!((again.status, again.id()), (200, there.id()));
        app.pass(71).await;
        assert_eq!(app.the_incident().await["visit"], json!(there.id()));
        ann.post(&format!("/visits/{}/check-out", there.id()), json!({"pin": "4821"})).await.is_ok();
        ann.post(&format!("/visits/{}/arrive", there.id()), json!({})).await.is_problem(409, "wrong-state");
        app.finish().await;
    }

    async fn whoever_is_at_the_door_of_what_others_ended_again_is_watched(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        let ann = app.person("ann");
        let id = ann.post("/visits", plan(&app)).await.id();
        app.pass(62).await;
        let end = async || app.person("sam").post(&format!("/visits/{id}/check-out"), json!({"known_by": "spoke_by_voice"})).await;
        assert_eq!(end().await.status, 200);
        // She is on her way still; and again it is ended for her.
        assert!(app.text("ann", "NOT OUT").await.starts_with("Watching you till"));
        app.pass(5).await;
        assert_eq!(end().await.status, 200);
        app.pass(5).await;
        let there = ann.post(&format!("/visits/{id}/arrive"), json!({})).await;
        assert_eq!((there.status, there.body["state"].as_str()), (201, Some("begun")), "{there:?}");
        app.finish().await;
    }

    async fn whoever_is_at_the_door_of_a_plan_that_was_called_off_is_watched(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        let ann = app.person("ann");
        let id = ann.post("/visits", plan(&app)).await.id();
        ann.post(&format!("/visits/{id}/cancel"), json!({"reason": "Ill.", "pin": "4821"})).await.is_ok();
        app.pass(60).await;
        let there = ann.post_once(&format!("/visits/{id}/arrive"), "k", json!({})).await;
        assert_eq!((there.status, there.body["expected_departure"].clone()), (201, json!("2026-01-14T14:00:00Z")), "{there:?}");
        let again = ann.post_once(&format!("/visits/{id}/arrive"), "k", json!({})).await;
        assert_eq!((again.status, again.id()), (201, there.id()));
        // Nobody believes that they are watched by a visit that is over.
        ann.post(&format!("/visits/{}/check-out", there.id()), json!({"pin": "4821"})).await.is_ok();
        let anew = ann.post_once(&format!("/visits/{id}/arrive"), "k", json!({})).await;
        assert_eq!((anew.status, anew.id() == there.id()), (201, false), "{anew:?}");
        app.finish().await;
    }

    async fn whoever_comes_back_to_what_they_had_left_without_saying_that_it_began_is_watched(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        let ann = app.person("ann");
        let arrive = async |id: &str, body: Value| ann.post(&format!("/visits/{id}/arrive"), body).await;
        let out = async |id: &str, body: Value| ann.post(&format!("/visits/{id}/check-out"), body).await;
        // Nobody in, too early; then at the door again.
        let early = ann.post("/visits", json!({"place": "a", "expected_arrival": app.at("12:30"), "minutes": 60})).await.id();
        app.pass(5).await;
        out(&early, json!({"pin": "4821", "outcome": "not_in"})).await.is_ok();
        app.pass(25).await;
        // What was on its way since before is no door that she is at.
        arrive(&early, json!({"made_at": app.at("12:02")})).await.is_problem(409, "wrong-state");
        let there = arrive(&early, json!({})).await;
        assert_eq!((there.status, there.body["state"].as_str(), there.id() == early), (201, Some("begun"), false), "{there:?}");
        app.pass(20).await;
        let again = arrive(&early, json!({})).await;
        assert_eq!((again.status, again.id()), (200, there.id()), "said again it is the same visit: {again:?}");
        out(&there.id(), json!({"pin": "4821"})).await.is_ok();
        // The way home stays watched beside it.
        let home = ann.post("/visits", json!({"place": "b", "expected_arrival": app.at("13:00"), "minutes": 60, "home_within_minutes": 90})).await.id();
        app.pass(15).await;
        out(&home, json!({"pin": "4821"})).await.is_ok();
        assert_eq!(state(&app, &home).await, "going_home");
        app.pass(5).await;
        let back = arrive(&home, json!({})).await;
        assert_eq!((back.status, back.body["state"].as_str(), back.id() == home), (201, Some("begun"), false), "{back:?}");
        let said = "you had said that you left the planned visit: a new visit was begun, you are watched till 14:10";
        assert_eq!(back.body["warnings"][0]["message"], said);
        assert_eq!(state(&app, &home).await, "going_home");
        // Where it was begun, and left, it is over.
        out(&back.id(), json!({"pin": "4821"})).await.is_ok();
        arrive(&back.id(), json!({})).await.is_problem(409, "wrong-state");
        app.finish().await;
    }

    async fn nothing_odd_keeps_whoever_is_at_the_door_from_being_watched(db: TestDb) {
        let app = TestApp::start(&db).await;
        let ann = app.person("ann");
        let large = vec![b' '; 70_000];
        for body in [b"{\"colour\": \"red\"}".to_vec(), b"{\"made_at\": \"noon\"}".to_vec(), b"at the door".to_vec(), b"[1]".to_vec(), b"\xff".to_vec(), large] {
            let id = ann.post("/visits", plan(&app)).await.id();
            let there = ann.post_raw(&format!("/visits/{id}/arrive"), body.clone()).await;
            assert_eq!((there.status, there.body["state"].as_str(), there.body["arrived_at"].clone()), (200, Some("begun"), json!(app.now())), "{there:?}");
            assert_eq!(there.body["warnings"].as_array().unwrap().len(), 1, "{there:?}");
        }
        // By a token that no longer lets in nobody is watched, and the manager is told.
        let id = ann.post("/visits", plan(&app)).await.id();
        let (organisation, now) = (app.organisation, app.now());
        let listed = homeward::store::tokens::list(&mut app.db().read().await.unwrap(), organisation).await.unwrap();
        let token = listed.iter().find(|token| token.person_key == "ann").unwrap().id;
        app.db().write(async move |tx| homeward::store::tokens::revoke(tx, organisation, token, now).await).await.unwrap();
        ann.post(&format!("/visits/{id}/arrive"), json!({})).await.is_problem(401, "not-being-watched");
        app.work().await;
        assert!(app.texts("sam").await.contains(&"A start by Ann Lee could not be read: Ann Lee is NOT BEING WATCHED. Ring them.".to_owned()));
        app.finish().await;
    }

    async fn an_incident_that_cannot_be_read_refuses_no_start(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.person("ann").post("/visits", plan(&app)).await;
        app.pass(76).await;
        assert_eq!(app.open_incidents().await, 1);
        assert_eq!(execute(app.db(), "UPDATE incident SET claim = 'of a newer version'").await.unwrap(), 1);
        let start = app.person("ann").post("/visits", json!({"place": "12 High St", "minutes": 30})).await;
        assert_eq!((start.status, start.body["state"].as_str()), (200, Some("begun")), "{start:?}");
    }
}

/// The north team closes at this time.
fn closing(time: &str) -> String {
    let policy = format!("policy = {{ extension_cap = \"2h\", closing_time = \"{time}\" }}");
    WESTSHIRE.replace("policy = { extension_cap = \"2h\" }", &policy)
}

#[test]
fn a_team_closes_once_a_day_also_where_the_clocks_repeat_or_skip_the_time() {
    use chrono_tz::Europe::London;
    use homeward::domain::policy::{ClosingTime, Policy};
    let next = |time: &str, after: &str| {
        let closing_time = ClosingTime::try_from(time.to_owned()).unwrap();
        let closing_days = vec![chrono::Weekday::Sun];
        let policy = Policy { closing_time, closing_days, ..Policy::default() };
        policy.next_closing(after.parse().unwrap(), London).unwrap().to_rfc3339()
    };
    // In the night to 25 October 2026 the clocks show 01:30 twice, in that to 28 March 2027 not at all.
    assert_eq!(next("01:30", "2026-10-24T12:00:00Z"), "2026-10-25T00:30:00+00:00");
    assert_eq!(next("01:30", "2026-10-25T00:30:00Z"), "2026-11-01T01:30:00+00:00");
    assert_eq!(next("01:30", "2027-03-27T12:00:00Z"), "2027-03-28T01:00:00+00:00");
}
