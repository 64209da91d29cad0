//! English.

use chrono_tz::Tz;

use super::{
    Doing, PinAnswer, PinRefused, Text, Wording, english_agreements as agreements, english_calls as calls,
    english_concerns as concerns, english_due as due, english_proofs as proofs, english_replies,
    english_upkeep as upkeep, sms,
};
use crate::{
    clock::Time,
    domain::{
        contact::Channel,
        follow_up::FollowUpKind,
        incident::{Claim, Holder, Incident, IncidentState, Kind, Outcome},
        local_time::written,
        notice::{Answering, Asked, Facts, Notice, Reader},
        reply::Reply,
        visit::{Alarm, Awaited, EndedHow, KnownBy, Missed, Reminder, Report, Visit, VisitState},
    },
};

/// English.
#[derive(Debug, Clone, Copy, Default)]
pub struct English;

impl Wording for English {
    #[expect(clippy::too_many_lines, reason = "the catalogue: one arm for each notice")]
    fn notice(&self, notice: &Notice, facts: &Facts) -> Text {
        let time = |at: Time| written(at, facts.now, facts.zone);
        let worker = facts.worker.as_str();
        match notice {
            Notice::Reminder { what, which, deadline, others_told_at } => {
                let missed = Missed { what: *what, at: *deadline };
                reminder(*which, missed, *others_told_at, facts)
            }
            Notice::AskedAfterOutage { missed } => {
                let (subject, ask) = match missed.what {
                    Awaited::Departure => ("Are you out?", "Out? Check out with your PIN now."),
                    Awaited::Arrival => ("Are you there?", "There? Start the visit. Check in with your PIN."),
                    Awaited::WelfareCheck => ("Are you fine?", "Fine? Check in with your PIN now."),
                    Awaited::HomeSafe => ("Are you home?", "Home? Say so with your PIN now."),
                };
                let due = calls::due(missed.what);
                let text = format!(
                    "You were {due} {}. Homeward was down and could not ask. Others are being told. {ask}",
                    time(missed.at)
                );
                both(subject, text)
            }
            Notice::WatchedWith { by, till } => both(
                "You are watched too",
                sms::with_names([by.as_str()], |[by]| {
                    format!(
                        "{by} has started a visit with you. You are watched too, till {}. Check out with your own PIN when you leave.",
                        time(*till)
                    )
                }),
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
            Notice::Drill => {
                let code = facts.code.as_deref().unwrap_or_default();
                let answer = match facts.answering {
                    Answering::ByText => format!("Practise: reply ACK {code}."),
                    Answering::InHomeward => format!("Practise: take it in Homeward: {code}."),
                };
                let text = sms::with_names([worker], |[worker]| {
                    format!("DRILL: an alarm about {worker} would reach you like this. Nothing has happened. {answer}")
                });
                let mail = match facts.answering {
                    Answering::ByText => format!(
                        "DRILL: an alarm about {worker} would reach you like this. Nothing has happened.\n\nPractise: text ACK {code} from your phone, or take it in Homeward: {code}. Nobody reads a reply to this mail."
                    ),
                    Answering::InHomeward => text.clone(),
                };
                Text { sms: text, subject: "DRILL: nothing has happened".into(), mail }
            }
            Notice::DrillOver => both("DRILL OVER", "DRILL OVER. Nothing to do. Thank you.".into()),
            Notice::RehearsalOver => both(
                "TEST is over",
                "TEST is over. You are NOT being watched by it. Delete its texts: PINs stand in them. For a visit reply IN 60.".into(),
            ),
            Notice::Overdue(overdue) => match facts.reader {
                Reader::Staff => calls::overdue_staff(overdue, facts),
                Reader::Outside => calls::overdue_outside(overdue, facts),
            },
            Notice::Sos(call) => match facts.reader {
                Reader::Staff => calls::sos_staff(call, facts),
                Reader::Outside => calls::sos_outside(call, facts),
            },
            Notice::Duress(call) => match facts.reader {
                Reader::Staff => calls::duress_staff(call, facts),
                // They are not called about it; if they were, they would be told no more than this.
                Reader::Outside => stand_down(facts),
            },
            Notice::OverdueList { workers, opened } => calls::overdue_list(workers, *opened, facts),
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
                    format!("{from} hands you the alarm about {worker}. It is yours until {}.{}{cannot}", time(*until), calls::ring(facts))
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
            Notice::CannotBeReached { who, channel } => both(
                &format!("{who} cannot be reached by {}", channel.as_str()),
                sms::with_names([who], |[who]| {
                    let by = match channel {
                        Channel::Sms => "text: the phone has opted out (STOP), or takes none",
                        Channel::Email => "mail: the address does not exist",
                    };
                    format!("{who} cannot be reached by {by}. Alarms would not arrive there. Please mend it today.")
                }),
            ),
            Notice::Proof(asked) => proofs::asked(asked, facts),
            Notice::NotCountedOn { who, why } => proofs::not_counted_on(who, *why, worker),
            Notice::UnknownCallsForHelp { number } => both(
                "A number that nobody knows has called for help",
                format!("SOS from {number}, a number that Homeward does not know. Ring it now; in danger 999. Whose phone is it?"),
            ),
            Notice::DuressToOwner => both(
                &format!("DURESS: {worker}, whom you have"),
                sms::with_names([worker], |[worker]| {
                    format!("DURESS: {worker}, whom you have. STOP: do not ring or text, do not go there. Ring 999 now. Take it again to keep it.")
                }),
            ),
            Notice::StandDown => stand_down(facts),
            Notice::DuressAgain => both(
                &format!("DURESS again: {worker}"),
                sms::with_names([worker], |[worker]| {
                    format!("DURESS: {worker} gave the sign again, {}. DO NOT ring or text. Ring 999 if nobody has yet.", time(facts.now))
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
            Notice::ArrivedLate => both(
                &format!("{worker} has begun the visit: not confirmed"),
                sms::with_names([worker], |[worker]| {
                    format!("{worker} has begun the visit, without the PIN. Not confirmed: speak to {worker}, then close the alarm.")
                }),
            ),
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
            Notice::Agreement(about) => agreements::notice(about, facts),
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
            Notice::ChecklistMissing { whose, visits, first, asked } => {
                upkeep::checklist_missing(*whose, *visits, &time(*first), asked)
            }
            Notice::ExceptionsToReview { visits, first } => upkeep::to_review(*visits, &time(*first)),
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
            Notice::PolicyToAcknowledge { titles, by } => upkeep::to_acknowledge(titles, *by),
            Notice::PolicyLate { titles, by, asked } => upkeep::not_acknowledged(titles, *by, asked),
            Notice::EquipmentLate { what, due_back, asked } => {
                upkeep::not_back(what, &time(*due_back), asked)
            }
            Notice::DeviceCallsForHelp { what, last, number, retired } => {
                upkeep::device_calls_for_help(what, last.as_deref(), number.as_deref(), retired.as_deref())
            }
            Notice::UnreadableText => both(
                &format!("{worker} sent a text that could not be read"),
                sms::with_names([worker], |[worker]| {
                    format!("{worker} is on a visit and sent a text that Homeward could not read. It stands in Homeward. Ring {worker}.")
                }),
            ),
            Notice::ConcernRaised { by, at } => concerns::raised(by, &time(*at)),
            Notice::ConcernDue { by, at, asked } => concerns::due(by, &time(*at), asked),
            Notice::ConcernOpen { by, on, asked } => concerns::still_open(by, *on, asked),
            Notice::ConcernActionDue { due_on, asked } => concerns::action_due(*due_on, asked),
            Notice::DueDigest { team, today, items, oversight, unknown_year } => {
                due::digest(team.as_deref(), *today, items, *oversight, *unknown_year)
            }
            Notice::MeasuresMissing { at } => concerns::measures_missing(worker, &time(*at)),
            Notice::CarrierWord { word } => both(
                &format!("{worker} sent {word}"),
                sms::with_names([worker, word], |[worker, word]| {
                    format!("{worker} sent {word}: the network may stop our texts to them. A visit that runs stays watched. Ring {worker}.")
                }),
            ),
            Notice::EndOfDay { team, out, code, unconfirmed_by } => {
                calls::end_of_day(team, out, code, unconfirmed_by.as_deref(), facts)
            }
            Notice::WebhookFails { key, how } => upkeep::webhook_fails(key, *how, time),
            Notice::StuckDeadline => both(
                "Homeward cannot watch a visit",
                "Homeward CANNOT WATCH a visit: its deadline could not be worked on. Look now at who is out, and ring them. The log says which.".into(),
            ),
            Notice::ProviderTest { provider } => proofs::provider_test(provider, facts),
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
            (VisitState::GoingHome { deadline }, alarm) => {
                let till = time(deadline.at);
                let watched = if deadline.at > now {
                    format!("Watching your way home till {till}.")
                } else {
                    format!("You were due home {till}.")
                };
                format!("{watched} Say with your PIN when you are home.{}", others_told(alarm))
            }
            (VisitState::Begun { deadline, check }, alarm) => {
                let others = others_told(alarm);
                let check = check.map_or_else(String::new, |check| {
                    format!(" Say with your PIN that you are fine by {}.", time(check.at))
                });
                let till = time(deadline.at);
                if deadline.at > now {
                    format!(
                        "Watching you till {till}.{check} Check out with your PIN when you leave.{others}"
                    )
                } else {
                    format!("You were due out {till}. Check out with your PIN when you leave.{others}")
                }
            }
            (VisitState::Ended { at, how, .. }, _) => match how {
                EndedHow::HomeSafe => format!("Home at {}. You are no longer watched.", time(*at)),
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
            (Some(sos), _) if incident.kind == Kind::Duress => {
                ("DURESS", format!("{worker} acts under threat since {}: do not ring or text", time(sos.at)))
            }
            (Some(sos), _) if sos.by == incident.subject => {
                ("SOS", format!("{worker} called for help {}", time(sos.at)))
            }
            (Some(sos), _) => ("NOT SAFE", format!("{worker} was found not safe {}", time(sos.at))),
            (None, Some(Missed { what, at })) => {
                (calls::missed(what), format!("{worker} was {} {}", calls::due(what), time(at)))
            }
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

pub(super) fn both(subject: &str, text: String) -> Text {
    let sms = sms::with_names([], |[]: [&str; 0]| text.clone());
    Text { sms, subject: subject.into(), mail: text }
}

fn others_told(alarm: Alarm) -> &'static str {
    match alarm.as_the_worker_sees_it() {
        Alarm::Quiet | Alarm::Sos => "",
        Alarm::Overdue | Alarm::WithPolice => {
            " Others were told that you are overdue: somebody will ring you to be sure."
        }
    }
}

fn reminder(which: Reminder, missed: Missed, others_told_at: Time, facts: &Facts) -> Text {
    let time = |at: Time| written(at, facts.now, facts.zone);
    let Missed { what, at: deadline } = missed;
    let (at, others) = (time(deadline), time(others_told_at));
    let others = format!("At {others} others are told.");
    let is_past = deadline <= facts.now;
    let (due, were_due) = match what {
        Awaited::Departure => (format!("Due out {at}"), format!("You were due out {at}")),
        Awaited::Arrival => (format!("You planned to arrive {at}"), format!("You planned to arrive {at}")),
        Awaited::WelfareCheck => {
            (format!("Are you fine? Check due {at}"), format!("No word from you since the check at {at}"))
        }
        Awaited::HomeSafe => (format!("Due home {at}"), format!("You were due home {at}")),
    };
    let text = match (what, which) {
        (Awaited::Departure, Reminder::Before) => {
            format!("{due}. Out? Check out with your PIN. Staying? Extend with your PIN.")
        }
        (Awaited::HomeSafe, Reminder::Before) => {
            format!("{due}. Home? Say so with your PIN. Later? Extend with your PIN.")
        }
        (Awaited::Arrival, Reminder::Before) => {
            format!("{due}. There? Start the visit. Later? Extend with your PIN. {others}")
        }
        (Awaited::Arrival, Reminder::Last) => {
            format!("{were_due}: not begun. {others} Start the visit, or extend with your PIN now.")
        }
        (Awaited::WelfareCheck, Reminder::Before) => format!("{due}: check in with your PIN. {others}"),
        (Awaited::WelfareCheck, Reminder::Last) => {
            format!("{were_due}. {others} Fine? Check in with your PIN now.")
        }
        (Awaited::Departure, Reminder::Last) if is_past => {
            format!("{were_due}. {others} Check out or extend with your PIN now.")
        }
        (Awaited::Departure, Reminder::Last) => {
            format!("{due}. {others} Check out or extend with your PIN now.")
        }
        (Awaited::HomeSafe, Reminder::Last) => {
            let due = if is_past { were_due } else { due };
            format!("{due}. {others} Home? Say so with your PIN, or extend with your PIN now.")
        }
    };
    let subject = match what {
        Awaited::Departure => format!("Due out {at}"),
        Awaited::Arrival => format!("Due to arrive {at}"),
        Awaited::WelfareCheck => format!("Are you fine? {at}"),
        Awaited::HomeSafe => format!("Due home {at}"),
    };
    both(&subject, text)
}

/// Outside contacts learn no reason: only what they may not do.
fn stand_down(facts: &Facts) -> Text {
    let worker = facts.worker.as_str();
    both(
        &format!("Please do not contact {worker} now"),
        sms::with_names([worker], |[worker]| {
            let duty = facts.duty_phone.as_ref();
            let hear = duty.map_or_else(String::new, |phone| format!(" Questions: {phone}."));
            format!(
                "STOP: please do NOT ring, text or visit {worker} now, whatever you were asked before. Staff are dealing with it.{hear}"
            )
        }),
    )
}

fn reported(report: Report, facts: &Facts) -> String {
    match report {
        Report::Safe => "safe".to_owned(),
        Report::SafeInside { till } => format!("safe, inside till {}", written(till, facts.now, facts.zone)),
    }
}

fn follow_up(kind: FollowUpKind) -> &'static str {
    match kind {
        FollowUpKind::PoliceLog => "police log",
        FollowUpKind::ReportableInjury => "reportable injury",
        FollowUpKind::Welfare => "welfare",
        FollowUpKind::Other => "as agreed",
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
