//! Who would be told about whom (row E8): what the answers of [`coverage`] and [`simulation`] are made from. Nobody is told
//! anything, nothing is kept.

use std::{collections::HashSet, sync::Arc};

use chrono::TimeDelta;

use super::{Outcome, Rejected, access::Actor, allowed, ladders::may_arrange};
use crate::{
    clock::Time,
    domain::{
        coverage::{self, Covered, Gap, PinSet},
        ids::{OrganisationId, PersonId, TeamId},
        people::{Directory, Person, Role},
        rights::Arrange,
        simulation::{self, Moment, Question},
        visit::Risk,
    },
    store::{
        Tx,
        ladders::{self, Version},
        people, pins,
    },
};

/// A simulation goes so far.
pub const FIRST_HOUR: TimeDelta = TimeDelta::minutes(60);
/// And no further than this: a ladder may call every second.
const MOST_MOMENTS: usize = 200;

/// About whom somebody asks, by id or by the key of the organisation's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// Each worker of a team.
    Team(String),
    /// Somebody with an account.
    Worker(String),
}

/// What the answers are made from.
#[derive(Debug)]
pub struct Known {
    /// Everybody.
    pub directory: Arc<Directory>,
    /// About whom, by name.
    pub workers: Vec<PersonId>,
    ladders: Vec<Version>,
    without_pin: HashSet<PersonId>,
}

/// What is known of one worker's coverage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkersCoverage {
    /// By risk, with the version of the ladder in force.
    pub ladders: Vec<(Option<i32>, Covered)>,
    /// What is missing whatever the ladder.
    pub gaps: Vec<Gap>,
}

/// Reads what is needed, for somebody who may see it.
pub async fn known_to(tx: &mut Tx, actor: &Actor, whom: &Whom) -> Outcome<Known> {
    let directory = people::directory(tx, actor.organisation).await?;
    let (team, _) = allowed!(named(&directory, whom));
    allowed!(may_arrange(tx, actor, Arrange::See, Some(team), &directory).await?);
    known(tx, actor.organisation, whom).await
}

/// The same for the command line.
pub async fn known(tx: &mut Tx, organisation: OrganisationId, whom: &Whom) -> Outcome<Known> {
    let directory = people::directory(tx, organisation).await?;
    let (team, workers) = allowed!(named(&directory, whom));
    let ladders = ladders::current(tx, organisation).await?;
    let without_pin = pins::not_set_in(tx, organisation, team).await?;
    Ok(Ok(Known { directory, workers, ladders, without_pin }))
}

fn named(directory: &Directory, whom: &Whom) -> Result<(TeamId, Vec<PersonId>), Rejected> {
    match whom {
        Whom::Team(name) => {
            let team = directory.team_named(name).ok_or_else(|| Rejected::NoSuchTeam(name.clone()))?.id;
            let of_it =
                |person: &&Person| person.team == team && person.role == Some(Role::Worker) && !person.left;
            let mut workers: Vec<_> = directory.people.values().filter(of_it).collect();
            workers.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
            Ok((team, workers.iter().map(|worker| worker.id).collect()))
        }
        Whom::Worker(name) => {
            let found = directory.named(name).filter(|person| !person.is_outside());
            let worker = found.ok_or_else(|| Rejected::NobodyToDoIt(name.clone()))?;
            Ok((worker.team, vec![worker.id]))
        }
    }
}

impl Known {
    /// The people asked about.
    pub fn workers(&self) -> impl Iterator<Item = &Person> {
        self.workers.iter().filter_map(|id| self.directory.person(*id))
    }

    /// The ladder in force for somebody's visits of a risk.
    pub fn ladder(&self, worker: &Person, risk: Risk) -> Option<&Version> {
        ladders::in_force(&self.ladders, &self.directory, worker.team, risk)
    }

    /// Who would be told about a deadline that is missed at `at`, and what is missing.
    pub fn coverage(&self, worker: &Person, at: Time) -> WorkersCoverage {
        let of = |risk| {
            let version = self.ladder(worker, risk);
            let ladder = version.map(|version| &version.ladder);
            let covered = coverage::of_ladder(worker, risk, ladder, &self.directory, at);
            (version.map(|version| version.version), covered)
        };
        let pin = if self.without_pin.contains(&worker.id) { PinSet::No } else { PinSet::Yes };
        WorkersCoverage {
            ladders: [Risk::Normal, Risk::High].map(of).into(),
            gaps: coverage::about(worker, pin, &self.directory),
        }
    }

    /// What would be said in the first hour.
    pub fn simulate(&self, worker: &Person, question: Question) -> Option<(&Version, Vec<Moment>)> {
        let version = self.ladder(worker, question.risk)?;
        let mut moments = simulation::moments(worker, &version.ladder, &self.directory, question, FIRST_HOUR);
        moments.truncate(MOST_MOMENTS);
        Some((version, moments))
    }
}
