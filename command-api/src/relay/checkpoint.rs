//! How far the exchange has confirmed the log.

use std::time::Duration;

use kernel::Result;
use kernel::log::Position;
use shared::service::failpoint;
use tokio::time::Instant;

use super::Relay;

/// How far the exchange has confirmed. It is stored now and then, and never runs ahead.
pub struct Checkpoint {
    pub stored: Position,
    pub confirmed: Position,
    since: Instant,
}

impl Checkpoint {
    /// As it is stored when the leading begins.
    pub fn at(stored: Position) -> Self {
        Self { stored, confirmed: stored, since: Instant::now() }
    }

    /// Stores it, where it has moved and was not stored within the interval.
    pub async fn store(&mut self, relay: &Relay, interval: Duration) -> Result<()> {
        if self.confirmed > self.stored && self.since.elapsed() >= interval {
            failpoint::hit("checkpoint.before");
            relay.store.move_relay_checkpoint(&relay.log, self.confirmed).await?;
            failpoint::hit("checkpoint.after");
            self.stored = self.confirmed;
            self.since = Instant::now();
        }
        Ok(())
    }
}
