//! The requests of this process that wait for views to change.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::log::{Position, StreamName, Version};
use shared::http::consistency_token::Seen;
use shared::service::metrics::OneMore;
use shared::view_store::Update;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::metrics;

/// How often each request that waits looks for itself, in case the reader is held up.
const WAITER_POLL_INTERVAL: Duration = Duration::from_secs(5);

#[derive(Clone, Default)]
pub struct WaitList(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    streams: BTreeMap<StreamName, Vec<(Version, Arc<Notify>)>>,
    checkpoint: Vec<(Position, Arc<Notify>)>,
    /// The last one that `next_streams` returned.
    last: Option<StreamName>,
}

/// One request that waits; it leaves the list when this is dropped.
pub struct Waiter {
    list: WaitList,
    seen: Seen,
    woken: Arc<Notify>,
    _counted: OneMore,
}

impl WaitList {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request to the list. From now on the waiter is woken whenever the views contain one more
    /// of what was seen. The caller has to look at the views once more after this: of a change before
    /// it the waiter is not told.
    pub fn join(&self, seen: &Seen) -> Waiter {
        let woken = Arc::new(Notify::new());
        let mut table = self.table();
        match seen {
            Seen::Position(position) => table.checkpoint.push((*position, woken.clone())),
            Seen::Streams(streams) => {
                for (stream, version) in streams {
                    let waiting = table.streams.entry(stream.clone()).or_default();
                    waiting.push((*version, woken.clone()));
                }
            }
        }
        Waiter {
            list: self.clone(),
            seen: seen.clone(),
            woken,
            _counted: metrics::TOKENS.one_more(),
        }
    }

    pub fn is_empty(&self) -> bool {
        let table = self.table();
        table.streams.is_empty() && table.checkpoint.is_empty()
    }

    /// Up to `most` of the streams that are waited for, those behind the last one of the call before:
    /// every stream has its turn.
    pub fn next_streams(&self, most: usize) -> Vec<StreamName> {
        let mut table = self.table();
        let after = table.last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let behind = table.streams.range((after, Bound::Unbounded)).map(|(stream, _)| stream);
        let in_turn = behind.chain(table.streams.keys());
        let next: Vec<_> = in_turn.take(most.min(table.streams.len())).cloned().collect();
        table.last = next.last().cloned();
        next
    }

    /// Wakes the requests that these updates concern.
    pub fn wake<'a>(&self, updates: impl IntoIterator<Item = &'a Update>) {
        let table = self.table();
        updates.into_iter().for_each(|update| table.wake(update));
    }
}

impl Table {
    fn wake(&self, update: &Update) {
        let of = |stream| self.streams.get(stream).map_or(&[][..], Vec::as_slice);
        match update {
            Update::Applied(stream, version) => wake_up_to(of(stream), *version),
            Update::Parked(stream) => wake_up_to(of(stream), Version::MAX),
            Update::Checkpoint(position) => wake_up_to(&self.checkpoint, *position),
            Update::Traced(..) => {}
            Update::Missed => {
                let all = self.streams.values().chain([&self.checkpoint]);
                all.for_each(|waiting| wake_up_to(waiting, i64::MAX));
            }
        }
    }

    fn leave(&mut self, seen: &Seen, woken: &Arc<Notify>) {
        let others = |(_, one): &(i64, Arc<Notify>)| !Arc::ptr_eq(one, woken);
        let Seen::Streams(streams) = seen else { return self.checkpoint.retain(others) };
        for (stream, _) in streams {
            if let Some(waiting) = self.streams.get_mut(stream) {
                waiting.retain(others);
                if waiting.is_empty() {
                    self.streams.remove(stream);
                }
            }
        }
    }
}

fn wake_up_to(waiting: &[(i64, Arc<Notify>)], reached: i64) {
    let there = waiting.iter().filter(|(wanted, _)| *wanted <= reached);
    there.for_each(|(_, one)| one.notify_one());
}

impl Waiter {
    /// Returns after a change, at the latest at `until`; now and then without either.
    pub async fn changed(&self, until: Instant) {
        let until = until.min(Instant::now() + WAITER_POLL_INTERVAL);
        drop(tokio::time::timeout_at(until, self.woken.notified()).await);
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.list.table().leave(&self.seen, &self.woken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stream_that_is_waited_for_has_its_turn() {
        let list = WaitList::default();
        let stream = |number| StreamName::stored(format!("order-{number}"));
        let of = |numbers: std::ops::Range<u32>| {
            list.join(&Seen::Streams(numbers.map(|number| (stream(number), 1)).collect()))
        };
        let waiters = (of(10..14), of(14..20));
        let numbers = |numbers: &[u32]| numbers.iter().map(|it| stream(*it)).collect::<Vec<_>>();
        assert_eq!(list.next_streams(4), numbers(&[10, 11, 12, 13]));
        assert_eq!(list.next_streams(4), numbers(&[14, 15, 16, 17]));
        assert_eq!(list.next_streams(4), numbers(&[18, 19, 10, 11]));
        drop(waiters.0);
        assert_eq!(list.next_streams(100), numbers(&[14, 15, 16, 17, 18, 19]), "each once");
        drop(waiters.1);
        assert_eq!(list.next_streams(4), []);
    }
}
