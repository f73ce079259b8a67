//! Queues that hold up the exchange.
//!
//! The broker confirms a message once every queue that is bound holds it. A broker that was killed while
//! it declared a quorum queue can be left with one that has no leader, and then confirms nothing. Such a
//! queue is deleted: a worker declares the one that it consumes anew, and the healer brings in what it
//! held.

use std::time::Duration;

use kernel::Result;
use kernel::log::Position;
use shared::service::liveness::Work;
use tokio::time::Instant;

use super::Relay;

/// Failures of the relay in a row, from which on it looks for such queues.
const FAILURES: u32 = 2;
/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(10);

/// Looks for queues that hold up the exchange, while the relay fails.
#[derive(Default)]
pub struct Obstruction {
    looked: Option<Instant>,
}

impl Obstruction {
    /// To be called after each failure; `failures` is how many there were since the last success, and
    /// `unconfirmed` the checkpoint at the last attempt to publish, where that failed.
    pub async fn clear(&mut self, relay: &Relay, failures: u32, unconfirmed: Option<Position>) {
        let Some(failed) = self.due(failures, unconfirmed) else { return };
        if let Err(failure) = delete_unserved(relay, failed).await {
            tracing::debug!(%failure, "the queues could not be looked at");
        }
        self.looked = Some(Instant::now());
    }

    /// `unconfirmed`, where it is time to look. A process that only fails to connect learns nothing of any
    /// queue by that.
    fn due(&self, failures: u32, unconfirmed: Option<Position>) -> Option<Position> {
        let is_soon = self.looked.is_some_and(|looked| looked.elapsed() < INTERVAL);
        unconfirmed.filter(|_| failures >= FAILURES && !is_soon)
    }
}

async fn delete_unserved(relay: &Relay, failed: Position) -> Result<()> {
    let queues = relay.store.queues().await?;
    each(queues, &relay.work, |queue| look(relay, queue, failed)).await
}

/// Looks at one queue after the other, at all of them: what fails at one may fail at each look. Returns the
/// first failure. Each is progress: where the broker hangs, one takes up to 20 s for each of several steps.
async fn each<F: Future<Output = Result<()>>>(
    queues: Vec<String>,
    work: &Work,
    mut look: impl FnMut(String) -> F,
) -> Result<()> {
    let mut looked = Ok(());
    for queue in queues {
        work.progress();
        looked = looked.and(look(queue).await);
    }
    looked
}

async fn look(relay: &Relay, queue: String, failed: Position) -> Result<()> {
    let delete = async {
        tracing::warn!(queue, "deleting a queue that the broker does not serve");
        relay.broker.delete(&queue).await
    };
    let served = relay.broker.serves(&queue);
    let confirmed = relay.store.relay_checkpoint(&relay.log);
    delete_unless(served, (confirmed, failed), &relay.work, delete).await
}

/// Deletes what is not served, unless the checkpoint is above the one of the publishing that failed: then no
/// queue holds up the exchange, and it may be this process alone that gets no answer.
async fn delete_unless(
    is_served: impl Future<Output = Result<bool>>,
    (confirmed, failed): (impl Future<Output = Result<Position>>, Position),
    work: &Work,
    delete: impl Future<Output = Result<()>>,
) -> Result<()> {
    if is_served.await? || confirmed.await? > failed {
        return Ok(());
    }
    work.progress(); // So much time may have passed that the rest would be too much.
    delete.await
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use kernel::Failure;
    use shared::service::liveness::Liveness;

    use super::*;

    #[tokio::test]
    async fn each_look_at_a_queue_is_progress() {
        let liveness = Liveness::with_patience(Duration::ZERO);
        let (work, mut looks) = (liveness.work("relay"), 0);
        work.rest();
        let look = |_: String| {
            assert!(liveness.stuck().contains_key("relay"), "it has got on since the last look");
            work.rest();
            looks += 1;
            ready(Ok(()))
        };
        each(vec!["one".to_owned(), "another".to_owned()], &work, look).await.unwrap();
        assert_eq!(looks, 2);
    }

    #[tokio::test]
    async fn a_queue_that_can_not_be_looked_at_shields_none_behind_it() {
        let (work, mut looks) = (Liveness::default().work("relay"), vec![]);
        let look = |queue: String| {
            looks.push(queue.clone());
            ready(Err(Failure::transient("looking", queue)))
        };
        let queues = ["one", "another"].map(str::to_owned);
        let failure = each(queues.to_vec(), &work, look).await.unwrap_err();
        assert_eq!((looks, failure.to_string()), (queues.to_vec(), "looking: one".to_owned()));
    }

    #[test]
    fn queues_are_looked_at_where_a_publishing_has_failed_and_not_too_often() {
        let mut obstruction = Obstruction::default();
        for (failures, unconfirmed, due) in [
            (FAILURES, None, None), // It could not connect.
            (FAILURES - 1, Some(5), None),
            (FAILURES, Some(5), Some(5)),
        ] {
            assert_eq!(obstruction.due(failures, unconfirmed), due, "{failures} {unconfirmed:?}");
        }
        obstruction.looked = Some(Instant::now());
        assert_eq!(obstruction.due(FAILURES, Some(5)), None);
    }

    #[tokio::test]
    async fn a_queue_is_kept_where_another_process_publishes() {
        let failed = 5;
        for (is_served, confirmed, deletes) in
            [(true, 5, false), (true, 6, false), (false, 6, false), (false, 5, true)]
        {
            let liveness = Liveness::with_patience(Duration::ZERO);
            let (work, mut is_deleted) = (liveness.work("relay"), false);
            work.rest();
            let delete = async {
                assert!(liveness.stuck().contains_key("relay"), "the look was no progress");
                is_deleted = true;
                Ok(())
            };
            let confirms = (ready(Ok(confirmed)), failed);
            delete_unless(ready(Ok(is_served)), confirms, &work, delete).await.unwrap();
            assert_eq!(is_deleted, deletes, "{is_served} {confirmed}");
        }
    }
}
