//! How much waits in the queue of the live views, for all who ask: each look opens a connection to the broker.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Failure, Result};
use shared::feed::Feeds;
use shared::view_store::{Generation, GenerationId};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long what was found, or that it failed, is the answer to those who ask.
const SHARED_FOR: Duration = Duration::from_secs(1);

/// Clones share what was found.
#[derive(Clone)]
pub(crate) struct QueueLook {
    feeds: Arc<dyn Feeds>,
    /// The last one; locked while one is under way.
    last: Arc<Mutex<Option<Found>>>,
}

struct Found {
    generation: GenerationId,
    at: Instant,
    waiting: Result<Option<u32>>,
}

impl QueueLook {
    pub(crate) fn new(feeds: Arc<dyn Feeds>) -> Self {
        Self { feeds, last: Arc::default() }
    }

    /// As `Feeds::waiting`, and up to a second old. One look is under way at a time; it goes on where the
    /// caller waits no longer, so clients that come and go cause no more of them.
    pub(crate) async fn waiting(&self, generation: &Generation) -> Result<Option<u32>> {
        let mut last = self.last.clone().lock_owned().await;
        let is_valid =
            |found: &&Found| found.generation == generation.id && found.at.elapsed() < SHARED_FOR;
        if let Some(found) = last.as_ref().filter(is_valid) {
            return found.waiting.clone();
        }
        let (feeds, generation) = (self.feeds.clone(), generation.clone());
        let look = tokio::spawn(async move {
            let waiting = feeds.waiting(&generation).await;
            let found = Found { generation: generation.id, at: Instant::now(), waiting };
            last.insert(found).waiting.clone()
        });
        look.await.unwrap_or_else(|error| Err(Failure::transient("looking at the queue", error)))
    }
}
