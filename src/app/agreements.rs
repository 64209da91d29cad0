//! Whether a visit is agreed: weighed when it is planned and when somebody goes in, decided by people where the rules cannot
//! (rows A1 to A8, A11). The watching never waits for it: a start is watched before anything here is looked at, and whatever
//! goes wrong here takes no start with it.

mod asking;
mod weighing;

use serde_json::{Value, json};

pub use self::asking::{Due, due, next_due, put_aside, work_on};
use self::asking::{ask, tell_worker};
use super::{
    House, Outcome, Rejected,
    access::Actor,
    allowed, oversight,
    visits::{Came, Done},
};
use crate::{
    clock::Time,
    domain::{
        agreement::{
            AgreedBy, Agreement, Answer, Approver, Changed, Decision, Exception, Private, Reason, Remark,
            Rule, Rules, RunsAs, State, Until, Weight, next_ask, weigh,
        },
        assessment::Company,
        event::{EventKind, NewEvent},
        ids::VisitId,
        notice::Decided,
        people::{Directory, Role},
        policy::{AgreementAsked, Policy},
        rights,
        visit::{Alarm, Risk, Visit, VisitState},
    },
    store::{
        self, Trace, Tx,
        agreements::{self, Whose},
        assessments, incidents, people, visits,
    },
};

/// How it stands with a visit that somebody begins or plans, as they are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stands {
    /// This team's visits need no agreement.
    NotAsked,
    /// It may be made. `changes_since`: has anything changed since that day? Nobody has said.
    Agreed {
        /// The day on which the assessment was made, if it was not said whether anything has changed.
        changes_since: Option<chrono::NaiveDate>,
    },
    /// It may not, and these were asked, by name.
    NotAgreed {
        /// Who.
        asked: Vec<String>,
    },
    /// It could not be weighed. Whoever goes in is watched all the same.
    NotWeighed,
}

/// What is said of a visit beyond what a start says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Alone or not.
    pub company: Option<Company>,
    /// Whether anything has changed.
    pub changed: Option<Changed>,
    /// What is out of the ordinary.
    pub exception: Option<Exception>,
    /// In words, for whoever decides.
    pub words: Option<String>,
}

/// After a start or a plan: weighs it, and asks whom it has to ask. Never fails for what is its own fault.
pub async fn follow(tx: &mut Tx, house: &House, done: &mut Done, trace: Trace) -> store::Result<Stands> {
    if done.agreement != AgreementAsked::Asked {
        return Ok(Stands::NotAsked);
    }
    let before = done.visit.clone();
    let said_again = done.came == Came::ThereBefore;
    let stands = tx
        .part(async |tx| {
            if said_again {
                return as_it_stands(tx, house, &done.visit, trace).await;
            }
            follow_in_part(tx, house, done, trace).await
        })
        .await;
    match stands {
        Err(error) if error.is_for_the_whole() => Err(error),
        Err(error) => {
            tracing::error!(%error, visit = %before.id, "whether a visit is agreed could not be weighed; it is watched all the same");
            done.visit = before;
            Ok(Stands::NotWeighed)
        }
        Ok(stands) => Ok(stands),
    }
}

/// The same for whoever goes in with somebody: each visit is weighed by what its own worker has and their team asks. Who is not
/// agreed with is told so, beside that they are watched.
pub async fn follow_companions(
    tx: &mut Tx,
    house: &House,
    joined: Vec<Done>,
    trace: Trace,
) -> store::Result<()> {
    for mut done in joined {
        if let Stands::NotAgreed { .. } = follow(tx, house, &mut done, trace).await? {
            let directory = people::directory(tx, done.visit.organisation).await?;
            let rules = agreements::rules(tx, done.visit.organisation).await?;
            let around = Around { house, directory: &directory, rules: &rules, trace };
            let found = agreements::find(tx, done.visit.organisation, done.visit.id).await?;
            if let Some(agreement) = found {
                tell_worker(tx, &around, &done.visit, &agreement, (Decided::NotYet, "")).await?;
            }
        }
    }
    Ok(())
}

/// The same after somebody said that they are at the door of what they had planned.
pub async fn follow_arrival(
    tx: &mut Tx,
    house: &House,
    done: &mut Done,
    trace: Trace,
) -> store::Result<Stands> {
    if !matches!(done.visit.state, VisitState::Begun { .. }) {
        return Ok(Stands::NotAsked);
    }
    done.agreement = people::directory(tx, done.visit.organisation).await?.policy(done.visit.team).agreement;
    done.came = Came::Arrival;
    follow(tx, house, done, trace).await
}

/// The answer may have been lost with which they were told.
async fn as_it_stands(tx: &mut Tx, house: &House, visit: &Visit, trace: Trace) -> store::Result<Stands> {
    let Some(agreement) = agreements::find(tx, visit.organisation, visit.id).await? else {
        return Ok(Stands::NotAsked);
    };
    let directory = people::directory(tx, visit.organisation).await?;
    let rules = agreements::rules(tx, visit.organisation).await?;
    Around { house, directory: &directory, rules: &rules, trace }.stands(tx, &agreement).await
}

async fn follow_in_part(tx: &mut Tx, house: &House, done: &mut Done, trace: Trace) -> store::Result<Stands> {
    let directory = people::directory(tx, done.visit.organisation).await?;
    let rules = agreements::rules(tx, done.visit.organisation).await?;
    let was = agreements::find(tx, done.visit.organisation, done.visit.id).await?;
    let mut agreement = was.unwrap_or_else(|| fresh(&done.visit, trace.now));
    let weighed_for = agreement.company;
    if let Some(accompanied) = company_at_the_door(tx, &done.visit).await? {
        agreement.company = accompanied;
    }
    let stood_for_two = weighed_for == Company::Accompanied && agreement.company == Company::Alone;
    let elsewhere = goes_elsewhere(tx, &done.visit, &agreement).await?;
    // What a person agreed to stands, unless they meant two, or another place.
    if let State::Agreed { by: AgreedBy::Person(_) | AgreedBy::TheWorker(_), .. } = agreement.state
        && !stood_for_two
        && !elsewhere
    {
        return Ok(Stands::Agreed { changes_since: None });
    }
    let around = Around { house, directory: &directory, rules: &rules, trace };
    // Said again at the door: whoever is asked is asked already.
    if agreement.at_the_door().is_some() && !stood_for_two && !elsewhere {
        return around.stands(tx, &agreement).await;
    }
    around.settle(tx, &mut done.visit, &mut agreement, None).await?;
    if done.alarm.leaves_the_deadline() {
        let policy = directory.policy(done.visit.team);
        visits::set_due(tx, done.visit.id, done.visit.next_due(&policy)).await?;
    }
    around.stands(tx, &agreement).await
}

/// A visit goes on, or was made, of which nobody had said at its door that it began: whether that was agreed is seen only now (row A11).
/// Never fails for what is its own fault.
pub async fn follow_unseen(
    tx: &mut Tx,
    house: &House,
    visit: &mut Visit,
    alarm: Alarm,
    trace: Trace,
) -> store::Result<()> {
    if let VisitState::Begun { .. } = visit.state {
        let (warnings, came) = (Vec::new(), Came::Arrival);
        let mut done =
            Done { visit: visit.clone(), alarm, warnings, came, agreement: AgreementAsked::NotAsked };
        // Seldom, and large.
        Box::pin(follow_arrival(tx, house, &mut done, trace)).await?;
        *visit = done.visit;
        return Ok(());
    }
    let before = visit.clone();
    match tx.part(async |tx| follow_unseen_in_part(tx, visit, trace).await).await {
        Err(error) if !error.is_for_the_whole() => {
            tracing::error!(%error, visit = %before.id, "whether a visit was agreed could not be looked up");
            *visit = before;
            Ok(())
        }
        followed => followed,
    }
}

async fn follow_unseen_in_part(tx: &mut Tx, visit: &mut Visit, trace: Trace) -> store::Result<()> {
    let Some(mut agreement) = agreements::find(tx, visit.organisation, visit.id).await? else {
        return Ok(());
    };
    if matches!(agreement.state, State::Agreed { .. }) || agreement.begun_not_agreed.is_some() {
        return Ok(());
    }
    agreement.begun_not_agreed = Some(RunsAs::Meant);
    agreements::save(tx, &mut agreement).await?;
    let risk = visit.details.risk;
    let body = json!({"risk": {"before": risk, "after": risk}});
    let begun = NewEvent::new(EventKind::VisitBegunNotAgreed, trace.now, body);
    for event in
        [Some(begun), oversight::visit_begun_not_agreed(tx, visit, trace).await?].into_iter().flatten()
    {
        visits::log(tx, visit, event, trace).await?;
    }
    Ok(())
}

fn fresh(visit: &Visit, now: Time) -> Agreement {
    let begins_at = match &visit.state {
        VisitState::Planned { expected_arrival, .. } => *expected_arrival,
        _ => visit.arrived_at.unwrap_or(now),
    };
    Agreement {
        visit: visit.id,
        organisation: visit.organisation,
        team: visit.team,
        worker: visit.worker,
        case: None,
        place: None,
        assessment: None,
        company: Company::Alone,
        changed: Changed::NotSaid,
        begins_at,
        state: State::NotAgreed { times: 0, due_at: None },
        reasons: Vec::new(),
        begun_not_agreed: None,
        private: Private::default(),
        version: 0,
    }
}

/// Whether they named, as they went in, another place of the case than the one that was weighed.
async fn goes_elsewhere(tx: &mut Tx, visit: &Visit, agreement: &Agreement) -> store::Result<bool> {
    if visit.details.place_said.is_none() {
        return Ok(false);
    }
    let place = super::case_files::about(tx, visit).await?.place.map(|place| place.id);
    Ok(place.is_some() && agreement.place.is_some() && place != agreement.place)
}

/// Who goes in is seen at the door; of a plan it is only said.
async fn company_at_the_door(tx: &mut Tx, visit: &Visit) -> store::Result<Option<Company>> {
    if !matches!(visit.state, VisitState::Begun { .. }) {
        return Ok(None);
    }
    let others = super::visits::others_on(tx, visit).await?;
    Ok(Some(if others.is_empty() { Company::Alone } else { Company::Accompanied }))
}

/// What everything here needs to know.
#[derive(Clone, Copy)]
struct Around<'a> {
    house: &'a House,
    directory: &'a Directory,
    rules: &'a Rules,
    trace: Trace,
}

impl Around<'_> {
    /// Weighs a visit anew and does what follows from that.
    /// `besides`: what else a person has to look at, though no rule sees it.
    async fn settle(
        &self,
        tx: &mut Tx,
        visit: &mut Visit,
        agreement: &mut Agreement,
        besides: Option<Reason>,
    ) -> store::Result<()> {
        let (now, at_the_door) = (self.trace.now, matches!(visit.state, VisitState::Begun { .. }));
        // Nobody takes back a person's no, or answers a person's question, but a person.
        let said_no = matches!(agreement.state, State::Refused { .. } | State::Asked { .. })
            || agreement.reasons.iter().any(|reason| reason.rule == Rule::SaidNo);
        let said_no = said_no.then(|| Reason {
            rule: Rule::SaidNo,
            weight: Weight::Manager,
            says: "somebody who decides has not agreed to it yet, or asked something".into(),
        });
        // Whoever is asked already stays asked, and the next ones are not put off.
        let asked_before = match agreement.state {
            State::Waiting { times, due_at, .. }
            | State::Asked { times, due_at, .. }
            | State::NotAgreed { times, due_at }
                if at_the_door =>
            {
                agreement.at_the_door().map(|_| (times, due_at))
            }
            _ => None,
        };
        let weighed = weighing::weighed(tx, self.directory, self.rules, visit, agreement, now).await?;
        let decision = weigh(&weighed, self.rules);
        let until = if at_the_door { Until::AtTheDoor } else { Until::Begins(agreement.begins_at) };
        let due_at = next_ask(until, now);
        let decision = decision.and(said_no.into_iter().chain(besides));
        let (times, due_at) = asked_before.unwrap_or((1, due_at));
        let words =
            |reasons: &[Reason]| -> Vec<&str> { reasons.iter().map(|reason| reason.rule.as_str()).collect() };
        let (kind, mut body) = match &decision {
            Decision::Agreed(asked) => {
                let asked: Vec<&str> = asked.iter().map(|rule| rule.as_str()).collect();
                (EventKind::VisitAgreed, json!({"by": "rules", "rules": asked}))
            }
            Decision::Needs(approver, reasons) => {
                (EventKind::VisitAgreementAsked, json!({"approver": approver, "because": words(reasons)}))
            }
            Decision::NotAgreed(reasons) => (EventKind::VisitNotAgreed, json!({"because": words(reasons)})),
        };
        body["assessment"] = json!(agreement.assessment);
        body["company"] = json!(agreement.company);
        let agreed = matches!(decision, Decision::Agreed(_));
        let mut events = vec![NewEvent::new(kind, now, body)];
        (agreement.state, agreement.reasons) = match decision {
            Decision::Agreed(_) => (State::Agreed { by: AgreedBy::Rules, at: now }, Vec::new()),
            Decision::Needs(approver, reasons) => (State::Waiting { approver, times, due_at }, reasons),
            Decision::NotAgreed(reasons) => {
                let (times, due_at) = if at_the_door { (times, due_at) } else { (0, None) };
                (State::NotAgreed { times, due_at }, reasons)
            }
        };
        if at_the_door {
            agreement.begins_at = visit.arrived_at.unwrap_or(now);
            if agreed {
                at_usual_risk(visit, agreement);
            } else if agreement.at_the_door().is_none() {
                let before = visit.details.risk;
                agreement.begun_not_agreed = Some(RunsAs::HighRisk { before });
                visit.runs_as_high_risk(now, &self.directory.policy(visit.team));
                let body = json!({"risk": {"before": before, "after": Risk::High}});
                events.push(NewEvent::new(EventKind::VisitBegunNotAgreed, now, body));
                events.extend(oversight::visit_begun_not_agreed(tx, visit, self.trace).await?);
            }
        }
        visits::update(tx, visit, events, self.trace).await?;
        agreements::save(tx, agreement).await?;
        if agreed || asked_before.is_some() {
            return Ok(());
        }
        ask(tx, self, agreement).await
    }

    async fn stands(&self, tx: &mut Tx, agreement: &Agreement) -> store::Result<Stands> {
        if !matches!(agreement.state, State::Agreed { .. }) {
            let asked = asking::who(tx, self, agreement).await?;
            let names = asked.into_iter().map(|id| self.directory.name_of(id).to_owned()).collect();
            return Ok(Stands::NotAgreed { asked: names });
        }
        let changes_since = match (agreement.changed, agreement.assessment) {
            (Changed::NotSaid, Some(id)) => {
                let found = assessments::find(tx, agreement.organisation, id).await?;
                found.map(|found| found.made.1.with_timezone(&self.directory.zone).date_naive())
            }
            _ => None,
        };
        Ok(Stands::Agreed { changes_since })
    }
}

/// It runs as it was meant to, from here on; checks that it has got by then stay.
fn at_usual_risk(visit: &mut Visit, agreement: &mut Agreement) {
    if let Some(before) = agreement.at_the_door() {
        visit.details.risk = before;
        agreement.begun_not_agreed = Some(RunsAs::Meant);
    }
}

/// A visit and its agreement, for somebody who may see the visit.
pub async fn find(tx: &mut Tx, actor: &Actor, id: VisitId) -> Outcome<(Visit, Option<Agreement>)> {
    let Some(visit) = visits::find(tx, actor.organisation, id).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    let relation = actor.relation_to_visit(tx, &visit).await?;
    allowed!(rights::may(actor.role, rights::Act::SeeVisit, relation));
    let mut agreement = agreements::find(tx, actor.organisation, id).await?;
    if let Some(agreement) = &mut agreement {
        keep_from_whom_it_is_about(tx, actor, agreement).await?;
    }
    Ok(Ok((visit, agreement)))
}

/// Whoever an alarm is about does not learn from somebody's plans that there is one (row V8).
async fn keep_from_whom_it_is_about(
    tx: &mut Tx,
    actor: &Actor,
    agreement: &mut Agreement,
) -> store::Result<()> {
    let recent = |reason: &Reason| reason.rule == Rule::RecentIncident;
    if agreement.reasons.iter().any(recent) && !actor.hidden_incidents(tx).await?.is_empty() {
        agreement.reasons.retain(|reason| !recent(reason));
    }
    Ok(())
}

/// Somebody says more of a visit: with whom, whether anything has changed, what is out of the ordinary. It is weighed anew.
pub async fn describe(
    tx: &mut Tx,
    house: &House,
    actor: &Actor,
    id: VisitId,
    said: Said,
    trace: Trace,
) -> Outcome<(Visit, Agreement, Stands)> {
    let Some((mut visit, policy)) = visits::load(tx, actor.organisation, id).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    let relation = actor.relation_to_visit(tx, &visit).await?;
    allowed!(rights::may(actor.role, rights::Act::DoVisit, relation));
    if !matches!(visit.state, VisitState::Planned { .. } | VisitState::Begun { .. }) {
        return Ok(Err(Rejected::Agreement("this visit is over: nothing is left to be agreed")));
    }
    let directory = people::directory(tx, actor.organisation).await?;
    let rules = agreements::rules(tx, actor.organisation).await?;
    let was = agreements::find(tx, actor.organisation, id).await?;
    if was.is_none() && policy.agreement == AgreementAsked::NotAsked {
        return Ok(Err(Rejected::Agreement("the visits of this team need no agreement")));
    }
    let mut agreement = was.unwrap_or_else(|| fresh(&visit, trace.now));
    let before = agreement.clone();
    let Said { company, changed, exception, words } = said;
    agreement.company = company.unwrap_or(agreement.company);
    if let Some(exception) = exception {
        super::exceptions::said(tx, &directory, &visit, &exception, trace.now).await?;
        agreement.private.exception = Some(exception);
    }
    if let Some(words) = &words {
        agreement.private.said.push(Remark { by: actor.person, at: trace.now, words: words.clone() });
    }
    let around = Around { house, directory: &directory, rules: &rules, trace };
    if let Some(changed) = changed {
        agreement.changed = changed;
        around.say_changed(tx, actor, &mut visit, &agreement, words.as_deref()).await?;
    }
    let kind = agreement.private.exception.as_ref().map(|exception| match exception {
        Exception::Emergency { .. } => "emergency",
        Exception::OneOff { .. } => "one_off",
    });
    let body = json!({"company": agreement.company, "changed": agreement.changed, "exception": kind});
    let event = NewEvent::new(EventKind::VisitDescribed, trace.now, body)
        .with_private(json!({"said": words, "exception": agreement.private.exception}));
    visits::log(tx, &mut visit, event, trace).await?;
    // Whoever agreed did so to what they were told: only more of the same leaves it standing.
    let same =
        (before.company, &before.private.exception) == (agreement.company, &agreement.private.exception);
    let by_a_person =
        matches!(agreement.state, State::Agreed { by: AgreedBy::Person(_) | AgreedBy::TheWorker(_), .. });
    if by_a_person && same && agreement.changed != Changed::Yes {
        agreements::save(tx, &mut agreement).await?;
    } else {
        around.settle(tx, &mut visit, &mut agreement, None).await?;
        set_due(tx, &visit, &policy).await?;
    }
    let stands = around.stands(tx, &agreement).await?;
    Ok(Ok((visit, agreement, stands)))
}

impl Around<'_> {
    /// Row A2: *no* adds the visit's date to the assessment; *yes* asks for a new version.
    async fn say_changed(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        visit: &mut Visit,
        agreement: &Agreement,
        words: Option<&str>,
    ) -> store::Result<()> {
        let now = self.trace.now;
        if let (Changed::No, Some(assessment)) = (agreement.changed, agreement.assessment) {
            let day = agreement.begins_at.with_timezone(&self.directory.zone).date_naive();
            assessments::use_again(tx, assessment, visit.id, day, (actor.person, now)).await?;
        }
        let body = json!({"changed": agreement.changed, "assessment": agreement.assessment});
        let event = NewEvent::new(EventKind::VisitChangesSaid, now, body).with_words(words);
        visits::log(tx, visit, event, self.trace).await
    }
}

/// Somebody decides about a visit. Said again it changes nothing.
pub async fn decide(
    tx: &mut Tx,
    house: &House,
    actor: &Actor,
    id: VisitId,
    (answer, words): (Answer, Option<String>),
    trace: Trace,
) -> Outcome<(Visit, Agreement)> {
    let nothing = Ok(Err(Rejected::NotFound));
    let Some((mut visit, policy)) = visits::load(tx, actor.organisation, id).await? else { return nothing };
    let Some(mut agreement) = agreements::find(tx, actor.organisation, id).await? else { return nothing };
    let directory = people::directory(tx, actor.organisation).await?;
    let rules = agreements::rules(tx, actor.organisation).await?;
    let relation = actor.relation_to_visit(tx, &visit).await?;
    // Whoever stands in for a manager reaches what that manager reaches.
    let asked = agreements::code_of(tx, id, actor.person).await?.is_some();
    let relation = rights::Relation { in_reach: relation.in_reach || asked, ..relation };
    // Whatever was said of it since: what the rules came to decides who can agree.
    let gravest = agreement.reasons.iter().map(|reason| reason.weight).max();
    let approver = match gravest {
        Some(Weight::SeniorManager) => Approver::SeniorManager,
        _ => Approver::Manager,
    };
    let needed = if answer == Answer::Agree { approver } else { Approver::Manager };
    allowed!(rights::may_agree(actor.role, needed, relation, rules.own_visits));
    match (agreement.state, answer) {
        (State::Agreed { .. }, Answer::Agree) | (State::Refused { .. }, Answer::Refuse) => {
            return Ok(Ok((visit, agreement)));
        }
        (_, Answer::Agree) if gravest == Some(Weight::Nobody) => {
            let why = agreement.reasons.iter().map(|reason| reason.says.as_str());
            let why: Vec<&str> = why.collect();
            return Ok(Err(Rejected::NobodyCanAgree(why.join("; "))));
        }
        _ if matches!(visit.state, VisitState::Cancelled { .. }) => {
            return Ok(Err(Rejected::Agreement("this visit was called off")));
        }
        _ => {}
    }
    let has_words = words.as_deref().is_some_and(|words| !words.trim().is_empty());
    let has_to_say = answer != Answer::Agree || needed == Approver::SeniorManager;
    if has_to_say && !has_words {
        return Ok(Err(Rejected::Agreement(
            "say why in words: a refusal, a question and what only a senior manager agrees to need a reason",
        )));
    }
    let own = visit.worker == actor.person;
    let now = trace.now;
    let (kind, decided) = match answer {
        Answer::Agree => (EventKind::VisitAgreed, Decided::Agreed),
        Answer::Refuse => (EventKind::VisitRefused, Decided::Refused),
        Answer::Ask => (EventKind::VisitQuestioned, Decided::Asked),
    };
    let because: Vec<&str> = agreement.reasons.iter().map(|reason| reason.rule.as_str()).collect();
    let mut body = json!({"because": because, "state": {"before": agreement.state.as_str()}});
    if own {
        body["own_visit"] = Value::Bool(true);
    }
    agreement.state = match answer {
        Answer::Agree => {
            let by = if own { AgreedBy::TheWorker(actor.person) } else { AgreedBy::Person(actor.person) };
            State::Agreed { by, at: now }
        }
        Answer::Refuse => State::Refused { by: actor.person, at: now },
        Answer::Ask => {
            let (times, due_at) = match agreement.state {
                // The worker is inside: the next ones are asked all the same till somebody decides.
                State::Waiting { times, due_at, .. }
                | State::Asked { times, due_at, .. }
                | State::NotAgreed { times, due_at } => (times, due_at),
                State::Agreed { .. } | State::Refused { .. } => (1, next_ask(until_of(&agreement), now)),
            };
            let due_at = due_at.filter(|_| agreement.at_the_door().is_some());
            State::Asked { approver, by: actor.person, at: now, times, due_at }
        }
    };
    if let Some(words) = &words {
        agreement.private.said.push(Remark { by: actor.person, at: now, words: words.clone() });
    }
    let around = Around { house, directory: &directory, rules: &rules, trace };
    if answer == Answer::Agree {
        agreement.reasons.retain(|reason| reason.rule != Rule::SaidNo);
        at_usual_risk(&mut visit, &mut agreement);
    }
    let event = NewEvent::new(kind, now, body).with_words(words.as_deref());
    visits::update(tx, &mut visit, vec![event], trace).await?;
    agreements::save(tx, &mut agreement).await?;
    set_due(tx, &visit, &policy).await?;
    tell_worker(tx, &around, &visit, &agreement, (decided, &actor.name)).await?;
    Ok(Ok((visit, agreement)))
}

/// How soon it is to be decided.
fn until_of(agreement: &Agreement) -> Until {
    match agreement.at_the_door() {
        Some(_) => Until::AtTheDoor,
        None => Until::Begins(agreement.begins_at),
    }
}

/// When the visit next needs the timer, unless an alarm that its worker may know of stands in for that: a silent one changes nothing.
async fn set_due(tx: &mut Tx, visit: &Visit, policy: &Policy) -> store::Result<()> {
    let alarm = incidents::alarm(tx, visit.organisation, visit.worker, Some(visit.id)).await?;
    if alarm.is_none_or(|(_, alarm, _)| alarm.leaves_the_deadline()) {
        visits::set_due(tx, visit.id, visit.next_due(policy)).await?;
    }
    Ok(())
}

/// What somebody in reach has to decide, those at the door first.
pub async fn queue(tx: &mut Tx, actor: &Actor, limit: i64, now: Time) -> Outcome<Vec<(Visit, Agreement)>> {
    if !actor.role.manages() && !matches!(actor.role, Role::CaseAdministrator | Role::Auditor) {
        return Ok(Err(Rejected::Role));
    }
    let whose = match actor.role {
        Role::Auditor => Whose::Everybodys,
        _ => Whose::InReach(people::reach(tx, actor.organisation, actor.team).await?, actor.person),
    };
    let mut all = Vec::new();
    for mut agreement in agreements::open(tx, actor.organisation, &whose, now, limit).await? {
        keep_from_whom_it_is_about(tx, actor, &mut agreement).await?;
        if let Some(visit) = visits::find(tx, actor.organisation, agreement.visit).await? {
            all.push((visit, agreement));
        }
    }
    Ok(Ok(all))
}

/// Somebody is away until then: their deputy is asked instead; nothing: they are back.
pub async fn set_away(tx: &mut Tx, actor: &Actor, until: Option<Time>, trace: Trace) -> Outcome<()> {
    if until.is_some_and(|until| until <= trace.now) {
        return Ok(Err(Rejected::Agreement("the end of your absence has to lie ahead")));
    }
    agreements::set_away(tx, actor.organisation, actor.person, until).await?;
    let event =
        NewEvent::new(EventKind::PersonAway, trace.now, json!({"person": actor.person, "until": until}));
    let about = (Some(actor.team), Some(actor.person));
    store::events::log_for_organisation(tx, actor.organisation, about, trace, event).await?;
    Ok(Ok(()))
}
