//! The log in MongoDB: one document per commit, majority + journal.

mod connect;
mod document;
mod guess;
mod identity;
mod relay_state;
mod snapshots;

use std::ops::Range;
use std::sync::Arc;

use ::mongodb::bson::{Bson, RawDocumentBuf, doc};
use ::mongodb::error::{Error, ErrorKind, InsertManyError};
use ::mongodb::options::ReturnDocument;
use ::mongodb::{Collection, Database};
use async_trait::async_trait;
use futures::TryStreamExt as _;
use tokio::sync::Mutex;

use self::document::CommitDocument;
use self::guess::Guess;
use self::identity::Identity;
use super::{EventStore, Inserted, Snapshot};
use crate::log::{Commit, Entry, LogId, MAX_EVENTS, Position, StreamName, Version};
use crate::signal::Signal;
use crate::{Failure, Result};

const DUPLICATE_KEY: i32 = 11000;
/// Documents a cursor fetches at a time: a scan is twice as fast as with the driver's default.
const PAGE: u32 = 1_000;

#[derive(Debug, Clone)]
pub struct MongoDb {
    database: Database,
    /// Majority reads, majority + journal writes.
    commits: Collection<CommitDocument>,
    /// Counter and relay state: a loss of their last write costs nothing but a repetition.
    control: Collection<::mongodb::bson::Document>,
    snapshots: Collection<snapshots::SnapshotDocument>,
    identity: Arc<Identity>,
    guess: Arc<Mutex<Guess>>,
    signal: Signal,
}

fn failure(what: &str) -> impl Fn(Error) -> Failure + '_ {
    move |error| match &*error.kind {
        kind @ (ErrorKind::Authentication { .. } | ErrorKind::InvalidArgument { .. }) => {
            Failure::permanent(what, kind)
        }
        ErrorKind::Command(command) => Failure::transient(what, &command.message),
        kind => Failure::transient(what, kind),
    }
}

/// Lets the driver end what it began, whoever stops waiting: its futures may not be dropped half-way
/// (<https://jira.mongodb.org/browse/RUST-937>).
async fn to_its_end<T: Send + 'static>(
    asked: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    match tokio::spawn(asked).await {
        Ok(answered) => answered,
        Err(error) => Err(Failure::transient("asking MongoDB", error)),
    }
}

impl MongoDb {
    /// Moves the counter up to what is stored: guesses leave it behind.
    async fn move_counter(&self) -> Result<()> {
        let head = self.head().await?;
        self.control
            .update_one(doc! { "_id": "position" }, doc! { "$max": { "last": head } })
            .upsert(true)
            .await
            .map_err(failure("raising the position counter"))?;
        Ok(())
    }

    async fn find(
        &self,
        what: &'static str,
        filter: ::mongodb::bson::Document,
        sort: ::mongodb::bson::Document,
        limit: i64,
    ) -> Result<Vec<Entry>> {
        let commits = self.commits.clone();
        to_its_end(async move {
            let found = commits.find(filter).sort(sort).limit(limit).batch_size(PAGE);
            let documents: Vec<CommitDocument> =
                found.await.map_err(failure(what))?.try_collect().await.map_err(failure(what))?;
            documents.into_iter().map(Entry::try_from).collect()
        })
        .await
    }
}

#[async_trait]
impl EventStore for MongoDb {
    async fn log_id(&self) -> Result<LogId> {
        let this = self.clone();
        to_its_end(async move { this.read_identity().await }).await
    }

    async fn draw(&self, count: usize) -> Result<Range<Position>> {
        let what = "drawing positions";
        let count = count as Position;
        self.check_identity().await?;
        let mut guess = self.guess.lock().await;
        if let Some(first) = guess.take(count) {
            return Ok(first..first + count);
        }
        let counter = self
            .control
            .find_one_and_update(doc! { "_id": "position" }, doc! { "$inc": { "last": count } })
            .upsert(true)
            .return_document(ReturnDocument::After)
            .await
            .map_err(failure(what))?;
        let last = counter.as_ref().and_then(|found| found.get("last")).and_then(Bson::as_i64);
        match last {
            Some(last) => {
                guess.learn(last + 1);
                Ok(last - count + 1..last + 1)
            }
            None => Err(Failure::permanent(what, "the counter holds no 64-bit integer")),
        }
    }

    async fn raise_counter(&self) -> Result<()> {
        self.guess.lock().await.distrust();
        self.move_counter().await
    }

    async fn insert(&self, entries: &[Entry]) -> Result<Vec<Inserted>> {
        let what = "appending to the log";
        let documents =
            entries.iter().map(document::encode).collect::<Result<Vec<RawDocumentBuf>>>()?;
        self.check_identity().await?;
        let commits = self.commits.clone_with_type::<RawDocumentBuf>();
        let result = commits.insert_many(documents).ordered(false).await;
        let mut outcomes = vec![Inserted::Written; entries.len()];
        if let Err(error) = result {
            for index in duplicates(&error).ok_or_else(|| failure(what)(error.clone()))? {
                if let Some(outcome) = outcomes.get_mut(index) {
                    *outcome = Inserted::Duplicate;
                }
            }
        }
        self.signal.ring();
        // The driver may have repeated it on a new connection, to a server that took the other's
        // place: nothing of that counts.
        self.check_identity().await?;
        Ok(outcomes)
    }

    async fn at(&self, positions: &[Position]) -> Result<Vec<Entry>> {
        let filter = doc! { "_id": { "$in": positions } };
        self.find("reading positions", filter, doc! { "_id": 1 }, 0).await
    }

    async fn by_key(&self, keys: &[&str]) -> Result<Vec<Commit>> {
        let filter = doc! { "key": { "$in": keys } };
        let found = self.find("reading by key", filter, doc! {}, 0).await?;
        Ok(found.into_iter().filter_map(Entry::into_commit).collect())
    }

    async fn streams(&self, above: &[(&StreamName, Version)]) -> Result<Vec<Commit>> {
        let most = MAX_EVENTS as Version;
        let (whole, parts): (Vec<_>, Vec<_>) = above.iter().partition(|(_, version)| *version == 0);
        let whole: Vec<&str> = whole.iter().map(|(stream, _)| stream.as_str()).collect();
        let parts = parts.iter().map(|(stream, version)| {
            let from = doc! { "$gt": version - most };
            doc! { "stream": stream.as_str(), "from": from, "to": { "$gt": version } }
        });
        let whole = (!whole.is_empty()).then(|| doc! { "stream": { "$in": whole } });
        let any: Vec<_> = whole.into_iter().chain(parts).collect();
        if any.is_empty() {
            return Ok(vec![]);
        }
        let filter = doc! { "$or": any };
        let order = doc! { "stream": 1, "from": 1 };
        let found = self.find("reading streams", filter, order, 0).await?;
        Ok(found.into_iter().filter_map(Entry::into_commit).collect())
    }

    async fn read(&self, after: Position, limit: usize) -> Result<Vec<Entry>> {
        let filter = doc! { "_id": { "$gt": after.max(0) } };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.find("reading the log", filter, doc! { "_id": 1 }, limit).await
    }

    async fn head(&self) -> Result<Position> {
        let what = "reading the head of the log";
        let commits = self.commits.clone_with_type::<::mongodb::bson::Document>();
        to_its_end(async move {
            let newest = commits.find_one(doc! {}).sort(doc! { "_id": -1 });
            let newest = newest.projection(doc! { "_id": 1 }).await.map_err(failure(what))?;
            Ok(newest.and_then(|found| found.get_i64("_id").ok()).unwrap_or(0))
        })
        .await
    }

    async fn snapshots(&self, kind: &str, streams: &[&StreamName]) -> Result<Vec<Snapshot>> {
        self.read_snapshots(kind, streams).await
    }

    async fn keep(&self, snapshot: Snapshot) -> Result<()> {
        self.keep_snapshot(snapshot).await
    }

    async fn renew(&self) -> Result<LogId> {
        let this = self.clone();
        to_its_end(async move { this.renew_identity().await }).await
    }

    fn signal(&self) -> &Signal {
        &self.signal
    }
}

/// The indices that were refused as duplicates, when that is all that went wrong.
fn duplicates(error: &Error) -> Option<Vec<usize>> {
    match &*error.kind {
        ErrorKind::InsertMany(InsertManyError {
            write_errors: Some(errors),
            write_concern_error: None,
            ..
        }) if errors.iter().all(|one| one.code == DUPLICATE_KEY) => {
            Some(errors.iter().map(|one| one.index).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_begun_ends_although_nobody_waits() {
        let (answer, answered) = tokio::sync::oneshot::channel();
        let (ended, end) = tokio::sync::oneshot::channel();
        let asked = to_its_end(async move {
            let answer: u8 = answered.await.expect("an answer");
            ended.send(answer).expect("somebody listens");
            Ok(())
        });
        let mut asked = Box::pin(asked);
        assert!(futures::poll!(&mut asked).is_pending());
        drop(asked); // The client has gone away.
        answer.send(7).expect("it is still wanted");
        assert_eq!(end.await, Ok(7));
    }
}
