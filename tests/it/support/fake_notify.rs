//! GOV.UK Notify, by a script: what is sent, the look-up of what was sent, and the texts that came in. Like Notify it sends
//! twice what it is asked for twice. Any request that it would not take fails the test when the fake is dropped.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64_URL};
use hmac::{Hmac, KeyInit, Mac};
use homeward::clock::Clock;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::{script::Script, watched::Watched};

const SERVICE: &str = "26785a09-ab16-4eb0-8407-a37497a57506";
const SECRET: &str = "3d844edf-8d35-48ac-975b-e847b4f122b0";
const TEXT_TEMPLATE: &str = "e595707f-fd1a-4191-b331-2cd5102b1e6c";
const MAIL_TEMPLATE: &str = "7fbea4eb-4a20-4a21-adaa-0e3a21e11e61";

/// What it does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Answer {
    /// Takes it and says so.
    #[default]
    Accept,
    /// Refuses it with this status and class of error.
    Error { status: u16, error: &'static str },
    /// Has had too many in this minute.
    Throttle { retry_after_secs: u64 },
    /// Takes it and never says so.
    AcceptThenHang,
}

/// What it does when it is asked what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LookUp {
    /// Says so.
    #[default]
    Answer,
    /// Cannot say.
    Fail,
}

/// Everything that has come in.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// For whom, for every message, taken or not.
    pub attempts: Vec<String>,
    /// What was taken, and so would be with somebody.
    pub accepted: Vec<Accepted>,
    /// The references that were looked up.
    pub look_ups: Vec<String>,
    /// What Notify would not understand.
    pub unexpected: Vec<String>,
}

/// A message that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub id: String,
    pub reference: String,
    pub to: String,
    /// Mail alone.
    pub subject: Option<String>,
    pub text: String,
    /// As Notify calls it.
    pub status: &'static str,
}

impl Ledger {
    /// What somebody would get, in order.
    pub fn texts_to(&self, to: &str) -> Vec<&str> {
        self.accepted.iter().filter(|sent| sent.to == to).map(|sent| sent.text.as_str()).collect()
    }
}

/// On loopback; it no longer listens when it is dropped.
pub struct FakeNotify {
    /// Where its API is.
    pub url: String,
    desk: Arc<Desk>,
    _server: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Desk {
    script: Mutex<Script<Answer>>,
    look_ups: Mutex<LookUp>,
    received: Mutex<Vec<Value>>,
    clock: Mutex<Option<Arc<dyn Clock>>>,
    ledger: Watched<Ledger>,
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FakeNotify {
    pub async fn start() -> Self {
        let desk = Arc::new(Desk::default());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(receive).with_state(Arc::clone(&desk));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, desk, _server: AbortOnDropHandle::new(server) }
    }

    /// Its entry in the list `HOMEWARD_SMS`, without callbacks.
    pub fn sms_entry(&self, name: &str) -> String {
        self.entry(name, TEXT_TEMPLATE, "")
    }

    /// Its entry in the list `HOMEWARD_EMAIL`.
    pub fn email_entry(&self, name: &str) -> String {
        self.entry(name, MAIL_TEMPLATE, "")
    }

    /// Its entry in the list `HOMEWARD_SMS`, with more settings.
    pub fn sms_entry_with(&self, name: &str, more: &str) -> String {
        self.entry(name, TEXT_TEMPLATE, more)
    }

    fn entry(&self, name: &str, template: &str, more: &str) -> String {
        let url = &self.url;
        format!(
            r#"{{ name = "{name}", kind = "govuk_notify", url = "{url}", api_key = "live-key-{SERVICE}-{SECRET}", template_id = "{template}", timeout = "1s", {more} }}"#
        )
    }

    /// From now on a token has to be of this clock's last 30 seconds.
    pub fn goes_by(&self, clock: Arc<dyn Clock>) {
        *hold(&self.desk.clock) = Some(clock);
    }

    pub fn usually(&self, answer: Answer) {
        hold(&self.desk.script).usually = answer;
    }

    pub fn next(&self, answers: impl IntoIterator<Item = Answer>) {
        hold(&self.desk.script).next.extend(answers);
    }

    pub fn for_address(&self, to: &str, answer: Answer) {
        hold(&self.desk.script).to.insert(to.into(), answer);
    }

    pub fn look_ups(&self, answer: LookUp) {
        *hold(&self.desk.look_ups) = answer;
    }

    /// What was taken so far could not be sent after all.
    pub fn sent_none_of_it(&self) {
        self.desk.ledger.change(|ledger| {
            ledger.accepted.iter_mut().for_each(|sent| sent.status = "technical-failure");
        });
    }

    /// Somebody texts the service.
    pub fn somebody_texts(&self, id: &str, from: &str, text: &str) {
        let received = json!({
            "id": id, "user_number": from, "notify_number": "07700900999", "content": text, "service_id": SERVICE,
            "created_at": "2026-01-14T12:00:00.000000Z",
        });
        hold(&self.desk.received).insert(0, received);
    }

    pub fn ledger(&self) -> Ledger {
        self.desk.ledger.now()
    }
}

impl Drop for FakeNotify {
    fn drop(&mut self) {
        let unexpected = self.ledger().unexpected;
        assert!(std::thread::panicking() || unexpected.is_empty(), "Notify would not take {unexpected:#?}");
    }
}

impl Desk {
    /// Whether the token is of the service, and of now.
    fn known(&self, headers: &HeaderMap) -> Result<(), &'static str> {
        let token = headers.get("authorization").and_then(|header| header.to_str().ok());
        let token = token.and_then(|header| header.strip_prefix("Bearer ")).ok_or("no token")?;
        let (signed, signature) = token.rsplit_once('.').ok_or("no token")?;
        let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(signed);
        let signature = BASE64_URL.decode(signature).map_err(|_| "no token")?;
        mac.verify_slice(&signature).map_err(|_| "another secret")?;
        let [header, claims] = [0, 1].map(|part| {
            let part = BASE64_URL.decode(signed.split('.').nth(part).unwrap_or_default()).unwrap_or_default();
            serde_json::from_slice::<Value>(&part).unwrap_or_default()
        });
        if header != json!({"typ": "JWT", "alg": "HS256"}) || claims["iss"] != SERVICE {
            return Err("another token");
        }
        let issued = claims["iat"].as_i64().ok_or("a token without a time")?;
        let now = hold(&self.clock).as_ref().map(|clock| clock.now().timestamp());
        if now.is_some_and(|now| (now - issued).abs() > 30) {
            return Err("a token of another time");
        }
        Ok(())
    }

    fn unexpected(&self, what: String) -> Response {
        self.ledger.change(|ledger| ledger.unexpected.push(what));
        error(400, "ValidationError")
    }
}

/// What is wrong with a message; or the message, without its id.
fn read(kind: &str, body: &[u8]) -> Result<Accepted, String> {
    let mut body: HashMap<String, Value> = serde_json::from_slice(body).map_err(|_| "no JSON")?;
    let mut text = |name: &str| body.remove(name).and_then(|value| value.as_str().map(str::to_owned));
    let (address, template, names) = match kind {
        "sms" => ("phone_number", TEXT_TEMPLATE, &["message"][..]),
        _ => ("email_address", MAIL_TEMPLATE, &["subject", "message", "link"][..]),
    };
    if text("template_id").as_deref() != Some(template) {
        return Err("another template".into());
    }
    let (to, reference) = (text(address), text("reference"));
    let words = body.remove("personalisation").unwrap_or_default();
    if kind == "email" && body.remove("sanitise_content_for") != Some(json!(["message"])) {
        return Err("what people typed is not made harmless".into());
    }
    let given: Vec<_> = words.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    if given != names || !body.is_empty() {
        return Err(format!("{given:?} and {:?}", body.keys()));
    }
    let (Some(to), Some(reference), Some(text)) = (to, reference, words["message"].as_str()) else {
        return Err("something is missing".into());
    };
    if kind == "sms" && text.chars().count() > 918 {
        return Err("too long".into());
    }
    let subject = words["subject"].as_str().map(str::to_owned);
    Ok(Accepted { id: String::new(), reference, to, subject, text: text.into(), status: "created" })
}

fn error(status: u16, error: &str) -> Response {
    let told = json!({"status_code": status, "errors": [{"error": error, "message": "not +447700900123"}]});
    (StatusCode::from_u16(status).unwrap(), Json(told)).into_response()
}

async fn receive(
    State(desk): State<Arc<Desk>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err(wrong) = desk.known(&headers) {
        return desk.unexpected(wrong.into());
    }
    match (method.as_str(), uri.path()) {
        ("POST", "/v2/notifications/sms") => send(&desk, "sms", &body).await,
        ("POST", "/v2/notifications/email") => send(&desk, "email", &body).await,
        ("GET", "/v2/notifications") => {
            let Some(reference) = uri.query().and_then(|query| query.strip_prefix("reference=")) else {
                return desk.unexpected(uri.to_string());
            };
            let found = desk.ledger.change(|ledger| {
                ledger.look_ups.push(reference.into());
                let found = ledger.accepted.iter().filter(|sent| sent.reference == reference);
                found
                    .map(|sent| json!({"id": sent.id, "reference": reference, "status": sent.status}))
                    .collect::<Vec<_>>()
            });
            match *hold(&desk.look_ups) {
                LookUp::Answer => Json(json!({"notifications": found, "links": {}})).into_response(),
                LookUp::Fail => error(500, "Exception"),
            }
        }
        ("GET", "/v2/received-text-messages") if uri.query().is_none() => {
            Json(json!({"received_text_messages": hold(&desk.received).clone(), "links": {}})).into_response()
        }
        _ => desk.unexpected(format!("{method} {uri}")),
    }
}

async fn send(desk: &Desk, kind: &str, body: &[u8]) -> Response {
    let message = match read(kind, body) {
        Ok(message) => message,
        Err(wrong) => return desk.unexpected(wrong),
    };
    let answer = hold(&desk.script).answer(&message.to);
    let id = desk.ledger.change(|ledger| {
        ledger.attempts.push(message.to.clone());
        let id = format!("00000000-0000-0000-0000-{:012}", ledger.attempts.len());
        if matches!(answer, Answer::Accept | Answer::AcceptThenHang) {
            ledger.accepted.push(Accepted { id: id.clone(), ..message });
        }
        id
    });
    match answer {
        Answer::Accept => (StatusCode::CREATED, Json(json!({"id": id}))).into_response(),
        Answer::Error { status, error: class } => error(status, class),
        Answer::Throttle { retry_after_secs } => {
            ([(RETRY_AFTER, retry_after_secs.to_string())], error(429, "RateLimitError")).into_response()
        }
        Answer::AcceptThenHang => std::future::pending().await,
    }
}
