//! Management oversight (row T5): managers say what they found of a case, a visit, an incident or an assessment; where the organisation's
//! rules ask for it, that is kept with a day, listed until it is done and named in the digest.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{Outcome, Rejected, access::Actor, allowed, incidents::named, visits::others_on};
use crate::{
    domain::{
        agreement::{Approver, OwnVisits},
        assessment::Assessment,
        calendar::{Calendar, day_of},
        case_file::CaseFile,
        due::{Length, Unit},
        event::{EventKind, NewEvent},
        ids::{AssessmentId, OrganisationId, OversightAskId, OversightId, PersonId, TeamId, VisitId},
        incident::Incident,
        oversight::{Asked, Entry, OversightAbout, OversightRule, Rules, Subject, last_day},
        people::{Directory, Role},
        rights::{self, Act, Casework, Relation, may_agree, may_do_casework},
        visit::Visit,
    },
    store::{
        self, Trace, Tx, assessments, case_files, due, events::log_for_organisation, incidents, oversight,
        people, visits,
    },
};

/// So many are looked at in one go.
const AT_ONCE: i64 = 200;

/// What somebody wants to say something of, or see.
enum Found {
    Case(CaseFile, Option<due::Case>),
    Visit(Visit),
    Incident(Incident),
    Assessment(CaseFile, Assessment),
}

impl Found {
    /// Locks it, if it has a log of its own.
    async fn hold(self, tx: &mut Tx, organisation: OrganisationId) -> store::Result<Option<Self>> {
        Ok(match self {
            Self::Visit(visit) => {
                visits::load(tx, organisation, visit.id).await?.map(|(visit, _)| Self::Visit(visit))
            }
            Self::Incident(incident) => {
                incidents::load(tx, organisation, incident.id).await?.map(Self::Incident)
            }
            Self::Case(..) | Self::Assessment(..) => Some(self),
        })
    }

    fn subject(&self) -> Subject {
        match self {
            Self::Case(case, _) => Subject::Case(case.id),
            Self::Visit(visit) => Subject::Visit(visit.id),
            Self::Incident(incident) => Subject::Incident(incident.id),
            Self::Assessment(_, assessment) => Subject::Assessment(assessment.id),
        }
    }
}

/// Finds it for somebody who may see it; with how they stand to it.
async fn find(tx: &mut Tx, actor: &Actor, about: OversightAbout, called: &str) -> Outcome<(Found, Relation)> {
    let organisation = actor.organisation;
    let found = match about {
        OversightAbout::Case => match super::case_files::called(tx, organisation, called).await? {
            Some(case) => {
                let kept = due::case(tx, organisation, case.reference.as_str()).await?;
                Some(Found::Case(case, kept))
            }
            None => None,
        },
        OversightAbout::Visit => match called.parse() {
            Ok(id) => visits::find(tx, organisation, VisitId(id)).await?.map(Found::Visit),
            Err(_) => None,
        },
        OversightAbout::Incident => match named(tx, actor, called).await? {
            Some(id) => incidents::find(tx, organisation, id).await?.map(Found::Incident),
            None => None,
        },
        OversightAbout::Assessment => match called.parse() {
            Ok(id) => of_assessment(tx, organisation, AssessmentId(id)).await?,
            Err(_) => None,
        },
    };
    let Some(found) = found else { return Ok(Err(Rejected::NotFound)) };
    let relation = match &found {
        Found::Visit(visit) => {
            let relation = actor.relation_to_visit(tx, visit).await?;
            allowed!(rights::may(actor.role, Act::SeeVisit, relation));
            // Whoever went along is no more a stranger to it than whoever led.
            let along = others_on(tx, visit).await?.iter().any(|(_, person)| *person == actor.person);
            Relation { own: relation.own || along, ..relation }
        }
        Found::Incident(incident) => {
            let relation = actor.relation_to_incident(tx, incident).await?;
            allowed!(rights::may(actor.role, Act::SeeIncident, relation));
            relation
        }
        Found::Case(case, kept) => {
            of_case(tx, actor, case, kept.as_ref().and_then(|kept| kept.worker)).await?
        }
        Found::Assessment(case, assessment) => of_case(tx, actor, case, Some(assessment.made.0)).await?,
    };
    if matches!(found, Found::Case(..) | Found::Assessment(..)) {
        let sees = relation.in_reach || relation.own;
        allowed!(may_do_casework(actor.role, Casework::See, sees));
    }
    Ok(Ok((found, relation)))
}

async fn of_assessment(
    tx: &mut Tx,
    organisation: OrganisationId,
    id: AssessmentId,
) -> store::Result<Option<Found>> {
    let Some(assessment) = assessments::find(tx, organisation, id).await? else { return Ok(None) };
    let case = case_files::find(tx, organisation, assessment.case).await?;
    Ok(case.map(|case| Found::Assessment(case, assessment)))
}

async fn of_case(
    tx: &mut Tx,
    actor: &Actor,
    case: &CaseFile,
    whose: Option<PersonId>,
) -> store::Result<Relation> {
    let in_reach = actor.reaches(tx, case.team).await?;
    Ok(Relation { own: whose == Some(actor.person), in_reach, ..Relation::default() })
}

/// A manager in reach says what they found, of what is not their own. Whatever asks for it is done by that.
pub async fn record(
    tx: &mut Tx,
    actor: &Actor,
    (about, called): (OversightAbout, &str),
    words: &str,
    trace: Trace,
) -> Outcome<(Entry, Vec<Asked>)> {
    let (found, relation) = allowed!(find(tx, actor, about, called).await?);
    allowed!(may_agree(actor.role, Approver::Manager, relation, OwnVisits::BySomebodyElse));
    let organisation = actor.organisation;
    let Some(mut found) = found.hold(tx, organisation).await? else { return Ok(Err(Rejected::NotFound)) };
    let subject = found.subject();
    let id = OversightId::new(trace.now);
    let entry =
        Entry { id, organisation, subject, at: trace.now, by: actor.person, words: Some(words.to_owned()) };
    oversight::insert(tx, &entry).await?;
    let by = (day_of(trace.now, actor.zone), id);
    let mut done = oversight::done(tx, organisation, subject, by).await?;
    if let Found::Assessment(_, assessment) = &found {
        // Whoever looks at a version has looked at what it replaces.
        let versions = assessments::of_place(tx, organisation, assessment.place).await?;
        for before in versions.iter().filter(|before| before.version < assessment.version) {
            done.extend(oversight::done(tx, organisation, Subject::Assessment(before.id), by).await?);
        }
    }
    if let Found::Case(case, Some(kept)) = &found {
        let today = day_of(trace.now, actor.zone);
        let known = (kept.worker, kept.facts.supervision.risk_on(today));
        follow_case(tx, case, known, trace).await?;
    }
    let asked: Vec<OversightRule> = done.iter().map(|asked| asked.rule).collect();
    let body = json!({"oversight": id, "about": subject.about(), "id": subject.id(), "asked": asked});
    let event =
        NewEvent::new(EventKind::OversightRecorded, trace.now, body).with_private(json!({"words": words}));
    match &mut found {
        Found::Visit(visit) => visits::log(tx, visit, event, trace).await?,
        Found::Incident(incident) => incidents::log(tx, incident, event, trace).await?,
        Found::Case(case, _) | Found::Assessment(case, _) => {
            log_for_organisation(tx, organisation, (Some(case.team), None), trace, event).await?;
        }
    }
    Ok(Ok((entry, done)))
}

/// What was said of it, for somebody who may see it.
pub async fn entries(tx: &mut Tx, actor: &Actor, about: OversightAbout, called: &str) -> Outcome<Vec<Entry>> {
    let (found, _) = allowed!(find(tx, actor, about, called).await?);
    Ok(Ok(oversight::entries(tx, actor.organisation, found.subject()).await?))
}

/// One of them, for somebody who may see what it is about.
pub async fn entry(tx: &mut Tx, actor: &Actor, id: OversightId) -> Outcome<Entry> {
    let Some(entry) = oversight::entry(tx, actor.organisation, id).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    let subject = entry.subject;
    allowed!(find(tx, actor, subject.about(), &subject.id().to_string()).await?);
    Ok(Ok(entry))
}

/// Which part of what is missing somebody wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Asked for by one rule alone.
    pub rule: Option<OversightRule>,
    /// Of one team and those below it, by id or key.
    pub team: Option<String>,
    /// Of what is somebody's, by id or key.
    pub worker: Option<String>,
}

/// What is missing and somebody may see, the first day first: at most `limit`, and whether that is all.
pub async fn missing(
    tx: &mut Tx,
    actor: &Actor,
    filter: &Filter,
    limit: usize,
) -> Outcome<(Vec<Asked>, bool)> {
    if matches!(actor.role, Role::Worker | Role::Administrator) {
        return Ok(Err(Rejected::Role));
    }
    let directory = people::directory(tx, actor.organisation).await?;
    let teams = match filter.team.as_deref() {
        None => None,
        Some(called) => match directory.team_named(called) {
            Some(team) => Some(people::reach(tx, actor.organisation, team.id).await?),
            None => return Ok(Err(Rejected::NoSuchTeam(called.to_owned()))),
        },
    };
    let worker = match filter.worker.as_deref() {
        None => None,
        Some(called) => {
            let Some(person) = directory.ever_named(called) else {
                let why = format!("“{called}” is nobody here");
                return Ok(Err(Rejected::Field { field: "worker", why }));
            };
            Some(person.id)
        }
    };
    let hidden = actor.hidden_incidents(tx).await?;
    let reach = people::reach(tx, actor.organisation, actor.team).await?;
    let sees = |asked: &Asked| {
        let hides = matches!(asked.subject, Subject::Incident(id) if hidden.contains_key(&id));
        !hides
            && (actor.role == Role::Auditor
                || (reach.contains(&asked.team) && asked.worker != Some(actor.person)))
            && filter.rule.is_none_or(|rule| asked.rule == rule)
            && teams.as_ref().is_none_or(|teams| teams.contains(&asked.team))
            && worker.is_none_or(|worker| asked.worker == Some(worker))
    };
    let (mut shown, mut last) = (Vec::new(), None);
    // What somebody may not see takes no room in the list. One more tells that there are more.
    while shown.len() <= limit {
        let page = oversight::missing(tx, actor.organisation, (last, AT_ONCE)).await?;
        let Some(end) = page.last() else { break };
        last = Some((end.due_on, end.id));
        shown.extend(page.into_iter().filter(sees));
    }
    let are_all = shown.len() <= limit;
    shown.truncate(limit);
    Ok(Ok((shown, are_all)))
}

/// Whose digest names what is missing of a team: its managers and those of whose it is; never of their own, nor of what they may not
/// know.
pub(super) async fn missing_by_manager(
    tx: &mut Tx,
    directory: &Directory,
    team: TeamId,
) -> store::Result<BTreeMap<PersonId, Vec<Asked>>> {
    let organisation = directory.organisation;
    let mut all: BTreeMap<PersonId, Vec<Asked>> = BTreeMap::new();
    let line = directory.line_of(team);
    // Whoever it is about may be another team's by now: whoever does not see it is not asked.
    let sees = |id: &PersonId| directory.person(*id).is_some_and(|person| line.contains(&person.team));
    for asked in oversight::missing_of_team(tx, organisation, team, i64::MAX).await? {
        let incident = match asked.subject {
            Subject::Incident(id) => incidents::find(tx, organisation, id).await?,
            Subject::Case(_) | Subject::Visit(_) | Subject::Assessment(_) => None,
        };
        let may = |id: &PersonId| {
            asked.worker != Some(*id)
                && directory.person(*id).is_some_and(|person| !person.left)
                && incident.as_ref().is_none_or(|incident| !incident.is_withheld_from(*id))
        };
        // Where none of the team's managers may, those above are asked.
        let of_team = line.iter().find_map(|team| {
            let managers: BTreeSet<PersonId> =
                directory.managers_of(*team).map(|manager| manager.id).filter(may).collect();
            (!managers.is_empty()).then_some(managers)
        });
        let of_worker = asked.worker.map(|worker| directory.managers_for(worker)).unwrap_or_default();
        let of_worker = of_worker.into_iter().filter(|manager| may(manager) && sees(manager));
        for manager in of_team.into_iter().flatten().chain(of_worker) {
            let theirs = all.entry(manager).or_default();
            if theirs.last() != Some(&asked) {
                theirs.push(asked.clone());
            }
        }
    }
    Ok(all)
}

/// What a rule asks for.
struct Wanted {
    rule: OversightRule,
    subject: Subject,
    team: TeamId,
    worker: Option<PersonId>,
    within: Length,
}

/// Asks for it; what is to be logged, if it was not asked for already.
async fn ask(
    tx: &mut Tx,
    organisation: OrganisationId,
    wanted: Wanted,
    trace: Trace,
) -> store::Result<Option<NewEvent>> {
    let today = day_of(trace.now, people::directory(tx, organisation).await?.zone);
    let calendar = match wanted.within.unit {
        Unit::WorkingDays => calendar(tx, organisation).await?,
        Unit::Days | Unit::Weeks | Unit::Months => None,
    };
    let Wanted { rule, subject, team, worker, within } = wanted;
    let due_on = last_day(today, within, calendar.as_ref());
    let id = OversightAskId::new(trace.now);
    let asked = Asked {
        id,
        organisation,
        team,
        rule,
        subject,
        worker,
        asked_on: today,
        due_on,
        done: None,
        reference: None,
    };
    let body = json!({"rule": rule, "about": subject.about(), "id": subject.id(), "due_on": due_on});
    let is_new = oversight::ask(tx, &asked).await?;
    Ok(is_new.then(|| NewEvent::new(EventKind::OversightAsked, trace.now, body)))
}

/// By what working days are counted, if the organisation has said so.
async fn calendar(tx: &mut Tx, organisation: OrganisationId) -> store::Result<Option<Calendar>> {
    let Some(kept) = due::rules(tx, organisation).await? else { return Ok(None) };
    let zone = people::directory(tx, organisation).await?.zone;
    Ok(kept.in_force(organisation, zone).ok().map(|in_force| in_force.calendar))
}

/// Asks for it as the last part of something that must not fail because of this: then that is logged.
async fn ask_if_it_can_be(
    tx: &mut Tx,
    organisation: OrganisationId,
    wanted: impl FnOnce(&Rules) -> Option<Wanted>,
    trace: Trace,
) -> store::Result<Option<NewEvent>> {
    let asked = tx
        .part(async |tx| match wanted(&oversight::rules(tx, organisation).await?) {
            Some(wanted) => ask(tx, organisation, wanted, trace).await,
            None => Ok(None),
        })
        .await;
    match asked {
        Err(error) if !error.is_for_the_whole() => {
            tracing::error!(%error, "oversight was not asked for");
            Ok(None)
        }
        asked => asked,
    }
}

/// A visit was begun that nobody had agreed. What comes of it goes in the visit's log.
pub(super) async fn visit_begun_not_agreed(
    tx: &mut Tx,
    visit: &Visit,
    trace: Trace,
) -> store::Result<Option<NewEvent>> {
    let wanted = |rules: &Rules| {
        rules.begun_not_agreed.map(|within| Wanted {
            rule: OversightRule::VisitBegunNotAgreed,
            subject: Subject::Visit(visit.id),
            team: visit.team,
            worker: Some(visit.worker),
            within,
        })
    };
    ask_if_it_can_be(tx, visit.organisation, wanted, trace).await
}

/// An incident was closed. It goes in its log.
pub(super) async fn incident_closed(tx: &mut Tx, incident: &mut Incident, trace: Trace) -> store::Result<()> {
    let wanted = |rules: &Rules| {
        rules.incidents.map(|within| Wanted {
            rule: OversightRule::IncidentClosed,
            subject: Subject::Incident(incident.id),
            team: incident.team,
            worker: Some(incident.subject),
            within,
        })
    };
    match ask_if_it_can_be(tx, incident.organisation, wanted, trace).await? {
        Some(event) => incidents::log(tx, incident, event, trace).await,
        None => Ok(()),
    }
}

/// A version of an assessment was made.
pub(super) async fn assessment_made(
    tx: &mut Tx,
    team: TeamId,
    assessment: &Assessment,
    trace: Trace,
) -> store::Result<()> {
    let organisation = assessment.organisation;
    let rules = oversight::rules(tx, organisation).await?;
    let Some(within) = rules.of_assessment(assessment.rating) else { return Ok(()) };
    let subject = Subject::Assessment(assessment.id);
    let worker = Some(assessment.made.0);
    let wanted = Wanted { rule: OversightRule::AssessmentRated, subject, team, worker, within };
    match ask(tx, organisation, wanted, trace).await? {
        Some(event) => log_for_organisation(tx, organisation, (Some(team), None), trace, event).await,
        None => Ok(()),
    }
}

/// Whatever is known of a case has changed: it is asked about, or no more, and by whom.
pub(super) async fn follow_case(
    tx: &mut Tx,
    case: &CaseFile,
    (worker, risk): (Option<PersonId>, Option<&str>),
    trace: Trace,
) -> store::Result<()> {
    let (organisation, team) = (case.organisation, case.team);
    let subject = Subject::Case(case.id);
    let rules = oversight::rules(tx, organisation).await?;
    let event = if let Some(within) = rules.of_case(risk) {
        let wanted = Wanted { rule: OversightRule::CaseAtRisk, subject, team, worker, within };
        let event = ask(tx, organisation, wanted, trace).await?;
        if event.is_none() {
            oversight::follow_case(tx, organisation, subject, (team, worker)).await?;
        }
        event
    } else {
        let today = day_of(trace.now, people::directory(tx, organisation).await?.zone);
        let asked = (subject, OversightRule::CaseAtRisk);
        let body = json!({"rule": OversightRule::CaseAtRisk, "about": subject.about(), "id": subject.id()});
        let withdrawn = oversight::withdraw(tx, organisation, asked, today).await?;
        withdrawn.then(|| NewEvent::new(EventKind::OversightWithdrawn, trace.now, body))
    };
    match event {
        Some(event) => log_for_organisation(tx, organisation, (Some(team), None), trace, event).await,
        None => Ok(()),
    }
}

/// Where it is asked for, from now on: what was asked for before stays asked for, but for cases that no rule asks about any more.
pub(super) async fn set_rules(
    tx: &mut Tx,
    organisation: OrganisationId,
    rules: &Rules,
    trace: Trace,
) -> store::Result<()> {
    let before = oversight::rules(tx, organisation).await?;
    if before == *rules {
        return Ok(());
    }
    oversight::save_rules(tx, organisation, rules).await?;
    if before.cases != rules.cases {
        // The scheduler follows them one by one: nobody has to wait for all of them.
        due::compute_anew(tx, organisation).await?;
    }
    let event = NewEvent::new(EventKind::OversightRulesSet, trace.now, json!({"rules": rules}));
    log_for_organisation(tx, organisation, (None, None), trace, event).await
}
