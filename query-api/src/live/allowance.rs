//! How many views a second a client takes.

use std::cell::Cell;
use std::sync::LazyLock;
use std::time::Duration;

use tokio::time::Instant;

/// The most that a client may ask for.
pub const MAX_PER_SECOND: u32 = 10_000;
/// Clients that have taken all that they may are told more at these times, all of them together: to hand on
/// each view by itself costs the service, and the client, more than all else that is done for it.
const PORTION_INTERVAL: Duration = Duration::from_millis(50);
/// These times are counted from here.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Which portion may be told at this time. (A clock that a test stops may be before the start.)
fn portion(at: Instant) -> (bool, u128) {
    let (before, since) = (START.duration_since(at), at.duration_since(*START));
    (before > since, before.max(since).as_millis() / PORTION_INTERVAL.as_millis())
}

/// What a client may be told: so many views a second on average, and up to twice as many in one second,
/// as after a silence. What it is not told is counted. One that is told all the time what it may be told gets
/// that in portions.
pub struct Allowance {
    per_second: u32,
    /// Views that may be told at this moment.
    left: Cell<f64>,
    /// All that might be told was told in this portion; none where something was left.
    exhausted: Cell<Option<(bool, u128)>>,
    since: Cell<Instant>,
    skipped: Cell<u64>,
}

impl Allowance {
    pub fn new(per_second: u32) -> Self {
        let (left, since) = (f64::from(per_second).into(), Instant::now().into());
        Self { per_second, left, since, exhausted: Cell::default(), skipped: Cell::default() }
    }

    /// How many views may be told now.
    pub fn left(&self) -> usize {
        let (now, per_second) = (Instant::now(), f64::from(self.per_second));
        let passed = now.duration_since(self.since.replace(now)).as_secs_f64();
        self.left.set((self.left.get() + passed * per_second).min(per_second));
        if self.exhausted.get() == Some(portion(now)) {
            return 0;
        }
        // From 0 to the rate.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is in range"
        )]
        let left = self.left.get() as usize;
        left
    }

    /// Takes as many of `wanted` as may be told; the rest is skipped.
    pub fn take(&self, wanted: usize) -> usize {
        let told = self.left().min(wanted);
        #[expect(clippy::cast_precision_loss, reason = "it is at most the rate")]
        self.left.set(self.left.get() - told as f64);
        if told > 0 {
            let is_exhausted = self.left.get() < 1.0;
            self.exhausted.set(is_exhausted.then(|| portion(Instant::now())));
        }
        self.skip(wanted - told);
        told
    }

    pub fn skip(&self, views: usize) {
        self.skipped.set(self.skipped.get() + views as u64);
    }

    /// How many views were skipped since this was last asked.
    pub fn skipped(&self) -> u64 {
        self.skipped.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn as_many_are_told_as_are_allowed_and_the_rest_is_counted() {
        let allowance = Allowance::new(10);
        assert_eq!([4, 4, 4].map(|views| allowance.take(views)), [4, 4, 2]);
        assert_eq!(allowance.take(5), 0);
        assert_eq!((allowance.skipped(), allowance.skipped()), (7, 0));
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!((allowance.left(), allowance.take(3), allowance.take(3)), (5, 3, 2));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(allowance.take(100), 10, "a silence is not saved up");
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_take_all_they_may_are_told_in_portions_together_and_no_less() {
        let one = Allowance::new(100);
        assert_eq!(one.take(1_000), 100);
        tokio::time::advance(Duration::from_millis(30)).await;
        let other = Allowance::new(200);
        assert_eq!(other.take(1_000), 200);
        tokio::time::advance(PORTION_INTERVAL).await;
        let mut told = vec![];
        for _ in 0..100 {
            tokio::time::advance(Duration::from_millis(10)).await;
            told.push((one.take(90), other.take(90)));
        }
        let portions = told.iter().filter(|(one, other)| one + other > 0);
        assert!(portions.count() <= 21, "{told:?}");
        let all = told.iter().fold((0, 0), |all, more| (all.0 + more.0, all.1 + more.1));
        assert!((95..=110).contains(&all.0) && (190..=220).contains(&all.1), "{told:?}");
        tokio::time::advance(PORTION_INTERVAL).await;
        assert_eq!([1, 1].map(|views| one.take(views)), [1, 1], "what is left is told at once");
    }
}
