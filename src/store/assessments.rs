//! Risk assessments: versioned; factors and measures in rows of their own.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, types::Json};

use super::{Error, Result, Tx, both, execute};
use crate::{
    clock::Time,
    domain::{
        assessment::{Assessment, Covers, Draft, Factor, Information, Rating},
        ids::{AssessmentId, CaseId, OrganisationId, PersonId, PlaceId, VisitId},
    },
};

const INSERT: &str = "INSERT INTO assessment (id, organisation_id, case_id, place_id, version, rating, information, review_on, made_at, made_by)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (place_id, version) DO NOTHING";
const INSERT_PRIVATE: &str = "INSERT INTO assessment_private (assessment_id, body) VALUES ($1, $2)";
const OF_PLACE: &str =
    "SELECT a.*, p.body FROM assessment a LEFT JOIN assessment_private p ON p.assessment_id = a.id
     WHERE a.place_id = $1 AND a.organisation_id = $2 ORDER BY a.version DESC";
const FIND: &str =
    "SELECT a.*, p.body FROM assessment a LEFT JOIN assessment_private p ON p.assessment_id = a.id
     WHERE a.id = $1 AND a.organisation_id = $2";
const AGREE: &str = "UPDATE assessment SET agreed_at = $3, agreed_by = $4
     WHERE id = $1 AND organisation_id = $2 AND agreed_at IS NULL";
const USE: &str = "INSERT INTO assessment_use (visit_id, assessment_id, on_day, said_by, said_at)
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (visit_id) DO NOTHING";
const USED: &str =
    "SELECT u.visit_id, u.on_day FROM assessment_use u JOIN assessment a ON a.id = u.assessment_id
     WHERE u.assessment_id = $1 AND a.organisation_id = $2 ORDER BY u.on_day, u.said_at";

/// What is personal of an assessment.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Private {
    factors: Vec<Factor>,
    covers: Covers,
}

#[derive(FromRow)]
struct Row {
    id: AssessmentId,
    organisation_id: OrganisationId,
    case_id: CaseId,
    place_id: PlaceId,
    version: i32,
    rating: Rating,
    information: Information,
    review_on: String,
    made_at: Time,
    made_by: PersonId,
    agreed_at: Option<Time>,
    agreed_by: Option<PersonId>,
    body: Option<Json<Private>>,
}

impl TryFrom<Row> for Assessment {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        let review_on: NaiveDate =
            row.review_on.parse().map_err(|_| Error::inconsistent("assessment", "review_on", row.id))?;
        // Erased: what it came to still stands.
        let Private { factors, covers } = row.body.map(|body| body.0).unwrap_or_default();
        Ok(Self {
            id: row.id,
            organisation: row.organisation_id,
            case: row.case_id,
            place: row.place_id,
            version: row.version,
            draft: Draft { factors, information: row.information, covers, review_on },
            rating: row.rating,
            made: (row.made_by, row.made_at),
            agreed: row.agreed_by.zip(row.agreed_at),
        })
    }
}

/// Keeps a new version; false: another was quicker.
pub async fn insert(tx: &mut Tx, new: &Assessment) -> Result<bool> {
    let ((by, at), draft) = (new.made, &new.draft);
    let review_on = draft.review_on.to_string();
    let kept = execute!(
        tx,
        INSERT,
        new.id,
        new.organisation,
        new.case,
        new.place,
        new.version,
        new.rating,
        draft.information,
        review_on,
        at,
        by
    ) == 1;
    if kept {
        let private = Private { factors: draft.factors.clone(), covers: draft.covers.clone() };
        execute!(tx, INSERT_PRIVATE, new.id, Json(private));
    }
    Ok(kept)
}

/// The versions for a place, the newest first.
pub async fn of_place(tx: &mut Tx, organisation: OrganisationId, place: PlaceId) -> Result<Vec<Assessment>> {
    let rows: Vec<Row> =
        both!(tx, |c| sqlx::query_as(OF_PLACE).bind(place).bind(organisation).fetch_all(c).await?);
    rows.into_iter().map(Assessment::try_from).collect()
}

/// One version.
pub async fn find(tx: &mut Tx, organisation: OrganisationId, id: AssessmentId) -> Result<Option<Assessment>> {
    let row: Option<Row> =
        both!(tx, |c| sqlx::query_as(FIND).bind(id).bind(organisation).fetch_optional(c).await?);
    row.map(Assessment::try_from).transpose()
}

/// A manager agrees with it; false: somebody had.
pub async fn agree(
    tx: &mut Tx,
    organisation: OrganisationId,
    id: AssessmentId,
    (by, at): (PersonId, Time),
) -> Result<bool> {
    Ok(execute!(tx, AGREE, id, organisation, at, by) == 1)
}

/// Nothing has changed: it is used for this visit too. False: that was said before.
pub async fn use_again(
    tx: &mut Tx,
    id: AssessmentId,
    visit: VisitId,
    day: NaiveDate,
    (by, at): (PersonId, Time),
) -> Result<bool> {
    Ok(execute!(tx, USE, visit, id, day.to_string(), by, at) == 1)
}

/// The visits for which it was used again, and their days.
pub async fn used_for(
    tx: &mut Tx,
    organisation: OrganisationId,
    id: AssessmentId,
) -> Result<Vec<(VisitId, NaiveDate)>> {
    let rows: Vec<(VisitId, String)> =
        both!(tx, |c| sqlx::query_as(USED).bind(id).bind(organisation).fetch_all(c).await?);
    rows.into_iter()
        .map(|(visit, day)| {
            let day = day.parse().map_err(|_| Error::inconsistent("assessment_use", "on_day", visit))?;
            Ok((visit, day))
        })
        .collect()
}
