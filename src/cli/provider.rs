//! `provider test`: one message by one provider, and what came of it.

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::bail;
use homeward::{
    app::provider_tests::{self, Back, Trial},
    clock::{Clock, Stopwatch, ThisMachine, stopwatch},
    config::Config,
    domain::{
        contact::{Channel, Email, Phone},
        ids::{MessageId, OrganisationId},
        notice::Answering,
        policy::{delta, written},
        receipt::Standing,
        retry::{Before, Handed},
    },
    providers::{Entry, Outgoing, Providers},
    startup,
    store::{Db, installation, messages::MessageState},
};

use super::{open, organisation_of, refuse_complaints, say};

/// A service whose timer has not had a round for longer does not run.
const RUNS: Duration = Duration::from_mins(1);
/// So often it is looked whether something has come back.
const LOOKS: Duration = Duration::from_millis(250);

/// How long is waited for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits {
    pub(super) receipt: Duration,
    pub(super) answer: Duration,
}

/// What has happened so far, with times.
struct Steps(Stopwatch);

impl Steps {
    fn say(&self, what: impl std::fmt::Display) -> anyhow::Result<()> {
        say(format!("{:>7.1}s  {what}", self.0.elapsed().as_secs_f64()))
    }
}

/// Sends one message and waits for what comes back; fails if something that should did not.
pub(super) async fn test(
    config: &Config,
    name: &str,
    to: &str,
    waits: Waits,
    organisation: Option<&str>,
) -> anyhow::Result<ExitCode> {
    refuse_complaints(config)?;
    let providers = Providers::from_config(config).map_err(|complaint| anyhow::anyhow!("{complaint}"))?;
    let (channel, entry) = find(&providers, name)?;
    let address: String = match channel {
        Channel::Sms => Phone::parse(to)?.into(),
        Channel::Email => Email::parse(to)?.into(),
    };
    let db = open(config).await?;
    let organisation = organisation_of(&db, organisation).await?;
    let clock = startup::clock(&db, Arc::new(ThisMachine::new())).await?;
    let runs = runs(&db, &*clock).await?;
    // The running service's own look at what comes in; a provider that brings no texts gets no answers.
    let two_ways = config.answering.by_text && entry.provider().inbound_kind().is_some();
    let answering = if runs && two_ways { Answering::ByText } else { Answering::InHomeward };
    let trial = Trial { provider: name.to_owned(), channel, address: address.clone(), answering };
    let now = clock.now();
    let ready = db.write(async move |tx| provider_tests::begin(tx, organisation, &trial, now).await).await?;
    let steps = Steps(stopwatch());
    steps.say(format_args!("handed to “{name}” as message {}", ready.id))?;
    let outgoing = Outgoing {
        id: ready.id,
        channel,
        address: &address,
        subject: &ready.text.subject,
        body: if channel == Channel::Sms { &ready.text.sms } else { &ready.text.mail },
        page: None,
        before: Before::Nothing,
        now,
    };
    let taken = taken(&db, &*clock, &entry, &outgoing, &steps).await?;
    let back = if !taken {
        ExitCode::FAILURE
    } else if runs {
        let awaited = Awaited {
            receipt: entry.provider().gives_receipts().then_some(waits.receipt),
            answer: (answering == Answering::ByText && channel == Channel::Sms).then_some(waits.answer),
        };
        if awaited.receipt.is_none() {
            steps.say("this provider gives no receipts: look whether it has arrived")?;
        }
        if awaited.answer.is_none() {
            steps.say(
                "no answer is awaited: none comes in by this provider, or answering.by_text is not set",
            )?;
        }
        come_back(&db, (organisation, ready.id), awaited, &steps).await?
    } else {
        steps.say("the service does not run: receipts and answers reach nobody, so none is awaited. Look whether it has arrived")?;
        ExitCode::SUCCESS
    };
    db.close().await;
    Ok(back)
}

fn find(providers: &Providers, name: &str) -> anyhow::Result<(Channel, Arc<Entry>)> {
    let all = || {
        Channel::ALL.into_iter().flat_map(|channel| {
            providers.for_channel(channel).iter().map(move |entry| (channel, Arc::clone(entry)))
        })
    };
    if let Some(found) = all().find(|(_, entry)| entry.name() == name) {
        return Ok(found);
    }
    let names: Vec<_> = all().map(|(_, entry)| entry.name().to_owned()).collect();
    bail!("the configuration names no provider “{name}”; it names: {}", names.join(", "));
}

async fn runs(db: &Db, clock: &dyn Clock) -> anyhow::Result<bool> {
    let last = installation::last_round(&mut db.read().await?).await?;
    Ok(last.is_some_and(|last| clock.now() - last <= delta(RUNS)))
}

async fn taken(
    db: &Db,
    clock: &dyn Clock,
    entry: &Entry,
    outgoing: &Outgoing<'_>,
    steps: &Steps,
) -> anyhow::Result<bool> {
    let (state, reference) = match entry.send(outgoing).await {
        Handed::Accepted { reference } => {
            let called = reference.as_ref().map_or_else(String::new, |it| format!("; it calls it {it}"));
            steps.say(format_args!("taken{called}"))?;
            (MessageState::Accepted, reference)
        }
        Handed::Refused { reason, .. } => {
            steps.say(format_args!("REFUSED for good: {reason}"))?;
            (MessageState::Refused, None)
        }
        Handed::TryAgain { reason } => {
            steps.say(format_args!("NOT TAKEN, which may pass: {reason}"))?;
            (MessageState::Refused, None)
        }
        Handed::Slow { wait } => {
            steps.say(format_args!("NOT TAKEN: it asks to wait {}", written::format(wait)))?;
            (MessageState::Refused, None)
        }
    };
    let (id, name, now) = (outgoing.id, entry.name().to_owned(), clock.now());
    db.write(async move |tx| provider_tests::handed(tx, id, state, (&name, reference.as_deref()), now).await)
        .await?;
    Ok(state == MessageState::Accepted)
}

/// What is awaited, and for how long.
#[derive(Debug, Clone, Copy)]
struct Awaited {
    receipt: Option<Duration>,
    answer: Option<Duration>,
}

async fn come_back(
    db: &Db,
    (organisation, id): (OrganisationId, MessageId),
    mut awaited: Awaited,
    steps: &Steps,
) -> anyhow::Result<ExitCode> {
    let since = stopwatch();
    let (mut good, mut said) = (true, None);
    while awaited.receipt.is_some() || awaited.answer.is_some() {
        let Back { receipt, answered_at } =
            provider_tests::back(&mut db.read().await?, organisation, id).await?;
        if receipt != said {
            said = receipt;
            match receipt {
                Some(Standing::OnItsWay) => steps.say("receipt: a network has it")?,
                Some(Standing::Delivered) => steps.say("receipt: delivered")?,
                Some(Standing::Failed) => steps.say("receipt: IT WILL NOT ARRIVE; the event log says why")?,
                None => {}
            }
            if receipt.is_some_and(|receipt| receipt > Standing::OnItsWay) {
                awaited.receipt = None;
                good &= receipt == Some(Standing::Delivered);
            }
        }
        if awaited.answer.is_some() && answered_at.is_some() {
            steps.say("answered: the code came in")?;
            awaited.answer = None;
        }
        if let Some(wait) = awaited.receipt.filter(|wait| since.elapsed() > *wait) {
            let wait = written::format(wait);
            steps.say(format_args!(
                "TIME-OUT: no receipt within {wait}: see its address and secret at the provider"
            ))?;
            (awaited.receipt, good) = (None, false);
        }
        if let Some(wait) = awaited.answer.filter(|wait| since.elapsed() > *wait) {
            let wait = written::format(wait);
            steps.say(format_args!(
                "TIME-OUT: no answer within {wait}: see where the provider sends texts that come in"
            ))?;
            (awaited.answer, good) = (None, false);
        }
        tokio::time::sleep(LOOKS).await;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
