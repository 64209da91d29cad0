//! Starts and check-outs over HTTP, durable, through 64 keep-alive connections; beside it, in the same run and on the same
//! database, what the machine can write at all.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use homeward::{
    clock::{Stopwatch, stopwatch},
    shutdown::{Ended, Shutdown},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use crate::{
    Size,
    raw::{self, Sample},
    report::{Runs, Times, judged, load, ms, progress, say},
    rig::{Engine, PIN, Service, Told, Worker},
};

const CLIENTS: usize = 64;
const START: &str =
    r#"{"purpose":"Home visit","place":"12 High Street, Westbury","case_reference":"WB-20417","minutes":30}"#;

/// Runs the whole service; where it is served, and how to end it.
pub async fn serve(service: &Service) -> (SocketAddr, Shutdown, JoinHandle<Ended>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = Shutdown::default();
    let app = &service.app;
    let routes = app.routes();
    let running = app.clone();
    let serving = tokio::spawn(running.run(listener, routes, shutdown.clone()));
    (address, shutdown, serving)
}

/// The same where each commit takes 5 ms.
pub async fn slow(engine: Engine, size: Size) {
    const SLOW: Duration = Duration::from_millis(5);
    let service = Service::on_a_slow_disk(engine, size.of(2_000), SLOW).await;
    let (address, shutdown, serving) = serve(&service).await;
    progress("slow: warming up");
    clients(address, &service.workers, size.seconds(2)).await;
    say!(
        "{}\n",
        match engine {
            Engine::Sqlite => "A commit hook of SQLite's sleeps 5 ms in the writer before each commit.",
            Engine::Postgres =>
                "`commit_delay = 5000`, `commit_siblings = 0`: PostgreSQL sleeps 5 ms before it writes what is to be committed.",
        }
    );
    say!(
        "| run | starts and ends a second | start: median | p99 | check-out: median | p99 | refused | load average |"
    );
    say!("|--:|--:|--:|--:|--:|--:|--:|--:|");
    let mut rates = Vec::new();
    for run in 1..=3 {
        progress(format_args!("slow: run {run} of 3"));
        let done = clients(address, &service.workers, size.seconds(8)).await;
        say!(
            "| {run} | {:.0} | {} | {} | {} | {} | {} | {} |",
            done.rate(),
            ms(done.starts.median()),
            ms(done.starts.p99()),
            ms(done.ends.median()),
            ms(done.ends.p99()),
            done.refused,
            load()
        );
        rates.push(done.rate());
    }
    let rates = Runs::of(rates);
    say!("\n- Min / median / max: {rates}. Bar: ≥ 2,000 a second: {}.", judged(rates.median >= 2000.0));
    shutdown.ask();
    serving.await.unwrap();
}

pub async fn measure(engine: Engine, size: Size) {
    let service = Service::new(engine, size.of(2_000), Told::Manager, None).await;
    service.database.describe().await;
    let (address, shutdown, serving) = serve(&service).await;

    progress("http: warming up");
    clients(address, &service.workers, size.seconds(2)).await;
    let sample = Arc::new(Sample::take(&service).await);
    let mut runs = Vec::new();
    for run in 1..=3 {
        progress(format_args!("http: run {run} of 3"));
        let (singly, together) = match engine {
            Engine::Sqlite => (
                raw::one_connection(&sample, &service, 1, size.seconds(4)).await,
                raw::one_connection(&sample, &service, 32, size.seconds(4)).await,
            ),
            Engine::Postgres => (raw::all_connections(&sample, &service, size.seconds(4)).await, 0.0),
        };
        let before = raw::ended(&service).await;
        let done = clients(address, &service.workers, size.seconds(8)).await;
        let kept = raw::ended(&service).await - before;
        runs.push(Run { singly, together, done, kept, load: load() });
    }
    shutdown.ask();
    serving.await.unwrap();
    report(engine, &service, &sample, &runs);
}

struct Run {
    singly: f64,
    together: f64,
    done: Done,
    kept: i64,
    load: String,
}

fn report(engine: Engine, service: &Service, sample: &Sample, runs: &[Run]) {
    say!(
        "\n{} workers in one organisation, {CLIENTS} keep-alive connections, each: `POST /visits`, then its check-out with the PIN.",
        service.workers.len()
    );
    say!("Rates are starts and ends a second. The raw loop writes the same rows ({}).\n", sample.describe());
    let raw = match engine {
        Engine::Sqlite => ["raw, one by one", "raw, 32 in a transaction"],
        Engine::Postgres => ["raw, 16 connections", "—"],
    };
    say!(
        "| run | HTTP | {} | {} | start: median | p99 | max | check-out: median | p99 | max | refused | ends answered / kept | load average |",
        raw[0],
        raw[1]
    );
    say!("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (number, Run { singly, together, done, kept, load }) in (1..).zip(runs) {
        say!(
            "| {number} | {:.0} | {singly:.0} | {together:.0} | {} | {} | {} | {} | {} | {} | {} | {} / {kept} | {load} |",
            done.rate(),
            ms(done.starts.median()),
            ms(done.starts.p99()),
            ms(done.starts.max()),
            ms(done.ends.median()),
            ms(done.ends.p99()),
            ms(done.ends.max()),
            done.refused,
            done.ends.len()
        );
    }
    let over = |of: fn(&Run) -> f64| Runs::of(runs.iter().map(of).collect());
    let http = over(|run| run.done.rate());
    let (singly, together) = (over(|run| run.singly), over(|run| run.together));
    let p99 = over(|run| run.done.starts.p99().max(run.done.ends.p99()).as_secs_f64() * 1e3);
    say!("\n- Starts and ends a second over HTTP, min / median / max: {http}; {}: {singly}.", raw[0]);
    let ratio = |bar: f64, limit: Runs, name: &str| {
        let ratio = http.median / limit.median;
        say!("- Bar: ≥ {bar} × {name}: {ratio:.2} — {}.", judged(ratio >= bar));
    };
    match engine {
        Engine::Sqlite => {
            say!("- {}: {together}.", raw[1]);
            ratio(1.5, singly, raw[0]);
            ratio(0.5, together, raw[1]);
        }
        Engine::Postgres => ratio(0.6, singly, raw[0]),
    }
    say!("- Bar: p99 ≤ 25 ms, the slower of both: {:.1} ms — {}.", p99.median, judged(p99.median <= 25.0));
}

/// What all clients together did.
pub struct Done {
    pub starts: Times,
    pub ends: Times,
    refused: usize,
    elapsed: Duration,
}

impl Done {
    /// Starts and ends a second.
    pub fn rate(&self) -> f64 {
        raw::rate(self.starts.len() + self.ends.len(), self.elapsed)
    }
}

/// Lets the clients start and end visits for so long.
pub async fn clients(address: SocketAddr, workers: &[Worker], length: Duration) -> Done {
    let mut clients = JoinSet::new();
    let mut connections = Vec::new();
    for first in 0..CLIENTS {
        let own: Vec<Worker> = workers.iter().skip(first).step_by(CLIENTS).cloned().collect();
        connections.push((Connection::open(address).await.unwrap(), own));
    }
    let watch = stopwatch();
    for (connection, workers) in connections {
        clients.spawn(client(connection, workers, watch, length));
    }
    let (mut starts, mut ends, mut refused) = (Vec::new(), Vec::new(), 0);
    for (started, ended, not) in clients.join_all().await {
        starts.extend(started);
        ends.extend(ended);
        refused += not;
    }
    Done { starts: Times::new(starts), ends: Times::new(ends), refused, elapsed: watch.elapsed() }
}

async fn client(
    mut connection: Connection,
    workers: Vec<Worker>,
    watch: Stopwatch,
    length: Duration,
) -> (Vec<Duration>, Vec<Duration>, usize) {
    let check_out = format!(r#"{{"pin":"{PIN}"}}"#);
    let (mut starts, mut ends, mut refused) = (Vec::new(), Vec::new(), 0);
    for worker in workers.iter().cycle() {
        if watch.elapsed() >= length {
            break;
        }
        let one = stopwatch();
        let (status, reply) = connection.post("/api/v1/visits", &worker.token, START).await.unwrap();
        if status != 201 {
            refused += 1;
            continue;
        }
        starts.push(one.elapsed());
        let id = reply.split(r#""id":""#).nth(1).and_then(|rest| rest.get(..36)).unwrap();
        let path = format!("/api/v1/visits/{id}/check-out");
        let one = stopwatch();
        let (status, _) = connection.post(&path, &worker.token, &check_out).await.unwrap();
        if status == 200 {
            ends.push(one.elapsed());
        } else {
            refused += 1;
        }
    }
    (starts, ends, refused)
}

/// As little HTTP/1.1 as will do: the client shares the cores with the service, and takes as few of them as it can.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// The status and body of the answer.
    pub async fn post(&mut self, path: &str, token: &str, body: &str) -> io::Result<(u16, &str)> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: homeward\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let Some(head) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let length = content_length(&self.buffer[..head]).ok_or(io::ErrorKind::InvalidData)?;
            if self.buffer.len() < head + 4 + length {
                continue;
            }
            let text = std::str::from_utf8(&self.buffer).map_err(|_| io::ErrorKind::InvalidData)?;
            let status = text.get(9..12).and_then(|status| status.parse().ok());
            return Ok((status.ok_or(io::ErrorKind::InvalidData)?, &text[head + 4..]));
        }
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    std::str::from_utf8(head).ok()?.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    })
}
