//! Issuing and taking back API tokens.

use serde_json::json;

use crate::{
    clock::Time,
    domain::{
        event::{EventKind, NewEvent},
        ids::{OrganisationId, PersonId, TokenId},
    },
    keys::Token,
    store::{self, Trace, Tx, events::log_for_organisation, tokens},
};

/// Issues a token; its text is shown once and not kept.
pub async fn create(
    tx: &mut Tx,
    organisation: OrganisationId,
    person: PersonId,
    (label, expires_at): (&str, Option<Time>),
    trace: Trace,
) -> store::Result<Token> {
    let token = Token::generate().map_err(|error| store::Error::Unavailable(error.to_string().into()))?;
    let hash = Token::hash(token.as_str());
    let id = tokens::create(tx, organisation, person, label, &hash, (trace.now, expires_at)).await?;
    let event = NewEvent::new(EventKind::TokenCreated, trace.now, json!({"token": id, "person": person}));
    log_for_organisation(tx, organisation, (None, Some(person)), trace, event).await?;
    Ok(token)
}

/// Takes a token back; false if there is none to take back.
pub async fn revoke(
    tx: &mut Tx,
    organisation: OrganisationId,
    id: TokenId,
    trace: Trace,
) -> store::Result<bool> {
    let revoked = tokens::revoke(tx, organisation, id, trace.now).await?;
    if revoked {
        let event = NewEvent::new(EventKind::TokenRevoked, trace.now, json!({"token": id}));
        log_for_organisation(tx, organisation, (None, None), trace, event).await?;
    }
    Ok(revoked)
}
