//! A page that works in any browser, on any phone, and needs nothing else.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};

/// Nothing from elsewhere, no script, and its form goes nowhere else.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const STYLE: &str = "body{font:19px/1.4 Arial,Helvetica,sans-serif;color:#0b0c0c;max-width:34em;margin:1.5em auto;padding:0 1em}\
input{font:inherit;width:6em;padding:.3em;border:2px solid #0b0c0c;text-transform:uppercase}\
button{display:block;font:inherit;font-weight:bold;width:100%;margin:.8em 0;padding:.6em;border:2px solid #0b0c0c;background:#f3f2f1;color:#0b0c0c}\
button.first{background:#00703c;border-color:#00703c;color:#fff}\
:focus{outline:3px solid #fd0;outline-offset:0}\
.said{border:4px solid #1d70b8;padding:.8em 1em;font-weight:bold}";

/// A page of this title, which is no markup, and this body, which is.
pub(super) fn plain_page(status: StatusCode, title: &str, body: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"robots\" content=\"noindex\">\
         <title>{title}</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>"
    );
    (status, [(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY))], Html(page))
        .into_response()
}
