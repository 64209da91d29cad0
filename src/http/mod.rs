//! The HTTP door: JSON API, its description, health.

mod alarm_page;
pub mod api;
mod auth;
mod body;
mod device;
mod health;
mod inbound;
pub mod metrics;
mod plain_page;
pub mod problem;
mod proofs;

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::{Path, Request, State},
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tower_http::set_header::SetResponseHeaderLayer;

pub use self::alarm_page::WrongCodes;
use crate::{
    app::House,
    clock::{Clock, Time},
    http::problem::{Kind, Problem},
    inbox::Inbox,
    keys::ServerKey,
    store::Db,
    vitals::Vitals,
};

/// What every handler works with.
#[derive(Debug, Clone)]
pub struct Site {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What use cases need to know.
    pub house: Arc<House>,
    /// What PINs are hashed under.
    pub key: ServerKey,
    /// When a call for help by an unknown token was last logged: whoever sends many fills no log.
    pub unknown_caller: SeldomSaid,
    /// Codes that were wrong on the pages of alarms.
    pub wrong_codes: WrongCodes,
    /// What providers send.
    pub inbox: Arc<Inbox>,
    /// How this process is.
    pub vitals: Arc<Vitals>,
}

/// When something was last said that is not said each time.
#[derive(Debug, Clone, Default)]
pub struct SeldomSaid(Arc<Mutex<Option<Time>>>);

impl SeldomSaid {
    /// Whether it is time to say it again; then it counts as said.
    pub fn is_time_again(&self, now: Time, every: chrono::TimeDelta) -> bool {
        let mut last = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let again = last.is_none_or(|last| now - last >= every);
        if again {
            *last = Some(now);
        }
        again
    }
}

/// Everything that is served.
pub fn router(site: Site) -> Router {
    let (api, description) = api::router().split_for_parts();
    let description = serde_json::to_string(&description).unwrap_or_default();
    let description = axum::body::Bytes::from(description);
    Router::new()
        .merge(api)
        .route(
            "/openapi.json",
            get(move || async move { ([(header::CONTENT_TYPE, "application/json")], description.clone()) }),
        )
        .route("/inbound/sms/{kind}", post(inbound::text))
        .route("/receipts/{provider}", post(inbound::receipt))
        .route("/alarm/{page}", get(alarm_page::show).post(alarm_page::answer))
        .route("/proofs/{id}", get(proofs::show).post(proofs::answer))
        .route("/device/{secret}/sos", post(device::sos))
        .route("/device/{secret}/check-in", post(device::check_in))
        .route("/problems/{slug}", get(explain))
        .route("/healthz", get(health::alive))
        .route("/healthz/{nonce}", get(health::prove))
        .route("/readyz", get(health::ready))
        .layer(middleware::from_fn(finish_what_was_begun))
        .route_layer(middleware::from_fn_with_state(site.clone(), metrics::count))
        .fallback(nothing_here)
        .method_not_allowed_fallback(async || Problem::of(Kind::Method))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ))
        .with_state(site)
}

/// What is answered where nothing is served.
pub fn nothing_here() -> std::future::Ready<Problem> {
    std::future::ready(Problem::of(Kind::NotFound))
}

/// A request runs to its end even if its client hangs up: what was begun ends alike on both databases.
async fn finish_what_was_begun(request: Request, next: Next) -> Response {
    match tokio::spawn(next.run(request)).await {
        Ok(response) => response,
        Err(_panicked) => Problem::of(Kind::Fault).into_response(),
    }
}

async fn explain(Path(slug): Path<String>, State(_): State<Site>) -> Response {
    match Kind::ALL.iter().find(|kind| kind.slug() == slug) {
        Some(kind) => {
            format!("{} ({})\n\n{}\n", kind.title(), kind.status(), kind.explained()).into_response()
        }
        None => Problem::of(Kind::NotFound).into_response(),
    }
}
