//! Which positions the live path had time enough for.

use std::collections::VecDeque;
use std::time::Duration;

use kernel::log::Position;
use tokio::time::Instant;

/// How long the workers may take to apply a commit before the healer takes it for missing.
const LIVE_PATH_TIMEOUT: Duration = Duration::from_secs(2);

/// Times that are remembered; later positions count to the last of them.
const MAX_UNHEALED: usize = 1_000;

/// Tells by this process's own monotonic clock, as clocks of servers may jump.
#[derive(Debug, Default)]
pub(super) struct Overdue {
    /// When which position was seen to exist, both ascending.
    seen: VecDeque<(Instant, Position)>,
    /// All positions up to here are overdue.
    overdue: Position,
    /// The same of positions that were not found in the views yet.
    unhealed: VecDeque<(Instant, Position)>,
}

impl Overdue {
    /// The log holds this position now.
    pub(super) fn saw(&mut self, position: Position) {
        if self.seen.back().is_none_or(|(_, last)| position > *last) {
            self.seen.push_back((Instant::now(), position));
            let is_full = self.unhealed.len() >= MAX_UNHEALED;
            match self.unhealed.back_mut() {
                Some((_, last)) if is_full => *last = position,
                _ => self.unhealed.push_back((Instant::now(), position)),
            }
        }
    }

    /// How long the oldest position behind this one has been known.
    pub(super) fn lag(&mut self, checkpoint: Position) -> Duration {
        while self.unhealed.front().is_some_and(|(_, position)| *position <= checkpoint) {
            self.unhealed.pop_front();
        }
        self.unhealed.front().map_or(Duration::ZERO, |(since, _)| since.elapsed())
    }

    /// Whether this position was seen at least `LIVE_PATH_TIMEOUT` ago.
    pub(super) fn is(&mut self, position: Position) -> bool {
        while let Some((since, seen)) = self.seen.front()
            && since.elapsed() >= LIVE_PATH_TIMEOUT
        {
            self.overdue = *seen;
            self.seen.pop_front();
        }
        position <= self.overdue
    }
}
