//! docs/messages.md: every text that a person can get, from the catalogue itself.
//!
//! A row names its variant; all rows together are a `match` without a rest, so that a new variant does not compile here until
//! somebody says when it is said, to whom, and with what.

use std::{collections::HashSet, fmt::Write as _};

use chrono::{DateTime, Utc};
use homeward::domain::{
    agreement::{Answer, Changed},
    checklist::Whose,
    command::words::{CARRIER_WORDS, LISTED, Needs},
    contact::{Channel, Phone},
    drill::DrillAnswer,
    follow_up::FollowUpKind,
    incident::{Kind, Opened, Outcome},
    measures::{Kept, Moment},
    notice::{
        AboutAgreement, Again, Answering, Asked, AskedBefore, AtTheDoor, Decided, DueItem, DueWhen, Facts,
        Listed, NotCountedOn, Notice, Overdue, OversightMissing, Page, ProofAsked, Reader, SosCall,
        WebhookFails,
    },
    reply::{Besides, Next, Rehearsal, Reply, Tied},
    visit::{Alarm, Awaited, KnownBy, Missed, Reminder, Report, Risk},
    wording::{Doing, English, PinAnswer, PinRefused, Wording, sms},
};
use uuid::Uuid;

use crate::support::environment;

const FILE: &str = "docs/messages.md";
const ZONE: chrono_tz::Tz = chrono_tz::Europe::London;

/// One variant: when it is said, to whom, and samples.
struct Row<T> {
    variant: &'static str,
    when: &'static str,
    whom: &'static str,
    samples: Vec<T>,
}

macro_rules! catalogue {
    ($name:ident of $all:ident { $($variant:ident, $when:literal, $whom:literal, [$($sample:expr),+ $(,)?];)+ }) => {
        fn $name() -> Vec<Row<$all>> {
            let rows = vec![$(Row {
                variant: stringify!($variant), when: $when, whom: $whom, samples: vec![$($sample),+],
            }),+];
            for row in &rows {
                for sample in &row.samples {
                    let named = match sample { $($all::$variant { .. } => stringify!($variant),)+ };
                    assert_eq!(named, row.variant, "a sample stands in the row of another");
                }
            }
            rows
        }
    };
}

fn at(time: &str) -> DateTime<Utc> {
    format!("2026-03-02T{time}:00Z").parse().unwrap()
}

fn now() -> DateTime<Utc> {
    at("14:40")
}

fn s(text: &str) -> String {
    text.into()
}

fn phone(written: &str) -> Phone {
    Phone::parse(written).unwrap()
}

fn missed(what: Awaited) -> Missed {
    Missed { what, at: at("14:30") }
}

fn overdue(again: Again) -> Notice {
    not_done(Awaited::Departure, again)
}

fn not_done(what: Awaited, again: Again) -> Notice {
    Notice::Overdue(Overdue { missed: missed(what), again, risk: Risk::High, no_signal_expected: true })
}

fn sos(found_by: Option<&str>, again: Again) -> Notice {
    Notice::Sos(SosCall { at: at("14:38"), found_by: found_by.map(s), again })
}

fn duress(again: Again) -> Notice {
    Notice::Duress(SosCall { at: at("14:38"), found_by: None, again })
}

fn lapsed() -> Again {
    Again::Lapsed { owner: s("Sam Cole") }
}

fn police_unanswered() -> Again {
    Again::PoliceUnanswered { owner: s("Sam Cole") }
}

fn acted(known_by: KnownBy, till: Option<DateTime<Utc>>) -> Notice {
    Notice::ActedForYou { by: s("Sam Cole"), known_by: Some(known_by), till }
}

fn listed(names: &[&str], opened: Opened) -> Notice {
    let one = |name: &&str| Listed {
        incident: Uuid::nil(),
        worker: s(name),
        missed: missed(Awaited::Departure),
        code: s("K7QF"),
    };
    Notice::OverdueList { workers: names.iter().map(one).collect(), opened }
}

fn proof(named_by: &[&str], before: AskedBefore) -> Notice {
    let link = Some(s("https://homeward.example.org/proofs/…"));
    let named_by = named_by.iter().map(|name| s(name)).collect();
    Notice::Proof(ProofAsked { organisation: s("Westshire Probation"), named_by, before, link })
}

fn closed(outcome: Outcome) -> Notice {
    Notice::Closed { outcome, by: s("Sam Cole") }
}

fn due(kind: FollowUpKind, asked: Asked) -> Notice {
    Notice::FollowUpDue { kind, due_on: "2026-03-09".parse().unwrap(), asked }
}

fn decided_reply(answer: Answer) -> Reply {
    Reply::Decided { answer, worker: s("Ann Lee") }
}

fn planned() -> AtTheDoor {
    AtTheDoor::No { begins: at("16:00") }
}

fn decided(decided: Decided, inside: AtTheDoor) -> Notice {
    Notice::Agreement(AboutAgreement::Decided { decided, by: s("Sam Cole"), inside })
}

fn missing(visits: usize, asked: Asked) -> Notice {
    Notice::RecordMissing { visits, first: at("10:30"), asked }
}

fn checklist(whose: Whose, visits: usize, asked: Asked) -> Notice {
    Notice::ChecklistMissing { whose, visits, first: at("10:30"), asked }
}

fn by_manager() -> Asked {
    Asked::TheirManager(s("Ann Lee"))
}

fn by_march() -> chrono::NaiveDate {
    "2026-03-09".parse().unwrap()
}

fn due_digest(team: Option<&str>, when: &[DueWhen]) -> Notice {
    let item = |(at, when): (usize, &DueWhen)| DueItem {
        reference: format!("A12345{at}"),
        when: *when,
        is_planned: at == 1,
    };
    let items = when.iter().enumerate().map(item).collect();
    let oversight = OversightMissing { asked: if team.is_some() { 3 } else { 0 }, overdue: 1 };
    let unknown_year = team.filter(|_| !when.is_empty()).map(|_| 2029);
    Notice::DueDigest {
        team: team.map(s),
        today: "2026-03-02".parse().unwrap(),
        items,
        oversight,
        unknown_year,
    }
}

fn policy_late(asked: Asked) -> Notice {
    Notice::PolicyLate { titles: vec![s("Home visits")], by: by_march(), asked }
}

fn not_back(asked: Asked) -> Notice {
    Notice::EquipmentLate { what: s("Pool car 2 (AB12 CDE)"), due_back: at("12:00"), asked }
}

fn reminder(what: Awaited, which: Reminder, deadline: &str, others_told_at: &str) -> Notice {
    Notice::Reminder { what, which, deadline: at(deadline), others_told_at: at(others_told_at) }
}

fn end_of_day(out: &[&str], unconfirmed_by: Option<&str>) -> Notice {
    let out = out.iter().map(|out| s(out)).collect();
    Notice::EndOfDay { team: s("North team"), out, code: s("K7QF"), unconfirmed_by: unconfirmed_by.map(s) }
}

fn ended(begun: &[&str], home_by: Option<&str>, alarm: Alarm) -> Reply {
    Reply::Ended { visits: begun.iter().map(|begun| at(begun)).collect(), home_by: home_by.map(at), alarm }
}

fn watched_on(till: &str, alarm: Alarm, other: Option<&str>, next: Next) -> Reply {
    Reply::WatchedOn { till: at(till), alarm, other: other.map(at), next }
}

fn status(running: &[&str], next: Option<&str>) -> Reply {
    let running = running.iter().map(|till| at(till)).collect();
    Reply::Status { running, home_by: None, check: None, with: vec![], next: next.map(at) }
}

fn measures(moment: Moment, kept: Kept) -> Reply {
    let told = if (moment, kept) == (Moment::Door, Kept::No) { vec![s("Sam Cole")] } else { vec![] };
    let till = (moment == Moment::Door).then(|| at("15:00"));
    Reply::MeasuresNoted { at: at("14:40"), moment, kept, told, till }
}

const OUT: Next = Next::Out { check: None };

const INSIDE: fn() -> Report = || Report::SafeInside { till: at("15:10") };

catalogue! { notices of Notice {
    Reminder, "the deadline comes, or has come", "the worker", [
        reminder(Awaited::Departure, Reminder::Before, "14:50", "15:00"),
        reminder(Awaited::Departure, Reminder::Last, "14:45", "14:45"),
        reminder(Awaited::Departure, Reminder::Last, "14:30", "14:50"),
        reminder(Awaited::Arrival, Reminder::Before, "14:40", "14:55"),
        reminder(Awaited::Arrival, Reminder::Last, "14:32", "14:47"),
        reminder(Awaited::WelfareCheck, Reminder::Before, "14:40", "14:50"),
        reminder(Awaited::WelfareCheck, Reminder::Last, "14:35", "14:45"),
        reminder(Awaited::HomeSafe, Reminder::Before, "14:50", "15:05"),
        reminder(Awaited::HomeSafe, Reminder::Last, "14:40", "14:55"),
        reminder(Awaited::HomeSafe, Reminder::Last, "14:43", "14:43"),
    ];
    AskedAfterOutage, "the service was down when they were due out", "the worker",
        [
            Notice::AskedAfterOutage { missed: missed(Awaited::Departure) },
            Notice::AskedAfterOutage { missed: missed(Awaited::Arrival) },
            Notice::AskedAfterOutage { missed: missed(Awaited::WelfareCheck) },
            Notice::AskedAfterOutage { missed: missed(Awaited::HomeSafe) },
        ];
    WatchedWith, "somebody started a visit with them", "everybody who goes in too",
        [Notice::WatchedWith { by: s("Ann Lee"), till: at("15:30") }];
    StartedForYou, "somebody started a visit for them", "the worker",
        [Notice::StartedForYou { by: s("Sam Cole"), till: at("15:30") }];
    ActedForYou, "somebody ended or extended a visit for them", "the worker", [
        acted(KnownBy::SpokeByVoice, None), acted(KnownBy::Seen, Some(at("15:30"))), acted(KnownBy::Police, None),
        Notice::ActedForYou { by: s("Sam Cole"), known_by: None, till: None },
    ];
    Overdue, "a visit did not end or begin, or the worker did not say that all is well", "whoever the ladder calls", [
        overdue(Again::No), overdue(lapsed()), overdue(Again::Unconfirmed), overdue(police_unanswered()),
        not_done(Awaited::Arrival, Again::No), not_done(Awaited::Arrival, Again::Unconfirmed),
        not_done(Awaited::WelfareCheck, Again::No), not_done(Awaited::WelfareCheck, Again::Unconfirmed),
        not_done(Awaited::HomeSafe, Again::No), not_done(Awaited::HomeSafe, Again::Unconfirmed),
    ];
    Sos, "the worker called for help, or was found not safe", "whoever the ladder calls", [
        sos(None, Again::No), sos(None, lapsed()), sos(None, Again::Unconfirmed), sos(None, police_unanswered()),
        sos(Some("Jo Lee"), Again::No),
    ];
    Drill, "a drill: nothing has happened", "whoever the ladder calls", [Notice::Drill];
    DrillOver, "a drill's ladder is done, or it was ended by hand", "whoever it called and has not answered",
        [Notice::DrillOver];
    RehearsalOver, "15 minutes after TEST", "the worker", [Notice::RehearsalOver];
    OverdueList, "many fell due together, or while the service was down", "staff whom the ladder calls", [
        listed(&["Ann Lee", "Ben Okoro", "Cas Moss"], Opened::InTime),
        listed(&["Ann Lee"], Opened::AfterOutage), listed(&["Ann Lee", "Ben Okoro", "Cas Moss"], Opened::AfterOutage),
    ];
    Taken, "somebody has taken it", "everybody else who was called", [Notice::Taken { owner: s("Sam Cole") }];
    Passed, "somebody took it over, or it was handed over", "everybody else who was called",
        [Notice::Passed { owner: s("Dee Park"), from: s("Sam Cole") }];
    HandedToYou, "it was handed to them", "the new owner",
        [Notice::HandedToYou { from: s("Sam Cole"), until: at("15:00") }];
    Held, "the owner needs longer", "everybody else who was called",
        [Notice::Held { owner: s("Sam Cole"), until: at("15:30") }];
    Cannot, "somebody who was called cannot", "everybody else who was called", [Notice::Cannot { who: s("Jo Lee") }];
    WithPolice, "the police were rung", "everybody else who was called",
        [Notice::WithPolice { owner: s("Sam Cole"), log_number: s("WS 0412") }];
    PoliceReminder, "the police have had it for a while", "the owner", [Notice::PoliceReminder { until: at("15:00") }];
    SosToOwner, "the worker whose alarm they have called for help", "the owner", [Notice::SosToOwner];
    SosAgain, "the worker called for help again", "everybody who was called", [Notice::SosAgain];
    CannotBeReached, "a provider says that somebody's phone or address takes nothing from us", "their manager", [
        Notice::CannotBeReached { who: s("Jo Lee"), channel: Channel::Sms }, Notice::CannotBeReached { who: s("Jo Lee"), channel: Channel::Email },
    ];
    Proof, "before anything else, and every 45 days", "everybody at each of their addresses", [
        proof(&["Ann Lee"], AskedBefore::No), proof(&["Ann Lee", "Ben Okoro", "Cas Moss"], AskedBefore::No),
        proof(&["Ann Lee"], AskedBefore::Yes), proof(&[], AskedBefore::No), proof(&[], AskedBefore::Yes),
    ];
    NotCountedOn, "somebody declines, or does not answer", "the manager of whoever counts on them", [
        Notice::NotCountedOn { who: s("Jo Lee"), why: NotCountedOn::Declined },
        Notice::NotCountedOn { who: s("Jo Lee"), why: NotCountedOn::Silent(Channel::Sms) },
        Notice::NotCountedOn { who: s("Jo Lee"), why: NotCountedOn::Silent(Channel::Email) },
    ];
    UnknownCallsForHelp, "a number that is nobody's calls for help", "whoever is on duty", [Notice::UnknownCallsForHelp { number: s("07700900999") }];
    Duress, "the duress PIN or word was given", "staff whom the ladder calls", [duress(Again::No), duress(lapsed()), duress(police_unanswered())];
    DuressToOwner, "the worker whose alarm they have is under duress", "the owner", [Notice::DuressToOwner];
    StandDown, "an alarm that they were called about is a duress alarm now", "outside contacts", [Notice::StandDown];
    DuressAgain, "the duress PIN or word was given again", "staff who were called", [Notice::DuressAgain];
    ReportsWithPolice, "the worker reports while the police have it", "the owner",
        [Notice::ReportsWithPolice(Report::Safe), Notice::ReportsWithPolice(INSIDE())];
    ArrivedLate, "the worker begins what they had not, without the PIN", "staff who were called", [Notice::ArrivedLate];
    ReportedSafe, "somebody who was called says that the worker is safe", "everybody else who was called",
        [Notice::ReportedSafe { by: s("Jo Lee") }];
    OwnerWarned, "their promise is about to lapse", "the owner", [Notice::OwnerWarned { until: at("14:55") }];
    WorkerReports, "the worker reports, with the PIN", "everybody who was called",
        [Notice::WorkerReports(Report::Safe), Notice::WorkerReports(INSIDE())];
    OutsideTrying, "an outside contact is trying", "staff who were called",
        [Notice::OutsideTrying { contact: s("Jo Lee") }];
    Closed, "it is closed", "everybody who was called", [
        closed(Outcome::SafeForgot), closed(Outcome::SafeDelayed), closed(Outcome::SafeNoSignal),
        closed(Outcome::FalseAlarm), closed(Outcome::Threatened), closed(Outcome::Assaulted),
        closed(Outcome::Injured), closed(Outcome::TakenIll), closed(Outcome::Drill), closed(Outcome::Other),
    ];
    WrongPins, "several wrong PINs in a row", "the manager", [Notice::WrongPins { wrong: 3 }];
    NoPin, "a worker without a PIN wants to end", "the manager", [Notice::NoPin { till: at("15:00") }];
    AboveCap, "extensions above what the team allows", "the manager",
        [Notice::AboveCap { minutes: 150, till: at("17:00") }];
    UnreadableStart, "a start could not be read", "the manager", [Notice::UnreadableStart];
    Objected, "the worker objects to what was done for them", "the manager and whoever did it",
        [Notice::Objected { by: s("Dee Park"), till: at("15:00") }];
    PutOnRecord, "a visit was put on record that nobody had watched", "the manager",
        [Notice::PutOnRecord { by: s("Dee Park"), arrived_at: at("10:00") }];
    Agreement, "a visit has to be agreed", "whoever can agree; the worker; whoever is there", [
        Notice::Agreement(AboutAgreement::Asked { door: AtTheDoor::Yes }), Notice::Agreement(AboutAgreement::Asked { door: planned() }),
        Notice::Agreement(AboutAgreement::NobodyCan { door: AtTheDoor::Yes }), Notice::Agreement(AboutAgreement::NobodyCan { door: planned() }),
        decided(Decided::Agreed, AtTheDoor::Yes), decided(Decided::Agreed, planned()), decided(Decided::Refused, AtTheDoor::Yes),
        decided(Decided::Refused, planned()), decided(Decided::Asked, AtTheDoor::Yes), decided(Decided::Asked, planned()),
        decided(Decided::TakenBack, planned()), decided(Decided::NotYet, AtTheDoor::Yes), Notice::Agreement(AboutAgreement::Warned { inside: AtTheDoor::Yes }), Notice::Agreement(AboutAgreement::Warned { inside: planned() })];
    RecordMissing, "outcome or work undertaken is missing", "the worker, then their manager",
        [missing(1, Asked::Them), missing(3, Asked::Them), missing(1, by_manager()), missing(3, by_manager())];
    ChecklistMissing, "each day at nine until the checklist for after a visit is answered, where a team asks for that",
        "the worker, and whoever answers for them; from the third day those above them too", [
        checklist(Whose::Worker, 1, Asked::Them), checklist(Whose::Manager, 3, Asked::Them),
        checklist(Whose::Worker, 3, by_manager()), checklist(Whose::Manager, 1, Asked::TheirManager(s("Sam Cole"))),
    ];
    ExceptionsToReview, "each day at nine after a visit that was out of the ordinary, until it is reviewed",
        "senior managers; each day those above them too", [
        Notice::ExceptionsToReview { visits: 1, first: at("10:30") }, Notice::ExceptionsToReview { visits: 3, first: at("10:30") },
    ];
    FollowUpDue, "something is to be done after an alarm", "its owner, then their manager", [
        due(FollowUpKind::PoliceLog, Asked::Them), due(FollowUpKind::ReportableInjury, Asked::Them),
        due(FollowUpKind::Welfare, Asked::Them), due(FollowUpKind::Other, Asked::Them),
        due(FollowUpKind::PoliceLog, Asked::TheirManager(s("Sam Cole"))),
    ];
    PolicyToAcknowledge, "there are policies to acknowledge", "everybody whom they concern",
        [Notice::PolicyToAcknowledge { titles: vec![s("Home visits"), s("Lone working")], by: by_march() }];
    PolicyLate, "they were not acknowledged in time", "whoever has not, then their manager", [
        policy_late(Asked::Them), policy_late(by_manager()),
    ];
    EquipmentLate, "something is not back in time", "whoever has it, then their manager",
        [not_back(Asked::Them), not_back(by_manager())];
    DeviceCallsForHelp, "a device that is out with nobody calls for help", "whoever is on duty", [
        Notice::DeviceCallsForHelp { what: s("Alarm 4"), last: None, number: None, retired: None },
        Notice::DeviceCallsForHelp { what: s("Alarm 4"), last: Some(s("Ann Lee")), number: Some(s("07700900140")), retired: None },
        Notice::DeviceCallsForHelp { what: s("Alarm 4"), last: Some(s("Ann Lee")), number: None, retired: Some(s("broken")) },
    ];
    UnreadableText, "a text of a worker on a visit could not be read", "the manager", [Notice::UnreadableText];
    ConcernRaised, "somebody raised a concern", "whoever answers for them, and for the worker of the visit",
        [Notice::ConcernRaised { by: s("Ann Lee"), at: at("14:32") }];
    ConcernDue, "each day at nine until it is discussed", "whoever was told; from the third day those above them too", [
        Notice::ConcernDue { by: s("Ann Lee"), at: at("14:32"), asked: Asked::Them },
        Notice::ConcernDue { by: s("Ann Lee"), at: at("14:32"), asked: Asked::TheirManager(s("Sam Cole")) },
    ];
    ConcernOpen, "each week after it was discussed, until it is closed",
        "whoever discussed it last; from the third time those above them too", [
        Notice::ConcernOpen { by: s("Ann Lee"), on: by_march(), asked: Asked::Them },
        Notice::ConcernOpen { by: s("Ann Lee"), on: by_march(), asked: Asked::TheirManager(s("Sam Cole")) },
    ];
    ConcernActionDue, "each day at nine from its day on until it is done",
        "whoever has to do it; from the third day their manager too", [
        Notice::ConcernActionDue { due_on: "2026-03-09".parse().unwrap(), asked: Asked::Them },
        Notice::ConcernActionDue { due_on: "2026-03-09".parse().unwrap(), asked: by_manager() },
    ];
    DueDigest, "on working days at the organisation's hour, if a visit is due or oversight is asked for", "whose cases they are; the managers of the team: by mail, the text only to whoever has none", [
        due_digest(None, &[DueWhen::Overdue("2026-02-27".parse().unwrap()), DueWhen::ThisWeek("2026-03-06".parse().unwrap())]),
        due_digest(Some("North team"), &[DueWhen::Now, DueWhen::NotKnown]), due_digest(Some("North team"), &[]),
    ];
    MeasuresMissing, "at the door the agreed measures are not in place", "the manager",
        [Notice::MeasuresMissing { at: at("14:38") }];
    CarrierWord, "a text was a word that networks act on", "the manager", [Notice::CarrierWord { word: s("STOP") }];
    EndOfDay, "a team closes for the day; unconfirmed again every 30 min", "its manager, the duty manager, those above in turn", [
        end_of_day(&[], None), end_of_day(&["Ann Lee till 15:30"], Some("Sam Cole")),
        end_of_day(&["Ann Lee till 15:30", "Ben Okoro till 15:40", "Cas Moss till 16:00", "Ari Stone till 16:20"], None),
    ];
    WebhookFails, "another system is not told what happened: after an hour and each day, when something is given up, when it wants no more", "administrators; without one the managers at the top: by mail, the text only to whoever has none", [
        Notice::WebhookFails { key: s("ndelius"), how: WebhookFails::Since(at("12:00")) },
        Notice::WebhookFails { key: s("ndelius"), how: WebhookFails::GivenUp },
        Notice::WebhookFails { key: s("ndelius"), how: WebhookFails::Disabled },
    ];
    StuckDeadline, "a deadline cannot be worked on", "the operator and the last resort", [Notice::StuckDeadline];
    ProviderTest, "`homeward provider test`", "whoever was named there", [Notice::ProviderTest { provider: s("gateway") }];
    Undeliverable, "a message does not go by its channel", "the operator", [Notice::Undeliverable { message: Uuid::nil() }];
} }

fn watching(besides: &[Besides]) -> Reply {
    Reply::Watching { till: at("15:40"), besides: besides.to_vec() }
}

fn pin(refused: PinRefused, doing: Doing) -> Reply {
    let (till, manager) = (Some(at("15:00")), Some(s("Sam Cole")));
    Reply::Pin(PinAnswer { refused, doing, till, manager, now: now(), zone: ZONE })
}

fn taken(kind: Kind) -> Reply {
    Reply::Taken { worker: s("Ann Lee"), phone: Some(phone("07700 900123")), kind, until: at("14:55") }
}

fn open() -> Vec<(String, String)> {
    vec![(s("Ann Lee"), s("K7QF")), (s("Ben Okoro"), s("M3XT"))]
}

catalogue! { replies of Reply {
    Watching, "IN", "the worker", [
        watching(&[]), watching(&[Besides::RanOut]), watching(&[Besides::NoPin]), watching(&[Besides::WhenOut]),
        watching(&[Besides::NewVisit]), watching(&[Besides::Other(at("15:10"))]), watching(&[Besides::Check(at("15:10"))]),
        watching(&[Besides::Changed("2026-01-03".parse().unwrap())]),
    ];
    Ended, "OUT", "the worker", [
        ended(&["14:00"], None, Alarm::Quiet), ended(&["14:00", "14:20"], None, Alarm::Quiet),
        ended(&["14:00"], None, Alarm::Overdue), ended(&["14:00"], None, Alarm::WithPolice),
        ended(&["14:00"], None, Alarm::Sos), ended(&["14:00"], Some("15:10"), Alarm::Quiet),
        ended(&["14:00", "14:20"], Some("15:10"), Alarm::Quiet), ended(&[], Some("15:10"), Alarm::Quiet),
    ];
    NotAgreed, "IN, and nobody has agreed", "the worker",
        [Reply::NotAgreed { till: at("15:40"), asked: Some(s("Sam Cole")), besides: vec![] }, Reply::NotAgreed { till: at("15:40"), asked: None, besides: vec![Besides::NoPin] }, Reply::NotAgreed { till: at("15:40"), asked: Some(s("Sam Cole")), besides: vec![Besides::RanOut] }];
    Decided, "AGREE, REFUSE, QUESTION", "the manager", [decided_reply(Answer::Agree), decided_reply(Answer::Refuse), decided_reply(Answer::Ask)];
    WhichAgreement, "the same with a code that stands for no visit", "the manager", [Reply::WhichAgreement];
    ChangesNoted, "UNCHANGED, CHANGED", "the worker", [
        Reply::ChangesNoted { changed: Changed::No, till: Some(at("15:40")) }, Reply::ChangesNoted { changed: Changed::Yes, till: Some(at("15:40")) },
        Reply::ChangesNoted { changed: Changed::Yes, till: None }];
    NoAgreement, "the same where nothing has to be agreed", "the worker", [Reply::NoAgreement];
    WatchedOn, "OK, MORE", "the worker", [
        watched_on("15:10", Alarm::Quiet, None, OUT), watched_on("14:35", Alarm::Quiet, None, OUT),
        watched_on("15:10", Alarm::Overdue, None, OUT), watched_on("15:10", Alarm::Quiet, Some("15:00"), OUT),
        watched_on("15:10", Alarm::Quiet, None, Next::Out { check: Some(at("15:00")) }),
        watched_on("15:10", Alarm::Overdue, None, Next::Out { check: Some(at("15:00")) }),
        watched_on("15:10", Alarm::Quiet, None, Next::Home), watched_on("14:35", Alarm::Quiet, None, Next::Home),
        watched_on("15:10", Alarm::Quiet, None, Next::Start), watched_on("14:35", Alarm::Overdue, None, Next::Start),
    ];
    NothingRunning, "OUT, OK, MORE without a visit", "the worker", [Reply::NothingRunning];
    HowMuchLonger, "MORE without a time", "the worker",
        [Reply::HowMuchLonger { till: Some(at("15:00")) }, Reply::HowMuchLonger { till: None }];
    Noted, "SOS", "the worker", [Reply::Noted];
    Pin, "a PIN that did not do it", "the worker", [
        pin(PinRefused::Missing, Doing::End), pin(PinRefused::Missing, Doing::Extend),
        pin(PinRefused::Missing, Doing::CheckIn), pin(PinRefused::NotRight, Doing::End),
        pin(PinRefused::NoneSet, Doing::End), pin(PinRefused::NoneSet, Doing::Extend),
        pin(PinRefused::NoneSet, Doing::CheckIn),
    ];
    NotNow, "what does not fit: the reason, such as", "anybody", [Reply::NotNow(s("this is over"))];
    Status, "STATUS", "the worker", [
        status(&[], None), status(&[], Some("16:00")), status(&["15:00"], None),
        status(&["15:00", "15:30"], Some("16:00")),
        Reply::Status {
            running: vec![at("15:00")], home_by: None, check: Some(at("14:50")), with: vec![s("Ben Okoro")], next: None,
        },
        Reply::Status { running: vec![], home_by: Some(at("15:10")), check: None, with: vec![], next: None },
    ];
    Objected, "NOT OUT", "the worker", [Reply::Objected { till: at("15:00") }];
    NothingToObjectTo, "NOT OUT, though nobody acted", "the worker",
        [Reply::NothingToObjectTo { till: None }, Reply::NothingToObjectTo { till: Some(at("15:00")) }];
    SaidBefore, "OUT, OK, MORE, sent before the visit began", "the worker", [Reply::SaidBefore { said: at("09:30"), till: at("15:00") }];
    ConcernNoted, "CONCERN and words", "the worker", [
        Reply::ConcernNoted { at: at("14:40"), tied: Tied::ToAVisit, told: vec![s("Sam Cole")], till: Some(at("15:00")) },
        Reply::ConcernNoted { at: at("14:40"), tied: Tied::ToNone, told: vec![s("Sam Cole"), s("Dee Park")], till: None },
        Reply::ConcernNoted { at: at("14:40"), tied: Tied::ToNone, told: vec![], till: None },
    ];
    WhichConcern, "CONCERN alone", "the worker",
        [Reply::WhichConcern { till: Some(at("15:00")) }, Reply::WhichConcern { till: None }];
    MeasuresNoted, "MEASURES OK, MEASURES NO", "the worker", [
        measures(Moment::Door, Kept::Yes), measures(Moment::Door, Kept::No),
        measures(Moment::After, Kept::Yes), measures(Moment::After, Kept::No),
        Reply::MeasuresNoted { at: at("14:40"), moment: Moment::Door, kept: Kept::Yes, told: vec![], till: None },
        Reply::MeasuresNoted { at: at("14:40"), moment: Moment::Door, kept: Kept::No, told: vec![s("Sam Cole")], till: None },
    ];
    WhichMeasures, "MEASURES and neither OK nor NO", "the worker",
        [Reply::WhichMeasures { till: Some(at("15:00")) }, Reply::WhichMeasures { till: None }];
    NoVisitToday, "MEASURES without a visit of today", "the worker", [Reply::NoVisitToday];
    DrillAnswered, "ACK, NO with the code of a drill, or the code alone", "whoever it called", [
        Reply::DrillAnswered { said: DrillAnswer::Taken }, Reply::DrillAnswered { said: DrillAnswer::Cannot },
    ];
    DrillWasOver, "the code of a drill that is over", "whoever it called", [Reply::DrillWasOver];
    DrillOnly, "WHERE, HOLD, SAFE, NOT SAFE with the code of a drill", "whoever it called", [Reply::DrillOnly];
    Test, "TEST, TEST IN 60, TEST OUT, TEST SOS", "the worker", [
        Reply::Test(Rehearsal::Begun), Reply::Test(Rehearsal::In), Reply::Test(Rehearsal::Out),
        Reply::Test(Rehearsal::Sos), Reply::Test(Rehearsal::Other),
        Reply::Test(Rehearsal::OnAVisit { till: at("15:00") }), Reply::Test(Rehearsal::PinMissing),
        Reply::Test(Rehearsal::NoPin), Reply::Test(Rehearsal::PinNotRight),
    ];
    WhichList, "ACK ALL without a code, or with one of no list", "staff who were called", [Reply::WhichList];
    TakenAll, "ACK ALL and a code of a list", "staff who were called", [
        Reply::TakenAll { workers: vec![s("Ann Lee"), s("Ben Okoro"), s("Cat Moss")], until: at("15:15"), not_taken: 0 },
        Reply::TakenAll { workers: vec![s("Ann Lee")], until: at("15:15"), not_taken: 2 },
    ];
    Carrier, "STOP and its like", "the worker",
        [Reply::Carrier { till: Some(at("15:00")) }, Reply::Carrier { till: None }];
    NotUnderstood, "what cannot be read", "the worker", [
        Reply::NotUnderstood { perhaps: None, till: None },
        Reply::NotUnderstood { perhaps: None, till: Some(at("15:00")) },
        Reply::NotUnderstood { perhaps: Some("OUT"), till: Some(at("15:00")) },
    ];
    UnknownNumber, "any text from a number that is nobody's, once a day", "that number", [Reply::UnknownNumber];
    OnlyAnswers, "anything but an answer", "outside contacts", [Reply::OnlyAnswers];
    Taken, "ACK", "staff who were called", [taken(Kind::Overdue), taken(Kind::Sos)];
    TakenBy, "ACK, HOLD: too late", "staff who were called",
        [Reply::TakenBy { owner: s("Sam Cole"), worker: s("Ann Lee") }];
    Trying, "ACK", "outside contacts", [
        Reply::Trying { worker: s("Ann Lee"), duty: Some(phone("07700 900126")) },
        Reply::Trying { worker: s("Ann Lee"), duty: None },
    ];
    OthersCalled, "NO", "whoever was called", [Reply::OthersCalled { worker: s("Ann Lee") }];
    NotYours, "ACK, HOLD, SAFE of somebody who was on the visit", "staff who were called", [Reply::NotYours { worker: s("Ann Lee") }];
    EverybodyCalled, "NOT SAFE", "whoever was called", [Reply::EverybodyCalled { worker: s("Ann Lee") }];
    ReportedSafe, "SAFE", "whoever was called", [Reply::ReportedSafe { worker: s("Ann Lee") }];
    EndOfDay, "SAFE with the code of an end of the day", "whoever answers for the team", [
        Reply::EndOfDay { team: s("North team"), out: 0 }, Reply::EndOfDay { team: s("North team"), out: 2 },
    ];
    Proved, "the code of a question whether texts arrive", "whoever was asked",
        [Reply::Proved { named_by: vec![s("Ann Lee")] }, Reply::Proved { named_by: vec![] }];
    TestArrived, "the code of `homeward provider test`", "whoever was named there", [Reply::TestArrived];
    WrongCode, "such a code that is not right", "outside contacts", [Reply::WrongCode];
    Declined, "NO, called about nothing", "outside contacts", [
        Reply::Declined { named_by: vec![s("Ann Lee"), s("Ben Okoro")] }, Reply::Declined { named_by: vec![] },
    ];
    Stopped, "STOP and its like", "outside contacts", [Reply::Stopped];
    AskedAnew, "START, YES after NO or STOP", "outside contacts", [Reply::AskedAnew];
    Held, "HOLD", "the owner", [Reply::Held { worker: s("Ann Lee"), until: at("15:40") }];
    Where, "WHERE", "staff who were called", [
        Reply::Where {
            worker: s("Ann Lee"), place: Some(s("12 High Street")), place_said: None, purpose: Some(s("Home visit")),
            position: Some((51.507_35, -0.127_76)), last_contact: Some(at("14:00")), phone: Some(phone("07700 900123")),
            kind: Kind::Overdue, car: Some(s("AB12 CDE")),
        },
        Reply::Where {
            worker: s("Ann Lee"), place: Some(s("12 High Street")), place_said: Some(s("14 High Street")), purpose: None,
            position: None, last_contact: Some(at("14:00")), phone: Some(phone("07700 900123")), kind: Kind::Overdue, car: None,
        },
        Reply::Where {
            worker: s("Ann Lee"), place: None, place_said: None, purpose: None, position: None, last_contact: None, phone: None,
            kind: Kind::Duress, car: Some(s("AB12 CDE")),
        },
    ];
    Who, "WHO", "staff who were called", [
        Reply::Who { open: vec![] },
        Reply::Who { open: vec![
            (s("Ann Lee"), s("K7QF"), Some(s("Sam Cole"))), (s("Ben Okoro"), s("M3XT"), None),
        ] },
    ];
    WhichAlarm, "a word without its code, or with one that is not theirs", "whoever was called",
        [Reply::WhichAlarm { word: "ACK", open: open() }, Reply::WhichAlarm { word: "ACK", open: vec![] }];
    AlarmOver, "the code of an alarm that is over", "whoever was called",
        [Reply::AlarmOver { open: vec![] }, Reply::AlarmOver { open: open() }];
} }

fn facts(reader: Reader, answering: Answering) -> Facts {
    Facts {
        worker: s("Ann Lee"),
        worker_phone: Some(s("07700900123")),
        duty_phone: Some(s("07700900126")),
        reader,
        code: Some(s("K7QF")),
        answering,
        page: Page::None,
        now: now(),
        zone: ZONE,
    }
}

/// Each wording of a notice once, with who gets it so.
fn wordings(notice: &Notice) -> Vec<(&'static str, homeward::domain::wording::Text)> {
    let mut all: Vec<(&'static str, homeward::domain::wording::Text)> = Vec::new();
    for (reader, answering, who) in [
        (Reader::Staff, Answering::ByText, ""),
        (Reader::Staff, Answering::InHomeward, "; answered in Homeward"),
        (Reader::Outside, Answering::ByText, "; outside contacts"),
        (Reader::Outside, Answering::InHomeward, "; outside contacts, no answer by text"),
    ] {
        let text = English.notice(notice, &facts(reader, answering));
        if all.iter().all(|(_, known)| known.sms != text.sms) {
            all.push((who, text));
        }
    }
    all
}

/// Lines of a table; one that stands there already is not said again.
fn table(page: &mut String, heads: &[&str], rows: Vec<Vec<String>>) {
    let mut said = HashSet::new();
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | ").replace('\n', " "));
    page.push_str(&line(&heads.iter().map(|head| s(head)).collect::<Vec<_>>()));
    page.push_str(&line(&vec![s("---"); heads.len()]));
    page.extend(rows.into_iter().filter(|row| said.insert(row.clone())).map(|row| line(&row)));
    page.push('\n');
}

/// A text, and how long it is.
fn measured(text: &str) -> [String; 2] {
    let length = sms::septets(text).unwrap_or_else(|| panic!("not GSM-7: {text}"));
    assert!((1..=sms::LONGEST).contains(&length), "{length}: {text}");
    [s(text), length.to_string()]
}

fn written() -> String {
    let mut page = s("# What Homeward says\n\n\
        Every text that a person can get, from the catalogue itself, written by `HOMEWARD_WRITE_DOCS=1 cargo test \
        messages_doc` and compared by every run of the tests. The samples: Ann Lee (a worker), Jo Lee (her emergency contact), \
        Sam Cole and Dee Park (managers); the code K7QF; it is 14:40. An SMS of one part holds 160 septets; each of these fits \
        one, and a name that is too long gives way.\n\n## Messages\n\n");
    let (mut texts, mut subjects, mut mails) = (Vec::new(), Vec::new(), Vec::new());
    for row in notices() {
        for (who, text) in row.samples.iter().flat_map(wordings) {
            let whom = format!("{}{who}", row.whom);
            let [said, length] = measured(&text.sms);
            texts.push(vec![s(row.variant), s(row.when), whom.clone(), said, length]);
            if text.mail == text.sms {
                subjects.push(vec![s(row.variant), text.subject]);
            } else {
                mails.push((format!("{}, to {whom}", row.variant), text.subject, text.mail));
            }
        }
    }
    table(&mut page, &["Notice", "When", "To", "Text", "Septets"], texts);
    page.push_str("## Answers to texts\n\n");
    let answers = replies().into_iter().flat_map(|row| {
        let said = |reply: &Reply| {
            let [said, length] = measured(&English.reply(reply, now(), ZONE));
            vec![s(row.variant), s(row.when), s(row.whom), said, length]
        };
        row.samples.iter().map(said).collect::<Vec<_>>()
    });
    table(&mut page, &["Reply", "To the text", "Of", "Answer", "Septets"], answers.collect());
    page.push_str("## Words that can be sent\n\n");
    let words = LISTED.iter().map(|listed| {
        let needs = match listed.needs {
            Needs::Nothing => "",
            Needs::Pin => "the PIN",
            Needs::Code => "the code of the alarm",
        };
        let also = listed.spellings[1..].join(", ");
        vec![s(listed.word.taught()), also, s(needs), format!("`{}`", listed.example)]
    });
    table(&mut page, &["Word", "Also", "Needs", "Example"], words.collect());
    let carrier: Vec<_> = CARRIER_WORDS.iter().map(|(word, _)| *word).collect();
    writeln!(page, "Phone networks act on these themselves; they end no visit: {}.\n", carrier.join(", "))
        .unwrap();
    page.push_str("## By mail\n\nThese mails say what the text says, below this subject:\n\n");
    table(&mut page, &["Notice", "Subject"], subjects);
    page.push_str("These say more:\n");
    let mut said = HashSet::new();
    for (heading, subject, mail) in mails {
        if said.insert((subject.clone(), mail.clone())) {
            writeln!(page, "\n### {heading}\n\nSubject: {subject}\n\n```text\n{}\n```", mail.trim_end())
                .unwrap();
        }
    }
    page
}

#[test]
fn the_page_of_messages_says_what_is_said() {
    let page = written();
    if environment("HOMEWARD_WRITE_DOCS").is_some() {
        std::fs::write(FILE, page).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(FILE).unwrap_or_default();
    let differ = kept.lines().zip(page.lines()).find(|(kept, new)| kept != new);
    assert!(
        kept == page,
        "{FILE} says something else ({differ:?}): write it with HOMEWARD_WRITE_DOCS=1 cargo test messages_doc"
    );
}
