//! How many views are loaded at a time, so that they fit into memory however large they are.

use std::sync::atomic::{AtomicUsize, Ordering};

use kernel::projection::Stored;

/// Views that are loaded at a time, at most and at least.
const MAX_VIEWS: usize = 256;
const MIN_VIEWS: usize = 8;
/// Bytes of the documents that one load should not exceed.
const MAX_BYTES: usize = 4 << 20;

/// Learns from load to load how large views are. All batches of one worker share it.
#[derive(Debug)]
pub(super) struct LoadSize(AtomicUsize);

impl Default for LoadSize {
    fn default() -> Self {
        Self(AtomicUsize::new(MIN_VIEWS * 4))
    }
}

impl LoadSize {
    /// How many of so many streams are loaded next.
    pub(super) fn fitting(&self, streams: usize) -> usize {
        self.0.load(Ordering::Relaxed).min(streams)
    }

    /// Halves or doubles the next load by the bytes of this one.
    pub(super) fn loaded(&self, views: &[Option<Stored>]) {
        let bytes: usize = views.iter().flatten().map(|view| view.document.len()).sum();
        let now = self.0.load(Ordering::Relaxed);
        if bytes > MAX_BYTES {
            self.0.store((now / 2).max(MIN_VIEWS), Ordering::Relaxed);
        } else if views.len() == now && bytes < MAX_BYTES / 4 {
            self.0.store((now * 2).min(MAX_VIEWS), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn views(count: usize, bytes: usize) -> Vec<Option<Stored>> {
        (0..count).map(|_| Some(Stored { version: 1, document: vec![0; bytes] })).collect()
    }

    #[test]
    fn small_views_are_loaded_many_at_a_time_and_large_ones_few() {
        let size = LoadSize::default();
        for _ in 0..10 {
            size.loaded(&views(size.fitting(1_000), 300));
        }
        assert_eq!(size.fitting(1_000), MAX_VIEWS);
        for _ in 0..10 {
            size.loaded(&views(size.fitting(1_000), 1 << 20));
        }
        assert_eq!(size.fitting(1_000), MIN_VIEWS);
        assert_eq!(size.fitting(3), 3);
    }
}
