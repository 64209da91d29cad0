//! What begins at certain moments. The scheduler only wakes: what is due stands in rows, so that a restart, an outage or another replica
//! changes nothing. Its jobs overlap with themselves and its end waits for none of them; so they do no more than ring.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tokio_util::sync::CancellationToken;

use crate::{
    app::{House, drill_schedules, due},
    clock::{Clock, Time},
    store::{self, Db, Lane, due as rows},
};

/// Each minute, as fine as a schedule can say.
const EACH_MINUTE: &str = "0 * * * * *";
/// Should the scheduler ever fail to ring, the rows are looked at all the same.
const LONGEST_SLEEP: Duration = Duration::from_mins(2);

/// So many cases are looked up at a time of which what is due has to be computed anew, each in a transaction of its own.
const CASES_AT_ONCE: i64 = 50;

/// What it works with.
#[derive(Debug)]
pub struct Scheduler {
    db: Db,
    clock: Arc<dyn Clock>,
    house: Arc<House>,
}

impl Scheduler {
    /// Over this database, by this clock.
    pub fn new(db: Db, clock: Arc<dyn Clock>, house: Arc<House>) -> Self {
        Self { db, clock, house }
    }

    /// Begins everything whose moment has come. Idempotent, and once for all replicas.
    pub async fn tick(&self, now: Time) -> store::Result<usize> {
        let mut begun = 0;
        loop {
            let drills = async move |tx: &mut store::Tx| drill_schedules::begin_due(tx, now).await;
            let drills = self.db.write_in(Lane::Usual, drills).await;
            let cases = self.compute_left(now).await;
            let digests = self.send_a_digest(now).await;
            // Whatever becomes of one, the others are done.
            match drills? + cases? + digests? {
                0 => return Ok(begun),
                some => begun += some,
            }
        }
    }

    async fn send_a_digest(&self, now: Time) -> store::Result<usize> {
        let first = due::digest::read_first(&mut self.db.read().await?, now).await?;
        let Some(digest) = first else { return Ok(0) };
        let house = Arc::clone(&self.house);
        let send = async move |tx: &mut store::Tx| due::digest::send(tx, &house, &digest, now).await;
        self.db.write_in(Lane::Usual, send).await?;
        Ok(1)
    }

    async fn compute_left(&self, now: Time) -> store::Result<usize> {
        let cases = self.db.look(async |tx| rows::to_compute_any_org(tx, CASES_AT_ONCE).await).await?;
        let mut done = Ok(cases.len());
        for case in cases {
            let compute = async move |tx: &mut store::Tx| due::compute_left(tx, case, now).await;
            // Where somebody has locked one, the others are computed.
            if let Err(error) = self.db.write_in(Lane::Usual, compute).await {
                done = Err(error);
            }
        }
        done
    }

    /// Ticks until it is told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        let bell = Arc::new(Notify::new());
        let mut jobs = match ring_each_minute(Arc::clone(&bell)).await {
            Ok(jobs) => Some(jobs),
            Err(error) => {
                tracing::error!(%error, "the scheduler does not ring; its rows are looked at every two minutes");
                None
            }
        };
        loop {
            let rung = bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            if let Err(error) = self.tick(self.clock.now()).await {
                tracing::error!(%error, "what is scheduled was not begun; tried again with the next minute");
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = &mut rung => {}
                () = tokio::time::sleep(LONGEST_SLEEP) => {}
            }
        }
        if let Some(jobs) = &mut jobs
            && let Err(error) = jobs.shutdown().await
        {
            tracing::warn!(%error, "the scheduler did not end as it should");
        }
    }
}

async fn ring_each_minute(bell: Arc<Notify>) -> Result<JobScheduler, JobSchedulerError> {
    let jobs = JobScheduler::new().await?;
    jobs.add(Job::new(EACH_MINUTE, move |_, _| bell.notify_one())?).await?;
    jobs.start().await?;
    Ok(jobs)
}
