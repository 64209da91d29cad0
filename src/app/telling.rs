//! From what was decided to the messages that say it: who reads it, where, in which words, under which code.

mod elsewhere;
mod lists;

use uuid::Uuid;

pub(super) use elsewhere::{tell_last_resort, tell_of_stuck_deadline, tell_operator};
pub(super) use lists::{Crowd, Lists, send_lists};

use super::{
    House,
    codes::{self, Call, Codes, Drawn},
};
use crate::{
    clock::Time,
    domain::{
        contact::{Channel, Phone},
        ids::{IncidentId, MessageId, PersonId, VisitId},
        incident::{Holder, Incident, IncidentState, Kind, Round, Told, Why},
        ladder::Recipient,
        notice::{
            AboutAgreement, Again, Answering, Facts, Listed, Notice, Occasion, Overdue, Page, Purpose,
            Reader, SosCall,
        },
        people::{Directory, Person},
        visit::{Awaited, Missed, Visit},
        wording::{English, Text, Wording},
    },
    store::{
        self, Tx,
        messages::{self, NewMessage, Turn},
        people,
    },
};

/// Says things about one worker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Telling<'d> {
    pub(super) house: &'d House,
    pub(super) directory: &'d Directory,
    pub(super) worker: PersonId,
    pub(super) now: Time,
}

/// What a message is about.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Subject {
    pub(super) visit: Option<VisitId>,
    pub(super) incident: Option<IncidentId>,
}

impl Telling<'_> {
    fn facts(&self, reader: Reader, code: Option<String>) -> Facts {
        let phone_of = |id: PersonId| {
            self.directory.person(id)?.phone.as_ref().map(super::super::domain::contact::Phone::dialled)
        };
        // Whom to ring about the worker: never the worker, and nobody who has left.
        let duty = self.directory.duty_manager.into_iter().chain(self.directory.managers_for(self.worker));
        let duty_phone = duty
            .filter(|id| *id != self.worker && self.directory.person(*id).is_some_and(|person| !person.left))
            .find_map(phone_of);
        Facts {
            worker: self.directory.name_of(self.worker).into(),
            worker_phone: phone_of(self.worker),
            duty_phone,
            reader,
            code,
            answering: self.house.answering,
            page: Page::None,
            now: self.now,
            zone: self.directory.zone,
        }
    }

    /// By the quickest channel that reaches this person; the next ones follow if that refuses.
    fn by_quickest(
        &self,
        notice: &Notice,
        to: &Person,
        subject: Subject,
        occasion: &Occasion,
        purpose: Purpose,
        code: Option<String>,
    ) -> Option<NewMessage> {
        let counted_on = |channel: &Channel| self.directory.standing(to.id, *channel).is_counted_on();
        let reached = || Channel::ALL.into_iter().filter(|channel| to.has(*channel));
        // Where nothing arrives it is tried all the same, if there is nothing better.
        let channel = reached().find(counted_on).or_else(|| reached().next())?;
        message(to, channel, self.words(notice, to, code), subject, occasion, purpose)
    }

    /// What somebody reads of it.
    pub(super) fn words(&self, notice: &Notice, to: &Person, code: Option<String>) -> Text {
        English.notice(notice, &self.facts(reader(to), code))
    }

    /// Tells the worker themselves.
    pub(super) async fn tell_worker(
        &self,
        tx: &mut Tx,
        notice: Notice,
        visit: VisitId,
        occasion: Occasion,
    ) -> store::Result<()> {
        let Some(worker) = self.directory.person(self.worker) else { return Ok(()) };
        let subject = Subject { visit: Some(visit), incident: None };
        let message = self.by_quickest(&notice, worker, subject, &occasion, Purpose::Reminder, None);
        messages::queue(tx, self.directory.organisation, message.as_slice(), self.now).await
    }

    /// Asks one person whether they agree to a visit, by a code of theirs.
    pub(super) async fn ask_to_agree(
        &self,
        tx: &mut Tx,
        person: PersonId,
        notice: AboutAgreement,
        (visit, code): (VisitId, String),
        occasion: &str,
    ) -> store::Result<()> {
        let Some(to) = self.directory.person(person).filter(|person| !person.left) else { return Ok(()) };
        let subject = Subject { visit: Some(visit), incident: None };
        let occasion = Occasion::new(format!("{occasion}/to/{person}"));
        let notice = Notice::Agreement(notice);
        let message = self.by_quickest(&notice, to, subject, &occasion, Purpose::Told, Some(code));
        messages::queue(tx, self.directory.organisation, message.as_slice(), self.now).await
    }

    /// Tells one person something about the worker.
    pub(super) async fn tell_person(
        &self,
        tx: &mut Tx,
        person: PersonId,
        notice: Notice,
        incident: Option<IncidentId>,
        occasion: &str,
    ) -> store::Result<()> {
        let Some(to) = self.directory.person(person).filter(|person| !person.left) else { return Ok(()) };
        let subject = Subject { visit: None, incident };
        let occasion = Occasion::new(format!("{occasion}/to/{person}"));
        let message = self.by_quickest(&notice, to, subject, &occasion, Purpose::Told, None);
        messages::queue(tx, self.directory.organisation, message.as_slice(), self.now).await
    }

    /// Tells one person something that is made to be read by mail; by text only whoever has no mail.
    pub(super) async fn mail_person(
        &self,
        tx: &mut Tx,
        person: PersonId,
        notice: Notice,
        occasion: &str,
    ) -> store::Result<()> {
        let Some(to) = self.directory.person(person).filter(|person| !person.left) else { return Ok(()) };
        let occasion = Occasion::new(format!("{occasion}/to/{person}"));
        let channel = if to.email.is_some() { Channel::Email } else { Channel::Sms };
        let words = self.words(&notice, to, None);
        let message = message(to, channel, words, Subject::default(), &occasion, Purpose::Told);
        messages::queue(tx, self.directory.organisation, message.as_slice(), self.now).await
    }

    /// Calls one person to act on what is no incident.
    pub(super) async fn call_person(
        &self,
        tx: &mut Tx,
        person: PersonId,
        notice: Notice,
        occasion: &str,
    ) -> store::Result<()> {
        let Some(to) = self.directory.person(person).filter(|person| !person.left) else { return Ok(()) };
        let occasion = Occasion::new(format!("{occasion}/to/{person}"));
        let message = self.by_quickest(&notice, to, Subject::default(), &occasion, Purpose::FirstAlarm, None);
        messages::queue(tx, self.directory.organisation, message.as_slice(), self.now).await
    }

    /// Says something of a drill to somebody, by these channels or else by the quickest: behind everything that is real. Gives what
    /// its messages are known by.
    pub(super) async fn rehearse(
        &self,
        tx: &mut Tx,
        notice: &Notice,
        (person, by, code): (PersonId, Option<&[Channel]>, Option<String>),
        occasion: &str,
    ) -> store::Result<Uuid> {
        let occasion = Occasion::new(format!("{occasion}/to/{person}"));
        let Some(to) = self.directory.person(person).filter(|person| !person.left) else {
            return Ok(occasion.id());
        };
        let nothing = Subject::default();
        let text = English.notice(notice, &self.facts(reader(to), code.clone()));
        let messages: Vec<_> = match by {
            Some(channels) => channels
                .iter()
                .filter_map(|by| message(to, *by, text.clone(), nothing, &occasion, Purpose::Drill))
                .collect(),
            None => {
                self.by_quickest(notice, to, nothing, &occasion, Purpose::Drill, code).into_iter().collect()
            }
        };
        messages::queue(tx, self.directory.organisation, &messages, self.now).await?;
        Ok(occasion.id())
    }

    /// Tells whoever answers for the worker, for what is no incident.
    pub(super) async fn tell_managers(
        &self,
        tx: &mut Tx,
        notice: Notice,
        visit: Option<VisitId>,
        occasion: &str,
    ) -> store::Result<()> {
        let subject = Subject { visit, incident: None };
        let mut queued = Vec::new();
        for id in self.directory.who_has_to_know(self.worker) {
            let Some(manager) = self.directory.person(id) else { continue };
            let occasion = Occasion::new(format!("{occasion}/to/{id}"));
            queued.extend(self.by_quickest(&notice, manager, subject, &occasion, Purpose::Told, None));
        }
        if queued.is_empty() {
            // The worker is told that somebody knows: so somebody has to.
            let text = English.notice(&notice, &self.facts(Reader::Staff, None));
            let to = |phone: &Phone| {
                let occasion = Occasion::new(format!("{occasion}/to/{}", phone.as_str()));
                last_resort(phone, text.clone(), subject, &occasion, Purpose::Told)
            };
            queued.extend(self.directory.last_resort.iter().map(to));
        }
        messages::queue(tx, self.directory.organisation, &queued, self.now).await
    }

    /// Calls everybody in a round, on all its channels at once.
    pub(super) async fn call(
        &self,
        tx: &mut Tx,
        incident: &Incident,
        visit: Option<&Visit>,
        round: &Round,
    ) -> store::Result<()> {
        let codes = codes::draw(tx, called_by(incident, round), self.now).await?;
        self.call_by(tx, (incident, visit, round), &codes, (&Crowd::default(), &mut Lists::new())).await
    }

    /// The same, with codes that were drawn before. First calls to staff who are a crowd go into lists.
    pub(super) async fn call_by(
        &self,
        tx: &mut Tx,
        (incident, visit, round): (&Incident, Option<&Visit>, &Round),
        codes: &Codes,
        (crowd, lists): (&Crowd, &mut Lists),
    ) -> store::Result<()> {
        let name = |id| self.directory.name_of(id).to_owned();
        let again = match round.why {
            Why::NotTaken | Why::Cannot(_) | Why::Sos => Again::No,
            Why::Lapsed(owner) => Again::Lapsed { owner: name(owner) },
            Why::Unconfirmed => Again::Unconfirmed,
            Why::PoliceUnanswered(owner) => Again::PoliceUnanswered { owner: name(owner) },
        };
        let notice = match incident.sos {
            Some(sos) => {
                let found_by = (sos.by != incident.subject).then(|| name(sos.by));
                let call = SosCall { at: sos.at, found_by, again };
                if incident.kind == Kind::Duress { Notice::Duress(call) } else { Notice::Sos(call) }
            }
            None => Notice::Overdue(Overdue {
                missed: missed(incident),
                again,
                risk: visit.map(|visit| visit.details.risk).unwrap_or_default(),
                no_signal_expected: visit.is_some_and(|visit| visit.details.no_signal_expected),
            }),
        };
        let subject = Subject { visit: incident.visit, incident: Some(incident.id) };
        let rung = round.rung;
        // A repeat behind a call that still waits for its provider would only pile up; a new step is always called.
        let waiting = match rung.round {
            0 => Vec::new(),
            _ => messages::waiting_calls(tx, incident.organisation, incident.id).await?,
        };
        let mut queued = Vec::new();
        for call in &round.calls {
            let base = format!(
                "incident/{}/raise/{}/step/{}/round/{}",
                incident.id, rung.raise, rung.step, rung.round
            );
            match &call.to {
                Recipient::Person(id) => {
                    let Some(person) = self.directory.person(*id) else { continue };
                    let Some(Drawn { code, which }) = codes.get(&(incident.id, *id)) else { continue };
                    if *which == Call::First && crowd.holds(*id) && !person.is_outside() {
                        let worker = self.directory.name_of(self.worker).into();
                        let key = (incident.organisation, *id);
                        let missed = missed(incident);
                        let listed = Listed { incident: incident.id.0, worker, missed, code: code.clone() };
                        lists.entry(key).or_default().push(listed);
                        continue;
                    }
                    let page = if self.house.pages.is_some() { Page::Below } else { Page::None };
                    let facts = Facts { page, ..self.facts(reader(person), Some(code.clone())) };
                    let text = English.notice(&notice, &facts);
                    let purpose = match which {
                        Call::First => Purpose::FirstAlarm,
                        Call::Again => Purpose::Alarm,
                    };
                    let occasion = Occasion::new(format!("{base}/to/{id}"));
                    for channel in call.by.iter().filter(|channel| !waiting.contains(&(*id, **channel))) {
                        queued.extend(message(person, *channel, text.clone(), subject, &occasion, purpose));
                    }
                }
                Recipient::LastResort(phone) => {
                    let facts = Facts { answering: Answering::InHomeward, ..self.facts(Reader::Staff, None) };
                    let occasion = Occasion::new(format!("{base}/to/{}", phone.as_str()));
                    let text = English.notice(&notice, &facts);
                    queued.push(last_resort(phone, text, subject, &occasion, Purpose::FirstAlarm));
                }
            }
        }
        for message in &mut queued {
            message.rung = message.recipient.map(|_| rung);
            message.turn = if rung.step <= incident.begins_with_step() { Turn::First } else { Turn::Later };
        }
        messages::queue(tx, incident.organisation, &queued, self.now).await
    }

    /// Tells everybody concerned what has become of an incident.
    pub(super) async fn tell_about(
        &self,
        tx: &mut Tx,
        incident: &Incident,
        told: &[Told],
    ) -> store::Result<()> {
        if told.is_empty() {
            return Ok(());
        }
        if let Some(owner) = incident.owner() {
            // Whoever had it once hears of it to its end, as if called: they may have taken it before their step came.
            codes::draw(tx, [(incident.id, owner)], self.now).await?;
        }
        let mut readers = people::called_about(tx, incident.id).await?;
        readers.retain(|id| *id != incident.subject && !incident.is_withheld_from(*id));
        let subject = Subject { visit: incident.visit, incident: Some(incident.id) };
        let mut queued = Vec::new();
        for (part, told) in (0..).zip(told) {
            for &id in &readers {
                let Some(person) = self.directory.person(id) else { continue };
                let Some((notice, purpose)) = self.notice_of(told, person) else { continue };
                let occasion = Occasion::new(format!(
                    "incident/{}/event/{}/{part}/to/{id}",
                    incident.id, incident.chain.number
                ));
                // Whom it was handed to may never have been called: they need a code to answer.
                let code = match told {
                    Told::HandedOver { owner, .. } if *owner == id => {
                        let drawn = codes::draw(tx, [(incident.id, id)], self.now).await?;
                        drawn.into_values().next().map(|drawn| drawn.code)
                    }
                    _ => None,
                };
                queued.extend(self.by_quickest(&notice, person, subject, &occasion, purpose, code));
            }
        }
        messages::queue(tx, self.directory.organisation, &queued, self.now).await
    }

    /// What this reader is told of it; `None`: it is not for them.
    fn notice_of(&self, told: &Told, reader: &Person) -> Option<(Notice, Purpose)> {
        let name = |id: &PersonId| self.directory.name_of(*id).to_owned();
        let others = |but: &PersonId| (reader.id != *but).then_some(());
        let alone = |only: &PersonId| (reader.id == *only).then_some(());
        let staff = || (!reader.is_outside()).then_some(());
        let notice = match told {
            Told::Taken { owner } => others(owner).map(|()| Notice::Taken { owner: name(owner) })?,
            Told::TakenOver { owner, from } | Told::HandedOver { owner, from, .. } if reader.is_outside() => {
                others(from).and(others(owner)).map(|()| Notice::Taken { owner: name(owner) })?
            }
            Told::HandedOver { owner, from, until } if reader.id == *owner => {
                let notice = Notice::HandedToYou { from: name(from), until: *until };
                return Some((notice, Purpose::Alarm));
            }
            Told::TakenOver { owner, from } => {
                others(owner).map(|()| Notice::Passed { owner: name(owner), from: name(from) })?
            }
            Told::HandedOver { owner, from, .. } => {
                others(from).map(|()| Notice::Passed { owner: name(owner), from: name(from) })?
            }
            Told::TakenAndHeld { owner, .. } if reader.is_outside() => Notice::Taken { owner: name(owner) },
            Told::Held { owner, until } | Told::TakenAndHeld { owner, until } => {
                others(owner).and(staff()).map(|()| Notice::Held { owner: name(owner), until: *until })?
            }
            Told::Cannot { who } => others(who).and(staff()).map(|()| Notice::Cannot { who: name(who) })?,
            Told::WithPolice { owner, .. } if reader.is_outside() => Notice::Taken { owner: name(owner) },
            Told::WithPolice { owner, log_number } => others(owner)
                .map(|()| Notice::WithPolice { owner: name(owner), log_number: log_number.clone() })?,
            Told::PoliceReminder { owner, until } => {
                alone(owner).map(|()| Notice::PoliceReminder { until: *until })?
            }
            // Before everybody else: whoever had it already knows most.
            Told::SosToOwner { owner } => {
                return alone(owner).map(|()| (Notice::SosToOwner, Purpose::FirstAlarm));
            }
            Told::SosAgain => staff().map(|()| Notice::SosAgain)?,
            Told::StandDown { owner: Some(owner) } if reader.id == *owner => {
                return Some((Notice::DuressToOwner, Purpose::StandDown));
            }
            // Staff are called about it, with the same words first.
            Told::StandDown { .. } => {
                return reader.is_outside().then_some((Notice::StandDown, Purpose::StandDown));
            }
            Told::DuressAgain => staff().map(|()| Notice::DuressAgain)?,
            Told::ReportsToOwner { owner, report } => {
                alone(owner).map(|()| Notice::ReportsWithPolice(*report))?
            }
            Told::OwnerWarned { owner, until } => {
                alone(owner).map(|()| Notice::OwnerWarned { until: *until })?
            }
            Told::WorkerReports(report) => Notice::WorkerReports(*report),
            Told::ArrivedLate => staff().map(|()| Notice::ArrivedLate)?,
            Told::ReportedSafe { by } => {
                others(by).and(staff()).map(|()| Notice::ReportedSafe { by: name(by) })?
            }
            Told::OutsideTrying { contact } => {
                others(contact).and(staff()).map(|()| Notice::OutsideTrying { contact: name(contact) })?
            }
            Told::Closed { outcome, by } => {
                others(by).map(|()| Notice::Closed { outcome: *outcome, by: name(by) })?
            }
        };
        Some((notice, Purpose::Told))
    }

    /// Tells somebody whom a call reached late that it is not for them any more: who has it, or how it ended.
    pub(super) async fn tell_called_in_vain(
        &self,
        tx: &mut Tx,
        incident: &Incident,
        called: PersonId,
        call: MessageId,
    ) -> store::Result<()> {
        let told = match &incident.state {
            IncidentState::Open { holder: Holder::Nobody { .. }, .. } => return Ok(()),
            IncidentState::Open { holder: Holder::Owned { by, .. }, .. } => Told::Taken { owner: *by },
            IncidentState::Open { holder: Holder::WithPolice { by, .. }, .. } => {
                let log_number = incident.police.as_ref().map(|police| police.log_number.clone());
                Told::WithPolice { owner: *by, log_number: log_number.unwrap_or_default() }
            }
            IncidentState::Closed { closing, .. } => {
                Told::Closed { outcome: closing.outcome, by: closing.by }
            }
        };
        if incident.is_withheld_from(called) {
            return Ok(());
        }
        let Some(person) = self.directory.person(called) else { return Ok(()) };
        let Some((notice, purpose)) = self.notice_of(&told, person) else { return Ok(()) };
        let subject = Subject { visit: incident.visit, incident: Some(incident.id) };
        let occasion = Occasion::new(format!("message/{call}/in-vain/{}", incident.id));
        let message = self.by_quickest(&notice, person, subject, &occasion, purpose, None);
        messages::queue(tx, incident.organisation, message.as_slice(), self.now).await
    }

    /// After an outage: asks the worker, who fell due meanwhile and could not be asked.
    pub(super) async fn ask_after_outage(
        &self,
        tx: &mut Tx,
        visit: &Visit,
        (incident, missed): (IncidentId, Missed),
    ) -> store::Result<()> {
        let notice = Notice::AskedAfterOutage { missed };
        self.tell_worker(
            tx,
            notice,
            visit.id,
            Occasion::new(format!("incident/{incident}/asked-after-outage")),
        )
        .await
    }
}

/// An answer to a text, to the number that it came from.
pub(super) fn message_to(
    phone: &Phone,
    recipient: Option<PersonId>,
    text: Text,
    subject: Subject,
    occasion: &Occasion,
) -> NewMessage {
    NewMessage {
        recipient,
        visit: subject.visit,
        incident: subject.incident,
        rung: None,
        turn: Turn::First,
        occasion: occasion.id(),
        purpose: Purpose::Reply,
        channel: Channel::Sms,
        address: phone.as_str().into(),
        text,
    }
}

/// What a call says was missed.
fn missed(incident: &Incident) -> Missed {
    incident.missed.unwrap_or(Missed { what: Awaited::Departure, at: incident.opened_at })
}

/// Whom a round calls, each about this incident.
pub(super) fn called_by(incident: &Incident, round: &Round) -> Vec<(IncidentId, PersonId)> {
    let person = |to: &Recipient| match to {
        Recipient::Person(id) => Some(*id),
        Recipient::LastResort(_) => None,
    };
    round.calls.iter().filter_map(|call| Some((incident.id, person(&call.to)?))).collect()
}

fn reader(person: &Person) -> Reader {
    if person.is_outside() { Reader::Outside } else { Reader::Staff }
}

/// To a number that belongs to nobody in particular.
fn last_resort(
    phone: &Phone,
    text: Text,
    about: Subject,
    occasion: &Occasion,
    purpose: Purpose,
) -> NewMessage {
    NewMessage {
        recipient: None,
        visit: about.visit,
        incident: about.incident,
        rung: None,
        turn: Turn::First,
        occasion: occasion.id(),
        purpose,
        channel: Channel::Sms,
        address: phone.as_str().into(),
        text,
    }
}

pub(super) fn message(
    to: &Person,
    channel: Channel,
    text: Text,
    subject: Subject,
    occasion: &Occasion,
    purpose: Purpose,
) -> Option<NewMessage> {
    Some(NewMessage {
        recipient: Some(to.id),
        visit: subject.visit,
        incident: subject.incident,
        rung: None,
        turn: Turn::First,
        occasion: occasion.id(),
        purpose,
        channel,
        address: address(to, channel)?,
        text,
    })
}

/// Where a person is reached by a channel.
pub(super) fn address(person: &Person, channel: Channel) -> Option<String> {
    match channel {
        Channel::Sms => person.phone.as_ref().map(|phone| phone.as_str().to_owned()),
        Channel::Email => person.email.as_ref().map(|email| email.as_str().to_owned()),
    }
}
