//! What a worker counts for the metrics.

use std::sync::Arc;

use kernel::views::Parked;
use shared::event_store::EventStore as _;
use shared::view_store::memory::Memory;
use shared::view_store::{GenerationId, ViewStore as _};
use tests::orders::stream;
use tests::prometheus::counted_here;
use tests::stores::TempDir;
use tests::until;
use tests::working::{Backlog, DeadLetters, Worker, live, projection};

/// Parks a stream, and waits until the metrics say that so many are.
async fn park(views: &Memory, served: &GenerationId, parked: u32) {
    let note = Parked {
        stream: stream(),
        version: 1,
        reason: "as a test wants it".to_owned(),
        projection: projection(),
        build: env!("CARGO_PKG_VERSION").to_owned(),
        at: kernel::Timestamp::now(),
        let_go: 0,
    };
    views.park(served, &note).await.unwrap();
    until(&format!("{parked} are told to be parked"), || async {
        (counted_here("waybill_parked_streams") == f64::from(parked)).then_some(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_parked_is_told_while_dead_letters_can_not_be_counted() {
    let (folder, views) = (TempDir::default(), Arc::new(Memory::default()));
    let store = Arc::new(folder.sqlite());
    let served = live(views.as_ref(), &store.log_id().await.unwrap()).await.id;
    let (feeds, told) = (Backlog::of(&[]), || counted_here("waybill_dead_letters"));
    feeds.set_dead_letters(DeadLetters::Counted(3));
    let worker = Worker::over(store.clone(), store, views.clone(), feeds.clone(), "one");
    until("dead letters are told", || async { (told() == 3.0).then_some(()) }).await;
    feeds.set_dead_letters(DeadLetters::LookedAt);
    park(&views, &served, 1).await;
    feeds.set_dead_letters(DeadLetters::Hanging);
    park(&views, &served, 2).await;
    assert_eq!(told(), 3.0, "what was counted last stands");
    worker.stop().await;
}
