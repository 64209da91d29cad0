//! At a team's closing time whoever is on duty says that everybody is out; unconfirmed it goes to the next (row V14).

use serde_json::json;

use super::{House, MOVED_ASIDE, Outcome, Rejected, access::Actor, codes, telling::Telling};
use crate::{
    clock::Time,
    domain::{
        contact::Channel,
        event::{Door, EventKind, NewEvent},
        ids::{PersonId, TeamId},
        local_time::{self, written},
        notice::Notice,
        people::{Directory, Person, Team},
        policy::delta,
        visit::Visit,
    },
    store::{
        self, Trace, Tx,
        end_of_day::{self, EndOfDay},
        events::log_for_organisation,
        people, visits,
    },
};

/// Sets the next closing time of every team, as its policy says; what is asked meanwhile goes on.
pub(super) async fn follow_policies(tx: &mut Tx, directory: &Directory, now: Time) -> store::Result<()> {
    for team in directory.teams.values() {
        let kept = end_of_day::load(tx, directory.organisation, team.id).await?;
        let is_asked = kept.as_ref().is_some_and(|kept| kept.day.is_some());
        match team.policy.next_closing(now, directory.zone) {
            Some(_) if is_asked => {}
            Some(due_at) => {
                end_of_day::set(tx, directory.organisation, &next(team.id, directory, due_at)).await?;
            }
            None if kept.is_some() => end_of_day::drop(tx, directory.organisation, team.id).await?,
            None => {}
        }
    }
    Ok(())
}

fn next(team_id: TeamId, directory: &Directory, due_at: Time) -> EndOfDay {
    let organisation_id = directory.organisation;
    EndOfDay { team_id, organisation_id, due_at, day: None, asked: 0, asked_id: None, code: None }
}

/// When the next is due.
pub async fn next_due(tx: &mut Tx) -> store::Result<Option<Time>> {
    end_of_day::next_due_any_org(tx).await
}

/// Asks for up to `limit` teams that are due; how many those were. A use case of its own: whatever goes wrong here takes no
/// alarm with it.
pub async fn ask(tx: &mut Tx, house: &House, limit: i64, now: Time) -> store::Result<usize> {
    let trace = Trace::machine(Door::Timer, now);
    let due = end_of_day::due_any_org(tx, now, limit).await?;
    let asked = due.len();
    for (team, organisation) in due {
        let asked = tx
            .part(async |tx| match end_of_day::load(tx, organisation, team).await? {
                Some(it) => ask_one(tx, house, it, trace).await,
                None => Ok(()),
            })
            .await;
        match asked {
            Ok(()) => {}
            Err(error) if error.is_for_the_whole() => return Err(error),
            Err(error) => {
                tracing::error!(%error, %team, "an end of the day could not be asked about");
                end_of_day::put_aside(tx, organisation, team, now + MOVED_ASIDE).await?;
            }
        }
    }
    Ok(asked)
}

async fn ask_one(tx: &mut Tx, house: &House, mut it: EndOfDay, trace: Trace) -> store::Result<()> {
    let now = trace.now;
    let directory = people::directory(tx, it.organisation_id).await?;
    let team = directory.teams.get(&it.team_id);
    let closed = |after| team.and_then(|team| team.policy.next_closing(after, directory.zone));
    let Some(team) = team.filter(|_| closed(now).is_some()) else {
        return end_of_day::drop(tx, it.organisation_id, it.team_id).await;
    };
    // After an outage the last closing time is asked about, once; so is that of a day after one that nobody confirmed.
    let mut last = asked_about(&it, team, &directory).unwrap_or(it.due_at);
    while let Some(later) = closed(last).filter(|later| *later <= now) {
        last = later;
    }
    let day = last.with_timezone(&directory.zone).date_naive().to_string();
    let is_new = it.day.as_ref() != Some(&day);
    if is_new {
        it = EndOfDay { day: Some(day), asked: 0, asked_id: None, code: Some(codes::code()?), ..it };
    }
    let line = who_is_asked(team, &directory);
    let turn = usize::try_from(it.asked).unwrap_or_default();
    let whom = line.get(turn % line.len().max(1)).copied();
    let unconfirmed_by = it.asked_id.filter(|_| !is_new).map(|id| directory.name_of(id).to_owned());
    let out = still_out(tx, &directory, team.id).await?;
    let notice = Notice::EndOfDay {
        team: team.name.clone(),
        out: out.iter().map(|visit| said(visit, &directory, now)).collect(),
        code: it.code.clone().unwrap_or_default(),
        unconfirmed_by,
    };
    let occasion = format!("end-of-day/{}/{}/{}", team.id, it.day.as_deref().unwrap_or_default(), it.asked);
    match whom {
        Some(whom) => {
            let telling = Telling { house, directory: &directory, worker: whom, now };
            telling.tell_person(tx, whom, notice, None, &occasion).await?;
        }
        None => super::telling::tell_last_resort(tx, house, &directory, &notice, &occasion, now).await?,
    }
    let body =
        json!({"team": team.id, "day": it.day, "asked": whom, "time": it.asked + 1, "still_out": out.len()});
    let event = NewEvent::new(EventKind::EndOfDayAsked, now, body);
    log_for_organisation(tx, it.organisation_id, (Some(team.id), None), trace, event).await?;
    it.asked += 1;
    it.asked_id = whom;
    // The next closing time is asked about, however long is waited for an answer about this one.
    let again = now + delta(team.policy.closing_wait);
    it.due_at = closed(now).map_or(again, |closes| again.min(closes));
    end_of_day::set(tx, it.organisation_id, &it).await
}

/// The closing time that somebody is asked about.
fn asked_about(it: &EndOfDay, team: &Team, directory: &Directory) -> Option<Time> {
    let day = it.day.as_ref()?.parse().ok()?;
    Some(local_time::at(day, team.policy.closing_time.0?, directory.zone))
}

/// The team's managers, the duty manager, the managers above: whoever can be reached, each once.
fn who_is_asked(team: &Team, directory: &Directory) -> Vec<PersonId> {
    let reached = |person: &&Person| !person.left && Channel::ALL.iter().any(|channel| person.has(*channel));
    let mut lines = directory.line_of(team.id).into_iter();
    let own: Vec<_> = lines.next().into_iter().flat_map(|team| directory.managers_of(team)).collect();
    let duty = directory.duty_manager.and_then(|id| directory.person(id));
    let above = lines.flat_map(|team| directory.managers_of(team));
    let mut asked = Vec::new();
    for person in own.into_iter().chain(duty).chain(above).filter(reached) {
        if !asked.contains(&person.id) {
            asked.push(person.id);
        }
    }
    asked
}

/// The visits of a team's workers that are watched now.
pub async fn still_out(tx: &mut Tx, directory: &Directory, team: TeamId) -> store::Result<Vec<Visit>> {
    let mut out = visits::watched_of_team(tx, directory.organisation, team).await?;
    out.sort_by_key(Visit::watched_till);
    Ok(out)
}

fn said(visit: &Visit, directory: &Directory, now: Time) -> String {
    let till = visit.watched_till().unwrap_or(visit.expected_departure);
    format!("{} till {}", directory.name_of(visit.worker), written(till, now, directory.zone))
}

/// A team's end of the day, as somebody who may see it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// The team.
    pub team: Team,
    /// Who is still out.
    pub out: Vec<Visit>,
    /// What is asked, or when next.
    pub day: Option<EndOfDay>,
}

/// Shows it to whoever answers for the team, or was asked.
pub async fn show(tx: &mut Tx, actor: &Actor, key: &str) -> Outcome<Shown> {
    let directory = people::directory(tx, actor.organisation).await?;
    let Some(team) = directory.teams.values().find(|team| team.key == key).cloned() else {
        return Ok(Err(Rejected::NotFound));
    };
    let day = end_of_day::find(tx, actor.organisation, team.id).await?;
    let is_asked = day.as_ref().is_some_and(|day| {
        day.day.is_some()
            && (day.asked_id == Some(actor.person) || directory.duty_manager == Some(actor.person))
    });
    let answers_for_it = actor.role.manages() && actor.reaches(tx, team.id).await?;
    if !is_asked && !answers_for_it {
        return Ok(Err(Rejected::Role));
    }
    let out = still_out(tx, &directory, team.id).await?;
    Ok(Ok(Shown { team, out, day }))
}

/// Somebody who answers for the team says that all are out. Who is still watched goes on to be: their visits end by themselves.
pub async fn confirm(tx: &mut Tx, actor: &Actor, key: &str, trace: Trace) -> Outcome<Shown> {
    let mut shown = super::allowed!(show(tx, actor, key).await?);
    let Some(it) = end_of_day::load(tx, actor.organisation, shown.team.id).await? else {
        return Ok(Ok(shown));
    };
    let Some(day) = &it.day else { return Ok(Ok(shown)) };
    let directory = people::directory(tx, actor.organisation).await?;
    let body = json!({"team": shown.team.id, "day": day, "still_out": shown.out.len(), "asked": it.asked});
    let event = NewEvent::new(EventKind::EndOfDayConfirmed, trace.now, body);
    log_for_organisation(tx, actor.organisation, (Some(shown.team.id), None), trace, event).await?;
    // One that has passed meanwhile is asked about too.
    let confirmed = asked_about(&it, &shown.team, &directory).unwrap_or(trace.now);
    let closes = shown.team.policy.next_closing(confirmed, directory.zone);
    shown.day = closes.map(|due_at| next(shown.team.id, &directory, due_at));
    match &shown.day {
        Some(next) => end_of_day::set(tx, actor.organisation, next).await?,
        None => end_of_day::drop(tx, actor.organisation, shown.team.id).await?,
    }
    Ok(Ok(shown))
}

/// The same by text: the code says which team. `None`: it is the code of none.
pub async fn confirm_by_code(
    tx: &mut Tx,
    actor: &Actor,
    code: &str,
    trace: Trace,
) -> store::Result<Option<Result<Shown, Rejected>>> {
    let Some(team) = end_of_day::team_of_code(tx, actor.organisation, code).await? else { return Ok(None) };
    let directory = people::directory(tx, actor.organisation).await?;
    let Some(team) = directory.teams.get(&team) else { return Ok(None) };
    confirm(tx, actor, &team.key, trace).await.map(Some)
}
