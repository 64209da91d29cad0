//! A slow, obvious count straight from the log of events, in one go from its first to its last: what reports should say.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;

/// By what a line is, its name, and the figure.
pub type Counts = BTreeMap<(&'static str, String, String), i64>;

/// What has passed since an alarm's deadline, in seconds, by line and stage.
pub type Times = BTreeMap<(&'static str, String), BTreeMap<&'static str, Vec<i64>>>;

/// The stages of an alarm, and the kind of event that is the first of each.
const STAGES: [(&str, &str); 5] = [
    ("queued", "incident.opened"),
    ("accepted", "message.accepted"),
    ("delivered", "message.delivered"),
    ("taken", "incident.acknowledged"),
    ("closed", "incident.closed"),
];

/// Whoever counts: what they know by now.
#[derive(Default)]
pub struct Counting {
    pub counts: BTreeMap<&'static str, Counts>,
    pub times: Times,
    /// What became of visits that were due; whose they were is known at the end.
    were_due: Vec<WasDue>,
    /// What the log has said of each case.
    cases: BTreeMap<String, Case>,
    /// Whose each visit is, and its risk.
    visits: BTreeMap<String, (String, String)>,
    extended: BTreeSet<String>,
    /// Visits about which somebody was called.
    alarms: BTreeSet<String>,
    incidents: BTreeMap<String, Incident>,
    /// By which rule it is asked for, and by when.
    oversight: BTreeMap<String, (String, NaiveDate)>,
    places: BTreeMap<String, Place>,
    drills: BTreeMap<String, Drill>,
    /// Whose addresses they are, by which channel, and whether they are proved.
    addresses: BTreeMap<(String, String), bool>,
}

#[derive(Default, Clone)]
struct Case {
    /// Whose it is since which day.
    workers: Vec<(NaiveDate, String)>,
    /// By which rules a visit is due, as the log said last.
    due: Vec<DueBy>,
    cannot: bool,
    has_ended: bool,
}

#[derive(Clone, PartialEq, Eq)]
struct DueBy {
    rule: String,
    due_on: NaiveDate,
    concern: Option<String>,
}

struct WasDue {
    case: String,
    rule: String,
    due_on: NaiveDate,
    figure: String,
}

struct Incident {
    /// Whom it is about, the risk of the visit, the month in which it went up.
    keys: Vec<(&'static str, String)>,
    since: DateTime<Utc>,
    /// Who was called.
    told: BTreeSet<String>,
    stages: BTreeMap<&'static str, DateTime<Utc>>,
}

#[derive(Default)]
struct Place {
    /// How the newest version is rated, when it is to be looked at again, and whether a manager agreed with it.
    newest: Option<(String, String, NaiveDate, bool)>,
}

struct Drill {
    on: NaiveDate,
    called: BTreeSet<String>,
}

/// The day on the clocks of London.
pub fn day(at: &str) -> NaiveDate {
    let at: DateTime<Utc> = at.parse().unwrap();
    at.with_timezone(&chrono_tz::Europe::London).date_naive()
}

fn word(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn month(on: NaiveDate) -> String {
    on.format("%Y-%m").to_string()
}

/// Under which report a rule of probation counts.
fn report_of(rule: &str) -> &'static str {
    match rule {
        rule if rule.starts_with("first_") => "first_visits",
        "plan" => "frequency",
        _ => "rising_risk",
    }
}

fn due_by(standing: &Value) -> Vec<DueBy> {
    let of = |line: &Value| DueBy {
        rule: word(&line["rule"]),
        due_on: line["due_on"].as_str().unwrap().parse().unwrap(),
        concern: line["concern"].as_str().map(str::to_owned),
    };
    standing["due"].as_array().unwrap().iter().map(of).collect()
}

/// First and further visits count once, by the strictest rule; of all else each matter by itself.
fn as_counted(lines: impl IntoIterator<Item = DueBy>) -> Vec<DueBy> {
    let mut counted: Vec<DueBy> = Vec::new();
    for line in lines {
        let report = report_of(&line.rule);
        if report == "rising_risk" || counted.iter().all(|other| report_of(&other.rule) != report) {
            counted.push(line);
        }
    }
    counted
}

impl Counting {
    fn count<'k>(
        &mut self,
        report: &'static str,
        keys: impl IntoIterator<Item = (&'static str, &'k str)>,
        figure: &str,
    ) {
        let counts = self.counts.entry(report).or_default();
        for (by, name) in keys.into_iter().chain([("total", "total")]) {
            *counts.entry((by, name.to_owned(), figure.to_owned())).or_default() += 1;
        }
    }

    /// Reads the next event of the log.
    pub fn read(&mut self, event: &Value) {
        let on = day(&word(&event["happened_at"]));
        let (kind, body) = (word(&event["kind"]), &event["body"]);
        self.of_cases(&kind, body, on);
        self.of_visits(&kind, event, on);
        self.of_oversight(&kind, body, on);
        self.of_people(&kind, body, on);
    }

    fn of_cases(&mut self, kind: &str, body: &Value, on: NaiveDate) {
        match kind {
            "case.assigned" => {
                let case = self.cases.entry(word(&body["case"])).or_default();
                case.workers.push((on, word(&body["after"])));
            }
            "case.supervision_changed" => {
                let parts = body["changed"].as_array().unwrap();
                let case = self.cases.entry(word(&body["case"])).or_default();
                case.has_ended |= parts.iter().any(|part| part == "end");
            }
            "due.computed" => self.computed(body, on),
            "due.excused" => self.were_due.push(WasDue {
                case: word(&body["case"]),
                rule: word(&body["rule"]),
                due_on: word(&body["due_on"][0]).parse().unwrap(),
                figure: word(&body["counted"]),
            }),
            _ => {}
        }
    }

    fn of_visits(&mut self, kind: &str, event: &Value, on: NaiveDate) {
        let (about, body) = (word(&event["about_id"]), &event["body"]);
        let at: DateTime<Utc> = word(&event["happened_at"]).parse().unwrap();
        match kind {
            "visit.started" => {
                let known = (word(&body["after"]["worker"]), word(&body["after"]["risk"]));
                self.visits.insert(about.clone(), known);
            }
            "visit.extended" => {
                self.extended.insert(about.clone());
            }
            "visit.ended" => {
                let due: DateTime<Utc> = word(&body["before"]["expected_departure"]).parse().unwrap();
                let figure = if self.alarms.contains(&about) {
                    "alarm"
                } else if at > due {
                    "late"
                } else if self.extended.contains(&about) {
                    "extended"
                } else {
                    "on_time"
                };
                let (worker, risk) = self.visits[&about].clone();
                let keys = [("worker", worker.as_str()), ("risk", &risk), ("month", &month(on))];
                self.count("check_outs", keys, figure);
            }
            "incident.opened" => {
                // On time, extended or late is what had no alarm before.
                let visit = word(&body["visit"]);
                let (worker, risk) = self.visits[&visit].clone();
                self.alarms.insert(visit);
                let keys = vec![("worker", worker), ("risk", risk), ("month", month(on))];
                self.count("alarms", keys.iter().map(|(by, name)| (*by, name.as_str())), "overdue");
                let since = word(&body["due"]).parse().unwrap();
                let stages = BTreeMap::new();
                self.incidents.insert(about.clone(), Incident { keys, since, told: BTreeSet::new(), stages });
            }
            "incident.raised" => {
                let incident = self.incidents.get_mut(&about).unwrap();
                incident.told.extend(body["told"].as_array().unwrap().iter().map(word));
            }
            // One message about several alarms is no alarm's own: it is about all of which its reader was told.
            "message.accepted"
                if event["about"] == "organisation" && word(&body["purpose"]).contains("alarm") =>
            {
                let called = word(&body["to"]);
                let open =
                    self.incidents.values_mut().filter(|incident| !incident.stages.contains_key("closed"));
                for incident in open.filter(|incident| incident.told.contains(&called)) {
                    incident.stages.entry("accepted").or_insert(at);
                }
            }
            "incident.closed" => {
                let keys = self.incidents[&about].keys.clone();
                self.count(
                    "alarms",
                    keys.iter().map(|(by, name)| (*by, name.as_str())),
                    body["outcome"].as_str().unwrap(),
                );
            }
            _ => {}
        }
        // Whatever is logged of an alarm may be a stage of it.
        if let Some(incident) = self.incidents.get_mut(&about) {
            for (stage, _) in STAGES.iter().filter(|(_, first)| *first == kind) {
                incident.stages.entry(stage).or_insert(at);
            }
        }
    }

    /// Of cases and homes.
    fn of_oversight(&mut self, kind: &str, body: &Value, on: NaiveDate) {
        match kind {
            "oversight.asked" => {
                let asked = (word(&body["rule"]), word(&body["due_on"]).parse().unwrap());
                self.oversight.insert(word(&body["id"]), asked);
            }
            // What should have been done by then stays.
            "oversight.withdrawn" => {
                let id = word(&body["id"]);
                if self.oversight.get(&id).is_some_and(|(_, due_on)| *due_on >= on) {
                    self.oversight.remove(&id);
                }
            }
            "oversight.recorded" => {
                for rule in body["asked"].as_array().unwrap() {
                    let (_, due_on) = self.oversight.remove(&word(&body["id"])).unwrap();
                    let figure = if on <= due_on { "in_time" } else { "late" };
                    let keys = [("rule", rule.as_str().unwrap()), ("month", &month(due_on))];
                    self.count("oversight", keys, figure);
                }
            }
            "place.added" => {
                self.places.insert(word(&body["place"]), Place::default());
            }
            "assessment.made" => {
                let review = word(&body["review_on"]).parse().unwrap();
                let newest = (word(&body["assessment"]), word(&body["rating"]), review, false);
                self.places.get_mut(&word(&body["place"])).unwrap().newest = Some(newest);
            }
            "assessment.agreed" => {
                let id = word(&body["assessment"]);
                let newest = self.places.values_mut().filter_map(|place| place.newest.as_mut());
                newest.filter(|newest| newest.0 == id).for_each(|newest| newest.3 = true);
            }
            _ => {}
        }
    }

    fn of_people(&mut self, kind: &str, body: &Value, on: NaiveDate) {
        match kind {
            "drill.started" => {
                self.drills.insert(word(&body["drill"]), Drill { on, called: BTreeSet::new() });
                self.count("drills", [("month", month(on).as_str())], "drills");
            }
            "drill.raised" => {
                let drill = self.drills.get_mut(&word(&body["drill"])).unwrap();
                drill.called.extend(body["told"].as_array().unwrap().iter().map(word));
            }
            "drill.answered" => {
                let on = self.drills[&word(&body["drill"])].on;
                self.count("drills", [("month", month(on).as_str())], "answered");
            }
            "contact.asked" | "contact.proved" | "contact.silent" => {
                let address = (word(&body["person"]), word(&body["channel"]));
                let is_proved = self.addresses.entry(address).or_default();
                // Asked again it stays so, till they have not answered twice.
                *is_proved = kind == "contact.proved" || (*is_proved && kind == "contact.asked");
            }
            _ => {}
        }
    }

    /// What was due, and is since.
    fn computed(&mut self, body: &Value, on: NaiveDate) {
        let id = word(&body["case"]);
        let case = self.cases.entry(id.clone()).or_default();
        let (before, after) = (due_by(&body["before"]), due_by(&body["after"]));
        case.due.clone_from(&after);
        case.cannot = body["after"]["cannot"].as_u64().unwrap() > 0;
        let gone = before.into_iter().filter(|line| !after.contains(line));
        let is_over = |line: &DueBy| line.due_on < on;
        let gone: Vec<(DueBy, &str)> = match body["cause"].as_str().unwrap() {
            "visit_recorded" => as_counted(gone)
                .into_iter()
                .map(|line| {
                    let figure = if on <= line.due_on { "in_time" } else { "late" };
                    (line, figure)
                })
                .collect(),
            // It should have been made before somebody said that it need not be any more.
            "concern_closed" => {
                let gone = gone.filter(|line| line.concern.is_some() && is_over(line));
                gone.map(|line| (line, "overdue")).collect()
            }
            "restarted" => {
                let gone = gone.filter(|line| report_of(&line.rule) != "rising_risk");
                as_counted(gone).into_iter().filter(is_over).map(|line| (line, "overdue")).collect()
            }
            _ if case.has_ended => {
                as_counted(gone).into_iter().filter(is_over).map(|line| (line, "overdue")).collect()
            }
            // Whatever is said of risk, flags and plan, what is overdue stays so.
            "risk_up" | "risk_down" | "supervision" => {
                assert!(!gone.into_iter().any(|line| is_over(&line)), "{body}");
                Vec::new()
            }
            _ => Vec::new(),
        };
        for (DueBy { rule, due_on, .. }, figure) in gone {
            self.were_due.push(WasDue { case: id.clone(), rule, due_on, figure: figure.to_owned() });
        }
    }

    /// What is still open on the last day.
    pub fn end(&mut self, today: NaiveDate) {
        for (id, case) in self.cases.clone() {
            for DueBy { rule, due_on, .. } in as_counted(case.due) {
                let figure = if due_on < today { "overdue" } else { "not_yet" }.to_owned();
                self.were_due.push(WasDue { case: id.clone(), rule, due_on, figure });
            }
            if case.cannot {
                let case = id.clone();
                let figure = "cannot_be_computed".to_owned();
                self.were_due.push(WasDue { case, rule: "not_known".into(), due_on: today, figure });
            }
        }
        for WasDue { case, rule, due_on, figure } in std::mem::take(&mut self.were_due) {
            let workers = &self.cases[&case].workers;
            let then = workers.iter().rev().find(|(since, _)| *since <= due_on).or(workers.first());
            let worker = then.map(|(_, worker)| worker.clone()).unwrap_or_default();
            let report = if rule == "not_known" { "first_visits" } else { report_of(&rule) };
            let keys = [("rule", rule.as_str()), ("worker", &worker), ("month", &month(due_on))];
            self.count(report, keys, &figure);
        }
        for (rule, due_on) in std::mem::take(&mut self.oversight).into_values() {
            let figure = if due_on < today { "overdue" } else { "not_yet" };
            self.count("oversight", [("rule", rule.as_str()), ("month", &month(due_on))], figure);
        }
        for place in std::mem::take(&mut self.places).into_values() {
            let (rating, figure) = match &place.newest {
                None => ("not_assessed", "not_assessed"),
                Some((_, rating, _, false)) => (rating.as_str(), "not_agreed"),
                Some((_, rating, review, true)) if *review < today => (rating.as_str(), "review_due"),
                Some((_, rating, ..)) => (rating.as_str(), "in_date"),
            };
            self.count("assessments", [("risk", rating)], figure);
        }
        for drill in std::mem::take(&mut self.drills).into_values() {
            for _ in &drill.called {
                self.count("drills", [("month", month(drill.on).as_str())], "called");
            }
        }
        for ((person, _), is_proved) in std::mem::take(&mut self.addresses) {
            let figure = if is_proved { "proved" } else { "unproved" };
            self.count("contacts", [("worker", person.as_str())], figure);
        }
        for incident in std::mem::take(&mut self.incidents).into_values() {
            let keys = incident.keys.into_iter().chain([("total", "total".to_owned())]);
            for key in keys {
                let times = self.times.entry(key).or_default();
                times.entry("opened").or_default().push(0);
                for (stage, at) in &incident.stages {
                    times.entry(stage).or_default().push((*at - incident.since).num_seconds());
                }
            }
        }
    }
}
