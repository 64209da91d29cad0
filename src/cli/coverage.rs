//! `coverage` and `simulate ladder`: who would be told about whom, as text. Nobody is told anything.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use homeward::{
    app::coverage::{self, Known, Whom},
    clock::{Clock, SystemClock, Time},
    config::Config,
    domain::{
        contact::Channel,
        incident::Kind,
        ladder::Recipient,
        local_time,
        people::Directory,
        policy::written,
        simulation::{self, Question},
        visit::Risk,
    },
};

use super::{open, organisation_of, say};

/// What `simulate ladder` is asked.
pub(super) struct Asked {
    pub(super) worker: String,
    pub(super) risk: Risk,
    pub(super) kind: Kind,
    pub(super) due: Option<String>,
    pub(super) rounds: usize,
}

/// The risk of that word; clap has refused others.
pub(super) fn risk(word: &str) -> Risk {
    if word == Risk::High.as_str() { Risk::High } else { Risk::Normal }
}

/// The kind of that word; clap has refused others.
pub(super) fn kind(word: &str) -> Kind {
    [Kind::Sos, Kind::Duress].into_iter().find(|kind| kind.as_str() == word).unwrap_or(Kind::Overdue)
}

async fn known(config: &Config, whom: &Whom, organisation: Option<&str>) -> anyhow::Result<Known> {
    let db = open(config).await?;
    let organisation = organisation_of(&db, organisation).await?;
    let known = coverage::known(&mut db.read().await?, organisation, whom).await?;
    db.close().await;
    match known {
        Ok(known) => Ok(known),
        Err(rejected) => match whom {
            Whom::Worker(worker) => bail!("there is nobody with the key “{worker}”"),
            Whom::Team(_) => bail!("{rejected}"),
        },
    }
}

fn time(said: Option<&str>, directory: &Directory) -> anyhow::Result<Time> {
    let Some(said) = said else { return Ok(SystemClock.now()) };
    local_time::read(said, directory.zone).with_context(|| {
        format!("“{said}” is no time: say it as 2026-12-25T21:40, or with an offset such as Z")
    })
}

/// `homeward coverage`.
pub(super) async fn show(
    config: &Config,
    whom: &Whom,
    at: Option<&str>,
    organisation: Option<&str>,
) -> anyhow::Result<ExitCode> {
    let known = known(config, whom, organisation).await?;
    let at = time(at, &known.directory)?;
    let mut gaps = 0;
    for worker in known.workers() {
        let coverage = known.coverage(worker, at);
        say(&worker.name)?;
        for (version, covered) in &coverage.ladders {
            let version = version.map_or_else(|| "none".into(), |version| version.to_string());
            say(format!("  {} risk, ladder version {version}", covered.risk.as_str()))?;
            for told in &covered.told {
                let after = written::format(told.after.to_std().unwrap_or_default());
                let who = called(&told.to, &told.by, &known.directory);
                say(format!("    after {after}, step {}: {who}", told.step))?;
            }
            for gap in &covered.gaps {
                say(format!("    GAP: {gap}"))?;
            }
            gaps += covered.gaps.len();
        }
        for gap in &coverage.gaps {
            say(format!("  GAP: {gap}"))?;
        }
        gaps += coverage.gaps.len();
    }
    say(format!("gaps: {gaps}; workers: {}", known.workers.len()))?;
    Ok(ExitCode::SUCCESS)
}

/// `homeward simulate ladder`.
pub(super) async fn simulate(
    config: &Config,
    asked: Asked,
    organisation: Option<&str>,
) -> anyhow::Result<ExitCode> {
    let Asked { worker, risk, kind, due, rounds } = asked;
    let known = known(config, &Whom::Worker(worker), organisation).await?;
    let directory = &known.directory;
    let at = time(due.as_deref(), directory)?;
    let time = |then| local_time::written(then, at, directory.zone);
    let question = Question { kind, risk, at };
    for person in known.workers() {
        let Some(version) = known.ladder(person, risk) else {
            bail!("there is no ladder for this worker: apply the organisation's file again");
        };
        let what = match kind {
            Kind::Overdue => "is due out",
            Kind::Sos => "calls for help",
            Kind::Duress => "gives a silent alarm",
        };
        say(format!(
            "{} {what} {}, {} risk; ladder version {}.",
            person.name,
            time(at),
            risk.as_str(),
            version.version
        ))?;
        for reminder in simulation::reminders(person, directory, question) {
            say(format!("{}  reminder to {}", time(reminder), person.name))?;
        }
        for round in simulation::rounds(person, &version.ladder, directory, question).take(rounds) {
            for step in &round.skipped {
                say(format!("{}  step {step} reaches nobody: skipped", time(round.at)))?;
            }
            let calls: Vec<_> =
                round.calls.iter().map(|call| called(&call.to, &call.by, directory)).collect();
            let line = format!("step {} round {}: {}", round.step, round.round, calls.join("; "));
            say(format!("{}  {line}", time(round.at)))?;
        }
        let every = match kind {
            Kind::Overdue => version.ladder.repeat_every,
            Kind::Sos | Kind::Duress => directory.policy(person.team).sos_pace,
        };
        say(format!("… and so on every {} until somebody takes it.", written::format(every)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn called(to: &Recipient, by: &[Channel], directory: &Directory) -> String {
    let who = match to {
        Recipient::Person(id) => directory.name_of(*id).to_owned(),
        Recipient::LastResort(phone) => format!("last resort {}", phone.as_str()),
    };
    let by: Vec<&str> = by.iter().map(|channel| channel.as_str()).collect();
    format!("{who} ({})", by.join(", "))
}
