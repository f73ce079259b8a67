//! Answers commands, and tells the scheduler which of them have left their group.

use std::sync::Arc;

use kernel::Failure;
use kernel::aggregate::Aggregate;
use kernel::log::{Commit, StreamName};
use shared::event_store::EventStore;
use shared::service::log_sampler::{LineKind, is_written};
use shared::service::traces::{Kind, Step};
use tokio::sync::mpsc;

use super::group_event::GroupEvent;
use super::pending_command::PendingCommand;
use super::pending_commit::PendingCommit;
use super::request::{Accepted, Outcome, Rejected, Request};
use super::stream_reader;
use super::stream_state::StreamState;
use crate::metrics;
use crate::told::told;

/// How often a request starts afresh before its client is told of the conflict.
const MAX_RETRIES: u32 = 30;

/// Why a request starts afresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryCause {
    /// Another commit went on with the stream.
    Stream,
    /// Only its position was taken: the state that it was decided on holds.
    Position,
    /// The outcome of the append was not known, and it did not happen.
    Lost,
}

impl RetryCause {
    fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Position => "position",
            Self::Lost => "lost",
        }
    }
}

/// Tells why a command is broken.
fn tell_broken<A: Aggregate>(request: &Request<A>, why: &str) {
    const BROKEN: &str = "a command can't be carried out";
    let (stream, meta, request_id) =
        (&request.stream, &request.meta, request.request_id.as_deref());
    let (correlation, traceparent) = (&meta.correlation, meta.traceparent.as_deref());
    match is_written(&LineKind::error(BROKEN, why), request_id) {
        true => tracing::error!(why, %stream, request_id, correlation, traceparent, "{BROKEN}"),
        false => tracing::debug!(why, %stream, request_id, correlation, traceparent, "{BROKEN}"),
    }
}

/// Where the answers of one group go: to the clients, and to the scheduler.
pub struct Replies<A: Aggregate> {
    store: Arc<dyn EventStore>,
    events: mpsc::UnboundedSender<GroupEvent<A>>,
}

impl<A: Aggregate> Clone for Replies<A> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), events: self.events.clone() }
    }
}

impl<A: Aggregate> Replies<A> {
    pub fn new(store: Arc<dyn EventStore>, events: mpsc::UnboundedSender<GroupEvent<A>>) -> Self {
        Self { store, events }
    }

    pub fn tell(&self, event: GroupEvent<A>) {
        drop(self.events.send(event)); // The scheduler outlives its groups, but for a forced shutdown.
    }

    /// Answers a command, and tells the scheduler before that: its client may send the next command.
    pub fn answer(
        &self,
        command: PendingCommand<A>,
        state: Option<StreamState<A>>,
        outcome: Outcome,
    ) {
        self.answer_appended(command, state, outcome, 0);
    }

    fn answer_appended(
        &self,
        mut command: PendingCommand<A>,
        state: Option<StreamState<A>>,
        outcome: Outcome,
        appended_bytes: usize,
    ) {
        command.conclude(&outcome);
        if let Err(Rejected::Broken(why)) = &outcome {
            tell_broken(&command.request, why);
        }
        let (stream, key) = (command.request.stream.clone(), command.request.key.clone());
        self.tell(GroupEvent::Left { stream, state, retry: None, key, appended_bytes });
        command.answer(outcome);
    }

    /// Answers a command whose commit is acknowledged, and saves a snapshot where one is due.
    pub fn accept(&self, pending: PendingCommit<A>) {
        let is_due = pending.is_snapshot_due();
        let (command, commit, mut state) = pending.acknowledged();
        commit.events.iter().for_each(|event| metrics::EVENTS.add_to(&event.kind, 1));
        if is_due {
            stream_reader::save_snapshot(&self.store, &commit.stream, &mut state);
        }
        let bytes = state.bytes;
        self.answer_appended(command, Some(state), Ok(Accepted::from(&commit)), bytes);
    }

    pub fn reject(&self, command: PendingCommand<A>, rejected: Rejected) {
        self.answer(command, None, Err(rejected));
    }

    /// Nothing was written of these commands.
    pub fn reject_all(
        &self,
        commands: impl IntoIterator<Item = PendingCommand<A>>,
        failure: &Failure,
    ) {
        let why = match failure.is_permanent() {
            true => "the log can't be used now; the service's own log tells more",
            false => "the log can't be reached; try again",
        };
        let mut count = 0;
        for command in commands {
            count += 1;
            self.reject(command, Rejected::Unavailable(why.to_owned()));
        }
        if count > 0 {
            tracing::warn!(%failure, commands = count, "nothing was written");
        }
    }

    /// Answers with what was answered before under the same key.
    pub fn replay(&self, command: PendingCommand<A>, commit: &Commit) {
        if commit.fingerprint != command.request.fingerprint {
            return self.reject(command, Rejected::KeyMismatch);
        }
        self.answer(command, None, Ok(Accepted::from(commit)));
    }

    /// Lets a command wait for a later group: nothing was tried of it.
    pub fn give_back(&self, command: PendingCommand<A>) {
        self.give_back_with(command, None);
    }

    /// The same, with the state of its stream, where it is known for certain.
    pub fn give_back_with(&self, mut command: PendingCommand<A>, state: Option<StreamState<A>>) {
        command.untried = true;
        let stream = command.request.stream.clone();
        self.leave_to_retry(stream, state, command);
    }

    fn leave_to_retry(
        &self,
        stream: StreamName,
        state: Option<StreamState<A>>,
        command: PendingCommand<A>,
    ) {
        let (retry, key, appended_bytes) = (Some(command), None, 0);
        self.tell(GroupEvent::Left { stream, state, retry, key, appended_bytes });
    }

    /// Starts the request afresh: on the state that it was decided on with what `later` adds to it, or on
    /// a fresh read where that can't be known.
    pub fn retry(&self, pending: PendingCommit<A>, cause: RetryCause, later: &[Commit]) {
        let PendingCommit { mut command, state, commit, .. } = pending;
        metrics::RETRIES.add_to(cause.name(), 1);
        command.untried = false;
        command.attempts += 1;
        command.collisions += u32::from(cause == RetryCause::Position);
        command.request.fresh = false;
        if command.attempts > MAX_RETRIES {
            if let Some(step) = Step::begin("append", Kind::Internal) {
                let why = "other commits were written first at every attempt";
                step.failed(&why).end(vec![], std::iter::once(told(&commit)));
            }
            return self.reject(command, Rejected::Conflict);
        }
        let stream = command.request.stream.clone();
        let state = match cause {
            RetryCause::Stream if later.is_empty() => None,
            RetryCause::Stream | RetryCause::Position => state.advanced(later),
            RetryCause::Lost => None,
        };
        self.leave_to_retry(stream, state, command);
    }
}
