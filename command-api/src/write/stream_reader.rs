//! Reads and folds streams: each from its start, or from a state that is known for certain.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kernel::Result;
use kernel::aggregate::{Aggregate, Invalid};
use kernel::log::{StreamName, Version};
use shared::event_store::{EventStore, READ_BYTES, SNAPSHOT_BYTES, Snapshot};

use super::commit_group::MAX_BYTES;
use super::stream_state::{StreamState, data_length, snapshot_kind};

/// Events between two snapshots of a stream. So many are read at most to know a stream.
const INTERVAL: Version = 100;

/// Bytes of the commits that are read to know the streams of a group, but for those of the last stream. Half of
/// what a group accepts: a command may lead to events as large as the state that it is for.
const MAX_READ: usize = MAX_BYTES / 2;

/// The state of each stream that was read to its end, or why it can't be folded.
pub type Folded<A> = HashMap<StreamName, std::result::Result<StreamState<A>, Invalid>>;

/// What a read has found out.
pub struct Found<A: Aggregate> {
    pub folded: Folded<A>,
    /// The states that were given of streams which are left out. Those of snapshots are not among them: much
    /// may have followed.
    pub unread: HashMap<StreamName, StreamState<A>>,
}

/// Reads streams, each from its known state on, with majority: a log only grows, so a state that was
/// acknowledged stays true. Where they are large, some are left out once `MAX_READ` is read, but never
/// all of them.
pub async fn read<A: Aggregate>(
    store: &Arc<dyn EventStore>,
    streams: Vec<StreamName>,
    state: Vec<Option<StreamState<A>>>,
) -> Result<Found<A>> {
    let unknown = streams.iter().zip(&state).filter(|(_, state)| state.is_none());
    let unknown: Vec<&StreamName> = unknown.map(|(stream, _)| stream).collect();
    let (found, left) = latest_snapshots::<A>(store, &unknown).await?;
    let known = found.into_iter().filter_map(|snapshot| {
        StreamState::from_snapshot(&snapshot).map(|state| (snapshot.stream, state))
    });
    let mut known: HashMap<StreamName, StreamState<A>> = known.collect();
    let mut folded = Folded::<A>::new();
    let (mut asked, mut versions, mut given) = (vec![], HashMap::new(), HashSet::new());
    for (stream, state) in streams.into_iter().zip(state) {
        if left.contains(&stream) {
            continue;
        }
        if state.is_some() {
            given.insert(stream.clone());
        }
        let state = state.or_else(|| known.remove(&stream)).unwrap_or_else(StreamState::empty);
        versions.insert(stream.clone(), state.version);
        asked.push(stream.clone());
        folded.insert(stream, Ok(state));
    }
    let mut unread = HashMap::new();
    for stream in fold_commits(store, &mut folded, asked).await? {
        if let Some(Ok(state)) = folded.remove(&stream)
            && given.contains(&stream)
        {
            unread.insert(stream, state);
        }
    }
    for (stream, state) in &mut folded {
        if let Ok(state) = state
            && is_snapshot_due(versions.get(stream).copied().unwrap_or(0), state.version)
        {
            save_snapshot(store, stream, state);
        }
    }
    Ok(Found { folded, unread })
}

/// The latest snapshots of these streams, and the streams for whose snapshots there was no room. The first
/// stream is none of them.
async fn latest_snapshots<A: Aggregate>(
    store: &Arc<dyn EventStore>,
    streams: &[&StreamName],
) -> Result<(Vec<Snapshot>, HashSet<StreamName>)> {
    let Some(first) = streams.first() else { return Ok((vec![], HashSet::new())) };
    let kind = snapshot_kind::<A>();
    let mut found = store.read_snapshots(&kind, streams).await?;
    let bytes: usize = found.iter().map(|snapshot| snapshot.state.len()).sum();
    let mut left: HashSet<StreamName> = HashSet::new();
    if bytes >= SNAPSHOT_BYTES
        && let Some(last) = found.last()
    {
        let behind = streams.iter().filter(|stream| stream.as_str() > last.stream.as_str());
        left.extend(behind.map(|stream| (*stream).clone()));
    }
    if left.remove(*first) {
        found.extend(store.read_snapshots(&kind, &[*first]).await?);
    }
    Ok((found, left))
}

/// Folds what follows the states of these streams, of all of them at once where that is little. Where it is
/// not, those that were begun go on, and others join them in their order, about as many as fill a read: as
/// those before them have led to expect, of which many may have had nothing to read.
/// None do any more once `MAX_READ` is read: then it returns which were not begun.
async fn fold_commits<A: Aggregate>(
    store: &Arc<dyn EventStore>,
    folded: &mut Folded<A>,
    mut asked: Vec<StreamName>,
) -> Result<Vec<StreamName>> {
    let (mut rest, mut begun, mut bytes) = (vec![], HashSet::new(), 0);
    while !asked.is_empty() {
        let sound = asked.iter().filter_map(|stream| {
            let state = folded.get(stream)?.as_ref().ok()?;
            Some((stream, state.version))
        });
        let above: Vec<(&StreamName, Version)> = sound.collect();
        let part = store.read_streams(&above).await?;
        for commit in part.commits {
            bytes += data_length(&commit);
            if let Some(folded) = folded.get_mut(&commit.stream)
                && let Ok(state) = folded
                && let Err(invalid) = state.fold(&commit)
            {
                *folded = Err(invalid);
            }
            begun.insert(commit.stream);
        }
        let (mut next, mut others): (Vec<StreamName>, Vec<StreamName>) = match part.complete {
            true => {
                begun.extend(asked); // Those without commits too: they are known to their ends.
                (vec![], vec![])
            }
            false => asked.into_iter().partition(|stream| begun.contains(stream)),
        };
        others.append(&mut rest);
        if bytes < MAX_READ {
            let usual = bytes / begun.len().max(1);
            let many = (READ_BYTES / usual.max(1)).max(1);
            next.extend(others.drain(..many.min(others.len())));
        }
        (asked, rest) = (next, others);
    }
    Ok(rest)
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
