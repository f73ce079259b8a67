//! What the healer tells of how far the live views are.

use std::time::Duration;

use kernel::log::Position;
use kernel::{Result, Timestamp};
use shared::event_store::{EventStore, ViewsReport, oldest_behind};
use shared::view_store::{GenerationId, Progress, ViewStore};
use tokio::time::Instant;

/// Between two reports to those who read the views alone.
const INTERVAL: Duration = Duration::from_secs(1);

/// Tells command-apis by the log, and query-apis by the views.
#[derive(Debug, Default)]
pub(super) struct Reports {
    to_log: Option<Position>,
    to_views: Option<Instant>,
}

impl Reports {
    /// Everything up to `checkpoint` is in the views; the log ended at `head` when it was looked at, not
    /// before `looked`. What can't be told is told the next time.
    pub(super) async fn tell(
        &mut self,
        (store, views): (&dyn EventStore, &dyn ViewStore),
        generation: &GenerationId,
        (checkpoint, head): (Position, Position),
        looked: Timestamp,
    ) {
        if self.to_log != Some(checkpoint) {
            if let Err(failure) = store.report_views(ViewsReport { checkpoint }).await {
                tracing::debug!(%failure, "how far the views are is not told to command-apis");
            }
            self.to_log = Some(checkpoint);
        }
        if self.to_views.is_some_and(|told| told.elapsed() < INTERVAL) {
            return;
        }
        self.to_views = Some(Instant::now());
        let told = match complete_until(store, checkpoint, head, looked).await {
            Ok(until) => {
                let complete_until = Some(until);
                let (at, reached) = (looked, checkpoint);
                let progress = Progress { at, reached, head, outrun: false, complete_until };
                views.report(generation, &progress).await
            }
            Err(failure) => Err(failure),
        };
        if let Err(failure) = told {
            tracing::debug!(%failure, "how far the views are is not told to query-apis");
        }
    }
}

async fn complete_until(
    store: &dyn EventStore,
    checkpoint: Position,
    head: Position,
    looked: Timestamp,
) -> Result<Timestamp> {
    match head > checkpoint {
        true => Ok(oldest_behind(store, checkpoint).await?.unwrap_or(looked)),
        false => Ok(looked),
    }
}
