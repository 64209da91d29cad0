//! Who is due a visit, over HTTP: the list, what is known of a case's supervision, whose it is and what is excused.

use axum::{
    extract::{Path, Query, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Act, Reply, incidents::said, ladders::TeamView, views::PersonView};
use crate::{
    app::{
        Outcome,
        access::Actor,
        due::{self as cases, Filter, Item, Sort, StartIs},
    },
    domain::{
        due::{Bucket, Counted, Excuse, Identified, Length, Line, Made, Pause, Paused},
        ids::ConcernId,
        people::Directory,
        visit::{VisitOutcome, Visiting},
    },
    http::{
        Site,
        body::{Body, parse},
        problem::Problem,
    },
    store::{self, Tx, due::Planned, people},
};

/// So many cases in one list.
const PAGE: usize = 500;

/// A visit that is due by one rule.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DueLineView {
    /// By which rule.
    rule: String,
    /// The last day for it; none: at once, without a fixed day.
    due_on: Option<NaiveDate>,
    /// What it counts from.
    from: NaiveDate,
    /// The concern that asks for it, if one does.
    concern: Option<Uuid>,
    /// Why, in words.
    why: String,
}

impl DueLineView {
    fn new(line: &Line, pauses: &[Pause]) -> Self {
        Self {
            rule: line.rule.clone(),
            due_on: line.by.day(),
            from: line.from,
            concern: line.concern.map(|concern| concern.0),
            why: line.why(pauses),
        }
    }
}

/// A visit that was made.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct MadeView {
    /// Which.
    visit: Uuid,
    /// On which day.
    on: NaiveDate,
    /// How it turned out; `seen` alone counts.
    outcome: VisitOutcome,
}

impl From<&Made> for MadeView {
    fn from(made: &Made) -> Self {
        Self { visit: made.id.0, on: made.on, outcome: made.outcome }
    }
}

/// A visit that is planned.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DuePlannedView {
    /// Which.
    visit: Uuid,
    /// Who goes.
    worker: PersonView,
    /// When.
    expected_arrival: DateTime<Utc>,
}

impl DuePlannedView {
    fn new(directory: &Directory, planned: &Planned) -> Self {
        let worker = PersonView::of(directory, planned.worker_id);
        Self { visit: planned.id.0, worker, expected_arrival: planned.expected_arrival }
    }
}

/// Days that are not counted.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PauseBody {
    /// The first of them.
    from: NaiveDate,
    /// The first that is counted again; none: it goes on.
    until: Option<NaiveDate>,
    /// custody, suspended, hospital or other.
    why: Paused,
}

/// What a manager has excused.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ExcusedView {
    /// By which rule it was due.
    rule: String,
    /// By when; none: at once.
    due_on: Option<NaiveDate>,
    /// By when instead; none: not any more.
    instead: Option<NaiveDate>,
    /// What it is in figures: `left_out`, or late all the same.
    counted: Counted,
    /// Why.
    reason: String,
    /// Who.
    by: PersonView,
    /// When.
    at: DateTime<Utc>,
}

impl ExcusedView {
    fn new(directory: &Directory, excuse: &Excuse) -> Self {
        Self {
            rule: excuse.rule.clone(),
            due_on: excuse.due_on,
            instead: excuse.instead,
            counted: excuse.counted,
            reason: excuse.reason.clone(),
            by: PersonView::of(directory, excuse.by.0),
            at: excuse.by.1,
        }
    }
}

/// What is known of the supervision of a case.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct SupervisionView {
    /// Since when.
    start: Option<NaiveDate>,
    /// How high the risk is, in a word of the rules.
    risk: Option<String>,
    /// Since when it was identified that it had risen, each time.
    risk_rose_on: Vec<NaiveDate>,
    /// Which flags of the rules apply.
    flags: Vec<String>,
    /// Whether home visits are in the risk management plan.
    visits_in_plan: bool,
    /// How often; none: the plan does not say, which is a gap.
    plan_every: Option<String>,
    /// When it does not go on.
    pauses: Vec<PauseBody>,
    /// Since when it is over.
    end: Option<NaiveDate>,
    /// What a manager has excused.
    excused: Vec<ExcusedView>,
}

/// A case, and what is due of it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DueView {
    /// The id of the case.
    id: Uuid,
    /// How everybody speaks of it.
    reference: String,
    /// Which team looks after it.
    team: Option<TeamView>,
    /// Who is visited.
    visiting: Option<Visiting>,
    /// Whose it is; none: nobody's yet.
    worker: Option<PersonView>,
    /// now, overdue, `this_week`, `cannot_be_computed`, next, paused or `not_due`.
    state: Bucket,
    /// The first day for which a visit is, or was, due.
    due_on: Option<NaiveDate>,
    /// Whether that has passed.
    overdue: bool,
    /// By which rules, the strictest first: it holds.
    due: Vec<DueLineView>,
    /// What cannot be computed, and why: it is never in time.
    cannot_be_computed: Vec<String>,
    /// The pause that today is in.
    paused: Option<PauseBody>,
    /// The last visit that counts.
    last_seen: Option<MadeView>,
    /// The visits since then on which nobody was seen.
    tried_since: Vec<MadeView>,
    /// What is planned already: an ordinary visit planned with this reference.
    planned: Vec<DuePlannedView>,
    /// What is known of its supervision; only where one case is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    supervision: Option<SupervisionView>,
}

fn pause(pause: &Pause) -> PauseBody {
    PauseBody { from: pause.from, until: pause.until, why: pause.why }
}

impl DueView {
    fn new(directory: &Directory, item: &Item) -> Self {
        let Item { case, standing, today, planned } = item;
        let facts = &case.facts;
        let pauses = &facts.supervision.pauses;
        Self {
            id: case.id.0,
            reference: case.reference.clone(),
            team: TeamView::of(directory, case.team),
            visiting: facts.visiting,
            worker: case.worker.map(|worker| PersonView::of(directory, worker)),
            state: item.bucket(),
            due_on: standing.day(),
            overdue: standing.is_overdue(*today),
            due: standing.lines.iter().map(|line| DueLineView::new(line, pauses)).collect(),
            cannot_be_computed: standing.cannot.iter().map(ToString::to_string).collect(),
            paused: standing.paused.as_ref().map(pause),
            last_seen: facts.last_seen().map(MadeView::from),
            tried_since: facts.tried_since().iter().map(MadeView::from).collect(),
            planned: planned.iter().map(|planned| DuePlannedView::new(directory, planned)).collect(),
            supervision: None,
        }
    }

    /// With everything that is known.
    fn whole(directory: &Directory, item: &Item) -> Self {
        let known = &item.case.facts.supervision;
        let supervision = SupervisionView {
            start: known.start,
            risk: known.risk.clone(),
            risk_rose_on: known.rises.iter().map(|rise| rise.on).collect(),
            flags: known.flags.clone(),
            visits_in_plan: known.plan.is_some(),
            plan_every: known.plan.as_ref().and_then(|plan| plan.every).map(|every| every.to_string()),
            pauses: known.pauses.iter().map(pause).collect(),
            end: known.end,
            excused: known.excuses.iter().map(|excuse| ExcusedView::new(directory, excuse)).collect(),
        };
        Self { supervision: Some(supervision), ..Self::new(directory, item) }
    }
}

async fn answer(tx: &mut Tx, actor: &Actor, outcome: Outcome<Item>) -> store::Result<Reply> {
    Ok(match outcome? {
        Ok(item) => {
            let directory = people::directory(tx, actor.organisation).await?;
            Reply::ok(&DueView::whole(&directory, &item))
        }
        Err(rejected) => rejected.into(),
    })
}

/// What the list can be narrowed by.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct DueQuery {
    /// One worker's cases, by id or key; `nobody`: those that are nobody's, or of somebody who has left.
    worker: Option<String>,
    /// Those of one team and the teams below it, by id or key.
    team: Option<String>,
    /// One part alone: now, overdue, `this_week`, `cannot_be_computed`, next, paused or `not_due`; left out: all but `not_due`.
    state: Option<Bucket>,
    /// due (what presses most first), reference or worker.
    sort: Option<Sort>,
    /// So many are passed over: those of the pages before.
    #[serde(default)]
    skip: usize,
}

/// Who is due a visit.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DueList {
    /// At most 500, after those that `skip` passed over.
    cases: Vec<DueView>,
    /// How many there are in all.
    count: usize,
}

/// Lists who is due a visit: of your cases, or those of your team and the teams below. What is due at once comes first, then what is
/// overdue, what is due this week, what cannot be computed, what is due later, and what pauses.
#[utoipa::path(get, path = "/due", params(DueQuery), responses((status = 200, body = DueList),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(site): State<Site>,
    actor: Actor,
    query: Result<Query<DueQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|error| Problem::field("query", error.body_text()))?;
    let DueQuery { worker, team, state, sort, skip } = query;
    let filter = Filter { worker, team, bucket: state, sort: sort.unwrap_or_default() };
    let mut tx = site.db.read().await?;
    let items = cases::list(&mut tx, &actor, filter, site.clock.now()).await??;
    let directory = people::directory(&mut tx, actor.organisation).await?;
    let cases = items.iter().skip(skip).take(PAGE).map(|item| DueView::new(&directory, item)).collect();
    Ok(Reply::ok(&DueList { cases, count: items.len() }).into_response())
}

/// Shows what is due of a case, by when, and why, with all that it follows from.
#[utoipa::path(get, path = "/cases/{reference}/due", params(("reference" = String, Path)), responses((status = 200, body = DueView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(site): State<Site>,
    actor: Actor,
    Path(reference): Path<String>,
) -> Result<Response, Problem> {
    let mut tx = site.db.read().await?;
    let outcome = cases::one(&mut tx, &actor, &reference, site.clock.now()).await;
    Ok(answer(&mut tx, &actor, outcome).await?.into_response())
}

/// All that is known of the supervision of a case.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SupervisionBody {
    /// Since when.
    start: Option<NaiveDate>,
    /// What another start than before is: corrected (what was said was wrong) or restarted (a first visit is due again).
    #[serde(default)]
    start_is: StartIs,
    /// How high the risk is, in a word of the rules. A higher one than before is a rise; one that was known cannot be left out.
    risk: Option<String>,
    /// When it was identified that the risk has risen; left out: now.
    risk_identified_on: Option<NaiveDate>,
    /// Which flags of the rules apply.
    #[serde(default)]
    flags: Vec<String>,
    /// Whether home visits are in the risk management plan.
    #[serde(default)]
    visits_in_plan: bool,
    /// How often, as the plan says: 4 weeks, 10 working days.
    plan_every: Option<String>,
    /// When it does not go on: those days are not counted.
    #[serde(default)]
    pauses: Vec<PauseBody>,
    /// Since when it is over: nothing is due any more.
    end: Option<NaiveDate>,
}

/// Days that somebody can mean.
fn meant(field: &str, day: Option<NaiveDate>) -> Result<Option<NaiveDate>, Problem> {
    match day {
        Some(day) if !(1990..2190).contains(&day.year()) => {
            Err(Problem::field(field, "this day cannot be meant: say it as 2026-03-09"))
        }
        day => Ok(day),
    }
}

/// Says all that is known of the supervision of a case; what is left out is not known. What is due is computed anew at once.
#[utoipa::path(put, path = "/cases/{reference}/supervision", params(("reference" = String, Path)), request_body = SupervisionBody,
    responses((status = 200, body = DueView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn set_supervision(
    State(site): State<Site>,
    actor: Actor,
    Path(reference): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let said: SupervisionBody = parse(&body)?;
    let every = said.plan_every.as_deref().map(str::parse::<Length>).transpose();
    let every = every.map_err(|bad| Problem::field("plan_every", bad.to_string()))?;
    if every.is_some() && !said.visits_in_plan {
        return Err(Problem::field("visits_in_plan", "must be true if the plan says how often"));
    }
    let mut pauses = Vec::new();
    for PauseBody { from, until, why } in said.pauses {
        meant("pauses", Some(from))?;
        pauses.push(Pause { from, until: meant("pauses", until)?, why });
    }
    let identified = meant("risk_identified_on", said.risk_identified_on)?;
    let said = cases::Said {
        start: meant("start", said.start)?,
        start_is: said.start_is,
        risk: said.risk,
        risk_identified: identified.map(|on| Identified { on, at: None }),
        flags: said.flags,
        plan: said.visits_in_plan.then_some(every),
        pauses,
        end: meant("end", said.end)?,
    };
    let route = format!("PUT /cases/{reference}/supervision");
    let case = async move |tx: &mut Tx, actor: &Actor, trace| {
        let done = cases::set_supervision(tx, actor, &reference, said.clone(), trace).await;
        answer(tx, actor, done).await
    };
    Ok(Act::new(site, actor, route, &headers, body).run(case).await)
}

/// Whose case it is.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AssignBody {
    /// An id, or the key of the organisation's file; null: nobody's.
    worker: Option<String>,
}

/// Gives a case to a worker. Said again it changes nothing.
#[utoipa::path(post, path = "/cases/{reference}/assign", params(("reference" = String, Path)), request_body = AssignBody,
    responses((status = 200, body = DueView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn assign(
    State(site): State<Site>,
    actor: Actor,
    Path(reference): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let AssignBody { worker } = parse(&body)?;
    let route = format!("POST /cases/{reference}/assign");
    let case = async move |tx: &mut Tx, actor: &Actor, trace| {
        let done = cases::assign(tx, actor, (&reference, worker.as_deref()), trace).await;
        answer(tx, actor, done).await
    };
    Ok(Act::new(site, actor, route, &headers, body).run(case).await)
}

/// What is excused.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExcuseBody {
    /// What is due by this rule.
    rule: String,
    /// Because of this concern alone; left out: of all that ask for it by this rule.
    concern: Option<Uuid>,
    /// By when it is due instead; left out: it is not due any more.
    instead: Option<NaiveDate>,
    /// What it is in figures: `left_out` where it could not be made, late where it was for you to make it.
    counted: Counted,
    /// Why.
    reason: String,
}

/// A manager excuses a visit that is due. What comes again by its rule is due again.
#[utoipa::path(post, path = "/cases/{reference}/excuse", params(("reference" = String, Path)), request_body = ExcuseBody,
    responses((status = 200, body = DueView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn excuse(
    State(site): State<Site>,
    actor: Actor,
    Path(reference): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let ExcuseBody { rule, concern, instead, counted, reason } = parse(&body)?;
    let concern = concern.map(ConcernId);
    let excused = cases::Excused { rule, concern, instead, counted, reason: said("reason", &reason)? };
    let route = format!("POST /cases/{reference}/excuse");
    let case = async move |tx: &mut Tx, actor: &Actor, trace| {
        let done = cases::excuse(tx, actor, &reference, excused.clone(), trace).await;
        answer(tx, actor, done).await
    };
    Ok(Act::new(site, actor, route, &headers, body).run(case).await)
}

/// That something is excused no more.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TakeBackExcuseBody {
    /// What was excused by this rule; where more than once, the last.
    rule: String,
    /// Why.
    reason: String,
}

/// A manager takes back what was excused: it is due as before.
#[utoipa::path(post, path = "/cases/{reference}/excuse/take-back", params(("reference" = String, Path)), request_body = TakeBackExcuseBody,
    responses((status = 200, body = DueView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn take_back_excuse(
    State(site): State<Site>,
    actor: Actor,
    Path(reference): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let TakeBackExcuseBody { rule, reason } = parse(&body)?;
    let reason = said("reason", &reason)?;
    let route = format!("POST /cases/{reference}/excuse/take-back");
    let case = async move |tx: &mut Tx, actor: &Actor, trace| {
        let done = cases::take_back_excuse(tx, actor, &reference, (&rule, &reason), trace).await;
        answer(tx, actor, done).await
    };
    Ok(Act::new(site, actor, route, &headers, body).run(case).await)
}
