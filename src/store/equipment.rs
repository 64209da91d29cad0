//! What workers take along, with whom it is out, and by which addresses devices speak.

use std::collections::HashSet;

use chrono::NaiveDate;
use sqlx::FromRow;

use super::{Error, Result, Sql, Tx, both, execute, readable};
use crate::{
    clock::Time,
    domain::{
        contact::Phone,
        equipment::{Equipment, EquipmentKind, Loan, Registration, Retired, RetiredBecause, TestResult},
        ids::{EquipmentId, OrganisationId, PersonId, TeamId},
    },
};

const ADD: &str =
    "INSERT INTO equipment (id, organisation_id, team_id, key, label, kind, registration, phone, tested_on, test_result)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING";
const LIST: &str = "SELECT * FROM equipment WHERE organisation_id = $1 ORDER BY key";
const LOAD: Sql = Sql::pair(
    "SELECT * FROM equipment WHERE id = $1 AND organisation_id = $2",
    "SELECT * FROM equipment WHERE id = $1 AND organisation_id = $2 FOR NO KEY UPDATE",
);
const ID_OF_KEY: &str = "SELECT id FROM equipment WHERE organisation_id = $1 AND key = $2";
const HELD_BY: &str = "SELECT * FROM equipment WHERE holder_id = $1 AND organisation_id = $2 AND retired_at IS NULL ORDER BY key";
const SET_LOAN: &str =
    "UPDATE equipment SET holder_id = $3, lent_at = $4, due_back_at = $5, last_holder_id = $6
     WHERE id = $1 AND organisation_id = $2";
const SET_TESTED: &str =
    "UPDATE equipment SET tested_on = $3, test_result = $4 WHERE id = $1 AND organisation_id = $2";
const RETIRE: &str =
    "UPDATE equipment SET retired_at = $3, retired_by = $4, retired_because = $5, retired_words = $6
     WHERE id = $1 AND organisation_id = $2 AND retired_at IS NULL";
const DEVICE_ANY_ORG: &str = "SELECT d.organisation_id, d.equipment_id, d.revoked_at, e.label, e.phone, e.holder_id, e.retired_because,
       last.name AS last_holder, o.zone
     FROM device_url d JOIN equipment e ON e.id = d.equipment_id JOIN organisation o ON o.id = d.organisation_id
     LEFT JOIN person last ON last.id = e.last_holder_id WHERE d.hash = $1";
const ISSUE_URL: &str = "INSERT INTO device_url (hash, organisation_id, equipment_id, issued_at, issued_by)
     VALUES ($1, $2, $3, $4, $5)";
const REVOKE_URL: &str = "UPDATE device_url SET revoked_at = $3
     WHERE equipment_id = $1 AND organisation_id = $2 AND revoked_at IS NULL";
const WITH_URL: &str =
    "SELECT equipment_id FROM device_url WHERE organisation_id = $1 AND revoked_at IS NULL";

#[derive(FromRow)]
struct Row {
    id: EquipmentId,
    organisation_id: OrganisationId,
    team_id: TeamId,
    key: String,
    label: String,
    kind: EquipmentKind,
    registration: Option<Registration>,
    phone: Option<Phone>,
    holder_id: Option<PersonId>,
    lent_at: Option<Time>,
    due_back_at: Option<Time>,
    last_holder_id: Option<PersonId>,
    tested_on: Option<String>,
    test_result: Option<TestResult>,
    retired_at: Option<Time>,
    retired_by: Option<PersonId>,
    retired_because: Option<RetiredBecause>,
    retired_words: Option<String>,
}

impl TryFrom<Row> for Equipment {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        let bad = |column| Error::inconsistent("equipment", column, row.id);
        let day = |day: &String| day.parse::<NaiveDate>().map_err(|_| bad("tested_on"));
        let tested_on = row.tested_on.as_ref().map(day).transpose()?;
        let loan = row.holder_id.map(|holder| {
            let since = row.lent_at.ok_or_else(|| bad("lent_at"))?;
            Ok::<_, Error>(Loan { holder, since, due_back: row.due_back_at })
        });
        let retired = row.retired_at.map(|at| {
            let by = row.retired_by.ok_or_else(|| bad("retired_by"))?;
            let because = row.retired_because.ok_or_else(|| bad("retired_because"))?;
            Ok::<_, Error>(Retired { at, by, because, words: row.retired_words.clone() })
        });
        Ok(Self {
            id: row.id,
            organisation: row.organisation_id,
            team: row.team_id,
            retired: retired.transpose()?,
            loan: loan.transpose()?,
            tested: tested_on.zip(row.test_result),
            key: row.key,
            label: row.label,
            kind: row.kind,
            registration: row.registration,
            phone: row.phone,
            last_holder: row.last_holder_id,
        })
    }
}

/// Keeps a new one; false: there is one with this key or this number.
pub async fn add(tx: &mut Tx, organisation: OrganisationId, item: &Equipment) -> Result<bool> {
    let (on, result) = item.tested.unzip();
    let added = execute!(
        tx,
        ADD,
        item.id,
        organisation,
        item.team,
        &item.key,
        &item.label,
        item.kind,
        &item.registration,
        &item.phone,
        on.map(|on| on.to_string()),
        result
    );
    Ok(added == 1)
}

/// Everything that there is, by its key.
pub async fn list(tx: &mut Tx, organisation: OrganisationId) -> Result<Vec<Equipment>> {
    Ok(both!(tx, |c| {
        let rows = sqlx::query(LIST).bind(organisation).fetch_all(c).await?;
        readable!(rows, Row, Equipment::try_from)
    }))
}

/// One of them, locked till the end of the use case.
pub async fn load(tx: &mut Tx, organisation: OrganisationId, id: EquipmentId) -> Result<Option<Equipment>> {
    let text = tx.text(LOAD);
    let row: Option<Row> =
        both!(tx, |c| sqlx::query_as(text).bind(id).bind(organisation).fetch_optional(c).await?);
    row.map(Equipment::try_from).transpose()
}

/// Which one has this key.
pub async fn id_of_key(tx: &mut Tx, organisation: OrganisationId, key: &str) -> Result<Option<EquipmentId>> {
    Ok(both!(tx, |c| sqlx::query_scalar(ID_OF_KEY).bind(organisation).bind(key).fetch_optional(c).await?))
}

/// What somebody holds: what responders look for. One that cannot be read is left out, and keeps nobody from the others.
pub async fn held_by(tx: &mut Tx, organisation: OrganisationId, person: PersonId) -> Result<Vec<Equipment>> {
    Ok(both!(tx, |c| {
        let rows = sqlx::query(HELD_BY).bind(person).bind(organisation).fetch_all(c).await?;
        readable!(rows, Row, Equipment::try_from)
    }))
}

/// With whom one that is locked is out from now on, and who had it last.
pub async fn set_loan(
    tx: &mut Tx,
    organisation: OrganisationId,
    id: EquipmentId,
    loan: Option<Loan>,
    last_holder: Option<PersonId>,
) -> Result<()> {
    let (holder, since) = (loan.map(|loan| loan.holder), loan.map(|loan| loan.since));
    let due_back = loan.and_then(|loan| loan.due_back);
    super::one_row(execute!(tx, SET_LOAN, id, organisation, holder, since, due_back, last_holder))
}

/// One that is locked is in use no more.
pub async fn retire(
    tx: &mut Tx,
    organisation: OrganisationId,
    id: EquipmentId,
    retired: &Retired,
) -> Result<()> {
    let Retired { at, by, because, words } = retired;
    super::one_row(execute!(tx, RETIRE, id, organisation, at, by, because, words))
}

/// One that is locked was tested.
pub async fn set_tested(
    tx: &mut Tx,
    organisation: OrganisationId,
    id: EquipmentId,
    (on, result): (NaiveDate, TestResult),
) -> Result<()> {
    super::one_row(execute!(tx, SET_TESTED, id, organisation, on.to_string(), result))
}

/// A device as its address finds it: no more than a call for help needs, so that nothing else about it can keep that back.
#[derive(Debug, Clone, FromRow)]
pub struct Device {
    /// Whose it is.
    pub organisation_id: OrganisationId,
    /// Which.
    pub equipment_id: EquipmentId,
    /// When its address was revoked.
    pub revoked_at: Option<Time>,
    /// What stands on it.
    pub label: String,
    /// Where it can be rung.
    pub phone: Option<String>,
    /// Who has it.
    pub holder_id: Option<PersonId>,
    /// Why it is in use no more, if it is not; as it is kept, so that a word that nobody knows keeps back no call.
    pub retired_because: Option<String>,
    /// The name of whoever had it before it came in.
    pub last_holder: Option<String>,
    /// The zone that times are written in.
    pub zone: String,
}

/// The device whose address has this hash, or had it once.
pub async fn device_any_org(tx: &mut Tx, hash: &[u8]) -> Result<Option<Device>> {
    Ok(both!(tx, |c| sqlx::query_as(DEVICE_ANY_ORG).bind(hash).fetch_optional(c).await?))
}

/// Keeps the hash of a device's new address, in the place of the one before. The device is locked.
pub async fn issue_url(
    tx: &mut Tx,
    organisation: OrganisationId,
    id: EquipmentId,
    hash: &[u8],
    (by, at): (PersonId, Time),
) -> Result<()> {
    revoke_url(tx, organisation, id, at).await?;
    execute!(tx, ISSUE_URL, hash, organisation, id, at, by);
    Ok(())
}

/// Takes a device's address back; false: it has none.
pub async fn revoke_url(
    tx: &mut Tx,
    organisation: OrganisationId,
    id: EquipmentId,
    now: Time,
) -> Result<bool> {
    Ok(execute!(tx, REVOKE_URL, id, organisation, now) == 1)
}

/// Which devices have an address.
pub async fn with_url(tx: &mut Tx, organisation: OrganisationId) -> Result<HashSet<EquipmentId>> {
    let all: Vec<EquipmentId> =
        both!(tx, |c| sqlx::query_scalar(WITH_URL).bind(organisation).fetch_all(c).await?);
    Ok(all.into_iter().collect())
}
