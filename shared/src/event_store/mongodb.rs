//! The log in MongoDB: one document per commit, majority + journal.

mod ask;
mod connect;
mod diagnose;
mod document;
mod files;
mod find;
mod identity;
mod insert;
mod marks;
mod operations;
mod pool;
mod position_allocator;
mod queues;
mod recent;
mod relay_state;
mod snapshots;
mod views_report;
mod watcher;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use ::mongodb::bson::{Document, doc};
use ::mongodb::error::{Error, ErrorKind};
use ::mongodb::options::ReturnDocument;
use ::mongodb::{Collection, Database};
use async_trait::async_trait;
use kernel::log::{Commit, Entry, LogId, MAX_EVENTS, Position, StreamName, Version};
use kernel::{Failure, Result};
use tokio::sync::Mutex;

use self::document::CommitDocument;
use self::find::Query;
use self::identity::Identity;
pub use self::pool::CONNECTIONS;
use self::position_allocator::PositionAllocator;
use self::recent::Recent;
use self::views_report::REPORTING;
use self::watcher::Watcher;
use super::{EventStore, Inserted, Mark, NotInserted, Part, READ_BYTES, Snapshot, ViewsReport};
use crate::event_store::append_notifier::AppendNotifier;

const DUPLICATE_KEY: i32 = 11000;
const RAISING: &str = "raising the position counter";
const APPENDING: &str = "appending to the log";

/// The log in MongoDB, of which clones share the connections. The rules are in
/// `docs/PROTOCOL.md`, section 1.
#[derive(Debug, Clone)]
pub struct MongoDb {
    database: Database,
    /// Majority reads, majority + journal writes.
    commits: Collection<CommitDocument>,
    /// Counter and relay state: a loss of their last write costs nothing but a repetition.
    control: Collection<Document>,
    snapshots: Collection<snapshots::SnapshotDocument>,
    /// As durable as commits.
    operations: Collection<operations::EntryDocument>,
    identity: Arc<Identity>,
    allocator: Arc<Mutex<PositionAllocator>>,
    /// Bytes of a commit, as those of the latest read were on average.
    commit_bytes: Arc<AtomicUsize>,
    /// The same of a snapshot, by its state.
    snapshot_bytes: Arc<AtomicUsize>,
    append_notifier: AppendNotifier,
    recent: Arc<Recent>,
    _watcher: Arc<Watcher>,
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

/// A field that has to hold a 64-bit integer.
fn integer(what: &str, document: &Document, field: &str) -> Result<i64> {
    document.get_i64(field).map_err(|error| Failure::permanent(what, error))
}

impl MongoDb {
    /// The last position that the counter hands out next, of `count`.
    async fn ask_counter(&self, count: Position) -> Result<Position> {
        let what = "drawing positions";
        let counter = self
            .control
            .find_one_and_update(doc! { "_id": "position" }, doc! { "$inc": { "last": count } })
            .upsert(true)
            .return_document(ReturnDocument::After)
            .await
            .map_err(failure(what))?;
        let counter = counter.ok_or_else(|| Failure::permanent(what, "there is no counter"))?;
        integer(what, &counter, "last")
    }

    /// Moves the counter up to what is stored, and `margin` above it: the allocator does not move it.
    async fn move_counter(&self, margin: Position) -> Result<()> {
        let last = self.read_head().await? + margin;
        self.control
            .update_one(doc! { "_id": "position" }, doc! { "$max": { "last": last } })
            .upsert(true)
            .await
            .map_err(failure(RAISING))?;
        Ok(())
    }
}

#[async_trait]
impl EventStore for MongoDb {
    fn part(&self) -> &'static str {
        "mongodb"
    }

    async fn log_id(&self) -> Result<LogId> {
        let what = "reading the identity of the log";
        self.ask(what, |this| async move { this.read_identity().await }).await
    }

    async fn reserve_positions(&self, count: usize) -> Result<Range<Position>> {
        let what = "drawing positions";
        let count = count as Position;
        self.ask(what, |this| async move { this.check_identity().await }).await?;
        let mut allocator = self.allocator.lock().await;
        if let Some(first) = allocator.take(count) {
            return Ok(first..first + count);
        }
        let ask = move |this: Self| async move { this.ask_counter(count).await };
        let last = self.ask(what, ask).await?;
        allocator.learn(last + 1);
        Ok(last - count + 1..last + 1)
    }

    async fn raise_counter(&self, margin: Position) -> Result<()> {
        self.allocator.lock().await.distrust();
        self.ask(RAISING, move |this| async move { this.move_counter(margin).await }).await
    }

    async fn insert(&self, entries: &[Entry]) -> Result<Vec<Inserted>, NotInserted> {
        let documents = entries.iter().map(document::encode).collect::<Result<Vec<_>>>();
        let documents = documents.map_err(NotInserted::Never)?;
        let checked = self.ask(APPENDING, |this| async move { this.check_identity().await });
        checked.await.map_err(NotInserted::Never)?;
        let calls = insert::calls(entries, documents);
        let appending = self.recent.begin(entries.iter().map(Entry::position));
        let inserted =
            self.ask(APPENDING, |this| async move { Ok(this.insert_all(calls).await) }).await;
        let outcomes = inserted.unwrap_or_else(|late| Err(NotInserted::Unknown(late)))?;
        // The driver may have repeated it on a new connection, to a server that took the other's
        // place: nothing of that counts.
        let checked = self.ask(APPENDING, |this| async move { this.check_identity().await });
        checked.await.map_err(NotInserted::Unknown)?;
        let written = entries.iter().zip(&outcomes).filter(|it| *it.1 == Inserted::Written);
        self.recent.add(written.map(|(entry, _)| entry));
        drop(appending);
        self.append_notifier.notify();
        Ok(outcomes)
    }

    async fn read_at(&self, positions: &[Position]) -> Result<Vec<Entry>> {
        let filter = doc! { "_id": { "$in": positions } };
        let query = Query { sort: doc! { "_id": 1 }, ..Query::of("reading positions", filter) };
        Ok(self.find(query).await?.entries)
    }

    async fn read_by_key(&self, keys: &[&str]) -> Result<Vec<Commit>> {
        let filter = doc! { "key": { "$in": keys } };
        let without_events = Some(doc! { "events": 0 });
        let query = Query { projection: without_events, ..Query::of("reading by key", filter) };
        let found = self.find(query).await?.entries;
        Ok(found.into_iter().filter_map(Entry::into_commit).collect())
    }

    async fn read_streams(&self, above: &[(&StreamName, Version)]) -> Result<Part> {
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
            return Ok(Part { commits: vec![], complete: true });
        }
        let sort = doc! { "stream": 1, "from": 1 };
        let of = Query::of("reading streams", doc! { "$or": any });
        let found = self.find(Query { sort, bytes: READ_BYTES, ..of }).await?;
        let commits = found.entries.into_iter().filter_map(Entry::into_commit).collect();
        Ok(Part { commits, complete: found.complete })
    }

    async fn read(&self, after: Position, limit: usize) -> Result<Vec<Entry>> {
        let filter = doc! { "_id": { "$gt": after.max(0) } };
        let sort = doc! { "_id": 1 };
        let of = Query::of("reading the log", filter);
        Ok(self.find(Query { sort, limit, bytes: READ_BYTES, ..of }).await?.entries)
    }

    async fn read_positions(&self, after: Position, limit: usize) -> Result<Vec<Position>> {
        let marks = self.read_marks(after, limit).await?;
        Ok(marks.into_iter().map(|mark| mark.position).collect())
    }

    async fn read_marks(&self, after: Position, limit: usize) -> Result<Vec<Mark>> {
        let find = move |this: Self| async move { this.find_marks(after, limit).await };
        self.ask(marks::READING, find).await
    }

    async fn head(&self) -> Result<Position> {
        self.ask("reading the head of the log", |this| async move { this.read_head().await }).await
    }

    async fn read_snapshots(&self, kind: &str, streams: &[&StreamName]) -> Result<Vec<Snapshot>> {
        let kind = kind.to_owned();
        let streams: Vec<StreamName> = streams.iter().map(|stream| (*stream).clone()).collect();
        let read = move |this: Self| async move { this.find_snapshots(&kind, &streams).await };
        self.ask("reading snapshots", read).await
    }

    async fn save_snapshot(&self, snapshot: Snapshot) -> Result<()> {
        let keep = move |this: Self| async move { this.replace_snapshot(snapshot).await };
        self.ask("keeping a snapshot", keep).await
    }

    async fn renew(&self) -> Result<LogId> {
        self.ask("renewing the log", |this| async move { this.renew_identity().await }).await
    }

    async fn report_views(&self, report: ViewsReport) -> Result<()> {
        self.ask(REPORTING, move |this| async move { this.write_report(report).await }).await
    }

    async fn views_report(&self) -> Result<Option<ViewsReport>> {
        self.ask(REPORTING, |this| async move { this.read_report().await }).await
    }

    async fn published(&self) -> Result<Option<Position>> {
        let log = self.log_id().await?;
        self.relay_checkpoint(&log).await.map(Some)
    }

    fn own_entries(&self, after: Position, limit: usize) -> Vec<Entry> {
        self.recent.read(after, limit)
    }

    fn own_positions(&self, after: Position, limit: usize) -> Vec<Position> {
        self.recent.positions(after, limit)
    }

    fn is_appending(&self, position: Position) -> bool {
        self.recent.is_appending(position)
    }

    fn append_notifier(&self) -> &AppendNotifier {
        &self.append_notifier
    }
}
