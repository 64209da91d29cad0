//! Whether visits are agreed, over HTTP.

use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Act, Reply, views::PersonView};
use crate::{
    app::{
        access::Actor,
        agreements::{self as cases, Said, Stands},
    },
    domain::{
        agreement::{
            AgreedBy, Agreement, Answer, Approver, Changed, Exception, Reason, State as Standing, Talk,
        },
        assessment::Company,
        ids::VisitId,
        people::Directory,
        visit::Visit,
    },
    http::{
        Site,
        body::{Body, clean, parse},
        problem::{Kind, Problem},
    },
    store::people,
};

/// So many in one list.
const PAGE: i64 = 200;

/// What is out of the ordinary about a visit.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub(super) enum ExceptionBody {
    /// No assessment is possible: the circumstances now, the outcome afterwards.
    Emergency {
        /// What they are.
        circumstances: String,
    },
    /// Outside agreed arrangements, once: discussed before with a senior manager and with the parents or carers.
    OneOff {
        /// With the senior manager.
        senior_manager: Talk,
        /// With the parents or carers.
        parents_or_carers: Talk,
        /// Why there is no other way.
        justification: String,
    },
}

impl ExceptionBody {
    fn exception(self, now: DateTime<Utc>) -> Result<Exception, Problem> {
        let needed = |field: &str, words: &str| match clean(words) {
            words if words.is_empty() => Err(Problem::field(format!("exception.{field}"), "say it in words")),
            words => Ok(words),
        };
        Ok(match self {
            Self::Emergency { circumstances } => {
                Exception::Emergency { circumstances: needed("circumstances", &circumstances)? }
            }
            Self::OneOff { senior_manager, parents_or_carers, justification } => {
                let talk = |field: &str, talk: Talk| {
                    if talk.at > now {
                        let field = format!("exception.{field}.at");
                        return Err(Problem::field(field, "it has to be discussed before"));
                    }
                    let with = needed(&format!("{field}.with"), &talk.with)?;
                    Ok(Talk { with, at: talk.at, said: needed(&format!("{field}.said"), &talk.said)? })
                };
                Exception::OneOff {
                    senior_manager: talk("senior_manager", senior_manager)?,
                    parents_or_carers: talk("parents_or_carers", parents_or_carers)?,
                    justification: needed("justification", &justification)?,
                }
            }
        })
    }
}

/// Something that somebody said of a visit.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct RemarkView {
    /// Who.
    by: PersonView,
    /// When.
    at: DateTime<Utc>,
    /// What.
    words: String,
}

/// How it stands with the agreement of a visit.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct AgreementView {
    /// Of which visit.
    visit: Uuid,
    /// Who wants to go.
    worker: PersonView,
    /// When it is to begin, or began.
    begins_at: DateTime<Utc>,
    /// agreed, waiting, asked, `not_agreed` or refused.
    #[schema(pattern = "^(agreed|waiting|asked|not_agreed|refused)$")]
    state: &'static str,
    /// Who can agree: manager or `senior_manager`.
    approver: Option<Approver>,
    /// What objects, the gravest first.
    reasons: Vec<Reason>,
    /// Begun before anybody had agreed to it: it runs as high risk until somebody does.
    begun_not_agreed: bool,
    /// Who decided, or asked something; none: no rule objected, or nobody has.
    decided_by: Option<PersonView>,
    /// When.
    decided_at: Option<DateTime<Utc>>,
    /// Decided by the worker themselves, as the organisation allows.
    own_visit: bool,
    /// By which version of an assessment it was weighed.
    assessment: Option<Uuid>,
    /// alone or accompanied.
    company: Company,
    /// Whether anything has changed since the assessment: `not_said`, no or yes.
    changed: Changed,
    /// What is out of the ordinary.
    exception: Option<ExceptionBody>,
    /// What people said of it.
    said: Vec<RemarkView>,
}

impl AgreementView {
    pub(super) fn new(directory: &Directory, agreement: &Agreement) -> Self {
        let person = |id| PersonView::of(directory, id);
        let (by, at, own_visit) = match agreement.state {
            Standing::Agreed { by: AgreedBy::Rules, at } => (None, Some(at), false),
            Standing::Agreed { by: AgreedBy::TheWorker(by), at } => (Some(by), Some(at), true),
            Standing::Agreed { by: AgreedBy::Person(by), at }
            | Standing::Asked { by, at, .. }
            | Standing::Refused { by, at } => (Some(by), Some(at), false),
            Standing::Waiting { .. } | Standing::NotAgreed { .. } => (None, None, false),
        };
        let approver = match agreement.state {
            Standing::Waiting { approver, .. } | Standing::Asked { approver, .. } => Some(approver),
            _ => None,
        };
        let exception = agreement.private.exception.clone().map(|exception| match exception {
            Exception::Emergency { circumstances } => ExceptionBody::Emergency { circumstances },
            Exception::OneOff { senior_manager, parents_or_carers, justification } => {
                ExceptionBody::OneOff { senior_manager, parents_or_carers, justification }
            }
        });
        let said = agreement.private.said.iter();
        Self {
            visit: agreement.visit.0,
            worker: person(agreement.worker),
            begins_at: agreement.begins_at,
            state: agreement.state.as_str(),
            approver,
            reasons: agreement.reasons.clone(),
            begun_not_agreed: agreement.begun_not_agreed.is_some(),
            decided_by: by.map(person),
            decided_at: at,
            own_visit,
            assessment: agreement.assessment.map(|id| id.0),
            company: agreement.company,
            changed: agreement.changed,
            exception,
            said: said
                .map(|remark| RemarkView {
                    by: person(remark.by),
                    at: remark.at,
                    words: remark.words.clone(),
                })
                .collect(),
        }
    }
}

/// What whoever starts or plans is answered.
pub(super) fn in_words(stands: &Stands) -> Option<String> {
    match stands {
        Stands::NotAsked => None,
        Stands::Agreed { changes_since: None } => Some("agreed".into()),
        Stands::Agreed { changes_since: Some(day) } => Some(format!(
            "agreed; has anything changed since {day}? Say so with POST /visits/{{id}}/agreement"
        )),
        Stands::NotAgreed { asked } if asked.is_empty() => Some("NOT AGREED: do not go in".into()),
        Stands::NotAgreed { asked } => Some(format!("NOT AGREED: do not go in. Asked: {}", asked.join(", "))),
        Stands::NotWeighed => {
            Some("it could not be weighed whether this visit is agreed: ask your manager".into())
        }
    }
}

fn id_of(id: &str) -> Result<VisitId, Problem> {
    id.parse().map(VisitId).map_err(|_| Problem::of(Kind::NotFound))
}

/// Shows how it stands with a visit.
#[utoipa::path(get, path = "/visits/{id}/agreement", params(("id" = Uuid, Path)), responses((status = 200, body = AgreementView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = id_of(&id)?;
    let mut tx = site.db.read().await?;
    let (_, agreement) = cases::find(&mut tx, &actor, id).await?.map_err(Problem::from)?;
    let Some(agreement) = agreement else { return Err(Problem::of(Kind::NotFound)) };
    let directory = people::directory(&mut tx, actor.organisation).await?;
    Ok(axum::Json(AgreementView::new(&directory, &agreement)).into_response())
}

/// What is said of a visit beyond what its start says.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DescribeBody {
    /// alone or accompanied. Of a visit that has begun it is seen by who is on it.
    company: Option<Company>,
    /// Whether anything has changed since the assessment: no adds the visit's date to it, yes asks for a new version.
    changed: Option<Changed>,
    /// What is out of the ordinary.
    exception: Option<ExceptionBody>,
    /// In words, for whoever decides.
    words: Option<String>,
}

/// Says more of a visit that has to be agreed; it is weighed anew.
#[utoipa::path(post, path = "/visits/{id}/agreement", params(("id" = Uuid, Path)), request_body = DescribeBody,
    responses((status = 200, body = AgreementView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn describe(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let said: DescribeBody = parse(&body)?;
    let visit = id_of(&id)?;
    let exception = said.exception.map(|exception| exception.exception(site.clock.now())).transpose()?;
    let words = said.words.map(|words| clean(&words)).filter(|words| !words.is_empty());
    if said.changed == Some(Changed::Yes) && words.is_none() {
        return Err(Problem::field("words", "say what has changed"));
    }
    let said = Said { company: said.company, changed: said.changed, exception, words };
    let house = std::sync::Arc::clone(&site.house);
    let case = async move |tx: &mut _, actor: &Actor, trace| {
        Ok(match cases::describe(tx, &house, actor, visit, said.clone(), trace).await? {
            Ok((_, agreement, _)) => {
                let directory = people::directory(tx, actor.organisation).await?;
                Reply::ok(&AgreementView::new(&directory, &agreement))
            }
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, format!("POST /visits/{id}/agreement"), &headers, body).run(case).await)
}

/// What somebody decides.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum AnswerBody {
    /// It may be made; the words are measures to be taken.
    Agree,
    /// It may not; the words say why.
    Refuse,
    /// The words are a question to the worker.
    Ask,
}

/// A decision.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DecideBody {
    /// agree, refuse or ask.
    decision: AnswerBody,
    /// Measures, a reason, or a question; what only a senior manager agrees to needs a reason too.
    words: Option<String>,
}

/// Decides whether a visit is agreed. Said again it changes nothing.
#[utoipa::path(post, path = "/visits/{id}/agreement/decide", params(("id" = Uuid, Path)), request_body = DecideBody,
    responses((status = 200, body = AgreementView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn decide(
    State(site): State<Site>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let said: DecideBody = parse(&body)?;
    let visit = id_of(&id)?;
    let answer = match said.decision {
        AnswerBody::Agree => Answer::Agree,
        AnswerBody::Refuse => Answer::Refuse,
        AnswerBody::Ask => Answer::Ask,
    };
    let words = said.words.map(|words| clean(&words)).filter(|words| !words.is_empty());
    let house = std::sync::Arc::clone(&site.house);
    let case = async move |tx: &mut _, actor: &Actor, trace| {
        Ok(match cases::decide(tx, &house, actor, visit, (answer, words.clone()), trace).await? {
            Ok((_, agreement)) => {
                let directory = people::directory(tx, actor.organisation).await?;
                Reply::ok(&AgreementView::new(&directory, &agreement))
            }
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, format!("POST /visits/{id}/agreement/decide"), &headers, body).run(case).await)
}

/// What is to be decided.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct AgreementList {
    /// Those at the door first, then by when they are to begin.
    agreements: Vec<AgreementView>,
}

/// Lists the visits about which somebody has to decide.
#[utoipa::path(get, path = "/agreements", responses((status = 200, body = AgreementList),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn queue(State(site): State<Site>, actor: Actor) -> Result<Response, Problem> {
    let mut tx = site.db.read().await?;
    let now = site.clock.now();
    let queue: Vec<(Visit, Agreement)> =
        cases::queue(&mut tx, &actor, PAGE, now).await?.map_err(Problem::from)?;
    let directory = people::directory(&mut tx, actor.organisation).await?;
    let agreements = queue.iter().map(|(_, agreement)| AgreementView::new(&directory, agreement)).collect();
    Ok(axum::Json(AgreementList { agreements }).into_response())
}

/// Until when somebody is away.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AwayBody {
    /// Until then your deputy is asked; null: you are back.
    until: Option<DateTime<Utc>>,
}

/// Says that you are away: who stands in for you is asked instead whether visits are agreed.
#[utoipa::path(put, path = "/me/away", request_body = AwayBody, responses((status = 204),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn set_away(
    State(site): State<Site>,
    actor: Actor,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let AwayBody { until } = parse(&body)?;
    let case = async move |tx: &mut _, actor: &Actor, trace| {
        Ok(match cases::set_away(tx, actor, until, trace).await? {
            Ok(()) => Reply::no_content(),
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, "PUT /me/away", &headers, body).run(case).await)
}
