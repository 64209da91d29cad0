//! Cases, places and risk assessments over HTTP.

use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Act, Reply, concerns::OpenConcernView, ladders::TeamView, views::PersonView};
use crate::{
    app::{
        access::Actor,
        case_files::{self as cases, About, IsNew, Version, WantedCase},
    },
    domain::{
        assessment::{Assessment, Company, Covers, Difference, Draft, Factor, Hours, Information, Rating},
        case_file::{CaseFile, CasePrivate, Place, PlacePrivate, WhoseHome},
        ids::{AssessmentId, PlaceId},
        people::Directory,
        visit::Visiting,
    },
    http::{
        Site,
        body::{Body, clean, parse},
        problem::{Kind, Problem},
    },
    store::people,
};

/// So many rows in one list.
const PAGE: usize = 100;
/// Longer words are refused: they are for people to read.
const LONGEST_WORDS: usize = 4000;

fn words(field: &str, said: Option<String>) -> Result<Option<String>, Problem> {
    let Some(said) = said.map(|said| clean(&said)).filter(|said| !said.is_empty()) else { return Ok(None) };
    if said.chars().count() > LONGEST_WORDS {
        return Err(Problem::field(field, format!("{LONGEST_WORDS} characters at most")));
    }
    Ok(Some(said))
}

/// A place of a case.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct PlaceView {
    /// Its id.
    id: Uuid,
    /// Whose home it is.
    whose_home: WhoseHome,
    /// Where it is; none: not known, or erased.
    address: Option<String>,
    /// How one gets in.
    access: Option<String>,
    /// Who lives there.
    household: Option<String>,
}

impl From<&Place> for PlaceView {
    fn from(place: &Place) -> Self {
        let PlacePrivate { address, access, household } = place.private.clone().unwrap_or_default();
        Self { id: place.id.0, whose_home: place.whose_home, address, access, household }
    }
}

/// A case.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct CaseView {
    /// The id, as events name it; it stands for the reference wherever that is asked for.
    id: Uuid,
    /// How everybody speaks of it.
    reference: String,
    /// Which team looks after it.
    team: Option<TeamView>,
    /// Who is visited.
    visiting: Option<Visiting>,
    /// What the person is called; none: not known, or erased.
    name: Option<String>,
    /// What else whoever visits has to know.
    notes: Option<String>,
    /// When it was opened.
    opened_at: DateTime<Utc>,
    /// Who opened it.
    opened_by: PersonView,
    /// Where it is visited; only where one case is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    places: Option<Vec<PlaceView>>,
}

impl CaseView {
    fn new(directory: &Directory, case: &CaseFile, places: Option<&[Place]>) -> Self {
        let CasePrivate { name, notes } = case.private.clone().unwrap_or_default();
        let (by, at) = case.opened;
        Self {
            id: case.id.0,
            reference: case.reference.as_str().into(),
            team: TeamView::of(directory, case.team),
            visiting: case.visiting,
            name,
            notes,
            opened_at: at,
            opened_by: PersonView::of(directory, by),
            places: places.map(|places| places.iter().map(PlaceView::from).collect()),
        }
    }
}

/// What is said of a case: as little as the work needs.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CaseBody {
    /// How everybody speaks of it, in the form that the organisation has set.
    reference: String,
    /// Which team looks after it: an id, or the key of the organisation's file; left out: yours.
    team: Option<String>,
    /// Who is visited.
    visiting: Option<Visiting>,
    /// What the person is called.
    name: Option<String>,
    /// What else whoever visits has to know.
    notes: Option<String>,
}

/// Opens a case, or changes what is known of one.
#[utoipa::path(post, path = "/cases", request_body = CaseBody, responses((status = 201, body = CaseView), (status = 200, body = CaseView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn save(
    State(site): State<Site>,
    actor: Actor,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let said: CaseBody = parse(&body)?;
    let wanted = WantedCase {
        reference: said.reference,
        team: said.team,
        visiting: said.visiting,
        private: CasePrivate { name: words("name", said.name)?, notes: words("notes", said.notes)? },
    };
    let case = async move |tx: &mut _, actor: &Actor, trace| {
        Ok(match cases::save(tx, actor, wanted.clone(), trace).await? {
            Ok((case, is_new)) => {
                let directory = people::directory(tx, actor.organisation).await?;
                let status = if is_new == IsNew::Yes { StatusCode::CREATED } else { StatusCode::OK };
                Reply::new(status, &CaseView::new(&directory, &case, None))
            }
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, "POST /cases", &headers, body).run(case).await)
}

/// After which reference a list begins.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// After this one: the last of the page before.
    after: Option<String>,
}

/// Cases.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct CaseList {
    /// By reference.
    cases: Vec<CaseView>,
}

/// Lists the cases of your team and the teams below.
#[utoipa::path(get, path = "/cases", params(ListQuery), responses((status = 200, body = CaseList),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(site): State<Site>,
    actor: Actor,
    query: Result<Query<ListQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|error| Problem::field("query", error.body_text()))?;
    let mut tx = site.db.read().await?;
    let directory = people::directory(&mut tx, actor.organisation).await?;
    let found = cases::list(&mut tx, &actor, query.after.as_deref().unwrap_or_default(), PAGE).await?;
    let cases = found.iter().map(|case| CaseView::new(&directory, case, None)).collect();
    Ok(axum::Json(CaseList { cases }).into_response())
}

/// Shows a case and its places.
#[utoipa::path(get, path = "/cases/{reference}", params(("reference" = String, Path)), responses((status = 200, body = CaseView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(site): State<Site>,
    actor: Actor,
    Path(reference): Path<String>,
) -> Result<Response, Problem> {
    let mut tx = site.db.read().await?;
    let (case, places) = cases::find(&mut tx, &actor, &reference).await?.map_err(Problem::from)?;
    let directory = people::directory(&mut tx, actor.organisation).await?;
    Ok(axum::Json(CaseView::new(&directory, &case, Some(&places))).into_response())
}

/// What is said of a place.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlaceBody {
    /// Which, if it is there already.
    id: Option<Uuid>,
    /// Whose home it is; left out: of those who are visited.
    #[serde(default)]
    whose_home: WhoseHome,
    /// Where it is.
    address: String,
    /// How one gets in, where one parks, what to look out for.
    access: Option<String>,
    /// Who lives there.
    household: Option<String>,
}

/// Adds a place to a case, or changes what is known of it.
#[utoipa::path(post, path = "/cases/{reference}/places", params(("reference" = String, Path)), request_body = PlaceBody,
    responses((status = 200, body = PlaceView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn save_place(
    State(site): State<Site>,
    actor: Actor,
    Path(reference): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let said: PlaceBody = parse(&body)?;
    let address = words("address", Some(said.address))?;
    if address.is_none() {
        return Err(Problem::field("address", "say where it is"));
    }
    let private = PlacePrivate {
        address,
        access: words("access", said.access)?,
        household: words("household", said.household)?,
    };
    let (id, whose_home) = (said.id.map(PlaceId), said.whose_home);
    let route = format!("POST /cases/{reference}/places");
    let case = async move |tx: &mut _, actor: &Actor, trace| {
        let wanted = (whose_home, private.clone());
        Ok(match cases::save_place(tx, actor, (&reference, id), wanted, trace).await? {
            Ok(place) => Reply::ok(&PlaceView::from(&place)),
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, route, &headers, body).run(case).await)
}

/// Something that is known, and what is done about it.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FactorBody {
    /// person, parents, household, hostility, `child_protection`, complaints, animals, access or other.
    about: crate::domain::assessment::About,
    /// What is known, in your own words.
    words: String,
    /// What is done about it; at least one.
    #[serde(default)]
    measures: Vec<String>,
    /// How likely harm is with these measures in place, from 1.
    likelihood: usize,
    /// How bad it would be, from 1.
    severity: usize,
}

/// What an assessment is made for. A visit outside of it goes to a manager.
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CoversBody {
    /// office or any.
    hours: Hours,
    /// alone: alone too; accompanied: only with somebody else.
    company: Company,
    /// For these purposes; none: any.
    purposes: Vec<String>,
}

/// A risk assessment of a case at a place.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AssessmentBody {
    /// What is known; may be empty only where `information` is little.
    #[serde(default)]
    factors: Vec<FactorBody>,
    /// enough or little: with little nobody goes alone.
    #[serde(default)]
    information: Information,
    /// What it is made for.
    #[serde(default)]
    covers: CoversBody,
    /// It is looked at again on that day at the latest: within a year.
    review_on: NaiveDate,
}

/// A version of an assessment.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct AssessmentView {
    /// Its id.
    id: Uuid,
    /// The id of the case.
    case: Uuid,
    /// The id of the place.
    place: Uuid,
    /// 1, 2, 3 … for this place.
    version: i32,
    /// The highest of its factors, after measures, by the organisation's matrix: low, medium, high or `very_high`.
    rating: Rating,
    /// What is known.
    factors: Vec<FactorBody>,
    /// How much that is.
    information: Information,
    /// What it is made for.
    covers: CoversBody,
    /// It is looked at again on that day at the latest.
    review_on: NaiveDate,
    /// When it was made.
    made_at: DateTime<Utc>,
    /// Who made it.
    made_by: PersonView,
    /// When a manager agreed with it.
    agreed_at: Option<DateTime<Utc>>,
    /// Who.
    agreed_by: Option<PersonView>,
    /// What it says otherwise than the version before.
    differences: Vec<Difference>,
    /// The days of the visits for which it was used again, since nothing had changed.
    used_on: Vec<NaiveDate>,
}

impl AssessmentView {
    fn new(directory: &Directory, version: &Version) -> Self {
        let Version { assessment, differences, used } = version;
        let Assessment { draft, made, agreed, .. } = assessment;
        let Covers { hours, company, purposes } = draft.covers.clone();
        Self {
            id: assessment.id.0,
            case: assessment.case.0,
            place: assessment.place.0,
            version: assessment.version,
            rating: assessment.rating,
            factors: draft.factors.iter().map(FactorBody::from).collect(),
            information: draft.information,
            covers: CoversBody { hours, company, purposes },
            review_on: draft.review_on,
            made_at: made.1,
            made_by: PersonView::of(directory, made.0),
            agreed_at: agreed.map(|(_, at)| at),
            agreed_by: agreed.map(|(by, _)| PersonView::of(directory, by)),
            differences: differences.clone(),
            used_on: used.iter().map(|(_, day)| *day).collect(),
        }
    }
}

/// Makes the next version of the assessment for a place. Made by a manager it is agreed by that.
#[utoipa::path(post, path = "/places/{id}/assessments", params(("id" = Uuid, Path)), request_body = AssessmentBody,
    responses((status = 201, body = AssessmentView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn assess(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let said: AssessmentBody = parse(&body)?;
    let Ok(place) = id.parse().map(PlaceId) else { return Err(Problem::of(Kind::NotFound)) };
    let factor = |factor: FactorBody| Factor {
        about: factor.about,
        words: clean(&factor.words),
        measures: factor.measures.iter().map(|measure| clean(measure)).filter(|m| !m.is_empty()).collect(),
        likelihood: factor.likelihood,
        severity: factor.severity,
    };
    let CoversBody { hours, company, purposes } = said.covers;
    let draft = Draft {
        factors: said.factors.into_iter().map(factor).collect(),
        information: said.information,
        covers: Covers { hours, company, purposes },
        review_on: said.review_on,
    };
    let case = async move |tx: &mut _, actor: &Actor, trace| {
        Ok(match cases::assess(tx, actor, place, draft.clone(), trace).await? {
            Ok(version) => {
                let directory = people::directory(tx, actor.organisation).await?;
                Reply::new(StatusCode::CREATED, &AssessmentView::new(&directory, &version))
            }
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, format!("POST /places/{id}/assessments"), &headers, body).run(case).await)
}

/// The versions of an assessment.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct AssessmentList {
    /// The newest first.
    assessments: Vec<AssessmentView>,
    /// The concerns about the case that nobody has closed, the oldest first: the next version weighs them.
    open_concerns: Vec<OpenConcernView>,
}

/// Shows every version of the assessment for a place, each with what it says otherwise than the one before.
#[utoipa::path(get, path = "/places/{id}/assessments", params(("id" = Uuid, Path)), responses((status = 200, body = AssessmentList),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn versions(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let Ok(place) = id.parse().map(PlaceId) else { return Err(Problem::of(Kind::NotFound)) };
    let mut tx = site.db.read().await?;
    let (versions, concerns) = cases::versions(&mut tx, &actor, place).await?.map_err(Problem::from)?;
    let directory = people::directory(&mut tx, actor.organisation).await?;
    let assessments = versions.iter().map(|version| AssessmentView::new(&directory, version)).collect();
    let open_concerns = concerns.iter().map(OpenConcernView::from).collect();
    Ok(axum::Json(AssessmentList { assessments, open_concerns }).into_response())
}

/// Shows one version of an assessment.
#[utoipa::path(get, path = "/assessments/{id}", params(("id" = Uuid, Path)), responses((status = 200, body = AssessmentView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn version(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let Ok(id) = id.parse().map(AssessmentId) else { return Err(Problem::of(Kind::NotFound)) };
    let mut tx = site.db.read().await?;
    let version = cases::version(&mut tx, &actor, id).await?.map_err(Problem::from)?;
    let directory = people::directory(&mut tx, actor.organisation).await?;
    Ok(axum::Json(AssessmentView::new(&directory, &version)).into_response())
}

/// A manager agrees with an assessment and its measures. Said again it changes nothing.
#[utoipa::path(post, path = "/assessments/{id}/agree", params(("id" = Uuid, Path)), responses((status = 200, body = AssessmentView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn agree(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let Ok(assessment) = id.parse().map(AssessmentId) else { return Err(Problem::of(Kind::NotFound)) };
    let case = async move |tx: &mut _, actor: &Actor, trace| {
        Ok(match cases::agree(tx, actor, assessment, trace).await? {
            Ok(assessment) => {
                let directory = people::directory(tx, actor.organisation).await?;
                let version = Version { assessment, differences: Vec::new(), used: Vec::new() };
                Reply::ok(&AssessmentView::new(&directory, &version))
            }
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, format!("POST /assessments/{id}/agree"), &headers, body).run(case).await)
}

/// What is known of whom a visit is to, and of the place: for staff who look for somebody (row E10).
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(super) struct KnownView {
    /// The case.
    reference: String,
    /// What the person is called.
    name: Option<String>,
    /// What else whoever visits has to know.
    notes: Option<String>,
    /// Where it is.
    address: Option<String>,
    /// How one gets in.
    access: Option<String>,
    /// Who lives there.
    household: Option<String>,
    /// Known risks, and what is done about them.
    risks: Vec<FactorBody>,
}

impl KnownView {
    pub(super) fn new(about: &About) -> Option<Self> {
        let case = about.case.as_ref()?;
        let CasePrivate { name, notes } = case.private.clone().unwrap_or_default();
        let place = about.place.as_ref().and_then(|place| place.private.clone()).unwrap_or_default();
        let risks = about.assessment.iter().flat_map(|assessment| &assessment.draft.factors);
        Some(Self {
            reference: case.reference.as_str().into(),
            name,
            notes,
            address: place.address,
            access: place.access,
            household: place.household,
            risks: risks.map(FactorBody::from).collect(),
        })
    }
}

impl From<&Factor> for FactorBody {
    fn from(factor: &Factor) -> Self {
        Self {
            about: factor.about,
            words: factor.words.clone(),
            measures: factor.measures.clone(),
            likelihood: factor.likelihood,
            severity: factor.severity,
        }
    }
}
