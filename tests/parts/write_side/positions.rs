//! Drawing positions: beside another writer, and when drawing fails half-way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ::orders::OrderAggregate;
use async_trait::async_trait;
use command_api::write::{Rejected, Request, Writer};
use kernel::log::{Commit, Entry, Position};
use kernel::{Failure, Result};
use shared::event_store::{EventStore, Inserted, NotInserted};
use shared::service::health::Health;
use tests::decorator::{Decorator, Hooks};
use tests::held::Held;
use tests::orders;
use tests::requests::request;
use tests::stores::TempDir;
use tests::{Own, until};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Clients of the writer that is there already.
const CLIENTS: usize = 64;

fn create(order: Uuid) -> Request<OrderAggregate> {
    request(orders::create(100), order, None)
}

/// A writer with many clients, that goes on from what it drew last.
struct Busy {
    clients: JoinSet<()>,
    done: Arc<AtomicUsize>,
    stop: CancellationToken,
}

impl Busy {
    async fn start(own: &Own) -> Self {
        let store = Arc::new(own.mongodb().await);
        let (writer, _scheduler) = Writer::start(store, Health::default());
        let (done, stop) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (writer, done, stop) = (writer.clone(), done.clone(), stop.clone());
            clients.spawn(async move {
                while !stop.is_cancelled() {
                    writer.submit(create(Uuid::new_v4())).await.unwrap().unwrap();
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let this = Self { clients, done, stop };
        this.until_done(500).await;
        this
    }

    async fn until_done(&self, more: usize) {
        let before = self.done.load(Ordering::SeqCst);
        until("it goes on", || async {
            (self.done.load(Ordering::SeqCst) >= before + more).then_some(())
        })
        .await;
    }
}

/// Counted, not timed: each insert more is one that ran into the other's positions.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_writer_is_not_kept_waiting_by_one_that_guesses() {
    for _ in 0..5 {
        let own = Own::default();
        let busy = Busy::start(&own).await;
        let held = Held::over(Arc::new(own.mongodb().await));
        held.hooks.release();
        let (second, scheduler) = Writer::start(held.clone(), Health::default());
        second.submit(create(Uuid::new_v4())).await.unwrap().unwrap();
        let inserts = held.hooks.inserts.lock().unwrap().len();
        assert!(inserts <= 3, "its first command took {inserts} inserts");
        // Both go on.
        busy.until_done(CLIENTS).await;
        second.submit(create(Uuid::new_v4())).await.unwrap().unwrap();
        busy.stop.cancel();
        busy.clients.join_all().await;
        drop(second);
        scheduler.await.unwrap();
        own.remove().await;
    }
}

/// The counter cannot be raised until it is told otherwise.
struct Stuck(AtomicBool);

#[async_trait]
impl Hooks for Stuck {
    async fn raise_counter(&self, store: &dyn EventStore, margin: Position) -> Result<()> {
        if self.0.load(Ordering::SeqCst) {
            return Err(Failure::transient("raising the position counter", "it is stuck"));
        }
        store.raise_counter(margin).await
    }
}

/// Each insert fails like this, and nothing is written.
struct Refusing {
    failure: Failure,
    inserts: AtomicUsize,
}

#[async_trait]
impl Hooks for Refusing {
    async fn insert(
        &self,
        _store: &dyn EventStore,
        _entries: &[Entry],
    ) -> Result<Vec<Inserted>, NotInserted> {
        self.inserts.fetch_add(1, Ordering::SeqCst);
        Err(NotInserted::Never(self.failure.clone()))
    }
}

/// For good, as when another log has taken its place, they are forgotten; else they are tried again now and
/// then, and once at the end.
#[tokio::test]
async fn positions_that_can_not_be_filled_keep_no_writer_busy() {
    let what = "appending to the log";
    for (failure, most) in [
        (Failure::permanent(what, "it is another log"), 1),
        (Failure::transient(what, "no server is there"), 3),
    ] {
        let folder = TempDir::default();
        let refusing = Refusing { failure, inserts: AtomicUsize::new(0) };
        let refusing = Decorator::over(Arc::new(folder.sqlite()), refusing);
        let (writer, scheduler) = Writer::start(refusing.clone(), Health::default());
        let outcome = writer.submit(create(Uuid::new_v4())).await.unwrap();
        assert!(matches!(outcome, Err(Rejected::Unavailable(_))), "{outcome:?}");
        drop(writer);
        tokio::time::timeout(Duration::from_secs(20), scheduler).await.unwrap().unwrap();
        let inserts = refusing.hooks.inserts.load(Ordering::SeqCst);
        assert!(inserts <= most, "{inserts} inserts");
    }
}

/// The first commit of an order, from another log.
async fn far_above(order: Uuid) -> Commit {
    let folder = TempDir::default();
    let store = Arc::new(folder.sqlite());
    let (writer, scheduler) = Writer::start(store.clone(), Health::default());
    writer.submit(create(order)).await.unwrap().unwrap();
    drop(writer);
    scheduler.await.unwrap();
    let commit = store.read_at(&[1]).await.unwrap().pop().and_then(Entry::into_commit).unwrap();
    Commit { position: 1_000, ..commit }
}

/// In one thread, so that both commands are in one group: the scheduler runs when they are submitted.
#[tokio::test]
async fn positions_of_a_group_that_fails_half_way_are_filled_by_the_next() {
    let (folder, order) = (TempDir::default(), Uuid::new_v4());
    let store = Arc::new(folder.sqlite());
    store.insert(&[Entry::Commit(far_above(order).await)]).await.unwrap();
    let stuck = Decorator::over(store.clone(), Stuck(AtomicBool::new(true)));
    let (writer, scheduler) = Writer::start(stuck.clone(), Health::default());
    // The one has its position at once, the other none above 1,000.
    let pay = || request(orders::payment(50), order, None);
    for outcome in [writer.submit(create(Uuid::new_v4())), writer.submit(pay())] {
        let outcome = outcome.await.unwrap();
        assert!(matches!(outcome, Err(Rejected::Unavailable(_))), "{outcome:?}");
    }
    stuck.hooks.0.store(false, Ordering::SeqCst);
    let paid = writer.submit(pay()).await.unwrap().unwrap();
    assert!(paid.position > 1_000, "{paid:?}");
    drop(writer);
    scheduler.await.unwrap();
    assert_eq!(store.read_at(&[1, 2]).await.unwrap(), [1, 2].map(Entry::Tombstone));
}
