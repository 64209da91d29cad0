//! English.

use chrono_tz::Tz;

use super::{Doing, PinAnswer, PinRefused, Text, Wording, english_replies, sms};
use crate::{
    clock::Time,
    domain::{
        follow_up::FollowUpKind,
        incident::{Claim, Holder, Incident, IncidentState, Outcome},
        local_time::written,
        notice::{Again, Answering, Asked, Facts, Listed, Notice, Overdue, Reader, SosCall},
        reply::Reply,
        visit::{Alarm, EndedHow, KnownBy, Reminder, Report, Risk, Visit, VisitState},
    },
};

/// English.
#[derive(Debug, Clone, Copy, Default)]
pub struct English;

const NO_CENTRE: &str =
    "Homeward is no alarm receiving centre: nobody but the people named here has been told.";

impl Wording for English {
    #[expect(clippy::too_many_lines, reason = "the catalogue: one arm for each notice")]
    fn notice(&self, notice: &Notice, facts: &Facts) -> Text {
        let time = |at: Time| written(at, facts.now, facts.zone);
        let worker = facts.worker.as_str();
        match notice {
            Notice::Reminder { which, deadline, others_told_at } => {
                reminder(*which, *deadline, *others_told_at, facts)
            }
            Notice::AskedAfterOutage { deadline } => both(
                "Are you out?",
                format!(
                    "You were due out {}. Homeward was down and could not ask. Others are being told. Out? Check out with your PIN now.",
                    time(*deadline)
                ),
            ),
            Notice::StartedForYou { by, till } => both(
                "A visit was started for you",
                sms::with_names([by.as_str()], |[by]| {
                    format!(
                        "{by} started a visit for you. Watched till {}. Check out with your PIN when you leave.",
                        time(*till)
                    )
                }),
            ),
            Notice::ActedForYou { by, known_by, till } => {
                let how = known_by.map_or_else(String::new, |how| format!(" They say: {}.", known(how)));
                let done = till.map_or_else(
                    || "ended your visit: you are not watched".into(),
                    |till| format!("extended your visit: watched till {}", time(till)),
                );
                let text = sms::with_names([by.as_str()], |[by]| {
                    format!("{by} {done}.{how} Not right? Start again or ring your manager.")
                });
                both("Somebody acted for you", text)
            }
            Notice::Overdue(overdue) => match facts.reader {
                Reader::Staff => overdue_staff(overdue, facts),
                Reader::Outside => overdue_outside(overdue, facts),
            },
            Notice::Sos(call) => match facts.reader {
                Reader::Staff => sos_staff(call, facts),
                Reader::Outside => sos_outside(call, facts),
            },
            Notice::OverdueList { workers } => overdue_list(workers, facts),
            Notice::Taken { owner } => both(
                &format!("{owner} has the alarm about {worker}"),
                sms::with_names([owner, worker], |[owner, worker]| {
                    format!(
                        "{owner} has the alarm about {worker}. Nothing for you to do unless {owner} asks."
                    )
                }),
            ),
            Notice::Passed { owner, from } => both(
                &format!("{owner} has the alarm about {worker}"),
                sms::with_names([owner, worker, from], |[owner, worker, from]| {
                    format!("{owner} has the alarm about {worker} now, instead of {from}.")
                }),
            ),
            Notice::HandedToYou { from, until } => both(
                &format!("The alarm about {worker} is yours until {}", time(*until)),
                sms::with_names([from, worker], |[from, worker]| {
                    let cannot = match (facts.answering, &facts.code) {
                        (Answering::ByText, Some(code)) => format!(" Reply NO {code} if you cannot."),
                        _ => String::new(),
                    };
                    format!("{from} hands you the alarm about {worker}. It is yours until {}.{}{cannot}", time(*until), ring(facts))
                }),
            ),
            Notice::Held { owner, until } => both(
                &format!("{owner} has the alarm about {worker} until {}", time(*until)),
                sms::with_names([owner, worker], |[owner, worker]| {
                    format!("{owner} has the alarm about {worker} and holds it until {}. Nothing for you to do unless {owner} asks.", time(*until))
                }),
            ),
            Notice::Cannot { who } => both(
                &format!("{who} cannot take the alarm about {worker}"),
                sms::with_names([who, worker], |[who, worker]| {
                    format!("{who} cannot take the alarm about {worker}. Somebody else has to, unless somebody has it already.")
                }),
            ),
            Notice::WithPolice { owner, log_number } => both(
                &format!("WITH POLICE: {worker}"),
                sms::with_names([worker, owner, log_number], |[worker, owner, log_number]| {
                    format!("WITH POLICE: {worker}. {owner} has rung them, log {log_number}. Nothing for you to do unless {owner} asks.")
                }),
            ),
            Notice::PoliceReminder { until } => both(
                &format!("Still with the police? {worker}"),
                sms::with_names([worker], |[worker]| {
                    format!("Is {worker} still with the police? Ring them, then write down what they say, or close it. No word from you by {}: everyone is called again.", time(*until))
                }),
            ),
            Notice::SosToOwner => both(
                &format!("SOS: {worker}, whom you have"),
                sms::with_names([worker], |[worker]| {
                    format!("SOS: {worker}, whom you have, has called for help. Ring 999 now. Everyone is called again: take it again to keep it.")
                }),
            ),
            Notice::SosAgain => both(
                &format!("SOS again: {worker}"),
                sms::with_names([worker], |[worker]| {
                    format!("SOS: {worker} has called for help again, {}. Ring 999 if nobody has yet.", time(facts.now))
                }),
            ),
            Notice::ReportsWithPolice(report) => {
                let said = reported(*report, facts);
                both(
                    &format!("{worker} reports {said}: not yet confirmed"),
                    sms::with_names([worker], |[worker]| {
                        format!("{worker} reports {said}, PIN right. Not confirmed: it stays with the police. Tell them, speak to {worker}, then close it.")
                    }),
                )
            }
            Notice::ReportedSafe { by } => both(
                &format!("{by} says that {worker} is safe"),
                sms::with_names([by, worker], |[by, worker]| {
                    format!("{by} says that {worker} is safe. Not confirmed: speak to {worker} or see them, then close the alarm.")
                }),
            ),
            Notice::OwnerWarned { until } => both(
                &format!("Your alarm about {worker} goes back to everyone at {}", time(*until)),
                sms::with_names([worker], |[worker]| {
                    format!(
                        "You took the alarm about {worker}. At {} it goes back to everyone. Close it, saying how it ended and where {worker} is.",
                        time(*until)
                    )
                }),
            ),
            Notice::WorkerReports(_) if facts.reader == Reader::Outside => both(
                &format!("{worker} has been in touch"),
                sms::with_names([worker], |[worker]| {
                    format!(
                        "{worker} has been in touch. Staff are making sure. Nothing more for you to do for now."
                    )
                }),
            ),
            Notice::WorkerReports(report) => {
                let said = reported(*report, facts);
                both(
                    &format!("{worker} reports {said}: not yet confirmed"),
                    sms::with_names([worker], |[worker]| {
                        format!(
                            "{worker} reports {said}, PIN right. Not confirmed: speak to {worker}, then close the alarm. Else it is raised again."
                        )
                    }),
                )
            }
            Notice::OutsideTrying { contact } => both(
                &format!("{contact} is trying to reach {worker}"),
                sms::with_names([contact, worker], |[contact, worker]| {
                    format!(
                        "{contact} is trying to reach {worker}. The alarm is still open: somebody has to take it."
                    )
                }),
            ),
            Notice::Closed { .. } if facts.reader == Reader::Outside => both(
                &format!("The alarm about {worker} is over"),
                sms::with_names([worker], |[worker]| {
                    let ring = facts
                        .duty_phone
                        .as_ref()
                        .map_or_else(String::new, |phone| format!(" Questions? Ring {phone}."));
                    format!("The alarm about {worker} is over. Nothing more for you to do. Thank you.{ring}")
                }),
            ),
            Notice::Closed { outcome, by } => closed(*outcome, by, worker),
            Notice::WrongPins { wrong } => both(
                &format!("{worker}: {wrong} wrong PINs"),
                sms::with_names([worker], |[worker]| {
                    format!(
                        "{wrong} wrong PINs in a row for {worker}. Somebody else may have the phone. Ring {worker}; the watching goes on."
                    )
                }),
            ),
            Notice::NoPin { till } => both(
                &format!("{worker} cannot end a visit: no PIN"),
                sms::with_names([worker], |[worker]| {
                    format!(
                        "{worker} wants to end a visit but has no PIN set. Ring {worker} and end it for them. Watched till {}.",
                        time(*till)
                    )
                }),
            ),
            Notice::AboveCap { minutes, till } => both(
                &format!("{worker}: visit extended by {minutes} min"),
                sms::with_names([worker], |[worker]| {
                    format!(
                        "{worker} has extended a visit by {minutes} min in all, more than your team allows. Watched till {}.",
                        time(*till)
                    )
                }),
            ),
            Notice::UnreadableStart => both(
                &format!("{worker} may not be watched"),
                sms::with_names([worker], |[worker]| {
                    format!(
                        "A start by {worker} could not be read: {worker} is NOT BEING WATCHED. Ring them."
                    )
                }),
            ),
            Notice::Objected { by, till } => both(
                &format!("{worker} objects"),
                sms::with_names([worker, by], |[worker, by]| {
                    format!("{worker} says that what {by} did for them is not right: still on the visit, watched till {}. Ring {worker}.", time(*till))
                }),
            ),
            Notice::PutOnRecord { by, arrived_at } => both(
                &format!("{worker}: a visit that nobody had watched"),
                sms::with_names([by, worker], |[by, worker]| {
                    format!("{by} has put on record a visit of {worker} at {} that nobody had watched. The reason stands in Homeward.", time(*arrived_at))
                }),
            ),
            Notice::RecordMissing { visits, first, asked } => {
                let which = match visits {
                    0 | 1 => format!("The visit that ended {}", time(*first)),
                    more => format!("{more} visits, the first ended {},", time(*first)),
                };
                let lack = if *visits > 1 { "have" } else { "has" };
                match asked {
                    Asked::Them => both(
                        "What came of your visit?",
                        format!("{which} {lack} no outcome or work undertaken yet. Please record it in Homeward."),
                    ),
                    Asked::TheirManager(name) => both(
                        &format!("{name}: records are missing"),
                        sms::with_names([name], |[name]| {
                            format!("{name}: {which} {lack} no outcome or work undertaken yet, though asked.")
                        }),
                    ),
                }
            }
            Notice::FollowUpDue { kind, due_on, asked } => {
                let (what, day) = (follow_up(*kind), due_on.format("%-d %b"));
                match asked {
                    Asked::Them => both(
                        &format!("To do after the alarm about {worker}: {what}"),
                        sms::with_names([worker], |[worker]| {
                            format!("To do after the alarm about {worker}: {what}, by {day}. It is open until you say in Homeward that it is done.")
                        }),
                    ),
                    Asked::TheirManager(name) => both(
                        &format!("Not done after the alarm about {worker}: {what}"),
                        sms::with_names([worker, name], |[worker, name]| {
                            format!("After the alarm about {worker}: {what}, by {day}, is not done. {name} has it.")
                        }),
                    ),
                }
            }
            Notice::UnreadableText => both(
                &format!("{worker} sent a text that could not be read"),
                sms::with_names([worker], |[worker]| {
                    format!("{worker} is on a visit and sent a text that Homeward could not read. It stands in Homeward. Ring {worker}.")
                }),
            ),
            Notice::TextForManager { word } => both(
                &format!("{worker} sent {word} by text"),
                sms::with_names([worker], |[worker]| {
                    format!("{worker} sent {word} by text, which Homeward cannot do yet. What they wrote stands in Homeward. Please see to it.")
                }),
            ),
            Notice::CarrierWord { word } => both(
                &format!("{worker} sent {word}"),
                sms::with_names([worker, word], |[worker, word]| {
                    format!("{worker} sent {word}: the network may stop our texts to them. A visit that runs stays watched. Ring {worker}.")
                }),
            ),
            Notice::StuckDeadline => both(
                "Homeward cannot watch a visit",
                "Homeward CANNOT WATCH a visit: its deadline could not be worked on. Look now at who is out, and ring them. The log says which.".into(),
            ),
            Notice::Undeliverable { message } => both(
                "Homeward: a message could not be delivered",
                format!(
                    "Message {message} could not be delivered by its channel so far. Its next channel, if there is one, was started. See the log."
                ),
            ),
        }
    }

    fn believes(&self, visit: &Visit, alarm: Alarm, now: Time, zone: Tz) -> String {
        let time = |at: Time| written(at, now, zone);
        match (&visit.state, alarm) {
            (VisitState::Planned { expected_arrival, .. }, _) => {
                format!("Planned for {}. You are not watched until you start.", time(*expected_arrival))
            }
            (VisitState::Begun { deadline }, alarm) => {
                let others = match alarm.as_the_worker_sees_it() {
                    Alarm::Quiet | Alarm::Sos => "",
                    Alarm::Overdue | Alarm::WithPolice => {
                        " Others were told that you are overdue: somebody will ring you to be sure."
                    }
                };
                let till = time(deadline.at);
                if deadline.at > now {
                    format!("Watching you till {till}. Check out with your PIN when you leave.{others}")
                } else {
                    format!("You were due out {till}. Check out with your PIN when you leave.{others}")
                }
            }
            (VisitState::Ended { at, how, .. }, _) => match how {
                EndedHow::AfterAlarm => format!(
                    "Ended at {}. Others had been told that you were overdue: somebody will ring you to be sure.",
                    time(*at)
                ),
                _ => format!("Ended at {}. You are no longer watched.", time(*at)),
            },
            (VisitState::Recorded { .. }, _) => {
                "On record. Nobody had watched it; your manager is told.".into()
            }
            (VisitState::Cancelled { at, .. }, _) => {
                format!("Cancelled at {}. Nothing is running.", time(*at))
            }
        }
    }

    fn pin_refused(&self, answer: &PinAnswer) -> String {
        let still = answer.till.map_or_else(String::new, |till| {
            format!(" Still watching till {}.", written(till, answer.now, answer.zone))
        });
        let not = match answer.doing {
            Doing::End => "Not ended",
            Doing::Extend => "Not extended",
            Doing::CheckIn => "Not noted",
            Doing::Cancel => "Not cancelled",
            Doing::ChangePin => "Not changed",
        };
        match answer.refused {
            PinRefused::Missing => format!("{not}: PIN needed.{still}"),
            PinRefused::NotRight => format!("PIN not right.{still}"),
            PinRefused::NoneSet => {
                let manager = answer.manager.as_deref().unwrap_or("your manager");
                format!("{not}: no PIN set.{still} Ring {manager}.")
            }
        }
    }

    fn reply(&self, reply: &Reply, now: Time, zone: Tz) -> String {
        english_replies::reply(reply, now, zone)
    }

    fn headline(&self, incident: &Incident, worker: &str, now: Time, zone: Tz) -> String {
        let time = |at: Time| written(at, now, zone);
        let (word, what) = match (incident.sos, incident.missed) {
            (Some(sos), _) if sos.by == incident.subject => {
                ("SOS", format!("{worker} called for help {}", time(sos.at)))
            }
            (Some(sos), _) => ("NOT SAFE", format!("{worker} was found not safe {}", time(sos.at))),
            (None, Some(missed)) => ("OVERDUE", format!("{worker} was due out {}", time(missed))),
            (None, None) => ("OPEN", worker.to_owned()),
        };
        match &incident.state {
            IncidentState::Open { holder: Holder::Nobody { .. }, .. } => {
                format!("{word}: {what}. Nobody has taken it.")
            }
            IncidentState::Open { holder: Holder::Owned { until, .. }, .. } => {
                format!("{word}: {what}. Taken, until {}.", time(*until))
            }
            IncidentState::Open { holder: Holder::WithPolice { .. }, .. } => {
                format!("{word}: {what}. With the police.")
            }
            IncidentState::Closed { closing, .. } => format!("Closed: {what}: {}.", ended(closing.outcome)),
        }
    }

    fn claim(&self, claim: Claim, now: Time, zone: Tz) -> Option<String> {
        match claim {
            Claim::None => None,
            Claim::PinUsed { at } => Some(format!(
                "PIN used since, last at {}: do not trust it until the worker is seen.",
                written(at, now, zone)
            )),
            Claim::ReportsSafe => Some("The worker reports safe. Not confirmed.".into()),
            Claim::SafeInside { till } => Some(format!(
                "The worker reports safe, inside till {}. Not confirmed.",
                written(till, now, zone)
            )),
        }
    }
}

fn both(subject: &str, text: String) -> Text {
    let sms = sms::with_names([], |[]: [&str; 0]| text.clone());
    Text { sms, subject: subject.into(), mail: text }
}

fn reminder(which: Reminder, deadline: Time, others_told_at: Time, facts: &Facts) -> Text {
    let time = |at: Time| written(at, facts.now, facts.zone);
    let due = time(deadline);
    let text = match which {
        Reminder::Before => {
            format!("Due out {due}. Out? Check out with your PIN. Staying? Extend with your PIN.")
        }
        Reminder::Last if deadline > facts.now => {
            format!("Due out {due}. At {due} others are told. Check out or extend with your PIN now.")
        }
        Reminder::Last => format!(
            "You were due out {due}. At {} others are told. Check out or extend with your PIN now.",
            time(others_told_at)
        ),
    };
    both(&format!("Due out {due}"), text)
}

fn reported(report: Report, facts: &Facts) -> String {
    match report {
        Report::Safe => "safe".to_owned(),
        Report::SafeInside { till } => format!("safe, inside till {}", written(till, facts.now, facts.zone)),
    }
}

fn ring(facts: &Facts) -> String {
    facts.worker_phone.as_ref().map_or_else(String::new, |phone| format!(" Ring {phone}."))
}

fn why_again(again: &Again) -> String {
    match again {
        Again::No => String::new(),
        Again::Lapsed { .. } | Again::PoliceUnanswered { .. } => "NOT ENDED: ".into(),
        Again::Unconfirmed => "NOT CONFIRMED: ".into(),
    }
}

fn overdue_staff(overdue: &Overdue, facts: &Facts) -> Text {
    let missed = written(overdue.missed, facts.now, facts.zone);
    let now = written(facts.now, facts.now, facts.zone);
    let code = facts.code.as_deref().unwrap_or_default();
    let ring = ring(facts);
    let answer = match facts.answering {
        Answering::ByText => format!("Reply ACK {code} to take it, NO {code} if you cannot."),
        Answering::InHomeward => format!("Take it in Homeward: {code}."),
    };
    let again = why_again(&overdue.again);
    let worker = facts.worker.as_str();
    let sms = sms::with_names([worker], |[worker]| {
        format!("{again}OVERDUE: {worker} due out {missed}, no word by {now}.{ring} {answer}")
    });
    let mut mail = vec![
        format!("{worker} was due out at {missed}. At {now} Homeward has had no word."),
        String::new(),
        format!("1. Ring {worker}{}.", facts.worker_phone.as_ref().map_or_else(String::new, |phone| format!(" on {phone}"))),
        "2. No answer: ring 999 (danger) or 101, and say who, where and since when. The place and what is known of it stand in Homeward with the incident.".into(),
        format!("3. Take the alarm, so that the others know. {answer}"),
        "4. When you have spoken to them or seen them, close it: how it ended, how you know, where they are now.".into(),
        String::new(),
    ];
    if overdue.risk == Risk::High {
        mail.push("This visit was held to be high risk.".into());
    }
    if overdue.no_signal_expected {
        mail.push("No signal was expected at the place: silence alone need not mean harm.".into());
    }
    mail.extend(said_again(&overdue.again, worker));
    mail.push(NO_CENTRE.into());
    Text { sms, subject: format!("{again}OVERDUE: {worker}, due out {missed}"), mail: mail.join("\n") }
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

fn sos_staff(call: &SosCall, facts: &Facts) -> Text {
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
    let answer = match facts.answering {
        Answering::ByText => format!("reply ACK {code}, or NO {code} if you cannot."),
        Answering::InHomeward => format!("take it in Homeward: {code}."),
    };
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

fn sos_outside(call: &SosCall, facts: &Facts) -> Text {
    let at = written(call.at, facts.now, facts.zone);
    let worker = facts.worker.as_str();
    let duty = facts
        .duty_phone
        .as_ref()
        .map_or_else(|| "their manager".to_owned(), |phone| format!("the duty manager on {phone}"));
    let code = facts.code.as_deref().unwrap_or_default();
    let answer = match facts.answering {
        Answering::ByText => format!(" Reply ACK {code} if you are trying, NO {code} if not."),
        Answering::InHomeward => String::new(),
    };
    let sms = sms::with_names([worker], |[worker]| {
        format!("{worker} called for help {at}. In danger: 999. Know where they are? Ring {duty}.{answer}")
    });
    let mail = format!(
        "{worker} called for help at {at}.\n\nIf you are with them and they are in danger, ring 999. If you know where they are or hear from them, ring {duty}.{answer}\n\n{NO_CENTRE}"
    );
    Text { sms, subject: format!("{worker} called for help {at}"), mail }
}

fn follow_up(kind: FollowUpKind) -> &'static str {
    match kind {
        FollowUpKind::PoliceLog => "police log",
        FollowUpKind::ReportableInjury => "reportable injury",
        FollowUpKind::Welfare => "welfare",
        FollowUpKind::Other => "as agreed",
    }
}

fn overdue_outside(overdue: &Overdue, facts: &Facts) -> Text {
    let missed = written(overdue.missed, facts.now, facts.zone);
    let worker = facts.worker.as_str();
    let duty = facts
        .duty_phone
        .as_ref()
        .map_or_else(|| "their manager".to_owned(), |phone| format!("the duty manager on {phone}"));
    let code = facts.code.as_deref().unwrap_or_default();
    let answer = match facts.answering {
        Answering::ByText => format!(" Reply ACK {code} if you are trying, NO {code} if not."),
        Answering::InHomeward => String::new(),
    };
    let sms = sms::with_names([worker], |[worker]| {
        format!(
            "{worker} has not been in touch since {missed}. Please try to reach them, then ring {duty}.{answer}"
        )
    });
    let mail = format!(
        "{worker} was expected to be in touch by {missed} and has not been.\n\nPlease try to reach them, then ring {duty} and say what you found.{answer}\n\n{NO_CENTRE}"
    );
    Text { sms, subject: format!("{worker} has not been in touch since {missed}"), mail }
}

/// So many workers of a list are named in one text.
pub const LISTED_IN_ONE_TEXT: usize = 3;

fn overdue_list(workers: &[Listed], facts: &Facts) -> Text {
    let when = |listed: &Listed| written(listed.missed, facts.now, facts.zone);
    let named = |length: usize| {
        let lines: Vec<_> = workers
            .iter()
            .map(|listed| {
                let name: String = sms::plain(&listed.worker).chars().take(length).collect();
                format!("{} {} {}", name.trim_end(), when(listed), listed.code)
            })
            .collect();
        sms::plain(&format!(
            "OVERDUE (was down): {}. Ring each. {}",
            lines.join(", "),
            take_with_code(facts.answering)
        ))
    };
    let sms =
        (4..=18).rev().map(named).find(|text| sms::fits(text)).unwrap_or_else(|| {
            format!("OVERDUE (was down): {} people. Ring each: see Homeward.", workers.len())
        });
    let mut mail = vec![
        "Homeward was down and has only now seen that these people did not come out of their visits:"
            .to_owned(),
        String::new(),
    ];
    mail.extend(
        workers
            .iter()
            .map(|listed| format!("- {}, due out {}, code {}", listed.worker, when(listed), listed.code)),
    );
    mail.extend([
        String::new(),
        "Ring each of them. No answer: ring 999 (danger) or 101.".into(),
        take_with_code(facts.answering).into(),
        NO_CENTRE.into(),
    ]);
    Text {
        sms,
        subject: format!("OVERDUE: {} people, Homeward was down", workers.len()),
        mail: mail.join("\n"),
    }
}

fn take_with_code(answering: Answering) -> &'static str {
    match answering {
        Answering::ByText => "Reply ACK and its code.",
        Answering::InHomeward => "Take each in Homeward.",
    }
}

fn closed(outcome: Outcome, by: &str, worker: &str) -> Text {
    let how = ended(outcome);
    both(
        &format!("Closed: {worker}"),
        sms::with_names([worker, by], |[worker, by]| {
            format!("CLOSED by {by}: {worker}, {how}. Nothing more for you to do. Thank you.")
        }),
    )
}

fn ended(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::SafeForgot => "safe, forgot to check out",
        Outcome::SafeDelayed => "safe, was delayed",
        Outcome::SafeNoSignal => "safe, had no signal",
        Outcome::FalseAlarm => "false alarm",
        Outcome::Threatened => "was threatened",
        Outcome::Assaulted => "was assaulted",
        Outcome::Injured => "was injured",
        Outcome::TakenIll => "was taken ill",
        Outcome::Drill => "drill",
        Outcome::Other => "ended",
    }
}

fn known(known_by: KnownBy) -> &'static str {
    match known_by {
        KnownBy::SpokeByVoice => "spoke to you",
        KnownBy::Seen => "saw you",
        KnownBy::Police => "the police said so",
    }
}
