//! What has to hold: after every round, after every step, and of the whole run (I1 to I4 of the list of faults).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::TimeDelta;
use homeward::{
    clock::Time,
    domain::{
        contact::Channel,
        event::EventKind,
        ids::MessageId,
        incident::{self, IncidentState, Opened},
        notice::Purpose,
        visit::{Awaited, EndedHow, VisitState},
    },
    store::{
        Pools,
        events::{self, ChainOf},
        incidents,
        messages::{self, Message, MessageState},
        people, visits,
    },
};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::{
    desk::Entry,
    model::{Claim, Holder, Kind, Stand, What, Who},
    reached::whoever_is_called_is_reached,
    receipts::{still_calls, what_did_not_arrive_went_by_mail},
    world::{LEASE, World, outbox_due},
};

/// A retry waits for a minute at most, a claim for its lease, a provider that asked to be left alone for 40 seconds; the
/// rest is the grid.
const ALL_GONE_AFTER: TimeDelta = TimeDelta::seconds(120);
/// A call may go out so long after somebody took the alarm (I2).
const STILL_CALLED: TimeDelta = TimeDelta::seconds(30);

/// Nothing that was due is left, and where nothing stands in the way no message waits.
pub async fn after_a_round(world: &World, somebody_works: bool) {
    if !somebody_works {
        return;
    }
    let now = world.now();
    let mut tx = world.read().await;
    let timer = homeward::app::tick::next_due(&mut tx).await.unwrap();
    assert!(timer.is_none_or(|due| due > now), "the timer left something undone: {timer:?}");
    let outbox = outbox_due(&mut tx).await;
    left_for_the_more_urgent(world).await;
    if now - world.well_since > ALL_GONE_AFTER {
        assert_eq!(outbox, None, "nothing stands in the way since {} and a message waits", world.well_since);
    }
}

/// What is due was sent, or waits for a moment because something more urgent of its channel has just been claimed or is due
/// again at once.
async fn left_for_the_more_urgent(world: &World) {
    let text = "SELECT channel, rank, tries, due_at FROM outbox";
    let rows: Vec<(Channel, i32, i32, Time)> = match world.database().pools() {
        Pools::Sqlite(pool) => sqlx::query_as(text).fetch_all(pool).await.unwrap(),
        Pools::Postgres(pool) => sqlx::query_as(text).fetch_all(pool).await.unwrap(),
    };
    let (now, moment) = (world.now(), TimeDelta::seconds(1));
    for (channel, rank, _, due) in rows.iter().filter(|(.., due)| *due <= now) {
        let goes_first = |(other, more_urgent, tries, due): &(Channel, i32, i32, Time)| {
            let fresh = *due <= now + moment || (*due - (now + LEASE)).abs() <= moment;
            other == channel && more_urgent < rank && *tries <= 1 && fresh
        };
        assert!(rows.iter().any(goes_first), "the outbox left something undone since {due}");
    }
}

/// Every row says what the model says.
pub async fn after_a_step(world: &World) {
    let mut tx = world.read().await;
    let all = visits::list(&mut tx, world.organisation, visits::Filter::default(), 1000).await.unwrap();
    let visit_due = due(world, "SELECT visit_id, due_at FROM visit_deadline").await;
    assert_eq!(all.len(), world.model.visits.len(), "the number of visits");
    for (at, (id, expected)) in world.visits.iter().zip(&world.model.visits).enumerate() {
        let visit = all.iter().find(|visit| visit.id == *id).unwrap();
        assert_eq!(stand(&visit.state), expected.stand, "where visit {at} stands");
        assert_eq!(visit.arrived_at, expected.began, "since when visit {at} runs");
        assert_eq!(visit.expected_departure, expected.until, "until when visit {at} is watched");
        let by_incident = expected.in_sos || world.model.own_overdue(at);
        let told_at = expected.told().map(|(told_at, ..)| told_at).filter(|_| !by_incident);
        match (visit_due.get(&id.0), told_at) {
            (Some(due), Some(told_at)) => {
                assert!(
                    *due <= told_at.max(world.now()),
                    "visit {at} is due at {due}, and told at {told_at}"
                );
            }
            (due, told_at) => assert_eq!(due, told_at.as_ref(), "whether visit {at} has a deadline"),
        }
    }
    let all = incidents::list(&mut tx, world.organisation, incidents::Filter::default(), 1000).await.unwrap();
    let incident_due = due(world, "SELECT incident_id, due_at FROM incident_deadline").await;
    assert_eq!(all.len(), world.model.incidents.len(), "the number of incidents");
    for (at, (id, expected)) in world.incidents.iter().zip(&world.model.incidents).enumerate() {
        let incident = all.iter().find(|incident| incident.id == *id).unwrap();
        assert_eq!(incident.subject, world.contacts[expected.subject]);
        assert_eq!(incident.opened == Opened::AfterOutage, expected.after_outage, "how incident {at} opened");
        let kind = match incident.kind {
            incident::Kind::Overdue => Kind::Overdue,
            incident::Kind::Sos => Kind::Sos,
            incident::Kind::Duress => Kind::Duress,
        };
        assert_eq!(kind, expected.kind, "what incident {at} is about");
        let missed = incident.missed.map(|missed| (what(missed.what), missed.at));
        let tied = missed.is_some_and(|(what, at)| {
            expected.missed_too.contains(&what) && expected.missed.is_some_and(|(_, then)| then == at)
        });
        assert!(
            tied || missed == expected.missed,
            "what its worker missed, of incident {at}: {missed:?}, {:?}",
            expected.missed
        );
        assert_eq!(incident.is_open(), expected.open, "whether incident {at} is open");
        let due = incident_due.get(&id.0).copied();
        assert_eq!(due, expected.due(), "when incident {at} is due");
        let IncidentState::Open { holder, claim } = &incident.state else { continue };
        assert_eq!(held(world, holder), expected.holder, "who has incident {at}");
        assert_eq!(claimed(claim), expected.claim, "what is said of incident {at}");
        let rung = (incident.rung.raise, incident.rung.step, incident.rung.round);
        assert_eq!(rung, (expected.raise, expected.step, expected.round), "how far incident {at} has got");
    }
}

fn stand(state: &VisitState) -> Stand {
    match state {
        VisitState::Planned { expected_arrival, .. } => Stand::Planned { arrival: *expected_arrival },
        VisitState::Begun { check, .. } => Stand::Inside { check: check.map(|check| check.at) },
        VisitState::GoingHome { deadline } => Stand::GoingHome { by: deadline.at },
        VisitState::Ended { how, .. } => {
            Stand::Ended { by_other: matches!(how, EndedHow::EndedForWorker | EndedHow::WithIncident) }
        }
        VisitState::Cancelled { .. } => Stand::Cancelled,
        VisitState::Recorded { .. } => panic!("nobody put a visit on record afterwards"),
    }
}

fn what(awaited: Awaited) -> What {
    match awaited {
        Awaited::Departure => What::Departure,
        Awaited::Arrival => What::Arrival,
        Awaited::WelfareCheck => What::Check,
        Awaited::HomeSafe => What::Home,
    }
}

fn held(world: &World, holder: &incident::Holder) -> Holder {
    match *holder {
        incident::Holder::Nobody { due } => Holder::Nobody { due },
        incident::Holder::Owned { by, until, warned } => Holder::Owned { by: world.who(by), until, warned },
        incident::Holder::WithPolice { by, due, unanswered } => {
            Holder::WithPolice { by: world.who(by), due, unanswered }
        }
    }
}

fn claimed(claim: &incident::Claim) -> Claim {
    match *claim {
        incident::Claim::None => Claim::None,
        incident::Claim::ReportsSafe => Claim::Safe,
        incident::Claim::SafeInside { till } => Claim::SafeInside { till },
        incident::Claim::PinUsed { at } => Claim::PinUsed { at },
    }
}

async fn due(world: &World, text: &'static str) -> HashMap<Uuid, Time> {
    let rows: Vec<(Uuid, Time)> = match world.database().pools() {
        Pools::Sqlite(pool) => sqlx::query_as(text).fetch_all(pool).await.unwrap(),
        Pools::Postgres(pool) => sqlx::query_as(text).fetch_all(pool).await.unwrap(),
    };
    rows.into_iter().collect()
}

/// Whoever an open incident is about reads nothing of it at any door; of a duress alarm not afterwards either.
pub async fn the_subject_sees_nothing(world: &mut World, incident: usize) {
    let token = world.tokens[world.model.incidents[incident].subject].clone();
    let ids: Vec<String> = (world.incidents.iter().zip(&world.model.incidents))
        .filter(|(_, it)| {
            (it.open || it.kind == Kind::Duress) && it.subject == world.model.incidents[incident].subject
        })
        .map(|(id, _)| id.to_string())
        .collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/v1", listener.local_addr().unwrap());
    let routes = world.door().unwrap().routes();
    let server = tokio::spawn(async move { axum::serve(listener, routes).await });
    homeward::providers::install_crypto();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let paths = ["/visits", "/incidents", "/events?limit=500", "/me"].map(String::from);
    let own = ids.iter().flat_map(|id| [format!("/incidents/{id}"), format!("/events?incident={id}")]);
    for path in paths.into_iter().chain(own) {
        let reply = http.get(format!("{url}{path}")).bearer_auth(&token).send().await.unwrap();
        assert!(reply.status() == 200 || reply.status() == 404, "{path}: {reply:?}");
        let text = reply.text().await.unwrap().replace(&path, "");
        for id in &ids {
            assert!(!text.contains(id.as_str()), "the subject of {id} reads of it at {path}: {text}");
        }
    }
    server.abort();
}

/// One entry of the ledger, beside the message that it was.
struct Handed<'r> {
    entry: &'r Entry,
    message: &'r Message,
    /// The incidents that it is about: a list after an outage names several.
    about: Vec<usize>,
}

/// I1 to I4, of everything that was ever handed over.
pub async fn at_the_end(world: &mut World) {
    let mut tx = world.read().await;
    let rows = messages::list(&mut tx, world.organisation, 100_000).await.unwrap();
    let mut codes: BTreeMap<(usize, Who), String> = BTreeMap::new();
    for (at, id) in world.incidents.iter().enumerate() {
        for (who, person) in &world.contacts {
            if let Some(code) = people::code_of(&mut tx, *id, *person).await.unwrap() {
                codes.insert((at, who), code);
            }
        }
    }
    drop(tx);
    let about = |message: &Message| about(world, message, &codes);
    let by_id: HashMap<MessageId, &Message> = rows.iter().map(|message| (message.id, message)).collect();
    let ledger = world.desk.ledger();
    let mut handed = Vec::new();
    for entry in ledger.iter().filter(|entry| entry.taken) {
        let message = by_id
            .get(&entry.id)
            .unwrap_or_else(|| panic!("I3: handed over and no message of ours: {entry:?}"));
        assert_eq!((&message.address, message.channel), (&entry.address, entry.channel), "I3: {entry:?}");
        handed.push(Handed { entry, message, about: about(message) });
    }
    each_step_called(world, &rows, &handed, &about);
    nobody_called_who_need_not(world, &handed);
    the_log_explains(world, &rows, &handed).await;
    no_more_repeats_than_faults(world, &handed);
    whoever_was_called_knows_who_has_it(world, &rows, &handed);
    let mails = what_did_not_arrive_went_by_mail(world, &rows, &ledger, &about);
    each_text_is_answered_once(world, &rows);
    let calls = |call: &Message, at| still_calls(world, at, &about(call), call.raise);
    let otherwise = whoever_is_called_is_reached(world, &rows, &ledger, &calls);
    for message in &rows {
        for at in about(message) {
            let subject = world.contacts[world.model.incidents[at].subject];
            assert_ne!(message.recipient_id, Some(subject), "the subject was written to about incident {at}");
        }
    }
    for kind in mails {
        world.count(kind);
    }
    for _ in 0..otherwise {
        world.count("called otherwise than by whom was asked first");
    }
}

fn about(world: &World, message: &Message, codes: &BTreeMap<(usize, Who), String>) -> Vec<usize> {
    if let Some(id) = message.incident_id {
        return world.incidents.iter().position(|other| *other == id).into_iter().collect();
    }
    let (true, Some(person)) = (message.purpose.calls_to_act(), message.recipient_id) else { return vec![] };
    let who = world.who(person);
    let words = format!("{} {}", message.short_text, message.body);
    let named = |at: &usize| codes.get(&(*at, who)).is_some_and(|code| words.contains(code.as_str()));
    (0..world.incidents.len()).filter(named).collect()
}

/// I1: each due step of each incident that nobody had taken reached a provider, by everybody's messages.
fn each_step_called(
    world: &World,
    rows: &[Message],
    handed: &[Handed<'_>],
    about: &impl Fn(&Message) -> Vec<usize>,
) {
    for (at, incident) in world.model.incidents.iter().enumerate() {
        let lists: Vec<&Message> =
            rows.iter().filter(|row| row.incident_id.is_none() && about(row).contains(&at)).collect();
        for round in incident.rounds.iter().filter(|round| round.number == 0) {
            let of_round: Vec<&Message> = (rows
                .iter()
                .filter(|row| row.incident_id == Some(world.incidents[at])))
            .filter(|row| {
                row.rung()
                    .is_some_and(|rung| (rung.raise, rung.step, rung.round) == (round.raise, round.step, 0))
            })
            .chain(lists.iter().copied().filter(|list| list.created_at == round.at))
            .collect();
            let written: BTreeSet<Who> =
                of_round.iter().filter_map(|row| Some(world.who(row.recipient_id?))).collect();
            assert_eq!(
                written,
                round.told.iter().copied().collect(),
                "I1: whom incident {at} called in raise {}, step {}",
                round.raise,
                round.step
            );
            let reached = handed.iter().any(|handed| of_round.iter().any(|row| row.id == handed.entry.id));
            let taken_in_time = incident.quiet.iter().any(|quiet| quiet.since >= round.at);
            assert!(
                reached || taken_in_time,
                "I1: raise {}, step {} of incident {at} reached no provider",
                round.raise,
                round.step
            );
        }
    }
}

/// I2: no call to act goes out once somebody has the alarm, or it is over.
fn nobody_called_who_need_not(world: &World, handed: &[Handed<'_>]) {
    for Handed { entry, message, about } in
        handed.iter().filter(|handed| handed.message.purpose.calls_to_act())
    {
        let in_vain = |at: &usize| {
            world.model.incidents[*at].quiet.iter().any(|quiet| {
                let to_owner =
                    quiet.owner.is_some_and(|owner| message.recipient_id == Some(world.contacts[owner]));
                !to_owner
                    && entry.at > quiet.since + STILL_CALLED
                    && quiet.until.is_none_or(|until| entry.at < until)
            })
        };
        assert!(
            about.is_empty() || !about.iter().all(in_vain),
            "I2: {} was called at {} about {about:?}, {} of {}",
            entry.address,
            entry.at,
            if message.incident_id.is_some() { "by a call" } else { "by the list" },
            message.created_at
        );
    }
}

/// I3: the chains hold, and whatever a provider has stands in them.
async fn the_log_explains(world: &World, rows: &[Message], handed: &[Handed<'_>]) {
    let mut tx = world.read().await;
    for (chain, organisation) in events::chains_any_org(&mut tx).await.unwrap() {
        events::verify_any_org(&mut tx, chain, organisation).await.unwrap().expect("I3: the chain holds");
    }
    let chains = (world.incidents.iter().map(|id| ChainOf::Incident(*id)))
        .chain(world.visits.iter().map(|id| ChainOf::Visit(*id)))
        .chain([ChainOf::Organisation]);
    let mut accepted: HashSet<String> = HashSet::new();
    for chain in chains {
        for kept in events::list_chain(&mut tx, world.organisation, chain, 0, 100_000).await.unwrap() {
            if kept.event.kind == EventKind::MessageAccepted.as_str() {
                let body: serde_json::Value = serde_json::from_str(&kept.event.body).unwrap();
                let new = accepted.insert(body["message"].as_str().unwrap().to_owned());
                assert!(new, "I3: taken twice, says the log: {body}");
            }
        }
    }
    for message in rows {
        let logged = accepted.contains(&message.id.to_string());
        assert_eq!(logged, message.state == MessageState::Accepted, "I3: {message:?} {:?}", message.state);
        let given = handed.iter().any(|handed| handed.entry.id == message.id);
        match message.state {
            MessageState::Accepted => assert!(given, "I3: marked as taken and nobody has it: {message:?}"),
            MessageState::Pending => panic!("a message was left: {message:?}"),
            MessageState::Refused | MessageState::TakenBack => {
                let unknown = world.desk.lost(message.id) > 0;
                assert!(!given || unknown, "I3: a provider has it and the log does not say so: {message:?}");
            }
        }
    }
}

/// I4: a message goes twice only if what came of it the first time was lost.
fn no_more_repeats_than_faults(world: &World, handed: &[Handed<'_>]) {
    let mut times: HashMap<MessageId, usize> = HashMap::new();
    for handed in handed {
        *times.entry(handed.entry.id).or_default() += 1;
    }
    for (id, times) in times {
        let lost = world.desk.lost(id);
        assert!(times - 1 <= lost, "I4: {id:?} went {times} times, and {lost} answers were lost");
    }
}

/// However often a gateway delivered it.
fn each_text_is_answered_once(world: &World, rows: &[Message]) {
    // One that failed goes by mail too.
    let answers = rows.iter().filter(|row| row.purpose == Purpose::Reply).map(|row| row.occasion);
    let answers: HashSet<Uuid> = answers.collect();
    assert_eq!(answers.len(), world.texts.len(), "the answers to the texts that came");
}

/// Whoever has to be told what has become of it is told then; and whoever a call still reached after somebody had it is told
/// after that call.
fn whoever_was_called_knows_who_has_it(world: &World, rows: &[Message], handed: &[Handed<'_>]) {
    for (at, incident) in world.model.incidents.iter().enumerate() {
        let to = |row: &Message, who: Who| {
            row.incident_id == Some(world.incidents[at]) && row.recipient_id == Some(world.contacts[who])
        };
        for (then, who) in &incident.told {
            let told = rows.iter().any(|row| to(row, who) && row.created_at == *then);
            assert!(told, "{who} is not told what became of incident {at} at {then}");
        }
        for quiet in &incident.quiet {
            let Some(owner) = quiet.owner else { continue };
            for who in incident.called().into_iter().filter(|who| *who != owner) {
                let late = handed.iter().rposition(|handed| {
                    handed.about.contains(&at)
                        && handed.message.purpose.calls_to_act()
                        && handed.message.recipient_id == Some(world.contacts[who])
                        && handed.message.created_at <= quiet.since
                        && handed.entry.at > quiet.since
                        && quiet.until.is_none_or(|until| handed.entry.at < until)
                        && world.desk.lost(handed.entry.id) == 0
                });
                let Some(late) = late else { continue };
                let told = |row: &Message| to(row, who) && !row.purpose.calls_to_act();
                assert!(
                    handed[late..].iter().any(|handed| told(handed.message)),
                    "{who} was called about incident {at} after {owner} had it at {}, and never heard so",
                    quiet.since
                );
            }
        }
    }
}

/// A claim never outlives what I2 allows.
const _: () = assert!(LEASE.num_seconds() <= STILL_CALLED.num_seconds());
