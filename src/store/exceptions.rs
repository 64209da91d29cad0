//! Visits that were out of the ordinary, and who has looked at them.

use sqlx::FromRow;

use super::{Error, Result, Sql, Tx, both, execute, one_row, readable};
use crate::{
    clock::Time,
    domain::{
        exception::{ExceptionKind, OutOfTheOrdinary, Reviewed},
        ids::{OrganisationId, PersonId, VisitId},
    },
};

// Said anew after a review, it is another thing to be looked at.
const KEEP: &str = "INSERT INTO visit_exception (visit_id, organisation_id, kind) VALUES ($1, $2, $3)
     ON CONFLICT (visit_id) DO UPDATE SET kind = excluded.kind, reviewed_at = NULL, reviewed_by = NULL, words = NULL";
const FIND: &str = "SELECT * FROM visit_exception WHERE visit_id = $1 AND organisation_id = $2";
const LIST: Sql = Sql::pair(
    "SELECT e.* FROM visit_exception e JOIN visit v ON v.id = e.visit_id
     WHERE e.organisation_id = $1 AND e.visit_id > $2 AND ($3 IS NULL OR (e.reviewed_at IS NOT NULL) = $3)
       AND v.state IN ('ended', 'recorded') AND v.arrived_at IS NOT NULL ORDER BY e.visit_id LIMIT $4",
    "SELECT e.* FROM visit_exception e JOIN visit v ON v.id = e.visit_id
     WHERE e.organisation_id = $1 AND e.visit_id > $2 AND ($3::boolean IS NULL OR (e.reviewed_at IS NOT NULL) = $3)
       AND v.state IN ('ended', 'recorded') AND v.arrived_at IS NOT NULL ORDER BY e.visit_id LIMIT $4",
);
const REVIEW: &str = "UPDATE visit_exception SET reviewed_at = $3, reviewed_by = $4, words = $5
     WHERE visit_id = $1 AND organisation_id = $2";

#[derive(FromRow)]
struct Row {
    visit_id: VisitId,
    kind: ExceptionKind,
    reviewed_at: Option<Time>,
    reviewed_by: Option<PersonId>,
    words: Option<String>,
}

impl From<Row> for OutOfTheOrdinary {
    fn from(row: Row) -> Self {
        // Erased: that somebody has looked at it still stands.
        let words = row.words.unwrap_or_default();
        let reviewed = row.reviewed_at.zip(row.reviewed_by).map(|(at, by)| Reviewed { at, by, words });
        Self { visit: row.visit_id, kind: row.kind, reviewed }
    }
}

/// Keeps what is out of the ordinary about a visit. Whoever does holds the visit.
pub async fn keep(
    tx: &mut Tx,
    organisation: OrganisationId,
    visit: VisitId,
    kind: ExceptionKind,
) -> Result<()> {
    one_row(execute!(tx, KEEP, visit, organisation, kind))
}

/// What was out of the ordinary about a visit.
pub async fn find(
    tx: &mut Tx,
    organisation: OrganisationId,
    visit: VisitId,
) -> Result<Option<OutOfTheOrdinary>> {
    let row: Option<Row> =
        both!(tx, |c| sqlx::query_as(FIND).bind(visit).bind(organisation).fetch_optional(c).await?);
    Ok(row.map(OutOfTheOrdinary::from))
}

/// Which ones a list is about.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// Only those that somebody has looked at, or nobody has.
    pub reviewed: Option<bool>,
    /// Only those after this visit.
    pub after: Option<VisitId>,
}

/// Those whose visit was made and is over.
pub async fn list(
    tx: &mut Tx,
    organisation: OrganisationId,
    filter: Filter,
    limit: i64,
) -> Result<Vec<OutOfTheOrdinary>> {
    let text = tx.text(LIST);
    let after = filter.after.unwrap_or(VisitId(uuid::Uuid::nil()));
    Ok(both!(tx, |c| {
        let rows = sqlx::query(text)
            .bind(organisation)
            .bind(after)
            .bind(filter.reviewed)
            .bind(limit)
            .fetch_all(c)
            .await?;
        readable!(rows, Row, |row| Ok::<_, Error>(OutOfTheOrdinary::from(row)))
    }))
}

/// Keeps what a senior manager found. Whoever does holds the visit.
pub async fn review(
    tx: &mut Tx,
    organisation: OrganisationId,
    visit: VisitId,
    reviewed: &Reviewed,
) -> Result<()> {
    one_row(execute!(tx, REVIEW, visit, organisation, reviewed.at, reviewed.by, &reviewed.words))
}
