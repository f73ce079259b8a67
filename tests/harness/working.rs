//! A projector's worker in this process, with feeds that bring what a test says.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use kernel::log::{LogId, Position, Recorded};
use kernel::projection::{ErasedProjection as _, JsonProjection};
use kernel::{Failure, Result};
use orders::OrderProjection;
use projector::{Dependencies, Operations};
use shared::event_store::EventStore;
use shared::feed::{Feed, Feeds};
use shared::messaging::dead_letter::{DeadLetter, DeadLetterPage, LookError};
use shared::operation_log::OperationLog;
use shared::service::health::Health;
use shared::view_store::{Generation, GenerationId, ViewStore};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{Own, until};

/// The version of the projection that workers have.
pub fn projection() -> u32 {
    JsonProjection(OrderProjection).version()
}

/// A generation that is live, made by no worker.
pub async fn live(views: &dyn ViewStore, log: &LogId) -> Generation {
    let live = Generation::new(log.clone(), projection());
    let before = views.live().await.unwrap().map(|before| before.id);
    assert!(views.begin(&live).await.unwrap());
    assert!(views.promote(before.as_ref(), &live.id).await.unwrap());
    live
}

/// What comes of counting dead letters.
#[derive(Clone, Copy)]
pub enum DeadLetters {
    Counted(u32),
    /// The process looks at them.
    LookedAt,
    /// The broker does not answer.
    Hanging,
}

/// Feeds with a backlog that has no end: the same events, again and again, at once.
#[derive(Default)]
pub struct Backlog {
    events: Vec<Recorded>,
    /// How often a feed was opened for a worker.
    subscribed: watch::Sender<usize>,
    /// So many reads of feeds fail.
    breaks: Arc<AtomicUsize>,
    /// Whether the next attempt to close a feed fails.
    keeps: AtomicBool,
    closed: Mutex<Vec<GenerationId>>,
    /// Whether no question is answered which feeds there are.
    is_silent: AtomicBool,
    /// How often that was asked.
    asked: AtomicUsize,
    /// Whether the next such question panics.
    panics: AtomicBool,
    /// Whether the broker answers no question of how much waits.
    hangs: AtomicBool,
    /// How often it was asked how much waits.
    looked: AtomicUsize,
    /// None are there, unless a test says so.
    dead_letters: Mutex<Option<DeadLetters>>,
}

impl Backlog {
    pub fn of(events: &[Recorded]) -> Arc<Self> {
        Arc::new(Self { events: events.to_vec(), ..Self::default() })
    }

    pub fn subscribed(&self) -> usize {
        *self.subscribed.borrow()
    }

    /// The feeds that were closed, in this order.
    pub fn closed(&self) -> Vec<GenerationId> {
        self.closed.lock().unwrap().clone()
    }

    /// The next read of a feed fails; the next attempt to close one does, once another was opened.
    pub fn lose(&self) {
        self.break_feeds(1);
        self.keeps.store(true, Ordering::SeqCst);
    }

    /// The next reads of feeds fail.
    pub fn break_feeds(&self, times: usize) {
        self.breaks.store(times, Ordering::SeqCst);
    }

    /// From now on nothing tells which feeds there are.
    pub fn tell_no_feeds(&self) {
        self.is_silent.store(true, Ordering::SeqCst);
    }

    /// How often it was asked which feeds there are.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// The next question which feeds there are panics.
    pub fn panic_once(&self) {
        self.panics.store(true, Ordering::SeqCst);
    }

    /// From now on nothing tells how much waits.
    pub fn hang(&self) {
        self.hangs.store(true, Ordering::SeqCst);
    }

    /// How often it was asked how much waits.
    pub fn looked(&self) -> usize {
        self.looked.load(Ordering::SeqCst)
    }

    /// What comes of counting dead letters from now on.
    pub fn set_dead_letters(&self, dead_letters: DeadLetters) {
        *self.dead_letters.lock().unwrap() = Some(dead_letters);
    }
}

/// One pass after the other over the events.
struct Endless {
    events: Vec<Recorded>,
    next: usize,
    breaks: Arc<AtomicUsize>,
}

#[async_trait]
impl Feed for Endless {
    async fn next(&mut self, limit: usize) -> Result<Vec<Recorded>> {
        let breaks = self.breaks.load(Ordering::SeqCst);
        if breaks > 0 {
            self.breaks.store(breaks - 1, Ordering::SeqCst);
            return Err(Failure::transient("reading a feed", "it is lost"));
        }
        let from = if self.next < self.events.len() { self.next } else { 0 };
        self.next = self.events.len().min(from + limit);
        Ok(self.events[from..self.next].to_vec())
    }

    async fn ack(&mut self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Feeds for Backlog {
    async fn open(&self, _: &Generation) -> Result<()> {
        Ok(())
    }

    async fn subscribe(&self, _: &Generation, _: Position) -> Result<Box<dyn Feed>> {
        self.subscribed.send_modify(|subscribed| *subscribed += 1);
        let (events, breaks) = (self.events.clone(), self.breaks.clone());
        Ok(Box::new(Endless { events, next: 0, breaks }))
    }

    async fn waiting(&self, _: &Generation) -> Result<Option<u32>> {
        self.looked.fetch_add(1, Ordering::SeqCst);
        match self.hangs.load(Ordering::SeqCst) {
            true => std::future::pending().await,
            false => Ok(None),
        }
    }

    async fn close(&self, generation: &GenerationId) -> Result<()> {
        if self.keeps.swap(false, Ordering::SeqCst) {
            let mut subscribed = self.subscribed.subscribe();
            let again = subscribed.wait_for(|subscribed| *subscribed > 1).await.is_ok();
            assert!(again, "the feeds are there still");
            return Err(Failure::transient("closing a feed", "it is lost"));
        }
        self.closed.lock().unwrap().push(generation.clone());
        Ok(())
    }

    async fn opened(&self) -> Result<Vec<GenerationId>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        assert!(!self.panics.swap(false, Ordering::SeqCst), "as a test wants it");
        match self.is_silent.load(Ordering::SeqCst) {
            true => std::future::pending().await,
            false => Ok(vec![]),
        }
    }

    async fn dead_letters(&self, _: usize) -> Result<DeadLetterPage, LookError> {
        Ok(DeadLetterPage::default())
    }

    async fn find_dead_letter(&self, _: &str) -> Result<Option<DeadLetter>, LookError> {
        Ok(None)
    }

    async fn discard_dead_letter(&self, _: &str) -> Result<bool, LookError> {
        Ok(false)
    }

    async fn count_dead_letters(&self) -> Result<Option<u32>> {
        let dead_letters = *self.dead_letters.lock().unwrap();
        match dead_letters {
            None => Ok(Some(0)),
            Some(DeadLetters::Counted(count)) => Ok(Some(count)),
            Some(DeadLetters::LookedAt) => Ok(None),
            Some(DeadLetters::Hanging) => std::future::pending().await,
        }
    }
}

pub struct Worker {
    pub operations: Operations,
    pub health: Health,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Worker {
    /// On the servers, with these events as its backlog.
    pub async fn start(own: &Own, name: &str, backlog: &[Recorded]) -> Self {
        let (store, views) = (Arc::new(own.mongodb().await), Arc::new(own.redis().await));
        Self::over(store.clone(), store, views, Backlog::of(backlog), name)
    }

    pub fn over(
        store: Arc<dyn EventStore>,
        operation_log: Arc<dyn OperationLog>,
        views: Arc<dyn ViewStore>,
        feeds: Arc<Backlog>,
        name: &str,
    ) -> Self {
        let health = Health::of(&["views"]);
        let worker = projector::Worker::new(Dependencies {
            store,
            operation_log,
            views,
            feeds,
            projection: Arc::new(JsonProjection(OrderProjection)),
            health: health.clone(),
            holder: name.to_owned(),
        });
        let (operations, stop) = (worker.operations(), CancellationToken::new());
        Self { operations, health, task: tokio::spawn(worker.run(stop.clone())), stop }
    }

    /// Waits until it serves a generation other than this one.
    pub async fn until_it_leaves(&self, old: Option<&GenerationId>) -> GenerationId {
        until("it serves another generation", || async {
            self.operations.served().filter(|served| Some(served) != old)
        })
        .await
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}
