//! What workers report by text: concerns, and what they say of the agreed measures. It goes with the visit that runs, or that was
//! over last today; no alarm is looked at for it.

use chrono::TimeDelta;

use super::{
    super::{
        concerns,
        measures::{self, Saying},
    },
    Text,
};
use crate::{
    domain::{
        concern::ConcernKind,
        measures::{Kept, Moment},
        reply::{Reply, Tied},
        visit::{Visit, VisitState},
    },
    store::{self, Tx, people, visits},
};

/// So long before or after a plan's arrival somebody may speak of its door.
const NEAR: TimeDelta = TimeDelta::minutes(30);

/// The longest words that are kept.
const LONGEST: usize = 10_000;

impl Text<'_> {
    pub(super) async fn is_concerned(&self, tx: &mut Tx, words: &str) -> store::Result<Reply> {
        let till = self.till(tx).await?;
        let Some(words) = kept_words(words) else { return Ok(Reply::WhichConcern { till }) };
        let visit = self.visit_of_today(tx).await?;
        let tied = if visit.is_some() { Tied::ToAVisit } else { Tied::ToNone };
        let wanted = concerns::Wanted {
            visit: visit.map(|visit| visit.id),
            case_reference: None,
            kind: ConcernKind::Other,
            words,
            made_at: self.received.made_at,
        };
        Ok(match concerns::raise(tx, (self.house, self.key), self.actor, wanted, self.trace).await? {
            Ok(concern) => {
                let told = concerns::names_of(tx, &concern).await?;
                Reply::ConcernNoted { at: concern.raised.1, tied, told, till }
            }
            Err(rejected) => Reply::NotNow(rejected.to_string()),
        })
    }

    pub(super) async fn speaks_of_measures(
        &self,
        tx: &mut Tx,
        kept: Option<Kept>,
        words: &str,
    ) -> store::Result<Reply> {
        let till = self.till(tx).await?;
        let Some(kept) = kept else { return Ok(Reply::WhichMeasures { till }) };
        let (visit, moment) = match (self.visit_of_today(tx).await?, self.about_to_begin(tx).await?) {
            (Some(visit), _) if matches!(visit.state, VisitState::Begun { .. }) => (visit, Moment::Door),
            (_, Some(planned)) => (planned, Moment::Door),
            (Some(visit), None) => (visit, Moment::After),
            (None, None) => return Ok(Reply::NoVisitToday),
        };
        let saying = Saying { moment, kept, words: kept_words(words), made_at: self.received.made_at };
        Ok(match measures::say(tx, self.house, self.actor, visit.id, saying, self.trace).await? {
            Ok((said, told)) => {
                let directory = people::directory(tx, self.actor.organisation).await?;
                let told = told.into_iter().map(|id| directory.name_of(id).to_owned()).collect();
                Reply::MeasuresNoted { at: said.at, moment, kept, told, till }
            }
            Err(rejected) => Reply::NotNow(rejected.to_string()),
        })
    }

    /// The plan before whose door they may stand.
    async fn about_to_begin(&self, tx: &mut Tx) -> store::Result<Option<Visit>> {
        let (actor, now) = (self.actor, self.trace.now);
        let running = visits::find_running_of(tx, actor.organisation, actor.person).await?;
        let distance = |visit: &Visit| match &visit.state {
            VisitState::Planned { expected_arrival, .. } => Some((*expected_arrival - now).abs()),
            _ => None,
        };
        let near =
            running.into_iter().filter(|visit| distance(visit).is_some_and(|distance| distance <= NEAR));
        Ok(near.min_by_key(distance))
    }

    /// The visit that they are on; else the one whose way home is watched; else the last that ended today.
    async fn visit_of_today(&self, tx: &mut Tx) -> store::Result<Option<Visit>> {
        let (actor, now) = (self.actor, self.trace.now);
        let running = visits::find_running_of(tx, actor.organisation, actor.person).await?;
        let latest = |visits: Vec<Visit>| visits.into_iter().max_by_key(|visit| visit.arrived_at);
        let (inside, outside): (Vec<_>, Vec<_>) =
            running.into_iter().partition(|visit| matches!(visit.state, VisitState::Begun { .. }));
        let going_home =
            outside.into_iter().filter(|visit| matches!(visit.state, VisitState::GoingHome { .. }));
        if let Some(visit) = latest(inside).or_else(|| latest(going_home.collect())) {
            return Ok(Some(visit));
        }
        let day = |at: crate::clock::Time| at.with_timezone(&actor.zone).date_naive();
        let last = visits::last_of(tx, actor.organisation, actor.person).await?;
        Ok(last.filter(|visit| match &visit.state {
            VisitState::Ended { at, .. } => day(*at) == day(now),
            _ => false,
        }))
    }
}

/// Words as they are kept: without control characters but the end of a line, and not without end.
fn kept_words(words: &str) -> Option<String> {
    let words: String =
        words.trim().chars().filter(|c| *c == '\n' || !c.is_control()).take(LONGEST).collect();
    (!words.is_empty()).then_some(words)
}
