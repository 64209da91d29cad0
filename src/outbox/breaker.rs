//! Which providers are asked: not one that wants to be left alone, and not first one that has just failed several times.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use chrono::TimeDelta;

use crate::clock::Time;

/// So many tries in a row that fail open the breaker.
const FAILURES: u32 = 3;
/// For so long others are asked first; then one message tries whether it works again.
const OPEN: TimeDelta = TimeDelta::seconds(10);

/// What is known of the providers, in this process alone: forgotten, it is learned again.
#[derive(Debug, Default)]
pub(super) struct Breakers(Mutex<HashMap<String, Breaker>>);

#[derive(Debug, Clone, Copy, Default)]
struct Breaker {
    failures: u32,
    /// Others first until then.
    open_until: Option<Time>,
    /// It asked to be left alone until then.
    paused_until: Option<Time>,
}

impl Breakers {
    /// Until when a provider wants to be left alone.
    pub(super) fn paused_until(&self, provider: &str, now: Time) -> Option<Time> {
        self.of(provider).paused_until.filter(|until| now < *until)
    }

    /// Whether this message may be the one that tries whether it works again; for others it is broken a while longer.
    pub(super) fn may_try_again(&self, provider: &str, now: Time) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(breaker) = all.get_mut(provider) else { return true };
        match breaker.open_until {
            Some(until) if now < until => false,
            Some(_) => {
                breaker.open_until = Some(now + OPEN);
                true
            }
            None => true,
        }
    }

    /// Whether it has failed several times and not answered since.
    pub(super) fn has_failed_often(&self, provider: &str) -> bool {
        self.of(provider).failures >= FAILURES
    }

    /// Whether its last try did not fail.
    pub(super) fn is_well(&self, provider: &str) -> bool {
        self.of(provider).failures == 0
    }

    /// It asks to be left alone until then.
    pub(super) fn pause(&self, provider: &str, until: Time) {
        self.change(provider, |breaker| breaker.paused_until = Some(until));
    }

    /// It answered, whatever it said of the message.
    pub(super) fn works(&self, provider: &str) {
        self.change(provider, |breaker| (breaker.failures, breaker.open_until) = (0, None));
    }

    /// It did not take a message that it should have taken, or did not answer.
    pub(super) fn failed(&self, provider: &str, now: Time) {
        self.change(provider, |breaker| {
            breaker.failures += 1;
            if breaker.failures >= FAILURES {
                breaker.open_until = Some(now + OPEN);
            }
        });
    }

    fn of(&self, provider: &str) -> Breaker {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(provider).copied().unwrap_or_default()
    }

    fn change(&self, provider: &str, change: impl FnOnce(&mut Breaker)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(all.entry(provider.to_owned()).or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_three_failures_and_one_answer_closes_it() {
        let at = |second| Time::UNIX_EPOCH + TimeDelta::seconds(second);
        let breakers = Breakers::default();
        for second in 0..3 {
            assert!(breakers.may_try_again("one", at(second)), "after {second}");
            breakers.failed("one", at(second));
        }
        assert!(!breakers.may_try_again("one", at(2)) && !breakers.may_try_again("one", at(11)));
        assert!(breakers.may_try_again("one", at(12)), "one message tries it again");
        assert!(!breakers.may_try_again("one", at(12)), "and the next does not wait for it");
        breakers.failed("one", at(12));
        assert!(!breakers.may_try_again("one", at(13)), "and it is still broken");
        breakers.works("one");
        assert!(breakers.may_try_again("one", at(13)) && breakers.may_try_again("other", at(13)));
    }
}
