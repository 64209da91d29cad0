//! What the rules have to know of a visit, from what is on record.

use chrono::{Datelike, TimeDelta};

use crate::{
    app::{
        case_files::{self, About},
        coverage::{self, Whom},
    },
    clock::Time,
    domain::{
        agreement::{Agreement, Assessed, Changed, IsAgreed, Known, Lacks, Rules, Signal, Weighed},
        assessment::{Assessment, Hours},
        contact::Channel,
        coverage::GapKind,
        equipment::TestFlag,
        people::{Directory, Person},
        proof::Standing,
        visit::{Visit, VisitState},
    },
    store::{self, Tx, agreements, assessments, concerns, equipment, policy_documents},
};

/// Everything about a visit that the rules weigh; the agreement learns which case, place and assessment that is.
pub(super) async fn weighed(
    tx: &mut Tx,
    directory: &Directory,
    rules: &Rules,
    visit: &Visit,
    agreement: &mut Agreement,
    now: Time,
) -> store::Result<Weighed> {
    let About { case, place, assessment } = case_files::about(tx, visit).await?;
    agreement.case = case.as_ref().map(|case| case.id);
    agreement.place = place.as_ref().map(|place| place.id);
    let by = assessment.as_ref().map(|assessment| assessment.id);
    if agreement.assessment != by {
        // What was said of another version says nothing of this one.
        if agreement.assessment.is_some() {
            agreement.changed = Changed::NotSaid;
        }
        agreement.assessment = by;
    }
    let begins = agreement.begins_at.with_timezone(&directory.zone);
    let ends = visit.expected_departure.with_timezone(&directory.zone);
    let in_office = begins.date_naive() == ends.date_naive()
        && rules.office_days.contains(&begins.weekday())
        && begins.time() >= rules.office_from
        && ends.time() <= rules.office_to;
    let since = now - TimeDelta::days(rules.recent_days.max(0));
    let but = (visit.id, visit.worker);
    let there = case_files::destination(visit, place.as_ref());
    let incidents = agreements::incidents_since(tx, visit.organisation, since, but).await?;
    let incidents = incidents.iter().filter(|other| other.meets(&there)).count();
    let concerns = match &case {
        Some(case) => concerns::open_about_case(tx, visit.organisation, case.reference.as_str()).await?.len(),
        None => 0,
    };
    let known = match (&case, assessment) {
        (None, _) => Known::NoCase,
        (Some(_), None) => Known::NotAssessed,
        (Some(_), Some(assessment)) => {
            Known::Assessed(assessed(tx, directory, &assessment, agreement).await?)
        }
    };
    let worker = directory.person(visit.worker);
    let case_visiting = case.and_then(|case| case.visiting);
    Ok(Weighed {
        day: begins.date_naive(),
        hours: if in_office { Hours::Office } else { Hours::Any },
        company: agreement.company,
        purpose: visit.details.purpose.clone(),
        visiting: visit.details.visiting.or(case_visiting),
        whose_home: place.map(|place| place.whose_home).unwrap_or_default(),
        // At the door it runs as high risk for want of an agreement: that is no reason of its own.
        risk: agreement.at_the_door().unwrap_or(visit.details.risk),
        signal: if visit.details.no_signal_expected { Signal::NotExpected } else { Signal::Expected },
        known,
        visits_are: directory.policy(visit.team).visits_are,
        worker: match worker {
            Some(worker) => lacks(tx, directory, worker, now).await?,
            None => Lacks::default(),
        },
        gaps: gaps(tx, visit).await?,
        incidents,
        concerns,
        exception: agreement.private.exception.clone(),
    })
}

async fn assessed(
    tx: &mut Tx,
    directory: &Directory,
    assessment: &Assessment,
    agreement: &Agreement,
) -> store::Result<Assessed> {
    let used = assessments::used_for(tx, assessment.organisation, assessment.id).await?;
    let made_on = assessment.made.1.with_timezone(&directory.zone).date_naive();
    let confirmed_on = used.into_iter().map(|(_, day)| day).chain([made_on]).max().unwrap_or(made_on);
    Ok(Assessed {
        rating: assessment.rating,
        information: assessment.draft.information,
        covers: assessment.draft.covers.clone(),
        agreed: if assessment.agreed.is_some() { IsAgreed::Agreed } else { IsAgreed::NotYet },
        confirmed_on,
        review_on: assessment.draft.review_on,
        changed: agreement.changed,
    })
}

/// Rows P1 to P3: a phone and a named emergency contact, both proved; policies that are late; devices that nobody has tested.
async fn lacks(tx: &mut Tx, directory: &Directory, worker: &Person, now: Time) -> store::Result<Lacks> {
    let proved = |person: &Person, by: Channel| {
        person.has(by) && directory.standing(person.id, by) == Standing::Proved
    };
    let mut contacts = worker.emergency_contacts.iter().filter_map(|id| directory.person(*id));
    let has_contact =
        contacts.any(|contact| !contact.left && Channel::ALL.into_iter().any(|by| proved(contact, by)));
    let policies = policy_documents::overdue_by(tx, directory.organisation, worker.id, now).await?;
    let today = now.with_timezone(&directory.zone).date_naive();
    let held = equipment::held_by(tx, directory.organisation, worker.id).await?;
    let untested = held
        .into_iter()
        .filter(|item| matches!(item.test_flag(today), Some(TestFlag::NotThisMonth | TestFlag::Faulty)))
        .map(|item| item.label)
        .collect();
    Ok(Lacks { phone: !proved(worker, Channel::Sms), contact: !has_contact, policies, untested })
}

/// Row E8: what leaves an alarm of that hour with nobody who could take it.
async fn gaps(tx: &mut Tx, visit: &Visit) -> store::Result<Vec<String>> {
    let whom = Whom::Worker(visit.worker.to_string());
    let Ok(known) = coverage::known(tx, visit.organisation, &whom).await? else { return Ok(Vec::new()) };
    let Some(worker) = known.directory.person(visit.worker) else { return Ok(Vec::new()) };
    let at = match visit.state {
        VisitState::Planned { expected_departure, .. } => expected_departure,
        _ => visit.expected_departure,
    };
    let grave = |kind: GapKind| matches!(kind, GapKind::NobodyCanTakeIt | GapKind::NoLadder);
    let covered = known.coverage(worker, at).ladders.into_iter().map(|(_, covered)| covered);
    Ok(covered
        .filter(|covered| covered.risk == visit.details.risk)
        .flat_map(|covered| covered.gaps)
        .filter(|gap| grave(gap.kind))
        .map(|gap| gap.kind.as_str().replace('_', " "))
        .collect())
}
