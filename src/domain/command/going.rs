//! What stands after `IN`: until when, which plan, whose case, where.

use std::ops::Range;

use super::{
    Going, Plan, Until,
    mask::without_numbers,
    reading::Run,
    times::{Announced, clock, duration, minutes, number},
};

/// Ends the name of a street: a number a few words before one of these is that of a house.
const STREETS: &[&str] = &[
    "ALLEY", "AV", "AVE", "AVENUE", "BANK", "CIRCUS", "CL", "CLOSE", "COMMON", "COURT", "CRES", "CRESCENT",
    "CT", "DR", "DRIVE", "END", "FIELDS", "GARDENS", "GATE", "GDNS", "GREEN", "GROVE", "HEIGHTS", "HILL",
    "LANE", "LN", "MEAD", "MEADOW", "MEADOWS", "MEWS", "PARADE", "PARK", "PL", "PLACE", "QUAY", "RD", "RISE",
    "ROAD", "ROW", "SQ", "SQUARE", "ST", "STREET", "TERR", "TERRACE", "VALE", "VIEW", "WALK", "WAY", "WHARF",
    "YARD",
];

/// Reads what stands after `IN`. The original is needed for the place, which is kept as it was written.
pub(super) fn read(original: &str, runs: &[Run]) -> Going {
    let mut reader = GoingReader { original, runs, used: vec![false; runs.len()], said: Vec::new() };
    reader.read_departures();
    let plan = reader.read_next();
    let case_reference = reader.read_case_reference();
    reader.read_bare_number();
    let place = reader.place();
    reader.said.sort_by_key(|(_, at)| at.start);
    let departure = match reader.said.as_slice() {
        [] => Until::Missing,
        [(one, _)] => one.clone(),
        // Two ends: neither is the one.
        several => Until::Odd(
            several
                .iter()
                .map(|(_, at)| without_numbers(&original[at.clone()]))
                .collect::<Vec<_>>()
                .join(" "),
        ),
    };
    Going { departure, plan, case_reference, place }
}

struct GoingReader<'t> {
    original: &'t str,
    runs: &'t [Run],
    /// Which runs have been read as something.
    used: Vec<bool>,
    /// The ends that were said, and where.
    said: Vec<(Until, Range<usize>)>,
}

impl GoingReader<'_> {
    fn word(&self, at: usize) -> &str {
        self.runs.get(at).map_or("", |run| run.text.as_str())
    }

    /// Takes the runs `at` as saying something.
    fn take(&mut self, at: Range<usize>) -> Range<usize> {
        self.used[at.clone()].fill(true);
        let bytes = self.runs[at].iter().map(|run| run.at.clone());
        bytes.reduce(|all, one| all.start..one.end).unwrap_or_default()
    }

    fn say(&mut self, until: Until, at: Range<usize>) -> usize {
        let end = at.end;
        let bytes = self.take(at);
        self.said.push((until, bytes));
        end
    }

    /// Ends that can be nothing else, wherever they stand.
    fn read_departures(&mut self) {
        let mut at = 0;
        while at < self.runs.len() {
            at = self.read_departure(at).unwrap_or(at + 1);
        }
    }

    /// Reads the end that begins at `at`, if there is one; gives where the text goes on.
    fn read_departure(&mut self, at: usize) -> Option<usize> {
        let out =
            usize::from(matches!(self.word(at), "OUT" | "BACK" | "HOME" | "FINISH" | "FINISHED" | "DONE"));
        let after = at + out + 1;
        let behind = self.runs.get(after..).unwrap_or_default();
        match self.word(at + out) {
            "UNTIL" | "TILL" | "TIL" | "UNTILL" | "UNTL" => Some(self.read_announced(at, after)),
            "BY" | "AT" | "AROUND" | "ABOUT" if out == 1 => Some(self.read_announced(at, after)),
            "BY" | "TO" if out == 0 => {
                let (time, used) = clock(behind, Announced::No)?;
                Some(self.say(Until::At(time), at..after + used))
            }
            "FOR" | "ABOUT" if out == 0 => {
                let (length, used) = duration(behind).or_else(|| bare(behind))?;
                Some(self.say(Until::After(length), at..after + used))
            }
            _ => self.read_unannounced(at),
        }
    }

    /// After `UNTIL`: whatever stands there was meant as a time.
    fn read_announced(&mut self, at: usize, after: usize) -> usize {
        let behind = &self.runs[after..];
        if let Some((time, used)) = clock(behind, Announced::Yes) {
            return self.say(Until::At(time), at..after + used);
        }
        let used = half_past(behind).unwrap_or_else(|| {
            // One word, as far as it reaches.
            behind.iter().skip(1).take_while(|run| run.is_glued() || run.gap == ":").count()
                + usize::from(!behind.is_empty())
        });
        let odd = behind[..used].iter().map(|run| run.at.clone()).reduce(|all, one| all.start..one.end);
        let odd = odd.map_or_else(String::new, |at| without_numbers(&self.original[at]));
        self.say(Until::Odd(odd), at..after + used)
    }

    fn read_unannounced(&mut self, at: usize) -> Option<usize> {
        let behind = &self.runs[at..];
        if at > 0 && behind.first()?.is_glued() {
            return None;
        }
        if let Some((length, used)) = duration(behind) {
            return Some(self.say(Until::After(length), at..at + used));
        }
        if let Some(used) = half_past(behind) {
            let bytes = behind[0].at.start..behind[used - 1].at.end;
            let odd = without_numbers(&self.original[bytes]);
            return Some(self.say(Until::Odd(odd), at..at + used));
        }
        let (time, used) = clock(behind, Announced::No)?;
        // Four bare digits are a time only at one end of the text: in the middle they are something else.
        let bare = matches!(time, super::ClockTime::Unsure(_));
        if bare && at > 0 && at + used < self.runs.len() {
            return None;
        }
        Some(self.say(Until::At(time), at..at + used))
    }

    /// `NEXT` at either end of what is left, and not "next to" or "next door".
    fn read_next(&mut self) -> Plan {
        let left: Vec<usize> = (0..self.runs.len()).filter(|at| !self.used[*at]).collect();
        let is_next = |at: &usize| {
            self.runs[*at].text == "NEXT" && !matches!(self.word(at + 1), "TO" | "DOOR" | "DOORS")
        };
        let leads = left.first().copied().filter(is_next);
        // After the bare number that has not been read yet.
        let second = left.get(1).copied().filter(|at| self.runs[left[0]].is_digits() && is_next(at));
        match leads.or(second).or_else(|| left.last().copied().filter(is_next)) {
            Some(at) => {
                self.take(at..at + 1);
                Plan::Next
            }
            None => Plan::AsDescribed,
        }
    }

    /// A letter and six digits that touch each other and nothing else.
    fn read_case_reference(&mut self) -> Option<String> {
        let is_one = |at: &usize| {
            let (letter, digits) = (&self.runs[*at], self.runs.get(at + 1));
            letter.text.len() == 1
                && !letter.is_digits()
                && !letter.is_glued()
                && digits.is_some_and(|run| run.is_digits() && run.is_glued() && run.text.len() == 6)
                && self.runs.get(at + 2).is_none_or(|run| !run.is_glued())
        };
        let at = (0..self.runs.len()).find(is_one)?;
        self.take(at..at + 2);
        Some(format!("{}{}", self.runs[at].text, self.runs[at + 1].text))
    }

    /// `IN 60 …` says minutes, `IN 12 HIGH ST` a house. Where it can be either and an end was said elsewhere, it is the
    /// house. Where the words after it are those of a street it may be either: nothing is taken for the end, so that the
    /// worker is watched for the default and asked. Else it is minutes, the earlier alarm.
    fn read_bare_number(&mut self) {
        if self.used.first().is_none_or(|used| *used) {
            return;
        }
        let Some((length, used)) = bare(self.runs) else { return };
        let words: Vec<&str> = (used..self.runs.len())
            .take_while(|at| !self.used[*at] && !self.runs[*at].is_digits())
            .map(|at| self.word(at))
            .collect();
        let of_a_house = if self.said.is_empty() {
            words.iter().skip(1).take(3).any(|word| STREETS.contains(word))
        } else {
            !words.is_empty()
        };
        if !of_a_house {
            self.say(Until::After(length), 0..used);
        }
    }

    /// What has not been read as anything else, as it was written.
    fn place(&self) -> Option<String> {
        let mut parts: Vec<String> = Vec::new();
        let mut at = 0;
        while at < self.runs.len() {
            let end = (at..self.runs.len()).find(|end| self.used[*end]).unwrap_or(self.runs.len());
            let leads = usize::from(parts.is_empty() && matches!(self.word(at), "AT" | "FOR"));
            if let [first, .., last] | [first @ last] = &self.runs[(at + leads).min(end)..end] {
                parts.push(self.original[first.at.start..last.at.end].to_owned());
            }
            at = end + 1;
        }
        let place = without_numbers(&parts.join(" "));
        place.chars().any(char::is_alphanumeric).then_some(place)
    }
}

/// A number that stands alone, as minutes.
fn bare(runs: &[Run]) -> Option<(chrono::TimeDelta, usize)> {
    let first = runs.first().filter(|run| run.is_digits())?;
    let next = runs.get(1);
    // 10,000
    if let Some(thousands) = next.filter(|next| next.gap == "," && next.is_digits() && next.text.len() == 3) {
        let said = number(&format!("{}{}", first.text, thousands.text));
        return runs.get(2).is_none_or(|run| !run.is_glued()).then(|| (minutes(said), 2));
    }
    let parted = next.is_none_or(|next| next.gap.contains(' ') || !next.is_digits() && !next.is_glued());
    parted.then(|| (minutes(number(&first.text)), 1))
}

/// `half 3`, `quarter past 3`: a time for people, and not the same one for all of them.
fn half_past(runs: &[Run]) -> Option<usize> {
    if !matches!(runs.first()?.text.as_str(), "HALF" | "QUARTER") {
        return None;
    }
    let between = runs.iter().skip(1).take_while(|run| matches!(run.text.as_str(), "PAST" | "TO")).count();
    runs.get(1 + between).is_some_and(Run::is_digits).then_some(2 + between)
}
