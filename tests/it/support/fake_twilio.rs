//! Twilio's Messages API, by a script. It takes what `providers::twilio` may send and nothing else: any other request fails the
//! test when the fake is dropped. It signs what Twilio would send back, too.

use std::{
    collections::BTreeMap,
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
use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha1::Sha1;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::{script::Script, watched::Watched};

/// The account that it knows.
pub const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Whose texts it sends.
pub const NUMBER: &str = "+447700900999";

/// What it does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Answer {
    /// Takes it and says so.
    #[default]
    Accept,
    /// Refuses it with this status and code.
    Error { status: u16, code: u64 },
    /// Has had too many.
    Throttle { retry_after_secs: u64 },
    /// Takes it and never says so.
    AcceptThenHang,
}

/// Everything that has come in.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Whose phone, for every message, taken or not.
    pub attempts: Vec<String>,
    /// What was taken, and so would be on somebody's phone.
    pub accepted: Vec<Accepted>,
    /// What Twilio would not understand.
    pub unexpected: Vec<String>,
}

/// A message that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub sid: String,
    pub to: String,
    pub text: String,
    /// Where it would tell what became of it.
    pub callback: Option<String>,
}

impl Ledger {
    /// What this phone would show, in order.
    pub fn texts_to(&self, to: &str) -> Vec<&str> {
        self.accepted.iter().filter(|sms| sms.to == to).map(|sms| sms.text.as_str()).collect()
    }
}

/// On loopback; it no longer listens when it is dropped.
pub struct FakeTwilio {
    /// Where its API is.
    pub url: String,
    desk: Arc<Desk>,
    _server: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Desk {
    script: Mutex<Script<Answer>>,
    ledger: Watched<Ledger>,
}

impl FakeTwilio {
    pub async fn start() -> Self {
        let desk = Arc::new(Desk::default());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(receive).with_state(Arc::clone(&desk));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, desk, _server: AbortOnDropHandle::new(server) }
    }

    /// Its entry in the list `HOMEWARD_SMS`, without callbacks.
    pub fn entry(&self, name: &str) -> String {
        self.entry_with(name, "callbacks = false")
    }

    /// The same, with more settings.
    pub fn entry_with(&self, name: &str, more: &str) -> String {
        let url = &self.url;
        format!(
            r#"{{ name = "{name}", kind = "twilio", url = "{url}", account_sid = "{ACCOUNT}", auth_token = "{TOKEN}", from = "{NUMBER}", timeout = "1s", {more} }}"#
        )
    }

    pub fn usually(&self, answer: Answer) {
        self.script().usually = answer;
    }

    pub fn next(&self, answers: impl IntoIterator<Item = Answer>) {
        self.script().next.extend(answers);
    }

    pub fn for_phone(&self, to: &str, answer: Answer) {
        self.script().to.insert(to.into(), answer);
    }

    pub fn ledger(&self) -> Ledger {
        self.desk.ledger.now()
    }

    fn script(&self) -> MutexGuard<'_, Script<Answer>> {
        self.desk.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FakeTwilio {
    fn drop(&mut self) {
        let unexpected = self.ledger().unexpected;
        assert!(std::thread::panicking() || unexpected.is_empty(), "Twilio would not take {unexpected:#?}");
    }
}

/// The form as Twilio would post it to this address, and its signature.
pub fn signed(token: &str, url: &str, fields: &[(&str, &str)]) -> (HeaderMap, String) {
    let sorted: BTreeMap<_, _> = fields.iter().copied().collect();
    let text: String = sorted.iter().flat_map(|(name, value)| [*name, *value]).collect();
    let mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).unwrap();
    let signature = mac.chain_update(url).chain_update(text).finalize().into_bytes();
    let headers = [
        ("x-twilio-signature", BASE64_STANDARD.encode(signature)),
        ("content-type", "application/x-www-form-urlencoded".into()),
    ];
    let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    (HeaderMap::from_iter(headers), body)
}

/// What is wrong with a request that should be a message of ours; or the message, without its sid.
fn read(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<Accepted, String> {
    let path = format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json");
    if (method, uri.to_string()) != (&Method::POST, path) {
        return Err(format!("{method} {uri}"));
    }
    let login = format!("Basic {}", BASE64_STANDARD.encode(format!("{ACCOUNT}:{TOKEN}")));
    if headers.get("authorization").is_none_or(|header| header != login.as_str()) {
        return Err("another log-in".into());
    }
    if headers.get("content-type").is_none_or(|header| header != "application/x-www-form-urlencoded") {
        return Err("no form".into());
    }
    let mut form: BTreeMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
    for (name, value) in [("From", NUMBER), ("ValidityPeriod", "600"), ("SmartEncoded", "true")] {
        if form.remove(name).as_deref() != Some(value) {
            return Err(format!("{name} is not {value}"));
        }
    }
    let (to, text, callback) = (form.remove("To"), form.remove("Body"), form.remove("StatusCallback"));
    match (to, text) {
        (Some(to), Some(text)) if form.is_empty() && (1..=1600).contains(&text.chars().count()) => {
            Ok(Accepted { sid: String::new(), to, text, callback })
        }
        _ => Err(format!("fields {:?}", form.keys())),
    }
}

async fn receive(
    State(desk): State<Arc<Desk>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let error = |status: u16, code: u64| {
        let told = json!({"code": code, "message": "no +447700900123 for you", "more_info": "https://www.twilio.com/docs", "status": status});
        (StatusCode::from_u16(status).unwrap(), Json(told))
    };
    let message = match read(&method, &uri, &headers, &body) {
        Ok(message) => message,
        Err(wrong) => {
            desk.ledger.change(|ledger| ledger.unexpected.push(wrong));
            return error(400, 20001).into_response();
        }
    };
    let answer = desk.script.lock().unwrap_or_else(PoisonError::into_inner).answer(&message.to);
    let sid = desk.ledger.change(|ledger| {
        ledger.attempts.push(message.to.clone());
        let sid = format!("SM{:032}", ledger.attempts.len());
        if matches!(answer, Answer::Accept | Answer::AcceptThenHang) {
            ledger.accepted.push(Accepted { sid: sid.clone(), ..message });
        }
        sid
    });
    match answer {
        Answer::Accept => {
            let taken = json!({"sid": sid, "status": "queued", "error_code": null, "num_segments": "1"});
            (StatusCode::CREATED, Json(taken)).into_response()
        }
        Answer::Error { status, code } => error(status, code).into_response(),
        Answer::Throttle { retry_after_secs } => {
            ([(RETRY_AFTER, retry_after_secs.to_string())], error(429, 20429)).into_response()
        }
        Answer::AcceptThenHang => std::future::pending().await,
    }
}
