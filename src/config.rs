//! The settings: `config/default.toml` (built in, and the documentation of every key), then the operator's file, then
//! `HOMEWARD_SECTION__KEY` from the environment, which is passed in.

mod networks;
mod provider;
mod twilio;
mod govuk_notify;
mod secret;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashSet},
    fmt, fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

pub use govuk_notify::{GovukNotify, NotifyKey};
pub(crate) use networks::literal;
pub use networks::{EventWebhooks, Networks, origin_of};
pub use provider::{Kind, ProviderConfig, Smtp, Tls, Webhook};
pub use secret::Secret;
use serde::{Deserialize, de::DeserializeOwned};
use toml::{Table, Value};
pub use twilio::{Login, Twilio, TwilioSender};

use crate::{
    domain::{
        contact::{Channel, Email},
        policy::{Policy, written},
    },
    keys::ServerKey,
    store,
};

const DEFAULT: &str = include_str!("../config/default.toml");
const PREFIX: &str = "HOMEWARD_";
/// Kubernetes sets `HOMEWARD_SERVICE_HOST`, `HOMEWARD_PORT_8080_TCP` and their kin for a service called homeward.
const NOT_OURS: [&str; 2] = ["HOMEWARD_SERVICE_", "HOMEWARD_PORT"];

/// Every setting. What the keys mean stands in `config/default.toml`.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "config/default.toml documents every key")]
pub struct Config {
    #[serde(skip)]
    pub sms: Vec<ProviderConfig>,
    #[serde(skip)]
    pub email: Vec<ProviderConfig>,
    pub listen: Listen,
    pub metrics: Metrics,
    pub heartbeat: Heartbeat,
    pub database: Database,
    pub secrets: Secrets,
    pub outbox: Outbox,
    pub webhooks: EventWebhooks,
    pub timer: Timer,
    pub operator: Operator,
    pub answering: Answering,
    pub policy: Policy,
    pub log: Log,
}

/// `[listen]`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "config/default.toml documents every key")]
pub struct Listen {
    pub address: String,
    #[serde(deserialize_with = "empty_is_no_text")]
    pub public_url: Option<String>,
}

/// `[metrics]`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "config/default.toml documents every key")]
pub struct Metrics {
    #[serde(deserialize_with = "empty_is_no_text")]
    pub listen: Option<String>,
}

/// `[heartbeat]`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "config/default.toml documents every key")]
pub struct Heartbeat {
    #[serde(deserialize_with = "empty_is_no_secret")]
    pub url: Option<Secret>,
    #[serde(deserialize_with = "written::deserialize")]
    pub interval: Duration,
}

/// `[database]`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "config/default.toml documents every key")]
pub struct Database {
    pub url: Secret,
    pub connections: u32,
    #[serde(deserialize_with = "written::deserialize")]
    pub acquire_timeout: Duration,
    pub writer_on_one_cpu: bool,
}

/// `[secrets]`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "config/default.toml documents every key")]
pub struct Secrets {
    pub server_key_file: PathBuf,
}

/// `[outbox]`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "config/default.toml documents every key")]
pub struct Outbox {
    #[serde(deserialize_with = "written::deserialize")]
    pub lease: Duration,
    pub at_once: usize,
}

/// `[timer]`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "config/default.toml documents every key")]
pub struct Timer {
    #[serde(deserialize_with = "written::deserialize")]
    pub longest_sleep: Duration,
}

/// `[operator]`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "config/default.toml documents every key")]
pub struct Operator {
    #[serde(deserialize_with = "empty_is_none")]
    pub email: Option<Email>,
}

/// `[answering]`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "config/default.toml documents every key")]
pub struct Answering {
    pub by_text: bool,
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "config/default.toml documents every key")]
pub struct Log {
    pub format: LogFormat,
    pub filter: String,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Why there are no settings. Values are never quoted from secrets.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there or may not be read.
    #[error("{file} cannot be read: {why}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system said.
        why: io::Error,
    },
    /// The file is not TOML.
    #[error("{file}, line {line}: {message}")]
    Syntax {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A key that does not exist.
    #[error("{place}: there is no key {key}")]
    UnknownKey {
        /// The file or the variable it stands in.
        place: String,
        /// Its full name.
        key: String,
    },
    /// A value that the key cannot have.
    #[error("{key}: {message}")]
    Value {
        /// The key's full name.
        key: String,
        /// What is wrong with it.
        message: String,
    },
}

/// A setting that can be read but should not stay as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The key's full name, such as `sms[0].url`.
    pub key: String,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl Complaint {
    pub(crate) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }

    /// The same, of a key under `prefix`.
    #[must_use]
    pub(crate) fn under(self, prefix: &str) -> Self {
        Self { key: join(prefix, &self.key), ..self }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.message)
    }
}

impl Config {
    /// Reads the settings: built in, then `file`, then `env`.
    pub fn load(file: Option<&Path>, env: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let mut table = parse("config/default.toml", DEFAULT)?;
        if let Some(path) = file {
            let name = path.display().to_string();
            let text = fs::read_to_string(path)
                .map_err(|why| ConfigError::Unreadable { file: name.clone(), why })?;
            merge(&mut table, parse(&name, &text)?, &name, "")?;
        }
        let ours = |name: &str| {
            name.starts_with(PREFIX)
                && (name.contains("__") || !NOT_OURS.iter().any(|other| name.starts_with(other)))
        };
        for (variable, text) in env.iter().filter(|(name, _)| ours(name)) {
            set(&mut table, variable, text)?;
        }
        let mut list = |channel: Channel| provider::read_list(channel, table.remove(channel.as_str()));
        let (sms, email) = (list(Channel::Sms)?, list(Channel::Email)?);
        Ok(Self { sms, email, ..read_table("", table)? })
    }

    /// What the store needs to know.
    pub fn settings(&self) -> store::Settings {
        store::Settings {
            url: self.database.url.reveal().into(),
            connections: self.database.connections,
            acquire_timeout: self.database.acquire_timeout,
            writer_on_one_cpu: self.database.writer_on_one_cpu,
            slow_commit: Duration::ZERO,
        }
    }

    /// Reads the key that protects PINs and codes.
    pub fn read_server_key(&self) -> Result<ServerKey, Complaint> {
        let complaint = |message: String| Complaint::new("secrets.server_key_file", message);
        let path = &self.secrets.server_key_file;
        let make = format!("make it with: openssl rand -base64 32 > {}", path.display());
        let text = secret::read_file(path).map_err(|why| complaint(format!("{why}; {make}")))?;
        ServerKey::parse(&text).map_err(|_| complaint(format!("must hold 32 bytes in base64; {make}")))
    }

    /// What should not stay as it is, with how to mend it.
    pub fn complaints(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        let mut check = |fine: bool, key: &str, message: &str| {
            if !fine {
                complaints.push(Complaint::new(key, message));
            }
        };
        let url = self.database.url.reveal();
        let known = ["sqlite:", "postgres:", "postgresql:"].iter().any(|kind| url.starts_with(kind));
        check(known, "database.url", "must begin with sqlite: or postgres:");
        check(self.database.connections > 0, "database.connections", "must be 1 at least");
        let served = self.listen.address.parse::<SocketAddr>();
        check(served.is_ok(), "listen.address", "must be an address and a port, such as 127.0.0.1:8080");
        if let Some(url) = &self.listen.public_url {
            check_public_url(url, &mut check);
        }
        if let Some(address) = &self.metrics.listen {
            let fine = address.parse::<SocketAddr>().is_ok_and(|address| {
                // Port 0 is a free one, each time another.
                address.port() == 0 || served.as_ref().ok() != Some(&address)
            });
            let message = "must be an address and a port of its own, such as 127.0.0.1:9090, or empty";
            check(fine, "metrics.listen", message);
        }
        if let Some(url) = &self.heartbeat.url {
            let wrong = provider::bad_url(url.reveal());
            check(wrong.is_none(), "heartbeat.url", wrong.unwrap_or_default());
        }
        check(
            self.heartbeat.interval >= Duration::from_secs(1),
            "heartbeat.interval",
            "must be 1s at least, or whoever takes the heartbeats takes it for an attack",
        );
        check(self.outbox.at_once > 0, "outbox.at_once", "must be 1 at least, or nothing is ever sent");
        let slowest = self.providers().map(|(_, provider)| provider.timeout).max().unwrap_or_default();
        let shortest = slowest + Duration::from_secs(5);
        let lease = format!("must be longer than {}: the longest time-out and 5s", written::format(shortest));
        check(self.outbox.lease > shortest, "outbox.lease", &lease);
        check(
            !self.webhooks.timeout.is_zero() && self.webhooks.timeout <= Duration::from_mins(1),
            "webhooks.timeout",
            "must be longer than 0, or nothing is ever taken, and 60s at most",
        );
        check(
            !self.timer.longest_sleep.is_zero() && self.timer.longest_sleep <= Duration::from_secs(2),
            "timer.longest_sleep",
            "must be longer than 0, or the timer never rests, and 2s at most, or it is late after a suspension",
        );
        check(
            self.providers().next().is_some(),
            "sms",
            "and email are both empty: nobody would be told of anything",
        );
        let mut names = HashSet::new();
        for (key, provider) in self.providers() {
            let new = names.insert(&provider.name);
            check(
                new && !provider.name.is_empty(),
                &format!("{key}.name"),
                "must be a name that no other provider has",
            );
        }
        complaints.extend(self.providers().flat_map(|(key, provider)| provider.complaints(&key, self)));
        complaints.extend(self.policy.complaints().into_iter().map(|wrong| Complaint::new("policy", wrong)));
        complaints.extend(self.read_server_key().err());
        complaints
    }

    /// Every provider with the key it stands at.
    fn providers(&self) -> impl Iterator<Item = (String, &ProviderConfig)> {
        [(Channel::Sms, &self.sms), (Channel::Email, &self.email)].into_iter().flat_map(|(channel, list)| {
            list.iter().enumerate().map(move |(at, one)| (format!("{}[{at}]", channel.as_str()), one))
        })
    }
}

/// What is wrong with the address that people are told.
fn check_public_url(url: &str, check: &mut impl FnMut(bool, &str, &str)) {
    let key = "listen.public_url";
    let parsed = reqwest::Url::parse(url).ok().filter(|url| {
        url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.has_host()
    });
    let Some(parsed) = parsed else {
        return check(false, key, "is not an address: write it like https://homeward.example.org");
    };
    let fine = match parsed.scheme() {
        "https" => true,
        "http" => parsed.host_str().is_some_and(provider::is_loopback),
        _ => false,
    };
    check(fine, key, "must begin with https://: tokens and PINs go there");
}

fn parse(file: &str, text: &str) -> Result<Table, ConfigError> {
    text.parse::<Table>().map_err(|error| {
        let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        ConfigError::Syntax { file: file.into(), line, message: error.message().into() }
    })
}

/// Lays `over` on `base`, which holds every key there is. Lists replace.
fn merge(base: &mut Table, over: Table, file: &str, prefix: &str) -> Result<(), ConfigError> {
    for (name, value) in over {
        let key = join(prefix, &name);
        match (base.get_mut(&name), value) {
            (None, _) => return Err(ConfigError::UnknownKey { place: file.into(), key }),
            (Some(Value::Table(base)), Value::Table(over)) => merge(base, over, file, &key)?,
            (Some(slot), value) => *slot = value,
        }
    }
    Ok(())
}

/// Sets the key that `variable` names. What is text by default takes the variable as it stands; the rest is TOML.
fn set(table: &mut Table, variable: &str, text: &str) -> Result<(), ConfigError> {
    let key = variable.strip_prefix(PREFIX).unwrap_or(variable).to_lowercase().replace("__", ".");
    let (section, rest) =
        key.split_once('.').map_or((key.as_str(), None), |(section, rest)| (section, Some(rest)));
    let slot = match (table.get_mut(section), rest) {
        (Some(Value::Table(section)), Some(name)) => section.get_mut(name),
        (Some(slot @ Value::Array(_)), None) => Some(slot),
        _ => None,
    };
    let Some(slot) = slot else {
        return Err(ConfigError::UnknownKey { place: variable.into(), key });
    };
    *slot = if slot.is_str() {
        Value::String(text.into())
    } else {
        let message = format!("{variable} is no value that this key can have");
        text.parse().map_err(|_: toml::de::Error| ConfigError::Value { key, message })?
    };
    Ok(())
}

/// Reads a table whose keys begin with `prefix` into its type.
fn read_table<T: DeserializeOwned>(prefix: &str, table: Table) -> Result<T, ConfigError> {
    serde_path_to_error::deserialize(table).map_err(|error| {
        let inner = match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        };
        ConfigError::Value { key: join(prefix, &inner), message: error.inner().message().into() }
    })
}

fn join(prefix: &str, name: &str) -> String {
    [prefix, name].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(".")
}

fn empty_is_none<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Email>, D::Error> {
    let text = String::deserialize(from)?;
    if text.is_empty() {
        return Ok(None);
    }
    Email::parse(&text).map(Some).map_err(serde::de::Error::custom)
}

fn empty_is_no_text<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(from)?;
    Ok(if text.is_empty() { None } else { Some(text) })
}

fn empty_is_no_secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
    let secret = Secret::deserialize(from)?;
    Ok(if secret.reveal().is_empty() { None } else { Some(secret) })
}
