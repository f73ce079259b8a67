//! The lease by which one process relays for all.

use std::pin::pin;
use std::time::Duration;

use kernel::{Failure, Result};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

/// How long the lease lasts after it was taken or renewed.
pub const LEASE_TERM: Duration = Duration::from_secs(6);
/// From then on it is to be renewed: a third of the term.
const RENEW_AFTER: Duration = Duration::from_secs(2);
/// From one renewal that fails to the next one.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// A lease that was taken. `renew` asks for it again; false where another process has it.
pub struct Lease<R> {
    renew: R,
    /// When it was asked for: so it lasts no longer by this clock than by the server's.
    asked: Instant,
    is_held: bool,
}

impl<F: Future<Output = Result<bool>>, R: Fn() -> F> Lease<R> {
    /// `None` while another process has it.
    pub async fn take(renew: R) -> Result<Option<Self>> {
        let asked = Instant::now();
        let is_held = renew().await?;
        Ok(is_held.then_some(Self { renew, asked, is_held }))
    }

    /// Whether this process has it. Renews it where that is due.
    pub async fn holds(&mut self) -> Result<bool> {
        if self.is_held && self.asked.elapsed() >= RENEW_AFTER {
            self.renew().await?;
        }
        Ok(self.is_held)
    }

    /// Does it to its end, and renews the lease meanwhile. `None` where another process has the lease; an
    /// error where it could not be renewed, or not before its end. What was begun is dropped then.
    pub async fn beside<T>(&mut self, done: impl Future<Output = T>) -> Result<Option<T>> {
        if !self.holds().await? {
            return Ok(None);
        }
        let over = CancellationToken::new();
        let mut keeping = pin!(self.keep(&over));
        let done = tokio::select! {
            biased;
            done = done => done,
            kept = &mut keeping => return kept.map(|()| None),
        };
        over.cancel();
        // A renewal that arrived after the lease was given up would take it again.
        if let Err(failure) = keeping.await {
            tracing::debug!(%failure, "the lease is asked for again");
        }
        Ok(Some(done))
    }

    /// Renews it until `over`, or until another process has it. After an error it is tried again, as long as
    /// the lease lasts.
    async fn keep(&mut self, over: &CancellationToken) -> Result<()> {
        let mut due = self.asked + RENEW_AFTER;
        while self.is_held {
            if over.run_until_cancelled(sleep_until(due)).await.is_none() {
                break;
            }
            let (end, now) = (self.asked + LEASE_TERM, Instant::now());
            let late = |_| Failure::transient("leasing the relay", "no answer before its end");
            due = match timeout_at(end, self.renew()).await.map_err(late)? {
                Ok(()) => self.asked + RENEW_AFTER,
                Err(failure) if now + RETRY_AFTER >= end => return Err(failure),
                Err(_) => now + RETRY_AFTER,
            };
        }
        Ok(())
    }

    async fn renew(&mut self) -> Result<()> {
        let asked = Instant::now();
        self.is_held = (self.renew)().await?;
        self.asked = asked;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::{pending, ready};

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_lease_is_renewed_beside_what_lasts_longer_than_its_term() {
        let asked = Cell::new(0);
        let renew = || {
            asked.set(asked.get() + 1);
            ready(Ok(true))
        };
        let mut lease = Lease::take(renew).await.unwrap().unwrap();
        let done = lease.beside(async {
            sleep(Duration::from_secs(7)).await;
            7
        });
        assert_eq!(done.await.unwrap(), Some(7));
        assert_eq!(asked.get(), 4, "after 2, 4 and 6 s");
        assert!(lease.holds().await.unwrap());
        assert_eq!(asked.get(), 4, "it is not due");
        sleep(RENEW_AFTER).await;
        assert!(lease.holds().await.unwrap());
        assert_eq!(asked.get(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_done_ends_with_the_lease_and_is_not_begun_without_it() {
        let is_free = Cell::new(true);
        let mut lease = Lease::take(|| ready(Ok(is_free.get()))).await.unwrap().unwrap();
        is_free.set(false);
        let begun = Instant::now();
        assert_eq!(lease.beside(pending::<()>()).await.unwrap(), None);
        assert_eq!(begun.elapsed().as_secs(), RENEW_AFTER.as_secs());
        assert_eq!(lease.beside(ready(())).await.unwrap(), None);
        assert!(Lease::take(|| ready(Ok(is_free.get()))).await.unwrap().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_done_ends_with_the_term_of_a_lease_that_can_not_be_renewed() {
        let answers = Cell::new(true);
        let renew = || async {
            match answers.get() {
                true => Ok(true),
                false => pending().await,
            }
        };
        let mut lease = Lease::take(renew).await.unwrap().unwrap();
        answers.set(false);
        let begun = Instant::now();
        assert!(lease.beside(pending::<()>()).await.is_err());
        assert_eq!(begun.elapsed().as_secs(), LEASE_TERM.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_that_fails_is_tried_again_until_the_end_of_the_term() {
        let failures = Cell::new(0);
        let renew = || {
            let failed = failures.replace(failures.get() - 1) > 0;
            ready(if failed {
                Err(Failure::transient("leasing", "as a test wants it"))
            } else {
                Ok(true)
            })
        };
        let mut lease = Lease::take(renew).await.unwrap().unwrap();
        failures.set(3);
        let done = lease.beside(sleep(Duration::from_secs(7)));
        assert_eq!(done.await.unwrap(), Some(()));
        failures.set(100);
        let begun = Instant::now();
        assert!(lease.beside(pending::<()>()).await.is_err());
        assert!(begun.elapsed() < LEASE_TERM, "the lease was renewed before");
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_under_way_ends_before_the_lease_may_be_given_up() {
        let ended = Cell::new(0);
        let renew = || async {
            sleep(Duration::from_secs(1)).await;
            ended.set(ended.get() + 1);
            Ok(true)
        };
        let mut lease = Lease::take(renew).await.unwrap().unwrap();
        // One is due a second from now, and takes a second.
        let done = lease.beside(sleep(Duration::from_millis(1_500)));
        assert_eq!(done.await.unwrap(), Some(()));
        assert_eq!(ended.get(), 2);
    }
}
