//! What a text is answered: the typed side. The words stand in [`super::wording`].

use super::{
    agreement::{Answer, Changed},
    contact::Phone,
    drill::DrillAnswer,
    incident::Kind,
    measures::{Kept, Moment},
    visit::Alarm,
    wording::PinAnswer,
};
use crate::clock::Time;

/// What is answered to a text of a rehearsal. None says which step it was beside the text itself: whoever holds the phone reads it.
#[derive(Debug, Clone, PartialEq)]
pub enum Rehearsal {
    /// What to text.
    Begun,
    /// `TEST IN 60`.
    In,
    /// `TEST OUT` with a PIN that counts; the same for each of them.
    Out,
    /// `TEST SOS`.
    Sos,
    /// It cannot be rehearsed.
    Other,
    /// They are on a visit.
    OnAVisit {
        /// Watched till then.
        till: Time,
    },
    /// No PIN was in it.
    PinMissing,
    /// They have none.
    NoPin,
    /// It is not theirs, or none is judged now.
    PinNotRight,
}

/// The answer to a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// To a number that is nobody's.
    UnknownNumber,
    /// To ACK and NO with the code of a drill, and to that code alone.
    DrillAnswered {
        /// What they said.
        said: DrillAnswer,
    },
    /// To the code of a drill that is over.
    DrillWasOver,
    /// To another word with the code of a drill.
    DrillOnly,
    /// To TEST.
    Test(Rehearsal),
    /// To IN: watched.
    Watching {
        /// Until when.
        till: Time,
        /// What has to be asked or said besides, the most important first.
        besides: Vec<Besides>,
    },
    /// To IN: watched, and nobody has agreed to it (row A11).
    NotAgreed {
        /// Watched till then.
        till: Time,
        /// Who was asked.
        asked: Option<String>,
        /// What else is to be said.
        besides: Vec<Besides>,
    },
    /// To AGREE, REFUSE and QUESTION: kept, and the worker is told.
    Decided {
        /// What.
        answer: Answer,
        /// Whose visit it is.
        worker: String,
    },
    /// To the same without a code that stands for a visit.
    WhichAgreement,
    /// To UNCHANGED and CHANGED: kept.
    ChangesNoted {
        /// Whether anything has changed.
        changed: Changed,
        /// Watched till then, if they are.
        till: Option<Time>,
    },
    /// To the same where nothing is to be agreed.
    NoAgreement,
    /// To OUT: these have ended.
    Ended {
        /// When each had begun.
        visits: Vec<Time>,
        /// The way home is watched till then.
        home_by: Option<Time>,
        /// Whether others had been told that one of them was overdue.
        alarm: Alarm,
    },
    /// To OK or MORE: watched on.
    WatchedOn {
        /// Until when; the earliest of several.
        till: Time,
        /// Whether others had been told.
        alarm: Alarm,
        /// Of MORE with several visits: another is due out then.
        other: Option<Time>,
        /// What the worker says next.
        next: Next,
    },
    /// To OUT, OK, MORE and OBJECT: there is nothing that it could be about.
    NothingRunning,
    /// To MORE without a time that can be read.
    HowMuchLonger {
        /// Watched till then, if they are.
        till: Option<Time>,
    },
    /// To a call for help.
    Noted,
    /// A PIN that did not do it.
    Pin(PinAnswer),
    /// It does not fit.
    NotNow(String),
    /// To STATUS.
    Status {
        /// Watched until then.
        running: Vec<Time>,
        /// The way home is watched till then.
        home_by: Option<Time>,
        /// The next welfare check is due then.
        check: Option<Time>,
        /// Who else is on these visits.
        with: Vec<String>,
        /// The next plan begins then.
        next: Option<Time>,
    },
    /// To OBJECT: watched on.
    Objected {
        /// Until when.
        till: Time,
    },
    /// To OBJECT: nobody had acted.
    NothingToObjectTo {
        /// Watched till then; `None`: not watched, and the manager is told.
        till: Option<Time>,
    },
    /// To what was sent before anything that runs began.
    SaidBefore {
        /// When it was said, as the phone has it.
        said: Time,
        /// Watched till then.
        till: Time,
    },
    /// To CONCERN: kept and told.
    ConcernNoted {
        /// When it was said.
        at: Time,
        /// Whether it stands with a visit.
        tied: Tied,
        /// Who was told.
        told: Vec<String>,
        /// Watched till then, if they are.
        till: Option<Time>,
    },
    /// To CONCERN without words.
    WhichConcern {
        /// Watched till then, if they are.
        till: Option<Time>,
    },
    /// To MEASURES: kept.
    MeasuresNoted {
        /// When it was said.
        at: Time,
        /// What of.
        moment: Moment,
        /// Whether it is so.
        kept: Kept,
        /// Who was told.
        told: Vec<String>,
        /// Watched till then, if they are.
        till: Option<Time>,
    },
    /// To MEASURES and neither OK nor NO.
    WhichMeasures {
        /// Watched till then, if they are.
        till: Option<Time>,
    },
    /// To MEASURES without a visit of today.
    NoVisitToday,
    /// To ACK ALL without a code, or with one of no list.
    WhichList,
    /// To ACK ALL: they have those that nobody had.
    TakenAll {
        /// About whom.
        workers: Vec<String>,
        /// Until when they have the first of them.
        until: Time,
        /// So many more were named that somebody else has, or that are a call for help by now: each by its own code.
        not_taken: usize,
    },
    /// To a word that networks act on.
    Carrier {
        /// Watched till then, if they are.
        till: Option<Time>,
    },
    /// To what could not be read.
    NotUnderstood {
        /// The word that was perhaps meant.
        perhaps: Option<&'static str>,
        /// Watched till then, if they are.
        till: Option<Time>,
    },
    /// To an outside contact who sends what only workers can.
    OnlyAnswers,
    /// To ACK: they have it.
    Taken {
        /// About whom.
        worker: String,
        /// Where the worker can be rung.
        phone: Option<Phone>,
        /// What it is about.
        kind: Kind,
        /// Until when.
        until: Time,
    },
    /// To ACK, HOLD: somebody else has it.
    TakenBy {
        /// Who.
        owner: String,
        /// About whom.
        worker: String,
    },
    /// To an outside contact's ACK.
    Trying {
        /// About whom.
        worker: String,
        /// Whom to ring with what they find.
        duty: Option<Phone>,
    },
    /// To NO.
    OthersCalled {
        /// About whom.
        worker: String,
    },
    /// To ACK, HOLD, SAFE of somebody who cannot have this alarm.
    NotYours {
        /// About whom.
        worker: String,
    },
    /// To NOT SAFE.
    EverybodyCalled {
        /// About whom.
        worker: String,
    },
    /// To SAFE.
    ReportedSafe {
        /// About whom.
        worker: String,
    },
    /// To SAFE with the code of a team's end of the day.
    EndOfDay {
        /// The team.
        team: String,
        /// So many are still watched.
        out: usize,
    },
    /// To the code of a question whether texts arrive.
    Proved {
        /// For whom they are an emergency contact.
        named_by: Vec<String>,
    },
    /// To the code of a message by which a provider was tried.
    TestArrived,
    /// To such a code that is not right.
    WrongCode,
    /// To NO of an outside contact who was called about nothing.
    Declined {
        /// For whom they were an emergency contact.
        named_by: Vec<String>,
    },
    /// To STOP of an outside contact.
    Stopped,
    /// To START or YES of an outside contact.
    AskedAnew,
    /// To HOLD.
    Held {
        /// About whom.
        worker: String,
        /// Until when.
        until: Time,
    },
    /// To WHERE.
    Where {
        /// About whom.
        worker: String,
        /// Where, as far as it is known; of what was planned, the place that was planned.
        place: Option<String>,
        /// Another place than that, named as they went in.
        place_said: Option<String>,
        /// Why they went.
        purpose: Option<String>,
        /// Where the phone was.
        position: Option<(f64, f64)>,
        /// When they were last heard of.
        last_contact: Option<Time>,
        /// Where they can be rung; under duress they are not.
        phone: Option<Phone>,
        /// What the alarm is about.
        kind: Kind,
        /// The registration of the car that they have, where there is room for it.
        car: Option<String>,
    },
    /// To WHO.
    Who {
        /// Each open alarm that they were called about: the worker, the code, who has it.
        open: Vec<(String, String, Option<String>)>,
    },
    /// To a word that needs a code, without one, or with one that is nobody's.
    WhichAlarm {
        /// The word.
        word: &'static str,
        /// Each open alarm that they were called about: the worker and the code.
        open: Vec<(String, String)>,
    },
    /// To a code whose alarm is closed.
    AlarmOver {
        /// Each open alarm that they were called about: the worker and the code.
        open: Vec<(String, String)>,
    },
}

/// Whether a concern stands with a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tied {
    /// With the one that runs, or that was over last today.
    ToAVisit,
    /// With none.
    ToNone,
}

/// What a worker who is watched on says next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// That they are out; before it, if there is one, that they are fine.
    Out {
        /// The next welfare check.
        check: Option<Time>,
    },
    /// That they are home.
    Home,
    /// That they begin what they planned.
    Start,
}

/// What an answer to a start says besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Besides {
    /// It had run out before it reached us.
    RanOut,
    /// No PIN is set.
    NoPin,
    /// No end time was said, or none that can be.
    WhenOut,
    /// Several plans fit, or none did though NEXT was said: it is a new visit.
    NewVisit,
    /// The first welfare check is due then.
    Check(Time),
    /// Nobody has said whether anything has changed since the assessment of that day (row A2).
    Changed(chrono::NaiveDate),
    /// Another visit of theirs is watched till then.
    Other(Time),
}
