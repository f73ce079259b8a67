//! The folded state of a stream.

use kernel::Timestamp;
use kernel::aggregate::{Aggregate, Invalid};
use kernel::log::{Commit, Position, StreamName, Version};
use shared::event_store::Snapshot;

use super::guarded::guarded;

/// The state of a stream as of a commit: one that is acknowledged, or the one before in the same group.
pub struct StreamState<A: Aggregate> {
    pub state: A::State,
    pub version: Version,
    /// Of the latest commit, 0 before it has one: the next one's must be greater.
    pub position: Position,
    /// Of the latest commit: the next one's is not earlier.
    pub at: Timestamp,
    /// About the length of the state's JSON: that of the latest snapshot, and of all events since.
    pub bytes: usize,
}

impl<A: Aggregate> StreamState<A> {
    /// A stream without events.
    pub fn empty() -> Self {
        Self {
            state: A::State::default(),
            version: 0,
            position: 0,
            at: Timestamp::from_millis(i64::MIN),
            bytes: 0,
        }
    }

    /// The state as of a commit, with the bytes of the one before it.
    pub fn after(state: A::State, commit: &Commit, bytes: usize) -> Self {
        Self {
            state,
            version: commit.to,
            position: commit.position,
            at: commit.at,
            bytes: bytes + data_length(commit),
        }
    }

    /// The state of a snapshot; `None` when it can't be read.
    pub fn from_snapshot(snapshot: &Snapshot) -> Option<Self> {
        let Snapshot { version, position, at, .. } = *snapshot;
        let read = || serde_json::from_str(&snapshot.state);
        let state = guarded("reading a snapshot", read).ok()?.ok()?;
        Some(Self { state, version, position, at, bytes: snapshot.state.len() })
    }

    /// A snapshot of the state; `None` when it can't be written.
    pub fn snapshot(&self, stream: &StreamName) -> Option<Snapshot> {
        let write = || serde_json::to_string(&self.state);
        Some(Snapshot {
            stream: stream.clone(),
            kind: snapshot_kind::<A>(),
            version: self.version,
            position: self.position,
            at: self.at,
            state: guarded("writing a snapshot", write).ok()?.ok()?,
        })
    }

    /// Adds the commits that follow it; `None` where they can't be folded.
    pub fn advanced(mut self, later: &[Commit]) -> Option<Self> {
        later.iter().try_for_each(|commit| self.fold(commit)).ok()?;
        Some(self)
    }

    /// Adds a commit. After an error the state is of no use any more.
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
        self.bytes += data_length(commit);
        Ok(())
    }
}

/// Says what folded a snapshot: one of another kind can't be used.
pub fn snapshot_kind<A: Aggregate>() -> String {
    format!("{}/{}", A::CATEGORY, A::STATE_VERSION)
}

/// The length of the JSON of a commit's events, in bytes.
pub fn data_length(commit: &Commit) -> usize {
    commit.events.iter().map(|event| event.data.as_str().len()).sum()
}
