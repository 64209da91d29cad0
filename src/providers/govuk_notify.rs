//! GOV.UK Notify, for texts and for mail, by one template each: `((message))`, and for mail `((subject))` and `((link))` too.
//!
//! Notify sends twice what it is asked for twice. So before a message is handed over again after an answer that did not come,
//! it is looked up by our name for it.

mod incoming;
mod token;

use std::{fmt, time::Duration};

use reqwest::{Client, RequestBuilder, Response, StatusCode, Url, header};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::token::Issuer;
use super::{
    Outgoing,
    inbound::{PollFailed, Polled},
    web,
};
use crate::{
    clock::Time,
    config::{Complaint, GovukNotify as Settings, Secret},
    domain::{
        contact::Channel,
        ids::MessageId,
        retry::{Before, Cause, Handed},
    },
};

/// Notify refuses a text of more than 918 characters; what a service lets it put in front of each counts too.
const LONGEST: usize = 800;
/// A look-up that takes longer must not keep an alarm back: one that comes twice does less harm than one that does not.
const LOOK_UP: Duration = Duration::from_secs(3);
/// A page of 250 texts is not longer than this.
const LONGEST_PAGE: usize = 2 * 1024 * 1024;
/// Notify tried and could not send: it has to be asked again.
const NEVER_SENT: &str = "technical-failure";

/// A service at Notify.
pub struct GovukNotify {
    client: Client,
    base: String,
    issuer: Issuer,
    template: Uuid,
    /// Who it comes from (texts), or whom an answer goes to (mail), where it is not the service's own.
    sender: Option<Uuid>,
    /// Who may send something here; none: nobody.
    tokens: Vec<Secret>,
}

impl fmt::Debug for GovukNotify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GovukNotify(hidden)")
    }
}

#[derive(Serialize)]
struct Text<'m> {
    phone_number: &'m str,
    template_id: Uuid,
    personalisation: TextWords<'m>,
    reference: MessageId,
    #[serde(skip_serializing_if = "Option::is_none")]
    sms_sender_id: Option<Uuid>,
}

#[derive(Serialize)]
struct TextWords<'m> {
    message: &'m str,
}

#[derive(Serialize)]
struct Mail<'m> {
    email_address: &'m str,
    template_id: Uuid,
    personalisation: MailWords<'m>,
    reference: MessageId,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_reply_to_id: Option<Uuid>,
    /// People have typed some of it, and Notify reads it as Markdown: nobody may put a link or a heading into an alarm.
    sanitise_content_for: [&'static str; 1],
}

#[derive(Serialize)]
struct MailWords<'m> {
    subject: &'m str,
    message: &'m str,
    /// Apart from the words, which lose their links. Empty where there is none: a placeholder must not be missing.
    link: &'m str,
}

#[derive(Deserialize)]
struct Found {
    notifications: Vec<Notification>,
}

#[derive(Deserialize)]
struct Notification {
    id: String,
    status: String,
}

impl GovukNotify {
    pub(super) fn new(settings: &Settings) -> Result<Self, Complaint> {
        let base = settings.url.trim_end_matches('/').to_owned();
        base.parse::<Url>().map_err(|_| Complaint::new("url", "is not an address"))?;
        Ok(Self {
            client: web::client()?,
            base,
            issuer: Issuer::new(&settings.key()?)?,
            template: settings.template()?,
            sender: settings.sender()?,
            tokens: settings.callback_tokens()?,
        })
    }

    pub(super) async fn send(&self, message: &Outgoing<'_>) -> Handed {
        if message.before == Before::OutcomeUnknown
            && let Ok(Some(reference)) = tokio::time::timeout(LOOK_UP, self.look_up(message)).await
        {
            return Handed::Accepted { reference: Some(reference) };
        }
        let (path, body) = match message.channel {
            Channel::Sms => ("sms", self.text(message)),
            Channel::Email => ("email", self.mail(message)),
        };
        let Ok(body) = body else {
            return Handed::Refused { cause: Cause::Other, reason: "the message is no JSON".into() };
        };
        let request = self
            .client
            .post(format!("{}/v2/notifications/{path}", self.base))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body);
        let response = match self.ask(request, message.now).await {
            Ok(response) => response,
            Err(error) => return web::unanswered(&error),
        };
        let (status, wait) = (response.status(), web::retry_after(response.headers(), message.now));
        let answer = web::answer(response).await.unwrap_or_default();
        if status.is_success() {
            return Handed::Accepted { reference: web::name_of(&answer["id"]) };
        }
        not_taken(status, answer["errors"][0]["error"].as_str(), wait)
    }

    fn text(&self, message: &Outgoing<'_>) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&Text {
            phone_number: message.address,
            template_id: self.template,
            personalisation: TextWords { message: &web::cut(message.body, LONGEST) },
            reference: message.id,
            sms_sender_id: self.sender,
        })
    }

    fn mail(&self, message: &Outgoing<'_>) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&Mail {
            email_address: message.address,
            template_id: self.template,
            personalisation: MailWords {
                subject: &message.subject.replace(char::is_control, " "),
                message: message.body,
                link: message.page.unwrap_or_default(),
            },
            reference: message.id,
            email_reply_to_id: self.sender,
            sanitise_content_for: ["message"],
        })
    }

    /// Notify's name for the message, if an earlier try got it there.
    async fn look_up(&self, message: &Outgoing<'_>) -> Option<String> {
        let request = self.client.get(format!("{}/v2/notifications?reference={}", self.base, message.id));
        let response = self.ask(request, message.now).await.ok()?;
        if !response.status().is_success() {
            return None;
        }
        let found: Found = web::json(response, LONGEST_PAGE).await?;
        found.notifications.into_iter().find(|found| found.status != NEVER_SENT).map(|found| found.id)
    }

    /// The newest texts that people have sent to the service: what a callback did not bring.
    pub(super) async fn poll(&self, now: Time) -> Result<Polled, PollFailed> {
        let request = self.client.get(format!("{}/v2/received-text-messages", self.base));
        let response = self.ask(request, now).await.map_err(|_| PollFailed::NoAnswer)?;
        if !response.status().is_success() {
            return Err(PollFailed::Status(response.status().as_u16()));
        }
        let page = web::json(response, LONGEST_PAGE).await;
        page.and_then(incoming::page).ok_or(PollFailed::Unreadable)
    }

    /// With a token of its own: Notify takes none that is older than 30 s.
    async fn ask(&self, request: RequestBuilder, now: Time) -> reqwest::Result<Response> {
        request.bearer_auth(self.issuer.token(now)).send().await
    }

    pub(super) fn gives_receipts(&self) -> bool {
        !self.tokens.is_empty()
    }
}

/// What an answer that is no success means for the message. Only what is said of the recipient or the text refuses it: a wrong
/// key or template would refuse every alarm, so another provider may take it, and whoever runs the service hears of it.
fn not_taken(status: StatusCode, error: Option<&str>, wait: Option<Duration>) -> Handed {
    let code = status.as_u16();
    let reason = match error.and_then(web::harmless) {
        Some(error) => format!("HTTP {code} {error}"),
        None => format!("HTTP {code}"),
    };
    match (status, error) {
        (StatusCode::BAD_REQUEST, Some("InvalidPhoneError" | "InvalidEmailError")) => {
            Handed::Refused { cause: Cause::NoSuchAddress, reason }
        }
        (StatusCode::BAD_REQUEST, Some("ValidationError")) => Handed::Refused { cause: Cause::Other, reason },
        // The day's allowance is used up: others may take it until midnight.
        (StatusCode::TOO_MANY_REQUESTS, Some("TooManyRequestsError")) => Handed::Slow { wait: web::SLOWEST },
        (StatusCode::TOO_MANY_REQUESTS, _) => Handed::Slow { wait: wait.unwrap_or(web::SLOW) },
        (StatusCode::SERVICE_UNAVAILABLE, _) if wait.is_some() => {
            Handed::Slow { wait: wait.unwrap_or(web::SLOW) }
        }
        _ => Handed::TryAgain { reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_go_by_status_and_class() {
        let answer = |status: u16, error: &str| {
            not_taken(
                StatusCode::from_u16(status).unwrap(),
                Some(error).filter(|error| !error.is_empty()),
                None,
            )
        };
        for (error, cause) in [
            ("ValidationError", Cause::Other),
            ("InvalidPhoneError", Cause::NoSuchAddress),
            ("InvalidEmailError", Cause::NoSuchAddress),
        ] {
            assert_eq!(answer(400, error), Handed::Refused { cause, reason: format!("HTTP 400 {error}") });
        }
        for (status, error) in [
            (400, "BadRequestError"),
            (400, "SomethingNew"),
            (401, "AuthError"),
            (403, "AuthError"),
            (403, "BadRequestError"),
            (404, "NoResultFound"),
            (500, "Exception"),
            (504, "EventletTimeout"),
        ] {
            assert_eq!(answer(status, error), Handed::TryAgain { reason: format!("HTTP {status} {error}") });
        }
        assert_eq!(answer(400, ""), Handed::TryAgain { reason: "HTTP 400".into() });
        assert_eq!(answer(500, "no ann@example.org"), Handed::TryAgain { reason: "HTTP 500".into() });
        assert_eq!(answer(429, "RateLimitError"), Handed::Slow { wait: web::SLOW });
        assert_eq!(answer(429, "TooManyRequestsError"), Handed::Slow { wait: web::SLOWEST });
        let wait = Duration::from_secs(9);
        for (status, error) in [(429, "RateLimitError"), (503, "Exception")] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(not_taken(status, Some(error), Some(wait)), Handed::Slow { wait });
        }
    }
}
