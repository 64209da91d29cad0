//! `X-Twilio-Signature`: base64 of the HMAC over the address that Twilio calls and every field of the form, by name.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::HeaderMap;
use sha1::Sha1;
use sha2::Sha256;

use crate::{
    config::Secret,
    providers::inbound::{NotTaken, header},
};

const SIGNATURE: &str = "x-twilio-signature";
/// `key=…,algorithm=…`: there where a shared key signs instead of the account's token.
const SETTINGS: &str = "x-twilio-webhooks-signature-settings";

/// Whoever may sign what comes in: the account's token, and a second one while they are changed, or a shared key.
pub(super) struct Signers(Vec<(Hmac<Sha1>, Hmac<Sha256>)>);

/// The fields of a form, as they are signed: each name's values once, in order.
pub(super) type Form = BTreeMap<String, BTreeSet<String>>;

#[derive(Clone, Copy)]
enum Algorithm {
    Sha1,
    Sha256,
}

impl Signers {
    pub(super) fn new(secrets: &[Secret]) -> Self {
        let both = |secret: &Secret| {
            let key = secret.reveal().as_bytes();
            Some((Hmac::new_from_slice(key).ok()?, Hmac::new_from_slice(key).ok()?))
        };
        Self(secrets.iter().filter_map(both).collect())
    }

    /// Whether one of them has signed this form for this address.
    pub(super) fn verify(&self, url: &str, form: &Form, headers: &HeaderMap) -> Result<(), NotTaken> {
        let Some(signature) = header(headers, SIGNATURE).and_then(|text| STANDARD.decode(text).ok()) else {
            return Err(NotTaken::Forged("it is not signed"));
        };
        let algorithm = algorithm(headers)?;
        let fields: String = form
            .iter()
            .flat_map(|(name, values)| values.iter().map(move |value| format!("{name}{value}")))
            .collect();
        let signed = with_and_without_port(url).into_iter().map(|url| url + &fields).any(|text| {
            self.0.iter().any(|(sha1, sha256)| match algorithm {
                Algorithm::Sha1 => sha1.clone().chain_update(&text).verify_slice(&signature).is_ok(),
                Algorithm::Sha256 => sha256.clone().chain_update(&text).verify_slice(&signature).is_ok(),
            })
        });
        let wrong = "its signature does not fit: compare auth_token, and listen.public_url with the address at Twilio";
        if signed { Ok(()) } else { Err(NotTaken::Forged(wrong)) }
    }
}

/// The fields of a body.
pub(super) fn form(body: &[u8]) -> Form {
    let mut form = Form::new();
    for (name, value) in form_urlencoded::parse(body) {
        form.entry(name.into_owned()).or_default().insert(value.into_owned());
    }
    form
}

fn algorithm(headers: &HeaderMap) -> Result<Algorithm, NotTaken> {
    if !headers.contains_key(SETTINGS) {
        return Ok(Algorithm::Sha1);
    }
    let settings = header(headers, SETTINGS).unwrap_or_default();
    match settings.split(',').find_map(|part| part.trim().strip_prefix("algorithm=")) {
        Some("HMAC_SHA256") => Ok(Algorithm::Sha256),
        _ => Err(NotTaken::Forged("it is signed by an algorithm that is not known")),
    }
}

/// Twilio signs the address now with its port, now without.
fn with_and_without_port(url: &str) -> [String; 2] {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let other = match host.rsplit_once(':') {
        Some((bare, port)) if port.chars().all(|digit| digit.is_ascii_digit()) => bare.to_owned(),
        _ => format!("{host}:{}", if scheme == "http" { 80 } else { 443 }),
    };
    [url.to_owned(), format!("{scheme}://{other}{path}")]
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
    const BODY: &str =
        "CallSid=CA1234567890ABCDE&Caller=%2B12349013030&Digits=1234&From=%2B12349013030&To=%2B18005551212";
    const BY_SHA1: &str = "0/KCTR6DLpKmkAf8muzZqo1nDgQ=";
    const BY_SHA256: &str = "Rmm4Vzj+Ky7JGoWXMCsZDZuHDszLr9xvdbvitrDr4/M=";

    fn taken(secrets: &[&str], url: &str, body: &str, signature: &str, settings: Option<&str>) -> bool {
        let mut headers = HeaderMap::from_iter([(SIGNATURE.parse().unwrap(), signature.parse().unwrap())]);
        if let Some(settings) = settings {
            headers.insert(SETTINGS, settings.parse().unwrap());
        }
        let secrets: Vec<_> = secrets.iter().map(|secret| Secret::new(*secret)).collect();
        Signers::new(&secrets).verify(url, &form(body.as_bytes()), &headers).is_ok()
    }

    #[test]
    fn signatures_match_those_of_twilios_own_library() {
        assert!(taken(&["12345"], URL, BODY, BY_SHA1, None));
        assert!(taken(&["t"], "https://h/x", "a=2&a=1&a=1&B=", "UVNRNYVsQUGJ1B7OEJ6/O44pRcw=", None));
        assert!(taken(&["12345"], URL, BODY, BY_SHA256, Some("key=SK1,algorithm=HMAC_SHA256")));
    }

    #[test]
    fn two_secrets_are_valid_and_a_port_is_no_matter() {
        for secrets in [["12345", "other"], ["other", "12345"]] {
            assert!(taken(&secrets, URL, BODY, BY_SHA1, None));
        }
        let with_port = URL.replace(".com/", ".com:443/");
        assert!(taken(&["12345"], &with_port, BODY, BY_SHA1, None));
        assert_eq!(with_and_without_port(URL)[1], with_port);
        assert_eq!(with_and_without_port("http://h?x=a:1/")[1], "http://h:80?x=a:1/");
        assert_eq!(with_and_without_port("https://h:8443/p")[1], "https://h/p");
    }

    #[test]
    fn nothing_else_is_taken() {
        assert!(!taken(&["12346"], URL, BODY, BY_SHA1, None), "another secret");
        assert!(!taken(&[], URL, BODY, BY_SHA1, None), "nobody may");
        for (url, body) in [
            (URL.replace("https", "http"), BODY.to_owned()),
            (URL.replace("mycompany", "yourcompany"), BODY.to_owned()),
            ("https://mycompany.com/myapp.php?bar=2&foo=1".into(), BODY.to_owned()),
            (URL.into(), BODY.replace("1234&", "1235&")),
            (URL.into(), format!("{BODY}&More=")),
        ] {
            assert!(!taken(&["12345"], &url, &body, BY_SHA1, None), "{url} {body}");
        }
        for (signature, settings) in [
            ("", None),
            ("%", None),
            (BY_SHA256, None),
            (BY_SHA1, Some("key=SK1,algorithm=HMAC_SHA256")),
            (BY_SHA1, Some("key=SK1,algorithm=HMAC_SHA1")),
            (BY_SHA256, Some("key=SK1,algorithm=NONE")),
            (BY_SHA1, Some("")),
        ] {
            assert!(!taken(&["12345"], URL, BODY, signature, settings), "{signature} {settings:?}");
        }
    }
}
