//! By what an organisation decides who is due a visit: each change a version of its own; one that cannot be read changes nothing.

use serde_json::json;

use crate::{
    app::{Outcome, Rejected, access::Actor, allowed, ladders::may_arrange},
    domain::{
        due::{BadSettings, Settings},
        event::{EventKind, NewEvent},
        ids::PersonId,
        people::Directory,
        rights::Arrange,
    },
    store::{
        self, Trace, Tx, agreements,
        due::{self, RulesVersion},
        events::log_for_organisation,
        people,
    },
};

/// The version in force, for somebody who may see it.
pub async fn see_rules(tx: &mut Tx, actor: &Actor) -> Outcome<RulesVersion> {
    allowed!(crate::domain::rights::may_arrange(actor.role, Arrange::See, true));
    match due::rules(tx, actor.organisation).await? {
        Some(version) => Ok(Ok(version)),
        None => Ok(Err(Rejected::NotFound)),
    }
}

/// Sets them, for the whole organisation.
pub async fn set_rules(
    tx: &mut Tx,
    actor: &Actor,
    settings: Settings,
    trace: Trace,
) -> Outcome<RulesVersion> {
    let directory = people::directory(tx, actor.organisation).await?;
    allowed!(may_arrange(tx, actor, Arrange::Change, None, &directory).await?);
    match put_in_force(tx, &directory, settings, Some(actor.person), trace).await? {
        Ok(version) => Ok(Ok(version)),
        Err(BadSettings { field, wrong }) => Ok(Err(Rejected::Field { field, why: wrong.to_string() })),
    }
}

/// Puts them in force, if they can be read. What is in force already changes nothing; what is due by others is computed anew soon.
pub async fn put_in_force(
    tx: &mut Tx,
    directory: &Directory,
    settings: Settings,
    set_by: Option<PersonId>,
    trace: Trace,
) -> store::Result<Result<RulesVersion, BadSettings>> {
    let organisation = directory.organisation;
    let office_days = agreements::rules(tx, organisation).await?.office_days;
    let in_force = match settings.in_force(&office_days, directory.zone) {
        Ok(in_force) => in_force,
        Err(bad) => return Ok(Err(bad)),
    };
    let before = due::rules(tx, organisation).await?;
    super::digest::follow_teams(tx, directory, (&settings, &in_force.calendar), trace.now).await?;
    if let Some(before) =
        before.clone().filter(|before| before.settings == settings && before.office_days == office_days)
    {
        return Ok(Ok(before));
    }
    let version = before.map_or(0, |before| before.version) + 1;
    let version = RulesVersion { version, settings, office_days, set_by, set_at: trace.now };
    due::add_rules(tx, organisation, &version).await?;
    let rules = &in_force.rules;
    let body = json!({
        "version": version.version, "name": rules.name, "of_name": rules.version, "nation": version.settings.nation,
        "closures": version.settings.closures, "bank_holidays": in_force.calendar.holidays.source,
    });
    let event = NewEvent::new(EventKind::DueRulesSet, trace.now, body);
    log_for_organisation(tx, organisation, (None, None), trace, event).await?;
    Ok(Ok(version))
}
