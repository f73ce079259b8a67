//! A log whose inserts go wrong on demand; everything else is the real adapter beneath.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use shared::event_store::{EventStore, Inserted, Snapshot};
use shared::log::{Commit, Entry, LogId, Position, StreamName, Version};
use shared::signal::Signal;
use shared::{Failure, Result};

/// What happens to the next insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is written; the caller is not told so.
    LostBefore,
    /// It is written; the caller is not told so.
    LostAfter,
    /// It arrives only after the tombstone that was sent behind it.
    Late,
    /// A stranger has taken the position just before.
    PositionTaken,
}

pub struct Faulty {
    store: Arc<dyn EventStore>,
    faults: Mutex<VecDeque<Fault>>,
    late: Mutex<Vec<Entry>>,
    /// What became of inserts that came late.
    pub late_outcomes: Mutex<Vec<Inserted>>,
}

impl Faulty {
    pub fn new(store: Arc<dyn EventStore>, faults: &[Fault]) -> Arc<Self> {
        let faults = Mutex::new(faults.iter().copied().collect());
        Arc::new(Self { store, faults, late: Mutex::default(), late_outcomes: Mutex::default() })
    }

    pub fn is_spent(&self) -> bool {
        self.faults.lock().unwrap().is_empty()
    }

    fn lost() -> Failure {
        Failure::transient("appending to the log", "the connection was lost")
    }
}

#[async_trait]
impl EventStore for Faulty {
    async fn log_id(&self) -> Result<LogId> {
        self.store.log_id().await
    }

    async fn draw(&self, count: usize) -> Result<Range<Position>> {
        self.store.draw(count).await
    }

    async fn raise_counter(&self) -> Result<()> {
        self.store.raise_counter().await
    }

    async fn insert(&self, entries: &[Entry]) -> Result<Vec<Inserted>> {
        let fault = self.faults.lock().unwrap().pop_front();
        match fault {
            None => {
                let outcomes = self.store.insert(entries).await?;
                let late = std::mem::take(&mut *self.late.lock().unwrap());
                if !late.is_empty() {
                    let arrived = self.store.insert(&late).await?;
                    self.late_outcomes.lock().unwrap().extend(arrived);
                }
                Ok(outcomes)
            }
            Some(Fault::LostBefore) => Err(Self::lost()),
            Some(Fault::LostAfter) => {
                self.store.insert(entries).await?;
                Err(Self::lost())
            }
            Some(Fault::Late) => {
                self.late.lock().unwrap().extend_from_slice(entries);
                Err(Self::lost())
            }
            Some(Fault::PositionTaken) => {
                let taken: Vec<Entry> =
                    entries.iter().map(|entry| Entry::Tombstone(entry.position())).collect();
                self.store.insert(&taken).await?;
                self.store.insert(entries).await
            }
        }
    }

    async fn at(&self, positions: &[Position]) -> Result<Vec<Entry>> {
        self.store.at(positions).await
    }

    async fn by_key(&self, keys: &[&str]) -> Result<Vec<Commit>> {
        self.store.by_key(keys).await
    }

    async fn streams(&self, above: &[(&StreamName, Version)]) -> Result<Vec<Commit>> {
        self.store.streams(above).await
    }

    async fn read(&self, after: Position, limit: usize) -> Result<Vec<Entry>> {
        self.store.read(after, limit).await
    }

    async fn head(&self) -> Result<Position> {
        self.store.head().await
    }

    async fn snapshots(&self, kind: &str, streams: &[&StreamName]) -> Result<Vec<Snapshot>> {
        self.store.snapshots(kind, streams).await
    }

    async fn keep(&self, snapshot: Snapshot) -> Result<()> {
        self.store.keep(snapshot).await
    }

    async fn renew(&self) -> Result<LogId> {
        self.store.renew().await
    }

    fn signal(&self) -> &Signal {
        self.store.signal()
    }
}
