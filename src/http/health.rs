//! Alive: the process answers. Ready: it can do its work, and does: the database answers, nothing due is left lying.

use std::time::Duration;

use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use chrono::TimeDelta;
use serde::Serialize;

use super::Site;
use crate::{
    app::tick,
    clock::Time,
    store::{self, installation, outbox},
};

/// A deadline that has been due for longer means that no timer works.
const TIMER_LAG: TimeDelta = TimeDelta::seconds(10);
/// A message that has been due for longer means that no outbox works.
const OUTBOX_LAG: TimeDelta = TimeDelta::seconds(60);
/// Rounds of the timer are marked more often than this, on some replica, even when nothing is due.
const ROUND_LAG: TimeDelta = TimeDelta::seconds(60);
/// The database has so long to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// What was found.
#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    database: &'static str,
    timer_lag_seconds: Option<i64>,
    outbox_lag_seconds: Option<i64>,
}

pub(super) async fn alive() -> &'static str {
    "alive\n"
}

pub(super) async fn ready(State(site): State<Site>) -> impl IntoResponse {
    let looked = tokio::time::timeout(PATIENCE, look(&site)).await;
    let readiness = match looked {
        Ok(Ok(readiness)) => readiness,
        Ok(Err(_)) | Err(_) => Readiness {
            ready: false,
            database: "does not answer",
            timer_lag_seconds: None,
            outbox_lag_seconds: None,
        },
    };
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

async fn look(site: &Site) -> store::Result<Readiness> {
    if !site.db.is_migrated().await? {
        return Ok(Readiness {
            ready: false,
            database: "is not migrated: run `homeward migrate`",
            timer_lag_seconds: None,
            outbox_lag_seconds: None,
        });
    }
    let mut tx = site.db.read().await?;
    let now = site.clock.now();
    let lag = |due: Option<Time>| due.map_or(TimeDelta::zero(), |due| (now - due).max(TimeDelta::zero()));
    let last_round = installation::last_round(&mut tx).await?;
    let round = last_round.map_or(TimeDelta::MAX, |last| now - last);
    let timer = lag(tick::next_due(&mut tx).await?);
    let outbox = lag(outbox::next_due_any_org(&mut tx).await?);
    Ok(Readiness {
        ready: timer <= TIMER_LAG && outbox <= OUTBOX_LAG && round <= ROUND_LAG,
        database: "answers",
        timer_lag_seconds: Some(timer.num_seconds()),
        outbox_lag_seconds: Some(outbox.num_seconds()),
    })
}
