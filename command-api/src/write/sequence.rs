//! The order of the commands that one request has for one stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::request::{Outcome, Rejected};

/// A client that sends several commands for one stream means each of them to follow those before
/// it. When one has no certain outcome, those behind it are not attempted.
#[derive(Debug, Clone)]
pub struct Sequence(Arc<Numbers>);

#[derive(Debug)]
struct Numbers {
    next: AtomicUsize,
    /// The first that has no certain outcome.
    broken: AtomicUsize,
}

impl Default for Sequence {
    fn default() -> Self {
        Self(Arc::new(Numbers { next: AtomicUsize::new(0), broken: AtomicUsize::new(usize::MAX) }))
    }
}

impl Sequence {
    /// The next command of the sequence.
    pub fn next(&self) -> Link {
        let number = self.0.next.fetch_add(1, Ordering::SeqCst);
        Link { sequence: self.clone(), number, kept: false }
    }
}

/// One command of a sequence. Dropped without a certain outcome, it breaks the sequence.
pub struct Link {
    sequence: Sequence,
    number: usize,
    kept: bool,
}

impl Link {
    /// Whether there is one before it, on whose outcome it depends.
    pub fn depends(&self) -> bool {
        self.number > 0
    }

    /// Whether one before it broke the sequence.
    pub fn is_cut_off(&self) -> bool {
        self.sequence.0.broken.load(Ordering::SeqCst) < self.number
    }

    /// To be told before the next command of the stream can start.
    pub fn conclude(mut self, outcome: &Outcome) {
        self.kept = matches!(outcome, Ok(_) | Err(Rejected::Refused(_) | Rejected::OfAnotherOwner));
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if !self.kept {
            self.sequence.0.broken.fetch_min(self.number, Ordering::SeqCst);
        }
    }
}
