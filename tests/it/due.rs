//! Who is due a visit (rows T1 to T4): the list, what moves it, what is excused, whose it is, the digest, the rules.

use chrono::TimeDelta;
use homeward::{
    app::organisation::{self, Defaults, Wanted},
    domain::{contact::Channel, event::Door, policy::Policy},
    store::Pools,
    store::Trace,
};
use serde_json::{Value, json};

use crate::support::{
    TestDb,
    app::{Reply, TestApp, WESTSHIRE, apply},
    on_both,
};

/// Westshire with the rules of probation, Ben of Ann's team too, and Kim of another, whose manager is Lou.
fn with_rules() -> String {
    let person = |key: &str, name: &str, team: &str, role: &str| {
        format!(
            "\n[[person]]\nkey = \"{key}\"\nname = \"{name}\"\nteam = \"{team}\"\nrole = \"{role}\"\nemail = \"{key}@example.org\"\n"
        )
    };
    format!(
        "{WESTSHIRE}\n[due]\nrules = \"probation\"\n[[team]]\nkey = \"south\"\nname = \"South team\"\nparent = \"unit\"\n{}{}{}{}",
        person("ben", "Ben Okoro", "north", "worker"),
        person("kim", "Kim Diaz", "south", "worker"),
        person("lou", "Lou Reed", "south", "manager"),
        person("adi", "Adi Rao", "unit", "administrator"),
    )
}

impl TestApp {
    async fn due_rules(db: &crate::support::TestDb) -> Self {
        let app = Self::with(db, &with_rules(), |_| {}).await;
        app.schedule().await;
        app
    }

    pub(crate) async fn schedule(&self) {
        self.app.scheduler.tick(self.now()).await.unwrap();
        self.work().await;
    }

    /// A case of Ann's, under supervision since that day.
    async fn a_case(&self, reference: &str, start: &str, risk: &str) {
        self.person("ann")
            .post("/cases", json!({"reference": reference, "visiting": "supervised", "name": "Robin Poe"}))
            .await
            .is_ok();
        self.person("ann")
            .put(&format!("/cases/{reference}/supervision"), json!({"start": start, "risk": risk}))
            .await
            .is_ok();
        self.person("sam")
            .post(&format!("/cases/{reference}/assign"), json!({"worker": "ann"}))
            .await
            .is_ok();
    }

    async fn supervise(&self, by: &str, reference: &str, said: Value) -> Reply {
        self.person(by).put(&format!("/cases/{reference}/supervision"), said).await
    }

    /// `reference state day` of each case in somebody's list.
    async fn due(&self, who: &str, query: &str) -> Vec<String> {
        let list = self.person(who).get(&format!("/due{query}")).await;
        let line = |case: &Value| {
            let word = |field: &str| case[field].as_str().unwrap_or("-").to_owned();
            format!("{} {} {}", word("reference"), word("state"), word("due_on"))
        };
        list.is_ok().body["cases"].as_array().unwrap().iter().map(line).collect()
    }

    async fn due_events(&self, kind: &str) -> Vec<Value> {
        let all = self.everything_that_happened().await;
        let all = all.body["events"].as_array().unwrap().iter();
        all.filter(|event| event["kind"] == kind).cloned().collect()
    }

    /// Ann goes there now, and checks out with this outcome.
    async fn ann_visits(&self, reference: &str, outcome: &str) -> String {
        let visit = self
            .person("ann")
            .post("/visits", json!({"minutes": 60, "case_reference": reference}))
            .await
            .id();
        self.clock.advance(TimeDelta::minutes(20));
        let out = json!({"pin": "4821", "outcome": outcome, "work_undertaken": "w"});
        self.person("ann").post(&format!("/visits/{visit}/check-out"), out).await.is_ok();
        visit
    }

    async fn day(&self, at: &str) {
        self.clock.set(at.parse().unwrap());
        self.schedule().await;
    }

    async fn digests(&self, to: &str) -> Vec<String> {
        let said = self.said().await;
        said.into_iter()
            .filter(|said| {
                said.to == to && said.channel == Channel::Email && said.text.contains("ome visits")
            })
            .map(|said| said.text)
            .collect()
    }
}

on_both! {
    async fn who_forgot_to_say_that_they_were_there_was_there(db: TestDb) {
        let app = TestApp::due_rules(&db).await;
        app.set_pin("ann").await;
        app.clock.set("2026-01-05T12:00:00Z".parse().unwrap());
        for reference in ["A123456", "B123456", "C123456"] {
            app.a_case(reference, "2026-01-02", "high").await;
        }
        let ann = app.person("ann");
        let plan = async |reference: &str, arrival: &str| {
            let plan = json!({"case_reference": reference, "expected_arrival": arrival, "minutes": 60});
            ann.post("/visits", plan).await.is_ok().id()
        };
        let out = async |id: &str, body: Value| ann.post(&format!("/visits/{id}/check-out"), body).await;
        // Said when they leave.
        let forgot = plan("A123456", "2026-01-05T12:10:00Z").await;
        app.clock.advance(TimeDelta::minutes(20));
        let left = out(&forgot, json!({"pin": "4821", "outcome": "seen", "work_undertaken": "w"})).await;
        assert_eq!((left.body["state"].as_str(), &left.body["arrived_at"], left.body["ended_how"].as_str()), (Some("ended"), &json!("2026-01-05T12:10:00Z"), Some("checked_out")), "{left:?}");
        assert_eq!(app.person("ann").get("/cases/A123456/due").await.body["last_seen"]["on"], "2026-01-05");
        // Said later: they are asked, as nobody else knows whether it was made.
        let silent = plan("B123456", "2026-01-05T12:30:00Z").await;
        app.clock.advance(TimeDelta::minutes(20));
        assert_eq!(out(&silent, json!({"pin": "4821"})).await.is_ok().body["arrived_at"], Value::Null);
        app.clock.advance(TimeDelta::days(1));
        app.work().await;
        assert!(app.texts("ann").await.iter().any(|text| text.contains("has no outcome or work undertaken yet")));
        // The same "out" once more, now with what it lacked.
        let again = out(&silent, json!({"pin": "4821", "outcome": "seen", "work_undertaken": "w"})).await;
        assert_eq!((again.body["outcome"].as_str(), &again.body["arrived_at"]), (Some("seen"), &json!("2026-01-05T12:30:00Z")), "{again:?}");
        assert_eq!(app.person("ann").get("/cases/B123456/due").await.body["last_seen"]["on"], "2026-01-05");
        let other = out(&silent, json!({"pin": "4821", "outcome": "not_in"})).await;
        assert_eq!((other.body["outcome"].as_str(), other.body["warnings"][0]["field"].as_str()), (Some("seen"), Some("outcome")), "{other:?}");
        // Before its time: an hour early they were early, a day early it is another visit that they mean.
        let early = plan("C123456", "2026-01-06T13:00:00Z").await;
        let ahead = plan("C123456", "2026-01-08T13:00:00Z").await;
        let seen = json!({"pin": "4821", "outcome": "seen"});
        let left = out(&early, seen.clone()).await;
        assert_eq!((left.body["state"].as_str(), &left.body["arrived_at"]), (Some("ended"), &json!("2026-01-06T12:40:00Z")), "{left:?}");
        let kept = out(&ahead, seen).await;
        assert_eq!((kept.body["state"].as_str(), kept.body["warnings"][0]["field"].as_str()), (Some("planned"), Some("outcome")), "{kept:?}");
        let table = app.person("una").get("/reports/check_outs").await;
        assert_eq!(table.is_ok().body["lines"][0]["figures"]["total"], 3, "{table:?}");
        app.finish().await;
    }

    async fn what_is_overdue_does_not_go_away_by_another_word_for_whom_it_is_about(db: TestDb) {
        let app = TestApp::due_rules(&db).await;
        app.a_case("A123456", "2026-01-02", "high").await;
        app.clock.set("2026-01-19T12:00:00Z".parse().unwrap());
        let victim = json!({"reference": "A123456", "visiting": "victim"});
        for who in ["ann", "ben"] {
            app.person(who).post("/cases", victim.clone()).await.is_problem(403, "role-too-small");
        }
        app.person("ben").post("/cases", json!({"reference": "A123456", "name": "Robin Poe"})).await.is_ok();
        assert_eq!(app.due("sam", "?state=overdue").await, ["A123456 overdue 2026-01-17"]);
        app.person("sam").post("/cases", victim).await.is_ok();
        assert_eq!(app.due("sam", "?state=overdue").await, [] as [String; 0]);
        // Back to where visits are due it may be said by anybody of the team.
        app.person("ben").post("/cases", json!({"reference": "A123456", "visiting": "supervised"})).await.is_ok();
        assert_eq!(app.due("sam", "?state=overdue").await, ["A123456 overdue 2026-01-17"]);
        // A plan alone is enough for visits to be due; and who gives a case away has it no less.
        app.person("ann").post("/cases", json!({"reference": "C123456"})).await.is_ok();
        let plan = json!({"visits_in_plan": true, "plan_every": "2 weeks"});
        app.person("ann").put("/cases/C123456/supervision", plan).await.is_ok();
        let other = json!({"reference": "C123456", "visiting": "victim"});
        app.person("ann").post("/cases", other).await.is_problem(403, "role-too-small");
        // Of a case of which nothing is known yet anybody of the team says whom it is about.
        app.person("ann").post("/cases", json!({"reference": "B123456", "visiting": "victim"})).await.is_ok();
        app.person("ben").post("/cases", json!({"reference": "B123456", "visiting": "supervised"})).await.is_ok();
        app.finish().await;
    }

    async fn what_did_not_take_place_counts_for_nothing(db: TestDb) {
        let app = TestApp::due_rules(&db).await;
        app.set_pin("ann").await;
        app.a_case("A123456", "2026-01-02", "high").await;
        let plan = json!({"case_reference": "A123456", "expected_arrival": app.at("12:10"), "minutes": 60});
        let id = app.person("ann").post("/visits", plan).await.is_ok().id();
        app.clock.advance(TimeDelta::minutes(20));
        let told = json!({"pin": "4821", "outcome": "other", "work_undertaken": "called off at the last minute"});
        let out = app.person("ann").post(&format!("/visits/{id}/check-out"), told).await;
        assert_eq!((out.body["state"].as_str(), &out.body["arrived_at"]), (Some("ended"), &Value::Null), "{out:?}");
        app.clock.advance(TimeDelta::days(1));
        app.work().await;
        assert_eq!(app.texts("ann").await, [] as [String; 0], "it was said what came of it");
        let table = app.person("una").get("/reports/check_outs").await;
        assert_eq!(table.is_ok().body["lines"][0]["figures"]["total"], 0, "{table:?}");
        app.finish().await;
    }

    async fn a_case_moves_through_the_list_once_the_person_was_seen(db: TestDb) {
        let app = TestApp::due_rules(&db).await;
        app.set_pin("ann").await;
        app.a_case("A123456", "2026-01-02", "high").await;
        assert_eq!(app.due("ann", "").await, ["A123456 this_week 2026-01-17"]);
        let shown = app.person("ann").get("/cases/a123456/due").await;
        assert_eq!(shown.body["due"][0]["rule"], "first_high");
        assert_eq!(
            shown.body["due"][0]["why"],
            "a first home visit: high risk of serious harm, registered sex offender or involved in child sexual exploitation: within 15 days from 2026-01-02"
        );
        app.clock.set("2026-01-19T12:00:00Z".parse().unwrap());
        assert_eq!(app.due("sam", "?state=overdue").await, ["A123456 overdue 2026-01-17"]);

        // Planned as any visit is, under the reference as somebody types it.
        // Pasted from a letter: with blanks that are none of the keyboard.
        let plan = json!({"case_reference": "\u{a0}a123\u{a0}\u{2009}456", "expected_arrival": "2026-01-19T14:00:00Z", "minutes": 60});
        let planned = app.person("ann").post("/visits", plan).await.id();
        let item = app.person("sam").get("/due?worker=ann").await;
        assert_eq!(item.body["cases"][0]["planned"][0]["visit"], planned.as_str(), "{item:?}");
        app.clock.set("2026-01-19T14:00:00Z".parse().unwrap());
        app.person("ann").post(&format!("/visits/{planned}/arrive"), json!({})).await.is_ok();
        // A closed door is shown and does not count.
        let not_in = json!({"pin": "4821", "outcome": "not_in", "work_undertaken": "left a card"});
        app.person("ann").post(&format!("/visits/{planned}/check-out"), not_in).await.is_ok();
        let item = app.person("ann").get("/cases/A123456/due").await;
        assert_eq!((item.body["state"].as_str(), item.body["tried_since"][0]["outcome"].as_str()), (Some("overdue"), Some("not_in")));
        assert_eq!(item.body["planned"], json!([]));
        let first = async || app.person("sam").get("/reports/first_visits?by=rule").await.body["lines"][0].clone();
        let line = first().await;
        assert_eq!((&line["name"], &line["figures"]["overdue"], &line["figures"]["late"]), (&json!("first_high"), &json!(1), &json!(0)));

        app.clock.advance(TimeDelta::days(1));
        let seen = app.ann_visits("A123456", "seen").await;
        assert_eq!(app.due("ann", "").await, Vec::<String>::new(), "the list moves on");
        let line = first().await;
        assert_eq!((&line["figures"]["overdue"], &line["figures"]["late"], &line["figures"]["in_time_share"]), (&json!(0), &json!(1), &json!(0.0)));
        let behind = app.person("sam").get(line["behind"]["late"].as_str().unwrap().strip_prefix("/api/v1").unwrap()).await;
        let first = &behind.is_ok().body["behind"][0];
        assert_eq!((&first["what"], &first["reference"], &first["due_on"], &first["rule"], &behind.body["more"]), (&json!("case"), &json!("A123456"), &json!("2026-01-17"), &json!("first_high"), &json!(false)));
        let item = app.person("ann").get("/cases/A123456/due").await;
        assert_eq!((item.body["state"].as_str(), item.body["last_seen"]["visit"].as_str()), (Some("not_due"), Some(seen.as_str())));
        assert_eq!(item.body["tried_since"], json!([]));

        // An outcome that is said later counts from when the visit was.
        app.supervise("ann", "A123456", json!({"start": "2026-01-02", "risk": "high", "visits_in_plan": true, "plan_every": "2 weeks"})).await.is_ok();
        assert_eq!(app.due("ann", "").await, ["A123456 next 2026-02-03"]);
        let visit = app.person("ann").post("/visits", json!({"minutes": 60, "case_reference": "A123456"})).await.id();
        app.person("ann").post(&format!("/visits/{visit}/check-out"), json!({"pin": "4821"})).await.is_ok();
        app.clock.advance(TimeDelta::days(3));
        app.person("ann").post(&format!("/visits/{visit}/record"), json!({"outcome": "seen", "work_undertaken": "w"})).await.is_ok();
        assert_eq!(app.due("ann", "").await, ["A123456 next 2026-02-03"]);

        // The command line says why.
        let folder = tempfile::tempdir().unwrap();
        let config = format!("[database]\nurl = \"{}\"\n", db.url);
        std::fs::write(folder.path().join("homeward.toml"), config).unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_homeward"));
        command.current_dir(folder.path()).env_clear().args(["--config", "homeward.toml", "simulate", "due", "a123456"]);
        let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = String::from_utf8(done.stdout).unwrap();
        for line in [
            "; case of Ann Lee\n",
            "\n  due 2026-02-03, rule plan: a home visit as often as the risk management plan says: within 2 weeks from 2026-01-20\n",
            "\n  last seen 2026-01-20\n",
        ] {
            assert!(said.contains(line), "{line:?} is not in {said}");
        }

        // Each time it was computed stands in the log, with why, before and after, and nothing of the person.
        let computed = app.due_events("due.computed").await;
        let causes: Vec<_> = computed.iter().map(|event| event["body"]["cause"].as_str().unwrap()).collect();
        assert_eq!(causes, ["case_changed", "supervision", "visit_recorded", "visit_recorded", "supervision", "visit_recorded"]);
        assert_eq!(computed[3]["body"]["before"], json!({"due": [{"rule": "first_high", "due_on": "2026-01-17"}], "cannot": 0}));
        assert_eq!(computed[3]["body"]["after"], json!({"due": [], "cannot": 0}));
        let bodies: String = app.everything_that_happened().await.body["events"].as_array().unwrap().iter()
            .filter(|event| event["kind"].as_str().unwrap().starts_with("due.") || event["kind"].as_str().unwrap().starts_with("case."))
            .map(|event| event["body"].to_string()).collect();
        for private in ["A123456", "Robin", "\"high\""] {
            assert!(!bodies.contains(private), "{private}: {bodies}");
        }
        app.finish().await;
    }

    async fn what_moves_what_is_due(db: TestDb) {
        let app = TestApp::due_rules(&db).await;
        app.set_pin("ann").await;
        app.a_case("A123456", "2026-01-05", "medium").await;
        app.ann_visits("A123456", "seen").await;
        app.clock.set("2026-03-25T12:00:00Z".parse().unwrap());
        // The risk rises: ten working days from when that was identified; Good Friday and Easter Monday lie between.
        let said = json!({"start": "2026-01-05", "risk": "high", "risk_identified_on": "2026-03-24"});
        let risen = app.supervise("ann", "A123456", said.clone()).await;
        assert_eq!((risen.body["due"][0]["rule"].as_str(), risen.body["due_on"].as_str()), (Some("risk_rise"), Some("2026-04-09")), "{risen:?}");
        // It does not go on for five days; then it does.
        let mut paused = said.clone();
        paused["pauses"] = json!([{"from": "2026-03-25", "why": "custody"}]);
        assert_eq!(app.supervise("sam", "A123456", paused.clone()).await.body["state"], "paused");
        paused["pauses"][0]["until"] = json!("2026-03-30");
        assert_eq!(app.supervise("sam", "A123456", paused).await.body["due_on"], "2026-04-14");
        app.clock.set("2026-03-30T12:00:00Z".parse().unwrap());
        // A concern about safeguarding is due as the rise is, another at once; closed, or after a visit, neither is.
        let concern = |kind: &str| json!({"words": "w", "kind": kind, "case_reference": "a123456"});
        let safeguarding = app.person("ann").post("/concerns", concern("safeguarding")).await.id();
        let other = app.person("ann").post("/concerns", concern("behaviour")).await.id();
        let item = app.person("ann").get("/cases/A123456/due").await;
        let lines: Vec<_> = item.body["due"].as_array().unwrap().iter().map(|line| (line["rule"].as_str().unwrap(), line["due_on"].as_str())).collect();
        assert_eq!(lines, [("concern", None), ("risk_rise", Some("2026-04-14")), ("safeguarding", Some("2026-04-15"))]);
        assert_eq!((item.body["due"][0]["concern"].as_str(), item.body["due"][2]["concern"].as_str()), (Some(other.as_str()), Some(safeguarding.as_str())));
        assert_eq!(app.due("ann", "").await, ["A123456 now 2026-04-14"]);
        app.person("sam").post(&format!("/concerns/{other}/discussed"), json!({"with": "ann", "words": "w"})).await.is_ok();
        app.person("sam").post(&format!("/concerns/{other}/close"), json!({"outcome": "o"})).await.is_ok();
        assert_eq!(app.due("ann", "").await, ["A123456 next 2026-04-14"]);
        app.clock.advance(TimeDelta::hours(1));
        app.ann_visits("A123456", "seen").await;
        assert_eq!(app.due("ann", "").await, Vec::<String>::new());
        // It begins anew: a first visit is due again.
        app.clock.set("2026-06-01T12:00:00Z".parse().unwrap());
        let wrong = app.supervise("ann", "A123456", json!({"start": "2026-05-28", "risk": "low"})).await;
        assert_eq!(wrong.body["state"], "cannot_be_computed", "a visit before the start");
        app.supervise("ann", "A123456", json!({"start": "2026-01-05", "risk": "low"})).await.is_ok();
        let anew = app.supervise("ann", "A123456", json!({"start": "2026-05-28", "start_is": "restarted", "risk": "low"})).await;
        assert_eq!((anew.body["state"].as_str(), anew.body["due_on"].as_str()), (Some("next"), Some("2026-08-20")), "{anew:?}");
        // Another team looks after it.
        app.person("una").post("/cases", json!({"reference": "A123456", "team": "south"})).await.is_ok();
        assert_eq!(app.due("sam", "").await, Vec::<String>::new());
        assert_eq!(app.due("lou", "").await, ["A123456 next 2026-08-20"]);
        let computed = app.due_events("due.computed").await;
        let causes: Vec<_> = computed.iter().map(|event| event["body"]["cause"].as_str().unwrap()).collect();
        assert_eq!(causes, [
            "case_changed", "supervision", "visit_recorded", "risk_up", "pauses", "pauses", "concern_raised", "concern_raised",
            "concern_closed", "visit_recorded", "risk_down", "supervision", "restarted", "case_changed",
        ]);
        // The same again changes nothing, and is no event.
        app.supervise("lou", "A123456", json!({"start": "2026-05-28", "risk": "low"})).await.is_ok();
        assert_eq!(app.due_events("due.computed").await.len(), 14);
        app.finish().await;
    }

    async fn a_concern_counts_however_its_reference_is_typed_and_a_restart_makes_nothing_overdue(db: TestDb) {
        let app = TestApp::due_rules(&db).await;
        app.set_pin("ann").await;
        app.a_case("A123456", "2025-12-20", "medium").await;
        app.ann_visits("A123456", "seen").await;
        assert_eq!(app.due("ann", "").await, Vec::<String>::new());
        let concern = json!({"words": "bruises", "kind": "safeguarding", "case_reference": " a123 456"});
        app.person("ann").post("/concerns", concern).await.is_ok();
        assert_eq!(app.due("ann", "").await, ["A123456 next 2026-01-28"]);
        app.clock.advance(TimeDelta::minutes(1));
        app.ann_visits("A123456", "seen").await;
        let plan = |start: &str| json!({"start": start, "start_is": "restarted", "risk": "medium", "visits_in_plan": true, "plan_every": "4 weeks"});
        app.supervise("sam", "A123456", plan("2025-12-20")).await.is_ok();
        app.clock.set("2026-06-01T12:00:00Z".parse().unwrap());
        app.supervise("sam", "A123456", plan("2026-05-30")).await.is_ok();
        let item = app.person("sam").get("/cases/A123456/due").await;
        assert_eq!((item.body["state"].as_str(), item.body["due_on"].as_str()), (Some("next"), Some("2026-06-27")), "{item:?}");
        app.finish().await;
    }

    async fn what_is_missing_is_listed_and_what_is_wrong_is_refused(db: TestDb) {
        let app = TestApp::due_rules(&db).await;
        for (reference, visiting) in [("A000001", json!("supervised")), ("A000002", json!("tenant")), ("A000003", Value::Null)] {
            app.person("sam").post("/cases", json!({"reference": reference, "visiting": visiting})).await.is_ok();
        }
        assert_eq!(app.due("sam", "").await, ["A000001 cannot_be_computed -", "A000003 cannot_be_computed -"], "a tenant is none of these");
        let said = app.supervise("sam", "A000001", json!({"start": "2026-01-02", "risk": "low", "visits_in_plan": true})).await;
        assert_eq!(said.body["cannot_be_computed"], json!(["visits are in the risk management plan without a frequency"]));
        for (said, field) in [
            (json!({"risk": "mild"}), "risk"),
            (json!({"start": "2026-01-02"}), "risk"),
            (json!({"flags": ["odd"]}), "flags"),
            (json!({"plan_every": "often", "visits_in_plan": true}), "plan_every"),
            (json!({"plan_every": "2 weeks"}), "visits_in_plan"),
            (json!({"risk": "low", "risk_identified_on": "2026-01-15"}), "risk_identified_on"),
            (json!({"pauses": [{"from": "2026-01-02", "until": "2026-01-02", "why": "custody"}]}), "pauses"),
            (json!({"pauses": [{"from": "2026-01-02", "why": "holiday"}]}), "pauses[0].why"),
            (json!({"start": "0026-01-02"}), "start"),
            (json!({"start": "yesterday"}), "start"),
            (json!({"begin": "2026-01-02"}), "begin"),
        ] {
            let refused = app.supervise("sam", "A000001", said.clone()).await;
            assert_eq!((refused.status, refused.body["field"].as_str()), (422, Some(field)), "{said} {refused:?}");
        }
        app.supervise("sam", "B999999", json!({})).await.is_problem(404, "not-found");
        for (query, field) in [("?worker=zoe", "worker"), ("?team=west", "team"), ("?state=late", "query"), ("?who=ann", "query")] {
            let refused = app.person("sam").get(&format!("/due{query}")).await;
            assert_eq!((refused.status, refused.body["field"].as_str()), (422, Some(field)), "{refused:?}");
        }
        let nobody = app.person("sam").post("/cases/A000001/assign", json!({"worker": "jo"})).await;
        assert_eq!((nobody.status, nobody.body["field"].as_str()), (422, Some("worker")));
        app.finish().await;
    }

    async fn a_manager_excuses_and_what_comes_again_is_due_again(db: TestDb) {
        let app = TestApp::due_rules(&db).await;
        app.a_case("A123456", "2025-12-20", "high").await;
        assert_eq!(app.due("ann", "").await, ["A123456 overdue 2026-01-04"]);
        let excuse = json!({"rule": "first_high", "counted": "left_out", "instead": "2026-01-20", "reason": "in hospital"});
        app.person("ann").post("/cases/A123456/excuse", excuse.clone()).await.is_problem(403, "role-too-small");
        app.person("cas").post("/cases/A123456/excuse", excuse.clone()).await.is_problem(403, "role-too-small");
        app.person("lou").post("/cases/A123456/excuse", excuse.clone()).await.is_problem(404, "not-found");
        for (change, field) in [(json!({"rule": "plan"}), "rule"), (json!({"instead": "2026-01-13"}), "instead"), (json!({"reason": " "}), "reason"), (json!({"counted": "fine"}), "counted")] {
            let mut wrong = excuse.clone();
            wrong.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let refused = app.person("sam").post("/cases/A123456/excuse", wrong).await;
            assert_eq!((refused.status, refused.body["field"].as_str()), (422, Some(field)), "{refused:?}");
        }
        let excused = app.person("sam").post("/cases/A123456/excuse", excuse.clone()).await;
        assert_eq!((excused.body["state"].as_str(), excused.body["due_on"].as_str()), (Some("next"), Some("2026-01-20")), "{excused:?}");
        assert_eq!((excused.body["supervision"]["excused"][0]["by"]["name"].as_str(), excused.body["supervision"]["excused"][0]["due_on"].as_str()), (Some("Sam Cole"), Some("2026-01-04")));
        let said = json!({"start": "2025-12-20", "risk": "high", "visits_in_plan": true, "plan_every": "1 week"});
        assert_eq!(app.supervise("sam", "A123456", said).await.body["due_on"], "2026-01-20", "what was excused stays so");
        app.clock.set("2026-01-22T12:00:00Z".parse().unwrap());
        let late = json!({"rule": "plan", "counted": "late", "reason": "nobody was free"});
        assert_eq!(app.due("sam", "").await, ["A123456 overdue 2026-01-20"]);
        let item = app.person("sam").post("/cases/A123456/excuse", late).await;
        let days: Vec<_> = item.body["due"].as_array().unwrap().iter().map(|line| line["due_on"].as_str().unwrap()).collect();
        assert_eq!(days, ["2026-01-20", "2026-01-28"]);
        let events = app.due_events("due.excused").await;
        assert_eq!((events.len(), events[0]["words"]["reason"].as_str(), events[1]["body"]["counted"].as_str()), (2, Some("in hospital"), Some("late")));
        // It was the wrong case: it is due as before, and figures never heard of it.
        let id = item.body["id"].as_str().unwrap();
        let path = format!("/cases/{id}/excuse/take-back");
        let back = json!({"rule": "plan", "reason": "the wrong case"});
        app.person("ann").post(&path, back.clone()).await.is_problem(403, "role-too-small");
        let late = async || app.person("sam").get("/reports/frequency").await.is_ok().body["lines"][0]["figures"]["late"].clone();
        assert_eq!(late().await, 1);
        let item = app.person("sam").post(&path, back.clone()).await;
        let days: Vec<_> = item.body["due"].as_array().unwrap().iter().map(|line| line["due_on"].as_str().unwrap()).collect();
        assert_eq!((days, late().await), (vec!["2026-01-20", "2026-01-21"], json!(0)));
        let again = app.person("sam").post(&path, back).await;
        assert_eq!((again.status, again.body["field"].as_str()), (422, Some("rule")));
        let events = app.due_events("due.excuse_taken_back").await;
        assert_eq!((events.len(), events[0]["words"]["reason"].as_str()), (1, Some("the wrong case")));
        assert_eq!(app.person("ann").get(&format!("/cases/{id}")).await.body["reference"], "A123456", "as events name it");
        app.finish().await;
    }

    async fn what_is_overdue_stays_so_whatever_is_said_of_the_risk(db: TestDb) {
        let app = TestApp::due_rules(&db).await;
        app.a_case("A000001", "2025-12-20", "high").await;
        assert_eq!(app.due("ann", "").await, ["A000001 overdue 2026-01-04"]);
        let low = app.supervise("ann", "A000001", json!({"start": "2025-12-20", "risk": "low"})).await;
        let lines: Vec<_> = low.body["due"].as_array().unwrap().iter().map(|line| (line["rule"].as_str().unwrap(), line["due_on"].as_str().unwrap())).collect();
        assert_eq!(lines, [("first_high", "2026-01-04"), ("first_low", "2026-03-14")], "{low:?}");
        app.day("2026-01-15T08:00:00Z").await;
        assert!(app.digests("ann").await[0].contains("A000001: OVERDUE: was due Sun 4 Jan"), "{:?}", app.digests("ann").await);
        let figures = app.person("una").get("/reports/first_visits?from=2026-01-01&to=2026-03-31&by=risk").await;
        let line = &figures.is_ok().body["lines"][0];
        assert_eq!((&line["name"], &line["figures"]["overdue"]), (&json!("high"), &json!(1)), "{figures:?}");
        let excuse = json!({"rule": "first_high", "counted": "late", "reason": "nobody went"});
        let excused = app.person("sam").post("/cases/A000001/excuse", excuse).await;
        assert_eq!((&excused.is_ok().body["state"], &excused.body["due_on"]), (&json!("next"), &json!("2026-03-14")));
        // When a rise was identified is corrected to an earlier day, and to no later one.
        let said = |risk: &str, on: &str| json!({"start": "2025-12-20", "risk": risk, "risk_identified_on": on});
        app.supervise("ann", "A000001", said("low", "2026-01-14")).await.is_problem(422, "invalid-field");
        let rise = |reply: &Reply| reply.body["due"].as_array().unwrap().iter().find(|line| line["rule"] == "risk_rise").map(|line| line["due_on"].clone());
        assert_eq!(rise(&app.supervise("ann", "A000001", said("medium", "2026-01-14")).await), Some(json!("2026-01-28")));
        for risk in ["medium", "low"] {
            app.supervise("ann", "A000001", said(risk, "2026-01-15")).await.is_problem(422, "invalid-field");
        }
        assert_eq!(rise(&app.supervise("ann", "A000001", said("medium", "2026-01-13")).await), Some(json!("2026-01-27")));
        assert_eq!(rise(&app.supervise("ann", "A000001", said("low", "2026-01-13")).await), Some(json!("2026-01-27")), "said again");
        app.finish().await;
    }

    async fn other_office_days_move_no_figure_of_the_past(db: TestDb) {
        let app = TestApp::due_rules(&db).await;
        app.a_case("A000001", "2026-01-05", "low").await;
        app.supervise("ann", "A000001", json!({"start": "2026-01-05", "risk": "medium"})).await.is_ok();
        let due_on = async || app.person("ann").get("/cases/A000001/due").await.body["due_on"].clone();
        assert_eq!(due_on().await, "2026-01-28", "ten working days");
        app.day("2026-01-29T12:00:00Z").await;
        app.set_pin("ann").await;
        app.ann_visits("A000001", "seen").await;
        let figures = async || app.person("una").get("/reports/rising_risk?from=2026-01-01&to=2026-03-31").await.body["lines"][0]["figures"].clone();
        let before = figures().await;
        assert_eq!(before["late"], 1, "{before:?}");
        let text = format!("{}\n[agreement]\noffice_days = [\"Mon\", \"Tue\"]\n", with_rules());
        app.clock.advance(TimeDelta::minutes(1));
        apply(app.db(), &text, Policy::default(), app.now()).await;
        app.schedule().await;
        assert_eq!(app.person("ari").get("/due/rules").await.body["version"], 2);
        assert_eq!(figures().await, before);
        app.supervise("ann", "A000001", json!({"start": "2026-01-05", "risk": "high"})).await.is_ok();
        assert_eq!(due_on().await, "2026-03-03", "ten Mondays and Tuesdays");
        app.finish().await;
    }

    async fn what_was_due_is_theirs_whose_case_it_was(db: TestDb) {
        let app = TestApp::due_rules(&db).await;
        app.a_case("A1", "2026-01-02", "high").await;
        app.day("2026-02-02T12:00:00Z").await;
        app.person("sam").post("/cases/A1/assign", json!({"worker": "ben"})).await.is_ok();
        let overdue = async |who: &str, by: &str| -> Vec<String> {
            let report = app.person(who).get(&format!("/reports/first_visits?from=2026-01-01&to=2026-01-31&by={by}")).await;
            let lines = report.is_ok().body["lines"].as_array().unwrap().clone();
            lines.iter().filter(|line| line["figures"]["overdue"] == 1).map(|line| line["name"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(overdue("sam", "worker").await, ["Ann Lee"], "it was hers when it was due");
        app.person("una").post("/cases", json!({"reference": "A1", "team": "south"})).await.is_ok();
        assert_eq!(app.due("lou", "?state=overdue").await, ["A1 overdue 2026-01-17"]);
        assert_eq!(overdue("una", "team").await, ["North team"]);
        assert_eq!(overdue("lou", "total").await, Vec::<String>::new());
        app.finish().await;
    }

    async fn what_was_nobodys_stays_nobodys_and_giving_it_away_excuses_nothing(db: TestDb) {
        let app = TestApp::due_rules(&db).await;
        app.a_case("A1", "2026-01-02", "high").await;
        app.a_case("A2", "2026-01-02", "high").await;
        let assign = async |reference: &str, worker: Value| {
            app.person("sam").post(&format!("/cases/{reference}/assign"), json!({ "worker": worker })).await.is_ok();
        };
        assign("A1", json!(null)).await;
        assign("A2", json!("sam")).await;
        app.day("2026-02-02T12:00:00Z").await;
        assign("A1", json!("ben")).await;
        assign("A2", json!(null)).await;
        let path = "/reports/first_visits?from=2026-01-01&to=2026-01-31&by=worker";
        let report = app.person("sam").get(path).await.is_ok().body.clone();
        let lines = report["lines"].as_array().unwrap().iter();
        let overdue: Vec<_> = lines.map(|line| (line["name"].as_str().unwrap(), &line["figures"]["overdue"])).collect();
        assert_eq!(overdue, [("Sam Cole", &json!(1)), ("nobody", &json!(1))], "{report}");
        let excuse = json!({"rule": "first_high", "counted": "left_out", "reason": "in hospital"});
        app.person("sam").post("/cases/A2/excuse", excuse.clone()).await.is_problem(403, "role-too-small");
        app.person("sam").post("/cases/A1/excuse", excuse).await.is_ok();
        // Whoever administers counts cases, and knows none.
        let behind = app.person("adi").get("/reports/first_visits/behind?from=2026-01-01&to=2026-01-31&figure=overdue").await;
        assert_eq!(behind.is_ok().body["behind"][0]["reference"], Value::Null);
        app.finish().await;
    }

    async fn whose_list_it_is(db: TestDb) {
        let app = TestApp::due_rules(&db).await;
        app.a_case("A000001", "2026-01-02", "high").await;
        app.a_case("A000002", "2026-01-05", "medium").await;
        app.person("cas").post("/cases/A000002/assign", json!({"worker": "ben"})).await.is_ok();
        app.person("kim").post("/cases", json!({"reference": "A000003", "visiting": "supervised"})).await.is_ok();
        let one = "A000001 this_week 2026-01-17";
        let (two, three) = ("A000002 next 2026-02-16", "A000003 cannot_be_computed -");
        for (who, query, seen) in [
            ("ann", "", vec![one]),
            ("ben", "", vec![two]),
            ("kim", "", vec![]),
            ("sam", "", vec![one, two]),
            ("cas", "", vec![one, two]),
            ("lou", "", vec![three]),
            ("una", "", vec![one, three, two]),
            ("ari", "", vec![one, three, two]),
            ("una", "?sort=reference", vec![one, two, three]),
            ("una", "?sort=worker", vec![three, one, two]),
            ("una", "?team=north", vec![one, two]),
            ("una", "?worker=ben", vec![two]),
            ("una", "?worker=nobody", vec![three]),
            ("una", "?state=this_week", vec![one]),
            ("sam", "?team=south", vec![]),
        ] {
            assert_eq!(app.due(who, query).await, seen, "{who} {query}");
        }
        let left = with_rules().replace("key = \"ben\"", "key = \"ben\"\nleft = true");
        apply(app.db(), &left, Policy::default(), app.now()).await;
        assert_eq!(app.due("una", "?worker=nobody").await, [three, two], "whoever had it has left");
        app.person("adi").get("/due").await.is_problem(403, "role-too-small");
        app.person("adi").get("/cases/A000001/due").await.is_problem(403, "role-too-small");
        app.person("kim").get("/cases/A000001/due").await.is_problem(404, "not-found");
        app.person("ari").get("/cases/A000001/due").await.is_ok();
        app.supervise("ari", "A000001", json!({})).await.is_problem(403, "role-too-small");
        app.person("ann").post("/cases/A000001/assign", json!({"worker": "ben"})).await.is_problem(403, "role-too-small");
        assert_eq!(app.due_events("case.assigned").await.len(), 3);
        app.finish().await;
    }

    async fn the_digest_goes_once_each_working_day_also_after_an_outage(db: TestDb) {
        let app = TestApp::due_rules(&db).await;
        app.prove_everybody().await;
        app.a_case("A000001", "2026-01-02", "high").await;
        app.a_case("A000002", "2026-01-08", "medium").await;
        app.schedule().await;
        assert_eq!(app.digests("ann").await, Vec::<String>::new(), "at noon nothing goes");
        app.day("2026-01-15T07:59:00Z").await;
        assert_eq!(app.digests("ann").await.len(), 0);
        app.day("2026-01-15T08:00:00Z").await;
        app.day("2026-01-15T08:01:00Z").await;
        let ann = app.digests("ann").await;
        assert_eq!(ann, ["Your home visits on Thu 15 Jan: 1 due this week.\n\nA000001: due Sat 17 Jan\n\nWhy, and what is known, stands in Homeward. A visit counts once the person was seen and that is recorded."]);
        assert_eq!(app.digests("sam").await.len(), 1);
        assert_eq!(app.digests("ben").await.len(), 0, "nothing of his is due");
        // Not at the weekend; after an outage of days once, with what it is then. A replica that wakes too sends nothing more.
        app.day("2026-01-20T15:00:00Z").await;
        app.another(&db, &std::collections::BTreeMap::new()).await.scheduler.tick(app.now()).await.unwrap();
        let ann = app.digests("ann").await;
        assert_eq!(ann.len(), 2);
        assert!(ann[1].starts_with("Your home visits on Tue 20 Jan: 1 overdue.\n\nA000001: OVERDUE: was due Sat 17 Jan, 3 days ago"), "{ann:?}");
        app.day("2026-01-21T08:00:00Z").await;
        app.day("2026-01-22T08:00:00Z").await;
        app.day("2026-01-23T08:00:00Z").await;
        assert_eq!(app.digests("ann").await.len(), 5);
        app.day("2026-01-24T08:00:00Z").await;
        app.day("2026-01-25T08:00:00Z").await;
        assert_eq!((app.digests("ann").await.len(), app.digests("sam").await.len()), (5, 5), "a weekend");
        let subjects = subjects(&app).await;
        assert!(subjects.len() == 10 && subjects.contains(&"Your home visits: 1 due this week".to_owned()), "{subjects:?}");
        assert!(subjects.iter().all(|subject| !subject.contains("A0000") && !subject.contains("Ann") && !subject.contains("Robin")), "{subjects:?}");
        assert_eq!(app.due_events("due.digest_sent").await.len(), 5);
        // Those who manage hear in time that nobody has said the bank holidays of a year.
        let unknown = "Homeward does not know the bank holidays of 2029";
        app.day("2028-09-29T08:00:00Z").await;
        assert!(!app.digests("sam").await[5].contains(unknown));
        app.day("2028-10-02T08:00:00Z").await;
        assert!(app.digests("sam").await[6].contains(unknown) && !app.digests("ann").await[6].contains(unknown));
        app.finish().await;
    }

    async fn rules_that_cannot_be_read_leave_the_old_ones_in_force(db: TestDb) {
        let app = TestApp::with(&db, WESTSHIRE, |_| {}).await;
        app.person("ann").post("/cases", json!({"reference": "A000001", "visiting": "supervised"})).await.is_ok();
        assert_eq!(app.due("sam", "").await, Vec::<String>::new(), "without rules nobody is due");
        app.person("una").get("/due/rules").await.is_problem(404, "not-found");
        let refused = app.supervise("ann", "A000001", json!({})).await;
        assert_eq!((refused.status, refused.body["field"].as_str()), (422, Some("rules")));
        app.person("ann").put("/due/rules", json!({"rules": "probation"})).await.is_problem(403, "role-too-small");
        app.person("sam").put("/due/rules", json!({"rules": "probation"})).await.is_problem(403, "role-too-small");
        let set = app.person("una").put("/due/rules", json!({"rules": "probation", "nation": "scotland", "closures": ["2026-12-29"]})).await;
        assert_eq!((set.status, set.body["version"].as_i64(), set.body["digest_at"].as_str()), (200, Some(1), Some("08:00:00")), "{set:?}");
        let probation = set.body["rules"].as_str().unwrap().to_owned();
        for (body, says) in [
            (json!({"rules": "nothing"}), "line 1: “nothing” is neither a file nor"),
            (json!({"rules": probation.replace("6 weeks", "6 fortnights")}), "“6 fortnights” is no length"),
            (json!({"rules": probation.replace("after = \"risk_rise\"", "after = \"risk_ruse\"")}), "there is no rule “risk_ruse”"),
            (json!({"rules": "probation", "bank_holidays": "source = 'x'\n[scotland]\n2026 = ['13-01']"}), "line 3: “13-01” is no day"),
        ] {
            let refused = app.person("una").put("/due/rules", body).await;
            refused.is_problem(422, "invalid-field");
            assert!(refused.body["detail"].as_str().unwrap().contains(says), "{says}: {refused:?}");
        }
        assert_eq!(app.person("ari").get("/due/rules").await.body["version"], 1, "the old ones are in force");
        let text = format!("{WESTSHIRE}\n[due]\nrules = \"\"\"\n{}\"\"\"", probation.replace("6 weeks", "6 moons"));
        let wanted = Wanted::parse(&text, Defaults::default()).unwrap();
        let trace = Trace::machine(Door::CommandLine, app.now());
        let refused = app.db().write(async move |tx| organisation::apply(tx, &wanted, trace).await).await.unwrap().unwrap_err();
        let line = text.lines().position(|line| line.contains("6 moons")).unwrap() + 1;
        assert_eq!((refused.0.len(), refused.0[0].line), (1, Some(line)), "{refused:?}");
        // What was there before is computed soon, by whoever wakes.
        app.schedule().await;
        assert_eq!(app.due("sam", "").await, ["A000001 cannot_be_computed -"]);
        assert_eq!(app.due_events("due.computed").await.last().unwrap()["body"]["cause"], "rules");
        let again = app.person("una").put("/due/rules", json!({"rules": probation, "nation": "scotland", "closures": ["2026-12-29"]})).await;
        assert_eq!(again.body["version"], 1, "the same again");
        // Another nation's bank holidays, and a year that is not known.
        app.supervise("ann", "A000001", json!({"start": "2025-12-01", "risk": "low"})).await.is_ok();
        let risen = app.supervise("ann", "A000001", json!({"start": "2025-12-01", "risk": "medium", "risk_identified_on": "2025-12-22"})).await;
        let day = |reply: &Reply| reply.body["due"].as_array().unwrap().iter().find(|line| line["rule"] == "risk_rise").map(|line| line["due_on"].clone());
        assert_eq!(day(&risen), Some(json!("2026-01-09")), "25 and 26 December, 1 and 2 January");
        let only = "source = 'x'\n[scotland]\n2026 = ['01-01']";
        app.person("una").put("/due/rules", json!({"rules": "probation", "nation": "scotland", "bank_holidays": only})).await.is_ok();
        let unknown = app.person("ann").get("/cases/A000001/due").await;
        assert_eq!(unknown.body["cannot_be_computed"], json!(["the bank holidays of 2025 in scotland are not known"]));
        app.finish().await;
    }
}

/// The subjects of every mail.
async fn subjects(app: &TestApp) -> Vec<String> {
    let mut tx = app.db().read().await.unwrap();
    let all = homeward::store::messages::list(&mut tx, app.organisation, 100_000).await.unwrap();
    let digests = all.into_iter().filter(|message| message.subject.contains("ome visits"));
    digests.map(|message| message.subject).collect()
}

/// Somebody else holds what is kept of the case, or the organisation's log: the visit is over all the same, and what is due follows.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_out_waits_for_nobody_who_holds_the_case() {
    let Some(db) = TestDb::postgres().await else { return };
    let app = TestApp::due_rules(&db).await;
    app.set_pin("ann").await;
    app.a_case("A1", "2026-01-02", "high").await;
    let Pools::Postgres(pool) = app.db().pools() else { unreachable!() };
    let state = async || {
        let item = app.person("ann").get("/cases/A1/due").await;
        item.is_ok().body["state"].as_str().unwrap().to_owned()
    };
    for (held, outcome, before, after) in
        [("supervision", "not_in", "this_week", "now"), ("organisation", "seen", "now", "not_due")]
    {
        let mut somebody = pool.begin().await.unwrap();
        let lock = sqlx::AssertSqlSafe(format!("SELECT 1 FROM {held} FOR NO KEY UPDATE"));
        sqlx::query(lock).execute(&mut *somebody).await.unwrap();
        app.ann_visits("A1", outcome).await;
        if held == "supervision" {
            let raised = json!({"kind": "risk", "case_reference": "A1", "words": "a car that waits"});
            app.person("ann").post("/concerns", raised).await.is_ok();
        }
        somebody.rollback().await.unwrap();
        app.clock.advance(TimeDelta::minutes(1));
        assert_eq!(state().await, before, "{held}: not computed yet");
        app.schedule().await;
        assert_eq!(state().await, after, "{held}");
    }
    let computed = app.due_events("due.computed").await;
    let mut causes: Vec<_> = computed.iter().map(|event| event["body"]["cause"].as_str().unwrap()).collect();
    causes.sort_unstable();
    assert_eq!(
        causes,
        ["case_changed", "concern_raised", "supervision", "visit_recorded", "visit_recorded"],
        "each once"
    );
    app.finish().await;
}

#[test]
fn what_is_wrong_in_the_organisations_file_has_its_line() {
    let line = |due: &str| {
        let text = format!("{WESTSHIRE}\n[due]\n{due}");
        let wanted = Wanted::parse(&text, Defaults::default());
        wanted.err().map(|refused| refused.0[0].message.clone())
    };
    assert_eq!(line("rules = \"probation\""), None);
    assert!(line("rules = \"probation\"\nnation = \"wales\"").unwrap().contains("unknown variant"));
}
