//! What people do about an incident. Who may is decided in [`crate::domain::rights`]; here, what follows.

use chrono::TimeDelta;
use serde_json::json;

use super::{
    CallsOff, Claim, Closing, Cry, Decision, FURTHEST_AT_CLOSE, Holder, Incident, IncidentState, Kind,
    NotNow, Police, Release, Review, Rules, Sos, Told, Why, WorkerNow, changed, unchanged,
};
use crate::{
    clock::Time,
    domain::{
        event::{EventKind, NewEvent, stamp},
        ids::PersonId,
        policy::{Policy, delta},
    },
};

impl Incident {
    /// A person who may own it takes it. Taking what is taken changes nothing.
    pub fn acknowledge(self, by: PersonId, policy: &Policy, now: Time) -> Result<Decision, NotNow> {
        let (holder, claim) = self.open()?;
        let Holder::Nobody { due } = holder else { return Ok(unchanged(self)) };
        let promised = now + self.promise(policy);
        let until = waits_no_less(claim, promised, due);
        let body = json!({"owner": by, "until": stamp(until), "raise": self.rung.raise});
        let event = NewEvent::new(EventKind::IncidentAcknowledged, now, body);
        Ok(self.held_by(Holder::Owned { by, until, warned: false }, Told::Taken { owner: by }, event))
    }

    /// A manager takes it from whoever has it; they are told.
    pub fn take_over(self, by: PersonId, policy: &Policy, now: Time) -> Result<Decision, NotNow> {
        let (holder, _) = self.open()?;
        let Some(from) = holder.owner() else { return self.acknowledge(by, policy, now) };
        if from == by {
            return Ok(unchanged(self));
        }
        let next = passed_to(holder, by, now + self.promise(policy));
        let body = json!({"before": {"owner": from}, "owner": by, "until": stamp(next.waits_until())});
        let event = NewEvent::new(EventKind::IncidentTakenOver, now, body);
        Ok(self.held_by(next, Told::TakenOver { owner: by, from }, event))
    }

    /// Its owner, or a manager, gives it to somebody who may own it: a promise of theirs, which lapses like any other.
    pub fn hand_over(
        self,
        by: PersonId,
        to: PersonId,
        policy: &Policy,
        now: Time,
    ) -> Result<Decision, NotNow> {
        let (holder, _) = self.open()?;
        let from = holder.owner().ok_or(NotNow::NotTaken)?;
        if from == to {
            return Ok(unchanged(self));
        }
        let next = passed_to(holder, to, now + self.promise(policy));
        let until = next.waits_until();
        let body = json!({"before": {"owner": from}, "owner": to, "by": by, "until": stamp(until)});
        let event = NewEvent::new(EventKind::IncidentHandedOver, now, body);
        Ok(self.held_by(next, Told::HandedOver { owner: to, from: by, until }, event))
    }

    /// The owner needs longer; whoever takes it and says so at once has taken it too. Never shorter than promised, and no
    /// longer than the policy allows; how much longer not said: as long as a promise.
    pub fn hold(
        self,
        by: PersonId,
        wanted: Option<TimeDelta>,
        reason: &str,
        policy: &Policy,
        now: Time,
    ) -> Result<Decision, NotNow> {
        let (holder, claim) = self.open()?;
        if holder.owner().is_some_and(|owner| owner != by) {
            return Err(NotNow::NotYours);
        }
        let longest = delta(match self.kind {
            Kind::Overdue => policy.longest_hold,
            Kind::Sos | Kind::Duress => policy.longest_hold_sos,
        });
        let wanted = wanted.unwrap_or_else(|| self.promise(policy));
        let asked = now + wanted.clamp(TimeDelta::zero(), longest);
        let next = match holder {
            Holder::Nobody { due } => {
                let until = waits_no_less(claim, asked.max(now + self.promise(policy)), due);
                Holder::Owned { by, until, warned: false }
            }
            Holder::Owned { until, .. } => Holder::Owned { by, until: asked.max(until), warned: false },
            Holder::WithPolice { .. } => with_police(by, policy, now),
        };
        let until = next.waits_until();
        let body = json!({"owner": by, "until": stamp(until), "asked_minutes": wanted.num_minutes()});
        let event = NewEvent::new(EventKind::IncidentHeld, now, body).with_private(json!({"reason": reason}));
        let told = match holder {
            Holder::Nobody { .. } => Told::TakenAndHeld { owner: by, until },
            Holder::Owned { .. } | Holder::WithPolice { .. } => Told::Held { owner: by, until },
        };
        Ok(self.held_by(next, told, event))
    }

    /// Somebody who was called cannot: the next step comes at once, and the others are told (row E11). From its owner it is a
    /// lapse. Where somebody else has it, or every step has been done, it is told and changes nothing.
    pub fn cannot(mut self, who: PersonId, rules: Rules<'_>, now: Time) -> Result<Decision, NotNow> {
        let (holder, claim) = self.open()?;
        let said =
            NewEvent::new(EventKind::IncidentCannot, now, json!({"who": who, "owner": holder.owner()}));
        let mut decision = match holder {
            Holder::Nobody { .. } if self.has_a_next_step(rules.ladder) && !claim.holds_the_ladder() => {
                self.leave_step_behind(rules.ladder);
                self.round(Why::Cannot(who), rules, now)
            }
            holder if holder.owner() == Some(who) => {
                self.raise_again(EventKind::IncidentLapsed, Why::Cannot(who), rules, now)
            }
            _ => unchanged(self),
        };
        decision.events.insert(0, said);
        decision.told.push(Told::Cannot { who });
        Ok(decision)
    }

    /// Somebody who was called found the worker not safe: an emergency, every step now (row E11). Its owner keeps it.
    pub fn not_safe(
        mut self,
        by: PersonId,
        words: &str,
        rules: Rules<'_>,
        now: Time,
    ) -> Result<Decision, NotNow> {
        let (holder, claim) = self.open()?;
        let last = i32::try_from(rules.ladder.last_step()).unwrap_or(i32::MAX);
        self.rung.step = self.rung.step.max(last);
        let claim = if self.kind.is_call_for_help() { claim } else { Claim::None };
        let promise = now + delta(rules.policy.ownership_sos);
        let cry = Cry { kind: Kind::Sos, sos: Sos { at: now, by }, words: Some(words), companions: &[] };
        let mut decision = self.upgraded(cry, rules, now);
        if holder.owner() == Some(by) {
            let holder = match holder {
                Holder::WithPolice { .. } => with_police(by, rules.policy, now),
                _ => Holder::Owned { by, until: promise, warned: false },
            };
            decision.incident.state = IncidentState::Open { holder, claim };
        } else {
            decision.told.extend(holder.owner().map(|owner| Told::SosToOwner { owner }));
        }
        Ok(decision)
    }

    /// The police have been called. Said again it keeps the newest facts, and answers their reminder.
    pub fn with_police(
        mut self,
        by: PersonId,
        told: Police,
        policy: &Policy,
        now: Time,
    ) -> Result<Decision, NotNow> {
        let (holder, _) = self.open()?;
        if holder.owner().is_some_and(|owner| owner != by) {
            return Err(NotNow::NotYours);
        }
        let body = json!({"owner": by, "told_at": stamp(told.at)});
        let event = NewEvent::new(EventKind::IncidentWithPolice, now, body)
            .with_private(json!({"log_number": told.log_number, "officer": told.officer}));
        let notice = Told::WithPolice { owner: by, log_number: told.log_number.clone() };
        self.police = Some(told);
        Ok(self.held_by(with_police(by, policy, now), notice, event))
    }

    /// An outside contact says that they are trying, or that the worker is safe: recorded and told, stops nothing (row E3).
    pub fn outside_trying(self, contact: PersonId, now: Time) -> Result<Decision, NotNow> {
        self.open()?;
        let event = NewEvent::new(EventKind::IncidentOutsideTrying, now, json!({"contact": contact}));
        Ok(Decision { told: vec![Told::OutsideTrying { contact }], ..changed(self, event) })
    }

    /// Somebody who was called says that the worker is safe: a report that a person confirms by closing it. It moves no timer.
    pub fn reported_safe(self, by: PersonId, words: &str, now: Time) -> Result<Decision, NotNow> {
        self.open()?;
        let event =
            NewEvent::new(EventKind::IncidentReportedSafe, now, json!({"by": by})).with_words(Some(words));
        Ok(Decision { told: vec![Told::ReportedSafe { by }], ..changed(self, event) })
    }

    /// Somebody writes something down, at any time. From the owner it answers a reminder about the police.
    pub fn note(mut self, by: PersonId, note: &str, policy: &Policy, now: Time) -> Decision {
        if let IncidentState::Open { holder: holder @ Holder::WithPolice { .. }, .. } = &mut self.state
            && holder.owner() == Some(by)
        {
            *holder = with_police(by, policy, now);
        }
        let event =
            NewEvent::new(EventKind::IncidentNoted, now, json!({})).with_private(json!({"note": note}));
        changed(self, event)
    }

    /// A person says how it ended.
    pub fn close(mut self, closing: Closing) -> Result<Decision, NotNow> {
        let (holder, claim) = self.open()?;
        if let WorkerNow::StillThere { until } = closing.worker_now {
            if self.visit.is_none() {
                return Err(NotNow::NoVisit);
            }
            if until <= closing.at || until > closing.at + FURTHEST_AT_CLOSE {
                return Err(NotNow::WatchedTooLong);
            }
        }
        let event = NewEvent::new(
            EventKind::IncidentClosed,
            closing.at,
            json!({
                "before": {"owner": holder.owner(), "claim": claim.as_str()},
                "outcome": closing.outcome,
                "known_by": closing.known_by,
                "worker_now": closing.worker_now,
            }),
        )
        .with_private(json!({"note": closing.note}));
        let told = vec![Told::Closed { outcome: closing.outcome, by: closing.by }];
        self.state = IncidentState::Closed { closing, review: None };
        Ok(Decision { told, calls_off: CallsOff::TakenBack, ..changed(self, event) })
    }

    /// A manager says what was learned; said again it replaces what was said, and the log keeps both.
    pub fn review(mut self, review: Review) -> Result<Decision, NotNow> {
        let IncidentState::Closed { closing, review: before } = self.state else {
            return Err(NotNow::StillOpen);
        };
        let event = NewEvent::new(EventKind::IncidentReviewed, review.at, json!({"again": before.is_some()}))
            .with_private(json!({"learned": review.learned, "action": review.action}));
        self.state = IncidentState::Closed { closing, review: Some(review) };
        Ok(changed(self, event))
    }

    /// A manager releases a duress alarm to its subject, once it is closed. Again it changes nothing.
    pub fn release(mut self, release: Release) -> Result<Decision, NotNow> {
        if self.is_open() {
            return Err(NotNow::StillOpen);
        }
        if self.kind != Kind::Duress {
            return Err(NotNow::NothingWithheld);
        }
        if self.released.is_some() {
            return Ok(unchanged(self));
        }
        self.released = Some(release);
        let event = NewEvent::new(EventKind::IncidentReleased, release.at, json!({"by": release.by}));
        Ok(changed(self, event))
    }

    fn open(&self) -> Result<(Holder, Claim), NotNow> {
        match &self.state {
            IncidentState::Open { holder, claim } => Ok((*holder, *claim)),
            IncidentState::Closed { .. } => Err(NotNow::Closed),
        }
    }

    /// Somebody has it: calls that have not gone out are taken back, the others are told.
    fn held_by(mut self, next: Holder, told: Told, event: NewEvent) -> Decision {
        if let IncidentState::Open { holder, .. } = &mut self.state {
            *holder = next;
        }
        Decision { told: vec![told], calls_off: CallsOff::TakenBack, ..changed(self, event) }
    }
}

/// While the ladder waits for a report to be confirmed, taking the alarm does not bring the next raise nearer.
fn waits_no_less(claim: Claim, until: Time, due: Time) -> Time {
    if claim.holds_the_ladder() { until.max(due) } else { until }
}

fn with_police(by: PersonId, policy: &Policy, now: Time) -> Holder {
    Holder::WithPolice { by, due: now + delta(policy.police_reminder), unanswered: 0 }
}

/// The same with another owner; with the police it stays, and the new owner has the reminders.
fn passed_to(holder: Holder, by: PersonId, until: Time) -> Holder {
    match holder {
        Holder::WithPolice { due, .. } => Holder::WithPolice { by, due, unanswered: 0 },
        Holder::Nobody { .. } | Holder::Owned { .. } => Holder::Owned { by, until, warned: false },
    }
}
