//! Policies (row P1): documents in versions, acknowledged by each person themselves, asked for until they are.

use chrono::{Duration, TimeDelta};
use serde_json::{Value, json};

use crate::support::{
    app::{TestApp, WESTSHIRE},
    on_both,
};

const LINK: &str = "https://equip.example.org/home-visits";

fn organisation() -> String {
    let more = |key: &str, name: &str, team: &str, role: &str, phone: &str| {
        format!(
            "\n[[person]]\nkey = \"{key}\"\nname = \"{name}\"\nteam = \"{team}\"\nrole = \"{role}\"\nphone = \"{phone}\"\n"
        )
    };
    let south = "\n[[team]]\nkey = \"south\"\nname = \"South team\"\nparent = \"unit\"\n";
    let people = [
        more("adi", "Adi Rao", "unit", "administrator", "07700 900131"),
        more("ben", "Ben Okoro", "south", "worker", "07700 900130"),
        more("sol", "Sol Kane", "south", "manager", "07700 900132"),
    ];
    format!("{WESTSHIRE}{south}{}", people.concat())
}

fn home_visits(due_on: &str) -> Value {
    json!({"key": "home-visits", "title": "Home visits", "kind": "home_visits", "link": LINK, "due_on": due_on})
}

impl TestApp {
    /// What somebody sees of the one policy.
    async fn policy(&self, who: &str) -> Value {
        let list = self.person(who).get("/policies").await;
        list.is_ok().body["policies"][0].clone()
    }

    async fn acknowledge(&self, who: &str, version: i32) {
        let done =
            self.person(who).post("/policies/home-visits/acknowledge", json!({"version": version})).await;
        assert_eq!((done.status, done.body["version"].as_i64()), (200, Some(i64::from(version))), "{done:?}");
    }

    /// Nine in the morning, so many days on.
    async fn nine_in(&self, days: i64) {
        let nine = self.now().date_naive().and_hms_opt(9, 0, 0).unwrap().and_utc() + Duration::days(days);
        self.clock.advance(nine - self.now());
        self.work().await;
        self.work().await;
    }

    /// What somebody was texted about policies.
    async fn about_policies(&self, who: &str) -> Vec<String> {
        let mut texts = self.texts(who).await;
        texts.retain(|text| text.contains("acknowledge"));
        texts
    }

    async fn missing(&self, who: &str) -> Vec<String> {
        let missing = self.person(who).get("/policies/home-visits/missing").await;
        let names = missing.is_ok().body["missing"].as_array().unwrap().iter();
        names.map(|one| one["person"]["name"].as_str().unwrap().to_owned()).collect()
    }

    async fn policy_events(&self, kind: &str) -> Vec<Value> {
        let all = self.everything_that_happened().await;
        let events = all.body["events"].as_array().unwrap().iter();
        events.filter(|event| event["kind"] == kind).cloned().collect()
    }
}

on_both! {
    async fn each_person_acknowledges_each_version_and_managers_see_who_has_not(db: TestDb) {
        let app = TestApp::with(&db, &organisation(), |_| {}).await;
        let added = app.person("una").post("/policies", home_visits("2026-01-28")).await;
        assert_eq!((added.status, added.body["in_force"]["version"].as_i64(), added.body["in_force"]["link"].as_str()), (201, Some(1), Some(LINK)), "{added:?}");
        let id = added.id();
        let anns = app.policy("ann").await;
        assert_eq!((anns["to_acknowledge"].clone(), anns["by"].clone(), anns["late"].clone()), (json!(true), json!("2026-01-28"), json!(false)), "{anns:#}");
        assert_eq!(app.missing("una").await.len(), 9, "everybody with a role: {:?}", app.missing("una").await);
        assert_eq!(app.missing("sam").await, ["Ann Lee", "Cas Moss", "Sam Cole"], "his own team");
        assert_eq!(app.missing("sol").await, ["Ben Okoro", "Sol Kane"]);
        assert_eq!((app.missing("ari").await.len(), app.missing("adi").await.len()), (9, 9));

        app.acknowledge("ann", 1).await;
        app.clock.advance(TimeDelta::minutes(5));
        app.acknowledge("ann", 1).await;
        let anns = app.policy("ann").await;
        assert_eq!((anns["to_acknowledge"].clone(), anns["in_force"]["acknowledged_at"].as_str()), (json!(false), Some("2026-01-14T12:00:00Z")), "twice is one: {anns:#}");
        assert_eq!(app.policy_events("policy.acknowledged").await.len(), 1);
        assert_eq!(app.missing("sam").await, ["Cas Moss", "Sam Cole"]);
        let standing = app.person("sam").get(&format!("/policies/{id}/missing")).await;
        assert_eq!((standing.body["concerned"].as_i64(), standing.body["acknowledged"].as_i64()), (Some(3), Some(1)));

        // Another version: acknowledged anew, and the older one not any more.
        let new = json!({"link": "https://equip.example.org/home-visits-2", "changed": "Two go where a dog is known.", "due_on": "2026-02-10"});
        let versioned = app.person("adi").post("/policies/home-visits/versions", new).await;
        assert_eq!((versioned.status, versioned.body["in_force"]["version"].as_i64(), versioned.body["earlier"][0]["version"].as_i64()), (201, Some(2), Some(1)), "{versioned:?}");
        let old = app.person("ben").post("/policies/home-visits/acknowledge", json!({"version": 1})).await;
        old.is_problem(409, "old-version");
        assert!(old.body["detail"].as_str().unwrap().contains("version 2"), "{old:?}");
        let none = app.person("ben").post("/policies/home-visits/acknowledge", json!({"version": 3})).await;
        assert_eq!(none.is_problem(422, "invalid-field").body["field"], "version");
        let (anns, bens) = (app.policy("ann").await, app.policy("ben").await);
        assert_eq!((anns["to_acknowledge"].clone(), anns["by"].clone()), (json!(true), json!("2026-02-10")));
        assert_eq!(bens["by"], "2026-01-28", "who let the first wait has no longer for the second");
        assert_eq!(anns["in_force"]["changed"], "Two go where a dog is known.");
        app.acknowledge("ann", 2).await;
        assert_eq!(app.missing("sam").await, ["Cas Moss", "Sam Cole"]);

        // Words are apart from what is kept for ever; the events of others' teams are not for everybody.
        let changed = app.policy_events("policy.version_added").await;
        assert_eq!((changed[0]["words"]["changed"].as_str(), changed[0]["body"]["version"].as_i64()), (Some("Two go where a dog is known."), Some(2)));
        assert!(!changed[0]["body"].to_string().contains("dog"));
        assert_eq!(app.policy_events("policy.added").await.len(), 1);
        app.finish().await;
    }

    async fn who_has_not_acknowledged_in_time_is_asked_daily_then_the_manager(db: TestDb) {
        let app = TestApp::with(&db, &organisation(), |_| {}).await;
        app.person("una").post("/policies", home_visits("2026-01-16")).await.is_ok();
        for who in ["sam", "dee", "una", "cas", "ari", "adi", "ben", "sol"] {
            app.acknowledge(who, 1).await;
        }
        app.nine_in(1).await;
        assert_eq!(app.about_policies("ann").await, ["Please read and acknowledge in Homeward by 16 Jan: Home visits. The link to it stands there."], "everybody is made aware");
        assert_eq!(app.about_policies("ben").await, [""; 0], "who has done so before is not");
        app.nine_in(1).await;
        assert_eq!(app.about_policies("ann").await.len(), 1, "there is time till the end of the 16th");
        app.nine_in(1).await;
        let asked = "You have not acknowledged, due by 16 Jan: Home visits. Please read it and say so in Homeward.";
        assert_eq!(app.about_policies("ann").await[1..], [asked]);
        app.pass(5).await;
        app.nine_in(1).await;
        assert_eq!((app.about_policies("ann").await.len(), app.about_policies("sam").await.len()), (3, 0));
        app.nine_in(1).await;
        assert_eq!(app.about_policies("sam").await, ["Ann Lee has not acknowledged, due by 16 Jan, though asked: Home visits."], "from the third day");
        assert!(app.person("ari").get("/policies/home-visits/missing").await.body["missing"][0]["late"] == true);
        let events = app.policy_events("policy.asked").await;
        assert_eq!(events.iter().map(|event| event["body"]["times"].as_i64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);

        // What is new meanwhile is said, and asked for in the same text once it is late too.
        let lone = json!({"key": "lone-working", "title": "Lone working", "kind": "lone_working", "link": LINK, "roles": ["worker"], "due_on": "2026-01-25"});
        app.person("una").post("/policies", lone).await.is_ok();
        app.nine_in(1).await;
        let anns = app.about_policies("ann").await;
        assert!(anns[4..].contains(&"Please read and acknowledge in Homeward by 25 Jan: Lone working. The link to it stands there.".to_owned()) && anns[4..].contains(&asked.to_owned()), "{anns:?}");
        assert_eq!(app.about_policies("ben").await.len(), 1, "Ben hears of what is new alone");
        assert_eq!(app.about_policies("sol").await, [""; 0], "it is no manager's");
        app.acknowledge("ann", 1).await;
        let before = app.about_policies("ann").await.len();
        app.nine_in(1).await;
        assert_eq!(app.about_policies("ann").await.len(), before, "the other one has time");
        app.nine_in(5).await;
        assert_eq!(app.about_policies("ann").await[before..], ["You have not acknowledged, due by 25 Jan: Lone working. Please read it and say so in Homeward."]);
        let managers = app.about_policies("sam").await.len();
        app.person("ann").post("/policies/lone-working/acknowledge", json!({"version": 1})).await.is_ok();
        app.nine_in(1).await;
        app.nine_in(1).await;
        assert_eq!((app.about_policies("ann").await.len(), app.about_policies("sam").await.len()), (before + 1, managers), "nobody is asked for what is there");
        app.finish().await;
    }

    async fn whoever_comes_later_hears_of_it_and_whoever_leaves_does_not(db: TestDb) {
        let app = TestApp::with(&db, &organisation(), |_| {}).await;
        app.person("una").post("/policies", home_visits("2026-01-14")).await.is_ok();
        app.nine_in(1).await;
        let asked = |texts: Vec<String>| texts.iter().filter(|text| text.starts_with("You have not")).count();
        assert_eq!(asked(app.about_policies("ben").await), 1, "late on the next day");
        let left = organisation().replace("key = \"ben\"", "key = \"ben\"\nleft = true");
        let newcomer = format!("{left}\n[[person]]\nkey = \"new\"\nname = \"New Comer\"\nteam = \"south\"\nrole = \"worker\"\nphone = \"07700 900133\"\n");
        crate::support::app::apply(app.db(), &newcomer, homeward::domain::policy::Policy::default(), app.now()).await;
        app.nine_in(1).await;
        assert_eq!((asked(app.about_policies("new").await), asked(app.about_policies("ben").await)), (1, 1));
        assert!(app.missing("sol").await.contains(&"New Comer".to_owned()) && !app.missing("sol").await.contains(&"Ben Okoro".to_owned()));
        app.finish().await;
    }

    async fn what_cannot_be_added_is_said_at_its_field(db: TestDb) {
        let app = TestApp::with(&db, &organisation(), |_| {}).await;
        let with = |field: &str, value: Value| {
            let mut body = home_visits("2026-01-28");
            body[field] = value;
            body
        };
        for (field, value) in [
            ("link", json!("http://equip.example.org/x")),
            ("link", json!("equip.example.org")),
            ("link", json!("")),
            ("key", json!("home visits")),
            ("key", json!("")),
            ("title", json!("  ")),
            ("title", json!("x".repeat(201))),
            ("kind", json!("a_poster")),
            ("roles", json!([])),
            ("roles[0]", json!(null)),
            ("due_on", json!("2026-01-13")),
            ("due_on", json!("9999-01-01")),
            ("due_on", json!("soon")),
            ("whom", json!("all")),
        ] {
            let body = if field == "roles[0]" { with("roles", json!(["boss"])) } else { with(field, value) };
            let refused = app.person("una").post("/policies", body.clone()).await;
            assert_eq!(refused.is_problem(422, "invalid-field").body["field"], field, "{body}");
        }
        assert_eq!(app.person("una").get("/policies").await.body["policies"], json!([]), "nothing was added");
        for who in ["ann", "cas", "sam", "ari"] {
            app.person(who).post("/policies", home_visits("2026-01-28")).await.is_problem(403, "role-too-small");
        }
        let id = app.person("adi").post("/policies", home_visits("2026-01-14")).await.id();
        let twice = app.person("una").post("/policies", home_visits("2026-01-28")).await;
        assert_eq!(twice.is_problem(422, "invalid-field").body["field"], "key");
        let version = json!({"link": LINK, "changed": "x", "due_on": "2026-01-28"});
        app.person("sam").post(&format!("/policies/{id}/versions"), version.clone()).await.is_problem(403, "role-too-small");
        app.person("una").post("/policies/nothing/versions", version.clone()).await.is_problem(404, "not-found");
        for (field, value) in [("link", json!("ftp://x")), ("changed", json!(" ")), ("due_on", json!("2026-01-01"))] {
            let mut body = version.clone();
            body[field] = value;
            assert_eq!(app.person("una").post(&format!("/policies/{id}/versions"), body).await.is_problem(422, "invalid-field").body["field"], field);
        }
        for nowhere in ["nothing", "0198b5a0-0000-7000-8000-000000000000"] {
            app.person("ann").post(&format!("/policies/{nowhere}/acknowledge"), json!({"version": 1})).await.is_problem(404, "not-found");
            app.person("una").get(&format!("/policies/{nowhere}/missing")).await.is_problem(404, "not-found");
        }
        for body in [json!({}), json!({"version": "1"}), json!({"version": 1, "for": "ben"})] {
            app.person("ann").post("/policies/home-visits/acknowledge", body).await.is_problem(422, "invalid-field");
        }
        for who in ["ann", "cas"] {
            app.person(who).get("/policies/home-visits/missing").await.is_problem(403, "role-too-small");
        }
        app.finish().await;
    }

    async fn another_organisations_documents_are_nothing_here(db: TestDb) {
        let app = TestApp::with(&db, &organisation(), |_| {}).await;
        let id = app.person("una").post("/policies", home_visits("2026-01-28")).await.id();
        let eastshire = organisation().replace("key = \"westshire\"", "key = \"eastshire\"");
        let (_, tokens) = crate::support::app::apply(app.db(), &eastshire, homeward::domain::policy::Policy::default(), app.now()).await;
        let una = app.with_token(&tokens["una"]);
        assert_eq!(una.get("/policies").await.is_ok().body["policies"], json!([]));
        for named in [id.as_str(), "home-visits"] {
            una.get(&format!("/policies/{named}/missing")).await.is_problem(404, "not-found");
            una.post(&format!("/policies/{named}/acknowledge"), json!({"version": 1})).await.is_problem(404, "not-found");
            una.post(&format!("/policies/{named}/versions"), json!({"link": LINK, "changed": "x", "due_on": "2026-01-28"})).await.is_problem(404, "not-found");
        }
        assert_eq!(una.post("/policies", home_visits("2026-01-28")).await.status, 201, "a key stands for one in each");
        app.nine_in(1).await;
        let asked = app.said().await.into_iter().filter(|said| said.text.contains("acknowledge")).count();
        assert_eq!(asked, 9, "each organisation asks its own: {:?}", app.said().await);
        app.finish().await;
    }

    async fn what_somebody_has_still_to_acknowledge_is_known_to_whoever_agrees_a_visit(db: TestDb) {
        let app = TestApp::with(&db, &organisation(), |_| {}).await;
        app.person("una").post("/policies", home_visits("2026-01-16")).await.is_ok();
        let ann = app.person("ann").get("/me").await.id().parse().unwrap();
        let jo: uuid::Uuid = {
            let mut tx = app.db().read().await.unwrap();
            let directory = homeward::store::people::directory(&mut tx, app.organisation).await.unwrap();
            directory.named("jo").unwrap().id.0
        };
        let open = async |person: uuid::Uuid| {
            use homeward::{domain::ids::PersonId, store::policy_documents as kept};
            let mut tx = app.db().read().await.unwrap();
            let all = kept::unacknowledged_by(&mut tx, app.organisation, PersonId(person), app.now()).await.unwrap();
            let late = kept::overdue_by(&mut tx, app.organisation, PersonId(person), app.now()).await.unwrap();
            (all, late)
        };
        let title = || vec!["Home visits".to_owned()];
        assert_eq!(open(ann).await, (title(), vec![]));
        assert_eq!(open(jo).await, (vec![], vec![]), "outside contacts have nothing to acknowledge");
        app.clock.advance(TimeDelta::days(3));
        assert_eq!(open(ann).await, (title(), title()));
        app.acknowledge("ann", 1).await;
        assert_eq!(open(ann).await, (vec![], vec![]));
    }
}
