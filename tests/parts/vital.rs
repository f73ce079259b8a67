//! Tasks that a service can't do without, and that end by a panic: `/readyz` names them.

use std::sync::Arc;

use async_trait::async_trait;
use command_api::seal::Sealer;
use kernel::Result;
use kernel::log::Position;
use kernel::projection::JsonProjection;
use orders::OrderProjection;
use projector::{Dependencies, Worker};
use shared::event_store::EventStore;
use shared::service::health::Health;
use shared::service::vital::vital;
use shared::view_store::memory::Memory;
use shared::view_store::{Generation, ViewStore};
use tests::decorator::{Decorator, Hooks};
use tests::stores::TempDir;
use tests::until;
use tests::view_decorator::{ViewDecorator, ViewHooks};
use tests::working::Backlog;
use tokio_util::sync::CancellationToken;

/// A log, or views, that panic where they are looked at.
struct Panics;

#[async_trait]
impl Hooks for Panics {
    async fn read_positions(
        &self,
        _: &dyn EventStore,
        _: Position,
        _: usize,
    ) -> Result<Vec<Position>> {
        panic!("as a test wants it")
    }
}

#[async_trait]
impl ViewHooks for Panics {
    async fn live(&self, _: &dyn ViewStore) -> Result<Option<Generation>> {
        panic!("as a test wants it")
    }
}

async fn until_told(health: &Health, part: &str) {
    until(&format!("{part} is not ready by a fault"), || async {
        health.waiting().remove(part).filter(|why| why.contains("fault"))
    })
    .await;
}

#[tokio::test]
async fn a_command_api_that_seals_no_more_is_not_ready() {
    let (folder, health) = (TempDir::default(), Health::of(&[]));
    let stop = CancellationToken::new();
    let sealer = |store: Arc<dyn EventStore>| Sealer::new(store, 0).start(&health, stop.clone());
    let store = Arc::new(folder.sqlite());
    sealer(store.clone());
    assert!(health.waiting().is_empty());
    sealer(Decorator::over(store, Panics));
    until_told(&health, "sealer").await;
    stop.cancel();
}

/// As the embedded mode runs its worker.
#[tokio::test]
async fn an_embedded_system_whose_worker_has_ended_is_not_ready() {
    let (folder, health) = (TempDir::default(), Health::of(&["views"]));
    let store = Arc::new(folder.sqlite());
    let worker = Worker::new(Dependencies {
        feeds: Backlog::of(&[]),
        store: store.clone(),
        operation_log: store,
        views: ViewDecorator::over(Arc::new(Memory::default()), Panics),
        projection: Arc::new(JsonProjection(OrderProjection)),
        health: health.clone(),
        holder: "embedded".to_owned(),
    });
    let run = vital(health.clone(), "views", worker.run(CancellationToken::new()));
    tokio::spawn(run).await.unwrap();
    until_told(&health, "views").await;
}
