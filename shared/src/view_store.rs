//! Port: the views. Adapters: Redis and memory; one contract suite runs on both.
//!
//! Views are disposable: everything in here can be made again from the log.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use kernel::log::{LogId, Position, StreamName, Version};
use kernel::projection::{Change, Stored};
use kernel::views::{Answers, Batch, Parked};
use kernel::{Namespace, Result, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

mod generation_views;
pub mod memory;
mod parked_page;
#[cfg(feature = "redis")]
pub mod redis;
mod updates;

pub use self::generation_views::GenerationViews;
pub use self::parked_page::{MAX_NOTES, ParkedPage};
pub use self::updates::{Place, Update, Updates};

/// The greatest sum a view may hold. It is more than every JSON reader keeps exact (RFC 7493,
/// section 2.2), so answers show the large ones as text.
pub const MAX_SUM: i64 = i64::MAX;

/// Generations of views, of which one is live.
///
/// *Atomicity*: a change is applied whole or not at all. *Duplicates*: a change applies only to
/// the version that it was folded from, so applying one twice is harmless. *Reads* see every
/// change that was acknowledged before they began. *Errors*: after any error the change may have
/// been applied or not; apply it again, or load and fold again.
#[async_trait]
pub trait ViewStore: Send + Sync + 'static {
    /// The generation that queries are answered from.
    async fn live(&self) -> Result<Option<Generation>>;

    /// The generation that is being made beside the live one.
    async fn building(&self) -> Result<Option<Generation>>;

    /// All generations, in any order; also those whose removal was interrupted.
    async fn generations(&self) -> Result<Vec<Generation>>;

    /// Adds an empty generation as the one that is being made; false when there is one already.
    async fn begin(&self, generation: &Generation) -> Result<bool>;

    /// Makes `to` live, if `from` still is.
    async fn promote(&self, from: Option<&GenerationId>, to: &GenerationId) -> Result<bool>;

    /// Removes a generation with all that belongs to it, unless it is live. From the first moment on
    /// nothing is written to it and it can't go live; its description goes last, so that a removal
    /// that was interrupted is found again by `generations`.
    async fn remove(&self, generation: &GenerationId) -> Result<()>;

    /// Takes or renews the lease of the worker that makes or heals a generation; false while another
    /// holds it, or when the generation is gone. Two holders would do no harm but work twice.
    async fn lease(&self, generation: &GenerationId, holder: &str, term: Duration) -> Result<bool>;

    /// The stored views of the first of these streams, in their order: of as many as have
    /// `kernel::views::VIEWS_BYTES` together, and of one at least. (`read` does the same.)
    async fn load(
        &self,
        generation: &GenerationId,
        streams: &[&StreamName],
    ) -> Result<Vec<Option<Stored>>>;

    /// Applies each change by itself, in their order.
    async fn apply(&self, generation: &GenerationId, changes: &[Change]) -> Result<Vec<Applied>>;

    /// Up to here every commit is applied.
    async fn checkpoint(&self, generation: &GenerationId) -> Result<Option<Position>>;

    /// Moves the checkpoint from `from` to `to`, if it still stands at `from` and all of `reached`
    /// is applied.
    async fn advance(
        &self,
        generation: &GenerationId,
        from: Position,
        to: Position,
        reached: &[(&StreamName, Version)],
    ) -> Result<Advance>;

    /// Notes that a stream can't be applied beyond its stored view, and that its events up to
    /// `note.let_go` need not come again: it no longer holds up the checkpoint. Does nothing when the
    /// view has reached that version, or the generation is gone.
    ///
    /// A change that applies to the stream later raises the note's version and clears its build; the
    /// note stays until `unpark`.
    async fn park(&self, generation: &GenerationId, note: &Parked) -> Result<()>;

    /// Notes that events of parked streams, up to these versions, need not come again. Tells for each
    /// whether the stream is parked; where it is not, nothing was noted.
    async fn let_go(
        &self,
        generation: &GenerationId,
        events: &[(&StreamName, Version)],
    ) -> Result<Vec<bool>>;

    /// Removes the note of a stream. `let_go` is what the note said before the log was read and held
    /// nothing beyond the view; false when more was let go meanwhile: read the log again.
    async fn unpark(
        &self,
        generation: &GenerationId,
        stream: &StreamName,
        let_go: Version,
    ) -> Result<bool>;

    /// The notes of parked streams, by the bytes of the streams' names: of those behind `after`, at most
    /// `limit`, `MAX_NOTES` and about `READ_BYTES`; at least one when there is any. Who reads page by page
    /// sees each note once that is there all the while.
    async fn parked(
        &self,
        generation: &GenerationId,
        after: Option<&StreamName>,
        limit: usize,
    ) -> Result<ParkedPage>;

    /// How many streams are parked. Reads none of the notes.
    async fn count_parked(&self, generation: &GenerationId) -> Result<u64>;

    /// Adds to how many views of a generation were repaired from the log. Does nothing when it is gone.
    /// After an error it may have been added or not; don't add it again.
    async fn count_repaired(&self, generation: &GenerationId, count: u64) -> Result<()>;

    /// How many were repaired since the generation was begun, by all workers; 0 when it is gone.
    async fn repaired(&self, generation: &GenerationId) -> Result<u64>;

    /// Says how far a generation is: the worker that makes it, or that heals it.
    async fn report(&self, generation: &GenerationId, progress: &Progress) -> Result<()>;

    /// What was reported last; it may be forgotten after a minute.
    async fn progress(&self, generation: &GenerationId) -> Result<Option<Progress>>;

    /// Answers all reads of the batch at once.
    async fn read(&self, generation: &GenerationId, batch: &Batch) -> Result<Reading>;

    /// How far a generation is, and which one is live, in one round trip.
    async fn reached(&self, generation: &GenerationId) -> Result<Reached>;

    /// What happens to the views of a generation from now on.
    async fn updates(&self, generation: &GenerationId) -> Result<Box<dyn Updates>>;

    /// What happened to the views of a generation behind a place: of each stream, and of the
    /// checkpoint, the latest alone. Each has its own place, and they are in the order of these.
    /// `None` when the store does not hold all of it any more, or the views of more than
    /// `max_streams` streams have changed, or there never was such a place. It may be much: a crowd
    /// of callers at a time would hold up the other reads.
    async fn updates_since(
        &self,
        generation: &GenerationId,
        after: Place,
        max_streams: usize,
    ) -> Result<Option<Vec<(Place, Update)>>>;
}

/// What was read, and what held at that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The live generation.
    pub live: Option<GenerationId>,
    /// Nothing behind this position is in the answers. The views may lack something before it.
    pub applied: Position,
    /// In the order of the batch.
    pub answers: Answers,
}

/// How far a generation is, and what held at that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The live generation.
    pub live: Option<GenerationId>,
    /// Up to here every commit is applied or parked; `None` when the generation is gone.
    pub checkpoint: Option<Position>,
    /// Nothing behind this position is in the views. It is read after the checkpoint: so it covers
    /// all that was applied before the checkpoint moved.
    pub applied: Position,
}

/// One complete set of views.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// Its name: part of the names of its keys and its queue.
    pub id: GenerationId,
    /// The log that it is made from.
    pub log: LogId,
    /// Version of the projection that it is made by.
    pub projection: u32,
    /// When it was begun.
    pub created_at: Timestamp,
}

impl Generation {
    /// A generation that is begun now, with an id of its own.
    pub fn new(log: LogId, projection: u32) -> Self {
        let unique = Uuid::new_v4().simple().to_string();
        let id = GenerationId(format!("v{projection}-{}", &unique[..8]));
        Self { id, log, projection, created_at: Timestamp::now() }
    }
}

/// `v<projection version>-<random>`.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
#[schemars(inline)]
pub struct GenerationId(String);

impl GenerationId {
    /// Takes over the id from where it was stored.
    pub fn stored(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The queue that feeds the generation.
    pub fn queue(&self, namespace: &Namespace) -> String {
        format!("{namespace}.views.{self}")
    }

    /// The generation that a queue feeds.
    pub fn of_queue(queue: &str, namespace: &Namespace) -> Option<Self> {
        let id = queue.strip_prefix(namespace.as_str())?.strip_prefix(".views.")?;
        Some(Self(id.to_owned()))
    }
}

impl fmt::Display for GenerationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a generation is, in the making or live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// When this was reported.
    pub at: Timestamp,
    /// Commits up to this position are in it.
    pub reached: Position,
    /// The head of the log at that time.
    pub head: Position,
    /// The log grows faster than it is read: it ends once the load does, or on a faster machine.
    pub outrun: bool,
    /// It holds everything that was recorded up to this time; `None` while that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete_until: Option<Timestamp>,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// The stored view is at the version that the change leads to.
    Applied,
    /// It was applied, and the stream is parked still: see `ViewStore::park`.
    StillParked,
    /// The stored view had all of it before.
    Duplicate,
    /// Nothing was done: the stored view is at another version. Load it and fold again.
    Stale(Version),
    /// Nothing was done: a sum would have left the range of 64 bits.
    OutOfRange,
    /// Nothing was done: the generation is gone.
    NoGeneration,
}

impl Applied {
    /// Judges a change by the version that is stored.
    pub(crate) fn refused(stored: Version, to: Version) -> Self {
        if stored >= to { Self::Duplicate } else { Self::Stale(stored) }
    }
}

/// What became of moving the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advance {
    /// It stands at `to`.
    Moved,
    /// These of `reached`, by their index, are not applied yet.
    Behind(Vec<usize>),
    /// The checkpoint stands somewhere else; resume from there.
    Elsewhere(Position),
    /// The generation is gone.
    NoGeneration,
}
