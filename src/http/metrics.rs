//! What the process counts, on a listener of its own; and the counting of requests.

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::get,
};

use super::{Site, health::Health};
use crate::store::{self, installation, webhooks};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is served to whoever collects metrics, and to nobody else.
pub fn router(site: Site) -> Router {
    Router::new().route("/metrics", get(show)).fallback(super::nothing_here).with_state(site)
}

/// Counts a request by its route; the path itself may hold an id or a code.
pub(super) async fn count(State(site): State<Site>, request: Request, next: Next) -> Response {
    let method = name(request.method());
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    site.db.metrics().request(method, route, response.status().as_u16());
    response
}

/// A client may make methods up: they would be labels for ever.
fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

async fn show(State(site): State<Site>) -> Response {
    let metrics = site.db.metrics();
    let health = Health::of(&site).await;
    let counts = site.db.look(installation::counts_any_org).await;
    metrics.ready.set(if health.is_ready() { 1.0 } else { 0.0 });
    // What the database does not tell is not known, and must not stand there as it was.
    let lag = |of: Option<chrono::TimeDelta>| of.map_or(f64::NAN, chrono::TimeDelta::as_seconds_f64);
    metrics.timer_lag.set(lag(health.lags.map(|lags| lags.timer)));
    metrics.outbox_lag.set(lag(health.lags.map(|lags| lags.outbox)));
    metrics.visits_running.set(count_of(&counts, |counts| counts.0));
    metrics.incidents_open.set(count_of(&counts, |counts| counts.1));
    let backlog = site.db.look(webhooks::all_pending_any_org).await;
    metrics.webhook_backlog.set(count_of(&backlog, |backlog| *backlog));
    metrics.clock_offset.set(site.clock.machine_ahead().as_seconds_f64());
    match metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "so many visits there are not")]
fn count_of<C>(counts: &store::Result<C>, which: impl Fn(&C) -> i64) -> f64 {
    counts.as_ref().map_or(f64::NAN, |counts| which(counts) as f64)
}
