//! Parking: a stream that can't be applied gets a note and stops; the rest goes on.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kernel::log::{Commit, StreamName, Version};
use kernel::views::{Batch, Parked};
use kernel::{Failure, Result, Timestamp};
use shared::view_store::{Generation, GenerationId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::Projector;

/// So many newly parked streams within a minute; more mean that something else is broken.
const MANY: usize = 100;
const MINUTE: Duration = Duration::from_secs(60);
/// A stream that another build parked is tried again.
const BUILD: &str = env!("CARGO_PKG_VERSION");
/// Characters kept of a reason: it quotes what was read.
const REASON: usize = 500;
/// Parts of a stream's log that one retry brings in.
const PARTS: u32 = 100_000;

/// A version of a stream that can't be applied, and why.
#[derive(Debug, Clone)]
pub struct Poison {
    pub stream: StreamName,
    pub version: Version,
    pub why: String,
    /// The highest version at hand: events up to here are let go.
    pub let_go: Version,
}

/// What the tasks of a projector share about parked streams.
#[derive(Debug, Default)]
pub struct Parking {
    brake: Brake,
    /// Notified when a change applied to a parked stream: the rest is to be brought in.
    pub resumed: Notify,
}

/// Stops parking when too many streams were parked within a minute.
#[derive(Debug, Default)]
struct Brake(Mutex<VecDeque<Instant>>);

impl Brake {
    fn may_park(&self) -> bool {
        let mut parked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while parked.front().is_some_and(|when| when.elapsed() > MINUTE) {
            parked.pop_front();
        }
        let may = parked.len() < MANY;
        if may {
            parked.push_back(Instant::now());
        }
        may
    }
}

type Notes = HashMap<StreamName, Parked>;

impl Projector {
    /// Parks streams. What is parked already, here or in the live generation at the same version, is
    /// no news: the brake does not count it.
    pub async fn park_all(&self, generation: &GenerationId, poisons: Vec<Poison>) -> Result<()> {
        if poisons.is_empty() {
            return Ok(());
        }
        let streams: Vec<StreamName> = poisons.iter().map(|one| one.stream.clone()).collect();
        let here = self.notes(generation, streams.clone()).await?;
        let live = match self.views.live().await? {
            Some(live) if live.id != *generation => self.notes(&live.id, streams).await?,
            _ => Notes::new(),
        };
        for poison in poisons {
            let is_known = here.contains_key(&poison.stream)
                || live.get(&poison.stream).is_some_and(|note| note.version == poison.version);
            if !is_known && !self.parking.brake.may_park() {
                let told = format!(
                    "{MANY} streams were parked within a minute, the next for: {}",
                    poison.why
                );
                return Err(Failure::transient("applying events", told));
            }
            self.park(generation, poison).await?;
        }
        Ok(())
    }

    async fn park(&self, generation: &GenerationId, poison: Poison) -> Result<()> {
        let Poison { stream, version, why, let_go } = poison;
        tracing::error!(%stream, version, why, "parked a stream: it can't be applied");
        let note = Parked {
            stream,
            version,
            reason: why.chars().take(REASON).collect(),
            projection: self.projection.version(),
            build: BUILD.to_owned(),
            at: Timestamp::now(),
            let_go,
        };
        self.views.park(generation, &note).await
    }

    /// The notes of those of the streams that are parked.
    async fn notes(&self, generation: &GenerationId, streams: Vec<StreamName>) -> Result<Notes> {
        let mut batch = Batch::new();
        let notes = batch.parked(streams);
        let notes = self.views.read(generation, &batch).await?.answers.take(notes)?;
        Ok(notes.into_iter().flatten().map(|note| (note.stream.clone(), note)).collect())
    }

    /// Lets go of events behind a gap at which this build has parked their stream. `gaps` are the
    /// streams with the versions of their views and their highest versions at hand; returned are the
    /// streams that were let go.
    pub async fn let_go(
        &self,
        generation: &GenerationId,
        gaps: &[(StreamName, Version, Version)],
    ) -> Result<Vec<StreamName>> {
        if gaps.is_empty() {
            return Ok(vec![]);
        }
        let streams = gaps.iter().map(|(stream, ..)| stream.clone()).collect();
        let notes = self.notes(generation, streams).await?;
        let parked = gaps.iter().filter(|(stream, version, _)| {
            notes.get(stream).is_some_and(|note| is_current(note, *version))
        });
        let events: Vec<(&StreamName, Version)> =
            parked.map(|(stream, _, highest)| (stream, *highest)).collect();
        let told = self.views.let_go(generation, &events).await?;
        let gone = events.into_iter().zip(told).filter(|(_, parked)| *parked);
        Ok(gone.map(|((stream, _), _)| stream.clone()).collect())
    }

    /// Tries a parked stream again from the log; true when it is no longer parked. The note stays
    /// until the view holds all that the log does, events included that other workers let go.
    pub async fn retry(&self, generation: &GenerationId, stream: &StreamName) -> Result<bool> {
        for _ in 0..PARTS {
            let Some(note) = self.note(generation, stream).await? else { return Ok(true) };
            let version = self.version(generation, stream).await?;
            let part = self.store.read_streams(&[(stream, version)]).await?;
            if part.commits.is_empty() {
                if self.views.unpark(generation, stream, note.let_go).await? {
                    return Ok(true);
                }
                continue; // More was let go since.
            }
            let events = part.commits.iter().flat_map(Commit::recorded).collect();
            self.apply(generation, events).await?;
            let version = self.version(generation, stream).await?;
            let note = self.note(generation, stream).await?;
            if note.is_some_and(|note| is_current(&note, version)) {
                return Ok(false);
            }
        }
        Err(Failure::transient("retrying a parked stream", "its log has no end"))
    }

    async fn note(&self, generation: &GenerationId, stream: &StreamName) -> Result<Option<Parked>> {
        Ok(self.notes(generation, vec![stream.clone()]).await?.remove(stream))
    }

    async fn version(&self, generation: &GenerationId, stream: &StreamName) -> Result<Version> {
        let stored = self.views.load(generation, &[stream]).await?.pop().flatten();
        Ok(stored.map_or(0, |stored| stored.version))
    }

    /// Another build may know what to do, and a retry may have been interrupted: each stream that
    /// this build has not parked is tried.
    pub async fn retry_of_other_builds(
        &self,
        generation: &Generation,
        stop: &CancellationToken,
    ) -> Result<()> {
        for note in self.views.parked(&generation.id).await? {
            if note.build != BUILD && !stop.is_cancelled() {
                self.retry(&generation.id, &note.stream).await?;
            }
        }
        Ok(())
    }
}

/// Whether this build has tried, and the view stands right before what it could not apply.
fn is_current(note: &Parked, view: Version) -> bool {
    note.build == BUILD && note.version == view + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brake_holds_after_a_hundred() {
        let brake = Brake::default();
        assert_eq!((0..200).filter(|_| brake.may_park()).count(), MANY);
    }
}
