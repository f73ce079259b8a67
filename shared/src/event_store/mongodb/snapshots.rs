//! Snapshots, in a collection of their own. They carry the id of their log: one that outlived
//! its log says nothing of the log that is there now.

use std::sync::atomic::Ordering;

use futures::TryStreamExt as _;
use kernel::log::{Position, StreamName, Version};
use kernel::{Result, Timestamp};
use mongodb::bson::{DateTime, doc};
use serde::{Deserialize, Serialize};

use super::connect::is_duplicate;
use super::{MongoDb, failure};
use crate::event_store::{SNAPSHOT_BYTES, Snapshot};

/// Snapshots that a cursor fetches at a time at most.
const PAGE: usize = 1_000;
/// At least, however large they are, and as long as it is not known how large they are.
const SMALL_PAGE: usize = 4;

/// Snapshots that a cursor fetches at a time where they usually have so many bytes (0: not known): the
/// driver has all of these in memory, also those that are not taken any more. MongoDB ends a page at 16 MiB.
fn page(usual: usize) -> u32 {
    let fit = SNAPSHOT_BYTES.checked_div(usual).unwrap_or(SMALL_PAGE);
    u32::try_from(fit.clamp(SMALL_PAGE, PAGE)).unwrap_or(u32::MAX)
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SnapshotDocument {
    /// The stream.
    _id: String,
    log: String,
    kind: String,
    version: Version,
    position: Position,
    at: DateTime,
    /// JSON.
    state: String,
}

impl From<SnapshotDocument> for Snapshot {
    fn from(document: SnapshotDocument) -> Self {
        Self {
            stream: StreamName::stored(document._id),
            kind: document.kind,
            version: document.version,
            position: document.position,
            at: Timestamp::from_millis(document.at.timestamp_millis()),
            state: document.state,
        }
    }
}

impl MongoDb {
    pub(super) async fn find_snapshots(
        &self,
        kind: &str,
        streams: &[StreamName],
    ) -> Result<Vec<Snapshot>> {
        let what = "reading snapshots";
        let log = self.known_log().await?;
        let names: Vec<&str> = streams.iter().map(|stream| stream.as_str()).collect();
        let filter = doc! { "_id": { "$in": names }, "log": log.as_str(), "kind": kind };
        let find = self.snapshots.find(filter).sort(doc! { "_id": 1 });
        let find = find.batch_size(page(self.snapshot_bytes.load(Ordering::Relaxed)));
        let mut cursor = find.await.map_err(failure(what))?;
        let (mut found, mut bytes) = (vec![], 0_usize);
        while bytes < SNAPSHOT_BYTES
            && let Some(document) = cursor.try_next().await.map_err(failure(what))?
        {
            bytes += document.state.len();
            found.push(Snapshot::from(document));
        }
        if let Some(usual) = bytes.checked_div(found.len()) {
            self.snapshot_bytes.store(usual, Ordering::Relaxed);
        }
        Ok(found)
    }

    pub(super) async fn replace_snapshot(&self, snapshot: Snapshot) -> Result<()> {
        let what = "keeping a snapshot";
        let log = self.known_log().await?;
        let document = SnapshotDocument {
            _id: snapshot.stream.as_str().to_owned(),
            log: log.as_str().to_owned(),
            kind: snapshot.kind,
            version: snapshot.version,
            position: snapshot.position,
            at: DateTime::from_millis(snapshot.at.as_millis()),
            state: snapshot.state,
        };
        let older = doc! { "_id": &document._id, "$or": [
            { "log": { "$ne": &document.log } },
            { "kind": { "$ne": &document.kind } },
            { "version": { "$lt": document.version } },
        ] };
        match self.snapshots.replace_one(older, &document).upsert(true).await {
            Err(error) if is_duplicate(&error) => Ok(()), // A later one is there.
            kept => kept.map(|_| ()).map_err(failure(what)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_about_as_large_as_a_read() {
        assert_eq!([0, 1 << 20, 64 << 20].map(page), [4; 3]);
        assert_eq!([64 << 10, 1 << 10, 1].map(page), [64, 1_000, 1_000]);
    }
}
