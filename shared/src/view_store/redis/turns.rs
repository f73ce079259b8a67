//! Work that is done by few at a time: it is large, and shares a connection with the queries.

use std::time::Duration;

use kernel::{Failure, Result};
use tokio::sync::Semaphore;

/// How many work at a time.
const AT_A_TIME: usize = 4;
/// How long one waits for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

pub struct Turns(Semaphore);

impl Default for Turns {
    fn default() -> Self {
        Self(Semaphore::new(AT_A_TIME))
    }
}

impl Turns {
    /// Does the work in its turn. A failure when that does not come in time; nothing was done then.
    pub async fn take<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let late = |_| Failure::transient("following the views", "too many read what they missed");
        let turn = tokio::time::timeout(TURN_TIMEOUT, self.0.acquire()).await.map_err(late)?;
        let done = work.await;
        drop(turn);
        done
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn few_work_at_a_time_and_all_have_their_turn() {
        let (turns, gate) = (Arc::new(Turns::default()), Arc::new(Semaphore::new(0)));
        let begun = Arc::new(AtomicUsize::new(0));
        let work = |_| {
            let (turns, gate, begun) = (turns.clone(), gate.clone(), begun.clone());
            tokio::spawn(async move {
                let work = async {
                    begun.fetch_add(1, Ordering::SeqCst);
                    gate.acquire().await.unwrap().forget();
                    Ok(())
                };
                turns.take(work).await
            })
        };
        let all: Vec<_> = (0..10).map(work).collect();
        for _ in 0..100 {
            tokio::task::yield_now().await; // All tasks run on this thread.
        }
        assert_eq!(begun.load(Ordering::SeqCst), AT_A_TIME);
        gate.add_permits(10);
        for one in all {
            one.await.unwrap().unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_for_a_turn_has_an_end() {
        let turns = Turns::default();
        let never = || turns.take(std::future::pending::<Result<()>>());
        let fifth = async { turns.take(std::future::ready(Ok(()))).await };
        tokio::select! {
            biased;
            _ = futures::future::join_all((0..AT_A_TIME).map(|_| never())) => panic!("they end"),
            late = fifth => assert!(late.unwrap_err().to_string().contains("too many")),
        }
    }
}
