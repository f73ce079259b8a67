//! How much time a stop leaves to what is under way.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// From a stop on: a broker that is well has confirmed by then, and nothing is published twice.
const PATIENCE: Duration = Duration::from_secs(1);

/// Does it to its end. `None` where it has not ended a second after `stop`; it is dropped then.
pub async fn patiently<T>(stop: &CancellationToken, done: impl Future<Output = T>) -> Option<T> {
    let over = async {
        stop.cancelled().await;
        sleep(PATIENCE).await;
    };
    tokio::select! {
        biased;
        done = done => Some(done),
        () = over => None,
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_does_not_end_has_a_second_from_the_stop_on() {
        let (stop, begun) = (CancellationToken::new(), Instant::now());
        let stops = async {
            sleep(Duration::from_secs(30)).await;
            stop.cancel();
        };
        let (ended, ()) = tokio::join!(patiently(&stop, pending::<()>()), stops);
        assert_eq!((ended, begun.elapsed().as_secs()), (None, 31));
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_soon_after_a_stop_is_not_lost() {
        let stop = CancellationToken::new();
        stop.cancel();
        let soon = async {
            sleep(PATIENCE / 2).await;
            7
        };
        assert_eq!(patiently(&stop, soon).await, Some(7));
    }
}
