//! One group of commands: decided together, inserted together.

mod deciding;

use std::collections::BTreeSet;
use std::sync::Arc;

use kernel::aggregate::Aggregate;
use kernel::log::{Entry, Position};
use kernel::{Failure, Result};
use shared::event_store::{EventStore, Inserted, NotInserted};
use shared::service::failpoint;
use shared::service::liveness::Work;
use shared::service::traces::{Kind, Step};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::group_event::GroupEvent;
use super::pending_commit::PendingCommit;
use super::positions;
use super::replies::Replies;
use super::resolve::Resolver;
use crate::metrics;
use crate::told::told;

/// Bytes of the commits of a group, with the states that they were decided on, but for the last commit: a
/// small command may be for a large state, and lead to large events. So an insert stays far below what a
/// message to MongoDB may have (48 MB). What is accepted on states that the group reads has as much again.
pub const MAX_BYTES: usize = 8 << 20;

pub struct CommitGroup<A: Aggregate> {
    store: Arc<dyn EventStore>,
    replies: Replies<A>,
    resolver: Resolver<A>,
    work: Work,
}

impl<A: Aggregate> CommitGroup<A> {
    /// `work` is told whenever the group gets on.
    pub fn new(
        store: Arc<dyn EventStore>,
        events: mpsc::UnboundedSender<GroupEvent<A>>,
        work: Work,
    ) -> Self {
        let replies = Replies::new(store.clone(), events);
        let resolver = Resolver::new(store.clone(), replies.clone(), work.clone());
        Self { store, replies, resolver, work }
    }

    /// Answers every command or gives it back, and tells which positions are left to fill.
    pub async fn run(self, chains: deciding::Chains<A>, unused_positions: Vec<Position>) {
        let mut unused_positions: BTreeSet<Position> = unused_positions.into_iter().collect();
        let of_commands = !chains.is_empty();
        let commits = self.decide(chains).await;
        self.work.progress();
        self.append(commits, &mut unused_positions).await;
        let unused_positions = unused_positions.into_iter().collect();
        self.replies.tell(GroupEvent::Over { unused_positions, of_commands });
    }

    /// Gives each commit its position.
    async fn place(
        &self,
        commits: &mut [PendingCommit<A>],
        unused_positions: &mut BTreeSet<Position>,
    ) -> Result<()> {
        let after =
            |pending: &PendingCommit<A>| (!pending.goes_on).then_some(pending.state.position);
        let after: Vec<Option<Position>> = commits.iter().map(after).collect();
        let positions = positions::assign(&self.store, &after, unused_positions).await?;
        let mut before = 0;
        for (pending, position) in commits.iter_mut().zip(positions) {
            if pending.goes_on {
                pending.state.position = before;
            }
            pending.commit.position = position;
            before = position;
        }
        Ok(())
    }

    /// Inserts all commits, and tombstones where positions are left over, with one call.
    async fn append(
        &self,
        mut commits: Vec<PendingCommit<A>>,
        unused_positions: &mut BTreeSet<Position>,
    ) {
        let step = Step::begin("append", Kind::Internal);
        if let Err(failure) = self.place(&mut commits, unused_positions).await {
            return self.fail(step, &failure, commits, unused_positions);
        }
        let mut entries: Vec<Entry> =
            commits.iter().map(|pending| Entry::Commit(pending.commit.clone())).collect();
        entries.extend(unused_positions.iter().map(|position| Entry::Tombstone(*position)));
        if entries.is_empty() {
            return;
        }
        failpoint::hit("insert.before");
        let started = Instant::now();
        let inserted = self.store.insert(&entries).await;
        if !commits.is_empty() {
            metrics::GROUPS.had(commits.len());
            metrics::APPENDS.took(started.elapsed(), &[]);
        }
        self.work.progress();
        match inserted {
            Ok(outcomes) => {
                failpoint::hit("insert.after");
                metrics::sealed("writer", outcomes.get(commits.len()..).unwrap_or_default());
                unused_positions.clear(); // A tombstone that was refused stood there already.
                let (mut written, mut refused) = (vec![], vec![]);
                for (pending, outcome) in commits.into_iter().zip(outcomes) {
                    match outcome {
                        Inserted::Written => written.push(pending),
                        Inserted::Duplicate => refused.push(pending),
                        Inserted::NotAttempted => {
                            unused_positions.insert(pending.commit.position);
                            self.replies.give_back(pending.command);
                        }
                    }
                }
                if let Some(step) = step {
                    step.end(vec![], written.iter().map(|pending| told(&pending.commit)));
                }
                written.into_iter().for_each(|pending| self.replies.accept(pending));
                metrics::DUPLICATES.add(refused.len());
                self.resolver.resolve_duplicates(refused, unused_positions).await;
            }
            Err(NotInserted::Never(failure)) => {
                unused_positions.extend(commits.iter().map(|pending| pending.commit.position));
                self.fail(step, &failure, commits, unused_positions);
            }
            Err(NotInserted::Unknown(failure)) => {
                metrics::UNKNOWN.add(commits.len());
                tell_failed(step, &failure, &commits);
                self.resolver.resolve_unknown(commits, unused_positions, &failure).await;
            }
        }
    }

    /// Nothing was written. The positions are filled by a later group, if there may be one: after a permanent
    /// failure they may be those of another log.
    fn fail(
        &self,
        step: Option<Step>,
        failure: &Failure,
        commits: Vec<PendingCommit<A>>,
        unused_positions: &mut BTreeSet<Position>,
    ) {
        tell_failed(step, failure, &commits);
        if failure.is_permanent() {
            unused_positions.clear();
        }
        self.replies.reject_all(commits.into_iter().map(|pending| pending.command), failure);
    }
}

/// None of these commits is known to be written.
fn tell_failed<A: Aggregate>(step: Option<Step>, why: &Failure, commits: &[PendingCommit<A>]) {
    if let Some(step) = step {
        step.failed(why).end(vec![], commits.iter().map(|pending| told(&pending.commit)));
    }
}
