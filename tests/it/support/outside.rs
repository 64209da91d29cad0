//! A place in the outside: takes heartbeats, or stands where people think that Homeward is.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tokio::net::TcpListener;

use super::watched::Watched;

/// What it does with a request.
#[derive(Debug, Clone)]
pub enum Mode {
    /// Says this.
    Say(&'static str),
    /// Fails.
    Fail,
    /// Hands it on, as a proxy does.
    HandOnTo(String),
}

/// The place.
#[derive(Debug)]
pub struct Outside {
    pub url: String,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    mode: Mutex<Mode>,
    asked: Watched<Vec<String>>,
    http: reqwest::Client,
}

impl Outside {
    pub async fn start(mode: Mode) -> Self {
        homeward::providers::install_crypto();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let inner = Arc::new(Inner { mode: Mutex::new(mode), asked: Watched::default(), http });
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, inner }
    }

    pub fn set(&self, mode: Mode) {
        *self.inner.mode.lock().unwrap() = mode;
    }

    /// The paths that were asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.inner.asked.now()
    }

    /// Waits until it was asked so often.
    #[track_caller]
    pub fn wait_for(&self, times: usize) -> impl Future<Output = Vec<String>> {
        self.inner.asked.wait_for(move |asked| asked.len() >= times)
    }
}

async fn answer(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    inner.asked.change(|asked| asked.push(path.clone()));
    let mode = inner.mode.lock().unwrap().clone();
    match mode {
        Mode::Say(words) => words.into_response(),
        Mode::Fail => StatusCode::BAD_GATEWAY.into_response(),
        Mode::HandOnTo(address) => match inner.http.get(format!("{address}{path}")).send().await {
            Ok(reply) => {
                let status = StatusCode::from_u16(reply.status().as_u16()).unwrap();
                (status, reply.text().await.unwrap()).into_response()
            }
            Err(_) => StatusCode::BAD_GATEWAY.into_response(),
        },
    }
}
