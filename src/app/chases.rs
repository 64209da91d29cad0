//! Asks for what is missing: each day at nine the person whose task it is, from the third day their manager too (row V2);
//! what else is asked for in the same way comes through here too.

use std::collections::BTreeMap;

use chrono::{Days, NaiveTime};
use chrono_tz::Tz;
use serde_json::json;

use super::{
    House, MOVED_ASIDE, checklists, concerns, equipment, exceptions, policy_documents, telling::Telling,
};
use crate::{
    clock::Time,
    domain::{
        event::{Door, EventKind, NewEvent},
        ids::{FollowUpId, OrganisationId, PersonId, VisitId},
        local_time,
        notice::{Asked, Notice},
        people::Directory,
        policy::{ChecklistsAsked, Policy},
        visit::{EndedHow, Visit, VisitState},
    },
    store::{
        self, Trace, Tx,
        chases::{self, Chase, Due, Missing},
        follow_ups, incidents, people, visits,
    },
};

/// From the third day the manager is told too: after this many times that only they were asked.
pub(super) const ASKED_ALONE: i32 = 2;

/// When people are asked, on the clock of their place.
pub(super) const ASKED_AT: NaiveTime = match NaiveTime::from_hms_opt(9, 0, 0) {
    Some(nine) => nine,
    None => NaiveTime::MIN,
};

/// And from then on: what was due while the service was down waits for the next morning, rather than wake anybody.
const ASKED_UNTIL: NaiveTime = match NaiveTime::from_hms_opt(20, 0, 0) {
    Some(eight) => eight,
    None => NaiveTime::MIN,
};

/// Who discussed a concern that is still open is asked every so many days.
const OPEN_CONCERN_EVERY: Days = Days::new(7);

/// After an act: whoever has to be asked for the record, and where the team wants that for the checklists, is asked from the next day
/// on, and no longer once it is there.
pub(super) async fn follow(
    tx: &mut Tx,
    (zone, policy): (Tz, &Policy),
    (before, after): (&Visit, &Visit),
    now: Time,
) -> store::Result<()> {
    match (lacks_record(before), lacks_record(after)) {
        (false, true) => ask_for_record(tx, zone, after, now).await?,
        (true, false) => chases::drop(tx, after.organisation, after.id.0).await?,
        _ => {}
    }
    if !was_made(before) && was_made(after) {
        ask_for_checklists(tx, (zone, policy), after, now).await?;
    }
    Ok(())
}

/// Worker and manager are asked for their checklists, from the next day on, where the team wants that (row A9).
pub(super) async fn ask_for_checklists(
    tx: &mut Tx,
    (zone, policy): (Tz, &Policy),
    visit: &Visit,
    now: Time,
) -> store::Result<()> {
    if policy.checklists == ChecklistsAsked::NotAsked {
        return Ok(());
    }
    let due_at = local_time::next_at(ASKED_AT, now, zone);
    for kind in [Missing::WorkerChecklist, Missing::ManagerChecklist] {
        chases::set(tx, &Chase::of_visit(visit, kind, due_at)).await?;
    }
    Ok(())
}

/// When somebody is asked for this again.
fn again(kind: Missing, now: Time, zone: Tz) -> Time {
    match kind {
        Missing::ConcernOpen => in_a_week(now, zone),
        _ => local_time::next_at(ASKED_AT, now, zone),
    }
}

/// When a concern that is discussed now, and not closed, is asked for.
pub(super) fn in_a_week(now: Time, zone: Tz) -> Time {
    let day = now.with_timezone(&zone).date_naive().checked_add_days(OPEN_CONCERN_EVERY);
    day.map_or_else(|| local_time::next_at(ASKED_AT, now, zone), |day| local_time::at(day, ASKED_AT, zone))
}

/// The worker is asked for the record, from the next day on.
pub(super) async fn ask_for_record(tx: &mut Tx, zone: Tz, visit: &Visit, now: Time) -> store::Result<()> {
    let due_at = local_time::next_at(ASKED_AT, now, zone);
    let chase = Chase {
        about: visit.id.0,
        kind: Missing::Record,
        organisation_id: visit.organisation,
        person_id: visit.worker,
        due_at,
        asked: 0,
        visit_id: None,
    };
    chases::set(tx, &chase).await
}

/// Whether a visit was made and lacks its outcome or the work undertaken; or its worker is out, as they or others say, of what they had
/// never begun, and only they can say whether it was made.
pub(super) fn lacks_record(visit: &Visit) -> bool {
    let out = matches!(visit.state, VisitState::Ended { by, how, .. }
        if by == visit.worker || visit.left_at.is_some() || how == EndedHow::EndedForWorker);
    match visit.outcome {
        None => was_made(visit) || out,
        Some(_) => was_made(visit) && visit.work_undertaken.is_none(),
    }
}

/// Whether a visit was made and is over.
pub(super) fn was_made(visit: &Visit) -> bool {
    let over = matches!(visit.state, VisitState::Ended { .. } | VisitState::Recorded { .. });
    over && visit.arrived_at.is_some()
}

/// Visits of which something is missing, asked for in one text.
#[derive(Debug)]
pub(super) struct SoMany {
    /// How many.
    pub(super) visits: usize,
    /// The first of them ended then.
    pub(super) first: Time,
    /// They were asked so often that those above them are told.
    pub(super) asked_often: bool,
}

/// Adds a visit to what somebody is asked for.
pub(super) fn add(to: &mut BTreeMap<PersonId, SoMany>, whom: PersonId, visit: &Visit, chase: &Chase) {
    let ended = match visit.state {
        VisitState::Ended { at, .. } | VisitState::Recorded { left_at: at, .. } => at,
        _ => visit.expected_departure,
    };
    let theirs = to.entry(whom).or_insert(SoMany { visits: 0, first: ended, asked_often: false });
    theirs.visits += 1;
    theirs.first = theirs.first.min(ended);
    theirs.asked_often |= chase.asked >= ASKED_ALONE;
}

/// What is missing of one person's, asked for in one text.
#[derive(Default)]
struct Lacking {
    visits: Vec<Visit>,
    asked_often: bool,
}

/// Asks for up to `limit` of each kind that are due; how many those were. Not urgent, and a use case of its own: whatever goes
/// wrong here takes no alarm with it.
pub async fn ask_for_what_is_missing(
    tx: &mut Tx,
    house: &House,
    limit: i64,
    now: Time,
) -> store::Result<usize> {
    let trace = Trace::machine(Door::Timer, now);
    let due = chases::due_any_org(tx, now, limit).await?;
    let asked = due.len();
    let mut by_organisation: BTreeMap<OrganisationId, Vec<Due>> = BTreeMap::new();
    for due in due {
        by_organisation.entry(due.organisation_id).or_default().push(due);
    }
    for (organisation, due) in by_organisation {
        let all: Vec<&Due> = due.iter().collect();
        match tx.part(async |tx| ask(tx, house, organisation, &all, trace).await).await {
            Ok(()) => {}
            Err(error) if error.is_for_the_whole() => return Err(error),
            // One that cannot be worked on holds up none of the others.
            Err(_of_one) => {
                for due in &due {
                    ask_or_put_aside(tx, house, due, trace).await?;
                }
            }
        }
    }
    Ok(asked)
}

async fn ask_or_put_aside(tx: &mut Tx, house: &House, due: &Due, trace: Trace) -> store::Result<()> {
    let asked = tx.part(async |tx| ask(tx, house, due.organisation_id, &[due], trace).await).await;
    match asked {
        Err(error) if !error.is_for_the_whole() => {
            let about = due.about;
            tracing::error!(%error, %about, "what is missing there was not asked for; moved aside for 30 s");
            chases::put_aside_any_org(tx, about, trace.now + MOVED_ASIDE).await
        }
        done => done,
    }
}

/// When somebody is to be asked next.
pub async fn next_due(tx: &mut Tx) -> store::Result<Option<Time>> {
    chases::next_due_any_org(tx).await
}

/// Each person gets one text for all their visits.
async fn ask(
    tx: &mut Tx,
    house: &House,
    organisation: OrganisationId,
    due: &[&Due],
    trace: Trace,
) -> store::Result<()> {
    let directory = &people::directory(tx, organisation).await?;
    let mut lacking: BTreeMap<PersonId, Lacking> = BTreeMap::new();
    let (mut of_people, mut of_equipment) = (Vec::new(), Vec::new());
    let (mut of_checklists, mut of_exceptions) = (Vec::new(), Vec::new());
    let clock = trace.now.with_timezone(&directory.zone).time();
    for due in due {
        let chase = due.chase.as_ref().map_err(Clone::clone)?;
        if !(ASKED_AT..ASKED_UNTIL).contains(&clock) {
            let morning = local_time::next_at(ASKED_AT, trace.now, directory.zone);
            chases::put_off_any_org(tx, chase, morning).await?;
            continue;
        }
        if !chases::asked_any_org(tx, chase, again(chase.kind, trace.now, directory.zone)).await? {
            continue;
        }
        match chase.kind {
            Missing::Record => {
                let found = visits::load(tx, chase.organisation_id, VisitId(chase.about)).await?;
                let Some((mut visit, _)) = found.filter(|(visit, _)| lacks_record(visit)) else {
                    chases::drop(tx, chase.organisation_id, chase.about).await?;
                    continue;
                };
                let event =
                    NewEvent::new(EventKind::VisitChased, trace.now, json!({"times": chase.asked + 1}));
                visits::log(tx, &mut visit, event, trace).await?;
                let theirs = lacking.entry(chase.person_id).or_default();
                theirs.asked_often |= chase.asked >= ASKED_ALONE;
                theirs.visits.push(visit);
            }
            Missing::FollowUp => follow_up(tx, house, directory, chase, trace).await?,
            Missing::Concern => concerns::ask_to_discuss(tx, house, directory, chase, trace).await?,
            Missing::ConcernOpen => concerns::ask_to_close(tx, house, directory, chase, trace).await?,
            Missing::ConcernAction => concerns::ask_to_act(tx, house, directory, chase, trace).await?,
            Missing::PolicyDocument => of_people.push(chase),
            Missing::Equipment => of_equipment.push(chase),
            Missing::WorkerChecklist | Missing::ManagerChecklist => of_checklists.push(chase),
            Missing::ExceptionReview => of_exceptions.push(chase),
        }
    }
    for (person, Lacking { visits, asked_often }) in lacking {
        let Some(first) = visits.iter().map(|visit| visit.expected_departure).min() else { continue };
        let telling = Telling { house, directory, worker: person, now: trace.now };
        let notice = |asked| Notice::RecordMissing { visits: visits.len(), first, asked };
        let occasion = format!("record-missing/{person}/{}", trace.now.date_naive());
        telling.tell_person(tx, person, notice(Asked::Them), None, &occasion).await?;
        if asked_often {
            let name = directory.name_of(person).to_owned();
            telling.tell_managers(tx, notice(Asked::TheirManager(name)), None, &occasion).await?;
        }
    }
    checklists::ask(tx, house, directory, &of_checklists, trace).await?;
    exceptions::ask(tx, house, directory, &of_exceptions, trace).await?;
    // Last, since they are logged for the organisation, which is locked after all others.
    equipment::ask_back(tx, house, directory, &of_equipment, trace).await?;
    policy_documents::ask(tx, house, directory, &of_people, trace).await
}

async fn follow_up(
    tx: &mut Tx,
    house: &House,
    directory: &Directory,
    chase: &Chase,
    trace: Trace,
) -> store::Result<()> {
    let organisation: OrganisationId = chase.organisation_id;
    let found = follow_ups::find(tx, organisation, FollowUpId(chase.about)).await?;
    let Some(follow_up) = found.filter(|found| found.done.is_none()) else {
        return chases::drop(tx, organisation, chase.about).await;
    };
    let Some(incident) = incidents::find(tx, organisation, follow_up.incident).await? else { return Ok(()) };
    let notice = |asked| Notice::FollowUpDue { kind: follow_up.kind, due_on: follow_up.due_on, asked };
    let occasion = format!("follow-up/{}/{}", follow_up.id, trace.now.date_naive());
    let about = Telling { house, directory, worker: incident.subject, now: trace.now };
    about.tell_person(tx, follow_up.owner, notice(Asked::Them), Some(incident.id), &occasion).await?;
    if chase.asked >= ASKED_ALONE {
        let asked = Asked::TheirManager(directory.name_of(follow_up.owner).to_owned());
        let may_know = |id: &PersonId| *id != incident.subject && !incident.is_withheld_from(*id);
        for manager in directory.managers_for(follow_up.owner).into_iter().filter(may_know) {
            about.tell_person(tx, manager, notice(asked.clone()), Some(incident.id), &occasion).await?;
        }
    }
    Ok(())
}
