//! Reports (row T5): figures of a drawn history, counted again, slowly, from what the log of events says.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::support::{
    app::{TestApp, WESTSHIRE},
    on_both,
};

/// Numbers that look drawn, the same each time (xorshift).
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

const WORKERS: [&str; 3] = ["ann", "sam", "cas"];
const OUTCOMES: [&str; 4] = ["safe_forgot", "safe_delayed", "false_alarm", "threatened"];

/// One visit after the other, some hours or days between them: on time, extended, late, or till an alarm that Dee takes and
/// closes; now and then a call for help.
async fn history(app: &TestApp, visits: usize, seed: u64) {
    let mut drawn = Drawn(seed);
    for worker in WORKERS {
        app.set_pin(worker).await;
    }
    for n in 0..visits {
        app.clock.advance(TimeDelta::minutes(i64::try_from(drawn.below(3000)).unwrap() + 10));
        app.work().await;
        let worker = WORKERS[usize::try_from(drawn.below(3)).unwrap()];
        let risk = if drawn.below(4) == 0 { "high" } else { "normal" };
        let body = json!({"place": format!("{n} High St"), "minutes": 30, "risk": risk});
        let visit = app.person(worker).post("/visits", body).await.id();
        let act = async |word: &str, body: Value| {
            app.person(worker).post(&format!("/visits/{visit}/{word}"), body).await.is_ok();
        };
        let out = json!({"pin": "4821"});
        match drawn.below(10) {
            0..=3 => {
                app.clock.advance(TimeDelta::minutes(25));
                act("check-out", out).await;
            }
            4 | 5 => {
                app.clock.advance(TimeDelta::minutes(20));
                act("extend", json!({"minutes": 20, "pin": "4821"})).await;
                app.clock.advance(TimeDelta::minutes(15));
                act("check-out", out).await;
            }
            6 => {
                // Nobody looks at the deadlines meanwhile.
                app.clock.advance(TimeDelta::minutes(33));
                act("check-out", out).await;
            }
            7 => {
                app.person(worker).post("/sos", json!({})).await.is_ok();
                taken_and_closed(app, &mut drawn).await;
                act("check-out", out).await;
            }
            _ => {
                app.clock.advance(TimeDelta::minutes(41));
                app.work().await;
                taken_and_closed(app, &mut drawn).await;
            }
        }
        app.work().await;
    }
}

async fn taken_and_closed(app: &TestApp, drawn: &mut Drawn) {
    app.work().await;
    let open = app.person("una").get("/incidents?state=open").await;
    for incident in open.is_ok().body["incidents"].as_array().unwrap() {
        let id = incident["id"].as_str().unwrap();
        if drawn.below(5) > 0 {
            app.clock.advance(TimeDelta::seconds(i64::try_from(drawn.below(400)).unwrap()));
            app.person("una").post(&format!("/incidents/{id}/acknowledge"), json!({})).await.is_ok();
        }
        app.clock.advance(TimeDelta::minutes(5));
        let outcome = OUTCOMES[usize::try_from(drawn.below(4)).unwrap()];
        let how = json!({"outcome": outcome, "known_by": "seen", "worker_now": "home", "note": "n"});
        app.person("una").post(&format!("/incidents/{id}/close"), how).await.is_ok();
    }
    app.work().await;
}

fn at(event: &Value) -> DateTime<Utc> {
    event["happened_at"].as_str().unwrap().parse().unwrap()
}

async fn events(app: &TestApp, of: &str, id: &str) -> Vec<Value> {
    let log = app.person("ari").get(&format!("/events?{of}={id}&limit=500")).await;
    log.is_ok().body["events"].as_array().unwrap().clone()
}

async fn all(app: &TestApp, what: &str) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = app.person("ari").get(&format!("/{what}{after}")).await.is_ok().body.clone();
        all.extend(page[what].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("?after={next}"),
            None => return all,
        }
    }
}

/// By what a visit or an alarm is looked up: everything, its team, worker, risk, month.
fn keys(worker: &Value, risk: &Value, when: DateTime<Utc>) -> Vec<(&'static str, String)> {
    let local = when.with_timezone(&chrono_tz::Europe::London);
    vec![
        ("total", "total".into()),
        ("worker", worker["name"].as_str().unwrap().to_owned()),
        ("risk", risk.as_str().unwrap().to_owned()),
        ("month", format!("{}-{:02}", local.year(), local.month())),
    ]
}

type Counts = BTreeMap<(&'static str, String, String), i64>;

fn count(counts: &mut Counts, keys: &[(&'static str, String)], figure: &str) {
    for (by, name) in keys {
        *counts.entry((by, name.clone(), figure.to_owned())).or_default() += 1;
    }
}

/// What the log says of how visits ended.
async fn check_outs(app: &TestApp, alarms: &[Value]) -> Counts {
    let mut counts = Counts::new();
    for visit in all(app, "visits").await {
        let log = events(app, "visit", visit["id"].as_str().unwrap()).await;
        let Some(ended) = log.iter().rev().find(|event| event["kind"] == "visit.ended") else { continue };
        let due: DateTime<Utc> =
            ended["body"]["before"]["expected_departure"].as_str().unwrap().parse().unwrap();
        let of_visit = |alarm: &&Value| alarm["visit"] == visit["id"] && alarm["awaited"] != Value::Null;
        let figure = if alarms.iter().any(|alarm| of_visit(&alarm)) {
            "alarm"
        } else if at(ended) > due {
            "late"
        } else if log.iter().any(|event| event["kind"] == "visit.extended") {
            "extended"
        } else {
            "on_time"
        };
        count(&mut counts, &keys(&visit["worker"], &visit["risk"], at(ended)), figure);
    }
    counts
}

async fn report(app: &TestApp, name: &str, by: &str) -> Value {
    app.person("ari")
        .get(&format!("/reports/{name}?from=2026-01-01&to=2027-12-31&by={by}"))
        .await
        .is_ok()
        .body
        .clone()
}

/// Every figure of a report is what was counted, and behind each is a list so long.
async fn agrees(app: &TestApp, name: &str, counted: &Counts) {
    for by in ["total", "worker", "risk", "month"] {
        let shown = report(app, name, by).await;
        let lines = shown["lines"].as_array().unwrap();
        for line in lines {
            for (figure, address) in line["behind"].as_object().unwrap() {
                let key = (by, line["name"].as_str().unwrap().to_owned(), figure.clone());
                let wanted = counted.iter().find(|(at, _)| **at == key).map_or(0, |(_, number)| *number);
                assert_eq!(line["figures"][figure], json!(wanted), "{name} {key:?}");
                let address = address.as_str().unwrap().strip_prefix("/api/v1").unwrap();
                let list = app.person("ari").get(address).await;
                assert_eq!(
                    list.is_ok().body["behind"].as_array().unwrap().len(),
                    usize::try_from(wanted).unwrap(),
                    "{address}"
                );
            }
        }
        let names: Vec<_> = lines.iter().map(|line| line["name"].as_str().unwrap()).collect();
        for (_, name, _) in counted.keys().filter(|(of, ..)| *of == by) {
            assert!(names.contains(&name.as_str()), "{by}: {name} is missing in {names:?}");
        }
    }
}

on_both! {
    async fn figures_agree_with_a_count_of_the_events(db: TestDb) {
        let app = TestApp::with(&db, WESTSHIRE, |_| {}).await;
        history(&app, 60, 2026).await;
        let incidents = all(&app, "incidents").await;
        agrees(&app, "check_outs", &check_outs(&app, &incidents).await).await;

        let (mut alarms, mut times) = (Counts::new(), Vec::new());
        for incident in &incidents {
            let log = events(&app, "incident", incident["id"].as_str().unwrap()).await;
            let first = |kind: &str| log.iter().find(|event| event["kind"] == kind).map(at);
            let risk = match incident["visit"].as_str() {
                Some(visit) => app.person("ari").get(&format!("/visits/{visit}")).await.is_ok().body["risk"].clone(),
                None => json!("normal"),
            };
            let keys = keys(&incident["subject"], &risk, first("incident.opened").unwrap());
            count(&mut alarms, &keys, incident["kind"].as_str().unwrap());
            let closed = log.iter().find(|event| event["kind"] == "incident.closed").unwrap();
            count(&mut alarms, &keys, closed["body"]["outcome"].as_str().unwrap());
            if let Some(taken) = first("incident.acknowledged") {
                let opened = log.iter().find(|event| event["kind"] == "incident.opened").unwrap();
                let due = opened["body"]["due"].as_str().map(|due| due.parse::<DateTime<Utc>>().unwrap());
                times.push((taken - due.unwrap_or_else(|| at(opened))).num_seconds());
            }
        }
        agrees(&app, "alarms", &alarms).await;

        times.sort_unstable();
        let shown = report(&app, "response_times", "total").await;
        let figures = &shown["lines"][0]["figures"];
        assert_eq!(figures["never_taken"], json!(incidents.len() - times.len()));
        assert_eq!(figures["taken_worst"], json!(times.last().unwrap()));
        assert_eq!(figures["taken_p50"], json!(times[times.len().div_ceil(2) - 1]));
        app.verify().await;
    }

    async fn an_alarm_counts_from_the_first_that_was_wrong(db: TestDb) {
        let app = TestApp::start(&db).await;
        let visit = app.ann_goes_in(30).await;
        app.person("ann").post("/sos", json!({})).await.is_ok();
        app.pass(20).await;
        // Her deadline passes while somebody is called anyway.
        app.pass(40).await;
        let response = report(&app, "response_times", "total").await;
        let figures = &response["lines"][0]["figures"];
        assert_eq!((&figures["alarms"], &figures["queued_worst"]), (&json!(1), &json!(0)), "{visit}: {figures}");
        app.finish().await;
    }

    async fn reports_are_for_those_who_look_after_teams(db: TestDb) {
        let app = TestApp::with(&db, WESTSHIRE, |_| {}).await;
        app.person("ann").get("/reports/check_outs").await.is_problem(403, "role-too-small");
        for who in ["sam", "una", "ari"] {
            app.person(who).get("/reports/check_outs").await.is_ok();
        }
        for (path, field) in [
            ("/reports/check_outs?by=colour", "query"),
            ("/reports/assessments?by=worker", "by"),
            ("/reports/alarms?risk=purple", "risk"),
            ("/reports/alarms?rule=first_high", "rule"),
            ("/reports/alarms?worker=nobody", "worker"),
            ("/reports/alarms?from=2026-02-02&to=2026-02-01", "to"),
            ("/reports/alarms?team=south", "team"),
            ("/reports/alarms/behind?figure=false_share", "figure"),
        ] {
            let bad = app.person("una").get(path).await;
            assert_eq!((bad.status, &bad.body["field"]), (422, &json!(field)), "{path}: {bad:?}");
        }
        assert_eq!(app.person("una").get("/reports/weather").await.status, 404);
    }

    async fn whoever_an_alarm_is_about_learns_nothing_from_reports(db: TestDb) {
        let app = TestApp::with(&db, WESTSHIRE, |_| {}).await;
        assert_eq!(app.person("sam").put("/me/pins", json!({"pin": "4821", "duress_pin": "7350"})).await.status, 204);
        let before = app.person("sam").get("/reports/alarms").await.is_ok().body.clone();
        let visit = app.person("sam").post("/visits", json!({"place": "a", "minutes": 30})).await.id();
        app.person("sam").post(&format!("/visits/{visit}/check-in"), json!({"pin": "7350"})).await.is_ok();
        app.work().await;
        assert_eq!(app.open_incidents().await, 1);
        assert_eq!(app.person("sam").get("/reports/alarms").await.is_ok().body, before);
        assert_eq!(app.person("una").get("/reports/alarms").await.is_ok().body["lines"][0]["figures"]["duress"], 1);
    }

    async fn behind_a_teams_line_is_that_team_alone(db: TestDb) {
        let app = TestApp::with(&db, WESTSHIRE, |_| {}).await;
        let lines = report(&app, "contacts", "team").await["lines"].as_array().unwrap().clone();
        assert!(lines.len() > 1, "the unit and the team below it: {lines:?}");
        for line in &lines {
            for (figure, address) in line["behind"].as_object().unwrap() {
                let address = address.as_str().unwrap().strip_prefix("/api/v1").unwrap();
                let behind = app.person("ari").get(address).await.is_ok().body["behind"].as_array().unwrap().len();
                assert_eq!(json!(behind), line["figures"][figure], "{address}");
            }
        }
        let all = async |query: &str| app.person("ari").get(&format!("/reports/contacts?team=unit{query}")).await.is_ok().body["lines"][0]["figures"]["total"].as_i64().unwrap();
        assert!(all("").await > all("&below=left_out").await);
        app.person("ari").get("/reports/contacts?team=unit&below=some").await.is_problem(422, "invalid-field");
        app.finish().await;
    }

    async fn assessments_contacts_and_drills_are_counted_as_they_stand(db: TestDb) {
        let app = TestApp::with(&db, WESTSHIRE, |_| {}).await;
        for reference in ["A1", "A2", "A3"] {
            app.person("ann").post("/cases", json!({"reference": reference})).await;
        }
        let mut places = Vec::new();
        for reference in ["A1", "A2", "A3"] {
            let place = app.person("ann").post(&format!("/cases/{reference}/places"), json!({"address": reference})).await;
            places.push(place.is_ok().id());
        }
        let draft = json!({"factors": [{"about": "animals", "words": "a dog", "measures": ["ring first"], "likelihood": 2, "severity": 2}], "review_on": "2026-03-01"});
        app.person("sam").post(&format!("/places/{}/assessments", places[0]), draft.clone()).await;
        app.person("ann").post(&format!("/places/{}/assessments", places[1]), draft).await;
        let figures = |body: &Value| body["lines"][0]["figures"].clone();
        let shown = report(&app, "assessments", "total").await;
        let counts = |figures: &Value| ["in_date", "review_due", "not_agreed", "not_assessed"].map(|class| figures[class].as_i64().unwrap());
        assert_eq!(counts(&figures(&shown)), [1, 0, 1, 1], "{shown}");
        let by_risk = report(&app, "assessments", "risk").await;
        let lines = by_risk["lines"].as_array().unwrap().iter();
        let lines: Vec<_> = lines.map(|line| (line["name"].as_str().unwrap(), counts(&line["figures"]))).collect();
        assert_eq!(lines, [("low", [1, 0, 1, 0]), ("not_assessed", [0, 0, 0, 1])]);
        let behind = app.person("una").get("/reports/assessments/behind?figure=in_date&risk=low").await;
        assert_eq!(behind.is_ok().body["behind"].as_array().unwrap().len(), 1);
        app.clock.advance(TimeDelta::days(60));
        let shown = report(&app, "assessments", "team").await;
        assert_eq!(counts(&figures(&shown)), [0, 1, 1, 1], "{shown}");
        let behind = app.person("una").get("/reports/assessments/behind?figure=review_due").await;
        assert_eq!(behind.is_ok().body["behind"][0]["id"], json!(places[0]));

        let unproved = figures(&report(&app, "contacts", "total").await);
        assert!(unproved["unproved"].as_i64().unwrap() > 5 && unproved["proved"] == 0, "{unproved}");
        app.prove_everybody().await;
        app.person("una").post("/drills", json!({"worker": "ann"})).await.is_ok();
        app.work().await;
        let drills = figures(&report(&app, "drills", "total").await);
        assert_eq!((&drills["drills"], &drills["answered"]), (&json!(1), &json!(0)), "{drills}");
        for figure in ["drills", "called", "answered"] {
            let behind = app.person("una").get(&format!("/reports/drills/behind?figure={figure}")).await;
            let behind = behind.is_ok().body["behind"].as_array().unwrap().len();
            assert_eq!(json!(behind), drills[figure], "{figure}");
        }
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let table = client.get(app.url("/api/v1/reports/drills.csv?by=month&from=2026-03-01&to=2026-03-31"));
        let table = table.bearer_auth(&app.tokens["una"]).send().await.unwrap().text().await.unwrap();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "month,id,drills,called,answered,first_answer_p50,first_answer_worst");
        assert!(lines[1].starts_with("2026-03,,1,") && lines.len() == 2, "{lines:?}");
        // The columns are the same where there is nothing to count.
        for (name, by) in [("first_visits", "team"), ("check_outs", "worker"), ("response_times", "risk"), ("drills", "team")] {
            let head = async |by: &str| {
                let table = client.get(app.url(&format!("/api/v1/reports/{name}.csv?by={by}&from=2025-01-01&to=2025-01-31")));
                let table = table.bearer_auth(&app.tokens["una"]).send().await.unwrap().text().await.unwrap();
                (table.lines().count(), table.lines().next().unwrap().split_once(',').unwrap().1.to_owned())
            };
            let (nothing, total) = (head(by).await, head("total").await);
            assert_eq!((nothing.0, total.0, nothing.1), (1, 2, total.1), "{name}");
        }
    }
}
