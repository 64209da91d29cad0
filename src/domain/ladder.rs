//! The ladder: who is told, in which order, by what, how often (rows E1, E2, E5). Data, evaluated here.

mod target;
mod written;

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
pub use target::{Target, UnknownTarget};
pub use written::Unreadable;

use super::{
    contact::{Channel, Phone},
    ids::PersonId,
    people::{Directory, Role},
    policy,
};

/// One step. Steps are cumulative: whoever an earlier step told is told again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Step {
    /// How long after the step before (the first: after the incident opened).
    #[serde(serialize_with = "policy::written::serialize")]
    #[schema(value_type = String, example = "5m")]
    pub after: Duration,
    /// Who is told from this step on: `emergency_contact`, `manager`, `duty_manager`, `team_managers`, `unit_managers` or
    /// `person:KEY`.
    #[schema(value_type = Vec<String>, example = json!(["emergency_contact", "manager"]))]
    pub tell: Vec<Target>,
    /// By what, all at once: sms, email; by every one if not said.
    #[schema(value_type = Option<Vec<String>>, example = json!(["sms"]))]
    pub by: Vec<Channel>,
    /// How many more rounds before the next step; none if not said.
    #[schema(value_type = Option<u32>)]
    pub repeats: u32,
}

/// A ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "written::Written")]
pub struct Ladder {
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// Between two rounds of a step, and of the last step for ever.
    #[serde(serialize_with = "policy::written::serialize")]
    #[schema(value_type = String, example = "5m")]
    pub repeat_every: Duration,
}

impl Default for Ladder {
    /// Row E2: emergency contact and manager; the duty manager; the managers of the team; those of the unit; again every
    /// 5 minutes until a person takes it.
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        let step = |after, tell: &[Target]| Step {
            after,
            tell: tell.to_vec(),
            by: Channel::ALL.to_vec(),
            repeats: 0,
        };
        Self {
            steps: vec![
                step(minutes(0), &[Target::EmergencyContact, Target::Manager]),
                step(minutes(5), &[Target::DutyManager]),
                step(minutes(5), &[Target::TeamManagers]),
                step(minutes(5), &[Target::UnitManagers]),
            ],
            repeat_every: minutes(5),
        }
    }
}

/// Who gets a call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recipient {
    /// Somebody in the directory.
    Person(PersonId),
    /// A last-resort number.
    LastResort(Phone),
}

impl Recipient {
    /// The person, where it is one.
    pub fn person(&self) -> Option<PersonId> {
        match self {
            Self::Person(id) => Some(*id),
            Self::LastResort(_) => None,
        }
    }
}

/// One recipient of one round, with the channels that reach them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Who.
    pub to: Recipient,
    /// By what, all at once.
    pub by: Vec<Channel>,
}

impl Ladder {
    /// The same ladder with every wait divided, for a demonstration that nobody has to wait for.
    #[must_use]
    pub fn hurried(&self, speed: u32) -> Self {
        let quick = |length: Duration| length / speed.max(1);
        let steps = self.steps.iter().map(|step| Step { after: quick(step.after), ..step.clone() }).collect();
        Self { steps, repeat_every: quick(self.repeat_every).max(Duration::from_secs(1)) }
    }

    /// The number of its last step, counted from 0.
    pub fn last_step(&self) -> usize {
        self.steps.len().saturating_sub(1)
    }

    /// Whom step `step` tells by itself, leaving out the subject and whoever no channel of the step reaches.
    pub fn own_calls(&self, step: usize, subject: PersonId, directory: &Directory) -> Vec<Call> {
        self.calls(step..=step, subject, directory)
    }

    /// Whom a round of step `step` tells: its own and everybody whom an earlier step told.
    pub fn cumulative_calls(&self, step: usize, subject: PersonId, directory: &Directory) -> Vec<Call> {
        self.calls(0..=step, subject, directory)
    }

    fn calls(
        &self,
        steps: std::ops::RangeInclusive<usize>,
        subject: PersonId,
        directory: &Directory,
    ) -> Vec<Call> {
        let mut order = Vec::new();
        let mut channels: BTreeMap<PersonId, Vec<Channel>> = BTreeMap::new();
        for step in self.steps.get(steps).unwrap_or_default() {
            for id in step.tell.iter().flat_map(|target| target.people(subject, directory)) {
                let Some(person) = directory.person(id).filter(|person| !person.left && id != subject) else {
                    continue;
                };
                let by = channels.entry(id).or_insert_with(|| {
                    order.push(id);
                    Vec::new()
                });
                by.extend(step.by.iter().filter(|channel| person.has(**channel)));
            }
        }
        order
            .into_iter()
            .filter_map(|id| {
                let mut by = channels.remove(&id)?;
                by.sort_unstable();
                by.dedup();
                (!by.is_empty()).then_some(Call { to: Recipient::Person(id), by })
            })
            .collect()
    }

    /// From one round to the next: the wait, and whether the next round is a new step.
    pub(crate) fn after_round(&self, step: usize, round: u32) -> (Duration, usize, u32) {
        let repeats = self.steps.get(step).map_or(0, |step| step.repeats);
        if step >= self.last_step() || round < repeats {
            (self.repeat_every, step, round + 1)
        } else {
            let wait = self.steps.get(step + 1).map_or(self.repeat_every, |next| next.after);
            (wait, step + 1, 0)
        }
    }

    /// What is wrong with it by itself: the number of the step (from 1) and the reason.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        if self.steps.is_empty() {
            complaints.push("a ladder needs at least one step".into());
        }
        if self.repeat_every < Duration::from_secs(1) || self.repeat_every > Duration::from_hours(1) {
            complaints.push(format!(
                "the last step {} is repeated for ever: repeat_every must be between 1s and 1h",
                self.steps.len()
            ));
        }
        for (number, step) in (1..).zip(&self.steps) {
            if step.tell.is_empty() {
                complaints.push(format!("step {number} tells nobody"));
            }
            if step.by.is_empty() {
                complaints.push(format!("step {number} names no channel"));
            }
            if step.repeats > 12 {
                complaints.push(format!("step {number} repeats more than 12 times before the next"));
            }
            if step.after > Duration::from_hours(1) {
                complaints.push(format!("step {number} waits for more than an hour"));
            }
        }
        complaints
    }

    /// What is wrong with it for this organisation: names that do not exist, workers for whom it reaches nobody who could
    /// take the alarm (row E5).
    pub fn complaints_for<'d>(
        &self,
        workers: impl IntoIterator<Item = &'d super::people::Person>,
        directory: &Directory,
    ) -> Vec<String> {
        let mut complaints = Vec::new();
        for (number, step) in (1..).zip(&self.steps) {
            for target in &step.tell {
                if let Target::Person(key) = target
                    && !directory.people.values().any(|person| person.key == *key && !person.left)
                {
                    complaints.push(format!("step {number} names “person:{key}”, who is not in the file"));
                }
            }
        }
        for worker in workers {
            let reached = self.cumulative_calls(self.last_step(), worker.id, directory);
            let somebody_may_take_it = reached.iter().any(|call| match &call.to {
                Recipient::Person(id) => {
                    directory.person(*id).is_some_and(|person| may_be_called_on(person.role))
                }
                Recipient::LastResort(_) => false,
            });
            if !somebody_may_take_it {
                complaints.push(format!(
                    "up to its last step {} it reaches nobody with an account for “{}”",
                    self.steps.len(),
                    worker.key
                ));
            }
        }
        complaints
    }
}

pub(crate) fn may_be_called_on(role: Option<Role>) -> bool {
    role.is_some_and(|role| role != Role::Auditor)
}
