//! Twilio's Messages API.

mod incoming;
mod signature;

use std::{fmt, time::Duration};

use form_urlencoded::Serializer;
use reqwest::{Client, StatusCode, Url, header};
use serde_json::Value;

use self::signature::Signers;
use super::{Outgoing, inbound::Thanks, web};
use crate::{
    config::{Complaint, Login, Twilio as Settings, TwilioSender},
    domain::retry::{Cause, Handed},
};

/// For so many seconds a network tries to deliver. Twilio's own default is ten hours: an alarm that comes then does harm.
const VALIDITY: &str = "600";
/// Twilio refuses a longer text.
const LONGEST: usize = 1600;

/// An account at Twilio.
pub struct Twilio {
    client: Client,
    messages: Url,
    login: Login,
    sender: TwilioSender,
    callbacks: Option<Callbacks>,
}

/// What Twilio tells us, and by which address.
struct Callbacks {
    /// What Twilio knows us by: it signs the address that it calls.
    public_url: String,
    receipts: String,
    signers: Signers,
}

impl fmt::Debug for Twilio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Twilio(hidden)")
    }
}

impl Twilio {
    pub(super) fn new(settings: &Settings, name: &str, public_url: Option<&str>) -> Result<Self, Complaint> {
        let base = settings.url.trim_end_matches('/');
        let messages = format!("{base}/2010-04-01/Accounts/{}/Messages.json", settings.account()?);
        let messages = messages.parse().map_err(|_| Complaint::new("url", "is not an address"))?;
        let callbacks = match (settings.callbacks, public_url) {
            (false, _) => None,
            (true, None) => return Err(Complaint::new("callbacks", "need listen.public_url")),
            (true, Some(url)) => {
                let public_url = url.trim_end_matches('/').to_owned();
                let receipts = format!("{public_url}/receipts/{name}");
                Some(Callbacks { public_url, receipts, signers: Signers::new(&settings.signing_secrets()?) })
            }
        };
        Ok(Self {
            client: web::client()?,
            messages,
            login: settings.login()?,
            sender: settings.sender()?,
            callbacks,
        })
    }

    pub(super) async fn send(&self, message: &Outgoing<'_>) -> Handed {
        let request = self
            .client
            .post(self.messages.clone())
            .basic_auth(&self.login.user, Some(self.login.password.reveal()))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(self.form(message));
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return web::unanswered(&error),
        };
        let (status, wait) = (response.status(), web::retry_after(response.headers(), message.now));
        let answer = web::answer(response).await.unwrap_or_default();
        if status.is_success() { taken(&answer) } else { not_taken(status, answer["code"].as_u64(), wait) }
    }

    fn form(&self, message: &Outgoing<'_>) -> String {
        let mut form = Serializer::new(String::new());
        match &self.sender {
            TwilioSender::From(from) => form.append_pair("From", from),
            TwilioSender::Service(sid) => form.append_pair("MessagingServiceSid", sid),
        };
        form.append_pair("To", message.address)
            .append_pair("Body", &web::cut(message.body, LONGEST))
            .append_pair("ValidityPeriod", VALIDITY)
            .append_pair("SmartEncoded", "true");
        if let Some(callbacks) = &self.callbacks {
            // With our name for it: a receipt may be here before we have kept Twilio's.
            form.append_pair("StatusCallback", &format!("{}?message={}", callbacks.receipts, message.id));
        }
        form.finish()
    }

    pub(super) fn gives_receipts(&self) -> bool {
        self.callbacks.is_some()
    }

    /// An empty answer to a text: ours goes out like every message, so that it is not lost with the connection.
    pub(super) const THANKS: Thanks =
        Thanks { content_type: "text/xml", body: r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"# };
}

/// A message that Twilio has; unless the same answer says that it has failed already.
fn taken(answer: &Value) -> Handed {
    match (answer["status"].as_str(), answer["error_code"].as_u64()) {
        (Some("failed" | "undelivered"), Some(code)) => by_code(code),
        _ => Handed::Accepted { reference: web::name_of(&answer["sid"]) },
    }
}

fn not_taken(status: StatusCode, code: Option<u64>, wait: Option<Duration>) -> Handed {
    match (status, code) {
        (StatusCode::TOO_MANY_REQUESTS, _) | (_, Some(20429)) => {
            Handed::Slow { wait: wait.unwrap_or(web::SLOW) }
        }
        (StatusCode::SERVICE_UNAVAILABLE, _) if wait.is_some() => {
            Handed::Slow { wait: wait.unwrap_or(web::SLOW) }
        }
        (status, Some(code)) if status.is_client_error() => by_code(code),
        (status, _) => Handed::TryAgain { reason: format!("HTTP {}", status.as_u16()) },
    }
}

/// Only what is said of the recipient or of the message refuses it. What is said of our account (20003: a wrong token, 21606:
/// not our number) would refuse every alarm: another provider may take it, and whoever runs the service hears of it.
fn by_code(code: u64) -> Handed {
    let reason = format!("Twilio {code}");
    match cause(code) {
        Some(cause) => Handed::Refused { cause, reason },
        None => Handed::TryAgain { reason },
    }
}

/// Of the codes after which a message will never arrive: what they say of the number.
fn cause(code: u64) -> Option<Cause> {
    match code {
        21610 => Some(Cause::OptedOut),
        21211 | 21614 | 21635 | 30005 | 30006 => Some(Cause::NoSuchAddress),
        21608 | 21612 | 21617 | 30004 | 30007 => Some(Cause::Other),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_recipient_and_message_are_refused() {
        let answer =
            |status: u16, code: u64| not_taken(StatusCode::from_u16(status).unwrap(), Some(code), None);
        for (code, cause) in [
            (21610, Cause::OptedOut),
            (21211, Cause::NoSuchAddress),
            (21614, Cause::NoSuchAddress),
            (21635, Cause::NoSuchAddress),
            (21608, Cause::Other),
            (21612, Cause::Other),
            (21617, Cause::Other),
        ] {
            assert_eq!(answer(400, code), Handed::Refused { cause, reason: format!("Twilio {code}") });
        }
        for (status, code) in
            [(401, 20003), (400, 21606), (400, 21408), (404, 20404), (400, 30001), (400, 99999)]
        {
            assert_eq!(answer(status, code), Handed::TryAgain { reason: format!("Twilio {code}") });
        }
        let bare = |status: u16, wait| not_taken(StatusCode::from_u16(status).unwrap(), None, wait);
        for status in [302, 400, 401, 404, 500, 502, 503] {
            assert_eq!(bare(status, None), Handed::TryAgain { reason: format!("HTTP {status}") });
        }
        let wait = Duration::from_secs(9);
        assert_eq!(bare(429, None), Handed::Slow { wait: web::SLOW });
        assert_eq!(answer(400, 20429), Handed::Slow { wait: web::SLOW });
        assert_eq!(
            (bare(429, Some(wait)), bare(503, Some(wait))),
            (Handed::Slow { wait }, Handed::Slow { wait })
        );
    }

    #[test]
    fn what_was_taken_may_have_failed_at_once() {
        let sid = "SM00000000000000000000000000000001";
        let accepted = Handed::Accepted { reference: Some(sid.into()) };
        assert_eq!(taken(&json!({"sid": sid, "status": "queued", "error_code": null})), accepted);
        assert_eq!(taken(&json!({"sid": sid, "status": "accepted"})), accepted);
        assert_eq!(
            taken(&Value::Null),
            Handed::Accepted { reference: None },
            "a broken answer takes nothing back"
        );
        let failed = |code| taken(&json!({"sid": sid, "status": "failed", "error_code": code}));
        assert_eq!(
            failed(30006),
            Handed::Refused { cause: Cause::NoSuchAddress, reason: "Twilio 30006".into() }
        );
        for code in [30001, 30003, 30008] {
            assert_eq!(failed(code), Handed::TryAgain { reason: format!("Twilio {code}") });
        }
    }
}
