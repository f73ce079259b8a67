//! How many views a second a client takes.

use std::cell::Cell;

use tokio::time::Instant;

/// The most that a client may ask for.
pub const MAX_PER_SECOND: u32 = 10_000;

/// What a client may be told: so many views a second on average, and up to twice as many in one second,
/// as after a silence. What it is not told is counted.
pub struct Allowance {
    per_second: u32,
    /// Views that may be told at this moment.
    left: Cell<f64>,
    since: Cell<Instant>,
    skipped: Cell<u64>,
}

impl Allowance {
    pub fn new(per_second: u32) -> Self {
        let (left, since) = (f64::from(per_second).into(), Instant::now().into());
        Self { per_second, left, since, skipped: Cell::default() }
    }

    /// How many views may be told now.
    pub fn left(&self) -> usize {
        let (now, per_second) = (Instant::now(), f64::from(self.per_second));
        let passed = now.duration_since(self.since.replace(now)).as_secs_f64();
        self.left.set((self.left.get() + passed * per_second).min(per_second));
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
    use std::time::Duration;

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
}
