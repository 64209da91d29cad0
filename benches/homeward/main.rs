//! Where the performance claims come from. `cargo bench` measures every part on both databases and writes a report in
//! Markdown to standard output; `cargo bench -- tick` measures one part, `sqlite` or `postgres`
//! one database, `--quick` a tenth, to see that it works.
//! Nothing here fails because it is slow: it measures. Whoever reads the report compares it with the bars in it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a rig that does not work has to end the run")]
#![expect(unreachable_pub, reason = "nothing outside reaches into a bench; `pub` says what a module offers")]

mod alerts;
mod http;
mod pin;
mod process;
mod raw;
mod report;
mod rig;
mod tick;
mod year;

use crate::{report::say, rig::Engine};

/// How much of everything.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    quick: bool,
}

impl Size {
    /// The number, or a tenth of it.
    pub fn of(self, whole: usize) -> usize {
        if self.quick { whole / 10 } else { whole }
    }

    /// Seconds, or a tenth of them.
    pub fn seconds(self, whole: u32) -> std::time::Duration {
        std::time::Duration::from_secs(1) * whole / if self.quick { 10 } else { 1 }
    }
}

const PARTS: [&str; 8] = ["http", "slow", "pin", "tick", "burst", "lone", "process", "year"];
/// `--bench` is what cargo says.
const OTHERS: [&str; 4] = ["sqlite", "postgres", "--quick", "--bench"];

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let known = |argument: &String| PARTS.iter().chain(&OTHERS).any(|known| known == argument);
    if let Some(unknown) = arguments.iter().find(|argument| !known(argument)) {
        panic!("there is no {unknown}: say any of {PARTS:?}, sqlite or postgres, --quick");
    }
    let asked = |word: &str| arguments.iter().any(|argument| argument == word);
    let all = !PARTS.into_iter().any(asked);
    let size = Size { quick: asked("--quick") };
    report::machine(size.quick);
    for part in PARTS.into_iter().filter(|part| all || asked(part)) {
        let one_engine = asked("sqlite") || asked("postgres");
        for engine in [Engine::Sqlite, Engine::Postgres] {
            if one_engine && !asked(engine.word()) {
                continue;
            }
            if engine == Engine::Postgres && !rig::has_postgres().await {
                say!("\nPostgreSQL: not measured, for there is none here.");
                continue;
            }
            say!("\n## {part}, {}\n", engine.name());
            say!("`cargo bench -- {part}{}`\n", if size.quick { " --quick" } else { "" });
            match part {
                "http" => http::measure(engine, size).await,
                "slow" => http::slow(engine, size).await,
                "pin" => pin::measure(engine, size).await,
                "process" => process::measure(engine, size).await,
                "tick" => tick::measure(engine, size).await,
                "year" => year::measure(engine, size).await,
                "burst" => alerts::burst(engine, size).await,
                _ => alerts::lone(engine, size).await,
            }
        }
    }
}
