//! A log with one behaviour of its own; everything else is the real adapter beneath.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use kernel::Result;
use kernel::log::{Commit, Entry, LogId, Position, StreamName, Version};
use shared::event_store::append_notifier::AppendNotifier;
use shared::event_store::{EventStore, Inserted, Mark, NotInserted, Part, Snapshot, ViewsReport};

/// What is done otherwise. Each call is given the adapter beneath, and hands on to it by default.
#[async_trait]
pub trait Hooks: Send + Sync + 'static {
    async fn insert(
        &self,
        store: &dyn EventStore,
        entries: &[Entry],
    ) -> Result<Vec<Inserted>, NotInserted> {
        store.insert(entries).await
    }

    async fn raise_counter(&self, store: &dyn EventStore, margin: Position) -> Result<()> {
        store.raise_counter(margin).await
    }

    async fn read_streams(
        &self,
        store: &dyn EventStore,
        above: &[(&StreamName, Version)],
    ) -> Result<Part> {
        store.read_streams(above).await
    }

    async fn read(
        &self,
        store: &dyn EventStore,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        store.read(after, limit).await
    }

    async fn read_positions(
        &self,
        store: &dyn EventStore,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Position>> {
        store.read_positions(after, limit).await
    }

    async fn head(&self, store: &dyn EventStore) -> Result<Position> {
        store.head().await
    }

    async fn views_report(&self, store: &dyn EventStore) -> Result<Option<ViewsReport>> {
        store.views_report().await
    }
}

pub struct Decorator<H> {
    store: Arc<dyn EventStore>,
    pub hooks: H,
}

impl<H: Hooks> Decorator<H> {
    pub fn over(store: Arc<dyn EventStore>, hooks: H) -> Arc<Self> {
        Arc::new(Self { store, hooks })
    }
}

#[async_trait]
impl<H: Hooks> EventStore for Decorator<H> {
    async fn log_id(&self) -> Result<LogId> {
        self.store.log_id().await
    }

    async fn reserve_positions(&self, count: usize) -> Result<Range<Position>> {
        self.store.reserve_positions(count).await
    }

    async fn raise_counter(&self, margin: Position) -> Result<()> {
        self.hooks.raise_counter(&*self.store, margin).await
    }

    async fn insert(&self, entries: &[Entry]) -> Result<Vec<Inserted>, NotInserted> {
        self.hooks.insert(&*self.store, entries).await
    }

    async fn read_at(&self, positions: &[Position]) -> Result<Vec<Entry>> {
        self.store.read_at(positions).await
    }

    async fn read_by_key(&self, keys: &[&str]) -> Result<Vec<Commit>> {
        self.store.read_by_key(keys).await
    }

    async fn read_streams(&self, above: &[(&StreamName, Version)]) -> Result<Part> {
        self.hooks.read_streams(&*self.store, above).await
    }

    async fn read(&self, after: Position, limit: usize) -> Result<Vec<Entry>> {
        self.hooks.read(&*self.store, after, limit).await
    }

    async fn read_positions(&self, after: Position, limit: usize) -> Result<Vec<Position>> {
        self.hooks.read_positions(&*self.store, after, limit).await
    }

    async fn head(&self) -> Result<Position> {
        self.hooks.head(&*self.store).await
    }

    async fn read_snapshots(&self, kind: &str, streams: &[&StreamName]) -> Result<Vec<Snapshot>> {
        self.store.read_snapshots(kind, streams).await
    }

    async fn save_snapshot(&self, snapshot: Snapshot) -> Result<()> {
        self.store.save_snapshot(snapshot).await
    }

    async fn renew(&self) -> Result<LogId> {
        self.store.renew().await
    }

    async fn read_marks(&self, after: Position, limit: usize) -> Result<Vec<Mark>> {
        self.store.read_marks(after, limit).await
    }

    async fn published(&self) -> Result<Option<Position>> {
        self.store.published().await
    }

    async fn report_views(&self, report: ViewsReport) -> Result<()> {
        self.store.report_views(report).await
    }

    async fn views_report(&self) -> Result<Option<ViewsReport>> {
        self.hooks.views_report(&*self.store).await
    }

    fn append_notifier(&self) -> &AppendNotifier {
        self.store.append_notifier()
    }
}
