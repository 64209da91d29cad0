//! What is to be told to other systems, and what came of it. Whoever works on a webhook has leased it; everything here is done in that
//! lease, so that two processes never tell the same at the same time.

use std::{collections::HashMap, time::Duration};

use serde_json::json;
use uuid::Uuid;

use super::{House, telling::Telling, webhooks::log};
use crate::{
    clock::Time,
    domain::{
        event::EventKind,
        ids::{IncidentId, WebhookId},
        notice::{Notice, WebhookFails},
        policy::delta,
        webhook::{Fault, Offered, Posted, is_to_be_said, pause_after, wait_after},
    },
    store::{
        self, Trace, Tx,
        events::{self, ChainOf, Kept},
        incidents, people,
        webhooks::{self, Delivery, Webhook},
    },
};

/// So many events are looked at in one transaction.
const EVENTS_AT_ONCE: i64 = 200;
/// While so much waits no further events are looked at: they stand in the log.
pub const MOST_PENDING: i64 = 1000;
/// So many deliveries are taken at once; one after the other they go.
const AT_ONCE: i64 = 20;
/// The longest log of an incident that is told once it is released.
const LONGEST_CHAIN: i64 = 10_000;

/// What is to be delivered now.
#[derive(Debug, Clone)]
pub struct Round {
    /// To whom; its epoch is that of the lease.
    pub webhook: Webhook,
    /// The oldest first.
    pub due: Vec<Delivery>,
}

/// Leases a webhook, looks at what has happened since, and gives what is due; nothing: there is nothing to do, and the lease is over.
pub async fn take(
    tx: &mut Tx,
    id: WebhookId,
    (now, lease_ends): (Time, Time),
    held: Option<i64>,
) -> store::Result<Option<Round>> {
    let Some(webhook) = webhooks::lease_any_org(tx, id, (now, lease_ends), held).await? else {
        return Ok(None);
    };
    let mut hidden = Hidden::default();
    let looked = look(tx, &webhook, &mut hidden, now).await?;
    let mut due = Vec::new();
    let found = webhooks::due_any_org(tx, id, now, AT_ONCE).await?;
    for delivery in &found {
        let wanted = wanted(&webhook, &delivery.kind).is_some();
        if wanted && !hidden.is(tx, &webhook, (&delivery.chain_kind, delivery.chain)).await? {
            due.push(delivery.clone());
        } else {
            webhooks::drop_any_org(tx, id, delivery.at).await?;
        }
    }
    if found.is_empty() && looked < EVENTS_AT_ONCE {
        webhooks::mark_any_org(tx, id, webhook.epoch, now).await?;
        return Ok(None);
    }
    Ok(Some(Round { webhook, due }))
}

/// Notes which of the next events are to be delivered; how many it has looked at.
async fn look(tx: &mut Tx, webhook: &Webhook, hidden: &mut Hidden, now: Time) -> store::Result<i64> {
    if webhooks::pending_any_org(tx, webhook.id).await? >= MOST_PENDING {
        return Ok(0);
    }
    let found = events::list(tx, webhook.organisation, webhook.after, EVENTS_AT_ONCE).await?;
    for kept in &found {
        if kept.event.kind == EventKind::IncidentReleased.as_str() {
            // What had been withheld goes now.
            let chain = ChainOf::Incident(IncidentId(kept.event.chain));
            let before = events::list_chain(tx, webhook.organisation, chain, 0, LONGEST_CHAIN).await?;
            for earlier in before.iter().filter(|earlier| earlier.event.number < kept.event.number) {
                note(tx, webhook, earlier, now).await?;
            }
        }
        if !hidden.is(tx, webhook, (&kept.chain_kind, kept.event.chain)).await? {
            note(tx, webhook, kept, now).await?;
        }
    }
    if let Some(last) = found.last() {
        webhooks::looked_any_org(tx, webhook.id, last.cursor).await?;
    }
    Ok(i64::try_from(found.len()).unwrap_or(i64::MAX))
}

async fn note(tx: &mut Tx, webhook: &Webhook, kept: &Kept, now: Time) -> store::Result<()> {
    if wanted(webhook, &kept.event.kind).is_some() {
        webhooks::add_any_org(tx, webhook.id, kept.cursor, now).await?;
    }
    Ok(())
}

/// As what an event leaves for this webhook, if it does.
pub fn wanted(webhook: &Webhook, kind: &str) -> Option<&'static Offered> {
    Offered::of_kind(kind).filter(|offered| webhook.events.iter().any(|wanted| wanted == offered.name))
}

/// Which incidents nobody outside may know of: whoever reads what the other system shows may be the one whom it is about (row V8).
#[derive(Debug, Default)]
struct Hidden(HashMap<Uuid, bool>);

impl Hidden {
    async fn is(
        &mut self,
        tx: &mut Tx,
        webhook: &Webhook,
        (chain_kind, chain): (&str, Uuid),
    ) -> store::Result<bool> {
        if chain_kind != "incident" {
            return Ok(false);
        }
        if let Some(known) = self.0.get(&chain) {
            return Ok(*known);
        }
        let found = incidents::find(tx, webhook.organisation, IncidentId(chain)).await?;
        let is_hidden = found.is_none_or(|incident| incident.is_withheld());
        self.0.insert(chain, is_hidden);
        Ok(is_hidden)
    }
}

/// Whether its worker goes on with the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It does.
    GoOn,
    /// The webhook is another's now, or is to be left alone.
    Stop,
}

/// Keeps what came of one delivery, under the lease of that epoch. `jitter` in 0..1.
pub async fn keep(
    tx: &mut Tx,
    house: &House,
    (id, epoch, delivery): (WebhookId, i64, &Delivery),
    posted: &Posted,
    (jitter, lease_ends): (f64, Time),
    trace: Trace,
) -> store::Result<Next> {
    let now = trace.now;
    // As it stands now: what was tried before it in the same round has changed it.
    let Some(webhook) = &webhooks::hold_any_org(tx, id, epoch, lease_ends).await? else {
        return Ok(Next::Stop);
    };
    let next = match posted {
        Posted::Taken => {
            webhooks::drop_any_org(tx, id, delivery.at).await?;
            webhooks::works_any_org(tx, id, now).await?;
            if webhook.told_at.is_some() {
                log(tx, webhook, (EventKind::WebhookWorksAgain, named(webhook)), trace).await?;
            }
            Next::GoOn
        }
        Posted::Gone => {
            webhooks::disable_any_org(tx, id, (now, "HTTP 410")).await?;
            say(tx, house, webhook, WebhookFails::Disabled, trace).await?;
            Next::Stop
        }
        Posted::Failed { reason, fault } => {
            let asked = match fault {
                Fault::OfThisOne => Duration::ZERO,
                Fault::OfTheReceiver { wait } => *wait,
            };
            let tries = delivery.tries.saturating_add(1);
            let wait = wait_after(tries, jitter);
            let gives_up_nothing = wait.is_some();
            if let Some(wait) = wait {
                webhooks::again_any_org(tx, id, delivery.at, now + delta(wait.max(asked)), tries).await?;
            } else {
                give_up(tx, house, (webhook, delivery), trace).await?;
            }
            let (until, next) = match fault {
                Fault::OfThisOne => (webhook.paused_until, Next::GoOn),
                Fault::OfTheReceiver { wait } => {
                    let pause = pause_after(webhook.failures.saturating_add(1)).max(*wait);
                    (now + delta(pause), Next::Stop)
                }
            };
            webhooks::fails_any_org(tx, id, (now, reason), until).await?;
            if let Some(since) = webhook.failing_since
                && is_to_be_said(since, webhook.told_at, now)
                && gives_up_nothing
            {
                say(tx, house, webhook, WebhookFails::Since(since), trace).await?;
            }
            next
        }
    };
    if next == Next::Stop {
        webhooks::mark_any_org(tx, id, epoch, now).await?;
    }
    Ok(next)
}

async fn give_up(
    tx: &mut Tx,
    house: &House,
    (webhook, delivery): (&Webhook, &Delivery),
    trace: Trace,
) -> store::Result<()> {
    let (id, now) = (webhook.id, trace.now);
    webhooks::drop_any_org(tx, id, delivery.at).await?;
    webhooks::given_up_any_org(tx, id, now).await?;
    // The first of them; not each of a thousand.
    let said =
        webhook.given_up.1.is_some_and(|last| webhook.last_success_at.is_none_or(|success| success < last));
    if !said {
        say(tx, house, webhook, WebhookFails::GivenUp, trace).await?;
    }
    Ok(())
}

/// Says that it fails: in the log, and to whoever sets things up here.
async fn say(
    tx: &mut Tx,
    house: &House,
    webhook: &Webhook,
    how: WebhookFails,
    trace: Trace,
) -> store::Result<()> {
    let now = trace.now;
    let kind = match how {
        WebhookFails::Since(_) => EventKind::WebhookFailing,
        WebhookFails::GivenUp => EventKind::WebhookGivenUp,
        WebhookFails::Disabled => EventKind::WebhookDisabled,
    };
    webhooks::told_any_org(tx, webhook.id, now).await?;
    let directory = people::directory(tx, webhook.organisation).await?;
    let occasion = format!("{}/{}/{}", kind.as_str(), webhook.id, now.timestamp());
    for person in directory.who_arranges() {
        let telling = Telling { house, directory: &directory, worker: person, now };
        let notice = Notice::WebhookFails { key: webhook.key.clone(), how };
        telling.mail_person(tx, person, notice, &occasion).await?;
    }
    log(tx, webhook, (kind, named(webhook)), trace).await
}

fn named(webhook: &Webhook) -> serde_json::Value {
    json!({"webhook": webhook.id, "key": webhook.key})
}
