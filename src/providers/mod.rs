//! What takes messages off our hands: one file and one line of [`Provider`] each. Only `outbox` calls them.
//!
//! A provider says what came of a message ([`Handed`]) and keeps nothing. What it says never holds an address, a word of
//! a message or a secret: it goes to the log and to the operator.

pub mod capture;
pub mod email;
pub mod event_webhook;
pub mod sms_webhook;
pub mod twilio;
pub mod govuk_notify;
pub mod inbound;
mod standard_webhooks;
mod web;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use self::inbound::{Incoming, NotTaken, PollFailed, Polled, Received, Thanks};
use crate::{
    clock::Time,
    config::{Complaint, Config, Kind, ProviderConfig},
    domain::{
        contact::Channel,
        ids::MessageId,
        policy::written,
        retry::{Before, Handed},
    },
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
    /// The page that a mail leads to.
    pub page: Option<&'m str>,
    /// What has become of it before this try.
    pub before: Before,
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
    /// Twilio's Messages API.
    Twilio(twilio::Twilio),
    /// GOV.UK Notify.
    GovukNotify(govuk_notify::GovukNotify),
    /// Sends nothing.
    Capture(Arc<capture::Capture>),
}

impl Provider {
    fn connect(settings: &ProviderConfig, public_url: Option<&str>) -> Result<Self, Complaint> {
        Ok(match &settings.kind {
            Kind::Smtp(smtp) => Self::Smtp(email::Smtp::new(smtp)?),
            Kind::Webhook(webhook) => Self::SmsWebhook(sms_webhook::SmsWebhook::new(webhook)?),
            Kind::Twilio(twilio) => Self::Twilio(twilio::Twilio::new(twilio, &settings.name, public_url)?),
            Kind::GovukNotify(notify) => Self::GovukNotify(govuk_notify::GovukNotify::new(notify)?),
            Kind::Capture => Self::Capture(Arc::default()),
        })
    }

    async fn send(&self, message: &Outgoing<'_>) -> Handed {
        match self {
            Self::Smtp(smtp) => smtp.send(message).await,
            Self::SmsWebhook(webhook) => webhook.send(message).await,
            Self::Twilio(twilio) => twilio.send(message).await,
            Self::GovukNotify(notify) => notify.send(message).await,
            Self::Capture(capture) => capture.send(message),
        }
    }

    /// What it is called in the address that it sends texts to, `/inbound/sms/{kind}`, if it sends any.
    pub fn inbound_kind(&self) -> Option<&'static str> {
        match self {
            Self::SmsWebhook(_) => Some("webhook"),
            Self::Twilio(_) => Some("twilio"),
            Self::GovukNotify(_) => Some("govuk-notify"),
            Self::Smtp(_) | Self::Capture(_) => None,
        }
    }

    /// Whether the names that it has for texts may come again for others: anybody may have written it, or set it up anew.
    pub fn may_count_anew(&self) -> bool {
        matches!(self, Self::SmsWebhook(_))
    }

    /// Whether it will say what becomes of a message that it has taken.
    pub fn gives_receipts(&self) -> bool {
        match self {
            Self::SmsWebhook(webhook) => webhook.gives_receipts(),
            Self::Twilio(twilio) => twilio.gives_receipts(),
            Self::GovukNotify(notify) => notify.gives_receipts(),
            Self::Capture(capture) => capture.gives_receipts(),
            Self::Smtp(_) => false,
        }
    }

    /// Checks that a request is this provider's, and reads it: a text or a receipt, whichever address it came to.
    pub fn verify_and_read(&self, request: &Incoming<'_>) -> Result<Received, NotTaken> {
        match self {
            Self::SmsWebhook(webhook) => webhook.read(request),
            Self::Twilio(twilio) => twilio.read(request),
            Self::GovukNotify(notify) => notify.read(request),
            Self::Smtp(_) | Self::Capture(_) => Err(NotTaken::Forged("this provider sends nothing here")),
        }
    }

    /// What it wants to hear once its request is kept.
    pub fn thanks(&self) -> Thanks {
        match self {
            Self::Twilio(_) => twilio::Twilio::THANKS,
            _ => Thanks { content_type: "application/json", body: "{}" },
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
    fn connect(settings: &ProviderConfig, public_url: Option<&str>) -> Result<Self, Complaint> {
        let provider = Provider::connect(settings, public_url)?;
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

    /// The texts that came in lately, of a provider that is asked for them; nothing of one that only tells of them itself.
    pub async fn poll_texts(&self, now: Time) -> Result<Polled, PollFailed> {
        match &self.provider {
            Provider::GovukNotify(notify) => {
                let poll = tokio::time::timeout(self.timeout, notify.poll(now));
                poll.await.unwrap_or(Err(PollFailed::NoAnswer))
            }
            _ => Ok(Polled::default()),
        }
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
        let public_url = config.listen.public_url.as_deref();
        let list = |key: &str, list: &[ProviderConfig]| {
            let one = |(at, settings): (usize, &ProviderConfig)| {
                Entry::connect(settings, public_url)
                    .map(Arc::new)
                    .map_err(|wrong| wrong.under(&format!("{key}[{at}]")))
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

    /// The providers of texts whose texts come to `/inbound/sms/{kind}`. Of several the one is meant that knows a request for
    /// its own.
    pub fn inbound(&self, kind: &str) -> impl Iterator<Item = &Arc<Entry>> {
        self.sms.iter().filter(move |entry| entry.provider.inbound_kind() == Some(kind))
    }

    /// The provider of this name, whatever its channel: whose receipts come to `/receipts/{name}`.
    pub fn named(&self, name: &str) -> Option<&Arc<Entry>> {
        self.sms.iter().chain(&self.email).find(|entry| entry.name == name)
    }
}

/// Chooses the cryptography for TLS; called again it does nothing.
pub fn install_crypto() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // It fails only if another thread was quicker, with the same choice.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
