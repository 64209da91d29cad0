//! Reports (row T5): figures over a period for whoever looks after teams, and the list behind each. Nothing is changed.

mod dated;

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use serde_json::json;

use super::{Outcome, Rejected, access::Actor, allowed};
use crate::{
    clock::Time,
    domain::{
        contact::Channel,
        ids::{PersonId, TeamId},
        people::{Directory, Person, Role},
        proof::Standing,
        report::{
            AlarmFact, Behind, Below, By, Figure, Key, Line, NOBODY, Period, ReportKind, WasDue, Whose,
            alarms_line, lines_of, response_times_line, share, were_due_lines,
        },
        rights::{self, Arrange, OnDue, Relation},
        visit::Risk,
    },
    store::{
        Tx, people,
        reports::{self, CalledInDrill, Counted, DrillFact, Group, Scope},
    },
};

/// So many stand in the list behind a figure at most; where there are more it says so.
const MOST_BEHIND: usize = 10_000;

/// What somebody wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// About what.
    pub report: ReportKind,
    /// What its lines are.
    pub by: By,
    /// From that day on; if it is not said, from the first of this month.
    pub from: Option<NaiveDate>,
    /// Up to that day; if it is not said, today.
    pub to: Option<NaiveDate>,
    /// Of that team; by id or key.
    pub team: Option<String>,
    /// And the teams below it.
    pub below: Below,
    /// Of that worker alone, by id or key; `nobody`: of what is nobody's.
    pub worker: Option<String>,
    /// Of that risk alone.
    pub risk: Option<String>,
    /// By that rule alone.
    pub rule: Option<String>,
}

/// A report.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// From that day on.
    pub from: NaiveDate,
    /// Up to that day, which belongs to it.
    pub to: NaiveDate,
    /// The names of its figures.
    pub figures: Vec<String>,
    /// Its lines: what each is about, by name, and its figures.
    pub lines: Vec<(Key, String, Line)>,
}

/// What stands behind a figure.
#[derive(Debug, Clone, PartialEq)]
pub struct AllBehind {
    /// In the order in which it happened.
    pub behind: Vec<Behind>,
    /// Whether that is everything: of very many only the first are listed.
    pub are_all: bool,
}

struct Asked {
    scope: Scope,
    whose: Whose,
    period: Period,
    from: NaiveDate,
    to: NaiveDate,
    today: NaiveDate,
}

/// The figures that somebody asks for.
pub async fn table(tx: &mut Tx, actor: &Actor, wanted: &Wanted, now: Time) -> Outcome<Table> {
    if !wanted.report.can_be_by().contains(&wanted.by) {
        let can: Vec<&str> = wanted.report.can_be_by().iter().map(|by| by.as_str()).collect();
        return Ok(Err(wrong("by", format!("can be {} for this report", can.join(", ")))));
    }
    let directory = people::directory(tx, actor.organisation).await?;
    let asked = allowed!(scope(tx, actor, &directory, wanted, now).await?);
    let lines = match wanted.report {
        ReportKind::CheckOuts => check_outs(tx, &directory, &asked, wanted.by).await?,
        ReportKind::Alarms => alarms(tx, &directory, &asked, wanted.by, alarms_line).await?,
        ReportKind::ResponseTimes => alarms(tx, &directory, &asked, wanted.by, response_times_line).await?,
        ReportKind::Assessments => {
            let counted = reports::assessments(
                tx,
                directory.organisation,
                &asked.scope,
                (asked.today, wanted.risk.as_deref()),
                group(wanted.by),
            )
            .await?;
            lines_counted(counted, wanted.by, ReportKind::Assessments)
        }
        report @ (ReportKind::FirstVisits
        | ReportKind::Frequency
        | ReportKind::RisingRisk
        | ReportKind::Oversight) => {
            let all = dated::were_due_in(tx, directory.organisation, (&asked, wanted)).await?;
            were_due_lines(report, &all, wanted.by).into_iter().collect()
        }
        ReportKind::Drills => {
            let drills = reports::drills(tx, directory.organisation, &asked.scope, actor.person).await?;
            drills_by(&drills, &directory, &asked, wanted.by)
        }
        ReportKind::Contacts => contacts(&directory, &asked.scope, wanted.by),
    };
    let lines = lines.into_iter().map(|(key, line)| (key.clone(), name_of(&directory, &key), line)).collect();
    let figures = line_of_nothing(wanted.report).into_iter().map(|(name, _)| name).collect();
    Ok(Ok(Table { from: asked.from, to: asked.to, figures, lines }))
}

/// A line of a report in which there is nothing to count.
fn line_of_nothing(report: ReportKind) -> Line {
    let lines: Vec<(Key, Line)> = match report {
        ReportKind::Alarms => return alarms_line(&[]),
        ReportKind::ResponseTimes => return response_times_line(&[]),
        ReportKind::Drills => return drills_line(&[]),
        ReportKind::CheckOuts | ReportKind::Assessments | ReportKind::Contacts => {
            lines_counted(Vec::new(), By::Total, report)
        }
        ReportKind::FirstVisits | ReportKind::Frequency | ReportKind::RisingRisk | ReportKind::Oversight => {
            were_due_lines(report, &[], By::Total).into_iter().collect()
        }
    };
    lines.into_iter().flat_map(|(_, line)| line).collect()
}

/// What stands behind one figure of a report: of its whole period, or of one line by way of team, worker, risk, or days.
pub async fn behind(
    tx: &mut Tx,
    actor: &Actor,
    wanted: &Wanted,
    figure: &str,
    now: Time,
) -> Outcome<AllBehind> {
    if !wanted.report.counts().contains(&figure) {
        let known = wanted.report.counts().join(", ");
        return Ok(Err(wrong("figure", format!("there is a list behind each of {known}"))));
    }
    let directory = people::directory(tx, actor.organisation).await?;
    let asked = allowed!(scope(tx, actor, &directory, wanted, now).await?);
    let scope = &asked.scope;
    let one_more = i64::try_from(MOST_BEHIND + 1).unwrap_or(i64::MAX);
    let mut behind: Vec<Behind> = match wanted.report {
        ReportKind::CheckOuts => {
            reports::check_outs_behind(tx, directory.organisation, scope, figure, one_more).await?
        }
        ReportKind::Alarms => {
            let all = reports::alarms(tx, directory.organisation, scope).await?;
            all.iter().filter(|alarm| alarm.counted_as().contains(&figure)).map(incident).collect()
        }
        ReportKind::ResponseTimes => {
            let all = reports::alarms(tx, directory.organisation, scope).await?;
            let shown = |alarm: &&AlarmFact| figure == "alarms" || alarm.was_never_taken();
            all.iter().filter(shown).map(incident).collect()
        }
        ReportKind::Assessments => {
            reports::assessments_behind(
                tx,
                directory.organisation,
                scope,
                (asked.today, wanted.risk.as_deref()),
                figure,
                one_more,
            )
            .await?
        }
        ReportKind::FirstVisits | ReportKind::Frequency | ReportKind::RisingRisk | ReportKind::Oversight => {
            let all = dated::were_due_in(tx, directory.organisation, (&asked, wanted)).await?;
            all.iter().filter(|one| one.class == figure).map(dated_thing).collect()
        }
        ReportKind::Drills if figure == "drills" => {
            let all = reports::drills(tx, directory.organisation, scope, actor.person).await?;
            all.iter().map(drill).collect()
        }
        ReportKind::Drills => {
            let called = reports::called_in_drills(tx, directory.organisation, scope, actor.person).await?;
            let of = called.iter().filter(|called| figure == "called" || called.answered_at.is_some());
            of.map(called_in_drill).collect()
        }
        ReportKind::Contacts => reached(&directory, scope)
            .filter(|(person, channel)| is_proved(&directory, person, *channel) == (figure == "proved"))
            .map(|(person, _)| Behind {
                what: "person".into(),
                id: person.id.0,
                worker: None,
                team: person.team.0,
                ..Behind::default()
            })
            .collect(),
    };
    let everybody = Relation { own: true, in_reach: true, ..Relation::default() };
    if rights::may_on_due(actor.role, OnDue::See, everybody).is_err() {
        // Whoever administers counts cases and knows none.
        for one in &mut behind {
            one.reference = None;
        }
    }
    let are_all = behind.len() <= MOST_BEHIND;
    behind.truncate(MOST_BEHIND);
    Ok(Ok(AllBehind { behind, are_all }))
}

async fn scope(
    tx: &mut Tx,
    actor: &Actor,
    directory: &Directory,
    wanted: &Wanted,
    now: Time,
) -> Outcome<Asked> {
    allowed!(rights::may_arrange(actor.role, Arrange::See, true));
    let everybodys = matches!(actor.role, Role::Auditor | Role::Administrator);
    let reach: Vec<TeamId> = if everybodys {
        directory.teams.keys().copied().collect()
    } else {
        people::reach(tx, actor.organisation, actor.team).await?
    };
    let teams = match wanted.team.as_deref() {
        None => reach,
        Some(named) => {
            let Some(team) = directory.team_named(named) else {
                return Ok(Err(Rejected::NoSuchTeam(named.to_owned())));
            };
            let team = team.id;
            let counts = |one: &TeamId| match wanted.below {
                Below::Counted => directory.line_of(*one).contains(&team),
                Below::LeftOut => *one == team,
            };
            reach.into_iter().filter(counts).collect()
        }
    };
    let was_due = wanted.report.is_dated();
    let whose = match wanted.worker.as_deref() {
        None => Whose::Anybodys,
        Some(NOBODY) if was_due => Whose::Nobodys,
        Some(named) => match directory.ever_named(named) {
            Some(person) => Whose::Of(person.id),
            None => return Ok(Err(wrong("worker", format!("“{named}” is nobody here")))),
        },
    };
    let risk = match (wanted.report, wanted.risk.as_deref()) {
        (ReportKind::CheckOuts | ReportKind::Alarms | ReportKind::ResponseTimes, Some(word)) => {
            match serde_json::from_value::<Risk>(json!(word)) {
                Ok(risk) => Some(risk),
                Err(_) => {
                    return Ok(Err(wrong("risk", "say normal or high: the risk of a visit".to_owned())));
                }
            }
        }
        _ => None,
    };
    for (field, is_said, knows) in [
        ("rule", wanted.rule.is_some(), was_due),
        (
            "worker",
            wanted.worker.is_some(),
            !matches!(wanted.report, ReportKind::Assessments | ReportKind::Drills),
        ),
        (
            "risk",
            wanted.risk.is_some(),
            !matches!(wanted.report, ReportKind::Oversight | ReportKind::Drills | ReportKind::Contacts),
        ),
    ] {
        if is_said && !knows {
            return Ok(Err(wrong(field, "this report cannot be narrowed down by it".to_owned())));
        }
    }
    let today = now.with_timezone(&directory.zone).date_naive();
    let (mut from, mut to) =
        (wanted.from.unwrap_or(today.with_day(1).unwrap_or(today)), wanted.to.unwrap_or(today));
    if wanted.report.is_as_of_now() {
        (from, to) = (today, today);
    }
    if to < from {
        return Ok(Err(wrong(
            "to",
            "the period ends before it begins: from is its first day, to its last".into(),
        )));
    }
    let period = Period::of_days(from, to, directory.zone);
    let hidden = actor.hidden_incidents(tx).await?.into_keys().collect();
    let worker = match whose {
        Whose::Of(worker) => Some(worker),
        Whose::Anybodys | Whose::Nobodys => None,
    };
    let scope = Scope { teams, worker, risk, from: period.from, to: period.to, hidden };
    Ok(Ok(Asked { scope, whose, period, from, to, today }))
}

fn wrong(field: &'static str, why: String) -> Rejected {
    Rejected::Field { field, why }
}

fn group(by: By) -> Group {
    match by {
        By::Total | By::Month | By::Rule => Group::All,
        By::Team => Group::Team,
        By::Worker => Group::Worker,
        By::Risk => Group::Risk,
    }
}

fn name_of(directory: &Directory, key: &Key) -> String {
    match key {
        Key::Total => "total".into(),
        Key::Team(team) => directory.teams.get(team).map(|team| team.name.clone()).unwrap_or_default(),
        Key::Worker(person) => directory.name_of(*person).to_owned(),
        Key::Nobody => NOBODY.into(),
        Key::Risk(word) | Key::Rule(word) => word.clone(),
        Key::Month(first) => first.format("%Y-%m").to_string(),
    }
}

async fn check_outs(
    tx: &mut Tx,
    directory: &Directory,
    asked: &Asked,
    by: By,
) -> crate::store::Result<Vec<(Key, Line)>> {
    if by != By::Month {
        let counted = reports::check_outs(tx, directory.organisation, &asked.scope, group(by)).await?;
        return Ok(lines_counted(counted, by, ReportKind::CheckOuts));
    }
    let mut lines = Vec::new();
    for (first, Period { from, to }) in asked.period.months(directory.zone) {
        let month = Scope { from, to, ..asked.scope.clone() };
        let counted = reports::check_outs(tx, directory.organisation, &month, Group::All).await?;
        let counted = lines_counted(counted, By::Total, ReportKind::CheckOuts);
        lines.extend(counted.into_iter().map(|(_, line)| (Key::Month(first), line)));
    }
    Ok(lines)
}

/// Counts as lines: each class, all together, and the share of the first, which is the one that is wanted.
fn lines_counted(counted: Vec<Counted>, by: By, report: ReportKind) -> Vec<(Key, Line)> {
    let mut lines: BTreeMap<Key, BTreeMap<String, i64>> = BTreeMap::new();
    if by == By::Total {
        lines.insert(Key::Total, BTreeMap::new());
    }
    for Counted { id, word, class, number } in counted {
        let key = match (by, id) {
            (By::Team, Some(id)) => Key::Team(TeamId(id)),
            (By::Worker, Some(id)) => Key::Worker(PersonId(id)),
            (By::Risk, _) => Key::Risk(word.unwrap_or_default()),
            _ => Key::Total,
        };
        *lines.entry(key).or_default().entry(class).or_default() += number;
    }
    let line = |of: BTreeMap<String, i64>| {
        let count = |class: &str| of.get(class).copied().unwrap_or_default();
        let total: i64 = of.values().sum();
        let mut line: Line =
            report.counts().iter().map(|class| ((*class).to_owned(), Figure::Count(count(class)))).collect();
        let number = |n: i64| usize::try_from(n).unwrap_or_default();
        line.push(("total".into(), Figure::Count(total)));
        if let Some(good) = report.counts().first() {
            line.push((format!("{good}_share"), Figure::Share(share(number(count(good)), number(total)))));
        }
        line
    };
    lines.into_iter().map(|(key, of)| (key, line(of))).collect()
}

async fn alarms(
    tx: &mut Tx,
    directory: &Directory,
    asked: &Asked,
    by: By,
    line: fn(&[&AlarmFact]) -> Line,
) -> crate::store::Result<Vec<(Key, Line)>> {
    let all = reports::alarms(tx, directory.organisation, &asked.scope).await?;
    if by == By::Month {
        let months = asked.period.months(directory.zone).into_iter();
        return Ok(months
            .map(|(first, Period { from, to })| {
                let of: Vec<_> = all.iter().filter(|alarm| (from..to).contains(&alarm.opened_at)).collect();
                (Key::Month(first), line(&of))
            })
            .collect());
    }
    let mut lines = lines_of(&all, by);
    if by == By::Total {
        lines.entry(Key::Total).or_default();
    }
    Ok(lines.into_iter().map(|(key, of)| (key, line(&of))).collect())
}

fn incident(alarm: &AlarmFact) -> Behind {
    Behind {
        what: "incident".into(),
        id: alarm.id.0,
        worker: Some(alarm.subject.0),
        team: alarm.team.0,
        at: Some(alarm.opened_at),
        ..Behind::default()
    }
}

fn dated_thing(one: &WasDue) -> Behind {
    Behind {
        what: one.what.into(),
        id: one.id,
        reference: one.reference.clone(),
        worker: one.worker.map(|worker| worker.0),
        team: one.team.0,
        at: None,
        due_on: Some(one.due_on),
        rule: one.rule.clone(),
        risk: one.risk.clone(),
    }
}

fn drill(drill: &DrillFact) -> Behind {
    Behind {
        what: "drill".into(),
        id: drill.id,
        worker: None,
        team: drill.team_id.0,
        at: Some(drill.starts_at),
        ..Behind::default()
    }
}

fn called_in_drill(called: &CalledInDrill) -> Behind {
    Behind {
        what: "person".into(),
        id: called.person_id.0,
        team: called.team_id.0,
        at: Some(called.answered_at.unwrap_or(called.starts_at)),
        ..Behind::default()
    }
}

fn drills_by(drills: &[DrillFact], directory: &Directory, asked: &Asked, by: By) -> Vec<(Key, Line)> {
    let mut lines: BTreeMap<Key, Vec<&DrillFact>> = BTreeMap::new();
    match by {
        By::Team => {
            for drill in drills {
                lines.entry(Key::Team(drill.team_id)).or_default().push(drill);
            }
        }
        By::Month => {
            for (first, Period { from, to }) in asked.period.months(directory.zone) {
                let of = drills.iter().filter(|drill| (from..to).contains(&drill.starts_at)).collect();
                lines.insert(Key::Month(first), of);
            }
        }
        By::Total | By::Worker | By::Risk | By::Rule => {
            lines.insert(Key::Total, drills.iter().collect());
        }
    }
    lines.into_iter().map(|(key, of)| (key, drills_line(&of))).collect()
}

fn drills_line(drills: &[&DrillFact]) -> Line {
    let number = |of: fn(&DrillFact) -> i64| drills.iter().map(|drill| of(drill)).sum::<i64>();
    let mut first: Vec<i64> = drills
        .iter()
        .filter_map(|drill| Some((drill.first_answer? - drill.starts_at).num_seconds()))
        .collect();
    first.sort_unstable();
    let half = first.get((first.len().max(1) - 1) / 2).copied();
    vec![
        ("drills".into(), Figure::Count(i64::try_from(drills.len()).unwrap_or(i64::MAX))),
        ("called".into(), Figure::Count(number(|drill| drill.called))),
        ("answered".into(), Figure::Count(number(|drill| drill.answered))),
        ("first_answer_p50".into(), Figure::Seconds(half)),
        ("first_answer_worst".into(), Figure::Seconds(first.last().copied())),
    ]
}

/// Each address of everybody who may be called, of the teams in question.
fn reached<'d>(directory: &'d Directory, scope: &'d Scope) -> impl Iterator<Item = (&'d Person, Channel)> {
    let people = directory.people.values().filter(move |person| {
        person.may_be_called()
            && scope.teams.contains(&person.team)
            && scope.worker.is_none_or(|worker| worker == person.id)
    });
    people
        .flat_map(|person| Channel::ALL.into_iter().filter(|by| person.has(*by)).map(move |by| (person, by)))
}

fn is_proved(directory: &Directory, person: &Person, by: Channel) -> bool {
    directory.standing(person.id, by) == Standing::Proved
}

fn contacts(directory: &Directory, scope: &Scope, by: By) -> Vec<(Key, Line)> {
    let counted = reached(directory, scope).map(|(person, channel)| {
        let proved = is_proved(directory, person, channel);
        let id = match by {
            By::Team => Some(person.team.0),
            By::Worker => Some(person.id.0),
            _ => None,
        };
        Counted { id, word: None, class: if proved { "proved" } else { "unproved" }.to_owned(), number: 1 }
    });
    lines_counted(counted.collect(), by, ReportKind::Contacts)
}
