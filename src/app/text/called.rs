//! What those answer who were called: with a code that says about which alarm, list or drill.

use std::collections::BTreeSet;

use super::{
    super::{
        House,
        access::Actor,
        drills::{self as drill_cases, Answered},
        end_of_day,
        incidents::{self, Deed, OutsideAnswer},
    },
    Text,
};
use crate::{
    clock::Time,
    domain::{
        command::{Code, Command, Why, code_alone},
        drill::DrillAnswer,
        equipment::car_of,
        ids::{DrillId, IncidentId, OrganisationId, PersonId},
        incident::{Incident, IncidentState, Kind},
        people::Directory,
        reply::Reply,
    },
    store::{self, Trace, Tx, drills, equipment, incidents as incident_rows, messages, people},
};

impl Text<'_> {
    /// Takes all that one list named and that nobody has: never a call for help, and nothing that it did not name (row D5).
    async fn take_all(&self, tx: &mut Tx, code: &Code) -> store::Result<Reply> {
        let (actor, trace) = (self.actor, self.trace);
        let calls = people::open_calls_of(tx, actor.person).await?;
        let Some(call) = calls.iter().find(|call| call.code == code.as_str()) else {
            return Ok(Reply::WhichList);
        };
        let named = messages::listed_with(tx, actor.organisation, actor.person, call.incident).await?;
        // All that is named is held, in the order of locks, before anything is taken.
        let mut their_visits = BTreeSet::new();
        for id in &named {
            let found = incident_rows::find(tx, actor.organisation, *id).await?;
            their_visits.extend(found.and_then(|incident| incident.visit));
        }
        for visit in their_visits {
            incidents::lock_visit_of(tx, actor.organisation, visit).await?;
        }
        let held = incident_rows::load_some_any_org(tx, named).await?;
        let (mut workers, mut until, mut not_taken) = (Vec::new(), None, 0);
        for incident in held {
            let named = calls.iter().find(|call| call.incident == incident.id);
            let Some(named) = named.filter(|_| !incident.is_withheld_from(actor.person)) else { continue };
            let incident = if incident.kind == Kind::Overdue && incident.calls() {
                match incidents::act(tx, self.house, actor, incident.id, Deed::Acknowledge, trace).await? {
                    Ok(incident) => incident,
                    Err(_refused) => incident,
                }
            } else {
                incident
            };
            // Theirs by now, or since they said it before.
            if incident.is_open() && incident.owner() == Some(actor.person) {
                workers.push(named.worker.clone());
                until = until.into_iter().chain([waits_until(&incident)]).min();
            } else {
                not_taken += 1;
            }
        }
        Ok(match until {
            Some(until) => Reply::TakenAll { workers, until, not_taken },
            None => Reply::WhichList,
        })
    }

    /// What somebody answers who was called; `None`: it is not such an answer.
    pub(super) async fn of_responder(&self, tx: &mut Tx, command: &Command) -> store::Result<Option<Reply>> {
        let (actor, trace) = (self.actor, self.trace);
        if let Command::AckAll { code: Some(code) } = command {
            return self.take_all(tx, code).await.map(Some);
        }
        if matches!(command, Command::NotUnderstood(_))
            && let Some(drill) = drill_by_code_alone(tx, actor.person, &self.received.text).await?
        {
            return drill_answered(tx, drill, actor.person, command, trace).await.map(Some);
        }
        let about = match codes(command) {
            None => return Ok(None),
            Some((word, code)) => match find(tx, actor.person, word, code.as_ref()).await? {
                Found::Open(id) => id,
                Found::Drill(drill) => {
                    return drill_answered(tx, drill, actor.person, command, trace).await.map(Some);
                }
                // A call for help with a code that is nobody's is one all the same.
                Found::Reply(_) if matches!(command, Command::NotSafe { .. }) => return Ok(None),
                // "No one is in": a worker on a visit says something, and nobody has called them.
                Found::Reply(Reply::WhichAlarm { open, .. })
                    if open.is_empty() && code.is_none() && self.till(tx).await?.is_some() =>
                {
                    return self.not_understood(tx, Why::Perhaps(word)).await.map(Some);
                }
                Found::Reply(reply) => {
                    if let Command::Safe { code: Some(code), .. } = command
                        && let Some(confirmed) =
                            end_of_day::confirm_by_code(tx, actor, code.as_str(), trace).await?
                    {
                        return Ok(Some(match confirmed {
                            Ok(shown) => Reply::EndOfDay { team: shown.team.name, out: shown.out.len() },
                            Err(rejected) => Reply::NotNow(rejected.to_string()),
                        }));
                    }
                    return Ok(Some(reply));
                }
            },
        };
        let withheld = incident_rows::find(tx, actor.organisation, about).await?;
        if let Some(incident) = withheld.filter(|incident| incident.is_withheld_from(actor.person)) {
            return answered_as_before(tx, actor, incident, command).await;
        }
        let deed = match command {
            Command::Where { .. } => return whereabouts(tx, actor, about).await.map(Some),
            Command::Ack { .. } => Deed::Acknowledge,
            Command::Cannot { .. } => Deed::Cannot,
            Command::Hold { length, reason, .. } => Deed::Hold { length: *length, reason: reason.clone() },
            Command::Safe { words, .. } => Deed::Safe { words: words.clone() },
            Command::NotSafe { words, .. } => Deed::NotSafe { words: words.clone() },
            _ => return Ok(None),
        };
        let incident = match incidents::act(tx, self.house, actor, about, deed.clone(), trace).await? {
            Ok(incident) => incident,
            Err(rejected) => return Ok(Some(Reply::NotNow(rejected.to_string()))),
        };
        let directory = people::directory(tx, actor.organisation).await?;
        Ok(Some(answered(&directory, &incident, actor.person, &deed)))
    }
}

/// The word and the code of an answer to a call.
fn codes(command: &Command) -> Option<(&'static str, Option<Code>)> {
    Some(match command {
        Command::Ack { code } => ("ACK", *code),
        Command::AckAll { code } => ("ACK ALL", *code),
        Command::Cannot { code } => ("NO", *code),
        Command::Where { code } => ("WHERE", *code),
        Command::Hold { code, .. } => ("HOLD", *code),
        Command::Safe { code, .. } => ("SAFE", *code),
        Command::NotSafe { code, .. } => ("NOT SAFE", Some(*code)),
        Command::Who => ("WHO", None),
        _ => return None,
    })
}

/// The code in an answer to a call.
pub(in crate::app) fn code_of_answer(command: &Command) -> Option<Code> {
    codes(command).and_then(|(_, code)| code)
}

pub(super) enum Found {
    Open(IncidentId),
    Drill((DrillId, OrganisationId)),
    Reply(Reply),
}

/// The open alarm that a person means, or what is answered where there is none.
pub(super) async fn find(
    tx: &mut Tx,
    person: PersonId,
    word: &'static str,
    code: Option<&Code>,
) -> store::Result<Found> {
    let calls = people::open_calls_of(tx, person).await?;
    if word == "WHO" {
        let open = calls.into_iter().map(|call| (call.worker, call.code, call.owner)).collect();
        return Ok(Found::Reply(Reply::Who { open }));
    }
    if word == "ACK ALL" {
        return Ok(Found::Reply(Reply::WhichList));
    }
    if let Some(call) = code.and_then(|code| calls.iter().find(|call| call.code == code.as_str())) {
        return Ok(Found::Open(call.incident));
    }
    // A real alarm always comes first.
    if let Some(code) = code
        && let Some(drill) = drills::of_code_any_org(tx, person, code.as_str()).await?
    {
        return Ok(Found::Drill(drill));
    }
    let over = match code {
        Some(code) => people::incident_of_code(tx, person, code.as_str()).await?.is_some(),
        None => false,
    };
    let open = calls.into_iter().map(|call| (call.worker, call.code)).collect();
    Ok(Found::Reply(if over { Reply::AlarmOver { open } } else { Reply::WhichAlarm { word, open } }))
}

/// Until when somebody has an alarm, or when it ended.
fn waits_until(incident: &Incident) -> Time {
    match &incident.state {
        IncidentState::Open { holder, .. } => holder.waits_until(),
        IncidentState::Closed { closing, .. } => closing.at,
    }
}

/// What is said with the code of a drill is about that drill, whatever it is.
pub(super) async fn drill_answered(
    tx: &mut Tx,
    (drill, organisation): (DrillId, OrganisationId),
    person: PersonId,
    command: &Command,
    trace: Trace,
) -> store::Result<Reply> {
    let said = match command {
        Command::Ack { .. } | Command::NotUnderstood(_) => DrillAnswer::Taken,
        Command::Cannot { .. } => DrillAnswer::Cannot,
        _ => return Ok(Reply::DrillOnly),
    };
    Ok(match drill_cases::answer(tx, (organisation, person), drill, said, trace).await? {
        Ok(Answered::Kept(_)) => Reply::DrillAnswered { said },
        Ok(Answered::TooLate(_)) => Reply::DrillWasOver,
        Err(rejected) => Reply::NotNow(rejected.to_string()),
    })
}

/// A drill whose code is all that a text says.
pub(super) async fn drill_by_code_alone(
    tx: &mut Tx,
    person: PersonId,
    text: &str,
) -> store::Result<Option<(DrillId, OrganisationId)>> {
    match code_alone(text).filter(Code::is_of_a_drill) {
        Some(code) => drills::of_code_any_org(tx, person, code.as_str()).await,
        None => Ok(None),
    }
}

fn answered(directory: &Directory, incident: &Incident, person: PersonId, deed: &Deed) -> Reply {
    let worker = directory.name_of(incident.subject).to_owned();
    let phone = directory.person(incident.subject).and_then(|subject| subject.phone.clone());
    let until = waits_until(incident);
    match (deed, incident.owner()) {
        (Deed::Acknowledge, Some(owner)) if owner == person => {
            Reply::Taken { worker, phone, kind: incident.kind, until }
        }
        (Deed::Acknowledge | Deed::Hold { .. }, Some(owner)) if owner != person => {
            Reply::TakenBy { owner: directory.name_of(owner).into(), worker }
        }
        (Deed::Hold { .. }, _) => Reply::Held { worker, until },
        (Deed::NotSafe { .. }, _) => Reply::EverybodyCalled { worker },
        (Deed::Safe { .. }, _) => Reply::ReportedSafe { worker },
        _ => Reply::OthersCalled { worker },
    }
}

/// Whoever holds the phone of a companion called about an alarm that became a silent one reads nothing new, and does nothing to
/// it: it goes on as if it were what it was. `None`: a call for help, which is one of their own.
async fn answered_as_before(
    tx: &mut Tx,
    actor: &Actor,
    incident: Incident,
    command: &Command,
) -> store::Result<Option<Reply>> {
    Ok(match command {
        Command::NotSafe { .. } => None,
        Command::Where { .. } => {
            let was = if incident.missed.is_some() { Kind::Overdue } else { Kind::Sos };
            Some(whereabouts_of(tx, Incident { kind: was, ..incident }).await?)
        }
        _ => {
            let directory = people::directory(tx, actor.organisation).await?;
            let worker = directory.name_of(incident.subject).into();
            let cannot = matches!(command, Command::Cannot { .. });
            Some(if cannot { Reply::OthersCalled { worker } } else { Reply::NotYours { worker } })
        }
    })
}

/// What a responder needs to find the worker (row E10): only while the alarm is open, only who was called.
async fn whereabouts(tx: &mut Tx, actor: &Actor, id: IncidentId) -> store::Result<Reply> {
    let Some(incident) = incident_rows::find(tx, actor.organisation, id).await? else {
        return Ok(Reply::AlarmOver { open: vec![] });
    };
    whereabouts_of(tx, incident).await
}

async fn whereabouts_of(tx: &mut Tx, incident: Incident) -> store::Result<Reply> {
    let visit = incident.visit.or(incident.nearest_visit);
    let visit = incidents::visit_of(tx, incident.organisation, visit).await?;
    let directory = people::directory(tx, incident.organisation).await?;
    let subject = directory.person(incident.subject);
    let held = equipment::held_by(tx, incident.organisation, incident.subject).await?;
    Ok(Reply::Where {
        worker: directory.name_of(incident.subject).into(),
        place: visit.as_ref().and_then(|visit| visit.details.place.clone()),
        place_said: visit.as_ref().and_then(|visit| visit.details.place_said.clone()),
        purpose: visit.as_ref().and_then(|visit| visit.details.purpose.clone()),
        position: incident.position.map(|position| (position.latitude, position.longitude)),
        last_contact: visit.as_ref().and_then(|visit| visit.last_contact_at),
        phone: subject.and_then(|subject| subject.phone.clone()),
        kind: incident.kind,
        car: car_of(&held).and_then(|car| Some(car.registration.as_ref()?.as_str().to_owned())),
    })
}

/// An outside contact answers a call: told to staff, and stops nothing. Nothing else is done from such a number.
pub(super) async fn outside(
    tx: &mut Tx,
    house: &House,
    (organisation, person): (OrganisationId, PersonId),
    command: Command,
    trace: Trace,
) -> store::Result<Reply> {
    // "They are not safe" without a readable code: the one alarm that they were called about is meant.
    let one_open = people::open_calls_of(tx, person).await?;
    let about = match (codes(&command), one_open.as_slice()) {
        (Some((word, code)), _) => match find(tx, person, word, code.as_ref()).await? {
            Found::Open(id) => id,
            Found::Drill(drill) => return drill_answered(tx, drill, person, &command, trace).await,
            Found::Reply(reply) => return Ok(reply),
        },
        (None, [only]) if matches!(command, Command::Sos { .. }) => only.incident,
        (None, _) => return Ok(Reply::OnlyAnswers),
    };
    let answer = match command {
        Command::Ack { .. } => OutsideAnswer::Trying,
        Command::Cannot { .. } => OutsideAnswer::Cannot,
        Command::Safe { words, .. } => OutsideAnswer::Safe { words },
        Command::NotSafe { words, .. } | Command::Sos { words } => OutsideAnswer::NotSafe { words },
        _ => return Ok(Reply::OnlyAnswers),
    };
    let done = incidents::outside(tx, house, (organisation, about), person, answer.clone(), trace).await?;
    let incident = match done {
        Ok(incident) => incident,
        Err(rejected) => return Ok(Reply::NotNow(rejected.to_string())),
    };
    let directory = people::directory(tx, organisation).await?;
    let worker = directory.name_of(incident.subject).to_owned();
    Ok(match answer {
        OutsideAnswer::Trying => {
            let duty = directory.duty_manager.and_then(|id| directory.person(id)?.phone.clone());
            Reply::Trying { worker, duty }
        }
        OutsideAnswer::Cannot => Reply::OthersCalled { worker },
        OutsideAnswer::Safe { .. } => Reply::ReportedSafe { worker },
        OutsideAnswer::NotSafe { .. } => Reply::EverybodyCalled { worker },
    })
}
