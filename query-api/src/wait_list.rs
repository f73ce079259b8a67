//! Waiting for views to change, without asking again and again: one reader of the updates for the
//! whole process, which works while requests wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::log::{Position, StreamName, Version};
use kernel::views::Batch;
use shared::http::consistency_token::Seen;
use shared::view_store::{GenerationId, Reading, Update, Updates, ViewStore};
use tokio::sync::Notify;
use tokio::time::Instant;

/// How often the reader looks at the views for all requests that wait: updates may be missed.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// Streams that one read of such a look asks for.
const SWEEP_PAGE: usize = 1_000;
/// How often each request that waits looks for itself, in case the reader is held up.
const WAITER_POLL_INTERVAL: Duration = Duration::from_secs(5);
/// How long the reader waits before it asks for the updates again.
const RECONNECT_DELAY: Duration = Duration::from_millis(250);
/// How long the reader goes on after the last request that waited.
const READER_LINGER: Duration = Duration::from_secs(10);

/// The requests of this process that wait for views to change.
#[derive(Clone)]
pub struct WaitList {
    views: Arc<dyn ViewStore>,
    table: Arc<Mutex<Table>>,
}

#[derive(Default)]
struct Table {
    /// Of the latest request that came to wait.
    generation: Option<GenerationId>,
    is_read: bool,
    /// When a request waited last.
    wanted: Option<Instant>,
    streams: HashMap<StreamName, Vec<(Version, Arc<Notify>)>>,
    checkpoint: Vec<(Position, Arc<Notify>)>,
}

/// One request that waits; it leaves the list when this is dropped.
pub struct Waiter {
    table: Arc<Mutex<Table>>,
    seen: Seen,
    woken: Arc<Notify>,
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

impl WaitList {
    pub fn new(views: Arc<dyn ViewStore>) -> Self {
        Self { views, table: Arc::default() }
    }

    /// Adds a request to the list, and returns at once. From now on the waiter is woken whenever the
    /// views contain one more of what was seen. The caller has to look at the views once more after
    /// this: of a change before it the waiter is not told.
    pub fn join(&self, generation: &GenerationId, seen: &Seen) -> Waiter {
        let woken = Arc::new(Notify::new());
        let mut table = lock(&self.table);
        match seen {
            Seen::Position(position) => table.checkpoint.push((*position, woken.clone())),
            Seen::Streams(streams) => {
                for (stream, version) in streams {
                    let waiting = table.streams.entry(stream.clone()).or_default();
                    waiting.push((*version, woken.clone()));
                }
            }
        }
        table.wanted = Some(Instant::now());
        table.generation = Some(generation.clone());
        if !std::mem::replace(&mut table.is_read, true) {
            tokio::spawn(self.clone().read());
        }
        Waiter { table: self.table.clone(), seen: seen.clone(), woken }
    }

    /// Reads updates and wakes the requests they concern, until none has waited for a while.
    async fn read(self) {
        while let Some(generation) = self.wanted() {
            let followed = match self.views.updates(&generation).await {
                Ok(updates) => {
                    lock(&self.table).wake(&Update::Missed); // From before the reading began.
                    self.follow(&generation, updates).await
                }
                Err(failure) => Err(failure),
            };
            if let Err(failure) = followed {
                tracing::warn!(%failure, "changes of the views are not told; looking for them");
                tokio::time::sleep(RECONNECT_DELAY).await;
                if let Err(failure) = self.sweep(&generation).await {
                    tracing::debug!(%failure, "looking at the views that requests wait for");
                }
            }
        }
    }

    async fn follow(
        &self,
        generation: &GenerationId,
        mut updates: Box<dyn Updates>,
    ) -> kernel::Result<()> {
        let mut swept = Instant::now();
        while self.is_wanted(generation) {
            let news = updates.next().await?;
            {
                let table = lock(&self.table);
                news.iter().for_each(|update| table.wake(update));
            }
            if swept.elapsed() >= SWEEP_INTERVAL {
                swept = Instant::now();
                self.sweep(generation).await?;
            }
        }
        Ok(())
    }

    /// Looks at all that is waited for, and wakes the requests that it concerns.
    async fn sweep(&self, generation: &GenerationId) -> kernel::Result<()> {
        let streams: Vec<StreamName> = lock(&self.table).streams.keys().cloned().collect();
        for page in streams.chunks(SWEEP_PAGE) {
            let mut batch = Batch::new();
            let (versions, notes) = (batch.versions(page.to_vec()), batch.parked(page.to_vec()));
            let Reading { live, mut answers, .. } = self.views.read(generation, &batch).await?;
            let (versions, notes) = (answers.take(versions)?, answers.take(notes)?);
            let table = lock(&self.table);
            if live.as_ref() != Some(generation) {
                table.wake(&Update::Missed); // Another generation is live: the requests look there.
                return Ok(());
            }
            for ((stream, version), note) in page.iter().zip(versions).zip(notes) {
                table.wake(&Update::Applied(stream.clone(), version));
                if note.is_some() {
                    table.wake(&Update::Parked(stream.clone()));
                }
            }
        }
        let live = self.views.read(generation, &Batch::new()).await?.live;
        let checkpoint = self.views.checkpoint(generation).await?;
        let table = lock(&self.table);
        match checkpoint.filter(|_| live.as_ref() == Some(generation)) {
            Some(checkpoint) => table.wake(&Update::Checkpoint(checkpoint)),
            None => table.wake(&Update::Missed),
        }
        Ok(())
    }

    /// The generation to read; ends the reading when there is none.
    fn wanted(&self) -> Option<GenerationId> {
        let mut table = lock(&self.table);
        let wanted = table.is_wanted().then(|| table.generation.clone()).flatten();
        table.is_read = wanted.is_some();
        wanted
    }

    fn is_wanted(&self, generation: &GenerationId) -> bool {
        let table = lock(&self.table);
        table.generation.as_ref() == Some(generation) && table.is_wanted()
    }
}

impl Table {
    fn is_wanted(&self) -> bool {
        let recently = || self.wanted.is_some_and(|wanted| wanted.elapsed() < READER_LINGER);
        !self.streams.is_empty() || !self.checkpoint.is_empty() || recently()
    }

    fn wake(&self, update: &Update) {
        let of = |stream| self.streams.get(stream).map_or(&[][..], Vec::as_slice);
        match update {
            Update::Applied(stream, version) => wake_up_to(of(stream), *version),
            Update::Parked(stream) => wake_up_to(of(stream), Version::MAX),
            Update::Checkpoint(position) => wake_up_to(&self.checkpoint, *position),
            Update::Missed => {
                let all = self.streams.values().chain([&self.checkpoint]);
                all.for_each(|waiting| wake_up_to(waiting, i64::MAX));
            }
        }
    }

    fn leave(&mut self, seen: &Seen, woken: &Arc<Notify>) {
        let others = |(_, one): &(i64, Arc<Notify>)| !Arc::ptr_eq(one, woken);
        let Seen::Streams(streams) = seen else { return self.checkpoint.retain(others) };
        for (stream, _) in streams {
            if let Some(waiting) = self.streams.get_mut(stream) {
                waiting.retain(others);
                if waiting.is_empty() {
                    self.streams.remove(stream);
                }
            }
        }
    }
}

fn wake_up_to(waiting: &[(i64, Arc<Notify>)], reached: i64) {
    let there = waiting.iter().filter(|(wanted, _)| *wanted <= reached);
    there.for_each(|(_, one)| one.notify_one());
}

impl Waiter {
    /// Returns after a change, at the latest at `until`; now and then without either.
    pub async fn changed(&self, until: Instant) {
        let until = until.min(Instant::now() + WAITER_POLL_INTERVAL);
        drop(tokio::time::timeout_at(until, self.woken.notified()).await);
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        lock(&self.table).leave(&self.seen, &self.woken);
    }
}
