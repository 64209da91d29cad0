//! Who asks: the bearer token of a person.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header::AUTHORIZATION, request::Parts},
};

use super::{
    Site,
    problem::{Kind, Problem},
};
use crate::{
    app::access::{self, Actor, BadToken},
    domain::event::Door,
    store::{Lane, Trace, Tx},
};

impl FromRequestParts<Site> for Actor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Problem> {
        match Caller::from_request_parts(parts, site).await? {
            Caller::Known(actor) => Ok(actor),
            Caller::Once(actor) => Err(refused(site, actor).await),
        }
    }
}

/// A token that no longer lets in is answered like one that was never issued, and logged with its person.
pub(super) async fn refused(site: &Site, actor: Actor) -> Problem {
    let trace = Trace { actor: Some(actor.person), door: Door::Api, now: site.clock.now() };
    match site.db.write(async move |tx| access::log_refused_token(tx, &actor, trace).await).await {
        Ok(()) => Problem::of(Kind::NoToken),
        Err(error) => error.into(),
    }
}

/// The token that a request comes with.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whoever asks, also by a token that no longer lets in: a call for help needs no more.
pub(super) enum Caller {
    /// By a token that lets in.
    Known(Actor),
    /// By one that was once issued, and has expired, was revoked, or whose person has left.
    Once(Actor),
}

impl FromRequestParts<Site> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Problem> {
        let Some(token) = bearer(&parts.headers) else { return Err(Problem::of(Kind::NoToken)) };
        let now = site.clock.now();
        let mut tx = site.db.read().await?;
        let found = access::authenticate(&mut tx, token, now).await?;
        drop(tx);
        Self::found(found)
    }
}

impl Caller {
    /// Asks once more, where nothing but calls for help is waited for: the usual way to learn whose a token is was taken by a crowd.
    pub(super) async fn who_calls_for_help(site: &Site, headers: &HeaderMap) -> Result<Self, Problem> {
        let token = bearer(headers).ok_or_else(|| Problem::of(Kind::NoToken))?.to_owned();
        let now = site.clock.now();
        let case = async move |tx: &mut Tx| access::authenticate(tx, &token, now).await;
        Self::found(site.db.write_in(Lane::Help, case).await?)
    }

    fn found(found: Result<Actor, BadToken>) -> Result<Self, Problem> {
        match found {
            Ok(actor) => Ok(Self::Known(actor)),
            Err(BadToken::Over(actor)) => Ok(Self::Once(actor)),
            Err(BadToken::Unknown) => {
                tracing::warn!("a request came with a token that was never issued");
                Err(Problem::of(Kind::NoToken))
            }
        }
    }
}
