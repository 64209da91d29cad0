//! The rules, said again, slowly: who is watched until when, which incidents are open, who has them until when, who was
//! called in which step. It knows nothing of databases, messages, replicas or faults.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use homeward::clock::Time;

/// Somebody, by the key of the organisation's file.
pub type Who = &'static str;

/// Whom each step tells about each worker, written out. Sam is a manager who visits too: the third step would tell Sam alone,
/// so about Sam there is none.
const LADDERS: [(Who, [&[Who]; 4]); 3] = [
    ("ann", [&["jo", "sam"], &["dee"], &["sam"], &["dee", "una"]]),
    ("ben", [&["ann", "sam"], &["dee"], &["sam"], &["dee", "una"]]),
    ("sam", [&["kit", "dee"], &["dee"], &[], &["dee", "una"]]),
];
pub const WORKERS: [Who; 3] = ["ann", "ben", "sam"];
pub const MANAGERS: [Who; 3] = ["sam", "dee", "una"];
pub const OUTSIDE: [Who; 2] = ["jo", "kit"];
pub const EVERYBODY: [Who; 9] = ["ann", "ben", "sam", "dee", "una", "cas", "ari", "jo", "kit"];

const GRACE: TimeDelta = TimeDelta::minutes(10);
const BETWEEN_STEPS: TimeDelta = TimeDelta::minutes(5);
const PROMISE: TimeDelta = TimeDelta::minutes(15);
const WARNING: TimeDelta = TimeDelta::minutes(2);
const UNCONFIRMED: TimeDelta = TimeDelta::minutes(30);
const OUTAGE: TimeDelta = TimeDelta::minutes(5);
const OUTSIDE_WAITS: TimeDelta = TimeDelta::minutes(5);
const MARK_EVERY: TimeDelta = TimeDelta::seconds(15);
const SAME_WORDS: TimeDelta = TimeDelta::minutes(10);
const FINE_IN_GRACE: TimeDelta = TimeDelta::minutes(10);
const FURTHEST: TimeDelta = TimeDelta::hours(12);
const FURTHEST_FOR_ANOTHER: TimeDelta = TimeDelta::minutes(30);
const USUAL_VISIT: TimeDelta = TimeDelta::minutes(60);
const LOCK: TimeDelta = TimeDelta::minutes(15);
pub const FURTHEST_AT_CLOSE: TimeDelta = TimeDelta::minutes(60);

/// What a person is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Done,
    NotFound,
    Subject,
    Role,
    Pin,
    WorkerOnly,
    NotNow,
    Closed,
    TooLong,
}

/// What somebody does to a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Fine,
    Extend(TimeDelta),
    End,
}

/// The PIN that comes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    Right,
    Wrong,
    Missing,
}

/// Where the closer says that the worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Home,
    StillThere(TimeDelta),
}

#[derive(Debug, Clone)]
pub struct Visit {
    pub worker: Who,
    pub high_risk: bool,
    pub minutes: Option<i64>,
    pub words: String,
    pub started: Time,
    pub begun: bool,
    pub until: Time,
}

impl Visit {
    /// When others are told, if nothing is heard.
    pub fn told_at(&self) -> Time {
        self.until + if self.high_risk { TimeDelta::zero() } else { GRACE }
    }
}

/// Who has an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    Nobody { due: Time },
    Owned { by: Who, until: Time, warned: bool },
}

/// What the worker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    None,
    Safe,
    SafeInside { till: Time },
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

/// Somebody has it, or it is over: nobody is to be called.
#[derive(Debug, Clone, Copy)]
pub struct Quiet {
    pub since: Time,
    pub until: Option<Time>,
    /// Who took it, where it is not the end.
    pub owner: Option<Who>,
}

#[derive(Debug, Clone)]
pub struct Incident {
    pub visit: usize,
    pub subject: Who,
    pub opened: Time,
    pub after_outage: bool,
    pub open: bool,
    pub holder: Holder,
    pub claim: Claim,
    pub raise: i32,
    pub step: i32,
    pub round: i32,
    held_in_raise: Option<i32>,
    pub rounds: Vec<Round>,
    pub quiet: Vec<Quiet>,
}

impl Incident {
    pub fn owner(&self) -> Option<Who> {
        match self.holder {
            Holder::Owned { by, .. } if self.open => Some(by),
            _ => None,
        }
    }

    /// Everybody whom it has called so far.
    pub fn called(&self) -> BTreeSet<Who> {
        self.rounds.iter().flat_map(|round| round.told.iter().copied()).collect()
    }

    /// When it next needs the timer.
    pub fn due(&self) -> Option<Time> {
        match self.holder {
            _ if !self.open => None,
            Holder::Nobody { due } => Some(due),
            Holder::Owned { until, warned, .. } => Some(if warned { until } else { until - WARNING }),
        }
    }

    fn call(&mut self, first_run: bool, now: Time) {
        let ladder = LADDERS.iter().find(|(worker, _)| *worker == self.subject).unwrap().1;
        let mut step = usize::try_from(self.step).unwrap().min(3);
        if self.round == 0 {
            while step < 3 && ladder[step].is_empty() {
                step += 1;
            }
        }
        let waits = self.after_outage && first_run && now < self.opened + OUTSIDE_WAITS;
        let mut told: Vec<Who> = Vec::new();
        for who in ladder[..=step].iter().copied().flatten() {
            let has_to_wait = waits && OUTSIDE.contains(who);
            if !has_to_wait && !told.contains(who) {
                told.push(who);
            }
        }
        let step = i32::try_from(step).unwrap();
        self.rounds.push(Round { at: now, raise: self.raise, step, number: self.round, told });
        (self.step, self.round) = if step == 3 { (3, self.round + 1) } else { (step + 1, 0) };
        self.holder = Holder::Nobody { due: now + BETWEEN_STEPS };
        self.claim = Claim::None;
    }

    fn noise_again(&mut self, now: Time) {
        if let Some(quiet) = self.quiet.last_mut()
            && quiet.until.is_none()
        {
            quiet.until = Some(now);
        }
    }

    /// Its time has come.
    fn go_on(&mut self, now: Time) {
        match self.holder {
            Holder::Nobody { .. } if self.claim == Claim::None => return self.call(true, now),
            Holder::Owned { by, until, .. } if now < until => {
                self.holder = Holder::Owned { by, until, warned: true };
                return;
            }
            Holder::Nobody { .. } | Holder::Owned { .. } => {}
        }
        self.noise_again(now);
        self.raise += 1;
        self.round = 0;
        self.call(false, now);
    }

    /// The worker says that all is well.
    fn worker_reports(&mut self, till: Option<Time>, now: Time) {
        let wait = till.map_or(now + UNCONFIRMED, |till| till.min(now + UNCONFIRMED));
        let first = self.held_in_raise != Some(self.raise);
        self.held_in_raise = Some(self.raise);
        let later = |before: Time| if first { wait } else { wait.min(before) };
        self.holder = match self.holder {
            Holder::Nobody { due } => Holder::Nobody { due: later(due) },
            Holder::Owned { by, until, .. } => Holder::Owned { by, until: later(until), warned: false },
        };
        self.claim = till.map_or(Claim::Safe, |till| Claim::SafeInside { till });
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct PinCount {
    wrong: u32,
    locked_until: Option<Time>,
}

/// Everything that the rules speak of.
#[derive(Debug, Clone, Default)]
pub struct Model {
    pub visits: Vec<Visit>,
    pub incidents: Vec<Incident>,
    pins: BTreeMap<Who, PinCount>,
    last_round: Option<Time>,
    /// When each replica last said that it was alive.
    marked: BTreeMap<usize, Time>,
}

impl Model {
    pub fn open_incident(&self, visit: usize) -> Option<usize> {
        self.incidents.iter().position(|incident| incident.open && incident.visit == visit)
    }

    /// "I am going in": the visit, and whether it is a new one.
    pub fn start(
        &mut self,
        worker: Who,
        words: &str,
        high_risk: bool,
        minutes: Option<i64>,
        now: Time,
    ) -> (usize, bool) {
        let length = minutes.map_or(USUAL_VISIT, TimeDelta::minutes);
        let same = self.visits.iter().position(|visit| {
            visit.begun
                && visit.worker == worker
                && visit.words == words
                && visit.high_risk == high_risk
                && visit.until - visit.started == length
                && now - visit.started < SAME_WORDS
        });
        if let Some(same) = same {
            return (same, false);
        }
        let (words, until) = (words.to_owned(), now + length);
        let started = now;
        self.visits.push(Visit { worker, high_risk, minutes, words, started, begun: true, until });
        (self.visits.len() - 1, true)
    }

    /// Somebody does something to a visit.
    pub fn act(&mut self, visit: usize, by: Who, act: Act, pin: Pin, now: Time) -> Answer {
        let incident = self.open_incident(visit);
        let own = self.visits[visit].worker == by;
        if own {
            if !self.pin_is_right(by, pin, now) {
                return Answer::Pin;
            }
        } else if act == Act::Fine {
            return Answer::WorkerOnly;
        } else if incident.is_some() {
            return Answer::NotNow;
        }
        let Visit { begun, until, .. } = self.visits[visit];
        let reports = match act {
            Act::End if !begun => return Answer::Done,
            _ if !begun => return Answer::NotNow,
            Act::End => {
                self.visits[visit].begun = false;
                None
            }
            Act::Fine if incident.is_some() || now < until => None,
            Act::Fine => {
                self.visits[visit].until = now + FINE_IN_GRACE;
                return Answer::Done;
            }
            Act::Extend(length) => {
                let from = until.max(now);
                let most = if own { now + FURTHEST } else { from + FURTHEST_FOR_ANOTHER };
                self.visits[visit].until = (from + length).min(most);
                Some(self.visits[visit].until)
            }
        };
        if let Some(incident) = incident {
            self.incidents[incident].worker_reports(reports, now);
        }
        Answer::Done
    }

    fn pin_is_right(&mut self, who: Who, pin: Pin, now: Time) -> bool {
        let count = self.pins.entry(who).or_default();
        let locked = count.locked_until.is_some_and(|until| now < until);
        match pin {
            Pin::Missing => false,
            _ if locked => false,
            Pin::Right => {
                *count = PinCount::default();
                true
            }
            Pin::Wrong => {
                let wrong = if count.locked_until.is_some() { 1 } else { count.wrong + 1 };
                *count = PinCount { wrong, locked_until: (wrong >= 5).then(|| now + LOCK) };
                false
            }
        }
    }

    /// Whether they learn of an incident at all: by their post, because it called them, or because they have it.
    fn sees(&self, incident: usize, by: Who) -> bool {
        let it = &self.incidents[incident];
        MANAGERS.contains(&by)
            || ["cas", "ari"].contains(&by)
            || it.owner() == Some(by)
            || (it.open && it.called().contains(by))
    }

    fn may(&self, incident: usize, by: Who, allowed: bool) -> Option<Answer> {
        if self.incidents[incident].subject == by {
            Some(Answer::Subject)
        } else if !self.sees(incident, by) {
            Some(Answer::NotFound)
        } else if allowed {
            None
        } else {
            Some(Answer::Role)
        }
    }

    pub fn acknowledge(&mut self, incident: usize, by: Who, now: Time) -> Answer {
        let called = self.incidents[incident].called().contains(by);
        if let Some(no) = self.may(incident, by, by != "ari" && (MANAGERS.contains(&by) || called)) {
            return no;
        }
        let it = &mut self.incidents[incident];
        if !it.open {
            return Answer::Closed;
        }
        let Holder::Nobody { due } = it.holder else { return Answer::Done };
        let promised = now + PROMISE;
        let until = if it.claim == Claim::None { promised } else { promised.max(due) };
        it.holder = Holder::Owned { by, until, warned: false };
        it.quiet.push(Quiet { since: now, until: None, owner: Some(by) });
        Answer::Done
    }

    pub fn note(&mut self, incident: usize, by: Who) -> Answer {
        self.may(incident, by, by != "ari").unwrap_or(Answer::Done)
    }

    pub fn close(&mut self, incident: usize, by: Who, place: Place, now: Time) -> Answer {
        let owner = self.incidents[incident].owner() == Some(by);
        if let Some(no) = self.may(incident, by, MANAGERS.contains(&by) || owner) {
            return no;
        }
        let it = &mut self.incidents[incident];
        if !it.open {
            return Answer::Closed;
        }
        if matches!(place, Place::StillThere(length) if length > FURTHEST_AT_CLOSE) {
            return Answer::TooLong;
        }
        it.open = false;
        it.noise_again(now);
        it.quiet.push(Quiet { since: now, until: None, owner: None });
        let visit = &mut self.visits[it.visit];
        match place {
            Place::Home => visit.begun = false,
            Place::StillThere(length) => {
                visit.begun = true;
                visit.until = now + length;
            }
        }
        Answer::Done
    }

    /// An outside contact is trying.
    pub fn trying(&mut self, incident: usize, contact: Who) -> Answer {
        let it = &self.incidents[incident];
        match it.called().contains(contact) {
            false => Answer::NotFound,
            true if it.open => Answer::Done,
            true => Answer::Closed,
        }
    }

    /// A replica's timer looks. Done twice at the same time it changes nothing.
    pub fn tick(&mut self, replica: usize, now: Time) {
        let after_outage = self.last_round.is_some_and(|last| now - last > OUTAGE);
        for visit in 0..self.visits.len() {
            let missed = &self.visits[visit];
            if !missed.begun || missed.told_at() > now || self.open_incident(visit).is_some() {
                continue;
            }
            let mut incident = Incident {
                visit,
                subject: missed.worker,
                opened: now,
                after_outage,
                open: true,
                holder: Holder::Nobody { due: now },
                claim: Claim::None,
                raise: 0,
                step: 0,
                round: 0,
                held_in_raise: None,
                rounds: vec![],
                quiet: vec![],
            };
            incident.call(true, now);
            self.incidents.push(incident);
        }
        for incident in &mut self.incidents {
            if incident.due().is_some_and(|due| due <= now) {
                incident.go_on(now);
            }
        }
        if self.marked.get(&replica).is_none_or(|marked| now - *marked >= MARK_EVERY) {
            self.marked.insert(replica, now);
            self.last_round = Some(now);
        }
    }

    /// A replica died, and what it knew with it.
    pub fn forget(&mut self, replica: usize) {
        self.marked.remove(&replica);
    }
}
