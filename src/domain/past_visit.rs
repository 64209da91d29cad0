//! A visit that was made and that nobody watched, put on record afterwards (row V1).

use chrono::TimeDelta;
use serde_json::json;

use super::{
    event::{ChainHead, EventKind, NewEvent, stamp},
    ids::VisitId,
    start::Whose,
    visit::{Decision, Details, FURTHEST_AHEAD, Record, Visit, VisitState},
};
use crate::clock::Time;

/// No visit is put on record after longer than this.
const LONGEST_AGO: TimeDelta = TimeDelta::days(366);

/// What somebody puts on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastVisit {
    /// What it was about.
    pub details: Details,
    /// When the worker was at the door.
    pub arrived_at: Time,
    /// When the worker left.
    pub left_at: Time,
    /// Why it was not watched.
    pub reason: String,
    /// How it turned out.
    pub record: Record,
}

/// Why it cannot be put on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPast {
    /// It is not over.
    #[error("a visit is put on record after it: start one that is still to come, or that goes on")]
    NotOver,
    /// It would end before it begins.
    #[error("left_at must be after arrived_at")]
    EndsBeforeItBegins,
    /// It is longer than a visit can be.
    #[error("a visit takes 12 hours at most")]
    TooLong,
    /// It is too long ago.
    #[error("a visit can be put on record for 366 days")]
    TooLongAgo,
}

impl PastVisit {
    /// Puts it on record.
    pub fn put_on_record(self, id: VisitId, whose: Whose, now: Time) -> Result<Decision, BadPast> {
        let Self { details, arrived_at, left_at, reason, record } = self;
        if left_at > now {
            return Err(BadPast::NotOver);
        }
        if left_at <= arrived_at {
            return Err(BadPast::EndsBeforeItBegins);
        }
        if left_at - arrived_at > FURTHEST_AHEAD {
            return Err(BadPast::TooLong);
        }
        if now - arrived_at > LONGEST_AGO {
            return Err(BadPast::TooLongAgo);
        }
        let event = NewEvent::new(
            EventKind::VisitPutOnRecord,
            now,
            json!({"after": {
                "worker": whose.worker,
                "arrived_at": stamp(arrived_at),
                "left_at": stamp(left_at),
                "outcome": record.outcome,
                "on_behalf": whose.by != whose.worker,
            }}),
        )
        .with_private(json!({
            "reason": reason,
            "purpose": details.purpose,
            "place": details.place,
            "case_reference": details.case_reference,
            "seen_whom": record.seen_whom,
            "work_undertaken": record.work_undertaken,
        }));
        let visit = Visit {
            id,
            organisation: whose.organisation,
            team: whose.team,
            worker: whose.worker,
            details,
            state: VisitState::Recorded { left_at, by: whose.by },
            expected_arrival: None,
            expected_departure: left_at,
            arrived_at: Some(arrived_at),
            left_at: None,
            party: None,
            last_contact_at: Some(left_at),
            extended: TimeDelta::zero(),
            extended_by_others: TimeDelta::zero(),
            acted_by: None,
            recorded_at: (record != Record::default()).then_some(now),
            outcome: record.outcome,
            seen_whom: record.seen_whom,
            work_undertaken: record.work_undertaken,
            version: 0,
            chain: ChainHead::default(),
        };
        Ok(Decision { visit, events: vec![event], effects: vec![] })
    }
}
