//! The rules, said again, slowly: who is watched until when, which incidents are open, who has them until when, who was
//! called in which step. It knows nothing of databases, messages, replicas or faults.

mod deeds;
mod incidents;
mod texts;
mod visits;

use std::collections::BTreeMap;

use chrono::TimeDelta;
use homeward::clock::Time;

use self::incidents::{Cried, Quiet, Why};
pub use self::{
    deeds::{Deed, FURTHEST_AT_CLOSE, Outside, Place},
    incidents::{Claim, Holder, Incident, Kind},
    texts::Words,
    visits::{Act, Came, Going, Stand, Visit, What},
};

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

const SAME_SOS: TimeDelta = TimeDelta::minutes(2);
const OUTAGE: TimeDelta = TimeDelta::minutes(5);
const MARK_EVERY: TimeDelta = TimeDelta::seconds(15);
const LOCK: TimeDelta = TimeDelta::minutes(15);

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
    NotYours,
    NotTaken,
    NoVisit,
    CannotHaveIt,
}

/// The PIN that comes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    Right,
    Duress,
    Wrong,
    Missing,
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
    /// Who gave the duress PIN, and no round has been since.
    silent: BTreeMap<Who, Time>,
    /// Who gave a right PIN last, and when; until it stands in their silent alarm.
    used: BTreeMap<Who, Time>,
    last_round: Option<Time>,
    /// When each replica last said that it was alive.
    marked: BTreeMap<usize, Time>,
}

impl Model {
    /// The open incidents about a worker.
    pub fn open_about(&self, worker: Who) -> Vec<usize> {
        (0..self.incidents.len())
            .filter(|at| self.incidents[*at].open && self.incidents[*at].subject == worker)
            .collect()
    }

    /// The open incident that a visit itself gave rise to.
    pub fn own_incident(&self, visit: usize) -> Option<usize> {
        self.incidents.iter().position(|incident| incident.open && incident.visit == Some(visit))
    }

    /// The open incident that bears on a visit: a call for help before everything else.
    fn bears_on(&self, visit: usize) -> Option<usize> {
        let sos = self.open_about(self.visits[visit].worker);
        sos.into_iter().find(|at| self.incidents[*at].kind >= Kind::Sos).or(self.own_incident(visit))
    }

    fn pin_is_right(&mut self, who: Who, pin: Pin, now: Time) -> bool {
        let count = self.pins.entry(who).or_default();
        let locked = count.locked_until.is_some_and(|until| now < until);
        match pin {
            Pin::Missing => false,
            Pin::Duress if locked => {
                self.silent.entry(who).or_insert(now);
                self.used.remove(who);
                false
            }
            _ if locked => false,
            Pin::Right | Pin::Duress => {
                self.used.insert(who, now);
                if pin == Pin::Duress {
                    self.silent.entry(who).or_insert(now);
                }
                *count = PinCount::default();
                true
            }
            Pin::Wrong => {
                self.used.remove(who);
                let wrong = if count.locked_until.is_some() { 1 } else { count.wrong + 1 };
                *count = PinCount { wrong, locked_until: (wrong >= 5).then(|| now + LOCK) };
                false
            }
        }
    }

    /// The visit of a worker that began last; `None`, where two did, whether it is one of them.
    pub fn began_last(&self, worker: Who) -> Result<Option<usize>, usize> {
        let begun = |at: &usize| self.visits[*at].is_begun() && self.visits[*at].worker == worker;
        let running = (0..self.visits.len()).filter(begun);
        let Some(last) = running.clone().map(|at| self.visits[at].began).max() else { return Ok(None) };
        let mut last = running.filter(|at| self.visits[*at].began == last);
        let first = last.next();
        last.next().map_or(Ok(first), Err)
    }

    /// Whether it is clear, whatever the worker does with the PIN, which incident and which visit a silent alarm is about.
    pub fn silent_alarm_is_clear(&self, worker: Who) -> bool {
        let begun = self.visits.iter().filter(|visit| visit.is_begun() && visit.worker == worker);
        let mut starts: Vec<_> = begun.map(|visit| visit.began).collect();
        starts.sort_unstable();
        self.meant_by_sos(worker).is_ok() && starts.windows(2).all(|pair| pair[0] != pair[1])
    }

    /// The open incident that a worker's call for help belongs to; an error where two could be meant.
    pub fn meant_by_sos(&self, worker: Who) -> Result<Option<usize>, usize> {
        let rank = |at: &usize| (self.incidents[*at].kind, self.incidents[*at].opened);
        let open = self.open_about(worker);
        let Some(highest) = open.iter().map(rank).max() else { return Ok(None) };
        let mut meant = open.iter().copied().filter(|at| rank(at) == highest);
        let first = meant.next();
        meant.next().map_or(Ok(first), Err)
    }

    /// A worker calls for help.
    pub fn sos(&mut self, worker: Who, said: Time, now: Time) {
        self.cry(worker, Kind::Sos, said, now);
    }

    fn cry(&mut self, worker: Who, kind: Kind, said: Time, now: Time) {
        if let Some(at) = self.meant_by_sos(worker).unwrap() {
            let it = &mut self.incidents[at];
            let just_now = |cried: Cried| cried.by_worker && (said - cried.at).abs() < SAME_SOS;
            let same = kind <= it.kind && it.cried.is_some_and(just_now);
            it.cries(said, true);
            if !same {
                it.told.extend(it.owner().map(|owner| (now, owner)));
                let was = it.kind;
                if was.max(kind) == Kind::Duress {
                    // Whoever was asked to ring the worker is asked not to; and what has not gone yet does not go.
                    let outside = it.called().into_iter().filter(|who| OUTSIDE.contains(who));
                    it.told.extend(outside.map(|who| (now, who)));
                    it.noise_again(now);
                    it.quiet.push(Quiet { since: now, until: Some(now), owner: None });
                }
                it.upgrade(kind, now);
                if was == Kind::Overdue {
                    self.stands_in_for_its_visit(at);
                }
            }
            return;
        }
        let visit = self.began_last(worker).unwrap();
        let mut incident = Incident::new(worker, visit, kind, false, now);
        incident.cries(said, true);
        incident.call(Why::Otherwise, now);
        self.incidents.push(incident);
    }

    /// A visit whose own incident has become a call for help has no deadline of its own.
    fn stands_in_for_its_visit(&mut self, incident: usize) {
        if let Some(visit) = self.incidents[incident].visit {
            self.visits[visit].in_sos = self.visits[visit].is_watched();
        }
    }

    /// A replica's timer looks. Done twice at the same time it changes nothing.
    pub fn tick(&mut self, replica: usize, now: Time) {
        for (worker, since) in std::mem::take(&mut self.silent) {
            assert_eq!(since, now, "a round follows the duress PIN");
            self.notice_pin_used(worker);
            self.used.remove(worker);
            self.cry(worker, Kind::Duress, since, now);
        }
        for worker in WORKERS {
            self.notice_pin_used(worker);
        }
        let after_outage = self.last_round.is_some_and(|last| now - last > OUTAGE);
        for visit in 0..self.visits.len() {
            let watched = &self.visits[visit];
            let Some((_, what, at)) = watched.told().filter(|(told, ..)| *told <= now) else { continue };
            if watched.in_sos || self.own_overdue(visit) {
                continue;
            }
            if let Some(sos) = self.bears_on(visit) {
                self.visits[visit].in_sos = true;
                self.incidents[sos].misses(what, at);
                continue;
            }
            let mut incident = Incident::new(watched.worker, Some(visit), Kind::Overdue, after_outage, now);
            incident.misses(what, at);
            incident.call(Why::ItsTime, now);
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

    fn notice_pin_used(&mut self, worker: Who) {
        let silent = |incident: &&mut Incident| {
            incident.open && incident.subject == worker && incident.kind == Kind::Duress
        };
        if let Some(incident) = self.incidents.iter_mut().find(silent)
            && let Some(at) = self.used.remove(worker)
        {
            incident.claim = Claim::PinUsed { at };
        }
    }

    /// Whether its own overdue incident is open, which stands in for its deadline.
    pub fn own_overdue(&self, visit: usize) -> bool {
        self.own_incident(visit).is_some_and(|at| self.incidents[at].kind == Kind::Overdue)
    }

    /// A replica died, and what it knew with it.
    pub fn forget(&mut self, replica: usize) {
        self.marked.remove(&replica);
    }
}
