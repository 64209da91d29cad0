//! What must not be shown, and where it is kept.

use std::{fmt, fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, de::Error};

use super::Complaint;

/// A text that never reaches a log or an error.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// What marks the shared secret of a webhook.
const WEBHOOK_PREFIX: &str = "whsec_";

impl Secret {
    /// Keeps `text` from view.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for whoever has to hand it over.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The bytes of a webhook's secret: `whsec_` and 24 to 64 bytes in base64.
    pub fn webhook_key(&self) -> Option<Vec<u8>> {
        let key = STANDARD.decode(self.0.strip_prefix(WEBHOOK_PREFIX)?).ok()?;
        (24..=64).contains(&key.len()).then_some(key)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// By hand, because serde's own complaint about a wrong type quotes the value.
impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => Ok(Self(text)),
            _ => Err(D::Error::custom("write it as text, in quotes")),
        }
    }
}

/// Where a secret of a provider is written: in the settings themselves or in a file of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'c> {
    pub(super) inline: Option<&'c Secret>,
    pub(super) file: Option<&'c Path>,
}

/// What two secrets are that are both valid for what comes in, while one is changed for the other; `field` is the first's.
pub(super) fn both_valid(field: &str, first: Place<'_>, second: Place<'_>) -> Result<Vec<Secret>, Complaint> {
    let mut valid = Vec::new();
    for (field, place) in [(field.to_owned(), first), (format!("{field}_2"), second)] {
        let secret = place.read().map_err(|wrong| Complaint::new(&field, wrong))?;
        if secret.as_ref().is_some_and(|secret| secret.reveal().is_empty()) {
            return Err(Complaint::new(field, "is empty: anybody could sign with that"));
        }
        valid.extend(secret);
    }
    Ok(valid)
}

impl Place<'_> {
    /// The secret, or in words why there is none.
    pub(super) fn read(self) -> Result<Option<Secret>, String> {
        match (self.inline, self.file) {
            (Some(_), Some(_)) => Err("is written here and in a file: leave one of them out".into()),
            (Some(secret), None) => Ok(Some(secret.clone())),
            (None, Some(path)) => read_file(path).map(|text| Some(Secret::new(text.trim()))),
            (None, None) => Ok(None),
        }
    }
}

/// The text of a file, or in words why it could not be had.
pub(super) fn read_file(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}
