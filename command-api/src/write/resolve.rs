//! Finds out what became of commits that were not simply written.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use kernel::aggregate::Aggregate;
use kernel::log::{Commit, Entry, Position, StreamName, Version};
use kernel::{Failure, Result};
use shared::event_store::{EventStore, Inserted};
use shared::service::backoff::Backoff;
use shared::service::liveness::Work;

use super::pending_commit::PendingCommit;
use super::positions::margin;
use super::replies::{Replies, RetryCause};
use super::request::Rejected;
use crate::metrics;

/// How often the cause of a refused insert is looked for, which a majority may not hold yet.
const MAX_LOOKS: u32 = 20;

/// What stands in the way of refused commits.
struct Found {
    at: HashMap<Position, Entry>,
    by_key: HashMap<String, Commit>,
    /// Of each stream that went on what it went on with, ascending, where there was room for it.
    later: HashMap<StreamName, Vec<Commit>>,
}

enum Cause {
    /// It is written after all.
    Mine,
    /// A commit with the same key is there.
    Key(Box<Commit>),
    /// The stream went on without it.
    Stream,
    /// Only its position was taken.
    Position,
    /// Nothing to be seen yet.
    Hidden,
}

impl Found {
    fn cause<A: Aggregate>(&self, pending: &PendingCommit<A>) -> Cause {
        let commit = &pending.commit;
        let there = self.at.get(&commit.position);
        if matches!(there, Some(Entry::Commit(other)) if other.is_same_as(commit)) {
            return Cause::Mine;
        }
        let key = commit.key.as_ref();
        if let Some(other) = key.and_then(|key| self.by_key.get(key)) {
            return Cause::Key(Box::new(other.clone()));
        }
        if self.later.contains_key(&commit.stream) {
            return Cause::Stream;
        }
        if there.is_some() { Cause::Position } else { Cause::Hidden }
    }
}

/// Resolves what a group could not append, and answers its commands.
pub struct Resolver<A: Aggregate> {
    store: Arc<dyn EventStore>,
    replies: Replies<A>,
    work: Work,
}

impl<A: Aggregate> Resolver<A> {
    pub fn new(store: Arc<dyn EventStore>, replies: Replies<A>, work: Work) -> Self {
        Self { store, replies, work }
    }

    /// Commits that the log refused as duplicates: of a position, a stream's version or a key.
    pub async fn resolve_duplicates(
        &self,
        mut commits: Vec<PendingCommit<A>>,
        unused_positions: &mut BTreeSet<Position>,
    ) {
        let mut backoff = Backoff::new(Duration::from_millis(2), Duration::from_millis(100));
        while !commits.is_empty() {
            let found = self.find_causes(&commits).await;
            self.work.progress();
            let mut hidden = vec![];
            let taken = |pending: &&PendingCommit<A>| {
                found.as_ref().is_ok_and(|found| matches!(found.cause(pending), Cause::Position))
            };
            let collisions = commits.iter().filter(taken);
            if let Some(most) = collisions.map(|pending| pending.command.collisions).max() {
                self.leave_behind(most, unused_positions).await;
            }
            for pending in commits {
                // Without an answer the cause is not known: in the end a tombstone settles it.
                match found.as_ref().map_or(Cause::Hidden, |found| found.cause(&pending)) {
                    Cause::Hidden => hidden.push(pending),
                    cause => self.resolve(pending, cause, found.as_ref().ok(), unused_positions),
                }
            }
            commits = hidden;
            if backoff.attempts() > MAX_LOOKS {
                let failure =
                    Failure::transient("resolving duplicates", "their cause can't be seen");
                return self.resolve_unknown(commits, unused_positions, &failure).await;
            }
            if !commits.is_empty() {
                backoff.sleep().await;
            }
        }
    }

    /// After collisions: what else was drawn may be taken as well. It is filled, and the counter is raised
    /// above it.
    async fn leave_behind(&self, collisions: u32, unused_positions: &mut BTreeSet<Position>) {
        let drawn: Vec<Entry> = unused_positions.iter().copied().map(Entry::Tombstone).collect();
        if !drawn.is_empty()
            && let Ok(outcomes) = self.store.insert(&drawn).await
        {
            metrics::sealed("writer", &outcomes);
            unused_positions.clear();
        }
        if let Err(failure) = self.store.raise_counter(margin(collisions)).await {
            tracing::warn!(%failure, "positions were taken");
        }
    }

    async fn find_causes(&self, commits: &[PendingCommit<A>]) -> Result<Found> {
        let positions: Vec<Position> =
            commits.iter().map(|pending| pending.commit.position).collect();
        let keys: Vec<&str> =
            commits.iter().filter_map(|pending| pending.commit.key.as_deref()).collect();
        let above = commits.iter().map(|pending| (&pending.commit.stream, pending.state.version));
        // At once: who has lost a race is late, and the other writer is under way again.
        let (at, found, later) = tokio::try_join!(
            self.store.read_at(&positions),
            self.store.read_by_key(&keys),
            self.later(above.collect()),
        )?;
        Ok(Found {
            at: at.into_iter().map(|entry| (entry.position(), entry)).collect(),
            by_key: by_key(found),
            later,
        })
    }

    /// What the streams hold above these versions, about `READ_BYTES` of it: of each that holds anything
    /// at least that it does.
    async fn later(
        &self,
        mut above: Vec<(&StreamName, Version)>,
    ) -> Result<HashMap<StreamName, Vec<Commit>>> {
        let mut later: HashMap<StreamName, Vec<Commit>> = HashMap::new();
        let mut has_room = true;
        while !above.is_empty() {
            let part = self.store.read_streams(&above).await?;
            for commit in part.commits {
                let of_stream = later.entry(commit.stream.clone()).or_default();
                if has_room {
                    of_stream.push(commit);
                }
            }
            if part.complete {
                break;
            }
            has_room = false; // The first part was as long as one may be.
            above.retain(|(stream, _)| !later.contains_key(*stream));
        }
        Ok(later)
    }

    fn resolve(
        &self,
        pending: PendingCommit<A>,
        cause: Cause,
        found: Option<&Found>,
        unused_positions: &mut BTreeSet<Position>,
    ) {
        let position = pending.commit.position;
        if !found.is_some_and(|found| found.at.contains_key(&position)) {
            unused_positions.insert(position);
        }
        match cause {
            Cause::Mine => self.replies.accept(pending),
            Cause::Key(commit) => self.replies.replay(pending.command, &commit),
            Cause::Stream => {
                let later = found.and_then(|found| found.later.get(&pending.commit.stream));
                let later = later.map_or(&[][..], Vec::as_slice);
                self.replies.retry(pending, RetryCause::Stream, later)
            }
            Cause::Position => self.replies.retry(pending, RetryCause::Position, &[]),
            Cause::Hidden => {}
        }
    }

    /// The outcome of the insert is unknown (timeout, lost connection, no majority in time).
    /// A tombstone at a commit's own position settles it: if the tombstone wins, the commit can
    /// never appear; if not, what stands there tells the outcome.
    pub async fn resolve_unknown(
        &self,
        mut commits: Vec<PendingCommit<A>>,
        unused_positions: &mut BTreeSet<Position>,
        failure: &Failure,
    ) {
        tracing::warn!(%failure, commands = commits.len(), "an append has an unknown outcome");
        let mut backoff = Backoff::for_servers();
        while !commits.is_empty() || !unused_positions.is_empty() {
            let written = self.write_tombstones(&commits, unused_positions).await;
            self.work.progress();
            match written {
                Ok(found) => {
                    unused_positions.clear();
                    let (seen, hidden) = commits
                        .into_iter()
                        .partition(|pending| found.contains_key(&pending.commit.position));
                    commits = hidden;
                    self.resolve_at_positions(seen, &found);
                }
                Err(failure) if failure.is_permanent() => {
                    tracing::error!(%failure, commands = commits.len(), "their outcome stays unknown");
                    unused_positions.clear();
                    commits.into_iter().for_each(|pending| {
                        self.replies.reject(pending.command, Rejected::Unknown)
                    });
                    return;
                }
                Err(failure) => tracing::debug!(%failure, "still unknown"),
            }
            if !commits.is_empty() || !unused_positions.is_empty() {
                backoff.sleep().await;
            }
        }
    }

    /// Inserts the tombstones, and reads what stands at the commits' positions.
    async fn write_tombstones(
        &self,
        commits: &[PendingCommit<A>],
        unused_positions: &BTreeSet<Position>,
    ) -> Result<HashMap<Position, Entry>> {
        let positions: Vec<Position> =
            commits.iter().map(|pending| pending.commit.position).collect();
        let all = positions.iter().chain(unused_positions);
        let tombstones: Vec<Entry> = all.map(|position| Entry::Tombstone(*position)).collect();
        let outcomes = self.store.insert(&tombstones).await?;
        metrics::sealed("writer", &outcomes);
        let buried =
            positions.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == Inserted::Written);
        let mut found: HashMap<Position, Entry> =
            buried.map(|(position, _)| (*position, Entry::Tombstone(*position))).collect();
        let rest: Vec<Position> =
            positions.iter().copied().filter(|position| !found.contains_key(position)).collect();
        if !rest.is_empty() {
            found.extend(
                self.store.read_at(&rest).await?.into_iter().map(|entry| (entry.position(), entry)),
            );
        }
        Ok(found)
    }

    fn resolve_at_positions(
        &self,
        commits: Vec<PendingCommit<A>>,
        found: &HashMap<Position, Entry>,
    ) {
        for pending in commits {
            match found.get(&pending.commit.position) {
                Some(Entry::Commit(other)) if other.is_same_as(&pending.commit) => {
                    self.replies.accept(pending)
                }
                _ => self.replies.retry(pending, RetryCause::Lost, &[]),
            }
        }
    }
}

/// Commits that have a key, by it.
pub fn by_key(commits: Vec<Commit>) -> HashMap<String, Commit> {
    commits.into_iter().filter_map(|commit| Some((commit.key.clone()?, commit))).collect()
}
