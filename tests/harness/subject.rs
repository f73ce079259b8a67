//! What a worker applies and retries with, over any log and any views, and the events of orders that
//! it is given.

use std::sync::Arc;

use kernel::log::{Commit, Entry, Event, Meta, Position, Recorded, StreamName, Version};
use kernel::projection::{ErasedProjection as _, JsonProjection};
use kernel::views::{Batch, Record};
use orders::OrderProjection;
use projector::{Applier, BatchOutcome, Parking, Retrier};
use serde_json::{Value, json};
use shared::event_store::EventStore;
use shared::view_store::{Generation, GenerationId, ViewStore};
use uuid::Uuid;

pub struct Subject {
    pub store: Arc<dyn EventStore>,
    pub views: Arc<dyn ViewStore>,
    pub applier: Arc<Applier>,
    pub retrier: Retrier,
    pub generation: GenerationId,
}

impl Subject {
    pub async fn new(store: Arc<dyn EventStore>, views: Arc<dyn ViewStore>) -> Self {
        let generation = Generation::new(store.log_id().await.unwrap(), 1);
        assert!(views.begin(&generation).await.unwrap());
        Self::of(generation.id, store, views)
    }

    /// Another worker's, of a generation that is there.
    pub fn of(
        generation: GenerationId,
        store: Arc<dyn EventStore>,
        views: Arc<dyn ViewStore>,
    ) -> Self {
        let projection = Arc::new(JsonProjection(OrderProjection));
        let parking = Arc::new(Parking::new(views.clone(), projection.version()));
        let applier = Applier::new(store.clone(), views.clone(), projection, parking.clone());
        let applier = Arc::new(applier);
        let retrier = Retrier::new(store.clone(), views.clone(), applier.clone(), parking);
        Self { store, views, applier, retrier, generation }
    }

    /// Records of sums and texts, by name.
    pub async fn records(&self, names: &[&str]) -> Vec<Record> {
        let mut batch = Batch::new();
        let records = batch.records(names.iter().map(|name| (*name).to_owned()).collect());
        let read = self.views.read(&self.generation, &batch).await;
        read.unwrap().answers.take(records).unwrap()
    }

    /// Writes commits of one event each, and returns the events.
    pub async fn append(
        &self,
        stream: &StreamName,
        from: Version,
        events: &[(&str, Value)],
    ) -> Vec<Recorded> {
        let store = &self.store;
        let head = store.head().await.unwrap();
        let commits: Vec<Commit> = events
            .iter()
            .zip(1..)
            .map(|((kind, data), n)| commit(head + n, stream, from + n - 1, kind, data))
            .collect();
        store
            .insert(&commits.iter().cloned().map(Entry::Commit).collect::<Vec<_>>())
            .await
            .unwrap();
        commits.iter().flat_map(|commit| commit.recorded().collect::<Vec<_>>()).collect()
    }

    pub async fn apply(&self, events: &[Recorded]) {
        assert_eq!(
            self.applier.apply(&self.generation, events.to_vec()).await.unwrap(),
            BatchOutcome::Applied
        );
    }

    pub async fn version(&self, stream: &StreamName) -> Version {
        let views = self.views.load(&self.generation, &[stream]).await.unwrap();
        views[0].as_ref().map_or(0, |view| view.version)
    }

    /// Parked streams with their versions.
    pub async fn parked(&self) -> Vec<(StreamName, Version)> {
        let notes = self.views.parked(&self.generation).await.unwrap();
        notes.into_iter().map(|note| (note.stream, note.version)).collect()
    }
}

pub fn commit(
    position: Position,
    stream: &StreamName,
    version: Version,
    kind: &str,
    data: &Value,
) -> Commit {
    Commit {
        position,
        stream: stream.clone(),
        from: version,
        to: version,
        events: vec![Event {
            id: Uuid::now_v7(),
            kind: kind.to_owned(),
            schema: 1,
            data: data.clone().into(),
        }],
        at: kernel::Timestamp::now(),
        meta: Meta { correlation: "c".to_owned(), ..Meta::default() },
        key: None,
        fingerprint: String::new(),
    }
}

pub fn stream() -> StreamName {
    StreamName::new("order", Uuid::new_v4())
}

pub fn created(stream: &StreamName, total: i64) -> (&'static str, Value) {
    let item = json!({ "sku": "A", "name": "Lamp", "quantity": 1, "unit_price": total });
    (
        "OrderCreated",
        json!({ "order_id": stream.id(), "customer_id": "c", "currency": "EUR", "items": [item], "placed_at": "2026-01-01T00:00:00Z" }),
    )
}

pub fn paid(amount: i64) -> (&'static str, Value) {
    ("PaymentProcessed", json!({ "amount": amount }))
}

/// Runs each test with the real servers and embedded: it takes a `Subject`.
#[macro_export]
macro_rules! on_all_views {
    ($($test:ident)*) => {
        mod servers {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                use std::sync::Arc;
                let own = $crate::Own::default();
                let (store, views) = (own.mongodb().await, own.redis().await);
                let subject = $crate::subject::Subject::new(Arc::new(store), Arc::new(views)).await;
                super::$test(subject).await;
                own.remove().await;
            })*
        }

        mod embedded {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                use std::sync::Arc;
                let folder = $crate::stores::TempDir::default();
                let views = shared::view_store::memory::Memory::default();
                let store = Arc::new(folder.sqlite());
                super::$test($crate::subject::Subject::new(store, Arc::new(views)).await).await;
            })*
        }
    };
}
