//! Follows the log behind the workers, checks that everything is applied, repairs what is not, and
//! moves the checkpoint that is stored with the views.

mod overdue;
mod page;
mod reports;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kernel::log::{Position, StreamName};
use kernel::views::Batch;
use kernel::{Result, Timestamp};
use shared::event_store::EventStore;
use shared::feed::cursor::Cursor;
use shared::service::failpoint;
use shared::view_store::{Generation, ViewStore};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use self::overdue::Overdue;
use self::page::Page;
use self::reports::Reports;
use crate::applier::BatchOutcome;
use crate::lease_holder::{LEASE_TERM, LeaseHolder};
use crate::metrics;
use crate::walker::{Step, Walker};

/// Between two looks: for more of the log that is written to, and at a page that is not applied yet.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// A page that takes longer is cut to what is applied of it: the checkpoint, which flow control and others wait
/// for, does not stand still while workers apply much, or large views.
const PART_AFTER: Duration = Duration::from_millis(60);
/// The longest wait for more of a log at rest.
const MAX_WAIT: Duration = Duration::from_secs(1);
/// Between two looks whether the lease is free, while another worker has it.
const LOOK_INTERVAL: Duration = Duration::from_millis(1_250);
/// From giving up the lease to taking it again: each other worker looks for it meanwhile.
const STAND_BACK: Duration = Duration::from_millis(1_500);
/// Positions of a page at most: one script looks at the views of all their streams.
const MAX_PAGE: usize = 1_000;

/// Heals the live generation, while this worker holds its lease: one worker heals for all.
pub(crate) struct Healer {
    store: Arc<dyn EventStore>,
    views: Arc<dyn ViewStore>,
    walker: Walker,
    leases: LeaseHolder,
    leads: AtomicBool,
}

impl Healer {
    pub(crate) fn new(
        store: Arc<dyn EventStore>,
        views: Arc<dyn ViewStore>,
        walker: Walker,
        leases: LeaseHolder,
    ) -> Self {
        Self { store, views, walker, leases, leads: AtomicBool::new(false) }
    }

    /// After a failure, or a panic: gives up the lease, so that another worker heals.
    pub(crate) async fn give_up(&self, generation: &Generation) {
        if let Err(failure) = self.leases.release(generation).await {
            tracing::debug!(%failure, "the lease runs out by itself");
        }
    }

    /// After the lease was given up: returns when others have looked for it, or at `stop`.
    pub(crate) async fn stand_back(&self, stop: &CancellationToken) {
        stop.run_until_cancelled(sleep(STAND_BACK)).await;
    }

    /// Heals the generation until `stop`, whenever no other worker does. Ends early at the first
    /// failure, with its lease: see `give_up`.
    pub(crate) async fn run(
        &self,
        generation: &Generation,
        stop: &CancellationToken,
    ) -> Result<()> {
        let (mut overdue, mut held, led) = (Overdue::default(), false, Led(self));
        while !stop.is_cancelled() {
            held = self.leases.hold(generation).await?;
            self.now_leads(held);
            if held {
                self.heal_for_a_term(generation, &mut overdue, stop).await?;
            } else {
                stop.run_until_cancelled(sleep(LOOK_INTERVAL)).await;
            }
        }
        drop(led);
        if held {
            self.leases.release(generation).await?; // The checkpoint goes on by another worker.
        }
        Ok(())
    }

    /// Whether this worker heals at the moment.
    pub(crate) fn leads(&self) -> bool {
        self.leads.load(Ordering::Relaxed)
    }

    fn now_leads(&self, leads: bool) {
        self.leads.store(leads, Ordering::Relaxed);
        metrics::HEALS.set_to(leads);
        if !leads {
            metrics::HEALER_LAG.set(0.0);
        }
    }

    /// Heals for as long as the lease certainly holds.
    async fn heal_for_a_term(
        &self,
        generation: &Generation,
        overdue: &mut Overdue,
        stop: &CancellationToken,
    ) -> Result<()> {
        let until = Instant::now() + LEASE_TERM / 2;
        let checkpoint = self.views.checkpoint(&generation.id).await?;
        let Some(mut from) = checkpoint else { return Ok(()) };
        let mut appended = self.store.append_notifier().subscribe();
        let mut reports = Reports::default();
        while Instant::now() < until && !stop.is_cancelled() {
            let looked = Timestamp::now();
            let mut page = Page::take(from, self.store.read_marks(from, MAX_PAGE).await?);
            let head = self.store.head().await?;
            metrics::HEAD.set_position(head);
            metrics::CHECKPOINT.set_position(from);
            overdue.saw(head);
            metrics::HEALER_LAG.set(overdue.lag(from).as_secs_f64());
            let stores = (self.store.as_ref(), self.views.as_ref());
            reports.tell(stores, &generation.id, (from, head), looked).await;
            if page.to == from {
                stop.run_until_cancelled(sleep(POLL_INTERVAL)).await;
                stop.run_until_cancelled(appended.wait(MAX_WAIT)).await;
                continue;
            }
            appended.found();
            if !self.heal_page(generation, from, &mut page, overdue, stop).await? {
                return Ok(());
            }
            from = page.to;
        }
        Ok(())
    }

    /// Waits for the workers to apply the page, and applies what they do not. It may be cut to its first part:
    /// the rest is another page. False when the checkpoint is not at its end in the end: go on from the
    /// stored one.
    async fn heal_page(
        &self,
        generation: &Generation,
        from: Position,
        page: &mut Page,
        overdue: &mut Overdue,
        stop: &CancellationToken,
    ) -> Result<bool> {
        overdue.saw(page.to);
        let begun = Instant::now();
        loop {
            if !self.until_applied(generation, (from, begun), page, overdue, stop).await? {
                return Ok(false);
            }
            failpoint::hit("advance.before");
            let step = self.walker.advance(&generation.id, from, page.to, &page.reached()).await?;
            failpoint::hit("advance.after");
            match step {
                Step::Done => return Ok(true),
                Step::Lost => return Ok(false),
                Step::Behind(_) if stop.is_cancelled() => return Ok(false),
                Step::Behind(streams) if overdue.is(page.to) => {
                    // It may be dropped at any step: what is applied twice counts once.
                    let repaired = self.repair(generation, from, page, &streams);
                    let repaired = stop.run_until_cancelled(repaired).await;
                    if !repaired.unwrap_or(Ok(false))? {
                        return Ok(false);
                    }
                }
                Step::Behind(streams) => {
                    if begun.elapsed() >= PART_AFTER {
                        page.cut_before(&streams);
                    }
                    stop.run_until_cancelled(sleep(POLL_INTERVAL)).await;
                }
            }
        }
    }

    /// Waits until the page may be applied, or cuts it to a part that may be: looking at each view is left until
    /// then. False when it is to stop.
    async fn until_applied(
        &self,
        generation: &Generation,
        (from, begun): (Position, Instant),
        page: &mut Page,
        overdue: &mut Overdue,
        stop: &CancellationToken,
    ) -> Result<bool> {
        let mut before = from;
        loop {
            metrics::HEALER_LAG.set(overdue.lag(from).as_secs_f64());
            if overdue.is(page.to) {
                return Ok(true);
            }
            let applied = self.applied(generation).await?;
            if applied >= page.to {
                return Ok(true);
            }
            // What was applied at the last look, as workers may not be done with what comes just before the rest.
            if before > from && begun.elapsed() >= PART_AFTER {
                page.cut(before);
                return Ok(true);
            }
            before = applied;
            if stop.is_cancelled() {
                return Ok(false);
            }
            stop.run_until_cancelled(sleep(POLL_INTERVAL)).await;
        }
    }

    /// Nothing behind this position is in the views; they may lack something before it.
    async fn applied(&self, generation: &Generation) -> Result<Position> {
        Ok(self.views.read(&generation.id, &Batch::new()).await?.applied)
    }

    /// Cuts the page to what one read of the log returns, or applies what the streams have in it where it is no
    /// longer than that. False when the generation is gone, or the log is another one.
    async fn repair(
        &self,
        generation: &Generation,
        from: Position,
        page: &mut Page,
        streams: &BTreeSet<StreamName>,
    ) -> Result<bool> {
        let run = Cursor::new(self.store.clone(), from).next_run().await?;
        if run.to == from {
            return Ok(false); // The log was cut: look again.
        }
        if run.to < page.to {
            page.cut(run.to);
            return Ok(true); // Other streams may be behind at the end of this part.
        }
        tracing::warn!(streams = streams.len(), to = page.to, "repairing views from the log");
        metrics::HEALED.add(streams.len());
        let repaired = self.walker.repair(&generation.id, &run, streams).await?;
        if repaired == BatchOutcome::NoGeneration {
            return Ok(false);
        }
        // Before the checkpoint moves: a look at both never misses what was repaired below it.
        self.views.count_repaired(&generation.id, streams.len() as u64).await?;
        Ok(true)
    }
}

/// However a run ends, this worker does not heal after it.
struct Led<'a>(&'a Healer);

impl Drop for Led<'_> {
    fn drop(&mut self) {
        self.0.now_leads(false);
    }
}
