//! Refusals that a program and a person can both read: RFC 9457.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::Value;

use crate::{app::Rejected, store};

/// A problem. `type` is stable: programs go by it, never by the words.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// What kind, as a relative reference such as `/problems/pin-refused`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What happened here and what to do.
    pub detail: String,
    /// Which field, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The state that the visit or incident is in, if it is about that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'static str>,
}

macro_rules! problem_kinds {
    ($($(#[$doc:meta])* $name:ident = $slug:literal, $status:ident, $title:literal, $explained:literal;)*) => {
        /// Every kind of problem.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind { $($(#[$doc])* $name),* }

        impl Kind {
            /// Every kind of problem.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its stable name.
            pub fn slug(self) -> &'static str { match self { $(Self::$name => $slug),* } }
            /// Its HTTP status.
            pub fn status(self) -> StatusCode { match self { $(Self::$name => StatusCode::$status),* } }
            /// Its title.
            pub fn title(self) -> &'static str { match self { $(Self::$name => $title),* } }
            /// What it means and what to do about it.
            pub fn explained(self) -> &'static str { match self { $(Self::$name => $explained),* } }
        }
    };
}

problem_kinds! {
    /// Not JSON.
    Unreadable = "unreadable", BAD_REQUEST, "The request cannot be read", "The body is no JSON in UTF-8. Nothing was done.";
    /// A start that is not JSON.
    NotWatched = "not-being-watched", BAD_REQUEST, "YOU ARE NOT BEING WATCHED", "A start came that could not be read at all. Nobody is watched; the manager was told. Send it again.";
    /// No token.
    NoToken = "no-token", UNAUTHORIZED, "No valid token", "Send `Authorization: Bearer hw_…` with a token that was issued and has neither expired nor been revoked.";
    /// A PIN did not do it.
    PinRefused = "pin-refused", FORBIDDEN, "The PIN did not do it", "Nothing was changed; the visit is still watched. A corrected PIN needs a new Idempotency-Key.";
    /// About oneself.
    Subject = "about-yourself", FORBIDDEN, "This is about yourself", "It is your own visit, case or alarm: somebody else has to act.";
    /// It does not come from whom it says.
    Forged = "forged", FORBIDDEN, "This is not from the provider", "Its signature or its token is not the provider's. Check the secret in the provider's settings and here; docs/providers.md says how.";
    /// Too small a role.
    Role = "role-too-small", FORBIDDEN, "Your role does not allow this", "Ask somebody whose role does.";
    /// The worker alone.
    WorkerOnly = "worker-only", FORBIDDEN, "Only the worker can do this", "It is the worker's own word, proved by the PIN.";
    /// Nothing there.
    NotFound = "not-found", NOT_FOUND, "Nothing there", "There is nothing with this id that you may see.";
    /// Wrong method.
    Method = "method-not-allowed", METHOD_NOT_ALLOWED, "Not that way", "This address does not take this method.";
    /// Does not fit the state.
    State = "wrong-state", CONFLICT, "It does not fit the state", "The `state` says where the visit, the incident or the thing stands now.";
    /// Too large.
    TooLarge = "too-large", PAYLOAD_TOO_LARGE, "The request is too large", "A body may be 64 KiB at most. Nothing was done.";
    /// A field is wrong.
    Field = "invalid-field", UNPROCESSABLE_ENTITY, "A field is wrong", "The `field` says which, the `detail` what to do. Nothing was done.";
    /// A key was used before.
    KeyReused = "key-reused", UNPROCESSABLE_ENTITY, "This Idempotency-Key was used with another body", "A corrected request, a corrected PIN too, needs a new key.";
    /// Not now.
    PinNotNow = "pin-not-now", CONFLICT, "The PIN cannot be set now", "A PIN is never set or changed while a visit of yours is running.";
    /// It does not fit the agreement.
    Agreement = "agreement", CONFLICT, "It does not fit how it stands with the agreement", "The `detail` says why. The watching does not wait for it.";
    /// No drill now.
    DrillNotNow = "drill-not-now", CONFLICT, "No drill can be started now", "A real alarm always wins over a drill, and a team has one drill at a time.";
    /// Another version is in force.
    OldVersion = "old-version", CONFLICT, "Another version is in force", "The `detail` names the version that is in force: read that one and acknowledge it.";
    /// The database cannot be reached.
    TryAgain = "try-again", SERVICE_UNAVAILABLE, "Try again", "It is not known whether it was done. Send the same request again with the same Idempotency-Key; ring your manager if that does not help.";
    /// Our fault.
    Fault = "fault", INTERNAL_SERVER_ERROR, "A fault of ours", "The operator finds the reason in the log.";
}

impl Problem {
    /// Of a kind, with what happened here.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/problems/{}", kind.slug()),
            title: kind.title(),
            status: kind.status().as_u16(),
            detail: detail.into(),
            field: None,
            state: None,
        }
    }

    /// With its standing explanation.
    pub fn of(kind: Kind) -> Self {
        Self::new(kind, kind.explained())
    }

    /// About one field.
    pub fn field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(Kind::Field, detail) }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// As a JSON value.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }
}

impl From<Rejected> for Problem {
    fn from(rejected: Rejected) -> Self {
        let detail = rejected.to_string();
        match rejected {
            Rejected::NotFound => Self::of(Kind::NotFound),
            Rejected::Subject => Self::of(Kind::Subject),
            Rejected::Role => Self::of(Kind::Role),
            Rejected::Pin(_) => Self { field: Some("pin".into()), ..Self::new(Kind::PinRefused, detail) },
            Rejected::RaisedByYou => Self::new(Kind::Subject, detail),
            Rejected::Visit { state, .. }
            | Rejected::Incident { state, .. }
            | Rejected::Concern { state, .. } => {
                Self { state: Some(state), ..Self::new(Kind::State, detail) }
            }
            Rejected::KnownByNeeded => Self::field("known_by", detail),
            Rejected::WorkerOnly => Self::of(Kind::WorkerOnly),
            Rejected::Plan(_) => Self::field("expected_departure", detail),
            Rejected::Past(_) => Self::field("left_at", detail),
            Rejected::CannotHaveIt(_) => Self::field("to", detail),
            Rejected::NobodyToDoIt(_) => Self::field("owner", detail),
            Rejected::NobodyToDiscussWith(_) => Self::field("with", detail),
            Rejected::UnknownItem(unknown) => Self::field(format!("answers[{}].item", unknown.at), detail),
            Rejected::UnknownWorker(_) | Rejected::NobodyToRecordFor(_) | Rejected::NobodyToDrill(_) => {
                Self::field("worker", detail)
            }
            Rejected::DrillSchedule(_) => Self::field("cron", detail),
            Rejected::DrillNotNow(_) => Self::new(Kind::DrillNotNow, detail),
            Rejected::NoSuchTeam(_) => Self::field("team", detail),
            Rejected::Ladder(_) => Self::field("ladder", detail),
            Rejected::CaseReference(_) => Self::field("reference", detail),
            Rejected::Assessment(wrong) => {
                let field = wrong.first().map_or("factors", |wrong| wrong.field.as_str());
                let all: Vec<String> =
                    wrong.iter().map(|wrong| format!("{}: {}", wrong.field, wrong.message)).collect();
                Self::field(field, all.join("; "))
            }
            Rejected::Agreement(_) | Rejected::NobodyCanAgree(_) => Self::new(Kind::Agreement, detail),
            Rejected::NoPinYet => Self::field("pin", detail),
            Rejected::DuressPinTooNear => Self::field("duress_pin", detail),
            Rejected::PinNotNow(_) => Self::new(Kind::PinNotNow, detail),
            Rejected::Field { field, .. } => Self::field(field, detail),
            Rejected::OldPolicyVersion { .. } => Self::new(Kind::OldVersion, detail),
            Rejected::Retired(_) => Self { state: Some("retired"), ..Self::new(Kind::State, detail) },
            Rejected::OutWith(_) => Self { state: Some("out"), ..Self::new(Kind::State, detail) },
            Rejected::KeyReused => Self::of(Kind::KeyReused),
        }
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Inconsistent { .. } | store::Error::Panicked => {
                tracing::error!(%error, "a request failed");
                Self::of(Kind::Fault)
            }
            error => {
                tracing::warn!(%error, "a request could not be kept");
                Self::of(Kind::TryAgain)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = self.to_value().to_string();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
