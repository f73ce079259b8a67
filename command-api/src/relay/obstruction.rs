//! Queues that hold up the exchange.
//!
//! The broker confirms a message once every queue that is bound holds it. A broker that was killed while
//! it declared a quorum queue can be left with one that has no leader, and then confirms nothing. Such a
//! queue is deleted: a worker declares the one that it consumes anew, and the healer brings in what it
//! held.

use std::time::Duration;

use kernel::Result;
use shared::event_store::mongodb::MongoDb;
use shared::messaging::rabbitmq::RabbitMq;
use tokio::time::Instant;

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
    pub async fn clear(&mut self, store: &MongoDb, broker: &RabbitMq, failures: u32) {
        let is_soon = self.looked.is_some_and(|looked| looked.elapsed() < INTERVAL);
        if failures < FAILURES || is_soon {
            return;
        }
        if let Err(failure) = delete_unserved(store, broker).await {
            tracing::debug!(%failure, "the queues could not be looked at");
        }
        self.looked = Some(Instant::now());
    }
}

async fn delete_unserved(store: &MongoDb, broker: &RabbitMq) -> Result<()> {
    for queue in store.queues().await? {
        if !broker.serves(&queue).await? {
            tracing::warn!(queue, "deleting a queue that the broker does not serve");
            broker.delete(&queue).await?;
        }
    }
    Ok(())
}
