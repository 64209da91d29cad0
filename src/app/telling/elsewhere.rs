//! Whoever is told where no person of the organisation can be: the last-resort numbers, and whoever runs the service.

use crate::{
    app::House,
    clock::Time,
    domain::{
        contact::Channel,
        ids::{MessageId, OrganisationId},
        notice::{Facts, Notice, Occasion, Page, Purpose, Reader},
        people::Directory,
        wording::{English, Wording},
    },
    store::{
        self, Tx,
        messages::{self, NewMessage, Turn},
        people,
    },
};

/// Where nobody else can be told.
pub(in crate::app) async fn tell_last_resort(
    tx: &mut Tx,
    house: &House,
    directory: &Directory,
    notice: &Notice,
    occasion: &str,
    now: Time,
) -> store::Result<()> {
    let to: Vec<_> = directory.last_resort.iter().map(|phone| (Channel::Sms, phone.as_str())).collect();
    tell_addresses(tx, house, directory.organisation, notice, &Occasion::new(occasion), &to, now).await
}

/// Tells whoever runs the service about a message that will not go by its channel.
pub(in crate::app) async fn tell_operator(
    tx: &mut Tx,
    house: &House,
    organisation: OrganisationId,
    undeliverable: MessageId,
    now: Time,
) -> store::Result<()> {
    tx.count_operator_told();
    let Some(operator) = &house.operator else { return Ok(()) };
    let occasion = Occasion::new(format!("message/{undeliverable}/operator"));
    let notice = Notice::Undeliverable { message: undeliverable.0 };
    let to = [(Channel::Email, operator.as_str())];
    tell_addresses(tx, house, organisation, &notice, &occasion, &to, now).await
}

/// A deadline cannot be worked on, so nobody may be called about it: whoever runs the service and the last-resort numbers
/// are told, once for each deadline.
pub(in crate::app) async fn tell_of_stuck_deadline(
    tx: &mut Tx,
    house: &House,
    organisation: OrganisationId,
    what: &str,
    now: Time,
) -> store::Result<()> {
    tx.count_operator_told();
    let last_resort = people::last_resort(tx, organisation).await?;
    let to: Vec<_> = (house.operator.iter().map(|operator| (Channel::Email, operator.as_str())))
        .chain(last_resort.iter().map(|phone| (Channel::Sms, phone.as_str())))
        .collect();
    let occasion = Occasion::new(format!("stuck/{what}"));
    tell_addresses(tx, house, organisation, &Notice::StuckDeadline, &occasion, &to, now).await
}

async fn tell_addresses(
    tx: &mut Tx,
    house: &House,
    organisation: OrganisationId,
    notice: &Notice,
    occasion: &Occasion,
    to: &[(Channel, &str)],
    now: Time,
) -> store::Result<()> {
    let facts = Facts {
        worker: String::new(),
        worker_phone: None,
        duty_phone: None,
        reader: Reader::Staff,
        code: None,
        answering: house.answering,
        page: Page::None,
        now,
        zone: chrono_tz::UTC,
    };
    let text = English.notice(notice, &facts);
    let queued: Vec<NewMessage> = to
        .iter()
        .map(|(channel, address)| NewMessage {
            recipient: None,
            visit: None,
            incident: None,
            rung: None,
            turn: Turn::First,
            occasion: occasion.to(address).id(),
            purpose: Purpose::Told,
            channel: *channel,
            address: (*address).to_owned(),
            text: text.clone(),
        })
        .collect();
    messages::queue(tx, organisation, &queued, now).await
}
