//! Measures how far the live views are behind the log, and decides when that is too far.

use std::collections::VecDeque;
use std::time::Duration;

use kernel::log::Position;
use shared::event_store::ViewsReport;
use tokio::time::Instant;

/// Appends within so short a time count as one.
const SAMPLE: Duration = Duration::from_millis(10);
/// Appends that are remembered; later ones count to the last of them.
const MAX_SAMPLES: usize = 10_000;
/// Over so long a time it is counted what the views go through.
const RATE_INTERVAL: Duration = Duration::from_millis(250);
/// What is left of the highest rate an interval later: half of it after four seconds.
const RATE_KEPT: f64 = 0.96;
/// So many commits are no backlog, however old they are: less than a full group.
const FEW: Position = 256;
/// So many commits behind are no reason to hold groups back, however slow the views seem to be: they
/// seem slow when little is appended.
const MIN_BEHIND: Position = 1_000;

/// When commits were acknowledged that the views may lack, ascending.
#[derive(Debug, Default)]
pub(super) struct Appended {
    samples: VecDeque<(Instant, Position)>,
}

impl Appended {
    /// Adds the position of a commit that is in the log: a lower one than before says nothing new.
    pub(super) fn add(&mut self, position: Position) {
        let is_full = self.samples.len() >= MAX_SAMPLES;
        match self.samples.back_mut() {
            Some((_, last)) if position <= *last => {}
            Some((since, last)) if is_full || since.elapsed() < SAMPLE => *last = position,
            _ => self.samples.push_back((Instant::now(), position)),
        }
    }

    /// Whether the views hold all of it, as far as is known.
    pub(super) fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Forgets what the views hold. Returns the age of the oldest commit that they lack.
    fn lag(&mut self, checkpoint: Position) -> Duration {
        while self.samples.front().is_some_and(|(_, position)| *position <= checkpoint) {
            self.samples.pop_front();
        }
        self.samples.front().map_or(Duration::ZERO, |(since, _)| since.elapsed())
    }

    /// Commits behind this position, those of other processes between them included.
    fn since(&self, checkpoint: Position) -> Position {
        self.samples.back().map_or(0, |(_, last)| (last - checkpoint).max(0))
    }
}

/// Decides whether groups are held back: while the views lack more commits than they go through in a
/// quarter of the allowed time, or any for half of it. The first bound comes early and often, so that
/// the views always have something to do; the second one holds when they slow down. A few commits are
/// no backlog: when views are stuck or start afresh, what little is written goes on.
pub(super) struct LagGauge {
    /// Half of what is allowed: reports come a moment late, and what is under way is still appended.
    hold_above: Duration,
    max_hold: Duration,
    checkpoint: Option<Position>,
    moved: Instant,
    rate: ViewRate,
    held: bool,
}

impl LagGauge {
    pub(super) fn new(max_lag: Duration, max_hold: Duration) -> Self {
        Self {
            hold_above: max_lag / 2,
            max_hold,
            checkpoint: None,
            moved: Instant::now(),
            rate: ViewRate::default(),
            held: false,
        }
    }

    pub(super) fn look(&mut self, report: Option<ViewsReport>, appended: &mut Appended) -> bool {
        let checkpoint = report.map(|report| report.checkpoint);
        if checkpoint != self.checkpoint {
            self.checkpoint = checkpoint;
            self.moved = Instant::now();
        }
        self.rate.look(checkpoint.unwrap_or(0));
        self.look_again(appended)
    }

    /// The same on what was reported last, where a report can't be read. It is no progress, and says nothing
    /// of the rate.
    pub(super) fn look_again(&mut self, appended: &mut Appended) -> bool {
        let reached = self.checkpoint.unwrap_or(0);
        let (lag, commits) = (appended.lag(reached), appended.since(reached));
        let is_behind = lag > self.hold_above && commits > FEW
            || commits > self.rate.within(self.hold_above / 2);
        if !is_behind {
            self.moved = Instant::now();
        }
        self.held = is_behind && self.checkpoint.is_some() && !self.is_given_up();
        self.held
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.moved.elapsed() > self.max_hold
    }
}

/// How many commits the views go through in a second: the most that was seen lately, as they have
/// nothing to do at times.
#[derive(Debug, Default)]
struct ViewRate {
    since: Option<(Instant, Position)>,
    per_second: Option<f64>,
}

impl ViewRate {
    fn look(&mut self, checkpoint: Position) {
        let Some((since, before)) = self.since else {
            self.since = Some((Instant::now(), checkpoint));
            return;
        };
        let elapsed = since.elapsed();
        if elapsed >= RATE_INTERVAL {
            self.since = Some((Instant::now(), checkpoint));
            let seen = checkpoint.saturating_sub(before).max(0) as f64 / elapsed.as_secs_f64();
            let remembered = self.per_second.map_or(0.0, |rate| rate * RATE_KEPT);
            self.per_second = Some(seen.max(remembered));
        }
    }

    /// Commits within this time; without a bound before the first was seen.
    fn within(&self, time: Duration) -> Position {
        let commits = |rate: f64| ((rate * time.as_secs_f64()) as Position).max(MIN_BEHIND);
        self.per_second.map_or(Position::MAX, commits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_LAG: Duration = Duration::from_secs(1);
    const MAX_HOLD: Duration = Duration::from_secs(10);

    fn at(checkpoint: Position) -> Option<ViewsReport> {
        Some(ViewsReport { checkpoint })
    }

    #[tokio::test(start_paused = true)]
    async fn groups_are_held_back_while_the_views_are_behind() {
        let (mut gauge, mut appended) = (LagGauge::new(MAX_LAG, MAX_HOLD), Appended::default());
        appended.add(500);
        assert!(!gauge.look(at(0), &mut appended), "they may be behind for a moment");
        tokio::time::advance(MAX_LAG).await;
        appended.add(900);
        assert!(gauge.look(at(400), &mut appended));
        assert!(!gauge.look(at(500), &mut appended), "what they lack is new");
        tokio::time::advance(MAX_LAG).await;
        assert!(gauge.look(at(600), &mut appended));
        assert!(!gauge.look(at(900 - FEW), &mut appended), "a few are no backlog");
        assert!(!gauge.look(at(900), &mut appended));
        assert!(appended.samples.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_is_appended_than_the_views_go_through_in_a_moment() {
        let (mut gauge, mut appended) = (LagGauge::new(MAX_LAG, MAX_HOLD), Appended::default());
        for step in 0..=20 {
            appended.add(500 * (step + 1));
            gauge.look(at(500 * step), &mut appended); // 10,000 in a second.
            tokio::time::advance(Duration::from_millis(50)).await;
        }
        appended.add(10_000 + 2_400);
        assert!(!gauge.look(at(10_000), &mut appended));
        appended.add(10_000 + 3_000);
        assert!(gauge.look(at(10_000), &mut appended), "more than a quarter of a second's");
        assert!(!gauge.look(at(10_900), &mut appended));
    }

    #[tokio::test(start_paused = true)]
    async fn views_that_had_little_to_do_are_not_taken_for_slow() {
        let (mut gauge, mut appended) = (LagGauge::new(MAX_LAG, MAX_HOLD), Appended::default());
        for position in 1..=1_000 {
            appended.add(position);
            assert!(!gauge.look(at(position - 1), &mut appended));
            tokio::time::advance(Duration::from_millis(50)).await;
        }
        appended.add(1_000 + MIN_BEHIND);
        assert!(!gauge.look(at(1_000), &mut appended), "a sudden burst");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_projector_nothing_is_held_back_for_long() {
        let (mut gauge, mut appended) = (LagGauge::new(MAX_LAG, MAX_HOLD), Appended::default());
        appended.add(500);
        tokio::time::advance(MAX_LAG).await;
        assert!(!gauge.look(None, &mut appended), "there were never any views");
        assert!(gauge.look(at(1), &mut appended));
        tokio::time::advance(MAX_HOLD).await;
        assert!(gauge.look(at(2), &mut appended), "they move on, if slowly");
        tokio::time::advance(MAX_HOLD + MAX_LAG).await;
        assert!(!gauge.look(at(2), &mut appended));
        assert!(gauge.is_given_up());
        assert!(gauge.look(at(3), &mut appended), "one is there again");
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_read_holds_nothing_back_for_long() {
        let (mut gauge, mut appended) = (LagGauge::new(MAX_LAG, MAX_HOLD), Appended::default());
        appended.add(500);
        tokio::time::advance(MAX_LAG).await;
        assert!(!gauge.look_again(&mut appended), "nothing was ever read");
        assert!(gauge.look(at(1), &mut appended));
        tokio::time::advance(MAX_HOLD).await;
        assert!(gauge.look_again(&mut appended), "as it was");
        tokio::time::advance(MAX_LAG).await;
        assert!(!gauge.look_again(&mut appended));
        assert!(gauge.is_given_up());
        assert!(gauge.look(at(2), &mut appended), "it is read again");
    }

    /// As of a command that is refused: the state that it was decided on is of long ago.
    #[tokio::test(start_paused = true)]
    async fn a_lower_position_changes_nothing() {
        let mut appended = Appended::default();
        appended.add(100_000);
        tokio::time::advance(2 * SAMPLE).await;
        appended.add(5);
        assert_eq!((appended.samples.len(), appended.since(0)), (1, 100_000));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_of_appends_is_bounded() {
        let mut appended = Appended::default();
        for position in 1..=2 * MAX_SAMPLES as Position {
            appended.add(position);
            tokio::time::advance(SAMPLE).await;
        }
        assert_eq!(appended.samples.len(), MAX_SAMPLES);
        assert_eq!(appended.lag(2 * MAX_SAMPLES as Position), Duration::ZERO);
    }
}
