//! Reads what people say field by field: whatever is odd becomes a default and a warning.

use chrono::TimeDelta;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{domain::start::Warning, http::body::clean};

/// Longer words are cut: they are for people to read.
const LONGEST_WORDS: usize = 2000;
/// The longest that minutes may say: 999.
pub(super) const MOST_MINUTES: i64 = 999;
/// Checks that come more often say nothing more.
const FEWEST_BETWEEN: i64 = 5;
/// The longest that nothing is heard of somebody.
const MOST_BETWEEN: i64 = 720;

/// The fields of a request that are not read yet, and what was odd about those that are.
pub(super) struct Reading {
    pub(super) fields: Map<String, Value>,
    pub(super) warnings: Vec<Warning>,
}

impl Reading {
    pub(super) fn take<T: DeserializeOwned>(&mut self, field: &str) -> Option<T> {
        let value = self.fields.remove(field).filter(|value| !value.is_null())?;
        serde_json::from_value(value)
            .map_err(|error| self.warnings.push(Warning::about(field, format!("left out: {error}"))))
            .ok()
    }

    /// Minutes between one and another of which something is awaited; what is out of bounds is brought within them.
    pub(super) fn between(&mut self, field: &str) -> Option<TimeDelta> {
        let said: i64 = self.take(field)?;
        if said == 0 {
            return None;
        }
        let minutes = said.clamp(FEWEST_BETWEEN, MOST_BETWEEN);
        if minutes != said {
            let message = format!("between {FEWEST_BETWEEN} and {MOST_BETWEEN}: taken as {minutes}");
            self.warnings.push(Warning::about(field, message));
        }
        Some(TimeDelta::minutes(minutes))
    }

    /// What nobody has read by now is no field of this request.
    pub(super) fn leave_out_the_rest(&mut self) {
        let unknown = std::mem::take(&mut self.fields).into_iter();
        let left_out = unknown.map(|(field, _)| Warning::about(&field, "left out: there is no such field"));
        self.warnings.extend(left_out);
    }

    pub(super) fn words(&mut self, field: &str) -> Option<String> {
        let text: String = self.take(field)?;
        let text = clean(&text);
        if text.chars().count() > LONGEST_WORDS {
            self.warnings.push(Warning::about(field, format!("cut to {LONGEST_WORDS} characters")));
        }
        (!text.is_empty()).then(|| text.chars().take(LONGEST_WORDS).collect())
    }
}
