//! What a worker removes of generations that were replaced. (The clock stands still while there is anything
//! to do.)

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use kernel::{Failure, Result};
use shared::event_store::EventStore as _;
use shared::event_store::sqlite::Sqlite;
use shared::view_store::memory::Memory;
use shared::view_store::{GenerationId, ViewStore};
use tests::stores::TempDir;
use tests::view_decorator::{ViewDecorator, ViewHooks};
use tests::working::{Backlog, Worker, live};
use tests::{let_pass, until};
use tokio::time::Instant;

/// How long the views of a replaced generation stay.
const KEPT: Duration = Duration::from_secs(60);
const A_MOMENT: Duration = Duration::from_secs(1);

/// Generations that were replaced, and the one that is live.
struct Replaced {
    views: Arc<dyn ViewStore>,
    feeds: Arc<Backlog>,
    /// In the order in which they are removed.
    old: Vec<GenerationId>,
    live: GenerationId,
    store: Arc<Sqlite>,
    _folder: TempDir,
}

impl Replaced {
    async fn of(count: usize, views: Arc<dyn ViewStore>) -> Self {
        let folder = TempDir::default();
        let store = Arc::new(folder.sqlite());
        let log = store.log_id().await.unwrap();
        let mut old = vec![];
        for _ in 0..count {
            old.push(live(views.as_ref(), &log).await.id);
        }
        old.sort();
        let last = live(views.as_ref(), &log).await.id;
        Self { views, feeds: Backlog::of(&[]), old, live: last, store, _folder: folder }
    }

    fn start(&self) -> Worker {
        let (store, views) = (self.store.clone(), self.views.clone());
        Worker::over(store.clone(), store, views, self.feeds.clone(), "one")
    }

    /// When the feeds of all that was replaced are closed.
    async fn until_closed(&self) -> Instant {
        let all = || async { (self.feeds.closed() == self.old).then_some(()) };
        until("the feeds of what was replaced are closed", all).await;
        Instant::now()
    }

    /// Waits until these of the replaced generations are left, and the live one.
    async fn until_left(&self, old: &[GenerationId]) {
        let left: BTreeSet<&GenerationId> = old.iter().chain([&self.live]).collect();
        until(&format!("these are left: {left:?}"), || async {
            let described = self.views.generations().await.unwrap();
            (described.iter().map(|one| &one.id).collect::<BTreeSet<_>>() == left).then_some(())
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn views_that_were_replaced_stay_for_a_minute_and_are_removed_then() {
    let replaced = Replaced::of(1, Arc::new(Memory::default())).await;
    let worker = replaced.start();
    let closed = replaced.until_closed().await;
    let_pass(KEPT - A_MOMENT).await;
    let described = replaced.views.generations().await.unwrap();
    assert_eq!(described.len(), 2, "requests may still read them: {described:?}");
    replaced.until_left(&[]).await;
    assert!(closed.elapsed() < KEPT + A_MOMENT, "{:?}", closed.elapsed());
    worker.stop().await;
}

/// Views of which the first removal fails.
#[derive(Default)]
struct FailsOnce(AtomicBool);

#[async_trait]
impl ViewHooks for FailsOnce {
    async fn remove(&self, views: &dyn ViewStore, generation: &GenerationId) -> Result<()> {
        match self.0.swap(true, Ordering::SeqCst) {
            true => views.remove(generation).await,
            false => Err(Failure::transient("removing views", "the store is away")),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn views_that_can_not_be_removed_at_first_keep_no_others_and_are_removed_soon() {
    let views = ViewDecorator::over(Arc::new(Memory::default()), FailsOnce::default());
    let replaced = Replaced::of(2, views).await;
    let worker = replaced.start();
    replaced.until_closed().await;
    replaced.until_left(&replaced.old[..1]).await;
    let failed = Instant::now();
    replaced.until_left(&[]).await;
    assert!(failed.elapsed() < 2 * A_MOMENT, "{:?}", failed.elapsed());
    worker.stop().await;
}

/// Views of which one generation can't be removed: each attempt panics.
#[derive(Default)]
struct Panics(OnceLock<GenerationId>);

#[async_trait]
impl ViewHooks for Panics {
    async fn remove(&self, views: &dyn ViewStore, generation: &GenerationId) -> Result<()> {
        assert_ne!(self.0.get(), Some(generation), "as a test wants it");
        views.remove(generation).await
    }
}

#[tokio::test(start_paused = true)]
async fn views_whose_removing_always_panics_keep_no_others() {
    let views = ViewDecorator::over(Arc::new(Memory::default()), Panics::default());
    let replaced = Replaced::of(2, views.clone()).await;
    views.hooks.0.set(replaced.old[0].clone()).unwrap();
    let worker = replaced.start();
    let closed = replaced.until_closed().await;
    replaced.until_left(&replaced.old[..1]).await;
    assert!(closed.elapsed() < KEPT + A_MOMENT, "{:?}", closed.elapsed());
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_views_are_removed_does_not_end_the_worker_and_it_is_tried_again() {
    let replaced = Replaced::of(1, Arc::new(Memory::default())).await;
    replaced.feeds.panic_once();
    let worker = replaced.start();
    replaced.until_closed().await;
    let panicked = Instant::now();
    until("it is asked again which feeds there are", || async {
        (replaced.feeds.asked() > 1).then_some(())
    })
    .await;
    assert!(panicked.elapsed() > A_MOMENT / 4, "{:?}: it is not at once", panicked.elapsed());
    assert_eq!(worker.operations.served(), Some(replaced.live.clone()));
    assert_eq!(replaced.feeds.subscribed(), 1, "it serves all along");
    worker.stop().await;
}
