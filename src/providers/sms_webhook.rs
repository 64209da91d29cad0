//! An SMS gateway that takes a POST signed as Standard Webhooks 1.0.0.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, SecondsFormat};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Client, Response, StatusCode, Url, header, redirect};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::Outgoing;
use crate::{
    clock::Time,
    config::{Complaint, Webhook},
    domain::{ids::MessageId, retry::Handed},
};

/// How long to leave a gateway alone that answers 429 and does not say for how long.
const SLOW: Duration = Duration::from_secs(5);
/// No gateway makes an alarm wait for longer than this.
const SLOWEST: Duration = Duration::from_mins(5);
/// As much of an answer is read, and no longer than this: it says only what the gateway calls the message.
const LONGEST_ANSWER: usize = 16 * 1024;
const ANSWER: Duration = Duration::from_secs(1);
/// A longer name is none.
const LONGEST_REFERENCE: usize = 200;

/// The gateway.
pub struct SmsWebhook {
    client: Client,
    url: Url,
    signer: Hmac<Sha256>,
}

impl std::fmt::Debug for SmsWebhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SmsWebhook(hidden)") // the address may hold a token
    }
}

#[derive(Serialize)]
struct Event<'m> {
    r#type: &'static str,
    timestamp: String,
    data: Data<'m>,
}

#[derive(Serialize)]
struct Data<'m> {
    id: MessageId,
    to: &'m str,
    text: &'m str,
}

#[derive(Deserialize)]
struct Answer {
    id: String,
}

impl SmsWebhook {
    pub(super) fn new(settings: &Webhook) -> Result<Self, Complaint> {
        let key = settings.key().map_err(|wrong| Complaint::new("secret", wrong))?;
        let signer = Hmac::new_from_slice(&key).map_err(|_| Complaint::new("secret", "is no key"))?;
        let url = settings.url.parse().map_err(|_| Complaint::new("url", "is not an address"))?;
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("homeward/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|_| Complaint::new("url", "cannot be spoken to: TLS does not start"))?;
        Ok(Self { client, url, signer })
    }

    pub(super) async fn send(&self, message: &Outgoing<'_>) -> Handed {
        let event = Event {
            r#type: "sms.send",
            timestamp: message.now.to_rfc3339_opts(SecondsFormat::Micros, true),
            data: Data { id: message.id, to: message.address, text: message.body },
        };
        let Ok(body) = serde_json::to_vec(&event) else {
            return Handed::Refused { reason: "the message is no JSON".into() };
        };
        let (id, timestamp) = (message.id.to_string(), message.now.timestamp());
        let request = self
            .client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-signature", signature(self.signer.clone(), &id, timestamp, &body))
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .body(body);
        match request.send().await {
            Ok(response) if response.status().is_success() => {
                let reference = tokio::time::timeout(ANSWER, reference(response)).await;
                Handed::Accepted { reference: reference.ok().flatten() }
            }
            Ok(response) => {
                let header =
                    response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
                not_accepted(response.status(), header.and_then(|value| retry_after(value, message.now)))
            }
            Err(error) if error.is_connect() => Handed::TryAgain { reason: "no connection".into() },
            Err(_) => Handed::TryAgain { reason: "the connection broke".into() },
        }
    }
}

/// `v1,` and the base64 of the HMAC over `id.timestamp.body`.
fn signature(mut signer: Hmac<Sha256>, id: &str, timestamp: i64, body: &[u8]) -> String {
    signer.update(format!("{id}.{timestamp}.").as_bytes());
    signer.update(body);
    format!("v1,{}", STANDARD.encode(signer.finalize().into_bytes()))
}

/// The gateway's name for the message, if it gave one. It has the message in any case.
async fn reference(mut response: Response) -> Option<String> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST_ANSWER {
            return None;
        }
    }
    let id = serde_json::from_slice::<Answer>(&body).ok()?.id;
    (id.len() <= LONGEST_REFERENCE).then_some(id)
}

/// Only a fault of the message itself refuses it. A fault of our settings (a wrong secret: 401, a wrong address: 404)
/// would refuse every alarm, so it is tried again until somebody mends it.
fn not_accepted(status: StatusCode, retry_after: Option<Duration>) -> Handed {
    let reason = format!("HTTP {}", status.as_u16());
    match (status, retry_after) {
        (StatusCode::TOO_MANY_REQUESTS, wait) => Handed::Slow { wait: wait.unwrap_or(SLOW) },
        (StatusCode::SERVICE_UNAVAILABLE, Some(wait)) => Handed::Slow { wait },
        (StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY, _) => {
            Handed::Refused { reason }
        }
        _ => Handed::TryAgain { reason },
    }
}

/// Reads `Retry-After`: seconds or an HTTP date, held between 1 s and [`SLOWEST`].
fn retry_after(value: &str, now: Time) -> Option<Duration> {
    let wait = if let Ok(seconds) = value.trim().parse() {
        Duration::from_secs(seconds)
    } else {
        let until = DateTime::parse_from_rfc2822(value.trim()).ok()?;
        (until.to_utc() - now).to_std().unwrap_or_default() // a date that has passed
    };
    Some(wait.clamp(Duration::from_secs(1), SLOWEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn signatures_match_the_published_vectors() {
        for (secret, id, timestamp, body, expected) in [
            (
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#,
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
            (
                "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                1_649_367_553,
                r#"{"email":"test@example.com","username":"test_user"}"#,
                "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
        ] {
            let signer = Hmac::new_from_slice(&Secret::new(secret).webhook_key().unwrap()).unwrap();
            assert_eq!(signature(signer, id, timestamp, body.as_bytes()), expected);
        }
    }

    #[test]
    fn only_the_message_itself_is_refused() {
        let outcome = |code: u16, wait: Option<u64>| {
            not_accepted(StatusCode::from_u16(code).unwrap(), wait.map(Duration::from_secs))
        };
        for code in [400, 413, 422] {
            assert!(matches!(outcome(code, None), Handed::Refused { .. }), "{code}");
        }
        for code in [301, 307, 401, 403, 404, 405, 408, 410, 415, 500, 502, 503, 504] {
            assert_eq!(outcome(code, None), Handed::TryAgain { reason: format!("HTTP {code}") });
        }
        assert_eq!(outcome(429, None), Handed::Slow { wait: SLOW });
        assert_eq!(outcome(429, Some(9)), Handed::Slow { wait: Duration::from_secs(9) });
        assert_eq!(outcome(503, Some(9)), Handed::Slow { wait: Duration::from_secs(9) });
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_held_within_bounds() {
        let now = DateTime::parse_from_rfc3339("2015-10-21T07:27:30Z").unwrap().to_utc();
        for (value, seconds) in [
            ("7", Some(7)),
            ("0", Some(1)),
            ("86400", Some(300)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(30)),
            ("Wed, 21 Oct 2015 07:00:00 GMT", Some(1)),
            ("Wed, 21 Oct 2016 07:28:00 GMT", None), // a Friday
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(retry_after(value, now), seconds.map(Duration::from_secs), "{value}");
        }
    }
}
