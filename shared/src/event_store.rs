//! Port: the log, the only truth. Adapters: MongoDB and SQLite; one contract suite runs on both.

use std::ops::Range;

use async_trait::async_trait;

use crate::Result;
use crate::log::{Commit, Entry, LogId, Position, StreamName, Version};
use crate::signal::Signal;

#[cfg(feature = "mongodb")]
pub mod mongodb;
#[cfg(feature = "sqlite")]
pub mod sqlite;

/// A log of commits.
///
/// *Ordering*: positions are unique; a reader that takes only gap-free runs (`Run::take`) sees
/// every entry once and in order. *Durability*: what `insert` calls `Written` survives the loss of
/// the process, and of a minority of nodes. *Reads* return only what is that durable, and see
/// everything that was acknowledged before they began. *Errors*: any error of `insert` leaves the
/// outcome of each entry unknown; any other call may be repeated.
#[async_trait]
pub trait EventStore: Send + Sync + 'static {
    async fn log_id(&self) -> Result<LogId>;

    /// Hands out `count` consecutive positions. Only a hint: unique positions make the log safe.
    async fn draw(&self, count: usize) -> Result<Range<Position>>;

    /// After a collision: makes later draws start above everything that is stored.
    async fn raise_counter(&self) -> Result<()>;

    /// Inserts each entry, or refuses it, independently of the others; in one round trip.
    async fn insert(&self, entries: &[Entry]) -> Result<Vec<Inserted>>;

    /// What stands at these positions, ascending.
    async fn at(&self, positions: &[Position]) -> Result<Vec<Entry>>;

    async fn by_key(&self, keys: &[&str]) -> Result<Vec<Commit>>;

    /// Of each stream the commits that hold events above the given version; ascending within a
    /// stream.
    async fn streams(&self, above: &[(&StreamName, Version)]) -> Result<Vec<Commit>>;

    /// At most `limit` entries above `after`, ascending. There may be holes: see `Run::take`.
    async fn read(&self, after: Position, limit: usize) -> Result<Vec<Entry>>;

    /// The highest position that holds anything; 0 for an empty log.
    async fn head(&self) -> Result<Position>;

    /// Rings after each append of this process, and of others where the adapter can tell.
    fn signal(&self) -> &Signal;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    Written,
    /// Its position, its (stream, from) or its key was there already; nobody says which.
    Duplicate,
}
