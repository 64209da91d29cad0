//! The time that a PIN and a duress PIN take at the door (row V8). Nobody may tell them apart by it.
//!
//! Pairs: in each, one worker gives the PIN and another, who is alike, the duress PIN, one right after the other, in an order that
//! is drawn. Whatever drifts (the machine, the disk, a table that grows) drifts for both; who comes second in a pair is chance. If
//! the two cost the same, the duress PIN took longer in every second pair.
//!
//! The routes are served and nothing else runs: no timer raises an alarm meanwhile, so that each is the first of its worker. What
//! is done once the alarms are up is measured at the end.

use std::{net::SocketAddr, time::Duration};

use chrono::TimeDelta;
use homeward::{
    clock::{Clock, SystemClock, stopwatch},
    domain::ids::VisitId,
};
use tokio::net::TcpListener;

use crate::{
    Size,
    http::Connection,
    report::{Times, load, ms, progress, say},
    rig::{DURESS_PIN, Engine, PIN, Service, Told, Worker},
};

/// At each door: nobody gives the duress PIN twice.
const PAIRS: usize = 2_000;
/// So many pairs come first and are not counted.
const WARMING_UP: usize = 100;
/// 97.5 % of the normal distribution lie below so many standard deviations.
const Z: f64 = 1.96;

/// At which door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    CheckIn,
    Text,
}

impl Door {
    const ALL: [Self; 2] = [Self::CheckIn, Self::Text];

    fn name(self) -> &'static str {
        match self {
            Self::CheckIn => "`POST /visits/{id}/check-in`",
            Self::Text => "`POST /text`, `OK` and the PIN",
        }
    }
}

/// A worker and their visit.
type Visitor = (Worker, VisitId);

pub async fn measure(engine: Engine, size: Size) {
    let pairs = size.of(PAIRS) + WARMING_UP;
    let visitors = Door::ALL.len() * pairs * 2;
    let service = Service::new(engine, visitors, Told::Manager, None).await;
    let tomorrow = SystemClock.now() + TimeDelta::days(1);
    let visits = service.open_visits(&vec![tomorrow; visitors]).await;
    service.database.settle().await;
    service.database.describe().await;
    let visitors: Vec<Visitor> = service.workers.iter().cloned().zip(visits).collect();
    let mut visitors: Vec<Vec<Visitor>> = visitors.chunks_exact(2).map(<[Visitor]>::to_vec).collect();
    // Which of the two it is that gives the duress PIN is drawn too.
    visitors.iter_mut().filter(|_| coin()).for_each(|pair| pair.reverse());
    let at_doors = || Door::ALL.into_iter().zip(visitors.chunks_exact(pairs));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = service.app.routes();
    let serving = tokio::spawn(async move { axum::serve(listener, routes).await });

    say!(
        "\n{} pairs of workers, each on a visit; one connection; load average before: {}.\n",
        size.of(PAIRS),
        load()
    );
    say!(
        "| at the door | which | median | p90 | p99 | longer in | 95 % interval | median difference | 95 % interval | told apart |"
    );
    say!("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (door, visitors) in at_doors() {
        progress(format_args!("pin: {}", door.name()));
        let pairs = alternate(address, visitors, door, [PIN, DURESS_PIN]).await;
        report(door.name(), ["PIN", "duress PIN"], &pairs);
    }
    progress("pin: raising the alarms");
    while service.app.timer.tick(SystemClock.now()).await.unwrap() > 0 {}
    for (door, visitors) in at_doors() {
        progress(format_args!("pin: {}, the alarms are up", door.name()));
        let pairs = alternate(address, visitors, door, [PIN, PIN]).await;
        report(&format!("{}, afterwards", door.name()), ["PIN", "PIN, alarm up"], &pairs);
    }
    say!("\n- *Longer in*: the share of pairs in which the second of the two took longer; alike are 50 %.");
    say!(
        "- *Told apart*: 50 % lie outside the interval of that share. Of two that cost the same, one run in twenty says so by chance."
    );
    say!(
        "- *Afterwards*: the silent alarms of all who gave the duress PIN are up, and everybody gives the usual one."
    );
    say!("- Load average afterwards: {}.", load());
    serving.abort();
}

/// Lets each pair act, in an order that is drawn; how long each took.
async fn alternate(
    address: SocketAddr,
    visitors: &[Vec<Visitor>],
    door: Door,
    pins: [&str; 2],
) -> Vec<[Duration; 2]> {
    let mut connection = Connection::open(address).await.unwrap();
    let mut taken = Vec::with_capacity(visitors.len());
    for pair in visitors {
        let mut times = [Duration::ZERO; 2];
        let order = if coin() { [0, 1] } else { [1, 0] };
        for at in order {
            times[at] = act(&mut connection, &pair[at], door, pins[at]).await;
        }
        taken.push(times);
    }
    taken.split_off(WARMING_UP)
}

fn coin() -> bool {
    let mut byte = [0];
    getrandom::fill(&mut byte).unwrap();
    byte[0] < 128
}

async fn act(connection: &mut Connection, (worker, visit): &Visitor, door: Door, pin: &str) -> Duration {
    let (path, body) = match door {
        Door::CheckIn => (format!("/api/v1/visits/{visit}/check-in"), format!(r#"{{"pin":"{pin}"}}"#)),
        Door::Text => ("/api/v1/text".to_owned(), format!(r#"{{"text":"OK {pin}"}}"#)),
    };
    let watch = stopwatch();
    let (status, reply) = connection.post(&path, &worker.token, &body).await.unwrap();
    let took = watch.elapsed();
    assert!(status == 200 && !reply.contains("PIN not right"), "{status} {reply}");
    took
}

/// Two lines of the table.
fn report(door: &str, names: [&str; 2], pairs: &[[Duration; 2]]) {
    let compared = Compared::of(pairs);
    for (at, name) in names.into_iter().enumerate() {
        let times = Times::new(pairs.iter().map(|pair| pair[at]).collect());
        let result = if at == 0 { " | | | | ".to_owned() } else { compared.cells() };
        say!(
            "| {} | {name} | {} | {} | {} | {result} |",
            if at == 0 { door } else { "" },
            ms(times.median()),
            ms(times.at(900)),
            ms(times.p99()),
        );
    }
}

/// How the second of each pair compares with the first.
struct Compared {
    /// In which share of the pairs it took longer, and the interval around that.
    longer: f64,
    between: (f64, f64),
    /// The median of the differences in microseconds, and the interval around that.
    difference: f64,
    differs_between: (f64, f64),
}

impl Compared {
    /// By the sign test: of how the times are distributed it assumes nothing.
    #[expect(clippy::cast_precision_loss, reason = "some thousands of pairs")]
    fn of(pairs: &[[Duration; 2]]) -> Self {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let mut differences: Vec<f64> =
            pairs.iter().map(|[usual, silent]| micros(*silent) - micros(*usual)).collect();
        differences.sort_unstable_by(f64::total_cmp);
        let n = differences.len() as f64;
        let longer = differences.iter().filter(|difference| **difference > 0.0).count() as f64;
        let equal = differences.iter().filter(|difference| **difference == 0.0).count() as f64;
        let share = (longer + equal / 2.0) / n;
        // Wilson's interval of a share.
        let (middle, spread) = (share + Z * Z / (2.0 * n), share * (1.0 - share) / n + Z * Z / (4.0 * n * n));
        let wide = 1.0 + Z * Z / n;
        let between = ((middle - Z * spread.sqrt()) / wide, (middle + Z * spread.sqrt()) / wide);
        // The median lies between these two of the sorted differences.
        let at = |place: f64| {
            let inside = differences.iter().enumerate().take_while(|(number, _)| (*number as f64) <= place);
            inside.last().map_or(0.0, |(_, difference)| *difference)
        };
        let reach = Z * n.sqrt() / 2.0;
        Self {
            longer: share,
            between,
            difference: at(n / 2.0),
            differs_between: (at((n / 2.0 - reach).floor()), at((n / 2.0 + reach).ceil())),
        }
    }

    fn cells(&self) -> String {
        let ((least, most), (from, to)) = (self.between, self.differs_between);
        let apart = if (least..=most).contains(&0.5) { "no" } else { "**yes**" };
        format!(
            "{:.1} % | {:.1} to {:.1} % | {:+.1} µs | {from:+.1} to {to:+.1} µs | {apart}",
            self.longer * 100.0,
            least * 100.0,
            most * 100.0,
            self.difference
        )
    }
}
