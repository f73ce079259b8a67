//! Port: where a worker gets its events from. Adapters: the queue of a generation, and a cursor
//! over the log; one contract suite runs on both.

use async_trait::async_trait;
use kernel::Result;
use kernel::log::{Position, Recorded};

use crate::messaging::dead_letter::{DeadLetter, DeadLetterPage, LookError};
use crate::view_store::{Generation, GenerationId};

pub mod cursor;
#[cfg(feature = "rabbitmq")]
pub mod queue;

/// Events of the log.
///
/// *Ordering*: the first arrivals of the events come in log order, to a feed that is alone on its
/// source; several on one queue share them out. *Duplicates*: any event may come again at any
/// time. *Blocking*: `next` waits until there is something, and a queue gives nothing more while 64
/// messages of it are not acknowledged. *Errors*: the feed is over; make a new
/// one, which starts with everything that was not acknowledged.
#[async_trait]
pub trait Feed: Send {
    /// At least one event, and what else is ready, up to `limit`.
    async fn next(&mut self, limit: usize) -> Result<Vec<Recorded>>;

    /// All that `next` returned so far is dealt with and need not come again.
    async fn ack(&mut self) -> Result<()>;
}

/// The feeds of generations.
///
/// *Dead letters*, messages that are no event, are kept for all generations together, within the
/// bounds of the adapter, until an operator discards them. A call that looks, finds or discards takes
/// messages out for a moment. Calls of one process wait for each other, also where the caller of one waits
/// no longer; those of other processes do not see the messages meanwhile. So one may seem not to be there,
/// and a total be too small; nothing gets lost.
#[async_trait]
pub trait Feeds: Send + Sync + 'static {
    /// From now on, what is appended waits for the generation. May be repeated.
    async fn open(&self, generation: &Generation) -> Result<()>;

    /// A feed of what waits. Nothing behind `applied` is missing from it, but for what a bounded
    /// queue let go of.
    async fn subscribe(&self, generation: &Generation, applied: Position) -> Result<Box<dyn Feed>>;

    /// Messages that wait for the generation, those that a worker holds left out; `None` where events
    /// do not come as messages, or the generation has no queue.
    async fn waiting(&self, generation: &Generation) -> Result<Option<u32>>;

    /// Nothing waits for the generation any more.
    async fn close(&self, generation: &GenerationId) -> Result<()>;

    /// Generations that were opened and not closed, those included whose views are lost.
    async fn opened(&self) -> Result<Vec<GenerationId>>;

    /// Looks at up to `limit` dead letters, fewer where they are large, and leaves them there; the
    /// oldest first.
    async fn dead_letters(&self, limit: usize) -> Result<DeadLetterPage, LookError>;

    /// Looks at one dead letter; takes the longer the more there are.
    async fn find_dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, LookError>;

    /// Removes this dead letter for good; whether it was there.
    async fn discard_dead_letter(&self, id: &str) -> Result<bool, LookError>;

    /// How many dead letters there are, at once and without a look at them; `None` while this process looks.
    async fn count_dead_letters(&self) -> Result<Option<u32>>;
}
