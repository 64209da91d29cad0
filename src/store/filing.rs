//! What has to be filed elsewhere, and what is.

use sqlx::{FromRow, types::Json};
use uuid::Uuid;

use super::{Error, Result, Sql, Tx, both, execute, id_list::IdList, readable};
use crate::{
    clock::Time,
    domain::{
        assessment::Rating,
        case_file::PlacePrivate,
        filing::{AssessedBy, Entry, Filed, FilingKind},
        ids::{AssessmentId, OrganisationId, OversightId, PersonId, TeamId, VisitId},
        oversight::{OversightAbout, Subject},
        visit::{VisitOutcome, Visiting},
    },
};

// What nobody began, or said to have made, was planned and closed: there is nothing to file.
const VISITS: Sql = Sql::pair(
    "SELECT v.id, v.team_id, v.worker_id, v.party_id, v.ended_at, v.arrived_at, v.left_at, v.place, v.case_reference, v.visiting,
       v.outcome, v.seen_whom, v.work_undertaken, l.body AS place_body, a.id AS assessment_id, a.version, a.rating, u.on_day,
       g.decided_by, g.decided_at, g.state = 'agreed' AS is_agreed, f.reference AS filed_as, f.filed_at, f.filed_by
     FROM visit v LEFT JOIN agreement g ON g.visit_id = v.id LEFT JOIN place_private l ON l.place_id = g.place_id
     LEFT JOIN assessment a ON a.id = g.assessment_id LEFT JOIN assessment_use u ON u.visit_id = v.id AND u.assessment_id = a.id
     LEFT JOIN filing f ON f.about = v.id
     WHERE v.organisation_id = $1 AND v.state IN ('ended', 'recorded') AND v.arrived_at IS NOT NULL AND v.ended_at >= $2 AND v.ended_at < $3
       AND (v.ended_at, v.id) > ($4, $5) AND v.team_id IN (SELECT unhex(value) FROM json_each($6))
       AND ($7 IS NULL OR (f.about IS NOT NULL) = $7)
     ORDER BY v.ended_at, v.id LIMIT $8",
    "SELECT v.id, v.team_id, v.worker_id, v.party_id, v.ended_at, v.arrived_at, v.left_at, v.place, v.case_reference, v.visiting,
       v.outcome, v.seen_whom, v.work_undertaken, l.body AS place_body, a.id AS assessment_id, a.version, a.rating, u.on_day,
       g.decided_by, g.decided_at, g.state = 'agreed' AS is_agreed, f.reference AS filed_as, f.filed_at, f.filed_by
     FROM visit v LEFT JOIN agreement g ON g.visit_id = v.id LEFT JOIN place_private l ON l.place_id = g.place_id
     LEFT JOIN assessment a ON a.id = g.assessment_id LEFT JOIN assessment_use u ON u.visit_id = v.id AND u.assessment_id = a.id
     LEFT JOIN filing f ON f.about = v.id
     WHERE v.organisation_id = $1 AND v.state IN ('ended', 'recorded') AND v.arrived_at IS NOT NULL AND v.ended_at >= $2 AND v.ended_at < $3
       AND (v.ended_at, v.id) > ($4, $5) AND v.team_id = ANY($6)
       AND ($7::boolean IS NULL OR (f.about IS NOT NULL) = $7)
     ORDER BY v.ended_at, v.id LIMIT $8",
);
const ASSESSMENTS: Sql = Sql::pair(
    "SELECT a.id, c.team_id, a.made_by, a.agreed_at, a.agreed_by, a.version, a.rating, c.reference AS case_reference, c.visiting,
       l.body AS place_body, f.reference AS filed_as, f.filed_at, f.filed_by
     FROM assessment a JOIN case_file c ON c.id = a.case_id LEFT JOIN place_private l ON l.place_id = a.place_id
     LEFT JOIN filing f ON f.about = a.id
     WHERE a.organisation_id = $1 AND a.agreed_at >= $2 AND a.agreed_at < $3
       AND (a.agreed_at, a.id) > ($4, $5) AND c.team_id IN (SELECT unhex(value) FROM json_each($6))
       AND ($7 IS NULL OR (f.about IS NOT NULL) = $7)
     ORDER BY a.agreed_at, a.id LIMIT $8",
    "SELECT a.id, c.team_id, a.made_by, a.agreed_at, a.agreed_by, a.version, a.rating, c.reference AS case_reference, c.visiting,
       l.body AS place_body, f.reference AS filed_as, f.filed_at, f.filed_by
     FROM assessment a JOIN case_file c ON c.id = a.case_id LEFT JOIN place_private l ON l.place_id = a.place_id
     LEFT JOIN filing f ON f.about = a.id
     WHERE a.organisation_id = $1 AND a.agreed_at >= $2 AND a.agreed_at < $3
       AND (a.agreed_at, a.id) > ($4, $5) AND c.team_id = ANY($6)
       AND ($7::boolean IS NULL OR (f.about IS NOT NULL) = $7)
     ORDER BY a.agreed_at, a.id LIMIT $8",
);
// Of an incident nothing is filed: who may know of it is decided here.
const OVERSIGHT: Sql = Sql::pair(
    "SELECT o.id, coalesce(c.team_id, v.team_id) AS team_id, o.by_id, o.at, o.words, o.about, o.about_id,
       coalesce(c.reference, v.case_reference) AS case_reference, coalesce(c.visiting, v.visiting) AS visiting,
       f.reference AS filed_as, f.filed_at, f.filed_by
     FROM oversight o LEFT JOIN assessment a ON a.id = o.about_id LEFT JOIN case_file c ON c.id = coalesce(a.case_id, o.about_id)
     LEFT JOIN visit v ON v.id = o.about_id LEFT JOIN filing f ON f.about = o.id
     WHERE o.organisation_id = $1 AND o.about <> 'incident' AND o.at >= $2 AND o.at < $3
       AND (o.at, o.id) > ($4, $5) AND coalesce(c.team_id, v.team_id) IN (SELECT unhex(value) FROM json_each($6))
       AND ($7 IS NULL OR (f.about IS NOT NULL) = $7)
     ORDER BY o.at, o.id LIMIT $8",
    "SELECT o.id, coalesce(c.team_id, v.team_id) AS team_id, o.by_id, o.at, o.words, o.about, o.about_id,
       coalesce(c.reference, v.case_reference) AS case_reference, coalesce(c.visiting, v.visiting) AS visiting,
       f.reference AS filed_as, f.filed_at, f.filed_by
     FROM oversight o LEFT JOIN assessment a ON a.id = o.about_id LEFT JOIN case_file c ON c.id = coalesce(a.case_id, o.about_id)
     LEFT JOIN visit v ON v.id = o.about_id LEFT JOIN filing f ON f.about = o.id
     WHERE o.organisation_id = $1 AND o.about <> 'incident' AND o.at >= $2 AND o.at < $3
       AND (o.at, o.id) > ($4, $5) AND coalesce(c.team_id, v.team_id) = ANY($6)
       AND ($7::boolean IS NULL OR (f.about IS NOT NULL) = $7)
     ORDER BY o.at, o.id LIMIT $8",
);
const OVERSIGHT_TEAM: &str =
    "SELECT coalesce(c.team_id, v.team_id) FROM oversight o LEFT JOIN assessment a ON a.id = o.about_id
     LEFT JOIN case_file c ON c.id = coalesce(a.case_id, o.about_id) LEFT JOIN visit v ON v.id = o.about_id
     WHERE o.id = $1 AND o.organisation_id = $2 AND o.about <> 'incident'";
const SAY: &str = "INSERT INTO filing (about, kind, organisation_id, reference, filed_at, filed_by)
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (about) DO UPDATE
     SET reference = excluded.reference, filed_at = excluded.filed_at, filed_by = excluded.filed_by
     WHERE filing.reference <> excluded.reference AND filing.organisation_id = excluded.organisation_id";
const FIND: &str =
    "SELECT reference, filed_at, filed_by FROM filing WHERE about = $1 AND organisation_id = $2";

/// Whether something is filed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsFiled {
    /// It is.
    Yes,
    /// It is not.
    No,
}

/// Which entries a list is about.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Complete at this time or later.
    pub from: Time,
    /// Complete before this.
    pub before: Time,
    /// Of these teams.
    pub teams: Vec<TeamId>,
    /// Only those that are filed, or are not.
    pub filed: Option<IsFiled>,
    /// After the entry of this time and id.
    pub after: (Time, Uuid),
    /// So many at most.
    pub limit: i64,
}

#[derive(FromRow)]
struct VisitRow {
    id: VisitId,
    team_id: TeamId,
    worker_id: PersonId,
    party_id: Option<VisitId>,
    ended_at: Time,
    arrived_at: Option<Time>,
    left_at: Option<Time>,
    place: Option<String>,
    case_reference: Option<String>,
    visiting: Option<Visiting>,
    outcome: Option<VisitOutcome>,
    seen_whom: Option<String>,
    work_undertaken: Option<String>,
    place_body: Option<Json<PlacePrivate>>,
    assessment_id: Option<AssessmentId>,
    version: Option<i32>,
    rating: Option<Rating>,
    on_day: Option<String>,
    decided_by: Option<PersonId>,
    decided_at: Option<Time>,
    is_agreed: Option<bool>,
    filed_as: Option<String>,
    filed_at: Option<Time>,
    filed_by: Option<PersonId>,
}

fn filed(reference: Option<String>, at: Option<Time>, by: Option<PersonId>) -> Option<Filed> {
    Some(Filed { reference: reference?, at: at?, by: by? })
}

/// A visit, and with whom it was made.
fn of_visit(row: VisitRow) -> Result<(Entry, Option<VisitId>)> {
    let bad = || Error::inconsistent("assessment_use", "on_day", row.id);
    let reused_on = row.on_day.as_deref().map(|day| day.parse().map_err(|_| bad())).transpose()?;
    let assessment = row.assessment_id.zip(row.version).zip(row.rating);
    let agreed = row.decided_by.zip(row.decided_at).filter(|_| row.is_agreed == Some(true));
    let entry = Entry {
        kind: FilingKind::Visit,
        id: row.id.0,
        at: row.ended_at,
        team: row.team_id,
        by: row.worker_id,
        with: Vec::new(),
        arrived_at: row.arrived_at,
        left_at: row.left_at.or(Some(row.ended_at)),
        address: row.place_body.and_then(|body| body.0.address).or(row.place),
        case_reference: row.case_reference,
        visiting: row.visiting,
        outcome: row.outcome,
        seen_whom: row.seen_whom,
        work_undertaken: row.work_undertaken,
        assessment: assessment.map(|((id, version), rating)| AssessedBy { id, version, rating, reused_on }),
        agreed,
        oversight: None,
        filed: filed(row.filed_as, row.filed_at, row.filed_by),
    };
    Ok((entry, row.party_id))
}

#[derive(FromRow)]
struct AssessmentRow {
    id: AssessmentId,
    team_id: TeamId,
    made_by: PersonId,
    agreed_at: Time,
    agreed_by: PersonId,
    version: i32,
    rating: Rating,
    case_reference: String,
    visiting: Option<Visiting>,
    place_body: Option<Json<PlacePrivate>>,
    filed_as: Option<String>,
    filed_at: Option<Time>,
    filed_by: Option<PersonId>,
}

impl From<AssessmentRow> for Entry {
    fn from(row: AssessmentRow) -> Self {
        Self {
            kind: FilingKind::Assessment,
            id: row.id.0,
            at: row.agreed_at,
            team: row.team_id,
            by: row.made_by,
            with: Vec::new(),
            arrived_at: None,
            left_at: None,
            address: row.place_body.and_then(|body| body.0.address),
            case_reference: Some(row.case_reference),
            visiting: row.visiting,
            outcome: None,
            seen_whom: None,
            work_undertaken: None,
            assessment: Some(AssessedBy {
                id: row.id,
                version: row.version,
                rating: row.rating,
                reused_on: None,
            }),
            agreed: Some((row.agreed_by, row.agreed_at)),
            oversight: None,
            filed: filed(row.filed_as, row.filed_at, row.filed_by),
        }
    }
}

#[derive(FromRow)]
struct OversightRow {
    id: OversightId,
    team_id: TeamId,
    by_id: PersonId,
    at: Time,
    words: Option<String>,
    about: OversightAbout,
    about_id: Uuid,
    case_reference: Option<String>,
    visiting: Option<Visiting>,
    filed_as: Option<String>,
    filed_at: Option<Time>,
    filed_by: Option<PersonId>,
}

impl From<OversightRow> for Entry {
    fn from(row: OversightRow) -> Self {
        Self {
            kind: FilingKind::Oversight,
            id: row.id.0,
            at: row.at,
            team: row.team_id,
            by: row.by_id,
            with: Vec::new(),
            arrived_at: None,
            left_at: None,
            address: None,
            case_reference: row.case_reference,
            visiting: row.visiting,
            outcome: None,
            seen_whom: None,
            work_undertaken: None,
            assessment: None,
            agreed: None,
            oversight: Some((Subject::of(row.about, row.about_id), row.words)),
            filed: filed(row.filed_as, row.filed_at, row.filed_by),
        }
    }
}

macro_rules! page {
    ($tx:expr, $text:expr, $organisation:expr, $filter:expr, $row:ty, $into:expr) => {{
        let text = $tx.text($text);
        let Filter { from, before, teams, filed, after: (at, id), limit } = $filter;
        let teams: IdList = teams.iter().map(|team| team.0).collect();
        let filed = filed.map(|filed| filed == IsFiled::Yes);
        both!($tx, |c| {
            let rows = sqlx::query(text)
                .bind($organisation)
                .bind(from)
                .bind(before)
                .bind(at)
                .bind(id)
                .bind(teams)
                .bind(filed)
                .bind(limit)
                .fetch_all(c)
                .await?;
            readable!(rows, $row, $into)
        })
    }};
}

/// Visits that are over, in that order; each with whom it was made, if with others.
pub async fn visits(
    tx: &mut Tx,
    organisation: OrganisationId,
    filter: &Filter,
) -> Result<Vec<(Entry, Option<VisitId>)>> {
    Ok(page!(tx, VISITS, organisation, filter, VisitRow, of_visit))
}

/// Assessments that were agreed, in that order.
pub async fn assessments(tx: &mut Tx, organisation: OrganisationId, filter: &Filter) -> Result<Vec<Entry>> {
    Ok(page!(tx, ASSESSMENTS, organisation, filter, AssessmentRow, |row: AssessmentRow| Ok(Entry::from(row))))
}

/// What managers said of cases, visits and assessments, in that order.
pub async fn oversight(tx: &mut Tx, organisation: OrganisationId, filter: &Filter) -> Result<Vec<Entry>> {
    Ok(page!(tx, OVERSIGHT, organisation, filter, OversightRow, |row: OversightRow| Ok(Entry::from(row))))
}

/// The team whose it is what a manager said; nothing: there is no such entry, or it is about an incident.
pub async fn team_of_oversight(
    tx: &mut Tx,
    organisation: OrganisationId,
    id: OversightId,
) -> Result<Option<TeamId>> {
    let team: Option<Option<TeamId>> = both!(tx, |c| sqlx::query_scalar(OVERSIGHT_TEAM)
        .bind(id)
        .bind(organisation)
        .fetch_optional(c)
        .await?);
    Ok(team.flatten())
}

/// It is filed elsewhere, under this reference; false: that was said before.
pub async fn say(
    tx: &mut Tx,
    organisation: OrganisationId,
    (kind, about): (FilingKind, Uuid),
    filed: &Filed,
) -> Result<bool> {
    let Filed { reference, at, by } = filed;
    Ok(execute!(tx, SAY, about, kind, organisation, reference, at, by) == 1)
}

/// As what something is filed.
pub async fn find(tx: &mut Tx, organisation: OrganisationId, about: Uuid) -> Result<Option<Filed>> {
    let found: Option<(String, Time, PersonId)> =
        both!(tx, |c| sqlx::query_as(FIND).bind(about).bind(organisation).fetch_optional(c).await?);
    Ok(found.map(|(reference, at, by)| Filed { reference, at, by }))
}
