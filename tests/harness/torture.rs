//! The fault campaign: clients note what they were told, faults run, everything heals, and an
//! oracle compares what the clients know with the log, the exchange and the views.

pub mod clients;
mod faults;
pub mod oracle;
pub mod recorder;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio_util::sync::CancellationToken;
use xtask::servers::Servers;

use self::clients::Clients;
use self::faults::Faults;
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
            proxies,
            servers,
        };
        cluster.until_ready().await;
        cluster
    }

    fn add_projector(&mut self) {
        self.projectors.push(Service::start("projector", NAMESPACE, &self.proxies.urls()));
    }

    async fn until_ready(&self) {
        for service in self.commands.iter().chain(&self.projectors).chain([&self.queries]) {
            service.until_ready().await;
        }
    }

    fn outputs(&self) -> String {
        let all = self.commands.iter().chain(&self.projectors).chain([&self.queries]);
        all.map(Service::output).collect()
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
    pub unknown: usize,
    pub messages: usize,
    pub repeats: usize,
    pub violations: Vec<String>,
}

/// Runs a campaign of this length; the same seed chooses the same faults.
pub async fn run(length: Duration, seed: u64) -> Report {
    let mut cluster = Cluster::start().await;
    let recorder = Recorder::bind(&cluster.servers.rabbitmq.url(), NAMESPACE).await;
    let over = CancellationToken::new();
    let addresses = cluster.commands.iter().map(|service| service.client.clone()).collect();
    let clients = Clients::start(addresses, cluster.queries.client.clone(), seed, &over);
    let mut faults = Faults::new(StdRng::seed_from_u64(seed));
    let started = Instant::now();
    while started.elapsed() < length {
        faults.one(&mut cluster).await;
    }
    cluster.until_ready().await;
    over.cancel();
    let known = clients.finish().await;
    let mut report = Report { seed, faults: faults.counts, ..Report::default() };
    report.acknowledged = known.acknowledged();
    report.refused = known.refused();
    report.unknown = known.unknown();
    report.disconnects = known.disconnects;
    report.reads = known.reads;
    oracle::judge(&cluster, &known, Arc::new(recorder), &mut report).await;
    if !report.violations.is_empty() {
        println!("{}", cluster.outputs());
    }
    report
}
