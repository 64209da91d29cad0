//! Several replicas over one database: one that stands still (F11), a provider that comes back (F12), very many due at once
//! (F15), somebody who takes the alarm while it is being sent (F25).

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use chrono::TimeDelta;
use homeward::{
    app::{self, access::Actor, visits::ForWhom},
    clock::Time,
    domain::{
        command::Plan,
        event::Door,
        ids::{IncidentId, VisitId},
        start::{Departure, Start},
        visit::Details,
    },
    startup::App,
    store::{Trace, messages, people},
};
use serde_json::json;

use super::{Environment, JO, QUICK_LADDER, SAM, SECRET, Site, World, accounted_for, add_workers, westshire};
use crate::support::{
    TestDb,
    app::{TestApp, WESTSHIRE, noon},
    environment, eventually,
    fake_sms::{self, FakeSms},
    fake_smtp, on_both,
    process::Process,
};

/// The lease, what PostgreSQL gives a transaction that stands still, a round of each loop, and some.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(20);

/// Only Sam is called, once, by text alone.
const ONE_TEXT: &str = "
[[ladder]]
risk = \"normal\"
repeat_every = \"1h\"
steps = [{ after = \"0s\", tell = [\"manager\"], by = [\"sms\"] }]
";

/// Ann is overdue; the first of five replicas stands still at this point of its path, and no other serves yet.
async fn stands_still(db: &TestDb, ladder: &str, point: &str) -> (Site, Process) {
    let site = Site::with_overdue(db, &westshire(ladder), &["ann"]).await;
    let first = site.serve(Some(&format!("{point}:stop")));
    first.wait_for_line(&format!("kill point: {point}")).await;
    (site, first)
}

fn four_others(site: &Site) -> Vec<Process> {
    (0..4).map(|_| site.serve(None)).collect()
}

/// Goes on where it stood, and ends once it has done what was still under way.
async fn goes_on_and_ends(mut process: Process) -> Vec<String> {
    process.signal("CONT").await;
    process.terminate().await;
    assert!(process.wait().await.success(), "{:#?}", process.lines());
    process.lines()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f11_stopped_between_the_claim_and_the_provider() {
    let Some(db) = TestDb::postgres().await else { return };
    let (site, first) = stands_still(&db, QUICK_LADDER, "outbox.claimed").await;
    assert_eq!(site.world.taken(), [], "claimed and not handed over");
    let _others = four_others(&site);
    eventually(TAKEN_OVER_WITHIN, async || site.all_done(1).await).await;
    goes_on_and_ends(first).await;
    accounted_for(&site.app, &site.world.taken(), 0).await;
    assert_eq!(site.app.open_incidents().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f11_stopped_after_the_provider_took_it() {
    let Some(db) = TestDb::postgres().await else { return };
    let (site, first) = stands_still(&db, ONE_TEXT, "outbox.accepted").await;
    assert_eq!(site.world.sms.ledger().accepted.len(), 1);
    let _others = four_others(&site);
    eventually(TAKEN_OVER_WITHIN, async || !site.app.waits().await).await;
    goes_on_and_ends(first).await;
    let repeats = accounted_for(&site.app, &site.world.taken(), 1).await;
    assert_eq!(repeats, 1, "nobody can know better: it goes again, once");
    let incident = site.app.the_incident().await.clone();
    let log = site.app.log("incident", incident["id"].as_str().unwrap()).await;
    let accepted = log.iter().filter(|kind| *kind == "message.accepted").count();
    assert_eq!(accepted, 1, "the late mark is refused: {log:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f11_stopped_before_the_commit_of_an_incident() {
    let Some(db) = TestDb::postgres().await else { return };
    let (site, first) = stands_still(&db, QUICK_LADDER, "tick.decided").await;
    let _others = four_others(&site);
    eventually(TAKEN_OVER_WITHIN, async || site.all_done(1).await).await;
    goes_on_and_ends(first).await;
    accounted_for(&site.app, &site.world.taken(), 0).await;
    assert_eq!(site.app.open_incidents().await, 1);
}

/// Every replica does everything that is due now, all at the same time.
async fn all_work(replicas: &[&App], now: Time) {
    let ticks = replicas.iter().map(|app| app.timer.tick(now));
    futures::future::join_all(ticks)
        .await
        .into_iter()
        .for_each(|ticked| assert!(ticked.is_ok(), "{ticked:?}"));
    let deliveries = replicas.iter().map(|app| app.outbox.deliver_due(now));
    futures::future::join_all(deliveries)
        .await
        .into_iter()
        .for_each(|sent| assert!(sent.is_ok(), "{sent:?}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f12_the_providers_are_down_for_five_minutes() {
    let Some(db) = TestDb::postgres().await else { return };
    let world = World::start().await;
    let environment = world.environment();
    let mut organisation = WESTSHIRE.to_owned();
    let workers = add_workers(&mut organisation, 0..8);
    let app = TestApp::with_providers(&db, &organisation, &environment.0, noon()).await;
    let others = [app.another(&db, &environment.0).await, app.another(&db, &environment.0).await];
    let replicas = [&app.app, &others[0], &others[1]];
    for worker in &workers {
        app.person(worker).post("/visits", json!({"minutes": 30})).await.is_ok();
    }
    world.sms.usually(fake_sms::Answer::Status(503));
    world.mail.usually(fake_smtp::Answer::Refuse(451));
    app.clock.advance(TimeDelta::minutes(40));
    for _ in 0..150 {
        all_work(&replicas, app.now()).await;
        app.clock.advance(TimeDelta::seconds(2));
    }
    assert_eq!(world.taken(), []);
    assert_eq!(app.open_incidents().await, workers.len());

    world.sms.usually(fake_sms::Answer::Accept);
    world.mail.usually(fake_smtp::Answer::Accept);
    for _ in 0..62 {
        all_work(&replicas, app.now()).await;
        app.clock.advance(TimeDelta::seconds(1));
    }
    assert!(!app.waits().await, "within a minute every message has gone");
    accounted_for(&app, &world.taken(), 0).await;
    app.finish().await;
}

/// So many are due at once where nobody says how many: `HOMEWARD_DUE=10000 cargo test --test it f15`.
const DUE: usize = 1000;
const PER_SECOND: u32 = 100;

/// So many visits of these workers, whose deadlines all fall into one second.
async fn due_in_one_second(app: &TestApp, workers: &[String], visits: usize) -> Time {
    let mut tx = app.db().read().await.unwrap();
    let directory = people::directory(&mut tx, app.organisation).await.unwrap();
    drop(tx);
    let (now, deadline) = (app.now(), app.now() + TimeDelta::minutes(30));
    let actors: Vec<Actor> = workers
        .iter()
        .map(|key| {
            let person = directory.people.values().find(|person| person.key == *key).unwrap();
            Actor {
                organisation: app.organisation,
                person: person.id,
                team: person.team,
                role: person.role.unwrap(),
                name: person.name.clone(),
                zone: directory.zone,
            }
        })
        .collect();
    let all: Vec<usize> = (0..visits).collect();
    for part in all.chunks(50) {
        let (part, actors, house) = (part.to_vec(), actors.clone(), Arc::clone(&app.app.site.house));
        let case = async move |tx: &mut homeward::store::Tx| {
            for n in &part {
                let actor = &actors[n % actors.len()];
                let within = TimeDelta::microseconds(i64::try_from(n * 1_000_000 / visits).unwrap());
                let start = Start {
                    details: Details { place: Some(format!("{n} High St")), ..Details::default() },
                    expected_arrival: None,
                    departure: Departure::At(deadline + within),
                    made_at: None,
                    plan: Plan::AsDescribed,
                };
                let trace = Trace { actor: Some(actor.person), door: Door::Api, now };
                let id = VisitId::new(now);
                let done = app::visits::start(tx, &house, actor, &ForWhom::Self_, start, id, trace).await?;
                done.expect("a start is never refused");
            }
            Ok(())
        };
        app.db().write(case).await.unwrap();
    }
    deadline + TimeDelta::seconds(1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f15_very_many_are_due_in_one_second() {
    let Some(db) = TestDb::postgres().await else { return };
    let due = environment("HOMEWARD_DUE").map_or(DUE, |text| text.parse().unwrap());
    let sms = FakeSms::start(SECRET).await;
    // Everybody has a manager who is called at once and a duty manager who is called before all managers have been.
    let mut organisation = westshire(
        "\n[[ladder]]\nrisk = \"normal\"\nrepeat_every = \"1h\"\nsteps = [{ after = \"0s\", tell = [\"manager\"], by = [\"sms\"] }, { after = \"3s\", tell = [\"person:una\"], by = [\"sms\"] }]\n",
    );
    let workers = add_workers(&mut organisation, 0..40);
    let environment = Environment::sms([&sms]);
    let app = TestApp::with_providers(&db, &organisation, &environment.0, noon()).await;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(app.another(&db, &environment.0).await);
    }
    let replicas: Vec<&App> = std::iter::once(&app.app).chain(&others).collect();
    app.set_pin("ann").await;
    let last = due_in_one_second(&app, &workers, due).await;
    app.clock.set(last + TimeDelta::minutes(10));
    sms.limit(PER_SECOND, Arc::new(app.clock.clone()));

    // The first contact of each, by lists; then two more each: the second step calls the manager again and Una.
    let most_seconds = due * 3 / usize::try_from(PER_SECOND).unwrap() + 60;
    for second in 0.. {
        all_work(&replicas, app.now()).await;
        let place = format!("{second} Long Lane");
        let visit =
            app.person("ann").post("/visits", json!({"place": place, "minutes": 60})).await.is_ok().id();
        app.person("ann").post(&format!("/visits/{visit}/check-out"), json!({"pin": "4821"})).await.is_ok();
        if sms.ledger().accepted.len() > due * 2 && !app.waits().await {
            break;
        }
        assert!(second < most_seconds, "{} after {second} s", sms.ledger().accepted.len());
        app.clock.advance(TimeDelta::seconds(1));
    }
    all_work(&replicas, app.now()).await;
    assert!(!app.waits().await);

    let taken = sms.ledger().accepted;
    let ids: HashSet<&str> = taken.iter().map(|sms| sms.id.as_str()).collect();
    assert_eq!(taken.len(), ids.len(), "each one once");
    let mut tx = app.db().read().await.unwrap();
    let rows = messages::list(&mut tx, app.organisation, 1_000_000).await.unwrap();
    let mut named: HashMap<String, Vec<IncidentId>> = HashMap::new();
    for row in &rows {
        let listed = messages::listed(&mut tx, app.organisation, row.id).await.unwrap();
        named.insert(row.id.to_string(), row.incident_id.into_iter().chain(listed).collect());
    }
    drop(tx);
    let mut calls: HashMap<IncidentId, usize> = HashMap::new();
    for incident in taken.iter().flat_map(|sms| &named[&sms.id]) {
        *calls.entry(*incident).or_default() += 1;
    }
    assert_eq!((calls.len(), calls.values().all(|calls| *calls == 3)), (due, true), "{calls:?}");
    // In which order the incidents' messages were taken: nobody gets a second one while somebody waits for the first.
    let mut first_contacts: HashSet<IncidentId> = HashSet::new();
    for (place, sms) in taken.iter().enumerate() {
        let before = first_contacts.len();
        first_contacts.extend(&named[&sms.id]);
        let first = first_contacts.len() > before;
        assert!(
            first || first_contacts.len() == due,
            "message {place} is a second one, and {} still wait for their first",
            due - first_contacts.len()
        );
    }
    app.finish().await;
}

/// So many seeds where nobody says how many: `HOMEWARD_SEEDS=1000 cargo test --test it f25`.
const SEEDS: u64 = 60;

/// Lets others go first, so many times.
async fn after_turns(turns: u64) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

on_both! {
    async fn f25_somebody_takes_it_while_it_is_being_sent(db: TestDb) {
        let sms = FakeSms::start(SECRET).await;
        let environment = Environment::sms([&sms]);
        let app = TestApp::with_providers(&db, WESTSHIRE, &environment.0, noon()).await;
        let other = app.another(&db, &environment.0).await;
        let is_call = |text: &str| text.contains("OVERDUE") || text.contains("has not been in touch");
        let (mut before_all, mut after_all, mut between) = (0, 0, 0);
        let seeds = crate::support::environment("HOMEWARD_SEEDS").map_or(SEEDS, |text| text.parse().unwrap());
        for seed in 0..seeds {
            let before = sms.ledger().accepted.len();
            app.person("ann").post("/visits", json!({"place": format!("{seed} High St"), "minutes": 30})).await.is_ok();
            app.clock.advance(TimeDelta::minutes(40));
            app.app.timer.tick(app.now()).await.unwrap();
            let id = app.the_incident().await["id"].as_str().unwrap().to_owned();
            // One after the other, drawn anew for each seed.
            let turn = |of: u64| seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(u32::try_from(of).unwrap() * 16) % 60;
            let acknowledge = async {
                after_turns(turn(1) * 4).await;
                app.person("dee").post(&format!("/incidents/{id}/acknowledge"), json!({})).await.is_ok();
                sms.ledger().accepted.len()
            };
            let one = async {
                after_turns(turn(2)).await;
                app.app.outbox.deliver_due(app.now()).await.unwrap();
            };
            let two = async {
                after_turns(turn(3)).await;
                other.outbox.deliver_due(app.now()).await.unwrap();
            };
            let (taken_when_acknowledged, (), ()) = tokio::join!(acknowledge, one, two);
            match taken_when_acknowledged - before {
                0 => before_all += 1,
                2.. => after_all += 1,
                1 => between += 1,
            }
            all_work(&[&app.app, &other], app.now()).await;
            let taken = sms.ledger().accepted[before..].to_vec();
            for to in [JO, SAM] {
                let theirs: Vec<&str> = taken.iter().filter(|sms| sms.to == to).map(|sms| sms.text.as_str()).collect();
                let call = theirs.iter().rposition(|text| is_call(text));
                let told = theirs.iter().rposition(|text| !is_call(text));
                assert!(told.is_some() && call < told, "seed {seed}: whoever was called is told who has it: {theirs:?}");
                assert!(theirs.iter().filter(|text| is_call(text)).count() <= 1, "seed {seed}: {theirs:?}");
            }
            // Nothing is called for any more, until the promise lapses.
            let calm = sms.ledger().accepted.len();
            for _ in 0..12 {
                app.clock.advance(TimeDelta::minutes(1));
                all_work(&[&app.app, &other], app.now()).await;
            }
            let late: Vec<_> = sms.ledger().accepted[calm..].iter().map(|sms| sms.text.clone()).filter(|text| is_call(text)).collect();
            assert_eq!(late, [""; 0], "seed {seed}");
            let close = json!({"outcome": "safe_forgot", "known_by": "seen", "worker_now": "home", "note": "Seen."});
            app.person("dee").post(&format!("/incidents/{id}/close"), close).await.is_ok();
            all_work(&[&app.app, &other], app.now()).await;
        }
        eprintln!("taken before any call: {before_all}, between: {between}, after all: {after_all}, of {seeds}");
        app.finish().await;
    }
}
