//! What other systems are told of what happened (row D7): that it did, and ids, by which they can ask for more with a token of
//! their own. Nothing personal leaves.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::event::{EventKind, stamp};
use crate::clock::Time;

/// A kind of event as other systems know it.
#[derive(Debug, Clone, Copy)]
pub struct Offered {
    /// As it stands in the log.
    pub kind: EventKind,
    /// Its `type`.
    pub name: &'static str,
    /// What of its body leaves: ids, and nothing else. A visit's or an incident's own id leaves in any case.
    pub ids: &'static [&'static str],
    /// When it is sent, for the documentation.
    pub when: &'static str,
}

const fn offered(
    kind: EventKind,
    name: &'static str,
    ids: &'static [&'static str],
    when: &'static str,
) -> Offered {
    Offered { kind, name, ids, when }
}

/// All that is offered. Another one is another line here; docs/webhooks.md is then written by its test.
pub const OFFERED: &[Offered] = &[
    offered(EventKind::VisitPlanned, "visit.planned", &[], "a visit was planned"),
    offered(EventKind::VisitAgreed, "visit.agreed", &[], "no rule objected to a visit, or a person agreed"),
    offered(EventKind::VisitRefused, "visit.refused", &[], "a person does not agree to a visit"),
    offered(EventKind::VisitStarted, "visit.started", &[], "a worker went in"),
    offered(EventKind::VisitArrived, "visit.started", &[], "a worker who had planned it is at the door"),
    offered(EventKind::VisitCancelled, "visit.cancelled", &[], "a plan was called off"),
    offered(EventKind::VisitEnded, "visit.completed", &[], "a visit is over"),
    offered(EventKind::VisitPutOnRecord, "visit.completed", &[], "a visit was put on record afterwards"),
    offered(EventKind::VisitRecorded, "visit.recorded", &[], "outcome or work undertaken was recorded"),
    offered(
        EventKind::VisitExceptionReviewed,
        "visit.exception_reviewed",
        &[],
        "a senior manager reviewed a visit that was out of the ordinary",
    ),
    offered(
        EventKind::AssessmentMade,
        "assessment.made",
        &["assessment", "case", "place"],
        "a version of a risk assessment was made",
    ),
    offered(
        EventKind::AssessmentAgreed,
        "assessment.agreed",
        &["assessment"],
        "a manager agreed with a risk assessment",
    ),
    offered(
        EventKind::IncidentOpened,
        "incident.opened",
        &["visit"],
        "somebody other than the worker is told",
    ),
    offered(EventKind::IncidentClosed, "incident.closed", &[], "a person said how an incident ended"),
    offered(
        EventKind::IncidentReviewed,
        "incident.reviewed",
        &[],
        "a person reviewed an incident that was closed",
    ),
    offered(
        EventKind::OversightRecorded,
        "oversight.recorded",
        &["oversight", "id"],
        "a manager said what they found of the visit, incident, case or assessment `id`",
    ),
    offered(EventKind::ConcernRaised, "concern.raised", &["concern", "visit"], "a concern was raised"),
    offered(
        EventKind::ConcernClosed,
        "concern.closed",
        &["concern"],
        "a manager said what came of a concern",
    ),
    offered(
        EventKind::FilingFiled,
        "filing.filed",
        &["visit", "assessment", "oversight"],
        "a visit, an assessment or what a manager found was filed elsewhere",
    ),
];

impl Offered {
    /// What an event of this kind leaves as; nothing: it does not.
    pub fn of_kind(kind: &str) -> Option<&'static Self> {
        OFFERED.iter().find(|offered| offered.kind.as_str() == kind)
    }

    /// Whether there is a type of this name.
    pub fn has_name(name: &str) -> bool {
        OFFERED.iter().any(|offered| offered.name == name)
    }

    /// Every type once.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let first = |at: &usize| OFFERED[..*at].iter().all(|before| before.name != OFFERED[*at].name);
        (0..OFFERED.len()).filter(first).map(|at| OFFERED[at].name)
    }

    /// What is sent of an event of a chain: `visit`, `incident` or `organisation`.
    pub fn payload(&self, (chain_kind, chain): (&str, Uuid), happened_at: Time, body: &str) -> String {
        let mut data = Map::new();
        if chain_kind != "organisation" {
            data.insert(chain_kind.into(), chain.to_string().into());
        }
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        for name in self.ids {
            // Whatever else may ever stand there does not leave.
            if let Some(id) = body[name].as_str().and_then(|id| Uuid::parse_str(id).ok()) {
                data.insert((*name).into(), id.to_string().into());
            }
        }
        json!({"type": self.name, "timestamp": stamp(happened_at), "data": data}).to_string()
    }
}

/// What came of a try to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    /// The receiver has it.
    Taken,
    /// The receiver wants to be told no more (410).
    Gone,
    /// It does not have it, or did not say so.
    Failed {
        /// What went wrong, without personal data.
        reason: String,
        /// What that says.
        fault: Fault,
    },
}

/// What a failed delivery says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Something about this one: others may go.
    OfThisOne,
    /// The receiver does not work, or asks to be left alone: nothing goes there for a while.
    OfTheReceiver {
        /// For how long, if it said so.
        wait: Duration,
    },
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
/// The waits that Standard Webhooks names: three days all in all.
const WAITS: [u64; 9] =
    [5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];
/// The longest that a receiver which does not work is left alone.
const LONGEST_PAUSE: u64 = 60;

/// People hear of a receiver that has taken nothing for so long, and each day again while it does not.
const FAILING_FOR: TimeDelta = TimeDelta::hours(1);
const AGAIN_EACH: TimeDelta = TimeDelta::days(1);

/// Whether people are to hear now that a receiver has taken nothing since then; a short outage is nobody's business.
pub fn is_to_be_said(failing_since: Time, told_at: Option<Time>, now: Time) -> bool {
    told_at.map_or(failing_since + FAILING_FOR, |told| told + AGAIN_EACH) <= now
}

/// How long a delivery waits after `tries` that failed, from 1; nothing: it is given up. `jitter` in 0..1 adds up to a fifth, so
/// that what failed together does not come back together.
pub fn wait_after(tries: u32, jitter: f64) -> Option<Duration> {
    let at = usize::try_from(tries.saturating_sub(1)).ok()?;
    let wait = WAITS.get(at).copied().map(Duration::from_secs)?;
    Some(wait.mul_f64(1.0 + 0.2 * jitter.clamp(0.0, 1.0)))
}

/// How long a receiver that has not worked `failures` times in a row is left alone: all that waits for it would fail too.
pub fn pause_after(failures: u32) -> Duration {
    Duration::from_secs((5_u64 << failures.saturating_sub(1).min(8)).min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_ids_leaves() {
        let (chain, id) = (Uuid::from_u128(7), Uuid::from_u128(8));
        let body = json!({"visit": id, "kind": "sos", "subject": id, "words": "Ann Lee"}).to_string();
        let opened = Offered::of_kind("incident.opened").unwrap();
        let said: Value =
            serde_json::from_str(&opened.payload(("incident", chain), Time::UNIX_EPOCH, &body)).unwrap();
        assert_eq!(said["data"], json!({"incident": chain, "visit": id}));
        let named = json!({"assessment": "12 High St"}).to_string();
        let agreed = Offered::of_kind("assessment.agreed").unwrap();
        let said = agreed.payload(("organisation", chain), Time::UNIX_EPOCH, &named);
        assert_eq!(
            said,
            r#"{"type":"assessment.agreed","timestamp":"1970-01-01T00:00:00.000000Z","data":{}}"#
        );
    }

    #[test]
    fn a_delivery_is_tried_for_days_and_then_given_up() {
        let waits: Vec<u64> =
            (1..).map_while(|tries| wait_after(tries, 0.0)).map(|wait| wait.as_secs()).collect();
        assert_eq!(waits, WAITS);
        assert!(waits.iter().sum::<u64>() >= 3 * 24 * HOUR);
        assert_eq!(wait_after(1, 1.0), Some(Duration::from_secs(6)));
        let pauses: Vec<u64> = (1..=6).map(|failures| pause_after(failures).as_secs()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 60, 60]);
        assert_eq!(pause_after(u32::MAX).as_secs(), 60);
    }

    #[test]
    fn a_short_outage_is_nobodys_business_and_a_long_one_each_day() {
        let at = |minutes| Time::UNIX_EPOCH + TimeDelta::minutes(minutes);
        for (told, now, expected) in [
            (None, 0, false),
            (None, 59, false),
            (None, 60, true),
            (Some(60), 61, false),
            (Some(60), 60 + 24 * 60 - 1, false),
            (Some(60), 60 + 24 * 60, true),
        ] {
            assert_eq!(is_to_be_said(at(0), told.map(at), at(now)), expected, "{told:?} {now}");
        }
    }
}
