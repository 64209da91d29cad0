//! What the page shows of the past: the log, and what reached each phone. Read on from where it was read last, so that a
//! look each second costs as much as what is new.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    clock::Time,
    domain::{
        contact::Channel,
        event::{Door, EventKind},
        ids::{MessageId, PersonId},
        people::Directory,
    },
    store::{
        self, Tx,
        events::{self, Cursor, Kept},
        messages,
    },
};

/// So many lines of the log are shown.
const LINES: usize = 120;
/// So many bubbles and mails of one phone are shown.
const BUBBLES: usize = 40;
/// Of messages that were taken before the first look, only the newest are shown.
const OLD_MESSAGES: usize = 200;
/// So many events are read at once.
const PAGE: i64 = 500;

/// Something that happened.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Line {
    id: String,
    at: String,
    kind: String,
    who: String,
    body: String,
}

/// From where a bubble comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum From {
    /// The person pressed something.
    Me,
    /// What Homeward answered at once.
    Answer,
    /// A text message.
    Text,
}

/// One bubble on a phone.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Bubble {
    id: u64,
    at: String,
    from: From,
    text: String,
    /// Which provider took it, and at which try.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

/// One mail.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Mail {
    id: u64,
    at: String,
    subject: String,
    text: String,
}

/// What one phone shows.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Inbox {
    /// The newest last.
    bubbles: VecDeque<Bubble>,
    /// The newest last.
    mails: VecDeque<Mail>,
}

/// A message that a provider took.
#[derive(Debug)]
struct Arrived {
    at: Time,
    message: MessageId,
    by: String,
}

/// Who looks: by whose names, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look<'d> {
    pub(super) directory: &'d Directory,
    pub(super) now: Time,
}

/// The past, as far as the page shows it.
#[derive(Debug, Default)]
pub(super) struct Feed {
    cursor: Cursor,
    /// The newest first.
    pub(super) log: VecDeque<Line>,
    pub(super) inboxes: BTreeMap<PersonId, Inbox>,
    arrived: VecDeque<Arrived>,
    last_id: u64,
}

impl Feed {
    /// Reads what is new.
    pub(super) async fn catch_up(&mut self, tx: &mut Tx, look: Look<'_>) -> store::Result<()> {
        loop {
            let page = events::list(tx, look.directory.organisation, self.cursor, PAGE).await?;
            for kept in &page {
                self.take(kept, look);
                self.cursor = kept.cursor;
            }
            if i64::try_from(page.len()).is_ok_and(|read| read < PAGE) {
                break;
            }
        }
        while let Some(arrived) = self.arrived.pop_front() {
            self.deliver(tx, arrived, look).await?;
        }
        Ok(())
    }

    fn take(&mut self, kept: &Kept, look: Look<'_>) {
        let event = &kept.event;
        let body: Value = serde_json::from_str(&event.body).unwrap_or_default();
        if event.kind == EventKind::MessageAccepted.as_str()
            && let Some(id) =
                body.get("message").and_then(Value::as_str).and_then(|id| Uuid::parse_str(id).ok())
        {
            let (message, by) = (MessageId(id), by(&body, look));
            self.arrived.push_back(Arrived { at: event.learned_at, message, by });
            if self.arrived.len() > OLD_MESSAGES {
                self.arrived.pop_front();
            }
        }
        let words = kept.words.as_deref().and_then(|words| serde_json::from_str(words).ok());
        let about = kept.subject.filter(|subject| event.actor != Some(*subject));
        let about = about.map(|subject| format!("about {}", look.directory.name_of(subject)));
        let said = if event.kind == EventKind::MessageAccepted.as_str() {
            Some(taken(&body, look))
        } else {
            short(&body, look)
        };
        let words = words.and_then(|words: Value| short(&words, look));
        let parts = [about, said, words];
        self.log.push_front(Line {
            id: format!("{}/{}", event.chain, event.number),
            at: moment(event.happened_at, look),
            kind: event.kind.clone(),
            who: match (event.actor, event.door) {
                (Some(person), _) => look.directory.name_of(person).to_owned(),
                (None, Door::Timer) => "the clock".into(),
                (None, Door::Outbox) => "the outbox".into(),
                (None, _) => "set-up".into(),
            },
            body: parts.into_iter().flatten().collect::<Vec<_>>().join("; "),
        });
        self.log.truncate(LINES);
    }

    async fn deliver(
        &mut self,
        tx: &mut Tx,
        Arrived { at, message, by }: Arrived,
        look: Look<'_>,
    ) -> store::Result<()> {
        let Some(message) = messages::find(tx, look.directory.organisation, message).await? else {
            return Ok(());
        };
        let Some(person) = message.recipient_id else { return Ok(()) };
        match message.channel {
            Channel::Sms => {
                self.put(person, (From::Text, message.short_text, Some(by)), at, look);
            }
            Channel::Email => {
                let id = self.next_id();
                let at = moment(at, look);
                let mails = &mut self.inboxes.entry(person).or_default().mails;
                mails.push_back(Mail { id, at, subject: message.subject, text: message.body });
                keep_newest(mails);
            }
        }
        Ok(())
    }

    /// Puts onto a phone what its person sent, or what that was answered.
    pub(super) fn bubble(&mut self, person: PersonId, from: From, text: String, at: Time, look: Look<'_>) {
        self.put(person, (from, text, None), at, look);
    }

    fn put(
        &mut self,
        person: PersonId,
        (from, text, by): (From, String, Option<String>),
        at: Time,
        look: Look<'_>,
    ) {
        let id = self.next_id();
        let bubbles = &mut self.inboxes.entry(person).or_default().bubbles;
        bubbles.push_back(Bubble { id, at: moment(at, look), from, text, by });
        keep_newest(bubbles);
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

fn keep_newest<T>(list: &mut VecDeque<T>) {
    while list.len() > BUBBLES {
        list.pop_front();
    }
}

/// To the second: in a demonstration much happens within a minute. What was on another day says so.
pub(super) fn moment(at: Time, Look { directory, now }: Look<'_>) -> String {
    let (at, now) = (at.with_timezone(&directory.zone), now.with_timezone(&directory.zone));
    if at.date_naive() == now.date_naive() {
        return at.format("%H:%M:%S").to_string();
    }
    at.format("%-d %b %H:%M").to_string()
}

/// Most of the log: a message that reached a phone.
fn taken(body: &Value, look: Look<'_>) -> String {
    let part = |key| body.get(key).map(|value| word(value, look)).unwrap_or_default();
    format!("{} to {}: {}, by {}", part("channel"), part("to"), part("purpose"), by(body, look))
}

/// Which provider took a message, and at which try.
fn by(body: &Value, look: Look<'_>) -> String {
    let provider = body.get("provider").map(|value| word(value, look)).unwrap_or_default();
    match body.get("tries").and_then(Value::as_u64) {
        Some(tries) if tries > 1 => format!("{provider}, try {tries}"),
        _ => provider,
    }
}

/// What an event's body says, in few words.
fn short(body: &Value, look: Look<'_>) -> Option<String> {
    const LEFT_OUT: [&str; 7] = ["message", "ladder", "token", "before", "person", "worker", "rules"];
    let parts: Vec<String> = body
        .as_object()?
        .iter()
        .filter(|(key, _)| !LEFT_OUT.contains(&key.as_str()))
        .filter_map(|(key, value)| {
            let said = word(value, look);
            let name = if value.is_object() { String::new() } else { key.replace('_', " ") + " " };
            (!said.is_empty()).then(|| format!("{name}{said}"))
        })
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn word(value: &Value, look: Look<'_>) -> String {
    match value {
        Value::Null | Value::Bool(false) => String::new(),
        Value::String(text) => match (Uuid::parse_str(text), text.parse::<Time>()) {
            (Ok(id), _) => {
                look.directory.person(PersonId(id)).map(|person| person.name.clone()).unwrap_or_default()
            }
            (_, Ok(at)) => moment(at, look),
            _ => text.replace('_', " "),
        },
        Value::Array(list) => list.iter().map(|one| word(one, look)).collect::<Vec<_>>().join(" and "),
        Value::Object(_) => short(value, look).unwrap_or_default(),
        Value::Bool(true) => "yes".into(),
        Value::Number(number) => number.to_string(),
    }
}
