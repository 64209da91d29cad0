//! Identifiers that cannot be mixed up.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::{NoContext, Timestamp, Uuid};

use crate::clock::Time;

/// A UUID whose first bits are `now`, so that rows written together lie together in an index.
fn time_ordered(now: Time) -> Uuid {
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos()))
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new one, ordered by `now`.
            pub fn new(now: Time) -> Self {
                Self(time_ordered(now))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// An organisation: the wall that nobody sees over.
    OrganisationId
    /// A team inside an organisation; teams nest.
    TeamId
    /// A person: staff with an account, or an outside contact without one.
    PersonId
    /// A visit, planned or watched.
    VisitId
    /// What opens when somebody other than the worker is told.
    IncidentId
    /// One version of a ladder.
    LadderId
    /// One message to one recipient on one channel.
    MessageId
    /// Something to be done after an incident.
    FollowUpId
    /// Somebody who is visited, or a household.
    CaseId
    /// Where cases are visited.
    PlaceId
    /// One version of the risk assessment of somebody at a place.
    AssessmentId
    /// A concern.
    ConcernId
    /// Something to be done about a concern.
    ConcernActionId
    /// One version of a checklist.
    ChecklistId
    /// A drill.
    DrillId
    /// One version of when a team's drills begin by themselves.
    DrillScheduleId
    /// A question whether somebody is reached at an address. It stands in a link: who does not have it cannot guess it.
    AskId
    /// A policy document, whatever its version.
    PolicyDocumentId
    /// A device, a phone, a car.
    EquipmentId
    /// An entry of management oversight.
    OversightId
    /// That oversight is asked for.
    OversightAskId
    /// Where another system is told what happened.
    WebhookId
    /// An API token (not the token itself).
    TokenId
}

impl IncidentId {
    /// Below every one that is made at this time or later.
    pub fn lowest_at(at: Time) -> Self {
        let milliseconds = u64::try_from(at.timestamp_millis()).unwrap_or_default();
        Self(uuid::Builder::from_unix_timestamp_millis(milliseconds, &[0; 10]).into_uuid())
    }
}

impl MessageId {
    /// The id of the message that `occasion` calls for on `channel`: the same occasion gives the same id, so a step that
    /// is done twice asks for one message.
    pub fn of(occasion: Uuid, channel: super::contact::Channel) -> Self {
        Self(Uuid::new_v5(&occasion, channel.as_str().as_bytes()))
    }
}
