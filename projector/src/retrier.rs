//! Tries parked streams again, from the log.

use std::sync::Arc;
use std::time::Duration;

use kernel::log::{Commit, StreamName, Version};
use kernel::views::Parked;
use kernel::{Failure, Result};
use shared::event_store::EventStore;
use shared::view_store::{GenerationId, ViewStore};
use tokio_util::sync::CancellationToken;

use crate::applier::Applier;
use crate::parking::{Parking, is_of_this_build, is_stuck};

/// Between two looks for parked streams whose retry was interrupted.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);
/// Notes that are read at a time.
const PAGE: usize = 100;
/// Parts of a stream's log that one retry brings in at most.
const MAX_PARTS: u32 = 100_000;

/// Brings parked streams back into the views, as far as the projection can apply them by now.
pub struct Retrier {
    store: Arc<dyn EventStore>,
    views: Arc<dyn ViewStore>,
    applier: Arc<Applier>,
    parking: Arc<Parking>,
}

impl Retrier {
    /// `parking` is the one that the applier parks with.
    pub fn new(
        store: Arc<dyn EventStore>,
        views: Arc<dyn ViewStore>,
        applier: Arc<Applier>,
        parking: Arc<Parking>,
    ) -> Self {
        Self { store, views, applier, parking }
    }

    /// Retries what this build has not tried, until `stop`: at once, whenever a change applied to a
    /// parked stream, and every 30 s. Ends early at the first failure.
    pub(crate) async fn run(
        &self,
        generation: &GenerationId,
        stop: &CancellationToken,
    ) -> Result<()> {
        while !stop.is_cancelled() {
            self.retry_untried(generation, stop).await?;
            let resumed = tokio::time::timeout(RETRY_INTERVAL, self.parking.until_resumed());
            stop.run_until_cancelled(resumed).await;
        }
        Ok(())
    }

    /// Retries once each parked stream that this build has not tried to its end: another build parked
    /// it, or a retry was interrupted.
    pub async fn retry_untried(
        &self,
        generation: &GenerationId,
        stop: &CancellationToken,
    ) -> Result<()> {
        let mut after = None;
        loop {
            let page = self.views.parked(generation, after.as_ref(), PAGE).await?;
            for note in &page.notes {
                if !is_of_this_build(note) && !stop.is_cancelled() {
                    self.retry(generation, &note.stream).await?;
                }
            }
            after = page.next().cloned();
            if after.is_none() || stop.is_cancelled() {
                return Ok(());
            }
        }
    }

    /// The note of a stream, if it is parked.
    pub(crate) async fn note(
        &self,
        generation: &GenerationId,
        stream: &StreamName,
    ) -> Result<Option<Parked>> {
        self.parking.note(generation, stream).await
    }

    /// Tries a parked stream again from the log; true when it is not parked, or no longer. The note
    /// stays until the view holds all that the log does, including events that other workers let go.
    /// After a failure part of the stream may be applied; the note is still there then, and a later
    /// retry goes on.
    pub async fn retry(&self, generation: &GenerationId, stream: &StreamName) -> Result<bool> {
        for _ in 0..MAX_PARTS {
            let Some(note) = self.parking.note(generation, stream).await? else { return Ok(true) };
            let version = self.version(generation, stream).await?;
            let part = self.store.read_streams(&[(stream, version)]).await?;
            if part.commits.is_empty() {
                if self.views.unpark(generation, stream, note.let_go).await? {
                    return Ok(true);
                }
                continue; // More was let go since.
            }
            let events = part.commits.iter().flat_map(Commit::recorded).collect();
            self.applier.apply(generation, events).await?;
            let version = self.version(generation, stream).await?;
            let note = self.parking.note(generation, stream).await?;
            if note.is_some_and(|note| is_stuck(&note, version)) {
                return Ok(false);
            }
        }
        Err(Failure::transient("retrying a parked stream", "its log has no end"))
    }

    /// The version of a stream's stored view, 0 where there is none.
    async fn version(&self, generation: &GenerationId, stream: &StreamName) -> Result<Version> {
        let stored = self.views.load(generation, &[stream]).await?.pop().flatten();
        Ok(stored.map_or(0, |stored| stored.version))
    }
}
