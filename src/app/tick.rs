//! What time brings: reminders, incidents, rounds of ladders, lapses. The timer's use case.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::json;

use super::{
    House, MOVED_ASIDE, incidents,
    telling::{Lists, Telling, send_lists, tell_of_stuck_deadline},
};
use crate::{
    clock::Time,
    domain::{
        event::{EventKind, NewEvent},
        ids::{IncidentId, OrganisationId, VisitId},
        incident::{Incident, Opened, Opening, Rules},
        notice::{Notice, Occasion},
        people::Directory,
        visit::{Alarm, Due, Visit, VisitState},
    },
    store::{
        self, Error, Trace, Tx, events::log_for_organisation, idempotency, incidents as incident_rows,
        installation, ladders, people, visits,
    },
};

/// An answer is kept under its Idempotency-Key for so long.
const KEYS_KEPT: chrono::TimeDelta = chrono::TimeDelta::hours(24);

/// What a tick did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ticked {
    /// Visits and incidents that were worked on.
    pub worked: usize,
    /// Of those, moved aside because they could not be worked on.
    pub moved_aside: usize,
    /// More may be due: tick again at once.
    pub more: bool,
}

/// What one organisation's deadlines are decided with; read once a tick.
struct Known {
    directory: Arc<Directory>,
    ladders: Vec<ladders::Version>,
}

impl Known {
    async fn read(tx: &mut Tx, organisation: OrganisationId) -> store::Result<Self> {
        let directory = people::directory(tx, organisation).await?;
        Ok(Self { directory, ladders: ladders::current(tx, organisation).await? })
    }
}

/// Works on up to `limit` visits and as many incidents that are due. Idempotent: done twice, it does the second time nothing.
pub async fn tick(
    tx: &mut Tx,
    house: &House,
    outage: std::time::Duration,
    limit: i64,
    now: Time,
) -> store::Result<Ticked> {
    let trace = Trace::machine(crate::domain::event::Door::Timer, now);
    let mut known: BTreeMap<OrganisationId, Known> = BTreeMap::new();
    let mut lists = Lists::new();
    let mut ticked = Ticked::default();
    let due = visits::due_any_org(tx, now, limit).await?;
    let opened = if due.is_empty() { Opened::InTime } else { how_opened(tx, outage, now).await? };
    ticked.more |= i64::try_from(due.len()).is_ok_and(|due| due >= limit);
    ticked.worked += due.len();
    let marked = lists.clone();
    // All in one part of the transaction; where one of them fails, each in a part of its own.
    let together = tx
        .part(async |tx| {
            for (id, organisation) in &due {
                let known = know(tx, &mut known, *organisation).await?;
                visit_is_due(tx, house, known, (*organisation, *id), opened, &mut lists, trace).await?;
            }
            Ok(())
        })
        .await;
    if together.is_err() {
        lists = marked;
        for (id, organisation) in due {
            let marked = lists.clone();
            let done = tx
                .part(async |tx| {
                    let known = know(tx, &mut known, organisation).await?;
                    visit_is_due(tx, house, known, (organisation, id), opened, &mut lists, trace).await
                })
                .await;
            if let Err(error) = done {
                lists = marked;
                pass_on_or_move_aside(tx, house, Aside::Visit(id), organisation, error, trace).await?;
                ticked.moved_aside += 1;
            }
        }
    }
    let directories = known.iter().map(|(id, known)| (*id, &*known.directory)).collect();
    send_lists(tx, house, &directories, lists, now).await?;
    let due = incident_rows::due_any_org(tx, now, limit).await?;
    ticked.more |= i64::try_from(due.len()).is_ok_and(|due| due >= limit);
    for (id, organisation) in due {
        ticked.worked += 1;
        let done = tx
            .part(async |tx| {
                let known = know(tx, &mut known, organisation).await?;
                incident_is_due(tx, house, known, (organisation, id), trace).await
            })
            .await;
        if let Err(error) = done {
            pass_on_or_move_aside(tx, house, Aside::Incident(id), organisation, error, trace).await?;
            ticked.moved_aside += 1;
        }
    }
    Ok(ticked)
}

/// After a tick that left nothing due: whoever looks later sees that the timer was alive. An outage that just ended is logged.
pub async fn round_done(tx: &mut Tx, outage: std::time::Duration, now: Time) -> store::Result<()> {
    if how_opened(tx, outage, now).await? == Opened::AfterOutage {
        let since = installation::last_round(tx).await?;
        let trace = Trace::machine(crate::domain::event::Door::Timer, now);
        for (organisation, _) in people::organisations_any_org(tx).await? {
            let body = json!({"since": since.map(crate::domain::event::stamp)});
            let event = NewEvent::new(EventKind::ServiceWasDown, now, body);
            log_for_organisation(tx, organisation, (None, None), trace, event).await?;
        }
    }
    installation::round_done(tx, now).await
}

/// Forgets some answers to old keys: a few at a time, and apart from what matters.
pub async fn forget_old_keys(tx: &mut Tx, now: Time) -> store::Result<()> {
    idempotency::forget_any_org(tx, now - KEYS_KEPT).await
}

/// When a visit or an incident is due next.
pub async fn next_due(tx: &mut Tx) -> store::Result<Option<Time>> {
    let visit = visits::next_due_any_org(tx).await?;
    let incident = incident_rows::next_due_any_org(tx).await?;
    Ok(visit.into_iter().chain(incident).min())
}

async fn how_opened(tx: &mut Tx, outage: std::time::Duration, now: Time) -> store::Result<Opened> {
    let outage = crate::domain::policy::delta(outage);
    let was_down = installation::last_round(tx).await?.is_some_and(|last| now - last > outage);
    Ok(if was_down { Opened::AfterOutage } else { Opened::InTime })
}

async fn know<'k>(
    tx: &mut Tx,
    known: &'k mut BTreeMap<OrganisationId, Known>,
    organisation: OrganisationId,
) -> store::Result<&'k Known> {
    Ok(match known.entry(organisation) {
        std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
        std::collections::btree_map::Entry::Vacant(unknown) => {
            unknown.insert(Known::read(tx, organisation).await?)
        }
    })
}

async fn visit_is_due(
    tx: &mut Tx,
    house: &House,
    known: &Known,
    (organisation, id): (OrganisationId, VisitId),
    opened: Opened,
    lists: &mut Lists,
    trace: Trace,
) -> store::Result<()> {
    let Some((mut visit, policy)) = visits::load(tx, organisation, id).await? else {
        return visits::set_due(tx, id, None).await;
    };
    let alarm = incident_rows::alarm(tx, organisation, visit.worker, Some(id)).await?;
    // Another replica may have opened it between our look at the deadlines and our lock.
    if let Some((_, Alarm::Overdue | Alarm::WithPolice)) = alarm {
        return visits::set_due(tx, id, None).await;
    }
    let telling = Telling { house, directory: &known.directory, worker: visit.worker, now: trace.now };
    match visit.due(trace.now, &policy) {
        Due::Nothing => visits::set_due(tx, id, None).await,
        Due::Later(due) => visits::set_due(tx, id, Some(due)).await,
        Due::Remind { which, visit: reminded, event } => {
            visit = *reminded;
            visits::update(tx, &mut visit, vec![event], trace).await?;
            visits::set_due(tx, id, visit.next_due(&policy)).await?;
            let VisitState::Begun { deadline } = &visit.state else { return Ok(()) };
            let occasion = Occasion::new(format!(
                "visit/{id}/deadline/{}/reminder/{}",
                deadline.number, deadline.reminders_done
            ));
            let others_told_at = deadline.at + policy.grace(visit.details.risk);
            let notice = Notice::Reminder { which, deadline: deadline.at, others_told_at };
            telling.tell_worker(tx, notice, id, occasion).await
        }
        Due::OpenIncident if let Some((incident, _)) = alarm => {
            visits::set_due(tx, id, None).await?;
            let Some(incident) = incident_rows::load(tx, organisation, incident).await? else {
                return Ok(());
            };
            if !incident.is_open() {
                return visits::set_due(tx, id, Some(trace.now)).await;
            }
            let decision = incident.visit_overdue(id, visit.expected_departure, trace.now);
            incidents::carry_out(tx, house, &known.directory, Some(&visit), decision, trace).await.map(drop)
        }
        Due::OpenIncident => open(tx, &telling, known, visit, opened, lists, trace).await,
    }
}

async fn open(
    tx: &mut Tx,
    telling: &Telling<'_>,
    known: &Known,
    visit: Visit,
    opened: Opened,
    lists: &mut Lists,
    trace: Trace,
) -> store::Result<()> {
    let directory = telling.directory;
    let ladders::Version { id: ladder, ladder: steps, .. } =
        ladders::in_force(&known.ladders, directory, visit.team, visit.details.risk)
            .ok_or_else(|| Error::inconsistent("ladder", "team_id", visit.organisation))?;
    let opening = Opening {
        id: IncidentId::new(trace.now),
        organisation: visit.organisation,
        team: visit.team,
        subject: visit.worker,
        visit: Some(visit.id),
        ladder: *ladder,
        opened,
    };
    let policy = directory.policy(visit.team);
    let rules = Rules { ladder: steps, directory, policy: &policy };
    let decision = Incident::overdue(opening, visit.expected_departure, rules, trace.now);
    let mut incident = decision.incident;
    incident_rows::insert(tx, &mut incident, decision.events, trace).await?;
    incident_rows::set_due(tx, incident.id, incident.next_due(&policy)).await?;
    visits::set_due(tx, visit.id, None).await?;
    if let Some(round) = &decision.round {
        let lists = (opened == Opened::AfterOutage).then_some(lists);
        telling.call(tx, &incident, Some(&visit), round, lists).await?;
    }
    if opened == Opened::AfterOutage {
        telling.ask_after_outage(tx, &visit, incident.id).await?;
    }
    Ok(())
}

async fn incident_is_due(
    tx: &mut Tx,
    house: &House,
    known: &Known,
    (organisation, id): (OrganisationId, IncidentId),
    trace: Trace,
) -> store::Result<()> {
    let Some(incident) = incident_rows::load(tx, organisation, id).await? else {
        return incident_rows::set_due(tx, id, None).await;
    };
    let visit = match incident.visit {
        Some(visit) => visits::find(tx, organisation, visit).await?,
        None => None,
    };
    let ladder = ladders::by_id(tx, organisation, incident.ladder).await?.ladder;
    let policy = known.directory.policy(incident.team);
    let due = incident.next_due(&policy);
    let rules = Rules { ladder: &ladder, directory: &known.directory, policy: &policy };
    let decision = incident.due(rules, trace.now);
    if decision.events.is_empty() {
        return incident_rows::set_due(tx, id, due).await;
    }
    incidents::carry_out(tx, house, &known.directory, visit.as_ref(), decision, trace).await.map(drop)
}

enum Aside {
    Visit(VisitId),
    Incident(IncidentId),
}

/// One deadline that cannot be worked on must not hold up the others: it is looked at again in 30 s, and that is logged. What
/// passes by itself (a conflict, a busy database) is the whole tick's to repeat.
async fn pass_on_or_move_aside(
    tx: &mut Tx,
    house: &House,
    aside: Aside,
    organisation: OrganisationId,
    error: Error,
    trace: Trace,
) -> store::Result<()> {
    if error.is_for_the_whole() {
        return Err(error);
    }
    let again = trace.now + MOVED_ASIDE;
    let what = match &aside {
        Aside::Visit(id) => format!("visit {id}"),
        Aside::Incident(id) => format!("incident {id}"),
    };
    tracing::error!(%error, %what, "a deadline could not be worked on; moved aside for 30 s");
    match aside {
        Aside::Visit(id) => visits::set_due(tx, id, Some(again)).await?,
        Aside::Incident(id) => incident_rows::set_due(tx, id, Some(again)).await?,
    }
    let body =
        json!({"what": what, "error": error.to_string(), "again_at": crate::domain::event::stamp(again)});
    let event = NewEvent::new(EventKind::DeadlinePoisoned, trace.now, body);
    log_for_organisation(tx, organisation, (None, None), trace, event).await?;
    // People are told; if even that cannot be done the deadline stays moved aside and the log says so.
    let told =
        tx.part(async |tx| tell_of_stuck_deadline(tx, house, organisation, &what, trace.now).await).await;
    match told {
        Err(error) if error.is_for_the_whole() => Err(error),
        Err(error) => {
            tracing::error!(%error, %what, "a deadline cannot be worked on, and telling of it failed");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}
