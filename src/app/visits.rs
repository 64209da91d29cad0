//! What a worker does: start, plan, arrive, check in, extend, check out, cancel, record.

mod acts;
mod arrivals;
mod starts;

pub(super) use self::starts::who_goes_in;
pub use self::{
    acts::{OfAll, Request, act, act_on_running, heed},
    arrivals::arrive,
    starts::{ForWhom, Unwatched, accompany, start, unwatched_start},
};
use super::access::Actor;
use crate::{
    clock::Time,
    domain::{
        ids::{PersonId, VisitId},
        policy::AgreementAsked,
        start::Warning,
        visit::{Alarm, Visit},
    },
    store::{self, Tx, incidents as incident_rows, visits},
};

/// A visit as it is after a use case, with what its reader needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// The visit.
    pub visit: Visit,
    /// Whether an incident about it is open.
    pub alarm: Alarm,
    /// What was odd and what was done about it.
    pub warnings: Vec<Warning>,
    /// How the visit came to be what it is.
    pub came: Came,
    /// Whether this team's visits have to be agreed, where that is looked at.
    pub agreement: AgreementAsked,
}

/// How a visit came to be what it is after a use case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// This call made it.
    New,
    /// This call made it, since several plans fit and none was said.
    NewThoughSeveralPlansFit,
    /// It was planned; this is the arrival at it.
    Arrival,
    /// It was there before.
    ThereBefore,
}

impl Came {
    /// Whether this call made it.
    pub fn is_new(self) -> bool {
        matches!(self, Self::New | Self::NewThoughSeveralPlansFit)
    }
}

/// Who else is on a visit, each with a visit of their own.
pub async fn others_on(tx: &mut Tx, visit: &Visit) -> store::Result<Vec<(VisitId, PersonId)>> {
    let Some(party) = visit.party else { return Ok(Vec::new()) };
    let mut others = visits::party(tx, visit.organisation, party).await?;
    others.retain(|(id, _)| *id != visit.id);
    Ok(others)
}

/// Which alarm bears on a visit.
pub async fn alarm_of(tx: &mut Tx, visit: &Visit) -> store::Result<Alarm> {
    let found = incident_rows::alarm(tx, visit.organisation, visit.worker, Some(visit.id)).await?;
    Ok(found.map_or(Alarm::Quiet, |(_, alarm, _)| alarm))
}

/// The visits of a worker that still run, as the next reader is told: by id and until when.
pub async fn still_watched(
    tx: &mut Tx,
    actor: &Actor,
    worker: PersonId,
    but: VisitId,
) -> store::Result<Vec<(VisitId, Time)>> {
    let running = visits::find_running_of(tx, actor.organisation, worker).await?;
    Ok(running
        .into_iter()
        .filter(|visit| visit.id != but)
        .filter_map(|visit| Some((visit.id, visit.watched_till()?)))
        .collect())
}
