//! Where an organisation's other systems are told what happened (row D7): set by an administrator, seen by auditors too.

use serde_json::json;

use super::{Outcome, Rejected, access::Actor, allowed, case_files::IsNew};
use crate::{
    clock::Time,
    config::{Secret, origin_of},
    domain::{
        event::{EventKind, NewEvent},
        ids::WebhookId,
        rights::{Arrange, may_arrange},
        webhook::Offered,
    },
    keys::ServerKey,
    store::{
        self, Trace, Tx,
        events::{self, Cursor, log_for_organisation},
        webhooks::{self, Webhook},
    },
};

/// So many an organisation may have: each is work for every event.
const MOST: usize = 20;

/// What stands before the name of an event for its receivers.
const EVENT: &str = "evt_";

/// The name of an event for its receivers: the same for every try and every replay, and by it somebody asks for a replay. It is sealed:
/// plain numbers would show how much happened in between.
pub fn name_of(key: &ServerKey, at: Cursor) -> String {
    format!("{EVENT}{}", key.seal(at.into()))
}

/// What is said of one.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Its short name.
    pub key: String,
    /// Where it is.
    pub url: String,
    /// The types that are wanted.
    pub events: Vec<String>,
    /// What signs; nothing: as it was.
    pub secrets: Option<Vec<Secret>>,
}

/// One, and how it is with it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The webhook.
    pub webhook: Webhook,
    /// Where it is, as far as the reader may see: path and query may hold a token, and are for whoever may set them.
    pub url: String,
    /// So much is still to be delivered.
    pub backlog: i64,
    /// When the next of it is tried.
    pub next_try: Option<Time>,
}

async fn shown(tx: &mut Tx, actor: &Actor, webhook: Webhook) -> store::Result<Shown> {
    let (backlog, next) = webhooks::backlog(tx, webhook.organisation, webhook.id).await?;
    let next_try = next.map(|next| next.max(webhook.paused_until)).filter(|_| webhook.disabled_at.is_none());
    let url = match may_arrange(actor.role, Arrange::Change, false) {
        Ok(()) => webhook.url.clone(),
        Err(_) => origin_of(&webhook.url),
    };
    Ok(Shown { webhook, url, backlog, next_try })
}

/// All of them.
pub async fn list(tx: &mut Tx, actor: &Actor) -> Outcome<Vec<Shown>> {
    allowed!(may_arrange(actor.role, Arrange::See, false));
    let mut all = Vec::new();
    for webhook in webhooks::list(tx, actor.organisation).await? {
        all.push(shown(tx, actor, webhook).await?);
    }
    Ok(Ok(all))
}

/// Sets one. A new one is told what happens from now on; one that had been disabled is told again, what waited first.
pub async fn set(
    tx: &mut Tx,
    key: &ServerKey,
    actor: &Actor,
    wanted: &Wanted,
    trace: Trace,
) -> Outcome<(Shown, IsNew)> {
    allowed!(may_arrange(actor.role, Arrange::Change, false));
    let there = webhooks::load(tx, actor.organisation, &wanted.key).await?;
    let id = there.as_ref().map_or_else(|| WebhookId::new(trace.now), |there| there.id);
    let hide = |secret: &Secret| key.hide_secret(id, secret.reveal());
    let said: Option<Vec<String>> = wanted.secrets.as_ref().map(|secrets| secrets.iter().map(hide).collect());
    let Some(secrets) = said.or(there.as_ref().map(|there| there.secrets.clone())) else {
        let why = "say what signs: one secret, or two while one is changed for the other".into();
        return Ok(Err(Rejected::Field { field: "secrets", why }));
    };
    let events = Offered::names().filter(|name| wanted.events.iter().any(|wanted| wanted == name));
    let events: Vec<String> = events.map(str::to_owned).collect();
    let (url, set) = (wanted.url.clone(), (actor.person, trace.now));
    let (webhook, is_new) = if let Some(there) = there {
        // The same secrets are hidden as the same text.
        let as_it_was = there.disabled_at.is_none()
            && (&there.url, &there.events, &there.secrets) == (&url, &events, &secrets);
        if as_it_was {
            return Ok(Ok((shown(tx, actor, there).await?, IsNew::No)));
        }
        let changed = Webhook {
            url,
            events,
            secrets,
            set,
            failures: 0,
            failing_since: None,
            told_at: None,
            disabled_at: None,
            paused_until: trace.now,
            ..there
        };
        webhooks::change(tx, actor.organisation, &changed).await?;
        webhooks::try_all_now(tx, actor.organisation, id, trace.now).await?;
        (changed, IsNew::No)
    } else {
        if webhooks::list(tx, actor.organisation).await?.len() >= MOST {
            let why = format!("there are {MOST} already: remove one first");
            return Ok(Err(Rejected::Field { field: "key", why }));
        }
        let new = Webhook {
            id,
            organisation: actor.organisation,
            key: wanted.key.clone(),
            url,
            events,
            secrets,
            set,
            after: events::last(tx, actor.organisation).await?,
            epoch: 0,
            paused_until: trace.now,
            failures: 0,
            failing_since: None,
            told_at: None,
            last_success_at: None,
            last_failure: None,
            given_up: (0, None),
            disabled_at: None,
        };
        webhooks::insert(tx, actor.organisation, &new).await?;
        (new, IsNew::Yes)
    };
    let body = json!({"webhook": id, "key": webhook.key, "events": webhook.events, "secrets": webhook.secrets.len()});
    log(tx, &webhook, (EventKind::WebhookSet, body), trace).await?;
    Ok(Ok((shown(tx, actor, webhook).await?, is_new)))
}

/// Removes one, and what was still to be delivered to it.
pub async fn remove(tx: &mut Tx, actor: &Actor, key: &str, trace: Trace) -> Outcome<()> {
    allowed!(may_arrange(actor.role, Arrange::Change, false));
    let Some(webhook) = webhooks::load(tx, actor.organisation, key).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    webhooks::remove(tx, actor.organisation, webhook.id).await?;
    let body = json!({"webhook": webhook.id, "key": webhook.key});
    log(tx, &webhook, (EventKind::WebhookRemoved, body), trace).await?;
    Ok(Ok(()))
}

/// Tells what happened once more, from an event on; whatever still waits is tried at once. `from` is the name of an event for its
/// receivers (`webhook-id`), or its `cursor` in the log.
pub async fn replay(
    tx: &mut Tx,
    server_key: &ServerKey,
    actor: &Actor,
    (key, from): (&str, &str),
    trace: Trace,
) -> Outcome<Shown> {
    allowed!(may_arrange(actor.role, Arrange::Change, false));
    let Some(webhook) = webhooks::load(tx, actor.organisation, key).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    let from = server_key.unseal(from.strip_prefix(EVENT).unwrap_or(from)).map(Cursor::from);
    let mut after = None;
    if let Some(from) = from {
        let found = events::list(tx, actor.organisation, from.just_before(), 1).await?;
        after = found.first().filter(|found| found.cursor == from).map(|_| from.just_before());
    }
    let Some(after) = after else {
        let why = "this is no event of yours: say its webhook-id, or its cursor in GET /events".into();
        return Ok(Err(Rejected::Field { field: "from", why }));
    };
    webhooks::go_back(tx, actor.organisation, webhook.id, after, trace.now).await?;
    webhooks::try_all_now(tx, actor.organisation, webhook.id, trace.now).await?;
    let body = json!({"webhook": webhook.id, "key": webhook.key});
    log(tx, &webhook, (EventKind::WebhookReplayed, body), trace).await?;
    Ok(Ok(shown(tx, actor, Webhook { after, paused_until: trace.now, ..webhook }).await?))
}

/// No address and no secret stands in the log.
pub(super) async fn log(
    tx: &mut Tx,
    webhook: &Webhook,
    (kind, body): (EventKind, serde_json::Value),
    trace: Trace,
) -> store::Result<()> {
    let event = NewEvent::new(kind, trace.now, body);
    log_for_organisation(tx, webhook.organisation, (None, None), trace, event).await
}
