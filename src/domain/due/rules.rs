//! The rules, as data: a TOML file, versioned, refused as a whole where anything in it cannot be.

use std::{collections::BTreeMap, fmt, str::FromStr};

use chrono::{Days, Months, NaiveDate};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use toml::Spanned;

use crate::domain::{calendar::Wrong, visit::Visiting};

/// The rules that the program comes with, by name.
pub const PROVIDED: [(&str, &str); 2] = [
    ("probation", include_str!("../../../config/due/probation.toml")),
    ("looked-after-children", include_str!("../../../config/due/looked-after-children.toml")),
];

/// Those of one name.
pub fn provided(name: &str) -> Option<&'static str> {
    PROVIDED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// What a length is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Calendar days.
    Days,
    /// Working days.
    WorkingDays,
    /// Weeks.
    Weeks,
    /// Months; one that has no such day ends on its last.
    Months,
}

/// So long: `15 days`, `10 working days`, `6 weeks`, `3 months`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// How many.
    pub count: u32,
    /// Of what.
    pub unit: Unit,
}

/// No length: what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” is no length of time: write it like 15 days, 10 working days, 6 weeks or 3 months (1 to 999)")]
pub struct BadLength(String);

impl FromStr for Length {
    type Err = BadLength;

    fn from_str(text: &str) -> Result<Self, BadLength> {
        let bad = || BadLength(text.chars().take(40).collect());
        let (count, unit) = text.trim().split_once(' ').ok_or_else(bad)?;
        let unit = match unit {
            "day" | "days" => Unit::Days,
            "working day" | "working days" => Unit::WorkingDays,
            "week" | "weeks" => Unit::Weeks,
            "month" | "months" => Unit::Months,
            _ => return Err(bad()),
        };
        let count = count.parse().ok().filter(|count| (1..=999).contains(count)).ok_or_else(bad)?;
        Ok(Self { count, unit })
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Days => "day",
            Unit::WorkingDays => "working day",
            Unit::Weeks => "week",
            Unit::Months => "month",
        };
        write!(f, "{} {unit}{}", self.count, if self.count == 1 { "" } else { "s" })
    }
}

impl Serialize for Length {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Length {
    /// How many calendar days after a day it ends; none: it is counted in working days, or beyond every calendar.
    pub(in crate::domain) fn days_after(self, day: NaiveDate) -> Option<u64> {
        let count = u64::from(self.count);
        let end = match self.unit {
            Unit::Days => day.checked_add_days(Days::new(count))?,
            Unit::Weeks => day.checked_add_days(Days::new(count * 7))?,
            Unit::Months => day.checked_add_months(Months::new(self.count))?,
            Unit::WorkingDays => return None,
        };
        u64::try_from((end - day).num_days()).ok()
    }
}

/// What a rule counts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// The start of supervision.
    SupervisionStart,
    /// That the risk has risen.
    RiskRise,
    /// A new or escalating safeguarding concern.
    Safeguarding,
    /// Any other concern.
    Concern,
    /// The last visit that counts, as often as the plan says.
    Plan,
    /// The visit that met another rule.
    Rule(String),
}

impl After {
    fn read(word: &str) -> Self {
        match word {
            "supervision_start" => Self::SupervisionStart,
            "risk_rise" => Self::RiskRise,
            "safeguarding" => Self::Safeguarding,
            "concern" => Self::Concern,
            "plan" => Self::Plan,
            other => Self::Rule(other.to_owned()),
        }
    }
}

/// When a visit is due by a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At once, without a fixed day.
    Now,
    /// Once, so long after.
    Within(Length),
    /// Again and again, so long after the last visit that counts.
    Every(Length),
    /// The same, as often as the plan of the case says.
    AsPlanned,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// By what it is known.
    pub key: String,
    /// What people read.
    pub says: String,
    /// What it counts from: any of them.
    pub after: Vec<After>,
    /// Only at these levels of risk.
    pub risk: Vec<String>,
    /// Only with one of these flags.
    pub flags: Vec<String>,
    /// When a visit is due.
    pub when: When,
}

/// All rules of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// What they are called.
    pub name: String,
    /// Their version, as their authors count it.
    pub version: u32,
    /// Where they come from.
    pub source: String,
    /// Whom they are about.
    pub visiting: Vec<Visiting>,
    /// The levels of risk, from the least.
    pub risk_levels: Vec<String>,
    /// What else a rule may ask for.
    pub flags: Vec<String>,
    /// The rules.
    pub rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    version: u32,
    source: String,
    visiting: Spanned<Vec<Visiting>>,
    #[serde(default)]
    risk_levels: Vec<String>,
    #[serde(default)]
    flags: Vec<String>,
    rule: Spanned<Vec<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    key: Spanned<String>,
    says: String,
    after: Spanned<OneOrMore>,
    #[serde(default)]
    risk: Vec<Spanned<String>>,
    #[serde(default)]
    flags: Vec<Spanned<String>>,
    within: Option<Spanned<String>>,
    every: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn words(&self) -> &[String] {
        match self {
            Self::One(word) => std::slice::from_ref(word),
            Self::More(words) => words,
        }
    }
}

impl Rules {
    /// Reads a file: all of it, or the first thing in it that cannot be.
    pub fn read(text: &str) -> Result<Self, Wrong> {
        let file: File = toml::from_str(text).map_err(|error| Wrong::of(text, &error))?;
        // Else nobody would ever be due, and nobody would know why.
        if file.visiting.get_ref().is_empty() {
            return Err(Wrong::at(text, &file.visiting.span(), "say whom the rules are about"));
        }
        if file.rule.get_ref().is_empty() {
            return Err(Wrong::at(text, &file.rule.span(), "there is no rule"));
        }
        let mut rules: Vec<Rule> = Vec::new();
        for entry in file.rule.get_ref() {
            let rule = entry.read(text, &file)?;
            if let Some((other, at)) = overlap(&rules, &rule) {
                let why = format!("rules “{other}” and “{}” both say it for {at}: leave it to one", rule.key);
                return Err(Wrong::at(text, &entry.key.span(), why));
            }
            rules.push(rule);
        }
        for entry in file.rule.get_ref() {
            check_chain(entry, &rules).map_err(|why| Wrong::at(text, &entry.after.span(), why))?;
        }
        let File { name, version, source, visiting, risk_levels, flags, .. } = file;
        let visiting = visiting.into_inner();
        Ok(Self { name, version, source, visiting, risk_levels, flags, rules })
    }

    /// How high a level of risk is.
    pub fn level(&self, risk: &str) -> Option<usize> {
        self.risk_levels.iter().position(|level| level == risk)
    }

    /// One of them.
    pub fn rule(&self, key: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.key == key)
    }
}

impl Entry {
    fn read(&self, text: &str, file: &File) -> Result<Rule, Wrong> {
        let key = self.key.get_ref();
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if key.is_empty() || !key.chars().all(word) {
            let why = format!("“{key}” cannot be a key: take letters, digits, - and _");
            return Err(Wrong::at(text, &self.key.span(), why));
        }
        for (said, known, what) in
            [(&self.risk, &file.risk_levels, "risk_levels"), (&self.flags, &file.flags, "flags")]
        {
            if let Some(unknown) = said.iter().find(|said| !known.contains(said.get_ref())) {
                let why = format!("“{}” does not stand in {what}", unknown.get_ref());
                return Err(Wrong::at(text, &unknown.span(), why));
            }
        }
        let after: Vec<After> = self.after.get_ref().words().iter().map(|word| After::read(word)).collect();
        let of_plan = after == [After::Plan];
        let length = |said: &Spanned<String>| {
            let read = said.get_ref().parse::<Length>();
            read.map_err(|bad| Wrong::at(text, &said.span(), bad.to_string()))
        };
        let when = match (&self.within, &self.every) {
            (None, None) if of_plan => When::AsPlanned,
            (Some(within), None) if within.get_ref() == "now" && !of_plan => When::Now,
            (Some(within), None) if !of_plan => When::Within(length(within)?),
            (None, Some(every)) if !of_plan => When::Every(length(every)?),
            _ => {
                let why = format!(
                    "rule “{key}”: say either `within` or `every`; after = \"plan\" alone has neither"
                );
                return Err(Wrong::at(text, &self.key.span(), why));
            }
        };
        let about_a_matter =
            |after: &After| matches!(after, After::RiskRise | After::Safeguarding | After::Concern);
        let wrong = match &when {
            _ if after.is_empty() => Some("say after what"),
            When::Every(_) if after.iter().any(about_a_matter) => {
                Some("what has happened once asks for a visit once: say `within`")
            }
            _ if after.len() > 1 && !after.iter().all(about_a_matter) => {
                Some("only risk_rise, safeguarding and concern can stand together")
            }
            _ => None,
        };
        if let Some(why) = wrong {
            return Err(Wrong::at(text, &self.after.span(), format!("rule “{key}”: {why}")));
        }
        let words = |said: &[Spanned<String>]| said.iter().map(|word| word.get_ref().clone()).collect();
        Ok(Rule {
            key: key.clone(),
            says: self.says.clone(),
            after,
            risk: words(&self.risk),
            flags: words(&self.flags),
            when,
        })
    }
}

/// Another rule that says the same thing of the same people, or has the same key.
fn overlap<'r>(rules: &'r [Rule], new: &Rule) -> Option<(&'r str, String)> {
    rules.iter().find_map(|rule| {
        if rule.key == new.key {
            return Some((rule.key.as_str(), "the same key".to_owned()));
        }
        let matter = rule.after.iter().any(|after| new.after.contains(after));
        let repeats = |rule: &Rule| matches!(rule.when, When::Every(_));
        if !matter || repeats(rule) != repeats(new) {
            return None;
        }
        let everybody = |rule: &Rule| rule.risk.is_empty() && rule.flags.is_empty();
        if everybody(rule) || everybody(new) {
            return Some((rule.key.as_str(), "everybody".to_owned()));
        }
        let shared = |one: &[String], other: &[String]| one.iter().find(|one| other.contains(one)).cloned();
        let at = shared(&rule.risk, &new.risk).or_else(|| shared(&rule.flags, &new.flags))?;
        Some((rule.key.as_str(), format!("“{at}”")))
    })
}

/// A rule after another: there is such a one, it ends, and the way from one to the next comes to an end too.
fn check_chain(entry: &Entry, rules: &[Rule]) -> Result<(), String> {
    let by_key: BTreeMap<&str, &Rule> = rules.iter().map(|rule| (rule.key.as_str(), rule)).collect();
    let mut way = vec![entry.key.get_ref().as_str()];
    while let Some(rule) = way.last().and_then(|last| by_key.get(last)) {
        let Some(After::Rule(next)) = rule.after.first() else { return Ok(()) };
        if way.contains(&next.as_str()) {
            return Err(format!("rules “{}” and “{next}” wait for each other: a loop", way.join("”, “")));
        }
        match by_key.get(next.as_str()).map(|rule| rule.when) {
            None => return Err(format!("there is no rule “{next}”, nor is it something that happens")),
            Some(When::Within(_)) => way.push(next),
            Some(_) => return Err(format!("rule “{next}” never ends: nothing comes after it")),
        }
    }
    Ok(())
}
