//! What gateways say of texts after they have taken them, by the signed door that they say it through; and what has to come of
//! that (row D4): whoever was called by a text that failed, or of which nothing is heard, gets it by mail too.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use chrono::TimeDelta;
use homeward::{
    clock::Time,
    config::Config,
    domain::{contact::Channel, ids::MessageId, notice::Purpose},
    inbox::{Address, Heard, Inbox, Request},
    keys::ServerKey,
    providers::{Outgoing, Providers},
    startup::App,
    store::messages::{Message, MessageState},
};
use serde_json::{Value, json};

use super::{
    desk::{Entry, SMS},
    draw::in_half,
    world::World,
};
use crate::support::{app::SERVER_KEY, fake_sms};

/// Without a word for so long a call goes by mail too.
const SILENCE: TimeDelta = TimeDelta::seconds(90);
/// Who has a phone and a mailbox.
const REACHED_BY_BOTH: [&str; 5] = ["ann", "jo", "sam", "dee", "kit"];

/// What each gateway signs with.
fn secret(gateway: &str) -> &'static str {
    match gateway {
        "sms1" => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        _ => "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    }
}

/// What gateways say of a text that they took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Says {
    #[default]
    Delivered,
    Failed,
    OnItsWay,
    Nothing,
    FailedAndThenDelivered,
    DeliveredAndThenFailed,
}

impl Says {
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Delivered => &["delivered"],
            Self::Failed => &["sent", "undelivered"],
            Self::OnItsWay => &["sent"],
            Self::Nothing => &[],
            Self::FailedAndThenDelivered => &["failed", "delivered"],
            Self::DeliveredAndThenFailed => &["delivered", "failed"],
        }
    }
}

/// How they say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Receipts {
    pub says: Says,
    /// Of the phones in one half only, which this number draws; what goes to the others is delivered.
    pub half: Option<u64>,
    /// So long after they took it.
    pub after: TimeDelta,
    /// Each of it twice.
    pub doubled: bool,
    /// Before whoever handed the text over has kept that it was taken, where that is early enough.
    pub early: bool,
}

#[derive(Debug, Clone)]
struct Report {
    due: Time,
    early: bool,
    provider: &'static str,
    id: MessageId,
    word: &'static str,
}

/// What is still to be said.
#[derive(Debug, Default)]
pub struct Reports {
    how: Mutex<Receipts>,
    to_come: Mutex<Vec<Report>>,
}

impl Reports {
    pub fn set(&self, how: Receipts) {
        *self.how.lock().unwrap_or_else(PoisonError::into_inner) = how;
    }

    fn how(&self) -> Receipts {
        *self.how.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn come_early(&self) -> bool {
        self.how().early
    }

    /// A gateway has taken a text.
    pub fn follow(&self, provider: &'static str, message: &Outgoing<'_>) {
        let usual = Receipts::default();
        let how = Some(self.how()).filter(|how| how.half.is_none_or(|salt| in_half(message.address, salt)));
        let how = how.unwrap_or(usual);
        let mut to_come = self.to_come.lock().unwrap_or_else(PoisonError::into_inner);
        for word in
            how.says.words().iter().flat_map(|word| std::iter::repeat_n(*word, 1 + usize::from(how.doubled)))
        {
            let due = message.now + how.after;
            to_come.push(Report { due, early: how.early, provider, id: message.id, word });
        }
    }

    fn due(&self, now: Time, only_early: bool) -> Vec<Report> {
        let mut to_come = self.to_come.lock().unwrap_or_else(PoisonError::into_inner);
        let due = |report: &mut Report| report.due <= now && (report.early || !only_early);
        to_come.extract_if(.., due).collect()
    }
}

/// One moment at which something was looked for or heard, and which incidents called people then: in which run of their ladder.
#[derive(Debug)]
pub struct Moment {
    at: Time,
    calling: Vec<Option<i32>>,
    /// A receipt; otherwise the timer looked for those that are missing.
    heard: Option<(MessageId, &'static str)>,
}

impl Moment {
    fn still_calls(&self, about: &[usize], raise: Option<i32>) -> bool {
        let calling = |at: &usize| self.calling.get(*at).copied().flatten();
        about.iter().filter_map(calling).any(|calls| raise.is_none_or(|raise| raise == calls))
    }
}

/// Whether in the round at this time anybody was still called by such a message.
pub fn still_calls(world: &World, at: Time, about: &[usize], raise: Option<i32>) -> bool {
    let round = world.moments.iter().rfind(|moment| moment.heard.is_none() && moment.at == at);
    round.is_some_and(|moment| moment.still_calls(about, raise))
}

/// The gateways as the service knows those that send something here.
fn gateways() -> Providers {
    static GATEWAYS: OnceLock<Providers> = OnceLock::new();
    let gateway = |name| {
        format!(
            r#"{{ name = "{name}", kind = "webhook", url = "http://127.0.0.1:9/", secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", inbound_secret = "{}" }}"#,
            secret(name)
        )
    };
    let sms = format!("[{}]", SMS.map(gateway).join(", "));
    let load = || Config::load(None, &BTreeMap::from([("HOMEWARD_SMS".to_owned(), sms)])).unwrap();
    GATEWAYS.get_or_init(|| Providers::from_config(&load()).unwrap()).clone()
}

/// Lets a replica hear what the gateways send.
pub fn opens_its_inbox(app: &mut App) {
    let site = &mut app.site;
    let (db, clock, house) = (site.db.clone(), Arc::clone(&site.clock), Arc::clone(&site.house));
    let key = ServerKey::parse(SERVER_KEY).unwrap();
    site.inbox = Arc::new(Inbox::new(db, clock, house, key, gateways()));
}

impl World {
    /// A gateway posts something, to whichever replica answers first.
    pub async fn post(&self, address: Address, gateway: &'static str, event: Value) {
        let (headers, body) = fake_sms::signed(secret(gateway), "event", self.now(), &event);
        let request = Request { path_and_query: "/", headers: &headers, body: body.as_bytes() };
        let heard = self.app(self.running()[0]).site.inbox.hear(&address, request).await;
        assert!(matches!(heard, Heard::Kept(_)), "what came of {event}: {heard:?}");
    }

    /// Keeps which incidents call now.
    pub fn keep_moment(&mut self, heard: Option<(MessageId, &'static str)>) {
        let calls = |incident: &super::model::Incident| {
            (incident.open && incident.owner().is_none()).then_some(incident.raise)
        };
        let calling = self.model.incidents.iter().map(calls).collect();
        self.moments.push(Moment { at: self.now(), calling, heard });
    }

    /// The gateways say what they have to say by now; where nobody answers they say it later. Whether they said anything.
    pub async fn receipts_come(&mut self, only_early: bool) -> bool {
        if self.running().is_empty() {
            return false;
        }
        let due = self.desk.receipts.due(self.now(), only_early);
        for report in &due {
            let data = json!({"id": report.id, "status": report.word});
            let event = json!({"type": "sms.receipt", "timestamp": report.due, "data": data});
            self.keep_moment(Some((report.id, report.word)));
            self.count(format!(
                "receipt: {}{}",
                report.word,
                if only_early { ", before it was marked" } else { "" }
            ));
            self.post(Address::Receipts(report.provider.into()), report.provider, event).await;
        }
        !due.is_empty()
    }
}

/// Each text that called somebody and failed, or of which nothing was heard in time, went by mail too; and no other did. What
/// brought each mail.
pub fn what_did_not_arrive_went_by_mail(
    world: &World,
    rows: &[Message],
    ledger: &[Entry],
    about: &impl Fn(&Message) -> Vec<usize>,
) -> Vec<&'static str> {
    let mut counts = Vec::new();
    let mut reports: BTreeMap<MessageId, Vec<usize>> = BTreeMap::new();
    for (at, moment) in world.moments.iter().enumerate() {
        if let Some((id, _)) = moment.heard {
            reports.entry(id).or_default().push(at);
        }
    }
    let texts = rows.iter().filter(|row| row.channel == Channel::Sms && row.purpose != Purpose::Proof);
    for text in texts {
        let Some(to) = text.recipient_id.map(|id| world.who(id)).filter(|who| REACHED_BY_BOTH.contains(who))
        else {
            continue;
        };
        let mail = rows.iter().find(|row| row.channel == Channel::Email && row.occasion == text.occasion);
        let goes_by = |then: Time| mail.is_some_and(|mail| mail.created_at <= then);
        let still_calls = |moment: &Moment| moment.still_calls(&about(text), text.raise);
        let said: Vec<usize> = reports.get(&text.id).cloned().unwrap_or_default();
        let status = |at: &usize| world.moments[*at].heard.map_or("", |(_, status)| status);
        let first = said.iter().copied().find(|at| status(at) != "sent");
        let failed = first.filter(|at| status(at) != "delivered");
        let mut has_a_reason = false;
        if let Some(failed) = failed {
            let moment = &world.moments[failed];
            has_a_reason = !text.purpose.calls_to_act() || still_calls(moment);
            if has_a_reason {
                assert!(
                    goes_by(moment.at),
                    "D4: {to} has no mail, and the text failed at {}: {text:?}",
                    moment.at
                );
                counts.push("mail: the text failed");
            }
        }
        let marked = text.finished_at.filter(|_| text.state == MessageState::Accepted);
        if let Some(marked) = marked.filter(|_| text.purpose.calls_to_act()) {
            let looks = |moment: &&Moment| moment.heard.is_none() && moment.at >= marked + SILENCE;
            let look = world.moments.iter().position(|moment| looks(&moment));
            if let Some(look) = look.filter(|look| first.is_none_or(|first| first > *look)) {
                let moment = &world.moments[look];
                if still_calls(moment) {
                    has_a_reason = true;
                    let at = moment.at;
                    assert!(goes_by(at), "D4: {to} has no mail, and at {at} nothing was heard of {text:?}");
                    counts.push("mail: nothing was heard of the text");
                }
            }
        }
        // Whatever else happened to it on its way may have brought the mail.
        let tries = ledger.iter().filter(|entry| entry.id == text.id).count();
        let went_smoothly = tries == 1 && marked == Some(text.created_at) && world.desk.lost(text.id) == 0;
        let followed = mail.is_some_and(|mail| mail.created_at > text.created_at);
        assert!(
            has_a_reason || !went_smoothly || !followed,
            "D4: {to} has a mail, and nothing had happened to {text:?}"
        );
    }
    counts
}
