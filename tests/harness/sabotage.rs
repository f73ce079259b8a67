//! Logs that break one rule, for negative controls.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use kernel::Result;
use kernel::log::{Commit, Entry, StreamName, Version};
use mongodb::Collection;
use mongodb::bson::{DateTime, Document, doc, serialize_to_bson};
use shared::event_store::{EventStore, Inserted, NotInserted, Part};
use tokio::sync::Notify;

use crate::decorator::Hooks;
use crate::until;

/// What is wrong with a writer that freezes.
pub enum Flaw {
    Nothing,
    /// It says that it has written before it has.
    TellsEarly,
    /// It writes at its position whatever stands there.
    Overwrites(Collection<Document>),
}

/// The first insert freezes on its way to the log.
pub struct Frozen {
    flaw: Flaw,
    frozen: AtomicBool,
    thawed: Notify,
    /// What was told to be written, and is not.
    held: Mutex<Vec<Entry>>,
}

impl Frozen {
    pub fn new(flaw: Flaw) -> Self {
        Self { flaw, frozen: AtomicBool::new(false), thawed: Notify::new(), held: Mutex::default() }
    }

    /// The first insert is on its way, and has its positions.
    pub async fn until_frozen(&self) {
        until("an insert is frozen", || async { self.frozen.load(Ordering::SeqCst).then_some(()) })
            .await;
    }

    /// Lets it go on.
    pub async fn thaw(&self, store: &dyn EventStore) {
        self.thawed.notify_one();
        let held = std::mem::take(&mut *self.held.lock().unwrap());
        if !held.is_empty() {
            store.insert(&held).await.expect("the log is there");
        }
    }
}

#[async_trait]
impl Hooks for Frozen {
    async fn insert(
        &self,
        store: &dyn EventStore,
        entries: &[Entry],
    ) -> Result<Vec<Inserted>, NotInserted> {
        if self.frozen.load(Ordering::SeqCst) {
            return store.insert(entries).await;
        }
        if matches!(self.flaw, Flaw::TellsEarly) {
            self.held.lock().unwrap().extend_from_slice(entries);
        }
        self.frozen.store(true, Ordering::SeqCst);
        match &self.flaw {
            Flaw::TellsEarly => Ok(vec![Inserted::Written; entries.len()]),
            Flaw::Nothing => {
                self.thawed.notified().await;
                store.insert(entries).await
            }
            Flaw::Overwrites(commits) => {
                self.thawed.notified().await;
                for commit in entries.iter().cloned().filter_map(Entry::into_commit) {
                    overwrite(commits, &commit).await;
                }
                Ok(vec![Inserted::Written; entries.len()])
            }
        }
    }
}

/// Without the check that a unique `_id` is.
async fn overwrite(commits: &Collection<Document>, commit: &Commit) {
    // By way of JSON: ids of events are stored as text.
    let events = serde_json::to_value(&commit.events).expect("JSON");
    let mut document = doc! {
        "_id": commit.position,
        "stream": commit.stream.as_str(),
        "from": commit.from,
        "to": commit.to,
        "events": serialize_to_bson(&events).expect("BSON"),
        "at": DateTime::from_millis(commit.at.as_millis()),
        "meta": serialize_to_bson(&commit.meta).expect("BSON"),

        "fingerprint": commit.fingerprint.as_str(),
    };
    if let Some(key) = &commit.key {
        document.insert("key", key);
    }
    let there = doc! { "_id": commit.position };
    let replaced = commits.replace_one(there, document).await.expect("MongoDB is there");
    assert_eq!(replaced.matched_count, 1, "nothing stands at position {}", commit.position);
}

/// Reads of streams answer from what this process read first and wrote since.
#[derive(Default)]
pub struct Remembering {
    seen: Mutex<HashMap<StreamName, Vec<Commit>>>,
}

#[async_trait]
impl Hooks for Remembering {
    async fn insert(
        &self,
        store: &dyn EventStore,
        entries: &[Entry],
    ) -> Result<Vec<Inserted>, NotInserted> {
        let outcomes = store.insert(entries).await?;
        let mut seen = self.seen.lock().unwrap();
        for (entry, outcome) in entries.iter().zip(&outcomes) {
            let (Entry::Commit(commit), Inserted::Written) = (entry, outcome) else { continue };
            if commit.from == 1 {
                seen.insert(commit.stream.clone(), vec![commit.clone()]);
            } else if let Some(commits) = seen.get_mut(&commit.stream) {
                commits.push(commit.clone());
            }
        }
        Ok(outcomes)
    }

    async fn read_streams(
        &self,
        store: &dyn EventStore,
        above: &[(&StreamName, Version)],
    ) -> Result<Part> {
        for (stream, _) in above {
            if !self.seen.lock().unwrap().contains_key(*stream) {
                let commits = store.read_streams(&[(*stream, 0)]).await?.commits;
                self.seen.lock().unwrap().insert((*stream).clone(), commits);
            }
        }
        let seen = self.seen.lock().unwrap();
        let asked = above.iter().flat_map(|(stream, version)| {
            seen[*stream].iter().filter(|commit| commit.to > *version).cloned()
        });
        Ok(Part { commits: asked.collect(), complete: true })
    }
}
