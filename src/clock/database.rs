//! Several servers: the database's clock is the time.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::TimeDelta;

use super::{
    Change, Clock, Machine, Source, Time,
    steady::{Changes, Gap, Steady},
};

/// An answer that took longer says only that it is that late at least: nobody knows when within that time the database read
/// its clock.
const TOO_LONG: Duration = Duration::from_secs(1);

/// The database's clock, as of the last reading, carried on by the steady clock. The machine's calendar does not matter to it;
/// that the two are apart is said.
#[derive(Debug)]
pub struct DatabaseClock {
    machine: Arc<dyn Machine>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    steady: Steady,
    gap: Gap,
    changes: Changes,
}

/// The database was asked for its time then.
#[derive(Debug, Clone, Copy)]
pub struct Asked(Duration);

impl Asked {
    /// Now, by this machine.
    pub fn now(machine: &dyn Machine) -> Self {
        Self(machine.read().steady)
    }
}

impl DatabaseClock {
    /// Takes a first answer, however long it took: there is no clock before it.
    pub fn new(machine: Arc<dyn Machine>, asked: Asked, answer: Time) -> Self {
        let now = machine.read();
        let took = now.steady.saturating_sub(asked.0);
        let time = on_arrival(answer, took);
        let mut state = State {
            steady: Steady::new(Source::Database, time, now.steady),
            gap: Gap::default(),
            changes: Changes::default(),
        };
        let gap = state.gap.seen(now.wall - time);
        state.changes.add(gap);
        Self { machine, state: Mutex::new(state) }
    }

    /// The database is about to be asked.
    pub fn ask(&self) -> Asked {
        Asked::now(&*self.machine)
    }

    /// It has answered. Half of the time that took has passed since it read its clock; where it took too long the answer is
    /// followed if it is ahead all the same, as after a suspension.
    pub fn answered(&self, asked: Asked, answer: Time) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.machine.read();
        let took = now.steady.saturating_sub(asked.0);
        if took > TOO_LONG {
            if answer > state.steady.at(now.steady) {
                let step = state.steady.read(super::whole_microseconds(answer), now.steady);
                state.changes.add(step);
            }
            return;
        }
        let time = on_arrival(answer, took);
        let step = state.steady.read(time, now.steady);
        let gap = state.gap.seen(now.wall - time);
        state.changes.add(step);
        state.changes.add(gap);
    }
}

fn on_arrival(answer: Time, took: Duration) -> Time {
    super::whole_microseconds(answer + TimeDelta::from_std(took / 2).unwrap_or_default())
}

impl Clock for DatabaseClock {
    fn now(&self) -> Time {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        super::whole_microseconds(state.steady.at(self.machine.read().steady))
    }

    fn take_changes(&self) -> Vec<Change> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).changes.take()
    }

    fn machine_ahead(&self) -> TimeDelta {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.machine.read();
        now.wall - state.steady.at(now.steady)
    }

    fn follows_database(&self) -> Option<&DatabaseClock> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualMachine;

    fn at(seconds: i64) -> Time {
        "2026-01-14T12:00:00Z".parse::<Time>().unwrap() + TimeDelta::seconds(seconds)
    }

    /// A machine whose calendar is right, and the clock on it.
    fn start() -> (ManualMachine, DatabaseClock) {
        let machine = ManualMachine::new(at(0));
        let clock = DatabaseClock::new(Arc::new(machine.clone()), Asked::now(&machine), at(0));
        (machine, clock)
    }

    fn run(machine: &ManualMachine, seconds: u64) {
        machine.run(Duration::from_secs(seconds));
    }

    #[test]
    fn the_machines_calendar_does_not_matter_and_is_spoken_of_once() {
        let (machine, clock) = start();
        machine.step(TimeDelta::hours(1));
        for second in 1..=5 {
            run(&machine, 1);
            assert_eq!(clock.now(), at(second));
            clock.answered(clock.ask(), at(second));
        }
        assert_eq!(clock.take_changes(), [Change::Apart { machine_ahead: TimeDelta::hours(1) }]);
        machine.step(-TimeDelta::minutes(30));
        clock.answered(clock.ask(), at(5));
        assert_eq!(clock.take_changes(), [Change::Apart { machine_ahead: TimeDelta::minutes(30) }]);
        machine.step(-TimeDelta::minutes(30));
        clock.answered(clock.ask(), at(5));
        assert_eq!((clock.now(), clock.take_changes()), (at(5), vec![Change::Together]));
    }

    #[test]
    fn a_machine_that_is_wrong_from_the_beginning_is_spoken_of() {
        let machine = ManualMachine::new(at(-3600));
        let clock = DatabaseClock::new(Arc::new(machine.clone()), Asked::now(&machine), at(0));
        assert_eq!(clock.now(), at(0));
        assert_eq!(clock.take_changes(), [Change::Apart { machine_ahead: TimeDelta::hours(-1) }]);
    }

    #[test]
    fn half_of_the_time_that_an_answer_took_has_passed_since() {
        let (machine, clock) = start();
        let asked = clock.ask();
        machine.run(Duration::from_millis(400));
        clock.answered(asked, at(10));
        assert_eq!(clock.now(), at(10) + TimeDelta::milliseconds(200));
    }

    #[test]
    fn an_answer_that_took_too_long_is_what_the_time_is_at_least() {
        let (machine, clock) = start();
        let asked = clock.ask();
        run(&machine, 3);
        clock.answered(asked, at(1));
        assert_eq!(
            (clock.now(), clock.take_changes()),
            (at(3), vec![]),
            "it may have been read three seconds ago"
        );
        // Suspended for twenty minutes, and every reading is slow since.
        machine.step(TimeDelta::minutes(20));
        let asked = clock.ask();
        run(&machine, 3);
        clock.answered(asked, at(1203));
        assert_eq!(clock.now(), at(1203), "no later than it must be, and not twenty minutes");
        let slept = Change::Stepped { source: Source::Database, before: at(6), after: at(1203) };
        assert_eq!(clock.take_changes(), [slept]);
    }

    #[test]
    fn after_a_suspension_it_goes_on_from_the_database() {
        let (machine, clock) = start();
        machine.step(TimeDelta::minutes(20));
        assert_eq!(clock.now(), at(0), "the steady clock stood still as well");
        clock.answered(clock.ask(), at(1200));
        assert_eq!(clock.now(), at(1200));
        let slept = Change::Stepped { source: Source::Database, before: at(0), after: at(1200) };
        assert_eq!(clock.take_changes(), [slept]);
    }

    #[test]
    fn a_fail_over_to_an_older_clock_goes_on_from_our_own() {
        let (machine, clock) = start();
        run(&machine, 10);
        clock.answered(clock.ask(), at(-3590));
        for second in 11..20 {
            run(&machine, 1);
            clock.answered(clock.ask(), at(second - 3600));
            assert_eq!(clock.now(), at(second));
        }
        let changes = clock.take_changes();
        let back = Change::Stepped { source: Source::Database, before: at(10), after: at(-3590) };
        assert_eq!((changes.len(), changes[0]), (2, back), "{changes:?}");
        assert!(matches!(changes[1], Change::Apart { .. }));
        // And the old one comes back.
        clock.answered(clock.ask(), at(19));
        assert_eq!(clock.now(), at(19));
    }

    #[test]
    fn answers_that_are_a_little_off_do_not_add_up() {
        let (machine, clock) = start();
        clock.answered(clock.ask(), at(1));
        run(&machine, 1);
        clock.answered(clock.ask(), at(1));
        assert_eq!(clock.now(), at(2), "it stands still until the database has caught up");
        run(&machine, 1);
        clock.answered(clock.ask(), at(2));
        assert_eq!((clock.now(), clock.take_changes()), (at(2), vec![]));
    }
}
