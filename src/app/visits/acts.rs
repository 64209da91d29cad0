//! What is done to a visit that is there: arrive, check in, extend, check out, cancel, record, object.

use serde_json::json;

use super::{Came, Done, alarm_of};
use crate::{
    app::{
        House, Outcome, Rejected, access::Actor, agreements, allowed, chases, due, incidents,
        telling::Telling,
    },
    clock::Time,
    domain::{
        event::{EventKind, NewEvent},
        ids::{IncidentId, OrganisationId, VisitId},
        incident::Kind,
        notice::{Notice, Occasion},
        people::Directory,
        pin::{Given, PinRecord, Verdict, WRONG_TELLS_MANAGER},
        policy::{AgreementAsked, PinByText, Policy},
        rights,
        start::Warning,
        visit::{
            Act, Alarm, By, Deadline, Decision, Effect, ExtendTo, KnownBy, Record, Report, Said, Shown,
            Visit, VisitState,
        },
        wording::{Doing, PinAnswer, PinRefused},
    },
    store::{self, Trace, Tx, incidents as incident_rows, messages, people, pins, visits},
};

/// What a person wants done to a visit.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What.
    pub act: Act,
    /// The PIN as it was given, hashed.
    pub pin: Option<Given>,
    /// For somebody else: how they know.
    pub known_by: Option<KnownBy>,
    /// When it was said, if that was before it reached us.
    pub made_at: Option<Time>,
}

/// What a PIN is asked for; `None`: the act proves nobody with it.
fn asks_for_pin(act: &Act) -> Option<Doing> {
    match act {
        Act::CheckIn => Some(Doing::CheckIn),
        Act::Extend(_) => Some(Doing::Extend),
        Act::CheckOut { .. } | Act::HomeSafe => Some(Doing::End),
        Act::Cancel { .. } => Some(Doing::Cancel),
        Act::Arrive | Act::Record { .. } | Act::Object => None,
    }
}

/// Arrives, checks in, extends, checks out, cancels, records or objects.
pub async fn act(
    tx: &mut Tx,
    house: &House,
    actor: &Actor,
    id: VisitId,
    request: Request,
    trace: Trace,
) -> Outcome<Done> {
    let Request { act, pin: given, known_by, made_at } = request;
    // Lock order: the PIN row first, though whose visit it is is not known yet.
    let pin = match asks_for_pin(&act) {
        Some(doing) => Some((doing, pins::load(tx, actor.person).await?)),
        None => None,
    };
    let Some((visit, policy)) = visits::load(tx, actor.organisation, id).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    let relation = actor.relation_to_visit(tx, &visit).await?;
    allowed!(rights::may(actor.role, rights::Act::DoVisit, relation));
    let asked = pin.is_some();
    let tells_outcome =
        matches!(&act, Act::CheckOut(record) | Act::Record(record) if record.outcome.is_some());
    let by = if relation.own {
        if let Some((doing, record)) = pin {
            let verdict = judge(tx, actor, &record, given.as_ref(), trace.now).await?;
            if verdict != Verdict::Right {
                let refused = pin_refused(tx, house, actor, Some(visit), (verdict, doing), trace).await?;
                return Ok(Err(Rejected::Pin(refused)));
            }
        }
        By::Worker(actor.person, if asked { Shown::ByPin } else { Shown::ByPhone })
    } else {
        match &act {
            Act::CheckIn | Act::HomeSafe | Act::Cancel { .. } | Act::Object => {
                return Ok(Err(Rejected::WorkerOnly));
            }
            Act::Extend(_) | Act::CheckOut { .. } if known_by.is_none() => {
                return Ok(Err(Rejected::KnownByNeeded));
            }
            _ => By::Another { person: actor.person, known_by },
        }
    };
    let said = Said::made(made_at, trace.now);
    let mut done = allowed!(do_to(tx, house, actor, (visit, &policy), act, by, said, trace).await?);
    if made_at.is_some_and(|made| made != said.at) {
        done.warnings.push(Warning::about("made_at", "this time cannot be right; counted from now"));
    }
    if tells_outcome {
        due::follow_visit(tx, &done.visit, trace).await?;
    }
    Ok(Ok(done))
}

/// Judges a PIN and keeps what follows for the next.
async fn judge(
    tx: &mut Tx,
    actor: &Actor,
    record: &PinRecord,
    given: Option<&Given>,
    now: Time,
) -> store::Result<Verdict> {
    let (verdict, next) = record.judge(given, now);
    // The same as before or not: a duress PIN that is given again before its alarm is up would else cost less.
    if given.is_some() {
        pins::save(tx, actor.person, &next).await?;
    }
    Ok(verdict)
}

/// A PIN in what could not be done for another reason: it is not judged, but what it says beside counts (row V8).
pub async fn heed(tx: &mut Tx, actor: &Actor, given: &Given, now: Time) -> store::Result<()> {
    let record = pins::load(tx, actor.person).await?;
    pins::save(tx, actor.person, &record.heeding(given, now)).await
}

/// Decides an act on a visit that is locked, keeps it, and says it to whom it concerns.
#[expect(clippy::too_many_arguments, reason = "each is a different thing that an act may need")]
async fn do_to(
    tx: &mut Tx,
    house: &House,
    actor: &Actor,
    (visit, policy): (Visit, &Policy),
    act: Act,
    by: By,
    said: Said,
    trace: Trace,
) -> Outcome<Done> {
    let mut found = incident_rows::alarm(tx, actor.organisation, visit.worker, Some(visit.id)).await?;
    if let (By::Another { .. }, Some((incident, ..))) = (by, found)
        && actor.hidden_incidents(tx).await?.contains_key(&incident)
    {
        // Whoever is with the worker acts as if there were none.
        found = None;
    }
    let alarm = found.map_or(Alarm::Quiet, |(_, alarm, _)| alarm);
    let before = visit.state.clone();
    let told = match &act {
        Act::CheckOut(record) => record.clone(),
        _ => Record::default(),
    };
    // Whoever is at the door is weighed there.
    let is_arrival = matches!(act, Act::Arrive);
    let Decision { visit: mut decided, events, mut effects } =
        match visit.clone().decide(act, by, alarm, said, policy) {
            Ok(decision) => decision,
            Err(why) => return Ok(Err(Rejected::visit(why, &before))),
        };
    let warnings = not_kept(&told, &decided).into_iter().collect();
    if events.is_empty() {
        return Ok(Ok(Done {
            visit,
            alarm,
            warnings,
            came: Came::ThereBefore,
            agreement: AgreementAsked::NotAsked,
        }));
    }
    visits::update(tx, &mut decided, events, trace).await?;
    if decided.state != before {
        // A check that was answered takes no reminder of the departure back with it.
        if let Some(main) = main_deadline(&before)
            && main.reminders_done > 0
            && main_deadline(&decided.state) != Some(main)
        {
            messages::take_back_reminders(tx, actor.organisation, decided.id, trace.now).await?;
        }
        if alarm.leaves_the_deadline() {
            visits::set_due(tx, decided.id, decided.next_due(policy)).await?;
        }
    }
    if visit.arrived_at.is_none() && decided.arrived_at.is_some() && !is_arrival {
        agreements::follow_unseen(tx, house, &mut decided, alarm, trace).await?;
    }
    chases::follow(tx, (actor.zone, policy), (&visit, &decided), trace.now).await?;
    if let Some((_, _, Kind::Duress)) = found {
        // Of a silent alarm the timer keeps it, from the PIN's row: done here it could be measured at the door.
        effects.retain(|effect| !matches!(effect, Effect::PinUsed | Effect::WorkerReports(_)));
    }
    if !effects.is_empty() {
        let directory = people::directory(tx, actor.organisation).await?;
        let incident = found.map(|(id, ..)| id);
        follow(tx, house, &directory, actor, (&decided, incident), by, effects, trace).await?;
    }
    Ok(Ok(Done {
        visit: decided,
        alarm,
        warnings,
        came: Came::ThereBefore,
        agreement: AgreementAsked::NotAsked,
    }))
}

/// A check-out is taken whatever the state; what was said with it of how the visit turned out may not fit there.
fn not_kept(told: &Record, visit: &Visit) -> Option<Warning> {
    let kept = (told.outcome.is_none() || told.outcome == visit.outcome)
        && (told.seen_whom.is_none() || told.seen_whom == visit.seen_whom)
        && (told.work_undertaken.is_none() || told.work_undertaken == visit.work_undertaken);
    let why = match &visit.state {
        _ if kept => return None,
        VisitState::Planned { .. } => {
            "this visit has not begun: say so first, or put it on record when it is over"
        }
        VisitState::Cancelled { .. } => {
            "this visit was called off: if it took place, put it on record as a visit of its own"
        }
        _ => "something else stands there already: to change that, record it again",
    };
    Some(Warning::about("outcome", format!("what you say of how it turned out was not kept. {why}")))
}

/// What the worker says of all that runs, with the PIN: by text there is no id.
#[derive(Debug, Clone, PartialEq)]
pub enum OfAll {
    /// Out of every visit.
    Out,
    /// Fine, on every visit.
    Fine,
    /// Longer, on the one that began last.
    More(ExtendTo),
    /// What somebody else did is not right.
    Object,
}

/// Does it to every visit that runs and that it can be about; the same PIN counts once.
pub async fn act_on_running(
    tx: &mut Tx,
    house: &House,
    actor: &Actor,
    (of_all, given): (OfAll, Option<Given>),
    made_at: Option<Time>,
    trace: Trace,
) -> Outcome<Vec<Done>> {
    let record = pins::load(tx, actor.person).await?;
    let said = Said::made(made_at, trace.now);
    let policy = people::policy(tx, actor.organisation, actor.team).await?;
    let running = visits::running_of(tx, actor.organisation, actor.person).await?;
    // What was said before a visit began is not about it.
    let mut about: Vec<_> = running.into_iter().filter(|visit| visit.runs(said)).collect();
    let (act, doing) = match of_all {
        OfAll::Out => (Act::CheckOut(Record::default()), Some(Doing::End)),
        OfAll::Fine => (Act::CheckIn, Some(Doing::CheckIn)),
        OfAll::More(to) => {
            // The one that began last. Whoever stays there longer begins later what was due meanwhile.
            let last = about.iter().filter_map(|visit| visit.watched_till().and(visit.arrived_at)).max();
            let due = |visit: &Visit| visit.watched_till().is_none();
            let mut found = false;
            about.retain(|visit| {
                let is_last = !found && visit.watched_till().is_some() && visit.arrived_at == last;
                found |= is_last;
                is_last || due(visit)
            });
            about.sort_by_key(|visit| visit.watched_till().is_none());
            (Act::Extend(to), Some(Doing::Extend))
        }
        OfAll::Object => {
            if let Some(last) = visits::last_of(tx, actor.organisation, actor.person).await? {
                about.extend(visits::load(tx, actor.organisation, last.id).await?.map(|(visit, _)| visit));
            }
            about.retain(Visit::can_be_objected_to);
            (Act::Object, None)
        }
    };
    let mut shown = Shown::ByPhone;
    if let Some(doing) = doing {
        let mut asked = policy.pin_by_text == PinByText::Asked || given.is_some();
        for visit in &about {
            // A call for help changes nothing that a phone can show.
            asked |= alarm_of(tx, visit).await?.as_the_worker_sees_it() != Alarm::Quiet;
        }
        if asked {
            shown = Shown::ByPin;
        }
        let verdict =
            if asked { judge(tx, actor, &record, given.as_ref(), trace.now).await? } else { Verdict::Right };
        if verdict != Verdict::Right {
            let till = |visit: &Visit| visit.watched_till().unwrap_or(visit.expected_departure);
            let first = about.into_iter().min_by_key(till);
            let refused = pin_refused(tx, house, actor, first, (verdict, doing), trace).await?;
            return Ok(Err(Rejected::Pin(refused)));
        }
    }
    let mut all = Vec::new();
    let ends = about.iter().map(rank_of_out).min();
    for visit in about {
        let by = By::Worker(actor.person, shown);
        let mut act = act.clone();
        if matches!(act, Act::CheckOut(_)) {
            let alarm = alarm_of(tx, &visit).await?;
            if Some(rank_of_out(&visit)) == ends {
                act = visit.meant_by_out(alarm, said);
            } else if alarm.leaves_the_deadline() {
                continue;
            } else {
                // It ends something else, and says of this one that they are well.
                act = Act::CheckIn;
            }
        }
        all.push(allowed!(do_to(tx, house, actor, (visit, &policy), act, by, said, trace).await?));
    }
    if all.is_empty() && shown == Shown::ByPin {
        // Without a visit there may still be a call for help: that the PIN was used is shown there, and of a silent one by the timer.
        if let Some((id, Alarm::Sos, Kind::Sos)) =
            incident_rows::alarm(tx, actor.organisation, actor.person, None).await?
        {
            let directory = people::directory(tx, actor.organisation).await?;
            let which = (actor.organisation, id);
            incidents::worker_reports(tx, house, &directory, which, Report::Safe, trace).await?;
        }
    }
    Ok(Ok(all))
}

/// "Out" is said of the visits that run; where none does, of the way home; where the worker is on none, of what they had
/// planned to begin by now.
fn rank_of_out(visit: &Visit) -> u8 {
    match &visit.state {
        VisitState::Begun { .. } => 0,
        VisitState::GoingHome { .. } => 1,
        _ => 2,
    }
}

/// Tells an incident about a plan that its worker is at the door.
pub(super) async fn arrived_late(
    tx: &mut Tx,
    house: &House,
    directory: &Directory,
    about: (OrganisationId, IncidentId),
    trace: Trace,
) -> store::Result<()> {
    let told = tx.part(async |tx| incidents::arrived_late(tx, house, directory, about, trace).await).await;
    incidents::unless_unreadable(told, ())
}

#[expect(clippy::too_many_arguments, reason = "each is a different thing that an effect may need")]
async fn follow(
    tx: &mut Tx,
    house: &House,
    directory: &Directory,
    actor: &Actor,
    (visit, incident): (&Visit, Option<IncidentId>),
    by: By,
    effects: Vec<Effect>,
    trace: Trace,
) -> store::Result<()> {
    let telling = Telling { house, directory, worker: visit.worker, now: trace.now };
    for effect in effects {
        match effect {
            Effect::WorkerReports(_) | Effect::PinUsed => {
                let Some(incident) = incident else { continue };
                let report = match effect {
                    Effect::WorkerReports(report) => report,
                    _ => Report::Safe,
                };
                let about = (visit.organisation, incident);
                let told = tx
                    .part(async |tx| {
                        incidents::worker_reports(tx, house, directory, about, report, trace).await
                    })
                    .await;
                incidents::unless_unreadable(told, ())?;
            }
            Effect::ArrivedLate => {
                let Some(incident) = incident else { continue };
                arrived_late(tx, house, directory, (visit.organisation, incident), trace).await?;
            }
            Effect::AboveCap { total } => {
                let notice =
                    Notice::AboveCap { minutes: total.num_minutes(), till: visit.expected_departure };
                let occasion = format!("visit/{}/above-cap/{}", visit.id, visit.chain.number);
                telling.tell_managers(tx, notice, Some(visit.id), &occasion).await?;
            }
            Effect::ToldWorker => {
                let By::Another { known_by, .. } = by else { continue };
                let till = match &visit.state {
                    VisitState::Planned { expected_arrival, .. } => Some(*expected_arrival),
                    _ => visit.watched_till(),
                };
                let notice = Notice::ActedForYou { by: actor.name.clone(), known_by, till };
                let occasion = Occasion::new(format!("visit/{}/acted-for/{}", visit.id, visit.chain.number));
                telling.tell_worker(tx, notice, visit.id, occasion).await?;
            }
            Effect::ToldOfObjection { acted } => {
                let by = acted.map_or("somebody", |id| directory.name_of(id)).to_owned();
                let till = visit.watched_till().unwrap_or(visit.expected_departure);
                let notice = Notice::Objected { by, till };
                let occasion = format!("visit/{}/objected/{}", visit.id, visit.chain.number);
                telling.tell_managers(tx, notice.clone(), Some(visit.id), &occasion).await?;
                // The manager may be the one who had acted: the same occasion is told once.
                if let Some(acted) = acted {
                    telling.tell_person(tx, acted, notice, None, &occasion).await?;
                }
            }
        }
    }
    Ok(())
}

/// What the worker is reminded of, beside checks.
fn main_deadline(state: &VisitState) -> Option<Deadline> {
    match state {
        VisitState::Begun { deadline, .. } | VisitState::GoingHome { deadline } => Some(*deadline),
        VisitState::Planned { deadline, .. } => *deadline,
        _ => None,
    }
}

/// A PIN that did not do it: logged, counted, the manager told where a person has to know.
async fn pin_refused(
    tx: &mut Tx,
    house: &House,
    actor: &Actor,
    visit: Option<Visit>,
    (verdict, doing): (Verdict, Doing),
    trace: Trace,
) -> store::Result<PinAnswer> {
    let (refused, word) = match verdict {
        Verdict::Missing => (PinRefused::Missing, "missing"),
        Verdict::NoneSet => (PinRefused::NoneSet, "none_set"),
        Verdict::Locked => (PinRefused::NotRight, "locked"),
        Verdict::Wrong { .. } | Verdict::Right => (PinRefused::NotRight, "wrong"),
    };
    let event = NewEvent::new(EventKind::PinRefused, trace.now, json!({"verdict": word}));
    let mut till = None;
    let (about, occasion) = if let Some(mut visit) = visit {
        visits::log(tx, &mut visit, event, trace).await?;
        till = visit.watched_till();
        (Some(visit.id), format!("visit/{}/pin/{}", visit.id, visit.chain.number))
    } else {
        let about = (Some(actor.team), Some(actor.person));
        store::events::log_for_organisation(tx, actor.organisation, about, trace, event).await?;
        (None, format!("person/{}/pin/{}", actor.person, trace.now.timestamp_micros()))
    };
    let notice = match (verdict, till) {
        (Verdict::Wrong { wrong: WRONG_TELLS_MANAGER }, _) => {
            Some(Notice::WrongPins { wrong: WRONG_TELLS_MANAGER })
        }
        (Verdict::NoneSet, Some(till)) => Some(Notice::NoPin { till }),
        _ => None,
    };
    let mut manager = None;
    if notice.is_some() || refused == PinRefused::NoneSet {
        let directory = people::directory(tx, actor.organisation).await?;
        let telling = Telling { house, directory: &directory, worker: actor.person, now: trace.now };
        if let Some(notice) = notice {
            telling.tell_managers(tx, notice, about, &occasion).await?;
        }
        manager = directory.who_has_to_know(actor.person).first().map(|id| directory.name_of(*id).to_owned());
    }
    Ok(PinAnswer { refused, doing, till, manager, now: trace.now, zone: actor.zone })
}
