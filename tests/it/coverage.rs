//! Who would be told: ladders that are set, what they cover, and what a simulation says of them (rows E1, E5, E8).

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{
    app::{TestApp, WESTSHIRE},
    on_both,
};

fn ladder(steps: &Value) -> Value {
    json!({"risk": "normal", "ladder": {"repeat_every": "5m", "steps": steps}})
}

fn with(mut body: Value, key: &str, value: impl Into<Value>) -> Value {
    body[key] = value.into();
    body
}

/// `10m step 1: Jo Lee (sms, email)` …
fn told(covered: &Value) -> Vec<String> {
    let one = |told: &Value| {
        let by: Vec<_> = told["to"]["by"].as_array().unwrap().iter().map(|by| by.as_str().unwrap()).collect();
        let who = told["to"]["person"]["name"].as_str().unwrap_or("last resort");
        format!("{}s step {}: {who} ({})", told["after_seconds"], told["step"], by.join(", "))
    };
    covered["told"].as_array().unwrap().iter().map(one).collect()
}

fn gaps(of: &Value) -> Vec<&str> {
    of["gaps"].as_array().unwrap().iter().map(|gap| gap["gap"].as_str().unwrap()).collect()
}

on_both! {
    async fn a_ladder_is_set_in_a_version_of_its_own(db: TestDb) {
        let app = TestApp::start(&db).await;
        let una = app.person("una");
        let listed = una.get("/ladders").await;
        let shown = |listed: &Value| listed["ladders"].as_array().unwrap().iter().map(|ladder| {
            format!("{} {} {}", ladder["team"]["key"].as_str().unwrap_or("every"), ladder["risk"].as_str().unwrap(), ladder["version"])
        }).collect::<Vec<_>>();
        assert_eq!(shown(&listed.body), ["every normal 1", "every high 1"]);
        assert_eq!(listed.body["ladders"][0]["set_by"], Value::Null, "by the organisation's file");
        assert_eq!(listed.body["ladders"][0]["ladder"]["steps"][0]["tell"], json!(["emergency_contact", "manager"]));

        // An alarm that is open keeps what was in force when it opened.
        app.ann_goes_in(30).await;
        app.pass(40).await;
        let north = with(ladder(&json!([{"after": "0s", "tell": ["person:una"], "by": ["sms"]}])), "team", "north");
        let set = una.put("/ladders", north.clone()).await;
        assert_eq!((set.status, set.body["version"].as_i64(), set.body["set_by"]["name"].as_str()), (200, Some(1), Some("Una Hart")), "{set:?}");
        let again = una.put("/ladders", north.clone()).await;
        assert_eq!(again.body["id"], set.body["id"], "what is in force already makes no version");
        let second = with(ladder(&json!([{"after": "1m", "tell": ["person:una"], "by": ["sms"]}])), "team", "north");
        assert_eq!(una.put("/ladders", second).await.body["version"], 2);
        assert_eq!(shown(&una.get("/ladders").await.body), ["every normal 1", "every high 1", "north normal 2"]);
        app.pass(5).await;
        assert_eq!((app.texts("dee").await.len(), app.texts("una").await.len()), (1, 0), "the old ladder's second step");
        let id = app.the_incident().await["id"].as_str().unwrap().to_owned();
        let close = json!({"outcome": "safe_forgot", "known_by": "seen", "worker_now": "home", "note": "n"});
        una.post(&format!("/incidents/{id}/close"), close).await.is_ok();

        // The next one goes by the new one: a minute after the grace, Una alone.
        app.person("ann").post("/visits", json!({"place": "9 Quay Road", "minutes": 30})).await.is_ok();
        let before = (app.texts("sam").await.len(), app.texts("una").await.len());
        app.pass(41).await;
        assert_eq!((app.texts("sam").await.len(), app.texts("una").await.len()), (before.0, before.1 + 1));

        let events = app.everything_that_happened().await;
        let set: Vec<_> = events.body["events"].as_array().unwrap().iter().filter(|event| event["kind"] == "ladder.set").collect();
        assert_eq!(set.len(), 2);
        assert_eq!((set[0]["body"]["version"].as_i64(), set[0]["body"]["body"]["steps"][0]["tell"][0].as_str()), (Some(1), Some("person:una")));
        app.finish().await;
    }

    async fn a_ladder_that_would_fail_somebody_is_refused_with_the_number_of_its_step(db: TestDb) {
        let app = TestApp::start(&db).await;
        let manager = json!({"after": "0s", "tell": ["manager"]});
        for (steps, field, words) in [
            (json!([]), "ladder", "at least one step"),
            (json!([manager, {"after": "5m", "tell": []}]), "ladder", "step 2 tells nobody"),
            (json!([manager, {"after": "5m", "tell": ["everybody"]}]), "ladder", "step 2: “everybody” is no target"),
            (json!([manager, {"after": "5m", "tell": ["person:zoe"]}]), "ladder", "step 2 names “person:zoe”"),
            (json!([manager, {"after": "soon", "tell": ["manager"]}]), "ladder", "step 2: “soon” is no length of time"),
            (json!([manager, {"after": "5m", "tell": ["manager"], "by": ["pigeon"]}]), "ladder", "step 2: “pigeon” is no channel"),
            (json!([manager, {"after": "2h", "tell": ["manager"]}]), "ladder", "step 2 waits for more than an hour"),
            (json!([manager, {"after": "5m", "tell": ["manager"], "repeats": 99}]), "ladder", "step 2 repeats more than 12 times"),
            (json!([{"after": "0s", "tell": ["emergency_contact"]}]), "ladder", "up to its last step 1 it reaches nobody with an account for “ann”"),
            (json!([{"after": "0s", "tell": ["manager"], "how": "loud"}]), "ladder.steps[0].how", "unknown field"),
        ] {
            let refused = app.person("una").put("/ladders", ladder(&steps)).await;
            refused.is_problem(422, "invalid-field");
            assert_eq!(refused.body["field"], field, "{refused:?}");
            assert!(refused.body["detail"].as_str().unwrap().contains(words), "{words}: {refused:?}");
        }
        let mut loops = ladder(&json!([manager]));
        loops["ladder"]["repeat_every"] = json!("0s");
        let refused = app.person("una").put("/ladders", loops).await;
        assert!(refused.is_problem(422, "invalid-field").body["detail"].as_str().unwrap().contains("the last step 1 is repeated for ever"), "{refused:?}");
        app.person("una").put("/ladders", with(ladder(&json!([manager])), "team", "moon")).await.is_problem(422, "invalid-field");
        assert_eq!(app.person("una").get("/ladders").await.body["ladders"].as_array().unwrap().len(), 2, "nothing was put in force");
        app.finish().await;
    }

    async fn who_may_set_and_see_ladders(db: TestDb) {
        let app = TestApp::start(&db).await;
        let manager = json!([{"after": "0s", "tell": ["manager", "duty_manager"]}]);
        let (every, north) = (ladder(&manager), with(ladder(&manager), "team", "north"));
        let unit = with(ladder(&manager), "team", "unit");
        for (who, body, status) in [
            ("ann", &north, 403), ("cas", &north, 403), ("ari", &north, 403),
            ("sam", &every, 403), ("sam", &unit, 403), ("sam", &north, 200),
            ("dee", &unit, 200), ("una", &every, 200),
        ] {
            let reply = app.person(who).put("/ladders", body.clone()).await;
            assert_eq!(reply.status, status, "{who}: {reply:?}");
        }
        for (who, status, seen) in [("ann", 403, 0), ("cas", 200, 3), ("sam", 200, 3), ("una", 200, 4), ("ari", 200, 4)] {
            let reply = app.person(who).get("/ladders").await;
            assert_eq!((reply.status, reply.body["ladders"].as_array().map_or(0, Vec::len)), (status, seen), "{who}: {reply:?}");
        }
        app.finish().await;
    }

    async fn coverage_names_who_would_be_told_and_what_is_missing(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.prove_everybody().await;
        let shown = app.person("sam").get("/coverage?team=north&at=2026-12-25T21:40").await;
        assert_eq!(shown.body["at"], "2026-12-25T21:40:00Z", "{shown:?}");
        let ann = &shown.body["workers"][0];
        assert_eq!((shown.body["workers"].as_array().unwrap().len(), ann["worker"]["name"].as_str()), (1, Some("Ann Lee")));
        assert_eq!(told(&ann["ladders"][0]), [
            "600s step 1: Jo Lee (sms, email)", "600s step 1: Sam Cole (sms, email)",
            "900s step 2: Dee Park (sms, email)", "1500s step 4: Una Hart (sms, email)",
        ]);
        assert_eq!(told(&ann["ladders"][1])[0], "0s step 1: Jo Lee (sms, email)", "no grace at high risk");
        assert_eq!((gaps(ann), gaps(&ann["ladders"][0])), (vec!["no_pin"], vec![]));
        assert_eq!(shown.body["gaps"], 1);
        app.set_pin("ann").await;
        assert_eq!(app.person("sam").get("/coverage").await.body["gaps"], 0, "Sam's own team");
        app.person("ann").get("/coverage").await.is_problem(403, "role-too-small");
        app.person("sam").get("/coverage?team=unit").await.is_problem(403, "role-too-small");
        app.person("sam").get("/coverage?team=moon").await.is_problem(422, "invalid-field");
        app.person("sam").get("/coverage?at=tomorrow").await.is_problem(422, "invalid-field");
        assert_eq!(app.person("una").get("/coverage?worker=sam").await.body["workers"][0]["worker"]["name"], "Sam Cole");
        app.finish().await;
    }

    async fn every_gap_has_its_name(db: TestDb) {
        let organisation = WESTSHIRE
            .replace("policy = { extension_cap = \"2h\" }", "policy = { pin_by_text = \"not_asked\" }")
            .replace("duty_manager = \"dee\"", "")
            .replace("emergency_contacts = [\"jo\"]", "")
            .replace("phone = \"07700 900123\"\n", "");
        let steps = "steps = [{ after = \"0s\", tell = [\"emergency_contact\"] }, { after = \"5m\", tell = [\"duty_manager\"] }, { after = \"5m\", tell = [\"manager\"] }]";
        let ladders = format!("{organisation}\n[[ladder]]\nrisk = \"normal\"\nrepeat_every = \"5m\"\n{steps}\n[[ladder]]\nrisk = \"high\"\nrepeat_every = \"5m\"\nsteps = [{{ after = \"0s\", tell = [\"manager\"] }}]\n");
        let app = TestApp::with(&db, &ladders, |_| {}).await;
        app.prove_everybody().await;
        let ann = app.person("una").get("/coverage?worker=ann").await.body["workers"][0].clone();
        assert_eq!(gaps(&ann), ["no_pin", "no_phone", "no_emergency_contact", "no_duress_by_text"]);
        assert_eq!(gaps(&ann["ladders"][0]), ["step_reaches_nobody", "step_reaches_nobody"], "{ann:#}");
        assert_eq!(gaps(&ann["ladders"][1]), ["nobody_after_step_two"], "{ann:#}");
        assert_eq!(told(&ann["ladders"][0]), ["600s step 3: Sam Cole (sms, email)"], "skipped at once, as the timer does");

        // What nobody has proved, what is dead and who is silent or declined: contacts.rs.
        // Jo is named and cannot be reached any more; somebody is told who cannot take it.
        let left = WESTSHIRE.replace("name = \"Jo Lee\"", "name = \"Jo Lee\"\nleft = true");
        crate::support::app::apply(app.db(), &left, homeward::domain::policy::Policy::default(), app.now()).await;
        let ann = app.person("una").get("/coverage?worker=ann").await.body["workers"][0].clone();
        assert_eq!(gaps(&ann), ["no_pin", "contact_unreachable"], "{ann:#}");
        app.finish().await;
    }

    async fn a_simulation_says_what_the_timer_does(db: TestDb) {
        let app = TestApp::start(&db).await;
        let body = |kind: &str| json!({"worker": "ann", "missed": "2026-01-14T12:30", "kind": kind});
        let call = |told: &Value| {
            let names = told["to"].as_array().unwrap().iter().map(|to| to["person"]["name"].as_str().unwrap().to_owned());
            (told["after_seconds"].as_i64().unwrap(), names.collect::<Vec<_>>())
        };
        let of = async |kind: &str| {
            let simulated = app.person("sam").post("/simulate", body(kind)).await;
            simulated.is_ok();
            simulated.body["workers"][0]["told"].as_array().unwrap().clone()
        };
        let overdue = of("overdue").await;
        assert_eq!(overdue.iter().take(2).map(|told| (told["what"].as_str().unwrap(), told["after_seconds"].as_i64().unwrap())).collect::<Vec<_>>(), [("reminder", -600), ("reminder", 0)]);
        let said = overdue.iter().filter(|told| told["what"] == "call").map(call).collect::<Vec<_>>();
        assert_eq!((said.first().unwrap().0, said.last().unwrap().0, said.len()), (600, 3600, 11), "the first hour");
        assert_eq!(app.said().await, [], "nobody is told anything");

        // And what it said is what comes.
        app.ann_goes_in(30).await;
        app.pass(30).await;
        let mut came = Vec::new();
        for _ in 0..60 {
            let before = app.texts("jo").await.len();
            app.pass(1).await;
            if app.texts("jo").await.len() > before {
                came.push((app.now() - (app.at("12:30"))).num_seconds());
            }
        }
        assert_eq!(came, said.iter().map(|(at, _)| *at).collect::<Vec<_>>());

        // Whoever calls for help waits for nobody; silently, no outside contact is told.
        let names = ["Jo Lee", "Sam Cole", "Dee Park"];
        assert_eq!(call(&of("sos").await[0]), (0, names.map(str::to_owned).to_vec()));
        let duress = of("duress").await;
        assert_eq!(call(&duress[0]), (0, names[1..].iter().map(|name| (*name).to_owned()).collect()));
        assert!(!json!(duress).to_string().contains("Jo Lee"));
        app.person("ann").post("/simulate", body("sos")).await.is_problem(403, "role-too-small");
        app.person("sam").post("/simulate", json!({"worker": "ann", "missed": "Christmas"})).await.is_problem(422, "invalid-field");
        app.clock.advance(TimeDelta::seconds(1));
        app.finish().await;
    }
}
