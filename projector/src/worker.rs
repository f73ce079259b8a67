//! One worker: takes events from the feed of the live generation and applies them, in batches.

use std::sync::PoisonError;
use std::time::Duration;

use kernel::Result;
use shared::event_store::until_replaced;
use shared::feed::Feed;
use shared::service::backoff::Backoff;
use shared::service::failpoint;
use shared::service::min_interval::MinInterval;
use shared::view_store::Generation;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Projector;
use crate::apply::Outcome;

/// Events in a batch: enough to share round trips, few enough to be quick.
const BATCH: usize = 256;
/// Events that are applied without waiting for more.
const FULL: usize = 128;
/// How often a worker looks whether its generation is still live, however much there is to apply.
const LIVENESS_POLL_INTERVAL: Duration = Duration::from_millis(500);
/// How long the tasks beside serving may take to end; after that they end by themselves.
const BACKGROUND_END_TIMEOUT: Duration = Duration::from_secs(10);
/// How often streams are retried whose retry was interrupted.
const PARKED_RETRY_INTERVAL: Duration = Duration::from_secs(30);

/// What a worker does beside serving.
#[derive(Debug, Clone, Copy)]
enum Beside {
    Heal,
    /// Makes a generation that was asked for.
    Make,
    /// Tries once what another build has parked, and brings in what follows on what was applied.
    Retry,
    /// Ends it all when another log takes the place of the generation's.
    Watch,
}

impl Projector {
    /// Works until `stop`. Whatever breaks, it waits and starts again from what was not acknowledged.
    pub async fn run(self, stop: CancellationToken) {
        let mut backoff = Backoff::for_servers();
        while !stop.is_cancelled() {
            match self.serve(&mut backoff, &stop).await {
                Ok(()) => backoff.reset(),
                Err(failure) => {
                    self.health.waits("views", failure);
                    backoff.sleep_unless(&stop).await;
                }
            }
        }
    }

    async fn serve(&self, backoff: &mut Backoff, stop: &CancellationToken) -> Result<()> {
        let Some(generation) = self.generation(stop).await? else { return Ok(()) };
        let applied = self.views.checkpoint(&generation.id).await?.unwrap_or(0);
        self.health
            .waits("views", format!("connecting to the feed of generation {}", generation.id));
        let mut feed = self.feeds.subscribe(&generation, applied).await?;
        tracing::info!(generation = %generation.id, "serves the live views");
        self.serves(Some(&generation));
        self.health.ready("views");
        backoff.reset();
        self.remove_leftovers(stop);
        let over = stop.child_token();
        let beside = [Beside::Heal, Beside::Make, Beside::Retry, Beside::Watch];
        let beside = beside.map(|what| self.spawn(&generation, &over, what));
        let served = self.follow(&generation, feed.as_mut(), &over).await;
        over.cancel();
        let ended =
            tokio::time::timeout(BACKGROUND_END_TIMEOUT, futures::future::join_all(beside)).await;
        if ended.is_err() {
            tracing::warn!("what is done beside serving ends later, by itself");
        }
        self.serves(None);
        if !stop.is_cancelled() {
            self.health.waits("views", "looking for the live views");
        }
        served
    }

    fn serves(&self, generation: Option<&Generation>) {
        let mut serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        *serving = generation.map(|generation| generation.id.clone());
    }

    /// Does something beside serving, again and again whatever breaks, until `stop`.
    fn spawn(
        &self,
        generation: &Generation,
        stop: &CancellationToken,
        what: Beside,
    ) -> JoinHandle<()> {
        let (this, generation, stop) = (self.clone(), generation.clone(), stop.clone());
        tokio::spawn(async move {
            let mut backoff = Backoff::for_servers();
            while !stop.is_cancelled() {
                let done = match what {
                    Beside::Heal => this.heal(&generation, &stop).await,
                    // Once another is live, this one is served no longer.
                    Beside::Make => this.make_beside(&generation, &stop).await.map(|live| {
                        if live {
                            stop.cancel();
                        }
                    }),
                    Beside::Watch => {
                        tokio::select! {
                            () = until_replaced(this.store.as_ref(), &generation.log) => stop.cancel(),
                            () = stop.cancelled() => {}
                        }
                        return;
                    }
                    Beside::Retry => this.retry_parked(&generation, &stop).await,
                };
                if let Err(failure) = done {
                    tracing::warn!(%failure, "{what:?} is interrupted");
                    backoff.sleep_unless(&stop).await;
                }
            }
        })
    }

    /// Retries parked streams: at once, and whenever a change applied to one.
    async fn retry_parked(&self, generation: &Generation, stop: &CancellationToken) -> Result<()> {
        while !stop.is_cancelled() {
            self.retry_of_other_builds(generation, stop).await?;
            tokio::select! {
                () = self.parking.resumed.notified() => {}
                () = tokio::time::sleep(PARKED_RETRY_INTERVAL) => {}
                () = stop.cancelled() => {}
            }
        }
        Ok(())
    }

    /// Applies what the feed brings until the generation is no longer live.
    async fn follow(
        &self,
        generation: &Generation,
        feed: &mut dyn Feed,
        stop: &CancellationToken,
    ) -> Result<()> {
        let mut interval = MinInterval::default();
        let mut looked = Instant::now();
        loop {
            let events = {
                // The same future all along: one that is dropped half-way might lose deliveries.
                let mut next = std::pin::pin!(feed.next(BATCH));
                loop {
                    tokio::select! {
                        biased;
                        () = stop.cancelled() => return Ok(()),
                        () = tokio::time::sleep_until(looked + LIVENESS_POLL_INTERVAL) => {
                            if !self.is_live(generation).await? {
                                return Ok(());
                            }
                            looked = Instant::now();
                        }
                        events = &mut next => break events?,
                    }
                }
            };
            // From here to the end of the batch nothing interrupts.
            interval.start();
            let full = events.len() >= FULL;
            match self.apply(&generation.id, events).await? {
                Outcome::Applied => {
                    failpoint::hit("ack.before");
                    feed.ack().await?;
                    failpoint::hit("ack.after");
                }
                Outcome::NoGeneration => return Ok(()),
            }
            if !full {
                interval.rest().await;
            }
        }
    }
}
