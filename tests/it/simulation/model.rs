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
const SOS_PACE: TimeDelta = TimeDelta::minutes(2);
const SAME_SOS: TimeDelta = TimeDelta::minutes(2);
const PROMISE: TimeDelta = TimeDelta::minutes(15);
const PROMISE_SOS: TimeDelta = TimeDelta::minutes(5);
const LONGEST_HOLD: TimeDelta = TimeDelta::minutes(60);
const LONGEST_HOLD_SOS: TimeDelta = TimeDelta::minutes(15);
const WARNING: TimeDelta = TimeDelta::minutes(2);
const POLICE_REMINDER: TimeDelta = TimeDelta::minutes(30);
const UNCONFIRMED: TimeDelta = TimeDelta::minutes(30);
const OUTAGE: TimeDelta = TimeDelta::minutes(5);
const OUTSIDE_WAITS: TimeDelta = TimeDelta::minutes(5);
const MARK_EVERY: TimeDelta = TimeDelta::seconds(15);
const SAME_WORDS: TimeDelta = TimeDelta::minutes(10);
const FINE_IN_GRACE: TimeDelta = TimeDelta::minutes(10);
const FURTHEST: TimeDelta = TimeDelta::hours(12);
const FURTHEST_FOR_OTHERS: TimeDelta = TimeDelta::minutes(30);
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
    NotYours,
    NotTaken,
    NoVisit,
    CannotHaveIt,
}

/// What somebody does to a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Fine,
    Extend(TimeDelta),
    End,
    Object,
}

/// What somebody with an account does about an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Acknowledge,
    TakeOver,
    HandOver(Who),
    Hold(TimeDelta),
    Cannot,
    NotSafe,
    Safe,
    WithPolice,
    Note,
    Close(Place),
}

/// What an outside contact answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    Trying,
    Cannot,
    Safe,
    NotSafe,
}

/// The PIN that comes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    Right,
    Duress,
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
#[expect(clippy::struct_excessive_bools, reason = "a model that states each fact by itself")]
pub struct Visit {
    pub worker: Who,
    pub high_risk: bool,
    pub minutes: Option<i64>,
    pub words: String,
    pub started: Time,
    pub begun: bool,
    pub until: Time,
    /// It fell overdue while a call for help was open, which stands in for it.
    pub in_sos: bool,
    /// So much of it was added by others since the worker was last heard of.
    by_others: TimeDelta,
    ended_by_other: bool,
}

impl Visit {
    /// When others are told, if nothing is heard.
    pub fn told_at(&self) -> Time {
        self.until + if self.high_risk { TimeDelta::zero() } else { GRACE }
    }

    /// A call for help that stands in for its deadline goes on to do so.
    fn watched_until(&mut self, until: Time) {
        self.in_sos &= self.begun;
        (self.begun, self.until, self.ended_by_other) = (true, until, false);
    }
}

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
    fn holds(self) -> bool {
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

#[derive(Debug, Clone)]
pub struct Incident {
    pub visit: Option<usize>,
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
    /// When the worker last called for help; not a responder.
    cried: Option<Time>,
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
enum Why {
    ItsTime,
    Otherwise,
}

impl Incident {
    fn new(subject: Who, visit: Option<usize>, kind: Kind, after_outage: bool, now: Time) -> Self {
        Self {
            visit,
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

    fn promise(&self) -> TimeDelta {
        if self.kind >= Kind::Sos { PROMISE_SOS } else { PROMISE }
    }

    fn call(&mut self, why: Why, now: Time) {
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
    fn upgrade(&mut self, kind: Kind, now: Time) {
        self.kind = self.kind.max(kind);
        self.raise_again(now);
    }

    fn noise_again(&mut self, now: Time) {
        if let Some(quiet) = self.quiet.last_mut()
            && quiet.until.is_none()
        {
            quiet.until = Some(now);
        }
    }

    /// Somebody has it from now on. Whoever was called, and whoever had it, is told; `by` did it and knows.
    fn held(&mut self, holder: Holder, by: Who, now: Time) {
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

    fn tell(&mut self, by: Who, now: Time) {
        self.told.extend(self.called().into_iter().filter(|who| *who != by).map(|who| (now, who)));
    }

    /// Its time has come.
    fn go_on(&mut self, now: Time) {
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
    fn worker_reports(&mut self, till: Option<Time>, now: Time) {
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

    fn cannot(&mut self, who: Who, now: Time) {
        match self.holder {
            Holder::Nobody { .. } if self.round == 0 && !self.claim.holds() => self.call(Why::Otherwise, now),
            _ if self.owner() == Some(who) => self.raise_again(now),
            _ => {}
        }
    }

    fn not_safe(&mut self, by: Who, now: Time) {
        let (before, owner) = (self.holder, self.owner());
        self.cried = None;
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

fn with_police(by: Who, now: Time) -> Holder {
    Holder::WithPolice { by, due: now + POLICE_REMINDER, unanswered: 0 }
}

fn passed_to(holder: Holder, by: Who, until: Time) -> Holder {
    match holder {
        Holder::WithPolice { due, .. } => Holder::WithPolice { by, due, unanswered: 0 },
        _ => Holder::Owned { by, until, warned: false },
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
        self.visits.push(Visit {
            worker,
            high_risk,
            minutes,
            words: words.to_owned(),
            started: now,
            begun: true,
            until: now + length,
            in_sos: false,
            by_others: TimeDelta::zero(),
            ended_by_other: false,
        });
        (self.visits.len() - 1, true)
    }

    /// Somebody does something to a visit.
    pub fn act(&mut self, visit: usize, by: Who, act: Act, pin: Pin, now: Time) -> Answer {
        let (incident, own_overdue) = (self.bears_on(visit), self.own_overdue(visit));
        let own = self.visits[visit].worker == by;
        if own && act != Act::Object && !self.pin_is_right(by, pin, now) {
            return Answer::Pin;
        } else if !own && matches!(act, Act::Fine | Act::Object) {
            return Answer::WorkerOnly;
        } else if !own && incident.is_some() {
            return Answer::NotNow;
        }
        let it = &mut self.visits[visit];
        let from = it.until.max(now);
        match act {
            Act::Object if it.ended_by_other && !it.begun => {
                it.by_others = TimeDelta::zero();
                it.watched_until(if it.until <= now { now + USUAL_VISIT } else { it.until });
                return Answer::Done;
            }
            Act::Object if it.begun && it.by_others > TimeDelta::zero() => {
                let until = (it.until - it.by_others).max(now);
                it.by_others = TimeDelta::zero();
                it.watched_until(until);
                return Answer::Done;
            }
            Act::Object => return Answer::NotNow,
            Act::End if !it.begun => return Answer::Done,
            _ if !it.begun => return Answer::NotNow,
            Act::Extend(length) if !own => {
                let left = FURTHEST_FOR_OTHERS - it.by_others;
                if left <= TimeDelta::zero() {
                    return Answer::NotNow;
                }
                let until = (it.until.max(now) + length).min(from + left);
                it.by_others += until - from;
                it.watched_until(until);
                return Answer::Done;
            }
            Act::End => {
                it.begun = false;
                it.ended_by_other = !own;
            }
            Act::Extend(length) => it.watched_until((from + length).min(now + FURTHEST)),
            Act::Fine => {
                let overdue = it.in_sos || own_overdue;
                if !overdue && now >= it.until {
                    it.watched_until(now + FINE_IN_GRACE);
                }
            }
        }
        if own {
            it.by_others = TimeDelta::zero();
        }
        // Of a silent alarm the next round keeps it.
        if let Some(incident) = incident.filter(|at| self.incidents[*at].kind != Kind::Duress) {
            let till = matches!(act, Act::Extend(_)).then_some(it.until);
            self.incidents[incident].worker_reports(till, now);
        }
        Answer::Done
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
        let running =
            (0..self.visits.len()).filter(|at| self.visits[*at].begun && self.visits[*at].worker == worker);
        let Some(last) = running.clone().map(|at| self.visits[at].started).max() else { return Ok(None) };
        let mut last = running.filter(|at| self.visits[*at].started == last);
        let first = last.next();
        last.next().map_or(Ok(first), Err)
    }

    /// Whether it is clear, whatever the worker does with the PIN, which incident and which visit a silent alarm is about.
    pub fn silent_alarm_is_clear(&self, worker: Who) -> bool {
        let begun = self.visits.iter().filter(|visit| visit.begun && visit.worker == worker);
        let mut starts: Vec<Time> = begun.map(|visit| visit.started).collect();
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
    pub fn sos(&mut self, worker: Who, now: Time) {
        self.cry(worker, Kind::Sos, now);
    }

    fn cry(&mut self, worker: Who, kind: Kind, now: Time) {
        if let Some(at) = self.meant_by_sos(worker).unwrap() {
            let it = &mut self.incidents[at];
            let same = kind <= it.kind && it.cried.is_some_and(|cried| now < cried + SAME_SOS);
            it.cried = Some(now);
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
        incident.cried = Some(now);
        incident.call(Why::Otherwise, now);
        self.incidents.push(incident);
    }

    /// A visit whose own incident has become a call for help has no deadline of its own.
    fn stands_in_for_its_visit(&mut self, incident: usize) {
        if let Some(visit) = self.incidents[incident].visit {
            self.visits[visit].in_sos = self.visits[visit].begun;
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

    fn may(&self, incident: usize, by: Who, deed: Deed) -> Option<Answer> {
        let it = &self.incidents[incident];
        let (manages, owner) = (MANAGERS.contains(&by), it.owner() == Some(by));
        let allowed = match deed {
            Deed::Acknowledge
            | Deed::Hold(_)
            | Deed::WithPolice
            | Deed::Cannot
            | Deed::NotSafe
            | Deed::Safe => by != "ari" && (manages || owner || it.called().contains(by)),
            Deed::Note => by != "ari",
            Deed::TakeOver => manages,
            Deed::HandOver(_) => manages || owner,
            Deed::Close(_) => by != "cas" && (manages || owner),
        };
        if it.subject == by {
            Some(if it.kind == Kind::Duress { Answer::NotFound } else { Answer::Subject })
        } else if !self.sees(incident, by) {
            Some(Answer::NotFound)
        } else if allowed {
            None
        } else {
            Some(Answer::Role)
        }
    }

    /// Somebody with an account does something about an incident.
    pub fn deed(&mut self, incident: usize, by: Who, deed: Deed, now: Time) -> Answer {
        if let Some(no) = self.may(incident, by, deed) {
            return no;
        }
        let it = &mut self.incidents[incident];
        if let Deed::HandOver(to) = deed {
            let could_take_it =
                MANAGERS.contains(&to) || ("ari" != to && !OUTSIDE.contains(&to) && it.called().contains(to));
            if !could_take_it || to == it.subject {
                return Answer::CannotHaveIt;
            }
        }
        if !it.open {
            return if deed == Deed::Note { Answer::Done } else { Answer::Closed };
        }
        let (owner, promised) = (it.owner(), now + it.promise());
        match deed {
            Deed::Acknowledge | Deed::TakeOver if owner.is_none() => {
                let due = it.due().unwrap();
                let until = if it.claim.holds() { promised.max(due) } else { promised };
                it.held(Holder::Owned { by, until, warned: false }, by, now);
            }
            Deed::TakeOver if owner != Some(by) => it.held(passed_to(it.holder, by, promised), by, now),
            Deed::Acknowledge | Deed::TakeOver | Deed::Safe => {}
            Deed::HandOver(_) if owner.is_none() => return Answer::NotTaken,
            Deed::HandOver(to) if owner == Some(to) => {}
            Deed::HandOver(to) => {
                it.held(passed_to(it.holder, to, promised), by, now);
            }
            Deed::Hold(_) | Deed::WithPolice if owner.is_some_and(|owner| owner != by) => {
                return Answer::NotYours;
            }
            Deed::Hold(length) => {
                let most = if it.kind >= Kind::Sos { LONGEST_HOLD_SOS } else { LONGEST_HOLD };
                let asked = now + length.min(most);
                let next = match it.holder {
                    Holder::Nobody { due } => {
                        let longest = asked.max(promised);
                        let until = if it.claim.holds() { longest.max(due) } else { longest };
                        Holder::Owned { by, until, warned: false }
                    }
                    Holder::Owned { until, .. } => {
                        Holder::Owned { by, until: asked.max(until), warned: false }
                    }
                    Holder::WithPolice { .. } => with_police(by, now),
                };
                it.held(next, by, now);
            }
            Deed::WithPolice => it.held(with_police(by, now), by, now),
            Deed::Cannot => it.cannot(by, now),
            Deed::NotSafe => self.not_safe(incident, by, now),
            Deed::Note => {
                if matches!(it.holder, Holder::WithPolice { .. }) && owner == Some(by) {
                    it.holder = with_police(by, now);
                }
            }
            Deed::Close(place) => return self.close(incident, by, place, now),
        }
        Answer::Done
    }

    fn not_safe(&mut self, incident: usize, by: Who, now: Time) {
        let was = self.incidents[incident].kind;
        self.incidents[incident].not_safe(by, now);
        if was == Kind::Overdue {
            self.stands_in_for_its_visit(incident);
        }
    }

    fn close(&mut self, incident: usize, by: Who, place: Place, now: Time) -> Answer {
        let it = &mut self.incidents[incident];
        if let Place::StillThere(length) = place {
            if it.visit.is_none() {
                return Answer::NoVisit;
            }
            if length > FURTHEST_AT_CLOSE {
                return Answer::TooLong;
            }
        }
        it.open = false;
        it.noise_again(now);
        it.quiet.push(Quiet { since: now, until: None, owner: None });
        it.tell(by, now);
        if let Some(visit) = it.visit {
            let visit = &mut self.visits[visit];
            match place {
                Place::Home => {
                    visit.ended_by_other |= visit.begun;
                    visit.begun = false;
                }
                Place::StillThere(length) => visit.watched_until(now + length),
            }
        }
        // Whatever fell overdue meanwhile is overdue by itself again.
        if it.kind >= Kind::Sos {
            for visit in self.visits.iter_mut().filter(|visit| visit.worker == it.subject) {
                visit.in_sos = false;
            }
        }
        Answer::Done
    }

    /// An outside contact answers.
    pub fn outside(&mut self, incident: usize, contact: Who, answer: Outside, now: Time) -> Answer {
        let it = &mut self.incidents[incident];
        if !it.called().contains(contact) {
            return Answer::NotFound;
        }
        if !it.open {
            return Answer::Closed;
        }
        match answer {
            Outside::Trying | Outside::Safe => {}
            Outside::Cannot => it.cannot(contact, now),
            Outside::NotSafe => self.not_safe(incident, contact, now),
        }
        Answer::Done
    }

    /// A replica's timer looks. Done twice at the same time it changes nothing.
    pub fn tick(&mut self, replica: usize, now: Time) {
        for (worker, since) in std::mem::take(&mut self.silent) {
            assert_eq!(since, now, "a round follows the duress PIN");
            self.notice_pin_used(worker);
            self.used.remove(worker);
            self.cry(worker, Kind::Duress, now);
        }
        for worker in WORKERS {
            self.notice_pin_used(worker);
        }
        let after_outage = self.last_round.is_some_and(|last| now - last > OUTAGE);
        for visit in 0..self.visits.len() {
            let missed = &self.visits[visit];
            if !missed.begun || missed.in_sos || missed.told_at() > now || self.own_overdue(visit) {
                continue;
            }
            if self.bears_on(visit).is_some() {
                self.visits[visit].in_sos = true;
                continue;
            }
            let mut incident = Incident::new(missed.worker, Some(visit), Kind::Overdue, after_outage, now);
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
