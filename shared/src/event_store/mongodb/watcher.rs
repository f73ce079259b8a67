//! Tells appends of other processes while the log is at rest, by a change stream
//! (<https://www.mongodb.com/docs/manual/changeStreams/>). While the log is written to there is none: it
//! would bring every commit once more, and cost the server more than looking for them.

use std::time::Duration;

use futures::TryStreamExt as _;
use kernel::{Failure, Result};
use mongodb::Collection;
use mongodb::bson::{Document, doc};
use tokio::task::JoinHandle;

use super::document::CommitDocument;
use super::failure;
use crate::event_store::append_notifier::{AppendNotifier, REST};
use crate::service::backoff::Backoff;

/// How long the server holds a request for changes before it answers that there are none.
const MAX_AWAIT: Duration = Duration::from_secs(10);

/// Between two looks whether this process appended itself.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// The task that watches. It ends with this.
#[derive(Debug)]
pub struct Watcher(JoinHandle<()>);

impl Watcher {
    pub fn start(commits: Collection<CommitDocument>, notifier: AppendNotifier) -> Self {
        Self(tokio::spawn(watch(commits, notifier)))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn watch(commits: Collection<CommitDocument>, notifier: AppendNotifier) {
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
    loop {
        tokio::time::sleep(REST.saturating_sub(notifier.rested()).max(CHECK_INTERVAL)).await;
        if notifier.rested() < REST {
            continue;
        }
        match until_append(&commits, &notifier).await {
            Ok(()) => backoff.reset(),
            Err(failure) => {
                tracing::debug!(%failure, "appends of other processes are not told");
                backoff.sleep().await;
            }
        }
        notifier.tell_others(false);
    }
}

/// Returns after the next append of any process.
async fn until_append(
    commits: &Collection<CommitDocument>,
    notifier: &AppendNotifier,
) -> Result<()> {
    let what = "watching the log";
    let inserts =
        [doc! { "$match": { "operationType": "insert" } }, doc! { "$project": { "_id": 1 } }];
    let changes = commits.clone_with_type::<Document>();
    let changes = changes.watch().pipeline(inserts).max_await_time(MAX_AWAIT);
    let mut changes = changes.await.map_err(failure(what))?.with_type::<Document>();
    // A task of its own: the driver's futures may not be dropped half-way. It ends at the next append.
    let mut change = tokio::spawn(async move { changes.try_next().await.map(drop) });
    // From here on appends are told; those that came before are looked for once more.
    notifier.tell_others(true);
    notifier.wake();
    while notifier.rested() >= REST {
        tokio::select! {
            change = &mut change => {
                change.map_err(|error| Failure::transient(what, error))?.map_err(failure(what))?;
                notifier.notify();
            }
            () = tokio::time::sleep(CHECK_INTERVAL) => {}
        }
    }
    Ok(())
}
