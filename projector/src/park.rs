//! Parking: a stream that can't be applied gets a note and stops; the rest goes on.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use shared::log::{Commit, StreamName, Version};
use shared::view_store::{Generation, GenerationId, Parked};
use shared::{Failure, Result, Timestamp};

use crate::Projector;

/// Newly parked streams within a minute that mean something else is broken than those streams.
const MANY: usize = 100;
const MINUTE: Duration = Duration::from_secs(60);
/// A stream that another build parked is tried again.
const BUILD: &str = env!("CARGO_PKG_VERSION");

/// Stops parking when it becomes a habit.
#[derive(Debug, Default)]
pub struct Brake(Mutex<VecDeque<Instant>>);

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

impl Projector {
    /// Notes that the stream can't be applied from this version on.
    pub async fn park(
        &self,
        generation: &GenerationId,
        stream: &StreamName,
        version: Version,
        why: &str,
    ) -> Result<()> {
        if !self.brake.may_park() {
            let told = format!("{MANY} streams were parked within a minute, the next for: {why}");
            return Err(Failure::transient("applying events", told));
        }
        tracing::error!(%stream, version, why, "parked a stream: it can't be applied");
        let note = Parked {
            stream: stream.clone(),
            version,
            reason: why.to_owned(),
            projection: self.projection.version(),
            build: BUILD.to_owned(),
            at: Timestamp::now(),
        };
        self.views.park(generation, &note).await
    }

    /// Tries a parked stream again from the log; true when it is no longer parked.
    pub async fn retry(&self, generation: &GenerationId, stream: &StreamName) -> Result<bool> {
        let stored = self.views.load(generation, &[stream]).await?.pop().flatten();
        let version = stored.map_or(0, |stored| stored.version);
        let commits = self.store.streams(&[(stream, version)]).await?;
        self.apply(generation, commits.iter().flat_map(Commit::recorded).collect()).await?;
        let parked = self.views.parked(generation).await?;
        Ok(!parked.iter().any(|note| note.stream == *stream))
    }

    /// Another build may know what to do: each stream that it did not park is tried once.
    pub async fn retry_of_other_builds(&self, generation: &Generation) -> Result<()> {
        for note in self.views.parked(&generation.id).await? {
            if note.build != BUILD && !self.retry(&generation.id, &note.stream).await? {
                self.views
                    .park(&generation.id, &Parked { build: BUILD.to_owned(), ..note })
                    .await?;
            }
        }
        Ok(())
    }

    /// What this build has parked, by stream and version.
    pub async fn parked_here(
        &self,
        generation: &GenerationId,
    ) -> Result<HashSet<(StreamName, Version)>> {
        let notes = self.views.parked(generation).await?;
        let own = notes.into_iter().filter(|note| note.build == BUILD);
        Ok(own.map(|note| (note.stream, note.version)).collect())
    }
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
