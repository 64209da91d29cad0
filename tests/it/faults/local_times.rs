//! Clocks that people read: every zone of the world, and the nights on which its clocks change.

use chrono::{DateTime, Days, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use homeward::{
    clock::Time,
    domain::local_time::{ClockTime, Meant, next_at},
};

/// The clocks of a zone go from one offset to another.
#[derive(Debug)]
struct Change {
    at: Time,
    before: TimeDelta,
    after: TimeDelta,
}

impl Change {
    /// When `said` would have been shown, had the clocks not skipped it.
    fn skipped(&self, said: NaiveTime) -> Option<NaiveDateTime> {
        let (from, to) = ((self.at + self.before).naive_utc(), (self.at + self.after).naive_utc());
        [from, to].map(|end| end.date().and_time(said)).into_iter().find(|at| from <= *at && *at < to)
    }
}

fn offset(zone: Tz, at: Time) -> TimeDelta {
    TimeDelta::seconds(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc().into())
}

/// All changes of a zone in ten years, found by looking at its offset day by day.
fn changes(zone: Tz) -> Vec<Change> {
    let start = Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap();
    let mut found = Vec::new();
    let mut before = offset(zone, start);
    for day in 0..3653 {
        let (mut from, mut to) = (start + TimeDelta::days(day), start + TimeDelta::days(day + 1));
        let after = offset(zone, to);
        if after != before {
            while to - from > TimeDelta::seconds(1) {
                let middle = from + (to - from) / 2;
                let middle = DateTime::from_timestamp(middle.timestamp(), 0).unwrap();
                if offset(zone, middle) == before { from = middle } else { to = middle }
            }
            found.push(Change { at: to, before, after });
            before = after;
        }
    }
    found
}

/// When a clock on the wall next shows `said`, or skips it: the wall is looked at here, not the calendar.
fn on_the_wall(change: &Change, said: NaiveTime, now: Time) -> Time {
    let shows = |offset: TimeDelta, part: &dyn Fn(Time) -> bool| {
        let today = (now + offset).date_naive();
        (0..=2)
            .map(|days| today.checked_add_days(Days::new(days)).unwrap().and_time(said).and_utc() - offset)
            .find(|at| *at > now && part(*at))
    };
    let before = shows(change.before, &|at| at < change.at);
    let after = shows(change.after, &|at| at >= change.at);
    let at_the_change = (change.skipped(said).is_some() && change.at > now).then_some(change.at);
    before.into_iter().chain(after).chain(at_the_change).min().unwrap()
}

#[test]
fn f14_a_time_is_kept_in_every_zone_on_every_night_of_a_change() {
    let (mut zones, mut nights, mut asked) = (0, 0, 0);
    for zone in TZ_VARIANTS {
        zones += 1;
        for change in changes(zone) {
            nights += 1;
            let local = (change.at + change.before).time();
            let half_past_two = NaiveTime::from_hms_opt(2, 30, 0).unwrap();
            let around = (-10..10).map(|step| local.overflowing_add_signed(TimeDelta::minutes(step * 9)).0);
            for said in std::iter::once(half_past_two).chain(around) {
                let said = said.with_second(0).unwrap();
                for before in [150, 20, 0, -40] {
                    let now = change.at - TimeDelta::minutes(before);
                    let expected = on_the_wall(&change, said, now);
                    let told = ClockTime::Sure(said).next(now, zone);
                    let believed = expected - now <= TimeDelta::hours(12);
                    let expected = if believed { Meant::At(expected) } else { Meant::TooFar };
                    assert_eq!(told, expected, "{zone}: {said} said at {now}, {change:?}");
                    asked += 1;
                }
            }
        }
    }
    eprintln!("{zones} zones, {nights} changes, {asked} times asked");
    assert!(zones > 500 && nights > 3000, "{zones} zones, {nights} changes");
}

/// What is due daily is due on every local day, once, also on one whose clocks skip or repeat the hour.
#[test]
fn f14_what_is_due_daily_is_due_once_a_day_in_every_zone() {
    for zone in TZ_VARIANTS {
        for change in changes(zone) {
            let local = (change.at + change.before).time();
            let around = [-45, -1, 0, 1, 15, 45].map(|minutes| {
                local.overflowing_add_signed(TimeDelta::minutes(minutes)).0.with_second(0).unwrap()
            });
            for due in around.into_iter().chain(NaiveTime::from_hms_opt(9, 0, 0)) {
                let mut at = change.at - TimeDelta::days(3);
                let mut days = Vec::new();
                while at < change.at + TimeDelta::days(3) {
                    let next = next_at(due, at, zone);
                    assert!(next > at, "{zone}: {due} after {at} is {next}");
                    let local = next.with_timezone(&zone);
                    if local.time() == due {
                        days.push(local.date_naive());
                    } else {
                        assert_eq!(next, change.at, "{zone}: {due} became {local}");
                        days.push(change.skipped(due).unwrap().date());
                    }
                    at = next;
                }
                let follow = days.windows(2).all(|two| two[1] - two[0] == TimeDelta::days(1));
                assert!(follow, "{zone}: {due} around {change:?} is due on {days:?}");
            }
        }
    }
}
