//! Trying again until a server is there.

use kernel::Result;
use tokio_util::sync::CancellationToken;

use crate::service::backoff::Backoff;
use crate::service::health::Health;

/// Tries until an attempt succeeds, and tells `health` what it waits for; `None` when `stop` came
/// first. A permanent failure is returned. Every attempt has to end by itself.
pub async fn until_connected<T, R>(
    part: &'static str,
    health: &Health,
    stop: &CancellationToken,
    mut attempt: impl FnMut() -> R,
) -> Result<Option<T>>
where
    R: Future<Output = Result<T>>,
{
    health.waits(part, "connecting");
    let mut backoff = Backoff::for_servers();
    loop {
        let Some(tried) = stop.run_until_cancelled(attempt()).await else { return Ok(None) };
        match tried {
            Ok(there) => {
                health.ready(part);
                return Ok(Some(there));
            }
            Err(failure) if failure.is_permanent() => return Err(failure),
            Err(failure) => health.waits(part, failure),
        }
        if !backoff.sleep_unless(stop).await {
            return Ok(None);
        }
    }
}
