//! An SMS provider that follows a script and remembers everything. It speaks what `providers::sms_webhook` speaks: signed
//! webhooks after the Standard Webhooks specification.

use std::{
    collections::{HashMap, VecDeque},
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use homeward::clock::{Clock, Time};
use serde::Deserialize;
use serde_json::json;
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::watched::Watched;

/// What the provider does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Answer {
    /// Takes it and says so.
    #[default]
    Accept,
    /// Refuses it with this status.
    Status(u16),
    /// Has had too many.
    Throttle { retry_after_secs: u64 },
    /// Neither takes it nor answers.
    Hang,
    /// Takes it and never says so.
    AcceptThenHang,
}

/// Everything that has come in.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Every message, taken or not.
    pub attempts: Vec<Attempt>,
    /// What was taken, and so would be on somebody's phone.
    pub accepted: Vec<Accepted>,
    /// The ids of what was not signed, or not by us.
    pub bad_signatures: Vec<String>,
    /// What was signed but was no message, or one by another name.
    pub malformed: Vec<String>,
}

/// A message that has come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The `webhook-id`.
    pub id: String,
    /// Whose phone.
    pub to: String,
    /// What became of it.
    pub answer: Answer,
}

/// A message that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The `webhook-id`.
    pub id: String,
    /// Whose phone.
    pub to: String,
    /// What it says.
    pub text: String,
    /// Its place among all attempts, from 1: an order without a clock.
    pub at: usize,
    /// At which attempt with this id it was taken, from 1.
    pub attempt: usize,
}

impl Ledger {
    fn enter(&mut self, sms: Sms, answer: Answer) -> usize {
        self.attempts.push(Attempt { id: sms.id.clone(), to: sms.to.clone(), answer });
        let at = self.attempts.len();
        if matches!(answer, Answer::Accept | Answer::AcceptThenHang) {
            let attempt = self.attempts.iter().filter(|attempt| attempt.id == sms.id).count();
            self.accepted.push(Accepted { id: sms.id, to: sms.to, text: sms.text, at, attempt });
        }
        at
    }

    /// What this phone would show, in order.
    pub fn texts_to(&self, to: &str) -> Vec<&str> {
        self.accepted.iter().filter(|sms| sms.to == to).map(|sms| sms.text.as_str()).collect()
    }
}

/// A provider on loopback; it no longer listens when it is dropped.
pub struct FakeSms {
    /// Where it takes messages.
    pub url: String,
    desk: Arc<Desk>,
    _server: AbortOnDropHandle<()>,
}

impl FakeSms {
    /// Starts one that checks signatures with this `whsec_…` secret.
    pub async fn start(secret: &str) -> Self {
        let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let desk = Arc::new(Desk { key, script: Mutex::default(), ledger: Watched::default() });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/sms", listener.local_addr().unwrap());
        let router = Router::new().route("/sms", post(receive)).with_state(Arc::clone(&desk));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, desk, _server: AbortOnDropHandle::new(server) }
    }

    /// The answer where nothing else is said.
    pub fn usually(&self, answer: Answer) {
        self.desk.script().usually = answer;
    }

    /// The answers to the next messages; they go before everything else.
    pub fn next(&self, answers: impl IntoIterator<Item = Answer>) {
        self.desk.script().next.extend(answers);
    }

    /// The answer to every message for this phone.
    pub fn for_phone(&self, to: &str, answer: Answer) {
        self.desk.script().by_phone.insert(to.into(), answer);
    }

    /// Takes no more than so many in a second of this clock; more are told to come again in one second.
    pub fn limit(&self, per_second: u32, clock: Arc<dyn Clock>) {
        let allowance = Allowance { per_second, left: i64::from(per_second) * ONE, at: clock.now(), clock };
        self.desk.script().allowance = Some(allowance);
    }

    /// What has come in so far.
    pub fn ledger(&self) -> Ledger {
        self.desk.ledger.now()
    }

    /// Waits until the ledger is so.
    #[track_caller]
    pub fn wait_for(&self, reached: impl Fn(&Ledger) -> bool) -> impl Future<Output = Ledger> {
        self.desk.ledger.wait_for(reached)
    }
}

/// What a gateway would post at this time: signed with this secret.
pub fn signed(secret: &str, id: &str, at: Time, event: &serde_json::Value) -> (HeaderMap, String) {
    let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let (at, body) = (at.timestamp(), event.to_string());
    let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap().chain_update(format!("{id}.{at}.{body}"));
    let signature = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("webhook-id", id.into()),
        ("webhook-timestamp", at.to_string()),
        ("webhook-signature", signature),
    ];
    let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    (HeaderMap::from_iter(headers), body)
}

struct Desk {
    key: Vec<u8>,
    script: Mutex<Script>,
    ledger: Watched<Ledger>,
}

#[derive(Default)]
struct Script {
    usually: Answer,
    next: VecDeque<Answer>,
    by_phone: HashMap<String, Answer>,
    allowance: Option<Allowance>,
}

/// A bucket of a second's worth, in millionths of a message, so that whole microseconds fill it exactly.
struct Allowance {
    per_second: u32,
    left: i64,
    at: Time,
    clock: Arc<dyn Clock>,
}

/// One message in an [`Allowance`].
const ONE: i64 = 1_000_000;

impl Allowance {
    fn takes_one(&mut self) -> bool {
        let now = self.clock.now();
        let passed = (now - self.at).num_microseconds().unwrap_or(i64::MAX).max(0);
        let per_second = i64::from(self.per_second);
        self.left = self.left.saturating_add(passed.saturating_mul(per_second)).min(per_second * ONE);
        self.at = now;
        let takes = self.left >= ONE;
        if takes {
            self.left -= ONE;
        }
        takes
    }
}

impl Script {
    fn answer(&mut self, to: &str) -> Answer {
        if let Some(next) = self.next.pop_front() {
            return next;
        }
        let answer = self.by_phone.get(to).copied().unwrap_or(self.usually);
        let within = answer != Answer::Accept || self.allowance.as_mut().is_none_or(Allowance::takes_one);
        if within { answer } else { Answer::Throttle { retry_after_secs: 1 } }
    }
}

impl Desk {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether one of the signatures is ours. The time-stamp is not compared with a clock: tests set theirs.
    fn signed(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).unwrap();
        mac.update(
            format!("{}.{}.", text(headers, "webhook-id"), text(headers, "webhook-timestamp")).as_bytes(),
        );
        mac.update(body);
        text(headers, "webhook-timestamp").parse::<i64>().is_ok()
            && text(headers, "webhook-signature")
                .split(' ')
                .filter_map(|signature| BASE64_STANDARD.decode(signature.strip_prefix("v1,")?).ok())
                .any(|signature| mac.clone().verify_slice(&signature).is_ok())
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[derive(Deserialize)]
#[serde(tag = "type", content = "data")]
enum Webhook {
    #[serde(rename = "sms.send")]
    Send(Sms),
}

#[derive(Deserialize)]
struct Sms {
    id: String,
    to: String,
    text: String,
}

async fn receive(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response {
    let id = text(&headers, "webhook-id");
    if !desk.signed(&headers, &body) {
        desk.ledger.change(|ledger| ledger.bad_signatures.push(id.into()));
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let sms = match serde_json::from_slice(&body) {
        Ok(Webhook::Send(sms)) if sms.id == id => sms,
        _ => {
            desk.ledger.change(|ledger| ledger.malformed.push(String::from_utf8_lossy(&body).into()));
            return StatusCode::BAD_REQUEST.into_response();
        }
    };
    let answer = desk.script().answer(&sms.to);
    let at = desk.ledger.change(|ledger| ledger.enter(sms, answer));
    match answer {
        Answer::Accept => Json(json!({ "id": format!("fake-{at}") })).into_response(),
        Answer::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answer::Throttle { retry_after_secs } => {
            (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, retry_after_secs.to_string())]).into_response()
        }
        Answer::Hang | Answer::AcceptThenHang => std::future::pending().await,
    }
}
