//! Whether a worker gets on with a feed that it has opened. Until then it is not ready, and the next
//! attempt waits longer than this one did.

use std::time::Duration;

use shared::service::backoff::Backoff;
use tokio::time::Instant;

use crate::views_health::ViewsHealth;

/// A feed that brought nothing for so long is quiet: there is nothing to show that the worker gets on.
const QUIET: Duration = Duration::from_millis(100);
/// The same after a failure: longer than another worker that has failed as well keeps what both take.
const QUIET_AFTER_FAILURE: Duration = Duration::from_secs(2);

/// The time from the opening of a feed to the first batch that is applied, or to a silence.
pub(super) struct Probation<'a> {
    backoff: &'a mut Backoff,
    health: &'a ViewsHealth,
    /// When the silence has lasted long enough; `None` once it is passed.
    until: Option<Instant>,
}

impl<'a> Probation<'a> {
    /// The feed is open now.
    pub(super) fn begin(backoff: &'a mut Backoff, health: &'a ViewsHealth) -> Self {
        let quiet = if backoff.attempts() == 0 { QUIET } else { QUIET_AFTER_FAILURE };
        Self { backoff, health, until: Some(Instant::now() + quiet) }
    }

    /// A batch was applied, or there was none: the worker is ready.
    pub(super) fn passed(&mut self) {
        if self.until.take().is_some() {
            self.backoff.reset();
            self.health.ready();
        }
    }

    /// Returns when the feed was quiet for long enough; never once it is passed.
    pub(super) async fn quiet(&self) {
        match self.until {
            Some(until) => tokio::time::sleep_until(until).await,
            None => std::future::pending().await,
        }
    }
}
