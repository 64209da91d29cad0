//! English: what is said about whether people can be reached, and agree to it (row D6).

use super::{Text, english::both, sms};
use crate::domain::{
    contact::Channel,
    notice::{Answering, AskedBefore, Facts, NotCountedOn, ProofAsked},
};

/// The question itself. The first says who named them, what is asked of them, and how they decline.
pub(super) fn asked(asked: &ProofAsked, facts: &Facts) -> Text {
    let code = facts.code.as_deref().unwrap_or_default();
    let names = names(&asked.named_by);
    let sms = match (&names, asked.before) {
        (Some(names), AskedBefore::No) => {
            sms::with_names([names, &asked.organisation], |[names, organisation]| {
                format!(
                    "{names} named you as emergency contact ({organisation}). If we text you, try to reach them. Agree? Reply {code}. If not, reply NO."
                )
            })
        }
        (Some(names), AskedBefore::Yes) => {
            sms::with_names([names, &asked.organisation], |[names, organisation]| {
                format!(
                    "Are you still emergency contact of {names} ({organisation}), and does this reach you? Then reply {code}. If not, reply NO."
                )
            })
        }
        (None, AskedBefore::No) => sms::with_names([&asked.organisation], |[organisation]| {
            format!(
                "{organisation}: Homeward sends safety texts to this phone. Reply {code} to show that they arrive. That starts and ends no visit."
            )
        }),
        (None, AskedBefore::Yes) => sms::with_names([&asked.organisation], |[organisation]| {
            format!(
                "{organisation}: do safety texts from Homeward still arrive here? Reply {code} to show it. That starts and ends no visit."
            )
        }),
    };
    let subject = match (&names, asked.before) {
        (Some(names), AskedBefore::No) => format!("{names} named you as emergency contact: do you agree?"),
        (Some(names), AskedBefore::Yes) => format!("Are you still emergency contact of {names}?"),
        (None, _) => "Does mail from Homeward reach you?".into(),
    };
    let organisation = &asked.organisation;
    let what = match &names {
        Some(names) => format!(
            "{names} named you as emergency contact with {organisation}. They visit people on their own. If one day there is no \
             word from them, Homeward writes to you: then please try to reach them, and ring the number in that message."
        ),
        None => {
            format!("{organisation} sends safety messages to this address: alarms, reminders, questions.")
        }
    };
    let link = asked.link.as_deref().unwrap_or_default();
    let no = if names.is_some() { ", or say there that you do not agree" } else { "" };
    let mail = format!(
        "{what}\n\nPlease show that this reaches you: type the code {code} on the page below{no}. You are asked again every few weeks.\n\n{link}\n"
    );
    Text { sms, subject: sms::plain(&subject), mail }
}

pub(super) fn not_counted_on(who: &str, why: NotCountedOn, worker: &str) -> Text {
    match why {
        NotCountedOn::Declined => both(
            &format!("{who} does not agree to be emergency contact of {worker}"),
            sms::with_names([who, worker], |[who, worker]| {
                format!(
                    "{who} does not agree to be emergency contact of {worker}. In new alarms the next people are called at once. Name somebody else today."
                )
            }),
        ),
        NotCountedOn::Silent(channel) => {
            let by = match channel {
                Channel::Sms => "text",
                Channel::Email => "mail",
            };
            both(
                &format!("{who} does not answer"),
                sms::with_names([who], |[who]| {
                    format!(
                        "{who} was asked twice by {by} whether alarms arrive there, and has not answered. Until then the next people are called at once too. Ring {who}."
                    )
                }),
            )
        }
    }
}

pub(super) fn proved(named_by: &[String]) -> String {
    match names(named_by) {
        Some(names) => sms::with_names([names.as_str()], |[names]| {
            format!(
                "Thank you: you are emergency contact of {names}, and our texts reach you. To end that reply NO at any time."
            )
        }),
        None => "Thank you: our texts reach this phone. That starts and ends no visit.".into(),
    }
}

pub(super) fn declined(named_by: &[String]) -> String {
    match names(named_by) {
        Some(names) => sms::with_names([names.as_str()], |[names]| {
            format!(
                "Noted: you are not emergency contact of {names}. Staff are told. To take that back reply YES."
            )
        }),
        None => "Noted: you are no emergency contact. Staff are told. To take that back reply YES.".into(),
    }
}

fn names(named_by: &[String]) -> Option<String> {
    match named_by {
        [] => None,
        [one] => Some(one.clone()),
        [one, other] => Some(format!("{one} and {other}")),
        [one, others @ ..] => Some(format!("{one} and {} others", others.len())),
    }
}

/// By whoever runs the service, to a phone or mailbox at hand.
pub(super) fn provider_test(provider: &str, facts: &Facts) -> Text {
    let at = facts.now.with_timezone(&facts.zone).format("%H:%M");
    let answer = match (facts.answering, &facts.code) {
        (Answering::ByText, Some(code)) => format!(" Reply {code} to show that answers come in too."),
        _ => String::new(),
    };
    both(
        "A test of Homeward",
        sms::with_names([provider], |[provider]| {
            format!("A test of Homeward by \"{provider}\", sent {at} UTC. Nothing has happened.{answer}")
        }),
    )
}
