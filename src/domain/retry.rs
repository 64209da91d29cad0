//! When a message that was not accepted is tried again, and by whom (row D3).

use std::time::Duration;

/// The first wait after every provider of a channel has failed once.
pub const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The longest wait.
pub const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// What came of handing a message to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handed {
    /// The provider has it.
    Accepted {
        /// The provider's name for it, if it gave one.
        reference: Option<String>,
    },
    /// It may work later: a fault of the provider, or no answer in time (it may have been accepted all the same).
    TryAgain {
        /// What went wrong, without personal data.
        reason: String,
    },
    /// The provider asks to be left alone for a while (429 or 503 with `Retry-After`).
    Slow {
        /// For how long.
        wait: Duration,
    },
    /// It will never work by this channel: bad number, unknown mailbox.
    Refused {
        /// What that says of the address.
        cause: Cause,
        /// What went wrong, without personal data.
        reason: String,
    },
}

/// Why a message will not arrive, as far as that says something of the address it was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Whoever has the phone told the network to let nothing of ours through (STOP): no later message will arrive either.
    OptedOut,
    /// There is no such number or mailbox, or it takes no texts.
    NoSuchAddress,
    /// It says nothing of the address.
    Other,
}

/// What has become of a message before this try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// It was not handed to anybody.
    Nothing,
    /// It was, and whoever got it may have it though they did not say so.
    OutcomeUnknown,
}

impl Before {
    /// What to think before try number `tries`, from 1. A try that was asked to wait is none.
    pub fn of(tries: u32) -> Self {
        if tries <= 1 { Self::Nothing } else { Self::OutcomeUnknown }
    }
}

/// The place in its channel's list of the provider that makes try number `tries_before + 1`.
pub fn provider_for(tries_before: u32, providers: usize) -> usize {
    usize::try_from(tries_before).unwrap_or_default() % providers.max(1)
}

/// What counts as tried where try number `tries` failed with one that stood in for the provider whose turn it was: the turn is
/// still theirs, at once, lest one is asked twice and the other not at all. `None` past the first turn: nothing is tried at once
/// for ever.
pub fn tried_by_stand_in(tries: u32, providers: usize) -> Option<u32> {
    let providers = u32::try_from(providers).ok()?;
    (1..=providers).contains(&tries).then(|| tries - 1 + providers)
}

/// How long to wait before the next try, after `tries` that failed: nothing while another provider of the channel has not
/// been tried in this turn, then 2 s, doubling to 60 s. `jitter` in 0..1 takes up to a fifth off, so that many messages
/// do not come back at once.
pub fn wait_after(tries: u32, providers: usize, jitter: f64) -> Duration {
    let providers = u32::try_from(providers.max(1)).unwrap_or(1);
    if !tries.is_multiple_of(providers) {
        return Duration::ZERO;
    }
    let turns = tries / providers;
    let full = FIRST_WAIT.saturating_mul(1 << turns.saturating_sub(1).min(10)).min(LONGEST_WAIT);
    full.mul_f64(1.0 - 0.2 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_provider_is_tried_at_once_and_waits_grow_to_a_minute() {
        let waits: Vec<_> = (1..=14).map(|tries| wait_after(tries, 2, 0.0).as_secs()).collect();
        assert_eq!(waits, [0, 2, 0, 4, 0, 8, 0, 16, 0, 32, 0, 60, 0, 60]);
        let providers: Vec<_> = (0..4).map(|tries| provider_for(tries, 2)).collect();
        assert_eq!(providers, [0, 1, 0, 1]);
        let after_a_stand_in: Vec<_> = (1..=3).map(|tries| tried_by_stand_in(tries, 2)).collect();
        assert_eq!(after_a_stand_in, [Some(2), Some(3), None]);
        assert_eq!(
            after_a_stand_in[..2].iter().map(|tried| provider_for(tried.unwrap(), 2)).collect::<Vec<_>>(),
            [0, 1]
        );
        assert_eq!(wait_after(u32::MAX, 1, 0.0), LONGEST_WAIT);
        assert!(wait_after(1, 1, 1.0) >= Duration::from_millis(1600));
    }
}
