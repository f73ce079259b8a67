//! What is held back while the views are behind, and what is not.

mod looks;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::orders::OrderAggregate;
use async_trait::async_trait;
use command_api::write::{FlowControl, Rejected, Request, Writer};
use futures::future::join_all;
use kernel::log::{Entry, Position};
use kernel::{Failure, Result};
use shared::event_store::{EventStore, Inserted, NotInserted, ViewsReport};
use shared::service::health::Health;
use tests::decorator::{Decorator, Hooks};
use tests::prometheus::counted_here;
use tests::requests::request;
use tests::{orders, until, within};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use uuid::Uuid;

type Store = Arc<dyn EventStore>;

/// More commits than the views may ever lack without being a backlog.
const BACKLOG: usize = 300;
/// Groups are held back soon, and for longer than a test takes.
const CONTROL: FlowControl =
    FlowControl { max_lag: Some(Duration::from_millis(20)), max_hold: Duration::from_secs(3_600) };

/// A log that tells of the views what a test says, and of which one insert is not sent.
#[derive(Default)]
struct Behind {
    /// How far the views are; at first that is not known.
    checkpoint: Mutex<Option<Position>>,
    /// How often that was asked.
    looks: AtomicUsize,
    /// Whether asking for it panics.
    panics: AtomicBool,
    /// Whether asking for it fails.
    fails: AtomicBool,
    /// Whether the next look does not end until it is let.
    stays: AtomicBool,
    goes_on: Notify,
    /// Whether the next insert hangs until it fails.
    hangs: AtomicBool,
    failed: Notify,
    /// The entries of each insert.
    inserts: Mutex<Vec<Vec<Entry>>>,
}

impl Behind {
    fn views_are_at(&self, checkpoint: Position) {
        *self.checkpoint.lock().unwrap() = Some(checkpoint);
    }

    /// Of three looks from now on the second is over when the third begins, and the commits were old
    /// enough for it.
    async fn until_held(&self) {
        let before = self.looks.load(Ordering::SeqCst);
        until("groups are held back", || async {
            (self.looks.load(Ordering::SeqCst) >= before + 3).then_some(())
        })
        .await;
    }

    /// The entries of the inserts since this was asked last.
    fn inserted(&self) -> Vec<Vec<Entry>> {
        std::mem::take(&mut *self.inserts.lock().unwrap())
    }
}

#[async_trait]
impl Hooks for Behind {
    async fn insert(
        &self,
        store: &dyn EventStore,
        entries: &[Entry],
    ) -> Result<Vec<Inserted>, NotInserted> {
        self.inserts.lock().unwrap().push(entries.to_vec());
        if !self.hangs.swap(false, Ordering::SeqCst) {
            return store.insert(entries).await;
        }
        self.failed.notified().await;
        let why = Failure::transient("appending to the log", "no server is there");
        Err(NotInserted::Never(why))
    }

    async fn views_report(&self, _: &dyn EventStore) -> Result<Option<ViewsReport>> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        assert!(!self.panics.load(Ordering::SeqCst), "as a test wants it");
        if self.stays.swap(false, Ordering::SeqCst) {
            self.goes_on.notified().await;
        }
        if self.fails.load(Ordering::SeqCst) {
            return Err(Failure::transient("reading how far the views are", "as a test wants it"));
        }
        Ok(self.checkpoint.lock().unwrap().map(|checkpoint| ViewsReport { checkpoint }))
    }
}

fn create() -> Request<OrderAggregate> {
    request(orders::create(100), Uuid::new_v4(), None)
}

/// A write side with more commits behind it than the views may lack.
struct Running {
    behind: Arc<Decorator<Behind>>,
    health: Health,
    writer: Writer<OrderAggregate>,
    scheduler: JoinHandle<()>,
}

impl Running {
    async fn start(store: &Store) -> Self {
        Self::start_with(store, CONTROL).await
    }

    async fn start_with(store: &Store, control: FlowControl) -> Self {
        let (behind, health) = (Decorator::over(store.clone(), Behind::default()), Health::of(&[]));
        let (writer, scheduler) = Writer::start_with(behind.clone(), health.clone(), control);
        let backlog: Vec<_> = (0..BACKLOG).map(|_| writer.submit(create())).collect();
        for outcome in join_all(backlog).await {
            outcome.unwrap().unwrap();
        }
        behind.hooks.inserted();
        Self { behind, health, writer, scheduler }
    }

    async fn end(self) {
        drop(self.writer);
        self.scheduler.await.unwrap();
    }
}

/// A group that had started before has drawn a position and not used it: the views could never get past it.
async fn positions_are_filled_while_commands_are_held_back(store: Store) {
    let running = Running::start(&store).await;
    let (hooks, writer) = (&running.behind.hooks, &running.writer);
    hooks.hangs.store(true, Ordering::SeqCst);
    let started = writer.submit(create());
    until("an insert hangs", || async { (!hooks.hangs.load(Ordering::SeqCst)).then_some(()) })
        .await;
    hooks.views_are_at(0);
    hooks.until_held().await;
    let mut waiting = writer.submit(create());
    let positions: Vec<Position> = hooks.inserted().concat().iter().map(Entry::position).collect();
    assert_eq!(positions.len(), 1);
    hooks.failed.notify_one();
    let outcome = started.await.unwrap();
    assert!(matches!(outcome, Err(Rejected::Unavailable(_))), "{outcome:?}");
    let filled = [Entry::Tombstone(positions[0])];
    until("its position is filled", || async {
        (store.read_at(&positions).await.unwrap() == filled).then_some(())
    })
    .await;
    assert!(waiting.try_recv().is_err(), "it is held back");
    assert_eq!(hooks.inserted(), [filled], "no commit is inserted");
    hooks.views_are_at(positions[0]);
    let accepted = waiting.await.unwrap().unwrap();
    assert!(accepted.position > positions[0], "{accepted:?}");
    running.end().await;
}

/// None would notice that the views move on, until they are looked at anew.
async fn what_is_held_back_starts_when_looking_at_the_views_panics(store: Store) {
    let running = Running::start(&store).await;
    let (hooks, writer) = (&running.behind.hooks, &running.writer);
    hooks.views_are_at(0);
    hooks.until_held().await;
    let mut waiting = writer.submit(create());
    assert!(waiting.try_recv().is_err(), "it is held back");
    assert!(running.health.waiting().is_empty());
    hooks.panics.store(true, Ordering::SeqCst);
    within(Duration::from_secs(5), "it is accepted", || {
        std::future::ready(waiting.try_recv().ok())
    })
    .await
    .unwrap();
    assert!(running.health.waiting().is_empty(), "commands are taken all the same");
    hooks.panics.store(false, Ordering::SeqCst);
    hooks.until_held().await;
    let mut waiting = writer.submit(create());
    hooks.until_held().await;
    assert!(waiting.try_recv().is_err(), "it is held back again");
    hooks.views_are_at(Position::MAX);
    waiting.await.unwrap().unwrap();
    running.end().await;
}

/// The views may move on, but none can tell.
async fn what_is_held_back_starts_when_the_views_cannot_be_looked_at_for_long(store: Store) {
    let control = FlowControl { max_hold: Duration::from_secs(1), ..CONTROL };
    let running = Running::start_with(&store, control).await;
    let (hooks, writer) = (&running.behind.hooks, &running.writer);
    let told = || running.health.notes().get("flow control").cloned();
    hooks.views_are_at(0);
    hooks.until_held().await;
    hooks.fails.store(true, Ordering::SeqCst);
    let mut waiting = writer.submit(create());
    within(Duration::from_secs(5), "it is accepted", || {
        std::future::ready(waiting.try_recv().ok())
    })
    .await
    .unwrap();
    until("it is told why nothing is held back", || async {
        told().is_some_and(|note| note.contains("can't be read")).then_some(())
    })
    .await;
    hooks.fails.store(false, Ordering::SeqCst);
    hooks.views_are_at(Position::MAX);
    until("it is told no longer", || async { told().is_none().then_some(()) }).await;
    running.end().await;
}

/// It would be told until commands are behind the views again.
async fn what_is_known_of_the_views_is_told_no_longer_when_looking_at_them_panics(store: Store) {
    let control = FlowControl { max_hold: CONTROL.max_lag.unwrap(), ..CONTROL };
    let running = Running::start_with(&store, control).await;
    let is_told = || running.health.notes().contains_key("flow control");
    running.behind.hooks.views_are_at(0);
    until("it is told that no projector moves on", || async { is_told().then_some(()) }).await;
    running.behind.hooks.panics.store(true, Ordering::SeqCst);
    until("it is told no longer", || async { (!is_told()).then_some(()) }).await;
    running.end().await;
}

/// As when another log has taken the place of the one that is served.
async fn nothing_is_told_to_be_held_back_after_the_end(store: Store) {
    let is_held = || counted_here("waybill_commands_held") > 0.0;
    let running = Running::start(&store).await;
    running.behind.hooks.views_are_at(0);
    until("groups are held back", || async { is_held().then_some(()) }).await;
    running.end().await;
    until("none is told to be", || async { (!is_held()).then_some(()) }).await;
}

tests::on_both_logs! {
    positions_are_filled_while_commands_are_held_back
    what_is_held_back_starts_when_looking_at_the_views_panics
    what_is_held_back_starts_when_the_views_cannot_be_looked_at_for_long
    what_is_known_of_the_views_is_told_no_longer_when_looking_at_them_panics
    nothing_is_told_to_be_held_back_after_the_end
}
