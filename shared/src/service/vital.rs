//! Tasks that a service can't do without.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;

use crate::service::health::Health;

/// Does the task, and tells whether it ended by a panic.
pub async fn panics(task: impl Future<Output = ()>) -> bool {
    AssertUnwindSafe(task).catch_unwind().await.is_err()
}

/// Does the task. Where it ends by a panic, the part is not ready any more: what the task is there for is
/// done by none, although all else goes on.
pub async fn vital(health: Health, part: &'static str, task: impl Future<Output = ()>) {
    if panics(task).await {
        tracing::error!(part, "a task ended by a fault");
        health.waits(part, "it ended by a fault: restart the service");
    }
}
