//! Checklists: which are in force, a new version of one, and the answers of a visit (row A9).

use std::collections::BTreeMap;

use serde_json::json;

use super::{
    House, Outcome, Rejected, access::Actor, allowed, chases as asking, ladders::may_arrange,
    telling::Telling,
};
use crate::{
    domain::{
        checklist::{self, Answer, Answered, Checklist, Item, LISTS, When, Whose},
        event::{EventKind, NewEvent},
        ids::{ChecklistId, TeamId, VisitId},
        measures::MeasuresSaid,
        notice::{Asked, Notice},
        people::Directory,
        rights::{self, Arrange},
        visit::Visit,
    },
    store::{
        self, Trace, Tx,
        chases::{self, Chase, Missing},
        checklists,
        events::log_for_organisation,
        people, visits,
    },
};

/// Those in force for a team, by id or key; for one's own if none is named. Everybody may see their own team's.
pub async fn list(tx: &mut Tx, actor: &Actor, team: Option<&str>) -> Outcome<Vec<Checklist>> {
    let directory = people::directory(tx, actor.organisation).await?;
    let team = match team.map(|named| (named, directory.team_named(named))) {
        None => actor.team,
        Some((_, Some(team))) => team.id,
        Some((named, None)) => return Ok(Err(Rejected::NoSuchTeam(named.to_owned()))),
    };
    if team != actor.team {
        allowed!(may_arrange(tx, actor, Arrange::See, Some(team), &directory).await?);
    }
    Ok(Ok(all_in_force(tx, actor, &directory, team).await?))
}

async fn all_in_force(
    tx: &mut Tx,
    actor: &Actor,
    directory: &Directory,
    team: TeamId,
) -> store::Result<Vec<Checklist>> {
    let current = checklists::current(tx, actor.organisation).await?;
    Ok(LISTS.into_iter().map(|of| checklists::in_force(&current, directory, team, of)).collect())
}

/// Puts one in force: a version of its own. One that says what its team has set already changes nothing.
pub async fn set(
    tx: &mut Tx,
    actor: &Actor,
    (whose, when): (Whose, When),
    (team, items): (Option<&str>, Vec<Item>),
    trace: Trace,
) -> Outcome<Checklist> {
    let directory = people::directory(tx, actor.organisation).await?;
    let team = match team.map(|named| (named, directory.team_named(named))) {
        None => None,
        Some((_, Some(team))) => Some(team.id),
        Some((named, None)) => return Ok(Err(Rejected::NoSuchTeam(named.to_owned()))),
    };
    allowed!(may_arrange(tx, actor, Arrange::Change, team, &directory).await?);
    let current = checklists::current(tx, actor.organisation).await?;
    let is_own = |list: &&Checklist| list.team == team && (list.whose, list.when) == (whose, when);
    let before = current.iter().find(is_own);
    if let Some(before) = before.filter(|before| before.items == items) {
        return Ok(Ok(before.clone()));
    }
    let set = (actor.person, trace.now);
    let checklist = Checklist {
        id: Some(ChecklistId::new(trace.now)),
        team,
        whose,
        when,
        version: before.map_or(0, |before| before.version) + 1,
        items,
        set: Some(set),
    };
    checklists::add(tx, actor.organisation, &checklist, set).await?;
    let body = json!({
        "checklist": checklist.id,
        "team": team,
        "for": whose,
        "when": when,
        "version": checklist.version,
        "items": checklist.items,
    });
    let event = NewEvent::new(EventKind::ChecklistSet, trace.now, body);
    log_for_organisation(tx, actor.organisation, (team, None), trace, event).await?;
    Ok(Ok(checklist))
}

/// What was answered, and what of it is still missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What was answered.
    pub answered: Answered,
    /// The required items of which nothing was ever said.
    pub missing: Vec<String>,
}

/// Answers the list of whoever asks: the worker's by the worker, the manager's by a manager in reach. What is missing refuses
/// nothing, and no deadline moves.
pub async fn answer(
    tx: &mut Tx,
    actor: &Actor,
    (id, when): (VisitId, When),
    answers: Vec<Answer>,
    trace: Trace,
) -> Outcome<Kept> {
    let Some((mut visit, _)) = visits::load(tx, actor.organisation, id).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    let relation = actor.relation_to_visit(tx, &visit).await?;
    let whose = allowed!(rights::checklist_of(actor.role, relation));
    let directory = people::directory(tx, actor.organisation).await?;
    let current = checklists::current(tx, actor.organisation).await?;
    let list = checklists::in_force(&current, &directory, visit.team, (whose, when));
    if let Some(unknown) = list.unknown(&answers) {
        return Ok(Err(unknown.into()));
    }
    let answered = Answered {
        whose,
        when,
        checklist: list.id,
        version: list.version,
        items: list.items,
        answers,
        by: actor.person,
        at: trace.now,
    };
    checklists::add_answer(tx, actor.organisation, id, &answered).await?;
    let all = of_list(checklists::answers(tx, actor.organisation, id).await?, (whose, when));
    let missing = checklist::missing(&answered.items, &all);
    let ticks: Vec<_> =
        (answered.answers.iter()).map(|answer| json!({"item": answer.item, "done": answer.done})).collect();
    let body = json!({
        "for": whose,
        "when": when,
        "checklist": answered.checklist,
        "version": answered.version,
        "answers": ticks,
        "missing": missing,
    });
    let mut event = NewEvent::new(EventKind::ChecklistAnswered, trace.now, body);
    let said = answered.answers.iter().filter(|answer| answer.words.is_some());
    let words: Vec<_> = said.map(|answer| json!({"item": answer.item, "words": answer.words})).collect();
    if !words.is_empty() {
        event = event.with_private(json!({"answers": words}));
    }
    visits::log(tx, &mut visit, event, trace).await?;
    if when == When::After && missing.is_empty() {
        chases::drop(tx, actor.organisation, chases::about_visit(id, asked_for(whose))).await?;
    }
    Ok(Ok(Kept { answered, missing }))
}

/// By what the answers to somebody's checklist for after a visit are asked for.
fn asked_for(whose: Whose) -> Missing {
    match whose {
        Whose::Worker => Missing::WorkerChecklist,
        Whose::Manager => Missing::ManagerChecklist,
    }
}

/// The times that one list was answered.
pub fn of_list(mut answered: Vec<Answered>, of: (Whose, When)) -> Vec<Answered> {
    answered.retain(|time| (time.whose, time.when) == of);
    answered
}

/// The lists of a visit with what was said of them, and of the agreed measures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfVisit {
    /// The visit.
    pub visit: Visit,
    /// Each list: the version that was answered last, or the one in force; and each time that it was answered.
    pub lists: Vec<(Checklist, Vec<Answered>)>,
    /// What was said of the measures, in that order.
    pub measures: Vec<MeasuresSaid>,
}

/// The same, for whoever may see the visit.
pub async fn of_visit(tx: &mut Tx, actor: &Actor, id: VisitId) -> Outcome<OfVisit> {
    let Some(visit) = visits::find(tx, actor.organisation, id).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    let relation = actor.relation_to_visit(tx, &visit).await?;
    allowed!(rights::may(actor.role, rights::Act::SeeVisit, relation));
    let directory = people::directory(tx, actor.organisation).await?;
    let answered = checklists::answers(tx, actor.organisation, id).await?;
    let mut lists = Vec::new();
    for list in all_in_force(tx, actor, &directory, visit.team).await? {
        let times = of_list(answered.clone(), (list.whose, list.when));
        let list = match times.last() {
            Some(last) => Checklist {
                id: last.checklist,
                version: last.version,
                items: last.items.clone(),
                team: None,
                set: None,
                ..list
            },
            None => list,
        };
        lists.push((list, times));
    }
    let measures = checklists::measures(tx, actor.organisation, id).await?;
    Ok(Ok(OfVisit { visit, lists, measures }))
}

/// Asks workers, and whoever answers for them, for what is missing of their checklists for after visits; from the third day those
/// above them too. One text for all of somebody's visits.
pub(super) async fn ask(
    tx: &mut Tx,
    house: &House,
    directory: &Directory,
    due: &[&Chase],
    trace: Trace,
) -> store::Result<()> {
    if due.is_empty() {
        return Ok(());
    }
    let organisation = directory.organisation;
    let current = checklists::current(tx, organisation).await?;
    let (mut workers, mut managers) = (BTreeMap::new(), BTreeMap::new());
    for chase in due {
        let whose = if chase.kind == Missing::ManagerChecklist { Whose::Manager } else { Whose::Worker };
        let found = match chase.visit_id {
            Some(id) => visits::load(tx, organisation, id).await?,
            None => None,
        };
        // One that was begun again is asked for anew once it is over.
        let Some((mut visit, _)) = found.filter(|(visit, _)| asking::was_made(visit)) else {
            chases::drop(tx, organisation, chase.about).await?;
            continue;
        };
        let missing = missing_after(tx, (directory, &current), &visit, whose).await?;
        if missing.is_empty() {
            chases::drop(tx, organisation, chase.about).await?;
            continue;
        }
        let body = json!({"for": whose, "times": chase.asked + 1, "missing": missing});
        let event = NewEvent::new(EventKind::ChecklistAsked, trace.now, body);
        visits::log(tx, &mut visit, event, trace).await?;
        match whose {
            Whose::Worker => asking::add(&mut workers, visit.worker, &visit, chase),
            Whose::Manager => {
                for manager in directory.who_has_to_know(visit.worker) {
                    asking::add(&mut managers, manager, &visit, chase);
                }
            }
        }
    }
    for (whose, asked) in [(Whose::Worker, workers), (Whose::Manager, managers)] {
        for (person, asking::SoMany { visits, first, asked_often }) in asked {
            let telling = Telling { house, directory, worker: person, now: trace.now };
            let notice = |asked| Notice::ChecklistMissing { whose, visits, first, asked };
            let occasion =
                format!("checklist-missing/{}/{person}/{}", whose.as_str(), trace.now.date_naive());
            telling.tell_person(tx, person, notice(Asked::Them), None, &occasion).await?;
            if asked_often {
                let name = directory.name_of(person).to_owned();
                let occasion = format!("{occasion}/above");
                for above in directory.who_has_to_know(person) {
                    let asked = Asked::TheirManager(name.clone());
                    telling.tell_person(tx, above, notice(asked), None, &occasion).await?;
                }
            }
        }
    }
    Ok(())
}

/// What is missing of one list for after a visit: of the version that was answered last, or else of the one in force.
async fn missing_after(
    tx: &mut Tx,
    (directory, current): (&Directory, &[Checklist]),
    visit: &Visit,
    whose: Whose,
) -> store::Result<Vec<String>> {
    let of = (whose, When::After);
    let times = of_list(checklists::answers(tx, visit.organisation, visit.id).await?, of);
    let items = match times.last() {
        Some(last) => last.items.clone(),
        None => checklists::in_force(current, directory, visit.team, of).items,
    };
    Ok(checklist::missing(&items, &times))
}
