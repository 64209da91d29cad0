//! English: the answers to texts. Each fits one part; none repeats a PIN.

use chrono_tz::Tz;

use super::{English, PinRefused, Wording, english_concerns as concerns, english_proofs as proofs, sms};
use crate::{
    clock::Time,
    domain::{
        agreement::{Answer, Changed},
        contact::Phone,
        drill::DrillAnswer,
        incident::Kind,
        local_time::written,
        reply::{Besides, Next, Rehearsal, Reply},
        visit::Alarm,
        wording::Doing,
    },
};

#[expect(clippy::too_many_lines, reason = "the catalogue: one arm for each reply")]
pub(super) fn reply(reply: &Reply, now: Time, zone: Tz) -> String {
    let time = |at: Time| written(at, now, zone);
    let still = |till: &Option<Time>| {
        till.map_or_else(String::new, |till| format!(" Still watching till {}.", time(till)))
    };
    let text = match reply {
        Reply::Watching { till, besides } => watching(&time(*till), besides, &time),
        Reply::Decided { answer, worker } => sms::with_names([worker], |[worker]| match answer {
            Answer::Agree => format!("Agreed. {worker} has been told."),
            Answer::Refuse => format!("Not agreed. {worker} has been told."),
            Answer::Ask => format!("Asked. {worker} has been told to answer or ring you."),
        }),
        Reply::WhichAgreement => {
            "Not decided: no visit that you were asked about has that code. Reply AGREE, REFUSE or QUESTION with the code of the text.".into()
        }
        Reply::ChangesNoted { changed: Changed::Yes, till } => {
            format!("Noted: something has changed. Your manager was asked.{}", still(till))
        }
        Reply::ChangesNoted { till, .. } => format!("Noted: nothing has changed.{}", still(till)),
        Reply::NoAgreement => "There is no visit of yours that has to be agreed.".into(),
        Reply::NotAgreed { till, asked, besides } => {
            let asked = asked.as_deref().unwrap_or("Nobody");
            sms::with_names([asked], |[asked]| not_agreed(asked, &time(*till), besides, &time))
        }
        Reply::Ended { visits, home_by: Some(till), alarm } if visits.is_empty() => {
            format!("Watching your way home till {}. Reply HOME and your PIN when you are home.{}", time(*till), rung(*alarm))
        }
        Reply::Ended { visits, home_by, alarm } => {
            let ended = match visits.as_slice() {
                [] | [_] => format!("Ended {}.", time(now)),
                several => {
                    let begun: Vec<_> = several.iter().map(|begun| time(*begun)).collect();
                    format!("Ended {}: your visits begun {}.", time(now), begun.join(", "))
                }
            };
            let watched = home_by.map_or_else(
                || "You are no longer watched.".to_owned(),
                |till| format!("Watching your way home till {}. Reply HOME and your PIN when you are home.", time(till)),
            );
            format!("{ended} {watched}{}", rung(*alarm))
        }
        Reply::WatchedOn { till, alarm, other, next } => {
            let other = other.map(&time);
            format!("{}{}", watched_on((*till > now, &time(*till)), other, *next, &time), rung(*alarm))
        }
        Reply::NothingRunning => {
            "Nothing running: you are NOT being watched. To be watched for an hour reply IN 60.".into()
        }
        Reply::HowMuchLonger { till } => {
            format!("Not extended.{} How much longer? Reply MORE 30 and your PIN.", still(till))
        }
        Reply::Noted => format!("Noted {}.", time(now)),
        Reply::Pin(answer) => {
            let hint = match (answer.refused, answer.doing) {
                (PinRefused::Missing, Doing::End) => " Reply OUT and your PIN.",
                (PinRefused::Missing, Doing::Extend) => " Reply MORE 30 and your PIN.",
                (PinRefused::Missing, Doing::CheckIn) => " Reply OK and your PIN.",
                _ => "",
            };
            format!("{}{hint}", English.pin_refused(answer))
        }
        Reply::NotNow(why) => capital(why),
        Reply::Status { with, .. } => {
            let with = with.join(", ");
            return sms::with_names([with.as_str()], |[with]| {
                let with = if with.is_empty() { String::new() } else { format!(" With {with}.") };
                format!("{}{with}", status(reply, &time))
            });
        }
        Reply::Objected { till } => {
            format!("Watching you till {}. Your manager is told. Reply OUT and your PIN when you leave.", time(*till))
        }
        Reply::NothingToObjectTo { till: None } => {
            "Nobody has ended a visit for you. You are NOT being watched; your manager is told. In a visit? Reply IN 60.".into()
        }
        Reply::NothingToObjectTo { till: Some(till) } => {
            format!("Still watching till {}. Staying longer? Reply MORE 30 and your PIN.", time(*till))
        }
        Reply::SaidBefore { said, till } => format!(
            "Nothing done: sent {}, before your visit began. Still watching till {}. Wrong time? Your manager is told.",
            time(*said),
            time(*till)
        ),
        Reply::ConcernNoted { at, tied, told, till } => {
            return concerns::noted(&time(*at), *tied, told, &still(till));
        }
        Reply::WhichConcern { till } => {
            format!("Not noted: what is it about? Reply CONCERN and your words.{}", still(till))
        }
        Reply::MeasuresNoted { at, moment, kept, told, till } => {
            return concerns::measures_noted(&time(*at), (*moment, *kept), told, &still(till));
        }
        Reply::WhichMeasures { till } => format!(
            "Not noted. Reply MEASURES OK, or MEASURES NO and what is missing.{} In danger reply SOS.",
            still(till)
        ),
        Reply::NoVisitToday => {
            "Not noted: no visit of yours today. You are NOT being watched. To be watched for an hour reply IN 60.".into()
        }
        Reply::DrillAnswered { said: DrillAnswer::Taken } => "DRILL answered. Thank you. Nothing else to do.".into(),
        Reply::DrillAnswered { said: DrillAnswer::Cannot } => {
            "DRILL: noted that you could not. Thank you. Nothing else to do.".into()
        }
        Reply::DrillWasOver => "That DRILL is over. Thank you. Nothing else to do.".into(),
        Reply::DrillOnly => {
            "That was a DRILL: nothing has happened, and nobody was called now. ACK or NO and its code count. In danger ring 999.".into()
        }
        Reply::Test(answer) => rehearsal(answer, &time),
        Reply::Carrier { till: Some(till) } => {
            format!("You are still watched, till {}. Your manager is told. To end reply OUT and your PIN.", time(*till))
        }
        Reply::Carrier { till: None } => {
            "Noted. You are NOT being watched. Your manager is told. To be watched for an hour reply IN 60.".into()
        }
        Reply::NotUnderstood { perhaps, till } => {
            let meant = perhaps.map_or_else(String::new, |word| format!(" Did you mean {word}?"));
            let watched = match till {
                Some(_) => still(till),
                None => " You are NOT being watched.".into(),
            };
            format!("Not understood.{meant}{watched} Try: IN 60, OUT and PIN, MORE 30 and PIN, OK and PIN, SOS.")
        }
        Reply::UnknownNumber => {
            "This number is not known to Homeward. YOU ARE NOT BEING WATCHED. In danger ring 999. Ask your manager to set up this phone.".into()
        }
        Reply::OnlyAnswers => {
            "Nothing done: from this number only alarms are answered: ACK, NO, SAFE or NOT SAFE and the code. In danger ring 999.".into()
        }
        other => return to_responders(other, now, zone),
    };
    sms::plain(&text)
}

/// Every one begins with TEST.
fn rehearsal(answer: &Rehearsal, time: &impl Fn(Time) -> String) -> String {
    match answer {
        Rehearsal::Begun => {
            "TEST: for 15 min text TEST IN 60, TEST OUT with each PIN you have, TEST SOS. None of it is real; plain words are. In danger text SOS alone.".into()
        }
        Rehearsal::In => {
            "TEST: IN understood. You are NOT being watched: for a visit leave out TEST. Next: TEST OUT and your PIN.".into()
        }
        Rehearsal::Out => {
            "TEST: OUT understood, PIN right. Nothing has ended. The same with each PIN you have, then TEST SOS. Delete these texts: PINs stand in them.".into()
        }
        Rehearsal::Sos => {
            "TEST: SOS understood. NOBODY was called. In danger text SOS alone, without TEST.".into()
        }
        Rehearsal::Other => {
            "TEST: nothing done. Text TEST IN 60, TEST OUT and your PIN, or TEST SOS. In danger text SOS alone.".into()
        }
        Rehearsal::OnAVisit { till } => format!(
            "TEST not now: you are on a visit. Still watching till {}. In danger text SOS alone.",
            time(*till)
        ),
        Rehearsal::PinMissing => "TEST: OUT needs a PIN. Text TEST OUT and your PIN.".into(),
        Rehearsal::NoPin => {
            "TEST: you have no PIN, so you could end no visit. Set it first, in Homeward; your manager helps.".into()
        }
        Rehearsal::PinNotRight => "TEST: PIN not right. Nothing was changed.".into(),
    }
}

fn taken_all(workers: &[String], until: &str, not_taken: usize) -> String {
    let rest = match not_taken {
        0 => String::new(),
        count => format!(" NOT taken: {count}, reply WHO."),
    };
    let count = workers.len();
    let named = |length: usize| {
        let names = workers.iter().map(|name| sms::plain(name).chars().take(length).collect::<String>());
        let names: Vec<_> = names.collect();
        format!("You have {count} alarms until {until}: {}. Ring each.{rest}", names.join(", "))
    };
    let fits = (4..=18).rev().map(named).find(|text| sms::fits(text));
    fits.unwrap_or_else(|| {
        format!("You have {count} alarms until {until}. Ring each: reply WHO for the names.{rest}")
    })
}

fn to_responders(reply: &Reply, now: Time, zone: Tz) -> String {
    let time = |at: Time| written(at, now, zone);
    let dial = |phone: &Option<Phone>| phone.as_ref().map(Phone::dialled);
    match reply {
        Reply::WhichList => {
            "NOTHING taken. Reply ACK ALL and a code of the text that names them, or ACK and the code of each.".into()
        }
        Reply::TakenAll { workers, until, not_taken } => taken_all(workers, &time(*until), *not_taken),
        Reply::Taken { worker, phone, kind, until } => sms::with_names([worker.as_str()], |[worker]| {
            let ring = dial(phone).map_or_else(String::new, |phone| format!(" on {phone}"));
            let first = match kind {
                Kind::Overdue => format!("Ring {worker}{ring}"),
                Kind::Sos => "Ring 999 if nobody has".into(),
                Kind::Duress => "DO NOT ring or text; ring 999 if nobody has".into(),
            };
            format!(
                "You have the alarm about {worker} until {}. {first}; close it in Homeward.",
                time(*until)
            )
        }),
        Reply::TakenBy { owner, worker } => {
            sms::with_names([owner.as_str(), worker.as_str()], |[owner, worker]| {
                format!("{owner} has the alarm about {worker}. Nothing for you to do unless {owner} asks.")
            })
        }
        Reply::Trying { worker, duty } => sms::with_names([worker.as_str()], |[worker]| {
            let duty = dial(duty)
                .map_or_else(|| "their manager".to_owned(), |phone| format!("the duty manager on {phone}"));
            format!(
                "Thank you. Staff are told that you are trying to reach {worker}. Tell {duty} what you find."
            )
        }),
        Reply::OthersCalled { worker } => sms::with_names([worker.as_str()], |[worker]| {
            format!("Noted: you cannot. The others called about {worker} are told.")
        }),
        Reply::NotYours { worker } => sms::with_names([worker.as_str()], |[worker]| {
            format!("Nothing done: others are called about {worker}. In danger ring 999.")
        }),
        Reply::EverybodyCalled { worker } => sms::with_names([worker.as_str()], |[worker]| {
            format!("Everybody is being called about {worker} now. Ring 999 if nobody has.")
        }),
        Reply::ReportedSafe { worker } => sms::with_names([worker.as_str()], |[worker]| {
            format!(
                "Noted and told: {worker} is safe, you say. The alarm stays open until it is closed in Homeward."
            )
        }),
        Reply::EndOfDay { team, out } => sms::with_names([team.as_str()], |[team]| match out {
            0 => format!("Noted: all of {team} are out. Thank you."),
            out => format!("Noted for {team}. {out} still on a visit: watched on till they check out."),
        }),
        Reply::Proved { named_by } => proofs::proved(named_by),
        Reply::TestArrived => {
            "Thank you: the test reached you, and your answer reached Homeward. Nothing else was done.".into()
        }
        Reply::WrongCode => {
            "That code is not right. Reply with the code of our last text to you, and nothing else.".into()
        }
        Reply::Declined { named_by } => proofs::declined(named_by),
        Reply::Stopped => {
            "Noted: no texts to you about new alarms. Staff are told. To take that back reply START.".into()
        }
        Reply::AskedAnew => {
            "Thank you. A text with a code follows: reply with that code, so that we know it reaches you."
                .into()
        }
        Reply::Held { worker, until } => sms::with_names([worker.as_str()], |[worker]| {
            format!("You have the alarm about {worker} until {}. The others are told.", time(*until))
        }),
        Reply::Where { .. } => whereabouts(reply, &time),
        Reply::Who { open } if open.is_empty() => "No alarm that you were called about is open.".into(),
        Reply::Who { open } => listed(open.iter().map(|(worker, code, owner)| {
            let owner = owner.as_deref().unwrap_or("nobody");
            (worker.as_str(), format!("{code}: {owner} has it"))
        })),
        Reply::WhichAlarm { word, open } if open.is_empty() => {
            format!(
                "Nothing done: no alarm that you were called about is open. {word} needs the code of one."
            )
        }
        Reply::WhichAlarm { word, open } => {
            format!("Nothing done: which alarm? Reply {word} and its code. {}", listed_codes(open))
        }
        Reply::AlarmOver { open } if open.is_empty() => "That alarm is over. Nothing is open.".into(),
        Reply::AlarmOver { open } => format!("That alarm is over. Open now: {}", listed_codes(open)),
        _ => String::new(),
    }
}

/// Where a worker is, as far as it is known.
fn whereabouts(reply: &Reply, time: &impl Fn(Time) -> String) -> String {
    let Reply::Where { worker, place, place_said, purpose, position, last_contact, phone, kind, car } = reply
    else {
        return String::new();
    };
    let place = place.as_deref().unwrap_or("place not known");
    let purpose = purpose.as_deref().unwrap_or_default();
    let said = place_said.as_deref().unwrap_or_default();
    let text = sms::with_names([worker.as_str(), place, said, purpose], |[worker, place, said, purpose]| {
        let said = if said.is_empty() { String::new() } else { format!(" (said at the door: {said})") };
        let purpose = if purpose.is_empty() { String::new() } else { format!(", {purpose}") };
        let position = position.map_or_else(String::new, |(latitude, longitude)| {
            format!(" Phone at {latitude:.5},{longitude:.5}.")
        });
        let last = last_contact.map_or_else(String::new, |at| format!(" Last heard {}.", time(at)));
        let ring = match kind {
            Kind::Duress => " DO NOT ring or text.".into(),
            _ => phone.as_ref().map(Phone::dialled).map_or_else(String::new, |phone| format!(" {phone}")),
        };
        format!("{worker}: {place}{said}{purpose}.{position}{last}{ring}")
    });
    // It takes the room of nothing else.
    let with_car = car.as_ref().map(|car| sms::plain(&format!("{}. Car {car}.", text.trim_end_matches('.'))));
    with_car.filter(|text| sms::fits(text)).unwrap_or(text)
}

fn watched_on(
    (is_ahead, till): (bool, &str),
    other: Option<String>,
    next: Next,
    time: &impl Fn(Time) -> String,
) -> String {
    let (watching, due, say) = match next {
        Next::Out { check: None } => {
            ("Watching you", "due out", "Reply OUT and your PIN when you leave.".to_owned())
        }
        Next::Out { check: Some(check) } => {
            let say = format!("Fine? OK and your PIN by {}. Leaving? OUT and PIN.", time(check));
            ("Watching you", "due out", say)
        }
        Next::Home => {
            let say = "Reply HOME and your PIN when you are home.".to_owned();
            ("Watching your way home", "due home", say)
        }
        Next::Start => ("", "due to arrive", "Reply IN 60 NEXT when you begin.".to_owned()),
    };
    let watched = match (is_ahead, next) {
        (true, Next::Start) => format!("Noted: you arrive {till}."),
        (true, _) => format!("{watching} till {till}."),
        (false, _) => format!("You were {due} {till}."),
    };
    let other = other.map_or_else(String::new, |other| format!(" Your other visit is due out {other}."));
    format!("{watched} {say}{other}")
}

/// What runs, and what is next.
fn status(status: &Reply, time: &impl Fn(Time) -> String) -> String {
    let Reply::Status { running, home_by, check, next, .. } = status else { return String::new() };
    let now_watched = match running.as_slice() {
        [] if home_by.is_some() => String::new(),
        [] => "Nothing running: you are NOT being watched.".to_owned(),
        [till] => format!("Watching you till {}.", time(*till)),
        several => {
            let tills: Vec<_> = several.iter().map(|till| time(*till)).collect();
            format!("Watching {} visits, till {}.", several.len(), tills.join(", "))
        }
    };
    let next =
        next.map_or_else(String::new, |next| format!(" Next {}: not watched until you start.", time(next)));
    let home =
        home_by.map_or_else(String::new, |till| format!(" Watching your way home till {}.", time(till)));
    let check = check.map_or_else(String::new, |check| format!(" Say OK and your PIN by {}.", time(check)));
    format!("{now_watched}{home}{check}{next}").trim_start().to_owned()
}

fn watching(till: &str, besides: &[Besides], time: &impl Fn(Time) -> String) -> String {
    if besides.contains(&Besides::RanOut) {
        return format!(
            "You are watched, and were due out {till}. Out? Reply OUT and your PIN. Not yet? MORE 30 and your PIN."
        );
    }
    let leave = if besides.contains(&Besides::NoPin) {
        "Set your PIN now: without it you cannot end this."
    } else {
        "Reply OUT and your PIN when you leave."
    };
    with_besides(format!("Watching you till {till}. {leave}"), besides, time)
}

fn not_agreed(asked: &str, till: &str, besides: &[Besides], time: &impl Fn(Time) -> String) -> String {
    let text = format!("NOT AGREED: do not go in. {asked} has been asked.");
    if besides.contains(&Besides::RanOut) {
        return format!(
            "{text} You are watched, and were due out {till}. Gone away? Reply OUT and your PIN."
        );
    }
    let leave = if besides.contains(&Besides::NoPin) {
        "Set your PIN now: without it you cannot end this."
    } else {
        "Gone away? Reply OUT and your PIN."
    };
    with_besides(format!("{text} You are watched till {till} either way. {leave}"), besides, time)
}

/// As much more as fits: what does not is less important than what stands there.
fn with_besides(mut text: String, besides: &[Besides], time: &impl Fn(Time) -> String) -> String {
    for besides in besides {
        let more = match besides {
            Besides::RanOut | Besides::NoPin => continue,
            Besides::WhenOut => " When will you be out? MORE 30 and PIN for longer.".to_owned(),
            Besides::NewVisit => " Which plan is it? This is a new visit.".to_owned(),
            Besides::Check(by) => format!(" Fine? Reply OK and your PIN by {}.", time(*by)),
            Besides::Changed(day) => {
                format!(" Changed since {}? Reply UNCHANGED or CHANGED and what.", day.format("%-d %b"))
            }
            Besides::Other(till) => format!(" Your other visit is watched till {}.", time(*till)),
        };
        if sms::fits(&format!("{text}{more}")) {
            text.push_str(&more);
        }
    }
    text
}

/// Said to a worker whose alarm others have been told of. A call for help looks like nothing.
fn rung(alarm: Alarm) -> &'static str {
    match alarm.as_the_worker_sees_it() {
        Alarm::Quiet | Alarm::Sos => "",
        Alarm::Overdue | Alarm::WithPolice => {
            " Others were told that you are overdue: somebody will ring you."
        }
    }
}

fn capital(why: &str) -> String {
    let mut letters = why.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let text: String = sms::plain(&format!("{first}{}.", letters.as_str())).chars().collect();
    if sms::fits(&text) { text } else { text.chars().take(sms::LONGEST - 1).chain(['.']).collect() }
}

fn listed_codes(open: &[(String, String)]) -> String {
    let room = 80;
    let mut text = String::new();
    for (worker, code) in open {
        let worker: String = sms::plain(worker).chars().take(20).collect();
        let next = format!("{} {code}", worker.trim_end());
        if text.len() + next.len() + 2 > room {
            text.push_str(" …");
            break;
        }
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&next);
    }
    sms::plain(&text)
}

fn listed<'w>(open: impl Iterator<Item = (&'w str, String)>) -> String {
    let mut text = String::new();
    for (worker, what) in open {
        let worker: String = sms::plain(worker).chars().take(20).collect();
        let next = sms::plain(&format!("{} {what}. ", worker.trim_end()));
        if !sms::fits(&format!("{text}{next}")) {
            break;
        }
        text.push_str(&next);
    }
    text.trim_end().to_owned()
}
