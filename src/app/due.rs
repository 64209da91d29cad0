//! Who is due a visit (rows T1 to T4): what is known of supervision, and what follows from it. What is due is computed each time from what
//! is kept; whenever something changes that it follows from, that is computed anew and logged, with what was due before and since.

pub mod digest;
mod list;
mod rules;
mod supervision;

pub use list::{Filter, Item, Sort, explain, list, one};
pub use rules::{put_in_force, see_rules, set_rules};
pub use supervision::{Excused, Said, StartIs, assign, excuse, set_supervision, take_back_excuse};
pub(super) use supervision::{left_team, may_change_visiting};

use chrono::NaiveDate;
use serde_json::json;

use super::oversight;
use crate::{
    clock::Time,
    domain::{
        calendar::day_of,
        case_file::{CaseFile, CaseReference},
        concern::ConcernKind,
        due::{
            Cause, Facts, History, Identified, InForce, Made, Standing, Summary, Worry, WorryKind, standing,
        },
        event::{Door, EventKind, NewEvent},
        ids::OrganisationId,
        visit::{Visit, Visiting},
    },
    store::{
        self, Trace, Tx, case_files, concerns,
        due::{self, Kept, ToCompute},
        events::log_for_organisation,
        people,
    },
};

/// By what an organisation decides now.
#[derive(Debug, Clone)]
pub(super) struct Now {
    version: i32,
    in_force: InForce,
}

impl Now {
    /// The day that it is there.
    fn today(&self, now: Time) -> NaiveDate {
        day_of(now, self.in_force.zone)
    }
}

/// The rules in force; nothing where an organisation has none: there nobody is due a visit.
async fn now_in_force(tx: &mut Tx, organisation: OrganisationId) -> store::Result<Option<Now>> {
    let Some(kept) = due::rules(tx, organisation).await? else { return Ok(None) };
    let zone = people::directory(tx, organisation).await?.zone;
    let in_force = kept.in_force(organisation, zone)?;
    Ok(Some(Now { version: kept.version, in_force }))
}

/// What has happened about a case, read anew.
async fn history(tx: &mut Tx, case: &CaseFile, now: &Now) -> store::Result<History> {
    let reference = case.reference.as_str();
    let visits = due::visits_of(tx, case.organisation, reference).await?;
    let all = concerns::about_case(tx, case.organisation, reference).await?;
    let zone = now.in_force.zone;
    let made = |(id, at, outcome, _)| Made { id, on: day_of(at, zone), at, outcome };
    // Somebody else was visited about the same case: a victim, perhaps.
    let rules = &now.in_force.rules;
    let is_about_it = |(_, _, _, visiting): &(_, _, _, Option<Visiting>)| {
        visiting.is_none_or(|who| rules.visiting.contains(&who))
    };
    let worry = |(id, at, kind, closed)| Worry {
        id,
        kind: if kind == ConcernKind::Safeguarding { WorryKind::Safeguarding } else { WorryKind::Concern },
        identified: Identified { on: day_of(at, zone), at: Some(at) },
        closed,
    };
    Ok(History {
        visits: visits.into_iter().filter(is_about_it).map(made).collect(),
        concerns: all.into_iter().map(worry).collect(),
    })
}

/// Computes what is due of a case that is held, keeps it and logs it. What has happened is read anew, so that doing it again changes
/// nothing.
async fn compute(
    tx: &mut Tx,
    case: &CaseFile,
    (kept, now): (&mut Kept, &Now),
    why: Cause,
    trace: Trace,
) -> store::Result<Standing> {
    kept.history = history(tx, case, now).await?;
    let facts = Facts {
        visiting: case.visiting,
        supervision: kept.supervision.clone(),
        history: kept.history.clone(),
    };
    let stands = standing(&facts, &now.in_force, now.today(trace.now));
    let after = Summary::from(&stands);
    let before = std::mem::replace(&mut kept.standing, after.clone());
    kept.rules_version = now.version;
    due::save(tx, case.organisation, kept).await?;
    let known = (kept.worker, kept.supervision.risk_on(now.today(trace.now)));
    oversight::follow_case(tx, case, known, trace).await?;
    // Other rules that change nothing for a case are not worth an entry for each.
    if why != Cause::Rules || before != after {
        let body = json!({
            "case": case.id, "cause": why, "rules": now.version, "before": before, "after": after,
        });
        log(tx, case, (&*kept, NewEvent::new(EventKind::DueComputed, trace.now, body)), trace).await?;
    }
    Ok(stands)
}

/// In the organisation's log a case is spoken of by its id alone; it is about whose it is.
async fn log(
    tx: &mut Tx,
    case: &CaseFile,
    (kept, event): (&Kept, NewEvent),
    trace: Trace,
) -> store::Result<()> {
    let about = (Some(case.team), kept.worker);
    log_for_organisation(tx, case.organisation, about, trace, event).await
}

/// Something has changed that what is due of a case follows from.
pub(super) async fn follow(tx: &mut Tx, case: &CaseFile, why: Cause, trace: Trace) -> store::Result<()> {
    let Some(now) = now_in_force(tx, case.organisation).await? else { return Ok(()) };
    let mut kept = due::hold(tx, case.organisation, case.id).await?;
    compute(tx, case, (&mut kept, &now), why, trace).await.map(drop)
}

/// The same, by a reference as somebody typed it, at the end of what must neither fail nor wait because of this: then the case is kept
/// as one to compute, and the scheduler does it.
pub(super) async fn follow_reference(
    tx: &mut Tx,
    organisation: OrganisationId,
    reference: Option<&str>,
    why: Cause,
    trace: Trace,
) -> store::Result<()> {
    let Some(Ok(reference)) = reference.map(CaseReference::parse) else { return Ok(()) };
    let done = tx
        .part_that_waits_for_nobody(async |tx| {
            match case_files::by_reference(tx, organisation, &reference).await? {
                Some(case) => follow(tx, &case, why, trace).await,
                None => Ok(()),
            }
        })
        .await;
    match done {
        Err(store::Error::Locked) => due::compute_soon(tx, organisation, reference.as_str(), why).await,
        Err(error) if !error.is_for_the_whole() => {
            tracing::error!(%error, ?why, "what is due of a case was not computed; the scheduler does it");
            due::compute_soon(tx, organisation, reference.as_str(), why).await
        }
        done => done,
    }
}

/// How a visit turned out was recorded.
pub(super) async fn follow_visit(tx: &mut Tx, visit: &Visit, trace: Trace) -> store::Result<()> {
    let reference = visit.details.case_reference.as_deref();
    follow_reference(tx, visit.organisation, reference, Cause::VisitRecorded, trace).await
}

/// Computes what is due of a case for which that was left to the scheduler; one of which it cannot be is not tried again with the rules
/// in force.
pub async fn compute_left(tx: &mut Tx, left: ToCompute, now: Time) -> store::Result<()> {
    let ToCompute { case: id, organisation, version, cause } = left;
    let trace = Trace::machine(Door::Timer, now);
    // Whatever is left to compute while this runs stays so: it was read before, and that was not.
    due::not_left_any_more(tx, left).await?;
    let done = tx
        .part(async |tx| match case_files::find(tx, organisation, id).await? {
            Some(case) => follow(tx, &case, cause, trace).await,
            None => Ok(()),
        })
        .await;
    match done {
        Err(error) if !error.is_for_the_whole() => {
            tracing::error!(%error, case = %id, "what is due of a case cannot be computed by the rules in force");
            due::give_up(tx, organisation, id, version).await
        }
        done => done,
    }
}
