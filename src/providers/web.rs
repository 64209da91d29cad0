//! What the providers that are spoken to by HTTP share.

use std::{borrow::Cow, time::Duration};

use chrono::DateTime;
use reqwest::{
    Client, Response,
    header::{HeaderMap, RETRY_AFTER},
    redirect,
};
use serde::de::DeserializeOwned;

use crate::{clock::Time, config::Complaint, domain::retry::Handed};

/// How long to leave a provider alone that asks for it and does not say for how long.
pub(super) const SLOW: Duration = Duration::from_secs(5);
/// No provider makes an alarm wait for longer than this.
pub(super) const SLOWEST: Duration = Duration::from_mins(5);
/// As much of an answer is read, and no longer than [`ANSWER`]: it says only what became of one message.
const LONGEST_ANSWER: usize = 16 * 1024;
const ANSWER: Duration = Duration::from_secs(1);
/// What stands at the end of a text that was cut.
const CUT: &str = "...";
/// A longer name is none.
const LONGEST_NAME: usize = 200;

/// One that goes straight to the provider and nowhere else.
pub(super) fn client() -> Result<Client, Complaint> {
    Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .user_agent(concat!("homeward/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|_| Complaint::new("url", "cannot be spoken to: TLS does not start"))
}

/// A request that got no answer.
pub(super) fn unanswered(error: &reqwest::Error) -> Handed {
    let reason = if error.is_connect() { "no connection" } else { "the connection broke" };
    Handed::TryAgain { reason: reason.into() }
}

/// The short answer to a message as JSON, if it is that and comes in time.
pub(super) async fn answer(response: Response) -> Option<serde_json::Value> {
    tokio::time::timeout(ANSWER, json(response, LONGEST_ANSWER)).await.ok().flatten()
}

/// An answer as JSON, if it is that and no longer than so many bytes.
pub(super) async fn json<T: DeserializeOwned>(mut response: Response, longest: usize) -> Option<T> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        body.extend_from_slice(&chunk);
        if body.len() > longest {
            return None;
        }
    }
    serde_json::from_slice(&body).ok()
}

/// The provider's name for a message, if that is one.
pub(super) fn name_of(value: &serde_json::Value) -> Option<String> {
    value.as_str().filter(|name| !name.is_empty() && name.len() <= LONGEST_NAME).map(str::to_owned)
}

/// Reads `Retry-After`: seconds or an HTTP date, held between 1 s and [`SLOWEST`].
pub(super) fn retry_after(headers: &HeaderMap, now: Time) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = value.parse() {
        Duration::from_secs(seconds)
    } else {
        let until = DateTime::parse_from_rfc2822(value).ok()?;
        (until.to_utc() - now).to_std().unwrap_or_default() // a date that has passed
    };
    Some(wait.clamp(Duration::from_secs(1), SLOWEST))
}

/// `text` in as many characters as a provider takes. What is longer would be refused whole; what comes first matters most.
pub(super) fn cut(text: &str, longest: usize) -> Cow<'_, str> {
    if text.chars().count() <= longest {
        return text.into();
    }
    let kept: String = text.chars().take(longest.saturating_sub(CUT.len())).collect();
    (kept + CUT).into()
}

/// A word of a provider's that may stand in a log: a code or the name of a class, and nothing that somebody typed.
pub(super) fn harmless(word: &str) -> Option<&str> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    ((1..=40).contains(&word.len()) && word.chars().all(fine)).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_held_within_bounds() {
        let now = DateTime::parse_from_rfc3339("2015-10-21T07:27:30Z").unwrap().to_utc();
        for (value, seconds) in [
            ("7", Some(7)),
            ("0", Some(1)),
            ("86400", Some(300)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(30)),
            ("Wed, 21 Oct 2015 07:00:00 GMT", Some(1)),
            ("Wed, 21 Oct 2016 07:28:00 GMT", None), // a Friday
            ("soon", None),
            ("-1", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            assert_eq!(retry_after(&headers, now), seconds.map(Duration::from_secs), "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn a_text_is_cut_only_if_it_has_to_be() {
        assert_eq!(cut("ŵŵŵŵŵ", 5), "ŵŵŵŵŵ");
        assert_eq!(cut("ŵŵŵŵŵŵ", 5), "ŵŵ...");
    }

    #[test]
    fn what_a_log_may_take_is_no_sentence() {
        assert_eq!(harmless("permanent-failure"), Some("permanent-failure"));
        for word in ["", "Ann is late", "+447700900123", "ann@example.org", &"x".repeat(41)] {
            assert_eq!(harmless(word), None, "{word}");
        }
    }
}
