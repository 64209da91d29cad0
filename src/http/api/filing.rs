//! What a case system needs, over HTTP: as JSON and as CSV (docs/filing.md).

use axum::{
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Act, Reply, incidents::said, ladders::TeamView, views::PersonView};
use crate::{
    app::{
        access::Actor,
        filing::{self as cases, Asked},
    },
    clock::Time,
    domain::{
        assessment::Rating,
        csv::push_line,
        event::stamp,
        filing::{Entry, Filed, FilingKind},
        ids::PersonId,
        local_time,
        oversight::OversightAbout,
        people::Directory,
        visit::{VisitOutcome, Visiting},
    },
    http::{
        Site,
        body::{Body, parse},
        problem::{Kind, Problem},
    },
    store::{filing::IsFiled, people},
};

/// So many entries in one list at most, and where it is not said.
const MOST: usize = 1000;
const USUAL: usize = 200;
/// So many lines in one table at most.
const LONGEST_TABLE: usize = 20_000;
/// Nothing was filed before.
const EARLIEST: Option<NaiveDate> = NaiveDate::from_ymd_opt(2000, 1, 1);
/// Of so many days where the first is not said.
const USUAL_DAYS: TimeDelta = TimeDelta::days(92);
/// The longest reference of another system.
const LONGEST_REFERENCE: usize = 100;

/// The columns of the table, in this order. New ones are added at the end.
pub(super) const COLUMNS: [&str; 26] = [
    "kind",
    "id",
    "date",
    "case_reference",
    "person",
    "accompanied_by",
    "team",
    "arrived_at",
    "left_at",
    "address",
    "visiting",
    "outcome",
    "seen_whom",
    "work_undertaken",
    "assessment",
    "assessment_version",
    "assessment_rating",
    "assessment_reused_on",
    "agreed_by",
    "agreed_at",
    "filed_reference",
    "filed_at",
    "filed_by",
    "oversight_about",
    "oversight_about_id",
    "oversight",
];

/// Which entries.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct FilingQuery {
    /// Complete on this day or later, in the organisation's zone; not said: 92 days before the last, or of what is not filed
    /// everything.
    from: Option<NaiveDate>,
    /// Complete on this day or earlier; not said: today.
    to: Option<NaiveDate>,
    /// Of this team and those below it, by id or key; not said: of all that you reach.
    team: Option<String>,
    /// `yes`: only what is filed; `no`: only what is not.
    filed: Option<String>,
    /// After this place: the `next` of the page before.
    after: Option<String>,
    /// So many, 1 to 1000; 200 if not said.
    limit: Option<usize>,
}

/// A period, as days, and what is asked for.
fn read(query: FilingQuery, today: NaiveDate, zone: Tz) -> Result<((NaiveDate, NaiveDate), Asked), Problem> {
    let to = query.to.unwrap_or(today);
    // What waits to be filed may have waited for long.
    let usual =
        if query.filed.as_deref() == Some("no") { EARLIEST } else { to.checked_sub_signed(USUAL_DAYS) };
    let from = query.from.or(usual).unwrap_or(to);
    for (field, day) in [("from", from), ("to", to)] {
        if !(2000..2200).contains(&day.year()) {
            return Err(Problem::field(field, "this day cannot be meant: say it as 2026-03-09"));
        }
    }
    if from > to {
        return Err(Problem::field("from", "is after `to`"));
    }
    let filed = match query.filed.as_deref() {
        None => None,
        Some("yes") => Some(IsFiled::Yes),
        Some("no") => Some(IsFiled::No),
        Some(_) => return Err(Problem::field("filed", "use yes or no")),
    };
    let after = match query.after.as_deref() {
        None => (Time::UNIX_EPOCH, Uuid::nil()),
        Some(next) => place(next).ok_or_else(|| Problem::field("after", "hand back the `next` of a page"))?,
    };
    let limit = query.limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::field("limit", "between 1 and 1000"));
    }
    let begins = |day| local_time::at(day, NaiveTime::MIN, zone);
    let before = begins(to + TimeDelta::days(1));
    let asked = Asked { from: begins(from), before, team: query.team, filed, after, limit };
    Ok(((from, to), asked))
}

/// After which entry a page begins.
fn place(next: &str) -> Option<(Time, Uuid)> {
    let (at, id) = next.split_once('_')?;
    Some((DateTime::parse_from_rfc3339(at).ok()?.to_utc(), id.parse().ok()?))
}

fn next_of(entry: &Entry) -> String {
    format!("{}_{}", stamp(entry.at), entry.id)
}

/// An assessment, as a visit refers to it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct AssessedByView {
    /// Its id.
    id: Uuid,
    /// Its version.
    version: i32,
    /// What it came to.
    rating: Rating,
    /// It was made for an earlier visit, and on this day nothing had changed; none: it was not used again.
    reused_on: Option<NaiveDate>,
}

/// As what something is filed elsewhere.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct FiledView {
    /// The other system's own reference.
    reference: String,
    /// When that was said.
    filed_at: DateTime<Utc>,
    /// By whom.
    filed_by: PersonView,
}

impl FiledView {
    fn new(directory: &Directory, filed: &Filed) -> Self {
        let filed_by = PersonView::of(directory, filed.by);
        Self { reference: filed.reference.clone(), filed_at: filed.at, filed_by }
    }
}

/// Something that has to be filed, or is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct FilingEntry {
    /// A completed visit, an agreed assessment, or an entry of management oversight.
    kind: FilingKind,
    /// Its id.
    id: Uuid,
    /// The day, in the organisation's zone: of the visit, or on which the assessment was agreed.
    date: NaiveDate,
    /// Whose case.
    case_reference: Option<String>,
    /// Who visited, who made the assessment, or which manager said it.
    person: PersonView,
    /// Who else was on the visit.
    accompanied_by: Vec<PersonView>,
    /// Whose it is.
    team: Option<TeamView>,
    /// When the worker was at the door.
    arrived_at: Option<DateTime<Utc>>,
    /// When the worker left; where somebody else ended the visit: when they did.
    left_at: Option<DateTime<Utc>>,
    /// Where.
    address: Option<String>,
    /// Who is visited.
    visiting: Option<Visiting>,
    /// How the visit turned out.
    outcome: Option<VisitOutcome>,
    /// Who was seen.
    seen_whom: Option<String>,
    /// What was done.
    work_undertaken: Option<String>,
    /// The assessment that the visit was agreed by, or this one.
    assessment: Option<AssessedByView>,
    /// Who agreed to the visit, or with the assessment; none: no person had to.
    agreed_by: Option<PersonView>,
    /// When.
    agreed_at: Option<DateTime<Utc>>,
    /// What a manager said of a case, a visit or an assessment.
    oversight: Option<OversightFiling>,
    /// As what it is filed elsewhere; none: it is not.
    filed: Option<FiledView>,
}

/// What a manager said.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct OversightFiling {
    /// Of what.
    about: OversightAbout,
    /// The id of that.
    about_id: Uuid,
    /// In their words; none: they were erased.
    words: Option<String>,
}

/// The day that an entry is of.
fn day_of(entry: &Entry, zone: Tz) -> NaiveDate {
    entry.arrived_at.unwrap_or(entry.at).with_timezone(&zone).date_naive()
}

impl FilingEntry {
    fn new(directory: &Directory, entry: &Entry) -> Self {
        let person = |id: PersonId| PersonView::of(directory, id);
        Self {
            kind: entry.kind,
            id: entry.id,
            date: day_of(entry, directory.zone),
            case_reference: entry.case_reference.clone(),
            person: person(entry.by),
            accompanied_by: entry.with.iter().map(|id| person(*id)).collect(),
            team: TeamView::of(directory, entry.team),
            arrived_at: entry.arrived_at,
            left_at: entry.left_at,
            address: entry.address.clone(),
            visiting: entry.visiting,
            outcome: entry.outcome,
            seen_whom: entry.seen_whom.clone(),
            work_undertaken: entry.work_undertaken.clone(),
            assessment: entry.assessment.map(|by| AssessedByView {
                id: by.id.0,
                version: by.version,
                rating: by.rating,
                reused_on: by.reused_on,
            }),
            agreed_by: entry.agreed.map(|(by, _)| person(by)),
            agreed_at: entry.agreed.map(|(_, at)| at),
            oversight: entry.oversight.as_ref().map(|(subject, words)| OversightFiling {
                about: subject.about(),
                about_id: subject.id(),
                words: words.clone(),
            }),
            filed: entry.filed.as_ref().map(|filed| FiledView::new(directory, filed)),
        }
    }
}

/// What has to be filed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct FilingList {
    /// The first day.
    from: NaiveDate,
    /// The last day.
    to: NaiveDate,
    /// In the order in which they were complete.
    entries: Vec<FilingEntry>,
    /// Hand this back as `after`; none: there is no more.
    next: Option<String>,
}

/// Lists completed visits, agreed assessments and management oversight for whoever files them elsewhere: case administrators and managers in their reach,
/// auditors. It holds personal data.
#[utoipa::path(get, path = "/filing", params(FilingQuery), responses((status = 200, body = FilingList),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(site): State<Site>,
    actor: Actor,
    query: Result<Query<FilingQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|error| Problem::field("query", error.body_text()))?;
    let today = site.clock.now().with_timezone(&actor.zone).date_naive();
    let ((from, to), asked) = read(query, today, actor.zone)?;
    let limit = asked.limit;
    let mut tx = site.db.read().await?;
    let found = cases::list(&mut tx, &actor, asked).await??;
    let directory = people::directory(&mut tx, actor.organisation).await?;
    let next = found.last().filter(|_| found.len() == limit).map(next_of);
    let entries = found.iter().map(|entry| FilingEntry::new(&directory, entry)).collect();
    Ok(Reply::ok(&FilingList { from, to, entries, next }).into_response())
}

/// The same as a table: RFC 4180, UTF-8, with a line of headings; docs/filing.md says what the columns hold.
#[utoipa::path(get, path = "/filing.csv", params(FilingQuery), responses((status = 200, body = String, content_type = "text/csv"),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn as_csv(
    State(site): State<Site>,
    actor: Actor,
    query: Result<Query<FilingQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|error| Problem::field("query", error.body_text()))?;
    let today = site.clock.now().with_timezone(&actor.zone).date_naive();
    // Without a limit it is the whole period.
    let whole = query.limit.is_none();
    let (_, mut asked) = read(query, today, actor.zone)?;
    if whole {
        asked.limit = MOST;
    }
    let mut tx = site.db.read().await?;
    let directory = people::directory(&mut tx, actor.organisation).await?;
    let (mut table, mut lines) = (String::new(), 0);
    push_line(&mut table, COLUMNS);
    loop {
        let found = cases::list(&mut tx, &actor, asked.clone()).await??;
        for entry in &found {
            push_line(&mut table, cells(&directory, entry).iter().map(String::as_str));
        }
        lines += found.len();
        match found.last() {
            Some(last) if whole && found.len() == MOST => asked.after = (last.at, last.id),
            _ => break,
        }
        if lines >= LONGEST_TABLE {
            let what =
                format!("there are more than {LONGEST_TABLE} lines: ask for fewer days, or for one team");
            return Err(Problem::field("from", what));
        }
    }
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"filing.csv\""),
    ];
    Ok((headers, table).into_response())
}

/// The cells of a line, as [`COLUMNS`] names them.
fn cells(directory: &Directory, entry: &Entry) -> [String; COLUMNS.len()] {
    let zone = directory.zone;
    let name = |id: PersonId| directory.name_of(id).to_owned();
    let instant = |at: Option<Time>| {
        at.map(|at| at.with_timezone(&zone).to_rfc3339_opts(chrono::SecondsFormat::Secs, false))
            .unwrap_or_default()
    };
    let word = |word: Option<&'static str>| word.unwrap_or_default().to_owned();
    let words = |words: &Option<String>| words.clone().unwrap_or_default();
    let with: Vec<String> = entry.with.iter().map(|id| name(*id)).collect();
    let (assessment, filed) = (entry.assessment, entry.filed.as_ref());
    [
        entry.kind.as_str().to_owned(),
        entry.id.to_string(),
        day_of(entry, zone).to_string(),
        words(&entry.case_reference),
        name(entry.by),
        with.join("; "),
        directory.teams.get(&entry.team).map(|team| team.name.clone()).unwrap_or_default(),
        instant(entry.arrived_at),
        instant(entry.left_at),
        words(&entry.address),
        word(entry.visiting.map(Visiting::as_str)),
        word(entry.outcome.map(VisitOutcome::as_str)),
        words(&entry.seen_whom),
        words(&entry.work_undertaken),
        assessment.map(|by| by.id.to_string()).unwrap_or_default(),
        assessment.map(|by| by.version.to_string()).unwrap_or_default(),
        word(assessment.map(|by| by.rating.as_str())),
        assessment.and_then(|by| by.reused_on).map(|day| day.to_string()).unwrap_or_default(),
        entry.agreed.map(|(by, _)| name(by)).unwrap_or_default(),
        instant(entry.agreed.map(|(_, at)| at)),
        filed.map(|filed| filed.reference.clone()).unwrap_or_default(),
        instant(filed.map(|filed| filed.at)),
        filed.map(|filed| name(filed.by)).unwrap_or_default(),
        word(entry.oversight.as_ref().map(|(subject, _)| subject.about().as_str())),
        entry.oversight.as_ref().map(|(subject, _)| subject.id().to_string()).unwrap_or_default(),
        entry.oversight.as_ref().map(|(_, said)| words(said)).unwrap_or_default(),
    ]
}

/// As what it is filed.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FiledBody {
    /// The other system's own reference.
    reference: String,
}

/// Says that a visit, an assessment or an entry of oversight is filed elsewhere, and as what there. Said again it changes nothing.
#[utoipa::path(put, path = "/filing/{kind}/{id}", params(("kind" = FilingKind, Path), ("id" = Uuid, Path)), request_body = FiledBody,
    responses((status = 200, body = FiledView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn say(
    State(site): State<Site>,
    actor: Actor,
    Path((kind, id)): Path<(String, String)>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let route = format!("PUT /filing/{kind}/{id}");
    let about = FilingKind::read(&kind).zip(id.parse().ok()).ok_or_else(|| Problem::of(Kind::NotFound))?;
    let reference = said("reference", &parse::<FiledBody>(&body)?.reference)?;
    if reference.chars().count() > LONGEST_REFERENCE || reference.contains('\n') {
        let what = format!("{LONGEST_REFERENCE} characters at most, in one line");
        return Err(Problem::field("reference", what));
    }
    let case = async move |tx: &mut _, actor: &Actor, trace| {
        Ok(match cases::say(tx, actor, about, &reference, trace).await? {
            Ok(filed) => {
                let directory = people::directory(tx, actor.organisation).await?;
                Reply::ok(&FiledView::new(&directory, &filed))
            }
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, route, &headers, body).run(case).await)
}
