//! Who would be told about each worker, in which order, by what, and what is missing (row E8). It goes by the rounds of
//! [`super::simulation`], which are the timer's own.

use std::{collections::BTreeSet, fmt};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{
    contact::Channel,
    ids::PersonId,
    incident::Kind,
    ladder::{Ladder, Recipient},
    people::{Directory, Person},
    policy::PinByText,
    proof::Standing,
    simulation::{self, Question},
    visit::{Risk, word_enum},
};
use crate::clock::Time;

/// So many rounds lie before the first of the last step at most: more than a ladder that can be saved has.
const MOST_ROUNDS: usize = 1_000;

/// Somebody who would be told, the first time that they would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Who.
    pub to: Recipient,
    /// How long after the deadline.
    pub after: TimeDelta,
    /// By which step, from 1.
    pub step: i32,
    /// By what.
    pub by: Vec<Channel>,
}

/// What one ladder does for one worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Covered {
    /// For visits of that risk.
    pub risk: Risk,
    /// In the order in which they would be told.
    pub told: Vec<Told>,
    /// What is missing.
    pub gaps: Vec<Gap>,
}

word_enum! {
    /// What kind of thing is missing.
    GapKind {
        /// A step of the ladder tells nobody by itself.
        StepReachesNobody = "step_reaches_nobody",
        /// The later steps tell nobody whom the first two did not.
        NobodyAfterStepTwo = "nobody_after_step_two",
        /// Up to some step nobody is told who could take the alarm.
        NobodyCanTakeIt = "nobody_can_take_it",
        /// There is no ladder.
        NoLadder = "no_ladder",
        /// The worker named nobody for an emergency.
        NoEmergencyContact = "no_emergency_contact",
        /// Somebody who was named has neither phone nor mail, or has left.
        ContactUnreachable = "contact_unreachable",
        /// The worker has set no PIN, so cannot end a visit alone.
        NoPin = "no_pin",
        /// The worker has no phone, so cannot be texted or rung.
        NoPhone = "no_phone",
        /// Nobody has shown by a code that messages reach somebody.
        Unproved = "unproved",
        /// Somebody was asked again whether messages reach them, and has not answered.
        Silent = "silent",
        /// Somebody does not agree to be called.
        Declined = "declined",
        /// Nothing arrives at an address.
        Dead = "dead",
        /// There are not two last-resort numbers.
        NoLastResort = "no_last_resort",
        /// The team's texts need no PIN, so nobody can give a silent alarm by one.
        NoDuressByText = "no_duress_by_text",
    }
}

/// Something that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// What.
    pub kind: GapKind,
    /// In words.
    pub detail: String,
}

impl Gap {
    fn new(kind: GapKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

/// What the ladder of a risk does for a worker who misses a deadline at `at`.
pub fn of_ladder(
    worker: &Person,
    risk: Risk,
    ladder: Option<&Ladder>,
    directory: &Directory,
    at: Time,
) -> Covered {
    let Some(ladder) = ladder else {
        let gap = Gap::new(GapKind::NoLadder, "there is no ladder: apply the organisation's file again");
        return Covered { risk, told: Vec::new(), gaps: vec![gap] };
    };
    let question = Question { kind: Kind::Overdue, risk, at };
    let (mut told, mut gaps): (Vec<Told>, Vec<Gap>) = (Vec::new(), Vec::new());
    let mut nobody_until = None;
    let steps = i32::try_from(ladder.steps.len()).unwrap_or(i32::MAX);
    for round in simulation::rounds(worker, ladder, directory, question).take(MOST_ROUNDS) {
        let skipped: BTreeSet<i64> = round.skipped.iter().copied().collect();
        for step in skipped {
            let gap = Gap::new(GapKind::StepReachesNobody, format!("step {step} reaches nobody by itself"));
            gaps.push(gap);
        }
        if round.reached_nobody {
            nobody_until = Some(round.step);
        }
        for call in round.calls {
            if !told.iter().any(|before| before.to == call.to) {
                told.push(Told { to: call.to, after: round.at - at, step: round.step, by: call.by });
            }
        }
        if round.step >= steps {
            break;
        }
    }
    if let Some(step) = nobody_until {
        let detail = format!(
            "up to step {step} nobody is told who could take the alarm: the last-resort numbers are texted"
        );
        gaps.push(Gap::new(GapKind::NobodyCanTakeIt, detail));
    }
    let later = told.iter().any(|told| told.step > 2 && told.to.person().is_some());
    if !later {
        let detail = "after step 2 nobody is told who was not told before";
        gaps.push(Gap::new(GapKind::NobodyAfterStepTwo, detail));
    }
    let everybody = ladder.cumulative_calls(ladder.last_step(), worker.id, directory);
    let reached = everybody.iter().filter_map(|call| Some((call.to.person()?, call.by.as_slice())));
    gaps.extend(proofs(reached, directory));
    Covered { risk, told, gaps }
}

/// What is missing of the proof that people are reached (row D6): a gap for each kind, with all their names.
fn proofs<'c>(reached: impl Iterator<Item = (PersonId, &'c [Channel])>, directory: &Directory) -> Vec<Gap> {
    let mut names: [(GapKind, &str, Vec<String>); 4] = [
        (GapKind::Declined, "declined to be called", Vec::new()),
        (GapKind::Dead, "nothing arrives there any more", Vec::new()),
        (GapKind::Silent, "asked twice whether messages arrive, no answer", Vec::new()),
        (GapKind::Unproved, "not proved yet that messages arrive", Vec::new()),
    ];
    let mut name = |kind, name: String| {
        names.iter_mut().filter(|(of, ..)| *of == kind).for_each(|(.., names)| names.push(name.clone()));
    };
    for (id, by) in reached {
        let who = directory.name_of(id);
        let standings: Vec<_> = by.iter().map(|channel| directory.standing(id, *channel)).collect();
        if standings.iter().any(|standing| matches!(standing, Standing::Declined { .. })) {
            name(GapKind::Declined, who.to_owned());
            continue;
        }
        for (channel, standing) in by.iter().zip(&standings) {
            if matches!(standing, Standing::Dead { .. }) {
                let at = match channel {
                    Channel::Sms => "phone",
                    Channel::Email => "mail",
                };
                name(GapKind::Dead, format!("{who} ({at})"));
            }
        }
        if standings.contains(&Standing::Proved) {
            continue;
        }
        if standings.contains(&Standing::Silent) {
            name(GapKind::Silent, who.to_owned());
        } else if standings.contains(&Standing::Unproved) {
            name(GapKind::Unproved, who.to_owned());
        }
    }
    let gap = |(kind, what, names): (GapKind, &str, Vec<String>)| {
        (!names.is_empty()).then(|| Gap::new(kind, format!("{what}: {}", names.join(", "))))
    };
    names.into_iter().filter_map(gap).collect()
}

/// Whether a worker has set a PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinSet {
    /// They have.
    Yes,
    /// They have not.
    No,
}

/// What is missing about a worker, whatever the ladder.
pub fn about(worker: &Person, pin: PinSet, directory: &Directory) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut gap = |kind, detail: String| gaps.push(Gap::new(kind, detail));
    if pin == PinSet::No {
        gap(GapKind::NoPin, "has set no PIN: cannot end a visit alone".into());
    }
    if !worker.has(Channel::Sms) {
        gap(GapKind::NoPhone, "has no phone: can be neither texted nor rung".into());
    }
    let own: Vec<Channel> = Channel::ALL.into_iter().filter(|channel| worker.has(*channel)).collect();
    gaps.extend(proofs(std::iter::once((worker.id, own.as_slice())), directory));
    let mut gap = |kind, detail: String| gaps.push(Gap::new(kind, detail));
    if worker.emergency_contacts.is_empty() {
        gap(GapKind::NoEmergencyContact, "has named nobody for an emergency".into());
    }
    for id in &worker.emergency_contacts {
        let reached = directory
            .person(*id)
            .is_some_and(|contact| !contact.left && Channel::ALL.iter().any(|by| contact.has(*by)));
        if !reached {
            let name = directory.name_of(*id);
            gap(
                GapKind::ContactUnreachable,
                format!("emergency contact {name} has neither phone nor mail, or has left"),
            );
        }
    }
    if directory.last_resort.iter().collect::<BTreeSet<_>>().len() < 2 {
        gap(
            GapKind::NoLastResort,
            "there are not two last-resort numbers to text when a round reaches nobody".into(),
        );
    }
    if directory.policy(worker.team).pin_by_text == PinByText::NotAsked {
        gap(GapKind::NoDuressByText, "no duress by SMS: the team's texts need no PIN".into());
    }
    gaps
}
