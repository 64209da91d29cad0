//! Instants as people of a place read them.

use chrono_tz::Tz;

use crate::clock::Time;

/// `15:00`, with the day where it is not today's: `15:00 Tue`.
pub fn written(at: Time, now: Time, zone: Tz) -> String {
    let (local, today) = (at.with_timezone(&zone), now.with_timezone(&zone).date_naive());
    let form = if local.date_naive() == today { "%H:%M" } else { "%H:%M %a" };
    local.format(form).to_string()
}
