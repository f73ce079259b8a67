//! Follows the log from a position.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kernel::Result;
use kernel::log::{Position, Recorded, Run};

use super::{Feed, Feeds};
use crate::event_store::EventStore;
use crate::event_store::append_notifier::AppendSubscriber;
use crate::messaging::dead_letter::{DeadLetter, DeadLetterPage, LookError};
use crate::view_store::{Generation, GenerationId};

/// Commits read at a time.
const PAGE: usize = 1_000;
/// The longest wait for an append.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// A place in the log, and the reading from there on. Waits at holes.
pub struct Cursor {
    store: Arc<dyn EventStore>,
    appended: AppendSubscriber,
    position: Position,
    /// Read, and not yet handed out.
    waiting: VecDeque<Recorded>,
}

impl Cursor {
    /// Follows the log behind `after`.
    pub fn new(store: Arc<dyn EventStore>, after: Position) -> Self {
        let appended = store.append_notifier().subscribe();
        Self { store, appended, position: after, waiting: VecDeque::new() }
    }

    /// The last position of the runs so far.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The next run, empty when there is nothing more for now.
    pub async fn next_run(&mut self) -> Result<Run> {
        let entries = match self.store.own_entries(self.position, PAGE) {
            own if !own.is_empty() => own,
            own if self.store.is_appending(self.position + 1) => own, // The append notifies.
            _ => self.store.read(self.position, PAGE).await?,
        };
        let run = Run::take(self.position, entries);
        if run.to > self.position {
            self.appended.found();
        }
        self.position = run.to;
        Ok(run)
    }

    /// Waits until there may be more.
    pub async fn wait(&mut self) {
        self.appended.wait(MAX_WAIT).await;
    }
}

#[async_trait]
impl Feed for Cursor {
    async fn next(&mut self, limit: usize) -> Result<Vec<Recorded>> {
        while self.waiting.is_empty() {
            let run = self.next_run().await?;
            self.waiting.extend(run.commits.iter().flat_map(|commit| commit.recorded()));
            if self.waiting.is_empty() {
                self.wait().await;
            }
        }
        let ready = limit.clamp(1, self.waiting.len());
        Ok(self.waiting.drain(..ready).collect())
    }

    async fn ack(&mut self) -> Result<()> {
        Ok(()) // Nothing to store: a new cursor starts at the position that it is given.
    }
}

/// Feeds that are cursors: the log keeps everything anyway, and all of it is events.
pub struct Cursors(pub Arc<dyn EventStore>);

#[async_trait]
impl Feeds for Cursors {
    async fn open(&self, _: &Generation) -> Result<()> {
        Ok(())
    }

    async fn subscribe(&self, _: &Generation, applied: Position) -> Result<Box<dyn Feed>> {
        Ok(Box::new(Cursor::new(self.0.clone(), applied)))
    }

    async fn waiting(&self, _: &Generation) -> Result<Option<u32>> {
        Ok(None)
    }

    async fn close(&self, _: &GenerationId) -> Result<()> {
        Ok(())
    }

    async fn opened(&self) -> Result<Vec<GenerationId>> {
        Ok(vec![]) // A cursor leaves nothing behind.
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
        Ok(Some(0))
    }
}
