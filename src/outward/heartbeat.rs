//! The heartbeat: a dead man's switch elsewhere raises somebody when it stays away. It is sent only while this process does its
//! work: its own timer had a clean round just now, and nothing due is left lying.

use std::{sync::Arc, time::Duration};

use reqwest::Client;
use tokio_util::sync::CancellationToken;

use super::NoTls;
use crate::{app::readiness::Lags, clock::Clock, config::Secret, store::Db, vitals::Vitals};

/// After a beat that could not be sent, and while this process is not well, it looks again this soon.
const AGAIN: Duration = Duration::from_secs(5);

/// Sends heartbeats.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    url: Secret,
    interval: Duration,
    client: Client,
    db: Db,
    clock: Arc<dyn Clock>,
    vitals: Arc<Vitals>,
}

impl Heartbeat {
    /// To `url`, so often.
    pub fn new(
        url: Secret,
        interval: Duration,
        db: Db,
        clock: Arc<dyn Clock>,
        vitals: Arc<Vitals>,
    ) -> Result<Self, NoTls> {
        Ok(Self { url, interval, client: super::client()?, db, clock, vitals })
    }

    /// Beats until it is told to stop. What becomes of a beat disturbs nobody else.
    pub async fn run(self, stop: CancellationToken) {
        let mut fails = false;
        loop {
            let wait = if !self.is_well().await {
                AGAIN.min(self.interval)
            } else if let Err(why) = self.beat().await {
                self.db.metrics().heartbeat("failed");
                if !fails {
                    tracing::warn!(why, "the heartbeat could not be sent; tried again, and not said again");
                }
                fails = true;
                AGAIN.min(self.interval)
            } else {
                self.db.metrics().heartbeat("sent");
                if fails {
                    tracing::info!("the heartbeat is sent again");
                }
                fails = false;
                self.interval
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn is_well(&self) -> bool {
        let now = self.clock.now();
        let lags = self.db.look(async |tx: &mut _| Lags::read(tx, now).await).await;
        // Asked last: the timer may have stopped while the database took its time.
        lags.is_ok_and(|lags| lags.are_fine()) && self.vitals.timer_is_well()
    }

    /// The address holds a secret: it is never said.
    async fn beat(&self) -> Result<(), String> {
        let answer = self.client.get(self.url.reveal()).send().await;
        let status = answer.map_err(|error| error.without_url().to_string())?.status();
        if status.is_success() { Ok(()) } else { Err(format!("it was answered {status}")) }
    }
}
