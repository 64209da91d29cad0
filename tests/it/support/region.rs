//! A year of a region, drawn from a seed and lived through the API: cases are opened and supervised, visited, excused, handed over; risks
//! rise, people are in custody, begin anew, are worried about; homes are assessed; visits end in time, late, extended or with an alarm; teams
//! are drilled. The same seed always gives the same year.

use std::{cell::RefCell, collections::BTreeMap, fmt::Write as _};

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
/// From the highest, with the days in which somebody has to be seen first.
const RISKS: [(&str, u64); 4] = [("very_high", 15), ("high", 15), ("medium", 42), ("low", 84)];
/// A place of one case in so many is assessed.
const ASSESSED: usize = 8;
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
    worker: usize,
    outcome: &'static str,
    ends: Ends,
    /// The first one on which the person was seen: then the plan says how often.
    is_first: bool,
}

/// What changes of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    RiskRises,
    /// To the lowest.
    RiskFalls,
    /// Home visits are in the plan no more.
    PlanEnds,
    /// For so many days.
    InCustody(u64),
    /// To another worker of the team.
    HandedOver,
    BeginsAnew,
    /// A worry about safeguarding.
    Concern,
    ConcernIsClosed,
    Ends,
}

#[derive(Debug, Default)]
struct Day {
    opens: Vec<usize>,
    excuses: Vec<usize>,
    changes: Vec<(usize, Change)>,
    visits: Vec<Visit>,
    is_drilled: bool,
}

/// A case.
struct Case {
    /// `None`: nobody says how high the risk is.
    risk: Option<usize>,
    start: NaiveDate,
    /// All that has been said of its supervision so far.
    said: RefCell<Value>,
    concern: RefCell<Option<String>>,
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
    let (mut drawn, mut changing) = (Drawn(seed | 1), Drawn(!seed | 1));
    let (first, last) = year();
    let mut drawing = Drawing { cases: Vec::new(), days: BTreeMap::new() };
    let mut visits = 0;
    for case in 0..size.cases {
        let start = working_day(first + Days::new(drawn.below(320)));
        let risk = match drawn.below(50) {
            0 => None,
            1..=10 => Some(1),
            11..=30 => Some(2),
            _ => Some(3),
        };
        let said = json!({"start": start, "risk": risk.map(|risk| RISKS[risk].0)}).into();
        drawing.cases.push(Case { risk, start, said, concern: RefCell::default() });
        drawing.days.entry(start).or_default().opens.push(case);
        let Some(risk) = risk else { continue };
        let length = RISKS[risk].1;
        if drawn.below(30) == 0 {
            let day = working_day(start + Days::new(3));
            drawing.days.entry(day).or_default().excuses.push(case);
            continue;
        }
        let changes = changes(&mut changing, (start, risk));
        let on = |change| changes.iter().find(|(_, of)| *of == change).map(|(day, _)| *day);
        let (ends, handed_over) = (on(Change::Ends).unwrap_or(last), on(Change::HandedOver).unwrap_or(last));
        let worker = case % size.workers;
        let (mut day, mut was_seen) =
            (working_day(start + Days::new(1 + drawn.below(length * 6 / 5))), false);
        while day < ends && visits < size.visits {
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
            let worker = if day < handed_over { worker } else { another(worker, size) };
            let visit = Visit { case, worker, outcome, ends, is_first: is_seen && !was_seen };
            drawing.days.entry(day).or_default().visits.push(visit);
            visits += 1;
            was_seen |= is_seen;
            let apart = if is_seen { 20 + drawn.below(14) } else { 2 + drawn.below(3) };
            day = working_day(day + Days::new(apart));
        }
        for (day, change) in changes {
            drawing.days.entry(day).or_default().changes.push((case, change));
        }
    }
    for month in 1..=12 {
        let first = NaiveDate::from_ymd_opt(first.year(), month, 1).unwrap();
        drawing.days.entry(working_day(first)).or_default().is_drilled = true;
    }
    drawing
}

/// What changes of a case in the course of the year, the first first.
fn changes(drawn: &mut Drawn, (start, risk): (NaiveDate, usize)) -> Vec<(NaiveDate, Change)> {
    let mut changes = Vec::new();
    let mut one_in = |n: u64, change: Change| {
        let after = working_day(start + Days::new(2 + drawn.below(120)));
        if drawn.below(n) == 0 {
            changes.push((after, change));
        }
    };
    if risk > 0 {
        one_in(10, Change::RiskRises);
    }
    if risk < RISKS.len() - 1 {
        one_in(9, Change::RiskFalls);
    }
    one_in(12, Change::PlanEnds);
    one_in(14, Change::InCustody(16));
    one_in(10, Change::HandedOver);
    one_in(25, Change::BeginsAnew);
    one_in(12, Change::Concern);
    one_in(20, Change::Ends);
    if let Some((day, _)) = changes.iter().find(|(_, change)| *change == Change::Concern) {
        changes.push((working_day(*day + Days::new(1 + drawn.below(30))), Change::ConcernIsClosed));
    }
    // All of a day is said at one instant: what nobody knew for any time makes nothing overdue.
    let rises = changes.iter().find(|(_, change)| *change == Change::RiskRises).map(|(day, _)| *day);
    changes.retain(|(day, change)| *change != Change::RiskFalls || rises != Some(*day));
    changes.sort_by_key(|(day, _)| *day);
    // What is over does not change; what somebody worried about may be closed later.
    let ends = changes.iter().find(|(_, change)| *change == Change::Ends).map(|(day, _)| *day);
    let concern = changes.iter().find(|(_, change)| *change == Change::Concern).map(|(day, _)| *day);
    changes.retain(|(day, change)| match change {
        Change::Ends => true,
        Change::ConcernIsClosed => concern.is_some_and(|raised| ends.is_none_or(|ends| raised < ends)),
        _ => ends.is_none_or(|ends| *day < ends),
    });
    changes.retain(|(day, _)| *day < year().1);
    changes
}

/// Who has a case after this worker: the next of the team.
fn another(worker: usize, size: Size) -> usize {
    let first = worker / TEAM * TEAM;
    let team = TEAM.min(size.workers - first);
    first + (worker - first + 1) % team
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
            for (case, change) in &of_day.changes {
                self.change((*case, *change), (*day, &drawing.cases[*case]), size).await;
            }
            if of_day.is_drilled {
                self.drill(*day, size).await;
            }
            self.work().await;
            let mut left = of_day.visits.clone();
            let mut slot = 0;
            while !left.is_empty() {
                // Nobody is at two places at once.
                let mut busy = std::collections::BTreeSet::new();
                let (now, later): (Vec<_>, Vec<_>) =
                    left.into_iter().partition(|visit| busy.insert(visit.worker));
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
        self.supervise(case, of, size, json!({})).await;
        let manager = manager(case, size);
        self.post(&manager, &format!("/cases/{reference}/assign"), json!({ "worker": worker })).await;
        if case.is_multiple_of(ASSESSED) {
            self.assess(case, of, size).await;
        }
    }

    /// Says all that is known by now, and this.
    async fn supervise(&self, case: usize, of: &Case, size: Size, more: Value) {
        let said = {
            let mut said = of.said.borrow_mut();
            for (field, value) in more.as_object().unwrap() {
                said[field] = value.clone();
            }
            said.clone()
        };
        let path = format!("/cases/{}/supervision", reference(case));
        self.say(&manager(case, size), "PUT", &path, &said).await;
    }

    async fn change(&self, (case, change): (usize, Change), (today, of): (NaiveDate, &Case), size: Size) {
        let (reference, manager) = (reference(case), manager(case, size));
        match change {
            Change::RiskRises => {
                let risk = RISKS[of.risk.unwrap() - 1].0;
                self.supervise(case, of, size, json!({ "risk": risk })).await;
            }
            Change::RiskFalls => {
                let lowest = RISKS[RISKS.len() - 1].0;
                self.supervise(case, of, size, json!({ "risk": lowest })).await;
            }
            Change::PlanEnds => {
                self.supervise(case, of, size, json!({"visits_in_plan": false, "plan_every": null})).await;
            }
            Change::InCustody(days) => {
                let pause = json!({"from": today, "until": today + Days::new(days), "why": "custody"});
                self.supervise(case, of, size, json!({ "pauses": [pause] })).await;
            }
            Change::HandedOver => {
                let worker = format!("w{}", another(case % size.workers, size));
                self.post(&manager, &format!("/cases/{reference}/assign"), json!({ "worker": worker })).await;
            }
            Change::BeginsAnew => {
                let anew = json!({"start": today, "start_is": "restarted"});
                self.supervise(case, of, size, anew).await;
            }
            Change::Concern => {
                let words = json!({"kind": "safeguarding", "case_reference": reference, "words": "w"});
                let raised = self.post(&format!("w{}", case % size.workers), "/concerns", words).await;
                *of.concern.borrow_mut() = Some(raised["id"].as_str().unwrap().to_owned());
            }
            Change::ConcernIsClosed => {
                let id = of.concern.borrow().clone().unwrap();
                let talked = json!({"with": format!("w{}", case % size.workers), "words": "w"});
                self.post(&manager, &format!("/concerns/{id}/discussed"), talked).await;
                self.post(&manager, &format!("/concerns/{id}/close"), json!({"outcome": "o"})).await;
            }
            Change::Ends => self.supervise(case, of, size, json!({ "end": today })).await,
        }
    }

    /// Its home: not assessed, assessed, agreed, or agreed and assessed once more.
    async fn assess(&self, case: usize, of: &Case, size: Size) {
        let (worker, manager) = (format!("w{}", case % size.workers), manager(case, size));
        let place = json!({"address": format!("{} High St", reference(case))});
        let place = self.post(&worker, &format!("/cases/{}/places", reference(case)), place).await;
        let id = place["id"].as_str().unwrap();
        let how_far = case / ASSESSED % 4;
        let severity = 1 + case / ASSESSED % 3;
        let review = of.start + Days::new(60 + u64::try_from(case % 200).unwrap());
        let factor = json!({"about": "animals", "words": "w", "measures": ["m"], "likelihood": 2, "severity": severity});
        let draft = json!({"factors": [factor], "review_on": review});
        for version in 1..=[0, 1, 1, 2][how_far] {
            let made = self.post(&worker, &format!("/places/{id}/assessments"), draft.clone()).await;
            if version == 1 && how_far > 1 {
                let made = made["id"].as_str().unwrap();
                self.post(&manager, &format!("/assessments/{made}/agree"), json!({})).await;
            }
        }
    }

    /// Every team is drilled; in some the manager answers.
    async fn drill(&self, day: NaiveDate, size: Size) {
        for team in 0..size.workers.div_ceil(TEAM) {
            let whom = json!({"team": format!("t{team}")});
            let drill = self.post("una", "/drills", whom).await["id"].as_str().unwrap().to_owned();
            self.work().await;
            self.clock.advance(TimeDelta::seconds(20 + i64::try_from(team).unwrap()));
            if !(team + usize::try_from(day.month()).unwrap()).is_multiple_of(3) {
                self.post(&format!("m{team}"), &format!("/drills/{drill}/acknowledge"), json!({})).await;
            }
            self.post("una", &format!("/drills/{drill}/end"), json!({})).await;
        }
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
            let risk = if drawing.cases[visit.case].risk == Some(1) { "high" } else { "normal" };
            let reference = reference(visit.case);
            let body = json!({"case_reference": reference, "place": format!("{reference} High St"), "minutes": 30, "risk": risk});
            let worker = format!("w{}", visit.worker);
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
        // Where two say something about a case at once, what the check-out left is computed before anything else changes.
        self.app.scheduler.tick(self.clock.now()).await.unwrap();
        let firsts: Vec<_> = begun.iter().filter(|(visit, _)| visit.is_first).collect();
        each(&firsts, |(visit, _)| async move {
            let plan = json!({"visits_in_plan": true, "plan_every": "4 weeks"});
            self.supervise(visit.case, &drawing.cases[visit.case], size, plan).await;
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
