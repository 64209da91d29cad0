//! What the API shows. One view for each thing; what the subject may not see is decided before one is made.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::{case_files::KnownView, equipment::HeldView, follow_ups::FollowUpView};
use crate::{
    app::access::Actor,
    domain::{
        ids::{IncidentId, PersonId},
        incident::{Claim, Holder, Incident, IncidentState, Position},
        people::Directory,
        start::Warning,
        visit::{Alarm, Awaited, Risk, Visit, VisitOutcome, VisitState, Visiting},
        wording::{English, Wording},
    },
};

/// A person, as others see them.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(super) struct PersonView {
    /// The id.
    pub id: Uuid,
    /// The name.
    pub name: String,
}

impl PersonView {
    pub(super) fn of(directory: &Directory, id: PersonId) -> Self {
        Self { id: id.0, name: directory.name_of(id).into() }
    }
}

/// Another visit of the same worker that is still watched.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(super) struct StillWatched {
    /// Its id.
    pub id: Uuid,
    /// Until when.
    pub expected_departure: DateTime<Utc>,
}

/// A visit.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(super) struct VisitView {
    /// Its id.
    pub id: Uuid,
    /// planned, begun, `going_home`, ended, cancelled or recorded.
    #[schema(pattern = "^(planned|begun|going_home|ended|cancelled|recorded)$")]
    pub state: &'static str,
    /// Who is watched.
    pub worker: PersonView,
    /// Why.
    pub purpose: Option<String>,
    /// Where; of what was planned, the place that was planned.
    pub place: Option<String>,
    /// Another place than that, named as they went in.
    pub place_said: Option<String>,
    /// Whose case.
    pub case_reference: Option<String>,
    /// Who is visited.
    pub visiting: Option<Visiting>,
    /// How dangerous.
    pub risk: Risk,
    /// The phone will have no signal there.
    pub no_signal_expected: bool,
    /// When the worker means to arrive; of a plan.
    pub expected_arrival: Option<DateTime<Utc>>,
    /// When the worker means to be out.
    pub expected_departure: DateTime<Utc>,
    /// Whether that, or whatever else the worker is awaited to do, has passed.
    pub overdue: bool,
    /// The worker says every so many minutes that all is well.
    pub check_every_minutes: Option<i64>,
    /// When they next say so.
    pub next_check_at: Option<DateTime<Utc>>,
    /// So many minutes after leaving the worker says that they are home.
    pub home_within_minutes: Option<i64>,
    /// When the worker left, where the way home was watched.
    pub left_at: Option<DateTime<Utc>>,
    /// By when the worker is home; on the way home.
    pub home_by: Option<DateTime<Utc>>,
    /// Who else is on this visit, each watched on their own.
    pub with: Vec<PersonView>,
    /// When the worker was at the door; as planned, where that was only said when it was over.
    pub arrived_at: Option<DateTime<Utc>>,
    /// When the worker was last heard of.
    pub last_contact_at: Option<DateTime<Utc>>,
    /// When the watching ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// How the watching ended.
    pub ended_how: Option<&'static str>,
    /// The sum of the extensions, in minutes.
    pub extended_minutes: i64,
    /// How it turned out.
    pub outcome: Option<VisitOutcome>,
    /// Who was seen.
    pub seen_whom: Option<String>,
    /// What was done.
    pub work_undertaken: Option<String>,
    /// When that was recorded.
    pub recorded_at: Option<DateTime<Utc>>,
    /// Counts its changes.
    pub version: i64,
    /// What Homeward now believes.
    pub message: String,
    /// What was odd about the request, and what was done about it.
    pub warnings: Vec<Warning>,
    /// Other visits of this worker that are still watched; after a check-out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub still_watched: Vec<StillWatched>,
    /// The open incident about it; shown to those who may see that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<Uuid>,
}

impl VisitView {
    pub(super) fn new(
        actor: &Actor,
        worker: PersonView,
        visit: &Visit,
        alarm: Alarm,
        now: DateTime<Utc>,
    ) -> Self {
        let (ended_at, ended_how) = match &visit.state {
            VisitState::Ended { at, how, .. } => (Some(*at), Some(how.as_str())),
            VisitState::Cancelled { at, .. } | VisitState::Recorded { left_at: at, .. } => (Some(*at), None),
            VisitState::Planned { .. } | VisitState::Begun { .. } | VisitState::GoingHome { .. } => {
                (None, None)
            }
        };
        let details = &visit.details;
        Self {
            id: visit.id.0,
            state: visit.state.as_str(),
            worker,
            purpose: details.purpose.clone(),
            place: details.place.clone(),
            place_said: details.place_said.clone(),
            case_reference: details.case_reference.clone(),
            visiting: details.visiting,
            risk: details.risk,
            no_signal_expected: details.no_signal_expected,
            expected_arrival: match &visit.state {
                VisitState::Planned { expected_arrival, .. } => Some(*expected_arrival),
                _ => None,
            },
            expected_departure: visit.expected_departure,
            overdue: visit.is_overdue(now),
            check_every_minutes: details.check_every.map(|every| every.num_minutes()),
            next_check_at: match &visit.state {
                VisitState::Begun { check, .. } => check.map(|check| check.at),
                _ => None,
            },
            home_within_minutes: details.home_within.map(|within| within.num_minutes()),
            left_at: visit.left_at,
            home_by: match &visit.state {
                VisitState::GoingHome { deadline } => Some(deadline.at),
                _ => None,
            },
            with: vec![],
            arrived_at: visit.arrived_at,
            last_contact_at: visit.last_contact_at,
            ended_at,
            ended_how,
            extended_minutes: visit.extended.num_minutes(),
            outcome: visit.outcome,
            seen_whom: visit.seen_whom.clone(),
            work_undertaken: visit.work_undertaken.clone(),
            recorded_at: visit.recorded_at,
            version: visit.version,
            message: English.believes(visit, alarm, now, actor.zone),
            warnings: vec![],
            still_watched: vec![],
            incident: None,
        }
    }

    /// For those who may see the incident.
    pub(super) fn with_incident(self, incident: Option<IncidentId>) -> Self {
        Self { incident: incident.map(|id| id.0), ..self }
    }
}

/// How an incident was closed.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(super) struct ClosingView {
    /// When.
    pub at: DateTime<Utc>,
    /// By whom.
    pub by: PersonView,
    /// How it ended.
    pub outcome: &'static str,
    /// How that is known.
    pub known_by: &'static str,
    /// Where the worker was then.
    #[schema(value_type = Object)]
    pub worker_now: serde_json::Value,
    /// In the closer's words.
    pub note: String,
}

/// Of which visit a place is.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(super) struct PlaceOf {
    /// `visit`: the one that it is about; `last_visit`, `next_visit`: the worker was on none.
    #[schema(pattern = "^(visit|last_visit|next_visit)$")]
    pub which: &'static str,
    /// When the worker was, or means to be, there.
    pub at: DateTime<Utc>,
}

impl PlaceOf {
    fn new(incident: &Incident, visit: &Visit) -> Self {
        match &visit.state {
            VisitState::Planned { expected_arrival, .. } => {
                Self { which: "next_visit", at: *expected_arrival }
            }
            _ if incident.visit.is_some() => {
                Self { which: "visit", at: visit.arrived_at.unwrap_or(visit.expected_departure) }
            }
            VisitState::Ended { at, .. } => Self { which: "last_visit", at: *at },
            _ => Self { which: "last_visit", at: visit.expected_departure },
        }
    }
}

/// What the police were told under.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(super) struct PoliceView {
    /// Their log number.
    pub log_number: String,
    /// With whom.
    pub officer: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// What was learned.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(super) struct ReviewView {
    /// When.
    pub at: DateTime<Utc>,
    /// By whom.
    pub by: PersonView,
    /// What was learned.
    pub learned: String,
    /// What is done about it.
    pub action: String,
}

/// One thing that happened.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(super) struct EventView {
    /// Where it stands; hand it back as `after`.
    pub cursor: String,
    /// What kind.
    pub kind: String,
    /// When it happened.
    pub happened_at: DateTime<Utc>,
    /// When we learned of it.
    pub learned_at: DateTime<Utc>,
    /// Through which door.
    #[schema(value_type = String)]
    pub door: crate::domain::event::Door,
    /// Who did it; nobody where the machine did.
    pub actor: Option<Uuid>,
    /// visit, incident or organisation.
    pub about: String,
    /// Which one.
    pub about_id: Uuid,
    /// Its number in that log.
    pub number: i64,
    /// Before and after.
    #[schema(value_type = Object)]
    pub body: serde_json::Value,
    /// Personal words, until they are erased.
    #[schema(value_type = Option<Object>)]
    pub words: Option<serde_json::Value>,
    /// The hash that the next one of this log builds on.
    pub hash: String,
}

/// An incident.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "JSON for people's programs: each is a fact of its own")]
pub(super) struct IncidentView {
    /// Its id.
    pub id: Uuid,
    /// overdue, sos or duress.
    #[schema(pattern = "^(overdue|sos|duress)$")]
    pub kind: &'static str,
    /// open or closed.
    #[schema(pattern = "^(open|closed)$")]
    pub state: &'static str,
    /// One line for people.
    pub headline: String,
    /// The worker whom it is about.
    pub subject: PersonView,
    /// Where the worker can be rung.
    pub subject_phone: Option<String>,
    /// The visit that it is about; a call for help needs none.
    pub visit: Option<Uuid>,
    /// Where that is; without a visit the place of the last or the next one.
    pub place: Option<String>,
    /// Another place than the planned one, named as they went in.
    pub place_said: Option<String>,
    /// Of which visit the place is, and when that was or will be: `visit`, `last_visit` or `next_visit`.
    pub place_of: Option<PlaceOf>,
    /// Where the phone was.
    pub position: Option<Position>,
    /// Why it was made.
    pub purpose: Option<String>,
    /// How dangerous it was held to be.
    pub risk: Option<Risk>,
    /// No signal was expected there.
    pub no_signal_expected: bool,
    /// When the worker was last heard of.
    pub last_contact_at: Option<DateTime<Utc>>,
    /// The deadline that was missed, if one was.
    pub expected_departure: Option<DateTime<Utc>>,
    /// What was awaited of the worker by then.
    pub awaited: Option<Awaited>,
    /// When help was last called for.
    pub sos_at: Option<DateTime<Utc>>,
    /// By whom: the worker, or a responder who found them not safe.
    pub sos_by: Option<PersonView>,
    /// When it opened.
    pub opened_at: DateTime<Utc>,
    /// It opened late, because the service had been down.
    pub after_outage: bool,
    /// Who has it.
    pub owner: Option<PersonView>,
    /// Whether the police have it.
    pub with_police: bool,
    /// What the police were told under, last.
    pub police: Option<PoliceView>,
    /// Until when they have it, or when the ladder goes on.
    pub waits_until: Option<DateTime<Utc>>,
    /// What the worker says.
    #[schema(pattern = "^(none|reports_safe|safe_inside|pin_used)$")]
    pub worker_reports: &'static str,
    /// The same in words.
    pub worker_reports_text: Option<String>,
    /// How often the ladder has started again.
    pub raise: i32,
    /// A round reached nobody: somebody has to mend the ladder.
    pub reached_nobody: bool,
    /// The worker may not know of it: a duress alarm, until somebody releases it.
    pub withheld: bool,
    /// The version of the ladder that is in force for it.
    pub ladder: Uuid,
    /// Your code for it, if you were called.
    pub code: Option<String>,
    /// How it was closed.
    pub closing: Option<ClosingView>,
    /// What was learned.
    pub review: Option<ReviewView>,
    /// What is known of whom the visit is to, and of the place; while it is open.
    pub known: Option<KnownView>,
    /// What the worker has with them: car, phone, device; while it is open.
    pub equipment: Vec<HeldView>,
    /// What has to be done after it.
    pub follow_ups: Vec<FollowUpView>,
    /// Counts its changes.
    pub version: i64,
    /// Everything that happened, of the incident and its visit; in a single incident.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<EventView>,
    /// The timeline begins later than what happened: the whole stands under `/events?incident=` and `/events?visit=`.
    pub timeline_cut: bool,
}

impl IncidentView {
    pub(super) fn new(
        directory: &Directory,
        incident: &Incident,
        visit: Option<&Visit>,
        code: Option<String>,
        now: DateTime<Utc>,
    ) -> Self {
        let zone = directory.zone;
        let name = directory.name_of(incident.subject);
        let (holder, claim, closing, review) = match &incident.state {
            IncidentState::Open { holder, claim } => (Some(holder), *claim, None, None),
            IncidentState::Closed { closing, review } => (None, Claim::None, Some(closing), review.as_ref()),
        };
        let person = |id| PersonView::of(directory, id);
        Self {
            id: incident.id.0,
            kind: incident.kind.as_str(),
            state: if incident.is_open() { "open" } else { "closed" },
            headline: English.headline(incident, name, now, zone),
            subject: person(incident.subject),
            subject_phone: directory
                .person(incident.subject)
                .and_then(|person| person.phone.as_ref())
                .map(|phone| phone.as_str().to_owned()),
            visit: incident.visit.map(|visit| visit.0),
            place_of: visit.map(|visit| PlaceOf::new(incident, visit)),
            position: incident.position,
            place: visit.and_then(|visit| visit.details.place.clone()),
            place_said: visit.and_then(|visit| visit.details.place_said.clone()),
            purpose: visit.and_then(|visit| visit.details.purpose.clone()),
            risk: visit.map(|visit| visit.details.risk),
            no_signal_expected: visit.is_some_and(|visit| visit.details.no_signal_expected),
            last_contact_at: visit.and_then(|visit| visit.last_contact_at),
            expected_departure: incident.missed.map(|missed| missed.at),
            awaited: incident.missed.map(|missed| missed.what),
            sos_at: incident.sos.map(|sos| sos.at),
            sos_by: incident.sos.map(|sos| person(sos.by)),
            opened_at: incident.opened_at,
            after_outage: incident.opened == crate::domain::incident::Opened::AfterOutage,
            owner: incident.owner().map(person),
            with_police: matches!(holder, Some(Holder::WithPolice { .. })),
            police: incident.police.as_ref().map(|police| PoliceView {
                log_number: police.log_number.clone(),
                officer: police.officer.clone(),
                at: police.at,
            }),
            waits_until: holder.map(|holder| holder.waits_until()),
            worker_reports: claim.as_str(),
            worker_reports_text: English.claim(claim, now, zone),
            raise: incident.rung.raise,
            reached_nobody: incident.reached_nobody,
            withheld: incident.is_withheld(),
            ladder: incident.ladder.0,
            code,
            closing: closing.map(|closing| ClosingView {
                at: closing.at,
                by: person(closing.by),
                outcome: closing.outcome.as_str(),
                known_by: closing.known_by.as_str(),
                worker_now: serde_json::to_value(closing.worker_now).unwrap_or_default(),
                note: closing.note.clone(),
            }),
            review: review.map(|review| ReviewView {
                at: review.at,
                by: person(review.by),
                learned: review.learned.clone(),
                action: review.action.clone(),
            }),
            known: None,
            equipment: vec![],
            follow_ups: vec![],
            version: incident.version,
            timeline: vec![],
            timeline_cut: false,
        }
    }
}
