//! Who would be told about whom, over HTTP: as it stands, and for one moment that somebody asks about. Nobody is told anything.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Reply, views::PersonView};
use crate::{
    app::{
        access::Actor,
        coverage::{self as cases, Known, Whom, WorkersCoverage},
    },
    domain::{
        contact::Channel,
        coverage::{Gap, GapKind},
        incident::Kind,
        ladder::Recipient,
        local_time,
        people::{Directory, Person},
        simulation::{Moment, Question},
        visit::Risk,
    },
    http::{
        Site,
        body::{Body, parse},
        problem::{Kind as Because, Problem},
    },
};

/// Somebody who would be told.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct RecipientView {
    /// Who; nobody: a last-resort number.
    person: Option<PersonView>,
    /// By what, all at once: sms, email.
    by: Vec<&'static str>,
}

impl RecipientView {
    fn new(directory: &Directory, to: &Recipient, by: &[Channel]) -> Self {
        let person = to.person().map(|id| PersonView::of(directory, id));
        Self { person, by: by.iter().map(|channel| channel.as_str()).collect() }
    }
}

/// Something that is missing.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct GapView {
    /// What, as a stable word.
    gap: GapKind,
    /// In words.
    detail: String,
}

fn gaps(gaps: &[Gap]) -> Vec<GapView> {
    gaps.iter().map(|gap| GapView { gap: gap.kind, detail: gap.detail.clone() }).collect()
}

/// The first time that somebody would be told.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ToldView {
    /// When.
    at: DateTime<Utc>,
    /// So long after the deadline.
    after_seconds: i64,
    /// By which step of the ladder, from 1.
    step: i32,
    /// Who.
    to: RecipientView,
}

/// What the ladder of one risk does for a worker.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct CoveredView {
    /// For visits of that risk.
    risk: Risk,
    /// The version of the ladder in force.
    ladder_version: Option<i32>,
    /// In the order in which they would be told.
    told: Vec<ToldView>,
    /// What is missing.
    gaps: Vec<GapView>,
}

/// One worker's coverage.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct WorkersCoverageView {
    /// Who.
    worker: PersonView,
    /// By risk.
    ladders: Vec<CoveredView>,
    /// What is missing whatever the ladder.
    gaps: Vec<GapView>,
}

/// Who would be told about a team's workers.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct CoverageView {
    /// For a deadline that is missed then.
    at: DateTime<Utc>,
    /// By name.
    workers: Vec<WorkersCoverageView>,
    /// So many gaps in all.
    gaps: usize,
}

/// About whom, and when.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct CoverageQuery {
    /// Each worker of that team, by id or key; of your own if neither is said.
    team: Option<String>,
    /// One person, by id or key.
    worker: Option<String>,
    /// A deadline missed then: as 2026-12-25T21:40 in the organisation's zone, or with an offset; now if not said.
    at: Option<String>,
}

/// Says for each worker who would be told about a missed deadline, in which order, after how long and by what, and what is
/// missing.
#[utoipa::path(get, path = "/coverage", params(CoverageQuery), responses((status = 200, body = CoverageView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(site): State<Site>,
    actor: Actor,
    query: Result<Query<CoverageQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|error| Problem::field("query", error.body_text()))?;
    let at = match &query.at {
        Some(at) => time("at", at, &actor)?,
        None => site.clock.now(),
    };
    let whom = whom(query.team, query.worker, &actor)?;
    let known = cases::known_to(&mut site.db.read().await?, &actor, &whom).await??;
    let of_all = move || {
        let of = |worker| workers_coverage(&known, worker, &known.coverage(worker, at), at);
        known.workers().map(of).collect::<Vec<_>>()
    };
    let workers = beside(of_all).await?;
    let count = |worker: &WorkersCoverageView| {
        worker.gaps.len() + worker.ladders.iter().map(|covered| covered.gaps.len()).sum::<usize>()
    };
    let gaps = workers.iter().map(count).sum();
    Ok(Reply::ok(&CoverageView { at, workers, gaps }).into_response())
}

fn whom(team: Option<String>, worker: Option<String>, actor: &Actor) -> Result<Whom, Problem> {
    match (team, worker) {
        (Some(_), Some(_)) => Err(Problem::field("worker", "say either `team` or `worker`")),
        (Some(team), None) => Ok(Whom::Team(team)),
        (None, Some(worker)) => Ok(Whom::Worker(worker)),
        (None, None) => Ok(Whom::Team(actor.team.to_string())),
    }
}

fn time(field: &str, said: &str, actor: &Actor) -> Result<DateTime<Utc>, Problem> {
    local_time::read(said, actor.zone)
        .ok_or_else(|| Problem::field(field, "say it as 2026-12-25T21:40, or with an offset such as Z"))
}

fn workers_coverage(
    known: &Known,
    worker: &Person,
    coverage: &WorkersCoverage,
    at: DateTime<Utc>,
) -> WorkersCoverageView {
    let ladders = coverage.ladders.iter().map(|(version, covered)| CoveredView {
        risk: covered.risk,
        ladder_version: *version,
        told: covered
            .told
            .iter()
            .map(|told| ToldView {
                at: at + told.after,
                after_seconds: told.after.num_seconds(),
                step: told.step,
                to: RecipientView::new(&known.directory, &told.to, &told.by),
            })
            .collect(),
        gaps: gaps(&covered.gaps),
    });
    WorkersCoverageView {
        worker: PersonView::of(&known.directory, worker.id),
        ladders: ladders.collect(),
        gaps: gaps(&coverage.gaps),
    }
}

/// What is asked.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SimulateBody {
    /// Each worker of that team, by id or key; of your own if neither is said.
    team: Option<String>,
    /// One person, by id or key.
    worker: Option<String>,
    /// When the deadline is missed, or help is called for: as 2026-12-25T21:40 in the organisation's zone, or with an offset.
    missed: String,
    /// The visit's risk; normal if not said.
    #[serde(default)]
    risk: Risk,
    /// overdue, sos or duress; overdue if not said.
    kind: Option<Kind>,
}

/// Something that would be said.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct MomentView {
    /// When.
    at: DateTime<Utc>,
    /// So long after what happened; less than 0: before.
    after_seconds: i64,
    /// reminder: to the worker; call: to whom stands in `to`.
    #[schema(pattern = "^(reminder|call)$")]
    what: &'static str,
    /// Of a call: which step of the ladder, from 1.
    step: Option<i32>,
    /// Of a call: which round of that step, from 1.
    round: Option<i32>,
    /// Steps that are passed over because they reach nobody.
    skipped: Vec<i64>,
    /// Who is told.
    to: Vec<RecipientView>,
}

/// What would be said about one worker.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct SimulatedView {
    /// About whom.
    worker: PersonView,
    /// The version of the ladder in force; none: nobody would be told.
    ladder_version: Option<i32>,
    /// In order.
    told: Vec<MomentView>,
}

/// What would be said in the first hour, if nobody acts.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct SimulationView {
    /// When it happens.
    missed: DateTime<Utc>,
    /// What happens.
    kind: Kind,
    /// The visit's risk.
    risk: Risk,
    /// By name.
    workers: Vec<SimulatedView>,
}

/// Says who would be told when, through the first 60 minutes, if this were missed and nobody acted. Nobody is told anything.
#[utoipa::path(post, path = "/simulate", request_body = SimulateBody, responses((status = 200, body = SimulationView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn simulate(
    State(site): State<Site>,
    actor: Actor,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let SimulateBody { team, worker, missed, risk, kind } = parse(&body)?;
    let at = time("missed", &missed, &actor)?;
    let whom = whom(team, worker, &actor)?;
    let question = Question { kind: kind.unwrap_or(Kind::Overdue), risk, at };
    let known = cases::known_to(&mut site.db.read().await?, &actor, &whom).await??;
    let of_all = move || known.workers().map(|worker| simulated(&known, worker, question)).collect();
    let workers = beside(of_all).await?;
    Ok(Reply::ok(&SimulationView { missed: at, kind: question.kind, risk, workers }).into_response())
}

/// A question about many people may take a while: alarms do not wait for it.
async fn beside<T: Send + 'static>(question: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(question).await.map_err(|_| Problem::of(Because::Fault))
}

fn simulated(known: &Known, worker: &Person, question: Question) -> SimulatedView {
    let person = |id| PersonView::of(&known.directory, id);
    let after = |at: DateTime<Utc>| (at - question.at).num_seconds();
    let (version, moments) = known.simulate(worker, question).unzip();
    let view = |moment| match moment {
        Moment::Reminder { at } => {
            let by: Vec<_> = Channel::ALL.into_iter().filter(|by| worker.has(*by)).take(1).collect();
            MomentView {
                at,
                after_seconds: after(at),
                what: "reminder",
                step: None,
                round: None,
                skipped: Vec::new(),
                to: vec![RecipientView::new(&known.directory, &Recipient::Person(worker.id), &by)],
            }
        }
        Moment::Round(round) => MomentView {
            at: round.at,
            after_seconds: after(round.at),
            what: "call",
            step: Some(round.step),
            round: Some(round.round),
            to: round
                .calls
                .iter()
                .map(|call| RecipientView::new(&known.directory, &call.to, &call.by))
                .collect(),
            skipped: round.skipped,
        },
    };
    SimulatedView {
        worker: person(worker.id),
        ladder_version: version.map(|version| version.version),
        told: moments.unwrap_or_default().into_iter().map(view).collect(),
    }
}
