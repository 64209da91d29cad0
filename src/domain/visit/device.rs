//! What a device of the worker's says about a visit: that it gave a sign (row P3).

use serde_json::json;

use super::Visit;
use crate::{
    clock::Time,
    domain::{
        event::{EventKind, NewEvent, stamp},
        ids::EquipmentId,
    },
};

impl Visit {
    /// A sign of a device: while the worker is watched it was the last contact, and nothing more. Whoever pressed it proved
    /// nothing, so no deadline moves, no check is answered, and what others extended counts on. `None`: nobody is watched.
    pub fn heard_by_device(self, device: EquipmentId, now: Time) -> Option<(Self, NewEvent)> {
        self.watched_till()?;
        let body = json!({"device": device, "before": {"last_contact_at": self.last_contact_at.map(stamp)}});
        let event = NewEvent::new(EventKind::VisitDeviceHeard, now, body);
        Some((Self { last_contact_at: self.last_contact_at.max(Some(now)), ..self }, event))
    }
}
