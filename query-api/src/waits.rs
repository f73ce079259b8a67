//! Waiting for views to change, without asking again and again: one reader of the updates for the
//! whole process, which works while somebody waits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shared::log::StreamName;
use shared::view_store::{GenerationId, Update, Updates, ViewStore};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Updates may be missed: whoever waits looks so often all the same.
const LOOK: Duration = Duration::from_millis(250);
/// Before the reader tries again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the reader outlives the last who waited.
const LINGER: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub struct Waits {
    views: Arc<dyn ViewStore>,
    table: Arc<Mutex<Table>>,
}

#[derive(Default)]
struct Table {
    /// Of the latest who came to wait.
    generation: Option<GenerationId>,
    is_read: bool,
    /// When somebody waited last.
    wanted: Option<Instant>,
    streams: HashMap<StreamName, Vec<Arc<Notify>>>,
    /// Those who wait for the checkpoint.
    checkpoint: Vec<Arc<Notify>>,
}

/// A place among those who wait; given up when it is dropped.
pub struct Place {
    table: Arc<Mutex<Table>>,
    streams: Vec<StreamName>,
    woken: Arc<Notify>,
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Waits {
    pub fn new(views: Arc<dyn ViewStore>) -> Self {
        Self { views, table: Arc::default() }
    }

    /// Waits for changes of these streams; for the checkpoint, without any. Look once more after
    /// this: what changed before is not told.
    pub fn join(&self, generation: &GenerationId, streams: Vec<StreamName>) -> Place {
        let woken = Arc::new(Notify::new());
        let mut table = lock(&self.table);
        for stream in &streams {
            table.streams.entry(stream.clone()).or_default().push(woken.clone());
        }
        if streams.is_empty() {
            table.checkpoint.push(woken.clone());
        }
        table.wanted = Some(Instant::now());
        table.generation = Some(generation.clone());
        if !std::mem::replace(&mut table.is_read, true) {
            tokio::spawn(self.clone().read());
        }
        Place { table: self.table.clone(), streams, woken }
    }

    /// Reads updates and wakes whom they concern, until nobody has waited for a while.
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
                tracing::warn!(%failure, "whoever waits for the views is not told, and looks");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn follow(
        &self,
        generation: &GenerationId,
        mut updates: Box<dyn Updates>,
    ) -> shared::Result<()> {
        while self.is_wanted(generation) {
            let news = updates.next().await?;
            let mut table = lock(&self.table);
            news.iter().for_each(|update| table.wake(update));
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
        let recently = || self.wanted.is_some_and(|wanted| wanted.elapsed() < LINGER);
        !self.streams.is_empty() || !self.checkpoint.is_empty() || recently()
    }

    fn wake(&mut self, update: &Update) {
        let all = |waiting: &[Arc<Notify>]| waiting.iter().for_each(|one| one.notify_one());
        match update {
            Update::Applied(stream, _) | Update::Parked(stream) => {
                all(self.streams.get(stream).map_or(&[], Vec::as_slice));
            }
            Update::Checkpoint(_) => all(&self.checkpoint),
            Update::Missed => {
                self.streams.values().for_each(|waiting| all(waiting));
                all(&self.checkpoint);
            }
        }
    }

    fn leave(&mut self, streams: &[StreamName], woken: &Arc<Notify>) {
        let others = |one: &Arc<Notify>| !Arc::ptr_eq(one, woken);
        for stream in streams {
            if let Some(waiting) = self.streams.get_mut(stream) {
                waiting.retain(others);
                if waiting.is_empty() {
                    self.streams.remove(stream);
                }
            }
        }
        self.checkpoint.retain(others);
    }
}

impl Place {
    /// Returns after a change, at the latest at `until`; now and then without either.
    pub async fn changed(&self, until: Instant) {
        let until = until.min(Instant::now() + LOOK);
        drop(tokio::time::timeout_at(until, self.woken.notified()).await);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.table).leave(&self.streams, &self.woken);
    }
}
