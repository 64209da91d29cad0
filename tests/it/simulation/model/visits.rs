//! Who is watched, by what and until when: a plan until it begins, a visit until its end and from check to check, the way home.

use chrono::TimeDelta;
use homeward::clock::Time;

use super::{Answer, Kind, Model, Pin, Who};

const GRACE: TimeDelta = TimeDelta::minutes(10);
const ARRIVAL_GRACE: TimeDelta = TimeDelta::minutes(15);
const CHECK_GRACE: TimeDelta = TimeDelta::minutes(10);
const CHECK_GRACE_HIGH_RISK: TimeDelta = TimeDelta::minutes(5);
const HOME_GRACE: TimeDelta = TimeDelta::minutes(15);
const SAME_WORDS: TimeDelta = TimeDelta::minutes(10);
const PLAN_MATCHES: TimeDelta = TimeDelta::minutes(60);
const FINE_IN_GRACE: TimeDelta = TimeDelta::minutes(10);
const SAID_TWICE: TimeDelta = TimeDelta::minutes(2);
const FURTHEST: TimeDelta = TimeDelta::hours(12);
const FURTHEST_FOR_OTHERS: TimeDelta = TimeDelta::minutes(30);
const USUAL_VISIT: TimeDelta = TimeDelta::minutes(60);

/// What somebody says who goes in, or means to; lengths in minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Going {
    pub words: String,
    pub minutes: Option<i64>,
    pub high_risk: bool,
    /// So far ahead: then it is a plan.
    pub ahead: Option<i64>,
    /// So often the worker says that they are fine.
    pub every: Option<i64>,
    /// So long after leaving they are home.
    pub home: Option<i64>,
}

impl Going {
    fn length(&self) -> TimeDelta {
        self.minutes.map_or(USUAL_VISIT, TimeDelta::minutes)
    }
}

/// What somebody does to a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Arrive,
    Fine,
    Extend(TimeDelta),
    End,
    Home,
    Cancel,
    Object,
}

impl Act {
    pub fn word(self) -> &'static str {
        match self {
            Self::Arrive => "arrive",
            Self::Fine => "fine",
            Self::Extend(_) => "extend",
            Self::End => "end",
            Self::Home => "home",
            Self::Cancel => "cancel",
            Self::Object => "object",
        }
    }

    fn needs_pin(self) -> bool {
        !matches!(self, Self::Arrive | Self::Object)
    }
}

/// Which visit a start came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    New,
    Again,
    Arrival,
}

/// What is awaited of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    Departure,
    Arrival,
    Check,
    Home,
}

/// Where a visit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    Planned { arrival: Time },
    Inside { check: Option<Time> },
    GoingHome { by: Time },
    Ended { by_other: bool },
    Cancelled,
}

#[derive(Debug, Clone)]
pub struct Visit {
    pub worker: Who,
    pub high_risk: bool,
    pub words: String,
    pub minutes: Option<i64>,
    pub every: Option<i64>,
    pub home: Option<i64>,
    pub began: Option<Time>,
    pub planned: bool,
    /// When the worker left, where the way home is watched.
    left: Option<Time>,
    pub stand: Stand,
    /// When the worker means to be out.
    pub until: Time,
    /// It fell overdue while a call for help was open, which stands in for it.
    pub in_sos: bool,
    /// So much of it was added by others since the worker was last heard of.
    by_others: TimeDelta,
}

impl Visit {
    /// Whether nothing more is asked of it than it has; what was planned may have more, and one that runs as high risk more checks.
    fn holds(&self, going: &Going) -> bool {
        let no_more = |ours: Option<i64>, theirs: Option<i64>| {
            theirs.is_some() && ours.is_none_or(|ours| theirs <= Some(ours))
        };
        (self.high_risk || !going.high_risk)
            && (self.every == going.every || no_more(going.every, self.every))
            && (self.home == going.home || self.planned && no_more(going.home, self.home))
    }

    fn new(worker: Who, going: &Going, stand: Stand, until: Time) -> Self {
        Self {
            worker,
            high_risk: going.high_risk,
            words: going.words.clone(),
            minutes: going.minutes,
            every: going.every,
            home: going.home,
            began: None,
            planned: going.ahead.is_some(),
            left: None,
            stand,
            until,
            in_sos: false,
            by_others: TimeDelta::zero(),
        }
    }

    /// Whether the worker is out of the office, as far as anybody knows.
    pub fn is_begun(&self) -> bool {
        matches!(self.stand, Stand::Inside { .. } | Stand::GoingHome { .. })
    }

    /// Whether something is awaited.
    pub fn is_watched(&self) -> bool {
        self.is_begun() || matches!(self.stand, Stand::Planned { .. })
    }

    /// What is awaited by when, and when others are told if nothing is heard: the first of it.
    pub fn told(&self) -> Option<(Time, What, Time)> {
        let or = |high, usual| if self.high_risk { high } else { usual };
        let (main, check) = match self.stand {
            Stand::Planned { arrival } => ((arrival + ARRIVAL_GRACE, What::Arrival, arrival), None),
            Stand::Inside { check } => {
                let check = check.map(|at| (at + or(CHECK_GRACE_HIGH_RISK, CHECK_GRACE), What::Check, at));
                ((self.until + or(TimeDelta::zero(), GRACE), What::Departure, self.until), check)
            }
            Stand::GoingHome { by } => ((by + HOME_GRACE, What::Home, by), None),
            Stand::Ended { .. } | Stand::Cancelled => return None,
        };
        Some(check.filter(|check| check.0 < main.0).unwrap_or(main))
    }

    /// Whether somebody else has done to it what the worker can say is not right.
    pub fn can_be_objected_to(&self) -> bool {
        self.is_begun() && self.by_others > TimeDelta::zero()
            || matches!(self.stand, Stand::Ended { by_other: true })
    }

    /// What an act can be about: a plan only once its time has come.
    pub(super) fn running(&self, said: Time) -> Option<Time> {
        match self.stand {
            Stand::Inside { .. } => Some(self.until),
            Stand::GoingHome { by } => Some(by),
            Stand::Planned { arrival } => Some(arrival).filter(|arrival| *arrival <= said),
            Stand::Ended { .. } | Stand::Cancelled => None,
        }
    }

    /// It begins, or begins anew.
    fn goes_in(&mut self, until: Time, now: Time) {
        self.until = until;
        self.left = None;
        self.stand = Stand::Inside { check: self.every.map(|every| now + TimeDelta::minutes(every)) };
    }

    fn ends(&mut self, stand: Stand) {
        self.stand = stand;
        self.in_sos = false;
    }

    /// What runs has another deadline; a plan is moved as a whole.
    fn moves_to(&mut self, at: Time) {
        match &mut self.stand {
            Stand::Planned { arrival } => {
                self.until += at - *arrival;
                *arrival = at;
            }
            Stand::Inside { .. } => self.until = at,
            Stand::GoingHome { by } => *by = at,
            Stand::Ended { .. } | Stand::Cancelled => unreachable!("it does not run"),
        }
    }

    /// The worker, PIN right, was well then.
    fn sign_of_life(&mut self, said: Time) {
        self.by_others = TimeDelta::zero();
        if let (Stand::Inside { check: Some(check) }, Some(every)) = (&mut self.stand, self.every) {
            *check = (*check).max(said + TimeDelta::minutes(every));
        }
    }

    /// An incident about it closes with the worker safe.
    pub(super) fn ends_with_incident(&mut self) {
        if self.is_watched() {
            self.ends(Stand::Ended { by_other: true });
        }
    }

    /// An incident about it closes with the worker still there.
    pub(super) fn watched_on(&mut self, until: Time, now: Time) {
        match self.stand {
            Stand::GoingHome { .. } => self.moves_to(until),
            Stand::Inside { .. } => self.goes_in(until, now),
            Stand::Planned { .. } | Stand::Ended { .. } | Stand::Cancelled => {
                self.began = self.began.or(Some(now));
                self.goes_in(until, now);
            }
        }
    }
}

/// What comes of an act beside the visit itself.
enum Follows {
    Nothing,
    /// The worker, with the PIN, says that all is well, perhaps till then.
    Report(Option<Time>),
    /// Somebody was called because it had not begun.
    Begun,
}

impl Model {
    /// "I am going in": which visit, and how it came to be that.
    pub fn start(&mut self, worker: Who, by: Who, going: &Going, now: Time) -> (usize, Came) {
        self.start_said(worker, by, going, now, now)
    }

    /// The same, said then. What had run out before it came is due at once.
    pub(super) fn start_said(
        &mut self,
        worker: Who,
        by: Who,
        going: &Going,
        said: Time,
        now: Time,
    ) -> (usize, Came) {
        let until = (said + going.length()).max(now);
        if let Some(ahead) = going.ahead.map(TimeDelta::minutes) {
            let plan = Visit::new(worker, going, Stand::Planned { arrival: now + ahead }, until + ahead);
            self.visits.push(plan);
            return (self.visits.len() - 1, Came::New);
        }
        let says_the_same = |visit: &Visit| {
            visit.worker == worker
                && visit.words == going.words
                && matches!(visit.stand, Stand::Inside { .. })
                && visit.holds(going)
                && visit.began.is_some_and(|began| {
                    let length = visit.until - began;
                    let planned = visit.planned
                        && visit.until > now
                        && (going.minutes.is_none() || length < going.length());
                    let soon = now - began < SAME_WORDS && (length == going.length() || planned);
                    soon || said < now && said == began
                })
        };
        if let Some(same) = self.visits.iter().position(says_the_same) {
            return (same, Came::Again);
        }
        let meant = |visit: &Visit| {
            let near = |arrival: Time| (arrival - said).abs() <= PLAN_MATCHES;
            visit.worker == worker
                && visit.words == going.words
                && matches!(visit.stand, Stand::Planned { arrival } if near(arrival))
        };
        let planned: Vec<usize> = (0..self.visits.len()).filter(|at| meant(&self.visits[*at])).collect();
        if let [planned] = planned[..] {
            let it = &mut self.visits[planned];
            let until = match going.minutes {
                _ if it.until <= now => until,
                None => it.until.min(now + FURTHEST),
                Some(_) => until.min(it.until),
            };
            it.high_risk |= going.high_risk;
            it.every = it.every.into_iter().chain(going.every).min();
            it.home = it.home.into_iter().chain(going.home).min();
            it.goes_in(until, now);
            it.began = Some(said);
            if by == worker {
                it.by_others = TimeDelta::zero();
            }
            self.tell_of_arrival(planned, now);
            return (planned, Came::Arrival);
        }
        let mut visit = Visit::new(worker, going, Stand::Cancelled, until);
        visit.goes_in(until, now);
        visit.began = Some(said);
        self.visits.push(visit);
        (self.visits.len() - 1, Came::New)
    }

    /// Somebody does something to a visit.
    pub fn act(&mut self, visit: usize, by: Who, act: Act, pin: Pin, now: Time) -> Answer {
        let own = self.visits[visit].worker == by;
        if own && act.needs_pin() && !self.pin_is_right(by, pin, now) {
            return Answer::Pin;
        } else if !own && matches!(act, Act::Fine | Act::Home | Act::Cancel | Act::Object) {
            return Answer::WorkerOnly;
        } else if !own && act != Act::Arrive && self.bears_on(visit).is_some() {
            return Answer::NotNow;
        }
        self.done_to(visit, own, act, now, now)
    }

    pub(super) fn done_to(&mut self, visit: usize, own: bool, act: Act, said: Time, now: Time) -> Answer {
        let stands_in = self.visits[visit].in_sos || self.own_overdue(visit);
        let it = &mut self.visits[visit];
        let said = it.began.filter(|began| *began <= now).map_or(said, |began| said.max(began));
        let done = match act {
            Act::Arrive => it.arrive(own, said, now),
            Act::Fine => it.fine(stands_in, said),
            Act::Extend(length) if own => it.extend(length, said, now),
            Act::Extend(length) => it.extend_for_worker(length, now),
            Act::End => Ok(it.end(own, stands_in, said, now)),
            Act::Home if it.running(said).is_some() => {
                it.by_others = TimeDelta::zero();
                it.ends(Stand::Ended { by_other: false });
                Ok(Follows::Report(None))
            }
            Act::Home => Ok(Follows::Nothing),
            Act::Cancel => it.cancel(),
            Act::Object => it.object(said, now),
        };
        match done {
            Err(answer) => return answer,
            Ok(Follows::Nothing) => {}
            Ok(Follows::Begun) => self.tell_of_arrival(visit, now),
            Ok(Follows::Report(till)) => {
                // Of a silent alarm the next round keeps it.
                let incident = self.bears_on(visit).filter(|at| self.incidents[*at].kind != Kind::Duress);
                if let Some(incident) = incident.filter(|_| own) {
                    self.incidents[incident].worker_reports(till, now);
                }
            }
        }
        Answer::Done
    }

    /// Whoever was called because it had not begun hears that it has; that holds nothing.
    fn tell_of_arrival(&mut self, visit: usize, now: Time) {
        let Some(incident) = self.bears_on(visit) else { return };
        if self.visits[visit].in_sos || self.own_overdue(visit) {
            self.incidents[incident].tell_staff(now);
        }
    }
}

/// What each act makes of a visit.
impl Visit {
    fn arrive(&mut self, own: bool, said: Time, now: Time) -> Result<Follows, Answer> {
        match self.stand {
            Stand::Planned { .. } if self.until > now => self.goes_in(self.until.min(now + FURTHEST), now),
            Stand::Planned { .. } => self.goes_in((said + USUAL_VISIT).max(now), now),
            Stand::Inside { .. } => {}
            Stand::GoingHome { .. } | Stand::Ended { .. } | Stand::Cancelled => return Err(Answer::NotNow),
        }
        let first = self.began.is_none();
        self.began = Some(said);
        if own {
            self.by_others = TimeDelta::zero();
        }
        Ok(if own && first { Follows::Begun } else { Follows::Nothing })
    }

    fn fine(&mut self, stands_in: bool, said: Time) -> Result<Follows, Answer> {
        let deadline = self.running(said).ok_or(Answer::NotNow)?;
        self.sign_of_life(said);
        if !stands_in && said >= deadline {
            self.moves_to(said + FINE_IN_GRACE);
        }
        Ok(Follows::Report(None))
    }

    fn extend(&mut self, length: TimeDelta, said: Time, now: Time) -> Result<Follows, Answer> {
        let deadline = self.running(said).ok_or(Answer::NotNow)?;
        self.sign_of_life(said);
        self.moves_to((deadline.max(said) + length).min(now + FURTHEST));
        let inside = matches!(self.stand, Stand::Inside { .. });
        Ok(Follows::Report(inside.then_some(self.until)))
    }

    fn extend_for_worker(&mut self, length: TimeDelta, now: Time) -> Result<Follows, Answer> {
        let from = self.running(now).ok_or(Answer::NotNow)?.max(now);
        let left = FURTHEST_FOR_OTHERS - self.by_others;
        if left <= TimeDelta::zero() {
            return Err(Answer::NotNow);
        }
        self.moves_to(from + length.min(left));
        self.by_others += length.min(left);
        Ok(Follows::Nothing)
    }

    fn end(&mut self, own: bool, stands_in: bool, said: Time, now: Time) -> Follows {
        match (self.stand, self.home.map(TimeDelta::minutes)) {
            (Stand::Inside { .. } | Stand::Planned { .. }, Some(home))
                if own && !stands_in && self.running(said).is_some() =>
            {
                self.stand = Stand::GoingHome { by: (said + home).max(now) };
                self.left = Some(said);
            }
            // The same "out" again.
            (Stand::GoingHome { .. }, _) if own && !stands_in => return Follows::Nothing,
            _ if self.running(said).is_none() => return Follows::Nothing,
            _ => self.ends(Stand::Ended { by_other: !own }),
        }
        if own {
            self.by_others = TimeDelta::zero();
        }
        Follows::Report(None)
    }

    /// "Out" by text ends the way home too, unless it is the one that began it, delivered again.
    pub(super) fn act_of_out(&self, others_are_told: bool, said: Time) -> Act {
        let just_left = self.left.is_some_and(|left| said < left + SAID_TWICE);
        match self.stand {
            Stand::GoingHome { .. } if others_are_told || !just_left => Act::Home,
            _ => Act::End,
        }
    }

    fn cancel(&mut self) -> Result<Follows, Answer> {
        match self.stand {
            Stand::Planned { .. } => self.ends(Stand::Cancelled),
            Stand::Cancelled => return Ok(Follows::Nothing),
            Stand::Inside { .. } | Stand::GoingHome { .. } | Stand::Ended { .. } => {
                return Err(Answer::NotNow);
            }
        }
        Ok(Follows::Report(None))
    }

    /// It needs no PIN, so it makes nothing later that nobody but the worker makes later.
    fn object(&mut self, said: Time, now: Time) -> Result<Follows, Answer> {
        let by_others = std::mem::take(&mut self.by_others);
        match &mut self.stand {
            Stand::Inside { .. } if by_others > TimeDelta::zero() => {
                self.until = (self.until - by_others).max(now);
            }
            Stand::GoingHome { by } if by_others > TimeDelta::zero() => *by = (*by - by_others).max(now),
            Stand::Ended { by_other: true } => {
                let until = if self.until <= now { now + USUAL_VISIT } else { self.until };
                self.began = self.began.or(Some(said));
                self.goes_in(until, now);
            }
            _ => {
                self.by_others = by_others;
                return Err(Answer::NotNow);
            }
        }
        Ok(Follows::Nothing)
    }
}
