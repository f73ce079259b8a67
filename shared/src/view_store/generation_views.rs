//! The views of one generation, as the domain's questions read them.

use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use kernel::log::Position;
use kernel::query::{Error, Views};
use kernel::views::{Answers, Batch};

use super::{GenerationId, Reading, ViewStore};

/// Reads from one generation as long as it is live, and remembers how far what was read goes.
pub struct GenerationViews<'a> {
    store: &'a dyn ViewStore,
    generation: &'a GenerationId,
    applied: AtomicI64,
}

impl<'a> GenerationViews<'a> {
    /// Reads from `generation`; a read fails with `Error::Moved` when another is live.
    pub fn new(store: &'a dyn ViewStore, generation: &'a GenerationId) -> Self {
        Self { store, generation, applied: AtomicI64::new(0) }
    }

    /// Nothing behind this position was in what was read so far.
    pub fn applied(&self) -> Position {
        self.applied.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Views for GenerationViews<'_> {
    async fn read(&self, batch: &Batch) -> Result<Answers, Error> {
        let Reading { live, applied, answers } = self.store.read(self.generation, batch).await?;
        self.applied.fetch_max(applied, Ordering::Relaxed);
        if live.as_ref() == Some(self.generation) { Ok(answers) } else { Err(Error::Moved) }
    }
}
