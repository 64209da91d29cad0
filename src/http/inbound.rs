//! What providers send: texts and receipts. Each request is checked to be the provider's, kept, and only then thanked for.

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

use super::{
    Site,
    problem::{Kind, Problem},
};
use crate::inbox::{Address, Heard, Request};

/// Texts: `POST /inbound/sms/{webhook|twilio|govuk-notify}`.
pub(super) async fn text(
    State(site): State<Site>,
    Path(kind): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    hear(&site, &Address::Texts(kind), &uri, &headers, &body).await
}

/// Receipts: `POST /receipts/{the provider's name in the configuration}`.
pub(super) async fn receipt(
    State(site): State<Site>,
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    hear(&site, &Address::Receipts(name), &uri, &headers, &body).await
}

async fn hear(site: &Site, address: &Address, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Response {
    let path_and_query = uri.path_and_query().map_or_else(|| uri.path(), |path| path.as_str());
    match site.inbox.hear(address, Request { path_and_query, headers, body }).await {
        Heard::Kept(thanks) => ([(header::CONTENT_TYPE, thanks.content_type)], thanks.body).into_response(),
        Heard::NotKept => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Heard::Forged => Problem::of(Kind::Forged).into_response(),
        Heard::Unreadable(why) => Problem::new(Kind::Unreadable, why).into_response(),
        Heard::NobodyHere => Problem::of(Kind::NotFound).into_response(),
    }
}
