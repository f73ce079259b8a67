//! How many views are loaded at a time, so that they fit into memory however large they are.

use std::sync::atomic::{AtomicUsize, Ordering};

use kernel::projection::Stored;

/// Views of one load at most.
const MOST: usize = 256;
const LEAST: usize = 8;
/// Bytes of one load that are aimed at.
const BYTES: usize = 4 << 20;

/// Learns from load to load how large views are.
#[derive(Debug)]
pub struct Loads(AtomicUsize);

impl Default for Loads {
    fn default() -> Self {
        Self(AtomicUsize::new(LEAST * 4))
    }
}

impl Loads {
    /// How many of so many streams are loaded next.
    pub fn fitting(&self, streams: usize) -> usize {
        self.0.load(Ordering::Relaxed).min(streams)
    }

    /// Halves or doubles the next load by the bytes of this one.
    pub fn loaded(&self, views: &[Option<Stored>]) {
        let bytes: usize = views.iter().flatten().map(|view| view.document.len()).sum();
        let now = self.0.load(Ordering::Relaxed);
        if bytes > BYTES {
            self.0.store((now / 2).max(LEAST), Ordering::Relaxed);
        } else if views.len() == now && bytes < BYTES / 4 {
            self.0.store((now * 2).min(MOST), Ordering::Relaxed);
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
        let loads = Loads::default();
        for _ in 0..10 {
            loads.loaded(&views(loads.fitting(1_000), 300));
        }
        assert_eq!(loads.fitting(1_000), MOST);
        for _ in 0..10 {
            loads.loaded(&views(loads.fitting(1_000), 1 << 20));
        }
        assert_eq!(loads.fitting(1_000), LEAST);
        assert_eq!(loads.fitting(3), 3);
    }
}
