//! An SMS gateway that takes a POST signed as Standard Webhooks 1.0.0.

mod incoming;

use std::{fmt, time::Duration};

use chrono::SecondsFormat;
use hmac::Hmac;
use reqwest::{Client, StatusCode, Url, header};
use serde::Serialize;
use sha2::Sha256;

use super::{Outgoing, standard_webhooks as signed, web};
use crate::{
    config::{Complaint, Webhook},
    domain::{
        ids::MessageId,
        retry::{Cause, Handed},
    },
};

/// The gateway.
pub struct SmsWebhook {
    client: Client,
    url: Url,
    signer: Hmac<Sha256>,
    /// Who may send something here; none: nobody.
    inbound: Vec<Hmac<Sha256>>,
}

impl fmt::Debug for SmsWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

impl SmsWebhook {
    pub(super) fn new(settings: &Webhook) -> Result<Self, Complaint> {
        let key = settings.key().map_err(|wrong| Complaint::new("secret", wrong))?;
        let signer = signed::signer(&key).ok_or_else(|| Complaint::new("secret", "is no key"))?;
        let url = settings.url.parse().map_err(|_| Complaint::new("url", "is not an address"))?;
        let inbound = settings.inbound_keys()?.iter().filter_map(|key| signed::signer(key)).collect();
        Ok(Self { client: web::client()?, url, signer, inbound })
    }

    pub(super) async fn send(&self, message: &Outgoing<'_>) -> Handed {
        let event = Event {
            r#type: "sms.send",
            timestamp: message.now.to_rfc3339_opts(SecondsFormat::Micros, true),
            data: Data { id: message.id, to: message.address, text: message.body },
        };
        let Ok(body) = serde_json::to_vec(&event) else {
            return Handed::Refused { cause: Cause::Other, reason: "the message is no JSON".into() };
        };
        let (id, timestamp) = (message.id.to_string(), message.now.timestamp());
        let request = self
            .client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(signed::SIGNATURE, signed::signature(&self.signer, &id, timestamp, &body))
            .header(signed::ID, id)
            .header(signed::TIMESTAMP, timestamp)
            .body(body);
        match request.send().await {
            Ok(response) if response.status().is_success() => {
                let answer = web::answer(response).await;
                Handed::Accepted { reference: answer.and_then(|answer| web::name_of(&answer["id"])) }
            }
            Ok(response) => {
                not_accepted(response.status(), web::retry_after(response.headers(), message.now))
            }
            Err(error) => web::unanswered(&error),
        }
    }

    pub(super) fn gives_receipts(&self) -> bool {
        !self.inbound.is_empty()
    }
}

/// Only a fault of the message itself refuses it. A fault of our settings (a wrong secret: 401, a wrong address: 404)
/// would refuse every alarm, so it is tried again until somebody mends it.
fn not_accepted(status: StatusCode, retry_after: Option<Duration>) -> Handed {
    let reason = format!("HTTP {}", status.as_u16());
    match (status, retry_after) {
        (StatusCode::TOO_MANY_REQUESTS, wait) => Handed::Slow { wait: wait.unwrap_or(web::SLOW) },
        (StatusCode::SERVICE_UNAVAILABLE, Some(wait)) => Handed::Slow { wait },
        (StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY, _) => {
            Handed::Refused { cause: Cause::Other, reason }
        }
        _ => Handed::TryAgain { reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(outcome(429, None), Handed::Slow { wait: web::SLOW });
        assert_eq!(outcome(429, Some(9)), Handed::Slow { wait: Duration::from_secs(9) });
        assert_eq!(outcome(503, Some(9)), Handed::Slow { wait: Duration::from_secs(9) });
    }
}
