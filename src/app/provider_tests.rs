//! Whoever runs the service tries a provider: one message past the outbox, whose receipt and answer come in as every other's.

use super::codes;
use crate::{
    clock::Time,
    domain::{
        command::code_alone,
        contact::{Channel, Phone},
        ids::{AskId, MessageId, OrganisationId},
        notice::{Answering, Facts, Notice, Occasion, Page, Purpose, Reader},
        receipt::Standing,
        wording::{English, Text, Wording},
    },
    store::{
        self, Tx,
        messages::{self, MessageState, NewMessage, Turn},
        outbox, provider_tests, receipts,
    },
};

/// What is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// The provider, by its name in the configuration.
    pub provider: String,
    /// By what it sends.
    pub channel: Channel,
    /// Where to.
    pub address: String,
    /// Whether an answer can come in by text.
    pub answering: Answering,
}

/// The message to be handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Its id.
    pub id: MessageId,
    /// What it says.
    pub text: Text,
}

/// Keeps the message, so that receipts find it, and awaits the code. It never stands in the outbox: the service would send it by
/// whichever provider is first.
pub async fn begin(
    tx: &mut Tx,
    organisation: OrganisationId,
    trial: &Trial,
    now: Time,
) -> store::Result<Ready> {
    let code = codes::code()?;
    let answering = if trial.channel == Channel::Sms { trial.answering } else { Answering::InHomeward };
    let facts = Facts {
        worker: String::new(),
        worker_phone: None,
        duty_phone: None,
        reader: Reader::Staff,
        code: Some(code.clone()),
        answering,
        page: Page::None,
        now,
        zone: chrono_tz::UTC,
    };
    let text = English.notice(&Notice::ProviderTest { provider: trial.provider.clone() }, &facts);
    let occasion = Occasion::new(format!("provider-test/{}", AskId::new(now)));
    let message = NewMessage {
        recipient: None,
        visit: None,
        incident: None,
        rung: None,
        turn: Turn::First,
        occasion: occasion.id(),
        purpose: Purpose::Proof,
        channel: trial.channel,
        address: trial.address.clone(),
        text: text.clone(),
    };
    let id = message.id();
    messages::queue(tx, organisation, &[message], now).await?;
    // In the same transaction: nobody has seen it there.
    outbox::done_any_org(tx, id, 0).await?;
    if answering == Answering::ByText
        && let Ok(phone) = Phone::parse(&trial.address)
    {
        provider_tests::add(tx, organisation, id, (&phone, &code)).await?;
    }
    Ok(Ready { id, text })
}

/// What the provider answered.
pub async fn handed(
    tx: &mut Tx,
    id: MessageId,
    state: MessageState,
    taken: (&str, Option<&str>),
    now: Time,
) -> store::Result<()> {
    outbox::finish_any_org(tx, id, state, taken, now).await
}

/// What has come back by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Back {
    /// What the provider says of it.
    pub receipt: Option<Standing>,
    /// When the code came.
    pub answered_at: Option<Time>,
}

/// Looks.
pub async fn back(tx: &mut Tx, organisation: OrganisationId, id: MessageId) -> store::Result<Back> {
    Ok(Back {
        receipt: receipts::standing(tx, organisation, id).await?,
        answered_at: provider_tests::answered(tx, organisation, id).await?,
    })
}

/// Whether a text is the answer to such a message; then whose test it was.
pub(super) async fn hear(
    tx: &mut Tx,
    phone: &Phone,
    said: &str,
    now: Time,
) -> store::Result<Option<OrganisationId>> {
    match code_alone(said) {
        Some(code) => provider_tests::answer_any_org(tx, phone, code.as_str(), now).await,
        None => Ok(None),
    }
}
