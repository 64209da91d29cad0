//! The whole service in the test's own process: its HTTP on a port of its own, its clock in the test's hand, its
//! providers taking everything. What it said stands in its messages.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use chrono::TimeDelta;
use homeward::{
    app::organisation::{self, Defaults, Wanted},
    clock::{Clock, ManualClock, ManualMachine, Time},
    config::Config,
    domain::{
        contact::Channel, event::Door, ids::OrganisationId, ladder::Ladder, notice::Purpose, policy::Policy,
    },
    keys::ServerKey,
    providers::Providers,
    startup::{self, App},
    store::{Db, Pools, Trace, events, messages, outbox, people},
};
use jsonschema::Validator;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{TestDb, phones::PUBLIC};

/// The organisation that most tests are about: Ann Lee visits, Jo is her partner, Sam her manager, Dee on duty, Una above.
pub const WESTSHIRE: &str = include_str!("../../../config/organisation.example.toml");

/// The key that every test database is set up with.
pub const SERVER_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// Noon on a Wednesday in winter: Europe/London is UTC then.
pub fn noon() -> Time {
    "2026-01-14T12:00:00Z".parse().unwrap()
}

/// The service.
pub struct TestApp {
    pub app: App,
    pub clock: ManualClock,
    pub organisation: OrganisationId,
    pub tokens: BTreeMap<String, String>,
    url: String,
    http: reqwest::Client,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub body: Value,
    pub headers: reqwest::header::HeaderMap,
}

/// Somebody with a token.
pub struct Person<'a> {
    app: &'a TestApp,
    token: String,
}

/// A message as its reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub id: String,
    pub to: String,
    pub channel: Channel,
    pub purpose: Purpose,
    pub text: String,
    pub state: messages::MessageState,
}

impl TestApp {
    /// Westshire, at noon.
    pub async fn start(db: &TestDb) -> Self {
        Self::with(db, WESTSHIRE, |_| {}).await
    }

    /// Another organisation, or another configuration.
    pub async fn with(db: &TestDb, organisation: &str, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::load(None, &BTreeMap::new()).unwrap();
        change(&mut config);
        Self::build(db, organisation, &config, Providers::captured(), noon()).await
    }

    /// With real providers, as this environment names them, and a clock that stands at `now`.
    pub async fn with_providers(
        db: &TestDb,
        organisation: &str,
        environment: &BTreeMap<String, String>,
        now: Time,
    ) -> Self {
        let config = Config::load(None, environment).unwrap();
        let providers = Providers::from_config(&config).unwrap();
        Self::build(db, organisation, &config, providers, now).await
    }

    /// Another organisation at another time, with pages that people reach.
    pub async fn on(db: &TestDb, organisation: &str, now: Time) -> Self {
        let reached = [("HOMEWARD_LISTEN__PUBLIC_URL".to_owned(), PUBLIC.to_owned())];
        let config = Config::load(None, &reached.into()).unwrap();
        Self::build(db, organisation, &config, Providers::captured(), now).await
    }

    async fn build(
        db: &TestDb,
        organisation: &str,
        config: &Config,
        providers: Providers,
        now: Time,
    ) -> Self {
        let clock = ManualClock::new(now);
        let db = db.open().await;
        let (organisation, tokens) = apply(&db, organisation, config.policy.clone(), clock.now()).await;
        let key = ServerKey::parse(SERVER_KEY).unwrap();
        let app = App::build(config, db, Arc::new(clock.clone()), key, providers).await.unwrap();
        let this = Self::serve(app, clock, organisation, tokens).await;
        this.work().await;
        this
    }

    async fn serve(
        app: App,
        clock: ManualClock,
        organisation: OrganisationId,
        tokens: BTreeMap<String, String>,
    ) -> Self {
        let url = serve(app.routes()).await;
        homeward::providers::install_crypto();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { app, clock, organisation, tokens, url, http }
    }

    /// Another server of the same installation, which goes by the clocks of this machine as the real one does.
    pub async fn replica_on(&self, db: &TestDb, machine: &ManualMachine) -> Self {
        let config = Config::load(None, &BTreeMap::new()).unwrap();
        let db = db.open().await;
        let clock = startup::clock(&db, Arc::new(machine.clone())).await.unwrap();
        let key = ServerKey::parse(SERVER_KEY).unwrap();
        let app = App::build(&config, db, clock, key, Providers::captured()).await.unwrap();
        Self::serve(app, self.clock.clone(), self.organisation, self.tokens.clone()).await
    }

    /// Another replica over the same database, by the same clock.
    pub async fn another(&self, db: &TestDb, environment: &BTreeMap<String, String>) -> App {
        let config = Config::load(None, environment).unwrap();
        let (providers, clock) = (Providers::from_config(&config).unwrap(), Arc::new(self.clock.clone()));
        let key = ServerKey::parse(SERVER_KEY).unwrap();
        App::build(&config, db.open().await, clock, key, providers).await.unwrap()
    }

    pub fn db(&self) -> &Db {
        &self.app.site.db
    }

    pub fn now(&self) -> Time {
        self.app.site.clock.now()
    }

    /// `12:34` of the day that the clock shows.
    pub fn at(&self, time: &str) -> Time {
        format!("{}T{time}:00Z", self.now().format("%Y-%m-%d")).parse().unwrap()
    }

    /// Somebody, by their key in the organisation's file.
    pub fn person(&self, key: &str) -> Person<'_> {
        Person { app: self, token: self.tokens[key].clone() }
    }

    pub fn with_token(&self, token: &str) -> Person<'_> {
        Person { app: self, token: token.into() }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Does everything that is due now: deadlines, then messages.
    pub async fn work(&self) {
        self.app.timer.tick(self.now()).await.unwrap();
        self.app.outbox.deliver_due(self.now()).await.unwrap();
    }

    /// Lets time pass as it does: the timer looks at the deadlines all the while.
    pub async fn pass(&self, minutes: i64) {
        for _ in 0..minutes * 2 {
            self.clock.advance(TimeDelta::seconds(30));
            self.work().await;
        }
    }

    /// Lets time pass while the service is down.
    pub fn down_for(&self, minutes: i64) {
        self.clock.advance(TimeDelta::minutes(minutes));
    }

    /// Sets Ann's PIN and starts a visit of hers; its id.
    pub async fn ann_goes_in(&self, minutes: i64) -> String {
        self.set_pin("ann").await;
        let visit =
            self.person("ann").post("/visits", json!({"place": "12 High St", "minutes": minutes})).await;
        assert_eq!(visit.status, 201, "{visit:?}");
        visit.id()
    }

    /// Everybody has shown at each of their addresses that messages arrive.
    pub async fn prove_everybody(&self) {
        let text = "UPDATE proof SET state = 'proved', since = '2026-01-14T10:00:00+00:00'";
        assert_ne!(crate::store::execute(self.db(), text).await.unwrap(), 0);
    }

    /// Ann's PIN is 4821.
    pub async fn set_pin(&self, key: &str) {
        let set = self.person(key).put("/me/pins", json!({"pin": "4821"})).await;
        assert_eq!(set.status, 204, "{set:?}");
    }

    /// Everything that was said since the beginning, in that order.
    pub async fn said(&self) -> Vec<Said> {
        let mut tx = self.db().read().await.unwrap();
        let directory = people::directory(&mut tx, self.organisation).await.unwrap();
        let mut all = messages::list(&mut tx, self.organisation, 100_000).await.unwrap();
        all.sort_by_key(|message| {
            (message.created_at, message.purpose, message.channel, message.address.clone())
        });
        all.into_iter()
            .map(|message| Said {
                id: message.id.to_string(),
                to: message
                    .recipient_id
                    .map_or(message.address.clone(), |id| directory.person(id).unwrap().key.clone()),
                channel: message.channel,
                purpose: message.purpose,
                text: match message.channel {
                    Channel::Sms => message.short_text,
                    Channel::Email => message.body,
                },
                state: message.state,
            })
            .collect()
    }

    /// The texts that somebody got, in order.
    pub async fn texts(&self, to: &str) -> Vec<String> {
        self.said()
            .await
            .into_iter()
            .filter(|said| said.to == to && said.channel == Channel::Sms)
            .map(|said| said.text)
            .collect()
    }

    /// The one open incident, as Una sees it.
    pub async fn the_incident(&self) -> Value {
        let list = self.person("una").get("/incidents?state=open").await;
        let incidents = list.body["incidents"].as_array().unwrap();
        assert_eq!(incidents.len(), 1, "{list:?}");
        incidents[0].clone()
    }

    pub async fn open_incidents(&self) -> usize {
        let list = self.person("una").get("/incidents?state=open").await;
        list.is_ok().body["incidents"].as_array().unwrap().len()
    }

    /// The kinds of the events of a visit or an incident, as the auditor sees them.
    pub async fn log(&self, of: &str, id: &str) -> Vec<String> {
        let log = self.person("ari").get(&format!("/events?{of}={id}&limit=500")).await;
        let events = log.body["events"].as_array().unwrap();
        events.iter().map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until everything that was written can be read in `/events`: a transaction that runs anywhere on the same
    /// PostgreSQL server, in another test too, keeps its readers waiting. Every test that reads there begins with this.
    pub async fn readers_have_caught_up(&self) {
        const WAITS: &str = "SELECT EXISTS (SELECT 1 FROM event
             WHERE tx >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint)";
        let Pools::Postgres(pool) = self.db().pools() else { return };
        while sqlx::query_scalar::<_, bool>(WAITS).fetch_one(pool).await.unwrap() {
            tokio::task::yield_now().await;
        }
    }

    /// The events of the organisation, as the auditor reads them: the first 500.
    pub async fn everything_that_happened(&self) -> Reply {
        self.readers_have_caught_up().await;
        self.person("ari").get("/events?limit=500").await
    }

    /// Whether a message is still to be sent.
    pub async fn waits(&self) -> bool {
        let mut tx = self.db().read().await.unwrap();
        outbox::next_due_by_any_channel_any_org(&mut tx).await.unwrap().is_some()
            || outbox::next_of_drills_any_org(&mut tx).await.unwrap().is_some()
    }

    /// What has to hold at the end of every test: nothing waits to be sent, and every chain holds.
    pub async fn finish(self) {
        self.app.outbox.deliver_due(self.now()).await.unwrap();
        assert!(!self.waits().await, "a message is left in the outbox");
        self.verify().await;
    }

    /// Every chain of events holds.
    pub async fn verify(&self) {
        let mut tx = self.db().read().await.unwrap();
        for (chain, organisation) in events::chains_any_org(&mut tx).await.unwrap() {
            events::verify_any_org(&mut tx, chain, organisation).await.unwrap().unwrap();
        }
    }
}

/// What checks against a schema of the description: made once, since making it takes longer than most tests.
fn validator(schema: &Value, components: &Value) -> Arc<Validator> {
    static MADE: Mutex<BTreeMap<String, Arc<Validator>>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let anew = || {
        let mut schema = schema.clone();
        schema["components"] = components.clone();
        Arc::new(jsonschema::validator_for(&schema).unwrap())
    };
    made.entry(schema.to_string()).or_insert_with(anew).clone()
}

/// Serves this on a port of its own; where.
pub async fn serve(routes: axum::Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    url
}

/// Applies an organisation's file; its id and everybody's token.
pub async fn apply(
    db: &Db,
    text: &str,
    policy: Policy,
    now: Time,
) -> (OrganisationId, BTreeMap<String, String>) {
    let wanted = Wanted::parse(text, Defaults { policy, ladder: Ladder::default() }).unwrap();
    let trace = Trace::machine(Door::CommandLine, now);
    let key = ServerKey::parse(SERVER_KEY).unwrap().check();
    db.write(async move |tx| homeward::store::installation::key_is_ours(tx, &key).await).await.unwrap();
    let applied =
        db.write(async move |tx| organisation::apply(tx, &wanted, trace).await).await.unwrap().unwrap();
    let tokens = applied.tokens.iter().map(|(key, token)| (key.clone(), token.as_str().to_owned())).collect();
    (applied.organisation, tokens)
}

impl Person<'_> {
    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, None, &[]).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.send("POST", path, Some(body.to_string().into_bytes()), &[]).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Reply {
        self.send("PUT", path, Some(body.to_string().into_bytes()), &[]).await
    }

    /// With an Idempotency-Key.
    pub async fn post_once(&self, path: &str, key: &str, body: Value) -> Reply {
        self.send("POST", path, Some(body.to_string().into_bytes()), &[("Idempotency-Key", key)]).await
    }

    pub async fn post_raw(&self, path: &str, body: impl Into<Vec<u8>>) -> Reply {
        self.send("POST", path, Some(body.into()), &[]).await
    }

    async fn send(&self, method: &str, path: &str, body: Option<Vec<u8>>, headers: &[(&str, &str)]) -> Reply {
        let url = self.app.url(&format!("/api/v1{path}"));
        let mut request = self.app.http.request(method.parse().unwrap(), url).bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        self.app.described(method, path, status, &body).await;
        Reply { status, body, headers }
    }
}

impl Reply {
    pub fn id(&self) -> String {
        self.body["id"].as_str().unwrap().to_owned()
    }

    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap()
    }

    /// A problem of this kind.
    #[track_caller]
    pub fn is_problem(&self, status: u16, slug: &str) -> &Self {
        assert_eq!(
            (self.status, self.body["type"].as_str()),
            (status, Some(format!("/problems/{slug}").as_str())),
            "{self:?}"
        );
        self
    }

    #[track_caller]
    pub fn is_ok(&self) -> &Self {
        assert!((200..300).contains(&self.status), "{self:?}");
        self
    }
}

impl TestApp {
    /// Every reply has to be what the service's own description says.
    async fn described(&self, method: &str, path: &str, status: u16, body: &Value) {
        static DESCRIPTION: OnceLock<Value> = OnceLock::new();
        if DESCRIPTION.get().is_none() {
            let text = self.http.get(self.url("/openapi.json")).send().await.unwrap().text().await.unwrap();
            let _first = DESCRIPTION.set(serde_json::from_str(&text).unwrap());
        }
        let description = DESCRIPTION.get().unwrap();
        let path = format!("/api/v1{}", path.split('?').next().unwrap());
        let matches = |template: &str| {
            let (template, path): (Vec<_>, Vec<_>) =
                (template.split('/').collect(), path.split('/').collect());
            template.len() == path.len()
                && template
                    .iter()
                    .zip(&path)
                    .all(|(template, path)| template.starts_with('{') || template == path)
        };
        let paths = description["paths"].as_object().unwrap();
        let Some((_, item)) = paths.iter().find(|(template, _)| matches(template)) else {
            assert_eq!(status, 404, "{path} is served and not described");
            return;
        };
        let responses = &item[method.to_lowercase()]["responses"];
        let described = match (&responses[status.to_string()], &responses["4XX"]) {
            (Value::Null, any) if (400..500).contains(&status) => any,
            (Value::Null, _) if status == 503 => return,
            (exact, _) => exact,
        };
        assert!(described.is_object(), "{method} {path} answered {status}, which is not described");
        let Some(content) = described["content"].as_object() else {
            assert!(body.is_null(), "{method} {path} {status} is described as empty");
            return;
        };
        let validator = validator(&content.values().next().unwrap()["schema"], &description["components"]);
        let wrong: Vec<String> =
            validator.iter_errors(body).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "{method} {path} {status} is not as described: {wrong:#?}\n{body:#}");
    }
}
