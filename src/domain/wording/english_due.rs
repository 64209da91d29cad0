//! English: the digest of what is due (row T4). The subject carries no case and no name, the short text neither; the mail carries
//! references alone.

use std::fmt::Write as _;

use chrono::NaiveDate;

use super::{Text, sms};
use crate::domain::notice::{DueItem, DueWhen, OversightMissing};

pub(super) fn digest(
    team: Option<&str>,
    today: NaiveDate,
    items: &[DueItem],
    oversight: OversightMissing,
    unknown_year: Option<i32>,
) -> Text {
    let holidays = unknown_year.map(without_holidays).unwrap_or_default();
    if items.is_empty() {
        return oversight_alone(team, oversight, &holidays);
    }
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
    if oversight.asked > 0 {
        let _ = write!(mail, "\n\n{}", missing(oversight));
    }
    mail.push_str(&holidays);
    mail.push_str("\n\nWhy, and what is known, stands in Homeward. A visit counts once the person was seen and that is recorded.");
    let sms =
        sms::with_names([], |[]: [&str; 0]| format!("{whose}: {counts}. See the due list in Homeward."));
    Text { sms, subject: format!("{whose}: {counts}"), mail }
}

fn without_holidays(year: i32) -> String {
    format!(
        "\n\nHomeward does not know the bank holidays of {year}: what is due there in working days cannot be computed, and oversight is asked for as if there were none. Ask whoever looks after Homeward to set them."
    )
}

fn oversight_alone(team: Option<&str>, oversight: OversightMissing, holidays: &str) -> Text {
    let subject = missing(oversight);
    let team = team.map(|team| format!(" ({team})")).unwrap_or_default();
    let mail = format!(
        "{subject}{team}{holidays}\n\nWhat it is about stands in Homeward, under oversight that is missing."
    );
    let sms = sms::with_names([], |[]: [&str; 0]| format!("{subject} See Homeward."));
    Text { sms, subject, mail }
}

fn missing(OversightMissing { asked, overdue }: OversightMissing) -> String {
    let late = if overdue > 0 { format!(", {overdue} OVERDUE") } else { String::new() };
    format!("Management oversight is asked of you: {asked}{late}.")
}

fn day(day: NaiveDate) -> String {
    day.format("%a %-d %b").to_string()
}
