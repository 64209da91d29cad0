//! English: the digest of what is due (row T4). The subject carries no case and no name, the short text neither; the mail carries
//! references alone.

use std::fmt::Write as _;

use chrono::NaiveDate;

use super::{Text, sms};
use crate::domain::notice::{DueItem, DueWhen};

pub(super) fn digest(team: Option<&str>, today: NaiveDate, items: &[DueItem]) -> Text {
    let count = |is: fn(DueWhen) -> bool| items.iter().filter(|item| is(item.when)).count();
    let (now, overdue, week, unknown) = (
        count(|when| matches!(when, DueWhen::Now)),
        count(|when| matches!(when, DueWhen::Overdue(_))),
        count(|when| matches!(when, DueWhen::ThisWeek(_))),
        count(|when| matches!(when, DueWhen::NotKnown)),
    );
    let parts =
        [(now, "due now"), (overdue, "overdue"), (week, "due this week"), (unknown, "not known when")];
    let parts: Vec<_> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let counts = parts.join(", ");
    let whose = if team.is_some() { "Home visits of your team" } else { "Your home visits" };
    let named = team.map_or_else(|| whose.to_owned(), |team| format!("Home visits of {team}"));
    let mut mail = format!("{named} on {}: {counts}.\n", day(today));
    for item in items {
        let when = match item.when {
            DueWhen::Now => "due now, at the earliest opportunity".to_owned(),
            DueWhen::Overdue(by) => {
                let days = (today - by).num_days();
                format!("OVERDUE: was due {}, {days} {} ago", day(by), if days == 1 { "day" } else { "days" })
            }
            DueWhen::ThisWeek(by) => format!("due {}", day(by)),
            DueWhen::NotKnown => "it cannot be computed when a visit is due: look what is missing".to_owned(),
        };
        let planned = if item.is_planned { "; a visit is planned" } else { "" };
        let _ = write!(mail, "\n{}: {when}{planned}", item.reference);
    }
    mail.push_str("\n\nWhy, and what is known, stands in Homeward. A visit counts once the person was seen and that is recorded.");
    let sms =
        sms::with_names([], |[]: [&str; 0]| format!("{whose}: {counts}. See the due list in Homeward."));
    Text { sms, subject: format!("{whose}: {counts}"), mail }
}

fn day(day: NaiveDate) -> String {
    day.format("%a %-d %b").to_string()
}
