//! What is done to a visit, decided for every state.

use chrono::TimeDelta;
use serde_json::json;

use super::{
    Act, Alarm, By, Deadline, Decision, Effect, EndedHow, ExtendTo, FURTHEST_AHEAD, FURTHEST_FOR_ANOTHER,
    KnownBy, NotNow, Record, Report, Said, Shown, Visit, VisitState,
};
use crate::{
    clock::Time,
    domain::{
        event::{EventKind, NewEvent, stamp},
        ids::PersonId,
        policy::{Policy, delta},
    },
};

impl Visit {
    /// Decides an act of a person whose PIN, where one is asked for, was right. Total: every act has an answer in every
    /// state. Acts that change nothing (a second check-out) come back without events.
    pub fn decide(
        self,
        act: Act,
        by: By,
        alarm: Alarm,
        said: Said,
        policy: &Policy,
    ) -> Result<Decision, NotNow> {
        if matches!(by, By::Another { .. })
            && alarm != Alarm::Quiet
            && !matches!(act, Act::Arrive | Act::Record { .. })
        {
            return Err(NotNow::IncidentOpen);
        }
        let said = said.about(&self);
        let mut decision = match act {
            Act::Arrive => self.arrive(by, said, policy),
            Act::CheckIn => self.check_in(alarm, said, policy),
            Act::Extend(to) => self.extend(to, by, alarm, said, policy),
            Act::CheckOut(record) => Ok(self.check_out(record, by, alarm, said)),
            Act::Record(record) => self.record(record, said.now),
            Act::Cancel { reason } => self.cancel(&reason, by, said),
            Act::Object => self.object(said, policy),
        }?;
        if matches!(by, By::Worker(_, Shown::ByPhone)) {
            decision.effects.retain(|effect| *effect != Effect::PinUsed);
        }
        Ok(decision)
    }

    /// The incident closes with the worker still inside: watched until then, even if the visit had been ended meanwhile.
    pub fn watch_on(self, until: Time, now: Time, policy: &Policy) -> Decision {
        let number = match &self.state {
            VisitState::Begun { deadline } => deadline.number + 1,
            // Ended visits keep no count of deadlines; their version is higher than any they had.
            _ => i32::try_from(self.version).unwrap_or(i32::MAX - 1) + 1,
        };
        let next = Deadline::new(until, number, now, self.details.risk, policy);
        let was = self.state.as_str();
        self.moved_to(next, json!({"by": "the incident's close", "was": was}), now)
    }

    /// Ends a visit with its incident.
    pub fn end_with_incident(self, by: PersonId, now: Time) -> Decision {
        match &self.state {
            VisitState::Begun { .. } => {
                Self { acted_by: Some(by), ..self }.ended(EndedHow::WithIncident, by, None, now)
            }
            _ => unchanged(self),
        }
    }

    /// Whether the worker can say that what somebody else did is not right: they ended it, or made its deadline later.
    pub fn can_be_objected_to(&self) -> bool {
        match &self.state {
            VisitState::Ended { how, .. } => {
                matches!(how, EndedHow::EndedForWorker | EndedHow::WithIncident)
            }
            VisitState::Begun { .. } => self.extended_by_others > TimeDelta::zero(),
            _ => false,
        }
    }

    fn arrive(mut self, by: By, said: Said, policy: &Policy) -> Result<Decision, NotNow> {
        let Said { at: said_at, now } = said;
        let event = NewEvent::new(
            EventKind::VisitArrived,
            said_at,
            json!({"before": {"state": self.state.as_str(), "arrived_at": self.arrived_at.map(stamp)}}),
        );
        match &self.state {
            VisitState::Planned { expected_departure, .. } => {
                // A plan whose departure is already past is watched for the default all the same (row V12).
                let at = if *expected_departure > now {
                    (*expected_departure).min(now + FURTHEST_AHEAD)
                } else {
                    (said_at + delta(policy.default_visit)).max(now)
                };
                let deadline = Deadline::new(at, 1, now, self.details.risk, policy);
                self.state = VisitState::Begun { deadline };
                self.expected_departure = at;
            }
            VisitState::Begun { .. } => {}
            VisitState::Ended { .. } | VisitState::Cancelled { .. } | VisitState::Recorded { .. } => {
                return Err(NotNow::Over);
            }
        }
        self.arrived_at = Some(said_at);
        if matches!(by, By::Worker(..)) {
            self.heard(said_at);
        }
        Ok(Decision { visit: self, events: vec![event], effects: vec![] })
    }

    /// The worker was heard of then.
    fn heard(&mut self, at: Time) {
        self.last_contact_at = self.last_contact_at.max(Some(at));
        self.extended_by_others = TimeDelta::zero();
    }

    fn check_in(mut self, alarm: Alarm, said: Said, policy: &Policy) -> Result<Decision, NotNow> {
        let deadline = self.begun()?;
        self.heard(said.at);
        let checked_in = NewEvent::new(
            EventKind::VisitCheckedIn,
            said.at,
            json!({"expected_departure": stamp(deadline.at)}),
        );
        let mut decision = match alarm {
            Alarm::Overdue | Alarm::WithPolice => {
                Decision { visit: self, events: vec![], effects: vec![Effect::WorkerReports(Report::Safe)] }
            }
            Alarm::Quiet | Alarm::Sos if said.at >= deadline.at => {
                let at = said.at + delta(policy.fine_in_grace);
                self.extend_by_worker(at, deadline, alarm, said.now, policy)
            }
            Alarm::Quiet => unchanged(self),
            Alarm::Sos => Decision { effects: vec![Effect::PinUsed], ..unchanged(self) },
        };
        decision.events.insert(0, checked_in);
        Ok(decision)
    }

    fn extend(
        mut self,
        to: ExtendTo,
        by: By,
        alarm: Alarm,
        said: Said,
        policy: &Policy,
    ) -> Result<Decision, NotNow> {
        let deadline = self.begun()?;
        let wanted = match to {
            ExtendTo::For(length) => deadline.at.max(said.at) + length,
            ExtendTo::Until(until) => until,
        };
        if wanted <= said.at {
            return Err(NotNow::NotAhead);
        }
        match by {
            By::Worker(..) => {
                self.heard(said.at);
                let at = wanted.min(said.now + FURTHEST_AHEAD);
                Ok(self.extend_by_worker(at, deadline, alarm, said.now, policy))
            }
            By::Another { known_by, person } => {
                let left = FURTHEST_FOR_ANOTHER - self.extended_by_others;
                if left <= TimeDelta::zero() {
                    return Err(NotNow::ExtendedByOthers);
                }
                let at = wanted.min(deadline.at.max(said.now) + left);
                self.extended_by_others += (at - deadline.at.max(said.now)).max(TimeDelta::zero());
                self.acted_by = Some(person);
                let next = Deadline::new(at, deadline.number + 1, said.now, self.details.risk, policy);
                let mut decision = self.moved_to(next, json!({"known_by": known_by}), said.now);
                decision.effects.push(Effect::ToldWorker);
                Ok(decision)
            }
        }
    }

    fn extend_by_worker(
        mut self,
        at: Time,
        deadline: Deadline,
        alarm: Alarm,
        now: Time,
        policy: &Policy,
    ) -> Decision {
        let next = Deadline::new(at, deadline.number + 1, now, self.details.risk, policy);
        self.extended += (at - deadline.at).max(TimeDelta::zero());
        let total = self.extended;
        let mut decision = self.moved_to(next, json!({}), now);
        match alarm {
            Alarm::Quiet => {}
            Alarm::Overdue | Alarm::WithPolice => {
                decision.effects.push(Effect::WorkerReports(Report::SafeInside { till: at }));
            }
            Alarm::Sos => decision.effects.push(Effect::PinUsed),
        }
        if !policy.extension_cap.is_zero() && total > delta(policy.extension_cap) {
            decision.effects.push(Effect::AboveCap { total });
        }
        decision
    }

    fn moved_to(mut self, next: Deadline, mut body: serde_json::Value, now: Time) -> Decision {
        body["before"] = json!({"expected_departure": stamp(self.expected_departure)});
        body["after"] = json!({"expected_departure": stamp(next.at)});
        self.expected_departure = next.at;
        self.state = VisitState::Begun { deadline: next };
        let event = NewEvent::new(EventKind::VisitExtended, now, body);
        Decision { visit: self, events: vec![event], effects: vec![] }
    }

    fn check_out(mut self, record: Record, by: By, alarm: Alarm, said: Said) -> Decision {
        let VisitState::Begun { deadline } = &self.state else {
            // Nothing is running: said again, or never begun. Never an error (safety rule 1).
            return unchanged(self);
        };
        let how = match (by, alarm) {
            (By::Another { .. }, _) => EndedHow::EndedForWorker,
            (By::Worker(..), Alarm::Overdue | Alarm::WithPolice) => EndedHow::AfterAlarm,
            (By::Worker(..), _) if deadline.at < said.at => EndedHow::LateCheckOut,
            (By::Worker(..), _) => EndedHow::CheckedOut,
        };
        let mut effects = Vec::new();
        match (by, alarm) {
            (By::Another { person, .. }, _) => {
                self.acted_by = Some(person);
                effects.push(Effect::ToldWorker);
            }
            (By::Worker(..), Alarm::Quiet) => self.heard(said.at),
            (By::Worker(..), Alarm::Overdue | Alarm::WithPolice) => {
                self.heard(said.at);
                effects.push(Effect::WorkerReports(Report::Safe));
            }
            (By::Worker(..), Alarm::Sos) => {
                self.heard(said.at);
                effects.push(Effect::PinUsed);
            }
        }
        let mut decision = self.ended(how, by.person(), by.known_by(), said.at);
        if record != Record::default() {
            decision.events.push(recording(&mut decision.visit, record, said.now));
        }
        decision.effects = effects;
        decision
    }

    fn ended(mut self, how: EndedHow, by: PersonId, known_by: Option<KnownBy>, now: Time) -> Decision {
        let event = NewEvent::new(
            EventKind::VisitEnded,
            now,
            json!({"before": {"expected_departure": stamp(self.expected_departure)}, "how": how, "known_by": known_by}),
        );
        self.state = VisitState::Ended { at: now, how, by };
        Decision { visit: self, events: vec![event], effects: vec![] }
    }

    /// The worker says that what somebody else did is not right: as long as the deadline was before, or, if that is past,
    /// as a start without an end time. It needs no PIN: it only makes the watching longer or sharper.
    fn object(mut self, said: Said, policy: &Policy) -> Result<Decision, NotNow> {
        let (at, number) = match &self.state {
            _ if !self.can_be_objected_to() => {
                return Err(match &self.state {
                    VisitState::Planned { .. } => NotNow::NotBegun,
                    _ => NotNow::NothingToObjectTo,
                });
            }
            VisitState::Begun { deadline } => {
                ((deadline.at - self.extended_by_others).max(said.now), deadline.number + 1)
            }
            _ => {
                let past = self.expected_departure <= said.now;
                let at = if past { said.now + delta(policy.default_visit) } else { self.expected_departure };
                // Ended visits keep no count of deadlines; their version is higher than any they had.
                (at, i32::try_from(self.version).unwrap_or(i32::MAX - 1) + 1)
            }
        };
        let body = json!({
            "before": {"state": self.state.as_str(), "expected_departure": stamp(self.expected_departure), "by": self.acted_by},
            "after": {"expected_departure": stamp(at)},
        });
        let event = NewEvent::new(EventKind::VisitObjected, said.at, body);
        let acted = self.acted_by.take();
        self.heard(said.at);
        self.expected_departure = at;
        self.state =
            VisitState::Begun { deadline: Deadline::new(at, number, said.now, self.details.risk, policy) };
        let effects = vec![Effect::ToldOfObjection { acted }];
        Ok(Decision { visit: self, events: vec![event], effects })
    }

    fn record(mut self, record: Record, now: Time) -> Result<Decision, NotNow> {
        match self.state {
            VisitState::Planned { .. } => Err(NotNow::NotBegun),
            VisitState::Cancelled { .. } => Err(NotNow::Over),
            VisitState::Begun { .. } | VisitState::Ended { .. } | VisitState::Recorded { .. } => {
                let event = recording(&mut self, record, now);
                Ok(Decision { visit: self, events: vec![event], effects: vec![] })
            }
        }
    }

    fn cancel(mut self, reason: &str, by: By, said: Said) -> Result<Decision, NotNow> {
        match self.state {
            VisitState::Planned { .. } => {}
            VisitState::Begun { .. } => return Err(NotNow::HasBegun),
            VisitState::Ended { .. } | VisitState::Recorded { .. } => return Err(NotNow::Over),
            VisitState::Cancelled { .. } => return Ok(unchanged(self)),
        }
        self.state = VisitState::Cancelled { at: said.at, by: by.person() };
        let event =
            NewEvent::new(EventKind::VisitCancelled, said.at, json!({"before": {"state": "planned"}}))
                .with_private(json!({"reason": reason}));
        Ok(Decision { visit: self, events: vec![event], effects: vec![] })
    }

    fn begun(&self) -> Result<Deadline, NotNow> {
        match &self.state {
            VisitState::Begun { deadline } => Ok(*deadline),
            VisitState::Planned { .. } => Err(NotNow::NotBegun),
            VisitState::Ended { .. } | VisitState::Cancelled { .. } | VisitState::Recorded { .. } => {
                Err(NotNow::Over)
            }
        }
    }
}

fn unchanged(visit: Visit) -> Decision {
    Decision { visit, events: vec![], effects: vec![] }
}

fn recording(visit: &mut Visit, record: Record, now: Time) -> NewEvent {
    let Record { outcome, seen_whom, work_undertaken } = record;
    let event = NewEvent::new(
        EventKind::VisitRecorded,
        now,
        json!({"before": {"outcome": visit.outcome}, "after": {"outcome": outcome.or(visit.outcome)}}),
    )
    .with_private(json!({"seen_whom": seen_whom, "work_undertaken": work_undertaken}));
    visit.outcome = outcome.or(visit.outcome);
    visit.seen_whom = seen_whom.or(visit.seen_whom.take());
    visit.work_undertaken = work_undertaken.or(visit.work_undertaken.take());
    visit.recorded_at = Some(now);
    event
}
