//! What people do about an alarm, and who may.

use chrono::TimeDelta;
use homeward::clock::Time;

use super::{
    Answer, MANAGERS, Model, OUTSIDE, Who,
    incidents::{Holder, Kind, Quiet, passed_to, with_police},
};

const LONGEST_HOLD: TimeDelta = TimeDelta::minutes(60);
const LONGEST_HOLD_SOS: TimeDelta = TimeDelta::minutes(15);
pub const FURTHEST_AT_CLOSE: TimeDelta = TimeDelta::minutes(60);

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

/// Where the closer says that the worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Home,
    StillThere(TimeDelta),
}

impl Model {
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
                Place::Home => visit.ends_with_incident(),
                Place::StillThere(length) => visit.watched_on(now + length, now),
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
}
