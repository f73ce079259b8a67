//! How far the clocks of servers are from that of this machine.
//!
//! Positions and versions order everything, so a clock that is off loses and reorders nothing; but the times of
//! events, the lag that is told, and the ends of tokens and certificates come from clocks.

use std::time::Duration;

use kernel::{Result, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::service::health::Health;
use crate::service::metrics::{Gauge, tell_of};
use crate::service::vital::restarting;

/// Between two looks at the clock of a server.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// The name under which it is told that looking ended by a fault.
const HEALTH_PART: &str = "clock";

static AHEAD: Gauge = Gauge::by(
    "waybill_clock_ahead_seconds",
    "How far the clock of a server is ahead of that of this machine, less than 0 where it is behind, as \
     far as the time that asking took does not explain it.",
    &["server"],
    &[],
);

/// What a server says its clock shows.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// When it was asked, by the clock of this machine.
    pub asked: Timestamp,
    /// The clock of the server, at some time between the two.
    pub server: Timestamp,
    /// When it had answered, by the clock of this machine.
    pub answered: Timestamp,
}

impl Reading {
    /// How many milliseconds the server's clock is ahead of this machine's at least; negative where it is
    /// behind, 0 where the time that asking took explains the difference.
    pub fn ahead_ms(&self) -> i64 {
        let server = self.server.as_millis();
        let (asked, answered) = (self.asked.as_millis(), self.answered.as_millis());
        server.saturating_sub(answered).max(0) + server.saturating_sub(asked).min(0)
    }
}

/// A server that tells what its clock shows.
pub trait Clock: Send + Sync + 'static {
    /// Asks it, in 20 s or less.
    fn clock(&self) -> impl Future<Output = Result<Reading>> + Send;
}

/// Looks at the clock of a server every ten seconds until `stop`, also after a fault, and tells by the metric
/// how far it is off. What could not be asked keeps the last value.
pub async fn watch(
    server: &'static str,
    clock: impl Clock,
    health: Health,
    stop: CancellationToken,
) {
    tell_of(&[&AHEAD]);
    restarting(&health, HEALTH_PART, || keep_looking(server, &clock, &stop)).await;
}

async fn keep_looking(server: &'static str, clock: &impl Clock, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        match clock.clock().await {
            Ok(reading) => AHEAD.set_of(server, reading.ahead_ms() as f64 / 1_000.0),
            Err(failure) => tracing::debug!(server, %failure, "asking for the time"),
        }
        stop.run_until_cancelled(tokio::time::sleep(LOOK_INTERVAL)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_off_by_what_the_way_does_not_explain() {
        for (asked, server, answered, expected) in [
            (10_000, 10_900, 10_001, 899),
            (10_000, 15_000, 16_000, 0),
            (10_000, 8_000, 10_500, -2_000),
            (10_000, 10_000, 10_000, 0),
            // The clock of this machine was set back meanwhile.
            (10_000, 10_000, 5_000, 5_000),
        ] {
            let [asked, server, answered] = [asked, server, answered].map(Timestamp::from_millis);
            assert_eq!(Reading { asked, server, answered }.ahead_ms(), expected);
        }
    }
}
