//! What a case system needs, as JSON and as CSV (row T6, docs/filing.md).

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{
    TestDb,
    app::{Reply, TestApp, WESTSHIRE},
    eventually,
    fake_receiver::FakeReceiver,
    on_both,
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Westshire, whose north team asks for agreement; with Kim of another team, its manager Lou, and Adi.
fn westshire() -> String {
    let asked =
        WESTSHIRE.replace(r#"policy = { extension_cap = "2h" }"#, r#"policy = { agreement = "asked" }"#);
    let person = |key: &str, name: &str, team: &str, role: &str| {
        format!(
            "\n[[person]]\nkey = \"{key}\"\nname = \"{name}\"\nteam = \"{team}\"\nrole = \"{role}\"\nemail = \"{key}@example.org\"\n"
        )
    };
    format!(
        "{asked}\n[[team]]\nkey = \"south\"\nname = \"South team\"\nparent = \"unit\"\n{}{}{}{}\n[agreement.rules]\nno_phone = \"off\"\nno_emergency_contact = \"off\"\n",
        person("kim", "Kim Diaz", "south", "worker"),
        person("lou", "Lou Reed", "south", "manager"),
        person("ben", "Ben Okoro", "north", "worker"),
        person("adi", "Adi Rao", "unit", "administrator"),
    )
}

async fn start(db: &TestDb) -> TestApp {
    TestApp::with(db, &westshire(), |config| config.webhooks.private_networks = true).await
}

/// A table as somebody else reads it: RFC 4180, as small as it can be.
fn read_csv(text: &str) -> Vec<Vec<String>> {
    let (mut lines, mut line, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        match (sign, quoted) {
            ('"', true) if signs.peek() == Some(&'"') => cell.extend(signs.next()),
            ('"', _) => quoted = !quoted,
            (',', false) => line.push(std::mem::take(&mut cell)),
            ('\r', false) => assert_eq!(signs.peek(), Some(&'\n')),
            ('\n', false) => {
                line.push(std::mem::take(&mut cell));
                lines.push(std::mem::take(&mut line));
            }
            (sign, _) => cell.push(sign),
        }
    }
    assert!(line.is_empty() && cell.is_empty() && !quoted, "it ends with a whole line");
    lines
}

impl TestApp {
    async fn filing(&self, who: &str, query: &str) -> Vec<Value> {
        let list = self.person(who).get(&format!("/filing{query}")).await;
        list.is_ok().body["entries"].as_array().unwrap().clone()
    }

    async fn ids(&self, who: &str, query: &str) -> Vec<String> {
        self.filing(who, query).await.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
    }

    async fn csv(&self, who: &str, query: &str) -> (reqwest::header::HeaderMap, String) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.get(self.url(&format!("/api/v1/filing.csv{query}")));
        let answer = request.bearer_auth(&self.tokens[who]).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        (answer.headers().clone(), answer.text().await.unwrap())
    }

    async fn say_filed(&self, who: &str, kind: &str, id: &str, reference: &str) -> Reply {
        self.person(who).put(&format!("/filing/{kind}/{id}"), json!({"reference": reference})).await
    }

    /// A case with a place that Ann has assessed and Sam agreed to; the assessment.
    async fn assessed(&self) -> String {
        let case = json!({"reference": "A123456", "visiting": "supervised", "name": "Robin Hall"});
        assert_eq!(self.person("ann").post("/cases", case).await.status, 201);
        let place = json!({"address": "12 High St, Flat \"B\""});
        let place = self.person("ann").post("/cases/A123456/places", place).await.is_ok().id();
        let dog = json!({"about": "animals", "words": "a large dog", "measures": ["it is shut away"], "likelihood": 2, "severity": 2});
        let draft = json!({"factors": [dog], "review_on": "2026-07-01"});
        let made = self.person("ann").post(&format!("/places/{place}/assessments"), draft).await;
        assert_eq!(made.status, 201, "{made:?}");
        self.person("sam").post(&format!("/assessments/{}/agree", made.id()), json!({})).await.is_ok();
        made.id()
    }

    /// Somebody makes a visit of 25 minutes.
    async fn visit_of(&self, who: &str, body: Value, record: Value) -> String {
        let visit = self.person(who).post("/visits", body).await;
        assert_eq!(visit.status, 201, "{visit:?}");
        let id = visit.id();
        if body_is_of_the_case(&visit) {
            self.person(who).post(&format!("/visits/{id}/agreement"), json!({"changed": "no"})).await.is_ok();
        }
        self.clock.advance(TimeDelta::minutes(25));
        let mut out = record;
        out["pin"] = json!("4821");
        self.person(who).post(&format!("/visits/{id}/check-out"), out).await.is_ok();
        self.work().await;
        id
    }

    /// Ann's assessment, a visit of hers that is agreed by it, one that she plans, one that nobody watched, and one of Kim's.
    async fn done(&self) -> Done {
        for who in ["ann", "kim"] {
            self.set_pin(who).await;
        }
        let assessment = self.assessed().await;
        self.clock.advance(TimeDelta::days(1));
        let body = json!({"case_reference": "A123456", "purpose": "supervision", "minutes": 60});
        let record = json!({"outcome": "seen", "seen_whom": "=Robin", "work_undertaken": "Supervision, two hours\nof it"});
        let visit = self.visit_of("ann", body, record).await;
        // What is not over, or did not take place, is not there.
        let at = |hours| (self.now() + TimeDelta::hours(hours)).to_rfc3339();
        let plan = json!({"place": "x", "expected_arrival": at(5), "expected_departure": at(6)});
        let plan = self.person("ann").post("/visits", plan).await.is_ok().id();
        let south = self
            .visit_of("kim", json!({"place": "7 Low Rd", "minutes": 60}), json!({"outcome": "not_in"}))
            .await;
        let past = json!({"place": "3 Mill Ln", "arrived_at": "2026-01-14T09:00:00Z", "left_at": "2026-01-14T09:20:00Z", "reason": "no signal", "outcome": "seen"});
        let past = self.person("ann").post("/past-visits", past).await.is_ok().id();
        Done { assessment, visit, plan, south, past }
    }
}

/// What was done.
struct Done {
    assessment: String,
    visit: String,
    plan: String,
    south: String,
    past: String,
}

fn body_is_of_the_case(visit: &Reply) -> bool {
    visit.body["case_reference"] == "A123456"
}

on_both! {
    async fn what_was_done_is_listed_for_whoever_files_it(db: TestDb) {
        let app = start(&db).await;
        let Done { assessment, visit, south, past, .. } = app.done().await;
        let all = app.filing("una", "").await;
        let ids: Vec<_> = all.iter().map(|entry| entry["id"].as_str().unwrap()).collect();
        assert_eq!(ids, [&past, &assessment, &visit, &south], "in the order in which they were complete");
        let expected = json!({
            "kind": "visit", "id": visit, "date": "2026-01-15", "case_reference": "A123456",
            "person": all[2]["person"], "accompanied_by": [], "team": all[2]["team"],
            "arrived_at": "2026-01-15T12:00:00Z", "left_at": "2026-01-15T12:25:00Z", "address": "12 High St, Flat \"B\"",
            "visiting": null, "outcome": "seen", "seen_whom": "=Robin", "work_undertaken": "Supervision, two hours\nof it",
            "assessment": {"id": assessment, "version": 1, "rating": "low", "reused_on": "2026-01-15"},
            "agreed_by": null, "agreed_at": null, "oversight": null, "filed": null,
        });
        assert_eq!(all[2], expected);
        assert_eq!((&all[2]["person"]["name"], &all[2]["team"]["key"]), (&json!("Ann Lee"), &json!("north")));
        let expected = json!({"id": assessment, "version": 1, "rating": "low", "reused_on": null});
        assert_eq!((&all[1]["kind"], &all[1]["assessment"], &all[1]["date"], &all[1]["case_reference"]), (&json!("assessment"), &expected, &json!("2026-01-14"), &json!("A123456")));
        assert_eq!((&all[1]["person"]["name"], &all[1]["agreed_by"]["name"], &all[1]["arrived_at"]), (&json!("Ann Lee"), &json!("Sam Cole"), &Value::Null));
        assert_eq!((&all[0]["date"], &all[0]["left_at"]), (&json!("2026-01-14"), &json!("2026-01-14T09:20:00Z")));

        // By team, by day, page by page; and who sees what.
        let north = [past.as_str(), &assessment, &visit];
        assert_eq!(app.ids("cas", "").await, north);
        assert_eq!(app.ids("sam", "").await, north);
        assert_eq!(app.ids("lou", "").await, [south.as_str()]);
        assert_eq!(app.ids("ari", "?team=south").await, [south.as_str()]);
        assert_eq!(app.ids("una", "?from=2026-01-15&to=2026-01-15").await, [visit.as_str(), &south]);
        assert_eq!(app.ids("una", "?to=2026-01-14").await, [past.as_str(), &assessment]);
        let (mut pages, mut after) = (Vec::new(), String::new());
        loop {
            let page = app.person("una").get(&format!("/filing?limit=1{after}")).await;
            let entries = page.is_ok().body["entries"].as_array().unwrap().clone();
            pages.extend(entries.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()));
            match page.body["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert_eq!(pages, ids);
        for who in ["ann", "adi"] {
            app.person(who).get("/filing").await.is_problem(403, "role-too-small");
        }
        app.person("lou").get("/filing?team=north").await.is_problem(404, "not-found");
        for (query, field) in [("?from=2026-02-01&to=2026-01-01", "from"), ("?filed=maybe", "filed"), ("?team=west", "team"), ("?limit=0", "limit"), ("?after=x", "after"), ("?from=yesterday", "query")] {
            let refused = app.person("cas").get(&format!("/filing{query}")).await;
            assert_eq!(refused.is_problem(422, "invalid-field").body["field"], field);
        }

        app.verify().await;
    }

    async fn what_was_done_is_a_table_whose_columns_are_explained(db: TestDb) {
        let app = start(&db).await;
        let Done { assessment, visit, .. } = app.done().await;
        let (headers, text) = app.csv("cas", "").await;
        assert_eq!(headers["content-type"], "text/csv; charset=utf-8; header=present");
        assert!(text.ends_with("\r\n") && text.contains(",'=Robin,\"Supervision, two hours\nof it\","), "{text}");
        let table = read_csv(&text);
        assert_eq!(table.len(), 4);
        assert!(table.iter().all(|line| line.len() == table[0].len()), "{table:#?}");
        let cell = |line: usize, name: &str| table[line][table[0].iter().position(|head| head == name).unwrap()].as_str();
        for (name, value) in [
            ("kind", "visit"), ("id", &visit), ("date", "2026-01-15"), ("case_reference", "A123456"), ("person", "Ann Lee"), ("accompanied_by", ""),
            ("team", "North team"), ("arrived_at", "2026-01-15T12:00:00+00:00"), ("left_at", "2026-01-15T12:25:00+00:00"),
            ("address", "12 High St, Flat \"B\""), ("outcome", "seen"), ("seen_whom", "'=Robin"), ("work_undertaken", "Supervision, two hours\nof it"),
            ("assessment", &assessment), ("assessment_version", "1"), ("assessment_rating", "low"), ("assessment_reused_on", "2026-01-15"),
            ("agreed_by", ""), ("filed_reference", ""),
        ] {
            assert_eq!(cell(3, name), value, "{name}");
        }
        assert_eq!((cell(2, "agreed_by"), cell(2, "agreed_at"), cell(2, "arrived_at")), ("Sam Cole", "2026-01-14T12:00:00+00:00", ""));
        // Each column is explained.
        let page = std::fs::read_to_string("docs/filing.md").unwrap();
        let (_, page) = page.split_once("\n## The table\n").unwrap();
        let explained: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(name, _)| name).collect();
        assert_eq!(explained, table[0], "docs/filing.md");

        app.verify().await;
    }

    async fn what_is_filed_once_is_waited_for_no_more(db: TestDb) {
        let app = start(&db).await;
        let Done { assessment, visit, plan, past, .. } = app.done().await;
        app.say_filed("ari", "visit", &visit, "nd-1").await.is_problem(403, "role-too-small");
        app.say_filed("ann", "visit", &visit, "nd-1").await.is_problem(403, "role-too-small");
        app.say_filed("lou", "visit", &visit, "nd-1").await.is_problem(404, "not-found");
        for (kind, id, reference, field) in [("visit", &plan, "nd-1", "id"), ("visit", &visit, " ", "reference"), ("visit", &visit, &"n".repeat(101), "reference")] {
            let refused = app.say_filed("cas", kind, id, reference).await;
            assert_eq!(refused.is_problem(422, "invalid-field").body["field"], field);
        }
        for (kind, id) in [("visit", assessment.as_str()), ("assessment", &visit), ("letter", &visit), ("visit", "x")] {
            app.say_filed("cas", kind, id, "nd-1").await.is_problem(404, "not-found");
        }
        let filed = app.say_filed("cas", "visit", &visit, "nd-1").await;
        assert_eq!((&filed.is_ok().body["reference"], &filed.body["filed_by"]["name"], &filed.body["filed_at"]), (&json!("nd-1"), &json!("Cas Moss"), &json!("2026-01-15T12:50:00Z")));
        app.clock.advance(TimeDelta::minutes(5));
        assert_eq!(app.say_filed("sam", "visit", &visit, "nd-1").await.is_ok().body, filed.body, "said again it changes nothing");
        app.say_filed("cas", "assessment", &assessment, "nd-2").await.is_ok();
        assert_eq!(app.ids("cas", "?filed=no").await, [past.as_str()]);
        assert_eq!(app.ids("cas", "?filed=yes").await, [assessment.as_str(), &visit]);
        assert_eq!(app.filing("cas", "?filed=yes").await[1]["filed"], filed.body);
        assert_eq!(app.say_filed("cas", "visit", &visit, "nd-3").await.is_ok().body["reference"], "nd-3", "it was mistyped");
        let (_, text) = app.csv("ari", "?filed=yes&team=north").await;
        assert!(text.contains("nd-3,2026-01-15T12:55:00+00:00,Cas Moss,,,\r\n"), "{text}");

        // The log says that it was filed; what is personal, and the other system's reference, it does not.
        let log = app.everything_that_happened().await;
        let filed: Vec<_> = log.body["events"].as_array().unwrap().iter().filter(|event| event["kind"] == "filing.filed").collect();
        assert_eq!(filed.iter().map(|event| event["body"].clone()).collect::<Vec<_>>(), [json!({"visit": visit}), json!({"assessment": assessment}), json!({"visit": visit})]);
        assert_eq!(filed[0]["words"], json!({"reference": "nd-1"}), "erasable");
        app.verify().await;
    }

    async fn what_managers_said_is_filed_too(db: TestDb) {
        let app = start(&db).await;
        let done = app.done().await;
        app.clock.advance(TimeDelta::days(120));
        let said = json!({"about": "visit", "id": done.visit, "words": "Well handled."});
        let oversight = app.person("sam").post("/oversight", said).await;
        let oversight = oversight.is_ok().body["entry"]["oversight"].as_str().unwrap().to_owned();
        let entries = app.filing("sam", "?filed=no").await;
        let entry = entries.last().unwrap();
        assert_eq!((&entry["kind"], &entry["id"], &entry["case_reference"]), (&json!("oversight"), &json!(oversight), &json!("A123456")));
        assert_eq!(entry["oversight"], json!({"about": "visit", "about_id": done.visit, "words": "Well handled."}));
        assert!(entries.iter().any(|entry| entry["id"] == done.visit.as_str()), "what waits longest is not forgotten");
        assert_eq!(app.ids("lou", "?filed=no").await.iter().filter(|id| **id == oversight).count(), 0);
        assert_eq!(app.say_filed("lou", "oversight", &oversight, "X").await.status, 404);
        app.say_filed("sam", "oversight", &oversight, "NSI 99").await.is_ok();
        assert!(!app.ids("sam", "?filed=no").await.contains(&oversight));
        let (_, table) = app.csv("sam", "?filed=yes").await;
        assert!(table.contains("NSI 99") && table.contains(&format!("visit,{},Well handled.", done.visit)), "{table}");
        app.person("sam").get("/filing?to=-262143-01-01").await.is_problem(422, "invalid-field");
        app.finish().await;
    }

    async fn there_is_nothing_to_file_of_a_plan_that_nobody_began(db: TestDb) {
        let app = start(&db).await;
        let at = |minutes| (app.now() + TimeDelta::minutes(minutes)).to_rfc3339();
        let plan = json!({"place": "x", "expected_arrival": at(30), "expected_departure": at(60)});
        let visit = app.person("ann").post("/visits", plan).await.is_ok().id();
        app.pass(60).await;
        let incident = app.the_incident().await["id"].as_str().unwrap().to_owned();
        app.person("sam").post(&format!("/incidents/{incident}/acknowledge"), json!({})).await.is_ok();
        let close = json!({"outcome": "safe_forgot", "known_by": "spoke_by_voice", "worker_now": "home", "note": "never went"});
        app.person("sam").post(&format!("/incidents/{incident}/close"), close).await.is_ok();
        let shown = app.person("ann").get(&format!("/visits/{visit}")).await;
        assert_eq!((&shown.body["state"], &shown.body["arrived_at"]), (&json!("ended"), &json!(null)));
        assert_eq!(app.ids("cas", "").await, [] as [String; 0]);
        app.say_filed("cas", "visit", &visit, "ND-1").await.is_problem(422, "invalid-field");
        let table = app.person("una").get("/reports/check_outs").await;
        assert_eq!(table.is_ok().body["lines"][0]["figures"]["total"], 0, "nobody checked out: {table:?}");
        app.finish().await;
    }

    async fn who_goes_along_is_named_and_so_is_who_agreed(db: TestDb) {
        let app = start(&db).await;
        app.set_pin("ann").await;
        app.set_pin("ben").await;
        app.assessed().await;
        let plan = json!({"case_reference": "A123456", "purpose": "supervision", "expected_arrival": "2026-01-15T10:00:00Z", "expected_departure": "2026-01-15T11:00:00Z"});
        let visit = app.person("ann").post("/visits", plan).await.is_ok().id();
        app.person("ann").post(&format!("/visits/{visit}/agreement"), json!({"changed": "yes", "words": "a new partner"})).await.is_ok();
        let decided = json!({"decision": "agree", "words": "two go"});
        app.person("sam").post(&format!("/visits/{visit}/agreement/decide"), decided).await.is_ok();
        app.clock.advance(TimeDelta::hours(22));
        let begun = json!({"case_reference": "A123456", "minutes": 60, "with": ["ben"]});
        assert_eq!(app.person("ann").post("/visits", begun).await.is_ok().id(), visit);
        app.clock.advance(TimeDelta::minutes(30));
        app.person("ann").post(&format!("/visits/{visit}/check-out"), json!({"pin": "4821"})).await.is_ok();
        app.work().await;
        let all = app.filing("cas", "?from=2026-01-15").await;
        assert_eq!(all.len(), 1, "Ben's is not over: {all:#?}");
        let said = (&all[0]["accompanied_by"][0]["name"], &all[0]["agreed_by"]["name"], &all[0]["assessment"]["reused_on"]);
        assert_eq!(said, (&json!("Ben Okoro"), &json!("Sam Cole"), &Value::Null));
        let (_, text) = app.csv("cas", "?from=2026-01-15").await;
        assert!(text.contains(",Ann Lee,Ben Okoro,North team,"), "{text}");
        app.verify().await;
    }

    // An NSI in nDelius: another system is told, asks, files, and says so.
    async fn another_system_is_told_asks_and_files(db: TestDb) {
        let app = start(&db).await;
        app.set_pin("ann").await;
        let receiver = FakeReceiver::start(&[SECRET]).await;
        let body = json!({"url": receiver.url, "events": ["visit.completed", "filing.filed"], "secrets": [SECRET]});
        assert_eq!(app.person("adi").put("/webhooks/ndelius", body).await.status, 201);
        let visit = app.visit_of("ann", json!({"place": "12 High St", "minutes": 60}), json!({"outcome": "seen"})).await;
        let told = async |times: usize| {
            eventually(Duration::from_mins(1), async || {
                app.app.event_webhooks.deliver_due().await.unwrap();
                receiver.got().len() >= times
            }).await;
            receiver.got()[times - 1].event.clone()
        };
        let said = told(1).await;
        assert_eq!((&said["type"], &said["data"]), (&json!("visit.completed"), &json!({"visit": visit})));
        let to_file = app.filing("cas", "?filed=no").await;
        assert_eq!(to_file[0]["id"], said["data"]["visit"]);
        app.say_filed("cas", "visit", &visit, "NSI-4711").await.is_ok();
        let said = told(2).await;
        assert_eq!((&said["type"], &said["data"]), (&json!("filing.filed"), &json!({"visit": visit})));
        assert!(app.filing("cas", "?filed=no").await.is_empty());
        app.verify().await;
    }
}
