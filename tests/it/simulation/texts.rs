//! Texts as they come: by the signed door of a gateway, some of them late, some twice; or by the endpoint of the app.

use chrono::TimeDelta;
use homeward::{
    app::text::{self, Received, Sender},
    domain::event::Door,
    inbox::Address,
    store::{Trace, people, visits},
};
use serde_json::{Value, json};

use super::{
    model::{Going, OUTSIDE, Pin, Who, Words},
    world::{DURESS_PIN, PIN, WRONG_PIN, World},
};

/// The numbers of those who text, as the organisation has them.
const PHONES: [(Who, &str); 6] = [
    ("ann", "+447700900123"),
    ("ben", "+447700900128"),
    ("sam", "+447700900125"),
    ("dee", "+447700900126"),
    ("jo", "+447700900124"),
    ("kit", "+447700900129"),
];

/// Who has a phone and could be called.
pub const TEXTERS: [Who; 6] = ["ann", "ben", "sam", "dee", "jo", "kit"];

/// How a text comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The gateway posts it, once or twice.
    Gateway { name: &'static str, twice: bool },
    /// The app posts it.
    App,
}

impl World {
    /// Somebody texts; what they said is so many seconds old.
    pub async fn text(&mut self, who: Who, words: &Words, late: i64, by: By) {
        let now = self.now();
        let said = now - TimeDelta::seconds(late);
        let Some(written) = self.written(who, words).await else { return };
        let when = if late > 0 { "late" } else { "at once" };
        let how = match by {
            By::Gateway { twice: true, .. } => "by a gateway, twice",
            By::Gateway { twice: false, .. } => "by a gateway",
            By::App => "by the app",
        };
        self.count(format!("text: {} {how}, {when}", words.word()));
        let new_visit = self.model.visits.len();
        self.model.text(who, words, said, now);
        match by {
            By::Gateway { name, twice } => {
                let id = format!("text-{}", self.texts.len());
                let phone = PHONES.iter().find(|(texter, _)| *texter == who).unwrap().1;
                let data = json!({"id": id, "from": phone, "text": written, "received_at": said});
                let event = json!({"type": "sms.received", "timestamp": now, "data": data});
                self.post_from(name, event.clone()).await;
                if twice {
                    self.post_from(name, event.clone()).await;
                }
                self.texts.push((name, event));
            }
            By::App => {
                let (actor, made_at) = (self.people[who].clone(), Some(said).filter(|said| *said < now));
                let key = self.door().unwrap().site.key.clone();
                let trace = Trace { actor: Some(self.contacts[who]), door: Door::Api, now };
                let received = Received { text: written, made_at };
                let sender = Sender::Account(actor);
                self.write(async move |tx, house| {
                    text::take(tx, house, &key, &sender, &received, trace).await
                })
                .await;
            }
        }
        if self.model.visits.len() > new_visit {
            self.learn_of_a_visit(who).await;
        }
        self.learn_of_incidents().await;
    }

    /// A gateway delivers an old text once more.
    pub async fn text_again(&mut self, which: usize) {
        let (name, event) = self.texts[which].clone();
        self.post_from(name, event).await;
    }

    async fn post_from(&self, name: &'static str, event: Value) {
        self.post(Address::Texts("webhook".into()), name, event).await;
    }

    /// As people write it; `None`: nobody called them, so that they know no code.
    async fn written(&self, who: Who, words: &Words) -> Option<String> {
        let pin = |pin: &Pin| match pin {
            Pin::Right => format!(" {PIN}"),
            Pin::Duress => format!(" {DURESS_PIN}"),
            Pin::Wrong => format!(" {WRONG_PIN}"),
            Pin::Missing => String::new(),
        };
        let (Words::Ack(incident)
        | Words::Cannot(incident)
        | Words::Safe(incident)
        | Words::NotSafe(incident)
        | Words::Hold(incident, _)) = words
        else {
            return Some(match words {
                Words::In(Going { words, minutes: Some(minutes), .. }) => format!("IN {minutes} {words}"),
                Words::Out(given) => format!("OUT{}", pin(given)),
                Words::Fine(given) => format!("OK{}", pin(given)),
                Words::More(minutes, given) => format!("MORE {minutes}{}", pin(given)),
                _ => "SOS".into(),
            });
        };
        let mut tx = self.read().await;
        let code = people::code_of(&mut tx, self.incidents[*incident], self.contacts[who]).await.unwrap()?;
        Some(match words {
            Words::Ack(_) => format!("ACK {code}"),
            Words::Cannot(_) => format!("NO {code}"),
            Words::Safe(_) => format!("SAFE {code}"),
            Words::NotSafe(_) => format!("NOT SAFE {code}"),
            // Whoever has no account can only say that they are trying.
            _ if OUTSIDE.contains(&who) => format!("ACK {code}"),
            Words::Hold(_, minutes) => format!("HOLD {code} {minutes}"),
            _ => unreachable!(),
        })
    }

    /// Which visit of the database a text began.
    async fn learn_of_a_visit(&mut self, who: Who) {
        let mut tx = self.read().await;
        let all = visits::list(&mut tx, self.organisation, visits::Filter::default(), 1000).await.unwrap();
        let new = |id| !self.visits.contains(id);
        let new: Vec<_> = all.iter().map(|visit| &visit.id).filter(|id| new(id)).copied().collect();
        assert_eq!(new.len(), 1, "{who} has begun one visit by text");
        self.visits.push(new[0]);
    }
}
