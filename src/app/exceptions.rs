//! Visits that were out of the ordinary, afterwards (rows A5, A7): a senior manager looks at each, and is asked to until it is done.

use std::collections::{BTreeMap, HashMap};

use serde_json::json;

use super::{House, Outcome, Rejected, access::Actor, allowed, chases as asking, telling::Telling};
use crate::{
    clock::Time,
    domain::{
        agreement::{Approver, Exception, FirstAsked, OwnVisits, UpTo, asked},
        event::{EventKind, NewEvent},
        exception::{ExceptionKind, OutOfTheOrdinary, Reviewed},
        ids::{PersonId, VisitId},
        local_time,
        notice::Notice,
        people::Directory,
        rights::{self, Act},
        visit::{Visit, VisitState},
    },
    store::{
        self, Trace, Tx, agreements,
        chases::{self, Chase, Missing},
        exceptions::{self, Filter},
        visits,
    },
};

/// So many are looked at in one go.
const AT_ONCE: i64 = 200;

/// Somebody said before a visit what is out of the ordinary about it: once it is over a senior manager is asked to look at it.
pub(super) async fn said(
    tx: &mut Tx,
    directory: &Directory,
    visit: &Visit,
    exception: &Exception,
    now: Time,
) -> store::Result<()> {
    exceptions::keep(tx, visit.organisation, visit.id, ExceptionKind::of(exception)).await?;
    let due_at = local_time::next_at(asking::ASKED_AT, now, directory.zone);
    chases::set(tx, &Chase::of_visit(visit, Missing::ExceptionReview, due_at)).await
}

/// A senior manager in reach says what they found. Said again with the same words it changes nothing.
pub async fn review(
    tx: &mut Tx,
    actor: &Actor,
    id: VisitId,
    words: &str,
    trace: Trace,
) -> Outcome<(Visit, OutOfTheOrdinary)> {
    let Some((mut visit, _)) = visits::load(tx, actor.organisation, id).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    let relation = actor.relation_to_visit(tx, &visit).await?;
    // Whoever made the visit does not review it, whatever they may agree.
    allowed!(rights::may_agree(actor.role, Approver::SeniorManager, relation, OwnVisits::BySomebodyElse));
    let Some(mut found) = exceptions::find(tx, actor.organisation, id).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    if !asking::was_made(&visit) {
        return Ok(Err(Rejected::Agreement("this visit is not over yet: it is reviewed afterwards")));
    }
    let same = |done: &Reviewed| done.by == actor.person && done.words == words;
    if found.reviewed.as_ref().is_some_and(same) {
        return Ok(Ok((visit, found)));
    }
    let reviewed = Reviewed { at: trace.now, by: actor.person, words: words.to_owned() };
    exceptions::review(tx, actor.organisation, id, &reviewed).await?;
    chases::drop(tx, actor.organisation, chases::about_visit(id, Missing::ExceptionReview)).await?;
    let body = json!({"exception": found.kind, "again": found.reviewed.is_some()});
    let event = NewEvent::new(EventKind::VisitExceptionReviewed, trace.now, body)
        .with_private(json!({"words": words}));
    visits::log(tx, &mut visit, event, trace).await?;
    found.reviewed = Some(reviewed);
    Ok(Ok((visit, found)))
}

/// Those that are over and that somebody may see, in the order in which the visits were made, from one on: at most `limit`; and after
/// which one it goes on.
pub async fn list(
    tx: &mut Tx,
    actor: &Actor,
    mut filter: Filter,
    limit: usize,
) -> store::Result<(Vec<(Visit, OutOfTheOrdinary)>, Option<VisitId>)> {
    let standing = actor.standing(tx).await?;
    let mut shown: Vec<(Visit, OutOfTheOrdinary)> = Vec::new();
    loop {
        let page = exceptions::list(tx, actor.organisation, filter, AT_ONCE).await?;
        let Some(last) = page.last() else { return Ok((shown, None)) };
        filter.after = Some(last.visit);
        let of_page = visits::find_each(tx, actor.organisation, page.iter().map(|found| found.visit)).await?;
        let mut of_page: HashMap<VisitId, Visit> =
            of_page.into_iter().map(|visit| (visit.id, visit)).collect();
        for found in page {
            let Some(visit) = of_page.remove(&found.visit) else { continue };
            if rights::may(actor.role, Act::SeeVisit, standing.to_visit(&visit)).is_err() {
                continue;
            }
            if shown.len() == limit {
                let next = shown.last().map(|(visit, _)| visit.id);
                return Ok((shown, next));
            }
            shown.push((visit, found));
        }
    }
}

/// Asks senior managers for their review of visits that are over: one text for all of them, each day, and with each day those above
/// them too.
pub(super) async fn ask(
    tx: &mut Tx,
    house: &House,
    directory: &Directory,
    due: &[&Chase],
    trace: Trace,
) -> store::Result<()> {
    if due.is_empty() {
        return Ok(());
    }
    let (organisation, now) = (directory.organisation, trace.now);
    let away = agreements::away(tx, organisation, now).await?;
    let wanted = (Approver::SeniorManager, FirstAsked::Managers);
    let mut all = BTreeMap::new();
    for chase in due {
        let found = match chase.visit_id {
            Some(id) => visits::load(tx, organisation, id).await?,
            None => None,
        };
        let Some((mut visit, _)) = found else {
            chases::drop(tx, organisation, chase.about).await?;
            continue;
        };
        let runs = matches!(
            visit.state,
            VisitState::Planned { .. } | VisitState::Begun { .. } | VisitState::GoingHome { .. }
        );
        if runs {
            let morning = local_time::next_at(asking::ASKED_AT, now, directory.zone);
            chases::begin_anew(tx, organisation, chase.about, morning).await?;
            continue;
        }
        let kept = exceptions::find(tx, organisation, visit.id).await?;
        let waits = kept.filter(|kept| kept.reviewed.is_none() && asking::was_made(&visit));
        let Some(waits) = waits else {
            chases::drop(tx, organisation, chase.about).await?;
            continue;
        };
        let times = usize::try_from(chase.asked).unwrap_or_default();
        // Where the only senior manager made it themselves, somebody has to find another.
        let asked: Vec<PersonId> = [UpTo::Time(times), UpTo::Everybody]
            .into_iter()
            .map(|up_to| asked(directory, visit.worker, wanted, up_to, &away))
            .find(|asked| !asked.is_empty())
            .unwrap_or_else(|| directory.who_has_to_know(visit.worker));
        let body = json!({"exception": waits.kind, "times": chase.asked + 1});
        let event = NewEvent::new(EventKind::VisitExceptionReviewAsked, now, body);
        visits::log(tx, &mut visit, event, trace).await?;
        for person in asked {
            asking::add(&mut all, person, &visit, chase);
        }
    }
    for (person, asking::SoMany { visits, first, .. }) in all {
        let telling = Telling { house, directory, worker: person, now };
        let notice = Notice::ExceptionsToReview { visits, first };
        let occasion = format!("exceptions-to-review/{person}/{}", now.date_naive());
        telling.tell_person(tx, person, notice, None, &occasion).await?;
    }
    Ok(())
}
