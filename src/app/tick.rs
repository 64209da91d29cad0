//! What time brings: reminders, incidents, rounds of ladders, lapses. The timer's use case.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use serde_json::json;

use super::{
    House, MOVED_ASIDE, codes, incidents,
    telling::{Crowd, Lists, Telling, called_by, send_lists, tell_of_stuck_deadline},
};
use crate::{
    clock::Time,
    domain::{
        event::{EventKind, NewEvent},
        ids::{IncidentId, OrganisationId, PersonId, VisitId},
        incident::{Decision, Incident, Opened, Opening, Round, Rules},
        notice::{Notice, Occasion},
        people::Directory,
        visit::{Alarm, Awaited, Due, Missed, Visit},
    },
    store::{
        self, Error, Trace, Tx,
        events::log_for_organisation,
        idempotency, incidents as incident_rows, installation, ladders, people, receipts,
        visits::{self, DueVisit},
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
    let mut aside = Vec::new();
    let due = visits::due_any_org(tx, now, limit).await?;
    let mut ticked = Ticked { worked: due.len(), more: is_full(due.len(), limit), ..Ticked::default() };
    let mut readable = Vec::with_capacity(due.len());
    for DueVisit { id, organisation, visit } in due {
        match visit {
            Ok(visit) => readable.push(visit),
            Err(error) => aside.push((Aside::Visit(id), organisation, error)),
        }
    }
    if !readable.is_empty() {
        let opened = how_opened(tx, outage, now).await?;
        let alarmed = alarmed(tx, &readable).await?;
        let mut round = VisitRound { house, known: &mut known, alarmed, opened, lists: Lists::new(), trace };
        // All in one part of the transaction; where one of them fails, each in a part of its own.
        if round.try_together(tx, &readable).await.is_err() {
            for visit in &readable {
                if let Err(error) = round.try_together(tx, std::slice::from_ref(visit)).await {
                    aside.push((Aside::Visit(visit.id), visit.organisation, error));
                }
            }
        }
        let lists = round.lists;
        let directories = known.iter().map(|(id, known)| (*id, &*known.directory)).collect();
        send_lists(tx, house, &directories, (lists, opened), now).await?;
    }
    let due = incident_rows::due_any_org(tx, now, limit).await?;
    ticked.more |= is_full(due.len(), limit);
    ticked.worked += due.len();
    for (id, organisation) in due {
        let done = tx
            .part(async |tx| {
                let known = know(tx, &mut known, organisation).await?;
                incident_is_due(tx, house, known, (organisation, id), trace).await
            })
            .await;
        if let Err(error) = done {
            aside.push((Aside::Incident(id), organisation, error));
        }
    }
    // Last, since it is logged for the organisation, which is locked after all others.
    ticked.moved_aside = aside.len();
    for (aside, organisation, error) in aside {
        pass_on_or_move_aside(tx, house, aside, organisation, error, trace).await?;
    }
    Ok(ticked)
}

fn is_full(due: usize, limit: i64) -> bool {
    i64::try_from(due).is_ok_and(|due| due >= limit)
}

/// Those of the workers about whom an incident is open. Asked after the visits were locked: what another replica has opened
/// about one of them meanwhile counts.
async fn alarmed(tx: &mut Tx, visits: &[Visit]) -> store::Result<HashSet<PersonId>> {
    let mut workers: BTreeMap<OrganisationId, BTreeSet<PersonId>> = BTreeMap::new();
    for visit in visits {
        workers.entry(visit.organisation).or_default().insert(visit.worker);
    }
    let mut alarmed = HashSet::new();
    for (organisation, workers) in workers {
        alarmed.extend(incident_rows::open_about_any_of(tx, organisation, workers).await?);
    }
    Ok(alarmed)
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
    let receipt = receipts::next_silent_any_org(tx).await?;
    Ok(visit.into_iter().chain(incident).chain(receipt).min())
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

/// The visits of one tick.
struct VisitRound<'r> {
    house: &'r House,
    known: &'r mut BTreeMap<OrganisationId, Known>,
    /// Workers about whom an incident was open when the tick began.
    alarmed: HashSet<PersonId>,
    opened: Opened,
    /// Of those parts that went well.
    lists: Lists,
    trace: Trace,
}

/// An incident that is to be opened.
struct ToOpen<'v> {
    incident: Incident,
    events: Vec<NewEvent>,
    due: Option<Time>,
    round: Option<Round>,
    visit: &'v Visit,
    missed: Missed,
}

impl VisitRound<'_> {
    /// Works on some visits in one part of the transaction.
    async fn try_together(&mut self, tx: &mut Tx, visits: &[Visit]) -> store::Result<()> {
        let mut lists = self.lists.clone();
        tx.part(async |tx| {
            let mut to_open = Vec::new();
            for visit in visits {
                to_open.extend(self.visit_is_due(tx, visit).await?);
            }
            self.open(tx, &mut to_open).await?;
            self.call(tx, &to_open, &mut lists).await
        })
        .await?;
        self.lists = lists;
        Ok(())
    }

    async fn visit_is_due<'v>(&mut self, tx: &mut Tx, visit: &'v Visit) -> store::Result<Option<ToOpen<'v>>> {
        let (id, organisation, trace) = (visit.id, visit.organisation, self.trace);
        let alarm = if self.alarmed.contains(&visit.worker) {
            incident_rows::alarm(tx, organisation, visit.worker, Some(id)).await?
        } else {
            None
        };
        // Another replica may have opened it between our look at the deadlines and our lock.
        if let Some((_, Alarm::Overdue | Alarm::WithPolice, _)) = alarm {
            visits::set_due(tx, id, None).await?;
            return Ok(None);
        }
        let known = know(tx, self.known, organisation).await?;
        let policy = known.directory.policy(visit.team);
        match visit.due(trace.now, &policy) {
            Due::Nothing => visits::set_due(tx, id, None).await?,
            Due::Later(due) => visits::set_due(tx, id, Some(due)).await?,
            Due::Remind { what, which, deadline, visit: mut reminded, event } => {
                visits::update(tx, &mut reminded, vec![event], trace).await?;
                visits::set_due(tx, id, reminded.next_due(&policy)).await?;
                // Checks have numbers of their own.
                let of = if what == Awaited::WelfareCheck { "check" } else { "deadline" };
                let occasion = Occasion::new(format!(
                    "visit/{id}/{of}/{}/reminder/{}",
                    deadline.number, deadline.reminders_done
                ));
                let others_told_at = deadline.at + policy.grace_of(what, visit.details.risk);
                let notice = Notice::Reminder { what, which, deadline: deadline.at, others_told_at };
                telling(self.house, known, visit, trace).tell_worker(tx, notice, id, occasion).await?;
            }
            Due::OpenIncident(missed) if let Some((incident, ..)) = alarm => {
                visits::set_due(tx, id, None).await?;
                let Some(incident) = incident_rows::load(tx, organisation, incident).await? else {
                    return Ok(None);
                };
                if !incident.is_open() {
                    visits::set_due(tx, id, Some(trace.now)).await?;
                    return Ok(None);
                }
                let decision = incident.visit_overdue(id, missed, trace.now);
                incidents::carry_out(tx, self.house, &known.directory, Some(visit), decision, trace).await?;
            }
            Due::OpenIncident(missed) => return self.incident_for(tx, visit, missed).await.map(Some),
        }
        Ok(None)
    }

    async fn incident_for<'v>(
        &mut self,
        tx: &mut Tx,
        visit: &'v Visit,
        missed: Missed,
    ) -> store::Result<ToOpen<'v>> {
        let known = know(tx, self.known, visit.organisation).await?;
        let directory = &*known.directory;
        let ladders::Version { id: ladder, ladder: steps, .. } =
            ladders::in_force(&known.ladders, directory, visit.team, visit.details.risk)
                .ok_or_else(|| Error::inconsistent("ladder", "team_id", visit.organisation))?;
        let opening = Opening {
            id: IncidentId::new(self.trace.now),
            organisation: visit.organisation,
            team: visit.team,
            subject: visit.worker,
            visit: Some(visit.id),
            ladder: *ladder,
            opened: self.opened,
        };
        let policy = directory.policy(visit.team);
        let rules = Rules { ladder: steps, directory, policy: &policy };
        let Decision { incident, events, round, .. } =
            Incident::overdue(opening, missed, rules, self.trace.now);
        let due = incident.next_due(&policy);
        Ok(ToOpen { incident, events, due, round, visit, missed })
    }

    /// Opens incidents: what watched the visits watches them from now on.
    async fn open(&mut self, tx: &mut Tx, to_open: &mut [ToOpen<'_>]) -> store::Result<()> {
        if to_open.is_empty() {
            return Ok(());
        }
        let new = to_open.iter_mut().map(|one| (&mut one.incident, std::mem::take(&mut one.events), one.due));
        incident_rows::insert_each(tx, new, self.trace).await?;
        visits::clear_due_of_each_any_org(tx, to_open.iter().map(|one| one.visit.id)).await?;
        if self.opened == Opened::AfterOutage {
            for ToOpen { incident, visit, missed, .. } in to_open {
                let known = know(tx, self.known, visit.organisation).await?;
                let telling = telling(self.house, known, visit, self.trace);
                telling.ask_after_outage(tx, visit, (incident.id, *missed)).await?;
            }
        }
        Ok(())
    }

    /// Calls the first rounds of all that were opened, whose codes are drawn together.
    async fn call(&mut self, tx: &mut Tx, opened: &[ToOpen<'_>], lists: &mut Lists) -> store::Result<()> {
        let rounds = || opened.iter().filter_map(|one| Some((&one.incident, one.visit, one.round.as_ref()?)));
        let called = rounds().flat_map(|(incident, _, round)| called_by(incident, round));
        let codes = codes::draw(tx, called, self.trace.now).await?;
        let crowd = Crowd::of(&codes, self.opened);
        for (incident, visit, round) in rounds() {
            let known = know(tx, self.known, visit.organisation).await?;
            let telling = telling(self.house, known, visit, self.trace);
            telling.call_by(tx, (incident, Some(visit), round), &codes, (&crowd, lists)).await?;
        }
        Ok(())
    }
}

fn telling<'k>(house: &'k House, known: &'k Known, visit: &Visit, trace: Trace) -> Telling<'k> {
    Telling { house, directory: &known.directory, worker: visit.worker, now: trace.now }
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
    let visit = incidents::visit_of(tx, organisation, incident.visit).await?;
    let ladder = incidents::ladder_of(tx, &incident).await?;
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
