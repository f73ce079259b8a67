//! Queues that hold up the exchange.
//!
//! The broker confirms a message once every queue that is bound holds it. A broker that was killed while
//! it declared a quorum queue can be left with one that has no leader, and then confirms nothing. Such a
//! queue is deleted: a worker declares the one that it consumes anew, and the healer brings in what it
//! held.

use std::time::Duration;

use kernel::Result;
use shared::messaging::rabbitmq::RabbitMq;
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
    /// To be called after each failure; `failures` is how many there were since the last success.
    pub async fn clear(&mut self, relay: &Relay, failures: u32) {
        let is_soon = self.looked.is_some_and(|looked| looked.elapsed() < INTERVAL);
        if failures < FAILURES || is_soon {
            return;
        }
        if let Err(failure) = delete_unserved(relay).await {
            tracing::debug!(%failure, "the queues could not be looked at");
        }
        self.looked = Some(Instant::now());
    }
}

async fn delete_unserved(relay: &Relay) -> Result<()> {
    let queues = relay.store.queues().await?;
    each(queues, &relay.work, |queue| delete_where_unserved(&relay.broker, queue)).await
}

/// Looks at one queue after the other. Each is progress: where the broker hangs, one takes up to 20 s for each
/// of several steps.
async fn each<F: Future<Output = Result<()>>>(
    queues: Vec<String>,
    work: &Work,
    mut look: impl FnMut(String) -> F,
) -> Result<()> {
    for queue in queues {
        work.progress();
        look(queue).await?;
    }
    Ok(())
}

async fn delete_where_unserved(broker: &RabbitMq, queue: String) -> Result<()> {
    if !broker.serves(&queue).await? {
        tracing::warn!(queue, "deleting a queue that the broker does not serve");
        broker.delete(&queue).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::future::ready;

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
}
