//! "I am going in": a start is never refused (row V12). What is missing or odd becomes a default and a warning.

use chrono::TimeDelta;
use serde::Serialize;
use serde_json::json;

use super::{
    command::Plan,
    event::{ChainHead, EventKind, NewEvent, stamp},
    ids::{OrganisationId, PersonId, TeamId, VisitId},
    policy::{Policy, delta},
    visit::{
        Awaited, Deadline, Decision, Details, FURTHEST_AHEAD, PLAN_MATCHES, Risk, SAID_TWICE, SAME_WORDS,
        Said, Visit, VisitState,
    },
};
use crate::clock::Time;

/// When the worker means to be out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// Not said.
    Missing,
    /// So long after the start.
    After(TimeDelta),
    /// At this instant.
    At(Time),
}

/// What somebody said who goes in, or means to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// What is known beforehand.
    pub details: Details,
    /// When the worker means to be there; ahead of now it makes this a plan.
    pub expected_arrival: Option<Time>,
    /// When the worker means to be out.
    pub departure: Departure,
    /// When it was said, if that was before it reached us (row V13).
    pub made_at: Option<Time>,
    /// Which plan it may be the arrival at.
    pub plan: Plan,
}

/// Something odd about a start. The visit is watched all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Warning {
    /// Which field, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What was done about it.
    pub message: String,
}

impl Warning {
    /// About one field.
    pub fn about(field: &str, message: impl Into<String>) -> Self {
        Self { field: Some(field.into()), message: message.into() }
    }

    /// About the whole.
    pub fn general(message: impl Into<String>) -> Self {
        Self { field: None, message: message.into() }
    }
}

/// Whose visit it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whose {
    /// The organisation.
    pub organisation: OrganisationId,
    /// The worker's team.
    pub team: TeamId,
    /// The worker.
    pub worker: PersonId,
    /// Who says so: the worker, or somebody on their behalf.
    pub by: PersonId,
}

/// Why a plan was refused. Only planning may be (row V12).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPlan {
    /// It would end before it begins.
    #[error("the expected departure must be after the expected arrival")]
    EndsBeforeItBegins,
    /// It is longer than a visit can be.
    #[error("a visit can be planned for 12 hours at most")]
    TooLong,
    /// It is too far away.
    #[error("a visit can be planned 366 days ahead at most")]
    TooFar,
}

impl Start {
    /// Whether this is a plan rather than a start.
    pub fn is_plan(&self, now: Time) -> bool {
        self.expected_arrival.is_some_and(|arrival| arrival > now)
    }

    /// What the team asks of every visit, where the start says nothing of it.
    #[must_use]
    pub fn as_the_team_works(mut self, policy: &Policy) -> Self {
        let details = &mut self.details;
        details.check_every = details.check_every.or(policy.check_every(details.risk));
        details.home_within = details.home_within.or(policy.home_within());
        self
    }

    /// The instant from which its minutes count: when it was said, if that is plausible.
    fn said_at(&self, now: Time) -> Time {
        Said::of_a_start(self.made_at, now).at
    }

    /// Until when the worker is watched, and what was odd about what they said.
    pub fn deadline(&self, now: Time, policy: &Policy) -> (Time, Vec<Warning>) {
        let mut warnings = Vec::new();
        let said_at = self.said_at(now);
        if self.made_at.is_some_and(|made| made != said_at) {
            warnings.push(Warning::about("made_at", "this time cannot be right; counted from now"));
        }
        let default = delta(policy.default_visit);
        let minutes = default.num_minutes().max(1);
        let wanted = match self.departure {
            Departure::Missing => {
                warnings.push(Warning::general(format!(
                    "no end time given: watched for {minutes} minutes. When will you be out?"
                )));
                return ((said_at + default).max(now), warnings);
            }
            Departure::After(length) => said_at + length,
            Departure::At(at) => at,
        };
        let odd = |what: &str| {
            Warning::about(
                "expected_departure",
                format!("this end time {what}: watched for {minutes} minutes. When will you be out?"),
            )
        };
        if wanted > now + FURTHEST_AHEAD {
            warnings.push(odd("is more than 12 hours away"));
            return ((said_at + default).max(now), warnings);
        }
        if wanted > now {
            return (wanted, warnings);
        }
        if said_at < now && wanted > said_at {
            // It had run out before it reached us: due now, and the worker is asked at once.
            warnings.push(Warning::about(
                "made_at",
                "this visit had already run out when it reached us: you are watched from now and due out now",
            ));
            return (now, warnings);
        }
        warnings.push(odd("is not after the start"));
        ((said_at + default).max(now), warnings)
    }

    /// A visit that begins now.
    pub fn begin(self, id: VisitId, whose: Whose, now: Time, policy: &Policy) -> (Decision, Vec<Warning>) {
        let (at, warnings) = self.deadline(now, policy);
        let said_at = self.said_at(now);
        let of = (Awaited::Departure, self.details.risk);
        let deadline = Deadline::new(at, 1, now, of, policy);
        let mut visit = self.visit(id, whose, at, VisitState::Begun { deadline, check: None });
        visit.begin(at, 1, now, policy);
        visit.arrived_at = Some(said_at);
        visit.last_contact_at = Some(said_at);
        let event = first_event(EventKind::VisitStarted, &visit, whose, said_at);
        (Decision { visit, events: vec![event], effects: vec![] }, warnings)
    }

    /// A visit that is planned.
    pub fn plan(
        self,
        id: VisitId,
        whose: Whose,
        now: Time,
        policy: &Policy,
    ) -> Result<(Decision, Vec<Warning>), BadPlan> {
        let expected_arrival = self.expected_arrival.unwrap_or(now);
        if expected_arrival - now > TimeDelta::days(366) {
            return Err(BadPlan::TooFar);
        }
        let mut warnings = Vec::new();
        let expected_departure = match self.departure {
            Departure::At(at) => at,
            Departure::After(length) => expected_arrival + length,
            Departure::Missing => {
                let minutes = delta(policy.default_visit).num_minutes();
                warnings.push(Warning::about(
                    "expected_departure",
                    format!("no end time given: planned for {minutes} minutes"),
                ));
                expected_arrival + delta(policy.default_visit)
            }
        };
        if expected_departure <= expected_arrival {
            return Err(BadPlan::EndsBeforeItBegins);
        }
        if expected_departure - expected_arrival > FURTHEST_AHEAD {
            return Err(BadPlan::TooLong);
        }
        let of = (Awaited::Arrival, self.details.risk);
        let deadline = Some(Deadline::new(expected_arrival, 1, now, of, policy));
        let state = VisitState::Planned { expected_arrival, expected_departure, deadline };
        let mut visit = self.visit(id, whose, expected_departure, state);
        visit.expected_arrival = Some(expected_arrival);
        let event = first_event(EventKind::VisitPlanned, &visit, whose, now);
        Ok((Decision { visit, events: vec![event], effects: vec![] }, warnings))
    }

    /// Whether this is the arrival at a visit that the worker had planned: the time is near, and place or case agree, or it is said to be
    /// the next one. Two cases are two visits.
    pub fn is_arrival_at(&self, planned: &Visit, now: Time) -> bool {
        let VisitState::Planned { expected_arrival, .. } = &planned.state else { return false };
        let agree = |ours: &Option<String>, theirs: &Option<String>| matches!((ours, theirs), (Some(ours), Some(theirs)) if same_words(ours, theirs));
        let (ours, theirs) = (&self.details, &planned.details);
        let same_case = agree(&ours.case_reference, &theirs.case_reference);
        let another_case = ours.case_reference.is_some() && theirs.case_reference.is_some() && !same_case;
        (*expected_arrival - self.said_at(now)).abs() <= PLAN_MATCHES
            && !another_case
            && (self.plan == Plan::Next || same_case || agree(&ours.place, &theirs.place))
    }

    /// Begins a planned visit with these words; the earlier deadline wins. What they say now and had not planned is added; another
    /// place stands beside the planned one.
    pub fn arrive_at(
        self,
        mut planned: Visit,
        whose: Whose,
        now: Time,
        policy: &Policy,
    ) -> (Decision, Vec<Warning>) {
        let (own, mut warnings) = self.deadline(now, policy);
        let at = match (self.departure, planned.expected_departure > now) {
            (Departure::Missing, true) => {
                warnings.clear();
                planned.expected_departure.min(now + FURTHEST_AHEAD)
            }
            (_, true) => own.min(planned.expected_departure),
            (_, false) => own,
        };
        let said_at = self.said_at(now);
        let merged = &mut planned.details;
        match (&merged.place, self.details.place) {
            (Some(planned), Some(said)) if !same_words(planned, &said) => merged.place_said = Some(said),
            (Some(_), _) => {}
            (None, said) => merged.place = said,
        }
        merged.purpose = merged.purpose.take().or(self.details.purpose);
        merged.case_reference = merged.case_reference.take().or(self.details.case_reference);
        merged.visiting = merged.visiting.or(self.details.visiting);
        merged.risk =
            if self.details.risk == super::visit::Risk::High { self.details.risk } else { merged.risk };
        merged.no_signal_expected |= self.details.no_signal_expected;
        merged.check_every = merged.check_every.into_iter().chain(self.details.check_every).min();
        merged.home_within = merged.home_within.into_iter().chain(self.details.home_within).min();
        let number = i32::try_from(planned.version).unwrap_or(i32::MAX - 1) + 1;
        planned.begin(at, number, now, policy);
        planned.arrived_at = Some(said_at);
        planned.last_contact_at = Some(said_at);
        if whose.by == whose.worker {
            // What others did since the worker was last heard of ends here, as when they say that they are at the door.
            planned.extended_by_others = TimeDelta::zero();
        }
        let event = first_event(EventKind::VisitStarted, &planned, whose, said_at);
        (Decision { visit: planned, events: vec![event], effects: vec![] }, warnings)
    }

    /// The one of their visits that these words began before. `NEXT` alone soon means the next plan, where there is one.
    pub fn said_before<'a>(&self, running: &'a [Visit], now: Time, policy: &Policy) -> Option<&'a Visit> {
        let Details { place, case_reference, .. } = &self.details;
        let names_none = self.plan == Plan::Next && place.is_none() && case_reference.is_none();
        let goes_on = names_none && running.iter().any(|visit| self.is_arrival_at(visit, now));
        running.iter().find(|visit| {
            let just_now = visit.arrived_at.is_some_and(|arrived| now - arrived < SAID_TWICE);
            self.repeats(visit, now, policy) && (just_now || !goes_on)
        })
    }

    /// Whether these are the words that began `running`, said again within ten minutes while it still runs.
    fn repeats(&self, running: &Visit, now: Time, policy: &Policy) -> bool {
        let (VisitState::Begun { .. }, Some(since)) = (&running.state, running.arrived_at) else {
            return false;
        };
        let until = running.expected_departure;
        let own = Self { made_at: None, ..self.clone() }.deadline(since, policy).0;
        // Of what was planned the earlier end counted; once that is past, more is meant than was said before.
        let planned = running.expected_arrival.is_some() && until > now;
        let earlier = planned && (self.departure == Departure::Missing || own > until);
        let same_end = own == until || self.departure == Departure::At(until) || earlier;
        // What was long on its way and comes twice was said at the same instant.
        let said_then = self.made_at == Some(since);
        (now - since < SAME_WORDS && same_end || said_then) && self.describes(running)
    }

    /// Whether a visit that runs can have begun with these words: what they leave out may have been planned.
    pub fn describes(&self, running: &Visit) -> bool {
        let (ours, theirs) = (&self.details, &running.details);
        let planned = running.expected_arrival.is_some();
        let same = |ours: &Option<String>, theirs: &Option<String>| match (ours, theirs) {
            (None, None) => true,
            (Some(ours), Some(theirs)) => ours == theirs || planned && same_words(ours, theirs),
            (ours, _) => planned && ours.is_none(),
        };
        let place = if theirs.place_said.is_some() { &theirs.place_said } else { &theirs.place };
        let no_more = |ours: Option<TimeDelta>, theirs: Option<TimeDelta>| {
            theirs.is_some() && ours.is_none_or(|ours| theirs <= Some(ours))
        };
        same(&ours.place, place)
            && same(&ours.case_reference, &theirs.case_reference)
            // What was planned of these stood.
            && (planned || ours.purpose == theirs.purpose && ours.visiting == theirs.visiting)
            // It may run as high risk for want of an agreement, with the checks of such visits.
            && (theirs.risk == Risk::High || ours.risk == Risk::Normal)
            && (ours.no_signal_expected == theirs.no_signal_expected || planned && theirs.no_signal_expected)
            && (ours.check_every == theirs.check_every || no_more(ours.check_every, theirs.check_every))
            && (ours.home_within == theirs.home_within
                || planned && no_more(ours.home_within, theirs.home_within))
    }

    fn visit(self, id: VisitId, whose: Whose, expected_departure: Time, state: VisitState) -> Visit {
        Visit {
            id,
            organisation: whose.organisation,
            team: whose.team,
            worker: whose.worker,
            details: self.details,
            state,
            expected_arrival: None,
            expected_departure,
            arrived_at: None,
            left_at: None,
            party: None,
            last_contact_at: None,
            extended: TimeDelta::zero(),
            extended_by_others: TimeDelta::zero(),
            acted_by: None,
            outcome: None,
            seen_whom: None,
            work_undertaken: None,
            recorded_at: None,
            version: 0,
            chain: ChainHead::default(),
        }
    }
}

fn first_event(kind: EventKind, visit: &Visit, whose: Whose, said_at: Time) -> NewEvent {
    let details = &visit.details;
    let expected_arrival = match &visit.state {
        VisitState::Planned { expected_arrival, .. } => Some(stamp(*expected_arrival)),
        _ => None,
    };
    NewEvent::new(
        kind,
        said_at,
        json!({"after": {
            "state": visit.state.as_str(),
            "worker": whose.worker,
            "expected_arrival": expected_arrival,
            "expected_departure": stamp(visit.expected_departure),
            "risk": details.risk,
            "visiting": details.visiting,
            "no_signal_expected": details.no_signal_expected,
            "check_every_minutes": details.check_every.map(|every| every.num_minutes()),
            "home_within_minutes": details.home_within.map(|within| within.num_minutes()),
            "on_behalf": whose.by != whose.worker,
        }}),
    )
    .with_private(json!({
        "purpose": details.purpose,
        "place": details.place,
        "place_said": details.place_said,
        "case_reference": details.case_reference,
    }))
}

/// Case, blanks and punctuation do not make a place another place.
fn same_words(one: &str, other: &str) -> bool {
    let plain = |text: &str| {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>()
    };
    let one = plain(one);
    !one.is_empty() && one == plain(other)
}
