//! The inbox: what providers send, or say when they are asked. Every text is kept and done in one transaction, once for each name
//! that its provider has for it; what could not be done is done later.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    app::{
        House, inbound as texts,
        receipts::{self, Said, Which},
    },
    clock::Clock,
    domain::{
        command::{Command, parse},
        contact::Channel,
    },
    keys::ServerKey,
    providers::{
        Entry, Providers,
        inbound::{Outcome, Receipt, ReceiptOf, Received, ReceivedText, Sender},
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

/// What the inbox works with.
#[derive(Debug)]
pub struct Inbox {
    db: Db,
    clock: Arc<dyn Clock>,
    house: Arc<House>,
    key: ServerKey,
    providers: Providers,
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
        Self { db, clock, house, key, providers }
    }

    /// The providers.
    pub fn providers(&self) -> &Providers {
        &self.providers
    }

    /// Takes what a provider says. Once this is done it is kept, and need not be said again.
    pub async fn take(&self, from: &Entry, received: Received) -> store::Result<()> {
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
            name: TextName {
                provider: from.provider().inbound_kind().unwrap_or_default().into(),
                provider_id: text.id.0,
            },
            received_at: now,
            sent_at: text.sent_at,
            sender: match text.from {
                Sender::Phone(phone) => phone.as_str().into(),
                Sender::Other(word) => word.reveal().into(),
            },
            body: text.text.reveal().into(),
        };
        let (house, key) = (Arc::clone(&self.house), self.key.clone());
        let case = async move |tx: &mut Tx| texts::take(tx, &house, &key, &text, now).await;
        self.db.write_in(lane, case).await
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
            let (house, key) = (Arc::clone(&self.house), self.key.clone());
            let case = async move |tx: &mut Tx| texts::try_again(tx, &house, &key, &name, now).await;
            self.db.write_in(Lane::Urgent, case).await?;
        }
        Ok(())
    }

    /// Asks the providers that can be asked: a webhook may have been lost.
    pub async fn poll(&self) -> store::Result<()> {
        for entry in self.providers.for_channel(Channel::Sms) {
            match entry.poll_texts(self.clock.now()).await {
                Ok(polled) => {
                    if polled.unreadable > 0 {
                        tracing::error!(
                            provider = entry.name(),
                            count = polled.unreadable,
                            "texts that came in cannot be read"
                        );
                    }
                    // The newest come first; people said them in the other order.
                    for text in polled.texts.into_iter().rev() {
                        self.take_text(entry, text).await?;
                    }
                }
                Err(why) => {
                    tracing::warn!(provider = entry.name(), %why, "the texts that came in could not be asked for");
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
                tracing::error!(%error, "texts that were kept could not be looked at; the next look follows");
            }
            if looks.is_multiple_of(POLL_EACH)
                && let Err(error) = self.poll().await
            {
                tracing::error!(%error, "texts that were asked for could not be kept; asked for again in a minute");
            }
        }
    }
}
