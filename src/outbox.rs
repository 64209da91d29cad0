//! The outbox: the only place that sends. It claims what is due, hands it to a provider, and marks what came of it; a claim
//! whose process died is simply due again when its lease ends.

mod breaker;

use std::{
    borrow::Cow,
    collections::HashMap,
    ops::Range,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use breaker::Breakers;
use chrono::TimeDelta;
use futures::FutureExt;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    app::{
        House,
        delivery::{self, Operator, Receipt, Taken},
        proofs,
    },
    clock::{Clock, Time},
    domain::{
        contact::Channel,
        event::Door,
        notice::Purpose,
        policy::delta,
        retry::{Before, Cause, Handed, provider_for, tried_by_stand_in, wait_after},
    },
    kill_points::kill_point,
    providers::{Outgoing, Providers},
    store::{
        self, Db, Lane, Trace, Tx,
        messages::Message,
        outbox::{self, Claimed, Patience},
    },
    telemetry::metrics::Metrics,
};

/// A look at the outbox that found nothing is repeated after so long at the latest.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// And at the earliest: what is due may have to let others go first.
const SHORTEST_SLEEP: Duration = Duration::from_millis(10);
/// So often a mark is tried; after that the lease ends and the message goes again, with the same reference.
const MARK_TRIES: u32 = 5;
/// That a channel's providers put off calls is told once in so long.
const TOLD_AGAIN: TimeDelta = TimeDelta::hours(1);

/// So many messages of drills are under way at the same time, by each channel, in places of their own.
const DRILLS_AT_ONCE: usize = 1;
/// And no more often is one claimed: a provider's rate is for what is real.
const DRILLS_EVERY: TimeDelta = TimeDelta::seconds(1);

/// What the outbox works with.
#[derive(Debug)]
pub struct Outbox {
    db: Db,
    clock: Arc<dyn Clock>,
    house: Arc<House>,
    providers: Providers,
    lease: Duration,
    at_once: usize,
    breakers: Breakers,
    /// When whoever runs the service was last told that a channel's providers put off a call.
    told_of: Mutex<HashMap<Channel, Time>>,
}

impl Outbox {
    /// `lease`: how long a claim holds. `at_once`: how many messages of each channel are under way at the same time.
    pub fn new(
        db: Db,
        clock: Arc<dyn Clock>,
        house: Arc<House>,
        providers: Providers,
        lease: Duration,
        at_once: usize,
    ) -> Self {
        Self {
            db,
            clock,
            house,
            providers,
            lease,
            at_once: at_once.max(1),
            breakers: Breakers::default(),
            told_of: Mutex::default(),
        }
    }

    /// Sends everything that is due at `now`, and what becomes due by that; returns how many tries that took.
    pub async fn deliver_due(&self, now: Time) -> store::Result<usize> {
        let mut tries = 0;
        loop {
            let mut claimed = self.claim(now, self.at_once).await?;
            if claimed.is_empty() {
                claimed = self.claim_for(now, Vec::new(), Channel::ALL.into()).await?;
            }
            if claimed.is_empty() {
                return Ok(tries);
            }
            tries += claimed.len();
            let sent = futures::future::join_all(claimed.into_iter().map(|claimed| self.send(claimed))).await;
            self.mark(sent).await;
        }
    }

    /// Sends until it is told to stop, then finishes what is under way. Each message is a task of its own: none stands still
    /// because another, or this loop, waits for the database.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let bell = Arc::clone(&self.db.bell().outbox);
        let mut sending: JoinSet<Sent> = JoinSet::new();
        let mut marking: JoinSet<()> = JoinSet::new();
        let mut places = Channel::ALL.map(|channel| Places::new(channel, self.at_once));
        let drilling = Channel::ALL.map(|channel| (channel, Arc::new(Semaphore::new(DRILLS_AT_ONCE))));
        let mut wake_at = self.clock.now();
        let mut drills_at = wake_at;
        loop {
            let rung = bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            let room: Vec<(Channel, usize)> = places.iter().filter_map(Places::to_fill).collect();
            if !room.is_empty() {
                let now = self.clock.now();
                let mut drills = Vec::new();
                if now >= drills_at {
                    drills_at = now + DRILLS_EVERY;
                    drills.extend(
                        drilling.iter().filter(|(_, free)| free.available_permits() > 0).map(|(by, _)| *by),
                    );
                }
                match self.claim_for(now, room.clone(), drills).await {
                    Ok(claimed) => {
                        for places in &mut places {
                            places.looked(&room, &claimed);
                        }
                        for claimed in claimed {
                            let this = Arc::clone(&self);
                            let message = &claimed.message;
                            let place = if message.purpose == Purpose::Drill {
                                let its = drilling.iter().find(|(channel, _)| *channel == message.channel);
                                its.and_then(|(_, free)| Arc::clone(free).try_acquire_owned().ok())
                            } else {
                                places.iter().find_map(|places| places.take(&claimed))
                            };
                            sending.spawn(async move {
                                let sent = this.send(claimed).await;
                                drop(place);
                                sent
                            });
                        }
                    }
                    Err(error) => {
                        tracing::error!(%error, "the outbox could not be read; the next look follows");
                    }
                }
                wake_at = self.next_look(&places).await;
            }
            let sleep = (wake_at - self.clock.now()).to_std().unwrap_or_default();
            let mut woken = false;
            let mut sent = Vec::new();
            tokio::select! {
                () = stop.cancelled() => break,
                () = &mut rung => woken = true,
                Some(done) = sending.join_next() => sent.extend(done.ok()),
                Some(_) = marking.join_next() => {}
                () = tokio::time::sleep(sleep.clamp(SHORTEST_SLEEP, LONGEST_SLEEP)) => woken = true,
            }
            if woken {
                places.iter_mut().for_each(Places::look_at_once);
            }
            while let Some(done) = sending.try_join_next() {
                sent.extend(done.ok());
            }
            if !sent.is_empty() {
                let this = Arc::clone(&self);
                marking.spawn(async move { this.mark(sent).await });
            }
        }
        while let Some(done) = sending.join_next().await {
            self.mark(done.into_iter().collect()).await;
        }
        while marking.join_next().await.is_some() {}
    }

    /// When something will be due by a channel that has places and has nothing due now.
    async fn next_look(&self, places: &[Places]) -> Time {
        let look = async |tx: &mut Tx| {
            let mut first = None;
            for places in places.iter().filter(|places| places.look == Look::NothingIsDue) {
                let due = outbox::next_due_any_org(tx, places.channel).await?;
                first = due.into_iter().chain(first).min();
            }
            Ok(first)
        };
        let latest = self.clock.now() + delta(LONGEST_SLEEP);
        match self.db.look(look).await {
            Ok(Some(due)) => latest.min(due),
            _ => latest,
        }
    }

    /// The first of the three parts of a delivery: up to `room` messages of each channel that are due become ours until the
    /// lease ends.
    pub async fn claim(&self, now: Time, room: usize) -> store::Result<Vec<Claimed>> {
        self.claim_for(now, Channel::ALL.map(|channel| (channel, room)).into(), Vec::new()).await
    }

    /// Of the channels in `drills` one message of a drill too, where nothing real was claimed: it has places of its own.
    async fn claim_for(
        &self,
        now: Time,
        room: Vec<(Channel, usize)>,
        drills: Vec<Channel>,
    ) -> store::Result<Vec<Claimed>> {
        let lease_ends = now + delta(self.lease);
        let case = async move |tx: &mut Tx| {
            let mut claimed = Vec::new();
            for (channel, room) in &room {
                claimed.extend(outbox::claim_any_org(tx, *channel, now, lease_ends, *room).await?);
            }
            for channel in &drills {
                if claimed.iter().all(|claimed| claimed.message.channel != *channel) {
                    let one = outbox::claim_of_drills_any_org(tx, *channel, now, lease_ends, DRILLS_AT_ONCE);
                    claimed.extend(one.await?);
                }
            }
            Ok(claimed)
        };
        let claimed = self.db.write_in(Lane::Timer, case).await?;
        if !claimed.is_empty() {
            kill_point("outbox.claimed").await;
        }
        Ok(claimed)
    }

    /// The second: hands one message to the provider whose turn it is.
    pub async fn send(&self, claimed: Claimed) -> Sent {
        let mark = self.hand_over(&claimed).await;
        let sent = Sent { claimed, mark };
        sent.count(self.db.metrics(), self.clock.now());
        sent
    }

    async fn hand_over(&self, claimed: &Claimed) -> Mark {
        let message = &claimed.message;
        let providers = self.providers.for_channel(message.channel);
        let first = provider_for(claimed.tries - 1, providers.len());
        let now = self.clock.now();
        let in_turn = providers.iter().cycle().skip(first).take(providers.len());
        let asked = in_turn.filter(|provider| self.breakers.paused_until(provider.name(), now).is_none());
        // One that has just failed several times gives its turn to one that works, but for a message now and then that tries
        // whether it does again, and no first alarm. Where none works it keeps its turn.
        let whose_turn = asked.clone().next();
        let well = asked.clone().find(|provider| self.breakers.is_well(provider.name()));
        let broken = well.is_some()
            && whose_turn.is_some_and(|provider| {
                let name = provider.name();
                let never_tries = matches!(message.purpose, Purpose::FirstAlarm | Purpose::Drill);
                !self.breakers.is_well(name)
                    && (never_tries && self.breakers.has_failed_often(name)
                        || !self.breakers.may_try_again(name, now))
            });
        let instead = well.filter(|_| broken);
        let Some(provider) = instead.or(whose_turn) else {
            let Some(until) = self.all_paused_until(message.channel, now) else {
                let reason = "no provider is configured for this channel";
                return Mark::Refused { provider: "none".into(), reason: reason.into(), cause: Cause::Other };
            };
            return self.put_off(claimed, "all".into(), until);
        };
        // Whoever stood still since the claim must not send what another may be sending, or what was taken back meanwhile.
        if claimed.lease_ends < now + delta(provider.timeout().min(self.lease)) {
            return Mark::TooLate;
        }
        let (words, page) = self.words_and_page(message);
        let outgoing = Outgoing {
            id: message.id,
            channel: message.channel,
            address: &message.address,
            subject: &message.subject,
            body: match message.channel {
                Channel::Sms => &message.short_text,
                Channel::Email => &words,
            },
            page: page.as_deref(),
            before: Before::of(claimed.tries),
            now,
        };
        let name = provider.name().to_owned();
        let handed = AssertUnwindSafe(provider.send(&outgoing)).catch_unwind().await;
        let is_drill = message.purpose == Purpose::Drill;
        match &handed {
            // What a provider says to a drill counts for nothing that is real.
            _ if is_drill => {}
            Ok(Handed::TryAgain { .. }) => self.breakers.failed(&name, self.clock.now()),
            Ok(_) => self.breakers.works(&name),
            // The message is to blame.
            Err(_panic) => {}
        }
        match handed {
            Ok(Handed::Accepted { reference }) => {
                kill_point("outbox.accepted").await;
                let receipt =
                    if provider.provider().gives_receipts() { Receipt::Follows } else { Receipt::Never };
                Mark::Accepted { provider: name, reference, receipt }
            }
            Ok(Handed::TryAgain { reason }) => {
                // Whoever gave up its turn is asked before anybody is asked twice.
                let (tries, wait) = match tried_by_stand_in(claimed.tries, providers.len()) {
                    Some(tried) if instead.is_some() => (tried, Duration::ZERO),
                    _ => (claimed.tries, wait_after(claimed.tries, providers.len(), jitter())),
                };
                Mark::Again {
                    provider: name,
                    reason,
                    at: self.clock.now() + delta(wait),
                    tries,
                    // The try that would have been the last of the first turn may have left no mark.
                    all_failed: usize::try_from(claimed.tries).is_ok_and(|tries| tries >= providers.len()),
                }
            }
            Ok(Handed::Slow { wait }) if is_drill => {
                self.put_off(claimed, name, self.clock.now() + delta(wait))
            }
            Ok(Handed::Slow { wait }) => {
                let until = self.clock.now() + delta(wait);
                self.breakers.pause(&name, until);
                if let Some(until) = self.all_paused_until(message.channel, self.clock.now()) {
                    return self.put_off(claimed, name, until);
                }
                // At once again: another provider takes it.
                let (at, tries) = (self.clock.now(), claimed.tries - 1);
                let reason = "asked to slow down".into();
                Mark::Again { provider: name, reason, at, tries, all_failed: false }
            }
            Ok(Handed::Refused { reason, cause }) => Mark::Refused { provider: name, reason, cause },
            Err(_panic) => Mark::Poisoned,
        }
    }

    /// What a mail says, and where whoever reads it can answer.
    fn words_and_page<'m>(&self, message: &'m Message) -> (Cow<'m, str>, Option<String>) {
        let words = Cow::Borrowed(message.body.as_str());
        let Some(pages) = self.house.pages.as_ref().filter(|_| message.channel == Channel::Email) else {
            return (words, None);
        };
        if message.purpose == Purpose::Proof {
            // Its address is known to nobody but these words.
            return match pages.in_words(&message.body) {
                Some((page, words)) => (words.into(), Some(page)),
                None => (words, None),
            };
        }
        let called = message.incident_id.zip(message.recipient_id).filter(|_| message.purpose.calls_to_act());
        (words, called.map(|(incident, person)| pages.of_alarm(incident, person)))
    }

    /// When the first of a channel's providers may be asked again; nothing, if one may be asked now, or there is none.
    fn all_paused_until(&self, channel: Channel, now: Time) -> Option<Time> {
        let until = self.providers.for_channel(channel).iter();
        let until: Option<Vec<Time>> =
            until.map(|provider| self.breakers.paused_until(provider.name(), now)).collect();
        until?.into_iter().min()
    }

    /// For each channel whoever runs the service is told of one message in an hour: where very many are put off they are put
    /// off together.
    fn put_off(&self, claimed: &Claimed, provider: String, until: Time) -> Mark {
        let (now, channel) = (self.clock.now(), claimed.message.channel);
        let begins =
            claimed.patience != Patience::Over && delivery::patience_until(claimed, until) == Patience::Over;
        let mut told_of = self.told_of.lock().unwrap_or_else(PoisonError::into_inner);
        let operator = match told_of.get(&channel) {
            Some(told) if now - *told < TOLD_AGAIN => Operator::Knows,
            _ if claimed.message.purpose == Purpose::Drill => Operator::Knows,
            _ if begins => {
                told_of.insert(channel, now);
                Operator::Told
            }
            _ => Operator::Knows,
        };
        Mark::PutOff { provider, until, operator, next_channel: begins }
    }

    /// The third: keeps what came of some tries, together, in one commit for all of them. If that does not work, one by one;
    /// what cannot be kept even then is sent again when its lease ends, with the same reference.
    pub async fn mark(&self, sent: Vec<Sent>) {
        sent.iter().for_each(Sent::log);
        // What was taken locks all that it is about together; the others one after the other.
        let (taken, others) = sent.into_iter().partition(|sent| sent.mark.taken(&sent.claimed).is_some());
        self.mark_some(taken).await;
        self.mark_some(others).await;
    }

    async fn mark_some(&self, mut sent: Vec<Sent>) {
        sent.sort_by_key(Sent::in_order_of_locks);
        let sent: Arc<[Sent]> = sent.into();
        if sent.is_empty() || self.keep(Arc::clone(&sent), 0..sent.len()).await.is_ok() {
            return;
        }
        for at in 0..sent.len() {
            for tries in 1..=MARK_TRIES {
                match self.keep(Arc::clone(&sent), at..at + 1).await {
                    Ok(()) => break,
                    Err(error) if tries == MARK_TRIES => {
                        let message = sent[at].claimed.message.id;
                        tracing::error!(%error, %message, "what came of a message could not be kept; it goes again when its lease ends");
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(100) * tries).await,
                }
            }
        }
    }

    async fn keep(&self, sent: Arc<[Sent]>, which: Range<usize>) -> store::Result<()> {
        let house = Arc::clone(&self.house);
        let trace = Trace::machine(Door::Outbox, self.clock.now());
        // Somebody is to be called another way: that waits for no crowd at the doors. What was taken shares their commits.
        let called_otherwise =
            sent.get(which.clone()).unwrap_or_default().iter().any(Sent::opens_another_way);
        let lane = if called_otherwise { Lane::Timer } else { Lane::Usual };
        let case = async move |tx: &mut Tx| {
            let sent = sent.get(which.clone()).unwrap_or_default();
            let taken: Vec<Taken<'_>> =
                sent.iter().filter_map(|Sent { claimed, mark }| mark.taken(claimed)).collect();
            if !taken.is_empty() {
                delivery::accepted(tx, &house, &taken, trace).await?;
            }
            for Sent { claimed, mark } in sent {
                mark.keep(tx, &house, claimed, trace).await?;
            }
            // What it says of an address is locked after all that the messages are about.
            for Sent { claimed, mark } in sent.get(which.clone()).unwrap_or_default() {
                let Mark::Refused { cause, .. } = mark else { continue };
                let message = &claimed.message;
                let heard =
                    tx.part(async |tx| proofs::failed(tx, &house, message, *cause, trace).await).await;
                match heard {
                    // That a message was refused is kept all the same.
                    Err(error) if error.is_about_a_row() => {
                        tracing::error!(%error, message = %message.id, "what a refusal says beside that is not kept");
                    }
                    heard => heard?,
                }
            }
            Ok(())
        };
        self.db.write_in(lane, case).await
    }
}

/// The places of one channel: what hangs by one channel keeps nothing waiting that goes by another.
#[derive(Debug)]
struct Places {
    channel: Channel,
    free: Arc<Semaphore>,
    all: usize,
    look: Look,
}

/// When a channel is looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// As soon as there is a place: somebody rang, or it is time.
    AtOnce,
    /// More may be due than there were places. Not for each that falls free: one claim for many messages costs what one for a
    /// single message costs.
    OnceHalfAreFree,
    /// When it is time, or somebody rings.
    NothingIsDue,
}

impl Places {
    fn new(channel: Channel, all: usize) -> Self {
        Self { channel, free: Arc::new(Semaphore::new(all)), all, look: Look::AtOnce }
    }

    /// How many may be claimed, if it is time for that.
    fn to_fill(&self) -> Option<(Channel, usize)> {
        let free = self.free.available_permits();
        let enough = match self.look {
            Look::AtOnce => 1,
            Look::OnceHalfAreFree => self.all.div_ceil(2),
            Look::NothingIsDue => return None,
        };
        (free >= enough).then_some((self.channel, free))
    }

    /// So many were to be claimed of each channel, and these were.
    fn looked(&mut self, room: &[(Channel, usize)], claimed: &[Claimed]) {
        let Some((_, room)) = room.iter().find(|(channel, _)| *channel == self.channel) else { return };
        let ours = claimed.iter().filter(|claimed| claimed.message.channel == self.channel).count();
        self.look = if ours < *room { Look::NothingIsDue } else { Look::OnceHalfAreFree };
    }

    fn look_at_once(&mut self) {
        self.look = Look::AtOnce;
    }

    /// A place for a message of this channel, until that is dropped.
    fn take(&self, claimed: &Claimed) -> Option<OwnedSemaphorePermit> {
        if claimed.message.channel != self.channel {
            return None;
        }
        Arc::clone(&self.free).try_acquire_owned().ok()
    }
}

/// A message that was handed over, and what came of it.
#[derive(Debug)]
pub struct Sent {
    claimed: Claimed,
    mark: Mark,
}

impl Sent {
    /// What they are about is locked one after the other, in the same order everywhere: visits, incidents, and last the
    /// organisation, in whose log stands what is about neither.
    fn in_order_of_locks(&self) -> (u8, Option<Uuid>) {
        let Message { visit_id, incident_id, .. } = &self.claimed.message;
        match (visit_id, incident_id) {
            (Some(visit), None) => (0, Some(visit.0)),
            (_, Some(incident)) => (1, Some(incident.0)),
            (None, None) => (2, None),
        }
    }

    /// Whether its recipient's next channel, or the next step, begins with its mark.
    fn opens_another_way(&self) -> bool {
        match &self.mark {
            Mark::Refused { .. } | Mark::Poisoned => true,
            Mark::Again { all_failed, .. } => *all_failed,
            Mark::PutOff { next_channel, .. } => *next_channel,
            Mark::Accepted { .. } | Mark::TooLate => false,
        }
    }

    fn count(&self, metrics: &Metrics, now: Time) {
        let message = &self.claimed.message;
        let (provider, outcome) = match &self.mark {
            Mark::Accepted { provider, .. } => (provider.as_str(), "accepted"),
            Mark::Again { provider, .. } | Mark::PutOff { provider, .. } => (provider.as_str(), "again"),
            Mark::Refused { provider, .. } => (provider.as_str(), "refused"),
            Mark::Poisoned => ("none", "poisoned"),
            Mark::TooLate => ("none", "too_late"),
        };
        // Not counted with what is real.
        let outcome = if message.purpose == Purpose::Drill { "drill" } else { outcome };
        metrics.message(message.channel.as_str(), provider, outcome);
        if outcome == "accepted" && message.purpose == Purpose::FirstAlarm {
            metrics.first_alarm((now - self.claimed.first_due_at).as_seconds_f64());
        }
    }

    fn log(&self) {
        let id = self.claimed.message.id;
        match &self.mark {
            Mark::Accepted { .. } => {}
            Mark::Again { provider, reason, .. } | Mark::Refused { provider, reason, .. } => {
                tracing::warn!(message = %id, provider, reason, "a message was not taken");
            }
            Mark::PutOff { provider, .. } => {
                tracing::warn!(message = %id, provider, reason = delivery::ASKED_TO_WAIT, "a message was not taken");
            }
            Mark::Poisoned => tracing::error!(message = %id, "a message made its sender fail; moved aside"),
            Mark::TooLate => {
                tracing::warn!(message = %id, "claimed too long ago to be sent still; it is due again");
            }
        }
    }
}

/// What came of a try.
#[derive(Debug)]
enum Mark {
    Accepted { provider: String, reference: Option<String>, receipt: Receipt },
    Again { provider: String, reason: String, at: Time, tries: u32, all_failed: bool },
    PutOff { provider: String, until: Time, operator: Operator, next_channel: bool },
    Refused { provider: String, reason: String, cause: Cause },
    Poisoned,
    TooLate,
}

impl Mark {
    async fn keep(&self, tx: &mut Tx, house: &House, claimed: &Claimed, trace: Trace) -> store::Result<()> {
        match self {
            Self::Again { provider, reason, at, tries, all_failed } => {
                delivery::failed(tx, house, claimed, (provider, reason), (*at, *tries), trace).await?;
                if *all_failed { delivery::next_channel_too(tx, claimed, trace).await } else { Ok(()) }
            }
            Self::PutOff { provider, until, operator, .. } => {
                delivery::put_off(tx, house, claimed, (provider, *until), *operator, trace).await
            }
            Self::Refused { provider, reason, .. } => {
                delivery::refused(tx, house, claimed, (provider, reason), trace).await
            }
            Self::Poisoned => delivery::poisoned(tx, house, claimed, trace).await,
            // Kept with others that were taken.
            Self::Accepted { .. } | Self::TooLate => Ok(()),
        }
    }

    fn taken<'c>(&'c self, claimed: &'c Claimed) -> Option<Taken<'c>> {
        match self {
            Self::Accepted { provider, reference, receipt } => {
                Some(Taken { claimed, provider, reference: reference.as_deref(), receipt: *receipt })
            }
            _ => None,
        }
    }
}

fn jitter() -> f64 {
    let mut byte = [0_u8];
    getrandom::fill(&mut byte).map_or(0.5, |()| f64::from(byte[0]) / 255.0)
}
