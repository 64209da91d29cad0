//! What somebody says by text, whatever carried it: read by the grammar, done by the use cases of every other door, and
//! answered at once with what Homeward now believes (rows S1 to S3, V11).

use std::collections::BTreeSet;

use serde_json::json;

use super::{
    House, Rejected,
    access::Actor,
    drills::{self as drill_cases, Answered},
    end_of_day,
    incidents::{self, Deed, OutsideAnswer},
    rehearsals::{self, WithPin},
    sos::{Cry, Proof, call_for_help},
    telling::Telling,
    visits::{self as visit_cases, Came, Done, ForWhom, OfAll, act_on_running, heed},
};
use crate::{
    clock::Time,
    domain::{
        command::{CarrierWord, Code, Command, Going, Longer, Rehearsed, Until, Why, code_alone, masked},
        drill::DrillAnswer,
        event::{EventKind, NewEvent},
        ids::{DrillId, IncidentId, OrganisationId, PersonId, VisitId},
        incident::{Incident, IncidentState, Kind},
        local_time::Meant,
        notice::Notice,
        people::Directory,
        pin::{Given, Pin},
        reply::{Besides, Next, Rehearsal, Reply},
        start::{Departure, Start},
        visit::{Details, ExtendTo, Said, Visit, VisitState},
    },
    keys::ServerKey,
    store::{self, Trace, Tx, drills, incidents as incident_rows, messages, people, pins, visits},
};

/// Who sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sender {
    /// Somebody with an account.
    Account(Actor),
    /// An outside contact.
    Outside {
        /// In which organisation.
        organisation: OrganisationId,
        /// Who.
        person: PersonId,
    },
}

/// A text as it came.
#[derive(Debug, Clone)]
pub struct Received {
    /// What it says.
    pub text: String,
    /// When it was sent, if that was before it reached us.
    pub made_at: Option<Time>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What is answered.
    pub reply: Reply,
    /// The visit that it began or lengthened, if it did.
    pub visit: Option<VisitId>,
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self { reply, visit: None }
    }
}

/// Does what a text says.
pub async fn take(
    tx: &mut Tx,
    house: &House,
    key: &ServerKey,
    sender: &Sender,
    received: &Received,
    trace: Trace,
) -> store::Result<Answer> {
    let command = crate::domain::command::parse(&received.text);
    match sender {
        Sender::Account(actor) => {
            let text = Text { house, key, actor, received, trace };
            match text.of_responder(tx, &command).await? {
                Some(reply) => Ok(reply.into()),
                None => text.of_worker(tx, command).await,
            }
        }
        Sender::Outside { organisation, person } => {
            let contact = (*organisation, *person);
            if matches!(command, Command::NotUnderstood(_))
                && let Some(drill) = drill_by_code_alone(tx, *person, &received.text).await?
            {
                return drill_answered(tx, drill, *person, &command, trace).await.map(Answer::from);
            }
            outside(tx, house, contact, command, trace).await.map(Answer::from)
        }
    }
}

/// A text of somebody with an account.
struct Text<'t> {
    house: &'t House,
    key: &'t ServerKey,
    actor: &'t Actor,
    received: &'t Received,
    trace: Trace,
}

impl Text<'_> {
    async fn of_worker(&self, tx: &mut Tx, command: Command) -> store::Result<Answer> {
        let reply = match command {
            Command::In(going) => return self.goes_in(tx, going).await,
            Command::Out { pin, words } => {
                self.about_running(tx, OfAll::Out, self.given(pin, &words)).await?.reply
            }
            Command::Fine { pin, words } => {
                self.about_running(tx, OfAll::Fine, self.given(pin, &words)).await?.reply
            }
            Command::More { by, pin, words } => return self.stays(tx, by, self.given(pin, &words)).await,
            Command::Object => self.objects(tx).await?,
            // Whoever says NOT SAFE under a code that is nobody's calls for help no less.
            Command::Sos { words } | Command::NotSafe { words, .. } => self.calls_for_help(tx, words).await?,
            Command::Status => self.status(tx).await?,
            Command::Test { what } => Reply::Test(self.rehearses(tx, &what).await?),
            Command::Concern { .. } => self.for_manager(tx, "CONCERN").await?,
            Command::CarrierWord(word) => self.carrier_word(tx, word).await?,
            Command::NotUnderstood(why) => self.not_understood(tx, why).await?,
            // Answered before, by `of_responder`.
            Command::Ack { .. }
            | Command::AckAll { .. }
            | Command::Cannot { .. }
            | Command::Where { .. }
            | Command::Hold { .. }
            | Command::Safe { .. }
            | Command::Who => self.not_understood(tx, Why::Unknown).await?,
        };
        Ok(reply.into())
    }

    async fn goes_in(&self, tx: &mut Tx, going: Going) -> store::Result<Answer> {
        let (actor, now) = (self.actor, self.trace.now);
        let said = Said::of_a_start(self.received.made_at, now);
        let Going { departure, plan, case_reference, place } = going;
        let departure = match departure {
            Until::After(length) => Departure::After(length),
            Until::At(time) => match time.next(said.at, actor.zone) {
                Meant::At(at) => Departure::At(at),
                Meant::TooFar => Departure::Missing,
            },
            Until::Missing | Until::Odd(_) => Departure::Missing,
        };
        let details = Details { place, case_reference, ..Details::default() };
        let made_at = self.received.made_at;
        let start = Start { details, expected_arrival: None, departure, made_at, plan };
        let id = VisitId::new(now);
        let started =
            visit_cases::start(tx, self.house, actor, &ForWhom::Self_, start, id, self.trace).await?;
        let done = match started {
            Ok(done) => done,
            Err(rejected) => return Ok(Reply::NotNow(rejected.to_string()).into()),
        };
        let visit = done.visit;
        let mut besides = Vec::new();
        if visit.expected_departure <= now {
            besides.push(Besides::RanOut);
        }
        if !pins::is_set(tx, actor.person).await? {
            besides.push(Besides::NoPin);
        }
        let odd_end =
            done.warnings.iter().any(|warning| warning.field.as_deref() == Some("expected_departure"));
        let arrived_at_plan = matches!(done.came, Came::Arrival);
        if odd_end || (departure == Departure::Missing && !arrived_at_plan) {
            besides.push(Besides::WhenOut);
        }
        let next_fits_nothing = plan == crate::domain::command::Plan::Next && matches!(done.came, Came::New);
        if matches!(done.came, Came::NewThoughSeveralPlansFit) || next_fits_nothing {
            besides.push(Besides::NewVisit);
        }
        if let VisitState::Begun { check: Some(check), .. } = &visit.state {
            besides.push(Besides::Check(check.at));
        }
        let others = visit_cases::still_watched(tx, actor, actor.person, visit.id).await?;
        besides.extend(others.into_iter().map(|(_, till)| Besides::Other(till)).min_by_key(
            |other| match other {
                Besides::Other(till) => Some(*till),
                _ => None,
            },
        ));
        let reply = Reply::Watching { till: visit.expected_departure, besides };
        Ok(Answer { reply, visit: Some(visit.id) })
    }

    fn given(&self, pin: Option<Pin>, words: &str) -> Option<Given> {
        pin.map(|pin| self.key.given(self.actor.person, pin.as_str(), words))
    }

    async fn about_running(&self, tx: &mut Tx, of_all: OfAll, given: Option<Given>) -> store::Result<Answer> {
        let out = of_all == OfAll::Out;
        let more = matches!(of_all, OfAll::More(_));
        let made_at = self.received.made_at;
        let acted = act_on_running(tx, self.house, self.actor, (of_all, given), made_at, self.trace).await?;
        let all = match acted {
            Ok(all) => all,
            Err(Rejected::Pin(answer)) => return Ok(Reply::Pin(answer).into()),
            Err(rejected) => return Ok(Reply::NotNow(rejected.to_string()).into()),
        };
        let Some(alarm) = all.iter().map(|done| done.alarm.as_the_worker_sees_it()).max() else {
            let Some(till) = self.till(tx).await? else { return Ok(Reply::NothingRunning.into()) };
            // Late, or a phone whose clock is wrong: then it is said in vain again and again, and a person has to know.
            self.keep_and_tell(tx, "said_before", Some(Notice::UnreadableText)).await?;
            let said = Said::made(made_at, self.trace.now).at;
            return Ok(Reply::SaidBefore { said, till }.into());
        };
        if out {
            let now = self.trace.now;
            let said = Said::made(made_at, now).at;
            // An "out" that was delivered twice ends nothing the second time.
            let left_now = |done: &&Done| match &done.visit.state {
                VisitState::GoingHome { .. } => done.visit.left_at == Some(said),
                state => matches!(state, VisitState::Ended { .. }),
            };
            let begun =
                all.iter().filter(left_now).map(|done| done.visit.arrived_at.unwrap_or(now)).collect();
            let running = visits::find_running_of(tx, self.actor.organisation, self.actor.person).await?;
            let going_home = |visit: &Visit| matches!(visit.state, VisitState::GoingHome { .. });
            let home_by =
                running.iter().filter(|visit| going_home(visit)).filter_map(Visit::watched_till).min();
            return Ok(Reply::Ended { visits: begun, home_by, alarm }.into());
        }
        let (till, next) = all
            .iter()
            .map(|done| said_next(&done.visit))
            .min_by_key(|(till, _)| *till)
            .unwrap_or((self.trace.now, Next::Out { check: None }));
        let other = match all.first().filter(|_| more) {
            Some(done) => visit_cases::still_watched(tx, self.actor, self.actor.person, done.visit.id)
                .await?
                .into_iter()
                .map(|(_, till)| till)
                .min(),
            None => None,
        };
        let visit = all.first().map(|done| done.visit.id);
        Ok(Answer { reply: Reply::WatchedOn { till, alarm, other, next }, visit })
    }

    async fn rehearses(&self, tx: &mut Tx, what: &Rehearsed) -> store::Result<Rehearsal> {
        let given = match what {
            Rehearsed::Out { pin, words } => self.given(pin.clone(), words),
            _ => None,
        };
        let (till, with) = (self.till(tx).await?, WithPin { house: self.house, given });
        rehearsals::text(tx, self.actor, what, with, till, self.trace).await
    }

    async fn stays(&self, tx: &mut Tx, by: Longer, given: Option<Given>) -> store::Result<Answer> {
        let said = Said::made(self.received.made_at, self.trace.now);
        let to = match by {
            Longer::For(length) => Some(ExtendTo::For(length)),
            Longer::Until(time) => match time.next(said.at, self.actor.zone) {
                Meant::At(at) => Some(ExtendTo::Until(at)),
                Meant::TooFar => None,
            },
            Longer::Missing | Longer::Odd => None,
        };
        if let Some(to) = to {
            return self.about_running(tx, OfAll::More(to), given).await;
        }
        if let Some(given) = &given {
            heed(tx, self.actor, given, self.trace.now).await?;
        }
        Ok(Reply::HowMuchLonger { till: self.till(tx).await? }.into())
    }

    async fn objects(&self, tx: &mut Tx) -> store::Result<Reply> {
        let made_at = self.received.made_at;
        let acted =
            act_on_running(tx, self.house, self.actor, (OfAll::Object, None), made_at, self.trace).await?;
        if let Ok([done, ..]) = acted.as_deref() {
            return Ok(Reply::Objected { till: said_next(&done.visit).0 });
        }
        let till = self.till(tx).await?;
        if till.is_none() {
            // Somebody says that they are inside, and is not watched: a person has to know.
            self.keep_and_tell(tx, "object", Some(Notice::UnreadableStart)).await?;
        }
        Ok(Reply::NothingToObjectTo { till })
    }

    async fn calls_for_help(&self, tx: &mut Tx, words: String) -> store::Result<Reply> {
        let words = (!words.is_empty()).then_some(words);
        let cry = Cry { words, made_at: self.received.made_at, ..Cry::default() };
        call_for_help(tx, self.house, self.actor, cry, self.trace).await?;
        Ok(Reply::Noted)
    }

    async fn status(&self, tx: &mut Tx) -> store::Result<Reply> {
        let running = visits::find_running_of(tx, self.actor.organisation, self.actor.person).await?;
        let next = running.iter().filter_map(|visit| match &visit.state {
            VisitState::Planned { expected_arrival, .. } => Some(*expected_arrival),
            _ => None,
        });
        let next = next.min();
        let mut tills: Vec<_> =
            running.iter().filter(|visit| is_inside(visit)).filter_map(Visit::watched_till).collect();
        tills.sort_unstable();
        let home_by = running.iter().filter(|visit| !is_inside(visit)).filter_map(Visit::watched_till).min();
        let check = running.iter().filter_map(|visit| match &visit.state {
            VisitState::Begun { check, .. } => check.map(|check| check.at),
            _ => None,
        });
        let check = check.min();
        let mut with = Vec::new();
        for visit in running.iter().filter(|visit| begun(visit)) {
            for (_, person) in visit_cases::others_on(tx, visit).await? {
                with.extend(people::name(tx, self.actor.organisation, person).await?);
            }
        }
        Ok(Reply::Status { running: tills, home_by, check, with, next })
    }

    /// What Homeward cannot do yet is kept and told; nobody may believe that it was done.
    async fn for_manager(&self, tx: &mut Tx, word: &'static str) -> store::Result<Reply> {
        let manager = self.keep_and_tell(tx, word, Some(Notice::TextForManager { word })).await?;
        Ok(Reply::NotThereYet { word, manager })
    }

    async fn carrier_word(&self, tx: &mut Tx, word: CarrierWord) -> store::Result<Reply> {
        let sent = match word {
            CarrierWord::OptsOut => "STOP",
            CarrierWord::OptsIn => "START",
            CarrierWord::Info => "INFO",
        };
        self.keep_and_tell(tx, sent, Some(Notice::CarrierWord { word: sent.into() })).await?;
        Ok(Reply::Carrier { till: self.till(tx).await? })
    }

    async fn not_understood(&self, tx: &mut Tx, why: Why) -> store::Result<Reply> {
        let till = self.till(tx).await?;
        // During a visit a person has to know; at other times the log is enough.
        self.keep_and_tell(tx, "not_understood", till.map(|_| Notice::UnreadableText)).await?;
        let perhaps = match why {
            Why::Perhaps(word) => Some(word),
            Why::Empty | Why::Unknown => None,
        };
        Ok(Reply::NotUnderstood { perhaps, till })
    }

    /// Keeps the text, without what could be a PIN, in the log of the visit that runs; tells whoever answers for its sender.
    async fn keep_and_tell(
        &self,
        tx: &mut Tx,
        read_as: &'static str,
        notice: Option<Notice>,
    ) -> store::Result<Option<String>> {
        let (actor, trace) = (self.actor, self.trace);
        let text: String = masked(&self.received.text).chars().take(LONGEST_KEPT).collect();
        let event = NewEvent::new(
            EventKind::TextReceived,
            trace.now,
            json!({"person": actor.person, "read_as": read_as}),
        )
        .with_words(Some(&text));
        let running = visits::running_of(tx, actor.organisation, actor.person).await?;
        let latest = running.into_iter().filter(begun).max_by_key(|visit| visit.arrived_at);
        let (about, occasion) = if let Some(mut visit) = latest {
            visits::log(tx, &mut visit, event, trace).await?;
            (Some(visit.id), format!("visit/{}/text/{}", visit.id, visit.chain.number))
        } else {
            let about = (Some(actor.team), Some(actor.person));
            store::events::log_for_organisation(tx, actor.organisation, about, trace, event).await?;
            (None, format!("text/{}/{}", actor.person, trace.now.timestamp_micros()))
        };
        let Some(notice) = notice else { return Ok(None) };
        let directory = people::directory(tx, actor.organisation).await?;
        let telling =
            Telling { house: self.house, directory: &directory, worker: actor.person, now: trace.now };
        telling.tell_managers(tx, notice, about, &occasion).await?;
        let managers = directory.who_has_to_know(actor.person);
        Ok(managers.first().map(|id| directory.name_of(*id).to_owned()))
    }

    /// Until when the sender is watched; the earliest of several visits.
    async fn till(&self, tx: &mut Tx) -> store::Result<Option<Time>> {
        let running = visits::find_running_of(tx, self.actor.organisation, self.actor.person).await?;
        Ok(running.iter().filter_map(Visit::watched_till).min())
    }

    /// Takes all that one list named and that nobody has: never a call for help, and nothing that it did not name (row D5).
    async fn take_all(&self, tx: &mut Tx, code: &Code) -> store::Result<Reply> {
        let (actor, trace) = (self.actor, self.trace);
        let calls = people::open_calls_of(tx, actor.person).await?;
        let Some(call) = calls.iter().find(|call| call.code == code.as_str()) else {
            return Ok(Reply::WhichList);
        };
        let named = messages::listed_with(tx, actor.organisation, actor.person, call.incident).await?;
        // All that is named is held, in the order of locks, before anything is taken.
        let mut their_visits = BTreeSet::new();
        for id in &named {
            let found = incident_rows::find(tx, actor.organisation, *id).await?;
            their_visits.extend(found.and_then(|incident| incident.visit));
        }
        for visit in their_visits {
            visits::load(tx, actor.organisation, visit).await?;
        }
        let held = incident_rows::load_some_any_org(tx, named).await?;
        let (mut workers, mut until, mut not_taken) = (Vec::new(), None, 0);
        for incident in held {
            let named = calls.iter().find(|call| call.incident == incident.id);
            let Some(named) = named.filter(|_| !incident.is_withheld_from(actor.person)) else { continue };
            let incident = if incident.kind == Kind::Overdue && incident.calls() {
                match incidents::act(tx, self.house, actor, incident.id, Deed::Acknowledge, trace).await? {
                    Ok(incident) => incident,
                    Err(_refused) => incident,
                }
            } else {
                incident
            };
            // Theirs by now, or since they said it before.
            if incident.is_open() && incident.owner() == Some(actor.person) {
                workers.push(named.worker.clone());
                until = until.into_iter().chain([waits_until(&incident)]).min();
            } else {
                not_taken += 1;
            }
        }
        Ok(match until {
            Some(until) => Reply::TakenAll { workers, until, not_taken },
            None => Reply::WhichList,
        })
    }

    /// What somebody answers who was called; `None`: it is not such an answer.
    async fn of_responder(&self, tx: &mut Tx, command: &Command) -> store::Result<Option<Reply>> {
        let (actor, trace) = (self.actor, self.trace);
        if let Command::AckAll { code: Some(code) } = command {
            return self.take_all(tx, code).await.map(Some);
        }
        if matches!(command, Command::NotUnderstood(_))
            && let Some(drill) = drill_by_code_alone(tx, actor.person, &self.received.text).await?
        {
            return drill_answered(tx, drill, actor.person, command, trace).await.map(Some);
        }
        let about = match codes(command) {
            None => return Ok(None),
            Some((word, code)) => match find(tx, actor.person, word, code.as_ref()).await? {
                Found::Open(id) => id,
                Found::Drill(drill) => {
                    return drill_answered(tx, drill, actor.person, command, trace).await.map(Some);
                }
                // A call for help with a code that is nobody's is one all the same.
                Found::Reply(_) if matches!(command, Command::NotSafe { .. }) => return Ok(None),
                // "No one is in": a worker on a visit says something, and nobody has called them.
                Found::Reply(Reply::WhichAlarm { open, .. })
                    if open.is_empty() && code.is_none() && self.till(tx).await?.is_some() =>
                {
                    return self.not_understood(tx, Why::Perhaps(word)).await.map(Some);
                }
                Found::Reply(reply) => {
                    if let Command::Safe { code: Some(code), .. } = command
                        && let Some(confirmed) =
                            end_of_day::confirm_by_code(tx, actor, code.as_str(), trace).await?
                    {
                        return Ok(Some(match confirmed {
                            Ok(shown) => Reply::EndOfDay { team: shown.team.name, out: shown.out.len() },
                            Err(rejected) => Reply::NotNow(rejected.to_string()),
                        }));
                    }
                    return Ok(Some(reply));
                }
            },
        };
        let withheld = incident_rows::find(tx, actor.organisation, about).await?;
        if let Some(incident) = withheld.filter(|incident| incident.is_withheld_from(actor.person)) {
            return answered_as_before(tx, actor, incident, command).await;
        }
        let deed = match command {
            Command::Where { .. } => return whereabouts(tx, actor, about).await.map(Some),
            Command::Ack { .. } => Deed::Acknowledge,
            Command::Cannot { .. } => Deed::Cannot,
            Command::Hold { length, reason, .. } => Deed::Hold { length: *length, reason: reason.clone() },
            Command::Safe { words, .. } => Deed::Safe { words: words.clone() },
            Command::NotSafe { words, .. } => Deed::NotSafe { words: words.clone() },
            _ => return Ok(None),
        };
        let incident = match incidents::act(tx, self.house, actor, about, deed.clone(), trace).await? {
            Ok(incident) => incident,
            Err(rejected) => return Ok(Some(Reply::NotNow(rejected.to_string()))),
        };
        let directory = people::directory(tx, actor.organisation).await?;
        Ok(Some(answered(&directory, &incident, actor.person, &deed)))
    }
}

/// A call for help by a token that was once issued: it needs no more. About whoever sends it, or, by a code that they were called
/// under, about the worker of that alarm. `None`: it is none.
pub async fn help_by_old_token(
    tx: &mut Tx,
    house: &House,
    actor: &Actor,
    received: &Received,
    trace: Trace,
) -> store::Result<Option<Reply>> {
    let command = crate::domain::command::parse(&received.text);
    let words = match command {
        Command::NotSafe { code, words } => {
            if let Found::Open(about) = find(tx, actor.person, "NOT SAFE", Some(&code)).await? {
                let about = (actor.organisation, about);
                let found = OutsideAnswer::NotSafe { words: words.clone() };
                if let Ok(incident) = incidents::outside(tx, house, about, actor.person, found, trace).await?
                {
                    let worker = people::name(tx, actor.organisation, incident.subject).await?;
                    return Ok(Some(Reply::EverybodyCalled { worker: worker.unwrap_or_default() }));
                }
            }
            words
        }
        Command::Sos { words } => words,
        _ => return Ok(None),
    };
    let words = (!words.is_empty()).then_some(words);
    let cry = Cry { words, made_at: received.made_at, proof: Proof::OldToken, ..Cry::default() };
    call_for_help(tx, house, actor, cry, trace).await?;
    Ok(Some(Reply::Noted))
}

/// The longest text that is kept.
const LONGEST_KEPT: usize = 2000;

fn begun(visit: &Visit) -> bool {
    visit.watched_till().is_some()
}

fn is_inside(visit: &Visit) -> bool {
    matches!(visit.state, VisitState::Begun { .. })
}

/// What a worker is to say next of a visit, and by when.
fn said_next(visit: &Visit) -> (Time, Next) {
    match &visit.state {
        VisitState::Planned { expected_arrival, .. } => (*expected_arrival, Next::Start),
        VisitState::GoingHome { deadline } => (deadline.at, Next::Home),
        VisitState::Begun { deadline, check } => {
            (deadline.at, Next::Out { check: check.map(|check| check.at) })
        }
        _ => (visit.expected_departure, Next::Out { check: None }),
    }
}

/// The word and the code of an answer to a call.
fn codes(command: &Command) -> Option<(&'static str, Option<Code>)> {
    Some(match command {
        Command::Ack { code } => ("ACK", *code),
        Command::AckAll { code } => ("ACK ALL", *code),
        Command::Cannot { code } => ("NO", *code),
        Command::Where { code } => ("WHERE", *code),
        Command::Hold { code, .. } => ("HOLD", *code),
        Command::Safe { code, .. } => ("SAFE", *code),
        Command::NotSafe { code, .. } => ("NOT SAFE", Some(*code)),
        Command::Who => ("WHO", None),
        _ => return None,
    })
}

/// The code in an answer to a call.
pub(super) fn code_of_answer(command: &Command) -> Option<Code> {
    codes(command).and_then(|(_, code)| code)
}

enum Found {
    Open(IncidentId),
    Drill((DrillId, OrganisationId)),
    Reply(Reply),
}

/// The open alarm that a person means, or what is answered where there is none.
async fn find(
    tx: &mut Tx,
    person: PersonId,
    word: &'static str,
    code: Option<&Code>,
) -> store::Result<Found> {
    let calls = people::open_calls_of(tx, person).await?;
    if word == "WHO" {
        let open = calls.into_iter().map(|call| (call.worker, call.code, call.owner)).collect();
        return Ok(Found::Reply(Reply::Who { open }));
    }
    if word == "ACK ALL" {
        return Ok(Found::Reply(Reply::WhichList));
    }
    if let Some(call) = code.and_then(|code| calls.iter().find(|call| call.code == code.as_str())) {
        return Ok(Found::Open(call.incident));
    }
    // A real alarm always comes first.
    if let Some(code) = code
        && let Some(drill) = drills::of_code_any_org(tx, person, code.as_str()).await?
    {
        return Ok(Found::Drill(drill));
    }
    let over = match code {
        Some(code) => people::incident_of_code(tx, person, code.as_str()).await?.is_some(),
        None => false,
    };
    let open = calls.into_iter().map(|call| (call.worker, call.code)).collect();
    Ok(Found::Reply(if over { Reply::AlarmOver { open } } else { Reply::WhichAlarm { word, open } }))
}

/// Until when somebody has an alarm, or when it ended.
fn waits_until(incident: &Incident) -> Time {
    match &incident.state {
        IncidentState::Open { holder, .. } => holder.waits_until(),
        IncidentState::Closed { closing, .. } => closing.at,
    }
}

/// What is said with the code of a drill is about that drill, whatever it is.
async fn drill_answered(
    tx: &mut Tx,
    (drill, organisation): (DrillId, OrganisationId),
    person: PersonId,
    command: &Command,
    trace: Trace,
) -> store::Result<Reply> {
    let said = match command {
        Command::Ack { .. } | Command::NotUnderstood(_) => DrillAnswer::Taken,
        Command::Cannot { .. } => DrillAnswer::Cannot,
        _ => return Ok(Reply::DrillOnly),
    };
    Ok(match drill_cases::answer(tx, (organisation, person), drill, said, trace).await? {
        Ok(Answered::Kept(_)) => Reply::DrillAnswered { said },
        Ok(Answered::TooLate(_)) => Reply::DrillWasOver,
        Err(rejected) => Reply::NotNow(rejected.to_string()),
    })
}

/// A drill whose code is all that a text says.
async fn drill_by_code_alone(
    tx: &mut Tx,
    person: PersonId,
    text: &str,
) -> store::Result<Option<(DrillId, OrganisationId)>> {
    match code_alone(text).filter(Code::is_of_a_drill) {
        Some(code) => drills::of_code_any_org(tx, person, code.as_str()).await,
        None => Ok(None),
    }
}

fn answered(directory: &Directory, incident: &Incident, person: PersonId, deed: &Deed) -> Reply {
    let worker = directory.name_of(incident.subject).to_owned();
    let phone = directory.person(incident.subject).and_then(|subject| subject.phone.clone());
    let until = waits_until(incident);
    match (deed, incident.owner()) {
        (Deed::Acknowledge, Some(owner)) if owner == person => {
            Reply::Taken { worker, phone, kind: incident.kind, until }
        }
        (Deed::Acknowledge | Deed::Hold { .. }, Some(owner)) if owner != person => {
            Reply::TakenBy { owner: directory.name_of(owner).into(), worker }
        }
        (Deed::Hold { .. }, _) => Reply::Held { worker, until },
        (Deed::NotSafe { .. }, _) => Reply::EverybodyCalled { worker },
        (Deed::Safe { .. }, _) => Reply::ReportedSafe { worker },
        _ => Reply::OthersCalled { worker },
    }
}

/// Whoever holds the phone of a companion called about an alarm that became a silent one reads nothing new, and does nothing to
/// it: it goes on as if it were what it was. `None`: a call for help, which is one of their own.
async fn answered_as_before(
    tx: &mut Tx,
    actor: &Actor,
    incident: Incident,
    command: &Command,
) -> store::Result<Option<Reply>> {
    Ok(match command {
        Command::NotSafe { .. } => None,
        Command::Where { .. } => {
            let was = if incident.missed.is_some() { Kind::Overdue } else { Kind::Sos };
            Some(whereabouts_of(tx, Incident { kind: was, ..incident }).await?)
        }
        _ => {
            let directory = people::directory(tx, actor.organisation).await?;
            let worker = directory.name_of(incident.subject).into();
            let cannot = matches!(command, Command::Cannot { .. });
            Some(if cannot { Reply::OthersCalled { worker } } else { Reply::NotYours { worker } })
        }
    })
}

/// What a responder needs to find the worker (row E10): only while the alarm is open, only who was called.
async fn whereabouts(tx: &mut Tx, actor: &Actor, id: IncidentId) -> store::Result<Reply> {
    let Some(incident) = incident_rows::find(tx, actor.organisation, id).await? else {
        return Ok(Reply::AlarmOver { open: vec![] });
    };
    whereabouts_of(tx, incident).await
}

async fn whereabouts_of(tx: &mut Tx, incident: Incident) -> store::Result<Reply> {
    let visit = match incident.visit.or(incident.nearest_visit) {
        Some(visit) => visits::find(tx, incident.organisation, visit).await?,
        None => None,
    };
    let directory = people::directory(tx, incident.organisation).await?;
    let subject = directory.person(incident.subject);
    Ok(Reply::Where {
        worker: directory.name_of(incident.subject).into(),
        place: visit.as_ref().and_then(|visit| visit.details.place.clone()),
        purpose: visit.as_ref().and_then(|visit| visit.details.purpose.clone()),
        position: incident.position.map(|position| (position.latitude, position.longitude)),
        last_contact: visit.as_ref().and_then(|visit| visit.last_contact_at),
        phone: subject.and_then(|subject| subject.phone.clone()),
        kind: incident.kind,
    })
}

/// An outside contact answers a call: told to staff, and stops nothing. Nothing else is done from such a number.
async fn outside(
    tx: &mut Tx,
    house: &House,
    (organisation, person): (OrganisationId, PersonId),
    command: Command,
    trace: Trace,
) -> store::Result<Reply> {
    // "They are not safe" without a readable code: the one alarm that they were called about is meant.
    let one_open = people::open_calls_of(tx, person).await?;
    let about = match (codes(&command), one_open.as_slice()) {
        (Some((word, code)), _) => match find(tx, person, word, code.as_ref()).await? {
            Found::Open(id) => id,
            Found::Drill(drill) => return drill_answered(tx, drill, person, &command, trace).await,
            Found::Reply(reply) => return Ok(reply),
        },
        (None, [only]) if matches!(command, Command::Sos { .. }) => only.incident,
        (None, _) => return Ok(Reply::OnlyAnswers),
    };
    let answer = match command {
        Command::Ack { .. } => OutsideAnswer::Trying,
        Command::Cannot { .. } => OutsideAnswer::Cannot,
        Command::Safe { words, .. } => OutsideAnswer::Safe { words },
        Command::NotSafe { words, .. } | Command::Sos { words } => OutsideAnswer::NotSafe { words },
        _ => return Ok(Reply::OnlyAnswers),
    };
    let done = incidents::outside(tx, house, (organisation, about), person, answer.clone(), trace).await?;
    let incident = match done {
        Ok(incident) => incident,
        Err(rejected) => return Ok(Reply::NotNow(rejected.to_string())),
    };
    let directory = people::directory(tx, organisation).await?;
    let worker = directory.name_of(incident.subject).to_owned();
    Ok(match answer {
        OutsideAnswer::Trying => {
            let duty = directory.duty_manager.and_then(|id| directory.person(id)?.phone.clone());
            Reply::Trying { worker, duty }
        }
        OutsideAnswer::Cannot => Reply::OthersCalled { worker },
        OutsideAnswer::Safe { .. } => Reply::ReportedSafe { worker },
        OutsideAnswer::NotSafe { .. } => Reply::EverybodyCalled { worker },
    })
}
