//! A year of a region, drawn from a seed and lived through the API: cases are opened and supervised, visited, excused; visits end in time,
//! late, extended or with an alarm. The same seed always gives the same year.

use std::{collections::BTreeMap, fmt::Write as _};

use chrono::{Datelike, Days, NaiveDate, NaiveTime, TimeDelta, Weekday};
use futures::{StreamExt, stream};
use homeward::{
    clock::{Clock, ManualClock, Time},
    startup::App,
};
use serde_json::{Value, json};

/// How big it is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub workers: usize,
    pub cases: usize,
    /// At most; a case has as many as its year asks for.
    pub visits: usize,
}

/// A region as there are some: a year of it takes minutes.
pub const REGION: Size = Size { workers: 200, cases: 12_000, visits: 60_000 };

const TEAM: usize = 20;
const RISKS: [(&str, u64); 3] = [("high", 15), ("medium", 42), ("low", 84)];
/// So much is said at the same time.
const AT_ONCE: usize = 16;

/// The first day and the one after the last.
pub fn year() -> (NaiveDate, NaiveDate) {
    (NaiveDate::from_ymd_opt(2026, 1, 1).unwrap(), NaiveDate::from_ymd_opt(2027, 1, 1).unwrap())
}

/// The people, in teams under one unit: each has a manager. The rules are those of probation.
pub fn organisation(size: Size) -> String {
    let mut file = String::from(
        "key = \"region\"\nname = \"Region\"\nzone = \"Europe/London\"\nduty_manager = \"una\"\nlast_resort = [\"07700 900900\", \"07700 900901\"]\n\n\
         [due]\nrules = \"probation\"\n\n[oversight]\nincidents = \"5 working days\"\n\
         cases = { risk = [\"high\"], every = \"6 weeks\" }\n\n\
         [[team]]\nkey = \"unit\"\nname = \"Unit\"\n",
    );
    let teams = size.workers.div_ceil(TEAM);
    for team in 0..teams {
        let _ = writeln!(file, "\n[[team]]\nkey = \"t{team}\"\nname = \"Team {team}\"\nparent = \"unit\"");
    }
    let mut person = |key: &str, team: &str, role: &str| {
        let _ = writeln!(
            file,
            "\n[[person]]\nkey = \"{key}\"\nname = \"Person {key}\"\nteam = \"{team}\"\nrole = \"{role}\"\nemail = \"{key}@example.org\""
        );
    };
    person("una", "unit", "senior_manager");
    person("ari", "unit", "auditor");
    for team in 0..teams {
        person(&format!("m{team}"), &format!("t{team}"), "manager");
    }
    for worker in 0..size.workers {
        person(&format!("w{worker}"), &format!("t{}", worker / TEAM), "worker");
    }
    file
}

/// Numbers that look drawn, the same each time (xorshift).
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    OnTime,
    Late,
    Extended,
    Alarm,
}

#[derive(Debug, Clone, Copy)]
struct Visit {
    case: usize,
    outcome: &'static str,
    ends: Ends,
    /// The first one on which the person was seen: then the plan says how often.
    is_first: bool,
}

#[derive(Debug, Default)]
struct Day {
    opens: Vec<usize>,
    excuses: Vec<usize>,
    visits: Vec<Visit>,
}

/// Of a case, from the beginning.
struct Case {
    /// `None`: nobody says how high the risk is.
    risk: Option<usize>,
    start: NaiveDate,
}

struct Drawing {
    cases: Vec<Case>,
    days: BTreeMap<NaiveDate, Day>,
}

fn working_day(mut day: NaiveDate) -> NaiveDate {
    while matches!(day.weekday(), Weekday::Sat | Weekday::Sun) {
        day = day + Days::new(1);
    }
    day
}

fn draw(size: Size, seed: u64) -> Drawing {
    let mut drawn = Drawn(seed | 1);
    let (first, last) = year();
    let mut drawing = Drawing { cases: Vec::new(), days: BTreeMap::new() };
    let mut visits = 0;
    for case in 0..size.cases {
        let start = working_day(first + Days::new(drawn.below(320)));
        let risk = match drawn.below(50) {
            0 => None,
            1..=10 => Some(0),
            11..=30 => Some(1),
            _ => Some(2),
        };
        drawing.cases.push(Case { risk, start });
        drawing.days.entry(start).or_default().opens.push(case);
        let Some(risk) = risk else { continue };
        let length = RISKS[risk].1;
        if drawn.below(30) == 0 {
            let day = working_day(start + Days::new(3));
            drawing.days.entry(day).or_default().excuses.push(case);
            continue;
        }
        let (mut day, mut was_seen) =
            (working_day(start + Days::new(1 + drawn.below(length * 6 / 5))), false);
        while day < last && visits < size.visits {
            let is_seen = drawn.below(10) > 0;
            let outcome = match (is_seen, drawn.below(2)) {
                (true, _) => "seen",
                (_, 0) => "not_in",
                _ => "refused",
            };
            let ends = match drawn.below(100) {
                0 => Ends::Alarm,
                1..=4 => Ends::Late,
                5..=14 => Ends::Extended,
                _ => Ends::OnTime,
            };
            let visit = Visit { case, outcome, ends, is_first: is_seen && !was_seen };
            drawing.days.entry(day).or_default().visits.push(visit);
            visits += 1;
            was_seen |= is_seen;
            let apart = if is_seen { 20 + drawn.below(14) } else { 2 + drawn.below(3) };
            day = working_day(day + Days::new(apart));
        }
    }
    drawing
}

/// Whoever says all that.
pub struct Door<'a> {
    pub app: &'a App,
    pub clock: &'a ManualClock,
    pub url: String,
    pub tokens: &'a BTreeMap<String, String>,
    pub http: reqwest::Client,
}

impl Door<'_> {
    async fn say(&self, who: &str, method: &str, path: &str, body: &Value) -> Value {
        let url = format!("{}/api/v1{path}", self.url);
        let request = self.http.request(method.parse().unwrap(), url).bearer_auth(&self.tokens[who]);
        let request = request.header("content-type", "application/json").body(body.to_string());
        let response = request.send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert!(status.is_success(), "{who} {method} {path} {body}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    async fn post(&self, who: &str, path: &str, body: Value) -> Value {
        self.say(who, "POST", path, &body).await
    }

    async fn work(&self) {
        let now = self.clock.now();
        self.app.timer.tick(now).await.unwrap();
        self.app.outbox.deliver_due(now).await.unwrap();
    }

    /// Lives the year; how many visits there were.
    pub async fn live(&self, size: Size, seed: u64) -> usize {
        let drawing = draw(size, seed);
        let mut visits = 0;
        for (day, of_day) in &drawing.days {
            self.clock.set(at(*day, 9, 0));
            each(&of_day.opens, |case| self.open(*case, &drawing.cases[*case], size)).await;
            each(&of_day.excuses, |case| self.excuse(*case, &drawing.cases[*case], size)).await;
            self.work().await;
            let mut left = of_day.visits.clone();
            let mut slot = 0;
            while !left.is_empty() {
                // Nobody is at two places at once.
                let mut busy = std::collections::BTreeSet::new();
                let (now, later): (Vec<_>, Vec<_>) =
                    left.into_iter().partition(|visit| busy.insert(visit.case % size.workers));
                visits += now.len();
                let begins = at(*day, 9, 5) + TimeDelta::minutes(75 * slot);
                self.slot(begins, &now, (&drawing, size)).await;
                (left, slot) = (later, slot + 1);
            }
        }
        self.clock.set(at(year().1, 12, 0) - TimeDelta::days(1));
        self.work().await;
        visits
    }

    async fn open(&self, case: usize, of: &Case, size: Size) {
        let worker = format!("w{}", case % size.workers);
        let reference = reference(case);
        self.post(&worker, "/cases", json!({"reference": reference, "visiting": "supervised"})).await;
        self.supervise(case, of, size, &json!(null)).await;
        let manager = manager(case, size);
        self.post(&manager, &format!("/cases/{reference}/assign"), json!({ "worker": worker })).await;
    }

    async fn supervise(&self, case: usize, of: &Case, size: Size, plan: &Value) {
        let mut said = json!({"start": of.start, "risk": of.risk.map(|risk| RISKS[risk].0)});
        if !plan.is_null() {
            said["visits_in_plan"] = json!(true);
            said["plan_every"] = plan.clone();
        }
        let path = format!("/cases/{}/supervision", reference(case));
        self.say(&manager(case, size), "PUT", &path, &said).await;
    }

    async fn excuse(&self, case: usize, of: &Case, size: Size) {
        let rule = format!("first_{}", RISKS[of.risk.unwrap()].0);
        let counted = if case.is_multiple_of(2) { "left_out" } else { "late" };
        let body = json!({"rule": rule, "counted": counted, "reason": "moved away"});
        self.post(&manager(case, size), &format!("/cases/{}/excuse", reference(case)), body).await;
    }

    /// Visits that begin at the same time.
    async fn slot(&self, begins: Time, visits: &[Visit], (drawing, size): (&Drawing, Size)) {
        self.clock.set(begins);
        let begun: Vec<(Visit, String)> = each(visits, |visit| async move {
            let risk = if drawing.cases[visit.case].risk == Some(0) { "high" } else { "normal" };
            let reference = reference(visit.case);
            let body = json!({"case_reference": reference, "place": format!("{reference} High St"), "minutes": 30, "risk": risk});
            let worker = format!("w{}", visit.case % size.workers);
            let begun = self.post(&worker, "/visits", body).await;
            (*visit, begun["id"].as_str().unwrap().to_owned())
        })
        .await;
        let of = |ends: Ends| -> Vec<&(Visit, String)> {
            begun.iter().filter(|(visit, _)| visit.ends == ends).collect()
        };
        self.clock.set(begins + TimeDelta::minutes(25));
        each(&of(Ends::OnTime), |one| self.ends(one, size)).await;
        each(&of(Ends::Extended), |(visit, id)| async move {
            let more = json!({"minutes": 20, "known_by": "spoke_by_voice"});
            self.post(&manager(visit.case, size), &format!("/visits/{id}/extend"), more).await;
        })
        .await;
        // After the time that was said, and before anybody has looked.
        self.clock.set(begins + TimeDelta::minutes(31));
        each(&of(Ends::Late), |one| self.ends(one, size)).await;
        self.clock.set(begins + TimeDelta::minutes(42));
        each(&of(Ends::Extended), |one| self.ends(one, size)).await;
        let alarms = of(Ends::Alarm);
        if !alarms.is_empty() {
            self.clock.set(begins + TimeDelta::minutes(45));
            self.work().await;
            for (visit, id) in alarms {
                let path = format!("/visits/{id}");
                let incident =
                    self.say(&manager(visit.case, size), "GET", &path, &Value::Null).await["incident"]
                        .clone();
                self.alarm(&incident, *visit, size).await;
                let how = json!({"outcome": visit.outcome, "work_undertaken": "w"});
                self.post(&manager(visit.case, size), &format!("/visits/{id}/record"), how).await;
            }
        }
        let firsts: Vec<_> = begun.iter().filter(|(visit, _)| visit.is_first).collect();
        each(&firsts, |(visit, _)| async move {
            self.supervise(visit.case, &drawing.cases[visit.case], size, &json!("4 weeks")).await;
        })
        .await;
    }

    async fn ends(&self, (visit, id): &(Visit, String), size: Size) {
        let body = json!({"known_by": "spoke_by_voice", "outcome": visit.outcome, "work_undertaken": "w"});
        self.post(&manager(visit.case, size), &format!("/visits/{id}/check-out"), body).await;
    }

    async fn alarm(&self, incident: &Value, visit: Visit, size: Size) {
        let incident = incident.as_str().unwrap();
        let manager = manager(visit.case, size);
        self.clock.advance(TimeDelta::seconds(i64::try_from(visit.case % 60).unwrap()));
        self.post(&manager, &format!("/incidents/{incident}/acknowledge"), json!({})).await;
        self.clock.advance(TimeDelta::seconds(30));
        let outcome = ["safe_forgot", "safe_delayed", "false_alarm", "threatened"][visit.case % 4];
        let how =
            json!({"outcome": outcome, "known_by": "seen", "worker_now": "elsewhere_safe", "note": "n"});
        self.post(&manager, &format!("/incidents/{incident}/close"), how).await;
        if !visit.case.is_multiple_of(3) {
            let words = json!({"about": "incident", "id": incident, "words": "w"});
            self.post("una", "/oversight", words).await;
        }
    }
}

/// At that time on the clocks of London.
fn at(day: NaiveDate, hour: u32, minute: u32) -> Time {
    let time = NaiveTime::from_hms_opt(hour, minute, 0).unwrap();
    let local = day.and_time(time).and_local_timezone(chrono_tz::Europe::London).unwrap();
    local.to_utc()
}

/// A letter and six digits, as probation writes them.
pub fn reference(case: usize) -> String {
    format!("A{case:06}")
}

fn manager(case: usize, size: Size) -> String {
    format!("m{}", case % size.workers / TEAM)
}

/// Does it for each, many at the same time; the answers in their order.
async fn each<'a, T, O, F: Future<Output = O>>(of: &'a [T], does: impl Fn(&'a T) -> F) -> Vec<O> {
    stream::iter(of.iter().map(does)).buffered(AT_ONCE).collect().await
}
