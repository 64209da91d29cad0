//! The entries of `[[sms]]` and `[[email]]`.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use serde::Deserialize;
use toml::{Table, Value};

use super::{
    Complaint, Config, ConfigError,
    govuk_notify::GovukNotify,
    read_table,
    secret::{Place, Secret, both_valid},
    twilio::Twilio,
};
use crate::domain::{contact::Channel, policy::written};

/// One provider of a channel.
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    /// The operator's name for it.
    pub name: String,
    /// How long it may take over one message.
    pub timeout: Duration,
    /// What it speaks.
    pub kind: Kind,
}

/// What a provider speaks.
#[derive(Debug, Clone)]
pub enum Kind {
    /// Nothing: accepts all and sends nothing.
    Capture,
    /// A signed POST.
    Webhook(Webhook),
    /// Twilio's Messages API.
    Twilio(Twilio),
    /// GOV.UK Notify.
    GovukNotify(GovukNotify),
    /// Mail.
    Smtp(Smtp),
}

/// A gateway that takes signed POSTs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where the message is posted to.
    pub url: String,
    secret: Option<Secret>,
    secret_file: Option<PathBuf>,
    inbound_secret: Option<Secret>,
    inbound_secret_file: Option<PathBuf>,
    inbound_secret_2: Option<Secret>,
    inbound_secret_2_file: Option<PathBuf>,
}

/// A mail server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// Its name, as in its certificate.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: Tls,
    /// The account, if it asks for one.
    pub user: Option<String>,
    password: Option<Secret>,
    password_file: Option<PathBuf>,
    /// The sender that people see.
    pub from: String,
    /// The network between here and a server without TLS is trusted.
    #[serde(default)]
    trusted_network: bool,
}

/// How a connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tls {
    /// In the clear at first, then encrypted; a server that will not is not spoken to.
    Starttls,
    /// Encrypted from the first byte.
    Tls,
    /// In the clear: for a server on this machine.
    None,
}

/// What all kinds share; the rest of the entry is the kind's own.
#[derive(Deserialize)]
struct Common {
    name: String,
    kind: String,
    #[serde(default = "default_timeout", deserialize_with = "written::deserialize")]
    timeout: Duration,
}

fn default_timeout() -> Duration {
    Duration::from_secs(8)
}

/// Reads the list of one channel.
pub(super) fn read_list(channel: Channel, list: Option<Value>) -> Result<Vec<ProviderConfig>, ConfigError> {
    let list: Vec<Table> = match list {
        None => return Ok(Vec::new()),
        Some(list) => list.try_into().map_err(|_| ConfigError::Value {
            key: channel.as_str().into(),
            message: format!("write it as a list: [[{}]]", channel.as_str()),
        })?,
    };
    list.into_iter()
        .enumerate()
        .map(|(at, entry)| read(channel, &format!("{}[{at}]", channel.as_str()), entry))
        .collect()
}

fn read(channel: Channel, key: &str, mut entry: Table) -> Result<ProviderConfig, ConfigError> {
    let common: Common = read_table(key, entry.clone())?;
    for shared in ["name", "kind", "timeout"] {
        entry.remove(shared);
    }
    let kind = match (channel, common.kind.as_str()) {
        (_, "capture") => read_table::<Nothing>(key, entry).map(|_| Kind::Capture)?,
        (Channel::Sms, "webhook") => Kind::Webhook(read_table(key, entry)?),
        (Channel::Sms, "twilio") => Kind::Twilio(read_table(key, entry)?),
        (Channel::Email, "smtp") => Kind::Smtp(read_table(key, entry)?),
        (_, "govuk_notify") => Kind::GovukNotify(read_table(key, entry)?),
        (Channel::Sms, _) => return Err(unknown_kind(key, "“webhook”, “twilio”, “govuk_notify”")),
        (Channel::Email, _) => return Err(unknown_kind(key, "“smtp”, “govuk_notify”")),
    };
    Ok(ProviderConfig { name: common.name, timeout: common.timeout, kind })
}

const WEBHOOK_KEY: &str = "must be whsec_ and 24 to 64 random bytes in base64";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

fn unknown_kind(key: &str, known: &str) -> ConfigError {
    ConfigError::Value { key: format!("{key}.kind"), message: format!("write {known} or “capture”") }
}

impl Webhook {
    /// The shared secret's bytes, or in words why there are none.
    pub fn key(&self) -> Result<Vec<u8>, String> {
        let place = Place { inline: self.secret.as_ref(), file: self.secret_file.as_deref() };
        let secret = place.read()?.ok_or("is missing: write it here or name its file as secret_file")?;
        secret.webhook_key().ok_or_else(|| WEBHOOK_KEY.into())
    }

    /// The secrets that sign what the gateway may send here: none, one, or two while they are changed.
    pub fn inbound_keys(&self) -> Result<Vec<Vec<u8>>, Complaint> {
        const FIELD: &str = "inbound_secret";
        let first = Place { inline: self.inbound_secret.as_ref(), file: self.inbound_secret_file.as_deref() };
        let second =
            Place { inline: self.inbound_secret_2.as_ref(), file: self.inbound_secret_2_file.as_deref() };
        let keys = both_valid(FIELD, first, second)?.into_iter();
        keys.map(|secret| secret.webhook_key().ok_or_else(|| Complaint::new(FIELD, WEBHOOK_KEY))).collect()
    }
}

impl Smtp {
    /// The password, if there is one; or in words why it cannot be had.
    pub fn password(&self) -> Result<Option<Secret>, String> {
        Place { inline: self.password.as_ref(), file: self.password_file.as_deref() }.read()
    }
}

impl ProviderConfig {
    /// What is wrong with it, where `around` is how the rest is set; `key` is where it stands.
    pub(super) fn complaints(&self, key: &str, around: &Config) -> Vec<Complaint> {
        let complaint = |field: &str, message: &str| Complaint::new(format!("{key}.{field}"), message);
        let mut complaints = Vec::new();
        if self.timeout.is_zero() {
            complaints.push(complaint("timeout", "must be longer than 0, or nothing is ever sent"));
        }
        match &self.kind {
            Kind::Capture => {}
            Kind::Webhook(webhook) => {
                complaints.extend(bad_url(&webhook.url).map(|wrong| complaint("url", wrong)));
                complaints.extend(webhook.key().err().map(|wrong| complaint("secret", &wrong)));
                complaints.extend(webhook.inbound_keys().err().map(|wrong| wrong.under(key)));
            }
            Kind::Twilio(twilio) => {
                let wrong = twilio.complaints().into_iter();
                complaints.extend(wrong.map(|wrong| wrong.under(key)));
                if around.answering.by_text && !twilio.takes_replies() {
                    complaints.push(complaint(
                        "from",
                        "is a name, which nobody can answer, and answering.by_text tells people to: use a number",
                    ));
                }
                if twilio.callbacks {
                    complaints.extend(self.unreachable(key, &twilio.url, around, "callbacks = false"));
                }
            }
            Kind::GovukNotify(notify) => {
                let wrong = notify.complaints().into_iter();
                complaints.extend(wrong.map(|wrong| wrong.under(key)));
                if notify.callback_tokens().is_ok_and(|tokens| !tokens.is_empty()) {
                    complaints.extend(self.unreachable(key, &notify.url, around, "no callback_token"));
                }
            }
            Kind::Smtp(smtp) => {
                let password = smtp.password();
                if let Err(wrong) = &password {
                    complaints.push(complaint("password", wrong));
                } else if matches!(password, Ok(Some(_))) != smtp.user.is_some() {
                    complaints
                        .push(complaint("user", "user and password go together: write both or neither"));
                }
                if smtp.from.parse::<lettre::message::Mailbox>().is_err() {
                    complaints.push(complaint(
                        "from",
                        "is not a mail address: write it like Homeward <alarm@example.org>",
                    ));
                }
                if smtp.tls == Tls::None && !smtp.trusted_network && !is_loopback(&smtp.host) {
                    complaints.push(complaint(
                        "tls",
                        "sends names and addresses in the clear: use starttls or tls, or say trusted_network = true",
                    ));
                }
            }
        }
        complaints
    }

    /// What is wrong if this provider, which is `at` an address, calls us and cannot.
    fn unreachable(&self, key: &str, at: &str, around: &Config, otherwise: &str) -> Vec<Complaint> {
        let host_of = |url: &str| reqwest::Url::parse(url).ok()?.host_str().map(str::to_owned);
        if host_of(at).is_some_and(|host| is_loopback(&host)) {
            return Vec::new(); // a stand-in on this machine
        }
        let mut complaints = Vec::new();
        let name = &self.name;
        let simple = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if !name.chars().all(simple) {
            let message = "stands in the address for receipts: use letters, digits, - and _ alone";
            complaints.push(Complaint::new(format!("{key}.name"), message));
        }
        let public = around.listen.public_url.as_deref().unwrap_or_default();
        let host = host_of(public).unwrap_or_default();
        let message = if !public.starts_with("https://") {
            format!("must be an address with https://: {name} reports there. Or write {otherwise} for {name}")
        } else if host.contains('_') {
            format!("has an underscore in its name: {name} takes no such address")
        } else {
            return complaints;
        };
        complaints.push(Complaint::new("listen.public_url", message));
        complaints
    }
}

/// What is wrong with the address of a gateway, or of whoever takes heartbeats. It is not quoted: some hold a token.
pub(super) fn bad_url(url: &str) -> Option<&'static str> {
    let Ok(url) = reqwest::Url::parse(url) else {
        return Some("is not an address: write it like https://example.org/path");
    };
    match (url.scheme(), url.host_str()) {
        ("https", Some(_)) => None,
        ("http", Some(host)) if is_loopback(host) => None,
        ("http", Some(_)) => Some("goes in the clear: use https"),
        _ => Some("must begin with https://"),
    }
}

pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
