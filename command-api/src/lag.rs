//! How far what follows the log is behind it: the exchange, and the live views. Each command-api looks
//! for itself, so that it can be told also while no relay and no projector runs.

use std::sync::Arc;
use std::time::Duration;

use kernel::Result;
use kernel::log::{Entry, Position};
use shared::event_store::EventStore;
use shared::service::metrics::Gauge;
use tokio_util::sync::CancellationToken;

use crate::metrics;

/// Between two looks while something is behind.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// The longest wait for an append while nothing is.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// Entries read for the oldest commit: what stands before it may be tombstones.
const PAGE: usize = 10;

/// Looks until `stop`. What can't be read leaves the gauges as they are.
pub async fn watch(store: Arc<dyn EventStore>, stop: CancellationToken) {
    let mut appended = store.append_notifier().subscribe();
    while !stop.is_cancelled() {
        let looked = look(store.as_ref()).await;
        if let Err(failure) = &looked {
            tracing::debug!(%failure, "looking how far what follows the log is");
        }
        let next_look = async {
            tokio::time::sleep(LOOK_INTERVAL).await;
            if matches!(looked, Ok(0)) {
                appended.wait(MAX_WAIT).await;
            }
        };
        stop.run_until_cancelled(next_look).await;
    }
}

/// Returns the greater number of commits that are behind.
async fn look(store: &dyn EventStore) -> Result<Position> {
    let (published, viewed) = (store.published().await?, store.views_report().await?);
    let head = store.head().await?; // Later than both, so that neither seems to be ahead.
    let viewed = viewed.map_or(0, |report| report.checkpoint);
    let followers = [
        (published, &metrics::RELAY_LAG_COMMITS, &metrics::RELAY_LAG_SECONDS),
        (Some(viewed), &metrics::VIEWS_LAG_COMMITS, &metrics::VIEWS_LAG_SECONDS),
    ];
    let mut most = 0;
    for (reached, commits, seconds) in followers {
        if let Some(reached) = reached {
            most = most.max(head - reached);
            tell(store, reached, head, commits, seconds).await?;
        }
    }
    Ok(most)
}

async fn tell(
    store: &dyn EventStore,
    reached: Position,
    head: Position,
    commits: &Gauge,
    seconds: &Gauge,
) -> Result<()> {
    let missing = if head > reached { store.read(reached, PAGE).await? } else { vec![] };
    let oldest = missing.iter().find_map(|entry| match entry {
        Entry::Commit(commit) => Some(commit.at.age()),
        Entry::Tombstone(_) => None,
    });
    commits.set_position((head - reached).max(0));
    seconds.set(oldest.unwrap_or_default().as_secs_f64());
    Ok(())
}
