//! A worker's projector over any log and any views.

use std::sync::Arc;

use kernel::log::{Commit, Entry, Recorded, StreamName, Version};
use kernel::projection::JsonProjection;
use kernel::views::{Batch, Record};
use orders::OrderProjection;
use projector::Projector;
use projector::apply::Outcome;
use shared::event_store::EventStore;
use shared::feed::cursor::Cursors;
use shared::service::health::Health;
use shared::view_store::{Generation, GenerationId, ViewStore};

use crate::orders::{NamedEvent, commit};

pub struct Subject {
    pub projector: Projector,
    pub generation: GenerationId,
}

impl Subject {
    pub async fn new(store: Arc<dyn EventStore>, views: Arc<dyn ViewStore>) -> Self {
        let generation = Generation::new(store.log_id().await.unwrap(), 1);
        assert!(views.begin(&generation).await.unwrap());
        let projector = Projector {
            feeds: Arc::new(Cursors(store.clone())),
            store,
            views,
            projection: Arc::new(JsonProjection(OrderProjection)),
            health: Health::default(),
            holder: "test".to_owned(),
            parking: Arc::default(),
            loads: Arc::default(),
            serving: Arc::default(),
        };
        Self { projector, generation: generation.id }
    }

    /// Records of sums and texts, by name.
    pub async fn records(&self, names: &[&str]) -> Vec<Record> {
        let mut batch = Batch::new();
        let records = batch.records(names.iter().map(|name| (*name).to_owned()).collect());
        let read = self.projector.views.read(&self.generation, &batch).await;
        read.unwrap().answers.take(records).unwrap()
    }

    /// Writes commits of one event each, and returns the events.
    pub async fn append(
        &self,
        stream: &StreamName,
        from: Version,
        events: &[NamedEvent],
    ) -> Vec<Recorded> {
        let store = &self.projector.store;
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
            self.projector.apply(&self.generation, events.to_vec()).await.unwrap(),
            Outcome::Applied
        );
    }

    pub async fn version(&self, stream: &StreamName) -> Version {
        let views = self.projector.views.load(&self.generation, &[stream]).await.unwrap();
        views[0].as_ref().map_or(0, |view| view.version)
    }

    /// Parked streams with their versions.
    pub async fn parked(&self) -> Vec<(StreamName, Version)> {
        let notes = self.projector.views.parked(&self.generation).await.unwrap();
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
