//! The command line.

mod cli;

use std::{collections::BTreeMap, io::Write as _, process::ExitCode};

use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    let mut environment: BTreeMap<String, String> = std::env::vars().collect();
    homeward::kill_points::choose(&mut environment);
    match cli::run(cli::Arguments::parse(), environment).await {
        Ok(code) => code,
        Err(error) => {
            // Nobody is left to tell if standard error is gone.
            let _gone = writeln!(std::io::stderr(), "homeward: {error:#}");
            ExitCode::FAILURE
        }
    }
}
