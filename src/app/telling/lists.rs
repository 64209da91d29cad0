//! Calls to the same person that go as lists: which do, and their words.

use std::collections::{BTreeMap, BTreeSet};

use super::{Subject, Telling, message};
use crate::{
    app::{
        House,
        codes::{Call, Codes},
    },
    clock::Time,
    domain::{
        contact::Channel,
        ids::{IncidentId, OrganisationId, PersonId},
        incident::Opened,
        notice::{Listed, Notice, Occasion, Purpose, Reader},
        people::Directory,
        wording::{English, LISTED_IN_ONE_TEXT, Wording},
    },
    store::{self, Tx, messages},
};

/// First calls to staff that one tick has for the same person: they go as lists (rows D5, E12).
pub(in crate::app) type Lists = BTreeMap<(OrganisationId, PersonId), Vec<Listed>>;

/// From so many first calls in one tick on, somebody is called by lists: networks block a number that sends many texts at once.
const TOGETHER_FROM: usize = 4;

/// Whose first calls of one tick go as lists.
#[derive(Debug, Default)]
pub(in crate::app) struct Crowd(BTreeSet<PersonId>);

impl Crowd {
    /// After an outage everybody's; else theirs who are called about many.
    pub(in crate::app) fn of(codes: &Codes, opened: Opened) -> Self {
        let mut calls: BTreeMap<PersonId, usize> = BTreeMap::new();
        for ((_, person), drawn) in codes {
            *calls.entry(*person).or_default() += usize::from(drawn.which == Call::First);
        }
        let from = if opened == Opened::AfterOutage { 1 } else { TOGETHER_FROM };
        Self(calls.into_iter().filter(|(_, calls)| *calls >= from).map(|(person, _)| person).collect())
    }

    /// Whether somebody's do.
    pub(in crate::app) fn holds(&self, person: PersonId) -> bool {
        self.0.contains(&person)
    }
}

/// Sends the lists of a tick: each text names as many workers as fit, a mail names all.
pub(in crate::app) async fn send_lists(
    tx: &mut Tx,
    house: &House,
    directories: &BTreeMap<OrganisationId, &Directory>,
    (lists, opened): (Lists, Opened),
    now: Time,
) -> store::Result<()> {
    let mut listed = Vec::new();
    for ((organisation, person), workers) in lists {
        let Some(directory) = directories.get(&organisation) else { continue };
        let Some(person) = directory.person(person) else { continue };
        let telling = Telling { house, directory, worker: person.id, now };
        let facts = telling.facts(Reader::Staff, None);
        let texts = workers.chunks(LISTED_IN_ONE_TEXT).map(|part| (Channel::Sms, part));
        for (channel, workers) in texts.chain([(Channel::Email, workers.as_slice())]) {
            let names: Vec<_> = workers.iter().map(|listed| listed.incident.to_string()).collect();
            let occasion = Occasion::new(format!("list/{}/to/{}", names.join("/"), person.id));
            let text = English.notice(&Notice::OverdueList { workers: workers.to_vec(), opened }, &facts);
            let list = message(person, channel, text, Subject::default(), &occasion, Purpose::FirstAlarm);
            let Some(list) = list else { continue };
            listed.extend(workers.iter().map(|worker| (IncidentId(worker.incident), list.id())));
            messages::queue(tx, organisation, &[list], now).await?;
        }
    }
    messages::keep_listed(tx, &listed).await
}
