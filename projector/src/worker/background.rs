//! What a worker does beside serving, as long as it serves one generation.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use kernel::{Failure, Result};
use shared::event_store::{EventStore, until_replaced};
use shared::service::backoff::Backoff;
use shared::service::health::Health;
use shared::view_store::Generation;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::census::Census;
use crate::healer::Healer;
use crate::retrier::Retrier;
use crate::rollout::Rollout;

/// How long a worker that serves no longer waits for its background tasks; after that they end by
/// themselves.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// One of the tasks beside serving.
#[derive(Debug, Clone, Copy)]
enum BackgroundTask {
    /// Checks that everything is applied, and moves the checkpoint.
    Heal,
    /// Makes a generation that was asked for. Once it is live, the old one is served no longer.
    Build,
    /// Tries what another build has parked, and brings in what follows on what was applied.
    Retry,
    /// Counts what waits.
    Count,
    /// Ends the serving when another log takes the place of the generation's.
    WatchLog,
}

/// Starts the background tasks of a worker.
#[derive(Clone)]
pub(super) struct Background {
    store: Arc<dyn EventStore>,
    healer: Arc<Healer>,
    rollout: Arc<Rollout>,
    retrier: Arc<Retrier>,
    census: Arc<Census>,
    /// Told whether the log can be reached.
    health: Health,
}

/// The background tasks beside the serving of one generation.
pub(super) struct Running([JoinHandle<()>; 5]);

impl Background {
    pub(super) fn new(
        store: Arc<dyn EventStore>,
        healer: Arc<Healer>,
        rollout: Arc<Rollout>,
        retrier: Arc<Retrier>,
        census: Arc<Census>,
        health: Health,
    ) -> Self {
        Self { store, healer, rollout, retrier, census, health }
    }

    /// Starts all tasks. They run until `serving_over`, and cancel it when the generation is to be
    /// served no longer.
    pub(super) fn start(
        &self,
        generation: &Generation,
        serving_over: &CancellationToken,
    ) -> Running {
        use BackgroundTask::{Build, Count, Heal, Retry, WatchLog};
        let start = |task| {
            let (this, generation) = (self.clone(), generation.clone());
            let serving_over = serving_over.clone();
            tokio::spawn(async move { this.repeat(task, &generation, &serving_over).await })
        };
        Running([Heal, Build, Retry, Count, WatchLog].map(start))
    }

    /// Does a task until `serving_over`, and starts it again after each failure; a panic counts as one.
    async fn repeat(
        &self,
        task: BackgroundTask,
        generation: &Generation,
        serving_over: &CancellationToken,
    ) {
        let mut backoff = Backoff::for_servers();
        while !serving_over.is_cancelled() {
            let has_failed = backoff.attempts() > 0;
            let run = self.run((task, has_failed), generation, serving_over);
            let run = AssertUnwindSafe(run).catch_unwind();
            let panicked = |_| Err(Failure::transient("working beside serving", "it panicked"));
            if let Err(failure) = run.await.unwrap_or_else(panicked) {
                tracing::warn!(%failure, "{task:?} is interrupted");
                if matches!(task, BackgroundTask::Heal) {
                    self.healer.give_up(generation).await; // Before any pause: a stop ends these.
                }
                backoff.sleep_unless(serving_over).await;
            }
        }
    }

    /// Does a task, which may have failed before.
    async fn run(
        &self,
        (task, has_failed): (BackgroundTask, bool),
        generation: &Generation,
        serving_over: &CancellationToken,
    ) -> Result<()> {
        match task {
            BackgroundTask::Heal => {
                if has_failed {
                    self.healer.stand_back(serving_over).await;
                }
                self.healer.run(generation, serving_over).await
            }
            BackgroundTask::Build => {
                if self.rollout.build_beside(generation, serving_over).await? {
                    serving_over.cancel();
                }
                Ok(())
            }
            // Both may be dropped at any step: a retry goes on from its note, and a count is made again.
            BackgroundTask::Retry => {
                let retried = self.retrier.run(&generation.id, serving_over);
                serving_over.run_until_cancelled(retried).await.unwrap_or(Ok(()))
            }
            BackgroundTask::Count => {
                let counted = self.census.run(generation, serving_over);
                serving_over.run_until_cancelled(counted).await.unwrap_or(Ok(()))
            }
            BackgroundTask::WatchLog => {
                let replaced = until_replaced(self.store.as_ref(), &generation.log, &self.health);
                if serving_over.run_until_cancelled(replaced).await.is_some() {
                    serving_over.cancel();
                }
                Ok(())
            }
        }
    }
}

impl Running {
    /// Waits for the end of all tasks, up to 10 s.
    pub(super) async fn end(self) {
        let ended = tokio::time::timeout(END_TIMEOUT, futures::future::join_all(self.0)).await;
        if ended.is_err() {
            tracing::warn!("background tasks of the worker end later, by themselves");
        }
    }
}
