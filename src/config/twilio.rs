//! An entry of `[[sms]]` with `kind = "twilio"`.

use std::path::PathBuf;

use serde::Deserialize;

use super::{
    Complaint,
    provider::bad_url,
    secret::{Place, Secret, both_valid},
};
use crate::domain::contact::Phone;

/// An account at Twilio.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Twilio {
    #[serde(default)]
    account_sid: String,
    auth_token: Option<Secret>,
    auth_token_file: Option<PathBuf>,
    auth_token_2: Option<Secret>,
    auth_token_2_file: Option<PathBuf>,
    api_key_sid: Option<String>,
    api_key_secret: Option<Secret>,
    api_key_secret_file: Option<PathBuf>,
    from: Option<String>,
    messaging_service_sid: Option<String>,
    /// Where its API is.
    #[serde(default = "default_url")]
    pub url: String,
    /// Whether it reports here what became of a message, and what people text.
    #[serde(default = "default_callbacks")]
    pub callbacks: bool,
}

/// How we log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The account, or an API key of it.
    pub user: String,
    /// Its token, or the key's secret.
    pub password: Secret,
}

/// Who a text comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TwilioSender {
    /// A number, or a name that nobody can answer.
    From(String),
    /// Whichever number of a Messaging Service.
    Service(String),
}

fn default_url() -> String {
    "https://api.twilio.com".into()
}

fn default_callbacks() -> bool {
    true
}

/// Whether it is a SID: two letters and 32 hexadecimal digits.
fn is_sid(text: &str, letters: &str) -> bool {
    text.strip_prefix(letters)
        .is_some_and(|rest| rest.len() == 32 && rest.chars().all(|digit| digit.is_ascii_hexdigit()))
}

impl Twilio {
    /// The account's SID.
    pub fn account(&self) -> Result<&str, Complaint> {
        if is_sid(&self.account_sid, "AC") {
            return Ok(&self.account_sid);
        }
        let message =
            "must be the account's SID: AC and 32 characters, on the first page of Twilio's console";
        Err(Complaint::new("account_sid", message))
    }

    /// By the API key, or else as the account itself.
    pub fn login(&self) -> Result<Login, Complaint> {
        let place = Place { inline: self.api_key_secret.as_ref(), file: self.api_key_secret_file.as_deref() };
        let secret = place.read().map_err(|wrong| Complaint::new("api_key_secret", wrong))?;
        match (&self.api_key_sid, secret) {
            (Some(sid), Some(password)) if is_sid(sid, "SK") => Ok(Login { user: sid.clone(), password }),
            (Some(_), Some(_)) => Err(Complaint::new("api_key_sid", "must be SK and 32 characters")),
            (None, None) => {
                let message = "is missing: write auth_token_file, or api_key_sid and api_key_secret_file";
                let mut tokens = self.signing_secrets()?.into_iter();
                let password = tokens
                    .next()
                    .filter(|_| self.has_token())
                    .ok_or(Complaint::new("auth_token", message))?;
                Ok(Login { user: self.account()?.into(), password })
            }
            _ => Err(Complaint::new("api_key_sid", "and api_key_secret go together: write both or neither")),
        }
    }

    fn has_token(&self) -> bool {
        self.auth_token.is_some() || self.auth_token_file.is_some()
    }

    /// What signs what comes in: the account's token, and another while they are changed, or a shared key.
    pub fn signing_secrets(&self) -> Result<Vec<Secret>, Complaint> {
        let first = Place { inline: self.auth_token.as_ref(), file: self.auth_token_file.as_deref() };
        let second = Place { inline: self.auth_token_2.as_ref(), file: self.auth_token_2_file.as_deref() };
        both_valid("auth_token", first, second)
    }

    /// Who texts come from.
    pub fn sender(&self) -> Result<TwilioSender, Complaint> {
        match (&self.from, &self.messaging_service_sid) {
            (Some(from), None) if is_number(from) || is_name(from) => Ok(TwilioSender::From(from.clone())),
            (Some(_), None) => Err(Complaint::new(
                "from",
                "must be a number of the account, such as +447700900123, or a name of at most 11 letters, digits and blanks",
            )),
            (None, Some(sid)) if is_sid(sid, "MG") => Ok(TwilioSender::Service(sid.clone())),
            (None, Some(_)) => Err(Complaint::new("messaging_service_sid", "must be MG and 32 characters")),
            (None, None) => Err(Complaint::new("from", "is missing: write it, or messaging_service_sid")),
            (Some(_), Some(_)) => {
                Err(Complaint::new("from", "and messaging_service_sid are both there: leave one of them out"))
            }
        }
    }

    /// Whether people can answer what it sends: a name takes no texts.
    pub(super) fn takes_replies(&self) -> bool {
        self.from.as_deref().is_none_or(is_number)
    }

    /// What is wrong with it.
    pub(super) fn complaints(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        complaints.extend(self.account().err());
        complaints.extend(self.sender().err());
        complaints.extend(bad_url(&self.url).map(|wrong| Complaint::new("url", wrong)));
        match self.login() {
            Err(wrong) if wrong.key != "account_sid" => complaints.push(wrong),
            _ => {}
        }
        if self.callbacks && self.api_key_sid.is_some() {
            let message = "is missing: it signs what Twilio sends here. Write it, or callbacks = false";
            match self.signing_secrets() {
                Ok(secrets) if secrets.is_empty() => complaints.push(Complaint::new("auth_token", message)),
                Ok(_) => {}
                Err(wrong) => complaints.push(wrong),
            }
        }
        complaints
    }
}

/// A number in E.164 form, or a short code.
fn is_number(from: &str) -> bool {
    let short_code = (3..=8).contains(&from.len()) && from.chars().all(|digit| digit.is_ascii_digit());
    short_code || Phone::parse(from).is_ok_and(|phone| phone.as_str() == from)
}

fn is_name(from: &str) -> bool {
    (1..=11).contains(&from.len())
        && from.chars().all(|c| c.is_ascii_alphanumeric() || c == ' ')
        && from.chars().any(|c| c.is_ascii_alphabetic())
}
