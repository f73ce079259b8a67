//! What a worker applies and retries with, over any log and any views.

use std::sync::Arc;

use kernel::log::{Commit, Entry, Recorded, StreamName, Version};
use kernel::projection::{ErasedProjection as _, JsonProjection};
use kernel::views::{Batch, Record};
use orders::OrderProjection;
use projector::{Applier, BatchOutcome, Parking, Retrier};
use shared::event_store::EventStore;
use shared::view_store::{Generation, GenerationId, ViewStore};

use crate::orders::{NamedEvent, commit};
use crate::stores;

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
        events: &[NamedEvent],
    ) -> Vec<Recorded> {
        let store = &self.store;
        let head = store.head().await.unwrap();
        let commits: Vec<Commit> = events
            .iter()
            .zip(1..)
            .map(|(event, n)| commit(head + n, stream, from + n - 1, event))
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
        let notes = stores::parked(&*self.views, &self.generation).await;
        notes.into_iter().map(|note| (note.stream, note.version)).collect()
    }
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
