//! Tells other systems what happened (row D7). A loop of its own beside the outbox: each receiver is worked on by itself, so a slow one
//! keeps no other waiting, and together they take two of the doors' database connections at most, so that none of them keeps an alarm
//! waiting. What is to be told stands in rows; a process that died is followed by another when its lease ends.

use std::{collections::HashSet, sync::Arc, time::Duration};

use chrono::TimeDelta;
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    app::{
        House,
        webhook_deliveries::{self as deliveries, Next, Round},
        webhooks::name_of,
    },
    clock::{Clock, Time},
    config::Secret,
    domain::{event::Door, ids::WebhookId, policy::delta, webhook::Posted},
    keys::ServerKey,
    providers::event_webhook::{EventClient, EventPost},
    store::{
        self, Db, Lane, Trace, Tx,
        webhooks::{self, Delivery, Webhook},
    },
};

/// What happened is looked for so often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So many of its transactions run at the same time.
const AT_ONCE: usize = 2;
/// So many receivers are told at the same time, over all organisations: each may keep a connection open until its time is over.
const WORKING: usize = 200;
/// A lease is longer than the longest try by so much.
const SPARE: TimeDelta = TimeDelta::seconds(15);

/// What it works with.
#[derive(Debug)]
pub struct EventWebhooks {
    db: Db,
    clock: Arc<dyn Clock>,
    house: Arc<House>,
    key: ServerKey,
    client: EventClient,
    lease: TimeDelta,
    room: Semaphore,
}

impl EventWebhooks {
    /// `patience`: how long the client waits for an answer.
    pub fn new(
        db: Db,
        clock: Arc<dyn Clock>,
        (house, key): (Arc<House>, ServerKey),
        client: EventClient,
        patience: Duration,
    ) -> Self {
        let lease = delta(patience) + SPARE;
        Self { db, clock, house, key, client, lease, room: Semaphore::new(AT_ONCE) }
    }

    /// Tells everything that is due now.
    pub async fn deliver_due(&self) -> store::Result<()> {
        let stop = CancellationToken::new();
        let waiting = self.waiting(self.clock.now()).await?;
        let all = waiting.into_iter().map(|id| self.work(id, &stop));
        futures::future::join_all(all).await.into_iter().collect()
    }

    /// Tells until it is told to stop, then finishes the tries that are under way.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut working: JoinSet<WebhookId> = JoinSet::new();
        let mut busy: HashSet<WebhookId> = HashSet::new();
        loop {
            match self.waiting(self.clock.now()).await {
                Ok(waiting) => {
                    let room = WORKING.saturating_sub(working.len());
                    let waiting = waiting.into_iter().filter(|id| !busy.contains(id)).take(room);
                    for id in waiting.collect::<Vec<_>>() {
                        busy.insert(id);
                        let (this, stop) = (Arc::clone(&self), stop.clone());
                        working.spawn(async move {
                            if let Err(error) = this.work(id, &stop).await {
                                tracing::error!(%error, webhook = %id, "a webhook could not be worked on; tried again when its lease ends");
                            }
                            id
                        });
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "webhooks could not be looked at; the next look follows");
                }
            }
            let look = tokio::time::sleep(LOOK_EVERY);
            tokio::pin!(look);
            loop {
                tokio::select! {
                    () = stop.cancelled() => {
                        while working.join_next().await.is_some() {}
                        return;
                    }
                    Some(done) = working.join_next() => match done {
                        Ok(id) => { busy.remove(&id); }
                        // Which one is not known; the leases say what is still under way.
                        Err(_panicked) => busy.clear(),
                    },
                    () = &mut look => break,
                }
            }
        }
    }

    async fn waiting(&self, now: Time) -> store::Result<Vec<WebhookId>> {
        let _room = self.room.acquire().await;
        let mut tx = self.db.read().await?;
        webhooks::waiting_any_org(&mut tx, now, deliveries::MOST_PENDING).await
    }

    /// Tells one receiver what is due for it, one after the other.
    async fn work(&self, id: WebhookId, stop: &CancellationToken) -> store::Result<()> {
        let mut held = None;
        while let Some(Round { webhook, due }) = self.take(id, held).await? {
            held = Some(webhook.epoch);
            for delivery in due {
                if stop.is_cancelled() {
                    return self.leave(webhook.id, webhook.epoch).await;
                }
                let posted = self.post(&webhook, &delivery).await;
                if self.keep(&webhook, delivery, posted).await? == Next::Stop {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn take(&self, id: WebhookId, held: Option<i64>) -> store::Result<Option<Round>> {
        let _room = self.room.acquire().await;
        let now = self.clock.now();
        let lease = (now, now + self.lease);
        let case = async move |tx: &mut Tx| deliveries::take(tx, id, lease, held).await;
        self.db.write_in(Lane::Usual, case).await
    }

    /// What is left goes with the next look of whichever process.
    async fn leave(&self, id: WebhookId, epoch: i64) -> store::Result<()> {
        let now = self.clock.now();
        let case = async move |tx: &mut Tx| webhooks::mark_any_org(tx, id, epoch, now).await;
        self.db.write_in(Lane::Usual, case).await.map(drop)
    }

    async fn post(&self, webhook: &Webhook, delivery: &Delivery) -> Posted {
        let Some(offered) = deliveries::wanted(webhook, &delivery.kind) else { return Posted::Taken };
        let secrets: Vec<Secret> =
            webhook.secrets.iter().filter_map(|hidden| self.key.show_secret(webhook.id, hidden)).collect();
        let about = (delivery.chain_kind.as_str(), delivery.chain);
        let payload = offered.payload(about, delivery.happened_at, &delivery.body);
        let id = name_of(&self.key, delivery.at);
        let now = self.clock.now();
        self.client
            .post(&EventPost { url: &webhook.url, secrets: &secrets, id: &id, payload: &payload, now })
            .await
    }

    async fn keep(&self, webhook: &Webhook, delivery: Delivery, posted: Posted) -> store::Result<Next> {
        let outcome = match &posted {
            Posted::Taken => "taken",
            Posted::Gone => "gone",
            Posted::Failed { reason, .. } => {
                tracing::warn!(webhook = %webhook.id, reason, "a webhook did not take an event");
                "failed"
            }
        };
        self.db.metrics().webhook(outcome);
        let _room = self.room.acquire().await;
        let now = self.clock.now();
        let (with, trace) = ((jitter(), now + self.lease), Trace::machine(Door::Outbox, now));
        let (house, about) = (Arc::clone(&self.house), (webhook.id, webhook.epoch));
        let case = async move |tx: &mut Tx| {
            let (id, epoch) = about;
            deliveries::keep(tx, &house, (id, epoch, &delivery), &posted, with, trace).await
        };
        self.db.write_in(Lane::Usual, case).await
    }
}

fn jitter() -> f64 {
    let mut byte = [0_u8];
    getrandom::fill(&mut byte).map_or(0.5, |()| f64::from(byte[0]) / 255.0)
}
