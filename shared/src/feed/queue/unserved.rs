//! Notices a queue that the broker does not serve any more: declared, bound to the exchange, and
//! without a process behind it. A broker that was killed while it declared a quorum queue can be left
//! with one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::{Failure, Result};
use tokio::time::Instant;

use crate::messaging::rabbitmq::Consumer;

/// How long a consumer goes without a delivery before it asks whether its queue is served.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// Answers in a row that it is not, after which the consumer ends. (A broker that is too busy to look
/// answers the same.)
const CONSUMER_ENDS: u32 = 2;
/// Uses of the queue in vain, in a row, after which it is deleted: later than every consumer of it has
/// ended.
const QUEUE_ENDS: u32 = 5;

/// Counts for each queue how often in a row it was used in vain while the broker could be reached.
#[derive(Debug, Default)]
pub struct Unserved(Mutex<HashMap<String, u32>>);

impl Unserved {
    fn counts(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn used_in_vain(&self, queue: &str) {
        *self.counts().entry(queue.to_owned()).or_default() += 1;
    }

    pub fn is_served(&self, queue: &str) {
        self.counts().remove(queue);
    }

    pub fn is_given_up(&self, queue: &str) -> bool {
        self.counts().get(queue).is_some_and(|count| *count >= QUEUE_ENDS)
    }
}

/// What one consumer knows of its queue.
pub struct Served {
    unserved: Arc<Unserved>,
    queue: String,
    /// When it was last seen to be served, or asked for.
    seen: Instant,
    denied: u32,
}

impl Served {
    pub fn new(unserved: Arc<Unserved>, queue: &str) -> Self {
        Self { unserved, queue: queue.to_owned(), seen: Instant::now(), denied: 0 }
    }

    pub fn delivered(&mut self) {
        self.seen = Instant::now();
        self.denied = 0;
        self.unserved.is_served(&self.queue);
    }

    /// Returns when nothing was delivered for a while.
    pub async fn is_doubted(&self) {
        tokio::time::sleep_until(self.seen + POLL_INTERVAL).await;
    }

    /// Asks the broker. An error when it was denied too often: the consumer is of no use any more.
    pub async fn look(&mut self, consumer: &Consumer) -> Result<()> {
        if consumer.is_served().await? {
            self.delivered();
            return Ok(());
        }
        self.seen = Instant::now();
        self.denied += 1;
        self.unserved.used_in_vain(&self.queue);
        match self.denied < CONSUMER_ENDS {
            true => Ok(()),
            false => Err(Failure::transient("consuming a queue", "the broker does not serve it")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_given_up_after_uses_in_vain_without_one_between_that_was_not() {
        let unserved = Arc::new(Unserved::default());
        let in_vain = |times| (0..times).for_each(|_| unserved.used_in_vain("a"));
        in_vain(QUEUE_ENDS - 1);
        assert!(!unserved.is_given_up("a"));
        Served::new(unserved.clone(), "a").delivered();
        in_vain(QUEUE_ENDS - 1);
        unserved.is_served("b");
        assert!(!unserved.is_given_up("a"));
        in_vain(1);
        assert!(unserved.is_given_up("a") && !unserved.is_given_up("b"));
    }
}
