//! Views with one behaviour of their own; everything else is the real adapter beneath.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kernel::Result;
use kernel::log::{Position, StreamName, Version};
use kernel::projection::{Change, Stored};
use kernel::views::{Batch, Parked};
use shared::view_store::{
    Advance, Applied, Generation, GenerationId, ParkedPage, Place, Progress, Reached, Reading,
    Update, Updates, ViewStore,
};

/// What is done otherwise. Each call is given the adapter beneath, and hands on to it by default.
#[async_trait]
pub trait ViewHooks: Send + Sync + 'static {
    async fn live(&self, views: &dyn ViewStore) -> Result<Option<Generation>> {
        views.live().await
    }

    async fn remove(&self, views: &dyn ViewStore, generation: &GenerationId) -> Result<()> {
        views.remove(generation).await
    }

    async fn lease(
        &self,
        views: &dyn ViewStore,
        generation: &GenerationId,
        holder: &str,
        term: Duration,
    ) -> Result<bool> {
        views.lease(generation, holder, term).await
    }

    async fn load(
        &self,
        views: &dyn ViewStore,
        generation: &GenerationId,
        streams: &[&StreamName],
    ) -> Result<Vec<Option<Stored>>> {
        views.load(generation, streams).await
    }

    async fn apply(
        &self,
        views: &dyn ViewStore,
        generation: &GenerationId,
        changes: &[Change],
    ) -> Result<Vec<Applied>> {
        views.apply(generation, changes).await
    }

    async fn read(
        &self,
        views: &dyn ViewStore,
        generation: &GenerationId,
        batch: &Batch,
    ) -> Result<Reading> {
        views.read(generation, batch).await
    }

    async fn reached(&self, views: &dyn ViewStore, generation: &GenerationId) -> Result<Reached> {
        views.reached(generation).await
    }

    async fn updates(
        &self,
        views: &dyn ViewStore,
        generation: &GenerationId,
    ) -> Result<Box<dyn Updates>> {
        views.updates(generation).await
    }

    async fn updates_since(
        &self,
        views: &dyn ViewStore,
        generation: &GenerationId,
        after: Place,
        max_streams: usize,
    ) -> Result<Option<Vec<(Place, Update)>>> {
        views.updates_since(generation, after, max_streams).await
    }
}

pub struct ViewDecorator<H> {
    views: Arc<dyn ViewStore>,
    pub hooks: H,
}

impl<H: ViewHooks> ViewDecorator<H> {
    pub fn over(views: Arc<dyn ViewStore>, hooks: H) -> Arc<Self> {
        Arc::new(Self { views, hooks })
    }
}

#[async_trait]
impl<H: ViewHooks> ViewStore for ViewDecorator<H> {
    async fn live(&self) -> Result<Option<Generation>> {
        self.hooks.live(self.views.as_ref()).await
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
        self.hooks.remove(self.views.as_ref(), generation).await
    }

    async fn lease(&self, generation: &GenerationId, holder: &str, term: Duration) -> Result<bool> {
        self.hooks.lease(self.views.as_ref(), generation, holder, term).await
    }

    async fn load(
        &self,
        generation: &GenerationId,
        streams: &[&StreamName],
    ) -> Result<Vec<Option<Stored>>> {
        self.hooks.load(&*self.views, generation, streams).await
    }

    async fn apply(&self, generation: &GenerationId, changes: &[Change]) -> Result<Vec<Applied>> {
        self.hooks.apply(&*self.views, generation, changes).await
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

    async fn count_repaired(&self, generation: &GenerationId, count: u64) -> Result<()> {
        self.views.count_repaired(generation, count).await
    }

    async fn repaired(&self, generation: &GenerationId) -> Result<u64> {
        self.views.repaired(generation).await
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
        self.hooks.read(self.views.as_ref(), generation, batch).await
    }

    async fn reached(&self, generation: &GenerationId) -> Result<Reached> {
        self.hooks.reached(self.views.as_ref(), generation).await
    }

    async fn updates(&self, generation: &GenerationId) -> Result<Box<dyn Updates>> {
        self.hooks.updates(self.views.as_ref(), generation).await
    }

    async fn updates_since(
        &self,
        generation: &GenerationId,
        after: Place,
        max_streams: usize,
    ) -> Result<Option<Vec<(Place, Update)>>> {
        self.hooks.updates_since(self.views.as_ref(), generation, after, max_streams).await
    }
}
