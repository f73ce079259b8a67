//! Views for a negative control: two workers always meet between reading and writing, and the
//! guard that keeps a change from applying twice can be taken off.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use kernel::Result;
use kernel::log::StreamName;
use kernel::projection::{Change, Stored};
use shared::view_store::memory::Memory;
use shared::view_store::{Applied, GenerationId, ViewStore};
use tokio::sync::Barrier;

use crate::view_decorator::{ViewDecorator, ViewHooks};

pub struct Meeting {
    guarded: bool,
    barrier: Barrier,
    loads: AtomicUsize,
}

impl Meeting {
    pub fn over_memory(guarded: bool) -> Arc<ViewDecorator<Self>> {
        let (barrier, loads) = (Barrier::new(2), AtomicUsize::new(0));
        ViewDecorator::over(Arc::new(Memory::default()), Self { guarded, barrier, loads })
    }
}

#[async_trait]
impl ViewHooks for Meeting {
    /// The first two loads wait for each other.
    async fn load(
        &self,
        views: &dyn ViewStore,
        generation: &GenerationId,
        streams: &[&StreamName],
    ) -> Result<Vec<Option<Stored>>> {
        let loaded = views.load(generation, streams).await;
        if self.loads.fetch_add(1, Ordering::SeqCst) < 2 {
            self.barrier.wait().await;
        }
        loaded
    }

    async fn apply(
        &self,
        views: &dyn ViewStore,
        generation: &GenerationId,
        changes: &[Change],
    ) -> Result<Vec<Applied>> {
        if self.guarded {
            return views.apply(generation, changes).await;
        }
        let mut outcomes = vec![];
        for change in changes {
            let stored = views.load(generation, &[&change.stream]).await?.pop().flatten();
            let base = stored.map_or(0, |stored| stored.version);
            let blindly = Change { base, ..change.clone() };
            outcomes.extend(views.apply(generation, &[blindly]).await?);
        }
        Ok(outcomes)
    }
}
