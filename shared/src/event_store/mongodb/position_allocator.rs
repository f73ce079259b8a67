//! The next positions, without asking the counter: a process that writes alone counts for itself.
//!
//! Any position is only a hint, as the unique `_id` decides. One that was taken costs the group
//! another round, so after a collision the counter is asked for a while.

use std::time::{Duration, Instant};

use kernel::log::Position;

/// How long another writer is expected to go on writing.
const COMPANY: Duration = Duration::from_secs(300);

/// Shared by all that reserve positions, one at a time: else a position that is counted here could be
/// one that the counter hands out at this moment.
#[derive(Debug, Default)]
pub struct PositionAllocator {
    /// Behind everything that this process reserved.
    next: Option<Position>,
    /// When a position was found taken.
    collided: Option<Instant>,
}

impl PositionAllocator {
    /// The first of `count` positions, while this process seems to be alone.
    pub fn take(&mut self, count: Position) -> Option<Position> {
        if self.collided.is_some_and(|when| when.elapsed() < COMPANY) {
            return None;
        }
        let first = self.next?;
        self.next = Some(first + count);
        Some(first)
    }

    /// The counter says what comes next.
    pub fn learn(&mut self, next: Position) {
        self.next = Some(next);
    }

    /// Another writer is there.
    pub fn distrust(&mut self) {
        self.collided = Some(Instant::now());
        self.next = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_from_what_the_counter_said_until_a_collision() {
        let mut allocator = PositionAllocator::default();
        assert_eq!(allocator.take(1), None);
        allocator.learn(8);
        assert_eq!((allocator.take(3), allocator.take(1)), (Some(8), Some(11)));
        allocator.distrust();
        allocator.learn(20);
        assert_eq!(allocator.take(1), None, "there is company");
    }
}
