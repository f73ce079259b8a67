//! Tasks that a service can't do without, and panics.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::{sleep, timeout};

use crate::service::health::Health;

/// After a panic, until a task begins anew.
const RESTART_DELAY: Duration = Duration::from_secs(1);
/// A task that has gone on for so long has not ended as the last one did.
const STEADY: Duration = Duration::from_secs(60);

/// Does the task, and tells whether it ended by a panic.
pub async fn panics(task: impl Future<Output = ()>) -> bool {
    AssertUnwindSafe(task).catch_unwind().await.is_err()
}

/// What a panic said.
pub fn message(cause: &(dyn Any + Send)) -> &str {
    let text = cause.downcast_ref::<&str>().copied();
    let text = text.or_else(|| cause.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a message")
}

/// Does the task. Where it ends by a panic, the part is not ready any more: what the task is there for is
/// done by none, although all else goes on.
pub async fn vital(health: Health, part: &'static str, task: impl Future<Output = ()>) {
    if panics(task).await {
        tracing::error!(part, "a task ended by a fault");
        health.waits(part, "it ended by a fault: restart the service");
    }
}

/// Does a task that may begin anew at any time, and does so after each end by a panic. `/readyz` tells of
/// that as `part`, until the task has gone on for a minute.
pub async fn restarting<F: Future<Output = ()>>(
    health: &Health,
    part: &'static str,
    mut task: impl FnMut() -> F,
) {
    loop {
        let mut run = pin!(panics(task()));
        let ended = timeout(STEADY, run.as_mut()).await;
        let has_panicked = match ended {
            Ok(has_panicked) => has_panicked,
            Err(_) => {
                health.clear_note(part);
                run.await
            }
        };
        if !has_panicked {
            return;
        }
        tracing::error!(part, "a task ended by a fault; it begins anew");
        health.note(part, "a task ended by a fault, and has begun anew");
        sleep(RESTART_DELAY).await;
    }
}

/// Reads something of others. Where that panics, it can't be used, as where it is in no right form.
pub(crate) fn caught<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let panicked = |_| Err("reading it panicked".to_owned());
    std::panic::catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(panicked)
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_begins_anew_and_is_told_of_until_it_goes_on() {
        let (health, started) = (Health::of(&[]), Instant::now());
        let (mut runs, seen) = (0, &health);
        let task = || {
            runs += 1;
            let run = runs;
            async move {
                assert!(run > 2, "as a test wants it");
                assert!(seen.notes()["part"].contains("fault"), "it is told of");
                sleep(2 * STEADY).await;
                assert!(seen.notes().is_empty(), "it goes on");
            }
        };
        restarting(&health, "part", task).await;
        assert_eq!(runs, 3);
        let expected = 2 * RESTART_DELAY + 2 * STEADY;
        assert_eq!(started.elapsed().as_secs(), expected.as_secs());
    }

    #[test]
    fn what_panics_where_it_is_read_can_not_be_used() {
        assert_eq!(caught(|| Ok(1)), Ok(1));
        assert_eq!(caught::<i32>(|| Err("no".to_owned())), Err("no".to_owned()));
        let told = caught::<i32>(|| panic!("as a test wants it"));
        assert!(told.is_err_and(|why| why.contains("panicked")));
    }
}
