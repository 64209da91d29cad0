//! `homeward demo`: the service as it is, with an invented organisation, hurried rules, phones on a page, and messages that
//! go nowhere. Only the routes of [`pages`] are added; whoever acts there goes through the same use cases, with the same
//! rights and PINs, as at every other door.

mod acts;
mod caseload;
mod desk;
mod feed;
mod next;
pub mod pages;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use chrono::TimeDelta;
use tokio::net::TcpListener;

use crate::{
    app::{
        organisation::{self, Defaults, Wanted},
        pins as pin_cases, tokens,
    },
    clock::{Clock, ThisMachine, WallClock},
    config::{Config, Secret},
    domain::{
        event::Door,
        ids::OrganisationId,
        ladder::Ladder,
        people::Directory,
        pin::Pin,
        policy::{Policy, delta},
        visit::Risk,
    },
    keys::{ServerKey, Token},
    providers::{Providers, capture::Capture},
    shutdown::{Ended, Shutdown, asked_by_signal},
    startup::App,
    store::{Db, Trace, people, pins},
    telemetry,
};

/// The invented people.
const ORGANISATION: &str = include_str!("demo/organisation.toml");
/// The workers' PINs, by key.
const PINS: [(&str, &str); 4] = [("ann", "4821"), ("ben", "1379"), ("eve", "5093"), ("raj", "6174")];
/// Ann's other PIN, which looks the same and raises a silent alarm.
const DURESS_PIN: &str = "7350";
/// A laptop that sleeps for a moment is no outage, however hurried the rules are.
const SHORTEST_OUTAGE: Duration = Duration::from_mins(1);
/// The first visit, in minutes of the rules: long enough for a first reminder, short enough to be waited for.
const FIRST_VISIT: u32 = 12;
/// Every later one; by text it is a whole minute at least.
const VISIT: u32 = 30;
/// By how much a phone's button extends one.
const MORE: u32 = 10;

/// How the demonstration is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it serves.
    pub listen: String,
    /// Where its data stands; `None`: in a folder of its own that is deleted at the end.
    pub data: Option<PathBuf>,
    /// By how much the rules are hurried: 60 makes seconds of minutes.
    pub speed: u32,
}

/// The demonstration, ready to run.
#[derive(Debug)]
struct Demo {
    app: App,
    config: Config,
    stage: Arc<pages::Stage>,
    /// For the lines to paste: of Ann, of Sam.
    tokens: [Token; 2],
    /// Nothing had been there before.
    new: bool,
}

/// Runs the demonstration until it is told to stop. What it says goes to `out`.
pub async fn run(options: &Options, out: &mut (dyn Write + Send)) -> anyhow::Result<Ended> {
    let listener = TcpListener::bind(&options.listen).await.with_context(|| {
        format!("cannot listen on {}: choose another with --listen 127.0.0.1:0", options.listen)
    })?;
    let folder = Folder::open(options.data.as_deref())?;
    let clock: Arc<dyn Clock> = Arc::new(WallClock::new(Arc::new(ThisMachine::new())));
    let demo = prepare(&folder.path, options.speed, clock).await?;
    if demo.new {
        Box::pin(caseload::play(&demo)).await?;
        acts::first_visit(&demo.stage).await?;
    }
    write!(out, "{}", hello(&demo, options.speed, &folder, &listener.local_addr()?.to_string()))?;
    out.flush()?;
    let shutdown = Shutdown::default();
    let asked = shutdown.clone();
    tokio::spawn(async move {
        asked_by_signal().await;
        asked.ask();
    });
    let routes = demo.app.routes().merge(pages::routes(demo.stage));
    let ended = demo.app.run(listener, routes, shutdown).await;
    let what = if folder.is_ours { "The folder is deleted." } else { "The data stays." };
    writeln!(out, "\nStopped. {what}")?;
    Ok(ended)
}

/// Makes what is not there yet: database, key, organisation, PINs. What is there goes on.
async fn prepare(folder: &Path, speed: u32, clock: Arc<dyn Clock>) -> anyhow::Result<Demo> {
    let mut config = Config::load(None, &BTreeMap::new())?;
    // Its first gateway is down so that one can see what happens then: that is no news.
    config.log.filter = "error".into();
    telemetry::start(&config.log);
    config.database.url = Secret::new(sqlite_url(&folder.join("demo.db"))?);
    config.answering.by_text = true;
    config.policy = hurried(speed);
    let db = Db::open(&config.settings()).await?;
    db.migrate().await?;
    let key = key_of(&folder.join("demo.key"))?;
    let first_gateway = Arc::new(Capture::default());
    // It is down until somebody mends it on the page: what goes out goes by the second.
    first_gateway.set_failing(true);
    let named = |name: &str, capture| (name.to_owned(), capture);
    let gateways =
        [named("first-gateway", Arc::clone(&first_gateway)), named("second-gateway", Arc::default())];
    let providers = Providers::capturing(gateways, [named("captured-email", Arc::default())]);
    let app = App::build(&config, db.clone(), Arc::clone(&clock), key.clone(), providers).await?;
    let (organisation, new) = apply(&db, speed, &*clock).await?;
    let directory = people::directory(&mut db.read().await?, organisation).await?;
    let trace = Trace::machine(Door::CommandLine, clock.now());
    for (worker, pin) in PINS {
        let actor = acts::actor(&directory, worker).context("a worker is missing")?;
        if pins::is_set(&mut db.read().await?, actor.person).await? {
            continue;
        }
        let hash = |pin: &Pin| key.pin(actor.person, pin.as_str());
        let duress = Some(DURESS_PIN).filter(|_| worker == "ann").and_then(|pin| Pin::parse(pin).ok());
        let duress = duress.map(|duress| pin_cases::NewDuressPin {
            hash: hash(&duress),
            slips: duress.slips().iter().map(hash).collect(),
        });
        let new = pin_cases::NewPins { pin: Some(key.pin(actor.person, pin)), duress, word: None };
        db.write(async move |tx| pin_cases::set(tx, &actor, new.clone(), None, trace).await).await??;
    }
    let tokens = [token(&db, &directory, "ann", trace).await?, token(&db, &directory, "sam", trace).await?];
    let stage = Arc::new(pages::Stage::new(app.site.clone(), organisation, speed, first_gateway));
    Ok(Demo { app, config, stage, tokens, new })
}

/// The rules, with minutes made seconds.
fn hurried(speed: u32) -> Policy {
    let policy = Policy::default().hurried(speed);
    Policy { outage: policy.outage.max(SHORTEST_OUTAGE), ..policy }
}

/// The organisation's file and its ladders, written out so that another `--speed` gives new versions of them.
fn wanted(speed: u32) -> anyhow::Result<Wanted> {
    let ladder = Ladder::default().hurried(speed);
    let entries = [Risk::Normal, Risk::High].map(|risk| {
        let mut entry = toml::Table::try_from(&ladder)?;
        entry.insert("risk".into(), risk.as_str().into());
        Ok::<_, toml::ser::Error>(toml::Value::Table(entry))
    });
    let entries = entries.into_iter().collect::<Result<Vec<_>, _>>()?;
    let ladders = toml::Table::from_iter([("ladder".to_owned(), toml::Value::Array(entries))]);
    let text = format!("{ORGANISATION}\n{ladders}");
    let parsed = Wanted::parse(&text, Defaults { policy: hurried(speed), ladder });
    parsed.map_err(|refused| anyhow::anyhow!("{:?}", refused.0))
}

async fn apply(db: &Db, speed: u32, clock: &dyn Clock) -> anyhow::Result<(OrganisationId, bool)> {
    let wanted = wanted(speed)?;
    let trace = Trace::machine(Door::CommandLine, clock.now());
    match db.write(async move |tx| organisation::apply(tx, &wanted, trace).await).await? {
        Ok(applied) => Ok((applied.organisation, !applied.tokens.is_empty())),
        Err(refused) => bail!("{:?}", refused.0),
    }
}

async fn token(db: &Db, directory: &Directory, key: &str, trace: Trace) -> anyhow::Result<Token> {
    let person = acts::actor(directory, key).context("somebody is missing")?.person;
    let (organisation, expires) = (directory.organisation, trace.now + TimeDelta::hours(24));
    let case = async move |tx: &mut _| {
        tokens::create(tx, organisation, person, ("demo", Some(expires)), trace).await
    };
    Ok(db.write(case).await?)
}

fn sqlite_url(file: &Path) -> anyhow::Result<String> {
    let file = file.to_str().context("--data: the name of the folder is no UTF-8")?;
    Ok(format!("sqlite:{}", file.replace('%', "%25").replace('?', "%3F")))
}

/// The key beside the data, made where there is none.
fn key_of(file: &Path) -> anyhow::Result<ServerKey> {
    if file.exists() {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        return ServerKey::parse(&text).with_context(|| file.display().to_string());
    }
    let (key, text) = ServerKey::generate().context("no randomness to be had")?;
    let mut options = fs::OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o600).open(file);
    made.and_then(|mut made| writeln!(made, "{text}"))
        .with_context(|| format!("cannot make {}", file.display()))?;
    Ok(key)
}

/// Where the data stands.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// Made for this run alone, and deleted with it.
    is_ours: bool,
}

impl Folder {
    fn open(named: Option<&Path>) -> anyhow::Result<Self> {
        let is_ours = named.is_none();
        let fresh = || std::env::temp_dir().join(format!("homeward-demo-{}", uuid::Uuid::new_v4().simple()));
        let path = named.map_or_else(fresh, Path::to_owned);
        let made = fs::DirBuilder::new().recursive(!is_ours).mode(0o700).create(&path);
        made.with_context(|| format!("cannot make the folder {}", path.display()))?;
        Ok(Self { path, is_ours })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_ours
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, folder = %self.path.display(), "the folder could not be deleted");
        }
    }
}

/// What the terminal says at the beginning.
fn hello(demo: &Demo, speed: u32, folder: &Folder, address: &str) -> String {
    let policy = hurried(speed);
    let due = quick(FIRST_VISIT, speed);
    let padded = |length: Duration| format!("{:>6}", seconds(length));
    let story = if demo.new {
        format!(
            "What happens now, if nobody does anything: Ann Lee is alone on a visit.
  in {}  Ann is reminded that she is due out soon
  in {}  Ann is due out, and reminded once more
  in {}  the alarm: Jo, whom she named, and Sam, her manager, are told
  then more people every {}, for ever, until one of them takes it.

Besides, on Sam's desk: two visits wait to be agreed, and Raj Patel is at the door of one of them; one was
refused, two were out of the ordinary; one person is overdue a visit, and for one it cannot be computed.",
            padded(due.saturating_sub(policy.first_reminder)),
            padded(due),
            padded(due + policy.grace),
            seconds(Ladder::default().hurried(speed).repeat_every),
        )
    } else {
        "It goes on where it was. Start a visit on the page, or here.".to_owned()
    };
    let [ann, sam] = &demo.tokens;
    let fate = if folder.is_ours { "deleted at the end" } else { "stays: use it again with --data" };
    format!(
        r#"Homeward, a demonstration. The people are invented; no text and no mail leaves this machine.

  Page   http://{address}/
  Speed  {speed}: a minute of the rules takes {minute}
  Data   {folder} ({fate})

{story}

Watch it on the page, or paste these. Ann's PIN is 4821, Ben's is 1379. Under threat Ann
gives {DURESS_PIN} instead: her phone shows no difference, Sam's does.

  API=http://{address}/api/v1
  first_id() {{ grep -o '"id":"[^"]*' | head -n 1 | cut -d'"' -f4; }}
  ANN='Authorization: Bearer {ann}'
  SAM='Authorization: Bearer {sam}'

  # Ann goes in for a minute, needs one more, and comes out
  VISIT=$(curl -s -H "$ANN" $API/visits -d '{{"place": "9 Quay Road", "minutes": 1}}' | first_id)
  curl -s -H "$ANN" $API/visits/$VISIT
  curl -s -H "$ANN" $API/visits/$VISIT/extend -d '{{"minutes": 1, "pin": "4821"}}'
  curl -s -H "$ANN" $API/visits/$VISIT/check-out -d '{{"pin": "4821"}}'

  # Sam sees the alarm, takes it, and says how it ended
  curl -s -H "$SAM" "$API/incidents?state=open"
  ALARM=$(curl -s -H "$SAM" "$API/incidents?state=open" | first_id)
  curl -s -H "$SAM" -X POST $API/incidents/$ALARM/acknowledge
  curl -s -H "$SAM" $API/incidents/$ALARM/close -d '{{"outcome": "safe_forgot",
    "known_by": "spoke_by_voice", "worker_now": "home", "note": "Rang Ann: she is at home."}}'

  # The same by text, answered as an SMS would be; and a call for help, which needs nothing at all
  curl -s -H "$ANN" $API/text -d '{{"text": "IN 5 9 Quay Road"}}'
  curl -s -H "$ANN" $API/text -d '{{"text": "OUT 4821"}}'
  curl -s -H "$ANN" -X POST $API/sos
  curl -s -H "$SAM" $API/text -d '{{"text": "WHO"}}'

Ctrl-C stops it.
"#,
        minute = seconds(quick(1, speed)),
        folder = folder.path.display(),
        ann = ann.as_str(),
        sam = sam.as_str(),
    )
}

/// So many minutes of the rules, hurried.
fn quick(minutes: u32, speed: u32) -> Duration {
    Duration::from_mins(minutes.into()) / speed.max(1)
}

/// The same in whole minutes, one at least: texts count no seconds.
fn whole_minutes(minutes: u32, speed: u32) -> u64 {
    quick(minutes, speed).as_secs().div_ceil(60).max(1)
}

/// The same, to be added to instants.
fn minutes(count: u32, speed: u32) -> TimeDelta {
    delta(quick(count, speed))
}

/// A length, in seconds, as people read it.
fn seconds(length: Duration) -> String {
    let tenths = (length.as_millis() + 50) / 100;
    match tenths % 10 {
        0 => format!("{} s", tenths / 10),
        rest => format!("{}.{rest} s", tenths / 10),
    }
}
