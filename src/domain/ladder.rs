//! The ladder: who is told, in which order, by what, how often (rows E1, E2, E5). Data, evaluated here.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    contact::{Channel, Phone},
    ids::PersonId,
    people::{Directory, Role},
    policy,
};

/// Whom a step tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    /// The people named for the worker.
    EmergencyContact,
    /// The worker's manager.
    Manager,
    /// Who is duty manager.
    DutyManager,
    /// The managers of the worker's team.
    TeamManagers,
    /// The managers of the team above.
    UnitManagers,
    /// One person, by the key of the organisation's file.
    Person(String),
}

/// A target that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "“{0}” is no target of a ladder: use emergency_contact, manager, duty_manager, team_managers, unit_managers or person:KEY"
)]
pub struct UnknownTarget(String);

impl TryFrom<String> for Target {
    type Error = UnknownTarget;
    fn try_from(word: String) -> Result<Self, UnknownTarget> {
        Ok(match word.as_str() {
            "emergency_contact" => Self::EmergencyContact,
            "manager" => Self::Manager,
            "duty_manager" => Self::DutyManager,
            "team_managers" => Self::TeamManagers,
            "unit_managers" => Self::UnitManagers,
            other => match other.strip_prefix("person:") {
                Some(key) if !key.is_empty() => Self::Person(key.into()),
                _ => return Err(UnknownTarget(word)),
            },
        })
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmergencyContact => f.write_str("emergency_contact"),
            Self::Manager => f.write_str("manager"),
            Self::DutyManager => f.write_str("duty_manager"),
            Self::TeamManagers => f.write_str("team_managers"),
            Self::UnitManagers => f.write_str("unit_managers"),
            Self::Person(key) => write!(f, "person:{key}"),
        }
    }
}

/// One step. Steps are cumulative: whoever an earlier step told is told again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// How long after the step before (the first: after the incident opened).
    #[serde(with = "policy::written")]
    pub after: Duration,
    /// Who is told from this step on.
    pub tell: Vec<Target>,
    /// By what, all at once.
    #[serde(default = "all_channels")]
    pub by: Vec<Channel>,
    /// How many more rounds before the next step.
    #[serde(default)]
    pub repeats: u32,
}

fn all_channels() -> Vec<Channel> {
    Channel::ALL.to_vec()
}

/// A ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ladder {
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// Between two rounds of a step, and of the last step for ever.
    #[serde(with = "policy::written")]
    pub repeat_every: Duration,
}

impl Default for Ladder {
    /// Row E2: emergency contact and manager; the duty manager; the managers of the team; those of the unit; again every
    /// 5 minutes until a person takes it.
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        let step =
            |after, tell: &[Target]| Step { after, tell: tell.to_vec(), by: all_channels(), repeats: 0 };
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
            for id in step.tell.iter().flat_map(|target| people(target, subject, directory)) {
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
            complaints.push("repeat_every must be between 1s and 1h".into());
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

fn people(target: &Target, subject: PersonId, directory: &Directory) -> Vec<PersonId> {
    let line = || directory.person(subject).map(|person| directory.line_of(person.team)).unwrap_or_default();
    let managers = |team| directory.managers_of(team).map(|person| person.id).collect();
    match target {
        Target::EmergencyContact => {
            directory.person(subject).map(|person| person.emergency_contacts.clone()).unwrap_or_default()
        }
        Target::Manager => directory.managers_for(subject),
        Target::DutyManager => directory.duty_manager.into_iter().collect(),
        Target::TeamManagers => line().first().map(|team| managers(*team)).unwrap_or_default(),
        Target::UnitManagers => line().get(1).map(|team| managers(*team)).unwrap_or_default(),
        Target::Person(key) => {
            directory.people.values().filter(|person| person.key == *key).map(|person| person.id).collect()
        }
    }
}
