//! Counts what waits for an operator, and what waits in the queue: each worker when it begins to serve,
//! then one for all, the one that heals.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Failure, Result};
use shared::feed::Feeds;
use shared::view_store::{Generation, ViewStore};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::healer::Healer;
use crate::lease_holder::LEASE_TERM;
use crate::metrics;

/// Between two counts: each opens connections to the broker.
const INTERVAL: Duration = Duration::from_secs(10);
/// While another worker counts.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) struct Census {
    views: Arc<dyn ViewStore>,
    feeds: Arc<dyn Feeds>,
    healer: Arc<Healer>,
    /// Held while it is counted.
    counting: Arc<Mutex<()>>,
}

impl Census {
    pub(crate) fn new(
        views: Arc<dyn ViewStore>,
        feeds: Arc<dyn Feeds>,
        healer: Arc<Healer>,
    ) -> Self {
        Self { views, feeds, healer, counting: Arc::default() }
    }

    /// Counts at once, since a worker that is stopped again and again never comes to heal; then while
    /// this worker heals, until `stop`. Where none heals, as the one that did was killed, what was counted
    /// last stands for the term of its lease. Ends early at the first failure.
    pub(crate) async fn run(
        self: &Arc<Self>,
        generation: &Generation,
        stop: &CancellationToken,
    ) -> Result<()> {
        self.count_to_the_end(generation).await?;
        let mut counted = Instant::now();
        stop.run_until_cancelled(sleep(LOOK_INTERVAL)).await;
        while !stop.is_cancelled() {
            let heals = self.healer.leads();
            if heals {
                self.count(generation).await?;
                counted = Instant::now();
            } else if counted.elapsed() > LEASE_TERM {
                tell(0, 0); // Another worker tells.
                metrics::DEAD_LETTERS.set(0.0);
            }
            let pause = if heals { INTERVAL } else { LOOK_INTERVAL };
            stop.run_until_cancelled(sleep(pause)).await;
        }
        Ok(())
    }

    /// Also where this future is dropped before that, as the worker may stop at the first batch each time.
    /// Nothing is begun while one count is under way.
    async fn count_to_the_end(self: &Arc<Self>, generation: &Generation) -> Result<()> {
        let Ok(counting) = self.counting.clone().try_lock_owned() else { return Ok(()) };
        let (this, generation) = (self.clone(), generation.clone());
        let counted = tokio::spawn(async move {
            let _counting = counting;
            this.count(&generation).await
        });
        counted.await.unwrap_or_else(|error| Err(Failure::transient("counting what waits", error)))
    }

    async fn count(&self, generation: &Generation) -> Result<()> {
        let parked = self.views.count_parked(&generation.id).await?;
        let queued = self.feeds.waiting(generation).await?.unwrap_or(0);
        tell(parked, queued);
        // While they are looked at, what was counted last stands.
        if let Some(dead_letters) = self.feeds.count_dead_letters().await? {
            metrics::DEAD_LETTERS.set(dead_letters.into());
        }
        Ok(())
    }
}

fn tell(parked: u64, queued: u32) {
    metrics::PARKED_NOW.set(parked as f64);
    metrics::QUEUED.set(queued.into());
}
