//! Sealing: a hole that was not filled in time gets tombstones, so that the log goes on. A task of its
//! own, in every command-api: neither a broker that takes no messages nor a leader that hangs may hold
//! it up. Two that seal the same hole do no harm.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use kernel::Result;
use kernel::log::{Entry, Position};
use shared::event_store::EventStore;
use shared::service::failpoint;
use shared::service::health::Health;
use shared::service::vital::vital;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::metrics;

/// How long a hole is left to its writer, from when a commit above it was first seen.
const HOLE_TIMEOUT: Duration = Duration::from_secs(1);
/// Between two looks for holes.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// The longest wait for an append to a log at rest.
const MAX_WAIT: Duration = Duration::from_secs(1);
/// Positions looked at, or sealed, at a time.
const PAGE: usize = 1_000;
/// Pages of a sweep that are looked at for holes to seal; the next sweep goes on.
const PAGES: usize = 20;
/// The part that sealing is in the health of the service.
const HEALTH_PART: &str = "sealer";

/// Seals holes of a log, those behind the first one too.
pub struct Sealer {
    store: Arc<dyn EventStore>,
    /// Up to here nothing is missing.
    complete: Position,
    looks: Looks,
}

impl Sealer {
    /// Looks for holes behind `complete`, a position up to which none is known to be.
    pub fn new(store: Arc<dyn EventStore>, complete: Position) -> Self {
        Self { store, complete, looks: Looks::default() }
    }

    /// Seals holes until `stop`, in a task of its own. The part `sealer` of the health is ready as long as
    /// that has not ended by a fault.
    pub fn start(self, health: &Health, stop: CancellationToken) -> JoinHandle<()> {
        health.ready(HEALTH_PART);
        tokio::spawn(vital(health.clone(), HEALTH_PART, self.run(stop)))
    }

    async fn run(mut self, stop: CancellationToken) {
        let mut appended = self.store.append_notifier().subscribe();
        while !stop.is_cancelled() {
            let swept = self.sweep().await;
            if let Err(failure) = &swept {
                tracing::debug!(%failure, "looking for holes");
            }
            let is_complete = matches!(swept, Ok(Swept::Complete));
            let next_sweep = async {
                tokio::time::sleep(POLL_INTERVAL).await;
                if is_complete {
                    appended.wait(MAX_WAIT).await; // A log at rest gets no holes.
                }
            };
            stop.run_until_cancelled(next_sweep).await;
        }
    }

    /// Goes on along the log to its first hole, and seals all that were there a while ago. Positions
    /// alone are read.
    async fn sweep(&mut self) -> Result<Swept> {
        loop {
            let there = match self.store.own_positions(self.complete, PAGE) {
                own if !own.is_empty() => own,
                _ => self.store.read_positions(self.complete, PAGE).await?,
            };
            let run = there.iter().zip(self.complete + 1..).take_while(|it| *it.0 == it.1).count();
            self.complete += run as Position;
            if there.is_empty() {
                self.looks = Looks::default();
                return Ok(Swept::Complete);
            }
            if run < there.len() {
                let (head, now) = (self.store.head().await?, Instant::now());
                let known_until = self.looks.add(now, head);
                self.seal(known_until).await?;
                return Ok(Swept::Holes);
            }
        }
    }

    /// Seals what is missing up to a position. A writer that wakes up late finds its position taken.
    async fn seal(&self, until: Position) -> Result<()> {
        let mut after = self.complete;
        for _ in 0..PAGES {
            if after >= until {
                break;
            }
            let there = self.store.read_positions(after, PAGE).await?;
            let (missing, seen) = missing(after, &there, until);
            let tombstones: Vec<Entry> = missing.into_iter().map(Entry::Tombstone).collect();
            if let Some(first) = tombstones.first() {
                failpoint::hit("seal.before");
                let outcomes = self.store.insert(&tombstones).await?;
                let positions = metrics::sealed("sealer", &outcomes);
                if positions > 0 {
                    tracing::warn!(positions, first = first.position(), "holes were sealed");
                }
                failpoint::hit("seal.after");
            }
            if seen == after {
                break; // The log ends before `until`: it is another one.
            }
            after = seen;
        }
        Ok(())
    }
}

/// What a sweep came to.
enum Swept {
    /// The end of the log, without a hole.
    Complete,
    /// A hole.
    Holes,
}

/// What is missing behind `after` and up to `until`, at most `PAGE` of it, by the positions that a page of
/// the log has; and up to where that is all.
fn missing(after: Position, there: &[Position], until: Position) -> (Vec<Position>, Position) {
    let end = there.last().copied().unwrap_or(after).min(until);
    let mut there = there.iter().copied().peekable();
    let missing = (after + 1..=end).filter(|position| there.next_if_eq(position).is_none());
    let missing: Vec<Position> = missing.take(PAGE).collect();
    let seen = if missing.len() == PAGE { missing.last().copied() } else { None };
    (missing, seen.unwrap_or(end))
}

/// When which head of the log was seen, by this process's own monotonic clock: what is missing below it
/// is known to be a hole since then, however many there are.
#[derive(Default)]
struct Looks(VecDeque<(Instant, Position)>);

impl Looks {
    /// Adds one. Returns up to where holes have been known for `HOLE_TIMEOUT`; 0 for nowhere.
    fn add(&mut self, now: Instant, head: Position) -> Position {
        self.0.push_back((now, head));
        let is_old = |look: &(Instant, Position)| now - look.0 >= HOLE_TIMEOUT;
        // Of those that are old enough the latest says it all.
        while self.0.get(1).is_some_and(is_old) {
            self.0.pop_front();
        }
        self.0.front().filter(|look| is_old(look)).map_or(0, |look| look.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_old_a_second_after_a_commit_above_it_was_seen() {
        let mut looks = Looks::default();
        let start = Instant::now();
        let mut add = |milliseconds, head| {
            let until = looks.add(start + Duration::from_millis(milliseconds), head);
            (until, looks.0.len())
        };
        assert_eq!(add(0, 10), (0, 1));
        assert_eq!(add(400, 20), (0, 2));
        assert_eq!(add(999, 30), (0, 3));
        assert_eq!(add(1_000, 40), (10, 4));
        assert_eq!(add(1_399, 50), (10, 5));
        assert_eq!(add(1_400, 60), (20, 5), "what says nothing more is forgotten");
        assert_eq!(add(9_000, 70), (60, 2));
    }

    #[test]
    fn what_is_missing_is_found_a_page_at_a_time() {
        assert_eq!(missing(0, &[1, 3, 6], 6), (vec![2, 4, 5], 6));
        assert_eq!(missing(0, &[1, 3, 6], 4), (vec![2, 4], 4));
        assert_eq!(missing(3, &[4, 5], 9), (vec![], 5), "what is behind the page is not known");
        assert_eq!(missing(3, &[], 9), (vec![], 3));
        let (first, seen) = missing(1, &[4_098], 4_098);
        assert_eq!((first.len(), first[0], seen), (PAGE, 2, 1_001));
        let (last, seen) = missing(4_001, &[4_098], 4_098);
        assert_eq!((last.len(), last[0], seen), (96, 4_002, 4_098));
    }
}
