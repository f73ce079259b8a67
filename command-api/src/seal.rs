//! Sealing: a hole that was not filled in time gets tombstones, so that the log goes on. A task of its
//! own, in every command-api: neither a broker that takes no messages nor a leader that hangs may hold
//! it up. Two that seal the same hole do no harm.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use kernel::Result;
use kernel::log::{Entry, Position};
use shared::event_store::EventStore;
use shared::service::failpoint;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::metrics;

/// How long a hole is left to its writer, from when a commit above it was first seen.
const HOLE_TIMEOUT: Duration = Duration::from_secs(1);
/// Between two looks for holes.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// The longest wait for an append to a log at rest.
const MAX_WAIT: Duration = Duration::from_secs(1);
/// Positions looked at, or sealed, at a time.
const PAGE: usize = 1_000;

/// Remembers since when holes are known, by this process's own monotonic clock.
pub struct Sealer {
    store: Arc<dyn EventStore>,
    /// Up to here nothing is missing.
    complete: Position,
    seen: BTreeMap<Position, Instant>,
}

impl Sealer {
    /// Looks for holes behind `complete`, a position up to which none is known to be.
    pub fn new(store: Arc<dyn EventStore>, complete: Position) -> Self {
        Self { store, complete, seen: BTreeMap::new() }
    }

    /// Seals holes until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut appended = self.store.append_notifier().subscribe();
        while !stop.is_cancelled() {
            let swept = self.sweep().await;
            if let Err(failure) = &swept {
                tracing::debug!(%failure, "looking for holes");
            }
            let is_complete = swept.is_ok() && self.seen.is_empty();
            let next_sweep = async {
                tokio::time::sleep(POLL_INTERVAL).await;
                if is_complete {
                    appended.wait(MAX_WAIT).await; // A log at rest gets no holes.
                }
            };
            stop.run_until_cancelled(next_sweep).await;
        }
    }

    /// Goes on along the log to its first hole, and seals what is old enough of it. Positions alone
    /// are read.
    async fn sweep(&mut self) -> Result<()> {
        loop {
            let there = match self.store.own_positions(self.complete, PAGE) {
                own if !own.is_empty() => own,
                _ => self.store.read_positions(self.complete, PAGE).await?,
            };
            let Some(last) = there.last().copied() else { return Ok(()) };
            let hole = there.iter().zip(self.complete + 1..).find(|(there, next)| *there != next);
            if let Some((above, first)) = hole {
                self.forget(first - 1);
                return self.seal(first..*above).await;
            }
            self.forget(last);
        }
    }

    /// A writer that wakes up late finds its position taken.
    async fn seal(&mut self, hole: Range<Position>) -> Result<()> {
        let now = Instant::now();
        let old: Vec<Entry> = hole
            .take(PAGE)
            .filter(|position| now - *self.seen.entry(*position).or_insert(now) >= HOLE_TIMEOUT)
            .map(Entry::Tombstone)
            .collect();
        if let Some(first) = old.first() {
            tracing::warn!(positions = old.len(), first = first.position(), "sealing a hole");
            failpoint::hit("seal.before");
            self.store.insert(&old).await?;
            metrics::TOMBSTONES.add_to("sealer", old.len());
            failpoint::hit("seal.after");
        }
        Ok(())
    }

    fn forget(&mut self, complete: Position) {
        self.complete = complete;
        self.seen = self.seen.split_off(&(complete + 1));
    }
}
