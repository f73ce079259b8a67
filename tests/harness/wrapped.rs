//! A log with one behaviour of its own; everything else is the real adapter beneath.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use kernel::Result;
use kernel::log::{Commit, Entry, LogId, Position, StreamName, Version};
use shared::event_store::append_notifier::Signal;
use shared::event_store::{EventStore, Inserted, NotInserted, Part, Snapshot};

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

    async fn streams(
        &self,
        store: &dyn EventStore,
        above: &[(&StreamName, Version)],
    ) -> Result<Part> {
        store.streams(above).await
    }
}

pub struct Wrapped<H> {
    store: Arc<dyn EventStore>,
    pub hooks: H,
}

impl<H: Hooks> Wrapped<H> {
    pub fn over(store: Arc<dyn EventStore>, hooks: H) -> Arc<Self> {
        Arc::new(Self { store, hooks })
    }
}

#[async_trait]
impl<H: Hooks> EventStore for Wrapped<H> {
    async fn log_id(&self) -> Result<LogId> {
        self.store.log_id().await
    }

    async fn draw(&self, count: usize) -> Result<Range<Position>> {
        self.store.draw(count).await
    }

    async fn raise_counter(&self, margin: Position) -> Result<()> {
        self.hooks.raise_counter(&*self.store, margin).await
    }

    async fn insert(&self, entries: &[Entry]) -> Result<Vec<Inserted>, NotInserted> {
        self.hooks.insert(&*self.store, entries).await
    }

    async fn at(&self, positions: &[Position]) -> Result<Vec<Entry>> {
        self.store.at(positions).await
    }

    async fn by_key(&self, keys: &[&str]) -> Result<Vec<Commit>> {
        self.store.by_key(keys).await
    }

    async fn streams(&self, above: &[(&StreamName, Version)]) -> Result<Part> {
        self.hooks.streams(&*self.store, above).await
    }

    async fn read(&self, after: Position, limit: usize) -> Result<Vec<Entry>> {
        self.store.read(after, limit).await
    }

    async fn positions(&self, after: Position, limit: usize) -> Result<Vec<Position>> {
        self.store.positions(after, limit).await
    }

    async fn head(&self) -> Result<Position> {
        self.store.head().await
    }

    async fn snapshots(&self, kind: &str, streams: &[&StreamName]) -> Result<Vec<Snapshot>> {
        self.store.snapshots(kind, streams).await
    }

    async fn keep(&self, snapshot: Snapshot) -> Result<()> {
        self.store.keep(snapshot).await
    }

    async fn renew(&self) -> Result<LogId> {
        self.store.renew().await
    }

    fn signal(&self) -> &Signal {
        self.store.signal()
    }
}
