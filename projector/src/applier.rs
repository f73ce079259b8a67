//! Brings events into the views: once each, in the order of their stream.

mod gap_filler;
mod pending;
mod round;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use kernel::log::{Recorded, StreamName};
use kernel::projection::{Change, ErasedProjection, Stored, Unprojectable};
use kernel::{Failure, Result};
use shared::event_store::EventStore;
use shared::service::failpoint;
use shared::service::liveness::{Liveness, Work};
use shared::service::traces::recorded;
use shared::view_store::{Applied, GenerationId, ViewStore};

use self::gap_filler::{GapFiller, NEIGHBOUR_WAIT};
use self::pending::Pending;
use self::round::{Refused, Round};
use crate::metrics;
use crate::parking::{GappedStream, Parking, Poison};
use crate::traced::Traced;

/// Rounds after which a batch with a stream that does not get on fails, to be applied again.
const MAX_ROUNDS: u32 = 1_000;
/// Streams that are taken at a time, at most.
const MAX_STREAMS: usize = 256;
/// Bytes of changes after which they are written: one call has this many, and the last change.
const MAX_WRITE_BYTES: usize = 2 << 20;

/// What became of a batch of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchOutcome {
    /// Each event is in the views, was there before, or belongs to a parked stream.
    Applied,
    /// The generation is gone; nothing more can be applied to it.
    NoGeneration,
}

/// Folds events into the views of a generation. Any number of batches may be applied at a time, by
/// this worker and by others.
pub struct Applier {
    views: Arc<dyn ViewStore>,
    projection: Arc<dyn ErasedProjection>,
    parking: Arc<Parking>,
    gaps: GapFiller,
    liveness: Liveness,
}

impl Applier {
    /// Writes to `views`, and reads from `store` what a batch misses. What the projection can't apply
    /// is parked with `parking`.
    pub fn new(
        store: Arc<dyn EventStore>,
        views: Arc<dyn ViewStore>,
        projection: Arc<dyn ErasedProjection>,
        parking: Arc<Parking>,
    ) -> Self {
        let gaps = GapFiller::new(store, parking.clone());
        Self { views, projection, parking, gaps, liveness: Liveness::default() }
    }

    /// The same; batches that do not get on are told to `liveness`.
    pub(crate) fn watched(self, liveness: &Liveness) -> Self {
        Self { liveness: liveness.clone(), ..self }
    }

    /// Applies a batch. The events may come in any order, repeatedly, and with gaps, which are filled
    /// from the log. After an error the batch may be partly applied: apply it again.
    pub async fn apply(
        &self,
        generation: &GenerationId,
        events: Vec<Recorded>,
    ) -> Result<BatchOutcome> {
        self.apply_traced(generation, events, &mut Traced::none()).await
    }

    /// The same, and tells `traced` what was parked.
    pub(crate) async fn apply_traced(
        &self,
        generation: &GenerationId,
        events: Vec<Recorded>,
        traced: &mut Traced,
    ) -> Result<BatchOutcome> {
        let work = self.liveness.work("views");
        let mut pending: Pending = events.into_iter().collect();
        let mut reads = 0;
        for round in 0..MAX_ROUNDS {
            if pending.is_empty() {
                return Ok(BatchOutcome::Applied);
            }
            let now = Round { first: round == 0, ..Round::default() };
            let Some(now) = self.round(generation, &mut pending, now, &work).await? else {
                return Ok(BatchOutcome::NoGeneration);
            };
            for Poison { stream, version, why, .. } in &now.poisons {
                traced.parked(stream, *version, why);
            }
            let found = now.gapped.clone();
            let gapped = self.gaps.without_parked(generation, now.gapped, &mut pending).await?;
            let waits = |name: &StreamName| gapped.iter().any(|stream| stream.name == *name);
            for stream in found.iter().filter(|stream| !waits(&stream.name)) {
                traced.parked(
                    &stream.name,
                    stream.version + 1,
                    "an earlier event can't be applied",
                );
            }
            match gapped.is_empty() {
                true => {}
                false if round == 0 => tokio::time::sleep(NEIGHBOUR_WAIT).await,
                false => reads += self.gaps.fill(generation, gapped, reads, &mut pending).await?,
            }
        }
        Err(Failure::transient("applying events", "a stream does not get on"))
    }

    /// Reads, folds and writes once for all streams, and parks what can't be applied. In the first
    /// round streams whose first event is at hand are taken to have no view yet; where one is there,
    /// the change is refused and the next round reads it. Leaves in `pending` what is not applied yet,
    /// and returns what was found; `None` when the generation is gone.
    async fn round(
        &self,
        generation: &GenerationId,
        pending: &mut Pending,
        mut round: Round,
        work: &Work,
    ) -> Result<Option<Round>> {
        let streams = pending.streams();
        let mut rest = &streams[..];
        while !rest.is_empty() {
            work.progress();
            let next = &rest[..rest.len().min(MAX_STREAMS)];
            let Some(taken) = self.apply_part(generation, next, pending, &mut round).await? else {
                return Ok(None);
            };
            rest = &rest[taken..];
        }
        self.parking.park_all(generation, &round.poisons).await?;
        round.poisons.iter().for_each(|poison| pending.forget(&poison.stream));
        pending.forget_finished();
        if round.resumed {
            self.parking.tell_resumed();
        }
        Ok(Some(round))
    }

    /// Reads, folds and writes once for the first of these streams: up to the one whose view is too much
    /// to be loaded with those before it. Returns how many these are, `None` when the generation is gone.
    async fn apply_part(
        &self,
        generation: &GenerationId,
        streams: &[StreamName],
        pending: &mut Pending,
        round: &mut Round,
    ) -> Result<Option<usize>> {
        let is_new = |stream: &&StreamName| round.first && pending.begins(stream);
        let (new, names): (Vec<_>, Vec<_>) = streams.iter().partition(is_new);
        let stored = self.views.load(generation, &names).await?;
        let left = names.get(stored.len());
        let taken = left.and_then(|left| streams.iter().position(|stream| stream == *left));
        let taken = taken.unwrap_or(streams.len());
        let new = new.into_iter().take(taken.saturating_sub(stored.len())).map(|new| (new, None));
        let stored = names.into_iter().zip(stored).chain(new);
        let (mut changes, mut bytes) = (vec![], 0);
        for (stream, stored) in stored {
            let Some(change) = self.fold(stream, stored, pending, round) else { continue };
            bytes += approximate_bytes(&change);
            changes.push(change);
            if bytes >= MAX_WRITE_BYTES {
                bytes = 0;
                let full = std::mem::take(&mut changes);
                if !self.write(generation, full, pending, round).await? {
                    return Ok(None);
                }
            }
        }
        Ok(self.write(generation, changes, pending, round).await?.then_some(taken))
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
            let highest = pending.highest(stream);
            if highest > version {
                round.gapped.push(GappedStream { name: stream.clone(), version, highest });
            }
            return None;
        }
        match self.project(stored.as_ref(), &next) {
            Ok(mut change) => {
                let last = next.last().and_then(|event| event.meta.traceparent.as_deref());
                change.traceparent = recorded(last).map(str::to_owned);
                Some(change)
            }
            Err(Unprojectable(why)) => {
                let (version, events) = (version + 1, next.len());
                round.refused(pending, Refused { stream, version, events, why });
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
        metrics::applied(&outcomes);
        for (change, outcome) in changes.iter().zip(outcomes) {
            let stream = &change.stream;
            match outcome {
                Applied::NoGeneration => return Ok(false),
                Applied::Applied | Applied::Duplicate => pending.reached(stream, change.to),
                Applied::StillParked => {
                    pending.reached(stream, change.to);
                    round.resumed = true;
                }
                Applied::Stale(_) => {} // The next round reads it again.
                Applied::OutOfRange => {
                    let events = usize::try_from(change.to - change.base).unwrap_or(usize::MAX);
                    let why = "a sum would leave the range of 64-bit integers".to_owned();
                    let version = change.base + 1;
                    round.refused(pending, Refused { stream, version, events, why });
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
}

/// About the bytes of a change on its way to the views.
fn approximate_bytes(change: &Change) -> usize {
    /// Of one sum, entry or text, with its names.
    const FACT_BYTES: usize = 256;
    let entries = change.sums.len() + change.enter.len() + change.leave.len();
    change.document.len() + FACT_BYTES * (entries + change.greatest_texts.len())
}
