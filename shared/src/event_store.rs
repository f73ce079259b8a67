//! Port: the log, the source of truth. Adapters: MongoDB and SQLite; one contract suite for both.

use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use kernel::log::{Commit, Entry, LogId, Position, StreamName, Version};
use kernel::{Failure, Result, Timestamp};

use crate::event_store::append_notifier::AppendNotifier;
use crate::service::health::Health;

pub mod append_notifier;
#[cfg(feature = "mongodb")]
pub mod mongodb;
#[cfg(feature = "sqlite")]
pub mod sqlite;

/// Bytes of stored commits that one read returns at most, but for its last commit: a commit of 64 KiB
/// is the largest that is written today, logs may hold larger ones.
pub const READ_BYTES: usize = 1 << 20;

/// Bytes of snapshots that one read returns at most, but for its last one.
pub const SNAPSHOT_BYTES: usize = 4 << 20;

/// Entries that are looked at for the oldest commit: some may be tombstones.
const OLDEST_AMONG: usize = 10;

/// Between two reads of the identity of the log.
const IDENTITY_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// A log of commits.
///
/// *Ordering*: positions are unique; a reader that takes only gap-free runs (`Run::take`) sees
/// every entry once and in order. *Durability*: what `insert` calls `Written` survives the loss of
/// the process, and of a minority of nodes. *Reads* return only what is that durable, and see
/// everything that was acknowledged before they began. *Errors*: `insert` tells what is certain about
/// its outcome; any other call may be repeated. *Deadlines*: every call ends within 20 s.
#[async_trait]
pub trait EventStore: Send + Sync + 'static {
    /// What the health of a service calls it.
    fn part(&self) -> &'static str {
        "log"
    }

    /// Which log this is.
    async fn log_id(&self) -> Result<LogId>;

    /// Hands out `count` consecutive positions. Only a hint: unique positions make the log safe.
    async fn reserve_positions(&self, count: usize) -> Result<Range<Position>>;

    /// After a collision: makes later reservations start above everything that is stored, and by a `margin`
    /// more where another writer would have taken what is right above.
    async fn raise_counter(&self, margin: Position) -> Result<()>;

    /// Inserts each entry, or refuses it, independently of the others; all at once. But where a commit
    /// goes on with a stream right behind the entry before it (`goes_on`), it is only written if that
    /// one is, at any time.
    async fn insert(&self, entries: &[Entry]) -> Result<Vec<Inserted>, NotInserted>;

    /// What stands at these positions, ascending.
    async fn read_at(&self, positions: &[Position]) -> Result<Vec<Entry>>;

    /// The commits by these keys, without their events.
    async fn read_by_key(&self, keys: &[&str]) -> Result<Vec<Commit>>;

    /// Of each stream the commits that hold events above the given version, ascending within a
    /// stream; about `READ_BYTES` of them at most.
    async fn read_streams(&self, above: &[(&StreamName, Version)]) -> Result<Part>;

    /// At most `limit` entries above `after` and about `READ_BYTES`, ascending; at least one when there
    /// is any. There may be holes: see `Run::take`.
    async fn read(&self, after: Position, limit: usize) -> Result<Vec<Entry>>;

    /// At most `limit` positions above `after` that hold anything, ascending.
    async fn read_positions(&self, after: Position, limit: usize) -> Result<Vec<Position>>;

    /// The same of what stands there: which stream it goes on with, and how far.
    async fn read_marks(&self, after: Position, limit: usize) -> Result<Vec<Mark>>;

    /// The highest position that holds anything; 0 for an empty log.
    async fn head(&self) -> Result<Position>;

    /// The latest snapshots of this kind, of those of the streams that have one, in the order of the names
    /// of these; when they reach `SNAPSHOT_BYTES`, streams behind the last one may have one, too. Each is of
    /// a state that was acknowledged in this very log.
    async fn read_snapshots(&self, kind: &str, streams: &[&StreamName]) -> Result<Vec<Snapshot>>;

    /// Keeps a snapshot, unless there is a later one. It may be lost at any time.
    async fn save_snapshot(&self, snapshot: Snapshot) -> Result<()>;

    /// Gives the log a new identity, as a log that was restored from a backup needs: whatever was
    /// derived from what it held before belongs to another log from then on.
    async fn renew(&self) -> Result<LogId>;

    /// Tells how far the live views are. A hint for flow control: it may be lost.
    async fn report_views(&self, report: ViewsReport) -> Result<()>;

    /// What was told last of the live views of this log; `None` when it was never told.
    async fn views_report(&self) -> Result<Option<ViewsReport>>;

    /// Every commit up to here was published to subscribers, and confirmed; `None` where nothing
    /// publishes this log.
    async fn published(&self) -> Result<Option<Position>> {
        Ok(None)
    }

    /// Entries that this process appended of late, following `after` without a gap, at most `limit` and
    /// about `READ_BYTES`. Empty where the log has to be read.
    fn own_entries(&self, _after: Position, _limit: usize) -> Vec<Entry> {
        vec![]
    }

    /// The same, of positions alone.
    fn own_positions(&self, _after: Position, _limit: usize) -> Vec<Position> {
        vec![]
    }

    /// Whether this process appends at the position at this moment, and so knows soon what is there: the
    /// log need not be read for it.
    fn is_appending(&self, _position: Position) -> bool {
        false
    }

    /// Notifies after each append of this process, and of others where the adapter can tell.
    fn append_notifier(&self) -> &AppendNotifier;
}

/// Returns when another log has taken the place of `log`: the server behind the address was
/// replaced or emptied, or a restored log got its new identity. Meanwhile it tells whether the log can
/// be reached.
pub async fn until_replaced(store: &dyn EventStore, log: &LogId, health: &Health) {
    loop {
        tokio::time::sleep(IDENTITY_POLL_INTERVAL).await;
        match store.log_id().await {
            Ok(now) if now != *log => return tracing::warn!(%log, %now, "another log is served"),
            Ok(_) => health.ready(store.part()),
            Err(failure) => health.waits(store.part(), failure),
        }
    }
}

/// When the oldest commit behind a position was recorded; `None` where there is none, or it is not among
/// the next few entries.
pub async fn oldest_behind(
    store: &dyn EventStore,
    position: Position,
) -> Result<Option<Timestamp>> {
    let entries = store.read(position, OLDEST_AMONG).await?;
    Ok(entries.iter().find_map(|entry| match entry {
        Entry::Commit(commit) => Some(commit.at),
        Entry::Tombstone(_) => None,
    }))
}

/// What was read of some streams.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Whole commits, ascending within a stream.
    pub commits: Vec<Commit>,
    /// Whether that is all; else ask again, above the last version of each stream.
    pub complete: bool,
}

/// What stands at a position, without its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The position.
    pub position: Position,
    /// The stream of the commit and the version of its last event; `None` for a tombstone.
    pub end: Option<(StreamName, Version)>,
}

/// How far the live views are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewsReport {
    /// All commits up to this position are in them.
    pub checkpoint: Position,
}

/// Why an insert has no outcomes.
#[derive(Debug, Clone)]
pub enum NotInserted {
    /// Nothing was sent: no entry was written, and none will be.
    Never(Failure),
    /// Each entry may have been written, or may be written yet.
    Unknown(Failure),
}

impl From<NotInserted> for Failure {
    fn from(not: NotInserted) -> Self {
        match not {
            NotInserted::Never(failure) | NotInserted::Unknown(failure) => failure,
        }
    }
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It is in the log, durably.
    Written,
    /// Its position, its (stream, from) or its key was there already; the store does not say which.
    Duplicate,
    /// It goes on with a commit that was refused, and was not tried.
    NotAttempted,
}

/// Whether an entry goes on with the stream where the one before it in an insert ends.
pub fn goes_on(before: &Entry, entry: &Entry) -> bool {
    match (before, entry) {
        (Entry::Commit(before), Entry::Commit(commit)) => {
            before.stream == commit.stream && before.to + 1 == commit.from
        }
        _ => false,
    }
}

/// The folded state of a stream as of a commit, so that a long stream need not be read from its
/// start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The stream that was folded.
    pub stream: StreamName,
    /// What folded it: another kind of state can't be read.
    pub kind: String,
    /// Of the last event in it.
    pub version: Version,
    /// Of the last commit in it, as `at`.
    pub position: Position,
    /// When the last commit in it was recorded.
    pub at: Timestamp,
    /// JSON.
    pub state: String,
}
