//! What time brings to an open incident: rounds of its ladder, warnings, lapses, reminders.

use std::time::Duration;

use serde_json::json;

use super::{
    CallsOff, Claim, Decision, Holder, Incident, IncidentState, Kind, Opened, Round, Rules, Rung, Told, Why,
    changed, unchanged,
};
use crate::{
    clock::Time,
    domain::{
        contact::{Channel, Phone},
        event::{EventKind, NewEvent, stamp},
        ids::PersonId,
        ladder::{self, Call, Ladder, Recipient},
        people::{Directory, Person},
        policy::{Policy, delta},
    },
};

/// So many reminders about the police may go unanswered; with the last the ladder runs again.
const POLICE_REMINDERS: i32 = 2;

impl Incident {
    /// What its time has brought: a round of the ladder, a warning, a lapse, a reminder; nothing if it is not yet due.
    pub fn due(self, rules: Rules<'_>, now: Time) -> Decision {
        if self.next_due(rules.policy).is_none_or(|due| now < due) {
            return unchanged(self);
        }
        let IncidentState::Open { holder, claim } = self.state else { return unchanged(self) };
        match holder {
            Holder::Nobody { .. } if claim.holds_the_ladder() => {
                self.raise_again(EventKind::IncidentUnconfirmed, Why::Unconfirmed, rules, now)
            }
            Holder::Nobody { .. } => self.round(Why::NotTaken, rules, now),
            Holder::Owned { by, until, .. } if now < until => self.warn(by, until, claim, now),
            Holder::Owned { .. } if claim.holds_the_ladder() => {
                self.raise_again(EventKind::IncidentUnconfirmed, Why::Unconfirmed, rules, now)
            }
            Holder::Owned { by, .. } => {
                self.raise_again(EventKind::IncidentLapsed, Why::Lapsed(by), rules, now)
            }
            Holder::WithPolice { by, unanswered, .. } if unanswered + 1 < POLICE_REMINDERS => {
                self.remind_of_police(by, unanswered + 1, claim, rules.policy, now)
            }
            Holder::WithPolice { by, .. } => {
                self.raise_again(EventKind::IncidentLapsed, Why::PoliceUnanswered(by), rules, now)
            }
        }
    }

    /// The ladder runs again from the next step not yet done, at once, and tells the earlier ones again.
    pub(super) fn raise_again(mut self, kind: EventKind, why: Why, rules: Rules<'_>, now: Time) -> Decision {
        let claim = match &self.state {
            IncidentState::Open { claim, .. } => claim.as_str(),
            IncidentState::Closed { .. } => return unchanged(self),
        };
        let owner = self.owner();
        self.rung.raise += 1;
        self.leave_step_behind(rules.ladder);
        let body = json!({"owner": owner, "claim": claim, "raise": self.rung.raise});
        let mut decision = self.round(why, rules, now);
        decision.events.insert(0, NewEvent::new(kind, now, body));
        decision
    }

    /// Whether there is a step that has not been done in this raise.
    pub(super) fn has_a_next_step(&self, ladder: &Ladder) -> bool {
        self.rung.round == 0 || self.rung.step < signed(ladder.last_step())
    }

    /// A step that has been done once is done: what is still due of it are repeats. The last one stays.
    pub(super) fn leave_step_behind(&mut self, ladder: &Ladder) {
        if self.rung.round > 0 && self.rung.step < signed(ladder.last_step()) {
            self.rung.step += 1;
        }
        self.rung.round = 0;
    }

    fn warn(mut self, owner: PersonId, until: Time, claim: Claim, now: Time) -> Decision {
        self.state = IncidentState::Open { holder: Holder::Owned { by: owner, until, warned: true }, claim };
        let body = json!({"owner": owner, "until": stamp(until)});
        let event = NewEvent::new(EventKind::IncidentOwnerWarned, now, body);
        Decision { told: vec![Told::OwnerWarned { owner, until }], ..changed(self, event) }
    }

    fn remind_of_police(
        mut self,
        owner: PersonId,
        unanswered: i32,
        claim: Claim,
        policy: &Policy,
        now: Time,
    ) -> Decision {
        let due = now + delta(policy.police_reminder);
        self.state = IncidentState::Open { holder: Holder::WithPolice { by: owner, due, unanswered }, claim };
        let body = json!({"owner": owner, "ladder_again_at": stamp(due)});
        let event = NewEvent::new(EventKind::IncidentPoliceReminder, now, body);
        Decision { told: vec![Told::PoliceReminder { owner, until: due }], ..changed(self, event) }
    }

    /// Does the round that is due. A step that reaches nobody by itself is skipped at once and recorded (row E5); a round that
    /// reaches nobody who could take the alarm goes to the last-resort numbers too.
    pub(super) fn round(mut self, why: Why, rules: Rules<'_>, now: Time) -> Decision {
        let Rules { ladder, directory, policy } = rules;
        let mut events = Vec::new();
        let mut step = usize::try_from(self.rung.step).unwrap_or_default().min(ladder.last_step());
        let mut round = u32::try_from(self.rung.round).unwrap_or_default();
        if self.kind.is_call_for_help() {
            // The first two steps at once (row E2).
            step = step.max(1.min(ladder.last_step()));
        }
        let (kind, companions) = (self.kind, self.companions.clone());
        // Whoever has no account could ring the worker, and does not know what that would do (row E2); whoever is with them may
        // be held too (row V8).
        let left_out = |call: &Call| {
            is_outside(call, directory) || call.to.person().is_some_and(|id| companions.contains(&id))
        };
        let opened_at = self.opened_at;
        let called = |calls: Vec<Call>, wishes: Wishes| {
            let mut calls: Vec<Call> =
                calls.into_iter().map(|call| wishes.heeded(call, directory, opened_at)).collect();
            calls.retain(|call| !call.by.is_empty() && (kind != Kind::Duress || !left_out(call)));
            calls
        };
        let own = |step, wishes| called(ladder.own_calls(step, self.subject, directory), wishes);
        let reaches_nobody = |step| own(step, Wishes::Heeded).is_empty();
        while round == 0 && step < ladder.last_step() {
            if reaches_nobody(step) {
                events.push(skipped(step, self.rung.raise, ladder, now));
            } else if let Some(event) =
                self.brought_forward(step, &own(step, Wishes::NotHeeded), directory, now)
            {
                events.push(event);
            } else {
                break;
            }
            step += 1;
        }
        if round == 0 && step == ladder.last_step() && reaches_nobody(step) {
            events.push(skipped(step, self.rung.raise, ladder, now));
        }
        let waits = self.opened == Opened::AfterOutage && self.kind == Kind::Overdue && why == Why::NotTaken;
        let all = |step, wishes| called(ladder.cumulative_calls(step, self.subject, directory), wishes);
        // Whoever said no is called all the same before nobody is.
        let all_of = |step| {
            let calls = all(step, Wishes::Heeded);
            if calls.is_empty() { all(step, Wishes::NotHeeded) } else { calls }
        };
        let mut calls = all_of(step);
        while waits
            && step < ladder.last_step()
            && calls.iter().all(|call| self.waits_after_outage(call, rules, now))
        {
            // Whoever this step reaches has to wait: staff of a later one are told at once.
            step += 1;
            calls = all_of(step);
        }
        if waits && !calls.iter().all(|call| self.waits_after_outage(call, rules, now)) {
            calls.retain(|call| !self.waits_after_outage(call, rules, now));
        }
        if !calls.iter().any(|call| may_take_it(call, directory)) {
            self.reached_nobody = true;
            calls.extend(last_resort(directory));
            events.push(reached_nobody(self.rung.raise, signed(step), &calls, now));
        }
        let rung = Rung { raise: self.rung.raise, step: signed(step), round: signed(round) };
        let told: Vec<_> = calls.iter().filter_map(|call| call.to.person()).collect();
        events.push(NewEvent::new(
            EventKind::IncidentRaised,
            now,
            json!({"raise": rung.raise, "step": rung.step + 1, "round": rung.round + 1, "told": told}),
        ));
        let (wait, next_step, next_round) = self.pace(step, round, ladder, policy);
        (step, round) = (next_step, next_round);
        self.rung = Rung { raise: rung.raise, step: signed(step), round: signed(round) };
        let claim = match &self.state {
            // What was said after a call for help stays in sight; it never held the ladder.
            IncidentState::Open { claim: claim @ Claim::PinUsed { .. }, .. } => *claim,
            _ => Claim::None,
        };
        self.state = IncidentState::Open { holder: Holder::Nobody { due: now + delta(wait) }, claim };
        Decision {
            incident: self,
            events,
            round: Some(Round { rung, calls, why }),
            told: vec![],
            calls_off: CallsOff::Stand,
        }
    }

    /// Row D6: where somebody of a step cannot be counted on, who declined, whose address is dead or who no longer answers, the
    /// next step does not wait for them.
    fn brought_forward(
        &self,
        step: usize,
        own: &[Call],
        directory: &Directory,
        now: Time,
    ) -> Option<NewEvent> {
        if self.kind != Kind::Overdue {
            // Nobody waits for anybody for long.
            return None;
        }
        let counted_on = |call: &Call| {
            let Some(id) = call.to.person() else { return true };
            call.by.iter().any(|channel| directory.standing(id, *channel).is_counted_on())
        };
        let not: Vec<_> =
            own.iter().filter(|call| !counted_on(call)).filter_map(|call| call.to.person()).collect();
        let body = json!({"raise": self.rung.raise, "step": step + 2, "not_counted_on": not});
        (!not.is_empty()).then(|| NewEvent::new(EventKind::IncidentStepBroughtForward, now, body))
    }

    /// From one round to the next. A call for help does not wait for the steps' own delays: everybody after two minutes, and
    /// then again every two.
    fn pace(&self, step: usize, round: u32, ladder: &Ladder, policy: &Policy) -> (Duration, usize, u32) {
        match self.kind {
            Kind::Overdue => ladder.after_round(step, round),
            Kind::Sos | Kind::Duress if step < ladder.last_step() => (policy.sos_pace, ladder.last_step(), 0),
            Kind::Sos | Kind::Duress => (policy.sos_pace, step, round + 1),
        }
    }

    /// Row E12: after an outage staff are told at once; what goes to outside contacts first waits a little.
    fn waits_after_outage(&self, call: &Call, rules: Rules<'_>, now: Time) -> bool {
        is_outside(call, rules.directory) && now < self.opened_at + delta(rules.policy.outage_outside_wait)
    }

    /// Every call of a round was refused for good: the next step comes forward, and after the last the last-resort numbers
    /// are texted. Later rounds wait for their time all the same, or refusals would chase each other.
    pub fn all_refused(
        mut self,
        refused: Rung,
        ladder: &Ladder,
        directory: &Directory,
        now: Time,
    ) -> Decision {
        let IncidentState::Open { holder: Holder::Nobody { due }, claim } = self.state else {
            return unchanged(self);
        };
        if claim.holds_the_ladder() || refused.raise != self.rung.raise || due <= now {
            return unchanged(self);
        }
        if refused.round == 0 && refused.step < signed(ladder.last_step()) {
            if self.rung.step == refused.step {
                self.leave_step_behind(ladder);
            }
            self.state = IncidentState::Open { holder: Holder::Nobody { due: now }, claim };
            let body = json!({"raise": refused.raise, "step": refused.step + 1, "all_refused": true});
            return changed(self, NewEvent::new(EventKind::IncidentStepSkipped, now, body));
        }
        self.reached_nobody = true;
        let calls = last_resort(directory);
        let event = reached_nobody(refused.raise, refused.step, &calls, now);
        Decision { round: Some(Round { rung: refused, calls, why: Why::NotTaken }), ..changed(self, event) }
    }
}

/// Whether what an outside contact wants is heeded (row D6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wishes {
    Heeded,
    NotHeeded,
}

impl Wishes {
    fn heeded(self, mut call: Call, directory: &Directory, opened_at: Time) -> Call {
        if let (Self::Heeded, Some(id)) = (self, call.to.person()) {
            call.by.retain(|channel| !directory.is_spared(id, *channel, opened_at));
        }
        call
    }
}

fn reached_nobody(raise: i32, step: i32, calls: &[Call], now: Time) -> NewEvent {
    let body = json!({"raise": raise, "step": step + 1, "last_resort_numbers": calls.len()});
    NewEvent::new(EventKind::IncidentReachedNobody, now, body)
}

fn skipped(step: usize, raise: i32, ladder: &Ladder, now: Time) -> NewEvent {
    let tell = ladder.steps.get(step).map(|step| step.tell.clone()).unwrap_or_default();
    let body = json!({"raise": raise, "step": step + 1, "tell": tell});
    NewEvent::new(EventKind::IncidentStepSkipped, now, body)
}

/// Whether a call reaches somebody who could take the alarm: an outside contact cannot.
fn may_take_it(call: &Call, directory: &Directory) -> bool {
    let person = call.to.person().and_then(|id| directory.person(id));
    person.is_some_and(|person| ladder::may_be_called_on(person.role))
}

fn is_outside(call: &Call, directory: &Directory) -> bool {
    let person = call.to.person().and_then(|id| directory.person(id));
    person.is_some_and(Person::is_outside)
}

fn last_resort(directory: &Directory) -> Vec<Call> {
    let call = |phone: &Phone| Call { to: Recipient::LastResort(phone.clone()), by: vec![Channel::Sms] };
    directory.last_resort.iter().map(call).collect()
}

fn signed<N: TryInto<i32>>(number: N) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}
