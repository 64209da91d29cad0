//! Mail, by SMTP.
//!
//! Connections are kept here and not in lettre's pool: that one takes back a connection whose send was cut short by a
//! time-out, in the middle of a dialogue, and the next mail would read the answers to the last and count as accepted.

mod html;

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use lettre::{
    Address, Message,
    message::{
        Mailbox, MultiPart, MultiPartKind, SinglePart,
        header::{HeaderName, HeaderValue},
    },
    transport::smtp::{
        Error,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, TlsParameters},
        extension::ClientId,
    },
};

use super::Outgoing;
use crate::{
    clock::{Stopwatch, stopwatch},
    config::{Complaint, Smtp as Settings, Tls},
    domain::retry::{Cause, Handed},
};

/// A connection that has rested for longer is not used again: servers and firewalls drop it without a word.
const LONGEST_REST: Duration = Duration::from_secs(20);
/// A rested connection that does not answer within this is given up for a new one.
const ANSWER: Duration = Duration::from_secs(1);
/// For each address of the server.
const CONNECT: Duration = Duration::from_secs(3);
/// As many connections are kept for the next mail.
const KEPT: usize = 16;
/// Replies that tell of our log-in or the server's set-up, not of the recipient.
const OUR_FAULT: [&str; 4] = ["530", "534", "535", "538"];
/// What the enhanced codes (RFC 3463) begin with that tell of the mailbox. Without one 550 may be about anything.
const NO_MAILBOX: &str = "5.1.";

/// The words, and below them the page.
fn plain(mail: &Outgoing<'_>) -> String {
    mail.page.map_or_else(|| mail.body.to_owned(), |page| format!("{}\n\n{page}\n", mail.body))
}

/// A mail server.
pub struct Smtp {
    host: String,
    port: u16,
    tls: Option<(Tls, TlsParameters)>,
    credentials: Option<Credentials>,
    from: Mailbox,
    hello: ClientId,
    rested: Mutex<Vec<(AsyncSmtpConnection, Stopwatch)>>,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Smtp {
    pub(super) fn new(settings: &Settings) -> Result<Self, Complaint> {
        let from = settings.from.parse().map_err(|_| Complaint::new("from", "is not a mail address"))?;
        let password = settings.password().map_err(|wrong| Complaint::new("password", wrong))?;
        let credentials = (settings.user.clone().zip(password))
            .map(|(user, password)| Credentials::new(user, password.reveal().into()));
        let tls = match settings.tls {
            Tls::None => None,
            mode => Some((
                mode,
                TlsParameters::new(settings.host.clone())
                    .map_err(|_| Complaint::new("host", "is not a name that TLS can check"))?,
            )),
        };
        Ok(Self {
            host: settings.host.clone(),
            port: settings.port,
            tls,
            credentials,
            from,
            hello: ClientId::default(),
            rested: Mutex::default(),
        })
    }

    pub(super) async fn send(&self, outgoing: &Outgoing<'_>) -> Handed {
        let message = match self.message(outgoing) {
            Ok(message) => message,
            Err(refused) => return refused,
        };
        let mut connection = match self.connection().await {
            Ok(connection) => connection,
            Err(error) => return Handed::TryAgain { reason: describe(&error) }, // nothing was said of the message yet
        };
        match connection.send(message.envelope(), &message.formatted()).await {
            Ok(_) => {
                self.keep(connection);
                Handed::Accepted { reference: None }
            }
            Err(error) => not_accepted(&error),
        }
    }

    fn message(&self, outgoing: &Outgoing<'_>) -> Result<Message, Handed> {
        let refused = |cause, reason: &str| Handed::Refused { cause, reason: reason.into() };
        let to: Address =
            outgoing.address.parse().map_err(|_| refused(Cause::NoSuchAddress, "not a mail address"))?;
        let automatic =
            HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".into());
        Message::builder()
            .from(self.from.clone())
            .to(to.into())
            .subject(outgoing.subject.replace(char::is_control, " "))
            .message_id(Some(format!("<{}@{}>", outgoing.id, self.from.email.domain())))
            .date(SystemTime::from(outgoing.now))
            .raw_header(automatic)
            .multipart(
                MultiPart::builder()
                    .kind(MultiPartKind::Alternative)
                    .boundary(outgoing.id.to_string())
                    .singlepart(SinglePart::plain(plain(outgoing)))
                    .singlepart(SinglePart::html(html::of(outgoing))),
            )
            .map_err(|_| refused(Cause::Other, "cannot be written as a mail"))
    }

    /// A connection that is ready for a mail: one that has rested, or a new one.
    async fn connection(&self) -> Result<AsyncSmtpConnection, Error> {
        while let Some((mut connection, rested)) = self.take() {
            let answers = async { connection.test_connected().await };
            if rested.elapsed() < LONGEST_REST && tokio::time::timeout(ANSWER, answers).await == Ok(true) {
                return Ok(connection);
            }
        }
        let server = (self.host.as_str(), self.port);
        let at_once = self.tls.as_ref().and_then(|(mode, tls)| (*mode == Tls::Tls).then(|| tls.clone()));
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(CONNECT), &self.hello, at_once, None).await?;
        if let Some((Tls::Starttls, tls)) = &self.tls {
            connection.starttls(tls.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }

    fn take(&self) -> Option<(AsyncSmtpConnection, Stopwatch)> {
        self.rested.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Keeps a connection whose dialogue is complete. One that is not kept is closed without QUIT: the mail is accepted.
    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut rested = self.rested.lock().unwrap_or_else(PoisonError::into_inner);
        if rested.len() < KEPT {
            rested.push((connection, stopwatch()));
        }
    }
}

/// What a failed send means for the message.
fn not_accepted(error: &Error) -> Handed {
    let reason = describe(error);
    let code = error.status().map(|code| code.to_string()).unwrap_or_default();
    if !error.is_permanent() || OUR_FAULT.contains(&code.as_str()) {
        return Handed::TryAgain { reason };
    }
    let no_mailbox = error.to_string().split_whitespace().any(|word| word.starts_with(NO_MAILBOX));
    let cause = if no_mailbox { Cause::NoSuchAddress } else { Cause::Other };
    Handed::Refused { cause, reason }
}

/// The class of a fault and its code; never the server's words, which quote addresses.
fn describe(error: &Error) -> String {
    match error.status() {
        Some(code) => format!("SMTP {code}"),
        None if error.is_tls() => "TLS failed".into(),
        None if error.is_timeout() => "no connection in time".into(),
        None if error.is_client() => {
            "the server cannot do what is needed (STARTTLS, log-in or UTF-8 addresses)".into()
        }
        None if error.is_response() => "the connection ended or the answer is not SMTP".into(),
        None => "no connection".into(),
    }
}
