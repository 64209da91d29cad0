//! Drills over HTTP. `{id}` is a drill's id; whoever was called may also say their own code for it.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Act, Reply, incident_acts::NothingToSay, ladders::TeamView, views::PersonView};
use crate::{
    app::{
        Rejected,
        access::Actor,
        coverage::Whom,
        drills::{self as cases, Report},
    },
    domain::{
        drill::{DrillAnswer, DrillState, Over},
        ids::DrillId,
        people::Directory,
        receipt::Standing,
    },
    http::{
        Site,
        body::{Body, parse},
        problem::{Kind, Problem},
    },
    store::{
        self, Tx,
        drills::{Called, Delivery},
        messages::MessageState,
        people,
    },
};

/// One message of a drill.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DrillDeliveryView {
    /// By what: sms, email.
    by: &'static str,
    /// pending, accepted by a provider, refused, or taken back.
    state: MessageState,
    /// What its provider said afterwards: `on_its_way`, delivered, failed; none: nothing.
    receipt: Option<Standing>,
    /// Since when there is one.
    at: DateTime<Utc>,
    /// When its state, or its receipt, was last changed.
    last_at: Option<DateTime<Utc>>,
}

impl From<&Delivery> for DrillDeliveryView {
    fn from(delivery: &Delivery) -> Self {
        Self {
            by: delivery.channel.as_str(),
            state: delivery.state,
            receipt: delivery.receipt,
            at: delivery.created_at,
            last_at: delivery.receipt_at.or(delivery.finished_at),
        }
    }
}

/// Somebody whom a drill called.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DrillCallView {
    /// Who.
    person: PersonView,
    /// When first.
    called_at: DateTime<Utc>,
    /// What they answered: taken, cannot; none: nothing.
    answer: Option<DrillAnswer>,
    /// When.
    answered_at: Option<DateTime<Utc>>,
    /// So long after they were called first.
    answered_after_seconds: Option<i64>,
    /// By what it was sent to them, and what became of that.
    deliveries: Vec<DrillDeliveryView>,
}

/// A drill, and what came of it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DrillView {
    /// Its id.
    id: Uuid,
    /// Of which team.
    team: Option<TeamView>,
    /// About whom.
    worker: PersonView,
    /// running, `all_answered`, `ladder_done`, `ended_by_hand`, or `stepped_aside` for a real alarm.
    #[schema(pattern = "^(running|all_answered|ladder_done|ended_by_hand|stepped_aside)$")]
    state: &'static str,
    /// Who started it, or set the schedule that did.
    started_by: PersonView,
    /// The schedule that started it; none: it was started by hand.
    schedule: Option<Uuid>,
    /// When it started.
    starts_at: DateTime<Utc>,
    /// When it was over.
    finished_at: Option<DateTime<Utc>>,
    /// Who ended it by hand.
    ended_by: Option<PersonView>,
    /// So many were called; of a drill of a team that you do not look after, you.
    called: usize,
    /// So many of them answered.
    answered: usize,
    /// Whom it called, in that order.
    calls: Vec<DrillCallView>,
}

impl DrillView {
    fn new(directory: &Directory, report: &Report) -> Self {
        let Report { drill, calls, deliveries } = report;
        let person = |id| PersonView::of(directory, id);
        let (state, finished_at, ended_by) = match drill.state {
            DrillState::Running { .. } => ("running", None, None),
            DrillState::Over { how, at } => match how {
                Over::AllAnswered => ("all_answered", Some(at), None),
                Over::LadderDone => ("ladder_done", Some(at), None),
                Over::ByHand(by) => ("ended_by_hand", Some(at), Some(by)),
                Over::SteppedAside => ("stepped_aside", Some(at), None),
            },
        };
        let call = |call: &Called| DrillCallView {
            person: person(call.person),
            called_at: call.called_at,
            answer: call.answer,
            answered_at: call.answered_at,
            answered_after_seconds: call.answered_at.map(|at| (at - call.called_at).num_seconds()),
            deliveries: deliveries
                .iter()
                .filter(|delivery| delivery.person == call.person)
                .map(DrillDeliveryView::from)
                .collect(),
        };
        Self {
            id: drill.id.0,
            team: TeamView::of(directory, drill.team),
            worker: person(drill.subject),
            state,
            started_by: person(drill.started_by),
            schedule: drill.scheduled.map(|(id, _)| id.0),
            starts_at: drill.starts_at,
            finished_at,
            ended_by: ended_by.map(person),
            called: calls.len(),
            answered: calls.iter().filter(|call| call.answer.is_some()).count(),
            calls: calls.iter().map(call).collect(),
        }
    }
}

/// Drills.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DrillList {
    /// The newest first.
    drills: Vec<DrillView>,
}

/// What is to be rehearsed.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DrillBody {
    /// Of which team, by id or key: about its worker whose turn it is.
    team: Option<String>,
    /// Or about whom, by id or key.
    worker: Option<String>,
}

/// Starts a drill: the team's ladder is run as if a worker of it had missed a deadline, each text and mail marked DRILL. It is over once
/// everybody whom the ladder calls has answered, or its last step has had its time. A real alarm always wins over it.
#[utoipa::path(post, path = "/drills", request_body = DrillBody, responses((status = 201, body = DrillView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn start(
    State(site): State<Site>,
    actor: Actor,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let whom = match parse(&body)? {
        DrillBody { team: Some(team), worker: None } => Whom::Team(team),
        DrillBody { team: None, worker: Some(worker) } => Whom::Worker(worker),
        _ => return Err(Problem::field("team", "say either `team` or `worker`")),
    };
    let case = async move |tx: &mut _, actor: &Actor, trace| {
        Ok(match cases::start(tx, actor, &whom, trace).await? {
            Ok(drill) => {
                let directory = people::directory(tx, actor.organisation).await?;
                let report = Report { drill, calls: Vec::new(), deliveries: Vec::new() };
                Reply::new(StatusCode::CREATED, &DrillView::new(&directory, &report))
            }
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, "POST /drills", &headers, body).run(case).await)
}

/// Lists the newest drills of the teams that you look after, and those that called you.
#[utoipa::path(get, path = "/drills", responses((status = 200, body = DrillList),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(State(site): State<Site>, actor: Actor) -> Result<Response, Problem> {
    let mut tx = site.db.read().await?;
    let reports = cases::list(&mut tx, &actor).await??;
    let directory = people::directory(&mut tx, actor.organisation).await?;
    let drills = reports.iter().map(|report| DrillView::new(&directory, report)).collect();
    Ok(Reply::ok(&DrillList { drills }).into_response())
}

/// Shows a drill's report: who was called by what, who answered in how long, who did not.
#[utoipa::path(get, path = "/drills/{id}", params(("id" = Uuid, Path)), responses((status = 200, body = DrillView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = id.parse().map(DrillId).map_err(|_| Problem::of(Kind::NotFound))?;
    let mut tx = site.db.read().await?;
    let reply = shown(&mut tx, &actor, id).await?;
    Ok(reply.into_response())
}

async fn shown(tx: &mut Tx, actor: &Actor, id: DrillId) -> store::Result<Reply> {
    Ok(match cases::show(tx, actor, id).await? {
        Ok(report) => {
            let directory = people::directory(tx, actor.organisation).await?;
            Reply::ok(&DrillView::new(&directory, &report))
        }
        Err(rejected) => rejected.into(),
    })
}

/// Answers a drill, as you would take an alarm. Answering again changes nothing; it takes no real alarm.
#[utoipa::path(post, path = "/drills/{id}/acknowledge", params(("id" = String, Path)), request_body = NothingToSay,
    responses((status = 200, body = DrillView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn acknowledge(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let NothingToSay {} = parse(&body)?;
    let route = format!("POST /drills/{id}/acknowledge");
    let case = async move |tx: &mut _, actor: &Actor, trace| {
        let Some(id) = cases::named(tx, actor, &id).await? else { return Ok(Rejected::NotFound.into()) };
        let who = (actor.organisation, actor.person);
        match cases::answer(tx, who, id, DrillAnswer::Taken, trace).await? {
            Ok(_) => shown(tx, actor, id).await,
            Err(rejected) => Ok(rejected.into()),
        }
    };
    Ok(Act::new(site, actor, route, &headers, body).run(case).await)
}

/// Ends a drill. Whoever was called and has not answered is told. Ended again it changes nothing.
#[utoipa::path(post, path = "/drills/{id}/end", params(("id" = Uuid, Path)), request_body = NothingToSay,
    responses((status = 200, body = DrillView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn end(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let NothingToSay {} = parse(&body)?;
    let drill = id.parse().map(DrillId).map_err(|_| Problem::of(Kind::NotFound))?;
    let house = Arc::clone(&site.house);
    let case = async move |tx: &mut _, actor: &Actor, trace| match cases::end(tx, &house, actor, drill, trace)
        .await?
    {
        Ok(_) => shown(tx, actor, drill).await,
        Err(rejected) => Ok(rejected.into()),
    };
    Ok(Act::new(site, actor, format!("POST /drills/{id}/end"), &headers, body).run(case).await)
}
