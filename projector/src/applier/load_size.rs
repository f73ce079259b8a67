//! How many views are loaded at a time, so that they fit into memory however large they are.

use std::sync::atomic::{AtomicUsize, Ordering};

use kernel::log::StreamName;
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
    /// How many of the streams are taken next: as many as `MAX_VIEWS`, of which the views of so many
    /// are loaded as may be. `is_loaded` tells which.
    pub(super) fn part(
        &self,
        streams: &[StreamName],
        is_loaded: impl Fn(&StreamName) -> bool,
    ) -> usize {
        let (limit, mut loaded) = (self.0.load(Ordering::Relaxed), 0);
        let fits = |stream: &&StreamName| {
            loaded += usize::from(is_loaded(stream));
            loaded <= limit
        };
        streams.iter().take(MAX_VIEWS).take_while(fits).count()
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
        let streams: Vec<StreamName> =
            (0..1_000).map(|number| StreamName::stored(format!("thing-{number}"))).collect();
        let part = |streams: &[StreamName]| size.part(streams, |_| true);
        for _ in 0..10 {
            size.loaded(&views(part(&streams), 300));
        }
        assert_eq!(part(&streams), MAX_VIEWS);
        for _ in 0..10 {
            size.loaded(&views(part(&streams), 1 << 20));
        }
        assert_eq!(part(&streams), MIN_VIEWS);
        assert_eq!(part(&streams[..3]), 3);
        assert_eq!(size.part(&streams, |_| false), MAX_VIEWS, "nothing is loaded");
    }
}
