//! Provider outages: as long as any way to somebody works, the first call reaches them by it at once, whatever else is down.

use homeward::{
    clock::Time,
    domain::{contact::Channel, notice::Purpose},
    store::messages::{Message, MessageState},
};

use super::{
    desk::{Desk, Entry, MAIL, Mood, SMS},
    world::{GRID, World},
};

/// Whom nobody texts, and whom nobody mails.
const WITHOUT_PHONE: [&str; 3] = ["una", "cas", "ari"];
const WITHOUT_MAIL: [&str; 1] = ["ben"];

/// A time in which messages were handed over, as the providers were then.
#[derive(Debug)]
pub struct Post {
    at: Time,
    sms: [Mood; 2],
    mail: Mood,
    /// Somebody handed messages over and was not stopped in it.
    undisturbed: bool,
}

impl Post {
    pub fn now(at: Time, desk: &Desk, undisturbed: bool) -> Self {
        Self { at, sms: SMS.map(|name| desk.mood(name)), mail: desk.mood(MAIL[0]), undisturbed }
    }

    fn reaches(&self, who: &str, phone: Option<&str>) -> bool {
        let takes = |mood: &Mood| match mood {
            Mood::Well | Mood::LosesAnswers => true,
            Mood::Refuses(refused) => phone != Some(refused),
            Mood::Down | Mood::Busy => false,
        };
        // Whoever refuses it for good may be asked first.
        let refuses = |mood: &Mood| matches!(mood, Mood::Refuses(refused) if phone == Some(refused));
        let by_phone =
            !WITHOUT_PHONE.contains(&who) && self.sms.iter().any(takes) && !self.sms.iter().any(refuses);
        let by_mail = !WITHOUT_MAIL.contains(&who) && takes(&self.mail);
        self.undisturbed && (by_phone || by_mail)
    }

    /// How the providers are, in words.
    pub fn words(&self) -> Option<String> {
        let down = |mood: &Mood| matches!(mood, Mood::Down | Mood::Busy);
        let sms = self.sms.iter().filter(|mood| down(mood)).count();
        let busy = self.sms.contains(&Mood::Busy);
        let which = match (sms, busy) {
            (0, _) => return None,
            (1, false) => "one gateway down",
            (1, true) => "one gateway slow",
            (_, false) => "both gateways down",
            (_, true) => "both gateways slow or down",
        };
        Some(format!("outage: {which}{}", if down(&self.mail) { ", and the mail" } else { "" }))
    }
}

impl World {
    /// How the providers were in this round.
    pub fn keep_post(&mut self, undisturbed: bool) {
        let post = Post::now(self.now(), &self.desk, undisturbed);
        self.posts.push(post);
    }

    pub fn count_outage(&mut self) {
        let words = Post::now(self.now(), &self.desk, true).words();
        if let Some(words) = words {
            self.count(words);
        }
    }
}

/// Every first call was handed over in the first or the second round after it was written, if anything could take it in both.
/// How often that was not by the first gateway that was asked.
pub fn whoever_is_called_is_reached(
    world: &World,
    rows: &[Message],
    ledger: &[Entry],
    calls: &impl Fn(&Message, Time) -> bool,
) -> usize {
    let mut otherwise = 0;
    let of_a_step = |row: &&Message| row.purpose == Purpose::FirstAlarm && row.incident_id.is_some();
    for call in rows.iter().filter(of_a_step) {
        let Some(who) = call.recipient_id.map(|id| world.who(id)) else { continue };
        let same = || rows.iter().filter(|row| row.occasion == call.occasion);
        if same().any(|row| row.created_at < call.created_at) {
            continue;
        }
        let phone = same().find(|row| row.channel == Channel::Sms).map(|row| row.address.as_str());
        // It may have been written after the rounds of the same moment.
        let until = world.posts.iter().position(|post| post.at > call.created_at);
        let since = world.posts.iter().position(|post| post.at >= call.created_at);
        let (Some(since), Some(until)) = (since, until) else { continue };
        let (rounds, last) = (&world.posts[since..=until], world.posts[until].at);
        let works = rounds.iter().all(|post| post.reaches(who, phone));
        let void = call.raise.is_none() && same().any(|row| was_taken_back(world, row, last));
        if !works || last > call.created_at + GRID || void || !calls(call, last) {
            continue;
        }
        let of_it = |entry: &&Entry| same().any(|row| row.id == entry.id);
        let taken = ledger.iter().filter(of_it).find(|entry| entry.taken);
        assert!(
            taken.is_some_and(|entry| entry.at <= last),
            "D3: nobody was asked in time to reach {who} at {}, and something worked: {rounds:?}, {:?}",
            call.created_at,
            ledger.iter().filter(of_it).collect::<Vec<_>>()
        );
        let failed = ledger.iter().filter(of_it).take_while(|entry| !entry.taken).count();
        otherwise += usize::from(failed > 0);
    }
    otherwise
}

/// Whoever had an alarm and is told that it has become a call for help is called by no round of it: once anybody takes it that is
/// taken back for good, and when it calls again it calls anew. That somebody took it just then the model has to say too.
fn was_taken_back(world: &World, row: &Message, by: Time) -> bool {
    let at = world.incidents.iter().position(|id| row.incident_id == Some(*id));
    let taken = |then: Time| {
        at.is_some_and(|at| world.model.incidents[at].quiet.iter().any(|quiet| quiet.since == then))
    };
    row.state == MessageState::TakenBack && row.finished_at.is_some_and(|then| then <= by && taken(then))
}
