//! Wakes the tasks that wait for more of the log.

use std::time::Duration;

use tokio::sync::watch;

/// Rung after each append. Ringing is cheap and never blocks; a ring between two waits of a
/// listener is not lost.
#[derive(Debug, Clone)]
pub struct Signal(watch::Sender<u64>);

impl Default for Signal {
    fn default() -> Self {
        Self(watch::channel(0).0)
    }
}

impl Signal {
    pub fn ring(&self) {
        self.0.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub fn listen(&self) -> Listener {
        Listener(self.0.subscribe())
    }
}

#[derive(Debug)]
pub struct Listener(watch::Receiver<u64>);

impl Listener {
    /// Returns at the next ring, at once when one came since the last wait, or after `at_most`.
    pub async fn wait(&mut self, at_most: Duration) {
        if let Ok(Err(_closed)) = tokio::time::timeout(at_most, self.0.changed()).await {
            tokio::time::sleep(at_most).await;
        }
    }
}
