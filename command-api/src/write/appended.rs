//! What was appended and is maybe not in the views yet.

use std::collections::VecDeque;
use std::time::Duration;

use kernel::log::Position;
use tokio::time::Instant;

/// Appends within so short a time count as one.
const SAMPLE: Duration = Duration::from_millis(10);
/// Appends that are remembered; later ones count to the last of them.
const MAX_SAMPLES: usize = 10_000;
/// No longer than this it is waited for the next look at the views: it may take long, or fail.
const MAX_PAUSE: Duration = Duration::from_millis(200);

/// Commits that were acknowledged within a moment, with all before them.
#[derive(Debug, Clone, Copy)]
struct Sample {
    since: Instant,
    /// Of the last of them.
    position: Position,
    /// Of the states after all commits so far, those before them included.
    bytes: u64,
}

/// When commits were acknowledged that the views may lack, ascending.
#[derive(Debug, Default)]
pub(super) struct Appended {
    samples: VecDeque<Sample>,
    /// Of the states after all commits so far, and of those that the views hold.
    bytes: u64,
    held_bytes: u64,
    /// When the views were looked at last, and how many bytes may be appended until the next look.
    looked: Option<(Instant, u64)>,
    /// Of `bytes`, those that were appended before that.
    bytes_before: u64,
}

impl Appended {
    /// Adds the position of a commit that is in the log, and the bytes of the state after it where it was
    /// appended. A lower position than before may be of a command that was refused, on a state of long ago, or
    /// of a group that another one overtook: its bytes count, as of the latest commit.
    pub(super) fn add(&mut self, position: Position, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        let (is_full, bytes) = (self.samples.len() >= MAX_SAMPLES, self.bytes);
        match self.samples.back_mut() {
            Some(last) if position <= last.position => last.bytes = bytes,
            Some(last) if is_full || last.since.elapsed() < SAMPLE => {
                (last.position, last.bytes) = (position, bytes);
            }
            _ => self.samples.push_back(Sample { since: Instant::now(), position, bytes }),
        }
    }

    /// Whether the views hold all of it, as far as is known.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The same; then as many bytes may be appended until the next look as `most` says.
    pub(super) fn rest(&mut self, most: impl FnOnce() -> u64) -> bool {
        let rests = self.samples.is_empty();
        if rests {
            self.looked(most());
        }
        rests
    }

    /// The views were looked at: until the next look this many bytes may be appended. Returns whether more were
    /// since the last one.
    pub(super) fn looked(&mut self, most: u64) -> bool {
        let was_too_much = self.is_too_much();
        (self.looked, self.bytes_before) = (Some((Instant::now(), most)), self.bytes);
        was_too_much
    }

    /// More was appended since the last look than the views may go through until the next one: it has to be seen
    /// first how far they are.
    pub(super) fn is_too_much(&self) -> bool {
        self.looked.is_some_and(|(at, most)| {
            self.bytes.saturating_sub(self.bytes_before) > most && at.elapsed() < MAX_PAUSE
        })
    }

    /// Forgets what the views hold. Returns the age of the oldest commit that they lack.
    pub(super) fn lag(&mut self, checkpoint: Position) -> Duration {
        while let Some(held) = self.samples.pop_front_if(|it| it.position <= checkpoint) {
            self.held_bytes = held.bytes;
        }
        self.samples.front().map_or(Duration::ZERO, |sample| sample.since.elapsed())
    }

    /// Commits behind this position, those of other processes between them included.
    pub(super) fn since(&self, checkpoint: Position) -> Position {
        self.samples.back().map_or(0, |last| (last.position - checkpoint).max(0))
    }

    /// Bytes of the states after the commits that the views lack, those of this process alone.
    pub(super) fn bytes_behind(&self) -> u64 {
        self.bytes.saturating_sub(self.held_bytes)
    }

    /// The same of all commits that the views hold, as far as they were counted.
    pub(super) fn held_bytes(&self) -> u64 {
        self.held_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_a_group_appended_counts_where_another_one_overtook_it() {
        let mut appended = Appended::default();
        appended.looked(1_000);
        appended.add(200, 10);
        tokio::time::advance(2 * SAMPLE).await;
        appended.add(100, 5_000);
        assert_eq!((appended.since(0), appended.bytes_behind()), (200, 5_010));
        assert!(appended.is_too_much());
        appended.lag(200);
        assert_eq!((appended.bytes_behind(), appended.held_bytes()), (0, 5_010));
    }

    /// As of a command that is refused: the state that it was decided on is of long ago.
    #[tokio::test(start_paused = true)]
    async fn a_lower_position_is_no_later_commit() {
        let mut appended = Appended::default();
        appended.add(100_000, 700);
        tokio::time::advance(2 * SAMPLE).await;
        appended.add(5, 0);
        assert_eq!((appended.samples.len(), appended.since(0)), (1, 100_000));
        assert_eq!(appended.bytes_behind(), 700);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_of_appends_is_bounded() {
        let mut appended = Appended::default();
        for position in 1..=2 * MAX_SAMPLES as Position {
            appended.add(position, 700);
            tokio::time::advance(SAMPLE).await;
        }
        assert_eq!(appended.samples.len(), MAX_SAMPLES);
        assert_eq!(appended.lag(2 * MAX_SAMPLES as Position), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_much_waits_for_the_next_look_and_for_no_longer_than_that() {
        let mut appended = Appended::default();
        appended.add(1, usize::MAX / 4);
        assert!(!appended.is_too_much(), "the views are not looked at");
        assert!(!appended.looked(1_000));
        appended.add(2, 1_000);
        assert!(!appended.is_too_much());
        appended.add(3, 1);
        assert!(appended.is_too_much());
        assert!(appended.looked(1_000), "it was too much");
        assert!(!appended.is_too_much() && !appended.looked(1_000));
        appended.add(4, 1_001);
        assert!(appended.is_too_much());
        tokio::time::advance(MAX_PAUSE).await;
        assert!(!appended.is_too_much(), "no look comes");
    }
}
