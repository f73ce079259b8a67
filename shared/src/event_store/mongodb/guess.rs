//! The next position, guessed: a process that writes alone need not ask the counter.
//!
//! Any position is only a hint, as the unique `_id` decides. A guess that was wrong costs the group
//! another round, so after a collision the counter is asked for a while.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::log::Position;

/// How long another writer is expected to go on writing.
const COMPANY: Duration = Duration::from_secs(300);

#[derive(Debug, Default)]
pub struct Guess(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Behind everything that this process drew.
    next: Option<Position>,
    /// When a position was found taken.
    collided: Option<Instant>,
}

impl Guess {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first of `count` positions, while this process seems to be alone.
    pub fn take(&self, count: Position) -> Option<Position> {
        let mut state = self.state();
        if state.collided.is_some_and(|when| when.elapsed() < COMPANY) {
            return None;
        }
        let first = state.next?;
        state.next = Some(first + count);
        Some(first)
    }

    /// The counter says what comes next.
    pub fn learn(&self, next: Position) {
        let mut state = self.state();
        state.next = Some(next.max(state.next.unwrap_or(0)));
    }

    /// Another writer is there.
    pub fn distrust(&self) {
        let mut state = self.state();
        state.collided = Some(Instant::now());
        state.next = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_from_what_the_counter_said_until_a_collision() {
        let guess = Guess::default();
        assert_eq!(guess.take(1), None);
        guess.learn(8);
        assert_eq!((guess.take(3), guess.take(1)), (Some(8), Some(11)));
        guess.learn(5);
        assert_eq!(guess.take(1), Some(12), "never back");
        guess.distrust();
        guess.learn(20);
        assert_eq!(guess.take(1), None, "there is company");
    }
}
