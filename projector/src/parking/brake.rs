//! How many streams may be parked within a minute.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many newly parked streams are accepted within `WINDOW`; more mean that something other than
/// those streams is broken.
pub(super) const MAX_PARKED: usize = 100;
/// The time over which newly parked streams are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// Counts newly parked streams, over all tasks of one worker.
#[derive(Debug, Default)]
pub(super) struct Brake(Mutex<VecDeque<Instant>>);

impl Brake {
    /// Counts one more stream; false, and not counted, where `MAX_PARKED` were parked within the
    /// window.
    pub(super) fn may_park(&self) -> bool {
        let mut parked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while parked.front().is_some_and(|when| when.elapsed() > WINDOW) {
            parked.pop_front();
        }
        let may = parked.len() < MAX_PARKED;
        if may {
            parked.push_back(Instant::now());
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brake_holds_after_a_hundred() {
        let brake = Brake::default();
        assert_eq!((0..200).filter(|_| brake.may_park()).count(), MAX_PARKED);
    }
}
