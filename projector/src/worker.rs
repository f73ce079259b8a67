//! One worker: takes events from the feed of the live generation and applies them, in batches.

mod background;
mod probation;

use std::sync::Arc;
use std::time::Duration;

use kernel::Result;
use kernel::log::Recorded;
use kernel::projection::ErasedProjection;
use shared::event_store::EventStore;
use shared::feed::{Feed, Feeds};
use shared::operation_log::OperationLog;
use shared::service::backoff::Backoff;
use shared::service::failpoint;
use shared::service::health::Health;
use shared::service::liveness::Work;
use shared::service::min_interval::MinInterval;
use shared::view_store::{Generation, ViewStore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::background::Background;
use self::probation::Probation;
use crate::applier::{Applier, BatchOutcome};
use crate::builder::Builder;
use crate::census::Census;
use crate::generations::Generations;
use crate::healer::Healer;
use crate::lease_holder::LeaseHolder;
use crate::metrics;
use crate::operations::{Operations, QueueLook};
use crate::parking::Parking;
use crate::recorder::Recorder;
use crate::remover::Remover;
use crate::retrier::Retrier;
use crate::rollout::Rollout;
use crate::served::Served;
use crate::traced::Traced;
use crate::views_health::ViewsHealth;
use crate::walker::Walker;

/// Events in a batch: enough to share round trips, few enough to be quick.
const MAX_BATCH: usize = 256;
/// Events of a batch from which on the next one starts at once, without waiting for more to arrive.
const FULL_BATCH: usize = 128;
/// How often a worker looks whether its generation is still live, however much there is to apply.
const LIVENESS_POLL_INTERVAL: Duration = Duration::from_millis(500);

/// What a worker is made of.
pub struct Dependencies {
    /// The log: for what feeds don't bring, and for making views.
    pub store: Arc<dyn EventStore>,
    /// Where it is kept what operators did.
    pub operation_log: Arc<dyn OperationLog>,
    /// The views that the worker writes.
    pub views: Arc<dyn ViewStore>,
    /// Where events come from.
    pub feeds: Arc<dyn Feeds>,
    /// How events become views.
    pub projection: Arc<dyn ErasedProjection>,
    /// Its part `views` is ready while the worker serves.
    pub health: Health,
    /// The worker's name in leases, different from that of every other worker.
    pub holder: String,
}

/// Serves the live generation, with its background tasks, and makes it where it is missing.
pub struct Worker {
    views: Arc<dyn ViewStore>,
    feeds: Arc<dyn Feeds>,
    applier: Arc<Applier>,
    generations: Arc<Generations>,
    rollout: Arc<Rollout>,
    remover: Remover,
    background: Background,
    operations: Operations,
    served: Served,
    health: ViewsHealth,
    /// Gets on while a generation is served.
    work: Work,
}

impl Worker {
    /// A worker that does nothing until it is run.
    pub fn new(given: Dependencies) -> Self {
        let Dependencies { store, operation_log, views, feeds, projection, health, holder } = given;
        metrics::tell();
        let (told, work, version) = (health.clone(), health.work("worker"), projection.version());
        work.rest();
        let (health, served) = (ViewsHealth::new(health), Served::default());
        let parking = Arc::new(Parking::new(views.clone(), version));
        let applier = Applier::new(store.clone(), views.clone(), projection, parking.clone());
        let applier = Arc::new(applier.watched(told.liveness()));
        let retrier =
            Arc::new(Retrier::new(store.clone(), views.clone(), applier.clone(), parking));
        let walker = Walker::new(views.clone(), applier.clone());
        let leases = LeaseHolder::new(views.clone(), holder);
        let healer =
            Arc::new(Healer::new(store.clone(), views.clone(), walker.clone(), leases.clone()));
        let generations =
            Arc::new(Generations::new(store.clone(), views.clone(), feeds.clone(), version));
        let builder = Builder::new(
            store.clone(),
            views.clone(),
            feeds.clone(),
            walker,
            leases,
            health.clone(),
        );
        let rollout = Arc::new(Rollout::new(generations.clone(), builder, health.clone()));
        let census = Arc::new(Census::new(views.clone(), feeds.clone(), healer.clone()));
        let background =
            Background::new(store.clone(), healer, rollout.clone(), retrier.clone(), census, told);
        let operations = Operations {
            store,
            views: views.clone(),
            feeds: feeds.clone(),
            queue: QueueLook::new(feeds.clone()),
            generations: generations.clone(),
            retrier,
            recorder: Recorder::new(operation_log),
            served: served.clone(),
        };
        Self {
            remover: Remover::new(views.clone(), feeds.clone()),
            views,
            feeds,
            applier,
            generations,
            rollout,
            background,
            operations,
            served,
            health,
            work,
        }
    }

    /// What operators look at and ask of this worker.
    pub fn operations(&self) -> Operations {
        self.operations.clone()
    }

    /// Works until `stop`; a batch under way is finished first. After each failure it waits and starts
    /// again from what was not acknowledged.
    pub async fn run(self, stop: CancellationToken) {
        tokio::select! {
            () = self.keep_serving(&stop) => {}
            () = self.remover.run() => {}
        }
    }

    async fn keep_serving(&self, stop: &CancellationToken) {
        let mut backoff = Backoff::for_servers();
        while !stop.is_cancelled() {
            match self.serve(&mut backoff, stop).await {
                Ok(()) => backoff.reset(),
                Err(failure) => {
                    metrics::FAILURES.add(1);
                    self.health.waits(failure);
                    backoff.sleep_unless(stop).await;
                }
            }
        }
    }

    /// Serves one generation, until another is live.
    async fn serve(&self, backoff: &mut Backoff, stop: &CancellationToken) -> Result<()> {
        let Some(generation) = self.rollout.until_live(stop).await? else { return Ok(()) };
        let applied = self.views.checkpoint(&generation.id).await?.unwrap_or(0);
        if backoff.attempts() == 0 {
            // After a failure its reason is told, until the worker gets on.
            self.health.waits(format!("connecting to the feed of generation {}", generation.id));
        }
        let mut feed = self.feeds.subscribe(&generation, applied).await?;
        tracing::info!(generation = %generation.id, "serves the live views");
        self.served.set(Some(generation.id.clone()));
        metrics::SERVES.set_to(true);
        self.remover.look();
        let over = stop.child_token();
        let background = self.background.start(&generation, &over);
        let mut probation = Probation::begin(backoff, &self.health);
        let followed = self.follow(&generation, feed.as_mut(), &mut probation, &over).await;
        self.work.rest();
        match &followed {
            Ok(()) if stop.is_cancelled() => {}
            Ok(()) => self.health.waits("looking for the live views"),
            Err(failure) => self.health.waits(failure),
        }
        over.cancel();
        background.end().await;
        self.served.set(None);
        metrics::SERVES.set_to(false);
        followed
    }

    /// Applies what the feed brings until the generation is no longer live.
    async fn follow(
        &self,
        generation: &Generation,
        feed: &mut dyn Feed,
        probation: &mut Probation<'_>,
        stop: &CancellationToken,
    ) -> Result<()> {
        let mut interval = MinInterval::default();
        let mut looked = Instant::now();
        while let Some(events) =
            self.next_batch(generation, feed, (&mut looked, &mut *probation), stop).await?
        {
            // From here to the end of the batch nothing interrupts.
            interval.start();
            let full = events.len() >= FULL_BATCH;
            let oldest = events.first().map(|event| event.at);
            metrics::BATCHES.had(events.len());
            let started = Instant::now();
            let mut traced = Traced::of("apply", &events);
            let outcome = self.applier.apply_traced(&generation.id, events, &mut traced).await;
            traced.end(&outcome);
            let outcome = outcome?;
            metrics::APPLIES.took(started.elapsed(), &[]);
            oldest.inspect(|at| metrics::DELAY.took(at.age(), &[]));
            match outcome {
                BatchOutcome::Applied => {
                    failpoint::hit("ack.before");
                    feed.ack().await?;
                    failpoint::hit("ack.after");
                    probation.passed();
                }
                BatchOutcome::NoGeneration => return Ok(()),
            }
            if !full {
                interval.rest().await;
            }
        }
        Ok(())
    }

    /// The next events of the feed; `None` when `stop` came first, or the generation is no longer
    /// live. `looked` is when this was looked at last.
    async fn next_batch(
        &self,
        generation: &Generation,
        feed: &mut dyn Feed,
        (looked, probation): (&mut Instant, &mut Probation<'_>),
        stop: &CancellationToken,
    ) -> Result<Option<Vec<Recorded>>> {
        // The same future all along: one that is dropped half-way might lose deliveries.
        let mut next = std::pin::pin!(feed.next(MAX_BATCH));
        loop {
            self.work.progress();
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(None),
                () = tokio::time::sleep_until(*looked + LIVENESS_POLL_INTERVAL) => {
                    if !self.generations.is_live(generation).await? {
                        return Ok(None);
                    }
                    *looked = Instant::now();
                }
                events = &mut next => return events.map(Some),
                () = probation.quiet() => probation.passed(),
            }
        }
    }
}
