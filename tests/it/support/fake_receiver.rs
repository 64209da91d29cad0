//! Another system that is told what happened: it follows a script, remembers everything, and checks signatures by code of its own, as
//! the Standard Webhooks specification says.

use std::{
    convert::Infallible,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use futures::stream;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::{script::Script, watched::Watched};

/// What it does with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Answers with this status.
    Status(u16),
    /// Has had too many.
    Throttle { retry_after_secs: u64 },
    /// Sends whoever asks elsewhere: to itself.
    Redirect,
    /// Never answers.
    Hang,
    /// Answers 200, and goes on answering.
    Endless,
}

impl Default for Answer {
    fn default() -> Self {
        Self::Status(204)
    }
}

/// What has come.
#[derive(Debug, Clone)]
pub struct Got {
    /// The `webhook-id`.
    pub id: String,
    /// The `webhook-timestamp`.
    pub timestamp: i64,
    /// By which of the secrets it is signed.
    pub signed_by: Vec<&'static str>,
    /// How many signatures it has.
    pub signatures: usize,
    /// What it says.
    pub event: Value,
    /// What was answered.
    pub answer: Answer,
}

impl Got {
    pub fn kind(&self) -> &str {
        self.event["type"].as_str().unwrap()
    }
}

/// A receiver on loopback; it no longer listens when it is dropped.
pub struct FakeReceiver {
    pub url: String,
    desk: Arc<Desk>,
    _server: AbortOnDropHandle<()>,
}

struct Desk {
    secrets: Vec<&'static str>,
    script: Mutex<Script<Answer>>,
    got: Watched<Vec<Got>>,
}

impl FakeReceiver {
    /// Starts one that knows these secrets.
    pub async fn start(secrets: &[&'static str]) -> Self {
        let desk = Desk { secrets: secrets.to_vec(), script: Mutex::default(), got: Watched::default() };
        let desk = Arc::new(desk);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/events?token=t0ken", listener.local_addr().unwrap());
        let router = Router::new().fallback(receive).with_state(Arc::clone(&desk));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, desk, _server: AbortOnDropHandle::new(server) }
    }

    /// Answers the next ones so.
    pub fn next(&self, answers: &[Answer]) {
        self.desk.script.lock().unwrap().next.extend(answers);
    }

    /// Answers so from now on.
    pub fn usually(&self, answer: Answer) {
        self.desk.script.lock().unwrap().usually = answer;
    }

    /// Answers events of this type so from now on.
    pub fn to_type(&self, kind: &str, answer: Answer) {
        self.desk.script.lock().unwrap().to.insert(kind.into(), answer);
    }

    /// Everything that has come, in order.
    pub fn got(&self) -> Vec<Got> {
        self.desk.got.now()
    }

    /// What it has taken.
    pub fn taken(&self) -> Vec<Got> {
        let taken = |got: &Got| matches!(got.answer, Answer::Status(200..300) | Answer::Endless);
        self.got().into_iter().filter(taken).collect()
    }

    /// The types of what it has taken.
    pub fn kinds(&self) -> Vec<String> {
        self.taken().iter().map(|got| got.kind().to_owned()).collect()
    }

    /// Waits until so much has come.
    #[track_caller]
    pub fn wait_for(&self, times: usize) -> impl Future<Output = Vec<Got>> {
        self.desk.got.wait_for(move |got| got.len() >= times)
    }
}

/// Whether one of the signatures is by this secret.
fn is_signed(secret: &str, id: &str, timestamp: &str, body: &[u8], signatures: &str) -> bool {
    let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    let mac = mac.chain_update(format!("{id}.{timestamp}.")).chain_update(body);
    let expected = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
    signatures.split(' ').any(|signature| signature == expected)
}

async fn receive(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (id, timestamp, signatures) =
        (text("webhook-id"), text("webhook-timestamp"), text("webhook-signature"));
    let event: Value = serde_json::from_slice(&body).unwrap();
    let answer = desk.script.lock().unwrap().answer(event["type"].as_str().unwrap());
    let signed = |secret: &&&'static str| is_signed(secret, id, timestamp, &body, signatures);
    let got = Got {
        id: id.into(),
        timestamp: timestamp.parse().unwrap(),
        signed_by: desk.secrets.iter().filter(signed).copied().collect(),
        signatures: signatures.split(' ').count(),
        event,
        answer,
    };
    desk.got.change(|all| all.push(got));
    match answer {
        Answer::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answer::Throttle { retry_after_secs } => {
            let after = [(header::RETRY_AFTER, retry_after_secs.to_string())];
            (StatusCode::TOO_MANY_REQUESTS, after).into_response()
        }
        Answer::Redirect => {
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/elsewhere")]).into_response()
        }
        Answer::Hang => std::future::pending().await,
        Answer::Endless => {
            let more = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 4096])));
            Body::from_stream(more).into_response()
        }
    }
}
