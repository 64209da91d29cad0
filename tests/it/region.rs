//! A year of a region (rows T4, T5): every figure of the reports agrees with a slow, obvious count straight from the log of events, and
//! behind each is a list so long.

mod counting;

use std::collections::BTreeSet;

use chrono::TimeDelta;
use counting::{Counting, Counts, day};
use serde_json::{Value, json};

use crate::support::{
    app::TestApp,
    environment, on_both, proofs,
    region::{Door, REGION, Size, organisation, year},
};

const SMALL: Size = Size { workers: 22, cases: 50, visits: 200 };

/// `HOMEWARD_REGION=1` lives the year of a whole region.
fn size() -> Size {
    if environment("HOMEWARD_REGION").is_some() { REGION } else { SMALL }
}

/// The whole log, as an auditor reads it.
async fn read_the_log(auditor: &Auditor<'_>) -> Counting {
    auditor.app.readers_have_caught_up().await;
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

/// Every time of the stages is one that was measured: the least that so many of a hundred do not exceed.
async fn times_agree(auditor: &Auditor<'_>, by: &'static str, counting: &Counting) {
    let (first, last) = (year().0, "2027-12-31");
    let shown = auditor.get(&format!("/reports/response_times?from={first}&to={last}&by={by}")).await;
    let mut lines = 0;
    for line in shown["lines"].as_array().unwrap() {
        let name = line["id"].as_str().or(line["name"].as_str()).unwrap().to_owned();
        let figures = &line["figures"];
        let counted = counting.times.get(&(by, name.clone()));
        let of = |stage: &str| counted.and_then(|of| of.get(stage)).cloned().unwrap_or_default();
        lines += usize::from(!of("opened").is_empty());
        assert_eq!(figures["alarms"], json!(of("opened").len()), "{name}");
        assert_eq!(figures["never_taken"], json!(of("opened").len() - of("taken").len()), "{name}");
        for stage in ["queued", "accepted", "delivered", "taken", "closed"] {
            let mut times = of(stage);
            times.sort_unstable();
            for (figure, of_100) in [("p50", 50), ("p90", 90), ("p99", 99), ("worst", 100)] {
                let wanted = times.iter().find(|time| {
                    let not_above = times.iter().filter(|other| other <= time).count();
                    not_above * 100 >= times.len() * of_100
                });
                assert_eq!(
                    figures[format!("{stage}_{figure}")],
                    json!(wanted),
                    "{name} {stage} {figure} of {times:?}"
                );
            }
        }
    }
    assert_eq!(lines, counting.times.keys().filter(|(of, _)| *of == by).count(), "a line for each {by}");
}

on_both! {
    async fn a_year_of_reports_agrees_with_the_log(db: TestDb) {
        let size = size();
        let app = TestApp::on(&db, &organisation(size), "2025-12-30T12:00:00Z".parse().unwrap()).await;
        // Everybody is asked on the day after, some at a time.
        for morning in ["2025-12-30T12:00:00Z", "2025-12-31T10:00:00Z"] {
            app.clock.set(morning.parse().unwrap());
            for _ in 0..22 {
                app.clock.advance(TimeDelta::minutes(20));
                app.work().await;
            }
        }
        for who in ["w0", "w1", "m0"] {
            let (link, code) = proofs::mailed(&app, who).await;
            assert_eq!(proofs::page(&app, "POST", &link, Some(&format!("answer=agree&code={code}"))).await.0, 200);
        }
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
            ("alarms", &["total", "worker", "risk", "month"]),
            ("first_visits", &["total", "worker", "rule", "month"]),
            ("frequency", &["total", "worker", "rule", "month"]),
            ("rising_risk", &["total", "worker", "rule", "month"]),
            ("oversight", &["total", "rule", "month"]),
            ("assessments", &["total", "risk"]),
            ("drills", &["total", "month"]),
            ("contacts", &["total", "worker"]),
        ] {
            let counted = counting.counts.get(report).unwrap();
            for by in lines {
                agrees(&auditor, report, by, counted).await;
            }
        }
        for by in ["total", "worker", "risk", "month"] {
            times_agree(&auditor, by, &counting).await;
        }
    }
}
