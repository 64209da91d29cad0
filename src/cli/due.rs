//! `simulate due`: why a visit is due when, as text. Nothing is changed.

use std::process::ExitCode;

use anyhow::bail;
use homeward::{app::due, config::Config, store::people};

use super::{now, open, organisation_of, say};

/// `homeward simulate due`.
pub(super) async fn explain(
    config: &Config,
    reference: &str,
    organisation: Option<&str>,
) -> anyhow::Result<ExitCode> {
    let db = open(config).await?;
    let organisation = organisation_of(&db, organisation).await?;
    let now = now(&db).await?;
    let mut tx = db.read().await?;
    let Some(item) = due::explain(&mut tx, organisation, reference, now).await? else {
        bail!(
            "there is no case “{reference}”, or no rules are in force: see [due] of the organisation's file"
        );
    };
    let directory = people::directory(&mut tx, organisation).await?;
    drop(tx);
    let whose = item.case.worker.map_or("nobody's yet", |worker| directory.name_of(worker));
    say(format!("{}: {} on {}; case of {whose}", item.case.reference, item.bucket().as_str(), item.today))?;
    for line in &item.standing.lines {
        let by = line.by.day().map_or_else(|| "now".to_owned(), |day| day.to_string());
        say(format!("  due {by}, rule {}: {}", line.rule, line.why(&item.case.facts.supervision.pauses)))?;
    }
    for cannot in &item.standing.cannot {
        say(format!("  CANNOT BE COMPUTED: {cannot}"))?;
    }
    if let Some(pause) = &item.standing.paused {
        say(format!("  paused since {}: {}", pause.from, pause.why.as_str()))?;
    }
    let facts = &item.case.facts;
    match facts.last_seen() {
        Some(seen) => say(format!("  last seen {}", seen.on))?,
        None => say("  not seen yet")?,
    }
    for tried in facts.tried_since() {
        say(format!("  tried {}: {}, which does not count", tried.on, tried.outcome.as_str()))?;
    }
    for planned in &item.planned {
        let who = directory.name_of(planned.worker_id);
        say(format!(
            "  planned {} by {who}",
            planned.expected_arrival.with_timezone(&directory.zone).format("%Y-%m-%d %H:%M")
        ))?;
    }
    db.close().await;
    Ok(ExitCode::SUCCESS)
}
