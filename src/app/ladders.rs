//! Ladders: which are in force, and a new version of one (row E1). The organisation's file and the API set them by the same rules.
//! An incident stays with the version that was in force when it opened.

use serde_json::json;

use super::{Outcome, Rejected, access::Actor, allowed};
use crate::{
    clock::Time,
    domain::{
        event::{EventKind, NewEvent},
        ids::{LadderId, PersonId, TeamId},
        ladder::Ladder,
        people::{Directory, Role},
        rights::{self, Arrange},
        visit::Risk,
    },
    store::{
        self, Trace, Tx,
        events::log_for_organisation,
        ladders::{self, Version},
        people,
    },
};

/// A ladder that somebody wants in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// For which team and those below it, by id or key; for every team without its own if not said.
    pub team: Option<String>,
    /// For visits of that risk.
    pub risk: Risk,
    /// The ladder.
    pub ladder: Ladder,
}

/// The newest version of a team's own ladder.
pub(super) fn own(current: &[Version], team: Option<TeamId>, risk: Risk) -> Option<&Version> {
    current.iter().find(|version| version.team == team && version.risk == risk)
}

/// The version that comes after those.
pub(super) fn next_version(
    current: &[Version],
    (team, risk): (Option<TeamId>, Risk),
    ladder: Ladder,
    (set_by, set_at): (Option<PersonId>, Time),
) -> Version {
    let version = own(current, team, risk).map_or(0, |version| version.version) + 1;
    Version { id: LadderId::new(set_at), team, risk, version, ladder, set_by, set_at }
}

/// What will be in force with the new ones.
pub(super) fn in_force_with<'v>(current: &'v [Version], new: &'v [Version]) -> Vec<&'v Version> {
    let replaced = |old: &&Version| own(new, old.team, old.risk).is_some();
    new.iter().chain(current.iter().filter(|old| !replaced(old))).collect()
}

/// What is wrong with a ladder for the workers for whom it will be in force (row E5).
pub(super) fn complaints_about(
    version: &Version,
    in_force: &[&Version],
    directory: &Directory,
) -> Vec<String> {
    let has_its_own =
        |team| in_force.iter().any(|other| other.team == Some(team) && other.risk == version.risk);
    let workers = directory.people.values().filter(|person| {
        let whose = directory.line_of(person.team).into_iter().find(|team| has_its_own(*team));
        person.role == Some(Role::Worker) && !person.left && whose == version.team
    });
    version.ladder.complaints_for(workers, directory)
}

/// Puts a ladder in force: a version of its own. One that says what is in force already changes nothing.
pub async fn set(tx: &mut Tx, actor: &Actor, wanted: Wanted, trace: Trace) -> Outcome<Version> {
    let directory = people::directory(tx, actor.organisation).await?;
    let Wanted { team, risk, ladder } = wanted;
    let team = match team {
        None => None,
        Some(named) => match directory.team_named(&named) {
            Some(team) => Some(team.id),
            None => return Ok(Err(Rejected::NoSuchTeam(named))),
        },
    };
    allowed!(may_arrange(tx, actor, Arrange::Change, team, &directory).await?);
    let current = ladders::current(tx, actor.organisation).await?;
    if let Some(there) = own(&current, team, risk).filter(|there| there.ladder == ladder) {
        return Ok(Ok(there.clone()));
    }
    let new = [next_version(&current, (team, risk), ladder, (Some(actor.person), trace.now))];
    let in_force = in_force_with(&current, &new);
    let [version] = &new;
    let mut complaints = version.ladder.complaints();
    if complaints.is_empty() {
        complaints = complaints_about(version, &in_force, &directory);
    }
    if !complaints.is_empty() {
        return Ok(Err(Rejected::Ladder(complaints.join("; "))));
    }
    ladders::add(tx, actor.organisation, version).await?;
    let body = json!({
        "ladder": version.id,
        "team": team,
        "risk": risk,
        "version": version.version,
        "body": version.ladder,
    });
    let event = NewEvent::new(EventKind::LadderSet, trace.now, body);
    log_for_organisation(tx, actor.organisation, (team, None), trace, event).await?;
    Ok(Ok(version.clone()))
}

/// The ladders in force that somebody may see: of the teams in their reach, and those for every team.
pub async fn list(tx: &mut Tx, actor: &Actor) -> Outcome<Vec<Version>> {
    let directory = people::directory(tx, actor.organisation).await?;
    allowed!(rights::may_arrange(actor.role, Arrange::See, true));
    let mut versions = Vec::new();
    for version in ladders::current(tx, actor.organisation).await? {
        let sees = match version.team {
            None => true,
            team => may_arrange(tx, actor, Arrange::See, team, &directory).await?.is_ok(),
        };
        if sees {
            versions.push(version);
        }
    }
    versions.sort_by_key(|version| {
        let key = version.team.and_then(|team| directory.teams.get(&team)).map(|team| team.key.clone());
        (key, version.risk.as_str() == Risk::High.as_str())
    });
    Ok(Ok(versions))
}

/// Whether somebody may see or change how a team is looked after; without one, how every team is.
pub(super) async fn may_arrange(
    tx: &mut Tx,
    actor: &Actor,
    what: Arrange,
    team: Option<TeamId>,
    directory: &Directory,
) -> store::Result<Result<(), rights::Denied>> {
    let reach = people::reach(tx, actor.organisation, actor.team).await?;
    let in_reach = match team {
        Some(team) => reach.contains(&team),
        None => directory.teams.keys().all(|team| reach.contains(team)),
    };
    Ok(rights::may_arrange(actor.role, what, in_reach))
}
