//! Brings events into the views: once each, in the order of their stream.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use shared::log::{Commit, Recorded, StreamName, Version};
use shared::projection::{Change, Stored, Unprojectable};
use shared::view_store::{Applied, GenerationId};
use shared::{Failure, Result, crash};

use crate::Projector;

/// About the time of a batch: what is missing mostly sits in a neighbour's, and arrives by itself.
const NEIGHBOUR: Duration = Duration::from_millis(20);
/// Reads of the log after which an event that is not in it is missing for good.
const READS: u32 = 10;
/// Rounds after which a stream that does not get on is a failure, to be tried again from the feed.
const ROUNDS: u32 = 100;

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All of it is in the views, was there before, or is parked.
    Applied,
    /// The generation is gone; nothing more can be applied to it.
    NoGeneration,
}

/// Events that are not applied yet, by stream and version.
#[derive(Default)]
struct Pending {
    streams: BTreeMap<StreamName, BTreeMap<Version, Recorded>>,
    /// Streams that are applied event by event, to find the one that can't be.
    singly: BTreeSet<StreamName>,
}

/// A stream of which events before the pending ones are missing, with its stored version.
type Gap = (StreamName, Version);
/// A stream, the version that can't be applied, and why.
type Poison = (StreamName, Version, String);

impl Pending {
    fn add(&mut self, event: Recorded) {
        self.streams.entry(event.stream.clone()).or_default().insert(event.version, event);
    }

    /// Forgets what a stream has reached.
    fn reached(&mut self, stream: &StreamName, version: Version) {
        if let Some(events) = self.streams.get_mut(stream) {
            *events = events.split_off(&(version + 1));
        }
    }

    fn forget(&mut self, stream: &StreamName) {
        self.streams.remove(stream);
    }

    /// The events right behind `version`, up to the first gap.
    fn following(&self, stream: &StreamName, version: Version) -> Vec<Recorded> {
        let events = self.streams.get(stream).into_iter().flatten();
        let without_gap = events.zip(version + 1..).take_while(|((there, _), next)| *there == next);
        let limit = if self.singly.contains(stream) { 1 } else { usize::MAX };
        without_gap.take(limit).map(|((_, event), _)| event.clone()).collect()
    }
}

impl Projector {
    /// Applies a batch. After an error it may be partly applied: apply it again.
    pub async fn apply(&self, generation: &GenerationId, events: Vec<Recorded>) -> Result<Outcome> {
        let mut pending = Pending::default();
        events.into_iter().for_each(|event| pending.add(event));
        let mut reads = 0;
        for round in 0..ROUNDS {
            if pending.streams.is_empty() {
                return Ok(Outcome::Applied);
            }
            let Some(gaps) = self.round(generation, &mut pending).await? else {
                return Ok(Outcome::NoGeneration);
            };
            match gaps.is_empty() {
                true => {}
                false if round == 0 => tokio::time::sleep(NEIGHBOUR).await,
                false => {
                    reads += 1;
                    self.fill(generation, gaps, reads, &mut pending).await?;
                }
            }
        }
        Err(Failure::transient("applying events", "a stream does not get on"))
    }

    /// Reads, folds and writes once for all streams. Leaves in `pending` what is not applied yet.
    async fn round(
        &self,
        generation: &GenerationId,
        pending: &mut Pending,
    ) -> Result<Option<Vec<Gap>>> {
        let streams: Vec<StreamName> = pending.streams.keys().cloned().collect();
        let names: Vec<&StreamName> = streams.iter().collect();
        let stored = self.views.load(generation, &names).await?;
        let (mut changes, mut gaps, mut poisons) = (vec![], vec![], vec![]);
        for (stream, stored) in streams.iter().zip(&stored) {
            let version = stored.as_ref().map_or(0, |stored| stored.version);
            pending.reached(stream, version);
            let next = pending.following(stream, version);
            if next.is_empty() {
                gaps.push((stream.clone(), version));
                continue;
            }
            match self.project(stored.as_ref(), &next) {
                Ok(change) => changes.push(change),
                Err(Unprojectable(why)) => {
                    suspect(pending, &mut poisons, stream, (version + 1, next.len()), why);
                }
            }
        }
        gaps.retain(|(stream, _)| {
            pending.streams.get(stream).is_some_and(|events| !events.is_empty())
        });
        crash::point("script.before");
        let outcomes = self.views.apply(generation, &changes).await?;
        crash::point("script.after");
        for (change, outcome) in changes.iter().zip(outcomes) {
            match outcome {
                Applied::NoGeneration => return Ok(None),
                Applied::Applied | Applied::Duplicate => pending.reached(&change.stream, change.to),
                Applied::Stale(_) => {}
                Applied::OutOfRange => {
                    let events = usize::try_from(change.to - change.base).unwrap_or(usize::MAX);
                    let why = "a sum would leave ±(2^53 - 1)".to_owned();
                    suspect(pending, &mut poisons, &change.stream, (change.base + 1, events), why);
                }
            }
        }
        self.park_all(generation, poisons, pending).await?;
        pending.streams.retain(|_, events| !events.is_empty());
        Ok(Some(gaps))
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

    async fn park_all(
        &self,
        generation: &GenerationId,
        poisons: Vec<Poison>,
        pending: &mut Pending,
    ) -> Result<()> {
        for (stream, version, why) in poisons {
            self.park(generation, &stream, version, &why).await?;
            pending.forget(&stream);
        }
        Ok(())
    }

    /// Adds from the log what is missing, for all gapped streams at once. Streams that are parked
    /// at their gap stay so; what the log does not have either is parked.
    async fn fill(
        &self,
        generation: &GenerationId,
        gaps: Vec<Gap>,
        reads: u32,
        pending: &mut Pending,
    ) -> Result<()> {
        let parked = self.parked_here(generation).await?;
        let (parked, gaps): (Vec<Gap>, Vec<Gap>) = gaps
            .into_iter()
            .partition(|(stream, version)| parked.contains(&(stream.clone(), version + 1)));
        parked.iter().for_each(|(stream, _)| pending.forget(stream));
        let wanted: Vec<(&StreamName, Version)> =
            gaps.iter().map(|(stream, version)| (stream, *version)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        for event in self.store.streams(&wanted).await?.iter().flat_map(Commit::recorded) {
            pending.add(event);
        }
        let missing = gaps
            .into_iter()
            .filter(|(stream, version)| pending.following(stream, *version).is_empty());
        let missing: Vec<Gap> = missing.collect();
        if missing.is_empty() {
            return Ok(());
        }
        if reads < READS {
            tokio::time::sleep(NEIGHBOUR * reads).await;
            return Ok(());
        }
        let why = "events came behind it that the log does not lead up to".to_owned();
        let poisons =
            missing.into_iter().map(|(stream, version)| (stream, version + 1, why.clone()));
        self.park_all(generation, poisons.collect(), pending).await
    }
}

/// Of several events one is to blame: they are applied one by one from here on, until it is alone.
fn suspect(
    pending: &mut Pending,
    poisons: &mut Vec<Poison>,
    stream: &StreamName,
    (version, events): (Version, usize),
    why: String,
) {
    if events > 1 {
        pending.singly.insert(stream.clone());
    } else {
        poisons.push((stream.clone(), version, why));
    }
}
