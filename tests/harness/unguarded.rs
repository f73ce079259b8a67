//! Views for a negative control: two workers always meet between reading and writing, and the
//! guard that keeps a change from applying twice can be taken off.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use kernel::Result;
use kernel::log::{Position, StreamName, Version};
use kernel::projection::{Change, Stored};
use kernel::views::{Batch, Parked};
use shared::view_store::memory::Memory;
use shared::view_store::{
    Advance, Applied, Generation, GenerationId, ParkedPage, Place, Progress, Reading, Update,
    Updates, ViewStore,
};
use tokio::sync::Barrier;

pub struct Meeting {
    views: Memory,
    guarded: bool,
    barrier: Barrier,
    loads: AtomicUsize,
}

impl Meeting {
    pub fn new(guarded: bool) -> Arc<Self> {
        let (views, barrier, loads) = (Memory::default(), Barrier::new(2), AtomicUsize::new(0));
        Arc::new(Self { views, guarded, barrier, loads })
    }
}

#[async_trait]
impl ViewStore for Meeting {
    async fn live(&self) -> Result<Option<Generation>> {
        self.views.live().await
    }

    async fn building(&self) -> Result<Option<Generation>> {
        self.views.building().await
    }

    async fn generations(&self) -> Result<Vec<Generation>> {
        self.views.generations().await
    }

    async fn begin(&self, generation: &Generation) -> Result<bool> {
        self.views.begin(generation).await
    }

    async fn promote(&self, from: Option<&GenerationId>, to: &GenerationId) -> Result<bool> {
        self.views.promote(from, to).await
    }

    async fn remove(&self, generation: &GenerationId) -> Result<()> {
        self.views.remove(generation).await
    }

    async fn lease(&self, generation: &GenerationId, holder: &str, term: Duration) -> Result<bool> {
        self.views.lease(generation, holder, term).await
    }

    /// The first two loads wait for each other.
    async fn load(
        &self,
        generation: &GenerationId,
        streams: &[&StreamName],
    ) -> Result<Vec<Option<Stored>>> {
        let loaded = self.views.load(generation, streams).await;
        if self.loads.fetch_add(1, Ordering::SeqCst) < 2 {
            self.barrier.wait().await;
        }
        loaded
    }

    async fn apply(&self, generation: &GenerationId, changes: &[Change]) -> Result<Vec<Applied>> {
        if self.guarded {
            return self.views.apply(generation, changes).await;
        }
        let mut outcomes = vec![];
        for change in changes {
            let stored = self.views.load(generation, &[&change.stream]).await?.pop().flatten();
            let base = stored.map_or(0, |stored| stored.version);
            let blindly = Change { base, ..change.clone() };
            outcomes.extend(self.views.apply(generation, &[blindly]).await?);
        }
        Ok(outcomes)
    }

    async fn checkpoint(&self, generation: &GenerationId) -> Result<Option<Position>> {
        self.views.checkpoint(generation).await
    }

    async fn advance(
        &self,
        generation: &GenerationId,
        from: Position,
        to: Position,
        reached: &[(&StreamName, Version)],
    ) -> Result<Advance> {
        self.views.advance(generation, from, to, reached).await
    }

    async fn park(&self, generation: &GenerationId, note: &Parked) -> Result<()> {
        self.views.park(generation, note).await
    }

    async fn let_go(
        &self,
        generation: &GenerationId,
        events: &[(&StreamName, Version)],
    ) -> Result<Vec<bool>> {
        self.views.let_go(generation, events).await
    }

    async fn unpark(
        &self,
        generation: &GenerationId,
        stream: &StreamName,
        let_go: Version,
    ) -> Result<bool> {
        self.views.unpark(generation, stream, let_go).await
    }

    async fn report(&self, generation: &GenerationId, progress: &Progress) -> Result<()> {
        self.views.report(generation, progress).await
    }

    async fn progress(&self, generation: &GenerationId) -> Result<Option<Progress>> {
        self.views.progress(generation).await
    }

    async fn parked(
        &self,
        generation: &GenerationId,
        after: Option<&StreamName>,
        limit: usize,
    ) -> Result<ParkedPage> {
        self.views.parked(generation, after, limit).await
    }

    async fn count_parked(&self, generation: &GenerationId) -> Result<u64> {
        self.views.count_parked(generation).await
    }

    async fn read(&self, generation: &GenerationId, batch: &Batch) -> Result<Reading> {
        self.views.read(generation, batch).await
    }

    async fn updates(&self, generation: &GenerationId) -> Result<Box<dyn Updates>> {
        self.views.updates(generation).await
    }

    async fn updates_since(
        &self,
        generation: &GenerationId,
        after: Place,
        limit: usize,
    ) -> Result<Option<Vec<(Place, Update)>>> {
        self.views.updates_since(generation, after, limit).await
    }
}
