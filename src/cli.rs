//! The commands: serve, migrate, apply and their kin. Doors to the same use cases as HTTP.

mod coverage;
mod due;
mod provider;

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use homeward::{
    app::{
        coverage::Whom,
        organisation::{self, Defaults, Wanted},
        tokens as token_cases,
    },
    clock::{ThisMachine, Time},
    config::Config,
    demo,
    domain::{
        event::{Door, stamp},
        ids::{OrganisationId, TokenId},
        ladder::Ladder,
        policy::{delta, written},
    },
    keys::ServerKey,
    outward::reach::{Seeker, Wrong},
    providers::Providers,
    shutdown::{Ended, Shutdown, asked_by_signal},
    startup::{self, App},
    store::{Db, Lane, Trace, installation, people, tokens},
    telemetry,
};
use tokio::net::TcpListener;

/// Lone-worker check-in: if somebody does not come out of a visit, people are raised until one of them acts.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Arguments {
    /// The configuration file; what it does not say stands in config/default.toml.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves, watches and sends, until told to stop.
    Serve,
    /// Shows what Homeward does, with invented people and hurried rules; needs nothing, sends nothing.
    Demo {
        /// Where the page is served.
        #[arg(long, default_value = "127.0.0.1:8080")]
        listen: String,
        /// Keeps its data in this folder and goes on with what is there; a folder of its own, deleted at the end, if not said.
        #[arg(long)]
        data: Option<PathBuf>,
        /// Hurries the rules: 60 makes seconds of minutes.
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=600))]
        speed: u32,
    },
    /// Brings the database up to this version; for SQLite also makes a server key where there is none.
    Migrate {
        /// PostgreSQL: another user, who serves, and gets the rights for it and no more.
        #[arg(long)]
        grant_to: Option<String>,
    },
    /// Says what is wrong with the configuration and how to mend it.
    CheckConfig,
    /// Makes an organisation what a TOML file says; all of it or nothing. Prints each new person's token once.
    Apply {
        /// The file.
        file: PathBuf,
    },
    /// Bearer tokens of the API.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Says of each worker of a team who would be told about a missed deadline, and what is missing.
    Coverage {
        /// The team, by the key of the organisation's file.
        #[arg(required_unless_present = "worker")]
        team: Option<String>,
        /// For a deadline missed then: as 2026-12-25T21:40 in the organisation's zone, or with an offset; now if not said.
        #[arg(long)]
        at: Option<String>,
        /// One worker of it alone, by the key.
        #[arg(long)]
        worker: Option<String>,
        /// The organisation, by its key; needed if there are several.
        #[arg(long)]
        organisation: Option<String>,
    },
    /// Tries the providers of the configuration.
    #[command(subcommand)]
    Provider(ProviderCommand),
    /// Answers "who is told when" and "why is a visit due when" without telling anybody.
    #[command(subcommand)]
    Simulate(SimulateCommand),
    /// Asks a running service whether it is ready; fails if it is not.
    Health {
        /// Its readiness.
        #[arg(long, default_value = "http://127.0.0.1:8080/readyz")]
        url: String,
    },
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Issues one and prints it, once.
    Create {
        /// The person, by the key of the organisation's file.
        person: String,
        /// What it is for.
        #[arg(long, default_value = "command line")]
        label: String,
        /// Runs out after so long, such as 720h; never if not said.
        #[arg(long)]
        expires_in: Option<String>,
        /// The organisation, by its key; needed if there are several.
        #[arg(long)]
        organisation: Option<String>,
    },
    /// Takes one back, by the id that `list` shows.
    Revoke {
        /// The id.
        id: uuid::Uuid,
        /// The organisation, by its key; needed if there are several.
        #[arg(long)]
        organisation: Option<String>,
    },
    /// Lists them.
    List {
        /// The organisation, by its key; needed if there are several.
        #[arg(long)]
        organisation: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum ProviderCommand {
    /// Sends one message by a provider, and says what came of it step by step: taken, received, answered. Receipts and answers
    /// come in to the running service; while none runs, it only sends.
    Test {
        /// The provider, by its name in the configuration.
        name: String,
        /// A phone or mailbox at hand.
        #[arg(long)]
        to: String,
        /// Waits so long for the receipt.
        #[arg(long, default_value = "90s")]
        receipt_within: String,
        /// Waits so long for the answer.
        #[arg(long, default_value = "3m")]
        answer_within: String,
        /// The organisation in whose log it stands, by its key; needed if there are several.
        #[arg(long)]
        organisation: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum SimulateCommand {
    /// Why a visit of this case is due when.
    Due {
        /// The case, by its reference.
        case: String,
        /// The organisation, by its key; needed if there are several.
        #[arg(long)]
        organisation: Option<String>,
    },
    /// Who would be told, when and by what, if this worker's visit were missed and nobody acted.
    Ladder {
        /// The worker, by the key of the organisation's file.
        worker: String,
        /// The visit's risk.
        #[arg(long, default_value = "normal", value_parser = ["normal", "high"])]
        risk: String,
        /// When the worker is due out, or calls for help: as 2026-12-25T21:40 in the organisation's zone, or with an offset; now if
        /// not said.
        #[arg(long)]
        due: Option<String>,
        /// What happens.
        #[arg(long, default_value = "overdue", value_parser = ["overdue", "sos", "duress"])]
        kind: String,
        /// So many rounds.
        #[arg(long, default_value_t = 8)]
        rounds: usize,
        /// The organisation, by its key; needed if there are several.
        #[arg(long)]
        organisation: Option<String>,
    },
}

/// Runs a command.
pub(crate) async fn run(
    arguments: Arguments,
    environment: BTreeMap<String, String>,
) -> anyhow::Result<ExitCode> {
    if let Command::Health { url } = &arguments.command {
        return health(url).await;
    }
    // Reads no configuration: it has to run anywhere.
    if let Command::Demo { listen, data, speed } = arguments.command {
        let options = demo::Options { listen, data, speed };
        return Ok(exit_code(demo::run(&options, &mut std::io::stdout()).await?));
    }
    let config = Config::load(arguments.config.as_deref(), &environment)?;
    telemetry::start(&config.log);
    match arguments.command {
        Command::Serve => serve(&config).await,
        Command::Migrate { grant_to } => migrate(&config, grant_to.as_deref()).await,
        Command::CheckConfig => check_config(&config).await,
        Command::Apply { file } => apply(&config, &file).await,
        Command::Token(command) => token(&config, command).await,
        Command::Coverage { team, at, worker, organisation } => {
            let whom = worker.map_or_else(|| Whom::Team(team.unwrap_or_default()), Whom::Worker);
            coverage::show(&config, &whom, at.as_deref(), organisation.as_deref()).await
        }
        Command::Provider(ProviderCommand::Test {
            name,
            to,
            receipt_within,
            answer_within,
            organisation,
        }) => {
            let wait = |option: &str, text: &str| {
                written::parse(text).with_context(|| format!("{option}: “{text}” is no length of time"))
            };
            let waits = provider::Waits {
                receipt: wait("--receipt-within", &receipt_within)?,
                answer: wait("--answer-within", &answer_within)?,
            };
            provider::test(&config, &name, &to, waits, organisation.as_deref()).await
        }
        Command::Simulate(SimulateCommand::Due { case, organisation }) => {
            due::explain(&config, &case, organisation.as_deref()).await
        }
        Command::Simulate(SimulateCommand::Ladder { worker, risk, due, kind, rounds, organisation }) => {
            let asked = coverage::Asked {
                worker,
                risk: coverage::risk(&risk),
                kind: coverage::kind(&kind),
                due,
                rounds,
            };
            coverage::simulate(&config, asked, organisation.as_deref()).await
        }
        Command::Demo { .. } | Command::Health { .. } => Ok(ExitCode::SUCCESS),
    }
}

/// A line to standard output.
fn say(line: impl AsRef<str>) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{}", line.as_ref()).context("standard output is closed")
}

async fn serve(config: &Config) -> anyhow::Result<ExitCode> {
    refuse_complaints(config)?;
    let key = read_key(config)?;
    let providers = Providers::from_config(config).map_err(|complaint| anyhow::anyhow!("{complaint}"))?;
    let db = Db::open(&config.settings()).await?;
    let clock = startup::clock(&db, Arc::new(ThisMachine::new())).await?;
    let app = App::build(config, db, clock, key, providers).await?;
    let shutdown = Shutdown::default();
    if let Some(address) = &config.metrics.listen {
        let listener = listen("metrics.listen", address).await?;
        say(format!("metrics are at http://{}/metrics", listener.local_addr()?))?;
        app.serve_metrics(listener, &shutdown);
    }
    let listener = listen("listen.address", &config.listen.address).await?;
    say(format!("homeward serves on http://{}", listener.local_addr()?))?;
    let asked = shutdown.clone();
    tokio::spawn(async move {
        asked_by_signal().await;
        asked.ask();
    });
    let routes = app.routes();
    Ok(exit_code(app.run(listener, routes, shutdown).await))
}

async fn listen(key: &str, address: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{key}: cannot listen on {address}"))
}

fn exit_code(ended: Ended) -> ExitCode {
    match ended {
        Ended::Asked => ExitCode::SUCCESS,
        Ended::RoleFailed | Ended::OutOfPatience => ExitCode::FAILURE,
    }
}

fn refuse_complaints(config: &Config) -> anyhow::Result<()> {
    let complaints = config.complaints();
    if complaints.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = complaints.iter().map(|complaint| format!("  {complaint}")).collect();
    bail!("the configuration cannot work; nothing was started:\n{}", list.join("\n"));
}

fn read_key(config: &Config) -> anyhow::Result<ServerKey> {
    config.read_server_key().map_err(|complaint| anyhow::anyhow!("{complaint}"))
}

async fn check_config(config: &Config) -> anyhow::Result<ExitCode> {
    let mut complaints: Vec<String> = config.complaints().iter().map(ToString::to_string).collect();
    if complaints.is_empty()
        && let Some(url) = &config.listen.public_url
    {
        match Seeker::new(url, read_key(config)?)?.look().await {
            Ok(()) => say("listen.public_url leads here")?,
            // Before the first start nobody can answer there.
            Err(wrong @ Wrong::NoAnswer(_)) => {
                say(format!("listen.public_url could not be tried unless it is served now: {wrong}"))?;
            }
            Err(wrong @ Wrong::NotUs(..)) => complaints.push(format!("listen.public_url: {wrong}")),
        }
    }
    for complaint in &complaints {
        say(complaint)?;
    }
    if complaints.is_empty() {
        say("nothing is wrong with the configuration")?;
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

async fn migrate(config: &Config, grant_to: Option<&str>) -> anyhow::Result<ExitCode> {
    let db = Db::open(&config.settings()).await?;
    let new = !db.is_migrated().await?;
    db.migrate().await?;
    if let Some(user) = grant_to {
        db.grant_to(user).await?;
    }
    let file = &config.secrets.server_key_file;
    // One server, one file beside its database: making the key saves a step. Replicas must share one, so there it is given.
    if db.engine() == "sqlite" && !file.exists() {
        let (_, text) = ServerKey::generate().context("no randomness to be had")?;
        write_secret(file, &text)?;
        say(format!("made {}: keep a copy, for without it every PIN must be set anew", file.display()))?;
    }
    let key = read_key(config)?;
    let check = key.check();
    if !db.write(async move |tx| installation::key_is_ours(tx, &check).await).await? {
        bail!("{}", homeward::startup::StartError::WrongKey);
    }
    db.close().await;
    say(if new { "the database is set up" } else { "the database was up to date" })?;
    Ok(ExitCode::SUCCESS)
}

fn write_secret(file: &Path, text: &str) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let mut out = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .with_context(|| format!("secrets.server_key_file: cannot make {}", file.display()))?;
    writeln!(out, "{text}").with_context(|| format!("cannot write {}", file.display()))
}

async fn apply(config: &Config, file: &Path) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let defaults = Defaults { policy: config.policy.clone(), ladder: Ladder::default() };
    let wanted = match Wanted::parse(&text, defaults) {
        Ok(wanted) => wanted,
        Err(refused) => return complain(file, &refused),
    };
    let db = open(config).await?;
    let trace = Trace::machine(Door::CommandLine, now(&db).await?);
    let key = wanted.key().to_owned();
    match db.write_in(Lane::Patient, async move |tx| organisation::apply(tx, &wanted, trace).await).await? {
        Ok(applied) => {
            say(format!("organisation “{key}” is as {} says", file.display()))?;
            for (whose, risk, version) in &applied.ladders {
                say(format!("ladder for {whose}, {} risk: version {version} is in force", risk.as_str()))?;
            }
            for (person, token) in &applied.tokens {
                say(format!("token of {person}: {}", token.as_str()))?;
            }
            if !applied.tokens.is_empty() {
                say("tokens are shown this once: hand each to its person alone")?;
            }
            db.close().await;
            Ok(ExitCode::SUCCESS)
        }
        Err(refused) => complain(file, &refused),
    }
}

fn complain(file: &Path, refused: &organisation::Refused) -> anyhow::Result<ExitCode> {
    let list: Vec<String> = refused
        .0
        .iter()
        .map(|complaint| {
            let line = complaint.line.map_or_else(String::new, |line| format!(":{line}"));
            format!("  {}{line}: {}", file.display(), complaint.message)
        })
        .collect();
    bail!("nothing was applied:\n{}", list.join("\n"));
}

async fn open(config: &Config) -> anyhow::Result<Db> {
    let db = Db::open(&config.settings()).await?;
    if !db.is_migrated().await? {
        bail!("{}", homeward::startup::StartError::NotMigrated);
    }
    Ok(db)
}

/// The time that the service goes by, whatever this machine's clock shows.
async fn now(db: &Db) -> anyhow::Result<Time> {
    Ok(startup::clock(db, Arc::new(ThisMachine::new())).await?.now())
}

async fn organisation_of(db: &Db, key: Option<&str>) -> anyhow::Result<OrganisationId> {
    let mut tx = db.read().await?;
    let all = people::organisations_any_org(&mut tx).await?;
    let keys = || all.iter().map(|(_, key)| key.as_str()).collect::<Vec<_>>().join(", ");
    match (key, all.as_slice()) {
        (None, [(only, _)]) => Ok(*only),
        (None, []) => bail!("there is no organisation yet: run `homeward apply FILE`"),
        (None, _) => bail!("there are several organisations; say which with --organisation: {}", keys()),
        (Some(key), _) => match all.iter().find(|(_, other)| other == key) {
            Some((id, _)) => Ok(*id),
            None => bail!("there is no organisation “{key}”; there are: {}", keys()),
        },
    }
}

async fn token(config: &Config, command: TokenCommand) -> anyhow::Result<ExitCode> {
    let db = open(config).await?;
    let now = now(&db).await?;
    let trace = Trace::machine(Door::CommandLine, now);
    match command {
        TokenCommand::Create { person, label, expires_in, organisation } => {
            let id = organisation_of(&db, organisation.as_deref()).await?;
            let directory = people::directory(&mut db.read().await?, id).await?;
            let Some(found) = directory.people.values().find(|found| found.key == person && !found.left)
            else {
                bail!("there is nobody with the key “{person}”");
            };
            if found.is_outside() {
                bail!("“{person}” is an outside contact, who has no account");
            }
            let expires = match expires_in {
                None => None,
                Some(text) => {
                    let length = written::parse(&text).with_context(|| {
                        format!("--expires-in: “{text}” is no length of time: write it like 720h")
                    })?;
                    Some(now + delta(length))
                }
            };
            let person = found.id;
            let token = db
                .write(async move |tx| token_cases::create(tx, id, person, (&label, expires), trace).await)
                .await?;
            say(token.as_str())?;
        }
        TokenCommand::Revoke { id, organisation } => {
            let organisation = organisation_of(&db, organisation.as_deref()).await?;
            let id = TokenId(id);
            if !db.write(async move |tx| token_cases::revoke(tx, organisation, id, trace).await).await? {
                bail!("there is no token with this id to take back");
            }
            say("taken back")?;
        }
        TokenCommand::List { organisation } => {
            let organisation = organisation_of(&db, organisation.as_deref()).await?;
            for token in tokens::list(&mut db.read().await?, organisation).await? {
                let state = match (token.revoked_at, token.expires_at) {
                    (Some(at), _) => format!("taken back {}", stamp(at)),
                    (None, Some(at)) if at <= now => format!("ran out {}", stamp(at)),
                    (None, Some(at)) => format!("until {}", stamp(at)),
                    (None, None) => "in force".into(),
                };
                say(format!(
                    "{}  {}  {}  since {}  {state}",
                    token.id,
                    token.person_key,
                    token.label,
                    stamp(token.created_at)
                ))?;
            }
        }
    }
    db.close().await;
    Ok(ExitCode::SUCCESS)
}

/// A plain HTTP GET: the image needs no other program for its health check.
async fn health(url: &str) -> anyhow::Result<ExitCode> {
    homeward::providers::install_crypto();
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
    let response = client.get(url).send().await.with_context(|| format!("no answer from {url}"))?;
    let ready = response.status().is_success();
    say(response.text().await?)?;
    Ok(if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
