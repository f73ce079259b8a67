//! Reading which streams the log goes on with, without events.

use futures::TryStreamExt as _;
use kernel::log::{Position, StreamName, Version};
use kernel::{Failure, Result};
use mongodb::bson::doc;
use serde::Deserialize;

use super::document::NO_STREAM;
use super::{MongoDb, failure};
use crate::event_store::Mark;

pub const READING: &str = "reading positions";

#[derive(Debug, Deserialize)]
struct MarkDocument {
    _id: Position,
    stream: String,
    to: Option<Version>,
}

impl MongoDb {
    pub(super) async fn find_marks(&self, after: Position, limit: usize) -> Result<Vec<Mark>> {
        let commits = self.commits.clone_with_type::<MarkDocument>();
        let found = commits
            .find(doc! { "_id": { "$gt": after.max(0) } })
            .sort(doc! { "_id": 1 })
            .projection(doc! { "_id": 1, "stream": 1, "to": 1 })
            .batch_size(u32::try_from(limit).unwrap_or(u32::MAX))
            .limit(i64::try_from(limit).unwrap_or(i64::MAX));
        let found: Vec<MarkDocument> =
            found.await.map_err(failure(READING))?.try_collect().await.map_err(failure(READING))?;
        found.into_iter().map(Mark::try_from).collect()
    }
}

impl TryFrom<MarkDocument> for Mark {
    type Error = Failure;

    fn try_from(MarkDocument { _id: position, stream, to }: MarkDocument) -> Result<Self> {
        if stream == NO_STREAM {
            return Ok(Self { position, end: None });
        }
        let none = || Failure::permanent(READING, format!("commit {position} has no `to`"));
        Ok(Self { position, end: Some((StreamName::stored(stream), to.ok_or_else(none)?)) })
    }
}
