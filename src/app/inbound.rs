//! Texts that come in by SMS (rows S1 to S4): each kept first, done once, answered by a text, and then erased.

use serde_json::json;

use super::{
    House, MOVED_ASIDE,
    access::Actor,
    proofs, provider_tests,
    telling::{Subject, Telling, message_to, tell_of_stuck_deadline},
    text::{self, Answer, Received, Sender},
};
use crate::{
    clock::Time,
    domain::{
        command::{Command, parse},
        contact::Phone,
        event::{Door, EventKind, NewEvent},
        ids::{OrganisationId, PersonId},
        notice::{Notice, Occasion},
        people::Role,
        reply::Reply,
        wording::{English, Text, Wording},
    },
    keys::ServerKey,
    store::{
        self, Trace, Tx, drills, events::log_for_organisation, inbound, inbound::InboundText, messages,
        people, visits,
    },
};

/// Keeps a text and does what it says, in one transaction. One that is there already is the same text told again. What cannot be
/// done now stays kept, and is tried again.
pub async fn take(
    tx: &mut Tx,
    house: &House,
    key: &ServerKey,
    text: &InboundText,
    now: Time,
) -> store::Result<()> {
    if inbound::keep_any_org(tx, text).await? { work_on(tx, house, key, text, now).await } else { Ok(()) }
}

/// Does what a text says that was kept before.
pub async fn try_again(
    tx: &mut Tx,
    house: &House,
    key: &ServerKey,
    name: &inbound::TextName,
    now: Time,
) -> store::Result<()> {
    let Some(text) = inbound::load_any_org(tx, name).await? else { return Ok(()) };
    work_on(tx, house, key, &text, now).await
}

async fn work_on(
    tx: &mut Tx,
    house: &House,
    key: &ServerKey,
    text: &InboundText,
    now: Time,
) -> store::Result<()> {
    let done = tx
        .part(async |tx| {
            do_what_it_says(tx, house, key, text, now).await?;
            inbound::done_any_org(tx, &text.name).await
        })
        .await;
    let Err(error) = done else { return Ok(()) };
    if error.is_for_the_whole() {
        return Err(error);
    }
    tracing::error!(%error, "what came in could not be worked on; tried again in 30 s");
    inbound::again_any_org(tx, &text.name, now + MOVED_ASIDE).await?;
    // Somebody has said something, and nothing came of it: people have to know.
    let what = format!("text {}/{}", text.name.provider, text.name.provider_id);
    for (organisation, _) in people::organisations_any_org(tx).await? {
        let told =
            tx.part(async |tx| tell_of_stuck_deadline(tx, house, organisation, &what, now).await).await;
        // It stays kept all the same.
        if let Err(error) = told {
            tracing::error!(%error, "what came in cannot be worked on, and telling of it failed");
        }
    }
    Ok(())
}

async fn do_what_it_says(
    tx: &mut Tx,
    house: &House,
    key: &ServerKey,
    text: &InboundText,
    now: Time,
) -> store::Result<()> {
    let command = parse(&text.body);
    let Ok(phone) = Phone::parse(&text.sender) else {
        // Nobody can be answered there; but somebody may have called for help.
        return log_unknown(tx, house, &text.sender, calls_for_help(&command), now).await;
    };
    if let Some(organisation) = provider_tests::hear(tx, &phone, &text.body, now).await? {
        let to = (organisation, None, chrono_tz::UTC);
        return answer_by(tx, text, &phone, to, &Answer::from(Reply::TestArrived), now).await;
    }
    let callers = people::callers_any_org(tx, &phone).await?;
    let networks_act = matches!(command, Command::CarrierWord(_));
    let staff = callers.iter().any(|caller| caller.role.is_some() && !caller.has_left);
    // What the networks act on is said to staff as ever, and then kept of the number; else what it says of the number comes first.
    if !(networks_act && staff)
        && let Some(heard) = proofs::hear(tx, house, &phone, (&text.body, &command), now).await?
    {
        let to = (heard.organisation, Some(heard.person), heard.zone);
        return answer_by(tx, text, &phone, to, &Answer::from(heard.reply), now).await;
    }
    let Some(caller) = meant(tx, callers, &command).await? else {
        return unknown(tx, house, &phone, &command, now).await;
    };
    // Said when its provider got it, or we did: the networks may have held it for long, and we may have had to try again.
    let made_at = Some(text.sent_at.unwrap_or(text.received_at)).filter(|sent| *sent < now);
    let received = Received { text: text.body.clone(), made_at };
    let trace = Trace { actor: Some(caller.actor.person), door: Door::Sms, now };
    let answer = match caller.is {
        Is::WithAccount => {
            text::take(tx, house, key, &Sender::Account(caller.actor.clone()), &received, trace).await?
        }
        Is::Outside => {
            let (organisation, person) = (caller.actor.organisation, caller.actor.person);
            text::take(tx, house, key, &Sender::Outside { organisation, person }, &received, trace).await?
        }
        // Whoever has left is not watched; a call for help is one all the same.
        Is::Gone => match text::help_by_old_token(tx, house, &caller.actor, &received, trace).await? {
            Some(reply) => Answer::from(reply),
            None => return unknown(tx, house, &phone, &command, now).await,
        },
    };
    let to = (caller.actor.organisation, Some(caller.actor.person), caller.actor.zone);
    answer_by(tx, text, &phone, to, &answer, now).await?;
    if networks_act && staff {
        proofs::hear(tx, house, &phone, (&text.body, &command), now).await?;
    }
    Ok(())
}

async fn answer_by(
    tx: &mut Tx,
    text: &InboundText,
    phone: &Phone,
    (organisation, person, zone): (OrganisationId, Option<PersonId>, chrono_tz::Tz),
    answer: &Answer,
    now: Time,
) -> store::Result<()> {
    let occasion = Occasion::new(format!("text/{}/{}/reply", text.name.provider, text.name.provider_id));
    let words = English.reply(&answer.reply, now, zone);
    let subject = Subject { visit: answer.visit, incident: None };
    let reply = message_to(phone, person, reply_text(words), subject, &occasion);
    messages::queue(tx, organisation, &[reply], now).await
}

fn reply_text(words: String) -> Text {
    Text { mail: words.clone(), sms: words, subject: "Homeward".into() }
}

/// How a number's owner stands to Homeward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Is {
    WithAccount,
    Outside,
    Gone,
}

struct Meant {
    actor: Actor,
    is: Is,
}

/// Whom a number means: mostly there is one. Of several (an office line, a pool phone) the one who was called under the code that
/// is said; else the one who is on a visit; else whoever has an account and visits.
async fn meant(tx: &mut Tx, callers: Vec<people::Caller>, command: &Command) -> store::Result<Option<Meant>> {
    let mut best: Option<((bool, bool, Is, bool), Meant)> = None;
    for caller in callers {
        let is = match (caller.has_left, caller.role) {
            (true, _) => Is::Gone,
            (false, Some(_)) => Is::WithAccount,
            (false, None) => Is::Outside,
        };
        let actor = Actor::found(caller)?;
        let code = text::code_of_answer(command);
        let was_called = match &code {
            Some(code) if code.is_of_a_drill() => {
                drills::of_code_any_org(tx, actor.person, code.as_str()).await?.is_some()
            }
            Some(code) => people::incident_of_code(tx, actor.person, code.as_str()).await?.is_some(),
            None => false,
        };
        let running = visits::find_running_of(tx, actor.organisation, actor.person).await?;
        let on_a_visit = running.iter().any(|visit| visit.watched_till().is_some());
        let rank = (!was_called, !on_a_visit, is, actor.role != Role::Worker);
        if best.as_ref().is_none_or(|(other, _)| rank < *other) {
            best = Some((rank, Meant { actor, is }));
        }
    }
    Ok(best.map(|(_, meant)| meant))
}

/// A number that is nobody's: told so once a day; a call for help goes to whoever is on duty, with the number.
async fn unknown(
    tx: &mut Tx,
    house: &House,
    phone: &Phone,
    command: &Command,
    now: Time,
) -> store::Result<()> {
    let reply = Occasion::new(format!("unknown/{}/{}", phone.as_str(), now.date_naive()));
    let answer = message_to(
        phone,
        None,
        reply_text(English.reply(&Reply::UnknownNumber, now, chrono_tz::UTC)),
        Subject::default(),
        &reply,
    );
    let Some((organisation, _)) = people::organisations_any_org(tx).await?.into_iter().next() else {
        return Ok(());
    };
    let is_new = messages::state(tx, organisation, answer.id()).await?.is_none();
    if is_new {
        messages::queue(tx, organisation, &[answer], now).await?;
    }
    // A number that texts on and on fills no log.
    if is_new || calls_for_help(command) {
        log_unknown(tx, house, &phone.dialled(), calls_for_help(command), now).await?;
    }
    Ok(())
}

fn calls_for_help(command: &Command) -> bool {
    matches!(command, Command::Sos { .. } | Command::NotSafe { .. })
}

/// It belongs to nobody, so every organisation gets to see it, and whoever is on duty there hears of a call for help.
async fn log_unknown(
    tx: &mut Tx,
    house: &House,
    sender: &str,
    calls_for_help: bool,
    now: Time,
) -> store::Result<()> {
    let trace = Trace::machine(Door::Sms, now);
    for (organisation, _) in people::organisations_any_org(tx).await? {
        let event =
            NewEvent::new(EventKind::TextFromUnknown, now, json!({"called_for_help": calls_for_help}))
                .with_private(json!({"number": sender}));
        log_for_organisation(tx, organisation, (None, None), trace, event).await?;
        if calls_for_help {
            tell_duty(tx, house, organisation, sender, now).await?;
        }
    }
    Ok(())
}

/// Logs something that claimed to be a provider's and was not. It belongs to nobody, so every organisation gets to see it.
pub async fn log_forged(tx: &mut Tx, now: Time) -> store::Result<()> {
    let trace = Trace::machine(Door::Sms, now);
    for (organisation, _) in people::organisations_any_org(tx).await? {
        let event = NewEvent::new(EventKind::WebhookForged, now, json!({}));
        log_for_organisation(tx, organisation, (None, None), trace, event).await?;
    }
    Ok(())
}

async fn tell_duty(
    tx: &mut Tx,
    house: &House,
    organisation: OrganisationId,
    sender: &str,
    now: Time,
) -> store::Result<()> {
    let directory = people::directory(tx, organisation).await?;
    let notice = Notice::UnknownCallsForHelp { number: sender.to_owned() };
    // Told again when it is said again, but not each second.
    let occasion = format!("unknown/{sender}/help/{}", now.timestamp() / 120);
    let nobody = crate::domain::ids::PersonId(uuid::Uuid::nil());
    let telling = Telling { house, directory: &directory, worker: nobody, now };
    // Who is on duty and can be reached; else the last-resort numbers.
    match directory.who_has_to_know(nobody).first() {
        Some(duty) => telling.call_person(tx, *duty, notice, &occasion).await,
        None => telling.tell_managers(tx, notice, None, &occasion).await,
    }
}
