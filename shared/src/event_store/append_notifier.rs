//! Wakes the tasks that wait for more of the log.

use std::time::Duration;

use tokio::sync::watch;

/// Notified after each append. Notifying is cheap and never blocks; a subscriber also learns of an
/// append that came between two of its waits.
#[derive(Debug, Clone)]
pub struct AppendNotifier(watch::Sender<u64>);

impl Default for AppendNotifier {
    fn default() -> Self {
        Self(watch::channel(0).0)
    }
}

impl AppendNotifier {
    /// Wakes all subscribers.
    pub fn notify(&self) {
        self.0.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// A subscriber to all appends from now on.
    pub fn subscribe(&self) -> AppendSubscriber {
        AppendSubscriber(self.0.subscribe())
    }
}

/// Waits for appends.
#[derive(Debug)]
pub struct AppendSubscriber(watch::Receiver<u64>);

impl AppendSubscriber {
    /// Returns at the next append, at once when one came since the last wait, or after `at_most`.
    pub async fn wait(&mut self, at_most: Duration) {
        if let Ok(Err(_closed)) = tokio::time::timeout(at_most, self.0.changed()).await {
            tokio::time::sleep(at_most).await;
        }
    }
}
