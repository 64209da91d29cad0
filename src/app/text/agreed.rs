//! What people say by text of visits that have to be agreed: managers by the code that they were asked with, workers of their own.

use super::{
    super::{Rejected, agreements as cases},
    Text,
};
use crate::{
    domain::{
        agreement::{Answer, Changed},
        command::Code,
        reply::Reply,
        visit::{Visit, VisitState},
    },
    store::{self, Tx, agreements, people, visits},
};

impl Text<'_> {
    /// AGREE, REFUSE and QUESTION.
    pub(super) async fn decides(
        &self,
        tx: &mut Tx,
        answer: Answer,
        code: Option<Code>,
        words: &str,
    ) -> store::Result<Reply> {
        let (actor, trace) = (self.actor, self.trace);
        let visit = match &code {
            Some(code) => agreements::of_code(tx, actor.person, code.as_str()).await?,
            None => None,
        };
        let Some(visit) = visit else { return Ok(Reply::WhichAgreement) };
        let words = (!words.is_empty()).then(|| words.to_owned());
        let decided = cases::decide(tx, self.house, actor, visit, (answer, words), trace).await?;
        Ok(match decided {
            Ok((visit, _)) => {
                let worker = people::name(tx, actor.organisation, visit.worker).await?.unwrap_or_default();
                Reply::Decided { answer, worker }
            }
            // What the reasons are stands in no text (row E10).
            Err(Rejected::NobodyCanAgree(_)) => {
                Reply::NotNow("nobody can agree to it as it stands: why stands in Homeward".into())
            }
            Err(rejected) => Reply::NotNow(rejected.to_string()),
        })
    }

    /// UNCHANGED and CHANGED: of the visit that they are on, else of the next one that they plan.
    pub(super) async fn says_whether_changed(
        &self,
        tx: &mut Tx,
        changed: Changed,
        words: &str,
    ) -> store::Result<Reply> {
        let (actor, trace) = (self.actor, self.trace);
        let running = visits::running_of(tx, actor.organisation, actor.person).await?;
        let begun = running.iter().filter(|visit| matches!(visit.state, VisitState::Begun { .. }));
        let planned = |visit: &&Visit| match &visit.state {
            VisitState::Planned { expected_arrival, .. } => Some(*expected_arrival),
            _ => None,
        };
        let next = running.iter().filter(|visit| planned(visit).is_some()).min_by_key(planned);
        let Some(meant) = begun.max_by_key(|visit| visit.arrived_at).or(next) else {
            return Ok(Reply::NoAgreement);
        };
        let words = (!words.is_empty()).then(|| words.to_owned());
        let said = cases::Said { changed: Some(changed), words, ..cases::Said::default() };
        let described = cases::describe(tx, self.house, actor, meant.id, said, trace).await?;
        let till = self.till(tx).await?;
        Ok(match described {
            Ok(_) => Reply::ChangesNoted { changed, till },
            Err(_nothing_to_be_agreed) => Reply::NoAgreement,
        })
    }
}
