//! Sealing: a hole that nobody filled in time gets tombstones, so that the log goes on.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use shared::event_store::EventStore;
use shared::log::{Entry, Position, Run};
use shared::{Result, crash};
use tokio::time::Instant;

/// How long a hole is left to its writer, from when a commit above it was first seen.
const PATIENCE: Duration = Duration::from_secs(1);
const PAGE: usize = 1_000;

/// Remembers since when holes are known, by this process's own monotonic clock.
#[derive(Debug, Default)]
pub struct Sealer {
    /// Below here nothing is missing.
    complete: Position,
    seen: BTreeMap<Position, Instant>,
}

impl Sealer {
    /// Seals what is old enough of the hole. Whoever wakes up late finds its position taken.
    pub async fn seal(&mut self, store: &dyn EventStore, hole: Range<Position>) -> Result<()> {
        let now = Instant::now();
        self.forget(hole.start - 1);
        let old: Vec<Entry> = hole
            .take(PAGE)
            .filter(|position| now - *self.seen.entry(*position).or_insert(now) >= PATIENCE)
            .map(Entry::Tombstone)
            .collect();
        if !old.is_empty() {
            tracing::warn!(positions = old.len(), first = old[0].position(), "sealing a hole");
            crash::point("seal.before");
            store.insert(&old).await?;
            crash::point("seal.after");
        }
        Ok(())
    }

    /// Nothing is missing up to here.
    pub fn forget(&mut self, complete: Position) {
        self.complete = self.complete.max(complete);
        self.seen = self.seen.split_off(&(self.complete + 1));
    }

    /// Looks for holes by itself, where the relay can't get on to them: as long as nobody is bound
    /// to the exchange, say, because a projector waits at the hole.
    pub async fn sweep(&mut self, store: &dyn EventStore) -> Result<()> {
        loop {
            let run = Run::take(self.complete, store.read(self.complete, PAGE).await?);
            if let Some(hole) = run.hole {
                return self.seal(store, hole).await;
            }
            if run.to == self.complete {
                return Ok(());
            }
            self.forget(run.to);
        }
    }
}
