//! What a run beside the peers found, as it is written to a file.

use std::collections::BTreeMap;

use serde::Serialize;

use super::versions::{self, Versions};
use super::{CLIENTS, Peers};
use crate::results::{Entry, Machine};
use crate::scenario::{Measurement, Scenario};
use crate::stats::Spread;

/// What was measured, by name; `None` for a round that failed.
pub type Measured = BTreeMap<&'static str, Vec<Option<Measurement>>>;

#[derive(Debug, Serialize)]
pub struct Outcome {
    /// When the run began, in UTC.
    pub date: String,
    pub machine: Machine,
    pub profile: &'static str,
    pub versions: Versions,
    pub rounds: usize,
    pub seconds: f64,
    pub clients: usize,
    pub flows: Vec<Flow>,
}

/// Waybill and its peers under one load.
#[derive(Debug, Serialize)]
pub struct Flow {
    pub name: String,
    pub waybill: Entry,
    pub peers: Vec<Compared>,
}

/// A peer, and how Waybill compares with it.
#[derive(Debug, Serialize)]
pub struct Compared {
    pub entry: Entry,
    /// Commands per second of Waybill by those of the peer in the same round.
    pub waybill_ratio: Option<Spread>,
}

impl Outcome {
    pub fn new(date: String, peers: &Peers, flows: Vec<Flow>) -> Self {
        Self {
            date,
            machine: Machine::this(),
            profile: if cfg!(debug_assertions) { "dev" } else { "release" },
            versions: versions::of(&peers.emmett),
            rounds: peers.rounds,
            seconds: peers.seconds,
            clients: CLIENTS,
            flows,
        }
    }
}

impl Flow {
    /// Waybill's scenario comes first in `turns`. `None` where it could not be measured.
    pub fn new(name: &str, turns: &[Box<dyn Scenario>], measured: &Measured) -> Option<Self> {
        let (waybill, peers) = turns.split_first()?;
        let rounds = measured.get(waybill.name())?;
        let compare = |peer: &dyn Scenario| {
            let theirs = measured.get(peer.name())?;
            let entry = Entry::new(peer, theirs, None)?;
            let compared = Entry::new(waybill.as_ref(), rounds, Some(theirs));
            Some(Compared { entry, waybill_ratio: compared.and_then(|entry| entry.ratio) })
        };
        Some(Self {
            name: name.to_owned(),
            waybill: Entry::new(waybill.as_ref(), rounds, None)?,
            peers: peers.iter().filter_map(|peer| compare(peer.as_ref())).collect(),
        })
    }

    /// Waybill first.
    pub fn entries(&self) -> impl Iterator<Item = (&Entry, Option<Spread>)> {
        let peers = self.peers.iter().map(|peer| (&peer.entry, peer.waybill_ratio));
        std::iter::once((&self.waybill, None)).chain(peers)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::results::tests::entry;

    /// Waybill, a peer of which it is twice as fast, and one that has no ratio.
    pub fn outcome() -> Outcome {
        let peer = |name: &str, ratio: Option<f64>| Compared {
            entry: entry(name, None),
            waybill_ratio: ratio.map(|value| Spread { median: value, min: value, max: value }),
        };
        let flow = Flow {
            name: "create-256".to_owned(),
            waybill: entry("create-256", None),
            peers: vec![peer("cqrs-es-create-256", Some(2.0)), peer("emmett-create-256", None)],
        };
        Outcome {
            date: "2026-11-25T00:00:00Z".to_owned(),
            machine: Machine::this(),
            profile: "release",
            versions: Versions::default(),
            rounds: 3,
            seconds: 10.0,
            clients: 256,
            flows: vec![flow],
        }
    }

    #[test]
    fn a_ratio_is_waybills_by_the_peers_of_the_same_round() {
        let turns: Vec<Box<dyn Scenario>> = crate::scenario::all().into_iter().take(2).collect();
        let one = |value| Some(Measurement::new(value, BTreeMap::new()));
        let measured = Measured::from([
            (turns[0].name(), vec![one(10.0), None, one(30.0)]),
            (turns[1].name(), vec![one(5.0), one(1.0), one(10.0)]),
        ]);
        let flow = Flow::new("create-256", &turns, &measured).unwrap();
        let ratio = flow.peers[0].waybill_ratio.unwrap();
        assert_eq!((ratio.min, ratio.max), (2.0, 3.0));
        assert_eq!(flow.entries().count(), 2);
    }
}
