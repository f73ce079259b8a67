//! A network that fails on demand: TCP proxies between the services and their servers.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _};

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

/// Forwards connections to one server. It ends with its guard, and so do its connections.
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
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
        Self { address, state, task: tokio::spawn(accept(listener, target, seen)) }
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

async fn accept(listener: TcpListener, target: SocketAddr, state: watch::Receiver<State>) {
    let mut connections = JoinSet::new(); // They end with this task.
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let now = *state.borrow();
                if let (Ok((client, _)), true) = (accepted, now.mode != Mode::Refusing) {
                    connections.spawn(carry(client, target, state.clone(), now.cuts));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn carry(
    client: TcpStream,
    target: SocketAddr,
    mut state: watch::Receiver<State>,
    cuts: u64,
) {
    let (there, back) = (state.clone(), state.clone());
    let both = async {
        let server = TcpStream::connect(target).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        // After a cut nothing passes any more, whatever mode follows.
        let there = pump(from_client, to_server, there, move |state| {
            state.cuts == cuts && matches!(state.mode, Mode::Open | Mode::Withheld)
        });
        let back = pump(from_server, to_client, back, move |state| {
            state.cuts == cuts && state.mode == Mode::Open
        });
        tokio::try_join!(there, back)
    };
    tokio::select! {
        biased;
        _ = comes(&mut state, |state| state.cuts != cuts) => {}
        _ = both => {}
    }
}

/// Copies one direction, the end of the stream included, while `passes`.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    passes: impl Fn(&State) -> bool,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1_024];
    loop {
        let length = from.read(&mut buffer).await?;
        comes(&mut state, &passes).await?;
        if length == 0 {
            return to.shutdown().await;
        }
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
