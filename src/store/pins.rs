//! PINs. The row is the first that a worker's act locks.

use std::collections::HashSet;

use sqlx::{FromRow, types::Json};

use super::{Error, Result, Sql, Tx, both, later::later, people::KeptPolicy};
use crate::{
    clock::Time,
    domain::{
        ids::{OrganisationId, PersonId, TeamId},
        pin::{PinHash, PinRecord, Sign},
        policy::Policy,
    },
};

const LOAD: Sql = Sql::pair(
    "SELECT hash, duress_hash, word_hash, given_at, silent, wrong, locked_until FROM pin WHERE person_id = $1",
    "SELECT hash, duress_hash, word_hash, given_at, silent, wrong, locked_until FROM pin WHERE person_id = $1
     FOR NO KEY UPDATE",
);
const LOAD_WITH_POLICY: Sql = Sql::pair(
    "SELECT p.hash, p.duress_hash, p.word_hash, p.given_at, p.silent, p.wrong, p.locked_until, t.policy FROM pin p JOIN team t ON t.id = $2
     WHERE p.person_id = $1 AND t.organisation_id = $3",
    "SELECT p.hash, p.duress_hash, p.word_hash, p.given_at, p.silent, p.wrong, p.locked_until, t.policy FROM pin p JOIN team t ON t.id = $2
     WHERE p.person_id = $1 AND t.organisation_id = $3 FOR NO KEY UPDATE OF p",
);
const IS_SET: &str = "SELECT hash IS NOT NULL FROM pin WHERE person_id = $1";
const NOT_SET_IN: &str = "SELECT p.person_id FROM pin p JOIN person e ON e.id = p.person_id
     WHERE e.organisation_id = $1 AND e.team_id = $2 AND p.hash IS NULL";
const SAVE: &str =
    "INSERT INTO pin (person_id, hash, duress_hash, word_hash, given_at, silent, wrong, locked_until)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
     ON CONFLICT (person_id) DO UPDATE SET hash = excluded.hash, duress_hash = excluded.duress_hash,
       word_hash = excluded.word_hash, given_at = excluded.given_at, silent = excluded.silent,
       wrong = excluded.wrong, locked_until = excluded.locked_until";
const SILENT_ANY_ORG: &str =
    "SELECT p.person_id, e.organisation_id, e.team_id FROM pin p JOIN person e ON e.id = p.person_id
     WHERE p.silent = TRUE AND p.given_at <= $1 ORDER BY p.given_at LIMIT $2";
const USED_UNDER_DURESS_ANY_ORG: &str =
    "SELECT p.person_id, e.organisation_id, e.team_id FROM pin p JOIN person e ON e.id = p.person_id
     WHERE p.person_id IN (SELECT subject_id FROM incident WHERE state = 'open' AND kind = 'duress' AND released_at IS NULL)
       AND p.given_at <= $1 AND NOT p.silent AND p.wrong = 0 ORDER BY p.given_at LIMIT $2";

#[derive(FromRow)]
struct Row {
    hash: Option<Vec<u8>>,
    duress_hash: Option<Vec<u8>>,
    word_hash: Option<Vec<u8>>,
    given_at: Option<Time>,
    silent: bool,
    wrong: i32,
    locked_until: Option<Time>,
}

impl Row {
    fn record(self, person: PersonId) -> Result<PinRecord> {
        let hash = |column, hash: Option<Vec<u8>>| {
            let read = |hash: Vec<u8>| {
                hash.try_into().map(PinHash).map_err(|_| Error::inconsistent("pin", column, person))
            };
            hash.map(read).transpose()
        };
        let sign = |at| if self.silent { Sign::Duress { at } } else { Sign::Usual { at } };
        Ok(PinRecord {
            hash: hash("hash", self.hash)?,
            duress: hash("duress_hash", self.duress_hash)?,
            word: hash("word_hash", self.word_hash)?,
            sign: self.given_at.map(sign),
            wrong: self.wrong,
            locked_until: self.locked_until,
        })
    }
}

/// A worker's PIN, locked till the end of the use case. Every person has the row from `apply` on.
pub async fn load(tx: &mut Tx, person: PersonId) -> Result<PinRecord> {
    let text = tx.text(LOAD);
    let row: Option<Row> = both!(tx, |c| sqlx::query_as(text).bind(person).fetch_optional(c).await?);
    row.map_or(Ok(PinRecord::default()), |row| row.record(person))
}

/// The same, with what the worker's team works by.
pub async fn load_with_policy(
    tx: &mut Tx,
    organisation: OrganisationId,
    (person, team): (PersonId, TeamId),
) -> Result<(PinRecord, Policy)> {
    #[derive(FromRow)]
    struct WithPolicy {
        #[sqlx(flatten)]
        row: Row,
        policy: Json<KeptPolicy>,
    }
    let text = tx.text(LOAD_WITH_POLICY);
    let found: WithPolicy =
        both!(tx, |c| sqlx::query_as(text).bind(person).bind(team).bind(organisation).fetch_one(c).await?);
    Ok((found.row.record(person)?, found.policy.0.0))
}

/// Whether a person has set a PIN, to be shown.
pub async fn is_set(tx: &mut Tx, person: PersonId) -> Result<bool> {
    let set: Option<bool> = both!(tx, |c| sqlx::query_scalar(IS_SET).bind(person).fetch_optional(c).await?);
    Ok(set.unwrap_or(false))
}

/// Those of a team who have set no PIN.
pub async fn not_set_in(
    tx: &mut Tx,
    organisation: OrganisationId,
    team: TeamId,
) -> Result<HashSet<PersonId>> {
    let people: Vec<PersonId> =
        both!(tx, |c| sqlx::query_scalar(NOT_SET_IN).bind(organisation).bind(team).fetch_all(c).await?);
    Ok(people.into_iter().collect())
}

/// Keeps it.
pub async fn save(tx: &mut Tx, person: PersonId, record: &PinRecord) -> Result<()> {
    let bytes = |hash: &Option<PinHash>| hash.as_ref().map(|hash| hash.0.to_vec());
    let (given_at, silent) = match record.sign {
        None => (None, false),
        Some(Sign::Usual { at }) => (Some(at), false),
        Some(Sign::Duress { at }) => (Some(at), true),
    };
    later!(
        tx,
        Any,
        SAVE,
        person,
        bytes(&record.hash),
        bytes(&record.duress),
        bytes(&record.word),
        given_at,
        silent,
        record.wrong,
        record.locked_until
    );
    Ok(())
}

/// A worker, with what an alarm about them needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Whose {
    /// Who.
    #[sqlx(rename = "person_id")]
    pub worker: PersonId,
    /// In which organisation.
    #[sqlx(rename = "organisation_id")]
    pub organisation: OrganisationId,
    /// In which team.
    #[sqlx(rename = "team_id")]
    pub team: TeamId,
}

/// Whose PIN has said by `now` that they act under duress, and whose alarm is not up yet.
pub async fn silent_any_org(tx: &mut Tx, now: Time, limit: i64) -> Result<Vec<Whose>> {
    Ok(both!(tx, |c| sqlx::query_as(SILENT_ANY_ORG).bind(now).bind(limit).fetch_all(c).await?))
}

/// Whose right PIN was given since their silent alarm went up, or since that was last kept there.
pub async fn used_under_duress_any_org(tx: &mut Tx, now: Time, limit: i64) -> Result<Vec<Whose>> {
    Ok(both!(tx, |c| sqlx::query_as(USED_UNDER_DURESS_ANY_ORG).bind(now).bind(limit).fetch_all(c).await?))
}
