//! Removes generations of views that were replaced.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use kernel::{Failure, Result};
use shared::feed::Feeds;
use shared::service::backoff::Backoff;
use shared::view_store::{Generation, GenerationId, ViewStore};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

/// How long the views of a replaced generation stay, for requests that still read them.
const REPLACED_KEYS_LIFETIME: Duration = Duration::from_secs(60);
/// After the first failure, and after many.
const PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Removes what was replaced: the queue at once, the views a minute later.
pub(crate) struct Remover {
    views: Arc<dyn ViewStore>,
    feeds: Arc<dyn Feeds>,
    /// There may be something to remove.
    wanted: Notify,
}

/// Generations whose feeds are closed, each with the time from which on its views are removed.
type Closed = BTreeMap<GenerationId, Instant>;

impl Remover {
    pub(crate) fn new(views: Arc<dyn ViewStore>, feeds: Arc<dyn Feeds>) -> Self {
        Self { views, feeds, wanted: Notify::new() }
    }

    /// Looks for what was replaced, once more where that is being done at the time.
    pub(crate) fn look(&self) {
        self.wanted.notify_one();
    }

    /// Removes what was replaced, from the first call of `look` on. What fails, or panics, is tried again, and
    /// keeps nothing else from being removed. What is interrupted by the end of the process is found again: the
    /// description of a generation goes last. Never ends: the worker goes on serving.
    pub(crate) async fn run(&self) {
        let (mut closed, mut backoff) = (Closed::new(), Backoff::new(PAUSE, MAX_PAUSE));
        self.wanted.notified().await;
        loop {
            let lost = tried(self.close_lost()).await.unwrap_or(false);
            let replaced = tried(self.remove(&mut closed)).await.unwrap_or(false);
            if lost && replaced {
                backoff.reset();
                self.until_wanted(closed.values().min().copied()).await;
            } else {
                let soon = async {
                    sleep(PAUSE).await;
                    self.wanted.notified().await;
                };
                tokio::select! {
                    () = backoff.sleep() => {}
                    () = soon => {} // What was replaced since then does not wait for what fails.
                }
            }
        }
    }

    async fn until_wanted(&self, due: Option<Instant>) {
        let due = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.wanted.notified() => {}
            () = due => {}
        }
    }

    /// Closes the feeds of generations whose views are lost: a queue that takes events and gives them
    /// to no worker. False where one of them is left.
    async fn close_lost(&self) -> Result<bool> {
        // In this order: a generation is described before its feed is opened.
        let opened = self.feeds.opened().await?;
        let described = self.views.generations().await?;
        let mut all = true;
        for lost in opened.iter().filter(|id| described.iter().all(|one| one.id != **id)) {
            tracing::warn!(generation = %lost, "closing the feed of views that are lost");
            all &= tried(self.feeds.close(lost)).await.is_some();
        }
        Ok(all)
    }

    /// Closes the feeds of generations that were replaced, and removes the views of those whose time has
    /// come. False where one of them is left.
    async fn remove(&self, closed: &mut Closed) -> Result<bool> {
        let replaced = self.leftovers().await?;
        closed.retain(|id, _| replaced.iter().any(|one| one.id == *id));
        let mut all = true;
        for old in replaced {
            all &= tried(self.remove_one(old.id, closed)).await.is_some();
        }
        Ok(all)
    }

    async fn remove_one(&self, old: GenerationId, closed: &mut Closed) -> Result<()> {
        match closed.get(&old) {
            None => {
                self.feeds.close(&old).await?;
                closed.insert(old, Instant::now() + REPLACED_KEYS_LIFETIME);
            }
            Some(due) if *due <= Instant::now() => {
                self.views.remove(&old).await?;
                closed.remove(&old);
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Generations that are neither live nor in the making.
    async fn leftovers(&self) -> Result<Vec<Generation>> {
        // In this order: a generation that goes live meanwhile is found in one of the two places.
        let all = self.views.generations().await?;
        let used = [self.views.building().await?, self.views.live().await?];
        let is_used = |one: &Generation| used.iter().flatten().any(|used| used.id == one.id);
        Ok(all.into_iter().filter(|one| !is_used(one)).collect())
    }
}

/// Does one thing, and tells where it fails. A panic is a failure like any other.
async fn tried<T>(attempt: impl Future<Output = Result<T>>) -> Option<T> {
    let panicked = |_| Err(Failure::transient("removing replaced views", "it panicked"));
    let outcome = AssertUnwindSafe(attempt).catch_unwind().await.unwrap_or_else(panicked);
    if let Err(failure) = &outcome {
        tracing::warn!(%failure, "replaced views are left; removing them later");
    }
    outcome.ok()
}
