//! The program itself, as it is installed: how soon it is ready with a million visits open, and how much memory it takes.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use homeward::clock::stopwatch;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

use crate::{
    Size, http,
    report::{Runs, judged, load, progress, say},
    rig::{Engine, KEY, Service, Told, writer_on_one_cpu},
};

/// The most memory that a program with a million open visits may take.
const MOST_MEMORY: f64 = 64.0;

pub async fn measure(engine: Engine, size: Size) {
    let open = size.of(1_000_000);
    let service = Service::new(engine, size.of(4_000), Told::Manager, None).await;
    let workers = service.open_many(open).await;
    let Service { database, app, .. } = service;
    app.site.db.close().await;
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("homeward.key");
    std::fs::write(&key, KEY).unwrap();
    say!(
        "{open} visits open. `homeward serve` is started; it is ready once `GET /readyz` says 200; then 64 connections start and"
    );
    say!(
        "end visits for {} s. Memory is VmRSS of `/proc/PID/status`, its peak VmHWM.\n",
        size.seconds(8).as_secs_f32()
    );
    say!(
        "| run | ready after | memory when ready | after the load | peak | starts and ends a second | load average |"
    );
    say!("|--:|--:|--:|--:|--:|--:|--:|");
    let (mut ready, mut peak) = (Vec::new(), Vec::new());
    for run in 1..=3 {
        progress(format_args!("process: run {run} of 3"));
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let watch = stopwatch();
        let mut child = Command::new(env!("CARGO_BIN_EXE_homeward"))
            .arg("serve")
            .env("HOMEWARD_DATABASE__URL", &database.url)
            .env("HOMEWARD_DATABASE__WRITER_ON_ONE_CPU", writer_on_one_cpu().to_string())
            .env("HOMEWARD_LISTEN__ADDRESS", address.to_string())
            .env("HOMEWARD_SECRETS__SERVER_KEY_FILE", &key)
            .env("HOMEWARD_SMS", r#"[{ name = "captured", kind = "capture" }]"#)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        while !is_ready(address).await {
            assert!(child.try_wait().unwrap().is_none(), "the service ended");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let took = watch.elapsed();
        let at_first = mebibytes(&child, "VmRSS");
        let done = http::clients(address, &workers, size.seconds(8)).await;
        let (after, most) = (mebibytes(&child, "VmRSS"), mebibytes(&child, "VmHWM"));
        child.kill().await.unwrap();
        say!(
            "| {run} | {} ms | {at_first:.1} MiB | {after:.1} MiB | {most:.1} MiB | {:.0} | {} |",
            took.as_millis(),
            done.rate(),
            load()
        );
        ready.push(took.as_secs_f64() * 1e3);
        peak.push(most);
    }
    let (ready, peak) = (Runs::of(ready), Runs::of(peak));
    say!("\n- Ready, min / median / max: {ready} ms. Bar: ≤ 1 s: {}.", judged(ready.median <= 1000.0));
    say!("- Peak, min / median / max: {peak} MiB. Bar: ≤ 64 MiB: {}.", judged(peak.max <= MOST_MEMORY));
}

async fn is_ready(address: SocketAddr) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: homeward\r\nconnection: close\r\n\r\n").await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer.starts_with(b"HTTP/1.1 200"))
    };
    asked.await.unwrap_or(false)
}

fn mebibytes(child: &Child, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id().unwrap())).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}
