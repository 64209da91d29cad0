//! Management oversight: entries, and where they are asked for.

use chrono::NaiveDate;
use sqlx::{FromRow, types::Json};
use uuid::Uuid;

use super::{Error, Result, Tx, both, execute};
use crate::{
    clock::Time,
    domain::{
        ids::{CaseId, OrganisationId, OversightAskId, OversightId, PersonId, TeamId},
        oversight::{Asked, Entry, OversightAbout, OversightRule, Rules, Subject},
    },
};

const RULES: &str = "SELECT body FROM oversight_rules WHERE organisation_id = $1";
const SAVE_RULES: &str = "INSERT INTO oversight_rules (organisation_id, body) VALUES ($1, $2)
     ON CONFLICT (organisation_id) DO UPDATE SET body = excluded.body";
const INSERT: &str = "INSERT INTO oversight (id, organisation_id, about, about_id, at, by_id, words)
     VALUES ($1, $2, $3, $4, $5, $6, $7)";
const ENTRIES: &str =
    "SELECT * FROM oversight WHERE about_id = $1 AND about = $2 AND organisation_id = $3 ORDER BY id";
const ENTRY: &str = "SELECT * FROM oversight WHERE id = $1 AND organisation_id = $2";
const ASK: &str =
    "INSERT INTO oversight_asked (id, organisation_id, team_id, rule, about, about_id, worker_id, asked_on, due_on)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     ON CONFLICT (about_id, rule) WHERE done_on IS NULL AND withdrawn_on IS NULL DO NOTHING";
const DONE: &str = "UPDATE oversight_asked SET done_on = $4, done_by = $5
     WHERE about_id = $1 AND about = $2 AND organisation_id = $3 AND done_on IS NULL AND withdrawn_on IS NULL RETURNING *";
const WITHDRAW: &str = "UPDATE oversight_asked SET withdrawn_on = $4
     WHERE about_id = $1 AND rule = $2 AND organisation_id = $3 AND done_on IS NULL AND withdrawn_on IS NULL";
const FOLLOW_CASE: &str = "UPDATE oversight_asked SET team_id = $3, worker_id = $4
     WHERE about_id = $1 AND organisation_id = $2 AND done_on IS NULL AND withdrawn_on IS NULL";
const FOLLOW_ASSESSMENTS: &str = "UPDATE oversight_asked SET team_id = $3
     WHERE about_id IN (SELECT a.id FROM place p JOIN assessment a ON a.place_id = p.id WHERE p.case_id = $1)
       AND organisation_id = $2 AND done_on IS NULL AND withdrawn_on IS NULL";
const ASKED_FOR: &str =
    "SELECT a.*, c.reference FROM oversight_asked a LEFT JOIN assessment s ON s.id = a.about_id
       LEFT JOIN case_file c ON c.id = coalesce(s.case_id, a.about_id)
     WHERE a.organisation_id = $1 AND a.due_on >= $2 AND a.due_on <= $3
       AND (a.withdrawn_on IS NULL OR a.withdrawn_on > a.due_on) ORDER BY a.due_on, a.id";
const MISSING: &str =
    "SELECT a.*, c.reference FROM oversight_asked a LEFT JOIN assessment s ON s.id = a.about_id
       LEFT JOIN case_file c ON c.id = coalesce(s.case_id, a.about_id)
     WHERE a.organisation_id = $1 AND a.done_on IS NULL AND a.withdrawn_on IS NULL
       AND (a.due_on > $2 OR a.due_on = $2 AND a.id > $3) ORDER BY a.due_on, a.id LIMIT $4";
const MISSING_OF_TEAM: &str =
    "SELECT * FROM oversight_asked WHERE organisation_id = $1 AND done_on IS NULL AND withdrawn_on IS NULL AND team_id = $2
     ORDER BY due_on, id LIMIT $3";

/// Where an organisation asks for it.
pub async fn rules(tx: &mut Tx, organisation: OrganisationId) -> Result<Rules> {
    let found: Option<(Json<Rules>,)> =
        both!(tx, |c| sqlx::query_as(RULES).bind(organisation).fetch_optional(c).await?);
    Ok(found.map(|(rules,)| rules.0).unwrap_or_default())
}

/// Keeps that.
pub async fn save_rules(tx: &mut Tx, organisation: OrganisationId, rules: &Rules) -> Result<()> {
    execute!(tx, SAVE_RULES, organisation, Json(rules));
    Ok(())
}

#[derive(FromRow)]
struct EntryRow {
    id: OversightId,
    organisation_id: OrganisationId,
    about: OversightAbout,
    about_id: Uuid,
    at: Time,
    by_id: PersonId,
    words: Option<String>,
}

impl From<EntryRow> for Entry {
    fn from(row: EntryRow) -> Self {
        Self {
            id: row.id,
            organisation: row.organisation_id,
            subject: Subject::of(row.about, row.about_id),
            at: row.at,
            by: row.by_id,
            words: row.words,
        }
    }
}

/// Keeps an entry.
pub async fn insert(tx: &mut Tx, entry: &Entry) -> Result<()> {
    let (about, id) = (entry.subject.about(), entry.subject.id());
    execute!(tx, INSERT, entry.id, entry.organisation, about, id, entry.at, entry.by, &entry.words);
    Ok(())
}

/// What was said of one, the first one first.
pub async fn entries(tx: &mut Tx, organisation: OrganisationId, subject: Subject) -> Result<Vec<Entry>> {
    let (id, about) = (subject.id(), subject.about());
    let rows: Vec<EntryRow> =
        both!(tx, |c| sqlx::query_as(ENTRIES).bind(id).bind(about).bind(organisation).fetch_all(c).await?);
    Ok(rows.into_iter().map(Entry::from).collect())
}

/// One of them.
pub async fn entry(tx: &mut Tx, organisation: OrganisationId, id: OversightId) -> Result<Option<Entry>> {
    let row: Option<EntryRow> =
        both!(tx, |c| sqlx::query_as(ENTRY).bind(id).bind(organisation).fetch_optional(c).await?);
    Ok(row.map(Entry::from))
}

#[derive(FromRow)]
struct AskedRow {
    id: OversightAskId,
    organisation_id: OrganisationId,
    team_id: TeamId,
    rule: OversightRule,
    about: OversightAbout,
    about_id: Uuid,
    worker_id: Option<PersonId>,
    asked_on: String,
    due_on: String,
    done_on: Option<String>,
    done_by: Option<OversightId>,
    #[sqlx(default)]
    reference: Option<String>,
}

impl TryFrom<AskedRow> for Asked {
    type Error = Error;
    fn try_from(row: AskedRow) -> Result<Self> {
        let day = |column: &'static str, text: &str| -> Result<NaiveDate> {
            text.parse().map_err(|_| Error::inconsistent("oversight_asked", column, row.id))
        };
        let done_on = row.done_on.as_deref().map(|on| day("done_on", on)).transpose()?;
        Ok(Self {
            id: row.id,
            organisation: row.organisation_id,
            team: row.team_id,
            rule: row.rule,
            subject: Subject::of(row.about, row.about_id),
            worker: row.worker_id,
            asked_on: day("asked_on", &row.asked_on)?,
            due_on: day("due_on", &row.due_on)?,
            done: done_on.zip(row.done_by),
            reference: row.reference,
        })
    }
}

/// Asks for it; false: that rule asks for it already.
pub async fn ask(tx: &mut Tx, asked: &Asked) -> Result<bool> {
    let (about, id) = (asked.subject.about(), asked.subject.id());
    let (asked_on, due_on) = (asked.asked_on.to_string(), asked.due_on.to_string());
    let kept = execute!(
        tx,
        ASK,
        asked.id,
        asked.organisation,
        asked.team,
        asked.rule,
        about,
        id,
        asked.worker,
        asked_on,
        due_on
    );
    Ok(kept == 1)
}

/// It is done by an entry: whatever asked for it.
pub async fn done(
    tx: &mut Tx,
    organisation: OrganisationId,
    subject: Subject,
    (on, by): (NaiveDate, OversightId),
) -> Result<Vec<Asked>> {
    let (id, about) = (subject.id(), subject.about());
    let rows: Vec<AskedRow> = both!(tx, |c| sqlx::query_as(DONE)
        .bind(id)
        .bind(about)
        .bind(organisation)
        .bind(on.to_string())
        .bind(by)
        .fetch_all(c)
        .await?);
    rows.into_iter().map(Asked::try_from).collect()
}

/// A rule asks for it no more; false: it did not.
pub async fn withdraw(
    tx: &mut Tx,
    organisation: OrganisationId,
    (subject, rule): (Subject, OversightRule),
    on: NaiveDate,
) -> Result<bool> {
    Ok(execute!(tx, WITHDRAW, subject.id(), rule, organisation, on.to_string()) > 0)
}

/// Another team looks after a case, or it is another worker's: so it is with what is asked for.
pub async fn follow_case(
    tx: &mut Tx,
    organisation: OrganisationId,
    subject: Subject,
    (team, worker): (TeamId, Option<PersonId>),
) -> Result<()> {
    execute!(tx, FOLLOW_CASE, subject.id(), organisation, team, worker);
    Ok(())
}

/// Another team looks after a case: it is asked what is asked for of its assessments. Who made them stays.
pub async fn follow_assessments(
    tx: &mut Tx,
    organisation: OrganisationId,
    case: CaseId,
    team: TeamId,
) -> Result<()> {
    execute!(tx, FOLLOW_ASSESSMENTS, case, organisation, team);
    Ok(())
}

/// What was asked for by a day from one to another, and not withdrawn.
pub async fn asked_for(
    tx: &mut Tx,
    organisation: OrganisationId,
    (from, to): (NaiveDate, NaiveDate),
) -> Result<Vec<Asked>> {
    let rows: Vec<AskedRow> = both!(tx, |c| sqlx::query_as(ASKED_FOR)
        .bind(organisation)
        .bind(from.to_string())
        .bind(to.to_string())
        .fetch_all(c)
        .await?);
    rows.into_iter().map(Asked::try_from).collect()
}

/// What is missing, the first day first, after one of them.
pub async fn missing(
    tx: &mut Tx,
    organisation: OrganisationId,
    (after, limit): (Option<(NaiveDate, OversightAskId)>, i64),
) -> Result<Vec<Asked>> {
    let (due_on, id) = after.map_or((String::new(), Uuid::nil()), |(due_on, id)| (due_on.to_string(), id.0));
    let rows: Vec<AskedRow> = both!(tx, |c| sqlx::query_as(MISSING)
        .bind(organisation)
        .bind(&due_on)
        .bind(id)
        .bind(limit)
        .fetch_all(c)
        .await?);
    rows.into_iter().map(Asked::try_from).collect()
}

/// What is missing of one team's, the first day first.
pub async fn missing_of_team(
    tx: &mut Tx,
    organisation: OrganisationId,
    team: TeamId,
    limit: i64,
) -> Result<Vec<Asked>> {
    let rows: Vec<AskedRow> = both!(tx, |c| sqlx::query_as(MISSING_OF_TEAM)
        .bind(organisation)
        .bind(team)
        .bind(limit)
        .fetch_all(c)
        .await?);
    rows.into_iter().map(Asked::try_from).collect()
}
