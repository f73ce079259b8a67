//! Port: where a worker gets its events from. Adapters: the queue of a generation, and a cursor
//! over the log; one contract suite runs on both.

use async_trait::async_trait;

use crate::Result;
use crate::log::{Position, Recorded};
use crate::view_store::Generation;

pub mod cursor;
#[cfg(feature = "rabbitmq")]
pub mod queue;

/// Events of the log.
///
/// *Ordering*: the first arrivals of the events come in log order, to a feed that is alone on its
/// source; several on one queue share them out. *Duplicates*: any event may come again at any
/// time. *Blocking*: `next` waits until there is something. *Errors*: the feed is over; make a new
/// one, which starts with everything that was not settled.
#[async_trait]
pub trait Feed: Send {
    /// At least one event, and what else is ready, up to `limit`.
    async fn next(&mut self, limit: usize) -> Result<Vec<Recorded>>;

    /// All that `next` returned so far is dealt with and need not come again.
    async fn settle(&mut self) -> Result<()>;
}

/// The feeds of generations.
#[async_trait]
pub trait Feeds: Send + Sync + 'static {
    /// From now on, what is appended waits for the generation. May be repeated.
    async fn open(&self, generation: &Generation) -> Result<()>;

    /// A feed of what waits. Nothing behind `applied` is missing from it, but for what a bounded
    /// queue let go of.
    async fn subscribe(&self, generation: &Generation, applied: Position) -> Result<Box<dyn Feed>>;

    /// Nothing waits for the generation any more.
    async fn close(&self, generation: &Generation) -> Result<()>;
}
