//! What workers say of their own visits: that they go in, are fine, stay, come out, need help.

use serde_json::json;

use super::{
    super::{
        Rejected,
        agreements::{self, Stands},
        rehearsals::{self, WithPin},
        sos::{Cry, call_for_help},
        telling::Telling,
        visits::{self as visit_cases, Came, Done, ForWhom, OfAll, act_on_running, heed},
    },
    Answer, Text,
};
use crate::{
    clock::Time,
    domain::{
        command::{CarrierWord, Command, Going, Longer, Plan, Rehearsed, Until, Why, masked},
        event::{EventKind, NewEvent},
        ids::VisitId,
        local_time::Meant,
        notice::Notice,
        pin::{Given, Pin},
        reply::{Besides, Next, Rehearsal, Reply},
        start::{Departure, Start},
        visit::{Details, ExtendTo, Said, Visit, VisitState},
    },
    store::{self, Tx, people, pins, visits},
};

impl Text<'_> {
    pub(super) async fn of_worker(&self, tx: &mut Tx, command: Command) -> store::Result<Answer> {
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
            Command::Concern { words } => self.is_concerned(tx, &words).await?,
            Command::Measures { kept, words } => self.speaks_of_measures(tx, kept, &words).await?,
            Command::Decide { answer, code, words } => self.decides(tx, answer, code, &words).await?,
            Command::Changes { changed, words } => self.says_whether_changed(tx, changed, &words).await?,
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
        let mut done = match started {
            Ok(done) => done,
            Err(rejected) => return Ok(Reply::NotNow(rejected.to_string()).into()),
        };
        let stands = agreements::follow(tx, self.house, &mut done, self.trace).await?;
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
        let next_fits_nothing = plan == Plan::Next && matches!(done.came, Came::New);
        if matches!(done.came, Came::NewThoughSeveralPlansFit) || next_fits_nothing {
            besides.push(Besides::NewVisit);
        }
        if let VisitState::Begun { check: Some(check), .. } = &visit.state {
            besides.push(Besides::Check(check.at));
        }
        if let Stands::Agreed { changes_since: Some(day) } = stands {
            besides.push(Besides::Changed(day));
        }
        let others = visit_cases::still_watched(tx, actor, actor.person, visit.id).await?;
        besides.extend(others.into_iter().map(|(_, till)| Besides::Other(till)).min_by_key(
            |other| match other {
                Besides::Other(till) => Some(*till),
                _ => None,
            },
        ));
        let till = visit.expected_departure;
        let reply = match stands {
            Stands::NotAgreed { asked } => {
                Reply::NotAgreed { till, asked: asked.into_iter().next(), besides }
            }
            _ => Reply::Watching { till, besides },
        };
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

    async fn carrier_word(&self, tx: &mut Tx, word: CarrierWord) -> store::Result<Reply> {
        let sent = match word {
            CarrierWord::OptsOut => "STOP",
            CarrierWord::OptsIn => "START",
            CarrierWord::Info => "INFO",
        };
        self.keep_and_tell(tx, sent, Some(Notice::CarrierWord { word: sent.into() })).await?;
        Ok(Reply::Carrier { till: self.till(tx).await? })
    }

    pub(super) async fn not_understood(&self, tx: &mut Tx, why: Why) -> store::Result<Reply> {
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
    pub(super) async fn till(&self, tx: &mut Tx) -> store::Result<Option<Time>> {
        let running = visits::find_running_of(tx, self.actor.organisation, self.actor.person).await?;
        Ok(running.iter().filter_map(Visit::watched_till).min())
    }
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
