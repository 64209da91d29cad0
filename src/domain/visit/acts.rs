//! What is done to a visit, decided for every state.

use chrono::TimeDelta;
use serde_json::json;

use super::{
    Act, Alarm, Awaited, By, Closed, Deadline, Decision, Effect, EndedHow, ExtendTo, FURTHEST_AHEAD,
    FURTHEST_FOR_ANOTHER, KnownBy, NotNow, PLAN_MATCHES, ReadAs, Record, Report, Risk, SAID_TWICE, Said,
    Shown, Visit, VisitOutcome, VisitState,
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
            Act::Arrive => self.arrive(by, alarm, said, policy),
            Act::CheckIn => self.check_in(alarm, said, policy),
            Act::Extend(to) => self.extend(to, by, alarm, said, policy),
            Act::CheckOut(record) => Ok(self.check_out(record, by, alarm, said, policy)),
            Act::HomeSafe => Ok(self.home_safe(by, alarm, said)),
            Act::Record(record) => self.record(record, said.now),
            Act::Cancel { reason } => self.cancel(&reason, by, alarm, said),
            Act::Object => self.object(said, policy),
        }?;
        if matches!(by, By::Worker(_, Shown::ByPhone)) {
            decision.effects.retain(|effect| *effect != Effect::PinUsed);
        }
        Ok(decision)
    }

    /// The incident closes with the worker still inside: watched until then, even if the visit had been ended meanwhile.
    pub fn watch_on(mut self, until: Time, closed: Closed, now: Time, policy: &Policy) -> Decision {
        let body = match closed.read_as {
            ReadAs::Close => json!({"by": "the incident's close", "was": self.state.as_str()}),
            ReadAs::AnothersAct { known_by } => {
                self.acted_by = Some(closed.by);
                json!({"known_by": known_by})
            }
        };
        match &self.state {
            VisitState::GoingHome { .. } => {}
            VisitState::Begun { deadline, .. } => self.begin(until, deadline.number + 1, now, policy),
            _ => {
                self.arrived_at = self.arrived_at.or(Some(now));
                let number = self.fresh_number();
                self.begin(until, number, now, policy);
            }
        }
        self.moved_to(until, body, now, policy)
    }

    /// Ends a visit with its incident.
    pub fn end_with_incident(self, Closed { by, read_as }: Closed, now: Time) -> Decision {
        let (how, known_by) = match read_as {
            ReadAs::Close => (EndedHow::WithIncident, None),
            ReadAs::AnothersAct { known_by } => (EndedHow::EndedForWorker, Some(known_by)),
        };
        match &self.state {
            VisitState::Begun { .. } | VisitState::GoingHome { .. } | VisitState::Planned { .. } => {
                Self { acted_by: Some(by), ..self }.ended(how, by, known_by, now)
            }
            _ => unchanged(self),
        }
    }

    /// What "I am out" or "I am home" by text means to this visit: there is no id in it, so one word ends the visit, and later
    /// the way home. A network that delivers it twice must not end both.
    pub fn meant_by_out(&self, alarm: Alarm, said: Said) -> Act {
        let left_just_now = self.left_at.is_some_and(|left| said.at < left + SAID_TWICE);
        match &self.state {
            VisitState::GoingHome { .. } if !left_just_now || !alarm.leaves_the_deadline() => Act::HomeSafe,
            _ => Act::CheckOut(Record::default()),
        }
    }

    /// Whether an act that names no visit can be about this one: it was watched when that was said.
    pub fn runs(&self, said: Said) -> bool {
        self.running(said).is_ok() && self.arrived_at.is_none_or(|at| at <= said.at)
    }

    /// Whether it was over, by what is said then, without its worker ever having said at the door that they were there: called off, ended by
    /// others, or left. What others ended counts as such: they may have said it.
    pub fn was_over_before_it_began(&self, said: Time) -> bool {
        let (over, left) = match &self.state {
            VisitState::Ended { at, by, .. } => (self.left_at.unwrap_or(*at), *by == self.worker),
            VisitState::GoingHome { .. } => (self.left_at.unwrap_or(said), true),
            VisitState::Cancelled { at, .. } => (*at, false),
            _ => return false,
        };
        // What came late of somebody who has left since is no door that they are at.
        let left = left || self.left_at.is_some();
        // By the outcome, not by the worker.
        let as_planned = self.outcome.and(self.expected_arrival).map(|arrival| arrival.min(over));
        match self.arrived_at {
            None => !left || said > over,
            Some(at) => said > over && (Some(at) == as_planned || !left && self.expected_arrival.is_some()),
        }
    }

    /// Begins the watching, and what belongs to it.
    pub(in crate::domain) fn begin(&mut self, until: Time, number: i32, now: Time, policy: &Policy) {
        let risk = self.details.risk;
        let deadline = Deadline::new(until, number, now, (Awaited::Departure, risk), policy);
        let check = self.details.check_every.map(|every| self.check_at(now + every, now, policy));
        self.state = VisitState::Begun { deadline, check };
        self.expected_departure = until;
        self.left_at = None;
    }

    /// From now on it runs as high risk, with the checks of such visits.
    pub fn runs_as_high_risk(&mut self, now: Time, policy: &Policy) {
        self.details.risk = Risk::High;
        let checks = [self.details.check_every, policy.check_every(Risk::High)];
        self.details.check_every = checks.into_iter().flatten().min();
        let next = self.details.check_every.map(|every| self.check_at(now + every, now, policy));
        if let (VisitState::Begun { check, .. }, Some(next)) = (&mut self.state, next)
            && check.is_none_or(|check| next.at < check.at)
        {
            *check = Some(next);
        }
    }

    fn check_at(&self, at: Time, now: Time, policy: &Policy) -> Deadline {
        Deadline::new(at, self.fresh_number(), now, (Awaited::WelfareCheck, self.details.risk), policy)
    }

    /// Higher than any number that a deadline of this visit had: each is kept with a version of its own.
    fn fresh_number(&self) -> i32 {
        i32::try_from(self.version).unwrap_or(i32::MAX - 1) + 1
    }

    /// The worker, PIN right, was well then: the next check counts from there.
    fn sign_of_life(&mut self, said: Said, policy: &Policy) {
        self.heard(said.at);
        let Some(every) = self.details.check_every else { return };
        let VisitState::Begun { check: Some(check), .. } = &self.state else { return };
        let next = said.at + every;
        if next > check.at {
            let next = self.check_at(next, said.now, policy);
            if let VisitState::Begun { check, .. } = &mut self.state {
                *check = Some(next);
            }
        }
    }

    /// Whether the worker can say that what somebody else did is not right: they ended it, or made its deadline later.
    pub fn can_be_objected_to(&self) -> bool {
        match &self.state {
            VisitState::Ended { how, .. } => {
                matches!(how, EndedHow::EndedForWorker | EndedHow::WithIncident)
            }
            VisitState::Begun { .. } | VisitState::GoingHome { .. } => {
                self.extended_by_others > TimeDelta::zero()
            }
            _ => false,
        }
    }

    fn arrive(mut self, by: By, alarm: Alarm, said: Said, policy: &Policy) -> Result<Decision, NotNow> {
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
                let number = self.fresh_number();
                self.begin(at, number, now, policy);
            }
            VisitState::Begun { .. } => {}
            VisitState::GoingHome { .. }
            | VisitState::Ended { .. }
            | VisitState::Cancelled { .. }
            | VisitState::Recorded { .. } => return Err(NotNow::Over),
        }
        let effects = self.told_of_arrival(by, alarm);
        self.arrived_at = Some(said_at);
        if matches!(by, By::Worker(..)) {
            self.heard(said_at);
        }
        Ok(Decision { visit: self, events: vec![event], effects })
    }

    /// Who was called because a plan had not begun is told that it has; it holds nothing, for anybody can say so.
    fn told_of_arrival(&self, by: By, alarm: Alarm) -> Vec<Effect> {
        let first = self.arrived_at.is_none() && matches!(by, By::Worker(..));
        let told = first && matches!(alarm, Alarm::Overdue | Alarm::WithPolice);
        told.then_some(Effect::ArrivedLate).into_iter().collect()
    }

    /// The worker was heard of then.
    fn heard(&mut self, at: Time) {
        self.last_contact_at = self.last_contact_at.max(Some(at));
        self.extended_by_others = TimeDelta::zero();
    }

    fn check_in(mut self, alarm: Alarm, said: Said, policy: &Policy) -> Result<Decision, NotNow> {
        let (_, deadline) = self.running(said)?;
        self.sign_of_life(said, policy);
        let checked_in = NewEvent::new(
            EventKind::VisitCheckedIn,
            said.at,
            json!({"expected_departure": stamp(self.expected_departure)}),
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
        let (_, deadline) = self.running(said)?;
        let wanted = match to {
            ExtendTo::For(length) => deadline.at.max(said.at) + length,
            ExtendTo::Until(until) => until,
        };
        if wanted <= said.at {
            return Err(NotNow::NotAhead);
        }
        match by {
            By::Worker(..) => {
                self.sign_of_life(said, policy);
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
                let mut decision = self.moved_to(at, json!({"known_by": known_by}), said.now, policy);
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
        let inside = matches!(self.state, VisitState::Begun { .. });
        if inside {
            self.extended += (at - deadline.at).max(TimeDelta::zero());
        }
        let total = self.extended;
        let mut decision = self.moved_to(at, json!({}), now, policy);
        match alarm {
            Alarm::Quiet => {}
            Alarm::Overdue | Alarm::WithPolice => {
                let report = if inside { Report::SafeInside { till: at } } else { Report::Safe };
                decision.effects.push(Effect::WorkerReports(report));
            }
            Alarm::Sos => decision.effects.push(Effect::PinUsed),
        }
        if inside && !policy.extension_cap.is_zero() && total > delta(policy.extension_cap) {
            decision.effects.push(Effect::AboveCap { total });
        }
        decision
    }

    /// The deadline of what runs moves.
    fn moved_to(mut self, at: Time, mut body: serde_json::Value, now: Time, policy: &Policy) -> Decision {
        let risk = self.details.risk;
        let next = |before: &Deadline, what| Deadline::new(at, before.number + 1, now, (what, risk), policy);
        body["before"] = json!({"expected_departure": stamp(self.expected_departure)});
        match &mut self.state {
            VisitState::Begun { deadline, .. } => {
                *deadline = next(deadline, Awaited::Departure);
                self.expected_departure = at;
            }
            VisitState::GoingHome { deadline } => {
                body["before"]["home_by"] = json!(stamp(deadline.at));
                *deadline = next(deadline, Awaited::HomeSafe);
            }
            VisitState::Planned { expected_arrival, expected_departure, deadline } => {
                body["before"]["expected_arrival"] = json!(stamp(*expected_arrival));
                *expected_departure += at - *expected_arrival;
                self.expected_departure = *expected_departure;
                *expected_arrival = at;
                self.expected_arrival = Some(at);
                *deadline = deadline.map(|deadline| next(&deadline, Awaited::Arrival));
            }
            VisitState::Ended { .. } | VisitState::Cancelled { .. } | VisitState::Recorded { .. } => {
                return unchanged(self);
            }
        }
        body["after"] = json!({"expected_departure": stamp(self.expected_departure)});
        match &self.state {
            VisitState::GoingHome { deadline } => body["after"]["home_by"] = json!(stamp(deadline.at)),
            VisitState::Planned { expected_arrival, .. } => {
                body["after"]["expected_arrival"] = json!(stamp(*expected_arrival));
            }
            _ => {}
        }
        let event = NewEvent::new(EventKind::VisitExtended, now, body);
        Decision { visit: self, events: vec![event], effects: vec![] }
    }

    /// The worker has left. Where the way home is watched it goes on till they say that they are home; where others have been
    /// told, or somebody else says it, a person sees to the rest.
    fn check_out(self, record: Record, by: By, alarm: Alarm, said: Said, policy: &Policy) -> Decision {
        let worker_alone = matches!(by, By::Worker(..)) && alarm.leaves_the_deadline();
        let leaves = match &self.state {
            VisitState::Begun { .. } => true,
            VisitState::Planned { .. } => {
                self.running(said).is_ok() || self.was_made_early(&record, by, said)
            }
            VisitState::GoingHome { .. } => !worker_alone,
            VisitState::Ended { .. } | VisitState::Cancelled { .. } | VisitState::Recorded { .. } => false,
        };
        match self.details.home_within {
            _ if !leaves => self.said_again(record, said.now),
            Some(within) if worker_alone => self.goes_home(within, record, alarm, said, policy),
            _ => self.out(record, by, alarm, said),
        }
    }

    /// Whether the worker says already of a plan how it turned out: they came early, and forgot to say that they were there.
    fn was_made_early(&self, record: &Record, by: By, said: Said) -> bool {
        let soon = self.expected_arrival.is_some_and(|arrival| arrival - said.at <= PLAN_MATCHES);
        soon && matches!(by, By::Worker(..)) && record.outcome.is_some_and(VisitOutcome::tells_of_a_visit)
    }

    fn goes_home(
        mut self,
        within: TimeDelta,
        record: Record,
        alarm: Alarm,
        said: Said,
        policy: &Policy,
    ) -> Decision {
        let body = json!({
            "before": {"expected_departure": stamp(self.expected_departure)},
            "late": self.expected_departure < said.at, "home_by": stamp(said.at + within),
        });
        let mut events = vec![NewEvent::new(EventKind::VisitLeft, said.at, body)];
        let of = (Awaited::HomeSafe, self.details.risk);
        let by = (said.at + within).max(said.now);
        self.state =
            VisitState::GoingHome { deadline: Deadline::new(by, self.fresh_number(), said.now, of, policy) };
        self.left_at = Some(said.at);
        self.heard(said.at);
        if record != Record::default() {
            events.push(recording(&mut self, record, said.now));
        }
        let effects = if alarm == Alarm::Sos { vec![Effect::PinUsed] } else { vec![] };
        Decision { visit: self, events, effects }
    }

    /// Nothing is running: said again, or never begun. Never an error (safety rule 1). What is said with it of how it turned out
    /// is kept where that is missing.
    fn said_again(mut self, record: Record, now: Time) -> Decision {
        let missing = Record {
            outcome: record.outcome.filter(|_| self.outcome.is_none()),
            seen_whom: record.seen_whom.filter(|_| self.seen_whom.is_none()),
            work_undertaken: record.work_undertaken.filter(|_| self.work_undertaken.is_none()),
        };
        if missing == Record::default() || !self.can_be_recorded() {
            return unchanged(self);
        }
        let event = recording(&mut self, missing, now);
        Decision { visit: self, events: vec![event], effects: vec![] }
    }

    /// The worker is home, whether or not they had said that they left.
    fn home_safe(self, by: By, alarm: Alarm, said: Said) -> Decision {
        match self.running(said) {
            Ok(_) => self.out(Record::default(), by, alarm, said),
            Err(_) => unchanged(self),
        }
    }

    fn out(mut self, record: Record, by: By, alarm: Alarm, said: Said) -> Decision {
        let due = match &self.state {
            VisitState::GoingHome { deadline } => deadline.at,
            _ => self.expected_departure,
        };
        let how = match (by, alarm) {
            (By::Another { .. }, _) => EndedHow::EndedForWorker,
            (By::Worker(..), Alarm::Overdue | Alarm::WithPolice) => EndedHow::AfterAlarm,
            (By::Worker(..), _) if due < said.at => EndedHow::LateCheckOut,
            (By::Worker(..), _) if self.left_at.is_some() => EndedHow::HomeSafe,
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
            VisitState::GoingHome { deadline } if self.can_be_objected_to() => {
                ((deadline.at - self.extended_by_others).max(said.now), deadline.number + 1)
            }
            _ if !self.can_be_objected_to() => {
                return Err(match &self.state {
                    VisitState::Planned { .. } => NotNow::NotBegun,
                    _ => NotNow::NothingToObjectTo,
                });
            }
            VisitState::Begun { deadline, .. } => {
                ((deadline.at - self.extended_by_others).max(said.now), deadline.number + 1)
            }
            _ => {
                let past = self.expected_departure <= said.now;
                let at = if past { said.now + delta(policy.default_visit) } else { self.expected_departure };
                (at, self.fresh_number())
            }
        };
        let body = json!({
            "before": {"state": self.state.as_str(), "expected_departure": stamp(self.expected_departure), "by": self.acted_by},
            "after": {"expected_departure": stamp(at)},
        });
        let event = NewEvent::new(EventKind::VisitObjected, said.at, body);
        let acted = self.acted_by.take();
        self.heard(said.at);
        let next = |what| Deadline::new(at, number, said.now, (what, self.details.risk), policy);
        match &mut self.state {
            VisitState::GoingHome { deadline } => *deadline = next(Awaited::HomeSafe),
            // A check stays due when it was: without the PIN this is no sign of life.
            VisitState::Begun { deadline, .. } => {
                *deadline = next(Awaited::Departure);
                self.expected_departure = at;
            }
            _ => {
                self.arrived_at = self.arrived_at.or(Some(said.at));
                self.begin(at, number, said.now, policy);
            }
        }
        let effects = vec![Effect::ToldOfObjection { acted }];
        Ok(Decision { visit: self, events: vec![event], effects })
    }

    fn record(mut self, record: Record, now: Time) -> Result<Decision, NotNow> {
        match self.state {
            VisitState::Planned { .. } => Err(NotNow::NotBegun),
            _ if !self.can_be_recorded() => Err(NotNow::Over),
            _ => {
                let event = recording(&mut self, record, now);
                Ok(Decision { visit: self, events: vec![event], effects: vec![] })
            }
        }
    }

    /// Whether it is, or was, a visit of which there is something to say.
    fn can_be_recorded(&self) -> bool {
        !matches!(self.state, VisitState::Planned { .. } | VisitState::Cancelled { .. })
    }

    fn cancel(mut self, reason: &str, by: By, alarm: Alarm, said: Said) -> Result<Decision, NotNow> {
        match self.state {
            VisitState::Planned { .. } => {}
            VisitState::Begun { .. } | VisitState::GoingHome { .. } => return Err(NotNow::HasBegun),
            VisitState::Ended { .. } | VisitState::Recorded { .. } => return Err(NotNow::Over),
            VisitState::Cancelled { .. } => return Ok(unchanged(self)),
        }
        self.state = VisitState::Cancelled { at: said.at, by: by.person() };
        let event =
            NewEvent::new(EventKind::VisitCancelled, said.at, json!({"before": {"state": "planned"}}))
                .with_private(json!({"reason": reason}));
        // Others had been told that it had not begun: a person makes sure.
        let effects = match alarm {
            Alarm::Overdue | Alarm::WithPolice => vec![Effect::WorkerReports(Report::Safe)],
            Alarm::Sos => vec![Effect::PinUsed],
            Alarm::Quiet => vec![],
        };
        Ok(Decision { visit: self, events: vec![event], effects })
    }

    /// What runs and an act can be about. A plan runs from the expected arrival on: then its worker is looked for.
    fn running(&self, said: Said) -> Result<(Awaited, Deadline), NotNow> {
        match &self.state {
            VisitState::Begun { deadline, .. } => Ok((Awaited::Departure, *deadline)),
            VisitState::GoingHome { deadline } => Ok((Awaited::HomeSafe, *deadline)),
            VisitState::Planned { deadline: Some(deadline), .. } if deadline.at <= said.at => {
                Ok((Awaited::Arrival, *deadline))
            }
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

/// How it turned out. Whoever never said that they were there, and says this, was there when they had planned to be.
fn recording(visit: &mut Visit, record: Record, now: Time) -> NewEvent {
    let Record { outcome, seen_whom, work_undertaken } = record;
    let mut body =
        json!({"before": {"outcome": visit.outcome}, "after": {"outcome": outcome.or(visit.outcome)}});
    visit.outcome = outcome.or(visit.outcome);
    visit.seen_whom = seen_whom.clone().or(visit.seen_whom.take());
    visit.work_undertaken = work_undertaken.clone().or(visit.work_undertaken.take());
    visit.recorded_at = Some(now);
    let over = match visit.state {
        VisitState::Ended { at, .. } => visit.left_at.or(Some(at)),
        _ => visit.left_at,
    };
    if let (None, Some(left)) = (visit.arrived_at, over)
        && visit.outcome.is_some_and(VisitOutcome::tells_of_a_visit)
    {
        let arrived = visit.expected_arrival.map_or(left, |planned| planned.min(left));
        visit.arrived_at = Some(arrived);
        body["after"]["arrived_at"] = json!(stamp(arrived));
    }
    NewEvent::new(EventKind::VisitRecorded, now, body)
        .with_private(json!({"seen_whom": seen_whom, "work_undertaken": work_undertaken}))
}
