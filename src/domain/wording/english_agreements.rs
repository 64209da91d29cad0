//! English: what is said of visits that have to be agreed (rows A2, A11, E13). No text names a case, whoever is visited, or a risk.

use super::{Text, english::both, sms};
use crate::{
    clock::Time,
    domain::{
        local_time::written,
        notice::{AboutAgreement, Answering, AtTheDoor, Decided, Facts},
    },
};

/// What is asked and told.
pub(super) fn notice(about: &AboutAgreement, facts: &Facts) -> Text {
    let time = |at: Time| written(at, facts.now, facts.zone);
    let worker = facts.worker.as_str();
    let ring = facts.worker_phone.as_deref().map_or_else(String::new, |phone| format!(" Ring {phone}."));
    let code = facts.code.as_deref().unwrap_or_default();
    match about {
        AboutAgreement::Asked { door: AtTheDoor::Yes } => both(
            &format!("NOT AGREED: {worker} goes in now"),
            sms::with_names([worker], |[worker]| {
                format!("NOT AGREED: {worker} goes in now.{ring} {}", answer(code, facts.answering))
            }),
        ),
        AboutAgreement::Asked { door: AtTheDoor::No { begins } } => both(
            &format!("Do you agree to a visit of {worker}?"),
            sms::with_names([worker], |[worker]| {
                let begins = time(*begins);
                format!("{worker} asks you to agree to a visit {begins}: why stands in Homeward. {}", answer(code, facts.answering))
            }),
        ),
        AboutAgreement::NobodyCan { door: AtTheDoor::Yes } => both(
            &format!("NOT AGREED: {worker} goes in now"),
            sms::with_names([worker], |[worker]| {
                format!("NOT AGREED: {worker} goes in now, and nobody can agree to it: why stands in Homeward.{ring} {}", refuse(code, facts.answering))
            }),
        ),
        AboutAgreement::NobodyCan { door: AtTheDoor::No { begins } } => both(
            &format!("A visit of {worker} cannot be agreed"),
            sms::with_names([worker], |[worker]| {
                format!("{worker} plans a visit {} to which nobody can agree as it stands: why stands in Homeward.", time(*begins))
            }),
        ),
        AboutAgreement::Decided { decided, by, inside } => decision(*decided, by, *inside, &time),
        AboutAgreement::Warned { inside: AtTheDoor::No { begins } } => both(
            "Something happened there",
            format!(
                "Something happened at another visit to the same person or place. Speak to your manager before your visit {}.",
                time(*begins)
            ),
        ),
        AboutAgreement::Warned { inside: AtTheDoor::Yes } => both(
            "Something happened there",
            "Something happened at another visit to the same person or place. Come out if you can and ring your manager. In danger: reply SOS. You are watched as before.".into(),
        ),
    }
}

fn decision(decided: Decided, by: &str, inside: AtTheDoor, time: &dyn Fn(Time) -> String) -> Text {
    let text = sms::with_names([by], |[by]| {
        match (decided, inside) {
        (Decided::Agreed, AtTheDoor::Yes) => format!("AGREED by {by}. You are watched as before."),
        (Decided::Agreed, AtTheDoor::No { begins }) => {
            format!(
                "AGREED by {by}: your visit {}. Read in Homeward what was said. You are not watched until you start.",
                time(begins)
            )
        }
        (Decided::Refused, AtTheDoor::Yes) => {
            format!("NOT AGREED by {by}: come out. You are watched until you reply OUT and your PIN.")
        }
        (Decided::Refused, AtTheDoor::No { begins }) => {
            format!("NOT AGREED by {by}: your visit {}. Do not go. Why stands in Homeward.", time(begins))
        }
        (Decided::Asked, AtTheDoor::Yes) => {
            format!("{by} has a question before this visit is agreed: ring them.")
        }
        (Decided::Asked, AtTheDoor::No { begins }) => {
            format!(
                "{by} has a question before your visit {} is agreed: answer it in Homeward or ring them.",
                time(begins)
            )
        }
        (Decided::NotYet, _) => {
            "NOT AGREED: do not go in. Your manager has been asked. You are watched either way. Gone away? Reply OUT and your PIN.".into()
        }
        (Decided::TakenBack, AtTheDoor::Yes) => "Your visit is not agreed any more: come out.".into(),
        (Decided::TakenBack, AtTheDoor::No { begins }) => {
            format!(
                "Your visit {} is not agreed any more: your manager decides anew. Do not go before that.",
                time(begins)
            )
        }
    }
    });
    let subject = match decided {
        Decided::Agreed => "Your visit is agreed",
        Decided::Refused | Decided::NotYet => "Your visit is not agreed",
        Decided::Asked => "A question about your visit",
        Decided::TakenBack => "Your visit is not agreed any more",
    };
    both(subject, text)
}

fn answer(code: &str, by: Answering) -> String {
    match by {
        Answering::ByText => format!("Reply AGREE {code}, or REFUSE {code} and why."),
        Answering::InHomeward => format!("Decide in Homeward: {code}."),
    }
}

fn refuse(code: &str, by: Answering) -> String {
    match by {
        Answering::ByText => format!("Reply REFUSE {code} and why."),
        Answering::InHomeward => format!("Decide in Homeward: {code}."),
    }
}
