//! Puts the parts together, and runs them until the end is asked for.

use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;

use crate::{
    app::House,
    clock::Clock,
    config::Config,
    domain::notice::Answering,
    http::{self, Site},
    keys::ServerKey,
    outbox::Outbox,
    providers::Providers,
    shutdown::{Ended, Shutdown},
    store::{self, Db, installation},
    timer::Timer,
};

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database is not there.
    #[error("the database cannot be used: {0}")]
    Store(#[from] store::Error),
    /// Its tables are not there, or old.
    #[error("the database is not set up for this version: run `homeward migrate`")]
    NotMigrated,
    /// The key is another one than that which the PINs in the database were hashed under.
    #[error(
        "secrets.server_key_file holds another key than the one this database was set up with: \
         every PIN would be wrong. Put the right key there"
    )]
    WrongKey,
}

/// The service, ready to run.
#[derive(Debug)]
pub struct App {
    /// What the doors work with.
    pub site: Site,
    /// The timer.
    pub timer: Arc<Timer>,
    /// The outbox.
    pub outbox: Arc<Outbox>,
}

impl App {
    /// Puts the parts together. The database has to be there, migrated, and of the same key.
    pub async fn build(
        config: &Config,
        db: Db,
        clock: Arc<dyn Clock>,
        key: ServerKey,
        providers: Providers,
    ) -> Result<Self, StartError> {
        if !db.is_migrated().await? {
            return Err(StartError::NotMigrated);
        }
        let check = key.check();
        if !db.write(async move |tx| installation::key_is_ours(tx, &check).await).await? {
            return Err(StartError::WrongKey);
        }
        let house = Arc::new(House {
            answering: if config.answering.by_text { Answering::ByText } else { Answering::InHomeward },
            operator: config.operator.email.clone(),
        });
        let timer = Arc::new(Timer::new(
            db.clone(),
            Arc::clone(&clock),
            Arc::clone(&house),
            config.policy.outage,
            config.timer.longest_sleep,
        ));
        let outbox = Arc::new(Outbox::new(
            db.clone(),
            Arc::clone(&clock),
            Arc::clone(&house),
            providers,
            config.outbox.lease,
            config.outbox.at_once,
        ));
        Ok(Self { site: Site { db, clock, house, key, unknown_caller: Arc::default() }, timer, outbox })
    }

    /// Everything that this service serves.
    pub fn routes(&self) -> Router {
        http::router(self.site.clone())
    }

    /// Serves and works until the end is asked for: then takes nothing new, finishes what is under way, and closes.
    pub async fn run(self, listener: TcpListener, routes: Router, shutdown: Shutdown) -> Ended {
        let stop = shutdown.token();
        shutdown.role("http", async move {
            let stopped = stop.clone().cancelled_owned();
            if let Err(error) = axum::serve(listener, routes).with_graceful_shutdown(stopped).await {
                tracing::error!(%error, "HTTP is no longer served");
            }
        });
        let (timer, stop) = (Arc::clone(&self.timer), shutdown.token());
        shutdown.role("timer", async move { timer.run(stop).await });
        let (outbox, stop) = (Arc::clone(&self.outbox), shutdown.token());
        shutdown.role("outbox", async move { outbox.run(stop).await });
        let ended = shutdown.finish().await;
        self.site.db.close().await;
        ended
    }
}
