//! The least time between two rounds of a loop: keeps a busy one from working in many small rounds.

use std::time::Duration;

use tokio::time::Instant;

/// Between the starts of two rounds that are not full.
const MIN_INTERVAL: Duration = Duration::from_millis(5);

/// The first round after a pause starts at once. While more arrives all the time, rounds start at
/// most every 5 ms unless they are full: each has its fixed cost in every server it touches, and a
/// system that is busy with those costs is slower for every client.
#[derive(Debug, Default)]
pub struct MinInterval {
    started: Option<Instant>,
}

impl MinInterval {
    /// A round starts.
    pub fn start(&mut self) {
        self.started = Some(Instant::now());
    }

    /// Waits for the rest of a round that was not full.
    pub async fn rest(&self) {
        if let Some(started) = self.started {
            tokio::time::sleep_until(started + MIN_INTERVAL).await;
        }
    }
}
