//! Brings about the generation that this worker serves: before serving the one that is missing, beside
//! serving the one that was asked for.

use std::sync::Arc;
use std::time::Duration;

use kernel::Result;
use kernel::log::LogId;
use shared::view_store::{Generation, GenerationId};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::builder::{BuildMode, Builder, Built};
use crate::generations::{Generations, Wanted};
use crate::views_health::ViewsHealth;

/// Between two looks at what other workers do with the generation in the making.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Between two looks whether newer views are still live.
const OUTDATED_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Decides which generation is made, waited for or discarded.
pub(crate) struct Rollout {
    generations: Arc<Generations>,
    builder: Builder,
    health: ViewsHealth,
}

impl Rollout {
    pub(crate) fn new(
        generations: Arc<Generations>,
        builder: Builder,
        health: ViewsHealth,
    ) -> Self {
        Self { generations, builder, health }
    }

    /// The live generation of this worker's projection and of the log that is there, once there is
    /// one: waits for it, and makes it if no other worker does. `None` when `stop` came first.
    pub(crate) async fn until_live(&self, stop: &CancellationToken) -> Result<Option<Generation>> {
        while !stop.is_cancelled() {
            match self.generations.wanted().await? {
                Wanted::Serve(generation) => return Ok(Some(generation)),
                Wanted::Build { log, replaces } => self.build_missing(log, replaces, stop).await?,
                Wanted::Outdated => {
                    self.health.waits("views of a newer projection are live");
                    stop.run_until_cancelled(sleep(OUTDATED_POLL_INTERVAL)).await;
                }
            }
        }
        Ok(None)
    }

    /// One step towards a live generation: makes or begins it, removes another one that is in its way,
    /// or waits for a while.
    async fn build_missing(
        &self,
        log: LogId,
        replaces: Option<GenerationId>,
        stop: &CancellationToken,
    ) -> Result<()> {
        match self.generations.building().await? {
            Some(own) if self.generations.is_own(&own, &log) => {
                let mode = BuildMode::BeforeServing;
                if self.builder.build(&own, replaces, mode, stop).await? == Built::ByAnother {
                    self.health.waits("another worker makes the views");
                    stop.run_until_cancelled(sleep(POLL_INTERVAL)).await;
                }
            }
            Some(newer) if self.is_made_by_newer(&newer, &log).await? => {
                self.health.waits("views of a newer projection are being made");
                stop.run_until_cancelled(sleep(POLL_INTERVAL)).await;
            }
            Some(other) => {
                self.health.waits("removing views that can't be completed");
                self.generations.discard(&other).await?;
            }
            None => drop(self.generations.begin(&self.generations.another(log)).await?),
        }
        Ok(())
    }

    /// Makes what was asked for beside the live generation, whenever no other worker does, and discards
    /// what can't be made any more. Returns true once this worker has put another generation in the
    /// place of `live`, false when `stop` came first.
    pub(crate) async fn build_beside(
        &self,
        live: &Generation,
        stop: &CancellationToken,
    ) -> Result<bool> {
        while !stop.is_cancelled() {
            match self.generations.building().await? {
                Some(own) if self.generations.is_own(&own, &live.log) => {
                    let (replaces, mode) = (Some(live.id.clone()), BuildMode::BesideServing);
                    if self.builder.build(&own, replaces, mode, stop).await? == Built::Live {
                        return Ok(true);
                    }
                }
                Some(other) if self.is_obsolete(&other, live).await? => {
                    tracing::warn!(generation = %other.id, "removing views that can't be completed");
                    self.generations.discard(&other).await?;
                }
                _ => {}
            }
            stop.run_until_cancelled(sleep(POLL_INTERVAL)).await;
        }
        Ok(false)
    }

    /// Whether the generation in the making can't be made any more, or is of a newer projection whose
    /// workers are gone: an upgrade that was taken back.
    async fn is_obsolete(&self, building: &Generation, live: &Generation) -> Result<bool> {
        if self.generations.is_newer(building, &live.log) {
            return self.builder.is_abandoned(building).await;
        }
        self.generations.is_obsolete(building, live).await
    }

    /// Whether a worker of a newer projection makes the generation.
    async fn is_made_by_newer(&self, building: &Generation, log: &LogId) -> Result<bool> {
        Ok(self.generations.is_newer(building, log) && !self.builder.is_abandoned(building).await?)
    }
}
