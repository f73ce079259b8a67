//! The states of the streams that were written lately, bound by their bytes.

use kernel::aggregate::Aggregate;
use kernel::log::StreamName;
use lru::LruCache;

use super::stream_state::StreamState;

/// Bytes of all states, as far as they can be told: some ten thousand of usual size.
const LIMIT: usize = 32 << 20;
/// What a state takes beside its text: names, version, place in the cache.
const OVERHEAD: usize = 512;

pub struct Cache<V> {
    states: LruCache<StreamName, (V, usize)>,
    bytes: usize,
    limit: usize,
}

impl<A: Aggregate> Default for Cache<StreamState<A>> {
    fn default() -> Self {
        Self::new(LIMIT)
    }
}

impl<A: Aggregate> Cache<StreamState<A>> {
    pub fn keep(&mut self, stream: StreamName, state: StreamState<A>) {
        let bytes = state.bytes;
        self.put(stream, state, bytes);
    }
}

impl<V> Cache<V> {
    fn new(limit: usize) -> Self {
        Self { states: LruCache::unbounded(), bytes: 0, limit }
    }

    /// Makes room by forgetting what was not used for longest. What is larger than all room is not
    /// kept.
    fn put(&mut self, stream: StreamName, state: V, bytes: usize) {
        self.take(&stream);
        let bytes = bytes.saturating_add(OVERHEAD);
        if bytes > self.limit {
            return;
        }
        while self.bytes > self.limit - bytes
            && let Some((_, (_, freed))) = self.states.pop_lru()
        {
            self.bytes -= freed;
        }
        self.bytes += bytes;
        self.states.put(stream, (state, bytes));
    }

    pub fn take(&mut self, stream: &StreamName) -> Option<V> {
        let (state, bytes) = self.states.pop(stream)?;
        self.bytes -= bytes;
        Some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Room for so many states of 488 bytes, which are 1,000 each.
    fn cache(states: usize) -> Cache<u8> {
        Cache::new(states * 1_000)
    }

    fn name(number: u8) -> StreamName {
        StreamName::stored(format!("s-{number}"))
    }

    #[test]
    fn it_forgets_what_was_not_used_for_longest() {
        let mut cache = cache(3);
        for number in [1, 2, 3] {
            cache.put(name(number), number, 488);
        }
        let used = cache.take(&name(1)).expect("kept");
        cache.put(name(1), used, 488);
        cache.put(name(4), 4, 488);
        assert_eq!(
            [1, 2, 3, 4].map(|number| cache.take(&name(number))),
            [Some(1), None, Some(3), Some(4)]
        );
        assert_eq!(cache.bytes, 0);
    }

    #[test]
    fn a_large_state_takes_the_room_of_several() {
        let mut cache = cache(3);
        for number in [1, 2, 3] {
            cache.put(name(number), number, 488);
        }
        cache.put(name(4), 4, 1_488);
        assert_eq!((cache.states.len(), cache.bytes), (2, 3_000));
        assert_eq!(
            [1, 2, 3, 4].map(|number| cache.take(&name(number))),
            [None, None, Some(3), Some(4)]
        );
    }

    #[test]
    fn what_is_larger_than_all_room_is_not_kept_and_drives_nothing_out() {
        let mut cache = cache(3);
        cache.put(name(1), 1, 2_488);
        cache.put(name(2), 2, 2_489);
        assert_eq!((cache.take(&name(2)), cache.take(&name(1))), (None, Some(1)));
    }

    #[test]
    fn a_state_that_grows_is_counted_once() {
        let mut cache = cache(3);
        for bytes in [488, 1_488, 2_488] {
            cache.put(name(1), 1, bytes);
        }
        assert_eq!((cache.states.len(), cache.bytes), (1, 3_000));
    }
}
