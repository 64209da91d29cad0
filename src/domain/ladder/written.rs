//! A ladder as people write it, in the organisation's file and over the API: what is wrong is said with the number of its step.

use std::time::Duration;

use serde::Deserialize;

use super::{Ladder, Step, Target};
use crate::domain::{contact::Channel, policy::written};

/// As it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    steps: Vec<WrittenStep>,
    repeat_every: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStep {
    after: String,
    tell: Vec<String>,
    by: Option<Vec<String>>,
    #[serde(default)]
    repeats: u32,
}

/// What cannot be read, with the number of its step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

impl TryFrom<Written> for Ladder {
    type Error = Unreadable;

    fn try_from(written: Written) -> Result<Self, Unreadable> {
        let mut steps = Vec::new();
        for (number, step) in (1..).zip(written.steps) {
            let at = |message: String| Unreadable(format!("step {number}: {message}"));
            let tell = step.tell.into_iter().map(Target::try_from).collect::<Result<_, _>>();
            let by = match step.by {
                None => Ok(Channel::ALL.to_vec()),
                Some(words) => words.iter().map(|word| channel(word)).collect(),
            };
            steps.push(Step {
                after: length(&step.after).map_err(at)?,
                tell: tell.map_err(|unknown| at(unknown.to_string()))?,
                by: by.map_err(at)?,
                repeats: step.repeats,
            });
        }
        let repeat_every = length(&written.repeat_every).map_err(|message| {
            Unreadable(format!("repeat_every, of the last step {}: {message}", steps.len()))
        })?;
        Ok(Self { steps, repeat_every })
    }
}

fn length(text: &str) -> Result<Duration, String> {
    written::parse(text)
        .ok_or_else(|| format!("“{text}” is no length of time: write it like 90s, 10m or 1h30m"))
}

fn channel(word: &str) -> Result<Channel, String> {
    let known = || Channel::ALL.map(Channel::as_str).join(" or ");
    Channel::ALL
        .into_iter()
        .find(|channel| channel.as_str() == word)
        .ok_or_else(|| format!("“{word}” is no channel: use {}", known()))
}
