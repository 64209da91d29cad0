//! English: the calls to act. Each text fits one part; the mail has the script.

use super::{Text, sms};
use crate::domain::{
    incident::Opened,
    local_time::written,
    notice::{Again, Answering, Facts, Listed, Overdue, Page, SosCall},
    visit::{Awaited, Missed, Risk},
};

const NO_CENTRE: &str =
    "Homeward is no alarm receiving centre: nobody but the people named here has been told.";

pub(super) fn ring(facts: &Facts) -> String {
    facts.worker_phone.as_ref().map_or_else(String::new, |phone| format!(" Ring {phone}."))
}

fn why_again(again: &Again) -> String {
    match again {
        Again::No => String::new(),
        Again::Lapsed { .. } | Again::PoliceUnanswered { .. } => "NOT ENDED: ".into(),
        Again::Unconfirmed => "NOT CONFIRMED: ".into(),
    }
}

/// How a call about this begins.
pub(super) fn missed(what: Awaited) -> &'static str {
    match what {
        Awaited::Departure => "OVERDUE",
        Awaited::Arrival => "NOT ARRIVED",
        Awaited::WelfareCheck => "NO WORD",
        Awaited::HomeSafe => "NOT HOME",
    }
}

/// What somebody was, by a time that follows.
pub(super) fn due(what: Awaited) -> &'static str {
    match what {
        Awaited::Departure => "due out",
        Awaited::Arrival => "due to arrive",
        Awaited::WelfareCheck => "due to check in",
        Awaited::HomeSafe => "due home",
    }
}

pub(super) fn overdue_staff(overdue: &Overdue, facts: &Facts) -> Text {
    let Missed { what, at } = overdue.missed;
    let (word, due) = (missed(what), due(what));
    let missed = written(at, facts.now, facts.zone);
    let now = written(facts.now, facts.now, facts.zone);
    let code = facts.code.as_deref().unwrap_or_default();
    let ring = ring(facts);
    let answer = match facts.answering {
        Answering::ByText => format!("Reply ACK {code} to take it, NO {code} if you cannot."),
        Answering::InHomeward => format!("Take it in Homeward: {code}."),
    };
    let by_mail = answer_by_mail(facts);
    let again = why_again(&overdue.again);
    let worker = facts.worker.as_str();
    let sms = sms::with_names([worker], |[worker]| {
        format!("{again}{word}: {worker} {due} {missed}, no word by {now}.{ring} {answer}")
    });
    let mut mail = vec![
        format!("{worker} was {due} at {missed}. At {now} Homeward has had no word."),
        String::new(),
        format!("1. Ring {worker}{}.", facts.worker_phone.as_ref().map_or_else(String::new, |phone| format!(" on {phone}"))),
        "2. No answer: ring 999 (danger) or 101, and say who, where and since when. The place and what is known of it stand in Homeward with the incident.".into(),
        format!("3. Take the alarm, so that the others know: {by_mail}"),
        "4. When you have spoken to them or seen them, close it: how it ended, how you know, where they are now.".into(),
        String::new(),
    ];
    if overdue.risk == Risk::High {
        mail.push("This visit was held to be high risk.".into());
    }
    if what == Awaited::Arrival {
        mail.push("The visit was planned and has not begun, as far as Homeward knows: the worker may be on the way.".into());
    }
    if what == Awaited::HomeSafe {
        mail.push("The worker had left the place of the visit and was on the way home.".into());
    }
    if overdue.no_signal_expected {
        mail.push("No signal was expected at the place: silence alone need not mean harm.".into());
    }
    mail.extend(said_again(&overdue.again, worker));
    mail.push(NO_CENTRE.into());
    Text { sms, subject: format!("{again}{word}: {worker}, {due} {missed}"), mail: mail.join("\n") }
}

fn said_again(again: &Again, worker: &str) -> Option<String> {
    match again {
        Again::No => None,
        Again::Lapsed { owner } => Some(format!("{owner} had taken it and has not said how it ended.")),
        Again::Unconfirmed => Some(format!("{worker} reported to be safe, but no person has confirmed it.")),
        Again::PoliceUnanswered { owner } => {
            Some(format!("{owner} had rung the police and has not said what came of it."))
        }
    }
}

pub(super) fn sos_staff(call: &SosCall, facts: &Facts) -> Text {
    let at = written(call.at, facts.now, facts.zone);
    let code = facts.code.as_deref().unwrap_or_default();
    let worker = facts.worker.as_str();
    let again = why_again(&call.again);
    let found_by = call.found_by.as_deref().unwrap_or_default();
    let what = |worker: &str, found_by: &str| match found_by {
        "" => format!("{again}SOS: {worker} {at}"),
        found_by => format!("{again}NOT SAFE: {worker}, says {found_by} {at}"),
    };
    let sms = sms::with_names([worker, found_by], |[worker, found_by]| {
        let what = what(worker, found_by);
        match facts.answering {
            Answering::ByText => {
                format!(
                    "{what}. Ring 999 now. Place: text WHERE {code}. Then ACK {code}, NO {code} if you cannot."
                )
            }
            Answering::InHomeward => {
                format!("{what}. Ring 999 now: the place stands in Homeward. Then take it there: {code}.")
            }
        }
    });
    let answer = answer_by_mail(facts);
    let mut mail = vec![
        match &call.found_by {
            None => format!("{worker} called for help at {at}."),
            Some(by) => format!("{by} says that {worker} is not safe, {at}."),
        },
        String::new(),
        "1. Ring 999 now, and say who and where. The place and what is known of it stand in Homeward with the incident.".into(),
        format!("2. Take the alarm, so that the others know: {answer}"),
        format!("3. Only then, and only if the police do not object, ring {worker}{}.", facts.worker_phone.as_ref().map_or_else(String::new, |phone| format!(" on {phone}"))),
        "4. Nothing that comes from the worker's phone ends this. When somebody has seen them, close it: how it ended, how you know, where they are now.".into(),
        String::new(),
    ];
    mail.extend(said_again(&call.again, worker));
    mail.push(NO_CENTRE.into());
    Text { sms, subject: what(worker, found_by), mail: mail.join("\n") }
}

/// A silent alarm: whoever reads it must not show the worker's phone that they know (row E10).
pub(super) fn duress_staff(call: &SosCall, facts: &Facts) -> Text {
    let at = written(call.at, facts.now, facts.zone);
    let code = facts.code.as_deref().unwrap_or_default();
    let worker = facts.worker.as_str();
    let again = why_again(&call.again);
    let what = |worker: &str| format!("{again}DURESS {worker} {at}");
    let sms = sms::with_names([worker], |[worker]| {
        let what = what(worker);
        match facts.answering {
            Answering::ByText => format!(
                "{what}. DO NOT ring or text. Ring 999 now. Place: text WHERE {code}. Then ACK {code}, NO {code} if you cannot."
            ),
            Answering::InHomeward => format!(
                "{what}. DO NOT ring or text. Ring 999 now: the place stands in Homeward. Then take it there: {code}."
            ),
        }
    });
    let answer = answer_by_mail(facts);
    let mut mail = vec![
        format!("{worker} gave the duress sign at {at}: they act under threat, and somebody may hold their phone."),
        String::new(),
        format!("1. DO NOT ring or text {worker}, and do not go there. Whatever their phone says now, do not trust it."),
        "2. Ring 999 now, say who and where, and that it is a silent alarm. The place and what is known of it stand in Homeward with the incident.".into(),
        format!("3. Take the alarm, so that the others know: {answer}"),
        "4. Nothing that comes from the worker's phone ends this. When somebody has seen them, close it: how it ended, how you know, where they are now.".into(),
        String::new(),
    ];
    mail.extend(said_again(&call.again, worker));
    mail.push(NO_CENTRE.into());
    Text { sms, subject: what(worker), mail: mail.join("\n") }
}

/// How somebody who reads a mail takes the alarm, and where they read the place (row E10).
fn answer_by_mail(facts: &Facts) -> String {
    let code = facts.code.as_deref().unwrap_or_default();
    let by_text = match facts.answering {
        Answering::ByText => {
            format!(
                "text ACK {code} from your phone, or NO {code} if you cannot; WHERE {code} tells the place"
            )
        }
        Answering::InHomeward => format!("take it in Homeward: {code}"),
    };
    match facts.page {
        Page::Below => {
            format!("open the page below and give your code {code}; it tells the place, too. Or {by_text}.")
        }
        Page::None => format!("{by_text}."),
    }
}

/// The same for an outside contact, who is told no place.
fn contacts_answer_by_mail(facts: &Facts) -> String {
    let code = facts.code.as_deref().unwrap_or_default();
    match facts.page {
        Page::Below => {
            format!(" Say on the page below whether you are trying, with your code {code}.")
        }
        Page::None => how_to_answer(facts),
    }
}

/// Whom an outside contact rings with what they know.
fn whom_to_ring(facts: &Facts) -> String {
    let duty = facts.duty_phone.as_ref();
    duty.map_or_else(|| "their manager".to_owned(), |phone| format!("the duty manager on {phone}"))
}

/// How an outside contact answers by text, if they can.
fn how_to_answer(facts: &Facts) -> String {
    let code = facts.code.as_deref().unwrap_or_default();
    match facts.answering {
        Answering::ByText => format!(" Reply ACK {code} if you are trying, NO {code} if not."),
        Answering::InHomeward => String::new(),
    }
}

pub(super) fn sos_outside(call: &SosCall, facts: &Facts) -> Text {
    let at = written(call.at, facts.now, facts.zone);
    let worker = facts.worker.as_str();
    let (duty, answer) = (whom_to_ring(facts), how_to_answer(facts));
    let sms = sms::with_names([worker], |[worker]| {
        format!("{worker} called for help {at}. In danger: 999. Know where they are? Ring {duty}.{answer}")
    });
    let answer = contacts_answer_by_mail(facts);
    let mail = format!(
        "{worker} called for help at {at}.\n\nIf you are with them and they are in danger, ring 999. If you know where they are or hear from them, ring {duty}.{answer}\n\n{NO_CENTRE}"
    );
    Text { sms, subject: format!("{worker} called for help {at}"), mail }
}

pub(super) fn overdue_outside(overdue: &Overdue, facts: &Facts) -> Text {
    let missed = written(overdue.missed.at, facts.now, facts.zone);
    let worker = facts.worker.as_str();
    let (duty, answer) = (whom_to_ring(facts), how_to_answer(facts));
    let sms = sms::with_names([worker], |[worker]| {
        format!(
            "{worker} has not been in touch since {missed}. Please try to reach them, then ring {duty}.{answer}"
        )
    });
    let answer = contacts_answer_by_mail(facts);
    let mail = format!(
        "{worker} was expected to be in touch by {missed} and has not been.\n\nPlease try to reach them, then ring {duty} and say what you found.{answer}\n\n{NO_CENTRE}"
    );
    Text { sms, subject: format!("{worker} has not been in touch since {missed}"), mail }
}

/// So many workers of a list are named in one text.
pub const LISTED_IN_ONE_TEXT: usize = 3;

pub(super) fn overdue_list(workers: &[Listed], opened: Opened, facts: &Facts) -> Text {
    let when = |listed: &Listed| written(listed.missed.at, facts.now, facts.zone);
    let why = match opened {
        Opened::InTime => "OVERDUE",
        Opened::AfterOutage => "OVERDUE (was down)",
    };
    let answer = take_with_code(workers, facts.answering);
    let named = |length: usize| {
        let lines: Vec<_> = workers
            .iter()
            .map(|listed| {
                let name: String = sms::plain(&listed.worker).chars().take(length).collect();
                format!("{} {} {}", name.trim_end(), when(listed), listed.code)
            })
            .collect();
        sms::plain(&format!("{why}: {}. Ring each. {answer}", lines.join(", ")))
    };
    let sms = (4..=18)
        .rev()
        .map(named)
        .find(|text| sms::fits(text))
        .unwrap_or_else(|| format!("{why}: {} people. Ring each: see Homeward.", workers.len()));
    let mut mail = vec![
        match opened {
            Opened::InTime => "Homeward has had no word of these people:",
            Opened::AfterOutage => {
                "Homeward was down and has only now seen that these people did not come out of their visits:"
            }
        }
        .to_owned(),
        String::new(),
    ];
    mail.extend(workers.iter().map(|listed| {
        format!("- {}, {} {}, code {}", listed.worker, due(listed.missed.what), when(listed), listed.code)
    }));
    mail.extend([
        String::new(),
        "Ring each of them. No answer: ring 999 (danger) or 101.".into(),
        answer,
        NO_CENTRE.into(),
    ]);
    let subject = match opened {
        Opened::InTime => format!("OVERDUE: {} people", workers.len()),
        Opened::AfterOutage => format!("OVERDUE: {} people, Homeward was down", workers.len()),
    };
    Text { sms, subject, mail: mail.join("\n") }
}

/// Each has a code; any of them, after ACK ALL, is the code for all that the same message names.
fn take_with_code(workers: &[Listed], answering: Answering) -> String {
    match (answering, workers) {
        (Answering::InHomeward, _) => "Take each in Homeward.".into(),
        (Answering::ByText, [first, _, ..]) => {
            format!("Reply ACK and its code; for all: ACK ALL {}.", first.code)
        }
        (Answering::ByText, _) => "Reply ACK and its code.".into(),
    }
}

pub(super) fn end_of_day(
    team: &str,
    out: &[String],
    code: &str,
    unconfirmed_by: Option<&str>,
    facts: &Facts,
) -> Text {
    let confirm = match facts.answering {
        Answering::ByText => format!("Reply SAFE {code} once all are out."),
        Answering::InHomeward => "Confirm in Homeward once all are out.".to_owned(),
    };
    let before = unconfirmed_by.map_or_else(String::new, |_| " Not confirmed yet.".into());
    // As many names as fit; how many there are is always said.
    let names = |count: usize| match (out.len(), count) {
        (0, _) => "nobody is out as far as Homeward knows".to_owned(),
        (all, 0) => format!("{all} still out, see Homeward"),
        (all, count) => {
            let more = if count < all { format!(" and {} more", all - count) } else { String::new() };
            format!("still out: {}{more}", out.get(..count).unwrap_or_default().join(", "))
        }
    };
    let written = |count| {
        sms::with_names([team], |[team]| format!("END OF DAY {team}: {}.{before} {confirm}", names(count)))
    };
    let sms = (0..=out.len()).rev().map(written).find(|text| sms::fits(text)).unwrap_or_else(|| written(0));
    let mut mail = vec![format!("{team} has closed for the day. Is everybody out and safe?"), String::new()];
    if out.is_empty() {
        mail.push("Homeward is watching nobody of this team now.".into());
    }
    mail.extend(out.iter().map(|out| format!("- {out}")));
    mail.extend(unconfirmed_by.map(|who| format!("\n{who} was asked before and has not confirmed it.")));
    mail.extend([String::new(), confirm.clone()]);
    Text { sms, subject: format!("End of the day: {team}"), mail: mail.join("\n") }
}
