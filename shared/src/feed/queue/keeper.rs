//! Keeps what is no event, beside the events: an alarm of the broker may hold it up for long.

use std::collections::BTreeSet;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::PREFETCH;
use crate::messaging::rabbitmq::{DeadLetterPublisher, Delivery};
use crate::service::backoff::Backoff;

/// Ends with its guard; what it has not kept by then is delivered again.
pub struct Keeper {
    /// Deliveries that are not kept, or kept and not acknowledged yet.
    keeping: BTreeSet<u64>,
    wanted: mpsc::Sender<(Delivery, String)>,
    kept: mpsc::Receiver<u64>,
    task: JoinHandle<()>,
}

impl Keeper {
    pub fn start(publisher: DeadLetterPublisher, from: String) -> Self {
        // No more are unacknowledged at a time, so neither is ever full.
        let (wanted, unkept) = mpsc::channel(usize::from(PREFETCH));
        let (told, kept) = mpsc::channel(usize::from(PREFETCH));
        let task = tokio::spawn(keep(publisher, from, unkept, told));
        Self { keeping: BTreeSet::new(), wanted, kept, task }
    }

    pub fn keep(&mut self, delivery: Delivery, reason: String) {
        let tag = delivery.tag;
        self.keeping.insert(tag);
        if self.wanted.try_send((delivery, reason)).is_err() {
            // It stays unacknowledged, and is delivered again once this consumer ends.
            tracing::error!(tag, "a message that is no event could not be kept");
        }
    }

    /// The next delivery that was kept, to be acknowledged. May be dropped while it waits.
    pub async fn kept(&mut self) -> Option<u64> {
        let tag = self.kept.recv().await?;
        self.keeping.remove(&tag);
        Some(tag)
    }

    pub fn is_keeping_before(&self, tag: u64) -> bool {
        self.keeping.first().is_some_and(|first| *first < tag)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(
    mut publisher: DeadLetterPublisher,
    from: String,
    mut unkept: mpsc::Receiver<(Delivery, String)>,
    told: mpsc::Sender<u64>,
) {
    while let Some((Delivery { tag, body }, reason)) = unkept.recv().await {
        let mut backoff = Backoff::for_servers();
        while let Err(failure) = publisher.keep(&body, &reason, &from).await {
            tracing::warn!(%failure, "a message that is no event is not kept yet");
            backoff.sleep().await;
        }
        if told.send(tag).await.is_err() {
            return;
        }
    }
}
