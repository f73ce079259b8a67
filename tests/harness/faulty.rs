//! A log whose inserts go wrong on demand.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use kernel::log::Entry;
use kernel::{Failure, Result};
use shared::event_store::{EventStore, Inserted, NotInserted};

use crate::decorator::{Decorator, Hooks};

/// What happens to the next insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is written; the caller is not told so.
    LostBefore,
    /// It is written; the caller is not told so.
    LostAfter,
    /// Nothing is written, and the log can't be used.
    Broken,
    /// It arrives only after the tombstone that was sent behind it.
    Late,
    /// The first half is written, the other arrives only after the tombstones that were sent behind it;
    /// the caller is told neither.
    LateHalf,
    /// Another writer has taken the positions just before.
    PositionTaken,
    /// Another writer has taken the first position just before.
    FirstTaken,
    /// There is no server to send it to; the caller is told so.
    NeverSent,
}

pub struct Faulty {
    faults: Mutex<VecDeque<Fault>>,
    late: Mutex<Vec<Entry>>,
    /// How many entries each insert had since faults were asked for.
    inserts: Mutex<Vec<usize>>,
    /// What became of inserts that came late.
    pub late_outcomes: Mutex<Vec<Inserted>>,
}

impl Faulty {
    pub fn over(store: Arc<dyn EventStore>, faults: &[Fault]) -> Arc<Decorator<Self>> {
        let faults = Mutex::new(faults.iter().copied().collect());
        let hooks = Self {
            faults,
            late: Mutex::default(),
            inserts: Mutex::default(),
            late_outcomes: Mutex::default(),
        };
        Decorator::over(store, hooks)
    }

    /// What happens to the inserts from now on.
    pub fn fail_with(&self, faults: &[Fault]) {
        self.inserts.lock().unwrap().clear();
        self.faults.lock().unwrap().extend(faults);
    }

    /// How many entries each insert had since then.
    pub fn inserts(&self) -> Vec<usize> {
        self.inserts.lock().unwrap().clone()
    }

    pub fn is_spent(&self) -> bool {
        self.faults.lock().unwrap().is_empty()
    }

    fn lost() -> NotInserted {
        let why = "the connection was lost";
        NotInserted::Unknown(Failure::transient("appending to the log", why))
    }
}

#[async_trait]
impl Hooks for Faulty {
    async fn insert(
        &self,
        store: &dyn EventStore,
        entries: &[Entry],
    ) -> Result<Vec<Inserted>, NotInserted> {
        self.inserts.lock().unwrap().push(entries.len());
        let fault = self.faults.lock().unwrap().pop_front();
        match fault {
            None => {
                let outcomes = store.insert(entries).await?;
                let late = std::mem::take(&mut *self.late.lock().unwrap());
                if !late.is_empty() {
                    let arrived = store.insert(&late).await?;
                    self.late_outcomes.lock().unwrap().extend(arrived);
                }
                Ok(outcomes)
            }
            Some(Fault::NeverSent) => {
                let why = Failure::transient("appending to the log", "no server is there");
                Err(NotInserted::Never(why))
            }
            Some(Fault::LostBefore) => Err(Self::lost()),
            Some(Fault::Broken) => {
                let why = Failure::permanent("appending to the log", "it can't be used");
                Err(NotInserted::Unknown(why))
            }
            Some(Fault::LostAfter) => {
                store.insert(entries).await?;
                Err(Self::lost())
            }
            Some(Fault::Late) => {
                self.late.lock().unwrap().extend_from_slice(entries);
                Err(Self::lost())
            }
            Some(Fault::LateHalf) => {
                let (first, late) = entries.split_at(entries.len() / 2);
                store.insert(first).await?;
                self.late.lock().unwrap().extend_from_slice(late);
                Err(Self::lost())
            }
            Some(fault @ (Fault::PositionTaken | Fault::FirstTaken)) => {
                let count = if fault == Fault::FirstTaken { 1 } else { entries.len() };
                let taken = entries.iter().take(count);
                let taken: Vec<Entry> =
                    taken.map(|entry| Entry::Tombstone(entry.position())).collect();
                store.insert(&taken).await?;
                store.insert(entries).await
            }
        }
    }
}
