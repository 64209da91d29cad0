//! Who is asked for what is missing, and when next.

use serde::{Deserialize, Serialize};
use sqlx::{FromRow, Row};
use uuid::Uuid;

use super::{Error, Result, Sql, Tx, both, execute, later::later};
use crate::{
    clock::Time,
    domain::{
        ids::{OrganisationId, PersonId, VisitId},
        visit::{Visit, word_enum},
    },
};

const SET: &str =
    "INSERT INTO chase (about, kind, organisation_id, person_id, due_at, visit_id, asked) VALUES ($1, $2, $3, $4, $5, $6, 0)
     ON CONFLICT (about) DO NOTHING";
const SET_INSTEAD: &str =
    "INSERT INTO chase (about, kind, organisation_id, person_id, due_at, visit_id, asked) VALUES ($1, $2, $3, $4, $5, $6, 0)
     ON CONFLICT (about) DO UPDATE SET kind = excluded.kind, person_id = excluded.person_id, due_at = excluded.due_at, asked = 0";
const DROP: &str = "DELETE FROM chase WHERE about = $1 AND organisation_id = $2";
// What is chased is locked before its chase, as by whoever acts on it; what somebody acts on, or another replica asks for, is
// left for later. A kind that only a newer version knows is left to that.
const DUE_RECORDS_ANY_ORG: Sql = Sql::pair(
    "SELECT c.about, c.kind, c.organisation_id, c.person_id, c.due_at, c.asked, c.visit_id FROM chase c JOIN visit v ON v.id = c.about
     WHERE c.due_at <= $1 AND c.kind = 'record' ORDER BY c.due_at, c.person_id LIMIT $2",
    "SELECT c.about, c.kind, c.organisation_id, c.person_id, c.due_at, c.asked, c.visit_id FROM chase c JOIN visit v ON v.id = c.about
     WHERE c.due_at <= $1 AND c.kind = 'record' ORDER BY c.due_at, c.person_id LIMIT $2 FOR NO KEY UPDATE OF v SKIP LOCKED",
);
const DUE_OF_VISITS_ANY_ORG: Sql = Sql::pair(
    "SELECT c.about, c.kind, c.organisation_id, c.person_id, c.due_at, c.asked, c.visit_id FROM chase c JOIN visit v ON v.id = c.visit_id
     WHERE c.due_at <= $1 AND c.kind IN ('worker_checklist', 'manager_checklist', 'exception_review')
     ORDER BY c.due_at, c.person_id LIMIT $2",
    "SELECT c.about, c.kind, c.organisation_id, c.person_id, c.due_at, c.asked, c.visit_id FROM chase c JOIN visit v ON v.id = c.visit_id
     WHERE c.due_at <= $1 AND c.kind IN ('worker_checklist', 'manager_checklist', 'exception_review')
     ORDER BY c.due_at, c.person_id LIMIT $2 FOR NO KEY UPDATE OF v SKIP LOCKED",
);
const DUE_FOLLOW_UPS_ANY_ORG: Sql = Sql::pair(
    "SELECT c.about, c.kind, c.organisation_id, c.person_id, c.due_at, c.asked, c.visit_id FROM chase c JOIN follow_up f ON f.id = c.about
     WHERE c.due_at <= $1 AND c.kind = 'follow_up' ORDER BY c.due_at, c.person_id LIMIT $2",
    "SELECT c.about, c.kind, c.organisation_id, c.person_id, c.due_at, c.asked, c.visit_id FROM chase c JOIN follow_up f ON f.id = c.about
     WHERE c.due_at <= $1 AND c.kind = 'follow_up' ORDER BY c.due_at, c.person_id LIMIT $2 FOR NO KEY UPDATE OF f SKIP LOCKED",
);
const DUE_CONCERNS_ANY_ORG: Sql = Sql::pair(
    "SELECT c.about, c.kind, c.organisation_id, c.person_id, c.due_at, c.asked, c.visit_id FROM chase c JOIN concern n ON n.id = c.about
     WHERE c.due_at <= $1 AND c.kind IN ('concern', 'concern_open') ORDER BY c.due_at, c.person_id LIMIT $2",
    "SELECT c.about, c.kind, c.organisation_id, c.person_id, c.due_at, c.asked, c.visit_id FROM chase c JOIN concern n ON n.id = c.about
     WHERE c.due_at <= $1 AND c.kind IN ('concern', 'concern_open') ORDER BY c.due_at, c.person_id LIMIT $2 FOR NO KEY UPDATE OF n SKIP LOCKED",
);
const DUE_CONCERN_ACTIONS_ANY_ORG: Sql = Sql::pair(
    "SELECT c.about, c.kind, c.organisation_id, c.person_id, c.due_at, c.asked, c.visit_id FROM chase c JOIN concern_action a ON a.id = c.about
     WHERE c.due_at <= $1 AND c.kind = 'concern_action' ORDER BY c.due_at, c.person_id LIMIT $2",
    "SELECT c.about, c.kind, c.organisation_id, c.person_id, c.due_at, c.asked, c.visit_id FROM chase c JOIN concern_action a ON a.id = c.about
     WHERE c.due_at <= $1 AND c.kind = 'concern_action' ORDER BY c.due_at, c.person_id LIMIT $2
     FOR NO KEY UPDATE OF a SKIP LOCKED",
);
const DUE_EQUIPMENT_ANY_ORG: Sql = Sql::pair(
    "SELECT c.about, c.kind, c.organisation_id, c.person_id, c.due_at, c.asked, c.visit_id FROM chase c JOIN equipment e ON e.id = c.about
     WHERE c.due_at <= $1 AND c.kind = 'equipment' ORDER BY c.due_at, c.person_id LIMIT $2",
    "SELECT c.about, c.kind, c.organisation_id, c.person_id, c.due_at, c.asked, c.visit_id FROM chase c JOIN equipment e ON e.id = c.about
     WHERE c.due_at <= $1 AND c.kind = 'equipment' ORDER BY c.due_at, c.person_id LIMIT $2 FOR NO KEY UPDATE OF e SKIP LOCKED",
);
// Whoever acknowledges something locks their own chase alone.
const DUE_PEOPLE_ANY_ORG: Sql = Sql::pair(
    "SELECT c.about, c.kind, c.organisation_id, c.person_id, c.due_at, c.asked, c.visit_id FROM chase c
     WHERE c.due_at <= $1 AND c.kind = 'policy_document' ORDER BY c.due_at, c.person_id LIMIT $2",
    "SELECT c.about, c.kind, c.organisation_id, c.person_id, c.due_at, c.asked, c.visit_id FROM chase c
     WHERE c.due_at <= $1 AND c.kind = 'policy_document' ORDER BY c.due_at, c.person_id LIMIT $2
     FOR NO KEY UPDATE OF c SKIP LOCKED",
);
// In the order of their ids, so that two who do it at once do not wait for each other in a circle.
const ASK_EVERYBODY: Sql = Sql::pair(
    "INSERT INTO chase (about, kind, organisation_id, person_id, due_at, asked)
     SELECT p.id, $2, p.organisation_id, p.id, $3, 0 FROM person p
     WHERE p.organisation_id = $1 AND p.role IS NOT NULL AND NOT p.has_left ORDER BY p.id
     ON CONFLICT (about) DO UPDATE SET due_at = min(chase.due_at, excluded.due_at)",
    "INSERT INTO chase (about, kind, organisation_id, person_id, due_at, asked)
     SELECT p.id, $2::text, p.organisation_id, p.id, $3::timestamptz, 0 FROM person p
     WHERE p.organisation_id = $1 AND p.role IS NOT NULL AND NOT p.has_left ORDER BY p.id
     ON CONFLICT (about) DO UPDATE SET due_at = least(chase.due_at, excluded.due_at)",
);
const ASK_WHOEVER_HAS_NOT: Sql = Sql::pair(
    "INSERT INTO chase (about, kind, organisation_id, person_id, due_at, asked)
     SELECT p.id, 'policy_document', p.organisation_id, p.id, $2, 0 FROM person p
     WHERE p.organisation_id = $1 AND p.role IS NOT NULL AND NOT p.has_left AND EXISTS (
       SELECT 1 FROM policy_version v WHERE v.organisation_id = p.organisation_id AND NOT EXISTS (
         SELECT 1 FROM policy_acknowledgement a
         WHERE a.person_id = p.id AND a.document_id = v.document_id AND a.number >= v.number))
     ORDER BY p.id ON CONFLICT (about) DO NOTHING",
    "INSERT INTO chase (about, kind, organisation_id, person_id, due_at, asked)
     SELECT p.id, 'policy_document', p.organisation_id, p.id, $2::timestamptz, 0 FROM person p
     WHERE p.organisation_id = $1 AND p.role IS NOT NULL AND NOT p.has_left AND EXISTS (
       SELECT 1 FROM policy_version v WHERE v.organisation_id = p.organisation_id AND NOT EXISTS (
         SELECT 1 FROM policy_acknowledgement a
         WHERE a.person_id = p.id AND a.document_id = v.document_id AND a.number >= v.number))
     ORDER BY p.id ON CONFLICT (about) DO NOTHING",
);
const BEGIN_ANEW: &str =
    "UPDATE chase SET due_at = $3, asked = 0 WHERE about = $1 AND organisation_id = $2 AND asked > 0";
const PUT_OFF_ANY_ORG: &str = "UPDATE chase SET due_at = $3 WHERE about = $1 AND due_at = $2";
const PUT_ASIDE_ANY_ORG: &str = "UPDATE chase SET due_at = $2 WHERE about = $1";
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
        /// That a concern was discussed.
        Concern = "concern",
        /// What came of a concern that was discussed.
        ConcernOpen = "concern_open",
        /// That what is to be done about a concern is done.
        ConcernAction = "concern_action",
        /// That a person acknowledges policy documents: one for each person, for all of them.
        PolicyDocument = "policy_document",
        /// That something which was lent is back.
        Equipment = "equipment",
        /// The worker's answers to the checklist for after a visit.
        WorkerChecklist = "worker_checklist",
        /// The manager's.
        ManagerChecklist = "manager_checklist",
        /// What a senior manager says afterwards of a visit that was out of the ordinary.
        ExceptionReview = "exception_review",
    }
}

/// Something that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Chase {
    /// The visit, the follow-up, the concern or what is to be done about it, the person or the thing; else see [`about_visit`].
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
    /// Of which visit, where `about` is not the visit itself.
    pub visit_id: Option<VisitId>,
}

impl Chase {
    /// One thing of a visit that may be missing beside others.
    pub fn of_visit(visit: &Visit, kind: Missing, due_at: Time) -> Self {
        Self {
            about: about_visit(visit.id, kind),
            kind,
            organisation_id: visit.organisation,
            person_id: visit.worker,
            due_at,
            asked: 0,
            visit_id: Some(visit.id),
        }
    }
}

/// What one thing of a visit is chased by: always the same, so that it is found again without being looked for.
pub fn about_visit(visit: VisitId, kind: Missing) -> Uuid {
    Uuid::new_v5(&visit.0, kind.as_str().as_bytes())
}

/// Somebody is to be asked; where that is known already it stays.
pub async fn set(tx: &mut Tx, chase: &Chase) -> Result<()> {
    later!(
        tx,
        Any,
        SET,
        chase.about,
        chase.kind,
        chase.organisation_id,
        chase.person_id,
        chase.due_at,
        chase.visit_id
    );
    tx.ring_timer(chase.due_at);
    Ok(())
}

/// Somebody is to be asked for this now, in the place of whatever was missing of it before.
pub async fn set_instead(tx: &mut Tx, chase: &Chase) -> Result<()> {
    let Chase { about, kind, organisation_id, person_id, due_at, visit_id, .. } = *chase;
    later!(tx, Any, SET_INSTEAD, about, kind, organisation_id, person_id, due_at, visit_id);
    tx.ring_timer(due_at);
    Ok(())
}

/// Everybody with a role is to be asked; who is asked later is asked then.
pub async fn ask_everybody(
    tx: &mut Tx,
    organisation: OrganisationId,
    kind: Missing,
    due_at: Time,
) -> Result<()> {
    let text = tx.text(ASK_EVERYBODY);
    execute!(tx, text, organisation, kind, due_at);
    tx.ring_timer(due_at);
    Ok(())
}

/// Whoever has a role and has not acknowledged a policy document is to be asked; where that is known already it stays.
pub async fn ask_whoever_has_not(tx: &mut Tx, organisation: OrganisationId, due_at: Time) -> Result<()> {
    let text = tx.text(ASK_WHOEVER_HAS_NOT);
    execute!(tx, text, organisation, due_at);
    tx.ring_timer(due_at);
    Ok(())
}

/// Nothing is late any more, or yet: who was asked is asked next then, as if for the first time.
pub async fn begin_anew(tx: &mut Tx, organisation: OrganisationId, about: Uuid, due_at: Time) -> Result<()> {
    execute!(tx, BEGIN_ANEW, about, organisation, due_at);
    tx.ring_timer(due_at);
    Ok(())
}

/// It is there.
pub async fn drop(tx: &mut Tx, organisation: OrganisationId, about: Uuid) -> Result<()> {
    later!(tx, Any, DROP, about, organisation);
    Ok(())
}

/// Something that is due, which may not be readable.
#[derive(Debug)]
pub struct Due {
    /// The visit, the follow-up, the concern or what is to be done about it, the person or the thing.
    pub about: Uuid,
    /// Whose it is.
    pub organisation_id: OrganisationId,
    /// The rest.
    pub chase: Result<Chase>,
}

/// What is to be asked for now: up to `limit` of each kind, and nobody else has it.
pub async fn due_any_org(tx: &mut Tx, now: Time, limit: i64) -> Result<Vec<Due>> {
    let mut all = Vec::new();
    for text in [
        DUE_RECORDS_ANY_ORG,
        DUE_OF_VISITS_ANY_ORG,
        DUE_FOLLOW_UPS_ANY_ORG,
        DUE_CONCERNS_ANY_ORG,
        DUE_CONCERN_ACTIONS_ANY_ORG,
        DUE_EQUIPMENT_ANY_ORG,
        DUE_PEOPLE_ANY_ORG,
    ] {
        let text = tx.text(text);
        both!(tx, |c| {
            for row in sqlx::query(text).bind(now).bind(limit).fetch_all(c).await? {
                let chase = Chase::from_row(&row).map_err(Error::from);
                let (about, organisation_id) = (row.try_get("about")?, row.try_get("organisation_id")?);
                all.push(Due { about, organisation_id, chase });
            }
        });
    }
    Ok(all)
}

/// Nobody is asked now, and that does not count as asking.
pub async fn put_off_any_org(tx: &mut Tx, chase: &Chase, until: Time) -> Result<()> {
    execute!(tx, PUT_OFF_ANY_ORG, chase.about, chase.due_at, until);
    tx.ring_timer(until);
    Ok(())
}

/// It cannot be worked on now, and was not asked for.
pub async fn put_aside_any_org(tx: &mut Tx, about: Uuid, until: Time) -> Result<()> {
    execute!(tx, PUT_ASIDE_ANY_ORG, about, until);
    Ok(())
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
