//! Parking: a stream that can't be applied gets a note and stops; the rest goes on.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use shared::log::{StreamName, Version};
use shared::view_store::{GenerationId, Parked};
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
