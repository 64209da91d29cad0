//! "I am at the door" of what was planned, also where the plan is over already: whoever is at a door is watched.

use super::{Came, Done, Request, act, alarm_of, starts};
use crate::{
    app::{House, Outcome, Rejected, access::Actor, allowed},
    clock::Time,
    domain::{
        command::Plan,
        ids::VisitId,
        local_time::written,
        policy::AgreementAsked,
        start::{Departure, Start, Warning},
        visit::{Act, Said, Visit, VisitState},
    },
    store::{Trace, Tx, chases, pins, visits},
};

/// Begins a planned visit. Where the worker's own plan was over without ever having begun (cancelled, ended with the incident about
/// it, or said to be left), a new visit begins with what was planned.
pub async fn arrive(
    tx: &mut Tx,
    house: &House,
    actor: &Actor,
    id: VisitId,
    made_at: Option<Time>,
    trace: Trace,
) -> Outcome<Done> {
    // Lock order: it may become a start, which locks the PIN row first.
    pins::load(tx, actor.person).await?;
    let request = Request { act: Act::Arrive, pin: None, known_by: None, made_at };
    let refused = match act(tx, house, actor, id, request, trace).await? {
        Err(refused @ Rejected::Visit { .. }) => refused,
        done => return Ok(done),
    };
    let plan = visits::find(tx, actor.organisation, id).await?;
    let said = Said::of_a_start(made_at, trace.now).at;
    let Some(plan) = plan.filter(|plan| plan.worker == actor.person && plan.was_over_before_it_began(said))
    else {
        return Ok(Err(refused));
    };
    if plan.arrived_at.is_none() {
        // What they make of it now is asked of the new visit.
        chases::drop(tx, plan.organisation, plan.id.0).await?;
    }
    let length = plan.expected_arrival.map(|arrival| plan.expected_departure - arrival);
    let start = Start {
        details: plan.details.clone(),
        expected_arrival: None,
        departure: length.map_or(Departure::Missing, Departure::After),
        made_at,
        plan: Plan::AsDescribed,
    };
    // Said again it is the visit that this began, as long as nobody would be watched for longer than by a new one.
    let is_it = |visit: &Visit| {
        let inside = matches!(visit.state, VisitState::Begun { .. }) && visit.expected_departure > trace.now;
        let own = visit.expected_departure - visit.extended;
        inside && length.is_some_and(|length| own <= said + length) && start.describes(visit)
    };
    let running = visits::running_of(tx, actor.organisation, actor.person).await?;
    if let Some(begun) = running.into_iter().find(is_it) {
        let alarm = alarm_of(tx, &begun).await?;
        let till = written(begun.expected_departure, trace.now, actor.zone);
        let instead = format!("this is another visit of yours, you are watched till {till}");
        let (warnings, came) = (vec![instead_of(&plan, &instead)], Came::ThereBefore);
        return Ok(Ok(Done { visit: begun, alarm, warnings, came, agreement: AgreementAsked::NotAsked }));
    }
    let (own, id) = (starts::ForWhom::Self_, VisitId::new(trace.now));
    let mut done = allowed!(starts::start(tx, house, actor, &own, start, id, trace).await?);
    let till = written(done.visit.expected_departure, trace.now, actor.zone);
    let instead = match done.came {
        Came::New | Came::NewThoughSeveralPlansFit => "a new visit was begun",
        Came::Arrival | Came::ThereBefore => "this is another visit of yours",
    };
    done.warnings.insert(0, instead_of(&plan, &format!("{instead}, you are watched till {till}")));
    Ok(Ok(done))
}

fn instead_of(plan: &Visit, instead: &str) -> Warning {
    let what = match plan.state {
        VisitState::GoingHome { .. } => "you had said that you left the planned visit",
        _ => "the planned visit was over",
    };
    Warning::general(format!("{what}: {instead}"))
}
