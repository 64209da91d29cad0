//! What the page says will happen next.

use serde::Serialize;

use super::{hurried, pages::Open, seconds};
use crate::{
    clock::Time,
    domain::{
        incident::{Claim, Holder, IncidentState},
        people::Directory,
    },
};

/// What will happen next: words, an instant that is counted down to, words.
#[derive(Debug, Default, Serialize)]
pub(super) struct Next {
    before: String,
    at: Option<Time>,
    after: String,
}

/// The most pressing thing first: an alarm before a visit, the earlier before the later.
pub(super) fn next(speed: u32, directory: &Directory, open: &Open, now: Time) -> Next {
    let said = |before: String, at: Time, after: String| Next { before, at: Some(at), after };
    let unowned_first =
        open.incidents.iter().min_by_key(|incident| (incident.owner().is_some(), incident.opened_at));
    if let Some(incident) = unowned_first
        && let IncidentState::Open { holder, claim } = &incident.state
    {
        let (worker, until) = (directory.name_of(incident.subject), holder.waits_until());
        return match (holder, claim) {
            (Holder::Owned { by, .. }, _) => {
                let owner = directory.name_of(*by);
                said(
                    format!("{owner} has the alarm about {worker}. If {owner} does not say within"),
                    until,
                    " how it ended, everybody is called again.".into(),
                )
            }
            (Holder::WithPolice { by, .. }, _) => said(
                format!("The police have been told about {worker}. In"),
                until,
                format!(" {} is asked whether they still have it.", directory.name_of(*by)),
            ),
            (Holder::Nobody { .. }, Claim::None | Claim::PinUsed { .. }) => said(
                format!("Nobody has taken the alarm about {worker}. In"),
                until,
                " it goes to more people, or to all of them again.".into(),
            ),
            (Holder::Nobody { .. }, Claim::ReportsSafe | Claim::SafeInside { .. }) => said(
                format!("{worker} reports safe, with the right PIN. If no colleague confirms it within"),
                until,
                " the alarm is raised again.".into(),
            ),
        };
    }
    let Some(visit) = open.visits.iter().min_by_key(|visit| visit.expected_departure) else {
        return Next {
            before: "Nobody is out. Start a visit on Ann's or Ben's phone, and do not check out.".into(),
            ..Next::default()
        };
    };
    let (worker, grace) = (directory.name_of(visit.worker), hurried(speed).grace(visit.details.risk));
    if visit.expected_departure > now {
        return said(
            format!("{worker} is alone on a visit and due out in"),
            visit.expected_departure,
            format!(
                ". Without a check-out, others are told {} later.",
                seconds(grace.to_std().unwrap_or_default())
            ),
        );
    }
    said(
        format!("{worker} is overdue. In"),
        visit.expected_departure + grace,
        format!(" others are told, unless {worker} checks out."),
    )
}
