//! Whether `listen.public_url` leads to this installation. Texts and providers will be told that address: if it leads nowhere,
//! or to somebody else, an alarm cannot be answered and nobody would notice before there is one.

use std::{sync::Arc, time::Duration};

use reqwest::Client;
use tokio_util::sync::CancellationToken;

use super::NoTls;
use crate::{
    domain::event::hex,
    keys::ServerKey,
    vitals::{Reach, Vitals},
};

/// Until it leads here it is tried this often; from then on no more: what is between us and the outside may fail for a while
/// without this service being at fault.
const AGAIN: Duration = Duration::from_secs(5);
/// An answer is as long as this; what is longer is none of ours.
const LONGEST_ANSWER: usize = 64;

/// Why the address does not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Nobody there.
    #[error("nothing answers at {0}: check the name, the proxy, and that it forwards to listen.address")]
    NoAnswer(String),
    /// Somebody there who is not us.
    #[error(
        "what answers at {0} is not this installation ({1}): check listen.public_url, and that the proxy forwards every path to it"
    )]
    NotUs(String, String),
}

/// Looks for ourselves.
#[derive(Debug, Clone)]
pub struct Seeker {
    url: String,
    key: ServerKey,
    client: Client,
}

impl Seeker {
    /// Under this address; the key is what we know ourselves by.
    pub fn new(url: &str, key: ServerKey) -> Result<Self, NoTls> {
        Ok(Self { url: url.trim_end_matches('/').into(), key, client: super::client()? })
    }

    /// Asks, once.
    pub async fn look(&self) -> Result<(), Wrong> {
        let mut nonce = [0; 16];
        let no_answer = || Wrong::NoAnswer(self.url.clone());
        getrandom::fill(&mut nonce).map_err(|_| no_answer())?;
        let nonce = hex(&nonce);
        let not_us = |what: String| Wrong::NotUs(self.url.clone(), what);
        let request = self.client.get(format!("{}/healthz/{nonce}", self.url));
        let mut answer = request.send().await.map_err(|_| no_answer())?;
        if !answer.status().is_success() {
            return Err(not_us(answer.status().to_string()));
        }
        let mut said = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|_| no_answer())? {
            said.extend(part);
            if said.len() > LONGEST_ANSWER {
                break;
            }
        }
        if said == self.key.proof(&nonce).as_bytes() {
            Ok(())
        } else {
            Err(not_us("another service, or a Homeward with another server key".into()))
        }
    }

    /// Asks until we have answered ourselves, or until it is told to stop.
    pub async fn run(self, vitals: Arc<Vitals>, stop: CancellationToken) {
        loop {
            let found = match self.look().await {
                Ok(()) => Reach::Answers,
                Err(wrong) => Reach::Wrong(wrong.to_string()),
            };
            if let Reach::Wrong(wrong) = &found
                && vitals.reach() != found
            {
                tracing::error!(wrong, "listen.public_url does not lead here: not ready");
            }
            let done = found == Reach::Answers;
            vitals.reached(found);
            if done {
                return stop.cancelled().await;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }
}
