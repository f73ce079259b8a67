//! Waiting that ends early when the service stops.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Waits for `time`, or until `stop`.
pub(crate) async fn pause(time: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = stop.cancelled() => {}
    }
}
