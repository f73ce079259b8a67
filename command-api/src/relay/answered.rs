//! Whether the broker answers, also while nothing is published.

use std::time::Duration;

use kernel::Result;
use shared::messaging::rabbitmq::Publisher;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often the broker is asked for the exchange while nothing is published.
const ASK_INTERVAL: Duration = Duration::from_secs(5);

/// When the broker answered last.
pub struct Answered(Instant);

impl Answered {
    pub fn now() -> Self {
        Self(Instant::now())
    }

    /// Asks again when that is long ago: while nothing is published, nothing else shows that it hangs.
    pub async fn ask_again(
        &mut self,
        publisher: &Publisher,
        stop: &CancellationToken,
    ) -> Result<()> {
        if self.0.elapsed() < ASK_INTERVAL {
            return Ok(());
        }
        let asked = stop.run_until_cancelled(publisher.ask()).await;
        *self = Self::now();
        asked.unwrap_or(Ok(()))
    }
}
