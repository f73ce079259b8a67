//! Deciding a command, and the commit that an acceptance leads to.

use kernel::Timestamp;
use kernel::aggregate::{Aggregate, Invalid};
use kernel::log::{Commit, Event, MAX_EVENTS, Version};
use uuid::Uuid;

use super::guarded::guarded;
use super::pending_command::PendingCommand;
use super::request::{Rejected, Request};
use super::stream_reader::is_snapshot_due;
use super::stream_state::{StreamState, data_length};

/// A commit that waits for its position, and the state after it.
pub struct PendingCommit<A: Aggregate> {
    pub command: PendingCommand<A>,
    pub commit: Commit,
    /// The state that it was decided on.
    pub state: StreamState<A>,
    /// It was decided on what the commit before it in the group leads to.
    pub goes_on: bool,
    after: A::State,
}

/// Decides on a state. A refusal is final only on a state that was read for it.
pub fn decide<A: Aggregate>(
    request: &Request<A>,
    state: &StreamState<A>,
) -> Result<Vec<A::Event>, Rejected> {
    match &request.owner {
        Some(owner) => decide_for(owner, request, state),
        None => decide_on(request, state.version, &state.state),
    }
}

fn decide_on<A: Aggregate>(
    request: &Request<A>,
    version: Version,
    state: &A::State,
) -> Result<Vec<A::Event>, Rejected> {
    if let Some(expected) = request.expected
        && expected != version
    {
        return Err(Rejected::VersionMismatch { actual: version });
    }
    guarded("deciding", || A::decide(state, &request.command))
        .map_err(|invalid| Rejected::Broken(invalid.detail))?
        .map_err(Rejected::Refused)
}

/// What belongs to another owner is decided on as if there was nothing, so that a refusal tells nothing
/// of it; and what would belong to another owner is not made.
fn decide_for<A: Aggregate>(
    owner: &str,
    request: &Request<A>,
    state: &StreamState<A>,
) -> Result<Vec<A::Event>, Rejected> {
    let belongs = |state: &A::State| {
        guarded("finding an owner", || A::belongs_to(state, owner))
            .map_err(|invalid| Rejected::Broken(invalid.detail))
    };
    if state.version > 0 && !belongs(&state.state)? {
        decide_on(request, 0, &A::State::default())?;
        // Only what makes something is accepted where there is nothing, and here its id is taken.
        return Err(decide_on(request, state.version, &state.state)
            .err()
            .unwrap_or(Rejected::OfAnotherOwner));
    }
    let events = decide_on(request, state.version, &state.state)?;
    let mut after = state.state.clone();
    guarded("folding an event", || events.iter().for_each(|event| A::evolve(&mut after, event)))
        .map_err(|invalid| Rejected::Broken(invalid.detail))?;
    if belongs(&after)? { Ok(events) } else { Err(Rejected::OfAnotherOwner) }
}

impl<A: Aggregate> PendingCommit<A> {
    /// The commit of an acceptance; the command and what is wrong, where the domain's events can't be
    /// written.
    pub fn new(
        command: PendingCommand<A>,
        state: StreamState<A>,
        events: &[A::Event],
    ) -> Result<Self, Box<(PendingCommand<A>, Invalid)>> {
        if events.is_empty() || events.len() > MAX_EVENTS {
            let found = format!("a command led to {} events, 1 to {MAX_EVENTS} fit", events.len());
            return Err(Box::new((command, Invalid::new(found))));
        }
        let written = guarded("writing an event", || encode::<A>(events, state.state.clone()));
        let (encoded, after) = match written.flatten() {
            Ok(written) => written,
            Err(invalid) => return Err(Box::new((command, invalid))),
        };
        let request = &command.request;
        let commit = Commit {
            position: 0,
            stream: request.stream.clone(),
            from: state.version + 1,
            to: state.version + events.len() as Version,
            events: encoded,
            at: Timestamp::now().max(state.at),
            meta: request.meta.clone(),
            key: request.key.clone(),
            fingerprint: request.fingerprint.clone(),
        };
        Ok(Self { command, commit, state, goes_on: false, after })
    }

    /// About what it takes: the JSON of its events, and of the state that it was decided on.
    pub fn bytes(&self) -> usize {
        self.state.bytes + data_length(&self.commit)
    }

    /// The state that it leads to.
    pub fn state_after(&self) -> StreamState<A> {
        StreamState::after(self.after.clone(), &self.commit, self.state.bytes)
    }

    pub fn is_snapshot_due(&self) -> bool {
        is_snapshot_due(self.state.version, self.commit.to)
    }

    /// The command, its commit, and the state of the stream once the commit is acknowledged.
    pub fn acknowledged(self) -> (PendingCommand<A>, Commit, StreamState<A>) {
        let Self { command, commit, after, state, .. } = self;
        let state = StreamState::after(after, &commit, state.bytes);
        (command, commit, state)
    }
}

/// The events as they are stored, and the state after them.
fn encode<A: Aggregate>(
    events: &[A::Event],
    mut state: A::State,
) -> Result<(Vec<Event>, A::State), Invalid> {
    let mut encoded = Vec::with_capacity(events.len());
    for event in events {
        let (kind, schema, data) = A::encode(event)?;
        encoded.push(Event { id: Uuid::now_v7(), kind, schema, data });
        A::evolve(&mut state, event);
    }
    Ok((encoded, state))
}
