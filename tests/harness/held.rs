//! A log whose inserts hang until they are let go.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use kernel::Result;
use kernel::log::Entry;
use shared::event_store::{EventStore, Inserted, NotInserted};
use tokio::sync::watch;

use crate::decorator::{Decorator, Hooks};
use crate::until;

pub struct Held {
    released: watch::Sender<bool>,
    /// Entries of each insert that was begun.
    pub inserts: Mutex<Vec<usize>>,
}

impl Held {
    pub fn over(store: Arc<dyn EventStore>) -> Arc<Decorator<Self>> {
        Decorator::over(
            store,
            Self { released: watch::channel(false).0, inserts: Mutex::default() },
        )
    }

    /// So many inserts were begun.
    pub async fn until_begun(&self, count: usize) {
        until("an insert hangs", || async {
            (self.inserts.lock().unwrap().len() >= count).then_some(())
        })
        .await;
    }

    pub fn release(&self) {
        self.released.send_replace(true);
    }
}

#[async_trait]
impl Hooks for Held {
    async fn insert(
        &self,
        store: &dyn EventStore,
        entries: &[Entry],
    ) -> Result<Vec<Inserted>, NotInserted> {
        self.inserts.lock().unwrap().push(entries.len());
        let mut released = self.released.subscribe();
        released.wait_for(|released| *released).await.unwrap();
        store.insert(entries).await
    }
}
