//! The fault campaign: clients note what they were told, faults run, everything heals, and an
//! oracle compares what the clients know with the log, the exchange and the views.

pub mod clients;
mod faults;
pub mod known;
pub mod oracle;
pub mod recorder;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kernel::log::StreamName;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use waybill::verify::Parked;
use xtask::servers::Servers;

use self::clients::{Clients, Shared};
use self::faults::Faults;
pub use self::faults::kinds;
use self::recorder::Recorder;
use crate::proxy::Proxies;
use crate::services::{Service, Urls};

/// Namespace of a campaign: its servers are its own.
const NAMESPACE: &str = "waybill";

/// The services under test, and how to reach them.
pub struct Cluster {
    pub servers: Servers,
    /// Between the services and the servers.
    pub proxies: Proxies,
    pub commands: Vec<Service>,
    pub projectors: Vec<Service>,
    pub queries: Service,
    pub shared: Shared,
}

impl Cluster {
    async fn start() -> Self {
        let servers = Servers::start().expect("private servers start");
        let proxies = Proxies::before(&Urls::of(&servers));
        let urls = proxies.urls();
        let start = |name| Service::start(name, NAMESPACE, &urls);
        let cluster = Self {
            commands: vec![start("command-api"), start("command-api")],
            projectors: vec![start("projector"), start("projector")],
            queries: start("query-api"),
            shared: Shared::default(),
            proxies,
            servers,
        };
        cluster.until_ready().await;
        cluster.tell_clients();
        cluster
    }

    /// Where the command-apis are now.
    fn tell_clients(&self) {
        let all = self.commands.iter().map(|service| service.client.clone()).collect();
        *self.shared.commands.lock().unwrap() = all;
    }

    fn add_command_api(&mut self) {
        self.commands.push(Service::start("command-api", NAMESPACE, &self.proxies.urls()));
    }

    fn add_projector(&mut self) {
        self.projectors.push(Service::start("projector", NAMESPACE, &self.proxies.urls()));
    }

    fn all(&self) -> impl Iterator<Item = &Service> {
        self.commands.iter().chain(&self.projectors).chain([&self.queries])
    }

    async fn until_ready(&self) {
        for service in self.all() {
            let what = format!("{} is ready", service.process.name());
            let ready = || async { service.is_ready().await.then_some(()) };
            crate::within(oracle::CATCHING_UP, &what, ready).await;
        }
    }

    /// What the live views miss.
    async fn parked(&self) -> Option<Parked> {
        let one = |note: &Value| {
            let stream = StreamName::stored(note["stream"].as_str()?);
            Some((stream, note["version"].as_i64()?))
        };
        let (mut parked, mut cursor) = (Parked::new(), String::new());
        loop {
            let path = format!("/parked?limit=1000{cursor}");
            let page = self.projectors[0].client.get(&path).await.ok()?;
            for note in page["items"].as_array()? {
                parked.extend([one(note)?]);
            }
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Some(parked),
            }
        }
    }

    fn outputs(&self) -> String {
        self.all().map(Service::output).collect()
    }
}

/// What a campaign did and found.
#[derive(Debug, Default)]
pub struct Report {
    pub seed: u64,
    pub faults: BTreeMap<String, usize>,
    /// Clients that went away half-way through a command.
    pub disconnects: usize,
    /// Reads with a token, each held against the one before.
    pub reads: usize,
    pub acknowledged: usize,
    pub refused: usize,
    /// Given up as nothing was done.
    pub not_done: usize,
    pub unknown: usize,
    /// Commits that faults put into the log.
    pub planted: usize,
    pub messages: usize,
    pub repeats: usize,
    pub violations: Vec<String>,
}

/// Runs a campaign of this length, of the kinds of faults whose name contains `only`; the same seed
/// chooses the same faults.
pub async fn run(length: Duration, seed: u64, only: &str) -> Report {
    let mut faults = Faults::new(StdRng::seed_from_u64(seed), only);
    let mut cluster = Cluster::start().await;
    let recorder = Recorder::bind(&cluster.servers.rabbitmq.url(), NAMESPACE).await;
    let over = CancellationToken::new();
    let clients = Clients::start(&cluster.shared, cluster.queries.client.clone(), seed, &over);
    let started = Instant::now();
    while started.elapsed() < length {
        faults.one(&mut cluster).await;
    }
    cluster.until_ready().await;
    over.cancel();
    let known = clients.finish().await;
    let mut report = Report { seed, faults: faults.counts, ..Report::default() };
    report.violations = faults.violations;
    report.acknowledged = known.acknowledged();
    report.refused = known.refused();
    report.not_done = known.not_done();
    report.unknown = known.unknown();
    report.planted = known.planted;
    report.disconnects = known.disconnects;
    report.reads = known.reads;
    oracle::judge(&cluster, &known, Arc::new(recorder), &mut report).await;
    if !report.violations.is_empty() {
        println!("{}", cluster.outputs());
    }
    report
}
