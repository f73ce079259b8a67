//! How the distance to the head of the log goes while a generation is made.

use std::time::Duration;

use kernel::Timestamp;
use kernel::log::Position;
use shared::view_store::Progress;
use tokio::time::Instant;

/// Between two distances that are compared.
const INTERVAL: Duration = Duration::from_secs(5);
/// Commits: a generation that is no further from the head than this is about to go live.
pub(super) const NEAR: i64 = 1_000;

/// Measures the distance again and again, and tells whether it shrinks.
#[derive(Debug, Default)]
pub(super) struct Pursuit {
    /// When the distance was measured, and how far it was.
    before: Option<(Instant, Position)>,
    outrun: bool,
}

impl Pursuit {
    /// The progress at this moment, with the generation at `reached` and the log at `head`.
    pub(super) fn measure(&mut self, now: Instant, reached: Position, head: Position) -> Progress {
        let behind = head - reached;
        match self.before {
            Some((when, _)) if now - when < INTERVAL => {}
            Some((_, before)) => {
                self.outrun = behind >= before && behind > NEAR;
                self.before = Some((now, behind));
            }
            None => self.before = Some((now, behind)),
        }
        Progress { at: Timestamp::now(), reached, head, outrun: self.outrun, complete_until: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_grows_faster_than_it_is_read_is_told_of_until_it_does_not() {
        let mut pursuit = Pursuit::default();
        let mut now = Instant::now();
        let mut outrun = |reached, head| {
            now += INTERVAL;
            pursuit.measure(now, reached, head).outrun
        };
        assert!(!outrun(0, 10_000), "the first look has nothing to compare with");
        assert!(!outrun(5_000, 14_000), "it comes nearer");
        assert!(outrun(9_000, 20_000));
        assert!(!outrun(19_000, 20_000));
        assert!(!outrun(19_500, 20_500), "near enough to go live soon");
    }
}
