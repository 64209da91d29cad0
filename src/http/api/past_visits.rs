//! Visits that are put on record afterwards, over HTTP.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{Act, Reply, incidents::said, views::VisitView, visits::worker_view};
use crate::{
    app::{access::Actor, past_visits as cases, visits::ForWhom},
    domain::{
        past_visit::PastVisit,
        visit::{Alarm, Details, Record, Risk, VisitOutcome, Visiting},
    },
    http::{
        Site,
        body::{Body, clean, clean_line, parse},
        problem::Problem,
    },
};

/// A visit that was made, and that nobody watched.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PastVisitBody {
    /// Why.
    purpose: Option<String>,
    /// Where.
    place: Option<String>,
    /// Whose case.
    case_reference: Option<String>,
    /// Who was visited.
    visiting: Option<Visiting>,
    /// How dangerous it was held to be.
    risk: Option<Risk>,
    /// When the worker was at the door.
    arrived_at: DateTime<Utc>,
    /// When the worker left.
    left_at: DateTime<Utc>,
    /// Why it was not watched.
    reason: String,
    /// How it turned out.
    outcome: Option<VisitOutcome>,
    /// Who was seen.
    seen_whom: Option<String>,
    /// What was done.
    work_undertaken: Option<String>,
    /// For whom, if for somebody else: an id, or the key of the organisation's file.
    worker: Option<String>,
}

/// Puts a visit on record that nobody had watched; the manager is told.
#[utoipa::path(post, path = "/past-visits", request_body = PastVisitBody, responses((status = 201, body = VisitView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn put_on_record(
    State(site): State<Site>,
    actor: Actor,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let given: PastVisitBody = parse(&body)?;
    let words = |given: Option<String>| given.map(|words| clean(&words)).filter(|words| !words.is_empty());
    let details = Details {
        purpose: words(given.purpose),
        place: words(given.place),
        case_reference: given.case_reference.and_then(|reference| clean_line(&reference)),
        visiting: given.visiting,
        risk: given.risk.unwrap_or_default(),
        ..Details::default()
    };
    let record = Record {
        outcome: given.outcome,
        seen_whom: words(given.seen_whom),
        work_undertaken: words(given.work_undertaken),
    };
    let past = PastVisit {
        details,
        arrived_at: given.arrived_at,
        left_at: given.left_at,
        reason: said("reason", &given.reason)?,
        record,
    };
    let for_whom = given.worker.map_or(ForWhom::Self_, ForWhom::Another);
    let house = Arc::clone(&site.house);
    let case = async move |tx: &mut _, actor: &Actor, trace: crate::store::Trace| {
        Ok(match cases::put_on_record(tx, &house, actor, &for_whom, past.clone(), trace).await? {
            Ok(visit) => {
                let worker = worker_view(tx, actor, visit.worker).await?;
                let view = VisitView::new(actor, worker, &visit, Alarm::Quiet, trace.now);
                Reply::new(StatusCode::CREATED, &view)
            }
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, "POST /past-visits", &headers, body).run(case).await)
}
