//! What becomes of an alarm: who was called in which round, who has it until when, what the worker says meanwhile.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use homeward::clock::Time;

use super::{LADDERS, OUTSIDE, Who, visits::What};

const BETWEEN_STEPS: TimeDelta = TimeDelta::minutes(5);
const SOS_PACE: TimeDelta = TimeDelta::minutes(2);
const PROMISE: TimeDelta = TimeDelta::minutes(15);
const PROMISE_SOS: TimeDelta = TimeDelta::minutes(5);
const WARNING: TimeDelta = TimeDelta::minutes(2);
const POLICE_REMINDER: TimeDelta = TimeDelta::minutes(30);
const UNCONFIRMED: TimeDelta = TimeDelta::minutes(30);
const OUTSIDE_WAITS: TimeDelta = TimeDelta::minutes(5);

/// What an incident is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Overdue,
    Sos,
    Duress,
}

/// Who has an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    Nobody { due: Time },
    Owned { by: Who, until: Time, warned: bool },
    WithPolice { by: Who, due: Time, unanswered: i32 },
}

/// What the worker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    None,
    Safe,
    SafeInside { till: Time },
    PinUsed { at: Time },
}

impl Claim {
    pub(super) fn holds(self) -> bool {
        matches!(self, Self::Safe | Self::SafeInside { .. })
    }
}

/// One round of calls.
#[derive(Debug, Clone)]
pub struct Round {
    pub at: Time,
    pub raise: i32,
    pub step: i32,
    pub number: i32,
    pub told: Vec<Who>,
}

/// Somebody has it, or it is over: nobody else is to be called.
#[derive(Debug, Clone)]
pub struct Quiet {
    pub since: Time,
    pub until: Option<Time>,
    /// Who has it, where it is not the end.
    pub owner: Option<Who>,
}

/// A call for help: of the worker, or of a responder who found them not safe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cried {
    pub(super) at: Time,
    pub(super) by_worker: bool,
}

#[derive(Debug, Clone)]
pub struct Incident {
    pub visit: Option<usize>,
    /// What the worker did not do, and by when it was awaited: the first of it.
    pub missed: Option<(What, Time)>,
    /// What else at the same instant: which of them counts as the first nobody has promised.
    pub missed_too: Vec<What>,
    pub subject: Who,
    pub kind: Kind,
    pub opened: Time,
    pub after_outage: bool,
    pub open: bool,
    pub holder: Holder,
    pub claim: Claim,
    pub raise: i32,
    pub step: i32,
    pub round: i32,
    /// The last call for help.
    pub(super) cried: Option<Cried>,
    held_in_raise: Option<i32>,
    /// Who has it or had it.
    had: BTreeSet<Who>,
    pub rounds: Vec<Round>,
    pub quiet: Vec<Quiet>,
    /// Who has to be told something of it, beside the rounds, and when.
    pub told: Vec<(Time, Who)>,
}

/// Why a round goes out, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    ItsTime,
    Otherwise,
}

impl Incident {
    pub(super) fn new(subject: Who, visit: Option<usize>, kind: Kind, after_outage: bool, now: Time) -> Self {
        Self {
            visit,
            missed: None,
            missed_too: Vec::new(),
            subject,
            kind,
            opened: now,
            after_outage,
            open: true,
            holder: Holder::Nobody { due: now },
            claim: Claim::None,
            raise: 0,
            step: 0,
            round: 0,
            cried: None,
            held_in_raise: None,
            had: BTreeSet::new(),
            rounds: vec![],
            quiet: vec![],
            told: vec![],
        }
    }

    /// Somebody calls for help, or called then.
    pub(super) fn cries(&mut self, said: Time, by_worker: bool) {
        let at = self.cried.map_or(said, |before| before.at.max(said));
        self.cried = Some(Cried { at, by_worker });
    }

    /// Something awaited of its worker did not happen.
    pub(super) fn misses(&mut self, what: What, at: Time) {
        match self.missed {
            Some((_, before)) if at == before => self.missed_too.push(what),
            Some((_, before)) if at > before => {}
            _ => {
                self.missed = Some((what, at));
                self.missed_too.clear();
            }
        }
    }

    pub fn owner(&self) -> Option<Who> {
        match self.holder {
            Holder::Owned { by, .. } | Holder::WithPolice { by, .. } if self.open => Some(by),
            _ => None,
        }
    }

    /// Everybody whom it has called so far, or who had it.
    pub fn called(&self) -> BTreeSet<Who> {
        let called = self.rounds.iter().flat_map(|round| round.told.iter().copied());
        called.chain(self.had.iter().copied()).collect()
    }

    /// Whether one of its rounds called them.
    pub fn was_called(&self, who: Who) -> bool {
        self.rounds.iter().any(|round| round.told.contains(&who))
    }

    /// When it next needs the timer.
    pub fn due(&self) -> Option<Time> {
        match self.holder {
            _ if !self.open => None,
            Holder::Owned { until, warned: false, .. } => Some(until - WARNING),
            Holder::Owned { until: due, .. } | Holder::Nobody { due } | Holder::WithPolice { due, .. } => {
                Some(due)
            }
        }
    }

    pub(super) fn promise(&self) -> TimeDelta {
        if self.kind >= Kind::Sos { PROMISE_SOS } else { PROMISE }
    }

    pub(super) fn call(&mut self, why: Why, now: Time) {
        let sos = self.kind >= Kind::Sos;
        let ladder = LADDERS.iter().find(|(worker, _)| *worker == self.subject).unwrap().1;
        let left_out = |who: &Who| self.kind == Kind::Duress && OUTSIDE.contains(who);
        let mut step = usize::try_from(self.step).unwrap().clamp(usize::from(sos), 3);
        if self.round == 0 {
            while step < 3 && ladder[step].iter().all(left_out) {
                step += 1;
            }
        }
        let waits = self.after_outage && !sos && why == Why::ItsTime && now < self.opened + OUTSIDE_WAITS;
        let mut told: Vec<Who> = Vec::new();
        for who in ladder[..=step].iter().copied().flatten() {
            let has_to_wait = waits && OUTSIDE.contains(who);
            if !has_to_wait && !left_out(who) && !told.contains(who) {
                told.push(who);
            }
        }
        let step = i32::try_from(step).unwrap();
        self.rounds.push(Round { at: now, raise: self.raise, step, number: self.round, told });
        let next = if sos { 3 } else { step + 1 };
        (self.step, self.round) = if step == 3 { (3, self.round + 1) } else { (next, 0) };
        self.holder = Holder::Nobody { due: now + if sos { SOS_PACE } else { BETWEEN_STEPS } };
        if self.claim.holds() {
            self.claim = Claim::None;
        }
        self.noise_again(now);
    }

    fn raise_again(&mut self, now: Time) {
        self.raise += 1;
        self.round = 0;
        self.call(Why::Otherwise, now);
    }

    /// Somebody calls for help: the first two steps at least, and whoever had it has it no longer.
    pub(super) fn upgrade(&mut self, kind: Kind, now: Time) {
        self.kind = self.kind.max(kind);
        self.raise_again(now);
    }

    pub(super) fn noise_again(&mut self, now: Time) {
        if let Some(quiet) = self.quiet.last_mut()
            && quiet.until.is_none()
        {
            quiet.until = Some(now);
        }
    }

    /// Somebody has it from now on. Whoever was called, and whoever had it, is told; `by` did it and knows.
    pub(super) fn held(&mut self, holder: Holder, by: Who, now: Time) {
        let same = self.owner() == Some(by);
        self.holder = holder;
        self.noise_again(now);
        let owner = self.owner();
        self.had.extend(owner);
        self.quiet.push(Quiet { since: now, until: None, owner });
        self.tell(by, now);
        if same {
            // Outside contacts know already who has it.
            self.told.retain(|(at, who)| *at != now || !OUTSIDE.contains(who));
        }
    }

    /// Those of them who have accounts are told something.
    pub(super) fn tell_staff(&mut self, now: Time) {
        let staff = self.called().into_iter().filter(|who| !OUTSIDE.contains(who));
        self.told.extend(staff.map(|who| (now, who)));
    }

    pub(super) fn tell(&mut self, by: Who, now: Time) {
        self.told.extend(self.called().into_iter().filter(|who| *who != by).map(|who| (now, who)));
    }

    /// Its time has come.
    pub(super) fn go_on(&mut self, now: Time) {
        match self.holder {
            Holder::Nobody { .. } if !self.claim.holds() => self.call(Why::ItsTime, now),
            Holder::Owned { by, until, .. } if now < until => {
                self.holder = Holder::Owned { by, until, warned: true };
            }
            Holder::WithPolice { by, unanswered: 0, .. } => {
                self.holder = Holder::WithPolice { by, due: now + POLICE_REMINDER, unanswered: 1 };
            }
            _ => self.raise_again(now),
        }
    }

    /// The worker, with the PIN, says that all is well.
    pub(super) fn worker_reports(&mut self, till: Option<Time>, now: Time) {
        if self.kind >= Kind::Sos {
            self.claim = Claim::PinUsed { at: now };
            return;
        }
        self.claim = till.map_or(Claim::Safe, |till| Claim::SafeInside { till });
        let wait = till.map_or(now + UNCONFIRMED, |till| till.min(now + UNCONFIRMED));
        let first = self.held_in_raise != Some(self.raise);
        let later = |before: Time| if first { wait } else { wait.min(before) };
        self.holder = match self.holder {
            Holder::Nobody { due } => Holder::Nobody { due: later(due) },
            Holder::Owned { by, until, .. } => Holder::Owned { by, until: later(until), warned: false },
            Holder::WithPolice { .. } => return,
        };
        self.held_in_raise = Some(self.raise);
    }

    pub(super) fn cannot(&mut self, who: Who, now: Time) {
        match self.holder {
            Holder::Nobody { .. } if self.round == 0 && !self.claim.holds() => self.call(Why::Otherwise, now),
            _ if self.owner() == Some(who) => self.raise_again(now),
            _ => {}
        }
    }

    pub(super) fn not_safe(&mut self, by: Who, now: Time) {
        let (before, owner) = (self.holder, self.owner());
        self.cries(now, false);
        self.step = 3;
        self.upgrade(Kind::Sos, now);
        if owner == Some(by) {
            // It is theirs still, and everybody hears of it all the same.
            self.holder = match before {
                Holder::WithPolice { .. } => with_police(by, now),
                _ => Holder::Owned { by, until: now + PROMISE_SOS, warned: false },
            };
        } else {
            self.told.extend(owner.map(|owner| (now, owner)));
        }
    }
}

pub(super) fn with_police(by: Who, now: Time) -> Holder {
    Holder::WithPolice { by, due: now + POLICE_REMINDER, unanswered: 0 }
}

pub(super) fn passed_to(holder: Holder, by: Who, until: Time) -> Holder {
    match holder {
        Holder::WithPolice { due, .. } => Holder::WithPolice { by, due, unanswered: 0 },
        _ => Holder::Owned { by, until, warned: false },
    }
}
