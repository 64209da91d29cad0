//! Puts the parts together, and runs them until the end is asked for.

use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;

use crate::{
    app::{House, Pages, clocks},
    clock::{Asked, Clock, DatabaseClock, Machine, WallClock},
    config::Config,
    domain::notice::Answering,
    event_webhooks::EventWebhooks,
    http::{self, SeldomSaid, Site, WrongCodes},
    inbox::Inbox,
    keys::ServerKey,
    outbox::Outbox,
    outward::{NoTls, heartbeat::Heartbeat, reach::Seeker},
    providers::{Providers, event_webhook::EventClient},
    scheduler::Scheduler,
    shutdown::{Ended, Shutdown},
    store::{self, Db, installation},
    systemd,
    timer::Timer,
    vitals::{Reach, Vitals},
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
    /// Nothing encrypted can be spoken to.
    #[error(transparent)]
    Tls(#[from] NoTls),
}

/// The clock to go by: with PostgreSQL the database's, which is asked here for the first time, with SQLite this machine's.
pub async fn clock(db: &Db, machine: Arc<dyn Machine>) -> store::Result<Arc<dyn Clock>> {
    match db {
        Db::Sqlite(_) => Ok(Arc::new(WallClock::new(machine))),
        Db::Postgres(_) => {
            let look = async |tx: &mut store::Tx| {
                let asked = Asked::now(&*machine);
                Ok((asked, installation::time(tx).await?))
            };
            let (asked, answer) = db.look(look).await?;
            Ok(Arc::new(DatabaseClock::new(machine, asked, answer)))
        }
    }
}

/// The service, ready to run.
#[derive(Debug, Clone)]
pub struct App {
    /// What the doors work with.
    pub site: Site,
    /// The timer.
    pub timer: Arc<Timer>,
    /// The outbox.
    pub outbox: Arc<Outbox>,
    /// What tells other systems.
    pub event_webhooks: Arc<EventWebhooks>,
    /// What begins at certain moments.
    pub scheduler: Arc<Scheduler>,
    heartbeat: Option<Heartbeat>,
    seeker: Option<Seeker>,
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
            pages: config
                .listen
                .public_url
                .as_ref()
                .map(|url| Pages { base: url.trim_end_matches('/').to_owned(), key: key.clone() }),
            operator: config.operator.email.clone(),
            networks: config.webhooks.networks(),
        });
        let seeker =
            config.listen.public_url.as_ref().map(|url| Seeker::new(url, key.clone())).transpose()?;
        let nobody_has_looked = || Reach::Wrong("nobody has looked yet whether it leads here".into());
        let reach = if seeker.is_some() { nobody_has_looked() } else { Reach::NotSaid };
        let vitals = Arc::new(Vitals::new(reach));
        let heartbeat = (config.heartbeat.url.clone()).map(|url| {
            let (interval, clock) = (config.heartbeat.interval, Arc::clone(&clock));
            Heartbeat::new(url, interval, db.clone(), clock, Arc::clone(&vitals))
        });
        let heartbeat = heartbeat.transpose()?;
        let timer = Arc::new(Timer::new(
            db.clone(),
            Arc::clone(&clock),
            Arc::clone(&house),
            config.policy.outage,
            config.timer.longest_sleep,
            Arc::clone(&vitals),
        ));
        let now = clock.now();
        if let Some(change) = db.look(async |tx: &mut _| clocks::at_start(tx, now).await).await? {
            timer.note(change);
        }
        let inbox = Arc::new(Inbox::new(
            db.clone(),
            Arc::clone(&clock),
            Arc::clone(&house),
            key.clone(),
            providers.clone(),
        ));
        let outbox = Arc::new(Outbox::new(
            db.clone(),
            Arc::clone(&clock),
            Arc::clone(&house),
            providers,
            config.outbox.lease,
            config.outbox.at_once,
        ));
        let client =
            EventClient::new(config.webhooks.timeout, config.webhooks.networks()).map_err(|_| NoTls)?;
        let event_webhooks = Arc::new(EventWebhooks::new(
            db.clone(),
            Arc::clone(&clock),
            (Arc::clone(&house), key.clone()),
            client,
            config.webhooks.timeout,
        ));
        let scheduler = Arc::new(Scheduler::new(db.clone(), Arc::clone(&clock), Arc::clone(&house)));
        let site = Site {
            db,
            clock,
            house,
            key,
            vitals,
            inbox,
            unknown_caller: SeldomSaid::default(),
            wrong_codes: WrongCodes::default(),
        };
        Ok(Self { site, timer, outbox, event_webhooks, scheduler, heartbeat, seeker })
    }

    /// Everything that this service serves.
    pub fn routes(&self) -> Router {
        http::router(self.site.clone())
    }

    /// Serves what is counted and measured, apart from everything else.
    pub fn serve_metrics(&self, listener: TcpListener, shutdown: &Shutdown) {
        let routes = http::metrics::router(self.site.clone());
        serve("metrics", listener, routes, shutdown);
    }

    /// Serves and works until the end is asked for: then takes nothing new, finishes what is under way, and closes.
    pub async fn run(self, listener: TcpListener, routes: Router, shutdown: Shutdown) -> Ended {
        serve("http", listener, routes, &shutdown);
        // It listens and knows the time; the watchdog is fed from here on.
        systemd::ready();
        let (timer, stop) = (Arc::clone(&self.timer), shutdown.token());
        shutdown.role("timer", async move { timer.run(stop).await });
        let (outbox, stop) = (Arc::clone(&self.outbox), shutdown.token());
        shutdown.role("outbox", async move { outbox.run(stop).await });
        let (event_webhooks, stop) = (Arc::clone(&self.event_webhooks), shutdown.token());
        shutdown.role("event_webhooks", async move { event_webhooks.run(stop).await });
        let (inbox, stop) = (Arc::clone(&self.site.inbox), shutdown.token());
        shutdown.role("inbox", async move { inbox.run(stop).await });
        let (scheduler, stop) = (Arc::clone(&self.scheduler), shutdown.token());
        shutdown.role("scheduler", async move { scheduler.run(stop).await });
        if let Some(heartbeat) = self.heartbeat {
            shutdown.role("heartbeat", heartbeat.run(shutdown.token()));
        }
        if let Some(seeker) = self.seeker {
            shutdown.role("reach", seeker.run(Arc::clone(&self.site.vitals), shutdown.token()));
        }
        shutdown.token().cancelled().await;
        systemd::ending();
        let ended = shutdown.finish().await;
        self.site.db.close().await;
        ended
    }
}

fn serve(role: &'static str, listener: TcpListener, routes: Router, shutdown: &Shutdown) {
    let stop = shutdown.token();
    shutdown.role(role, async move {
        let stopped = stop.clone().cancelled_owned();
        if let Err(error) = axum::serve(listener, routes).with_graceful_shutdown(stopped).await {
            tracing::error!(%error, role, "HTTP is no longer served");
        }
    });
}
