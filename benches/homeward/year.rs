//! Reports, the due list and the digest, after a year of a region (rows T4, T5). The year is the one whose figures
//! `HOMEWARD_REGION=1 cargo test --release --test it -- region` counts again.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use homeward::{
    app::organisation::{self, Defaults, Wanted},
    clock::{Clock, ManualClock, stopwatch},
    config::Config,
    domain::event::Door as Through,
    keys::ServerKey,
    providers::{self, Providers},
    startup::App,
    store::Trace,
};
use tokio::net::TcpListener;

use crate::{
    Size,
    report::{Times, judged, load, ms, progress, say},
    rig::{Database, Engine, KEY, open},
};

#[path = "../../tests/it/support/region.rs"]
mod region;

use region::{Door, REGION, organisation, year};

/// Each report is asked for so often.
const TIMES: usize = 5;
const BAR: Duration = Duration::from_millis(300);
const DIGEST_BAR: Duration = Duration::from_secs(10);
const SEED: u64 = 2026;

const REPORTS: [(&str, &[&str]); 10] = [
    ("check_outs", &["total", "team", "worker", "risk", "month"]),
    ("alarms", &["total", "team", "worker", "risk", "month"]),
    ("response_times", &["total", "team", "worker", "risk", "month"]),
    ("first_visits", &["total", "team", "worker", "rule", "risk", "month"]),
    ("frequency", &["total", "team", "worker", "rule", "risk", "month"]),
    ("rising_risk", &["total", "team", "worker", "rule", "risk", "month"]),
    ("oversight", &["total", "team", "worker", "rule", "month"]),
    ("assessments", &["total", "team", "risk"]),
    ("drills", &["total", "team", "month"]),
    ("contacts", &["total", "team", "worker"]),
];

pub async fn measure(engine: Engine, size: Size) {
    let size = region::Size {
        workers: size.of(REGION.workers),
        cases: size.of(REGION.cases),
        visits: size.of(REGION.visits),
    };
    let database = Database::new(engine).await;
    let db = open(&database.url).await;
    let clock = ManualClock::new("2026-01-01T08:00:00Z".parse().unwrap());
    let wanted = Wanted::parse(&organisation(size), Defaults::default()).unwrap();
    let trace = Trace::machine(Through::CommandLine, clock.now());
    let applied = db.write(async move |tx| organisation::apply(tx, &wanted, trace).await).await;
    let tokens: BTreeMap<String, String> = applied
        .unwrap()
        .unwrap()
        .tokens
        .iter()
        .map(|(key, token)| (key.clone(), token.as_str().to_owned()))
        .collect();
    let key = ServerKey::parse(KEY).unwrap();
    let config = Config::load(None, &BTreeMap::new()).unwrap();
    let app = App::build(&config, db, Arc::new(clock.clone()), key, Providers::captured()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let routes = app.routes();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    providers::install_crypto();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let door = Door { app: &app, clock: &clock, url, tokens: &tokens, http };

    progress("a year is lived");
    let began = stopwatch();
    let visits = door.live(size, SEED).await;
    say!(
        "{} workers, {} cases, {visits} visits, lived in {:.0} s.",
        size.workers,
        size.cases,
        began.elapsed().as_secs_f64()
    );
    database.settle().await;
    say!("Load before: {}.\n", load());
    say!("| | median | worst of {TIMES} | bar |\n|---|---|---|---|");
    let (from, to) = (year().0, clock.now().date_naive());
    for (report, lines) in REPORTS {
        for by in lines {
            ask(
                &door,
                &format!("/reports/{report}?from={from}&to={to}&by={by}"),
                &format!("`{report}` by {by}"),
            )
            .await;
        }
    }
    ask(&door, "/due", "`GET /due`, the whole region").await;
    ask(&door, "/oversight/missing", "`GET /oversight/missing`").await;

    // The next working day at eight: every team's digest goes.
    clock.set("2027-01-04T08:00:00Z".parse().unwrap());
    let began = stopwatch();
    let done = app.scheduler.tick(clock.now()).await.unwrap();
    let took = began.elapsed();
    say!(
        "| digests of {done} teams | {} | | {} (≤ {} s) |",
        ms(took),
        judged(took <= DIGEST_BAR),
        DIGEST_BAR.as_secs()
    );
}

async fn ask(door: &Door<'_>, path: &str, name: &str) {
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let began = stopwatch();
        let answer = door
            .http
            .get(format!("{}/api/v1{path}", door.url))
            .bearer_auth(&door.tokens["una"])
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.bytes().await.unwrap();
        times.push(began.elapsed());
    }
    let times = Times::new(times);
    let worst = times.max();
    say!("| {name} | {} | {} | {} |", ms(times.median()), ms(worst), judged(times.median() <= BAR));
}
