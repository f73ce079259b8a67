//! Making a generation: following the log into it, and letting it go live once it holds everything.
//! After a kill the next worker goes on from the generation's checkpoint.

mod pursuit;

use std::sync::Arc;
use std::time::Duration;

use kernel::Result;
use kernel::log::{Position, Run};
use shared::event_store::EventStore;
use shared::feed::Feeds;
use shared::feed::cursor::Cursor;
use shared::service::failpoint;
use shared::view_store::{Generation, GenerationId, Progress, ViewStore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::pursuit::{NEAR, Pursuit};
use crate::lease_holder::{LEASE_TERM, LeaseHolder};
use crate::metrics;
use crate::views_health::ViewsHealth;
use crate::walker::{Step, Walker};

/// A generation that no worker has made anything of for so long is abandoned.
const ABANDONED_AFTER: Duration = Duration::from_secs(60);

/// Whether this worker serves a live generation meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BuildMode {
    /// It serves none: its health tells how far the making is.
    BeforeServing,
    /// It serves one: the log tells how far the making is.
    BesideServing,
}

/// What an attempt to make a generation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Built {
    /// It is live now, by this worker.
    Live,
    /// What is stored has changed, or the worker stops: look again at what is there.
    LookAgain,
    /// Another worker holds the lease.
    ByAnother,
}

/// One attempt of this worker to make a generation.
struct Attempt<'a> {
    generation: &'a Generation,
    mode: BuildMode,
    started: Instant,
    /// When the lease was taken or renewed.
    leased: Instant,
    /// Everything up to here is in the generation.
    reached: Position,
    /// The generation follows the log to here before anything else is decided.
    target: Position,
    /// The generation's feed is open, and collects what is appended.
    collecting: bool,
    pursuit: Pursuit,
    cursor: Cursor,
    /// What was read behind `reached` meanwhile.
    read_ahead: Option<Run>,
}

/// Makes generations from the log, each under its lease.
pub(crate) struct Builder {
    store: Arc<dyn EventStore>,
    views: Arc<dyn ViewStore>,
    feeds: Arc<dyn Feeds>,
    walker: Walker,
    leases: LeaseHolder,
    health: ViewsHealth,
}

impl Builder {
    pub(crate) fn new(
        store: Arc<dyn EventStore>,
        views: Arc<dyn ViewStore>,
        feeds: Arc<dyn Feeds>,
        walker: Walker,
        leases: LeaseHolder,
        health: ViewsHealth,
    ) -> Self {
        Self { store, views, feeds, walker, leases, health }
    }

    /// Makes the generation, if no other worker does, and puts it in the place of `replaces` (of none
    /// where that is `None`). After a failure the generation is as far as its checkpoint says: build
    /// it again.
    pub(crate) async fn build(
        &self,
        generation: &Generation,
        replaces: Option<GenerationId>,
        mode: BuildMode,
        stop: &CancellationToken,
    ) -> Result<Built> {
        if !self.leases.hold(generation).await? {
            return Ok(Built::ByAnother);
        }
        let Some(mut attempt) = self.begin(generation, mode).await? else {
            return Ok(Built::LookAgain);
        };
        let _counted = metrics::BUILDS.one_more();
        while !stop.is_cancelled() {
            if attempt.reached >= attempt.target && attempt.collecting {
                return self.go_live(&attempt, replaces).await;
            }
            if attempt.reached >= attempt.target {
                self.set_next_target(&mut attempt).await?;
                continue;
            }
            if attempt.leased.elapsed() > LEASE_TERM / 3
                && let Some(ended) = self.renew_lease(&mut attempt).await?
            {
                return Ok(ended);
            }
            if !self.follow(&mut attempt).await? {
                return Ok(Built::LookAgain);
            }
        }
        Ok(Built::LookAgain)
    }

    /// Whether no worker makes the generation: it was begun a minute ago or earlier, nothing was
    /// reported of it within a minute, and its lease is free. This worker has the lease then, so a
    /// worker that returns to the generation waits until it is discarded.
    pub(crate) async fn is_abandoned(&self, generation: &Generation) -> Result<bool> {
        if generation.created_at.age() < ABANDONED_AFTER {
            return Ok(false);
        }
        // The store forgets it after a minute, or never; by this worker's clock it is no older.
        let reported = self.views.progress(&generation.id).await?;
        if reported.is_some_and(|progress| progress.at.age() < ABANDONED_AFTER) {
            return Ok(false);
        }
        // One without a checkpoint has no lease: Redis lost a part of it.
        let is_whole = self.views.checkpoint(&generation.id).await?.is_some();
        Ok(!is_whole || self.leases.hold(generation).await?)
    }

    /// Starts at the stored checkpoint. `None` when there is none: the generation is being removed, or
    /// Redis was emptied half-way; it is removed then.
    async fn begin<'a>(
        &self,
        generation: &'a Generation,
        mode: BuildMode,
    ) -> Result<Option<Attempt<'a>>> {
        let started = Instant::now();
        let Some(reached) = self.views.checkpoint(&generation.id).await? else {
            self.views.remove(&generation.id).await?;
            return Ok(None);
        };
        let head = self.store.head().await?;
        tracing::info!(generation = %generation.id, from = reached, head, "making the views from the log");
        let mut pursuit = Pursuit::default();
        let progress = pursuit.measure(started, reached, head);
        self.views.report(&generation.id, &progress).await?;
        self.tell(&progress, mode);
        Ok(Some(Attempt {
            generation,
            mode,
            started,
            leased: started,
            reached,
            target: head,
            collecting: false,
            pursuit,
            cursor: Cursor::new(self.store.clone(), reached),
            read_ahead: None,
        }))
    }

    /// Goes on to the head of the log as it is now. When the log has hardly grown since the target was
    /// set, the feed is opened before the new target is read: what comes after the target is in the
    /// feed then. (A feed that is open from the start would fill the broker.)
    async fn set_next_target(&self, attempt: &mut Attempt<'_>) -> Result<()> {
        let head = self.store.head().await?;
        if head - attempt.target > NEAR {
            attempt.target = head;
            return Ok(());
        }
        self.wait_for(attempt.mode, "declaring the queue of the views");
        self.feeds.open(attempt.generation).await?;
        attempt.collecting = true;
        attempt.target = self.store.head().await?;
        Ok(())
    }

    /// Renews the lease and reports the progress; what ended the attempt when it can't go on.
    async fn renew_lease(&self, attempt: &mut Attempt<'_>) -> Result<Option<Built>> {
        attempt.leased = Instant::now();
        if !self.leases.hold(attempt.generation).await? {
            return Ok(Some(Built::ByAnother));
        }
        if self.store.log_id().await? != attempt.generation.log {
            return Ok(Some(Built::LookAgain));
        }
        let head = self.store.head().await?;
        let progress = attempt.pursuit.measure(attempt.leased, attempt.reached, head);
        self.views.report(&attempt.generation.id, &progress).await?;
        self.tell(&progress, attempt.mode);
        Ok(None)
    }

    /// Brings in the next run of the log, or waits for it; false when the generation's checkpoint is
    /// not where this attempt left it.
    async fn follow(&self, attempt: &mut Attempt<'_>) -> Result<bool> {
        let run = match attempt.read_ahead.take() {
            Some(run) => run,
            None => attempt.cursor.next_run().await?,
        };
        if run.to == attempt.reached {
            let hole = attempt.reached + 1;
            let why = format!("position {hole} is not written; command-api seals it");
            self.wait_for(attempt.mode, why);
            attempt.cursor.wait().await;
            return Ok(true);
        }
        // The log is read on while the run is applied. The reading is begun first, as the applying may not
        // give way before its end.
        let next = attempt.cursor.next_run();
        let walk = self.walker.walk(&attempt.generation.id, attempt.reached, &run);
        let (next, step) = tokio::join!(biased; next, walk);
        let is_done = step? == Step::Done;
        if is_done {
            attempt.reached = run.to;
            attempt.read_ahead = Some(next?).filter(|next| next.to > run.to);
            metrics::BUILT.set_position(run.to);
            metrics::BUILD_TARGET.set_position(attempt.target);
        }
        Ok(is_done)
    }

    async fn go_live(
        &self,
        attempt: &Attempt<'_>,
        replaces: Option<GenerationId>,
    ) -> Result<Built> {
        let (generation, reached) = (attempt.generation, attempt.reached);
        let seconds = attempt.started.elapsed().as_secs_f64();
        if self.store.log_id().await? != generation.log {
            return Ok(Built::LookAgain); // What was read of late may be another log's.
        }
        failpoint::hit("swap.before");
        let promoted = self.views.promote(replaces.as_ref(), &generation.id).await?;
        failpoint::hit("swap.after");
        if !promoted {
            return Ok(Built::LookAgain);
        }
        metrics::REBUILDS.add(1);
        tracing::info!(generation = %generation.id, reached, seconds, "the views are live");
        Ok(Built::Live)
    }

    /// Tells what this worker waits for, where it serves no views meanwhile.
    fn wait_for(&self, mode: BuildMode, why: impl ToString) {
        if mode == BuildMode::BeforeServing {
            self.health.waits(why);
        }
    }

    fn tell(&self, progress: &Progress, mode: BuildMode) {
        let Progress { reached, head, outrun, .. } = progress;
        let outrun = if *outrun { "; the log grows faster than it is read" } else { "" };
        let told = format!("making them from the log: {reached} of {head} commits{outrun}");
        match mode {
            BuildMode::BeforeServing => self.health.waits(told),
            BuildMode::BesideServing => tracing::info!("{told}"),
        }
    }
}
