//! A tick that finds nothing due must cost the same however many visits are open.

use std::sync::Arc;

use homeward::{
    app::tick,
    clock::{Clock, SystemClock, stopwatch},
    domain::policy::Policy,
    store::{Lane, Tx},
};

use crate::{
    Size,
    report::{Times, judged, load, ms, progress, say},
    rig::{Engine, Service, Told},
};

const WORKERS: usize = 2_000;
/// The sizes take turns, so that both see the same machine.
const TURNS: usize = 20;

pub async fn measure(engine: Engine, size: Size) {
    let (few, many, ticks) = (size.of(10_000), size.of(1_000_000), size.of(2_000));
    let before = load();
    let mut services = Vec::new();
    for open in [few, many] {
        let service = Service::new(engine, size.of(WORKERS), Told::Manager, None).await;
        service.open_many(open).await;
        services.push((open, service, Vec::new(), Vec::new()));
    }
    services[0].1.database.describe().await;
    for turn in 0..TURNS {
        progress(format_args!("tick: turn {} of {TURNS}", turn + 1));
        for (_, service, ticked, looked) in &mut services {
            for _ in 0..ticks / TURNS {
                let watch = stopwatch();
                one_tick(service).await;
                ticked.push(watch.elapsed());
                let watch = stopwatch();
                let mut tx = service.app.site.db.read().await.unwrap();
                tick::next_due(&mut tx).await.unwrap();
                looked.push(watch.elapsed());
            }
        }
    }
    say!("\n{ticks} ticks at each size, in {TURNS} turns. Load average before {before}, after {}.\n", load());
    say!("| open visits | tick: median | p99 | max | look for the next deadline: median | p99 |");
    say!("|--:|--:|--:|--:|--:|--:|");
    let mut medians = Vec::new();
    for (open, service, ticked, looked) in services {
        let (ticked, looked) = (Times::new(ticked), Times::new(looked));
        say!(
            "| {open} | {} | {} | {} | {} | {} |",
            ms(ticked.median()),
            ms(ticked.p99()),
            ms(ticked.max()),
            ms(looked.median()),
            ms(looked.p99())
        );
        medians.push(ticked.median());
        service.app.site.db.close().await;
    }
    let (few_cost, many_cost) = (medians[0], medians[1]);
    let ratio = many_cost.as_secs_f64() / few_cost.as_secs_f64();
    say!(
        "\n- Bar: a tick at {many} open ≤ 0.5 ms: {} — {}.",
        ms(many_cost),
        judged(many_cost.as_micros() <= 500)
    );
    say!("- Bar: ≤ 1.2 × the cost at {few}: {ratio:.2} — {}.", judged(ratio <= 1.2));
}

async fn one_tick(service: &Service) {
    let (house, outage, now) =
        (Arc::clone(&service.app.site.house), Policy::default().outage, SystemClock.now());
    let case = async move |tx: &mut Tx| tick::tick(tx, &house, outage, 500, now).await;
    let ticked = service.app.site.db.write_in(Lane::Urgent, case).await.unwrap();
    assert_eq!(ticked.worked, 0, "something was due");
}
