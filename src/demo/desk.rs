//! What the page shows besides phones: the manager's desk, and what a worker reads of the visits that they have planned. Read as
//! those people read it, by their rights.

use serde::Serialize;

use super::{
    acts,
    feed::{Look, moment},
};
use crate::{
    app::{
        access::Actor,
        agreements,
        due::{self, Filter, Item},
        exceptions,
    },
    clock::Time,
    domain::{
        agreement::{AgreedBy, Agreement, Approver, Exception, State, Talk, Weight},
        calendar::day_of,
        due::{Bucket, Made},
        exception::{ExceptionKind, OutOfTheOrdinary},
        ids::VisitId,
        people::{Directory, Person},
        visit::Visit,
    },
    store::{self, Tx, exceptions::Filter as Which, visits},
};

/// Whose desk it is.
const MANAGER: &str = "sam";
/// Who decides what Sam cannot.
const SENIOR_MANAGER: &str = "una";
/// So much of each list is shown.
const MOST: i64 = 50;

/// The manager's desk.
#[derive(Debug, Default, Serialize)]
pub(super) struct Desk {
    queue: Vec<Waiting>,
    due: Vec<DueRow>,
    exceptions: Vec<ExceptionRow>,
    refused: Vec<Refused>,
}

/// A visit that is to be made, or is being made.
#[derive(Debug, Serialize)]
struct Wanted {
    visit: VisitId,
    worker: String,
    place: String,
    reference: String,
    /// When it begins, or began.
    begins: String,
}

/// One about which somebody has to decide.
#[derive(Debug, Serialize)]
struct Waiting {
    #[serde(flatten)]
    wanted: Wanted,
    /// Somebody is inside already: watched as high risk until somebody decides.
    at_the_door: bool,
    /// Why a person has to look at it.
    because: Vec<String>,
    /// What is out of the ordinary, and what people said of it.
    said: Vec<String>,
    /// Who decides, by key and by name.
    decides: (String, String),
    /// Whether somebody can agree to it as it stands.
    can_be_agreed: bool,
    /// Whether that needs a reason: a refusal always does.
    needs_words: bool,
}

/// A case of which a visit is due.
#[derive(Debug, Serialize)]
struct DueRow {
    reference: String,
    worker: String,
    risk: String,
    bucket: Bucket,
    /// In words.
    state: String,
    /// By when.
    by: String,
    /// By which rule, why it was excused, or why it cannot be computed.
    why: Vec<String>,
    planned: Option<String>,
}

/// A visit that was out of the ordinary, and that nobody has looked at since.
#[derive(Debug, Serialize)]
struct ExceptionRow {
    #[serde(flatten)]
    wanted: Wanted,
    kind: &'static str,
    said: Vec<String>,
    agreed: String,
    outcome: String,
    /// Who looks at it, by key and by name.
    reviews: (String, String),
}

/// A visit to which somebody said no.
#[derive(Debug, Serialize)]
struct Refused {
    #[serde(flatten)]
    wanted: Wanted,
    by: String,
    because: Vec<String>,
    words: String,
}

/// What a worker reads of a visit of theirs.
#[derive(Debug, Serialize)]
pub(super) struct Planned {
    place: String,
    begins: String,
    state: &'static str,
    words: String,
}

/// Everything that lies on it.
pub(super) async fn desk(tx: &mut Tx, look: Look<'_>) -> store::Result<Desk> {
    let found = |key| acts::actor(look.directory, key);
    let (Some(manager), Some(senior)) = (found(MANAGER), found(SENIOR_MANAGER)) else {
        return Ok(Desk::default());
    };
    let queue = agreements::queue(tx, &manager, MOST, look.now).await?.unwrap_or_default();
    let queue = queue.iter().map(|(visit, agreement)| waiting(look, visit, agreement)).collect();
    let due = due::list(tx, &manager, Filter::default(), look.now).await?.unwrap_or_default();
    let due = due.iter().map(|item| due_row(look, item)).collect();
    Ok(Desk {
        queue,
        due,
        exceptions: to_review(tx, look, &senior).await?,
        refused: refused(tx, look, &manager).await?,
    })
}

/// A worker's own visits that have to be agreed, as they read them.
pub(super) async fn planned(tx: &mut Tx, look: Look<'_>, person: &Person) -> store::Result<Vec<Planned>> {
    let Some(worker) = acts::account(look.directory, person) else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for state in ["begun", "planned"] {
        let own = visits::Filter { state: Some(state), worker: Some(person.id), after: None };
        for visit in visits::list(tx, worker.organisation, own, MOST).await? {
            if let Ok((visit, Some(agreement))) = agreements::find(tx, &worker, visit.id).await? {
                all.push((visit, agreement));
            }
        }
    }
    all.sort_by_key(|(_, agreement)| agreement.begins_at);
    let row = |(visit, agreement): &(Visit, Agreement)| {
        let Wanted { place, begins, .. } = wanted(look, visit, agreement);
        Planned { place, begins, state: agreement.state.as_str(), words: in_words(look, agreement) }
    };
    Ok(all.iter().map(row).collect())
}

fn wanted(look: Look<'_>, visit: &Visit, agreement: &Agreement) -> Wanted {
    Wanted {
        visit: visit.id,
        worker: look.directory.name_of(visit.worker).into(),
        place: visit.details.place.clone().unwrap_or_default(),
        reference: visit.details.case_reference.clone().unwrap_or_default(),
        begins: begins(agreement.begins_at, look),
    }
}

/// To the minute: what is planned needs no more.
fn begins(at: Time, Look { directory, now }: Look<'_>) -> String {
    let form = if day_of(at, directory.zone) == day_of(now, directory.zone) {
        "today %H:%M"
    } else {
        "%a %-d %b %H:%M"
    };
    at.with_timezone(&directory.zone).format(form).to_string()
}

fn waiting(look: Look<'_>, visit: &Visit, agreement: &Agreement) -> Waiting {
    let senior = match agreement.state {
        State::Waiting { approver, .. } | State::Asked { approver, .. } => {
            approver == Approver::SeniorManager
        }
        _ => false,
    };
    let at_the_door = agreement.at_the_door().is_some();
    let key = if senior { SENIOR_MANAGER } else { MANAGER };
    Waiting {
        wanted: wanted(look, visit, agreement),
        at_the_door,
        because: because(agreement),
        said: said(look, agreement),
        decides: named(look.directory, key),
        can_be_agreed: agreement.reasons.iter().all(|reason| reason.weight != Weight::Nobody),
        needs_words: senior,
    }
}

fn named(directory: &Directory, key: &str) -> (String, String) {
    let name = directory.named(key).map(|person| person.name.clone()).unwrap_or_default();
    (key.to_owned(), name)
}

fn because(agreement: &Agreement) -> Vec<String> {
    agreement.reasons.iter().map(|reason| reason.says.clone()).collect()
}

/// What is out of the ordinary, then what people said to each other.
fn said(look: Look<'_>, agreement: &Agreement) -> Vec<String> {
    let talk = |talk: &Talk| format!("{}, {}: {}", talk.with, moment(talk.at, look), talk.said);
    let mut lines = match &agreement.private.exception {
        None => Vec::new(),
        Some(Exception::Emergency { circumstances }) => vec![format!("Circumstances: {circumstances}")],
        Some(Exception::OneOff { senior_manager, parents_or_carers, justification }) => vec![
            format!("Discussed before with {}", talk(senior_manager)),
            format!("Discussed before with {}", talk(parents_or_carers)),
            format!("Why: {justification}"),
        ],
    };
    let remarks = agreement.private.said.iter();
    lines.extend(remarks.map(|remark| format!("{}: {}", look.directory.name_of(remark.by), remark.words)));
    lines
}

/// How it stands, for whoever wants to go.
fn in_words(look: Look<'_>, agreement: &Agreement) -> String {
    let name = |id| look.directory.name_of(id);
    let because = because(agreement).join("; ");
    let last = agreement.private.said.last().map(|remark| format!(": {}", remark.words)).unwrap_or_default();
    match agreement.state {
        State::Agreed { by: AgreedBy::Rules, .. } => "Agreed: no rule objects".into(),
        State::Agreed { by: AgreedBy::Person(by) | AgreedBy::TheWorker(by), .. } => {
            format!("Agreed by {}", name(by))
        }
        State::Waiting { .. } => format!("NOT AGREED yet: {because}"),
        State::Asked { by, .. } => format!("{} asks{last}", name(by)),
        State::NotAgreed { .. } => format!("NOT AGREED, and nobody can as it stands: {because}"),
        State::Refused { by, .. } => format!("REFUSED by {}{last}", name(by)),
    }
}

fn due_row(look: Look<'_>, item: &Item) -> DueRow {
    let day = |day: chrono::NaiveDate| day.format("%a %-d %b").to_string();
    let strictest = item.standing.strictest();
    let bucket = item.bucket();
    let excuses = &item.case.facts.supervision.excuses;
    let excuse = strictest.and_then(|line| {
        excuses.iter().rev().find(|excuse| excuse.rule == line.rule && excuse.from == line.from)
    });
    let state = match (bucket, excuse) {
        (Bucket::Next | Bucket::ThisWeek, Some(_)) => "Excused".into(),
        (Bucket::Now, _) => "Due now".into(),
        (Bucket::Overdue, _) => {
            let days = item.standing.day().map_or(0, |day| (item.today - day).num_days());
            format!("Overdue by {days} {}", if days == 1 { "day" } else { "days" })
        }
        (Bucket::ThisWeek, None) if item.standing.day() == Some(item.today) => "Due today".into(),
        (Bucket::ThisWeek, None) => "Due this week".into(),
        (Bucket::CannotBeComputed, _) => "Cannot be computed".into(),
        (Bucket::Next, None) => "In time".into(),
        (Bucket::Paused, _) => "Paused".into(),
        (Bucket::NotDue, _) => "Not due".into(),
    };
    let by_whom = excuse.map(|excuse| {
        let by = look.directory.name_of(excuse.by.0);
        let was = excuse.due_on.map(|on| format!(", was due {}", day(on))).unwrap_or_default();
        format!("{by} excused it{was}: {}", excuse.reason)
    });
    let history = &item.case.facts.history.visits;
    let since = history.iter().rposition(Made::counts).map_or(0, |seen| seen + 1);
    let tried: Vec<_> = history.iter().skip(since).map(|made| day(made.on)).collect();
    let tried = (!tried.is_empty()).then(|| format!("tried in vain: {}", tried.join(", ")));
    let cannot = item.standing.cannot.iter().map(ToString::to_string);
    let rule = strictest.map(|line| line.why(&item.case.facts.supervision.pauses));
    let planned = item.planned.first().map(|plan| {
        format!("{}, {}", look.directory.name_of(plan.worker_id), begins(plan.expected_arrival, look))
    });
    DueRow {
        reference: item.case.reference.clone(),
        worker: item.case.worker.map(|id| look.directory.name_of(id).to_owned()).unwrap_or_default(),
        risk: item.case.facts.supervision.risk.as_deref().unwrap_or("not known").replace('_', " "),
        bucket,
        state,
        by: item.standing.day().map(day).unwrap_or_default(),
        why: cannot.chain(by_whom).chain(rule).chain(tried).collect(),
        planned,
    }
}

async fn to_review(tx: &mut Tx, look: Look<'_>, senior: &Actor) -> store::Result<Vec<ExceptionRow>> {
    let which = Which { reviewed: Some(false), after: None };
    let (found, _) = exceptions::list(tx, senior, which, usize::try_from(MOST).unwrap_or_default()).await?;
    let mut rows = Vec::with_capacity(found.len());
    for (visit, OutOfTheOrdinary { kind, .. }) in found {
        let Ok((_, Some(agreement))) = agreements::find(tx, senior, visit.id).await? else { continue };
        rows.push(ExceptionRow {
            wanted: wanted(look, &visit, &agreement),
            kind: match kind {
                ExceptionKind::Emergency => "Emergency, without an assessment",
                ExceptionKind::OneOff => "One-off, outside agreed arrangements",
            },
            said: said(look, &agreement),
            agreed: in_words(look, &agreement),
            outcome: visit.outcome.map_or_else(
                || "Not said yet: asked for each morning".into(),
                |outcome| outcome.as_str().replace('_', " "),
            ),
            reviews: named(look.directory, SENIOR_MANAGER),
        });
    }
    Ok(rows)
}

/// Those to which somebody said no, as long as nobody has called them off or come out.
async fn refused(tx: &mut Tx, look: Look<'_>, manager: &Actor) -> store::Result<Vec<Refused>> {
    let mut all = Vec::new();
    for state in ["begun", "planned"] {
        let filter = visits::Filter { state: Some(state), ..visits::Filter::default() };
        all.extend(visits::list(tx, manager.organisation, filter, MOST).await?);
    }
    let mut rows = Vec::new();
    for visit in all {
        let Ok((visit, Some(agreement))) = agreements::find(tx, manager, visit.id).await? else { continue };
        let State::Refused { by, .. } = agreement.state else { continue };
        rows.push(Refused {
            wanted: wanted(look, &visit, &agreement),
            by: look.directory.name_of(by).into(),
            because: because(&agreement),
            words: agreement.private.said.last().map(|remark| remark.words.clone()).unwrap_or_default(),
        });
    }
    Ok(rows)
}
