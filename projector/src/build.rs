//! Making a generation: following the log into it, and letting it go live once it holds everything.
//! A kill costs nothing: the next worker goes on from the generation's checkpoint.

use std::time::Duration;

use kernel::log::Position;
use kernel::{Result, Timestamp};
use shared::feed::cursor::Cursor;
use shared::service::failpoint;
use shared::view_store::{Generation, GenerationId, Progress};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Projector;
use crate::healer::Step;

/// Of the lease on a generation in the making.
const LEASE_TERM: Duration = Duration::from_secs(5);
/// Between two measurements of the distance to the head.
const PURSUIT_INTERVAL: Duration = Duration::from_secs(5);
/// Commits behind the head from which on a generation collects what comes.
const NEAR: i64 = 1_000;

/// Whether a live generation serves meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    Alone,
    Beside,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Built {
    /// It is live now, by this worker.
    Live,
    /// This worker has to look again from the start.
    Look,
    /// Another worker holds the lease.
    ByAnother,
}

impl Projector {
    /// Makes the generation, if no other worker does.
    pub async fn build(
        &self,
        generation: &Generation,
        replaces: Option<GenerationId>,
        place: Where,
        stop: &CancellationToken,
    ) -> Result<Built> {
        if !self.views.lease(&generation.id, &self.holder, LEASE_TERM).await? {
            return Ok(Built::ByAnother);
        }
        let started = Instant::now();
        let Some(mut reached) = self.views.checkpoint(&generation.id).await? else {
            self.views.remove(&generation.id).await?; // It is being removed, or was flushed half-way.
            return Ok(Built::Look);
        };
        let mut head = self.store.head().await?;
        let mut collecting = false;
        tracing::info!(generation = %generation.id, from = reached, head, "making the views from the log");
        let mut leased = started;
        let mut pursuit = Pursuit::default();
        self.tell(&pursuit.look(started, reached, head), place);
        let mut cursor = Cursor::new(self.store.clone(), reached);
        while !stop.is_cancelled() {
            if reached >= head && collecting {
                return self.go_live(generation, replaces, reached, started.elapsed()).await;
            }
            if reached >= head {
                let now = self.store.head().await?;
                if now - head > NEAR {
                    head = now; // The log went on meanwhile: come nearer first.
                    continue;
                }
                // All of a moment ago is in: collect what comes from now on, then go on to the
                // head as it is then. Collecting from the start would fill the broker.
                if place == Where::Alone {
                    self.health.waits("views", "declaring the queue of the views");
                }
                self.feeds.open(generation).await?;
                collecting = true;
                head = self.store.head().await?;
                continue;
            }
            if leased.elapsed() > LEASE_TERM / 3 {
                leased = Instant::now();
                if !self.views.lease(&generation.id, &self.holder, LEASE_TERM).await? {
                    return Ok(Built::ByAnother);
                }
                if self.store.log_id().await? != generation.log {
                    return Ok(Built::Look);
                }
                let progress = pursuit.look(leased, reached, self.store.head().await?);
                self.views.report(&generation.id, &progress).await?;
                self.tell(&progress, place);
            }
            let run = cursor.next_run().await?;
            if run.to == reached {
                if place == Where::Alone {
                    let hole =
                        format!("position {} is not written; command-api seals it", reached + 1);
                    self.health.waits("views", hole);
                }
                cursor.wait().await;
                continue;
            }
            match self.walk(generation, reached, &run).await? {
                Step::Reached(position) if position == run.to => reached = position,
                Step::Reached(_) | Step::NoGeneration => return Ok(Built::Look),
            }
        }
        Ok(Built::Look)
    }

    async fn go_live(
        &self,
        generation: &Generation,
        replaces: Option<GenerationId>,
        reached: Position,
        took: Duration,
    ) -> Result<Built> {
        if self.store.log_id().await? != generation.log {
            return Ok(Built::Look); // What was read of late may be another log's.
        }
        failpoint::hit("swap.before");
        let promoted = self.views.promote(replaces.as_ref(), &generation.id).await?;
        failpoint::hit("swap.after");
        if !promoted {
            return Ok(Built::Look);
        }
        let seconds = took.as_secs_f64();
        tracing::info!(generation = %generation.id, reached, seconds, "the views are live");
        Ok(Built::Live)
    }

    fn tell(&self, progress: &Progress, place: Where) {
        let Progress { reached, head, outrun, .. } = progress;
        let outrun = if *outrun { "; the log grows faster than it is read" } else { "" };
        let told = format!("making them from the log: {reached} of {head} commits{outrun}");
        match place {
            Where::Alone => self.health.waits("views", told),
            Where::Beside => tracing::info!("{told}"),
        }
    }
}

/// How the distance to the head of the log goes.
#[derive(Debug, Default)]
struct Pursuit {
    /// When the distance was measured, and how far it was.
    before: Option<(Instant, Position)>,
    outrun: bool,
}

impl Pursuit {
    fn look(&mut self, now: Instant, reached: Position, head: Position) -> Progress {
        let behind = head - reached;
        match self.before {
            Some((when, _)) if now - when < PURSUIT_INTERVAL => {}
            Some((_, before)) => {
                self.outrun = behind >= before && behind > NEAR;
                self.before = Some((now, behind));
            }
            None => self.before = Some((now, behind)),
        }
        Progress { at: Timestamp::now(), reached, head, outrun: self.outrun }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_grows_faster_than_it_is_read_is_told_of_until_it_does_not() {
        let mut pursuit = Pursuit::default();
        let mut now = Instant::now();
        let mut look = |reached, head| {
            now += PURSUIT_INTERVAL;
            pursuit.look(now, reached, head).outrun
        };
        assert!(!look(0, 10_000), "the first look has nothing to compare with");
        assert!(!look(5_000, 14_000), "it comes nearer");
        assert!(look(9_000, 20_000));
        assert!(!look(19_000, 20_000));
        assert!(!look(19_500, 20_500), "near enough to go live soon");
    }
}
