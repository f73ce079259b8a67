//! One group of commands: decided together, inserted together.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use kernel::aggregate::Aggregate;
use kernel::log::{Commit, Entry, Position};
use kernel::{Failure, Result};
use shared::event_store::{EventStore, Inserted, NotInserted};
use shared::service::failpoint;
use shared::service::liveness::Work;
use shared::service::traces::{Kind, Step};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::group_event::GroupEvent;
use super::pending_command::PendingCommand;
use super::pending_commit::{PendingCommit, decide};
use super::queues::Chain;
use super::replies::Replies;
use super::request::{Rejected, Request};
use super::resolve::{Resolver, by_key};
use super::stream_state::StreamState;
use super::{positions, stream_reader};
use crate::metrics;
use crate::told::told;

pub struct CommitGroup<A: Aggregate> {
    store: Arc<dyn EventStore>,
    replies: Replies<A>,
    resolver: Resolver<A>,
    work: Work,
}

/// Commands, with the cached states of their streams.
type Chains<A> = Vec<(Chain<A>, Option<StreamState<A>>)>;

/// A command that is refused, and why.
struct Refused<A: Aggregate> {
    command: PendingCommand<A>,
    rejected: Rejected,
    /// What its stream's state is, with the last of a stream.
    state: Option<StreamState<A>>,
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

    /// Answers every command, frees every stream, and tells which positions are left to fill.
    pub async fn run(self, chains: Chains<A>, unused_positions: Vec<Position>) {
        let mut unused_positions: BTreeSet<Position> = unused_positions.into_iter().collect();
        let commits = self.decide(chains).await;
        self.work.progress();
        self.append(commits, &mut unused_positions).await;
        let unused_positions = unused_positions.into_iter().collect();
        self.replies.tell(GroupEvent::Over { unused_positions });
    }

    /// Decides all chains: first on cached states, then those whose first command was refused on a fresh
    /// read.
    async fn decide(&self, chains: Chains<A>) -> Vec<PendingCommit<A>> {
        let mut commits = Vec::with_capacity(chains.len());
        let mut unsure = vec![];
        for (chain, state) in chains {
            let request = &chain.first.request;
            metrics::STATES.add_to(origin(request, state.is_some()), 1);
            let state = state.or_else(|| request.fresh.then(StreamState::empty));
            match state.map(|state| (decide(request, &state), state)) {
                Some((Ok(events), state)) => {
                    let first = self.commit(chain.first, state, &events);
                    self.go_on(first, chain.behind.into_iter(), &mut commits);
                }
                Some((Err(_), state)) => unsure.push((chain, Some(state))),
                None => unsure.push((chain, None)),
            }
        }
        if !unsure.is_empty() {
            let (chains, states): (Vec<_>, Vec<_>) = unsure.into_iter().unzip();
            let stream = |chain: &Chain<A>| chain.first.request.stream.clone();
            let streams = chains.iter().map(stream).collect();
            let read = stream_reader::read(&self.store, streams, states).await;
            self.work.progress();
            match read {
                Ok(folded) => self.decide_finally(chains, folded, &mut commits).await,
                Err(failure) => {
                    self.replies.reject_all(chains.into_iter().flatten(), &failure);
                }
            }
        }
        commits
    }

    /// Adds the first commit, and behind it those of the commands that are accepted on what it leads to,
    /// one on the other, up to the next snapshot. The rest waits for a later group: a refusal needs a
    /// state that is in the log.
    fn go_on(
        &self,
        first: Option<PendingCommit<A>>,
        mut behind: impl Iterator<Item = PendingCommand<A>>,
        commits: &mut Vec<PendingCommit<A>>,
    ) {
        let mut last = first;
        while let Some(before) = last.take() {
            if !before.is_snapshot_due()
                && let Some(command) = behind.next()
            {
                let state = before.state_after();
                match decide(&command.request, &state) {
                    Ok(events) => match PendingCommit::new(command, state, &events) {
                        Ok(mut next) => {
                            metrics::STATES.add_to("chain", 1);
                            next.goes_on = true;
                            last = Some(next);
                        }
                        Err(broken) => self.replies.give_back(broken.0),
                    },
                    Err(_) => self.replies.give_back(command),
                }
            }
            commits.push(before);
        }
        behind.for_each(|command| self.replies.give_back(command));
    }

    fn commit(
        &self,
        command: PendingCommand<A>,
        state: StreamState<A>,
        events: &[A::Event],
    ) -> Option<PendingCommit<A>> {
        match PendingCommit::new(command, state, events) {
            Ok(pending) => Some(pending),
            Err(broken) => {
                let (command, invalid) = *broken;
                self.replies.reject(command, Rejected::Broken(invalid.detail));
                None
            }
        }
    }

    /// Decides on states that were just read.
    async fn decide_finally(
        &self,
        chains: Vec<Chain<A>>,
        mut folded: stream_reader::Folded<A>,
        commits: &mut Vec<PendingCommit<A>>,
    ) {
        let mut refused = vec![];
        for chain in chains {
            match folded.remove(&chain.first.request.stream) {
                Some(Err(invalid)) => chain.into_iter().for_each(|command| {
                    self.replies.reject(command, Rejected::Broken(invalid.detail.clone()));
                }),
                Some(Ok(state)) => self.decide_chain(chain, state, &mut refused, commits),
                None => self.decide_chain(chain, StreamState::empty(), &mut refused, commits),
            }
        }
        self.refuse(refused).await;
    }

    /// Those before the first that is accepted are refused on a state that is in the log.
    fn decide_chain(
        &self,
        chain: Chain<A>,
        state: StreamState<A>,
        refused: &mut Vec<Refused<A>>,
        commits: &mut Vec<PendingCommit<A>>,
    ) {
        let mut commands = chain.into_iter();
        while let Some(command) = commands.next() {
            match decide(&command.request, &state) {
                Ok(events) => {
                    let first = self.commit(command, state, &events);
                    return self.go_on(first, commands, commits);
                }
                Err(rejected) => refused.push(Refused { command, rejected, state: None }),
            }
        }
        if let Some(last) = refused.last_mut() {
            last.state = Some(state);
        }
    }

    /// Refuses, unless the request was carried out before: its key is looked up after the streams
    /// were read, so that a commit that caused the refusal is found.
    async fn refuse(&self, refused: Vec<Refused<A>>) {
        let keys: Vec<&str> =
            refused.iter().filter_map(|it| it.command.request.key.as_deref()).collect();
        let found = if keys.is_empty() { Ok(vec![]) } else { self.store.read_by_key(&keys).await };
        let found: HashMap<String, Commit> = match found {
            Ok(commits) => by_key(commits),
            Err(failure) => {
                let commands = refused.into_iter().map(|it| it.command);
                return self.replies.reject_all(commands, &failure);
            }
        };
        for Refused { command, rejected, state } in refused {
            let before = command.request.key.as_ref().and_then(|key| found.get(key));
            match before {
                Some(commit) => self.replies.replay(command, commit),
                None => self.replies.answer(command, state, Err(rejected)),
            }
        }
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
            tell_failed(step, &failure, &commits);
            return self.replies.reject_all(commands(commits), &failure);
        }
        let mut entries: Vec<Entry> =
            commits.iter().map(|pending| Entry::Commit(pending.commit.clone())).collect();
        entries.extend(unused_positions.iter().map(|position| Entry::Tombstone(*position)));
        if entries.is_empty() {
            return;
        }
        failpoint::hit("insert.before");
        metrics::GROUPS.had(commits.len());
        let started = Instant::now();
        let inserted = self.store.insert(&entries).await;
        metrics::APPENDS.took(started.elapsed(), &[]);
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
                tell_failed(step, &failure, &commits);
                // Their positions are filled by a later group.
                unused_positions.extend(commits.iter().map(|pending| pending.commit.position));
                self.replies.reject_all(commands(commits), &failure);
            }
            Err(NotInserted::Unknown(failure)) => {
                metrics::UNKNOWN.add(commits.len());
                tell_failed(step, &failure, &commits);
                self.resolver.resolve_unknown(commits, unused_positions, &failure).await;
            }
        }
    }
}

/// None of these commits is known to be written.
fn tell_failed<A: Aggregate>(step: Option<Step>, why: &Failure, commits: &[PendingCommit<A>]) {
    if let Some(step) = step {
        step.failed(why).end(vec![], commits.iter().map(|pending| told(&pending.commit)));
    }
}

/// Where the state comes from that the first command of a stream is first decided on.
fn origin<A: Aggregate>(request: &Request<A>, is_cached: bool) -> &'static str {
    match (is_cached, request.fresh) {
        (true, _) => "cache",
        (false, true) => "new",
        (false, false) => "log",
    }
}

fn commands<A: Aggregate>(
    commits: Vec<PendingCommit<A>>,
) -> impl Iterator<Item = PendingCommand<A>> {
    commits.into_iter().map(|pending| pending.command)
}
