//! What came of handing a message to a provider. A refusal that opens the next channel is a use case like any other.

use chrono::TimeDelta;
use serde_json::json;

use super::{
    House, MOVED_ASIDE,
    about::{About, Subjects},
    incidents,
    receipts::SILENCE,
    telling::{Telling, address, tell_operator},
};
use crate::{
    clock::Time,
    domain::{
        contact::Channel,
        event::{EventKind, NewEvent},
        ids::{IncidentId, MessageId},
        notice::Purpose,
        people::Directory,
    },
    store::{
        self, Trace, Tx, incidents as incident_rows,
        messages::{self, Message, MessageState, NewMessage},
        outbox::{self, Claimed, Patience},
        people, receipts,
    },
};

/// Why a message is put off, in the log.
pub const ASKED_TO_WAIT: &str = "asked to wait";
/// After so many tries that failed whoever runs the service is told.
const TRIES_TOLD: u32 = 5;
/// A call to act that would be put off for longer than this starts its recipient's next channel.
const PATIENCE: TimeDelta = TimeDelta::seconds(10);

/// Whether its provider will say what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// It does.
    Follows,
    /// It never does.
    Never,
}

/// A message that a provider took.
#[derive(Debug, Clone, Copy)]
pub struct Taken<'c> {
    /// As it was claimed.
    pub claimed: &'c Claimed,
    /// Who took it.
    pub provider: &'c str,
    /// What they call it.
    pub reference: Option<&'c str>,
    /// Whether they will say what becomes of it.
    pub receipt: Receipt,
}

/// Providers took some messages.
pub async fn accepted(tx: &mut Tx, house: &House, taken: &[Taken<'_>], trace: Trace) -> store::Result<()> {
    let mut subjects = Subjects::lock(tx, taken.iter().map(|taken| &taken.claimed.message)).await?;
    let claims = taken.iter().map(|taken| (taken.claimed.message.id, taken.claimed.epoch));
    let done = outbox::done_together_any_org(tx, claims).await?;
    let mut ours = Vec::with_capacity(taken.len());
    for taken in taken {
        let message = &taken.claimed.message;
        // Otherwise another process holds the lease by now: what it finds is what counts.
        if done.contains(&message.id) || taken_back(tx, message).await? {
            ours.push(taken);
        }
    }
    let marks: Vec<_> =
        ours.iter().map(|taken| (taken.claimed.message.id, taken.provider, taken.reference)).collect();
    outbox::taken_any_org(tx, &marks, trace.now).await?;
    for taken in &ours {
        subjects.note(&taken.claimed.message, taken.event(trace.now));
    }
    subjects.log(tx, trace).await?;
    let calls = || ours.iter().filter(|taken| taken.claimed.message.purpose.calls_to_act());
    let awaited: Vec<_> = calls().filter(|taken| taken.receipt == Receipt::Follows).collect();
    if !awaited.is_empty() {
        let ids = awaited.into_iter().map(|taken| taken.claimed.message.id);
        receipts::expect_any_org(tx, ids, trace.now + SILENCE).await?;
    }
    let lists = calls().map(|taken| &taken.claimed.message).filter(|message| message.incident_id.is_none());
    let listed = messages::listed_in_vain_any_org(tx, lists.map(|message| message.id)).await?;
    for taken in calls() {
        let message = &taken.claimed.message;
        whom_it_called_in_vain(tx, house, message, (subjects.of(message), &listed), trace).await?;
    }
    Ok(())
}

impl Taken<'_> {
    fn event(&self, now: Time) -> NewEvent {
        let message = &self.claimed.message;
        let body = json!({
            "message": message.id,
            "purpose": message.purpose,
            "channel": message.channel,
            "to": message.recipient_id,
            "provider": self.provider,
            "tries": self.claimed.tries,
            "late_by_ms": (now - self.claimed.first_due_at).num_milliseconds(),
        });
        NewEvent::new(EventKind::MessageAccepted, now, body)
    }
}

/// A call was on its way when somebody took the alarm, or closed it: what told the others so may have been there before the
/// call. Whoever got that is told once more.
async fn whom_it_called_in_vain(
    tx: &mut Tx,
    house: &House,
    message: &Message,
    (about, listed): (Option<&About>, &[(MessageId, IncidentId)]),
    trace: Trace,
) -> store::Result<()> {
    let (Some(called), Some(about)) = (message.recipient_id, about) else { return Ok(()) };
    let mut in_vain = Vec::new();
    match about {
        About::Incident(incident) => in_vain.extend((!incident.calls()).then(|| incident.as_ref().clone())),
        About::Visit(_) => {}
        About::Nothing(organisation) => {
            for (_, id) in listed.iter().filter(|(list, _)| *list == message.id) {
                let listed = incident_rows::find(tx, *organisation, *id).await?;
                in_vain.extend(listed.filter(|incident| !incident.calls()));
            }
        }
    }
    if in_vain.is_empty() {
        return Ok(());
    }
    let directory = people::directory(tx, message.organisation_id).await?;
    for incident in in_vain {
        let telling = Telling { house, directory: &directory, worker: incident.subject, now: trace.now };
        telling.tell_called_in_vain(tx, &incident, called, message.id).await?;
    }
    Ok(())
}

/// It did not work and may later: `again` is when, `tries` what counts as tried by then.
pub async fn failed(
    tx: &mut Tx,
    house: &House,
    claimed: &Claimed,
    (provider, reason): (&str, &str),
    (again, tries): (Time, u32),
    trace: Trace,
) -> store::Result<()> {
    let message = &claimed.message;
    let mut about = About::lock(tx, message).await?;
    if tries > TRIES_TOLD && message.purpose == Purpose::Drill {
        // Nobody is waiting for it.
        if outbox::done_any_org(tx, message.id, claimed.epoch).await? {
            let taken = (provider, None);
            outbox::finish_any_org(tx, message.id, MessageState::Refused, taken, trace.now).await?;
        }
        return Ok(());
    }
    if !outbox::again_any_org(tx, message.id, claimed.epoch, again, tries).await? {
        return Ok(());
    }
    // That of one that stood in counts for more than one.
    let counted = claimed.tries..=tries;
    if counted.contains(&TRIES_TOLD) && operator_mends(message) {
        tell_operator(tx, house, message.organisation_id, message.id, trace.now).await?;
    }
    // The first try that failed; a provider that asked to wait was no try.
    if counted.contains(&1) {
        let body = json!({"message": message.id, "channel": message.channel, "provider": provider, "reason": reason});
        about.log(tx, NewEvent::new(EventKind::MessageFailed, trace.now, body), trace).await?;
    }
    Ok(())
}

/// What becomes of the patience with a message that is put off until then: a call to act does not wait for long.
pub fn patience_until(claimed: &Claimed, until: Time) -> Patience {
    let too_long = claimed.message.purpose.calls_to_act() && until - claimed.first_due_at > PATIENCE;
    if too_long || claimed.patience == Patience::Over { Patience::Over } else { Patience::Asked }
}

/// Whether whoever runs the service is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// They are.
    Told,
    /// They know already.
    Knows,
}

/// Every provider of the channel asks to be left alone until then. That was no try and goes on for as long as they ask; but
/// whoever is to be called is not left waiting for it: once it is too long their next channel starts.
pub async fn put_off(
    tx: &mut Tx,
    house: &House,
    claimed: &Claimed,
    (provider, until): (&str, Time),
    operator: Operator,
    trace: Trace,
) -> store::Result<()> {
    let message = &claimed.message;
    let patience = patience_until(claimed, until);
    let mut about = About::lock(tx, message).await?;
    if !outbox::put_off_any_org(tx, claimed, until, patience).await? {
        return Ok(());
    }
    if claimed.patience == Patience::Whole {
        let body = json!({"message": message.id, "channel": message.channel, "provider": provider, "reason": ASKED_TO_WAIT});
        about.log(tx, NewEvent::new(EventKind::MessageFailed, trace.now, body), trace).await?;
    }
    if patience == Patience::Over && claimed.patience != Patience::Over {
        next_channel_too(tx, claimed, trace).await?;
    }
    if operator == Operator::Told {
        tell_operator(tx, house, message.organisation_id, message.id, trace.now).await?;
    }
    Ok(())
}

/// Every provider of the channel has failed once. Tried on, it may still go, or may have gone without an answer: the next
/// channel does not wait for that.
pub async fn next_channel_too(tx: &mut Tx, claimed: &Claimed, trace: Trace) -> store::Result<()> {
    let message = &claimed.message;
    if messages::state(tx, message.organisation_id, message.id).await? != Some(MessageState::Pending) {
        return Ok(());
    }
    let directory = people::directory(tx, message.organisation_id).await?;
    next_channel(tx, message, &directory, trace.now).await
}

/// It will never go by this channel: the next one at once, and where no channel of a round is left, the next step.
pub async fn refused(
    tx: &mut Tx,
    house: &House,
    claimed: &Claimed,
    (provider, reason): (&str, &str),
    trace: Trace,
) -> store::Result<()> {
    let message = &claimed.message;
    let mut about = About::lock(tx, message).await?;
    if !outbox::done_any_org(tx, message.id, claimed.epoch).await? {
        return Ok(());
    }
    outbox::finish_any_org(tx, message.id, MessageState::Refused, (provider, None), trace.now).await?;
    let body =
        json!({"message": message.id, "channel": message.channel, "provider": provider, "reason": reason});
    about.log(tx, NewEvent::new(EventKind::MessageRefused, trace.now, body), trace).await?;
    let directory = people::directory(tx, message.organisation_id).await?;
    next_channel(tx, message, &directory, trace.now).await?;
    if operator_mends(message) {
        tell_operator(tx, house, message.organisation_id, message.id, trace.now).await?;
    }
    bring_next_step_forward(tx, house, message, &directory, trace).await
}

/// It made its sender fail. It is moved aside and tried again, its next channel starts at once, the operator is told.
pub async fn poisoned(tx: &mut Tx, house: &House, claimed: &Claimed, trace: Trace) -> store::Result<()> {
    let message = &claimed.message;
    let mut about = About::lock(tx, message).await?;
    let again = trace.now + MOVED_ASIDE;
    if !outbox::again_any_org(tx, message.id, claimed.epoch, again, claimed.tries).await? {
        return Ok(());
    }
    let body = json!({"message": message.id, "channel": message.channel});
    about.log(tx, NewEvent::new(EventKind::MessagePoisoned, trace.now, body), trace).await?;
    let directory = people::directory(tx, message.organisation_id).await?;
    next_channel(tx, message, &directory, trace.now).await?;
    if operator_mends(message) {
        tell_operator(tx, house, message.organisation_id, message.id, trace.now).await?;
    }
    Ok(())
}

/// What becomes of a drill stands in its report; who can be reached is for people who know them.
pub(super) fn operator_mends(message: &Message) -> bool {
    !matches!(message.purpose, Purpose::Drill | Purpose::Proof) && !is_to_operator(message)
}

/// A mail about nobody and nothing goes to the operator; its own failure is not told to the operator again.
fn is_to_operator(message: &Message) -> bool {
    let about_nobody =
        message.recipient_id.is_none() && message.incident_id.is_none() && message.visit_id.is_none();
    // A last-resort number is texted about a start that nobody could read, too.
    about_nobody && message.channel == Channel::Email
}

async fn taken_back(tx: &mut Tx, message: &Message) -> store::Result<bool> {
    Ok(messages::state(tx, message.organisation_id, message.id).await? == Some(MessageState::TakenBack))
}

/// The same occasion by a channel that has not been tried.
pub(super) async fn next_channel(
    tx: &mut Tx,
    message: &Message,
    directory: &Directory,
    now: Time,
) -> store::Result<()> {
    // What is asked of an address is answered from there.
    if message.purpose == Purpose::Proof {
        return Ok(());
    }
    let Some(person) = message.recipient_id.and_then(|id| directory.person(id)) else { return Ok(()) };
    let tried = messages::channels_of(tx, message.organisation_id, message.occasion).await?;
    let next = Channel::ALL.into_iter().filter(|channel| !tried.contains(channel));
    let spared = |channel: &Channel| directory.is_spared(person.id, *channel, message.created_at);
    for channel in next.filter(|channel| !spared(channel)) {
        let Some(address) = address(person, channel) else { continue };
        let next = NewMessage {
            recipient: message.recipient_id,
            visit: message.visit_id,
            incident: message.incident_id,
            rung: message.rung(),
            turn: message.turn(),
            occasion: message.occasion,
            purpose: message.purpose,
            channel,
            address,
            text: message.text(),
        };
        let id = MessageId::of(next.occasion, next.channel);
        messages::queue(tx, message.organisation_id, &[next], now).await?;
        return messages::list_too(tx, message.id, id).await;
    }
    Ok(())
}

pub(super) async fn bring_next_step_forward(
    tx: &mut Tx,
    house: &House,
    message: &Message,
    directory: &Directory,
    trace: Trace,
) -> store::Result<()> {
    let (Some(id), Some(rung)) = (message.incident_id, message.rung()) else { return Ok(()) };
    if messages::standing_in_round(tx, message.organisation_id, id, rung).await? > 0 {
        return Ok(());
    }
    let Some(incident) = incident_rows::load(tx, message.organisation_id, id).await? else { return Ok(()) };
    let visit = incidents::visit_of(tx, message.organisation_id, incident.visit).await?;
    let ladder = incidents::ladder_of(tx, &incident).await?;
    let decision = incident.all_refused(rung, &ladder, directory, trace.now);
    incidents::carry_out(tx, house, directory, visit.as_ref(), decision, trace).await.map(drop)
}
