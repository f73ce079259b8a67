//! Faults, one after another, each healed before long. Every kind comes once before any comes again.

mod aborts;
mod messages;
mod network;
mod plant;
mod processes;
mod rebuilds;
mod servers;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::BoxFuture;
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use super::Cluster;

pub struct Faults {
    random: StdRng,
    all: Vec<Kind>,
    deck: Vec<Kind>,
    pub counts: BTreeMap<String, usize>,
    /// What did not come although a fault was over.
    pub violations: Vec<String>,
}

type Do = for<'a> fn(&'a mut Faults, &'a mut Cluster) -> BoxFuture<'a, ()>;

#[derive(Clone, Copy)]
enum Kind {
    Do(&'static str, Do),
    Network(&'static str),
    /// Dies before or after a step.
    Abort(&'static str),
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Self::Do(name, _) | Self::Network(name) | Self::Abort(name) => name,
        }
    }

    fn all() -> Vec<Self> {
        let plain =
            [processes::FAULTS, servers::FAULTS, messages::FAULTS, rebuilds::FAULTS].concat();
        let plain = plain.into_iter().map(|(name, fault)| Self::Do(name, fault));
        let network = network::KINDS.into_iter().map(Self::Network);
        plain.chain(network).chain(aborts::POINTS.into_iter().map(Self::Abort)).collect()
    }
}

/// The name of every kind.
pub fn kinds() -> Vec<&'static str> {
    Kind::all().iter().map(Kind::name).collect()
}

impl Faults {
    /// Those kinds whose name contains `only`.
    pub fn new(random: StdRng, only: &str) -> Self {
        let mut all = Kind::all();
        all.retain(|kind| kind.name().contains(only));
        assert!(!all.is_empty(), "no kind of fault is called {only:?}");
        Self { random, all, deck: vec![], counts: BTreeMap::new(), violations: vec![] }
    }

    async fn pause(&mut self, millis: std::ops::Range<u64>) {
        let pause = Duration::from_millis(self.random.random_range(millis));
        crate::let_pass(pause).await;
    }

    /// Lets the system run, then does one thing to it and mends that.
    pub async fn one(&mut self, cluster: &mut Cluster) {
        self.pause(300..2_000).await;
        if self.deck.is_empty() {
            self.deck = self.all.clone();
            self.deck.shuffle(&mut self.random);
        }
        let Some(kind) = self.deck.pop() else { return };
        let name = match kind {
            Kind::Do(name, fault) => {
                fault(self, cluster).await;
                name.to_owned()
            }
            Kind::Network(name) => {
                self.network(&cluster.proxies, name).await;
                name.to_owned()
            }
            Kind::Abort(point) => match self.abort(cluster, point).await {
                true => format!("abort at {point}"),
                false => format!("not reached in time: {point}"),
            },
        };
        *self.counts.entry(name).or_default() += 1;
    }
}
