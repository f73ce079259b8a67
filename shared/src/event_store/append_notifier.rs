//! Wakes the tasks that wait for more of the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// How often a log that is written to is looked at for appends of other processes.
const BUSY_INTERVAL: Duration = Duration::from_millis(10);
/// The same for a log at rest, while appends of others are told.
const TOLD_INTERVAL: Duration = Duration::from_secs(1);
/// The same, while they are not.
const UNTOLD_INTERVAL: Duration = Duration::from_millis(100);
/// A log without an append for so long is at rest.
pub const REST: Duration = Duration::from_secs(1);

/// Notified after each append. Notifying is cheap and never blocks; a subscriber also learns of an
/// append that came between two of its waits.
#[derive(Debug, Clone)]
pub struct AppendNotifier {
    appends: watch::Sender<Appends>,
    tells_others: Arc<AtomicBool>,
}

#[derive(Debug, Clone, Copy)]
struct Appends {
    /// How often subscribers were woken.
    count: u64,
    latest: Instant,
}

impl Default for AppendNotifier {
    fn default() -> Self {
        let appends = watch::channel(Appends { count: 0, latest: Instant::now() }).0;
        Self { appends, tells_others: Arc::default() }
    }
}

impl AppendNotifier {
    /// The notifier of a log that no other process writes to.
    pub fn alone() -> Self {
        let notifier = Self::default();
        notifier.tell_others(true);
        notifier
    }

    /// Wakes all subscribers after an append.
    pub fn notify(&self) {
        self.appends.send_modify(|appends| {
            *appends = Appends { count: appends.count.wrapping_add(1), latest: Instant::now() };
        });
    }

    /// Wakes all subscribers, as there may have been an append.
    pub fn wake(&self) {
        self.appends.send_modify(|appends| appends.count = appends.count.wrapping_add(1));
    }

    /// Says whether appends of other processes are notified, too, while the log is at rest.
    pub fn tell_others(&self, told: bool) {
        self.tells_others.store(told, Ordering::Relaxed);
    }

    /// How long ago the latest append was.
    pub fn rested(&self) -> Duration {
        self.appends.borrow().latest.elapsed()
    }

    /// A subscriber to all appends from now on.
    pub fn subscribe(&self) -> AppendSubscriber {
        AppendSubscriber { notifier: self.clone(), appends: self.appends.subscribe() }
    }

    fn interval(&self) -> Duration {
        if self.rested() < REST {
            BUSY_INTERVAL
        } else if self.tells_others.load(Ordering::Relaxed) {
            TOLD_INTERVAL
        } else {
            UNTOLD_INTERVAL
        }
    }
}

/// Waits for appends.
#[derive(Debug)]
pub struct AppendSubscriber {
    notifier: AppendNotifier,
    appends: watch::Receiver<Appends>,
}

impl AppendSubscriber {
    /// Returns at the next append, at once when one came since the last wait, or when it is time to
    /// look for appends of other processes; after `at_most` in any case.
    pub async fn wait(&mut self, at_most: Duration) {
        let interval = self.notifier.interval().min(at_most);
        if let Ok(Err(_closed)) = tokio::time::timeout(interval, self.appends.changed()).await {
            tokio::time::sleep(interval).await;
        }
    }

    /// Says that an append was found that may not have been notified: the log is busy.
    pub fn found(&mut self) {
        if self.notifier.rested() > REST / 2 {
            self.notifier.notify();
            self.appends.mark_unchanged();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_log_at_rest_is_looked_at_less_often() {
        let notifier = AppendNotifier::default();
        let mut subscriber = notifier.subscribe();
        let mut waited = async |at_most| {
            let started = Instant::now();
            subscriber.wait(at_most).await;
            started.elapsed()
        };
        assert_eq!(waited(REST).await, BUSY_INTERVAL);
        tokio::time::advance(REST).await;
        assert_eq!(waited(REST * 2).await, UNTOLD_INTERVAL);
        notifier.tell_others(true);
        assert_eq!(waited(REST * 2).await, TOLD_INTERVAL);
        assert_eq!(waited(REST / 4).await, REST / 4);
        notifier.wake();
        assert_eq!(waited(REST).await, Duration::ZERO);
        notifier.notify();
        assert_eq!(waited(REST).await, Duration::ZERO);
        assert_eq!(waited(REST).await, BUSY_INTERVAL);
    }
}
