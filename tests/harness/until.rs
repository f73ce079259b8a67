//! Waiting for a condition, instead of for a time.

use std::time::{Duration, Instant};

/// The longest wait: only a test that is about to fail waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until there is an answer.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::interval_at(tokio::time::Instant::now() + Duration::from_millis(10), PATIENCE)
            .tick()
            .await;
    }
}
