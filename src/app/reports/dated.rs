//! Reports of what was due by a day: visits, and oversight.

use chrono::NaiveDate;

use super::{Asked, Wanted};
use crate::{
    domain::{
        due::{Cannot, Due, RulesSince, Standing, standing, were_due},
        ids::OrganisationId,
        oversight::{self, Subject},
        report::{NOT_KNOWN, ReportKind, WasDue, Whose},
    },
    store::{
        self, Tx,
        due::{self, Case},
        oversight as oversight_rows, people,
    },
};

/// All that a report of this kind counts.
pub(super) async fn were_due_in(
    tx: &mut Tx,
    organisation: OrganisationId,
    (asked, wanted): (&Asked, &Wanted),
) -> store::Result<Vec<WasDue>> {
    let mut all = match wanted.report {
        ReportKind::FirstVisits => visits(tx, organisation, asked, Due::FirstVisit).await?,
        ReportKind::Frequency => visits(tx, organisation, asked, Due::Frequency).await?,
        ReportKind::RisingRisk => visits(tx, organisation, asked, Due::RisingRisk).await?,
        _ => oversight(tx, organisation, asked).await?,
    };
    let is = |said: &Option<String>, is: &Option<String>| match said.as_deref() {
        None => true,
        Some(NOT_KNOWN) => is.is_none(),
        said => said == is.as_deref(),
    };
    all.retain(|one| {
        (asked.from..=asked.to).contains(&one.due_on)
            && asked.scope.teams.contains(&one.team)
            && match asked.whose {
                Whose::Anybodys => true,
                Whose::Nobodys => one.worker.is_none(),
                Whose::Of(worker) => one.worker == Some(worker),
            }
            && is(&wanted.risk, &one.risk)
            && is(&wanted.rule, &one.rule)
    });
    all.sort_by_key(|one| (one.due_on, one.id));
    Ok(all)
}

/// The visits that rules asked for, of all cases.
async fn visits(
    tx: &mut Tx,
    organisation: OrganisationId,
    asked: &Asked,
    kind: Due,
) -> store::Result<Vec<WasDue>> {
    let zone = people::directory(tx, organisation).await?.zone;
    let mut rules = RulesSince::new();
    for version in due::all_rules(tx, organisation).await? {
        rules.push((version.set_at, version.in_force(organisation, zone)?));
    }
    let Some((_, now)) = rules.last() else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    let look = |case: Case| {
        let supervision = &case.facts.supervision;
        let mut teams = supervision.holders.iter().map(|holder| holder.team).chain([case.team]);
        if !teams.any(|team| asked.scope.teams.contains(&team)) {
            return;
        }
        let what = |rule: Option<String>, risk: Option<String>, due_on: NaiveDate, class: &'static str| {
            let then = supervision.holder_on(due_on);
            WasDue {
                what: "case",
                id: case.id.0,
                reference: Some(case.reference.clone()),
                team: then.map_or(case.team, |then| then.team),
                worker: then.map_or(case.worker, |then| then.worker),
                rule,
                risk,
                due_on,
                class,
            }
        };
        for was in were_due(&case.facts, &rules, kind, asked.today) {
            all.push(what(Some(was.rule), was.risk, was.due_on, was.became.as_str()));
        }
        // As it stands now: so where the period reaches today.
        if asked.to >= asked.today && cannot_be_computed(&standing(&case.facts, now, asked.today), kind) {
            all.push(what(None, supervision.risk.clone(), asked.today, "cannot_be_computed"));
        }
    };
    due::each_case(tx, organisation, None, look).await?;
    Ok(all)
}

/// Whether a visit of that kind may be due, and nobody can say when.
fn cannot_be_computed(stands: &Standing, kind: Due) -> bool {
    stands.cannot.iter().any(|why| match why {
        Cannot::PlanWithoutFrequency => kind == Due::Frequency,
        Cannot::UnknownYear(_) => true,
        Cannot::NoStart
        | Cannot::StartsLater(_)
        | Cannot::SeenBeforeStart { .. }
        | Cannot::NoRisk
        | Cannot::UnknownRisk(_)
        | Cannot::UnknownFlag(_)
        | Cannot::NoRule => kind == Due::FirstVisit,
    })
}

async fn oversight(tx: &mut Tx, organisation: OrganisationId, asked: &Asked) -> store::Result<Vec<WasDue>> {
    let all = oversight_rows::asked_for(tx, organisation, (asked.from, asked.to)).await?;
    let hidden = |one: &oversight::Asked| matches!(one.subject, Subject::Incident(id) if asked.scope.hidden.contains(&id));
    let class = |one: &oversight::Asked| match one.done {
        Some((done_on, _)) if done_on <= one.due_on => "in_time",
        Some(_) => "late",
        None if one.due_on < asked.today => "overdue",
        None => "not_yet",
    };
    let was_due = |one: oversight::Asked| WasDue {
        what: one.subject.about().as_str(),
        id: one.subject.id(),
        reference: one.reference.clone(),
        team: one.team,
        worker: one.worker,
        rule: Some(one.rule.as_str().to_owned()),
        risk: None,
        due_on: one.due_on,
        class: class(&one),
    };
    Ok(all.into_iter().filter(|one| !hidden(one)).map(was_due).collect())
}
