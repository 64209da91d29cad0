//! When drills begin by themselves (row E9): a row for each team, read in the organisation's zone. The scheduler wakes; what is due
//! stands in the rows, and a moment is begun once however many replicas wake for it.

use chrono::TimeDelta;
use serde_json::json;

use super::{Outcome, Rejected, access::Actor, allowed, drills::start_by_schedule, ladders::may_arrange};
use crate::{
    clock::Time,
    domain::{
        drill::Schedule,
        event::{Door, EventKind, NewEvent, stamp},
        ids::DrillScheduleId,
        rights::{self, Arrange},
    },
    store::{
        self, Trace, Tx,
        drills::{self, ScheduleVersion},
        events::log_for_organisation,
        people,
    },
};

/// A moment that was missed for longer is not begun any more.
const STILL_BEGUN: TimeDelta = TimeDelta::hours(1);
/// So many schedules in one transaction.
const AT_ONCE: i64 = 20;

/// Those in force that somebody may see.
pub async fn list(tx: &mut Tx, actor: &Actor) -> Outcome<Vec<ScheduleVersion>> {
    allowed!(rights::may_arrange(actor.role, Arrange::See, true));
    let directory = people::directory(tx, actor.organisation).await?;
    let mut seen = Vec::new();
    for version in drills::schedules(tx, actor.organisation).await? {
        if may_arrange(tx, actor, Arrange::See, Some(version.team_id), &directory).await?.is_ok() {
            seen.push(version);
        }
    }
    Ok(Ok(seen))
}

/// Sets a team's: a version of its own, in the place of the one before. The same again changes nothing.
pub async fn set(
    tx: &mut Tx,
    actor: &Actor,
    (team, cron): (&str, &str),
    trace: Trace,
) -> Outcome<ScheduleVersion> {
    let directory = people::directory(tx, actor.organisation).await?;
    let Some(team) = directory.team_named(team).map(|team| team.id) else {
        return Ok(Err(Rejected::NoSuchTeam(team.to_owned())));
    };
    allowed!(may_arrange(tx, actor, Arrange::Change, Some(team), &directory).await?);
    let cron = cron.trim();
    let schedule = allowed!(Schedule::to_keep(cron, trace.now, directory.zone));
    let in_force = drills::schedules(tx, actor.organisation).await?;
    let before = in_force.into_iter().find(|version| version.team_id == team);
    if let Some(before) = before {
        if before.cron == cron {
            return Ok(Ok(before));
        }
        drills::remove_schedule(tx, actor.organisation, before.id, (actor.person, trace.now)).await?;
    }
    let version = ScheduleVersion {
        id: DrillScheduleId::new(trace.now),
        organisation_id: actor.organisation,
        team_id: team,
        version: drills::last_schedule_version(tx, actor.organisation, team).await? + 1,
        cron: cron.to_owned(),
        set_by: actor.person,
        set_at: trace.now,
        due_at: schedule.next(trace.now, directory.zone),
    };
    drills::add_schedule(tx, actor.organisation, &version).await?;
    let body = json!({"schedule": version.id, "version": version.version, "cron": version.cron});
    log(tx, &version, EventKind::DrillScheduleSet, body, trace).await?;
    Ok(Ok(version))
}

/// Removes one. Removed again there is nothing there.
pub async fn remove(tx: &mut Tx, actor: &Actor, id: DrillScheduleId, trace: Trace) -> Outcome<()> {
    let directory = people::directory(tx, actor.organisation).await?;
    let in_force = drills::schedules(tx, actor.organisation).await?;
    let Some(version) = in_force.into_iter().find(|version| version.id == id) else {
        return Ok(Err(Rejected::NotFound));
    };
    allowed!(may_arrange(tx, actor, Arrange::Change, Some(version.team_id), &directory).await?);
    if drills::remove_schedule(tx, actor.organisation, id, (actor.person, trace.now)).await? {
        log(tx, &version, EventKind::DrillScheduleRemoved, json!({"schedule": id}), trace).await?;
    }
    Ok(Ok(()))
}

/// Begins what is due; how many moments came. After an outage the last of a schedule's is begun if it is less than an hour old, the
/// others were missed.
pub async fn begin_due(tx: &mut Tx, now: Time) -> store::Result<usize> {
    let trace = Trace::machine(Door::Timer, now);
    let due = drills::schedules_due_any_org(tx, now, AT_ONCE).await?;
    for version in &due {
        let zone = people::directory(tx, version.organisation_id).await?.zone;
        // What was read when it was set can be read still; one that cannot waits for a person to set it anew.
        let Ok(schedule) = Schedule::parse(&version.cron) else {
            tracing::error!(schedule = %version.id, "a schedule of drills cannot be read any more");
            drills::set_schedule_due_any_org(tx, version.id, None).await?;
            continue;
        };
        drills::set_schedule_due_any_org(tx, version.id, schedule.next(now, zone)).await?;
        let moment = schedule.last(now, zone).max(version.due_at).unwrap_or(now);
        let by = (version.set_by, version.id, moment);
        let whose = (version.organisation_id, version.team_id);
        let in_time = now - moment < STILL_BEGUN;
        if !(in_time && start_by_schedule(tx, whose, by, trace).await?) {
            let body = json!({"schedule": version.id, "moment": stamp(moment), "too_late": !in_time});
            log(tx, version, EventKind::DrillNotBegun, body, trace).await?;
        }
    }
    Ok(due.len())
}

async fn log(
    tx: &mut Tx,
    version: &ScheduleVersion,
    kind: EventKind,
    body: serde_json::Value,
    trace: Trace,
) -> store::Result<()> {
    let event = NewEvent::new(kind, trace.now, body);
    log_for_organisation(tx, version.organisation_id, (Some(version.team_id), None), trace, event).await
}
