//! What the service survives: each row of the list of faults is a test with its number.
//!
//! Where a clock has to move the service runs in the test's own process; where a process has to die it is a real one.

mod alive;
mod answers;
mod clocks;
mod database;
mod local_times;
mod processes;
mod providers;
mod replicas;

use std::{collections::BTreeMap, path::PathBuf};

use homeward::{
    clock::{Clock, SystemClock},
    domain::contact::Channel,
    store::messages::MessageState,
};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{
    TestDb,
    app::{SERVER_KEY, TestApp, WESTSHIRE},
    fake_sms::FakeSms,
    fake_smtp::FakeSmtp,
    process::Process,
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SAM: &str = "+447700900125";
const JO: &str = "+447700900124";

/// Two steps at once, and then nothing for an hour: every message that will ever be due is known.
const QUICK_LADDER: &str = "
[[ladder]]
risk = \"normal\"
repeat_every = \"1h\"
steps = [
  { after = \"0s\", tell = [\"emergency_contact\", \"manager\"] },
  { after = \"2s\", tell = [\"duty_manager\"] },
]
";

/// Settings as the environment gives them; a process may get more.
#[derive(Debug, Clone, Default)]
struct Environment(BTreeMap<String, String>);

impl Environment {
    /// With these gateways, in this order.
    fn sms<'f>(gateways: impl IntoIterator<Item = &'f FakeSms>) -> Self {
        let list: Vec<_> = (1..)
            .zip(gateways)
            .map(|(n, sms)| {
                let url = &sms.url;
                format!(
                    r#"{{ name = "sms{n}", kind = "webhook", url = "{url}", secret = "{SECRET}", timeout = "2s" }}"#
                )
            })
            .collect();
        Self::default()
            .with("HOMEWARD_SMS", format!("[{}]", list.join(", ")))
            .with("HOMEWARD_EMAIL", r#"[{ name = "mail", kind = "capture" }]"#)
            .with("HOMEWARD_OUTBOX__LEASE", "7500ms")
            .with("HOMEWARD_POLICY__OUTAGE", "24h")
            .with("HOMEWARD_OPERATOR__EMAIL", "operator@example.org")
    }

    /// And this mail server.
    fn mail(self, server: &FakeSmtp) -> Self {
        let port = server.address.port();
        self.with(
            "HOMEWARD_EMAIL",
            format!(
                r#"[{{ name = "mail", kind = "smtp", host = "127.0.0.1", port = {port}, tls = "none", from = "alarm@example.org", timeout = "2s" }}]"#
            ),
        )
    }

    fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }
}

/// A gateway and a mail server that the service sends by.
struct World {
    sms: FakeSms,
    mail: FakeSmtp,
}

impl World {
    async fn start() -> Self {
        Self { sms: FakeSms::start(SECRET).await, mail: FakeSmtp::start().await }
    }

    fn environment(&self) -> Environment {
        Environment::sms([&self.sms]).mail(&self.mail)
    }

    /// What was taken, each time it was: the reference, whose, by what, the words.
    fn taken(&self) -> Vec<Taken> {
        let texts = self.sms.ledger().accepted.into_iter().map(|sms| Taken {
            id: sms.id,
            to: sms.to,
            channel: Channel::Sms,
            words: sms.text,
        });
        let mails = self.mail.ledger().accepted.into_iter().map(|mail| Taken {
            id: mail.message_id.split('@').next().unwrap().into(),
            to: mail.to.join(","),
            channel: Channel::Email,
            words: mail.body,
        });
        texts.chain(mails).collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Taken {
    id: String,
    to: String,
    channel: Channel,
    words: String,
}

/// I1, I3 and I4: every message that was due has been taken, every one that was taken is a row that says so, and repeats
/// are no more than allowed and are recognisable. Gives the number of repeats.
async fn accounted_for(app: &TestApp, taken: &[Taken], repeats_allowed: usize) -> usize {
    app.verify().await;
    let said = app.said().await;
    for said in &said {
        assert_eq!(said.state, MessageState::Accepted, "{said:?}");
        let of_it: Vec<_> = taken.iter().filter(|taken| taken.id == said.id).collect();
        assert!(!of_it.is_empty(), "marked as taken and nobody has it: {said:?}");
        assert!(
            of_it.iter().all(|taken| taken.words.trim_end() == of_it[0].words.trim_end()
                && (taken.to.as_str(), taken.channel) == (of_it[0].to.as_str(), said.channel)),
            "one reference, one message: {of_it:?}"
        );
    }
    for taken in taken {
        assert!(said.iter().any(|said| said.id == taken.id), "sent and not in the records: {taken:?}");
    }
    let repeats = taken.len() - said.len();
    assert!(repeats <= repeats_allowed, "{repeats} repeats: {taken:#?}");
    repeats
}

/// A real service beside `app`, which only sets things up and looks at the records.
struct Site {
    world: World,
    app: TestApp,
    folder: TempDir,
    environment: Environment,
}

impl Site {
    /// One visit of each of these workers is overdue, and nobody has noticed.
    async fn with_overdue(db: &TestDb, organisation: &str, workers: &[&str]) -> Self {
        let world = World::start().await;
        let environment = world.environment().with("HOMEWARD_POLICY__GRACE", "1s");
        let ten_seconds_ago = SystemClock.now() - chrono::TimeDelta::seconds(10);
        let app = TestApp::with_providers(db, organisation, &environment.0, ten_seconds_ago).await;
        for worker in workers {
            let out = ten_seconds_ago + chrono::TimeDelta::seconds(1);
            app.person(worker).post("/visits", json!({"expected_departure": out})).await.is_ok();
        }
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("homeward.key");
        std::fs::write(&key, SERVER_KEY).unwrap();
        std::fs::write(folder.path().join("homeward.toml"), "").unwrap();
        let environment = environment
            .with("HOMEWARD_SECRETS__SERVER_KEY_FILE", key.display().to_string())
            .with("HOMEWARD_LISTEN__ADDRESS", "127.0.0.1:0")
            .with("HOMEWARD_DATABASE__URL", &db.url);
        Self { world, app, folder, environment }
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("homeward.toml")
    }

    /// A process of it, that stops at this point of its path if one is named.
    fn serve(&self, kill_point: Option<&str>) -> Process {
        let mut environment = self.environment.clone();
        if let Some(point) = kill_point {
            environment = environment.with("HOMEWARD_KILL_POINT", point);
        }
        let pairs = environment.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Process::homeward(&["serve"], &self.config(), pairs)
    }

    /// Whether everything that was called for has been sent and marked.
    async fn all_done(&self, incidents: usize) -> bool {
        everybody_called(&self.app, incidents).await && !self.app.waits().await
    }
}

/// Whether both steps of [`QUICK_LADDER`] have called each of theirs, by text and by mail, about so many incidents.
async fn everybody_called(app: &TestApp, incidents: usize) -> bool {
    let said = app.said().await;
    let calls = |to: &str, channel| {
        said.iter()
            .filter(|said| said.purpose.calls_to_act() && said.to == to && said.channel == channel)
            .count()
    };
    ["jo", "sam", "dee"].iter().all(|to| Channel::ALL.iter().all(|channel| calls(to, *channel) >= incidents))
}

/// Where a process serves.
async fn address_of(process: &Process) -> String {
    let line = process.wait_for_line("homeward serves on ").await;
    line.rsplit(' ').next().unwrap().to_owned()
}

/// Westshire with a ladder of its own.
fn westshire(ladder: &str) -> String {
    format!("{WESTSHIRE}{ladder}")
}

/// Workers of Sam's, with Jo as their emergency contact; their keys.
fn add_workers(organisation: &mut String, keys: std::ops::Range<usize>) -> Vec<String> {
    use std::fmt::Write;
    keys.map(|n| {
        write!(
            organisation,
            "\n[[person]]\nkey = \"w{n}\"\nname = \"Worker {n}\"\nteam = \"north\"\nrole = \"worker\"\nphone = \"07700 9002{n:02}\"\nmanager = \"sam\"\nemergency_contacts = [\"jo\"]\n"
        )
        .unwrap();
        format!("w{n}")
    })
    .collect()
}
