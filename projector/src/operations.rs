//! What operators look at and ask for, apart from HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kernel::log::{LogId, Position, StreamName};
use kernel::views::Parked;
use kernel::{Result, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use shared::event_store::EventStore;
use shared::feed::Feeds;
use shared::messaging::dead_letter::{DeadLetter, DeadLetterPage};
use shared::view_store::{GenerationId, Progress, ViewStore};

use crate::generations::Generations;
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
    pub parked: usize,
}

/// How far events have come on their way from the log into the live views.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Flow {
    /// The highest position of the log.
    pub head: Position,
    /// The exchange has confirmed every commit up to here; `None` where there is no exchange.
    pub published: Option<Position>,
    /// Messages that wait in the queue of the live generation, those that a worker holds left out;
    /// `None` where there is no queue.
    pub waiting: Option<u32>,
    /// Every commit up to here is checked: it is in the live views, or parked. `None` while none are
    /// live.
    pub checkpoint: Option<Position>,
    /// Views that this worker has repaired from the log since it started, because no message brought
    /// what they lacked in time.
    pub repaired_here: u64,
}

/// What a request for a new generation came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Rebuild {
    /// It is begun, and the workers make it beside the live one.
    Begun(GenerationId),
    /// Another one is being made; nothing was begun.
    UnderWay,
    /// The live views are not of this worker's projection and log; nothing was begun.
    OtherViews,
}

/// What another try of a parked stream came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Retry {
    /// All of it is in the views, and its note is gone.
    Applied,
    /// It is parked again, for this reason.
    StillParked(String),
    /// It was not parked; nothing was tried.
    NotParked,
    /// The live views are not of this worker's projection and log; nothing was tried.
    OtherViews,
}

/// What one worker does for operators. Every method may be called at any time. A failure is of a
/// server that the method needs; ask again after it.
#[derive(Clone)]
pub struct Operations {
    store: Arc<dyn EventStore>,
    views: Arc<dyn ViewStore>,
    feeds: Arc<dyn Feeds>,
    generations: Arc<Generations>,
    retrier: Arc<Retrier>,
    served: Served,
    repaired: Arc<AtomicU64>,
}

impl Operations {
    pub(crate) fn new(
        store: Arc<dyn EventStore>,
        views: Arc<dyn ViewStore>,
        feeds: Arc<dyn Feeds>,
        generations: Arc<Generations>,
        retrier: Arc<Retrier>,
        served: Served,
        repaired: Arc<AtomicU64>,
    ) -> Self {
        Self { store, views, feeds, generations, retrier, served, repaired }
    }

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
                parked: self.views.parked(&generation.id).await?.len(),
                id: generation.id,
            });
        }
        Ok(Overview { generations, head: self.store.head().await? })
    }

    /// How far each step of the pipeline is. Asks the log, the view store and the broker one after the
    /// other, so that a later step never seems to be ahead of an earlier one.
    pub async fn flow(&self) -> Result<Flow> {
        let live = self.views.live().await?;
        let (mut checkpoint, mut waiting) = (None, None);
        if let Some(live) = &live {
            checkpoint = self.views.checkpoint(&live.id).await?;
            waiting = self.feeds.waiting(live).await?;
        }
        let published = self.store.published().await?;
        let head = self.store.head().await?;
        let repaired_here = self.repaired.load(Ordering::Relaxed);
        Ok(Flow { head, published, waiting, checkpoint, repaired_here })
    }

    /// Begins a new generation beside the live one, of the same projection.
    pub async fn begin_rebuild(&self) -> Result<Rebuild> {
        if self.generations.own_live().await?.is_none() {
            return Ok(Rebuild::OtherViews);
        }
        Ok(match self.generations.begin_rebuild().await? {
            Some(generation) => Rebuild::Begun(generation.id),
            None => Rebuild::UnderWay,
        })
    }

    /// Gives a restored log its new identity, and returns it. New views are made from the log while
    /// the old ones serve.
    pub(crate) async fn renew_log(&self) -> Result<LogId> {
        let log = self.store.renew().await?;
        tracing::warn!(%log, "the log was given a new identity");
        Ok(log)
    }

    /// The notes of what could not be applied to the live views; `None` while no views are live.
    pub async fn parked(&self) -> Result<Option<Vec<Parked>>> {
        match self.views.live().await? {
            Some(live) => self.views.parked(&live.id).await.map(Some),
            None => Ok(None),
        }
    }

    /// Tries a parked stream of the live views again, and returns when that is done.
    pub async fn retry_parked(&self, stream: &StreamName) -> Result<Retry> {
        let Some(live) = self.generations.own_live().await? else { return Ok(Retry::OtherViews) };
        if self.note(&live.id, stream).await?.is_none() {
            return Ok(Retry::NotParked);
        }
        if self.retrier.retry(&live.id, stream).await? {
            return Ok(Retry::Applied);
        }
        let note = self.note(&live.id, stream).await?;
        Ok(Retry::StillParked(note.map(|note| note.reason).unwrap_or_default()))
    }

    async fn note(&self, live: &GenerationId, stream: &StreamName) -> Result<Option<Parked>> {
        let notes = self.views.parked(live).await?;
        Ok(notes.into_iter().find(|note| note.stream == *stream))
    }

    /// The oldest dead letters, up to `limit` of them, and how many there are.
    pub(crate) async fn dead_letters(&self, limit: usize) -> Result<DeadLetterPage> {
        self.feeds.dead_letters(limit).await
    }

    /// The dead letter of this id; `None` also while somebody else looks at it. Walks through the
    /// queue, which may take long.
    pub(crate) async fn find_dead_letter(&self, id: &str) -> Result<Option<DeadLetter>> {
        self.feeds.find_dead_letter(id).await
    }

    /// Removes the dead letter of this id; false when it is not there, or somebody else looks at it.
    /// Walks through the queue, which may take long.
    pub(crate) async fn discard_dead_letter(&self, id: &str) -> Result<bool> {
        self.feeds.discard_dead_letter(id).await
    }
}
