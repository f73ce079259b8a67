//! Keeps what is no event, beside the events: an alarm of the broker may hold it up for long.

use std::collections::BTreeSet;

use kernel::{Failure, Result};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::PREFETCH;
use crate::messaging::cloud_event::Rejected;
use crate::messaging::rabbitmq::DeadLetterPublisher;
use crate::service::backoff::Backoff;

/// Parts of a delivery.
type Parts = (u64, Vec<Rejected>);

/// Ends with its guard; what it has not kept by then is delivered again.
pub struct Keeper {
    /// Deliveries of which parts are not kept yet.
    keeping: BTreeSet<u64>,
    wanted: mpsc::Sender<Parts>,
    kept: mpsc::Receiver<u64>,
    task: JoinHandle<()>,
}

impl Keeper {
    pub fn start(publisher: DeadLetterPublisher, from: String) -> Self {
        Self::over(|unkept, told| keep(publisher, from, unkept, told))
    }

    fn over<F: Future<Output = ()> + Send + 'static>(
        task: impl FnOnce(mpsc::Receiver<Parts>, mpsc::Sender<u64>) -> F,
    ) -> Self {
        // No more are unacknowledged at a time, so neither is ever full.
        let (wanted, unkept) = mpsc::channel(usize::from(PREFETCH));
        let (told, kept) = mpsc::channel(usize::from(PREFETCH));
        let task = tokio::spawn(task(unkept, told));
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

    /// The next delivery whose parts are all kept. May be dropped while it waits. Fails once no more are kept,
    /// by a fault: the deliveries come again to another keeper.
    pub async fn kept(&mut self) -> Result<u64> {
        let over = || Failure::transient("keeping dead letters", "the task ended by a fault");
        let tag = self.kept.recv().await.ok_or_else(over)?;
        self.keeping.remove(&tag);
        Ok(tag)
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
    mut unkept: mpsc::Receiver<Parts>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_keeper_whose_task_panicked_says_so_after_what_it_has_kept() {
        let mut keeper = Keeper::over(|mut unkept, told| async move {
            let (tag, _) = unkept.recv().await.unwrap();
            told.send(tag).await.unwrap();
            panic!("as a test wants it");
        });
        keeper.keep(7, vec![]);
        assert_eq!(keeper.kept().await.unwrap(), 7);
        assert!(keeper.kept().await.is_err());
    }
}
