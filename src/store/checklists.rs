//! Checklists: versioned; the answers to them, each with the words that were asked; what was said of the agreed measures.

use sqlx::{FromRow, types::Json};

use super::{Error, Result, Tx, both, execute, readable};
use crate::{
    clock::Time,
    domain::{
        checklist::{Answer, Answered, Checklist, Item, When, Whose, provided},
        ids::{ChecklistId, OrganisationId, PersonId, TeamId, VisitId},
        measures::{Kept, MeasuresSaid, Moment},
        people::Directory,
    },
};

const CURRENT: &str = "SELECT id, team_id, whose, moment, version, items, set_by, set_at FROM checklist l WHERE organisation_id = $1
       AND version = (SELECT max(version) FROM checklist m WHERE m.organisation_id = l.organisation_id AND m.whose = l.whose
                      AND m.moment = l.moment AND (m.team_id = l.team_id OR (m.team_id IS NULL AND l.team_id IS NULL)))";
const ADD: &str =
    "INSERT INTO checklist (id, organisation_id, team_id, whose, moment, version, items, set_by, set_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING";
const ADD_ANSWER: &str =
    "INSERT INTO checklist_answer (visit_id, number, organisation_id, whose, moment, checklist_id, version, items, answers,
       answered_by, answered_at)
     VALUES ($1, (SELECT count(*) + 1 FROM checklist_answer WHERE visit_id = $1), $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const ANSWERS: &str =
    "SELECT * FROM checklist_answer WHERE visit_id = $1 AND organisation_id = $2 ORDER BY number";
const ADD_MEASURES: &str =
    "INSERT INTO measures_said (visit_id, number, organisation_id, moment, kept, words, said_by, said_at)
     VALUES ($1, (SELECT count(*) + 1 FROM measures_said WHERE visit_id = $1), $2, $3, $4, $5, $6, $7)";
const MEASURES: &str = "SELECT moment, kept, words, said_by, said_at FROM measures_said
     WHERE visit_id = $1 AND organisation_id = $2 ORDER BY number";

#[derive(FromRow)]
struct Row {
    id: ChecklistId,
    team_id: Option<TeamId>,
    whose: Whose,
    moment: When,
    version: i32,
    items: Json<Vec<Item>>,
    set_by: PersonId,
    set_at: Time,
}

impl From<Row> for Checklist {
    fn from(row: Row) -> Self {
        Self {
            id: Some(row.id),
            team: row.team_id,
            whose: row.whose,
            when: row.moment,
            version: row.version,
            items: row.items.0,
            set: Some((row.set_by, row.set_at)),
        }
    }
}

/// The newest version of each checklist that an organisation has set.
pub async fn current(tx: &mut Tx, organisation: OrganisationId) -> Result<Vec<Checklist>> {
    let rows = both!(tx, |c| readable!(sqlx::query(CURRENT).bind(organisation).fetch_all(c).await?, Row));
    Ok(rows.into_iter().map(Checklist::from).collect())
}

/// Of those, the one in force for a team: its own, that of the nearest team above, the organisation's, what Homeward comes with.
pub fn in_force(current: &[Checklist], directory: &Directory, team: TeamId, of: (Whose, When)) -> Checklist {
    let (whose, when) = of;
    let set = |team| current.iter().find(|list| list.team == team && (list.whose, list.when) == of).cloned();
    let nearest = directory.line_of(team).into_iter().find_map(|team| set(Some(team)));
    nearest.or_else(|| set(None)).unwrap_or_else(|| Checklist {
        id: None,
        team: None,
        whose,
        when,
        version: 0,
        items: provided(whose, when),
        set: None,
    })
}

/// Adds a version. Somebody else may have added one meanwhile: then it is to be looked at again.
pub async fn add(
    tx: &mut Tx,
    organisation: OrganisationId,
    checklist: &Checklist,
    (set_by, set_at): (PersonId, Time),
) -> Result<()> {
    let added = execute!(
        tx,
        ADD,
        checklist.id,
        organisation,
        checklist.team,
        checklist.whose,
        checklist.when,
        checklist.version,
        Json(&checklist.items),
        set_by,
        set_at
    );
    if added == 1 { Ok(()) } else { Err(Error::Conflict) }
}

/// Keeps that one was answered; the caller holds the visit.
pub async fn add_answer(
    tx: &mut Tx,
    organisation: OrganisationId,
    visit: VisitId,
    answered: &Answered,
) -> Result<()> {
    execute!(
        tx,
        ADD_ANSWER,
        visit,
        organisation,
        answered.whose,
        answered.when,
        answered.checklist,
        answered.version,
        Json(&answered.items),
        Json(&answered.answers),
        answered.by,
        answered.at
    );
    Ok(())
}

#[derive(FromRow)]
struct AnswerRow {
    whose: Whose,
    moment: When,
    checklist_id: Option<ChecklistId>,
    version: i32,
    items: Json<Vec<Item>>,
    answers: Json<Vec<Answer>>,
    answered_by: PersonId,
    answered_at: Time,
}

impl From<AnswerRow> for Answered {
    fn from(row: AnswerRow) -> Self {
        Self {
            whose: row.whose,
            when: row.moment,
            checklist: row.checklist_id,
            version: row.version,
            items: row.items.0,
            answers: row.answers.0,
            by: row.answered_by,
            at: row.answered_at,
        }
    }
}

/// Each time that a checklist of a visit was answered, in that order.
pub async fn answers(tx: &mut Tx, organisation: OrganisationId, visit: VisitId) -> Result<Vec<Answered>> {
    Ok(both!(tx, |c| {
        let rows = sqlx::query(ANSWERS).bind(visit).bind(organisation).fetch_all(c).await?;
        readable!(rows, AnswerRow, |row| Ok(Answered::from(row)))
    }))
}

/// Keeps what was said of the agreed measures; the caller holds the visit.
pub async fn add_measures(
    tx: &mut Tx,
    organisation: OrganisationId,
    visit: VisitId,
    said: &MeasuresSaid,
) -> Result<()> {
    execute!(tx, ADD_MEASURES, visit, organisation, said.moment, said.kept, &said.words, said.by, said.at);
    Ok(())
}

/// Each time that something was said of a visit's measures, in that order.
pub async fn measures(
    tx: &mut Tx,
    organisation: OrganisationId,
    visit: VisitId,
) -> Result<Vec<MeasuresSaid>> {
    let rows: Vec<(Moment, Kept, Option<String>, PersonId, Time)> =
        both!(tx, |c| sqlx::query_as(MEASURES).bind(visit).bind(organisation).fetch_all(c).await?);
    let said = |(moment, kept, words, by, at)| MeasuresSaid { moment, kept, words, by, at };
    Ok(rows.into_iter().map(said).collect())
}
