//! The requests of this process that wait for views to change.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::log::{StreamName, Version};
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

/// Those that wait for one stream, or for the checkpoint: each by what it waits for, and by its number. One
/// of many is found, and what is waited for is told from what is not, without a look at all of them.
type Waiting = BTreeMap<(i64, u64), Arc<Notify>>;

#[derive(Default)]
struct Table {
    streams: BTreeMap<StreamName, Waiting>,
    checkpoint: Waiting,
    /// The number of the next waiter.
    next_number: u64,
    /// The last one that `next_streams` returned.
    last: Option<StreamName>,
}

/// One request that waits; it leaves the list when this is dropped.
pub struct Waiter {
    list: WaitList,
    number: u64,
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
        let number = table.next_number;
        table.next_number += 1;
        match seen {
            Seen::Position(position) => {
                table.checkpoint.insert((*position, number), woken.clone());
            }
            Seen::Streams(streams) => {
                for (stream, version) in streams {
                    let waiting = table.streams.entry(stream.clone()).or_default();
                    waiting.insert((*version, number), woken.clone());
                }
            }
        }
        Waiter {
            list: self.clone(),
            number,
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
        match update {
            Update::Applied(stream, version) => wake_up_to(self.streams.get(stream), *version),
            Update::Parked(stream) => wake_up_to(self.streams.get(stream), Version::MAX),
            Update::Checkpoint(position) => wake_up_to([&self.checkpoint], *position),
            Update::Traced(..) => {}
            Update::Missed => {
                wake_up_to(self.streams.values().chain([&self.checkpoint]), i64::MAX);
            }
        }
    }

    fn leave(&mut self, number: u64, seen: &Seen) {
        match seen {
            Seen::Position(position) => {
                self.checkpoint.remove(&(*position, number));
            }
            Seen::Streams(streams) => {
                for (stream, version) in streams {
                    let Some(waiting) = self.streams.get_mut(stream) else { continue };
                    waiting.remove(&(*version, number));
                    if waiting.is_empty() {
                        self.streams.remove(stream);
                    }
                }
            }
        }
    }
}

fn wake_up_to<'a>(waiting: impl IntoIterator<Item = &'a Waiting>, reached: i64) {
    let there = waiting.into_iter().flat_map(|it| it.range(..=(reached, u64::MAX)));
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
        self.list.table().leave(self.number, &self.seen);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    /// Requests with the same token that wait all the while.
    const FEW: usize = 1_000;
    const TIMES: usize = 10;
    /// So many more come and go, one after another, beside the few and beside the many: the same work takes
    /// about as long, and some ten times as long where each is looked for among all.
    const COME: usize = 200;
    const MOST: u32 = 4;
    /// The shortest of them was interrupted least.
    const ATTEMPTS: usize = 9;

    /// Requests that wait with one token.
    struct Crowd {
        list: WaitList,
        seen: Seen,
        others: Vec<Waiter>,
    }

    impl Crowd {
        fn of(size: usize) -> Self {
            let list = WaitList::default();
            let stream = |number| (StreamName::stored(format!("order-{number}")), 1);
            let seen = Seen::Streams((0..4).map(stream).collect());
            let others = (0..size).map(|_| list.join(&seen)).collect();
            Self { list, seen, others }
        }

        /// How long it takes that others with this token come and go.
        fn beside(&self) -> Duration {
            let started = std::time::Instant::now();
            for _ in 0..COME {
                drop(self.list.join(&self.seen));
            }
            started.elapsed()
        }
    }

    #[test]
    fn a_request_comes_and_goes_as_fast_beside_ten_times_as_many_with_its_token() {
        let (few, many) = (Crowd::of(FEW), Crowd::of(TIMES * FEW));
        // In turns, so that both meet a machine that is busy.
        let taken: Vec<_> = (0..ATTEMPTS).map(|_| (few.beside(), many.beside())).collect();
        let beside_few = taken.iter().map(|(few, _)| *few).min().unwrap();
        let beside_many = taken.iter().map(|(_, many)| *many).min().unwrap();
        assert!(beside_many < MOST * beside_few, "{beside_few:?}, and then {beside_many:?}");
        for Crowd { list, others, .. } in [few, many] {
            drop(others);
            assert!(list.is_empty());
        }
    }

    #[test]
    fn those_are_woken_that_wait_for_what_is_there() {
        let (list, stream) = (WaitList::default(), StreamName::stored("order-1".to_owned()));
        let up_to = |versions: &[Version]| {
            let streams = versions.iter().map(|version| (stream.clone(), *version));
            list.join(&Seen::Streams(streams.collect()))
        };
        let waiters = [
            up_to(&[2]),
            up_to(&[3]),
            up_to(&[3, 2]), // A client may name a stream twice.
            list.join(&Seen::Position(2)),
            list.join(&Seen::Position(3)),
        ];
        for (update, expected) in [
            (Update::Applied(stream.clone(), 1), [false; 5]),
            (Update::Applied(stream.clone(), 2), [true, false, true, false, false]),
            (Update::Parked(stream.clone()), [true, true, true, false, false]),
            (Update::Checkpoint(2), [false, false, false, true, false]),
            (Update::Missed, [true; 5]),
        ] {
            list.wake([&update]);
            let woken = waiters.each_ref().map(|it| it.woken.notified().now_or_never().is_some());
            assert_eq!(woken, expected, "{update:?}");
        }
        drop(waiters);
        assert!(list.is_empty());
    }

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
