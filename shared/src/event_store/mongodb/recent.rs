//! What this process appended of late, so that its relay need not read it back from the server.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::log::{Commit, Entry, Position};
use tokio::time::Instant;

use crate::event_store::READ_BYTES;

/// Bytes of the entries that are kept, as far as they can be told: what is published within a second
/// or two. The oldest are dropped first.
const MAX_BYTES: usize = 8 << 20;
/// How long an append may take before what it writes is rather read from the server.
const SOON: Duration = Duration::from_millis(100);
/// What an entry takes beside its texts.
const OVERHEAD: usize = 256;

/// Acknowledged entries by their positions.
#[derive(Debug, Default)]
pub struct Recent(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    by_position: BTreeMap<Position, Entry>,
    bytes: usize,
    /// Positions that are being appended at, since when.
    appending: HashMap<Position, Instant>,
}

/// Positions that are being appended at, until it is dropped.
pub struct Appending<'a> {
    recent: &'a Recent,
    positions: Vec<Position>,
}

impl Drop for Appending<'_> {
    fn drop(&mut self) {
        let mut entries = self.recent.entries();
        for position in &self.positions {
            entries.appending.remove(position);
        }
    }
}

impl Recent {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An append at these positions begins.
    pub fn begin(&self, positions: impl Iterator<Item = Position>) -> Appending<'_> {
        let (positions, now): (Vec<Position>, _) = (positions.collect(), Instant::now());
        self.entries().appending.extend(positions.iter().map(|position| (*position, now)));
        Appending { recent: self, positions }
    }

    /// Whether an append at the position has begun, not long ago, and not ended.
    pub fn is_appending(&self, position: Position) -> bool {
        self.entries().appending.get(&position).is_some_and(|since| since.elapsed() < SOON)
    }

    /// Adds entries that are acknowledged by a majority, and so may be read.
    pub fn add<'a>(&self, written: impl Iterator<Item = &'a Entry>) {
        let mut entries = self.entries();
        for entry in written {
            entries.bytes += bytes(entry);
            if let Some(before) = entries.by_position.insert(entry.position(), entry.clone()) {
                entries.bytes -= bytes(&before);
            }
        }
        while entries.bytes > MAX_BYTES
            && let Some((_, oldest)) = entries.by_position.pop_first()
        {
            entries.bytes -= bytes(&oldest);
        }
    }

    /// What follows `after` without a gap, at most `limit` entries and about `READ_BYTES`; empty when
    /// the next one is not of this process, or no longer kept.
    pub fn read(&self, after: Position, limit: usize) -> Vec<Entry> {
        let entries = self.entries();
        let mut total = 0;
        let next = after.saturating_add(1); // A client may ask for what follows the highest number.
        let following = entries.by_position.range(next..).zip(next..);
        let run = following.take_while(|((position, _), next)| *position == next);
        let fitting = run.take(limit).take_while(|((_, entry), _)| {
            let is_full = total >= READ_BYTES;
            total += bytes(entry);
            !is_full
        });
        fitting.map(|((_, entry), _)| entry.clone()).collect()
    }

    /// The same, of positions alone.
    pub fn positions(&self, after: Position, limit: usize) -> Vec<Position> {
        let entries = self.entries();
        let next = after.saturating_add(1); // A client may ask for what follows the highest number.
        let following = entries.by_position.range(next..).zip(next..);
        let run = following.take_while(|((position, _), next)| *position == next);
        run.take(limit).map(|(_, position)| position).collect()
    }
}

fn bytes(entry: &Entry) -> usize {
    match entry {
        Entry::Tombstone(_) => OVERHEAD,
        Entry::Commit(commit) => OVERHEAD + commit.events.len() * OVERHEAD / 2 + data(commit),
    }
}

fn data(commit: &Commit) -> usize {
    commit.events.iter().map(|event| event.data.as_str().len()).sum()
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;
    use kernel::log::{Event, Meta, StreamName};
    use serde_json::Value;
    use uuid::Uuid;

    use super::*;

    fn commit(position: Position, bytes: usize) -> Entry {
        let data = Value::from("x".repeat(bytes)).into();
        let event = Event { id: Uuid::nil(), kind: "Happened".to_owned(), schema: 1, data };
        Entry::Commit(Commit {
            position,
            stream: StreamName::stored("s"),
            from: 1,
            to: 1,
            events: vec![event],
            at: Timestamp::default(),
            meta: Meta::default(),
            key: None,
            fingerprint: String::new(),
        })
    }

    fn positions(entries: &[Entry]) -> Vec<Position> {
        entries.iter().map(Entry::position).collect()
    }

    #[test]
    fn it_hands_out_what_follows_without_a_gap() {
        let recent = Recent::default();
        let entries = [Entry::Tombstone(3), commit(4, 1), commit(5, 1), commit(7, 1)];
        recent.add(entries.iter());
        assert_eq!(positions(&recent.read(2, 100)), [3, 4, 5]);
        assert_eq!(positions(&recent.read(3, 1)), [4]);
        assert_eq!(recent.read(3, 1), [commit(4, 1)]);
        assert_eq!(recent.positions(4, 100), [5]);
        for after in [0, 1, 5, 7, 8, Position::MAX] {
            assert!(recent.read(after, 100).is_empty(), "after {after}");
            assert!(recent.positions(after, 100).is_empty(), "after {after}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_tells_what_is_being_appended_for_a_while() {
        let recent = Recent::default();
        let appending = recent.begin([3, 4].into_iter());
        assert!(recent.is_appending(3) && recent.is_appending(4) && !recent.is_appending(5));
        drop(appending);
        assert!(!recent.is_appending(3));
        let _appending = recent.begin([3].into_iter());
        tokio::time::advance(SOON).await;
        assert!(!recent.is_appending(3));
    }

    #[test]
    fn it_is_bounded_by_bytes_and_so_is_a_read() {
        let recent = Recent::default();
        for position in 1..=40 {
            recent.add([commit(position, 400_000)].iter());
        }
        assert!(recent.read(0, 100).is_empty(), "the oldest are dropped");
        let kept = MAX_BYTES / 401_000;
        let first = 41 - kept as Position;
        assert_eq!(recent.positions(first - 1, 100).len(), kept);
        assert_eq!(positions(&recent.read(first - 1, 100)), [first, first + 1, first + 2]);
        recent.add([commit(40, 1)].iter());
        assert_eq!(recent.positions(39, 1), [40], "what is added twice counts once");
    }
}
