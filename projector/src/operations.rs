//! What operators look at and ask for, apart from HTTP.

mod acts;
mod queue_look;

use std::sync::Arc;

use kernel::log::{LogId, Position, StreamName};
use kernel::{Result, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use shared::event_store::EventStore;
use shared::feed::Feeds;
use shared::messaging::dead_letter::{DeadLetter, DeadLetterPage, LookError};
use shared::operation_log::Page;
use shared::view_store::{GenerationId, ParkedPage, Progress, ViewStore};
use uuid::Uuid;

pub use self::acts::{Discard, Rebuild, Retry};
pub(crate) use self::queue_look::QueueLook;
use crate::generations::Generations;
use crate::recorder::Recorder;
use crate::retrier::Retrier;
use crate::served::Served;

/// All generations, and how far the log is that they follow.
#[derive(Debug)]
pub struct Overview {
    /// One per generation, in the order of the view store.
    pub generations: Vec<GenerationStatus>,
    /// The highest position of the log, read after the generations.
    pub head: Position,
}

/// A generation as operators see it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct GenerationStatus {
    /// Names the generation.
    pub id: GenerationId,
    /// Queries are answered from it.
    pub live: bool,
    /// It is in the making.
    pub building: bool,
    /// The version of its projection.
    pub projection: u32,
    /// The log that it is made from.
    pub log: LogId,
    /// When it was begun.
    pub created_at: Timestamp,
    /// This worker serves it.
    pub served_here: bool,
    /// Every commit up to here is applied or parked; `None` while it is being removed.
    pub checkpoint: Option<Position>,
    /// How far its making is; `None` when it is not in the making.
    pub progress: Option<Progress>,
    /// How many streams are parked in it.
    pub parked: u64,
}

/// How far events have come on their way from the log into the live views.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Flow {
    /// The highest position of the log.
    pub head: Position,
    /// The exchange has confirmed every commit up to here; `None` where there is no exchange.
    pub published: Option<Position>,
    /// Messages that wait in the queue of the live generation, those that a worker holds left out, up to a
    /// second ago; `None` where there is no queue.
    pub waiting: Option<u32>,
    /// Every commit up to here is checked: it is in the live views, or parked. `None` while none are
    /// live.
    pub checkpoint: Option<Position>,
    /// Views of the live generation that were repaired from the log since it was begun, by all workers,
    /// because no message brought what they lacked in time. `None` while none are live.
    pub repaired: Option<u64>,
}

/// What one worker does for operators. Every method may be called at any time. A failure is of a
/// server that the method needs; ask again after it. What changes anything is recorded first, with its
/// `actor`, and ends also when the caller waits no longer.
#[derive(Clone)]
pub struct Operations {
    pub(crate) store: Arc<dyn EventStore>,
    pub(crate) views: Arc<dyn ViewStore>,
    pub(crate) feeds: Arc<dyn Feeds>,
    pub(crate) queue: QueueLook,
    pub(crate) generations: Arc<Generations>,
    pub(crate) retrier: Arc<Retrier>,
    pub(crate) recorder: Recorder,
    pub(crate) served: Served,
}

impl Operations {
    /// The generation that this worker serves at the moment.
    pub fn served(&self) -> Option<GenerationId> {
        self.served.get()
    }

    /// Every generation with its checkpoint, how far one in the making is, and the head of the log.
    pub async fn overview(&self) -> Result<Overview> {
        let live = self.views.live().await?.map(|live| live.id);
        let building = self.views.building().await?.map(|building| building.id);
        let served = self.served();
        let mut generations = vec![];
        for generation in self.views.generations().await? {
            let id = Some(&generation.id);
            generations.push(GenerationStatus {
                live: id == live.as_ref(),
                building: id == building.as_ref(),
                projection: generation.projection,
                log: generation.log,
                created_at: generation.created_at,
                served_here: id == served.as_ref(),
                checkpoint: self.views.checkpoint(&generation.id).await?,
                progress: match id == building.as_ref() {
                    true => self.views.progress(&generation.id).await?,
                    false => None,
                },
                parked: self.views.count_parked(&generation.id).await?,
                id: generation.id,
            });
        }
        Ok(Overview { generations, head: self.store.head().await? })
    }

    /// How far each step of the pipeline is. Asks the log, the view store and the broker one after the
    /// other, so that a later step never seems to be ahead of an earlier one.
    pub async fn flow(&self) -> Result<Flow> {
        let live = self.views.live().await?;
        let (mut checkpoint, mut repaired, mut waiting) = (None, None, None);
        if let Some(live) = &live {
            checkpoint = self.views.checkpoint(&live.id).await?;
            repaired = Some(self.views.repaired(&live.id).await?);
            waiting = self.queue.waiting(live).await?;
        }
        let published = self.store.published().await?;
        let head = self.store.head().await?;
        Ok(Flow { head, published, waiting, checkpoint, repaired })
    }

    /// The notes of what could not be applied to the live views: a page of those behind `after`, as the
    /// view store orders them; `None` while no views are live.
    pub(crate) async fn parked(
        &self,
        after: Option<&StreamName>,
        limit: usize,
    ) -> Result<Option<ParkedPage>> {
        match self.views.live().await? {
            Some(live) => self.views.parked(&live.id, after, limit).await.map(Some),
            None => Ok(None),
        }
    }

    /// The oldest dead letters, up to `limit` of them, and how many there are.
    pub(crate) async fn dead_letters(&self, limit: usize) -> Result<DeadLetterPage, LookError> {
        self.feeds.dead_letters(limit).await
    }

    /// The dead letter of this id; `None` also while another process looks at it.
    pub(crate) async fn find_dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, LookError> {
        self.feeds.find_dead_letter(id).await
    }

    /// What operators did: the newest entries with ids below `before`, newest first.
    pub(crate) async fn recorded(&self, before: Option<Uuid>, limit: usize) -> Result<Page> {
        self.recorder.log().list(before, limit).await
    }
}
