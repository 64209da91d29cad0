//! Cases, places and their risk assessments (rows A1, A2): written down by those who visit, agreed by those who manage.

use serde_json::json;

use super::{Outcome, Rejected, access::Actor, allowed, due, oversight};
use crate::{
    clock::Time,
    domain::{
        assessment::{Assessment, Difference, Draft, differences},
        calendar::day_of,
        case_file::{
            CaseFile, CasePrivate, CaseReference, Destination, Place, PlacePrivate, WhoseHome, same_address,
        },
        concern::ConcernKind,
        due::Cause,
        event::{EventKind, NewEvent},
        ids::{AssessmentId, CaseId, ConcernId, OrganisationId, PersonId, PlaceId, TeamId, VisitId},
        rights::{Casework, may_do_casework},
        visit::{Details, Visit, Visiting},
    },
    store::{
        self, Trace, Tx, agreements, assessments, case_files, concerns, events::log_for_organisation,
        oversight as oversight_asked, people,
    },
};

/// What is said of a case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WantedCase {
    /// As it is typed.
    pub reference: String,
    /// Which team looks after it: by id or key; none: whoever writes it down.
    pub team: Option<String>,
    /// Who is visited.
    pub visiting: Option<Visiting>,
    /// What is personal.
    pub private: CasePrivate,
}

/// Opens a case, or changes what is known of it; whether it is new.
pub async fn save(
    tx: &mut Tx,
    actor: &Actor,
    wanted: WantedCase,
    trace: Trace,
) -> Outcome<(CaseFile, IsNew)> {
    let rules = agreements::rules(tx, actor.organisation).await?;
    let reference = match CaseReference::of_forms(&wanted.reference, &rules.case_references) {
        Ok(reference) => reference,
        Err(bad) => return Ok(Err(Rejected::CaseReference(bad))),
    };
    let directory = people::directory(tx, actor.organisation).await?;
    let team = match wanted.team.as_deref() {
        None => None,
        Some(named) => match directory.team_named(named) {
            Some(team) => Some(team.id),
            None => return Ok(Err(Rejected::NoSuchTeam(named.to_owned()))),
        },
    };
    let there = case_files::by_reference(tx, actor.organisation, &reference).await?;
    let before = there.as_ref().map(|case| case.team);
    for touched in before.into_iter().chain([team.or(before).unwrap_or(actor.team)]) {
        allowed!(may_do(tx, actor, Casework::Write, touched).await?);
    }
    let visiting = wanted.visiting.or(there.as_ref().and_then(|case| case.visiting));
    if let Some(there) = there.as_ref().filter(|there| there.visiting != visiting) {
        allowed!(due::may_change_visiting(tx, actor, there, visiting, trace.now).await?);
    }
    let is_new = if there.is_some() { IsNew::No } else { IsNew::Yes };
    let case = CaseFile {
        id: there.as_ref().map_or_else(|| CaseId::new(trace.now), |case| case.id),
        organisation: actor.organisation,
        team: team.or(before).unwrap_or(actor.team),
        reference,
        visiting,
        opened: there.as_ref().map_or((actor.person, trace.now), |case| case.opened),
        private: Some(wanted.private),
    };
    let kind = match is_new {
        IsNew::Yes if case_files::insert(tx, &case).await? => EventKind::CaseOpened,
        IsNew::Yes => return Err(store::Error::Retry),
        IsNew::No => {
            case_files::change(tx, &case).await?;
            EventKind::CaseChanged
        }
    };
    let body = json!({"case": case.id, "visiting": case.visiting});
    // Before it is logged: the organisation is locked last.
    if let Some(left) = before.filter(|before| *before != case.team) {
        due::left_team(tx, &case, left, day_of(trace.now, actor.zone)).await?;
        oversight_asked::follow_assessments(tx, actor.organisation, case.id, case.team).await?;
    }
    due::follow(tx, &case, Cause::CaseChanged, trace).await?;
    log(tx, actor, case.team, NewEvent::new(kind, trace.now, body), trace).await?;
    Ok(Ok((case, is_new)))
}

/// Whether something was not there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsNew {
    /// It was not.
    Yes,
    /// It was.
    No,
}

async fn may_do(
    tx: &mut Tx,
    actor: &Actor,
    what: Casework,
    team: TeamId,
) -> store::Result<Result<(), Rejected>> {
    let in_reach = actor.reaches(tx, team).await?;
    Ok(may_do_casework(actor.role, what, in_reach).map_err(Rejected::from))
}

/// Cases are spoken of in the organisation's log by their ids alone.
async fn log(tx: &mut Tx, actor: &Actor, team: TeamId, event: NewEvent, trace: Trace) -> store::Result<()> {
    log_for_organisation(tx, actor.organisation, (Some(team), None), trace, event).await
}

/// A case with its places, for somebody who may read it.
pub async fn find(tx: &mut Tx, actor: &Actor, reference: &str) -> Outcome<(CaseFile, Vec<Place>)> {
    let Some(case) = called(tx, actor.organisation, reference).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    allowed!(may_do(tx, actor, Casework::See, case.team).await?);
    let places = case_files::places_of(tx, actor.organisation, case.id).await?;
    Ok(Ok((case, places)))
}

/// A case as somebody speaks of it: by its reference, or by its id, as events name it.
pub(super) async fn called(
    tx: &mut Tx,
    organisation: OrganisationId,
    called: &str,
) -> store::Result<Option<CaseFile>> {
    if let Ok(id) = called.parse()
        && let Some(case) = case_files::find(tx, organisation, CaseId(id)).await?
    {
        return Ok(Some(case));
    }
    match CaseReference::parse(called) {
        Ok(reference) => case_files::by_reference(tx, organisation, &reference).await,
        Err(_) => Ok(None),
    }
}

/// The cases that somebody may read, after a reference.
pub async fn list(tx: &mut Tx, actor: &Actor, after: &str, limit: usize) -> store::Result<Vec<CaseFile>> {
    let (mut shown, mut after) = (Vec::new(), after.to_owned());
    loop {
        let page = case_files::list(tx, actor.organisation, &after, 200).await?;
        let Some(last) = page.last() else { return Ok(shown) };
        last.reference.as_str().clone_into(&mut after);
        for case in page {
            if may_do(tx, actor, Casework::See, case.team).await?.is_ok() {
                shown.push(case);
            }
            if shown.len() == limit {
                return Ok(shown);
            }
        }
    }
}

/// Adds a place to a case, or changes what is known of one.
pub async fn save_place(
    tx: &mut Tx,
    actor: &Actor,
    (reference, id): (&str, Option<PlaceId>),
    (whose_home, private): (WhoseHome, PlacePrivate),
    trace: Trace,
) -> Outcome<Place> {
    let Some(case) = called(tx, actor.organisation, reference).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    allowed!(may_do(tx, actor, Casework::Write, case.team).await?);
    let there = match id {
        None => None,
        Some(id) => match case_files::place(tx, actor.organisation, id).await? {
            Some((of, place)) if of == case.id => Some(place),
            _ => return Ok(Err(Rejected::NotFound)),
        },
    };
    let kind = if there.is_some() { EventKind::PlaceChanged } else { EventKind::PlaceAdded };
    let place = Place {
        id: there.as_ref().map_or_else(|| PlaceId::new(trace.now), |place| place.id),
        organisation: actor.organisation,
        whose_home,
        added: there.as_ref().map_or((actor.person, trace.now), |place| place.added),
        private: Some(private),
    };
    if there.is_some() {
        case_files::change_place(tx, &place).await?;
    } else {
        case_files::add_place(tx, case.id, &place).await?;
    }
    let body = json!({"case": case.id, "place": place.id, "whose_home": place.whose_home});
    log(tx, actor, case.team, NewEvent::new(kind, trace.now, body), trace).await?;
    Ok(Ok(place))
}

/// A version of an assessment, with what it says otherwise than the one before it and the visits for which it was used again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The version.
    pub assessment: Assessment,
    /// What is otherwise.
    pub differences: Vec<Difference>,
    /// For which visits, on which days.
    pub used: Vec<(VisitId, chrono::NaiveDate)>,
}

async fn place_in_reach(
    tx: &mut Tx,
    actor: &Actor,
    id: PlaceId,
    what: Casework,
) -> Outcome<(CaseFile, Place)> {
    let Some((case, place)) = case_files::place(tx, actor.organisation, id).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    let Some(case) = case_files::find(tx, actor.organisation, case).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    allowed!(may_do(tx, actor, what, case.team).await?);
    Ok(Ok((case, place)))
}

/// A concern about a case that nobody has closed: whoever assesses it next weighs it. What it says stands with the concern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenConcern {
    /// Which.
    pub id: ConcernId,
    /// What about.
    pub kind: ConcernKind,
    /// When it was raised.
    pub raised_at: Time,
    /// Whether any assessment can have weighed it.
    pub since: Since,
}

/// When a concern was raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// Before the newest version was made.
    Before,
    /// After it, or there is none.
    After,
}

/// The concerns about a case that nobody has closed, the oldest first.
async fn open_concerns(
    tx: &mut Tx,
    case: &CaseFile,
    newest: Option<&Assessment>,
) -> store::Result<Vec<OpenConcern>> {
    let open = concerns::open_about_case(tx, case.organisation, case.reference.as_str()).await?;
    let one = |(id, raised_at, kind)| {
        let weighed = newest.is_some_and(|newest| raised_at < newest.made.1);
        OpenConcern { id, kind, raised_at, since: if weighed { Since::Before } else { Since::After } }
    };
    Ok(open.into_iter().map(one).collect())
}

/// Every version for a place, the newest first; and what concerns about the case the next one has to weigh.
pub async fn versions(
    tx: &mut Tx,
    actor: &Actor,
    place: PlaceId,
) -> Outcome<(Vec<Version>, Vec<OpenConcern>)> {
    let (case, _) = allowed!(place_in_reach(tx, actor, place, Casework::See).await?);
    let all = assessments::of_place(tx, actor.organisation, place).await?;
    let mut versions = Vec::with_capacity(all.len());
    for (n, assessment) in all.iter().enumerate() {
        let differences = all.get(n + 1).map(|before| differences(before, assessment)).unwrap_or_default();
        let used = assessments::used_for(tx, actor.organisation, assessment.id).await?;
        versions.push(Version { assessment: assessment.clone(), differences, used });
    }
    let concerns = open_concerns(tx, &case, all.first()).await?;
    Ok(Ok((versions, concerns)))
}

/// One version, by its id.
pub async fn version(tx: &mut Tx, actor: &Actor, id: AssessmentId) -> Outcome<Version> {
    let Some(assessment) = assessments::find(tx, actor.organisation, id).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    let (all, _) = allowed!(versions(tx, actor, assessment.place).await?);
    Ok(all.into_iter().find(|version| version.assessment.id == id).ok_or(Rejected::NotFound))
}

/// Makes the next version for a place. A manager who makes it agrees with it by that.
pub async fn assess(
    tx: &mut Tx,
    actor: &Actor,
    place: PlaceId,
    draft: Draft,
    trace: Trace,
) -> Outcome<Version> {
    let (case, _) = allowed!(place_in_reach(tx, actor, place, Casework::Write).await?);
    let rules = agreements::rules(tx, actor.organisation).await?;
    let today = trace.now.with_timezone(&actor.zone).date_naive();
    let rating = match draft.rate(&rules.matrix, today) {
        Ok(rating) => rating,
        Err(wrong) => return Ok(Err(Rejected::Assessment(wrong))),
    };
    let before = assessments::of_place(tx, actor.organisation, place).await?.into_iter().next();
    let agrees = may_do_casework(actor.role, Casework::Agree, actor.reaches(tx, case.team).await?).is_ok();
    let assessment = Assessment {
        id: AssessmentId::new(trace.now),
        organisation: actor.organisation,
        case: case.id,
        place,
        version: before.as_ref().map_or(1, |before| before.version + 1),
        draft,
        rating,
        made: (actor.person, trace.now),
        agreed: None,
    };
    if !assessments::insert(tx, &assessment).await? {
        return Err(store::Error::Retry);
    }
    let body = json!({
        "assessment": assessment.id, "case": case.id, "place": place, "version": assessment.version,
        "rating": assessment.rating, "review_on": assessment.draft.review_on,
    });
    let private = json!({"factors": assessment.draft.factors});
    let event = NewEvent::new(EventKind::AssessmentMade, trace.now, body).with_private(private);
    log(tx, actor, case.team, event, trace).await?;
    oversight::assessment_made(tx, case.team, &assessment, trace).await?;
    let assessment = if agrees {
        agreed(tx, actor, case.team, assessment, (actor.person, trace.now), trace).await?
    } else {
        assessment
    };
    let differences = before.map(|before| differences(&before, &assessment)).unwrap_or_default();
    Ok(Ok(Version { assessment, differences, used: Vec::new() }))
}

/// A manager agrees with an assessment and its measures (row A3). Said again it changes nothing.
pub async fn agree(tx: &mut Tx, actor: &Actor, id: AssessmentId, trace: Trace) -> Outcome<Assessment> {
    let Some(assessment) = assessments::find(tx, actor.organisation, id).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    let (case, _) = allowed!(place_in_reach(tx, actor, assessment.place, Casework::Agree).await?);
    if assessment.agreed.is_some() {
        return Ok(Ok(assessment));
    }
    let by = (actor.person, trace.now);
    Ok(Ok(agreed(tx, actor, case.team, assessment, by, trace).await?))
}

async fn agreed(
    tx: &mut Tx,
    actor: &Actor,
    team: TeamId,
    assessment: Assessment,
    by: (PersonId, Time),
    trace: Trace,
) -> store::Result<Assessment> {
    if assessments::agree(tx, actor.organisation, assessment.id, by).await? {
        let body = json!({"assessment": assessment.id, "version": assessment.version});
        log(tx, actor, team, NewEvent::new(EventKind::AssessmentAgreed, trace.now, body), trace).await?;
    }
    Ok(Assessment { agreed: Some(by), ..assessment })
}

/// What is known of a visit: to whom it is, where, and what was assessed there.
#[derive(Debug, Default)]
pub struct About {
    /// The case, if its reference is known.
    pub case: Option<CaseFile>,
    /// The place: as it is written, or because the case has no other.
    pub place: Option<Place>,
    /// The newest version of its assessment.
    pub assessment: Option<Assessment>,
}

/// To whom a visit goes and where.
pub fn destination(visit: &Visit, place: Option<&Place>) -> Destination {
    let Details { case_reference, place: planned, place_said, .. } = &visit.details;
    let there = Destination::new(case_reference.as_deref(), [planned.as_deref(), place_said.as_deref()]);
    match place {
        Some(place) => there.known_as(place),
        None => there,
    }
}

/// Finds it. Whoever asks sees the visit.
pub async fn about(tx: &mut Tx, visit: &Visit) -> store::Result<About> {
    let reference = visit.details.case_reference.as_deref().map(CaseReference::parse);
    let Some(Ok(reference)) = reference else { return Ok(About::default()) };
    let Some(case) = case_files::by_reference(tx, visit.organisation, &reference).await? else {
        return Ok(About::default());
    };
    let places = case_files::places_of(tx, visit.organisation, case.id).await?;
    let address = |place: &Place| place.private.as_ref().and_then(|private| private.address.clone());
    let called = |said: &String| {
        let is_it = |place: &&Place| {
            place.id.to_string() == *said
                || address(place).is_some_and(|address| same_address(&address, said))
        };
        places.iter().find(is_it).cloned()
    };
    let Details { place: planned, place_said, .. } = &visit.details;
    // What they said as they went in may be no place at all.
    let place = match (place_said.as_ref().and_then(called), planned) {
        (Some(place), _) => Some(place),
        (None, Some(planned)) => called(planned),
        (None, None) if places.len() == 1 => places.first().cloned(),
        (None, None) => None,
    };
    let assessment = match &place {
        Some(place) => assessments::of_place(tx, visit.organisation, place.id).await?.into_iter().next(),
        None => None,
    };
    Ok(About { case: Some(case), place, assessment })
}
