//! A network that fails on demand, or changes answers: TCP proxies between the services and their servers.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::services::Urls;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    Stalled,
    Withheld,
    Refusing,
}

#[derive(Debug, Clone, Copy)]
struct State {
    mode: Mode,
    /// A connection ends with the first cut after its beginning.
    cuts: u64,
}

/// Text by which a connection is chosen that the network loses, until a client has sent it.
type Losing = Arc<Mutex<Option<String>>>;

/// Bytes of what a server answers, and what is put behind them in place of as many.
type Rewrites = Arc<Mutex<Vec<(Vec<u8>, Vec<u8>)>>>;

/// How many bytes the server has answered.
type Answered = Arc<AtomicUsize>;

/// Forwards connections to one server. It ends with its guard, and so do its connections.
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    losing: Losing,
    rewrites: Rewrites,
    answered: Answered,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port. The server need not be there yet.
    pub fn start(target: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let listener = TcpListener::from_std(listener).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let (state, seen) = watch::channel(State { mode: Mode::Open, cuts: 0 });
        let more = (Losing::default(), Rewrites::default(), Answered::default());
        let (losing, rewrites, answered) = more.clone();
        let task = tokio::spawn(accept(listener, target, seen, more));
        Self { address, state, losing, rewrites, answered, task }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Ends all present connections; what was held of them is lost.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Nothing is forwarded; connections stay, and new ones are accepted.
    pub fn stall(&self) {
        self.state.send_modify(|state| state.mode = Mode::Stalled);
    }

    /// What clients send is forwarded, what the server answers is not.
    pub fn withhold(&self) {
        self.state.send_modify(|state| state.mode = Mode::Withheld);
    }

    /// Loses the next connection on which a client sends this text, and no other: the text still
    /// arrives, but nothing that the server answers. Only a cut ends it.
    pub fn lose(&self, text: &str) {
        *self.losing.lock().expect("it is not poisoned") = Some(text.to_owned());
    }

    /// Whether that has happened.
    pub fn has_lost(&self) -> bool {
        self.losing.lock().expect("it is not poisoned").is_none()
    }

    /// From now on, whatever the server answers behind these bytes is replaced by as many others; for the
    /// same bytes the latest call counts. What the server sends in several pieces may pass as it is.
    pub fn rewrite(&self, behind: &[u8], with: &[u8]) {
        let one = (behind.to_owned(), with.to_owned());
        self.rewrites.lock().expect("it is not poisoned").push(one);
    }

    /// How many bytes of the server's answers have come so far.
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    /// Ends all present connections, and new ones at once.
    pub fn refuse(&self) {
        self.state.send_modify(|state| {
            *state = State { mode: Mode::Refusing, cuts: state.cuts + 1 };
        });
    }

    /// Forwards again, first what was held.
    pub fn resume(&self) {
        self.state.send_modify(|state| state.mode = Mode::Open);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    listener: TcpListener,
    target: SocketAddr,
    state: watch::Receiver<State>,
    (losing, rewrites, answered): (Losing, Rewrites, Answered),
) {
    let mut connections = JoinSet::new(); // They end with this task.
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let now = *state.borrow();
                if let (Ok((client, _)), true) = (accepted, now.mode != Mode::Refusing) {
                    let chosen = Chosen { losing: losing.clone(), ..Chosen::default() };
                    let more = (chosen, rewrites.clone(), answered.clone());
                    connections.spawn(carry(client, target, state.clone(), now.cuts, more));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Whether the network has lost a connection.
#[derive(Default)]
struct Chosen {
    losing: Losing,
    /// The end of what the client has sent: a text may come in pieces.
    end: Vec<u8>,
    is_lost: Arc<AtomicBool>,
}

impl Chosen {
    fn look(&mut self, sent: &[u8]) {
        let mut losing = self.losing.lock().expect("it is not poisoned");
        let Some(text) = losing.as_deref() else { return };
        self.end.extend_from_slice(sent);
        if self.end.windows(text.len()).any(|window| window == text.as_bytes()) {
            self.is_lost.store(true, Ordering::SeqCst);
            *losing = None;
        } else {
            self.end.drain(..self.end.len().saturating_sub(text.len() - 1));
        }
    }
}

async fn carry(
    client: TcpStream,
    target: SocketAddr,
    mut state: watch::Receiver<State>,
    cuts: u64,
    (mut chosen, rewrites, answered): (Chosen, Rewrites, Answered),
) {
    let (there, back) = (state.clone(), state.clone());
    let is_lost = chosen.is_lost.clone();
    let both = async {
        let server = TcpStream::connect(target).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        // After a cut nothing passes any more, whatever mode follows.
        let passes = move |state: &State| {
            state.cuts == cuts && matches!(state.mode, Mode::Open | Mode::Withheld)
        };
        let there = pump(from_client, to_server, there, passes, |sent| chosen.look(sent));
        let passes = move |state: &State| {
            let is_lost = is_lost.load(Ordering::SeqCst);
            state.cuts == cuts && state.mode == Mode::Open && !is_lost
        };
        let back = pump(from_server, to_client, back, passes, |told| {
            answered.fetch_add(told.len(), Ordering::SeqCst);
            rewrite(&rewrites, told)
        });
        tokio::try_join!(there, back)
    };
    tokio::select! {
        biased;
        _ = comes(&mut state, |state| state.cuts != cuts) => {}
        _ = both => {}
    }
}

fn rewrite(rewrites: &Rewrites, told: &mut [u8]) {
    for (behind, with) in rewrites.lock().expect("it is not poisoned").iter() {
        let mut start = 0;
        let is_there = |window: &[u8]| window == behind.as_slice();
        while let Some(at) = told[start..].windows(behind.len()).position(is_there) {
            start += at + behind.len();
            let length = with.len().min(told.len() - start);
            told[start..start + length].copy_from_slice(&with[..length]);
        }
    }
}

/// Copies one direction, the end of the stream included, while `passes`; `look` sees what is copied, and
/// may change it.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    passes: impl Fn(&State) -> bool,
    mut look: impl FnMut(&mut [u8]),
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1_024];
    loop {
        let length = from.read(&mut buffer).await?;
        comes(&mut state, &passes).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        look(&mut buffer[..length]);
        to.write_all(&buffer[..length]).await?;
    }
}

/// Waits for a state; an error when the proxy is gone.
async fn comes(
    state: &mut watch::Receiver<State>,
    wanted: impl FnMut(&State) -> bool,
) -> io::Result<()> {
    state.wait_for(wanted).await.map(drop).map_err(io::Error::other)
}

/// One before each server.
pub struct Proxies {
    pub mongodb: Proxy,
    pub rabbitmq: Proxy,
    pub redis: Proxy,
    urls: Urls,
}

impl Proxies {
    pub fn before(servers: &Urls) -> Self {
        let [mongodb, rabbitmq, redis] =
            [&servers.mongodb, &servers.rabbitmq, &servers.redis].map(|url| before(url));
        let through =
            |url: &str, proxy: &Proxy| url.replacen(authority(url), &proxy.address.to_string(), 1);
        let urls = Urls {
            // A driver that knew of the replica set would find its way around the proxy.
            mongodb: format!("mongodb://{}/?directConnection=true", mongodb.address),
            rabbitmq: through(&servers.rabbitmq, &rabbitmq),
            redis: through(&servers.redis, &redis),
        };
        Self { mongodb, rabbitmq, redis, urls }
    }

    /// Where the services find the servers.
    pub fn urls(&self) -> Urls {
        self.urls.clone()
    }

    pub fn all(&self) -> [&Proxy; 3] {
        [&self.mongodb, &self.rabbitmq, &self.redis]
    }
}

fn before(url: &str) -> Proxy {
    let target = authority(url).to_socket_addrs().ok().and_then(|mut all| all.next());
    Proxy::start(target.expect("a URL with host and port"))
}

/// `host:port` of a URL.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    authority.rsplit('@').next().unwrap_or(authority)
}
