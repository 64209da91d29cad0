//! English: what is said about policy documents, about what workers take along (rows P1, P3) and about other systems (row D7).

use chrono::NaiveDate;

use super::{Text, english::both, sms};
use crate::{
    clock::Time,
    domain::{
        checklist::Whose,
        notice::{Asked, WebhookFails},
    },
};

fn day(day: NaiveDate) -> String {
    day.format("%-d %b").to_string()
}

/// A text whose names may have to be cut, and a mail that has room for all of them.
fn text(subject: &str, sms: String, mail: String) -> Text {
    Text { sms, subject: sms::plain(subject), mail }
}

pub(super) fn to_acknowledge(titles: &[String], by: NaiveDate) -> Text {
    let (titles, by) = (titles.join(", "), day(by));
    let write = |titles: &str| {
        format!("Please read and acknowledge in Homeward by {by}: {titles}. The link to it stands there.")
    };
    let sms = sms::with_names([titles.as_str()], |[titles]| write(titles));
    text(&format!("To read and acknowledge by {by}"), sms, write(&titles))
}

pub(super) fn not_acknowledged(titles: &[String], by: NaiveDate, asked: &Asked) -> Text {
    let (titles, by) = (titles.join(", "), day(by));
    match asked {
        Asked::Them => {
            let write = |titles: &str| {
                format!(
                    "You have not acknowledged, due by {by}: {titles}. Please read it and say so in Homeward."
                )
            };
            let sms = sms::with_names([titles.as_str()], |[titles]| write(titles));
            text(&format!("Not acknowledged, due by {by}"), sms, write(&titles))
        }
        Asked::TheirManager(name) => {
            let write = |name: &str, titles: &str| {
                format!("{name} has not acknowledged, due by {by}, though asked: {titles}.")
            };
            let sms = sms::with_names([name.as_str(), titles.as_str()], |[name, titles]| write(name, titles));
            text(&format!("{name}: a policy is not acknowledged"), sms, write(name, &titles))
        }
    }
}

pub(super) fn not_back(what: &str, due_back: &str, asked: &Asked) -> Text {
    match asked {
        Asked::Them => both(
            &sms::plain(&format!("Please bring back: {what}")),
            sms::with_names([what], |[what]| {
                format!(
                    "Please bring back {what}, due {due_back}. It is out with you until its return stands in Homeward."
                )
            }),
        ),
        Asked::TheirManager(name) => both(
            &sms::plain(&format!("{name}: not brought back")),
            sms::with_names([name, what], |[name, what]| {
                format!("{name} has not brought back {what}, due {due_back}, though asked.")
            }),
        ),
    }
}

/// Of one visit, or of several.
fn of_visits(visits: usize, first: &str) -> String {
    match visits {
        0 | 1 => format!("The visit that ended {first}"),
        more => format!("{more} visits, the first ended {first}"),
    }
}

pub(super) fn checklist_missing(whose: Whose, visits: usize, first: &str, asked: &Asked) -> Text {
    let of = of_visits(visits, first);
    let list = match whose {
        Whose::Worker => "the checklist for afterwards",
        Whose::Manager => "the manager's checklist for afterwards",
    };
    match asked {
        Asked::Them => both(
            "A checklist lacks answers",
            format!("{of}: {list} lacks answers. Please complete it in Homeward."),
        ),
        Asked::TheirManager(name) => both(
            &sms::plain(&format!("{name}: a checklist lacks answers")),
            sms::with_names([name], |[name]| format!("{name}: {of}: {list} lacks answers, though asked.")),
        ),
    }
}

pub(super) fn to_review(visits: usize, first: &str) -> Text {
    let of = of_visits(visits, first);
    let (was, it) = if visits > 1 { (", were", "each") } else { (" was", "it") };
    both(
        "Out of the ordinary: please review",
        format!(
            "{of}{was} out of the ordinary: a senior manager has to look at {it}. Please write in Homeward what you found."
        ),
    )
}

/// A call to act: nobody knows who pressed it.
pub(super) fn device_calls_for_help(
    what: &str,
    last: Option<&str>,
    number: Option<&str>,
    retired: Option<&str>,
) -> Text {
    let out_with_nobody = match retired {
        None => "a device that is out with nobody".to_owned(),
        Some(because) => format!("a device out of use ({because})"),
    };
    let ring = number.map_or_else(String::new, |number| format!(" Ring it on {number}."));
    both(
        &sms::plain(&format!("SOS from {what}, a device that nobody is signed out with")),
        sms::with_names([what, last.unwrap_or_default()], |[what, last]| {
            let last = if last.is_empty() { String::new() } else { format!(" Last out with {last}.") };
            format!("SOS from {what}, {out_with_nobody}.{last}{ring} Find out now who has it; in danger 999.")
        }),
    )
}

/// Nothing about why: that is another system's word, and stands in Homeward.
pub(super) fn webhook_fails(key: &str, how: WebhookFails, time: impl Fn(Time) -> String) -> Text {
    let (subject, what) = match how {
        WebhookFails::Since(since) => {
            let what = format!(
                "has taken nothing since {}. It is tried again; nothing is lost so far.",
                time(since)
            );
            ("is not told what happened", what)
        }
        WebhookFails::GivenUp => (
            "has not been told all that happened",
            "was tried for days: what it has not taken is given up. Mend it, then ask for a replay.".into(),
        ),
        WebhookFails::Disabled => (
            "wants to be told no more",
            "says that it wants to be told no more. Nothing goes there until it is set again.".into(),
        ),
    };
    let sms = sms::with_names([key], |[key]| format!("Webhook {key} {what} Why stands in Homeward."));
    let mail = format!(
        "Webhook {key} {what} Why stands in Homeward, under webhooks. Alarms go another way: they are not concerned."
    );
    text(&format!("Webhook {key} {subject}"), sms, mail)
}
