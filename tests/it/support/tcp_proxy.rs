//! A network between the service and PostgreSQL that a test can make fail.
//!
//! It understands just enough of the protocol to find a COMMIT and the reply to it: messages are whole, each `Query` and
//! each `Sync` is answered by one `ReadyForQuery`, in order.

use std::{
    collections::HashSet,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use reqwest::Url;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};
use tokio_util::task::AbortOnDropHandle;

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It works.
    Pass,
    /// Bytes are neither forwarded nor refused; those that came meanwhile go on when it works again.
    Hang,
    /// Every connection is closed and new ones are refused.
    Cut,
    /// It works, but the next so many replies to a COMMIT are lost, and the connection with them.
    SwallowCommitReplies(usize),
    /// It works, but the reply to one COMMIT is lost, after so many that arrive.
    SwallowOneAfter(usize),
}

/// Stands before PostgreSQL; gone, with its connections, when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    wire: Arc<Wire>,
    orders: mpsc::Sender<(Mode, oneshot::Sender<()>)>,
    _porter: AbortOnDropHandle<()>,
}

impl Proxy {
    /// Begins to pass on to `upstream`.
    pub async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let wire = Arc::new(Wire {
            upstream,
            hangs: watch::Sender::new(false),
            to_swallow: AtomicUsize::new(0),
            to_spare: AtomicUsize::new(0),
            swallowed: AtomicUsize::new(0),
        });
        let (orders, to_do) = mpsc::channel(1);
        let porter = tokio::spawn(porter(listener, address, to_do, Arc::clone(&wire)));
        Self { address, wire, orders, _porter: AbortOnDropHandle::new(porter) }
    }

    /// The same, before the server of a database.
    pub async fn before(database: &str) -> Self {
        let url = Url::parse(database).unwrap();
        let host = (url.host_str().unwrap(), url.port().unwrap_or(5432));
        Self::start(tokio::net::lookup_host(host).await.unwrap().next().unwrap()).await
    }

    /// How to reach a database through this.
    pub fn url_for(&self, database: &str) -> String {
        let mut url = Url::parse(database).unwrap();
        url.set_ip_host(self.address.ip()).unwrap();
        url.set_port(Some(self.address.port())).unwrap();
        url.into()
    }

    /// Changes what the network does; it does so when this returns.
    pub async fn set(&self, mode: Mode) {
        let (done, wait) = oneshot::channel();
        self.orders.send((mode, done)).await.unwrap();
        wait.await.unwrap();
    }

    /// How many replies to a COMMIT were lost.
    pub fn swallowed(&self) -> usize {
        self.wire.swallowed.load(Ordering::SeqCst)
    }
}

/// What all connections share.
#[derive(Debug)]
struct Wire {
    upstream: SocketAddr,
    hangs: watch::Sender<bool>,
    to_swallow: AtomicUsize,
    to_spare: AtomicUsize,
    swallowed: AtomicUsize,
}

impl Wire {
    async fn works(&self) {
        // It cannot fail: the sender is ours.
        let _ = self.hangs.subscribe().wait_for(|hangs| !hangs).await;
    }

    fn takes_one(&self) -> bool {
        let one_of = |count: &AtomicUsize| {
            count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
        };
        !one_of(&self.to_spare) && one_of(&self.to_swallow)
    }
}

/// The port is kept while the door is shut, so that nobody else gets it: a bound socket that does not listen refuses.
enum Door {
    Open(TcpListener),
    Shut(TcpSocket),
}

impl Door {
    async fn accept(&self) -> TcpStream {
        match self {
            Self::Open(listener) => listener.accept().await.unwrap().0,
            Self::Shut(_) => std::future::pending().await,
        }
    }
}

async fn porter(
    listener: TcpListener,
    address: SocketAddr,
    mut orders: mpsc::Receiver<(Mode, oneshot::Sender<()>)>,
    wire: Arc<Wire>,
) {
    let mut door = Door::Open(listener);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            order = orders.recv() => {
                let Some((mode, done)) = order else { return };
                let (spare, swallow) = match mode {
                    Mode::SwallowCommitReplies(next) => (0, next),
                    Mode::SwallowOneAfter(spare) => (spare, 1),
                    Mode::Pass | Mode::Hang | Mode::Cut => (0, 0),
                };
                wire.to_spare.store(spare, Ordering::SeqCst);
                wire.to_swallow.store(swallow, Ordering::SeqCst);
                wire.hangs.send_replace(mode == Mode::Hang);
                door = match door {
                    Door::Open(listener) if mode == Mode::Cut => {
                        drop(listener);
                        connections.shutdown().await;
                        let socket = TcpSocket::new_v4().unwrap();
                        socket.set_reuseaddr(true).unwrap();
                        socket.bind(address).unwrap();
                        Door::Shut(socket)
                    }
                    Door::Shut(socket) if mode != Mode::Cut => Door::Open(socket.listen(1024).unwrap()),
                    as_it_is => as_it_is,
                };
                // Whoever gave the order may have gone.
                let _ = done.send(());
            }
            client = door.accept() => {
                connections.spawn(carry(client, Arc::clone(&wire)));
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}

/// Carries one connection; when either end closes, so does the other.
async fn carry(mut client: TcpStream, wire: Arc<Wire>) -> io::Result<()> {
    wire.works().await;
    let mut server = TcpStream::connect(wire.upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    begin(&mut client, &mut server, &wire).await?;

    let talk = Mutex::new(Talk::default());
    let (client_reads, client_writes) = client.split();
    let (server_reads, server_writes) = server.split();
    tokio::select! {
        ended = forward(client_reads, server_writes, &wire, &talk) => ended,
        ended = backward(server_reads, client_writes, &wire, &talk) => ended,
    }
}

/// The first message has no kind. One that asks for encryption is refused, since nothing could be read then.
async fn begin(client: &mut TcpStream, server: &mut TcpStream, wire: &Wire) -> io::Result<()> {
    const ASKS_FOR_TLS: u32 = 80_877_103;
    const ASKS_FOR_GSS: u32 = 80_877_104;
    loop {
        let mut bytes = Vec::new();
        append_rest(client, &mut bytes).await?;
        wire.works().await;
        match bytes.get(4..8) {
            Some(kind) if kind == ASKS_FOR_TLS.to_be_bytes() || kind == ASKS_FOR_GSS.to_be_bytes() => {
                client.write_all(b"N").await?;
            }
            _ => return server.write_all(&bytes).await,
        }
    }
}

async fn forward(
    from: impl AsyncRead + Unpin,
    to: impl AsyncWrite + Unpin,
    wire: &Wire,
    talk: &Mutex<Talk>,
) -> io::Result<()> {
    let (mut from, mut to) = (BufReader::new(from), BufWriter::new(to));
    while let Some(message) = Message::read(&mut from).await? {
        wire.works().await;
        talk.lock().unwrap_or_else(PoisonError::into_inner).asks(&message, || wire.takes_one());
        to.write_all(&message.0).await?;
        if from.buffer().is_empty() {
            to.flush().await?;
        }
    }
    Ok(())
}

async fn backward(
    from: impl AsyncRead + Unpin,
    to: impl AsyncWrite + Unpin,
    wire: &Wire,
    talk: &Mutex<Talk>,
) -> io::Result<()> {
    let (mut from, mut to) = (BufReader::new(from), BufWriter::new(to));
    while let Some(message) = Message::read(&mut from).await? {
        wire.works().await;
        match talk.lock().unwrap_or_else(PoisonError::into_inner).answers(&message) {
            Fate::Deliver => {}
            Fate::Swallow => continue,
            Fate::Lost => {
                wire.swallowed.fetch_add(1, Ordering::SeqCst);
                return Ok(());
            }
        }
        to.write_all(&message.0).await?;
        if from.buffer().is_empty() {
            to.flush().await?;
        }
    }
    to.flush().await
}

/// A message: its kind, its length, its content.
struct Message(Vec<u8>);

impl Message {
    /// `None` where the other side has closed between two.
    async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let mut bytes = vec![0];
        if from.read(&mut bytes).await? == 0 {
            return Ok(None);
        }
        append_rest(from, &mut bytes).await?;
        Ok(Some(Self(bytes)))
    }

    fn kind(&self) -> u8 {
        self.0[0]
    }

    /// The texts that it begins with.
    fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.0[5..].split(|byte| *byte == 0)
    }
}

/// Reads a length, which counts itself, and what it is the length of.
async fn append_rest(from: &mut (impl AsyncRead + Unpin), to: &mut Vec<u8>) -> io::Result<()> {
    let length = from.read_u32().await?;
    let content = u64::from(length).checked_sub(4).ok_or(io::ErrorKind::InvalidData)?;
    to.extend(length.to_be_bytes());
    if from.take(content).read_to_end(to).await? as u64 == content {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Who has asked what on one connection, and how far the answers have come.
struct Talk {
    asked: usize,
    answered: usize,
    /// The prepared statements that are a COMMIT.
    commits: HashSet<Vec<u8>>,
    /// The answer that is to be lost.
    swallow: Option<usize>,
}

impl Default for Talk {
    /// The beginning of the connection is the first question.
    fn default() -> Self {
        Self { asked: 1, answered: 0, commits: HashSet::new(), swallow: None }
    }
}

/// What becomes of a message from the server.
enum Fate {
    Deliver,
    Swallow,
    /// It was the end of the answer to a COMMIT.
    Lost,
}

impl Talk {
    fn asks(&mut self, message: &Message, takes_one: impl FnOnce() -> bool) {
        let mut texts = message.texts();
        let commits = match (message.kind(), texts.next(), texts.next()) {
            (b'Q', Some(text), _) => is_commit(text),
            (b'P', Some(name), Some(text)) => {
                if is_commit(text) {
                    self.commits.insert(name.into());
                } else {
                    self.commits.remove(name);
                }
                false
            }
            (b'B', Some(_portal), Some(name)) => self.commits.contains(name),
            _ => false,
        };
        if commits && self.swallow.is_none() && takes_one() {
            self.swallow = Some(self.asked + 1);
        }
        if matches!(message.kind(), b'Q' | b'S') {
            self.asked += 1;
        }
    }

    fn answers(&mut self, message: &Message) -> Fate {
        let (swallow, ends) = (self.swallow == Some(self.answered + 1), message.kind() == b'Z');
        if ends {
            self.answered += 1;
        }
        match (swallow, ends) {
            (false, _) => Fate::Deliver,
            (true, false) => Fate::Swallow,
            (true, true) => Fate::Lost,
        }
    }
}

fn is_commit(text: &[u8]) -> bool {
    text.strip_suffix(b";").unwrap_or(text).eq_ignore_ascii_case(b"COMMIT")
}
