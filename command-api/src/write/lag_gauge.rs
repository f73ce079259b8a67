//! Measures how far the live views are behind the log, and decides when that is too far.

use std::time::Duration;

use kernel::log::Position;
use shared::event_store::ViewsReport;
use tokio::time::Instant;

use super::appended::Appended;

/// Over so long a time it is counted what the views go through.
const RATE_INTERVAL: Duration = Duration::from_millis(250);
/// What is left of the highest rate an interval later: half of it after four seconds.
const RATE_KEPT: f64 = 0.96;
/// So many commits are no backlog, however old they are: less than a full group.
const FEW: Position = 256;
/// So much behind is no reason to hold groups back, however slow the views seem to be: they seem slow when
/// little is appended. Of commits, and of the bytes of the states that they lead to: each is a view that is
/// read and written, and a few hundred large ones take seconds.
const MIN_BEHIND: f64 = 1_000.0;
const MIN_BYTES_BEHIND: f64 = 1024.0 * 1024.0;
/// The bound of bytes while it is not known how fast the views are.
const MAX_BYTES_AT_FIRST: f64 = 2.0 * MIN_BYTES_BEHIND;
/// So many bytes may be appended between two looks in any case.
const MIN_BYTES_BETWEEN: f64 = 512.0 * 1024.0;

/// Decides whether groups are held back: while the views lack more commits, or bytes, than they go through in
/// a quarter of the allowed time, or any for half of it. The first bound comes early and often, so that
/// the views always have something to do; the second one holds when they slow down. A few commits, of a few
/// bytes, are no backlog: when views are stuck or start afresh, what little is written goes on.
pub(super) struct LagGauge {
    /// Half of what is allowed: reports come a moment late, and what is under way is still appended.
    hold_above: Duration,
    max_hold: Duration,
    checkpoint: Option<Position>,
    moved: Instant,
    commits: ViewRate,
    bytes: ViewRate,
    held: bool,
}

impl LagGauge {
    pub(super) fn new(max_lag: Duration, max_hold: Duration) -> Self {
        Self {
            hold_above: max_lag / 2,
            max_hold,
            checkpoint: None,
            moved: Instant::now(),
            commits: ViewRate::default(),
            bytes: ViewRate::default(),
            held: false,
        }
    }

    pub(super) fn look(&mut self, report: Option<ViewsReport>, appended: &mut Appended) -> bool {
        let checkpoint = report.map(|report| report.checkpoint);
        if checkpoint != self.checkpoint {
            self.checkpoint = checkpoint;
            self.moved = Instant::now();
        }
        let checkpoint = checkpoint.unwrap_or(0);
        appended.lag(checkpoint); // Forgets what they hold.
        self.commits.look(checkpoint as f64);
        self.bytes.look(appended.held_bytes() as f64);
        self.look_again(appended)
    }

    /// The same on what was reported last, where a report can't be read. It is no progress, and says nothing
    /// of the rate.
    pub(super) fn look_again(&mut self, appended: &mut Appended) -> bool {
        let reached = self.checkpoint.unwrap_or(0);
        let (lag, commits) = (appended.lag(reached), appended.since(reached));
        let (bytes, soon) = (appended.bytes_behind() as f64, self.hold_above / 2);
        let is_behind = lag > self.hold_above && (commits > FEW || bytes > MIN_BYTES_BEHIND)
            || self.commits.within(soon, MIN_BEHIND).is_some_and(|most| commits as f64 > most)
            || bytes > self.bytes.within(soon, MIN_BYTES_BEHIND).unwrap_or(MAX_BYTES_AT_FIRST);
        if !is_behind {
            self.moved = Instant::now();
        }
        self.held = is_behind && self.checkpoint.is_some() && !self.is_given_up();
        self.held
    }

    /// The views lack nothing, so that they can't move on.
    pub(super) fn rest(&mut self) {
        self.moved = Instant::now();
    }

    /// How many bytes may be appended in this time, until the next look: twice what the views go through.
    pub(super) fn most_within(&self, time: Duration) -> u64 {
        match self.checkpoint.is_some() && !self.is_given_up() {
            true => {
                self.bytes.within(2 * time, MIN_BYTES_BETWEEN).unwrap_or(MIN_BYTES_BETWEEN) as u64
            }
            false => u64::MAX,
        }
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.moved.elapsed() > self.max_hold
    }
}

/// How much the views go through in a second: the most that was seen lately, as they have nothing to do at
/// times.
#[derive(Debug, Default)]
struct ViewRate {
    since: Option<(Instant, f64)>,
    per_second: Option<f64>,
}

impl ViewRate {
    /// They have gone through so much by now.
    fn look(&mut self, now: f64) {
        let Some((since, before)) = self.since else {
            self.since = Some((Instant::now(), now));
            return;
        };
        let elapsed = since.elapsed();
        if elapsed >= RATE_INTERVAL {
            self.since = Some((Instant::now(), now));
            let seen = (now - before).max(0.0) / elapsed.as_secs_f64();
            let remembered = self.per_second.map_or(0.0, |rate| rate * RATE_KEPT);
            self.per_second = Some(seen.max(remembered));
        }
    }

    /// What they go through within this time, or the least that counts; none before the first was seen.
    fn within(&self, time: Duration, least: f64) -> Option<f64> {
        self.per_second.map(|rate| (rate * time.as_secs_f64()).max(least))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_LAG: Duration = Duration::from_secs(1);
    const MAX_HOLD: Duration = Duration::from_secs(10);
    const STEP: Duration = Duration::from_millis(10);
    /// Bytes of a small state, and of the largest that one command leads to.
    const SMALL: usize = 700;
    const LARGE: usize = 64 << 10;

    fn at(checkpoint: Position) -> Option<ViewsReport> {
        Some(ViewsReport { checkpoint })
    }

    #[tokio::test(start_paused = true)]
    async fn groups_are_held_back_while_the_views_are_behind() {
        let (mut gauge, mut appended) = (LagGauge::new(MAX_LAG, MAX_HOLD), Appended::default());
        appended.add(500, SMALL);
        assert!(!gauge.look(at(0), &mut appended), "they may be behind for a moment");
        tokio::time::advance(MAX_LAG).await;
        appended.add(900, SMALL);
        assert!(gauge.look(at(400), &mut appended));
        assert!(!gauge.look(at(500), &mut appended), "what they lack is new");
        tokio::time::advance(MAX_LAG).await;
        assert!(gauge.look(at(600), &mut appended));
        assert!(!gauge.look(at(900 - FEW), &mut appended), "a few are no backlog");
        assert!(!gauge.look(at(900), &mut appended));
        assert!(appended.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_is_appended_than_the_views_go_through_in_a_moment() {
        let (mut gauge, mut appended) = (LagGauge::new(MAX_LAG, MAX_HOLD), Appended::default());
        for step in 0..=20 {
            appended.add(500 * (step + 1), SMALL);
            gauge.look(at(500 * step), &mut appended); // 10,000 in a second.
            tokio::time::advance(Duration::from_millis(50)).await;
        }
        appended.add(10_000 + 2_400, SMALL);
        assert!(!gauge.look(at(10_000), &mut appended));
        appended.add(10_000 + 3_000, SMALL);
        assert!(gauge.look(at(10_000), &mut appended), "more than a quarter of a second's");
        assert!(!gauge.look(at(10_900), &mut appended));
    }

    #[tokio::test(start_paused = true)]
    async fn views_that_had_little_to_do_are_not_taken_for_slow() {
        let (mut gauge, mut appended) = (LagGauge::new(MAX_LAG, MAX_HOLD), Appended::default());
        for position in 1..=1_000 {
            appended.add(position, SMALL);
            assert!(!gauge.look(at(position - 1), &mut appended));
            tokio::time::advance(Duration::from_millis(50)).await;
        }
        appended.add(2_000, SMALL);
        assert!(!gauge.look(at(1_000), &mut appended), "a sudden burst");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_bytes_are_appended_than_the_views_go_through_in_a_moment() {
        let (mut gauge, mut appended) = (LagGauge::new(MAX_LAG, MAX_HOLD), Appended::default());
        for position in 1..=100 {
            appended.add(position, LARGE); // 100 in a second.
            gauge.look(at(position - 1), &mut appended);
            tokio::time::advance(STEP).await;
        }
        let mut behind = 1;
        while !gauge.look(at(100), &mut appended) {
            appended.add(100 + behind, LARGE);
            tokio::time::advance(STEP).await;
            behind += 1;
            assert!(behind < 50, "half a second's");
        }
        assert!(behind > 15, "{behind} are no more than a moment's");
        assert!(!gauge.look(at(100 + behind / 2), &mut appended));
        let most = gauge.most_within(10 * STEP) / LARGE as u64;
        assert!((15..=25).contains(&most), "until the next look {most} may be appended");
        assert_eq!(gauge.most_within(STEP), 8 * LARGE as u64, "some may be in any case");
    }

    #[tokio::test(start_paused = true)]
    async fn few_bytes_are_appended_while_it_is_not_known_how_fast_the_views_are() {
        let (mut gauge, mut appended) = (LagGauge::new(MAX_LAG, MAX_HOLD), Appended::default());
        (1..=32).for_each(|position| appended.add(position, LARGE));
        assert!(!gauge.look(at(0), &mut appended));
        assert_eq!(gauge.most_within(STEP), 8 * LARGE as u64);
        appended.add(33, LARGE);
        assert!(gauge.look(at(0), &mut appended), "these may be seconds of work");
        assert!(!gauge.look(at(33), &mut appended));
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_after_a_silence_is_held_back_like_any_other() {
        let (mut gauge, mut appended) = (LagGauge::new(MAX_LAG, MAX_HOLD), Appended::default());
        appended.add(1, SMALL);
        assert!(!gauge.look(at(1), &mut appended));
        tokio::time::advance(2 * MAX_HOLD).await;
        gauge.rest();
        assert!(gauge.most_within(STEP) < u64::MAX);
        (2..=40).for_each(|position| appended.add(position, LARGE));
        assert!(gauge.look(at(1), &mut appended), "the views had nothing to move on with");
        assert!(!gauge.is_given_up());
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_large_commits_are_a_backlog_where_they_are_old() {
        let (mut gauge, mut appended) = (LagGauge::new(MAX_LAG, MAX_HOLD), Appended::default());
        (1..=100).for_each(|position| appended.add(position, LARGE));
        gauge.look(at(0), &mut appended);
        tokio::time::advance(RATE_INTERVAL).await;
        gauge.look(at(100), &mut appended); // 25 MiB in a second, so that only the age decides.
        (101..=120).for_each(|position| appended.add(position, LARGE));
        assert!(!gauge.look(at(100), &mut appended), "they may be behind for a moment");
        tokio::time::advance(MAX_LAG).await;
        assert!(gauge.look(at(100), &mut appended));
        appended.add(121, SMALL);
        assert!(!gauge.look(at(120), &mut appended), "the large ones are there");
        (122..=130).for_each(|position| appended.add(position, LARGE));
        tokio::time::advance(MAX_LAG).await;
        assert!(!gauge.look(at(121), &mut appended), "9 of them are no backlog");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_projector_nothing_is_held_back_for_long() {
        let (mut gauge, mut appended) = (LagGauge::new(MAX_LAG, MAX_HOLD), Appended::default());
        appended.add(500, SMALL);
        tokio::time::advance(MAX_LAG).await;
        assert!(!gauge.look(None, &mut appended), "there were never any views");
        assert!(gauge.look(at(1), &mut appended));
        tokio::time::advance(MAX_HOLD).await;
        assert!(gauge.look(at(2), &mut appended), "they move on, if slowly");
        tokio::time::advance(MAX_HOLD + MAX_LAG).await;
        assert!(!gauge.look(at(2), &mut appended));
        assert!(gauge.is_given_up());
        assert_eq!(gauge.most_within(STEP), u64::MAX);
        assert!(gauge.look(at(3), &mut appended), "one is there again");
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_read_holds_nothing_back_for_long() {
        let (mut gauge, mut appended) = (LagGauge::new(MAX_LAG, MAX_HOLD), Appended::default());
        appended.add(500, SMALL);
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
}
