//! A year of a region (rows T4, T5): every figure of the reports agrees with a slow, obvious count straight from the log of events, and
//! behind each is a list so long.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};

use crate::support::{
    app::TestApp,
    environment, on_both,
    region::{Door, REGION, Size, organisation, year},
};

const SMALL: Size = Size { workers: 22, cases: 50, visits: 200 };

/// `HOMEWARD_REGION=1` lives the year of a whole region.
fn size() -> Size {
    if environment("HOMEWARD_REGION").is_some() { REGION } else { SMALL }
}

type Counts = BTreeMap<(&'static str, String, String), i64>;

/// Whoever counts: what they know of people and cases by now.
#[derive(Default)]
struct Counting {
    counts: BTreeMap<&'static str, Counts>,
    /// What the log has said of each case.
    cases: BTreeMap<String, Known>,
    /// Whose each visit is, and its risk.
    visits: BTreeMap<String, (String, String)>,
    extended: BTreeSet<String>,
    /// Visits about which somebody was called.
    alarms: BTreeSet<String>,
    /// Whom each alarm is about, and when it went up.
    incidents: BTreeMap<String, (String, NaiveDate)>,
    /// By which rule it is asked for, and by when.
    oversight: BTreeMap<String, (String, NaiveDate)>,
}

#[derive(Default, Clone)]
struct Known {
    worker: Option<String>,
    /// What is due, as the log said last.
    due: Option<(String, NaiveDate)>,
    cannot: bool,
}

fn day(at: &str) -> NaiveDate {
    let at: DateTime<Utc> = at.parse().unwrap();
    at.with_timezone(&chrono_tz::Europe::London).date_naive()
}

impl Counting {
    fn count(&mut self, report: &'static str, on: NaiveDate, keys: &[(&'static str, &str)], figure: &str) {
        let counts = self.counts.entry(report).or_default();
        let month = on.format("%Y-%m").to_string();
        for (by, name) in keys.iter().copied().chain([("total", "total"), ("month", &month)]) {
            *counts.entry((by, name.to_owned(), figure.to_owned())).or_default() += 1;
        }
    }

    fn first_or_further(&mut self, (rule, due_on): (&str, NaiveDate), worker: &str, figure: &str) {
        let report = if rule.starts_with("first_") { "first_visits" } else { "frequency" };
        self.count(report, due_on, &[("rule", rule), ("worker", worker)], figure);
    }

    fn read(&mut self, event: &Value) {
        let body = &event["body"];
        let about = event["about_id"].as_str().unwrap().to_owned();
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        let on = day(event["happened_at"].as_str().unwrap());
        match event["kind"].as_str().unwrap() {
            "case.assigned" => {
                self.cases.entry(word(&body["case"])).or_default().worker =
                    body["after"].as_str().map(str::to_owned);
            }
            "due.computed" => {
                let of = |standing: &Value| -> Option<(String, NaiveDate)> {
                    Some((
                        standing["rule"].as_str()?.to_owned(),
                        standing["due_on"].as_str()?.parse().unwrap(),
                    ))
                };
                let (before, after) = (of(&body["before"]), of(&body["after"]));
                let case = self.cases.entry(word(&body["case"])).or_default();
                case.due.clone_from(&after);
                case.cannot = body["after"]["cannot"].as_u64().unwrap() > 0;
                let worker = case.worker.clone().unwrap_or_default();
                let was_made = body["cause"] == "visit_recorded" && before != after;
                if let (true, Some((rule, due_on))) = (was_made, before) {
                    let figure = if on <= due_on { "in_time" } else { "late" };
                    self.first_or_further((&rule, due_on), &worker, figure);
                }
            }
            "due.excused" => {
                let worker = self.cases[&word(&body["case"])].worker.clone().unwrap();
                let due_on = body["due_on"][0].as_str().unwrap().parse().unwrap();
                self.first_or_further(
                    (body["rule"].as_str().unwrap(), due_on),
                    &worker,
                    body["counted"].as_str().unwrap(),
                );
            }
            "visit.started" => {
                let known = (word(&body["after"]["worker"]), word(&body["after"]["risk"]));
                self.visits.insert(about, known);
            }
            "visit.extended" => {
                self.extended.insert(about);
            }
            "incident.opened" => {
                // On time, extended or late is what had no alarm before.
                let visit = body["visit"].as_str().map(str::to_owned);
                self.alarms.extend(visit.clone());
                let worker = visit.map(|visit| self.visits[&visit].0.clone()).unwrap_or_default();
                self.incidents.insert(about, (worker.clone(), on));
                self.count("alarms", on, &[("worker", &worker)], "overdue");
            }
            "incident.closed" => {
                let (worker, opened) = self.incidents[&about].clone();
                self.count("alarms", opened, &[("worker", &worker)], body["outcome"].as_str().unwrap());
            }
            "visit.ended" => {
                let (worker, risk) = self.visits[&about].clone();
                let due: DateTime<Utc> =
                    body["before"]["expected_departure"].as_str().unwrap().parse().unwrap();
                let ended: DateTime<Utc> = event["happened_at"].as_str().unwrap().parse().unwrap();
                let figure = if self.alarms.contains(&about) {
                    "alarm"
                } else if ended > due {
                    "late"
                } else if self.extended.contains(&about) {
                    "extended"
                } else {
                    "on_time"
                };
                self.count("check_outs", on, &[("worker", &worker), ("risk", &risk)], figure);
            }
            "oversight.asked" => {
                let asked = (word(&body["rule"]), body["due_on"].as_str().unwrap().parse().unwrap());
                self.oversight.insert(word(&body["id"]), asked);
            }
            "oversight.recorded" => {
                for rule in body["asked"].as_array().unwrap() {
                    let (_, due_on) = self.oversight.remove(&word(&body["id"])).unwrap();
                    let figure = if on <= due_on { "in_time" } else { "late" };
                    self.count("oversight", due_on, &[("rule", rule.as_str().unwrap())], figure);
                }
            }
            _ => {}
        }
    }

    /// What is still open on the last day.
    fn end(&mut self, today: NaiveDate) {
        for known in std::mem::take(&mut self.cases).into_values() {
            let worker = known.worker.unwrap_or_default();
            if let Some((rule, due_on)) = known.due {
                let figure = if due_on < today { "overdue" } else { "not_yet" };
                self.first_or_further((&rule, due_on), &worker, figure);
            }
            if known.cannot {
                self.count(
                    "first_visits",
                    today,
                    &[("rule", "not_known"), ("worker", &worker)],
                    "cannot_be_computed",
                );
            }
        }
        for (rule, due_on) in std::mem::take(&mut self.oversight).into_values() {
            let figure = if due_on < today { "overdue" } else { "not_yet" };
            self.count("oversight", due_on, &[("rule", &rule)], figure);
        }
    }
}

/// The whole log, as an auditor reads it.
async fn read_the_log(auditor: &Auditor<'_>) -> Counting {
    let (mut counting, mut after) = (Counting::default(), String::new());
    loop {
        let page = auditor.get(&format!("/events?limit=500{after}")).await;
        let events = page["events"].as_array().unwrap();
        if events.is_empty() {
            return counting;
        }
        for event in events {
            counting.read(event);
        }
        after = format!("&after={}", page["next"].as_str().unwrap());
    }
}

/// Whoever reads the log and the reports. Without a look at the description, of which tests of each door take care: here there are
/// thousands of answers.
struct Auditor<'a> {
    app: &'a TestApp,
    http: reqwest::Client,
}

impl Auditor<'_> {
    async fn get(&self, path: &str) -> Value {
        let url = self.app.url(&format!("/api/v1{path}"));
        let answer = self.http.get(url).bearer_auth(&self.app.tokens["ari"]).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }
}

/// Every count of a report is what was counted here, and the list behind it is so long; of a whole region's lines, the lists of each
/// twentieth.
async fn agrees(auditor: &Auditor<'_>, report: &str, by: &str, counted: &Counts) {
    let open_each = if environment("HOMEWARD_REGION").is_some() { 20 } else { 1 };
    let (first, last) = (year().0, "2027-12-31");
    let shown = auditor.get(&format!("/reports/{report}?from={first}&to={last}&by={by}")).await;
    let mut seen = BTreeSet::new();
    for (n, line) in shown["lines"].as_array().unwrap().iter().enumerate() {
        let name = line["id"].as_str().or(line["name"].as_str()).unwrap();
        for (figure, address) in line["behind"].as_object().unwrap() {
            let key = (by, name.to_owned(), figure.clone());
            let wanted = counted.iter().find(|(at, _)| **at == key).map_or(0, |(_, number)| *number);
            assert_eq!(line["figures"][figure], json!(wanted), "{report} {key:?}");
            seen.insert((name.to_owned(), figure.clone()));
            if !n.is_multiple_of(open_each) {
                continue;
            }
            let behind = auditor.get(address.as_str().unwrap().strip_prefix("/api/v1").unwrap()).await;
            let behind = behind["behind"].as_array().unwrap().len();
            assert_eq!(behind, usize::try_from(wanted).unwrap().min(10_000), "{report} {key:?}: {address}");
        }
    }
    for ((_, name, figure), number) in counted.iter().filter(|((of, ..), _)| *of == by) {
        assert!(
            seen.contains(&(name.clone(), figure.clone())),
            "{report} by {by}: {number} {figure} of {name}"
        );
    }
}

on_both! {
    async fn a_year_of_reports_agrees_with_the_log(db: TestDb) {
        let size = size();
        let app = TestApp::on(&db, &organisation(size), "2026-01-01T08:00:00Z".parse().unwrap()).await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let auditor = Auditor { app: &app, http: http.clone() };
        let door = Door { app: &app.app, clock: &app.clock, url: app.url(""), tokens: &app.tokens, http };
        let visits = door.live(size, 2026).await;
        let mut counting = read_the_log(&auditor).await;
        counting.end(day("2026-12-31T12:00:00Z"));
        let ended: i64 = counting.counts["check_outs"].iter().filter(|((by, ..), _)| *by == "total").map(|(_, n)| n).sum();
        assert_eq!(usize::try_from(ended).unwrap(), visits, "every visit is in the log");
        for (report, lines) in [
            ("check_outs", &["total", "worker", "risk", "month"][..]),
            ("alarms", &["total", "worker", "month"]),
            ("first_visits", &["total", "worker", "rule", "month"]),
            ("frequency", &["total", "worker", "rule", "month"]),
            ("oversight", &["total", "rule", "month"]),
        ] {
            let counted = counting.counts.get(report).unwrap();
            for by in lines {
                agrees(&auditor, report, by, counted).await;
            }
        }
    }
}
