//! What somebody says by text: there is no visit in it, so a word is about all that it can be about.

use chrono::TimeDelta;
use homeward::clock::Time;

use super::{Act, Answer, Claim, Deed, Going, Kind, Model, OUTSIDE, Outside, Pin, Stand, Who};

/// What a text says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Words {
    In(Going),
    Out(Pin),
    Fine(Pin),
    More(i64, Pin),
    Sos,
    /// To a call, by its code.
    Ack(usize),
    Cannot(usize),
    Safe(usize),
    NotSafe(usize),
    Hold(usize, i64),
}

impl Words {
    pub fn word(&self) -> &'static str {
        match self {
            Self::In(_) => "IN",
            Self::Out(_) => "OUT",
            Self::Fine(_) => "OK",
            Self::More(..) => "MORE",
            Self::Sos => "SOS",
            Self::Ack(_) => "ACK",
            Self::Cannot(_) => "NO",
            Self::Safe(_) => "SAFE",
            Self::NotSafe(_) => "NOT SAFE",
            Self::Hold(..) => "HOLD",
        }
    }
}

impl Model {
    /// A text, said then. Delivered again it is no other text, and does nothing.
    pub fn text(&mut self, who: Who, words: &Words, said: Time, now: Time) {
        let (incident, deed, outside) = match words {
            Words::In(going) => {
                self.start_said(who, who, going, said, now);
                return;
            }
            Words::Out(pin) | Words::Fine(pin) | Words::More(_, pin) => {
                if self.pin_is_right(who, *pin, now) {
                    self.said_of_all(who, words, said, now);
                }
                return;
            }
            Words::Sos => return self.sos(who, said, now),
            Words::Ack(incident) => (*incident, Deed::Acknowledge, Outside::Trying),
            Words::Cannot(incident) => (*incident, Deed::Cannot, Outside::Cannot),
            Words::Safe(incident) => (*incident, Deed::Safe, Outside::Safe),
            // Of one that is over by now it is a call for help of whoever says it.
            Words::NotSafe(incident) if !self.incidents[*incident].open && !OUTSIDE.contains(&who) => {
                return self.sos(who, said, now);
            }
            Words::NotSafe(incident) => (*incident, Deed::NotSafe, Outside::NotSafe),
            Words::Hold(incident, minutes) => {
                (*incident, Deed::Hold(TimeDelta::minutes(*minutes)), Outside::Trying)
            }
        };
        let _answer: Answer = if OUTSIDE.contains(&who) {
            self.outside(incident, who, outside, now)
        } else {
            self.deed(incident, who, deed, now)
        };
    }

    /// OUT, OK or MORE, PIN right.
    fn said_of_all(&mut self, who: Who, words: &Words, said: Time, now: Time) {
        let runs = |at: &usize| {
            let visit = &self.visits[*at];
            visit.worker == who
                && visit.running(said).is_some()
                && visit.began.is_none_or(|began| began <= said)
        };
        let about: Vec<usize> = (0..self.visits.len()).filter(runs).collect();
        let begun = |at: &&usize| self.visits[**at].is_begun();
        let last = about.iter().filter(begun).max_by_key(|at| self.visits[**at].began).copied();
        // "Out" is said of the visits, else of the way home, else of what should have begun.
        let rank = |at: &usize| match self.visits[*at].stand {
            Stand::Inside { .. } => 0,
            Stand::GoingHome { .. } => 1,
            _ => 2,
        };
        let meant = about.iter().map(rank).min();
        let mut acts = Vec::new();
        for at in about.iter().copied() {
            let others_are_told = self.visits[at].in_sos || self.own_overdue(at);
            let act = match words {
                Words::Out(_) if Some(rank(&at)) == meant => {
                    self.visits[at].act_of_out(others_are_told, said)
                }
                Words::Out(_) if others_are_told => Act::Fine,
                Words::More(minutes, _) if Some(at) == last || !self.visits[at].is_begun() => {
                    Act::Extend(TimeDelta::minutes(*minutes))
                }
                Words::Out(_) | Words::More(..) => continue,
                _ => Act::Fine,
            };
            acts.push((at, act));
        }
        for (at, act) in &acts {
            self.done_to(*at, true, *act, said, now);
        }
        // Without a visit there may still be a call for help: there it shows.
        let sos = self.open_about(who).into_iter().find(|at| self.incidents[*at].kind >= Kind::Sos);
        if let Some(sos) = sos.filter(|at| acts.is_empty() && self.incidents[*at].kind == Kind::Sos) {
            self.incidents[sos].claim = Claim::PinUsed { at: now };
        }
    }
}
