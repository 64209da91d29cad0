//! What a provider says of a message after it has taken it, and what follows where it says nothing (row D4). A receipt brings the
//! next channel or the next step sooner; it never counts as a person and never makes anything later.

use chrono::TimeDelta;
use serde_json::json;

use super::{
    House,
    about::About,
    delivery::{bring_next_step_forward, next_channel, operator_mends},
    proofs,
    telling::tell_operator,
};
use crate::{
    clock::Time,
    domain::{
        event::{Door, EventKind, NewEvent},
        ids::{MessageId, OrganisationId},
        notice::Purpose,
        receipt::Standing,
        retry::Cause,
    },
    store::{self, Trace, Tx, messages, people, receipts},
};

/// Without a word for so long a call's next channel starts.
pub const SILENCE: TimeDelta = TimeDelta::seconds(90);

/// Which message a receipt is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// By our name for it.
    Ours(MessageId),
    /// By the provider's.
    Theirs(String),
}

/// What a receipt says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A network has it.
    OnItsWay,
    /// It is there.
    Delivered,
    /// It will not arrive.
    Failed {
        /// What that says of the address.
        cause: Cause,
        /// The provider's code, without personal data.
        reason: String,
    },
}

/// Takes a receipt; `at` is when it happened, if the provider says so. One about no message of ours is no news.
pub async fn take(
    tx: &mut Tx,
    house: &House,
    which: &Which,
    (said, at): (&Said, Option<Time>),
    now: Time,
) -> store::Result<()> {
    let found = match which {
        Which::Ours(id) => receipts::find_any_org(tx, *id).await?.map(|organisation| (*id, organisation)),
        Which::Theirs(reference) => receipts::find_by_reference_any_org(tx, reference).await?,
    };
    let Some((id, organisation)) = found else { return Ok(()) };
    let Some(message) = messages::find(tx, organisation, id).await? else { return Ok(()) };
    let trace = Trace::machine(Door::Receipt, now);
    let mut about = About::lock(tx, &message).await?;
    // Read under that lock: two receipts about one message wait for each other.
    let before = receipts::standing(tx, organisation, id).await?;
    let standing = match said {
        Said::OnItsWay => Standing::OnItsWay,
        Said::Delivered => Standing::Delivered,
        Said::Failed { .. } => Standing::Failed,
    };
    let Some(standing) = standing.after(before) else { return Ok(()) };
    receipts::keep(tx, organisation, id, standing, now).await?;
    if standing != Standing::OnItsWay {
        receipts::expect_no_more_any_org(tx, id).await?;
    }
    let (kind, reason) = match said {
        Said::OnItsWay => return Ok(()),
        Said::Delivered => (EventKind::MessageDelivered, None),
        Said::Failed { reason, .. } => (EventKind::MessageUndelivered, Some(reason)),
    };
    let body =
        json!({"message": id, "channel": message.channel, "to": message.recipient_id, "reason": reason});
    about.log(tx, NewEvent::new(kind, at.unwrap_or(now).min(now), body), trace).await?;
    let Said::Failed { cause, .. } = said else {
        return proofs::arrived(tx, house, &message, trace).await;
    };
    if operator_mends(&message) {
        tell_operator(tx, house, organisation, id, now).await?;
    }
    proofs::failed(tx, house, &message, *cause, trace).await?;
    if message.purpose == Purpose::Drill {
        // That somebody's number or address does not work is no drill; all else stands in its report.
        return Ok(());
    }
    // Nobody is called about what somebody has taken meanwhile, or under words that do not hold any more.
    if message.purpose.calls_to_act() && !about.still_calls(tx, &message).await? {
        return Ok(());
    }
    let directory = people::directory(tx, organisation).await?;
    next_channel(tx, &message, &directory, now).await?;
    bring_next_step_forward(tx, house, &message, &directory, trace).await
}

/// No receipt came in time: the next channel starts, if the message still matters to anybody.
pub async fn is_missed(
    tx: &mut Tx,
    (id, organisation): (MessageId, OrganisationId),
    now: Time,
) -> store::Result<()> {
    let Some(message) = messages::find(tx, organisation, id).await? else { return Ok(()) };
    let mut about = About::lock(tx, &message).await?;
    receipts::expect_no_more_any_org(tx, id).await?;
    let standing = receipts::standing(tx, organisation, id).await?;
    let is_known = standing.is_some_and(|standing| standing > Standing::OnItsWay);
    if is_known || !about.still_calls(tx, &message).await? {
        return Ok(());
    }
    let body = json!({"message": id, "channel": message.channel, "to": message.recipient_id});
    let event = NewEvent::new(EventKind::MessageUnconfirmed, now, body);
    about.log(tx, event, Trace::machine(Door::Timer, now)).await?;
    let directory = people::directory(tx, organisation).await?;
    next_channel(tx, &message, &directory, now).await
}
