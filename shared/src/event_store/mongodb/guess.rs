//! The next position, guessed: a process that writes alone need not ask the counter.
//!
//! Any position is only a hint, as the unique `_id` decides. A guess that was wrong costs the group
//! another round, so after a collision the counter is asked for a while.

use std::time::{Duration, Instant};

use kernel::log::Position;

/// How long another writer is expected to go on writing.
const COMPANY: Duration = Duration::from_secs(300);

/// Shared by all that draw, one at a time: else a guess would run into a draw under way.
#[derive(Debug, Default)]
pub struct Guess {
    /// Behind everything that this process drew.
    next: Option<Position>,
    /// When a position was found taken.
    collided: Option<Instant>,
}

impl Guess {
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
        let mut guess = Guess::default();
        assert_eq!(guess.take(1), None);
        guess.learn(8);
        assert_eq!((guess.take(3), guess.take(1)), (Some(8), Some(11)));
        guess.distrust();
        guess.learn(20);
        assert_eq!(guess.take(1), None, "there is company");
    }
}
