//! How updates are read for all streams of events.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use kernel::{Failure, Result};
use query_api::live::Bounds;
use shared::view_store::{GenerationId, Place, Reached, Update, Updates, ViewStore};
use tests::orders::stream;
use tests::view_decorator::ViewHooks;
use tokio::sync::Notify;

use super::Subject;

/// Updates that are lost when it is told so.
pub(super) struct Losing {
    pub updates: Box<dyn Updates>,
    pub lost: Arc<Notify>,
}

#[async_trait]
impl Updates for Losing {
    async fn next(&mut self) -> Result<Vec<Update>> {
        tokio::select! {
            biased;
            () = self.lost.notified() => Err(Failure::transient("following", "it is lost")),
            news = self.updates.next() => news,
        }
    }

    fn place(&self) -> Place {
        self.updates.place()
    }
}

/// Views whose reader loses its connection when it is told so. Once they are silent, no look at how far
/// they are is answered.
#[derive(Default)]
struct Lossy {
    lost: Arc<Notify>,
    is_silent: AtomicBool,
}

#[async_trait]
impl ViewHooks for Lossy {
    async fn updates(
        &self,
        views: &dyn ViewStore,
        generation: &GenerationId,
    ) -> Result<Box<dyn Updates>> {
        let updates = views.updates(generation).await?;
        Ok(Box::new(Losing { updates, lost: self.lost.clone() }))
    }

    async fn reached(&self, views: &dyn ViewStore, generation: &GenerationId) -> Result<Reached> {
        match self.is_silent.load(Ordering::SeqCst) {
            true => std::future::pending().await,
            false => views.reached(generation).await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn lost_updates_are_read_again_although_looks_for_requests_are_not_answered() {
    let (subject, views) = Subject::hooked(Lossy::default(), Bounds::default()).await;
    let (mut client, changed) = (subject.open(&[], None).await, stream());
    views.hooks.is_silent.store(true, Ordering::SeqCst);
    views.hooks.lost.notify_one();
    subject.change(&changed, 1, "x", "created").await;
    assert_eq!(client.views().await, [(changed, 1)]);
}
