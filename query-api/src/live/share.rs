//! What one client may take of what all share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::budget::Budget;

/// Streams of one client that read at a time what they have missed: a crowd of them holds up no
/// other client.
const TURNS: usize = 2;

/// Of all streams of one client.
pub struct Share {
    /// How many are open. It changes with all streams locked alone.
    open: AtomicUsize,
    /// For reading what they have missed.
    pub turns: Semaphore,
    /// For what they have missed, until they are told it.
    pub missed: Arc<Budget>,
}

/// A stream that is open: it is counted until this is dropped.
pub struct Open(Arc<Share>);

impl Share {
    pub fn new(missed: Arc<Budget>) -> Arc<Self> {
        Arc::new(Self { open: AtomicUsize::new(0), turns: Semaphore::new(TURNS), missed })
    }

    /// Counts one more stream; none where there are as many as may be.
    pub fn open(self: &Arc<Self>, most: usize) -> Option<Open> {
        if self.open.load(Ordering::Relaxed) >= most {
            return None;
        }
        self.open.fetch_add(1, Ordering::Relaxed);
        Some(Open(self.clone()))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
