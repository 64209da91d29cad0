//! What people say of the supervision of a case, whose case it is, and what a manager excuses.

use chrono::{NaiveDate, TimeDelta};
use serde_json::json;

use super::{Item, Now, compute, list, log, now_in_force};
use crate::{
    app::{Outcome, Rejected, access::Actor, allowed, case_files, oversight},
    clock::Time,
    domain::{
        case_file::CaseFile,
        due::{
            Cause, Counted, Earlier, Excuse, Facts, Holder, Identified, Length, Line, Pause, Plan,
            Supervision,
        },
        event::{EventKind, NewEvent},
        ids::{ConcernId, PersonId, TeamId},
        rights::{OnDue, Relation, may_on_due},
        visit::{Visiting, word_enum},
    },
    store::{
        self, Trace, Tx,
        due::{self, Kept},
        people,
    },
};
use serde::{Deserialize, Serialize};

/// A visit is put off for so long at most.
const FURTHEST_OFF: TimeDelta = TimeDelta::days(366);

word_enum! {
    /// What another start of supervision is.
    #[derive(Default)]
    StartIs {
        /// What was said before was wrong.
        #[default]
        Corrected = "corrected",
        /// It began anew: a first visit is due again.
        Restarted = "restarted",
    }
}

/// All that is known of the supervision of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Since when.
    pub start: Option<NaiveDate>,
    /// What that is, if it was otherwise before.
    pub start_is: StartIs,
    /// How high the risk is.
    pub risk: Option<String>,
    /// When it was identified that it has risen; none: today.
    pub risk_identified: Option<Identified>,
    /// Which flags apply.
    pub flags: Vec<String>,
    /// Whether visits are in the plan, and how often.
    pub plan: Option<Option<Length>>,
    /// When it does not go on.
    pub pauses: Vec<Pause>,
    /// Since when it is over.
    pub end: Option<NaiveDate>,
}

/// A case with what is kept of it, locked, and by what is decided.
struct Held {
    case: CaseFile,
    kept: Kept,
    now: Now,
}

async fn hold(tx: &mut Tx, actor: &Actor, reference: &str, what: OnDue) -> Outcome<Held> {
    let Some(case) = case_files::called(tx, actor.organisation, reference).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    let kept = due::hold(tx, actor.organisation, case.id).await?;
    let in_reach = actor.reaches(tx, case.team).await?;
    // Of a case that is nobody's yet whoever opens it says what is known.
    let nobodys = what == OnDue::Change && kept.worker.is_none() && in_reach;
    let theirs = kept.worker == Some(actor.person);
    // Nobody excuses what they have missed themselves.
    if what == OnDue::Excuse && theirs {
        return Ok(Err(Rejected::Role));
    }
    let own = nobodys || theirs;
    allowed!(may_on_due(actor.role, what, Relation { own, in_reach, ..Relation::default() }));
    let Some(now) = now_in_force(tx, actor.organisation).await? else {
        let why = "no rules are in force: an administrator sets them first, with PUT /due/rules".into();
        return Ok(Err(Rejected::Field { field: "rules", why }));
    };
    Ok(Ok(Held { case, kept, now }))
}

/// Whether somebody may say that a case is about others than before. Where the rules in force do not ask for visits to those, what is due
/// of it goes with that: once something is known that visits may be due by, only whoever may excuse them says so (row T4).
pub(in crate::app) async fn may_change_visiting(
    tx: &mut Tx,
    actor: &Actor,
    case: &CaseFile,
    to: Option<Visiting>,
    now: Time,
) -> Outcome<()> {
    let Some(rules) = now_in_force(tx, actor.organisation).await? else { return Ok(Ok(())) };
    let covered = &rules.in_force.rules.visiting;
    let asks = |visiting: Option<Visiting>| visiting.is_none_or(|visiting| covered.contains(&visiting));
    if !asks(case.visiting) || asks(to) {
        return Ok(Ok(()));
    }
    let reference = case.reference.as_str();
    let Some(item) = list::explain(tx, actor.organisation, reference, now).await? else { return Ok(Ok(())) };
    let Facts { supervision, history, .. } = &item.case.facts;
    let known = Supervision { holders: Vec::new(), ..supervision.clone() };
    if known == Supervision::default() && history.concerns.is_empty() {
        return Ok(Ok(()));
    }
    if item.case.worker == Some(actor.person)
        || was_theirs(supervision, &item.standing.lines, (actor.person, item.today))
    {
        return Ok(Err(Rejected::Role));
    }
    let in_reach = actor.reaches(tx, case.team).await?;
    allowed!(may_on_due(actor.role, OnDue::Excuse, Relation { in_reach, ..Relation::default() }));
    Ok(Ok(()))
}

/// Whether somebody gave a case away today, or missed themselves what is due: they excuse nothing of it.
fn was_theirs<'a>(
    supervision: &Supervision,
    lines: impl IntoIterator<Item = &'a Line>,
    (person, today): (PersonId, NaiveDate),
) -> bool {
    let had = |holder: &Holder| holder.worker == Some(person);
    let missed = |line: &Line| line.by.day().and_then(|day| supervision.holder_on(day)).is_some_and(had);
    supervision.holders.iter().any(|holder| had(holder) && holder.until >= today)
        || lines.into_iter().any(missed)
}

/// Says all that is known of the supervision of a case. What was said and is left out is not known any more; what a manager has excused
/// stays.
pub async fn set_supervision(
    tx: &mut Tx,
    actor: &Actor,
    reference: &str,
    said: Said,
    trace: Trace,
) -> Outcome<Item> {
    let Held { case, mut kept, now } = allowed!(hold(tx, actor, reference, OnDue::Change).await?);
    if let Err((field, why)) =
        check(&said, &now, trace).and_then(|()| check_rise(&kept.supervision, &said, &now))
    {
        return Ok(Err(Rejected::Field { field, why }));
    }
    // Forgotten and said anew it would not have risen.
    if let (Some(known), None) = (&kept.supervision.risk, &said.risk) {
        let why = format!("it was {known}: say how high it is now");
        return Ok(Err(Rejected::Field { field: "risk", why }));
    }
    let (after, why) = follows(&kept.supervision, said, &now, trace);
    let changed = changes(&kept.supervision, &after);
    if !changed.is_empty() {
        let body = json!({"case": case.id, "changed": changed});
        let words = json!({"before": &kept.supervision, "after": &after});
        kept.supervision = after;
        let event = NewEvent::new(EventKind::SupervisionChanged, trace.now, body).with_private(words);
        log(tx, &case, (&kept, event), trace).await?;
        compute(tx, &case, (&mut kept, &now), why, trace).await?;
    }
    list::one(tx, actor, reference, trace.now).await
}

fn check(said: &Said, now: &Now, trace: Trace) -> Result<(), (&'static str, String)> {
    let (rules, today) = (&now.in_force.rules, now.today(trace.now));
    let levels = || rules.risk_levels.join(", ");
    if let Some(risk) = said.risk.as_deref().filter(|risk| rules.level(risk).is_none()) {
        return Err(("risk", format!("“{risk}” is no level of risk of these rules: use {}", levels())));
    }
    if let Some(flag) = said.flags.iter().find(|flag| !rules.flags.contains(flag)) {
        return Err(("flags", format!("“{flag}” is no flag of these rules: use {}", rules.flags.join(", "))));
    }
    if said.risk_identified.is_some_and(|identified| identified.on > today) {
        return Err(("risk_identified_on", "say when it was identified, not ahead of today".into()));
    }
    if said.pauses.iter().any(|pause| pause.until.is_some_and(|until| until <= pause.from)) {
        return Err((
            "pauses",
            "a pause ends after it begins: `until` is the first day that counts again".into(),
        ));
    }
    Ok(())
}

/// Whether the risk has risen, by its level or by another flag. What is said for the first time has not.
fn has_risen(before: &Supervision, said: &Said, now: &Now) -> bool {
    let level = |risk: Option<&String>| risk.and_then(|risk| now.in_force.rules.level(risk));
    let was = level(before.risk.as_ref());
    let another_flag = said.flags.iter().any(|flag| !before.flags.contains(flag));
    was.is_some() && (level(said.risk.as_ref()) > was || another_flag)
}

/// When a rise was identified can be corrected to an earlier day alone: what is due by it is put off by a manager, and by nobody else.
fn check_rise(before: &Supervision, said: &Said, now: &Now) -> Result<(), (&'static str, String)> {
    match (said.risk_identified, before.rises.last()) {
        (Some(identified), Some(last)) if identified.on > last.on && !has_risen(before, said, now) => {
            let why = format!(
                "the risk has not risen since {}, when it was identified that it had: leave this out, or have a manager excuse what is due by it",
                last.on
            );
            Err(("risk_identified_on", why))
        }
        (Some(_), None) if before.risk.is_some() && !has_risen(before, said, now) => {
            Err(("risk_identified_on", "the risk has not risen: leave this out".into()))
        }
        _ => Ok(()),
    }
}

/// What is known from now on, and what of it matters most.
fn follows(before: &Supervision, said: Said, now: &Now, trace: Trace) -> (Supervision, Cause) {
    let today = now.today(trace.now);
    let level = |risk: Option<&String>| risk.and_then(|risk| now.in_force.rules.level(risk));
    let (was, is) = (level(before.risk.as_ref()), level(said.risk.as_ref()));
    let went_up = has_risen(before, &said, now);
    let mut rises = before.rises.clone();
    if went_up {
        let now = Identified { on: today, at: Some(trace.now) };
        rises.push(said.risk_identified.unwrap_or(now));
    } else if let (Some(identified), Some(last)) = (said.risk_identified, rises.last_mut())
        && identified.on < last.on
    {
        *last = identified;
    }
    let restarted = said.start_is == StartIs::Restarted
        && before.start.is_some_and(|start| said.start.is_some_and(|said| said > start));
    let since = before.plan.as_ref().map_or(today, |plan| plan.since);
    // What came before it began anew makes nothing overdue.
    let since = if restarted { said.start.map_or(since, |start| since.max(start)) } else { since };
    let after = Supervision {
        start: said.start,
        first_start: if restarted { before.first_start.or(before.start) } else { before.first_start },
        risk: said.risk,
        flags: said.flags,
        rises,
        plan: said.plan.map(|every| Plan { every, since }),
        pauses: said.pauses,
        end: said.end,
        excuses: before.excuses.clone(),
        holders: before.holders.clone(),
        earlier: before.earlier.clone(),
    };
    let start_is = if restarted { StartIs::Restarted } else { StartIs::Corrected };
    let after = with_what_was(before, after, start_is, trace);
    let why = if restarted {
        Cause::Restarted
    } else if went_up {
        Cause::RiskUp
    } else if is < was {
        Cause::RiskDown
    } else if before.pauses != after.pauses {
        Cause::Pauses
    } else {
        Cause::Supervision
    };
    (after, why)
}

/// What was known before is kept; a start that was wrong was never right.
fn with_what_was(
    before: &Supervision,
    mut after: Supervision,
    start_is: StartIs,
    trace: Trace,
) -> Supervision {
    let restarted = start_is == StartIs::Restarted;
    if !restarted && before.start != after.start {
        for earlier in after.earlier.iter_mut().filter(|earlier| earlier.start == before.start) {
            earlier.start = after.start;
        }
    }
    let is_known = before.start.is_some() || before.risk.is_some();
    let is_other =
        restarted || (&before.risk, &before.flags, &before.plan) != (&after.risk, &after.flags, &after.plan);
    if is_known && is_other {
        after.earlier.push(Earlier {
            until: trace.now,
            start: if restarted { before.start } else { after.start },
            first_start: before.first_start,
            risk: before.risk.clone(),
            flags: before.flags.clone(),
            plan: before.plan.clone(),
            end: before.end,
        });
    }
    after
}

/// Which parts of it are otherwise.
fn changes(before: &Supervision, after: &Supervision) -> Vec<&'static str> {
    [
        ("start", before.start != after.start),
        ("risk", before.risk != after.risk),
        ("flags", before.flags != after.flags),
        ("rises", before.rises != after.rises),
        ("plan", before.plan != after.plan),
        ("pauses", before.pauses != after.pauses),
        ("end", before.end != after.end),
    ]
    .into_iter()
    .filter_map(|(part, changed)| changed.then_some(part))
    .collect()
}

/// Gives a case to a worker, or takes it from whoever has it. Said again it changes nothing.
pub async fn assign(
    tx: &mut Tx,
    actor: &Actor,
    (reference, worker): (&str, Option<&str>),
    trace: Trace,
) -> Outcome<Item> {
    let Held { case, mut kept, now } = allowed!(hold(tx, actor, reference, OnDue::Assign).await?);
    let directory = people::directory(tx, actor.organisation).await?;
    let worker = match worker {
        None => None,
        Some(named) => {
            let Some(person) = directory.named(named).filter(|person| !person.is_outside()) else {
                let why = format!("“{named}” is nobody with an account in this organisation");
                return Ok(Err(Rejected::Field { field: "worker", why }));
            };
            Some(person.id)
        }
    };
    if kept.worker != worker {
        let body = json!({"case": case.id, "before": kept.worker, "after": worker});
        hand_over(&mut kept, case.team, now.today(trace.now));
        kept.worker = worker;
        due::save(tx, actor.organisation, &kept).await?;
        let known = (worker, kept.supervision.risk_on(now.today(trace.now)));
        oversight::follow_case(tx, &case, known, trace).await?;
        let event = NewEvent::new(EventKind::CaseAssigned, trace.now, body);
        log(tx, &case, (&kept, event), trace).await?;
    }
    list::one(tx, actor, reference, trace.now).await
}

fn hand_over(kept: &mut Kept, team: TeamId, today: NaiveDate) {
    kept.supervision.holders.push(Holder { until: today, worker: kept.worker, team });
}

/// Another team looks after the case from now on; what was due before was this one's.
pub(in crate::app) async fn left_team(
    tx: &mut Tx,
    case: &CaseFile,
    team: TeamId,
    today: NaiveDate,
) -> store::Result<()> {
    let mut kept = due::hold(tx, case.organisation, case.id).await?;
    hand_over(&mut kept, team, today);
    due::save(tx, case.organisation, &kept).await
}

/// What a manager excuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excused {
    /// What is due by this rule.
    pub rule: String,
    /// Because of this concern alone.
    pub concern: Option<ConcernId>,
    /// By when it is due instead; none: not any more.
    pub instead: Option<NaiveDate>,
    /// What it is in figures.
    pub counted: Counted,
    /// Why.
    pub reason: String,
}

/// Excuses what is due of a case by a rule. It stands until then, whatever is done.
pub async fn excuse(
    tx: &mut Tx,
    actor: &Actor,
    reference: &str,
    excused: Excused,
    trace: Trace,
) -> Outcome<Item> {
    let Held { case, mut kept, now } = allowed!(hold(tx, actor, reference, OnDue::Excuse).await?);
    let item = allowed!(list::one(tx, actor, reference, trace.now).await?);
    let today = now.today(trace.now);
    let Excused { rule, concern, instead, counted, reason } = excused;
    if instead.is_some_and(|instead| instead < today || instead - today > FURTHEST_OFF) {
        let why = "say a day from today on, within a year; or none, if no visit is due any more".into();
        return Ok(Err(Rejected::Field { field: "instead", why }));
    }
    let meant = |line: &&Line| line.rule == rule && (concern.is_none() || line.concern == concern);
    // Of what is due twice by one rule, since the plan asks for less by now, only the first.
    let mut lines: Vec<&Line> = Vec::new();
    for line in item.standing.lines.iter().filter(meant) {
        if lines.iter().all(|first| first.matter() != line.matter()) {
            lines.push(line);
        }
    }
    if lines.is_empty() {
        let why = format!("nothing is due by the rule “{rule}”");
        return Ok(Err(Rejected::Field { field: "rule", why }));
    }
    // Not by giving the case away first, either.
    if was_theirs(&kept.supervision, lines.iter().copied(), (actor.person, today)) {
        return Ok(Err(Rejected::Role));
    }
    for line in &lines {
        kept.supervision.excuses.push(Excuse {
            rule: rule.clone(),
            from: line.from,
            at: line.at,
            concern: line.concern,
            due_on: line.by.day(),
            risk: line.risk.clone(),
            instead,
            counted,
            reason: reason.clone(),
            by: (actor.person, trace.now),
        });
    }
    let due_on: Vec<_> = lines.iter().map(|line| line.by.day()).collect();
    let body = json!({
        "case": case.id, "rule": rule, "due_on": due_on, "instead": instead, "counted": counted,
    });
    let event = NewEvent::new(EventKind::DueExcused, trace.now, body).with_private(json!({"reason": reason}));
    log(tx, &case, (&kept, event), trace).await?;
    compute(tx, &case, (&mut kept, &now), Cause::Excused, trace).await?;
    list::one(tx, actor, reference, trace.now).await
}

/// Takes back what was excused last by a rule: somebody was mistaken. It is due as it was before, and figures never heard of it.
pub async fn take_back_excuse(
    tx: &mut Tx,
    actor: &Actor,
    reference: &str,
    (rule, reason): (&str, &str),
    trace: Trace,
) -> Outcome<Item> {
    let Held { case, mut kept, now } = allowed!(hold(tx, actor, reference, OnDue::Excuse).await?);
    let excuses = &mut kept.supervision.excuses;
    let Some(last) = excuses.iter().rev().find(|excuse| excuse.rule == rule).map(|excuse| excuse.by) else {
        let why = format!("nothing is excused by the rule “{rule}”");
        return Ok(Err(Rejected::Field { field: "rule", why }));
    };
    let said = |excuse: &Excuse| excuse.rule == rule && excuse.by == last;
    let due_on: Vec<_> = excuses.iter().filter(|excuse| said(excuse)).map(|excuse| excuse.due_on).collect();
    excuses.retain(|excuse| !said(excuse));
    let body =
        json!({"case": case.id, "rule": rule, "due_on": due_on, "excused_by": last.0, "excused_at": last.1});
    let words = json!({ "reason": reason });
    let event = NewEvent::new(EventKind::DueExcuseTakenBack, trace.now, body).with_private(words);
    log(tx, &case, (&kept, event), trace).await?;
    compute(tx, &case, (&mut kept, &now), Cause::ExcuseTakenBack, trace).await?;
    list::one(tx, actor, reference, trace.now).await
}
