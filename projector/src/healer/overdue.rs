//! Which positions the live path had time enough for.

use std::collections::VecDeque;
use std::time::Duration;

use kernel::log::Position;
use tokio::time::Instant;

/// How long the workers may take to apply a commit before the healer takes it for missing.
const LIVE_PATH_TIMEOUT: Duration = Duration::from_secs(2);

/// Tells by this process's own monotonic clock, as clocks of servers may jump.
#[derive(Debug, Default)]
pub(super) struct Overdue {
    /// When which position was seen to exist, both ascending.
    seen: VecDeque<(Instant, Position)>,
    /// All positions up to here are overdue.
    overdue: Position,
}

impl Overdue {
    /// The log holds this position now.
    pub(super) fn saw(&mut self, position: Position) {
        if self.seen.back().is_none_or(|(_, last)| position > *last) {
            self.seen.push_back((Instant::now(), position));
        }
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
