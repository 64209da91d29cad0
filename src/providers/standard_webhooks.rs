//! Signatures as of Standard Webhooks 1.0.0, for what goes out and for what comes in.

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::TimeDelta;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::HeaderMap;
use sha2::Sha256;

use super::inbound::{Incoming, NotTaken, header};

/// The headers of a signed request.
pub(super) const ID: &str = "webhook-id";
pub(super) const TIMESTAMP: &str = "webhook-timestamp";
pub(super) const SIGNATURE: &str = "webhook-signature";
/// A signature that is older, or further ahead, may be a repeat of somebody who listened.
const TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// One that signs with this secret.
pub(super) fn signer(key: &[u8]) -> Option<Hmac<Sha256>> {
    Hmac::new_from_slice(key).ok()
}

/// `v1,` and the base64 of the HMAC over `id.timestamp.body`.
pub(super) fn signature(signer: &Hmac<Sha256>, id: &str, timestamp: i64, body: &[u8]) -> String {
    format!("v1,{}", STANDARD.encode(over(signer, id, timestamp, body).finalize().into_bytes()))
}

fn over(signer: &Hmac<Sha256>, id: &str, timestamp: i64, body: &[u8]) -> Hmac<Sha256> {
    let mut signer = signer.clone();
    signer.update(format!("{id}.{timestamp}.").as_bytes());
    signer.update(body);
    signer
}

/// Whether one of these has signed it, not long ago.
pub(super) fn verify(signers: &[Hmac<Sha256>], request: &Incoming<'_>) -> Result<(), NotTaken> {
    let of = |headers: &HeaderMap, name: &str| header(headers, name).map(str::to_owned);
    let (Some(id), Some(timestamp), Some(signatures)) =
        (of(request.headers, ID), of(request.headers, TIMESTAMP), of(request.headers, SIGNATURE))
    else {
        return Err(NotTaken::Forged("it is not signed"));
    };
    let Ok(timestamp) = timestamp.parse::<i64>() else {
        return Err(NotTaken::Forged("its time is no number"));
    };
    let old = request.now.timestamp().saturating_sub(timestamp).saturating_abs();
    if old > TOLERANCE.num_seconds() {
        return Err(NotTaken::Forged("it was signed more than 5 minutes from now: compare the clocks"));
    }
    let signed = signatures
        .split(' ')
        .filter_map(|signature| STANDARD.decode(signature.strip_prefix("v1,")?).ok())
        .any(|signature| {
            let by = |signer| over(signer, &id, timestamp, request.body).verify_slice(&signature).is_ok();
            signers.iter().any(by)
        });
    if signed { Ok(()) } else { Err(NotTaken::Forged("its signature is not by any inbound secret")) }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::config::Secret;

    const VECTORS: [(&str, &str, i64, &str, &str); 2] = [
        (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
        (
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            r#"{"email":"test@example.com","username":"test_user"}"#,
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        ),
    ];

    fn by(secret: &str) -> Hmac<Sha256> {
        signer(&Secret::new(secret).webhook_key().unwrap()).unwrap()
    }

    #[test]
    fn signatures_match_the_published_vectors() {
        for (secret, id, timestamp, body, expected) in VECTORS {
            assert_eq!(signature(&by(secret), id, timestamp, body.as_bytes()), expected);
        }
    }

    #[test]
    fn what_comes_in_has_to_be_signed_by_one_of_two_and_lately() {
        let both = VECTORS.map(|(secret, ..)| by(secret));
        let taken = |signers: &[_], signature: &str, body: &str, late: i64| {
            let (_, id, timestamp, ..) = VECTORS[0];
            let headers = HeaderMap::from_iter([
                (ID.parse().unwrap(), id.parse().unwrap()),
                (TIMESTAMP.parse().unwrap(), timestamp.into()),
                (SIGNATURE.parse().unwrap(), signature.parse().unwrap()),
            ]);
            let now = DateTime::from_timestamp(timestamp + late, 0).unwrap();
            let request = Incoming { path_and_query: "/", headers: &headers, body: body.as_bytes(), now };
            verify(signers, &request).is_ok()
        };
        let (.., body, right) = VECTORS[0];
        for late in [0, 300, -300] {
            assert!(taken(&both[..1], right, body, late), "{late}");
        }
        for late in [301, -301, i64::from(u32::MAX)] {
            assert!(!taken(&both[..1], right, body, late), "{late}");
        }
        let rotated = [by(VECTORS[1].0), by(VECTORS[0].0)];
        assert!(taken(&rotated, right, body, 0), "the second secret");
        assert!(taken(&both, &format!("v1a,AAAA v1,AAAA {right}"), body, 0), "one of several signatures");
        assert!(!taken(&both[1..], right, body, 0), "a secret that is not ours");
        assert!(!taken(&both, right, &body.replace('2', "3"), 0), "another body");
        assert!(!taken(&[], right, body, 0), "nobody may");
        assert!(!taken(&both, "", body, 0) && !taken(&both, &right[3..], body, 0));
        let none = HeaderMap::new();
        let now = DateTime::from_timestamp(0, 0).unwrap();
        let bare = Incoming { path_and_query: "/", headers: &none, body: b"", now };
        assert!(matches!(verify(&both, &bare), Err(NotTaken::Forged(_))));
    }
}
