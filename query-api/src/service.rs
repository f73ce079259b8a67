//! Answers from the live generation.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use kernel::log::Position;
use kernel::query::{self, Queries, Question, Reply, Views as _};
use kernel::views::Batch;
use shared::http::Client;
use shared::http::consistency_token::{MAX_STREAMS, Seen, Token};
use shared::http::problem::Problem;
use shared::service::liveness::Liveness;
use shared::view_store::{Generation, GenerationId, GenerationViews, Progress, ViewStore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::contained::{contains_own, contains_streams};
use crate::live::{self, Body, Bounds, Hub, Wanted};
use crate::metrics;
use crate::places::{PlacedViews, Places};
use crate::reader::Reader;
use crate::unanswered::{Unanswered, Unread};

/// Answers that may find another generation live than they began with: swaps are rare.
const SWAPS: u32 = 5;

/// Answers the questions of a domain from the live generation of views.
pub struct Service {
    views: Arc<dyn ViewStore>,
    queries: Arc<dyn Queries>,
    reader: Reader,
    hub: Arc<Hub>,
    places: Places,
    /// Cancelled when the service stops: no request waits for views any more.
    stop: CancellationToken,
    /// The generation that was live last time; every read tells whether it still is.
    live: RwLock<Option<Generation>>,
}

/// An answer, the token of what it shows, and the generation that showed it.
pub struct Shown {
    /// What the domain answered.
    pub reply: Reply,
    /// What is in the answer.
    pub token: Token,
    /// The generation that was read.
    pub generation: GenerationId,
}

impl Service {
    /// Reads `views` with `queries`; requests that wait for views end when `stop` is cancelled.
    pub fn new(
        views: Arc<dyn ViewStore>,
        queries: Arc<dyn Queries>,
        stop: CancellationToken,
    ) -> Self {
        Self::watched(views, queries, stop, &Liveness::default())
    }

    /// The same; where it does not get on, `liveness` is told.
    pub fn watched(
        views: Arc<dyn ViewStore>,
        queries: Arc<dyn Queries>,
        stop: CancellationToken,
        liveness: &Liveness,
    ) -> Self {
        Self::bounded(views, queries, stop, (Bounds::default(), liveness))
    }

    /// The same, with other bounds of live changes.
    pub fn bounded(
        views: Arc<dyn ViewStore>,
        queries: Arc<dyn Queries>,
        stop: CancellationToken,
        (bounds, liveness): (Bounds, &Liveness),
    ) -> Self {
        metrics::tell();
        let (read, told) = (liveness.work("reader"), liveness.work("live"));
        let hub = Hub::new(views.clone(), queries.clone(), stop.clone(), (bounds, told));
        let hub = Arc::new(hub);
        let reader = Reader::new(views.clone(), hub.clone(), read);
        let (places, live) = (Places::default(), RwLock::new(None));
        Self { views, queries, reader, hub, places, stop, live }
    }

    /// The questions that it answers.
    pub fn queries(&self) -> &dyn Queries {
        self.queries.as_ref()
    }

    /// Changes of the views from now on, or from behind the event that the client saw last.
    pub async fn live(&self, wanted: Wanted) -> Result<Body, Problem> {
        let live = self.views.live().await?;
        let live =
            live.ok_or_else(|| Problem::unavailable("The views are being made; try again."))?;
        let opened = live::open(&self.hub, wanted, || self.reader.read_for(&live));
        let opened = self.stop.run_until_cancelled(opened).await;
        opened.unwrap_or_else(|| Err(Problem::unavailable("The service is stopping.")))
    }

    /// Answers once the views contain what `seen` says, at the latest after `wait`.
    pub async fn answer(
        &self,
        question: &Question,
        seen: Option<&Token>,
        wait: Duration,
    ) -> Result<Option<Shown>, Problem> {
        self.answer_to(None, question, seen, wait).await
    }

    /// The same to this client, which has its share of the questions that are answered at a time.
    pub async fn answer_to(
        &self,
        client: Option<&Client>,
        question: &Question,
        seen: Option<&Token>,
        wait: Duration,
    ) -> Result<Option<Shown>, Problem> {
        let deadline = Instant::now() + wait;
        for _ in 0..SWAPS {
            let generation = self.generation().await?;
            let views = GenerationViews::new(self.views.as_ref(), &generation.id);
            let answered = match seen {
                Some(seen) => {
                    let owner = question.owner.as_deref();
                    self.catch_up(&views, &generation, (seen, owner, client), deadline).await
                }
                None => Ok(()),
            };
            let placed = PlacedViews::new(&views, &self.places, client);
            let answered = match answered {
                Ok(()) => self.ask(&placed, question).await,
                Err(unanswered) => Err(self.wrong_first(question, unanswered).await),
            };
            match answered {
                Ok(reply) => {
                    return Ok(reply.map(|reply| shown(&generation, reply, views.applied())));
                }
                Err(Unanswered::Moved) => self.forget(),
                Err(Unanswered::Problem(problem)) => return Err(problem),
            }
        }
        Err(Problem::unavailable("The views are being replaced; try again."))
    }

    async fn ask(
        &self,
        views: &PlacedViews<'_>,
        question: &Question,
    ) -> Result<Option<Reply>, Unanswered> {
        let answered = self.queries.answer(views, question).await;
        if views.found_none() {
            let detail = "Too many lists are being read, or too many for this client; try again.";
            return Err(Problem::unavailable(detail).into());
        }
        answered.map_err(Unanswered::from)
    }

    /// A question that is no question is told so, whatever its token would be answered. Nothing is read
    /// for that.
    async fn wrong_first(&self, question: &Question, unanswered: Unanswered) -> Unanswered {
        match self.queries.answer(&Unread, question).await {
            Err(query::Error::InvalidParameter(error)) => Unanswered::Problem(error.into()),
            _ => unanswered,
        }
    }

    async fn generation(&self) -> Result<Generation, Problem> {
        let known = self.live.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let live = self.views.live().await?;
        let none = || Problem::unavailable("The views are being made; try again.");
        let live = live.ok_or_else(none)?;
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Some(live.clone());
        Ok(live)
    }

    fn forget(&self) {
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The live generation as it is now, and what a projector told last of how far it is.
    pub(crate) async fn live_progress(
        &self,
    ) -> kernel::Result<Option<(GenerationId, Option<Progress>)>> {
        let Some(live) = self.views.live().await? else { return Ok(None) };
        let progress = self.views.progress(&live.id).await?;
        Ok(Some((live.id, progress)))
    }

    async fn catch_up(
        &self,
        views: &GenerationViews<'_>,
        generation: &Generation,
        (seen, owner, client): (&Token, Option<&str>, Option<&Client>),
        deadline: Instant,
    ) -> Result<(), Unanswered> {
        if seen.log != generation.log {
            if self.views.building().await?.is_some_and(|building| building.log == seen.log) {
                let detail = "The views of that log are being made; try again.";
                return Err(Problem::not_consistent_yet(detail).into());
            }
            views.read(&Batch::new()).await?; // Those may be live by now.
            let detail = "The Consistency-Token belongs to another log; ask without it.";
            return Err(Problem::cursor_of_another_log(detail).into());
        }
        let mut waiter = None;
        while !self.contains(views, generation, (&seen.seen, owner, client)).await? {
            if Instant::now() >= deadline {
                let detail =
                    "The views do not contain yet what the Consistency-Token names; try again.";
                return Err(Problem::not_consistent_yet(detail).into());
            }
            match &waiter {
                None => waiter = Some(self.reader.join(generation, &seen.seen)),
                Some(waiter) => {
                    let changed = self.stop.run_until_cancelled(waiter.changed(deadline)).await;
                    changed.ok_or_else(|| Problem::unavailable("The service is stopping."))?;
                }
            }
        }
        Ok(())
    }

    async fn contains(
        &self,
        views: &GenerationViews<'_>,
        generation: &Generation,
        (seen, owner, client): (&Seen, Option<&str>, Option<&Client>),
    ) -> Result<bool, Unanswered> {
        match (seen, owner) {
            (Seen::Streams(streams), Some(owner)) => {
                // Its place is free again before anything is waited for.
                let placed = PlacedViews::new(views, &self.places, client);
                contains_own(&placed, self.queries(), streams, owner).await
            }
            (Seen::Streams(streams), None) => contains_streams(views, streams).await,
            (Seen::Position(position), _) => {
                views.read(&Batch::new()).await?; // It may be no longer live.
                let checkpoint = self.views.checkpoint(&generation.id).await?;
                Ok(checkpoint.is_some_and(|checkpoint| checkpoint >= *position))
            }
        }
    }
}

/// The token of what an answer shows: of its streams, where those are few enough to name, else of
/// everything that it can contain.
fn shown(generation: &Generation, reply: Reply, applied: Position) -> Shown {
    let few = (1..=MAX_STREAMS).contains(&reply.shows.len());
    let seen = match few {
        true => Seen::Streams(reply.shows.clone()),
        false => Seen::Position(applied),
    };
    let token = Token { log: generation.log.clone(), seen };
    Shown { reply, token, generation: generation.id.clone() }
}
