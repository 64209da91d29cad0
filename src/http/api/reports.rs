//! Reports over HTTP, as JSON and as CSV, and the list behind each figure.

use axum::{
    extract::{Path, Query, State, rejection::QueryRejection},
    http::header,
    response::{IntoResponse, Response},
};
use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Reply;
use crate::{
    app::{
        access::Actor,
        reports::{self as cases, AllBehind, Table, Wanted},
    },
    domain::{
        csv::push_line,
        report::{Behind, Below, By, Figure, Key, NOBODY, ReportKind},
    },
    http::{
        Site,
        problem::{Kind, Problem},
    },
};

/// What of a report.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportQuery {
    /// What its lines are: total, team, worker, risk, rule, month; not every report can be by each.
    #[serde(default)]
    by: By,
    /// Its first day, in the organisation's zone; not said: the first of this month.
    from: Option<NaiveDate>,
    /// Its last day, which belongs to it; not said: today.
    to: Option<NaiveDate>,
    /// Of this team and those below it, by id or key.
    team: Option<String>,
    /// `left_out`: of that team alone, without those below it.
    #[serde(default)]
    below: Below,
    /// Of this worker alone, by id or key; `nobody`: of what was nobody's.
    worker: Option<String>,
    /// Of this risk alone: of a visit (normal, high), of a case as the rules of what is due name it, or of an assessment.
    risk: Option<String>,
    /// By this rule alone: first visits, frequency, rising risk and oversight.
    rule: Option<String>,
    /// Of the list behind: which figure.
    figure: Option<String>,
}

impl ReportQuery {
    fn wanted(&self, report: ReportKind) -> Result<Wanted, Problem> {
        for (field, day) in [("from", self.from), ("to", self.to)] {
            if day.is_some_and(|day| !(2000..2200).contains(&day.year())) {
                return Err(Problem::field(field, "this day cannot be meant: say it as 2026-03-09"));
            }
        }
        Ok(Wanted {
            report,
            by: self.by,
            from: self.from,
            to: self.to,
            team: self.team.clone(),
            below: self.below,
            worker: self.worker.clone(),
            risk: self.risk.clone(),
            rule: self.rule.clone(),
        })
    }
}

/// One line of a report: what it is about, its figures by their names, and the address of the list behind each count.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct LineView {
    /// Which: total, the team or worker by name, the risk, the month.
    name: String,
    /// The team's or worker's id.
    id: Option<Uuid>,
    /// By their names: counts, shares of one, seconds; null: there was nothing to measure.
    #[schema(value_type = Object)]
    figures: Map<String, Value>,
    /// For each count, where its list is.
    #[schema(value_type = Object)]
    behind: Map<String, Value>,
}

/// A report.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ReportView {
    /// Which.
    report: ReportKind,
    /// What its lines are.
    by: By,
    /// Its first day.
    from: NaiveDate,
    /// Its last day, which belongs to it.
    to: NaiveDate,
    /// Its lines.
    lines: Vec<LineView>,
}

/// What stands behind a figure.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct BehindList {
    /// In the order in which it happened, at most 10,000.
    behind: Vec<Behind>,
    /// Whether there are more than are listed: ask for fewer days, one team or one worker.
    more: bool,
}

/// `check_outs`, or `check_outs.csv`.
fn read(name: &str) -> Result<(ReportKind, As), Problem> {
    let (name, shown) = match name.strip_suffix(".csv") {
        Some(name) => (name, As::Csv),
        None => (name, As::Json),
    };
    serde_json::from_value(json!(name)).map(|report| (report, shown)).map_err(|_| Problem::of(Kind::NotFound))
}

enum As {
    Json,
    Csv,
}

/// Shows a report: `check_outs`, `alarms`, `response_times`, `first_visits`, `frequency`, `rising_risk`, `assessments`, `oversight`, `drills`, `contacts`; with `.csv` as a table.
/// For managers of what they reach, auditors and administrators of everything. docs/reports.md says what each figure counts.
#[utoipa::path(get, path = "/reports/{report}", params(("report" = String, Path), ReportQuery),
    responses((status = 200, body = ReportView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(site): State<Site>,
    actor: Actor,
    Path(name): Path<String>,
    query: Result<Query<ReportQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|error| Problem::field("query", error.body_text()))?;
    let (report, shown) = read(&name)?;
    let wanted = query.wanted(report)?;
    let mut tx = site.db.read().await?;
    let table = cases::table(&mut tx, &actor, &wanted, site.clock.now()).await??;
    Ok(match shown {
        As::Json => Reply::ok(&view(&wanted, &query, table)).into_response(),
        As::Csv => download(report.as_str(), lines_as_csv(&wanted, &table)),
    })
}

/// Shows what stands behind one count of a report; with `.csv` as a table.
#[utoipa::path(get, path = "/reports/{report}/behind", params(("report" = String, Path), ReportQuery),
    responses((status = 200, body = BehindList), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn behind(
    State(site): State<Site>,
    actor: Actor,
    Path(name): Path<String>,
    query: Result<Query<ReportQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|error| Problem::field("query", error.body_text()))?;
    let (report, shown) = read(&name)?;
    let wanted = query.wanted(report)?;
    let figure = query.figure.as_deref().unwrap_or_default();
    let mut tx = site.db.read().await?;
    let AllBehind { behind, are_all } =
        cases::behind(&mut tx, &actor, &wanted, figure, site.clock.now()).await??;
    Ok(match shown {
        As::Json => Reply::ok(&BehindList { behind, more: !are_all }).into_response(),
        // A table has no place to say so.
        As::Csv if !are_all => {
            let what = "there are more lines than a table holds: ask for fewer days, one team or one worker";
            return Err(Problem::field("from", what));
        }
        As::Csv => download(report.as_str(), behind_as_csv(&behind)),
    })
}

fn download(name: &str, table: String) -> Response {
    let file = format!("attachment; filename=\"{name}.csv\"");
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present".to_owned()),
        (header::CONTENT_DISPOSITION, file),
    ];
    (headers, table).into_response()
}

fn id_of(key: &Key) -> Option<Uuid> {
    match key {
        Key::Team(team) => Some(team.0),
        Key::Worker(person) => Some(person.0),
        Key::Total | Key::Nobody | Key::Risk(_) | Key::Rule(_) | Key::Month(_) => None,
    }
}

fn view(wanted: &Wanted, query: &ReportQuery, table: Table) -> ReportView {
    let Table { from, to, lines, .. } = table;
    let lines = lines.into_iter().map(|(key, name, line)| {
        let counts = wanted.report.counts().iter().map(|figure| {
            ((*figure).to_owned(), Value::String(address(wanted.report, query, (from, to), &key, figure)))
        });
        LineView {
            name,
            id: id_of(&key),
            behind: counts.collect(),
            figures: line.into_iter().map(|(name, figure)| (name, value(figure))).collect(),
        }
    });
    ReportView { report: wanted.report, by: wanted.by, from, to, lines: lines.collect() }
}

/// Where the list behind a figure of a line is.
fn address(
    report: ReportKind,
    query: &ReportQuery,
    (mut from, mut to): (NaiveDate, NaiveDate),
    key: &Key,
    figure: &str,
) -> String {
    let (mut team, mut below) = (query.team.clone(), query.below);
    let mut worker = query.worker.clone();
    let mut risk = query.risk.clone();
    let mut rule = query.rule.clone();
    match key {
        Key::Total => {}
        Key::Team(id) => (team, below) = (Some(id.to_string()), Below::LeftOut),
        Key::Worker(id) => worker = Some(id.to_string()),
        Key::Nobody => worker = Some(NOBODY.to_owned()),
        Key::Risk(word) => risk = Some(word.clone()),
        Key::Rule(word) => rule = Some(word.clone()),
        Key::Month(first) => {
            let next = first.checked_add_months(chrono::Months::new(1)).and_then(|day| day.pred_opt());
            (from, to) = (from.max(*first), next.map_or(to, |last| last.min(to)));
        }
    }
    let mut said = form_urlencoded::Serializer::new(String::new());
    said.append_pair("figure", figure)
        .append_pair("from", &from.to_string())
        .append_pair("to", &to.to_string());
    for (name, value) in [("team", team), ("worker", worker), ("risk", risk), ("rule", rule)] {
        if let Some(value) = value {
            said.append_pair(name, &value);
        }
    }
    if below == Below::LeftOut {
        said.append_pair("below", below.as_str());
    }
    format!("/api/v1/reports/{}/behind?{}", report.as_str(), said.finish())
}

fn value(figure: Figure) -> Value {
    match figure {
        Figure::Count(count) => json!(count),
        Figure::Share(share) => json!(share.map(|share| (share * 10_000.0).round() / 10_000.0)),
        Figure::Seconds(seconds) => json!(seconds),
    }
}

fn lines_as_csv(wanted: &Wanted, table: &Table) -> String {
    let mut text = String::new();
    // Where there is nothing to count the columns are said all the same.
    let figures = table.figures.iter().map(String::as_str);
    push_line(&mut text, [wanted.by.as_str(), "id"].into_iter().chain(figures));
    for (key, name, line) in &table.lines {
        let cells = line.iter().map(|(_, figure)| match value(*figure) {
            Value::Null => String::new(),
            value => value.to_string(),
        });
        let cells: Vec<String> = cells.collect();
        let id = id_of(key).map(|id| id.to_string()).unwrap_or_default();
        push_line(&mut text, [name.as_str(), &id].into_iter().chain(cells.iter().map(String::as_str)));
    }
    text
}

fn behind_as_csv(behind: &[Behind]) -> String {
    let mut text = String::new();
    push_line(&mut text, ["what", "id", "reference", "worker", "team", "at", "due_on", "rule", "risk"]);
    for Behind { what, id, reference, worker, team, at, due_on, rule, risk } in behind {
        let word = |word: &Option<String>| word.clone().unwrap_or_default();
        let cells = [
            what.clone(),
            id.to_string(),
            word(reference),
            worker.map(|id| id.to_string()).unwrap_or_default(),
            team.to_string(),
            at.map(|at| at.to_rfc3339()).unwrap_or_default(),
            due_on.map(|day| day.to_string()).unwrap_or_default(),
            word(rule),
            word(risk),
        ];
        push_line(&mut text, cells.iter().map(String::as_str));
    }
    text
}
