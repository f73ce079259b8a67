//! Which worker heals, where healing fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use kernel::log::Position;
use kernel::{Failure, Result};
use shared::event_store::EventStore;
use shared::view_store::memory::Memory;
use tests::decorator::{Decorator, Hooks};
use tests::prometheus::counted_here;
use tests::stores::TempDir;
use tests::until;
use tests::working::{Backlog, Worker, live};

/// A log whose end is not found while a test wants it. Nothing but healing looks for it.
#[derive(Default)]
struct Endless(AtomicBool);

#[async_trait]
impl Hooks for Endless {
    async fn head(&self, store: &dyn EventStore) -> Result<Position> {
        match self.0.load(Ordering::SeqCst) {
            true => Err(Failure::transient("looking for the end of the log", "as a test wants it")),
            false => store.head().await,
        }
    }
}

/// Waits until the metrics say whether this process heals.
async fn until_heals(heals: bool) {
    until(&format!("it tells whether it heals: {heals}"), || async {
        let told = counted_here("waybill_healer_leader") > 0.0;
        (told == heals).then_some(())
    })
    .await;
}

/// Else no alert would say that none heals.
#[tokio::test(start_paused = true)]
async fn a_projector_whose_healing_fails_does_not_tell_that_it_heals() {
    let (folder, views) = (TempDir::default(), Arc::new(Memory::default()));
    let store = Arc::new(folder.sqlite());
    live(views.as_ref(), &store.log_id().await.unwrap()).await;
    let log = Decorator::over(store.clone(), Endless::default());
    let worker = Worker::over(log.clone(), store, views, Backlog::of(&[]), "one");
    until_heals(true).await;
    log.hooks.0.store(true, Ordering::SeqCst);
    until_heals(false).await;
    log.hooks.0.store(false, Ordering::SeqCst);
    until_heals(true).await;
    worker.stop().await;
}
