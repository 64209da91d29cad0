//! What comes from the worker's own side. It holds a ladder for a while at most, and never that of a call for help: whoever
//! holds the phone could say it (row E7).

use serde_json::json;

use super::{
    CallsOff, Claim, Cry, Decision, Holder, Incident, IncidentState, Kind, Position, Rules, Sos, Told, Why,
    changed, unchanged,
};
use crate::{
    clock::Time,
    domain::{
        event::{EventKind, NewEvent, stamp},
        ids::VisitId,
        policy::{Policy, delta},
        visit::{Missed, Report},
    },
};

impl Incident {
    /// The worker, with the PIN, says that they are safe. In an overdue incident it holds the ladder once per raise; with the
    /// police nothing waits for it, and the owner is told; after a call for help it is only noted. It never ends anything.
    pub fn worker_reports(mut self, report: Report, policy: &Policy, now: Time) -> Decision {
        let IncidentState::Open { holder, .. } = self.state else { return unchanged(self) };
        if self.kind.is_call_for_help() {
            return self.pin_used(now);
        }
        let claim = Claim::from(report);
        let mut body = json!({
            "report": claim.as_str(),
            "inside_till": match report { Report::Safe => None, Report::SafeInside { till } => Some(stamp(till)) },
            "raise": self.rung.raise,
        });
        if let Holder::WithPolice { by: owner, .. } = holder {
            self.state = IncidentState::Open { holder, claim };
            let event = NewEvent::new(EventKind::IncidentWorkerReports, now, body);
            return Decision { told: vec![Told::ReportsToOwner { owner, report }], ..changed(self, event) };
        }
        let wait = now + delta(policy.unconfirmed_report);
        let wait = match report {
            Report::Safe => wait,
            Report::SafeInside { till } => wait.min(till),
        };
        let first = self.held_in_raise != Some(self.rung.raise);
        self.held_in_raise = Some(self.rung.raise);
        // Said again in the same raise it is kept, but makes nothing later.
        let waits_until = |before: Time| if first { wait } else { wait.min(before) };
        let holder = match holder {
            Holder::Nobody { due } => Holder::Nobody { due: waits_until(due) },
            Holder::Owned { by, until, .. } => Holder::Owned { by, until: waits_until(until), warned: false },
            with @ Holder::WithPolice { .. } => with,
        };
        self.state = IncidentState::Open { holder, claim };
        body["ladder_waits_until"] = json!(stamp(holder.waits_until()));
        let event = NewEvent::new(EventKind::IncidentWorkerReports, now, body);
        Decision { told: vec![Told::WorkerReports(report)], ..changed(self, event) }
    }

    /// After a call for help the PIN was used: shown, and nothing else.
    fn pin_used(mut self, now: Time) -> Decision {
        if let IncidentState::Open { claim, .. } = &mut self.state {
            *claim = Claim::PinUsed { at: now };
        }
        changed(self, NewEvent::new(EventKind::IncidentPinUsed, now, json!({})))
    }

    /// The worker calls for help while it is open, aloud or silently: it becomes that, whoever had it has it no longer, and the
    /// ladder starts again. Said again within two minutes it is told, and ownership stays.
    pub fn sos(mut self, cry: Cry<'_>, rules: Rules<'_>, now: Time) -> Decision {
        let IncidentState::Open { holder, .. } = self.state else { return unchanged(self) };
        let at = cry.sos.at;
        let same = cry.kind <= self.kind
            && self
                .sos
                .filter(|sos| sos.by == self.subject)
                .is_some_and(|sos| (at - sos.at).abs() < delta(rules.policy.sos_same));
        if same {
            self.sos = Some(self.latest(cry.sos));
            let body = json!({"again": true, "kind": cry.kind});
            let event = NewEvent::new(EventKind::IncidentSos, at, body).with_words(cry.words);
            let told = if self.kind == Kind::Duress { Told::DuressAgain } else { Told::SosAgain };
            return Decision { told: vec![told], ..changed(self, event) };
        }
        let owner = holder.owner();
        let mut decision = self.upgraded(cry, rules, now);
        if decision.incident.kind == Kind::Duress {
            decision.told.push(Told::StandDown { owner });
            // What has not gone out yet says: ring the worker.
            decision.calls_off = CallsOff::TakenBack;
        } else {
            decision.told.extend(owner.map(|owner| Told::SosToOwner { owner }));
        }
        decision
    }

    fn latest(&self, sos: Sos) -> Sos {
        Sos { at: sos.at.max(self.sos.map_or(sos.at, |before| before.at)), ..sos }
    }

    /// Becomes a call for help, never less than it was, and runs the ladder again from its first two steps at least.
    pub(super) fn upgraded(mut self, cry: Cry<'_>, rules: Rules<'_>, now: Time) -> Decision {
        let before = json!({"kind": self.kind, "owner": self.owner()});
        self.kind = self.kind.max(cry.kind);
        self.sos = Some(self.latest(cry.sos));
        self.companions.extend(cry.companions);
        self.rung.raise += 1;
        self.leave_step_behind(rules.ladder);
        let body = json!({"before": before, "kind": cry.kind, "by": cry.sos.by, "raise": self.rung.raise});
        let mut decision = self.round(Why::Sos, rules, now);
        let event = NewEvent::new(EventKind::IncidentSos, cry.sos.at, body).with_words(cry.words);
        decision.events.insert(0, event);
        decision
    }

    /// Where the phone says it is.
    pub fn at_position(mut self, position: Position, now: Time) -> Decision {
        self.position = Some(position);
        let event = NewEvent::new(EventKind::IncidentPosition, now, json!({}))
            .with_private(json!({"position": position}));
        changed(self, event)
    }

    /// The worker has begun, without the PIN, what others were told had not begun: they learn it, and the ladder goes on.
    pub fn arrived_late(self, now: Time) -> Decision {
        if !self.is_open() {
            return unchanged(self);
        }
        let event = NewEvent::new(EventKind::IncidentVisitBegun, now, json!({"visit": self.visit}));
        Decision { told: vec![Told::ArrivedLate], ..changed(self, event) }
    }

    /// A visit of the worker fell overdue while their call for help is open: an event in it, not a second incident.
    pub fn visit_overdue(mut self, visit: VisitId, missed: Missed, now: Time) -> Decision {
        let first = self.missed.filter(|before| before.at <= missed.at);
        self.missed = Some(first.unwrap_or(missed));
        let body = json!({"visit": visit, "awaited": missed.what, "due": stamp(missed.at)});
        changed(self, NewEvent::new(EventKind::IncidentVisitOverdue, now, body))
    }
}
