//! The digest: each working day at the organisation's hour one mail for whoever has something that is due, and for the managers of the
//! team, who read there too what oversight is asked of them. When it goes stands in a row for each team; the scheduler only wakes. After an outage it goes once.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, Days, NaiveDate, NaiveTime, Weekday};
use serde_json::json;

use super::{Item, list};
use crate::{
    app::{House, MOVED_ASIDE, oversight, telling::Telling},
    clock::Time,
    domain::{
        calendar::{Calendar, day_of},
        due::{Bucket, DIGEST_AT, Settings},
        event::{Door, EventKind, NewEvent},
        ids::{OrganisationId, PersonId, TeamId},
        local_time,
        notice::{DueItem, DueWhen, Notice, OversightMissing},
        oversight::{Asked, Rules},
        people::Directory,
    },
    store::{
        self, Trace, Tx, case_files, due, events::log_for_organisation, oversight as oversight_rows, people,
    },
};

/// Digests are no further apart: weekends, holidays, closures, and an outage.
const LONGEST_WITHOUT: Days = Days::new(30);
/// So many days are looked at for the next on which somebody works.
const LOOKED_AT: usize = 60;

/// Every team has a next digest; one that is to go before goes then.
pub(super) async fn follow_teams(
    tx: &mut Tx,
    directory: &Directory,
    (settings, calendar): (&Settings, &Calendar),
    now: Time,
) -> store::Result<()> {
    begin(tx, directory, next(settings.digest_at, Some(calendar), directory, now)).await
}

/// The same where nobody is due a visit, and managers are asked for oversight.
pub(in crate::app) async fn follow_oversight(
    tx: &mut Tx,
    directory: &Directory,
    now: Time,
) -> store::Result<()> {
    let organisation = directory.organisation;
    let asks = oversight_rows::rules(tx, organisation).await? != Rules::default();
    if asks && due::rules(tx, organisation).await?.is_none() {
        begin(tx, directory, next(DIGEST_AT, None, directory, now)).await?;
    }
    Ok(())
}

async fn begin(tx: &mut Tx, directory: &Directory, due_at: Time) -> store::Result<()> {
    for team in directory.teams.keys() {
        due::begin_digest(tx, directory.organisation, *team, due_at).await?;
    }
    Ok(())
}

/// The next time that digests go: on a working day; in a year whose bank holidays are not known, from Monday to Friday.
fn next(digest_at: NaiveTime, calendar: Option<&Calendar>, directory: &Directory, after: Time) -> Time {
    let works = |at: &Time| {
        let day = day_of(*at, directory.zone);
        let weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
        calendar.and_then(|calendar| calendar.is_working_day(day).ok()).unwrap_or(!weekend)
    };
    let first = local_time::next_at(digest_at, after, directory.zone);
    let days = |at: &Time| Some(local_time::next_at(digest_at, *at, directory.zone));
    std::iter::successors(Some(first), days).take(LOOKED_AT).find(works).unwrap_or(first)
}

/// A digest whose time has come, and what is due of the team's cases: read before it is sent, since a team may have so many that whoever
/// writes would have to wait for it.
#[derive(Debug)]
pub struct Digest {
    organisation: OrganisationId,
    team: TeamId,
    items: store::Result<Vec<Item>>,
}

/// The one that has waited longest.
pub async fn read_first(tx: &mut Tx, now: Time) -> store::Result<Option<Digest>> {
    let Some((team, organisation)) = due::first_digest_any_org(tx, now).await? else { return Ok(None) };
    let items = list::of_team(tx, organisation, team, now).await;
    Ok(Some(Digest { organisation, team, items }))
}

/// Sends it, unless another replica has. One that cannot be made holds up none of the others.
pub async fn send(tx: &mut Tx, house: &House, digest: &Digest, now: Time) -> store::Result<()> {
    let Digest { organisation, team, items } = digest;
    if !due::hold_digest(tx, *organisation, *team, now).await? {
        return Ok(());
    }
    let sent = match items {
        Ok(items) => {
            match tx.part(async |tx| send_one(tx, house, (*organisation, *team), items, now).await).await {
                Err(error) if error.is_for_the_whole() => return Err(error),
                sent => sent,
            }
        }
        Err(error) => Err(error.clone()),
    };
    if let Err(error) = sent {
        tracing::error!(%error, %team, "a digest of what is due could not be made; moved aside for 30 s");
        due::set_digest(tx, *organisation, *team, now + MOVED_ASIDE).await?;
    }
    Ok(())
}

async fn send_one(
    tx: &mut Tx,
    house: &House,
    (organisation, team): (OrganisationId, TeamId),
    items: &[Item],
    now: Time,
) -> store::Result<()> {
    let directory = people::directory(tx, organisation).await?;
    let day = day_of(now, directory.zone);
    let (next, unknown_year) = match due::rules(tx, organisation).await? {
        None => (next(DIGEST_AT, None, &directory, now), None),
        Some(kept) => {
            let in_force = kept.in_force(organisation, directory.zone)?;
            let next = next(kept.settings.digest_at, Some(&in_force.calendar), &directory, now);
            (next, in_force.calendar.unknown_year_near(day))
        }
    };
    due::set_digest(tx, organisation, team, next).await?;
    let occasion = format!("due-digest/{team}/{day}");
    follow_ends(tx, organisation, (items, day), now).await?;
    // A silent alarm asks for oversight too: who is told of nothing but that is not counted, for whoever reads the log.
    let mut told = 0;
    for worker in list::workers(items) {
        let theirs: Vec<DueItem> =
            items.iter().filter(|item| item.case.worker == Some(worker)).filter_map(said).collect();
        let telling = Telling { house, directory: &directory, worker, now };
        if !theirs.is_empty() {
            told += 1;
            let oversight = OversightMissing::default();
            let notice =
                Notice::DueDigest { team: None, today: day, items: theirs, oversight, unknown_year: None };
            telling.mail_person(tx, worker, notice, &format!("{occasion}/worker")).await?;
        }
    }
    let all: Vec<DueItem> = items.iter().filter_map(said).collect();
    let name = directory.teams.get(&team).map(|team| team.name.clone()).unwrap_or_default();
    let missing = oversight::missing_by_manager(tx, &directory, team).await?;
    let look_after = directory.who_looks_after(team);
    let mut managers: BTreeSet<PersonId> = missing.keys().copied().collect();
    if !all.is_empty() {
        managers.extend(&look_after);
    }
    for manager in managers {
        told += usize::from(!all.is_empty() && look_after.contains(&manager));
        let telling = Telling { house, directory: &directory, worker: manager, now };
        let oversight = missing_of(&missing, manager, day);
        // Whoever is asked because the team's own manager cannot be does not look after its cases.
        let items = if look_after.contains(&manager) { all.clone() } else { Vec::new() };
        let notice =
            Notice::DueDigest { team: Some(name.clone()), today: day, items, oversight, unknown_year };
        telling.mail_person(tx, manager, notice, &format!("{occasion}/manager")).await?;
    }
    if told > 0 {
        let body = json!({"team": team, "day": day, "cases": all.len(), "told": told});
        let event = NewEvent::new(EventKind::DueDigestSent, now, body);
        let trace = Trace::machine(Door::Timer, now);
        log_for_organisation(tx, organisation, (Some(team), None), trace, event).await?;
    }
    Ok(())
}

/// An end that was said ahead is reached without anybody doing anything: from then on nobody is asked to look at the case.
async fn follow_ends(
    tx: &mut Tx,
    organisation: OrganisationId,
    (items, day): (&[Item], NaiveDate),
    now: Time,
) -> store::Result<()> {
    let lately = day.checked_sub_days(LONGEST_WITHOUT)..=Some(day);
    let ended = |case: &due::Case| case.facts.supervision.end.is_some_and(|end| lately.contains(&Some(end)));
    for item in items.iter().filter(|item| ended(&item.case)) {
        // It may have changed since it was read.
        let Some(known) = due::case(tx, organisation, &item.case.reference).await?.filter(ended) else {
            continue;
        };
        if let Some(case) = case_files::find(tx, organisation, known.id).await? {
            let trace = Trace::machine(Door::Timer, now);
            oversight::follow_case(tx, &case, (known.worker, None), trace).await?;
        }
    }
    Ok(())
}

fn missing_of(
    missing: &BTreeMap<PersonId, Vec<Asked>>,
    manager: PersonId,
    today: NaiveDate,
) -> OversightMissing {
    let of_them = missing.get(&manager).map(Vec::as_slice).unwrap_or_default();
    let overdue = of_them.iter().filter(|asked| asked.due_on < today).count();
    OversightMissing { asked: of_them.len(), overdue }
}

/// What a digest says of a case; nothing, where nothing presses.
fn said(item: &Item) -> Option<DueItem> {
    let when = match (item.bucket(), item.standing.day()) {
        (Bucket::Now, _) => DueWhen::Now,
        (Bucket::Overdue, Some(day)) => DueWhen::Overdue(day),
        (Bucket::ThisWeek, Some(day)) => DueWhen::ThisWeek(day),
        (Bucket::CannotBeComputed, _) => DueWhen::NotKnown,
        _ => return None,
    };
    Some(DueItem { reference: item.case.reference.clone(), when, is_planned: !item.planned.is_empty() })
}
