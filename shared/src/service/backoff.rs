//! Waiting between attempts: exponential, with equal jitter, capped.
//! ("Equal jitter" as in <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>.)

use std::time::Duration;

use rand::RngExt as _;
use tokio_util::sync::CancellationToken;

/// The delays between attempts at one thing.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    attempt: u32,
}

impl Backoff {
    /// Starts with `first`; doubles up to `cap`.
    pub fn new(first: Duration, cap: Duration) -> Self {
        Self { first, cap, attempt: 0 }
    }

    /// For servers that are away: 50 ms up to 1 s.
    pub fn for_servers() -> Self {
        Self::new(Duration::from_millis(50), Duration::from_secs(1))
    }

    /// After a success: the next delay is the first again.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }

    /// Delays since the start or the last `reset`.
    pub fn attempts(&self) -> u32 {
        self.attempt
    }

    /// The next delay: between half and all of `first × 2^attempt`, at most `cap`.
    fn next_delay(&mut self) -> Duration {
        let ceiling = self.first.saturating_mul(1 << self.attempt.min(20)).min(self.cap);
        self.attempt += 1;
        ceiling.mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    /// Waits for the next delay.
    pub async fn sleep(&mut self) {
        tokio::time::sleep(self.next_delay()).await;
    }

    /// False when `stop` came first.
    pub async fn sleep_unless(&mut self, stop: &CancellationToken) -> bool {
        stop.run_until_cancelled(self.sleep()).await.is_some()
    }
}
