//! What happened, as it is kept for scrutiny (row R1): chained by hashes, personal words apart so that they can be erased.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::ids::PersonId;
use crate::clock::Time;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal)*) => {
        /// What kind of thing happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum EventKind { $($(#[$doc])* $name),* }

        impl EventKind {
            /// Every kind there is.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name in the log.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

kinds! {
    /// A visit was planned; nobody is watched yet.
    VisitPlanned = "visit.planned"
    /// The watching began.
    VisitStarted = "visit.started"
    /// The worker is at the door.
    VisitArrived = "visit.arrived"
    /// Others are on it too, each watched on their own.
    VisitAccompanied = "visit.accompanied"
    /// The worker said that all is well.
    VisitCheckedIn = "visit.checked_in"
    /// A device of the worker's gave a sign: it proves nobody, and moves no deadline.
    VisitDeviceHeard = "visit.device_heard"
    /// The expected departure moved.
    VisitExtended = "visit.extended"
    /// The worker was reminded.
    VisitReminded = "visit.reminded"
    /// The worker has left, and the way home is watched.
    VisitLeft = "visit.left"
    /// The watching ended.
    VisitEnded = "visit.ended"
    /// A plan was called off.
    VisitCancelled = "visit.cancelled"
    /// Outcome or work undertaken was recorded.
    VisitRecorded = "visit.recorded"
    /// No rule objected to it, or a person agreed.
    VisitAgreed = "visit.agreed"
    /// People were asked whether they agree to it.
    VisitAgreementAsked = "visit.agreement_asked"
    /// Nobody can agree to it as it stands.
    VisitNotAgreed = "visit.not_agreed"
    /// A person does not agree to it.
    VisitRefused = "visit.refused"
    /// Whoever decides asked the worker something.
    VisitQuestioned = "visit.questioned"
    /// It was begun without being agreed: it runs as high risk.
    VisitBegunNotAgreed = "visit.begun_not_agreed"
    /// Something happened there: it goes back to the manager.
    VisitAgreementTakenBack = "visit.agreement_taken_back"
    /// Whoever is there now was told that something happened there.
    VisitWarned = "visit.warned"
    /// Whether anything has changed since the assessment.
    VisitChangesSaid = "visit.changes_said"
    /// More was said of a visit that has to be agreed.
    VisitDescribed = "visit.described"
    /// A visit that had been made was put on record afterwards.
    VisitPutOnRecord = "visit.put_on_record"
    /// The worker objects to what somebody else did for them.
    VisitObjected = "visit.objected"
    /// Somebody was asked for the outcome.
    VisitChased = "visit.chased"
    /// A PIN was wrong, missing or not yet set.
    PinRefused = "pin.refused"
    /// A PIN was set or changed.
    PinSet = "pin.set"
    /// Somebody other than the worker is told from here on.
    IncidentOpened = "incident.opened"
    /// One round of one step of the ladder.
    IncidentRaised = "incident.raised"
    /// Somebody of the step before cannot be counted on: this step does not wait for them.
    IncidentStepBroughtForward = "incident.step_brought_forward"
    /// A step of the ladder reached nobody.
    IncidentStepSkipped = "incident.step_skipped"
    /// A whole round reached nobody: the last-resort numbers were texted.
    IncidentReachedNobody = "incident.reached_nobody"
    /// A person took the alarm.
    IncidentAcknowledged = "incident.acknowledged"
    /// The owner was warned that the acknowledgement runs out.
    IncidentOwnerWarned = "incident.owner_warned"
    /// The acknowledgement ran out.
    IncidentLapsed = "incident.lapsed"
    /// The worker says that they are safe.
    IncidentWorkerReports = "incident.worker_reports"
    /// No person confirmed what the worker reported.
    IncidentUnconfirmed = "incident.unconfirmed"
    /// An outside contact says that they are trying.
    IncidentOutsideTrying = "incident.outside_trying"
    /// Somebody called for help; also what was only overdue before is an SOS from here on.
    IncidentSos = "incident.sos"
    /// It came by a token that was once issued and has expired or was revoked.
    IncidentSosByOldToken = "incident.sos_by_old_token"
    /// It came from a device of the worker's, which anybody may have pressed.
    IncidentSosByDevice = "incident.sos_by_device"
    /// Where the worker's phone was.
    IncidentPosition = "incident.position"
    /// The PIN was used since the call for help.
    IncidentPinUsed = "incident.pin_used"
    /// The worker began, without the PIN, what they had not begun in time.
    IncidentVisitBegun = "incident.visit_begun"
    /// A visit of the worker fell overdue meanwhile.
    IncidentVisitOverdue = "incident.visit_overdue"
    /// A manager took the alarm from its owner.
    IncidentTakenOver = "incident.taken_over"
    /// The alarm was given to somebody else.
    IncidentHandedOver = "incident.handed_over"
    /// The owner needs longer.
    IncidentHeld = "incident.held"
    /// Somebody who was called cannot.
    IncidentCannot = "incident.cannot"
    /// The police have been called.
    IncidentWithPolice = "incident.with_police"
    /// The owner was asked whether it is still with the police.
    IncidentPoliceReminder = "incident.police_reminder"
    /// Somebody who was called says that the worker is safe.
    IncidentReportedSafe = "incident.reported_safe"
    /// Something has to be done after it, by a person, by a date.
    FollowUpSet = "follow_up.set"
    /// It was done.
    FollowUpDone = "follow_up.done"
    /// Somebody raised a concern.
    ConcernRaised = "concern.raised"
    /// A manager discussed it with somebody.
    ConcernDiscussed = "concern.discussed"
    /// Something has to be done about it, by a person, by a date.
    ConcernActionSet = "concern.action_set"
    /// It was done.
    ConcernActionDone = "concern.action_done"
    /// A manager said what came of it.
    ConcernClosed = "concern.closed"
    /// A checklist was put in force.
    ChecklistSet = "checklist.set"
    /// Somebody answered one.
    ChecklistAnswered = "checklist.answered"
    /// At the door: whether the agreed measures are in place.
    MeasuresConfirmed = "visit.measures_confirmed"
    /// Afterwards: whether they were followed.
    MeasuresFollowed = "visit.measures_followed"
    /// Somebody was asked for what is missing of one.
    ChecklistAsked = "checklist.asked"
    /// A senior manager said afterwards what they found about a visit that was out of the ordinary.
    VisitExceptionReviewed = "visit.exception_reviewed"
    /// They were asked to.
    VisitExceptionReviewAsked = "visit.exception_review_asked"
    /// A person wrote something down.
    IncidentNoted = "incident.noted"
    /// A person said how it ended.
    IncidentClosed = "incident.closed"
    /// A manager said what was learned.
    IncidentReviewed = "incident.reviewed"
    /// A duress alarm was released to its subject.
    IncidentReleased = "incident.released"
    /// A text from a number that is nobody's.
    TextFromUnknown = "text.from_unknown"
    /// Something that claims to come from a provider and does not.
    WebhookForged = "webhook.forged"
    /// A message is on the phone, or with the mail server.
    MessageDelivered = "message.delivered"
    /// A message that a provider had taken will not arrive.
    MessageUndelivered = "message.undelivered"
    /// No receipt came in time: the next channel starts.
    MessageUnconfirmed = "message.unconfirmed"
    /// At a team's closing time somebody was asked whether everybody is out.
    EndOfDayAsked = "end_of_day.asked"
    /// Somebody confirmed that everybody is out.
    EndOfDayConfirmed = "end_of_day.confirmed"
    /// A provider took a message.
    MessageAccepted = "message.accepted"
    /// The first try to hand a message over failed.
    MessageFailed = "message.failed"
    /// A provider refused a message for good.
    MessageRefused = "message.refused"
    /// A message could not be sent as it is.
    MessagePoisoned = "message.poisoned"
    /// The rounds had stopped for longer than the policy allows.
    ServiceWasDown = "service.was_down"
    /// A clock jumped, or the machine was suspended.
    ClockStepped = "clock.stepped"
    /// A machine's clock is apart from the database's, or agrees with it again.
    ClockApart = "clock.apart"
    /// At the start it was earlier than the last round of the timer had been.
    ClockBehind = "clock.behind"
    /// Something due could not be worked on and was moved aside.
    DeadlinePoisoned = "deadline.poisoned"
    /// Somebody sent a text.
    TextReceived = "text.received"
    /// A start that could not be read.
    StartUnreadable = "start.unreadable"
    /// Somebody called for help with a token that was never issued.
    TokenUnknown = "token.unknown"
    /// A token that was issued once and has expired or was revoked. One that never was belongs to no organisation: the process's
    /// log has it.
    TokenRefused = "token.refused"
    /// Somebody was asked whether messages reach them at an address, and whether they agree.
    ContactAsked = "contact.asked"
    /// They were asked before and have not answered.
    ContactSilent = "contact.silent"
    /// They answered with the code.
    ContactProved = "contact.proved"
    /// A code came that was not right.
    ContactWrongCode = "contact.wrong_code"
    /// They do not agree.
    ContactDeclined = "contact.declined"
    /// Nothing arrives at an address any more, or nothing may.
    ContactDead = "contact.dead"
    /// They take it back, or something arrives again: they are asked anew.
    ContactAnew = "contact.anew"
    /// The organisation's file was applied.
    OrganisationApplied = "organisation.applied"
    /// A drill was started.
    DrillStarted = "drill.started"
    /// One round of its ladder.
    DrillRaised = "drill.raised"
    /// Somebody whom it called answered.
    DrillAnswered = "drill.answered"
    /// It is over.
    DrillEnded = "drill.ended"
    /// When a team's drills begin by themselves was set.
    DrillScheduleSet = "drill.schedule_set"
    /// They begin by themselves no more.
    DrillScheduleRemoved = "drill.schedule_removed"
    /// A moment came and no drill was begun: too late, one was running, or an alarm had gone up in that team.
    DrillNotBegun = "drill.not_begun"
    /// A worker texted something of a rehearsal; never which.
    RehearsalTexted = "rehearsal.texted"
    /// A case was opened.
    CaseOpened = "case.opened"
    /// What is known of a case was changed.
    CaseChanged = "case.changed"
    /// The rules by which visits are due were set.
    DueRulesSet = "due.rules_set"
    /// What is due of a case was computed anew, because something has changed.
    DueComputed = "due.computed"
    /// A manager excused a visit that was due.
    DueExcused = "due.excused"
    /// What a manager had excused is due again.
    DueExcuseTakenBack = "due.excuse_taken_back"
    /// A team's digest of what is due went out.
    DueDigestSent = "due.digest_sent"
    /// What is known of the supervision of a case was changed.
    SupervisionChanged = "case.supervision_changed"
    /// A case was given to a worker.
    CaseAssigned = "case.assigned"
    /// A place was added to a case.
    PlaceAdded = "place.added"
    /// What is known of a place was changed.
    PlaceChanged = "place.changed"
    /// A version of a risk assessment was made.
    AssessmentMade = "assessment.made"
    /// A manager agreed with it.
    AssessmentAgreed = "assessment.agreed"
    /// A manager said something of a case, a visit, an incident or an assessment.
    OversightRecorded = "oversight.recorded"
    /// A rule asks managers for it.
    OversightAsked = "oversight.asked"
    /// It is asked for no more.
    OversightWithdrawn = "oversight.withdrawn"
    /// Where it is asked for was set.
    OversightRulesSet = "oversight.rules_set"
    /// Somebody is away, or back: who stands in for them is asked.
    PersonAway = "person.away"
    /// A policy document was added, with its first version.
    PolicyAdded = "policy.added"
    /// Another version of one is in force.
    PolicyVersionAdded = "policy.version_added"
    /// Somebody has read and acknowledged a version.
    PolicyAcknowledged = "policy.acknowledged"
    /// Somebody was asked for what they had not acknowledged in time.
    PolicyAsked = "policy.asked"
    /// Something that workers take along was added.
    EquipmentAdded = "equipment.added"
    /// It is out with somebody, or for longer.
    EquipmentLent = "equipment.lent"
    /// It is back.
    EquipmentReturned = "equipment.returned"
    /// It was tested.
    EquipmentTested = "equipment.tested"
    /// Somebody was asked to bring it back.
    EquipmentAsked = "equipment.asked"
    /// It is in use no more.
    EquipmentRetired = "equipment.retired"
    /// A device got an address of its own, in the place of the one before.
    DeviceUrlIssued = "device.url_issued"
    /// That address was revoked.
    DeviceUrlRevoked = "device.url_revoked"
    /// A device called for help that is out with nobody.
    DeviceCalledForHelp = "device.called_for_help"
    /// Something other than a call for help came by an address that was revoked.
    DeviceRefused = "device.refused"
    /// Where another system is told what happened was set.
    WebhookSet = "webhook.set"
    /// It is told no more.
    WebhookRemoved = "webhook.removed"
    /// What happened is told once more, from an event on.
    WebhookReplayed = "webhook.replayed"
    /// The other system wants to be told no more (410).
    WebhookDisabled = "webhook.disabled"
    /// It takes nothing: its administrators were told.
    WebhookFailing = "webhook.failing"
    /// It takes what it is told again, after they were told that it did not.
    WebhookWorksAgain = "webhook.works_again"
    /// It was not reached for days, and something that happened is given up.
    WebhookGivenUp = "webhook.given_up"
    /// A visit or an assessment was filed in another system.
    FilingFiled = "filing.filed"
    /// A ladder was put in force.
    LadderSet = "ladder.set"
    /// A token was issued.
    TokenCreated = "token.created"
    /// A token was revoked.
    TokenRevoked = "token.revoked"
}

/// Through which door something came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "TEXT", rename_all = "snake_case")]
pub enum Door {
    /// The JSON API.
    Api,
    /// A text, by the text endpoint.
    Text,
    /// The demonstration's phones.
    Demo,
    /// A deadline.
    Timer,
    /// A provider's answer.
    Outbox,
    /// The command line.
    CommandLine,
    /// A text message.
    Sms,
    /// What a provider says of a message.
    Receipt,
    /// The page behind a link in a message.
    Link,
    /// The address of a device: it proves nobody.
    Device,
}

/// Something that happened, before it has its place in a chain.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// What kind.
    pub kind: EventKind,
    /// When it happened; when we learned of it is the time of the use case.
    pub at: Time,
    /// Before and after, without personal words.
    pub body: Value,
    /// Personal words, erasable.
    pub private: Option<Value>,
}

impl NewEvent {
    /// Without personal words.
    pub fn new(kind: EventKind, at: Time, body: Value) -> Self {
        Self { kind, at, body, private: None }
    }

    /// With what somebody said, if they said something.
    #[must_use]
    pub fn with_words(self, words: Option<&str>) -> Self {
        match words {
            Some(words) => self.with_private(serde_json::json!({ "words": words })),
            None => self,
        }
    }

    /// With personal words.
    #[must_use]
    pub fn with_private(self, private: Value) -> Self {
        Self { private: Some(private), ..self }
    }
}

/// SHA-256.
pub type Hash = [u8; 32];

/// Where a chain ends: the number and hash of its last event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChainHead {
    /// 0: none yet.
    pub number: i64,
    /// All zero: none yet.
    pub hash: Hash,
}

/// An event in its place: what the hash is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Chained {
    /// The visit, incident or organisation whose chain this is.
    pub chain: Uuid,
    /// 1, 2, 3 …
    pub number: i64,
    /// What kind, as kept.
    pub kind: String,
    /// When it happened.
    pub happened_at: Time,
    /// When we learned of it.
    pub learned_at: Time,
    /// Through which door.
    pub door: Door,
    /// Who did it; nobody where the machine did.
    pub actor: Option<PersonId>,
    /// Before and after, as the JSON text that is kept.
    pub body: String,
    /// SHA-256 of salt and personal words, where there are any.
    pub private_hash: Option<Hash>,
}

impl Chained {
    /// The hash of this event after `previous`: SHA-256 over the previous hash and a JSON array of the event's parts in the
    /// order in which they are declared. Times are RFC 3339 with microseconds, hashes in hexadecimal.
    pub fn hash(&self, previous: &Hash) -> Hash {
        let parts = serde_json::json!([
            self.chain,
            self.number,
            self.kind,
            stamp(self.happened_at),
            stamp(self.learned_at),
            self.door,
            self.actor,
            self.body,
            self.private_hash.map(|hash| hex(&hash)),
        ]);
        Sha256::new().chain_update(previous).chain_update(parts.to_string()).finalize().into()
    }
}

/// The hash that stands in the chain for personal words: salted, so that erased words cannot be guessed from it.
pub fn private_hash(salt: &[u8], words: &str) -> Hash {
    Sha256::new().chain_update(salt).chain_update(words).finalize().into()
}

/// Where a chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the chain {chain} breaks at event {number}: {why}")]
pub struct BrokenChain {
    /// Whose chain.
    pub chain: Uuid,
    /// At which event.
    pub number: i64,
    /// What is wrong there.
    pub why: &'static str,
}

/// Checks one chain from its beginning; each event comes with the hash that was kept for it. Returns its head.
pub fn verify<'e>(
    events: impl IntoIterator<Item = (&'e Chained, &'e Hash)>,
) -> Result<ChainHead, BrokenChain> {
    let mut head = ChainHead::default();
    for (event, kept) in events {
        let broken = |why| BrokenChain { chain: event.chain, number: event.number, why };
        if event.number != head.number + 1 {
            return Err(broken("an event is missing or stands twice"));
        }
        if event.hash(&head.hash) != *kept {
            return Err(broken("the event was changed, or the one before it"));
        }
        head = ChainHead { number: event.number, hash: *kept };
    }
    Ok(head)
}

/// An instant as the chain and the API write it.
pub fn stamp(at: Time) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(length: i64) -> Vec<(Chained, Hash)> {
        let mut previous = Hash::default();
        (1..=length)
            .map(|number| {
                let event = Chained {
                    chain: Uuid::nil(),
                    number,
                    kind: EventKind::VisitExtended.as_str().into(),
                    happened_at: Time::UNIX_EPOCH,
                    learned_at: Time::UNIX_EPOCH,
                    door: Door::Api,
                    actor: None,
                    body: format!("{{\"n\":{number}}}"),
                    private_hash: Some(private_hash(b"salt", "words")),
                };
                previous = event.hash(&previous);
                (event, previous)
            })
            .collect()
    }

    fn check(events: &[(Chained, Hash)]) -> Result<ChainHead, BrokenChain> {
        verify(events.iter().map(|(event, hash)| (event, hash)))
    }

    #[test]
    fn a_whole_chain_holds_and_gives_its_head() {
        assert_eq!(check(&chain(5)).unwrap().number, 5);
        assert_eq!(check(&[]).unwrap(), ChainHead::default());
    }

    #[test]
    fn a_changed_missing_or_doubled_event_breaks_it() {
        let mut changed = chain(5);
        changed[2].0.body = "{\"n\":99}".into();
        assert_eq!(check(&changed).unwrap_err().number, 3);
        let mut missing = chain(5);
        missing.remove(1);
        assert_eq!(check(&missing).unwrap_err().number, 3);
        let mut doubled = chain(3);
        doubled.insert(1, doubled[0].clone());
        assert_eq!(check(&doubled).unwrap_err().number, 1);
    }
}
