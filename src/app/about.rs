//! What messages are about.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::{
    domain::{
        event::NewEvent,
        ids::{IncidentId, OrganisationId},
        incident::Incident,
        visit::Visit,
    },
    store::{
        self, Trace, Tx,
        events::log_each_for_organisation,
        incidents as incident_rows,
        messages::{self, Message},
        visits,
    },
};

/// What a message is about, locked before the message itself: whoever acts on an incident holds it while they take its
/// messages back, and two who take their locks in opposite orders would wait for each other.
pub(super) enum About {
    Incident(Box<Incident>),
    Visit(Box<Visit>),
    Nothing(OrganisationId),
}

impl About {
    pub(super) async fn lock(tx: &mut Tx, message: &Message) -> store::Result<Self> {
        match Self::find(tx, message).await {
            // What came of the message is kept all the same, in the organisation's log.
            Err(error) if error.is_about_a_row() => {
                tracing::error!(%error, message = %message.id, "what a message is about cannot be read");
                Ok(Self::Nothing(message.organisation_id))
            }
            found => found,
        }
    }

    async fn find(tx: &mut Tx, message: &Message) -> store::Result<Self> {
        let organisation = message.organisation_id;
        if let Some(id) = message.incident_id {
            if let Some(incident) = incident_rows::load(tx, organisation, id).await? {
                return Ok(Self::Incident(Box::new(incident)));
            }
        } else if let Some(id) = message.visit_id
            && let Some((visit, _)) = visits::load(tx, organisation, id).await?
        {
            return Ok(Self::Visit(Box::new(visit)));
        }
        Ok(Self::Nothing(organisation))
    }

    /// Whether somebody is still to be called by this message: nobody has taken it, and its ladder has not begun anew since. Then
    /// everybody was called again, and perhaps told the opposite.
    pub(super) async fn still_calls(&self, tx: &mut Tx, message: &Message) -> store::Result<bool> {
        Ok(match self {
            Self::Incident(incident) => {
                incident.calls() && message.raise.is_none_or(|raise| raise == incident.rung.raise)
            }
            Self::Visit(_) => false,
            Self::Nothing(organisation) => {
                let listed = messages::listed(tx, *organisation, message.id).await?;
                let mut still = listed.is_empty();
                for id in listed {
                    let found = incident_rows::find(tx, *organisation, id).await?;
                    still |= found.is_some_and(|incident| incident.calls());
                }
                still
            }
        })
    }

    /// Into its log.
    pub(super) async fn log(&mut self, tx: &mut Tx, event: NewEvent, trace: Trace) -> store::Result<()> {
        match self {
            Self::Incident(incident) => incident_rows::log(tx, incident, event, trace).await,
            Self::Visit(visit) => visits::log(tx, visit, event, trace).await,
            Self::Nothing(organisation) => {
                log_each_for_organisation(tx, *organisation, (None, None), trace, [event]).await
            }
        }
    }
}

/// What several messages are about, locked together in the order of locks, and what is to be logged about it.
pub(super) struct Subjects {
    by_id: BTreeMap<Uuid, (About, Vec<NewEvent>)>,
}

impl Subjects {
    pub(super) async fn lock<'m>(
        tx: &mut Tx,
        messages: impl Iterator<Item = &'m Message>,
    ) -> store::Result<Self> {
        let messages: BTreeMap<Uuid, &Message> = messages.map(|message| (id(message), message)).collect();
        let mut by_id = BTreeMap::new();
        for (id, message) in messages.iter().filter(|(_, message)| message.incident_id.is_none()) {
            by_id.insert(*id, (About::lock(tx, message).await?, Vec::new()));
        }
        let incidents: BTreeSet<IncidentId> =
            messages.values().filter_map(|message| message.incident_id).collect();
        if !incidents.is_empty() {
            for incident in incident_rows::load_some_any_org(tx, incidents).await? {
                by_id.insert(incident.id.0, (About::Incident(Box::new(incident)), Vec::new()));
            }
        }
        for (id, message) in messages {
            // What came of a message is kept, even where nobody can read what it is about.
            by_id.entry(id).or_insert((About::Nothing(message.organisation_id), Vec::new()));
        }
        Ok(Self { by_id })
    }

    pub(super) fn of(&self, message: &Message) -> Option<&About> {
        self.by_id.get(&id(message)).map(|(about, _)| about)
    }

    /// To be logged with what the message is about.
    pub(super) fn note(&mut self, message: &Message, event: NewEvent) {
        if let Some((_, events)) = self.by_id.get_mut(&id(message)) {
            events.push(event);
        }
    }

    /// Logs what was noted.
    pub(super) async fn log(&mut self, tx: &mut Tx, trace: Trace) -> store::Result<()> {
        let mut incidents = Vec::new();
        let mut others = Vec::new();
        for (about, events) in self.by_id.values_mut().filter(|(_, events)| !events.is_empty()) {
            let events = std::mem::take(events);
            match about {
                About::Incident(incident) => incidents.push((&mut **incident, events)),
                About::Visit(_) | About::Nothing(_) => others.push((about, events)),
            }
        }
        incident_rows::log_each(tx, incidents, trace).await?;
        for (about, events) in others {
            match about {
                About::Nothing(organisation) => {
                    log_each_for_organisation(tx, *organisation, (None, None), trace, events).await?;
                }
                About::Incident(_) | About::Visit(_) => {
                    for event in events {
                        about.log(tx, event, trace).await?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Of what it is about.
fn id(message: &Message) -> Uuid {
    let incident = message.incident_id.map(|id| id.0);
    incident.or(message.visit_id.map(|id| id.0)).unwrap_or(message.organisation_id.0)
}
