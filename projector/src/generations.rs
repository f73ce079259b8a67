//! Which generations of views there are: the live one, and the one in the making.

use std::sync::Arc;

use kernel::Result;
use kernel::log::LogId;
use shared::event_store::EventStore;
use shared::feed::Feeds;
use shared::view_store::{Generation, GenerationId, ViewStore};

/// What a worker has to do before it can serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Nothing: serve this generation.
    Serve(Generation),
    /// Make a generation of this log that replaces the live one, if there is any.
    Build { log: LogId, replaces: Option<GenerationId> },
    /// Wait: a newer build's views are live.
    Outdated,
}

fn wanted(live: Option<Generation>, log: LogId, projection: u32) -> Wanted {
    match live {
        Some(live) if live.log == log && live.projection == projection => Wanted::Serve(live),
        Some(live) if live.log == log && live.projection > projection => Wanted::Outdated,
        live => Wanted::Build { log, replaces: live.map(|live| live.id) },
    }
}

/// Looks at the generations as a worker of one projection, and changes which ones there are.
pub(crate) struct Generations {
    store: Arc<dyn EventStore>,
    views: Arc<dyn ViewStore>,
    feeds: Arc<dyn Feeds>,
    /// The version of this worker's projection.
    projection: u32,
}

impl Generations {
    pub(crate) fn new(
        store: Arc<dyn EventStore>,
        views: Arc<dyn ViewStore>,
        feeds: Arc<dyn Feeds>,
        projection: u32,
    ) -> Self {
        Self { store, views, feeds, projection }
    }

    /// What this worker has to do, by the live generation and the log that is there.
    pub(crate) async fn wanted(&self) -> Result<Wanted> {
        let log = self.store.log_id().await?;
        Ok(wanted(self.views.live().await?, log, self.projection))
    }

    /// Whether the generation is still the live one.
    pub(crate) async fn is_live(&self, generation: &Generation) -> Result<bool> {
        Ok(self.views.live().await?.is_some_and(|live| live.id == generation.id))
    }

    /// The live generation, if it is of this worker's projection and of the log that is there.
    pub(crate) async fn own_live(&self) -> Result<Option<Generation>> {
        let log = self.store.log_id().await?;
        let live = self.views.live().await?;
        Ok(live.filter(|live| live.log == log && live.projection == self.projection))
    }

    /// The generation in the making.
    pub(crate) async fn building(&self) -> Result<Option<Generation>> {
        self.views.building().await
    }

    /// Whether this worker makes such a generation.
    pub(crate) fn is_own(&self, generation: &Generation, log: &LogId) -> bool {
        generation.log == *log && generation.projection == self.projection
    }

    /// Whether workers of a newer projection make such a generation.
    pub(crate) fn is_newer(&self, generation: &Generation, log: &LogId) -> bool {
        generation.log == *log && generation.projection > self.projection
    }

    /// Whether the generation can't be made any more: it is of an older projection than the live one,
    /// or of a log that was replaced by that of the live one.
    pub(crate) async fn is_obsolete(
        &self,
        building: &Generation,
        live: &Generation,
    ) -> Result<bool> {
        match building.log == live.log {
            true => Ok(building.projection < live.projection),
            false => Ok(self.store.log_id().await? == live.log),
        }
    }

    /// Another generation of this log and of this worker's projection, which is not begun.
    pub(crate) fn another(&self, log: LogId) -> Generation {
        Generation::new(log, self.projection)
    }

    /// Begins a generation, beside the live one where there is one; false when one is being made already.
    /// A worker that finds it makes it.
    pub(crate) async fn begin(&self, generation: &Generation) -> Result<bool> {
        self.views.begin(generation).await
    }

    /// Removes a generation in the making with its queue.
    pub(crate) async fn discard(&self, generation: &Generation) -> Result<()> {
        self.feeds.close(&generation.id).await?;
        self.views.remove(&generation.id).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_serves_its_own_projection_of_its_own_log_and_makes_what_is_missing() {
        let (log, other_log) = (LogId::random(), LogId::random());
        let of = |projection| Generation::new(log.clone(), projection);
        let build = |log: &LogId, replaced: Option<&Generation>| Wanted::Build {
            log: log.clone(),
            replaces: replaced.map(|generation| generation.id.clone()),
        };
        let (older, same, newer) = (of(1), of(2), of(3));
        let wanted = |live: Option<&Generation>, log: &LogId| wanted(live.cloned(), log.clone(), 2);
        assert_eq!(wanted(None, &log), build(&log, None));
        assert_eq!(wanted(Some(&older), &log), build(&log, Some(&older)));
        assert_eq!(wanted(Some(&same), &log), Wanted::Serve(same.clone()));
        assert_eq!(wanted(Some(&newer), &log), Wanted::Outdated);
        assert_eq!(wanted(Some(&same), &other_log), build(&other_log, Some(&same)));
    }
}
