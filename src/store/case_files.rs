//! Cases and places; what is personal of them in rows of their own.

use sqlx::{FromRow, types::Json};

use super::{Result, Tx, both, execute, readable};
use crate::{
    clock::Time,
    domain::{
        case_file::{CaseFile, CasePrivate, CaseReference, Place, PlacePrivate, WhoseHome},
        ids::{CaseId, OrganisationId, PersonId, PlaceId, TeamId},
        visit::Visiting,
    },
};

const INSERT: &str =
    "INSERT INTO case_file (id, organisation_id, team_id, reference, visiting, opened_at, opened_by)
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (organisation_id, reference) DO NOTHING";
const CHANGE: &str =
    "UPDATE case_file SET team_id = $3, visiting = $4 WHERE id = $1 AND organisation_id = $2";
const SAVE_PRIVATE: &str = "INSERT INTO case_private (case_id, body) VALUES ($1, $2)
     ON CONFLICT (case_id) DO UPDATE SET body = excluded.body";
const BY_REFERENCE: &str = "SELECT c.*, p.body FROM case_file c LEFT JOIN case_private p ON p.case_id = c.id
     WHERE c.organisation_id = $1 AND c.reference = $2";
const FIND: &str = "SELECT c.*, p.body FROM case_file c LEFT JOIN case_private p ON p.case_id = c.id
     WHERE c.id = $1 AND c.organisation_id = $2";
const LIST: &str = "SELECT c.*, p.body FROM case_file c LEFT JOIN case_private p ON p.case_id = c.id
     WHERE c.organisation_id = $1 AND c.reference > $2 ORDER BY c.reference LIMIT $3";
const ADD_PLACE: &str = "INSERT INTO place (id, organisation_id, case_id, whose_home, added_at, added_by)
     VALUES ($1, $2, $3, $4, $5, $6)";
const CHANGE_PLACE: &str = "UPDATE place SET whose_home = $3 WHERE id = $1 AND organisation_id = $2";
const SAVE_PLACE_PRIVATE: &str = "INSERT INTO place_private (place_id, body) VALUES ($1, $2)
     ON CONFLICT (place_id) DO UPDATE SET body = excluded.body";
const PLACES: &str = "SELECT l.*, p.body FROM place l LEFT JOIN place_private p ON p.place_id = l.id
     WHERE l.case_id = $1 AND l.organisation_id = $2 ORDER BY l.id";
const PLACE: &str = "SELECT l.*, p.body FROM place l LEFT JOIN place_private p ON p.place_id = l.id
     WHERE l.id = $1 AND l.organisation_id = $2";

#[derive(FromRow)]
struct Row {
    id: CaseId,
    organisation_id: OrganisationId,
    team_id: TeamId,
    reference: String,
    visiting: Option<Visiting>,
    opened_at: Time,
    opened_by: PersonId,
    body: Option<Json<CasePrivate>>,
}

impl TryFrom<Row> for CaseFile {
    type Error = super::Error;
    fn try_from(row: Row) -> Result<Self> {
        let reference = CaseReference::parse(&row.reference)
            .map_err(|_| super::Error::inconsistent("case_file", "reference", row.id))?;
        Ok(Self {
            id: row.id,
            organisation: row.organisation_id,
            team: row.team_id,
            reference,
            visiting: row.visiting,
            opened: (row.opened_by, row.opened_at),
            private: row.body.map(|body| body.0),
        })
    }
}

#[derive(FromRow)]
struct PlaceRow {
    id: PlaceId,
    organisation_id: OrganisationId,
    case_id: CaseId,
    whose_home: WhoseHome,
    added_at: Time,
    added_by: PersonId,
    body: Option<Json<PlacePrivate>>,
}

impl From<PlaceRow> for (CaseId, Place) {
    fn from(row: PlaceRow) -> Self {
        let place = Place {
            id: row.id,
            organisation: row.organisation_id,
            whose_home: row.whose_home,
            added: (row.added_by, row.added_at),
            private: row.body.map(|body| body.0),
        };
        (row.case_id, place)
    }
}

/// Keeps a new one; false: there is one with this reference.
pub async fn insert(tx: &mut Tx, case: &CaseFile) -> Result<bool> {
    let (by, at) = case.opened;
    let reference = case.reference.as_str();
    let kept =
        execute!(tx, INSERT, case.id, case.organisation, case.team, reference, case.visiting, at, by) == 1;
    if kept {
        save_private(tx, case).await?;
    }
    Ok(kept)
}

/// Its team, who is visited, and what is personal.
pub async fn change(tx: &mut Tx, case: &CaseFile) -> Result<()> {
    execute!(tx, CHANGE, case.id, case.organisation, case.team, case.visiting);
    save_private(tx, case).await
}

async fn save_private(tx: &mut Tx, case: &CaseFile) -> Result<()> {
    if let Some(private) = &case.private {
        execute!(tx, SAVE_PRIVATE, case.id, Json(private));
    }
    Ok(())
}

/// The one with this reference.
pub async fn by_reference(
    tx: &mut Tx,
    organisation: OrganisationId,
    reference: &CaseReference,
) -> Result<Option<CaseFile>> {
    let row: Option<Row> = both!(tx, |c| sqlx::query_as(BY_REFERENCE)
        .bind(organisation)
        .bind(reference.as_str())
        .fetch_optional(c)
        .await?);
    row.map(CaseFile::try_from).transpose()
}

/// One of them.
pub async fn find(tx: &mut Tx, organisation: OrganisationId, id: CaseId) -> Result<Option<CaseFile>> {
    let row: Option<Row> =
        both!(tx, |c| sqlx::query_as(FIND).bind(id).bind(organisation).fetch_optional(c).await?);
    row.map(CaseFile::try_from).transpose()
}

/// Those after a reference, in the order of their references.
pub async fn list(
    tx: &mut Tx,
    organisation: OrganisationId,
    after: &str,
    limit: i64,
) -> Result<Vec<CaseFile>> {
    Ok(both!(tx, |c| {
        let rows = sqlx::query(LIST).bind(organisation).bind(after).bind(limit).fetch_all(c).await?;
        readable!(rows, Row, CaseFile::try_from)
    }))
}

/// Adds a place of a case.
pub async fn add_place(tx: &mut Tx, case: CaseId, place: &Place) -> Result<()> {
    let (by, at) = place.added;
    execute!(tx, ADD_PLACE, place.id, place.organisation, case, place.whose_home, at, by);
    save_place_private(tx, place).await
}

/// Whose home it is, and what is personal.
pub async fn change_place(tx: &mut Tx, place: &Place) -> Result<()> {
    execute!(tx, CHANGE_PLACE, place.id, place.organisation, place.whose_home);
    save_place_private(tx, place).await
}

async fn save_place_private(tx: &mut Tx, place: &Place) -> Result<()> {
    if let Some(private) = &place.private {
        execute!(tx, SAVE_PLACE_PRIVATE, place.id, Json(private));
    }
    Ok(())
}

/// Where a case is visited, the first one first.
pub async fn places_of(tx: &mut Tx, organisation: OrganisationId, case: CaseId) -> Result<Vec<Place>> {
    let rows: Vec<PlaceRow> =
        both!(tx, |c| sqlx::query_as(PLACES).bind(case).bind(organisation).fetch_all(c).await?);
    Ok(rows.into_iter().map(|row| <(CaseId, Place)>::from(row).1).collect())
}

/// A place, and whose case it is.
pub async fn place(
    tx: &mut Tx,
    organisation: OrganisationId,
    id: PlaceId,
) -> Result<Option<(CaseId, Place)>> {
    let row: Option<PlaceRow> =
        both!(tx, |c| sqlx::query_as(PLACE).bind(id).bind(organisation).fetch_optional(c).await?);
    Ok(row.map(Into::into))
}
