//! The service as the simulation runs it: up to two replicas of the real app over one real database, their loops driven by
//! hand, a clock that stands still unless it is moved, and one desk in place of every provider.

use std::{collections::BTreeMap, sync::Arc};

use chrono::TimeDelta;
use homeward::{
    app::{House, access::Actor},
    clock::{Clock, ManualClock, Time},
    config::Config,
    domain::{
        ids::{IncidentId, OrganisationId, PersonId, VisitId},
        pin::PinRecord,
    },
    keys::ServerKey,
    startup::App,
    store::{self, Db, Tx, incidents, people, pins},
};
use tokio::sync::OnceCell;

use super::{
    desk::Desk,
    draw::Draw,
    model::{EVERYBODY, Model, WORKERS, Who},
    reached::Post,
    receipts::{Moment, opens_its_inbox},
    replicas::Replica,
};
use crate::support::{
    Engine, TestDb,
    app::{SERVER_KEY, apply, noon},
    file_of,
};

/// Everything happens at a multiple of this: waits that are drawn anew each time (the retries') end alike.
pub const GRID: TimeDelta = TimeDelta::seconds(20);
/// Further apart the rounds are never, while anybody is up.
const LONGEST_SLEEP: TimeDelta = TimeDelta::minutes(4);
/// The configured lease of a claim.
pub const LEASE: TimeDelta = TimeDelta::seconds(30);

pub const PIN: &str = "4821";
pub const DURESS_PIN: &str = "9064";
pub const WRONG_PIN: &str = "1111";

/// All of it.
pub struct World {
    pub draw: Draw,
    pub clock: ManualClock,
    pub desk: Arc<Desk>,
    pub organisation: OrganisationId,
    pub people: BTreeMap<Who, Actor>,
    pub contacts: BTreeMap<Who, PersonId>,
    pub tokens: BTreeMap<String, String>,
    pub replicas: [Replica; 2],
    pub model: Model,
    pub visits: Vec<VisitId>,
    pub incidents: Vec<IncidentId>,
    /// When the timer is next due, as it was before this step.
    pub due: Option<Time>,
    /// Since when nothing stands in the way of any message.
    pub well_since: Time,
    /// When receipts were heard, or looked for.
    pub moments: Vec<Moment>,
    /// The texts that gateways have delivered, and whose.
    pub texts: Vec<(&'static str, serde_json::Value)>,
    /// How the providers were in each round.
    pub posts: Vec<Post>,
    /// When somebody last fell into a trap.
    pub trapped: Option<Time>,
    /// How often each kind of thing has happened.
    pub counts: BTreeMap<String, usize>,
    /// Looks on, whoever is up.
    observer: Db,
    db: TestDb,
    config: Config,
}

/// What a fresh database needs before anything can happen.
#[derive(Clone)]
struct Prepared {
    organisation: OrganisationId,
    tokens: BTreeMap<String, String>,
}

impl World {
    pub async fn new(seed: u64, engine: Engine) -> Self {
        let config = Config::load(None, &BTreeMap::new()).unwrap();
        let (db, Prepared { organisation, tokens }) = database(engine, &config).await;
        let observer = db.open().await;
        let mut tx = observer.read().await.unwrap();
        let directory = people::directory(&mut tx, organisation).await.unwrap();
        drop(tx);
        let (mut people, mut contacts) = (BTreeMap::new(), BTreeMap::new());
        for who in EVERYBODY {
            let person = directory.people.values().find(|person| person.key == who).unwrap();
            contacts.insert(who, person.id);
            if let Some(role) = person.role {
                let (team, name, zone) = (person.team, person.name.clone(), directory.zone);
                people.insert(who, Actor { organisation, person: person.id, team, role, name, zone });
            }
        }
        let mut world = Self {
            draw: Draw::new(seed),
            clock: ManualClock::new(noon()),
            desk: Arc::default(),
            organisation,
            people,
            contacts,
            tokens,
            replicas: <[Replica; 2]>::default(),
            model: Model::default(),
            visits: vec![],
            incidents: vec![],
            due: None,
            well_since: noon(),
            moments: vec![],
            texts: vec![],
            posts: vec![],
            trapped: None,
            counts: BTreeMap::new(),
            observer,
            db,
            config,
        };
        world.bring_up(0).await;
        world.round().await;
        world
    }

    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// It has happened once more.
    pub fn count(&mut self, kind: impl Into<String>) {
        *self.counts.entry(kind.into()).or_default() += 1;
    }

    pub fn count_incidents(&mut self) {
        for incident in self.model.incidents.clone() {
            let missed = incident.missed.map_or_else(|| "nothing".into(), |(what, _)| format!("{what:?}"));
            let outage = if incident.after_outage { ", after an outage" } else { "" };
            self.count(format!("incident: {:?}, missed {missed}{outage}", incident.kind));
        }
    }

    /// Whose id this is.
    pub fn who(&self, id: PersonId) -> Who {
        self.contacts.iter().find(|(_, other)| **other == id).unwrap().0
    }

    /// Starts a replica, if it is not up.
    pub async fn bring_up(&mut self, replica: usize) {
        if self.replicas[replica].app.is_some() {
            return;
        }
        let (db, clock) = (self.db.open().await, Arc::new(self.clock.clone()));
        let key = ServerKey::parse(SERVER_KEY).unwrap();
        let mut app = App::build(&self.config, db, clock, key, self.desk.providers()).await.unwrap();
        opens_its_inbox(&mut app);
        self.model.forget(replica);
        self.replicas[replica] = Replica { app: Some(app), ..Replica::default() };
    }

    /// Ends a replica at once: whatever it was about is lost.
    pub async fn kill(&mut self, replica: usize, back_at: Option<Time>) {
        let app = std::mem::take(&mut self.replicas[replica]).app;
        self.replicas[replica].back_at = back_at;
        if let Some(app) = app {
            app.site.db.close().await;
        }
    }

    pub fn is_up(&self, replica: usize) -> bool {
        self.replicas[replica].app.is_some()
    }

    /// Those that do their work.
    pub fn running(&self) -> Vec<usize> {
        (0..self.replicas.len()).filter(|at| self.replicas[*at].running().is_some()).collect()
    }

    pub fn app(&self, replica: usize) -> &App {
        self.replicas[replica].running().unwrap()
    }

    /// One that answers at the doors, if there is any.
    pub fn door(&mut self) -> Option<&App> {
        let running = self.running();
        let at = self.draw.any_of(&running)?;
        Some(self.app(at))
    }

    /// A use case through the door that answers.
    pub async fn write<T: Send + 'static>(
        &mut self,
        case: impl AsyncFn(&mut Tx, &House) -> store::Result<T> + Send + Sync + 'static,
    ) -> T {
        let site = self.door().unwrap().site.clone();
        site.db.write(async move |tx| case(tx, &site.house).await).await.unwrap()
    }

    /// For looking only.
    pub async fn read(&self) -> Tx {
        self.observer.read().await.unwrap()
    }

    pub fn database(&self) -> &Db {
        &self.observer
    }

    /// Whether nothing stands in the way of any message now.
    fn is_well(&self) -> bool {
        self.desk.is_well()
            && !self.running().is_empty()
            && self.replicas.iter().all(|replica| replica.stopped.is_none() && replica.trap.is_none())
    }

    /// Time passes, and whoever is up works all the while.
    pub async fn pass(&mut self, length: TimeDelta) {
        let end = self.now() + length;
        while self.now() < end {
            let next = self.next_look().await.min(end);
            self.clock.set(next);
            self.round().await;
        }
    }

    /// When somebody next has something to do, on the grid.
    async fn next_look(&self) -> Time {
        let now = self.now();
        let (mut next, soonest) = (now + LONGEST_SLEEP, now + GRID);
        if self.replicas.iter().any(|replica| replica.back_at.is_some() || replica.stopped.is_some()) {
            next = soonest;
        }
        let mut tx = self.read().await;
        // A retry's wait is drawn anew each time, within less than a step of the grid.
        if let Some(due) = outbox_due(&mut tx).await {
            next = next.min(up_to_grid(due));
        }
        if let Some(due) = homeward::app::tick::next_due(&mut tx).await.unwrap() {
            next = next.min(up_to_grid(due));
        }
        next.max(soonest)
    }

    /// When the timer next has something to do, on the grid.
    pub async fn timer_due(&self) -> Option<Time> {
        let mut tx = self.read().await;
        homeward::app::tick::next_due(&mut tx).await.unwrap().map(up_to_grid)
    }

    /// Whoever is up does what is due now.
    pub async fn round(&mut self) {
        let now = self.now();
        for at in 0..self.replicas.len() {
            if self.replicas[at].back_at.is_some_and(|back| back <= now) {
                self.bring_up(at).await;
            }
            if self.replicas[at].stopped.as_ref().is_some_and(|stopped| stopped.until <= now) {
                self.go_on(at).await;
            }
        }
        self.receipts_come(false).await;
        let mut order = self.running();
        if self.draw.chance(50) {
            order.reverse();
        }
        if order.len() > 1 && self.draw.chance(60) {
            order.pop();
        }
        match order[..] {
            [one, other] if self.draw.chance(20) => {
                let (one, other) = (self.app(one), self.app(other));
                let (one, other) = tokio::join!(one.timer.tick(now), other.timer.tick(now));
                one.unwrap();
                other.unwrap();
            }
            _ => {
                for at in &order {
                    self.app(*at).timer.tick(now).await.unwrap();
                }
            }
        }
        if let Some(first) = order.first().copied() {
            self.tick_again(first).await;
        }
        for at in &order {
            self.model.tick(*at, now);
        }
        self.learn_of_incidents().await;
        if !order.is_empty() {
            self.keep_moment(None);
        }
        let at_the_same_time = self.draw.chance(40) && !self.desk.receipts.come_early();
        match order[..] {
            [one, other]
                if self.replicas.iter().all(|replica| replica.trap.is_none()) && at_the_same_time =>
            {
                let (one, other) = (self.app(one), self.app(other));
                let (one, other) = tokio::join!(one.outbox.deliver_due(now), other.outbox.deliver_due(now));
                one.unwrap();
                other.unwrap();
            }
            _ => {
                for at in &order {
                    self.deliver(*at).await;
                }
            }
        }
        while self.receipts_come(false).await {
            for at in self.running() {
                if self.running().contains(&at) {
                    self.deliver(at).await;
                }
            }
        }
        self.keep_post(!order.is_empty() && self.trapped != Some(now));
        if !self.is_well() {
            self.well_since = now;
        }
        super::checks::after_a_round(self, !self.running().is_empty()).await;
    }

    /// Of two reminders of one visit that are due at the same moment the next round brings the second. It follows at once.
    async fn tick_again(&mut self, at: usize) {
        let now = self.now();
        let mut tx = self.read().await;
        let due = homeward::app::tick::next_due(&mut tx).await.unwrap();
        drop(tx);
        if due.is_some_and(|due| due <= now) {
            self.count("two reminders of a visit at once");
            self.app(at).timer.tick(now).await.unwrap();
        }
    }

    /// Which incident of the database is which of the model.
    pub async fn learn_of_incidents(&mut self) {
        if self.incidents.len() == self.model.incidents.len() {
            return;
        }
        let mut tx = self.read().await;
        let filter = incidents::Filter { state: Some("open"), after: None };
        let open = incidents::list(&mut tx, self.organisation, filter, 1000).await.unwrap();
        for incident in &self.model.incidents[self.incidents.len()..] {
            let subject = self.contacts[incident.subject];
            let visit = incident.visit.map(|visit| self.visits[visit]);
            let found = open.iter().find(|open| open.subject == subject && open.visit == visit);
            self.incidents
                .push(found.unwrap_or_else(|| panic!("no incident opened about {}", incident.subject)).id);
        }
    }

    pub async fn close(mut self) {
        for at in 0..self.replicas.len() {
            self.kill(at, None).await;
        }
        self.observer.close().await;
    }
}

pub async fn outbox_due(tx: &mut Tx) -> Option<Time> {
    store::outbox::next_due_by_any_channel_any_org(tx).await.unwrap()
}

fn up_to_grid(time: Time) -> Time {
    let grid = GRID.num_microseconds().unwrap();
    let past = (time - noon()).num_microseconds().unwrap().rem_euclid(grid);
    if past == 0 { time } else { time + TimeDelta::microseconds(grid - past) }
}

/// A database with the organisation and everybody's PIN in it.
async fn database(engine: Engine, config: &Config) -> (TestDb, Prepared) {
    static FILE: OnceCell<(Vec<u8>, Prepared)> = OnceCell::const_new();
    match engine {
        Engine::Postgres => {
            let db = TestDb::postgres().await.unwrap();
            let prepared = prepare(&db, config).await;
            (db, prepared)
        }
        Engine::Sqlite => {
            let (bytes, prepared) = FILE
                .get_or_init(async || {
                    let db = TestDb::sqlite().await;
                    let prepared = prepare(&db, config).await;
                    (file_of(&db.url).await, prepared)
                })
                .await;
            (TestDb::sqlite_of(bytes), prepared.clone())
        }
    }
}

async fn prepare(db: &TestDb, config: &Config) -> Prepared {
    const HOUSE: &str = include_str!("house.toml");
    let db = db.open().await;
    let (organisation, tokens) = apply(&db, HOUSE, config.policy.clone(), noon()).await;
    let key = ServerKey::parse(SERVER_KEY).unwrap();
    db.write(async move |tx| {
        let directory = people::directory(tx, organisation).await?;
        for worker in directory.people.values().filter(|person| WORKERS.contains(&person.key.as_str())) {
            let hash = |pin| Some(key.pin(worker.id, pin));
            let record = PinRecord { hash: hash(PIN), duress: hash(DURESS_PIN), ..PinRecord::default() };
            pins::save(tx, worker.id, &record).await?;
        }
        Ok(())
    })
    .await
    .unwrap();
    db.close().await;
    Prepared { organisation, tokens }
}
