//! Waiting for a server that is not there yet.

use tokio_util::sync::CancellationToken;

use crate::Result;
use crate::backoff::Backoff;
use crate::health::Health;

/// Tries until it succeeds, saying what it waits for; `None` when `stop` came first. An error that
/// waiting does not mend is returned.
pub async fn until_there<T, R>(
    part: &'static str,
    health: &Health,
    stop: &CancellationToken,
    mut attempt: impl FnMut() -> R,
) -> Result<Option<T>>
where
    R: Future<Output = Result<T>>,
{
    let mut backoff = Backoff::for_servers();
    loop {
        match attempt().await {
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
