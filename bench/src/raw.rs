//! The yardsticks: the same client libraries and servers as Waybill's, in loops that do as little as
//! must be done for the same result, as fast as these servers honestly let it be done. Durability is
//! the same: majority and journal, quorum queue, persistent messages, confirms, append-only file.

mod api;
mod batch;
mod flow;
mod group;
mod insert;
mod order;
mod publish;
mod query;
mod relay;
mod stores;
mod worker;

use std::future::Future;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use tokio::net::{TcpListener, TcpSocket};

pub use self::insert::Inserted;
pub use self::publish::Published;
pub use self::stores::Stores;
use crate::Result;

/// Events in a message at most.
pub const CHUNK: usize = 64;

/// Where the servers are, and which names are used there.
#[derive(Debug, Clone, Args)]
pub struct Servers {
    #[arg(long)]
    pub mongodb: String,
    #[arg(long)]
    pub rabbitmq: String,
    #[arg(long)]
    pub redis: String,
    /// Name of the database, and prefix of queues and keys
    #[arg(long, default_value = "raw")]
    pub namespace: String,
    /// Where to write the address that is listened on
    #[arg(long)]
    pub address_file: Option<PathBuf>,
}

impl Servers {
    /// The exchange's name.
    pub fn exchange(&self) -> String {
        format!("{}.events", self.namespace)
    }

    pub fn queue(&self) -> String {
        format!("{}.raw", self.namespace)
    }

    pub fn arguments(&self) -> Vec<String> {
        vec![
            format!("--mongodb={}", self.mongodb),
            format!("--rabbitmq={}", self.rabbitmq),
            format!("--redis={}", self.redis),
            format!("--namespace={}", self.namespace),
        ]
    }
}

#[derive(Debug, Subcommand)]
pub enum Raw {
    /// HTTP, groups of inserts, chunks of messages: what takes orders in the raw chain
    Api {
        #[command(flatten)]
        servers: Servers,
        /// From the start of a group to the start of the next, in milliseconds
        #[arg(long, default_value_t = 5)]
        groups: u64,
        /// The same of publishing
        #[arg(long, default_value_t = 10)]
        relay: u64,
    },
    /// Consumes and writes views, in batches
    Worker {
        #[command(flatten)]
        servers: Servers,
        /// From the start of a batch that is not full to the start of the next, in milliseconds
        #[arg(long, default_value_t = 10)]
        pace: u64,
    },
    /// A warp handler with one GET, and one with ZRANGE and MGET
    Query {
        #[command(flatten)]
        servers: Servers,
    },
    /// Publishes events and prints how fast
    Publish {
        #[command(flatten)]
        servers: Servers,
        #[arg(long)]
        events: usize,
        /// Events in a message
        #[arg(long, default_value_t = CHUNK)]
        most: usize,
    },
    /// Inserts one document at a time and prints how long it takes
    Insert {
        #[command(flatten)]
        servers: Servers,
        #[arg(long)]
        seconds: f64,
    },
}

/// Runs one of the loops; those that serve never end.
pub fn run(raw: Raw) -> Result<()> {
    // One thread: on two cores, with servers on them too, every loop here is faster so.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    let done = async {
        match raw {
            Raw::Api { servers, groups, relay } => {
                let pauses = [groups, relay].map(Duration::from_millis);
                api::run(servers, pauses).await
            }
            Raw::Worker { servers, pace } => {
                worker::run(servers, Duration::from_millis(pace)).await
            }
            Raw::Query { servers } => query::run(servers).await,
            Raw::Publish { servers, events, most } => publish::run(servers, events, most).await,
            Raw::Insert { servers, seconds } => insert::run(servers, seconds).await,
        }
    };
    runtime.block_on(local.run_until(done))
}

/// Listens on a free port and tells where: `<what> http://…`, as the services do.
fn listen(what: &str, file: Option<&Path>) -> Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_nodelay(true)?; // Accepted sockets inherit it on Linux.
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let listener = socket.listen(4_096)?;
    let told = format!("{what} http://{}\n", listener.local_addr()?);
    match file {
        Some(file) => {
            // Renamed when it is complete, as it is waited for by its name.
            let new = file.with_extension("new");
            std::fs::write(&new, told)?;
            std::fs::rename(new, file)?;
        }
        None => print!("{told}"),
    }
    Ok(listener)
}

/// Runs a part of a process; the whole process ends when it fails.
fn spawn(what: &'static str, part: impl Future<Output = Result<()>> + 'static) {
    tokio::task::spawn_local(async move {
        if let Err(why) = part.await {
            eprintln!("{what}: {why}");
            std::process::exit(1);
        }
    });
}

/// Keeps rounds from following each other too soon: small rounds cost more than they bring.
struct Pace {
    least: Duration,
    started: tokio::time::Instant,
}

impl Pace {
    fn new(least: Duration) -> Self {
        Self { least, started: tokio::time::Instant::now() }
    }

    /// Waits until the next round may start, and starts it.
    async fn next(&mut self) {
        tokio::time::sleep_until(self.started + self.least).await;
        self.started = tokio::time::Instant::now();
    }
}
