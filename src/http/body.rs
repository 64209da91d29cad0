//! Request bodies: read up to a limit, parsed so that a refusal names the field.

use std::time::Duration;

use axum::{
    body::{Bytes, to_bytes},
    extract::{FromRequest, Request},
};
use serde::de::DeserializeOwned;

use super::{
    Site,
    problem::{Kind, Problem},
};

/// The largest body.
const LARGEST: usize = 64 * 1024;

/// A body that was read, or why it was not: a start has to tell somebody either way.
pub(super) struct Body(pub(super) Result<Bytes, Problem>);

impl FromRequest<Site> for Body {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, _: &Site) -> Result<Self, Self::Rejection> {
        Ok(Self(to_bytes(request.into_body(), LARGEST).await.map_err(|_| Problem::of(Kind::TooLarge))))
    }
}

/// A call for help waits so long for what comes with it.
const HELP_WAITS: Duration = Duration::from_secs(2);

/// What came with a call for help, as far as it came in time and could be read: the call itself is what counts.
pub(super) struct WhatCame(pub(super) Bytes);

impl FromRequest<Site> for WhatCame {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, _: &Site) -> Result<Self, Self::Rejection> {
        let came = tokio::time::timeout(HELP_WAITS, to_bytes(request.into_body(), LARGEST)).await;
        Ok(Self(came.map_or_else(|_too_late| Bytes::new(), Result::unwrap_or_default)))
    }
}

/// Reads JSON into a type. An empty body is an empty object.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let bytes = if bytes.iter().all(u8::is_ascii_whitespace) { b"{}" } else { bytes };
    let text =
        std::str::from_utf8(bytes).map_err(|_| Problem::new(Kind::Unreadable, "the body is not UTF-8"))?;
    let value: serde_json::Value = serde_json::from_str(text)
        .map_err(|error| Problem::new(Kind::Unreadable, format!("the body is no JSON: {error}")))?;
    serde_path_to_error::deserialize(value).map_err(|error| {
        let (path, detail) = (error.path().to_string(), error.inner().to_string());
        let field = if path == "." { named_in(&detail).unwrap_or_default() } else { path };
        Problem::field(field, detail)
    })
}

/// Words as they are kept: without control characters but the end of a line. One database would not take them.
pub(super) fn clean(words: &str) -> String {
    words.trim().chars().filter(|c| *c == '\n' || !c.is_control()).collect()
}

/// The same on one line, each blank a plain one: as it comes from a page, or from a letter, a reference may have others.
pub(super) fn clean_line(words: &str) -> Option<String> {
    let line = clean(words).split_whitespace().collect::<Vec<_>>().join(" ");
    (!line.is_empty()).then_some(line)
}

/// "missing field `pin`" names its field in the text alone.
fn named_in(detail: &str) -> Option<String> {
    detail.split('`').nth(1).map(str::to_owned)
}
