//! The token that each request carries: a JSON Web Token (RFC 7519) of the service, signed with HS256 (RFC 7515). By hand: it
//! is always the same header and two claims, and the crate for it brings key formats and curves that nothing here needs.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{
    clock::Time,
    config::{Complaint, NotifyKey},
};

const HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;

/// What makes tokens.
pub(super) struct Issuer {
    service: String,
    signer: Hmac<Sha256>,
}

impl Issuer {
    pub(super) fn new(key: &NotifyKey) -> Result<Self, Complaint> {
        let signer = Hmac::new_from_slice(key.secret.reveal().as_bytes())
            .map_err(|_| Complaint::new("api_key", "cannot sign"))?;
        Ok(Self { service: key.service.to_string(), signer })
    }

    /// A token for now.
    pub(super) fn token(&self, now: Time) -> String {
        let claims = serde_json::json!({"iss": self.service, "iat": now.timestamp()}).to_string();
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.signer.clone().chain_update(&signed).finalize().into_bytes();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7515, A.1, by our signer: header, claims and key are its own.
    #[test]
    fn the_signature_is_that_of_the_standard() {
        let key = URL_SAFE_NO_PAD
            .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
            .unwrap();
        let signed = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature =
            Hmac::<Sha256>::new_from_slice(&key).unwrap().chain_update(signed).finalize().into_bytes();
        assert_eq!(URL_SAFE_NO_PAD.encode(signature), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    }

    /// The token was made by Python's hmac, hashlib and base64.
    #[test]
    fn a_token_says_who_and_when() {
        let key = NotifyKey::parse(
            "live-key-26785a09-ab16-4eb0-8407-a37497a57506-3d844edf-8d35-48ac-975b-e847b4f122b0",
        )
        .unwrap();
        let now = chrono::DateTime::from_timestamp(1_568_818_578, 0).unwrap();
        assert_eq!(
            Issuer::new(&key).unwrap().token(now),
            "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJpc3MiOiIyNjc4NWEwOS1hYjE2LTRlYjAtODQwNy1hMzc0OTdhNTc1MDYiLCJpYXQiOjE1Njg4MTg1Nzh9.YT_aQYNif0l3HaPwy62Cj9g0qsYzjnj1K5pLwkELiFw"
        );
    }
}
