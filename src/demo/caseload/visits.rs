//! The visits of the caseload: planned, agreed or not, made, and what was said of them.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{CANAL_SIDE, CHURCH_ROW, Case, DOCK_STREET, HILL_VIEW, ROWAN_COURT, STATION_ROAD, Story};
use crate::{
    app::{
        agreements,
        visits::{self, ForWhom, Request},
    },
    clock::Time,
    demo::{PINS, acts, feed::Look},
    domain::{
        agreement::{Answer, Exception, Talk},
        command::Plan,
        ids::VisitId,
        start::{Departure, Start},
        visit::{Act, Details, Record, VisitOutcome},
    },
};

impl Story<'_> {
    fn visit(of: Case, expected_arrival: Option<Time>) -> Start {
        let details = Details {
            purpose: Some("Home visit".into()),
            place: Some(of.address.into()),
            case_reference: Some(of.reference.into()),
            visiting: Some(of.visiting),
            ..Details::default()
        };
        let departure = Departure::After(TimeDelta::minutes(45));
        Start { details, expected_arrival, departure, made_at: None, plan: Plan::AsDescribed }
    }

    /// Goes in then, or plans to at a later hour.
    async fn starts(
        &self,
        then: Time,
        who: &str,
        of: Case,
        arrival: Option<Time>,
    ) -> anyhow::Result<VisitId> {
        let (house, id) = (Arc::clone(&self.demo.app.site.house), VisitId::new(then));
        let start = Self::visit(of, arrival);
        self.act(then, who, async move |tx, actor, trace| {
            let mut done =
                visits::start(tx, &house, actor, &ForWhom::Self_, start.clone(), id, trace).await?;
            if let Ok(done) = &mut done {
                agreements::follow(tx, &house, done, trace).await?;
            }
            Ok(done)
        })
        .await
        .map(|done| done.visit.id)
    }

    async fn arrives(&self, then: Time, who: &str, visit: VisitId) -> anyhow::Result<()> {
        let house = Arc::clone(&self.demo.app.site.house);
        self.act(then, who, async move |tx, actor, trace| {
            let request = Request { act: Act::Arrive, pin: None, known_by: None, made_at: None };
            let mut done = visits::act(tx, &house, actor, visit, request, trace).await?;
            if let Ok(done) = &mut done {
                agreements::follow_arrival(tx, &house, done, trace).await?;
            }
            Ok(done)
        })
        .await
        .map(drop)
    }

    async fn leaves(
        &self,
        then: Time,
        who: &'static str,
        visit: VisitId,
        outcome: Option<VisitOutcome>,
    ) -> anyhow::Result<()> {
        let (house, key) = (Arc::clone(&self.demo.app.site.house), self.demo.app.site.key.clone());
        self.act(then, who, async move |tx, actor, trace| {
            let pin = PINS.iter().find(|(key, _)| *key == who);
            let pin = pin.map(|(_, pin)| key.given(actor.person, pin, ""));
            let seen_whom = outcome.filter(|outcome| *outcome == VisitOutcome::Seen);
            let work_undertaken = outcome.map(|outcome| match outcome {
                VisitOutcome::Seen => "Talked through the plan".into(),
                _ => "Left a card".into(),
            });
            let seen_whom = seen_whom.map(|_| "Whom the visit was to".into());
            let act = Act::CheckOut(Record { outcome, seen_whom, work_undertaken });
            let request = Request { act, pin, known_by: None, made_at: None };
            visits::act(tx, &house, actor, visit, request, trace).await
        })
        .await
        .map(drop)
    }

    /// Goes in and comes out half an hour later.
    pub(super) async fn makes(
        &self,
        then: Time,
        who: &'static str,
        of: Case,
        outcome: VisitOutcome,
    ) -> anyhow::Result<()> {
        let visit = self.starts(then, who, of, None).await?;
        self.leaves(then + TimeDelta::minutes(30), who, visit, Some(outcome)).await
    }

    async fn says(&self, then: Time, who: &str, visit: VisitId, exception: Exception) -> anyhow::Result<()> {
        let house = Arc::clone(&self.demo.app.site.house);
        self.act(then, who, async move |tx, actor, trace| {
            let said = agreements::Said { exception: Some(exception.clone()), ..agreements::Said::default() };
            agreements::describe(tx, &house, actor, visit, said, trace).await
        })
        .await
        .map(drop)
    }

    async fn decides(
        &self,
        then: Time,
        who: &str,
        visit: VisitId,
        answer: (Answer, &'static str),
    ) -> anyhow::Result<()> {
        let house = Arc::clone(&self.demo.app.site.house);
        self.act(then, who, async move |tx, actor, trace| {
            let (answer, words) = (answer.0, Some(answer.1.to_owned()));
            agreements::decide(tx, &house, actor, visit, (answer, words), trace).await
        })
        .await
        .map(drop)
    }

    /// Row A7: a child, at the home of a relative of whoever visits. Once, discussed before, and agreed by a senior manager.
    pub(super) async fn goes_outside_agreed_arrangements(&self) -> anyhow::Result<()> {
        let (planned, arrival) = (self.ago(3, 13), self.ago(2, 11));
        let visit = self.starts(planned, "raj", CHURCH_ROW, Some(arrival)).await?;
        let talk = |with: &str, hour, said: &str| Talk {
            with: with.into(),
            at: self.ago(3, hour),
            said: said.into(),
        };
        let exception = Exception::OneOff {
            senior_manager: talk("Una Hart", 11, "Once, for half an hour, with a colleague outside"),
            parents_or_carers: talk("Mrs Moore", 12, "Wants it to be soon; will be there herself"),
            justification: "The child came there overnight and has to be seen before the hearing".into(),
        };
        self.says(planned, "raj", visit, exception).await?;
        let answer = (Answer::Agree, "Justified: no other place before the hearing. Once only");
        self.decides(planned + TimeDelta::hours(1), "una", visit, answer).await?;
        self.arrives(arrival, "raj", visit).await?;
        self.leaves(arrival + TimeDelta::minutes(30), "raj", visit, Some(VisitOutcome::Seen)).await
    }

    /// Row A5: no time for an assessment. Why is on record before; how it ended is asked for until it is said.
    pub(super) async fn goes_in_an_emergency(&self) -> anyhow::Result<()> {
        let (planned, arrival) = (self.ago(2, 15), self.ago(2, 16));
        let visit = self.starts(planned, "eve", ROWAN_COURT, Some(arrival)).await?;
        let circumstances = "Rang in distress, then no answer; no car free to take two; police told".into();
        self.says(planned, "eve", visit, Exception::Emergency { circumstances }).await?;
        let answer = (Answer::Agree, "Stay in the doorway; ring me when you are out");
        self.decides(planned + TimeDelta::minutes(10), "sam", visit, answer).await?;
        self.arrives(arrival, "eve", visit).await?;
        self.leaves(arrival + TimeDelta::minutes(25), "eve", visit, None).await
    }

    /// Row A8: after all measures still too dangerous to go alone.
    pub(super) async fn is_refused(&self) -> anyhow::Result<()> {
        let then = self.ago(1, 13);
        let visit = self.starts(then, "raj", HILL_VIEW, Some(self.on(self.day_in(1), 14))).await?;
        let answer = (Answer::Refuse, "Not alone and not at his home: see him at the office");
        self.decides(then + TimeDelta::minutes(20), "sam", visit, answer).await
    }

    /// What is still to be decided, and who is out.
    pub(super) async fn today(&self) -> anyhow::Result<()> {
        let now = self.now;
        let look = Look { directory: &self.directory, now };
        // What has reached the phones so far stands before what is texted now.
        let stage = &self.demo.stage;
        stage.feed.lock().await.catch_up(&mut stage.site.db.read().await?, look).await?;
        // No rule objects: agreed at once. It begins soon, so that IN NEXT finds it.
        self.starts(now, "eve", STATION_ROAD, Some(now + TimeDelta::minutes(50))).await?;
        self.starts(now, "eve", CANAL_SIDE, Some(self.on(self.day_in(1), 10))).await?;
        // Row A11, as by SMS: nobody has agreed to it, and he is watched from this second.
        let Case { reference, address, .. } = DOCK_STREET;
        acts::text(stage, "raj", &format!("IN 45 {reference} {address}")).await?;
        Ok(())
    }
}
