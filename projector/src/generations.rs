//! Which generation of views this worker serves; and making one where none fits.

use std::time::Duration;

use shared::Result;
use shared::feed::cursor::Cursor;
use shared::log::LogId;
use shared::view_store::{Generation, GenerationId};
use tokio_util::sync::CancellationToken;

use crate::Projector;
use crate::healer::{Step, pause};

/// Commits behind the head from which on a generation collects what comes.
const NEAR: i64 = 1_000;
/// Of the lease on a generation in the making.
const TERM: Duration = Duration::from_secs(5);
/// Between two looks at what others do.
const LOOK: Duration = Duration::from_millis(200);
/// How long a replaced generation's keys stay, for whoever still reads them.
const KEEP: Duration = Duration::from_secs(60);

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
                    pause(LOOK * 5, stop).await;
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
        let building = match self.views.building().await? {
            Some(building) if building.log == *log && building.projection == version => building,
            Some(building) if building.log == *log && building.projection > version => {
                pause(LOOK, stop).await;
                return Ok(());
            }
            Some(of_another) => return self.discard(&of_another).await,
            None => {
                self.views.begin(&Generation::new(log.clone(), version)).await?;
                return Ok(());
            }
        };
        if !self.views.lease(&building.id, &self.holder, TERM).await? {
            self.health.waits("views", "another worker makes the views");
            pause(LOOK, stop).await;
            return Ok(());
        }
        self.build(&building, replaces, stop).await
    }

    async fn discard(&self, generation: &Generation) -> Result<()> {
        self.feeds.close(generation).await?;
        self.views.remove(&generation.id).await
    }

    /// Follows the log into the generation, and makes it live once it holds everything.
    async fn build(
        &self,
        generation: &Generation,
        replaces: Option<GenerationId>,
        stop: &CancellationToken,
    ) -> Result<()> {
        let started = tokio::time::Instant::now();
        let Some(mut reached) = self.views.checkpoint(&generation.id).await? else { return Ok(()) };
        let mut head = self.store.head().await?;
        let mut collecting = false;
        tracing::info!(generation = %generation.id, from = reached, head, "making the views from the log");
        let mut leased = started;
        let mut cursor = Cursor::new(self.store.clone(), reached);
        while !stop.is_cancelled() {
            if reached >= head && collecting {
                return self.swap(generation, replaces, reached, started.elapsed()).await;
            }
            if reached >= head {
                let now = self.store.head().await?;
                if now - head > NEAR {
                    head = now; // The log went on meanwhile: come nearer first.
                    continue;
                }
                // All of a moment ago is in: collect what comes from now on, then go on to the
                // head as it is then. Collecting from the start would fill the broker.
                self.feeds.open(generation).await?;
                collecting = true;
                head = self.store.head().await?;
                continue;
            }
            if leased.elapsed() > TERM / 3 {
                leased = tokio::time::Instant::now();
                if !self.views.lease(&generation.id, &self.holder, TERM).await? {
                    return Ok(());
                }
            }
            self.health
                .waits("views", format!("making them from the log: {reached} of {head} commits"));
            let run = cursor.run().await?;
            if run.to == reached {
                cursor.wait().await; // At a hole.
                continue;
            }
            match self.walk(generation, reached, &run).await? {
                Step::Reached(position) if position == run.to => reached = position,
                Step::Reached(_) | Step::NoGeneration => return Ok(()), // Look again from the start.
            }
        }
        Ok(())
    }

    async fn swap(
        &self,
        generation: &Generation,
        replaces: Option<GenerationId>,
        reached: i64,
        took: Duration,
    ) -> Result<()> {
        if self.views.promote(replaces.as_ref(), &generation.id).await? {
            let seconds = took.as_secs_f64();
            tracing::info!(generation = %generation.id, reached, seconds, "the views are live");
        }
        Ok(())
    }

    /// Removes generations that were replaced: their queues at once, their views a while later.
    pub async fn remove_leftovers(&self) -> Result<()> {
        for old in self.leftovers().await? {
            self.feeds.close(&old).await?;
            let projector = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(KEEP).await;
                if let Err(failure) = projector.remove(&old).await {
                    tracing::warn!(%failure, generation = %old.id, "replaced views were left behind");
                }
            });
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
