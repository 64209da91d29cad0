//! An entry of `[[sms]]` or `[[email]]` with `kind = "govuk_notify"`.

use std::path::PathBuf;

use serde::Deserialize;
use uuid::Uuid;

use super::{
    Complaint,
    provider::bad_url,
    secret::{Place, Secret, both_valid},
};

/// Notify itself takes no shorter token for its callbacks.
const SHORTEST_TOKEN: usize = 10;
/// A UUID in writing.
const UUID: usize = 36;

/// A service at GOV.UK Notify.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GovukNotify {
    api_key: Option<Secret>,
    api_key_file: Option<PathBuf>,
    #[serde(default)]
    template_id: String,
    sender_id: Option<String>,
    callback_token: Option<Secret>,
    callback_token_file: Option<PathBuf>,
    callback_token_2: Option<Secret>,
    callback_token_2_file: Option<PathBuf>,
    /// Where its API is.
    #[serde(default = "default_url")]
    pub url: String,
}

/// The parts of an API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifyKey {
    /// Whose it is.
    pub service: Uuid,
    /// What signs.
    pub secret: Secret,
}

fn default_url() -> String {
    "https://api.notifications.service.gov.uk".into()
}

impl NotifyKey {
    /// Reads a key: its name, which may hold hyphens of its own, then the service and the secret, from the end.
    pub fn parse(text: &str) -> Option<Self> {
        let before_secret = text.len().checked_sub(UUID)?;
        let (rest, secret) = text.split_at_checked(before_secret)?;
        let rest = rest.strip_suffix('-')?;
        let (name, service) = rest.split_at_checked(rest.len().checked_sub(UUID)?)?;
        let _secret: Uuid = secret.parse().ok()?;
        name.ends_with('-').then_some(())?;
        Some(Self { service: service.parse().ok()?, secret: Secret::new(secret) })
    }
}

impl GovukNotify {
    /// What we sign our requests with.
    pub fn key(&self) -> Result<NotifyKey, Complaint> {
        let complaint = |message: &str| Complaint::new("api_key", message);
        let place = Place { inline: self.api_key.as_ref(), file: self.api_key_file.as_deref() };
        let text = place
            .read()
            .map_err(|wrong| complaint(&wrong))?
            .ok_or_else(|| complaint("is missing: write its file as api_key_file"))?;
        NotifyKey::parse(text.reveal()).ok_or_else(|| {
            complaint("must be the whole key as Notify showed it once: its name, two long ids, hyphens between them")
        })
    }

    /// The template that every message goes by.
    pub fn template(&self) -> Result<Uuid, Complaint> {
        let message = "must be the id of a template whose text is ((message)), for mail with the subject ((subject)) and ((link)) below the message: make it in Notify and copy its id";
        self.template_id.parse().map_err(|_| Complaint::new("template_id", message))
    }

    /// Who texts come from, or whom an answer to a mail goes to, if it is not what the service has as its default.
    pub fn sender(&self) -> Result<Option<Uuid>, Complaint> {
        let message = "must be the id of a text message sender, or of a reply-to address, in Notify's settings; or leave it out";
        let id = self.sender_id.as_deref().map(str::parse).transpose();
        id.map_err(|_: uuid::Error| Complaint::new("sender_id", message))
    }

    /// What Notify shows when it calls us: none, one, or two while they are changed.
    pub fn callback_tokens(&self) -> Result<Vec<Secret>, Complaint> {
        let first = Place { inline: self.callback_token.as_ref(), file: self.callback_token_file.as_deref() };
        let second =
            Place { inline: self.callback_token_2.as_ref(), file: self.callback_token_2_file.as_deref() };
        let tokens = both_valid("callback_token", first, second)?;
        if tokens.iter().any(|token| token.reveal().len() < SHORTEST_TOKEN) {
            return Err(Complaint::new(
                "callback_token",
                "must be 10 characters at least, as Notify wants it",
            ));
        }
        Ok(tokens)
    }

    /// What is wrong with it.
    pub(super) fn complaints(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        complaints.extend(self.key().err());
        complaints.extend(self.template().err());
        complaints.extend(self.sender().err());
        complaints.extend(self.callback_tokens().err());
        complaints.extend(bad_url(&self.url).map(|wrong| Complaint::new("url", wrong)));
        complaints
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str = "26785a09-ab16-4eb0-8407-a37497a57506";
    const SECRET: &str = "3d844edf-8d35-48ac-975b-e847b4f122b0";

    #[test]
    fn a_key_is_read_from_its_end() {
        for name in ["live", "live-key-2", "a--b", SERVICE, "Schlüssel"] {
            let key = NotifyKey::parse(&format!("{name}-{SERVICE}-{SECRET}")).unwrap();
            assert_eq!((key.service.to_string().as_str(), key.secret.reveal()), (SERVICE, SECRET), "{name}");
        }
        for text in [
            String::new(),
            SECRET.into(),
            format!("{SERVICE}-{SECRET}"),
            format!("live{SERVICE}-{SECRET}"),
            format!("live-{SERVICE}_{SECRET}"),
            format!("live-{SERVICE}-{}x", &SECRET[..35]),
            format!("live-{}x-{SECRET}", &SERVICE[..35]),
            format!("live-{SERVICE}-{SECRET}\n"),
            "ü".repeat(60),
        ] {
            assert_eq!(NotifyKey::parse(&text), None, "{text}");
        }
    }
}
