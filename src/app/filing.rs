//! What a case system needs (row T6): listed for whoever files it, and marked once it is.

use serde_json::json;
use uuid::Uuid;

use super::{Outcome, Rejected, access::Actor, allowed, chases};
use crate::{
    clock::Time,
    domain::{
        event::{EventKind, NewEvent},
        filing::{Entry, Filed, FilingKind},
        ids::{AssessmentId, OversightId, PlaceId, TeamId, VisitId},
        people::Role,
        rights::{OnFiling, may_file},
    },
    store::{
        self, Trace, Tx, assessments, case_files,
        events::log_for_organisation,
        filing::{self, Filter, IsFiled},
        people, visits,
    },
};

/// What somebody asks for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Complete at this time or later.
    pub from: Time,
    /// Complete before this.
    pub before: Time,
    /// Of this team and those below it, by id or key; nothing: of all that they reach.
    pub team: Option<String>,
    /// Only what is filed, or is not.
    pub filed: Option<IsFiled>,
    /// After the entry of this time and id.
    pub after: (Time, Uuid),
    /// So many at most.
    pub limit: usize,
}

/// Lists it, in the order in which it was complete.
pub async fn list(tx: &mut Tx, actor: &Actor, asked: Asked) -> Outcome<Vec<Entry>> {
    allowed!(may_file(actor.role, OnFiling::See, true));
    let directory = people::directory(tx, actor.organisation).await?;
    let teams: Vec<TeamId> = match asked.team {
        Some(named) => {
            let Some(team) = directory.team_named(&named) else {
                return Ok(Err(Rejected::NoSuchTeam(named)));
            };
            allowed!(may_file(actor.role, OnFiling::See, actor.reaches(tx, team.id).await?));
            people::reach(tx, actor.organisation, team.id).await?
        }
        None if actor.role == Role::Auditor => directory.teams.keys().copied().collect(),
        None => people::reach(tx, actor.organisation, actor.team).await?,
    };
    let filter = Filter {
        from: asked.from,
        before: asked.before,
        teams,
        filed: asked.filed,
        after: asked.after,
        limit: i64::try_from(asked.limit).unwrap_or(i64::MAX),
    };
    let mut parties = Vec::new();
    let mut all = filing::assessments(tx, actor.organisation, &filter).await?;
    all.extend(filing::oversight(tx, actor.organisation, &filter).await?);
    for (entry, party) in filing::visits(tx, actor.organisation, &filter).await? {
        parties.extend(party.map(|party| (entry.id, party)));
        all.push(entry);
    }
    all.sort_by_key(|entry| (entry.at, entry.id));
    all.truncate(asked.limit);
    for entry in &mut all {
        complete(tx, actor, entry, &parties).await?;
    }
    Ok(Ok(all))
}

/// What few entries have and is looked up for each of them.
async fn complete(
    tx: &mut Tx,
    actor: &Actor,
    entry: &mut Entry,
    parties: &[(Uuid, VisitId)],
) -> store::Result<()> {
    if let Some((_, party)) = parties.iter().find(|(id, _)| *id == entry.id) {
        let all = visits::party(tx, actor.organisation, *party).await?;
        entry.with = all.into_iter().map(|(_, worker)| worker).filter(|worker| *worker != entry.by).collect();
    }
    // A place may be named by its id.
    if let Some(id) = entry.address.as_deref().and_then(|said| Uuid::parse_str(said).ok())
        && let Some((_, place)) = case_files::place(tx, actor.organisation, PlaceId(id)).await?
    {
        entry.address = place.private.and_then(|private| private.address);
    }
    Ok(())
}

/// Says that something is filed elsewhere, and as what there. Said again it changes nothing; another reference takes its place.
pub async fn say(
    tx: &mut Tx,
    actor: &Actor,
    (kind, id): (FilingKind, Uuid),
    reference: &str,
    trace: Trace,
) -> Outcome<Filed> {
    allowed!(may_file(actor.role, OnFiling::Say, true));
    let Some((team, state)) = stands(tx, actor, kind, id).await? else {
        return Ok(Err(Rejected::NotFound));
    };
    allowed!(may_file(actor.role, OnFiling::Say, actor.reaches(tx, team).await?));
    if let Some(why) = state {
        return Ok(Err(Rejected::Field { field: "id", why: why.into() }));
    }
    let filed = Filed { reference: reference.to_owned(), at: trace.now, by: actor.person };
    if filing::say(tx, actor.organisation, (kind, id), &filed).await? {
        let event = NewEvent::new(EventKind::FilingFiled, trace.now, json!({(kind.as_str()): id}))
            .with_private(json!({"reference": reference}));
        log_for_organisation(tx, actor.organisation, (Some(team), None), trace, event).await?;
        return Ok(Ok(filed));
    }
    Ok(filing::find(tx, actor.organisation, id).await?.ok_or(Rejected::NotFound))
}

/// Whose it is, and why it cannot be filed yet, if it cannot.
async fn stands(
    tx: &mut Tx,
    actor: &Actor,
    kind: FilingKind,
    id: Uuid,
) -> store::Result<Option<(TeamId, Option<&'static str>)>> {
    match kind {
        FilingKind::Visit => {
            let visit = visits::find(tx, actor.organisation, VisitId(id)).await?;
            Ok(visit.map(|visit| {
                let made = chases::was_made(&visit);
                (visit.team, (!made).then_some("this visit is not over, or did not take place"))
            }))
        }
        FilingKind::Oversight => {
            let team = filing::team_of_oversight(tx, actor.organisation, OversightId(id)).await?;
            Ok(team.map(|team| (team, None)))
        }
        FilingKind::Assessment => {
            let Some(found) = assessments::find(tx, actor.organisation, AssessmentId(id)).await? else {
                return Ok(None);
            };
            let case = case_files::find(tx, actor.organisation, found.case).await?;
            let agreed = found.agreed.is_some();
            Ok(case
                .map(|case| (case.team, (!agreed).then_some("nobody has agreed with this assessment yet"))))
        }
    }
}
