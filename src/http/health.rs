//! Alive: the process answers. Ready: it can do its work, and does: the database answers, this process's timer turns, nothing due
//! is left lying on any replica, and people reach it where they were told to.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{Site, problem};
use crate::{
    app::readiness::Lags,
    store,
    vitals::{Reach, Vitals},
};

/// The database has so long to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// A nonce is no shorter and no longer.
const NONCE: std::ops::RangeInclusive<usize> = 16..=64;

pub(super) async fn alive() -> &'static str {
    "alive\n"
}

/// Shows that whoever answers here is this installation, and nobody else: see [`crate::keys::ServerKey::proof`].
pub(super) async fn prove(State(site): State<Site>, Path(nonce): Path<String>) -> Response {
    if NONCE.contains(&nonce.len()) && nonce.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        site.key.proof(&nonce).into_response()
    } else {
        problem::Problem::of(problem::Kind::NotFound).into_response()
    }
}

/// How this process is, and the installation as far as it can see.
pub(super) struct Health {
    database: &'static str,
    pub(super) lags: Option<Lags>,
    timer_hangs: Option<Duration>,
    reach: Reach,
}

impl Health {
    pub(super) async fn of(site: &Site) -> Self {
        let looked = tokio::time::timeout(PATIENCE, look(site)).await;
        let (database, lags) = match looked {
            Ok(Ok(Some(lags))) => ("answers", Some(lags)),
            Ok(Ok(None)) => ("is not migrated: run `homeward migrate`", None),
            Ok(Err(_)) | Err(_) => ("does not answer", None),
        };
        let vitals: &Vitals = &site.vitals;
        Self { database, lags, timer_hangs: vitals.timer_hangs(), reach: vitals.reach() }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.lags.is_some_and(|lags| lags.are_fine())
            && self.timer_hangs.is_none()
            && !matches!(self.reach, Reach::Wrong(_))
    }
}

async fn look(site: &Site) -> store::Result<Option<Lags>> {
    if !site.db.is_migrated().await? {
        return Ok(None);
    }
    let mut tx = site.db.read().await?;
    Lags::read(&mut tx, site.clock.now()).await.map(Some)
}

/// What is said of it.
#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    database: &'static str,
    timer: String,
    timer_lag_seconds: Option<i64>,
    outbox_lag_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_url: Option<String>,
}

pub(super) async fn ready(State(site): State<Site>) -> impl IntoResponse {
    let health = Health::of(&site).await;
    let ready = health.is_ready();
    let readiness = Readiness {
        ready,
        database: health.database,
        timer: health.timer_hangs.map_or_else(
            || "turns".into(),
            |since| format!("hangs: it has not turned for {} s", since.as_secs()),
        ),
        timer_lag_seconds: health.lags.map(|lags| lags.timer.num_seconds()),
        outbox_lag_seconds: health.lags.map(|lags| lags.outbox.num_seconds()),
        public_url: match health.reach {
            Reach::NotSaid => None,
            Reach::Answers => Some("answers".into()),
            Reach::Wrong(wrong) => Some(wrong),
        },
    };
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}
