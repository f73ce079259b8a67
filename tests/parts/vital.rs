//! Tasks that a service can't do without, and that end by a panic: `/readyz` names them, also where they begin
//! anew and nothing waits for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use command_api::Service;
use command_api::relay::Relay;
use command_api::seal::Sealer;
use command_api::write::FlowControl;
use kernel::log::Position;
use kernel::projection::JsonProjection;
use kernel::{Namespace, Result};
use orders::{OrderAggregate, OrderProjection};
use projector::{Dependencies, Worker};
use shared::event_store::EventStore;
use shared::service::health::Health;
use shared::view_store::memory::Memory;
use shared::view_store::{Generation, ViewStore};
use tests::decorator::{Decorator, Hooks};
use tests::orders::{created, stream};
use tests::stores::TempDir;
use tests::subject::Subject;
use tests::view_decorator::{ViewDecorator, ViewHooks};
use tests::working::{self, Backlog, live};
use tests::{Own, until};
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

/// It runs where there is no timer: the first call of a server panics.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_api_that_relays_no_more_is_not_ready() {
    let (own, health) = (Own::default(), Health::of(&["relay"]));
    let store = own.mongodb().await;
    let log = store.log_id().await.unwrap();
    let relay = Relay::new(store, own.rabbitmq(), log, &own.namespace, 64, health.clone());
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { relay.start(CancellationToken::new()).await }).unwrap();
    };
    tokio::task::spawn_blocking(run).await.unwrap();
    until_told(&health, "relay").await;
    own.remove().await;
}

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
    let work = waybill::up::work(worker, health.clone(), CancellationToken::new());
    tokio::spawn(work).await.unwrap();
    until_told(&health, "views").await;
}

/// A log whose end panics when it is looked for the first time.
#[derive(Default)]
struct PanicsOnce(AtomicBool);

#[async_trait]
impl Hooks for PanicsOnce {
    async fn head(&self, store: &dyn EventStore) -> Result<Position> {
        assert!(self.0.swap(true, Ordering::SeqCst), "as a test wants it");
        store.head().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_api_whose_looks_at_the_lag_panicked_says_so_and_looks_again() {
    let (folder, health) = (TempDir::default(), Health::of(&[]));
    let log = Decorator::over(Arc::new(folder.sqlite()), PanicsOnce::default());
    let (namespace, stop) = (Namespace::default(), CancellationToken::new());
    let started = Service::<OrderAggregate>::start(
        log,
        &namespace,
        &health,
        FlowControl::off(),
        stop.clone(),
    );
    let (service, scheduler) = started.await.unwrap();
    until("the fault is told", || async {
        health.notes().remove("lag").filter(|why| why.contains("fault"))
    })
    .await;
    until("the lag is told", || async { health.notes().remove("behind the log") }).await;
    assert!(health.waiting().is_empty(), "nothing waits for it");
    stop.cancel();
    drop(service);
    scheduler.await.unwrap();
}

/// The feed brings nothing: what is in the log reaches the views by the healer.
#[tokio::test(start_paused = true)]
async fn a_worker_whose_healing_panicked_heals_again() {
    let (folder, views) = (TempDir::default(), Arc::new(Memory::default()));
    let store = Arc::new(folder.sqlite());
    let served = live(views.as_ref(), &store.log_id().await.unwrap()).await.id;
    let (subject, lost) = (Subject::of(served, store.clone(), views.clone()), stream());
    subject.append(&lost, 1, &[created(&lost, 9)]).await;
    let log = Decorator::over(store.clone(), PanicsOnce::default());
    let worker = working::Worker::over(log.clone(), store, views, Backlog::of(&[]), "one");
    until("the healer has applied it", || async {
        (subject.version(&lost).await == 1).then_some(())
    })
    .await;
    assert!(log.hooks.0.load(Ordering::SeqCst), "it panicked before");
    worker.stop().await;
}
