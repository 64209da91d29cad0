//! What this process says of itself to the outside, and asks it: a heartbeat to a dead man's switch, and whether people reach us
//! where they were told to. What is said to people is the outbox's.

pub mod heartbeat;
pub mod reach;

use std::time::Duration;

use reqwest::{Client, redirect};

/// The outside has so long to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// TLS does not start.
#[derive(Debug, thiserror::Error)]
#[error("TLS does not start: the machine's certificates cannot be read")]
pub struct NoTls;

fn client() -> Result<Client, NoTls> {
    crate::providers::install_crypto();
    Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .user_agent(concat!("homeward/", env!("CARGO_PKG_VERSION")))
        .timeout(PATIENCE)
        .build()
        .map_err(|_| NoTls)
}
