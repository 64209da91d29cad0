//! How long after a deadline its first alert is with the SMS gateway: for ten thousand at once, and for one alone.

use std::{
    collections::{HashMap, HashSet},
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Json, Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use chrono::TimeDelta;
use homeward::{
    clock::{Clock, SystemClock, Time, stopwatch},
    domain::ids::{MessageId, VisitId},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    Size, http,
    report::{Runs, Times, judged, load, ms, progress, say},
    rig::{Engine, Service, Told, both},
};

/// Whatever is not with the gateway by then is lost.
const PATIENCE: Duration = Duration::from_mins(2);

/// A gateway on loopback that takes every text and notes when.
struct Sink {
    url: String,
    taken: Arc<Mutex<Vec<(MessageId, Time)>>>,
}

type Taken = State<Arc<Mutex<Vec<(MessageId, Time)>>>>;

impl Sink {
    async fn start() -> Self {
        let taken = Arc::default();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/sms", listener.local_addr().unwrap());
        let router = Router::new().route("/sms", post(take)).with_state(Arc::clone(&taken));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, taken }
    }

    fn taken(&self) -> Vec<(MessageId, Time)> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many texts have come, or patience ends.
    async fn wait_for(&self, count: usize) {
        let watch = stopwatch();
        while watch.elapsed() < PATIENCE && self.taken().len() < count {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until somebody was told of so many visits, or patience ends. Asked seldom: it is work for the database.
    async fn wait_for_all(&self, visits: usize, service: &Service) {
        let watch = stopwatch();
        while watch.elapsed() < PATIENCE && self.first_of_each(service).await.0.len() < visits {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// For each visit, when the first text about it was taken; and how many texts came twice.
    async fn first_of_each(&self, service: &Service) -> (HashMap<VisitId, Time>, usize) {
        let mut raw = service.database.raw().await;
        // A list names several.
        let text = "SELECT id, visit_id FROM message WHERE incident_id IS NOT NULL AND channel = 'sms'
             UNION ALL SELECT m.id, i.visit_id FROM listed_call l JOIN message m ON m.id = l.message_id
               JOIN incident i ON i.id = l.incident_id WHERE m.channel = 'sms'";
        let rows: Vec<(MessageId, VisitId)> =
            both!(&mut raw, |c| sqlx::query_as(text).fetch_all(c).await.unwrap());
        let mut about: HashMap<MessageId, Vec<VisitId>> = HashMap::new();
        for (message, visit) in rows {
            about.entry(message).or_default().push(visit);
        }
        let (mut first, mut seen, mut twice) = (HashMap::<VisitId, Time>::new(), HashSet::new(), 0);
        for (message, at) in self.taken() {
            if !seen.insert(message) {
                twice += 1;
            }
            for visit in about.get(&message).into_iter().flatten() {
                first.entry(*visit).and_modify(|first| *first = at.min(*first)).or_insert(at);
            }
        }
        (first, twice)
    }
}

async fn take(State(taken): Taken, headers: HeaderMap, _body: Bytes) -> Json<Value> {
    let id: Uuid = headers["webhook-id"].to_str().unwrap().parse().unwrap();
    taken.lock().unwrap_or_else(PoisonError::into_inner).push((MessageId(id), SystemClock.now()));
    Json(json!({"id": id}))
}

/// Many due at the same instant.
pub async fn burst(engine: Engine, size: Size) {
    let count = size.of(10_000);
    for (told, name) in [
        (Told::Manager, "the manager by text: many together go as lists of three, and one mail"),
        (Told::Default, "the default ladder: the contact by text and mail, and the manager by lists"),
    ] {
        let mut runs = Vec::new();
        for run in 1..=3 {
            progress(format_args!("burst: {name}, run {run} of 3"));
            runs.push(one_burst(engine, count, told, run == 1 && told == Told::Manager).await);
        }
        say!("\n{count} visits of as many workers, all overdue at the same microsecond; {name}.\n");
        say!(
            "| run | first alert accepted: median | p99 | last | visits without | texts sent twice | the ticks took | rounds that failed | load average |"
        );
        say!("|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
        for (run, done) in (1..).zip(&runs) {
            say!(
                "| {run} | {} | {} | {} | {} | {} | {} | {} | {} |",
                ms(done.times.median()),
                ms(done.times.p99()),
                ms(done.times.max()),
                count - done.times.len(),
                done.twice,
                ms(done.ticks),
                done.failed,
                done.load
            );
        }
        let p99 = Runs::of(runs.iter().map(|run| run.times.p99().as_secs_f64() * 1e3).collect());
        let lost: usize = runs.iter().map(|run| count - run.times.len()).sum();
        say!("\n- p99 of three runs, min / median / max: {p99} ms.");
        say!(
            "- Bar: p99 ≤ 3 s: {}; none without within {} s: {}.",
            judged(p99.median <= 3000.0),
            PATIENCE.as_secs(),
            judged(lost == 0)
        );
    }
}

struct Burst {
    times: Times,
    twice: usize,
    ticks: Duration,
    failed: usize,
    load: String,
}

async fn one_burst(engine: Engine, count: usize, told: Told, describe: bool) -> Burst {
    let sink = Sink::start().await;
    let service = Service::new(engine, count, told, Some(&sink.url)).await;
    if describe {
        service.database.describe().await;
        say!(
            "Mail is taken by a provider inside the process; only texts count. The ticks are started at the deadline."
        );
    }
    let due = SystemClock.now() + TimeDelta::seconds(5);
    let visits = service.open_visits(&vec![due; count]).await;
    service.database.settle().await;
    assert!(SystemClock.now() < due, "filling the database took too long");
    let stop = CancellationToken::new();
    let sending = tokio::spawn({
        let (outbox, stop) = (Arc::clone(&service.app.outbox), stop.clone());
        async move { outbox.run(stop).await }
    });
    tokio::time::sleep((due - SystemClock.now()).to_std().unwrap_or_default()).await;
    let watch = stopwatch();
    let mut failed = 0;
    // As the timer does: a round that failed is followed by the next.
    while let Err(error) = service.app.timer.tick(SystemClock.now().max(due)).await {
        progress(format_args!("a round of the timer failed: {error}"));
        failed += 1;
    }
    let ticks = watch.elapsed();
    sink.wait_for_all(count, &service).await;
    stop.cancel();
    sending.await.unwrap();
    let (first, twice) = sink.first_of_each(&service).await;
    let late = visits.iter().filter_map(|visit| (*first.get(visit)? - due).to_std().ok());
    let done = Burst { times: Times::new(late.collect()), twice, ticks, failed, load: load() };
    service.app.site.db.close().await;
    done
}

/// One at a time, with a million others open: with nothing else to do, then while others start and end visits.
pub async fn lone(engine: Engine, size: Size) {
    const APART: TimeDelta = TimeDelta::microseconds(125_370);
    let (open, count) = (size.of(1_000_000), size.of(200));
    let sink = Sink::start().await;
    let service = Service::new(engine, size.of(4_000), Told::Manager, Some(&sink.url)).await;
    let idle = service.open_many(open).await;
    service.database.describe().await;
    let (address, shutdown, serving) = http::serve(&service).await;
    say!("\n{open} visits open; {count} deadlines, one every {} ms.", APART.num_milliseconds());
    say!("The service sleeps until each, ticks, and posts to a gateway on loopback.\n");
    say!(
        "| meanwhile | first alert accepted: median | p99 | max | without | texts sent twice | load average before, after |"
    );
    say!("|---|--:|--:|--:|--:|--:|--:|");
    let (mut sent, mut judgements) = (0, Vec::new());
    for (meanwhile, bar) in [("nothing", 20), ("64 connections start and end visits", 50)] {
        progress(format_args!("lone: {count} deadlines, meanwhile {meanwhile}"));
        let before = load();
        let begin = SystemClock.now() + TimeDelta::seconds(2);
        let due: Vec<Time> = (0..i32::try_from(count).unwrap()).map(|at| begin + APART * at).collect();
        let visits = service.open_visits(&due).await;
        // Its rows came by another door: this is what wakes the timer for them.
        service.app.site.db.bell().timer.notify_one();
        sent += count;
        let busy = async {
            if bar == 50 {
                let length = (due[count - 1] - SystemClock.now()).to_std().unwrap_or_default();
                http::clients(address, &idle, length).await;
            }
        };
        tokio::join!(busy, sink.wait_for(sent));
        let (first, twice) = sink.first_of_each(&service).await;
        let late =
            visits.iter().zip(&due).filter_map(|(visit, due)| (*first.get(visit)? - *due).to_std().ok());
        let late = Times::new(late.collect());
        say!(
            "| {meanwhile} | {} | {} | {} | {} | {twice} | {before}, {} |",
            ms(late.median()),
            ms(late.p99()),
            ms(late.max()),
            count - late.len(),
            load()
        );
        let reached = late.p99().as_millis() < bar && late.len() == count;
        judgements.push(format!("- Bar, meanwhile {meanwhile}: p99 ≤ {bar} ms: {}.", judged(reached)));
    }
    say!("\n{}", judgements.join("\n"));
    shutdown.ask();
    serving.await.unwrap();
}
