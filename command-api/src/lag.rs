//! How far what follows the log is behind it: the exchange, and the live views. Each command-api looks
//! for itself, so that it can be told also while no relay and no projector runs.

use std::sync::Arc;
use std::time::Duration;

use kernel::Result;
use kernel::log::Position;
use shared::event_store::{EventStore, oldest_behind};
use shared::service::health::Health;
use shared::service::vital::restarting;
use tokio_util::sync::CancellationToken;

use crate::metrics;

/// Between two looks while something is behind.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// The longest wait for an append while nothing is.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// The name under which it is told that looking ended by a fault.
const HEALTH_PART: &str = "lag";

/// Looks until `stop`, also after a fault. What can't be read leaves the gauges as they are.
pub async fn watch(store: Arc<dyn EventStore>, health: Health, stop: CancellationToken) {
    let looks = || keep_looking(store.as_ref(), &health, &stop);
    restarting(&health, HEALTH_PART, looks).await;
}

async fn keep_looking(store: &dyn EventStore, health: &Health, stop: &CancellationToken) {
    let mut appended = store.append_notifier().subscribe();
    while !stop.is_cancelled() {
        let looked = look(store, health).await;
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
async fn look(store: &dyn EventStore, health: &Health) -> Result<Position> {
    let (published, viewed) = (store.published().await?, store.views_report().await?);
    let head = store.head().await?; // Later than both, so that neither seems to be ahead.
    let viewed = viewed.map_or(0, |report| report.checkpoint);
    let (mut most, mut told) = (0, vec![]);
    for (name, reached, commits, seconds) in [
        ("exchange", published, &metrics::RELAY_LAG_COMMITS, &metrics::RELAY_LAG_SECONDS),
        ("views", Some(viewed), &metrics::VIEWS_LAG_COMMITS, &metrics::VIEWS_LAG_SECONDS),
    ] {
        let Some(reached) = reached else { continue };
        let behind = (head - reached).max(0);
        let oldest = if behind > 0 { oldest_behind(store, reached).await? } else { None };
        let age = oldest.map_or(Duration::ZERO, |at| at.age());
        commits.set_position(behind);
        seconds.set(age.as_secs_f64());
        told.push(format!("{name} {behind} commits, {:.1} s", age.as_secs_f64()));
        most = most.max(behind);
    }
    health.tell("behind the log", told.join("; "));
    Ok(most)
}
