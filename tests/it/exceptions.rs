//! Visits that were out of the ordinary, afterwards: reviewed by a senior manager, asked for until then (rows A5, A7).

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{
    TestDb,
    app::{Reply, TestApp, WESTSHIRE},
    on_both,
};

/// Both teams ask for agreement; phones and contacts count as proved, since these tests are about the rest.
fn westshire(more: &str) -> String {
    let asked = WESTSHIRE
        .replace(r#"policy = { extension_cap = "2h" }"#, r#"policy = { agreement = "asked" }"#)
        .replace(
            "name = \"Westshire unit\"\n",
            "name = \"Westshire unit\"\npolicy = { agreement = \"asked\" }\n",
        );
    assert_eq!(asked.matches("agreement = \"asked\" }\n").count(), 2, "{asked}");
    let rules = "[agreement.rules]\nno_phone = \"off\"\nno_emergency_contact = \"off\"\n";
    format!("{asked}\n{more}\n{rules}")
}

async fn start(db: &TestDb) -> TestApp {
    TestApp::with(db, &westshire(""), |_| {}).await
}

fn emergency() -> Value {
    json!({"exception": {"kind": "emergency", "circumstances": "police asked for somebody at once"}})
}

impl TestApp {
    /// A plan for two in the afternoon, with what is out of the ordinary about it; its id.
    async fn plans(&self, who: &str, reference: &str, exception: Value) -> String {
        self.person(who)
            .post("/cases", json!({"reference": reference, "visiting": "supervised"}))
            .await
            .is_ok();
        let place = json!({"address": format!("{reference} High St")});
        self.person(who).post(&format!("/cases/{reference}/places"), place).await.is_ok();
        let at = |hour: u32| format!("{}T{hour}:00:00Z", self.now().format("%Y-%m-%d"));
        let plan = json!({"case_reference": reference, "purpose": "supervision", "expected_arrival": at(14), "expected_departure": at(15)});
        let visit = self.person(who).post("/visits", plan).await.is_ok().id();
        self.person(who).post(&format!("/visits/{visit}/agreement"), exception).await.is_ok();
        visit
    }

    /// It is made, and somebody else says that they are out.
    async fn makes(&self, who: &str, visit: &str, by: &str) {
        self.person(who).post(&format!("/visits/{visit}/arrive"), json!({})).await.is_ok();
        self.clock.advance(TimeDelta::minutes(30));
        self.person(by)
            .post(&format!("/visits/{visit}/check-out"), json!({"known_by": "seen"}))
            .await
            .is_ok();
    }

    async fn reviews(&self, who: &str, visit: &str, words: &str) -> Reply {
        self.person(who).put(&format!("/visits/{visit}/exception/review"), json!({"words": words})).await
    }

    async fn exceptions(&self, who: &str, query: &str) -> Vec<Value> {
        let list = self.person(who).get(&format!("/exceptions{query}")).await;
        list.is_ok().body["exceptions"].as_array().unwrap().clone()
    }

    /// What somebody was asked to review.
    async fn to_review(&self, who: &str) -> Vec<String> {
        self.texts(who).await.into_iter().filter(|text| text.contains("out of the ordinary")).collect()
    }

    async fn at_nine_on(&self, day: u32) {
        self.clock.set(format!("2026-01-{day}T09:00:00Z").parse().unwrap());
        self.work().await;
    }
}

on_both! {
    async fn a_senior_manager_looks_at_each_and_is_asked_until_then(db: TestDb) {
        let app = start(&db).await;
        let visit = app.plans("ann", "A111111", emergency()).await;
        app.reviews("una", &visit, "w").await.is_problem(409, "agreement");
        assert_eq!(app.exceptions("una", "").await, [] as [Value; 0], "it is not over yet");
        app.clock.advance(TimeDelta::hours(2));
        app.makes("ann", &visit, "sam").await;
        let listed = app.exceptions("una", "?reviewed=no").await;
        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0]["visit"].as_str(), listed[0]["kind"].as_str(), listed[0]["worker"]["name"].as_str(), listed[0]["recorded"].as_bool(), &listed[0]["reviewed"]), (Some(visit.as_str()), Some("emergency"), Some("Ann Lee"), Some(false), &Value::Null));
        let seen = async |who: &str| app.exceptions(who, "").await.len();
        assert_eq!([seen("ann").await, seen("sam").await, seen("ari").await], [1, 1, 1]);
        assert_eq!(app.person("una").get("/exceptions?reviewed=perhaps").await.is_problem(422, "invalid-field").body["field"], "reviewed");
        for who in ["ann", "sam", "dee", "ari"] {
            app.reviews(who, &visit, "w").await.is_problem(403, "role-too-small");
        }
        assert_eq!(app.reviews("una", &visit, " ").await.is_problem(422, "invalid-field").body["field"], "words");
        let other = app.person("ann").post("/visits", json!({"minutes": 30})).await.id();
        app.reviews("una", &other, "w").await.is_problem(404, "not-found");
        app.person("sam").post(&format!("/visits/{other}/check-out"), json!({"known_by": "seen"})).await.is_ok();

        // In the morning: the worker for the outcome, the senior manager for the review.
        app.at_nine_on(15).await;
        assert_eq!(app.to_review("una").await, ["The visit that ended 14:30 Wed was out of the ordinary: a senior manager has to look at it. Please write in Homeward what you found."]);
        assert_eq!((app.to_review("sam").await, app.to_review("dee").await), (vec![], vec![]));
        let outcome = async || app.texts("ann").await.into_iter().filter(|text| text.contains("no outcome")).count();
        assert_eq!(outcome().await, 1);
        app.pass(5).await;
        app.at_nine_on(16).await;
        assert_eq!((app.to_review("una").await.len(), outcome().await), (2, 2), "once a day");
        let found = app.reviews("una", &visit, "Right to go; the police should have waited.").await;
        assert_eq!((found.is_ok().body["reviewed"]["by"]["name"].as_str(), found.body["reviewed"]["at"].as_str()), (Some("Una Hart"), Some("2026-01-16T09:00:00Z")));
        assert_eq!(app.reviews("una", &visit, "Right to go; the police should have waited.").await.body, found.body, "said again it changes nothing");
        assert_eq!(app.exceptions("una", "?reviewed=no").await, [] as [Value; 0]);
        let kept = app.exceptions("ari", "?reviewed=yes").await;
        assert_eq!(kept[0]["reviewed"]["words"], "Right to go; the police should have waited.", "available for scrutiny");
        app.at_nine_on(17).await;
        assert_eq!((app.to_review("una").await.len(), outcome().await), (2, 3), "the outcome is asked for all the same");
        for id in [&visit, &other] {
            app.person("ann").post(&format!("/visits/{id}/record"), json!({"outcome": "seen", "seen_whom": "Robin", "work_undertaken": "Took them in."})).await.is_ok();
        }
        assert_eq!(app.exceptions("una", "").await[0]["recorded"], true);
        app.at_nine_on(18).await;
        assert_eq!((app.to_review("una").await.len(), outcome().await), (2, 3));

        let log = app.person("ari").get(&format!("/events?visit={visit}&limit=500")).await;
        let events = log.body["events"].as_array().unwrap();
        let of = |kind: &str| events.iter().filter(|event| event["kind"] == kind).collect::<Vec<_>>();
        let reviewed = of("visit.exception_reviewed");
        assert_eq!((reviewed.len(), of("visit.exception_review_asked").len(), reviewed[0]["words"]["words"].as_str()), (1, 2, Some("Right to go; the police should have waited.")));
        assert!(!reviewed[0]["body"].to_string().contains("police"), "{reviewed:?}");
        app.finish().await;
    }

    async fn nobody_reviews_their_own_and_somebody_is_asked_all_the_same(db: TestDb) {
        let app = start(&db).await;
        let talk = |with: &str| json!({"with": with, "at": "2026-01-14T11:00:00Z", "said": "agreed to it this once"});
        let one_off = json!({"exception": {"kind": "one_off", "justification": "nobody else can take the child tonight",
            "senior_manager": talk("Una Hart"), "parents_or_carers": talk("the mother")}});
        let unas = app.plans("una", "A222222", one_off.clone()).await;
        let anns = app.plans("ann", "A333333", one_off).await;
        let called_off = app.plans("ann", "A444444", emergency()).await;
        app.set_pin("ann").await;
        app.person("ann").post(&format!("/visits/{called_off}/cancel"), json!({"pin": "4821", "reason": "they are away"})).await.is_ok();
        app.clock.advance(TimeDelta::hours(2));
        app.makes("una", &unas, "dee").await;
        app.makes("ann", &anns, "sam").await;
        app.reviews("una", &unas, "w").await.is_problem(403, "about-yourself");
        assert_eq!(app.reviews("una", &anns, "The aunt could have been asked first.").await.is_ok().body["kind"], "one_off");
        app.at_nine_on(15).await;
        assert_eq!(app.to_review("una").await, [""; 0], "what is left is their own");
        assert_eq!(app.to_review("dee").await.len(), 1, "somebody has to find another senior manager");
        assert_eq!(app.exceptions("dee", "?reviewed=no").await.len(), 1, "what was called off is nothing to review");
        app.finish().await;
    }

    // The next senior manager up the line, before anybody has to go looking for one.
    async fn where_the_nearest_senior_manager_made_it_the_next_one_is_asked(db: TestDb) {
        let more = "\n[[team]]\nkey = \"south\"\nname = \"South team\"\nparent = \"unit\"\npolicy = { agreement = \"asked\" }\n\n[[person]]\nkey = \"eve\"\nname = \"Eve Wood\"\nteam = \"south\"\nrole = \"senior_manager\"\nphone = \"07700 900140\"\n";
        let app = TestApp::with(&db, &westshire(more), |_| {}).await;
        let eves = app.plans("eve", "A222222", emergency()).await;
        app.clock.advance(TimeDelta::hours(2));
        app.makes("eve", &eves, "una").await;
        app.at_nine_on(15).await;
        assert_eq!((app.to_review("eve").await.len(), app.to_review("una").await.len(), app.to_review("dee").await.len()), (0, 1, 0));
        app.finish().await;
    }

    // Each sees those of the visits that they see elsewhere, and no page gives away that there are more.
    async fn each_sees_those_whose_visits_they_may_see(db: TestDb) {
        let person = |key: &str, team: &str, role: &str, phone: &str| {
            format!("\n[[person]]\nkey = \"{key}\"\nname = \"{key}\"\nteam = \"{team}\"\nrole = \"{role}\"\nphone = \"07700 {phone}\"\nemail = \"{key}@example.org\"\n")
        };
        let south = "\n[[team]]\nkey = \"south\"\nname = \"South team\"\nparent = \"unit\"\npolicy = { agreement = \"asked\" }\n";
        let people = [person("kim", "south", "worker", "900141"), person("lou", "south", "manager", "900142"), person("ben", "north", "worker", "900143"), person("adi", "unit", "administrator", "900144")];
        let app = TestApp::with(&db, &westshire(&format!("{south}{}", people.concat())), |_| {}).await;
        let anns = app.plans("ann", "A111111", emergency()).await;
        let kims = app.plans("kim", "A222222", emergency()).await;
        app.clock.advance(TimeDelta::hours(2));
        app.makes("ann", &anns, "sam").await;
        app.makes("kim", &kims, "lou").await;
        for (who, sees) in [("ann", vec![&anns]), ("sam", vec![&anns]), ("cas", vec![&anns]), ("ben", vec![]), ("kim", vec![&kims]), ("lou", vec![&kims]), ("una", vec![&anns, &kims]), ("ari", vec![&anns, &kims]), ("adi", vec![])] {
            let list = app.person(who).get("/exceptions").await;
            let seen: BTreeSet<&str> = list.is_ok().body["exceptions"].as_array().unwrap().iter().map(|one| one["visit"].as_str().unwrap()).collect();
            let expected: BTreeSet<&str> = sees.into_iter().map(String::as_str).collect();
            assert_eq!((seen, &list.body["next"]), (expected, &Value::Null), "{who}");
        }
        app.finish().await;
    }
}
