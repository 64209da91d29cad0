//! English: what is said about policy documents and about what workers take along (rows P1, P3).

use chrono::NaiveDate;

use super::{Text, english::both, sms};
use crate::domain::notice::Asked;

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

/// A call to act: nobody knows who pressed it.
pub(super) fn device_calls_for_help(what: &str, last: Option<&str>, number: Option<&str>) -> Text {
    let ring = number.map_or_else(String::new, |number| format!(" Ring it on {number}."));
    both(
        &sms::plain(&format!("SOS from {what}, a device that nobody is signed out with")),
        sms::with_names([what, last.unwrap_or_default()], |[what, last]| {
            let last = if last.is_empty() { String::new() } else { format!(" Last out with {last}.") };
            format!(
                "SOS from {what}, a device that is out with nobody.{last}{ring} Find out now who has it; in danger 999."
            )
        }),
    )
}
