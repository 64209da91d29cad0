//! A process that answers and does nothing (F28), and an address that leads elsewhere (F31).

use std::{collections::BTreeSet, path::Path, time::Duration};

use chrono::TimeDelta;
use homeward::clock::{Clock, SystemClock, stopwatch};
use serde_json::{Value, json};
use tokio::net::UnixDatagram;

use super::{QUICK_LADDER, Site, accounted_for, address_of, westshire};
use crate::support::{
    TestDb, eventually,
    outside::{Mode, Outside},
    process::Process,
};

/// Three beats at one a second.
const THREE_BEATS: Duration = Duration::from_secs(3);

async fn get(url: String) -> (u16, Value) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let reply = http.get(url).send().await.unwrap();
    let (status, text) = (reply.status().as_u16(), reply.text().await.unwrap());
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// systemd's end of `NOTIFY_SOCKET`.
struct Systemd {
    socket: UnixDatagram,
}

impl Systemd {
    fn listen(path: &Path) -> Self {
        Self { socket: UnixDatagram::bind(path).unwrap() }
    }

    /// What it is told next.
    async fn hears(&self) -> String {
        let mut said = [0; 256];
        let heard = tokio::time::timeout(Duration::from_mins(1), self.socket.recv(&mut said)).await;
        String::from_utf8(said[..heard.expect("systemd is told nothing").unwrap()].to_vec()).unwrap()
    }

    /// How often it has been told this since it last listened.
    fn has_heard(&self, what: &str) -> usize {
        let mut said = [0; 256];
        let mut times = 0;
        while let Ok(length) = self.socket.try_recv(&mut said) {
            times += usize::from(said[..length].starts_with(what.as_bytes()));
        }
        times
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f28_the_timer_hangs_and_http_answers() {
    let Some(db) = TestDb::postgres().await else { return };
    let mut site = Site::with_overdue(&db, &westshire(QUICK_LADDER), &[]).await;
    let switch = Outside::start(Mode::Say("OK")).await;
    let (hang, socket) = (site.folder.path().join("hang"), site.folder.path().join("notify"));
    let systemd = Systemd::listen(&socket);
    let alone = site.environment.clone();
    site.environment = alone
        .clone()
        .with("HOMEWARD_HEARTBEAT__URL", format!("{}/ping/ann-is-watched", switch.url))
        .with("HOMEWARD_HEARTBEAT__INTERVAL", "1s")
        .with("NOTIFY_SOCKET", socket.display().to_string())
        .with("WATCHDOG_USEC", "2000000");
    let hanging = site.serve(Some(&format!("timer.turns@{}", hang.display())));
    let address = address_of(&hanging).await;
    assert_eq!(systemd.hears().await, "READY=1\n");
    for _ in 0..3 {
        assert_eq!(systemd.hears().await, "WATCHDOG=1\n");
    }
    let beats = switch.wait_for(2).await;
    assert!(beats.iter().all(|path| path == "/ping/ann-is-watched"), "{beats:?}");
    assert_eq!(get(format!("{address}/readyz")).await.0, 200);

    site.environment = alone;
    let other = site.serve(None);
    let other_address = address_of(&other).await;
    std::fs::write(&hang, "").unwrap();
    hanging.wait_for_line("kill point: timer.turns").await;
    let hangs = stopwatch();

    // Its door still takes visits, and another replica's timer watches over them.
    let out = SystemClock.now() + TimeDelta::seconds(1);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = json!({"expected_departure": out}).to_string();
    let start = http.post(format!("{address}/api/v1/visits")).bearer_auth(&site.app.tokens["ann"]).body(body);
    assert_eq!(start.send().await.unwrap().status(), 201);
    eventually(Duration::from_secs(15), async || !site.world.taken().is_empty()).await;

    let not_ready = async || get(format!("{address}/readyz")).await.0 == 503;
    eventually(Duration::from_secs(30), async || not_ready().await).await;
    let (_, why) = get(format!("{address}/readyz")).await;
    assert!(why["timer"].as_str().unwrap().starts_with("hangs"), "{why}");
    assert_eq!(get(format!("{address}/healthz")).await, (200, json!("alive\n")));
    assert_eq!(get(format!("{other_address}/readyz")).await.0, 200, "the other one is well");
    assert!(hangs.elapsed() < Duration::from_secs(30));
    let (beats, _) = (switch.asked().len(), systemd.has_heard("WATCHDOG=1"));
    let since = stopwatch();
    eventually(Duration::from_secs(10), async || since.elapsed() > THREE_BEATS).await;
    assert_eq!(
        (switch.asked().len(), systemd.has_heard("WATCHDOG=1")),
        (beats, 0),
        "no beat, and a starved watchdog"
    );

    eventually(Duration::from_secs(15), async || site.all_done(1).await).await;
    accounted_for(&site.app, &site.world.taken(), 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heartbeat_that_fails_disturbs_nobody_and_comes_back() {
    let db = TestDb::sqlite().await;
    let mut site = Site::with_overdue(&db, &westshire(QUICK_LADDER), &["ann"]).await;
    let switch = Outside::start(Mode::Fail).await;
    let url = format!("{}/ping/token-4f2a", switch.url);
    site.environment =
        site.environment.with("HOMEWARD_HEARTBEAT__URL", url).with("HOMEWARD_HEARTBEAT__INTERVAL", "1s");
    let process = site.serve(None);
    let said = process.wait_for_line("the heartbeat could not be sent").await;
    assert!(said.contains("502"), "{said}");
    eventually(Duration::from_secs(15), async || site.all_done(1).await).await;
    switch.set(Mode::Say("OK"));
    process.wait_for_line("the heartbeat is sent again").await;
    assert!(process.lines().iter().all(|line| !line.contains("4f2a")), "the address is a secret");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn systemd_hears_that_it_serves_and_that_it_ends() {
    let db = TestDb::sqlite().await;
    let mut site = Site::with_overdue(&db, &westshire(QUICK_LADDER), &[]).await;
    let socket = site.folder.path().join("notify");
    let systemd = Systemd::listen(&socket);
    site.environment = site
        .environment
        .with("NOTIFY_SOCKET", socket.display().to_string())
        .with("HOMEWARD_METRICS__LISTEN", "127.0.0.1:0");
    let mut process = site.serve(None);
    assert_eq!(systemd.hears().await, "READY=1\n");
    let address = address_of(&process).await;
    assert_eq!(get(format!("{address}/healthz")).await.0, 200);
    let metrics = process.wait_for_line("metrics are at ").await;
    let metrics = metrics.rsplit(' ').next().unwrap().to_owned();
    // The first round may still be on its way.
    eventually(Duration::from_secs(15), async || {
        let (status, text) = get(metrics.clone()).await;
        status == 200 && text.as_str().unwrap().contains("homeward_timer_rounds_total")
    })
    .await;
    process.terminate().await;
    assert_eq!(systemd.hears().await, "STOPPING=1\n", "and no watchdog where none was asked for");
    assert!(process.wait().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f31_the_public_address_leads_elsewhere() {
    let db = TestDb::sqlite().await;
    let mut site = Site::with_overdue(&db, &westshire(QUICK_LADDER), &["ann"]).await;
    let public = Outside::start(Mode::Say("welcome to nginx")).await;
    let switch = Outside::start(Mode::Say("OK")).await;
    site.environment = site
        .environment
        .with("HOMEWARD_LISTEN__PUBLIC_URL", format!("{}/", public.url))
        .with("HOMEWARD_HEARTBEAT__URL", &switch.url);
    let process = site.serve(None);
    let address = address_of(&process).await;
    let readiness = async || get(format!("{address}/readyz")).await;

    process.wait_for_line("listen.public_url does not lead here").await;
    let (status, why) = readiness().await;
    let why = why["public_url"].as_str().unwrap().to_owned();
    assert_eq!(status, 503);
    assert!(why.contains("is not this installation") && why.contains("check listen.public_url"), "{why}");
    // It raises all the same: who is wrong about its address is not deaf.
    eventually(Duration::from_secs(15), async || site.all_done(1).await).await;

    let (ok, said) = check_config(&site).await;
    assert!(!ok && said.contains("listen.public_url: what answers at"), "{said}");

    public.set(Mode::Fail);
    let fails = async || readiness().await.1["public_url"].as_str().unwrap().contains("502");
    eventually(Duration::from_secs(15), async || fails().await).await;

    public.set(Mode::HandOnTo(address.clone()));
    eventually(Duration::from_secs(15), async || readiness().await.0 == 200).await;
    assert_eq!(readiness().await.1["public_url"], "answers");
    let (ok, said) = check_config(&site).await;
    assert!(ok && said.contains("listen.public_url leads here"), "{said}");

    // Another installation's key does not know the answer.
    let other = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    std::fs::write(site.folder.path().join("homeward.key"), other).unwrap();
    let (ok, said) = check_config(&site).await;
    assert!(!ok && said.contains("another server key"), "{said}");
    // And where nobody answers it may only not be served yet.
    site.environment = site.environment.with("HOMEWARD_LISTEN__PUBLIC_URL", "http://127.0.0.1:9");
    let (ok, said) = check_config(&site).await;
    assert!(ok && said.contains("could not be tried"), "{said}");
    let asked: BTreeSet<_> = public.asked().into_iter().collect();
    assert!(asked.len() >= 4 && asked.iter().all(|path| path.starts_with("/healthz/")), "{asked:?}");
}

async fn check_config(site: &Site) -> (bool, String) {
    let pairs = site.environment.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut process = Process::homeward(&["check-config"], &site.config(), pairs);
    let ok = process.wait().await.success();
    process.all_said().await;
    (ok, process.lines().join("\n"))
}
