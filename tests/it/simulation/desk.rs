//! What stands in for every provider: it answers as it is told to, and keeps a ledger of what was handed to it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use homeward::{
    clock::Time,
    domain::{
        contact::Channel,
        ids::MessageId,
        retry::{Cause, Handed},
    },
    providers::{Outgoing, Providers, capture::Capture},
};

use super::receipts::{Receipts, Reports};

/// The providers, in the order in which they are tried.
pub const SMS: [&str; 2] = ["sms1", "sms2"];
pub const MAIL: [&str; 1] = ["mail"];
pub const PROVIDERS: [&str; 3] = ["sms1", "sms2", "mail"];

/// How one provider behaves. Every message gets the same answer as long as that lasts: which one comes first does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mood {
    /// Takes everything.
    #[default]
    Well,
    /// Takes nothing.
    Down,
    /// Takes everything and says that it did not.
    LosesAnswers,
    /// Asks to be left alone.
    Busy,
    /// Refuses whatever goes to this one phone for good.
    Refuses(&'static str),
}

/// One message handed over once.
#[derive(Debug, Clone)]
pub struct Entry {
    pub at: Time,
    pub id: MessageId,
    pub channel: Channel,
    pub address: String,
    /// Whether it is with the provider now, whatever the provider answered.
    pub taken: bool,
}

#[derive(Debug, Default)]
pub struct Desk {
    /// What the gateways say of the texts that they took.
    pub receipts: Reports,
    moods: Mutex<BTreeMap<&'static str, Mood>>,
    ledger: Mutex<Vec<Entry>>,
    /// Of which messages we do not know that they were taken, and how often: the answer was lost, or who got it died.
    lost: Mutex<BTreeMap<MessageId, usize>>,
}

impl Desk {
    pub fn set(&self, provider: &'static str, mood: Mood) {
        hold(&self.moods).insert(provider, mood);
    }

    pub fn mood(&self, provider: &'static str) -> Mood {
        hold(&self.moods).get(provider).copied().unwrap_or_default()
    }

    pub fn all_well(&self) {
        hold(&self.moods).clear();
        self.receipts.set(Receipts::default());
    }

    pub fn is_well(&self) -> bool {
        hold(&self.moods).values().all(|mood| *mood == Mood::Well)
    }

    pub fn ledger(&self) -> Vec<Entry> {
        hold(&self.ledger).clone()
    }

    pub fn handed_over(&self) -> usize {
        hold(&self.ledger).len()
    }

    /// What was taken since the ledger had `from` entries, and nobody will ever know it.
    pub fn answers_lost_since(&self, from: usize) {
        let since: Vec<_> =
            hold(&self.ledger)[from..].iter().filter(|entry| entry.taken).map(|entry| entry.id).collect();
        for id in since {
            *hold(&self.lost).entry(id).or_default() += 1;
        }
    }

    /// How often it was taken without our knowing.
    pub fn lost(&self, id: MessageId) -> usize {
        hold(&self.lost).get(&id).copied().unwrap_or_default()
    }

    pub fn providers(self: &Arc<Self>) -> Providers {
        let capture = |name: &'static str| {
            let desk = Arc::clone(self);
            (name.to_owned(), Capture::scripted(Arc::new(move |message| desk.answer(name, message))))
        };
        let sms = SMS.map(capture).map(|(name, capture)| (name, capture.giving_receipts()));
        Providers::capturing(sms, MAIL.map(capture))
    }

    fn answer(&self, provider: &'static str, message: &Outgoing<'_>) -> Handed {
        let mood = self.mood(provider);
        let handed = match mood {
            Mood::Refuses(address) if address == message.address => {
                // Nothing that would last longer than the mood, and be remembered of the phone.
                Handed::Refused { cause: Cause::Other, reason: "not to this number".into() }
            }
            Mood::Well | Mood::Refuses(_) => Handed::Accepted { reference: None },
            Mood::Down => Handed::TryAgain { reason: "down".into() },
            Mood::LosesAnswers => Handed::TryAgain { reason: "no answer".into() },
            // Longer than a lease: what was put off till then does not look like what was claimed now.
            Mood::Busy => Handed::Slow { wait: Duration::from_secs(40) },
        };
        let taken = matches!(handed, Handed::Accepted { .. }) || mood == Mood::LosesAnswers;
        if mood == Mood::LosesAnswers {
            *hold(&self.lost).entry(message.id).or_default() += 1;
        }
        if taken && message.channel == Channel::Sms {
            self.receipts.follow(provider, message);
        }
        hold(&self.ledger).push(Entry {
            at: message.now,
            id: message.id,
            channel: message.channel,
            address: message.address.into(),
            taken,
        });
        handed
    }
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
