//! Who is asked whether they agree, by which code, and again until somebody decides; whoever is concerned is told.

use super::{Around, until_of};
use crate::{
    app::{House, MOVED_ASIDE, case_files, codes, telling::Telling},
    clock::Time,
    domain::{
        agreement::{Agreement, Approver, FirstAsked, Reason, Rule, State, UpTo, Weight, asked, next_ask},
        event::{Door, EventKind, NewEvent},
        ids::{IncidentId, OrganisationId, PersonId, VisitId},
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
        State::Waiting { approver, times, .. } | State::Asked { approver, times, .. } => (approver, times),
        State::NotAgreed { times, .. } => (Approver::Manager, times),
        State::Agreed { .. } | State::Refused { .. } => return Ok(Vec::new()),
    };
    let recent = agreement.reasons.iter().any(|reason| reason.rule == Rule::RecentIncident);
    let first = match agreement.at_the_door() {
        Some(_) => FirstAsked::AndDuty,
        None => FirstAsked::Managers,
    };
    let away = agreements::away(tx, agreement.organisation, around.trace.now).await?;
    let wanted = (approver, first);
    let all = |up_to| asked(around.directory, agreement.worker, wanted, up_to, &away);
    let by_now = UpTo::Time(times.saturating_sub(1));
    if !recent {
        return Ok(all(by_now));
    }
    // Whoever an alarm is about does not learn from somebody's plans that there is one: then the next ones are asked.
    let mut told = Vec::new();
    for more in [by_now, UpTo::Time(times), UpTo::Everybody] {
        for id in all(more) {
            let hidden = incidents::hidden_from(tx, agreement.organisation, id).await?;
            if hidden.is_empty() && !told.contains(&id) {
                told.push(id);
            }
        }
        if !told.is_empty() {
            break;
        }
    }
    Ok(told)
}

/// Something happened where a visit goes.
fn happened() -> Reason {
    let says = "something has happened there, or with them, lately".into();
    Reason { rule: Rule::RecentIncident, weight: Weight::Manager, says }
}

/// Asks whoever is to be asked by now.
pub(super) async fn ask(tx: &mut Tx, around: &Around<'_>, agreement: &Agreement) -> store::Result<()> {
    let (State::Waiting { times, .. } | State::Asked { times, .. } | State::NotAgreed { times, .. }) =
        agreement.state
    else {
        return Ok(());
    };
    if times == 0 {
        // Whoever plans it reads at once that nobody can agree to it.
        return Ok(());
    }
    let now = around.trace.now;
    let telling = Telling { house: around.house, directory: around.directory, worker: agreement.worker, now };
    let door = match agreement.at_the_door() {
        Some(_) => AtTheDoor::Yes,
        None => AtTheDoor::No { begins: agreement.begins_at },
    };
    let can_be_agreed = agreement.reasons.iter().all(|reason| reason.weight != Weight::Nobody);
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

/// Something that the timer has to do here; each in a transaction of its own.
#[derive(Debug, Clone, Copy)]
pub enum Due {
    /// People are asked again about a visit.
    Ask(VisitId, OrganisationId),
    /// Others are told of an incident (row E13).
    Warn(IncidentId, OrganisationId),
}

/// What is due, up to `limit` of each; those at doors first.
pub async fn due(tx: &mut Tx, limit: i64, now: Time) -> store::Result<Vec<Due>> {
    let asked = agreements::due_any_org(tx, now, limit).await?;
    let warned = agreements::warn_due_any_org(tx, now, limit).await?;
    let ask = asked.into_iter().map(|(visit, organisation)| Due::Ask(visit, organisation));
    let warn = warned.into_iter().map(|(incident, organisation)| Due::Warn(incident, organisation));
    Ok(ask.chain(warn).collect())
}

/// Does it. What another replica has done meanwhile is left.
pub async fn work_on(tx: &mut Tx, house: &House, due: Due, now: Time) -> store::Result<()> {
    let trace = Trace::machine(Door::Timer, now);
    match due {
        Due::Ask(visit, organisation) => again(tx, house, (visit, organisation), trace).await,
        Due::Warn(id, organisation) => {
            if let Some(incident) = incidents::find(tx, organisation, id).await? {
                warn(tx, house, &incident, trace).await?;
            }
            agreements::warned(tx, organisation, id).await
        }
    }
}

/// It cannot be done now: it holds up nobody meanwhile.
pub async fn put_aside(tx: &mut Tx, due: Due, now: Time) -> store::Result<()> {
    let until = now + MOVED_ASIDE;
    match due {
        Due::Ask(visit, _) => agreements::put_aside_any_org(tx, visit, until).await,
        Due::Warn(incident, _) => agreements::warn_later_any_org(tx, incident, until).await,
    }
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
    let next = next_ask(until_of(&agreement), trace.now).filter(|_| runs);
    let times = match &mut agreement.state {
        State::Waiting { times, due_at, .. }
        | State::Asked { times, due_at, .. }
        | State::NotAgreed { times, due_at } => {
            if due_at.is_none_or(|due| due > trace.now) {
                return Ok(());
            }
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

/// Row E13, by the timer: neither a call for help nor a close waits for it. Agreed visits to the same person or place go back to
/// the manager, and whoever is there now is told; never of a silent alarm: whoever is with the worker would learn of it.
async fn warn(tx: &mut Tx, house: &House, incident: &Incident, trace: Trace) -> store::Result<()> {
    let (Some(id), true) = (incident.visit.or(incident.nearest_visit), incident.kind != Kind::Duress) else {
        return Ok(());
    };
    let Some(there) = visits::find(tx, incident.organisation, id).await? else { return Ok(()) };
    let party = there.party.filter(|_| incident.visit == Some(there.id));
    let about = case_files::about(tx, &there).await?;
    let destination = case_files::destination(&there, about.place.as_ref());
    let directory = people::directory(tx, incident.organisation).await?;
    let rules = agreements::rules(tx, incident.organisation).await?;
    let around = Around { house, directory: &directory, rules: &rules, trace };
    for (id, worker, to) in visits::ahead_or_there(tx, incident.organisation).await? {
        // The subject never learns from their own plans that an alarm about them is open (row V8).
        let subjects = worker == incident.subject && incident.is_open();
        if Some(id) == incident.visit || subjects || !to.meets(&destination) {
            continue;
        }
        let Some((visit, _)) = visits::load(tx, incident.organisation, id).await? else { continue };
        match visit.state {
            VisitState::Planned { .. } => around.take_back(tx, visit).await?,
            // Whoever went in with the worker is in it too: they need no text about it while they are.
            VisitState::Begun { .. } if visit.party.is_some() && visit.party == party => {}
            VisitState::Begun { .. } if worker != incident.subject && !incident.is_withheld_from(worker) => {
                around.warn_inside(tx, visit).await?;
            }
            _ => {}
        }
    }
    Ok(())
}

impl Around<'_> {
    /// A plan that was agreed is decided anew, now that something has happened there. Where nobody agrees to visits the worker is told.
    async fn take_back(&self, tx: &mut Tx, mut visit: Visit) -> store::Result<()> {
        let now = self.trace.now;
        let found = agreements::find(tx, visit.organisation, visit.id).await?;
        let Some(mut agreement) = found else {
            let event = NewEvent::new(EventKind::VisitWarned, now, json!({}));
            visits::log(tx, &mut visit, event, self.trace).await?;
            let VisitState::Planned { expected_arrival: begins, .. } = visit.state else { return Ok(()) };
            let inside = AtTheDoor::No { begins };
            return self.tell_warned(tx, &visit, inside).await;
        };
        if !matches!(agreement.state, State::Agreed { .. }) {
            return Ok(());
        }
        let because = json!({"because": Rule::RecentIncident});
        visits::log(
            tx,
            &mut visit,
            NewEvent::new(EventKind::VisitAgreementTakenBack, now, because),
            self.trace,
        )
        .await?;
        self.settle(tx, &mut visit, &mut agreement, Some(happened())).await?;
        tell_worker(tx, self, &visit, &agreement, (Decided::TakenBack, "")).await
    }

    async fn warn_inside(&self, tx: &mut Tx, mut visit: Visit) -> store::Result<()> {
        let event = NewEvent::new(EventKind::VisitWarned, self.trace.now, json!({}));
        visits::log(tx, &mut visit, event, self.trace).await?;
        self.tell_warned(tx, &visit, AtTheDoor::Yes).await
    }

    async fn tell_warned(&self, tx: &mut Tx, visit: &Visit, inside: AtTheDoor) -> store::Result<()> {
        let Self { house, directory, trace, .. } = *self;
        let telling = Telling { house, directory, worker: visit.worker, now: trace.now };
        let occasion = Occasion::new(format!("visit/{}/warned/{}", visit.id, visit.chain.number));
        let notice = Notice::Agreement(AboutAgreement::Warned { inside });
        telling.tell_worker(tx, notice, visit.id, occasion).await
    }
}
