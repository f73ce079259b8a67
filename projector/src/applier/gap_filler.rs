//! Events that arrived before others of their stream: what is missing comes from the log.

use std::sync::Arc;
use std::time::Duration;

use kernel::Result;
use kernel::log::{Commit, StreamName, Version};
use shared::event_store::EventStore;
use shared::view_store::GenerationId;

use super::pending::Pending;
use crate::metrics;
use crate::parking::{GappedStream, Parking, Poison};

/// How long a batch waits for events that it misses before it reads the log: about the time of a
/// batch. They are mostly in a neighbour's batch, which applies them.
pub(super) const NEIGHBOUR_WAIT: Duration = Duration::from_millis(20);
/// Reads of the log after which an event that is not in it is missing for good.
const MAX_READS: u32 = 10;

pub(super) struct GapFiller {
    store: Arc<dyn EventStore>,
    parking: Arc<Parking>,
}

impl GapFiller {
    pub(super) fn new(store: Arc<dyn EventStore>, parking: Arc<Parking>) -> Self {
        Self { store, parking }
    }

    /// Lets go of events of streams that this build has parked, and returns the other ones.
    pub(super) async fn without_parked(
        &self,
        generation: &GenerationId,
        mut gapped: Vec<GappedStream>,
        pending: &mut Pending,
    ) -> Result<Vec<GappedStream>> {
        let gone = self.parking.let_go(generation, &gapped).await?;
        gone.iter().for_each(|stream| pending.forget(stream));
        gapped.retain(|stream| !gone.contains(&stream.name));
        Ok(gapped)
    }

    /// Adds from the log what is missing, for all gapped streams at once; what the log does not have
    /// either after `MAX_READS` is parked. `reads` is the number of reads for this batch so far;
    /// returned is how many this one counts for.
    pub(super) async fn fill(
        &self,
        generation: &GenerationId,
        gapped: Vec<GappedStream>,
        reads: u32,
        pending: &mut Pending,
    ) -> Result<u32> {
        let wanted: Vec<(&StreamName, Version)> =
            gapped.iter().map(|stream| (&stream.name, stream.version)).collect();
        metrics::GAP_READS.add(1);
        let part = self.store.read_streams(&wanted).await?;
        for event in part.commits.iter().flat_map(Commit::recorded) {
            pending.add(event);
        }
        if !part.complete {
            return Ok(0); // The rest comes with the next read.
        }
        let missing = gapped
            .into_iter()
            .filter(|stream| pending.following(&stream.name, stream.version).is_empty());
        let missing: Vec<GappedStream> = missing.collect();
        if missing.is_empty() {
            return Ok(1);
        }
        if reads + 1 < MAX_READS {
            tokio::time::sleep(NEIGHBOUR_WAIT * (reads + 1)).await;
            return Ok(1);
        }
        let poison = |stream: GappedStream| Poison {
            let_go: pending.highest(&stream.name),
            stream: stream.name,
            version: stream.version + 1,
            why: "events came behind it that the log does not lead up to".to_owned(),
        };
        let poisons: Vec<Poison> = missing.into_iter().map(poison).collect();
        self.parking.park_all(generation, &poisons).await?;
        poisons.iter().for_each(|poison| pending.forget(&poison.stream));
        Ok(1)
    }
}
