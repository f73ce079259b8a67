//! Snapshots, in a collection of their own. They carry the id of their log: one that outlived
//! its log says nothing of the log that is there now.

use futures::TryStreamExt as _;
use kernel::log::{Position, StreamName, Version};
use kernel::{Result, Timestamp};
use mongodb::bson::{DateTime, doc};
use serde::{Deserialize, Serialize};

use super::connect::is_duplicate;
use super::{MongoDb, failure};
use crate::event_store::{SNAPSHOT_BYTES, Snapshot};

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
        let mut cursor = find.await.map_err(failure(what))?;
        let (mut found, mut bytes) = (vec![], 0);
        while bytes < SNAPSHOT_BYTES
            && let Some(document) = cursor.try_next().await.map_err(failure(what))?
        {
            bytes += document.state.len();
            found.push(Snapshot::from(document));
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
