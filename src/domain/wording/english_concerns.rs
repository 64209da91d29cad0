//! English: concerns and agreed measures. No text says what a concern is about, whose or where (row E10): that stands in Homeward.

use chrono::NaiveDate;

use super::{Text, english::both, sms};
use crate::domain::{
    measures::{Kept, Moment},
    notice::Asked,
    reply::Tied,
};

pub(super) fn raised(by: &str, at: &str) -> Text {
    both(
        &format!("{by} raised a concern"),
        sms::with_names([by], |[by]| format!("{by} raised a concern at {at}. Read it in Homeward.")),
    )
}

pub(super) fn due(by: &str, at: &str, asked: &Asked) -> Text {
    match asked {
        Asked::Them => both(
            &format!("Not discussed yet: the concern of {by}"),
            sms::with_names([by], |[by]| {
                format!(
                    "{by} raised a concern at {at}. Nobody has discussed it yet. Please do, and say so in Homeward."
                )
            }),
        ),
        Asked::TheirManager(name) => both(
            &format!("{name}: a concern is not discussed yet"),
            sms::with_names([by, name], |[by, name]| {
                format!(
                    "{by} raised a concern at {at}. Nobody has discussed it yet, though {name} was asked."
                )
            }),
        ),
    }
}

pub(super) fn still_open(by: &str, on: NaiveDate, asked: &Asked) -> Text {
    let day = on.format("%-d %b");
    match asked {
        Asked::Them => both(
            &format!("Still open: the concern of {by}"),
            sms::with_names([by], |[by]| {
                format!(
                    "The concern that {by} raised on {day} was discussed and is still open. Say in Homeward what is to be done, or what came of it."
                )
            }),
        ),
        Asked::TheirManager(name) => both(
            &format!("{name}: a concern is still open"),
            sms::with_names([by, name], |[by, name]| {
                format!(
                    "The concern that {by} raised on {day} was discussed and is still open, though {name} was asked."
                )
            }),
        ),
    }
}

pub(super) fn action_due(due_on: NaiveDate, asked: &Asked) -> Text {
    let day = due_on.format("%-d %b");
    match asked {
        Asked::Them => both(
            "To do about a concern",
            format!(
                "To do about a concern, by {day}: read it in Homeward. It is open until you say there that it is done."
            ),
        ),
        Asked::TheirManager(name) => both(
            "Not done about a concern",
            sms::with_names([name], |[name]| {
                format!(
                    "What was to be done about a concern by {day} is not done. {name} has it. Read it in Homeward."
                )
            }),
        ),
    }
}

pub(super) fn measures_missing(worker: &str, at: &str) -> Text {
    both(
        &format!("{worker}: what was agreed is not in place"),
        sms::with_names([worker], |[worker]| {
            format!(
                "{worker} says at {at}, at the door: the agreed measures are NOT in place. Ring {worker}. What they wrote stands in Homeward."
            )
        }),
    )
}

pub(super) fn noted(at: &str, tied: Tied, told: &[String], still: &str) -> String {
    let visit = match tied {
        Tied::ToAVisit => ", with your visit",
        Tied::ToNone => "",
    };
    who_is_told(told, |told| format!("Noted {at}{visit}. {told}{still}"))
}

pub(super) fn measures_noted(at: &str, said: (Moment, Kept), told: &[String], still: &str) -> String {
    // Before the door of a plan: whoever reads it must not believe that they are watched.
    let door = if still.is_empty() {
        " You are NOT being watched yet: reply IN 60 NEXT when you begin."
    } else {
        still
    };
    match said {
        (Moment::Door, Kept::Yes) => format!("Noted {at}: measures in place.{door}"),
        (Moment::Door, Kept::No) => who_is_told(told, |told| {
            let leave = if still.is_empty() { "" } else { " Not safe? Leave, then reply OUT and your PIN." };
            format!("Noted {at}: measures NOT in place. {told}{leave}{door}")
        }),
        (Moment::After, Kept::Yes) => format!("Noted {at}: measures followed.{still}"),
        (Moment::After, Kept::No) => format!("Noted {at}: measures not followed.{still}"),
    }
}

/// Names give way; if nobody could be told, whoever reads it has to know.
fn who_is_told(told: &[String], write: impl Fn(&str) -> String) -> String {
    let Some((last, others)) = told.split_last() else {
        return sms::plain(&write("NOBODY could be told: ring your manager."));
    };
    let are = if others.is_empty() { "is" } else { "are" };
    let names = if others.is_empty() { last.clone() } else { format!("{} and {last}", others.join(", ")) };
    sms::with_names([names.as_str()], |[names]| write(&format!("{names} {are} told.")))
}
