//! Which generation of views this worker serves, which one is wanted, and which is left over.

use std::time::Duration;

use kernel::Result;
use kernel::log::LogId;
use shared::view_store::{Generation, GenerationId};
use tokio_util::sync::CancellationToken;

use crate::Projector;
use crate::build::{Built, Where};
use crate::healer::pause;

/// Between two looks at what others do.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How long a replaced generation's keys stay, for requests that still read them.
const REPLACED_KEYS_LIFETIME: Duration = Duration::from_secs(60);

/// What there is to do about generations.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    Serve(Generation),
    /// Make one that replaces the live one, if there is any.
    Make {
        replaces: Option<GenerationId>,
    },
    /// A newer build's views are live: this worker has nothing to do.
    Outdated,
}

fn next(live: Option<Generation>, log: &LogId, projection: u32) -> Next {
    match live {
        Some(live) if live.log == *log && live.projection == projection => Next::Serve(live),
        Some(live) if live.log == *log && live.projection > projection => Next::Outdated,
        live => Next::Make { replaces: live.map(|live| live.id) },
    }
}

impl Projector {
    /// The live generation of this projection, once there is one; `None` when `stop` came first.
    pub async fn generation(&self, stop: &CancellationToken) -> Result<Option<Generation>> {
        while !stop.is_cancelled() {
            let log = self.store.log_id().await?;
            match next(self.views.live().await?, &log, self.projection.version()) {
                Next::Serve(generation) => return Ok(Some(generation)),
                Next::Make { replaces } => self.make(&log, replaces, stop).await?,
                Next::Outdated => {
                    self.health.waits("views", "views of a newer projection are live");
                    pause(POLL_INTERVAL * 5, stop).await;
                }
            }
        }
        Ok(None)
    }

    /// Whether the generation is still the live one.
    pub async fn is_live(&self, generation: &Generation) -> Result<bool> {
        Ok(self.views.live().await?.is_some_and(|live| live.id == generation.id))
    }

    async fn make(
        &self,
        log: &LogId,
        replaces: Option<GenerationId>,
        stop: &CancellationToken,
    ) -> Result<()> {
        let version = self.projection.version();
        match self.views.building().await? {
            Some(ours) if ours.log == *log && ours.projection == version => {
                if self.build(&ours, replaces, Where::Alone, stop).await? == Built::ByAnother {
                    self.health.waits("views", "another worker makes the views");
                    pause(POLL_INTERVAL, stop).await;
                }
            }
            Some(newer) if newer.log == *log && newer.projection > version => {
                self.health.waits("views", "views of a newer projection are being made");
                pause(POLL_INTERVAL, stop).await
            }
            Some(of_another) => {
                self.health.waits("views", "removing views that can't be completed");
                self.discard(&of_another).await?;
            }
            None => {
                self.views.begin(&Generation::new(log.clone(), version)).await?;
            }
        }
        Ok(())
    }

    /// Asks for a new generation of the same projection, which is then made beside the live one;
    /// `None` when one is being made already.
    pub async fn begin_rebuild(&self) -> Result<Option<Generation>> {
        let generation = Generation::new(self.store.log_id().await?, self.projection.version());
        Ok(self.views.begin(&generation).await?.then_some(generation))
    }

    /// Makes what was asked for beside the live generation, whenever no other worker does; true once
    /// another generation went live. What can't be made any more, as it is of an older projection or
    /// of a log that was replaced, is discarded.
    pub async fn make_beside(&self, live: &Generation, stop: &CancellationToken) -> Result<bool> {
        while !stop.is_cancelled() {
            match self.views.building().await? {
                Some(ours) if ours.log == live.log && ours.projection == live.projection => {
                    let built = self.build(&ours, Some(live.id.clone()), Where::Beside, stop);
                    if built.await? == Built::Live {
                        return Ok(true);
                    }
                }
                Some(other) if other.log == live.log && other.projection < live.projection => {
                    self.discard(&other).await?;
                }
                Some(other) if other.log != live.log && self.store.log_id().await? == live.log => {
                    self.discard(&other).await?;
                }
                _ => {}
            }
            pause(POLL_INTERVAL, stop).await;
        }
        Ok(false)
    }

    /// The live generation, if it is one that this worker could have made.
    pub async fn own_live(&self) -> Result<Option<Generation>> {
        let log = self.store.log_id().await?;
        let live = self.views.live().await?;
        let version = self.projection.version();
        Ok(live.filter(|live| live.log == log && live.projection == version))
    }

    async fn discard(&self, generation: &Generation) -> Result<()> {
        self.feeds.close(generation).await?;
        self.views.remove(&generation.id).await
    }

    /// Removes generations that were replaced, beside the serving: their queues at once, their views a
    /// while later. What a stop or a failure interrupts is found again by the next worker that starts
    /// to serve.
    pub fn remove_leftovers(&self, stop: &CancellationToken) {
        let (projector, stop) = (self.clone(), stop.clone());
        tokio::spawn(async move {
            if let Err(failure) = projector.remove_replaced(&stop).await {
                tracing::warn!(%failure, "replaced views were left behind");
            }
        });
    }

    async fn remove_replaced(&self, stop: &CancellationToken) -> Result<()> {
        let replaced = self.leftovers().await?;
        for old in &replaced {
            self.feeds.close(old).await?;
        }
        pause(REPLACED_KEYS_LIFETIME, stop).await;
        for old in &replaced {
            if !stop.is_cancelled() {
                self.remove(old).await?;
            }
        }
        Ok(())
    }

    async fn remove(&self, old: &Generation) -> Result<()> {
        if self.leftovers().await?.contains(old) {
            self.views.remove(&old.id).await?;
        }
        Ok(())
    }

    /// Generations that are neither live nor in the making.
    async fn leftovers(&self) -> Result<Vec<Generation>> {
        // In this order: a generation that goes live meanwhile is found in one of the two places.
        let all = self.views.generations().await?;
        let used = [self.views.building().await?, self.views.live().await?];
        Ok(all
            .into_iter()
            .filter(|one| !used.iter().flatten().any(|used| used.id == one.id))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_serves_its_own_projection_of_its_own_log_and_makes_what_is_missing() {
        let log = LogId::random();
        let of = |projection| Generation::new(log.clone(), projection);
        let make = |generation: &Generation| Next::Make { replaces: Some(generation.id.clone()) };
        let (older, same, newer) = (of(1), of(2), of(3));
        assert_eq!(next(None, &log, 2), Next::Make { replaces: None });
        assert_eq!(next(Some(older.clone()), &log, 2), make(&older));
        assert_eq!(next(Some(same.clone()), &log, 2), Next::Serve(same.clone()));
        assert_eq!(next(Some(newer), &log, 2), Next::Outdated);
        assert_eq!(next(Some(same.clone()), &LogId::random(), 2), make(&same));
    }
}
