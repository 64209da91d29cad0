//! Who is asked for what is missing, and when next.

use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use uuid::Uuid;

use super::{Result, Tx, both, execute, readable};
use crate::{
    clock::Time,
    domain::{
        ids::{OrganisationId, PersonId},
        visit::word_enum,
    },
};

const SET: &str =
    "INSERT INTO chase (about, kind, organisation_id, person_id, due_at, asked) VALUES ($1, $2, $3, $4, $5, 0)
     ON CONFLICT (about) DO NOTHING";
const DROP: &str = "DELETE FROM chase WHERE about = $1 AND organisation_id = $2";
const DUE_ANY_ORG: &str = "SELECT about, kind, organisation_id, person_id, due_at, asked FROM chase
     WHERE due_at <= $1 ORDER BY due_at, person_id LIMIT $2";
const ASKED_ANY_ORG: &str =
    "UPDATE chase SET asked = asked + 1, due_at = $3 WHERE about = $1 AND due_at = $2";
const NEXT_DUE_ANY_ORG: &str = "SELECT min(due_at) FROM chase";

word_enum! {
    /// What is missing.
    Missing {
        /// Outcome or work undertaken of a visit.
        Record = "record",
        /// That a follow-up is done.
        FollowUp = "follow_up",
    }
}

/// Something that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Chase {
    /// The visit or the follow-up.
    pub about: Uuid,
    /// What of it.
    pub kind: Missing,
    /// Whose it is.
    pub organisation_id: OrganisationId,
    /// Who is asked.
    pub person_id: PersonId,
    /// When next.
    pub due_at: Time,
    /// How often they were asked.
    pub asked: i32,
}

/// Somebody is to be asked; where that is known already it stays.
pub async fn set(tx: &mut Tx, chase: &Chase) -> Result<()> {
    execute!(tx, SET, chase.about, chase.kind, chase.organisation_id, chase.person_id, chase.due_at);
    tx.ring_timer(chase.due_at);
    Ok(())
}

/// It is there.
pub async fn drop(tx: &mut Tx, organisation: OrganisationId, about: Uuid) -> Result<()> {
    execute!(tx, DROP, about, organisation);
    Ok(())
}

/// What is to be asked for now.
pub async fn due_any_org(tx: &mut Tx, now: Time, limit: i64) -> Result<Vec<Chase>> {
    Ok(both!(tx, |c| {
        let rows = sqlx::query(DUE_ANY_ORG).bind(now).bind(limit).fetch_all(c).await?;
        readable!(rows, Chase)
    }))
}

/// It was asked for, and will be again then; false: another replica was quicker.
pub async fn asked_any_org(tx: &mut Tx, chase: &Chase, again: Time) -> Result<bool> {
    tx.ring_timer(again);
    Ok(execute!(tx, ASKED_ANY_ORG, chase.about, chase.due_at, again) == 1)
}

/// When the next is due.
pub async fn next_due_any_org(tx: &mut Tx) -> Result<Option<Time>> {
    Ok(both!(tx, |c| sqlx::query_scalar(NEXT_DUE_ANY_ORG).fetch_one(c).await?))
}
