//! Follows the log behind the workers, checks that everything is applied, repairs what is not, and
//! moves the checkpoint that is stored with the views.

mod overdue;

use std::sync::Arc;
use std::time::Duration;

use kernel::Result;
use kernel::log::{Position, Run};
use shared::event_store::EventStore;
use shared::feed::cursor::Cursor;
use shared::service::failpoint;
use shared::view_store::{Generation, ViewStore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::overdue::Overdue;
use crate::applier::BatchOutcome;
use crate::lease_holder::{LEASE_TERM, LeaseHolder};
use crate::pause::pause;
use crate::walker::{Step, Walker};

/// Between two looks: for more of the log, and at a run that is not applied yet.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Heals the live generation, while this worker holds its lease: one worker heals for all.
pub(crate) struct Healer {
    store: Arc<dyn EventStore>,
    views: Arc<dyn ViewStore>,
    walker: Walker,
    leases: LeaseHolder,
}

impl Healer {
    pub(crate) fn new(
        store: Arc<dyn EventStore>,
        views: Arc<dyn ViewStore>,
        walker: Walker,
        leases: LeaseHolder,
    ) -> Self {
        Self { store, views, walker, leases }
    }

    /// Heals the generation until `stop`, whenever no other worker does. Ends early at the first
    /// failure; its lease runs out then.
    pub(crate) async fn run(
        &self,
        generation: &Generation,
        stop: &CancellationToken,
    ) -> Result<()> {
        let (mut overdue, mut held) = (Overdue::default(), false);
        while !stop.is_cancelled() {
            held = self.leases.hold(generation).await?;
            if held {
                self.heal_for_a_term(generation, &mut overdue, stop).await?;
            } else {
                pause(LEASE_TERM / 4, stop).await;
            }
        }
        if held {
            self.leases.release(generation).await?; // The checkpoint goes on by another worker.
        }
        Ok(())
    }

    /// Heals for as long as the lease certainly holds.
    async fn heal_for_a_term(
        &self,
        generation: &Generation,
        overdue: &mut Overdue,
        stop: &CancellationToken,
    ) -> Result<()> {
        let until = Instant::now() + LEASE_TERM / 2;
        let Some(checkpoint) = self.views.checkpoint(&generation.id).await? else { return Ok(()) };
        let mut cursor = Cursor::new(self.store.clone(), checkpoint);
        while Instant::now() < until && !stop.is_cancelled() {
            let from = cursor.position();
            let run = cursor.next_run().await?;
            overdue.saw(self.store.head().await?);
            if run.to == from {
                pause(POLL_INTERVAL, stop).await;
            } else if !self.heal_run(generation, from, &run, overdue, stop).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Waits for the workers to apply the run, and applies what they do not. False when the checkpoint
    /// is not at the end of the run in the end: go on from the stored one.
    async fn heal_run(
        &self,
        generation: &Generation,
        from: Position,
        run: &Run,
        overdue: &mut Overdue,
        stop: &CancellationToken,
    ) -> Result<bool> {
        overdue.saw(run.to);
        loop {
            failpoint::hit("advance.before");
            let step = self.walker.advance(&generation.id, from, run).await?;
            failpoint::hit("advance.after");
            match step {
                Step::Done => return Ok(true),
                Step::Lost => return Ok(false),
                Step::Behind(streams) if overdue.is(run.to) => {
                    tracing::warn!(
                        streams = streams.len(),
                        to = run.to,
                        "repairing views from the log"
                    );
                    let repaired = self.walker.repair(&generation.id, run, &streams).await?;
                    if repaired == BatchOutcome::NoGeneration {
                        return Ok(false);
                    }
                }
                Step::Behind(_) if stop.is_cancelled() => return Ok(false),
                Step::Behind(_) => pause(POLL_INTERVAL, stop).await,
            }
        }
    }
}
