//! PostgreSQL hangs (F5), and the reply to a COMMIT is lost (F6).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use homeward::clock::{Clock, SystemClock, stopwatch};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{QUICK_LADDER, Site, World, accounted_for, address_of, everybody_called, westshire};
use crate::support::{
    TestDb,
    app::{TestApp, noon},
    eventually,
    tcp_proxy::{Mode, Proxy},
};

const MOST_FOR_A_REQUEST: Duration = Duration::from_secs(5);
const BACK_WITHIN: Duration = Duration::from_secs(10);

/// What the clients saw.
#[derive(Debug, Default)]
struct Seen {
    asked: AtomicUsize,
    failures: AtomicUsize,
    done: AtomicBool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f05_the_database_hangs() {
    let Some(db) = TestDb::postgres().await else { return };
    let proxy = Proxy::before(&db.url).await;
    let mut site = Site::with_overdue(&db, &westshire(QUICK_LADDER), &[]).await;
    site.environment = site.environment.with("HOMEWARD_DATABASE__URL", proxy.url_for(&db.url));
    let process = site.serve(None);
    let address = address_of(&process).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ready = async || http.get(format!("{address}/readyz")).send().await.unwrap().status() == 200;
    eventually(BACK_WITHIN, async || ready().await).await;

    // Clients that never rest: whatever a request is at when it begins to hang, one of them is there.
    let token = site.app.tokens["ann"].clone();
    let url = format!("{address}/api/v1/visits");
    let seen = Arc::new(Seen::default());
    let mut clients = JoinSet::new();
    for client in 0..8 {
        clients.spawn(keep_asking(client, url.clone(), token.clone(), Arc::clone(&seen)));
    }
    eventually(BACK_WITHIN, async || seen.asked.load(Ordering::SeqCst) >= 100).await;
    assert_eq!(seen.failures.load(Ordering::SeqCst), 0);

    // Somebody will be overdue while nothing answers.
    let out = SystemClock.now() + TimeDelta::seconds(2);
    let body = json!({"expected_departure": out}).to_string();
    let started = http.post(&url).bearer_auth(&token).body(body).send().await.unwrap();
    assert_eq!(started.status(), 201);
    proxy.set(Mode::Hang).await;
    eventually(Duration::from_secs(10), async || !ready().await).await;
    let overdue = out + TimeDelta::seconds(2);
    let hung = async || seen.failures.load(Ordering::SeqCst) >= 24 && SystemClock.now() > overdue;
    eventually(Duration::from_secs(20), hung).await;

    proxy.set(Mode::Pass).await;
    let back = stopwatch();
    eventually(BACK_WITHIN, async || ready().await).await;
    let raised = async || site.world.sms.ledger().accepted.iter().any(|sms| sms.text.contains("OVERDUE"));
    eventually(BACK_WITHIN, async || raised().await).await;
    assert!(back.elapsed() < BACK_WITHIN, "{:?}", back.elapsed());

    seen.done.store(true, Ordering::SeqCst);
    let mut promised = Vec::new();
    for (visits, slowest) in clients.join_all().await {
        assert!(slowest < MOST_FOR_A_REQUEST, "a request took {slowest:?}");
        promised.extend(visits);
    }
    assert!(!promised.is_empty());
    for id in promised {
        let shown = site.app.person("ann").get(&format!("/visits/{id}")).await;
        assert_eq!(shown.status, 200, "the client was told that it is watched");
    }
    eventually(Duration::from_secs(15), async || site.all_done(1).await).await;
    accounted_for(&site.app, &site.world.taken(), 0).await;
}

/// Starts visits and looks at them, by turns; the visits that it was promised, and the longest that it had to wait.
async fn keep_asking(client: usize, url: String, token: String, seen: Arc<Seen>) -> (Vec<String>, Duration) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let (mut promised, mut slowest) = (Vec::new(), Duration::ZERO);
    for n in 0.. {
        if seen.done.load(Ordering::SeqCst) {
            break;
        }
        let request = if n % 10 == 0 {
            http.post(&url).body(json!({"place": format!("{client}/{n}"), "minutes": 60}).to_string())
        } else {
            http.get(&url)
        };
        let took = stopwatch();
        let reply = request.bearer_auth(&token).send().await.unwrap();
        let status = reply.status().as_u16();
        let body = reply.text().await.unwrap();
        slowest = slowest.max(took.elapsed());
        seen.asked.fetch_add(1, Ordering::SeqCst);
        match status {
            200 => {}
            201 => {
                let visit: Value = serde_json::from_str(&body).unwrap();
                promised.push(visit["id"].as_str().unwrap().to_owned());
            }
            503 => {
                seen.failures.fetch_add(1, Ordering::SeqCst);
            }
            other => panic!("{other}: {body}"),
        }
    }
    (promised, slowest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f06_the_reply_to_any_one_commit_is_lost() {
    let mut lost_ones = 0;
    // Each time the reply to a later COMMIT is lost, until there are no more.
    for spared in 0.. {
        let Some(db) = TestDb::postgres().await else { return };
        let proxy = Proxy::before(&db.url).await;
        let world = World::start().await;
        let environment = &world.environment().0;
        let through = db.through(&proxy);
        let app = TestApp::with_providers(&through, &westshire(QUICK_LADDER), environment, noon()).await;
        proxy.set(Mode::SwallowOneAfter(spared)).await;

        // The worker asks again with the same key until there is an answer.
        let body = json!({"place": "12 High St", "minutes": 30});
        let mut replies = Vec::new();
        while replies.last().is_none_or(|status| *status == 503) {
            assert!(replies.len() < 3, "{spared}: {replies:?}");
            replies.push(app.person("ann").post_once("/visits", "one", body.clone()).await.status);
        }
        assert_eq!(replies.last(), Some(&201), "{spared}: {replies:?}");
        let visits = app.person("ann").get("/visits").await;
        assert_eq!(visits.body["visits"].as_array().unwrap().len(), 1, "{spared}: {visits:?}");

        // The loops go on, as they do in the service.
        app.clock.advance(TimeDelta::minutes(41));
        for _ in 0..20 {
            let _lost = app.app.timer.tick(app.now()).await;
            let _lost = app.app.outbox.deliver_due(app.now()).await;
            app.clock.advance(TimeDelta::seconds(1));
        }
        let swallowed = proxy.swallowed();
        proxy.set(Mode::Pass).await;
        assert_eq!(app.open_incidents().await, 1, "{spared}");
        assert!(everybody_called(&app, 1).await, "{spared}: none lost: {:#?}", world.taken());
        accounted_for(&app, &world.taken(), 0).await;
        app.finish().await;
        if swallowed == 0 {
            break;
        }
        lost_ones += swallowed;
    }
    assert!(lost_ones >= 12, "start, ticks, claims and every mark: {lost_ones}");
}
