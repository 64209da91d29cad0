//! Bearer tokens: only their hash is kept.

use sqlx::FromRow;

use super::{Result, Tx, both, execute};
use crate::{
    clock::Time,
    domain::{
        ids::{OrganisationId, PersonId, TeamId, TokenId},
        people::Role,
    },
};

const FIND_ANY_ORG: &str = "SELECT t.id, t.organisation_id, t.person_id, t.expires_at, t.revoked_at,
       p.team_id, p.role, p.name, p.has_left, o.zone
     FROM token t JOIN person p ON p.id = t.person_id JOIN organisation o ON o.id = t.organisation_id
     WHERE t.hash = $1";
const CREATE: &str = "INSERT INTO token (id, organisation_id, person_id, label, hash, created_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7)";
const REVOKE: &str =
    "UPDATE token SET revoked_at = $3 WHERE id = $1 AND organisation_id = $2 AND revoked_at IS NULL";
const LIST: &str = "SELECT t.id, p.key AS person_key, t.label, t.created_at, t.expires_at, t.revoked_at
     FROM token t JOIN person p ON p.id = t.person_id WHERE t.organisation_id = $1 ORDER BY p.key, t.id";

/// A token as it was found, with the person whose it is.
#[derive(Debug, Clone, FromRow)]
pub struct Found {
    /// Its id.
    pub id: TokenId,
    /// The organisation.
    pub organisation_id: OrganisationId,
    /// The person.
    pub person_id: PersonId,
    /// When it runs out, if ever.
    pub expires_at: Option<Time>,
    /// When it was taken back.
    pub revoked_at: Option<Time>,
    /// The person's team.
    pub team_id: TeamId,
    /// The person's role.
    pub role: Option<Role>,
    /// The person's name.
    pub name: String,
    /// Whether the person has left.
    pub has_left: bool,
    /// The zone that times are written in.
    pub zone: String,
}

/// A token in a list.
#[derive(Debug, Clone, FromRow)]
pub struct Listed {
    /// Its id.
    pub id: TokenId,
    /// Whose.
    pub person_key: String,
    /// What for.
    pub label: String,
    /// Since when.
    pub created_at: Time,
    /// Until when.
    pub expires_at: Option<Time>,
    /// When it was taken back.
    pub revoked_at: Option<Time>,
}

/// Looks up the hash of a token.
pub async fn find_any_org(tx: &mut Tx, hash: &[u8]) -> Result<Option<Found>> {
    Ok(both!(tx, |c| sqlx::query_as(FIND_ANY_ORG).bind(hash).fetch_optional(c).await?))
}

/// Keeps a new token's hash.
pub async fn create(
    tx: &mut Tx,
    organisation: OrganisationId,
    person: PersonId,
    label: &str,
    hash: &[u8],
    (now, expires_at): (Time, Option<Time>),
) -> Result<TokenId> {
    let id = TokenId::new(now);
    execute!(tx, CREATE, id, organisation, person, label, hash, now, expires_at);
    Ok(id)
}

/// Takes a token back; says whether there was one to take back.
pub async fn revoke(tx: &mut Tx, organisation: OrganisationId, id: TokenId, now: Time) -> Result<bool> {
    let revoked = execute!(tx, REVOKE, id, organisation, now);
    Ok(revoked == 1)
}

/// Every token of an organisation.
pub async fn list(tx: &mut Tx, organisation: OrganisationId) -> Result<Vec<Listed>> {
    Ok(both!(tx, |c| sqlx::query_as(LIST).bind(organisation).fetch_all(c).await?))
}
