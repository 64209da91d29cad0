//! The inbox: what providers send, or say when they are asked. Every text is kept and done in one transaction, once for each name
//! that its provider has for it; what could not be done is done later.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    app::{
        House, MOVED_ASIDE, inbound as texts,
        receipts::{self, Said, Which},
    },
    clock::{Clock, Time},
    domain::{
        command::{Command, parse},
        contact::Channel,
    },
    keys::ServerKey,
    providers::{
        Entry, Providers,
        inbound::{Incoming, NotTaken, Outcome, Receipt, ReceiptOf, Received, ReceivedText, Sender, Thanks},
    },
    store::{
        self, Db, Lane, Tx,
        inbound::{self, InboundText, TextName},
    },
};

/// What was kept and not done is looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Providers that can be asked are asked each so many looks: once a minute (row S4).
const POLL_EACH: u32 = 12;
/// So many at a time.
const AT_ONCE: i64 = 50;

/// As a database can keep it: not every one takes a NUL.
fn kept(words: &str) -> String {
    words.replace('\0', "")
}

/// What is forged is logged so often at most: whoever sends many fills no log.
const FORGED_LOGGED_EVERY: chrono::TimeDelta = chrono::TimeDelta::minutes(1);

/// Where something came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Where providers of this kind post texts.
    Texts(String),
    /// Where the provider of this name posts receipts.
    Receipts(String),
}

/// A request as it came.
#[derive(Clone, Copy)]
pub struct Request<'r> {
    /// The path and the query, as they were asked for.
    pub path_and_query: &'r str,
    /// The headers.
    pub headers: &'r reqwest::header::HeaderMap,
    /// The body.
    pub body: &'r [u8],
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// It is kept, and need not be said again; this is what its provider wants to hear.
    Kept(Thanks),
    /// It is not kept: whoever sent it has to send it again.
    NotKept,
    /// It is not shown to be from a provider.
    Forged,
    /// It is from a provider and cannot be read; why.
    Unreadable(String),
    /// No provider has this address.
    NobodyHere,
}

/// What the inbox works with.
#[derive(Debug)]
pub struct Inbox {
    db: Db,
    clock: Arc<dyn Clock>,
    house: Arc<House>,
    key: ServerKey,
    providers: Providers,
    forged: Mutex<Option<Time>>,
}

impl Inbox {
    /// Of these providers.
    pub fn new(
        db: Db,
        clock: Arc<dyn Clock>,
        house: Arc<House>,
        key: ServerKey,
        providers: Providers,
    ) -> Self {
        Self { db, clock, house, key, providers, forged: Mutex::default() }
    }

    /// Hears what came to an address. Only what is shown to be from a provider of that address is taken.
    pub async fn hear(&self, address: &Address, request: Request<'_>) -> Heard {
        let now = self.clock.now();
        let Request { path_and_query, headers, body } = request;
        let incoming = Incoming { path_and_query, headers, body, now };
        let entries: Vec<_> = match address {
            Address::Texts(kind) => self.providers.inbound(kind).collect(),
            Address::Receipts(name) => self.providers.named(name).into_iter().collect(),
        };
        for entry in &entries {
            let received = match entry.provider().verify_and_read(&incoming) {
                Ok(received) => received,
                // Perhaps it is from another of the same kind.
                Err(NotTaken::Forged(_)) => continue,
                Err(why @ NotTaken::Malformed(_)) => {
                    tracing::error!(provider = entry.name(), %why, "a provider sent what cannot be read");
                    return Heard::Unreadable(why.to_string());
                }
            };
            return match self.take(entry, received).await {
                Ok(()) => Heard::Kept(entry.provider().thanks()),
                Err(error) => {
                    tracing::error!(%error, provider = entry.name(), "what a provider sent could not be kept");
                    Heard::NotKept
                }
            };
        }
        if entries.is_empty() {
            return Heard::NobodyHere;
        }
        self.log_forged(now).await;
        Heard::Forged
    }

    async fn log_forged(&self, now: Time) {
        let again = {
            let mut last = self.forged.lock().unwrap_or_else(PoisonError::into_inner);
            let again = last.is_none_or(|last| now - last >= FORGED_LOGGED_EVERY);
            *last = if again { Some(now) } else { *last };
            again
        };
        if !again {
            return;
        }
        tracing::warn!("a request that claims to be a provider's is not");
        let case = async move |tx: &mut Tx| texts::log_forged(tx, now).await;
        if let Err(error) = self.db.write_in(Lane::Usual, case).await {
            tracing::error!(%error, "a forged request was not logged");
        }
    }

    async fn take(&self, from: &Entry, received: Received) -> store::Result<()> {
        match received {
            Received::Text(text) => self.take_text(from, text).await,
            Received::Receipt(receipt) => self.take_receipt(receipt).await,
        }
    }

    async fn take_text(&self, from: &Entry, text: ReceivedText) -> store::Result<()> {
        let now = self.clock.now();
        let lane = match parse(text.text.reveal()) {
            Command::Sos { .. } | Command::NotSafe { .. } => Lane::Help,
            _ => Lane::Urgent,
        };
        let text = InboundText {
            name: self.name_of(from, &text),
            received_at: now,
            sent_at: text.sent_at,
            sender: match text.from {
                Sender::Phone(phone) => phone.as_str().into(),
                Sender::Other(word) => kept(word.reveal()),
            },
            body: kept(text.text.reveal()),
        };
        let (house, key) = (Arc::clone(&self.house), self.key.clone());
        let (to_do, to_keep) = (text.clone(), text);
        let case = async move |tx: &mut Tx| texts::take(tx, &house, &key, &to_do, now).await;
        let Err(error) = self.db.write_in(lane, case).await else { return Ok(()) };
        // Kept at least: not every provider sends it again.
        tracing::warn!(%error, "what came in could not be done; it is kept and tried again");
        let case = async move |tx: &mut Tx| inbound::keep_any_org(tx, &to_keep).await;
        self.db.write_in(lane, case).await.map(drop)
    }

    /// What makes it the same text. A gateway that anybody may have written may count from 1 again after it was set up anew:
    /// there the words count too.
    fn name_of(&self, from: &Entry, text: &ReceivedText) -> TextName {
        let kind = from.provider().inbound_kind().unwrap_or_default();
        let id = kept(&text.id.0);
        if !from.provider().may_count_anew() {
            return TextName { provider: kind.into(), provider_id: id };
        }
        let sender = match &text.from {
            Sender::Phone(phone) => phone.as_str(),
            Sender::Other(word) => word.reveal(),
        };
        let words = self.key.text(sender, text.text.reveal());
        TextName { provider: format!("{kind}/{}", from.name()), provider_id: format!("{id}/{words}") }
    }

    async fn take_receipt(&self, receipt: Receipt) -> store::Result<()> {
        let Receipt { of, outcome, at } = receipt;
        let which = match of {
            ReceiptOf::Ours(id) => Which::Ours(id),
            ReceiptOf::Theirs(reference) => Which::Theirs(reference),
        };
        let said = match outcome {
            Outcome::OnItsWay => Said::OnItsWay,
            Outcome::Delivered => Said::Delivered,
            Outcome::Failed { cause, reason } => Said::Failed { cause, reason },
        };
        let (house, now) = (Arc::clone(&self.house), self.clock.now());
        let case = async move |tx: &mut Tx| receipts::take(tx, &house, &which, (&said, at), now).await;
        self.db.write_in(Lane::Urgent, case).await
    }

    /// Does what was kept and could not be done.
    pub async fn catch_up(&self) -> store::Result<()> {
        let now = self.clock.now();
        let due = self.db.look(async move |tx: &mut Tx| inbound::due_any_org(tx, now, AT_ONCE).await).await?;
        for name in due {
            let (house, key, aside) = (Arc::clone(&self.house), self.key.clone(), name.clone());
            let case = async move |tx: &mut Tx| texts::try_again(tx, &house, &key, &name, now).await;
            let Err(error) = self.db.write_in(Lane::Urgent, case).await else { continue };
            // The others do not wait for it.
            tracing::error!(%error, "what was kept could not be done; tried again in 30 s");
            let again = async move |tx: &mut Tx| inbound::again_any_org(tx, &aside, now + MOVED_ASIDE).await;
            self.db.write_in(Lane::Urgent, again).await?;
        }
        Ok(())
    }

    /// Asks the providers that can be asked: a webhook may have been lost.
    pub async fn poll(&self) -> store::Result<()> {
        for entry in self.providers.for_channel(Channel::Sms) {
            match entry.poll_texts(self.clock.now()).await {
                Ok(polled) => {
                    if polled.unreadable > 0 {
                        let (provider, count) = (entry.name(), polled.unreadable);
                        tracing::error!(provider, count, "some of what came in cannot be read");
                    }
                    // The newest come first; people said them in the other order.
                    for text in polled.texts.into_iter().rev() {
                        if let Err(error) = self.take_text(entry, text).await {
                            tracing::error!(%error, "what was asked for could not be kept; asked for again in a minute");
                        }
                    }
                }
                Err(why) => {
                    tracing::warn!(provider = entry.name(), %why, "what came in could not be asked for");
                }
            }
        }
        Ok(())
    }

    /// Looks until it is told to stop.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut looks = 0_u32;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            looks = looks.wrapping_add(1);
            if let Err(error) = self.catch_up().await {
                tracing::error!(%error, "what was kept could not be looked at; the next look follows");
            }
            if looks.is_multiple_of(POLL_EACH)
                && let Err(error) = self.poll().await
            {
                tracing::error!(%error, "what was asked for could not be kept; asked for again in a minute");
            }
        }
    }
}
