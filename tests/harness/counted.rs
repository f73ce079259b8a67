//! A log that counts the commits which are read to know a stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use kernel::Result;
use kernel::log::{StreamName, Version};
use shared::event_store::{EventStore, Part};

use crate::decorator::{Decorator, Hooks};

#[derive(Default)]
pub struct Counted(AtomicUsize);

impl Counted {
    pub fn over(store: Arc<dyn EventStore>) -> Arc<Decorator<Self>> {
        Decorator::over(store, Self::default())
    }

    /// How many were read since this was asked last.
    pub fn take(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

#[async_trait]
impl Hooks for Counted {
    async fn read_streams(
        &self,
        store: &dyn EventStore,
        above: &[(&StreamName, Version)],
    ) -> Result<Part> {
        let found = store.read_streams(above).await?;
        self.0.fetch_add(found.commits.len(), Ordering::SeqCst);
        Ok(found)
    }
}
