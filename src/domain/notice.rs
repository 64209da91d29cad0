//! What is said to whom: the typed side of every text. The words stand in [`super::wording`].

use chrono::NaiveDate;
use serde::Serialize;
use uuid::Uuid;

use super::{
    checklist::Whose,
    contact::Channel,
    follow_up::FollowUpKind,
    incident::{Opened, Outcome},
    visit::{Awaited, KnownBy, Missed, Reminder, Report, Risk},
};
use crate::clock::Time;

/// What a message is for. Ordered by what may wait: a first alarm never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "TEXT", rename_all = "snake_case")]
pub enum Purpose {
    /// The first call to act that this recipient gets about this incident.
    FirstAlarm,
    /// Whatever they were asked to do before would now do harm: as urgent, and never taken back.
    StandDown,
    /// A further one.
    Alarm,
    /// What others have to know: who has it, what the worker says, how it ended.
    Told,
    /// An answer to a text.
    Reply,
    /// To the worker: the deadline comes, or has come.
    Reminder,
    /// Of a drill: behind everything that is real.
    Drill,
    /// Whether messages reach somebody at an address: to that address and to no other.
    Proof,
}

impl Purpose {
    /// Whether it asks somebody to act, so that it is taken back once somebody has it.
    pub fn calls_to_act(self) -> bool {
        matches!(self, Self::FirstAlarm | Self::Alarm)
    }
}

/// The occasion of a message: the same occasion never asks for two messages to one recipient on one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occasion(String);

impl Occasion {
    /// Made of words that stay the same when the same thing is decided again.
    pub fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }

    /// The same occasion, for one of several addresses.
    #[must_use]
    pub fn to(&self, address: &str) -> Self {
        Self(format!("{}/to/{address}", self.0))
    }

    /// As a name that message ids are derived from.
    pub fn id(&self) -> Uuid {
        const HOMEWARD: Uuid = Uuid::from_u128(0x8c5d_0f4e_61a7_4f0b_9a53_2f1d_7c20_11aa);
        Uuid::new_v5(&HOMEWARD, self.0.as_bytes())
    }
}

/// Everything that Homeward says by SMS or mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// To the worker: something is awaited of you.
    Reminder {
        /// What.
        what: Awaited,
        /// Which of the two.
        which: Reminder,
        /// By then.
        deadline: Time,
        /// From then on others are told.
        others_told_at: Time,
    },
    /// To the worker, after an outage: are you out?
    AskedAfterOutage {
        /// What was awaited of them, and by when.
        missed: Missed,
    },
    /// To somebody with whom a visit was started: you are watched too.
    WatchedWith {
        /// Who started it.
        by: String,
        /// Watched till then.
        till: Time,
    },
    /// To the worker: somebody else started a visit for you.
    StartedForYou {
        /// Who.
        by: String,
        /// Watched till then.
        till: Time,
    },
    /// To the worker: somebody else acted for you.
    ActedForYou {
        /// Who.
        by: String,
        /// How they know; `None`: whoever reads this is not to learn it.
        known_by: Option<KnownBy>,
        /// Watched till then; `None`: the visit was ended.
        till: Option<Time>,
    },
    /// A call to act.
    Overdue(Overdue),
    /// A call to act: somebody called for help.
    Sos(SosCall),
    /// A call that is rehearsed: nothing has happened.
    Drill,
    /// A drill is over.
    DrillOver,
    /// To the worker: their rehearsal is over.
    RehearsalOver,
    /// A call to act about several workers at once (row D5), after an outage of the service (row E12) or because many fell due
    /// together.
    OverdueList {
        /// Who was due out when.
        workers: Vec<Listed>,
        /// How that was found.
        opened: Opened,
    },
    /// Somebody has it.
    Taken {
        /// Who.
        owner: String,
    },
    /// Somebody took it over, or it was handed to them.
    Passed {
        /// Who has it now.
        owner: String,
        /// Who had it, or gave it.
        from: String,
    },
    /// To the one whom it was handed to.
    HandedToYou {
        /// By whom.
        from: String,
        /// Their promise ends then.
        until: Time,
    },
    /// The owner needs longer.
    Held {
        /// Who.
        owner: String,
        /// Until when.
        until: Time,
    },
    /// Somebody who was called cannot.
    Cannot {
        /// Who.
        who: String,
    },
    /// The police have it.
    WithPolice {
        /// Who rang them.
        owner: String,
        /// Their log number.
        log_number: String,
    },
    /// To the owner: still with the police?
    PoliceReminder {
        /// Without a word by then the ladder runs again.
        until: Time,
    },
    /// To the owner: the worker has called for help.
    SosToOwner,
    /// The worker has called for help again.
    SosAgain,
    /// Somebody cannot be reached by a channel: their phone takes no texts from us, or the address is none.
    CannotBeReached {
        /// Who.
        who: String,
        /// By what.
        channel: Channel,
    },
    /// Does this reach you, and do you agree? The code stands in the facts.
    Proof(ProofAsked),
    /// To the manager: somebody cannot be counted on any more for an alarm about the worker.
    NotCountedOn {
        /// Who.
        who: String,
        /// Why not.
        why: NotCountedOn,
    },
    /// A number that is nobody's has called for help.
    UnknownCallsForHelp {
        /// As it is dialled.
        number: String,
    },
    /// A call to act: a worker is under duress.
    Duress(SosCall),
    /// To the owner: the worker is under duress.
    DuressToOwner,
    /// To an outside contact: whatever they were asked to do, not any more; without the reason.
    StandDown,
    /// The worker has given the duress PIN again.
    DuressAgain,
    /// To the owner, while the police have it: the worker reports.
    ReportsWithPolice(Report),
    /// The worker has begun, without the PIN, what they had not begun in time.
    ArrivedLate,
    /// Somebody who was called says that the worker is safe.
    ReportedSafe {
        /// Who.
        by: String,
    },
    /// To the owner: your acknowledgement lapses.
    OwnerWarned {
        /// Then.
        until: Time,
    },
    /// The worker reports.
    WorkerReports(Report),
    /// An outside contact is trying.
    OutsideTrying {
        /// Who.
        contact: String,
    },
    /// It is closed.
    Closed {
        /// How it ended.
        outcome: Outcome,
        /// Who closed it.
        by: String,
    },
    /// To the manager: several wrong PINs.
    WrongPins {
        /// How many in a row.
        wrong: i32,
    },
    /// To the manager: the worker cannot end the visit, since no PIN is set.
    NoPin {
        /// Watched till then.
        till: Time,
    },
    /// To the manager: the extensions are above the cap.
    AboveCap {
        /// The sum, in minutes.
        minutes: i64,
        /// Watched till then.
        till: Time,
    },
    /// To the manager: a start came that nobody could read.
    UnreadableStart,
    /// To the manager and whoever had acted for the worker: the worker objects.
    Objected {
        /// Who had acted.
        by: String,
        /// Watched till then.
        till: Time,
    },
    /// To the manager: a visit was put on record that nobody had watched.
    PutOnRecord {
        /// By whom.
        by: String,
        /// When it was.
        arrived_at: Time,
    },
    /// To the worker, and later to the manager: outcome or work undertaken is missing.
    RecordMissing {
        /// Of so many visits.
        visits: usize,
        /// The first of them ended then.
        first: Time,
        /// Who reads it.
        asked: Asked,
    },
    /// To whoever has to answer it, and later to those above them: answers to the checklist for after visits are missing.
    ChecklistMissing {
        /// Whose list.
        whose: Whose,
        /// Of so many visits.
        visits: usize,
        /// The first of them ended then.
        first: Time,
        /// Who reads it.
        asked: Asked,
    },
    /// To senior managers: visits that were out of the ordinary are to be looked at.
    ExceptionsToReview {
        /// So many.
        visits: usize,
        /// The first of them ended then.
        first: Time,
    },
    /// To its owner, and later to their manager: something is to be done after an alarm.
    FollowUpDue {
        /// What it is about.
        kind: FollowUpKind,
        /// By that day.
        due_on: NaiveDate,
        /// Who reads it.
        asked: Asked,
    },
    /// What concerns whether a visit is agreed.
    Agreement(AboutAgreement),
    /// To somebody: there are policy documents to be read and acknowledged.
    PolicyToAcknowledge {
        /// Which.
        titles: Vec<String>,
        /// The last day for it.
        by: NaiveDate,
    },
    /// To whoever has not done so in time, and later to their manager.
    PolicyLate {
        /// Which.
        titles: Vec<String>,
        /// The last day for it was this.
        by: NaiveDate,
        /// Who reads it.
        asked: Asked,
    },
    /// To whoever has not brought something back in time, and later to their manager.
    EquipmentLate {
        /// What.
        what: String,
        /// When it was due back.
        due_back: Time,
        /// Who reads it.
        asked: Asked,
    },
    /// A call to act: a device calls for help that is out with nobody.
    DeviceCallsForHelp {
        /// What stands on it.
        what: String,
        /// Who had it last.
        last: Option<String>,
        /// Where it can be rung.
        number: Option<String>,
        /// Why it is in use no more, if it is not: as it is kept.
        retired: Option<String>,
    },
    /// To the manager: the worker is on a visit and sent a text that could not be read.
    UnreadableText,
    /// To the manager: somebody raised a concern. Never what about, whose or where: that stands in Homeward.
    ConcernRaised {
        /// Who.
        by: String,
        /// When.
        at: Time,
    },
    /// To whoever was told of a concern, and later to those above them: nobody has discussed it.
    ConcernDue {
        /// Who raised it.
        by: String,
        /// When.
        at: Time,
        /// Who reads it.
        asked: Asked,
    },
    /// To whoever discussed a concern, and later to those above them: it is still open.
    ConcernOpen {
        /// Who raised it.
        by: String,
        /// On that day.
        on: NaiveDate,
        /// Who reads it.
        asked: Asked,
    },
    /// To its owner, and later to their manager: something is to be done about a concern.
    ConcernActionDue {
        /// By that day.
        due_on: NaiveDate,
        /// Who reads it.
        asked: Asked,
    },
    /// To a worker, or to the manager of a team: whose visits are due.
    DueDigest {
        /// Of which team; none: of the reader's own cases.
        team: Option<String>,
        /// On which day.
        today: NaiveDate,
        /// What presses, most first.
        items: Vec<DueItem>,
        /// What oversight is asked of the reader.
        oversight: OversightMissing,
        /// A year that is near, or has begun, and whose bank holidays nobody has said.
        unknown_year: Option<i32>,
    },
    /// To the manager: at the door the agreed measures are not in place.
    MeasuresMissing {
        /// When the worker said so.
        at: Time,
    },
    /// To the manager: a word that phone networks act on.
    CarrierWord {
        /// Which.
        word: String,
    },
    /// To whoever is on duty when a team closes: is everybody out?
    EndOfDay {
        /// Which team.
        team: String,
        /// Who is still watched, and until when.
        out: Vec<String>,
        /// By which code it is confirmed.
        code: String,
        /// Who was asked before and has not confirmed it.
        unconfirmed_by: Option<String>,
    },
    /// To whoever sets things up: another system is not told what happened.
    WebhookFails {
        /// The short name of its webhook.
        key: String,
        /// What is the matter.
        how: WebhookFails,
    },
    /// To whoever runs the service and the last-resort numbers: a deadline cannot be worked on.
    StuckDeadline,
    /// To whoever runs the service, or somebody beside them: a provider is tried.
    ProviderTest {
        /// Which, by its name in the configuration.
        provider: String,
    },
    /// To whoever runs the service: a message will not go by its channel.
    Undeliverable {
        /// Its id.
        message: Uuid,
    },
}

/// Oversight that is asked of somebody and missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OversightMissing {
    /// On so many cases, visits, incidents and assessments.
    pub asked: usize,
    /// Of them, those whose day is over.
    pub overdue: usize,
}

/// What is the matter with a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookFails {
    /// It has taken nothing since then, and is tried again.
    Since(Time),
    /// Something was tried for days and is not any more.
    GivenUp,
    /// It wants to be told no more.
    Disabled,
}

/// A case of which a visit is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueItem {
    /// By its reference: never a name.
    pub reference: String,
    /// When.
    pub when: DueWhen,
    /// Whether one is planned.
    pub is_planned: bool,
}

/// When a visit is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueWhen {
    /// At once.
    Now,
    /// It was due then.
    Overdue(NaiveDate),
    /// Then, this week.
    ThisWeek(NaiveDate),
    /// That cannot be computed.
    NotKnown,
}

/// What people are asked and told of a visit that has to be agreed. No text carries a case, a name or a risk (row E10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AboutAgreement {
    /// To whoever can agree: do you? The code stands in the facts.
    Asked {
        /// Whether the worker goes in already.
        door: AtTheDoor,
    },
    /// To whoever answers for it: nobody can agree to it as it stands.
    NobodyCan {
        /// Whether the worker goes in already.
        door: AtTheDoor,
    },
    /// To the worker: somebody decided.
    Decided {
        /// What.
        decided: Decided,
        /// Who.
        by: String,
        /// Whether they are there already.
        inside: AtTheDoor,
    },
    /// To whoever is there now, or goes there unasked: something happened there.
    Warned {
        /// Whether they are there already.
        inside: AtTheDoor,
    },
}

/// Whether somebody goes in already who has to be agreed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtTheDoor {
    /// They do.
    Yes,
    /// They plan to.
    No {
        /// When.
        begins: Time,
    },
}

/// What was decided about a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// It may be made.
    Agreed,
    /// It may not.
    Refused,
    /// The worker is asked something first.
    Asked,
    /// It was agreed, and goes back to the manager.
    TakenBack,
    /// Nothing: somebody else said that they are at the door, and their manager is asked.
    NotYet,
}

/// What somebody is asked whose address is to be proved (row D6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofAsked {
    /// For which organisation.
    pub organisation: String,
    /// Who named them for an emergency, if somebody did and they have no account.
    pub named_by: Vec<String>,
    /// Whether they were asked before.
    pub before: AskedBefore,
    /// The page on which it is answered, where it cannot be by a text.
    pub link: Option<String>,
}

/// Whether somebody was asked before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskedBefore {
    /// It is the first word they get.
    No,
    /// They were.
    Yes,
}

/// Why somebody is not counted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotCountedOn {
    /// They said no.
    Declined,
    /// They were asked twice and did not answer.
    Silent(Channel),
}

/// Who is asked for what is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Whose task it is.
    Them,
    /// Their manager; the name is theirs.
    TheirManager(String),
}

/// What a call after a call for help says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SosCall {
    /// When it was made.
    pub at: Time,
    /// The responder who found the worker not safe, if it was not the worker who called.
    pub found_by: Option<String>,
    /// Why it is said again, if it is.
    pub again: Again,
}

/// One of the workers in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Which incident.
    pub incident: Uuid,
    /// Who.
    pub worker: String,
    /// What was missed.
    pub missed: Missed,
    /// The recipient's code for that incident.
    pub code: String,
}

/// What a call to act says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdue {
    /// What was missed.
    pub missed: Missed,
    /// Why it is said again, if it is.
    pub again: Again,
    /// How dangerous the visit was held to be.
    pub risk: Risk,
    /// No signal was expected there (row V10).
    pub no_signal_expected: bool,
}

/// Why a call is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Again {
    /// It is not, or nobody has taken it yet.
    No,
    /// Somebody had it and did not say how it ended.
    Lapsed {
        /// Who.
        owner: String,
    },
    /// The worker's report was not confirmed.
    Unconfirmed,
    /// Nobody answered the reminders about the police.
    PoliceUnanswered {
        /// Who had rung them.
        owner: String,
    },
}

/// How a recipient can answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answering {
    /// By a text with the code.
    ByText,
    /// In Homeward, with the code.
    InHomeward,
}

/// Whether a mail that calls somebody leads to a page of their own, where they answer with their code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// Below the words.
    Below,
    /// There is none.
    None,
}

/// Who reads it (row E10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Somebody with an account.
    Staff,
    /// An outside contact: learns the worker's name, since when, what to do and the duty number; never more.
    Outside,
}

/// What a text is filled with, beside the notice itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The worker whom it is about.
    pub worker: String,
    /// Where the worker can be rung.
    pub worker_phone: Option<String>,
    /// Where the duty manager can be rung.
    pub duty_phone: Option<String>,
    /// Who reads it.
    pub reader: Reader,
    /// The recipient's code for the incident.
    pub code: Option<String>,
    /// How they can answer.
    pub answering: Answering,
    /// Whether a mail leads to a page where they can.
    pub page: Page,
    /// Now.
    pub now: Time,
    /// The zone that times are written in.
    pub zone: chrono_tz::Tz,
}
