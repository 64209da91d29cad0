//! A mail server that follows a script and remembers everything. It speaks real SMTP, in the clear, on loopback.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use mail_parser::MessageParser;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::task::AbortOnDropHandle;

use super::watched::Watched;

/// What the server does with a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Answer {
    /// Takes it.
    #[default]
    Accept,
    /// Refuses its recipient with this code, such as 451 (later) or 550 (never).
    Refuse(u16),
    /// Takes it, and closes the connection instead of saying so.
    CutAfterData,
    /// Takes it, and later answers QUIT with rubbish.
    BadQuit,
}

/// Everything that has come in.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Every recipient that was named.
    pub attempts: Vec<Attempt>,
    /// Every mail that was taken.
    pub accepted: Vec<Mail>,
    /// How many QUITs were answered with rubbish.
    pub bad_quits: usize,
}

/// A recipient that was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Whose mailbox.
    pub to: String,
    /// What became of it.
    pub answer: Answer,
}

/// A mail that was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mail {
    /// Who logged in, if anybody did.
    pub user: Option<String>,
    /// The sender on the envelope.
    pub from: String,
    /// The recipients on the envelope.
    pub to: Vec<String>,
    /// The `Message-ID`, without its brackets.
    pub message_id: String,
    /// The subject, decoded.
    pub subject: String,
    /// The plain text, decoded.
    pub body: String,
}

/// A mail server on loopback; gone, with its connections, when it is dropped.
#[derive(Debug)]
pub struct FakeSmtp {
    /// Where it listens.
    pub address: SocketAddr,
    office: Arc<Office>,
    _server: AbortOnDropHandle<()>,
}

impl FakeSmtp {
    /// Starts one.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let office = Arc::new(Office::default());
        let server = tokio::spawn(serve(listener, Arc::clone(&office)));
        Self { address, office, _server: AbortOnDropHandle::new(server) }
    }

    /// The answer where nothing else is said.
    pub fn usually(&self, answer: Answer) {
        self.office.script().usually = answer;
    }

    /// The answers to the next mails.
    pub fn next(&self, answers: impl IntoIterator<Item = Answer>) {
        self.office.script().next.extend(answers);
    }

    /// The answer to every mail for this address; it goes before everything else.
    pub fn for_address(&self, to: &str, answer: Answer) {
        self.office.script().by_address.insert(to.into(), answer);
    }

    /// What has come in so far.
    pub fn ledger(&self) -> Ledger {
        self.office.ledger.now()
    }

    /// Waits until the ledger is so.
    #[track_caller]
    pub fn wait_for(&self, reached: impl Fn(&Ledger) -> bool) -> impl Future<Output = Ledger> {
        self.office.ledger.wait_for(reached)
    }
}

#[derive(Debug, Default)]
struct Office {
    script: Mutex<Script>,
    ledger: Watched<Ledger>,
}

impl Office {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Script {
    usually: Answer,
    next: VecDeque<Answer>,
    by_address: HashMap<String, Answer>,
}

async fn serve(listener: TcpListener, office: Arc<Office>) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let session = Session::new(accepted.unwrap().0, Arc::clone(&office));
                sessions.spawn(session.run());
            }
            Some(_ended) = sessions.join_next() => {}
        }
    }
}

/// One connection.
struct Session {
    stream: BufReader<TcpStream>,
    office: Arc<Office>,
    user: Option<String>,
    mail: Mail,
    /// What becomes of the mail that is being handed in.
    answer: Answer,
    bad_quit: bool,
}

impl Session {
    fn new(stream: TcpStream, office: Arc<Office>) -> Self {
        let (user, mail, answer) = (None, Mail::default(), Answer::Accept);
        Self { stream: BufReader::new(stream), office, user, mail, answer, bad_quit: false }
    }

    async fn run(mut self) -> io::Result<()> {
        self.say("220 localhost ready").await?;
        while let Some(line) = self.line().await? {
            let line = String::from_utf8_lossy(&line).into_owned();
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" => self.say("250-localhost\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 AUTH PLAIN").await?,
                "HELO" | "NOOP" => self.say("250 OK").await?,
                "AUTH" => self.log_in(rest).await?,
                "MAIL" => self.begin_mail(rest).await?,
                "RCPT" => self.add_recipient(rest).await?,
                "DATA" if self.mail.to.is_empty() => self.say("503 Who is it for?").await?,
                "DATA" => {
                    self.take_mail().await?;
                    if self.answer == Answer::CutAfterData {
                        return Ok(());
                    }
                    self.say("250 Taken").await?;
                }
                "RSET" => {
                    self.mail = Mail::default();
                    self.say("250 OK").await?;
                }
                "QUIT" if self.bad_quit => {
                    self.say("rubbish").await?;
                    self.office.ledger.change(|ledger| ledger.bad_quits += 1);
                    return Ok(());
                }
                "QUIT" => return self.say("221 Bye").await,
                _ => self.say("502 What?").await?,
            }
        }
        Ok(())
    }

    /// Any name and password will do.
    async fn log_in(&mut self, how: &str) -> io::Result<()> {
        let Some(secret) = how.strip_prefix("PLAIN") else { return self.say("504 Only PLAIN").await };
        let secret = if secret.is_empty() {
            self.say("334 ").await?;
            self.line().await?.unwrap_or_default()
        } else {
            secret.trim_ascii().into()
        };
        let secret = BASE64_STANDARD.decode(secret).unwrap_or_default();
        let Some(user) = secret.split(|byte| *byte == 0).nth(1) else { return self.say("501 Not so").await };
        self.user = Some(String::from_utf8_lossy(user).into());
        self.say("235 Welcome").await
    }

    async fn begin_mail(&mut self, path: &str) -> io::Result<()> {
        {
            let mut script = self.office.script();
            self.answer = script.next.pop_front().unwrap_or(script.usually);
        }
        self.mail = Mail { user: self.user.clone(), from: address(path), ..Mail::default() };
        self.say("250 OK").await
    }

    async fn add_recipient(&mut self, path: &str) -> io::Result<()> {
        let to = address(path);
        if let Some(answer) = self.office.script().by_address.get(&to) {
            self.answer = *answer;
        }
        let attempt = Attempt { to: to.clone(), answer: self.answer };
        self.office.ledger.change(|ledger| ledger.attempts.push(attempt));
        if let Answer::Refuse(code) = self.answer {
            return self.say(&format!("{code} Not this one")).await;
        }
        self.mail.to.push(to);
        self.say("250 OK").await
    }

    async fn take_mail(&mut self) -> io::Result<()> {
        self.say("354 Go on").await?;
        let mut content = Vec::new();
        loop {
            let line = self.line().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            match line.as_slice() {
                b"." => break,
                // A dot that begins a line was doubled on the way.
                [b'.', rest @ ..] => content.extend_from_slice(rest),
                whole => content.extend_from_slice(whole),
            }
            content.extend_from_slice(b"\r\n");
        }
        let parsed = MessageParser::default().parse(&content).ok_or(io::ErrorKind::InvalidData)?;
        let mail = Mail {
            message_id: parsed.message_id().unwrap_or_default().into(),
            subject: parsed.subject().unwrap_or_default().into(),
            body: parsed.body_text(0).unwrap_or_default().into(),
            ..std::mem::take(&mut self.mail)
        };
        self.bad_quit |= self.answer == Answer::BadQuit;
        self.office.ledger.change(|ledger| ledger.accepted.push(mail));
        Ok(())
    }

    /// A line without its end; `None` where the client has closed.
    async fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        if self.stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        line.truncate(line.trim_ascii_end().len());
        Ok(Some(line))
    }

    async fn say(&mut self, text: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(format!("{text}\r\n").as_bytes()).await
    }
}

/// The address in `FROM:<ada@example.org> SIZE=1`.
fn address(path: &str) -> String {
    let inner = path.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or(path, |(address, _)| address).into()
}
