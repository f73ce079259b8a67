//! What is known of a stream, and the commit that a decision leads to.

use kernel::Timestamp;
use kernel::aggregate::{Aggregate, Invalid};
use kernel::log::{Commit, Event, MAX_EVENTS, Position, StreamName, Version};
use serde_json::Value;
use shared::event_store::Snapshot;
use uuid::Uuid;

use super::guarded::guarded;
use super::job::Job;
use super::{Rejected, Request};

/// The folded state of a stream.
#[derive(Clone)]
pub struct Known<A: Aggregate> {
    pub state: A::State,
    pub version: Version,
    /// Of the latest commit: the next one's must be greater.
    pub position: Position,
    /// Of the latest commit: the next one's is not earlier.
    pub at: Timestamp,
    /// About the length of the state's JSON: that of the latest snapshot, and of all events since.
    pub bytes: usize,
}

impl<A: Aggregate> Known<A> {
    /// A stream without events.
    pub fn nothing() -> Self {
        Self {
            state: A::State::default(),
            version: 0,
            position: 0,
            at: Timestamp::from_millis(i64::MIN),
            bytes: 0,
        }
    }

    /// What a snapshot says; `None` when its state can't be read.
    pub fn of_snapshot(snapshot: &Snapshot) -> Option<Self> {
        let Snapshot { version, position, at, .. } = *snapshot;
        let read = || serde_json::from_str(&snapshot.state);
        let state = guarded("reading a snapshot", read).ok()?.ok()?;
        Some(Self { state, version, position, at, bytes: snapshot.state.len() })
    }

    pub fn snapshot(&self, stream: &StreamName) -> Option<Snapshot> {
        let write = || serde_json::to_string(&self.state);
        Some(Snapshot {
            stream: stream.clone(),
            kind: kind::<A>(),
            version: self.version,
            position: self.position,
            at: self.at,
            state: guarded("writing a snapshot", write).ok()?.ok()?,
        })
    }

    /// What is known is worth nothing after an error.
    pub fn fold(&mut self, commit: &Commit) -> Result<(), Invalid> {
        if commit.from != self.version + 1 {
            let (stream, from, version) = (&commit.stream, commit.from, self.version);
            let gap = format!("version {from} of {stream} follows {version}: the log has a gap");
            return Err(Invalid::new(gap));
        }
        guarded("folding an event", || {
            commit.events.iter().try_for_each(|event| {
                A::evolve(&mut self.state, &A::decode(event)?);
                Ok(())
            })
        })??;
        self.version = commit.to;
        self.position = commit.position;
        self.at = commit.at;
        self.bytes += length(commit);
        Ok(())
    }
}

/// What folds the states of an aggregate.
pub fn kind<A: Aggregate>() -> String {
    format!("{}/{}", A::CATEGORY, A::STATE_VERSION)
}

/// A commit that waits for its position, and the state after it.
pub struct Draft<A: Aggregate> {
    pub job: Job<A>,
    pub commit: Commit,
    /// Before the commit.
    pub known: Known<A>,
    after: A::State,
}

/// Decides on what is known. A refusal is final only on what was read for it.
pub fn decide<A: Aggregate>(
    request: &Request<A>,
    known: &Known<A>,
) -> Result<Vec<A::Event>, Rejected> {
    if let Some(expected) = request.expected
        && expected != known.version
    {
        return Err(Rejected::VersionMismatch { actual: known.version });
    }
    guarded("deciding", || A::decide(&known.state, &request.command))
        .map_err(|invalid| Rejected::Broken(invalid.detail))?
        .map_err(Rejected::Refused)
}

impl<A: Aggregate> Draft<A> {
    pub fn new(
        job: Job<A>,
        known: Known<A>,
        events: &[A::Event],
    ) -> Result<Self, Box<(Job<A>, Invalid)>> {
        if events.is_empty() || events.len() > MAX_EVENTS {
            let found = format!("a command led to {} events, 1 to {MAX_EVENTS} fit", events.len());
            return Err(Box::new((job, Invalid::new(found))));
        }
        let written = guarded("writing an event", || encode::<A>(events, known.state.clone()));
        let (encoded, after) = match written.flatten() {
            Ok(written) => written,
            Err(invalid) => return Err(Box::new((job, invalid))),
        };
        let request = &job.request;
        let commit = Commit {
            position: 0,
            stream: request.stream.clone(),
            from: known.version + 1,
            to: known.version + events.len() as Version,
            events: encoded,
            at: Timestamp::now().max(known.at),
            meta: request.meta.clone(),
            key: request.key.clone().unwrap_or_else(|| Uuid::now_v7().to_string()),
            fingerprint: request.fingerprint.clone(),
        };
        Ok(Self { job, commit, known, after })
    }

    /// What is known once the commit is acknowledged.
    pub fn written(self) -> (Job<A>, Commit, Known<A>) {
        let Self { job, commit, after, known } = self;
        let known = Known {
            state: after,
            version: commit.to,
            position: commit.position,
            at: commit.at,
            bytes: known.bytes + length(&commit),
        };
        (job, commit, known)
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

/// About that of the JSON of its events.
fn length(commit: &Commit) -> usize {
    commit.events.iter().map(|event| length_of(&event.data)).sum()
}

fn length_of(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 3,
        Value::Array(values) => 2 + values.iter().map(length_of).sum::<usize>(),
        Value::Object(fields) => {
            2 + fields.iter().map(|(name, value)| name.len() + 4 + length_of(value)).sum::<usize>()
        }
    }
}
