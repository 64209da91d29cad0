//! Whether people can be reached where they are said to be, and agree to it (row D6): for each address of a person. Nothing here
//! takes anybody out of an incident that is open; what it means for a new one stands in [`Standing`].

use chrono::{NaiveDate, NaiveTime, TimeDelta};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    command::Code,
    contact::Channel,
    ids::{AskId, PersonId},
    local_time,
    retry::Cause,
    visit::word_enum,
};
use crate::clock::Time;

/// When people are asked, on the clocks of their place: a mistake in the organisation's file can still be mended on the day it
/// was made.
pub const ASKED_AT: NaiveTime = match NaiveTime::from_hms_opt(10, 0, 0) {
    Some(ten) => ten,
    None => NaiveTime::MIN,
};
/// Whom the service could not ask at that time, it asks up to so much later, and else the next day: never in the night.
const ASKED_FOR: TimeDelta = TimeDelta::hours(9);
/// Between two asks that nobody answers.
const ASKED_AGAIN: TimeDelta = TimeDelta::days(7);
/// A proof holds for 45 days; asked for a new one a week before, there is time to answer.
const PROVED_FOR: TimeDelta = TimeDelta::days(45 - 7);
/// After so many asks that nobody answered they come as seldom as to whoever did.
const ASKED_OFTEN: i32 = 3;
/// From so many unanswered asks on nobody counts on that address.
const SILENT_FROM: i32 = 2;
/// So many wrong answers make a code void: a number can be forged, and a page asked by a machine.
const WRONG_AT_MOST: i32 = 5;
/// Messages that do not arrive on so many days, with none that does in between, make an address dead.
const DAYS_FAILED: i32 = 3;

/// The hash of a code that somebody was asked for, bound to their address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeHash(pub [u8; 32]);

impl CodeHash {
    /// Of this code for that person.
    pub fn of(person: PersonId, channel: Channel, code: &Code) -> Self {
        let parts = [person.0.as_bytes().as_slice(), channel.as_str().as_bytes(), code.as_str().as_bytes()];
        Self(parts.iter().fold(Sha256::new(), Digest::chain_update).finalize().into())
    }
}

word_enum! {
    /// Why nothing arrives at an address.
    WhyDead {
        /// Whoever has the phone sent STOP.
        OptedOut = "opted_out",
        /// There is no such number or mailbox.
        NoSuchAddress = "no_such_address",
        /// Messages failed on three days.
        FailedOnThreeDays = "failed_on_three_days",
    }
}

/// How far an address is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Nobody was asked yet.
    Unasked,
    /// They were, and have not answered.
    Asked(Asked),
    /// They answered with the code.
    Proved {
        /// When.
        at: Time,
    },
    /// They do not agree.
    Declined {
        /// Since when.
        at: Time,
    },
    /// Nothing arrives there.
    Dead {
        /// Since when.
        at: Time,
        /// Why.
        why: WhyDead,
    },
}

/// What somebody was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The first time since they last answered.
    pub first: Time,
    /// The last time.
    pub last: Time,
    /// How often.
    pub times: i32,
    /// The last ask: by it the page behind its link is found.
    pub id: AskId,
    /// The code of the last ask.
    pub code: CodeHash,
    /// So many wrong answers to it.
    pub wrong: i32,
    /// When they last answered, if they ever did.
    pub proved_at: Option<Time>,
}

/// What is known of messages to an address that did not arrive, since one last did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Failures {
    /// On so many days.
    pub days: i32,
    /// The last of them.
    pub last: Option<NaiveDate>,
}

/// All that is known of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// How far it is proved.
    pub proof: Proof,
    /// What did not arrive there.
    pub failures: Failures,
}

/// What is heard of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// A question goes there.
    Asked {
        /// Which.
        id: AskId,
        /// By which code it is answered.
        code: CodeHash,
    },
    /// A code came back.
    Answered(CodeHash),
    /// They say no.
    Declined,
    /// They sent STOP.
    OptedOut,
    /// They take STOP or NO back.
    OptedIn,
    /// A message will not arrive.
    Failed {
        /// What that says of the address.
        cause: Cause,
        /// On which day, by the clocks of the place.
        day: NaiveDate,
    },
    /// A message has arrived.
    Arrived,
}

/// What follows from news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    /// Nothing that anybody has to know.
    Nothing,
    /// They were asked.
    Asked,
    /// They were, and have not answered the last time: nobody counts on this address.
    AskedInVain,
    /// It is proved.
    Proved,
    /// The code was not right.
    WrongCode,
    /// They declined.
    Declined,
    /// Nothing arrives there any more.
    Died(WhyDead),
    /// They are to be asked anew.
    ToBeAsked,
}

impl Known {
    /// Of an address that is new.
    pub const NEW: Self = Self { proof: Proof::Unasked, failures: Failures { days: 0, last: None } };

    /// What is known once this is heard, and what follows.
    #[must_use]
    #[expect(clippy::match_same_arms, reason = "what is heard, one after the other")]
    pub fn after(self, news: News, now: Time) -> (Self, Follows) {
        let with = |proof, follows| (Self { proof, ..self }, follows);
        let dies = |why| (Self { proof: Proof::Dead { at: now, why }, ..Self::NEW }, Follows::Died(why));
        let unchanged = (self, Follows::Nothing);
        match (news, self.proof) {
            // Whoever wants nothing is asked nothing; where nothing arrives no question does.
            (News::Asked { .. }, Proof::Declined { .. } | Proof::Dead { .. }) => unchanged,
            (News::Asked { id, code }, proof) => {
                let (first, before, proved_at) = match proof {
                    Proof::Asked(asked) => (asked.first, asked.times, asked.proved_at),
                    Proof::Proved { at } => (now, 0, Some(at)),
                    _ => (now, 0, None),
                };
                let asked = Asked { first, last: now, times: before + 1, id, code, wrong: 0, proved_at };
                let in_vain = asked.times == SILENT_FROM;
                with(Proof::Asked(asked), if in_vain { Follows::AskedInVain } else { Follows::Asked })
            }
            (News::Answered(code), Proof::Asked(asked)) if asked.takes(code) => {
                (Self { proof: Proof::Proved { at: now }, ..Self::NEW }, Follows::Proved)
            }
            (News::Answered(_), Proof::Asked(asked)) => {
                with(Proof::Asked(Asked { wrong: asked.wrong + 1, ..asked }), Follows::WrongCode)
            }
            (News::Answered(_), _) => unchanged,
            (News::Declined, Proof::Declined { .. } | Proof::Dead { why: WhyDead::OptedOut, .. }) => {
                unchanged
            }
            (News::Declined, _) => with(Proof::Declined { at: now }, Follows::Declined),
            (
                News::OptedOut | News::Failed { cause: Cause::OptedOut, .. },
                Proof::Dead { why: WhyDead::OptedOut, .. },
            ) => unchanged,
            (News::OptedOut | News::Failed { cause: Cause::OptedOut, .. }, _) => dies(WhyDead::OptedOut),
            (News::OptedIn, Proof::Declined { .. } | Proof::Dead { .. }) => (Self::NEW, Follows::ToBeAsked),
            // Whoever says YES has answered: what is asked now is not asked in vain.
            (News::OptedIn, Proof::Asked(asked)) => {
                with(Proof::Asked(Asked { times: 0, ..asked }), Follows::ToBeAsked)
            }
            (News::OptedIn, Proof::Unasked | Proof::Proved { .. }) => unchanged,
            (News::Failed { .. }, Proof::Declined { .. } | Proof::Dead { .. }) => unchanged,
            (News::Failed { cause: Cause::NoSuchAddress, .. }, _) => dies(WhyDead::NoSuchAddress),
            (News::Failed { day, .. }, _) if self.failures.last == Some(day) => unchanged,
            (News::Failed { day, .. }, _) => {
                let failures = Failures { days: self.failures.days + 1, last: Some(day) };
                if failures.days >= DAYS_FAILED {
                    dies(WhyDead::FailedOnThreeDays)
                } else {
                    (Self { failures, ..self }, Follows::Nothing)
                }
            }
            // What arrives there shows that something does; it is no answer.
            (News::Arrived, Proof::Dead { why: WhyDead::NoSuchAddress | WhyDead::FailedOnThreeDays, .. }) => {
                (Self::NEW, Follows::ToBeAsked)
            }
            (News::Arrived, _) => (Self { failures: Failures::default(), ..self }, Follows::Nothing),
        }
    }

    /// When they are to be asked next; never, if they want nothing or nothing arrives.
    pub fn asked_next(&self, now: Time, zone: Tz) -> Option<Time> {
        // The ask itself goes out a little after its time: half a day less is the same day.
        let later = |since: Time, length: TimeDelta| {
            local_time::next_at(ASKED_AT, since + length - TimeDelta::hours(12), zone)
        };
        match self.proof {
            Proof::Unasked => Some(local_time::next_at(ASKED_AT, now, zone)),
            Proof::Asked(asked) if asked.times < ASKED_OFTEN => Some(later(asked.last, ASKED_AGAIN)),
            Proof::Asked(asked) => Some(later(asked.last, PROVED_FOR)),
            Proof::Proved { at } => Some(later(at, PROVED_FOR)),
            Proof::Declined { .. } | Proof::Dead { .. } => None,
        }
    }

    /// What it means for whoever is to be reached there.
    pub fn standing(&self) -> Standing {
        match self.proof {
            Proof::Asked(Asked { times, .. }) if times >= SILENT_FROM => Standing::Silent,
            Proof::Proved { .. } | Proof::Asked(Asked { proved_at: Some(_), .. }) => Standing::Proved,
            Proof::Unasked | Proof::Asked(_) => Standing::Unproved,
            Proof::Declined { at } => Standing::Declined { at },
            Proof::Dead { at, why } => Standing::Dead { at, why },
        }
    }
}

impl Asked {
    fn takes(&self, code: CodeHash) -> bool {
        self.wrong < WRONG_AT_MOST && self.code == code
    }
}

/// Whether somebody who is due to be asked is asked now, or when: not at night, and not long after their hour.
pub fn put_off_till(due: Time, now: Time, zone: Tz) -> Option<Time> {
    (now >= due + ASKED_FOR).then(|| local_time::next_at(ASKED_AT, now, zone))
}

/// What a proof means for whoever is to be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// They answered with the code, and not too long ago.
    Proved,
    /// They have not yet: an alarm goes there all the same.
    #[default]
    Unproved,
    /// They were asked again and did not answer: an alarm goes there, and the next people are told at once too.
    Silent,
    /// They do not agree: nothing of a new alarm goes there, and the next people are told at once.
    Declined {
        /// Since when.
        at: Time,
    },
    /// Nothing arrives: the next people are told at once.
    Dead {
        /// Since when.
        at: Time,
        /// Why.
        why: WhyDead,
    },
}

impl Standing {
    /// Whether somebody may be waited for who was told there.
    pub fn is_counted_on(self) -> bool {
        matches!(self, Self::Proved | Self::Unproved)
    }

    /// Since when whoever is there wants nothing of us. Only for outside contacts: staff are called whatever they say.
    pub fn wants_nothing_since(self) -> Option<Time> {
        match self {
            Self::Declined { at } | Self::Dead { at, why: WhyDead::OptedOut } => Some(at),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Europe::London;

    use super::*;

    fn at(time: &str) -> Time {
        time.parse().unwrap()
    }

    fn noon() -> Time {
        at("2026-01-14T12:00:00Z")
    }

    fn code(letters: &str) -> CodeHash {
        CodeHash::of(PersonId(uuid::Uuid::nil()), Channel::Sms, &Code::parse(letters).unwrap())
    }

    fn ask(letters: &str) -> News {
        News::Asked { id: AskId(uuid::Uuid::nil()), code: code(letters) }
    }

    fn after_all(news: impl IntoIterator<Item = (News, i64)>) -> (Known, Vec<Follows>) {
        let mut follows = Vec::new();
        let known = news.into_iter().fold(Known::NEW, |known, (news, day)| {
            let (known, this) = known.after(news, noon() + TimeDelta::days(day));
            follows.push(this);
            known
        });
        (known, follows)
    }

    fn fails(cause: Cause, day: i64) -> (News, i64) {
        (News::Failed { cause, day: (noon() + TimeDelta::days(day)).date_naive() }, day)
    }

    #[test]
    fn only_the_code_of_the_last_ask_proves() {
        let (known, follows) = after_all([
            (ask("K7QF"), 0),
            (ask("M3XT"), 7),
            (News::Answered(code("K7QF")), 7),
            (News::Answered(code("M3XT")), 7),
        ]);
        assert_eq!(follows, [Follows::Asked, Follows::AskedInVain, Follows::WrongCode, Follows::Proved]);
        assert_eq!(known.standing(), Standing::Proved);
        assert_ne!(
            code("K7QF"),
            CodeHash::of(PersonId(uuid::Uuid::nil()), Channel::Email, &Code::parse("K7QF").unwrap()),
            "a code proves the address that it was sent to"
        );
    }

    #[test]
    fn whoever_guesses_guesses_five_times() {
        let guesses = std::iter::repeat_n((News::Answered(code("A333")), 0), 5);
        let (known, _) = after_all(std::iter::once((ask("K7QF"), 0)).chain(guesses));
        assert_eq!(known.after(News::Answered(code("K7QF")), noon()).1, Follows::WrongCode);
        let (known, _) = known.after(ask("M3XT"), noon());
        assert_eq!(
            known.after(News::Answered(code("M3XT")), noon()).1,
            Follows::Proved,
            "the next ask is anew"
        );
    }

    #[test]
    fn a_proof_is_asked_for_anew_before_it_ends_and_holds_until_then() {
        let (proved, _) = after_all([(ask("K7QF"), 0), (News::Answered(code("K7QF")), 0)]);
        assert_eq!(proved.asked_next(noon(), London), Some(at("2026-02-21T10:00:00Z")), "38 days");
        let (asked, _) = proved.after(ask("M3XT"), at("2026-02-21T10:00:01Z"));
        assert_eq!(asked.standing(), Standing::Proved);
        assert_eq!(asked.asked_next(noon(), London), Some(at("2026-02-28T10:00:00Z")), "45 days");
        let (silent, follows) = asked.after(ask("M3XT"), at("2026-02-28T10:00:01Z"));
        assert_eq!((silent.standing(), follows), (Standing::Silent, Follows::AskedInVain));
        assert!(!silent.standing().is_counted_on());
        let (often, _) = silent.after(ask("M3XT"), at("2026-03-07T10:00:01Z"));
        assert_eq!(often.asked_next(noon(), London), Some(at("2026-04-14T09:00:00Z")), "seldom from then on");
    }

    #[test]
    fn three_days_make_it_dead_and_what_arrives_between_them_does_not() {
        use Cause::{NoSuchAddress, OptedOut, Other};
        let dead = |why| Standing::Dead { at: noon() + TimeDelta::days(5), why };
        let (known, _) = after_all([fails(Other, 0), fails(Other, 0), fails(Other, 2), fails(Other, 5)]);
        assert_eq!(known.standing(), dead(WhyDead::FailedOnThreeDays));
        let (known, _) = after_all([fails(Other, 0), fails(Other, 2), (News::Arrived, 3), fails(Other, 5)]);
        assert_eq!(known.standing(), Standing::Unproved);
        assert_eq!(after_all([fails(NoSuchAddress, 5)]).0.standing(), dead(WhyDead::NoSuchAddress));
        let (gone, _) = after_all([fails(OptedOut, 5)]);
        assert_eq!(gone.standing(), dead(WhyDead::OptedOut));
        assert_eq!(gone.after(News::Arrived, noon()).0, gone, "a text of another kind may get through");
        assert_eq!(gone.after(News::OptedIn, noon()), (Known::NEW, Follows::ToBeAsked));
        let (wrong, _) = after_all([fails(NoSuchAddress, 5)]);
        assert_eq!(wrong.after(News::Arrived, noon()), (Known::NEW, Follows::ToBeAsked));
    }

    #[test]
    fn whoever_says_no_is_asked_no_more_until_they_say_yes() {
        let (known, follows) = after_all([(ask("K7QF"), 0), (News::Declined, 1), (News::Declined, 2)]);
        assert_eq!(follows, [Follows::Asked, Follows::Declined, Follows::Nothing]);
        assert_eq!(known.asked_next(noon(), London), None);
        assert_eq!(known.after(ask("M3XT"), noon()).0, known);
        assert_eq!(known.standing().wants_nothing_since(), Some(noon() + TimeDelta::days(1)));
        assert_eq!(known.after(News::OptedIn, noon()), (Known::NEW, Follows::ToBeAsked));
    }

    #[test]
    fn nobody_is_asked_at_night() {
        let due = at("2026-01-14T10:00:00Z");
        assert_eq!(put_off_till(due, at("2026-01-14T10:00:00Z"), London), None);
        assert_eq!(put_off_till(due, at("2026-01-14T18:59:00Z"), London), None);
        let tomorrow = Some(at("2026-01-15T10:00:00Z"));
        assert_eq!(put_off_till(due, at("2026-01-14T19:00:00Z"), London), tomorrow);
        assert_eq!(put_off_till(Time::UNIX_EPOCH, noon(), London), tomorrow, "new: from tomorrow on");
    }
}
