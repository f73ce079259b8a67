//! Reads and folds streams: each from its start, or from a state that is known for certain.

use std::collections::HashMap;
use std::sync::Arc;

use kernel::Result;
use kernel::aggregate::{Aggregate, Invalid};
use kernel::log::{StreamName, Version};
use shared::event_store::EventStore;

use super::stream_state::{StreamState, snapshot_kind};

/// Events between two snapshots of a stream. So many are read at most to know a stream.
const INTERVAL: Version = 100;

/// The state of each stream, or why it can't be folded.
pub type Folded<A> = HashMap<StreamName, std::result::Result<StreamState<A>, Invalid>>;

/// Reads all streams at once, each from its known state on, with majority: a log only grows, so a state
/// that was acknowledged stays true.
pub async fn read<A: Aggregate>(
    store: &Arc<dyn EventStore>,
    streams: Vec<StreamName>,
    state: Vec<Option<StreamState<A>>>,
) -> Result<Folded<A>> {
    let unknown = streams.iter().zip(&state).filter(|(_, state)| state.is_none());
    let unknown: Vec<&StreamName> = unknown.map(|(stream, _)| stream).collect();
    let mut snapshots = HashMap::new();
    if !unknown.is_empty() {
        for snapshot in store.read_snapshots(&snapshot_kind::<A>(), &unknown).await? {
            snapshots.extend(
                StreamState::from_snapshot(&snapshot).map(|state| (snapshot.stream, state)),
            );
        }
    }
    let from: Vec<StreamState<A>> = streams
        .iter()
        .zip(state)
        .map(|(stream, state)| state.or_else(|| snapshots.remove(stream)))
        .map(|state| state.unwrap_or_else(StreamState::empty))
        .collect();
    let versions: HashMap<StreamName, Version> =
        streams.iter().cloned().zip(from.iter().map(|state| state.version)).collect();
    let mut folded: Folded<A> = streams.into_iter().zip(from.into_iter().map(Ok)).collect();
    loop {
        let sound =
            folded.iter().filter_map(|(stream, state)| Some((stream, state.as_ref().ok()?)));
        let above: Vec<(&StreamName, Version)> =
            sound.map(|(stream, state)| (stream, state.version)).collect();
        let part = store.read_streams(&above).await?;
        for commit in part.commits {
            if let Some(folded) = folded.get_mut(&commit.stream)
                && let Ok(state) = folded
                && let Err(invalid) = state.fold(&commit)
            {
                *folded = Err(invalid);
            }
        }
        if part.complete {
            break;
        }
    }
    for (stream, state) in &mut folded {
        if let Ok(state) = state
            && is_snapshot_due(versions.get(stream).copied().unwrap_or(0), state.version)
        {
            save_snapshot(store, stream, state);
        }
    }
    Ok(folded)
}

/// Whether a snapshot belongs between the two versions.
pub fn is_snapshot_due(before: Version, after: Version) -> bool {
    before / INTERVAL != after / INTERVAL
}

/// Saves a snapshot, in a task of its own: no request waits for it, and it may get lost.
pub fn save_snapshot<A: Aggregate>(
    store: &Arc<dyn EventStore>,
    stream: &StreamName,
    state: &mut StreamState<A>,
) {
    let Some(snapshot) = state.snapshot(stream) else { return };
    state.bytes = snapshot.state.len();
    let store = store.clone();
    tokio::spawn(async move {
        if let Err(failure) = store.save_snapshot(snapshot).await {
            tracing::debug!(%failure, "a snapshot was not saved");
        }
    });
}
