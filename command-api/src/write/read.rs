//! Folding streams from the log: from the start of each, or from what is known of it for certain.

use std::collections::HashMap;
use std::sync::Arc;

use kernel::Result;
use kernel::aggregate::{Aggregate, Invalid};
use kernel::log::{StreamName, Version};
use shared::event_store::EventStore;

use super::draft::{Known, kind};

/// Events between two snapshots of a stream. So many are read at most to know a stream.
const INTERVAL: Version = 100;

/// Of each stream what is known now; one that can't be folded spoils only itself.
pub type Folded<A> = HashMap<StreamName, std::result::Result<Known<A>, Invalid>>;

/// Majority reads of all streams at once, each behind what is known of it: a log only grows, so
/// what was acknowledged once stays true.
pub async fn read<A: Aggregate>(
    store: &Arc<dyn EventStore>,
    streams: Vec<StreamName>,
    known: Vec<Option<Known<A>>>,
) -> Result<Folded<A>> {
    let unknown = streams.iter().zip(&known).filter(|(_, known)| known.is_none());
    let unknown: Vec<&StreamName> = unknown.map(|(stream, _)| stream).collect();
    let mut snapshots = HashMap::new();
    if !unknown.is_empty() {
        for snapshot in store.read_snapshots(&kind::<A>(), &unknown).await? {
            snapshots.extend(Known::of_snapshot(&snapshot).map(|known| (snapshot.stream, known)));
        }
    }
    let from: Vec<Known<A>> = streams
        .iter()
        .zip(known)
        .map(|(stream, known)| known.or_else(|| snapshots.remove(stream)))
        .map(|known| known.unwrap_or_else(Known::nothing))
        .collect();
    let versions: HashMap<StreamName, Version> =
        streams.iter().cloned().zip(from.iter().map(|known| known.version)).collect();
    let mut folded: Folded<A> = streams.into_iter().zip(from.into_iter().map(Ok)).collect();
    loop {
        let sound =
            folded.iter().filter_map(|(stream, known)| Some((stream, known.as_ref().ok()?)));
        let above: Vec<(&StreamName, Version)> =
            sound.map(|(stream, known)| (stream, known.version)).collect();
        let part = store.read_streams(&above).await?;
        for commit in part.commits {
            if let Some(folded) = folded.get_mut(&commit.stream)
                && let Ok(known) = folded
                && let Err(invalid) = known.fold(&commit)
            {
                *folded = Err(invalid);
            }
        }
        if part.complete {
            break;
        }
    }
    for (stream, known) in &mut folded {
        if let Ok(known) = known
            && is_due(versions.get(stream).copied().unwrap_or(0), known.version)
        {
            keep(store, stream, known);
        }
    }
    Ok(folded)
}

/// Whether a snapshot belongs between the two versions.
pub fn is_due(before: Version, after: Version) -> bool {
    before / INTERVAL != after / INTERVAL
}

/// Keeps a snapshot, in a task of its own: no request waits for it, and it may get lost.
pub fn keep<A: Aggregate>(store: &Arc<dyn EventStore>, stream: &StreamName, known: &mut Known<A>) {
    let Some(snapshot) = known.snapshot(stream) else { return };
    known.bytes = snapshot.state.len();
    let store = store.clone();
    tokio::spawn(async move {
        if let Err(failure) = store.save_snapshot(snapshot).await {
            tracing::debug!(%failure, "a snapshot was not kept");
        }
    });
}
