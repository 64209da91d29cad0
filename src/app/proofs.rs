//! Whether people can be reached where they are said to be, and agree to it (row D6): who is asked, what they answer, what does
//! not arrive. What follows is decided in [`crate::domain::proof`].

use std::collections::{BTreeMap, btree_map::Entry};

use chrono_tz::Tz;
use serde_json::json;

use super::{
    House, Pages, codes,
    telling::{Subject, Telling, message},
};
use crate::{
    clock::Time,
    domain::{
        command::{CarrierWord, Code, Command, code_alone},
        contact::{Channel, Phone},
        event::{Door, EventKind, NewEvent},
        ids::{AskId, OrganisationId, PersonId},
        notice::{Answering, AskedBefore, NotCountedOn, Notice, Occasion, ProofAsked, Purpose},
        people::{Directory, Person},
        proof::{self, CodeHash, Follows, News, Proof},
        reply::Reply,
        retry::Cause,
    },
    store::{
        self, Trace, Tx,
        events::log_for_organisation,
        incidents,
        messages::{self, Message},
        people,
        proofs::{self, Address},
    },
};

/// For so long after a call NO is an answer to that.
const LATE_ANSWER: chrono::TimeDelta = chrono::TimeDelta::hours(24);

/// Asks up to `limit` whose time has come; how many those were. Not urgent: a use case of its own, behind every alarm.
pub async fn ask(tx: &mut Tx, house: &House, limit: i64, now: Time) -> store::Result<usize> {
    let due = proofs::due_any_org(tx, now, limit).await?;
    let count = due.len();
    let trace = Trace::machine(Door::Timer, now);
    let mut directories = BTreeMap::new();
    for address in &due {
        if let Entry::Vacant(unread) = directories.entry(address.organisation) {
            unread.insert(people::directory(tx, address.organisation).await?);
        }
    }
    for mut address in due {
        // As it was before the first was asked: each question gives it another stamp.
        let Some(directory) = directories.get(&address.organisation) else { continue };
        let zone = directory.zone;
        let later = address.due_at.and_then(|due| proof::put_off_till(due, now, zone));
        if later.is_some() || can_answer(house, address.channel).is_none() {
            // Where nobody could answer nobody is asked; once they can they are.
            let later =
                later.unwrap_or_else(|| crate::domain::local_time::next_at(proof::ASKED_AT, now, zone));
            proofs::put_off(tx, address.organisation, &address, Some(later)).await?;
            continue;
        }
        ask_one(tx, house, directory, &mut address, trace).await?;
    }
    Ok(count)
}

/// When the next is to be asked.
pub async fn next_due(tx: &mut Tx) -> store::Result<Option<Time>> {
    proofs::next_due_any_org(tx).await
}

/// How somebody answers by a channel; `None`: they cannot.
enum Answered<'h> {
    ByText,
    OnPageAt(&'h Pages),
}

fn can_answer(house: &House, channel: Channel) -> Option<Answered<'_>> {
    match channel {
        Channel::Sms => (house.answering == Answering::ByText).then_some(Answered::ByText),
        Channel::Email => house.pages.as_ref().map(Answered::OnPageAt),
    }
}

async fn ask_one(
    tx: &mut Tx,
    house: &House,
    directory: &Directory,
    address: &mut Address,
    trace: Trace,
) -> store::Result<()> {
    let (organisation, now) = (address.organisation, trace.now);
    let answered = can_answer(house, address.channel);
    let Some(answered) = answered else { return Ok(()) };
    // Who is never called need not show that they could be.
    let Some(person) = directory.person(address.person).filter(|person| person.may_be_called()) else {
        return proofs::put_off(tx, organisation, address, None).await;
    };
    let drawn = codes::code()?;
    let Some(code) = Code::parse(&drawn) else { return Err(store::Error::Retry) };
    let id = AskId::new(now);
    let before = match address.known.proof {
        Proof::Unasked => AskedBefore::No,
        _ => AskedBefore::Yes,
    };
    let asked = News::Asked { id, code: CodeHash::of(person.id, address.channel, &code) };
    if hear_of(tx, house, directory, address, asked, trace).await? == Follows::Nothing {
        return Ok(());
    }
    let link = match answered {
        Answered::ByText => None,
        Answered::OnPageAt(pages) => Some(pages.of_proof(id)),
    };
    let asked = ProofAsked {
        organisation: directory.name.clone(),
        named_by: named_by(directory, person),
        before,
        link,
    };
    let telling = Telling { house, directory, worker: person.id, now };
    let words = telling.words(&Notice::Proof(asked), person, Some(drawn));
    let occasion = Occasion::new(format!("proof/{id}"));
    let question = message(person, address.channel, words, Subject::default(), &occasion, Purpose::Proof);
    messages::queue(tx, organisation, question.as_slice(), now).await
}

/// The names of those whose emergency contact an outside contact is.
fn named_by(directory: &Directory, person: &Person) -> Vec<String> {
    if !person.is_outside() {
        return Vec::new();
    }
    directory.named_by(person.id).into_iter().map(|worker| worker.name.clone()).collect()
}

/// Keeps news of an address, logs what follows, and tells whoever has to know.
async fn hear_of(
    tx: &mut Tx,
    house: &House,
    directory: &Directory,
    address: &mut Address,
    news: News,
    trace: Trace,
) -> store::Result<Follows> {
    let (known, follows) = address.known.after(news, trace.now);
    if known == address.known {
        return Ok(follows);
    }
    address.known = known;
    address.due_at = known.asked_next(trace.now, directory.zone);
    let (person, channel) = (address.person, address.channel);
    let mut body = json!({"person": person, "channel": channel});
    let kind = match follows {
        Follows::Nothing => None,
        Follows::Asked => Some(EventKind::ContactAsked),
        Follows::AskedInVain => Some(EventKind::ContactSilent),
        Follows::Proved => Some(EventKind::ContactProved),
        Follows::WrongCode => Some(EventKind::ContactWrongCode),
        Follows::Declined => Some(EventKind::ContactDeclined),
        Follows::Died(why) => {
            body["why"] = json!(why);
            Some(EventKind::ContactDead)
        }
        Follows::ToBeAsked => Some(EventKind::ContactAnew),
    };
    if let Some(kind) = kind {
        let team = directory.person(person).map(|person| person.team);
        let event = NewEvent::new(kind, trace.now, body);
        log_for_organisation(tx, address.organisation, (team, Some(person)), trace, event).await?;
    }
    proofs::save(tx, address.organisation, address).await?;
    let who = directory.name_of(person).to_owned();
    let notice = match follows {
        Follows::Declined => Notice::NotCountedOn { who, why: NotCountedOn::Declined },
        Follows::AskedInVain => Notice::NotCountedOn { who, why: NotCountedOn::Silent(channel) },
        Follows::Died(_) => Notice::CannotBeReached { who, channel },
        _ => return Ok(follows),
    };
    let occasion = match follows {
        // Said once for a person, though they have two addresses.
        Follows::Declined => format!("person/{person}/declined/{}", trace.now.date_naive()),
        Follows::AskedInVain => {
            format!("person/{person}/silent/{}/{}", channel.as_str(), trace.now.date_naive())
        }
        _ => unreachable_on(person, channel, trace.now),
    };
    tell(tx, house, directory, person, &notice, &occasion, trace.now).await?;
    Ok(follows)
}

/// Told once a day for each channel, whoever notices it.
fn unreachable_on(person: PersonId, channel: Channel, now: Time) -> String {
    format!("person/{person}/unreachable/{}/{}", channel.as_str(), now.date_naive())
}

/// The managers of those who count on an outside contact, or of whoever has an account themselves. One manager of several is told
/// once.
async fn tell(
    tx: &mut Tx,
    house: &House,
    directory: &Directory,
    person: PersonId,
    notice: &Notice,
    occasion: &str,
    now: Time,
) -> store::Result<()> {
    let outside = directory.person(person).is_some_and(Person::is_outside);
    let named_by = if outside { directory.named_by(person) } else { Vec::new() };
    let mut about: Vec<PersonId> = named_by.into_iter().map(|worker| worker.id).collect();
    if about.is_empty() {
        about.push(person);
    }
    for worker in about {
        let telling = Telling { house, directory, worker, now };
        let managers = directory.who_has_to_know(worker);
        let mut told = Vec::new();
        for manager in &managers {
            // Whoever an alarm is about must not learn from whom it does not reach that there is one (row V8).
            let says_of_alarms = matches!(notice, Notice::CannotBeReached { .. });
            if !says_of_alarms
                || incidents::hidden_from(tx, directory.organisation, *manager).await?.is_empty()
            {
                told.push(*manager);
            }
        }
        if told.len() == managers.len() {
            telling.tell_managers(tx, notice.clone(), None, occasion).await?;
            continue;
        }
        for manager in told {
            telling.tell_person(tx, manager, notice.clone(), None, occasion).await?;
        }
    }
    Ok(())
}

/// Whoever answers for somebody is told, once a day for each channel, that it does not reach them.
pub(super) async fn tell_that_unreachable(
    tx: &mut Tx,
    house: &House,
    message: &Message,
    cause: Cause,
    now: Time,
) -> store::Result<()> {
    let (Some(person), Cause::OptedOut | Cause::NoSuchAddress) = (message.recipient_id, cause) else {
        return Ok(());
    };
    let directory = people::directory(tx, message.organisation_id).await?;
    let channel = message.channel;
    let notice = Notice::CannotBeReached { who: directory.name_of(person).to_owned(), channel };
    let occasion = unreachable_on(person, channel, now);
    tell(tx, house, &directory, person, &notice, &occasion, now).await
}

/// A message will not arrive at somebody's address.
pub async fn failed(
    tx: &mut Tx,
    house: &House,
    message: &Message,
    cause: Cause,
    trace: Trace,
) -> store::Result<()> {
    let Some(mut address) = of_message(tx, message).await? else { return Ok(()) };
    let directory = people::directory(tx, message.organisation_id).await?;
    let day = day(trace.now, directory.zone);
    hear_of(tx, house, &directory, &mut address, News::Failed { cause, day }, trace).await?;
    tell_that_unreachable(tx, house, message, cause, trace.now).await
}

/// One has arrived there.
pub(super) async fn arrived(
    tx: &mut Tx,
    house: &House,
    message: &Message,
    trace: Trace,
) -> store::Result<()> {
    let Some(person) = message.recipient_id else { return Ok(()) };
    let organisation = message.organisation_id;
    if !proofs::has_failed(tx, organisation, person, message.channel).await? {
        return Ok(());
    }
    let Some(mut address) = of_message(tx, message).await? else { return Ok(()) };
    let directory = people::directory(tx, organisation).await?;
    hear_of(tx, house, &directory, &mut address, News::Arrived, trace).await.map(drop)
}

fn day(now: Time, zone: Tz) -> chrono::NaiveDate {
    now.with_timezone(&zone).date_naive()
}

/// The address that a message went to, if it still is somebody's.
async fn of_message(tx: &mut Tx, message: &Message) -> store::Result<Option<Address>> {
    let Some(person) = message.recipient_id else { return Ok(None) };
    let all = proofs::of_person(tx, message.organisation_id, person).await?;
    Ok(all
        .into_iter()
        .find(|address| address.channel == message.channel && address.address == message.address))
}

/// Whoever has texted, and what they are answered.
pub(super) struct Heard {
    /// Who of those whose number it is.
    pub(super) person: PersonId,
    /// In which organisation.
    pub(super) organisation: OrganisationId,
    /// The zone that times are written in there.
    pub(super) zone: Tz,
    /// What they are answered.
    pub(super) reply: Reply,
}

/// What a text says of the number that it came from: the code that was asked for, NO, STOP, START. `None`: it says nothing of
/// that, or something else besides, and is for the grammar.
pub(super) async fn hear(
    tx: &mut Tx,
    house: &House,
    phone: &Phone,
    (said, command): (&str, &Command),
    now: Time,
) -> store::Result<Option<Heard>> {
    let code = match command {
        Command::Cannot { code } => *code,
        _ => code_alone(said),
    };
    // A drill's is for the drill; "No problem, happy to" is no NO.
    let is_for_others = code.as_ref().is_some_and(Code::is_of_a_drill)
        || matches!(command, Command::Cannot { .. }) && !is_no_alone(said, code);
    if is_for_others {
        return Ok(None);
    }
    let says_so = code.is_some()
        || matches!(
            command,
            Command::Cannot { .. } | Command::CarrierWord(CarrierWord::OptsOut | CarrierWord::OptsIn)
        );
    if !says_so {
        return Ok(None);
    }
    let mut theirs = Vec::new();
    for address in proofs::of_phone_any_org(tx, phone).await? {
        let directory = people::directory(tx, address.organisation).await?;
        if directory.person(address.person).is_some_and(|person| !person.left) {
            theirs.push(Theirs { directory, address });
        }
    }
    match command {
        Command::Cannot { .. } => decline(tx, house, &mut theirs, code, now).await,
        Command::CarrierWord(CarrierWord::OptsOut) => {
            let mut heard = None;
            for theirs in &mut theirs {
                theirs.hear_of(tx, house, News::OptedOut, now).await?;
                heard = heard.or_else(|| theirs.outside(Reply::Stopped));
            }
            Ok(heard)
        }
        Command::CarrierWord(_) => opt_in(tx, house, &mut theirs, now).await,
        _ => match code {
            Some(code) => prove(tx, house, &mut theirs, code, now).await,
            None => Ok(None),
        },
    }
}

/// NO and nothing else, or NO and a code.
fn is_no_alone(said: &str, code: Option<Code>) -> bool {
    let mut words = said.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let is_no = words.next().is_some_and(|word| word.eq_ignore_ascii_case("no"));
    is_no && words.all(|word| code.is_some_and(|code| word.eq_ignore_ascii_case(code.as_str())))
}

/// An address of somebody who may have sent a text.
struct Theirs {
    directory: std::sync::Arc<Directory>,
    address: Address,
}

impl Theirs {
    fn person(&self) -> Option<&Person> {
        self.directory.person(self.address.person)
    }

    fn is_outside(&self) -> bool {
        self.person().is_some_and(Person::is_outside)
    }

    fn names(&self) -> Vec<String> {
        self.person().map(|person| named_by(&self.directory, person)).unwrap_or_default()
    }

    async fn hear_of(&mut self, tx: &mut Tx, house: &House, news: News, now: Time) -> store::Result<Follows> {
        let trace = self.trace(now);
        hear_of(tx, house, &self.directory, &mut self.address, news, trace).await
    }

    fn trace(&self, now: Time) -> Trace {
        Trace { actor: Some(self.address.person), door: Door::Sms, now }
    }

    fn answered(&self, reply: Reply) -> Heard {
        let Address { person, organisation, .. } = self.address;
        Heard { person, organisation, zone: self.directory.zone, reply }
    }

    /// Staff are answered as ever: their texts mean something besides.
    fn outside(&self, reply: Reply) -> Option<Heard> {
        self.is_outside().then(|| self.answered(reply))
    }

    fn was_asked(&self, code: Code) -> bool {
        let Address { person, channel, known, .. } = &self.address;
        matches!(known.proof, Proof::Asked(asked) if asked.code == CodeHash::of(*person, *channel, &code))
    }
}

async fn prove(
    tx: &mut Tx,
    house: &House,
    theirs: &mut [Theirs],
    code: Code,
    now: Time,
) -> store::Result<Option<Heard>> {
    if let Some(asked) = theirs.iter_mut().find(|theirs| theirs.was_asked(code)) {
        let news = News::Answered(CodeHash::of(asked.address.person, Channel::Sms, &code));
        let reply = match asked.hear_of(tx, house, news, now).await? {
            Follows::Proved => Reply::Proved { named_by: asked.names() },
            _ => Reply::WrongCode,
        };
        return Ok(Some(asked.answered(reply)));
    }
    let mut heard = None;
    for theirs in theirs {
        // The code of an alarm, without its word: the grammar asks back.
        if people::incident_of_code(tx, theirs.address.person, code.as_str()).await?.is_some() {
            return Ok(None);
        }
        let news = News::Answered(CodeHash::of(theirs.address.person, Channel::Sms, &code));
        if theirs.hear_of(tx, house, news, now).await? == Follows::WrongCode {
            heard = heard.or_else(|| theirs.outside(Reply::WrongCode));
        }
    }
    Ok(heard)
}

/// NO declines for an outside contact who is called about nothing, or says it with the code of the question. With an alarm open it
/// is the answer to that.
async fn decline(
    tx: &mut Tx,
    house: &House,
    theirs: &mut [Theirs],
    code: Option<Code>,
    now: Time,
) -> store::Result<Option<Heard>> {
    let mut heard = None;
    for theirs in theirs.iter_mut().filter(|theirs| theirs.is_outside()) {
        let means_it = match code {
            Some(code) => theirs.was_asked(code),
            // Said late, it is still the answer to an alarm.
            None => !people::was_called_since_any_org(tx, theirs.address.person, now - LATE_ANSWER).await?,
        };
        if !means_it {
            continue;
        }
        declines(
            tx,
            house,
            &theirs.directory,
            (theirs.address.organisation, theirs.address.person),
            theirs.trace(now),
        )
        .await?;
        heard = heard.or_else(|| theirs.outside(Reply::Declined { named_by: theirs.names() }));
    }
    Ok(heard)
}

/// A person declines, not an address.
async fn declines(
    tx: &mut Tx,
    house: &House,
    directory: &Directory,
    (organisation, person): (OrganisationId, PersonId),
    trace: Trace,
) -> store::Result<()> {
    for mut address in proofs::of_person(tx, organisation, person).await? {
        hear_of(tx, house, directory, &mut address, News::Declined, trace).await?;
    }
    Ok(())
}

/// START or YES: they have just texted, so they are asked at once, at whatever hour.
async fn opt_in(
    tx: &mut Tx,
    house: &House,
    theirs: &mut [Theirs],
    now: Time,
) -> store::Result<Option<Heard>> {
    let mut heard = None;
    for theirs in theirs {
        let declined = matches!(theirs.address.known.proof, Proof::Declined { .. });
        let asked = matches!(theirs.address.known.proof, Proof::Asked(_));
        // "Yes" of somebody with an account answers many a question.
        if asked && !theirs.is_outside() {
            continue;
        }
        if theirs.hear_of(tx, house, News::OptedIn, now).await? != Follows::ToBeAsked {
            let proved = Reply::Proved { named_by: theirs.names() };
            let is_proved = matches!(theirs.address.known.proof, Proof::Proved { .. });
            heard = heard.or_else(|| if is_proved { theirs.outside(proved) } else { None });
            continue;
        }
        if declined {
            let (organisation, person) = (theirs.address.organisation, theirs.address.person);
            for mut other in proofs::of_person(tx, organisation, person).await? {
                if matches!(other.known.proof, Proof::Declined { .. }) {
                    let trace = theirs.trace(now);
                    hear_of(tx, house, &theirs.directory, &mut other, News::OptedIn, trace).await?;
                }
            }
        }
        let trace = theirs.trace(now);
        ask_one(tx, house, &theirs.directory, &mut theirs.address, trace).await?;
        heard = heard.or_else(|| theirs.outside(Reply::AskedAnew));
    }
    Ok(heard)
}

/// What somebody says on the page behind a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnPage {
    /// It reaches me, and I agree.
    Agrees,
    /// I do not.
    Declines,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageAnswer {
    /// It is proved.
    Proved,
    /// They have declined.
    Declined,
    /// Only outside contacts can.
    NotYours,
    /// The code was not right.
    WrongCode,
    /// That question was answered, or there is a newer one.
    Over,
}

/// Does what somebody says on a page, with the code of the mail that led there. The link alone does nothing: machines follow
/// links and send forms (row E4).
pub async fn on_page(
    tx: &mut Tx,
    house: &House,
    id: AskId,
    (said, code): (OnPage, &str),
    now: Time,
) -> store::Result<PageAnswer> {
    let Some(mut address) = proofs::by_ask_any_org(tx, id).await? else { return Ok(PageAnswer::Over) };
    let directory = people::directory(tx, address.organisation).await?;
    let Some(person) = directory.person(address.person).filter(|person| !person.left) else {
        return Ok(PageAnswer::Over);
    };
    let trace = Trace { actor: Some(person.id), door: Door::Link, now };
    // What is no code is a wrong one.
    let hash =
        Code::parse(code).map_or(CodeHash([0; 32]), |code| CodeHash::of(person.id, address.channel, &code));
    let (then, proves) = address.known.after(News::Answered(hash), now);
    match (said, proves) {
        (OnPage::Declines, Follows::Proved) if !person.is_outside() => Ok(PageAnswer::NotYours),
        (OnPage::Declines, Follows::Proved) => {
            declines(tx, house, &directory, (address.organisation, person.id), trace).await?;
            Ok(PageAnswer::Declined)
        }
        (_, Follows::Proved | Follows::WrongCode) if then != address.known => {
            hear_of(tx, house, &directory, &mut address, News::Answered(hash), trace).await?;
            Ok(if proves == Follows::Proved { PageAnswer::Proved } else { PageAnswer::WrongCode })
        }
        _ => Ok(PageAnswer::Over),
    }
}

/// Whether a question is still to be answered, to be shown.
pub async fn is_open(tx: &mut Tx, id: AskId) -> store::Result<bool> {
    proofs::is_asked_any_org(tx, id).await
}
