//! What takes messages off our hands: one file and one line of [`Provider`] each. Only `outbox` calls them.
//!
//! A provider says what came of a message ([`Handed`]) and keeps nothing. What it says never holds an address, a word of
//! a message or a secret: it goes to the log and to the operator.

pub mod capture;
pub mod email;
pub mod sms_webhook;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use crate::{
    clock::Time,
    config::{Complaint, Config, Kind, ProviderConfig},
    domain::{contact::Channel, ids::MessageId, policy::written, retry::Handed},
};

/// A message on its way out.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'m> {
    /// Our name for it: the same for every try, so that a receiver can tell a repeat.
    pub id: MessageId,
    /// How it goes.
    pub channel: Channel,
    /// A number in E.164 form or a mail address.
    pub address: &'m str,
    /// The subject, where the channel has one.
    pub subject: &'m str,
    /// The text.
    pub body: &'m str,
    /// When this try is made.
    pub now: Time,
}

/// What a message can be handed to.
#[derive(Debug)]
pub enum Provider {
    /// A mail server.
    Smtp(email::Smtp),
    /// An SMS gateway that takes signed POSTs.
    SmsWebhook(sms_webhook::SmsWebhook),
    /// Sends nothing.
    Capture(Arc<capture::Capture>),
}

impl Provider {
    fn connect(kind: &Kind) -> Result<Self, Complaint> {
        Ok(match kind {
            Kind::Smtp(settings) => Self::Smtp(email::Smtp::new(settings)?),
            Kind::Webhook(settings) => Self::SmsWebhook(sms_webhook::SmsWebhook::new(settings)?),
            Kind::Capture => Self::Capture(Arc::default()),
        })
    }

    async fn send(&self, message: &Outgoing<'_>) -> Handed {
        match self {
            Self::Smtp(smtp) => smtp.send(message).await,
            Self::SmsWebhook(webhook) => webhook.send(message).await,
            Self::Capture(capture) => capture.send(message),
        }
    }
}

/// A provider under the operator's name for it.
#[derive(Debug)]
pub struct Entry {
    name: String,
    timeout: Duration,
    provider: Provider,
}

impl Entry {
    fn connect(settings: &ProviderConfig) -> Result<Self, Complaint> {
        let provider = Provider::connect(&settings.kind)?;
        Ok(Self { name: settings.name.clone(), timeout: settings.timeout, provider })
    }

    /// The operator's name for it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The longest that it may take to answer.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The provider itself.
    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    /// Hands `message` over. Always ends within the time-out; then it may have been accepted all the same.
    pub async fn send(&self, message: &Outgoing<'_>) -> Handed {
        tokio::time::timeout(self.timeout, self.provider.send(message)).await.unwrap_or_else(|_| {
            Handed::TryAgain { reason: format!("no answer within {}", written::format(self.timeout)) }
        })
    }
}

/// The providers of every channel, in the order they are tried.
#[derive(Debug, Clone)]
pub struct Providers {
    sms: Vec<Arc<Entry>>,
    email: Vec<Arc<Entry>>,
}

impl Providers {
    /// Makes what the settings name. Nothing is connected to before the first message.
    pub fn from_config(config: &Config) -> Result<Self, Complaint> {
        let list = |key: &str, list: &[ProviderConfig]| {
            let one = |(at, settings): (usize, &ProviderConfig)| {
                Entry::connect(settings).map(Arc::new).map_err(|wrong| wrong.under(&format!("{key}[{at}]")))
            };
            list.iter().enumerate().map(one).collect::<Result<Vec<_>, _>>()
        };
        install_crypto();
        Ok(Self { sms: list("sms", &config.sms)?, email: list("email", &config.email)? })
    }

    /// A provider for every channel that sends nothing.
    pub fn captured() -> Self {
        let capture = |name: &str| [(name.to_owned(), capture::Capture::default())];
        Self::capturing(capture("captured-sms"), capture("captured-email"))
    }

    /// Providers that send nothing, under these names, in the order they are tried. Whoever keeps one can let it fail.
    pub fn capturing<C: Into<Arc<capture::Capture>>>(
        sms: impl IntoIterator<Item = (String, C)>,
        email: impl IntoIterator<Item = (String, C)>,
    ) -> Self {
        let entry = |(name, capture): (String, C)| {
            let provider = Provider::Capture(capture.into());
            Arc::new(Entry { name, timeout: Duration::from_secs(1), provider })
        };
        Self { sms: sms.into_iter().map(entry).collect(), email: email.into_iter().map(entry).collect() }
    }

    /// The providers of `channel`, in the order they are tried.
    pub fn for_channel(&self, channel: Channel) -> &[Arc<Entry>] {
        match channel {
            Channel::Sms => &self.sms,
            Channel::Email => &self.email,
        }
    }
}

/// Chooses the cryptography for TLS; called again it does nothing.
pub fn install_crypto() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // It fails only if another thread was quicker, with the same choice.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
