//! Organisations, teams and people: read as a whole, since a ladder is evaluated against all of them.

use std::{
    collections::{BTreeMap, HashSet},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use sqlx::{FromRow, QueryBuilder, types::Json};

use super::{Error, Result, Sql, Tx, both, execute, readable};
use crate::{
    clock::Time,
    domain::{
        contact::{Email, Phone},
        event::ChainHead,
        ids::{IncidentId, OrganisationId, PersonId, TeamId},
        people::{Directory, Person, Role, Team},
        policy::Policy,
    },
};

/// So many codes go into one INSERT.
const CODES: usize = 50;

const ORGANISATION: &str = "SELECT id, name, zone, duty_manager, last_resort FROM organisation WHERE id = $1";
const ORGANISATION_BY_KEY_ANY_ORG: &str = "SELECT id FROM organisation WHERE key = $1";
const ORGANISATIONS_ANY_ORG: &str = "SELECT id, key FROM organisation ORDER BY key";
const STAMP: Sql = Sql::pair(
    "SELECT stamp FROM directory_stamp WHERE organisation_id = $1",
    // What this transaction has changed itself it may change once more under the same stamp.
    "SELECT NULLIF(stamp, pg_current_xact_id_if_assigned())::text FROM directory_stamp WHERE organisation_id = $1",
);
const TEAMS: &str = "SELECT id, key, name, parent_id, policy FROM team WHERE organisation_id = $1";
const PEOPLE: &str = "SELECT id, key, name, team_id, role, phone, email, manager_id, has_left FROM person WHERE organisation_id = $1";
const LAST_RESORT: &str = "SELECT last_resort FROM organisation WHERE id = $1";
const NAME: &str = "SELECT name FROM person WHERE id = $1 AND organisation_id = $2";
// A phone that was lent is the phone of whoever has it.
const CALLERS_ANY_ORG: &str =
    "SELECT p.id AS person_id, p.organisation_id, p.team_id, p.role, p.name, p.has_left, o.zone
     FROM person p JOIN organisation o ON o.id = p.organisation_id WHERE p.id IN (
       SELECT id FROM person WHERE phone = $1
       UNION SELECT holder_id FROM equipment WHERE phone = $1 AND holder_id IS NOT NULL
         AND retired_at IS NULL) ORDER BY p.id";
const CALLER_ANY_ORG: &str =
    "SELECT p.id AS person_id, p.organisation_id, p.team_id, p.role, p.name, p.has_left, o.zone
     FROM person p JOIN organisation o ON o.id = p.organisation_id WHERE p.id = $1";
const CONTACTS: &str =
    "SELECT c.person_id, c.contact_id FROM emergency_contact c JOIN person p ON p.id = c.person_id
     WHERE p.organisation_id = $1 ORDER BY c.person_id, c.position";
const TEAM_POLICY: &str = "SELECT policy FROM team WHERE id = $1 AND organisation_id = $2";
const IN_REACH: &str = "WITH RECURSIVE below (id) AS (
       SELECT id FROM team WHERE id = $1 AND organisation_id = $2
       UNION SELECT t.id FROM team t JOIN below ON t.parent_id = below.id)
     SELECT id FROM below";

// Neither locks the row where nothing in it changes: whoever writes into the organisation's log would wait for the whole of it.
const ADD_ORGANISATION: &str =
    "INSERT INTO organisation (id, key, name, zone, duty_manager, last_resort, chain_number, chain_hash)
     VALUES ($1, $2, $3, $4, $5, $6, 0, $7) ON CONFLICT (id) DO NOTHING";
const CHANGE_ORGANISATION: &str =
    "UPDATE organisation SET name = $2, zone = $3, duty_manager = $4, last_resort = $5
     WHERE id = $1 AND (name <> $2 OR zone <> $3 OR duty_manager IS DISTINCT FROM $4 OR last_resort <> $5)";
const SAVE_TEAM: &str = "INSERT INTO team (id, organisation_id, key, name, parent_id, policy) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (id) DO UPDATE SET name = excluded.name, parent_id = excluded.parent_id, policy = excluded.policy";
const SAVE_PERSON: &str =
    "INSERT INTO person (id, organisation_id, team_id, key, name, role, phone, email, has_left)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     ON CONFLICT (id) DO UPDATE SET team_id = excluded.team_id, name = excluded.name, role = excluded.role,
       phone = excluded.phone, email = excluded.email, has_left = excluded.has_left";
const SAVE_PIN_ROW: &str =
    "INSERT INTO pin (person_id, wrong) VALUES ($1, 0) ON CONFLICT (person_id) DO NOTHING";
const SAVE_MANAGER: &str = "UPDATE person SET manager_id = $3 WHERE id = $1 AND organisation_id = $2";
const FORGET_CONTACTS: &str = "DELETE FROM emergency_contact WHERE person_id = $1";
const SAVE_CONTACT: &str =
    "INSERT INTO emergency_contact (person_id, position, contact_id) VALUES ($1, $2, $3)";

const CODE_OF: &str = "SELECT code FROM alarm_code WHERE incident_id = $1 AND person_id = $2";
const DROP_OLD_CODE: &str = "DELETE FROM alarm_code WHERE person_id = $1 AND code = $2 AND created_at < $3
     AND incident_id NOT IN (SELECT id FROM incident WHERE state = 'open')";
const INCIDENT_OF_CODE: &str = "SELECT incident_id FROM alarm_code WHERE person_id = $1 AND code = $2";
const OPEN_CALLS_OF: &str = "SELECT a.incident_id, a.code, s.name AS worker, o.name AS owner
     FROM alarm_code a JOIN incident i ON i.id = a.incident_id JOIN person s ON s.id = i.subject_id
     LEFT JOIN person o ON o.id = i.owner_id
     WHERE a.person_id = $1 AND i.state = 'open' ORDER BY i.opened_at DESC, i.id";
const WAS_CALLED_SINCE_ANY_ORG: &str =
    "SELECT EXISTS (SELECT 1 FROM alarm_code a JOIN incident i ON i.id = a.incident_id
     WHERE a.person_id = $1 AND (a.created_at >= $2 OR i.state = 'open'))";
const CALLED_ABOUT: &str = "SELECT person_id FROM alarm_code WHERE incident_id = $1";

/// What a team works by, as it is kept: a row that a newer version wrote must refuse no start and no check-out.
#[derive(Debug)]
pub(super) struct KeptPolicy(pub(super) Policy);

impl<'de> Deserialize<'de> for KeptPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let (policy, odd) = Policy::as_far_as_it_can_be_read(Value::deserialize(deserializer)?);
        if !odd.is_empty() {
            tracing::error!(fields = ?odd, "a team's policy cannot be read in full; the default stands in for these");
        }
        Ok(Self(policy))
    }
}

#[derive(FromRow)]
struct OrganisationRow {
    id: OrganisationId,
    name: String,
    zone: String,
    duty_manager: Option<PersonId>,
    last_resort: Json<Vec<Phone>>,
}

#[derive(FromRow)]
struct TeamRow {
    id: TeamId,
    key: String,
    name: String,
    parent_id: Option<TeamId>,
    policy: Json<KeptPolicy>,
}

#[derive(FromRow)]
struct PersonRow {
    id: PersonId,
    key: String,
    name: String,
    team_id: TeamId,
    role: Option<Role>,
    phone: Option<Phone>,
    email: Option<Email>,
    manager_id: Option<PersonId>,
    has_left: bool,
}

/// Directories that were read before, each with the stamp that the database had for it. A database that has another stamp by
/// now has changed it.
#[derive(Debug, Clone, Default)]
pub(super) struct ReadBefore(Arc<Mutex<BTreeMap<OrganisationId, Stamped>>>);

type Stamped = (String, Arc<Directory>);

impl ReadBefore {
    fn get(&self, organisation: OrganisationId, stamp: &str) -> Option<Arc<Directory>> {
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        before
            .get(&organisation)
            .filter(|(read, _)| read == stamp)
            .map(|(_, directory)| Arc::clone(directory))
    }

    fn keep(&self, stamp: String, directory: Arc<Directory>) {
        let mut before = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        before.insert(directory.organisation, (stamp, directory));
    }
}

/// Everybody in an organisation, as this transaction sees them: rows are read only where the stamp has changed.
pub async fn directory(tx: &mut Tx, organisation: OrganisationId) -> Result<Arc<Directory>> {
    let text = tx.text(STAMP);
    // Before the rows: what is changed in between is under another stamp, and is read again.
    let stamp: Option<String> =
        both!(tx, |c| sqlx::query_scalar(text).bind(organisation).fetch_optional(c).await?).flatten();
    let before = stamp.as_deref().and_then(|stamp| tx.directories.get(organisation, stamp));
    if let Some(directory) = before {
        return Ok(directory);
    }
    let directory = Arc::new(read_directory(tx, organisation).await?);
    if let Some(stamp) = stamp {
        tx.directories.keep(stamp, Arc::clone(&directory));
    }
    Ok(directory)
}

async fn read_directory(tx: &mut Tx, organisation: OrganisationId) -> Result<Directory> {
    let row: OrganisationRow =
        both!(tx, |c| sqlx::query_as(ORGANISATION).bind(organisation).fetch_one(c).await?);
    // One row that cannot be read (a newer version writes it, say) must not keep everybody else's alarms from going up.
    let teams = both!(tx, |c| readable!(sqlx::query(TEAMS).bind(organisation).fetch_all(c).await?, TeamRow));
    let people =
        both!(tx, |c| readable!(sqlx::query(PEOPLE).bind(organisation).fetch_all(c).await?, PersonRow));
    let contacts: Vec<(PersonId, PersonId)> =
        both!(tx, |c| sqlx::query_as(CONTACTS).bind(organisation).fetch_all(c).await?);
    let mut named: BTreeMap<PersonId, Vec<PersonId>> = BTreeMap::new();
    for (person, contact) in contacts {
        named.entry(person).or_default().push(contact);
    }
    let standings = super::proofs::all(tx, organisation).await?;
    let standings =
        standings.into_iter().map(|address| ((address.person, address.channel), address.known.standing()));
    let zone = chrono_tz::Tz::from_str(&row.zone)
        .map_err(|_| Error::inconsistent("organisation", "zone", organisation))?;
    Ok(Directory {
        organisation: row.id,
        name: row.name,
        zone,
        duty_manager: row.duty_manager,
        last_resort: row.last_resort.0,
        teams: teams
            .into_iter()
            .map(|team| {
                let TeamRow { id, key, name, parent_id, policy } = team;
                (id, Team { id, key, name, parent: parent_id, policy: policy.0.0 })
            })
            .collect(),
        people: people
            .into_iter()
            .map(|person| {
                let PersonRow { id, key, name, team_id, role, phone, email, manager_id, has_left } = person;
                let emergency_contacts = named.remove(&id).unwrap_or_default();
                let person = Person {
                    id,
                    key,
                    name,
                    team: team_id,
                    role,
                    phone,
                    email,
                    manager: manager_id,
                    emergency_contacts,
                    left: has_left,
                };
                (id, person)
            })
            .collect(),
        standings: standings.collect(),
    })
}

/// The numbers that are texted when nobody else was reached.
pub async fn last_resort(tx: &mut Tx, organisation: OrganisationId) -> Result<Vec<Phone>> {
    let numbers: Json<Vec<Phone>> =
        both!(tx, |c| sqlx::query_scalar(LAST_RESORT).bind(organisation).fetch_one(c).await?);
    Ok(numbers.0)
}

/// Somebody's name.
pub async fn name(tx: &mut Tx, organisation: OrganisationId, person: PersonId) -> Result<Option<String>> {
    Ok(both!(tx, |c| sqlx::query_scalar(NAME).bind(person).bind(organisation).fetch_optional(c).await?))
}

/// What a team works by.
pub async fn policy(tx: &mut Tx, organisation: OrganisationId, team: TeamId) -> Result<Policy> {
    let policy: Json<KeptPolicy> =
        both!(tx, |c| sqlx::query_scalar(TEAM_POLICY).bind(team).bind(organisation).fetch_one(c).await?);
    Ok(policy.0.0)
}

/// A team and all below it: how far somebody of that team reaches.
pub async fn reach(tx: &mut Tx, organisation: OrganisationId, team: TeamId) -> Result<Vec<TeamId>> {
    Ok(both!(tx, |c| sqlx::query_scalar(IN_REACH).bind(team).bind(organisation).fetch_all(c).await?))
}

/// The organisation of that key.
pub async fn organisation_by_key_any_org(tx: &mut Tx, key: &str) -> Result<Option<OrganisationId>> {
    Ok(both!(tx, |c| sqlx::query_scalar(ORGANISATION_BY_KEY_ANY_ORG).bind(key).fetch_optional(c).await?))
}

/// Every organisation, with its key.
pub async fn organisations_any_org(tx: &mut Tx) -> Result<Vec<(OrganisationId, String)>> {
    Ok(both!(tx, |c| sqlx::query_as(ORGANISATIONS_ANY_ORG).fetch_all(c).await?))
}

/// Keeps a whole directory: what is new is added, what is there is changed, nothing is deleted.
pub async fn save(tx: &mut Tx, key: &str, directory: &Directory) -> Result<()> {
    let organisation = directory.organisation;
    let no_hash = ChainHead::default().hash;
    execute!(
        tx,
        ADD_ORGANISATION,
        organisation,
        key,
        &directory.name,
        directory.zone.name(),
        directory.duty_manager,
        Json(&directory.last_resort),
        &no_hash[..]
    );
    // A team's parents first, so that the row it names is there.
    let mut teams: Vec<&Team> = directory.teams.values().collect();
    teams.sort_by_key(|team| directory.line_of(team.id).len());
    for team in teams {
        execute!(
            tx,
            SAVE_TEAM,
            team.id,
            organisation,
            &team.key,
            &team.name,
            team.parent,
            Json(&team.policy)
        );
    }
    for person in directory.people.values() {
        execute!(
            tx,
            SAVE_PERSON,
            person.id,
            organisation,
            person.team,
            &person.key,
            &person.name,
            person.role,
            &person.phone,
            &person.email,
            person.left
        );
        execute!(tx, SAVE_PIN_ROW, person.id);
    }
    for person in directory.people.values() {
        execute!(tx, SAVE_MANAGER, person.id, organisation, person.manager);
        execute!(tx, FORGET_CONTACTS, person.id);
        for (position, contact) in (0_i32..).zip(&person.emergency_contacts) {
            execute!(tx, SAVE_CONTACT, person.id, position, contact);
        }
    }
    execute!(
        tx,
        CHANGE_ORGANISATION,
        organisation,
        &directory.name,
        directory.zone.name(),
        directory.duty_manager,
        Json(&directory.last_resort)
    );
    Ok(())
}

/// Somebody whose number it is.
#[derive(Debug, Clone, FromRow)]
pub struct Caller {
    /// Who.
    pub person_id: PersonId,
    /// In which organisation.
    pub organisation_id: OrganisationId,
    /// In which team.
    pub team_id: TeamId,
    /// What their account is for; none: an outside contact.
    pub role: Option<Role>,
    /// As people call them.
    pub name: String,
    /// Whether they have left.
    pub has_left: bool,
    /// The zone that times are written in.
    pub zone: String,
}

/// Everybody whose number it is, or who has the phone with that number.
pub async fn callers_any_org(tx: &mut Tx, phone: &Phone) -> Result<Vec<Caller>> {
    Ok(both!(tx, |c| sqlx::query_as(CALLERS_ANY_ORG).bind(phone).fetch_all(c).await?))
}

/// Somebody whose page it is.
pub async fn caller_any_org(tx: &mut Tx, person: PersonId) -> Result<Option<Caller>> {
    Ok(both!(tx, |c| sqlx::query_as(CALLER_ANY_ORG).bind(person).fetch_optional(c).await?))
}

/// The code by which a person speaks of an incident, if the ladder has called them about it.
pub async fn code_of(tx: &mut Tx, incident: IncidentId, person: PersonId) -> Result<Option<String>> {
    Ok(both!(tx, |c| sqlx::query_scalar(CODE_OF).bind(incident).bind(person).fetch_optional(c).await?))
}

/// Keeps codes for people who are called, except where they have one for that incident, or use it for another; says which it
/// kept.
pub async fn keep_codes_any_org(
    tx: &mut Tx,
    codes: &BTreeMap<(IncidentId, PersonId), String>,
    now: Time,
) -> Result<HashSet<(IncidentId, PersonId)>> {
    let codes: Vec<_> = codes.iter().collect();
    let mut kept = HashSet::new();
    for rows in codes.chunks(CODES) {
        let new: Vec<(IncidentId, PersonId)> = both!(tx, |c| {
            let mut insert =
                QueryBuilder::new("INSERT INTO alarm_code (incident_id, person_id, code, created_at) ");
            insert.push_values(rows, |mut row, ((incident, person), code)| {
                row.push_bind(incident).push_bind(person).push_bind(code.as_str()).push_bind(now);
            });
            insert.push(" ON CONFLICT DO NOTHING RETURNING incident_id, person_id");
            insert.build_query_as().fetch_all(c).await?
        });
        kept.extend(new);
    }
    Ok(kept)
}

/// Frees a code that was last used before `unused_since` for an incident that is closed.
pub async fn free_code(tx: &mut Tx, person: PersonId, code: &str, unused_since: Time) -> Result<()> {
    execute!(tx, DROP_OLD_CODE, person, code, unused_since);
    Ok(())
}

/// The incident that a person means by a code.
pub async fn incident_of_code(tx: &mut Tx, person: PersonId, code: &str) -> Result<Option<IncidentId>> {
    Ok(both!(tx, |c| sqlx::query_scalar(INCIDENT_OF_CODE).bind(person).bind(code).fetch_optional(c).await?))
}

/// An open alarm that somebody was called about.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct OpenCall {
    /// Which.
    #[sqlx(rename = "incident_id")]
    pub incident: IncidentId,
    /// Their code for it.
    pub code: String,
    /// Whom it is about.
    pub worker: String,
    /// Who has it.
    pub owner: Option<String>,
}

/// The open alarms that a person was called about, the newest first.
pub async fn open_calls_of(tx: &mut Tx, person: PersonId) -> Result<Vec<OpenCall>> {
    Ok(both!(tx, |c| sqlx::query_as(OPEN_CALLS_OF).bind(person).fetch_all(c).await?))
}

/// Whether a person was called since then, or about an alarm that is open.
pub async fn was_called_since_any_org(tx: &mut Tx, person: PersonId, since: Time) -> Result<bool> {
    Ok(both!(tx, |c| sqlx::query_scalar(WAS_CALLED_SINCE_ANY_ORG)
        .bind(person)
        .bind(since)
        .fetch_one(c)
        .await?))
}

/// Everybody whom the ladder has called about an incident.
pub async fn called_about(tx: &mut Tx, incident: IncidentId) -> Result<Vec<PersonId>> {
    Ok(both!(tx, |c| sqlx::query_scalar(CALLED_ABOUT).bind(incident).fetch_all(c).await?))
}
