//! What became of commits that were not simply written.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use kernel::aggregate::Aggregate;
use kernel::log::{Commit, Entry, Position, StreamName, Version};
use kernel::{Failure, Result};
use shared::event_store::Inserted;
use shared::service::backoff::Backoff;

use super::Rejected;
use super::desk::News;
use super::draft::Draft;
use super::group::Group;
use super::positions::margin;

/// Fresh starts of one request before its client is told of the conflict.
const ATTEMPTS: u32 = 30;
/// Looks for the cause of a refused insert, which a majority may not hold yet.
const LOOKS: u32 = 20;

/// What stands in the way of refused commits.
struct Found {
    at: HashMap<Position, Entry>,
    by_key: HashMap<String, Commit>,
    streams: HashSet<StreamName>,
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
    fn cause<A: Aggregate>(&self, draft: &Draft<A>) -> Cause {
        let commit = &draft.commit;
        let there = self.at.get(&commit.position);
        if matches!(there, Some(Entry::Commit(other)) if other.is_same_as(commit)) {
            return Cause::Mine;
        }
        if let Some(other) = self.by_key.get(&commit.key) {
            return Cause::Key(Box::new(other.clone()));
        }
        if self.streams.contains(&commit.stream) {
            return Cause::Stream;
        }
        if there.is_some() { Cause::Position } else { Cause::Hidden }
    }
}

impl<A: Aggregate> Group<A> {
    /// Commits that the log refused as duplicates: of a position, a stream's version or a key.
    pub(super) async fn settle_duplicates(
        &self,
        mut drafts: Vec<Draft<A>>,
        owed: &mut BTreeSet<Position>,
    ) {
        let mut backoff = Backoff::new(Duration::from_millis(2), Duration::from_millis(100));
        while !drafts.is_empty() {
            let found = self.look(&drafts).await;
            let mut hidden = vec![];
            let taken = |draft: &&Draft<A>| {
                found.as_ref().is_ok_and(|found| matches!(found.cause(draft), Cause::Position))
            };
            let collisions = drafts.iter().filter(taken);
            if let Some(most) = collisions.map(|draft| draft.job.collisions).max()
                && let Err(failure) = self.store.raise_counter(margin(most)).await
            {
                tracing::warn!(%failure, "positions were taken");
            }
            for draft in drafts {
                // Without an answer the cause is not known: in the end a tombstone settles it.
                match found.as_ref().map_or(Cause::Hidden, |found| found.cause(&draft)) {
                    Cause::Hidden => hidden.push(draft),
                    cause => self.settle(draft, cause, found.as_ref().ok(), owed),
                }
            }
            drafts = hidden;
            if backoff.attempts() > LOOKS {
                let failure =
                    Failure::transient("settling duplicates", "their cause can't be seen");
                return self.settle_unknown(drafts, owed, &failure).await;
            }
            if !drafts.is_empty() {
                backoff.sleep().await;
            }
        }
    }

    async fn look(&self, drafts: &[Draft<A>]) -> Result<Found> {
        let positions: Vec<Position> = drafts.iter().map(|draft| draft.commit.position).collect();
        let at = self.store.read_at(&positions).await?;
        let keys: Vec<&str> = drafts.iter().map(|draft| draft.commit.key.as_str()).collect();
        let by_key = self.store.read_by_key(&keys).await?;
        let above = drafts.iter().map(|draft| (&draft.commit.stream, draft.known.version));
        let streams = self.gone_on(above.collect()).await?;
        Ok(Found {
            at: at.into_iter().map(|entry| (entry.position(), entry)).collect(),
            by_key: by_key.into_iter().map(|commit| (commit.key.clone(), commit)).collect(),
            streams,
        })
    }

    /// Those of the streams that hold anything above these versions.
    async fn gone_on(&self, mut above: Vec<(&StreamName, Version)>) -> Result<HashSet<StreamName>> {
        let mut found = HashSet::new();
        while !above.is_empty() {
            let part = self.store.read_streams(&above).await?;
            found.extend(part.commits.into_iter().map(|commit| commit.stream));
            if part.complete {
                break;
            }
            above.retain(|(stream, _)| !found.contains(*stream));
        }
        Ok(found)
    }

    fn settle(
        &self,
        draft: Draft<A>,
        cause: Cause,
        found: Option<&Found>,
        owed: &mut BTreeSet<Position>,
    ) {
        let position = draft.commit.position;
        if !found.is_some_and(|found| found.at.contains_key(&position)) {
            owed.insert(position);
        }
        match cause {
            Cause::Mine => self.accept(draft),
            Cause::Key(commit) => self.replay(draft.job, &commit),
            Cause::Stream => self.again(draft, false),
            Cause::Position => self.again(draft, true),
            Cause::Hidden => {}
        }
    }

    /// Starts the request afresh: on what is known where that still holds, else on a fresh read.
    fn again(&self, draft: Draft<A>, holds: bool) {
        let Draft { mut job, known, .. } = draft;
        job.attempts += 1;
        job.collisions += u32::from(holds);
        job.request.fresh = false;
        if job.attempts > ATTEMPTS {
            return self.reject(job, Rejected::Conflict);
        }
        if job.is_abandoned() {
            return self.reject(job, Rejected::Unknown);
        }
        let stream = job.request.stream.clone();
        let known = holds.then_some(known);
        self.tell(News::Free { stream, known, again: Some(job), key: None });
    }

    /// The outcome of the insert is unknown (timeout, lost connection, no majority in time).
    /// A tombstone at a commit's own position settles it: if the tombstone wins, the commit can
    /// never appear; if not, what stands there tells the outcome.
    pub(super) async fn settle_unknown(
        &self,
        mut drafts: Vec<Draft<A>>,
        owed: &mut BTreeSet<Position>,
        failure: &Failure,
    ) {
        tracing::warn!(%failure, commands = drafts.len(), "an append has an unknown outcome");
        let mut backoff = Backoff::for_servers();
        while !drafts.is_empty() || !owed.is_empty() {
            match self.bury(&drafts, owed).await {
                Ok(found) => {
                    owed.clear();
                    let (seen, hidden) = drafts
                        .into_iter()
                        .partition(|draft| found.contains_key(&draft.commit.position));
                    drafts = hidden;
                    self.settle_buried(seen, &found);
                }
                Err(failure) if failure.is_permanent() => {
                    tracing::error!(%failure, commands = drafts.len(), "their outcome stays unknown");
                    owed.clear();
                    drafts.into_iter().for_each(|draft| self.reject(draft.job, Rejected::Unknown));
                    return;
                }
                Err(failure) => tracing::debug!(%failure, "still unknown"),
            }
            if !drafts.is_empty() || !owed.is_empty() {
                backoff.sleep().await;
            }
        }
    }

    /// Inserts the tombstones, and reads what stands at the drafts' positions.
    async fn bury(
        &self,
        drafts: &[Draft<A>],
        owed: &BTreeSet<Position>,
    ) -> Result<HashMap<Position, Entry>> {
        let positions: Vec<Position> = drafts.iter().map(|draft| draft.commit.position).collect();
        let all = positions.iter().chain(owed);
        let tombstones: Vec<Entry> = all.map(|position| Entry::Tombstone(*position)).collect();
        let outcomes = self.store.insert(&tombstones).await?;
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

    fn settle_buried(&self, drafts: Vec<Draft<A>>, found: &HashMap<Position, Entry>) {
        for draft in drafts {
            match found.get(&draft.commit.position) {
                Some(Entry::Commit(other)) if other.is_same_as(&draft.commit) => self.accept(draft),
                _ => self.again(draft, false),
            }
        }
    }
}
