//! Deciding the commands of a group: on cached states, on what commands before them lead to, or on
//! states that are read.

use std::collections::HashMap;

use kernel::aggregate::Aggregate;
use kernel::log::Commit;

use super::{CommitGroup, MAX_BYTES};
use crate::metrics;
use crate::write::pending_command::PendingCommand;
use crate::write::pending_commit::{PendingCommit, decide};
use crate::write::queues::Chain;
use crate::write::request::Rejected;
use crate::write::resolve::by_key;
use crate::write::stream_reader;
use crate::write::stream_state::StreamState;

/// Commands, with the cached states of their streams.
pub(super) type Chains<A> = Vec<(Chain<A>, Option<StreamState<A>>)>;

/// A command that is refused, and why.
struct Refused<A: Aggregate> {
    command: PendingCommand<A>,
    rejected: Rejected,
    /// The state of its stream. Of several commands of a stream the last one has it.
    state: Option<StreamState<A>>,
}

/// What is accepted so far.
struct Commits<A: Aggregate> {
    all: Vec<PendingCommit<A>>,
    bytes: usize,
}

impl<A: Aggregate> Commits<A> {
    /// Of so many commands.
    fn with_capacity(commits: usize) -> Self {
        Self { all: Vec::with_capacity(commits), bytes: 0 }
    }

    fn push(&mut self, pending: PendingCommit<A>) {
        self.bytes += pending.bytes();
        self.all.push(pending);
    }

    fn is_full(&self) -> bool {
        self.is_full_with(0)
    }

    /// Once so many bytes more are pushed.
    fn is_full_with(&self, more: usize) -> bool {
        self.bytes + more >= MAX_BYTES
    }
}

impl<A: Aggregate> CommitGroup<A> {
    /// Decides all chains: first on cached states, then those whose first command was refused on a
    /// fresh read. What there is no room for waits for the next group.
    pub(super) async fn decide(&self, chains: Chains<A>) -> Vec<PendingCommit<A>> {
        let mut commits = Commits::with_capacity(chains.len());
        let mut unsure = vec![];
        for (chain, state) in chains {
            let request = &chain.first.request;
            let (from, state) = match state {
                Some(state) => ("cache", state),
                None if request.fresh => ("new", StreamState::empty()),
                None => {
                    unsure.push((chain, None));
                    continue;
                }
            };
            if commits.is_full() {
                self.give_back(chain, Some(state));
                continue;
            }
            metrics::STATES.add_to(from, 1);
            match decide(request, &state) {
                Ok(events) => {
                    let first = self.commit(chain.first, state, &events);
                    self.go_on(first, chain.behind.into_iter(), &mut commits);
                }
                Err(_) => unsure.push((chain, Some(state))),
            }
        }
        if !unsure.is_empty() {
            let (chains, states): (Vec<_>, Vec<_>) = unsure.into_iter().unzip();
            let stream = |chain: &Chain<A>| chain.first.request.stream.clone();
            let streams = chains.iter().map(stream).collect();
            let read = stream_reader::read(&self.store, streams, states).await;
            self.work.progress();
            commits.bytes = 0; // However many are accepted on cached states, one of these gets on.
            match read {
                Ok(found) => self.decide_finally(chains, found, &mut commits).await,
                Err(failure) => {
                    let commands = chains.into_iter().flat_map(Chain::commands);
                    self.replies.reject_all(commands, &failure);
                }
            }
        }
        commits.all
    }

    /// Lets commands wait that nothing was tried of, with the state of their stream where it is known.
    fn give_back(&self, chain: Chain<A>, state: Option<StreamState<A>>) {
        let state = state.filter(|state| state.version > 0);
        self.replies.give_back_with(chain.first, state);
        chain.behind.into_iter().for_each(|command| self.replies.give_back(command));
    }

    /// Adds the first commit, and behind it those of the commands that are accepted on what it leads to,
    /// one on the other, up to the next snapshot, and as far as there is room. The rest waits for a later
    /// group: a refusal needs a state that is in the log.
    fn go_on(
        &self,
        first: Option<PendingCommit<A>>,
        mut behind: impl Iterator<Item = PendingCommand<A>>,
        commits: &mut Commits<A>,
    ) {
        let mut last = first;
        while let Some(before) = last.take() {
            if !before.is_snapshot_due()
                && !commits.is_full_with(before.bytes())
                && let Some(command) = behind.next()
            {
                let state = before.state_after();
                metrics::STATES.add_to("chain", 1);
                match decide(&command.request, &state) {
                    Ok(events) => match PendingCommit::new(command, state, &events) {
                        Ok(mut next) => {
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

    /// Decides on states that were just read. Streams that were left out wait for the next group.
    async fn decide_finally(
        &self,
        chains: Vec<Chain<A>>,
        found: stream_reader::Found<A>,
        commits: &mut Commits<A>,
    ) {
        let stream_reader::Found { mut folded, mut unread } = found;
        let mut refused = vec![];
        for chain in chains {
            let stream = &chain.first.request.stream;
            match folded.remove(stream) {
                Some(Err(invalid)) => chain.commands().for_each(|command| {
                    self.replies.reject(command, Rejected::Broken(invalid.detail.clone()));
                }),
                Some(Ok(state)) if commits.is_full() => self.give_back(chain, Some(state)),
                Some(Ok(state)) => self.decide_chain(chain, state, &mut refused, commits),
                None => {
                    let state = unread.remove(stream);
                    self.give_back(chain, state);
                }
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
        commits: &mut Commits<A>,
    ) {
        let mut commands = chain.commands();
        while let Some(command) = commands.next() {
            metrics::STATES.add_to("log", 1);
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
}
