//! Follows the log behind the live path, checks that everything is applied, repairs what is not,
//! and moves the checkpoint that is stored with the views. Making a generation is the same walk,
//! without a live path ahead of it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use kernel::Result;
use kernel::log::{Commit, Position, Run, StreamName, Version};
use shared::feed::cursor::Cursor;
use shared::service::failpoint;
use shared::view_store::{Advance, Generation};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Projector;
use crate::apply::Outcome;

/// How long the live path may take before a commit counts as missing.
const LIVE_PATH_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two looks at a page that is not applied yet.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Of the lease, so that one worker heals for all.
const LEASE_TERM: Duration = Duration::from_secs(5);

/// Where a walk along the log has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// All up to here is applied, and the checkpoint says so.
    Reached(Position),
    NoGeneration,
}

impl Projector {
    /// Heals the generation until `stop`, whenever no other worker does.
    pub async fn heal(&self, generation: &Generation, stop: &CancellationToken) -> Result<()> {
        let (mut overdue, mut held) = (Overdue::default(), false);
        while !stop.is_cancelled() {
            held = self.views.lease(&generation.id, &self.holder, LEASE_TERM).await?;
            if held {
                self.heal_for(generation, &mut overdue, stop).await?;
            } else {
                pause(LEASE_TERM / 4, stop).await;
            }
        }
        if held {
            // Ends the lease, so that another worker heals at once and the checkpoint goes on.
            self.views.lease(&generation.id, &self.holder, Duration::from_millis(1)).await?;
        }
        Ok(())
    }

    /// Heals for as long as the lease certainly holds.
    async fn heal_for(
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
            } else if self.check(generation, from, &run, overdue, stop).await?
                != Step::Reached(run.to)
            {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Waits for the live path to apply the run, and applies what it does not.
    async fn check(
        &self,
        generation: &Generation,
        from: Position,
        run: &Run,
        overdue: &mut Overdue,
        stop: &CancellationToken,
    ) -> Result<Step> {
        overdue.saw(run.to);
        let reached = versions(&run.commits);
        loop {
            failpoint::hit("advance.before");
            let advanced = self.views.advance(&generation.id, from, run.to, &reached).await?;
            failpoint::hit("advance.after");
            match advanced {
                Advance::Moved => return Ok(Step::Reached(run.to)),
                Advance::Elsewhere(position) => return Ok(Step::Reached(position)),
                Advance::NoGeneration => return Ok(Step::NoGeneration),
                Advance::Behind(behind) if overdue.is(run.to) => {
                    tracing::warn!(
                        streams = behind.len(),
                        to = run.to,
                        "repairing views from the log"
                    );
                    let missing =
                        |stream: &StreamName| behind.iter().any(|&i| reached[i].0 == stream);
                    let commits = run.commits.iter().filter(|commit| missing(&commit.stream));
                    let events = commits.flat_map(Commit::recorded).collect();
                    if self.apply(&generation.id, events).await? == Outcome::NoGeneration {
                        return Ok(Step::NoGeneration);
                    }
                }
                Advance::Behind(_) if stop.is_cancelled() => return Ok(Step::Reached(from)),
                Advance::Behind(_) => pause(POLL_INTERVAL, stop).await,
            }
        }
    }

    /// Applies a run itself and moves the checkpoint behind it.
    pub async fn walk(&self, generation: &Generation, from: Position, run: &Run) -> Result<Step> {
        let events = run.commits.iter().flat_map(Commit::recorded).collect();
        if self.apply(&generation.id, events).await? == Outcome::NoGeneration {
            return Ok(Step::NoGeneration);
        }
        let reached = versions(&run.commits);
        Ok(match self.views.advance(&generation.id, from, run.to, &reached).await? {
            Advance::Moved => Step::Reached(run.to),
            Advance::Elsewhere(position) => Step::Reached(position),
            Advance::Behind(_) => Step::Reached(from),
            Advance::NoGeneration => Step::NoGeneration,
        })
    }
}

/// Which positions the live path had time enough for, by this process's own monotonic clock.
#[derive(Debug, Default)]
struct Overdue {
    /// When which position was seen to exist, ascending.
    seen: VecDeque<(Instant, Position)>,
    overdue: Position,
}

impl Overdue {
    fn saw(&mut self, position: Position) {
        if self.seen.back().is_none_or(|(_, last)| position > *last) {
            self.seen.push_back((Instant::now(), position));
        }
    }

    fn is(&mut self, position: Position) -> bool {
        while let Some((since, seen)) = self.seen.front()
            && since.elapsed() >= LIVE_PATH_TIMEOUT
        {
            self.overdue = *seen;
            self.seen.pop_front();
        }
        position <= self.overdue
    }
}

/// The last version of each stream in these commits.
fn versions(commits: &[Commit]) -> Vec<(&StreamName, Version)> {
    let last: BTreeMap<_, _> = commits.iter().map(|commit| (&commit.stream, commit.to)).collect();
    last.into_iter().collect()
}

pub async fn pause(time: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = stop.cancelled() => {}
    }
}
