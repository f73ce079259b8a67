//! Brings events into the views: once each, in the order of their stream.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use shared::log::{Commit, Recorded, StreamName, Version};
use shared::projection::{Change, Stored, Unprojectable};
use shared::view_store::{Applied, GenerationId, Parked};
use shared::{Failure, Result, Timestamp};

use crate::Projector;

/// About the time of a batch: what is missing mostly sits in a neighbour's, and arrives by itself.
const NEIGHBOUR: Duration = Duration::from_millis(20);
/// Rounds after which a stream that does not get on is a failure, to be tried again from the feed.
const ROUNDS: u32 = 50;

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All of it is in the views, was there before, or is parked.
    Applied,
    /// The generation is gone; nothing more can be applied to it.
    NoGeneration,
}

type Pending = BTreeMap<StreamName, BTreeMap<Version, Recorded>>;

impl Projector {
    /// Applies a batch. After an error it may be partly applied: apply it again.
    pub async fn apply(&self, generation: &GenerationId, events: Vec<Recorded>) -> Result<Outcome> {
        let mut pending = Pending::new();
        for event in events {
            pending.entry(event.stream.clone()).or_default().insert(event.version, event);
        }
        for round in 0..ROUNDS {
            if pending.is_empty() {
                return Ok(Outcome::Applied);
            }
            let Some(gapped) = self.round(generation, &mut pending).await? else {
                return Ok(Outcome::NoGeneration);
            };
            if gapped.is_empty() {
                continue;
            }
            if round == 0 {
                tokio::time::sleep(NEIGHBOUR).await;
            } else {
                self.fetch(&gapped, &mut pending).await?;
            }
        }
        Err(Failure::transient("applying events", "a stream does not get on"))
    }

    /// Reads, folds and writes once for all streams. Leaves in `pending` what is not applied yet;
    /// returns the streams of which events before those are missing, with their stored versions.
    async fn round(
        &self,
        generation: &GenerationId,
        pending: &mut Pending,
    ) -> Result<Option<Vec<(StreamName, Version)>>> {
        let streams: Vec<&StreamName> = pending.keys().collect();
        let stored = self.views.load(generation, &streams).await?;
        let mut changes = vec![];
        let mut gapped = vec![];
        let mut poisoned = vec![];
        pending.retain(|_, events| !events.is_empty());
        for ((stream, events), stored) in pending.iter_mut().zip(&stored) {
            let version = stored.as_ref().map_or(0, |stored| stored.version);
            *events = events.split_off(&(version + 1));
            let next = following(events, version);
            if events.is_empty() {
                continue;
            }
            if next.is_empty() {
                gapped.push((stream.clone(), version));
                continue;
            }
            match self.project(stored.as_ref(), &next) {
                Ok(change) => changes.push(change),
                Err(Unprojectable(reason)) => poisoned.push((stream.clone(), version + 1, reason)),
            }
        }
        let outcomes = self.views.apply(generation, &changes).await?;
        for (change, outcome) in changes.iter().zip(outcomes) {
            match outcome {
                Applied::NoGeneration => return Ok(None),
                Applied::OutOfRange => {
                    let reason = "a sum would leave ±(2^53 - 1)".to_owned();
                    poisoned.push((change.stream.clone(), change.base + 1, reason));
                }
                Applied::Applied | Applied::Duplicate => {
                    if let Some(events) = pending.get_mut(&change.stream) {
                        *events = events.split_off(&(change.to + 1));
                    }
                }
                Applied::Stale(_) => {}
            }
        }
        for (stream, version, reason) in poisoned {
            self.park(generation, stream.clone(), version, reason).await?;
            pending.remove(&stream);
        }
        pending.retain(|_, events| !events.is_empty());
        Ok(Some(gapped))
    }

    /// A panic in a projection parks the stream like any other reason.
    fn project(
        &self,
        stored: Option<&Stored>,
        events: &[Recorded],
    ) -> std::result::Result<Change, Unprojectable> {
        let project = AssertUnwindSafe(|| self.projection.project(stored, events));
        catch_unwind(project)
            .unwrap_or_else(|_| Err(Unprojectable("the projection panicked".to_owned())))
    }

    async fn park(
        &self,
        generation: &GenerationId,
        stream: StreamName,
        version: Version,
        reason: String,
    ) -> Result<()> {
        tracing::error!(%stream, version, reason, "parked a stream: it can't be applied");
        let note = Parked {
            stream,
            version,
            reason,
            projection: self.projection.version(),
            build: env!("CARGO_PKG_VERSION").to_owned(),
            at: Timestamp::now(),
        };
        self.views.park(generation, &note).await
    }

    /// Adds from the log everything above the stored versions, for all gapped streams at once.
    async fn fetch(&self, gapped: &[(StreamName, Version)], pending: &mut Pending) -> Result<()> {
        let wanted: Vec<(&StreamName, Version)> =
            gapped.iter().map(|(stream, version)| (stream, *version)).collect();
        for event in self.store.streams(&wanted).await?.iter().flat_map(Commit::recorded) {
            pending.entry(event.stream.clone()).or_default().insert(event.version, event);
        }
        Ok(())
    }
}

/// The events right behind `version`, up to the first gap.
fn following(events: &BTreeMap<Version, Recorded>, version: Version) -> Vec<Recorded> {
    let without_gap =
        events.iter().zip(version + 1..).take_while(|((there, _), next)| *there == next);
    without_gap.map(|((_, event), _)| event.clone()).collect()
}
