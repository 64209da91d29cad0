//! Messages: what was said to whom. What is still to be sent stands in the outbox beside it.

use std::collections::HashSet;

use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use super::{Result, Sql, Tx, both, execute, id_list::IdList, later::later, readable};
use crate::{
    clock::Time,
    domain::{
        contact::Channel,
        ids::{IncidentId, MessageId, OrganisationId, PersonId, VisitId},
        incident::Rung,
        notice::Purpose,
        wording::Text,
    },
};

/// So many messages go into one INSERT.
const ROWS: usize = 50;
/// So many names on lists, whose rows are short.
const LISTED_ROWS: usize = 200;

const BY_IDS_ANY_ORG: Sql = Sql::pair(
    "SELECT * FROM message WHERE id IN (SELECT unhex(value) FROM json_each($1))",
    "SELECT * FROM message WHERE id = ANY($1)",
);
const FIND: &str = "SELECT * FROM message WHERE id = $1 AND organisation_id = $2";
const LIST: &str = "SELECT * FROM message WHERE organisation_id = $1 ORDER BY created_at DESC, id LIMIT $2";
const STATE: &str = "SELECT state FROM message WHERE id = $1 AND organisation_id = $2";
const WAITING_CALLS: &str =
    "SELECT recipient_id, channel FROM message WHERE incident_id = $1 AND organisation_id = $2
       AND state = 'pending' AND purpose IN ('first_alarm', 'alarm') AND recipient_id IS NOT NULL";
const OF_OCCASION: &str = "SELECT channel FROM message WHERE occasion = $1 AND organisation_id = $2";
const STANDING_IN_ROUND: &str = "SELECT count(*) FROM message WHERE incident_id = $1 AND organisation_id = $2
       AND message.raise = $3 AND step = $4 AND round = $5 AND state <> 'refused' AND coalesce(receipt, '') <> 'failed'";
const TAKE_BACK_CALLS: &str = "UPDATE message SET state = 'taken_back', finished_at = $3
     WHERE incident_id = $1 AND organisation_id = $2 AND state = 'pending' AND purpose IN ('first_alarm', 'alarm')";
const DROP_CALLS: &str = "DELETE FROM outbox WHERE message_id IN (SELECT id FROM message
       WHERE incident_id = $1 AND organisation_id = $2 AND purpose IN ('first_alarm', 'alarm'))";
// Two who take the last two incidents of a list at once must see each other.
const LOCK_LISTS: Sql = Sql::pair(
    "SELECT 1 FROM message WHERE id IN (SELECT message_id FROM listed_call WHERE incident_id = $1)
       AND organisation_id = $2 AND state = 'pending'",
    "SELECT 1 FROM message WHERE id IN (SELECT message_id FROM listed_call WHERE incident_id = $1)
       AND organisation_id = $2 AND state = 'pending' ORDER BY id FOR NO KEY UPDATE",
);
const TAKE_BACK_LISTS: &str = "UPDATE message SET state = 'taken_back', finished_at = $3
     WHERE id IN (SELECT message_id FROM listed_call WHERE incident_id = $1)
       AND organisation_id = $2 AND state = 'pending'
       AND NOT EXISTS (SELECT 1 FROM listed_call l JOIN incident i ON i.id = l.incident_id
                       WHERE l.message_id = message.id AND i.state = 'open' AND i.owner_id IS NULL)";
const DROP_LISTS: &str = "DELETE FROM outbox WHERE message_id IN (SELECT m.id FROM listed_call l
       JOIN message m ON m.id = l.message_id
       WHERE l.incident_id = $1 AND m.organisation_id = $2 AND m.state = 'taken_back')";
const LISTED: &str = "SELECT l.incident_id FROM listed_call l JOIN message m ON m.id = l.message_id
     WHERE l.message_id = $1 AND m.organisation_id = $2 ORDER BY l.incident_id";
const LISTED_IN_VAIN_ANY_ORG: Sql = Sql::pair(
    "SELECT l.message_id, l.incident_id FROM listed_call l JOIN incident i ON i.id = l.incident_id
     WHERE l.message_id IN (SELECT unhex(value) FROM json_each($1)) AND (i.state <> 'open' OR i.owner_id IS NOT NULL)
     ORDER BY l.incident_id",
    "SELECT l.message_id, l.incident_id FROM listed_call l JOIN incident i ON i.id = l.incident_id
     WHERE l.message_id = ANY($1) AND (i.state <> 'open' OR i.owner_id IS NOT NULL) ORDER BY l.incident_id",
);
const LISTED_WITH: &str = "SELECT incident_id FROM listed_call WHERE message_id = (
       SELECT m.id FROM listed_call l JOIN message m ON m.id = l.message_id
       WHERE l.incident_id = $1 AND m.organisation_id = $2 AND m.recipient_id = $3
       ORDER BY CASE m.channel WHEN 'sms' THEN 0 ELSE 1 END, m.created_at DESC LIMIT 1)
     ORDER BY incident_id";
const LIST_TOO: &str = "INSERT INTO listed_call (incident_id, message_id)
     SELECT incident_id, $2 FROM listed_call WHERE message_id = $1 ON CONFLICT DO NOTHING";
const TAKE_BACK_REMINDERS: &str = "UPDATE message SET state = 'taken_back', finished_at = $3
     WHERE visit_id = $1 AND organisation_id = $2 AND state = 'pending' AND purpose = 'reminder'";
const DROP_REMINDERS: &str = "DELETE FROM outbox WHERE message_id IN (SELECT id FROM message
       WHERE visit_id = $1 AND organisation_id = $2 AND purpose = 'reminder')";

/// A message to be kept and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// To whom; `None`: a last-resort number, or the operator.
    pub recipient: Option<PersonId>,
    /// About which visit.
    pub visit: Option<VisitId>,
    /// About which incident.
    pub incident: Option<IncidentId>,
    /// In which round of its ladder.
    pub rung: Option<Rung>,
    /// Whether that is its first.
    pub turn: Turn,
    /// What asks for it: one message for one occasion and channel.
    pub occasion: Uuid,
    /// What it is for.
    pub purpose: Purpose,
    /// By what.
    pub channel: Channel,
    /// Where to.
    pub address: String,
    /// What it says, in the words of every channel: the next one may be needed.
    pub text: Text,
}

/// Which of an incident's steps calls somebody: a call for help begins with the second too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Those with which it begins.
    First,
    /// A later one.
    Later,
}

impl NewMessage {
    /// Its id: the same for the same occasion and channel.
    pub fn id(&self) -> MessageId {
        MessageId::of(self.occasion, self.channel)
    }

    /// Its place in the outbox; 0 goes first. Whoever a later step calls waits until the first step of every other incident
    /// has been called: no alarm stands unheard while another is heard twice.
    fn rank(&self) -> i32 {
        match (self.purpose, self.turn) {
            (Purpose::FirstAlarm, Turn::Later) => 1,
            (Purpose::FirstAlarm | Purpose::StandDown, _) => 0,
            (Purpose::Alarm, _) => 2,
            (Purpose::Told | Purpose::Reply, _) => 3,
            (Purpose::Reminder | Purpose::Proof, _) => 4,
            (Purpose::Drill, _) => 5,
        }
    }
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "TEXT", rename_all = "snake_case")]
pub enum MessageState {
    /// To be sent, or being sent.
    Pending,
    /// A provider took it.
    Accepted,
    /// It will never go by this channel.
    Refused,
    /// It is no longer wanted.
    TakenBack,
}

/// A message as it is kept.
#[derive(Clone, PartialEq, Eq, FromRow)]
pub struct Message {
    /// Its id, and its reference with every provider.
    pub id: MessageId,
    /// Whose it is.
    pub organisation_id: OrganisationId,
    /// To whom.
    pub recipient_id: Option<PersonId>,
    /// About which visit.
    pub visit_id: Option<VisitId>,
    /// About which incident.
    pub incident_id: Option<IncidentId>,
    /// In which run of the ladder.
    pub raise: Option<i32>,
    /// In which step of it.
    pub step: Option<i32>,
    /// In which round of that.
    pub round: Option<i32>,
    /// What asked for it.
    pub occasion: Uuid,
    /// What it is for.
    pub purpose: Purpose,
    /// By what.
    pub channel: Channel,
    /// Where to.
    pub address: String,
    /// What a text message says.
    pub short_text: String,
    /// The subject line of a mail.
    pub subject: String,
    /// What a mail says.
    pub body: String,
    /// Where it stands.
    pub state: MessageState,
    /// The provider that took it.
    pub provider: Option<String>,
    /// The provider's name for it.
    pub reference: Option<String>,
    /// Since when.
    pub created_at: Time,
    /// When it was taken, refused or taken back.
    pub finished_at: Option<Time>,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("purpose", &self.purpose)
            .finish_non_exhaustive()
    }
}

impl Message {
    /// What it says, in the words of every channel.
    pub fn text(&self) -> Text {
        Text { sms: self.short_text.clone(), subject: self.subject.clone(), mail: self.body.clone() }
    }

    /// Whether it belongs to the first step, as far as a message knows.
    pub fn turn(&self) -> Turn {
        if self.step.is_some_and(|step| step > 0) { Turn::Later } else { Turn::First }
    }

    /// The round of a ladder that it belongs to.
    pub fn rung(&self) -> Option<Rung> {
        Some(Rung { raise: self.raise?, step: self.step?, round: self.round? })
    }
}

/// Messages that wait for the end of the use case, or of its part, so that they leave in as few texts as possible.
pub(super) type Pending = Vec<(OrganisationId, NewMessage, Time)>;

/// Keeps messages and puts them into the outbox. One that is already there, for the same occasion and channel, stays as
/// it is: a tick that is done twice sends once.
pub async fn queue(
    tx: &mut Tx,
    organisation: OrganisationId,
    messages: &[NewMessage],
    now: Time,
) -> Result<()> {
    tx.messages.extend(messages.iter().map(|message| (organisation, message.clone(), now)));
    if tx.messages.len() >= ROWS { flush(tx).await } else { Ok(()) }
}

/// Writes what has been queued: before anything here looks at the messages, and before the end.
pub(super) async fn flush(tx: &mut Tx) -> Result<()> {
    let queued = std::mem::take(&mut tx.messages);
    for rows in queued.chunks(ROWS) {
        let new: HashSet<MessageId> = both!(tx, |c| {
            let mut insert = QueryBuilder::new(
                "INSERT INTO message (id, organisation_id, recipient_id, visit_id, incident_id, raise, step, round, \
                 occasion, purpose, channel, address, short_text, subject, body, state, created_at) ",
            );
            insert.push_values(rows, |mut row, (organisation, message, now)| {
                row.push_bind(message.id())
                    .push_bind(*organisation)
                    .push_bind(message.recipient)
                    .push_bind(message.visit)
                    .push_bind(message.incident)
                    .push_bind(message.rung.map(|rung| rung.raise))
                    .push_bind(message.rung.map(|rung| rung.step))
                    .push_bind(message.rung.map(|rung| rung.round))
                    .push_bind(message.occasion)
                    .push_bind(message.purpose)
                    .push_bind(message.channel)
                    .push_bind(&message.address)
                    .push_bind(&message.text.sms)
                    .push_bind(&message.text.subject)
                    .push_bind(&message.text.mail)
                    .push_bind(MessageState::Pending)
                    .push_bind(*now);
            });
            insert.push(" ON CONFLICT (id) DO NOTHING RETURNING id");
            insert.build_query_scalar().fetch_all(c).await?.into_iter().collect()
        });
        let mut to_send: Vec<_> = rows.iter().filter(|(_, message, _)| new.contains(&message.id())).collect();
        // The same message twice in one use case is one.
        to_send.sort_by_key(|(_, message, _)| message.id());
        to_send.dedup_by_key(|(_, message, _)| message.id());
        if to_send.is_empty() {
            continue;
        }
        both!(tx, |c| {
            let mut insert = QueryBuilder::new(
                "INSERT INTO outbox (message_id, rank, channel, due_at, first_due_at, epoch, tries) ",
            );
            insert.push_values(to_send, |mut row, (_, message, now)| {
                row.push_bind(message.id())
                    .push_bind(message.rank())
                    .push_bind(message.channel)
                    .push_bind(*now)
                    .push_bind(*now)
                    .push_bind(0_i64)
                    .push_bind(0_i32);
            });
            insert.build().execute(c).await?;
        });
        tx.ring_outbox();
    }
    Ok(())
}

/// Messages by their ids.
pub(super) async fn by_ids_any_org(tx: &mut Tx, ids: &[MessageId]) -> Result<Vec<Message>> {
    flush(tx).await?;
    let text = tx.text(BY_IDS_ANY_ORG);
    let ids: IdList = ids.iter().map(|id| id.0).collect();
    Ok(both!(tx, |c| readable!(sqlx::query(text).bind(ids).fetch_all(c).await?, Message)))
}

/// One message, to be shown.
pub async fn find(tx: &mut Tx, organisation: OrganisationId, id: MessageId) -> Result<Option<Message>> {
    flush(tx).await?;
    Ok(both!(tx, |c| sqlx::query_as(FIND).bind(id).bind(organisation).fetch_optional(c).await?))
}

/// The newest messages of an organisation.
pub async fn list(tx: &mut Tx, organisation: OrganisationId, limit: i64) -> Result<Vec<Message>> {
    flush(tx).await?;
    Ok(both!(tx, |c| sqlx::query_as(LIST).bind(organisation).bind(limit).fetch_all(c).await?))
}

/// Where a message stands now.
pub async fn state(tx: &mut Tx, organisation: OrganisationId, id: MessageId) -> Result<Option<MessageState>> {
    flush(tx).await?;
    Ok(both!(tx, |c| sqlx::query_scalar(STATE).bind(id).bind(organisation).fetch_optional(c).await?))
}

/// To whom, and by what, a call about an incident still waits to be taken.
pub async fn waiting_calls(
    tx: &mut Tx,
    organisation: OrganisationId,
    incident: IncidentId,
) -> Result<Vec<(PersonId, Channel)>> {
    flush(tx).await?;
    Ok(both!(tx, |c| sqlx::query_as(WAITING_CALLS).bind(incident).bind(organisation).fetch_all(c).await?))
}

/// By which channels an occasion has been tried.
pub async fn channels_of(tx: &mut Tx, organisation: OrganisationId, occasion: Uuid) -> Result<Vec<Channel>> {
    flush(tx).await?;
    Ok(both!(tx, |c| sqlx::query_scalar(OF_OCCASION).bind(occasion).bind(organisation).fetch_all(c).await?))
}

/// How many calls of a round have not been refused.
pub async fn standing_in_round(
    tx: &mut Tx,
    organisation: OrganisationId,
    incident: IncidentId,
    rung: Rung,
) -> Result<i64> {
    flush(tx).await?;
    Ok(both!(tx, |c| sqlx::query_scalar(STANDING_IN_ROUND)
        .bind(incident)
        .bind(organisation)
        .bind(rung.raise)
        .bind(rung.step)
        .bind(rung.round)
        .fetch_one(c)
        .await?))
}

/// Takes back every call to act about an incident that has not gone out: somebody has it, or it is over.
pub async fn take_back_calls(
    tx: &mut Tx,
    organisation: OrganisationId,
    incident: IncidentId,
    now: Time,
) -> Result<()> {
    flush(tx).await?;
    execute!(tx, DROP_CALLS, incident, organisation);
    execute!(tx, TAKE_BACK_CALLS, incident, organisation, now);
    let text = tx.text(LOCK_LISTS);
    let lists: Vec<i32> =
        both!(tx, |c| sqlx::query_scalar(text).bind(incident).bind(organisation).fetch_all(c).await?);
    if !lists.is_empty() {
        execute!(tx, TAKE_BACK_LISTS, incident, organisation, now);
        execute!(tx, DROP_LISTS, incident, organisation);
    }
    Ok(())
}

/// Keeps which incidents lists name, so that each is taken back once none of its own needs anybody.
pub async fn keep_listed(tx: &mut Tx, listed: &[(IncidentId, MessageId)]) -> Result<()> {
    flush(tx).await?;
    for rows in listed.chunks(LISTED_ROWS) {
        both!(tx, |c| {
            let mut insert = QueryBuilder::new("INSERT INTO listed_call (incident_id, message_id) ");
            insert.push_values(rows, |mut row, (incident, list)| {
                row.push_bind(incident).push_bind(list);
            });
            insert.push(" ON CONFLICT DO NOTHING");
            insert.build().execute(c).await?;
        });
    }
    Ok(())
}

/// The incidents that a list names; none, if it is no list.
pub async fn listed(tx: &mut Tx, organisation: OrganisationId, list: MessageId) -> Result<Vec<IncidentId>> {
    Ok(both!(tx, |c| sqlx::query_scalar(LISTED).bind(list).bind(organisation).fetch_all(c).await?))
}

/// Of what some lists name, that which needs nobody any more: somebody has it, or it is closed.
pub async fn listed_in_vain_any_org(
    tx: &mut Tx,
    lists: impl IntoIterator<Item = MessageId>,
) -> Result<Vec<(MessageId, IncidentId)>> {
    let lists: Vec<Uuid> = lists.into_iter().map(|id| id.0).collect();
    if lists.is_empty() {
        return Ok(Vec::new());
    }
    let (lists, text) = (IdList::from_iter(lists), tx.text(LISTED_IN_VAIN_ANY_ORG));
    Ok(both!(tx, |c| sqlx::query_as(text).bind(lists).fetch_all(c).await?))
}

/// The incidents that the list named which told somebody of this one: by text, where there was one, since it names the fewest.
pub async fn listed_with(
    tx: &mut Tx,
    organisation: OrganisationId,
    person: PersonId,
    incident: IncidentId,
) -> Result<Vec<IncidentId>> {
    flush(tx).await?;
    Ok(both!(tx, |c| sqlx::query_scalar(LISTED_WITH)
        .bind(incident)
        .bind(organisation)
        .bind(person)
        .fetch_all(c)
        .await?))
}

/// Another message says what a list said; nothing, if it was no list.
pub async fn list_too(tx: &mut Tx, list: MessageId, other: MessageId) -> Result<()> {
    flush(tx).await?;
    execute!(tx, LIST_TOO, list, other);
    Ok(())
}

/// Takes back every reminder about a visit that has not gone out.
pub async fn take_back_reminders(
    tx: &mut Tx,
    organisation: OrganisationId,
    visit: VisitId,
    now: Time,
) -> Result<()> {
    flush(tx).await?;
    later!(tx, Any, DROP_REMINDERS, visit, organisation);
    later!(tx, Any, TAKE_BACK_REMINDERS, visit, organisation, now);
    Ok(())
}
