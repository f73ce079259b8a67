//! Where all streams of events hang together: what was read is collected, loaded once, and handed out.

mod checkpoints;
mod loading;
mod telling;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use kernel::Result;
use kernel::log::Position;
use kernel::query::Queries;
use shared::http::Client;
use shared::http::problem::Problem;
use shared::service::liveness::Work;
use shared::service::metrics::OneMore;
use shared::view_store::{Generation, Place, Update, ViewStore};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use self::checkpoints::Checkpoints;
pub use self::loading::Loaded;
use super::budget::Budget;
use super::catch_up::MAX_STREAMS;
use super::pending::Pending;
use super::share::Share;
use super::subscriber::Subscriber;
use super::subscribers::{Bounds, Subscribers};
use super::turns::Turns;
use crate::metrics;

/// Views that are loaded and told at a time, fewer where they are large.
pub const PAGE: usize = 100;

pub(crate) struct Hub {
    views: Arc<dyn ViewStore>,
    queries: Arc<dyn Queries>,
    pub stop: CancellationToken,
    pending: Mutex<Pending>,
    subscribers: Mutex<Subscribers>,
    /// For what waits for them.
    waiting: Arc<Budget>,
    /// Of clients that come back, which read what they have missed.
    pub turns: Turns,
    /// There is something to tell.
    news: Notify,
    /// The generation whose updates are read.
    read: Mutex<watch::Sender<Option<Generation>>>,
    /// Gets on while there are streams.
    work: Work,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    pub fn new(
        views: Arc<dyn ViewStore>,
        queries: Arc<dyn Queries>,
        stop: CancellationToken,
        (bounds, work): (Bounds, Work),
    ) -> Self {
        work.rest();
        let waiting = Budget::new(bounds.waiting);
        let subscribers = Mutex::new(Subscribers::new(bounds, waiting.clone()));
        let (news, (read, pending, turns)) = (Notify::new(), Default::default());
        Self { views, queries, stop, pending, subscribers, waiting, turns, news, read, work }
    }

    /// While the streams are in use, as when all are told something, there are some: the reader,
    /// which asks this for all that it reads, does not wait for them.
    pub fn is_empty(&self) -> bool {
        match self.subscribers.try_lock() {
            Ok(subscribers) => subscribers.is_empty(),
            Err(TryLockError::Poisoned(subscribers)) => subscribers.into_inner().is_empty(),
            Err(TryLockError::WouldBlock) => false,
        }
    }

    /// From the reader: it reads this generation from this place on. What happened since it read the
    /// same one before is read again, where that is possible.
    pub async fn begin(&self, generation: &Generation, place: Place) -> Result<()> {
        let before = {
            let mut pending = lock(&self.pending);
            let is_same = pending.generation.as_ref() == Some(generation);
            if is_same && self.is_empty() {
                pending.place = place; // As in `tell`: none wants what lies between.
            }
            is_same.then_some(pending.place)
        };
        let between = match before {
            Some(before) if before == place => Some(vec![]),
            // It does not wait for a turn: all streams wait for the reader.
            Some(before) => self.views.updates_since(&generation.id, before, MAX_STREAMS).await?,
            None => None,
        };
        match between {
            Some(between) => {
                let updates = between.into_iter().map(|(_, update)| update).collect();
                self.tell(updates, place);
            }
            None => lock(&self.pending).begin(generation, place),
        }
        lock(&self.read).send_replace(Some(generation.clone()));
        self.news.notify_one();
        Ok(())
    }

    /// From the reader: this happened, up to this place.
    pub fn tell(&self, updates: Vec<Update>, place: Place) {
        if updates.is_empty() {
            return;
        }
        let mut pending = lock(&self.pending);
        // What none wants is not kept. (With `pending` locked: one that subscribes reads its place, and
        // is told what comes after that.)
        pending.add(if self.is_empty() { vec![] } else { updates }, place);
        drop(pending);
        self.news.notify_one();
    }

    /// From the reader: it reads no more.
    pub fn end_of_reading(&self) {
        *lock(&self.pending) = Pending::default();
        lock(&self.read).send_replace(None);
    }

    /// From the reader: it broke down. All streams end, those included that wait for it to begin, and
    /// are read for anew when their clients come back.
    pub fn end_all(&self) {
        self.end_of_reading();
        *lock(&self.read) = watch::Sender::default();
        lock(&self.subscribers).clear();
    }

    /// Adds a subscriber. From now on it is told everything behind `place`, and maybe some of before.
    pub fn subscribe(
        self: &Arc<Self>,
        subscriber: Subscriber,
        client: Option<Client>,
    ) -> Result<Subscription, Problem> {
        let mut subscribers = lock(&self.subscribers);
        if self.stop.is_cancelled() {
            return Err(Problem::unavailable("The service is stopping."));
        }
        let added = subscribers.add(subscriber, client);
        let (number, share) = added.map_err(Problem::too_many_requests)?;
        if !std::mem::replace(&mut subscribers.are_told, true) {
            self.work.must_progress();
            tokio::spawn(self.clone().run());
        }
        let _counted = metrics::LIVE.one_more();
        Ok(Subscription { hub: self.clone(), number, share, _counted })
    }

    /// For `place`: what the reader says from now on, that it breaks down included.
    pub fn reading(&self) -> watch::Receiver<Option<Generation>> {
        lock(&self.read).subscribe()
    }

    /// The generation that is read and how far it is told, once it is read; none where the reader has
    /// broken down since `read` was taken.
    pub async fn place(
        &self,
        mut read: watch::Receiver<Option<Generation>>,
    ) -> Option<(Generation, Place)> {
        read.wait_for(Option::is_some).await.ok()?;
        let pending = lock(&self.pending);
        Some((pending.generation.clone()?, pending.place))
    }

    /// Tells until there is none to be told, or the service stops, whatever it waits for then.
    async fn run(self: Arc<Self>) {
        let _teller = Teller(self.clone());
        let mut checkpoints = Checkpoints::default();
        while self.has_subscribers() {
            let round = self.tell_next(&mut checkpoints);
            if self.stop.run_until_cancelled(round).await.is_none() {
                break;
            }
        }
        let mut subscribers = lock(&self.subscribers);
        if self.stop.is_cancelled() {
            self.work.rest();
            subscribers.clear();
        }
    }

    fn has_subscribers(&self) -> bool {
        let mut subscribers = lock(&self.subscribers);
        subscribers.are_told = !subscribers.is_empty();
        if !subscribers.are_told {
            self.work.rest();
        }
        subscribers.are_told
    }
}

/// The task that tells. Should it end by a panic, all streams end, and the next one that is opened
/// begins another.
struct Teller(Arc<Hub>);

impl Drop for Teller {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut subscribers = lock(&self.0.subscribers);
            subscribers.are_told = false;
            self.0.work.rest();
            subscribers.clear();
        }
    }
}

/// Leaves the hub when this is dropped.
pub struct Subscription {
    hub: Arc<Hub>,
    number: u64,
    /// Of its client.
    pub share: Arc<Share>,
    _counted: OneMore,
}

impl Subscription {
    /// The client is told first that the views are at this position. Where it was read before that they
    /// are at a lower one, that is told to it no more: it would go back.
    pub fn open(&self, position: Position) {
        lock(&self.hub.subscribers).open(self.number, position);
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        lock(&self.hub.subscribers).remove(self.number);
    }
}
