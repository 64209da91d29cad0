//! Who is asked whether they agree, by which code, and again until somebody decides; whoever is concerned is told.

use super::Around;
use crate::{
    app::{House, MOVED_ASIDE, codes, telling::Telling},
    clock::Time,
    domain::{
        agreement::{Agreement, Approver, FirstAsked, State, Until, asked, next_ask},
        event::{Door, EventKind, NewEvent},
        ids::{OrganisationId, PersonId, VisitId},
        incident::{Incident, Kind},
        notice::{AboutAgreement, AtTheDoor, Decided, Notice, Occasion},
        visit::{Visit, VisitState},
    },
    store::{self, Trace, Tx, agreements, incidents, people, visits},
};
use serde_json::json;

/// Who is asked by now, those asked first first.
pub(super) async fn who(
    tx: &mut Tx,
    around: &Around<'_>,
    agreement: &Agreement,
) -> store::Result<Vec<PersonId>> {
    let (approver, times) = match agreement.state {
        State::Waiting { approver, times, .. } => (approver, times),
        State::Asked { approver, .. } => (approver, 1),
        State::NotAgreed { times, .. } => (Approver::Manager, times),
        State::Agreed { .. } | State::Refused { .. } => return Ok(Vec::new()),
    };
    let first = if agreement.begun_at_risk.is_some() { FirstAsked::AndDuty } else { FirstAsked::Managers };
    let away = agreements::away(tx, agreement.organisation, around.trace.now).await?;
    let wanted = (approver, first);
    Ok(asked(around.directory, agreement.worker, wanted, times.saturating_sub(1), &away))
}

/// Asks whoever is to be asked by now.
pub(super) async fn ask(tx: &mut Tx, around: &Around<'_>, agreement: &Agreement) -> store::Result<()> {
    let (State::Waiting { times, .. } | State::NotAgreed { times, .. }) = agreement.state else {
        return Ok(());
    };
    if times == 0 {
        // Whoever plans it reads at once that nobody can agree to it.
        return Ok(());
    }
    let now = around.trace.now;
    let telling = Telling { house: around.house, directory: around.directory, worker: agreement.worker, now };
    let door = match agreement.begun_at_risk {
        Some(_) => AtTheDoor::Yes,
        None => AtTheDoor::No { begins: agreement.begins_at },
    };
    let can_be_agreed = matches!(agreement.state, State::Waiting { .. });
    for person in who(tx, around, agreement).await? {
        let code = codes::keep_for_an_agreement(tx, agreement.visit, person, now).await?;
        let notice =
            if can_be_agreed { AboutAgreement::Asked { door } } else { AboutAgreement::NobodyCan { door } };
        let occasion = format!("visit/{}/agreement/{}/{times}", agreement.visit, agreement.version);
        telling.ask_to_agree(tx, person, notice, (agreement.visit, code), &occasion).await?;
    }
    Ok(())
}

/// The worker hears what was decided.
pub(super) async fn tell_worker(
    tx: &mut Tx,
    around: &Around<'_>,
    visit: &Visit,
    agreement: &Agreement,
    (decided, by): (Decided, &str),
) -> store::Result<()> {
    if around.trace.actor == Some(visit.worker) {
        return Ok(());
    }
    let begins = agreement.begins_at;
    let inside = match visit.state {
        VisitState::Begun { .. } => AtTheDoor::Yes,
        _ => AtTheDoor::No { begins },
    };
    let notice = AboutAgreement::Decided { decided, by: by.to_owned(), inside };
    let occasion = Occasion::new(format!("visit/{}/decided/{}", visit.id, agreement.version));
    let now = around.trace.now;
    let telling = Telling { house: around.house, directory: around.directory, worker: visit.worker, now };
    telling.tell_worker(tx, Notice::Agreement(notice), visit.id, occasion).await
}

/// When somebody is to be asked again, or told that something happened.
pub async fn next_due(tx: &mut Tx) -> store::Result<Option<Time>> {
    agreements::next_due_any_org(tx).await
}

/// Asks again about up to `limit` visits; how many those were.
pub async fn ask_again(tx: &mut Tx, house: &House, limit: i64, now: Time) -> store::Result<usize> {
    let trace = Trace::machine(Door::Timer, now);
    let due = agreements::due_any_org(tx, now, limit).await?;
    let found = due.len();
    for (visit, organisation) in due {
        let asked = tx.part(async |tx| again(tx, house, (visit, organisation), trace).await).await;
        match asked {
            Err(error) if !error.is_for_the_whole() => {
                tracing::error!(%error, %visit, "whether this visit is agreed was not asked again; moved aside for 30 s");
                agreements::put_aside_any_org(tx, visit, now + MOVED_ASIDE).await?;
            }
            asked => asked?,
        }
    }
    Ok(found)
}

async fn again(
    tx: &mut Tx,
    house: &House,
    (id, organisation): (VisitId, OrganisationId),
    trace: Trace,
) -> store::Result<()> {
    let Some((mut visit, _)) = visits::load(tx, organisation, id).await? else { return Ok(()) };
    let Some(mut agreement) = agreements::find(tx, organisation, id).await? else { return Ok(()) };
    let runs = matches!(visit.state, VisitState::Planned { .. } | VisitState::Begun { .. });
    let until = match agreement.begun_at_risk {
        Some(_) => Until::AtTheDoor,
        None => Until::Begins(agreement.begins_at),
    };
    let next = next_ask(until, trace.now).filter(|_| runs);
    let times = match &mut agreement.state {
        State::Waiting { times, due_at, .. } | State::NotAgreed { times, due_at } => {
            *due_at = next;
            *times += usize::from(runs);
            *times
        }
        _ => return Ok(()),
    };
    agreements::save(tx, &mut agreement).await?;
    if !runs {
        return Ok(());
    }
    let event = NewEvent::new(EventKind::VisitAgreementAsked, trace.now, json!({ "times": times }));
    visits::log(tx, &mut visit, event, trace).await?;
    let directory = people::directory(tx, organisation).await?;
    let rules = agreements::rules(tx, organisation).await?;
    let around = Around { house, directory: &directory, rules: &rules, trace };
    ask(tx, &around, &agreement).await
}

/// Row E13, for up to `limit` incidents; how many those were. By the timer: neither a call for help nor a close waits for it, and
/// visits are locked here before anything else.
pub async fn warn_others(tx: &mut Tx, house: &House, limit: i64, now: Time) -> store::Result<usize> {
    let trace = Trace::machine(Door::Timer, now);
    let due = agreements::warn_due_any_org(tx, now, limit).await?;
    let found = due.len();
    for (id, organisation) in due {
        let warned = tx.part(async |tx| {
            if let Some(incident) = incidents::find(tx, organisation, id).await? {
                warn(tx, house, &incident, trace).await?;
            }
            agreements::warned(tx, organisation, id).await
        });
        match warned.await {
            Err(error) if !error.is_for_the_whole() => {
                tracing::error!(%error, incident = %id, "others were not told of this incident; moved aside for 30 s");
                agreements::warn_later_any_org(tx, id, now + MOVED_ASIDE).await?;
            }
            warned => warned?,
        }
    }
    Ok(found)
}

/// Visits to the same case that were agreed go back to the manager, and whoever is there now is told. Never of a silent alarm:
/// whoever is with the worker would learn of it.
async fn warn(tx: &mut Tx, house: &House, incident: &Incident, trace: Trace) -> store::Result<()> {
    let (Some(id), true) = (incident.visit.or(incident.nearest_visit), incident.kind != Kind::Duress) else {
        return Ok(());
    };
    let Some(there) = agreements::find(tx, incident.organisation, id).await? else { return Ok(()) };
    let Some(case) = there.case else { return Ok(()) };
    let directory = people::directory(tx, incident.organisation).await?;
    let rules = agreements::rules(tx, incident.organisation).await?;
    let around = Around { house, directory: &directory, rules: &rules, trace };
    for visit in agreements::agreed_ahead(tx, incident.organisation, case, trace.now).await? {
        let Some((mut visit, _)) = visits::load(tx, incident.organisation, visit).await? else { continue };
        // The subject never learns from their own plans that an alarm about them is open (row V8).
        let planned = matches!(visit.state, VisitState::Planned { .. });
        if !planned || (visit.worker == incident.subject && incident.is_open()) {
            continue;
        }
        let Some(mut agreement) = agreements::find(tx, incident.organisation, visit.id).await? else {
            continue;
        };
        let event = NewEvent::new(
            EventKind::VisitAgreementTakenBack,
            trace.now,
            json!({"because": "recent_incident"}),
        );
        visits::log(tx, &mut visit, event, trace).await?;
        around.settle(tx, &mut visit, &mut agreement).await?;
        tell_worker(tx, &around, &visit, &agreement, (Decided::TakenBack, "")).await?;
    }
    for (visit, worker) in agreements::inside_now(tx, incident.organisation, case).await? {
        if worker == incident.subject || Some(visit) == incident.visit || incident.is_withheld_from(worker) {
            continue;
        }
        let Some((mut visit, _)) = visits::load(tx, incident.organisation, visit).await? else { continue };
        let event = NewEvent::new(EventKind::VisitWarned, trace.now, json!({}));
        visits::log(tx, &mut visit, event, trace).await?;
        let telling = Telling { house, directory: &directory, worker, now: trace.now };
        let occasion =
            Occasion::new(format!("visit/{}/warned/{}/{}", visit.id, incident.id, incident.chain.number));
        telling.tell_worker(tx, Notice::Agreement(AboutAgreement::Warned), visit.id, occasion).await?;
    }
    Ok(())
}
