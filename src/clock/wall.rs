//! One server: the machine's clock is the time.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;

use super::{
    Change, Clock, Instants, Machine, Source, Time,
    steady::{Changes, Steady},
};

/// The machine's clock. A step forward is followed at once; after a step back it goes on at its own pace until the machine has
/// caught up, so that nothing that is due is put off.
#[derive(Debug)]
pub struct WallClock {
    machine: Arc<dyn Machine>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    steady: Steady,
    changes: Changes,
}

impl WallClock {
    /// Shows what this machine's shows.
    pub fn new(machine: Arc<dyn Machine>) -> Self {
        let Instants { wall, steady } = machine.read();
        let steady = Steady::new(Source::Machine, wall, steady);
        Self { machine, state: Mutex::new(State { steady, changes: Changes::default() }) }
    }

    fn read(&self) -> (Instants, Time) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock: of two readings the later one counts.
        let now = self.machine.read();
        let change = state.steady.read(now.wall, now.steady);
        state.changes.add(change);
        (now, state.steady.at(now.steady))
    }
}

impl Clock for WallClock {
    fn now(&self) -> Time {
        self.read().1
    }

    fn take_changes(&self) -> Vec<Change> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).changes.take()
    }

    fn machine_ahead(&self) -> TimeDelta {
        let (machine, ours) = self.read();
        machine.wall - ours
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualMachine;

    fn noon() -> Time {
        "2026-01-14T12:00:00Z".parse().unwrap()
    }

    fn start() -> (ManualMachine, WallClock) {
        let machine = ManualMachine::new(noon());
        let clock = WallClock::new(Arc::new(machine.clone()));
        (machine, clock)
    }

    fn stepped(from: i64, to: i64) -> Vec<Change> {
        let at = |seconds| noon() + TimeDelta::seconds(seconds);
        vec![Change::Stepped { source: Source::Machine, before: at(from), after: at(to) }]
    }

    #[test]
    fn a_step_forward_is_followed_at_once() {
        let (machine, clock) = start();
        machine.run(Duration::from_secs(10));
        assert_eq!((clock.now(), clock.take_changes()), (noon() + TimeDelta::seconds(10), vec![]));
        machine.step(TimeDelta::hours(1));
        assert_eq!(clock.now(), noon() + TimeDelta::seconds(3610));
        assert_eq!(clock.take_changes(), stepped(10, 3610));
        assert_eq!(clock.take_changes(), []);
    }

    #[test]
    fn a_step_back_is_ignored_and_said_once_until_the_machine_has_caught_up() {
        let (machine, clock) = start();
        machine.step(-TimeDelta::hours(1));
        for second in 1..=10 {
            machine.run(Duration::from_secs(1));
            assert_eq!(clock.now(), noon() + TimeDelta::seconds(second), "it goes on at its own pace");
        }
        assert_eq!(clock.take_changes(), stepped(1, -3599));
        assert_eq!(clock.machine_ahead(), -TimeDelta::hours(1));
        machine.step(TimeDelta::minutes(59));
        assert_eq!(clock.now(), noon() + TimeDelta::seconds(10), "nor is what comes before it has caught up");
        machine.step(TimeDelta::minutes(2));
        assert_eq!(clock.now(), noon() + TimeDelta::seconds(70));
        assert_eq!(clock.take_changes().len(), 2);
        assert_eq!(clock.machine_ahead(), TimeDelta::zero());
    }

    #[test]
    fn after_a_small_step_back_it_stands_still() {
        let (machine, clock) = start();
        machine.step(-TimeDelta::milliseconds(1500));
        for (run, shown) in [(0, 0), (1000, 0), (400, 0), (600, 500)] {
            machine.run(Duration::from_millis(run));
            assert_eq!(clock.now(), noon() + TimeDelta::milliseconds(shown));
        }
        assert_eq!(clock.take_changes(), [], "clocks are set right by so much every day");
    }
}
