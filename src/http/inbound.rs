//! What providers send: texts and receipts. Each request is checked to be the provider's, kept, and only then thanked for.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{
    Site,
    problem::{Kind, Problem},
};
use crate::{
    domain::event::{Door, EventKind, NewEvent},
    providers::{
        Entry,
        inbound::{Incoming, NotTaken},
    },
    store::{Lane, Trace, Tx, events, people},
};

/// A forged request is logged so often at most: whoever sends many fills no log.
const LOGGED_EVERY: chrono::TimeDelta = chrono::TimeDelta::minutes(1);

/// Texts: `POST /inbound/sms/{webhook|twilio|govuk-notify}`.
pub(super) async fn text(
    State(site): State<Site>,
    Path(kind): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let entries: Vec<_> = site.inbox.providers().inbound(&kind).cloned().collect();
    take(&site, &entries, &uri, &headers, &body).await
}

/// Receipts: `POST /receipts/{the provider's name in the configuration}`.
pub(super) async fn receipt(
    State(site): State<Site>,
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let entries: Vec<_> = site.inbox.providers().named(&name).cloned().into_iter().collect();
    take(&site, &entries, &uri, &headers, &body).await
}

async fn take(site: &Site, entries: &[Arc<Entry>], uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Response {
    let path_and_query = uri.path_and_query().map_or_else(|| uri.path(), |path| path.as_str());
    let incoming = Incoming { path_and_query, headers, body, now: site.clock.now() };
    for entry in entries {
        let received = match entry.provider().verify_and_read(&incoming) {
            Ok(received) => received,
            // Perhaps it is from another of the same kind.
            Err(NotTaken::Forged(_)) => continue,
            Err(why @ NotTaken::Malformed(_)) => {
                tracing::error!(provider = entry.name(), %why, "a provider sent what cannot be read");
                return Problem::new(Kind::Unreadable, why.to_string()).into_response();
            }
        };
        return match site.inbox.take(entry, received).await {
            Ok(()) => {
                let thanks = entry.provider().thanks();
                ([(header::CONTENT_TYPE, thanks.content_type)], thanks.body).into_response()
            }
            // Not kept: whoever sent it has to send it again.
            Err(error) => {
                tracing::error!(%error, provider = entry.name(), "what a provider sent could not be kept");
                StatusCode::SERVICE_UNAVAILABLE.into_response()
            }
        };
    }
    if entries.is_empty() {
        return Problem::of(Kind::NotFound).into_response();
    }
    log_forged(site).await;
    Problem::of(Kind::Forged).into_response()
}

async fn log_forged(site: &Site) {
    let now = site.clock.now();
    if !site.forged.is_time_again(now, LOGGED_EVERY) {
        return;
    }
    tracing::warn!("a request that claims to be a provider's is not");
    let case = async move |tx: &mut Tx| {
        let trace = Trace::machine(Door::Sms, now);
        for (organisation, _) in people::organisations_any_org(tx).await? {
            let event = NewEvent::new(EventKind::WebhookForged, now, json!({}));
            events::log_for_organisation(tx, organisation, (None, None), trace, event).await?;
        }
        Ok(())
    };
    if let Err(error) = site.db.write_in(Lane::Usual, case).await {
        tracing::error!(%error, "a forged request was not logged");
    }
}
