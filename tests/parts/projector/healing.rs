//! Which worker heals, where healing fails.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kernel::log::Position;
use kernel::projection::Change;
use kernel::{Failure, Result};
use shared::event_store::EventStore;
use shared::view_store::memory::Memory;
use shared::view_store::{Applied, GenerationId, ViewStore};
use tests::decorator::{Decorator, Hooks};
use tests::orders::{created, created_of, item, paid, stream};
use tests::prometheus::counted_here;
use tests::stores::TempDir;
use tests::subject::Subject;
use tests::view_decorator::{ViewDecorator, ViewHooks};
use tests::working::{Backlog, Worker, live};
use tests::{let_pass, until};
use tokio::time::Instant;

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

/// A log that panics where its end is looked for, and how often it was.
#[derive(Default)]
struct Panics(AtomicUsize);

#[async_trait]
impl Hooks for Panics {
    async fn head(&self, _: &dyn EventStore) -> Result<Position> {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("as a test wants it")
    }
}

/// Views in memory with a lease as Redis has it: its holder, and when it ends. To give it up takes a while.
#[derive(Default)]
struct Leased(Mutex<Option<(String, Instant)>>);

/// Longer than a test needs to stop a worker.
const GIVING_UP: Duration = Duration::from_millis(300);

#[async_trait]
impl ViewHooks for Leased {
    async fn lease(
        &self,
        _: &dyn ViewStore,
        _: &GenerationId,
        holder: &str,
        term: Duration,
    ) -> Result<bool> {
        if term < GIVING_UP {
            let_pass(GIVING_UP).await;
        }
        let (mut lease, now) = (self.0.lock().unwrap(), Instant::now());
        let is_taken = lease.as_ref().is_some_and(|(other, until)| other != holder && *until > now);
        if !is_taken {
            *lease = Some((holder.to_owned(), now + term));
        }
        Ok(!is_taken)
    }
}

/// Their feeds bring nothing: what is in the log reaches the views by healing.
#[tokio::test(start_paused = true)]
async fn a_worker_whose_healing_always_panics_lets_another_one_heal() {
    let folder = TempDir::default();
    let store = Arc::new(folder.sqlite());
    let views = ViewDecorator::over(Arc::new(Memory::default()), Leased::default());
    let served = live(views.as_ref(), &store.log_id().await.unwrap()).await.id;
    let (subject, lost) = (Subject::of(served, store.clone(), views.clone()), stream());
    let log = Decorator::over(store.clone(), Panics::default());
    let start = |log: Arc<dyn EventStore>, name| {
        Worker::over(log, store.clone(), views.clone(), Backlog::of(&[]), name)
    };
    let panics = start(log.clone(), "one");
    until("its healing has panicked", || async {
        (log.hooks.0.load(Ordering::SeqCst) > 0).then_some(())
    })
    .await;
    let heals = start(store.clone(), "another");
    subject.append(&lost, 1, &[created(&lost, 9)]).await;
    until("the other one has healed", || async {
        (subject.version(&lost).await == 1).then_some(())
    })
    .await;
    panics.stop().await;
    heals.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_stopped_after_its_healing_failed_has_given_up_its_lease() {
    let (folder, memory) = (TempDir::default(), Arc::new(Memory::default()));
    let store = Arc::new(folder.sqlite());
    let views = ViewDecorator::over(memory, Leased::default());
    let served = live(views.as_ref(), &store.log_id().await.unwrap()).await.id;
    let log = Decorator::over(store.clone(), Panics::default());
    let worker = Worker::over(log.clone(), store, views.clone(), Backlog::of(&[]), "one");
    until("its healing has panicked", || async {
        (log.hooks.0.load(Ordering::SeqCst) > 0).then_some(())
    })
    .await;
    worker.stop().await;
    let_pass(GIVING_UP).await; // What was given up ends a millisecond later.
    assert!(views.lease(&served, "another", Duration::from_secs(5)).await.unwrap());
}

/// Of some 50 KiB each: several reads of the log return them.
const LARGE_ORDERS: u64 = 64;

/// Views that note where the checkpoint stands whenever something is applied.
#[derive(Default)]
struct Checkpoints(Mutex<Vec<Position>>);

#[async_trait]
impl ViewHooks for Checkpoints {
    async fn apply(
        &self,
        views: &dyn ViewStore,
        generation: &GenerationId,
        changes: &[Change],
    ) -> Result<Vec<Applied>> {
        let checkpoint = views.checkpoint(generation).await?.unwrap_or_default();
        self.0.lock().unwrap().push(checkpoint);
        views.apply(generation, changes).await
    }
}

async fn until_at(views: &dyn ViewStore, generation: &GenerationId, position: Position) {
    until("the checkpoint is at the end", || async {
        (views.checkpoint(generation).await.unwrap() == Some(position)).then_some(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_checkpoint_moves_over_what_is_applied_while_the_rest_is_waited_for() {
    let (folder, memory) = (TempDir::default(), Arc::new(Memory::default()));
    let store = Arc::new(folder.sqlite());
    let served = live(memory.as_ref(), &store.log_id().await.unwrap()).await.id;
    let views = ViewDecorator::over(memory.clone(), Checkpoints::default());
    let [applied, missing] = [stream(), stream()];
    let subject = Subject::of(served.clone(), store.clone(), memory);
    let events = subject.append(&applied, 1, &[created(&applied, 9)]).await;
    subject.apply(&events).await;
    let half = store.head().await.unwrap();
    subject.append(&missing, 1, &[created(&missing, 9)]).await;
    let head = store.head().await.unwrap();
    let worker = Worker::over(store.clone(), store, views.clone(), Backlog::of(&[]), "one");
    until_at(views.as_ref(), &served, head).await;
    assert_eq!(*views.hooks.0.lock().unwrap(), [half], "it did not wait for the repair");
    worker.stop().await;
}

/// Those who wait for the checkpoint, and flow control, see that the views get on. (The one that is applied
/// already is at the end: what comes before it is found to be missing.)
#[tokio::test(start_paused = true)]
async fn the_checkpoint_moves_while_much_is_repaired() {
    let (folder, memory) = (TempDir::default(), Arc::new(Memory::default()));
    let store = Arc::new(folder.sqlite());
    let served = live(memory.as_ref(), &store.log_id().await.unwrap()).await.id;
    let views = ViewDecorator::over(memory, Checkpoints::default());
    let subject = Subject::of(served.clone(), store.clone(), views.clone());
    let items: Vec<_> = (0..500).map(|number| item(&format!("{number:0>64}"), 1, 1)).collect();
    let mut last = vec![];
    for _ in 0..LARGE_ORDERS {
        let stream = stream();
        last = subject.append(&stream, 1, &[created_of(&stream, &items)]).await;
    }
    subject.apply(&last).await;
    let head = store.head().await.unwrap();
    let worker = Worker::over(store.clone(), store, views.clone(), Backlog::of(&[]), "one");
    until_at(views.as_ref(), &served, head).await;
    let mut seen = views.hooks.0.lock().unwrap().clone();
    seen.dedup();
    assert!(seen.len() > 2, "while it was repaired the checkpoint was at {seen:?} of {head}");
    assert_eq!(views.repaired(&served).await.unwrap(), LARGE_ORDERS - 1);
    worker.stop().await;
}

/// An earlier worker may take longer than another one that is done with what follows.
#[tokio::test(start_paused = true)]
async fn the_checkpoint_moves_up_to_what_is_missing_among_what_is_applied() {
    let (folder, memory) = (TempDir::default(), Arc::new(Memory::default()));
    let store = Arc::new(folder.sqlite());
    let served = live(memory.as_ref(), &store.log_id().await.unwrap()).await.id;
    let views = ViewDecorator::over(memory.clone(), Checkpoints::default());
    let subject = Subject::of(served.clone(), store.clone(), memory);
    let [first, missing, last] = [stream(), stream(), stream()];
    let before = subject.append(&first, 1, &[created(&first, 9)]).await;
    let until = store.head().await.unwrap();
    subject.append(&missing, 1, &[created(&missing, 9)]).await;
    let behind = subject.append(&last, 1, &[created(&last, 9)]).await;
    subject.apply(&[before, behind].concat()).await;
    let head = store.head().await.unwrap();
    let worker = Worker::over(store.clone(), store, views.clone(), Backlog::of(&[]), "one");
    until_at(views.as_ref(), &served, head).await;
    assert_eq!(*views.hooks.0.lock().unwrap(), [until], "it did not wait for the repair");
    worker.stop().await;
}

/// The log is read in parts, and its first event is in another one than the one that is missing.
#[tokio::test(start_paused = true)]
async fn a_view_that_lacks_its_last_event_is_repaired_once() {
    let (folder, views) = (TempDir::default(), Arc::new(Memory::default()));
    let store = Arc::new(folder.sqlite());
    let served = live(views.as_ref(), &store.log_id().await.unwrap()).await.id;
    let subject = Subject::of(served.clone(), store.clone(), views.clone());
    let one = stream();
    let mut applied = subject.append(&one, 1, &[created(&one, 9)]).await;
    let items: Vec<_> = (0..500).map(|number| item(&format!("{number:0>64}"), 1, 1)).collect();
    for _ in 0..LARGE_ORDERS {
        let large = stream();
        applied.extend(subject.append(&large, 1, &[created_of(&large, &items)]).await);
    }
    subject.append(&one, 2, &[paid(9)]).await;
    let last = stream();
    applied.extend(subject.append(&last, 1, &[created(&last, 9)]).await);
    subject.apply(&applied).await;
    let head = store.head().await.unwrap();
    let worker = Worker::over(store.clone(), store, views.clone(), Backlog::of(&[]), "one");
    until_at(views.as_ref(), &served, head).await;
    assert_eq!((subject.version(&one).await, views.repaired(&served).await.unwrap()), (2, 1));
    worker.stop().await;
}
