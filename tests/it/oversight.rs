//! Management oversight (row T5): entries, where they are asked for, and who hears of what is missing.

use chrono::TimeDelta;
use serde_json::{Value, json};

use homeward::domain::{contact::Channel, policy::Policy};

use crate::support::{
    TestDb,
    app::{Reply, TestApp, WESTSHIRE, apply},
    on_both,
};

const RULES: &str = r#"
[due]
rules = "probation"
closures = ["2026-01-19"]

[oversight]
assessments = { rated = "high", within = "2 working days" }
incidents = "5 working days"
begun_not_agreed = "1 week"
cases = { risk = ["high"], every = "4 weeks" }

[agreement.rules]
no_phone = "off"
no_emergency_contact = "off"
"#;

async fn start(db: &TestDb) -> TestApp {
    let asked =
        WESTSHIRE.replace(r#"policy = { extension_cap = "2h" }"#, r#"policy = { agreement = "asked" }"#);
    TestApp::with(db, &format!("{asked}\n{RULES}"), |_| {}).await
}

impl TestApp {
    async fn oversees(&self, who: &str, about: &str, id: &str) -> Reply {
        let body = json!({"about": about, "id": id, "words": "looked at it: the measures fit"});
        self.person(who).post("/oversight", body).await
    }

    /// What is missing, as somebody sees it: rule, about, worker, day.
    async fn oversight_missing(&self, who: &str, query: &str) -> Vec<[String; 4]> {
        let list = self.person(who).get(&format!("/oversight/missing{query}")).await;
        let of = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let line = |one: &Value| {
            [of(&one["rule"]), of(&one["about"]), of(&one["worker"]["name"]), of(&one["due_on"])]
        };
        list.is_ok().body["missing"].as_array().unwrap().iter().map(line).collect()
    }

    async fn case_with_place(&self, reference: &str) -> String {
        let case = json!({"reference": reference, "visiting": "supervised"});
        self.person("ann").post("/cases", case).await.is_ok();
        let place = json!({"address": format!("{reference} High St")});
        self.person("ann").post(&format!("/cases/{reference}/places"), place).await.is_ok().id()
    }

    async fn assesses(&self, place: &str, likelihood: u8, severity: u8) -> String {
        let body = json!({
            "factors": [{"about": "person", "words": "threatened staff", "measures": ["two of us"], "likelihood": likelihood, "severity": severity}],
            "review_on": "2026-06-01",
        });
        self.person("ann").post(&format!("/places/{place}/assessments"), body).await.is_ok().id()
    }

    async fn closed_incident(&self) -> String {
        self.person("ann").post("/sos", json!({})).await.is_ok();
        self.work().await;
        let open = self.person("una").get("/incidents?state=open").await;
        let id = open.is_ok().body["incidents"][0]["id"].as_str().unwrap().to_owned();
        self.person("una").post(&format!("/incidents/{id}/acknowledge"), json!({})).await.is_ok();
        let close = json!({"outcome": "false_alarm", "known_by": "seen", "worker_now": "elsewhere_safe", "note": "n"});
        self.person("una").post(&format!("/incidents/{id}/close"), close).await.is_ok();
        id
    }
}

impl TestApp {
    async fn oversight_mails(&self, to: &str) -> Vec<String> {
        let all = self.said().await.into_iter();
        let mails = all.filter(|said| said.to == to && said.channel == Channel::Email);
        mails.map(|said| said.text).filter(|text| text.contains("Management oversight")).collect()
    }
}

fn line(rule: &str, about: &str, worker: &str, due_on: &str) -> [String; 4] {
    [rule, about, worker, due_on].map(str::to_owned)
}

on_both! {
    async fn what_rules_ask_for_is_listed_until_a_manager_has_said_something(db: TestDb) {
        // It is Wednesday, 14 January; the Monday after the office is closed.
        let app = start(&db).await;
        let place = app.case_with_place("A111111").await;
        app.assesses(&place, 1, 1).await;
        assert_eq!(app.oversight_missing("sam", "").await, [] as [[String; 4]; 0], "a low one is not asked about");
        let first = app.assesses(&place, 4, 4).await;
        app.clock.advance(TimeDelta::days(1));
        let second = app.assesses(&place, 4, 4).await;
        let rated = |on| line("assessment_rated", "assessment", "Ann Lee", on);
        assert_eq!(app.oversight_missing("sam", "").await, [rated("2026-01-16"), rated("2026-01-20")]);
        app.oversees("ann", "assessment", &first).await.is_problem(403, "role-too-small");
        app.oversees("ari", "assessment", &first).await.is_problem(403, "role-too-small");
        let done = app.oversees("sam", "assessment", &second).await;
        assert_eq!(done.is_ok().body["done"], json!(["assessment_rated", "assessment_rated"]), "and what it replaces");
        assert_eq!(app.oversight_missing("sam", "").await, [] as [[String; 4]; 0]);
        let read = app.person("ari").get(&format!("/oversight?about=assessment&id={second}")).await;
        assert_eq!((&read.is_ok().body["entries"][0]["words"], &read.body["entries"][0]["by"]["name"]), (&json!("looked at it: the measures fit"), &json!("Sam Cole")));
        app.person("ann").get(&format!("/oversight?about=assessment&id={second}")).await.is_ok();
        assert_eq!(app.oversees("sam", "assessment", &second).await.is_ok().body["done"], json!([]), "as often as they like");
        app.finish().await;
    }

    async fn what_is_asked_of_an_assessment_goes_with_its_case(db: TestDb) {
        let south = "\n[[team]]\nkey = \"south\"\nname = \"South team\"\nparent = \"unit\"\n[[person]]\nkey = \"lou\"\nname = \"Lou Reed\"\nteam = \"south\"\nrole = \"manager\"\nemail = \"lou@example.org\"\n";
        let app = TestApp::with(&db, &format!("{WESTSHIRE}{south}{RULES}"), |_| {}).await;
        let place = app.case_with_place("A111111").await;
        let assessed = app.assesses(&place, 4, 4).await;
        assert_eq!((app.oversight_missing("sam", "").await.len(), app.oversight_missing("lou", "").await.len()), (1, 0));
        app.person("una").post("/cases", json!({"reference": "A111111", "team": "south"})).await.is_ok();
        assert_eq!((app.oversight_missing("sam", "").await.len(), app.oversight_missing("lou", "").await.len()), (0, 1));
        // The digests name it to those who can do it.
        app.clock.set("2026-01-15T08:00:00Z".parse().unwrap());
        app.schedule().await;
        app.schedule().await;
        assert_eq!((app.oversight_mails("sam").await.len(), app.oversight_mails("lou").await.len()), (0, 1));
        assert_eq!(app.oversees("lou", "assessment", &assessed).await.is_ok().body["done"], json!(["assessment_rated"]));
        app.finish().await;
    }

    async fn a_visit_that_was_made_without_a_word_at_the_door_is_asked_about_too(db: TestDb) {
        let app = start(&db).await;
        app.set_pin("ann").await;
        let ann = app.person("ann");
        let plan = async |arrival: &str| {
            let plan = json!({"place": "8 High St", "expected_arrival": app.at(arrival), "minutes": 30});
            ann.post("/visits", plan).await.is_ok().id()
        };
        let (made, not_made) = (plan("12:05").await, plan("12:10").await);
        app.pass(12).await;
        for (id, outcome) in [(&made, "seen"), (&not_made, "other")] {
            let told = json!({"pin": "4821", "outcome": outcome, "work_undertaken": "w"});
            let out = ann.post(&format!("/visits/{id}/check-out"), told).await;
            assert_eq!((out.status, out.body["state"].as_str()), (200, Some("ended")), "{out:?}");
        }
        assert_eq!(app.oversight_missing("sam", "").await, [line("visit_begun_not_agreed", "visit", "Ann Lee", "2026-01-21")]);
        assert_eq!(ann.get(&format!("/visits/{made}/agreement")).await.body["begun_not_agreed"], true);
        // So is one that a close finds going on.
        let found = plan("12:20").await;
        app.pass(30).await;
        let incident = app.the_incident().await["id"].as_str().unwrap().to_owned();
        let close = json!({"outcome": "false_alarm", "known_by": "spoke_by_voice", "worker_now": "still_there", "minutes": 30, "note": "She is there."});
        app.person("sam").post(&format!("/incidents/{incident}/close"), close).await.is_ok();
        assert_eq!(app.oversight_missing("sam", "?rule=visit_begun_not_agreed").await.len(), 2);
        ann.post(&format!("/visits/{found}/check-out"), json!({"pin": "4821"})).await.is_ok();
        // Said again it is asked once.
        ann.post(&format!("/visits/{made}/record"), json!({"outcome": "seen", "seen_whom": "Mr Poe", "work_undertaken": "w"})).await.is_ok();
        assert_eq!(app.oversight_missing("sam", "?rule=visit_begun_not_agreed").await.len(), 2);
        app.finish().await;
    }

    async fn incidents_and_visits_that_nobody_agreed_are_asked_about(db: TestDb) {
        let app = start(&db).await;
        app.set_pin("ann").await;
        let visit = app.person("ann").post("/visits", json!({"place": "8 High St", "minutes": 30})).await.is_ok().id();
        let incident = app.closed_incident().await;
        app.work().await;
        let both = [line("visit_begun_not_agreed", "visit", "Ann Lee", "2026-01-21"), line("incident_closed", "incident", "Ann Lee", "2026-01-22")];
        for who in ["sam", "una", "ari", "cas"] {
            assert_eq!(app.oversight_missing(who, "").await, both, "{who}");
        }
        app.person("ann").get("/oversight/missing").await.is_problem(403, "role-too-small");
        assert_eq!(app.oversight_missing("sam", "?rule=incident_closed&worker=ann&team=north").await, both[1..]);
        assert_eq!(app.oversight_missing("sam", "?worker=sam").await, [] as [[String; 4]; 0]);
        for (who, about, id) in [("ann", "visit", &visit), ("ann", "incident", &incident)] {
            app.oversees(who, about, id).await.is_problem(403, "role-too-small");
        }
        app.oversees("sam", "incident", &visit).await.is_problem(404, "not-found");
        app.oversees("sam", "visit", "nonsense").await.is_problem(404, "not-found");
        app.person("sam").post("/oversight", json!({"about": "visit", "id": visit, "words": " "})).await.is_problem(422, "invalid-field");
        app.oversees("sam", "visit", &visit).await.is_ok();
        app.oversees("una", "incident", &incident).await.is_ok();
        assert_eq!(app.oversight_missing("sam", "").await, [] as [[String; 4]; 0]);
        let log = app.person("una").get(&format!("/events?incident={incident}")).await;
        let kinds: Vec<_> = log.is_ok().body["events"].as_array().unwrap().iter().map(|event| event["kind"].clone()).collect();
        assert!(kinds.contains(&json!("oversight.asked")) && kinds.contains(&json!("oversight.recorded")), "{kinds:?}");
        app.finish().await;
    }

    async fn a_case_at_risk_is_asked_about_again_and_again(db: TestDb) {
        let app = start(&db).await;
        app.case_with_place("A111111").await;
        let risk = async |risk: &str| {
            let said = json!({"start": "2026-01-05", "risk": risk});
            app.person("sam").put("/cases/A111111/supervision", said).await.is_ok();
        };
        risk("medium").await;
        assert_eq!(app.oversight_missing("sam", "").await, [] as [[String; 4]; 0]);
        risk("high").await;
        let case = |worker, on| line("case_at_risk", "case", worker, on);
        assert_eq!(app.oversight_missing("sam", "").await, [case("-", "2026-02-11")]);
        let list = app.person("sam").get("/oversight/missing").await;
        assert_eq!(list.is_ok().body["missing"][0]["reference"], "A111111");
        app.person("sam").post("/cases/A111111/assign", json!({"worker": "ann"})).await.is_ok();
        assert_eq!(app.oversight_missing("sam", "").await, [case("Ann Lee", "2026-02-11")]);
        app.clock.advance(TimeDelta::days(7));
        assert_eq!(app.oversees("sam", "case", "a 111 111").await.is_ok().body["done"], json!(["case_at_risk"]));
        assert_eq!(app.oversight_missing("sam", "").await, [case("Ann Lee", "2026-02-18")], "and so long after that");
        risk("low").await;
        assert_eq!(app.oversight_missing("sam", "").await, [] as [[String; 4]; 0]);
        app.person("sam").post("/cases/A111111/assign", json!({"worker": "sam"})).await.is_ok();
        app.oversees("sam", "case", "A111111").await.is_problem(403, "about-yourself");
        app.finish().await;
    }

    async fn the_digest_names_what_is_missing_to_those_who_can_do_it(db: TestDb) {
        let app = start(&db).await;
        let place = app.case_with_place("A111111").await;
        app.assesses(&place, 4, 4).await;
        let mails = async |who: &str| {
            app.schedule().await;
            app.oversight_mails(who).await
        };
        app.clock.set("2026-01-15T08:00:00Z".parse().unwrap());
        let first = mails("sam").await;
        assert!(first.len() == 1 && first[0].contains("asked of you: 1."), "{first:?}");
        app.clock.set("2026-01-20T08:00:00Z".parse().unwrap());
        let second = mails("sam").await;
        assert!(second.len() == 2 && second[1].contains("asked of you: 1, 1 OVERDUE."), "after an outage once: {second:?}");
        assert_eq!(mails("ann").await, [] as [String; 0]);
        app.finish().await;
    }

    async fn whoever_a_silent_alarm_is_about_is_asked_for_nothing_about_it(db: TestDb) {
        let app = start(&db).await;
        app.person("sam").put("/me/pins", json!({"pin": "4821", "duress_pin": "9999"})).await.is_ok();
        let visit = app.person("sam").post("/visits", json!({"place": "8 High St", "minutes": 30})).await.is_ok().id();
        app.person("sam").post(&format!("/visits/{visit}/check-out"), json!({"pin": "9999"})).await.is_ok();
        app.work().await;
        let open = app.person("una").get("/incidents?state=open").await;
        let id = open.is_ok().body["incidents"][0]["id"].as_str().unwrap().to_owned();
        app.person("una").post(&format!("/incidents/{id}/acknowledge"), json!({})).await.is_ok();
        let close = json!({"outcome": "threatened", "known_by": "seen", "worker_now": "elsewhere_safe", "note": "n"});
        app.person("una").post(&format!("/incidents/{id}/close"), close).await.is_ok();
        let missing = app.oversight_missing("una", "?rule=incident_closed").await;
        assert_eq!(missing.len(), 1);
        assert_eq!(app.oversight_missing("sam", "?rule=incident_closed").await, [] as [[String; 4]; 0]);
        app.oversees("sam", "incident", &id).await.is_problem(404, "not-found");
        app.clock.set("2026-02-02T08:00:00Z".parse().unwrap());
        app.schedule().await;
        assert_eq!(app.oversight_mails("sam").await, [] as [String; 0]);
        // Nor does the log say that somebody was reminded of something, on a day on which nothing else was to be said.
        assert_eq!(app.oversight_mails("una").await.len(), 1);
        app.readers_have_caught_up().await;
        let log = app.person("sam").get("/events?limit=500").await.is_ok().body.to_string();
        assert!(log.contains("visit.started") && !log.contains("digest"), "{log}");
        app.finish().await;
    }

    async fn an_entry_is_shown_to_those_who_may_see_what_it_is_about(db: TestDb) {
        let app = start(&db).await;
        app.case_with_place("A123456").await;
        let entry = app.oversees("sam", "case", "A123456").await.is_ok().body["entry"].clone();
        let path = format!("/oversight/{}", entry["oversight"].as_str().unwrap());
        assert_eq!(app.person("ann").get(&path).await.is_ok().body, entry);
        let other = WESTSHIRE.replace("key = \"westshire\"", "key = \"eastshire\"");
        let (_, tokens) = apply(app.db(), &other, Policy::default(), app.now()).await;
        app.with_token(&tokens["una"]).get(&path).await.is_problem(404, "not-found");
        app.person("una").get("/oversight/nonsense").await.is_problem(404, "not-found");
        app.finish().await;
    }

    async fn nobody_is_asked_about_a_case_that_is_over(db: TestDb) {
        let app = start(&db).await;
        app.case_with_place("A123456").await;
        let path = "/cases/A123456/supervision";
        let mut said = json!({"start": "2026-01-02", "risk": "high"});
        app.person("ann").put(path, said.clone()).await.is_ok();
        assert_eq!(app.oversight_missing("sam", "?rule=case_at_risk").await.len(), 1);
        said["end"] = json!("2026-01-14");
        app.person("ann").put(path, said).await.is_ok();
        assert_eq!(app.oversight_missing("sam", "?rule=case_at_risk").await, [] as [[String; 4]; 0]);
        app.oversees("sam", "case", "A123456").await.is_ok();
        assert_eq!(app.oversight_missing("sam", "?rule=case_at_risk").await, [] as [[String; 4]; 0], "nor again");
        // An end that was said ahead comes without anybody doing anything.
        app.case_with_place("B123456").await;
        let said = json!({"start": "2026-01-02", "risk": "high", "end": "2026-01-16"});
        app.person("ann").put("/cases/B123456/supervision", said).await.is_ok();
        assert_eq!(app.oversight_missing("sam", "?rule=case_at_risk").await.len(), 1);
        app.clock.set("2026-01-16T08:00:00Z".parse().unwrap());
        app.schedule().await;
        assert_eq!(app.oversight_missing("sam", "?rule=case_at_risk").await, [] as [[String; 4]; 0]);
        app.finish().await;
    }
}
