//! Who is asking, and how they stand to what they ask for.

use std::{
    collections::{HashMap, HashSet},
    str::FromStr,
};

use chrono_tz::Tz;
use serde_json::json;

use crate::{
    clock::Time,
    domain::{
        event::{EventKind, NewEvent},
        ids::{IncidentId, OrganisationId, PersonId, TeamId, VisitId},
        incident::Incident,
        people::Role,
        rights::Relation,
        visit::Visit,
    },
    keys::Token,
    store::{self, Error, Trace, Tx, incidents, people, tokens, visits},
};

/// A person with an account who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Their organisation.
    pub organisation: OrganisationId,
    /// Who.
    pub person: PersonId,
    /// Their team.
    pub team: TeamId,
    /// What their account is for.
    pub role: Role,
    /// As people call them.
    pub name: String,
    /// The zone that times are written in.
    pub zone: Tz,
}

impl Actor {
    /// Somebody who was found without a token: by their number, or by a page that is theirs. Whoever has no account acts as a
    /// worker would, where they may at all.
    pub fn found(caller: people::Caller) -> store::Result<Self> {
        let zone = Tz::from_str(&caller.zone)
            .map_err(|_| Error::inconsistent("organisation", "zone", caller.organisation_id))?;
        Ok(Self {
            organisation: caller.organisation_id,
            person: caller.person_id,
            team: caller.team_id,
            role: caller.role.unwrap_or(Role::Worker),
            name: caller.name,
            zone,
        })
    }
}

/// Why a token does not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadToken {
    /// Never issued by us.
    Unknown,
    /// Issued once to this person, and expired, revoked, or they have left or have no account any more.
    Over(Actor),
}

/// Finds the person of a bearer token. What does not let in is found too, with the person, where it was once issued.
pub async fn authenticate(tx: &mut Tx, token: &str, now: Time) -> store::Result<Result<Actor, BadToken>> {
    let Some(found) = tokens::find_any_org(tx, &Token::hash(token)).await? else {
        return Ok(Err(BadToken::Unknown));
    };
    let zone = Tz::from_str(&found.zone)
        .map_err(|_| Error::inconsistent("organisation", "zone", found.organisation_id))?;
    let over = found.has_left
        || found.role.is_none()
        || found.revoked_at.is_some()
        || found.expires_at.is_some_and(|expires| expires <= now);
    // Whoever has no account any more may still call for help.
    let role = found.role.unwrap_or(Role::Worker);
    let actor = Actor {
        organisation: found.organisation_id,
        person: found.person_id,
        team: found.team_id,
        role,
        name: found.name,
        zone,
    };
    Ok(if over { Err(BadToken::Over(actor)) } else { Ok(actor) })
}

/// Logs a token that was once issued and no longer lets in.
pub async fn log_refused_token(tx: &mut Tx, actor: &Actor, trace: Trace) -> store::Result<()> {
    let event = NewEvent::new(EventKind::TokenRefused, trace.now, json!({"person": actor.person}));
    let about = (Some(actor.team), Some(actor.person));
    store::events::log_for_organisation(tx, actor.organisation, about, trace, event).await
}

/// Logs a call for help by a token that was never issued: it belongs to nobody, so every organisation of this installation
/// gets to see it.
pub async fn log_unknown_caller(tx: &mut Tx, trace: Trace) -> store::Result<()> {
    for (organisation, _) in people::organisations_any_org(tx).await? {
        let event = NewEvent::new(EventKind::TokenUnknown, trace.now, json!({"called_for": "help"}));
        store::events::log_for_organisation(tx, organisation, (None, None), trace, event).await?;
    }
    Ok(())
}

impl Actor {
    /// Whether a team is theirs or below theirs.
    pub async fn reaches(&self, tx: &mut Tx, team: TeamId) -> store::Result<bool> {
        Ok(self.team == team || self.reach(tx).await?.contains(&team))
    }

    /// Their team and those below it: for whoever looks at many things, so that it is read once.
    pub async fn reach(&self, tx: &mut Tx) -> store::Result<HashSet<TeamId>> {
        Ok(people::reach(tx, self.organisation, self.team).await?.into_iter().collect())
    }

    /// How they stand to whatever visits they look at.
    pub async fn standing(&self, tx: &mut Tx) -> store::Result<Standing> {
        let hidden = self.hidden_incidents(tx).await?;
        let open = visits::open_incidents(tx, self.organisation, self.person).await?;
        let open = open.into_iter().filter(|(_, incident, _)| !hidden.contains_key(incident));
        Ok(Standing {
            person: self.person,
            reach: self.reach(tx).await?,
            open: open.map(|(visit, _, called)| (visit, called)).collect(),
        })
    }

    /// How they stand to a visit.
    pub async fn relation_to_visit(&self, tx: &mut Tx, visit: &Visit) -> store::Result<Relation> {
        if visit.worker == self.person {
            return Ok(Relation { own: true, ..Relation::default() });
        }
        let incident = self.incident_of_visit(tx, visit).await?;
        let called = match incident {
            Some(incident) => people::code_of(tx, incident, self.person).await?.is_some(),
            None => false,
        };
        let in_reach = self.reaches(tx, visit.team).await?;
        Ok(Relation { in_reach, called, open: incident.is_some(), ..Relation::default() })
    }

    /// How they stand to an incident.
    pub async fn relation_to_incident(&self, tx: &mut Tx, incident: &Incident) -> store::Result<Relation> {
        Ok(Relation {
            own: incident.subject == self.person,
            in_reach: self.reaches(tx, incident.team).await?,
            called: people::code_of(tx, incident.id, self.person).await?.is_some(),
            owner: incident.owner().or(incident.closed_by()) == Some(self.person),
            open: incident.is_open(),
            withheld: incident.is_withheld_from(self.person),
        })
    }

    /// The open incident about a visit, if they may know of it.
    pub async fn incident_of_visit(&self, tx: &mut Tx, visit: &Visit) -> store::Result<Option<IncidentId>> {
        if visit.worker == self.person {
            return Ok(None);
        }
        let Some(incident) = visits::open_incident(tx, self.organisation, visit.id).await? else {
            return Ok(None);
        };
        Ok((!self.hidden_incidents(tx).await?.contains_key(&incident)).then_some(incident))
    }

    /// The incidents that they may not know of, whatever their role; since when there is each.
    pub async fn hidden_incidents(&self, tx: &mut Tx) -> store::Result<HashMap<IncidentId, Time>> {
        incidents::hidden_from(tx, self.organisation, self.person).await
    }
}

/// How somebody stands to visits; all that it hangs on is read once, for lists.
#[derive(Debug)]
pub struct Standing {
    person: PersonId,
    reach: HashSet<TeamId>,
    /// Visits with an open incident that they may know of; whether they were called about it.
    open: HashMap<VisitId, bool>,
}

impl Standing {
    /// The same as `Actor::relation_to_visit`.
    pub fn to_visit(&self, visit: &Visit) -> Relation {
        if visit.worker == self.person {
            return Relation { own: true, ..Relation::default() };
        }
        let open = self.open.get(&visit.id);
        let in_reach = self.reach.contains(&visit.team);
        Relation { in_reach, called: open == Some(&true), open: open.is_some(), ..Relation::default() }
    }
}
