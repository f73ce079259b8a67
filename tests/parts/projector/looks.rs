//! What looks of operators ask of the broker.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::join_all;
use kernel::projection::JsonProjection;
use orders::OrderProjection;
use projector::{Dependencies, Worker};
use shared::event_store::EventStore as _;
use shared::service::health::Health;
use shared::view_store::memory::Memory;
use tests::stores::TempDir;
use tests::until;
use tests::working::{Backlog, live};
use tokio::time::Instant;

const CROWD: usize = 100;

/// The worker does not run: all looks are of those who ask.
#[tokio::test(start_paused = true)]
async fn however_many_ask_how_much_waits_the_queue_is_looked_at_once_a_second() {
    let (folder, feeds) = (TempDir::default(), Backlog::of(&[]));
    let (store, views) = (Arc::new(folder.sqlite()), Arc::new(Memory::default()));
    live(views.as_ref(), &store.log_id().await.unwrap()).await;
    let worker = Worker::new(Dependencies {
        store: store.clone(),
        operation_log: store,
        views,
        feeds: feeds.clone(),
        projection: Arc::new(JsonProjection(OrderProjection)),
        health: Health::of(&["views"]),
        holder: "one".to_owned(),
    });
    let (operations, started) = (worker.operations(), Instant::now());
    let flows = join_all((0..CROWD).map(|_| operations.flow())).await;
    assert!(flows.iter().all(Result::is_ok), "{flows:?}");
    let (looked, most) = (feeds.looked(), 1 + started.elapsed().as_secs() as usize);
    assert!((1..=most).contains(&looked), "{looked} looks");
    feeds.hang();
    until("a look is under way, and its client has left", || async {
        drop(operations.flow().now_or_never());
        (feeds.looked() > looked).then_some(())
    })
    .await;
    let others: Vec<_> = (0..CROWD).map(|_| operations.flow().now_or_never()).collect();
    assert!(others.iter().all(Option::is_none), "they wait for it");
    assert_eq!(feeds.looked(), looked + 1, "it is the only one");
}
