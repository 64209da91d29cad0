//! Texts, word for word: what is answered, and what is done (rows S1 to S3, S5; DECISIONS).

use serde_json::json;

use crate::support::{
    app::{TestApp, WESTSHIRE},
    on_both,
};

impl TestApp {
    /// Sends a text; what it is answered.
    /// Somebody with an account texts, and this is answered.
    pub async fn text(&self, from: &str, text: &str) -> String {
        let reply = self.person(from).post("/text", json!({ "text": text })).await;
        let answer = reply.is_ok().body["reply"].as_str().unwrap().to_owned();
        assert!(homeward::domain::wording::sms::fits(&answer), "{} characters: {answer}", answer.len());
        self.work().await;
        answer
    }

    /// The whole log without its ids and hashes, in which any digits may stand.
    async fn what_the_log_says(&self) -> String {
        let events = self.everything_that_happened().await.body.to_string();
        let is_name =
            |word: &&str| word.len() >= 32 && word.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        events.split('"').filter(|word| !is_name(word)).collect()
    }

    /// The one open incident, as somebody sees it.
    pub async fn the_incident_as(&self, who: &str) -> serde_json::Value {
        let list = self.person(who).get("/incidents?state=open").await;
        let incidents = list.is_ok().body["incidents"].as_array().unwrap();
        assert_eq!(incidents.len(), 1, "{list:?}");
        incidents[0].clone()
    }
}

on_both! {
    async fn a_visit_by_text(db: TestDb) {
        let app = TestApp::start(&db).await;
        assert_eq!(app.text("ann", "STATUS").await, "Nothing running: you are NOT being watched.");
        assert_eq!(app.text("ann", "in 45 12 High St").await, "Watching you till 12:45. Set your PIN now: without it you cannot end this.");
        assert_eq!(app.text("ann", "OUT 4821").await, "Not ended: no PIN set. Still watching till 12:45. Ring Sam Cole.");
        assert_eq!(app.texts("sam").await, ["Ann Lee wants to end a visit but has no PIN set. Ring Ann Lee and end it for them. Watched till 12:45."]);
        app.finish().await;
    }

    async fn what_no_database_takes_is_left_out_of_a_text(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        assert_eq!(app.text("ann", "IN\t45 12 High\u{0} St").await, "Watching you till 12:45. Reply OUT and your PIN when you leave.");
        assert_eq!(app.person("ann").get("/visits").await.body["visits"][0]["place"], "12 High St");
        app.finish().await;
    }

    async fn pins_by_text(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        assert_eq!(app.text("ann", "IN 60 A123456").await, "Watching you till 13:00. Reply OUT and your PIN when you leave.");
        assert_eq!(app.text("ann", "OUT").await, "Not ended: PIN needed. Still watching till 13:00. Reply OUT and your PIN.");
        assert_eq!(app.text("ann", "MORE 30").await, "Not extended: PIN needed. Still watching till 13:00. Reply MORE 30 and your PIN.");
        assert_eq!(app.text("ann", "OK").await, "Not noted: PIN needed. Still watching till 13:00. Reply OK and your PIN.");
        for wrong in 1..=5 {
            assert_eq!(app.text("ann", &format!("OUT 900{wrong}")).await, "PIN not right. Still watching till 13:00.");
            assert_eq!(app.texts("sam").await.len(), usize::from(wrong >= 3), "at the third the manager is told");
        }
        // Locked: the right one looks wrong too; SOS, IN and STATUS go on.
        assert_eq!(app.text("ann", "OUT 4821").await, "PIN not right. Still watching till 13:00.");
        assert_eq!(app.text("ann", "OK 4821").await, "PIN not right. Still watching till 13:00.");
        assert_eq!(app.text("ann", "STATUS").await, "Watching you till 13:00.");
        assert_eq!(app.text("ann", "IN 30 9 Quay Road").await, "Watching you till 12:30. Reply OUT and your PIN when you leave. Your other visit is watched till 13:00.");
        app.pass(15).await;
        assert_eq!(app.text("ann", "OUT 4821").await, "Ended 12:15: your visits begun 12:00, 12:00. You are no longer watched.");
        assert_eq!(app.text("ann", "OUT 4821").await, "Nothing running: you are NOT being watched. To be watched for an hour reply IN 60.");
        // No reply and no log repeats a PIN.
        let said = app.what_the_log_says().await;
        assert!(!said.contains("4821") && !said.contains("9001"), "a PIN stands in the log");
        app.finish().await;
    }

    async fn odd_starts(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        let asked = "Watching you till 13:00. Reply OUT and your PIN when you leave. When will you be out? MORE 30 and PIN for longer.";
        for text in ["IN", "IN 0 12 High St", "IN 10000 5 Mill Lane", "in half 3 1 Ash Close", "IN UNTIL 11:00 3 Oak Road"] {
            let answer = app.text("ann", text).await;
            assert!(answer.starts_with(asked), "{text}: {answer}");
            assert_eq!(app.text("ann", text).await, answer, "the same words are the same visit: {text}");
            app.text("ann", "OUT 4821").await;
        }
        assert_eq!(app.text("ann", "IN UNTIL 15:00 12 High St").await, "Watching you till 15:00. Reply OUT and your PIN when you leave.");
        assert_eq!(app.text("ann", "MORE 4821").await, "Not extended. Still watching till 15:00. How much longer? Reply MORE 30 and your PIN.");
        assert_eq!(app.text("ann", "MORE 30 4821").await, "Watching you till 15:30. Reply OUT and your PIN when you leave.");
        app.text("ann", "OUT 4821").await;
        // A plan: its words, or NEXT.
        for (place, at) in [("12 High St", "12:30"), ("9 Quay Road", "12:40")] {
            app.person("ann").post("/visits", json!({"place": place, "expected_arrival": app.at(at), "expected_departure": app.at("13:30")})).await.is_ok();
        }
        assert_eq!(app.text("ann", "IN 60 9 quay road").await, "Watching you till 13:00. Reply OUT and your PIN when you leave.");
        assert_eq!(app.text("ann", "STATUS").await, "Watching you till 13:00. Next 12:30: not watched until you start.");
        app.text("ann", "OUT 4821").await;
        assert_eq!(app.text("ann", "IN NEXT").await, "Watching you till 13:30. Reply OUT and your PIN when you leave.");
        app.text("ann", "OUT 4821").await;
        assert!(app.text("ann", "IN 30 NEXT").await.ends_with("Which plan is it? This is a new visit."));
        app.text("ann", "OUT 4821").await;
        for at in ["12:30", "12:40"] {
            app.person("ann").post("/visits", json!({"place": "12 High St", "expected_arrival": app.at(at), "expected_departure": app.at("13:30")})).await.is_ok();
        }
        assert!(app.text("ann", "IN 30 12 High St").await.ends_with("Which plan is it? This is a new visit."));
        app.finish().await;
    }

    async fn what_is_not_understood(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        let not_watched = "Not understood. You are NOT being watched. Try: IN 60, OUT and PIN, MORE 30 and PIN, OK and PIN, SOS.";
        for text in ["", "   ", "hello", &"x".repeat(4000)] {
            assert_eq!(app.text("ann", text).await, not_watched);
        }
        assert_eq!(app.texts("sam").await, [""; 0], "without a visit the log is enough");
        app.text("ann", "IN 60").await;
        assert_eq!(app.text("ann", "the dog is nice, pin is 4821").await, "Not understood. Still watching till 13:00. Try: IN 60, OUT and PIN, MORE 30 and PIN, OK and PIN, SOS.");
        assert_eq!(app.texts("sam").await, ["Ann Lee is on a visit and sent a text that Homeward could not read. It stands in Homeward. Ring Ann Lee."]);
        // Words that a network acts on.
        assert_eq!(app.text("ann", "STOP").await, "You are still watched, till 13:00. Your manager is told. To end reply OUT and your PIN.");
        assert_eq!(app.text("ann", "CONCERN the boy has bruises").await, "Noted 12:00, with your visit. Sam Cole is told. Still watching till 13:00.");
        assert_eq!(app.texts("sam").await.len(), 3);
        assert!(!app.what_the_log_says().await.contains("4821"), "what could be a PIN is masked");
        app.person("ann").post_raw("/text", "{\"txt\": 1}").await.is_problem(422, "not-being-watched");
        app.finish().await;
    }

    async fn alarms_are_answered_by_code(db: TestDb) {
        let app = TestApp::with(&db, WESTSHIRE, |config| config.answering.by_text = true).await;
        app.ann_goes_in(10).await;
        app.pass(20).await;
        let code = app.the_incident_as("sam").await["code"].as_str().unwrap().to_owned();
        assert_eq!(app.texts("sam").await, [format!("OVERDUE: Ann Lee due out 12:10, no word by 12:20. Ring 07700900123. Reply ACK {code} to take it, NO {code} if you cannot.")]);
        // A bare OK never takes it; a code that is not theirs neither.
        let not_yet = app.text("sam", "OK").await;
        assert!(!not_yet.contains("have the alarm"), "{not_yet}");
        assert_eq!(app.text("sam", "ACK").await, format!("Nothing done: which alarm? Reply ACK and its code. Ann Lee {code}"));
        assert_eq!(app.text("dee", &format!("ACK {code}")).await, "Nothing done: no alarm that you were called about is open. ACK needs the code of one.");
        assert_eq!(app.text("sam", &format!("where {code}")).await, "Ann Lee: 12 High St. Last heard 12:00. 07700900123");
        assert_eq!(app.text("sam", "WHO").await, format!("Ann Lee {code}: nobody has it."));
        assert_eq!(app.text("sam", &format!("ack {}", code.to_lowercase())).await, "You have the alarm about Ann Lee until 12:35. Ring Ann Lee on 07700900123; close it in Homeward.");
        assert_eq!(app.text("sam", &format!("HOLD {code} 60 on my way")).await, "You have the alarm about Ann Lee until 13:20. The others are told.");
        assert_eq!(app.text("sam", &format!("SAFE {code} spoke to her")).await, "Noted and told: Ann Lee is safe, you say. The alarm stays open until it is closed in Homeward.");
        assert_eq!(app.text("sam", &format!("NO {code}")).await, "Noted: you cannot. The others called about Ann Lee are told.");
        assert_eq!(app.the_incident().await["raise"], 1);
        assert_eq!(app.text("sam", &format!("NOT SAFE {code} ambulance here")).await, "Everybody is being called about Ann Lee now. Ring 999 if nobody has.");
        assert_eq!(app.the_incident().await["kind"], "sos");
        let dees = app.the_incident_as("dee").await["code"].as_str().unwrap().to_owned();
        assert!(app.text("dee", &format!("ACK {dees}")).await.starts_with("You have the alarm about Ann Lee until 12:25. Ring 999 if nobody has"));
        assert_eq!(app.text("sam", &format!("ACK {code}")).await, "Dee Park has the alarm about Ann Lee. Nothing for you to do unless Dee Park asks.");
        assert_eq!(app.text("sam", &format!("ACK ALL {code}")).await, "NOTHING taken. Reply ACK ALL and a code of the text that names them, or ACK and the code of each.");
        let id = app.the_incident().await["id"].as_str().unwrap().to_owned();
        app.person("dee").post(&format!("/incidents/{id}/close"), json!({"outcome": "injured", "known_by": "seen", "worker_now": "hospital", "note": "n"})).await.is_ok();
        app.pass(60 * 24).await;
        assert_eq!(app.text("sam", &format!("ACK {code}")).await, "That alarm is over. Nothing is open.");
        app.text("ann", "IN 10").await;
        app.pass(20).await;
        let new = app.the_incident_as("sam").await["code"].as_str().unwrap().to_owned();
        assert_eq!(app.text("sam", &format!("ACK {code}")).await, format!("That alarm is over. Open now: Ann Lee {new}"));
        assert_eq!(app.the_incident().await["owner"], json!(null), "a dead code takes nothing");
        app.finish().await;
    }

    async fn a_key_keeps_nothing_from_being_raised_or_answered(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        let send = async |text: &str| app.person("ann").post_once("/text", text, json!({"text": text})).await.is_ok().body["reply"].as_str().unwrap().to_owned();
        // Some client makes its keys from what it sends.
        send("IN 60").await;
        assert_eq!(send("STATUS").await, "Watching you till 13:00.");
        assert_eq!(send("MORE 30 4821").await, "Watching you till 13:30. Reply OUT and your PIN when you leave.");
        assert_eq!(send("MORE 30 4821").await, "Watching you till 13:30. Reply OUT and your PIN when you leave.", "the same request, again");
        assert_eq!(send("OUT 4821").await, "Ended 12:00. You are no longer watched.");
        assert_eq!(send("STATUS").await, "Nothing running: you are NOT being watched.");
        // What comes again late is not done to a visit that has begun since.
        app.text("ann", "IN 20 9 Quay Road").await;
        assert_eq!(send("OUT 4821").await, "Ended 12:00. You are no longer watched.", "what was done");
        assert_eq!(send("MORE 30 4821").await, "Done before, and that visit is over since. Are you watched? Reply STATUS.");
        assert_eq!(send("STATUS").await, "Watching you till 12:20.");
        send("SOS").await;
        let id = app.the_incident().await["id"].as_str().unwrap().to_owned();
        app.person("sam").post(&format!("/incidents/{id}/close"), json!({"outcome": "false_alarm", "known_by": "seen", "worker_now": "home", "note": "n"})).await.is_ok();
        assert_eq!(send("SOS").await, "Noted 12:00.");
        assert_eq!(app.open_incidents().await, 1, "a second call is a second call");
        app.finish().await;
    }

    async fn who_has_no_manager_is_heard_by_somebody_else(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("una").await;
        app.text("una", "IN 60").await;
        assert!(app.text("una", "CONCERN the dog").await.starts_with("Noted 12:00, with your visit. Dee Park is told."));
        let said = app.said().await;
        assert!(said.iter().any(|said| said.to != "una" && said.text.contains("Una Hart raised a concern")), "{said:?}");
        app.finish().await;
    }

    async fn help_by_text_is_an_sos(db: TestDb) {
        let app = TestApp::start(&db).await;
        for (n, text) in ["SOS", "help me", "999", "not ok", "I am NOT SAFE"].into_iter().enumerate() {
            assert_eq!(app.text("ann", text).await, format!("Noted {}.", app.now().format("%H:%M")), "{text}");
            assert_eq!(app.the_incident().await["raise"], n, "{text}");
            app.pass(3).await;
        }
        app.finish().await;
    }

    async fn a_team_may_do_without_the_pin_but_never_in_an_alarm(db: TestDb) {
        let without = WESTSHIRE.replace("policy = { extension_cap = \"2h\" }", "policy = { pin_by_text = \"not_asked\" }");
        let app = TestApp::with(&db, &without, |_| {}).await;
        app.set_pin("ann").await;
        app.text("ann", "IN 30").await;
        assert_eq!(app.text("ann", "OK").await, "Watching you till 12:30. Reply OUT and your PIN when you leave.");
        assert_eq!(app.text("ann", "OUT").await, "Ended 12:00. You are no longer watched.");
        // A call for help changes nothing that a phone can show, and proves nothing either.
        app.text("ann", "IN 30").await;
        app.text("ann", "SOS").await;
        assert_eq!(app.text("ann", "OK").await, "Watching you till 12:30. Reply OUT and your PIN when you leave.");
        assert_eq!(app.text("ann", "OUT").await, "Ended 12:00. You are no longer watched.");
        let incident = app.the_incident().await;
        assert_eq!((incident["kind"].as_str(), incident["worker_reports"].as_str()), (Some("sos"), Some("none")));
        let id = incident["id"].as_str().unwrap();
        app.person("sam").post(&format!("/incidents/{id}/close"), json!({"outcome": "false_alarm", "known_by": "seen", "worker_now": "home", "note": "n"})).await.is_ok();
        app.text("ann", "IN 30").await;
        app.pass(41).await;
        assert_eq!(app.open_incidents().await, 1);
        assert_eq!(app.text("ann", "OUT").await, "Not ended: PIN needed. Still watching till 12:30. Reply OUT and your PIN.");
        app.finish().await;
    }
}
