//! Puts a visit on record that was made and that nobody had watched (row V1).

use super::{
    House, Outcome, Rejected, access::Actor, allowed, chases, due, telling::Telling, visits::ForWhom,
    visits::who_goes_in,
};
use crate::{
    domain::{ids::VisitId, notice::Notice, past_visit::PastVisit, start::Whose, visit::Visit},
    store::{Trace, Tx, people, visits},
};

/// Puts it on record; the manager is told.
pub async fn put_on_record(
    tx: &mut Tx,
    house: &House,
    actor: &Actor,
    for_whom: &ForWhom,
    past: PastVisit,
    trace: Trace,
) -> Outcome<Visit> {
    let (worker, team) = match who_goes_in(tx, actor, for_whom).await? {
        Ok(found) => found,
        Err(named) => return Ok(Err(Rejected::NobodyToRecordFor(named))),
    };
    let whose = Whose { organisation: actor.organisation, team, worker, by: actor.person };
    let arrived_at = past.arrived_at;
    let decision = allowed!(past.put_on_record(VisitId::new(trace.now), whose, trace.now));
    let mut visit = decision.visit;
    visits::insert(tx, &mut visit, decision.events, trace).await?;
    let directory = people::directory(tx, actor.organisation).await?;
    if chases::lacks_record(&visit) {
        chases::ask_for_record(tx, actor.zone, &visit, trace.now).await?;
    }
    chases::ask_for_checklists(tx, (actor.zone, &directory.policy(team)), &visit, trace.now).await?;
    let telling = Telling { house, directory: &directory, worker, now: trace.now };
    let notice = Notice::PutOnRecord { by: actor.name.clone(), arrived_at };
    let occasion = format!("visit/{}/put-on-record", visit.id);
    telling.tell_managers(tx, notice, Some(visit.id), &occasion).await?;
    due::follow_visit(tx, &visit, trace).await?;
    Ok(Ok(visit))
}
