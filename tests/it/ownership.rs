//! Who has an alarm, and what they may do with it (rows E3, E6, E7, E11).

use serde_json::{Value, json};

use crate::support::{
    app::{TestApp, WESTSHIRE},
    on_both,
};

/// Ann is overdue and people are called; the incident's id.
async fn ann_is_overdue(app: &TestApp) -> String {
    app.ann_goes_in(10).await;
    app.pass(20).await;
    app.the_incident().await["id"].as_str().unwrap().to_owned()
}

impl TestApp {
    /// Does something about an incident, and sends what follows.
    async fn deed(&self, who: &str, incident: &str, act: &str, body: Value) -> Value {
        let reply = self.person(who).post(&format!("/incidents/{incident}/{act}"), body).await;
        let body = reply.is_ok().body.clone();
        self.work().await;
        body
    }
}

on_both! {
    async fn an_owner_holds_it_and_the_promise_lapses_all_the_same(db: TestDb) {
        let app = TestApp::start(&db).await;
        let id = ann_is_overdue(&app).await;
        app.deed("sam", &id, "acknowledge", json!({})).await;
        app.person("dee").post(&format!("/incidents/{id}/hold"), json!({"minutes": 30, "reason": "x"})).await.is_problem(409, "wrong-state");

        let held = app.deed("sam", &id, "hold", json!({"minutes": 500, "reason": "Driving there, 40 minutes."})).await;
        assert_eq!(held["waits_until"], json!("2026-01-14T13:20:00Z"), "an hour at most");
        assert_eq!(app.texts("dee").await, [""; 0], "Dee has not been called yet");
        let before = app.said().await.len();
        app.pass(57).await;
        assert_eq!(app.said().await.len(), before, "nobody is called meanwhile");
        app.pass(1).await;
        assert!(app.texts("sam").await.contains(&"You took the alarm about Ann Lee. At 13:20 it goes back to everyone. Close it, saying how it ended and where Ann Lee is.".to_owned()));
        app.pass(2).await;
        assert!(app.texts("dee").await.iter().any(|text| text.starts_with("NOT ENDED: OVERDUE: Ann Lee due out 12:10")), "the next step, at once");
        assert!(app.texts("sam").await.iter().any(|text| text.starts_with("NOT ENDED: OVERDUE: Ann Lee")), "and the earlier ones again");
        assert_eq!(app.the_incident().await["raise"], 1);
        let log = app.log("incident", &id).await;
        assert!(log.iter().any(|kind| kind == "incident.held") && log.iter().any(|kind| kind == "incident.lapsed"), "{log:?}");
        app.finish().await;
    }

    async fn it_is_handed_over_and_taken_over(db: TestDb) {
        let app = TestApp::start(&db).await;
        let id = ann_is_overdue(&app).await;
        app.deed("sam", &id, "acknowledge", json!({})).await;
        for (to, status, slug) in [("ann", 422, "invalid-field"), ("jo", 422, "invalid-field"), ("ari", 422, "invalid-field"), ("nobody", 422, "invalid-field")] {
            app.person("sam").post(&format!("/incidents/{id}/hand-over"), json!({"to": to})).await.is_problem(status, slug);
        }
        let handed = app.deed("sam", &id, "hand-over", json!({"to": "dee"})).await;
        assert_eq!((handed["owner"]["name"].as_str(), handed["waits_until"].as_str()), (Some("Dee Park"), Some("2026-01-14T12:35:00Z")));
        assert!(app.texts("dee").await.contains(&"Sam Cole hands you the alarm about Ann Lee. It is yours until 12:35. Ring 07700900123.".to_owned()));
        assert!(app.texts("jo").await.contains(&"Dee Park has the alarm about Ann Lee. Nothing for you to do unless Dee Park asks.".to_owned()));

        // Somebody above takes it over; whoever had it is told.
        app.person("cas").post(&format!("/incidents/{id}/take-over"), json!({})).await.is_problem(403, "role-too-small");
        app.person("ann").post(&format!("/incidents/{id}/take-over"), json!({})).await.is_problem(403, "about-yourself");
        let taken = app.deed("una", &id, "take-over", json!({})).await;
        assert_eq!(taken["owner"]["name"], "Una Hart");
        assert!(app.texts("dee").await.contains(&"Una Hart has the alarm about Ann Lee now, instead of Dee Park.".to_owned()));
        app.deed("una", &id, "hand-over", json!({"to": "sam"})).await;
        app.pass(15).await;
        assert!(app.texts("sam").await.iter().any(|text| text.starts_with("NOT ENDED: OVERDUE")), "a promise that nobody kept lapses");
        app.finish().await;
    }

    async fn who_cannot_brings_the_next_step(db: TestDb) {
        let app = TestApp::start(&db).await;
        let id = ann_is_overdue(&app).await;
        assert_eq!(app.texts("dee").await, [""; 0]);
        app.deed("sam", &id, "cannot", json!({})).await;
        assert!(app.texts("dee").await.iter().any(|text| text.starts_with("OVERDUE: Ann Lee due out 12:10")));
        // Whoever has it and then cannot gives it back to everybody.
        app.deed("dee", &id, "acknowledge", json!({})).await;
        app.deed("sam", &id, "cannot", json!({})).await;
        assert_eq!(app.the_incident().await["owner"]["name"], "Dee Park", "Dee has it still");
        assert!(app.texts("dee").await.contains(&"Sam Cole cannot take the alarm about Ann Lee. Somebody else has to, unless somebody has it already.".to_owned()));
        let given_back = app.deed("dee", &id, "cannot", json!({})).await;
        assert_eq!((given_back["owner"].clone(), given_back["raise"].as_i64()), (Value::Null, Some(1)));
        let sam = app.texts("sam").await;
        assert!(sam.contains(&"Dee Park cannot take the alarm about Ann Lee. Somebody else has to, unless somebody has it already.".to_owned()), "{sam:?}");
        assert_eq!(sam.iter().filter(|text| text.starts_with("OVERDUE: Ann Lee due out 12:10")).count(), 3, "everybody is called again: {sam:?}");
        app.finish().await;
    }

    async fn who_cannot_brings_the_next_step_though_this_one_repeats(db: TestDb) {
        let repeating = "\n[[ladder]]\nrisk = \"normal\"\nrepeat_every = \"5m\"\nsteps = [{ after = \"0s\", tell = [\"manager\"], by = [\"sms\"], repeats = 3 }, { after = \"30m\", tell = [\"person:dee\"], by = [\"sms\"] }]\n";
        let app = TestApp::with(&db, &format!("{WESTSHIRE}{repeating}"), |_| {}).await;
        let id = ann_is_overdue(&app).await;
        app.pass(6).await;
        assert_eq!((app.texts("sam").await.len(), app.texts("dee").await.len()), (2, 0));
        app.deed("sam", &id, "cannot", json!({})).await;
        assert!(app.texts("dee").await.iter().any(|text| text.starts_with("OVERDUE: Ann Lee")), "{:?}", app.texts("dee").await);
        app.finish().await;
    }

    async fn not_safe_calls_everybody_at_once(db: TestDb) {
        let app = TestApp::start(&db).await;
        let id = ann_is_overdue(&app).await;
        app.deed("dee", &id, "take-over", json!({})).await;
        let found = app.deed("sam", &id, "not-safe", json!({"words": "Door open, blood in the hall."})).await;
        assert_eq!((found["kind"].as_str(), found["sos_by"]["name"].as_str(), found["owner"].clone()), (Some("sos"), Some("Sam Cole"), Value::Null));
        for key in ["dee", "una", "sam"] {
            assert!(app.texts(key).await.iter().any(|text| text.starts_with("NOT SAFE: Ann Lee, says Sam Cole 12:20. Ring 999 now")), "{key}: {:?}", app.texts(key).await);
        }
        // Every two minutes, for ever; an acknowledgement lasts five.
        let calls = app.texts("una").await.len();
        app.pass(4).await;
        assert_eq!(app.texts("una").await.len(), calls + 2);
        let taken = app.deed("una", &id, "acknowledge", json!({})).await;
        assert_eq!(taken["waits_until"], json!("2026-01-14T12:29:00Z"));
        // Who finds them not safe and has it keeps it.
        let again = app.deed("una", &id, "not-safe", json!({})).await;
        assert_eq!(again["owner"]["name"], "Una Hart");
        app.finish().await;
    }

    async fn the_police_have_it_until_somebody_says_otherwise(db: TestDb) {
        let app = TestApp::start(&db).await;
        let id = ann_is_overdue(&app).await;
        app.deed("sam", &id, "acknowledge", json!({})).await;
        app.person("sam").post(&format!("/incidents/{id}/police"), json!({"log_number": ""})).await.is_problem(422, "invalid-field");
        let with_police = app.deed("sam", &id, "police", json!({"log_number": "WM-1234", "officer": "PC Hill"})).await;
        assert_eq!((with_police["with_police"].as_bool(), with_police["police"]["officer"].as_str()), (Some(true), Some("PC Hill")));
        assert!(app.texts("jo").await.contains(&"Sam Cole has the alarm about Ann Lee. Nothing for you to do unless Sam Cole asks.".to_owned()), "outside contacts learn no more");

        // It does not lapse; its owner is reminded every half hour.
        app.pass(30).await;
        let asked = "Is Ann Lee still with the police? Ring them, then write down what they say, or close it. No word from you by 13:20: everyone is called again.";
        assert!(app.texts("sam").await.contains(&asked.to_owned()));
        app.deed("sam", &id, "note", json!({"note": "A car is on its way."})).await;
        app.pass(30).await;
        assert!(app.texts("sam").await.iter().any(|text| text.contains("No word from you by 13:50")));
        assert_eq!(app.the_incident().await["with_police"], true);
        // Two that nobody answers bring back the ladder.
        app.pass(30).await;
        let incident = app.the_incident().await;
        assert_eq!((incident["with_police"].as_bool(), incident["raise"].as_i64(), incident["police"]["log_number"].as_str()), (Some(false), Some(1), Some("WM-1234")));
        assert!(app.texts("dee").await.iter().any(|text| text.starts_with("NOT ENDED: OVERDUE: Ann Lee")));
        app.finish().await;
    }

    async fn what_is_to_be_done_afterwards_stays_open_until_done(db: TestDb) {
        let app = TestApp::start(&db).await;
        let id = ann_is_overdue(&app).await;
        app.deed("sam", &id, "acknowledge", json!({})).await;
        let early = json!({"kind": "welfare", "what": "Talk it through", "owner": "cas", "due_on": "2026-01-15"});
        app.person("sam").post(&format!("/incidents/{id}/follow-ups"), early).await.is_problem(409, "wrong-state");
        app.deed("sam", &id, "close", json!({"outcome": "threatened", "known_by": "spoke_by_voice", "worker_now": "office", "note": "Shouted at."})).await;
        for (field, wrong) in [
            ("owner", json!({"kind": "welfare", "what": "Talk it through", "owner": "ann", "due_on": "2026-01-15"})),
            ("due_on", json!({"kind": "welfare", "what": "Talk it through", "owner": "cas", "due_on": "-9000-01-15"})),
        ] {
            let refused = app.person("sam").post(&format!("/incidents/{id}/follow-ups"), wrong).await;
            assert_eq!(refused.is_problem(422, "invalid-field").body["field"], field);
        }
        let wrong = json!({"kind": "welfare", "what": "Talk it through", "owner": "jo", "due_on": "2026-01-15"});
        app.person("sam").post(&format!("/incidents/{id}/follow-ups"), wrong).await.is_problem(422, "invalid-field");
        let set = app.person("sam").post(&format!("/incidents/{id}/follow-ups"), json!({"kind": "welfare", "what": "Talk it through", "owner": "cas", "due_on": "2026-01-15"})).await;
        assert_eq!(set.status, 201, "{set:?}");
        let follow_up = set.id();

        // From that day at nine its owner is asked, from the third day their manager too.
        app.clock.set("2026-01-15T08:59:00Z".parse().unwrap());
        app.work().await;
        let mails = |said: Vec<crate::support::app::Said>, to: &'static str| said.into_iter().filter(|said| said.to == to && said.text.contains("welfare")).count();
        assert_eq!(mails(app.said().await, "cas"), 0);
        app.pass(2).await;
        assert_eq!(mails(app.said().await, "cas"), 1);
        for day in ["2026-01-16", "2026-01-17", "2026-01-18"] {
            app.clock.set(format!("{day}T09:01:00Z").parse().unwrap());
            app.work().await;
        }
        assert_eq!(mails(app.said().await, "cas"), 4, "once a day");
        assert_eq!(mails(app.said().await, "sam"), 2, "and from the third day the manager");
        let open = app.person("cas").get("/follow-ups").await;
        assert_eq!(open.body["follow_ups"][0]["what"], "Talk it through");
        app.person("ann").post(&format!("/follow-ups/{follow_up}/done"), json!({"note": "x"})).await.is_problem(403, "about-yourself");
        let done = app.person("cas").post(&format!("/follow-ups/{follow_up}/done"), json!({"note": "Spoke for an hour; she is well."})).await;
        assert_eq!(done.is_ok().body["done_by"]["name"], "Cas Moss");
        app.clock.set("2026-01-20T09:01:00Z".parse().unwrap());
        app.work().await;
        assert_eq!(mails(app.said().await, "cas"), 4, "it is done");
        assert_eq!(app.person("sam").get(&format!("/incidents/{id}")).await.body["follow_ups"][0]["note"], "Spoke for an hour; she is well.");
        app.finish().await;
    }
}
