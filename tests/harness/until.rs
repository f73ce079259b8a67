//! Waiting for a condition, instead of for a time.

use std::time::{Duration, Instant};

use crate::watched;

/// The longest wait: only a test that is about to fail waits so long.
pub const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

/// Between two looks at a state whose change is not signalled. No other place of the tests polls.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Asks again and again until there is an answer. Panics as soon as a service of this test has
/// ended by itself; when it waits in vain, it tells what all of them wait for.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, ask: impl FnMut() -> F) -> T {
    within(WAIT_TIMEOUT, what, ask).await
}

/// The same, with another timeout.
pub async fn within<T, F: Future<Output = Option<T>>>(
    timeout: Duration,
    what: &str,
    ask: impl FnMut() -> F,
) -> T {
    match poll(timeout, ask, watched::ended).await {
        Ok(answer) => answer,
        Err(Some(ended)) => panic!("waited until {what}, and {ended}"),
        Err(None) => panic!("waited in vain until {what}\n{}", watched::situation().await),
    }
}

/// The same, for a test in which services may end: `None` when it waits in vain.
pub async fn comes<T, F: Future<Output = Option<T>>>(
    timeout: Duration,
    ask: impl FnMut() -> F,
) -> Option<T> {
    poll(timeout, ask, || None).await.ok()
}

/// Lets time pass, where a length of time is what a test is about: how long a fault lasts. The test
/// must hold whatever happens meanwhile.
pub async fn let_pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// The answer; or what ended first, or nothing when the time is over.
async fn poll<T, F: Future<Output = Option<T>>>(
    timeout: Duration,
    mut ask: impl FnMut() -> F,
    ended: impl Fn() -> Option<String>,
) -> Result<T, Option<String>> {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return Ok(answer);
        }
        if let Some(ended) = ended() {
            return Err(Some(ended));
        }
        if started.elapsed() > timeout {
            return Err(None);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
