//! The due list: what is due of which case, by when, whose it is, and what is planned already.

use std::collections::HashMap;

use chrono::NaiveDate;

use super::{Now, now_in_force};
use crate::{
    app::{Outcome, Rejected, access::Actor, allowed, case_files},
    clock::Time,
    domain::{
        due::{Bucket, Standing, standing},
        ids::{OrganisationId, PersonId, TeamId},
        people::Role,
        report::{NOBODY, Whose},
        rights::{OnDue, Relation, may_on_due},
        visit::word_enum,
    },
    store::{
        self, Tx,
        due::{self, Case, Planned},
        people,
    },
};
use serde::{Deserialize, Serialize};

word_enum! {
    /// In which order a list is.
    #[derive(Default)]
    Sort {
        /// What presses most first.
        #[default]
        Due = "due",
        /// By reference.
        Reference = "reference",
        /// By whose it is, then what presses most.
        Worker = "worker",
    }
}

/// Which part of the list somebody wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of one worker, by id or key; `nobody`: those that are nobody's, or of somebody who has left.
    pub worker: Option<String>,
    /// Of one team and those below it, by id or key.
    pub team: Option<String>,
    /// Of one part alone; none: all of which anything is due or cannot be computed.
    pub bucket: Option<Bucket>,
    /// In this order.
    pub sort: Sort,
}

/// A case, and what is due of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The case.
    pub case: Case,
    /// What is due.
    pub standing: Standing,
    /// The day that it is there.
    pub today: NaiveDate,
    /// What is planned already.
    pub planned: Vec<Planned>,
}

impl Item {
    fn new(case: Case, now: &Now, at: Time, planned: Vec<Planned>) -> Self {
        let today = now.today(at);
        let standing = standing(&case.facts, &now.in_force, today);
        Self { case, standing, today, planned }
    }

    /// Where it stands in the list.
    pub fn bucket(&self) -> Bucket {
        self.standing.bucket(self.today)
    }

    /// What somebody is at who asks for a part of the list: what is due at once may be overdue too, and of what is due something may be
    /// missing.
    fn is_in(&self, bucket: Bucket) -> bool {
        let also = match bucket {
            Bucket::Overdue => self.standing.is_overdue(self.today),
            Bucket::CannotBeComputed => !self.standing.cannot.is_empty(),
            _ => false,
        };
        also || self.bucket() == bucket
    }

    fn presses(&self) -> (u8, Option<NaiveDate>) {
        let order = match self.bucket() {
            Bucket::Now => 0,
            Bucket::Overdue => 1,
            Bucket::ThisWeek => 2,
            Bucket::CannotBeComputed => 3,
            Bucket::Next => 4,
            Bucket::Paused => 5,
            Bucket::NotDue => 6,
        };
        (order, self.standing.day())
    }
}

/// The due list, as somebody may see it: workers theirs, whoever manages or books that of their reach, auditors all.
pub async fn list(tx: &mut Tx, actor: &Actor, filter: Filter, at: Time) -> Outcome<Vec<Item>> {
    let everybody = Relation { own: true, in_reach: true, ..Relation::default() };
    allowed!(may_on_due(actor.role, OnDue::See, everybody));
    let directory = people::directory(tx, actor.organisation).await?;
    let worker = match filter.worker.as_deref() {
        None => Whose::Anybodys,
        Some(NOBODY) => Whose::Nobodys,
        Some(named) => match directory.ever_named(named) {
            Some(person) => Whose::Of(person.id),
            None => {
                return Ok(Err(Rejected::Field {
                    field: "worker",
                    why: format!("“{named}” is nobody here"),
                }));
            }
        },
    };
    let team = match filter.team.as_deref() {
        None => None,
        Some(named) => match directory.team_named(named) {
            Some(team) => Some(people::reach(tx, actor.organisation, team.id).await?),
            None => return Ok(Err(Rejected::NoSuchTeam(named.to_owned()))),
        },
    };
    let reach = people::reach(tx, actor.organisation, actor.team).await?;
    let sees = |case: &Case| match actor.role {
        Role::Worker => case.worker == Some(actor.person),
        Role::Auditor => true,
        _ => reach.contains(&case.team) || case.worker == Some(actor.person),
    };
    let wanted = |case: &Case| {
        sees(case)
            && match worker {
                Whose::Anybodys => true,
                Whose::Nobodys => {
                    case.worker.and_then(|id| directory.person(id)).is_none_or(|person| person.left)
                }
                Whose::Of(worker) => case.worker == Some(worker),
            }
            && team.as_ref().is_none_or(|team| team.contains(&case.team))
    };
    let mut items = items(tx, actor.organisation, None, wanted, at).await?;
    items.retain(|item| match filter.bucket {
        Some(bucket) => item.is_in(bucket),
        None => item.bucket() != Bucket::NotDue,
    });
    let name = |item: &Item| item.case.worker.map(|id| directory.name_of(id).to_owned());
    // By reference they are already.
    match filter.sort {
        Sort::Reference => {}
        Sort::Due => items.sort_by_key(Item::presses),
        Sort::Worker => items.sort_by_cached_key(|item| (name(item), item.presses())),
    }
    Ok(Ok(items))
}

/// What is due of those cases, of one team alone perhaps, that somebody wants.
async fn items(
    tx: &mut Tx,
    organisation: OrganisationId,
    of: Option<TeamId>,
    wanted: impl Fn(&Case) -> bool + Send + Sync,
    at: Time,
) -> store::Result<Vec<Item>> {
    let Some(now) = now_in_force(tx, organisation).await? else { return Ok(Vec::new()) };
    let mut planned: HashMap<String, Vec<Planned>> = HashMap::new();
    for plan in due::planned(tx, organisation).await? {
        planned.entry(plan.reference.clone()).or_default().push(plan);
    }
    let mut items = Vec::new();
    let look = |case: Case| {
        if wanted(&case) {
            let planned = planned.remove(&case.reference).unwrap_or_default();
            items.push(Item::new(case, &now, at, planned));
        }
    };
    due::each_case(tx, organisation, of, look).await?;
    Ok(items)
}

/// The cases that a team looks after.
pub(super) async fn of_team(
    tx: &mut Tx,
    organisation: OrganisationId,
    team: TeamId,
    at: Time,
) -> store::Result<Vec<Item>> {
    let mut items = items(tx, organisation, Some(team), |_| true, at).await?;
    items.sort_by_key(Item::presses);
    Ok(items)
}

/// One case, for somebody who may see what is due of it.
pub async fn one(tx: &mut Tx, actor: &Actor, reference: &str, at: Time) -> Outcome<Item> {
    let Some(item) = explain(tx, actor.organisation, reference, at).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    let in_reach = actor.reaches(tx, item.case.team).await?;
    let own = item.case.worker == Some(actor.person);
    allowed!(may_on_due(actor.role, OnDue::See, Relation { own, in_reach, ..Relation::default() }));
    Ok(Ok(item))
}

/// The same for whoever may see everything; nothing: there is no such case, or no rules are in force.
pub async fn explain(
    tx: &mut Tx,
    organisation: OrganisationId,
    reference: &str,
    at: Time,
) -> store::Result<Option<Item>> {
    let Some(now) = now_in_force(tx, organisation).await? else { return Ok(None) };
    let Some(case) = case_files::called(tx, organisation, reference).await? else { return Ok(None) };
    let Some(case) = due::case(tx, organisation, case.reference.as_str()).await? else { return Ok(None) };
    let planned = due::planned_of(tx, organisation, &case.reference).await?;
    Ok(Some(Item::new(case, &now, at, planned)))
}

/// Whose cases are among these.
pub(super) fn workers(items: &[Item]) -> Vec<PersonId> {
    let mut workers: Vec<PersonId> = items.iter().filter_map(|item| item.case.worker).collect();
    workers.sort_unstable();
    workers.dedup();
    workers
}
