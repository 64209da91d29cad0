//! The server key: what PINs and request bodies are hashed under. It lives outside the database.

use std::fmt;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::{
    config::Secret,
    domain::{
        ids::{IncidentId, OrganisationId, PersonId, WebhookId},
        pin::{DuressWord, Given, PinHash},
    },
};

/// 32 random bytes.
#[derive(Clone)]
pub struct ServerKey([u8; 32]);

/// A key file that holds no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it must hold 32 random bytes in base64: make one with `openssl rand -base64 32`")]
pub struct BadKey;

impl ServerKey {
    /// Reads the text of a key file.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| BadKey)?;
        bytes.try_into().map(Self).map_err(|_| BadKey)
    }

    /// A new one, and the text to keep it as.
    pub fn generate() -> Result<(Self, String), getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok((Self(bytes), STANDARD.encode(bytes)))
    }

    /// The hash of a PIN, bound to its person.
    pub fn pin(&self, person: PersonId, given: &str) -> PinHash {
        PinHash(self.mac(b"pin", &[person.0.as_bytes(), given.trim().as_bytes()]))
    }

    /// The hash of a duress word, bound to its person.
    pub fn duress_word(&self, person: PersonId, word: &DuressWord) -> PinHash {
        PinHash(self.mac(b"word", &[person.0.as_bytes(), word.as_str().as_bytes()]))
    }

    /// What a person gave: a PIN, and the words after it where they came by text.
    pub fn given(&self, person: PersonId, pin: &str, words: &str) -> Given {
        let words = DuressWord::candidates(words).map(|word| self.duress_word(person, &word));
        Given { pin: self.pin(person, pin), words: words.collect() }
    }

    /// The hash of a request body: bodies hold PINs and are not kept.
    pub fn body(&self, body: &[u8]) -> Vec<u8> {
        self.mac(b"body", &[body]).to_vec()
    }

    /// The end of an address that only this installation can have made: whose page it is, about which incident.
    pub fn alarm_page(&self, incident: IncidentId, person: PersonId) -> String {
        let tag: [u8; 16] = self.alarm_page_tag(incident, person);
        URL_SAFE_NO_PAD.encode([incident.0.into_bytes(), person.0.into_bytes(), tag].concat())
    }

    /// Whose page that is; nothing, if this installation has not made it.
    pub fn read_alarm_page(&self, end: &str) -> Option<(IncidentId, PersonId)> {
        let bytes: [u8; 48] = URL_SAFE_NO_PAD.decode(end).ok()?.try_into().ok()?;
        let id = |from: usize| Uuid::from_bytes(std::array::from_fn(|at| bytes[from + at]));
        let (incident, person) = (IncidentId(id(0)), PersonId(id(16)));
        bool::from(self.alarm_page_tag(incident, person).ct_eq(&bytes[32..])).then_some((incident, person))
    }

    fn alarm_page_tag(&self, incident: IncidentId, person: PersonId) -> [u8; 16] {
        first_half(self.mac(b"alarm-page", &[incident.0.as_bytes(), person.0.as_bytes()]))
    }

    /// What tells one text from another with the same name, and does not give its words away.
    pub fn text(&self, sender: &str, words: &str) -> String {
        let mac: [u8; 16] = first_half(self.mac(b"text", &[sender.as_bytes(), words.as_bytes()]));
        crate::domain::event::hex(&mac)
    }

    /// What stands in the log for a case: the same for the same one, and nothing that can be guessed from it without the key.
    pub fn case(&self, organisation: OrganisationId, reference: &str) -> String {
        let mac: [u8; 16] = first_half(self.mac(b"case", &[organisation.0.as_bytes(), reference.as_bytes()]));
        crate::domain::event::hex(&mac)
    }

    /// What shows that a database and a key belong together.
    pub fn check(&self) -> Vec<u8> {
        self.mac(b"check", &[]).to_vec()
    }

    /// What only this installation can answer to `nonce`: all its replicas have this key, and nobody else.
    pub fn proof(&self, nonce: &str) -> String {
        crate::domain::event::hex(&self.mac(b"proof", &[nonce.as_bytes()]))
    }

    /// 16 bytes so that nobody but this installation can read them, or tell how two of them differ: the same text for the same
    /// bytes (a synthetic initialisation vector: the tag hides what it is the tag of).
    pub fn seal(&self, open: [u8; 16]) -> String {
        let tag: [u8; 16] = first_half(self.mac(b"seal", &[&open]));
        let hidden = xor(open, first_half(self.mac(b"seal-stream", &[&tag])));
        URL_SAFE_NO_PAD.encode([tag, hidden].concat())
    }

    /// What was sealed; nothing, if this installation has not sealed it.
    pub fn unseal(&self, sealed: &str) -> Option<[u8; 16]> {
        let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(sealed).ok()?.try_into().ok()?;
        let (tag, hidden) = bytes.split_first_chunk::<16>()?;
        let hidden: [u8; 16] = hidden.try_into().ok()?;
        let open = xor(hidden, first_half(self.mac(b"seal-stream", &[tag])));
        let expected: [u8; 16] = first_half(self.mac(b"seal", &[&open]));
        bool::from(expected.ct_eq(tag)).then_some(open)
    }

    /// The secret of a webhook as it is kept: nothing in the database signs anything without this key. The same secret of the same
    /// webhook is hidden as the same text.
    pub fn hide_secret(&self, webhook: WebhookId, secret: &str) -> String {
        let tag: [u8; 16] = first_half(self.mac(b"webhook", &[webhook.0.as_bytes(), secret.as_bytes()]));
        let hidden = self.webhook_stream(tag, secret.as_bytes());
        URL_SAFE_NO_PAD.encode([tag.as_slice(), &hidden].concat())
    }

    /// The secret itself; nothing, if it is not this webhook's or was hidden under another key.
    pub fn show_secret(&self, webhook: WebhookId, hidden: &str) -> Option<Secret> {
        let bytes = URL_SAFE_NO_PAD.decode(hidden).ok()?;
        let (tag, hidden) = bytes.split_first_chunk::<16>()?;
        let open = self.webhook_stream(*tag, hidden);
        let expected: [u8; 16] = first_half(self.mac(b"webhook", &[webhook.0.as_bytes(), &open]));
        let secret = String::from_utf8(open).ok()?;
        bool::from(expected.ct_eq(tag)).then(|| Secret::new(secret))
    }

    fn webhook_stream(&self, tag: [u8; 16], bytes: &[u8]) -> Vec<u8> {
        let masks = (0_u64..).flat_map(|at| self.mac(b"webhook-stream", &[&tag, &at.to_be_bytes()]));
        bytes.iter().zip(masks).map(|(byte, mask)| byte ^ mask).collect()
    }

    fn mac(&self, purpose: &[u8], parts: &[&[u8]]) -> [u8; 32] {
        // HMAC takes keys of any length: this cannot fail, and if it did no PIN would be right.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return [0; 32] };
        mac.update(purpose);
        for part in parts {
            mac.update(&[0]);
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

fn first_half(mac: [u8; 32]) -> [u8; 16] {
    std::array::from_fn(|at| mac[at])
}

fn xor(one: [u8; 16], other: [u8; 16]) -> [u8; 16] {
    std::array::from_fn(|at| one[at] ^ other[at])
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerKey(hidden)")
    }
}

/// A bearer token: 256 random bits, shown once; only its hash is kept.
pub struct Token(String);

impl Token {
    /// A new one.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(format!("hw_{}", crate::domain::event::hex(&bytes))))
    }

    /// The text to hand out.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is kept of a token. It has 256 random bits, so a plain hash is enough.
    pub fn hash(token: &str) -> [u8; 32] {
        Sha256::digest(token.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}
