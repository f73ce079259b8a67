//! Keeps what is no event, beside the events: an alarm of the broker may hold it up for long.

use std::collections::BTreeSet;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::PREFETCH;
use crate::messaging::cloud_event::Rejected;
use crate::messaging::rabbitmq::DeadLetterPublisher;
use crate::service::backoff::Backoff;

/// Ends with its guard; what it has not kept by then is delivered again.
pub struct Keeper {
    /// Deliveries of which parts are not kept yet.
    keeping: BTreeSet<u64>,
    wanted: mpsc::Sender<(u64, Vec<Rejected>)>,
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

    /// Keeps parts of a delivery, or all of it.
    pub fn keep(&mut self, tag: u64, parts: Vec<Rejected>) {
        self.keeping.insert(tag);
        if self.wanted.try_send((tag, parts)).is_err() {
            // It stays unacknowledged, and is delivered again once this consumer ends.
            tracing::error!(tag, "a message that is no event could not be kept");
        }
    }

    /// The next delivery whose parts are all kept. May be dropped while it waits.
    pub async fn kept(&mut self) -> Option<u64> {
        let tag = self.kept.recv().await?;
        self.keeping.remove(&tag);
        Some(tag)
    }

    /// Whether parts of this delivery, or of one before it, are not kept yet.
    pub fn is_keeping_up_to(&self, tag: u64) -> bool {
        self.keeping.first().is_some_and(|first| *first <= tag)
    }

    /// Whether parts of this delivery are not kept yet.
    pub fn is_keeping(&self, tag: u64) -> bool {
        self.keeping.contains(&tag)
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
    mut unkept: mpsc::Receiver<(u64, Vec<Rejected>)>,
    told: mpsc::Sender<u64>,
) {
    while let Some((tag, parts)) = unkept.recv().await {
        for Rejected { body, reason } in &parts {
            let mut backoff = Backoff::for_servers();
            while let Err(failure) = publisher.keep(body, reason, &from).await {
                tracing::warn!(%failure, "a message that is no event is not kept yet");
                backoff.sleep().await;
            }
        }
        if told.send(tag).await.is_err() {
            return;
        }
    }
}
