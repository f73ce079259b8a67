//! Brings events into the views: once each, in the order of their stream.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use kernel::log::{Commit, Recorded, StreamName, Version};
use kernel::projection::{Change, Stored, Unprojectable};
use kernel::{Failure, Result};
use shared::service::failpoint;
use shared::view_store::{Applied, GenerationId};

use crate::Projector;
use crate::park::Poison;

/// About the time of a batch: what is missing mostly sits in a neighbour's, and arrives by itself.
const NEIGHBOUR: Duration = Duration::from_millis(20);
/// Reads of the log after which an event that is not in it is missing for good.
const READS: u32 = 10;
/// Rounds after which a stream that does not get on is a failure, to be tried again from the feed.
const ROUNDS: u32 = 1_000;
/// Bytes of changes that are written with one call, but for the last change.
const WRITE: usize = 2 << 20;

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

/// What one pass over the pending streams found.
#[derive(Default)]
struct Round {
    gaps: Vec<Gap>,
    poisons: Vec<Poison>,
    /// A change applied to a stream that is parked.
    resumed: bool,
}

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

    fn highest(&self, stream: &StreamName) -> Version {
        let last = self.streams.get(stream).and_then(BTreeMap::last_key_value);
        last.map_or(0, |(version, _)| *version)
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
            let Some(found) = self.round(generation, &mut pending).await? else {
                return Ok(Outcome::NoGeneration);
            };
            let gaps = self.without_parked(generation, found.gaps, &mut pending).await?;
            match gaps.is_empty() {
                true => {}
                false if round == 0 => tokio::time::sleep(NEIGHBOUR).await,
                false => reads += self.fill(generation, gaps, reads, &mut pending).await?,
            }
        }
        Err(Failure::transient("applying events", "a stream does not get on"))
    }

    /// Reads, folds and writes once for all streams, a part of them at a time. Leaves in `pending`
    /// what is not applied yet; `None` when the generation is gone.
    async fn round(
        &self,
        generation: &GenerationId,
        pending: &mut Pending,
    ) -> Result<Option<Round>> {
        let streams: Vec<StreamName> = pending.streams.keys().cloned().collect();
        let mut round = Round::default();
        let mut rest = &streams[..];
        while !rest.is_empty() {
            let (part, after) = rest.split_at(self.loads.fitting(rest.len()));
            rest = after;
            let names: Vec<&StreamName> = part.iter().collect();
            let stored = self.views.load(generation, &names).await?;
            self.loads.loaded(&stored);
            let (mut changes, mut bytes) = (vec![], 0);
            for (stream, stored) in part.iter().zip(stored) {
                let Some(change) = self.fold(stream, stored, pending, &mut round) else { continue };
                bytes += weight(&change);
                changes.push(change);
                if bytes >= WRITE {
                    bytes = 0;
                    let full = std::mem::take(&mut changes);
                    if !self.write(generation, full, pending, &mut round).await? {
                        return Ok(None);
                    }
                }
            }
            if !self.write(generation, changes, pending, &mut round).await? {
                return Ok(None);
            }
        }
        let poisons = std::mem::take(&mut round.poisons);
        let parked: Vec<StreamName> = poisons.iter().map(|one| one.stream.clone()).collect();
        self.park_all(generation, poisons).await?;
        parked.iter().for_each(|stream| pending.forget(stream));
        pending.streams.retain(|_, events| !events.is_empty());
        if round.resumed {
            self.parking.resumed.notify_one();
        }
        Ok(Some(round))
    }

    /// The change that the pending events of a stream lead to, if its next ones are there.
    fn fold(
        &self,
        stream: &StreamName,
        stored: Option<Stored>,
        pending: &mut Pending,
        round: &mut Round,
    ) -> Option<Change> {
        let version = stored.as_ref().map_or(0, |stored| stored.version);
        pending.reached(stream, version);
        let next = pending.following(stream, version);
        if next.is_empty() {
            if pending.highest(stream) > version {
                round.gaps.push((stream.clone(), version));
            }
            return None;
        }
        match self.project(stored.as_ref(), &next) {
            Ok(change) => Some(change),
            Err(Unprojectable(why)) => {
                suspect(pending, round, stream, (version + 1, next.len()), why);
                None
            }
        }
    }

    /// Writes changes; false when the generation is gone.
    async fn write(
        &self,
        generation: &GenerationId,
        changes: Vec<Change>,
        pending: &mut Pending,
        round: &mut Round,
    ) -> Result<bool> {
        failpoint::hit("script.before");
        let outcomes = self.views.apply(generation, &changes).await?;
        failpoint::hit("script.after");
        for (change, outcome) in changes.iter().zip(outcomes) {
            match outcome {
                Applied::NoGeneration => return Ok(false),
                Applied::Applied | Applied::Duplicate => pending.reached(&change.stream, change.to),
                Applied::StillParked => {
                    pending.reached(&change.stream, change.to);
                    round.resumed = true;
                }
                Applied::Stale(_) => {}
                Applied::OutOfRange => {
                    let events = usize::try_from(change.to - change.base).unwrap_or(usize::MAX);
                    let why = "a sum would leave the range of 64-bit integers".to_owned();
                    suspect(pending, round, &change.stream, (change.base + 1, events), why);
                }
            }
        }
        Ok(true)
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

    /// The gaps that are none of parked streams; events of those are let go.
    async fn without_parked(
        &self,
        generation: &GenerationId,
        gaps: Vec<Gap>,
        pending: &mut Pending,
    ) -> Result<Vec<Gap>> {
        let reach = |(stream, version): &Gap| (stream.clone(), *version, pending.highest(stream));
        let reaching: Vec<_> = gaps.iter().map(reach).collect();
        let gone = self.let_go(generation, &reaching).await?;
        gone.iter().for_each(|stream| pending.forget(stream));
        Ok(gaps.into_iter().filter(|(stream, _)| !gone.contains(stream)).collect())
    }

    /// Adds from the log what is missing, for all gapped streams at once; what the log does not have
    /// either is parked in the end. Returns how many reads of the log this counts for.
    async fn fill(
        &self,
        generation: &GenerationId,
        gaps: Vec<Gap>,
        reads: u32,
        pending: &mut Pending,
    ) -> Result<u32> {
        let wanted: Vec<(&StreamName, Version)> =
            gaps.iter().map(|(stream, version)| (stream, *version)).collect();
        let part = self.store.read_streams(&wanted).await?;
        for event in part.commits.iter().flat_map(Commit::recorded) {
            pending.add(event);
        }
        if !part.complete {
            return Ok(0); // The rest comes with the next read.
        }
        let missing = gaps
            .into_iter()
            .filter(|(stream, version)| pending.following(stream, *version).is_empty());
        let missing: Vec<Gap> = missing.collect();
        if missing.is_empty() {
            return Ok(1);
        }
        if reads + 1 < READS {
            tokio::time::sleep(NEIGHBOUR * (reads + 1)).await;
            return Ok(1);
        }
        let why = "events came behind it that the log does not lead up to".to_owned();
        let poison = |(stream, version): Gap| Poison {
            let_go: pending.highest(&stream),
            stream,
            version: version + 1,
            why: why.clone(),
        };
        let poisons: Vec<Poison> = missing.into_iter().map(poison).collect();
        let parked: Vec<StreamName> = poisons.iter().map(|one| one.stream.clone()).collect();
        self.park_all(generation, poisons).await?;
        parked.iter().for_each(|stream| pending.forget(stream));
        Ok(1)
    }
}

/// About the bytes of a change on its way to the views.
fn weight(change: &Change) -> usize {
    const SUM: usize = 256;
    let entries = change.sums.len() + change.enter.len() + change.leave.len();
    change.document.len() + SUM * (entries + change.greatest_texts.len())
}

/// Of several events one is to blame: they are applied one by one from here on, until it is alone.
fn suspect(
    pending: &mut Pending,
    round: &mut Round,
    stream: &StreamName,
    (version, events): (Version, usize),
    why: String,
) {
    if events > 1 {
        pending.singly.insert(stream.clone());
    } else {
        let (stream, let_go) = (stream.clone(), pending.highest(stream));
        round.poisons.push(Poison { stream, version, why, let_go });
    }
}
