//! The seeded simulation: the real app over a real database, some people, some faults, and one number from which all of it
//! follows. After every step the rows have to say what a slow second telling of the rules says ([`model`]), and after every
//! run the ledger of the providers has to be explained (I1 to I4, [`checks`]).
//!
//! ```sh
//! cargo test --test it simulation                                           # 200 seeds, as in CI
//! HOMEWARD_SEED=123 cargo test --test it simulation -- --nocapture          # one seed, said step by step
//! HOMEWARD_SEEDS=10000 cargo test --release --test it simulation            # many
//! HOMEWARD_FIRST_SEED=10000 HOMEWARD_SEEDS=10000 cargo test …               # others
//! ```
//!
//! A seed draws the same steps on every machine. Every twentieth runs on PostgreSQL too.

mod checks;
mod desk;
mod draw;
mod model;
mod reached;
mod receipts;
mod replicas;
mod steps;
mod texts;
mod world;

use std::{
    collections::BTreeMap,
    io::Write,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::TimeDelta;
use futures::FutureExt;
use tokio::{sync::Semaphore, task::JoinSet};

use self::world::World;
use crate::support::{Engine, TestDb, environment};

/// So many seeds where nobody says how many.
const IN_CI: u64 = 200;
/// Of so many seeds one runs on PostgreSQL.
const ON_POSTGRES: u64 = 20;
/// Steps of one run.
const STEPS: usize = 30;
/// What a run needs to come to rest: a minute's retry, a lease, and some more.
const REST: TimeDelta = TimeDelta::minutes(4);
/// After so many seeds that failed the rest is not looked at.
const ENOUGH: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite() {
    many(Engine::Sqlite, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres() {
    if TestDb::postgres().await.is_some() {
        many(Engine::Postgres, ON_POSTGRES).await;
    }
}

fn number(name: &str) -> Option<u64> {
    environment(name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name} has to be a number")))
}

/// Runs every seed whose turn it is on this engine.
async fn many(engine: Engine, every: u64) {
    let seeds: Vec<u64> = match (number("HOMEWARD_SEED"), number("HOMEWARD_FIRST_SEED").unwrap_or_default()) {
        (Some(seed), _) => vec![seed],
        (None, first) => (first..first + number("HOMEWARD_SEEDS").unwrap_or(IN_CI))
            .filter(|seed| seed % every == 0)
            .collect(),
    };
    let aloud = seeds.len() == 1;
    let room = Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from)));
    let mut runs = JoinSet::new();
    let mut done = Vec::new();
    let mut failed = Vec::new();
    for seed in seeds {
        let permit = Arc::clone(&room).acquire_owned().await.unwrap();
        runs.spawn(async move {
            let script = Arc::new(Script { aloud, lines: Mutex::default() });
            let run = Box::pin(AssertUnwindSafe(one(seed, engine, &script)).catch_unwind()).await;
            drop(permit);
            run.map_err(|_panic| (seed, script.text()))
        });
        while let Some(run) = runs.try_join_next() {
            match run.unwrap() {
                Ok(counts) => done.push(counts),
                Err(run) => failed.push(run),
            }
        }
        if failed.len() >= ENOUGH {
            break;
        }
    }
    for run in runs.join_all().await {
        match run {
            Ok(counts) => done.push(counts),
            Err(run) => failed.push(run),
        }
    }
    say_what_occurred(&done);
    for (seed, script) in &failed {
        let mut stderr = std::io::stderr().lock();
        writeln!(stderr, "seed {seed} on {engine:?}:\n{script}\nAgain: HOMEWARD_SEED={seed} cargo test --test it simulation::{} -- --nocapture\n", name(engine)).unwrap();
    }
    let seeds: Vec<u64> = failed.iter().map(|(seed, _)| *seed).collect();
    assert!(seeds.is_empty(), "these seeds failed on {engine:?}: {seeds:?}");
}

/// How often each kind of thing happened in one run.
type Counts = BTreeMap<String, usize>;

/// What no run does is not tested by any.
fn say_what_occurred(done: &[Counts]) {
    let mut all: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (kind, times) in done.iter().flatten() {
        let (runs, sum) = all.entry(kind).or_default();
        (*runs, *sum) = (*runs + 1, *sum + times);
    }
    eprintln!("what occurred in {} runs, and how often:", done.len());
    for (kind, (runs, sum)) in all {
        eprintln!("{runs:6} {sum:7}  {kind}");
    }
}

fn name(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "sqlite",
        Engine::Postgres => "postgres",
    }
}

/// What happened in one run, to be read when it fails.
struct Script {
    aloud: bool,
    lines: Mutex<Vec<String>>,
}

impl Script {
    fn say(&self, line: String) {
        if self.aloud {
            eprintln!("{line}");
        }
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn text(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }
}

/// One seed, from noon until it has come to rest.
async fn one(seed: u64, engine: Engine, script: &Script) -> Counts {
    let mut world = Box::pin(World::new(seed, engine)).await;
    for number in 1..=STEPS {
        world.due = world.timer_due().await;
        let step = steps::draw(&mut world);
        script.say(format!("{number:3}  {}  {step:?}", world.now().format("%H:%M:%S")));
        steps::take(&mut world, step).await;
        checks::after_a_step(&world).await;
    }
    script.say(format!("     {}  everything works again", world.now().format("%H:%M:%S")));
    world.desk.all_well();
    world.free_all();
    world.bring_up(0).await;
    world.round().await;
    world.pass(REST).await;
    checks::after_a_step(&world).await;
    checks::at_the_end(&mut world).await;
    world.count_incidents();
    let counts = std::mem::take(&mut world.counts);
    world.close().await;
    counts
}
