//! How far people's addresses are proved, and when they are asked next. A row for each address: the database itself keeps them in
//! step with the people.

use chrono::NaiveDate;
use sqlx::FromRow;

use super::{Error, Result, Sql, Tx, both, execute, one_row, readable};
use crate::{
    clock::Time,
    domain::{
        contact::{Channel, Phone},
        ids::{AskId, OrganisationId, PersonId},
        proof::{Asked, CodeHash, Failures, Known, Proof, WhyDead},
    },
};

const DUE_ANY_ORG: Sql = Sql::pair(
    "SELECT * FROM proof WHERE due_at <= $1 ORDER BY due_at, person_id LIMIT $2",
    "SELECT * FROM proof WHERE due_at <= $1 ORDER BY due_at, person_id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED",
);
const NEXT_DUE_ANY_ORG: &str = "SELECT min(due_at) FROM proof WHERE due_at IS NOT NULL";
const PUT_OFF: &str =
    "UPDATE proof SET due_at = $4 WHERE person_id = $1 AND channel = $2 AND organisation_id = $3";
const OF_PHONE_ANY_ORG: Sql = Sql::pair(
    "SELECT * FROM proof WHERE address = $1 AND channel = 'sms' ORDER BY person_id",
    "SELECT * FROM proof WHERE address = $1 AND channel = 'sms' ORDER BY person_id FOR NO KEY UPDATE",
);
const OF_PERSON: Sql = Sql::pair(
    "SELECT * FROM proof WHERE person_id = $1 AND organisation_id = $2 ORDER BY channel",
    "SELECT * FROM proof WHERE person_id = $1 AND organisation_id = $2 ORDER BY channel FOR NO KEY UPDATE",
);
const BY_ASK_ANY_ORG: Sql = Sql::pair(
    "SELECT * FROM proof WHERE ask_id = $1",
    "SELECT * FROM proof WHERE ask_id = $1 FOR NO KEY UPDATE",
);
const IS_ASKED_ANY_ORG: &str = "SELECT count(*) FROM proof WHERE ask_id = $1";
const ALL: &str = "SELECT * FROM proof WHERE organisation_id = $1 AND state <> 'unasked'";
const HAS_FAILED: &str =
    "SELECT count(*) FROM proof WHERE person_id = $1 AND channel = $2 AND organisation_id = $3
       AND (failed_days > 0 OR state = 'dead')";
const SAVE: &str = "UPDATE proof SET state = $4, since = $5, asked_at = $6, times = $7, ask_id = $8, code_hash = $9, wrong = $10,
       proved_at = $11, why = $12, failed_days = $13, failed_on = $14, due_at = $15
     WHERE person_id = $1 AND channel = $2 AND organisation_id = $3";

/// An address of somebody, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Whose it is.
    pub person: PersonId,
    /// By what it is reached.
    pub channel: Channel,
    /// In which organisation.
    pub organisation: OrganisationId,
    /// Where it is.
    pub address: String,
    /// What is known of it.
    pub known: Known,
    /// When they are asked next.
    pub due_at: Option<Time>,
}

#[derive(FromRow)]
struct Row {
    person_id: PersonId,
    channel: Channel,
    organisation_id: OrganisationId,
    address: String,
    state: String,
    since: Option<Time>,
    asked_at: Option<Time>,
    times: i32,
    ask_id: Option<AskId>,
    code_hash: Option<Vec<u8>>,
    wrong: i32,
    proved_at: Option<Time>,
    why: Option<WhyDead>,
    failed_days: i32,
    failed_on: Option<String>,
    due_at: Option<Time>,
}

impl Row {
    fn address(self) -> Result<Address> {
        let lacks = |column| Error::inconsistent("proof", column, self.person_id);
        let since = || self.since.ok_or_else(|| lacks("since"));
        let proof = match self.state.as_str() {
            "unasked" => Proof::Unasked,
            "asked" => Proof::Asked(Asked {
                first: since()?,
                last: self.asked_at.ok_or_else(|| lacks("asked_at"))?,
                times: self.times,
                id: self.ask_id.ok_or_else(|| lacks("ask_id"))?,
                code: self
                    .code_hash
                    .as_deref()
                    .and_then(|hash| hash.try_into().ok())
                    .map(CodeHash)
                    .ok_or_else(|| lacks("code_hash"))?,
                wrong: self.wrong,
                proved_at: self.proved_at,
            }),
            "proved" => Proof::Proved { at: since()? },
            "declined" => Proof::Declined { at: since()? },
            "dead" => Proof::Dead { at: since()?, why: self.why.ok_or_else(|| lacks("why"))? },
            _ => return Err(lacks("state")),
        };
        let last = match &self.failed_on {
            Some(day) => Some(day.parse::<NaiveDate>().map_err(|_| lacks("failed_on"))?),
            None => None,
        };
        Ok(Address {
            person: self.person_id,
            channel: self.channel,
            organisation: self.organisation_id,
            known: Known { proof, failures: Failures { days: self.failed_days, last } },
            due_at: self.due_at,
            address: self.address,
        })
    }
}

/// Up to `limit` whose owners are to be asked, locked. One that cannot be read is asked by whoever can read it.
pub async fn due_any_org(tx: &mut Tx, now: Time, limit: i64) -> Result<Vec<Address>> {
    let text = tx.text(DUE_ANY_ORG);
    Ok(both!(tx, |c| {
        let rows = sqlx::query(text).bind(now).bind(limit).fetch_all(c).await?;
        readable!(rows, Row, Row::address)
    }))
}

/// When the next is due.
pub async fn next_due_any_org(tx: &mut Tx) -> Result<Option<Time>> {
    Ok(both!(tx, |c| sqlx::query_scalar(NEXT_DUE_ANY_ORG).fetch_one(c).await?))
}

/// They are asked later, or not at all.
pub async fn put_off(
    tx: &mut Tx,
    organisation: OrganisationId,
    address: &Address,
    due: Option<Time>,
) -> Result<()> {
    execute!(tx, PUT_OFF, address.person, address.channel, organisation, due);
    Ok(())
}

/// Everybody's whose number it is, locked.
pub async fn of_phone_any_org(tx: &mut Tx, phone: &Phone) -> Result<Vec<Address>> {
    let text = tx.text(OF_PHONE_ANY_ORG);
    Ok(both!(tx, |c| {
        let rows = sqlx::query(text).bind(phone).fetch_all(c).await?;
        readable!(rows, Row, Row::address)
    }))
}

/// Those of one person, locked.
pub async fn of_person(tx: &mut Tx, organisation: OrganisationId, person: PersonId) -> Result<Vec<Address>> {
    let text = tx.text(OF_PERSON);
    Ok(both!(tx, |c| {
        let rows = sqlx::query(text).bind(person).bind(organisation).fetch_all(c).await?;
        readable!(rows, Row, Row::address)
    }))
}

/// The one whose last question this is, locked.
pub async fn by_ask_any_org(tx: &mut Tx, ask: AskId) -> Result<Option<Address>> {
    let text = tx.text(BY_ASK_ANY_ORG);
    let row: Option<Row> = both!(tx, |c| sqlx::query_as(text).bind(ask).fetch_optional(c).await?);
    row.map(Row::address).transpose()
}

/// Whether a question is the last that went to an address, and not answered.
pub async fn is_asked_any_org(tx: &mut Tx, ask: AskId) -> Result<bool> {
    let asked: i64 = both!(tx, |c| sqlx::query_scalar(IS_ASKED_ANY_ORG).bind(ask).fetch_one(c).await?);
    Ok(asked > 0)
}

/// All of an organisation that somebody was asked about, or of which there is other news.
pub async fn all(tx: &mut Tx, organisation: OrganisationId) -> Result<Vec<Address>> {
    Ok(both!(tx, |c| {
        let rows = sqlx::query(ALL).bind(organisation).fetch_all(c).await?;
        readable!(rows, Row, Row::address)
    }))
}

/// Whether something has failed to arrive there that has not since.
pub async fn has_failed(
    tx: &mut Tx,
    organisation: OrganisationId,
    person: PersonId,
    channel: Channel,
) -> Result<bool> {
    let failed: i64 = both!(tx, |c| sqlx::query_scalar(HAS_FAILED)
        .bind(person)
        .bind(channel)
        .bind(organisation)
        .fetch_one(c)
        .await?);
    Ok(failed > 0)
}

/// Keeps what is known of an address by now.
pub async fn save(tx: &mut Tx, organisation: OrganisationId, address: &Address) -> Result<()> {
    let Address { person, channel, known, due_at, .. } = address;
    let asked = match &known.proof {
        Proof::Asked(asked) => Some(asked),
        _ => None,
    };
    let (state, since, why) = match known.proof {
        Proof::Unasked => ("unasked", None, None),
        Proof::Asked(asked) => ("asked", Some(asked.first), None),
        Proof::Proved { at } => ("proved", Some(at), None),
        Proof::Declined { at } => ("declined", Some(at), None),
        Proof::Dead { at, why } => ("dead", Some(at), Some(why)),
    };
    let saved = execute!(
        tx,
        SAVE,
        person,
        channel,
        organisation,
        state,
        since,
        asked.map(|asked| asked.last),
        asked.map_or(0, |asked| asked.times),
        asked.map(|asked| asked.id),
        asked.map(|asked| &asked.code.0[..]),
        asked.map_or(0, |asked| asked.wrong),
        asked.and_then(|asked| asked.proved_at),
        why,
        known.failures.days,
        known.failures.last.map(|day| day.to_string()),
        due_at
    );
    if let Some(due) = due_at {
        tx.ring_timer(*due);
    }
    one_row(saved)
}
